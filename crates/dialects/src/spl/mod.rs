//! Splunk's search processing language: text to AST to stages.

use std::ops::Range;

use rulestone_ir::{Clock, Diagnostic, Source, Span, Stage, Status};

use crate::Environment;

mod aggregates;
pub mod ast;
mod commands;
mod expand;
mod fill;
mod functions;
mod lexer;
mod lower;
mod parser;
mod print;

pub use aggregates::{Aggregate, aggregates};
pub use commands::{Command, commands};
pub use fill::{Filled, fill};
pub use functions::{EvalFunction, functions};
pub use print::{print_ast, print_tokens};

/// A search as a container holds it.
pub struct Text<'a> {
    /// The search.
    pub search: &'a str,
    /// Where a range of it stands in the rule's file.
    pub place: &'a dyn Fn(Range<usize>) -> Span,
    /// When it runs, where its stages need more than one row; what the search itself says with
    /// `earliest=` and `latest=` is a filter on time.
    pub clock: Clock,
}

/// What a search means.
#[derive(Debug, Clone, PartialEq)]
pub struct Lowered {
    /// What it reads.
    pub sources: Vec<Source>,
    /// What it does; the last stage's rows are the findings. None for a bare filter.
    pub stages: Vec<Stage>,
    /// Its clock: the container's, or [`Clock::Whole`] where every stage looks at one row alone.
    pub clock: Clock,
    /// Every field of events it reads, as written: `Processes.user`, `EventCode`.
    pub reads: Vec<String>,
}

/// Reads a search. `None` where it cannot be run; the diagnostics say why.
pub fn read(
    text: &Text<'_>,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Lowered> {
    let mut own = Vec::new();
    let pipeline = parser::parse(text, environment, &mut own);
    let lowered = lower::lower(&pipeline, text.clock, environment, &mut own);
    // The commands of a `foreach` are lowered for each of its fields.
    let mut said: Vec<Diagnostic> = Vec::new();
    own.retain(|diagnostic| {
        let new = !said.contains(diagnostic);
        if new {
            said.push(diagnostic.clone());
        }
        new
    });
    let runs = Status::of(&own).runs();
    diagnostics.append(&mut own);
    runs.then_some(lowered)
}
