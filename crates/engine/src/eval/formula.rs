//! Formulas over rows.

use std::borrow::Cow;
use std::sync::OnceLock;

use fancy_regex::Regex;
use rulestone_ir::{Breakers, Case, Field, Formula, Predicate, Test};
use rulestone_value::{Glob, Value, fold};

use super::{Compiled, Context};
use crate::matcher::{over_elements, same_as};
use crate::row::{Names, Slot};
use crate::{reference, term};

/// A formula, ready to be evaluated.
///
/// A point in time is its seconds here, as in expressions, but for tests of parts of a date.
#[derive(Debug)]
pub(crate) struct CompiledFormula(Part);

#[derive(Debug)]
enum Part {
    And(Vec<Part>),
    Or(Vec<Part>),
    Not(Box<Part>),
    /// A test of a column, of every column where there is no slot.
    Test(Option<Slot>, Box<Ready>),
    /// A test of a column against another.
    Same(Slot, Slot, Box<Predicate>),
    IsTrue(Box<Compiled>),
}

/// A predicate with what it needs ready.
#[derive(Debug)]
struct Ready {
    predicate: Predicate,
    pattern: Pattern,
}

/// What a test compares with, folded where its case does not count.
#[derive(Debug)]
enum Pattern {
    Equals(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Wildcard(Glob),
    Term(Glob, Breakers),
    /// Compiled when the first row comes.
    Regex(OnceLock<Option<Box<Regex>>>),
    /// The test needs nothing.
    Test,
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
        match (&predicate.field, &predicate.test) {
            (Field::Named { name, .. }, Test::SameAs(Field::Named { name: other, .. }, _)) => {
                let (left, right) = (names.slot(name), names.slot(other));
                Part::Same(left, right, Box::new(predicate.clone()))
            }
            (Field::Named { name, .. }, _) => {
                Part::Test(Some(names.slot(name)), Box::new(Ready::new(predicate)))
            }
            (Field::Any, _) => Part::Test(None, Box::new(Ready::new(predicate))),
        }
    }

    fn holds(&self, context: &Context<'_>) -> bool {
        match self {
            Part::And(parts) => parts.iter().all(|part| part.holds(context)),
            Part::Or(parts) => parts.iter().any(|part| part.holds(context)),
            Part::Not(part) => !part.holds(context),
            Part::IsTrue(expr) => expr.is_true(context),
            Part::Test(Some(slot), ready) => ready.passes(context.slot(*slot)),
            Part::Test(None, ready) => context.values.iter().any(|value| ready.passes(value)),
            Part::Same(left, right, predicate) => {
                let (left, right) = (context.slot(*left), context.slot(*right));
                same_as(predicate, &in_seconds(left), &in_seconds(right))
            }
        }
    }
}

/// A value with its times as text: the number of their seconds.
fn in_seconds(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::Time(time) => Cow::Owned(Value::String(time.seconds_text())),
        Value::List(elements) if elements.iter().any(|e| matches!(e, Value::Time(_))) => {
            let elements = elements.iter().map(|element| in_seconds(element).into_owned());
            Cow::Owned(Value::List(elements.collect()))
        }
        value => Cow::Borrowed(value),
    }
}

impl Ready {
    fn new(predicate: &Predicate) -> Ready {
        let plain = |text: &String| match predicate.case {
            Case::Insensitive => fold(text),
            Case::Sensitive => text.clone(),
        };
        let plain_glob = |glob: &Glob| match predicate.case {
            Case::Insensitive => glob.folded(),
            Case::Sensitive => glob.clone(),
        };
        let pattern = match &predicate.test {
            Test::Equals(text) => Pattern::Equals(plain(text)),
            Test::StartsWith(text) => Pattern::StartsWith(plain(text)),
            Test::EndsWith(text) => Pattern::EndsWith(plain(text)),
            Test::Contains(text) => Pattern::Contains(plain(text)),
            Test::Wildcard(glob) => Pattern::Wildcard(plain_glob(glob)),
            Test::Term(glob, breakers) => Pattern::Term(plain_glob(glob), *breakers),
            Test::Regex(_) => Pattern::Regex(OnceLock::new()),
            _ => Pattern::Test,
        };
        Ready { predicate: predicate.clone(), pattern }
    }

    fn passes(&self, value: &Value) -> bool {
        over_elements(self.predicate.elements, value.elements(), |element| self.one(element))
    }

    /// Whether an element passes, as [`reference::element_passes`] has it.
    fn one(&self, value: &Value) -> bool {
        let Predicate { test, case, .. } = &self.predicate;
        let value = match test {
            Test::TimePart(..) => Cow::Borrowed(value),
            _ => in_seconds(value),
        };
        if let Pattern::Test = self.pattern {
            return reference::element_passes(test, *case, &value);
        }
        let Some(text) = value.text() else { return false };
        if let (Pattern::Regex(compiled), Test::Regex(regex)) = (&self.pattern, test) {
            let compiled = compiled.get_or_init(|| reference::compile(regex).map(Box::new));
            return compiled.as_ref().is_some_and(|regex| regex.is_match(&*text).unwrap_or(false));
        }
        let text = match case {
            Case::Insensitive => Cow::Owned(fold(&text)),
            Case::Sensitive => text,
        };
        match &self.pattern {
            Pattern::Equals(wanted) => *text == **wanted,
            Pattern::StartsWith(wanted) => text.starts_with(wanted.as_str()),
            Pattern::EndsWith(wanted) => text.ends_with(wanted.as_str()),
            Pattern::Contains(wanted) => text.contains(wanted.as_str()),
            Pattern::Wildcard(glob) => glob.matches(&text),
            Pattern::Term(glob, breakers) => term::stands_in(glob, *breakers, &text),
            Pattern::Regex(_) | Pattern::Test => false,
        }
    }
}
