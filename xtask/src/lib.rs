//! What the checks of the workspace itself need; the checks are in `tests/`.

mod source;

pub use source::{paths, rust_files, without_comments, without_texts, words};
