//! `Reverse`: rows in reverse.

use super::{OverPane, Refusal, Run, drain_rows};
use crate::row::Tuple;

#[derive(Debug, Default)]
pub(super) struct ReverseStage {
    rows: Vec<Tuple>,
}

impl OverPane for ReverseStage {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        row: Tuple,
        _: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        run.memory.hold_row(&row)?;
        self.rows.push(row);
        Ok(())
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        drain_rows(&mut std::iter::from_fn(|| self.rows.pop()), run, out)
    }

    fn reset(&mut self) {
        self.rows = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use rulestone_ir::RowStage;

    use crate::stages::rows::notation::check;

    #[test]
    fn the_last_first() {
        check(RowStage::Reverse, "a=1\n-\na=[2,3]", "a=[2,3]\n-\na=1");
    }
}
