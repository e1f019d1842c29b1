//! Lines of syslog: RFC 3164 with and without its priority, RFC 5424, and the ISO dates of rsyslog
//! and journald. What a line carries may be an event by itself: Windows XML, JSON, auditd, Snare.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rulestone_value::Time;
use serde::Deserialize;

use super::auditd;
use super::date;
use super::textlog::Conversion;
use super::wintext::{self, local_time};
use super::write::{Object, string};
use crate::paths::Paths;
use crate::tokens::{skip_space, walk_object};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Services {
    program: BTreeMap<String, String>,
    facility: BTreeMap<String, String>,
}

static SERVICES: LazyLock<Services> = LazyLock::new(|| {
    // The table is part of the program; a test reads it, so a mistake never reaches a user.
    toml::from_str(include_str!("syslog.toml")).unwrap_or_default()
});

/// When a line was written, as far as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamp {
    /// With a year.
    Time(Time, date::Zone),
    /// Month, day and time of day alone.
    Yearless,
    Missing,
}

/// The parts of a line.
struct Line<'a> {
    priority: Option<u16>,
    stamp: Stamp,
    written: &'a [u8],
    host: &'a [u8],
    program: &'a [u8],
    pid: &'a [u8],
    message_id: &'a [u8],
    structured: &'a [u8],
    message: &'a [u8],
}

/// Whether this is a line of syslog.
pub(crate) fn is_line(line: &[u8]) -> bool {
    parse(line).is_some()
}

/// Where the message of a line starts; at its start, if it is no line of syslog.
pub(crate) fn message_start(line: &[u8]) -> usize {
    parse(line).map_or(0, |found| line.trim_ascii_end().len().saturating_sub(found.message.len()))
}

/// `<13>`: its number and its length.
pub(crate) fn priority(text: &[u8]) -> Option<(u16, usize)> {
    let rest = text.strip_prefix(b"<")?;
    let digits = rest.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    let number = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok().filter(|n| *n < 192)?;
    (rest.get(digits) == Some(&b'>')).then_some((number, digits + 2))
}

/// A line without the count of its octets, which stands before it where syslog came over TCP.
fn behind_count(line: &[u8]) -> &[u8] {
    let digits = line.iter().take(6).take_while(|b| b.is_ascii_digit()).count();
    match line.get(digits..) {
        Some([b' ', rest @ ..]) if digits > 0 && priority(rest).is_some() => rest,
        _ => line,
    }
}

/// The next word, and what stands behind it and one space.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text
        .iter()
        .take(512)
        .position(|b| *b == b' ')
        .or((text.len() <= 512).then_some(text.len()))?;
    (end > 0).then(|| (&text[..end], text.get(end + 1..).unwrap_or_default()))
}

fn parse(line: &[u8]) -> Option<Line<'_>> {
    let line = behind_count(line.trim_ascii_end());
    let found = priority(line);
    let (number, rest) = match found {
        Some((number, length)) => (Some(number), &line[length..]),
        None => (None, line),
    };
    if number.is_some()
        && let Some(rest) = rest.strip_prefix(b"1 ")
        && let Some(line) = rfc5424(number, rest)
    {
        return Some(line);
    }
    if let Some((stamp, written, rest)) = stamp_3164(rest) {
        return tagged(number, stamp, written, rest, true);
    }
    if let Some((written, rest)) = word(rest)
        && written.get(10) == Some(&b'T')
        && let Some((time, zone)) = std::str::from_utf8(written).ok().and_then(date::read)
    {
        return tagged(number, Stamp::Time(time, zone), written, rest, number.is_some());
    }
    number?;
    let empty = &b""[..];
    // A priority and a message, as many devices send it.
    tagged(number, Stamp::Missing, empty, rest, true).filter(|line| !line.program.is_empty()).or(
        Some(Line {
            priority: number,
            stamp: Stamp::Missing,
            written: empty,
            host: empty,
            program: empty,
            pid: empty,
            message_id: empty,
            structured: empty,
            message: rest,
        }),
    )
}

/// `Feb  1 12:00:00`, with a year behind the day if there is one.
fn stamp_3164(text: &[u8]) -> Option<(Stamp, &[u8], &[u8])> {
    let name = std::str::from_utf8(text.get(..3)?).ok()?;
    let month = date::month(name)?;
    let behind = text.get(3..)?.strip_prefix(b" ")?;
    let (day, mut rest) = word(behind.trim_ascii_start())?;
    let day: u32 = std::str::from_utf8(day).ok()?.parse().ok().filter(|d| (1..=31).contains(d))?;
    let (mut clock, mut next) = word(rest)?;
    let mut year = None;
    if clock.len() == 4 && clock.iter().all(u8::is_ascii_digit) {
        year = std::str::from_utf8(clock).ok();
        rest = next;
        (clock, next) = word(rest)?;
    }
    let clock = clock.strip_suffix(b":").unwrap_or(clock);
    let is_clock = matches!(clock, [_, _, b':', _, _, b':', _, _, ..]);
    let clock = std::str::from_utf8(clock).ok().filter(|_| is_clock)?;
    let spelt = format!("{}-{month:02}-{day:02}T{clock}", year.unwrap_or("2000"));
    let time = Time::parse(&spelt)?;
    let stamp = match year {
        Some(_) => Stamp::Time(time, date::Zone::Assumed),
        None => Stamp::Yearless,
    };
    let length = text.len() - next.len();
    Some((stamp, text[..length].trim_ascii_end(), next))
}

/// Host, program and message. A line that nothing else tells needs the program's colon.
fn tagged<'a>(
    priority: Option<u16>,
    stamp: Stamp,
    written: &'a [u8],
    rest: &'a [u8],
    sure: bool,
) -> Option<Line<'a>> {
    let (host, rest) = word(rest)?;
    let tag_end = rest
        .iter()
        .take(128)
        .position(|b| matches!(*b, b':' | b'[' | b' ' | b'\t'))
        .unwrap_or(rest.len().min(128));
    let (program, behind) = rest.split_at(tag_end);
    let (pid, message) = match behind {
        [b':', message @ ..] => (&b""[..], Some(message)),
        [b'[', inner @ ..] => {
            let end = inner.iter().take(32).position(|b| *b == b']');
            let behind = end.map(|end| &inner[end + 1..]);
            let message = behind.map(|text| text.strip_prefix(b":").unwrap_or(text));
            (end.map_or(&b""[..], |end| &inner[..end]), message)
        }
        _ => (&b""[..], None),
    };
    let (program, pid, message) = match message {
        Some(message) if !program.is_empty() => {
            (program, pid, message.strip_prefix(b" ").unwrap_or(message))
        }
        _ if sure => (&b""[..], &b""[..], rest),
        _ => return None,
    };
    Some(Line {
        priority,
        stamp,
        written,
        host,
        program,
        pid,
        message_id: b"",
        structured: b"",
        message,
    })
}

fn rfc5424(priority: Option<u16>, rest: &[u8]) -> Option<Line<'_>> {
    let (written, rest) = word(rest)?;
    let (host, rest) = word(rest)?;
    let (program, rest) = word(rest)?;
    let (pid, rest) = word(rest)?;
    let (message_id, rest) = word(rest)?;
    let length = structured_length(rest)?;
    let (structured, message) = rest.split_at(length);
    let stamp = match std::str::from_utf8(written).ok().and_then(date::read) {
        Some((time, zone)) => Stamp::Time(time, zone),
        None => Stamp::Missing,
    };
    let known = |text| if text == b"-" { &b""[..] } else { text };
    let message = message.trim_ascii_start();
    Some(Line {
        priority,
        stamp,
        written: known(written),
        host: known(host),
        program: known(program),
        pid: known(pid),
        message_id: known(message_id),
        structured: known(structured),
        message: message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message),
    })
}

/// How long `-` or `[id name="value"][…]` is.
fn structured_length(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'[') {
        return text.starts_with(b"-").then_some(1);
    }
    let (mut at, mut in_quotes, mut open) = (0, false, false);
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' if in_quotes => at += 1,
            b'"' => in_quotes = !in_quotes,
            b'[' if !in_quotes => open = true,
            b']' if !in_quotes => {
                open = false;
                if text.get(at + 1) != Some(&b'[') {
                    return Some(at + 1);
                }
            }
            b' ' if !in_quotes && !open => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "security", "console", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

const SEVERITIES: [&str; 8] =
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

impl Line<'_> {
    fn facility(&self) -> Option<usize> {
        self.priority.map(|number| usize::from(number >> 3))
    }

    /// The log the line belongs to.
    fn service(&self) -> &'static str {
        let program = String::from_utf8_lossy(self.program);
        let program = program.rsplit('/').next().unwrap_or_default();
        let by_program = SERVICES.program.get(program);
        let by_facility = || SERVICES.facility.get(&self.facility()?.to_string());
        by_program.or_else(by_facility).map_or("syslog", String::as_str)
    }

    fn write(&self, to: &mut Conversion<'_>, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        match self.stamp {
            Stamp::Time(time, zone) => {
                object.text("timestamp", time.to_string().as_bytes());
                if zone == date::Zone::Assumed {
                    local_time(to.tally, (to.place)());
                }
            }
            Stamp::Yearless | Stamp::Missing => {
                object.text_if_any("written", self.written);
                yearless(self.stamp, to);
            }
        }
        object.text_if_any("hostname", self.host);
        object.text_if_any("program", self.program);
        object.text_if_any("pid", self.pid);
        object.text_if_any("msgid", self.message_id);
        if let Some(facility) = self.facility().and_then(|at| FACILITIES.get(at)) {
            object.text("facility", facility.as_bytes());
        }
        if let Some(priority) = self.priority {
            object.text("severity", SEVERITIES[usize::from(priority & 7)].as_bytes());
        }
        object.text("service", self.service().as_bytes());
        structured(self.structured, &mut object);
        object.text("message", self.message);
        object.close();
    }
}

/// Says once for each unit that times cannot be placed in a year.
fn yearless(stamp: Stamp, to: &mut Conversion<'_>) {
    let reason = match stamp {
        Stamp::Yearless => "syslog time without a year, not read",
        _ => "syslog line without a time",
    };
    if !to.tally.skipped.contains_key(reason) {
        to.tally.skip(reason, (to.place)(), 0);
    }
}

/// Writes the values of structured data as `id.name`.
fn structured(text: &[u8], object: &mut Object<'_>) {
    let mut rest = text;
    let mut id = &b""[..];
    loop {
        rest = match rest {
            [] => return,
            [b'[', inner @ ..] => {
                let end =
                    inner.iter().position(|b| matches!(*b, b' ' | b']')).unwrap_or(inner.len());
                id = &inner[..end];
                &inner[end..]
            }
            [b' ' | b']', inner @ ..] => inner,
            _ => parameter(rest, id, object),
        };
    }
}

fn parameter<'a>(text: &'a [u8], id: &[u8], object: &mut Object<'_>) -> &'a [u8] {
    let Some(equals) = text.iter().position(|b| *b == b'=') else { return &[] };
    let (name, rest) = (&text[..equals], &text[equals + 1..]);
    let rest = rest.strip_prefix(b"\"").unwrap_or(rest);
    let mut value = Vec::new();
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'"' => break,
            b'\\' if matches!(rest.get(at + 1), Some(b'"' | b'\\' | b']')) => {
                at += 1;
                value.push(rest[at]);
            }
            byte => value.push(*byte),
        }
        at += 1;
    }
    string(object.key(&[id, b".", name].concat()), &value);
    rest.get(at + 1..).unwrap_or_default()
}

/// Writes the event of a line: the one its message is, or the line itself.
pub(crate) fn convert(text: &[u8], mut to: Conversion<'_>, out: &mut Vec<u8>) {
    let Some(line) = parse(text) else {
        to.tally.skip("syslog line that cannot be read", (to.place)(), text.len() as u64);
        return;
    };
    let message = line.message.trim_ascii();
    let json = message.strip_prefix(b"@cee:").unwrap_or(message).trim_ascii();
    let host = String::from_utf8_lossy(line.host);
    if is_json(json) {
        out.extend_from_slice(json);
    } else if auditd::is_line(message) {
        auditd::write(message, line.host, &mut to, out);
    } else {
        // Its tag is what would be the program.
        let snare = wintext::snare_start(text).map(|at| text[at..].trim_ascii_end());
        if !snare.is_some_and(|part| wintext::snare(part, &host, &mut to, out)) {
            line.write(&mut to, out);
        }
    }
}

/// Whether the text is one JSON object and nothing else.
fn is_json(text: &[u8]) -> bool {
    text.starts_with(b"{")
        && text.ends_with(b"}")
        && walk_object(text, 0, &mut Paths::default(), &mut Vec::new())
            .is_ok_and(|end| skip_space(text, end) == text.len())
}
