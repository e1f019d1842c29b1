//! Events inside values: text that is XML or JSON itself, as searches and cloud tables export it.
//!
//! Which values may hold one is a table, `unpack.toml`. A record that has such a value is written
//! anew as if the event had come unwrapped; what cannot be read stays the text it is, and is
//! counted.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event as Xml};
use serde::Deserialize;

use crate::paths::Paths;
use crate::tokens::{Cell, skip_space, unescape, value_end, walk_object};

/// The values that may hold an event, by path.
pub(crate) struct Payloads {
    entries: Vec<Payload>,
    of_path: HashMap<String, usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    payload: Vec<Payload>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    paths: Vec<String>,
    forms: Vec<Form>,
    #[serde(default)]
    keeps: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    into: Option<String>,
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Form {
    Event,
    JsonEvent,
    Data,
    Params,
    Json,
}

/// The table built in.
pub(crate) static PAYLOADS: LazyLock<Payloads> = LazyLock::new(|| {
    // The table is part of the program; a test reads it, so a mistake never reaches a user.
    let file = toml::from_str(include_str!("unpack.toml"));
    Payloads::new(file.unwrap_or(File { payload: Vec::new() }))
});

impl Payloads {
    fn new(file: File) -> Self {
        let mut of_path = HashMap::new();
        for (at, payload) in file.payload.iter().enumerate() {
            of_path.extend(payload.paths.iter().map(|path| (path.clone(), at)));
        }
        Payloads { entries: file.payload, of_path }
    }

    /// Whether a value at this path may hold an event.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.of_path.contains_key(path)
    }

    fn get(&self, path: &str) -> Option<&Payload> {
        self.of_path.get(path).and_then(|at| self.entries.get(*at))
    }
}

/// A record as it was read.
pub(crate) struct Packed<'a> {
    pub(crate) cells: &'a [Cell],
    pub(crate) bytes: &'a [u8],
    pub(crate) range: Range<usize>,
    pub(crate) paths: &'a Paths,
}

/// What became of a record's payloads.
#[derive(Default)]
pub(crate) struct Unpacked {
    /// The record written anew, if something could be taken out.
    pub(crate) record: Option<Vec<u8>>,
    /// Whether an event took the record's place: it may have payloads of its own.
    pub(crate) replaced: bool,
    /// Why others could not be.
    pub(crate) failures: Vec<&'static str>,
}

impl Packed<'_> {
    /// Takes out what is packed into the values that `is_payload`; `None` where nothing looks so.
    pub(crate) fn unpack(&self, is_payload: impl Fn(&Cell) -> bool) -> Option<Unpacked> {
        let mut out: Option<Unpacked> = None;
        let mut places: Vec<Place<'_>> = Vec::new();
        for cell in self.cells.iter().filter(|cell| is_payload(cell)) {
            let token = cell.token(self.bytes);
            if !looks_packed(token) {
                continue;
            }
            let Some((payload, form, text)) = self.payload(cell, token) else { continue };
            let out = out.get_or_insert_default();
            match form.read(&text) {
                None => out.failures.push(form.failure()),
                Some(inner) if matches!(form, Form::Event | Form::JsonEvent) => {
                    out.record = Some(self.in_place_of_record(cell, payload, inner));
                    out.replaced = true;
                    out.failures.clear();
                    if form == Form::Event && !text.trim_end().ends_with("Event>") {
                        out.failures.push("XML inside a value cut off before its end");
                    }
                    return Some(std::mem::take(out));
                }
                Some(inner) => places.push(Place { cell, inner, into: payload.into.as_deref() }),
            }
        }
        if let Some(out) = &mut out
            && !places.is_empty()
        {
            out.record = Some(self.in_place_of_values(&places));
        }
        out
    }

    /// What a value may be, by where it stands and how its text starts.
    fn payload(&self, cell: &Cell, token: &[u8]) -> Option<(&'static Payload, Form, String)> {
        let payload = PAYLOADS.get(self.paths.name(cell.path))?;
        let text = unescape(token.get(1..token.len() - 1)?);
        let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let form = payload.forms.iter().find(|form| form.starts(text))?;
        let is_said = |cell: &Cell| {
            let name = self.paths.name(cell.path);
            payload.unless.iter().any(|path| **path == **name)
                && !matches!(cell.token(self.bytes), b"null" | b"\"\"")
        };
        let says_itself = !payload.unless.is_empty() && self.cells.iter().any(is_said);
        (!says_itself).then(|| (payload, *form, text.to_owned()))
    }

    /// The event, with the values beside it that stay.
    fn in_place_of_record(&self, packed: &Cell, payload: &Payload, inner: Vec<u8>) -> Vec<u8> {
        let (mut paths, mut cells) = (Paths::default(), Vec::new());
        // It was walked when it was read.
        let _ = walk_object(&inner, 0, &mut paths, &mut cells);
        let own: HashSet<&str> = cells.iter().map(|cell| &**paths.name(cell.path)).collect();
        let stays = |cell: &&Cell| {
            let name = &**self.paths.name(cell.path);
            cell.path != packed.path
                && !own.contains(name)
                && payload.keeps.iter().any(|keeps| keeps == "*" || keeps == name)
        };
        let mut record = inner;
        while record.last().is_some_and(u8::is_ascii_whitespace) {
            record.pop();
        }
        record.pop();
        let mut is_empty = cells.is_empty() && !record.contains(&b':');
        for cell in self.cells.iter().filter(stays) {
            if !std::mem::take(&mut is_empty) {
                record.push(b',');
            }
            write_string(self.paths.name(cell.path), &mut record);
            record.push(b':');
            record.extend_from_slice(cell.token(self.bytes));
        }
        record.push(b'}');
        record
    }

    /// The record with the values in the place of their texts, or by names of their own.
    fn in_place_of_values(&self, places: &[Place<'_>]) -> Vec<u8> {
        let mut record = Vec::with_capacity(self.range.len());
        let mut at = self.range.start;
        for place in places.iter().filter(|place| place.into.is_none()) {
            record.extend_from_slice(&self.bytes[at..place.cell.start as usize]);
            record.extend_from_slice(&place.inner);
            at = place.cell.end as usize;
        }
        record.extend_from_slice(&self.bytes[at..self.range.end - 1]);
        for place in places {
            let Some(name) = place.into else { continue };
            record.push(b',');
            write_string(name, &mut record);
            record.push(b':');
            record.extend_from_slice(&place.inner);
        }
        record.push(b'}');
        record
    }
}

/// What was read from a value.
struct Place<'a> {
    cell: &'a Cell,
    inner: Vec<u8>,
    into: Option<&'a str>,
}

/// Whether a token is a text that starts as XML or JSON does: asked of its first bytes alone.
fn looks_packed(token: &[u8]) -> bool {
    let [b'"', inner @ .., b'"'] = token else { return false };
    let mut rest = inner;
    loop {
        rest = match rest {
            [b' ', rest @ ..] | [b'\\', b'r' | b'n' | b't', rest @ ..] => rest,
            [0xef, 0xbb, 0xbf, rest @ ..] => rest,
            [b'\\', b'u', b'f' | b'F', b'e' | b'E', b'f' | b'F', b'f' | b'F', rest @ ..] => rest,
            [b'<' | b'{' | b'[', ..] => return true,
            [b'\\', b'u', b'0', b'0', b'3', b'c' | b'C', ..] => return true,
            _ => return false,
        };
    }
}

impl Form {
    /// Whether a text starts as this form does.
    fn starts(self, text: &str) -> bool {
        let element = |names: &[&str]| {
            let after = |name: &&str| text.strip_prefix('<')?.strip_prefix(*name);
            names
                .iter()
                .filter_map(after)
                .any(|rest| rest.starts_with(|c: char| c.is_whitespace() || c == '>' || c == '/'))
        };
        let opens = |brackets: &[u8]| {
            let bytes = text.as_bytes();
            let first = bytes.first().is_some_and(|first| brackets.contains(first));
            let next = bytes.get(skip_space(bytes, 1));
            first
                && matches!(
                    next,
                    Some(b'"' | b'}' | b']' | b'{' | b'[' | b'0'..=b'9' | b't' | b'f' | b'n')
                )
        };
        match self {
            Form::Event => element(&["Event", "?xml"]),
            Form::Data => element(&["DataItem", "EventData", "UserData", "Data", "?xml"]),
            Form::Params => element(&["Param"]),
            Form::Json => opens(b"{["),
            Form::JsonEvent => opens(b"{") && text[1..].trim_start().starts_with('"'),
        }
    }

    /// The JSON that a text stands for.
    fn read(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Form::Json => json_value(text),
            Form::JsonEvent => json_value(text),
            Form::Event => xml_values(text, Cut::Taken).and_then(|nodes| event_values(&nodes)),
            Form::Data => xml_values(text, Cut::Refused).and_then(|nodes| data_values(&nodes)),
            Form::Params => xml_values(text, Cut::Refused).map(|nodes| param_values(&nodes)),
        }
    }

    const fn failure(self) -> &'static str {
        match self {
            Form::Json | Form::JsonEvent => "JSON inside a value that cannot be read",
            Form::Event | Form::Data | Form::Params => "XML inside a value that cannot be read",
        }
    }
}

/// A text that is a JSON object or list, as it is.
fn json_value(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end().as_bytes();
    (value_end(text, 0) == Some(text.len())).then(|| text.to_vec())
}

// ---- XML ---------------------------------------------------------------------------------------

/// An element.
struct Node {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Node>,
}

/// Elements may lie this deep in one another.
const MAX_ELEMENTS: usize = 64;

/// What becomes of a text that ends too early: syslog cuts long messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The elements before the one that the cut goes through are taken.
    Taken,
    Refused,
}

/// The elements of a text; `None` where it is not XML. An ampersand that begins no entity is itself.
fn xml_values(text: &str, cut: Cut) -> Option<Vec<Node>> {
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = true;
    let mut open: Vec<Node> = Vec::new();
    let mut roots = Vec::new();
    let close = |open: &mut Vec<Node>, roots: &mut Vec<Node>| {
        let node = open.pop()?;
        open.last_mut().map_or(&mut *roots, |parent| &mut parent.children).push(node);
        Some(())
    };
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            // Markup without its end.
            Err(quick_xml::Error::Syntax(_)) => Xml::Eof,
            Err(_) => return None,
        };
        match event {
            Xml::Start(start) if open.len() < MAX_ELEMENTS => open.push(node(&start)?),
            Xml::Start(_) => return None,
            Xml::Empty(start) => {
                open.push(node(&start)?);
                close(&mut open, &mut roots)?;
            }
            Xml::End(_) => close(&mut open, &mut roots)?,
            Xml::Text(text) => add_text(&mut open, &text.xml10_content()),
            Xml::CData(text) => add_text(&mut open, &text.xml10_content()),
            Xml::GeneralRef(entity) => {
                let resolved = match entity.resolve_char_ref().ok()? {
                    Some(c) => c.to_string(),
                    None => predefined(&entity.xml10_content())?.to_owned(),
                };
                add_text(&mut open, &resolved);
            }
            Xml::Eof if open.is_empty() => break,
            Xml::Eof if cut == Cut::Refused => return None,
            Xml::Eof => {
                open.pop();
                while !open.is_empty() {
                    close(&mut open, &mut roots)?;
                }
                break;
            }
            Xml::Comment(_) | Xml::Decl(_) | Xml::PI(_) => {}
            Xml::DocType(_) => return None,
        }
    }
    (!roots.is_empty()).then_some(roots)
}

fn node(start: &BytesStart<'_>) -> Option<Node> {
    let mut attributes = Vec::new();
    // Looking for a name that stands twice would take quadratic time.
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.ok()?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
        attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    let name = start.local_name().as_ref().to_owned();
    Some(Node { name, attributes, text: String::new(), children: Vec::new() })
}

fn add_text(open: &mut [Node], text: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(text);
    }
}

/// What the entities stand for that need no declaration; no other can be declared.
fn predefined(entity: &str) -> Option<&'static str> {
    Some(match entity {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => return None,
    })
}

/// A Windows event as the tree that the evtx tools write.
fn event_values(nodes: &[Node]) -> Option<Vec<u8>> {
    let [event] = nodes else { return None };
    let has_system = event.children.iter().any(|child| child.name == "System");
    if event.name != "Event" || !has_system {
        return None;
    }
    let mut out = b"{\"Event\":".to_vec();
    write_node(event, &mut out);
    out.push(b'}');
    Some(out)
}

/// The data of a Windows event as an object, whatever it is wrapped in.
fn data_values(nodes: &[Node]) -> Option<Vec<u8>> {
    let mut data: Vec<&Node> = nodes.iter().collect();
    while let [node] = data[..]
        && matches!(node.name.as_str(), "DataItem" | "EventData" | "UserData")
    {
        data = node.children.iter().collect();
    }
    let mut out = Vec::new();
    write_members(&data, &[], &mut out);
    Some(out)
}

fn param_values(nodes: &[Node]) -> Vec<u8> {
    let mut out = vec![b'['];
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(&node.text, &mut out);
    }
    out.push(b']');
    out
}

fn write_node(node: &Node, out: &mut Vec<u8>) {
    if node.children.is_empty() && node.attributes.is_empty() {
        return write_string(&node.text, out);
    }
    let children: Vec<&Node> = node.children.iter().collect();
    write_members(&children, &node.attributes, out);
    let text = node.text.trim();
    if !text.is_empty() {
        out.pop();
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        out.extend_from_slice(b"\"#text\":");
        write_string(text, out);
        out.push(b'}');
    }
}

/// Elements as an object: data by their own names, one name twice being a list.
fn write_members(children: &[&Node], attributes: &[(String, String)], out: &mut Vec<u8>) {
    out.push(b'{');
    if !attributes.is_empty() {
        out.extend_from_slice(b"\"#attributes\":{");
        for (at, (name, value)) in attributes.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_string(name, out);
            out.push(b':');
            write_string(value, out);
        }
        out.push(b'}');
    }
    for child in children {
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        let named =
            child.attributes.iter().find(|(name, _)| child.name == "Data" && name == "Name");
        write_string(named.map_or(&child.name, |(_, name)| name), out);
        out.push(b':');
        match named {
            Some(_) if child.children.is_empty() => write_string(&child.text, out),
            _ => write_node(child, out),
        }
    }
    out.push(b'}');
}

/// A text as a JSON string.
fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        let file: File = toml::from_str(include_str!("unpack.toml")).unwrap();
        let paths: Vec<&String> = file.payload.iter().flat_map(|payload| &payload.paths).collect();
        assert_eq!(paths.iter().collect::<HashSet<_>>().len(), paths.len(), "a path stands once");
    }

    fn read(form: Form, text: &str) -> Option<String> {
        assert!(form.starts(text), "{text}");
        form.read(text).map(|json| String::from_utf8(json).unwrap())
    }

    #[test]
    fn forms_become_json() {
        let cases = [
            (
                Form::Event,
                "<Event xmlns='w'><System><Provider Name='P'/><EventID Qualifiers='1'>7</EventID></System>\
                 <EventData><Data Name='A'>x &amp; &#121;</Data><Data Name='B'/></EventData></Event>",
                r##"{"Event":{"#attributes":{"xmlns":"w"},"System":{"Provider":{"#attributes":{"Name":"P"}},"EventID":{"#attributes":{"Qualifiers":"1"},"#text":"7"}},"EventData":{"A":"x & y","B":""}}}"##,
            ),
            (
                Form::Data,
                "<DataItem type=\"t\"><EventData xmlns=\"w\"><Data Name=\"A\">1</Data><Data>u</Data><Data>v</Data></EventData></DataItem>",
                r#"{"A":"1","Data":"u","Data":"v"}"#,
            ),
            (
                Form::Event,
                "<Event><System><EventID>7</EventID></System><EventData><Data Name='A'>&lt x</Data><Data Name='B'>cut",
                r#"{"Event":{"System":{"EventID":"7"},"EventData":{"A":"&lt x"}}}"#,
            ),
            (Form::Data, "<Data Name='A'><![CDATA[<b>]]></Data>", r#"{"A":"<b>"}"#),
            (Form::Data, "<EventData/>", "{}"),
            (Form::Params, "<Param>a\"</Param><Param></Param>", r#"["a\"",""]"#),
            (Form::Json, "{\"a\":[1]} ", r#"{"a":[1]}"#),
            (Form::JsonEvent, "{ \"a\":1}", r#"{ "a":1}"#),
        ];
        for (form, text, expected) in cases {
            assert_eq!(read(form, text).as_deref(), Some(expected), "{text}");
        }
        let broken = [
            (Form::Event, "<Event><System></Event>"),
            (Form::Event, "<Event><System"),
            (Form::Data, "<EventData><Data Name='A'>x</Data>"),
            (Form::Event, "<Event><Other/></Event>"),
            (
                Form::Event,
                "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><Event><System/></Event>",
            ),
            (Form::Data, "<Data>&unknown;</Data>"),
            (Form::Json, "{\"a\":1"),
            (Form::Json, "{\"a\":1}}"),
            (Form::Json, "{\"a\":1},\"b\":{}"),
        ];
        for (form, text) in broken {
            assert_eq!(read(form, text), None, "{text}");
        }
        let deep = format!("<Event><System/>{}{}</Event>", "<a>".repeat(90), "</a>".repeat(90));
        assert_eq!(read(Form::Event, &deep), None);
        let names: String = (0..100_000).map(|n| format!(" a{n}=''")).collect();
        assert!(read(Form::Data, &format!("<Data{names}/>")).is_some());
    }

    #[test]
    fn what_is_packed_shows_in_its_first_bytes() {
        let cases = [
            ("\"<Event\"", true),
            ("\" \\r\\n{\\\"a\"", true),
            ("\"\\u003cEvent\"", true),
            ("\"\\ufeff<Event\"", true),
            ("\"text\"", false),
            ("\"\"", false),
            ("null", false),
            ("7", false),
        ];
        for (token, expected) in cases {
            assert_eq!(looks_packed(token.as_bytes()), expected, "{token}");
        }
    }
}
