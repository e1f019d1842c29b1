//! Sigma detections, specification 2.1.
//!
//! Reference: <https://github.com/SigmaHQ/sigma-specification>, and pySigma where that is vague.
//!
//! ```text
//! YAML ──detection──► Detection (ast) ──lower──► Formula
//!            │                            │
//!            └─lexer─►parser─► Condition  └─apply: modifiers, values, encodings, expressions
//! ```
//!
//! What is decided where the specification is silent stands at the top of `lower.rs`, how
//! expressions are read at the top of `regex.rs`, what a window is at the top of `correlation.rs`.

mod aggregation;
mod apply;
pub(crate) mod ast;
pub(crate) mod correlation;
pub(crate) mod detection;
mod encode;
pub(crate) mod filter;
mod lexer;
pub(crate) mod lower;
mod modifiers;
mod parser;
mod value;

use rulestone_ir::{Diagnostic, Field, Formula};

use crate::Environment;
use crate::containers::yaml::Node;

pub use ast::{Condition, Quantifier};
pub use filter::Filter;
pub use lexer::{Token, TokenKind, tokens};
pub use parser::parse_condition;

/// What the name of a field in an item means.
pub type Naming = fn(&str) -> Field;

/// Reads items as they stand under a search identifier, outside of rules: of a map all have to
/// hold, of a list of maps one. `file` is the text that `node` was read from. What cannot be read
/// is false, and the diagnostics say why.
pub fn read_items(
    file: &str,
    node: &Node<'_>,
    naming: Naming,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> Formula {
    let body = detection::parse_body(file, node, diagnostics);
    lower::lower_body(&body, naming, environment, diagnostics)
}
