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
mod regex;
mod value;

pub use ast::{Condition, Quantifier};
pub use filter::Filter;
pub use lexer::{Token, TokenKind, tokens};
pub use parser::parse_condition;
