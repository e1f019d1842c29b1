//! JSON as tokens: the walk over a record without building anything.
//!
//! Readers of other formats hand over their records in JSON as well, so this is the one place
//! where the bytes of a record are cut into values. A string ends at the first quote behind an
//! even number of backslashes; escapes are looked at only when a value is decoded, which is once
//! for each distinct value.

use memchr::memchr;
use rulestone_value::Value;

use crate::paths::{PathId, Paths};

/// One scalar of a record: where it is called what, and the bytes of its token, quotes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) path: PathId,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Cell {
    pub(crate) fn token<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

/// Why a record could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bytes end inside it.
    Truncated,
    /// It is not JSON.
    Syntax,
    /// It nests deeper than [`MAX_DEPTH`].
    TooDeep,
}

impl Fault {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Fault::Truncated => "JSON record cut off before its end",
            Fault::Syntax => "not a JSON object",
            Fault::TooDeep => "JSON nested deeper than 128 levels",
        }
    }
}

/// Levels of objects and lists that a record may have.
pub(crate) const MAX_DEPTH: u32 = 128;

/// Walks the object that starts at `at` (on its `{`) and puts its scalars into `cells`, in order.
/// Elements of lists are cells of the list's own path. Returns the offset behind the object.
pub(crate) fn walk_object(
    bytes: &[u8],
    at: usize,
    paths: &mut Paths,
    cells: &mut Vec<Cell>,
) -> Result<usize, Fault> {
    Walk { bytes, paths, cells }.object(at, PathId::ROOT, 0)
}

/// The offset behind the one value that starts at `at`, if it is a whole one.
pub(crate) fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut walk = Walk { bytes, paths: &mut Paths::default(), cells: &mut Vec::new() };
    walk.value(at, PathId::ROOT, 0).ok()
}

struct Walk<'a> {
    bytes: &'a [u8],
    paths: &'a mut Paths,
    cells: &'a mut Vec<Cell>,
}

impl Walk<'_> {
    fn object(&mut self, at: usize, parent: PathId, depth: u32) -> Result<usize, Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        let mut at = skip_space(self.bytes, at + 1);
        if self.byte(at)? == b'}' {
            return Ok(at + 1);
        }
        let mut guess = self.paths.first_guess(parent);
        loop {
            if self.byte(at)? != b'"' {
                return Err(Fault::Syntax);
            }
            let key_end = string_end(self.bytes, at + 1).ok_or(Fault::Truncated)?;
            let path = self.paths.child(parent, &self.bytes[at + 1..key_end], guess);
            at = skip_space(self.bytes, key_end + 1);
            if self.byte(at)? != b':' {
                return Err(Fault::Syntax);
            }
            at = self.value(skip_space(self.bytes, at + 1), path, depth)?;
            guess = self.paths.next_guess(path);
            at = skip_space(self.bytes, at);
            match self.byte(at)? {
                b',' => at = skip_space(self.bytes, at + 1),
                b'}' => return Ok(at + 1),
                _ => return Err(Fault::Syntax),
            }
        }
    }

    fn list(&mut self, at: usize, path: PathId, depth: u32) -> Result<usize, Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        let mut at = skip_space(self.bytes, at + 1);
        if self.byte(at)? == b']' {
            return Ok(at + 1);
        }
        loop {
            at = skip_space(self.bytes, self.value(at, path, depth)?);
            match self.byte(at)? {
                b',' => at = skip_space(self.bytes, at + 1),
                b']' => return Ok(at + 1),
                _ => return Err(Fault::Syntax),
            }
        }
    }

    fn value(&mut self, at: usize, path: PathId, depth: u32) -> Result<usize, Fault> {
        let end = match self.byte(at)? {
            b'"' => string_end(self.bytes, at + 1).ok_or(Fault::Truncated)? + 1,
            b'{' => return self.object(at, path, depth + 1),
            b'[' => return self.list(at, path, depth + 1),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => scalar_end(self.bytes, at)?,
            _ => return Err(Fault::Syntax),
        };
        self.cells.push(Cell { path, start: at as u32, end: end as u32 });
        Ok(end)
    }

    fn byte(&self, at: usize) -> Result<u8, Fault> {
        self.bytes.get(at).copied().ok_or(Fault::Truncated)
    }
}

pub(crate) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Offset of the quote that ends the string whose first character is at `start`.
pub(crate) fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut from = start;
    loop {
        let quote = from + memchr(b'"', bytes.get(from..)?)?;
        let escapes = bytes[start..quote].iter().rev().take_while(|b| **b == b'\\').count();
        if escapes % 2 == 0 {
            return Some(quote);
        }
        from = quote + 1;
    }
}

/// End of a number, `true`, `false` or `null`.
fn scalar_end(bytes: &[u8], start: usize) -> Result<usize, Fault> {
    let rest = &bytes[start..];
    let length = rest
        .iter()
        .position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
        .ok_or(Fault::Truncated)?;
    let token = &rest[..length];
    let valid = match token[0] {
        b't' => token == b"true",
        b'f' => token == b"false",
        b'n' => token == b"null",
        _ => token.iter().all(|b| b.is_ascii_digit() || b"+-.eE".contains(b)),
    };
    if valid { Ok(start + length) } else { Err(Fault::Syntax) }
}

/// The value of a token.
pub(crate) fn decode(token: &[u8]) -> Value {
    match token.first() {
        Some(b'"') if token.len() >= 2 => {
            Value::String(unescape(&token[1..token.len() - 1]).into_owned())
        }
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') | None => Value::Null,
        Some(_) => decode_number(token),
    }
}

/// A number keeps its text where no 64-bit type holds it exactly.
fn decode_number(token: &[u8]) -> Value {
    let text = String::from_utf8_lossy(token);
    if let Ok(integer) = text.parse::<i64>() {
        return Value::Integer(integer);
    }
    let is_integer = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    match text.parse::<f64>() {
        Ok(number) if !is_integer && number.is_finite() => Value::Float(number),
        _ => Value::String(text.into_owned()),
    }
}

/// The text of a string token without its quotes: escapes resolved, bytes that are not UTF-8 and
/// lone surrogates replaced, an escape that JSON does not know kept as it stands.
pub(crate) fn unescape(raw: &[u8]) -> std::borrow::Cow<'_, str> {
    let Some(first) = memchr(b'\\', raw) else { return text(raw) };
    let mut out = String::with_capacity(raw.len());
    out.push_str(&text(&raw[..first]));
    let mut at = first;
    while at < raw.len() {
        if raw[at] == b'\\' {
            at = unescape_one(raw, at, &mut out);
            continue;
        }
        let end = memchr(b'\\', &raw[at..]).map_or(raw.len(), |length| at + length);
        out.push_str(&text(&raw[at..end]));
        at = end;
    }
    out.into()
}

/// Bytes as text; the check of valid text is much faster than the search for what is not.
fn text(raw: &[u8]) -> std::borrow::Cow<'_, str> {
    std::str::from_utf8(raw).map_or_else(|_| String::from_utf8_lossy(raw), Into::into)
}

/// Resolves the escape at `at`; returns the offset behind it.
fn unescape_one(raw: &[u8], at: usize, out: &mut String) -> usize {
    let plain = match raw.get(at + 1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unescape_unicode(raw, at, out),
        _ => {
            out.push('\\');
            return at + 1;
        }
    };
    out.push(plain);
    at + 2
}

fn unescape_unicode(raw: &[u8], at: usize, out: &mut String) -> usize {
    let unit = |at: usize| {
        let digits = std::str::from_utf8(raw.get(at + 2..at + 6)?).ok()?;
        (raw[at] == b'\\' && raw[at + 1] == b'u').then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let Some(first) = unit(at) else {
        out.push('\\');
        return at + 1;
    };
    let second = unit(at + 6).filter(|second| (0xDC00..0xE000).contains(second));
    let pair = (0xD800..0xDC00).contains(&first).then_some(second).flatten();
    let units = [first, pair.unwrap_or(0)];
    let units = &units[..1 + usize::from(pair.is_some())];
    out.extend(char::decode_utf16(units.iter().copied()).map(|c| c.unwrap_or('\u{FFFD}')));
    at + 6 * units.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Result<Vec<(String, Value)>, Fault> {
        let mut paths = Paths::default();
        let mut cells = Vec::new();
        walk_object(text.as_bytes(), 0, &mut paths, &mut cells)?;
        Ok(cells
            .iter()
            .map(|c| (paths.name(c.path).to_string(), decode(c.token(text.as_bytes()))))
            .collect())
    }

    #[test]
    fn records_become_cells() {
        let found = cells(
            r#"{"a": 1, "b": {"c": "x\"y\\", "d": [true, null, {"e": -2.5}]}, "f": [], "g": {}}"#,
        );
        let expected = [
            ("a", Value::Integer(1)),
            ("b.c", Value::string("x\"y\\")),
            ("b.d", Value::Bool(true)),
            ("b.d", Value::Null),
            ("b.d.e", Value::Float(-2.5)),
        ];
        assert_eq!(found, Ok(expected.map(|(name, value)| (name.to_owned(), value)).to_vec()));
    }

    #[test]
    fn faults_are_told_apart() {
        let deep = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
        let cases = [
            ("{", Fault::Truncated),
            ("{\"a", Fault::Truncated),
            ("{\"a\":\"b\\\"", Fault::Truncated),
            ("{\"a\":1", Fault::Truncated),
            ("{a:1}", Fault::Syntax),
            ("{\"a\" 1}", Fault::Syntax),
            ("{\"a\":nul}", Fault::Syntax),
            ("{\"a\":1 \"b\":2}", Fault::Syntax),
            (deep.as_str(), Fault::TooDeep),
        ];
        for (text, fault) in cases {
            assert_eq!(cells(text), Err(fault), "{text:.40}");
        }
    }

    #[test]
    fn escapes() {
        let cases: [(&[u8], &str); 8] = [
            (br"plain", "plain"),
            (br"a\nb\tc\\d\/", "a\nb\tc\\d/"),
            (br"\u00e9\u0041", "éA"),
            (br"\ud83d\ude00!", "😀!"),
            (br"\ud83dx", "\u{FFFD}x"),
            (br"\u12", "\\u12"),
            (br"\q", "\\q"),
            (b"\xff\xfea", "\u{FFFD}\u{FFFD}a"),
        ];
        for (raw, expected) in cases {
            assert_eq!(unescape(raw), expected);
        }
    }

    #[test]
    fn numbers_keep_what_they_say() {
        let cases = [
            ("42", Value::Integer(42)),
            ("-9223372036854775808", Value::Integer(i64::MIN)),
            ("18446744073709551615", Value::string("18446744073709551615")),
            ("1e3", Value::Float(1000.0)),
            ("1e999", Value::string("1e999")),
        ];
        for (token, expected) in cases {
            assert_eq!(decode(token.as_bytes()), expected);
        }
    }
}
