//! Can a formula ever hold? Answered by going through every way it could, never by trying events.
//!
//! A formula is brought into claims about fields (`claim`), its alternatives are tried one after the
//! other (here), and what is then asked of one field is decided with automata over texts (`theory`,
//! `automaton`). Where a test is beyond that it may be true and may be false, so that *never* always
//! holds; past a bound the answer is that it cannot be told. See `docs/adr/004`.

mod atom;
mod automaton;
mod claim;
mod theory;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rulestone_ir::Formula;

pub(crate) use atom::{Atom, Compiled};
pub(crate) use claim::{Claim, Literal, Says};
use theory::{Answer, Single, Theory};

/// Whether a formula can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It can: a row with these elements of its fields satisfies it.
    Can(Witness),
    /// No row satisfies it.
    Never,
    /// It would take too long to say, or is beyond this reasoning.
    CannotTell(Why),
}

/// The elements of fields; a field that is not named is absent.
pub type Witness = BTreeMap<Arc<str>, Vec<String>>;

/// Why it cannot be told whether a formula can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// There are too many cases.
    Cases,
    /// What is asked of one field is too large, or no matter of automata.
    Field,
    /// A test is neither of one field alone nor of texts and numbers.
    Beyond,
    /// The rule stands on other rules, or makes rows where there are no events.
    Rows,
}

/// What stands between a name and the step of a rule that wrote the column.
pub(crate) const WRITTEN: char = '#';

/// What stands behind such a name where the column has one value at most.
pub(crate) const SINGLE: &str = "!";

/// Which fields have one value at most.
#[derive(Clone, Copy)]
pub enum Lists<'a> {
    /// Those of which it is known; all others may be lists.
    Known(&'a dyn Fn(&str) -> bool),
    /// These, and as far as one may guess all others: then *never* means that an event with several
    /// values may still do. Who asks a field for two values one by one knows that it has several.
    Guessed(&'a dyn Fn(&str) -> bool),
}

impl Lists<'_> {
    fn single(&self, field: &str) -> Single {
        match self {
            // The values of an event are many.
            _ if field == "*" => Single::No,
            _ if field.contains(WRITTEN) => match field.ends_with(SINGLE) {
                true => Single::Yes,
                false => Single::No,
            },
            Lists::Known(is_single) | Lists::Guessed(is_single) if is_single(field) => Single::Yes,
            Lists::Known(_) => Single::No,
            Lists::Guessed(_) => Single::Likely,
        }
    }
}

/// Decides formulas. What it works out about a field is kept for the next one.
#[derive(Debug, Default)]
pub struct Prover {
    theory: Theory,
}

/// Cases tried for one formula.
const CASES: usize = 4_000;

impl Prover {
    /// Whether all of the formulas can hold for one row.
    pub fn decide(&mut self, formulas: &[&Formula], lists: Lists<'_>) -> Verdict {
        let claims: Vec<Claim> = formulas.iter().map(|formula| Claim::of(formula)).collect();
        self.decide_claims(&claims.iter().collect::<Vec<_>>(), lists)
    }

    /// The same for claims. Those that share no field are decided apart: none helps another.
    pub(crate) fn decide_claims(&mut self, claims: &[&Claim], lists: Lists<'_>) -> Verdict {
        let mut flat = Vec::new();
        claims.iter().for_each(|claim| flatten(claim, &mut flat));
        let mut witness = Witness::new();
        let mut unknown = None;
        for part in components(&flat) {
            let mut search = Search { theory: &mut self.theory, lists, cases: 0, why: None };
            match search.run(&part, State::default()) {
                Some(found) => witness.extend(found),
                None if search.why.is_none() => return Verdict::Never,
                None => unknown = unknown.or(search.why),
            }
        }
        match unknown {
            Some(why) => Verdict::CannotTell(why),
            None => Verdict::Can(witness),
        }
    }
}

fn flatten<'c>(claim: &'c Claim, out: &mut Vec<&'c Claim>) {
    match claim {
        Claim::And(parts) => parts.iter().for_each(|part| flatten(part, out)),
        other => out.push(other),
    }
}

/// Claims by the fields they share, directly or through others.
fn components<'c>(claims: &[&'c Claim]) -> Vec<Vec<&'c Claim>> {
    let mut groups: Vec<(BTreeSet<Arc<str>>, Vec<&'c Claim>)> = Vec::new();
    for claim in claims {
        let mut fields = BTreeSet::new();
        claim.literals(&mut |literal| {
            fields.insert(literal.field.clone());
        });
        let mut own = vec![*claim];
        let mut rest = Vec::new();
        for (others, members) in groups {
            if others.is_disjoint(&fields) {
                rest.push((others, members));
            } else {
                fields.extend(others);
                own.extend(members);
            }
        }
        rest.push((fields, own));
        groups = rest;
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

/// A search through the cases of a formula.
struct Search<'s, 'l> {
    theory: &'s mut Theory,
    lists: Lists<'l>,
    cases: usize,
    why: Option<Why>,
}

/// One case: what it says of each field, and the alternatives that are still to be chosen from.
#[derive(Debug, Clone, Default)]
struct State<'c> {
    fields: BTreeMap<Arc<str>, Vec<&'c Literal>>,
    found: Witness,
    open: Vec<&'c [Claim]>,
}

impl Search<'_, '_> {
    /// A row that satisfies the claims beside what the state says. None where there is none, or
    /// where `why` says that this is not known.
    fn run<'c>(&mut self, claims: &[&'c Claim], mut state: State<'c>) -> Option<Witness> {
        self.cases += 1;
        if self.cases > CASES {
            self.why = Some(Why::Cases);
            return None;
        }
        let mut touched = BTreeSet::new();
        let mut beyond = None;
        for claim in claims {
            self.add(claim, &mut state, &mut touched, &mut beyond);
        }
        for field in touched {
            let literals = state.fields.get(&field)?;
            let says: Vec<_> = literals.iter().map(|literal| &literal.says).collect();
            match self.theory.check(&says, self.lists.single(&field)) {
                Answer::Yes(elements) => {
                    state.found.insert(field, elements);
                }
                Answer::No => return None,
                Answer::Unknown => beyond = beyond.or(Some(Why::Field)),
            }
        }
        let found = self.choose(state);
        match (found, beyond) {
            (Some(_), Some(why)) => {
                self.why = self.why.or(Some(why));
                None
            }
            (found, _) => found,
        }
    }

    fn add<'c>(
        &mut self,
        claim: &'c Claim,
        state: &mut State<'c>,
        touched: &mut BTreeSet<Arc<str>>,
        beyond: &mut Option<Why>,
    ) {
        match claim {
            Claim::And(parts) => {
                parts.iter().for_each(|part| self.add(part, state, touched, beyond));
            }
            Claim::Or(parts) => state.open.push(parts),
            Claim::Is(literal) => {
                touched.insert(literal.field.clone());
                state.fields.entry(literal.field.clone()).or_default().push(literal);
            }
            Claim::Open => *beyond = beyond.or(Some(Why::Beyond)),
        }
    }

    /// Tries the alternatives of what is still open, the fewest first.
    fn choose<'c>(&mut self, mut state: State<'c>) -> Option<Witness> {
        let fewest = state.open.iter().enumerate().min_by_key(|(_, parts)| parts.len());
        let Some((at, _)) = fewest else { return Some(state.found) };
        let parts = state.open.swap_remove(at);
        for part in parts {
            let found = self.run(&[part], state.clone());
            if found.is_some() || self.cases > CASES {
                return found;
            }
        }
        None
    }
}
