//! Times moved by modifiers such as `-1d@d+2h`. Always in UTC.

use std::borrow::Cow;

use rulestone_value::{Civil, Time, Value};

use super::{Arguments, Context, Node, Ready, float_at, text_at};
use crate::eval::number::of_float;

/// A step of a modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shift {
    /// So many units forwards.
    Move(i64, Unit),
    /// Back to where a unit starts.
    Snap(Unit),
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Of so many ticks.
    Ticks(i64),
    /// From a day of the week, 0 for Sunday.
    Week(i64),
    /// Of so many months.
    Months(i64),
}

const SECOND: i64 = 10_000_000;
const DAY: i64 = 86_400 * SECOND;

/// What units are called.
const UNITS: [(&[&str], Unit); 10] = [
    (&["us"], Unit::Ticks(SECOND / 1_000_000)),
    (&["ms"], Unit::Ticks(SECOND / 1000)),
    (&["s", "sec", "secs", "second", "seconds"], Unit::Ticks(SECOND)),
    (&["m", "min", "mins", "minute", "minutes"], Unit::Ticks(60 * SECOND)),
    (&["h", "hr", "hrs", "hour", "hours"], Unit::Ticks(3600 * SECOND)),
    (&["d", "day", "days"], Unit::Ticks(DAY)),
    (&["w", "week", "weeks"], Unit::Week(0)),
    (&["mon", "month", "months"], Unit::Months(1)),
    (&["q", "qtr", "qtrs", "quarter", "quarters"], Unit::Months(3)),
    (&["y", "yr", "yrs", "year", "years"], Unit::Months(12)),
];

/// Takes a modifier apart: `now`, or moves with a sign and snaps with `@` in any order.
pub(crate) fn shifts(modifier: &str) -> Option<Vec<Shift>> {
    let mut rest = modifier.trim_ascii();
    if rest.eq_ignore_ascii_case("now") || rest.is_empty() {
        return (!rest.is_empty()).then(Vec::new);
    }
    let mut shifts = Vec::new();
    while let Some(sign) = rest.chars().next() {
        rest = &rest[sign.len_utf8()..];
        match sign {
            '+' | '-' => {
                let count = taken(&mut rest, |b| b.is_ascii_digit());
                let count = if count.is_empty() { 1 } else { count.parse::<i64>().ok()? };
                let unit = unit(taken(&mut rest, |b| b.is_ascii_alphabetic()))?;
                shifts.push(Shift::Move(if sign == '-' { -count } else { count }, unit));
            }
            '@' => {
                let mut unit = unit(taken(&mut rest, |b| b.is_ascii_alphabetic()))?;
                if let Unit::Week(day) = &mut unit {
                    let wanted = taken(&mut rest, |b| b.is_ascii_digit());
                    // Sunday is 7 too.
                    *day = match wanted {
                        "" => 0,
                        wanted => wanted.parse::<i64>().ok().filter(|day| *day <= 7)? % 7,
                    };
                }
                shifts.push(Shift::Snap(unit));
            }
            _ => return None,
        }
    }
    Some(shifts)
}

fn taken<'t>(rest: &mut &'t str, wanted: fn(u8) -> bool) -> &'t str {
    let count = rest.bytes().take_while(|b| wanted(*b)).count();
    let (taken, after) = rest.split_at(count);
    *rest = after;
    taken
}

fn unit(name: &str) -> Option<Unit> {
    let is = |own: &&str| own.eq_ignore_ascii_case(name);
    UNITS.iter().find(|(names, _)| names.iter().any(is)).map(|(_, unit)| *unit)
}

/// The seconds of a length such as `7d`; none for months.
pub(crate) fn seconds(length: &str) -> Option<f64> {
    let mut rest = length.trim_ascii();
    let count: f64 = taken(&mut rest, |b| b.is_ascii_digit()).parse().ok()?;
    match unit(rest)? {
        Unit::Ticks(ticks) => Some(count * ticks as f64 / SECOND as f64),
        Unit::Week(_) => Some(count * 7.0 * 86_400.0),
        Unit::Months(_) => None,
    }
}

/// A time moved, step by step.
pub(crate) fn moved(time: Time, shifts: &[Shift]) -> Option<Time> {
    shifts.iter().try_fold(time, |time, shift| match *shift {
        Shift::Move(count, Unit::Ticks(ticks)) => plus(time, count.checked_mul(ticks)?),
        Shift::Move(count, Unit::Week(_)) => plus(time, count.checked_mul(7 * DAY)?),
        Shift::Move(count, Unit::Months(months)) => by_months(time, count.checked_mul(months)?),
        Shift::Snap(Unit::Ticks(ticks)) => plus(time, -time.ticks().rem_euclid(ticks)),
        Shift::Snap(Unit::Week(day)) => {
            let days = (time.weekday() - day).rem_euclid(7);
            plus(time, -time.ticks().rem_euclid(DAY) - days * DAY)
        }
        Shift::Snap(Unit::Months(months)) => {
            let Civil { year, month, .. } = time.civil();
            let month = (month - 1) / months * months + 1;
            let first = Civil { year, month, day: 1, hour: 0, minute: 0, second: 0, ticks: 0 };
            Time::from_civil(first)
        }
    })
}

fn plus(time: Time, ticks: i64) -> Option<Time> {
    time.ticks().checked_add(ticks).map(Time::from_ticks)
}

/// The same day of another month, or its last where it has no such day.
fn by_months(time: Time, months: i64) -> Option<Time> {
    let civil = time.civil();
    let months = (civil.year * 12 + civil.month - 1).checked_add(months)?;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let day = civil.day.min(Time::last_day(year, month));
    Time::from_civil(Civil { year, month, day, ..civil })
}

pub(super) fn relative_time(arguments: &Arguments<'_>, ready: &Ready) -> Value {
    let time = match &*arguments[0] {
        Value::Time(time) => Some(*time),
        _ => float_at(arguments, 0).and_then(Time::from_fraction),
    };
    let moved = match (time, ready, text_at(arguments, 1)) {
        (Some(time), Ready::Shifts(shifts), _) => {
            moved(time, shifts.as_deref().unwrap_or_default()).filter(|_| shifts.is_some())
        }
        (Some(time), _, Some(text)) => shifts(&text).and_then(|shifts| moved(time, &shifts)),
        _ => None,
    };
    moved.map_or(Value::Null, |time| of_float(time.seconds()))
}

/// In whole seconds; null where nothing runs at a time.
pub(super) fn now<'c>(_: &'c [Node], context: &Context<'c>) -> Cow<'c, Value> {
    let seconds = context.now.map(|now| now.ticks().div_euclid(SECOND));
    Cow::Owned(seconds.map_or(Value::Null, Value::Integer))
}
