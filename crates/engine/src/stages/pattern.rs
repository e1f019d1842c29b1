//! `Pattern`: sub-patterns of a group in an arrangement, within a sliding window.
//!
//! A sub-pattern is complete at each row with which it has enough within the span. Completions go
//! up the arrangement; the whole of it has to fit into the span, both ends included. What must not
//! follow is waited for until the timer has passed the span's end.

use std::collections::VecDeque;

use rulestone_ir::{Arrangement, Pattern, Refire, Timer};

use super::{EVIDENCE, Finding, Mark, Marks, Outcome};
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
    /// When it last fired.
    fired: Option<i64>,
    /// When rows came after longer than the span: behind the last time it fired, and as far as
    /// what is still undecided may ask for them.
    quiet: VecDeque<i64>,
}

/// A part of the arrangement that has come about.
#[derive(Debug, Clone)]
struct Complete {
    /// Its events: the first and the last, and how many.
    marks: Marks,
    start: Mark,
    end: Mark,
    /// When it was certain.
    time: i64,
}

impl Complete {
    fn new(marks: Marks, time: i64) -> Option<Complete> {
        let (start, end) = (*marks.first.first()?, marks.last?);
        Some(Complete { marks, start, end, time })
    }

    /// This one and another together.
    fn with(&self, other: &Complete) -> Complete {
        let mut first = [self.marks.first.as_slice(), &other.marks.first].concat();
        first.sort_unstable();
        first.truncate(EVIDENCE);
        let (start, end) = (self.start.min(other.start), self.end.max(other.end));
        let marks = Marks { first, last: Some(end), total: self.marks.total + other.marks.total };
        Complete { marks, start, end, time: self.time.max(other.time) }
    }

    fn length(&self) -> i64 {
        self.end.time.saturating_sub(self.start.time)
    }

    /// When something that must not follow can follow no more.
    fn due(&self, span: i64) -> i64 {
        self.start.time.saturating_add(span)
    }

    /// Whether it ends before `later` starts. An event does not follow itself.
    fn is_before(&self, later: &Complete) -> bool {
        self.end < later.start && self.end.origin != later.start.origin
    }

    /// Whether it is the same events. Rows of a group are in order, so the ends tell.
    fn is_same(&self, other: &Complete) -> bool {
        let of = |complete: &Complete| (complete.start, complete.end, complete.marks.total);
        of(self) == of(other) && self.marks.first == other.marks.first
    }
}

#[derive(Debug)]
enum Node {
    Sub { inputs: Vec<usize>, count: usize, latest: VecDeque<Mark> },
    Followed { left: Box<Node>, right: Box<Node>, waiting: VecDeque<Complete> },
    NotFollowed { left: Box<Node>, right: Box<Node>, waiting: VecDeque<Complete> },
    And { left: Box<Node>, right: Box<Node>, latest: Box<[Option<Complete>; 2]> },
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
            fired: None,
            quiet: VecDeque::new(),
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
        // Where no host is known its time does not pass.
        if self.timer == Timer::Run || (row.host != 0 && row.host == self.host) {
            self.advance(row.time, out);
        }
        if self.latest != i64::MIN && row.time.saturating_sub(self.latest) > self.span {
            self.note_quiet(row.time);
        }
        self.latest = self.latest.max(row.time);
        self.step(Step::Row(Mark::of(row)), out);
    }

    fn note_quiet(&mut self, time: i64) {
        if self.refire == Refire::AfterQuiet {
            // Where nothing is undecided, whatever comes is found later than this.
            if self.root.deadline(self.span).is_none() {
                self.quiet.clear();
            }
            self.quiet.push_back(time);
        }
    }

    pub(crate) fn advance(&mut self, now: i64, out: &mut Outcome) {
        self.step(Step::Time(now), out);
    }

    fn step(&mut self, step: Step, out: &mut Outcome) {
        let mut complete = Vec::new();
        self.root.step(step, self.span, &mut complete);
        for found in complete {
            if self.may_fire(found.time) {
                self.fired = Some(found.time);
                out.findings.extend(self.finding(found));
            }
        }
    }

    /// Whether the group has been quiet since it fired, as far as that matters.
    fn may_fire(&mut self, time: i64) -> bool {
        let Some(fired) = self.fired else { return true };
        if self.refire == Refire::Each {
            return true;
        }
        while self.quiet.pop_front_if(|quiet| *quiet <= fired).is_some() {}
        self.quiet.front().is_some_and(|quiet| *quiet <= time)
    }

    fn finding(&self, complete: Complete) -> Option<Finding> {
        let (rule, key) = self.group?;
        let value = complete.marks.total as f64;
        let finding = complete.marks.finding(rule, key, value)?;
        Some(Finding { time: complete.time, ..finding })
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
        self.root.bytes() + self.quiet.capacity() * size_of::<i64>()
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
                Node::And { left, right, latest: Box::new([None, None]) }
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
                not_followed(waiting, (lefts, &rights), step, span, out);
            }
            Node::And { latest, .. } => both(latest, [lefts, rights], span, out),
            Node::Or { .. } => {
                // What is both is one.
                rights.retain(|right| !lefts.iter().any(|left| left.is_same(right)));
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
                let own = waiting.front().map(|first| first.due(span).saturating_add(1));
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
        let of =
            |all: &VecDeque<Complete>| all.iter().map(|c| (c.marks.first.len() + 4) * MARK).sum();
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
    if latest.len() < count || mark.time.saturating_sub(first) > span {
        return None;
    }
    let total = latest.len() as u64;
    let first = latest.iter().take(EVIDENCE).copied().collect();
    Complete::new(Marks { first, last: latest.back().copied(), total }, mark.time)
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
    // They come in the order of their ends: one that starts too early and is not the first is
    // forgotten a little later.
    if let Some(now) = waiting.back().map(|latest| latest.time) {
        while waiting.pop_front_if(|first| now.saturating_sub(first.start.time) > span).is_some() {}
    }
}

/// Drops from what waits whatever has been followed in time, and gives what has not.
fn not_followed(
    waiting: &mut VecDeque<Complete>,
    (lefts, rights): (Vec<Complete>, &[Complete]),
    step: Step,
    span: i64,
    out: &mut Vec<Complete>,
) {
    if !rights.is_empty() {
        let follows = |first: &Complete, second: &Complete| {
            first.is_before(second) && second.time <= first.due(span)
        };
        waiting.retain(|first| !rights.iter().any(|second| follows(first, second)));
    }
    if let Step::Time(now) = step {
        while let Some(first) = waiting.pop_front_if(|first| first.due(span) < now) {
            out.push(Complete { time: first.due(span), ..first });
        }
    }
    for left in lefts {
        let due = left.due(span);
        let at = waiting.iter().rposition(|first| first.due(span) <= due).map_or(0, |at| at + 1);
        waiting.insert(at, left);
    }
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
