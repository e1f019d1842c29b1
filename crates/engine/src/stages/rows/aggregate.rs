//! `Aggregate`: measures groups of rows.
//!
//! Groups are told apart by the text of their keys; the result is sorted by them. A row that has a
//! list in a key is in the group of each element. A group's row rests on all of its rows, of which
//! it remembers the first ten, the last and how many.

use std::sync::Arc;

use rulestone_ir::{Aggregate, NullKey};
use rulestone_value::Value;

use super::measure::{Acc, Measures, State};
use super::values::Keys;
use super::{BATCH, OverPane, Refusal, Run};
use crate::order::Origin;
use crate::row::{EVIDENCE, Names, Proof, Seen, Slot, Tuple};

#[derive(Debug)]
pub(super) struct AggregateStage {
    by: Vec<(Slot, Slot)>,
    null: NullKey,
    measures: Measures,
    empty_row: bool,
    keys: Keys,
    groups: Vec<Group>,
    /// The groups that have not been handed over, the next one last.
    left: Option<Vec<u32>>,
}

#[derive(Debug, Default)]
struct Group {
    state: State,
    evidence: Evidence,
}

impl AggregateStage {
    pub(super) fn new(aggregate: &Aggregate, names: &mut Names) -> Self {
        let pair = |(from, into): &(Arc<str>, Arc<str>)| (names.slot(from), names.slot(into));
        let by: Vec<(Slot, Slot)> = aggregate.by.iter().map(pair).collect();
        let keys = by.iter().map(|(from, _)| *from).collect();
        AggregateStage {
            measures: Measures::new(&aggregate.measures, keys, names),
            keys: Keys::new(by.len()),
            by,
            null: aggregate.null.clone(),
            empty_row: aggregate.empty_row,
            groups: Vec::new(),
            left: None,
        }
    }

    /// Adds a row to the group of a key.
    fn add(&mut self, run: &mut Run, key: &[&Value], row: &Tuple) -> Result<(), Refusal> {
        let (number, new) = self.keys.number(key);
        let mut bytes = 0;
        if let Some(own) = new {
            let state = self.measures.start();
            bytes += own + size_of::<Group>() + state.capacity() * size_of::<(u32, u32, Acc)>();
            self.groups.push(Group { state, evidence: Evidence::default() });
        }
        let mut group = std::mem::take(&mut self.groups[number]);
        bytes += group.evidence.add(&row.proof);
        bytes += self.measures.add_row(run, row, &mut group.state)?;
        self.groups[number] = group;
        run.memory.hold(bytes)
    }

    fn result(&mut self, number: usize) -> Tuple {
        let group = std::mem::take(&mut self.groups[number]);
        let mut row = Tuple { values: Vec::new(), proof: group.evidence.proof() };
        for ((_, into), value) in self.by.iter().zip(self.keys.take(number)) {
            row.set(*into, value);
        }
        self.measures.finish(group.state, &mut row);
        row
    }
}

impl OverPane for AggregateStage {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        row: Tuple,
        _: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        let filled = match &self.null {
            NullKey::Fill(text) => Value::string(text.as_str()),
            _ => Value::Null,
        };
        let mut columns: Vec<&[Value]> = Vec::with_capacity(self.by.len());
        for (slot, _) in &self.by {
            match row.get(*slot) {
                Value::Null if self.null == NullKey::Drop => return Ok(()),
                Value::Null => columns.push(std::slice::from_ref(&filled)),
                value => columns.push(value.elements()),
            }
        }
        let mut at = vec![0; columns.len()];
        loop {
            let key: Vec<&Value> =
                columns.iter().zip(&at).map(|(elements, at)| &elements[*at]).collect();
            self.add(run, &key, &row)?;
            // The next combination, like an odometer.
            let Some(wheel) =
                (0..at.len()).rev().find(|wheel| at[*wheel] + 1 < columns[*wheel].len())
            else {
                return Ok(());
            };
            at[wheel] += 1;
            at[wheel + 1..].fill(0);
        }
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        if self.left.is_none() {
            if self.groups.is_empty() && self.empty_row && self.by.is_empty() {
                self.keys.number(&[]);
                self.groups.push(Group { state: self.measures.start(), ..Group::default() });
            }
            let mut left = self.keys.in_order();
            left.reverse();
            self.left = Some(left);
        }
        let Some(left) = &mut self.left else { return Ok(false) };
        let batch = left.split_off(left.len().saturating_sub(BATCH));
        let more = !left.is_empty();
        for number in batch.into_iter().rev() {
            let row = self.result(number as usize);
            // What the group took is near to what its row takes.
            run.memory.release_row(&row);
            out.push(row);
        }
        Ok(more)
    }

    fn reset(&mut self) {
        self.keys.clear();
        self.groups = Vec::new();
        self.left = None;
    }
}

/// A proof that takes little room: there may be millions.
#[derive(Debug, Default)]
struct Evidence {
    first: Vec<Mark>,
    last: Option<Mark>,
    total: u64,
}

/// A [`Seen`] without gaps. Sorts as that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    time: i64,
    log: u32,
    record: (u32, u32),
    unit: u32,
    position: u32,
    source: u32,
}

impl Mark {
    fn of(seen: &Seen) -> Mark {
        let Origin { log, record, unit, position } = seen.origin;
        let record = ((record >> 32) as u32, record as u32);
        Mark { time: seen.time, log, record, unit, position, source: seen.source }
    }

    fn seen(self) -> Seen {
        let record = u64::from(self.record.0) << 32 | u64::from(self.record.1);
        let Mark { log, unit, position, .. } = self;
        Seen {
            time: self.time,
            origin: Origin { log, record, unit, position },
            source: self.source,
        }
    }
}

impl Evidence {
    /// Adds what a row rests on; the bytes it takes.
    fn add(&mut self, proof: &Proof) -> usize {
        let before = self.first.capacity();
        for mark in proof.first.iter().map(Mark::of) {
            let at = self.first.partition_point(|own| *own < mark);
            if at >= EVIDENCE || self.first.get(at) == Some(&mark) {
                continue;
            }
            if self.first.len() == EVIDENCE {
                self.first.pop();
            }
            let length = self.first.len();
            if length == self.first.capacity() {
                self.first.reserve_exact(length.max(1).min(EVIDENCE - length));
            }
            self.first.insert(at, mark);
        }
        self.last = self.last.max(proof.last.as_ref().map(Mark::of));
        self.total += proof.total;
        (self.first.capacity() - before) * size_of::<Mark>()
    }

    fn proof(self) -> Proof {
        Proof {
            first: self.first.into_iter().map(Mark::seen).collect(),
            last: self.last.map(Mark::seen),
            total: self.total,
        }
    }
}
