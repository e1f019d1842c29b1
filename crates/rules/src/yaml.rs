//! Small helpers over YAML of our own: tests and placeholders.

use saphyr::{LoadableYamlNode, Yaml};

/// The first document of a text.
pub(crate) fn document(text: &str) -> Result<Yaml<'_>, String> {
    let mut documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    if documents.is_empty() {
        Err("the file is empty".to_owned())
    } else {
        Ok(documents.swap_remove(0))
    }
}

/// A scalar as text.
pub(crate) fn text(node: &Yaml<'_>) -> Option<String> {
    if let Some(text) = node.as_str() {
        return Some(text.to_owned());
    }
    node.as_integer().map(|n| n.to_string()).or_else(|| node.as_bool().map(|b| b.to_string()))
}

/// A scalar or a list of scalars as texts.
pub(crate) fn texts(node: &Yaml<'_>) -> Vec<String> {
    match node.as_sequence() {
        Some(nodes) => nodes.iter().filter_map(text).collect(),
        None => text(node).into_iter().collect(),
    }
}

/// What stands under a key.
pub(crate) fn get<'n, 't>(node: &'n Yaml<'t>, key: &str) -> Option<&'n Yaml<'t>> {
    node.as_mapping_get(key)
}
