//! Stages over rows and expressions as text.

use std::fmt::Write;
use std::sync::Arc;

use rulestone_value::Value;

use super::{print_into, print_null};
use crate::{
    AbsentSource, Aggregate, Aggregator, BinBy, Collation, Dedup, End, Expr, Extract, Extractor,
    FillFields, Frame, Join, JoinKind, Keep, Lookup, MapTest, Measured, NamePattern, Pivot,
    Project, RowMeasure, RowStage, SortKey, Target, Totals, Transaction, Window,
};

/// The word for a stage.
pub(super) const fn word(stage: &RowStage) -> &'static str {
    match stage {
        RowStage::Filter { .. } => "filter",
        RowStage::Extract(_) => "extract",
        RowStage::Compute { .. } => "compute",
        RowStage::Project(_) => "project",
        RowStage::Rename { .. } => "rename",
        RowStage::Bin { .. } => "bin",
        RowStage::Fill { .. } => "fill",
        RowStage::Expand { .. } => "expand",
        RowStage::Lookup(_) => "lookup",
        RowStage::Locate { .. } => "locate",
        RowStage::Aggregate(_) => "aggregate",
        RowStage::Window(_) => "window",
        RowStage::Dedup(_) => "dedup",
        RowStage::Sort { .. } => "sort",
        RowStage::Limit { .. } => "limit",
        RowStage::Join(_) => "join",
        RowStage::Append => "append",
        RowStage::AppendColumns { .. } => "append_columns",
        RowStage::Transaction(_) => "transaction",
        RowStage::ForEachRow { .. } => "for_each_row",
        RowStage::Pivot(_) => "pivot",
        RowStage::Unpivot { .. } => "unpivot",
        RowStage::Transpose { .. } => "transpose",
        RowStage::Totals(_) => "totals",
        RowStage::Continue { .. } => "continue",
        RowStage::FillDown { .. } => "fill_down",
        RowStage::Combine { .. } => "combine",
        RowStage::Reverse => "reverse",
    }
}

/// What stands behind the word and the inputs, `native` last on the first line.
pub(super) fn print(stage: &RowStage, native: &str, out: &mut String) {
    let mut below = String::new();
    match stage {
        RowStage::Filter { condition } => print_into(condition, 4, &mut below),
        RowStage::Extract(extract) => print_extract(extract, out),
        RowStage::Compute { steps } => {
            for (target, expr) in steps {
                let _ = writeln!(below, "    {} = {}", target_text(target), print_expr(expr));
            }
        }
        RowStage::Project(project) => print_project(project, out),
        RowStage::Rename { pairs, absent } => {
            let pairs =
                pairs.iter().map(|(old, new)| format!("{} -> {}", old.as_str(), new.as_str()));
            let _ = write!(out, "  {}", pairs.collect::<Vec<_>>().join(", "));
            out.push_str(match absent {
                AbsentSource::Clears => "  absent clears",
                AbsentSource::Nothing => "  absent nothing",
            });
        }
        RowStage::Bin { field, by, into } => {
            let _ = write!(out, "  {into} = floor({field}, {})", bin_text(by));
        }
        RowStage::Fill { fields, value } => {
            let fields = match fields {
                FillFields::All => "all of the pane".to_owned(),
                FillFields::Names(names) => names.join(", "),
            };
            let _ = write!(out, "  {fields}  value {}", literal(value));
        }
        RowStage::Expand { field, limit } => {
            let _ = write!(out, "  {field}");
            option("limit", limit, out);
        }
        RowStage::Lookup(lookup) => print_lookup(lookup, out),
        RowStage::Locate { field, prefix, all_fields } => {
            let _ = write!(out, "  {field}  prefix {prefix:?}");
            out.push_str(if *all_fields { "  all_fields" } else { "" });
        }
        RowStage::Aggregate(aggregate) => print_aggregate(aggregate, out, &mut below),
        RowStage::Window(window) => print_window(window, out, &mut below),
        RowStage::Dedup(dedup) => print_dedup(dedup, out),
        RowStage::Sort { keys, limit } => {
            let _ = write!(out, "  {}", keys.iter().map(key_text).collect::<Vec<_>>().join(", "));
            option("limit", limit, out);
        }
        RowStage::Limit { rows, from } => {
            let from = if *from == End::Head { "head" } else { "tail" };
            let _ = write!(out, "  {from} {rows}");
        }
        RowStage::Join(join) => print_join(join, out),
        RowStage::AppendColumns { overwrite } => {
            out.push_str(if *overwrite { "  overwrite" } else { "" });
        }
        RowStage::Transaction(own) => print_transaction(own, out, &mut below),
        RowStage::ForEachRow { on, most } => {
            for (field, test) in on {
                let _ = match test {
                    MapTest::Equals(column) => write!(out, "  {column} equals ${field}$"),
                    MapTest::Term(column) => write!(out, "  {column} term ${field}$"),
                };
            }
            let _ = write!(out, "  most {most}");
        }
        RowStage::Pivot(pivot) => print_pivot(pivot, out),
        RowStage::Unpivot { row, name, value } => {
            let _ = write!(out, "  {row}, {name}, {value}");
        }
        RowStage::Transpose { rows, header, column } => {
            let _ = write!(out, "  rows {rows}  column {column}");
            option("header", header, out);
        }
        RowStage::Totals(totals) => print_totals(totals, out),
        RowStage::Continue { field, by } => {
            let _ = write!(out, "  {field} by {}", bin_text(by));
        }
        RowStage::FillDown { fields } => {
            let _ = write!(out, "  {}", patterns(fields));
        }
        RowStage::Combine { field, joined } => {
            let _ = write!(out, "  {field}");
            option("joined", &joined.as_ref().map(|between| format!("{between:?}")), out);
        }
        RowStage::Append | RowStage::Reverse => {}
    }
    let _ = writeln!(out, "  # {native}");
    out.push_str(&below);
}

/// A parameter that may be missing.
fn option(word: &str, value: &Option<impl std::fmt::Display>, out: &mut String) {
    if let Some(value) = value {
        let _ = write!(out, "  {word} {value}");
    }
}

fn patterns(names: &[NamePattern]) -> String {
    names.iter().map(NamePattern::as_str).collect::<Vec<_>>().join(", ")
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => format!("{text:?}"),
        Value::List(values) => {
            format!("[{}]", values.iter().map(literal).collect::<Vec<_>>().join(", "))
        }
        value => value.text().unwrap_or_default().into_owned(),
    }
}

/// An expression on one line; a formula in it as a tree in braces, its lines joined.
pub fn print_expr(expr: &Expr) -> String {
    match expr {
        Expr::Literal(value) => literal(value),
        Expr::Field(name) => name.to_string(),
        Expr::Indirect(name) => format!("{{{name}}}"),
        Expr::This => "this".to_owned(),
        Expr::ThisName => "this_name".to_owned(),
        Expr::ThisMatch => "this_match".to_owned(),
        Expr::Sibling(pattern) => format!("sibling {pattern:?}"),
        Expr::Holds(formula) => {
            let mut tree = String::new();
            print_into(formula, 0, &mut tree);
            let lines: Vec<&str> = tree.lines().map(str::trim).collect();
            format!("holds{{{}}}", lines.join("; "))
        }
        Expr::Call { function, arguments, .. } => {
            let arguments: Vec<String> = arguments.iter().map(print_expr).collect();
            format!("{}({})", function.name(), arguments.join(", "))
        }
    }
}

fn target_text(target: &Target) -> String {
    match target {
        Target::Name(name) => name.to_string(),
        Target::Indirect(name) => format!("{{{name}}}"),
        Target::Each(names, into) => format!("each {} as {}", patterns(names), into.as_str()),
    }
}

fn print_extract(extract: &Extract, out: &mut String) {
    let _ = write!(out, "  {}  ", extract.from);
    let _ = match &extract.by {
        Extractor::Captures { regex, most, offsets } => {
            let _ = write!(out, "captures /{}/  most {most}", regex.pattern);
            match offsets {
                Some(name) => write!(out, "  offsets {name}"),
                None => Ok(()),
            }
        }
        Extractor::Replace { regex, with, most } => {
            let _ = write!(out, "replace /{}/ {with:?}", regex.pattern);
            match most {
                Some(most) => write!(out, "  most {most}"),
                None => Ok(()),
            }
        }
        Extractor::Translate(from, to) => write!(out, "translate {from:?} {to:?}"),
        Extractor::Paths { path: None } => write!(out, "paths"),
        Extractor::Paths { path: Some((path, into)) } => write!(out, "path {path} -> {into}"),
        Extractor::JsonMembers(prefix) => write!(out, "json members {prefix:?}"),
        Extractor::XmlValues => write!(out, "xml values"),
        Extractor::Pairs { between, equals } => {
            out.push_str("pairs");
            option("between", &between.as_ref().map(|text| format!("{text:?}")), out);
            option("equals", &equals.as_ref().map(|text| format!("{text:?}")), out);
            Ok(())
        }
    };
}

fn print_project(project: &Project, out: &mut String) {
    let keep = |keep| if keep == Keep::Keep { "keep" } else { "drop" };
    let _ = write!(out, "  {} {}", keep(project.mode), patterns(&project.names));
    let _ = write!(out, "  internal {}", keep(project.internal));
    out.push_str(if project.ordered { "  ordered" } else { "" });
}

fn bin_text(by: &BinBy) -> String {
    match by {
        BinBy::Span(span) => span.to_string(),
        BinBy::Months(months) => format!("{months}mon"),
        BinBy::Number(number) => number.to_string(),
        BinBy::Log(factor, base) => format!("{factor}log{base}"),
        BinBy::Auto(most) => format!("auto {most}"),
    }
}

fn print_lookup(lookup: &Lookup, out: &mut String) {
    let on = lookup.on.iter().map(|(column, field)| format!("{column} = {field}"));
    let output = lookup.output.iter().map(|output| {
        let keeps = if output.keeps { " unless set" } else { "" };
        format!("{} -> {}{keeps}", output.column, output.into)
    });
    let _ = write!(out, "  {}  on {}", lookup.table.name, on.collect::<Vec<_>>().join(", "));
    let _ = write!(out, "  output {}", output.collect::<Vec<_>>().join(", "));
}

fn print_aggregate(aggregate: &Aggregate, out: &mut String, below: &mut String) {
    let keys = aggregate.by.iter().map(|(field, into)| {
        if field == into { field.to_string() } else { format!("{field} as {into}") }
    });
    let keys: Vec<String> = keys.collect();
    if !keys.is_empty() {
        let _ = write!(out, "  by {}", keys.join(", "));
        print_null(&aggregate.null, out);
        out.push_str("  lists fan_out");
    }
    out.push_str(if aggregate.empty_row { "  empty one_row" } else { "" });
    print_measures(&aggregate.measures, below);
}

fn print_measures(measures: &[RowMeasure], below: &mut String) {
    for measure in measures {
        let of = match &measure.of {
            Measured::Rows => String::new(),
            Measured::Expr(expr) => print_expr(expr),
            Measured::Where(expr) => format!("where {}", print_expr(expr)),
            Measured::Columns(names) => format!("each {}", names.as_str()),
        };
        let function = aggregator_text(measure.function);
        let _ = writeln!(below, "    {} = {function}({of})", measure.into.as_str());
    }
}

fn aggregator_text(aggregator: Aggregator) -> String {
    let word = match aggregator {
        Aggregator::Count => "count",
        Aggregator::DistinctCount => "distinct_count",
        Aggregator::Sum => "sum",
        Aggregator::SumOfSquares => "sum_of_squares",
        Aggregator::Mean => "mean",
        Aggregator::Min => "min",
        Aggregator::Max => "max",
        Aggregator::Range => "range",
        Aggregator::StdevSample => "stdev_sample",
        Aggregator::StdevPopulation => "stdev_population",
        Aggregator::VarianceSample => "variance_sample",
        Aggregator::VariancePopulation => "variance_population",
        Aggregator::Median => "median",
        Aggregator::Percentile(percent) => return format!("percentile {percent} nearest_rank"),
        Aggregator::Mode => "mode",
        Aggregator::Values(0) => "values",
        Aggregator::Values(most) => return format!("values {most}"),
        Aggregator::List(most) => return format!("list {most}"),
        Aggregator::First => "first",
        Aggregator::Last => "last",
        Aggregator::Earliest => "earliest",
        Aggregator::Latest => "latest",
        Aggregator::EarliestTime => "earliest_time",
        Aggregator::LatestTime => "latest_time",
        Aggregator::Rate => "rate",
    };
    word.to_owned()
}

fn print_window(window: &Window, out: &mut String, below: &mut String) {
    if !window.by.is_empty() {
        let _ = write!(out, "  by {}", window.by.join(", "));
    }
    match &window.frame {
        Frame::Whole => out.push_str("  frame whole"),
        Frame::Running {
            rows,
            time,
            current,
            shared,
            reset_on_change,
            reset_after,
            reset_before,
        } => {
            out.push_str("  frame running");
            option("rows", rows, out);
            option("time", time, out);
            out.push_str(if *current { "  current yes" } else { "  current no" });
            out.push_str(if *shared { "  shared" } else { "" });
            out.push_str(if *reset_on_change { "  reset on_change" } else { "" });
            for (word, formula) in [("after", reset_after), ("before", reset_before)] {
                if let Some(formula) = formula {
                    let _ = writeln!(below, "    reset {word}");
                    print_into(formula, 6, below);
                }
            }
        }
    }
    print_measures(&window.measures, below);
}

fn print_dedup(dedup: &Dedup, out: &mut String) {
    let null = if dedup.null == Keep::Keep { "keep" } else { "drop" };
    let _ = write!(out, "  by {}  keep {}  null {null}", dedup.by.join(", "), dedup.keep);
    out.push_str(if dedup.consecutive { "  consecutive" } else { "" });
    out.push_str(if dedup.keep_rows { "  keep_rows" } else { "" });
}

fn key_text(key: &SortKey) -> String {
    let collation = match key.collation {
        Collation::Auto => "",
        Collation::Text => " as text",
        Collation::Number => " as number",
        Collation::Address => " as address",
    };
    format!("{}{collation}{}", key.field, if key.descending { " descending" } else { "" })
}

fn print_join(join: &Join, out: &mut String) {
    let kind = match join.kind {
        JoinKind::Inner => "inner",
        JoinKind::Left => "left",
        JoinKind::Semi => "semi",
        JoinKind::Anti => "anti",
    };
    let _ = write!(out, "  {kind}");
    if !join.on.is_empty() {
        let _ = write!(out, " on {}", join.on.join(", "));
    }
    option("most", &join.most, out);
    out.push_str(if join.overwrite { "  overwrite" } else { "" });
    out.push_str(if join.ignore_case { "  ignore_case" } else { "" });
}

fn print_transaction(own: &Transaction, out: &mut String, below: &mut String) {
    if !own.by.is_empty() {
        let _ = write!(out, "  by {}", own.by.join(", "));
    }
    option("max_span", &own.max_span, out);
    option("max_pause", &own.max_pause, out);
    let yes = |yes| if yes { "yes" } else { "no" };
    let _ = write!(out, "  max_events {}  connected {}", own.max_events, yes(own.connected));
    let _ = write!(out, "  keep_evicted {}", yes(own.keep_evicted));
    out.push_str(if own.keep_lists { "  keep_lists" } else { "" });
    for (word, formula) in [("starts", &own.starts), ("ends", &own.ends)] {
        if let Some(formula) = formula {
            let _ = writeln!(below, "    {word}");
            print_into(formula, 6, below);
        }
    }
}

fn print_pivot(pivot: &Pivot, out: &mut String) {
    let names = |names: &[Arc<str>]| names.join(", ");
    let _ = write!(out, "  row {}  column {}", names(&pivot.row), pivot.column);
    let _ = write!(out, "  values {}  most {}", names(&pivot.values), pivot.most);
    out.push_str(if pivot.other { "  other yes" } else { "  other no" });
    out.push_str(if pivot.null { "  null yes" } else { "  null no" });
    option("fill", &pivot.fill.as_ref().map(literal), out);
}

fn print_totals(totals: &Totals, out: &mut String) {
    if !totals.fields.is_empty() {
        let _ = write!(out, "  {}", patterns(&totals.fields));
    }
    option("row", &totals.row, out);
    out.push_str(if totals.column { "  column" } else { "" });
    let label = totals.label.as_ref().map(|(field, text)| format!("{field} {text:?}"));
    option("label", &label, out);
}
