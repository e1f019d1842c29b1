//! The public searches of Anvilogic's armory, where they are at hand.

use std::collections::BTreeMap;
use std::path::Path;

use rulestone_dialects::Environment;
use rulestone_dialects::containers::{Reading, read};
use rulestone_ir::{Language, Level, Status};

#[test]
fn public_searches_run() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let content = shared.join("corpora/rules/anvilogic");
    if !content.is_dir() {
        println!("skipped: ../shared/corpora is not there");
        return;
    }
    let environment = Environment { locates: true, ..Environment::default() };
    let mut files = Vec::new();
    texts(&content, &mut files);
    let readings = files.iter().flat_map(|(path, text)| read(text, path, &environment));
    let readings: Vec<Reading> =
        readings.filter(|reading| reading.origin.language == Language::Spl).collect();
    let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
    let mut reasons: BTreeMap<(Level, &'static str), Vec<String>> = BTreeMap::new();
    for reading in &readings {
        *counts.entry(Status::of(&reading.diagnostics)).or_default() += 1;
        let mut seen = Vec::new();
        for diagnostic in &reading.diagnostics {
            if !seen.contains(&diagnostic.code) {
                seen.push(diagnostic.code);
                let path = reading.origin.path.rsplit('/').next().unwrap_or_default();
                let line = format!("{path}: {}", diagnostic.message);
                reasons.entry((diagnostic.level, diagnostic.code)).or_default().push(line);
            }
        }
    }
    println!("{} searches: {counts:?}", readings.len());
    for ((level, code), rules) in &reasons {
        println!("{:4} {} {code}", rules.len(), level.as_str());
        let shown = if *level < Level::Unsupported { 1 } else { 60 };
        rules.iter().take(shown).for_each(|rule| println!("       {rule}"));
    }
    let count = |status| counts.get(&status).copied().unwrap_or(0);
    let runs = count(Status::Exact) + count(Status::Approximate);
    assert!(runs * 100 >= readings.len() * 95, "{counts:?}");
}

fn texts(folder: &Path, into: &mut Vec<(String, String)>) {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|one| one.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            texts(&path, into);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            into.push((path.display().to_string(), text));
        }
    }
}
