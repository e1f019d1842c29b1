//! Which kinds of a scope may satisfy filters, by what the tables alone say of their events: asked
//! of all kinds at once, and of equal tests once.

use std::collections::HashMap;
use std::sync::Arc;

use bit_set::BitSet;
use foldhash::fast::RandomState;
use rulestone_events::{Expr, ScopeKind};
use rulestone_ir::{Field, Formula, Predicate, Test};
use rulestone_value::Value;

use super::key_of;
use crate::matcher::over_elements;
use crate::reference::element_passes;

/// What is known of the kinds of a scope.
pub(super) struct Served<'s> {
    kinds: &'s [Arc<ScopeKind>],
    fields: HashMap<Arc<str>, Known, RandomState>,
    tests: HashMap<(Arc<str>, Vec<u8>), Truth, RandomState>,
}

/// What the tables say of a field.
#[derive(Default)]
struct Known {
    /// Values, with the kinds all of whose events have them.
    values: Vec<(Value, BitSet)>,
    /// Kinds of which it is the event's id.
    event_ids: BitSet,
}

/// The kinds all of whose events satisfy something, and those of which none does.
#[derive(Clone, Default)]
struct Truth {
    holds: BitSet,
    fails: BitSet,
}

impl<'s> Served<'s> {
    pub(super) fn new(kinds: &'s [Arc<ScopeKind>]) -> Served<'s> {
        Served { kinds, fields: HashMap::default(), tests: HashMap::default() }
    }

    /// The kinds whose events may satisfy a filter, by their places.
    pub(super) fn by(&mut self, filter: &Formula) -> BitSet {
        let mut kinds = self.all();
        kinds.difference_with(&self.truth(filter).fails);
        kinds
    }

    /// The kinds that tables have, and that are no stand-ins.
    pub(super) fn tables(&self) -> BitSet {
        let is_own = |(_, kind): &(usize, &Arc<ScopeKind>)| !kind.raw && kind.stand_in.is_none();
        self.kinds.iter().enumerate().filter(is_own).map(|(at, _)| at).collect()
    }

    /// Whether a field is the event's id in one of some kinds.
    pub(super) fn is_event_id(&mut self, name: &Arc<str>, kinds: &BitSet) -> bool {
        !self.known(name).event_ids.is_disjoint(kinds)
    }

    fn known(&mut self, name: &Arc<str>) -> &Known {
        let kinds = self.kinds;
        self.fields.entry(name.clone()).or_insert_with(|| Known::of(kinds, name))
    }

    fn all(&self) -> BitSet {
        (0..self.kinds.len()).collect()
    }

    fn truth(&mut self, formula: &Formula) -> Truth {
        match formula {
            Formula::And(parts) => {
                let mut all = Truth { holds: self.all(), fails: BitSet::default() };
                for part in parts {
                    let part = self.truth(part);
                    all.holds.intersect_with(&part.holds);
                    all.fails.union_with(&part.fails);
                }
                all
            }
            Formula::Or(parts) => {
                let mut any = Truth { holds: BitSet::default(), fails: self.all() };
                for part in parts {
                    let part = self.truth(part);
                    any.holds.union_with(&part.holds);
                    any.fails.intersect_with(&part.fails);
                }
                any
            }
            Formula::Not(part) => {
                let Truth { holds, fails } = self.truth(part);
                Truth { holds: fails, fails: holds }
            }
            Formula::Group(group) => self.truth(&group.formula),
            Formula::Test(predicate) => self.truth_of_test(predicate),
            Formula::IsTrue(_) => Truth::default(),
        }
    }

    fn truth_of_test(&mut self, predicate: &Predicate) -> Truth {
        let Field::Named { name, .. } = &predicate.field else { return Truth::default() };
        let key = (name.clone(), key_of(0, predicate));
        if let Some(truth) = self.tests.get(&key) {
            return truth.clone();
        }
        let kinds = self.kinds;
        let truth = self.known(name).truth(kinds, predicate);
        self.tests.insert(key, truth.clone());
        truth
    }
}

impl Known {
    fn of(kinds: &[Arc<ScopeKind>], name: &str) -> Known {
        let mut known = Known::default();
        // Texts of values, so that each is looked for once.
        let mut places: HashMap<String, usize, RandomState> = HashMap::default();
        for (at, kind) in kinds.iter().enumerate() {
            match kind.field(name) {
                Expr::Constant(value) => {
                    let next = known.values.len();
                    let place = *places.entry(format!("{value:?}")).or_insert(next);
                    if place == next {
                        known.values.push((value, BitSet::default()));
                    }
                    known.values[place].1.insert(at);
                }
                Expr::Raw(own) if &*own == "EventID" => {
                    known.event_ids.insert(at);
                }
                _ => {}
            }
        }
        known
    }

    fn truth(&self, kinds: &[Arc<ScopeKind>], predicate: &Predicate) -> Truth {
        let mut truth = Truth::default();
        if !matches!(predicate.test, Test::SameAs(..)) {
            let passes = |element: &Value| element_passes(&predicate.test, predicate.case, element);
            for (value, of) in &self.values {
                match over_elements(predicate.elements, value.elements(), passes) {
                    true => truth.holds.union_with(of),
                    false => truth.fails.union_with(of),
                }
            }
        }
        if let Test::Equals(text) = &predicate.test {
            let id = text.parse();
            let is_other =
                |at: &usize| !id.as_ref().is_ok_and(|id| kinds[*at].allows_event_id(*id));
            truth.fails.extend(self.event_ids.iter().filter(is_other));
        }
        truth
    }
}
