//! `Transaction`: groups events that belong together.
//!
//! Events are worked from the latest to the earliest. One joins an open transaction when no column
//! of `by` that both have differs and, for connected ones, they have one in common. What starts a
//! transaction is its earliest event and closes it; what ends one is its latest and opens it.
//!
//! Where nobody documents it: a transaction that is open at the end of the pane is complete when
//! neither a start nor an end was asked for; one that lacks what was asked for is not, whatever
//! closed it.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use rulestone_ir::Transaction;
use rulestone_value::{Time, Value};

use super::values::{Distinct, Hashing, of_float, same, text, ticks};
use super::{OfAllRows, Refusal, Run};
use crate::eval::CompiledFormula;
use crate::pipeline::TIME;
use crate::row::{Names, Slot, Tuple};

#[derive(Debug)]
pub(super) struct TransactionStage {
    by: Vec<Slot>,
    max_span: Option<i64>,
    max_pause: Option<i64>,
    max_events: usize,
    starts: Option<CompiledFormula>,
    ends: Option<CompiledFormula>,
    connected: bool,
    keep_evicted: bool,
    keep_lists: bool,
    columns: Columns,
}

/// The columns that it reads or writes by itself.
#[derive(Debug)]
struct Columns {
    time: Slot,
    raw: Slot,
    duration: Slot,
    count: Slot,
    closed: Slot,
}

/// A transaction that may still grow.
#[derive(Debug, Default)]
struct Open {
    /// Its events, the latest first.
    rows: Vec<Tuple>,
    /// What the columns of `by` are, where an event had them.
    by: Vec<Value>,
    latest: i64,
    earliest: i64,
    /// Its latest event is an end.
    ended: bool,
}

/// Open transactions, found by the columns of `by`.
#[derive(Debug, Default)]
struct Opens {
    all: Vec<Option<Open>>,
    /// Those that have every column of `by`, by their hash; of equal hashes all.
    full: HashMap<u64, Vec<usize>, RandomState>,
    /// Those that lack one.
    partial: BTreeSet<usize>,
    hashing: Hashing,
}

impl TransactionStage {
    pub(super) fn new(transaction: &Transaction, names: &mut Names) -> Self {
        let mut ready = |formula: &Option<_>| {
            formula.as_ref().map(|formula| CompiledFormula::new(formula, names))
        };
        let (starts, ends) = (ready(&transaction.starts), ready(&transaction.ends));
        let most = transaction.max_events;
        TransactionStage {
            by: transaction.by.iter().map(|name| names.slot(name)).collect(),
            max_span: transaction.max_span.map(|span| span.ticks()),
            max_pause: transaction.max_pause.map(|pause| pause.ticks()),
            max_events: if most == 0 { usize::MAX } else { most as usize },
            starts,
            ends,
            connected: transaction.connected,
            keep_evicted: transaction.keep_evicted,
            keep_lists: transaction.keep_lists,
            columns: Columns {
                time: names.slot(TIME),
                raw: names.slot("_raw"),
                duration: names.slot("duration"),
                count: names.slot("eventcount"),
                closed: names.slot("closed_txn"),
            },
        }
    }

    /// Puts an event where it belongs.
    fn event(&self, run: &Run, opens: &mut Opens, time: i64, row: Tuple, out: &mut Vec<Tuple>) {
        let holds = |formula: &Option<CompiledFormula>| {
            formula.as_ref().is_some_and(|formula| formula.holds(&run.context(&row)))
        };
        let (is_start, is_end) = (holds(&self.starts), holds(&self.ends));
        let by: Vec<Value> = self.by.iter().map(|slot| row.get(*slot).clone()).collect();
        if self.connected && !by.is_empty() && by.iter().all(Value::is_null) {
            return;
        }
        let mut found = self.find(opens, &by);
        if let Some(at) = found
            && let Some(open) = &opens.all[at]
        {
            let too_long =
                self.max_span.is_some_and(|span| open.latest.saturating_sub(time) >= span);
            let paused =
                self.max_pause.is_some_and(|pause| open.earliest.saturating_sub(time) > pause);
            if too_long || paused || is_end {
                let open = opens.remove(at);
                open.into_iter().for_each(|open| self.close(open, !is_end, false, out));
                found = None;
            }
        }
        let at = found.unwrap_or_else(|| opens.open(by.len(), time, is_end));
        opens.join(at, time, row, by);
        let full = opens.all[at].as_ref().is_some_and(|open| open.rows.len() >= self.max_events);
        if is_start || full {
            let open = opens.remove(at);
            open.into_iter().for_each(|open| self.close(open, true, is_start, out));
        }
    }

    /// The latest transaction that an event with these columns fits.
    fn find(&self, opens: &mut Opens, by: &[Value]) -> Option<usize> {
        let fits = |at: &usize| {
            let Some(open) = opens.all.get(*at).and_then(Option::as_ref) else { return false };
            let mut in_common = self.by.is_empty() || !self.connected;
            for (own, other) in open.by.iter().zip(by) {
                if own.is_null() || other.is_null() {
                    continue;
                }
                if !same(own, other) {
                    return false;
                }
                in_common = true;
            }
            in_common
        };
        if by.iter().any(Value::is_null) {
            return (0..opens.all.len()).rev().find(fits);
        }
        let hash = opens.hashing.of(by);
        let full = opens.full.get(&hash).and_then(|all| all.iter().rev().find(|at| fits(at)));
        let partial = opens.partial.iter().rev().find(|at| fits(at));
        full.max(partial).copied()
    }

    /// Makes a row of a transaction, unless it is not complete and such are not wanted.
    fn close(&self, open: Open, closed: bool, started: bool, out: &mut Vec<Tuple>) {
        let complete = (self.starts.is_none() || started) && (self.ends.is_none() || open.ended);
        if !complete && !self.keep_evicted {
            return;
        }
        let mut row = Tuple::default();
        let (mut values, mut raw) = (Vec::<(Distinct, Vec<Value>)>::new(), Vec::new());
        let count = open.rows.len();
        // From the earliest on, as they are read.
        for event in open.rows.into_iter().rev() {
            row.proof.add(&event.proof);
            for (slot, value) in event.values.into_iter().enumerate() {
                if slot == self.columns.raw {
                    raw.extend(text(&value).map(|text| text.into_owned()));
                    continue;
                }
                if value.is_null() || slot == self.columns.time {
                    continue;
                }
                if values.len() <= slot {
                    values.resize_with(slot + 1, Default::default);
                }
                let (different, list) = &mut values[slot];
                match self.keep_lists {
                    true => list.extend(value.elements().iter().cloned()),
                    false => value.elements().iter().for_each(|element| {
                        different.add(element);
                    }),
                }
            }
        }
        for (slot, (different, list)) in values.into_iter().enumerate() {
            row.set(slot, Value::list(different.sorted().into_iter().chain(list)));
        }
        if !raw.is_empty() {
            row.set(self.columns.raw, Value::String(raw.join("\n")));
        }
        if open.earliest != i64::MIN {
            row.set(self.columns.time, Value::Time(Time::from_ticks(open.earliest)));
            let duration = open.latest.saturating_sub(open.earliest);
            row.set(self.columns.duration, of_float(duration as f64 / 1e7));
        }
        row.set(self.columns.count, Value::Integer(count as i64));
        row.set(self.columns.closed, Value::Integer(i64::from(complete && closed)));
        out.push(row);
    }
}

impl Opens {
    fn open(&mut self, width: usize, time: i64, ended: bool) -> usize {
        let by = vec![Value::Null; width];
        self.all.push(Some(Open { by, latest: time, earliest: time, ended, rows: Vec::new() }));
        self.all.len() - 1
    }

    /// Adds an event to an open transaction.
    fn join(&mut self, at: usize, time: i64, row: Tuple, by: Vec<Value>) {
        let Some(open) = self.all.get_mut(at).and_then(Option::as_mut) else { return };
        let was_full = !open.rows.is_empty() && open.by.iter().all(|value| !value.is_null());
        open.rows.push(row);
        open.earliest = time;
        for (own, value) in open.by.iter_mut().zip(by) {
            if own.is_null() {
                *own = value;
            }
        }
        if was_full {
            return;
        }
        if open.by.iter().any(Value::is_null) {
            self.partial.insert(at);
        } else {
            self.partial.remove(&at);
            let hash = self.hashing.of(&open.by);
            self.full.entry(hash).or_default().push(at);
        }
    }

    fn remove(&mut self, at: usize) -> Option<Open> {
        let open = self.all.get_mut(at)?.take()?;
        if !self.partial.remove(&at) {
            let hash = self.hashing.of(&open.by);
            if let Some(all) = self.full.get_mut(&hash) {
                all.retain(|own| *own != at);
                if all.is_empty() {
                    self.full.remove(&hash);
                }
            }
        }
        Some(open)
    }
}

impl OfAllRows for TransactionStage {
    /// The latest transaction comes out first.
    fn work(&mut self, run: &mut Run, rows: Vec<Tuple>) -> Result<Vec<Tuple>, Refusal> {
        let time = self.columns.time;
        let mut rows: Vec<(i64, Tuple)> =
            rows.into_iter().map(|row| (ticks(row.get(time)).unwrap_or(i64::MIN), row)).collect();
        rows.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        let mut opens = Opens::default();
        let mut out = Vec::new();
        for (time, row) in rows {
            self.event(run, &mut opens, time, row, &mut out);
        }
        for open in std::mem::take(&mut opens.all).into_iter().flatten() {
            self.close(open, false, false, &mut out);
        }
        out.sort_by_key(|row| ticks(row.get(self.columns.time)));
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use rulestone_ir::{Duration, RowStage, Transaction};

    use crate::stages::rows::notation::{check, equals, names};

    fn plain(by: &str) -> Transaction {
        Transaction {
            by: names(by),
            max_span: None,
            max_pause: None,
            max_events: 1000,
            starts: None,
            ends: None,
            connected: true,
            keep_evicted: false,
            keep_lists: false,
        }
    }

    fn seconds(seconds: i64) -> Option<Duration> {
        Some(Duration::from_seconds(seconds))
    }

    #[test]
    fn columns_are_put_together() {
        let input = "_time=@9 u=a x=2 _raw=two\n_time=@5 u=a x=[1,2] y=z _raw=one\n_time=@7 u=b\n_time=@1 x=9";
        let b = "_time=@7 u=b duration=0 eventcount=1 closed_txn=0";
        check(
            RowStage::Transaction(plain("u")),
            input,
            &format!(
                "{b}\n_time=@5 u=a x=[1,2] y=z _raw='one\\ntwo' duration=4 eventcount=2 closed_txn=0"
            ),
        );
        check(
            RowStage::Transaction(Transaction { keep_lists: true, ..plain("u") }),
            input,
            &format!(
                "{b}\n_time=@5 u=[a,a] x=[1,2,2] y=z _raw='one\\ntwo' duration=4 eventcount=2 closed_txn=0"
            ),
        );
    }

    /// Holds the events of each transaction, the latest first, against what is expected.
    #[track_caller]
    fn groups(transaction: Transaction, input: &str, expected: &str) {
        check(
            RowStage::Transaction(Transaction { keep_lists: true, ..transaction }),
            input,
            expected,
        );
    }

    #[test]
    fn bounds() {
        let input = "_time=@30 e=4\n_time=@20 e=3\n_time=@11 e=2\n_time=@10 e=1";
        // The span is less than what is said, the pause at most.
        for (transaction, expected) in [
            (
                Transaction { max_span: seconds(20), ..plain("") },
                "_time=@11 e=[2,3,4] duration=19 eventcount=3 closed_txn=1
                 _time=@10 e=1 duration=0 eventcount=1 closed_txn=0",
            ),
            (
                Transaction { max_pause: seconds(9), ..plain("") },
                "_time=@30 e=4 duration=0 eventcount=1 closed_txn=1
                 _time=@10 e=[1,2,3] duration=10 eventcount=3 closed_txn=0",
            ),
            (
                Transaction { max_events: 3, ..plain("") },
                "_time=@11 e=[2,3,4] duration=19 eventcount=3 closed_txn=1
                 _time=@10 e=1 duration=0 eventcount=1 closed_txn=0",
            ),
        ] {
            groups(transaction, input, expected);
        }
    }

    #[test]
    fn starts_and_ends() {
        let input = "_time=@9 e=x\n_time=@8 e=out\n_time=@7 e=x\n_time=@6 e=in\n_time=@5 e=x\n_time=@4 e=out\n_time=@3 e=x";
        let starts = Some(equals("e", "in"));
        let ends = Some(equals("e", "out"));
        let complete = "_time=@6 e=[in,x,out] duration=2 eventcount=3 closed_txn=1";
        for (transaction, expected) in [
            (
                Transaction { starts: starts.clone(), ends: ends.clone(), ..plain("") },
                complete.to_owned(),
            ),
            (
                Transaction { starts: starts.clone(), ends, keep_evicted: true, ..plain("") },
                format!(
                    "_time=@9 e=x duration=0 eventcount=1 closed_txn=0
                 {complete}
                 _time=@5 e=x duration=0 eventcount=1 closed_txn=0
                 _time=@3 e=[x,out] duration=1 eventcount=2 closed_txn=0"
                ),
            ),
            (
                Transaction { starts, ..plain("") },
                "_time=@6 e=[in,x,out,x] duration=3 eventcount=4 closed_txn=1".to_owned(),
            ),
        ] {
            groups(transaction, input, &expected);
        }
    }

    #[test]
    fn columns_that_agree() {
        // The second has none of the columns; the third joins by what both have.
        let input = "_time=@5 a=1 b=1 e=5\n_time=@4 e=4\n_time=@3 b=1 e=3\n_time=@2 a=2 b=1 e=2\n_time=@1 a=1 b=1 e=1";
        groups(
            plain("a b"),
            input,
            "_time=@2 a=2 b=1 e=2 duration=0 eventcount=1 closed_txn=0
             _time=@1 a=[1,1] b=[1,1,1] e=[1,3,5] duration=4 eventcount=3 closed_txn=0",
        );
        groups(
            Transaction { connected: false, ..plain("a b") },
            input,
            "_time=@2 a=2 b=1 e=2 duration=0 eventcount=1 closed_txn=0
             _time=@1 a=[1,1] b=[1,1,1] e=[1,3,4,5] duration=4 eventcount=4 closed_txn=0",
        );
    }
}
