//! `Aggregate`: measures groups of rows.
//!
//! Groups are told apart by the text of their keys; the result is sorted by them. A row that has a
//! list in a key is in the group of each element. A group's row rests on all of its rows, of which
//! it remembers the first ten, the last and how many.

use std::sync::Arc;

use rulestone_ir::{Aggregate, NullKey};
use rulestone_value::Value;

use super::measure::{Acc, Measures, State};
use super::values::Keys;
use super::{BATCH, OverPane, Refusal, Run};
use crate::order::Origin;
use crate::row::{EVIDENCE, Names, Proof, Seen, Slot, Tuple};

#[derive(Debug)]
pub(super) struct AggregateStage {
    by: Vec<(Slot, Slot)>,
    null: NullKey,
    measures: Measures,
    empty_row: bool,
    keys: Keys,
    groups: Vec<Group>,
    /// The groups that have not been handed over, the next one last.
    left: Option<Vec<u32>>,
}

#[derive(Debug, Default)]
struct Group {
    state: State,
    evidence: Evidence,
}

impl AggregateStage {
    pub(super) fn new(aggregate: &Aggregate, names: &mut Names) -> Self {
        let pair = |(from, into): &(Arc<str>, Arc<str>)| (names.slot(from), names.slot(into));
        let by: Vec<(Slot, Slot)> = aggregate.by.iter().map(pair).collect();
        let keys = by.iter().map(|(from, _)| *from).collect();
        AggregateStage {
            measures: Measures::new(&aggregate.measures, keys, names),
            keys: Keys::new(by.len()),
            by,
            null: aggregate.null.clone(),
            empty_row: aggregate.empty_row,
            groups: Vec::new(),
            left: None,
        }
    }

    /// Adds a row to the group of a key.
    fn add(&mut self, run: &mut Run, key: &[&Value], row: &Tuple) -> Result<(), Refusal> {
        let (number, new) = self.keys.number(key);
        let mut bytes = 0;
        if let Some(own) = new {
            let state = self.measures.start();
            bytes += own + size_of::<Group>() + state.capacity() * size_of::<(u32, u32, Acc)>();
            self.groups.push(Group { state, evidence: Evidence::default() });
        }
        let mut group = std::mem::take(&mut self.groups[number]);
        bytes += group.evidence.add(&row.proof);
        bytes += self.measures.add_row(run, row, &mut group.state)?;
        self.groups[number] = group;
        run.memory.hold(bytes)
    }

    fn result(&mut self, number: usize) -> Tuple {
        let group = std::mem::take(&mut self.groups[number]);
        let mut row = Tuple { values: Vec::new(), proof: group.evidence.proof() };
        for ((_, into), value) in self.by.iter().zip(self.keys.take(number)) {
            row.set(*into, value);
        }
        self.measures.finish(group.state, &mut row);
        row
    }
}

impl OverPane for AggregateStage {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        row: Tuple,
        _: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        let filled = match &self.null {
            NullKey::Fill(text) => Value::string(text.as_str()),
            _ => Value::Null,
        };
        let mut columns: Vec<&[Value]> = Vec::with_capacity(self.by.len());
        for (slot, _) in &self.by {
            match row.get(*slot) {
                Value::Null if self.null == NullKey::Drop => return Ok(()),
                Value::Null => columns.push(std::slice::from_ref(&filled)),
                value => columns.push(value.elements()),
            }
        }
        let mut at = vec![0; columns.len()];
        loop {
            let key: Vec<&Value> =
                columns.iter().zip(&at).map(|(elements, at)| &elements[*at]).collect();
            self.add(run, &key, &row)?;
            // The next combination, like an odometer.
            let Some(wheel) =
                (0..at.len()).rev().find(|wheel| at[*wheel] + 1 < columns[*wheel].len())
            else {
                return Ok(());
            };
            at[wheel] += 1;
            at[wheel + 1..].fill(0);
        }
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        if self.left.is_none() {
            if self.groups.is_empty() && self.empty_row && self.by.is_empty() {
                self.keys.number(&[]);
                self.groups.push(Group { state: self.measures.start(), ..Group::default() });
            }
            let mut left = self.keys.in_order();
            left.reverse();
            self.left = Some(left);
        }
        let Some(left) = &mut self.left else { return Ok(false) };
        let batch = left.split_off(left.len().saturating_sub(BATCH));
        let more = !left.is_empty();
        for number in batch.into_iter().rev() {
            let row = self.result(number as usize);
            // What the group took is near to what its row takes.
            run.memory.release_row(&row);
            out.push(row);
        }
        Ok(more)
    }

    fn reset(&mut self) {
        self.keys.clear();
        self.groups = Vec::new();
        self.left = None;
    }
}

/// A proof that takes little room: there may be millions.
#[derive(Debug, Default)]
struct Evidence {
    first: Vec<Mark>,
    last: Option<Mark>,
    total: u64,
}

/// A [`Seen`] without gaps. Sorts as that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    time: i64,
    log: u32,
    record: (u32, u32),
    unit: u32,
    position: u32,
    source: u32,
}

impl Mark {
    fn of(seen: &Seen) -> Mark {
        let Origin { log, record, unit, position } = seen.origin;
        let record = ((record >> 32) as u32, record as u32);
        Mark { time: seen.time, log, record, unit, position, source: seen.source }
    }

    fn seen(self) -> Seen {
        let record = u64::from(self.record.0) << 32 | u64::from(self.record.1);
        let Mark { log, unit, position, .. } = self;
        Seen {
            time: self.time,
            origin: Origin { log, record, unit, position },
            source: self.source,
        }
    }
}

impl Evidence {
    /// Adds what a row rests on; the bytes it takes.
    fn add(&mut self, proof: &Proof) -> usize {
        let before = self.first.capacity();
        for mark in proof.first.iter().map(Mark::of) {
            let at = self.first.partition_point(|own| *own < mark);
            if at >= EVIDENCE || self.first.get(at) == Some(&mark) {
                continue;
            }
            if self.first.len() == EVIDENCE {
                self.first.pop();
            }
            let length = self.first.len();
            if length == self.first.capacity() {
                self.first.reserve_exact(length.max(1).min(EVIDENCE - length));
            }
            self.first.insert(at, mark);
        }
        self.last = self.last.max(proof.last.as_ref().map(Mark::of));
        self.total += proof.total;
        (self.first.capacity() - before) * size_of::<Mark>()
    }

    fn proof(self) -> Proof {
        Proof {
            first: self.first.into_iter().map(Mark::seen).collect(),
            last: self.last.map(Mark::seen),
            total: self.total,
            times: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_ir::{
        Aggregate, Aggregator, Function, Measured, NamePattern, NullKey, RowMeasure, RowStage,
    };

    use crate::stages::rows::notation::{call, check, field, literal, names};

    fn of(function: Aggregator, column: &str) -> RowMeasure {
        let of = Measured::Columns(NamePattern::new(column));
        RowMeasure { function, of, into: NamePattern::new("m") }
    }

    fn count() -> RowMeasure {
        RowMeasure {
            function: Aggregator::Count,
            of: Measured::Rows,
            into: NamePattern::new("count"),
        }
    }

    fn aggregate(by: &str, null: NullKey, measures: Vec<RowMeasure>) -> RowStage {
        let by = names(by).into_iter().map(|name| (name.clone(), name)).collect();
        RowStage::Aggregate(Aggregate { by, null, measures, empty_row: true })
    }

    #[test]
    fn each_measure() {
        use Aggregator::*;
        // The latest row first, as a search gives them; the third has no value.
        let numbers = "_time=@4 a=3\n_time=@3 a=[1,'2']\n_time=@2\n_time=@1 a=10";
        let texts = "_time=@4 a=b\n_time=@3 a=[a,b]\n_time=@2\n_time=@1 a=10";
        for (function, of_numbers, of_texts) in [
            (Count, "m=4", "m=4"),
            (DistinctCount, "m=4", "m=3"),
            (Sum, "m=16", "m=10"),
            (SumOfSquares, "m=114", "m=100"),
            (Mean, "m=4", "m=10"),
            (Min, "m=1", "m=10"),
            (Max, "m=10", "m=b"),
            (Range, "m=9", "m=0"),
            (VarianceSample, "m=16.666666666666668", "m=0"),
            (StdevSample, "m=4.08248290463863", "m=0"),
            (VariancePopulation, "m=12.5", "m=0"),
            (StdevPopulation, "m=3.5355339059327378", "m=0"),
            (Median, "m=3", "m=10"),
            (Percentile(50.0), "m='2'", "m=10"),
            (Percentile(95.0), "m=10", "m=10"),
            (Mode, "m=1", "m=b"),
            (Values(0), "m=[1,10,'2',3]", "m=[10,a,b]"),
            (Values(2), "m=[1,10]", "m=[10,a]"),
            (List(0), "m=[3,1,'2',10]", "m=[b,a,b,10]"),
            (List(3), "m=[3,1,'2']", "m=[b,a,b]"),
            (First, "m=3", "m=b"),
            (Last, "m=10", "m=10"),
            (Earliest, "m=10", "m=10"),
            (Latest, "m=3", "m=b"),
            (EarliestTime, "m=@1", "m=@1"),
            (LatestTime, "m=@4", "m=@4"),
        ] {
            // A rank is a number, whatever the text was.
            let expected = if function == Percentile(50.0) { "m=2" } else { of_numbers };
            check(aggregate("", NullKey::Drop, vec![of(function, "a")]), numbers, expected);
            check(aggregate("", NullKey::Drop, vec![of(function, "a")]), texts, of_texts);
        }
        let rate = "_time=@9 a=30\n_time=@5 a=99\n_time=@4 a=10";
        check(aggregate("", NullKey::Drop, vec![of(Rate, "a")]), rate, "m=4");
    }

    #[test]
    fn nothing_to_measure() {
        use Aggregator::*;
        for (function, expected) in [
            (Count, "m=0"),
            (DistinctCount, "m=0"),
            (Sum, "-"),
            (Mean, "-"),
            (Min, "-"),
            (Range, "-"),
            (StdevSample, "-"),
            (Median, "-"),
            (Mode, "-"),
            (Values(0), "-"),
            (List(0), "-"),
            (First, "-"),
            (Latest, "-"),
            (EarliestTime, "-"),
            (Rate, "-"),
        ] {
            for input in ["", "b=1"] {
                check(aggregate("", NullKey::Drop, vec![of(function, "a")]), input, expected);
            }
            check(aggregate("b", NullKey::Drop, vec![of(function, "a")]), "", "");
        }
    }

    #[test]
    fn groups() {
        let input = "k=b v=1\nk=10\nk=9\nv=2\nk=[b,a] v=3\nk='9'";
        for (null, expected) in [
            (NullKey::Drop, "k=9 count=2\nk=10 count=1\nk=a count=1\nk=b count=2"),
            (
                NullKey::Fill("null".to_owned()),
                "k=9 count=2\nk=10 count=1\nk=a count=1\nk=b count=2\nk='null' count=1",
            ),
            (NullKey::Group, "k=9 count=2\nk=10 count=1\nk=a count=1\nk=b count=2\ncount=1"),
        ] {
            check(aggregate("k", null, vec![count()]), input, expected);
        }
        let lists = "a=[1,2] b=[x,y]\na=1 b=y";
        let expected = "a=1 b=x count=1\na=1 b=y count=2\na=2 b=x count=1\na=2 b=y count=1";
        check(aggregate("a b", NullKey::Drop, vec![count()]), lists, expected);
    }

    #[test]
    fn measures_of_patterns_leave_keys_and_internal_columns_out() {
        let all = |into: &str| RowMeasure {
            function: Aggregator::Values(0),
            of: Measured::Columns(NamePattern::new("*")),
            into: NamePattern::new(into),
        };
        let input = "k=1 _raw=x a=2 b_x=z\nk=1 a=[1,2]\nk=2";
        let stage = aggregate("k", NullKey::Drop, vec![all("*")]);
        check(stage, input, "k=1 a=[1,2] b_x=z\nk=2");
        let stage = aggregate("k", NullKey::Drop, vec![all("v_*"), count()]);
        check(stage, input, "k=1 v_a=[1,2] v_b_x=z count=2\nk=2 count=1");
    }

    #[test]
    fn expressions_are_measured_row_by_row() {
        let big = call(Function::GtAny, vec![field("a"), literal("1")]);
        let doubled = call(Function::Multiply, vec![field("a"), literal("2")]);
        let measures = vec![
            RowMeasure {
                function: Aggregator::Count,
                of: Measured::Where(big),
                into: NamePattern::new("big"),
            },
            RowMeasure {
                function: Aggregator::Sum,
                of: Measured::Expr(doubled),
                into: NamePattern::new("sum"),
            },
        ];
        check(aggregate("", NullKey::Drop, measures), "a=1\na=2\nb=1\na=3", "big=2 sum=12");
    }

    #[test]
    fn what_a_group_rests_on() {
        use crate::pipeline::Pipeline;
        use crate::stages::rows::notation::{rows, rule, settings, tuple};

        let stage = aggregate("", NullKey::Drop, vec![count()]);
        let rule = rule(1, vec![(stage, vec![rulestone_ir::Input::Source(0)])]);
        let mut pipeline = Pipeline::new(&rule, &settings());
        pipeline.begin(None);
        for second in (0..25).rev() {
            let row = &rows(&format!("_time=@{second}"))[0];
            let row = tuple(row, pipeline.names_mut(), second, 0);
            pipeline.push(0, row).expect("room");
        }
        let result = pipeline.finish().expect("room");
        let proof = &result[0].proof;
        assert_eq!(proof.total, 25);
        let first: Vec<u64> = proof.first.iter().map(|seen| seen.origin.record).collect();
        assert_eq!(first, (0..10).collect::<Vec<_>>());
        assert_eq!(proof.last.map(|seen| seen.origin.record), Some(24));
        let _: Arc<_> = rule;
    }
}
