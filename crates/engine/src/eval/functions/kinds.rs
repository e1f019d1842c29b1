//! Kinds of values, and values in other forms.

use rulestone_value::Value;

use super::{Arguments, Ready, float_at, text_at};
use crate::eval::number::{float, integer, of_float, text};

/// A truth value is `True` or `False` here, as people write it; elsewhere it is as logs have it.
pub(super) fn to_text(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let form = arguments.get(1).map(|_| text_at(arguments, 1).unwrap_or_default());
    let Some(form) = form else {
        return match &*arguments[0] {
            Value::Bool(value) => Value::string(if *value { "True" } else { "False" }),
            value => text(value).map_or(Value::Null, |text| Value::String(text.into_owned())),
        };
    };
    let Some(number) = float_at(arguments, 0) else { return Value::Null };
    let whole = integer(&arguments[0]);
    match (&*form, whole) {
        ("hex", Some(whole @ 0..)) => Value::String(format!("0x{whole:X}")),
        ("binary", Some(whole @ 0..)) => Value::String(format!("{whole:b}")),
        ("commas", _) => Value::String(with_commas(number)),
        ("duration", Some(whole)) => Value::String(duration(number, whole)),
        _ => Value::Null,
    }
}

/// Two decimals where there is a fraction.
fn with_commas(number: f64) -> String {
    let digits = match number.fract() == 0.0 {
        true => format!("{:.0}", number.abs()),
        false => format!("{:.2}", number.abs()),
    };
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let sign =
        if number < 0.0 && digits.bytes().any(|b| (b'1'..=b'9').contains(&b)) { "-" } else { "" };
    format!("{sign}{}{fraction}", grouped(whole))
}

/// Digits in groups of three.
pub(super) fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `D+HH:MM:SS`, the days only where there are some, microseconds where there is a fraction.
fn duration(number: f64, whole: i64) -> String {
    let sign = if number < 0.0 { "-" } else { "" };
    let mut seconds = whole.unsigned_abs();
    let mut micros = (number.abs().fract() * 1e6).round() as u64;
    if micros == 1_000_000 {
        (seconds, micros) = (seconds + 1, 0);
    }
    let days = match seconds / 86_400 {
        0 => String::new(),
        days => format!("{days}+"),
    };
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{sign}{days}{hours:02}:{minutes:02}:{:02}{fraction}", seconds % 60)
}

pub(super) fn is_bool(arguments: &Arguments<'_>, _: &Ready) -> Value {
    Value::Bool(matches!(&*arguments[0], Value::Bool(_)))
}

pub(super) fn is_integer(arguments: &Arguments<'_>, _: &Ready) -> Value {
    Value::Bool(float(&arguments[0]).is_some_and(|number| number.fract() == 0.0))
}

pub(super) fn is_number(arguments: &Arguments<'_>, _: &Ready) -> Value {
    Value::Bool(float(&arguments[0]).is_some())
}

pub(super) fn is_text(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let value = &arguments[0];
    Value::Bool(matches!(&**value, Value::String(_)) && float(value).is_none())
}

pub(super) fn type_name(arguments: &Arguments<'_>, _: &Ready) -> Value {
    Value::string(match &*arguments[0] {
        Value::Null => "Invalid",
        Value::Bool(_) => "Boolean",
        Value::List(_) => "Multivalue",
        value if float(value).is_some() => "Number",
        _ => "String",
    })
}

/// The number that a text starts with, and what comes behind it.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim_ascii();
    let signed = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits =
        signed.len() - signed.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, rest) = text.split_at(text.len() - signed.len() + digits);
    Some((number.parse().ok()?, rest.trim_ascii()))
}

/// `D+HH:MM:SS`, `HH:MM:SS`, `MM:SS` or seconds.
pub(super) fn duration_seconds(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let Some(text) = text_at(arguments, 0) else { return Value::Null };
    let (days, rest) = text.trim_ascii().split_once('+').unwrap_or(("0", text.trim_ascii()));
    let parts: Vec<&str> = rest.split(':').collect();
    let read = |part: &str| float(&Value::string(part)).filter(|number| *number >= 0.0);
    let seconds = match parts.len() {
        1..=3 => parts.iter().try_fold(0.0, |sum, part| Some(sum * 60.0 + read(part)?)),
        _ => None,
    };
    match (read(days), seconds) {
        (Some(days), Some(seconds)) => of_float(days * 86_400.0 + seconds),
        _ => Value::Null,
    }
}

/// Kilobytes where there is no unit.
pub(super) fn memory_kilobytes(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let Some(text) = text_at(arguments, 0) else { return Value::Null };
    let Some((number, unit)) = leading_number(&text) else { return Value::Null };
    let factor = match unit.bytes().next().map(|unit| unit.to_ascii_lowercase()) {
        None | Some(b'k') => 1.0,
        Some(b'm') => 1024.0,
        Some(b'g') => 1024.0 * 1024.0,
        Some(b't') => 1024.0 * 1024.0 * 1024.0,
        Some(_) => return Value::Null,
    };
    of_float(number * factor)
}

pub(super) fn without_unit(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let text = text_at(arguments, 0).map(|text| text.replace(',', ""));
    let number = text.as_deref().and_then(leading_number).map(|(number, _)| number);
    number.map_or(Value::Null, of_float)
}
