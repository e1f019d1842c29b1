//! What tests of several languages ask in the same way.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::PathBuf;

use rulestone_dialects::Lowered;
use rulestone_ir::Input;

/// The line between two searches of a case.
pub(crate) const BETWEEN: &str = "---\n";

/// Holds what `print` makes of the searches of each file against the file of that extension
/// beside it, or writes it there.
pub(crate) fn golden(inputs: &[PathBuf], extension: &str, print: &dyn Fn(&str) -> String) {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for input in inputs {
        let text = std::fs::read_to_string(input).expect("a case");
        let found: Vec<String> = text.split(BETWEEN).map(print).collect();
        let found = found.join(BETWEEN);
        let path = input.with_extension(extension);
        if update {
            std::fs::write(&path, found).expect("a case to write");
        } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "not as recorded:\n{}", wrong.join("\n"));
}

/// What is wrong with how stages read each other: every stage but the last is read by a later one,
/// and reads what stands before it.
pub(crate) fn wrong_inputs(lowered: &Lowered) -> Option<&'static str> {
    let stages = lowered.stages.len();
    let mut read = vec![false; stages];
    for (at, stage) in lowered.stages.iter().enumerate() {
        for input in &stage.inputs {
            match *input {
                Input::Source(source) if source >= lowered.sources.len() => return Some("source"),
                Input::Source(_) => {}
                Input::Stage(other) if other >= at => return Some("a later stage is read"),
                Input::Stage(other) => read[other] = true,
            }
        }
    }
    if !read.iter().take(stages.saturating_sub(1)).all(|read| *read) {
        return Some("a stage that nobody reads");
    }
    (stages == 0 && lowered.sources.len() != 1).then_some("no stages over several sources")
}
