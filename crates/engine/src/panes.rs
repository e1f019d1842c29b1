//! Pipelines at work on panes: from rows that waited to findings.

use std::sync::Arc;

use rulestone_ir::Clock;
use rulestone_value::{Time, Value};

use crate::Plan;
use crate::feed::hash;
use crate::pipeline::{self, Pipeline};
use crate::piped::output;
use crate::row::{Names, Proof, Seen, Tuple};
use crate::spool::{Line, decode};
use crate::stages::{Finding, Mark};

/// A pane of a rule whose stages could not work it through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The rule, by its place in the plan.
    pub rule: usize,
    /// The pane's end, where the rule's clock has panes.
    pub pane: Option<Time>,
    /// What was refused: `state-too-large`.
    pub code: &'static str,
    /// Why.
    pub message: String,
}

/// Works lines through that come in their order.
pub(crate) struct Panes<'p> {
    plan: &'p Plan,
    memory: usize,
    /// What `now()` is to rules without panes.
    latest: Option<i64>,
    open: Option<Open>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) rows: u64,
}

/// The pane that is worked on.
struct Open {
    rule: u32,
    pane: i64,
    pipeline: Pipeline,
    /// The source whose rows come, and the pipeline's slots for the slots its lines have.
    source: Option<(u32, Vec<usize>)>,
    refused: bool,
}

impl<'p> Panes<'p> {
    pub(crate) fn new(plan: &'p Plan, memory: usize, latest: Option<i64>) -> Self {
        let (findings, refused) = (Vec::new(), Vec::new());
        Panes { plan, memory, latest, open: None, findings, refused, rows: 0 }
    }

    /// Takes the next row.
    pub(crate) fn line(&mut self, line: &Line) {
        self.rows += 1;
        let key = &line.key;
        if self.open.as_ref().is_none_or(|open| (open.rule, open.pane) != (key.rule, key.pane)) {
            self.close();
            self.open = Some(self.open(key.rule, key.pane));
        }
        let Some(open) = &mut self.open else { return };
        if open.refused {
            return;
        }
        if let Err(refusal) = open.take(self.plan, line) {
            open.refused = true;
            let (rule, pane) = (open.rule as usize, pane_end(open.pane));
            let pipeline::Refusal { code, message } = refusal;
            self.refused.push(Refused { rule, pane, code, message });
        }
    }

    /// Ends the pane that is worked on.
    pub(crate) fn close(&mut self) {
        let Some(mut open) = self.open.take().filter(|open| !open.refused) else { return };
        let (rule, pane) = (open.rule, pane_end(open.pane));
        match open.finish() {
            Ok(tuples) => {
                let (names, order) = (open.pipeline.names(), open.pipeline.columns());
                let found = tuples.iter().filter_map(|t| finding(rule, t, names, order));
                self.findings.extend(found);
            }
            Err(pipeline::Refusal { code, message }) => {
                self.refused.push(Refused { rule: rule as usize, pane, code, message });
            }
        }
    }

    fn open(&self, rule: u32, pane: i64) -> Open {
        let own = &self.plan.rules()[rule as usize];
        let now = match own.clock {
            Clock::Hop { offset, .. } => Some(pane.saturating_add(offset.ticks())),
            _ => self.latest,
        };
        let settings = self.plan.pipelines.of_run(self.memory, now.map(Time::from_ticks));
        let pipeline = Pipeline::new(own, &settings);
        Open { rule, pane, pipeline, source: None, refused: false }
    }
}

impl Open {
    fn take(&mut self, plan: &Plan, line: &Line) -> Result<(), pipeline::Refusal> {
        let key = &line.key;
        if self.source.as_ref().is_none_or(|(source, _)| *source != key.source) {
            if let Some((source, _)) = self.source.take() {
                self.pipeline.end_source(source as usize)?;
            }
            let names = plan.pipe(key.rule as usize).and_then(|p| p.names(key.source as usize));
            let slots = names.map(Names::all).unwrap_or_default().iter();
            let slots = slots.map(|name| self.pipeline.names_mut().slot(name)).collect();
            self.source = Some((key.source, slots));
        }
        let seen = Seen { time: key.time.0, origin: key.origin, source: key.source };
        let mut tuple = Tuple { values: Vec::new(), proof: Proof::of(seen) };
        let names = self.pipeline.names_mut();
        let slots = self.source.as_ref().map_or(&[][..], |(_, slots)| slots);
        decode(&line.columns, |column, value| {
            let slot = match column {
                Ok(slot) => slots.get(slot).copied(),
                Err(name) => Some(names.slot(name)),
            };
            if let Some(slot) = slot {
                tuple.set(slot, value);
            }
        });
        self.pipeline.push(key.source as usize, tuple)
    }

    fn finish(&mut self) -> Result<Vec<Tuple>, pipeline::Refusal> {
        if let Some((source, _)) = self.source.take() {
            self.pipeline.end_source(source as usize)?;
        }
        self.pipeline.finish()
    }
}

fn pane_end(pane: i64) -> Option<Time> {
    (pane != i64::MAX).then(|| Time::from_ticks(pane))
}

/// The finding that a result is. One that rests on no event is none.
fn finding(rule: u32, tuple: &Tuple, names: &Names, order: Option<&[Arc<str>]>) -> Option<Finding> {
    let mark = |seen: &Seen| Mark { time: seen.time, origin: seen.origin, input: seen.source };
    let last = mark(tuple.proof.last.as_ref()?);
    let evidence: Vec<Mark> = tuple.proof.first.iter().map(mark).collect();
    let from = evidence.first()?.time;
    let own_time = names.find("_time").and_then(|slot| tuple.get(slot).time());
    let row = output(order, tuple, names);
    Some(Finding {
        rule,
        key: key(&row),
        time: own_time.map_or(last.time, Time::ticks),
        from,
        value: 0.0,
        total: tuple.proof.total,
        evidence,
        last,
        cut: false,
        row: Some(row.into()),
    })
}

/// A hash of a result's columns, by which results of one time are put in order.
fn key(row: &[(Arc<str>, Value)]) -> u128 {
    let named = row.iter().flat_map(|(name, value)| [Value::string(&**name), value.clone()]);
    hash(&named.collect::<Vec<_>>())
}
