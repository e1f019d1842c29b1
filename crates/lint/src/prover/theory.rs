//! Can the claims about one field be true together?

use std::collections::HashMap;
use std::rc::Rc;

use rulestone_ir::{Case, Comparison, Test};
use rulestone_value::fold;

use super::atom::{Atom, Compiled, Side, anything};
use super::automaton::{Common, Machine, common};
use super::claim::{Says, Set};
use regex_syntax::hir::Hir;

/// Whether a set of claims about one field can be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With these elements.
    Yes(Vec<String>),
    /// Never.
    No,
    /// It would take too long to say, or is beyond automata.
    Unknown,
}

/// Whether a field has one element at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Single {
    /// It has.
    Yes,
    /// It may have several.
    No,
    /// Unless it is asked for several values one by one.
    Likely,
}

/// What was worked out before: rules ask the same of fields again and again.
#[derive(Debug, Default)]
pub(crate) struct Theory {
    compiled: Compiled,
    machines: HashMap<String, Option<Rc<Machine>>>,
    exact: HashMap<String, bool>,
}

/// Samples tried before automata are built.
const SAMPLES: usize = 96;
/// Texts tried that automata offer, where they let through too much.
const OFFERS: usize = 48;
/// Tests of one set that are said by one automaton.
const ATOMS: usize = 600;

impl Theory {
    /// Whether the claims can be true.
    pub(crate) fn check(&mut self, says: &[&Says], single: Single) -> Answer {
        let one = says.iter().any(|own| matches!(own, Says::One));
        let several = says.iter().any(|own| matches!(own, Says::NotOne));
        let some: Vec<&Set> = says.iter().filter_map(|own| part(own, true)).collect();
        let every: Vec<&Set> = says.iter().filter_map(|own| part(own, false)).collect();
        let single = match single {
            Single::Yes => true,
            Single::No => false,
            Single::Likely => some.iter().filter(|set| is_of_values(set)).count() < 2,
        };
        if one && several {
            return Answer::No;
        }
        if several && single {
            return if some.is_empty() { Answer::Yes(Vec::new()) } else { Answer::No };
        }
        if some.is_empty() && !one {
            return Answer::Yes(Vec::new());
        }
        if single || one {
            let all: Vec<&Set> = some.iter().chain(&every).copied().collect();
            return self.element(&all);
        }
        let mut elements = Vec::new();
        let mut unknown = false;
        for own in some {
            let all: Vec<&Set> = std::iter::once(own).chain(every.iter().copied()).collect();
            match self.element(&all) {
                Answer::Yes(found) => elements.extend(found),
                Answer::No => return Answer::No,
                Answer::Unknown => unknown = true,
            }
        }
        elements.dedup();
        if several && elements.len() == 1 {
            elements.push(elements[0].clone());
        }
        if unknown { Answer::Unknown } else { Answer::Yes(elements) }
    }

    /// Whether one text is in all of the sets.
    fn element(&mut self, sets: &[&Set]) -> Answer {
        if sets.iter().any(|set| !set.negated && set.atoms.is_empty()) || numbers_exclude(sets) {
            return Answer::No;
        }
        for sample in samples(sets) {
            if self.is_in_all(&sample, sets) == Some(true) {
                return Answer::Yes(vec![sample]);
            }
        }
        if let Some(answer) = self.finite(sets) {
            return answer;
        }
        self.automata(sets)
    }

    /// Whether a text is in all sets; `None` where that is not known.
    fn is_in_all(&mut self, text: &str, sets: &[&Set]) -> Option<bool> {
        let mut known = Some(true);
        for set in sets {
            match self.is_in(text, set) {
                Some(false) => return Some(false),
                Some(true) => {}
                None => known = None,
            }
        }
        known
    }

    fn is_in(&mut self, text: &str, set: &Set) -> Option<bool> {
        let mut passes = Some(false);
        for atom in &set.atoms {
            match atom.passes(text, &mut self.compiled) {
                Some(true) => {
                    passes = Some(true);
                    break;
                }
                Some(false) => {}
                None => passes = None,
            }
        }
        passes.map(|passes| passes != set.negated)
    }

    /// The answer where one of the sets has a few texts alone, and all of them were tried.
    fn finite(&mut self, sets: &[&Set]) -> Option<Answer> {
        let caseless = sets.iter().all(|set| set.atoms.iter().all(Atom::is_caseless));
        let listed = sets.iter().find_map(|set| words(set, caseless))?;
        let mut answer = Answer::No;
        for word in listed {
            match self.is_in_all(&word, sets) {
                Some(true) => return Some(Answer::Yes(vec![word])),
                Some(false) => {}
                None => answer = Answer::Unknown,
            }
        }
        Some(answer)
    }

    fn automata(&mut self, sets: &[&Set]) -> Answer {
        let (mut wanted, mut exact) = (Vec::new(), true);
        let refused: Vec<&Atom> =
            sets.iter().filter(|set| set.negated).flat_map(|set| &set.atoms).collect();
        for set in sets.iter().filter(|set| !set.negated) {
            let atoms: Vec<&Atom> = set.atoms.iter().collect();
            match self.machine(&atoms, Side::Over) {
                Some((machine, own)) => {
                    exact &= own;
                    wanted.push(machine);
                }
                None => exact = false,
            }
        }
        let mut refuse = None;
        if !refused.is_empty() {
            match self.machine(&refused, Side::Under) {
                Some((machine, own)) => {
                    exact &= own;
                    refuse = Some(machine);
                }
                None => exact = false,
            }
        }
        if wanted.is_empty() {
            let Some(machine) = Machine::new(&anything()) else { return Answer::Unknown };
            wanted.push(Rc::new(machine));
        }
        let machines: Vec<(&Machine, bool)> = wanted
            .iter()
            .map(|machine| (&**machine, true))
            .chain(refuse.iter().map(|machine| (&**machine, false)))
            .collect();
        let mut found = None;
        let most = if exact { 1 } else { OFFERS };
        let came = common(&machines, most, &mut |text| {
            let fits = exact || self.is_in_all(text, sets) == Some(true);
            found = fits.then(|| text.to_owned());
            fits
        });
        match (came, found) {
            (Common::Found, Some(text)) => Answer::Yes(vec![text]),
            (Common::None, _) => Answer::No,
            _ => Answer::Unknown,
        }
    }

    /// The automaton of texts that pass one of the tests. On the side of less, tests that it cannot
    /// say are left out.
    fn machine(&mut self, atoms: &[&Atom], side: Side) -> Option<(Rc<Machine>, bool)> {
        if atoms.len() > ATOMS {
            return None;
        }
        let key = format!("{side:?}{atoms:?}");
        if let Some(known) = self.machines.get(&key) {
            return known.clone().map(|machine| (machine, self.exact[&key]));
        }
        let (mut parts, mut exact) = (Vec::new(), true);
        for atom in atoms {
            match (atom.language(side), side) {
                (Some((hir, own)), _) => {
                    exact &= own;
                    parts.push(hir);
                }
                (None, Side::Under) => exact = false,
                (None, Side::Over) => {
                    self.machines.insert(key, None);
                    return None;
                }
            }
        }
        let made = (!parts.is_empty()).then(|| Machine::new(&Hir::alternation(parts))).flatten();
        let made = made.map(Rc::new);
        self.machines.insert(key.clone(), made.clone());
        self.exact.insert(key, exact);
        made.map(|machine| (machine, exact))
    }
}

/// Whether a set lists values.
fn is_of_values(set: &Set) -> bool {
    let value = |atom: &Atom| {
        matches!(atom, Atom::Test(Test::Equals(_), _) | Atom::Compare(Comparison::Equal, _))
    };
    !set.negated && set.atoms.iter().all(value)
}

/// The set of a claim that one element, or every one, is in it.
fn part(says: &Says, some: bool) -> Option<&Set> {
    match says {
        Says::Some(set) if some => Some(set),
        Says::Every(set) if !some => Some(set),
        _ => None,
    }
}

/// The texts of a set that lists them. Where case does not count anywhere, one spelling of each
/// stands for all.
fn words(set: &Set, caseless: bool) -> Option<Vec<String>> {
    if set.negated {
        return None;
    }
    let word = |atom: &Atom| match atom {
        Atom::Test(Test::Equals(text), Case::Sensitive) => Some(text.clone()),
        Atom::Test(Test::Equals(text), Case::Insensitive) => {
            let folded = fold(text);
            let cased = folded.chars().any(|c| c.is_alphabetic() || !c.is_ascii());
            (caseless || !cased).then_some(folded)
        }
        _ => None,
    };
    set.atoms.iter().map(word).collect()
}

/// Whether comparisons that a text has to pass one by one leave no number.
fn numbers_exclude(sets: &[&Set]) -> bool {
    let only = |set: &&Set| match (&*set.atoms, set.negated) {
        ([Atom::Test(Test::Number(comparison, number), _)], false) => Some((*comparison, *number)),
        _ => None,
    };
    let bounds: Vec<(Comparison, f64)> = sets.iter().filter_map(only).collect();
    // What excludes each other does so in pairs, but for bounds around a number that is excluded.
    let (mut low, mut high) = ((f64::NEG_INFINITY, false), (f64::INFINITY, false));
    for (comparison, number) in &bounds {
        let (lower, upper) = match comparison {
            Comparison::Equal => (Some((*number, false)), Some((*number, false))),
            Comparison::NotEqual => (None, None),
            Comparison::Less => (None, Some((*number, true))),
            Comparison::LessOrEqual => (None, Some((*number, false))),
            Comparison::Greater => (Some((*number, true)), None),
            Comparison::GreaterOrEqual => (Some((*number, false)), None),
        };
        // Of equal bounds the one that leaves its number out is the narrower.
        if let Some(lower) = lower
            && (lower.0 > low.0 || lower.0 == low.0 && lower.1)
        {
            low = lower;
        }
        if let Some(upper) = upper
            && (upper.0 < high.0 || upper.0 == high.0 && upper.1)
        {
            high = upper;
        }
    }
    let excluded = |n: f64| bounds.iter().any(|(c, own)| *c == Comparison::NotEqual && *own == n);
    low.0 > high.0 || low.0 == high.0 && (low.1 || high.1 || excluded(low.0))
}

/// Texts that are likely to be in all sets.
fn samples(sets: &[&Set]) -> Vec<String> {
    let wanted: Vec<&&Set> = sets.iter().filter(|set| !set.negated).collect();
    let mut out = Vec::new();
    for set in &wanted {
        let own = set.atoms.iter().filter_map(Atom::sample);
        out.extend(own.take(SAMPLES / wanted.len()));
    }
    if wanted.is_empty() {
        out.extend(["", "a", "~"].map(str::to_owned));
    }
    if wanted.len() > 1 {
        out.extend(joined(&wanted));
    }
    let longer: Vec<String> = out.iter().take(8).map(|text| format!("~{text}~")).collect();
    out.extend(longer);
    out.dedup();
    out
}

/// The first test of each set in one text: starts, then parts, then ends.
fn joined(sets: &[&&Set]) -> Vec<String> {
    let (mut starts, mut middles, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for set in sets {
        let Some(atom) = set.atoms.first() else { continue };
        let Some(sample) = atom.sample() else { continue };
        match atom {
            Atom::Test(Test::StartsWith(_), _) => starts.push(sample),
            Atom::Test(Test::EndsWith(_), _) => ends.push(sample),
            _ => middles.push(sample),
        }
    }
    let join = |between: &str| {
        let all: Vec<&str> =
            starts.iter().chain(&middles).chain(&ends).map(String::as_str).collect();
        all.join(between)
    };
    vec![join(" "), join("")]
}
