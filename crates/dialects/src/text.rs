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
    /// The file, where repairs of it are wanted.
    pub written: Option<Written<'a>>,
}

/// How a text stands in its file.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// The whole file.
    pub file: &'a str,
    /// What the file makes of quotes.
    pub quoting: Quoting,
}

/// What a container makes of the quotes and backslashes of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    /// They stand as they are.
    Verbatim,
    /// The text stands in single quotes, and those in it are doubled.
    Single,
    /// The text stands in double quotes, and a backslash escapes.
    Double,
}

impl Quoting {
    /// How a scalar of YAML at `span` is written.
    pub fn of_scalar(file: &str, span: Span) -> Quoting {
        match file.as_bytes().get(span.start) {
            Some(b'\'') => Quoting::Single,
            Some(b'"') => Quoting::Double,
            _ => Quoting::Verbatim,
        }
    }
}

impl Written<'_> {
    /// The edit that puts `new` in place of `old` at `span`. None where `old` does not stand there
    /// as it is, as in the text of a macro, or cannot be told from the container's own signs.
    pub fn edit(&self, span: Span, old: &str, new: &str) -> Option<(Span, String)> {
        let stands = self.file.get(span.start..span.end).is_some_and(|found| found == old);
        let sign = match self.quoting {
            Quoting::Verbatim => None,
            Quoting::Single => Some(['\'', '\'']),
            Quoting::Double => Some(['"', '\\']),
        };
        let has_sign = |text: &str| sign.is_some_and(|sign| text.contains(sign));
        if old.is_empty() || !stands || has_sign(old) {
            return None;
        }
        match self.quoting {
            Quoting::Single => Some((span, new.replace('\'', "''"))),
            _ => (!has_sign(new)).then(|| (span, new.to_owned())),
        }
    }
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
