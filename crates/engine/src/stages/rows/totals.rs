//! `Totals`: sums of rows, and a row with the sum of each column. What is no number does not
//! count, nor do columns with a leading `_`, unless they are named.

use std::collections::BTreeMap;

use rulestone_ir::{NamePattern, Totals};
use rulestone_value::Value;

use super::values::{float, of_float};
use super::{OverPane, Refusal, Run};
use crate::row::{Names, Proof, Slot, Tuple};

#[derive(Debug)]
pub(super) struct TotalsStage {
    fields: Vec<NamePattern>,
    row: Option<Slot>,
    column: bool,
    label: Option<(Slot, String)>,
    sums: BTreeMap<Slot, f64>,
    proof: Proof,
    done: bool,
}

impl TotalsStage {
    pub(super) fn new(totals: &Totals, names: &mut Names) -> Self {
        TotalsStage {
            fields: totals.fields.clone(),
            row: totals.row.as_ref().map(|name| names.slot(name)),
            column: totals.column,
            label: totals.label.as_ref().map(|(name, text)| (names.slot(name), text.clone())),
            sums: BTreeMap::new(),
            proof: Proof::default(),
            done: false,
        }
    }

    fn counts(&self, name: &str) -> bool {
        match self.fields.is_empty() {
            true => !name.starts_with('_'),
            false => self.fields.iter().any(|field| field.matches(name)),
        }
    }
}

impl OverPane for TotalsStage {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        mut row: Tuple,
        out: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        let mut total = 0.0;
        for (slot, value) in row.columns() {
            if Some(slot) == self.row || !self.counts(run.names.name(slot)) {
                continue;
            }
            let Some(number) = float(value) else { continue };
            total += number;
            if self.column {
                *self.sums.entry(slot).or_default() += number;
            }
        }
        if let Some(slot) = self.row {
            row.set(slot, of_float(total));
            if self.column {
                *self.sums.entry(slot).or_default() += total;
            }
        }
        if self.column {
            self.proof.add(&row.proof);
        }
        out.push(row);
        Ok(())
    }

    fn drain(&mut self, _: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        if self.column && !std::mem::replace(&mut self.done, true) {
            let mut row = Tuple { values: Vec::new(), proof: std::mem::take(&mut self.proof) };
            self.sums.iter().for_each(|(slot, sum)| row.set(*slot, of_float(*sum)));
            if let Some((slot, text)) = &self.label {
                row.set(*slot, Value::string(text.as_str()));
            }
            out.push(row);
        }
        Ok(false)
    }

    fn reset(&mut self) {
        (self.sums, self.proof, self.done) = (BTreeMap::new(), Proof::default(), false);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_ir::{NamePattern, RowStage, Totals};

    use crate::stages::rows::notation::{check, names};

    #[test]
    fn sums() {
        let totals = |fields: &str, row: Option<&str>, column| {
            RowStage::Totals(Totals {
                fields: names(fields).into_iter().map(NamePattern::new).collect(),
                row: row.map(Arc::from),
                column,
                label: column.then(|| (Arc::from("l"), "all".to_owned())),
            })
        };
        let input = "_time=@1 a=1 b='2.5' c=x\na=[1,2]\n-";
        for (stage, expected) in [
            (totals("", Some("t"), false), "_time=@1 a=1 b='2.5' c=x t=3.5\na=[1,2] t=0\nt=0"),
            (totals("a", Some("t"), false), "_time=@1 a=1 b='2.5' c=x t=1\na=[1,2] t=0\nt=0"),
            (totals("", None, true), "_time=@1 a=1 b='2.5' c=x\na=[1,2]\n-\na=1 b=2.5 l=all"),
            (
                totals("b", Some("t"), true),
                "_time=@1 a=1 b='2.5' c=x t=2.5\na=[1,2] t=0\nt=0\nb=2.5 t=2.5 l=all",
            ),
        ] {
            check(stage, input, expected);
        }
    }
}
