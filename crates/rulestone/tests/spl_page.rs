//! The page of what runs of SPL is generated from the tables: `UPDATE_GOLDEN=1 cargo test` writes
//! it anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use rulestone_dialects::spl::{aggregates, commands, functions};
use rulestone_events::{DatasetField, Views};

#[test]
fn the_page_says_what_the_tables_have() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spl.md");
    let page = page();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &page).expect("the page to write");
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(recorded == page, "docs/spl.md is not what the tables say: UPDATE_GOLDEN=1 mends it");
}

fn page() -> String {
    let mut out = INTRODUCTION.to_owned();
    out.push_str("\n## Commands\n\n| Command | Becomes | Limits |\n|---|---|---|\n");
    let mut all: Vec<_> = commands().iter().collect();
    all.sort_by_key(|command| command.name);
    for command in all.iter().filter(|command| command.refused.is_none()) {
        let _ = writeln!(out, "| `{}` | {} | {} |", command.name, command.becomes, command.limits);
    }
    out.push_str(
        "\nRefused, with the code of the diagnostic:\n\n| Command | Code | Why |\n|---|---|---|\n",
    );
    for command in &all {
        if let Some(code) = command.refused {
            let _ = writeln!(out, "| `{}` | `{code}` | it {} |", command.name, command.limits);
        }
    }
    functions_of_expressions(&mut out);
    functions_of_statistics(&mut out);
    data_models(&mut out);
    out
}

fn functions_of_expressions(out: &mut String) {
    out.push_str(
        "\n## Functions of eval and where\n\n| Function | Arguments | Limits |\n|---|---|---|\n",
    );
    let mut all: Vec<_> = functions().iter().collect();
    all.sort_by_key(|function| function.name);
    for function in all {
        let (least, most) = (function.arguments.start(), function.arguments.end());
        let arguments = match (least, most) {
            (least, most) if least == most => least.to_string(),
            (least, most) if *most >= 64 => format!("{least} or more"),
            (least, most) => format!("{least} to {most}"),
        };
        let refused = if function.runs() { "" } else { "**refused**: " };
        let _ =
            writeln!(out, "| `{}` | {arguments} | {refused}{} |", function.name, function.limits);
    }
}

fn functions_of_statistics(out: &mut String) {
    out.push_str("\n## Functions of stats and its relatives\n\n| Function | Limits |\n|---|---|\n");
    for aggregate in aggregates() {
        let names: Vec<String> = aggregate.names.iter().map(|name| format!("`{name}`")).collect();
        let refused = if aggregate.runs() { "" } else { "**refused**: " };
        let _ = writeln!(out, "| {} | {refused}{} |", names.join(", "), aggregate.limits);
    }
}

fn data_models(out: &mut String) {
    out.push_str(DATA_MODELS);
    let views = Views::built_in().expect("the tables can be read");
    let mut models: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for dataset in views.datasets() {
        models.entry(&dataset.model).or_default().push(dataset);
    }
    for (model, datasets) in models {
        let _ = writeln!(out, "\n### {model}\n\n| Dataset | Tags | Fields |\n|---|---|---|");
        for dataset in datasets {
            let tags: Vec<String> = dataset.tags.iter().map(|any| any.join(" or ")).collect();
            let fields: Vec<String> = dataset
                .fields()
                .map(|(name, field)| match field {
                    DatasetField::AsIs => name.to_string(),
                    DatasetField::Calculated(_) => format!("*{name}*"),
                })
                .collect();
            let parent =
                dataset.parent.as_ref().map_or(String::new(), |p| format!(", a part of {p}"));
            let _ = writeln!(
                out,
                "| {}{parent} | {} | {} |",
                dataset.name,
                tags.join(", "),
                fields.join(", ")
            );
        }
    }
}

const INTRODUCTION: &str = "# SPL: what runs, and its limits

This page is generated from the tables in the code. Searches are run over event logs without an index: what a command does
with rows is what Splunk's documentation says, and where it differs the column *Limits* says how. A search that needs something
that is not here is `unsupported`, with the code of the reason; none is run in part.

* Searches run on the time of events. A rule with a schedule runs on panes: ESCU's hourly searches see one hour of events each,
  and `now()` is ten minutes behind its end. Stages that look at one row alone run on every event at once.
* `index=` is taken for true: logs have no index. A rule that names one has the note `index-ignored`.
* Row and time limits of Splunk (10,000 rows of a `sort`, 50,000 of a subsearch) are not applied. What a stage keeps is counted
  against `--memory`; a pane that would need more is refused by name, never cut.
* Fields are those that the add-ons for each source extract (`rulestone debug view` shows how a name reads); data models are
  calculated from them, without acceleration.
* Macros and lookups are those of the rule set that `-r` names, and of `--macros` and `--lookups`.
";

const DATA_MODELS: &str = "
## Data models

The datasets that `tstats`, `from` and `datamodel` read, with the tags that put an event there. Fields *in italics* are calculated:
most read `unknown` where the event has nothing. Others are null then.
";
