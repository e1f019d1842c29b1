//! When a scheduled search runs, and over which time: cron lines and relative times as clocks.

use rulestone_ir::{Clock, Duration};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The clock of a search that runs by a cron line over the time from `earliest` to `latest`; `None`
/// where that is no schedule of even steps. A search over all time has the clock `Whole`.
pub(super) fn clock(cron: &str, earliest: &str, latest: &str) -> Option<Clock> {
    let latest = relative(latest).unwrap_or(0);
    let Some(earliest) = relative(earliest) else {
        return (earliest.trim() == "0").then_some(Clock::Whole);
    };
    let (lookback, interval) = (latest - earliest, interval(cron)?);
    (lookback > 0 && latest <= 0).then(|| Clock::Hop {
        lookback: Duration::from_seconds(lookback),
        interval: Duration::from_seconds(interval),
        offset: Duration::from_seconds(-latest),
    })
}

/// Seconds that a relative time such as `-70m@m` is from now. What it snaps to is left out: panes
/// are cut at even times anyway. `None` for what snaps without being relative, as `@d`.
pub fn relative(text: &str) -> Option<i64> {
    const UNITS: &[(&[&str], i64)] = &[
        (&["s", "sec", "secs", "second", "seconds"], 1),
        (&["m", "min", "mins", "minute", "minutes", ""], MINUTE),
        (&["h", "hr", "hrs", "hour", "hours"], HOUR),
        (&["d", "day", "days"], DAY),
        (&["w", "week", "weeks"], 7 * DAY),
        (&["mon", "month", "months"], 30 * DAY),
        (&["q", "qtr", "quarter", "quarters"], 91 * DAY),
        (&["y", "yr", "yrs", "year", "years"], 365 * DAY),
    ];
    let text = text.trim().to_ascii_lowercase();
    let offset = text.split('@').next().unwrap_or_default();
    if offset == "now" || offset == "now()" {
        return Some(0);
    }
    let (sign, rest) = match offset.as_bytes().first()? {
        b'-' => (-1, &offset[1..]),
        b'+' => (1, &offset[1..]),
        _ => return None,
    };
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = rest.split_at(digits);
    let number: i64 = if number.is_empty() { 1 } else { number.parse().ok()? };
    let (_, seconds) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
    number.checked_mul(*seconds)?.checked_mul(sign)
}

/// Seconds between two runs of a cron line; of uneven steps the shortest.
fn interval(cron: &str) -> Option<i64> {
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let [minute, hour, day, _, weekday] = fields[..] else { return None };
    // Each field with the length of its step and how many of them there are until it starts anew.
    let steps = [(minute, MINUTE, 60), (hour, HOUR, 24)];
    for (field, unit, count) in steps {
        if let Some(step) = step(field, count)? {
            return Some(step * unit);
        }
    }
    match (day, weekday) {
        ("*" | "?", "*" | "?") => Some(DAY),
        ("*" | "?", days) => Some(step(days, 7)?.unwrap_or(7) * DAY),
        (days, _) => Some(step(days, 30)?.unwrap_or(30) * DAY),
    }
}

/// The step of one field of a cron line: `*`, `*/5`, `0-59/5`, `0,30`. `Some(None)` where it names
/// one number, so that the next field says how often.
fn step(field: &str, count: i64) -> Option<Option<i64>> {
    if field == "*" || field == "?" {
        return Some(Some(1));
    }
    if let Some((_, step)) = field.split_once('/') {
        return Some(Some(step.parse().ok().filter(|step| (1..=count).contains(step))?));
    }
    if field.contains('-') {
        return Some(Some(1));
    }
    let mut numbers: Vec<i64> = Vec::new();
    for part in field.split(',') {
        numbers.push(part.parse().ok()?);
    }
    numbers.sort_unstable();
    numbers.dedup();
    let around = numbers.first()? + count - numbers.last()?;
    let least = numbers.windows(2).map(|pair| pair[1] - pair[0]).fold(around, i64::min);
    Some((numbers.len() > 1).then_some(least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        let hop = |lookback: i64, interval, offset| {
            let [lookback, interval, offset] =
                [lookback, interval, offset].map(|minutes| Duration::from_seconds(minutes * 60));
            Some(Clock::Hop { lookback, interval, offset })
        };
        let cases = [
            ("0 * * * *", "-70m@m", "-10m@m", hop(60, 60, 10)),
            ("*/15 * * * *", "-30m", "now", hop(30, 15, 0)),
            ("7,37 * * * *", "-1h@h", "@m", hop(60, 30, 0)),
            ("0,5,30 * * * *", "-60m", "", hop(60, 5, 0)),
            ("5 */4 * * *", "-4h", "now", hop(240, 240, 0)),
            ("0 2 * * 0", "-1440m@m", "-10m@m", hop(1430, 7 * 1440, 10)),
            ("0 0 * * *", "-24h@h", "now", hop(1440, 1440, 0)),
            ("0 0 1 * *", "-30d@d", "now", hop(30 * 1440, 30 * 1440, 0)),
            ("0 * * * *", "0", "now", Some(Clock::Whole)),
            ("0 * * * *", "@d", "now", None),
            ("0 * * * *", "-10m", "-70m", None),
            ("hourly", "-70m", "-10m", None),
            ("*/0 * * * *", "-70m", "-10m", None),
            ("*/5 * * * *", "-99999999999999999999d", "now", None),
            ("", "", "", None),
        ];
        for (cron, earliest, latest, expected) in cases {
            assert_eq!(clock(cron, earliest, latest), expected, "{cron} {earliest} {latest}");
        }
    }
}
