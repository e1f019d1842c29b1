//! Snowflake SQL.
//!
//! Golden files: `tests/snowflake/{ok,err,lowered}/NAME.in` holds queries with a line of dashes
//! between, and beside it stands what is made of them: of `ok` and `err` the `.tokens`, the `.ast`
//! and what is said (`.diag`), of `lowered` the sources and stages (`.ir`).
//! `UPDATE_GOLDEN=1 cargo test` writes them anew.

mod cases;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cases::{BETWEEN, wrong_inputs};
use proptest::prelude::*;
use rulestone_dialects::Environment;
use rulestone_dialects::containers::yaml::{self, Node, Places};
use rulestone_dialects::snowflake::{Lowered, Text, functions, print_ast, print_tokens, read};
use rulestone_ir::{
    Clock, Diagnostic, Formula, Language, Level, Meta, Origin, Rule, Schema, Source, Span, Status,
    Table, Trigger, Vendor, print_rule,
};

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snowflake").join(kind)
}

fn environment() -> Environment {
    let columns = ["Ip", "Owner"].map(Arc::from).into();
    let table = Table { name: "assets".into(), columns, ..Table::default() };
    Environment {
        tables: [("assets".to_owned(), Arc::new(table))].into(),
        ..Environment::default()
    }
}

fn text<'t>(search: &'t str, place: &'t dyn Fn(Range<usize>) -> Span) -> Text<'t> {
    Text { search, place, clock: Clock::Whole, schema: Schema::Anvilogic, written: None }
}

#[test]
fn golden_files() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for kind in ["ok", "err", "lowered"] {
        for input in inputs(kind) {
            let text = std::fs::read_to_string(&input).unwrap();
            let outputs = if kind == "lowered" { lowered(&text) } else { syntax(&text, kind) };
            for (extension, found) in outputs {
                let path = input.with_extension(extension);
                if update && !found.is_empty() {
                    std::fs::write(&path, found).unwrap();
                } else if update {
                    let _ = std::fs::remove_file(&path);
                } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
                    wrong.push(format!("{}:\n{found}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "not as recorded:\n{}", wrong.join("\n"));
}

fn inputs(kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(kind)).expect("a folder of cases");
    let paths = entries.map(|entry| entry.expect("a case").path());
    let mut inputs: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|own| own == "in")).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no cases of {kind}");
    inputs
}

fn syntax(text: &str, kind: &str) -> Vec<(&'static str, String)> {
    let (mut tokens, mut asts, mut said) = (Vec::new(), Vec::new(), String::new());
    for search in text.split(BETWEEN) {
        let own = self::text(search, &Span::new);
        let mut diagnostics = Vec::new();
        asts.push(print_ast(&own, &mut diagnostics));
        assert_eq!(Status::of(&diagnostics).runs(), kind == "ok", "{search}: {diagnostics:#?}");
        tokens.push(print_tokens(&own));
        diagnostics.iter().for_each(|found| print_diagnostic(search, found, &mut said));
    }
    vec![("tokens", tokens.join(BETWEEN)), ("ast", asts.join(BETWEEN)), ("diag", said)]
}

fn print_diagnostic(search: &str, diagnostic: &Diagnostic, out: &mut String) {
    let Diagnostic { code, level, message, span, help, fix } = diagnostic;
    let _ = writeln!(out, "  {} {code}: {message}", level.as_str());
    let _ = writeln!(out, "    on {:?}", search.get(span.start..span.end).unwrap_or_default());
    if let Some(help) = help {
        let _ = writeln!(out, "    help: {help}");
    }
    for (span, with) in fix.iter().flat_map(|fix| &fix.edits) {
        let mut whole = search.to_owned();
        whole.replace_range(span.start..span.end, with);
        let _ = writeln!(out, "    repaired: {}", whole.trim_end());
    }
}

fn lower(search: &str) -> (Option<Lowered>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let lowered = read(&text(search, &Span::new), &environment(), &mut diagnostics);
    assert_eq!(lowered.is_some(), Status::of(&diagnostics).runs(), "{search}: {diagnostics:?}");
    (lowered, diagnostics)
}

/// Each query, what it means and what is said.
fn lowered(text: &str) -> Vec<(&'static str, String)> {
    let print = |search: &str| {
        let (lowered, diagnostics) = lower(search);
        let mut out = String::new();
        search.lines().for_each(|line| out.extend([line, "\n"]));
        if let Some(lowered) = lowered {
            let _ = writeln!(out, "  reads {}", lowered.reads.join(", "));
            // Behind the lines about the rule.
            print_rule(&rule(lowered)).lines().skip(2).for_each(|line| out.extend([line, "\n"]));
        }
        diagnostics.iter().for_each(|found| print_diagnostic(search, found, &mut out));
        out
    };
    vec![("ir", text.split(BETWEEN).map(print).collect::<Vec<_>>().join(BETWEEN))]
}

fn rule(lowered: Lowered) -> Rule {
    Rule {
        meta: Meta::default(),
        origin: Origin {
            vendor: Vendor::Query,
            language: Language::Snowflake,
            path: "".into(),
            span: Span::default(),
            tests: Vec::new(),
            drilldowns: Vec::new(),
            search: None,
        },
        sources: lowered.sources,
        stages: lowered.stages,
        clock: lowered.clock,
        trigger: Trigger::default(),
    }
}

/// Every function runs with as few arguments as it takes and as many, or is refused by name.
#[test]
fn every_function_is_lowered() {
    for function in functions() {
        if !function.name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let (least, most) = (*function.arguments.start(), *function.arguments.end());
        for count in [least, most.min(4).max(least)] {
            let arguments: Vec<&str> = match function.name {
                "dateadd" | "timeadd" | "timestampadd" => vec!["hour", "1", "a"],
                "datediff" | "timediff" | "timestampdiff" => vec!["day", "a", "b"],
                "date_part" | "date_trunc" => vec!["hour", "a"],
                "trunc" => vec!["a", "'hour'"],
                "time_slice" => vec!["a", "15", "'minute'", "'start'"],
                "convert_timezone" if count == 2 => vec!["'UTC'", "a"],
                "convert_timezone" => vec!["'UTC'", "'UTC'", "a"],
                "add_months" => vec!["a", "1"],
                "sha2" | "sha2_hex" => vec!["a", "512"],
                "to_char" | "to_varchar" => vec!["event_time", "'YYYY-MM-DD'"],
                name if name.contains("to_timestamp") || name.ends_with("date") => {
                    vec!["a", "0"]
                }
                name if name.starts_with("regexp_")
                    && !matches!(name, "regexp_like" | "regexp_count") =>
                {
                    vec!["a", "'b+'", if name == "regexp_replace" { "'x'" } else { "1" }, "1"]
                }
                name if name.contains("like") || name == "regexp" => vec!["a", "'b'", "'i'"],
                "regexp_count" => vec!["a", "'b'", "1", "'i'"],
                "lag" | "lead" => vec!["a", "1", "0"],
                "get_path" => vec!["a", "'b.c[0]'"],
                "get" => vec!["a", "'b'"],
                _ => vec!["a", "'b'", "c", "'d'"],
            };
            let filled = arguments.iter().copied().chain(std::iter::repeat("a"));
            let arguments: Vec<&str> = filled.take(count).collect();
            let over = if function.measures() { " over (partition by k order by t)" } else { "" };
            let query =
                format!("select {}({}){over} as x from okta", function.name, arguments.join(", "));
            let (_, diagnostics) = lower(&query);
            let refused = diagnostics.iter().any(|found| found.level >= Level::Unsupported);
            assert_eq!(!refused, function.runs(), "{query}: {diagnostics:#?}");
        }
    }
}

/// Every code that Snowflake alone gives is documented, and every documented one has a case.
#[test]
fn codes_are_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagnostics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = |text: &str| -> BTreeSet<String> {
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        rows.map(|(code, _)| code.to_owned()).collect()
    };
    let (_, rest) = page.split_once("## What SQL asks for").expect("a section");
    let own = rows(rest.split("\n## ").next().unwrap_or_default());
    let mut seen = BTreeSet::new();
    for kind in ["ok", "err", "lowered"] {
        for input in inputs(kind) {
            let text = std::fs::read_to_string(&input).unwrap();
            for search in text.split(BETWEEN) {
                seen.extend(lower(search).1.iter().map(|found| found.code.to_owned()));
            }
        }
    }
    assert_eq!(seen.difference(&rows(&page)).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(own.difference(&seen).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// A long chain, deep brackets: refused, and nothing runs out of stack.
#[test]
fn what_is_too_long_is_refused() {
    let chain = |count: usize, sign: &str| {
        format!("select * from okta where {}", vec!["a = 'b'"; count].join(sign))
    };
    let brackets = |count: usize| {
        format!("select * from okta where {}a = 1{}", "(".repeat(count), ")".repeat(count))
    };
    let runs = |query: &str| lower(query).0.is_some();
    assert!(runs(&chain(1_000, " or ")));
    assert!(!runs(&chain(9_000, " or ")));
    assert!(runs(&brackets(10)));
    assert!(!runs(&brackets(10_000)));
    for sign in [" || ", " + ", " = ", "::", " is null is "] {
        assert!(!runs(&format!("select {} as x from okta", vec!["a"; 10_000].join(sign))));
        lower(&format!("select {} as x from okta", vec!["a"; 390].join(sign)));
        lower(&format!("select a{} as x from okta", sign.repeat(390)));
    }
    assert!(runs(&format!("select {} as x from okta", vec!["a"; 390].join(" || "))));
    assert!(runs(&vec!["select a from okta"; 100].join(" union all ")));
    assert!(!runs(&vec!["select a from okta"; 10_000].join(" union all ")));
    assert!(runs(&chain(2_900, " and ")));
    let list = vec!["'a'"; 20_000].join(", ");
    assert!(runs(&format!("select * from okta where a in ({list})")));
}

/// The published queries, where they are at hand.
#[test]
fn public_queries_run() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let content = shared.join("corpora/rules/anvilogic/detections");
    if !content.is_dir() {
        println!("skipped: ../shared/corpora is not there");
        return;
    }
    let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
    let mut reasons: BTreeMap<(Level, &'static str), Vec<String>> = BTreeMap::new();
    let mut plain = 0;
    for path in files(&content) {
        let file = std::fs::read_to_string(&path).expect("a text");
        for document in yaml::parse(&file) {
            let Some(root) = &document.root else { continue };
            let format = root.get("logic_format").and_then(Node::text);
            let Some(logic) = root.get("logic").filter(|_| format == Some("snowflake")) else {
                continue;
            };
            let search = logic.text().expect("a query");
            let places = Places::new(&file, logic.span, search);
            let mut diagnostics = Vec::new();
            let place = |range: Range<usize>| places.span(range);
            let lowered = read(&text(search, &place), &Environment::default(), &mut diagnostics);
            let is_plain = |own: &Lowered| own.stages.is_empty() && own.clock == Clock::Whole;
            plain += usize::from(lowered.as_ref().is_some_and(is_plain));
            *counts.entry(Status::of(&diagnostics)).or_default() += 1;
            for found in &diagnostics {
                assert!(file.get(found.span.start..found.span.end).is_some(), "{}", path.display());
                let line = format!("{}: {}", path.display(), found.message);
                reasons.entry((found.level, found.code)).or_default().push(line);
            }
        }
    }
    let all: usize = counts.values().sum();
    println!("{all} queries: {counts:?}, {plain} a filter and nothing else");
    for ((level, code), rules) in &reasons {
        println!("{:4} {} {code}", rules.len(), level.as_str());
        rules.iter().take(12).for_each(|rule| println!("       {rule}"));
    }
    assert!(counts[&Status::Exact] * 100 >= all * 95, "{counts:?}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|own| own == "yml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Queries that are cut off, put together and changed: whatever comes, nothing panics.
fn query_text() -> impl Strategy<Value = String> {
    let mut parts: Vec<String> = Vec::new();
    for kind in ["ok", "err", "lowered"] {
        for input in inputs(kind) {
            let text = std::fs::read_to_string(input).expect("a text");
            parts.extend(text.split_inclusive([' ', '\n', '(', ',']).map(str::to_owned));
        }
    }
    let piece = prop_oneof![
        8 => (prop::sample::select(parts.clone()), 1_usize..12).prop_map({
            let parts = parts.clone();
            move |(first, count)| {
                let at = parts.iter().position(|part| *part == first).unwrap_or_default();
                parts[at..(at + count).min(parts.len())].concat()
            }
        }),
        2 => prop::sample::select(vec!["select ", " from ", " where ", " group by ", "(", ")", "'", "\"",
            "$latest$", "$$", "\\", "::", ":", ".", ",", " over (", " not ", " is null ", "é", "[0]", "--", "/*",
            " union ", " with a as (", " join ", " on ", ";"]).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    prop::collection::vec(piece, 1..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_query_is_read(text in query_text()) {
        check_query(&text)?;
    }

    #[test]
    fn any_query_behind_a_start_is_read(text in query_text()) {
        check_query(&format!("select * from okta where {text}"))?;
        check_query(&format!("select {text} from okta"))?;
    }
}

fn check_query(text: &str) -> Result<(), TestCaseError> {
    print_tokens(&self::text(text, &Span::new));
    print_ast(&self::text(text, &Span::new), &mut Vec::new());
    let (lowered, diagnostics) = lower(text);
    for diagnostic in &diagnostics {
        let span = diagnostic.span;
        prop_assert!(text.get(span.start..span.end).is_some(), "{diagnostic:?}");
    }
    let Some(lowered) = lowered else { return Ok(()) };
    prop_assert_eq!(wrong_inputs(&lowered), None, "{}", text);
    // What is asked of events is tests, each at a place.
    for source in &lowered.sources {
        if let Source::Events { filter, .. } = source {
            prop_assert!(filter.is_of_tests());
            check_places(filter, text)?;
        }
    }
    print_rule(&rule(lowered));
    Ok(())
}

fn check_places(filter: &Formula, text: &str) -> Result<(), TestCaseError> {
    let mut wrong = None;
    filter.for_each_predicate(&mut |predicate| {
        let span = predicate.span;
        if text.get(span.start..span.end).is_none_or(str::is_empty) {
            wrong = Some(span);
        }
    });
    prop_assert!(wrong.is_none(), "{wrong:?} in {text}");
    Ok(())
}
