//! `Append` and `AppendColumns`: the rows of several inputs, behind or beside each other.

use std::collections::VecDeque;

use super::{BATCH, OverPane, Refusal, Run};
use crate::row::Tuple;

/// Rows of the inputs, one input after the other: what comes early waits for its turn.
#[derive(Debug)]
pub(super) struct AppendStage {
    waiting: Vec<VecDeque<Tuple>>,
    ended: Vec<bool>,
}

impl AppendStage {
    pub(super) fn new(inputs: usize) -> Self {
        AppendStage { waiting: vec![VecDeque::new(); inputs], ended: vec![false; inputs] }
    }

    /// The input whose turn it is.
    fn turn(&self) -> usize {
        self.ended.iter().take_while(|ended| **ended).count()
    }
}

impl OverPane for AppendStage {
    fn push(
        &mut self,
        run: &mut Run,
        input: usize,
        row: Tuple,
        out: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        if input == self.turn() {
            out.push(row);
        } else if let Some(waiting) = self.waiting.get_mut(input) {
            run.memory.hold_row(&row)?;
            waiting.push_back(row);
        }
        Ok(())
    }

    fn end(&mut self, run: &mut Run, input: usize, out: &mut Vec<Tuple>) -> Result<(), Refusal> {
        if let Some(ended) = self.ended.get_mut(input) {
            *ended = true;
        }
        let turn = self.turn();
        for waiting in self.waiting.iter_mut().take(turn + 1) {
            for row in std::mem::take(waiting) {
                run.memory.release_row(&row);
                out.push(row);
            }
        }
        Ok(())
    }

    fn reset(&mut self) {
        *self = AppendStage::new(self.ended.len());
    }
}

/// The columns of two inputs side by side, row by row; where one has more rows than the other, they
/// stand alone.
#[derive(Debug)]
pub(super) struct ColumnsStage {
    overwrite: bool,
    waiting: [VecDeque<Tuple>; 2],
    ended: [bool; 2],
}

impl ColumnsStage {
    pub(super) fn new(overwrite: bool) -> Self {
        ColumnsStage { overwrite, waiting: Default::default(), ended: [false; 2] }
    }

    /// Puts the rows together that have each other, or can have no other any more.
    fn pair(&mut self, run: &mut Run, out: &mut Vec<Tuple>) {
        while out.len() < BATCH {
            let [first, second] = &mut self.waiting;
            let settled = |rows: &VecDeque<Tuple>, ended: bool| !rows.is_empty() || ended;
            if !settled(first, self.ended[0]) || !settled(second, self.ended[1]) {
                return;
            }
            let (row, other) = (first.pop_front(), second.pop_front());
            [&row, &other].into_iter().flatten().for_each(|row| run.memory.release_row(row));
            match (row, other) {
                (Some(row), Some(other)) => out.push(beside(row, other, self.overwrite)),
                (Some(row), None) | (None, Some(row)) => out.push(row),
                (None, None) => return,
            }
        }
    }
}

/// The columns of two rows in one; where both have one, the second's if it overwrites.
pub(super) fn beside(mut row: Tuple, other: Tuple, overwrite: bool) -> Tuple {
    row.proof.add(&other.proof);
    for (slot, value) in other.values.into_iter().enumerate() {
        if !value.is_null() && (overwrite || row.get(slot).is_null()) {
            row.set(slot, value);
        }
    }
    row
}

impl OverPane for ColumnsStage {
    fn push(
        &mut self,
        run: &mut Run,
        input: usize,
        row: Tuple,
        out: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        if input < 2 {
            run.memory.hold_row(&row)?;
            self.waiting[input].push_back(row);
            self.pair(run, out);
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Run, input: usize, _: &mut Vec<Tuple>) -> Result<(), Refusal> {
        if let Some(ended) = self.ended.get_mut(input) {
            *ended = true;
        }
        Ok(())
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        self.ended = [true; 2];
        self.pair(run, out);
        Ok(self.waiting.iter().any(|rows| !rows.is_empty()))
    }

    fn reset(&mut self) {
        *self = ColumnsStage::new(self.overwrite);
    }
}

#[cfg(test)]
mod tests {
    use rulestone_ir::RowStage;

    use crate::stages::rows::notation::check_two;

    #[test]
    fn behind_each_other() {
        check_two(RowStage::Append, "a=1\na=2", "b=1\n-\nb=[1,2]", "a=1\na=2\nb=1\n-\nb=[1,2]");
        check_two(RowStage::Append, "", "b=1", "b=1");
    }

    #[test]
    fn beside_each_other() {
        let stage = |overwrite| RowStage::AppendColumns { overwrite };
        let (first, second) = ("a=1 b=1\na=2\na=3", "b=9\nb=[7,8] a=0");
        check_two(stage(false), first, second, "a=1 b=1\na=2 b=[7,8]\na=3");
        check_two(stage(true), first, second, "a=1 b=9\na=0 b=[7,8]\na=3");
        check_two(stage(false), "a=1", "b=1\nb=2", "a=1 b=1\nb=2");
    }
}
