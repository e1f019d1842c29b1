//! `Pivot`, `Unpivot` and `Transpose`: values become columns, and columns values.

use std::collections::BTreeMap;
use std::sync::Arc;

use rulestone_ir::Pivot;
use rulestone_value::Value;

use super::values::{Keys, float, of_float, whole_text};
use super::{BATCH, OfAllRows, OverPane, Refusal, Run, columns_by_name, value_heap};
use crate::row::{Names, Proof, Slot, Tuple};

/// Values by column and measure.
type Cells = BTreeMap<(u32, u32), Value>;

/// A column of each value of one. Rows come in the order in which they were first seen. Where two
/// rows give the same cell, numbers are added up.
#[derive(Debug)]
pub(super) struct PivotStage {
    row: Vec<Slot>,
    column: Slot,
    values: Vec<(Arc<str>, Slot)>,
    most: usize,
    other: bool,
    null: bool,
    fill: Option<Value>,
    keys: Keys,
    rows: Vec<(Proof, Cells)>,
    /// The values that become columns, by the place in which they were first seen, each with the
    /// sum of its first measure.
    columns: Keys,
    sums: Vec<f64>,
    /// By column and measure: where its values go.
    ready: Option<BTreeMap<(u32, u32), Slot>>,
    next: usize,
}

impl PivotStage {
    pub(super) fn new(pivot: &Pivot, names: &mut Names) -> Self {
        let row: Vec<Slot> = pivot.row.iter().map(|name| names.slot(name)).collect();
        PivotStage {
            keys: Keys::new(row.len()),
            row,
            column: names.slot(&pivot.column),
            values: pivot.values.iter().map(|name| (name.clone(), names.slot(name))).collect(),
            most: if pivot.most == 0 { usize::MAX } else { pivot.most as usize },
            other: pivot.other,
            null: pivot.null,
            fill: pivot.fill.clone(),
            rows: Vec::new(),
            columns: Keys::new(1),
            sums: Vec::new(),
            ready: None,
            next: 0,
        }
    }

    /// Which of the columns stay, and what each is called: those with the greatest sums.
    fn names(&self, run: &mut Run) -> Result<BTreeMap<(u32, u32), Slot>, Refusal> {
        let mut order: Vec<usize> = (0..self.sums.len()).collect();
        order.sort_by(|a, b| self.sums[*b].total_cmp(&self.sums[*a]).then(a.cmp(b)));
        let mut slots = BTreeMap::new();
        for (rank, column) in order.into_iter().enumerate() {
            if rank >= self.most && !self.other {
                break;
            }
            let text = whole_text(&self.columns.key(column)[0]).unwrap_or_default().into_owned();
            if rank >= self.most && !self.other {
                break;
            }
            let text = if rank < self.most { text.as_str() } else { "OTHER" };
            for (at, (measure, _)) in self.values.iter().enumerate() {
                let name = match self.values.len() {
                    1 => text.to_owned(),
                    _ => format!("{measure}: {text}"),
                };
                slots.insert((column as u32, at as u32), run.column(&name)?);
            }
        }
        Ok(slots)
    }
}

/// Adds a value to a cell.
fn add(cell: &mut Value, value: Value) {
    let sum = float(cell).zip(float(&value)).map(|(a, b)| of_float(a + b));
    *cell = match (sum, cell.is_null()) {
        (Some(sum), _) => sum,
        (None, true) => value,
        (None, false) => Value::list([std::mem::take(cell), value]),
    };
}

impl OverPane for PivotStage {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        row: Tuple,
        _: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        let name = match row.get(self.column) {
            Value::Null if !self.null => return Ok(()),
            Value::Null => Value::string("NULL"),
            value => Value::string(whole_text(value).unwrap_or_default()),
        };
        let key: Vec<&Value> = self.row.iter().map(|slot| row.get(*slot)).collect();
        let (number, new) = self.keys.number(&key);
        if let Some(bytes) = new {
            self.rows.push((Proof::default(), Cells::new()));
            run.memory.hold(bytes + 600)?;
        }
        let (column, new) = self.columns.number(&[&name]);
        if let Some(bytes) = new {
            self.sums.push(0.0);
            run.memory.hold(bytes + 8)?;
        }
        let (proof, cells) = &mut self.rows[number];
        proof.add(&row.proof);
        for (at, (_, slot)) in self.values.iter().enumerate() {
            let value = row.get(*slot);
            if at == 0 {
                self.sums[column] += float(value).unwrap_or_default();
            }
            run.memory.hold(64 + value_heap(value))?;
            add(cells.entry((column as u32, at as u32)).or_default(), value.clone());
        }
        Ok(())
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        if self.ready.is_none() {
            self.ready = Some(self.names(run)?);
        }
        let Some(slots) = &self.ready else { return Ok(false) };
        let until = (self.next + BATCH).min(self.rows.len());
        for at in self.next..until {
            let (proof, cells) = std::mem::take(&mut self.rows[at]);
            let mut row = Tuple { values: Vec::new(), proof };
            if let Some(fill) = &self.fill {
                slots.values().for_each(|slot| row.set(*slot, fill.clone()));
            }
            let mut sums: BTreeMap<Slot, Value> = BTreeMap::new();
            for (place, value) in cells {
                if let Some(slot) = slots.get(&place) {
                    add(sums.entry(*slot).or_default(), value);
                }
            }
            for (slot, value) in sums {
                if !value.is_null() {
                    row.set(slot, value);
                }
            }
            for (slot, value) in self.row.iter().zip(self.keys.key(at)) {
                row.set(*slot, value.clone());
            }
            out.push(row);
        }
        self.next = until;
        Ok(until < self.rows.len())
    }

    fn reset(&mut self) {
        self.keys.clear();
        self.columns.clear();
        (self.rows, self.sums) = (Vec::new(), Vec::new());
        (self.ready, self.next) = (None, 0);
    }
}

/// A row for each column but one, in the order of their names.
#[derive(Debug)]
pub(super) struct UnpivotStage {
    row: Slot,
    name: Slot,
    value: Slot,
}

impl UnpivotStage {
    pub(super) fn new(row: &str, name: &str, value: &str, names: &mut Names) -> Self {
        UnpivotStage { row: names.slot(row), name: names.slot(name), value: names.slot(value) }
    }
}

impl super::RowWise for UnpivotStage {
    fn apply(&self, run: &mut Run, row: Tuple, out: &mut Vec<Tuple>) -> Result<(), Refusal> {
        let kept = run.names.name(self.row).clone();
        let columns = columns_by_name(run, &row, |name| *name != *kept && !name.starts_with('_'));
        for (slot, name) in columns {
            let mut one = Tuple { values: Vec::new(), proof: row.proof.clone() };
            one.set(self.row, row.get(self.row).clone());
            one.set(self.name, Value::string(&*name));
            one.set(self.value, row.get(slot).clone());
            out.push(one);
        }
        Ok(())
    }
}

/// Rows become columns: `row 1`, `row 2` …, or the values of the header.
#[derive(Debug)]
pub(super) struct TransposeStage {
    most: u64,
    header: Option<Slot>,
    column: Slot,
}

impl TransposeStage {
    pub(super) fn new(
        most: u64,
        header: Option<&Arc<str>>,
        column: &str,
        names: &mut Names,
    ) -> Self {
        let header = header.map(|name| names.slot(name));
        let column = names.slot(column);
        TransposeStage { most, header, column }
    }
}

impl OfAllRows for TransposeStage {
    fn keeps(&self, kept: usize) -> bool {
        self.most == 0 || (kept as u64) < self.most
    }

    fn work(&mut self, run: &mut Run, rows: Vec<Tuple>) -> Result<Vec<Tuple>, Refusal> {
        let mut turned: BTreeMap<Arc<str>, Tuple> = BTreeMap::new();
        for (at, row) in rows.iter().enumerate() {
            let header = self.header.and_then(|slot| whole_text(row.get(slot)));
            let name = header.map_or_else(|| format!("row {}", at + 1), |text| text.into_owned());
            let into = run.column(&name)?;
            for (slot, value) in row.columns() {
                let name = run.names.name(slot);
                if Some(slot) == self.header || (name.starts_with('_') && **name != *"_time") {
                    continue;
                }
                let one = turned.entry(name.clone()).or_default();
                one.set(into, value.clone());
                one.proof.add(&row.proof);
            }
        }
        let mut out = Vec::with_capacity(turned.len());
        for (name, mut row) in turned {
            row.set(self.column, Value::string(&*name));
            run.memory.hold_row(&row)?;
            out.push(row);
        }
        out.reverse();
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_ir::{Pivot, RowStage};
    use rulestone_value::Value;

    use crate::stages::rows::notation::{check, names};

    #[test]
    fn values_become_columns() {
        let plain = Pivot {
            row: names("t"),
            column: Arc::from("k"),
            values: names("n"),
            most: 0,
            other: true,
            null: false,
            fill: None,
        };
        let input = "t=1 k=a n=2 m=9\nt=1 k=b n=5\nt=2 k=a n=1\nt=2 n=7\nt=3 k=c n=1";
        for (pivot, expected) in [
            (plain.clone(), "t=1 a=2 b=5\nt=2 a=1\nt=3 c=1"),
            (Pivot { null: true, ..plain.clone() }, "t=1 a=2 b=5\nt=2 a=1 NULL=7\nt=3 c=1"),
            (
                Pivot { most: 1, fill: Some(Value::Integer(0)), ..plain.clone() },
                "t=1 b=5 OTHER=2\nt=2 b=0 OTHER=1\nt=3 b=0 OTHER=1",
            ),
            (Pivot { most: 1, other: false, ..plain.clone() }, "t=1 b=5\nt=2\nt=3"),
            (
                Pivot { values: names("n m"), ..plain },
                "t=1 n:a=2 m:a=9 n:b=5\nt=2 n:a=1\nt=3 n:c=1",
            ),
        ] {
            check(RowStage::Pivot(pivot), input, expected);
        }
    }

    #[test]
    fn columns_become_values() {
        let stage =
            RowStage::Unpivot { row: Arc::from("t"), name: Arc::from("k"), value: Arc::from("v") };
        check(stage, "t=1 b=2 a=[3,4] _time=@1\nb=5\n-", "t=1 k=a v=[3,4]\nt=1 k=b v=2\nk=b v=5");
    }

    #[test]
    fn rows_become_columns() {
        let transpose = |rows, header: Option<&str>| RowStage::Transpose {
            rows,
            header: header.map(Arc::from),
            column: Arc::from("column"),
        };
        let input = "h=x b=1 a=[2,3]\nh=y a=4\nh=z";
        check(transpose(2, Some("h")), input, "column=a x=[2,3] y=4\ncolumn=b x=1");
        check(transpose(1, None), "b=1", "column=b row1=1");
    }
}
