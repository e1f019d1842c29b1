//! `Correlate`: a measure over the rows of a group within a sliding window.
//!
//! `OnEvent`: at each row the window is what came at most a span before it, both ends included.
//! `AtClose`: a window opens with the first row outside of one, takes every row up to a span
//! later, both ends included, and is asked once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};

use foldhash::fast::RandomState;
use rulestone_ir::{Comparison, Correlate, Evaluate, Measure, Refire, When};

use super::{EVIDENCE, Mark, Marks, Outcome};
use crate::order::Row;

#[derive(Debug)]
pub(crate) struct CorrelateMachine {
    when: When,
    evaluate: Evaluate,
    refire: Refire,
    span: i64,
    window: Window,
    /// The group, once a row has come.
    group: Option<(u32, u128)>,
    /// The latest row's time.
    latest: i64,
    /// When the window opened, for `AtClose`.
    open: Option<i64>,
    /// Fired, and not quiet since.
    fired: bool,
    /// Held at the row before, for `Refire::Each`.
    held: bool,
}

impl CorrelateMachine {
    pub(crate) fn new(correlate: &Correlate, span: i64, inputs: usize) -> Self {
        CorrelateMachine {
            window: Window::new(correlate, inputs),
            when: correlate.when.clone(),
            evaluate: correlate.evaluate,
            refire: correlate.refire,
            span,
            group: None,
            latest: i64::MIN,
            open: None,
            fired: false,
            held: false,
        }
    }

    pub(crate) fn add(&mut self, row: &Row, out: &mut Outcome) {
        self.group.get_or_insert((row.rule, row.key));
        let quiet = row.time.saturating_sub(self.latest) > self.span;
        if self.latest != i64::MIN && row.time < self.latest.saturating_sub(self.span) {
            out.late += 1;
            return;
        }
        self.advance(row.time, out);
        if quiet {
            self.fired = false;
        }
        self.latest = self.latest.max(row.time);
        match self.evaluate {
            Evaluate::OnEvent => self.on_event(row, out),
            Evaluate::AtClose => {
                self.open.get_or_insert(row.time);
                self.window.add(row, i64::MIN);
            }
        }
    }

    fn on_event(&mut self, row: &Row, out: &mut Outcome) {
        if self.fired && self.refire == Refire::AfterQuiet {
            return;
        }
        let from = self.latest.saturating_sub(self.span);
        self.window.add(row, from);
        let holds = self.holds(from);
        if holds && !self.held {
            self.find(from, out);
        }
        self.held = holds && self.refire == Refire::Each;
    }

    fn holds(&self, from: i64) -> bool {
        match &self.when {
            When::Measure(bounds) => self.window.measure(from).is_some_and(|value| {
                bounds.iter().all(|(comparison, bound)| comparison.holds(value, *bound))
            }),
            When::Seen(seen) => seen.holds(&|input| self.window.has(input, from)),
        }
    }

    fn find(&mut self, from: i64, out: &mut Outcome) {
        let Some((rule, key)) = self.group else { return };
        let value = self.window.measure(from).unwrap_or_default();
        out.findings.extend(self.window.marks(from).finding(rule, key, value));
        self.fired = true;
        if self.refire == Refire::AfterQuiet {
            self.window.clear();
        }
    }

    /// Closes the window that is over, if there is one.
    pub(crate) fn advance(&mut self, now: i64, out: &mut Outcome) {
        if self.open.is_some_and(|open| now > open.saturating_add(self.span)) {
            self.close(out);
        }
    }

    fn close(&mut self, out: &mut Outcome) {
        self.open = None;
        if !(self.fired && self.refire == Refire::AfterQuiet) && self.holds(i64::MIN) {
            self.find(i64::MIN, out);
        }
        self.window.clear();
    }

    /// An open window that the log's end cuts: what it holds already can only grow, so a lower
    /// bound that is met stays met; of anything else nobody knows.
    pub(crate) fn end(&mut self, out: &mut Outcome) {
        if self.open.is_none() {
            return;
        }
        if !self.only_grows() {
            out.undecided += 1;
            self.open = None;
            return;
        }
        let before = out.findings.len();
        self.close(out);
        out.findings[before..].iter_mut().for_each(|finding| finding.cut = true);
    }

    fn only_grows(&self) -> bool {
        match &self.when {
            When::Measure(_) => only_lower(&self.when),
            When::Seen(seen) => !seen.has_not(),
        }
    }

    pub(crate) fn deadline(&self) -> i64 {
        self.open.unwrap_or(self.latest).saturating_add(self.span).saturating_add(1)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.window.bytes()
    }
}

/// The rows of a window, as far as a measure needs them.
#[derive(Debug)]
enum Window {
    /// For a count with a lower bound alone: as many of the latest rows as it takes.
    Latest {
        most: usize,
        marks: VecDeque<Mark>,
    },
    /// A count of whatever comes.
    Count(Marks),
    Distinct(Distinct),
    /// Numbers that leave the window one by one.
    Sum(VecDeque<(Mark, f64)>, Total),
    /// Numbers of a window that is asked once.
    Numbers {
        values: Vec<f64>,
        marks: Marks,
        reduce: Reduce,
    },
    /// For each value its rows, in a window that is asked once.
    Shares {
        values: BTreeMap<u128, Marks>,
        largest: bool,
    },
    /// The latest row of each input.
    Inputs(Vec<Option<Mark>>),
    Chains(Chains),
}

impl Window {
    fn new(correlate: &Correlate, inputs: usize) -> Window {
        let on_event = correlate.evaluate == Evaluate::OnEvent;
        let numbers =
            |reduce| Window::Numbers { values: Vec::new(), marks: Marks::default(), reduce };
        match &correlate.measure {
            Measure::Count if on_event => {
                Window::Latest { most: least(&correlate.when), marks: VecDeque::new() }
            }
            Measure::Count => Window::Count(Marks::default()),
            Measure::DistinctCount(_) => Window::Distinct(Distinct::default()),
            Measure::Sum(_) if on_event => Window::Sum(VecDeque::new(), Total::default()),
            Measure::Sum(_) => numbers(Reduce::Sum),
            Measure::Avg(_) => numbers(Reduce::Mean),
            Measure::Min(_) => numbers(Reduce::Rank(0.0)),
            Measure::Max(_) => numbers(Reduce::Rank(100.0)),
            Measure::Median(_) => numbers(Reduce::Median),
            Measure::Percentile(_, percent) => numbers(Reduce::Rank(*percent)),
            Measure::Share(_) => {
                Window::Shares { values: BTreeMap::new(), largest: only_lower(&correlate.when) }
            }
            Measure::Inputs => Window::Inputs(vec![None; inputs]),
            Measure::InputsInOrder => Window::Chains(Chains::new(inputs)),
        }
    }

    /// Takes a row and forgets what came before `from`.
    fn add(&mut self, row: &Row, from: i64) {
        let mark = Mark::of(row);
        match self {
            Window::Latest { most, marks } => {
                insert(marks, mark, |mark| *mark);
                while marks.len() > *most || marks.front().is_some_and(|mark| mark.time < from) {
                    marks.pop_front();
                }
            }
            Window::Count(marks) => marks.push(mark),
            Window::Distinct(distinct) => distinct.add(row.value, mark, from),
            Window::Sum(values, total) => {
                let value = f64::from_bits(row.value as u64);
                insert(values, (mark, value), |(mark, _)| *mark);
                total.add(value);
                while let Some((_, value)) = values.pop_front_if(|(mark, _)| mark.time < from) {
                    total.add(-value);
                }
            }
            Window::Numbers { values, marks, .. } => {
                values.push(f64::from_bits(row.value as u64));
                marks.push(mark);
            }
            Window::Shares { values, .. } => values.entry(row.value).or_default().push(mark),
            Window::Inputs(latest) => {
                if let Some(slot) = latest.get_mut(row.input as usize) {
                    *slot = (*slot).max(Some(mark));
                }
            }
            Window::Chains(chains) => chains.add(mark),
        }
    }

    /// The measure over what came at `from` or later; `None` where there is nothing to measure.
    fn measure(&self, from: i64) -> Option<f64> {
        match self {
            Window::Latest { marks, .. } => Some(marks.len() as f64),
            Window::Count(marks) => Some(marks.total as f64),
            Window::Distinct(distinct) => Some(distinct.marks.len() as f64),
            Window::Sum(_, total) => Some(total.value()),
            Window::Numbers { values, reduce, .. } => reduce.of(values),
            Window::Shares { values, largest } => share(values, *largest).map(|(share, _)| share),
            Window::Inputs(latest) => {
                let seen = latest.iter().flatten().filter(|mark| mark.time >= from);
                Some(seen.count() as f64)
            }
            Window::Chains(chains) => Some(chains.longest(from).len() as f64),
        }
    }

    fn has(&self, input: usize, from: i64) -> bool {
        match self {
            Window::Inputs(latest) => {
                latest.get(input).is_some_and(|mark| mark.is_some_and(|mark| mark.time >= from))
            }
            _ => false,
        }
    }

    fn marks(&self, from: i64) -> Marks {
        match self {
            Window::Latest { marks, .. } => Marks::of(marks.iter().copied()),
            Window::Count(marks) | Window::Numbers { marks, .. } => marks.clone(),
            Window::Distinct(distinct) => sorted(distinct.marks.values().copied().collect()),
            Window::Shares { values, largest } => {
                share(values, *largest).map(|(_, marks)| marks.clone()).unwrap_or_default()
            }
            Window::Sum(values, _) => Marks::of(values.iter().map(|(mark, _)| *mark)),
            Window::Inputs(latest) => {
                let seen = latest.iter().flatten().filter(|mark| mark.time >= from);
                sorted(seen.copied().collect())
            }
            Window::Chains(chains) => Marks::of(chains.longest(from).iter().copied()),
        }
    }

    fn clear(&mut self) {
        match self {
            Window::Latest { marks, .. } => *marks = VecDeque::new(),
            Window::Count(marks) => *marks = Marks::default(),
            Window::Distinct(distinct) => *distinct = Distinct::default(),
            Window::Sum(values, total) => {
                (*values, *total) = (VecDeque::new(), Total::default());
            }
            Window::Numbers { values, marks, .. } => {
                (*values, *marks) = (Vec::new(), Marks::default());
            }
            Window::Shares { values, .. } => values.clear(),
            Window::Inputs(latest) => latest.fill(None),
            Window::Chains(chains) => *chains = Chains::new(chains.inputs),
        }
    }

    fn bytes(&self) -> usize {
        const MARK: usize = size_of::<Mark>();
        match self {
            Window::Latest { marks, .. } => marks.capacity() * MARK,
            Window::Count(marks) => marks.first.capacity() * MARK,
            Window::Distinct(distinct) => distinct.bytes(),
            Window::Sum(values, _) => values.capacity() * (MARK + 8),
            Window::Numbers { values, marks, .. } => {
                values.capacity() * 8 + marks.first.capacity() * MARK
            }
            Window::Shares { values, .. } => values.len() * (EVIDENCE * MARK + 64),
            Window::Inputs(latest) => latest.len() * (MARK + 8),
            Window::Chains(chains) => chains.inputs * chains.inputs * chains.inputs * MARK,
        }
    }
}

/// Whether all bounds are lower ones.
fn only_lower(when: &When) -> bool {
    let is_lower = |(comparison, _): &(Comparison, f64)| {
        matches!(comparison, Comparison::Greater | Comparison::GreaterOrEqual)
    };
    matches!(when, When::Measure(bounds) if bounds.iter().all(is_lower))
}

/// What numbers come to.
#[derive(Debug, Clone, Copy)]
enum Reduce {
    Sum,
    Mean,
    Median,
    /// The smallest value that at least so many per cent of the values do not exceed.
    Rank(f64),
}

impl Reduce {
    fn of(self, values: &[f64]) -> Option<f64> {
        let sum = || values.iter().sum::<f64>();
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let (first, middle) = (sorted.first()?, sorted.len() / 2);
        Some(match self {
            Reduce::Sum => sum(),
            Reduce::Mean => sum() / values.len() as f64,
            Reduce::Median if sorted.len().is_multiple_of(2) => {
                f64::midpoint(sorted[middle - 1], sorted[middle])
            }
            Reduce::Median => sorted[middle],
            Reduce::Rank(percent) => {
                let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
                sorted.get(rank.saturating_sub(1)).copied().unwrap_or(*first)
            }
        })
    }
}

/// The part of the rarest or the most frequent value in percent, and its rows; of equals the one
/// that came first.
fn share(values: &BTreeMap<u128, Marks>, largest: bool) -> Option<(f64, &Marks)> {
    let all: u64 = values.values().map(|marks| marks.total).sum();
    let rank = |marks: &&Marks| {
        let total = if largest { u64::MAX - marks.total } else { marks.total };
        (total, marks.first.first().copied())
    };
    let marks = values.values().min_by_key(rank)?;
    Some((marks.total as f64 * 100.0 / all as f64, marks))
}

/// The least count that satisfies lower bounds; counts above it are not told apart.
fn least(when: &When) -> usize {
    let When::Measure(bounds) = when else { return 1 };
    let least = bounds.iter().map(|(comparison, bound)| match comparison {
        Comparison::Greater => bound.floor() + 1.0,
        _ => bound.ceil(),
    });
    least.fold(1.0, f64::max) as usize
}

/// Puts a late one where it belongs; most go to the back.
fn insert<T>(all: &mut VecDeque<T>, item: T, mark_of: impl Fn(&T) -> Mark) {
    let mark = mark_of(&item);
    let at = all.iter().rposition(|other| mark_of(other) <= mark).map_or(0, |at| at + 1);
    all.insert(at, item);
}

fn sorted(mut marks: Vec<Mark>) -> Marks {
    marks.sort_unstable();
    Marks::of(marks.into_iter())
}

/// A sum that numbers can be taken out of again: whole parts are added exactly, so that what is
/// left does not depend on what was there.
#[derive(Debug, Default)]
struct Total {
    whole: i128,
    rest: f64,
}

impl Total {
    fn add(&mut self, value: f64) {
        const EXACT: f64 = 1e30;
        let whole = if value.abs() < EXACT { value.trunc() } else { 0.0 };
        self.whole = self.whole.saturating_add(whole as i128);
        self.rest += value - whole;
    }

    fn value(&self) -> f64 {
        self.whole as f64 + self.rest
    }
}

/// The latest row of each value.
#[derive(Debug, Default)]
struct Distinct {
    marks: HashMap<u128, Mark, RandomState>,
    /// Rows in order of time; one that is not its value's latest any more means nothing.
    order: VecDeque<(Mark, u128)>,
}

impl Distinct {
    fn add(&mut self, value: u128, mark: Mark, from: i64) {
        let latest = self.marks.entry(value).or_insert(mark);
        *latest = (*latest).max(mark);
        // A window that is asked once forgets nothing.
        if from == i64::MIN {
            return;
        }
        insert(&mut self.order, (mark, value), |(mark, _)| *mark);
        while let Some((first, value)) = self.order.front().copied() {
            let stale = self.marks.get(&value) != Some(&first);
            if !stale && first.time >= from {
                break;
            }
            self.order.pop_front();
            if !stale {
                self.marks.remove(&value);
            }
        }
        // Values that repeat leave stale entries in the middle.
        if self.order.len() > 4 * self.marks.len() + 16 {
            let marks = &self.marks;
            self.order.retain(|(mark, value)| marks.get(value) == Some(mark));
        }
    }

    fn bytes(&self) -> usize {
        (self.marks.capacity() + self.order.capacity()) * (size_of::<Mark>() + 16)
    }
}

/// Rows of inputs that follow each other.
///
/// For each length and last input, the chain that starts latest: it is the last to leave a window.
#[derive(Debug)]
struct Chains {
    inputs: usize,
    best: Vec<Vec<Mark>>,
    /// What the rows of the latest event add, until another event comes: an event does not follow
    /// itself.
    pending: Vec<(usize, Vec<Mark>)>,
}

impl Chains {
    fn new(inputs: usize) -> Self {
        Chains { inputs, best: vec![Vec::new(); inputs * inputs], pending: Vec::new() }
    }

    fn add(&mut self, mark: Mark) {
        let another = |(_, chain): &(usize, Vec<Mark>)| {
            chain.last().is_some_and(|last| last.origin != mark.origin)
        };
        if self.pending.first().is_some_and(another) {
            self.settle();
        }
        let input = mark.input as usize;
        if input >= self.inputs {
            return;
        }
        self.pending.push((input, vec![mark]));
        for length in 1..=input {
            let before = (length - 1) * self.inputs..(length - 1) * self.inputs + input;
            let longest = self.best[before].iter().filter(|chain| !chain.is_empty());
            if let Some(chain) = longest.max_by_key(|chain| Chains::rank(chain)) {
                let mut chain = chain.clone();
                chain.push(mark);
                self.pending.push((length * self.inputs + input, chain));
            }
        }
    }

    fn settle(&mut self) {
        for (at, chain) in std::mem::take(&mut self.pending) {
            if self.best[at].first() < chain.first() {
                self.best[at] = chain;
            }
        }
    }

    /// A chain that starts later leaves windows later; one that ends earlier can be followed by
    /// more.
    fn rank(chain: &[Mark]) -> (Option<Mark>, Reverse<Option<Mark>>) {
        (chain.first().copied(), Reverse(chain.last().copied()))
    }

    /// The longest chain that starts at `from` or later, of several the one that starts latest,
    /// then the one that ends first.
    fn longest(&self, from: i64) -> &[Mark] {
        let pending = self.pending.iter().map(|(_, chain)| chain);
        let inside = |chain: &&Vec<Mark>| chain.first().is_some_and(|first| first.time >= from);
        let all = self.best.iter().chain(pending).filter(inside);
        all.max_by_key(|chain| (chain.len(), Chains::rank(chain))).map_or(&[], Vec::as_slice)
    }
}
