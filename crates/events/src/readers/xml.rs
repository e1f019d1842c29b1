//! Windows events as XML: where one ends, and what it is as JSON.
//!
//! The JSON is the tree that the `evtx` crate makes of the same record, so that an event has the
//! same values whichever way it was exported. Only what XML does not tell differs: whether a value
//! of the event's data was a number is gone, so all of them are texts.
//!
//! There are no entities but XML's own five, so nothing expands.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;

use memchr::memmem;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::write::{Object, escaped, is_integer, string};

/// Elements inside each other that an event may have.
const MAX_DEPTH: usize = 64;

/// Elements called `Event` inside an event that are followed before it counts as broken: each
/// may make the search for its end start anew.
const MAX_INNER: usize = 8;

// ---- Where an event starts and ends -------------------------------------------------------------

/// A search for one text from ever later places: what was found last time is not looked for again.
struct Next {
    finder: memmem::Finder<'static>,
    from: usize,
    found: Option<usize>,
    fresh: bool,
}

impl Next {
    fn new(needle: &'static [u8]) -> Self {
        Next { finder: memmem::Finder::new(needle), from: 0, found: None, fresh: true }
    }

    fn after(&mut self, text: &[u8], at: usize) -> Option<usize> {
        let known = !self.fresh && self.from <= at && self.found.is_none_or(|found| at <= found);
        if !known {
            self.found =
                text.get(at..).and_then(|rest| self.finder.find(rest)).map(|found| at + found);
            self.from = at;
            self.fresh = false;
        }
        self.found
    }
}

/// Searches of one stretch of text.
pub(crate) struct Marks {
    event: Next,
    hidden: Next,
    cdata_end: Next,
    comment_end: Next,
}

impl Default for Marks {
    fn default() -> Self {
        Marks {
            event: Next::new(b"Event"),
            hidden: Next::new(b"<!"),
            cdata_end: Next::new(b"]]>"),
            comment_end: Next::new(b"-->"),
        }
    }
}

/// How far an event reaches.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// To here.
    Ends(usize),
    /// It does not end before the next one starts, which is here.
    Broken(usize),
    /// Past the end of the text.
    Open,
}

/// A tag called `Event`, whatever its prefix.
enum Tag {
    Start(usize),
    End(usize),
    None,
}

/// The tag whose name ends in the `Event` at `hit`.
fn tag_around(text: &[u8], hit: usize, floor: usize) -> Tag {
    let name_ends = matches!(text.get(hit + 5), Some(b'>' | b' ' | b'\t' | b'\r' | b'\n' | b'/'));
    if !name_ends {
        return Tag::None;
    }
    let mut start = hit;
    if start > floor && text[start - 1] == b':' {
        // Prefixes are short; a limit keeps this linear.
        let least = floor.max(hit.saturating_sub(32));
        start -= 1;
        while start > least && (text[start - 1].is_ascii_alphanumeric() || text[start - 1] == b'_')
        {
            start -= 1;
        }
    }
    match text[floor..start] {
        [.., b'<', b'/'] => Tag::End(start - 2),
        [.., b'<'] => Tag::Start(start - 1),
        _ => Tag::None,
    }
}

/// Whether the element that starts at `at` is called `Event`.
pub(crate) fn starts_event(text: &[u8], at: usize) -> bool {
    matches!(element_name(text, at), Some((name, true)) if name == b"Event")
}

/// The name of the element that starts at `at` without its prefix, and whether the text has all
/// of it.
pub(crate) fn element_name(text: &[u8], at: usize) -> Option<(&[u8], bool)> {
    let rest = text.get(at..)?.strip_prefix(b"<")?;
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    let rest = &rest[..rest.len().min(256)];
    let length = rest.iter().position(|b| b.is_ascii_whitespace() || b"/><".contains(b));
    let name = &rest[..length.unwrap_or(rest.len())];
    let local = name.iter().position(|b| *b == b':').map_or(name, |colon| &name[colon + 1..]);
    Some((local, length.is_some()))
}

/// Whether the start tag at `at` is followed by the header of an event.
fn header_follows(text: &[u8], at: usize) -> bool {
    let window = &text[at..text.len().min(at + 1024)];
    let Some(end) = memchr::memchr(b'>', window) else { return false };
    let rest = window[end + 1..].trim_ascii_start();
    matches!(element_name(rest, 0), Some((name, true)) if name == b"System")
}

/// Whether the tag at `start` closes itself.
fn is_empty_tag(text: &[u8], start: usize) -> bool {
    let window = &text[start..text.len().min(start + 4096)];
    memchr::memchr(b'>', window).is_some_and(|n| n > 0 && window[n - 1] == b'/')
}

impl Marks {
    /// How far the event that starts at `start` reaches.
    pub(crate) fn extent(&mut self, text: &[u8], start: usize) -> Extent {
        let (mut at, mut inner) = (start + 1, 0);
        let mut starts = 0;
        if is_empty_tag(text, start) {
            let end = memchr::memchr(b'>', &text[start..]).map(|n| start + n + 1);
            return end.map_or(Extent::Open, Extent::Ends);
        }
        loop {
            let Some(hit) = self.event.after(text, at) else { return Extent::Open };
            if let Some(hidden) = self.hidden.after(text, at).filter(|hidden| *hidden < hit) {
                match self.behind_hidden(text, hidden) {
                    Some(end) => at = end,
                    None => return Extent::Open,
                }
                continue;
            }
            at = hit + 5;
            match tag_around(text, hit, start + 1) {
                Tag::End(_) if inner > 0 => inner -= 1,
                Tag::End(tag) => {
                    let end = memchr::memchr(b'>', &text[tag..]);
                    return end.map_or(Extent::Open, |n| Extent::Ends(tag + n + 1));
                }
                Tag::Start(tag) if header_follows(text, tag) || starts == MAX_INNER => {
                    return Extent::Broken(tag);
                }
                Tag::Start(tag) => {
                    starts += 1;
                    inner += usize::from(!is_empty_tag(text, tag));
                }
                Tag::None => {}
            }
        }
    }

    /// Behind the CDATA section, comment or declaration at `at`.
    fn behind_hidden(&mut self, text: &[u8], at: usize) -> Option<usize> {
        let rest = &text[at..];
        if rest.starts_with(b"<![CDATA[") {
            self.cdata_end.after(text, at).map(|end| end + 3)
        } else if rest.starts_with(b"<!--") {
            self.comment_end.after(text, at + 4).map(|end| end + 3)
        } else {
            Some(at + 2)
        }
    }

    /// Behind the comment at `at`.
    pub(crate) fn behind_comment(&mut self, text: &[u8], at: usize) -> Option<usize> {
        self.comment_end.after(text, at + 4).map(|end| end + 3)
    }

    /// The next start of an event that has its header behind it, from `at`.
    pub(crate) fn next_event(&mut self, text: &[u8], at: usize) -> Option<usize> {
        let mut from = at;
        loop {
            let hit = self.event.after(text, from)?;
            if let Tag::Start(tag) = tag_around(text, hit, at)
                && header_follows(text, tag)
            {
                return Some(tag);
            }
            from = hit + 5;
        }
    }
}

// ---- The event as JSON --------------------------------------------------------------------------

/// What the conversion remembers of an event; kept for the next one, so that its room is reused.
#[derive(Default)]
pub(crate) struct XmlEvent {
    nodes: Vec<Node>,
    attributes: Vec<(Range<usize>, Range<usize>)>,
    /// Names and texts, resolved.
    text: Vec<u8>,
    open: Vec<usize>,
    /// The prefix of the event's own name, with its colon.
    prefix: String,
    nameless: Cell<u64>,
}

/// An element, or a piece of text.
struct Node {
    /// `None` for text.
    name: Option<Range<usize>>,
    text: Range<usize>,
    attributes: Range<usize>,
    first: Option<usize>,
    last: Option<usize>,
    next: Option<usize>,
    has_elements: bool,
}

/// How the children of an element are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `EventData` and `UserData`: `Data` elements go under their names.
    Container,
    /// The header: whole numbers stand without quotes.
    Header,
    Plain,
}

/// Values of the header that are whole numbers in the binary format.
const NUMBERS: &[&[u8]] = &[
    b"EventID",
    b"Version",
    b"Level",
    b"Task",
    b"Opcode",
    b"EventRecordID",
    b"Qualifiers",
    b"ProcessID",
    b"ThreadID",
    b"SessionID",
    b"KernelTime",
    b"UserTime",
    b"ProcessorID",
];

impl XmlEvent {
    /// Writes the event in `text` as a JSON object.
    ///
    /// # Errors
    ///
    /// What is wrong with it. Nothing is written then.
    pub(crate) fn convert(&mut self, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
        self.nodes.clear();
        self.attributes.clear();
        self.text.clear();
        self.open.clear();
        self.nameless.set(0);
        self.parse(text)?;
        let root = self.nodes.first().and_then(|node| node.name.clone()).ok_or("no element")?;
        out.push(b'{');
        string(out, &self.text[root]);
        out.push(b':');
        self.value(0, Place::Plain, out);
        out.push(b'}');
        Ok(())
    }

    /// Values without a name beside values with one in the event converted last: the tree has no
    /// place for them.
    pub(crate) fn nameless(&self) -> u64 {
        self.nameless.get()
    }

    fn parse(&mut self, text: &str) -> Result<(), String> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().allow_dangling_amp = true;
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            match event {
                Event::Start(start) => {
                    let node = self.element(&start)?;
                    self.open.push(node);
                }
                Event::Empty(start) => {
                    self.element(&start)?;
                }
                Event::End(_) => {
                    self.open.pop();
                    if self.open.is_empty() {
                        return Ok(());
                    }
                }
                Event::Text(piece) => self.piece(|text| text.extend_from_slice(piece.as_bytes())),
                Event::CData(piece) => self.piece(|text| text.extend_from_slice(piece.as_bytes())),
                Event::GeneralRef(name) => self.piece(|text| resolve(&name, text)),
                Event::Eof if self.nodes.is_empty() || !self.open.is_empty() => {
                    return Err("an element is not closed".to_owned());
                }
                Event::Eof => return Ok(()),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    fn element(&mut self, start: &BytesStart<'_>) -> Result<usize, String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("elements nested deeper than {MAX_DEPTH} levels"));
        }
        let name = start.name().0;
        if self.nodes.is_empty() {
            self.prefix = name.split_once(':').map_or("", |(prefix, _)| prefix).to_owned();
            if !self.prefix.is_empty() {
                self.prefix.push(':');
            }
        }
        let local = name.strip_prefix(self.prefix.as_str()).unwrap_or(name);
        let name = keep(&mut self.text, local.as_bytes());
        let first = self.attributes.len();
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let key = keep(&mut self.text, attribute.key.0.as_bytes());
            let from = self.text.len();
            resolve_all(&attribute.value, &mut self.text);
            self.attributes.push((key, from..self.text.len()));
        }
        let attributes = first..self.attributes.len();
        Ok(self.add(Some(name), 0..0, attributes))
    }

    /// Adds text to the element that is open; text beside the event is nobody's.
    fn piece(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.open.is_empty() {
            return;
        }
        let from = self.text.len();
        write(&mut self.text);
        if self.text.len() > from {
            self.add(None, from..self.text.len(), 0..0);
        }
    }

    fn add(
        &mut self,
        name: Option<Range<usize>>,
        text: Range<usize>,
        attributes: Range<usize>,
    ) -> usize {
        let at = self.nodes.len();
        let has_elements = name.is_some();
        self.nodes.push(Node {
            name,
            text,
            attributes,
            first: None,
            last: None,
            next: None,
            has_elements: false,
        });
        if let Some(parent) = self.open.last().copied() {
            let last = self.nodes[parent].last.replace(at);
            match last {
                Some(last) => self.nodes[last].next = Some(at),
                None => self.nodes[parent].first = Some(at),
            }
            self.nodes[parent].has_elements |= has_elements;
        }
        at
    }

    // ---- Writing --------------------------------------------------------------------------------

    fn children(&self, node: usize) -> impl Iterator<Item = usize> + Clone {
        std::iter::successors(self.nodes[node].first, |at| self.nodes[*at].next)
    }

    fn elements(&self, node: usize) -> impl Iterator<Item = usize> + Clone {
        self.children(node).filter(|at| self.nodes[*at].name.is_some())
    }

    fn name(&self, node: usize) -> &[u8] {
        self.nodes[node].name.clone().map_or(b"", |name| &self.text[name])
    }

    /// The `Name` attribute of a `Data` element, if it says something.
    fn data_name(&self, node: usize) -> Option<&[u8]> {
        let attributes = &self.attributes[self.nodes[node].attributes.clone()];
        let (_, value) = attributes.iter().find(|(key, _)| &self.text[key.clone()] == b"Name")?;
        Some(&self.text[value.clone()]).filter(|name| !name.is_empty())
    }

    /// Whether the element has text. White space between elements is layout, and so are line ends
    /// alone in an element that is no value.
    fn has_text(&self, node: usize) -> bool {
        let has_elements = self.nodes[node].has_elements;
        let is_value = self.name(node) == b"Data";
        let is_layout = |text: &[u8]| {
            text.trim_ascii().is_empty() && (has_elements || (!is_value && text.contains(&b'\n')))
        };
        self.children(node).any(|at| {
            let piece = &self.nodes[at];
            piece.name.is_none() && !is_layout(&self.text[piece.text.clone()])
        })
    }

    fn write_text(&self, node: usize, out: &mut Vec<u8>) {
        out.push(b'"');
        for at in self.children(node) {
            if self.nodes[at].name.is_none() {
                escaped(out, &self.text[self.nodes[at].text.clone()]);
            }
        }
        out.push(b'"');
    }

    fn write_number_or_text(&self, node: usize, place: Place, out: &mut Vec<u8>) {
        if place == Place::Header
            && NUMBERS.contains(&self.name(node))
            && let Some(first) = self.nodes[node].first
            && self.nodes[first].next.is_none()
        {
            let text = self.text[self.nodes[first].text.clone()].trim_ascii();
            if is_integer(text) {
                out.extend_from_slice(text);
                return;
            }
        }
        self.write_text(node, out);
    }

    /// The value of an element that stands in a `place`.
    fn value(&self, node: usize, place: Place, out: &mut Vec<u8>) {
        let has_text = self.has_text(node);
        let attributes = self.nodes[node].attributes.clone();
        let said = self.attributes[attributes].iter().any(|(_, value)| !value.is_empty());
        match (self.nodes[node].has_elements, said, has_text) {
            (false, false, false) => out.extend_from_slice(b"null"),
            (false, false, true) => self.write_number_or_text(node, place, out),
            (_, said, _) => self.body(node, place, said, out),
        }
    }

    /// The object of an element with attributes, if they are to be `said`, or elements.
    fn body(&self, node: usize, place: Place, said: bool, out: &mut Vec<u8>) {
        let inner = match self.name(node) {
            b"EventData" | b"UserData" => Place::Container,
            b"System" => Place::Header,
            _ => Place::Plain,
        };
        let mut object = Object::open(out);
        if said {
            self.write_attributes(node, place, object.key(b"#attributes"));
        }
        if self.has_text(node) {
            self.write_number_or_text(node, place, object.key(b"#text"));
        }
        let named = inner == Place::Container
            && self
                .elements(node)
                .any(|at| self.name(at) == b"Data" && self.data_name(at).is_some());
        let (mut names, mut data_names) = (Counts::default(), Counts::default());
        let mut at = self.nodes[node].first;
        let mut positional = false;
        while let Some(child) = at {
            at = self.nodes[child].next;
            if self.nodes[child].name.is_none() {
                continue;
            }
            if inner != Place::Container || self.name(child) != b"Data" {
                let name = self.name(child);
                let key = names.numbered(name);
                self.value(child, inner, object.key(&key));
            } else if named {
                match self.data_name(child) {
                    Some(name) => {
                        let key = data_names.numbered(name);
                        at = self.named_run(child, object.key(&key));
                    }
                    None => self.nameless.set(self.nameless.get() + 1),
                }
            } else if !positional {
                positional = true;
                self.positional(node, object.key(b"Data"));
            }
        }
        object.close();
    }

    fn write_attributes(&self, node: usize, place: Place, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        for (key, value) in &self.attributes[self.nodes[node].attributes.clone()] {
            let (key, value) = (&self.text[key.clone()], &self.text[value.clone()]);
            if value.is_empty() {
                continue;
            }
            let out = object.key(key);
            if place == Place::Header && NUMBERS.contains(&key) && is_integer(value) {
                out.extend_from_slice(value);
            } else {
                string(out, value);
            }
        }
        object.close();
    }

    /// The values of elements in a row that have the name of the first; returns what follows.
    fn named_run(&self, first: usize, out: &mut Vec<u8>) -> Option<usize> {
        let name = self.data_name(first);
        let mut run = vec![first];
        let mut at = self.nodes[first].next;
        while let Some(next) = at {
            let node = &self.nodes[next];
            let same = self.name(next) == b"Data" && self.data_name(next) == name;
            if node.name.is_some() && !same {
                break;
            }
            at = node.next;
            if node.name.is_some() {
                run.push(next);
            }
        }
        self.data_values(&run, out);
        at
    }

    /// All values of a container whose values have no names.
    fn positional(&self, node: usize, out: &mut Vec<u8>) {
        let all: Vec<usize> = self.elements(node).filter(|at| self.name(*at) == b"Data").collect();
        out.extend_from_slice(b"{\"#text\":");
        self.data_values(&all, out);
        out.push(b'}');
    }

    fn data_values(&self, values: &[usize], out: &mut Vec<u8>) {
        let list = values.len() > 1;
        out.extend(list.then_some(b'['));
        for (nth, value) in values.iter().enumerate() {
            out.extend((nth > 0).then_some(b','));
            if self.nodes[*value].has_elements {
                self.body(*value, Place::Plain, false, out);
            } else {
                self.write_text(*value, out);
            }
        }
        out.extend(list.then_some(b']'));
    }
}

fn keep(text: &mut Vec<u8>, bytes: &[u8]) -> Range<usize> {
    let from = text.len();
    text.extend_from_slice(bytes);
    from..text.len()
}

/// How often names were met in one element.
#[derive(Default)]
struct Counts<'a> {
    /// As many as most elements have.
    few: Vec<(&'a [u8], u32)>,
    many: HashMap<&'a [u8], u32>,
}

impl<'a> Counts<'a> {
    const FEW: usize = 32;

    /// The name, with `_1` behind it the second time it is met, and so on.
    fn numbered(&mut self, name: &'a [u8]) -> Cow<'a, [u8]> {
        let known = self.few.iter().position(|(own, _)| *own == name);
        let count = match known {
            Some(at) => &mut self.few[at].1,
            None if self.few.len() < Self::FEW => {
                self.few.push((name, 0));
                return name.into();
            }
            None => match self.many.get_mut(name) {
                Some(count) => count,
                None => {
                    self.many.insert(name, 0);
                    return name.into();
                }
            },
        };
        *count += 1;
        [name, b"_", count.to_string().as_bytes()].concat().into()
    }
}

/// What stands for `&name;`: one of XML's own entities, a character by its number, or itself.
fn resolve(name: &str, out: &mut Vec<u8>) {
    let by_number = |digits: &str| {
        let number = match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => digits.parse(),
        };
        char::from_u32(number.ok()?)
    };
    let found = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => name.strip_prefix('#').and_then(by_number),
    };
    match found {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            out.push(b'&');
            out.extend_from_slice(name.as_bytes());
            out.push(b';');
        }
    }
}

/// A text with its references resolved.
fn resolve_all(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        out.extend_from_slice(before.as_bytes());
        // A reference is short; what is longer is an ampersand by itself.
        match behind.bytes().take(32).position(|b| b == b';') {
            Some(end) => {
                resolve(&behind[..end], out);
                rest = &behind[end + 1..];
            }
            None => {
                out.push(b'&');
                rest = behind;
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
}

#[cfg(test)]
mod tests;
