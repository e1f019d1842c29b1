//! The files rules come in.

mod sigma;
pub mod yaml;

use rulestone_ir::{Diagnostic, Meta, Origin, Rule, Vendor};

pub use crate::Environment;
pub use crate::sigma::Filter;
pub use sigma::{print_ast, print_tokens};

/// What there is to say about one rule of a file. A rule that cannot be run is here all the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What its author says about it, as far as it could be read.
    pub meta: Meta,
    /// Where it came from.
    pub origin: Origin,
    /// The rule, when it can be run.
    pub rule: Option<Rule>,
    /// What is to be said about it, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// What it does to other rules.
    pub effect: Effect,
}

/// What a document does to other rules.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Effect {
    /// Nothing.
    #[default]
    None,
    /// The rules it reads are building blocks for it, and raise no alerts of their own.
    Absorbs,
    /// It is no rule, but joined to others.
    Filters(Filter),
}

/// Whose rules a file holds, by a look at its text. Files of other kinds are none of ours.
pub fn recognise(text: &str) -> Option<Vendor> {
    sigma::recognise(text).then_some(Vendor::Sigma)
}

/// Reads every rule of a file; none when [`recognise`] does not know it. `path` is the file as the
/// user named it, and only goes into what is returned.
pub fn read(text: &str, path: &str, environment: &Environment) -> Vec<Reading> {
    match recognise(text) {
        Some(Vendor::Sigma) => sigma::read(text, path, environment),
        _ => Vec::new(),
    }
}
