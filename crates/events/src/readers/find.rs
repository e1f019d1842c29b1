//! Finding logs below the places a user names.

use std::io;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

/// The files at and below `place`, in the order of their paths. Nothing is left out for its name:
/// what is no log is said by whoever opens it.
///
/// # Errors
///
/// The places that could not be listed, beside the files that could.
pub fn find_logs(place: &Path) -> (Vec<PathBuf>, Vec<(PathBuf, io::Error)>) {
    if place.is_file() {
        return (vec![place.to_owned()], Vec::new());
    }
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for entry in WalkBuilder::new(place).standard_filters(false).build() {
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                files.push(entry.into_path());
            }
            Ok(entry) if entry.path_is_symlink() && entry.path().is_file() => {
                files.push(entry.into_path());
            }
            Ok(_) => {}
            Err(error) => errors.push((place.to_owned(), io::Error::other(error.to_string()))),
        }
    }
    files.sort();
    (files, errors)
}
