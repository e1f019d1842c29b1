//! JSON: objects one a line, in a list, or one behind the other, pretty-printed or not.
//!
//! A stretch ends where a record surely ends: before a line that starts with `{` where the line
//! before it ends in `}`, which happens inside no object; where that does not help (lists), the
//! text is walked as the ingest will walk it.

use std::borrow::Cow;
use std::io::{self, Cursor, Read};
use std::sync::Arc;

use memchr::memmem;

use super::records::{Layout, Numbering, Records, spare_buffer};
use super::text::{Resume, Text, before_number_line, between};
use super::wrappers::{Unwrap, Wrapper};
use crate::Tally;
use crate::paths::{MAX_PATHS, Paths};
use crate::tokens::{Cell, Fault, walk_object};

/// Bytes of a stretch.
const STRETCH: usize = 2 << 20;

/// Bytes read at a time where they are not what the text is made of.
const PIECE: usize = 1 << 16;

/// A record longer than this is cut, and its parts do not parse.
const LONGEST_RECORD: usize = 256 << 20;

/// How a text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    pub(crate) fn of(head: &[u8]) -> Encoding {
        match head {
            [0xff, 0xfe, ..] => Encoding::Utf16Le,
            [0xfe, 0xff, ..] => Encoding::Utf16Be,
            [0x7b | 0x5b, 0, 0x22 | 0x0d | 0x0a | 0x20 | 0x7b, 0, ..] => Encoding::Utf16Le,
            _ => Encoding::of_ascii_letters(head),
        }
    }

    /// Text without a mark: eight letters in a row that leave every other byte zero.
    fn of_ascii_letters(head: &[u8]) -> Encoding {
        let letters = |which: usize| {
            head.len() >= 16
                && head[..16].iter().enumerate().all(|(at, byte)| {
                    if at % 2 == which {
                        matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~')
                    } else {
                        *byte == 0
                    }
                })
        };
        match (letters(0), letters(1)) {
            (true, _) => Encoding::Utf16Le,
            (_, true) => Encoding::Utf16Be,
            _ => Encoding::Utf8,
        }
    }

    pub(crate) fn decode_head(self, head: &[u8]) -> Cow<'_, str> {
        match self {
            Encoding::Utf8 => String::from_utf8_lossy(head),
            utf16 => utf16.decode(head).into(),
        }
    }

    pub(crate) fn decode(self, bytes: &[u8]) -> String {
        let unit = |pair: &[u8]| match self {
            Encoding::Utf16Be => u16::from_be_bytes([pair[0], pair[1]]),
            _ => u16::from_le_bytes([pair[0], pair[1]]),
        };
        char::decode_utf16(bytes.chunks_exact(2).map(unit))
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    }
}

pub(crate) struct JsonLog {
    reader: Box<dyn Read + Send>,
    log: Arc<str>,
    encoding: Encoding,
    /// Bytes as they were read, of an encoding that has to be turned into UTF-8 first.
    undecoded: Vec<u8>,
    text: Vec<u8>,
    /// Takes the records out of what is around them.
    unwrap: Option<Unwrap>,
    /// Bytes of the log that are in the text, or were left out of it.
    source_bytes: u64,
    numbering: Numbering,
    next_record: u64,
    /// See [`Text::inside`].
    inside: Option<usize>,
    /// Bytes of a stretch.
    stretch: usize,
    paths: Paths,
    cells: Vec<Cell>,
    at_end: bool,
    /// Whether records are wanted as soon as they are whole, rather than many at a time.
    live: bool,
    /// Bytes left out behind the last record where what is around the records is cut off.
    ends_early: Option<u64>,
    /// What went wrong behind the text that is still here.
    failed: Option<io::Error>,
}

impl JsonLog {
    pub(crate) fn new(head: Vec<u8>, reader: Box<dyn Read + Send>, log: Arc<str>) -> Self {
        let encoding = Encoding::of(&head);
        let text = encoding.decode_head(&head);
        let starts = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        let wrapper = Wrapper::of(starts);
        let is_list = starts.starts_with('[') || wrapper.is_some_and(Wrapper::has_list);
        JsonLog {
            reader: Box::new(Cursor::new(head).chain(reader)),
            log,
            encoding,
            undecoded: Vec::new(),
            text: Vec::new(),
            unwrap: wrapper.map(Unwrap::new),
            source_bytes: 0,
            numbering: if is_list { Numbering::Ordinals } else { Numbering::Lines },
            next_record: 1,
            inside: None,
            stretch: STRETCH,
            paths: Paths::default(),
            cells: Vec::new(),
            at_end: false,
            live: false,
            ends_early: None,
            failed: None,
        }
    }

    pub(crate) fn set_stretch(&mut self, bytes: usize) {
        self.stretch = bytes.max(1);
    }

    /// See [`super::Log::live`].
    pub(crate) fn set_live(&mut self) {
        self.live = true;
    }

    pub(crate) fn next_unit(&mut self) -> io::Result<Option<Records>> {
        let mut wanted = self.stretch;
        let (end, next_record) = loop {
            if let Err(error) = self.fill(wanted) {
                // What was read before comes first; the next call tells.
                if self.text.is_empty() || self.failed.is_some() {
                    return Err(self.failed.take().unwrap_or(error));
                }
                self.failed = Some(error);
                self.at_end = true;
            }
            if self.at_end || self.text.len() >= LONGEST_RECORD {
                break (self.text.len(), self.next_record + lines(&self.text));
            }
            // A live log is looked at whenever a line is whole.
            let worth = !self.live || self.text.ends_with(b"\n") || self.text.len() >= wanted;
            if worth && let Some(cut) = self.cut() {
                break cut;
            }
            if worth {
                wanted = self.text.len() * 2;
            }
        };
        let mut tally = Tally::default();
        if self.at_end
            && end == self.text.len()
            && let Some(bytes) = self.ends_early.take()
        {
            let reason = "JSON around the records cut off before its end";
            tally.skip(reason, self.log.to_string(), bytes);
        }
        if end == 0 && tally.skipped.is_empty() && self.source_bytes == 0 {
            return self.failed.take().map_or(Ok(None), Err);
        }
        let mut rest = spare_buffer();
        rest.reserve(self.stretch + self.stretch / 4);
        rest.extend_from_slice(&self.text[end..]);
        self.text.truncate(end);
        let bytes = std::mem::replace(&mut self.text, rest);
        let inside = self.inside;
        let text = Text { bytes: &bytes, numbering: self.numbering, inside };
        self.inside = (!bytes.ends_with(b"\n")).then(|| text.indent(bytes.len()));
        let layout = Layout::Text { first: self.next_record, numbering: self.numbering, inside };
        self.next_record = next_record;
        let source_bytes = match self.unwrap {
            Some(_) => std::mem::take(&mut self.source_bytes),
            None => bytes.len() as u64,
        };
        let (skipped, log) = (tally.skipped, self.log.clone());
        Ok(Some(Records { source_bytes, bytes, layout, skipped, log }))
    }

    /// Reads as much text as is wanted; of a live log what there is.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        let wanted = if self.live { self.text.len() + PIECE } else { wanted };
        let before = self.text.len();
        while !self.at_end && self.text.len() < wanted {
            if self.live && self.text.len() > before {
                break;
            }
            let missing = wanted - self.text.len();
            if !self.live && self.encoding == Encoding::Utf8 && self.unwrap.is_none() {
                let piece = self.reader.by_ref().take(missing as u64);
                self.at_end = { piece }.read_to_end(&mut self.text)? == 0;
                continue;
            }
            let mut piece = vec![0; missing.clamp(2, PIECE)];
            let read = self.reader.read(&mut piece)?;
            self.at_end = read == 0;
            self.source_bytes += if self.unwrap.is_some() { read as u64 } else { 0 };
            self.take_in(&piece[..read]);
            if let (true, Some(unwrap)) = (self.at_end, &mut self.unwrap) {
                self.ends_early = unwrap.finish(&mut self.text);
            }
        }
        Ok(())
    }

    fn take_in(&mut self, bytes: &[u8]) {
        if self.encoding == Encoding::Utf8 {
            return self.pass_on(bytes);
        }
        self.undecoded.extend_from_slice(bytes);
        // A surrogate pair may be cut in two: its first half waits for the second.
        let mut whole = self.undecoded.len() & !1;
        let high = if self.encoding == Encoding::Utf16Le { 1 } else { 2 };
        if whole >= 2
            && matches!(self.undecoded[whole - if high == 1 { 1 } else { 2 }], 0xd8..=0xdb)
        {
            whole -= 2;
        }
        let text = self.encoding.decode(&self.undecoded[..whole]);
        self.undecoded.drain(..whole);
        self.pass_on(text.as_bytes());
    }

    fn pass_on(&mut self, text: &[u8]) {
        match &mut self.unwrap {
            Some(unwrap) => unwrap.push(text, &mut self.text),
            None => self.text.extend_from_slice(text),
        }
    }

    /// Where the text can be cut without cutting a record, and the number of the record behind.
    fn cut(&mut self) -> Option<(usize, u64)> {
        if self.numbering == Numbering::Lines
            && !self.live
            && let Some(end) = self.line_after_object()
        {
            return Some((end, self.next_record + lines(&self.text[..end])));
        }
        self.walk()
    }

    /// The last line that opens an object where the line before it closes one.
    fn line_after_object(&self) -> Option<usize> {
        let closes = |newline: &usize| before_number_line(&self.text[..*newline]).ends_with(b"}");
        memmem::rfind_iter(&self.text, b"\n{").find(closes).map(|newline| newline + 1)
    }

    /// Walks the records as the ingest will, to the last that more text cannot change.
    fn walk(&mut self) -> Option<(usize, u64)> {
        let text = Text { bytes: &self.text, numbering: self.numbering, inside: self.inside };
        let (mut end, mut records) = (0, 0);
        loop {
            let start = between(text.bytes, end);
            if start == text.bytes.len() {
                break;
            }
            self.cells.clear();
            let walked = match text.bytes[start] {
                b'{' => walk_object(text.bytes, start, &mut self.paths, &mut self.cells),
                _ => Err(Fault::Syntax),
            };
            let resume = match walked {
                Ok(at) => Resume { at, certain: true },
                Err(Fault::Truncated) => break,
                Err(_) => text.resume(start),
            };
            if !resume.certain {
                break;
            }
            (end, records) = (resume.at, records + 1);
        }
        if self.paths.len() > MAX_PATHS {
            self.paths = Paths::default();
        }
        let next = match self.numbering {
            Numbering::Lines => lines(&text.bytes[..end]),
            Numbering::Ordinals => records,
        };
        (end > 0).then_some((end, self.next_record + next))
    }
}

fn lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}
