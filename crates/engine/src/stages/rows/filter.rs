//! `Filter`: keeps the rows for which a formula holds.

use rulestone_ir::Formula;

use super::{Refusal, RowWise, Run};
use crate::eval::CompiledFormula;
use crate::row::{Names, Tuple};

#[derive(Debug)]
pub(super) struct FilterStage(CompiledFormula);

impl FilterStage {
    pub(super) fn new(condition: &Formula, names: &mut Names) -> Self {
        FilterStage(CompiledFormula::new(condition, names))
    }
}

impl RowWise for FilterStage {
    fn apply(&self, run: &mut Run, row: Tuple, out: &mut Vec<Tuple>) -> Result<(), Refusal> {
        if self.0.holds(&run.context(&row)) {
            out.push(row);
        }
        Ok(())
    }
}
