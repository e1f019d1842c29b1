//! The public SPL detections, where they are at hand.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rulestone_dialects::containers::yaml::{self, Kind, Node};
use rulestone_dialects::spl::{Text, read};
use rulestone_dialects::{Environment, Macro};
use rulestone_ir::{Clock, Diagnostic, Duration, Level, Schema, Span, Status, Table};

/// What each kind of refusal needs that is no part of the rules.
const OUTSIDE: [&str; 7] = [
    "needs-table",
    "needs-model",
    "needs-metrics-index",
    "needs-app",
    "unknown-algorithm",
    "needs-geoip",
    "macro-undefined",
];

#[test]
fn public_detections_run() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let content = shared.join("corpora/rules/splunk-escu");
    if !content.is_dir() {
        println!("skipped: ../shared/corpora is not there");
        return;
    }
    let environment = environment(&content);
    let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
    let mut reasons: BTreeMap<(Level, &'static str), Vec<String>> = BTreeMap::new();
    for (name, search) in detections(&content) {
        let diagnostics = lower(&search, &environment);
        let status = Status::of(&diagnostics);
        *counts.entry(status).or_default() += 1;
        let mut seen = Vec::new();
        for diagnostic in &diagnostics {
            if !seen.contains(&diagnostic.code) {
                seen.push(diagnostic.code);
                let key = (diagnostic.level, diagnostic.code);
                let line = format!("{name}: {}", diagnostic.message);
                reasons.entry(key).or_default().push(line);
            }
        }
    }
    let all: usize = counts.values().sum();
    println!("{all} live detections: {counts:?}");
    for ((level, code), rules) in &reasons {
        println!("{:4} {} {code}", rules.len(), level.as_str());
        let shown = if *level == Level::Note { 1 } else { 6 };
        rules.iter().take(shown).for_each(|rule| println!("       {rule}"));
    }
    let count = |status| counts.get(&status).copied().unwrap_or(0);
    let runs = count(Status::Exact) + count(Status::Approximate);
    assert!(runs * 100 >= all * 95, "{counts:?}");
    assert!(count(Status::Exact) * 100 >= all * 92, "{counts:?}");
    for (level, code) in reasons.keys() {
        assert!(*level < Level::Unsupported || OUTSIDE.contains(code), "{code}");
    }
}

fn lower(search: &str, environment: &Environment) -> Vec<Diagnostic> {
    let minutes = |minutes: i64| Duration::from_seconds(minutes * 60);
    let clock = Clock::Hop { lookback: minutes(60), interval: minutes(60), offset: minutes(10) };
    let place = |range: Range<usize>| Span::new(range);
    let mut diagnostics = Vec::new();
    let lowered = read(
        &Text { search, place: &place, clock, schema: Schema::Splunk, written: None },
        environment,
        &mut diagnostics,
    );
    assert_eq!(lowered.is_some(), Status::of(&diagnostics).runs(), "{search}");
    diagnostics
}

fn detections(content: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in files(&content.join("detections"), "yml") {
        with_root(&path, &mut |root| {
            let text = |key| root.get(key).and_then(Node::text);
            if text("status") == Some("deprecated") {
                return;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            found.push((name, text("search").expect("a search").to_owned()));
        });
    }
    found
}

fn environment(content: &Path) -> Environment {
    let mut environment = Environment { locates: true, ..Environment::default() };
    for path in files(&content.join("macros"), "yml") {
        with_root(&path, &mut |root| {
            let text = |key| root.get(key).and_then(Node::text);
            let arguments = match root.get("arguments").map(|own| &own.kind) {
                Some(Kind::Sequence(items)) => items.as_slice(),
                _ => &[],
            };
            let arguments: Vec<String> =
                arguments.iter().filter_map(|own| Some(own.text()?.to_owned())).collect();
            let name = text("name").expect("a name").to_owned();
            let name = match arguments.len() {
                0 => name,
                count => format!("{name}({count})"),
            };
            let definition = text("definition").unwrap_or_default().to_owned();
            environment.macros.insert(name, Macro { arguments, definition, is_eval: false });
        });
    }
    let filters = detections(content).into_iter().map(|(name, _)| format!("{name}_filter"));
    for name in filters {
        let definition = "search *".to_owned();
        environment.macros.entry(name).or_insert(Macro { definition, ..Macro::default() });
    }
    for path in files(&content.join("lookups"), "yml") {
        with_root(&path, &mut |root| {
            let text = |key| root.get(key).and_then(Node::text);
            let name = text("name").expect("a name").to_owned();
            match text("filename").map(|file| content.join("lookups").join(file)) {
                Some(file) if file.is_file() => {
                    environment.tables.insert(name.clone(), Arc::new(table(&name, &file)));
                }
                _ => {
                    environment.missing_tables.insert(name, "it is not published".to_owned());
                }
            }
        });
    }
    environment
}

/// A table with its columns alone.
fn table(name: &str, file: &Path) -> Table {
    let text = String::from_utf8_lossy(&std::fs::read(file).expect("a table")).into_owned();
    let header = text.lines().next().unwrap_or_default().trim_start_matches('\u{feff}');
    let columns = header.split(',').map(|name| name.trim().trim_matches('"').into()).collect();
    Table { name: name.into(), columns, ..Table::default() }
}

fn with_root(path: &Path, found: &mut dyn FnMut(&Node<'_>)) {
    let text = std::fs::read_to_string(path).expect("a text");
    for document in yaml::parse(&text) {
        if let Some(root) = &document.root {
            found(root);
        }
    }
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|own| own == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
