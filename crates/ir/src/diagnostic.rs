//! What there is to say about a rule, with the place in its text.

use std::ops::Range;

/// A place in a file: bytes, from its first to behind its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// A span over `range`.
    pub const fn new(range: Range<usize>) -> Self {
        Span { start: range.start, end: range.end }
    }

    /// From the start of `self` to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// How much a diagnostic takes from a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Worth knowing; the rule does what it says.
    Note,
    /// The rule runs, but not exactly as its language says.
    Approximate,
    /// The rule is right, but cannot be run faithfully.
    Unsupported,
    /// The rule is wrong by its own language.
    Invalid,
}

impl Level {
    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Approximate => "approximate",
            Level::Unsupported => "unsupported",
            Level::Invalid => "invalid",
        }
    }
}

/// How faithfully a rule's language is run. About the language alone: whether the rule can fire
/// on given logs is a different question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// As its language says.
    Exact,
    /// Runs, with a named difference.
    Approximate,
    /// Not run, for a named reason.
    Unsupported,
    /// Broken by its own language's rules.
    Invalid,
}

impl Status {
    /// The worst that `diagnostics` say.
    pub fn of(diagnostics: &[Diagnostic]) -> Status {
        diagnostics.iter().map(|d| d.level).max().map_or(Status::Exact, |level| match level {
            Level::Note => Status::Exact,
            Level::Approximate => Status::Approximate,
            Level::Unsupported => Status::Unsupported,
            Level::Invalid => Status::Invalid,
        })
    }

    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Exact => "exact",
            Status::Approximate => "approximate",
            Status::Unsupported => "unsupported",
            Status::Invalid => "invalid",
        }
    }

    /// Whether the rule is run at all.
    pub const fn runs(self) -> bool {
        matches!(self, Status::Exact | Status::Approximate)
    }
}

/// One thing to say about a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable name of the kind of diagnostic: `unknown-modifier`.
    pub code: &'static str,
    /// What it takes from the rule.
    pub level: Level,
    /// One sentence, without a full stop.
    pub message: String,
    /// Where in the rule's file.
    pub span: Span,
    /// The next step for whoever reads it.
    pub help: Option<String>,
    /// The repair, where there is one that is certain.
    pub fix: Option<Box<Fix>>,
}

/// A repair of a rule's file: every edit belongs to it, and none overlaps another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fix {
    /// What it does, as an imperative: ``write `OR` ``.
    pub title: String,
    /// What is put in place of what. The text is the file's own: escaped as its container wants.
    pub edits: Vec<(Span, String)>,
}

impl Diagnostic {
    /// A diagnostic without help.
    pub fn new(level: Level, code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Diagnostic { code, level, message: message.into(), span, help: None, fix: None }
    }

    /// The same with a next step.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with a repair.
    pub fn with_fix(mut self, title: impl Into<String>, edits: Vec<(Span, String)>) -> Self {
        self.fix = Some(Box::new(Fix { title: title.into(), edits }));
        self
    }
}

/// Turns offsets of one text into lines and columns.
#[derive(Debug, Clone)]
pub struct LineIndex {
    starts: Vec<usize>,
}

impl LineIndex {
    /// Finds the lines of `text`.
    pub fn new(text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        LineIndex { starts: std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect() }
    }

    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub fn position(&self, text: &str, offset: usize) -> (usize, usize) {
        let offset = offset.min(text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let column = text.get(start..offset).map_or(offset - start, |part| part.chars().count());
        (line, column + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_one_and_in_characters() {
        let text = "a: é\nbcd\n";
        let index = LineIndex::new(text);
        let cases =
            [(0, (1, 1)), (5, (1, 5)), (6, (2, 1)), (8, (2, 3)), (10, (3, 1)), (99, (3, 1))];
        for (offset, expected) in cases {
            assert_eq!(index.position(text, offset), expected, "{offset}");
        }
    }

    #[test]
    fn the_worst_diagnostic_decides() {
        let at = |level| Diagnostic::new(level, "x", "x", Span::default());
        assert_eq!(Status::of(&[]), Status::Exact);
        assert_eq!(Status::of(&[at(Level::Note)]), Status::Exact);
        assert_eq!(Status::of(&[at(Level::Unsupported), at(Level::Note)]), Status::Unsupported);
    }
}
