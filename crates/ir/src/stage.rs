//! What a rule does with the rows its sources let through: stages over time.

use std::fmt;
use std::sync::Arc;

use crate::{Comparison, Field, Span};

mod rows;

pub use rows::*;

/// A length of event time, in ticks of 100 ns as [`rulestone_value::Time`] has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(i64);

impl Duration {
    const TICKS_PER_SECOND: i64 = 10_000_000;

    /// Longer than anything.
    pub const FOREVER: Duration = Duration(i64::MAX);

    /// From ticks of 100 ns.
    pub const fn from_ticks(ticks: i64) -> Self {
        Duration(ticks)
    }

    /// From whole seconds; the longest duration there is for more.
    pub const fn from_seconds(seconds: i64) -> Self {
        Duration(seconds.saturating_mul(Self::TICKS_PER_SECOND))
    }

    /// Ticks of 100 ns.
    pub const fn ticks(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Duration {
    /// In the largest unit that says it without a fraction: `90m`, `1h`, `1500ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(i64, &str); 5] = [
            (86_400 * Duration::TICKS_PER_SECOND, "d"),
            (3_600 * Duration::TICKS_PER_SECOND, "h"),
            (60 * Duration::TICKS_PER_SECOND, "m"),
            (Duration::TICKS_PER_SECOND, "s"),
            (Duration::TICKS_PER_SECOND / 1000, "ms"),
        ];
        if *self == Duration::FOREVER {
            return f.write_str("forever");
        }
        match UNITS.iter().find(|(ticks, _)| self.0 != 0 && self.0 % ticks == 0) {
            Some((ticks, unit)) => write!(f, "{}{unit}", self.0 / ticks),
            None if self.0 == 0 => f.write_str("0s"),
            None => write!(f, "{}00ns", self.0),
        }
    }
}

/// Which rows may meet in one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// All that were read; stages that look at one row alone need no other.
    #[default]
    Whole,
    /// Rows at most this far apart, continuously: both ends count.
    Sliding {
        /// How far.
        span: Duration,
    },
    /// A schedule: panes `[e - lookback, e)` for every `e = k * interval` since the epoch.
    Hop {
        /// How far back a run looks.
        lookback: Duration,
        /// How often it runs.
        interval: Duration,
        /// What `now()` is behind the pane's end.
        offset: Duration,
    },
}

impl Clock {
    /// What `now()` is behind a pane's end.
    pub const fn offset(self) -> Duration {
        match self {
            Clock::Hop { offset, .. } => offset,
            Clock::Whole | Clock::Sliding { .. } => Duration::from_ticks(0),
        }
    }
}

/// A step of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// What it does.
    pub kind: StageKind,
    /// Whose rows it reads.
    pub inputs: Vec<Input>,
    /// Where the rule says so.
    pub span: Span,
    /// What the vendor calls it: `event_count`, `near`.
    pub native_name: Arc<str>,
}

/// Whose rows a stage reads, by place in the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// A source's.
    Source(usize),
    /// A stage's before it.
    Stage(usize),
}

/// What a stage does.
#[derive(Debug, Clone, PartialEq)]
pub enum StageKind {
    /// Makes rows of named columns out of such rows.
    Rows(RowStage),
    /// Measures the rows of a group within the rule's sliding clock.
    Correlate(Correlate),
    /// Counts the rows of a group in each pane of the rule's hopping clock.
    Threshold(Threshold),
    /// Looks for an arrangement of sub-patterns within the rule's sliding clock.
    Pattern(Pattern),
}

/// What tells the groups of a stage apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys {
    /// The fields; none makes one group of everything.
    pub fields: Vec<Field>,
    /// What becomes of a row that lacks one.
    pub null: NullKey,
    /// What becomes of a field with several values.
    pub lists: Lists,
}

/// What becomes of a row that lacks a field of its key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NullKey {
    /// It is left out, and counted.
    #[default]
    Drop,
    /// Rows without the field are a group.
    Group,
    /// It counts as this text.
    Fill(String),
}

/// What becomes of a key field with several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lists {
    /// The list is one value.
    #[default]
    Whole,
    /// The row is in the group of each value.
    FanOut,
}

/// Measures the rows of a group, see [`StageKind::Correlate`].
#[derive(Debug, Clone, PartialEq)]
pub struct Correlate {
    /// What tells groups apart.
    pub by: Keys,
    /// What is measured.
    pub measure: Measure,
    /// What the measure must satisfy.
    pub when: When,
    /// When it is asked.
    pub evaluate: Evaluate,
    /// When the same group may fire again.
    pub refire: Refire,
}

/// What is measured over the rows of a window.
#[derive(Debug, Clone, PartialEq)]
pub enum Measure {
    /// How many there are.
    Count,
    /// How many different combinations of these fields; rows that lack one do not count.
    DistinctCount(Vec<Field>),
    /// The sum of a field; what is no number does not count, here and below. Numbers below zero
    /// are taken for rare: a sum is asked at each row, as if it only grew.
    Sum(Field),
    /// The mean of a field.
    Avg(Field),
    /// The least value of a field.
    Min(Field),
    /// The greatest value of a field.
    Max(Field),
    /// The middle value of a field; of an even number of values the mean of the two in the middle.
    Median(Field),
    /// The value that this part of the values, in percent, does not exceed: nearest rank.
    Percentile(Field, f64),
    /// What part of the rows, in percent, has the rarest value of a field, or the most frequent
    /// where only lower bounds are asked for. Rows that lack the field do not count.
    Share(Field),
    /// How many of the stage's inputs have a row.
    Inputs,
    /// How many of the stage's inputs have rows that follow each other in the order of the inputs.
    InputsInOrder,
}

impl Measure {
    /// The fields it reads.
    pub fn fields(&self) -> &[Field] {
        match self {
            Measure::Count | Measure::Inputs | Measure::InputsInOrder => &[],
            Measure::DistinctCount(fields) => fields,
            Measure::Sum(field)
            | Measure::Avg(field)
            | Measure::Min(field)
            | Measure::Max(field)
            | Measure::Median(field)
            | Measure::Share(field)
            | Measure::Percentile(field, _) => std::slice::from_ref(field),
        }
    }

    /// Whether it needs numbers.
    pub const fn is_of_numbers(&self) -> bool {
        matches!(
            self,
            Measure::Sum(_)
                | Measure::Avg(_)
                | Measure::Min(_)
                | Measure::Max(_)
                | Measure::Median(_)
                | Measure::Percentile(..)
        )
    }

    /// Whether it never falls while rows come.
    pub const fn only_grows(&self) -> bool {
        matches!(
            self,
            Measure::Count
                | Measure::DistinctCount(_)
                | Measure::Sum(_)
                | Measure::Inputs
                | Measure::InputsInOrder
        )
    }

    /// The word for it in output.
    pub const fn name(&self) -> &'static str {
        match self {
            Measure::Min(_) => "min",
            Measure::Max(_) => "max",
            Measure::Median(_) => "median",
            Measure::Share(_) => "share",
            Measure::Count => "count",
            Measure::DistinctCount(_) => "distinct_count",
            Measure::Sum(_) => "sum",
            Measure::Avg(_) => "avg",
            Measure::Percentile(..) => "percentile",
            Measure::Inputs => "inputs",
            Measure::InputsInOrder => "inputs_in_order",
        }
    }
}

/// What a window must satisfy.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// The measure compares so to every one of these.
    Measure(Vec<(Comparison, f64)>),
    /// These inputs have rows, or have none.
    Seen(Seen),
}

/// Which inputs have rows in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The input at this place in the stage.
    Input(usize),
    /// All of them.
    And(Vec<Seen>),
    /// One of them.
    Or(Vec<Seen>),
    /// The opposite.
    Not(Box<Seen>),
}

impl Seen {
    /// Whether it holds for inputs of which `seen` says whether they have rows.
    pub fn holds(&self, seen: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Seen::Input(input) => seen(*input),
            Seen::And(parts) => parts.iter().all(|part| part.holds(seen)),
            Seen::Or(parts) => parts.iter().any(|part| part.holds(seen)),
            Seen::Not(part) => !part.holds(seen),
        }
    }

    /// Whether it asks for an input to have no rows.
    pub fn has_not(&self) -> bool {
        match self {
            Seen::Input(_) => false,
            Seen::And(parts) | Seen::Or(parts) => parts.iter().any(Seen::has_not),
            Seen::Not(_) => true,
        }
    }
}

/// When a window is asked whether it satisfies a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluate {
    /// At each row, over the rows up to it: for what only turns true as rows come.
    OnEvent,
    /// Once its time is over: for what can turn back. A window opens with a group's first row
    /// outside of one.
    AtClose,
}

/// When a group that fired may fire again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refire {
    /// Whenever it holds anew.
    Each,
    /// Once it has had no row for longer than the clock's span.
    AfterQuiet,
}

/// Counts in panes, see [`StageKind::Threshold`].
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// What tells groups apart.
    pub by: Keys,
    /// The least number of rows.
    pub count: u64,
    /// The least number of different values of a field.
    pub cardinality: Option<(Field, u64)>,
    /// Rows up to a group's last finding do not count again in overlapping panes.
    pub counted_once: bool,
}

/// An arrangement of sub-patterns, see [`StageKind::Pattern`].
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// The sub-patterns. Groups are joined where the keys of all of them are equal, field by field.
    pub subs: Vec<Sub>,
    /// How they are arranged.
    pub arrangement: Arrangement,
    /// Whose latest event tells that something did not come in time.
    pub timer: Timer,
    /// When a group may fire again.
    pub refire: Refire,
}

/// A part of a pattern: enough rows of some inputs in one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Sub {
    /// The author's name for it.
    pub name: Arc<str>,
    /// Places among the stage's inputs.
    pub inputs: Vec<usize>,
    /// What tells groups apart.
    pub by: Keys,
    /// The least number of rows within the span.
    pub count: u64,
}

/// How sub-patterns are arranged in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrangement {
    /// The sub-pattern at this place.
    Sub(usize),
    /// The second after the first.
    Followed(Box<Arrangement>, Box<Arrangement>),
    /// The first, and behind it no second until the span is over.
    NotFollowed(Box<Arrangement>, Box<Arrangement>),
    /// Both, in any order.
    And(Box<Arrangement>, Box<Arrangement>),
    /// Either.
    Or(Box<Arrangement>, Box<Arrangement>),
}

/// Whose latest event tells how late it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The host's of the first event, in any log.
    Host,
    /// Anybody's.
    Run,
}
