//! Values for the placeholders of rules.

use std::collections::BTreeMap;

use crate::yaml;

/// Reads placeholders from YAML: a map from names, without percent signs, to a value or a list.
///
/// # Errors
///
/// What is wrong with the text.
pub fn read_placeholders(text: &str) -> Result<BTreeMap<String, Vec<String>>, String> {
    let document = yaml::document(text)?;
    let map = document
        .as_mapping()
        .ok_or("placeholders are a map from names to values: `Administrators: [alice, bob]`")?;
    let mut placeholders = BTreeMap::new();
    for (name, values) in map {
        let name = yaml::text(name).ok_or("the name of a placeholder is a text")?;
        let values = yaml::texts(values);
        if values.is_empty() {
            return Err(format!("the placeholder {name} has no value"));
        }
        placeholders.insert(name.trim_matches('%').to_owned(), values);
    }
    Ok(placeholders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_a_map() {
        let read = read_placeholders("Admins: [alice, bob]\n'%Port%': 22\n").unwrap();
        assert_eq!(read["Admins"], ["alice", "bob"]);
        assert_eq!(read["Port"], ["22"]);
        for wrong in ["- a\n", "Admins: []\n", "", "a: [b\n"] {
            assert!(read_placeholders(wrong).is_err(), "{wrong:?}");
        }
    }
}
