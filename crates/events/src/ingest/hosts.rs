//! The hosts that events are of, with the latest time of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use rulestone_value::{Time, fold};

use crate::batch::{Code, Dictionary};

/// The hosts of a unit.
#[derive(Default)]
pub(super) struct Hosts {
    pub(super) names: Dictionary,
    /// By code, the latest time.
    latest: Vec<Option<Time>>,
}

impl Hosts {
    pub(super) fn note(&mut self, token: &[u8], time: Option<Time>) -> Code {
        let host = self.names.intern(token);
        self.latest.resize(self.names.len(), None);
        self.latest[host.index()] = self.latest[host.index()].max(time);
        host
    }

    /// What was noted, and a fresh start.
    pub(super) fn take(&mut self) -> BTreeMap<Arc<str>, Time> {
        let mut noted: BTreeMap<Arc<str>, Time> = BTreeMap::new();
        for code in (1..self.names.len()).map(Code::at) {
            let (value, time) = (self.names.value(code), self.latest[code.index()]);
            let (Some(name), Some(time)) = (value.text(), time) else { continue };
            // A host has one time however its name is written.
            let latest = noted.entry(Arc::from(fold(&name))).or_insert(time);
            *latest = (*latest).max(time);
        }
        self.names.clear();
        self.latest.clear();
        noted
    }
}
