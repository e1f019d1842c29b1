//! `Extract`: takes columns out of a text. Where nothing is found, columns stay as they are.
//!
//! Of a list, each element is read; values of one name make a list.

use rulestone_ir::{Extract, Extractor};
use rulestone_value::Value;

use super::values::text;
use super::{Refusal, RowWise, Run};
use crate::eval::functions::{json, path, xml};
use crate::reference::compile;
use crate::row::{Names, Slot, Tuple};

#[derive(Debug)]
pub(super) struct ExtractStage {
    from: Slot,
    how: How,
}

#[derive(Debug)]
enum How {
    /// Never finds anything: the expression or the path cannot be read.
    Nothing,
    Captures(Captures),
    Replace {
        regex: fancy_regex::Regex,
        with: Vec<Part>,
        most: usize,
    },
    Translate(Vec<(char, char)>),
    Paths,
    Path(Vec<path::Step>, Slot),
    JsonMembers(String),
    XmlValues,
    Pairs {
        between: Option<String>,
        equals: Option<String>,
    },
}

#[derive(Debug)]
struct Captures {
    regex: fancy_regex::Regex,
    /// The number of each named group, its name and its column.
    groups: Vec<(usize, String, Slot)>,
    most: usize,
    offsets: Option<Slot>,
}

/// A part of what stands for a match.
#[derive(Debug)]
enum Part {
    Text(String),
    Group(usize),
}

impl ExtractStage {
    pub(super) fn new(extract: &Extract, names: &mut Names) -> Self {
        ExtractStage { from: names.slot(&extract.from), how: how(&extract.by, names) }
    }
}

fn how(by: &Extractor, names: &mut Names) -> How {
    let all = |most: Option<u64>| most.map_or(usize::MAX, |most| most as usize);
    match by {
        Extractor::Captures { regex, most, offsets } => {
            let Some(regex) = compile(regex) else { return How::Nothing };
            let named = regex.capture_names().enumerate();
            let named = named.filter_map(|(at, name)| Some((at, name?.to_owned())));
            let named: Vec<(usize, String)> = named.collect();
            let groups =
                named.into_iter().map(|(at, name)| (at, name.clone(), names.slot(&name))).collect();
            let offsets = offsets.as_ref().map(|name| names.slot(name));
            let most = all(Some(*most).filter(|most| *most > 0));
            How::Captures(Captures { regex, groups, most, offsets })
        }
        Extractor::Replace { regex, with, most } => match compile(regex) {
            Some(regex) => How::Replace { regex, with: parts(with), most: all(*most) },
            None => How::Nothing,
        },
        Extractor::Translate(from, to) => How::Translate(from.chars().zip(to.chars()).collect()),
        Extractor::Paths { path: None } => How::Paths,
        Extractor::Paths { path: Some((text, into)) } => match path::steps(text) {
            Some(steps) => How::Path(steps, names.slot(into)),
            None => How::Nothing,
        },
        Extractor::JsonMembers(prefix) => How::JsonMembers(prefix.to_string()),
        Extractor::XmlValues => How::XmlValues,
        Extractor::Pairs { between, equals } => {
            How::Pairs { between: between.clone(), equals: equals.clone() }
        }
    }
}

impl RowWise for ExtractStage {
    fn apply(&self, run: &mut Run, mut row: Tuple, out: &mut Vec<Tuple>) -> Result<(), Refusal> {
        let from = row.get(self.from).clone();
        match &self.how {
            How::Nothing => {}
            How::Captures(captures) => captures.apply(&from, &mut row),
            How::Replace { regex, with, most } => {
                row.set(self.from, each_text(&from, |text| replace(regex, with, *most, text)));
            }
            How::Translate(pairs) => {
                let turned = |c| pairs.iter().find(|(own, _)| *own == c).map_or(c, |(_, to)| *to);
                row.set(self.from, each_text(&from, |text| text.chars().map(turned).collect()));
            }
            How::Path(steps, into) => {
                let texts = from.elements().iter().filter_map(text);
                let found = Value::list(texts.map(|text| path::at_path(&text, steps)));
                if !found.is_null() {
                    row.set(*into, found);
                }
            }
            _ => {
                let mut found = Found::default();
                for text in from.elements().iter().filter_map(text) {
                    self.how.read(&text, run, &mut found)?;
                }
                found.values.into_iter().for_each(|(slot, values)| {
                    row.set(slot, Value::list(values));
                });
            }
        }
        out.push(row);
        Ok(())
    }
}

/// Each text of a value changed; what is no text stays.
fn each_text(value: &Value, change: impl Fn(&str) -> String) -> Value {
    Value::list(value.elements().iter().map(|element| match text(element) {
        Some(text) => Value::String(change(&text)),
        None => element.clone(),
    }))
}

/// Values by column, in the order in which they were found.
#[derive(Debug, Default)]
struct Found {
    values: Vec<(Slot, Vec<Value>)>,
    /// By slot: the place in `values`.
    places: Vec<Option<usize>>,
}

impl Found {
    fn add(&mut self, run: &mut Run, name: &str, value: Value) -> Result<(), Refusal> {
        if name.is_empty() || value.is_null() {
            return Ok(());
        }
        let slot = run.column(name)?;
        self.places.resize(self.places.len().max(slot + 1), None);
        let place = *self.places[slot].get_or_insert(self.values.len());
        match self.values.get_mut(place) {
            Some((_, values)) => values.push(value),
            None => self.values.push((slot, vec![value])),
        }
        Ok(())
    }
}

impl How {
    /// Reads the columns of which a text gives the names.
    fn read(&self, text: &str, run: &mut Run, found: &mut Found) -> Result<(), Refusal> {
        let mut outcome = Ok(());
        let mut add = |name: &str, value: Value| {
            if outcome.is_ok() {
                outcome = found.add(run, name, value);
            }
        };
        match self {
            How::Paths if text.trim_start().starts_with('<') => {
                if let Some(document) = xml::parse(text) {
                    document.leaves(&mut add);
                }
            }
            How::Paths => {
                if let Some(json) = json::parse(text) {
                    json.leaves(&mut add);
                }
            }
            How::JsonMembers(prefix) => members(text, prefix, &mut add),
            How::XmlValues => elements(text, &mut add),
            How::Pairs { between, equals } => {
                pairs(text, between.as_deref(), equals.as_deref(), &mut add);
            }
            _ => {}
        }
        outcome
    }
}

/// The members of a JSON object; lists become lists, what is nested stays JSON.
fn members(text: &str, prefix: &str, add: &mut dyn FnMut(&str, Value)) {
    let Some(json::Json { kind: json::Kind::Object(members), .. }) = json::parse(text) else {
        return;
    };
    for (name, member) in members {
        let name = format!("{prefix}{name}");
        match &member.kind {
            json::Kind::List(list) => list.iter().for_each(|json| add(&name, json.as_column())),
            _ => add(&name, member.as_column()),
        }
    }
}

/// The text of each element that has no others in it, by its name.
fn elements(text: &str, add: &mut dyn FnMut(&str, Value)) {
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let Some(end) = rest.find('>') else { return };
        let tag = &rest[..end];
        let name: &str = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or("");
        let inside = &rest[end + 1..];
        let until = inside.find('<').unwrap_or(inside.len());
        let closes = inside[until..]
            .strip_prefix("</")
            .and_then(|tail| tail.strip_prefix(name))
            .is_some_and(|tail| tail.trim_start().starts_with('>'));
        if closes && !name.is_empty() && !tag.ends_with('/') {
            add(name, Value::string(inside[..until].trim()));
        }
        rest = inside;
    }
}

/// Names and values: what stands between pairs, and between a name and its value, is any of these
/// characters.
fn pairs(
    text: &str,
    between: Option<&str>,
    equals: Option<&str>,
    add: &mut dyn FnMut(&str, Value),
) {
    let between = between.filter(|chars| !chars.is_empty()).unwrap_or(" \t\r\n,;|&");
    let equals = equals.filter(|chars| !chars.is_empty()).unwrap_or("=");
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c| between.contains(c));
        let Some(at) = rest.find(|c| equals.contains(c) || between.contains(c)) else { return };
        let (name, behind) = rest.split_at(at);
        let mut chars = behind.chars();
        let is_pair = chars.next().is_some_and(|c| equals.contains(c));
        rest = chars.as_str();
        if !is_pair {
            continue;
        }
        let value = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = closing_quote(quoted);
                rest = quoted.get(end + 1..).unwrap_or_default();
                quoted[..end].replace("\\\"", "\"")
            }
            None => {
                let end = rest.find(|c| between.contains(c)).unwrap_or(rest.len());
                let value = rest[..end].trim();
                rest = &rest[end..];
                value.to_owned()
            }
        };
        let name: String = name
            .trim()
            .trim_matches('"')
            .chars()
            .map(|c| if c.is_alphanumeric() || "_.:{}-".contains(c) { c } else { '_' })
            .collect();
        add(name.trim_start_matches('_'), Value::String(value));
    }
}

/// Where a quoted text ends.
fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return at,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

impl Captures {
    fn apply(&self, from: &Value, row: &mut Tuple) {
        let mut values: Vec<Vec<Value>> = vec![Vec::new(); self.groups.len()];
        let mut places = Vec::new();
        for text in from.elements().iter().filter_map(text) {
            let matches = self.regex.captures_iter(&*text).map_while(Result::ok);
            for captures in matches.take(self.most) {
                for ((number, name, _), values) in self.groups.iter().zip(&mut values) {
                    let Some(group) = captures.get(*number) else { continue };
                    values.push(Value::string(group.as_str()));
                    if self.offsets.is_some() {
                        let (start, end) = (chars(&text, group.start()), chars(&text, group.end()));
                        places.push(format!("{name}={start}-{}", end.saturating_sub(1)));
                    }
                }
            }
        }
        for ((_, _, slot), values) in self.groups.iter().zip(values) {
            if !values.is_empty() {
                row.set(*slot, Value::list(values));
            }
        }
        if let Some(slot) = self.offsets
            && !places.is_empty()
        {
            row.set(slot, Value::String(places.join("&")));
        }
    }
}

/// Characters before a place.
fn chars(text: &str, at: usize) -> usize {
    text[..at].chars().count()
}

/// Takes the text that stands for a match apart: `\1` and `\0` are groups.
fn parts(with: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut chars = with.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some(digit @ '0'..='9') => {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Group(digit as usize - '0' as usize));
            }
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some(other) => plain.push(other),
            None => plain.push('\\'),
        }
    }
    parts.push(Part::Text(plain));
    parts
}

fn replace(regex: &fancy_regex::Regex, with: &[Part], most: usize, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    for captures in regex.captures_iter(text).map_while(Result::ok).take(most) {
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(&text[last..whole.start()]);
        for part in with {
            match part {
                Part::Text(plain) => out.push_str(plain),
                Part::Group(number) => {
                    out.push_str(captures.get(*number).map_or("", |group| group.as_str()));
                }
            }
        }
        last = whole.end();
    }
    out.push_str(&text[last..]);
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_ir::{Extract, Extractor, Regex, RowStage};

    use crate::stages::rows::notation::check;

    fn extract(by: Extractor) -> RowStage {
        RowStage::Extract(Extract { from: Arc::from("t"), by })
    }

    fn regex(pattern: &str) -> Regex {
        Regex { pattern: pattern.to_owned(), ignore_case: false, multi_line: false, dot_all: false }
    }

    #[test]
    fn groups_of_an_expression() {
        let captures = |pattern, most, offsets: Option<&str>| {
            let offsets = offsets.map(Arc::from);
            extract(Extractor::Captures { regex: regex(pattern), most, offsets })
        };
        let pair = r"(?<k>\w)=(?<v>\d)?";
        for (stage, input, expected) in [
            (captures(pair, 1, None), "t='a=1 b=2'", "t='a=1 b=2' k=a v='1'"),
            (captures(pair, 0, None), "t='a=1 b= c=3'", "t='a=1 b= c=3' k=[a,b,c] v=['1','3']"),
            (captures(pair, 2, None), "t='a=1 b= c=3'", "t='a=1 b= c=3' k=[a,b] v='1'"),
            (captures(pair, 1, None), "t=x k=old\n-", "t=x k=old\n-"),
            (captures(pair, 1, None), "t=['a=1',x,'b=2']", "t=['a=1',x,'b=2'] k=[a,b] v=['1','2']"),
            (captures(pair, 1, Some("at")), "t='é a=1'", "t='é a=1' k=a v='1' at='k=2-2&v=4-4'"),
            (captures("(?<k>a)(?<!b)c", 1, None), "t=ac", "t=ac k=a"),
            (captures("(", 1, None), "t=a", "t=a"),
        ] {
            check(stage, input, expected);
        }
    }

    #[test]
    fn the_text_itself() {
        let replace = |pattern, with: &str, most| {
            extract(Extractor::Replace { regex: regex(pattern), with: with.to_owned(), most })
        };
        for (stage, input, expected) in [
            (replace("a(.)", r"<\1>", None), "t=abac", "t='<b><c>'"),
            (replace("a(.)", r"\1\\", Some(1)), "t=abac", "t='b\\ac'"),
            (replace("x", "y", None), "t=[x,1,axb]\n-", "t=[y,'1',ayb]\n-"),
            (replace("", "-", None), "t=ab", "t='-a-b-'"),
            (extract(Extractor::Translate("ab".into(), "xy".into())), "t=[abc,b]", "t=[xyc,y]"),
        ] {
            check(stage, input, expected);
        }
    }

    #[test]
    fn documents() {
        let json = r#"t='{"a":{"b":[{"c":1},{"c":"x"}]},"d":true,"e":null}'"#;
        let xml = r#"t='<e i="1"><d n="x">1</d><d>2</d></e>'"#;
        let paths = |path: Option<&str>| {
            let path = path.map(|path| (path.to_owned(), Arc::from("p")));
            extract(Extractor::Paths { path })
        };
        for (stage, input, found) in [
            (paths(None), json, "a.b{}.c=[1,x] d='true'"),
            (paths(None), xml, "e{@i}='1' e.d{@n}=x e.d=['1','2']"),
            (paths(None), "t='not a document' d=old", ""),
            (paths(Some("a.b{1}.c")), json, "p=x"),
            (paths(Some("a.b{}.c")), json, "p=[1,x]"),
            (paths(Some("e.d{@n}")), xml, "p=x"),
            (paths(Some("absent")), json, ""),
            (
                extract(Extractor::JsonMembers(Arc::from("j_"))),
                json,
                r#"j_a='{"b":[{"c":1},{"c":"x"}]}' j_d='true'"#,
            ),
            (extract(Extractor::JsonMembers(Arc::from(""))), "t='{\"l\":[1,2]}'", "l=[1,2]"),
            (extract(Extractor::XmlValues), xml, "d=['1','2']"),
            (extract(Extractor::XmlValues), "t='<a>1</b><c/><d>'", ""),
        ] {
            check(stage, input, &format!("{input} {found}"));
        }
    }

    #[test]
    fn pairs() {
        let pairs = |between: Option<&str>, equals: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            extract(Extractor::Pairs { between: owned(between), equals: owned(equals) })
        };
        for (stage, input, found) in [
            (pairs(None, None), r#"t='a=1, b="x y" word c-d=e'"#, "a='1' b='x y' c-d=e"),
            (pairs(Some("|"), Some(":")), "t='a: 1 |b:2|c'", "a='1' b='2'"),
            (pairs(None, None), "t='=x == a='", "a=''"),
            (pairs(None, None), r#"t='a="no end'"#, "a='no end'"),
        ] {
            check(stage, input, &format!("{input} {found}"));
        }
    }
}
