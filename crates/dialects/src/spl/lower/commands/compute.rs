//! `eval`, `convert`, `replace` and other commands that set columns from those of one row.

use std::sync::Arc;

use rulestone_ir::{Clock, Expr, Function, NamePattern, RowStage, Target};
use rulestone_value::Value;

use super::super::eval::number_value;
use super::super::settings::names;
use super::super::{Lowering, Rows};
use crate::spl::ast::{Command, Name, Syntax};

/// `eval`
pub(in crate::spl) fn eval(lowering: &mut Lowering<'_>, mut rows: Rows, command: &Command) -> Rows {
    let Syntax::Eval(assignments) = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let mut steps = Vec::new();
    let before = rows.columns.clone();
    for (name, eval) in assignments {
        let expr = lowering.expr(eval, &rows);
        let target = target(lowering, name);
        // A later assignment reads what an earlier one set.
        let set = vec![(target.clone(), Expr::Literal(Value::Null))];
        rows.columns.apply(&RowStage::Compute { steps: set });
        steps.push((target, expr));
    }
    rows.columns = before;
    if steps.is_empty() {
        return rows;
    }
    lowering.push(rows, RowStage::Compute { steps }, command)
}

/// What an assignment sets; `{field}` stands for the name in that field.
pub(super) fn target(lowering: &mut Lowering<'_>, name: &Name) -> Target {
    let Some((before, rest)) = name.value.split_once('{') else {
        return Target::Name(name.value.clone());
    };
    match rest.split_once('}') {
        Some((field, "")) if before.is_empty() => Target::Indirect(field.into()),
        // JSON's names of lists are names.
        Some(("", _)) => Target::Name(name.value.clone()),
        _ => {
            let message = "a name of which only a part is a field's value is not run";
            lowering.unsupported("unsupported-option", message, name.span);
            Target::Name(name.value.clone())
        }
    }
}

/// `convert`
pub(in crate::spl) fn convert(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    /// How times look where no form is given.
    const TIME_FORMAT: &str = "%m/%d/%Y %H:%M:%S";
    let Syntax::Convert { settings, conversions } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let settings = lowering.settings(settings, &["timeformat"], &[], command);
    let format = settings.text("timeformat").unwrap_or(TIME_FORMAT);
    let mut steps = Vec::new();
    for (function, field, alias) in conversions {
        let starred = field.value.contains('*');
        let value = if starred { Expr::This } else { Expr::Field(field.value.clone()) };
        let Some(expr) = conversion(&function.value, value, format, command) else {
            let message = format!("there is no conversion `{}`", function.value);
            lowering.invalid("unknown-conversion", message, function.span);
            continue;
        };
        if function.value.eq_ignore_ascii_case("none") && alias.is_none() {
            continue;
        }
        let into = alias.as_ref().unwrap_or(field).value.clone();
        steps.push((target_of(&field.value, into), expr));
    }
    if steps.is_empty() {
        return rows;
    }
    lowering.push(rows, RowStage::Compute { steps }, command)
}

/// The target of a step over one column or the columns of a pattern.
fn target_of(field: &str, into: Arc<str>) -> Target {
    if field.contains('*') {
        Target::Each(vec![NamePattern::new(field)], NamePattern::new(into))
    } else {
        Target::Name(into)
    }
}

fn conversion(function: &str, value: Expr, format: &str, command: &Command) -> Option<Expr> {
    let call = |function, arguments| Expr::call(function, arguments, command.span);
    let number = |value: Expr| call(Function::ToNumber, vec![value]);
    Some(match function.to_ascii_lowercase().as_str() {
        "ctime" => call(Function::FormatTime, vec![value, Expr::text(format)]),
        "mktime" => call(Function::ParseTime, vec![value, Expr::text(format)]),
        "num" => number(call(Function::WithoutUnit, vec![value])),
        "auto" => call(Function::Coalesce, vec![number(value.clone()), value]),
        "none" => value,
        "memk" => call(Function::MemoryKilobytes, vec![value]),
        "dur2sec" => call(Function::DurationSeconds, vec![value]),
        "rmunit" => call(Function::WithoutUnit, vec![value]),
        "rmcomma" => {
            let arguments = vec![value, Expr::text(","), Expr::text("")];
            number(call(Function::ReplaceRegex, arguments))
        }
        "mstime" => call(Function::DurationSeconds, vec![value]),
        _ => return None,
    })
}

/// `replace`: values that are like a pattern as a whole, its stars kept.
pub(in crate::spl) fn replace(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Replace { pairs, fields } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let change = |mut value: Expr| {
        for (from, to) in pairs {
            let (regex, with) = (whole(&from.value), filled(&to.value));
            let arguments = vec![value, Expr::text(regex), Expr::text(with)];
            value = Expr::call(Function::ReplaceRegex, arguments, command.span);
        }
        value
    };
    let mut steps = Vec::new();
    for field in fields.iter().map(|name| name.value.clone()) {
        if field.contains('*') {
            steps.push((target_of(&field, field.clone()), change(Expr::This)));
        } else {
            steps.push((Target::Name(field.clone()), change(Expr::Field(field))));
        }
    }
    if fields.is_empty() {
        steps.push((target_of("*", "*".into()), change(Expr::This)));
    }
    lowering.push(rows, RowStage::Compute { steps }, command)
}

/// A pattern with stars as a regular expression of the whole value.
fn whole(pattern: &str) -> String {
    let parts: Vec<String> = pattern.split('*').map(regex_syntax::escape).collect();
    format!(r"(?s)\A{}\z", parts.join("(.*)"))
}

/// What stands for a value: each star for what the same star of the pattern does.
fn filled(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split('*').enumerate() {
        if at > 0 {
            out.push_str(&format!("\\{at}"));
        }
        out.push_str(&part.replace('\\', "\\\\"));
    }
    out
}

/// `strcat`: fields and texts in a row; the last name is what is set.
pub(in crate::spl) fn strcat(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Other { text } = &command.syntax else { return lowering.misread(rows, command) };
    let mut parts = Vec::new();
    let mut rest = text.value.trim();
    while !rest.is_empty() {
        let (part, behind) = match rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
            Some((quoted, behind)) => (Expr::text(quoted), behind),
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (Expr::Field(rest[..end].into()), &rest[end..])
            }
        };
        parts.push(part);
        rest = behind.trim_start();
    }
    let (Some(Expr::Field(into)), false) = (parts.pop(), parts.is_empty()) else {
        return lowering.misread(rows, command);
    };
    // What is missing is left out.
    let parts = parts.into_iter().map(|part| match part {
        Expr::Field(_) => Expr::call(Function::Coalesce, vec![part, Expr::text("")], command.span),
        part => part,
    });
    let joined = lowering.checked(Function::Concat, parts.collect(), command.span);
    let steps = vec![(Target::Name(into), joined)];
    lowering.push(rows, RowStage::Compute { steps }, command)
}

/// `addinfo`: what the run looks at.
pub(in crate::spl) fn add_info(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    const SECOND: i64 = 10_000_000;
    let now = || Expr::call(Function::Now, vec![], command.span);
    let before = |seconds: i64| {
        let sides = vec![now(), Expr::Literal(number_value(seconds as f64))];
        Expr::call(Function::Subtract, sides, command.span)
    };
    let (from, to) = match lowering.clock {
        Clock::Hop { lookback, offset, .. } => {
            let (lookback, offset) = (lookback.ticks() / SECOND, offset.ticks() / SECOND);
            (before(lookback + offset), before(offset))
        }
        _ => (Expr::Literal(Value::Integer(0)), now()),
    };
    let steps = [
        ("info_min_time", from),
        ("info_max_time", to),
        ("info_search_time", now()),
        ("info_sid", Expr::text("0")),
    ];
    let steps = steps.into_iter().map(|(name, expr)| (Target::Name(name.into()), expr)).collect();
    lowering.push(rows, RowStage::Compute { steps }, command)
}

/// `rangemap field=x low=0-10 high=11-20 default=none`
pub(in crate::spl) fn range_map(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    let own = names(command);
    let settings = own.as_ref().map(|own| own.settings.as_slice()).unwrap_or_default();
    let value = |name: &str| {
        settings.iter().find(|own| &*own.name.value == name).map(|own| own.value.value.clone())
    };
    let Some(field) = value("field") else { return lowering.misread(rows, command) };
    let call = |function, arguments| Expr::call(function, arguments, command.span);
    let mut cases = Vec::new();
    for setting in settings.iter().filter(|own| !matches!(&*own.name.value, "field" | "default")) {
        let bounds = setting.value.value.rsplit_once('-');
        let bounds = bounds.and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
        let Some((low, high)) = bounds else { return lowering.misread(rows, command) };
        let compare = |function, number: f64| {
            call(function, vec![Expr::Field(field.clone()), Expr::Literal(number_value(number))])
        };
        let within = vec![compare(Function::GeAny, low), compare(Function::LeAny, high)];
        cases.push(call(Function::And3, within));
        cases.push(Expr::text(&*setting.name.value));
    }
    cases.push(Expr::text(value("default").as_deref().unwrap_or("None")));
    if cases.len() < 3 {
        return lowering.misread(rows, command);
    }
    let range = lowering.checked(Function::Case, cases, command.span);
    let steps = vec![(Target::Name("range".into()), range)];
    lowering.push(rows, RowStage::Compute { steps }, command)
}
