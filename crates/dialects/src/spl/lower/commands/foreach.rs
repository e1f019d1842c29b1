//! `foreach`: the same assignments for several columns.

use std::sync::Arc;

use rulestone_ir::{NamePattern, RowStage, Target};

use super::super::{Lowering, Rows};
use super::compute::target;
use crate::spl::ast::{Command, Eval, Name, Pipeline, Spanned, Syntax};
use crate::spl::lower::eval::{Scope, fill_template};

/// `foreach`: over patterns a step for all columns, over names each on its own.
pub(in crate::spl) fn foreach(
    lowering: &mut Lowering<'_>,
    mut rows: Rows,
    command: &Command,
) -> Rows {
    let Syntax::Foreach { fields, settings, body } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let settings = lowering.settings(settings, &["mode"], &[], command);
    if settings.text("mode").is_some_and(|mode| !mode.eq_ignore_ascii_case("multifield")) {
        let message = "`foreach` over the elements of a list is not run";
        lowering.unsupported("unsupported-option", message, command.span);
        return rows;
    }
    for field in fields {
        rows = match field.value.matches('*').count() {
            0 => one(lowering, rows, field, body),
            1 => pattern(lowering, rows, field, body),
            _ => {
                let message = "`foreach` over a pattern with several stars is not run";
                lowering.unsupported("unsupported-option", message, field.span);
                rows
            }
        };
    }
    rows
}

/// The commands with a name in place of its template.
fn one(lowering: &mut Lowering<'_>, mut rows: Rows, field: &Name, body: &Pipeline) -> Rows {
    for command in &body.commands {
        let mut syntax = command.syntax.clone();
        let lower = match &mut syntax {
            Syntax::Eval(assignments) => {
                for (name, eval) in assignments {
                    name.value = named_in(&name.value, &field.value);
                    put_name(eval, &field.value);
                }
                super::compute::eval
            }
            Syntax::Rex { settings, .. } => {
                for setting in settings {
                    setting.value.value = named_in(&setting.value.value, &field.value);
                }
                super::extract::rex
            }
            _ => not_run,
        };
        rows = lower(lowering, rows, &Command { syntax, ..command.clone() });
    }
    rows
}

fn not_run(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let message = "`foreach` with this command is not run";
    lowering.unsupported("unsupported-option", message, command.span);
    rows
}

fn named_in(text: &str, field: &str) -> Arc<str> {
    let text = text.replace("<<FIELD>>", field);
    text.replace("<<MATCHSTR>>", "").replace("<<MATCHSEG1>>", "").into()
}

fn put_name(eval: &mut Eval, field: &str) {
    match eval {
        Eval::Field(name) | Eval::Indirect(name) => name.value = named_in(&name.value, field),
        Eval::Text(text, _) => *text = named_in(text, field),
        Eval::Call { arguments, .. } => arguments.iter_mut().for_each(|own| put_name(own, field)),
        Eval::Not(inner, _) | Eval::Negate(inner, _) => put_name(inner, field),
        Eval::Binary { left, right, .. } => {
            put_name(left, field);
            put_name(right, field);
        }
        Eval::In { value, values, .. } => {
            put_name(value, field);
            values.iter_mut().for_each(|own| put_name(own, field));
        }
        Eval::Number(..) | Eval::Broken(_) => {}
    }
}

/// A step for every column of a pattern.
fn pattern(lowering: &mut Lowering<'_>, mut rows: Rows, field: &Name, body: &Pipeline) -> Rows {
    lowering.scopes.push(Scope::Columns(field.value.clone()));
    for command in &body.commands {
        let Syntax::Eval(assignments) = &command.syntax else {
            rows = not_run(lowering, rows, command);
            continue;
        };
        let mut steps = Vec::new();
        for (name, eval) in assignments {
            let expr = lowering.expr(eval, &rows);
            let filled: Arc<str> = fill_template(&name.value, &field.value).into();
            let own = Spanned { value: filled.clone(), span: name.span };
            let into = match target(lowering, &own) {
                Target::Name(_) => NamePattern::new(filled),
                _ => {
                    let message = "`foreach` that sets a field by the value of another is not run";
                    lowering.unsupported("unsupported-option", message, name.span);
                    continue;
                }
            };
            steps.push((Target::Each(vec![NamePattern::new(field.value.clone())], into), expr));
        }
        if !steps.is_empty() {
            rows = lowering.push(rows, RowStage::Compute { steps }, command);
        }
    }
    lowering.scopes.pop();
    rows
}
