//! What the lint says about the rules of a ledger.

use std::collections::BTreeMap;

use rulestone_ir::{Diagnostic, LineIndex};
use rulestone_rules::Ledger;

use crate::{Class, Grade};

/// One thing that is wrong in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The rule: its place in the ledger.
    pub entry: usize,
    /// What it means for the rule.
    pub class: Class,
    /// What is said, where, and how it is mended.
    pub diagnostic: Diagnostic,
}

impl Remark {
    /// How loud it is.
    pub const fn grade(&self) -> Grade {
        self.class.grade()
    }
}

/// Whether a rule can fire at all, going by its filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ability {
    /// Some event satisfies its filters.
    Can,
    /// It is proved that none does, or a remark says so.
    Never,
    /// It cannot be told.
    CannotTell,
    /// It is not run: nothing was asked.
    NotRun,
}

impl Ability {
    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Ability::Can => "can",
            Ability::Never => "never",
            Ability::CannotTell => "cannot-tell",
            Ability::NotRun => "not-run",
        }
    }
}

/// All that is said about the rules of a ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of the rules and of their texts.
    pub remarks: Vec<Remark>,
    /// Whether each rule can fire, in the order of the ledger.
    pub abilities: Vec<Ability>,
}

impl Report {
    /// How many rules are of each ability.
    pub fn able(&self, ability: Ability) -> usize {
        self.abilities.iter().filter(|own| **own == ability).count()
    }

    /// Remarks by class and code, with how many there are.
    pub fn counts(&self) -> BTreeMap<(Class, &'static str), usize> {
        let mut counts = BTreeMap::new();
        for remark in &self.remarks {
            *counts.entry((remark.class, remark.diagnostic.code)).or_default() += 1;
        }
        counts
    }

    /// The same without remarks of other codes than these; all where there are none.
    pub fn only(mut self, codes: &[String]) -> Report {
        if !codes.is_empty() {
            self.remarks.retain(|r| codes.iter().any(|code| code == r.diagnostic.code));
        }
        self
    }

    /// The loudest remark.
    pub fn grade(&self) -> Option<Grade> {
        self.remarks.iter().map(Remark::grade).max()
    }
}

/// Where a remark is in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line and column of the first character, from 1; columns count characters.
    pub start: (usize, usize),
    /// Line and column behind the last character.
    pub end: (usize, usize),
    /// Characters before the first.
    pub offset: usize,
    /// Characters of it.
    pub length: usize,
}

/// Places of one text.
pub(crate) struct Places<'t> {
    text: &'t str,
    lines: LineIndex,
}

impl<'t> Places<'t> {
    /// Of the text of a rule's file.
    pub(crate) fn of(ledger: &'t Ledger, entry: usize) -> Places<'t> {
        let text = ledger.entries[entry].text.as_deref().unwrap_or_default();
        Places { text, lines: LineIndex::new(text) }
    }

    /// Where a span is.
    pub(crate) fn place(&self, span: rulestone_ir::Span) -> Place {
        let characters = |range: std::ops::Range<usize>| {
            self.text.get(range).map_or(0, |part| part.chars().count())
        };
        let start = span.start.min(self.text.len());
        let end = span.end.clamp(start, self.text.len());
        Place {
            start: self.lines.position(self.text, start),
            end: self.lines.position(self.text, end),
            offset: characters(0..start),
            length: characters(start..end),
        }
    }
}
