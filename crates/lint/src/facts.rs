//! What is known of fields: `facts.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rulestone_ir::Scope;
use serde::Deserialize;

/// What is known of some fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fact {
    names: Vec<String>,
    schemas: Vec<String>,
    #[serde(default)]
    scope: BTreeMap<String, String>,
    /// What sort of values they have.
    #[serde(rename = "type")]
    pub(crate) sort: Option<Sort>,
    /// The least value, of numbers.
    pub(crate) least: Option<f64>,
    /// The greatest.
    pub(crate) most: Option<f64>,
    /// All values there are.
    #[serde(default)]
    pub(crate) values: Vec<String>,
    /// Whether an event has one of them at most.
    #[serde(default)]
    single: bool,
}

/// A sort of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sort {
    /// Whole numbers.
    Integer,
    /// Addresses of the internet protocol.
    Address,
    /// Whole paths of Windows, from the drive or the device on, or a name such as `System`.
    Path,
}

#[derive(Debug, Deserialize)]
struct Table {
    field: Vec<Fact>,
}

static FACTS: LazyLock<Vec<Fact>> = LazyLock::new(|| {
    let read: Result<Table, _> = toml::from_str(include_str!("facts.toml"));
    read.map(|table| table.field).unwrap_or_default()
});

/// What is known of a field in a scope.
pub(crate) fn about<'s>(
    field: &'s str,
    scope: &'s Scope,
) -> impl Iterator<Item = &'static Fact> + 's {
    FACTS.iter().filter(move |fact| {
        let has = |(key, value): (&String, &String)| {
            scope.keys.get(key.as_str()).is_some_and(|own| **own == **value)
        };
        fact.names.iter().any(|name| name == field)
            && fact.schemas.iter().any(|schema| schema == scope.schema.as_str())
            && fact.scope.iter().all(has)
    })
}

/// Whether an event never has several values of a field.
pub(crate) fn is_single(field: &str, scope: &Scope) -> bool {
    about(field, scope).any(|fact| fact.single)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        let table: Table = toml::from_str(include_str!("facts.toml")).unwrap();
        for fact in &table.field {
            let known = |schema: &String| {
                rulestone_ir::Schema::ALL.iter().any(|own| own.as_str() == schema)
            };
            assert!(fact.schemas.iter().all(known), "{:?}", fact.names);
            assert!(fact.single || fact.sort.is_some() || !fact.values.is_empty());
        }
    }
}
