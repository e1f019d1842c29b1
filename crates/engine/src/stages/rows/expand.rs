//! `Expand`: a row of each element of a list.

use std::sync::Arc;

use super::{Refusal, RowWise, Run};
use crate::row::{Names, Slot, Tuple};
use rulestone_value::Value;

#[derive(Debug)]
pub(super) struct ExpandStage {
    slot: Slot,
    most: usize,
}

impl ExpandStage {
    pub(super) fn new(field: &Arc<str>, limit: Option<u64>, names: &mut Names) -> Self {
        let most = limit.filter(|limit| *limit > 0).unwrap_or(u64::MAX);
        ExpandStage { slot: names.slot(field), most: usize::try_from(most).unwrap_or(usize::MAX) }
    }
}

impl RowWise for ExpandStage {
    fn apply(&self, _: &mut Run, mut row: Tuple, out: &mut Vec<Tuple>) -> Result<(), Refusal> {
        match row.take(self.slot) {
            Value::List(values) => {
                for value in values.into_iter().take(self.most) {
                    let mut one = row.clone();
                    one.set(self.slot, value);
                    out.push(one);
                }
            }
            value => {
                row.set(self.slot, value);
                out.push(row);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_ir::RowStage;

    use crate::stages::rows::notation::check;

    #[test]
    fn one_row_an_element() {
        let expand = |limit| RowStage::Expand { field: Arc::from("a"), limit };
        let input = "a=[1,2,3] b=x\na=4\nb=y";
        check(expand(None), input, "a=1 b=x\na=2 b=x\na=3 b=x\na=4\nb=y");
        check(expand(Some(2)), input, "a=1 b=x\na=2 b=x\na=4\nb=y");
        check(expand(Some(0)), "a=[1,2]", "a=1\na=2");
    }
}
