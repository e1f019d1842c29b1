//! All tests of one field, in one pass over a value.
//!
//! The value is folded once. Equality is a hash map; starts-with, ends-with and contains are one
//! automaton over the folded value between sentinels; wildcards and regular expressions stand
//! behind texts that any value they match must have; numbers, networks and dates are read from
//! the value once.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bit_set::BitSet;
use daachorse::DoubleArrayAhoCorasick;
use foldhash::fast::RandomState;
use memchr::memmem::Finder;
use rulestone_ir::{Breakers, Case, Elements, Test};
use rulestone_value::{Glob, Piece, Value, fold, fold_into};

use super::atoms::{Atoms, regex_atoms};
use super::parted::Parted;
use crate::term::Borders;
use crate::{reference, term};

/// A test as one field has it: number, test, case, elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Probe {
    pub(crate) id: u32,
    pub(crate) test: Test,
    pub(crate) case: Case,
    pub(crate) elements: Elements,
}

/// The tests of one field.
#[derive(Default)]
pub(crate) struct FieldMatcher {
    probes: Vec<Probe>,
    built: OnceLock<Built>,
    /// The same asked of the parts of a text.
    parted: OnceLock<Box<Parted>>,
    /// Times a look-around expression was given up on a value.
    gave_up: AtomicU64,
}

/// Made when the first value comes: rules for kinds that no log has cost nothing.
struct Built {
    equals: HashMap<String, Vec<Check>, RandomState>,
    patterns: Patterns,
    /// What to do when a pattern is found.
    found: Vec<Vec<(Anchor, Check)>>,
    /// By the probe's place: what its test needs ready.
    ready: Vec<Ready>,
    /// Tests that nothing stands before.
    always: Vec<Check>,
    exists: Vec<u32>,
}

/// The patterns looked for in a value.
enum Patterns {
    /// One by one: for so few an automaton costs more to make than it saves.
    Few(Vec<Finder<'static>>),
    /// All at once.
    Many(DoubleArrayAhoCorasick<u32>),
}

/// Patterns that are looked for one by one.
const FEW: usize = 24;

impl Patterns {
    fn new(texts: Vec<(String, u32)>) -> Patterns {
        if texts.len() > FEW
            && let Ok(automaton) =
                DoubleArrayAhoCorasick::with_values(texts.iter().map(|(text, at)| (text, *at)))
        {
            return Patterns::Many(automaton);
        }
        let finder = |(text, _): &(String, u32)| Finder::new(text.as_bytes()).into_owned();
        Patterns::Few(texts.iter().map(finder).collect())
    }

    /// Calls `found` with the place of each pattern and where it starts and ends, for every
    /// occurrence.
    fn find(&self, text: &[u8], mut found: impl FnMut(usize, usize, usize)) {
        match self {
            Patterns::Few(finders) => {
                for (at, finder) in finders.iter().enumerate() {
                    let mut from = 0;
                    while let Some(start) = text.get(from..).and_then(|rest| finder.find(rest)) {
                        let start = from + start;
                        found(at, start, start + finder.needle().len());
                        from = start + 1;
                    }
                }
            }
            Patterns::Many(automaton) => {
                for hit in automaton.find_overlapping_iter(text) {
                    found(hit.value() as usize, hit.start(), hit.end());
                }
            }
        }
    }
}

/// What a test needs ready before it looks at a value.
enum Ready {
    Nothing,
    Glob(Glob),
    Term(Glob, Breakers),
    Regex(Box<OnceLock<Option<fancy_regex::Regex>>>),
}

impl Ready {
    fn new(probe: &Probe) -> Ready {
        match (&probe.test, probe.case) {
            (Test::Wildcard(glob), Case::Insensitive) => Ready::Glob(glob.folded()),
            (Test::Term(glob, breakers), Case::Insensitive) => {
                Ready::Term(glob.folded(), *breakers)
            }
            (Test::Regex(_), _) => Ready::Regex(Box::default()),
            _ => Ready::Nothing,
        }
    }
}

/// Where in the value a pattern has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Anchor {
    Start,
    End,
    Anywhere,
}

/// What is left to do for a probe.
#[derive(Debug, Clone, Copy)]
enum Check {
    /// Nothing: it holds.
    Holds(u32),
    /// The test itself, on the value as it is; the probe's place in the list of probes.
    Test(usize),
    /// Whether it is a term where it stands: its id.
    Term(u32, Borders),
}

const START: char = '\u{2}';
const END: char = '\u{3}';

impl FieldMatcher {
    pub(crate) fn new(probes: Vec<Probe>) -> Self {
        FieldMatcher { probes, ..FieldMatcher::default() }
    }

    /// Folded texts of which any value that passes one of `wanted` has at least one; `None` where
    /// some of them may pass a value without any known text.
    pub(crate) fn texts(&self, wanted: impl Fn(u32) -> bool) -> Option<Vec<String>> {
        let wanted = self.probes.iter().filter(|probe| wanted(probe.id));
        let texts: Option<Vec<Vec<String>>> = wanted.map(|probe| needed(&probe.test)).collect();
        texts.map(|texts| texts.concat())
    }

    /// The tests as they are asked of the parts of an event's own text.
    pub(crate) fn parted(&self) -> &Parted {
        self.parted.get_or_init(|| Box::new(Parted::new(&self.probes)))
    }

    /// How much there is to make ready, roughly.
    pub(crate) fn size(&self) -> usize {
        self.probes.len()
    }

    /// Makes ready what the first value would wait for.
    pub(crate) fn prepare(&self) {
        let built = self.built.get_or_init(|| Built::new(&self.probes));
        for (probe, ready) in self.probes.iter().zip(&built.ready) {
            if let (Test::Regex(regex), Ready::Regex(compiled)) = (&probe.test, ready) {
                compiled.get_or_init(|| reference::compile(regex));
            }
        }
    }

    /// Times a look-around expression took too many steps on a value and counted as not found.
    pub(crate) fn gave_up(&self) -> u64 {
        self.gave_up.load(Ordering::Relaxed)
    }

    /// Those of some probes that hold for a value that is one element.
    pub(crate) fn holding_of(&self, wanted: &[u32], value: &Value) -> Vec<u32> {
        let Some(text) = value.text() else { return Vec::new() };
        let built = self.built.get_or_init(|| Built::new(&self.probes));
        let folded = fold(&text);
        let seen = Seen { value, text: &text, folded: &folded };
        let holds = |id: &u32| {
            // They are numbered in their order.
            let at = self.probes.binary_search_by_key(id, |probe| probe.id);
            at.is_ok_and(|at| built.passes(at, &self.probes[at], &seen, &self.gave_up))
        };
        wanted.iter().copied().filter(holds).collect()
    }

    /// The ids of the probes that hold for a value, in no order.
    pub(crate) fn holding(&self, value: &Value) -> Vec<u32> {
        let built = self.built.get_or_init(|| Built::new(&self.probes));
        let elements = value.elements();
        let mut holding = Vec::new();
        if elements.is_empty() {
            return holding;
        }
        if let [element] = elements {
            holding.extend(&built.exists);
            built.element(element, &self.probes, &self.gave_up, &mut holding);
            return holding;
        }
        // Elements are never null: all of them exist.
        let existing = built.exists.iter().map(|id| (*id, elements.len()));
        let mut counts: HashMap<u32, usize> = existing.collect();
        for element in elements {
            let mut of_element = Vec::new();
            built.element(element, &self.probes, &self.gave_up, &mut of_element);
            of_element.sort_unstable();
            of_element.dedup();
            of_element.into_iter().for_each(|id| *counts.entry(id).or_default() += 1);
        }
        holding.extend(self.probes.iter().filter_map(|probe| {
            let count = counts.get(&probe.id).copied().unwrap_or(0);
            let enough = match probe.elements {
                Elements::Any => count > 0,
                Elements::All => count == elements.len(),
                Elements::Single => false,
            };
            enough.then_some(probe.id)
        }));
        holding
    }
}

impl Built {
    fn new(probes: &[Probe]) -> Built {
        let mut built = Built {
            equals: HashMap::default(),
            patterns: Patterns::Few(Vec::new()),
            found: Vec::new(),
            ready: probes.iter().map(Ready::new).collect(),
            always: Vec::new(),
            exists: Vec::new(),
        };
        let mut patterns: HashMap<String, u32, RandomState> = HashMap::default();
        let mut order: Vec<(String, u32)> = Vec::new();
        for (at, probe) in probes.iter().enumerate() {
            let check = match probe.case {
                Case::Insensitive => Check::Holds(probe.id),
                Case::Sensitive => Check::Test(at),
            };
            let mut find = |anchor: Anchor, text: String, check: Check| {
                let pattern = match anchor {
                    Anchor::Start => format!("{START}{text}"),
                    Anchor::End => format!("{text}{END}"),
                    Anchor::Anywhere => text,
                };
                let next = order.len() as u32;
                let slot = *patterns.entry(pattern.clone()).or_insert(next);
                if slot == next {
                    order.push((pattern, slot));
                    built.found.push(Vec::new());
                }
                built.found[slot as usize].push((anchor, check));
            };
            match &probe.test {
                Test::Exists => built.exists.push(probe.id),
                Test::Equals(text) => {
                    built.equals.entry(fold(text)).or_default().push(check);
                }
                Test::StartsWith(text) => find(Anchor::Start, fold(text), check),
                Test::EndsWith(text) => find(Anchor::End, fold(text), check),
                Test::Contains(text) if text.is_empty() => built.always.push(check),
                Test::Contains(text) => find(Anchor::Anywhere, fold(text), check),
                Test::Wildcard(glob) => match glob_atom(glob) {
                    Some((anchor, text)) => find(anchor, text, Check::Test(at)),
                    None => built.always.push(Check::Test(at)),
                },
                Test::Term(glob, breakers) => match (glob_atom(glob), probe.case) {
                    (Some((_, text)), Case::Insensitive)
                        if let ([Piece::Text(_)], borders) =
                            Borders::of(&glob.folded(), *breakers) =>
                    {
                        find(Anchor::Anywhere, text, Check::Term(probe.id, borders));
                    }
                    (Some((_, text)), _) => find(Anchor::Anywhere, text, Check::Test(at)),
                    (None, _) => built.always.push(Check::Test(at)),
                },
                Test::Regex(regex) => match regex_atoms(regex) {
                    Atoms::OneOf(texts) => {
                        for text in texts {
                            find(Anchor::Anywhere, text, Check::Test(at));
                        }
                    }
                    Atoms::Unknown => built.always.push(Check::Test(at)),
                },
                Test::Cidr(_) | Test::Number(..) | Test::TimePart(..) | Test::SameAs(..) => {
                    built.always.push(Check::Test(at));
                }
            }
        }
        built.patterns = Patterns::new(order);
        built
    }

    /// Adds the probes that hold for one element; one may be there twice.
    fn element(
        &self,
        value: &Value,
        probes: &[Probe],
        gave_up: &AtomicU64,
        holding: &mut Vec<u32>,
    ) {
        let Some(text) = value.text() else { return };
        let mut folded = String::with_capacity(text.len() + 2);
        folded.push(START);
        fold_into(&text, &mut folded);
        let mut tested = BitSet::new();
        let equal = self.equals.get(&folded[START.len_utf8()..]);
        folded.push(END);
        let seen = Seen { value, text: &text, folded: &folded[1..folded.len() - 1] };
        // Where what was found stands in the value, with a sentinel before it.
        let mut settle = |check: Check, (start, end): (usize, usize)| match check {
            Check::Holds(id) => holding.push(id),
            Check::Term(id, borders) => {
                let text = seen.folded.as_bytes();
                if borders.may_start(text, start - 1) && borders.may_end(text, end - 1) {
                    holding.push(id);
                }
            }
            Check::Test(at) => {
                if tested.insert(at) && self.passes(at, &probes[at], &seen, gave_up) {
                    holding.push(probes[at].id);
                }
            }
        };
        let nowhere = (1, 1);
        equal.into_iter().flatten().for_each(|check| settle(*check, nowhere));
        self.patterns.find(folded.as_bytes(), |at, start, end| {
            for (anchor, check) in &self.found[at] {
                // The sentinels may also stand in the value itself.
                let in_place = match anchor {
                    Anchor::Start => start == 0 && end < folded.len(),
                    Anchor::End => start > 0 && end == folded.len(),
                    Anchor::Anywhere => start > 0 && end < folded.len(),
                };
                if in_place {
                    settle(*check, (start, end));
                }
            }
        });
        self.always.iter().for_each(|check| settle(*check, nowhere));
    }

    fn passes(&self, at: usize, probe: &Probe, seen: &Seen<'_>, gave_up: &AtomicU64) -> bool {
        match (&probe.test, &self.ready[at]) {
            (_, Ready::Glob(glob)) => glob.matches(seen.folded),
            (_, Ready::Term(glob, breakers)) => term::stands_in(glob, *breakers, seen.folded),
            (Test::Regex(regex), Ready::Regex(compiled)) => {
                let compiled = compiled.get_or_init(|| reference::compile(regex));
                let found = compiled.as_ref().map(|compiled| compiled.is_match(seen.text));
                found.is_some_and(|found| {
                    found.unwrap_or_else(|_| {
                        gave_up.fetch_add(1, Ordering::Relaxed);
                        false
                    })
                })
            }
            (test, _) => reference::element_passes(test, probe.case, seen.value),
        }
    }
}

/// A value in the forms in which tests look at it.
struct Seen<'v> {
    value: &'v Value,
    text: &'v str,
    folded: &'v str,
}

/// Folded texts of which any value that passes the test has at least one.
pub(super) fn needed(test: &Test) -> Option<Vec<String>> {
    match test {
        Test::Equals(text)
        | Test::StartsWith(text)
        | Test::EndsWith(text)
        | Test::Contains(text) => Some(vec![fold(text)]),
        Test::Wildcard(glob) | Test::Term(glob, _) => glob_atom(glob).map(|(_, text)| vec![text]),
        Test::Regex(regex) => match regex_atoms(regex) {
            Atoms::OneOf(texts) => Some(texts),
            Atoms::Unknown => None,
        },
        Test::Exists | Test::Cidr(_) | Test::Number(..) | Test::TimePart(..) => None,
        Test::SameAs(..) => None,
    }
}

/// A text that any value the pattern matches must have: the longest of its pieces, and where.
fn glob_atom(glob: &Glob) -> Option<(Anchor, String)> {
    let pieces = glob.pieces();
    let text = |at: usize| match &pieces[at] {
        Piece::Text(text) => Some(fold(text)),
        Piece::One | Piece::Many => None,
    };
    let last = pieces.len().checked_sub(1)?;
    let texts = (0..pieces.len()).filter_map(|at| Some((at, text(at)?)));
    let (at, text) = texts.max_by_key(|(at, text)| (text.len(), std::cmp::Reverse(*at)))?;
    let anchor = match at {
        0 => Anchor::Start,
        at if at == last => Anchor::End,
        _ => Anchor::Anywhere,
    };
    Some((anchor, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(test: Test, case: Case, value: &str) -> bool {
        let probe = Probe { id: 7, test, case, elements: Elements::Any };
        FieldMatcher::new(vec![probe]).holding(&Value::string(value)).contains(&7)
    }

    #[test]
    fn sentinels_inside_a_value_are_no_borders() {
        let starts = || Test::StartsWith("a".to_owned());
        let ends = || Test::EndsWith("a".to_owned());
        assert!(!holds(starts(), Case::Insensitive, "x\u{2}a"));
        assert!(!holds(ends(), Case::Insensitive, "a\u{3}x"));
        assert!(holds(starts(), Case::Insensitive, "Ab"));
        assert!(!holds(starts(), Case::Sensitive, "Ab"));
        assert!(!holds(Test::Contains("\u{2}".to_owned()), Case::Insensitive, "x"));
        assert!(holds(Test::Contains("\u{2}".to_owned()), Case::Insensitive, "x\u{2}"));
        assert!(!holds(Test::Contains("x\u{3}".to_owned()), Case::Insensitive, "x"));
    }

    #[test]
    fn terms_stand_anywhere() {
        let term = |text: &str| Test::Term(Glob::stars(text), Breakers::All);
        let cases = [
            (term("CMD"), Case::Insensitive, "run cmd.exe now", true),
            (term("cmd"), Case::Insensitive, "cmdline", false),
            (term("CMD"), Case::Sensitive, "run cmd.exe", false),
            (term("CMD"), Case::Sensitive, "run CMD.exe", true),
            (term("cmd*exe"), Case::Insensitive, "x cmd.exe y", true),
            (term("*.exe"), Case::Insensitive, "x cmd.exe y", true),
            (term("*"), Case::Sensitive, "", true),
        ];
        for (test, case, value, expected) in cases {
            let name = format!("{test:?} {case:?} on {value}");
            let value = Value::string(value);
            assert_eq!(reference::element_passes(&test, case, &value), expected, "{name}");
            let probe = Probe { id: 7, test, case, elements: Elements::Any };
            let held = !FieldMatcher::new(vec![probe]).holding(&value).is_empty();
            assert_eq!(held, expected, "{name}");
        }
    }

    #[test]
    fn elements_count() {
        let matcher = |elements| {
            let test = Test::Contains("a".to_owned());
            FieldMatcher::new(vec![Probe { id: 1, test, case: Case::Insensitive, elements }])
        };
        let both = Value::List(vec![Value::string("a"), Value::string("ba")]);
        let one = Value::List(vec![Value::string("a"), Value::string("b")]);
        let cases = [
            (Elements::Any, &both, true),
            (Elements::Any, &one, true),
            (Elements::All, &both, true),
            (Elements::All, &one, false),
            (Elements::Single, &both, false),
            (Elements::Single, &Value::string("a"), true),
            (Elements::All, &Value::Null, false),
        ];
        for (elements, value, expected) in cases {
            let held = !matcher(elements).holding(value).is_empty();
            assert_eq!(held, expected, "{elements:?} {value:?}");
        }
    }
}
