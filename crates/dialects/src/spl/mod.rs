//! Splunk's search processing language: text to AST to stages.

use rulestone_ir::{Diagnostic, Status};

use crate::Environment;
pub use crate::text::{Lowered, Text};

mod aggregates;
pub mod ast;
mod commands;
mod expand;
mod fill;
mod functions;
mod lexer;
mod lint;
mod lower;
mod macros;
mod parser;
mod print;

pub use aggregates::{Aggregate, aggregates};
pub use commands::{Command, commands};
pub use fill::{Filled, fill};
pub use functions::{EvalFunction, functions};
pub use lint::NEVER;
pub use macros::{BuiltIn, macros};
pub use print::{print_ast, print_tokens};

/// Reads a search. `None` where it cannot be run; the diagnostics say why.
pub fn read(
    text: &Text<'_>,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Lowered> {
    let mut own = Vec::new();
    let pipeline = parser::parse(text, environment, &mut own);
    lint::look(&pipeline, text.written, &mut own);
    let lowered = lower::lower(&pipeline, text, environment, &mut own);
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
