//! Records of the Linux audit daemon: `type=EXECVE msg=audit(1700000000.123:45): argc=2 a0="id"`.
//!
//! Each line is an event. What auditd writes in hexadecimal because it has spaces or quotes is
//! decoded. The enriched form, with names behind a separator, is read as well.

use rulestone_value::Time;

use super::date::{self, Zone};
use super::textlog::Conversion;
use super::wintext::local_time;
use super::write::{Object, string};

/// Between a record and the names that the daemon looked up for it.
const ENRICHED: u8 = 0x1d;

/// Values that are text, and hexadecimal where they are not in quotes.
const TEXTS: &[&str] = &[
    "acct",
    "cmd",
    "comm",
    "cwd",
    "data",
    "dir",
    "exe",
    "file",
    "key",
    "name",
    "ocomm",
    "path",
    "proctitle",
    "sw",
    "vm",
    "watch",
];

/// The parts of a line before its fields.
struct Head<'a> {
    node: &'a [u8],
    kind: &'a [u8],
    time: &'a [u8],
    serial: &'a [u8],
    fields: &'a [u8],
}

/// Whether this is a line of auditd.
pub(crate) fn is_line(line: &[u8]) -> bool {
    head(line).is_some()
}

fn head(line: &[u8]) -> Option<Head<'_>> {
    let line = line.trim_ascii();
    let (node, line) = match line.strip_prefix(b"node=") {
        Some(rest) => split(rest, b' ')?,
        None => (&b""[..], line),
    };
    let (kind, rest) = split(line.strip_prefix(b"type=")?, b' ')?;
    let rest = rest.trim_ascii_start();
    let rest = rest.strip_prefix(b"msg=").unwrap_or(rest).strip_prefix(b"audit(")?;
    let (stamp, fields) = split(rest, b')')?;
    let colon = stamp.iter().rposition(|b| *b == b':')?;
    let (time, serial) = (&stamp[..colon], &stamp[colon + 1..]);
    let is_head = (1..=64).contains(&kind.len())
        && !serial.is_empty()
        && serial.iter().all(u8::is_ascii_digit)
        && time.first().is_some_and(u8::is_ascii_digit);
    let fields = fields.strip_prefix(b":").unwrap_or(fields);
    is_head.then_some(Head { node, kind, time, serial, fields })
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().take(4096).position(|b| *b == at)?;
    Some((&text[..place], &text[place + 1..]))
}

/// `1700000000.123`, or the date that `ausearch -i` writes.
fn time_of(text: &[u8]) -> Option<(Time, Zone)> {
    let text = std::str::from_utf8(text).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    match (seconds.parse::<i64>(), fraction.get(..fraction.len().min(7))) {
        (Ok(seconds), Some(digits)) if seconds < 1 << 38 => {
            let ticks = format!("{digits:0<7}").parse::<i64>().ok()?;
            Some((Time::from_ticks(Time::from_seconds(seconds)?.ticks() + ticks), Zone::Said))
        }
        _ => date::read(text),
    }
}

/// Writes the record in `text`.
pub(crate) fn convert(text: &[u8], mut to: Conversion<'_>, out: &mut Vec<u8>) {
    write(text, b"", &mut to, out);
}

/// Writes the record, of a host if it says none itself.
pub(crate) fn write(text: &[u8], host: &[u8], to: &mut Conversion<'_>, out: &mut Vec<u8>) {
    let Some(head) = head(text) else {
        to.tally.skip("auditd record without a head", (to.place)(), text.len() as u64);
        return;
    };
    let mut object = Object::open(out);
    if let Some((time, zone)) = time_of(head.time) {
        object.text("timestamp", time.to_string().as_bytes());
        if zone == Zone::Assumed {
            local_time(to.tally, (to.place)());
        }
    } else {
        to.tally.skip("auditd time that cannot be read", (to.place)(), 0);
    }
    object.text_if_any("node", if head.node.is_empty() { host } else { head.node });
    object.text("type", head.kind);
    object.text("serial", head.serial);
    let left = fields(head.fields, head.kind, &mut object);
    object.close();
    if left > 0 {
        to.tally.skip("words without a name in an auditd record", (to.place)(), left);
    }
}

/// Writes the fields; returns how many bytes are none.
fn fields(text: &[u8], kind: &[u8], object: &mut Object<'_>) -> u64 {
    let (mut rest, mut left) = (text, 0);
    loop {
        let separator = |b: &u8| b.is_ascii_whitespace() || matches!(*b, ENRICHED | b',');
        let start = rest.iter().position(|b| !separator(b)).unwrap_or(rest.len());
        rest = &rest[start..];
        if rest.is_empty() {
            return left;
        }
        let word = rest
            .iter()
            .position(|b| *b == b'=' || b.is_ascii_whitespace() || *b == ENRICHED)
            .unwrap_or(rest.len());
        if word == 0 || rest.get(word) != Some(&b'=') {
            left += word.max(1) as u64;
            rest = &rest[word.max(1)..];
            continue;
        }
        let (key, behind) = (&rest[..word], &rest[word + 1..]);
        match behind.first() {
            // A message of a program's, with fields of its own.
            Some(b'\'') => {
                let (inner, next) = quoted(behind, b'\'');
                if key == b"msg" && inner.contains(&b'=') {
                    left += nested(inner, kind, object);
                } else {
                    object.text(&String::from_utf8_lossy(key), inner);
                }
                rest = next;
            }
            Some(b'"') => {
                let (inner, next) = quoted(behind, b'"');
                object.text(&String::from_utf8_lossy(key), inner);
                rest = next;
            }
            _ => {
                let end = behind
                    .iter()
                    .position(|b| b.is_ascii_whitespace() || *b == ENRICHED)
                    .unwrap_or(behind.len());
                plain(key, behind[..end].trim_ascii_end(), kind, object);
                rest = &behind[end..];
            }
        }
    }
}

/// Fields inside the message of a program: no message is inside those.
fn nested(text: &[u8], kind: &[u8], object: &mut Object<'_>) -> u64 {
    let inner: Vec<u8> = text.iter().map(|b| if *b == b'\'' { b' ' } else { *b }).collect();
    fields(&inner, kind, object)
}

fn quoted(text: &[u8], quote: u8) -> (&[u8], &[u8]) {
    let inner = &text[1..];
    match inner.iter().position(|b| *b == quote) {
        Some(end) => (&inner[..end], &inner[end + 1..]),
        None => (inner, &[]),
    }
}

/// A value without quotes: hexadecimal if it stands for text.
fn plain(key: &[u8], value: &[u8], kind: &[u8], object: &mut Object<'_>) {
    let name = String::from_utf8_lossy(key);
    let is_text = TEXTS.contains(&&*name) || (kind == b"EXECVE" && is_argument(key));
    match if is_text { unhex(value) } else { None } {
        Some(mut text) => {
            // Arguments are separated by zero bytes.
            while text.last() == Some(&0) {
                text.pop();
            }
            text.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b' ');
            string(object.key(key), &text);
        }
        None => string(object.key(key), value),
    }
}

/// `a0`, or `a0[1]` for a part of a long one.
fn is_argument(key: &[u8]) -> bool {
    let Some(rest) = key.strip_prefix(b"a") else { return false };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    digits > 0 && (digits == rest.len() || rest[digits] == b'[')
}

/// The bytes of upper-case hexadecimal digits, if it is that.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    };
    if text.is_empty() || text.len() % 2 == 1 {
        return None;
    }
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
