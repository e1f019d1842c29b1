//! Times as records write them: in words, or counted from a beginning.

use rulestone_value::Time;

use crate::tokens::decode;

/// The time in a token. The first moment Windows can write is what it writes for none.
pub(super) fn time_of(token: &[u8]) -> Option<Time> {
    let time = match token {
        [b'"', inner @ .., b'"'] => std::str::from_utf8(inner)
            .ok()
            .and_then(|text| Time::parse(text).or_else(|| counted_in_text(text)))
            .or_else(|| decode(token).time()),
        number => std::str::from_utf8(number).ok().and_then(counted_time),
    };
    time.filter(|time| *time != Time::FILETIME_ZERO)
}

/// A number in text is a time where it comes to one in this age: `20240506` is a date of another
/// spelling.
fn counted_in_text(text: &str) -> Option<Time> {
    let [first, last] = [315_532_800, 4_102_444_800].map(Time::from_seconds);
    counted_time(text).filter(|time| Some(*time) >= first && Some(*time) < last)
}

/// A time that is counted from a beginning: which unit it is counted in shows in its size. Seconds,
/// milliseconds, microseconds and nanoseconds since 1970, or Windows' ticks since 1601.
fn counted_time(text: &str) -> Option<Time> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole.strip_prefix('-').unwrap_or(whole)) || !is_number(fraction) {
        // An exponent, say.
        return decode(text.as_bytes()).time();
    }
    let whole: i64 = whole.parse().ok()?;
    let part = |ticks: i64| {
        let digits = &fraction[..fraction.len().min(7)];
        let scale = 10_i64.pow(digits.len() as u32);
        digits.parse::<i64>().unwrap_or(0) * ticks / scale * whole.signum().max(0)
    };
    let ticks = match whole.unsigned_abs() {
        0..100_000_000_000 => whole.checked_mul(10_000_000)?.checked_add(part(10_000_000))?,
        100_000_000_000..100_000_000_000_000 => {
            whole.checked_mul(10_000)?.checked_add(part(10_000))?
        }
        100_000_000_000_000..100_000_000_000_000_000 => whole.checked_mul(10)?,
        100_000_000_000_000_000..200_000_000_000_000_000 => {
            Time::FILETIME_ZERO.ticks().checked_add(whole)?
        }
        _ => whole / 100,
    };
    Some(Time::from_ticks(ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_unit_they_are_counted_in() {
        let cases = [
            ("\"2024-05-06T07:08:09.5Z\"", Some("2024-05-06T07:08:09.5000000Z")),
            ("1714979289", Some("2024-05-06T07:08:09.0000000Z")),
            ("1714979289.25", Some("2024-05-06T07:08:09.2500000Z")),
            ("\"1714979289.25\"", Some("2024-05-06T07:08:09.2500000Z")),
            ("1714979289250", Some("2024-05-06T07:08:09.2500000Z")),
            ("\"1714979289250\"", Some("2024-05-06T07:08:09.2500000Z")),
            ("\"1714979289250000\"", Some("2024-05-06T07:08:09.2500000Z")),
            ("1714979289250000000", Some("2024-05-06T07:08:09.2500000Z")),
            ("\"133594528892500000\"", Some("2024-05-06T07:08:09.2500000Z")),
            ("\"20240506\"", None),
            ("\"20240506070809\"", None),
            ("\"yesterday\"", None),
            ("\"\"", None),
            ("true", None),
        ];
        for (token, expected) in cases {
            let time = time_of(token.as_bytes()).map(|time| time.to_string());
            assert_eq!(time.as_deref(), expected, "{token}");
        }
    }
}
