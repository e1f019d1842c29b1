//! What is wrong in rules of any language.
//!
//! Two sources: the diagnostics that a language makes while it reads a rule, as far as their codes
//! stand in the table [`LINTS`], and checks of what the rule means, which are the same for every
//! language. [`check()`] takes a ledger and returns a [`Report`]; [`mend()`] applies the repairs that are
//! certain; [`render`] writes both down.

mod check;
mod checks;
mod codes;
mod facts;
mod mend;
mod prover;
pub mod render;
mod report;

pub use check::{check, class_of};
pub use codes::{Class, Grade, LINTS, Lint, lint};
pub use mend::{Mended, mend};
pub use prover::{Lists, Prover, Verdict, Why, Witness};
pub use report::{Ability, Place, Remark, Report};
