//! Events that came in pieces, put together once all logs are read, and run like any other.
//!
//! What a piece is, the tables of `events` say. Pieces of one text may come out of any unit of any
//! log in any order; they wait undecoded. Everything here happens in the order of the logs, so
//! that the number of threads does not show.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rulestone_events::{
    Event, Fields, Fragment, Fragments, Ingest, Records, Settings, Tally, Whole, join,
};
use rulestone_value::Time;

use crate::order::Origin;
use crate::piped::{self, Piped};
use crate::run::{About, Made, Rows, Taker};
use crate::{Hit, Matcher, ScanSettings};

/// The pieces that wait for others, and what runs them.
pub(crate) struct Joiner<'p, M> {
    taker: Taker<'p, M>,
    rows: Rows,
    piped: Piped,
    /// Events that were put together so far.
    made: u32,
    ingest: Ingest,
    matcher: Matcher<'p>,
    bound: usize,
    size: usize,
    /// In the order of their first pieces.
    waiting: BTreeMap<u64, Vec<Fragment>>,
    place_of: BTreeMap<Whole, u64>,
    arrived: u64,
    /// What was run before the logs were at their end, since too much waited.
    early: BTreeSet<Whole>,
}

/// Something to run: an event that was put together, or a piece by itself.
struct Job {
    /// In the order of their numbers.
    fragments: Vec<Fragment>,
    note: Option<String>,
}

/// What came of running jobs: hits by the place of their event.
pub(crate) struct Joined<T> {
    found: Vec<(Place, T)>,
    tally: Tally,
}

/// Where a hit is put in the output: time, log, record, what it is a part of, rule.
type Place = (Option<Time>, Arc<str>, u64, usize, usize);

impl<T> Joined<T> {
    /// The hits in order, and what was counted.
    pub(crate) fn into_parts(mut self) -> (Vec<T>, Tally) {
        self.found.sort_by(|(a, _), (b, _)| a.cmp(b));
        (self.found.into_iter().map(|(_, made)| made).collect(), self.tally)
    }

    fn is_empty(&self) -> bool {
        self.found.is_empty() && self.tally == Tally::default()
    }
}

/// Bytes of records that are run at a time.
const BATCH: usize = 4 << 20;

/// Texts run early that are remembered; of one that is forgotten, fragments that come again run
/// again.
const EARLY: usize = 1 << 18;

/// Numbers of missing pieces that are named.
const NAMED: usize = 10;

/// Why pieces run by themselves.
const MISSING: &str = "with fragments missing";
const NOT_WAITED: &str = "with fragments not waited for: too many were waiting";
const DIFFERENT: &str = "with fragments of one number that differ";
const LATE: &str = "fragments that came after the others were put together";

impl<'p, T, M: Fn(Hit<'_>) -> Made<T>> Joiner<'p, M> {
    pub(crate) fn new(taker: Taker<'p, M>, scan: &ScanSettings, settings: &Settings) -> Self {
        // Times were looked at when the pieces were read.
        let settings =
            Settings { from: None, to: None, fragments: Fragments::Apart, ..settings.clone() };
        Joiner {
            rows: Rows::new(taker.plan, scan),
            piped: Piped::new(taker.plan, scan),
            made: 0,
            bound: settings.fragment_bytes,
            ingest: Ingest::new(settings),
            matcher: Matcher::new(taker.plan),
            taker,
            size: 0,
            waiting: BTreeMap::new(),
            place_of: BTreeMap::new(),
            arrived: 0,
            early: BTreeSet::new(),
        }
    }

    /// Takes pieces in. Where too many wait, some are run: their hits.
    pub(crate) fn add(&mut self, fragments: Vec<Fragment>) -> Option<Joined<T>> {
        let mut joined = Joined { found: Vec::new(), tally: Tally::default() };
        for fragment in fragments {
            if self.early.contains(&fragment.whole) {
                count(&mut joined.tally, LATE, &fragment);
                continue;
            }
            self.size += fragment.size();
            let place = *self.place_of.entry(fragment.whole.clone()).or_insert_with(|| {
                self.arrived += 1;
                self.arrived
            });
            self.waiting.entry(place).or_default().push(fragment);
        }
        if self.size > self.bound {
            self.make_room(&mut joined);
        }
        (!joined.is_empty()).then_some(joined)
    }

    /// Runs what is complete: for live logs, where nobody waits for the end.
    pub(crate) fn complete(&mut self) -> Option<Joined<T>> {
        let mut joined = Joined { found: Vec::new(), tally: Tally::default() };
        let complete = |(_, fragments): &(&u64, &Vec<Fragment>)| missing(fragments).1 == 0;
        let places: Vec<u64> = self.waiting.iter().filter(complete).map(|(at, _)| *at).collect();
        let mut jobs = Vec::new();
        for place in places {
            self.run_early(place, MISSING, &mut jobs, &mut joined.tally);
        }
        self.run_if(0, &mut jobs, &mut joined);
        (!joined.is_empty()).then_some(joined)
    }

    /// The rows of what was run.
    pub(crate) fn rows(&mut self) -> &mut Rows {
        &mut self.rows
    }

    /// The rows of pipelines of what was run.
    pub(crate) fn piped(&mut self) -> &mut Piped {
        &mut self.piped
    }

    /// Takes out the pieces of a text, whose others are no longer waited for.
    fn run_early(&mut self, place: u64, why: &str, jobs: &mut Vec<Job>, tally: &mut Tally) {
        let Some(fragments) = self.waiting.remove(&place) else { return };
        self.size = self.size.saturating_sub(fragments.iter().map(Fragment::size).sum::<usize>());
        let Some(whole) = fragments.first().map(|first| first.whole.clone()) else { return };
        self.place_of.remove(&whole);
        if missing(&fragments).1 == 0 {
            if self.early.len() == EARLY {
                self.early.clear();
            }
            self.early.insert(whole);
        }
        jobs_of(fragments, why, jobs, tally);
    }

    /// Runs whatever still waits; the rows are of everything that was run.
    pub(crate) fn finish(mut self) -> (Option<Joined<T>>, Rows, Piped) {
        (self.run_rest(), self.rows, self.piped)
    }

    /// Runs whatever still waits.
    pub(crate) fn run_rest(&mut self) -> Option<Joined<T>> {
        let mut joined = Joined { found: Vec::new(), tally: Tally::default() };
        let mut jobs = Vec::new();
        for fragments in std::mem::take(&mut self.waiting).into_values() {
            jobs_of(fragments, MISSING, &mut jobs, &mut joined.tally);
            self.run_if(BATCH, &mut jobs, &mut joined);
        }
        self.run_if(0, &mut jobs, &mut joined);
        (!joined.is_empty()).then_some(joined)
    }

    /// Forgets what came twice, then runs what is complete, then the oldest, until half of the
    /// bound is free.
    fn make_room(&mut self, joined: &mut Joined<T>) {
        for fragments in self.waiting.values_mut() {
            forget_doubles(fragments);
        }
        self.size = self.waiting.values().flatten().map(Fragment::size).sum();
        let complete = |fragments: &Vec<Fragment>| missing(fragments).1 == 0;
        let first = self.waiting.iter().filter(|(_, waiting)| complete(waiting)).map(|(at, _)| *at);
        let first: Vec<u64> = first.collect();
        let oldest: Vec<u64> = self.waiting.keys().copied().collect();
        let mut jobs = Vec::new();
        for place in first.into_iter().chain(oldest) {
            if self.size <= self.bound / 2 {
                break;
            }
            self.run_early(place, NOT_WAITED, &mut jobs, &mut joined.tally);
            self.run_if(BATCH, &mut jobs, joined);
        }
        self.run_if(0, &mut jobs, joined);
    }

    /// Runs jobs if they have more than so many bytes.
    fn run_if(&mut self, bytes: usize, jobs: &mut Vec<Job>, joined: &mut Joined<T>) {
        let size: usize = jobs.iter().flat_map(|job| &job.fragments).map(Fragment::size).sum();
        if size > bytes {
            self.run(&std::mem::take(jobs), joined);
        }
    }

    fn run(&mut self, jobs: &[Job], joined: &mut Joined<T>) {
        let (taker, matcher) = (self.taker, &mut self.matcher);
        let (rows, piped) = (&mut self.rows, &mut self.piped);
        let first = self.made;
        self.made += jobs.len() as u32;
        let records = Records::of_texts(jobs.iter().map(Job::json));
        let tally = self.ingest.read(records, taker.plan, |batch| {
            matcher.run(batch, |row, program, rules| {
                let row = &batch.rows[row];
                let Some(job) = jobs.get(row.record as usize) else { return };
                let rules = rules.iter().map(|at| &program.rules()[*at as usize]);
                // Behind all logs: no log has the event as it is.
                let (log, unit) = (u32::MAX, u32::MAX);
                let position = first + row.record as u32;
                let origin = Origin { log, record: row.record, unit, position };
                let event = batch.event(row);
                job.hits(&taker, rules, (&event, origin), &mut joined.found, (rows, piped));
            });
        });
        // They were counted when their pieces were read; that a text cannot be read is new.
        joined.tally.add(Tally { skipped: tally.skipped, ..Tally::default() });
    }
}

/// The events that fragments stand for, each with the log of its first: put together where none is
/// missing, else the fragments themselves. For whoever reads logs without a scan.
pub fn put_together(fragments: Vec<Fragment>) -> Vec<(Arc<str>, Event)> {
    let mut texts: BTreeMap<Whole, Vec<Fragment>> = BTreeMap::new();
    for fragment in fragments {
        texts.entry(fragment.whole.clone()).or_default().push(fragment);
    }
    let (mut jobs, mut tally) = (Vec::new(), Tally::default());
    for fragments in texts.into_values() {
        jobs_of(fragments, MISSING, &mut jobs, &mut tally);
    }
    let (mut events, mut ingest) = (Vec::new(), Ingest::new(Settings::default()));
    let records = Records::of_texts(jobs.iter().map(Job::json));
    ingest.read(records, &Fields::Some(Vec::new()), |batch| {
        for event in batch.rows.iter().map(|row| batch.event(row)) {
            let Some(job) = jobs.get(event.record as usize) else { continue };
            events.extend(job.placed(&event));
        }
    });
    events.sort_by(|(a, x), (b, y)| (x.time, a, x.record).cmp(&(y.time, b, y.record)));
    events
}

impl Job {
    /// The event as it stands for all of its fragments, with the log of the first.
    fn placed(&self, event: &Event) -> Option<(Arc<str>, Event)> {
        let first = self.fragments.first()?;
        let time = self.fragments.iter().filter_map(|fragment| fragment.time).min();
        Some((first.log.clone(), Event { time, record: first.record, ..event.clone() }))
    }

    fn json(&self) -> Cow<'_, [u8]> {
        match self.fragments.as_slice() {
            [alone] => Cow::Borrowed(alone.json()),
            several => Cow::Owned(join(several)),
        }
    }

    fn hits<'r, T, M: Fn(Hit<'_>) -> Made<T>>(
        &self,
        taker: &Taker<'_, M>,
        rules: impl Iterator<Item = &'r crate::BoundRule>,
        (event, origin): (&Event, Origin),
        found: &mut Vec<(Place, T)>,
        (rows, piped): (&mut Rows, &mut Piped),
    ) {
        let Some(first) = self.fragments.first() else { return };
        let Some((log, event)) = self.placed(event) else { return };
        let evidence = if self.fragments.len() > 1 { self.evidence() } else { Vec::new() };
        let notes: Vec<String> = self.note.iter().cloned().collect();
        let decoded = || event.clone();
        let origin = Origin { record: event.record, ..origin };
        let get = |name: &str| event.get(name).clone();
        let from = piped::From { time: event.time, origin, get: &get };
        let (evidence, notes) = (evidence.as_slice(), notes.as_slice());
        let about = About { log: &log, from, evidence, notes, event: &decoded };
        let place = |rule| (event.time, log.clone(), event.record, first.number as usize, rule);
        taker.take(
            rules,
            &about,
            piped,
            |rule, made| found.push((place(rule), made)),
            |feed| match feed {
                Some(feed) => rows.add_event(taker.plan, feed, &event, (origin, &log)),
                None => rows.keep_made(&event, (origin, &log)),
            },
        );
    }

    /// The pieces as the events they are.
    fn evidence(&self) -> Vec<(Arc<str>, Event)> {
        let records = Records::of_texts(self.fragments.iter().map(|f| Cow::Borrowed(f.json())));
        let mut events: Vec<Event> = Vec::with_capacity(self.fragments.len());
        let mut ingest = Ingest::new(Settings::default());
        ingest.read(records, &Fields::Some(Vec::new()), |batch| {
            events.extend(batch.rows.iter().map(|row| batch.event(row)));
        });
        events.sort_by_key(|event| event.record);
        let numbered = |event: Event| {
            let fragment = self.fragments.get(event.record as usize)?;
            Some((fragment.log.clone(), Event { record: fragment.record, ..event }))
        };
        events.into_iter().filter_map(numbered).collect()
    }
}

/// What is to be run of the pieces of one text: the whole if it is complete, else each piece.
fn jobs_of(mut fragments: Vec<Fragment>, why: &str, jobs: &mut Vec<Job>, tally: &mut Tally) {
    forget_doubles(&mut fragments);
    let (named, missing) = missing(&fragments);
    let mut pieces = Vec::new();
    let mut different = Vec::new();
    for fragment in fragments {
        match pieces.last() {
            Some(Fragment { number, .. }) if *number == fragment.number => different.push(fragment),
            _ => pieces.push(fragment),
        }
    }
    for fragment in different {
        count(tally, DIFFERENT, &fragment);
        let note = format!("{}, of which there are others that differ", label(&fragment));
        jobs.push(Job { fragments: vec![fragment], note: Some(note) });
    }
    if missing == 0 {
        jobs.push(Job { fragments: pieces, note: None });
        return;
    }
    if let Some(first) = pieces.first() {
        count(tally, why, first);
    }
    let others = if why == MISSING { "missing" } else { "not waited for" };
    for fragment in pieces {
        let note = format!("{}; {named} {others}", label(&fragment));
        jobs.push(Job { fragments: vec![fragment], note: Some(note) });
    }
}

/// Sorts by number and text; of the same piece in several logs the first is kept.
fn forget_doubles(fragments: &mut Vec<Fragment>) {
    fragments.sort_by(|a, b| {
        let text = || a.text().cmp(b.text());
        a.number.cmp(&b.number).then_with(text).then_with(|| a.place().cmp(&b.place()))
    });
    fragments.dedup_by(|b, a| a.number == b.number && a.text() == b.text());
    // Among pieces that differ the first by place stands for the number.
    fragments.sort_by(|a, b| a.number.cmp(&b.number).then_with(|| a.place().cmp(&b.place())));
}

/// Which pieces of a text are missing, the first of them by number, and how many.
fn missing(fragments: &[Fragment]) -> (String, u64) {
    let Some(first) = fragments.first() else { return (String::new(), 0) };
    let there: BTreeSet<u64> = fragments.iter().map(|fragment| fragment.number).collect();
    let missing = first.whole.total - there.len() as u64;
    let absent = (1..=first.whole.total).filter(|number| !there.contains(number));
    let mut named: Vec<String> = absent.take(NAMED).map(|number| number.to_string()).collect();
    if missing > NAMED as u64 {
        named.push(format!("and {} more", missing - NAMED as u64));
    }
    (named.join(", "), missing)
}

fn label(fragment: &Fragment) -> String {
    let Fragment { whole, number, .. } = fragment;
    format!("fragment {number} of {} of {}", whole.total, whole.label())
}

fn count(tally: &mut Tally, reason: &str, fragment: &Fragment) {
    let place = format!("{}, record {}: {}", fragment.log, fragment.record, fragment.whole.label());
    tally.skip(format!("{} {reason}", fragment.whole.name), place, 0);
}
