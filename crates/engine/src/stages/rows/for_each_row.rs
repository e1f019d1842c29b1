//! `ForEachRow`: for each row of the first input, the rows of the second that fit it.
//!
//! Rows of the first input are worked in order. One that lacks a column asks for nothing. A value
//! that is compared may have `*` in it.

use std::collections::VecDeque;
use std::sync::Arc;

use rulestone_ir::{Breakers, Case, MapTest};
use rulestone_value::{Glob, Value, fold};

use super::values::text;
use super::{OverPane, Refusal, Run, drain_rows};
use crate::row::{Names, Slot, Tuple};
use crate::term::stands;

#[derive(Debug)]
pub(super) struct ForEachRowStage {
    on: Vec<(Slot, Test)>,
    most: u64,
    first: VecDeque<Tuple>,
    second: Vec<Tuple>,
    /// Rows of the first input that came.
    seen: u64,
    /// What fits the row at hand.
    ready: VecDeque<Tuple>,
}

#[derive(Debug, Clone, Copy)]
enum Test {
    Equals(Slot),
    Term(Slot),
}

impl ForEachRowStage {
    pub(super) fn new(on: &[(Arc<str>, MapTest)], most: u64, names: &mut Names) -> Self {
        let pair = |(first, test): &(Arc<str>, MapTest)| {
            let test = match test {
                MapTest::Equals(name) => Test::Equals(names.slot(name)),
                MapTest::Term(name) => Test::Term(names.slot(name)),
            };
            (names.slot(first), test)
        };
        ForEachRowStage {
            on: on.iter().map(pair).collect(),
            most,
            first: VecDeque::new(),
            second: Vec::new(),
            seen: 0,
            ready: VecDeque::new(),
        }
    }

    /// Puts the rows that fit a row of the first input into `ready`.
    fn look(&mut self, run: &mut Run, row: &Tuple) -> Result<(), Refusal> {
        let asked: Option<Vec<(Test, Vec<Glob>)>> =
            self.on.iter().map(|(slot, test)| Some((*test, globs(row.get(*slot))?))).collect();
        let Some(asked) = asked else { return Ok(()) };
        for other in &self.second {
            if asked.iter().all(|(test, globs)| fits(*test, globs, other)) {
                let mut out = other.clone();
                out.proof.add(&row.proof);
                run.memory.hold_row(&out)?;
                self.ready.push_back(out);
            }
        }
        Ok(())
    }
}

/// The patterns that a value asks for; none for null.
fn globs(value: &Value) -> Option<Vec<Glob>> {
    let globs: Vec<Glob> =
        value.elements().iter().filter_map(text).map(|text| Glob::stars(&fold(&text))).collect();
    (!globs.is_empty()).then_some(globs)
}

fn fits(test: Test, globs: &[Glob], row: &Tuple) -> bool {
    let (Test::Equals(slot) | Test::Term(slot)) = test;
    row.get(slot).elements().iter().filter_map(text).any(|text| match test {
        Test::Equals(_) => {
            let text = fold(&text);
            globs.iter().any(|glob| glob.matches(&text))
        }
        Test::Term(_) => {
            globs.iter().any(|glob| stands(glob, Breakers::All, Case::Insensitive, &text))
        }
    })
}

impl OverPane for ForEachRowStage {
    fn push(
        &mut self,
        run: &mut Run,
        input: usize,
        row: Tuple,
        _: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        if input == 0 {
            self.seen += 1;
            if self.seen > self.most {
                return Ok(());
            }
        }
        run.memory.hold_row(&row)?;
        match input {
            0 => self.first.push_back(row),
            _ => self.second.push(row),
        }
        Ok(())
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        if self.ready.is_empty() {
            let Some(row) = self.first.pop_front() else { return Ok(false) };
            run.memory.release_row(&row);
            self.look(run, &row)?;
        }
        drain_rows(&mut std::iter::from_fn(|| self.ready.pop_front()), run, out)?;
        Ok(true)
    }

    fn reset(&mut self) {
        (self.first, self.second) = (VecDeque::new(), Vec::new());
        (self.seen, self.ready) = (0, VecDeque::new());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_ir::{MapTest, RowStage};

    use crate::stages::rows::notation::check_two;

    #[test]
    fn what_fits_each() {
        let stage = |most| RowStage::ForEachRow {
            on: vec![(Arc::from("u"), MapTest::Equals(Arc::from("user")))],
            most,
        };
        let first = "u=Bob\nx=1\nu=[ann,'e*']";
        let second = "user=bob n=1\nuser=Ann n=2\nn=3\nuser=[eve,x] n=4";
        let all = "user=bob n=1\nuser=Ann n=2\nuser=[eve,x] n=4";
        check_two(stage(10), first, second, all);
        check_two(stage(1), first, second, "user=bob n=1");
        check_two(stage(10), "", second, "");
    }
}
