//! Archives: logs inside a file, read one after the other without unpacking the file.
//!
//! Nothing is opened before its turn comes. A member is named `archive!member` and recognised by
//! its content like any log; what cannot be read of an archive is said, and what can be is read.

mod packed;
mod tar;
mod zip;

use std::io::{Cursor, Read, Seek};
use std::sync::Arc;

use self::tar::TarMembers;
use self::zip::ZipMembers;
use super::records::{Layout, Numbering, Records};
use super::{Content, Log, LogError, Unit, UnitPlace};
use crate::Tally;

pub(crate) use packed::{gzip, spool, zstd};
pub(crate) use tar::is_header as is_tar;

/// Bytes of a member, in their order.
pub(crate) type Bytes = Box<dyn Read + Send>;

/// Something that can be read at any place.
pub(crate) trait Seekable: Read + Seek + Send {}

impl<T: Read + Seek + Send> Seekable for T {}

/// How deep in archives and compressed files a log is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Depth {
    archives: u8,
    /// Compressions right inside one another.
    packings: u8,
}

/// Archives inside one another that are opened, and compressions likewise.
const DEEPEST: u8 = 4;

impl Depth {
    /// Inside an archive that is found here.
    pub(crate) fn in_archive(self) -> Result<Depth, LogError> {
        if self.archives == DEEPEST {
            return Err(LogError::Unread("archive inside four others"));
        }
        Ok(Depth { archives: self.archives + 1, packings: 0 })
    }

    /// Inside a compressed file that is found here.
    pub(crate) fn in_packing(self) -> Result<Depth, LogError> {
        if self.packings == DEEPEST {
            return Err(LogError::Unread("compressed file inside four others"));
        }
        Ok(Depth { packings: self.packings + 1, ..self })
    }
}

/// What came to its end in an archive since it was last asked.
#[derive(Debug, Default)]
pub struct Members {
    /// The logs among its members, by name: why before their time, if something went wrong.
    pub ended: Vec<(Arc<str>, Result<(), LogError>)>,
    /// Members that were passed over.
    pub tally: Tally,
}

/// Ends of members that are gathered before they are handed on, with a unit of no records if
/// there is no other.
const GATHERED: usize = 1024;

/// What an archive has next.
enum Member {
    /// A file, or why it cannot be read.
    File { name: String, content: Result<Bytes, LogError> },
    /// Something that is passed over, and the reason.
    Skipped { name: String, reason: &'static str },
}

enum Container {
    Zip(ZipMembers),
    Tar(TarMembers),
}

pub(crate) struct ArchiveLog {
    name: Arc<str>,
    container: Container,
    /// Of its members.
    depth: Depth,
    current: Option<Box<Log>>,
    gathered: Members,
    /// Those that came to their end.
    members: u64,
    stretch: Option<usize>,
}

impl ArchiveLog {
    pub(crate) fn zip(file: Box<dyn Seekable>, name: Arc<str>, depth: Depth) -> Self {
        ArchiveLog::new(Container::Zip(ZipMembers::new(file)), name, depth)
    }

    pub(crate) fn tar(bytes: Bytes, name: Arc<str>, depth: Depth) -> Self {
        ArchiveLog::new(Container::Tar(TarMembers::new(bytes)), name, depth)
    }

    fn new(container: Container, name: Arc<str>, depth: Depth) -> Self {
        ArchiveLog {
            name,
            container,
            depth,
            current: None,
            gathered: Members::default(),
            members: 0,
            stretch: None,
        }
    }

    pub(crate) fn set_stretch(&mut self, bytes: usize) {
        self.stretch = Some(bytes);
    }

    pub(crate) fn take_members(&mut self) -> Members {
        std::mem::take(&mut self.gathered)
    }

    /// Whether members that were read or not speak for the archive.
    pub(crate) fn has_members(&self) -> bool {
        self.members > 0
    }

    /// What is wrong with the archive itself.
    pub(crate) fn failure(&self) -> Option<&str> {
        match &self.container {
            Container::Zip(members) => members.failure(),
            Container::Tar(members) => members.failure(),
        }
    }

    pub(crate) fn next_unit(&mut self) -> Option<Unit> {
        loop {
            if let Some(mut log) = self.current.take() {
                let unit = log.next_unit();
                self.take_over(log.take_members());
                if unit.is_some() {
                    self.current = Some(log);
                    return unit;
                }
                self.end(&log);
            }
            if self.gathered.ended.len() >= GATHERED {
                return Some(self.empty_unit());
            }
            let member = match &mut self.container {
                Container::Zip(members) => members.next(),
                Container::Tar(members) => members.next(),
            }?;
            self.open(member);
        }
    }

    fn open(&mut self, member: Member) {
        let (name, content) = match member {
            Member::Skipped { name, reason } => return self.skip(&name, reason),
            Member::File { name, .. } if is_macos_folder(&name) => {
                return self.skip(&name, RESOURCE_FORK);
            }
            Member::File { name, content } => (name, content),
        };
        let content = match content.map(|content| without_fork(&name, content)) {
            Ok(Some(content)) => Ok(content),
            Ok(None) => return self.skip(&name, RESOURCE_FORK),
            Err(error) => Err(error),
        };
        let log: Arc<str> = self.name_of(&name).into();
        match content.and_then(|content| Log::inside(content, log.clone(), self.depth)) {
            Ok(mut opened) => {
                if let Some(bytes) = self.stretch {
                    opened.set_stretch(bytes);
                }
                self.current = Some(Box::new(opened));
            }
            Err(error) => {
                self.members += 1;
                self.gathered.ended.push((log, Err(error)));
            }
        }
    }

    /// A member's name in output. Whoever made the archive chose it: it must not steer a terminal.
    fn name_of(&self, member: &str) -> String {
        let clean = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        let clean: String = member.chars().map(clean).collect();
        format!("{}!{clean}", self.name)
    }

    fn skip(&mut self, name: &str, reason: &str) {
        let place = self.name_of(name);
        self.gathered.tally.skip(reason, place, 0);
    }

    /// Takes over what came to its end in an archive inside this one.
    fn take_over(&mut self, inner: Members) {
        self.members += inner.ended.len() as u64;
        self.gathered.ended.extend(inner.ended);
        self.gathered.tally.add(inner.tally);
    }

    fn end(&mut self, log: &Log) {
        let result = match log.failure() {
            Some(failure) => Err(LogError::Io(std::io::Error::other(failure.to_owned()))),
            None if log.has_members() => return,
            None => Ok(()),
        };
        let ended = vec![(log.name().clone(), result)];
        self.take_over(Members { ended, ..Members::default() });
    }

    fn empty_unit(&self) -> Unit {
        let layout = Layout::Text { first: 1, numbering: Numbering::Lines, inside: None };
        let records = Records {
            bytes: Vec::new(),
            layout,
            source_bytes: 0,
            skipped: Default::default(),
            log: self.name.clone(),
        };
        let place = UnitPlace { log: self.name.clone(), unit: 0 };
        Unit { place, content: Content::Json(records) }
    }
}

/// What macOS puts beside a file, or into a folder of its own, when it makes an archive.
const RESOURCE_FORK: &str = "macOS resource fork in an archive";

/// How such a file starts: AppleDouble.
const APPLE_DOUBLE: &[u8] = b"\x00\x05\x16\x07";

fn is_macos_folder(name: &str) -> bool {
    name.split(['/', '\\']).any(|part| part == "__MACOSX")
}

/// The content, unless name and first bytes say that it is a resource fork.
fn without_fork(name: &str, mut content: Bytes) -> Option<Bytes> {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    if !file.starts_with("._") {
        return Some(content);
    }
    let mut head = Vec::new();
    // An error comes again to whoever reads on.
    let _ = content.by_ref().take(APPLE_DOUBLE.len() as u64).read_to_end(&mut head);
    (head != APPLE_DOUBLE).then(|| Box::new(Cursor::new(head).chain(content)) as Bytes)
}

/// A little-endian number; bytes that are not there are zeros.
fn little_endian(bytes: &[u8], at: usize, length: usize) -> u64 {
    let digits = bytes.get(at..at + length).unwrap_or_default();
    digits.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
