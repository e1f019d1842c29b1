//! `Sort`: puts rows in order. Rows that compare equal keep the order they came in; a row that
//! lacks a column comes last, whichever way the column is sorted.

use std::cmp::Ordering;

use rulestone_ir::{Collation, SortKey};

use super::values::order;
use super::{OverPane, Refusal, Run, drain_rows};
use crate::row::{Names, Slot, Tuple};

#[derive(Debug)]
pub(super) struct SortStage {
    keys: Vec<(Slot, bool, Collation)>,
    limit: usize,
    rows: Vec<Tuple>,
    /// Rows in reverse, once they are in order.
    sorted: bool,
}

impl SortStage {
    pub(super) fn new(keys: &[SortKey], limit: Option<u64>, names: &mut Names) -> Self {
        let keys = keys
            .iter()
            .map(|key| (names.slot(&key.field), key.descending, key.collation))
            .collect();
        // 0 is for all rows.
        let limit = limit.filter(|limit| *limit > 0).map_or(usize::MAX, |limit| limit as usize);
        SortStage { keys, limit, rows: Vec::new(), sorted: false }
    }

    fn sort(&mut self, run: &mut Run) {
        let keys = &self.keys;
        self.rows.sort_by(|left, right| compare(keys, left, right));
        if self.rows.len() > self.limit {
            for row in self.rows.drain(self.limit..) {
                run.memory.release_row(&row);
            }
        }
    }
}

fn compare(keys: &[(Slot, bool, Collation)], left: &Tuple, right: &Tuple) -> Ordering {
    for (slot, descending, collation) in keys {
        let (left, right) = (left.get(*slot), right.get(*slot));
        let order = order(left, right, *collation);
        if order.is_ne() {
            let turned = *descending && !left.is_null() && !right.is_null();
            return if turned { order.reverse() } else { order };
        }
    }
    Ordering::Equal
}

impl OverPane for SortStage {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        row: Tuple,
        _: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        run.memory.hold_row(&row)?;
        self.rows.push(row);
        // With a limit no more is kept than twice that.
        if self.rows.len() > self.limit.saturating_mul(2).saturating_add(1024) {
            self.sort(run);
        }
        Ok(())
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        if !self.sorted {
            self.sort(run);
            self.rows.reverse();
            self.sorted = true;
        }
        drain_rows(&mut std::iter::from_fn(|| self.rows.pop()), run, out)
    }

    fn reset(&mut self) {
        self.rows = Vec::new();
        self.sorted = false;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_ir::{Collation, RowStage, SortKey};

    use crate::stages::rows::notation::check;

    fn sort(keys: &[(&str, bool, Collation)], limit: Option<u64>) -> RowStage {
        let key = |(field, descending, collation): &(&str, bool, Collation)| SortKey {
            field: Arc::from(*field),
            descending: *descending,
            collation: *collation,
        };
        RowStage::Sort { keys: keys.iter().map(key).collect(), limit }
    }

    #[test]
    fn in_order() {
        use Collation::{Address, Auto, Number, Text};
        let input = "a=10\na=9\nb=1\na=x\na='2'\na=[3,1]";
        for (keys, limit, expected) in [
            (&[("a", false, Auto)][..], None, "a='2'\na=[3,1]\na=9\na=10\na=x\nb=1"),
            (&[("a", true, Auto)], None, "a=x\na=10\na=9\na=[3,1]\na='2'\nb=1"),
            (&[("a", false, Text)], None, "a=10\na='2'\na=[3,1]\na=9\na=x\nb=1"),
            (&[("a", false, Number)], Some(2), "a='2'\na=[3,1]"),
            (&[("b", false, Auto), ("a", true, Number)], Some(3), "b=1\na=x\na=10"),
            (&[("absent", true, Auto)], Some(0), input),
        ] {
            check(sort(keys, limit), input, expected);
        }
        let addresses = "a='10.0.0.10'\na='10.0.0.9'\na=host";
        let sorted = "a='10.0.0.9'\na='10.0.0.10'\na=host";
        check(sort(&[("a", false, Address)], None), addresses, sorted);
    }

    #[test]
    fn a_limit_bounds_what_is_kept() {
        let input: String = (0..5000).map(|at| format!("a={}\n", (at * 7919) % 5000)).collect();
        check(sort(&[("a", false, Collation::Auto)], Some(3)), &input, "a=0\na=1\na=2");
    }
}
