//! Heads: the stages directly behind a source that look at one row alone.

use std::sync::Arc;

use rulestone_ir::{
    BinBy, Expr, FillFields, Formula, Function, Input, RowStage, Rule, Source, StageKind,
};

use super::{Columns, PipelineSettings, outlet, wanted};
use crate::row::{Names, Tuple};
use crate::stages::rows::{Refusal, RowWise, Run, Work};

/// The stages behind a source that look at one row alone, in order. It has no state: every thread
/// runs it with a [`Head::run_state`] of its own.
#[derive(Debug)]
pub(crate) struct Head {
    names: Names,
    stages: Vec<Arc<dyn RowWise>>,
}

impl Head {
    /// The head of a source of a rule; it may have no stages at all.
    pub(crate) fn new(rule: &Rule, source: usize, settings: &PipelineSettings) -> Head {
        let mut names = Names::default();
        // The columns of events come first, so that rows are as narrow as can be.
        if let Columns::Named(columns) = wanted(rule, source) {
            columns.iter().for_each(|name| {
                names.slot(name);
            });
        }
        let mut ready = Vec::new();
        for at in stages(rule, source) {
            let stage = &rule.stages[at];
            if let StageKind::Rows(kind) = &stage.kind
                && let Work::Row(work) = Work::new(kind, 1, &mut names, &settings.tools)
            {
                ready.push(work);
            }
        }
        Head { names, stages: ready }
    }

    /// The columns that it knows.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// What a thread needs to run it, with the columns that the head knows.
    pub(crate) fn run_state(&self) -> Run {
        Run::new(self.names.clone(), usize::MAX)
    }

    /// Puts what becomes of an event's row into `out`.
    pub(crate) fn run(
        &self,
        run: &mut Run,
        row: Tuple,
        out: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        let mut rows = vec![row];
        for stage in &self.stages {
            let mut next = Vec::with_capacity(rows.len());
            for row in rows {
                stage.apply(run, row, &mut next)?;
            }
            rows = next;
        }
        out.append(&mut rows);
        Ok(())
    }
}

/// Whether every stage of a rule looks at one row alone, so that it needs no pane and each row of
/// its result rests on one event.
pub(crate) fn is_row_wise(rule: &Rule) -> bool {
    let all = rule.stages.len();
    all == 0 || (0..rule.sources.len()).any(|source| stages(rule, source).len() == all)
}

/// The stages of the head of a source, by place.
pub(crate) fn stages(rule: &Rule, source: usize) -> Vec<usize> {
    let mut head = Vec::new();
    if matches!(
        rule.sources.get(source),
        None | Some(Source::Table { .. } | Source::Nothing { .. })
    ) {
        return head;
    }
    let mut input = Input::Source(source);
    loop {
        let outlet = outlet(rule, input);
        let [(next, _)] = outlet.to.as_slice() else { return head };
        let StageKind::Rows(kind) = &rule.stages[*next].kind else { return head };
        if rule.stages[*next].inputs.len() != 1 || !looks_at_one_row(kind) {
            return head;
        }
        head.push(*next);
        input = Input::Stage(*next);
    }
}

/// Whether a stage makes the same of a row whatever other rows there are and whenever it runs.
fn looks_at_one_row(stage: &RowStage) -> bool {
    match stage {
        RowStage::Filter { condition } => !formula_asks_now(condition),
        RowStage::Compute { steps } => !steps.iter().any(|(_, expr)| asks_now(expr)),
        RowStage::Bin { by, .. } => !matches!(by, BinBy::Auto(_)),
        RowStage::Fill { fields, .. } => matches!(fields, FillFields::Names(_)),
        RowStage::Extract(_)
        | RowStage::Project(_)
        | RowStage::Rename { .. }
        | RowStage::Expand { .. }
        | RowStage::Lookup(_)
        | RowStage::Locate { .. } => true,
        _ => false,
    }
}

/// Whether an expression asks for the time of the run, which each pane has its own of.
fn asks_now(expr: &Expr) -> bool {
    match expr {
        Expr::Call { function, arguments, .. } => {
            *function == Function::Now || arguments.iter().any(asks_now)
        }
        Expr::Holds(formula) => formula_asks_now(formula),
        _ => false,
    }
}

fn formula_asks_now(formula: &Formula) -> bool {
    match formula {
        Formula::And(parts) | Formula::Or(parts) => parts.iter().any(formula_asks_now),
        Formula::Not(part) => formula_asks_now(part),
        Formula::Group(group) => formula_asks_now(&group.formula),
        Formula::Test(_) => false,
        Formula::IsTrue(expr) => asks_now(expr),
    }
}
