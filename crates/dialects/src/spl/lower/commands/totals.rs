//! `addtotals` and `addcoltotals`: sums of columns and rows.

use std::sync::Arc;

use rulestone_ir::{NamePattern, RowStage, Totals};

use super::super::settings::names;
use super::super::{Lowering, Rows};
use crate::spl::ast::Command;

const KNOWN: [&str; 5] = ["row", "col", "fieldname", "labelfield", "label"];

/// `addtotals`: the sum of each row, and with `col=t` that of each column.
pub(in crate::spl) fn add(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    totals(lowering, rows, command, (true, false))
}

/// `addcoltotals`: a row with the sum of each column.
pub(in crate::spl) fn add_columns(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    totals(lowering, rows, command, (false, true))
}

fn totals(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
    (row, column): (bool, bool),
) -> Rows {
    const NAME: &str = "Total";
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    let settings = lowering.settings(&own.settings, &KNOWN, &[], command);
    let text = |name: &str, otherwise: &str| Arc::from(settings.text(name).unwrap_or(otherwise));
    let label = settings.text("labelfield").filter(|field| !field.is_empty());
    let totals = Totals {
        fields: own.names.iter().map(|name| NamePattern::new(name.value.clone())).collect(),
        row: settings.flag("row", row).then(|| text("fieldname", NAME)),
        column: settings.flag("col", column),
        label: label.map(|field| (field.into(), text("label", NAME).to_string())),
    };
    lowering.push(rows, RowStage::Totals(totals), command)
}
