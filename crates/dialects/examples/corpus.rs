//! Reads every rule below a folder and says how long that took: `corpus FOLDER [TIMES]`.
#![expect(clippy::print_stdout, reason = "a tool for developers")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use rulestone_dialects::Environment;
use rulestone_dialects::containers::read;
use rulestone_ir::Status;

fn texts(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            texts(&path, into);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            into.push((path.display().to_string(), text));
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_default();
    let times: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut files = Vec::new();
    texts(Path::new(&folder), &mut files);
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    for _ in 0..times {
        let start = Instant::now();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (path, text) in &files {
            for reading in read(text, path, &Environment::default()) {
                *counts.entry(Status::of(&reading.diagnostics).as_str()).or_default() += 1;
            }
        }
        println!("{} files, {bytes} bytes: {counts:?} in {:?}", files.len(), start.elapsed());
    }
}
