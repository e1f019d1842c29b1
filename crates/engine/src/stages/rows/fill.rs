//! `Fill` and `FillDown`: a value where there is none.

use std::sync::Arc;

use rulestone_ir::NamePattern;
use rulestone_value::Value;

use super::{OverPane, Refusal, RowWise, Run, drain_rows};
use crate::row::{Names, Slot, Tuple};

/// Fills these columns, whether or not they are there.
#[derive(Debug)]
pub(super) struct FillNamed {
    slots: Vec<Slot>,
    value: Value,
}

impl FillNamed {
    pub(super) fn new(fields: &[Arc<str>], value: &Value, names: &mut Names) -> Self {
        let slots = fields.iter().map(|name| names.slot(name)).collect();
        FillNamed { slots, value: value.clone() }
    }
}

impl RowWise for FillNamed {
    fn apply(&self, _: &mut Run, mut row: Tuple, out: &mut Vec<Tuple>) -> Result<(), Refusal> {
        for slot in &self.slots {
            if row.get(*slot).is_null() {
                row.set(*slot, self.value.clone());
            }
        }
        out.push(row);
        Ok(())
    }
}

/// Fills every column that a row of the pane has: all rows have to be seen first.
#[derive(Debug)]
pub(super) struct FillAll {
    value: Value,
    rows: Vec<Tuple>,
    /// By slot.
    there: Vec<bool>,
    at: usize,
}

impl FillAll {
    pub(super) fn new(value: &Value) -> Self {
        FillAll { value: value.clone(), rows: Vec::new(), there: Vec::new(), at: 0 }
    }
}

impl OverPane for FillAll {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        row: Tuple,
        _: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        self.there.resize(self.there.len().max(row.values.len()), false);
        row.columns().for_each(|(slot, _)| self.there[slot] = true);
        run.memory.hold_row(&row)?;
        self.rows.push(row);
        Ok(())
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        let (rows, at) = (&mut self.rows, &mut self.at);
        let mut next = std::iter::from_fn(|| {
            let row = rows.get_mut(*at).map(std::mem::take);
            *at += 1;
            row
        });
        let more = drain_rows(&mut next, run, out)?;
        for row in out.iter_mut() {
            for slot in 0..self.there.len() {
                if self.there[slot] && row.get(slot).is_null() {
                    row.set(slot, self.value.clone());
                }
            }
        }
        Ok(more)
    }

    fn reset(&mut self) {
        *self = FillAll::new(&self.value);
    }
}

/// Puts the last value of a column where there is none.
#[derive(Debug)]
pub(super) struct FillDownStage {
    fields: Vec<NamePattern>,
    /// By slot.
    last: Vec<Value>,
}

impl FillDownStage {
    pub(super) fn new(fields: &[NamePattern]) -> Self {
        FillDownStage { fields: fields.to_vec(), last: Vec::new() }
    }
}

impl OverPane for FillDownStage {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        mut row: Tuple,
        out: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        let width = self.last.len().max(row.values.len());
        self.last.resize(width, Value::Null);
        for slot in 0..width {
            let name = run.names.name(slot);
            if !self.fields.is_empty() && !self.fields.iter().any(|field| field.matches(name)) {
                continue;
            }
            match row.get(slot) {
                Value::Null => row.set(slot, self.last[slot].clone()),
                value => self.last[slot] = value.clone(),
            }
        }
        out.push(row);
        Ok(())
    }

    fn reset(&mut self) {
        self.last = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use rulestone_ir::{FillFields, NamePattern, RowStage};
    use rulestone_value::Value;

    use crate::stages::rows::notation::{check, names};

    #[test]
    fn where_there_is_nothing() {
        let fill = |fields| RowStage::Fill { fields, value: Value::Integer(0) };
        let input = "a=1\nb=[2,3]\n-";
        let some = FillFields::Names(names("a z"));
        check(fill(some), input, "a=1 z=0\na=0 b=[2,3] z=0\na=0 z=0");
        check(fill(FillFields::All), input, "a=1 b=0\na=0 b=[2,3]\na=0 b=0");
    }

    #[test]
    fn the_last_value_goes_on() {
        let down = |fields: &str| RowStage::FillDown {
            fields: names(fields).into_iter().map(NamePattern::new).collect(),
        };
        let input = "b=1\na=1\n-\na=[2,3]\nb=2";
        check(down(""), input, "b=1\na=1 b=1\na=1 b=1\na=[2,3] b=1\na=[2,3] b=2");
        check(down("a"), input, "b=1\na=1\na=1\na=[2,3]\na=[2,3] b=2");
    }
}
