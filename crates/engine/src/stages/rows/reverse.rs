//! `Reverse`: rows in reverse.

use super::{OfAllRows, Refusal, Run};
use crate::row::Tuple;

#[derive(Debug)]
pub(super) struct ReverseStage;

impl OfAllRows for ReverseStage {
    fn work(&mut self, _: &mut Run, rows: Vec<Tuple>) -> Result<Vec<Tuple>, Refusal> {
        Ok(rows)
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
