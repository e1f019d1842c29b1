//! What searches mean: `tests/spl/lowered/NAME.in` holds searches with a line of dashes between,
//! and `NAME.ir` beside it the sources and stages of each, what is said about it and the fields
//! that it reads. `UPDATE_GOLDEN=1 cargo test` writes them anew.

mod cases;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cases::{BETWEEN, golden, wrong_inputs};
use proptest::prelude::*;
use rulestone_dialects::spl::{Lowered, Text, aggregates, commands, functions, read};
use rulestone_dialects::{Environment, Macro};
use rulestone_ir::{
    Clock, Diagnostic, Duration, Language, Matching, Meta, Origin, Rule, Schema, Span, Status,
    Table, Trigger, Vendor, print_rule,
};

#[test]
fn golden_files() {
    golden(&inputs(), "ir", &print);
}

/// Every command that runs has a case.
#[test]
fn every_command_has_a_case() {
    let mut texts = String::new();
    for input in inputs() {
        texts.push_str(&std::fs::read_to_string(&input).unwrap());
    }
    let words: Vec<&str> = texts.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let missing =
        commands().iter().map(|command| command.name).filter(|name| !words.contains(name));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// Every function runs with as few arguments as it takes and as many, or is refused by name.
#[test]
fn every_function_is_lowered() {
    for function in functions() {
        let (least, most) = (*function.arguments.start(), *function.arguments.end());
        for count in [least, most.min(4).max(least)] {
            let arguments: Vec<&str> = ["a", "\"b\"", "c", "\"d\""][..count].to_vec();
            let arguments = match function.name {
                "searchmatch" => vec!["\"x=y\""],
                "mvmap" => vec!["a", "a+1"],
                _ => arguments,
            };
            let search = format!("x | eval y={}({})", function.name, arguments.join(", "));
            let (lowered, diagnostics) = lower(&search);
            let codes: Vec<&str> = diagnostics.iter().map(|found| found.code).collect();
            assert_eq!(lowered.is_some(), function.runs(), "{search}: {codes:?}");
            assert!(function.runs() || codes == ["unsupported-function"], "{search}: {codes:?}");
        }
        if least > 0 {
            let (lowered, _) = lower(&format!("x | eval y={}()", function.name));
            assert!(lowered.is_none(), "{}", function.name);
        }
    }
}

#[test]
fn every_aggregate_is_lowered() {
    for aggregate in aggregates().iter().filter(|aggregate| aggregate.runs()) {
        for name in aggregate.names {
            let name = name.replace("<n>", "95");
            let (lowered, diagnostics) = lower(&format!("x | stats {name}(a) AS b BY c"));
            assert!(lowered.is_some(), "{name}: {diagnostics:?}");
        }
    }
}

/// Whatever is refused is refused by its own code.
#[test]
fn refused_commands_say_why() {
    for command in commands() {
        let Some(code) = command.refused else { continue };
        let (lowered, diagnostics) = lower(&format!("x | {} a", command.name));
        assert!(lowered.is_none(), "{}", command.name);
        assert!(diagnostics.iter().any(|found| found.code == code), "{diagnostics:?}");
    }
}

/// Every code that lowering gives is documented, and every documented one has a case.
#[test]
fn codes_are_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagnostics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (before, rest) = page.split_once("## What SPL asks for").expect("a section");
    let section = rest.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let documented: BTreeSet<&str> = rows.map(|(code, _)| code).collect();
    let mut seen = BTreeSet::new();
    for input in inputs() {
        let text = std::fs::read_to_string(&input).unwrap();
        for search in text.split(BETWEEN) {
            let codes = lower(search).1.into_iter().map(|found| found.code);
            // Those of reading alone, and what is common to languages, stand further up.
            seen.extend(codes.filter(|code| !before.contains(&format!("| `{code}` |"))));
        }
    }
    // Everybody has a database here.
    seen.insert("needs-geoip");
    assert_eq!(documented, seen);
}

fn inputs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spl/lowered");
    let entries = std::fs::read_dir(folder).expect("a folder of cases");
    let paths = entries.map(|entry| entry.expect("a case").path());
    let is_input = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "in");
    let mut inputs: Vec<_> = paths.filter(is_input).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no cases");
    inputs
}

fn environment() -> Environment {
    let columns = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    let table = Table {
        name: "assets".into(),
        columns: columns(&["ip", "owner", "place"]),
        rows: Vec::new(),
        matching: Matching::default(),
    };
    let drop = Macro {
        arguments: vec!["set".to_owned()],
        definition: "rename \"$set$.*\" as *".to_owned(),
        is_eval: false,
    };
    Environment {
        macros: [("drop_dm_object_name(1)".to_owned(), drop)].into(),
        tables: [("assets".to_owned(), Arc::new(table))].into(),
        missing_tables: [("seen".to_owned(), "it is not published".to_owned())].into(),
        locates: true,
        ..Environment::default()
    }
}

fn lower(search: &str) -> (Option<Lowered>, Vec<Diagnostic>) {
    let minutes = |minutes: i64| Duration::from_seconds(minutes * 60);
    let clock = Clock::Hop { lookback: minutes(60), interval: minutes(60), offset: minutes(10) };
    let place = |range: Range<usize>| Span::new(range);
    let mut diagnostics = Vec::new();
    let text = Text { search, place: &place, clock, schema: Schema::Splunk, written: None };
    let lowered = read(&text, &environment(), &mut diagnostics);
    assert_eq!(lowered.is_some(), Status::of(&diagnostics).runs(), "{search}: {diagnostics:?}");
    (lowered, diagnostics)
}

/// The search, what it means and what is said.
fn print(search: &str) -> String {
    let (lowered, diagnostics) = lower(search);
    let mut out = String::new();
    search.lines().for_each(|line| {
        let _ = writeln!(out, "{line}");
    });
    if let Some(lowered) = lowered {
        let _ = writeln!(out, "  reads {}", lowered.reads.join(", "));
        // Behind the lines about the rule.
        for line in print_rule(&rule(lowered)).lines().skip(2) {
            let _ = writeln!(out, "{line}");
        }
    }
    for Diagnostic { code, level, message, span, .. } in &diagnostics {
        let at = search.get(span.start..span.end).unwrap_or_default();
        let _ = writeln!(out, "  {} {code}: {message}", level.as_str());
        let _ = writeln!(out, "    on {at:?}");
    }
    out
}

fn rule(lowered: Lowered) -> Rule {
    Rule {
        meta: Meta::default(),
        origin: Origin {
            vendor: Vendor::Query,
            language: Language::Spl,
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

/// Commands that are cut off, put together and changed: whatever comes, nothing panics.
fn search_text() -> impl Strategy<Value = String> {
    let mut parts: Vec<String> = Vec::new();
    for input in inputs() {
        let text = std::fs::read_to_string(input).expect("a text");
        parts.extend(text.split(BETWEEN).flat_map(|search| search.split('|')).map(str::to_owned));
    }
    let piece = prop_oneof![
        6 => (prop::sample::select(parts.clone()), any::<prop::sample::Index>()).prop_map(|(part, at)| {
            let ends: Vec<usize> = part.char_indices().map(|(at, _)| at).chain([part.len()]).collect();
            part[..ends[at.index(ends.len())]].to_owned()
        }),
        6 => prop::sample::select(parts),
        1 => prop::sample::select(vec!["(", ")", "[", "]", "\"", "`", "=", "*", "$a$", "<<FIELD>>", "{a}", "\\"])
            .prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    prop::collection::vec((piece, prop::sample::select(vec!["|", " ", "", " [search "])), 1..7)
        .prop_map(|pieces| pieces.into_iter().map(|(text, sign)| text + sign).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_search_is_lowered(text in search_text()) {
        let (lowered, diagnostics) = lower(&text);
        for diagnostic in &diagnostics {
            let span = diagnostic.span;
            prop_assert!(text.get(span.start..span.end).is_some(), "{diagnostic:?}");
        }
        let Some(lowered) = lowered else { return Ok(()) };
        prop_assert_eq!(wrong_inputs(&lowered), None, "{}", text);
        print_rule(&rule(lowered));
    }
}
