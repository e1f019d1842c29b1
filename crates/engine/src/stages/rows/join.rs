//! `Join`: rows of the second input joined to those of the first.
//!
//! The second input is kept by key; rows of the first that come before it has ended wait. A list
//! in a key of a pair is one value, its elements joined by line ends. A row that lacks a key has
//! no partner.
//!
//! Without `on`, pairs are made of all columns that rows of both inputs have, but those with a
//! leading `_`; where there is none, every row has every other for its partner. A row that is only
//! looked for is then compared in each column it has: any element with any element, and `*` in it
//! stands for anything.

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::RandomState;
use rulestone_ir::{Join, JoinKind};
use rulestone_value::{Glob, Value, fold};

use super::append::beside;
use super::values::{text, whole_text};
use super::{OverPane, Refusal, Run, row_bytes, value_heap};
use crate::row::{Names, Slot, Tuple};

/// Makes the stage of a join.
pub(super) fn stage(join: &Join, names: &mut Names) -> super::Work {
    let on: Vec<Slot> = join.on.iter().map(|name| names.slot(name)).collect();
    match join.kind {
        JoinKind::Inner | JoinKind::Left => super::Work::pane(PairsStage {
            on,
            left: join.kind == JoinKind::Left,
            most: join.most.filter(|most| *most > 0).unwrap_or(u64::MAX),
            overwrite: join.overwrite,
            ignore_case: join.ignore_case,
            ..PairsStage::default()
        }),
        JoinKind::Semi | JoinKind::Anti => super::Work::pane(LookedForStage {
            on,
            wanted: join.kind == JoinKind::Semi,
            ignore_case: join.ignore_case,
            ..LookedForStage::default()
        }),
    }
}

type Key = Vec<Box<str>>;

/// What keys are made of, and the rows of each.
type Index = (Vec<Slot>, HashMap<Key, Vec<u32>, RandomState>);

/// Pairs of rows.
#[derive(Debug, Default)]
struct PairsStage {
    on: Vec<Slot>,
    left: bool,
    most: u64,
    overwrite: bool,
    ignore_case: bool,
    /// Rows of the second input.
    second: Vec<Tuple>,
    /// By key, once the second input has ended and it is known what keys are made of.
    index: Option<Index>,
    /// Rows of the first input that came too early.
    waiting: std::collections::VecDeque<Tuple>,
}

impl PairsStage {
    fn key(&self, slots: &[Slot], row: &Tuple) -> Option<Key> {
        let part = |slot: &Slot| {
            let text = whole_text(row.get(*slot))?;
            Some(if self.ignore_case { fold(&text).into() } else { text.into() })
        };
        slots.iter().map(part).collect()
    }

    /// Makes the index, once all rows are there that have a say in what keys are made of.
    fn make_index(&mut self, run: &mut Run) -> Result<(), Refusal> {
        let on = if self.on.is_empty() { self.common(run) } else { self.on.clone() };
        let mut index: HashMap<Key, Vec<u32>, RandomState> = HashMap::default();
        for (at, row) in self.second.iter().enumerate() {
            let Some(key) = self.key(&on, row) else { continue };
            let bytes: usize = key.iter().map(|part| part.len() + 16).sum();
            run.memory.hold(bytes + 40)?;
            let partners = index.entry(key).or_default();
            if (partners.len() as u64) < self.most {
                partners.push(at as u32);
            }
        }
        self.index = Some((on, index));
        Ok(())
    }

    /// The columns that rows of both inputs have.
    fn common(&self, run: &Run) -> Vec<Slot> {
        let there = |rows: &mut dyn Iterator<Item = &Tuple>| {
            let mut slots = std::collections::BTreeSet::new();
            rows.for_each(|row| slots.extend(row.columns().map(|(slot, _)| slot)));
            slots
        };
        let first = there(&mut self.waiting.iter());
        let second = there(&mut self.second.iter());
        let internal = |slot: &Slot| run.names.name(*slot).starts_with('_');
        first.intersection(&second).copied().filter(|slot| !internal(slot)).collect()
    }

    fn join(&self, row: Tuple, out: &mut Vec<Tuple>) {
        let Some((on, index)) = &self.index else { return };
        let partners = self.key(on, &row).and_then(|key| index.get(&key));
        match partners {
            Some(partners) => {
                out.extend(partners.iter().map(|at| {
                    beside(row.clone(), self.second[*at as usize].clone(), self.overwrite)
                }))
            }
            None if self.left => out.push(row),
            None => {}
        }
    }
}

impl OverPane for PairsStage {
    fn push(
        &mut self,
        run: &mut Run,
        input: usize,
        row: Tuple,
        out: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        if input == 0 && self.index.is_some() {
            self.join(row, out);
            return Ok(());
        }
        run.memory.hold_row(&row)?;
        match input {
            0 => self.waiting.push_back(row),
            _ => self.second.push(row),
        }
        Ok(())
    }

    fn end(&mut self, run: &mut Run, input: usize, _: &mut Vec<Tuple>) -> Result<(), Refusal> {
        // Which columns both have is known at the end of both.
        if input == 1 && !self.on.is_empty() { self.make_index(run) } else { Ok(()) }
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        if self.index.is_none() {
            self.make_index(run)?;
        }
        let Some(row) = self.waiting.pop_front() else { return Ok(false) };
        run.memory.release_row(&row);
        self.join(row, out);
        Ok(true)
    }

    fn is_barren(&self) -> bool {
        !self.left && self.index.as_ref().is_some_and(|(_, index)| index.is_empty())
    }

    fn reset(&mut self) {
        self.second = Vec::new();
        self.index = None;
        self.waiting = std::collections::VecDeque::new();
    }
}

/// Rows of the first input that have, or do not have, a partner.
#[derive(Debug, Default)]
struct LookedForStage {
    on: Vec<Slot>,
    /// Whether those with a partner come out.
    wanted: bool,
    ignore_case: bool,
    /// What is looked for without `*`: by the columns it has, the texts of each.
    plain: BTreeMap<Vec<Slot>, HashSet<Key, RandomState>>,
    /// What has a `*`: for each column the patterns, of which one has to fit.
    patterns: Vec<Vec<(Slot, Vec<Glob>)>>,
    ended: bool,
    waiting: std::collections::VecDeque<Tuple>,
}

/// Combinations of elements that are looked up one by one.
const MOST_COMBINATIONS: usize = 4096;

impl LookedForStage {
    fn folded(&self, value: &Value) -> Box<str> {
        let text = text(value).unwrap_or_default();
        if self.ignore_case { fold(&text).into() } else { text.into() }
    }

    /// Takes a row that is looked for.
    fn look_for(&mut self, run: &mut Run, row: &Tuple) -> Result<(), Refusal> {
        let asked = |slot: &Slot| match self.on.is_empty() {
            true => !run.names.name(*slot).starts_with('_'),
            false => self.on.contains(slot),
        };
        let columns: Vec<(Slot, &Value)> = row.columns().filter(|(slot, _)| asked(slot)).collect();
        if columns.is_empty() {
            return Ok(());
        }
        let plain = |value: &Value| match value {
            Value::List(_) => false,
            Value::String(text) => !text.contains('*'),
            _ => true,
        };
        run.memory.hold(columns.iter().map(|(_, value)| 48 + value_heap(value)).sum())?;
        if columns.iter().all(|(_, value)| plain(value)) {
            let key = columns.iter().map(|(_, value)| self.folded(value)).collect();
            let slots = columns.iter().map(|(slot, _)| *slot).collect();
            self.plain.entry(slots).or_default().insert(key);
        } else {
            let globs = |value: &Value| {
                let elements = value.elements().iter();
                elements.map(|element| Glob::stars(&self.folded(element))).collect()
            };
            self.patterns.push(columns.iter().map(|(s, value)| (*s, globs(value))).collect());
        }
        Ok(())
    }

    fn has_partner(&self, row: &Tuple) -> bool {
        self.plain.iter().any(|(slots, keys)| self.is_among(slots, keys, row))
            || self.patterns.iter().any(|columns| {
                columns.iter().all(|(slot, globs)| {
                    row.get(*slot).elements().iter().any(|element| {
                        let text = self.folded(element);
                        globs.iter().any(|glob| glob.matches(&text))
                    })
                })
            })
    }

    fn is_among(&self, slots: &[Slot], keys: &HashSet<Key, RandomState>, row: &Tuple) -> bool {
        let texts: Vec<Vec<Box<str>>> = slots
            .iter()
            .map(|slot| row.get(*slot).elements().iter().map(|e| self.folded(e)).collect())
            .collect();
        let combinations =
            texts.iter().try_fold(1_usize, |all, texts| all.checked_mul(texts.len()));
        match combinations {
            Some(0) => false,
            Some(number) if number <= MOST_COMBINATIONS.min(keys.len().max(16)) => {
                (0..number).any(|mut number| {
                    let key: Key = texts
                        .iter()
                        .map(|texts| {
                            let text = texts[number % texts.len()].clone();
                            number /= texts.len();
                            text
                        })
                        .collect();
                    keys.contains(&key)
                })
            }
            _ => {
                let fits = |key: &Key| key.iter().zip(&texts).all(|(k, texts)| texts.contains(k));
                // Whether there is one does not depend on the order of the keys.
                #[expect(clippy::iter_over_hash_type, reason = "asks whether there is one")]
                for key in keys {
                    if fits(key) {
                        return true;
                    }
                }
                false
            }
        }
    }

    fn decide(&self, row: Tuple, out: &mut Vec<Tuple>) {
        if self.has_partner(&row) == self.wanted {
            out.push(row);
        }
    }
}

impl OverPane for LookedForStage {
    fn push(
        &mut self,
        run: &mut Run,
        input: usize,
        row: Tuple,
        out: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        if input > 0 {
            return self.look_for(run, &row);
        }
        if self.ended {
            self.decide(row, out);
        } else {
            run.memory.hold(row_bytes(&row))?;
            self.waiting.push_back(row);
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Run, input: usize, _: &mut Vec<Tuple>) -> Result<(), Refusal> {
        self.ended |= input > 0;
        Ok(())
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        let Some(row) = self.waiting.pop_front() else { return Ok(false) };
        run.memory.release_row(&row);
        self.decide(row, out);
        Ok(true)
    }

    fn is_barren(&self) -> bool {
        self.wanted && self.ended && self.plain.is_empty() && self.patterns.is_empty()
    }

    fn reset(&mut self) {
        self.plain = BTreeMap::new();
        self.patterns = Vec::new();
        self.ended = false;
        self.waiting = std::collections::VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use rulestone_ir::{Join, JoinKind, RowStage};

    use crate::stages::rows::notation::{check_two, names};

    fn join(kind: JoinKind, on: &str, most: Option<u64>) -> Join {
        Join { kind, on: names(on), most, overwrite: true, ignore_case: false }
    }

    #[test]
    fn pairs() {
        use JoinKind::{Inner, Left};
        let first = "k=1 a=x\nk=2 a=y\na=z\nk=[1,2] a=w";
        let second = "k=1 a=p b=q\nk='1' b=r\nb=s\nk=[1,2] b=t";
        for (stage, expected) in [
            (join(Inner, "k", Some(1)), "k=1 a=p b=q\nk=[1,2] a=w b=t"),
            (join(Inner, "k", None), "k=1 a=p b=q\nk='1' a=x b=r\nk=[1,2] a=w b=t"),
            (join(Left, "k", Some(1)), "k=1 a=p b=q\nk=2 a=y\na=z\nk=[1,2] a=w b=t"),
            (
                Join { overwrite: false, ..join(Inner, "k", Some(1)) },
                "k=1 a=x b=q\nk=[1,2] a=w b=t",
            ),
        ] {
            check_two(RowStage::Join(stage), first, second, expected);
        }
        // Text compares with case unless said.
        check_two(RowStage::Join(join(Inner, "k", None)), "k=A", "k=a b=1", "");
        let folded = Join { ignore_case: true, ..join(Inner, "k", None) };
        check_two(RowStage::Join(folded), "k=A", "k=a b=1", "k=a b=1");
        // All columns that both have.
        let all = RowStage::Join(join(Inner, "", None));
        check_two(all, "_time=@1 j=1 k=1\nj=1 k=2", "_time=@2 j=1 k=2 b=3", "_time=@2 j=1 k=2 b=3");
        check_two(RowStage::Join(join(Inner, "", None)), "a=1\na=2", "b=1", "a=1 b=1\na=2 b=1");
    }

    #[test]
    fn looked_for() {
        use JoinKind::{Anti, Semi};
        let first = "k=net.exe h=1\nk=[a,Cmd.exe] h=2\nh=1\nk=cmd.exe";
        let folded = |kind, on| Join { ignore_case: true, ..join(kind, on, None) };
        for (stage, second, expected) in [
            (folded(Semi, ""), "k=cmd.exe", "k=[a,Cmd.exe] h=2\nk=cmd.exe"),
            (folded(Anti, ""), "k=cmd.exe", "k=net.exe h=1\nh=1"),
            (folded(Semi, ""), "k='*.exe' h=1\nh=2", "k=net.exe h=1\nk=[a,Cmd.exe] h=2"),
            (folded(Semi, ""), "k=[net.exe,x] h=1", "k=net.exe h=1"),
            (folded(Semi, ""), "k=cmd.exe h=2\nk=cmd.exe h=1", "k=[a,Cmd.exe] h=2"),
            (folded(Semi, "h"), "k=nothing h=1", "k=net.exe h=1\nh=1"),
            (folded(Semi, ""), "", ""),
            (folded(Semi, ""), "-", ""),
            (folded(Anti, ""), "", first),
            (join(Semi, "", None), "k=CMD.EXE", ""),
        ] {
            check_two(RowStage::Join(stage), first, second, expected);
        }
    }
}
