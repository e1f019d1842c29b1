//! Sharing the work: logs and their units over threads, results back in the order of the logs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rulestone_events::{
    Batch, Column, Event, Fields, Fragment, Fragments, Ingest, Interest, Log, LogError, Members,
    ScopeKind, Settings, Tally, Unit,
};
use rulestone_ir::{Formula, Rule};
use rulestone_value::Value;

use crate::bind::Program;
use crate::coded::{Coded, Waiting};
use crate::decoded::Decoded;
use crate::feed::{Feed, Unfit};
use crate::join::{Joined, Joiner};
use crate::order::{Origin, Row, Sorter};
use crate::piped::{self, Piped};
use crate::spool::Spool;
use crate::stages::rows::Refusal;
use crate::{BoundRule, Matcher, Plan, demand};

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
    /// The events that it was put together from, each with its log; none where it is as it was read.
    pub evidence: &'a [(Arc<str>, Event)],
    /// What whoever looks at it has to know.
    pub notes: &'a [String],
    /// The row that the rule's stages made of it, where they make rows.
    pub row: Option<&'a [(Arc<str>, Value)]>,
    /// Which of the rows that they made of it, from 0.
    pub part: usize,
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
    /// Whether there is one.
    pub(crate) any_checked: bool,
    /// Where a copy of standard input goes, so that it can be read again.
    pub(crate) copy: Option<&'a Path>,
}

/// What a pass leaves for the stages.
#[derive(Default)]
pub(crate) struct Collected {
    /// Rows for each stratum, as the threads collected them.
    pub(crate) sorters: Vec<Vec<Sorter>>,
    /// Rows of pipelines for each stratum.
    pub(crate) spools: Vec<Vec<Spool>>,
    /// Events that wait as codes for pipelines of any stratum.
    pub(crate) coded: Vec<Coded>,
    /// What the first stages of pipelines refused.
    pub(crate) refused: Vec<(usize, Refusal)>,
    pub(crate) unkept: Unkept,
    /// Events that no log has as they are, with the names of the logs they stand for.
    pub(crate) made: Vec<MadeEvent>,
}

/// Hits that no stage can look at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unkept {
    pub(crate) untimed: u64,
    pub(crate) keyless: u64,
    pub(crate) valueless: u64,
    pub(crate) crowded: u64,
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
            Unfit::Groups => self.crowded += 1,
        }
    }
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
        pieces: AtomicUsize::new(0),
        most_pieces: settings.ingest.fragment_bytes,
        stop,
    };
    let ingest = ingest_settings(settings);
    let mut joiner = Joiner::new(Taker { plan, make: &make, phase }, settings, &ingest);
    let (sender, receiver) = channel();
    let mut collected = std::thread::scope(|scope| -> io::Result<Collected> {
        let workers: Vec<_> = (0..settings.jobs.max(1))
            .map(|_| {
                let sender = sender.clone();
                let (work, make) = (&work, &make);
                scope.spawn(move || {
                    let taker = Taker { plan, make, phase };
                    let reader = UnitReader::new(taker, settings).with_coded();
                    Worker { work, reader, sender }.run()
                })
            })
            .collect();
        drop(sender);
        let mut order = Order::default();
        let mut hand_on = |(outcome, fragments): ReadUnit<T>| {
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
        let mut collected = Collected::default();
        for worker in workers {
            let (rows, piped, coded) =
                worker.join().map_err(|_| io::Error::other("a thread came to an end"))?;
            rows.collect_into(&mut collected)?;
            piped.collect_into(&mut collected)?;
            collected.coded.extend(coded);
        }
        Ok(collected)
    })?;
    let (joined, rows, piped) = joiner.finish();
    rows.collect_into(&mut collected)?;
    piped.collect_into(&mut collected)?;
    if let Some(joined) = joined {
        each(of_joined(joined, logs));
    }
    Ok(collected)
}

/// An outcome, and the pieces of longer events that were set aside.
pub(crate) type ReadUnit<T> = (UnitOutcome<T>, Vec<Fragment>);

fn size_of_pieces(fragments: &[Fragment]) -> usize {
    fragments.iter().map(Fragment::size).sum()
}

/// Who only reads wants pieces of events as they are.
pub(crate) fn ingest_settings(settings: &ScanSettings) -> Settings {
    let fragments = if settings.read_everything { Fragments::Apart } else { Fragments::Aside };
    Settings { fragments, ..settings.ingest.clone() }
}

pub(crate) fn of_joined<T>(joined: Joined<T>, logs: &[LogFile]) -> UnitOutcome<T> {
    let (hits, tally) = joined.into_parts();
    UnitOutcome { log: logs.len(), hits, tally, members: Vec::new(), end: None }
}

/// What is made of an event that rules let through: the same wherever the event comes from.
pub(crate) struct Taker<'a, M> {
    pub(crate) plan: &'a Plan,
    pub(crate) make: &'a M,
    pub(crate) phase: Phase<'a>,
}

impl<M> Clone for Taker<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Taker<'_, M> {}

/// Where an event comes from.
pub(crate) struct About<'a> {
    pub(crate) log: &'a Arc<str>,
    /// When and where it is, and its values by their own names.
    pub(crate) from: piped::From<'a>,
    pub(crate) evidence: &'a [(Arc<str>, Event)],
    pub(crate) notes: &'a [String],
    /// The event, decoded when it is asked for.
    pub(crate) event: &'a dyn Fn() -> Event,
}

impl<M> Taker<'_, M> {
    /// Whether there are rules whose rows may wait: nobody has to look at their hits.
    fn may_wait(&self, program: &Program, waiting: &[u32]) -> bool {
        let is_checked = |at: &u32| {
            let rule = program.rules()[*at as usize].rule;
            self.phase.checked.get(rule).copied().unwrap_or_default()
        };
        let is_checked = self.phase.any_checked && waiting.iter().any(is_checked);
        !waiting.is_empty() && !is_checked
    }
}

impl<T, M: Fn(Hit<'_>) -> Made<T>> Taker<'_, M> {
    /// Makes hits of the rules that let an event through: `found` gets what was made, with the
    /// rule; `fed` the stages that want a row, or none where `piped` has kept rows of the event.
    pub(crate) fn take<'r>(
        &self,
        rules: impl Iterator<Item = &'r BoundRule>,
        about: &About<'_>,
        piped: &mut Piped,
        mut found: impl FnMut(usize, T),
        mut fed: impl FnMut(Option<&Feed>),
    ) {
        let Taker { plan, make, phase } = self;
        let is_above = |rule| phase.above.is_none_or(|above| plan.strata().of[rule] > above);
        let decoded = Decoded::new(about.event);
        let mut seen: Vec<(usize, usize)> = Vec::new();
        for bound in rules {
            // Two of a scope's entries may let the same source see the same event, and an event
            // that two sources of a rule without a stage let through is one finding.
            let pipe = plan.pipe(bound.rule);
            let is_finding = pipe
                .map_or_else(|| plan.rules()[bound.rule].stages.is_empty(), |pipe| pipe.row_wise);
            let again = |(rule, source): &(usize, usize)| {
                *rule == bound.rule && (is_finding || *source == bound.source)
            };
            if seen.iter().any(again) || !is_above(bound.rule) {
                continue;
            }
            seen.push((bound.rule, bound.source));
            let place = (bound.rule, bound.source);
            let is_checked = phase.checked.get(bound.rule).copied().unwrap_or_default();
            let mut outputs = vec![None];
            if let (Some(pipe), Some(intake)) = (pipe, &bound.intake) {
                let reading = (&decoded, &*bound.scope_kind);
                if !piped.take_in(pipe, place, intake, &about.from, reading) {
                    continue;
                }
                if pipe.row_wise {
                    outputs = piped.results(pipe, place).into_iter().map(Some).collect();
                }
            }
            if bound.raises || is_checked {
                let mut counts = false;
                for (part, row) in outputs.iter().enumerate() {
                    let made = make(Hit {
                        rule: &plan.rules()[bound.rule],
                        rule_at: bound.rule,
                        source: bound.source,
                        log: about.log,
                        event: decoded.event(),
                        scope_kind: &bound.scope_kind,
                        raises: bound.raises,
                        evidence: about.evidence,
                        notes: about.notes,
                        row: row.as_deref(),
                        part,
                    });
                    if let Some(item) = made.item {
                        found(bound.rule, item);
                    }
                    counts |= made.counts;
                }
                if !counts {
                    continue;
                }
            }
            if let Some(pipe) = pipe.filter(|pipe| !pipe.row_wise) {
                piped.keep(pipe, place, plan.strata().of[bound.rule], &about.from);
                fed(None);
            }
            bound.feeds.iter().for_each(|feed| fed(Some(feed)));
        }
    }
}

/// An event that cannot be read again, with its place and the name of its log.
pub(crate) type MadeEvent = (Origin, Arc<str>, Event);

/// Rows that one thread collects for the stages.
pub(crate) struct Rows {
    /// For each stratum.
    sorters: Vec<Sorter>,
    unkept: Unkept,
    /// What kept a row from being kept.
    failed: Option<io::Error>,
    /// Rows of a hit.
    some: Vec<Row>,
    /// Events that no log has as they are, or, of a live log, that cannot be read again.
    made: Vec<MadeEvent>,
    /// Whether every event is kept whose row was taken.
    live: bool,
}

impl Rows {
    pub(crate) fn new(plan: &Plan, settings: &ScanSettings) -> Rows {
        let strata = plan.strata().count().max(1);
        // A quarter of the memory for all threads and strata; what is read is in the rest.
        let bytes = settings.memory / 4 / settings.jobs.max(1) / strata;
        Rows {
            sorters: (0..strata).map(|_| Sorter::new(bytes)).collect(),
            unkept: Unkept::default(),
            failed: None,
            some: Vec::new(),
            made: Vec::new(),
            live: false,
        }
    }

    /// What was not kept so far.
    pub(crate) fn unkept(&self) -> Unkept {
        self.unkept
    }

    /// Keeps every event whose row was taken: its log is still being written.
    pub(crate) fn set_live(&mut self) {
        self.live = true;
    }

    fn keep(&mut self, origin: Origin, log: &Arc<str>, event: &dyn Fn() -> Event) {
        if self.live && self.made.last().is_none_or(|(last, ..)| *last != origin) {
            self.made.push((origin, log.clone(), event()));
        }
    }

    /// The rows of each stratum, and the events that were kept, since this was last asked.
    pub(crate) fn take(&mut self) -> (Vec<Vec<Row>>, Vec<MadeEvent>) {
        let rows = self.sorters.iter_mut().map(Sorter::take_rows).collect();
        (rows, std::mem::take(&mut self.made))
    }

    /// Takes the row of an event that was put together from others.
    pub(crate) fn add_event(
        &mut self,
        plan: &Plan,
        feed: &Feed,
        event: &Event,
        (origin, log): (Origin, &Arc<str>),
    ) {
        let time = event.time.map(|time| time.ticks());
        let rows = time
            .ok_or(Unfit::Time)
            .and_then(|time| feed.rows_of_event(event, time, origin, &mut self.some));
        self.sort(plan, rows);
        self.keep_made(event, (origin, log));
    }

    /// Keeps an event that was put together from others.
    pub(crate) fn keep_made(&mut self, event: &Event, (origin, log): (Origin, &Arc<str>)) {
        if self.made.last().is_none_or(|(last, ..)| *last != origin) {
            self.made.push((origin, log.clone(), event.clone()));
        }
    }

    fn add(&mut self, plan: &Plan, feed: &Feed, batch: &Batch<'_>, row: usize, origin: Origin) {
        let rows = feed.rows(batch, row, origin, &mut self.some);
        self.sort(plan, rows);
    }

    fn sort(&mut self, plan: &Plan, rows: Result<(), Unfit>) {
        if let Err(unfit) = rows {
            self.unkept.add(unfit);
        }
        // What cannot be kept all cannot be kept in part: the scan ends with the error.
        if self.failed.is_some() {
            self.some.clear();
        }
        for row in self.some.drain(..) {
            let stratum = plan.strata().of[row.rule as usize];
            if let Err(error) = self.sorters[stratum].push(row) {
                self.failed.get_or_insert(error);
            }
        }
    }

    pub(crate) fn collect_into(self, collected: &mut Collected) -> io::Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        collected.sorters.resize_with(self.sorters.len(), Vec::new);
        for (all, own) in collected.sorters.iter_mut().zip(self.sorters) {
            all.push(own);
        }
        collected.made.extend(self.made);
        let (all, own) = (&mut collected.unkept, self.unkept);
        all.untimed += own.untimed;
        all.keyless += own.keyless;
        all.valueless += own.valueless;
        all.crowded += own.crowded;
        Ok(())
    }
}

/// Opens a log; of standard input a copy goes to a file, if there is one for it.
pub(crate) fn open(file: &LogFile, copy: Option<&Path>) -> Result<Log, LogError> {
    match (&file.path, copy) {
        (Some(path), _) if file.lines => Log::open_lines(path, file.name.clone()),
        (Some(path), _) => Log::open(path, file.name.clone()),
        (None, None) => Log::from_reader(std::io::stdin(), file.name.clone()),
        (None, Some(copy)) => {
            let copying = Copying { to: File::create(copy)? };
            Log::from_reader(copying, file.name.clone())
        }
    }
}

/// Standard input, written down as it is read.
struct Copying {
    to: File,
}

impl Read for Copying {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = io::stdin().read(into)?;
        self.to.write_all(&into[..read])?;
        Ok(read)
    }
}

/// Puts outcomes back into the order of logs and units.
struct Order<T> {
    waiting: BTreeMap<(usize, u64), ReadUnit<T>>,
    next: (usize, u64),
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Order { waiting: BTreeMap::new(), next: (0, 0) }
    }
}

impl<T> Order<T> {
    fn add(&mut self, place: (usize, u64), read: ReadUnit<T>, each: &mut impl FnMut(ReadUnit<T>)) {
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

/// What turns units into what was made of their hits. One for each thread.
pub(crate) struct UnitReader<'a, M> {
    pub(crate) taker: Taker<'a, M>,
    ingest: Ingest,
    matcher: Matcher<'a>,
    read_everything: bool,
    pub(crate) rows: Rows,
    pub(crate) piped: Piped,
    /// Events that wait as codes; `None` where rows are wanted as soon as they come.
    coded: Option<Coded>,
    /// Bytes that may wait so.
    most_coded: usize,
}

impl<'a, T, M: Fn(Hit<'_>) -> Made<T>> UnitReader<'a, M> {
    pub(crate) fn new(taker: Taker<'a, M>, settings: &ScanSettings) -> Self {
        let mut matcher = Matcher::new(taker.plan);
        matcher.set_above(taker.phase.above);
        UnitReader {
            taker,
            ingest: Ingest::new(ingest_settings(settings)),
            matcher,
            read_everything: settings.read_everything,
            rows: Rows::new(taker.plan, settings),
            piped: Piped::new(taker.plan, settings),
            coded: None,
            most_coded: settings.memory / 8 / settings.jobs.max(1),
        }
    }

    /// Lets rows wait as codes.
    fn with_coded(mut self) -> Self {
        self.ingest.keep_dictionaries();
        self.coded = Some(Coded::default());
        self
    }

    /// What waits as codes.
    fn take_coded(&mut self) -> Option<Coded> {
        let mut coded = self.coded.take()?;
        coded.keep(self.ingest.take_dictionaries());
        Some(coded)
    }

    /// Makes rows of what waits as codes once it takes too much memory.
    fn bound_coded(&mut self) {
        if let Some(coded) = &mut self.coded {
            coded.keep(self.ingest.take_forgotten());
            if coded.bytes() <= self.most_coded {
                return;
            }
        }
        let Some(coded) = self.take_coded() else { return };
        demand::make_all(self.taker.plan, &Waiting::new(vec![coded]), &mut self.piped);
        self.coded = Some(Coded::default());
    }

    /// Rules up to this stratum see nothing of what is read from now on.
    pub(crate) fn set_above(&mut self, above: Option<usize>) {
        self.taker.phase.above = above;
        self.matcher.set_above(above);
    }

    /// Reads a unit; `place` is its log's place in the list of logs and its number in the log.
    /// Pieces of longer events are set aside.
    pub(crate) fn read(&mut self, unit: Unit, place: (usize, u64)) -> ReadUnit<T> {
        let outcome = self.read_unit(unit, place);
        self.bound_coded();
        (outcome, self.ingest.take_fragments())
    }

    fn read_unit(&mut self, unit: Unit, (log_at, unit_at): (usize, u64)) -> UnitOutcome<T> {
        let log = unit.place.log.clone();
        let records = unit.into_records();
        let (taker, matcher, rows) = (self.taker, &mut self.matcher, &mut self.rows);
        let piped = &mut self.piped;
        let log_place = taker.phase.first_log + log_at as u32;
        let interest: &dyn Interest = if self.read_everything { &Fields::All } else { taker.plan };
        let mut hits: Vec<(usize, usize, T)> = Vec::new();
        let mut coded = self.coded.as_mut().filter(|_| taker.phase.above.is_none());
        let tally = self.ingest.read(records, interest, |batch| {
            let mut begun = false;
            matcher.run_verdicts(batch, |row, program, verdict| {
                let own = &batch.rows[row];
                let (record, position) = (own.record, own.position());
                let unit = unit_at as u32;
                let origin = Origin { log: log_place, record, unit, position: position as u32 };
                let event = || batch.event(own);
                let get = |name: &str| {
                    let column = batch.columns.iter().find(|column| &*column.name == name);
                    let value = |column: &Column| batch.dictionary(column).value(column.codes[row]);
                    column.map_or(Value::Null, value)
                };
                let mut rules = &verdict.rules;
                if let (Some(coded), Some(time)) = (&mut coded, own.time)
                    && taker.may_wait(program, &verdict.waiting)
                {
                    if !std::mem::replace(&mut begun, true) {
                        coded.begin(batch, program, (log_place, unit));
                    }
                    coded.add(batch, row, time.ticks(), &verdict.waiting);
                    rules = &verdict.now;
                }
                let from = piped::From { time: own.time, origin, get: &get };
                let about = About { log: &log, from, evidence: &[], notes: &[], event: &event };
                taker.take(
                    rules.iter().map(|at| &program.rules()[*at as usize]),
                    &about,
                    piped,
                    |rule, made| hits.push((position, rule, made)),
                    |feed| {
                        if let Some(feed) = feed {
                            rows.add(taker.plan, feed, batch, row, origin);
                        }
                        rows.keep(origin, &log, &event);
                    },
                );
            });
        });
        hits.sort_by_key(|(position, rule, _)| (*position, *rule));
        let hits = hits.into_iter().map(|(_, _, made)| made).collect();
        UnitOutcome { log: log_at, hits, tally, members: Vec::new(), end: None }
    }
}

struct Worker<'a, T, M> {
    work: &'a Work<'a>,
    reader: UnitReader<'a, M>,
    sender: Sender<((usize, u64), ReadUnit<T>)>,
}

impl<T, M: Fn(Hit<'_>) -> Made<T>> Worker<'_, T, M> {
    fn run(mut self) -> (Rows, Piped, Option<Coded>) {
        while !self.stopped() {
            if let Some(open) = self.open_next() {
                while !self.stopped() && !self.work.is_far_ahead() && self.step(&open) {}
            } else if !self.help() {
                break;
            }
        }
        let coded = self.reader.take_coded();
        (self.reader.rows, self.reader.piped, coded)
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
        Some((at, open(file, self.reader.taker.phase.copy)))
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
        let (mut outcome, fragments) = self.reader.read(unit, place);
        outcome.tally.add(members.tally);
        outcome.members = members.ended;
        // A receiver that is gone wants nothing more.
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
