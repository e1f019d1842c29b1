//! `Compute`: sets columns, one after the other.
//!
//! A step for several columns goes over its patterns in order and over the columns of each by
//! name. A name without a star is worked in every row, whether or not the row has it; a pattern
//! in those columns that the row has.

use rulestone_ir::{Expr, NamePattern, Target};
use rulestone_value::Value;

use super::values::text;
use super::{Refusal, RowWise, Run, columns_by_name};
use crate::eval::{ColumnAtHand, Compiled};
use crate::row::{Names, Slot, Tuple};

#[derive(Debug)]
pub(super) struct ComputeStage(Vec<(Aim, Compiled)>);

#[derive(Debug)]
enum Aim {
    Column(Slot),
    Indirect(Slot),
    Each(Vec<NamePattern>, NamePattern),
}

impl ComputeStage {
    pub(super) fn new(steps: &[(Target, Expr)], names: &mut Names) -> Self {
        let step = |(target, expr): &(Target, Expr)| {
            let aim = match target {
                Target::Name(name) => Aim::Column(names.slot(name)),
                Target::Indirect(name) => Aim::Indirect(names.slot(name)),
                Target::Each(patterns, into) => Aim::Each(patterns.clone(), into.clone()),
            };
            (aim, Compiled::new(expr, names))
        };
        ComputeStage(steps.iter().map(step).collect())
    }
}

impl RowWise for ComputeStage {
    fn apply(&self, run: &mut Run, mut row: Tuple, out: &mut Vec<Tuple>) -> Result<(), Refusal> {
        for (aim, expr) in &self.0 {
            match aim {
                Aim::Column(slot) => {
                    let value = expr.value(&run.context(&row));
                    row.set(*slot, value);
                }
                Aim::Indirect(slot) => {
                    let value = expr.value(&run.context(&row));
                    if let Some(name) = text(row.get(*slot)).map(|name| name.into_owned()) {
                        let slot = run.column(&name)?;
                        row.set(slot, value);
                    }
                }
                Aim::Each(patterns, into) => each(run, &mut row, patterns, into, expr)?,
            }
        }
        out.push(row);
        Ok(())
    }
}

/// A step for every column of these names.
fn each(
    run: &mut Run,
    row: &mut Tuple,
    patterns: &[NamePattern],
    into: &NamePattern,
    expr: &Compiled,
) -> Result<(), Refusal> {
    for pattern in patterns {
        let columns = match pattern.name() {
            Some(name) => vec![(run.column(name)?, name.clone())],
            None => columns_by_name(run, row, |name| pattern.matches(name)),
        };
        for (slot, name) in columns {
            let stars = pattern.stars(&name).unwrap_or_default();
            // A name without a star stands for itself.
            let star = stars.first().copied().unwrap_or(&name);
            let value: Value = {
                let at = ColumnAtHand { value: row.get(slot), name: &name, star };
                expr.value(&crate::eval::Context { at: Some(at), ..run.context(row) })
            };
            let target = match into.name() {
                Some(name) => run.column(name)?,
                None if stars.is_empty() => run.column(&into.fill(&[star]))?,
                None => run.column(&into.fill(&stars))?,
            };
            row.set(target, value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_ir::{Expr, Function, NamePattern, RowStage, Target};

    use crate::stages::rows::notation::{call, check, field, literal};

    fn name(name: &str) -> Target {
        Target::Name(Arc::from(name))
    }

    #[test]
    fn each_step_sees_those_before() {
        let sum = call(Function::Add, vec![field("a"), literal("1")]);
        let steps = vec![
            (name("b"), sum.clone()),
            (name("a"), literal("0")),
            (name("c"), sum),
            (name("d"), field("absent")),
        ];
        // Null takes a column away.
        let expected = "a=0 b=2 c=1\na=0 c=1";
        check(RowStage::Compute { steps }, "a=1 d=9\nb=5", expected);
    }

    #[test]
    fn a_column_named_by_another() {
        let steps = vec![(Target::Indirect(Arc::from("n")), literal("7"))];
        check(RowStage::Compute { steps }, "n=x\nm=1", "n=x x=7\nm=1");
    }

    #[test]
    fn every_column_of_a_pattern() {
        let each = |patterns: &[&str], into, expr| {
            let patterns = patterns.iter().map(|pattern| NamePattern::new(*pattern)).collect();
            RowStage::Compute {
                steps: vec![(Target::Each(patterns, NamePattern::new(into)), expr)],
            }
        };
        let upper = call(Function::Upper, vec![Expr::This]);
        let input = "a_x=p b_x=[q,r] c=s\nc=t";
        check(each(&["*_x"], "*_x", upper.clone()), input, "a_x=P b_x=[Q,R] c=s\nc=t");
        check(each(&["*_x"], "up_*", upper), input, "a_x=p b_x=[q,r] c=s up_a=P up_b=[Q,R]\nc=t");
        // A name is worked where it is absent too.
        let missing = call(Function::Coalesce, vec![Expr::This, Expr::ThisName]);
        check(each(&["c", "d"], "*", missing), "c=1", "c=1 d=d");
    }
}
