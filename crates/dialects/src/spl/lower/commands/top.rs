//! `top` and `rare`: the most frequent values, and the least.

use std::sync::Arc;

use rulestone_ir::{
    Aggregate, Aggregator, Collation, Expr, Frame, Function, Keep, Measured, NamePattern, NullKey,
    Project, RowMeasure, RowStage, SortKey, Target, Window,
};
use rulestone_value::Value;

use super::super::{Lowering, Rows, is_true};
use crate::spl::ast::{Command, Name, Syntax};

const KNOWN: [&str; 7] =
    ["limit", "showcount", "showperc", "countfield", "percentfield", "useother", "otherstr"];
/// Columns that are gone behind it.
const TOTAL: &str = "_total";
const RANK: &str = "_rank";

/// `top`
pub(in crate::spl) fn top(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    ranked(lowering, rows, command, true)
}

/// `rare`
pub(in crate::spl) fn rare(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    ranked(lowering, rows, command, false)
}

fn ranked(lowering: &mut Lowering<'_>, rows: Rows, command: &Command, most: bool) -> Rows {
    /// Values where no number is given.
    const LIMIT: u64 = 10;
    let Syntax::Top { settings, fields, by } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let settings = lowering.settings(settings, &KNOWN, &[], command);
    if fields.is_empty() {
        return lowering.misread(rows, command);
    }
    if settings.flag("useother", false) {
        let message = format!("`{}` with `useother=t` is not run", command.name.value);
        lowering.unsupported("unsupported-option", message, command.span);
    }
    let count: Arc<str> = settings.text("countfield").unwrap_or("count").into();
    let percent: Arc<str> = settings.text("percentfield").unwrap_or("percent").into();
    let groups: Vec<Arc<str>> = by.iter().map(|name| name.value.clone()).collect();

    let rows = counted(lowering, rows, (by, fields), &count, command);
    let rows = with_percent(lowering, rows, &groups, (&count, &percent), command);
    let mut keys: Vec<SortKey> = groups.iter().map(|field| key(field, false)).collect();
    keys.push(key(&count, most));
    let rows = lowering.push(rows, RowStage::Sort { keys, limit: None }, command);
    let limit = settings.number("limit").unwrap_or(LIMIT);
    let rows = if limit == 0 { rows } else { first(lowering, rows, &groups, limit, command) };

    let mut dropped = vec![NamePattern::new(TOTAL), NamePattern::new(RANK)];
    if !settings.flag("showcount", true) {
        dropped.push(NamePattern::new(count));
    }
    if !settings.flag("showperc", true) {
        dropped.push(NamePattern::new(percent));
    }
    let project =
        Project { names: dropped, mode: Keep::Drop, internal: Keep::Keep, ordered: false };
    lowering.push(rows, RowStage::Project(project), command)
}

fn key(field: &Arc<str>, descending: bool) -> SortKey {
    SortKey { field: field.clone(), descending, collation: Collation::Auto }
}

fn measure(function: Aggregator, of: Measured, into: &str) -> RowMeasure {
    RowMeasure { function, of, into: NamePattern::new(into) }
}

/// How often each combination is there.
fn counted(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    (by, fields): (&[Name], &[Name]),
    count: &Arc<str>,
    command: &Command,
) -> Rows {
    let keys = by.iter().chain(fields).map(|name| (name.value.clone(), name.value.clone()));
    let aggregate = Aggregate {
        by: keys.collect(),
        null: NullKey::Drop,
        measures: vec![measure(Aggregator::Count, Measured::Rows, count)],
        empty_row: false,
    };
    lowering.push(rows, RowStage::Aggregate(aggregate), command)
}

/// The part of its group that each combination is.
fn with_percent(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    groups: &[Arc<str>],
    (count, percent): (&Arc<str>, &Arc<str>),
    command: &Command,
) -> Rows {
    let of = Measured::Expr(Expr::Field(count.clone()));
    let window = Window {
        by: groups.to_vec(),
        measures: vec![measure(Aggregator::Sum, of, TOTAL)],
        frame: Frame::Whole,
    };
    let rows = lowering.push(rows, RowStage::Window(window), command);
    let call = |function, arguments| Expr::call(function, arguments, command.span);
    let hundred = Expr::Literal(Value::Integer(100));
    let hundredfold = call(Function::Multiply, vec![Expr::Field(count.clone()), hundred]);
    let part = call(Function::Divide, vec![hundredfold, Expr::Field(TOTAL.into())]);
    let part = call(Function::Round, vec![part, Expr::Literal(Value::Integer(6))]);
    let steps = vec![(Target::Name(percent.clone()), part)];
    lowering.push(rows, RowStage::Compute { steps }, command)
}

/// The first rows of each group.
fn first(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    groups: &[Arc<str>],
    limit: u64,
    command: &Command,
) -> Rows {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let frame = Frame::Running {
        rows: None,
        time: None,
        current: true,
        shared: false,
        reset_on_change: false,
        reset_after: None,
        reset_before: None,
    };
    let window = Window {
        by: groups.to_vec(),
        measures: vec![measure(Aggregator::Count, Measured::Rows, RANK)],
        frame,
    };
    let rows = lowering.push(rows, RowStage::Window(window), command);
    let sides = vec![Expr::Field(RANK.into()), Expr::Literal(Value::Integer(limit))];
    let condition = is_true(Expr::call(Function::LeAny, sides, command.span));
    lowering.filter(rows, condition, command)
}
