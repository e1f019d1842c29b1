//! `Threshold`: counts over the rows of a group in the panes of a schedule.
//!
//! A pane that ends at `e` holds the rows of `[e - lookback, e)`. Panes overlap where the lookback
//! is longer than the interval; the same rows found in two panes are one finding.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use rulestone_ir::Threshold;

use super::{EVIDENCE, Mark, Marks, Outcome};
use crate::order::Row;

#[derive(Debug)]
pub(crate) struct ThresholdMachine {
    count: u64,
    cardinality: Option<u64>,
    counted_once: bool,
    lookback: i64,
    interval: i64,
    /// Rows that are in a pane to come, with a hash of the value whose different ones count; 0
    /// for none.
    rows: VecDeque<(Mark, u128)>,
    /// So many of them are in the pane.
    inside: usize,
    /// How many of these have each value.
    values: HashMap<u128, u64, RandomState>,
    /// The end of the next pane.
    next: i64,
    /// The latest row's time.
    latest: Option<i64>,
    group: Option<(u32, u128)>,
    /// What tells the last finding from the next.
    found: Option<(Mark, Mark, u64)>,
}

impl ThresholdMachine {
    pub(crate) fn new(threshold: &Threshold, (lookback, interval): (i64, i64)) -> Self {
        ThresholdMachine {
            count: threshold.count.max(1),
            cardinality: threshold.cardinality.as_ref().map(|(_, least)| *least),
            counted_once: threshold.counted_once,
            lookback: lookback.max(1),
            interval: interval.max(1),
            rows: VecDeque::new(),
            inside: 0,
            values: HashMap::default(),
            next: i64::MIN,
            latest: None,
            group: None,
            found: None,
        }
    }

    pub(crate) fn add(&mut self, row: &Row, out: &mut Outcome) {
        self.group.get_or_insert((row.rule, row.key));
        self.advance(row.time, out);
        if self.latest.is_some_and(|latest| row.time < self.start_of(self.end_behind(latest))) {
            out.late += 1;
            return;
        }
        let latest = self.latest.map_or(row.time, |latest| latest.max(row.time));
        self.latest = Some(latest);
        // Panes in which nothing changes were passed over; the row may change one of them.
        let soonest = self.end_behind(latest);
        self.next = if self.rows.is_empty() { soonest } else { self.next.min(soonest) };
        let mark = Mark::of(row);
        let at = self.rows.iter().rposition(|(other, _)| *other <= mark).map_or(0, |at| at + 1);
        self.rows.insert(at, (mark, row.value));
        if at < self.inside {
            self.inside += 1;
            self.enter(row.value);
        }
    }

    /// The end of the first pane that ends behind a time.
    fn end_behind(&self, time: i64) -> i64 {
        time.div_euclid(self.interval).saturating_add(1).saturating_mul(self.interval)
    }

    fn start_of(&self, end: i64) -> i64 {
        end.saturating_sub(self.lookback)
    }

    /// Works through the panes that are over. Of panes with the same rows the first is enough.
    pub(crate) fn advance(&mut self, now: i64, out: &mut Outcome) {
        while self.next <= now && !self.rows.is_empty() {
            self.move_pane();
            if self.holds() {
                self.find(out);
            }
            if self.next == i64::MAX {
                // There is no pane behind this one, so nothing ever leaves it.
                self.forget();
                return;
            }
            let leaves = self.rows.front().map(|(mark, _)| mark.time.saturating_add(self.lookback));
            let enters = self.rows.get(self.inside).map(|(mark, _)| mark.time);
            if let Some(change) = leaves.into_iter().chain(enters).min() {
                let following = self.next.saturating_add(self.interval);
                self.next = following.max(self.end_behind(change));
            }
        }
    }

    /// Lets rows out of the pane and into it.
    fn move_pane(&mut self) {
        let (start, end) = (self.start_of(self.next), self.next);
        while self.rows.front().is_some_and(|(mark, _)| mark.time < start) {
            self.leave();
        }
        while let Some((mark, value)) = self.rows.get(self.inside)
            && mark.time < end
        {
            let value = *value;
            self.inside += 1;
            self.enter(value);
        }
    }

    fn enter(&mut self, value: u128) {
        if self.cardinality.is_some() && value != 0 {
            *self.values.entry(value).or_default() += 1;
        }
    }

    /// Forgets the first row.
    fn leave(&mut self) {
        let Some((_, value)) = self.rows.pop_front() else { return };
        if self.inside == 0 {
            return;
        }
        self.inside -= 1;
        if let Some(rows) = self.values.get_mut(&value) {
            *rows -= 1;
            if *rows == 0 {
                self.values.remove(&value);
            }
        }
    }

    fn forget(&mut self) {
        self.rows.clear();
        self.values.clear();
        self.inside = 0;
    }

    fn holds(&self) -> bool {
        self.inside as u64 >= self.count
            && self.cardinality.is_none_or(|least| self.values.len() as u64 >= least)
    }

    fn find(&mut self, out: &mut Outcome) {
        let Some((rule, key)) = self.group else { return };
        let Some((last, _)) = self.rows.get(self.inside.wrapping_sub(1)) else { return };
        let total = self.inside as u64;
        let first = self.rows.iter().take(self.inside.min(EVIDENCE)).map(|(mark, _)| *mark);
        let marks = Marks { first: first.collect(), last: Some(*last), total };
        let Some(finding) = marks.finding(rule, key, total as f64) else { return };
        if self.counted_once {
            (0..self.inside).for_each(|_| self.leave());
        }
        let identity = (finding.evidence[0], finding.last, finding.total);
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
            + self.values.capacity() * size_of::<(u128, u64)>()
    }
}
