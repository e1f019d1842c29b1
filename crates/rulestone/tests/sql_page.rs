//! The page of what runs of SQL is generated from the tables: `UPDATE_GOLDEN=1 cargo test` writes
//! it anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use rulestone_dialects::snowflake::{TABLES, functions};
use rulestone_events::Views;

#[test]
fn the_page_says_what_the_tables_have() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/snowflake.md");
    let page = page();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &page).expect("the page to write");
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    let mends = "docs/snowflake.md is not what the tables say: UPDATE_GOLDEN=1 mends it";
    assert!(recorded == page, "{mends}");
}

const INTRODUCTION: &str = r"# What runs of Snowflake SQL

Generated from the tables of the code. A file `NAME.sql` holds one query; comments before it are its title and its description. What is
refused is `unsupported` with its place and reason, see [diagnostics.md](diagnostics.md).

A query is `select` with `with`, `where`, `group by`, `having`, `qualify`, `order by`, `limit`, `distinct` and `union`, over tables,
queries in brackets, `lateral flatten`, and joins on equal columns. `in (select …)` runs where all of `where` has to hold.

- Conditions have three values: `not x ilike 'a'` leaves out events without an `x`.
- `regexp_like`, `rlike` and `regexp` want the whole text; nothing escapes `%` and `_` of `like` unless `escape` says so.
- In a literal `\\` is a backslash, and a backslash before a letter that has no meaning behind one is left out: `'\\\.exe'` is `\.exe`.
- `event_time > dateadd(hour, -2, sysdate())`, `$earliest$` and `$latest$` are the schedule. A query that looks at one event at a time looks
  at each once, so they say nothing; else the rule looks back so far, and as often.
- Columns are looked for in lower case, in quotes as they are written. `raw:a.b` is the event's own field `a.b`.
- Tables that `--lookups` brings are read and joined by their names.
";

fn page() -> String {
    let mut out = INTRODUCTION.to_owned();
    out.push_str("\n## Tables\n\n| Table | Events |\n|---|---|\n");
    let views = Views::built_in().expect("the tables");
    for table in TABLES {
        let _ = writeln!(out, "| `{table}` | {} |", kinds(&views, table));
    }
    out.push_str("\n## Functions\n\n| Function | Arguments | Limits |\n|---|---|---|\n");
    let mut all: Vec<_> = functions().iter().collect();
    all.retain(|function| function.name.starts_with(|c: char| c.is_ascii_alphabetic()));
    all.sort_by_key(|function| function.name);
    for function in all {
        let (least, most) = (function.arguments.start(), function.arguments.end());
        let arguments = match (least, most) {
            (least, most) if least == most => least.to_string(),
            (least, most) if *most >= 64 => format!("{least} or more"),
            (least, most) => format!("{least} to {most}"),
        };
        let refused = if function.runs() { "" } else { "**refused**: " };
        let (name, limits) = (function.name, function.limits);
        let _ = writeln!(out, "| `{name}` | {arguments} | {refused}{limits} |");
    }
    out
}

/// The kinds of events in a table, in words.
fn kinds(views: &Views, table: &str) -> String {
    let keys = BTreeMap::from([("table".into(), table.into())]);
    let kinds = views.scope("anvilogic", &keys);
    assert!(!kinds.is_empty(), "no events are in {table}");
    let mut labels: Vec<String> = Vec::new();
    for kind in kinds {
        let stands_in = if kind.stand_in.is_some() { " (in its place)" } else { "" };
        let label = kind.kinds.last().map(rulestone_events::KindMatch::label);
        let label = format!("{}{stands_in}", label.unwrap_or_default());
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels.join(", ")
}
