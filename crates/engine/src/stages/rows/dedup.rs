//! `Dedup`: keeps the first rows of each combination of values.

use rulestone_ir::{Dedup, Keep};
use rulestone_value::Value;

use super::values::{Keys, same};
use super::{OverPane, Refusal, Run, value_heap};
use crate::row::{Names, Slot, Tuple};

#[derive(Debug)]
pub(super) struct DedupStage {
    by: Vec<Slot>,
    keep: u64,
    consecutive: bool,
    null: Keep,
    keep_rows: bool,
    keys: Keys,
    /// How often each key was seen.
    seen: Vec<u64>,
    /// The key of the row before, and how often it was seen in a row.
    last: Option<(Vec<Value>, u64)>,
}

impl DedupStage {
    pub(super) fn new(dedup: &Dedup, names: &mut Names) -> Self {
        let by: Vec<Slot> = dedup.by.iter().map(|name| names.slot(name)).collect();
        DedupStage {
            keys: Keys::new(by.len()),
            by,
            keep: dedup.keep,
            consecutive: dedup.consecutive,
            null: dedup.null,
            keep_rows: dedup.keep_rows,
            seen: Vec::new(),
            last: None,
        }
    }

    /// How often the row's combination was seen, with this row.
    fn count(&mut self, run: &mut Run, row: &Tuple) -> Result<u64, Refusal> {
        let key: Vec<&Value> = self.by.iter().map(|slot| row.get(*slot)).collect();
        if self.consecutive {
            let count = match &self.last {
                Some((last, count)) if last.iter().zip(&key).all(|(a, b)| same(a, b)) => count + 1,
                _ => 1,
            };
            run.memory.hold(key.iter().map(|value| value_heap(value)).sum())?;
            let old = self.last.replace((key.into_iter().cloned().collect(), count));
            let old = old.map(|(key, _)| key.iter().map(value_heap).sum()).unwrap_or_default();
            run.memory.release(old);
            return Ok(count);
        }
        let (number, new) = self.keys.number(&key);
        if let Some(bytes) = new {
            self.seen.push(0);
            run.memory.hold(bytes + size_of::<u64>())?;
        }
        self.seen[number] += 1;
        Ok(self.seen[number])
    }
}

impl OverPane for DedupStage {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        mut row: Tuple,
        out: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        if self.by.iter().any(|slot| row.get(*slot).is_null()) {
            if self.null == Keep::Keep {
                out.push(row);
            }
            return Ok(());
        }
        if self.count(run, &row)? > self.keep {
            if !self.keep_rows {
                return Ok(());
            }
            self.by.iter().for_each(|slot| row.set(*slot, Value::Null));
        }
        out.push(row);
        Ok(())
    }

    fn reset(&mut self) {
        self.keys.clear();
        self.seen = Vec::new();
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use rulestone_ir::{Dedup, Keep, RowStage};

    use crate::stages::rows::notation::{check, names};

    #[test]
    fn the_first_of_each() {
        let plain = Dedup {
            by: names("a b"),
            keep: 1,
            consecutive: false,
            null: Keep::Drop,
            keep_rows: false,
        };
        let input = "a=1 b=x c=1\na=1 b=y\na='1' b=x c=2\na=1\na=[1,2] b=x\na=[1,2] b=x c=3";
        for (dedup, expected) in [
            (plain.clone(), "a=1 b=x c=1\na=1 b=y\na=[1,2] b=x"),
            (Dedup { null: Keep::Keep, ..plain.clone() }, "a=1 b=x c=1\na=1 b=y\na=1\na=[1,2] b=x"),
            (
                Dedup { consecutive: true, ..plain.clone() },
                "a=1 b=x c=1\na=1 b=y\na='1' b=x c=2\na=[1,2] b=x",
            ),
            (
                Dedup { keep: 2, ..plain.clone() },
                "a=1 b=x c=1\na=1 b=y\na='1' b=x c=2\na=[1,2] b=x\na=[1,2] b=x c=3",
            ),
            (Dedup { keep_rows: true, ..plain }, "a=1 b=x c=1\na=1 b=y\nc=2\na=[1,2] b=x\nc=3"),
        ] {
            check(RowStage::Dedup(dedup), input, expected);
        }
    }
}
