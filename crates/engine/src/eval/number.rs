//! Values as numbers and as text, as expressions see them.

use std::borrow::Cow;
use std::cmp::Ordering;

use rulestone_value::Value;

/// The text of a value; none for null and lists.
pub(crate) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Time(time) => Some(Cow::Owned(time.seconds_text())),
        value => value.text(),
    }
}

/// The number of a value: a number, text that is one in decimal, or a time. Never infinite.
pub(crate) fn float(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Integer(value) => *value as f64,
        Value::Float(value) => *value,
        Value::Time(time) => time.seconds(),
        Value::String(text) => decimal(text)?,
        Value::Null | Value::Bool(_) | Value::List(_) => return None,
    };
    number.is_finite().then_some(number)
}

/// A decimal number with nothing around it but blanks. Hexadecimal is text: an identifier that
/// happens to have digits alone is a number in every language, one with a prefix in none.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    if numeric { text.parse().ok() } else { None }
}

/// The whole number of a value, whatever comes behind its point cut off.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(value) => Some(*value),
        Value::String(text) => text.trim_ascii().parse().ok().or_else(|| truncated(float(value)?)),
        value => truncated(float(value)?),
    }
}

fn truncated(number: f64) -> Option<i64> {
    // 2^63 itself is out of range.
    (number.abs() < i64::MAX as f64).then_some(number as i64)
}

/// The whole number that a value is, exactly; none for fractions.
fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Integer(value) => Some(i128::from(*value)),
        Value::String(text) => text.trim_ascii().parse().ok(),
        _ => None,
    }
}

/// A computed number as a value: whole ones as integers, null for what is no number.
pub(crate) fn of_float(number: f64) -> Value {
    /// Above this not every whole number can be told from its neighbours.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !number.is_finite() {
        Value::Null
    } else if number.fract() == 0.0 && number.abs() <= EXACT {
        Value::Integer(number as i64)
    } else {
        Value::Float(number)
    }
}

/// How two values compare: as numbers where both are, else as text with case. None for null,
/// lists, and what cannot be compared.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    if let (Value::String(left), Value::String(right)) = (left, right) {
        let may_be_number =
            |text: &str| text.starts_with(|c: char| c.is_ascii_digit() || " \t+-.".contains(c));
        if left == right {
            return Some(Ordering::Equal);
        }
        if !may_be_number(left) || !may_be_number(right) {
            return Some(left.cmp(right));
        }
    }
    if let (Value::Time(left), Value::Time(right)) = (left, right) {
        return Some(left.cmp(right));
    }
    // Long identifiers of digits differ where the nearest fractions are the same.
    if let (Some(left), Some(right)) = (whole(left), whole(right)) {
        return Some(left.cmp(&right));
    }
    if let (Some(left), Some(right)) = (float(left), float(right)) {
        return left.partial_cmp(&right);
    }
    Some(text(left)?.cmp(&text(right)?))
}

/// Whether two values are equal, as [`compare`] has it.
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    compare(left, right) == Some(Ordering::Equal)
}
