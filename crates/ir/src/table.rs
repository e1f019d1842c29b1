//! Tables that rules look values up in.

use std::sync::Arc;

/// A table that belongs to the rules: a lookup file or a collection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// What rules call it.
    pub name: Arc<str>,
    /// Its columns.
    pub columns: Vec<Arc<str>>,
    /// Its rows, a text for each column.
    pub rows: Vec<Vec<Arc<str>>>,
    /// How rows are matched.
    pub matching: Matching,
}

/// How the rows of a table are matched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matching {
    /// Columns that do not match by equality.
    pub columns: Vec<(Arc<str>, MatchType)>,
    /// Whether text matches without case.
    pub ignore_case: bool,
    /// Rows that count at least, filled up with `default`.
    pub min: u64,
    /// Rows that count at most, `None` for as many as there are.
    pub max: Option<u64>,
    /// What the columns are where fewer than `min` rows match.
    pub default: Option<String>,
}

/// How a column of a table matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchType {
    /// The table has patterns with `*`.
    Wildcard,
    /// The table has networks.
    Cidr,
}

impl Table {
    /// The place of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|own| &**own == name)
    }
}
