//! Rows of named columns: what pipelines work on.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rulestone_value::Value;

use crate::order::Origin;

/// The number of a column within one run of a pipeline.
pub(crate) type Slot = usize;

/// The columns of a run of a pipeline: every name has one slot, in all rows and stages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    slots: HashMap<Arc<str>, Slot, RandomState>,
    names: Vec<Arc<str>>,
}

impl Names {
    /// The slot of a name, given out on first sight.
    pub(crate) fn slot(&mut self, name: &str) -> Slot {
        if let Some(slot) = self.slots.get(name) {
            return *slot;
        }
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.slots.insert(name, self.names.len() - 1);
        self.names.len() - 1
    }

    /// The slot of a name that some row may have.
    pub(crate) fn find(&self, name: &str) -> Option<Slot> {
        self.slots.get(name).copied()
    }

    /// The name of a slot.
    pub(crate) fn name(&self, slot: Slot) -> &Arc<str> {
        &self.names[slot]
    }

    /// All names, by slot.
    pub(crate) fn all(&self) -> &[Arc<str>] {
        &self.names
    }
}

/// A row of named columns, with what it rests on. A column that is null is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tuple {
    /// By slot; columns behind the end are null.
    pub(crate) values: Vec<Value>,
    /// The events it rests on.
    pub(crate) proof: Proof,
}

impl Tuple {
    /// The value of a column.
    pub(crate) fn get(&self, slot: Slot) -> &Value {
        const NULL: &Value = &Value::Null;
        self.values.get(slot).unwrap_or(NULL)
    }

    /// Sets a column; null takes it away.
    pub(crate) fn set(&mut self, slot: Slot, value: Value) {
        if slot >= self.values.len() {
            if value.is_null() {
                return;
            }
            self.values.resize(slot + 1, Value::Null);
        }
        self.values[slot] = value;
    }

    /// Takes a column away and gives its value.
    pub(crate) fn take(&mut self, slot: Slot) -> Value {
        self.values.get_mut(slot).map(std::mem::take).unwrap_or_default()
    }

    /// The columns that are there.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (Slot, &Value)> {
        self.values.iter().enumerate().filter(|(_, value)| !value.is_null())
    }
}

/// Events that a row keeps of those it rests on.
pub(crate) const EVIDENCE: usize = 10;

/// The events that a row rests on: the first, the last, and how many.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Proof {
    /// The earliest of them with the source they came through, in the order of time and place.
    pub(crate) first: Vec<Seen>,
    /// The latest.
    pub(crate) last: Option<Seen>,
    /// How many.
    pub(crate) total: u64,
    /// How many rows this one stands for, which agree in all but their time; 0 for itself alone.
    pub(crate) times: u64,
}

/// An event that a row rests on. Sorts by time and place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    /// When it was, in ticks; the least there is for one without a time.
    pub(crate) time: i64,
    /// Where it is.
    pub(crate) origin: Origin,
    /// The source of the rule that let it through.
    pub(crate) source: u32,
}

impl Proof {
    /// Of one event.
    pub(crate) fn of(seen: Seen) -> Proof {
        Proof { first: vec![seen], last: Some(seen), total: 1, times: 0 }
    }

    /// Adds what another row rests on.
    pub(crate) fn add(&mut self, other: &Proof) {
        for seen in &other.first {
            let at = self.first.partition_point(|own| own < seen);
            if at < EVIDENCE && self.first.get(at) != Some(seen) {
                self.first.insert(at, *seen);
                self.first.truncate(EVIDENCE);
            }
        }
        self.last = self.last.max(other.last);
        self.total += other.total;
    }
}
