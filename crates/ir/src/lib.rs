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
mod expr;
mod formula;
mod function;
mod print;
mod rule;
mod source;
mod stage;
mod table;

pub use attack::Attack;
pub use diagnostic::{Diagnostic, Fix, Level, LineIndex, Span, Status};
pub use exception::{Exception, RuleNames};
pub use expr::Expr;
pub use formula::{
    Breakers, Case, Comparison, Elements, Field, Formula, Group, Predicate, Regex, Relation, Test,
};
pub use function::{Function, ListRule, Nulls};
pub use print::{
    print_expr, print_formula, print_predicate, print_rule, print_stages, source_name,
};
pub use rule::{
    Drilldown, EntityField, Language, Meta, Origin, Raises, Rule, RuleTest, Severity, TestData,
    Trigger, Vendor,
};
pub use source::{Schema, Scope, Source};
pub use stage::{
    AbsentSource, Aggregate, Aggregator, Arrangement, BinBy, Clock, Collation, Correlate, Dedup,
    Duration, End, Evaluate, Extract, Extractor, FillFields, Frame, Input, Join, JoinKind, Keep,
    Keys, Lists, Lookup, LookupOutput, MapTest, Measure, Measured, NamePattern, NullKey, Pattern,
    Pivot, Project, Refire, RowMeasure, RowStage, Seen, SortKey, Stage, StageKind, Sub, Target,
    Threshold, Timer, Totals, Transaction, When, Window,
};
pub use table::{MatchType, Matching, Table};
