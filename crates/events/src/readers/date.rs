//! Dates as people's tools write them, turned into the one spelling that [`Time`] reads.

use rulestone_value::Time;

/// Whether a time says where it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// It does.
    Said,
    /// It does not; it is read as UTC.
    Assumed,
}

/// A date as logs in text have it: what [`Time::parse`] reads, `1/14/2021 11:41:39 PM` with any
/// separators, `20210114234139.000000`, `Thu Jan 14 23:41:39 2021`. Month before day, unless that
/// cannot be.
pub(crate) fn read(text: &str) -> Option<(Time, Zone)> {
    let text = text.trim();
    if let Some(time) = Time::parse(text) {
        let tail = text.get(19..).unwrap_or_default();
        let said = tail.contains(['Z', 'z', '+', '-', 'U']);
        return Some((time, if said { Zone::Said } else { Zone::Assumed }));
    }
    let spelt = slashed(text).or_else(|| packed(text)).or_else(|| worded(text))?;
    Time::parse(&spelt).map(|time| (time, Zone::Assumed))
}

/// `1/14/2021 11:41:39.123 PM`, `14.01.2021 23:41:39`.
fn slashed(text: &str) -> Option<String> {
    let (date, clock) = text.split_once([' ', 'T'])?;
    let numbers: Vec<&str> = date.trim_end_matches(',').split(['/', '.', '-']).collect();
    let [first, second, year] = numbers[..] else { return None };
    let (first, second): (u32, u32) = (first.parse().ok()?, second.parse().ok()?);
    let year: u32 = match year.len() {
        2 => 2000 + year.parse::<u32>().ok()?,
        4 => year.parse().ok()?,
        _ => return None,
    };
    let day_first = first > 12 || date.contains('.');
    let (month, day) = if day_first { (second, first) } else { (first, second) };
    Some(format!("{year:04}-{month:02}-{day:02}T{}", clock_24(clock)?))
}

/// The time of day with two digits each; an afternoon's hours counted on.
fn clock_24(text: &str) -> Option<String> {
    let text = text.trim().replace(['\u{202f}', '\u{a0}'], " ");
    let (clock, half) = match text.split_once(' ') {
        Some((clock, half)) => (clock, Some(half.trim().to_ascii_uppercase().replace('.', ""))),
        None => (&*text, None),
    };
    let mut parts = clock.splitn(3, ':');
    let hour: u32 = parts.next()?.parse().ok()?;
    let minute: u32 = parts.next()?.parse().ok()?;
    let second = parts.next().unwrap_or("00");
    let digits = second.bytes().take_while(u8::is_ascii_digit).count();
    let hour = match half.as_deref() {
        Some("AM") if hour == 12 => 0,
        Some("PM") if hour < 12 => hour + 12,
        Some("AM" | "PM") | None => hour,
        Some(_) => return None,
    };
    let pad = if digits == 1 { "0" } else { "" };
    Some(format!("{hour:02}:{minute:02}:{pad}{second}"))
}

/// `20210114234139.000000`, with or without minutes of an offset behind it.
fn packed(text: &str) -> Option<String> {
    let digits = text.get(..14).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let rest = text.get(14..).filter(|rest| rest.is_empty() || rest.starts_with('.'))?;
    let fraction: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
    Some(format!(
        "{}-{}-{}T{}:{}:{}{}",
        part(0..4),
        part(4..6),
        part(6..8),
        part(8..10),
        part(10..12),
        part(12..14),
        fraction.trim_end_matches('.'),
    ))
}

/// `Thu Jan 14 23:41:39 2021`, with or without the name of the day.
fn worded(text: &str) -> Option<String> {
    let mut words = text.split_ascii_whitespace();
    let mut word = words.next()?;
    if month(word).is_none() {
        word = words.next()?;
    }
    let month = month(word)?;
    let day: u32 = words.next()?.trim_end_matches(',').parse().ok()?;
    let (clock, year) = match (words.next()?, words.next()?) {
        (clock, year) if clock.contains(':') => (clock, year),
        (year, clock) => (clock, year),
    };
    let year: u32 = year.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let rest = words.next().is_none();
    rest.then(|| Some(format!("{year:04}-{month:02}-{day:02}T{}", clock_24(clock)?)))?
}

/// The number of the month with this English name, cut to three letters.
pub(crate) fn month(name: &str) -> Option<u32> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name)).map(|at| at as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let cases = [
            ("2021-01-14T23:41:39.5Z", Some(("2021-01-14T23:41:39.5Z", Zone::Said))),
            ("2021-01-14 23:41:39", Some(("2021-01-14T23:41:39Z", Zone::Assumed))),
            ("01/14/2021 11:41:39 PM", Some(("2021-01-14T23:41:39Z", Zone::Assumed))),
            ("1/4/2021 12:41:39 AM", Some(("2021-01-04T00:41:39Z", Zone::Assumed))),
            ("1/14/2021 12:01:39.123 PM", Some(("2021-01-14T12:01:39.123Z", Zone::Assumed))),
            ("14/01/2021 23:41:39", Some(("2021-01-14T23:41:39Z", Zone::Assumed))),
            ("14.01.2021 23:41:39", Some(("2021-01-14T23:41:39Z", Zone::Assumed))),
            ("01/14/21 23:41:39.250", Some(("2021-01-14T23:41:39.25Z", Zone::Assumed))),
            ("20210114234139.000000", Some(("2021-01-14T23:41:39Z", Zone::Assumed))),
            ("Thu Jan 14 23:41:39 2021", Some(("2021-01-14T23:41:39Z", Zone::Assumed))),
            ("Jan 14 2021 23:41:39", Some(("2021-01-14T23:41:39Z", Zone::Assumed))),
            ("13/14/2021 11:41:39 PM", None),
            ("1/14/2021 11:41:39 XM", None),
            ("Jan 14 23:41:39", None),
            ("yesterday at noon", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(time, zone)| (Time::parse(time).unwrap(), zone));
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
