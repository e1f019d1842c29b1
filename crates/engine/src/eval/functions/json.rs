//! JSON in text. Every part keeps its own text, so that what is taken out is as it stood there.

use std::borrow::Cow;

use rulestone_value::Value;

use super::path::Step;
use super::{Arguments, Ready, element_values, text_at};
use crate::eval::number::text;

/// A part of a JSON text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Json<'t> {
    /// As it stands there.
    pub(crate) raw: &'t str,
    /// What it is.
    pub(crate) kind: Kind<'t>,
}

/// Kinds of JSON values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind<'t> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, which its text is.
    Number,
    /// A text without its escapes.
    Text(Cow<'t, str>),
    /// A list.
    List(Vec<Json<'t>>),
    /// An object; a name may be there twice.
    Object(Vec<(Cow<'t, str>, Json<'t>)>),
}

/// Lists and objects inside of each other; deeper ones are not read.
const DEEPEST: usize = 128;

/// Reads a text that is JSON from its start to its end.
pub(crate) fn parse(text: &str) -> Option<Json<'_>> {
    let mut parser = Parser { text, at: 0 };
    let json = parser.value(0)?;
    parser.blanks();
    (parser.at == text.len()).then_some(json)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|b| b" \t\r\n".contains(&b)) {
            self.at += 1;
        }
    }

    /// Skips blanks and this character.
    fn skip(&mut self, wanted: u8) -> Option<()> {
        self.blanks();
        (self.peek() == Some(wanted)).then(|| self.at += 1)
    }

    fn value(&mut self, depth: usize) -> Option<Json<'t>> {
        self.blanks();
        let start = self.at;
        let kind = match self.peek()? {
            _ if depth > DEEPEST => return None,
            b'{' => self.object(depth)?,
            b'[' => self.list(depth)?,
            b'"' => Kind::Text(self.string()?),
            b't' => self.word("true", Kind::Bool(true))?,
            b'f' => self.word("false", Kind::Bool(false))?,
            b'n' => self.word("null", Kind::Null)?,
            _ => self.number()?,
        };
        Some(Json { raw: &self.text[start..self.at], kind })
    }

    fn word(&mut self, word: &str, kind: Kind<'t>) -> Option<Kind<'t>> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())?;
        Some(kind)
    }

    fn number(&mut self) -> Option<Kind<'t>> {
        let rest = &self.text[self.at..];
        let length =
            rest.bytes().take_while(|b| b.is_ascii_digit() || b"+-.eE".contains(b)).count();
        let number = &rest[..length];
        let starts = number.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        (starts && number.parse::<f64>().is_ok()).then(|| self.at += length)?;
        Some(Kind::Number)
    }

    fn string(&mut self) -> Option<Cow<'t, str>> {
        self.skip(b'"')?;
        let start = self.at;
        let length = self.text[start..].find(['"', '\\'])?;
        self.at += length;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Some(Cow::Borrowed(&self.text[start..start + length]));
        }
        let mut out = self.text[start..self.at].to_owned();
        loop {
            let c = self.text[self.at..].chars().next()?;
            self.at += c.len_utf8();
            match c {
                '"' => return Some(Cow::Owned(out)),
                '\\' => out.push(self.escape()?),
                c => out.push(c),
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(match c {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'"' | b'\\' | b'/' => char::from(c),
            b'u' => self.unicode()?,
            _ => return None,
        })
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.unit()?;
        if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with("\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.unit()?;
            if (0xdc00..0xe000).contains(&second) {
                return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            self.at = back;
        }
        // Half of a pair stands for nothing.
        Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn unit(&mut self) -> Option<u32> {
        let hex = self.text.get(self.at..self.at + 4)?;
        let unit = hex.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(hex, 16));
        self.at += 4;
        unit?.ok()
    }

    fn list(&mut self, depth: usize) -> Option<Kind<'t>> {
        self.skip(b'[')?;
        let mut elements = Vec::new();
        if self.skip(b']').is_some() {
            return Some(Kind::List(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            if self.skip(b',').is_none() {
                self.skip(b']')?;
                return Some(Kind::List(elements));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Kind<'t>> {
        self.skip(b'{')?;
        let mut members = Vec::new();
        if self.skip(b'}').is_some() {
            return Some(Kind::Object(members));
        }
        loop {
            self.blanks();
            let name = self.string()?;
            self.skip(b':')?;
            members.push((name, self.value(depth + 1)?));
            if self.skip(b',').is_none() {
                self.skip(b'}')?;
                return Some(Kind::Object(members));
            }
        }
    }
}

impl<'t> Json<'t> {
    /// What is at a path.
    pub(crate) fn at<'j>(&'j self, steps: &[Step]) -> Vec<&'j Json<'t>> {
        let mut found = vec![self];
        for step in steps {
            found = found.into_iter().flat_map(|json| json.step(step)).collect();
        }
        found
    }

    fn step<'j>(&'j self, step: &Step) -> Vec<&'j Json<'t>> {
        match (&self.kind, step) {
            (Kind::Object(members), Step::Name(name)) => {
                members.iter().filter(|(own, _)| own == name).map(|(_, json)| json).collect()
            }
            (Kind::List(elements), Step::Each) => elements.iter().collect(),
            (Kind::List(elements), Step::Index(index)) => {
                let at = if *index < 0 { index + elements.len() as i64 } else { *index };
                usize::try_from(at).ok().and_then(|at| elements.get(at)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// As a value: what is no scalar is its text, `null` is null.
    pub(crate) fn value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number => number(self.raw),
            Kind::Text(text) => Value::string(text.as_ref()),
            Kind::List(_) | Kind::Object(_) => Value::string(self.raw),
        }
    }

    /// As the value of a column: truth values are text, as logs have them.
    pub(crate) fn as_column(&self) -> Value {
        match &self.kind {
            Kind::Bool(_) => Value::string(self.raw),
            _ => self.value(),
        }
    }

    /// Every scalar with its name: members behind dots, lists as `{}`. A name that is there
    /// several times has its values in order.
    pub(crate) fn leaves(&self, found: &mut dyn FnMut(&str, Value)) {
        self.leaves_below(&mut String::new(), found);
    }

    fn leaves_below(&self, name: &mut String, found: &mut dyn FnMut(&str, Value)) {
        let length = name.len();
        match &self.kind {
            Kind::Object(members) => {
                for (member, json) in members {
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(member);
                    json.leaves_below(name, found);
                    name.truncate(length);
                }
            }
            Kind::List(elements) => {
                name.push_str("{}");
                elements.iter().for_each(|json| json.leaves_below(name, found));
                name.truncate(length);
            }
            _ => found(name, self.as_column()),
        }
    }
}

/// A number as it stands there, so that `1.0` stays `1.0`.
fn number(raw: &str) -> Value {
    match raw.parse::<i64>() {
        Ok(number) if number.to_string() == raw => Value::Integer(number),
        _ => Value::string(raw),
    }
}

/// A value as JSON: text that is JSON of several values stays as it is.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::List(elements) => write_list(elements, out),
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Time(_) => {
            out.push_str(&text(value).unwrap_or_default());
        }
        Value::String(text) => {
            match text.trim_start().starts_with(['{', '[']) && parse(text).is_some() {
                true => out.push_str(text.trim()),
                false => quote(text, out),
            }
        }
    }
}

fn write_list(elements: &[Value], out: &mut String) {
    out.push('[');
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(element, out);
    }
    out.push(']');
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn bounded(out: String) -> Value {
    if out.len() > super::text::LONGEST { Value::Null } else { Value::String(out) }
}

pub(super) fn keys(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let Some(text) = text_at(arguments, 0) else { return Value::Null };
    let Some(json) = parse(&text) else { return Value::Null };
    let steps = match arguments.get(1) {
        None => Vec::new(),
        Some(_) => match text_at(arguments, 1).and_then(|path| super::path::steps(&path)) {
            Some(steps) => steps,
            None => return Value::Null,
        },
    };
    let Some(Json { kind: Kind::Object(members), .. }) = json.at(&steps).first().copied() else {
        return Value::Null;
    };
    let mut out = String::from("[");
    for (at, (name, _)) in members.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        quote(name, &mut out);
    }
    out.push(']');
    Value::String(out)
}

/// False for null.
pub(super) fn valid(arguments: &Arguments<'_>, _: &Ready) -> Value {
    Value::Bool(text_at(arguments, 0).is_some_and(|text| parse(&text).is_some()))
}

/// A pair whose name is null is left out.
pub(super) fn object(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let mut out = String::from("{");
    for pair in arguments.chunks(2) {
        let Some(name) = text(&pair[0]) else { continue };
        if out.len() > 1 {
            out.push(',');
        }
        quote(&name, &mut out);
        out.push(':');
        write(pair.get(1).map_or(&Value::Null, |value| value), &mut out);
    }
    out.push('}');
    bounded(out)
}

pub(super) fn array(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let mut out = String::from("[");
    for (at, value) in arguments.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(value, &mut out);
    }
    out.push(']');
    bounded(out)
}

pub(super) fn elements(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let Some(text) = text_at(arguments, 0) else { return Value::Null };
    match parse(&text).map(|json| json.kind) {
        Some(Kind::List(elements)) => Value::list(elements.iter().map(Json::as_column)),
        _ => Value::Null,
    }
}

/// An empty JSON list has no elements: it makes null.
pub(super) fn elements_of(arguments: &Arguments<'_>, ready: &Ready) -> Value {
    let Value::String(text) = &*arguments[0] else { return arguments[0].clone().into_owned() };
    match text.trim_start().starts_with('[') {
        true if parse(text).is_some() => elements(arguments, ready),
        _ => arguments[0].clone().into_owned(),
    }
}

pub(super) fn of_list(arguments: &Arguments<'_>, _: &Ready) -> Value {
    if arguments[0].is_null() {
        return Value::Null;
    }
    let elements: Vec<Value> = element_values(arguments).cloned().collect();
    let mut out = String::new();
    write_list(&elements, &mut out);
    bounded(out)
}
