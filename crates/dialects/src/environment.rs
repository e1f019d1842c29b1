//! What rules need to know about where they run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rulestone_ir::Table;

/// What the user tells about the environment the rules run in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Values for the placeholders of rules, by name without the percent signs.
    pub placeholders: BTreeMap<String, Vec<String>>,
    /// Texts that stand for others, by name; with arguments by name and their number: `drop(1)`.
    pub macros: BTreeMap<String, Macro>,
    /// Tables to look values up in, by name.
    pub tables: BTreeMap<String, Arc<Table>>,
    /// Tables that are spoken of but not there, by name, each with the reason.
    pub missing_tables: BTreeMap<String, String>,
    /// The fields of the data sets of data models, by `Model.Dataset`; of those that are not here
    /// nothing is known.
    pub models: BTreeMap<String, BTreeSet<String>>,
    /// Whether there is a database of where addresses are.
    pub locates: bool,
}

/// A text that stands for another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Macro {
    /// The names of its arguments, which stand in the text between `$`.
    pub arguments: Vec<String>,
    /// The text.
    pub definition: String,
    /// Whether the text is an expression whose value is the text: refused where it is used.
    pub is_eval: bool,
}
