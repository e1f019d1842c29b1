//! Golden files of containers: `tests/containers/NAME` is a file of rules, and `NAME.read` what is
//! read out of it. `UPDATE_GOLDEN=1 cargo test` writes them anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use rulestone_dialects::containers::{Reading, read, recognise};
use rulestone_dialects::{Environment, Macro};
use rulestone_ir::{LineIndex, Status, print_rule};

#[test]
fn golden_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/containers");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending != "read"));
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let readings = read(&text, &format!("rules/{name}"), &environment());
        let found: Vec<String> = readings.iter().map(|reading| print(&text, reading)).collect();
        let found = found.join("\n");
        let golden = file.with_file_name(format!("{name}.read"));
        if update {
            std::fs::write(golden, found).unwrap();
        } else if std::fs::read_to_string(golden).unwrap_or_default() != found {
            wrong.push(format!("{name}:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "not as recorded:\n{}", wrong.join("\n"));
}

/// The macros that the cases use.
fn environment() -> Environment {
    let text = |definition: &str, arguments: &[&str]| Macro {
        arguments: arguments.iter().map(|name| (*name).to_owned()).collect(),
        definition: definition.to_owned(),
        is_eval: false,
    };
    let macros = BTreeMap::from([
        ("summaries".to_owned(), text("summariesonly=false", &[])),
        ("readable_time(1)".to_owned(), text("convert ctime($field$)", &["field"])),
    ]);
    Environment { macros, ..Environment::default() }
}

fn print(text: &str, reading: &Reading) -> String {
    let Reading { meta, origin, rule, diagnostics, .. } = reading;
    let mut out = format!("{} {:?}\n", Status::of(diagnostics).as_str(), meta.title);
    let mut line = |name: &str, value: &dyn std::fmt::Debug| {
        let value = format!("{value:?}");
        if !["\"\"", "[]", "None"].contains(&value.as_str()) {
            let _ = writeln!(out, "  {name}: {value}");
        }
    };
    line("id", &meta.id);
    line("vendor", &origin.vendor);
    line("type", &meta.kind);
    line("maturity", &meta.maturity);
    line("severity", &meta.severity);
    line("description", &meta.description);
    line("dates", &meta.dates);
    line("techniques", &meta.attack.techniques);
    line("others", &meta.attack.others);
    for (name, values) in &meta.more {
        line(name, values);
    }
    if let Some(rule) = rule {
        line("raises", &rule.trigger.raises);
        line("message", &rule.trigger.message);
        line("risk score", &rule.trigger.risk_score);
        for entity in &rule.trigger.entities {
            line("entity", &(&entity.field, &entity.kind, &entity.role, entity.score));
        }
    }
    for test in &origin.tests {
        line("test", &(&test.name, &test.manual));
        test.data.iter().for_each(|data| line("data", data));
    }
    origin.drilldowns.iter().for_each(|drilldown| line("drilldown", drilldown));
    if let Some(rule) = rule {
        let _ = writeln!(out, "{}", print_rule(rule).trim_end());
    }
    let lines = LineIndex::new(text);
    for diagnostic in diagnostics {
        let (at, column) = lines.position(text, diagnostic.span.start);
        let source =
            text.get(diagnostic.span.start..diagnostic.span.end).expect("a span of the text");
        let (level, code) = (diagnostic.level.as_str(), diagnostic.code);
        let _ = writeln!(out, "  {level} {code} at {at}:{column}: {}", diagnostic.message);
        let _ = writeln!(out, "    on {source:?}");
    }
    out
}

/// The public detections, where they are at hand: none is lost, whatever becomes of its search.
#[test]
fn public_detections_are_read() {
    const FILES: usize = 1421;
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let set = corpora.join("rules/splunk-escu");
    if !set.is_dir() {
        println!("skipped: ../shared/corpora is not there");
        return;
    }
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut open = vec![set.join("detections"), set.join("baselines")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.to_string_lossy();
            assert!(recognise(&text, &name).is_some(), "{name}");
            let readings = read(&text, &name, &Environment::default());
            assert_eq!(readings.len(), 1, "{name}");
            for Reading { meta, origin, .. } in readings {
                assert!(origin.search.is_some() && !meta.title.is_empty(), "{name}");
                *counts.entry((meta.maturity, meta.kind)).or_default() += 1;
            }
        }
    }
    println!("{counts:?}");
    assert_eq!(counts.values().sum::<usize>(), FILES);
    let of = |kind: &str| {
        let found = counts.iter().filter(|((_, own), _)| own == kind);
        found.map(|(_, count)| count).sum::<usize>()
    };
    let kinds = ["TTP", "Anomaly", "Hunting", "Correlation", "Baseline"].map(of);
    assert_eq!(kinds, [784, 392, 169, 10, 66]);
}
