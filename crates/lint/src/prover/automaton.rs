//! Automata over whole texts, and whether several agree on one.

use std::collections::{HashMap, VecDeque};

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::{self, NFA};
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::Hir;

/// A finite automaton over the bytes of whole texts.
#[derive(Debug)]
pub(crate) struct Machine {
    /// The class of each byte: bytes of one class lead to the same states.
    classes: [u8; 256],
    /// How many classes there are.
    width: usize,
    /// Where each class leads from each state.
    table: Vec<u32>,
    /// States in which a text may end.
    accepting: Vec<bool>,
    /// States from which an accepting one can be reached.
    alive: Vec<bool>,
    /// States from which one that is not accepting can be reached.
    escapable: Vec<bool>,
}

/// What an automaton may cost.
const NFA_BYTES: usize = 4 << 20;
const DFA_BYTES: usize = 8 << 20;
const STATES: usize = 6_000;
/// Combinations of states looked at, over all automata.
const PRODUCT: usize = 60_000;

impl Machine {
    /// The automaton of an expression over whole texts; `None` where it is too large.
    pub(crate) fn new(hir: &Hir) -> Option<Machine> {
        let config = thompson::Config::new().nfa_size_limit(Some(NFA_BYTES));
        let nfa: NFA = thompson::Compiler::new().configure(config).build_from_hir(hir).ok()?;
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .match_kind(MatchKind::All)
            .accelerate(false)
            .dfa_size_limit(Some(DFA_BYTES))
            .determinize_size_limit(Some(DFA_BYTES));
        let dfa = dense::Builder::new().configure(config).build_from_nfa(&nfa).ok()?;
        Machine::walk(&dfa)
    }

    /// Copies the states that can be reached, and finds which bytes are alike.
    fn walk(dfa: &dense::DFA<Vec<u32>>) -> Option<Machine> {
        let config = start::Config::new().anchored(Anchored::Yes);
        let first = dfa.start_state(&config).ok()?;
        let (mut numbers, mut states) = (HashMap::from([(first, 0_u32)]), vec![first]);
        let mut rows: Vec<[u32; 256]> = Vec::new();
        let mut accepting = Vec::new();
        while let Some(state) = states.get(rows.len()).copied() {
            let mut row = [0; 256];
            for byte in 0..=u8::MAX {
                let next = dfa.next_state(state, byte);
                if dfa.is_quit_state(next) {
                    return None;
                }
                let fresh = states.len() as u32;
                let number = *numbers.entry(next).or_insert(fresh);
                if number == fresh {
                    states.push(next);
                }
                row[usize::from(byte)] = number;
            }
            accepting.push(dfa.is_match_state(dfa.next_eoi_state(state)));
            rows.push(row);
            if rows.len() > STATES {
                return None;
            }
        }
        Some(Machine::of_rows(&rows, accepting))
    }

    fn of_rows(rows: &[[u32; 256]], accepting: Vec<bool>) -> Machine {
        let mut columns: HashMap<Vec<u32>, u8> = HashMap::new();
        let mut classes = [0; 256];
        let mut firsts = Vec::new();
        for byte in 0..256 {
            let column: Vec<u32> = rows.iter().map(|row| row[byte]).collect();
            let fresh = columns.len() as u8;
            classes[byte] = *columns.entry(column).or_insert(fresh);
            if usize::from(classes[byte]) == firsts.len() {
                firsts.push(byte);
            }
        }
        let width = firsts.len();
        let table: Vec<u32> =
            rows.iter().flat_map(|row| firsts.iter().map(|byte| row[*byte])).collect();
        let alive = reaching(&table, width, &accepting);
        let refusing: Vec<bool> = accepting.iter().map(|accepting| !accepting).collect();
        let escapable = reaching(&table, width, &refusing);
        Machine { classes, width, table, accepting, alive, escapable }
    }

    fn next(&self, state: u32, byte: u8) -> u32 {
        self.table[state as usize * self.width + usize::from(self.classes[usize::from(byte)])]
    }
}

/// The states from which one of those wanted can be reached.
fn reaching(table: &[u32], width: usize, wanted: &[bool]) -> Vec<bool> {
    let mut before: Vec<Vec<u32>> = vec![Vec::new(); wanted.len()];
    for (state, row) in table.chunks(width.max(1)).enumerate() {
        for next in row {
            if before[*next as usize].last() != Some(&(state as u32)) {
                before[*next as usize].push(state as u32);
            }
        }
    }
    let mut reached = wanted.to_vec();
    let mut open: Vec<u32> = (0..wanted.len() as u32).filter(|s| wanted[*s as usize]).collect();
    while let Some(state) = open.pop() {
        for from in &before[state as usize] {
            if !std::mem::replace(&mut reached[*from as usize], true) {
                open.push(*from);
            }
        }
    }
    reached
}

/// What a search for a common text came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Common {
    /// `try_text` took one.
    Found,
    /// There is none.
    None,
    /// Looked at too much, or `try_text` took none of many.
    Unknown,
}

/// Looks for a text that every automaton takes, or refuses where the flag is false. Each such text
/// is offered to `try_text`, the shortest first, until it takes one. The first automaton has to be
/// one that is to take the text, so that only UTF-8 is offered.
pub(crate) fn common(
    machines: &[(&Machine, bool)],
    most_tries: usize,
    try_text: &mut dyn FnMut(&str) -> bool,
) -> Common {
    let bytes = representatives(machines);
    let possible = |states: &[u32]| {
        machines.iter().zip(states).all(|((machine, wanted), state)| {
            if *wanted {
                machine.alive[*state as usize]
            } else {
                machine.escapable[*state as usize]
            }
        })
    };
    let accepted = |states: &[u32]| {
        let mut all = machines.iter().zip(states);
        all.all(|((machine, wanted), state)| machine.accepting[*state as usize] == *wanted)
    };
    let first: Box<[u32]> = vec![0; machines.len()].into();
    if !possible(&first) {
        return Common::None;
    }
    let mut seen: HashMap<Box<[u32]>, usize> = HashMap::from([(first.clone(), 0)]);
    let mut path: Vec<(usize, u8)> = vec![(0, 0)];
    let mut open = VecDeque::from([(first, 0_usize)]);
    let mut tries = 0;
    while let Some((states, at)) = open.pop_front() {
        if accepted(&states) {
            let text = spell(&path, at);
            tries += 1;
            if text.is_some_and(|text| try_text(&text)) {
                return Common::Found;
            }
            if tries >= most_tries {
                return Common::Unknown;
            }
        }
        for byte in &bytes {
            let next: Box<[u32]> =
                machines.iter().zip(&*states).map(|((m, _), s)| m.next(*s, *byte)).collect();
            if !possible(&next) || seen.contains_key(&next) {
                continue;
            }
            if seen.len() >= PRODUCT {
                return Common::Unknown;
            }
            path.push((at, *byte));
            seen.insert(next.clone(), path.len() - 1);
            open.push_back((next, path.len() - 1));
        }
    }
    if tries == 0 { Common::None } else { Common::Unknown }
}

/// One byte of each class that any automaton tells apart, letters first.
fn representatives(machines: &[(&Machine, bool)]) -> Vec<u8> {
    let mut seen: HashMap<Vec<u8>, ()> = HashMap::new();
    let letters = (b'a'..=b'z').chain(b'A'..=b'Z').chain(b'0'..=b'9').chain(b' '..=b'~');
    letters
        .chain(0..=u8::MAX)
        .filter(|byte| {
            let class = machines.iter().map(|(m, _)| m.classes[usize::from(*byte)]).collect();
            seen.insert(class, ()).is_none()
        })
        .collect()
}

/// The text of a path back to the start.
fn spell(path: &[(usize, u8)], mut at: usize) -> Option<String> {
    let mut bytes = Vec::new();
    while at != 0 {
        let (before, byte) = path[at];
        bytes.push(byte);
        at = before;
    }
    bytes.reverse();
    String::from_utf8(bytes).ok()
}
