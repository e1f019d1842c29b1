//! `tstats`, `from` and `datamodel`: events by the names of a data model.

use rulestone_ir::{Aggregate, Formula, NullKey, RowStage, Source};

use super::super::search::raising;
use super::super::{Lowering, Rows, time};
use super::bins::BINS;
use super::stats::{bin_time, key_names, measures, rename_key};
use super::tables::input_table;
use crate::spl::ast::{Command, Name, Search, Syntax, Tstats};
use crate::spl::lint;

/// The data model of what rules raise.
const ALERTS: &str = "Risk";
/// The store that its data sets are read from.
const RISK: &str = "risk";
/// The first data set of models that are not called like it.
const ROOTS: [(&str, &str); 14] = [
    ("Certificates", "All_Certificates"),
    ("Change", "All_Changes"),
    ("Change_Analysis", "All_Changes"),
    ("Databases", "All_Databases"),
    ("Email", "All_Email"),
    ("Intrusion_Detection", "IDS_Attacks"),
    ("Inventory", "All_Inventory"),
    ("Malware", "Malware_Attacks"),
    ("Network_Resolution", "DNS"),
    ("Network_Sessions", "All_Sessions"),
    ("Network_Traffic", "All_Traffic"),
    ("Performance", "All_Performance"),
    ("Risk", "All_Risk"),
    ("UEBA", "All_UEBA_Events"),
];

/// `tstats`. That summaries are asked for or not changes nothing: there are none.
pub(in crate::spl) fn tstats(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Tstats(own) = &command.syntax else { return lowering.misread(rows, command) };
    let known = ["fillnull_value", "prestats", "append", "span"];
    let silent = [
        "summariesonly",
        "allow_old_summaries",
        "chunk_size",
        "include_reduced_buckets",
        "use_summary_index_values",
        "local",
    ];
    let settings = lowering.settings(&own.settings, &known, &silent, command);
    for option in ["prestats", "append"] {
        if settings.flag(option, false) {
            let message = format!("`tstats` with `{option}=t` is not run");
            lowering.unsupported("unsupported-option", message, command.span);
        }
    }
    let null = settings.text("fillnull_value").map(str::to_owned);
    let span = own.span.as_ref().or_else(|| settings.get("span"));
    let before = std::mem::replace(&mut lowering.model, own.datamodel.is_some());
    let counted = counted(lowering, own, span, null, command);
    lowering.model = before;
    if rows.input.is_some() {
        let message = "`tstats` reads events, and can only be the first command";
        lowering.invalid("not-first", message, command.span);
    }
    counted
}

fn counted(
    lowering: &mut Lowering<'_>,
    own: &Tstats,
    span: Option<&Name>,
    fill: Option<String>,
    command: &Command,
) -> Rows {
    let mut rows = match &own.datamodel {
        Some(model) => {
            let environment = lowering.environment;
            lint::models::look(&model.value, command, environment, lowering.diagnostics);
            let prefix = prefix(own);
            model_rows(lowering, model, prefix.as_deref())
        }
        None => lowering.events(&[]),
    };
    if let Some(filter) = &own.filter {
        rows = lowering.search(rows, filter, command);
    }
    let mut by = key_names(lowering, &own.by);
    if by.iter().any(|(field, _)| &**field == "_time") {
        let width = match span {
            Some(span) => {
                let width = time::span(&span.value, true);
                if width.is_none() && !span.value.eq_ignore_ascii_case("auto") {
                    let message = format!("`{}` is no width of bins", span.value);
                    lowering.invalid("bad-span", message, span.span);
                }
                width
            }
            None => None,
        };
        let width = width.unwrap_or_else(|| {
            let message = "`by _time` without a span: it follows from the time the run looks at";
            lowering.note_once("auto-span", message, command.span);
            time::auto_span(&lowering.clock, BINS)
        });
        rows = bin_time(lowering, rows, width, command);
        rename_key(&mut by);
    }
    let measures = measures(lowering, &own.measures, &rows);
    if own.measures.is_empty() {
        return lowering.misread(rows, command);
    }
    let null = fill.map_or(NullKey::Drop, NullKey::Fill);
    let empty_row = by.is_empty();
    let aggregate = Aggregate { by, null, measures, empty_row };
    lowering.push(rows, RowStage::Aggregate(aggregate), command)
}

/// The data set that stands before the names of a `tstats`.
fn prefix(own: &Tstats) -> Option<String> {
    let names = own.by.iter().map(|name| &*name.value);
    let first = |name: &str| name.split_once('.').map(|(set, _)| set.to_owned());
    let mut found = names.filter_map(first).next();
    if let (None, Some(filter)) = (&found, &own.filter) {
        found = first_field(filter).as_deref().and_then(first);
    }
    found
}

fn first_field(search: &Search) -> Option<String> {
    match search {
        Search::And(parts) | Search::Or(parts) => parts.iter().find_map(first_field),
        Search::Not(part, _) => first_field(part),
        Search::Compare { field, .. } | Search::In { field, .. } => {
            field.value.contains('.').then(|| field.value.to_string())
        }
        _ => None,
    }
}

/// The events of a data model, or alerts of that of risk.
fn model_rows(lowering: &mut Lowering<'_>, name: &Name, prefix: Option<&str>) -> Rows {
    let (model, dataset) = match name.value.split_once('.') {
        Some((model, dataset)) => (model, dataset.rsplit('.').next().unwrap_or(dataset)),
        None => {
            let root = ROOTS.iter().find(|(model, _)| *model == &*name.value);
            (&*name.value, prefix.or(root.map(|(_, root)| *root)).unwrap_or(&name.value))
        }
    };
    let scope = lowering.scope(&[("model", model), ("dataset", dataset)]);
    let schema = lowering.schema;
    lowering.source(if model == ALERTS {
        Source::Alerts { scope, filter: raising(schema, RISK, name.span) }
    } else {
        Source::Events { scope, filter: Formula::TRUE }
    })
}

/// `from datamodel:Model.Dataset`, `datamodel Model Dataset search`.
pub(in crate::spl) fn from(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    if rows.input.is_some() {
        let message = "it reads events, and can only be the first command";
        lowering.invalid("not-first", message, command.span);
        return rows;
    }
    match &command.syntax {
        Syntax::From { dataset, form, settings } => {
            let silent = ["summariesonly", "allow_old_summaries", "strict_fields"];
            lowering.settings(settings, &[], &silent, command);
            let is_command = command.name.value.eq_ignore_ascii_case("datamodel");
            let form = form.as_ref().map(|form| form.value.to_ascii_lowercase());
            if is_command && !matches!(form.as_deref(), Some("search" | "flat")) {
                let message = "`datamodel` without `search` shows the model, not events";
                lowering.unsupported("unsupported-option", message, command.span);
            }
            model_rows(lowering, dataset, None)
        }
        Syntax::Other { text } => {
            let (kind, name) = text.value.split_once([':', ' ']).unwrap_or(("", &text.value));
            let lookup =
                matches!(kind.trim().to_ascii_lowercase().as_str(), "lookup" | "inputlookup");
            if lookup {
                return input_table(lowering, name.trim().trim_matches('"'), text.span);
            }
            let message = format!("what `{}` stands for is not in the search", text.value.trim());
            lowering.unsupported("needs-saved-search", message, text.span);
            rows
        }
        _ => lowering.misread(rows, command),
    }
}
