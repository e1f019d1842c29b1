//! Time: seconds since the epoch, in UTC.

use rulestone_ir::{Expr, Function, Span};
use rulestone_value::Value;

use super::values::{argument, integer, one, two};
use crate::snowflake::ast::{self, Call, ExprKind};
use crate::snowflake::lower::expr::number;
use crate::snowflake::lower::{Lowering, Rows, time};
use crate::snowflake::units::Unit;

const DAY: i64 = 86_400;

/// An argument as a point in time.
fn at(lowering: &mut Lowering<'_>, call: &Call, place: usize, rows: &Rows) -> Expr {
    let Some(argument) = call.arguments.get(place) else { return Expr::Literal(Value::Null) };
    if let ExprKind::Literal(Value::String(text)) = &argument.kind {
        return lowering.time_literal(text, argument.span);
    }
    let of = lowering.expr(argument, rows);
    time::as_time(of, time::is_time(argument), lowering.place(call.at))
}

fn unit(lowering: &mut Lowering<'_>, call: &Call, place: usize) -> Option<&'static Unit> {
    let argument = call.arguments.get(place)?;
    let unit = time::unit_of(argument);
    if unit.is_none() {
        lowering.unsupported("unsupported-option", "there is no such unit of time", argument.span);
    }
    unit
}

const NULL: Expr = Expr::Literal(Value::Null);

pub(super) fn now(_: &mut Lowering<'_>, _: &Call, span: Span, _: &Rows) -> Expr {
    Expr::call(Function::Now, vec![], span)
}

pub(super) fn current_date(_: &mut Lowering<'_>, _: &Call, span: Span, _: &Rows) -> Expr {
    let now = Expr::call(Function::Now, vec![], span);
    two(Function::RelativeTime, now, Expr::text("@d"), span)
}

/// A length of time, or a number that is days where the other side is a time.
fn length(lowering: &mut Lowering<'_>, of: &ast::Expr, span: Span, rows: &Rows) -> Expr {
    match &of.kind {
        ExprKind::Interval(by) => Expr::Literal(number(by.seconds)),
        _ => two(Function::Multiply, lowering.expr(of, rows), integer(DAY), span),
    }
}

fn moved(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
    forwards: bool,
) -> Expr {
    let [left, right] = &call.arguments[..] else { return NULL };
    let function = if forwards { Function::Add } else { Function::Subtract };
    if time::is_time(left) && !time::is_time(right) {
        if let ExprKind::Interval(by) = &right.kind
            && by.months != 0
        {
            let months = if forwards { by.months } else { -by.months };
            let of = lowering.expr(left, rows);
            return by_months(of, months, span);
        }
        let (of, by) = (lowering.expr(left, rows), length(lowering, right, span, rows));
        return two(function, of, by, span);
    }
    let sides = vec![lowering.expr(left, rows), lowering.expr(right, rows)];
    if !forwards && time::is_time(left) {
        // Two times: days.
        let seconds = Expr::call(Function::Subtract, sides, span);
        return two(Function::Divide, seconds, integer(DAY), span);
    }
    match forwards {
        true => {
            let sides = sides.into_iter().map(|side| one(Function::ToNumber, side, span));
            Expr::call(Function::Add, sides.collect(), span)
        }
        false => Expr::call(Function::Subtract, sides, span),
    }
}

pub(super) fn add(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    moved(lowering, call, span, rows, true)
}

pub(super) fn subtract(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    moved(lowering, call, span, rows, false)
}

fn by_months(of: Expr, months: i64, span: Span) -> Expr {
    two(Function::RelativeTime, of, Expr::text(format!("{months:+}mon")), span)
}

/// `dateadd(hour, -2, x)`.
pub(super) fn date_add(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let Some(unit) = unit(lowering, call, 0) else { return NULL };
    let of = at(lowering, call, 2, rows);
    if unit.months == 0 {
        let count = argument(lowering, call, 1, rows);
        let by = match &count {
            Expr::Literal(value) if value.number().is_some() => {
                Expr::Literal(number(value.number().unwrap_or_default() * unit.seconds))
            }
            _ => two(Function::Multiply, count, Expr::Literal(number(unit.seconds)), span),
        };
        return two(Function::Add, of, by, span);
    }
    match time::literal(&call.arguments[1]) {
        Some(count) => by_months(of, (count as i64).saturating_mul(unit.months), span),
        None => {
            let message = format!("`{}` is run with months that are written out", call.name);
            lowering.refused("unsupported-function", message, call.at)
        }
    }
}

pub(super) fn add_months(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    let of = at(lowering, call, 0, rows);
    match time::literal(&call.arguments[1]) {
        Some(count) => by_months(of, count as i64, span),
        None => {
            let message = "`add_months` is run with months that are written out";
            lowering.refused("unsupported-function", message, call.at)
        }
    }
}

/// How often a unit begins between two times.
pub(super) fn date_diff(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let Some(unit) = unit(lowering, call, 0) else { return NULL };
    let sides = [at(lowering, call, 2, rows), at(lowering, call, 1, rows)];
    let count = sides.map(|side| match unit.months {
        0 => {
            // The epoch was a Thursday, weeks begin on Monday.
            let shift = if unit.snap == "@w1" { 3 * DAY } else { 0 };
            let side =
                if shift == 0 { side } else { two(Function::Add, side, integer(shift), span) };
            let length = Expr::Literal(number(unit.seconds));
            one(Function::Floor, two(Function::Divide, side, length, span), span)
        }
        months => {
            let part = |format| formatted(side.clone(), format, span);
            let years = two(Function::Multiply, part("%Y"), integer(12), span);
            let all = two(
                Function::Add,
                years,
                two(Function::Subtract, part("%m"), integer(1), span),
                span,
            );
            one(Function::Floor, two(Function::Divide, all, integer(months), span), span)
        }
    });
    Expr::call(Function::Subtract, count.to_vec(), span)
}

/// A part of a time as a number.
fn formatted(of: Expr, format: &str, span: Span) -> Expr {
    let text = two(Function::FormatTime, of, Expr::text(format), span);
    one(Function::ToNumber, text, span)
}

/// Parts of a time that are no units.
const PARTS: [(&[&str], &str); 6] = [
    (&["dayofweek", "weekday", "dow", "dw"], "%w"),
    (&["dayofweekiso", "dayofweek_iso", "weekday_iso", "dow_iso", "dw_iso"], "%u"),
    (&["dayofyear", "yearday", "doy", "dy"], "%j"),
    (&["weekiso", "week_iso", "weekofyeariso", "weekofyear_iso"], "%V"),
    (&["yearofweek", "yearofweekiso"], "%G"),
    (&["nanosecond", "ns", "nsec", "nanosec"], "%9N"),
];

/// How many of them are in a second.
const EPOCHS: [(&[&str], f64); 4] = [
    (&["epoch_second", "epoch", "epoch_seconds"], 1.0),
    (&["epoch_millisecond", "epoch_milliseconds"], 1e3),
    (&["epoch_microsecond", "epoch_microseconds"], 1e6),
    (&["epoch_nanosecond", "epoch_nanoseconds"], 1e9),
];

fn part(lowering: &mut Lowering<'_>, word: &str, of: Expr, call: &Call, span: Span) -> Expr {
    if let Some((_, count)) = EPOCHS.iter().find(|(names, _)| names.contains(&word)) {
        let of = match *count {
            1.0 => of,
            count => two(Function::Multiply, of, Expr::Literal(number(count)), span),
        };
        return one(Function::Floor, of, span);
    }
    if let Some((_, format)) = PARTS.iter().find(|(names, _)| names.contains(&word)) {
        return formatted(of, format, span);
    }
    match crate::snowflake::units::find(word) {
        Some(unit) if !unit.part.is_empty() => formatted(of, unit.part, span),
        Some(unit) if unit.months == 3 => {
            let month = formatted(of, "%m", span);
            one(Function::Ceiling, two(Function::Divide, month, integer(3), span), span)
        }
        _ => {
            let message = format!("the part `{word}` of a time is not run");
            lowering.refused("unsupported-option", message, call.at)
        }
    }
}

pub(super) fn date_part(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let of = at(lowering, call, 1, rows);
    let word = call.arguments.first().and_then(time::word).unwrap_or_default();
    part(lowering, &word, of, call, span)
}

/// `hour(x)` and its like.
pub(super) fn part_by_name(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    let of = at(lowering, call, 0, rows);
    let name = call.name.clone();
    part(lowering, &name, of, call, span)
}

pub(super) fn day_name(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    two(Function::FormatTime, at(lowering, call, 0, rows), Expr::text("%a"), span)
}

pub(super) fn month_name(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    two(Function::FormatTime, at(lowering, call, 0, rows), Expr::text("%b"), span)
}

pub(super) fn date_trunc(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    let Some(unit) = unit(lowering, call, 0) else { return NULL };
    let of = at(lowering, call, 1, rows);
    two(Function::RelativeTime, of, Expr::text(unit.snap), span)
}

/// The start of the slice that a time is in.
pub(super) fn time_slice(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    let Some(unit) = unit(lowering, call, 2) else { return NULL };
    let count = time::literal(&call.arguments[1]).filter(|count| *count > 0.0);
    let end = call.arguments.get(3).and_then(time::word).is_some_and(|word| word == "end");
    let Some(count) = count.filter(|_| unit.months == 0 && !end) else {
        let message = "`time_slice` is run with a number of units of a fixed length";
        return lowering.refused("unsupported-function", message, call.at);
    };
    let length = Expr::Literal(number(count * unit.seconds));
    let of = at(lowering, call, 0, rows);
    let slices = one(Function::Floor, two(Function::Divide, of, length.clone(), span), span);
    two(Function::Multiply, slices, length, span)
}

/// Times have no zone here: only what stays in UTC is what it was.
pub(super) fn convert_timezone(
    lowering: &mut Lowering<'_>,
    call: &Call,
    _: Span,
    rows: &Rows,
) -> Expr {
    let (of, zones) =
        call.arguments.split_last().map_or((None, &[][..]), |(of, zones)| (Some(of), zones));
    let utc = |zone: &ast::Expr| {
        matches!(&zone.kind, ExprKind::Literal(Value::String(name))
            if ["utc", "etc/utc", "gmt", "z"].contains(&&*name.to_ascii_lowercase()))
    };
    if !zones.iter().all(utc) {
        let message = "`convert_timezone` is run to and from UTC alone";
        return lowering.refused("unsupported-function", message, call.at);
    }
    match of {
        Some(_) => at(lowering, call, zones.len(), rows),
        None => NULL,
    }
}

/// A second argument is a scale, which changes nothing, or a format, which is not run.
fn without_format(lowering: &mut Lowering<'_>, call: &Call) {
    let Some(second) = call.arguments.get(1) else { return };
    match &second.kind {
        ExprKind::Literal(Value::Integer(0)) => {}
        ExprKind::Literal(Value::String(word)) if word.eq_ignore_ascii_case("auto") => {}
        _ => {
            let message = format!("`{}` is run without a format or scale", call.name);
            lowering.unsupported("unsupported-option", message, second.span);
        }
    }
}

pub(super) fn to_time(lowering: &mut Lowering<'_>, call: &Call, _: Span, rows: &Rows) -> Expr {
    without_format(lowering, call);
    at(lowering, call, 0, rows)
}

pub(super) fn to_date(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    without_format(lowering, call);
    two(Function::RelativeTime, at(lowering, call, 0, rows), Expr::text("@d"), span)
}

/// Parts of a format, the longer ones first.
const FORMAT: [(&str, &str); 18] = [
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("MMMM", "%B"),
    ("MON", "%b"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("DY", "%a"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("HH", "%H"),
    ("AM", "%p"),
    ("PM", "%p"),
    ("MI", "%M"),
    ("SS", "%S"),
    ("FF9", "%9N"),
    ("FF6", "%6N"),
    ("FF3", "%3N"),
    ("FF", "%9N"),
];

pub(super) fn to_text(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let of = argument(lowering, call, 0, rows);
    let is_time = call.arguments.first().is_some_and(time::is_time);
    match (call.arguments.get(1), is_time) {
        (None, true) => time::as_text(of, span),
        (None, false) => one(Function::ToText, of, span),
        (Some(ast::Expr { kind: ExprKind::Literal(Value::String(format)), .. }), true) => {
            two(Function::FormatTime, of, Expr::text(conversions(format)), span)
        }
        (Some(format), _) => {
            let message = format!("`{}` is run with a format of a time alone", call.name);
            lowering.refused("unsupported-option", message, format.span)
        }
    }
}

/// A format as strftime's conversions.
fn conversions(format: &str) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        let starts = |part: &str| {
            rest.get(..part.len()).is_some_and(|start| start.eq_ignore_ascii_case(part))
        };
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, behind) = quoted.split_once('"').unwrap_or((quoted, ""));
            out.push_str(&text.replace('%', "%%"));
            rest = behind;
        } else if let Some((part, conversion)) = FORMAT.iter().find(|(part, _)| starts(part)) {
            out.push_str(conversion);
            rest = &rest[part.len()..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let cases = [
            ("YYYY-MM-DD HH24:MI:SS.FF3", "%Y-%m-%d %H:%M:%S.%3N"),
            ("yyyymmdd", "%Y%m%d"),
            ("YYYY-MM-DD\"T\"HH24", "%Y-%m-%dT%H"),
        ];
        for (format, expected) in cases {
            assert_eq!(conversions(format), expected, "{format}");
        }
    }
}
