//! Golden files: `tests/sigma/{ok,err}/NAME.in` is a rule file, and beside it stands what each
//! step makes of it: `.ast`, `.ir` and `.diag`. `UPDATE_GOLDEN=1 cargo test` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use rulestone_dialects::Environment;
use rulestone_dialects::containers::{Reading, print_ast, read};
use rulestone_ir::{Diagnostic, LineIndex, Status, print_rule};

#[test]
fn golden_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sigma");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for kind in ["ok", "err"] {
        let inputs = inputs(&folder.join(kind));
        assert!(!inputs.is_empty(), "no cases in {kind}");
        for input in inputs {
            let text = std::fs::read_to_string(&input).unwrap();
            for (extension, found) in outputs(&text, kind) {
                let path = input.with_extension(extension);
                if update {
                    write_or_remove(&path, &found);
                } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
                    wrong.push(format!("{}:\n{found}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "not as recorded:\n{}", wrong.join("\n"));
}

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of cases");
    let mut inputs: Vec<_> = entries
        .map(|entry| entry.expect("a case").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "in"))
        .collect();
    inputs.sort();
    inputs
}

/// What each step makes of a file, by the extension of its golden file.
fn outputs(text: &str, kind: &str) -> [(&'static str, String); 3] {
    let servers = vec!["srv*".to_owned(), r"dc\*1".to_owned()];
    let admins = vec!["root".to_owned(), "adm-ann".to_owned()];
    let placeholders = BTreeMap::from([("servers".into(), servers), ("admins".into(), admins)]);
    let readings =
        read(text, "rules/case.yml", &Environment { placeholders, ..Environment::default() });
    let runs = |reading: &Reading| Status::of(&reading.diagnostics).runs();
    assert_eq!(readings.iter().all(runs), kind == "ok", "{text}");
    let rules = readings.iter().filter_map(|reading| reading.rule.as_ref());
    let ir: Vec<_> = rules.map(print_rule).collect();
    let diagnostics = readings.iter().map(|reading| print_reading(text, reading));
    [
        ("ast", print_ast(text, "rules/case.yml", &Environment::default())),
        ("ir", ir.join("\n")),
        ("diag", diagnostics.collect()),
    ]
}

/// The diagnostics of one rule, below its name where there are any.
fn print_reading(text: &str, reading: &Reading) -> String {
    if reading.diagnostics.is_empty() {
        return String::new();
    }
    let lines = LineIndex::new(text);
    let mut out = format!("{} ({:?})\n", reading.meta.id, reading.meta.title);
    for diagnostic in &reading.diagnostics {
        print_diagnostic(text, &lines, diagnostic, &mut out);
    }
    out
}

fn print_diagnostic(text: &str, lines: &LineIndex, diagnostic: &Diagnostic, out: &mut String) {
    let Diagnostic { code, level, message, span, help, .. } = diagnostic;
    let (line, column) = lines.position(text, span.start);
    let _ = writeln!(out, "  {} {code} at {line}:{column}: {message}", level.as_str());
    let _ = writeln!(out, "    on {:?}", text.get(span.start..span.end).unwrap_or("(no text)"));
    if let Some(help) = help {
        let _ = writeln!(out, "    help: {help}");
    }
}

fn write_or_remove(path: &Path, text: &str) {
    if text.is_empty() {
        let _ = std::fs::remove_file(path);
    } else {
        std::fs::write(path, text).expect("a golden file to write");
    }
}

/// Every code a rule can get is documented, and every documented one has a case.
#[test]
fn codes_are_documented() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(crate_folder.join("../../docs/diagnostics.md")).unwrap();
    // What is said between rules comes of several files; the ledger's tests have the cases.
    let page = page.split("## Between rules").next().unwrap_or_default();
    // SPL has its cases beside its own test.
    let page = page.split("## SPL").next().unwrap_or_default();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    // Those of exceptions are no rule's, and have their cases where exceptions are read.
    let of_rules = rows.filter(|(code, _)| !code.starts_with("exception-"));
    let documented: BTreeSet<String> = of_rules.map(|(code, _)| code.to_owned()).collect();
    let mut seen = BTreeSet::new();
    for kind in ["ok", "err"] {
        for input in inputs(&crate_folder.join("tests/sigma").join(kind)) {
            let text = std::fs::read_to_string(&input).unwrap();
            let readings = read(&text, "rules/case.yml", &Environment::default());
            seen.extend(readings.iter().flat_map(|r| &r.diagnostics).map(|d| d.code.to_owned()));
        }
    }
    assert_eq!(documented, seen);
}
