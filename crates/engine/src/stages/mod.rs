//! Stages with state: from the rows of one group, in the order of time, to findings.
//!
//! There are two families. Stages over time are here, one file a stage; stages over rows of named
//! columns, which pipelines are made of, are in [`rows`]. A [`Machine`] is a stage at work on one group: rows go in with
//! [`Machine::add`], time passes with [`Machine::advance`] and ends with [`Machine::end`].

mod correlate;
mod pattern;
pub(crate) mod rows;
mod threshold;

use std::sync::Arc;

use rulestone_ir::{Clock, Rule, StageKind};

use rulestone_value::Value;

use crate::order::{Origin, Row};
use correlate::CorrelateMachine;
use pattern::PatternMachine;
use threshold::ThresholdMachine;

/// Events whose origins a finding keeps.
pub(crate) const EVIDENCE: usize = 10;

/// A row out of a rule's last stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule, by its place in the plan.
    pub rule: u32,
    /// A hash of the group's key.
    pub key: u128,
    /// When it became true: the time of its last event; for an absence, its deadline.
    pub time: i64,
    /// The time of its first event.
    pub from: i64,
    /// What was measured.
    pub value: f64,
    /// How many events it rests on.
    pub total: u64,
    /// The first of them.
    pub evidence: Vec<Mark>,
    /// The last of them.
    pub last: Mark,
    /// The log ended before its window did.
    pub cut: bool,
    /// The columns of the result, for a rule whose stages make rows.
    pub row: Option<ResultRow>,
}

/// The columns of a result by name, in the order of the result.
pub type ResultRow = Arc<[(Arc<str>, Value)]>;

/// An event that a finding rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// When it was, in ticks.
    pub time: i64,
    /// Where it is.
    pub origin: Origin,
    /// Through which of the stage's inputs it came.
    pub input: u32,
}

impl Mark {
    fn of(row: &Row) -> Mark {
        Mark { time: row.time, origin: row.origin, input: row.input }
    }
}

/// A stage at work on one group.
#[derive(Debug)]
pub(crate) enum Machine {
    Correlate(CorrelateMachine),
    Threshold(ThresholdMachine),
    Pattern(PatternMachine),
}

/// What happened in a group, and to it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// What was found, in the order of time.
    pub(crate) findings: Vec<Finding>,
    /// What the log's end left undecided.
    pub(crate) undecided: u64,
    /// Rows that came later than any window they could be in.
    pub(crate) late: u64,
}

impl Machine {
    /// The stage of a rule, for a group of which nothing has been seen. `None` for a rule without
    /// a stage, or one whose clock does not fit it.
    pub(crate) fn new(rule: &Rule) -> Option<Machine> {
        let stage = rule.stateful()?;
        match (&stage.kind, rule.clock) {
            (StageKind::Correlate(correlate), Clock::Sliding { span }) => {
                let inputs = stage.inputs.len();
                Some(Machine::Correlate(CorrelateMachine::new(correlate, span.ticks(), inputs)))
            }
            (StageKind::Threshold(threshold), Clock::Hop { lookback, interval, .. }) => {
                let clock = (lookback.ticks(), interval.ticks());
                Some(Machine::Threshold(ThresholdMachine::new(threshold, clock)))
            }
            (StageKind::Pattern(pattern), Clock::Sliding { span }) => {
                Some(Machine::Pattern(PatternMachine::new(pattern, span.ticks())))
            }
            _ => None,
        }
    }

    /// Takes a row. Rows come in order of time; one that is late counts as far as it still can.
    pub(crate) fn add(&mut self, row: &Row, out: &mut Outcome) {
        match self {
            Machine::Correlate(machine) => machine.add(row, out),
            Machine::Threshold(machine) => machine.add(row, out),
            Machine::Pattern(machine) => machine.add(row, out),
        }
    }

    /// Says that it is `now` wherever the group's timer is.
    pub(crate) fn advance(&mut self, now: i64, out: &mut Outcome) {
        match self {
            Machine::Correlate(machine) => machine.advance(now, out),
            Machine::Threshold(machine) => machine.advance(now, out),
            Machine::Pattern(machine) => machine.advance(now, out),
        }
    }

    /// Says that the log ends.
    pub(crate) fn end(&mut self, out: &mut Outcome) {
        match self {
            Machine::Correlate(machine) => machine.end(out),
            Machine::Threshold(machine) => machine.end(out),
            Machine::Pattern(machine) => machine.end(out),
        }
    }

    /// The first time at which [`Machine::advance`] changes something, be it that all is
    /// forgotten.
    pub(crate) fn deadline(&self) -> i64 {
        match self {
            Machine::Correlate(machine) => machine.deadline(),
            Machine::Threshold(machine) => machine.deadline(),
            Machine::Pattern(machine) => machine.deadline(),
        }
    }

    /// Bytes of state, about.
    pub(crate) fn bytes(&self) -> usize {
        let own = match self {
            Machine::Correlate(machine) => machine.bytes(),
            Machine::Threshold(machine) => machine.bytes(),
            Machine::Pattern(machine) => machine.bytes(),
        };
        size_of::<Machine>() + own
    }
}

/// The first marks of a window, how many there were, and the last.
#[derive(Debug, Clone, Default)]
struct Marks {
    first: Vec<Mark>,
    last: Option<Mark>,
    total: u64,
}

impl Marks {
    fn of(marks: impl Iterator<Item = Mark>) -> Marks {
        let mut all = Marks::default();
        marks.for_each(|mark| all.push(mark));
        all
    }

    fn push(&mut self, mark: Mark) {
        if self.first.len() < EVIDENCE {
            self.first.push(mark);
        }
        self.last = Some(mark);
        self.total += 1;
    }

    /// A finding that rests on these and was triggered by `row`'s group.
    fn finding(self, rule: u32, key: u128, value: f64) -> Option<Finding> {
        let last = self.last?;
        let from = self.first.first()?.time;
        let (time, total) = (last.time, self.total);
        Some(Finding {
            rule,
            key,
            time,
            from,
            value,
            total,
            evidence: self.first,
            last,
            cut: false,
            row: None,
        })
    }
}
