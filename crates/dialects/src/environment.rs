//! What rules need to know about where they run.

use std::collections::BTreeMap;

/// What the user tells about the environment the rules run in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Values for the placeholders of rules, by name without the percent signs.
    pub placeholders: BTreeMap<String, Vec<String>>,
}
