//! Units of time, as one table.

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Unit {
    /// Its names.
    names: &'static [&'static str],
    /// How many seconds it has; none for one of months.
    pub(super) seconds: f64,
    /// How many months.
    pub(super) months: i64,
    /// What cuts a time down to it: a modifier of times.
    pub(super) snap: &'static str,
    /// The conversion that has this part of a time.
    pub(super) part: &'static str,
}

const fn unit(
    names: &'static [&'static str],
    seconds: f64,
    months: i64,
    snap: &'static str,
    part: &'static str,
) -> Unit {
    Unit { names, seconds, months, snap, part }
}

const UNITS: &[Unit] = &[
    unit(&["year", "years", "y", "yy", "yyy", "yyyy", "yr", "yrs"], 0.0, 12, "@y", "%Y"),
    unit(&["quarter", "quarters", "q", "qtr", "qtrs"], 0.0, 3, "@q", ""),
    unit(&["month", "months", "mm", "mon", "mons"], 0.0, 1, "@mon", "%m"),
    // Weeks begin on Monday.
    unit(&["week", "weeks", "w", "wk", "weekofyear", "woy", "wy"], 604_800.0, 0, "@w1", "%V"),
    unit(&["day", "days", "d", "dd", "dayofmonth"], 86_400.0, 0, "@d", "%d"),
    unit(&["hour", "hours", "h", "hh", "hr", "hrs"], 3_600.0, 0, "@h", "%H"),
    unit(&["minute", "minutes", "m", "mi", "min", "mins"], 60.0, 0, "@m", "%M"),
    unit(&["second", "seconds", "s", "sec", "secs"], 1.0, 0, "@s", "%S"),
    unit(&["millisecond", "milliseconds", "ms", "msec"], 1e-3, 0, "@ms", ""),
    unit(&["microsecond", "microseconds", "us", "usec"], 1e-6, 0, "@us", ""),
];

/// The unit of a name.
pub(super) fn find(name: &str) -> Option<&'static Unit> {
    let name = name.trim().to_ascii_lowercase();
    UNITS.iter().find(|unit| unit.names.contains(&&*name))
}

/// Seconds and months of `2 hours, 3 minutes`.
pub(super) fn interval(text: &str) -> Option<(f64, i64)> {
    let (mut seconds, mut months) = (0.0, 0_i64);
    let text = text.trim();
    for part in text.split(',') {
        let part = part.trim();
        let end = part.find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c));
        let (number, name) = part.split_at(end.unwrap_or(part.len()));
        let number: f64 = number.trim().parse().ok()?;
        // Without a unit it is seconds.
        let unit = if name.trim().is_empty() { find("s") } else { find(name) }?;
        seconds += number * unit.seconds;
        months = months.checked_add((number as i64).checked_mul(unit.months)?)?;
    }
    (!text.is_empty()).then_some((seconds, months))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        let cases = [
            ("2 hour", Some((7_200.0, 0))),
            ("2 hours, 30 minutes", Some((9_000.0, 0))),
            ("1d", Some((86_400.0, 0))),
            ("-1 week", Some((-604_800.0, 0))),
            ("1.5 h", Some((5_400.0, 0))),
            ("1 year, 2 months", Some((0.0, 14))),
            ("90", Some((90.0, 0))),
            ("two hours", None),
            ("1 fortnight", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(interval(text), expected, "{text}");
        }
    }
}
