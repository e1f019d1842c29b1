//! Why a rule fired on an event, or what kept it from firing.

use rulestone_events::{Event, ScopeKind};
use rulestone_ir::{Field, Formula, Predicate};
use rulestone_value::Value;

use crate::reference;

/// A predicate that a hit rests on, with the value that passed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    /// The predicate.
    pub predicate: Predicate,
    /// The value, as the view reads it.
    pub value: Value,
}

/// What a rule makes of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Whether the filter holds.
    pub holds: bool,
    /// The predicates that hold and carry the filter as far as it holds, in the rule's order.
    pub matched: Vec<Matched>,
    /// The first predicate that would have to change for the filter to hold.
    pub failed: Option<Failed>,
    /// Conjuncts of the filter that hold, and all of them.
    pub conjuncts: (usize, usize),
}

/// A predicate that keeps a filter from holding.
#[derive(Debug, Clone, PartialEq)]
pub struct Failed {
    /// The predicate.
    pub predicate: Predicate,
    /// The value it looked at.
    pub value: Value,
    /// Whether it holds where it must not.
    pub excluded: bool,
    /// The named part of the rule that it is in.
    pub group: Option<String>,
}

/// Explains what a filter makes of an event read as one of a scope's kinds.
pub fn explain(filter: &Formula, kind: &ScopeKind, event: &Event) -> Explanation {
    let mut conjuncts = Vec::new();
    flatten(filter, None, &mut conjuncts);
    let reader = Reader { kind, event };
    let holding = conjuncts.iter().filter(|(part, _)| reader.holds(part)).count();
    let mut matched = Vec::new();
    let mut failed = None;
    for (part, group) in &conjuncts {
        if reader.holds(part) {
            reader.collect(part, &mut matched);
        } else if failed.is_none() {
            failed = reader.first_failed(part, true, *group);
        }
    }
    Explanation {
        holds: holding == conjuncts.len(),
        matched,
        failed,
        conjuncts: (holding, conjuncts.len()),
    }
}

type Named<'f> = (&'f Formula, Option<&'f str>);

/// The parts that must all hold, each with the named part it stands in.
fn flatten<'f>(formula: &'f Formula, group: Option<&'f str>, out: &mut Vec<Named<'f>>) {
    match formula {
        Formula::And(parts) => parts.iter().for_each(|part| flatten(part, group, out)),
        Formula::Group(inner) => flatten(&inner.formula, Some(&inner.name), out),
        other => out.push((other, group)),
    }
}

struct Reader<'a> {
    kind: &'a ScopeKind,
    event: &'a Event,
}

impl Reader<'_> {
    fn holds(&self, formula: &Formula) -> bool {
        reference::formula_holds(formula, self.kind, self.event)
    }

    /// The predicates a formula that holds rests on: what is under a `not` is no evidence.
    fn collect(&self, formula: &Formula, out: &mut Vec<Matched>) {
        match formula {
            Formula::And(parts) => parts.iter().for_each(|part| self.collect(part, out)),
            Formula::Or(parts) => {
                parts.iter().filter(|part| self.holds(part)).for_each(|p| self.collect(p, out));
            }
            Formula::Group(group) => self.collect(&group.formula, out),
            Formula::Not(_) | Formula::IsTrue(_) => {}
            Formula::Test(predicate) => {
                out.push(Matched { predicate: predicate.clone(), value: self.value(predicate) });
            }
        }
    }

    /// The first predicate to change for the formula to become `wanted`, which it is not.
    fn first_failed(&self, formula: &Formula, wanted: bool, group: Option<&str>) -> Option<Failed> {
        match formula {
            Formula::Not(part) => self.first_failed(part, !wanted, group),
            Formula::Group(inner) => self.first_failed(&inner.formula, wanted, Some(&inner.name)),
            Formula::Test(predicate) => Some(Failed {
                predicate: predicate.clone(),
                value: self.value(predicate),
                excluded: !wanted,
                group: group.map(str::to_owned),
            }),
            Formula::IsTrue(_) => None,
            Formula::And(parts) | Formula::Or(parts) => parts
                .iter()
                .filter(|part| self.holds(part) != wanted)
                .find_map(|part| self.first_failed(part, wanted, group)),
        }
    }

    fn value(&self, predicate: &Predicate) -> Value {
        match &predicate.field {
            Field::Named { name, .. } => reference::field_value(name, self.kind, self.event),
            Field::Any => {
                let single = |value: &&Value| {
                    let fields = vec![("*".into(), (*value).clone())];
                    let alone = Event { fields, ..self.event.clone() };
                    reference::predicate_holds(predicate, self.kind, &alone)
                };
                let values = self.event.fields.iter().map(|(_, value)| value);
                values.clone().find(single).cloned().unwrap_or_default()
            }
        }
    }
}
