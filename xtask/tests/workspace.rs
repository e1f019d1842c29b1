//! The workspace keeps the shape that ARCHITECTURE.md gives it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use xtask::{paths, rust_files, without_comments, without_texts, words};

/// Crates and what each may use, without the prefix that all of them have.
type Table = BTreeMap<String, BTreeSet<String>>;

const PREFIX: &str = "rulestone-";

/// Languages and vendors. The engine runs what the IR says, whoever said it.
const NAMES: &[&str] = &[
    "sigma",
    "sigmahq",
    "pysigma",
    "splunk",
    "spl",
    "escu",
    "anvilogic",
    "snowflake",
    "elastic",
    "elasticsearch",
    "kibana",
    "ecs",
    "eql",
    "kql",
    "kuery",
    "lucene",
    "esql",
    "fortinet",
    "fortisiem",
];

/// What reads or changes the world outside. An address is a value and may be used.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::process",
    "std::os",
    "std::thread",
    "std::time",
    "core::net",
];
const ADDRESSES: &[&str] = &["IpAddr", "Ipv4Addr", "Ipv6Addr", "AddrParseError"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = root().join(folder);
    let files = rust_files(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    assert!(!files.is_empty(), "no sources in {}", folder.display());
    files.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

/// The table under the heading "Crates".
fn declared(document: &str) -> Table {
    let section = document.split("\n## ").find(|section| section.starts_with("Crates\n"));
    let rows = section.expect("a section called Crates").lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.trim_end_matches('|').split('|').collect();
        let name = cells.first()?.trim().trim_matches('`');
        let uses = cells.last()?.split(',').map(str::trim).filter(|name| *name != "nothing");
        Some((short(name).to_owned(), uses.map(str::to_owned).collect()))
    });
    rows.collect()
}

fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// What Cargo says: the crates of the workspace and those of them that each one uses, but for
/// its tests.
fn actual() -> Table {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    edges(&metadata)
}

fn edges(metadata: &Value) -> Table {
    let packages = metadata["packages"].as_array().expect("packages");
    let name = |of: &Value| short(of["name"].as_str().expect("a name")).to_owned();
    let names: BTreeSet<String> = packages.iter().map(name).collect();
    let uses = |package: &Value| {
        let all = package["dependencies"].as_array().expect("dependencies").iter();
        let normal = all.filter(|dependency| dependency["kind"].as_str() != Some("dev"));
        normal.map(name).filter(|used| names.contains(used)).collect()
    };
    packages.iter().map(|package| (name(package), uses(package))).collect()
}

/// Where what is there departs from what is declared.
fn departures(declared: &Table, actual: &Table) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, uses) in actual {
        let Some(allowed) = declared.get(name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        let others = uses.difference(allowed);
        wrong.extend(others.map(|used| format!("{name} uses {used}, which the table forbids")));
        let unknown = allowed.iter().filter(|used| !actual.contains_key(*used));
        wrong.extend(unknown.map(|used| format!("{name} may use {used}, which does not exist")));
        let unused = allowed.difference(uses).filter(|used| actual.contains_key(*used));
        wrong.extend(unused.map(|used| format!("{name} does not use {used}, as the table says")));
    }
    let gone = declared.keys().filter(|name| !actual.contains_key(*name));
    wrong.extend(gone.map(|name| format!("{name} is in the table and does not exist")));
    wrong
}

#[test]
fn crates_use_what_the_table_allows() {
    let declared = declared(&read(&root().join("ARCHITECTURE.md")));
    let actual = actual();
    assert!(actual.len() >= 8, "too few crates: {actual:?}");
    let wrong = departures(&declared, &actual);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The lints hold much of what ARCHITECTURE.md promises: no printing, no unsafe code.
#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    for name in actual().keys() {
        let folder = if name == "xtask" { "xtask".to_owned() } else { format!("crates/{name}") };
        let manifest = read(&root().join(folder).join("Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name} sets its own lints");
    }
}

#[test]
fn departures_are_found() {
    let table = |text: &str| declared(&format!("# A\n\n## Crates\n\n{text}\n## B\n"));
    let own =
        table("| `rulestone-a` | x | nothing |\n| `rulestone-b` | x | a |\n| `c` | x | a, b |");
    assert_eq!(departures(&own, &own), Vec::<String>::new());
    let cases = [
        ("| `rulestone-a` | x | nothing |\n| `rulestone-b` | x | a |", "c is in the table"),
        ("| `a` | x | nothing |\n| `b` | x | a |\n| `c` | x | a, b |\n| `d` | x | a |", "d is not"),
        ("| `a` | x | b |\n| `b` | x | a |\n| `c` | x | a, b |", "a uses b"),
        ("| `a` | x | nothing |\n| `b` | x | a |\n| `c` | x | a |", "c does not use b"),
    ];
    for (actual, expected) in cases {
        let wrong = departures(&own, &table(actual));
        assert!(wrong.len() == 1 && wrong[0].starts_with(expected), "{expected}: {wrong:?}");
    }
}

#[test]
fn tests_may_use_more() {
    let metadata = serde_json::json!({"packages": [
        {"name": "rulestone-a", "dependencies": [
            {"name": "rulestone-b", "kind": null}, {"name": "serde", "kind": null},
            {"name": "rulestone-c", "kind": "dev"}, {"name": "rulestone-d", "kind": "build"}]},
        {"name": "rulestone-b", "dependencies": []},
        {"name": "rulestone-c", "dependencies": []},
        {"name": "rulestone-d", "dependencies": []}]});
    assert_eq!(edges(&metadata)["a"], BTreeSet::from(["b".to_owned(), "d".to_owned()]));
}

/// Even where the table would allow it.
#[test]
fn the_ir_and_the_events_do_not_know_each_other() {
    let actual = actual();
    assert!(!actual["ir"].contains("events"));
    assert!(!actual["events"].contains("ir"));
}

#[test]
fn the_engine_names_no_language() {
    let mut wrong = Vec::new();
    for (path, source) in sources("crates/engine/src") {
        for (at, line) in without_comments(&source).lines().enumerate() {
            let named = words(line).into_iter().find(|word| NAMES.contains(&word.as_str()));
            wrong.extend(named.map(|name| format!("{}: {name}: {line} ({at})", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn dialects_do_not_look_outside() {
    let mut wrong = Vec::new();
    for (path, source) in sources("crates/dialects/src") {
        let outside = outside(&source).into_iter();
        wrong.extend(outside.map(|used| format!("{}: {used}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The paths in a source that lead outside.
fn outside(source: &str) -> Vec<String> {
    let mut found = paths(&without_texts(source));
    found.retain(|path| {
        let behind = |prefix: &&str| {
            let rest = path.strip_prefix(*prefix)?;
            (rest.is_empty() || rest.starts_with("::")).then(|| rest.trim_start_matches("::"))
        };
        let Some(rest) = OUTSIDE.iter().find_map(behind) else { return false };
        !(path.contains("::net::") && ADDRESSES.contains(&rest.split("::").next().unwrap_or("")))
    });
    found
}

#[test]
fn what_leads_outside_is_found() {
    let cases = [
        ("use std::net::IpAddr; // std::fs", ""),
        ("use std::{fmt, net::{IpAddr, TcpStream}};", "std::net::TcpStream"),
        ("let t = std::time::SystemTime::now();", "std::time::SystemTime::now"),
        ("use std::fs;", "std::fs"),
        ("use std::fsx; \"std::fs\"", ""),
        ("use std::time::*;", "std::time"),
        ("use std::net::Ipv4Addr; Ipv4Addr::new(1, 2, 3, 4)", ""),
    ];
    for (source, expected) in cases {
        assert_eq!(outside(source).join(" "), expected, "{source}");
    }
}

#[test]
fn sibling_languages_do_not_import_each_other() {
    let folder = root().join("crates/dialects/src");
    let entries = std::fs::read_dir(&folder).expect("dialects");
    let folders = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir());
    let languages: BTreeSet<String> = folders
        .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .filter(|name| name != "containers")
        .collect();
    assert!(languages.contains("sigma"), "{languages:?}");
    let mut wrong = Vec::new();
    for own in &languages {
        for (path, source) in sources(&format!("crates/dialects/src/{own}")) {
            let found = siblings(&source, own, &languages).into_iter();
            wrong.extend(found.map(|used| format!("{}: {used}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The paths in a language's source that lead into another one.
fn siblings(source: &str, own: &str, languages: &BTreeSet<String>) -> Vec<String> {
    let mut found = paths(&without_texts(source));
    found.retain(|path| {
        let mut parts = path.split("::").skip_while(|part| *part == "super");
        let first = parts.next().unwrap_or_default();
        let module = if first == "crate" { parts.next().unwrap_or_default() } else { first };
        path.contains("::") && module != own && languages.contains(module)
    });
    found
}

#[test]
fn imports_of_siblings_are_found() {
    let languages: BTreeSet<String> = ["eql", "spl"].map(str::to_owned).into();
    let cases = [
        ("use crate::eql::ast; use super::eql::x;", ""),
        ("use crate::{containers::yaml, spl::{ast, lexer}};", "crate::spl::ast crate::spl::lexer"),
        ("super::super::spl::tokens(text)", "super::super::spl::tokens"),
        ("let spl = 1; // crate::spl::x", ""),
    ];
    for (source, expected) in cases {
        assert_eq!(siblings(source, "eql", &languages).join(" "), expected, "{source}");
    }
}
