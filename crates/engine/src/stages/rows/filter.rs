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

#[cfg(test)]
mod tests {
    use rulestone_ir::{Formula, RowStage};

    use crate::stages::rows::notation::{check, equals};

    #[test]
    fn keeps_what_holds() {
        let is = |formula| RowStage::Filter { condition: formula };
        let input = "a=1 b=x\na=2\nb=y\na=[1,2]";
        check(is(equals("a", "1")), input, "a=1 b=x\na=[1,2]");
        // A filter has two values: null is not 1.
        check(is(Formula::not(equals("a", "1"))), input, "a=2\nb=y");
        check(is(Formula::TRUE), input, input);
    }
}
