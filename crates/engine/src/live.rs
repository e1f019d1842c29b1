//! Groups of stages beside each other, for logs that are still being written: rows come as they
//! are read, and time is what the events say.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use foldhash::fast::RandomState;

use crate::Plan;
use crate::order::Row;
use crate::stages::{Finding, Machine, Outcome};

type Group = (u32, u128);

/// The groups of one stratum.
#[derive(Default)]
pub(crate) struct Live {
    groups: HashMap<Group, Machine, RandomState>,
    /// When each group is to be looked at next; one entry a group.
    timers: BinaryHeap<Reverse<(i64, Group)>>,
    bytes: usize,
}

/// What time it is.
pub(crate) struct Clocks<'a> {
    /// The latest event of any host.
    pub(crate) run: i64,
    pub(crate) hosts: &'a HashMap<u64, i64>,
}

impl Clocks<'_> {
    /// The time that a group's timer goes by.
    fn of(&self, machine: &Machine) -> i64 {
        let host = match machine {
            Machine::Pattern(pattern) => pattern.host(),
            _ => return self.run,
        };
        host.map_or(self.run, |host| self.hosts.get(&host).copied().unwrap_or(i64::MIN))
    }
}

/// How long a group that waits for its host is left alone, in ticks.
const HOST_PAUSE: i64 = 10_000_000;

impl Live {
    /// Takes rows in the order of time, then lets time pass. Past `most` bytes of state the groups
    /// that would be forgotten first are forgotten: returns how many.
    pub(crate) fn add(
        &mut self,
        plan: &Plan,
        mut rows: Vec<Row>,
        clocks: &Clocks<'_>,
        most: usize,
        out: &mut Outcome,
    ) -> u64 {
        rows.sort_unstable_by_key(|row| (row.time, row.origin, row.rule, row.key, row.input));
        for row in &rows {
            self.row(plan, row, out);
        }
        self.advance(clocks, out);
        sort(&mut out.findings);
        self.evict(most)
    }

    fn row(&mut self, plan: &Plan, row: &Row, out: &mut Outcome) {
        let group = (row.rule, row.key);
        let machine = match self.groups.entry(group) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let Some(machine) = Machine::new(&plan.rules()[row.rule as usize]) else { return };
                self.bytes += machine.bytes();
                self.timers.push(Reverse((row.time, group)));
                entry.insert(machine)
            }
        };
        let before = machine.bytes();
        machine.add(row, out);
        self.bytes = (self.bytes + machine.bytes()).saturating_sub(before);
    }

    fn advance(&mut self, clocks: &Clocks<'_>, out: &mut Outcome) {
        while let Some(Reverse((due, group))) = self.timers.peek().copied() {
            if due > clocks.run {
                return;
            }
            self.timers.pop();
            let Some(machine) = self.groups.get_mut(&group) else { continue };
            let (before, now) = (machine.bytes(), clocks.of(machine));
            machine.advance(now, out);
            self.bytes = (self.bytes + machine.bytes()).saturating_sub(before);
            let next = machine.deadline();
            if next <= now {
                self.bytes = self.bytes.saturating_sub(machine.bytes());
                self.groups.remove(&group);
            } else {
                // A host may be behind the others for long.
                let next = if next <= clocks.run { clocks.run + HOST_PAUSE } else { next };
                self.timers.push(Reverse((next, group)));
            }
        }
    }

    fn evict(&mut self, most: usize) -> u64 {
        let mut evicted = 0;
        while self.bytes > most {
            let Some(Reverse((_, group))) = self.timers.pop() else { break };
            if let Some(machine) = self.groups.remove(&group) {
                self.bytes = self.bytes.saturating_sub(machine.bytes());
                evicted += 1;
            }
        }
        evicted
    }

    /// Lets the logs end.
    pub(crate) fn end(&mut self, clocks: &Clocks<'_>, out: &mut Outcome) {
        let mut groups: Vec<(Group, Machine)> = self.groups.drain().collect();
        groups.sort_unstable_by_key(|(group, _)| *group);
        for (_, machine) in &mut groups {
            machine.advance(clocks.of(machine), out);
            machine.end(out);
        }
        (self.timers, self.bytes) = (BinaryHeap::new(), 0);
        sort(&mut out.findings);
    }
}

/// Findings in the order of the output.
pub(crate) fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| (finding.time, finding.last, finding.rule, finding.key));
}
