//! Rules with state in the most obvious way: every window is a plain list of rows that is looked
//! at anew each time. The machines of `stages/` have to agree with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rulestone_events::{Event, ScopeKind, Views};
use rulestone_ir::{
    Arrangement, Clock, Correlate, Evaluate, Field, Input, Keys, Lists, Measure, NullKey, Pattern,
    Refire, Rule, Source, StageKind, Threshold, Timer, When,
};
use rulestone_value::{Value, fold};

use super::{field_value, lets_through};
use crate::order::Origin;

/// An event with its place.
pub type Placed = (Origin, Event);

/// What a rule with state finds, as far as the two evaluators are compared.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub struct Finding {
    /// When, in ticks.
    pub time: i64,
    /// The place of its last event.
    pub last: Origin,
    /// The group.
    pub key: Vec<String>,
    /// What was measured.
    pub value: f64,
    /// How many events it rests on.
    pub total: u64,
    /// The log ended before its window did.
    pub cut: bool,
}

/// A row of a stage.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    time: i64,
    origin: Origin,
    input: usize,
    key: Vec<String>,
    value: Option<String>,
    host: Option<String>,
}

impl Row {
    fn number(&self) -> f64 {
        let value = self.value.as_deref().map(Value::string);
        value.and_then(|value| value.number()).unwrap_or(f64::NAN)
    }
}

/// What the rule at a place finds in some events, in the order of time. Rules are found by their
/// ids.
pub fn findings(rules: &[Arc<Rule>], at: usize, views: &Views, events: &[Placed]) -> Vec<Finding> {
    let rule = &rules[at];
    let Some(stage) = rule.stateful() else { return Vec::new() };
    let mut rows = Vec::new();
    for (input, from) in stage.inputs.iter().enumerate() {
        let Input::Source(source) = from else { continue };
        let seen = seen_by(rules, &rule.sources[*source], views, events);
        rows.extend(seen.iter().flat_map(|seen| to_rows(rule, input, seen)));
    }
    rows.sort_by_key(|row| (row.time, row.origin, row.input));
    let mut groups: BTreeMap<Vec<String>, Vec<Row>> = BTreeMap::new();
    rows.into_iter().for_each(|row| groups.entry(row.key.clone()).or_default().push(row));
    let ends = Ends::of(events);
    let mut all: Vec<Finding> = Vec::new();
    for rows in groups.values() {
        all.extend(match (&stage.kind, rule.clock) {
            (StageKind::Correlate(own), Clock::Sliding { span }) => {
                correlate(own, span.ticks(), stage.inputs.len(), rows, &ends)
            }
            (StageKind::Threshold(own), Clock::Hop { lookback, interval, .. }) => {
                threshold(own, lookback.ticks(), interval.ticks(), rows)
            }
            (StageKind::Pattern(own), Clock::Sliding { span }) => {
                pattern(own, span.ticks(), rows, &ends)
            }
            _ => Vec::new(),
        });
    }
    all.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    all
}

/// When the logs end.
struct Ends {
    run: i64,
    hosts: BTreeMap<String, i64>,
}

impl Ends {
    fn of(events: &[Placed]) -> Ends {
        let mut ends = Ends { run: i64::MIN, hosts: BTreeMap::new() };
        for (_, event) in events {
            let Some(time) = event.time else { continue };
            ends.run = ends.run.max(time.ticks());
            if let Some(host) = event.host() {
                let latest = ends.hosts.entry(fold(host)).or_insert(i64::MIN);
                *latest = (*latest).max(time.ticks());
            }
        }
        ends
    }
}

/// An event that a source sees, and when.
struct Seen<'e> {
    time: Option<i64>,
    origin: Origin,
    event: &'e Event,
    kind: Arc<ScopeKind>,
}

fn seen_by<'e>(
    rules: &[Arc<Rule>],
    source: &Source,
    views: &Views,
    events: &'e [Placed],
) -> Vec<Seen<'e>> {
    let through = |source: &Source| -> Vec<Seen<'e>> {
        let one = |(origin, event): &'e Placed| {
            let kind = lets_through(source, views, event)?;
            let time = event.time.map(|time| time.ticks());
            Some(Seen { time, origin: *origin, event, kind })
        };
        events.iter().filter_map(one).collect()
    };
    let Source::RuleRef { rule, .. } = source else { return through(source) };
    let Some(at) = rules.iter().position(|own| *own.meta.id == **rule) else { return Vec::new() };
    let read = &rules[at];
    if read.stateful().is_none() {
        let mut places = BTreeSet::new();
        let mut seen: Vec<Seen<'e>> = read.sources.iter().flat_map(through).collect();
        seen.retain(|seen| places.insert(seen.origin));
        return seen;
    }
    // A finding is seen where its last event is.
    let found = findings(rules, at, views, events).into_iter().filter_map(|finding| {
        let (origin, event) = events.iter().find(|(origin, _)| *origin == finding.last)?;
        let mut kinds = read.sources.iter().flat_map(|s| seen_by(rules, s, views, events));
        let kind = kinds.find(|seen| seen.origin == *origin)?.kind;
        Some(Seen { time: Some(finding.time), origin: *origin, event, kind })
    });
    found.collect()
}

fn to_rows(rule: &Rule, input: usize, seen: &Seen<'_>) -> Vec<Row> {
    let Some(stage) = rule.stateful() else { return Vec::new() };
    let (keys, measured, number): (&Keys, Vec<Field>, bool) = match &stage.kind {
        StageKind::Correlate(own) => {
            (&own.by, own.measure.fields().to_vec(), own.measure.is_of_numbers())
        }
        StageKind::Threshold(own) => {
            (&own.by, own.cardinality.iter().map(|(field, _)| field.clone()).collect(), false)
        }
        StageKind::Pattern(own) => {
            let Some(sub) = own.subs.iter().find(|sub| sub.inputs.contains(&input)) else {
                return Vec::new();
            };
            (&sub.by, Vec::new(), false)
        }
        StageKind::Rows(_) => return Vec::new(),
    };
    let columns = match stage.inputs.get(input) {
        Some(Input::Source(source)) => match &rule.sources[*source] {
            Source::RuleRef { columns, .. } => columns.as_slice(),
            _ => &[],
        },
        _ => &[],
    };
    let read = |field: &Field| {
        let renamed = columns.iter().find(|(alias, _)| **alias == *field.name());
        let name = renamed.map_or(field.name(), |(_, field)| field.name());
        field_value(name, &seen.kind, seen.event)
    };
    let Some(time) = seen.time else { return Vec::new() };
    let values: Vec<Value> = measured.iter().map(read).collect();
    let unusable = |value: &Value| value.is_null() || (number && value.number().is_none());
    let lacks = values.iter().any(unusable);
    // A threshold counts rows, and beside that the values that some of them have.
    if lacks && !matches!(stage.kind, StageKind::Threshold(_)) {
        return Vec::new();
    }
    let value = (!values.is_empty() && !lacks).then(|| match values.as_slice() {
        [value] if number => value.text().unwrap_or_default().into_owned(),
        values => values.iter().map(text_of).collect::<Vec<_>>().join("\u{1}"),
    });
    let mut groups: Vec<Vec<String>> = vec![Vec::new()];
    for field in &keys.fields {
        let value = match (read(field), &keys.null) {
            (Value::Null, NullKey::Drop) => return Vec::new(),
            (Value::Null, NullKey::Group) => Value::Null,
            (Value::Null, NullKey::Fill(text)) => Value::string(text.as_str()),
            (value, _) => value,
        };
        let parts: Vec<String> = match (keys.lists, &value) {
            (Lists::FanOut, Value::List(values)) => values.iter().map(text_of).collect(),
            _ => vec![text_of(&value)],
        };
        let join = |group: &Vec<String>| -> Vec<Vec<String>> {
            parts
                .iter()
                .map(|part| [group.as_slice(), std::slice::from_ref(part)].concat())
                .collect()
        };
        groups = groups.iter().flat_map(join).collect();
    }
    groups.sort();
    groups.dedup();
    let host = seen.event.host().map(fold);
    let row = |key| Row {
        time,
        origin: seen.origin,
        input,
        key,
        value: value.clone(),
        host: host.clone(),
    };
    groups.into_iter().map(row).collect()
}

/// A part of a group's key as [`Finding::key`] has it.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::Null => "\u{0}".to_owned(),
        Value::List(values) => format!("{:?}", values.iter().map(text_of).collect::<Vec<_>>()),
        value => value.text().unwrap_or_default().into_owned(),
    }
}

fn finding(rows: &[&Row], value: f64, time: i64, cut: bool) -> Option<Finding> {
    let last = rows.last()?;
    let (key, total) = (last.key.clone(), rows.len() as u64);
    Some(Finding { time, last: last.origin, key, value, total, cut })
}

fn correlate(own: &Correlate, span: i64, inputs: usize, rows: &[Row], ends: &Ends) -> Vec<Finding> {
    let mut found = Vec::new();
    let (mut fired, mut held, mut open) = (false, false, None::<usize>);
    let quiet_before = |at: usize| at > 0 && rows[at].time.saturating_sub(rows[at - 1].time) > span;
    let mut close = |start: usize, end: usize, fired: &mut bool, cut: bool| {
        let window: Vec<&Row> = rows[start..end].iter().collect();
        if !(*fired && own.refire == Refire::AfterQuiet)
            && let Some((value, rows)) = measured(own, inputs, &window)
        {
            found.extend(finding(&rows, value, rows.last().map_or(0, |row| row.time), cut));
            *fired = true;
        }
    };
    let mut on_event = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        match own.evaluate {
            Evaluate::OnEvent => {
                if quiet_before(at) {
                    fired = false;
                }
                if fired && own.refire == Refire::AfterQuiet {
                    continue;
                }
                let from = row.time.saturating_sub(span);
                let window: Vec<&Row> = rows[..=at].iter().filter(|r| r.time >= from).collect();
                let holds = measured(own, inputs, &window);
                if let (Some((value, rows)), false) = (&holds, held) {
                    on_event.extend(finding(rows, *value, row.time, false));
                    fired = true;
                }
                held = holds.is_some() && own.refire == Refire::Each;
            }
            Evaluate::AtClose => {
                if let Some(start) = open
                    && row.time > rows[start].time.saturating_add(span)
                {
                    close(start, at, &mut fired, false);
                    open = None;
                }
                if quiet_before(at) {
                    fired = false;
                }
                open.get_or_insert(at);
            }
        }
    }
    if let Some(start) = open {
        let over = ends.run > rows[start].time.saturating_add(span);
        let grows = match &own.when {
            When::Measure(bounds) => bounds.iter().all(|(c, _)| c.sign().starts_with('>')),
            When::Seen(seen) => !seen.has_not(),
        };
        if over || grows {
            close(start, rows.len(), &mut fired, !over);
        }
    }
    found.extend(on_event);
    found
}

/// What a window measures and the rows that show it, if it satisfies the rule.
fn measured<'r>(own: &Correlate, inputs: usize, window: &[&'r Row]) -> Option<(f64, Vec<&'r Row>)> {
    let (value, rows) = measure(own, inputs, window)?;
    let holds = match &own.when {
        When::Measure(bounds) => bounds.iter().all(|(c, bound)| c.holds(value, *bound)),
        When::Seen(seen) => seen.holds(&|input| window.iter().any(|row| row.input == input)),
    };
    holds.then_some((value, rows))
}

fn measure<'r>(own: &Correlate, inputs: usize, window: &[&'r Row]) -> Option<(f64, Vec<&'r Row>)> {
    let mut numbers: Vec<f64> = window.iter().map(|row| row.number()).collect();
    numbers.sort_by(f64::total_cmp);
    let all = || window.to_vec();
    let middle = numbers.len() / 2;
    Some(match &own.measure {
        Measure::Count => (window.len() as f64, all()),
        Measure::DistinctCount(_) => {
            let latest = latest_of_each(window, |row| row.value.clone());
            (latest.len() as f64, latest)
        }
        Measure::Sum(_) => (numbers.iter().sum(), all()),
        Measure::Avg(_) => (numbers.iter().sum::<f64>() / numbers.len() as f64, all()),
        Measure::Min(_) => (*numbers.first()?, all()),
        Measure::Max(_) => (*numbers.last()?, all()),
        Measure::Median(_) if numbers.len().is_multiple_of(2) => {
            (f64::midpoint(*numbers.get(middle.checked_sub(1)?)?, numbers[middle]), all())
        }
        Measure::Median(_) => (numbers[middle], all()),
        Measure::Percentile(_, percent) => {
            let rank = (percent / 100.0 * numbers.len() as f64).ceil() as usize;
            (*numbers.get(rank.max(1) - 1)?, all())
        }
        Measure::Share(_) => share(own, window)?,
        Measure::Inputs => {
            let latest = latest_of_each(window, |row| row.input);
            (latest.len() as f64, latest)
        }
        Measure::InputsInOrder => {
            let chain = longest_chain(window, inputs);
            (chain.len() as f64, chain)
        }
    })
}

/// The last row of each sort, in order.
fn latest_of_each<'r, K: Ord>(window: &[&'r Row], sort: impl Fn(&Row) -> K) -> Vec<&'r Row> {
    let mut latest: BTreeMap<K, &Row> = BTreeMap::new();
    window.iter().for_each(|row| {
        latest.insert(sort(row), row);
    });
    let mut rows: Vec<&Row> = latest.into_values().collect();
    rows.sort_by_key(|row| (row.time, row.origin, row.input));
    rows
}

fn share<'r>(own: &Correlate, window: &[&'r Row]) -> Option<(f64, Vec<&'r Row>)> {
    let mut values: Vec<(&str, Vec<&Row>)> = Vec::new();
    for row in window {
        let value = row.value.as_deref().unwrap_or_default();
        match values.iter_mut().find(|(own, _)| *own == value) {
            Some((_, rows)) => rows.push(row),
            None => values.push((value, vec![row])),
        }
    }
    let largest = match &own.when {
        When::Measure(bounds) => bounds.iter().all(|(c, _)| c.sign().starts_with('>')),
        When::Seen(_) => false,
    };
    let count = |(_, rows): &(&str, Vec<&Row>)| rows.len();
    let wanted = match largest {
        true => values.iter().map(count).max()?,
        false => values.iter().map(count).min()?,
    };
    // Of equals the one that came first, which is how they were met.
    let (_, rows) = values.into_iter().find(|value| count(value) == wanted)?;
    Some((wanted as f64 * 100.0 / window.len() as f64, rows))
}

/// The longest row of rows of one input behind the other; of equals the one that starts latest.
fn longest_chain<'r>(window: &[&'r Row], inputs: usize) -> Vec<&'r Row> {
    let mut best: Vec<Vec<&Row>> = Vec::new();
    let better = |a: &[&Row], b: &[&Row]| {
        let rank = |chain: &[&Row]| (chain.len(), chain.first().map(|row| (row.time, row.origin)));
        rank(a) > rank(b)
    };
    for length in 1..=inputs {
        for chain in chains(window, length) {
            if best.last().is_none_or(|own| better(&chain, own)) {
                best.push(chain);
            }
        }
    }
    best.pop().unwrap_or_default()
}

/// Every chain of so many rows.
fn chains<'r>(window: &[&'r Row], length: usize) -> Vec<Vec<&'r Row>> {
    if length == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, row) in window.iter().enumerate() {
        for shorter in chains(&window[..at], length - 1) {
            let follows = shorter
                .last()
                .is_none_or(|last| last.input < row.input && last.origin != row.origin);
            if follows {
                all.push([shorter.as_slice(), &[*row]].concat());
            }
        }
    }
    all
}

fn threshold(own: &Threshold, lookback: i64, interval: i64, rows: &[Row]) -> Vec<Finding> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let mut found: Vec<Finding> = Vec::new();
    let mut counted: Option<(i64, Origin)> = None;
    let mut latest = None;
    let mut end = first.time.div_euclid(interval) * interval;
    while end <= last.time + lookback {
        let is_new = |row: &&Row| !own.counted_once || Some((row.time, row.origin)) > counted;
        let inside = rows.iter().filter(|row| row.time >= end - lookback && row.time < end);
        let pane: Vec<&Row> = inside.filter(is_new).collect();
        let values: BTreeSet<&String> = pane.iter().filter_map(|row| row.value.as_ref()).collect();
        let enough = own.cardinality.as_ref().is_none_or(|(_, n)| values.len() as u64 >= *n);
        if pane.len() as u64 >= own.count.max(1) && enough {
            let identity = (pane[0].origin, pane[pane.len() - 1].origin, pane.len());
            let last = pane[pane.len() - 1];
            counted = Some((last.time, last.origin));
            if latest.replace(identity) != Some(identity) {
                found.extend(finding(&pane, pane.len() as f64, last.time, false));
            }
        }
        end += interval;
    }
    found
}

/// A part of an arrangement that has come about, and at which time it was certain.
#[derive(Clone)]
struct Complete<'r> {
    rows: Vec<&'r Row>,
    certain: i64,
}

fn pattern(own: &Pattern, span: i64, rows: &[Row], ends: &Ends) -> Vec<Finding> {
    let Some(first) = rows.first() else { return Vec::new() };
    let end = match own.timer {
        Timer::Run => Some(ends.run),
        Timer::Host => first.host.as_ref().and_then(|host| ends.hosts.get(host)).copied(),
    };
    let mut complete = completions(&own.arrangement, own, span, rows, end);
    let order = |row: &Row| (row.time, row.origin, row.input);
    complete.sort_by_key(|complete| (complete.certain, complete.rows.last().map(|row| order(row))));
    let mut found: Vec<Finding> = Vec::new();
    let mut fired: Option<i64> = None;
    for complete in complete {
        // Quiet since: two rows behind the last finding lie further apart than the span.
        let since = fired.map(|fired| {
            let times = rows.iter().map(|row| row.time).filter(|time| *time <= complete.certain);
            let times: Vec<i64> = times.collect();
            times.windows(2).any(|pair| pair[1] > fired && pair[1] - pair[0] > span)
        });
        if own.refire == Refire::AfterQuiet && since == Some(false) {
            continue;
        }
        fired = Some(complete.certain);
        let total = complete.rows.len() as f64;
        found.extend(finding(&complete.rows, total, complete.certain, false));
    }
    found
}

fn completions<'r>(
    arrangement: &Arrangement,
    own: &Pattern,
    span: i64,
    rows: &'r [Row],
    end: Option<i64>,
) -> Vec<Complete<'r>> {
    let of = |part: &Arrangement| completions(part, own, span, rows, end);
    let joined = |a: &Complete<'r>, b: &Complete<'r>| {
        let mut rows = [a.rows.as_slice(), &b.rows].concat();
        rows.sort_by_key(|row| (row.time, row.origin, row.input));
        Complete { rows, certain: a.certain.max(b.certain) }
    };
    let fits = |complete: &Complete<'r>| length(complete) <= span;
    match arrangement {
        Arrangement::Sub(at) => sub(own, *at, span, rows),
        Arrangement::Followed(left, right) => {
            let lefts = of(left);
            let latest = |second: &Complete<'r>| {
                let first = lefts.iter().rev().find(|first| is_before(first, second))?;
                Some(joined(first, second)).filter(fits)
            };
            of(right).iter().filter_map(latest).collect()
        }
        Arrangement::NotFollowed(left, right) => {
            let rights = of(right);
            let due = |first: &Complete<'r>| first.rows[0].time.saturating_add(span);
            let follows = |first: &Complete<'r>, second: &Complete<'r>| {
                is_before(first, second) && second.certain <= due(first)
            };
            let alone = of(left).into_iter().filter(|first| {
                !rights.iter().any(|second| follows(first, second)) && end > Some(due(first))
            });
            alone.map(|first| Complete { certain: due(&first), ..first }).collect()
        }
        Arrangement::And(left, right) => {
            let (lefts, rights) = (of(left), of(right));
            let mut all: Vec<(bool, Complete<'r>)> = lefts.into_iter().map(|c| (true, c)).collect();
            all.extend(rights.into_iter().map(|c| (false, c)));
            let order = |row: &Row| (row.time, row.origin, row.input);
            all.sort_by_key(|(left, c)| (c.rows.last().map(|row| order(row)), !*left));
            let mut out = Vec::new();
            for (at, (side, complete)) in all.iter().enumerate() {
                let mut before = all[..at].iter().rev();
                let other = before.find(|(other, _)| other != side);
                out.extend(other.map(|(_, other)| joined(other, complete)).filter(fits));
            }
            out
        }
        Arrangement::Or(left, right) => {
            // What is both is one.
            let mut all = of(left);
            let same = |a: &Complete<'r>, b: &Complete<'r>| a.rows == b.rows;
            let others = of(right).into_iter().filter(|b| !all.iter().any(|a| same(a, b)));
            let others: Vec<Complete<'r>> = others.collect();
            all.extend(others);
            // The latest of either is the latest.
            all.sort_by_key(|own| {
                let last = own.rows.last().map(|row| (row.time, row.origin, row.input));
                (own.certain, last)
            });
            all
        }
    }
}

fn length(complete: &Complete<'_>) -> i64 {
    let (first, last) = (complete.rows.first(), complete.rows.last());
    first.zip(last).map_or(0, |(first, last)| last.time - first.time)
}

fn is_before(first: &Complete<'_>, second: &Complete<'_>) -> bool {
    let place = |row: &Row| (row.time, row.origin);
    let (end, start) = (first.rows.last(), second.rows.first());
    end.zip(start).is_some_and(|(end, start)| place(end) < place(start))
}

fn sub<'r>(own: &Pattern, at: usize, span: i64, rows: &'r [Row]) -> Vec<Complete<'r>> {
    let sub = &own.subs[at];
    let count = sub.count.max(1) as usize;
    let read: Vec<&Row> = rows.iter().filter(|row| sub.inputs.contains(&row.input)).collect();
    let windows = read
        .windows(count)
        .map(|rows| Complete { rows: rows.to_vec(), certain: rows[count - 1].time });
    windows.filter(|complete| length(complete) <= span).collect()
}
