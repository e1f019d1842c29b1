//! Measures: what Aggregate and Window make of the values of a group.
//!
//! Null values do not count, each element of a list does; only `First`, `Last`, `Earliest` and
//! `Latest` take a list as it is. Where nothing was counted a measure is null, but a count is 0.

use std::collections::BTreeMap;

use rulestone_ir::{Aggregator, Collation, Expr, Measured, NamePattern, RowMeasure};
use rulestone_value::{Time, Value};

use super::values::{Distinct, float, of_float, order, same, text, ticks};
use super::{Refusal, Run, value_heap};
use crate::eval::Compiled;
use crate::pipeline::TIME;
use crate::row::{Names, Slot, Tuple};

/// The measures of a stage.
#[derive(Debug)]
pub(super) struct Measures {
    list: Vec<Measure>,
    time: Slot,
    /// Columns that patterns leave out: those that tell groups apart.
    keys: Vec<Slot>,
}

#[derive(Debug)]
struct Measure {
    function: Aggregator,
    of: Of,
    into: Into,
}

#[derive(Debug)]
enum Of {
    Rows,
    Column(Slot),
    Expr(Compiled),
    Where(Compiled),
    /// Columns that fit, by slot: where the result goes, once that has been asked.
    Columns(NamePattern, Vec<Option<Option<Slot>>>),
}

#[derive(Debug)]
enum Into {
    Column(Slot),
    Pattern(NamePattern),
}

/// The state of the measures of a group: by measure and column of the result.
pub(super) type State = Vec<(u32, u32, Acc)>;

impl Measures {
    pub(super) fn new(measures: &[RowMeasure], keys: Vec<Slot>, names: &mut Names) -> Self {
        let time = names.slot(TIME);
        let list = measures.iter().map(|measure| Measure::new(measure, names)).collect();
        Measures { list, time, keys }
    }

    /// The state of a group without rows.
    pub(super) fn start(&self) -> State {
        let mut state = Vec::with_capacity(self.list.len());
        for (at, measure) in self.list.iter().enumerate() {
            if let Into::Column(slot) = measure.into {
                state.push((at as u32, slot as u32, Acc::new(measure.function)));
            }
        }
        state
    }

    /// Adds a row to a state; the bytes that it takes.
    pub(super) fn add_row(
        &mut self,
        run: &mut Run,
        row: &Tuple,
        state: &mut State,
    ) -> Result<usize, Refusal> {
        let (mut bytes, time) = (0, self.time(row));
        let times = row.proof.times;
        self.inputs(run, row, &mut |input, value| {
            bytes += add(state, input, value, time);
            if times > 1 && input.function == Aggregator::Count {
                count_again(state, input, value, times - 1);
            }
        })?;
        // A row that stands for several came last when it says, and first when the first did.
        if let (true, Some(first)) = (times > 1, row.proof.first.first()) {
            let mut earliest = row.clone();
            earliest.set(self.time, Value::Time(Time::from_ticks(first.time)));
            let time = Some(first.time);
            self.inputs(run, &earliest, &mut |input, value| {
                if input.function != Aggregator::Count {
                    bytes += add(state, input, value, time);
                }
            })?;
        }
        Ok(bytes)
    }

    /// What a row gives to measure.
    pub(super) fn inputs(
        &mut self,
        run: &mut Run,
        row: &Tuple,
        give: &mut dyn FnMut(Input, &Value),
    ) -> Result<(), Refusal> {
        let Measures { list, keys, .. } = self;
        for (at, measure) in list.iter_mut().enumerate() {
            let function = measure.function;
            let mut give = |into: Slot, value: &Value| {
                give(Input { measure: at as u32, into: into as u32, function }, value);
            };
            match (&mut measure.of, &measure.into) {
                (Of::Rows, Into::Column(into)) => give(*into, &Value::Bool(true)),
                (Of::Column(slot), Into::Column(into)) => give(*into, row.get(*slot)),
                (Of::Expr(expr), Into::Column(into)) => {
                    give(*into, &expr.value(&run.context(row)));
                }
                (Of::Where(expr), Into::Column(into)) => {
                    if expr.is_true(&run.context(row)) {
                        give(*into, &Value::Bool(true));
                    }
                }
                (Of::Columns(pattern, known), into) => {
                    known.resize(known.len().max(row.values.len()), None);
                    for (slot, value) in row.columns() {
                        let known = &mut known[slot];
                        let goes = match known {
                            Some(goes) => *goes,
                            None => {
                                let goes = goes_to(run, slot, pattern, into, keys)?;
                                *known = Some(goes);
                                goes
                            }
                        };
                        if let Some(into) = goes {
                            give(into, value);
                        }
                    }
                }
                (_, Into::Pattern(_)) => {}
            }
        }
        Ok(())
    }

    /// The time of a row, for measures that go by it.
    pub(super) fn time(&self, row: &Tuple) -> Option<i64> {
        ticks(row.get(self.time))
    }

    /// Writes the results into a row; of two with one name the later stays.
    pub(super) fn finish(&self, state: State, row: &mut Tuple) {
        for (measure, into, acc) in state {
            let value = acc.finish(self.list[measure as usize].function);
            row.set(into as usize, value);
        }
    }

    /// The same, and the state stays.
    pub(super) fn peek(&self, state: &State, row: &mut Tuple) {
        for (measure, into, acc) in state {
            let value = acc.clone().finish(self.list[*measure as usize].function);
            row.set(*into as usize, value);
        }
    }
}

/// Where a value goes: a measure and the column of its result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input {
    measure: u32,
    into: u32,
    function: Aggregator,
}

/// Adds a value to a state; the bytes that it takes.
pub(super) fn add(state: &mut State, input: Input, value: &Value, time: Option<i64>) -> usize {
    let key = (input.measure, input.into);
    match state.binary_search_by_key(&key, |(measure, into, _)| (*measure, *into)) {
        Ok(at) => state[at].2.add(input.function, value, time),
        Err(at) => {
            let mut acc = Acc::new(input.function);
            let bytes = acc.add(input.function, value, time);
            state.insert(at, (key.0, key.1, acc));
            bytes + size_of::<(u32, u32, Acc)>()
        }
    }
}

/// Counts a value that was added so many times more.
fn count_again(state: &mut State, input: Input, value: &Value, times: u64) {
    let key = (input.measure, input.into);
    let at = state.binary_search_by_key(&key, |(measure, into, _)| (*measure, *into));
    if let Ok(at) = at
        && let Acc::Count(count) = &mut state[at].2
    {
        *count += times * value.elements().len() as u64;
    }
}

/// Takes a value out of a state again; whether that can be done.
pub(super) fn remove(state: &mut State, input: Input, value: &Value) -> bool {
    let key = (input.measure, input.into);
    match state.binary_search_by_key(&key, |(measure, into, _)| (*measure, *into)) {
        Ok(at) => state[at].2.remove(value),
        Err(_) => false,
    }
}

impl Measure {
    fn new(measure: &RowMeasure, names: &mut Names) -> Measure {
        let of = match &measure.of {
            Measured::Rows => Of::Rows,
            Measured::Expr(Expr::Field(name)) => Of::Column(names.slot(name)),
            Measured::Expr(expr) => Of::Expr(Compiled::new(expr, names)),
            Measured::Where(expr) => Of::Where(Compiled::new(expr, names)),
            Measured::Columns(pattern) => match pattern.name() {
                Some(name) => Of::Column(names.slot(name)),
                None => Of::Columns(pattern.clone(), Vec::new()),
            },
        };
        let into = match (&of, measure.into.name()) {
            (Of::Columns(..), _) => Into::Pattern(measure.into.clone()),
            (_, Some(name)) => Into::Column(names.slot(name)),
            (_, None) => Into::Column(names.slot(&measure.into.fill(&[]))),
        };
        Measure { function: measure.function, of, into }
    }
}

/// Where the measure of a column goes whose name may fit a pattern. Columns with a leading `_` are
/// meant only by patterns that have one.
fn goes_to(
    run: &mut Run,
    slot: Slot,
    pattern: &NamePattern,
    into: &Into,
    keys: &[Slot],
) -> Result<Option<Slot>, Refusal> {
    let name = run.names.name(slot).clone();
    let internal = name.starts_with('_') && !pattern.as_str().starts_with('_');
    if keys.contains(&slot) || internal {
        return Ok(None);
    }
    let Some(stars) = pattern.stars(&name) else { return Ok(None) };
    match into {
        Into::Column(slot) => Ok(Some(*slot)),
        Into::Pattern(into) => run.column(&into.fill(&stars)).map(Some),
    }
}

/// A measure at work.
#[derive(Debug, Clone)]
pub(super) enum Acc {
    Count(u64),
    /// Sum, and how many.
    Sum(f64, u64),
    /// How many, their mean, and the squares of what is off it.
    Spread(u64, f64, f64),
    Extreme(Option<Box<Extreme>>),
    Range(Option<(f64, f64)>),
    Numbers(Vec<f64>),
    Frequent(BTreeMap<String, (u64, Value)>),
    Distinct(Distinct),
    List(Vec<Value>),
    Value(Value),
    /// The value with the least or greatest time.
    Timed(Option<i64>, Value),
    /// The value and time of the earliest and the latest.
    Rate(Option<Box<[(i64, f64); 2]>>),
}

/// The least or greatest value: as a number, and as text in case one is no number.
#[derive(Debug, Clone)]
pub(super) struct Extreme {
    numbers: bool,
    number: f64,
    numeric: Value,
    /// The same value as `numeric` where nothing else is said.
    text: Option<Value>,
}

impl Acc {
    fn new(function: Aggregator) -> Acc {
        match function {
            Aggregator::Count => Acc::Count(0),
            Aggregator::DistinctCount | Aggregator::Values(_) => Acc::Distinct(Distinct::default()),
            Aggregator::Sum | Aggregator::SumOfSquares | Aggregator::Mean => Acc::Sum(0.0, 0),
            Aggregator::Min | Aggregator::Max => Acc::Extreme(None),
            Aggregator::Range => Acc::Range(None),
            Aggregator::StdevSample
            | Aggregator::StdevPopulation
            | Aggregator::VarianceSample
            | Aggregator::VariancePopulation => Acc::Spread(0, 0.0, 0.0),
            Aggregator::Median | Aggregator::Percentile(_) => Acc::Numbers(Vec::new()),
            Aggregator::Mode => Acc::Frequent(BTreeMap::new()),
            Aggregator::List(_) => Acc::List(Vec::new()),
            Aggregator::First | Aggregator::Last => Acc::Value(Value::Null),
            Aggregator::Earliest
            | Aggregator::Latest
            | Aggregator::EarliestTime
            | Aggregator::LatestTime => Acc::Timed(None, Value::Null),
            Aggregator::Rate => Acc::Rate(None),
        }
    }

    /// Adds a value; the bytes it takes.
    fn add(&mut self, function: Aggregator, value: &Value, time: Option<i64>) -> usize {
        if value.is_null() {
            return 0;
        }
        match self {
            Acc::Value(own) => {
                if function == Aggregator::First && !own.is_null() {
                    return 0;
                }
                *own = value.clone();
                value_heap(value)
            }
            Acc::Timed(own, kept) => {
                let Some(time) = time else { return 0 };
                // Rows come latest first: of two at one time the first is the later.
                let replaces = match function {
                    Aggregator::Earliest | Aggregator::EarliestTime => {
                        own.is_none_or(|own| time <= own)
                    }
                    _ => own.is_none_or(|own| time > own),
                };
                if replaces {
                    *own = Some(time);
                    if matches!(function, Aggregator::Earliest | Aggregator::Latest) {
                        *kept = value.clone();
                    }
                }
                0
            }
            Acc::Rate(own) => {
                let (Some(time), Some(number)) = (time, float(value)) else { return 0 };
                let ends = own.get_or_insert_with(|| Box::new([(time, number); 2]));
                if time <= ends[0].0 {
                    ends[0] = (time, number);
                }
                if time > ends[1].0 {
                    ends[1] = (time, number);
                }
                0
            }
            _ => value.elements().iter().map(|element| self.add_one(function, element)).sum(),
        }
    }

    /// Adds a value that is no list.
    fn add_one(&mut self, function: Aggregator, value: &Value) -> usize {
        match self {
            Acc::Count(count) => *count += 1,
            Acc::Distinct(distinct) => return distinct.add(value),
            Acc::Extreme(own) => return add_extreme(own, function == Aggregator::Max, value),
            Acc::List(list) => {
                let most = if let Aggregator::List(most) = function { most } else { 0 };
                if most == 0 || (list.len() as u64) < most {
                    list.push(value.clone());
                    return size_of::<Value>() + value_heap(value);
                }
            }
            Acc::Frequent(counts) => {
                let Some(text) = text(value) else { return 0 };
                if let Some((count, _)) = counts.get_mut(&*text) {
                    *count += 1;
                    return 0;
                }
                let bytes = 100 + 2 * text.len();
                counts.insert(text.into_owned(), (1, value.clone()));
                return bytes;
            }
            _ => {
                if let Some(number) = float(value) {
                    return self.add_number(function, number);
                }
            }
        }
        0
    }

    fn add_number(&mut self, function: Aggregator, number: f64) -> usize {
        match self {
            Acc::Sum(sum, count) => {
                *sum += if function == Aggregator::SumOfSquares { number * number } else { number };
                *count += 1;
            }
            Acc::Spread(count, mean, squares) => {
                *count += 1;
                let off = number - *mean;
                *mean += off / *count as f64;
                *squares += off * (number - *mean);
            }
            Acc::Range(range) => {
                let (least, most) = range.get_or_insert((number, number));
                (*least, *most) = (least.min(number), most.max(number));
            }
            Acc::Numbers(numbers) => {
                numbers.push(number);
                return 2 * size_of::<f64>();
            }
            _ => {}
        }
        0
    }

    /// Takes a value out again, where nothing but it need be known for that.
    fn remove(&mut self, value: &Value) -> bool {
        match self {
            Acc::Count(count) => {
                *count = count.saturating_sub(value.elements().len() as u64);
                true
            }
            // Sums of fractions would drift.
            Acc::Sum(sum, count) => value.elements().iter().all(|element| {
                let Some(number) = float(element) else { return true };
                *sum -= number;
                *count = count.saturating_sub(1);
                number.fract() == 0.0 && sum.fract() == 0.0 && sum.abs() < 9e15
            }),
            _ => false,
        }
    }

    fn finish(self, function: Aggregator) -> Value {
        match self {
            Acc::Count(count) => Value::Integer(i64::try_from(count).unwrap_or(i64::MAX)),
            Acc::Distinct(distinct) => match function {
                Aggregator::Values(most) => {
                    let most = if most == 0 { usize::MAX } else { most as usize };
                    Value::list(distinct.sorted().into_iter().take(most))
                }
                _ => Value::Integer(distinct.len() as i64),
            },
            Acc::Sum(_, 0) | Acc::Spread(0, ..) => Value::Null,
            Acc::Sum(sum, count) if function == Aggregator::Mean => of_float(sum / count as f64),
            Acc::Sum(sum, _) => of_float(sum),
            Acc::Spread(count, _, squares) => spread(function, count as f64, squares),
            Acc::Extreme(extreme) => extreme.map_or(Value::Null, |extreme| match extreme.numbers {
                true => extreme.numeric,
                false => extreme.text.unwrap_or(extreme.numeric),
            }),
            Acc::Range(range) => range.map_or(Value::Null, |(least, most)| of_float(most - least)),
            Acc::Numbers(numbers) => rank(function, numbers),
            Acc::Frequent(counts) => {
                let most = counts.values().map(|(count, _)| *count).max();
                let mut values = counts.into_values();
                values.find(|(count, _)| Some(*count) == most).map(|(_, v)| v).unwrap_or_default()
            }
            Acc::List(list) => Value::list(list),
            Acc::Value(value) => value,
            Acc::Timed(time, value) => match function {
                Aggregator::Earliest | Aggregator::Latest => value,
                _ => time.map_or(Value::Null, |ticks| Value::Time(Time::from_ticks(ticks))),
            },
            Acc::Rate(ends) => ends.map_or(Value::Null, |ends| {
                let [(from, first), (to, last)] = *ends;
                let seconds = to.saturating_sub(from) as f64 / 1e7;
                if seconds > 0.0 { of_float((last - first) / seconds) } else { Value::Null }
            }),
        }
    }
}

fn spread(function: Aggregator, count: f64, squares: f64) -> Value {
    let sample = if count > 1.0 { squares / (count - 1.0) } else { 0.0 };
    of_float(match function {
        Aggregator::StdevSample => sample.sqrt(),
        Aggregator::StdevPopulation => (squares / count).sqrt(),
        Aggregator::VarianceSample => sample,
        _ => squares / count,
    })
}

/// The middle value, of an even number the higher of the two; or the value of a percentile's rank.
fn rank(function: Aggregator, mut numbers: Vec<f64>) -> Value {
    if numbers.is_empty() {
        return Value::Null;
    }
    let last = numbers.len() - 1;
    let at = match function {
        Aggregator::Percentile(percent) => {
            let rank = (percent / 100.0 * numbers.len() as f64).ceil();
            (rank as usize).saturating_sub(1).min(last)
        }
        _ => numbers.len() / 2,
    };
    let (_, number, _) = numbers.select_nth_unstable_by(at, f64::total_cmp);
    of_float(*number)
}

fn add_extreme(own: &mut Option<Box<Extreme>>, greatest: bool, value: &Value) -> usize {
    let number = float(value);
    let Some(extreme) = own else {
        *own = Some(Box::new(Extreme {
            numbers: number.is_some(),
            number: number.unwrap_or_default(),
            numeric: value.clone(),
            text: (!matches!(value, Value::Time(_))).then(|| value.clone()),
        }));
        return size_of::<Extreme>() + 2 * value_heap(value);
    };
    if let (true, Some(number)) = (extreme.numbers, number) {
        let better = if greatest { number > extreme.number } else { number < extreme.number };
        if better {
            extreme.number = number;
            extreme.numeric = value.clone();
        }
        // Times are as long as each other: as texts they have the same order.
        if extreme.text.is_none() && matches!(value, Value::Time(_)) {
            return 0;
        }
    }
    extreme.numbers &= number.is_some();
    let best = extreme.text.as_ref().unwrap_or(&extreme.numeric);
    let order = order(value, best, Collation::Text);
    if (if greatest { order.is_gt() } else { order.is_lt() }) && !same(value, best) {
        extreme.text = Some(value.clone());
    }
    0
}
