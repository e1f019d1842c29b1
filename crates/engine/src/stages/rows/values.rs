//! Values as stages see them: as text, as numbers, in order, and as keys of groups.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use rulestone_ir::Collation;
use rulestone_value::{Time, Value};

use super::value_heap;
pub(super) use crate::eval::number::{float, of_float, text};

/// Ticks of a row's time: a time, or seconds since the epoch.
pub(super) fn ticks(value: &Value) -> Option<i64> {
    match value {
        Value::Time(time) => Some(time.ticks()),
        Value::List(_) => ticks(value.elements().first()?),
        value => Time::from_fraction(float(value)?).map(Time::ticks),
    }
}

/// Whether two values are the same text, which is what tells groups apart.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Integer(left), Value::Integer(right)) => left == right,
        (Value::Time(left), Value::Time(right)) => left == right,
        (Value::Null, Value::Null) => true,
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| same(a, b))
        }
        (left, right) => matches!((text(left), text(right)), (Some(a), Some(b)) if a == b),
    }
}

/// Writes the text of a value behind what is there: no allocation for numbers.
fn write_text(value: &Value, out: &mut String) {
    match value {
        Value::Integer(number) => {
            let _ = write!(out, "{number}");
        }
        value => out.push_str(&text(value).unwrap_or_default()),
    }
}

/// Hashes of values by their text, with room that is used again.
#[derive(Debug, Clone, Default)]
pub(super) struct Hashing {
    state: RandomState,
    text: String,
}

impl Hashing {
    /// The hash of some values together.
    pub(super) fn of<'v>(&mut self, values: impl IntoIterator<Item = &'v Value>) -> u64 {
        let mut hasher = self.state.build_hasher();
        for value in values {
            for element in value.elements() {
                match element {
                    Value::String(text) => hasher.write(text.as_bytes()),
                    element => {
                        self.text.clear();
                        write_text(element, &mut self.text);
                        hasher.write(self.text.as_bytes());
                    }
                }
                hasher.write_u8(1);
            }
            hasher.write_u8(0);
        }
        hasher.finish()
    }
}

/// Keys of groups, each with a number from 0 on.
#[derive(Debug, Default)]
pub(super) struct Keys {
    hashing: Hashing,
    /// Hashes and numbers.
    table: HashTable<(u64, u32)>,
    width: usize,
    /// One behind the other.
    values: Vec<Value>,
}

impl Keys {
    /// For keys of so many values.
    pub(super) fn new(width: usize) -> Keys {
        Keys { width, ..Keys::default() }
    }

    /// The number of a key, and the bytes it takes when it is new.
    pub(super) fn number(&mut self, key: &[&Value]) -> (usize, Option<usize>) {
        let hash = self.hashing.of(key.iter().copied());
        let (width, values) = (self.width, &self.values);
        let equal = |(own, number): &(u64, u32)| {
            let at = *number as usize * width;
            *own == hash && values[at..at + width].iter().zip(key).all(|(a, b)| same(a, b))
        };
        if let Some((_, number)) = self.table.find(hash, equal) {
            return (*number as usize, None);
        }
        let number = self.table.len();
        self.table.insert_unique(hash, (hash, number as u32), |(hash, _)| *hash);
        self.values.extend(key.iter().map(|value| (*value).clone()));
        let heap: usize = key.iter().map(|value| value_heap(value)).sum();
        (number, Some(heap + width * size_of::<Value>() + 32))
    }

    /// The values of a key.
    pub(super) fn key(&self, number: usize) -> &[Value] {
        &self.values[number * self.width..(number + 1) * self.width]
    }

    /// The values of a key, taken out: it is not found any more.
    pub(super) fn take(&mut self, number: usize) -> Vec<Value> {
        let own = &mut self.values[number * self.width..(number + 1) * self.width];
        own.iter_mut().map(std::mem::take).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The numbers in the order of the keys.
    pub(super) fn in_order(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..self.len() as u32).collect();
        numbers.sort_by(|left, right| {
            let (left, right) = (self.key(*left as usize), self.key(*right as usize));
            let pairs = left.iter().zip(right);
            pairs
                .map(|(a, b)| order(a, b, Collation::Auto))
                .find(|o| o.is_ne())
                .unwrap_or(left.len().cmp(&right.len()))
        });
        numbers
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Keys::new(self.width);
    }
}

/// The order of two values: null last, then by the collation. Where numbers and text meet, numbers
/// come first. Of a list the first element counts.
pub(super) fn order(left: &Value, right: &Value, collation: Collation) -> Ordering {
    let first = |value: &Value| value.elements().first().cloned();
    match (left, right) {
        (Value::List(_), _) | (_, Value::List(_)) => match (first(left), first(right)) {
            (Some(left), Some(right)) => order(&left, &right, collation),
            (left, right) => right.is_some().cmp(&left.is_some()),
        },
        (Value::Null, _) | (_, Value::Null) => left.is_null().cmp(&right.is_null()),
        (Value::String(a), Value::String(b))
            if collation == Collation::Text
                || (collation != Collation::Address && !(may_be_number(a) || may_be_number(b))) =>
        {
            a.cmp(b)
        }
        _ => match collation {
            Collation::Text => text(left).cmp(&text(right)),
            Collation::Auto | Collation::Number => {
                let numbers = (float(left), float(right));
                by_rank(numbers, |a, b| a.total_cmp(&b), left, right)
            }
            Collation::Address => {
                by_rank((address(left), address(right)), |a, b| a.cmp(&b), left, right)
            }
        },
    }
}

/// Whether a text starts as numbers do; what does not is compared without being read.
fn may_be_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_whitespace() || "+-.".contains(c))
}

/// What can be read comes first, in its order; the rest in that of text.
fn by_rank<T>(
    read: (Option<T>, Option<T>),
    compare: impl Fn(T, T) -> Ordering,
    left: &Value,
    right: &Value,
) -> Ordering {
    match read {
        (Some(a), Some(b)) => compare(a, b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => text(left).cmp(&text(right)),
    }
}

/// The address that a value is.
pub(super) fn address(value: &Value) -> Option<IpAddr> {
    text(value)?.trim().parse().ok()
}

/// The text of a value in which the elements of a list stand on lines of their own.
pub(super) fn whole_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::List(values) => {
            let texts: Vec<Cow<'_, str>> = values.iter().filter_map(text).collect();
            Some(Cow::Owned(texts.join("\n")))
        }
        value => text(value),
    }
}

/// Places of values by the hash of their text.
#[derive(Debug, Clone, Default)]
struct Index {
    hashing: Hashing,
    table: HashTable<(u64, u32)>,
}

/// Different values, by their text.
#[derive(Debug, Clone, Default)]
pub(super) struct Distinct {
    values: Vec<Value>,
    /// Places by hash, once looking through them takes too long.
    index: Option<Box<Index>>,
}

impl Distinct {
    const FEW: usize = 8;

    /// Adds a value that is no list; the bytes it takes if it is new.
    pub(super) fn add(&mut self, value: &Value) -> usize {
        let bytes = size_of::<Value>() + value_heap(value);
        let Some(index) = &mut self.index else {
            if self.values.iter().any(|own| same(own, value)) {
                return 0;
            }
            self.values.push(value.clone());
            if self.values.len() <= Self::FEW {
                return bytes;
            }
            let mut index = Box::<Index>::default();
            for (at, value) in self.values.iter().enumerate() {
                let hash = index.hashing.of([value]);
                index.table.insert_unique(hash, (hash, at as u32), |(hash, _)| *hash);
            }
            self.index = Some(index);
            return bytes + 512;
        };
        let hash = index.hashing.of([value]);
        let values = &self.values;
        let equal = |(own, at): &(u64, u32)| *own == hash && same(&values[*at as usize], value);
        if index.table.find(hash, equal).is_some() {
            return 0;
        }
        index.table.insert_unique(hash, (hash, values.len() as u32), |(hash, _)| *hash);
        self.values.push(value.clone());
        bytes + 32
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// All of them in the order of their texts.
    pub(super) fn sorted(self) -> Vec<Value> {
        let mut values = self.values;
        values.sort_by(|left, right| order(left, right, Collation::Text));
        values
    }
}
