//! The intermediate representation: what a rule means, whatever language it was written in.
//!
//! ```text
//! rule file ──parse──► Ast ──lower──► Rule (this crate) ──bind──► Plan
//! ```
//!
//! A [`Rule`] reads one or more [`Source`]s. A source's filter is a two-valued [`Formula`] over
//! [`Predicate`]s; every difference between two languages is spelt out in it, so that the engine
//! never asks where a rule came from. `docs/adr/001` lowers rules of every language on paper and
//! holds the shape of the parts that come with later languages.
//!
//! A rule with a [`Stage`] looks at several rows together, within its [`Clock`]; a rule without
//! turns every hit into a finding.

mod attack;
mod diagnostic;
mod exception;
mod formula;
mod print;
mod rule;
mod source;
mod stage;

pub use attack::Attack;
pub use diagnostic::{Diagnostic, Level, LineIndex, Span, Status};
pub use exception::{Exception, RuleNames};
pub use formula::{
    Case, Comparison, Elements, Field, Formula, Group, Predicate, Regex, Relation, Test,
};
pub use print::{print_formula, print_predicate, print_rule, print_stages, source_name};
pub use rule::{Language, Meta, Origin, Rule, RuleTest, Severity, Trigger, Vendor};
pub use source::{Schema, Scope, Source};
pub use stage::{
    Arrangement, Clock, Correlate, Duration, Evaluate, Input, Keys, Lists, Measure, NullKey,
    Pattern, Refire, Seen, Stage, StageKind, Sub, Threshold, Timer, When,
};
