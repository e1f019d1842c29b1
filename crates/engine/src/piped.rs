//! From hits to rows of named columns, for rules whose stages make rows out of rows.
//!
//! A hit's columns are read once, as far as the pipeline wants them: of most events when a pane
//! comes to want them. Stages that look at one row alone run at once; what is left waits, sorted,
//! for the stages over panes.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;
use rulestone_events::{RAW, ScopeKind};
use rulestone_ir::{Clock, Rule};
use rulestone_value::{Time, Value};

use crate::coded::Stretch;
use crate::decoded::{Decoded, Numbered};
use crate::gather::{Gathering, gathers};
use crate::order::Origin;
use crate::pipeline::{
    Columns, Head, PipelineSettings, TIME, is_row_wise, order, result_slots, wanted,
};
use crate::row::{Names, Proof, Seen, Slot, Tuple};
use crate::run::Collected;
use crate::spool::{Key, Line, Spool, encode, put_proof};
use crate::stages::rows::{Refusal, Run};
use crate::{Plan, ScanSettings};

/// What is known of a rule's pipeline before any event: shared by all threads.
pub(crate) struct Pipe {
    rule: Arc<Rule>,
    settings: PipelineSettings,
    /// For each source of the rule that reads events.
    inlets: Vec<Option<Inlet>>,
    /// Whether every result rests on one event alone, and is a finding at once.
    pub(crate) row_wise: bool,
}

struct Inlet {
    columns: Columns,
    /// Made when the first event comes: most rules never see one.
    head: OnceLock<Head>,
    /// When the source's turn is in a pane.
    turn: u32,
    /// Whether its rows are gathered, and within bins of time of which widths.
    gathers: Option<Vec<i64>>,
}

impl Pipe {
    /// The pipeline of a rule that has one.
    pub(crate) fn new(rule: &Arc<Rule>, settings: &PipelineSettings) -> Option<Pipe> {
        if !rule.is_pipeline() {
            return None;
        }
        let turns = order(rule);
        let inlet = |source: usize| {
            rule.sources[source].filtered()?;
            let turn = turns.iter().position(|own| *own == source).unwrap_or(turns.len()) as u32;
            let (columns, head) = (wanted(rule, source), OnceLock::new());
            let named = matches!(columns, Columns::Named(_));
            let gathers = gathers(rule, source).filter(|_| named);
            Some(Inlet { columns, head, turn, gathers })
        };
        Some(Pipe {
            rule: rule.clone(),
            settings: settings.clone(),
            inlets: (0..rule.sources.len()).map(inlet).collect(),
            row_wise: is_row_wise(rule),
        })
    }

    fn inlet(&self, source: usize) -> Option<(&Inlet, &Head)> {
        let inlet = self.inlets.get(source)?.as_ref()?;
        let head = inlet.head.get_or_init(|| Head::new(&self.rule, source, &self.settings));
        Some((inlet, head))
    }

    /// The names that the rows of a source start with: every thread gives them the same slots.
    pub(crate) fn names(&self, source: usize) -> Option<&Names> {
        self.inlet(source).map(|(_, head)| head.names())
    }

    /// How a source's columns read from one kind of events, of which `read` knows how each does.
    pub(crate) fn bind(
        &self,
        source: usize,
        mut read: impl FnMut(&Arc<str>) -> Numbered,
    ) -> Option<Intake> {
        let inlet = self.inlets.get(source)?.as_ref()?;
        let Columns::Named(names) = &inlet.columns else { return Some(Intake::All) };
        // The head gives the first slots to the columns, in their order.
        let columns = names.iter().enumerate().filter(|(_, name)| ***name != *TIME);
        let columns = columns.map(|(slot, name)| (slot, read(name)));
        Some(Intake::named(columns.collect()))
    }

    /// A result as columns by name, in the order that the stages give them.
    fn output(&self, row: &Tuple, names: &Names) -> Vec<(Arc<str>, Value)> {
        let slots = result_slots(&self.rule, names, std::slice::from_ref(row));
        output(&slots, row, names)
    }
}

/// The columns of a result by name. Those that start with `_` are the event's, but for its time.
pub(crate) fn output(slots: &[Slot], row: &Tuple, names: &Names) -> Vec<(Arc<str>, Value)> {
    let columns = slots.iter().map(|slot| (names.name(*slot), row.get(*slot)));
    let shown =
        |name: &str, value: &Value| !value.is_null() && (!name.starts_with('_') || name == TIME);
    let shown = columns.filter(|(name, value)| shown(name, value));
    shown.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// How the columns of a source read from one kind of events.
#[derive(Debug, Clone)]
pub(crate) enum Intake {
    /// These.
    Named(Named),
    /// All that the view and the event have.
    All,
}

/// Columns that are read one by one.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// By their slots.
    columns: Vec<(Slot, Numbered)>,
    /// The event's own fields that they read, each once, in order.
    inputs: Vec<Arc<str>>,
    /// Whether one of them is the event's own text.
    rendered: bool,
}

impl Intake {
    fn named(columns: Vec<(Slot, Numbered)>) -> Intake {
        let inputs = columns.iter().flat_map(|(_, read)| read.expr.inputs());
        let inputs: BTreeSet<Arc<str>> = inputs.collect();
        let rendered = inputs.contains(RAW);
        Intake::Named(Named { columns, inputs: inputs.into_iter().collect(), rendered })
    }

    /// The event's own fields that it reads.
    pub(crate) fn inputs(&self) -> &[Arc<str>] {
        match self {
            Intake::Named(named) => &named.inputs,
            Intake::All => &[],
        }
    }

    /// Whether the event has to be decoded whole.
    pub(crate) fn needs_event(&self) -> bool {
        match self {
            Intake::Named(named) => named.rendered,
            Intake::All => true,
        }
    }
}

/// When and where a hit is, and how its values are read.
pub(crate) struct From<'a> {
    pub(crate) time: Option<Time>,
    pub(crate) origin: Origin,
    /// A value of the event by its own name.
    pub(crate) get: &'a dyn Fn(&str) -> Value,
}

/// Rows that were gathered: what they are, and where they go.
struct Kept {
    rule: usize,
    source: usize,
    turn: u32,
    stratum: usize,
    panes: Panes,
    /// As they go into the spool.
    rows: Vec<Box<[u8]>>,
}

/// What one thread keeps of pipelines.
pub(crate) struct Piped {
    /// Heads at work, by rule and source.
    runs: HashMap<(usize, usize), Run, RandomState>,
    /// For each stratum.
    spools: Vec<Spool>,
    failed: Option<io::Error>,
    /// Rows of events without a time, which no pane has.
    untimed: u64,
    /// What heads refused, with the rule.
    refused: Vec<(usize, Refusal)>,
    rows: Vec<Tuple>,
    bytes: Vec<u8>,
    gathering: Gathering<Kept>,
    key: Vec<u64>,
    /// Whether rows are wanted as soon as they come.
    live: bool,
}

/// Panes that one row is put into at most.
const PANES: i64 = 1000;

/// Rules whose heads refused something that are remembered.
const REFUSED: usize = 1000;

impl Piped {
    /// What a thread that runs a plan keeps.
    pub(crate) fn new(plan: &Plan, settings: &ScanSettings) -> Piped {
        let strata = plan.strata().count().max(1);
        // A quarter of the memory for all threads and strata; what is read is in the rest.
        let bytes = settings.memory / 4 / settings.jobs.max(1) / strata;
        Piped {
            runs: HashMap::default(),
            spools: (0..strata).map(|_| Spool::new(bytes)).collect(),
            failed: None,
            untimed: 0,
            refused: Vec::new(),
            rows: Vec::new(),
            bytes: Vec::new(),
            gathering: Gathering::new(),
            key: Vec::new(),
            live: false,
        }
    }

    /// Hands on every row as it comes: its log is still being written.
    pub(crate) fn set_live(&mut self) {
        self.live = true;
        self.spools.iter_mut().for_each(Spool::keep_in_memory);
    }

    /// Hands over what waits.
    pub(crate) fn collect_into(mut self, collected: &mut Collected) -> io::Result<()> {
        self.hand_on();
        if let Some(error) = self.failed {
            return Err(error);
        }
        collected.spools.resize_with(self.spools.len(), Vec::new);
        for (all, own) in collected.spools.iter_mut().zip(self.spools) {
            all.push(own);
        }
        collected.unkept.untimed += self.untimed;
        collected.refused.extend(self.refused);
        Ok(())
    }

    /// Takes out the rows that are in memory, for each stratum, in no order.
    pub(crate) fn take_lines(&mut self) -> Vec<Vec<Line>> {
        self.spools.iter_mut().map(Spool::take_lines).collect()
    }

    /// Makes the rows that the first stages make of a hit; returns whether there are some.
    pub(crate) fn take_in(
        &mut self,
        pipe: &Pipe,
        (rule, source): (usize, usize),
        intake: &Intake,
        from: &From<'_>,
        (event, scope_kind): (&Decoded<'_>, &ScopeKind),
    ) -> bool {
        self.rows.clear();
        let Some((_, head)) = pipe.inlet(source) else { return false };
        let run = self.runs.entry((rule, source)).or_insert_with(|| head.run_state());
        let time = from.time.map_or(i64::MIN, Time::ticks);
        let proof = Proof::of(Seen { time, origin: from.origin, source: source as u32 });
        let mut row = Tuple { values: Vec::new(), proof };
        match intake {
            Intake::Named(named) => {
                let of_event = |name: &str| event.value(name);
                let get = if named.rendered { &of_event } else { from.get };
                let columns = named.columns.iter();
                columns.for_each(|(slot, read)| row.set(*slot, event.read(read, get)));
            }
            Intake::All => all_columns(event, scope_kind, &mut run.names, &mut row),
        }
        self.run_head(pipe, (rule, source), from.time, row)
    }

    /// Makes the rows that the head makes of an event's row; returns whether there are some.
    fn run_head(
        &mut self,
        pipe: &Pipe,
        (rule, source): (usize, usize),
        time: Option<Time>,
        mut row: Tuple,
    ) -> bool {
        self.rows.clear();
        let Some((_, head)) = pipe.inlet(source) else { return false };
        let run = self.runs.entry((rule, source)).or_insert_with(|| head.run_state());
        if let (Some(time), Some(slot)) = (time, run.names.find(TIME)) {
            row.set(slot, Value::Time(time));
        }
        if let Err(refusal) = head.run(run, row, &mut self.rows)
            && self.refused.len() < REFUSED
            && !self.refused.iter().any(|(own, _)| *own == rule)
        {
            self.refused.push((rule, refusal));
        }
        !self.rows.is_empty()
    }

    /// Makes rows of events that waited as codes: those of one pane, or of all they are in.
    pub(crate) fn take_coded(
        &mut self,
        pipe: &Pipe,
        stratum: usize,
        stretch: &Stretch<'_>,
        pane: Option<i64>,
    ) {
        let bound = stretch.bound();
        let place = (bound.rule, bound.source);
        let Some((inlet, _)) = pipe.inlet(bound.source) else { return };
        let Some(Intake::Named(named)) = &bound.intake else { return };
        let reading = stretch.reading(&named.inputs);
        for (row, time, origin) in stretch.events() {
            let panes = Panes::of(pipe.rule.clock, Some(Time::from_ticks(time)));
            let Some(panes) = panes.and_then(|panes| panes.among(pane)) else { continue };
            let seen = Seen { time, origin, source: bound.source as u32 };
            let get = |name: &str| {
                let at = named.inputs.binary_search_by(|own| (**own).cmp(name));
                at.map_or(Value::Null, |at| reading.value(at, row))
            };
            let tuple = || {
                let mut tuple = Tuple { values: Vec::new(), proof: Proof::of(seen) };
                let columns = named.columns.iter();
                columns.for_each(|(slot, read)| tuple.set(*slot, read.expr.value(&get)));
                tuple
            };
            let Some(bins) = &inlet.gathers else {
                if self.run_head(pipe, place, Some(Time::from_ticks(time)), tuple()) {
                    self.keep_in(pipe, place, stratum, (panes, seen));
                }
                continue;
            };
            self.key.clear();
            self.key.extend([
                std::ptr::from_ref(named) as u64,
                panes.next as u64,
                panes.left as u64,
            ]);
            self.key.extend(bins.iter().map(|width| time.div_euclid(*width) as u64));
            self.key.extend(reading.codes(row));
            self.gather(pipe, place, stratum, (panes, seen), tuple);
        }
    }

    /// Takes an event whose row is one of many that agree in all but their time, and are known by
    /// `self.key`.
    fn gather(
        &mut self,
        pipe: &Pipe,
        (rule, source): (usize, usize),
        stratum: usize,
        (panes, seen): (Panes, Seen),
        tuple: impl FnOnce() -> Tuple,
    ) {
        let Some((inlet, head)) = pipe.inlet(source) else { return };
        let key = std::mem::take(&mut self.key);
        let mut gathering = std::mem::replace(&mut self.gathering, Gathering::new());
        gathering.add(&key, seen, || {
            self.run_head(pipe, (rule, source), Some(Time::from_ticks(seen.time)), tuple());
            let known = head.names().all().len();
            let mut rows = Vec::with_capacity(self.rows.len());
            if let Some(run) = self.runs.get(&(rule, source)) {
                for row in self.rows.drain(..) {
                    self.bytes.clear();
                    encode(row.columns(), &run.names, known, &mut self.bytes);
                    rows.push(self.bytes.as_slice().into());
                }
            }
            Kept { rule, source, turn: inlet.turn, stratum, panes, rows }
        });
        (self.key, self.gathering) = (key, gathering);
        if self.gathering.is_full() {
            self.hand_on();
        }
    }

    /// Takes out what waits for a stratum.
    pub(crate) fn take_spool(&mut self, stratum: usize) -> io::Result<Spool> {
        self.hand_on();
        self.failed.take().map_or(Ok(()), Err)?;
        let next = self.spools[stratum].fresh();
        Ok(std::mem::replace(&mut self.spools[stratum], next))
    }

    /// What heads refused, with the rule.
    pub(crate) fn into_refused(self) -> Vec<(usize, Refusal)> {
        self.refused
    }

    /// Hands on what was gathered.
    fn hand_on(&mut self) {
        for gathered in self.gathering.take() {
            let Kept { rule, source, turn, stratum, panes, rows } = &gathered.rows;
            for (part, columns) in rows.iter().enumerate() {
                self.bytes.clear();
                let proof = Proof {
                    first: gathered.first.clone(),
                    last: Some(gathered.last),
                    total: gathered.times,
                    times: gathered.times,
                };
                put_proof(&proof, &mut self.bytes);
                self.bytes.extend_from_slice(columns);
                for pane in panes.clone() {
                    let key = Key {
                        rule: *rule as u32,
                        pane,
                        turn: *turn,
                        source: *source as u32,
                        time: Reverse(gathered.last.time),
                        origin: gathered.last.origin,
                        part: part as u32,
                    };
                    if self.failed.is_none()
                        && let Err(error) = self.spools[*stratum].push(key, &self.bytes)
                    {
                        self.failed = Some(error);
                    }
                }
            }
        }
    }

    /// The rows that [`Piped::take_in`] made last, as results.
    pub(crate) fn results(
        &self,
        pipe: &Pipe,
        place: (usize, usize),
    ) -> Vec<Vec<(Arc<str>, Value)>> {
        let Some(run) = self.runs.get(&place) else { return Vec::new() };
        self.rows.iter().map(|row| pipe.output(row, &run.names)).collect()
    }

    /// Keeps the rows that [`Piped::take_in`] made last for the stages over panes.
    pub(crate) fn keep(
        &mut self,
        pipe: &Pipe,
        (rule, source): (usize, usize),
        stratum: usize,
        from: &From<'_>,
    ) {
        let Some(panes) = Panes::of(pipe.rule.clock, from.time) else {
            self.untimed += self.rows.len() as u64;
            return;
        };
        let time = from.time.map_or(i64::MIN, Time::ticks);
        let seen = Seen { time, origin: from.origin, source: source as u32 };
        self.keep_in(pipe, (rule, source), stratum, (panes, seen));
    }

    fn keep_in(
        &mut self,
        pipe: &Pipe,
        (rule, source): (usize, usize),
        stratum: usize,
        (panes, seen): (Panes, Seen),
    ) {
        let Some((inlet, head)) = pipe.inlet(source) else { return };
        let Some(run) = self.runs.get(&(rule, source)) else { return };
        let known = head.names().all().len();
        for (part, row) in self.rows.drain(..).enumerate() {
            self.bytes.clear();
            put_proof(&Proof::default(), &mut self.bytes);
            encode(row.columns(), &run.names, known, &mut self.bytes);
            for pane in panes.clone() {
                let key = Key {
                    rule: rule as u32,
                    pane,
                    turn: inlet.turn,
                    source: source as u32,
                    time: Reverse(seen.time),
                    origin: seen.origin,
                    part: part as u32,
                };
                // What cannot be kept all cannot be kept in part: the scan ends with the error.
                if self.failed.is_none()
                    && let Err(error) = self.spools[stratum].push(key, &self.bytes)
                {
                    self.failed = Some(error);
                }
            }
        }
    }
}

/// The ends of the panes that a time is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Panes {
    next: i64,
    step: i64,
    left: i64,
}

impl Panes {
    /// `None` where a clock with panes gets no time.
    pub(crate) fn of(clock: Clock, time: Option<Time>) -> Option<Panes> {
        let Clock::Hop { lookback, interval, .. } = clock else {
            return Some(Panes { next: i64::MAX, step: 0, left: 1 });
        };
        let time = time?.ticks();
        let step = interval.ticks().max(1);
        let next = (time.div_euclid(step) + 1).saturating_mul(step);
        let last = time.saturating_add(lookback.ticks());
        let left = if last < next { 0 } else { ((last - next) / step + 1).min(PANES) };
        Some(Panes { next, step, left })
    }

    /// One of them alone, if it is among them; all where none is asked for.
    fn among(self, pane: Option<i64>) -> Option<Panes> {
        let Some(pane) = pane else { return Some(self) };
        let steps = match self.step {
            0 => 0,
            step => pane.checked_sub(self.next)? / step,
        };
        let at = steps.checked_mul(self.step)?.checked_add(self.next)?;
        let is_there = at == pane && (0..self.left).contains(&steps);
        is_there.then_some(Panes { next: pane, step: self.step, left: 1 })
    }
}

impl Iterator for Panes {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        self.left = self.left.checked_sub(1).filter(|left| *left >= 0)?;
        let pane = self.next;
        self.next = self.next.saturating_add(self.step);
        Some(pane)
    }
}

/// Every column that the view has for an event, and every value of the event that it has no other
/// name for.
fn all_columns(event: &Decoded<'_>, kind: &ScopeKind, names: &mut Names, row: &mut Tuple) {
    for (name, value) in &*event.columns(kind) {
        let slot = names.slot(name);
        if row.get(slot).is_null() {
            row.set(slot, value.clone());
        }
    }
    let raw = names.slot(RAW);
    row.set(raw, event.value(RAW));
    names.slot(TIME);
}

#[cfg(test)]
mod tests {
    use rulestone_ir::Duration;

    use super::*;

    #[test]
    fn a_time_is_in_every_pane_that_reaches_it() {
        let hop = |lookback, interval| Clock::Hop {
            lookback: Duration::from_ticks(lookback),
            interval: Duration::from_ticks(interval),
            offset: Duration::from_ticks(0),
        };
        let cases = [
            (hop(60, 60), 0, vec![60]),
            (hop(60, 60), 59, vec![60]),
            (hop(60, 60), -1, vec![0]),
            (hop(120, 60), 61, vec![120, 180]),
            (hop(120, 60), 60, vec![120, 180]),
            (hop(10, 60), 5, vec![]),
            (hop(10, 60), 50, vec![60]),
            (Clock::Whole, 7, vec![i64::MAX]),
        ];
        for (clock, time, expected) in cases {
            let panes = Panes::of(clock, Some(Time::from_ticks(time))).unwrap();
            assert_eq!(panes.collect::<Vec<_>>(), expected, "{clock:?} {time}");
        }
        assert!(Panes::of(hop(60, 60), None).is_none());
    }
}
