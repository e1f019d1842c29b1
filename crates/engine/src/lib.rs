//! Runs rules over events: all of them, in one pass.
//!
//! ```text
//! Rule ──bind──► Plan ──► one Program for each kind of event
//! Batch ──matcher──► rows whose formulas hold ──► Hit
//! ```
//!
//! * [`Plan`] binds rules to the kinds they can see: constants fold, rules that cannot be true
//!   of a kind are dropped, what is left is the kind's program.
//! * `matcher` finds, for each distinct value of a field, the predicates it satisfies, once; rows
//!   are decided by the combination of those lists, each combination once.
//! * [`mod@reference`] decides the same rules event by event in the most obvious way. It is the
//!   oracle: tests and fuzzing hold the two equal.
//! * [`scan`] shares the work out over threads and hands results back in the order of the logs.
//!
//! The engine knows the IR and the views, and no rule language.

mod bind;
mod coded;
mod decoded;
mod demand;
mod eval;
mod explain;
mod feed;
mod follow;
mod gather;
mod join;
mod live;
mod locate;
mod matcher;
mod order;
mod panes;
mod piped;
mod pipeline;
pub mod reference;
mod row;
mod run;
mod session;
mod spool;
mod stages;
mod strata;
mod term;

pub use bind::{Absent, BindSummary, BoundRule, Obstacle, Plan, Program};
pub use explain::{Explanation, Failed, Matched, explain};
pub use follow::Watcher;
pub use join::put_together;
pub use locate::{Locate, Place, Places};
pub use matcher::Matcher;
pub use order::Origin;
pub use panes::Refused;
pub(crate) use run::scan_phase;
pub use run::{Hit, LogFile, Made, ScanSettings, UnitOutcome, scan};
pub use session::{Found, FoundEvent, Session, StateCounts};
pub use stages::{Finding, Mark, ResultRow};
pub use strata::Strata;
