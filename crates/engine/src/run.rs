//! Sharing the work: logs and their units over threads, results back in the order of the logs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rulestone_events::{
    Event, Fields, Fragment, Fragments, Ingest, Interest, Log, LogError, Members, ScopeKind,
    Settings, Tally, Unit,
};
use rulestone_ir::{Formula, Rule, Source};

use crate::join::{Joined, Joiner};
use crate::{Matcher, Plan};

/// An event that a rule's source lets through.
pub struct Hit<'a> {
    /// The rule.
    pub rule: &'a Arc<Rule>,
    /// Its place in the plan.
    pub rule_at: usize,
    /// The source's place in the rule.
    pub source: usize,
    /// The log as the user named it.
    pub log: &'a Arc<str>,
    /// The event, decoded whole.
    pub event: &'a Event,
    /// How the rule's fields read in it.
    pub scope_kind: &'a ScopeKind,
    /// The events that it was put together from, each with its log; none where it is as it was read.
    pub evidence: &'a [(Arc<str>, Event)],
    /// What whoever looks at it has to know.
    pub notes: &'a [String],
}

impl Hit<'_> {
    /// The filter that let the event through.
    pub fn filter(&self) -> &Formula {
        let Source::Events { filter, .. } = &self.rule.sources[self.source];
        filter
    }
}

/// A log to read.
#[derive(Debug, Clone)]
pub struct LogFile {
    /// The name in output.
    pub name: Arc<str>,
    /// The file; standard input where there is none.
    pub path: Option<PathBuf>,
    /// Whether it is plain text, of which every line is an event; else its content says what it is.
    pub lines: bool,
}

/// How to scan.
#[derive(Debug, Clone)]
pub struct ScanSettings {
    /// Threads.
    pub jobs: usize,
    /// What is read and remembered.
    pub ingest: Settings,
    /// Keep every value, whatever the rules ask for: what reading costs by itself.
    pub read_everything: bool,
}

/// What came out of a unit, or of the end of a log.
pub struct UnitOutcome<T> {
    /// The log's place in the list of logs; behind all of them for what was put together from
    /// pieces out of any of them.
    pub log: usize,
    /// What was made of the hits, in the order of the records, then of the rules.
    pub hits: Vec<T>,
    /// What was counted.
    pub tally: Tally,
    /// The logs inside of an archive that came to their end before this: why before their time,
    /// if something went wrong.
    pub members: Vec<(Arc<str>, Result<(), LogError>)>,
    /// Whether the log is at its end, and why before its time if something went wrong.
    pub end: Option<Result<(), LogError>>,
}

/// Logs that may be open at a time before threads help each other instead.
const OPEN_AHEAD: usize = 64;

/// Runs a plan over logs.
///
/// `make` turns hits into whatever is wanted, on the threads that find them; `each` gets the
/// outcomes on the calling thread, in the order of the logs and of the units in them, the same
/// for any number of threads. `stop` ends the scan early, with what was found so far.
pub fn scan<T: Send>(
    logs: &[LogFile],
    plan: &Plan,
    settings: &ScanSettings,
    stop: &AtomicBool,
    make: impl Fn(Hit<'_>) -> T + Sync,
    mut each: impl FnMut(UnitOutcome<T>),
) {
    let work = Work {
        logs,
        next: AtomicUsize::new(0),
        handed_on: AtomicUsize::new(0),
        open: Mutex::default(),
        pieces: AtomicUsize::new(0),
        most_pieces: settings.ingest.fragment_bytes,
        stop,
    };
    let ingest = ingest_settings(settings);
    let mut joiner = Joiner::new(plan, &make, &ingest);
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for _ in 0..settings.jobs.max(1) {
            let sender = sender.clone();
            let (work, make, ingest) = (&work, &make, &ingest);
            scope.spawn(move || {
                Worker {
                    work,
                    plan,
                    make,
                    sender,
                    ingest: Ingest::new(ingest.clone()),
                    matcher: Matcher::new(plan),
                    read_everything: settings.read_everything,
                }
                .run();
            });
        }
        drop(sender);
        let mut order = Order::default();
        let mut hand_on = |(outcome, fragments): Read<T>| {
            if outcome.end.is_some() {
                work.handed_on.store(outcome.log + 1, Ordering::Relaxed);
            }
            each(outcome);
            work.pieces.fetch_sub(size_of_pieces(&fragments), Ordering::Relaxed);
            if let Some(joined) = joiner.add(fragments) {
                each(of_joined(joined, logs));
            }
        };
        for (place, read) in receiver {
            order.add(place, read, &mut hand_on);
        }
        // What an early stop left waiting for units that will not come.
        order.waiting.into_values().for_each(&mut hand_on);
    });
    if let Some(joined) = joiner.finish() {
        each(of_joined(joined, logs));
    }
}

/// An outcome, and the pieces of longer events that were set aside.
type Read<T> = (UnitOutcome<T>, Vec<Fragment>);

fn size_of_pieces(fragments: &[Fragment]) -> usize {
    fragments.iter().map(Fragment::size).sum()
}

/// Who only reads wants pieces of events as they are.
fn ingest_settings(settings: &ScanSettings) -> Settings {
    let fragments = if settings.read_everything { Fragments::Apart } else { Fragments::Aside };
    Settings { fragments, ..settings.ingest.clone() }
}

fn of_joined<T>(joined: Joined<T>, logs: &[LogFile]) -> UnitOutcome<T> {
    let (hits, tally) = joined.into_parts();
    UnitOutcome { log: logs.len(), hits, tally, members: Vec::new(), end: None }
}

/// Puts outcomes back into the order of logs and units.
struct Order<T> {
    waiting: BTreeMap<(usize, u64), Read<T>>,
    next: (usize, u64),
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Order { waiting: BTreeMap::new(), next: (0, 0) }
    }
}

impl<T> Order<T> {
    fn add(&mut self, place: (usize, u64), read: Read<T>, each: &mut impl FnMut(Read<T>)) {
        self.waiting.insert(place, read);
        while let Some(read) = self.waiting.remove(&self.next) {
            self.next = if read.0.end.is_some() {
                (self.next.0 + 1, 0)
            } else {
                (self.next.0, self.next.1 + 1)
            };
            each(read);
        }
    }
}

struct Work<'a> {
    logs: &'a [LogFile],
    next: AtomicUsize,
    /// Logs whose outcomes have all been handed on.
    handed_on: AtomicUsize,
    open: Mutex<Vec<Arc<OpenLog>>>,
    /// Bytes of pieces out of units whose outcomes wait for earlier ones, and how many may.
    pieces: AtomicUsize,
    most_pieces: usize,
    stop: &'a AtomicBool,
}

struct OpenLog {
    at: usize,
    /// The log and how many units it has given; `None` once it is at its end.
    log: Mutex<Option<(Log, u64)>>,
}

struct Worker<'a, T, M> {
    work: &'a Work<'a>,
    plan: &'a Plan,
    make: &'a M,
    sender: Sender<((usize, u64), Read<T>)>,
    ingest: Ingest,
    matcher: Matcher<'a>,
    read_everything: bool,
}

impl<T, M: Fn(Hit<'_>) -> T> Worker<'_, T, M> {
    fn run(&mut self) {
        while !self.stopped() {
            if let Some(open) = self.open_next() {
                while !self.stopped() && !self.work.is_far_ahead() && self.step(&open) {}
            } else if !self.help() {
                return;
            }
        }
    }

    fn stopped(&self) -> bool {
        self.work.stop.load(Ordering::Relaxed)
    }

    /// Opens the next log nobody has opened, unless too many wait already.
    fn open_next(&mut self) -> Option<Arc<OpenLog>> {
        loop {
            let (at, opened) = self.try_next()?;
            match opened {
                Ok(log) => {
                    let open = Arc::new(OpenLog { at, log: Mutex::new(Some((log, 0))) });
                    self.work.open().push(open.clone());
                    return Some(open);
                }
                Err(error) => self.send_end((at, 0), Err(error), Members::default()),
            }
        }
    }

    fn try_next(&self) -> Option<(usize, Result<Log, LogError>)> {
        let ahead = self.work.next.load(Ordering::Relaxed);
        let far = ahead >= self.work.handed_on.load(Ordering::Relaxed) + OPEN_AHEAD
            || self.work.is_far_ahead();
        if far && !self.work.open().is_empty() {
            return None;
        }
        let at = self.work.next.fetch_add(1, Ordering::Relaxed);
        let file = self.work.logs.get(at)?;
        let opened = match &file.path {
            Some(path) if file.lines => Log::open_lines(path, file.name.clone()),
            Some(path) => Log::open(path, file.name.clone()),
            None => Log::from_reader(std::io::stdin(), file.name.clone()),
        };
        Some((at, opened))
    }

    /// Takes a unit of the earliest log that others have open. Returns whether there may be more.
    fn help(&mut self) -> bool {
        let open = self.work.open().clone();
        open.iter().any(|open| self.step(open)) || {
            std::thread::yield_now();
            self.work.next.load(Ordering::Relaxed) < self.work.logs.len()
                || !self.work.open().is_empty()
        }
    }

    /// Reads the next unit of a log. Returns whether there was one.
    fn step(&mut self, open: &Arc<OpenLog>) -> bool {
        let (unit, place, members) = {
            let mut slot = open.log.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((log, units)) = slot.as_mut() else { return false };
            let place = (open.at, *units);
            *units += 1;
            let unit = log.next_unit();
            let members = log.take_members();
            match unit {
                Some(unit) => (unit, place, members),
                None => {
                    let failure = log.failure().map(std::io::Error::other);
                    *slot = None;
                    drop(slot);
                    self.work.open().retain(|other| other.at != open.at);
                    let end = failure.map_or(Ok(()), |error| Err(error.into()));
                    self.send_end(place, end, members);
                    return false;
                }
            }
        };
        let mut outcome = self.read(unit, open.at);
        outcome.tally.add(members.tally);
        outcome.members = members.ended;
        // A receiver that is gone wants nothing more.
        let fragments = self.ingest.take_fragments();
        self.work.pieces.fetch_add(size_of_pieces(&fragments), Ordering::Relaxed);
        let _ = self.sender.send((place, (outcome, fragments)));
        true
    }

    fn send_end(&self, place: (usize, u64), end: Result<(), LogError>, members: Members) {
        let Members { ended: members, tally } = members;
        let outcome =
            UnitOutcome { log: place.0, hits: Vec::new(), tally, members, end: Some(end) };
        let _ = self.sender.send((place, (outcome, Vec::new())));
    }

    fn read(&mut self, unit: Unit, log_at: usize) -> UnitOutcome<T> {
        let log = unit.place.log.clone();
        let records = unit.into_records();
        let (plan, make, matcher) = (self.plan, self.make, &mut self.matcher);
        let interest: &dyn Interest = if self.read_everything { &Fields::All } else { plan };
        let mut hits: Vec<(usize, usize, T)> = Vec::new();
        let tally = self.ingest.read(records, interest, |batch| {
            matcher.run(batch, |row, program, rules| {
                let event = batch.event(&batch.rows[row]);
                let position = batch.rows[row].position();
                let mut seen = Vec::new();
                for bound in rules.iter().map(|at| &program.rules()[*at as usize]) {
                    // Two of a scope's entries may let the same rule see the same event.
                    if seen.contains(&bound.rule) {
                        continue;
                    }
                    seen.push(bound.rule);
                    let hit = Hit {
                        rule: &plan.rules()[bound.rule],
                        rule_at: bound.rule,
                        source: bound.source,
                        log: &log,
                        event: &event,
                        scope_kind: &bound.scope_kind,
                        evidence: &[],
                        notes: &[],
                    };
                    hits.push((position, bound.rule, make(hit)));
                }
            });
        });
        hits.sort_by_key(|(position, rule, _)| (*position, *rule));
        let hits = hits.into_iter().map(|(_, _, made)| made).collect();
        UnitOutcome { log: log_at, hits, tally, members: Vec::new(), end: None }
    }
}

impl Work<'_> {
    /// Whether so much waits for the earliest log that it is better to help with that.
    fn is_far_ahead(&self) -> bool {
        self.pieces.load(Ordering::Relaxed) > self.most_pieces
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Vec<Arc<OpenLog>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
