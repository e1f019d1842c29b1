//! `Combine`: joins the values of a column of neighbouring rows that are equal otherwise.

use rulestone_value::Value;

use super::values::{same, text};
use super::{OverPane, Refusal, Run, value_heap};
use crate::row::{Names, Slot, Tuple};

#[derive(Debug)]
pub(super) struct CombineStage {
    slot: Slot,
    joined: Option<String>,
    /// The row that still grows, and its values of the column.
    open: Option<(Tuple, Vec<Value>)>,
}

impl CombineStage {
    pub(super) fn new(field: &str, joined: Option<&String>, names: &mut Names) -> Self {
        CombineStage { slot: names.slot(field), joined: joined.cloned(), open: None }
    }

    fn close(&mut self) -> Option<Tuple> {
        let (mut row, values) = self.open.take()?;
        let value = match &self.joined {
            Some(between) if !values.is_empty() => {
                let texts: Vec<_> = values.iter().filter_map(text).collect();
                Value::String(texts.join(between))
            }
            _ => Value::list(values),
        };
        row.set(self.slot, value);
        Some(row)
    }
}

fn equal(left: &Tuple, right: &Tuple) -> bool {
    (0..left.values.len().max(right.values.len())).all(|at| same(left.get(at), right.get(at)))
}

impl OverPane for CombineStage {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        mut row: Tuple,
        out: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        let value = row.take(self.slot);
        run.memory.hold(size_of::<Value>() + value_heap(&value))?;
        match &mut self.open {
            Some((open, values)) if equal(open, &row) => {
                open.proof.add(&row.proof);
                values.extend(value.elements().iter().cloned());
            }
            _ => {
                out.extend(self.close());
                self.open = Some((row, value.elements().to_vec()));
            }
        }
        Ok(())
    }

    fn drain(&mut self, _: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        out.extend(self.close());
        Ok(false)
    }

    fn reset(&mut self) {
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_ir::RowStage;

    use crate::stages::rows::notation::check;

    #[test]
    fn neighbours_that_are_equal_otherwise() {
        let combine = |joined: Option<&str>| RowStage::Combine {
            field: Arc::from("a"),
            joined: joined.map(str::to_owned),
        };
        let input = "k=1 a=x\nk='1' a=[y,z]\nk=1\nk=2 a=x\nk=1 a=x";
        check(combine(None), input, "k=1 a=[x,y,z]\nk=2 a=x\nk=1 a=x");
        check(combine(Some("; ")), input, "k=1 a='x; y; z'\nk=2 a=x\nk=1 a=x");
    }
}
