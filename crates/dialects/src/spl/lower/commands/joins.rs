//! `join`, `append`, `appendcols`, `appendpipe`, `union`, `multisearch`: rows of other searches.

use rulestone_ir::{JoinKind, RowStage};

use super::super::{Lowering, Rows};
use super::tables::join_stage;
use crate::spl::ast::{Command, Pipeline, Syntax};

/// Limits of Splunk that are not kept: all rows are looked at.
const LIMITS: [&str; 5] = ["maxtime", "maxout", "timeout", "extendtimerange", "subsearch"];

/// `join`: one row of the other side where no number is given, whose columns win.
pub(in crate::spl) fn join(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Join { settings, on, subsearch } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let known = ["type", "max", "overwrite", "usetime", "earlier"];
    let settings = lowering.settings(settings, &known, &LIMITS, command);
    let kind = match settings.text("type").map(str::to_ascii_lowercase).as_deref() {
        None | Some("inner") => JoinKind::Inner,
        Some("left" | "outer") => JoinKind::Left,
        Some(other) => {
            let message = format!("there is no join of type `{other}`");
            lowering.invalid("bad-arguments", message, command.span);
            JoinKind::Inner
        }
    };
    if settings.flag("usetime", false) {
        let message = "`join` with `usetime=t` is not run";
        lowering.unsupported("unsupported-option", message, command.span);
    }
    let most = settings.number("max").unwrap_or(1);
    let names: Vec<_> = on.iter().map(|name| name.value.clone()).collect();
    let mut own = join_stage(names, kind, (most > 0).then_some(most));
    own.overwrite = settings.flag("overwrite", true);
    let inner = lowering.subsearch(subsearch);
    for name in &own.on {
        if rows.columns.is_of_event(name) || inner.columns.is_of_event(name) {
            lowering.read(name);
        }
    }
    let columns = rows.columns.clone().with(&inner.columns);
    lowering.push_two((rows, inner), RowStage::Join(own), columns, command)
}

/// Rows behind those there are.
pub(super) fn append_rows(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    more: Rows,
    command: &Command,
) -> Rows {
    let columns = rows.columns.clone().with(&more.columns);
    lowering.push_two((rows, more), RowStage::Append, columns, command)
}

/// The searches of a command in brackets.
fn searches<'c>(lowering: &mut Lowering<'_>, command: &'c Command) -> Option<&'c [Pipeline]> {
    let Syntax::Append { settings, subsearches } = &command.syntax else { return None };
    lowering.settings(settings, &["override", "run_in_preview"], &LIMITS, command);
    (!subsearches.is_empty()).then_some(subsearches)
}

/// `append`, `union`, `multisearch`: the rows of all, one after the other.
pub(in crate::spl) fn append(
    lowering: &mut Lowering<'_>,
    mut rows: Rows,
    command: &Command,
) -> Rows {
    let Some(searches) = searches(lowering, command) else {
        return lowering.misread(rows, command);
    };
    for search in searches {
        let more = lowering.subsearch(search);
        rows = if rows.input.is_none() { more } else { append_rows(lowering, rows, more, command) };
    }
    rows
}

/// `appendcols`: the columns of both side by side.
pub(in crate::spl) fn append_columns(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    let Some([search]) = searches(lowering, command) else {
        return lowering.misread(rows, command);
    };
    let overwrite = match &command.syntax {
        Syntax::Append { settings, .. } => {
            lowering.settings(settings, &["override"], &LIMITS, command).flag("override", false)
        }
        _ => false,
    };
    let more = lowering.subsearch(search);
    let columns = rows.columns.clone().with(&more.columns);
    lowering.push_two((rows, more), RowStage::AppendColumns { overwrite }, columns, command)
}

/// `appendpipe`: what commands make of the rows, behind the rows.
pub(in crate::spl) fn append_pipe(
    lowering: &mut Lowering<'_>,
    mut rows: Rows,
    command: &Command,
) -> Rows {
    let Some([search]) = searches(lowering, command) else {
        return lowering.misread(rows, command);
    };
    lowering.input(&mut rows);
    // Two read these rows from here on, so no filter may move behind their backs.
    rows.source = None;
    let more = lowering.pipeline(search, rows.clone());
    append_rows(lowering, rows, more, command)
}
