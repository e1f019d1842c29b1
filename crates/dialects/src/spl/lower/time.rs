//! Lengths of time, points in time relative to a run, and what a search says about when it looks.

use rulestone_ir::{
    BinBy, Clock, Duration, Expr, Function, Input, RowStage, Source, Span, Stage, StageKind,
};
use rulestone_value::{Time, Value};

use super::{Lowering, all, is_true};

/// What a search says about the time of its events.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Window {
    /// From when on.
    pub(super) from: Edge,
    /// Until when.
    pub(super) to: Edge,
}

/// An end of a window.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Edge {
    /// The search does not say: the schedule's.
    #[default]
    Unsaid,
    /// The beginning or the end of time.
    Open,
    /// This moment.
    At {
        /// As an expression.
        moment: Expr,
        /// At most so many seconds before the run, where it is relative to it.
        back: Option<i64>,
    },
}

const UNITS: [(&[&str], i64); 5] = [
    (&["s", "sec", "secs", "second", "seconds"], 1),
    (&["m", "min", "mins", "minute", "minutes"], 60),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600),
    (&["d", "day", "days"], 86_400),
    (&["w", "week", "weeks"], 7 * 86_400),
];
const MONTHS: [(&[&str], u32); 3] = [
    (&["mon", "month", "months"], 1),
    (&["q", "qtr", "qtrs", "quarter", "quarters"], 3),
    (&["y", "yr", "yrs", "year", "years"], 12),
];

/// A number with a unit; one of the unit without a number.
fn with_unit(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = if number.is_empty() { 1.0 } else { number.parse().ok()? };
    Some((number, unit))
}

/// A length of time of a fixed number of seconds: `5m`. Without a unit it is seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim().to_ascii_lowercase();
    let (number, unit) = with_unit(&text)?;
    let unit = unit.trim();
    if let Some(divisor) = [("us", 1e6), ("ms", 1e3), ("cs", 1e2), ("ds", 10.0)]
        .iter()
        .find_map(|(name, divisor)| (*name == unit).then_some(divisor))
    {
        return Some(Duration::from_ticks((number / divisor * 1e7) as i64));
    }
    let seconds = if unit.is_empty() { Some(1) } else { seconds_of(unit) }?;
    Some(Duration::from_ticks((number * seconds as f64 * 1e7) as i64))
}

fn seconds_of(unit: &str) -> Option<i64> {
    UNITS.iter().find(|(names, _)| names.contains(&unit)).map(|(_, seconds)| *seconds)
}

fn months_of(unit: &str) -> Option<u32> {
    MONTHS.iter().find(|(names, _)| names.contains(&unit)).map(|(_, months)| *months)
}

/// How wide a bin is: `1h`, `1mon`, `10`, `2log10`. Of times a bare number is seconds.
pub(super) fn span(text: &str, of_time: bool) -> Option<BinBy> {
    let text = text.trim().to_ascii_lowercase();
    // What a bin is aligned to behind `@` is where it starts anyway.
    let text = text.split('@').next().unwrap_or_default();
    if let Some((factor, base)) = text.split_once("log") {
        let number = |text: &str, other: f64| {
            if text.is_empty() { Some(other) } else { text.parse::<f64>().ok() }
        };
        let (factor, base) = (number(factor, 1.0)?, number(base, 10.0)?);
        return (base > 1.0 && factor >= 1.0 && factor < base).then_some(BinBy::Log(factor, base));
    }
    let (number, unit) = with_unit(text)?;
    if unit.is_empty() && !of_time {
        return (number > 0.0).then_some(BinBy::Number(number));
    }
    if let Some(months) = months_of(unit) {
        let months = number * f64::from(months);
        return (months >= 1.0).then_some(BinBy::Months(months as u32));
    }
    let span = duration(text)?;
    (span.ticks() > 0).then_some(BinBy::Span(span))
}

/// The spans that are chosen for a search over so many seconds: of the documentation of timechart.
const AUTO_SPANS: [(i64, i64); 6] = [
    (900, 10),
    (3_600, 60),
    (4 * 3_600, 300),
    (86_400, 1_800),
    (7 * 86_400, 3_600),
    (30 * 86_400, 86_400),
];

/// How wide bins of `_time` are where nothing is said: by how far the rule looks back.
pub(super) fn auto_span(clock: &Clock, bins: u32) -> BinBy {
    let Clock::Hop { lookback, .. } = clock else { return BinBy::Auto(bins) };
    let seconds = lookback.ticks() / 10_000_000;
    match AUTO_SPANS.iter().find(|(range, _)| seconds <= *range) {
        Some((_, span)) => BinBy::Span(Duration::from_seconds(*span)),
        None => BinBy::Auto(bins),
    }
}

/// An end of a window as `earliest=` and its like have it.
pub(super) fn edge(text: &str, span: Span) -> Option<Edge> {
    let text = text.trim();
    let now = || Expr::call(Function::Now, vec![], span);
    match text.to_ascii_lowercase().as_str() {
        "0" | "1" | "" => return Some(Edge::Open),
        "now" | "now()" => return Some(Edge::At { moment: now(), back: Some(0) }),
        _ => {}
    }
    if let Some(seconds) = text.parse::<f64>().ok().filter(|seconds| *seconds > 1e6) {
        return Some(Edge::At { moment: Expr::Literal(Value::Float(seconds)), back: None });
    }
    if let Some(seconds) = date(text) {
        return Some(Edge::At { moment: Expr::Literal(Value::Integer(seconds)), back: None });
    }
    let back = back(text)?;
    let arguments = vec![now(), Expr::text(text)];
    Some(Edge::At { moment: Expr::call(Function::RelativeTime, arguments, span), back: Some(back) })
}

/// `MM/DD/YYYY:HH:MM:SS` in UTC as seconds since the epoch, or a date as ISO 8601 has it.
fn date(text: &str) -> Option<i64> {
    const TICKS: i64 = 10_000_000;
    let iso = match text.split_once(':') {
        Some((day, time)) if day.contains('/') => {
            let [month, date, year] = day.split('/').collect::<Vec<_>>().try_into().ok()?;
            format!("{year:0>4}-{month:0>2}-{date:0>2}T{time}Z")
        }
        _ if text.get(4..5) == Some("-") => text.to_owned(),
        _ => return None,
    };
    Time::parse(&iso).map(|time| time.ticks().div_euclid(TICKS))
}

/// How many seconds before the run a modifier such as `-1d@d` is at most.
fn back(text: &str) -> Option<i64> {
    let mut back = 0_i64;
    let mut rest = text;
    let mut parts = 0;
    while let Some(sign) = rest.chars().next() {
        let body = rest.get(1..).unwrap_or_default();
        let end = body.find(['+', '-', '@']).unwrap_or(body.len());
        let (part, next) = body.split_at(end);
        let part = part.to_ascii_lowercase();
        let (number, unit) = with_unit(&part)?;
        // `@w1` is a weekday.
        let unit =
            if sign == '@' { part.trim_end_matches(|c: char| c.is_ascii_digit()) } else { unit };
        let unit = match months_of(unit) {
            Some(months) => i64::from(months) * 31 * 86_400,
            None if unit.is_empty() => 1,
            None => seconds_of(unit)?,
        };
        let seconds = (number.min(1e9) as i64).saturating_mul(unit);
        back = match sign {
            '-' => back.saturating_add(seconds),
            '+' => back.saturating_sub(seconds),
            '@' => back.saturating_add(unit),
            _ => return None,
        };
        rest = next;
        parts += 1;
        if parts > 8 {
            return None;
        }
    }
    (parts > 0).then_some(back)
}

/// Puts what searches say about time in front of everything else, and lets the rule look as far
/// back as the one that looks farthest.
pub(super) fn narrow(lowering: &mut Lowering<'_>) {
    if lowering.windows.iter().all(|window| *window == Window::default()) {
        return;
    }
    let mut windows = std::mem::take(&mut lowering.windows);
    if let Clock::Hop { lookback, interval, offset } = lowering.clock {
        let (lookback, offset) = (lookback.ticks() / 10_000_000, offset.ticks() / 10_000_000);
        let pane = widen(&mut windows, &lowering.sources, (lookback + offset, offset));
        lowering.clock = match pane {
            Some((from, to)) => Clock::Hop {
                lookback: Duration::from_seconds(from - to),
                interval,
                offset: Duration::from_seconds(to),
            },
            None => Clock::Whole,
        };
    }
    let filters: Vec<Option<RowStage>> = windows.iter().map(filter).collect();
    insert(lowering, filters);
}

/// The pane that all windows are in, from and to, in seconds before the run; the schedule's own
/// is filled in where it is narrower. `None` where one of them has no beginning.
fn widen(
    windows: &mut [Window],
    sources: &[Source],
    (own_from, own_to): (i64, i64),
) -> Option<(i64, i64)> {
    let (mut from, mut to) = (i64::MIN, i64::MAX);
    let mut reading = Vec::new();
    for (window, source) in windows.iter_mut().zip(sources) {
        if source.filtered().is_none() {
            continue;
        }
        if window.from == Edge::Open {
            return None;
        }
        from = from.max(match &window.from {
            Edge::At { back: Some(back), .. } => *back,
            _ => own_from,
        });
        to = to.min(match &window.to {
            Edge::At { back: Some(back), .. } => *back,
            Edge::Open => 0,
            _ => own_to,
        });
        reading.push(window);
    }
    let (from, to) = if from > to { (from, to) } else { (own_from, own_to) };
    for window in reading {
        let before = |seconds: i64| Edge::At {
            moment: Expr::call(
                Function::Subtract,
                vec![
                    Expr::call(Function::Now, vec![], Span::default()),
                    Expr::Literal(Value::Integer(seconds)),
                ],
                Span::default(),
            ),
            back: Some(seconds),
        };
        if window.from == Edge::Unsaid && from != own_from {
            window.from = before(own_from);
        }
        if window.to == Edge::Unsaid && to != own_to {
            window.to = before(own_to);
        }
    }
    Some((from, to))
}

/// The filter of a window.
fn filter(window: &Window) -> Option<RowStage> {
    let time = || Expr::Field("_time".into());
    let compare = |function, edge: &Edge| match edge {
        Edge::At { moment, .. } => {
            Some(is_true(Expr::call(function, vec![time(), moment.clone()], Span::default())))
        }
        Edge::Unsaid | Edge::Open => None,
    };
    let tests = [
        compare(Function::GeAny, &window.from),
        // The schedule's end is the pane's; that of a search is not part of it either.
        compare(Function::LtAny, &window.to),
    ];
    let tests: Vec<_> = tests.into_iter().flatten().collect();
    (!tests.is_empty()).then(|| RowStage::Filter { condition: all(tests) })
}

/// Puts filters between sources and whatever reads them.
fn insert(lowering: &mut Lowering<'_>, filters: Vec<Option<RowStage>>) {
    let mut front: Vec<Stage> = Vec::new();
    let mut through: Vec<Option<usize>> = Vec::new();
    for (at, filter) in filters.into_iter().enumerate() {
        through.push(filter.as_ref().map(|_| front.len()));
        if let Some(filter) = filter {
            let kind = StageKind::Rows(filter);
            let inputs = vec![Input::Source(at)];
            front.push(Stage { kind, inputs, span: Span::default(), native_name: "search".into() });
        }
    }
    let moved = front.len();
    for stage in &mut lowering.stages {
        for input in &mut stage.inputs {
            *input = match *input {
                Input::Source(at) => match through.get(at).copied().flatten() {
                    Some(filter) => Input::Stage(filter),
                    None => Input::Source(at),
                },
                Input::Stage(at) => Input::Stage(at + moved),
            };
        }
    }
    front.append(&mut lowering.stages);
    lowering.stages = front;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let cases = [
            ("1h", true, Some("1h")),
            ("90s", true, Some("90s")),
            ("30", true, Some("30s")),
            ("30", false, Some("30")),
            ("1mon", true, Some("1mon")),
            ("h", true, Some("1h")),
            ("1d@d", true, Some("1d")),
            ("2log5", false, Some("2log5")),
            ("log10", false, Some("1log10")),
            ("500ms", true, Some("500ms")),
            ("1x", true, None),
            ("0", false, None),
        ];
        for (text, of_time, expected) in cases {
            let found = span(text, of_time).map(|by| match by {
                BinBy::Span(span) => span.to_string(),
                BinBy::Months(months) => format!("{months}mon"),
                BinBy::Number(number) => number.to_string(),
                BinBy::Log(factor, base) => format!("{factor}log{base}"),
                BinBy::Auto(bins) => format!("auto {bins}"),
            });
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn modifiers() {
        let cases = [
            ("-70m@m", Some(71 * 60)),
            ("-1d@d", Some(2 * 86_400)),
            ("@d", Some(86_400)),
            ("-1h+10m", Some(50 * 60)),
            ("-7d@w1", Some(14 * 86_400)),
            ("-1mon", Some(31 * 86_400)),
            ("yesterday", None),
        ];
        for (text, expected) in cases {
            assert_eq!(back(text), expected, "{text}");
        }
        assert_eq!(date("10/19/2020:12:00:00"), Some(1_603_108_800));
    }
}
