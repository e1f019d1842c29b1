//! `timechart`, `chart`, `xyseries`, `untable`, `transpose`: rows into columns and back.

use std::sync::Arc;

use rulestone_ir::{
    Aggregate, Aggregator, BinBy, Case, FillFields, NullKey, Pivot, RowMeasure, RowStage, Test,
};
use rulestone_value::Value;

use super::super::settings::{Settings, names};
use super::super::{Lowering, Rows, test};
use super::bins::width;
use super::stats::measures;
use crate::spl::ast::{Command, Stats, Syntax};

const KNOWN: [&str; 8] =
    ["span", "bins", "limit", "useother", "usenull", "cont", "fixedrange", "partial"];
const SILENT: [&str; 6] = ["nullstr", "otherstr", "sep", "format", "minspan", "agg"];

/// Columns that stay where no number is given.
const SERIES: u64 = 10;

/// `timechart`: a row for each bin of `_time`, a column for each value of the field behind `by`.
pub(in crate::spl) fn time_chart(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    let Syntax::Stats(own) = &command.syntax else { return lowering.misread(rows, command) };
    let settings = lowering.settings(&own.settings, &KNOWN, &SILENT, command);
    let time: Arc<str> = "_time".into();
    let Some(by) = width(lowering, &settings, true, command) else { return rows };
    let bin = RowStage::Bin { field: time.clone(), by, into: time.clone() };
    let rows = lowering.push(rows, bin, command);
    let column = own.by.first().map(|name| name.value.clone());
    let rows = chart_rows(lowering, rows, own, (&time, column.as_ref()), &settings, command);
    if !settings.flag("cont", true) {
        return rows;
    }
    without_gaps(lowering, rows, own, (by, column.is_none()), command)
}

/// A row for bins without events too, in which nothing is counted.
fn without_gaps(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    own: &Stats,
    (by, plain): (BinBy, bool),
    command: &Command,
) -> Rows {
    let next = RowStage::Continue { field: "_time".into(), by };
    let rows = lowering.push(rows, next, command);
    let measured = measures(lowering, &own.measures, &Rows::default());
    let counts = measured.iter().filter(|own| is_count(own));
    let names: Vec<Arc<str>> = counts.map(|own| Arc::from(own.into.as_str())).collect();
    let fields = match (plain, names.len()) {
        (_, 0) => return rows,
        (true, _) => FillFields::Names(names),
        (false, count) if count == measured.len() => FillFields::All,
        (false, _) => return rows,
    };
    lowering.push(rows, RowStage::Fill { fields, value: Value::Integer(0) }, command)
}

fn is_count(measure: &RowMeasure) -> bool {
    matches!(measure.function, Aggregator::Count | Aggregator::DistinctCount)
}

/// `chart`: a row for each value of the first field, a column for each of the second.
pub(in crate::spl) fn chart(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Stats(own) = &command.syntax else { return lowering.misread(rows, command) };
    let settings = lowering.settings(&own.settings, &KNOWN, &SILENT, command);
    let mut fields = own.over.iter().chain(&own.by).map(|name| name.value.clone());
    let Some(row) = fields.next() else { return lowering.misread(rows, command) };
    let column = fields.next();
    let mut rows = rows;
    if settings.get("span").is_some() || settings.get("bins").is_some() {
        let Some(by) = width(lowering, &settings, &*row == "_time", command) else { return rows };
        let bin = RowStage::Bin { field: row.clone(), by, into: row.clone() };
        rows = lowering.push(rows, bin, command);
    }
    chart_rows(lowering, rows, own, (&row, column.as_ref()), &settings, command)
}

fn chart_rows(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    own: &Stats,
    (row, column): (&Arc<str>, Option<&Arc<str>>),
    settings: &Settings<'_>,
    command: &Command,
) -> Rows {
    if own.filter.is_some() {
        let message = format!("`{}` with `where` is not run", command.name.value);
        lowering.unsupported("unsupported-option", message, command.span);
    }
    let measures = measures(lowering, &own.measures, &rows);
    if own.measures.is_empty() {
        return lowering.misread(rows, command);
    }
    let values: Vec<Arc<str>> = measures.iter().map(|own| own.into.as_str().into()).collect();
    let counts = measures.iter().all(is_count);
    let nulls = settings.flag("usenull", true);
    let mut rows = rows;
    let mut null = NullKey::Drop;
    if column.is_some() && nulls {
        // Rows without the series are one; without the row's field they are none.
        let field = lowering.field(row);
        let exists = test(field, Test::Exists, Case::Sensitive, command.span);
        if &**row != "_time" {
            rows = lowering.filter(rows, exists, command);
        }
        null = NullKey::Group;
    }
    let by = std::iter::once(row).chain(column).map(|name| (name.clone(), name.clone())).collect();
    let aggregate = Aggregate { by, null, measures, empty_row: false };
    let rows = lowering.push(rows, RowStage::Aggregate(aggregate), command);
    let Some(column) = column else { return rows };
    let pivot = Pivot {
        row: vec![row.clone()],
        column: column.clone(),
        values,
        most: series(settings),
        other: settings.flag("useother", true),
        null: nulls,
        fill: counts.then_some(Value::Integer(0)),
    };
    lowering.push(rows, RowStage::Pivot(pivot), command)
}

/// How many columns stay; `top5` is 5.
fn series(settings: &Settings<'_>) -> u64 {
    let limit = settings.text("limit").map(|limit| limit.trim_start_matches("top"));
    limit.and_then(|limit| limit.trim().parse().ok()).unwrap_or(SERIES)
}

/// `xyseries x y z`
pub(in crate::spl) fn xy_series(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    lowering.settings(&own.settings, &[], &["grouped", "sep", "format"], command);
    let fields: Vec<Arc<str>> = own.names.iter().map(|name| name.value.clone()).collect();
    let [row, column, values @ ..] = fields.as_slice() else {
        return lowering.misread(rows, command);
    };
    if values.is_empty() {
        return lowering.misread(rows, command);
    }
    let pivot = Pivot {
        row: vec![row.clone()],
        column: column.clone(),
        values: values.to_vec(),
        most: 0,
        other: false,
        null: false,
        fill: None,
    };
    lowering.push(rows, RowStage::Pivot(pivot), command)
}

/// `untable x y z`
pub(in crate::spl) fn untable(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    let [row, name, value] = own.names.as_slice() else { return lowering.misread(rows, command) };
    let unpivot = RowStage::Unpivot {
        row: row.value.clone(),
        name: name.value.clone(),
        value: value.value.clone(),
    };
    lowering.push(rows, unpivot, command)
}

/// `transpose`
pub(in crate::spl) fn transpose(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    /// Rows that are turned where no number is given.
    const ROWS: u64 = 5;
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    let known = ["column_name", "header_field"];
    let settings = lowering.settings(&own.settings, &known, &["include_empty"], command);
    let count = own.count.as_ref().map(|count| count.value);
    let named = own.names.first().and_then(|name| name.value.parse().ok());
    let count = count.or(named).unwrap_or(ROWS);
    let transpose = RowStage::Transpose {
        rows: if count == 0 { u64::MAX } else { count },
        header: settings.text("header_field").map(Arc::from),
        column: settings.text("column_name").unwrap_or("column").into(),
    };
    lowering.push(rows, transpose, command)
}
