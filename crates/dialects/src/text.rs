//! What goes into the reader of a language, and what comes out.

use std::ops::Range;

use rulestone_ir::{Clock, Schema, Source, Span, Stage};

/// A search, or a query, as a container holds it.
pub struct Text<'a> {
    /// The search.
    pub search: &'a str,
    /// Where a range of it stands in the rule's file.
    pub place: &'a dyn Fn(Range<usize>) -> Span,
    /// When it runs, where its stages need more than one row; what the search itself says with
    /// `earliest=` and `latest=` is a filter on time.
    pub clock: Clock,
    /// Whose field names it is written in.
    pub schema: Schema,
}

/// What a search means.
#[derive(Debug, Clone, PartialEq)]
pub struct Lowered {
    /// What it reads.
    pub sources: Vec<Source>,
    /// What it does; the last stage's rows are the findings. None for a bare filter.
    pub stages: Vec<Stage>,
    /// Its clock: the container's, or [`Clock::Whole`] where every stage looks at one row alone.
    pub clock: Clock,
    /// Every field of events it reads, as written: `Processes.user`, `EventCode`.
    pub reads: Vec<String>,
}
