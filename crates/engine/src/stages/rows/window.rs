//! `Window`: adds to each row what is measured over rows around it.
//!
//! Over the whole group, all rows wait until the last one has come. A running frame measures as
//! rows come: measures that only grow are carried on, the others are measured anew over the frame
//! when a row has left it.

use std::collections::VecDeque;

use rulestone_ir::{Frame, Window};
use rulestone_value::Value;

use super::measure::{Input, Measures, State, add, remove};
use super::values::Keys;
use super::{BATCH, OverPane, Refusal, Run, value_heap};
use crate::eval::CompiledFormula;
use crate::row::{Names, Slot, Tuple};

/// What tells groups apart.
#[derive(Debug)]
struct By {
    slots: Vec<Slot>,
    keys: Keys,
}

impl By {
    fn new(window: &Window, names: &mut Names) -> By {
        let slots: Vec<Slot> = window.by.iter().map(|name| names.slot(name)).collect();
        By { keys: Keys::new(slots.len()), slots }
    }

    /// The group of a row, if it has all columns, and the bytes of a new one.
    fn group(&mut self, row: &Tuple) -> Option<(usize, usize)> {
        let key: Vec<&Value> = self.slots.iter().map(|slot| row.get(*slot)).collect();
        if key.iter().any(|value| value.is_null()) {
            return None;
        }
        let (number, bytes) = self.keys.number(&key);
        Some((number, bytes.unwrap_or_default()))
    }
}

/// Over all rows of the group.
#[derive(Debug)]
pub(super) struct WholeStage {
    by: By,
    measures: Measures,
    states: Vec<State>,
    rows: Vec<(Option<u32>, Tuple)>,
    /// The first row that has not been handed over.
    next: usize,
}

impl WholeStage {
    pub(super) fn new(window: &Window, names: &mut Names) -> Self {
        let by = By::new(window, names);
        WholeStage {
            measures: Measures::new(&window.measures, by.slots.clone(), names),
            by,
            states: Vec::new(),
            rows: Vec::new(),
            next: 0,
        }
    }
}

impl OverPane for WholeStage {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        row: Tuple,
        _: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        run.memory.hold_row(&row)?;
        let group = self.by.group(&row);
        if let Some((number, bytes)) = group {
            if number == self.states.len() {
                self.states.push(self.measures.start());
                run.memory.hold(bytes + size_of_val(self.states[number].as_slice()))?;
            }
            let bytes = self.measures.add_row(run, &row, &mut self.states[number])?;
            run.memory.hold(bytes)?;
        }
        self.rows.push((group.map(|(number, _)| number as u32), row));
        Ok(())
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        let until = (self.next + BATCH).min(self.rows.len());
        for (group, row) in &mut self.rows[self.next..until] {
            let mut row = std::mem::take(row);
            run.memory.release_row(&row);
            if let Some(group) = group {
                self.measures.peek(&self.states[*group as usize], &mut row);
            }
            out.push(row);
        }
        self.next = until;
        Ok(until < self.rows.len())
    }

    fn reset(&mut self) {
        self.by.keys.clear();
        self.states = Vec::new();
        self.rows = Vec::new();
        self.next = 0;
    }
}

/// Over the rows up to the row at hand.
#[derive(Debug)]
pub(super) struct RunningStage {
    by: By,
    measures: Measures,
    /// Rows of a frame.
    rows: usize,
    /// Ticks of a frame.
    time: Option<i64>,
    current: bool,
    shared: bool,
    reset_on_change: bool,
    reset_after: Option<CompiledFormula>,
    reset_before: Option<CompiledFormula>,
    groups: Vec<Running>,
    /// The groups of the rows in the frame, for one that all groups share.
    order: VecDeque<u32>,
    last: Option<usize>,
}

/// The frame of a group.
#[derive(Debug, Default)]
struct Running {
    entries: VecDeque<Entry>,
    state: State,
    /// A row has left the frame that could not be taken out of the state.
    stale: bool,
}

/// A row in a frame.
#[derive(Debug)]
struct Entry {
    time: Option<i64>,
    inputs: Vec<(Input, Value)>,
}

impl Entry {
    fn bytes(&self) -> usize {
        let inputs = self.inputs.iter();
        let inputs: usize =
            inputs.map(|(_, value)| size_of::<(Input, Value)>() + value_heap(value)).sum();
        size_of::<Entry>() + inputs
    }
}

impl RunningStage {
    /// For a running frame; `None` for another.
    pub(super) fn new(window: &Window, names: &mut Names) -> Option<Self> {
        let Frame::Running {
            rows,
            time,
            current,
            shared,
            reset_on_change,
            reset_after,
            reset_before,
        } = &window.frame
        else {
            return None;
        };
        let by = By::new(window, names);
        let mut ready = |formula: &Option<_>| {
            formula.as_ref().map(|formula| CompiledFormula::new(formula, names))
        };
        let (reset_after, reset_before) = (ready(reset_after), ready(reset_before));
        let rows = rows.filter(|rows| *rows > 0).unwrap_or(u64::MAX);
        Some(RunningStage {
            measures: Measures::new(&window.measures, by.slots.clone(), names),
            by,
            rows: usize::try_from(rows).unwrap_or(usize::MAX),
            time: time.map(|time| time.ticks()),
            current: *current,
            shared: *shared,
            reset_on_change: *reset_on_change,
            reset_after,
            reset_before,
            groups: Vec::new(),
            order: VecDeque::new(),
            last: None,
        })
    }

    /// Whether rows ever leave a frame: else they need not be kept.
    fn is_bounded(&self) -> bool {
        self.rows != usize::MAX || self.time.is_some()
    }

    fn start_anew(&mut self, run: &mut Run) {
        for group in &mut self.groups {
            group.entries.iter().for_each(|entry| run.memory.release(entry.bytes()));
            *group = Running { state: self.measures.start(), ..Running::default() };
        }
        self.order.clear();
    }

    /// Adds the row at hand to its frame.
    fn add(&mut self, run: &mut Run, number: usize, row: &Tuple) -> Result<(), Refusal> {
        let time = self.measures.time(row);
        if !self.is_bounded() {
            let state = &mut self.groups[number].state;
            let bytes = self.measures.add_row(run, row, state)?;
            return run.memory.hold(bytes);
        }
        let mut inputs = Vec::new();
        self.measures.inputs(run, row, &mut |input, value| inputs.push((input, value.clone())))?;
        let entry = Entry { time, inputs };
        run.memory.hold(entry.bytes())?;
        let group = &mut self.groups[number];
        for (input, value) in &entry.inputs {
            add(&mut group.state, *input, value, time);
        }
        group.entries.push_back(entry);
        if self.shared {
            self.order.push_back(number as u32);
        }
        while (if self.shared { self.order.len() } else { self.groups[number].entries.len() })
            > self.rows
        {
            let oldest = self.order.pop_front().map_or(number, |oldest| oldest as usize);
            leave(run, &mut self.groups[oldest]);
        }
        Ok(())
    }

    /// Lets those rows go that are too far from the row at hand.
    fn let_go(&mut self, run: &mut Run, number: usize, now: Option<i64>) {
        let (Some(span), Some(now)) = (self.time, now) else { return };
        let group = &mut self.groups[number];
        while let Some(time) = group.entries.front().and_then(|entry| entry.time)
            && now.abs_diff(time) > span.unsigned_abs()
        {
            leave(run, group);
            if self.shared
                && let Some(at) = self.order.iter().position(|own| *own as usize == number)
            {
                self.order.remove(at);
            }
        }
    }

    /// Writes what is measured over the frame into the row at hand.
    fn measure(&mut self, number: usize, row: &mut Tuple) {
        let group = &mut self.groups[number];
        if std::mem::take(&mut group.stale) {
            group.state = self.measures.start();
            for entry in &group.entries {
                for (input, value) in &entry.inputs {
                    add(&mut group.state, *input, value, entry.time);
                }
            }
        }
        self.measures.peek(&group.state, row);
    }
}

/// The oldest row of a frame leaves it.
fn leave(run: &mut Run, group: &mut Running) {
    let Some(entry) = group.entries.pop_front() else { return };
    run.memory.release(entry.bytes());
    for (input, value) in &entry.inputs {
        group.stale = !remove(&mut group.state, *input, value) || group.stale;
    }
}

impl OverPane for RunningStage {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        mut row: Tuple,
        out: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        let Some((number, bytes)) = self.by.group(&row) else {
            out.push(row);
            return Ok(());
        };
        if number == self.groups.len() {
            self.groups.push(Running { state: self.measures.start(), ..Running::default() });
            run.memory.hold(bytes + size_of::<Running>())?;
        }
        let changed = self.reset_on_change && self.last.is_some_and(|last| last != number);
        let resets = |formula: &Option<CompiledFormula>, run: &Run, row: &Tuple| {
            formula.as_ref().is_some_and(|formula| formula.holds(&run.context(row)))
        };
        if changed || resets(&self.reset_before, run, &row) {
            self.start_anew(run);
        }
        self.last = Some(number);
        let time = self.measures.time(&row);
        self.let_go(run, number, time);
        let before = row.clone();
        if self.current {
            self.add(run, number, &before)?;
        }
        self.measure(number, &mut row);
        if !self.current {
            self.add(run, number, &before)?;
        }
        if resets(&self.reset_after, run, &row) {
            self.start_anew(run);
        }
        out.push(row);
        Ok(())
    }

    fn reset(&mut self) {
        self.by.keys.clear();
        self.groups = Vec::new();
        self.order = VecDeque::new();
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use rulestone_ir::{
        Aggregator, Duration, Frame, Measured, NamePattern, RowMeasure, RowStage, Window,
    };

    use crate::stages::rows::notation::{check, equals, names};

    fn of(function: Aggregator, column: &str, into: &str) -> RowMeasure {
        let of = Measured::Columns(NamePattern::new(column));
        RowMeasure { function, of, into: NamePattern::new(into) }
    }

    fn window(by: &str, measures: Vec<RowMeasure>, frame: Frame) -> RowStage {
        RowStage::Window(Window { by: names(by), measures, frame })
    }

    /// A running frame of so many rows and seconds, if they are bounded.
    fn running(rows: Option<u64>, seconds: Option<i64>, current: bool, shared: bool) -> Frame {
        Frame::Running {
            rows,
            time: seconds.map(Duration::from_seconds),
            current,
            shared,
            reset_on_change: false,
            reset_after: None,
            reset_before: None,
        }
    }

    #[test]
    fn over_the_whole_group() {
        let measures = vec![of(Aggregator::Sum, "a", "sum"), of(Aggregator::Values(0), "a", "all")];
        check(
            window("k", measures, Frame::Whole),
            "k=x a=1\nk=y\na=7\nk=x a=[2,3]\nk=y a=z",
            "k=x a=1 sum=6 all=[1,2,3]\nk=y all=z\na=7\nk=x a=[2,3] sum=6 all=[1,2,3]\nk=y a=z all=z",
        );
        let count = vec![of(Aggregator::Count, "*", "n_*")];
        check(window("", count, Frame::Whole), "a=1\na=[2,3]", "a=1 n_a=3\na=[2,3] n_a=3");
    }

    #[test]
    fn over_the_rows_so_far() {
        let sum = || vec![of(Aggregator::Sum, "a", "s"), of(Aggregator::Max, "a", "m")];
        let input = "k=x a=5\nk=y a=2\nk=x\nk=x a=[3,1]";
        check(
            window("k", sum(), running(None, None, true, false)),
            input,
            "k=x a=5 s=5 m=5\nk=y a=2 s=2 m=2\nk=x s=5 m=5\nk=x a=[3,1] s=9 m=5",
        );
        let frame = |rows, current, shared| running(Some(rows), None, current, shared);
        // A frame of two rows of each group, and one of two rows of all.
        check(
            window("k", sum(), frame(2, true, false)),
            input,
            "k=x a=5 s=5 m=5\nk=y a=2 s=2 m=2\nk=x s=5 m=5\nk=x a=[3,1] s=4 m=3",
        );
        check(
            window("k", sum(), frame(2, true, true)),
            input,
            "k=x a=5 s=5 m=5\nk=y a=2 s=2 m=2\nk=x\nk=x a=[3,1] s=4 m=3",
        );
        // The row before, if it is of the same group.
        let last = || vec![of(Aggregator::Last, "a", "before")];
        check(
            window("k", last(), frame(1, false, true)),
            "k=x a=1\nk=x a=2\nk=y a=3\nk=x a=4",
            "k=x a=1\nk=x a=2 before=1\nk=y a=3\nk=x a=4",
        );
        check(
            window("k", last(), frame(1, false, false)),
            "k=x a=1\nk=x a=2\nk=y a=3\nk=x a=4",
            "k=x a=1\nk=x a=2 before=1\nk=y a=3\nk=x a=4 before=2",
        );
    }

    #[test]
    fn over_the_time_before() {
        let frame = running(None, Some(10), true, false);
        let count = vec![of(Aggregator::Count, "a", "n")];
        check(
            window("", count, frame),
            "_time=@50 a=1\n_time=@45 a=[2,3]\n_time=@40\n_time=@39 a=4",
            "_time=@50 a=1 n=1\n_time=@45 a=[2,3] n=3\n_time=@40 n=3\n_time=@39 a=4 n=3",
        );
    }

    #[test]
    fn starts_anew() {
        let reset = |on_change, after: Option<&str>, before: Option<&str>| Frame::Running {
            rows: None,
            time: None,
            current: true,
            shared: true,
            reset_on_change: on_change,
            reset_after: after.map(|text| equals("n", text)),
            reset_before: before.map(|text| equals("a", text)),
        };
        let count = || vec![of(Aggregator::Count, "a", "n")];
        let input = "k=x a=1\nk=x a=2\nk=y a=1\nk=x a=1";
        for (frame, expected) in [
            (reset(true, None, None), [1, 2, 1, 1]),
            (reset(false, Some("2"), None), [1, 2, 1, 1]),
            (reset(false, None, Some("2")), [1, 1, 1, 2]),
        ] {
            let lines = input.lines().zip(expected).map(|(line, n)| format!("{line} n={n}\n"));
            check(window("k", count(), frame), input, &lines.collect::<String>());
        }
    }
}
