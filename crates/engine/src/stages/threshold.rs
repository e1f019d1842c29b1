//! `Threshold`: counts over the rows of a group in the panes of a schedule.
//!
//! A pane that ends at `e` holds the rows of `[e - lookback, e)`. Panes overlap where the lookback
//! is longer than the interval; the same rows found in two panes are one finding.

use std::collections::{HashSet, VecDeque};

use foldhash::fast::RandomState;
use rulestone_ir::Threshold;

use super::{Mark, Marks, Outcome};
use crate::order::Row;

#[derive(Debug)]
pub(crate) struct ThresholdMachine {
    count: u64,
    cardinality: Option<u64>,
    counted_once: bool,
    lookback: i64,
    interval: i64,
    /// Rows that are in a pane to come, with a hash of the value whose different ones count.
    rows: VecDeque<(Mark, u128)>,
    /// The end of the next pane.
    next: i64,
    group: Option<(u32, u128)>,
    /// The last row of the last finding.
    counted: Option<Mark>,
    /// What tells the last finding from the next.
    found: Option<(Mark, Mark, u64)>,
}

impl ThresholdMachine {
    pub(crate) fn new(threshold: &Threshold, (lookback, interval): (i64, i64)) -> Self {
        ThresholdMachine {
            count: threshold.count,
            cardinality: threshold.cardinality.as_ref().map(|(_, least)| *least),
            counted_once: threshold.counted_once,
            lookback: lookback.max(1),
            interval: interval.max(1),
            rows: VecDeque::new(),
            next: i64::MIN,
            group: None,
            counted: None,
            found: None,
        }
    }

    pub(crate) fn add(&mut self, row: &Row, out: &mut Outcome) {
        self.group.get_or_insert((row.rule, row.key));
        self.advance(row.time, out);
        if self.next != i64::MIN && row.time < self.next.saturating_sub(self.lookback) {
            out.late += 1;
            return;
        }
        if self.rows.is_empty() {
            let end = row.time.div_euclid(self.interval).saturating_add(1);
            self.next = self.next.max(end.saturating_mul(self.interval));
        }
        let mark = Mark::of(row);
        let at = self.rows.iter().rposition(|(other, _)| *other <= mark).map_or(0, |at| at + 1);
        self.rows.insert(at, (mark, row.value));
    }

    /// Works through the panes that are over.
    pub(crate) fn advance(&mut self, now: i64, out: &mut Outcome) {
        while !self.rows.is_empty() && self.next <= now {
            let start = self.next.saturating_sub(self.lookback);
            while self.rows.pop_front_if(|(mark, _)| mark.time < start).is_some() {}
            self.pane(out);
            self.next = self.next.saturating_add(self.interval);
        }
    }

    fn pane(&mut self, out: &mut Outcome) {
        let Some((rule, key)) = self.group else { return };
        let counted = self.counted.filter(|_| self.counted_once);
        let end = self.next;
        let inside = |(mark, _): &&(Mark, u128)| mark.time < end && Some(*mark) > counted;
        let marks = Marks::of(self.rows.iter().filter(inside).map(|(mark, _)| *mark));
        if marks.total < self.count || marks.total == 0 {
            return;
        }
        if let Some(least) = self.cardinality {
            let values = self.rows.iter().filter(inside).map(|(_, value)| *value);
            let different: HashSet<u128, RandomState> = values.filter(|v| *v != 0).collect();
            if (different.len() as u64) < least {
                return;
            }
        }
        let value = marks.total as f64;
        let Some(finding) = marks.finding(rule, key, value) else { return };
        let identity = (finding.evidence[0], finding.last, finding.total);
        self.counted = Some(finding.last);
        if self.found.replace(identity) != Some(identity) {
            out.findings.push(finding);
        }
    }

    /// The schedule goes on when the log ends: what is left is in the panes to come.
    pub(crate) fn end(&mut self, out: &mut Outcome) {
        self.advance(i64::MAX, out);
    }

    pub(crate) fn deadline(&self) -> i64 {
        self.next
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<(Mark, u128)>()
    }
}
