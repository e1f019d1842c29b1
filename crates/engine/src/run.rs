//! Sharing the work: logs and their units over threads, results back in the order of the logs.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rulestone_events::{
    Batch, Event, Fields, Ingest, Interest, Log, LogError, ScopeKind, Settings, Tally, Unit,
};
use rulestone_ir::{Formula, Rule};

use crate::feed::{Feed, Unfit};
use crate::order::{Origin, Row, Sorter};
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
    /// Whether it is a finding that somebody looks at; else it is there for rules that build on
    /// it alone.
    pub raises: bool,
}

/// What was made of a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made<T> {
    /// What comes out of the scan.
    pub item: Option<T>,
    /// Whether rules that build on this one see the hit.
    pub counts: bool,
}

impl<T> Made<T> {
    /// Something that counts.
    pub fn counting(item: T) -> Made<T> {
        Made { item: Some(item), counts: true }
    }
}

impl Hit<'_> {
    /// The filter that let the event through.
    pub fn filter(&self) -> &Formula {
        const TRUE: &Formula = &Formula::TRUE;
        self.rule.sources[self.source].filtered().map_or(TRUE, |(_, filter)| filter)
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
    /// Bytes of memory for what rules with state keep; the rest of it goes to disk.
    pub memory: usize,
}

impl Default for ScanSettings {
    /// One thread, and the memory that the design settles on.
    fn default() -> Self {
        ScanSettings {
            jobs: 1,
            ingest: Settings::default(),
            read_everything: false,
            memory: 1 << 30,
        }
    }
}

/// A pass over some of the logs of a session.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Phase<'a> {
    /// The first log's place among all that the session reads.
    pub(crate) first_log: u32,
    /// Rules up to this stratum see nothing of these logs.
    pub(crate) above: Option<usize>,
    /// For each rule, whether its hits are handed over although nobody looks at them: they may not
    /// count.
    pub(crate) checked: &'a [bool],
}

/// What a pass leaves for the stages.
#[derive(Default)]
pub(crate) struct Collected {
    /// Rows for each stratum, as the threads collected them.
    pub(crate) sorters: Vec<Vec<Sorter>>,
    pub(crate) unkept: Unkept,
}

/// Hits that no stage can look at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unkept {
    pub(crate) untimed: u64,
    pub(crate) keyless: u64,
    pub(crate) valueless: u64,
}

impl Unkept {
    pub(crate) fn of(unfit: Unfit) -> Unkept {
        let mut unkept = Unkept::default();
        unkept.add(unfit);
        unkept
    }

    fn add(&mut self, unfit: Unfit) {
        match unfit {
            Unfit::Time => self.untimed += 1,
            Unfit::Key => self.keyless += 1,
            Unfit::Value => self.valueless += 1,
        }
    }
}

/// What came out of a unit, or of the end of a log.
pub struct UnitOutcome<T> {
    /// The log's place in the list of logs.
    pub log: usize,
    /// What was made of the hits, in the order of the records, then of the rules.
    pub hits: Vec<T>,
    /// What was counted.
    pub tally: Tally,
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
///
/// Rules with state find nothing here: they need a [`crate::Session`].
pub fn scan<T: Send>(
    logs: &[LogFile],
    plan: &Plan,
    settings: &ScanSettings,
    stop: &AtomicBool,
    make: impl Fn(Hit<'_>) -> T + Sync,
    each: impl FnMut(UnitOutcome<T>),
) {
    // Only rows that stages wait for can fail to be kept, and nobody waits here.
    let make = |hit: Hit<'_>| Made::counting(make(hit));
    let _ = scan_phase(logs, plan, settings, stop, Phase::default(), make, each);
}

/// A pass of a session.
pub(crate) fn scan_phase<T: Send>(
    logs: &[LogFile],
    plan: &Plan,
    settings: &ScanSettings,
    stop: &AtomicBool,
    phase: Phase<'_>,
    make: impl Fn(Hit<'_>) -> Made<T> + Sync,
    mut each: impl FnMut(UnitOutcome<T>),
) -> io::Result<Collected> {
    let work = Work {
        logs,
        next: AtomicUsize::new(0),
        handed_on: AtomicUsize::new(0),
        open: Mutex::default(),
        stop,
    };
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..settings.jobs.max(1))
            .map(|_| {
                let sender = sender.clone();
                let (work, make) = (&work, &make);
                scope.spawn(move || {
                    Worker {
                        work,
                        plan,
                        make,
                        sender,
                        ingest: Ingest::new(settings.ingest.clone()),
                        matcher: Matcher::new(plan),
                        read_everything: settings.read_everything,
                        phase,
                        rows: Rows::new(plan, settings),
                    }
                    .run()
                })
            })
            .collect();
        drop(sender);
        let mut order = Order::default();
        for (place, outcome) in receiver {
            order.add(place, outcome, &mut |outcome| {
                if outcome.end.is_some() {
                    work.handed_on.store(outcome.log + 1, Ordering::Relaxed);
                }
                each(outcome);
            });
        }
        // What an early stop left waiting for units that will not come.
        order.waiting.into_values().for_each(each);
        let mut collected = Collected::default();
        for worker in workers {
            let rows = worker.join().map_err(|_| io::Error::other("a thread came to an end"))?;
            rows.collect_into(&mut collected)?;
        }
        Ok(collected)
    })
}

/// Rows that one thread collects for the stages.
struct Rows {
    /// For each stratum.
    sorters: Vec<Sorter>,
    unkept: Unkept,
    /// What kept a row from being kept.
    failed: Option<io::Error>,
    /// Rows of a hit.
    some: Vec<Row>,
}

impl Rows {
    fn new(plan: &Plan, settings: &ScanSettings) -> Rows {
        let strata = plan.strata().count().max(1);
        // A quarter of the memory for all threads and strata; what is read is in the rest.
        let bytes = settings.memory / 4 / settings.jobs.max(1) / strata;
        Rows {
            sorters: (0..strata).map(|_| Sorter::new(bytes)).collect(),
            unkept: Unkept::default(),
            failed: None,
            some: Vec::new(),
        }
    }

    fn add(&mut self, plan: &Plan, feed: &Feed, batch: &Batch<'_>, row: usize, origin: Origin) {
        if let Err(unfit) = feed.rows(batch, row, origin, &mut self.some) {
            self.unkept.add(unfit);
        }
        for row in self.some.drain(..) {
            let stratum = plan.strata().of[row.rule as usize];
            if let Err(error) = self.sorters[stratum].push(row) {
                self.failed.get_or_insert(error);
            }
        }
    }

    fn collect_into(self, collected: &mut Collected) -> io::Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        collected.sorters.resize_with(self.sorters.len(), Vec::new);
        for (all, own) in collected.sorters.iter_mut().zip(self.sorters) {
            all.push(own);
        }
        let (all, own) = (&mut collected.unkept, self.unkept);
        all.untimed += own.untimed;
        all.keyless += own.keyless;
        all.valueless += own.valueless;
        Ok(())
    }
}

/// Opens a log.
pub(crate) fn open(file: &LogFile) -> Result<Log, LogError> {
    match &file.path {
        Some(path) if file.lines => Log::open_lines(path, file.name.clone()),
        Some(path) => Log::open(path, file.name.clone()),
        None => Log::from_reader(std::io::stdin(), file.name.clone()),
    }
}

/// Puts outcomes back into the order of logs and units.
struct Order<T> {
    waiting: BTreeMap<(usize, u64), UnitOutcome<T>>,
    next: (usize, u64),
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Order { waiting: BTreeMap::new(), next: (0, 0) }
    }
}

impl<T> Order<T> {
    fn add(
        &mut self,
        place: (usize, u64),
        outcome: UnitOutcome<T>,
        each: &mut impl FnMut(UnitOutcome<T>),
    ) {
        self.waiting.insert(place, outcome);
        while let Some(outcome) = self.waiting.remove(&self.next) {
            self.next = if outcome.end.is_some() {
                (self.next.0 + 1, 0)
            } else {
                (self.next.0, self.next.1 + 1)
            };
            each(outcome);
        }
    }
}

struct Work<'a> {
    logs: &'a [LogFile],
    next: AtomicUsize,
    /// Logs whose outcomes have all been handed on.
    handed_on: AtomicUsize,
    open: Mutex<Vec<Arc<OpenLog>>>,
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
    sender: Sender<((usize, u64), UnitOutcome<T>)>,
    ingest: Ingest,
    matcher: Matcher<'a>,
    read_everything: bool,
    phase: Phase<'a>,
    rows: Rows,
}

impl<T, M: Fn(Hit<'_>) -> Made<T>> Worker<'_, T, M> {
    fn run(mut self) -> Rows {
        while !self.stopped() {
            if let Some(open) = self.open_next() {
                while !self.stopped() && self.step(&open) {}
            } else if !self.help() {
                break;
            }
        }
        self.rows
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
                Err(error) => self.send_end((at, 0), Err(error)),
            }
        }
    }

    fn try_next(&self) -> Option<(usize, Result<Log, LogError>)> {
        let ahead = self.work.next.load(Ordering::Relaxed);
        let far = ahead >= self.work.handed_on.load(Ordering::Relaxed) + OPEN_AHEAD;
        if far && !self.work.open().is_empty() {
            return None;
        }
        let at = self.work.next.fetch_add(1, Ordering::Relaxed);
        let file = self.work.logs.get(at)?;
        Some((at, open(file)))
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
        let (unit, place) = {
            let mut slot = open.log.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((log, units)) = slot.as_mut() else { return false };
            let place = (open.at, *units);
            *units += 1;
            match log.next_unit() {
                Some(unit) => (unit, place),
                None => {
                    let failure = log.failure().map(std::io::Error::other);
                    *slot = None;
                    drop(slot);
                    self.work.open().retain(|other| other.at != open.at);
                    self.send_end(place, failure.map_or(Ok(()), |error| Err(error.into())));
                    return false;
                }
            }
        };
        let outcome = self.read(unit, open.at);
        // A receiver that is gone wants nothing more.
        let _ = self.sender.send((place, outcome));
        true
    }

    fn send_end(&self, place: (usize, u64), end: Result<(), LogError>) {
        let outcome =
            UnitOutcome { log: place.0, hits: Vec::new(), tally: Tally::default(), end: Some(end) };
        let _ = self.sender.send((place, outcome));
    }

    fn read(&mut self, unit: Unit, log_at: usize) -> UnitOutcome<T> {
        let log = unit.place.log.clone();
        let (log_place, unit_place) =
            (self.phase.first_log + log_at as u32, unit.place.unit as u32);
        let records = unit.into_records();
        let (plan, make, matcher) = (self.plan, self.make, &mut self.matcher);
        let Phase { above, checked, .. } = self.phase;
        let rows = &mut self.rows;
        let is_above = |rule: usize| above.is_none_or(|above| plan.strata().of[rule] > above);
        let interest: &dyn Interest = if self.read_everything { &Fields::All } else { plan };
        let mut hits: Vec<(usize, usize, T)> = Vec::new();
        let tally = self.ingest.read(records, interest, |batch| {
            matcher.run(batch, |row, program, rules| {
                let mut event = None;
                let position = batch.rows[row].position();
                let mut seen: Vec<(usize, usize)> = Vec::new();
                for bound in rules.iter().map(|at| &program.rules()[*at as usize]) {
                    // Two of a scope's entries may let the same source see the same event, and an
                    // event that two sources of a rule let through is one finding.
                    let is_finding = plan.rules()[bound.rule].stages.is_empty();
                    let again = |(rule, source): &(usize, usize)| {
                        *rule == bound.rule && (is_finding || *source == bound.source)
                    };
                    if seen.iter().any(again) || !is_above(bound.rule) {
                        continue;
                    }
                    seen.push((bound.rule, bound.source));
                    if bound.raises || checked.get(bound.rule).copied().unwrap_or_default() {
                        let event = event.get_or_insert_with(|| batch.event(&batch.rows[row]));
                        let made = make(Hit {
                            rule: &plan.rules()[bound.rule],
                            rule_at: bound.rule,
                            source: bound.source,
                            log: &log,
                            event,
                            scope_kind: &bound.scope_kind,
                            raises: bound.raises,
                        });
                        hits.extend(made.item.map(|item| (position, bound.rule, item)));
                        if !made.counts {
                            continue;
                        }
                    }
                    for feed in &bound.feeds {
                        let record = batch.rows[row].record;
                        let (unit, position) = (unit_place, position as u32);
                        let origin = Origin { log: log_place, record, unit, position };
                        rows.add(plan, feed, batch, row, origin);
                    }
                }
            });
        });
        hits.sort_by_key(|(position, rule, _)| (*position, *rule));
        let hits = hits.into_iter().map(|(_, _, made)| made).collect();
        UnitOutcome { log: log_at, hits, tally, end: None }
    }
}

impl Work<'_> {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<Arc<OpenLog>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
