//! Points in time at 100 ns, the grain of Windows event logs.

use std::fmt;

/// Ticks of 100 ns since 1970-01-01T00:00:00Z, in event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// A part of a date, as Sigma's time modifiers read it; always in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimePart {
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// Day of the month, 1 to 31.
    Day,
    /// ISO week, 1 to 53.
    Week,
    /// 1 to 12.
    Month,
    /// The year, four digits.
    Year,
}

/// A date and a time of day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Civil {
    /// The year, four digits.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
    /// Ticks of 100 ns within the second.
    pub ticks: i64,
}

const TICKS_PER_SECOND: i64 = 10_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

impl Time {
    /// 1601-01-01T00:00:00Z, where the FILETIME of Windows starts.
    pub const FILETIME_ZERO: Time = Time(-116_444_736_000_000_000);

    /// From ticks of 100 ns since the Unix epoch.
    pub const fn from_ticks(ticks: i64) -> Self {
        Time(ticks)
    }

    /// Ticks of 100 ns since the Unix epoch.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// From whole seconds since the Unix epoch; `None` past the representable range.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        seconds.checked_mul(TICKS_PER_SECOND).map(Time)
    }

    /// From seconds since the Unix epoch with their fraction; `None` past the representable range.
    pub fn from_fraction(seconds: f64) -> Option<Self> {
        let whole = seconds.floor();
        let ticks = ((seconds - whole) * TICKS_PER_SECOND as f64).round() as i64;
        // Past this, `as` would saturate.
        let whole = (whole.abs() < 9e11).then_some(whole as i64)?;
        Some(Time(whole.checked_mul(TICKS_PER_SECOND)?.checked_add(ticks)?))
    }

    /// Seconds since the Unix epoch with their fraction, as near as a number comes.
    pub fn seconds(self) -> f64 {
        let whole = self.0.div_euclid(TICKS_PER_SECOND) as f64;
        whole + self.0.rem_euclid(TICKS_PER_SECOND) as f64 / TICKS_PER_SECOND as f64
    }

    /// Seconds since the Unix epoch as a decimal number, exact and without needless zeros.
    pub fn seconds_text(self) -> String {
        let (ticks, sign) = (self.0.unsigned_abs(), if self.0 < 0 { "-" } else { "" });
        let (whole, rest) = (ticks / TICKS_PER_SECOND as u64, ticks % TICKS_PER_SECOND as u64);
        let text = format!("{sign}{whole}.{rest:07}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// Reads the spellings logs use: RFC 3339 with `T` or a space, any number of digits after the
    /// seconds, `Z`, an offset or none (which means UTC); what is longer than 100 ns is cut.
    ///
    /// Returns `None` for anything else, a date that does not exist included.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.trim_ascii().as_bytes();
        let digits = |range: std::ops::Range<usize>| number(bytes.get(range)?);
        let separated = [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")]
            .iter()
            .all(|(at, allowed)| bytes.get(*at).is_some_and(|b| allowed.as_bytes().contains(b)));
        if !separated {
            return None;
        }
        let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
        let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
        if hour > 23 || minute > 59 || second > 60 || !date_exists(year, month, day) {
            return None;
        }
        let (fraction, rest) = fraction(&bytes[19..])?;
        let offset = offset(rest)?;
        let seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY
            + hour * 3600
            + minute * 60
            + second.min(59)
            - offset;
        Some(Time(seconds * TICKS_PER_SECOND + fraction))
    }

    /// The date and the time of day.
    pub fn civil(self) -> Civil {
        let seconds = self.0.div_euclid(TICKS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let second = seconds.rem_euclid(SECONDS_PER_DAY);
        Civil {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            ticks: self.0.rem_euclid(TICKS_PER_SECOND),
        }
    }

    /// From a date and a time of day; `None` for those that do not exist or cannot be represented.
    pub fn from_civil(civil: Civil) -> Option<Self> {
        let Civil { year, month, day, hour, minute, second, ticks } = civil;
        let exists = (-30_000..=30_000).contains(&year)
            && date_exists(year, month, day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second)
            && (0..TICKS_PER_SECOND).contains(&ticks);
        let days = exists.then(|| days_from_civil(year, month, day))?;
        let seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
        seconds.checked_mul(TICKS_PER_SECOND)?.checked_add(ticks).map(Time)
    }

    /// The day of the week in UTC, from 0 for Sunday to 6.
    pub fn weekday(self) -> i64 {
        // The epoch was a Thursday.
        (self.0.div_euclid(SECONDS_PER_DAY * TICKS_PER_SECOND) + 4).rem_euclid(7)
    }

    /// The last day of a month.
    pub fn last_day(year: i64, month: i64) -> i64 {
        (29..=31).rev().find(|day| date_exists(year, month, *day)).unwrap_or(28)
    }

    /// One part of the date in UTC.
    pub fn part(self, part: TimePart) -> i64 {
        let (year, month, day) =
            civil_from_days(self.0.div_euclid(SECONDS_PER_DAY * TICKS_PER_SECOND));
        let second = self.0.div_euclid(TICKS_PER_SECOND).rem_euclid(SECONDS_PER_DAY);
        match part {
            TimePart::Minute => second / 60 % 60,
            TimePart::Hour => second / 3600,
            TimePart::Day => day,
            TimePart::Month => month,
            TimePart::Year => year,
            TimePart::Week => jiff::civil::Date::new(year as i16, month as i8, day as i8)
                .map_or(0, |date| i64::from(date.iso_week_date().week())),
        }
    }
}

fn number(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
}

/// Splits `.1234567` into ticks and what follows; a comma serves as well.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.' | b',', digits @ ..] = bytes else { return Some((0, bytes)) };
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let used = length.min(7);
    let ticks = number(&digits[..used])? * 10_i64.pow(7 - used as u32);
    Some((ticks, &digits[length..]))
}

/// Seconds east of UTC.
fn offset(bytes: &[u8]) -> Option<i64> {
    match bytes {
        [] | [b'Z' | b'z'] | [b' ', b'Z' | b'z'] => Some(0),
        [b' ', b'U', b'T', b'C'] => Some(0),
        [b' ', rest @ ..] if !rest.is_empty() => offset(rest),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let (hours, minutes) = match rest {
                [_, _] => (number(rest)?, 0),
                [_, _, b':', _, _] => (number(&rest[..2])?, number(&rest[3..])?),
                [_, _, _, _] => (number(&rest[..2])?, number(&rest[2..])?),
                _ => return None,
            };
            let seconds = hours * 3600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn date_exists(year: i64, month: i64, day: i64) -> bool {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=last).contains(&day)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC with seven digits, as Windows writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ticks = self.0.rem_euclid(TICKS_PER_SECOND);
        let seconds = self.0.div_euclid(TICKS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let second = seconds.rem_euclid(SECONDS_PER_DAY);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ticks:07}Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let cases = [
            ("2019-07-19T14:48:41.0506610Z", Some("2019-07-19T14:48:41.0506610Z")),
            ("2019-07-19 14:48:41.05", Some("2019-07-19T14:48:41.0500000Z")),
            ("2019-07-19T14:48:41.123456789Z", Some("2019-07-19T14:48:41.1234567Z")),
            ("2019-07-19T14:48:41+02:00", Some("2019-07-19T12:48:41.0000000Z")),
            ("2019-07-19T00:48:41-0130", Some("2019-07-19T02:18:41.0000000Z")),
            ("2019-07-19 14:48:41 UTC", Some("2019-07-19T14:48:41.0000000Z")),
            ("1601-01-01T00:00:00Z", Some("1601-01-01T00:00:00.0000000Z")),
            ("2024-02-29T00:00:00Z", Some("2024-02-29T00:00:00.0000000Z")),
            ("2023-02-29T00:00:00Z", None),
            ("2019-07-19T25:48:41Z", None),
            ("2019-07-19", None),
            ("2019-07-19T14:48:41.Z", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Time::parse(text).map(|t| t.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_first_filetime() {
        assert_eq!(Time::parse("1601-01-01T00:00:00Z"), Some(Time::FILETIME_ZERO));
    }

    #[test]
    fn dates_and_back() {
        for text in ["2024-02-29T23:59:59.1234567Z", "1601-01-01T00:00:00.0000000Z"] {
            let time = Time::parse(text).unwrap();
            assert_eq!(Time::from_civil(time.civil()), Some(time), "{text}");
        }
        for ticks in [i64::MIN, -1, 0, i64::MAX] {
            let time = Time::from_ticks(ticks);
            // The years at the ends are not whole.
            assert!([Some(time), None].contains(&Time::from_civil(time.civil())), "{ticks}");
        }
        assert_eq!(Time::from_ticks(0).weekday(), 4);
        assert_eq!(Time::parse("2024-03-03T00:00:00Z").map(Time::weekday), Some(0));
        assert_eq!(
            [Time::last_day(2023, 2), Time::last_day(2024, 2), Time::last_day(2024, 4)],
            [28, 29, 30]
        );
    }

    #[test]
    fn seconds() {
        let cases = [
            (0, "0"),
            (10_000_000, "1"),
            (15_000_000, "1.5"),
            (-15_000_000, "-1.5"),
            (17_000_000_001_234_567, "1700000000.1234567"),
        ];
        for (ticks, text) in cases {
            assert_eq!(Time::from_ticks(ticks).seconds_text(), text);
        }
        assert_eq!(Time::from_fraction(1.5), Some(Time::from_ticks(15_000_000)));
        assert_eq!(Time::from_fraction(-1.5), Some(Time::from_ticks(-15_000_000)));
        for number in [f64::NAN, f64::INFINITY, 1e12, -1e300] {
            assert_eq!(Time::from_fraction(number), None, "{number}");
        }
    }

    #[test]
    fn parts() {
        let time = Time::parse("2021-01-03T23:59:01Z").unwrap();
        let parts = [
            (TimePart::Minute, 59),
            (TimePart::Hour, 23),
            (TimePart::Day, 3),
            (TimePart::Week, 53),
            (TimePart::Month, 1),
            (TimePart::Year, 2021),
        ];
        for (part, expected) in parts {
            assert_eq!(time.part(part), expected, "{part:?}");
        }
    }
}
