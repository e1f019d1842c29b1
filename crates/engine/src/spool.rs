//! Rows with their columns that wait for stages over panes: sorted, on disk past a bound.
//!
//! Rules are worked through one after the other, each pane by pane; within a pane sources come in
//! the order in which the pipeline wants them, and rows newest first. A row is in every pane that
//! its time is in.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use rulestone_value::{Time, Value};

use crate::order::Origin;
use crate::row::{Names, Proof, Seen, Slot};

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The rule, by its place in the plan.
    pub(crate) rule: u32,
    /// The pane's end, in ticks.
    pub(crate) pane: i64,
    /// When the source's turn is within the pane.
    pub(crate) turn: u32,
    /// The source, by its place in the rule.
    pub(crate) source: u32,
    /// When the event was, in ticks: the newest first.
    pub(crate) time: Reverse<i64>,
    /// Where the event is.
    pub(crate) origin: Origin,
    /// Which of the rows that were made of the event.
    pub(crate) part: u32,
}

impl Key {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Origin { log, record, unit, position } = self.origin;
        out.write_all(&self.rule.to_le_bytes())?;
        out.write_all(&self.pane.to_le_bytes())?;
        out.write_all(&self.turn.to_le_bytes())?;
        out.write_all(&self.source.to_le_bytes())?;
        out.write_all(&self.time.0.to_le_bytes())?;
        out.write_all(&log.to_le_bytes())?;
        out.write_all(&record.to_le_bytes())?;
        out.write_all(&unit.to_le_bytes())?;
        out.write_all(&position.to_le_bytes())?;
        out.write_all(&self.part.to_le_bytes())
    }

    fn read(input: &mut impl Read) -> io::Result<Key> {
        Ok(Key {
            rule: u32::from_le_bytes(take(input)?),
            pane: i64::from_le_bytes(take(input)?),
            turn: u32::from_le_bytes(take(input)?),
            source: u32::from_le_bytes(take(input)?),
            time: Reverse(i64::from_le_bytes(take(input)?)),
            origin: Origin {
                log: u32::from_le_bytes(take(input)?),
                record: u64::from_le_bytes(take(input)?),
                unit: u32::from_le_bytes(take(input)?),
                position: u32::from_le_bytes(take(input)?),
            },
            part: u32::from_le_bytes(take(input)?),
        })
    }
}

fn take<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A row and its columns as [`encode`] writes them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) key: Key,
    pub(crate) columns: Vec<u8>,
}

impl Line {
    /// Bytes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Line>() + self.columns.len()
    }
}

/// Collects rows.
#[derive(Debug)]
pub(crate) struct Spool {
    /// Keys with the ends of their columns in `bytes`; sorted when they are read.
    entries: Vec<(Key, usize, usize)>,
    bytes: Vec<u8>,
    /// Bytes held in memory.
    most: usize,
    runs: Vec<(File, u64)>,
    spilled: u64,
}

impl Spool {
    /// One that holds at most so many bytes in memory.
    pub(crate) fn new(most: usize) -> Self {
        let (entries, bytes, runs) = (Vec::new(), Vec::new(), Vec::new());
        Spool { entries, bytes, most: most.max(1 << 16), runs, spilled: 0 }
    }

    /// Takes a row whose columns `write` appends.
    ///
    /// # Errors
    ///
    /// When there is no room on disk for those that came before.
    pub(crate) fn push(&mut self, key: Key, columns: &[u8]) -> io::Result<()> {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(columns);
        self.entries.push((key, from, self.bytes.len()));
        let used = self.bytes.len() + self.entries.len() * size_of::<(Key, usize, usize)>();
        if used < self.most {
            return Ok(());
        }
        let spilled = self.spill();
        // Nothing is tried again: each time would cost as much.
        self.entries.clear();
        self.bytes.clear();
        spilled
    }

    /// An empty one with the same bound.
    pub(crate) fn fresh(&self) -> Spool {
        Spool::new(self.most)
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        let columns = |from: usize, to: usize| bytes.get(from..to);
        self.entries.sort_unstable_by(|(a, from, to), (b, start, end)| {
            a.cmp(b).then_with(|| columns(*from, *to).cmp(&columns(*start, *end)))
        });
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let mut out = BufWriter::with_capacity(1 << 20, tempfile::tempfile()?);
        for (key, from, to) in &self.entries {
            key.write(&mut out)?;
            out.write_all(&((to - from) as u32).to_le_bytes())?;
            out.write_all(&self.bytes[*from..*to])?;
        }
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.spilled += self.entries.len() as u64;
        self.runs.push((file, self.entries.len() as u64));
        Ok(())
    }

    /// Puts nothing on disk from now on: for logs that are followed, where rows are soon taken out.
    pub(crate) fn keep_in_memory(&mut self) {
        self.most = usize::MAX;
    }

    /// Takes out what is in memory, in no order: for logs that are followed.
    pub(crate) fn take_lines(&mut self) -> Vec<Line> {
        let bytes = std::mem::take(&mut self.bytes);
        let entries = std::mem::take(&mut self.entries);
        let line = |(key, from, to)| Line { key, columns: bytes[from..to].to_vec() };
        entries.into_iter().map(line).collect()
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.runs.is_empty()
    }
}

/// Rows of several spools, in order.
pub(crate) struct Lines {
    runs: Vec<Run>,
    next: BinaryHeap<Reverse<(Line, usize)>>,
    /// Rows that were on disk.
    pub(crate) spilled: u64,
}

enum Run {
    Memory(std::vec::IntoIter<(Key, usize, usize)>, Vec<u8>),
    Disk(BufReader<File>, u64),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Line>> {
        match self {
            Run::Memory(entries, bytes) => {
                let line = |(key, from, to)| Line { key, columns: bytes[from..to].to_vec() };
                Ok(entries.next().map(line))
            }
            Run::Disk(_, 0) => Ok(None),
            Run::Disk(file, left) => {
                *left -= 1;
                let key = Key::read(file)?;
                let mut columns = vec![0; u32::from_le_bytes(take(file)?) as usize];
                file.read_exact(&mut columns)?;
                Ok(Some(Line { key, columns }))
            }
        }
    }
}

impl Lines {
    /// Brings the rows of all spools together.
    ///
    /// # Errors
    ///
    /// When what was put on disk cannot be read back.
    pub(crate) fn new(spools: Vec<Spool>) -> io::Result<Self> {
        let mut lines = Lines { runs: Vec::new(), next: BinaryHeap::new(), spilled: 0 };
        for mut spool in spools {
            spool.sort();
            lines.spilled += spool.spilled;
            lines.runs.push(Run::Memory(spool.entries.into_iter(), spool.bytes));
            let disk = spool.runs.into_iter();
            lines.runs.extend(
                disk.map(|(file, rows)| Run::Disk(BufReader::with_capacity(1 << 18, file), rows)),
            );
        }
        for at in 0..lines.runs.len() {
            lines.refill(at)?;
        }
        Ok(lines)
    }

    fn refill(&mut self, at: usize) -> io::Result<()> {
        if let Some(line) = self.runs[at].next()? {
            self.next.push(Reverse((line, at)));
        }
        Ok(())
    }

    /// What the next row is sorted by.
    pub(crate) fn peek(&self) -> Option<&Key> {
        self.next.peek().map(|Reverse((line, _))| &line.key)
    }

    /// The next row.
    ///
    /// # Errors
    ///
    /// When what was put on disk cannot be read back.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        let Some(Reverse((line, at))) = self.next.pop() else { return Ok(None) };
        self.refill(at)?;
        Ok(Some(line))
    }
}

const INTEGER: u8 = 1;
const FLOAT: u8 = 2;
const TEXT: u8 = 3;
const TRUE: u8 = 4;
const FALSE: u8 = 5;
const TIME: u8 = 6;
const LIST: u8 = 7;
/// In front of a column that goes by its name.
const NAMED: u64 = 0;

/// Writes the columns of a row. `names` are those of the thread; of the first `known` slots every
/// thread and the reader know what they are, other columns go by their names.
pub(crate) fn encode<'v>(
    columns: impl Iterator<Item = (Slot, &'v Value)>,
    names: &Names,
    known: usize,
    out: &mut Vec<u8>,
) {
    for (slot, value) in columns {
        if slot < known {
            put_number(slot as u64 + 1, out);
        } else {
            put_number(NAMED, out);
            put_text(names.name(slot), out);
        }
        put_value(value, out);
    }
}

/// Writes what a row rests on that stands for several; of one that stands for itself the key says
/// it.
pub(crate) fn put_proof(proof: &Proof, out: &mut Vec<u8>) {
    put_number(proof.times, out);
    if proof.times > 0 {
        put_number(proof.first.len() as u64, out);
        proof.first.iter().chain(&proof.last).for_each(|seen| put_seen(seen, out));
    }
}

/// What a row rests on, and the bytes behind it. `own` is what the key says.
pub(crate) fn get_proof(mut bytes: &[u8], own: Seen) -> (Proof, &[u8]) {
    let mut read = || {
        let times = get_number(&mut bytes)?;
        if times == 0 {
            return Some(Proof::of(own));
        }
        let length = get_number(&mut bytes)?;
        let first = (0..length).map(|_| get_seen(&mut bytes, own.source));
        let first = first.collect::<Option<Vec<Seen>>>()?;
        let last = Some(get_seen(&mut bytes, own.source)?);
        Some(Proof { first, last, total: times, times })
    };
    let proof = read().unwrap_or_else(|| Proof::of(own));
    (proof, bytes)
}

fn put_seen(seen: &Seen, out: &mut Vec<u8>) {
    let Origin { log, record, unit, position } = seen.origin;
    out.extend_from_slice(&seen.time.to_le_bytes());
    for number in [u64::from(log), record, u64::from(unit), u64::from(position)] {
        put_number(number, out);
    }
}

fn get_seen(bytes: &mut &[u8], source: u32) -> Option<Seen> {
    let time = i64::from_le_bytes(get_bytes(bytes, 8)?.try_into().ok()?);
    let mut number = || get_number(bytes);
    let origin = Origin {
        log: number()? as u32,
        record: number()?,
        unit: number()? as u32,
        position: number()? as u32,
    };
    Some(Seen { time, origin, source })
}

/// Reads what [`encode`] wrote: `set` gets each column's slot or name, and its value. Bytes that
/// are none of it end the row.
pub(crate) fn decode(mut bytes: &[u8], mut set: impl FnMut(Result<Slot, &str>, Value)) {
    while !bytes.is_empty() {
        let Some(slot) = get_number(&mut bytes) else { return };
        let column = match slot.checked_sub(1) {
            Some(slot) => Ok(slot as usize),
            None => match get_text(&mut bytes) {
                Some(name) => Err(name),
                None => return,
            },
        };
        let Some(value) = get_value(&mut bytes) else { return };
        set(column, value);
    }
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put_number(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn put_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => {
            out.push(LIST);
            put_number(0, out);
        }
        Value::Bool(true) => out.push(TRUE),
        Value::Bool(false) => out.push(FALSE),
        Value::Integer(number) => {
            out.push(INTEGER);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Float(number) => {
            out.push(FLOAT);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Time(time) => {
            out.push(TIME);
            out.extend_from_slice(&time.ticks().to_le_bytes());
        }
        Value::String(text) => {
            out.push(TEXT);
            put_text(text, out);
        }
        Value::List(values) => {
            out.push(LIST);
            put_number(values.len() as u64, out);
            values.iter().for_each(|value| put_value(value, out));
        }
    }
}

fn get_number(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0_u32);
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

fn get_bytes<'b>(bytes: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (own, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(own)
}

fn get_text<'b>(bytes: &mut &'b [u8]) -> Option<&'b str> {
    let length = get_number(bytes)? as usize;
    std::str::from_utf8(get_bytes(bytes, length)?).ok()
}

fn get_value(bytes: &mut &[u8]) -> Option<Value> {
    let (tag, rest) = bytes.split_first()?;
    *bytes = rest;
    let mut eight = || get_bytes(bytes, 8)?.try_into().ok();
    Some(match *tag {
        TRUE => Value::Bool(true),
        FALSE => Value::Bool(false),
        INTEGER => Value::Integer(i64::from_le_bytes(eight()?)),
        FLOAT => Value::Float(f64::from_le_bytes(eight()?)),
        TIME => Value::Time(Time::from_ticks(i64::from_le_bytes(eight()?))),
        TEXT => Value::string(get_text(bytes)?),
        LIST => {
            let length = get_number(bytes)?;
            let values = (0..length).map(|_| get_value(bytes));
            // Lists in rows are in their plain form already.
            match values.collect::<Option<Vec<Value>>>()? {
                empty if empty.is_empty() => Value::Null,
                values => Value::List(values),
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Key {
            rule: (mixed % 3) as u32,
            pane: (mixed >> 7 & 3) as i64,
            turn: (mixed >> 9 & 1) as u32,
            source: 0,
            time: Reverse((mixed >> 20) as i64 % 1000 - 500),
            origin: Origin { log: 1, record: number, unit: 2, position: number as u32 },
            part: 0,
        }
    }

    #[test]
    fn rows_come_back_in_order_from_memory_and_disk() {
        let mut spools = vec![Spool::new(0), Spool::new(0), Spool::new(1 << 24)];
        let columns = |number: u64| vec![number as u8; number as usize % 50];
        for number in 0..10_000 {
            spools[(number % 3) as usize].push(key(number), &columns(number)).unwrap();
        }
        assert!(spools[0].runs.len() > 2 && spools[2].runs.is_empty());
        let mut lines = Lines::new(spools).unwrap();
        assert!(lines.spilled > 1000);
        let mut own = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            own.push(line);
        }
        let line = |number| Line { key: key(number), columns: columns(number) };
        let mut expected: Vec<Line> = (0..10_000).map(line).collect();
        expected.sort_unstable();
        assert_eq!(own, expected);
    }

    #[test]
    fn columns_come_back() {
        let mut names = Names::default();
        let (a, b, c) = (names.slot("a"), names.slot("b"), names.slot("new {x}"));
        let list = Value::List(vec![Value::Integer(-7), Value::string("é\0"), Value::Float(0.5)]);
        let time = Value::Time(Time::from_ticks(-12));
        let values = [(a, &list), (b, &Value::Bool(true)), (c, &time)];
        let mut bytes = Vec::new();
        encode(values.into_iter(), &names, 2, &mut bytes);
        let mut read = Vec::new();
        decode(&bytes, |slot, value| {
            read.push((
                slot.map_or_else(str::to_owned, |slot| names.name(slot).to_string()),
                value,
            ));
        });
        let expected = [("a", list), ("b", Value::Bool(true)), ("new {x}", time)];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value)));
        for cut in 0..bytes.len() {
            decode(&bytes[..cut], |_, _| {});
        }
    }
}
