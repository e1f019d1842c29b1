//! `lookup`, `inputlookup`, `iplocation`: what tables and databases know.

use std::sync::Arc;

use rulestone_ir::{
    Diagnostic, Join, JoinKind, Level, Lookup, LookupOutput, RowStage, Source, Span, Table,
};

use super::super::settings::names;
use super::super::{Lowering, Rows};
use super::joins::append_rows;
use crate::spl::ast::{self, Command, Syntax};
use crate::suggest::nearest;

/// Lookups that ask the network.
const NETWORK: [&str; 2] = ["dnslookup", "whois"];

/// A table by its name, with or without `.csv`.
fn table(lowering: &mut Lowering<'_>, name: &str, span: Span) -> Option<Arc<Table>> {
    let stem = name.strip_suffix(".csv").unwrap_or(name);
    let file = format!("{stem}.csv");
    let environment = lowering.environment;
    let spellings = [name, stem, &file];
    if let Some(table) = spellings.iter().find_map(|name| environment.tables.get(*name)) {
        return Some(table.clone());
    }
    let reason = spellings.iter().find_map(|name| environment.missing_tables.get(*name));
    let message = match reason {
        Some(reason) => format!("the table `{name}` is not there: {reason}"),
        None => format!("the table `{name}` is not there"),
    };
    let near = nearest(name, environment.tables.keys().map(String::as_str));
    let near = near.map(|near| format!(", or correct the name: perhaps `{near}`"));
    let help = format!("give it with `--lookups DIR`{}", near.unwrap_or_default());
    let diagnostic = Diagnostic::new(Level::Unsupported, "needs-table", message, span);
    lowering.diagnostics.push(diagnostic.with_help(help));
    None
}

/// `lookup`
pub(in crate::spl) fn lookup(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Lookup { settings, table: name, on, output } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let silent = ["local", "update", "event_time_field"];
    lowering.settings(settings, &[], &silent, command);
    if NETWORK.iter().any(|own| name.value.eq_ignore_ascii_case(own)) {
        let message = format!("`{}` asks the network, and finds nothing here", name.value);
        lowering.approximate("needs-dns", message, name.span);
        return rows;
    }
    let Some(table) = table(lowering, &name.value, name.span) else { return rows };
    let on: Vec<_> = on.iter().map(pair).collect();
    if on.is_empty() {
        return lowering.misread(rows, command);
    }
    for (column, _) in &on {
        if table.column(column).is_none() {
            let message = format!("the table `{}` has no column `{column}`", table.name);
            lowering.note("unknown-column", message, name.span);
        }
    }
    let output = outputs(output.as_ref(), &table, &on);
    lowering.push(rows, RowStage::Lookup(Lookup { table, on, output }), command)
}

fn pair((column, field): &(ast::Name, Option<ast::Name>)) -> (Arc<str>, Arc<str>) {
    (column.value.clone(), field.as_ref().unwrap_or(column).value.clone())
}

/// What a lookup sets; every column that is not asked by where nothing is said.
fn outputs(
    output: Option<&ast::LookupOutput>,
    table: &Table,
    on: &[(Arc<str>, Arc<str>)],
) -> Vec<LookupOutput> {
    match output {
        Some(own) if !own.columns.is_empty() => {
            let pairs = own.columns.iter().map(pair);
            pairs.map(|(column, into)| LookupOutput { column, into, keeps: own.keeps }).collect()
        }
        other => {
            let keeps = other.is_some_and(|own| own.keeps);
            let asked = |name: &Arc<str>| on.iter().any(|(column, _)| column == name);
            let columns = table.columns.iter().filter(|name| !asked(name));
            columns
                .map(|name| LookupOutput { column: name.clone(), into: name.clone(), keeps })
                .collect()
        }
    }
}

/// The rows of a table as a source.
pub(super) fn input_table(lowering: &mut Lowering<'_>, name: &str, span: Span) -> Rows {
    match table(lowering, name, span) {
        Some(table) => lowering.source(Source::Table { table, span }),
        None => lowering.source(Source::Nothing { rows: 0 }),
    }
}

/// `inputlookup`: as the first command or, with `append=t`, behind the rows there are.
pub(in crate::spl) fn input_lookup(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    let Syntax::InputLookup { settings, table: name, filter } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let settings = lowering.settings(settings, &["append", "max", "start"], &["strict"], command);
    let mut own = input_table(lowering, &name.value, name.span);
    if let Some(filter) = filter {
        own = lowering.search(own, filter, command);
    }
    if settings.number("start").is_some_and(|start| start > 0) {
        let message = "`inputlookup` with `start=` is not run";
        lowering.unsupported("unsupported-option", message, command.span);
    }
    if let Some(most) = settings.number("max") {
        let limit = RowStage::Limit { rows: most, from: rulestone_ir::End::Head };
        own = lowering.push(own, limit, command);
    }
    if rows.input.is_none() {
        return own;
    }
    if settings.flag("append", false) {
        return append_rows(lowering, rows, own, command);
    }
    let message = "`inputlookup` without `append=t` can only be the first command";
    lowering.invalid("not-first", message, command.span);
    rows
}

/// `iplocation`
pub(in crate::spl) fn locate(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    let settings = lowering.settings(&own.settings, &["prefix", "allfields"], &["lang"], command);
    let [field] = own.names.as_slice() else { return lowering.misread(rows, command) };
    if !lowering.environment.locates {
        let message = "where addresses are is not known without a database";
        let diagnostic =
            Diagnostic::new(Level::Unsupported, "needs-geoip", message, command.name.span);
        lowering.diagnostics.push(diagnostic.with_help("give one with `--geoip FILE.mmdb`"));
    }
    let locate = RowStage::Locate {
        field: field.value.clone(),
        prefix: settings.text("prefix").unwrap_or_default().into(),
        all_fields: settings.flag("allfields", false),
    };
    lowering.push(rows, locate, command)
}

/// `join` of the rows that have these columns in common.
pub(super) fn join_stage(on: Vec<Arc<str>>, kind: JoinKind, most: Option<u64>) -> Join {
    Join { kind, on, most, overwrite: true, ignore_case: false }
}
