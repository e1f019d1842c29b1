//! Filters as claims about fields: negations pushed down to sets of texts.

use std::sync::Arc;

use rulestone_ir::{Comparison, Elements, Expr, Field, Formula, Function, Predicate, Span, Test};
use rulestone_value::Value;

use super::atom::Atom;

/// What has to be true of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Claim {
    /// All of them.
    And(Vec<Claim>),
    /// One of them.
    Or(Vec<Claim>),
    /// Something about one field.
    Is(Arc<Literal>),
    /// What is beyond this reasoning: it may be true and it may be false.
    Open,
}

/// Something about one field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Literal {
    /// The field; `*` for every value of an event.
    pub(crate) field: Arc<str>,
    /// What it says.
    pub(crate) says: Says,
    /// Where the rule says so, test by test where it is a set of tests.
    pub(crate) spans: Vec<Span>,
}

/// What is said of the elements of a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Says {
    /// One of them is in the set.
    Some(Set),
    /// All of them are, if there are any.
    Every(Set),
    /// There is exactly one.
    One,
    /// There is none, or there are several.
    NotOne,
}

/// A set of texts: those that pass one of the tests, or those that pass none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Set {
    /// The tests.
    pub(crate) atoms: Vec<Atom>,
    /// Whether those that pass none are meant.
    pub(crate) negated: bool,
}

impl Set {
    fn of(atom: Atom) -> Set {
        Set { atoms: vec![atom], negated: false }
    }

    fn all() -> Set {
        Set { atoms: Vec::new(), negated: true }
    }

    fn not(self) -> Set {
        Set { negated: !self.negated, ..self }
    }
}

impl Claim {
    /// Nothing can make it true.
    pub(crate) const FALSE: Claim = Claim::Or(Vec::new());
    /// Nothing can make it false.
    pub(crate) const TRUE: Claim = Claim::And(Vec::new());

    /// What a formula says.
    pub(crate) fn of(formula: &Formula) -> Claim {
        let each = |parts: &[Formula]| parts.iter().map(Claim::of).collect();
        match formula {
            Formula::And(parts) => Claim::And(each(parts)),
            Formula::Or(parts) => Claim::or(each(parts)),
            Formula::Not(part) => Claim::of(part).not(),
            Formula::Group(group) => Claim::of(&group.formula),
            Formula::Test(predicate) => of_predicate(predicate),
            Formula::IsTrue(expr) => truth(expr),
        }
    }

    /// The opposite.
    pub(crate) fn not(self) -> Claim {
        match self {
            Claim::And(parts) => Claim::or(parts.into_iter().map(Claim::not).collect()),
            Claim::Or(parts) => Claim::And(parts.into_iter().map(Claim::not).collect()),
            Claim::Open => Claim::Open,
            Claim::Is(literal) => {
                let Literal { field, says, spans } = (*literal).clone();
                let says = match says {
                    Says::Some(set) => Says::Every(set.not()),
                    Says::Every(set) => Says::Some(set.not()),
                    Says::One => Says::NotOne,
                    Says::NotOne => Says::One,
                };
                Claim::Is(Arc::new(Literal { field, says, spans }))
            }
        }
    }

    /// One of several. Those that ask one field for an element are one literal: fewer cases to try.
    fn or(parts: Vec<Claim>) -> Claim {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Claim::Or(inner) => flat.extend(inner),
                part => flat.push(part),
            }
        }
        let mut joined: Vec<Claim> = Vec::new();
        for part in flat {
            let into = joined.iter_mut().find_map(|other| match (other, &part) {
                (Claim::Is(other), Claim::Is(own)) if joins(other, own) => Some(other),
                _ => None,
            });
            match (into, part) {
                (Some(other), Claim::Is(own)) => {
                    let other = Arc::make_mut(other);
                    other.spans.extend(&own.spans);
                    if let (Says::Some(set), Says::Some(more)) = (&mut other.says, &own.says) {
                        set.atoms.extend(more.atoms.iter().cloned());
                    }
                }
                (_, part) => joined.push(part),
            }
        }
        if joined.len() == 1 { joined.swap_remove(0) } else { Claim::Or(joined) }
    }

    /// The same about other fields: each goes by what `field` makes of its name, and is absent where
    /// that is nothing.
    pub(crate) fn about(self, field: &dyn Fn(&Arc<str>) -> Option<Arc<str>>) -> Claim {
        match self {
            Claim::And(parts) => {
                Claim::And(parts.into_iter().map(|part| part.about(field)).collect())
            }
            Claim::Or(parts) => {
                Claim::Or(parts.into_iter().map(|part| part.about(field)).collect())
            }
            Claim::Open => Claim::Open,
            Claim::Is(literal) => match (field(&literal.field), &literal.says) {
                (Some(name), _) => {
                    Claim::Is(Arc::new(Literal { field: name, ..(*literal).clone() }))
                }
                (None, Says::Some(_) | Says::One) => Claim::FALSE,
                (None, Says::Every(_) | Says::NotOne) => Claim::TRUE,
            },
        }
    }

    /// Calls `visit` with every literal.
    pub(crate) fn literals<'c>(&'c self, visit: &mut dyn FnMut(&'c Literal)) {
        match self {
            Claim::And(parts) | Claim::Or(parts) => {
                parts.iter().for_each(|part| part.literals(visit));
            }
            Claim::Is(literal) => visit(literal),
            Claim::Open => {}
        }
    }
}

fn joins(left: &Literal, right: &Literal) -> bool {
    let plain = |says: &Says| matches!(says, Says::Some(set) if !set.negated);
    left.field == right.field && plain(&left.says) && plain(&right.says)
}

fn is(field: &Arc<str>, says: Says, span: Span) -> Claim {
    let tests = match &says {
        Says::Some(set) | Says::Every(set) => set.atoms.len().max(1),
        Says::One | Says::NotOne => 1,
    };
    Claim::Is(Arc::new(Literal { field: field.clone(), says, spans: vec![span; tests] }))
}

/// Times are seconds in expressions and dates in tests, so nothing is said of them.
const TIMES: &[&str] = &["_time", "_indextime"];

fn of_predicate(predicate: &Predicate) -> Claim {
    let field: Arc<str> = match &predicate.field {
        Field::Named { name, .. } => name.clone(),
        Field::Any => "*".into(),
    };
    let beyond = matches!(predicate.test, Test::TimePart(..) | Test::SameAs(..));
    if beyond || TIMES.contains(&&*field) {
        return Claim::Open;
    }
    let set = match &predicate.test {
        Test::Exists => Set::all(),
        test => Set::of(Atom::Test(test.clone(), predicate.case)),
    };
    let says = |says| is(&field, says, predicate.span);
    match (&predicate.field, predicate.elements) {
        // The values of an event are no list of one field: one of them is enough.
        (Field::Any, _) | (_, Elements::Any) => says(Says::Some(set)),
        (_, Elements::All) => {
            Claim::And(vec![says(Says::Some(Set::all())), says(Says::Every(set))])
        }
        (_, Elements::Single) => Claim::And(vec![says(Says::One), says(Says::Some(set))]),
    }
}

/// That an expression is true.
fn truth(expr: &Expr) -> Claim {
    match expr {
        Expr::Holds(formula) => Claim::of(formula),
        Expr::Literal(value) => {
            if *value == Value::Bool(true) {
                Claim::TRUE
            } else {
                Claim::FALSE
            }
        }
        Expr::Call { function, arguments, span } => match function {
            Function::And3 => Claim::And(arguments.iter().map(truth).collect()),
            Function::Or3 => Claim::or(arguments.iter().map(truth).collect()),
            Function::Not3 => arguments.first().map_or(Claim::Open, falsity),
            _ => comparison(*function, arguments, *span).unwrap_or(Claim::Open),
        },
        _ => Claim::Open,
    }
}

/// That an expression is false, which null is not.
fn falsity(expr: &Expr) -> Claim {
    match expr {
        Expr::Holds(formula) => Claim::of(formula).not(),
        Expr::Literal(value) => {
            if *value == Value::Bool(false) {
                Claim::TRUE
            } else {
                Claim::FALSE
            }
        }
        Expr::Call { function, arguments, span } => match function {
            Function::And3 => Claim::or(arguments.iter().map(falsity).collect()),
            Function::Or3 => Claim::And(arguments.iter().map(falsity).collect()),
            Function::Not3 => arguments.first().map_or(Claim::Open, truth),
            Function::IsNull | Function::IsNotNull => {
                comparison(*function, arguments, *span).map_or(Claim::Open, Claim::not)
            }
            _ => {
                let (Some(claim), Some(Expr::Field(field))) =
                    (comparison(*function, arguments, *span), arguments.first())
                else {
                    return Claim::Open;
                };
                Claim::And(vec![is(field, Says::Some(Set::all()), *span), claim.not()])
            }
        },
        _ => Claim::Open,
    }
}

/// A comparison of a field with values, true of one element.
fn comparison(function: Function, arguments: &[Expr], span: Span) -> Option<Claim> {
    let Some(Expr::Field(field)) = arguments.first() else { return None };
    if TIMES.contains(&&**field) {
        return None;
    }
    let values = arguments[1..].iter().map(|argument| match argument {
        Expr::Literal(value @ (Value::String(_) | Value::Integer(_) | Value::Float(_))) => {
            Some(value)
        }
        _ => None,
    });
    let values: Vec<&Value> = values.collect::<Option<_>>()?;
    let set = match function {
        Function::IsNull => return Some(is(field, Says::Every(Set::all().not()), span)),
        Function::IsNotNull => Set::all(),
        Function::RegexFindAny | Function::LikeAny | Function::CidrMatch => return None,
        _ => {
            let comparison = sign(function)?;
            let atoms = values.into_iter().map(|v| Atom::Compare(comparison, v.clone()));
            Set { atoms: atoms.collect(), negated: false }
        }
    };
    Some(is(field, Says::Some(set), span))
}

fn sign(function: Function) -> Option<Comparison> {
    Some(match function {
        Function::EqAny | Function::InAny => Comparison::Equal,
        Function::NeAny => Comparison::NotEqual,
        Function::LtAny => Comparison::Less,
        Function::LeAny => Comparison::LessOrEqual,
        Function::GtAny => Comparison::Greater,
        Function::GeAny => Comparison::GreaterOrEqual,
        _ => return None,
    })
}
