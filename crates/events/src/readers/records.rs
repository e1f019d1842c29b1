//! Records of a unit, as JSON text.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::text::{Text, between};
use crate::tally::{Skipped, Tally};

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
    Text { first: u64, numbering: Numbering, inside: Option<usize> },
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
    /// Records that were put into a text one by one, out of no log.
    pub(crate) fn cut(bytes: Vec<u8>, records: Vec<(u64, Range<usize>)>) -> Records {
        Records {
            bytes,
            layout: Layout::Cut(records),
            source_bytes: 0,
            skipped: BTreeMap::new(),
            log: Arc::from(""),
        }
    }

    /// The bytes of the log that the records stand for.
    pub fn source_bytes(&self) -> u64 {
        self.source_bytes
    }

    /// A record's place in words.
    pub(crate) fn place_name(&self, record: u64) -> String {
        let word = match self.layout {
            Layout::Text { numbering: Numbering::Lines, .. } => "line",
            _ => "record",
        };
        format!("{}, {word} {record}", self.log)
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
            self.move_to(cursor, between(&self.bytes, cursor.at), numbering);
            let place = Place { record: cursor.record, start: cursor.at };
            if *self.bytes.get(cursor.at)? == b'{' {
                return Some(place);
            }
            let end = self.resume(place.start);
            self.count_garbage(place, end, numbering, tally);
            self.pass(cursor, end);
        }
    }

    /// Counts what stands where a record should: line by line, where lines are what counts.
    fn count_garbage(&self, place: Place, end: usize, numbering: Numbering, tally: &mut Tally) {
        let garbage = &self.bytes[place.start..end];
        if numbering == Numbering::Ordinals {
            let at = format!("{}, record {}", self.log, place.record);
            tally.skip("element that is not a JSON object", at, garbage.len() as u64);
            return;
        }
        for (number, line) in (place.record..).zip(garbage.split(|b| *b == b'\n')) {
            if !line.trim_ascii().is_empty() {
                let at = format!("{}, line {number}", self.log);
                tally.skip("line that is not a JSON object", at, line.len() as u64);
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
        tally.skip(reason, self.place_name(place.record), (end - place.start) as u64);
        self.pass(cursor, end);
    }

    fn resume(&self, start: usize) -> usize {
        match self.layout {
            Layout::Text { numbering, inside, .. } => {
                Text { bytes: &self.bytes, numbering, inside }.resume(start).at
            }
            Layout::Cut(_) => self.bytes.len(),
        }
    }

    fn move_to(&self, cursor: &mut Cursor, to: usize, numbering: Numbering) {
        if numbering == Numbering::Lines {
            let passed = self.bytes.get(cursor.at..to).unwrap_or_default();
            cursor.record += memchr::memchr_iter(b'\n', passed).count() as u64;
        }
        cursor.at = to;
    }
}
