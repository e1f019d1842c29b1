//! Formulas over rows.

use rulestone_ir::{Field, Formula, Predicate, Test};
use rulestone_value::Value;

use super::{Compiled, Context};
use crate::matcher::{over_elements, same_as};
use crate::reference::element_passes;
use crate::row::{Names, Slot};

/// A formula, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct CompiledFormula(Part);

#[derive(Debug)]
enum Part {
    And(Vec<Part>),
    Or(Vec<Part>),
    Not(Box<Part>),
    /// A test of a column.
    Test(Slot, Predicate),
    /// A test of every column.
    Any(Predicate),
    /// A test of a column against another.
    Same(Slot, Slot, Predicate),
    IsTrue(Box<Compiled>),
}

impl CompiledFormula {
    /// Makes a formula ready; its columns get slots.
    pub(crate) fn new(formula: &Formula, names: &mut Names) -> CompiledFormula {
        CompiledFormula(Part::new(formula, names))
    }

    /// Whether it holds for a row.
    pub(crate) fn holds(&self, context: &Context<'_>) -> bool {
        self.0.holds(context)
    }
}

impl Part {
    fn new(formula: &Formula, names: &mut Names) -> Part {
        let mut parts =
            |parts: &[Formula]| parts.iter().map(|part| Part::new(part, names)).collect();
        match formula {
            Formula::And(all) => Part::And(parts(all)),
            Formula::Or(all) => Part::Or(parts(all)),
            Formula::Not(part) => Part::Not(Box::new(Part::new(part, names))),
            Formula::Group(group) => Part::new(&group.formula, names),
            Formula::IsTrue(expr) => Part::IsTrue(Box::new(Compiled::new(expr, names))),
            Formula::Test(predicate) => Part::test(predicate, names),
        }
    }

    fn test(predicate: &Predicate, names: &mut Names) -> Part {
        let predicate = predicate.clone();
        match (&predicate.field, &predicate.test) {
            (Field::Named { name, .. }, Test::SameAs(Field::Named { name: other, .. }, _)) => {
                Part::Same(names.slot(name), names.slot(other), predicate)
            }
            (Field::Named { name, .. }, _) => Part::Test(names.slot(name), predicate),
            (Field::Any, _) => Part::Any(predicate),
        }
    }

    fn holds(&self, context: &Context<'_>) -> bool {
        let passes = |predicate: &Predicate, value: &Value| {
            over_elements(predicate.elements, value.elements(), |element| {
                element_passes(&predicate.test, predicate.case, element)
            })
        };
        match self {
            Part::And(parts) => parts.iter().all(|part| part.holds(context)),
            Part::Or(parts) => parts.iter().any(|part| part.holds(context)),
            Part::Not(part) => !part.holds(context),
            Part::IsTrue(expr) => expr.is_true(context),
            Part::Test(slot, predicate) => passes(predicate, context.slot(*slot)),
            Part::Any(predicate) => context.values.iter().any(|value| passes(predicate, value)),
            Part::Same(left, right, predicate) => {
                same_as(predicate, context.slot(*left), context.slot(*right))
            }
        }
    }
}
