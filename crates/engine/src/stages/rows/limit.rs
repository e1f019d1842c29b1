//! `Limit`: rows at an end; the last ones come in reverse.

use std::collections::VecDeque;

use rulestone_ir::End;

use super::{OverPane, Refusal, Run, drain_rows};
use crate::row::Tuple;

#[derive(Debug)]
pub(super) struct LimitStage {
    most: u64,
    from: End,
    seen: u64,
    /// The latest rows, for the tail.
    tail: VecDeque<Tuple>,
}

impl LimitStage {
    pub(super) fn new(most: u64, from: End) -> Self {
        LimitStage { most, from, seen: 0, tail: VecDeque::new() }
    }
}

impl OverPane for LimitStage {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        row: Tuple,
        out: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        match self.from {
            End::Head if self.seen < self.most => {
                self.seen += 1;
                out.push(row);
            }
            End::Tail if self.most > 0 => {
                run.memory.hold_row(&row)?;
                self.tail.push_back(row);
                if self.tail.len() as u64 > self.most {
                    self.tail.pop_front().iter().for_each(|row| run.memory.release_row(row));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        drain_rows(&mut std::iter::from_fn(|| self.tail.pop_back()), run, out)
    }

    fn reset(&mut self) {
        self.seen = 0;
        self.tail = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use rulestone_ir::{End, RowStage};

    use crate::stages::rows::notation::check;

    #[test]
    fn either_end() {
        let input = "a=1\n-\na=[3,4]\na=5";
        for (rows, from, expected) in [
            (2, End::Head, "a=1\n-"),
            (2, End::Tail, "a=5\na=[3,4]"),
            (0, End::Head, ""),
            (0, End::Tail, ""),
            (9, End::Head, input),
            (9, End::Tail, "a=5\na=[3,4]\n-\na=1"),
        ] {
            check(RowStage::Limit { rows, from }, input, expected);
        }
    }
}
