//! Events of one kind as columns of codes.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use rulestone_value::{Time, Value};

use crate::kinds::SHAPES;
use crate::paths::rand_seed;
use crate::render::Place;
use crate::tokens::{decode, string_end};
use crate::{Event, Ingest, Kind, TextFilter};

/// A value in a [`Dictionary`]; [`Code::ABSENT`] where an event has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u32);

impl Code {
    /// The event does not have the field.
    pub const ABSENT: Code = Code(0);

    /// The code at a place in the order of codes.
    pub(crate) const fn at(index: usize) -> Code {
        Code(index as u32)
    }

    /// For tables by code.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Events of one kind out of one [`crate::Unit`], in the order of the log.
pub struct Batch<'a> {
    /// Their kind.
    pub kind: &'a Arc<Kind>,
    /// Which events, and where they are.
    pub rows: &'a [Row],
    /// The fields that somebody wants of this kind, one code a row.
    pub columns: &'a [Column],
    /// Whether all values are there that the events' own text is made of.
    pub(crate) has_text: bool,
    /// Rows and columns where an event says that there is no value.
    pub(crate) nulls: &'a [(u32, u16)],
    pub(crate) ingest: &'a Ingest,
    pub(crate) source: Source<'a>,
}

/// The bytes that rows are ranges of.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// Those of the unit.
    pub(crate) bytes: &'a [u8],
    /// Those of records that had to be unpacked.
    pub(crate) unpacked: &'a [u8],
}

impl<'a> Source<'a> {
    fn record(&self, row: &Row) -> &'a [u8] {
        &(if row.is_unpacked { self.unpacked } else { self.bytes })[row.range.clone()]
    }
}

impl Batch<'_> {
    /// The values behind the codes of a column.
    pub fn dictionary(&self, column: &Column) -> &Dictionary {
        self.ingest.dictionary(column)
    }

    /// Whether one of the filter's texts may be in one of a row's values.
    pub fn may_have(&self, row: &Row, filter: &mut TextFilter) -> bool {
        filter.may_be_in(self.source.record(row))
            || SHAPES.get(row.shape).constants().any(|(_, text)| filter.may_be_in(text.as_bytes()))
    }

    /// A row's host, where [`crate::Settings::hosts`] asks for it and the event has one.
    pub fn host(&self, row: &Row) -> Value {
        self.ingest.host(row)
    }

    /// A row's event, decoded whole.
    pub fn event(&self, row: &Row) -> Event {
        self.ingest.decode(self.kind, row, self.source.record(row))
    }
}

/// Where an event of a batch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number in the log, see [`Event::record`].
    pub record: u64,
    /// When it happened.
    pub time: Option<Time>,
    /// Its bytes within the unit, or among the unpacked.
    pub(crate) range: Range<usize>,
    pub(crate) is_unpacked: bool,
    /// Where it starts within the unit.
    pub(crate) position: usize,
    pub(crate) shape: usize,
    /// Its host, where [`crate::Settings::hosts`] asks for it.
    pub(crate) host: Code,
    /// Whether what its columns say of its own text is all there is: no value in the header is a
    /// list.
    pub(crate) is_plain: bool,
}

impl Row {
    /// Where it is among the events of its unit: greater for later ones, of whatever kind.
    pub fn position(&self) -> usize {
        self.position
    }
}

/// One field of a batch.
#[derive(Debug, Clone)]
pub struct Column {
    /// The field's name, without spaces.
    pub name: Arc<str>,
    /// One code a row.
    pub codes: Vec<Code>,
    pub(crate) dictionary: usize,
    /// Where its values stand in the events' own text.
    pub(crate) place: Place,
}

/// The distinct values of one field, numbered in the order of their first appearance.
///
/// Values are kept as the bytes of their tokens and decoded on demand. A value with several
/// elements is a JSON list of their tokens, which no single token looks like.
pub struct Dictionary {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    codes: HashTable<Code>,
    hasher: FixedState,
    epoch: u64,
}

/// The next epoch of whatever dictionary: no two ever have the same.
static NEXT_EPOCH: AtomicU64 = AtomicU64::new(1);

fn next_epoch() -> u64 {
    NEXT_EPOCH.fetch_add(1, Ordering::Relaxed)
}

impl Default for Dictionary {
    fn default() -> Self {
        Dictionary {
            bytes: Vec::new(),
            // Code 0 is no value at all.
            ends: vec![0],
            codes: HashTable::new(),
            hasher: FixedState::with_seed(rand_seed()),
            epoch: next_epoch(),
        }
    }
}

impl Dictionary {
    /// How many codes there are; [`Code::ABSENT`] counts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no value was ever put in.
    pub fn is_empty(&self) -> bool {
        self.ends.len() == 1
    }

    /// Changes when the codes were given out anew: what was remembered by code is void. No two
    /// dictionaries have the same, and none has 0.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The value behind a code.
    pub fn value(&self, code: Code) -> Value {
        match self.token(code) {
            [b'[', tokens @ .., b']'] => Value::list(split_list(tokens).map(decode)),
            token => decode(token),
        }
    }

    fn token(&self, code: Code) -> &[u8] {
        match code.index() {
            0 => &[],
            index => &self.bytes[self.ends[index - 1] as usize..self.ends[index] as usize],
        }
    }

    /// Bytes of memory, about.
    pub fn bytes_used(&self) -> usize {
        self.bytes.len() + 16 * self.ends.len()
    }

    /// The code of a token; a null has none.
    pub(crate) fn intern(&mut self, token: &[u8]) -> Code {
        if token == b"null" {
            return Code::ABSENT;
        }
        let hash = self.hasher.hash_one(token);
        let (bytes, ends) = (&self.bytes, &self.ends);
        let token_of =
            |code: &Code| &bytes[ends[code.index() - 1] as usize..ends[code.index()] as usize];
        if let Some(code) = self.codes.find(hash, |code| token_of(code) == token) {
            return *code;
        }
        let code = Code(self.ends.len() as u32);
        self.bytes.extend_from_slice(token);
        self.ends.push(self.bytes.len() as u32);
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        self.codes.insert_unique(hash, code, |code| {
            let range = ends[code.index() - 1] as usize..ends[code.index()] as usize;
            hasher.hash_one(&bytes[range])
        });
        code
    }

    /// The code of what `code` stands for with more elements behind it.
    pub(crate) fn intern_more<'t>(
        &mut self,
        code: Code,
        tokens: impl Iterator<Item = &'t [u8]>,
    ) -> Code {
        let mut joined = vec![b'['];
        match self.token(code) {
            [b'[', inner @ .., b']'] => joined.extend_from_slice(inner),
            single => joined.extend_from_slice(single),
        }
        let mut several = false;
        for token in tokens.filter(|token| *token != b"null") {
            if joined.len() > 1 {
                joined.push(b',');
                several = true;
            }
            joined.extend_from_slice(token);
        }
        if !several {
            let single = joined.split_off(1);
            return if single.is_empty() { code } else { self.intern(&single) };
        }
        joined.push(b']');
        self.intern(&joined)
    }

    pub(crate) fn clear(&mut self) {
        // Its memory is kept: a dictionary that was emptied fills again.
        self.bytes.clear();
        self.ends.truncate(1);
        self.codes.clear();
        self.epoch = next_epoch();
    }
}

/// The tokens of a list of scalars, without its brackets.
fn split_list(tokens: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = tokens.get(at..).filter(|rest| !rest.is_empty())?;
        let length = match rest[0] {
            b'"' => string_end(rest, 1).map_or(rest.len(), |quote| quote + 1),
            _ => memchr::memchr(b',', rest).unwrap_or(rest.len()),
        };
        at += length + 1;
        Some(&rest[..length])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let mut dictionary = Dictionary::default();
        let a = dictionary.intern(br#""a\\b""#);
        assert_eq!(dictionary.intern(br#""a\\b""#), a);
        assert_eq!(dictionary.intern(b"null"), Code::ABSENT);
        let more = dictionary.intern_more(a, [&b"7"[..], b"null"].into_iter());
        let most = dictionary.intern_more(more, [&br#""],\"x""#[..]].into_iter());
        assert_eq!(dictionary.value(most).elements()[2], Value::string("],\"x"));
        assert_eq!(dictionary.value(a), Value::string("a\\b"));
        assert_eq!(
            dictionary.value(more),
            Value::List(vec![Value::string("a\\b"), Value::Integer(7)])
        );
        assert_eq!(dictionary.value(Code::ABSENT), Value::Null);
        assert_ne!(dictionary.intern(br#""7""#), dictionary.intern(b"7"));
        let epoch = dictionary.epoch();
        dictionary.clear();
        assert!(dictionary.is_empty() && dictionary.epoch() != epoch);
    }
}
