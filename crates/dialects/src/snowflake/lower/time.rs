//! Time: which expressions are points in time, what a query says about how far it looks back, and
//! the clock that makes of a rule. A point in time is seconds since the epoch.

use rulestone_ir::{
    Clock, Duration, Expr, Formula, Function, Input, RowStage, Span, Stage, StageKind,
};
use rulestone_value::{Time, Value};

use super::expr::number;
use super::{Lowering, TIME};
use crate::snowflake::ast::{self, ExprKind, Type};
use crate::snowflake::units;

/// How far back a query looks, in seconds before the run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Reach {
    /// From when on, where it says so.
    pub(super) from: Option<f64>,
}

/// Functions that give the time of the run.
const NOW: &[&str] =
    &["sysdate", "current_timestamp", "getdate", "systimestamp", "localtimestamp", "now"];

/// Functions whose value is a point in time, whatever they are given.
const TIMES: &[&str] = &[
    "sysdate",
    "current_timestamp",
    "getdate",
    "systimestamp",
    "localtimestamp",
    "now",
    "current_date",
    "dateadd",
    "timeadd",
    "timestampadd",
    "date_trunc",
    "trunc_time",
    "time_slice",
    "to_timestamp",
    "to_timestamp_ntz",
    "to_timestamp_ltz",
    "to_timestamp_tz",
    "try_to_timestamp",
    "try_to_timestamp_ntz",
    "try_to_timestamp_ltz",
    "try_to_timestamp_tz",
    "to_date",
    "try_to_date",
    "date",
    "convert_timezone",
];

/// Functions that a point in time goes through and stays one, or its seconds.
const THROUGH: &[&str] = &[
    "to_timestamp",
    "to_timestamp_ntz",
    "to_timestamp_ltz",
    "to_timestamp_tz",
    "try_to_timestamp",
    "try_to_timestamp_ntz",
    "convert_timezone",
    "to_date",
    "date",
    "date_trunc",
    "date_part",
    "min",
    "max",
];

/// Whether an expression is a point in time.
pub(in crate::snowflake) fn is_time(of: &ast::Expr) -> bool {
    match &of.kind {
        ExprKind::Column { name, .. } => name == TIME || name == "_time",
        ExprKind::Earliest | ExprKind::Latest => true,
        ExprKind::Cast(_, to) => matches!(to, Type::Time | Type::Date),
        ExprKind::Call(call) => match &*call.name {
            "+" | "-" => {
                let is_length = |part: &ast::Expr| matches!(part.kind, ExprKind::Interval(_));
                let times = call.arguments.iter().filter(|part| is_time(part)).count();
                times == 1 || (call.arguments.iter().any(is_length) && times > 0)
            }
            "min" | "max" | "any_value" | "lag" | "lead" | "first_value" | "last_value"
            | "coalesce" | "nvl" | "ifnull" => call.arguments.first().is_some_and(is_time),
            name => TIMES.contains(&name),
        },
        _ => false,
    }
}

/// Whether a comparison is about how far the query looks: an end of the schedule on one side, or
/// the time of the event and on the other the time of the run or what is computed from it.
pub(super) fn is_window(left: &ast::Expr, right: &ast::Expr) -> bool {
    let scheduled = [left, right].map(edge).contains(&Some(Edge::Schedule));
    scheduled
        || (is_event_time(left) && edge(right).is_some())
        || (is_event_time(right) && edge(left).is_some())
}

/// Whether an expression is the time of the event, in whatever form.
fn is_event_time(of: &ast::Expr) -> bool {
    match &of.kind {
        ExprKind::Column { name, .. } => name == TIME || name == "_time",
        ExprKind::Cast(inner, _) => is_event_time(inner),
        ExprKind::Call(call)
            if THROUGH.contains(&&*call.name) && !matches!(&*call.name, "min" | "max") =>
        {
            call.arguments.last().is_some_and(is_event_time)
                || call.arguments.first().is_some_and(is_event_time)
        }
        _ => false,
    }
}

/// An end of what a query looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Edge {
    /// The schedule's.
    Schedule,
    /// So many seconds before the run, at most.
    Back(f64),
}

/// The end that an expression is, where it does not depend on the row.
fn edge(of: &ast::Expr) -> Option<Edge> {
    const MONTH: f64 = 31.0 * 86_400.0;
    let moved = |edge: Edge, seconds: f64| match edge {
        Edge::Schedule => Edge::Schedule,
        Edge::Back(back) => Edge::Back(back + seconds),
    };
    match &of.kind {
        ExprKind::Earliest | ExprKind::Latest => Some(Edge::Schedule),
        ExprKind::Cast(inner, Type::Date) => Some(moved(edge(inner)?, 86_400.0)),
        ExprKind::Cast(inner, _) => edge(inner),
        ExprKind::Call(call) => {
            let arguments = &call.arguments;
            match &*call.name {
                name if NOW.contains(&name) => Some(Edge::Back(0.0)),
                "current_date" => Some(Edge::Back(86_400.0)),
                "dateadd" | "timeadd" | "timestampadd" => {
                    let [unit, count, of] = &arguments[..] else { return None };
                    let (unit, count) = (unit_of(unit)?, literal(count)?);
                    let seconds = unit.seconds + unit.months as f64 * MONTH;
                    Some(moved(edge(of)?, -count * seconds))
                }
                "+" | "-" => {
                    let [of, by] = &arguments[..] else { return None };
                    let seconds = match &by.kind {
                        ExprKind::Interval(by) => by.seconds + by.months as f64 * MONTH,
                        // A number is days.
                        _ => literal(by)? * 86_400.0,
                    };
                    let sign = if call.name == "-" { 1.0 } else { -1.0 };
                    Some(moved(edge(of)?, sign * seconds))
                }
                "date_trunc" => {
                    let unit = unit_of(arguments.first()?)?;
                    let seconds = unit.seconds + unit.months as f64 * MONTH;
                    Some(moved(edge(arguments.get(1)?)?, seconds))
                }
                "date_part" | "convert_timezone" => edge(arguments.last()?),
                name if THROUGH.contains(&name) => edge(arguments.first()?),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The unit that an argument names, with quotes or without.
pub(in crate::snowflake) fn unit_of(of: &ast::Expr) -> Option<&'static units::Unit> {
    units::find(&word(of)?)
}

/// The word that an argument is, with quotes or without.
pub(in crate::snowflake) fn word(of: &ast::Expr) -> Option<String> {
    match &of.kind {
        ExprKind::Column { table: None, name } => Some(name.clone()),
        ExprKind::Literal(Value::String(name)) => Some(name.to_ascii_lowercase()),
        // `date_part(second, x)`: some units are the names of functions too.
        ExprKind::Call(call) if call.arguments.is_empty() => Some(call.name.clone()),
        _ => None,
    }
}

/// The number that an argument is.
pub(in crate::snowflake) fn literal(of: &ast::Expr) -> Option<f64> {
    match &of.kind {
        ExprKind::Literal(value @ (Value::Integer(_) | Value::Float(_))) => value.number(),
        ExprKind::Literal(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    }
}

/// How far back the conditions that all have to hold look.
pub(super) fn reach(of: &ast::Expr, reach: &mut Reach) {
    use rulestone_ir::Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
    match &of.kind {
        ExprKind::And(parts) => parts.iter().for_each(|part| self::reach(part, reach)),
        ExprKind::Compare(how, left, right) => {
            let from = match how {
                Greater | GreaterOrEqual if is_event_time(left) => edge(right),
                Less | LessOrEqual if is_event_time(right) => edge(left),
                _ => None,
            };
            if let Some(Edge::Back(back)) = from {
                reach.from = Some(reach.from.map_or(back, |own| own.min(back)));
            }
        }
        _ => {}
    }
}

/// Whether a comparison says nothing but what the clock that comes of it says.
pub(super) fn is_settled(of: &ast::Expr) -> bool {
    use rulestone_ir::Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
    let ExprKind::Compare(how, left, right) = &of.kind else { return false };
    if [left, right].map(|side| edge(side)).contains(&Some(Edge::Schedule)) {
        return true;
    }
    let (from, by) = match how {
        Greater | GreaterOrEqual if is_event_time(left) => (true, right),
        Less | LessOrEqual if is_event_time(left) => (false, right),
        Greater | GreaterOrEqual if is_event_time(right) => (false, left),
        Less | LessOrEqual if is_event_time(right) => (true, left),
        _ => return false,
    };
    let mut exact = true;
    by.walk(&mut |part| {
        exact &= match &part.kind {
            ExprKind::Cast(_, Type::Date) => false,
            ExprKind::Interval(by) => by.months == 0,
            ExprKind::Call(call) => {
                !matches!(&*call.name, "date_trunc" | "current_date" | "to_date" | "date")
            }
            ExprKind::Column { name, .. } => units::find(name).is_none_or(|unit| unit.months == 0),
            _ => true,
        };
    });
    match edge(by) {
        Some(Edge::Back(back)) => exact && (from || back == 0.0),
        Some(Edge::Schedule) | None => false,
    }
}

/// The clock of a rule whose stages look at several rows: it looks back as far as the source that
/// looks farthest, as often as its container says; nobody says how often, then as far as it looks
/// back, so that every event is looked at once. Sources that look less far get a filter.
pub(super) fn clock(lowering: &mut Lowering<'_>) -> Clock {
    let own = lowering.text.clock;
    let farthest = lowering.reaches.iter().filter_map(|reach| reach.from).reduce(f64::max);
    let Some(back) = farthest.filter(|back| *back > 0.0) else { return own };
    let lookback = Duration::from_ticks((back * 1e7) as i64);
    let narrower: Vec<Option<f64>> =
        lowering.reaches.iter().map(|reach| reach.from.filter(|own| *own < back)).collect();
    insert(lowering, &narrower);
    match own {
        Clock::Hop { interval, offset, .. } => Clock::Hop { lookback, interval, offset },
        _ => Clock::Hop { lookback, interval: lookback, offset: Duration::default() },
    }
}

/// Puts filters on time between sources and whatever reads them.
fn insert(lowering: &mut Lowering<'_>, narrower: &[Option<f64>]) {
    let mut front: Vec<Stage> = Vec::new();
    let mut through: Vec<Option<usize>> = Vec::new();
    for (at, back) in narrower.iter().enumerate() {
        through.push(back.map(|_| front.len()));
        let Some(back) = back else { continue };
        let span = Span::default();
        let now = Expr::call(Function::Now, vec![], span);
        let from = Expr::call(Function::Subtract, vec![now, Expr::Literal(number(*back))], span);
        let later = Expr::call(Function::GeAny, vec![Expr::Field("_time".into()), from], span);
        let condition = Formula::IsTrue(Box::new(later));
        let kind = StageKind::Rows(RowStage::Filter { condition });
        let inputs = vec![Input::Source(at)];
        front.push(Stage { kind, inputs, span, native_name: "where".into() });
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

/// Formats that a text may have a time in.
const FORMATS: [&str; 5] = [
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d",
];

/// A value as a point in time: a number is seconds, a text a date.
pub(in crate::snowflake) fn as_time(of: Expr, is_time: bool, span: Span) -> Expr {
    if is_time {
        return of;
    }
    let mut ways = vec![Expr::call(Function::ToNumber, vec![of.clone()], span)];
    ways.extend(
        FORMATS.map(|format| {
            Expr::call(Function::ParseTime, vec![of.clone(), Expr::text(format)], span)
        }),
    );
    Expr::call(Function::Coalesce, ways, span)
}

/// A point in time as text.
pub(in crate::snowflake) fn as_text(of: Expr, span: Span) -> Expr {
    let format = Expr::text("%Y-%m-%d %H:%M:%S.%3N");
    Expr::call(Function::FormatTime, vec![of, format], span)
}

impl Lowering<'_> {
    /// A text that is a point in time.
    pub(in crate::snowflake) fn time_literal(&mut self, text: &str, span: Span) -> Expr {
        let iso = text.trim().replacen(' ', "T", 1);
        let zoned = |iso: &str| Time::parse(&format!("{iso}Z"));
        let day = || zoned(&format!("{iso}T00:00:00"));
        match Time::parse(&iso).or_else(|| zoned(&iso)).or_else(day) {
            Some(time) => Expr::Literal(number(time.seconds())),
            None => {
                self.invalid("bad-time", format!("`{text}` is no point in time"), span);
                Expr::Literal(Value::Null)
            }
        }
    }
}
