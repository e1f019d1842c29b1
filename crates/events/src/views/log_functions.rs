//! Functions for the values of logs that are not Windows': lists of names and values, rows of
//! tables inside of a text, numbers.

use rulestone_value::Value;

use super::functions::{Function, each, whole_or_float};

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "named", arguments: 3..=3, usage: "three", call: named },
    Function { name: "joined", arguments: 2..=2, usage: "two", call: joined },
    Function { name: "paired", arguments: 2..=2, usage: "two", call: paired },
    Function { name: "column", arguments: 2..=2, usage: "two", call: column },
    Function { name: "pair_value", arguments: 2..=2, usage: "two", call: pair_value },
    Function { name: "scaled", arguments: 2..=2, usage: "two", call: scaled },
    Function { name: "epoch", arguments: 1..=1, usage: "one", call: epoch },
    Function { name: "url_decoded", arguments: 1..=1, usage: "one", call: url_decoded },
];

/// Of two lists that belong together the elements of the second at the places where the first is
/// the third, without case: `[{"Name":"a","Value":"1"},…]` as one list of names and one of values.
/// Null where the lists are not of one length, for then nobody can tell what belongs together.
fn named(values: &[Value]) -> Value {
    let [names, texts, wanted] = values else { return Value::Null };
    let (names, texts) = (names.elements(), texts.elements());
    let Some(wanted) = wanted.text().filter(|_| names.len() == texts.len()) else {
        return Value::Null;
    };
    let is = |name: &Value| name.text().is_some_and(|name| name.eq_ignore_ascii_case(&wanted));
    let found = names.iter().zip(texts).filter(|(name, _)| is(name));
    Value::list(found.map(|(_, text)| text.clone()))
}

/// The elements of a list as one text, with the second between them.
fn joined(values: &[Value]) -> Value {
    let texts: Vec<_> = values[0].elements().iter().filter_map(Value::text).collect();
    match values[1].text() {
        Some(between) if !texts.is_empty() => Value::String(texts.join(&*between)),
        _ => Value::Null,
    }
}

/// Two lists that belong together as one: `name=value`.
fn paired(values: &[Value]) -> Value {
    let (names, texts) = (values[0].elements(), values[1].elements());
    let pair = |(name, text): (&Value, &Value)| {
        Some(Value::String(format!("{}={}", name.text()?, text.text()?)))
    };
    Value::list(names.iter().zip(texts).filter_map(pair))
}

/// One column of a row of values separated by commas, from 0; quotes around a value are no part
/// of it. Null where it is empty.
fn column(values: &[Value]) -> Value {
    let Some(place) = values[1].number().map(|number| number as usize) else { return Value::Null };
    each(&values[0], |text| {
        let mut rest = text;
        for _ in 0..place {
            rest = cell(rest).1?;
        }
        let (found, _) = cell(rest);
        (!found.is_empty()).then(|| Value::string(found.replace("\"\"", "\"")))
    })
}

/// The first value of a row, and what stands behind its comma.
fn cell(row: &str) -> (&str, Option<&str>) {
    let behind = |rest: &str| rest.find(',').map(|comma| comma + 1);
    if let Some(inner) = row.strip_prefix('"') {
        let mut at = 0;
        while let Some(quote) = inner[at..].find('"').map(|length| at + length) {
            if inner[quote + 1..].starts_with('"') {
                at = quote + 2;
                continue;
            }
            let rest = &inner[quote + 1..];
            return (&inner[..quote], behind(rest).map(|comma| &rest[comma..]));
        }
    }
    let end = row.find(',').unwrap_or(row.len());
    (&row[..end], row.get(end + 1..))
}

/// What stands behind `key=` in a text of such pairs, in quotes or to the next space.
fn pair_value(values: &[Value]) -> Value {
    let Some(key) = values[1].text().filter(|key| !key.is_empty()) else { return Value::Null };
    each(&values[0], |text| {
        let mut from = 0;
        loop {
            let at = from + text[from..].find(&*key)?;
            let is_word = !text[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.".contains(c));
            from = at + key.len();
            let Some(rest) = text[from..].strip_prefix('=').filter(|_| is_word) else { continue };
            let value = match rest.strip_prefix('"') {
                Some(inner) => inner.split('"').next(),
                None => rest.split([' ', ',', ';', '|', ']', ')']).next(),
            };
            return value.filter(|value| !value.is_empty()).map(Value::string);
        }
    })
}

/// One number times another.
fn scaled(values: &[Value]) -> Value {
    match (values[0].number(), values[1].number()) {
        (Some(value), Some(factor)) => whole_or_float((value * factor * 1e6).round() / 1e6),
        _ => Value::Null,
    }
}

/// A time as seconds since 1970 with three digits behind the point.
fn epoch(values: &[Value]) -> Value {
    const TICKS: i64 = 10_000_000;
    let time = values[0].time().map(|time| time.ticks());
    time.map_or(Value::Null, |ticks| {
        let (seconds, rest) = (ticks.div_euclid(TICKS), ticks.rem_euclid(TICKS));
        Value::String(format!("{seconds}.{:03}", rest / 10_000))
    })
}

/// `%20` and the like as the characters they stand for.
fn url_decoded(values: &[Value]) -> Value {
    each(&values[0], |text| {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((first, behind)) = rest.split_first() {
            let code = behind.get(..2).filter(|_| *first == b'%');
            let code = code.and_then(|code| std::str::from_utf8(code).ok());
            let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
            out.push(byte.unwrap_or(*first));
            rest = if byte.is_some() { &behind[2..] } else { behind };
        }
        Some(Value::String(String::from_utf8_lossy(&out).into_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Value {
        Value::list(texts.iter().map(|text| Value::string(*text)))
    }

    fn text(text: &str) -> Value {
        Value::string(text)
    }

    #[test]
    fn functions_of_lists_and_rows() {
        let (names, values) = (list(&["User", "Rights", "User"]), list(&["ann", "All", "bob"]));
        let row = text(r#"1,TRAFFIC,,"a ""b"", c",last"#);
        let pairs = text(r#"type="utm" src=10.0.0.1, srcport=22 msg="a b" end"#);
        let cases = [
            (named(&[names.clone(), values.clone(), text("rights")]), text("All")),
            (named(&[names.clone(), values.clone(), text("User")]), list(&["ann", "bob"])),
            (named(&[names.clone(), values.clone(), text("Other")]), Value::Null),
            (named(&[names.clone(), text("one"), text("User")]), Value::Null),
            (paired(&[text("a"), text("1")]), text("a=1")),
            (joined(&[list(&["id", "-u", "x"]), text(" ")]), text("id -u x")),
            (joined(&[Value::Null, text(" ")]), Value::Null),
            (column(&[row.clone(), text("1")]), text("TRAFFIC")),
            (column(&[row.clone(), text("2")]), Value::Null),
            (column(&[row.clone(), text("3")]), text("a \"b\", c")),
            (column(&[row.clone(), text("4")]), text("last")),
            (column(&[row, text("5")]), Value::Null),
            (pair_value(&[pairs.clone(), text("type")]), text("utm")),
            (pair_value(&[pairs.clone(), text("src")]), text("10.0.0.1")),
            (pair_value(&[pairs.clone(), text("msg")]), text("a b")),
            (pair_value(&[pairs.clone(), text("port")]), Value::Null),
            (pair_value(&[pairs, text("end")]), Value::Null),
            (scaled(&[text("0.276"), text("1000")]), Value::Integer(276)),
            (epoch(&[text("2024-05-06T07:08:09.123Z")]), text("1714979289.123")),
            (url_decoded(&[text("a%20b%2g%")]), text("a b%2g%")),
        ];
        for (at, (found, expected)) in cases.iter().enumerate() {
            assert_eq!(found, expected, "case {at}");
        }
    }
}
