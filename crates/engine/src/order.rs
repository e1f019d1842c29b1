//! Rows of stateful stages in the order in which stages want them: sorted, on disk past a bound.
//!
//! A row is a hit as far as a stage needs it: whose group it is in, when it was, where the event
//! is. Rows have one size, so a run on disk is their bytes one behind the other. Sorting by rule
//! and group first means that a stage works one group through after the other and never holds
//! more than one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

/// Where an event is: in the order of logs and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The log's place in the list of logs.
    pub log: u32,
    /// The event's number in the log.
    pub record: u64,
    /// The unit it was read from.
    pub unit: u32,
    /// Where it is in the unit.
    pub position: u32,
}

/// What a stage sees of a hit or of another rule's finding. Rows sort by rule, group, time and
/// place, which is the order stages read them in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    /// The rule whose stage reads it, by its place in the plan.
    pub rule: u32,
    /// A hash of the group's key, long enough to stand for it.
    pub key: u128,
    /// When it was, in ticks.
    pub time: i64,
    /// Where the event is; for a finding, its last event.
    pub origin: Origin,
    /// The stage's input, by place.
    pub input: u32,
    /// What the stage measures: a number's bits, or a hash of values.
    pub value: u128,
    /// A hash of the host, for timers; 0 for none.
    pub host: u64,
}

impl Row {
    const BYTES: usize = 4 + 16 + 8 + 4 + 8 + 4 + 4 + 4 + 16 + 8;

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut bytes = [0; Self::BYTES];
        let mut at = 0;
        let mut put = |part: &[u8]| {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        };
        put(&self.rule.to_le_bytes());
        put(&self.key.to_le_bytes());
        put(&self.time.to_le_bytes());
        put(&self.origin.log.to_le_bytes());
        put(&self.origin.record.to_le_bytes());
        put(&self.origin.unit.to_le_bytes());
        put(&self.origin.position.to_le_bytes());
        put(&self.input.to_le_bytes());
        put(&self.value.to_le_bytes());
        put(&self.host.to_le_bytes());
        out.write_all(&bytes)
    }

    fn read(input: &mut impl Read) -> io::Result<Row> {
        let mut bytes = [0; Self::BYTES];
        input.read_exact(&mut bytes)?;
        let mut rest = bytes.as_slice();
        Ok(Row {
            rule: u32::from_le_bytes(take(&mut rest)),
            key: u128::from_le_bytes(take(&mut rest)),
            time: i64::from_le_bytes(take(&mut rest)),
            origin: Origin {
                log: u32::from_le_bytes(take(&mut rest)),
                record: u64::from_le_bytes(take(&mut rest)),
                unit: u32::from_le_bytes(take(&mut rest)),
                position: u32::from_le_bytes(take(&mut rest)),
            },
            input: u32::from_le_bytes(take(&mut rest)),
            value: u128::from_le_bytes(take(&mut rest)),
            host: u64::from_le_bytes(take(&mut rest)),
        })
    }
}

/// The next bytes. There are as many as a row has, so none are missing.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let (own, others) = rest.split_at(N.min(rest.len()));
    out[..own.len()].copy_from_slice(own);
    *rest = others;
    out
}

/// Collects rows; past a bound they are sorted and put on disk.
#[derive(Debug)]
pub(crate) struct Sorter {
    rows: Vec<Row>,
    /// Rows held in memory.
    most: usize,
    runs: Vec<(File, u64)>,
    spilled: u64,
}

impl Sorter {
    /// A sorter that holds at most so many bytes of rows in memory.
    pub(crate) fn new(bytes: usize) -> Self {
        let most = (bytes / size_of::<Row>()).max(1024);
        Sorter { rows: Vec::new(), most, runs: Vec::new(), spilled: 0 }
    }

    /// Takes a row.
    ///
    /// # Errors
    ///
    /// When there is no room on disk for those that came before.
    pub(crate) fn push(&mut self, row: Row) -> io::Result<()> {
        self.rows.push(row);
        if self.rows.len() < self.most {
            return Ok(());
        }
        let spilled = self.spill();
        // Nothing is tried again: each time would cost as much.
        self.rows.clear();
        spilled
    }

    /// The rows that are in memory, in order.
    pub(crate) fn take_rows(&mut self) -> Vec<Row> {
        self.rows.sort_unstable();
        std::mem::take(&mut self.rows)
    }

    fn spill(&mut self) -> io::Result<()> {
        self.rows.sort_unstable();
        let mut out = BufWriter::with_capacity(1 << 20, tempfile::tempfile()?);
        self.rows.iter().try_for_each(|row| row.write(&mut out))?;
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.spilled += self.rows.len() as u64;
        self.runs.push((file, self.rows.len() as u64));
        self.rows.clear();
        Ok(())
    }
}

/// Rows of several sorters, in order.
pub(crate) struct Merge {
    runs: Vec<Run>,
    next: BinaryHeap<Reverse<(Row, usize)>>,
    /// Rows that were on disk.
    pub(crate) spilled: u64,
}

enum Run {
    Memory(std::vec::IntoIter<Row>),
    Disk(BufReader<File>, u64),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Row>> {
        match self {
            Run::Memory(rows) => Ok(rows.next()),
            Run::Disk(_, 0) => Ok(None),
            Run::Disk(file, left) => {
                *left -= 1;
                Row::read(file).map(Some)
            }
        }
    }
}

impl Merge {
    /// Brings the rows of all sorters together.
    ///
    /// # Errors
    ///
    /// When what was put on disk cannot be read back.
    pub(crate) fn new(sorters: Vec<Sorter>) -> io::Result<Self> {
        let mut merge = Merge { runs: Vec::new(), next: BinaryHeap::new(), spilled: 0 };
        for mut sorter in sorters {
            sorter.rows.sort_unstable();
            merge.spilled += sorter.spilled;
            merge.runs.push(Run::Memory(sorter.rows.into_iter()));
            let disk = sorter.runs.into_iter();
            merge.runs.extend(
                disk.map(|(file, rows)| Run::Disk(BufReader::with_capacity(1 << 18, file), rows)),
            );
        }
        for at in 0..merge.runs.len() {
            if let Some(row) = merge.runs[at].next()? {
                merge.next.push(Reverse((row, at)));
            }
        }
        Ok(merge)
    }

    /// The next row.
    ///
    /// # Errors
    ///
    /// When what was put on disk cannot be read back.
    pub(crate) fn next(&mut self) -> io::Result<Option<Row>> {
        let Some(Reverse((row, at))) = self.next.pop() else { return Ok(None) };
        if let Some(row) = self.runs[at].next()? {
            self.next.push(Reverse((row, at)));
        }
        Ok(Some(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u64) -> Row {
        // Scattered over all fields, negative times among them.
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Row {
            rule: (mixed % 3) as u32,
            key: u128::from(mixed >> 7 & 7) << 90,
            time: (mixed >> 20) as i64 % 1000 - 500,
            origin: Origin { log: 1, record: number, unit: 2, position: number as u32 },
            input: (mixed % 2) as u32,
            value: u128::from(mixed) << 64 | 5,
            host: mixed,
        }
    }

    #[test]
    fn rows_come_back_in_order_from_memory_and_disk() {
        let mut sorters = vec![Sorter::new(0), Sorter::new(0), Sorter::new(1 << 20)];
        for number in 0..10_000 {
            sorters[(number % 3) as usize].push(row(number)).unwrap();
        }
        assert!(sorters[0].runs.len() > 2 && sorters[2].runs.is_empty());
        let mut merge = Merge::new(sorters).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = merge.next().unwrap() {
            rows.push(row);
        }
        let mut expected: Vec<Row> = (0..10_000).map(row).collect();
        expected.sort_unstable();
        assert_eq!(rows, expected);
    }
}
