//! What was read, counted: events by kind, and everything that was skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rulestone_value::Time;

use crate::Kind;

/// What one unit, or many together, held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events read, whether or not a rule looks at their kind.
    pub events: u64,
    /// Events left out because of their time.
    pub outside_time: u64,
    /// Bytes of logs, decompressed.
    pub bytes: u64,
    /// Events by kind.
    pub kinds: BTreeMap<Arc<Kind>, KindTally>,
    /// The latest event of each host, by its folded name, where [`crate::Settings::hosts`] asks
    /// for it.
    pub hosts: BTreeMap<Arc<str>, Time>,
    /// What could not be read, by reason.
    pub skipped: BTreeMap<String, Skipped>,
}

/// The events of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KindTally {
    /// How many.
    pub events: u64,
    /// The earliest and the latest time among them.
    pub span: Option<(Time, Time)>,
    /// The fields that had a place in at least one of them, without spaces.
    pub fields: BTreeSet<Arc<str>>,
}

/// Things of one sort that could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// Their bytes, where they are known.
    pub bytes: u64,
    /// The first few places.
    pub places: Vec<String>,
}

/// Places remembered for each reason.
const PLACES: usize = 5;

impl Tally {
    /// Counts something that could not be read.
    pub fn skip(&mut self, reason: impl Into<String>, place: impl Into<String>, bytes: u64) {
        let skipped = self.skipped.entry(reason.into()).or_default();
        skipped.count += 1;
        skipped.bytes += bytes;
        if skipped.places.len() < PLACES {
            skipped.places.push(place.into());
        }
    }

    /// The earliest and the latest time of all events.
    pub fn span(&self) -> Option<(Time, Time)> {
        self.kinds.values().filter_map(|kind| kind.span).reduce(widen)
    }

    /// Adds what `other` counted. Places keep the order in which tallies are added.
    pub fn add(&mut self, other: Tally) {
        self.events += other.events;
        self.outside_time += other.outside_time;
        self.bytes += other.bytes;
        for (kind, theirs) in other.kinds {
            let ours = self.kinds.entry(kind).or_default();
            ours.events += theirs.events;
            ours.span = match (ours.span, theirs.span) {
                (Some(a), Some(b)) => Some(widen(a, b)),
                (a, b) => a.or(b),
            };
            ours.fields.extend(theirs.fields);
        }
        for (host, time) in other.hosts {
            let latest = self.hosts.entry(host).or_insert(time);
            *latest = (*latest).max(time);
        }
        for (reason, theirs) in other.skipped {
            let ours = self.skipped.entry(reason).or_default();
            ours.count += theirs.count;
            ours.bytes += theirs.bytes;
            let room = PLACES - ours.places.len();
            ours.places.extend(theirs.places.into_iter().take(room));
        }
    }
}

impl KindTally {
    pub(crate) fn count(&mut self, time: Option<Time>) {
        self.events += 1;
        if let Some(time) = time {
            self.span = Some(self.span.map_or((time, time), |span| widen(span, (time, time))));
        }
    }
}

fn widen(a: (Time, Time), b: (Time, Time)) -> (Time, Time) {
    (a.0.min(b.0), a.1.max(b.1))
}
