//! One value of an event.

use std::borrow::Cow;

use crate::Time;

/// A value as a reader found it or a view made it.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Absent, or there without a value. The two are not told apart: EVTX leaves elements of NULL
    /// out while other exporters write them.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    String(String),
    /// A point in time.
    Time(Time),
    /// Several values under one name; never nested, never empty.
    List(Vec<Value>),
}

impl Value {
    /// Text, from anything that turns into a string.
    pub fn string(text: impl Into<String>) -> Value {
        Value::String(text.into())
    }

    /// A list in its plain form: nested lists are spread, nulls left out, one value stands alone.
    pub fn list(values: impl IntoIterator<Item = Value>) -> Value {
        let mut out = Vec::new();
        for value in values {
            match value {
                Value::Null => {}
                Value::List(inner) => out.extend(inner),
                value => out.push(value),
            }
        }
        match out.len() {
            0 => Value::Null,
            1 => out.swap_remove(0),
            _ => Value::List(out),
        }
    }

    /// Whether there is nothing here.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The elements: none for null, one for a single value.
    pub fn elements(&self) -> &[Value] {
        match self {
            Value::Null => &[],
            Value::List(values) => values,
            value => std::slice::from_ref(value),
        }
    }

    /// The text that string tests look at; `None` for null and lists.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Value::Null | Value::List(_) => None,
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Value::Integer(value) => Some(Cow::Owned(value.to_string())),
            Value::Float(value) => Some(Cow::Owned(value.to_string())),
            Value::Time(time) => Some(Cow::Owned(time.to_string())),
        }
    }

    /// The number that numeric tests look at: a number, or text that is one in decimal or with a
    /// leading `0x`.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Integer(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            Value::String(text) => number_of(text.trim()),
            _ => None,
        }
    }

    /// The point in time that time tests look at: a time, text in a spelling that [`Time::parse`]
    /// knows, or seconds or milliseconds since the Unix epoch.
    pub fn time(&self) -> Option<Time> {
        /// Whole numbers above this are milliseconds: as seconds they would lie past the year 5138.
        const LARGEST_SECONDS: i64 = 100_000_000_000;
        match self {
            Value::Time(time) => Some(*time),
            Value::String(text) => Time::parse(text),
            Value::Integer(value) if value.abs() < LARGEST_SECONDS => Time::from_seconds(*value),
            Value::Integer(value) => value.checked_mul(10_000).map(Time::from_ticks),
            Value::Float(value) if value.abs() < LARGEST_SECONDS as f64 => {
                Some(Time::from_ticks((value * 1e7) as i64))
            }
            _ => None,
        }
    }
}

fn number_of(text: &str) -> Option<f64> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok().map(|n| n as f64);
    }
    // Rust also reads "inf" and "nan", which no log means as numbers.
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    if numeric { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_text() {
        let cases = [
            ("42", Some(42.0)),
            (" -1.5 ", Some(-1.5)),
            ("0x1F", Some(31.0)),
            ("inf", None),
            ("nan", None),
            ("", None),
            ("12 apples", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Value::string(text).number(), expected, "{text:?}");
        }
    }

    #[test]
    fn lists_are_flat() {
        let list = Value::list([
            Value::Null,
            Value::List(vec![Value::Integer(1), Value::Integer(2)]),
            Value::Integer(3),
        ]);
        assert_eq!(list.elements().len(), 3);
        assert_eq!(Value::list([Value::Null, Value::Integer(3)]), Value::Integer(3));
        assert!(Value::list([]).is_null());
    }
}
