//! Times as text and back, by the conversions of `strftime` and `strptime`. Always in UTC.

use rulestone_value::{Civil, Time, Value};

use super::{Arguments, Ready, float_at, text_at};
use crate::eval::number::of_float;

/// A part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// These characters.
    Text(String),
    /// Blanks: any number of them when read.
    Blank(char),
    /// A conversion: its letter, the number before it, and the colons.
    Part(char, Option<usize>, usize),
}

/// Conversions that stand for several others.
const COMPOSITE: [(char, &str); 9] = [
    ('+', "%a %b %e %H:%M:%S %Z %Y"),
    ('D', "%m/%d/%y"),
    ('F', "%Y-%m-%d"),
    ('R', "%H:%M"),
    ('T', "%H:%M:%S"),
    ('X', "%H:%M:%S"),
    ('c', "%a %b %e %H:%M:%S %Y"),
    ('r', "%I:%M:%S %p"),
    ('x', "%m/%d/%Y"),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Zones by name, in minutes east of UTC.
const ZONES: [(&str, i64); 15] = [
    ("UTC", 0),
    ("GMT", 0),
    ("Z", 0),
    ("UT", 0),
    ("WET", 0),
    ("BST", 60),
    ("CET", 60),
    ("CEST", 120),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("PST", -480),
    ("PDT", -420),
];

/// Takes a format apart. What is no conversion stands for itself.
pub(crate) fn items(format: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            push(&mut items, c);
            continue;
        }
        let mut digits = String::new();
        let mut colons = 0;
        while let Some(c) = rest.next_if(|c| c.is_ascii_digit() || *c == ':') {
            if c == ':' { colons += 1 } else { digits.push(c) }
        }
        // `%Ez` is the zone in minutes; elsewhere `E` and `O` change nothing.
        let alternative = rest.next_if(|c| *c == 'E' || *c == 'O').is_some();
        match rest.next() {
            Some('%') => push(&mut items, '%'),
            Some('n') => push(&mut items, '\n'),
            Some('t') => push(&mut items, '\t'),
            Some('z') if alternative => items.push(Item::Part('E', None, 0)),
            Some(letter) => match COMPOSITE.iter().find(|(own, _)| *own == letter) {
                Some((_, parts)) => items.extend(self::items(parts)),
                None => items.push(Item::Part(letter, digits.parse().ok(), colons)),
            },
            None => push(&mut items, '%'),
        }
    }
    items
}

fn push(items: &mut Vec<Item>, c: char) {
    match (items.last_mut(), c) {
        (_, c) if c.is_whitespace() => items.push(Item::Blank(c)),
        (Some(Item::Text(text)), c) => text.push(c),
        (_, c) => items.push(Item::Text(c.to_string())),
    }
}

/// A time as text.
pub(crate) fn format(items: &[Item], time: Time) -> String {
    let civil = time.civil();
    let mut out = String::new();
    for item in items {
        match item {
            Item::Text(text) => out.push_str(text),
            Item::Blank(blank) => out.push(*blank),
            Item::Part(letter, digits, colons) => {
                out.push_str(&part(*letter, *digits, *colons, time, &civil));
            }
        }
    }
    out
}

fn part(letter: char, digits: Option<usize>, colons: usize, time: Time, civil: &Civil) -> String {
    let year_day = day_of_year(civil);
    let weekday = time.weekday();
    let hour12 = (civil.hour + 11) % 12 + 1;
    let month = MONTHS.get(civil.month as usize - 1).copied().unwrap_or_default();
    let day = DAYS.get(weekday as usize).copied().unwrap_or_default();
    let (iso_year, iso_week) = iso_week(civil, weekday);
    match letter {
        'Y' => format!("{:04}", civil.year),
        'y' => format!("{:02}", civil.year.rem_euclid(100)),
        'C' => format!("{:02}", civil.year.div_euclid(100)),
        'G' => format!("{iso_year:04}"),
        'g' => format!("{:02}", iso_year.rem_euclid(100)),
        'm' => format!("{:02}", civil.month),
        'B' => month.to_owned(),
        'b' | 'h' => month.chars().take(3).collect(),
        'd' => format!("{:02}", civil.day),
        'e' => format!("{:>2}", civil.day),
        'j' => format!("{year_day:03}"),
        'U' => format!("{:02}", (year_day + 6 - weekday) / 7),
        'W' => format!("{:02}", (year_day + 6 - (weekday + 6) % 7) / 7),
        'V' => format!("{iso_week:02}"),
        'w' => weekday.to_string(),
        'u' => ((weekday + 6) % 7 + 1).to_string(),
        'A' => day.to_owned(),
        'a' => day.chars().take(3).collect(),
        'H' => format!("{:02}", civil.hour),
        'k' => format!("{:>2}", civil.hour),
        'I' => format!("{hour12:02}"),
        'l' => format!("{hour12:>2}"),
        'p' => if civil.hour < 12 { "AM" } else { "PM" }.to_owned(),
        'P' => if civil.hour < 12 { "am" } else { "pm" }.to_owned(),
        'M' => format!("{:02}", civil.minute),
        'S' => format!("{:02}", civil.second),
        's' => time.ticks().div_euclid(10_000_000).to_string(),
        'N' => fraction(civil.ticks, digits.unwrap_or(9)),
        'Q' => fraction(civil.ticks, digits.unwrap_or(3)),
        'f' => fraction(civil.ticks, digits.unwrap_or(6)),
        'Z' => "UTC".to_owned(),
        'E' => "+0".to_owned(),
        'z' => ["+0000", "+00:00", "+00:00:00", "+00"][colons.min(3)].to_owned(),
        // What is no conversion stays.
        letter => format!("%{letter}"),
    }
}

/// So many digits of the fraction of a second.
fn fraction(ticks: i64, digits: usize) -> String {
    format!("{ticks:07}00").chars().take(digits.clamp(1, 9)).collect()
}

fn day_of_year(civil: &Civil) -> i64 {
    (1..civil.month).map(|month| Time::last_day(civil.year, month)).sum::<i64>() + civil.day
}

/// The year and the week, from Monday, that has the Thursday.
fn iso_week(civil: &Civil, weekday: i64) -> (i64, i64) {
    let weeks = |year: i64| {
        let first = Civil { year, month: 1, day: 1, hour: 0, minute: 0, second: 0, ticks: 0 };
        let first = Time::from_civil(first).map_or(0, Time::weekday);
        if first == 4 || (first == 3 && Time::last_day(year, 2) == 29) { 53 } else { 52 }
    };
    match (day_of_year(civil) - (weekday + 6) % 7 + 9) / 7 {
        0 => (civil.year - 1, weeks(civil.year - 1)),
        week if week > weeks(civil.year) => (civil.year + 1, 1),
        week => (civil.year, week),
    }
}

/// What was read so far.
#[derive(Default)]
struct Read {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    ticks: i64,
    afternoon: Option<bool>,
    /// Seconds east of UTC.
    offset: i64,
    epoch: Option<i64>,
}

/// A text as a time: what stands behind the format does not count. None for what does not fit,
/// and for a date without its year, month or day, which only a clock could complete.
pub(crate) fn parse(items: &[Item], text: &str) -> Option<Time> {
    let mut read = Read::default();
    let mut rest = text.trim_ascii_start();
    for item in items {
        match item {
            Item::Text(text) => rest = rest.strip_prefix(text.as_str())?,
            Item::Blank(_) => rest = rest.trim_start(),
            Item::Part(letter, ..) => rest = read.part(*letter, rest)?,
        }
    }
    read.time()
}

impl Read {
    /// Reads a conversion and gives what is left.
    fn part<'t>(&mut self, letter: char, text: &'t str) -> Option<&'t str> {
        let mut rest = text;
        let mut number = |most: usize| digits(&mut rest, most);
        match letter {
            'Y' | 'G' => self.year = Some(number(4)?),
            'y' | 'g' => {
                let year = number(2)?;
                self.year = Some(if year < 69 { 2000 + year } else { 1900 + year });
            }
            'm' => self.month = Some(number(2)?),
            'd' | 'e' => self.day = Some(number(2)?),
            'j' => self.day_of_year = Some(number(3)?),
            'H' | 'k' | 'I' | 'l' => self.hour = number(2)?,
            'M' => self.minute = number(2)?,
            'S' => self.second = number(2)?,
            'C' | 'U' | 'W' | 'V' | 'w' | 'u' => drop(number(2)?),
            'N' | 'Q' | 'f' => self.ticks = subsecond(&mut rest)?,
            's' => {
                let negative = rest.strip_prefix('-').inspect(|after| rest = after).is_some();
                let seconds = digits(&mut rest, 18)?;
                self.epoch = Some(if negative { -seconds } else { seconds });
            }
            'B' | 'b' | 'h' => self.month = Some(name(&mut rest, &MONTHS)? + 1),
            'A' | 'a' => drop(name(&mut rest, &DAYS)?),
            'p' | 'P' => self.afternoon = Some(name(&mut rest, &["AM", "PM"])? == 1),
            'z' | 'Z' | 'E' => self.offset = zone(&mut rest)?,
            _ => return None,
        }
        Some(rest)
    }

    fn time(self) -> Option<Time> {
        if let Some(epoch) = self.epoch {
            return Some(Time::from_ticks(
                Time::from_seconds(epoch)?.ticks().checked_add(self.ticks)?,
            ));
        }
        let hour = match self.afternoon {
            Some(_) if !(1..=12).contains(&self.hour) => return None,
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let (month, day) = match (self.month, self.day, self.day_of_year) {
            (Some(month), Some(day), _) => (month, day),
            (_, _, Some(day)) => month_of(self.year?, day)?,
            _ => return None,
        };
        let time = Time::from_civil(Civil {
            year: self.year?,
            month,
            day,
            hour,
            minute: self.minute,
            // A leap second counts as the one before.
            second: if self.second == 60 { 59 } else { self.second },
            ticks: self.ticks,
        })?;
        time.ticks().checked_sub(self.offset * 10_000_000).map(Time::from_ticks)
    }
}

/// The month and its day of a day of the year.
fn month_of(year: i64, mut day: i64) -> Option<(i64, i64)> {
    for month in 1..=12 {
        let last = Time::last_day(year, month);
        if day <= last {
            return Some((month, day));
        }
        day -= last;
    }
    None
}

/// Reads a number of so many digits at most, blanks before it aside.
fn digits(rest: &mut &str, most: usize) -> Option<i64> {
    let text = rest.trim_start();
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let number = text[..count].parse().ok()?;
    *rest = &text[count..];
    Some(number)
}

/// Reads all digits of a fraction, as ticks of 100 ns.
fn subsecond(rest: &mut &str) -> Option<i64> {
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    let used = &rest[..count.min(7)];
    let ticks = used.parse::<i64>().ok()? * 10_i64.pow(7 - used.len() as u32);
    *rest = &rest[count..];
    Some(ticks)
}

/// Reads one of several names, whole or its first three letters, without case; gives its place.
fn name(rest: &mut &str, names: &[&str]) -> Option<i64> {
    let text = rest.trim_start();
    let starts =
        |name: &str| text.get(..name.len()).is_some_and(|own| own.eq_ignore_ascii_case(name));
    let found = names.iter().enumerate().find_map(|(at, name)| {
        let short = &name[..name.len().min(3)];
        let length = if starts(name) { name.len() } else { short.len() };
        (starts(name) || starts(short)).then_some((at as i64, length))
    });
    let (at, length) = found?;
    *rest = &text[length..];
    Some(at)
}

/// Reads `Z`, `+01`, `+0130`, `+01:30`, or the name of a zone, as seconds east of UTC.
fn zone(rest: &mut &str) -> Option<i64> {
    let text = rest.trim_start();
    if let Some(signed) = text.strip_prefix(['+', '-']) {
        let mut after = signed;
        let hours = digits(&mut after, 2)?;
        after = after.strip_prefix(':').unwrap_or(after);
        let minutes = if after.starts_with(|c: char| c.is_ascii_digit()) {
            digits(&mut after, 2)?
        } else {
            0
        };
        *rest = after;
        let seconds = hours * 3600 + minutes * 60;
        return (hours < 24 && minutes < 60).then_some(if text.starts_with('-') {
            -seconds
        } else {
            seconds
        });
    }
    let count = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (zone, after) = text.split_at(count);
    let (_, minutes) = ZONES.iter().find(|(name, _)| name.eq_ignore_ascii_case(zone))?;
    *rest = after;
    Some(minutes * 60)
}

pub(super) fn format_time(arguments: &Arguments<'_>, ready: &Ready) -> Value {
    let time = match &*arguments[0] {
        Value::Time(time) => Some(*time),
        _ => float_at(arguments, 0).and_then(Time::from_fraction),
    };
    match (time, ready, text_at(arguments, 1)) {
        (Some(time), Ready::Format(items), _) => Value::String(format(items, time)),
        (Some(time), _, Some(text)) => Value::String(format(&items(&text), time)),
        _ => Value::Null,
    }
}

pub(super) fn parse_time(arguments: &Arguments<'_>, ready: &Ready) -> Value {
    let Some(text) = text_at(arguments, 0) else { return Value::Null };
    let time = match (ready, text_at(arguments, 1)) {
        (Ready::Format(items), _) => parse(items, &text),
        (_, Some(format)) => parse(&items(&format), &text),
        _ => None,
    };
    time.map_or(Value::Null, |time| of_float(time.seconds()))
}
