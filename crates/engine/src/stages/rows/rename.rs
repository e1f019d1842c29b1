//! `Rename`: renames columns, from left to right.

use rulestone_ir::{AbsentSource, NamePattern};
use rulestone_value::Value;

use super::{Refusal, RowWise, Run, columns_by_name};
use crate::row::{Names, Slot, Tuple};

#[derive(Debug)]
pub(super) struct RenameStage {
    pairs: Vec<Pair>,
    absent: AbsentSource,
}

#[derive(Debug)]
enum Pair {
    Columns(Slot, Slot),
    Patterns(NamePattern, NamePattern),
}

impl RenameStage {
    pub(super) fn new(
        pairs: &[(NamePattern, NamePattern)],
        absent: AbsentSource,
        names: &mut Names,
    ) -> Self {
        let pair = |(old, new): &(NamePattern, NamePattern)| match (old.name(), new.name()) {
            (Some(old), Some(new)) => Pair::Columns(names.slot(old), names.slot(new)),
            _ => Pair::Patterns(old.clone(), new.clone()),
        };
        RenameStage { pairs: pairs.iter().map(pair).collect(), absent }
    }
}

impl RowWise for RenameStage {
    fn apply(&self, run: &mut Run, mut row: Tuple, out: &mut Vec<Tuple>) -> Result<(), Refusal> {
        for pair in &self.pairs {
            match pair {
                Pair::Columns(old, new) if old == new => {}
                Pair::Columns(old, new) => {
                    let value = row.take(*old);
                    if !value.is_null() || self.absent == AbsentSource::Clears {
                        row.set(*new, value);
                    }
                }
                Pair::Patterns(old, new) => rename_all(run, &mut row, old, new)?,
            }
        }
        out.push(row);
        Ok(())
    }
}

/// Renames every column that fits, all at once: none is in another's way.
fn rename_all(
    run: &mut Run,
    row: &mut Tuple,
    old: &NamePattern,
    new: &NamePattern,
) -> Result<(), Refusal> {
    let columns = columns_by_name(run, row, |name| old.matches(name));
    let mut renamed: Vec<(Slot, Value)> = Vec::with_capacity(columns.len());
    for (slot, name) in columns {
        let stars = old.stars(&name).unwrap_or_default();
        renamed.push((run.column(&new.fill(&stars))?, row.take(slot)));
    }
    renamed.into_iter().for_each(|(slot, value)| row.set(slot, value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use rulestone_ir::{AbsentSource, NamePattern, RowStage};

    use crate::stages::rows::notation::{check, names};

    fn rename(pairs: &str, absent: AbsentSource) -> RowStage {
        let names: Vec<_> = names(pairs).into_iter().map(NamePattern::new).collect();
        let pairs = names.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        RowStage::Rename { pairs, absent }
    }

    #[test]
    fn from_left_to_right() {
        let clears = AbsentSource::Clears;
        for (pairs, absent, input, expected) in [
            ("a b", clears, "a=1 c=2\na=[1,2]\nc=3", "b=1 c=2\nb=[1,2]\nc=3"),
            ("a b", clears, "b=9", "-"),
            ("a b", AbsentSource::Nothing, "b=9", "b=9"),
            ("a b b c", clears, "a=1 b=2", "c=1"),
            ("a a", clears, "a=1", "a=1"),
            ("P.* *", clears, "P.x=1 P.y=2 z=3", "x=1 y=2 z=3"),
            ("pp* op* p* pp*", clears, "pp_id=1 p_id=2", "op_id=1 pp_id=2"),
            ("*_x x_*", clears, "a_x=1 b=2", "x_a=1 b=2"),
            ("* *", clears, "a=1 b=2", "a=1 b=2"),
        ] {
            check(rename(pairs, absent), input, expected);
        }
    }
}
