//! Logs that are text: Windows events as XML or as text, auditd, syslog.
//!
//! These are often mixed in one file, so one walk finds the records of all of them: what a line
//! starts with says what it is. The walk is cheap and in order; turning records into JSON is left
//! to whoever reads the unit. Where a log is cut into units cannot show: a unit ends behind a record
//! that more text would not change.

use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::sync::Arc;

use memchr::memchr;

use super::json::Encoding;
use super::records::{Layout, Records, spare_buffer};
use super::xml::{Extent, Marks, XmlEvent, element_name, starts_event};
use super::{Format, auditd, known, syslog, wintext};
use crate::Tally;

/// Bytes of a stretch.
const STRETCH: usize = 2 << 20;

/// A record longer than this is cut, and its parts are read as what they look like.
const LONGEST_RECORD: usize = 64 << 20;

/// The text of a log, a stretch at a time, in UTF-8 whatever it was.
pub(crate) struct Stretches {
    reader: Box<dyn Read + Send>,
    encoding: Encoding,
    /// Bytes as they were read, of an encoding that has to be turned into UTF-8 first.
    undecoded: Vec<u8>,
    pub(crate) text: Vec<u8>,
    pub(crate) stretch: usize,
    pub(crate) at_end: bool,
    /// Whether records are wanted as soon as they are whole, rather than many at a time.
    pub(crate) live: bool,
    /// What went wrong behind the text that is still here.
    failed: Option<io::Error>,
}

impl Stretches {
    pub(crate) fn new(head: Vec<u8>, reader: Box<dyn Read + Send>) -> Self {
        Stretches {
            encoding: Encoding::of(&head),
            reader: Box::new(Cursor::new(head).chain(reader)),
            undecoded: Vec::new(),
            text: Vec::new(),
            stretch: STRETCH,
            at_end: false,
            live: false,
            failed: None,
        }
    }

    /// Reads until there is a stretch of text, `cut` says where it may be cut and gives what it
    /// found there. Returns that with the text.
    ///
    /// # Errors
    ///
    /// When the system fails, behind all text that was read before.
    pub(crate) fn next<T>(
        &mut self,
        mut cut: impl FnMut(&[u8], bool) -> (usize, T),
    ) -> io::Result<Option<(Vec<u8>, T)>> {
        let mut wanted = self.stretch;
        loop {
            if let Err(error) = self.fill(wanted) {
                if self.text.is_empty() || self.failed.is_some() {
                    return Err(self.failed.take().unwrap_or(error));
                }
                self.failed = Some(error);
                self.at_end = true;
            }
            if self.text.is_empty() {
                return self.failed.take().map_or(Ok(None), Err);
            }
            let last = self.at_end || self.text.len() >= LONGEST_RECORD;
            // A live log is looked at whenever a line is whole.
            if self.live && !last && !self.text.ends_with(b"\n") && self.text.len() < wanted {
                continue;
            }
            let (end, found) = cut(&self.text, last);
            debug_assert!(end > 0 || !last, "what no text follows is certain");
            if end > 0 || last {
                let end = if last { self.text.len() } else { end };
                let mut rest = spare_buffer();
                rest.extend_from_slice(&self.text[end..]);
                self.text.truncate(end);
                return Ok(Some((std::mem::replace(&mut self.text, rest), found)));
            }
            wanted = self.text.len() * 2;
        }
    }

    /// Reads as much text as is wanted; of a live log what there is.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        const PIECE: usize = 1 << 16;
        let before = self.text.len();
        let wanted = if self.live { before + PIECE } else { wanted };
        while !self.at_end && self.text.len() < wanted && !(self.live && self.text.len() > before) {
            if self.live && self.encoding == Encoding::Utf8 {
                self.text.resize(before + PIECE, 0);
                let read = self.reader.read(&mut self.text[before..]);
                self.text.truncate(before + read.as_ref().copied().unwrap_or(0));
                self.at_end = read? == 0;
                continue;
            }
            if self.encoding == Encoding::Utf8 {
                let missing = (wanted - self.text.len()) as u64;
                let read = self.reader.by_ref().take(missing).read_to_end(&mut self.text)?;
                self.at_end = read == 0;
                continue;
            }
            let mut piece = vec![0; (wanted - self.text.len()).clamp(2, 1 << 16)];
            let read = self.reader.read(&mut piece)?;
            self.at_end = read == 0;
            self.undecoded.extend_from_slice(&piece[..read]);
            self.decode();
        }
        Ok(())
    }

    fn decode(&mut self) {
        let mut whole = self.undecoded.len() & !1;
        // A surrogate pair may be cut in two: its first half waits for the second.
        let high = whole.checked_sub(if self.encoding == Encoding::Utf16Le { 1 } else { 2 });
        if !self.at_end && high.is_some_and(|at| matches!(self.undecoded[at], 0xd8..=0xdb)) {
            whole -= 2;
        }
        let text = self.encoding.decode(&self.undecoded[..whole]);
        self.text.extend_from_slice(text.as_bytes());
        self.undecoded.drain(..whole);
        if self.at_end && !self.undecoded.is_empty() {
            self.undecoded.clear();
            self.text.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// What a stretch of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A Windows event.
    Xml,
    /// A Windows event in lines of text.
    Windows(wintext::Form),
    /// A line of auditd.
    Auditd,
    /// A line of syslog.
    Syslog,
    /// A line of Snare's without one of syslog's headers.
    Snare,
    /// A line of a format that a table knows.
    Known,
    /// A JSON object on a line by itself.
    Json,
    /// Nothing known, and why it is skipped.
    Skipped(&'static str),
}

/// A record, or something skipped.
pub(crate) struct Piece {
    pub(crate) what: What,
    /// The line it starts on.
    pub(crate) line: u64,
    pub(crate) range: Range<usize>,
}

pub(crate) struct TextLog {
    text: Stretches,
    log: Arc<str>,
    next_line: u64,
    /// Whether nothing was read yet.
    first: bool,
    at_line_start: bool,
}

impl TextLog {
    pub(crate) fn new(head: Vec<u8>, reader: Box<dyn Read + Send>, log: Arc<str>) -> Self {
        TextLog {
            text: Stretches::new(head, reader),
            log,
            next_line: 1,
            first: true,
            at_line_start: true,
        }
    }

    pub(crate) fn set_stretch(&mut self, bytes: usize) {
        self.text.stretch = bytes.max(1);
    }

    /// See [`super::Log::live`].
    pub(crate) fn set_live(&mut self) {
        self.text.live = true;
    }

    pub(crate) fn next_unit(&mut self) -> io::Result<Option<TextUnit>> {
        let (first_line, at_line_start) = (self.next_line, self.at_line_start);
        let start = if self.first { &b"\xef\xbb\xbf"[..] } else { b"" };
        let found = self.text.next(|text, last| {
            let mut walk = Walk::new(text, first_line, last);
            walk.at_line_start = at_line_start;
            if text.starts_with(start) {
                walk.at = start.len();
            }
            walk.run();
            walk.pieces.truncate(walk.settled);
            (walk.end, (walk.pieces, walk.end_line, walk.end_at_line_start))
        })?;
        let Some((text, (pieces, end_line, at_line_start))) = found else { return Ok(None) };
        (self.next_line, self.at_line_start) = (end_line, at_line_start);
        self.first = false;
        Ok(Some(TextUnit { text, pieces, log: self.log.clone() }))
    }
}

// ---- Recognition --------------------------------------------------------------------------------

/// Lines looked at to recognise a format.
const LINES: usize = 24;

/// The format of a text that has events of one of these in sight.
pub(crate) fn recognise(head: &[u8]) -> Option<Format> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let first = head.trim_ascii_start();
    if is_separator(first.split(|b| *b == b'\n').next().unwrap_or_default())
        || (first.starts_with(b"<") && syslog::priority(first).is_none())
    {
        return is_event_xml(first).then_some(Format::Xml);
    }
    let lines = head.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let (mut seen, mut syslog_lines, mut known_lines) = (0, 0, 0);
    let mut previous: &[u8] = b"";
    for line in lines.take(LINES) {
        seen += 1;
        if wintext::starts(line).is_some() && (seen == 1 || wintext::is_date(previous)) {
            return Some(Format::WindowsText);
        }
        if seen == 1 && !syslog::is_line(line) && wintext::snare_start(line).is_some() {
            return Some(Format::WindowsText);
        }
        if auditd::is_line(line) {
            return Some(Format::Auditd);
        }
        if starts_event(line, 0) && is_event_xml(line) {
            return Some(Format::Xml);
        }
        let is_syslog = syslog::is_line(line);
        syslog_lines += usize::from(is_syslog);
        known_lines += usize::from(!is_syslog && known::is_line(line));
        previous = line;
    }
    // Some lines of a log of syslog may be the rest of others.
    let many = |lines: usize| lines * 2 >= seen && lines > 0;
    if many(known_lines) {
        return Some(Format::Lines);
    }
    many(syslog_lines).then_some(Format::Syslog)
}

/// Whether the first element is an event or holds events, or an event with its header is in sight.
fn is_event_xml(text: &[u8]) -> bool {
    let mut at = 0;
    while let Some(tag) = memchr(b'<', &text[at..]).map(|length| at + length) {
        let rest = &text[tag..];
        let behind = if rest.starts_with(b"<?") {
            memchr::memmem::find(rest, b"?>")
        } else if rest.starts_with(b"<!--") {
            memchr::memmem::find(rest, b"-->")
        } else if rest.starts_with(b"<!") {
            memchr(b'>', rest)
        } else {
            let name = element_name(text, tag).map(|(name, _)| name);
            let is_root = matches!(name, Some(b"Event" | b"Events"));
            return is_root || Marks::default().next_event(text, tag).is_some();
        };
        let Some(behind) = behind else { return false };
        at = tag + behind + 1;
    }
    false
}

// ---- The walk -----------------------------------------------------------------------------------

/// Finds the records of a stretch.
struct Walk<'a> {
    text: &'a [u8],
    /// Whether there is no more text behind this.
    last: bool,
    at: usize,
    /// The line `at` is on, as of `counted`.
    line: u64,
    counted: usize,
    marks: Marks,
    pieces: Vec<Piece>,
    /// Behind the last thing that more text would not change.
    end: usize,
    end_line: u64,
    /// The pieces before that.
    settled: usize,
    /// Whether nothing but white space is before `at` on its line, and before `end` on its.
    at_line_start: bool,
    end_at_line_start: bool,
}

const BETWEEN: &str = "text that is no event";
const CUT_XML: &str = "XML event without an end";

impl<'a> Walk<'a> {
    fn new(text: &'a [u8], line: u64, last: bool) -> Self {
        Walk {
            text,
            last,
            at: 0,
            line,
            counted: 0,
            marks: Marks::default(),
            pieces: Vec::new(),
            end: 0,
            end_line: line,
            settled: 0,
            at_line_start: true,
            end_at_line_start: true,
        }
    }

    fn run(&mut self) {
        loop {
            while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.get(self.at) {
                self.at_line_start |= self.text[self.at] == b'\n';
                self.at += 1;
            }
            if self.at >= self.text.len() {
                self.settle();
                return;
            }
            if self.step().is_none() {
                return;
            }
            self.at_line_start = self.text[..self.at].ends_with(b"\n");
            self.settle();
        }
    }

    /// All up to here is certain, unless it is skipped text that goes on.
    fn settle(&mut self) {
        self.count_lines();
        let goes_on = matches!(self.pieces.last(), Some(Piece { what: What::Skipped(BETWEEN), range, .. })
            if range.end == self.at && !matches!(self.text.get(self.at), Some(b'\n') | None));
        if !goes_on {
            (self.end, self.end_line) = (self.at, self.line);
            self.end_at_line_start = self.at_line_start;
            self.settled = self.pieces.len();
        }
    }

    fn count_lines(&mut self) {
        let passed = &self.text[self.counted..self.at];
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.counted = self.at;
    }

    /// Moves behind the next thing. `None` when more text is needed to tell what it is.
    fn step(&mut self) -> Option<()> {
        self.count_lines();
        let rest = &self.text[self.at..];
        if rest[0] == b'<' {
            return self.markup();
        }
        if !self.at_line_start {
            return self.garbage();
        }
        let line_end = self.line_end(self.at)?;
        let line = &self.text[self.at..line_end];
        if let Some(start) = self.windows_text(line, line_end)? {
            return self.windows_block(start, line_end);
        }
        let what = if line.starts_with(b"{") && line.trim_ascii_end().ends_with(b"}") {
            What::Json
        } else if auditd::is_line(line) {
            What::Auditd
        } else if syslog::is_line(line) {
            return self.syslog(line_end);
        } else if wintext::snare_start(line).is_some() {
            What::Snare
        } else if known::is_line(line) {
            What::Known
        } else if is_separator(line) {
            self.at = line_end;
            return Some(());
        } else {
            return self.garbage();
        };
        self.push(what, line_end);
        Some(())
    }

    fn push(&mut self, what: What, end: usize) {
        self.pieces.push(Piece { what, line: self.line, range: self.at..end });
        self.at = end;
    }

    /// The end of the line `from` is on, without its line feed.
    fn line_end(&self, from: usize) -> Option<usize> {
        match memchr(b'\n', &self.text[from..]) {
            Some(length) => Some(from + length),
            None => self.last.then_some(self.text.len()),
        }
    }

    fn markup(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        if syslog::priority(rest).is_some() {
            let end = self.line_end(self.at)?;
            return self.syslog(end);
        }
        if rest.starts_with(b"<?") || rest.starts_with(b"<!--") {
            return self.unspoken(rest.starts_with(b"<!"));
        }
        let (name, whole) = element_name(self.text, self.at)?;
        if !whole && !self.last && rest.len() < 256 {
            return None;
        }
        if starts_event(self.text, self.at) && !rest.starts_with(b"</") {
            return self.event();
        }
        if name == b"Events" && whole {
            let tag = memchr(b'>', rest).map(|length| self.at + length + 1);
            return match tag {
                Some(end) => {
                    self.at = end;
                    Some(())
                }
                None => self.garbage(),
            };
        }
        self.garbage()
    }

    /// A declaration or a comment.
    fn unspoken(&mut self, comment: bool) -> Option<()> {
        let end = if comment {
            self.marks.behind_comment(self.text, self.at)
        } else {
            let rest = &self.text[self.at..];
            let line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
            memchr::memmem::find(line, b"?>").map(|length| self.at + length + 2)
        };
        match end {
            Some(end) => self.at = end,
            None if comment && !self.last => return None,
            None => return self.garbage(),
        }
        Some(())
    }

    fn event(&mut self) -> Option<()> {
        match self.marks.extent(self.text, self.at) {
            Extent::Ends(end) => self.push(What::Xml, end),
            Extent::Broken(next) => self.push(What::Skipped(CUT_XML), next),
            Extent::Open if !self.last => return None,
            Extent::Open => {
                let next = self.marks.next_event(self.text, self.at + 1);
                self.push(What::Skipped(CUT_XML), next.unwrap_or(self.text.len()));
            }
        }
        Some(())
    }

    /// Text that is nothing known: to the next tag on its line, or to the line's end.
    fn garbage(&mut self) -> Option<()> {
        let behind = &self.text[self.at + 1..];
        let end = match memchr::memchr2(b'<', b'\n', behind) {
            Some(length) => self.at + 1 + length,
            None if self.last => self.text.len(),
            None => return None,
        };
        match self.pieces.last_mut() {
            // One thing skipped for each line.
            Some(Piece { what: What::Skipped(BETWEEN), line, range })
                if *line == self.line && range.end == self.at =>
            {
                range.end = end;
                self.at = end;
            }
            _ => self.push(What::Skipped(BETWEEN), end),
        }
        Some(())
    }

    /// A line of syslog; what it carries may be an event of many lines.
    fn syslog(&mut self, line_end: usize) -> Option<()> {
        let line = &self.text[self.at..line_end];
        let message = syslog::message_start(line);
        let Some(event) = event_start(line, message).map(|start| self.at + start) else {
            self.push(What::Syslog, line_end);
            return Some(());
        };
        match self.marks.extent(self.text, event) {
            Extent::Ends(end) => {
                self.at = event;
                self.push(What::Xml, end);
            }
            Extent::Broken(next) => self.push(What::Skipped(CUT_XML), next),
            Extent::Open if !self.last => return None,
            Extent::Open => self.push(What::Skipped(CUT_XML), line_end),
        }
        Some(())
    }

    /// Whether the line starts a Windows event in text, which may take the next line to tell.
    #[expect(clippy::option_option, reason = "more text needed, nothing, or a form")]
    fn windows_text(&self, line: &[u8], line_end: usize) -> Option<Option<wintext::Form>> {
        if let Some(form) = wintext::starts(line) {
            return Some(Some(form));
        }
        if !wintext::is_date(line) {
            return Some(None);
        }
        let goes_on = line_end < self.text.len();
        let end = if goes_on { self.line_end(line_end + 1)? } else { line_end };
        let next = self.text.get(line_end + 1..end).unwrap_or_default();
        let form = wintext::starts(next).filter(|form| *form == wintext::Form::Splunk);
        if form.is_none() && line_end == self.text.len() && !self.last {
            return None;
        }
        Some(form)
    }

    /// An event in lines of text goes on to where the next event starts.
    fn windows_block(&mut self, form: wintext::Form, first_end: usize) -> Option<()> {
        let mut end = first_end;
        let mut event_xml = false;
        let dated = wintext::is_date(&self.text[self.at..first_end]);
        while end < self.text.len() {
            let next = end + 1;
            let next_end = self.line_end(next)?;
            let line = &self.text[next..next_end];
            let within_head = dated && end == first_end;
            if line.starts_with(b"<") {
                if starts_event(self.text, next) {
                    return self.close_windows_block(form, next, event_xml);
                }
            } else if !within_head {
                let starts = self.windows_text(line, next_end)?;
                if starts.is_some_and(|start| start == form || wintext::is_date(line)) {
                    return self.close_windows_block(form, next, false);
                }
            }
            event_xml = line.trim_ascii() == b"Event Xml:";
            end = next_end;
        }
        if !self.last {
            return None;
        }
        self.close_windows_block(form, self.text.len(), false)
    }

    /// `same_again`: the event follows once more, as XML, which says all that the text says.
    fn close_windows_block(
        &mut self,
        form: wintext::Form,
        end: usize,
        same_again: bool,
    ) -> Option<()> {
        if same_again {
            self.at = end;
        } else {
            self.push(What::Windows(form), end);
        }
        Some(())
    }
}

/// Where an event starts in the message of a line.
fn event_start(line: &[u8], message: usize) -> Option<usize> {
    let rest = line.get(message..)?;
    let skipped = rest.len() - rest.trim_ascii_start().len();
    let start = message + skipped;
    let tag = if line[start..].starts_with(b"<?xml") {
        start + memchr(b'>', &line[start..])? + 1
    } else {
        start
    };
    starts_event(line, tag).then_some(tag)
}

/// Lines that tools put between events.
fn is_separator(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let number = line.strip_prefix(b"Record ").unwrap_or_default();
    (!number.is_empty() && number.iter().all(u8::is_ascii_digit)) || line == b"\xef\xbb\xbf"
}

// ---- The unit -----------------------------------------------------------------------------------

/// A stretch of a text log, its records found.
pub(crate) struct TextUnit {
    text: Vec<u8>,
    pieces: Vec<Piece>,
    log: Arc<str>,
}

/// What turning a record into JSON needs and says.
pub(crate) struct Conversion<'a> {
    pub(crate) tally: &'a mut Tally,
    pub(crate) place: &'a dyn Fn() -> String,
    pub(crate) xml: &'a mut XmlEvent,
}

impl TextUnit {
    pub(crate) fn into_records(self) -> Records {
        let mut bytes = spare_buffer();
        bytes.reserve(self.text.len());
        let mut records = Vec::with_capacity(self.pieces.len());
        let (mut tally, mut xml) = (Tally::default(), XmlEvent::default());
        for piece in &self.pieces {
            let text = &self.text[piece.range.clone()];
            let start = bytes.len();
            let place = || format!("{}, line {}", self.log, piece.line);
            let conversion = Conversion { tally: &mut tally, place: &place, xml: &mut xml };
            convert(piece.what, text, conversion, &mut bytes);
            if bytes.len() > start {
                records.push((piece.line, start..bytes.len()));
            }
        }
        let source_bytes = self.text.len() as u64;
        super::records::give_back(self.text);
        Records {
            bytes,
            layout: Layout::Cut(records),
            source_bytes,
            skipped: tally.skipped,
            log: self.log,
        }
    }
}

/// Writes the record, or counts why there is none.
fn convert(what: What, text: &[u8], to: Conversion<'_>, out: &mut Vec<u8>) {
    match what {
        What::Xml => xml(text, to, out),
        What::Windows(form) => wintext::convert(form, text, to, out),
        What::Auditd => auditd::convert(text, to, out),
        What::Syslog => syslog::convert(text, to, out),
        What::Snare => wintext::convert_snare(text, to, out),
        What::Known => known::convert(text, to, out),
        What::Json => out.extend_from_slice(text),
        What::Skipped(reason) => to.tally.skip(reason, (to.place)(), text.len() as u64),
    }
}

/// Writes a Windows event that is XML.
pub(crate) fn xml(text: &[u8], to: Conversion<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    if let Err(error) = to.xml.convert(&String::from_utf8_lossy(text), out) {
        out.truncate(start);
        let place = format!("{}: {error}", (to.place)());
        to.tally.skip("XML event that is not well-formed", place, text.len() as u64);
    } else if to.xml.nameless() > 0 {
        to.tally.skip("unnamed value beside named ones in an XML event", (to.place)(), 0);
    }
}
