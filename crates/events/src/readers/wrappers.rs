//! JSON whose records are inside something else: `{"Records": […]}`, `{"hits": {"hits": […]}}`,
//! lines with `_source`. Which, is a table: `wrappers.toml`.
//!
//! The text is passed through piece by piece: what is around the records is taken away, the records
//! themselves and all line ends stay. An object that turns out not to have the records inside is
//! passed on as it is, so nothing is lost in silence.

use std::sync::LazyLock;

use memchr::memchr3;
use serde::Deserialize;

use crate::tokens::{skip_space, string_end, unescape, value_end};

/// Where the records are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wrapper {
    path: Vec<String>,
    beside: Vec<String>,
    #[serde(default)]
    with: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    wrapper: Vec<Wrapper>,
}

static WRAPPERS: LazyLock<Vec<Wrapper>> = LazyLock::new(|| {
    // The table is part of the program; a test reads it, so a mistake never reaches a user.
    let file: Result<File, _> = toml::from_str(include_str!("wrappers.toml"));
    file.map(|file| file.wrapper).unwrap_or_default()
});

const ELEMENTS: &str = "[]";

impl Wrapper {
    /// The wrapper of a log, by its first bytes.
    pub(crate) fn of(head: &str) -> Option<&'static Wrapper> {
        let head = head.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let is_list = head.starts_with('[');
        let object = head.strip_prefix('[').unwrap_or(head).trim_start();
        let members = members(object.as_bytes())?;
        WRAPPERS.iter().find(|own| !(is_list && own.has_list()) && own.is_of(&members))
    }

    /// Whether the records are elements of a list, so that lines do not number them.
    pub(crate) fn has_list(&self) -> bool {
        self.path.iter().any(|step| step == ELEMENTS)
    }

    fn is_of(&self, members: &[Member<'_>]) -> bool {
        let own = members.iter().find(|member| member.key == self.path[0]);
        let named =
            |member: &Member<'_>| self.beside.iter().any(|key| key == "*" || **key == member.key);
        let said = |member: &Member<'_>| self.with.contains(&member.key);
        own.is_some_and(|own| leads(own.value, &self.path[1..]))
            && members.iter().all(|member| member.key == self.path[0] || named(member))
            && (self.with.is_empty() || members.iter().any(said))
    }
}

/// A key of an object and what its value starts with.
struct Member<'a> {
    key: String,
    value: &'a [u8],
}

/// The members of the object that a head starts with, as far as it goes; `None` where there is no
/// object.
fn members(head: &[u8]) -> Option<Vec<Member<'_>>> {
    let mut at = (head.first() == Some(&b'{')).then_some(1)?;
    let mut members = Vec::new();
    loop {
        at = skip_space(head, at);
        if head.get(at) != Some(&b'"') {
            return Some(members);
        }
        let Some(end) = string_end(head, at + 1) else { return Some(members) };
        let key = unescape(&head[at + 1..end]).into_owned();
        at = skip_space(head, end + 1);
        if head.get(at) != Some(&b':') {
            return Some(members);
        }
        at = skip_space(head, at + 1);
        members.push(Member { key, value: head.get(at..).unwrap_or_default() });
        let Some(end) = value_end(head, at) else { return Some(members) };
        at = skip_space(head, end);
        match head.get(at) {
            Some(b',') => at += 1,
            _ => return Some(members),
        }
    }
}

/// Whether a value leads along a path to an object, or to an empty list.
fn leads(value: &[u8], path: &[String]) -> bool {
    let Some((step, rest)) = path.split_first() else { return value.first() == Some(&b'{') };
    if step == ELEMENTS {
        let inner = value.get(skip_space(value, 1)..).unwrap_or_default();
        let is_empty = inner.first().is_none_or(|b| *b == b']');
        return value.first() == Some(&b'[') && (is_empty || leads(inner, rest));
    }
    // The lists of a search's answer may start behind the head.
    members(value).is_some_and(|members| {
        members.iter().find(|member| member.key == *step).is_some_and(|m| leads(m.value, rest))
    })
}

/// Takes away what is around the records of a text that comes piece by piece.
pub(crate) struct Unwrap {
    wrapper: &'static Wrapper,
    state: State,
    /// The objects and lists around the text at hand that lead to the records.
    spine: Vec<Frame>,
    /// Brackets open inside a value that is copied or left out.
    open: usize,
    /// The key that is being read, as it is written.
    key: Vec<u8>,
    /// The object at hand as it is written, while its records were not found.
    whole: Option<Vec<u8>>,
    /// Bytes left out since the last record.
    left_out: u64,
    /// Whether a backslash stands before the next byte.
    escaped: bool,
}

/// An object or list on the way to the records.
#[derive(Debug, Clone, Copy)]
struct Frame {
    is_list: bool,
    /// The place in the path of the step that leads on from here.
    next: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between the objects of the log.
    Outside,
    /// In an object of the spine, before a key or its end.
    BeforeKey,
    InKey,
    BeforeColon,
    BeforeValue,
    /// In a list of the spine.
    InList,
    /// In a value that is a record, or is left out.
    Value(Fate),
    /// In a string of one.
    Text(Fate),
    /// In a number or a word.
    Word(Fate),
    /// The text is not what it should be: it is passed on to the end of the line.
    Lost,
}

/// What becomes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Copied,
    LeftOut,
}

/// Bytes of an object kept until its records are found.
const LARGEST_WHOLE: usize = 1 << 20;

impl Unwrap {
    pub(crate) fn new(wrapper: &'static Wrapper) -> Self {
        Unwrap {
            wrapper,
            state: State::Outside,
            spine: Vec::new(),
            open: 0,
            key: Vec::new(),
            whole: None,
            left_out: 0,
            escaped: false,
        }
    }

    /// Passes a piece of text on to `out`.
    pub(crate) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut at = 0;
        while at < piece.len() {
            at = match self.state {
                State::Lost => self.lost(piece, at, out),
                State::Value(fate) => self.value(piece, at, fate, out),
                State::Text(fate) => self.text(piece, at, fate, out),
                _ => {
                    self.byte(piece[at], out);
                    at + 1
                }
            };
            if self.whole.as_ref().is_some_and(|whole| whole.len() > LARGEST_WHOLE) {
                self.copy_whole(out);
            }
        }
    }

    /// Says that the text is over: hands on what was kept, and returns the bytes left out behind the
    /// last record where the text ends before what is around the records does.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Option<u64> {
        if let Some(whole) = self.whole.take() {
            out.extend_from_slice(&whole);
            return None;
        }
        // The reader sees by itself that a record is cut off.
        let seen = [State::Value(Fate::Copied), State::Text(Fate::Copied), State::Lost];
        (!self.spine.is_empty() && !seen.contains(&self.state)).then_some(self.left_out)
    }

    /// In a value: to the next quote or bracket.
    fn value(&mut self, piece: &[u8], start: usize, fate: Fate, out: &mut Vec<u8>) -> usize {
        let special = |b: &u8| matches!(b, b'"' | b'{' | b'[' | b'}' | b']');
        let length = piece[start..].iter().position(special);
        let end = length.map_or(piece.len(), |length| start + length + 1);
        self.give(&piece[start..end], fate, out);
        match length.map(|_| piece[end - 1]) {
            None => {}
            Some(b'"') => self.state = State::Text(fate),
            Some(b'{' | b'[') => self.open += 1,
            Some(_) => {
                self.open = self.open.saturating_sub(1);
                if self.open == 0 {
                    self.ended();
                }
            }
        }
        end
    }

    /// In a string of a value: to its end.
    fn text(&mut self, piece: &[u8], start: usize, fate: Fate, out: &mut Vec<u8>) -> usize {
        let mut at = start + usize::from(std::mem::take(&mut self.escaped));
        let mut ends = None;
        while let Some(length) = memchr3(b'"', b'\\', b'\n', piece.get(at..).unwrap_or_default()) {
            at += length + 1;
            match piece[at - 1] {
                b'\\' => at += 1,
                byte => {
                    ends = Some(byte);
                    break;
                }
            }
        }
        let end = if ends.is_some() { at } else { piece.len() };
        self.escaped = at > piece.len();
        self.give(&piece[start..end], fate, out);
        match ends {
            // No string has a line end in it.
            Some(b'\n') => self.resume(out),
            Some(_) if self.open == 0 => self.ended(),
            Some(_) => self.state = State::Value(fate),
            None => {}
        }
        end
    }

    fn lost(&mut self, piece: &[u8], start: usize, out: &mut Vec<u8>) -> usize {
        let length = memchr::memchr(b'\n', &piece[start..]);
        let end = length.map_or(piece.len(), |length| start + length + 1);
        out.extend_from_slice(&piece[start..end]);
        if length.is_some() {
            self.resume(out);
        }
        end
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.state, byte) {
            (State::Outside, b'{') => self.enter(Frame { is_list: false, next: 0 }, byte, out),
            // What stands between objects is for the reader to judge.
            (State::Outside, _) => out.push(byte),
            (State::InKey, _) => self.key_byte(byte, out),
            (State::Word(_), b',' | b'}' | b']') => {
                self.ended();
                self.byte(byte, out);
            }
            (State::Word(fate), _) => self.give(&[byte], fate, out),
            (_, b' ' | b'\n' | b'\r' | b'\t') => self.leave_out(&[byte], out),
            (State::BeforeKey, b'"') => {
                self.key.clear();
                self.state = State::InKey;
                self.leave_out(&[byte], out);
            }
            (State::BeforeKey, b',') => self.leave_out(&[byte], out),
            (State::BeforeKey, b'}') | (State::InList, b']') => self.leave(byte, out),
            (State::BeforeColon, b':') => {
                self.state = State::BeforeValue;
                self.leave_out(&[byte], out);
            }
            // The reader tells elements apart by it.
            (State::InList, b',') => out.push(byte),
            (State::BeforeValue, b']' | b'}' | b',' | b':') => self.lose(byte, out),
            (State::BeforeValue, _) => self.value_of_key(byte, out),
            (State::InList, b'}' | b':') => self.lose(byte, out),
            (State::InList, _) => self.element(byte, out),
            _ => self.lose(byte, out),
        }
    }

    fn key_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if byte == b'\n' {
            return self.lose(byte, out);
        }
        self.leave_out(&[byte], out);
        if byte == b'"' && !self.escaped {
            self.state = State::BeforeColon;
            return;
        }
        self.escaped = byte == b'\\' && !self.escaped;
        self.key.push(byte);
    }

    /// The first byte of a key's value.
    fn value_of_key(&mut self, byte: u8, out: &mut Vec<u8>) {
        let path = &self.wrapper.path;
        let next = self.spine.last().map_or(0, |frame| frame.next);
        let on_path = path.get(next).is_some_and(|step| unescape(&self.key) == step.as_str());
        let step = path.get(next + 1).map(String::as_str);
        match (byte, step) {
            (b'{', None) if on_path => self.start(byte, Fate::Copied, out),
            (b'[', Some(ELEMENTS)) if on_path => {
                self.found(out);
                self.enter(Frame { is_list: true, next: next + 2 }, byte, out);
            }
            (b'{', Some(step)) if on_path && step != ELEMENTS => {
                self.enter(Frame { is_list: false, next: next + 1 }, byte, out);
            }
            _ => self.start(byte, Fate::LeftOut, out),
        }
    }

    /// The first byte of a list's element; one that is no record is for the reader to judge.
    fn element(&mut self, byte: u8, out: &mut Vec<u8>) {
        let next = self.spine.last().map_or(0, |frame| frame.next);
        if byte == b'{' && next < self.wrapper.path.len() {
            self.enter(Frame { is_list: false, next }, byte, out);
        } else {
            self.start(byte, Fate::Copied, out);
        }
    }

    fn enter(&mut self, frame: Frame, byte: u8, out: &mut Vec<u8>) {
        let is_element = self.spine.last().is_none_or(|outer| outer.is_list);
        if is_element && !frame.is_list {
            self.whole = Some(Vec::new());
            self.left_out = 0;
        }
        self.state = if frame.is_list { State::InList } else { State::BeforeKey };
        self.spine.push(frame);
        self.leave_out(&[byte], out);
    }

    /// The end of an object or list of the spine.
    fn leave(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.leave_out(&[byte], out);
        self.spine.pop();
        let is_element = self.spine.last().is_none_or(|outer| outer.is_list);
        // Its records were not in it, so it is one itself.
        if is_element && let Some(whole) = self.whole.take() {
            out.extend_from_slice(&whole);
        }
        self.ended();
    }

    /// In a value from its first byte on.
    fn start(&mut self, byte: u8, fate: Fate, out: &mut Vec<u8>) {
        self.open = usize::from(matches!(byte, b'{' | b'['));
        self.state = match byte {
            b'{' | b'[' => State::Value(fate),
            b'"' => State::Text(fate),
            _ => State::Word(fate),
        };
        if fate == Fate::Copied {
            self.found(out);
        }
        self.give(&[byte], fate, out);
    }

    /// Behind a value: in what it stands in.
    fn ended(&mut self) {
        self.state = match self.spine.last() {
            None => State::Outside,
            Some(Frame { is_list: true, .. }) => State::InList,
            Some(_) => State::BeforeKey,
        };
    }

    /// The records of the object at hand are here: what is around them goes, but for line ends.
    fn found(&mut self, out: &mut Vec<u8>) {
        self.left_out = 0;
        if let Some(whole) = self.whole.take() {
            out.extend(whole.iter().filter(|b| **b == b'\n'));
        }
    }

    fn give(&mut self, bytes: &[u8], fate: Fate, out: &mut Vec<u8>) {
        match fate {
            Fate::Copied => out.extend_from_slice(bytes),
            Fate::LeftOut => self.leave_out(bytes, out),
        }
    }

    fn leave_out(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.left_out += bytes.len() as u64;
        match &mut self.whole {
            Some(whole) => whole.extend_from_slice(bytes),
            None => out.extend(bytes.iter().filter(|b| **b == b'\n')),
        }
    }

    /// What follows cannot be told: it is passed on as it is, with what was kept.
    fn lose(&mut self, byte: u8, out: &mut Vec<u8>) {
        out.extend(self.whole.take().into_iter().flatten());
        out.push(byte);
        self.state = State::Lost;
        if byte == b'\n' {
            self.resume(out);
        }
    }

    /// At the start of a line behind something broken.
    fn resume(&mut self, out: &mut Vec<u8>) {
        out.extend(self.whole.take().into_iter().flatten());
        self.spine.clear();
        (self.state, self.open, self.escaped) = (State::Outside, 0, false);
    }

    /// An object too long to be kept is passed on as it is, to its end.
    fn copy_whole(&mut self, out: &mut Vec<u8>) {
        out.extend(self.whole.take().into_iter().flatten());
        let inside = matches!(self.state, State::Value(_) | State::Text(_));
        let open = if inside { self.open } else { 0 };
        let outer = self.spine.iter().rposition(|frame| frame.is_list).map_or(0, |at| at + 1);
        self.open = open + self.spine.len() - outer;
        self.spine.truncate(outer);
        self.state = match self.state {
            State::Text(_) | State::InKey => State::Text(Fate::Copied),
            _ => State::Value(Fate::Copied),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_told_by_the_head() {
        let cases = [
            (r#"{"Records":[{"a":1}]}"#, "Records"),
            (r#" {"Records" : [ ]}"#, "Records"),
            (r#"{"records":[{"a":1},"#, "records"),
            (r#"{"@odata.context":"x","value":[{"a":1}]}"#, "value"),
            (
                r#"{"took":1,"_shards":{"total":1},"hits":{"total":{"value":1},"hits":[{"_index":"x","_source":{"a":1}}]}}"#,
                "hits",
            ),
            (r#"{"_index":"x","_id":"1","_score":1.0,"_source":{"a":1}}"#, "_source"),
            (r#"[{"_index":"x","_source":{"a":1}}]"#, "_source"),
            (r#"{"preview":false,"offset":0,"result":{"a":1}}"#, "result"),
            (r#"{"preview":false,"init_offset":0,"results":[{"a":1}]}"#, "results"),
            (r#"{"Events":{"Event":[{"System":{}}]}}"#, "Events"),
            (r#"{"events":[{"a":1}],"nextToken":"x"}"#, "events"),
            // Events that merely have such a key.
            (r#"{"events":["a","b"]}"#, ""),
            (r#"{"events":7}"#, ""),
            (r#"{"id":{"time":"x"},"events":[{"name":"y"}]}"#, ""),
            (r#"{"time":"x","data":[{"name":"y"}]}"#, ""),
            (r#"{"data":[{"name":"y"}],"time":"x"}"#, ""),
            (r#"{"data":{"name":"y"}}"#, ""),
            (r#"{"result":{"a":1}}"#, ""),
            (r#"{"_source":{"a":1}}"#, ""),
            (r#"{"Records":"none"}"#, ""),
            (r#"{"a":1}"#, ""),
            (r#"["#, ""),
            ("", ""),
        ];
        for (head, expected) in cases {
            let found = Wrapper::of(head).map_or("", |wrapper| &wrapper.path[0]);
            assert_eq!(found, expected, "{head}");
        }
    }

    /// What is passed on of a text, cut into pieces of every length.
    fn unwrapped(text: &str) -> (String, Option<u64>) {
        let wrapper = Wrapper::of(text).unwrap();
        let of_pieces = |length: usize| {
            let (mut unwrap, mut out) = (Unwrap::new(wrapper), Vec::new());
            text.as_bytes().chunks(length).for_each(|piece| unwrap.push(piece, &mut out));
            let left = unwrap.finish(&mut out);
            (String::from_utf8(out).unwrap(), left)
        };
        let whole = of_pieces(text.len());
        for length in 1..text.len().min(40) {
            assert_eq!(of_pieces(length), whole, "{text} in pieces of {length}");
        }
        whole
    }

    #[test]
    fn records_come_out_of_their_wrappers() {
        let cases = [
            (r#"{"Records":[{"a":"]}\"{"},{"b":{"c":[1]}}]}"#, r#"{"a":"]}\"{"},{"b":{"c":[1]}}"#),
            ("{\"Records\":[{}]}\n{\"Records\":[]}\n{\"Records\":[{\"a\":1}]}", "{}\n\n{\"a\":1}"),
            (
                "{\n\"took\": 1,\n\"hits\": {\"hits\": [\n{\"_id\":\"1\",\"_source\":{\"a\":1}},\n{\"_id\":\"2\"}\n]},\"aggregations\":[{\"y\":1}]}",
                "\n\n\n{\"a\":1},\n{\"_id\":\"2\"}\n",
            ),
            ("{\"_index\":\"i\",\"_source\":{\"a\":1}}\n{\"b\":2}\n", "{\"a\":1}\n{\"b\":2}\n"),
            (
                "[{\"_index\":\"i\",\"_source\":{\"a\":1},\"sort\":[1]},\n{\"_index\":\"i\",\"_source\":{\"a\":2}}]",
                "[{\"a\":1},\n{\"a\":2}]",
            ),
            (
                "{\"preview\":false,\"result\":{\"a\":1}}\n{\"preview\":true,\"lastrow\":true}\n",
                "{\"a\":1}\n{\"preview\":true,\"lastrow\":true}\n",
            ),
            (r#"{"records":[{"a":1},7,"x",null,[{"b":2}]]}"#, r#"{"a":1},7,"x",null,[{"b":2}]"#),
            (r##"{"Events":{"#attributes":{"x":"y"},"Event":[{"System":1}]}}"##, r#"{"System":1}"#),
            (r#"{"events":[{"a":1}],"nextToken":"x","events":[{"a":2}]}"#, r#"{"a":1}{"a":2}"#),
        ];
        for (text, expected) in cases {
            assert_eq!(unwrapped(text), (expected.to_owned(), None), "{text}");
        }
    }

    #[test]
    fn what_is_broken_is_passed_on() {
        let cases = [
            (r#"{"Records":[{"a":1},{"b"#, r#"{"a":1},{"b"#, None),
            (r#"{"Records":[{"a":1}"#, r#"{"a":1}"#, Some(0)),
            (r#"{"Records":[{"a":1}],"next"#, r#"{"a":1}"#, Some(8)),
            (r#"{"Records":[{"a":1}}},{"b":2}]}"#, r#"{"a":1}}},{"b":2}]}"#, None),
            (
                "{\"_index\":\"i\",\"_source\":{}}\n{\"_index\" 7}\n{\"_index\":\"i\",\"_source\":{\"a\":1}}",
                "{}\n{\"_index\" 7}\n{\"a\":1}",
                None,
            ),
            (
                "{\"_index\":\"i\",\"_source\":{}}\n{\"_index\":\"i\n{\"_index\":\"i\",\"_source\":{\"a\":1}}",
                "{}\n{\"_index\":\"i\n{\"a\":1}",
                None,
            ),
        ];
        for (text, expected, left) in cases {
            let (given, ends) = unwrapped(text);
            assert_eq!(given, expected, "{text}");
            // A wrapper that was lost is over.
            assert_eq!(ends.is_some(), left.is_some(), "{text}");
        }
        let long = "x".repeat(2 * LARGEST_WHOLE);
        let text = format!(
            "{{\"_index\":\"i\",\"_source\":{{}}}}\n{{\"_index\":\"{long}\",\"_source\":{{\"a\":[1]}}}}\n{{\"_index\":\"\",\"_source\":{{\"b\":1}}}}"
        );
        let (mut unwrap, mut out) = (Unwrap::new(Wrapper::of(&text).unwrap()), Vec::new());
        unwrap.push(text.as_bytes(), &mut out);
        let expected =
            format!("{{}}\n{{\"_index\":\"{long}\",\"_source\":{{\"a\":[1]}}}}\n{{\"b\":1}}");
        assert!(
            String::from_utf8(out).unwrap() == expected,
            "an object too long to be kept stays whole"
        );
    }
}
