//! `stats`, `eventstats`, `streamstats` and what is short for them.

use std::sync::Arc;

use rulestone_ir::{
    Aggregate, Aggregator, BinBy, Expr, Frame, Function, Measured, NamePattern, NullKey,
    RowMeasure, RowStage, Target, Window,
};

use super::super::columns::BINS_OF_TIME;
use super::super::settings::{Settings, names};
use super::super::{Lowering, Rows, bare, time};
use crate::spl::aggregates;
use crate::spl::ast::{Command, Eval, Measure, MeasureOf, Name, Stats, Syntax};
use crate::spl::functions::{is_condition, print};

/// Columns that tell groups apart, and what they are called in the result.
type Keys = Vec<(Arc<str>, Arc<str>)>;

/// `stats`: without keys there is one row even of nothing.
pub(in crate::spl) fn stats(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Stats(own) = &command.syntax else { return lowering.misread(rows, command) };
    let silent = ["partitions", "dedup_splitvals", "delim"];
    let settings = lowering.settings(&own.settings, &["allnum", "span"], &silent, command);
    refuse_all_numbers(lowering, &settings, command);
    let (rows, by) = keys(lowering, rows, own, &settings, command);
    let measures = measures(lowering, &own.measures, &rows);
    if own.measures.is_empty() {
        return lowering.misread(rows, command);
    }
    let empty_row = by.is_empty();
    let aggregate = Aggregate { by, null: NullKey::Drop, measures, empty_row };
    lowering.push(rows, RowStage::Aggregate(aggregate), command)
}

/// The keys behind `by`; `_time` in bins where a span is given.
fn keys(
    lowering: &mut Lowering<'_>,
    mut rows: Rows,
    own: &Stats,
    settings: &Settings<'_>,
    command: &Command,
) -> (Rows, Keys) {
    let mut by = key_names(lowering, &own.by);
    let of_time = by.iter().any(|(field, _)| &**field == "_time");
    if let Some(span) = settings.get("span").filter(|_| of_time) {
        match time::span(&span.value, true) {
            Some(width) => {
                rows = bin_time(lowering, rows, width, command);
                rename_key(&mut by);
            }
            None => {
                let message = format!("`{}` is no width of bins", span.value);
                lowering.invalid("bad-span", message, span.span);
            }
        }
    }
    (rows, by)
}

pub(super) fn bin_time(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    by: BinBy,
    command: &Command,
) -> Rows {
    let bin = RowStage::Bin { field: "_time".into(), by, into: BINS_OF_TIME.into() };
    lowering.push(rows, bin, command)
}

/// Groups by bins of `_time` under its name.
pub(super) fn rename_key(by: &mut [(Arc<str>, Arc<str>)]) {
    for (field, _) in by.iter_mut().filter(|(field, _)| &**field == "_time") {
        *field = BINS_OF_TIME.into();
    }
}

/// Keys with the names they have in the result, each once.
pub(super) fn key_names(lowering: &mut Lowering<'_>, names: &[Name]) -> Keys {
    let mut by: Keys = Vec::new();
    for name in names {
        if by.iter().any(|(_, into)| *into == name.value) {
            continue;
        }
        if name.value.contains('*') {
            let message = format!("`{}`: a key cannot be a pattern", name.value);
            lowering.invalid("bad-arguments", message, name.span);
        }
        if lowering.model {
            lowering.record(&name.value);
            by.push((bare(&name.value).into(), name.value.clone()));
        } else {
            by.push((name.value.clone(), name.value.clone()));
        }
    }
    by
}

fn refuse_all_numbers(lowering: &mut Lowering<'_>, settings: &Settings<'_>, command: &Command) {
    if settings.flag("allnum", false) {
        let message = format!("`{}` with `allnum=t` is not run", command.name.value);
        lowering.unsupported("unsupported-option", message, command.span);
    }
}

/// What is measured.
pub(super) fn measures(
    lowering: &mut Lowering<'_>,
    measures: &[Measure],
    rows: &Rows,
) -> Vec<RowMeasure> {
    measures.iter().filter_map(|own| measure(lowering, own, rows)).collect()
}

fn measure(lowering: &mut Lowering<'_>, own: &Measure, rows: &Rows) -> Option<RowMeasure> {
    let name = &*own.function.value;
    if name == "sparkline" {
        let message = "`sparkline` draws a picture, and is left out";
        lowering.approximate("no-sparkline", message, own.span);
        return None;
    }
    let Some(function) = aggregates::find(name) else {
        let message = format!("there is no function `{name}` of statistics that is run");
        lowering.unsupported("unsupported-aggregate", message, own.function.span);
        return None;
    };
    let (of, written) = match &own.of {
        MeasureOf::Rows if function == Aggregator::Count => (Measured::Rows, None),
        // Of every column that is no key.
        MeasureOf::Rows => (Measured::Columns(NamePattern::new("*")), Some("*".to_owned())),
        MeasureOf::Field(field) => {
            let written = field.value.to_string();
            (measured_field(lowering, field), Some(written))
        }
        MeasureOf::Eval(eval) => {
            (measured_eval(lowering, function, eval, rows), Some(format!("eval({})", print(eval))))
        }
    };
    let into = match &own.alias {
        Some(alias) => alias.value.to_string(),
        None => written.map_or_else(|| name.to_owned(), |of| format!("{name}({of})")),
    };
    // A star in the name of one column is no pattern.
    Some(RowMeasure { function, of, into: NamePattern::new(into) })
}

fn measured_field(lowering: &mut Lowering<'_>, field: &Name) -> Measured {
    if field.value.contains('*') {
        return Measured::Columns(NamePattern::new(field.value.clone()));
    }
    if lowering.model {
        lowering.record(&field.value);
        return Measured::Expr(Expr::Field(bare(&field.value).into()));
    }
    Measured::Expr(Expr::Field(field.value.clone()))
}

/// `count(eval(condition))` counts the rows for which it is true.
fn measured_eval(
    lowering: &mut Lowering<'_>,
    function: Aggregator,
    eval: &Eval,
    rows: &Rows,
) -> Measured {
    let expr = lowering.expr(eval, rows);
    if function == Aggregator::Count && is_condition(eval) {
        Measured::Where(expr)
    } else {
        Measured::Expr(expr)
    }
}

/// `eventstats`: what `stats` measures, added to each row of the group.
pub(in crate::spl) fn event_stats(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    let Syntax::Stats(own) = &command.syntax else { return lowering.misread(rows, command) };
    let settings = lowering.settings(&own.settings, &["allnum"], &[], command);
    refuse_all_numbers(lowering, &settings, command);
    window(lowering, rows, own, Frame::Whole, command)
}

fn window(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    own: &Stats,
    frame: Frame,
    command: &Command,
) -> Rows {
    let measures = measures(lowering, &own.measures, &rows);
    if own.measures.is_empty() {
        return lowering.misread(rows, command);
    }
    let by = key_names(lowering, &own.by).into_iter().map(|(field, _)| field).collect();
    lowering.push(rows, RowStage::Window(Window { by, measures, frame }), command)
}

const STREAM: [&str; 8] = [
    "window",
    "current",
    "global",
    "time_window",
    "reset_on_change",
    "reset_after",
    "reset_before",
    "allnum",
];

/// `streamstats`: what `stats` measures, over the rows up to each.
pub(in crate::spl) fn stream_stats(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    let Syntax::Stats(own) = &command.syntax else { return lowering.misread(rows, command) };
    let settings = lowering.settings(&own.settings, &STREAM, &[], command);
    refuse_all_numbers(lowering, &settings, command);
    let count = settings.number("window").filter(|rows| *rows > 0);
    let time = settings.get("time_window").and_then(|value| {
        let length = time::duration(&value.value);
        if length.is_none() {
            let message = format!("`{}` is no length of time", value.value);
            lowering.invalid("bad-span", message, value.span);
        }
        length
    });
    let mut reset = |name: &str| {
        let value = settings.get(name)?;
        let text = value.value.trim();
        let text = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
        lowering.condition_in_text(text, value.span, &rows)
    };
    let (reset_after, reset_before) = (reset("reset_after"), reset("reset_before"));
    let frame = Frame::Running {
        rows: count,
        time,
        current: settings.flag("current", true),
        // One window for all groups, unless each is to have its own.
        shared: count.is_some() && settings.flag("global", true),
        reset_on_change: settings.flag("reset_on_change", false),
        reset_after,
        reset_before,
    };
    window(lowering, rows, own, frame, command)
}

/// All rows up to the row at hand.
fn running(rows: Option<u64>, current: bool) -> Frame {
    Frame::Running {
        rows,
        time: None,
        current,
        shared: false,
        reset_on_change: false,
        reset_after: None,
        reset_before: None,
    }
}

fn one_measure(function: Aggregator, of: &Arc<str>, into: &str) -> RowMeasure {
    let of = Measured::Expr(Expr::Field(of.clone()));
    RowMeasure { function, of, into: NamePattern::new(into) }
}

/// `accum x AS y`: the sum so far.
pub(in crate::spl) fn accumulate(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    let Some((field, alias, _)) = renamed(command) else { return lowering.misread(rows, command) };
    let into = alias.unwrap_or_else(|| field.clone());
    let measures = vec![one_measure(Aggregator::Sum, &field, &into)];
    let window = Window { by: Vec::new(), measures, frame: running(None, true) };
    lowering.push(rows, RowStage::Window(window), command)
}

/// `delta x AS y`: the difference to the row before.
pub(in crate::spl) fn delta(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Some((field, alias, back)) = renamed(command) else {
        return lowering.misread(rows, command);
    };
    if back != 1 {
        let message = "`delta` over several rows is not run";
        lowering.unsupported("unsupported-option", message, command.span);
    }
    let into = alias.unwrap_or_else(|| format!("delta({field})").into());
    let measures = vec![one_measure(Aggregator::First, &field, &into)];
    let window = Window { by: Vec::new(), measures, frame: running(Some(1), false) };
    let rows = lowering.push(rows, RowStage::Window(window), command);
    let sides = vec![Expr::Field(field), Expr::Field(into.clone())];
    let difference = Expr::call(Function::Subtract, sides, command.span);
    let steps = vec![(Target::Name(into), difference)];
    lowering.push(rows, RowStage::Compute { steps }, command)
}

/// A field, what the result is called, and `p=`.
fn renamed(command: &Command) -> Option<(Arc<str>, Option<Arc<str>>, u64)> {
    let own = names(command)?;
    let words: Vec<_> = own.names.iter().map(|name| name.value.clone()).collect();
    let back = own.settings.iter().find(|setting| &*setting.name.value == "p");
    let back = back.and_then(|setting| setting.value.value.parse().ok()).unwrap_or(1);
    match words.as_slice() {
        [field] => Some((field.clone(), None, back)),
        [field, word, alias] if word.eq_ignore_ascii_case("as") => {
            Some((field.clone(), Some(alias.clone()), back))
        }
        _ => None,
    }
}
