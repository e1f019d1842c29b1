//! YAML as a small tree with places: what every YAML container, and every YAML file of our own that
//! names places, starts from.
//!
//! Scalars keep their source text and resolve by the core schema of YAML 1.2 when asked
//! ([`Scalar::resolve`]), so `yes` is a text and `0x1F` a number. A stream that breaks goes on at
//! the next `---`: one bad document does not hide the others of its file.

use std::borrow::Cow;
use std::ops::Range;

use rulestone_ir::{Diagnostic, Level, Span};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput, Tag};

/// Containers deeper than this are refused: no rule nests so, and reading them recurses.
const MAX_DEPTH: usize = 64;
/// Nodes that aliases may add to one document.
const MAX_ALIASED_NODES: usize = 100_000;

/// A document of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Document<'t> {
    /// Its place in the file.
    pub span: Span,
    /// Its content; `None` when it could not be read, and then the diagnostics say why.
    pub root: Option<Node<'t>>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Node<'t> {
    /// Its place in the file.
    pub span: Span,
    /// What it is.
    pub kind: Kind<'t>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind<'t> {
    /// One value.
    Scalar(Scalar<'t>),
    /// A list.
    Sequence(Vec<Node<'t>>),
    /// A map, in the order of the file.
    Mapping(Vec<Entry<'t>>),
}

/// One value, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar<'t> {
    /// Its text after quotes, escapes and folding.
    pub text: Cow<'t, str>,
    /// Whether it was written without quotes, so that `5` is a number.
    pub plain: bool,
}

/// A key and what stands under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'t> {
    /// The key.
    pub key: Cow<'t, str>,
    /// Its place in the file.
    pub key_span: Span,
    /// What stands under it.
    pub value: Node<'t>,
}

/// What a scalar means by the core schema.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resolved {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other finite number.
    Float(f64),
    /// Anything else; whole numbers past 64 bits too.
    Text,
}

impl<'t> Node<'t> {
    /// The entries of a map; none for anything else.
    pub fn entries(&self) -> &[Entry<'t>] {
        match &self.kind {
            Kind::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// What stands under a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node<'t>> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The text of a scalar; `None` for null.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(scalar) if !scalar.is_null() => Some(&scalar.text),
            _ => None,
        }
    }

    /// Whether there is nothing here.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(scalar) if scalar.is_null())
    }

    /// What it is, in a message.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a map",
            Kind::Scalar(scalar) => scalar.describe(),
        }
    }

    fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar(_) => 0,
            Kind::Sequence(items) => items.iter().map(Node::size).sum(),
            Kind::Mapping(entries) => entries.iter().map(|entry| 1 + entry.value.size()).sum(),
        }
    }
}

impl Scalar<'_> {
    /// What it means by the core schema.
    pub fn resolve(&self) -> Resolved {
        if self.plain { resolve(&self.text) } else { Resolved::Text }
    }

    /// Whether it says that there is nothing here.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }

    /// What it is, in a message.
    pub fn describe(&self) -> &'static str {
        match self.resolve() {
            Resolved::Null => "null",
            Resolved::Bool(_) => "a boolean",
            Resolved::Integer(_) | Resolved::Float(_) => "a number",
            Resolved::Text => "a text",
        }
    }
}

fn resolve(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" => return Resolved::Bool(true),
        "false" | "False" | "FALSE" => return Resolved::Bool(false),
        _ => {}
    }
    // Nearly every scalar is a text: its first byte says so.
    if !matches!(text.as_bytes()[0], b'0'..=b'9' | b'+' | b'-' | b'.') {
        return Resolved::Text;
    }
    let radix = |digits: Option<&str>, radix| {
        let digits = digits.filter(|d| d.bytes().all(|b| (b as char).is_digit(radix)))?;
        i64::from_str_radix(digits, radix).ok()
    };
    let whole = radix(text.strip_prefix("0x"), 16).or_else(|| radix(text.strip_prefix("0o"), 8));
    if let Some(number) = whole.or_else(|| text.parse().ok()) {
        return Resolved::Integer(number);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = digits.bytes().all(|b| b.is_ascii_digit());
    // Rust also reads "inf" and "nan"; a whole number that is here is past 64 bits.
    let numeric = digits.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    match text.parse::<f64>() {
        Ok(number) if numeric && !whole && number.is_finite() => Resolved::Float(number),
        _ => Resolved::Text,
    }
}

/// Maps a range of a scalar's text to its place in the file.
///
/// `span` is the scalar's own place. Quotes and escapes are stepped over and folded white space
/// lines up; what cannot be lined up gets the whole of `span`.
pub fn place(file: &str, span: Span, text: &str, range: Range<usize>) -> Span {
    Places::new(file, span, text).span(range)
}

/// The places of a scalar's text in the file, for many questions about one text.
pub struct Places {
    span: Span,
    lines_up: LinesUp,
}

enum LinesUp {
    /// The text stands in the file as it is, from here on.
    From(usize),
    /// For each byte of the text, where the character it belongs to starts and ends.
    Bytes(Vec<(u32, u32)>),
    /// Not at all.
    Never,
}

impl Places {
    /// Lines `text` up with `span` of the file.
    pub fn new(file: &str, span: Span, text: &str) -> Self {
        let source = file.get(span.start..span.end).unwrap_or_default();
        let lines_up = match source.find(text) {
            Some(at) => LinesUp::From(span.start + at),
            None => line_up(source, text).map_or(LinesUp::Never, LinesUp::Bytes),
        };
        Places { span, lines_up }
    }

    /// Where a range of the text stands.
    pub fn span(&self, range: Range<usize>) -> Span {
        match &self.lines_up {
            LinesUp::From(start) => Span::new(start + range.start..start + range.end),
            LinesUp::Bytes(bytes) => self.lined_up(bytes, range),
            LinesUp::Never => self.span,
        }
    }

    fn lined_up(&self, bytes: &[(u32, u32)], range: Range<usize>) -> Span {
        let behind = bytes.last().map_or(0, |(_, end)| *end);
        let start = bytes.get(range.start).map_or(behind, |(start, _)| *start);
        let end = match range.end.checked_sub(1).filter(|last| *last >= range.start) {
            Some(last) => bytes.get(last).map_or(behind, |(_, end)| *end),
            None => start,
        };
        let at = |offset: u32| self.span.start + offset as usize;
        Span::new(at(start)..at(end.max(start)))
    }
}

/// Characters of the source that are no part of the text, one after the other, at most: quotes,
/// backslashes, the indicator of a block.
const MOST_SKIPPED: usize = 12;

/// Lines the characters of a scalar's text up with its source: for each byte of the text the
/// start and end of its character in the source.
fn line_up(source: &str, text: &str) -> Option<Vec<(u32, u32)>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut rest, mut at) = (text, 0);
    while let Some(wanted) = rest.chars().next() {
        if wanted.is_whitespace() {
            let run = rest.len() - rest.trim_start().len();
            at = line_up_space(source, at, &rest[..run], &mut bytes);
            rest = &rest[run..];
            continue;
        }
        let (skipped, found) =
            source.get(at..)?.char_indices().take(MOST_SKIPPED).find(|(_, c)| *c == wanted)?;
        let (start, end) = (at + skipped, at + skipped + found.len_utf8());
        bytes.extend(std::iter::repeat_n((start as u32, end as u32), wanted.len_utf8()));
        at = end;
        rest = &rest[wanted.len_utf8()..];
    }
    Some(bytes)
}

/// Lines a run of white space up: a line break with its indentation may stand for one space, and
/// in double quotes an escape may. Returns where the source goes on.
fn line_up_space(source: &str, at: usize, run: &str, bytes: &mut Vec<(u32, u32)>) -> usize {
    let rest = source.get(at..).unwrap_or_default();
    let mut length = rest.len() - rest.trim_start().len();
    // An indicator of a block or an escape comes before the space, or is it.
    if length == 0 {
        let skipped: usize = rest
            .chars()
            .take(MOST_SKIPPED)
            .take_while(|c| !c.is_whitespace() && "\\\"'>|-+ntr".contains(*c))
            .map(char::len_utf8)
            .sum();
        let behind = &rest[skipped..];
        length = skipped + behind.len() - behind.trim_start().len();
    }
    let whole = (at as u32, (at + length) as u32);
    // Any space is one byte, or the run is not taken apart.
    let apart = length > 0 && run.is_ascii() && rest[..length].is_ascii();
    bytes.extend((0..run.len()).map(|own| match (apart, own + 1 == run.len()) {
        (false, _) => whole,
        (true, last) => {
            let start = at + own.min(length - 1);
            (start as u32, if last { whole.1 } else { start as u32 + 1 })
        }
    }));
    at + length
}

/// Reads all documents of a file.
pub fn parse(text: &str) -> Vec<Document<'_>> {
    /// What some editors put in front of a UTF-8 text.
    const BYTE_ORDER_MARK: char = '\u{feff}';
    let start = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
    let ascii = text.is_ascii();
    let mut documents = Vec::new();
    let mut from = Some(start);
    while let Some(start) = from {
        let broken = Builder::new(text, start, ascii).stream(&mut documents);
        from = broken.and_then(|at| next_document(text, at, start));
    }
    documents
}

/// The text with every line of a quoted value that is not indented put behind the line before it.
/// YAML wants such lines indented; libraries that many authors use do not. Offsets stay as they
/// are. `None` where there are no such lines.
pub fn mend(text: &str) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let (mut at, mut quote, mut mended) = (0, None, false);
    for line in text.split_inclusive('\n') {
        let starts = line.bytes().next().is_some_and(|byte| !byte.is_ascii_whitespace());
        if quote.is_some() && starts && at > 0 {
            bytes[at - 1] = b' ';
            if at > 1 && bytes[at - 2] == b'\r' {
                bytes[at - 2] = b' ';
            }
            mended = true;
        }
        quote = quote_behind(line, quote);
        at += line.len();
    }
    let mended = mended.then(|| String::from_utf8(bytes).ok());
    mended.flatten()
}

/// Makes something of each document of a text, which is mended where it has to be.
pub(super) fn each_document<R>(text: &str, make: &mut dyn FnMut(&Document<'_>) -> R) -> Vec<R> {
    let documents = parse(text);
    let broken = documents.iter().any(|document| document.root.is_none());
    match broken.then(|| mend(text)).flatten() {
        Some(mended) => parse(&mended).iter().map(make).collect(),
        None => documents.iter().map(make).collect(),
    }
}

/// The quote that is open behind a line: one that was open before it, or that opens its value.
fn quote_behind(line: &str, before: Option<u8>) -> Option<u8> {
    let (quote, mut rest) = match before {
        Some(quote) => (quote, line.as_bytes()),
        None => {
            let value = line.split_once(": ")?.1.trim_start();
            (
                *value.as_bytes().first().filter(|byte| b"'\"".contains(byte))?,
                &value.as_bytes()[1..],
            )
        }
    };
    loop {
        let at = rest.iter().position(|byte| *byte == quote || *byte == b'\\' && quote == b'"');
        let Some(at) = at else { return Some(quote) };
        let escape = rest[at] == b'\\' || quote == b'\'' && rest.get(at + 1) == Some(&quote);
        if !escape {
            return None;
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
}

/// Where the next `---` at the start of a line is, from `at` on but behind `start`.
fn next_document(text: &str, at: usize, start: usize) -> Option<usize> {
    // The line end before the place counts: documents also break at the next one's `---`.
    let at = at.saturating_sub(1).max(start);
    let rest = text.as_bytes().get(at..)?;
    rest.windows(4).position(|bytes| bytes == b"\n---").map(|found| at + found + 1)
}

type Events<'t> = Parser<'t, StrInput<'t>>;

/// Builds trees out of the parser's events.
struct Builder<'t> {
    events: Events<'t>,
    offsets: Offsets<'t>,
    /// By the parser's anchor id.
    anchors: Vec<(usize, Node<'t>)>,
    aliased: usize,
    /// The document being read starts here.
    start: usize,
    diagnostics: Vec<Diagnostic>,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str, start: usize, ascii: bool) -> Self {
        Builder {
            events: Parser::new_from_str(&text[start..]),
            offsets: Offsets { text, ascii, base: start, index: 0, offset: start },
            anchors: Vec::new(),
            aliased: 0,
            start,
            diagnostics: Vec::new(),
        }
    }

    /// Reads documents until the end; returns where the stream broke, if it did.
    fn stream(mut self, documents: &mut Vec<Document<'t>>) -> Option<usize> {
        loop {
            match self.document() {
                Ok(Some(document)) => documents.push(document),
                Ok(None) => return None,
                Err(error) => {
                    let at = error.span.start;
                    let end = next_document(self.offsets.text, at, self.start)
                        .unwrap_or(self.offsets.text.len());
                    self.diagnostics.push(*error);
                    documents.push(Document {
                        span: Span::new(self.start..end.max(self.start)),
                        root: None,
                        diagnostics: self.diagnostics,
                    });
                    return Some(at);
                }
            }
        }
    }

    /// The next document that is not empty.
    fn document(&mut self) -> Result<Option<Document<'t>>, Box<Diagnostic>> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(None),
                Event::DocumentStart(_) => {
                    self.start = span.start;
                    self.anchors.clear();
                    self.aliased = 0;
                }
                Event::DocumentEnd => {
                    let diagnostics = std::mem::take(&mut self.diagnostics);
                    match root.take() {
                        Some(root) => {
                            let span = Span::new(self.start..span.end.max(self.start));
                            let root = Some(root);
                            return Ok(Some(Document { span, root, diagnostics }));
                        }
                        None => continue,
                    }
                }
                Event::StreamStart | Event::Nothing => {}
                event => root = Some(self.node(event, span, 0)?).filter(|node| !node.is_null()),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Box<Diagnostic>> {
        match self.events.next_event() {
            Some(Ok((event, span))) => {
                let start = self.offsets.at(span.start);
                let end = self.offsets.at(span.end).max(start);
                Ok((event, Span::new(start..end)))
            }
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn syntax(&mut self, error: &ScanError) -> Box<Diagnostic> {
        let at = self.offsets.at(*error.marker());
        let message = format!("this is not valid YAML: {}", error.info());
        let length = self.offsets.text[at..].chars().next().map_or(0, char::len_utf8);
        let span = Span::new(at..at + length);
        let help = if error.info().contains("tabs") {
            "indent with spaces"
        } else {
            "look for an open quote or bracket, or a wrong indentation, before this place"
        };
        let diagnostic = Diagnostic::new(Level::Invalid, "yaml-syntax", message, span);
        Box::new(diagnostic.with_help(help))
    }

    fn node(
        &mut self,
        event: Event<'t>,
        span: Span,
        depth: usize,
    ) -> Result<Node<'t>, Box<Diagnostic>> {
        if depth > MAX_DEPTH {
            return Err(limit(format!("nested more than {MAX_DEPTH} deep"), span));
        }
        let (anchor, node) = match event {
            Event::Alias(id) => return self.alias(id, span),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !is_text(tag.as_deref());
                let span = self.without_rest(span, style, text.len());
                (anchor, Node { span, kind: Kind::Scalar(Scalar { text, plain }) })
            }
            Event::SequenceStart(anchor, _) => (anchor, self.sequence(span, depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.mapping(span, depth)?),
            event => return Err(limit(format!("unexpected {event:?}"), span)),
        };
        if anchor != 0 {
            self.anchors.push((anchor, node.clone()));
        }
        Ok(node)
    }

    /// The span of a scalar up to its closing quote: the parser's goes on to where the next token
    /// begins, over white space and comments.
    fn without_rest(&self, span: Span, style: ScalarStyle, length: usize) -> Span {
        let quote = match style {
            ScalarStyle::SingleQuoted => b'\'',
            ScalarStyle::DoubleQuoted => b'"',
            _ => return span,
        };
        if span.end - span.start == length + 2 {
            return span;
        }
        let source = &self.offsets.text.as_bytes()[span.start..span.end];
        let length = closing_quote(source, quote).unwrap_or(source.len());
        Span::new(span.start..span.start + length)
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Node<'t>, Box<Diagnostic>> {
        let Some((_, node)) = self.anchors.iter().find(|(anchor, _)| *anchor == id) else {
            return Err(limit("an alias stands inside its own anchor".to_owned(), span));
        };
        self.aliased += node.size();
        if self.aliased > MAX_ALIASED_NODES {
            return Err(limit("its aliases expand without end".to_owned(), span));
        }
        Ok(node.clone())
    }

    fn sequence(&mut self, open: Span, depth: usize) -> Result<Node<'t>, Box<Diagnostic>> {
        let mut items = Vec::new();
        let mut span = open;
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    span.end = span.end.max(content_end(&self.offsets, end));
                    return Ok(Node { span, kind: Kind::Sequence(items) });
                }
                (event, at) => {
                    let item = self.node(event, at, depth + 1)?;
                    span.end = span.end.max(item.span.end);
                    items.push(item);
                }
            }
        }
    }

    fn mapping(&mut self, open: Span, depth: usize) -> Result<Node<'t>, Box<Diagnostic>> {
        let mut entries: Vec<Entry<'t>> = Vec::new();
        let mut span = open;
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                span.end = span.end.max(content_end(&self.offsets, at));
                self.drop_duplicates(&mut entries);
                return Ok(Node { span, kind: Kind::Mapping(entries) });
            }
            let key = self.node(event, at, depth + 1)?;
            let Kind::Scalar(Scalar { text, .. }) = key.kind else {
                let message = format!("this is not a key: it is {}", key.describe());
                let error = Diagnostic::new(Level::Invalid, "yaml-syntax", message, key.span);
                return Err(Box::new(error));
            };
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            span.end = span.end.max(value.span.end);
            entries.push(Entry { key: text, key_span: key.span, value });
        }
    }

    /// Reports keys that are there twice; the first one stays.
    fn drop_duplicates(&mut self, entries: &mut Vec<Entry<'t>>) {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|a, b| entries[*a].key.cmp(&entries[*b].key).then(a.cmp(b)));
        let mut repeated: Vec<usize> = order
            .windows(2)
            .filter(|pair| entries[pair[0]].key == entries[pair[1]].key)
            .map(|pair| pair[1])
            .collect();
        repeated.sort_unstable();
        for at in repeated.into_iter().rev() {
            let entry = entries.remove(at);
            let message = format!("the key `{}` is there twice", entry.key);
            self.diagnostics.push(
                Diagnostic::new(Level::Invalid, "yaml-duplicate-key", message, entry.key_span)
                    .with_help("keep one of them, or make a list of their values"),
            );
        }
    }
}

fn limit(message: String, span: Span) -> Box<Diagnostic> {
    let message = format!("this YAML is not read: {message}");
    Box::new(Diagnostic::new(Level::Invalid, "yaml-limit", message, span))
}

/// The offset behind the quote that closes the first one in `source`.
fn closing_quote(source: &[u8], quote: u8) -> Option<usize> {
    let mut at = source.iter().position(|byte| *byte == quote)? + 1;
    loop {
        let byte = *source.get(at)?;
        let escape =
            (byte == b'\\' && quote == b'"') || (quote == b'\'' && source[at..].starts_with(b"''"));
        match byte {
            _ if escape => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// Whether a tag says `!!str`.
fn is_text(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str")
}

/// The end of a flow collection is its bracket; that of a block collection is where its last
/// child ended, and the parser's mark for it lies somewhere behind.
fn content_end(offsets: &Offsets<'_>, end: Span) -> usize {
    let text = offsets.text.as_bytes().get(end.start..end.end);
    if matches!(text, Some(b"]" | b"}")) { end.end } else { 0 }
}

/// Turns the parser's character counts into byte offsets. They come nearly in order, so the place
/// of the latest is where the search for the next one starts.
struct Offsets<'t> {
    text: &'t str,
    ascii: bool,
    base: usize,
    index: usize,
    offset: usize,
}

impl Offsets<'_> {
    fn at(&mut self, mark: Marker) -> usize {
        if self.ascii {
            return (self.base + mark.index()).min(self.text.len());
        }
        let bytes = self.text.as_bytes();
        while self.index < mark.index() && self.offset < bytes.len() {
            self.offset += 1;
            while self.offset < bytes.len() && !self.text.is_char_boundary(self.offset) {
                self.offset += 1;
            }
            self.index += 1;
        }
        while self.index > mark.index() && self.offset > self.base {
            self.offset -= 1;
            while !self.text.is_char_boundary(self.offset) {
                self.offset -= 1;
            }
            self.index -= 1;
        }
        self.offset
    }
}

/// What stands at a path of keys; a key's case does not count.
pub(super) fn find<'n, 't>(root: &'n Node<'t>, path: &[&str]) -> Option<&'n Node<'t>> {
    path.iter().try_fold(root, |node, key| {
        let entries = node.entries().iter();
        entries
            .map(|entry| (&entry.key, &entry.value))
            .find(|(own, _)| own.eq_ignore_ascii_case(key))
            .map(|(_, value)| value)
    })
}

/// The text at a path of keys.
pub(super) fn text_of(root: &Node<'_>, path: &[&str]) -> Option<String> {
    find(root, path)?.text().map(str::to_owned)
}

/// The items of a list; none for anything else.
pub(super) fn items<'n, 't>(root: &'n Node<'t>, path: &[&str]) -> &'n [Node<'t>] {
    match find(root, path).map(|node| &node.kind) {
        Some(Kind::Sequence(items)) => items,
        _ => &[],
    }
}

/// The texts of a list, or the one text.
pub(super) fn texts(node: &Node<'_>) -> Vec<String> {
    match &node.kind {
        Kind::Sequence(items) => items.iter().filter_map(Node::text).map(str::to_owned).collect(),
        _ => node.text().map(str::to_owned).into_iter().collect(),
    }
}

/// Where to point when something is missing from a rule.
pub(super) fn at_start(root: &Node<'_>) -> Span {
    root.entries().first().map_or(root.span, |entry| entry.key_span)
}

/// The keys at the line starts of a text, and what stands behind them.
pub(super) fn top_keys(text: &str) -> Vec<(&str, &str)> {
    text.trim_start_matches('\u{feff}').lines().filter_map(top_key).collect()
}

/// A key at the start of a line, and what stands behind it.
fn top_key(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let key = key.trim_end();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (!key.is_empty() && key.bytes().all(plain)).then_some((key, value))
}

/// What a text that is no YAML says of the key of a line.
pub(super) fn salvage(text: &str, key: &str) -> String {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    value.unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scalars of a text, each with the source its span covers.
    fn scalars(text: &str) -> Vec<(String, String)> {
        fn walk(node: &Node<'_>, text: &str, found: &mut Vec<(String, String)>) {
            match &node.kind {
                Kind::Scalar(scalar) => {
                    let source = text[node.span.start..node.span.end].to_owned();
                    found.push((scalar.text.to_string(), source));
                }
                Kind::Sequence(items) => items.iter().for_each(|item| walk(item, text, found)),
                Kind::Mapping(entries) => {
                    entries.iter().for_each(|entry| walk(&entry.value, text, found));
                }
            }
        }
        let mut found = Vec::new();
        for document in parse(text) {
            assert_eq!(document.diagnostics, []);
            document.root.iter().for_each(|root| walk(root, text, &mut found));
        }
        found
    }

    #[test]
    fn spans_cover_what_was_written() {
        let cases: [(&str, &[(&str, &str)]); 11] = [
            ("a: b\n", &[("b", "b")]),
            ("a: b # c\n", &[("b", "b")]),
            ("a: 'it''s' # 'no'\n", &[("it's", "'it''s'")]),
            ("a: \"q\\\"\" # \"no\"\n", &[("q\"", "\"q\\\"\"")]),
            ("a: >-\n  b\n  c\nd: e\n", &[("b c", "b\n  c\n"), ("e", "e")]),
            ("ä: \"\\u00e9\"\nb: ö\n", &[("é", "\"\\u00e9\""), ("ö", "ö")]),
            ("\u{feff}a: é\nb: c\n", &[("é", "é"), ("c", "c")]),
            ("a: é\r\nb: c\r\n", &[("é", "é"), ("c", "c")]),
            ("- 𝄞\n- [x, 'y z']\n", &[("𝄞", "𝄞"), ("x", "x"), ("y z", "'y z'")]),
            ("a: &x 'é' #\nb: *x\n", &[("é", "&x 'é'"), ("é", "&x 'é'")]),
            ("a: b\n---\nc: d\n...\n", &[("b", "b"), ("d", "d")]),
        ];
        for (text, expected) in cases {
            let found = scalars(text);
            let found: Vec<_> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn plain_scalars_resolve_by_the_core_schema() {
        use Resolved::{Bool, Float, Integer, Null, Text};
        let cases = [
            ("", Null),
            ("~", Null),
            ("NULL", Null),
            ("True", Bool(true)),
            ("yes", Text),
            ("12", Integer(12)),
            ("+12", Integer(12)),
            ("-0x1", Text),
            ("0x1F", Integer(31)),
            ("0x", Text),
            ("0x+1", Text),
            ("0o17", Integer(15)),
            ("012", Integer(12)),
            ("1.5", Float(1.5)),
            ("1.", Float(1.0)),
            (".5e1", Float(5.0)),
            ("1e999", Text),
            (".inf", Text),
            (".nan", Text),
            ("1.2.3", Text),
            ("-", Text),
            ("2026-01-02", Text),
            ("99999999999999999999", Text),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve(text), expected, "{text:?}");
        }
    }

    #[test]
    fn places_inside_scalars() {
        let cases = [
            ("plain and text", "plain and text", 6..9, "and"),
            ("'in quotes'", "in quotes", 3..9, "quotes"),
            ("'it''s so'", "it's so", 5..7, "so"),
            ("one\n    two\n  three", "one two three", 8..13, "three"),
            (">\n  one\n  two\n", "one two\n", 4..7, "two"),
            ("\"x\\\"y z\"", "x\"y z", 4..5, "z"),
            ("\"\\u0061b\"", "ab", 1..2, "\"\\u0061b\""),
            ("\"\\u0061\"", "a", 0..1, "\"\\u0061\""),
            ("'a =  b\n    c''s  d'", "a =  b c's  d", 12..13, "d"),
            ("'a =  b\n    c''s  d'", "a =  b c's  d", 5..8, "b\n    c"),
            ("\"a\\nb\\\n  c\"", "a\nbc", 3..4, "c"),
            (">-\n  é  x\n\n  y\n", "é  x\ny", 6..7, "y"),
        ];
        for (source, text, range, expected) in cases {
            let span = place(source, Span::new(0..source.len()), text, range);
            assert_eq!(&source[span.start..span.end], expected, "{source:?}");
        }
    }

    #[test]
    fn quoted_lines_without_indentation_are_mended() {
        let cases = [
            ("a: 'x\n| y'\nb: z\n", Some("a: 'x | y'\nb: z\n")),
            ("a: 'x\r\n| y''s\r\nb'\r\nb: z", Some("a: 'x  | y''s  b'\r\nb: z")),
            ("a: \"x \\\" \n| y\"\nb: z", Some("a: \"x \\\"  | y\"\nb: z")),
            ("a: 'x'\nb: 'y\n  z'\n", None),
            ("a: it's\nb: 'x'\n", None),
            ("a: 'x\n\n  y'\n", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(mend(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_broken_document_does_not_hide_the_next() {
        let documents = parse("a: 'x\n---\nb: y\n---\n\tc: [\n---\nd: z\n");
        let read: Vec<_> = documents.iter().map(|d| d.root.is_some()).collect();
        assert_eq!(read, [false, true, false, true]);
        let codes: Vec<_> = documents.iter().flat_map(|d| &d.diagnostics).map(|d| d.code).collect();
        assert_eq!(codes, ["yaml-syntax", "yaml-syntax"]);
    }

    #[test]
    fn nesting_and_aliases_are_limited() {
        let deep = "[".repeat(100_000);
        let growing = "a: &a [x, x, x]\nb: &b [*a, *a, *a]\n".to_owned()
            + &(0..20).map(|_| "- [*b, *b]\n").collect::<String>().replace("- ", "");
        for text in [deep, format!("{growing}:")] {
            assert!(parse(&text).iter().any(|d| d.root.is_none()), "{text:.40}");
        }
        let codes = |text: &str| {
            parse(text)
                .iter()
                .flat_map(|d| d.diagnostics.clone())
                .map(|d| d.code)
                .collect::<Vec<_>>()
        };
        assert_eq!(codes(&"- ".repeat(100)), ["yaml-limit"]);
        assert_eq!(codes("&a [*a]"), ["yaml-limit"]);
        assert_eq!(codes("a: 1\na: 2\na: 3\n"), ["yaml-duplicate-key"; 2]);
    }
}
