//! The intermediate representation: what a rule means, whatever language it was written in.
//!
//! ```text
//! rule file ──parse──► Ast ──lower──► Rule (this crate) ──bind──► Plan
//! ```
//!
//! A [`Rule`] reads one or more [`Source`]s. A source's filter is a two-valued [`Formula`] over
//! [`Predicate`]s; every difference between two languages is spelt out in it, so that the engine
//! never asks where a rule came from. `docs/adr/001` lowers rules of every language on paper and
//! holds the shape of the parts that come with later languages (stages, clocks, triggers).

mod attack;
mod diagnostic;
mod exception;
mod formula;
mod print;
mod rule;
mod source;

pub use attack::Attack;
pub use diagnostic::{Diagnostic, Level, LineIndex, Span, Status};
pub use exception::{Exception, RuleNames};
pub use formula::{
    Case, Comparison, Elements, Field, Formula, Group, Predicate, Regex, Relation, Test,
};
pub use print::{print_formula, print_predicate, print_rule};
pub use rule::{Language, Meta, Origin, Rule, RuleTest, Severity, Vendor};
pub use source::{Schema, Scope, Source};
