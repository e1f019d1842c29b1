//! Lines of text in formats that a table knows, `known.toml`: access logs, flow logs and the like.
//!
//! A record has the values that the table names and the whole line as `_raw`, for rules that look
//! into it.

use std::sync::LazyLock;

use memchr::memmem;
use regex::bytes::{Captures, Regex};
use rulestone_value::Time;
use serde::Deserialize;

use super::date::{self, Zone};
use super::textlog::Conversion;
use super::wintext::local_time;
use super::write::Object;

/// A longer line is none of these.
const LONGEST: usize = 1 << 20;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    format: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    has: String,
    line: String,
    pairs: Option<Pairs>,
    separator: Option<String>,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    time: Vec<String>,
}

/// How names and values stand in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Pairs {
    /// `name="value"`, or to the next white space.
    Quoted,
    /// To the next name.
    Spaced,
}

struct Known {
    entry: Entry,
    line: Regex,
}

static FORMATS: LazyLock<Vec<Known>> = LazyLock::new(|| {
    // The table is part of the program; a test reads it, so a mistake never reaches a user.
    let file: File = toml::from_str(include_str!("known.toml")).unwrap_or_default();
    let known = |entry: Entry| Some(Known { line: Regex::new(&entry.line).ok()?, entry });
    file.format.into_iter().filter_map(known).collect()
});

/// Whether this is a line of a known format.
pub(crate) fn is_line(line: &[u8]) -> bool {
    find(line.trim_ascii_end()).is_some()
}

fn find(line: &[u8]) -> Option<(&'static Known, Captures<'_>)> {
    if line.len() > LONGEST {
        return None;
    }
    let has = |known: &&Known| memmem::find(line, known.entry.has.as_bytes()).is_some();
    FORMATS.iter().filter(has).find_map(|known| Some((known, known.line.captures(line)?)))
}

/// Writes the record of a line.
pub(crate) fn convert(text: &[u8], to: Conversion<'_>, out: &mut Vec<u8>) {
    let line = text.trim_ascii_end();
    let Some((known, captures)) = find(line) else {
        to.tally.skip("line that cannot be read", (to.place)(), text.len() as u64);
        return;
    };
    let values = values(known, line, &captures);
    let mut object = Object::open(out);
    object.text("log_format", known.entry.name.as_bytes());
    match time(&known.entry, &values) {
        Some((time, zone)) => {
            object.text("timestamp", time.to_string().as_bytes());
            if zone == Zone::Assumed {
                local_time(to.tally, (to.place)());
            }
        }
        None => {
            let reason = "line without a date, its time is not known";
            if !to.tally.skipped.contains_key(reason) {
                to.tally.skip(reason, (to.place)(), 0);
            }
        }
    }
    for (name, value) in &values {
        object.text(name, value);
    }
    object.text("_raw", line);
    object.close();
}

/// The values of a line by name; a name stands once.
fn values<'t>(
    known: &'static Known,
    line: &'t [u8],
    captures: &Captures<'t>,
) -> Vec<(String, &'t [u8])> {
    let mut values: Vec<(String, &[u8])> = Vec::new();
    let mut add = |name: &str, value: &'t [u8]| {
        if !values.iter().any(|(own, _)| own == name) {
            values.push((name.to_owned(), value));
        }
    };
    for name in known.line.capture_names().flatten().filter(|name| *name != "pairs") {
        if let Some(found) = captures.name(name) {
            add(name, found.as_bytes());
        }
    }
    if let Some(separator) = known.entry.separator.as_ref().and_then(|text| text.bytes().next()) {
        let parts = line.split(|byte| *byte == separator);
        known.entry.columns.iter().zip(parts).for_each(|(name, part)| add(name, part));
    }
    if let Some(form) = known.entry.pairs {
        let text = captures.name("pairs").map_or(line, |found| found.as_bytes());
        pairs(text, form, &mut add);
    }
    values
}

/// Gives the names and values of a text of pairs.
fn pairs<'t>(text: &'t [u8], form: Pairs, add: &mut impl FnMut(&str, &'t [u8])) {
    let mut at = 0;
    while let Some((name, start)) = name(text, at) {
        let rest = &text[start..];
        let quoted = rest.first() == Some(&b'"');
        let end = match form {
            _ if quoted => rest[1..].iter().position(|b| *b == b'"').map(|length| length + 1),
            Pairs::Quoted => rest.iter().position(u8::is_ascii_whitespace),
            Pairs::Spaced => next_name(rest),
        };
        let end = end.unwrap_or(rest.len());
        let value = &rest[usize::from(quoted)..end];
        add(&String::from_utf8_lossy(name), value.trim_ascii());
        at = start + end;
    }
}

/// The next name that stands before a `=`, and where its value starts.
fn name(text: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let mut at = from;
    loop {
        let equals = at + memchr::memchr(b'=', text.get(at..)?)?;
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let length = text[from..equals].iter().rev().take_while(|b| is_name(b)).count();
        if length > 0 {
            return Some((&text[equals - length..equals], equals + 1));
        }
        at = equals + 1;
    }
}

/// Where the space stands before the next name.
fn next_name(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let (name, start) = name(text, from)?;
        let before = start - 1 - name.len();
        if before > 0 && text[before - 1] == b' ' {
            return Some(before - 1);
        }
        from = start;
    }
}

fn time(entry: &Entry, values: &[(String, &[u8])]) -> Option<(Time, Zone)> {
    let value = |name: &String| values.iter().find(|(own, _)| own == name).map(|(_, value)| *value);
    let parts: Option<Vec<_>> =
        entry.time.iter().map(|name| std::str::from_utf8(value(name)?).ok()).collect();
    let text = parts.filter(|parts| !parts.is_empty())?.join(" ");
    if let Some(time) = common_log_time(&text) {
        return Some((time, Zone::Said));
    }
    if let Ok(seconds) = text.parse() {
        return Time::from_seconds(seconds).map(|time| (time, Zone::Said));
    }
    date::read(&text)
}

/// `22/Feb/2024:13:00:00 -0500`.
fn common_log_time(text: &str) -> Option<Time> {
    let (date, rest) = text.split_once(':')?;
    let mut parts = date.split('/');
    let (day, month, year) = (parts.next()?, date::month(parts.next()?)?, parts.next()?);
    let (clock, zone) = rest.split_once(' ')?;
    Time::parse(&format!("{year}-{month:02}-{day}T{clock}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        let file: File = toml::from_str(include_str!("known.toml")).unwrap();
        assert_eq!(file.format.len(), FORMATS.len(), "every expression is one");
        for known in FORMATS.iter() {
            let has_columns = known.entry.columns.is_empty() == known.entry.separator.is_none();
            assert!(has_columns, "{}: columns and what separates them", known.entry.name);
        }
    }

    #[test]
    fn pairs_of_names_and_values() {
        let cases = [
            (Pairs::Quoted, r#"a="1 2" b=3 c="""#, "a:1 2|b:3|c:"),
            (Pairs::Quoted, r#"a="x=y" b=3"#, "a:x=y|b:3"),
            (Pairs::Spaced, "a=bash -il b=3 c=x y=", "a:bash -il|b:3|c:x|y:"),
            (Pairs::Spaced, "=1 a=2", "a:2"),
            (Pairs::Quoted, "no pairs", ""),
        ];
        for (form, text, expected) in cases {
            let mut found = Vec::new();
            pairs(text.as_bytes(), form, &mut |name: &str, value: &[u8]| {
                found.push(format!("{name}:{}", String::from_utf8_lossy(value)));
            });
            assert_eq!(found.join("|"), expected, "{text}");
        }
    }

    #[test]
    fn times_of_access_logs() {
        let time = common_log_time("22/Feb/2024:13:00:00 -0500").unwrap();
        assert_eq!(time, Time::parse("2024-02-22T18:00:00Z").unwrap());
        assert_eq!(common_log_time("22/Foo/2024:13:00:00 -0500"), None);
    }
}
