//! `fillnull` and `filldown`: values where there are none.

use rulestone_ir::{FillFields, NamePattern, RowStage};
use rulestone_value::Value;

use super::super::settings::names;
use super::super::{Lowering, Rows};
use crate::spl::ast::Command;

/// `fillnull`: 0 where no value is given, in every column where none is named.
pub(in crate::spl) fn null(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    let settings = lowering.settings(&own.settings, &["value"], &[], command);
    let value = Value::string(settings.text("value").unwrap_or("0"));
    let fields = if own.names.is_empty() {
        FillFields::All
    } else {
        FillFields::Names(own.names.iter().map(|name| name.value.clone()).collect())
    };
    lowering.push(rows, RowStage::Fill { fields, value }, command)
}

/// `filldown`: the last value that was there.
pub(in crate::spl) fn down(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    let fields = own.names.iter().map(|name| NamePattern::new(name.value.clone())).collect();
    lowering.push(rows, RowStage::FillDown { fields }, command)
}
