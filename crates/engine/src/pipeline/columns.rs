//! Which columns of its sources a pipeline reads: from the result back to the sources.

use std::collections::BTreeSet;
use std::sync::Arc;

use rulestone_ir::{
    Aggregate, Aggregator, Expr, Field, Formula, Frame, Input, Join, JoinKind, Keep, MapTest,
    Measured, NamePattern, Project, RowMeasure, RowStage, Rule, StageKind, Target, Totals,
    Transaction, Window,
};

/// The column that has a row's time.
pub(crate) const TIME: &str = "_time";

/// Columns with a leading `_` that a row of events has.
const INTERNAL: [&str; 2] = ["_raw", TIME];

/// Stages that are looked back over for the columns of a row.
const DEEPEST: usize = 200;

/// More names than this are as good as all: patterns can double them again and again.
const MOST_NAMES: usize = 1000;

/// Which columns of a source's rows are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Columns {
    /// These; sorted, each once.
    Named(Vec<Arc<str>>),
    /// All there are.
    All,
}

/// Which columns of a source's rows the pipeline of a rule reads, or passes on into its result.
pub(crate) fn wanted(rule: &Rule, source: usize) -> Columns {
    let mut needs: Vec<Need> = rule.stages.iter().map(|_| Need::none()).collect();
    let mut of_source = Need::none();
    match needs.last_mut() {
        Some(last) => *last = Need::All,
        None => of_source = Need::All,
    }
    for (at, stage) in rule.stages.iter().enumerate().rev() {
        let StageKind::Rows(kind) = &stage.kind else { return Columns::All };
        for (place, input) in stage.inputs.iter().enumerate() {
            let need = match kind {
                RowStage::Join(join) => {
                    let other = stage.inputs.get(1 - place.min(1)).copied();
                    let other = || other.and_then(|other| columns_of(rule, other, DEEPEST));
                    joined(join, place, needs[at].clone(), &other)
                }
                kind => through(kind, place, needs[at].clone()),
            };
            match input {
                Input::Stage(before) if *before < at => needs[*before].add(need),
                Input::Source(own) if *own == source => of_source.add(need),
                _ => {}
            }
        }
    }
    match of_source {
        Need::All => Columns::All,
        Need::Named(names) => Columns::Named(names.into_iter().collect()),
    }
}

/// Columns that somebody reads.
#[derive(Debug, Clone, PartialEq)]
enum Need {
    Named(BTreeSet<Arc<str>>),
    All,
}

impl Need {
    fn none() -> Need {
        Need::Named(BTreeSet::new())
    }

    fn add(&mut self, other: Need) {
        match (&mut *self, other) {
            (Need::Named(own), Need::Named(other)) => own.extend(other),
            _ => *self = Need::All,
        }
    }

    fn and<'n>(mut self, names: impl IntoIterator<Item = &'n Arc<str>>) -> Need {
        if let Need::Named(own) = &mut self {
            own.extend(names.into_iter().cloned());
        }
        self
    }

    fn and_name(self, name: &str) -> Need {
        self.and([&Arc::from(name)])
    }

    fn without(mut self, name: &str) -> Need {
        if let Need::Named(own) = &mut self {
            own.remove(name);
        }
        self
    }

    fn and_expr(self, expr: &Expr) -> Need {
        if expr.reads_unnamed() {
            return Need::All;
        }
        let mut need = self;
        if let Need::Named(own) = &mut need {
            expr.fields(&mut |name| {
                own.insert(name.clone());
            });
        }
        need
    }

    fn and_formula(self, formula: &Formula) -> Need {
        if formula.reads_unnamed() {
            return Need::All;
        }
        let mut need = self;
        if let Need::Named(own) = &mut need {
            formula.fields(&mut |field| {
                if let Field::Named { name, .. } = field {
                    own.insert(name.clone());
                }
            });
        }
        need
    }
}

/// What a stage reads of one of its inputs so that its result has what is needed of it.
fn through(stage: &RowStage, place: usize, need: Need) -> Need {
    match stage {
        RowStage::Filter { condition } => need.and_formula(condition),
        RowStage::Extract(extract) => need.and([&extract.from]),
        RowStage::Compute { steps } => {
            steps.iter().rev().fold(need, |need, (target, expr)| computed(target, expr, need))
        }
        RowStage::Project(project) => projected(project, need),
        RowStage::Rename { pairs, .. } => {
            pairs.iter().rev().fold(need, |need, (old, new)| renamed(old, new, need))
        }
        RowStage::Bin { field, into, .. } => need.without(into).and([field]),
        RowStage::Expand { field, .. }
        | RowStage::Locate { field, .. }
        | RowStage::Continue { field, .. } => need.and([field]),
        RowStage::Lookup(lookup) => need.and(lookup.on.iter().map(|(_, row)| row)),
        RowStage::Aggregate(aggregate) => aggregated(aggregate, need),
        RowStage::Window(window) => windowed(window, need),
        RowStage::Dedup(dedup) => need.and(&dedup.by),
        RowStage::Sort { keys, .. } => need.and(keys.iter().map(|key| &key.field)),
        RowStage::Transaction(transaction) => gathered(transaction, need),
        RowStage::ForEachRow { on, .. } if place == 0 => {
            Need::none().and(on.iter().map(|(first, _)| first))
        }
        RowStage::ForEachRow { on, .. } => need.and(on.iter().map(|(_, test)| match test {
            MapTest::Equals(name) | MapTest::Term(name) => name,
        })),
        RowStage::Pivot(pivot) => {
            Need::none().and(&pivot.row).and([&pivot.column]).and(&pivot.values)
        }
        RowStage::Unpivot { .. } | RowStage::Transpose { .. } | RowStage::Combine { .. } => {
            Need::All
        }
        RowStage::Totals(totals) => totalled(totals, need),
        RowStage::Join(_)
        | RowStage::Fill { .. }
        | RowStage::Limit { .. }
        | RowStage::Append
        | RowStage::AppendColumns { .. }
        | RowStage::FillDown { .. }
        | RowStage::Reverse => need,
    }
}

fn computed(target: &Target, expr: &Expr, need: Need) -> Need {
    match target {
        Target::Name(name) => need.without(name).and_expr(expr),
        Target::Indirect(name) => need.and([name]).and_expr(expr),
        // Which columns there are is not known.
        Target::Each(..) => Need::All,
    }
}

fn projected(project: &Project, need: Need) -> Need {
    match (need, project.mode) {
        (Need::Named(names), _) => {
            Need::Named(names.into_iter().filter(|name| project.passes(name)).collect())
        }
        (Need::All, Keep::Drop) => Need::All,
        (Need::All, Keep::Keep) => {
            let names: Option<BTreeSet<_>> =
                project.names.iter().map(|pattern| pattern.name().cloned()).collect();
            match names {
                None => Need::All,
                Some(names) if project.internal == Keep::Drop => Need::Named(names),
                Some(names) => {
                    INTERNAL.iter().fold(Need::Named(names), |need, name| need.and_name(name))
                }
            }
        }
    }
}

fn renamed(old: &NamePattern, new: &NamePattern, need: Need) -> Need {
    let Need::Named(names) = need else { return Need::All };
    if names.len() > MOST_NAMES {
        return Need::All;
    }
    let mut out = BTreeSet::new();
    for name in names {
        if let Some(stars) = new.stars(&name) {
            out.insert(old.fill(&stars).into());
        }
        // Where there is no such column, the new name stays what it was.
        out.insert(name);
    }
    Need::Named(out)
}

fn aggregated(aggregate: &Aggregate, need: Need) -> Need {
    let own = Need::none().and(aggregate.by.iter().map(|(name, _)| name));
    aggregate.measures.iter().fold(own, |own, measure| measured(measure, &need, own))
}

fn windowed(window: &Window, need: Need) -> Need {
    let mut own = need.clone().and(&window.by);
    if let Frame::Running { time, reset_after, reset_before, .. } = &window.frame {
        own = time.iter().fold(own, |own, _| own.and_name(TIME));
        let resets = [reset_after, reset_before];
        own = resets.into_iter().flatten().fold(own, |own, formula| own.and_formula(formula));
    }
    window.measures.iter().fold(own, |own, measure| measured(measure, &need, own))
}

/// What a measure reads, beside `own`, where `need` is needed of the result.
fn measured(measure: &RowMeasure, need: &Need, own: Need) -> Need {
    let own = match measure.function {
        Aggregator::Earliest
        | Aggregator::Latest
        | Aggregator::EarliestTime
        | Aggregator::LatestTime
        | Aggregator::Rate => own.and_name(TIME),
        _ => own,
    };
    match &measure.of {
        Measured::Rows => own,
        Measured::Expr(expr) | Measured::Where(expr) => own.and_expr(expr),
        Measured::Columns(pattern) => match need {
            Need::All => match pattern.name() {
                Some(name) => own.and([name]),
                None => Need::All,
            },
            Need::Named(names) => {
                let of = |name: &Arc<str>| {
                    measure.into.stars(name).map(|stars| Arc::from(pattern.fill(&stars)))
                };
                own.and(&names.iter().filter_map(of).collect::<Vec<_>>())
            }
        },
    }
}

/// The same of a join; `other` gives the columns that its other input can have, where that is
/// known.
fn joined(
    join: &Join,
    place: usize,
    need: Need,
    other: &dyn Fn() -> Option<BTreeSet<Arc<str>>>,
) -> Need {
    let pairs = matches!(join.kind, JoinKind::Inner | JoinKind::Left);
    let own = if pairs || place == 0 { need } else { Need::none() };
    if !join.on.is_empty() {
        return own.and(&join.on);
    }
    // What both have is compared: no more than the other can have. A row that is only looked for
    // is compared in all it has.
    match other() {
        Some(names) if pairs || place == 0 => own.and(&names),
        _ => Need::All,
    }
}

fn gathered(transaction: &Transaction, need: Need) -> Need {
    let ends = [&transaction.starts, &transaction.ends];
    let need = need.and(&transaction.by).and_name(TIME);
    ends.into_iter().flatten().fold(need, |need, formula| need.and_formula(formula))
}

fn totalled(totals: &Totals, need: Need) -> Need {
    let Some(sum) = &totals.row else { return need };
    let names: Option<Vec<_>> = totals.fields.iter().map(|pattern| pattern.name()).collect();
    match names {
        Some(names) if !names.is_empty() => need.without(sum).and(names),
        _ => Need::All,
    }
}

/// The columns that the rows of an input can have, where the stages say so.
fn columns_of(rule: &Rule, input: Input, deepest: usize) -> Option<BTreeSet<Arc<str>>> {
    let deepest = deepest.checked_sub(1)?;
    let Input::Stage(at) = input else { return None };
    let stage = rule.stages.get(at)?;
    let StageKind::Rows(kind) = &stage.kind else { return None };
    let before = || {
        let input = stage.inputs.first()?;
        let earlier = matches!(input, Input::Stage(before) if *before < at);
        if earlier { columns_of(rule, *input, deepest) } else { None }
    };
    match kind {
        RowStage::Project(project)
            if project.mode == Keep::Keep && project.internal == Keep::Drop =>
        {
            project.names.iter().map(|pattern| pattern.name().cloned()).collect()
        }
        RowStage::Aggregate(aggregate) => {
            let mut names: BTreeSet<_> =
                aggregate.by.iter().map(|(_, name)| name.clone()).collect();
            for measure in &aggregate.measures {
                names.insert(measure.into.name()?.clone());
            }
            Some(names)
        }
        RowStage::Compute { steps } => {
            let mut names = before()?;
            for (target, _) in steps {
                let Target::Name(name) = target else { return None };
                names.insert(name.clone());
            }
            Some(names)
        }
        RowStage::Rename { pairs, .. } => {
            let mut names = before()?;
            for (old, new) in pairs {
                let renamed =
                    names.iter().filter_map(|name| Some(new.fill(&old.stars(name)?).into()));
                let renamed: Vec<Arc<str>> = renamed.collect();
                names.extend(renamed);
                if names.len() > MOST_NAMES {
                    return None;
                }
            }
            Some(names)
        }
        RowStage::Filter { .. }
        | RowStage::Limit { .. }
        | RowStage::Sort { .. }
        | RowStage::Dedup(_)
        | RowStage::Expand { .. }
        | RowStage::Reverse => before(),
        _ => None,
    }
}
