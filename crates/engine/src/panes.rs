//! Pipelines at work on panes: from rows that waited to findings.

use rulestone_ir::Clock;
use rulestone_value::{Time, Value};

use crate::Plan;
use crate::feed::hash;
use crate::piped::output;
use crate::pipeline::{Pipeline, PipelineSettings, TIME};
use crate::row::{Names, Seen, Slot, Tuple};
use crate::spool::{Line, decode, get_proof};
use crate::stages::rows::Refusal;
use crate::stages::{Finding, Mark};

/// A pane of a rule that its stages could not work through.
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

impl Refused {
    pub(crate) fn new(rule: usize, pane: Option<Time>, refusal: Refusal) -> Refused {
        let Refusal { code, message } = refusal;
        Refused { rule, pane, code, message }
    }
}

/// Works lines through that come in their order.
pub(crate) struct Panes<'p> {
    plan: &'p Plan,
    memory: usize,
    /// What `now()` is to rules without panes.
    latest: Option<i64>,
    /// The rule whose panes come, and its pipeline.
    pipeline: Option<(u32, Pipeline)>,
    open: Option<Open>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) rows: u64,
}

/// The pane that is worked on.
struct Open {
    pane: i64,
    /// The source whose rows come, and the pipeline's slots for the slots its lines have.
    source: Option<(u32, Vec<Slot>)>,
    refused: bool,
}

impl<'p> Panes<'p> {
    pub(crate) fn new(plan: &'p Plan, memory: usize, latest: Option<i64>) -> Self {
        Panes {
            plan,
            memory,
            latest,
            pipeline: None,
            open: None,
            findings: Vec::new(),
            refused: Vec::new(),
            rows: 0,
        }
    }

    /// Takes the next row.
    pub(crate) fn line(&mut self, line: &Line) {
        self.rows += 1;
        self.turn_to(line.key.rule, line.key.pane);
        let (Some((rule, pipeline)), Some(open)) = (&mut self.pipeline, &mut self.open) else {
            return;
        };
        if open.refused {
            return;
        }
        if let Err(refusal) = open.take(self.plan, pipeline, line) {
            open.refused = true;
            self.refused.push(Refused::new(*rule as usize, pane_end(open.pane), refusal));
        }
    }

    /// Comes to a source of a pane; whether rows of it can still become a result.
    pub(crate) fn turn(&mut self, rule: u32, pane: i64, source: u32) -> bool {
        self.turn_to(rule, pane);
        let (Some((rule, pipeline)), Some(open)) = (&mut self.pipeline, &mut self.open) else {
            return false;
        };
        if open.refused {
            return false;
        }
        if let Err(refusal) = open.turn_to(self.plan, pipeline, (*rule, source)) {
            open.refused = true;
            self.refused.push(Refused::new(*rule as usize, pane_end(pane), refusal));
            return false;
        }
        pipeline.wants(source as usize)
    }

    fn turn_to(&mut self, rule: u32, pane: i64) {
        let same_rule = self.pipeline.as_ref().is_some_and(|(running, _)| *running == rule);
        if !same_rule || self.open.as_ref().is_none_or(|open| open.pane != pane) {
            self.close();
            self.begin(rule, pane);
        }
    }

    fn begin(&mut self, rule: u32, pane: i64) {
        let own = &self.plan.rules()[rule as usize];
        if self.pipeline.as_ref().is_none_or(|(running, _)| *running != rule) {
            let memory = self.memory;
            let settings = PipelineSettings { memory, ..self.plan.pipelines.clone() };
            self.pipeline = Some((rule, Pipeline::new(own, &settings)));
        }
        let now = match own.clock {
            Clock::Hop { offset, .. } => Some(pane.saturating_add(offset.ticks())),
            _ => self.latest,
        };
        if let Some((_, pipeline)) = &mut self.pipeline {
            pipeline.begin(now.map(Time::from_ticks));
        }
        self.open = Some(Open { pane, source: None, refused: false });
    }

    /// Ends the pane that is worked on.
    pub(crate) fn close(&mut self) {
        let Some(mut open) = self.open.take().filter(|open| !open.refused) else { return };
        let Some((rule, pipeline)) = &mut self.pipeline else { return };
        match open.finish(pipeline) {
            Ok(rows) => {
                let slots = pipeline.columns(&rows);
                let found = rows.iter();
                let found = found.filter_map(|row| finding(*rule, row, pipeline.names(), &slots));
                self.findings.extend(found);
            }
            Err(refusal) => {
                self.refused.push(Refused::new(*rule as usize, pane_end(open.pane), refusal));
            }
        }
    }
}

impl Open {
    /// Ends the source whose rows came, if others come now.
    fn turn_to(
        &mut self,
        plan: &Plan,
        pipeline: &mut Pipeline,
        (rule, source): (u32, u32),
    ) -> Result<(), Refusal> {
        if self.source.as_ref().is_some_and(|(own, _)| *own == source) {
            return Ok(());
        }
        if let Some((source, _)) = self.source.take() {
            pipeline.end_source(source as usize)?;
        }
        let names = plan.pipe(rule as usize).and_then(|pipe| pipe.names(source as usize));
        let slots = names.map(Names::all).unwrap_or_default().iter();
        let slots = slots.map(|name| pipeline.names_mut().slot(name)).collect();
        self.source = Some((source, slots));
        Ok(())
    }

    fn take(&mut self, plan: &Plan, pipeline: &mut Pipeline, line: &Line) -> Result<(), Refusal> {
        let key = &line.key;
        self.turn_to(plan, pipeline, (key.rule, key.source))?;
        let seen = Seen { time: key.time.0, origin: key.origin, source: key.source };
        let (proof, columns) = get_proof(&line.columns, seen);
        let mut row = Tuple { values: Vec::new(), proof };
        let names = pipeline.names_mut();
        let slots = self.source.as_ref().map_or(&[][..], |(_, slots)| slots);
        decode(columns, |column, value| {
            let slot = match column {
                Ok(slot) => slots.get(slot).copied(),
                Err(name) => Some(names.slot(name)),
            };
            if let Some(slot) = slot {
                row.set(slot, value);
            }
        });
        // Of rows that were gathered the columns are those of one; the latest says when.
        if let (true, Some(last)) = (row.proof.times > 1, row.proof.last) {
            let time = pipeline.names_mut().slot(TIME);
            row.set(time, Value::Time(Time::from_ticks(last.time)));
        }
        pipeline.push(key.source as usize, row)
    }

    fn finish(&mut self, pipeline: &mut Pipeline) -> Result<Vec<Tuple>, Refusal> {
        if let Some((source, _)) = self.source.take() {
            pipeline.end_source(source as usize)?;
        }
        pipeline.finish()
    }
}

fn pane_end(pane: i64) -> Option<Time> {
    (pane != i64::MAX).then(|| Time::from_ticks(pane))
}

/// The finding that a result is. One that rests on no event is none.
fn finding(rule: u32, row: &Tuple, names: &Names, slots: &[Slot]) -> Option<Finding> {
    let mark = |seen: &Seen| Mark { time: seen.time, origin: seen.origin, input: seen.source };
    let last = mark(row.proof.last.as_ref()?);
    let evidence: Vec<Mark> = row.proof.first.iter().map(mark).collect();
    let from = evidence.first()?.time;
    let own_time = names.find(TIME).and_then(|slot| row.get(slot).time());
    let columns = output(slots, row, names);
    let named = columns.iter().flat_map(|(name, value)| [Value::string(&**name), value.clone()]);
    Some(Finding {
        rule,
        // By which results of one time are put in order.
        key: hash(&named.collect::<Vec<_>>()),
        time: own_time.map_or(last.time, Time::ticks),
        from,
        value: 0.0,
        total: row.proof.total,
        evidence,
        last,
        cut: false,
        row: Some(columns.into()),
    })
}
