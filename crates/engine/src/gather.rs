//! Rows that agree in everything but their time, made one.
//!
//! Many rules count: a row of theirs is one of thousands with the same columns. Where a pipeline
//! goes on with an aggregate that such rows can be told to as one with a number, they are one row
//! from the start, known by the codes of the values that it reads, which are not looked at again.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use rulestone_ir::{
    Aggregator, BinBy, Expr, Extractor, Field, Formula, Function, Input, Measured, RowStage, Rule,
    StageKind, Target,
};

use crate::pipeline::{TIME, head_stages};
use crate::row::{EVIDENCE, Seen};

/// Whether rows of a source may be gathered: no stage up to an aggregate asks for their time or
/// place but to put it into bins, and the aggregate only counts them or takes what is the same
/// however often a row comes. Gives the widths of those bins, in ticks: rows of one bin may be
/// gathered.
pub(crate) fn gathers(rule: &Rule, source: usize) -> Option<Vec<i64>> {
    let head = head_stages(rule, source);
    let last = head.last().map_or(Input::Source(source), |at| Input::Stage(*at));
    let mut readers = rule.stages.iter().filter(|stage| stage.inputs.contains(&last));
    let (Some(next), None) = (readers.next(), readers.next()) else { return None };
    let StageKind::Rows(RowStage::Aggregate(aggregate)) = &next.kind else { return None };
    let mut bins = Vec::new();
    let timeless = head.iter().all(|at| match &rule.stages[*at].kind {
        StageKind::Rows(RowStage::Bin { field, by: BinBy::Span(width), into }) => {
            bins.push(width.ticks().max(1));
            **field == *TIME && **into != *TIME
        }
        StageKind::Rows(stage) => is_timeless(stage),
        _ => false,
    });
    let gathers = timeless
        && next.inputs.len() == 1
        && aggregate.by.iter().all(|(field, _)| **field != *TIME)
        && aggregate.measures.iter().all(|measure| match (&measure.function, &measure.of) {
            (Aggregator::Count, Measured::Rows) => true,
            (Aggregator::Count | Aggregator::DistinctCount | Aggregator::Values(_), of) => {
                measured_is_timeless(of)
            }
            (
                Aggregator::Min
                | Aggregator::Max
                | Aggregator::Earliest
                | Aggregator::Latest
                | Aggregator::EarliestTime
                | Aggregator::LatestTime,
                of,
            ) => is_time(of) || measured_is_timeless(of),
            _ => false,
        });
    gathers.then_some(bins)
}

fn is_time(of: &Measured) -> bool {
    match of {
        Measured::Expr(Expr::Field(name)) => **name == *TIME,
        Measured::Columns(name) => name.as_str() == TIME,
        _ => false,
    }
}

fn measured_is_timeless(of: &Measured) -> bool {
    match of {
        Measured::Rows => true,
        Measured::Expr(expr) | Measured::Where(expr) => expr_is_timeless(expr),
        Measured::Columns(name) => !name.as_str().starts_with('_'),
    }
}

fn expr_is_timeless(expr: &Expr) -> bool {
    let mut timeless = !expr.reads_unnamed() && !calls_random(expr);
    expr.fields(&mut |name| timeless &= **name != *TIME);
    timeless
}

fn calls_random(expr: &Expr) -> bool {
    match expr {
        Expr::Call { function, arguments, .. } => {
            *function == Function::Random || arguments.iter().any(calls_random)
        }
        _ => false,
    }
}

fn formula_is_timeless(formula: &Formula) -> bool {
    let mut timeless = !formula.reads_unnamed();
    formula.fields(&mut |field| {
        timeless &= !matches!(field, Field::Named { name, .. } if **name == *TIME);
    });
    let random = |formula: &Formula| matches!(formula, Formula::IsTrue(expr) if calls_random(expr));
    timeless && !random(formula)
}

/// Whether a stage makes the same of a row whenever it was.
fn is_timeless(stage: &RowStage) -> bool {
    match stage {
        RowStage::Filter { condition } => formula_is_timeless(condition),
        RowStage::Compute { steps } => steps.iter().all(|(target, expr)| {
            matches!(target, Target::Name(name) if **name != *TIME) && expr_is_timeless(expr)
        }),
        RowStage::Extract(extract) => {
            *extract.from != *TIME
                && matches!(extract.by, Extractor::Captures { .. } | Extractor::Replace { .. })
        }
        RowStage::Lookup(lookup) => lookup.on.iter().all(|(_, field)| **field != *TIME),
        RowStage::Rename { pairs, .. } => pairs.iter().all(|(old, new)| {
            let other = |name: Option<&std::sync::Arc<str>>| name.is_some_and(|n| **n != *TIME);
            other(old.name()) && other(new.name())
        }),
        RowStage::Expand { field, .. } | RowStage::Locate { field, .. } => **field != *TIME,
        _ => false,
    }
}

/// Rows that were gathered.
#[derive(Debug)]
pub(crate) struct Gathered<T> {
    /// What they are known by.
    key: Box<[u64]>,
    /// What they are.
    pub(crate) rows: T,
    /// How many events.
    pub(crate) times: u64,
    /// The first of them, by time and place.
    pub(crate) first: Vec<Seen>,
    /// The last.
    pub(crate) last: Seen,
}

impl<T> Gathered<T> {
    fn add(&mut self, seen: Seen) {
        self.times += 1;
        self.last = self.last.max(seen);
        if self.first.len() == EVIDENCE && self.first.last().is_some_and(|last| *last < seen) {
            return;
        }
        let at = self.first.partition_point(|own| *own < seen);
        self.first.insert(at, seen);
        self.first.truncate(EVIDENCE);
    }
}

/// Rows by what they are known by.
#[derive(Debug)]
pub(crate) struct Gathering<T> {
    table: HashTable<u32>,
    entries: Vec<Gathered<T>>,
    hasher: FixedState,
}

/// Rows gathered before they are handed on.
const MOST: usize = 1 << 16;

impl<T> Gathering<T> {
    /// None.
    pub(crate) fn new() -> Self {
        let hasher = FixedState::with_seed(0x7275_6c65);
        Gathering { table: HashTable::new(), entries: Vec::new(), hasher }
    }

    /// Adds an event to the rows known by a key, which `make` gives on first sight.
    pub(crate) fn add(&mut self, key: &[u64], seen: Seen, make: impl FnOnce() -> T) {
        let hash = self.hasher.hash_one(key);
        let entries = &mut self.entries;
        if let Some(at) = self.table.find(hash, |at| *entries[*at as usize].key == *key) {
            entries[*at as usize].add(seen);
            return;
        }
        let at = entries.len() as u32;
        let (first, last) = (vec![seen], seen);
        entries.push(Gathered { key: key.into(), rows: make(), times: 1, first, last });
        let hasher = &self.hasher;
        self.table.insert_unique(hash, at, |at| hasher.hash_one(&*entries[*at as usize].key));
    }

    /// Whether there are so many that they are to be handed on.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= MOST
    }

    /// Takes all of them out.
    pub(crate) fn take(&mut self) -> Vec<Gathered<T>> {
        self.table.clear();
        std::mem::take(&mut self.entries)
    }
}
