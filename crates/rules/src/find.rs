//! Finding rule files below the places a user names.

use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

/// Endings a rule file may have. A file that is named itself is read whatever it ends in.
const ENDINGS: &[&str] = &["yml", "yaml", "spl", "sql", "md", "markdown"];
/// Files of other endings that hold rules.
const NAMES: &[&str] = &["savedsearches.conf"];

/// The rule files at and below `place`, in the order of their paths, and what could not be listed.
pub fn find_rule_files(place: &Path) -> (Vec<PathBuf>, Vec<(PathBuf, String)>) {
    if place.is_file() {
        return (vec![place.to_owned()], Vec::new());
    }
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for entry in WalkBuilder::new(place).standard_filters(false).build() {
        match entry {
            Ok(entry) if entry.path().is_file() && may_hold_rules(entry.path()) => {
                files.push(entry.into_path());
            }
            Ok(_) => {}
            Err(error) => problems.push((place.to_owned(), error.to_string())),
        }
    }
    files.sort();
    (files, problems)
}

fn may_hold_rules(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)) || NAMES.contains(&name)
}
