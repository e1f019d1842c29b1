//! `Pattern`: sub-patterns of a group in an arrangement, within a sliding window.
//!
//! A sub-pattern is complete at each row with which it has enough within the span. Completions go
//! up the arrangement; the whole of it has to fit into the span, both ends included. What must not
//! follow is waited for until the timer has passed the span's end.

use std::collections::VecDeque;

use rulestone_ir::{Arrangement, Pattern, Refire, Timer};

use super::{Finding, Mark, Marks, Outcome};
use crate::order::Row;

#[derive(Debug)]
pub(crate) struct PatternMachine {
    root: Node,
    span: i64,
    timer: Timer,
    refire: Refire,
    group: Option<(u32, u128)>,
    host: u64,
    latest: i64,
    fired: bool,
}

/// A part of the arrangement that has come about.
#[derive(Debug, Clone)]
struct Complete {
    /// Its events in order.
    marks: Vec<Mark>,
    /// When it was certain.
    time: i64,
}

impl Complete {
    fn start(&self) -> Mark {
        self.marks[0]
    }

    fn end(&self) -> Mark {
        self.marks[self.marks.len() - 1]
    }

    /// This one and another together.
    fn with(&self, other: &Complete) -> Complete {
        let mut marks = [self.marks.as_slice(), &other.marks].concat();
        marks.sort_unstable();
        Complete { marks, time: self.time.max(other.time) }
    }

    fn length(&self) -> i64 {
        self.end().time.saturating_sub(self.start().time)
    }

    /// Whether it ends before `later` starts. An event does not follow itself.
    fn is_before(&self, later: &Complete) -> bool {
        self.end() < later.start() && self.end().origin != later.start().origin
    }
}

#[derive(Debug)]
enum Node {
    Sub { inputs: Vec<usize>, count: usize, latest: VecDeque<Mark> },
    Followed { left: Box<Node>, right: Box<Node>, waiting: VecDeque<Complete> },
    NotFollowed { left: Box<Node>, right: Box<Node>, waiting: VecDeque<Complete> },
    And { left: Box<Node>, right: Box<Node>, latest: [Option<Complete>; 2] },
    Or { left: Box<Node>, right: Box<Node> },
}

/// What happens to a group.
#[derive(Clone, Copy)]
enum Step {
    Row(Mark),
    Time(i64),
}

impl PatternMachine {
    pub(crate) fn new(pattern: &Pattern, span: i64) -> Self {
        PatternMachine {
            root: Node::new(&pattern.arrangement, pattern),
            span,
            timer: pattern.timer,
            refire: pattern.refire,
            group: None,
            host: 0,
            latest: i64::MIN,
            fired: false,
        }
    }

    pub(crate) fn add(&mut self, row: &Row, out: &mut Outcome) {
        if self.group.is_none() {
            self.group = Some((row.rule, row.key));
            self.host = row.host;
        }
        if self.latest != i64::MIN && row.time < self.latest.saturating_sub(self.span) {
            out.late += 1;
            return;
        }
        if self.timer == Timer::Run || row.host == self.host {
            self.advance(row.time, out);
        }
        if row.time.saturating_sub(self.latest) > self.span {
            self.fired = false;
        }
        self.latest = self.latest.max(row.time);
        self.step(Step::Row(Mark::of(row)), out);
    }

    pub(crate) fn advance(&mut self, now: i64, out: &mut Outcome) {
        self.step(Step::Time(now), out);
    }

    fn step(&mut self, step: Step, out: &mut Outcome) {
        let mut complete = Vec::new();
        self.root.step(step, self.span, &mut complete);
        for found in complete {
            if !(self.fired && self.refire == Refire::AfterQuiet) {
                out.findings.extend(self.finding(found));
                self.fired = true;
            }
        }
    }

    fn finding(&self, complete: Complete) -> Option<Finding> {
        let (rule, key) = self.group?;
        let (time, total) = (complete.time, complete.marks.len() as f64);
        let finding = Marks::of(complete.marks.into_iter()).finding(rule, key, total)?;
        Some(Finding { time, ..finding })
    }

    pub(crate) fn end(&mut self, out: &mut Outcome) {
        out.undecided += self.root.undecided();
    }

    /// The host whose latest event is the group's time; `None` where it is anybody's.
    pub(crate) fn host(&self) -> Option<u64> {
        (self.timer == Timer::Host).then_some(self.host)
    }

    pub(crate) fn deadline(&self) -> i64 {
        let forgotten = self.latest.saturating_add(self.span).saturating_add(1);
        self.root.deadline(self.span).map_or(forgotten, |deadline| deadline.min(forgotten))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.root.bytes()
    }
}

impl Node {
    fn new(arrangement: &Arrangement, pattern: &Pattern) -> Node {
        let pair =
            |left, right| (Box::new(Node::new(left, pattern)), Box::new(Node::new(right, pattern)));
        match arrangement {
            Arrangement::Sub(at) => {
                let sub = pattern.subs.get(*at);
                Node::Sub {
                    inputs: sub.map(|sub| sub.inputs.clone()).unwrap_or_default(),
                    count: sub.map_or(1, |sub| sub.count.max(1) as usize),
                    latest: VecDeque::new(),
                }
            }
            Arrangement::Followed(left, right) => {
                let (left, right) = pair(left, right);
                Node::Followed { left, right, waiting: VecDeque::new() }
            }
            Arrangement::NotFollowed(left, right) => {
                let (left, right) = pair(left, right);
                Node::NotFollowed { left, right, waiting: VecDeque::new() }
            }
            Arrangement::And(left, right) => {
                let (left, right) = pair(left, right);
                Node::And { left, right, latest: [None, None] }
            }
            Arrangement::Or(left, right) => {
                let (left, right) = pair(left, right);
                Node::Or { left, right }
            }
        }
    }

    fn step(&mut self, step: Step, span: i64, out: &mut Vec<Complete>) {
        let (left, right) = match self {
            Node::Sub { inputs, count, latest } => {
                if let Step::Row(mark) = step
                    && inputs.contains(&(mark.input as usize))
                {
                    out.extend(enough(latest, *count, mark, span));
                }
                return;
            }
            Node::Followed { left, right, .. }
            | Node::NotFollowed { left, right, .. }
            | Node::And { left, right, .. }
            | Node::Or { left, right } => (left, right),
        };
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        left.step(step, span, &mut lefts);
        right.step(step, span, &mut rights);
        match self {
            Node::Sub { .. } => {}
            Node::Followed { waiting, .. } => followed(waiting, lefts, &rights, span, out),
            Node::NotFollowed { waiting, .. } => {
                waiting.retain(|first| !rights.iter().any(|second| first.is_before(second)));
                if let Step::Time(now) = step {
                    out.extend(overdue(waiting, now, span));
                }
                waiting.extend(lefts);
            }
            Node::And { latest, .. } => both(latest, [lefts, rights], span, out),
            Node::Or { .. } => {
                out.extend(lefts);
                out.extend(rights);
            }
        }
    }

    /// What waits for something that must not come.
    fn undecided(&self) -> u64 {
        match self {
            Node::Sub { .. } => 0,
            Node::NotFollowed { left, right, waiting } => {
                waiting.len() as u64 + left.undecided() + right.undecided()
            }
            Node::Followed { left, right, .. }
            | Node::And { left, right, .. }
            | Node::Or { left, right } => left.undecided() + right.undecided(),
        }
    }

    /// The first time behind which something that must not come is too late.
    fn deadline(&self, span: i64) -> Option<i64> {
        match self {
            Node::Sub { .. } => None,
            Node::NotFollowed { left, right, waiting } => {
                let own = waiting.front().map(|first| due(first, span).saturating_add(1));
                [own, left.deadline(span), right.deadline(span)].into_iter().flatten().min()
            }
            Node::Followed { left, right, .. }
            | Node::And { left, right, .. }
            | Node::Or { left, right } => {
                [left.deadline(span), right.deadline(span)].into_iter().flatten().min()
            }
        }
    }

    fn bytes(&self) -> usize {
        const MARK: usize = size_of::<Mark>();
        let of = |all: &VecDeque<Complete>| all.iter().map(|c| (c.marks.len() + 2) * MARK).sum();
        match self {
            Node::Sub { latest, .. } => latest.capacity() * MARK,
            Node::Followed { left, right, waiting }
            | Node::NotFollowed { left, right, waiting } => {
                let own: usize = of(waiting);
                own + left.bytes() + right.bytes()
            }
            Node::And { left, right, .. } | Node::Or { left, right } => {
                8 * MARK + left.bytes() + right.bytes()
            }
        }
    }
}

/// Adds a row to a sub-pattern, and gives its latest rows if they are enough within the span.
fn enough(latest: &mut VecDeque<Mark>, count: usize, mark: Mark, span: i64) -> Option<Complete> {
    let at = latest.iter().rposition(|other| *other <= mark).map_or(0, |at| at + 1);
    latest.insert(at, mark);
    while latest.len() > count {
        latest.pop_front();
    }
    let first = latest.front()?.time;
    (latest.len() == count && mark.time.saturating_sub(first) <= span)
        .then(|| Complete { marks: latest.iter().copied().collect(), time: mark.time })
}

/// Joins each of `rights` to the latest that came before it.
fn followed(
    waiting: &mut VecDeque<Complete>,
    lefts: Vec<Complete>,
    rights: &[Complete],
    span: i64,
    out: &mut Vec<Complete>,
) {
    for second in rights {
        let first = waiting.iter().rev().find(|first| first.is_before(second));
        let joined = first.map(|first| first.with(second));
        out.extend(joined.filter(|joined| joined.length() <= span));
    }
    waiting.extend(lefts);
    if let Some(now) = waiting.back().map(|latest| latest.time) {
        waiting.retain(|first| now.saturating_sub(first.start().time) <= span);
    }
}

/// When something that must not follow can follow no more.
fn due(first: &Complete, span: i64) -> i64 {
    first.start().time.saturating_add(span)
}

/// Those that nothing has followed in time.
fn overdue(waiting: &mut VecDeque<Complete>, now: i64, span: i64) -> Vec<Complete> {
    let (over, still): (Vec<_>, Vec<_>) =
        waiting.drain(..).partition(|first| due(first, span) < now);
    waiting.extend(still);
    over.into_iter().map(|first| Complete { time: due(&first, span), ..first }).collect()
}

/// Joins what is new on one side to the latest on the other.
fn both(
    latest: &mut [Option<Complete>; 2],
    new: [Vec<Complete>; 2],
    span: i64,
    out: &mut Vec<Complete>,
) {
    for (side, all) in new.into_iter().enumerate() {
        for complete in all {
            let joined = latest[1 - side].as_ref().map(|other| other.with(&complete));
            out.extend(joined.filter(|joined| joined.length() <= span));
            latest[side] = Some(complete);
        }
    }
}
