//! From hits to what users see: alerts, the report on a scan, and the formats both are written in.
//!
//! ```text
//! Hit ──Exceptions::judge──► Alert ──Report::add_alert──► Report
//!                              └──────────Renderer──────────┘──► NDJSON, JSON, CSV, table, summary
//! ```
//!
//! * [`Alert`] is one finding with its severity, ATT&CK, entities and evidence; serialised it is
//!   the NDJSON contract.
//! * [`Exceptions`] keep hits quiet that somebody has explained already.
//! * [`Report`] counts what a scan did: what was read, which rules could run and which fired.
//! * [`Renderer`] writes alerts as they come and the report at the end; [`Format::renderer`] makes
//!   one.
//! * [`technique`], [`Technique`] and [`Tactic`] are the ATT&CK tables.

mod alert;
mod attack;
mod columns;
mod contract;
mod counts;
mod entity;
mod identity;
mod passes;
pub mod render;
mod report;
#[cfg(test)]
mod samples;
mod suppress;

pub use alert::{Alert, Evidence, MatchedValue};
pub use attack::{AlertTechnique, Tactic, Technique, tactic, tactics, technique};
pub use columns::{column_texts, fill_template};
pub use contract::metadata;
pub use counts::{Counts, Seen};
pub use entity::{Entity, EntityType, Role};
pub use identity::AlertId;
pub use passes::{Judging, Passed, follow, run};
pub use render::{Format, Renderer, Style};
pub use report::{
    Binding, Cost, FiredRule, Hint, ListedRule, LogCounts, Missing, MissingLog, MissingSort, Note,
    Reason, Report, RuleCounts,
};
pub use suppress::{ExceptionUse, Exceptions, Idle, Judged, QuietAlert, QuietHits};
