//! What is wrong with searches that can be read: checks of the text, the tree and the flow of
//! fields.
//!
//! A file a family. The parser and the lowering say by themselves what they alone can see, such as
//! a comma between search terms; the rest walks over the tree once it is there. A check has to be
//! right nearly always, so where something may be meant as it stands nothing is said.

mod case;
pub(super) mod fields;
mod literals;
pub(super) mod models;
mod walk;
mod words;

use rulestone_ir::{Diagnostic, Input, JoinKind, Level, RowStage, Source, Span, Stage, StageKind};

use super::ast::Pipeline;
use crate::text::Written;

/// What is said of one search, at most, by the checks of the tree and those of its flow.
const MOST: usize = 200;

/// Looks at a tree. What is wrong in it is added to `diagnostics`.
pub(super) fn look(
    pipeline: &Pipeline,
    written: Option<Written<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut look = Look { written, diagnostics, said: 0 };
    case::look(&mut look, pipeline);
    walk::commands(pipeline, &mut |command| {
        literals::look(&mut look, command);
        words::look(&mut look, command);
    });
}

/// Where checks of the tree say what they find.
struct Look<'l> {
    written: Option<Written<'l>>,
    diagnostics: &'l mut Vec<Diagnostic>,
    /// How much has been said.
    said: usize,
}

impl Look<'_> {
    fn say(&mut self, diagnostic: Diagnostic) {
        if self.said < MOST {
            self.said += 1;
            self.diagnostics.push(diagnostic);
        }
    }

    /// With the repair that puts `new` in place of `old`, where that stands in the file as it is.
    fn say_with_edit(&mut self, diagnostic: Diagnostic, old: &str, new: &str) {
        let edit = self.written.and_then(|written| written.edit(diagnostic.span, old, new));
        self.say(match edit {
            Some(edit) => diagnostic.with_fix(format!("write `{new}`"), vec![edit]),
            None => diagnostic,
        });
    }
}

/// Something that a check has found, while it is not known what it means for the whole rule.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    /// The code of the diagnostic.
    pub(super) code: &'static str,
    /// Its level.
    pub(super) level: Level,
    /// Its message.
    pub(super) message: String,
    /// Where in the file.
    pub(super) span: Span,
    /// The next step.
    pub(super) help: Option<String>,
    /// The source or stage that has no rows because of it.
    pub(super) ends: Option<Input>,
}

/// How the message of a finding ends that leaves the rule without rows.
pub const NEVER: &str = "; so the rule never fires";

/// The findings as diagnostics; of those that leave the rule without rows it is said.
pub(super) fn settle(
    findings: Vec<Finding>,
    sources: &[Source],
    stages: &[Stage],
) -> Vec<Diagnostic> {
    let settled = findings.into_iter().take(MOST).map(|finding| {
        let never = finding.ends.is_some_and(|at| ends_all(at, sources, stages));
        let message = if never { format!("{}{NEVER}", finding.message) } else { finding.message };
        let mut diagnostic = Diagnostic::new(finding.level, finding.code, message, finding.span);
        diagnostic.help = finding.help;
        diagnostic
    });
    settled.collect()
}

/// Whether nothing comes out of the last stage when nothing comes out of `at`.
fn ends_all(at: Input, sources: &[Source], stages: &[Stage]) -> bool {
    let mut empty: Vec<bool> = Vec::with_capacity(stages.len());
    for (number, stage) in stages.iter().enumerate() {
        let is_empty = |input: &Input| match *input {
            Input::Stage(other) => at == *input || empty.get(other).copied().unwrap_or(false),
            Input::Source(_) => at == *input,
        };
        let inputs: Vec<bool> = stage.inputs.iter().map(is_empty).collect();
        empty.push(at == Input::Stage(number) || stays_empty(&stage.kind, &inputs));
    }
    match empty.last() {
        Some(last) => *last,
        None => at == Input::Source(0) && sources.len() == 1,
    }
}

/// Whether a stage has no rows when these of its inputs have none.
fn stays_empty(kind: &StageKind, inputs: &[bool]) -> bool {
    let StageKind::Rows(stage) = kind else { return false };
    let first = inputs.first().copied().unwrap_or(false);
    let any = inputs.iter().any(|empty| *empty);
    let all = !inputs.is_empty() && inputs.iter().all(|empty| *empty);
    match stage {
        RowStage::Join(join) => match join.kind {
            JoinKind::Inner | JoinKind::Semi => any,
            _ => first,
        },
        RowStage::Aggregate(own) => first && !own.empty_row,
        RowStage::ForEachRow { .. } => any,
        RowStage::Append | RowStage::AppendColumns { .. } => all,
        RowStage::Filter { .. }
        | RowStage::Extract(_)
        | RowStage::Compute { .. }
        | RowStage::Project(_)
        | RowStage::Rename { .. }
        | RowStage::Bin { .. }
        | RowStage::Fill { .. }
        | RowStage::FillDown { .. }
        | RowStage::Expand { .. }
        | RowStage::Combine { .. }
        | RowStage::Lookup(_)
        | RowStage::Locate { .. }
        | RowStage::Window(_)
        | RowStage::Dedup(_)
        | RowStage::Sort { .. }
        | RowStage::Limit { .. }
        | RowStage::Reverse
        | RowStage::Transaction(_) => first,
        _ => false,
    }
}
