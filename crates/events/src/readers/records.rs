//! Records of a unit, as JSON text.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use memchr::{memchr, memmem};

use crate::tally::{Skipped, Tally};
use crate::tokens::skip_space;

/// The records of one unit.
pub struct Records {
    pub(crate) bytes: Vec<u8>,
    pub(crate) layout: Layout,
    /// Bytes of the log that the unit stands for.
    pub(crate) source_bytes: u64,
    /// What the reader itself had to skip.
    pub(crate) skipped: BTreeMap<String, Skipped>,
    pub(crate) log: Arc<str>,
}

/// Buffers of units that were read, for the next units: memory that is new to the process costs
/// more than reading into it.
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Buffers kept, and the largest that is.
const SPARES: usize = 8;
const LARGEST_SPARE: usize = 8 << 20;

/// An empty buffer.
pub(crate) fn spare_buffer() -> Vec<u8> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
}

/// Gives a buffer back.
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    if spare.len() < SPARES && buffer.capacity() <= LARGEST_SPARE {
        buffer.clear();
        spare.push(buffer);
    }
}

/// Where the records are in the text.
pub(crate) enum Layout {
    /// One behind the other, found while reading.
    Text { first: u64, numbering: Numbering },
    /// Where the reader put them, with their numbers.
    Cut(Vec<(u64, Range<usize>)>),
}

/// What the number of a record counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbering {
    /// Lines of the log: the one the record starts on.
    Lines,
    /// Records.
    Ordinals,
}

/// Where a walk over the records is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    at: usize,
    /// The number a record here would have.
    record: u64,
}

/// A record about to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) record: u64,
    pub(crate) start: usize,
}

impl Records {
    /// The bytes of the log that the records stand for.
    pub fn source_bytes(&self) -> u64 {
        self.source_bytes
    }

    pub(crate) fn start(&self) -> Cursor {
        match self.layout {
            Layout::Text { first, .. } => Cursor { at: 0, record: first },
            Layout::Cut(_) => Cursor { at: 0, record: 0 },
        }
    }

    /// The next record. What stands before it and is none is counted.
    pub(crate) fn next(&self, cursor: &mut Cursor, tally: &mut Tally) -> Option<Place> {
        let numbering = match &self.layout {
            Layout::Cut(records) => {
                let (record, range) = records.get(cursor.at)?;
                return Some(Place { record: *record, start: range.start });
            }
            Layout::Text { numbering, .. } => *numbering,
        };
        loop {
            self.move_to(cursor, self.between(cursor.at), numbering);
            let place = Place { record: cursor.record, start: cursor.at };
            match self.bytes.get(cursor.at)? {
                b'{' => return Some(place),
                _ => self.skip(cursor, place, "line that is not a JSON object", tally),
            }
        }
    }

    /// Moves behind a record that was read.
    pub(crate) fn pass(&self, cursor: &mut Cursor, end: usize) {
        match self.layout {
            Layout::Cut(_) => cursor.at += 1,
            Layout::Text { numbering: Numbering::Lines, .. } => {
                self.move_to(cursor, end, Numbering::Lines);
            }
            Layout::Text { numbering: Numbering::Ordinals, .. } => {
                cursor.at = end;
                cursor.record += 1;
            }
        }
    }

    /// Moves behind a record that could not be read, to where the next one may start, and counts.
    pub(crate) fn skip(&self, cursor: &mut Cursor, place: Place, reason: &str, tally: &mut Tally) {
        let end = match &self.layout {
            Layout::Cut(records) => records[cursor.at].1.end,
            Layout::Text { .. } => self.resume(place.start),
        };
        let word = match self.layout {
            Layout::Text { numbering: Numbering::Lines, .. } => "line",
            _ => "record",
        };
        let at = format!("{}, {word} {}", self.log, place.record);
        tally.skip(reason, at, (end - place.start) as u64);
        self.pass(cursor, end);
    }

    fn move_to(&self, cursor: &mut Cursor, to: usize, numbering: Numbering) {
        if numbering == Numbering::Lines {
            let passed = self.bytes.get(cursor.at..to).unwrap_or_default();
            cursor.record += memchr::memchr_iter(b'\n', passed).count() as u64;
        }
        cursor.at = to;
    }

    /// Behind white space and the punctuation between the elements of a list.
    fn between(&self, mut at: usize) -> usize {
        loop {
            at = skip_space(&self.bytes, at);
            match self.bytes.get(at) {
                Some(b',' | b'[' | b']') => at += 1,
                Some(0xef) if self.bytes[at..].starts_with(b"\xef\xbb\xbf") => at += 3,
                _ => return at,
            }
        }
    }

    /// Where to go on after a record at `start` that cannot be read: at the next line that opens
    /// an object no deeper than it, or behind the next `},` on its own line.
    fn resume(&self, start: usize) -> usize {
        let line_start = self.bytes[..start].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let indent = start - line_start;
        let line_end = self.line_end(start);
        if let Some(inner) = memmem::find(&self.bytes[start..line_end], b"},{") {
            return start + inner + 2;
        }
        let mut at = line_end;
        while at < self.bytes.len() {
            let text = skip_space_on_line(&self.bytes, at + 1);
            if self.bytes.get(text) == Some(&b'{') && text - (at + 1) <= indent {
                return at + 1;
            }
            at = self.line_end(at + 1);
        }
        self.bytes.len()
    }

    fn line_end(&self, from: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        memchr(b'\n', rest).map_or(self.bytes.len(), |length| from + length)
    }
}

fn skip_space_on_line(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}
