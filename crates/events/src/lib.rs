//! From a log file to batches of events that rules can look at.
//!
//! ```text
//! log file ──readers──► Records ──ingest──► Batch ──views──► what a rule's field names mean
//! ```
//!
//! * [`Log`] recognises a file's format by its content and cuts it into [`Unit`]s, which can be
//!   read on any thread.
//! * [`Ingest`] walks the records of a unit, finds each one's [`Kind`], and hashes the values that
//!   somebody wants straight into dictionaries: a [`Batch`] is rows of codes.
//! * [`Views`] says, from data tables, how a schema's field names read from one kind.
//!
//! Reading never stops at a bad record: what is skipped is counted and named in [`Skipped`].

mod batch;
mod event;
mod fragments;
mod ingest;
mod kinds;
mod paths;
mod readers;
mod render;
mod tally;
mod text_filter;
mod tokens;
mod unpack;
mod views;

pub use batch::{Batch, Code, Column, Dictionary, Row};
pub use event::Event;
pub use fragments::{Fragment, Fragments, Whole, join};
pub use ingest::{Fields, Ingest, Interest, Settings};
pub use kinds::{Kind, KindMatch, TypeWord, title};
pub use readers::{Format, Log, LogError, Members, Records, Tail, Unit, UnitPlace, find_logs};
pub use render::{Frame, RAW, TextPart, TextParts};
pub use tally::{KindTally, Skipped, Tally};
pub use text_filter::TextFilter;
pub use views::{Dataset, DatasetField, Expr, ExprError, ScopeKind, Views, ViewsError};
