//! Formats of logs: recognised by content, cut into units that any thread can read.
//!
//! One file a format. A reader turns a stretch of its log into [`Records`]: JSON text in which
//! the ingest finds the values. Adding a format is adding a file here and a line in
//! [`Format::recognise`].

mod archive;
mod auditd;
mod csv;
mod date;
mod evtx;
mod find;
mod json;
mod known;
mod lines;
mod records;
mod syslog;
mod tail;
mod text;
mod textlog;
mod wintext;
mod wrappers;
mod write;
mod xml;

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

pub use archive::Members;
pub use find::find_logs;
pub use records::Records;
pub(crate) use records::give_back;
pub use tail::Tail;
pub(crate) use write::string as write_string;

use self::csv::CsvLog;
use archive::{ArchiveLog, Bytes, Depth};
use evtx::EvtxLog;
use json::JsonLog;
use lines::LinesLog;
use textlog::TextLog;

/// What a file is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A Windows event log.
    Evtx,
    /// JSON objects: one a line, in a list, or one behind the other.
    Json,
    /// A log or an archive, compressed with gzip.
    Gzip,
    /// Windows events as XML.
    Xml,
    /// Windows events in lines of text, as Splunk and Event Viewer write them.
    WindowsText,
    /// Records of the Linux audit daemon.
    Auditd,
    /// Lines of syslog.
    Syslog,
    /// Lines of text that the table of such formats knows: access logs, flow logs.
    Lines,
    /// A table with a header.
    Csv,
    /// A log or an archive, compressed with zstd.
    Zstd,
    /// A zip archive of whatever files.
    Zip,
    /// A tar archive of whatever files.
    Tar,
    /// Nothing at all.
    Empty,
    /// Not read, and what it seems to be.
    Unread(&'static str),
}

/// Bytes looked at to recognise a format.
const PEEK: usize = 4096;

impl Format {
    /// Whether what is written behind such a log's end is more of it.
    pub const fn grows(self) -> bool {
        match self {
            Format::Json
            | Format::Xml
            | Format::WindowsText
            | Format::Auditd
            | Format::Syslog
            | Format::Lines
            | Format::Csv
            | Format::Empty => true,
            Format::Evtx
            | Format::Gzip
            | Format::Zstd
            | Format::Zip
            | Format::Tar
            | Format::Unread(_) => false,
        }
    }

    /// Recognises a format by a file's first bytes, some thousands of them if it has them.
    pub fn recognise(head: &[u8]) -> Format {
        let starts = [
            (&b"ElfFile\0"[..], Format::Evtx),
            (b"\x1f\x8b", Format::Gzip),
            (b"PK\x03\x04", Format::Zip),
            (b"PK\x05\x06", Format::Zip),
            (b"\x28\xb5\x2f\xfd", Format::Zstd),
            (b"PK\x07\x08", Format::Unread("zip archive in several volumes")),
            (b"7z\xbc\xaf", Format::Unread("7z archive")),
            (b"Rar!\x1a\x07", Format::Unread("RAR archive")),
            (b"BZh", Format::Unread("bzip2 file")),
            (b"\xfd7zXZ\0", Format::Unread("xz file")),
            (b"\x89PNG\r\n\x1a\n", Format::Unread("PNG image")),
            (b"\xff\xd8\xff", Format::Unread("JPEG image")),
            (b"\xd4\xc3\xb2\xa1", Format::Unread("packet capture (pcap)")),
            (b"\xa1\xb2\xc3\xd4", Format::Unread("packet capture (pcap)")),
            (b"\x4d\x3c\xb2\xa1", Format::Unread("packet capture (pcap)")),
            (b"\x0a\x0d\x0d\x0a", Format::Unread("packet capture (pcapng)")),
        ];
        if let Some((_, format)) = starts.iter().find(|(magic, _)| head.starts_with(magic)) {
            return *format;
        }
        if head.get(4..8) == Some(b"ftyp") {
            return Format::Unread("MP4 video");
        }
        if archive::is_tar(head) {
            return Format::Tar;
        }
        let whole = json::Encoding::of(head).decode_head(head);
        let blank = |c: char| c.is_whitespace() || c == '\u{feff}';
        let start = whole.trim_start_matches(blank);
        let numbered = text::number_line(start.as_bytes()).unwrap_or_default();
        let mut text = start[numbered..].trim_start().chars();
        let after = |mut rest: std::str::Chars<'_>| rest.find(|c| !c.is_whitespace());
        match text.next() {
            None if head.iter().all(u8::is_ascii_whitespace) => Format::Empty,
            Some('{') if matches!(after(text.clone()), Some('"' | '}') | None) => Format::Json,
            Some('[') if matches!(after(text.clone()), Some('{' | ']') | None) => Format::Json,
            _ if let Some(format) = textlog::recognise(whole.as_bytes()) => format,
            Some('<') => Format::Unread("XML without Windows events"),
            _ if csv::is_table(whole.as_bytes(), head.len() < PEEK) => Format::Csv,
            _ if whole.contains('\0') => Format::Unread("binary file of no known log format"),
            _ => Format::Unread("text of no known log format"),
        }
    }
}

/// Why a log could not be opened.
#[derive(Debug, Error)]
pub enum LogError {
    /// The system said no.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Its format is not read.
    #[error("not read: {0}")]
    Unread(&'static str),
    /// It looks like an EVTX file but its header is broken.
    #[error("broken EVTX header: {0}")]
    Evtx(String),
}

/// An open log.
pub struct Log {
    name: Arc<str>,
    inner: Inner,
    units: u64,
    failed: Option<String>,
}

enum Inner {
    Empty,
    Evtx(EvtxLog),
    Json(Box<JsonLog>),
    Text(TextLog),
    Csv(CsvLog),
    Lines(LinesLog),
    Archive(Box<ArchiveLog>),
}

/// A stretch of a log.
pub struct Unit {
    /// Where it is.
    pub place: UnitPlace,
    content: Content,
}

enum Content {
    Evtx(evtx::EvtxUnit),
    Json(Records),
    Text(textlog::TextUnit),
    Csv(csv::CsvUnit),
}

/// Where a unit is: the log's name and the unit's number in it, from 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitPlace {
    /// The log as the user named it.
    pub log: Arc<str>,
    /// The unit's number.
    pub unit: u64,
}

impl Log {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or its format is not known.
    pub fn open(path: &Path, name: Arc<str>) -> Result<Log, LogError> {
        let mut file = File::open(path)?;
        let mut head = Vec::new();
        file.by_ref().take(PEEK as u64).read_to_end(&mut head)?;
        match Format::recognise(&head) {
            Format::Evtx => Ok(Log::new(name, Inner::Evtx(EvtxLog::from_path(path)?))),
            // A pipe has a path as well, but no way back.
            Format::Zip if file.seek(SeekFrom::Start(0)).is_ok() => {
                Log::zip(Box::new(file), name, Depth::default())
            }
            _ => Log::stream(head, Box::new(BufReader::new(file)), name, Depth::default()),
        }
    }

    /// Opens a file as plain text, of which every line is an event.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn open_lines(path: &Path, name: Arc<str>) -> Result<Log, LogError> {
        let lines = LinesLog::new(Box::new(File::open(path)?), name.clone());
        Ok(Log::new(name, Inner::Lines(lines)))
    }

    /// Opens whatever comes out of `reader`: standard input, say.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or its format is not known.
    pub fn from_reader(
        reader: impl Read + Send + 'static,
        name: Arc<str>,
    ) -> Result<Log, LogError> {
        Log::inside(Box::new(reader), name, Depth::default())
    }

    /// Opens a log that is still being written: its records come as soon as they are whole. The
    /// reader waits for more where there is nothing yet, and is at its end when nothing will come.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or its format is none that grows: see [`Format::grows`].
    pub fn live(mut reader: impl Read + Send + 'static, name: Arc<str>) -> Result<Log, LogError> {
        let mut head = Vec::new();
        // A line is enough to tell formats that grow.
        while head.len() < PEEK && !head.trim_ascii_start().contains(&b'\n') {
            let at = head.len();
            head.resize(PEEK, 0);
            let read = reader.read(&mut head[at..]);
            head.truncate(at + read.as_ref().copied().unwrap_or(0));
            if read? == 0 {
                break;
            }
        }
        let format = Format::recognise(&head);
        if let Format::Unread(what) = format {
            return Err(LogError::Unread(what));
        }
        if !format.grows() {
            return Err(LogError::Unread("format that cannot be followed"));
        }
        let mut log = Log::stream(head, Box::new(reader), name, Depth::default())?;
        match &mut log.inner {
            Inner::Json(own) => own.set_live(),
            Inner::Text(own) => own.set_live(),
            Inner::Csv(own) => own.set_live(),
            Inner::Empty | Inner::Evtx(_) | Inner::Lines(_) | Inner::Archive(_) => {}
        }
        Ok(log)
    }

    /// Opens what stands inside an archive or a compressed file.
    fn inside(mut reader: Bytes, name: Arc<str>, depth: Depth) -> Result<Log, LogError> {
        let mut head = Vec::new();
        match reader.by_ref().take(PEEK as u64).read_to_end(&mut head) {
            Err(error) if head.is_empty() => Err(error.into()),
            // What was read comes first.
            Err(error) => Log::stream(head, Box::new(Failing(error)), name, depth),
            Ok(_) => Log::stream(head, reader, name, depth),
        }
    }

    fn stream(head: Vec<u8>, reader: Bytes, name: Arc<str>, depth: Depth) -> Result<Log, LogError> {
        match Format::recognise(&head) {
            Format::Empty if head.len() < PEEK => Ok(Log::new(name, Inner::Empty)),
            Format::Empty | Format::Json => {
                let log = JsonLog::new(head, reader, name.clone());
                Ok(Log::new(name, Inner::Json(Box::new(log))))
            }
            Format::Xml | Format::WindowsText | Format::Auditd | Format::Syslog | Format::Lines => {
                let log = TextLog::new(head, reader, name.clone());
                Ok(Log::new(name, Inner::Text(log)))
            }
            Format::Csv => {
                let log = CsvLog::new(head, reader, name.clone());
                Ok(Log::new(name, Inner::Csv(log)))
            }
            Format::Evtx => {
                let (file, failed) = archive::spool(head, reader)?;
                let log = Inner::Evtx(EvtxLog::from_seekable(file)?);
                Ok(Log { failed, ..Log::new(name, log) })
            }
            Format::Gzip => {
                let depth = depth.in_packing()?;
                Log::inside(archive::gzip(whole(head, reader)), name, depth)
            }
            Format::Zstd => {
                let depth = depth.in_packing()?;
                Log::inside(archive::zstd(whole(head, reader))?, name, depth)
            }
            Format::Zip => {
                let (file, failed) = archive::spool(head, reader)?;
                Ok(Log { failed, ..Log::zip(Box::new(file), name, depth)? })
            }
            Format::Tar => {
                let log = ArchiveLog::tar(whole(head, reader), name.clone(), depth.in_archive()?);
                Ok(Log::new(name, Inner::Archive(Box::new(log))))
            }
            Format::Unread(what) => Err(LogError::Unread(what)),
        }
    }

    fn zip(
        file: Box<dyn archive::Seekable>,
        name: Arc<str>,
        depth: Depth,
    ) -> Result<Log, LogError> {
        let log = ArchiveLog::zip(file, name.clone(), depth.in_archive()?);
        Ok(Log::new(name, Inner::Archive(Box::new(log))))
    }

    fn new(name: Arc<str>, inner: Inner) -> Log {
        Log { name, inner, units: 0, failed: None }
    }

    /// Sets how many bytes of text make a unit, about. Says nothing about what is read.
    pub fn set_stretch(&mut self, bytes: usize) {
        match &mut self.inner {
            Inner::Json(log) => log.set_stretch(bytes),
            Inner::Text(log) => log.set_stretch(bytes),
            Inner::Csv(log) => log.set_stretch(bytes),
            Inner::Archive(log) => log.set_stretch(bytes),
            Inner::Empty | Inner::Evtx(_) | Inner::Lines(_) => {}
        }
    }

    /// The log as the user named it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The next stretch, `None` at the end. When the system fails in the middle of a log, what
    /// was read comes first and [`Log::failure`] tells. The units of an archive are those of its
    /// members; what became of these, [`Log::take_members`] tells.
    pub fn next_unit(&mut self) -> Option<Unit> {
        let content = match &mut self.inner {
            Inner::Archive(log) => return log.next_unit(),
            Inner::Empty => None,
            Inner::Evtx(log) => log.next_unit().map(Content::Evtx),
            Inner::Json(log) => Log::unit(log.next_unit(), &mut self.failed).map(Content::Json),
            Inner::Text(log) => Log::unit(log.next_unit(), &mut self.failed).map(Content::Text),
            Inner::Csv(log) => Log::unit(log.next_unit(), &mut self.failed).map(Content::Csv),
            Inner::Lines(log) => Log::unit(log.next_unit(), &mut self.failed).map(Content::Json),
        }?;
        let place = UnitPlace { log: self.name.clone(), unit: self.units };
        self.units += 1;
        Some(Unit { place, content })
    }

    fn unit<T>(unit: std::io::Result<Option<T>>, failed: &mut Option<String>) -> Option<T> {
        unit.unwrap_or_else(|error| {
            *failed = Some(error.to_string());
            None
        })
    }

    /// What went wrong while reading, if something did. Of an archive: what is wrong with it as a
    /// whole, once it is at its end.
    pub fn failure(&self) -> Option<&str> {
        let of_archive = match &self.inner {
            Inner::Archive(log) => log.failure(),
            _ => None,
        };
        self.failed.as_deref().or(of_archive)
    }

    /// What came to its end inside of an archive since this was last asked.
    pub fn take_members(&mut self) -> Members {
        match &mut self.inner {
            Inner::Archive(log) => log.take_members(),
            _ => Members::default(),
        }
    }

    /// Whether it is an archive whose members, so far, count as logs in its stead.
    pub fn has_members(&self) -> bool {
        matches!(&self.inner, Inner::Archive(log) if log.has_members())
    }
}

/// Bytes with those put back that were looked at.
fn whole(head: Vec<u8>, reader: Bytes) -> Bytes {
    Box::new(Cursor::new(head).chain(reader))
}

/// A reader that failed, and fails for ever.
struct Failing(std::io::Error);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::new(self.0.kind(), self.0.to_string()))
    }
}

impl Unit {
    /// Reads the unit's records. The costly part of a reader, so it belongs on any free thread.
    pub fn into_records(self) -> Records {
        match self.content {
            Content::Evtx(unit) => unit.into_records(&self.place.log),
            Content::Json(records) => records,
            Content::Text(unit) => unit.into_records(),
            Content::Csv(unit) => unit.into_records(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_content() {
        let cases: [(&[u8], Format); 18] = [
            (b"ElfFile\0rest", Format::Evtx),
            (b"\x1f\x8b\x08", Format::Gzip),
            (b"PK\x03\x04", Format::Zip),
            (b"\x28\xb5\x2f\xfd", Format::Zstd),
            (b"\0\0\0\x20ftypisom", Format::Unread("MP4 video")),
            (b"", Format::Empty),
            (b" \n", Format::Empty),
            (b"{\"a\":1}", Format::Json),
            (b"\xef\xbb\xbf{\"a\":1}", Format::Json),
            (b"\xff\xfe{\0\"\0", Format::Json),
            (b"\xfe\xff\0{\0\"", Format::Json),
            (b"[\n {\"a\":1}]", Format::Json),
            (b"Record 1\r\n{\"a\":1}", Format::Json),
            (b"Record 1 of\n{\"a\":1}", Format::Unread("text of no known log format")),
            (b"[2024-01-01] hello", Format::Unread("text of no known log format")),
            (b"<Event/>", Format::Xml),
            (b"hello", Format::Unread("text of no known log format")),
            (b"\x00\x05\x16\x07", Format::Unread("binary file of no known log format")),
        ];
        for (head, expected) in cases {
            assert_eq!(Format::recognise(head), expected, "{head:?}");
        }
    }
}
