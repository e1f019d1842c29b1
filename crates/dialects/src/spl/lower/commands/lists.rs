//! `mvexpand`, `makemv`, `nomv`, `mvcombine`: columns with several values.

use rulestone_ir::{Expr, Function, RowStage, Target};

use super::super::settings::names;
use super::super::{Lowering, Rows};
use crate::spl::ast::{Command, Syntax};

/// `mvexpand`: a row for each value.
pub(in crate::spl) fn expand(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    let settings = lowering.settings(&own.settings, &["limit"], &[], command);
    let [field] = own.names.as_slice() else { return lowering.misread(rows, command) };
    let limit = settings.number("limit").filter(|limit| *limit > 0);
    lowering.push(rows, RowStage::Expand { field: field.value.clone(), limit }, command)
}

/// `makemv`: a text becomes several values.
pub(in crate::spl) fn make(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Makemv { settings, field } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let known = ["delim", "tokenizer", "allowempty"];
    let settings = lowering.settings(settings, &known, &["setsv"], command);
    let name = field.value.clone();
    let text = Expr::Field(name.clone());
    let call = |function, arguments| Expr::call(function, arguments, command.span);
    let mut parts = match settings.get("tokenizer") {
        Some(tokenizer) => {
            let Some(regex) = lowering.regex(&tokenizer.value, tokenizer.span) else {
                return rows;
            };
            call(Function::MvMatches, vec![text, Expr::text(regex.pattern)])
        }
        None => {
            let delimiter = settings.text("delim").filter(|text| !text.is_empty()).unwrap_or(" ");
            call(Function::Split, vec![text, Expr::text(delimiter)])
        }
    };
    if !settings.flag("allowempty", false) {
        let some = call(Function::NeAny, vec![Expr::This, Expr::text("")]);
        parts = call(Function::ElementsWhere, vec![parts, some]);
    }
    let steps = vec![(Target::Name(name), parts)];
    lowering.push(rows, RowStage::Compute { steps }, command)
}

/// `nomv`: several values become a text, each on a line of its own.
pub(in crate::spl) fn join(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    let steps = own.names.iter().map(|name| {
        let arguments = vec![Expr::Field(name.value.clone()), Expr::text("\n")];
        let joined = Expr::call(Function::MvJoin, arguments, command.span);
        (Target::Name(name.value.clone()), joined)
    });
    let steps: Vec<_> = steps.collect();
    if steps.is_empty() {
        return lowering.misread(rows, command);
    }
    lowering.push(rows, RowStage::Compute { steps }, command)
}

/// `mvcombine`: neighbours that differ in one column become one row.
pub(in crate::spl) fn combine(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    lowering.settings(&own.settings, &[], &["delim"], command);
    let [field] = own.names.as_slice() else { return lowering.misread(rows, command) };
    let combine = RowStage::Combine { field: field.value.clone(), joined: None };
    lowering.push(rows, combine, command)
}
