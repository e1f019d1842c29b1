//! What is wrong with searches: `tests/spl/lint/NAME.in` holds searches with a line of dashes
//! between, and `NAME.out` beside it what is said of each and what a repair makes of it.
//! `UPDATE_GOLDEN=1 cargo test` writes them anew.

mod cases;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cases::{BETWEEN, golden};
use rulestone_dialects::spl::{Text, read};
use rulestone_dialects::{Environment, Macro, Quoting, Written};
use rulestone_ir::{Clock, Diagnostic, Level, Matching, Schema, Span, Table};

/// The codes that have a case here.
const CODES: [&str; 22] = [
    "absent-ctime",
    "absent-field",
    "bare-bin",
    "case-after-caseless",
    "comma-in-search",
    "dropped-field",
    "dropped-group-field",
    "function-in-search",
    "glued-operator",
    "hard-coded-host",
    "literal-wildcard",
    "lower-case-boolean",
    "malformed-literal",
    "misplaced-quote",
    "mixed-boolean",
    "phrase-for-comparison",
    "term-with-breaker",
    "unbalanced-parentheses",
    "unbalanced-quotes",
    "unknown-model-field",
    "macro-undefined",
    "needs-table",
];

#[test]
fn golden_files() {
    golden(&inputs(), "out", &print);
}

/// Every code has a case and is documented.
#[test]
fn every_code_has_a_case() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagnostics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut seen = BTreeSet::new();
    for input in inputs() {
        let text = std::fs::read_to_string(&input).unwrap();
        let searches = text.split(BETWEEN);
        seen.extend(
            searches.flat_map(|search| said(search, Quoting::Verbatim)).map(|own| own.code),
        );
    }
    for code in CODES {
        assert!(seen.contains(code), "{code} has no case");
        assert!(page.contains(&format!("| `{code}` |")), "{code} is not documented");
    }
}

/// A repair is the file's own text, and the search that it makes says it no more.
#[test]
fn repairs_repair() {
    for input in inputs() {
        let text = std::fs::read_to_string(&input).unwrap();
        for search in text.split(BETWEEN) {
            for own in said(search, Quoting::Verbatim) {
                let Some(fix) = &own.fix else { continue };
                let mended = apply(search, fix.edits.as_slice());
                let left = said(&mended, Quoting::Verbatim);
                let again = left
                    .iter()
                    .any(|other| other.code == own.code && other.span.start == own.span.start);
                assert!(!again, "{search} became {mended}: {left:?}");
            }
        }
    }
}

/// Where the container has a meaning for a sign, nothing is written that it would misread.
#[test]
fn repairs_are_escaped() {
    let cases = [
        ("net use or arp", Quoting::Double, "net use OR arp"),
        ("| where like(a, \"*b\")", Quoting::Double, "| where like(a, \"*b\")"),
        ("| where like(a, \"*b'c\")", Quoting::Verbatim, "| where like(a, \"%b'c\")"),
        ("| where like(a, \"*b'c\")", Quoting::Single, "| where like(a, \"*b'c\")"),
    ];
    for (search, quoting, expected) in cases {
        let fixes = said(search, quoting).into_iter().filter_map(|own| own.fix);
        let edits: Vec<_> = fixes.flat_map(|fix| fix.edits).collect();
        assert_eq!(apply(search, &edits), expected, "{quoting:?}");
    }
}

fn apply(text: &str, edits: &[(Span, String)]) -> String {
    let mut out = text.to_owned();
    let mut edits = edits.to_vec();
    edits.sort_by_key(|(span, _)| span.start);
    for (span, new) in edits.iter().rev() {
        out.replace_range(span.start..span.end, new);
    }
    out
}

fn inputs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spl/lint");
    let entries = std::fs::read_dir(folder).expect("a folder of cases");
    let paths = entries.map(|entry| entry.expect("a case").path());
    let is_input = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "in");
    let mut inputs: Vec<_> = paths.filter(is_input).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no cases");
    inputs
}

fn environment() -> Environment {
    let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    let table = Table {
        name: "assets".into(),
        columns: names(&["ip", "owner", "place"]),
        rows: Vec::new(),
        matching: Matching::default(),
    };
    let fields = ["_time", "process", "process_path", "user"].map(str::to_owned).into();
    let two = Macro {
        arguments: vec!["a".to_owned(), "b".to_owned()],
        definition: "$a$ $b$".to_owned(),
        is_eval: false,
    };
    Environment {
        macros: [("two(2)".to_owned(), two)].into(),
        tables: [("assets".to_owned(), Arc::new(table))].into(),
        models: [("Endpoint.Processes".to_owned(), fields)].into(),
        locates: true,
        ..Environment::default()
    }
}

fn said(search: &str, quoting: Quoting) -> Vec<Diagnostic> {
    let place = |range: Range<usize>| Span::new(range);
    let text = Text {
        search,
        place: &place,
        clock: Clock::Whole,
        schema: Schema::Splunk,
        written: Some(Written { file: search, quoting }),
    };
    let mut diagnostics = Vec::new();
    read(&text, &environment(), &mut diagnostics);
    diagnostics
}

/// The search and what is said of it.
fn print(search: &str) -> String {
    let mut out = String::new();
    search.lines().for_each(|line| {
        let _ = writeln!(out, "{line}");
    });
    for Diagnostic { code, level, message, span, help, fix } in said(search, Quoting::Verbatim) {
        let at = search.get(span.start..span.end).unwrap_or("(no text)");
        let level = if level == Level::Note { "" } else { level.as_str() };
        let _ = writeln!(out, "  {code}: {message}");
        let _ = writeln!(out, "    {level}{}on {at:?}", if level.is_empty() { "" } else { ", " });
        if let Some(help) = help {
            let _ = writeln!(out, "    help: {help}");
        }
        if let Some(fix) = fix {
            let mended = apply(search, &fix.edits);
            let _ = writeln!(out, "    repaired: {}", mended.trim_end());
        }
    }
    out
}
