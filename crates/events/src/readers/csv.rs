//! Tables as CSV with a header: every row is an event with the header's names.
//!
//! Rows of Windows events that tell their values in a message, as Event Viewer and `Get-WinEvent`
//! write them, become the tree that the same event has as XML.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr, memchr2};

use super::date::{self, Zone};
use super::records::{Layout, Records, spare_buffer};
use super::textlog::{Conversion, Stretches};
use super::wintext::{WindowsEvent, local_time};
use super::write::{Object, string};
use super::xml::XmlEvent;
use crate::Tally;
use crate::paths::Paths;
use crate::tokens::{decode, walk_object};

/// A quoted field longer than this is not believed: its quote is taken for damage.
const LONGEST_FIELD: usize = 4 << 20;

/// What separates the fields of a row.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Names a column may have, at most this long.
const LONGEST_NAME: usize = 80;

/// What is in a field, quotes resolved.
fn content(field: &[u8]) -> Vec<u8> {
    let Some(inner) = field.strip_prefix(b"\"") else { return field.to_vec() };
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(quote) = memchr(b'"', rest) {
        out.extend_from_slice(&rest[..quote]);
        match rest.get(quote + 1) {
            Some(b'"') => {
                out.push(b'"');
                rest = &rest[quote + 2..];
            }
            // What stands behind the closing quote is kept as it is.
            _ => {
                out.extend_from_slice(&rest[quote + 1..]);
                return out;
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

/// How a row ends.
enum End {
    /// Behind its line end.
    At(usize),
    /// Inside a field in quotes, which more text may end.
    Open,
    /// Inside a field in quotes that is too long to be one.
    Broken,
}

/// Walks one row, giving each of its fields.
fn walk_row(text: &[u8], start: usize, delimiter: u8, mut field: impl FnMut(Range<usize>)) -> End {
    let mut at = start;
    loop {
        let from = at;
        if text.get(at) == Some(&b'"') {
            at += 1;
            loop {
                let window = &text[at..text.len().min(from + LONGEST_FIELD)];
                match memchr(b'"', window) {
                    Some(length) if window.get(length + 1) == Some(&b'"') => at += length + 2,
                    Some(length) if at + length + 1 == text.len() => {
                        at += length + 1;
                        break;
                    }
                    Some(length) => {
                        at += length + 1;
                        break;
                    }
                    None if text.len() - from >= LONGEST_FIELD => return End::Broken,
                    None => return End::Open,
                }
            }
        }
        let rest = &text[at..];
        at += memchr2(delimiter, b'\n', rest).unwrap_or(rest.len());
        let end = if text.get(at) != Some(&delimiter) && at > from && text[at - 1] == b'\r' {
            at - 1
        } else {
            at
        };
        field(from..end);
        match text.get(at) {
            Some(byte) if *byte == delimiter => at += 1,
            Some(_) => return End::At(at + 1),
            None => return End::At(at),
        }
    }
}

/// The header of a table: what separates its fields, and their names.
#[derive(Debug, Clone)]
struct Header {
    delimiter: u8,
    names: Vec<Vec<u8>>,
}

/// Behind lines that come before the header: blank ones, and the type that PowerShell writes.
fn before_header(text: &[u8]) -> usize {
    let mut at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    loop {
        let end = memchr(b'\n', &text[at..]).map(|length| at + length);
        let line = text[at..end.unwrap_or(text.len())].trim_ascii();
        match end {
            Some(end) if line.is_empty() || line.starts_with(b"#TYPE ") => at = end + 1,
            _ => return at,
        }
    }
}

impl Header {
    /// The header that a text starts with, and the offset behind it.
    fn of(text: &[u8]) -> Option<(Header, usize)> {
        let start = before_header(text);
        let read = |delimiter: &u8| {
            let mut names = Vec::new();
            match walk_row(text, start, *delimiter, |field| names.push(content(&text[field]))) {
                End::At(end) => Some((Header { delimiter: *delimiter, names }, end)),
                End::Open | End::Broken => None,
            }
        };
        let (mut header, end) =
            DELIMITERS.iter().filter_map(read).max_by_key(|(header, _)| header.names.len())?;
        for name in &mut header.names {
            *name = name.trim_ascii().to_vec();
        }
        // Event Viewer writes a column without a name: the message.
        if header.names.iter().any(|name| name == b"Date and Time") {
            header.names.push(b"Message".to_vec());
        }
        Some((header, end))
    }

    /// Whether these are names of columns, and nothing that people write.
    fn is_plausible(&self) -> bool {
        let is_name = |name: &Vec<u8>| {
            (1..=LONGEST_NAME).contains(&name.len())
                && (name[0].is_ascii_alphabetic() || b"@_#".contains(&name[0]))
                && name
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || b"@_#.:/()-[]{}$%* ".contains(b))
                && name.iter().filter(|b| **b == b' ').count() <= 3
                && !name.ends_with(b".")
        };
        let mut sorted = self.names.clone();
        sorted.sort();
        sorted.dedup();
        self.names.len() >= 3 && sorted.len() == self.names.len() && self.names.iter().all(is_name)
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|own| own.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// Whether a text starts like a table with a header. `whole` says that nothing follows.
pub(crate) fn is_table(head: &[u8], whole: bool) -> bool {
    let Some((header, mut at)) = Header::of(head) else { return false };
    // A header that the first bytes do not hold whole is none that can be judged.
    if !header.is_plausible() || (!whole && at == head.len()) {
        return false;
    }
    let viewer = header.column("Date and Time").is_some();
    let (mut rows, mut fitting, mut first_fits) = (0, 0, false);
    while at < head.len() && rows < 8 {
        let mut fields = 0;
        match walk_row(head, at, header.delimiter, |_| fields += 1) {
            End::At(end) if end < head.len() || whole => at = end,
            _ => break,
        }
        if fields == 1 {
            continue;
        }
        rows += 1;
        let as_many = fields == header.names.len()
            || (viewer && fields + 1 == header.names.len())
            // The last row may be cut off.
            || (at == head.len() && fields < header.names.len());
        fitting += usize::from(as_many);
        first_fits |= rows == 1 && as_many;
    }
    // A header alone, or one behind which a row goes on past the head.
    let wide = header.names.len() >= 5;
    if rows == 0 { wide || at < head.len() } else { fitting * 2 > rows || (wide && first_fits) }
}

/// A row, or a line that is none.
struct RowPlace {
    line: u64,
    range: Range<usize>,
    broken: bool,
}

pub(crate) struct CsvLog {
    text: Stretches,
    log: Arc<str>,
    header: Option<Arc<Header>>,
    next_line: u64,
}

pub(crate) struct CsvUnit {
    text: Vec<u8>,
    rows: Vec<RowPlace>,
    header: Arc<Header>,
    log: Arc<str>,
}

impl CsvLog {
    pub(crate) fn new(head: Vec<u8>, reader: Box<dyn Read + Send>, log: Arc<str>) -> Self {
        CsvLog { text: Stretches::new(head, reader), log, header: None, next_line: 1 }
    }

    pub(crate) fn set_stretch(&mut self, bytes: usize) {
        self.text.stretch = bytes.max(1);
    }

    /// See [`super::Log::live`].
    pub(crate) fn set_live(&mut self) {
        self.text.live = true;
    }

    pub(crate) fn next_unit(&mut self) -> io::Result<Option<CsvUnit>> {
        let known = self.header.clone();
        let first_line = self.next_line;
        let found = self.text.next(|text, last| {
            let (header, start) = match &known {
                Some(header) => (header.clone(), 0),
                None => match Header::of(text) {
                    Some((header, end)) if end < text.len() || last => (Arc::new(header), end),
                    Some(_) if !last => return (0, None),
                    None if !last => return (0, None),
                    _ => return (text.len(), None),
                },
            };
            let (end, rows, line) = rows(text, start, first_line, header.delimiter, last);
            let enough = end > start || last || known.is_some();
            (if enough { end } else { 0 }, Some((header, rows, line)))
        })?;
        let Some((text, Some((header, rows, line)))) = found else { return Ok(None) };
        self.header = Some(header.clone());
        self.next_line = line;
        Ok(Some(CsvUnit { text, rows, header, log: self.log.clone() }))
    }
}

/// The rows of a text, to the last that more text would not change.
fn rows(
    text: &[u8],
    start: usize,
    first_line: u64,
    delimiter: u8,
    last: bool,
) -> (usize, Vec<RowPlace>, u64) {
    let lines = |range: Range<usize>| memchr::memchr_iter(b'\n', &text[range]).count() as u64;
    let (mut at, mut line, mut rows) = (start, first_line + lines(0..start), Vec::new());
    while at < text.len() {
        let (end, broken) = match walk_row(text, at, delimiter, |_| ()) {
            End::At(end) if end < text.len() || last => (end, false),
            End::At(_) => break,
            End::Open if !last => break,
            // A quote that nothing closes: the line is lost, what follows is not.
            End::Open | End::Broken => {
                let length = memchr(b'\n', &text[at..]).map(|length| length + 1);
                (length.map_or(text.len(), |length| at + length), true)
            }
        };
        if broken || !text[at..end].trim_ascii().is_empty() {
            rows.push(RowPlace { line, range: at..end, broken });
        }
        line += lines(at..end);
        at = end;
    }
    (at, rows, line)
}

impl CsvUnit {
    pub(crate) fn into_records(self) -> Records {
        let mut bytes = spare_buffer();
        let mut records = Vec::with_capacity(self.rows.len());
        let (mut tally, mut xml) = (Tally::default(), XmlEvent::default());
        let windows = Windows::of(&self.header);
        for row in &self.rows {
            let start = bytes.len();
            let place = || format!("{}, line {}", self.log, row.line);
            let to = Conversion { tally: &mut tally, place: &place, xml: &mut xml };
            self.row(row, windows.as_ref(), to, &mut bytes);
            if bytes.len() > start {
                records.push((row.line, start..bytes.len()));
            }
        }
        Records {
            bytes,
            layout: Layout::Cut(records),
            source_bytes: self.text.len() as u64,
            skipped: tally.skipped,
            log: self.log,
        }
    }

    fn row(
        &self,
        row: &RowPlace,
        windows: Option<&Windows>,
        to: Conversion<'_>,
        out: &mut Vec<u8>,
    ) {
        let text = &self.text[row.range.clone()];
        if row.broken {
            to.tally.skip(
                "CSV row with a quote that is not closed",
                (to.place)(),
                text.len() as u64,
            );
            return;
        }
        let mut fields = Vec::with_capacity(self.header.names.len());
        walk_row(text, 0, self.header.delimiter, |field| fields.push(content(&text[field])));
        let (found, named) = (fields.len(), self.header.names.len());
        let viewer = self.header.names.last().is_some_and(|name| name == b"Message");
        if found > named {
            let lost: usize = fields[named..].iter().map(Vec::len).sum();
            to.tally.skip("CSV field behind the last column", (to.place)(), lost as u64);
        } else if found < named && !(viewer && found + 1 == named) {
            to.tally.skip("CSV row with fields missing", (to.place)(), 0);
        }
        match windows {
            Some(windows) => windows.write(&self.header, &fields, to, out),
            None => self.write(&fields, to, out),
        }
    }

    fn write(&self, fields: &[Vec<u8>], to: Conversion<'_>, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        for (name, value) in self.header.names.iter().zip(fields) {
            string_or_time(object.key(name), name, value, &to.place, to.tally);
        }
        object.close();
    }
}

/// Writes a value; a date as people write it in the spelling that can be read.
fn string_or_time(
    out: &mut Vec<u8>,
    name: &[u8],
    value: &[u8],
    place: &dyn Fn() -> String,
    tally: &mut Tally,
) {
    let is_time = TIMES.iter().any(|time| time.as_bytes().eq_ignore_ascii_case(name));
    let read = |value| date::read(std::str::from_utf8(value).ok()?);
    match is_time.then(|| read(value)).flatten() {
        Some((time, zone)) => {
            if zone == Zone::Assumed {
                local_time(tally, place());
            }
            string(out, time.to_string().as_bytes());
        }
        None => string(out, value),
    }
}

/// Columns that hold the time of the event.
const TIMES: &[&str] = &[
    "@timestamp",
    "_time",
    "Date",
    "DateTime",
    "Date and Time",
    "EventTime",
    "SystemTime",
    "Time",
    "TimeCreated",
    "TimeGenerated",
    "Timestamp",
    "UtcTime",
];

/// Columns of Windows events whose values are in a message, or in EvtxECmd's payload.
struct Windows;

impl Windows {
    fn of(header: &Header) -> Option<Windows> {
        let has = |names: &[&str]| names.iter().any(|name| header.column(name).is_some());
        let is_windows = (has(&["Date and Time"]) && has(&["Event ID"]))
            || (has(&["ProviderName"]) && has(&["LogName"]) && has(&["Id"]))
            || (has(&["Provider"])
                && has(&["Channel"])
                && has(&["EventId"])
                && has(&["TimeCreated"]));
        is_windows.then_some(Windows)
    }

    fn write(&self, header: &Header, fields: &[Vec<u8>], to: Conversion<'_>, out: &mut Vec<u8>) {
        let texts: Vec<_> = header
            .names
            .iter()
            .zip(fields)
            .map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value)))
            .collect();
        let mut event = WindowsEvent::default();
        for (name, value) in &texts {
            // .NET's names for what the header calls otherwise.
            let name = match &**name {
                "Level" if header.column("LevelDisplayName").is_some() => "LevelNumber",
                "RecordNumber" if header.column("EventRecordId").is_some() => "RowNumber",
                "ProcessId" => "Execution_ProcessID",
                "ThreadId" => "Execution_ThreadID",
                "Payload" => {
                    event.data = payload(value.as_bytes());
                    continue;
                }
                name => name,
            };
            if event.set(name, value.trim()) == Some(Zone::Assumed) {
                local_time(to.tally, (to.place)());
            }
        }
        event.write(out);
    }
}

/// The values of EvtxECmd's payload: the data of the event as JSON.
fn payload(text: &[u8]) -> Vec<(String, String)> {
    let (mut paths, mut cells) = (Paths::default(), Vec::new());
    let mut values: Vec<(String, String)> = Vec::new();
    if walk_object(text, 0, &mut paths, &mut cells).is_err() {
        return vec![("Payload".to_owned(), String::from_utf8_lossy(text).into_owned())];
    }
    let mut named: Option<String> = None;
    for cell in &cells {
        let path = paths.name(cell.path);
        let value = decode(cell.token(text)).text().unwrap_or_default().into_owned();
        match path.rsplit('.').next().unwrap_or_default() {
            "@Name" => {
                // A name without a text is a value that is empty.
                values.extend(named.replace(value).map(|name| (name, String::new())));
            }
            "#text" => values.push((named.take().unwrap_or_else(|| "Data".to_owned()), value)),
            own if own.starts_with('@') => {}
            own => values.push((own.to_owned(), value)),
        }
    }
    values.extend(named.map(|name| (name, String::new())));
    values
}
