//! From hits to rows of named columns, for rules whose stages make rows out of rows.
//!
//! A hit's columns are read once, as far as the pipeline wants them. Stages that look at one row
//! alone run at once; what is left waits, sorted, for the stages over panes.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rulestone_events::{Event, Expr, ScopeKind};
use rulestone_ir::{Clock, Rule};
use rulestone_value::{Time, Value};

use crate::order::Origin;
use crate::pipeline::{Columns, Head, PipelineSettings, is_row_wise, order, result_columns, wanted};
use crate::reference::field_value;
use crate::row::{Names, Proof, Seen, Slot, Tuple};
use crate::run::Collected;
use crate::spool::{Key, Line, Spool, encode};
use crate::{Plan, ScanSettings};

/// What is known of a rule's pipeline before any event: shared by all threads.
pub(crate) struct Pipe {
    /// For each source of the rule that reads events.
    inlets: Vec<Option<Inlet>>,
    /// Whether every result rests on one event alone, and is a finding at once.
    pub(crate) row_wise: bool,
    clock: Clock,
    /// The result's columns in their order, where the stages say it.
    columns: Option<Vec<Arc<str>>>,
}

struct Inlet {
    columns: Columns,
    head: Head,
    turn: u32,
}

impl Pipe {
    /// The pipeline of a rule that has one.
    pub(crate) fn new(rule: &Rule, settings: &PipelineSettings) -> Option<Pipe> {
        if !rule.is_pipeline() {
            return None;
        }
        let turns = order(rule);
        let inlet = |source: usize| {
            rule.sources[source].filtered()?;
            let turn = turns.iter().position(|own| *own == source).unwrap_or(turns.len()) as u32;
            let columns = wanted(rule, source);
            Some(Inlet { columns, head: Head::new(rule, source, settings), turn })
        };
        Some(Pipe {
            inlets: (0..rule.sources.len()).map(inlet).collect(),
            row_wise: is_row_wise(rule),
            clock: rule.clock,
            columns: result_columns(rule),
        })
    }

    /// The names that the rows of a source start with: every thread gives them the same slots.
    pub(crate) fn names(&self, source: usize) -> Option<&Names> {
        Some(self.inlets.get(source)?.as_ref()?.head.names())
    }

    /// How a source's columns read from one kind of events.
    pub(crate) fn bind(
        &self,
        source: usize,
        scope_kind: &ScopeKind,
        settle: impl Fn(Expr) -> Expr,
    ) -> Option<Intake> {
        let inlet = self.inlets.get(source)?.as_ref()?;
        let Columns::Named(names) = &inlet.columns else { return Some(Intake::All) };
        let column = |name: &Arc<str>| {
            let slot = inlet.head.names().find(name)?;
            Some((slot, settle(scope_kind.field(name))))
        };
        let own = names.iter().filter(|name| ***name != *TIME);
        Some(Intake::Named(own.filter_map(column).collect()))
    }

    /// A result as columns by name, in the order that the stages give them.
    pub(crate) fn output(&self, tuple: &Tuple, names: &Names) -> Vec<(Arc<str>, Value)> {
        output(self.columns.as_deref(), tuple, names)
    }
}

/// The columns of a result by name: in the order given; else by name, without those that start
/// with `_`.
pub(crate) fn output(
    order: Option<&[Arc<str>]>,
    tuple: &Tuple,
    names: &Names,
) -> Vec<(Arc<str>, Value)> {
    let place = |name: &Arc<str>| order.and_then(|order| order.iter().position(|own| own == name));
    let mut columns: Vec<(Option<usize>, Arc<str>, Value)> = tuple
        .columns()
        .map(|(slot, value)| (names.name(slot), value))
        .map(|(name, value)| (place(name), name.clone(), value.clone()))
        .filter(|(place, name, _)| place.is_some() || !name.starts_with('_'))
        .collect();
    columns.sort_by(|(a, x, _), (b, y, _)| {
        (a.is_none(), a, x).cmp(&(b.is_none(), b, y))
    });
    columns.into_iter().map(|(_, name, value)| (name, value)).collect()
}

const TIME: &str = "_time";

/// How the columns of a source read from one kind of events.
#[derive(Debug, Clone)]
pub(crate) enum Intake {
    /// These, by their slots.
    Named(Vec<(Slot, Expr)>),
    /// All that the view and the event have.
    All,
}

impl Intake {
    /// The event's own fields that it reads.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = Arc<str>> {
        let named = match self {
            Intake::Named(columns) => columns.as_slice(),
            Intake::All => &[],
        };
        named.iter().flat_map(|(_, expr)| expr.inputs())
    }

    /// Whether the event has to be decoded whole.
    fn needs_event(&self) -> bool {
        match self {
            Intake::Named(_) => self.inputs().any(|name| *name == *rulestone_events::RAW),
            Intake::All => true,
        }
    }
}

/// Where a hit is, and how its values are read.
pub(crate) struct From<'a> {
    pub(crate) time: Option<Time>,
    pub(crate) origin: Origin,
    /// A value of the event by its own name.
    pub(crate) get: &'a dyn Fn(&str) -> Value,
}

/// What one thread keeps of pipelines.
pub(crate) struct Piped {
    /// Names of rows by rule and source.
    names: HashMap<(usize, usize), Names, RandomState>,
    /// For each stratum.
    pub(crate) spools: Vec<Spool>,
    pub(crate) failed: Option<io::Error>,
    /// Rows of events without a time, which no pane has.
    pub(crate) untimed: u64,
    rows: Vec<Tuple>,
    bytes: Vec<u8>,
}

/// Panes that one row is put into at most.
const PANES: i64 = 1000;

impl Piped {
    pub(crate) fn new(strata: usize, memory: usize) -> Piped {
        Piped {
            names: HashMap::default(),
            spools: (0..strata).map(|_| Spool::new(memory)).collect(),
            failed: None,
            untimed: 0,
            rows: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// What a thread that runs a plan keeps.
    pub(crate) fn for_plan(plan: &Plan, settings: &ScanSettings) -> Piped {
        let strata = plan.strata().count().max(1);
        // A quarter of the memory for all threads and strata; what is read is in the rest.
        Piped::new(strata, settings.memory / 4 / settings.jobs.max(1) / strata)
    }

    /// Hands over what waits.
    pub(crate) fn collect_into(self, collected: &mut Collected) -> io::Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        collected.spools.resize_with(self.spools.len(), Vec::new);
        for (all, own) in collected.spools.iter_mut().zip(self.spools) {
            all.push(own);
        }
        collected.unkept.untimed += self.untimed;
        Ok(())
    }

    /// Takes out the rows that are in memory, for each stratum, in no order.
    pub(crate) fn take_lines(&mut self) -> Vec<Vec<Line>> {
        self.spools.iter_mut().map(Spool::take_lines).collect()
    }

    /// The rows that the first stages make of a hit.
    pub(crate) fn rows(
        &mut self,
        pipe: &Pipe,
        (rule, source): (usize, usize),
        intake: &Intake,
        from: &From<'_>,
        (event, scope_kind): (&mut dyn FnMut() -> Event, &ScopeKind),
    ) -> Option<(&[Tuple], &Names)> {
        self.rows.clear();
        let inlet = pipe.inlets.get(source)?.as_ref()?;
        let names =
            self.names.entry((rule, source)).or_insert_with(|| inlet.head.names().clone());
        let time = from.time.map(Time::ticks).unwrap_or(i64::MIN);
        let proof = Proof::of(Seen { time, origin: from.origin, source: source as u32 });
        let mut tuple = Tuple { values: Vec::new(), proof };
        if intake.needs_event() {
            let event = event();
            match intake {
                Intake::Named(columns) => columns.iter().for_each(|(slot, expr)| {
                    tuple.set(*slot, expr.value(&|name| event.value(name)));
                }),
                Intake::All => all_columns(&event, scope_kind, names, &mut tuple),
            }
        } else if let Intake::Named(columns) = intake {
            columns.iter().for_each(|(slot, expr)| tuple.set(*slot, expr.value(from.get)));
        }
        if let (Some(time), Some(slot)) = (from.time, names.find(TIME)) {
            tuple.set(slot, Value::Time(time));
        }
        inlet.head.run(names, tuple, &mut self.rows);
        Some((&self.rows, names))
    }

    /// Keeps the rows that [`Piped::rows`] made last for the stages over panes.
    pub(crate) fn keep(
        &mut self,
        pipe: &Pipe,
        (rule, source): (usize, usize),
        stratum: usize,
        from: &From<'_>,
    ) {
        let (Some(inlet), Some(names)) = (
            pipe.inlets.get(source).and_then(Option::as_ref),
            self.names.get(&(rule, source)),
        ) else {
            return;
        };
        let known = inlet.head.names().all().len();
        for (part, tuple) in self.rows.drain(..).enumerate() {
            self.bytes.clear();
            encode(tuple.columns(), names, known, &mut self.bytes);
            let Some(panes) = panes(pipe.clock, from.time) else {
                self.untimed += 1;
                continue;
            };
            for pane in panes {
                let key = Key {
                    rule: rule as u32,
                    pane,
                    turn: inlet.turn,
                    source: source as u32,
                    time: Reverse(from.time.map_or(i64::MIN, Time::ticks)),
                    origin: from.origin,
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

/// The ends of the panes that a time is in; `None` where a clock with panes gets no time.
fn panes(clock: Clock, time: Option<Time>) -> Option<impl Iterator<Item = i64>> {
    let (first, step, count) = match clock {
        Clock::Hop { lookback, interval, .. } => {
            let time = time?.ticks();
            let step = interval.ticks().max(1);
            let first = (time.div_euclid(step) + 1).saturating_mul(step);
            let last = time.saturating_add(lookback.ticks());
            let count = if last < first { 0 } else { ((last - first) / step + 1).min(PANES) };
            (first, step, count)
        }
        Clock::Whole | Clock::Sliding { .. } => (i64::MAX, 0, 1),
    };
    Some((0..count).map(move |at| first.saturating_add(at * step)))
}

/// Every column that the view has for an event, and every value of the event that it has no other
/// name for.
fn all_columns(event: &Event, kind: &ScopeKind, names: &mut Names, tuple: &mut Tuple) {
    for name in kind.own_names() {
        let value = field_value(name, kind, event);
        tuple.set(names.slot(name), value);
    }
    for (name, _) in &event.fields {
        if kind.own_field(name).is_none() && kind.reads_own_names() {
            let value = field_value(name, kind, event);
            tuple.set(names.slot(name), value);
        }
    }
    let raw = names.slot(rulestone_events::RAW);
    tuple.set(raw, event.value(rulestone_events::RAW));
    names.slot(TIME);
}
