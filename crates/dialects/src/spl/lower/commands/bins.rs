//! `bin` and `makecontinuous`.

use std::sync::Arc;

use rulestone_ir::{BinBy, Diagnostic, Expr, Function, Level, RowStage, Target};

use super::super::settings::Settings;
use super::super::{Lowering, Rows, time};
use crate::spl::ast::{Command, Name, Setting, Syntax};
use crate::spl::lower::eval::number_value;

/// Bins where neither a width nor a number of them is given.
pub(super) const BINS: u32 = 100;

/// `bin`. Without a field it is `_time` that is meant.
pub(in crate::spl) fn bin(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Bin { settings, field, alias } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let Some((field, by)) = binned(lowering, settings, field.as_ref(), command) else {
        return rows;
    };
    let into = alias.as_ref().map_or_else(|| field.clone(), |alias| alias.value.clone());
    let bin = RowStage::Bin { field: field.clone(), by, into: into.clone() };
    let rows = lowering.push(rows, bin, command);
    match by {
        BinBy::Number(width) if &*field != "_time" => label(lowering, rows, into, width, command),
        BinBy::Auto(_) | BinBy::Log(..) if &*field != "_time" => {
            let message = "a bin goes by where it starts, not by where it starts and ends";
            lowering.approximate("bin-label", message, command.span);
            rows
        }
        _ => rows,
    }
}

/// Says once that no field is named, and that the last option can have it behind it.
fn bare(lowering: &mut Lowering<'_>, settings: &[Setting], command: &Command) {
    if lowering.diagnostics.iter().any(|own| own.code == "bare-bin") {
        return;
    }
    let message = "no field is named: `_time` is meant";
    let mut diagnostic = Diagnostic::new(Level::Note, "bare-bin", message, command.span)
        .with_help("name it: `_time`");
    if let (Some(last), Some(written)) = (settings.last(), lowering.written) {
        let (span, old) = (last.value.span, &*last.value.value);
        if let Some(edit) = written.edit(span, old, &format!("{old} _time")) {
            diagnostic = diagnostic.with_fix("name `_time`", vec![edit]);
        }
    }
    lowering.diagnostics.push(diagnostic);
}

/// A bin of numbers goes by where it starts and ends: `10-20`.
fn label(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    into: Arc<str>,
    width: f64,
    command: &Command,
) -> Rows {
    let start = || Expr::Field(into.clone());
    let width = Expr::Literal(number_value(width));
    let end = Expr::call(Function::Add, vec![start(), width], command.span);
    let parts = vec![start(), Expr::text("-"), end];
    let label = Expr::call(Function::Concat, parts, command.span);
    let steps = vec![(Target::Name(into), label)];
    lowering.push(rows, RowStage::Compute { steps }, command)
}

/// `makecontinuous`
pub(in crate::spl) fn make_continuous(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    let Syntax::Bin { settings, field, .. } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    match binned(lowering, settings, field.as_ref(), command) {
        Some((field, by)) => lowering.push(rows, RowStage::Continue { field, by }, command),
        None => rows,
    }
}

/// What is binned, and how wide the bins are.
fn binned(
    lowering: &mut Lowering<'_>,
    settings: &[Setting],
    field: Option<&Name>,
    command: &Command,
) -> Option<(Arc<str>, BinBy)> {
    let known = ["span", "bins", "minspan", "aligntime", "start", "end"];
    let options = lowering.settings(settings, &known, &[], command);
    let field: Arc<str> = match field {
        Some(field) => field.value.clone(),
        None => {
            bare(lowering, settings, command);
            "_time".into()
        }
    };
    let of_time = &*field == "_time";
    let by = width(lowering, &options, of_time, command)?;
    for option in ["minspan", "aligntime", "start", "end"] {
        if let Some(value) = options.get(option) {
            let message = format!("`{option}=` is not looked at");
            lowering.approximate("option-ignored", message, value.span);
        }
    }
    Some((field, by))
}

/// How wide bins are by `span=` or `bins=`.
pub(super) fn width(
    lowering: &mut Lowering<'_>,
    settings: &Settings<'_>,
    of_time: bool,
    command: &Command,
) -> Option<BinBy> {
    if let Some(span) = settings.get("span") {
        let by = time::span(&span.value, of_time);
        if by.is_none() {
            let message = format!("`{}` is no width of bins", span.value);
            lowering.invalid("bad-span", message, span.span);
        }
        return by;
    }
    let bins = settings.number("bins").and_then(|bins| u32::try_from(bins).ok());
    if of_time && bins.is_none() {
        let by = time::auto_span(&lowering.clock, BINS);
        let message = "no width of bins is given: it follows from the time the run looks at";
        lowering.note_once("auto-span", message, command.span);
        return Some(by);
    }
    Some(BinBy::Auto(bins.unwrap_or(BINS).max(2)))
}
