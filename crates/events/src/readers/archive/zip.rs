//! Zip archives: by their directory, or by the headers before each member where that is broken.
//!
//! The directory is read entry by entry, so that its length does not matter.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use memchr::memmem;

use super::packed::{Checked, broken, deflate, zstd};
use super::{Bytes, Member, Seekable, little_endian};
use crate::readers::LogError;

const LOCAL: &[u8] = b"PK\x03\x04";
const LISTED: &[u8] = b"PK\x01\x02";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const END_64_LOCATOR: &[u8] = b"PK\x06\x07";

/// Bytes of headers without what is of variable length.
const LOCAL_BYTES: usize = 30;
const LISTED_BYTES: usize = 46;
const END_BYTES: usize = 22;
const END_64_BYTES: usize = 56;
const LOCATOR_BYTES: usize = 20;

/// The longest comment behind the end of the directory.
const LONGEST_COMMENT: u64 = 0xffff;

/// Bytes looked through at a time, at first and later.
const LEAST_BLOCK: usize = 64;
const BLOCK: usize = 64 << 10;

/// What a size or place is where its true value is elsewhere.
const ELSEWHERE: u64 = 0xffff_ffff;

const ENCRYPTED: u64 = 1;
const SIZES_BEHIND: u64 = 1 << 3;

/// How members may be packed. Those without a name here are of an unknown method.
const UNREAD_METHODS: [(u64, &str); 9] = [
    (1, "zip member compressed with shrink"),
    (6, "zip member compressed with implode"),
    (9, "zip member compressed with deflate64"),
    (12, "zip member compressed with bzip2"),
    (14, "zip member compressed with LZMA"),
    (95, "zip member compressed with xz"),
    (97, "zip member compressed with WavPack"),
    (98, "zip member compressed with PPMd"),
    (99, "encrypted zip member"),
];

pub(crate) struct ZipMembers {
    source: Source,
    length: u64,
    way: Way,
    /// Packed bytes of all members so far: more than the archive has only if members overlap.
    packed: u64,
    failure: Option<String>,
}

enum Way {
    /// By the directory.
    Listed(Directory),
    /// By the headers from here on.
    Walked(u64),
    Done,
}

struct Directory {
    entries: BufReader<Part>,
    /// What stands before the archive in its file.
    before: u64,
    /// Entries that are still to come, as the end of the directory says.
    left: u64,
    /// Where the last of the members so far ends.
    behind: u64,
}

/// What is said about a member.
struct Header {
    name: Vec<u8>,
    flags: u64,
    method: u64,
    sum: Option<u32>,
    size: Option<u64>,
    packed: u64,
    is_link: bool,
}

impl ZipMembers {
    pub(crate) fn new(file: Box<dyn Seekable>) -> Self {
        let mut members = ZipMembers {
            source: Source(Arc::new(Mutex::new(file))),
            length: 0,
            way: Way::Done,
            packed: 0,
            failure: None,
        };
        match members.source.length() {
            Ok(length) => members.length = length,
            Err(error) => members.failure = Some(error.to_string()),
        }
        members.way = match members.directory() {
            Ok(Some(directory)) => Way::Listed(directory),
            Ok(None) => members.walk(0, "zip archive without a directory"),
            Err(error) => members.walk(0, &format!("zip archive whose directory fails ({error})")),
        };
        members
    }

    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(crate) fn next(&mut self) -> Option<Member> {
        loop {
            let member = match &mut self.way {
                Way::Done => return None,
                Way::Listed(_) => self.next_listed(),
                Way::Walked(at) => {
                    let at = *at;
                    self.next_walked(at)
                }
            };
            match member {
                Ok(Some(member)) => return Some(member),
                // A folder, or another way to go on.
                Ok(None) => {}
                Err(error) => {
                    self.way = Way::Done;
                    self.failure = Some(format!("zip archive: {error}"));
                }
            }
        }
    }

    /// From here on members are looked for.
    fn walk(&mut self, at: u64, why: &str) -> Way {
        self.failure.get_or_insert_with(|| format!("{why}: its members were looked for"));
        Way::Walked(at)
    }

    /// Finds the directory by what stands at the end of the archive.
    fn directory(&self) -> io::Result<Option<Directory>> {
        let tail_at = self.length.saturating_sub(LONGEST_COMMENT + END_BYTES as u64);
        let tail = self.source.read(tail_at, (self.length - tail_at) as usize)?;
        for at in memmem::rfind_iter(&tail, END) {
            let end = &tail[at..];
            let comment = little_endian(end, 20, 2) as usize;
            if END_BYTES + comment > end.len() {
                continue;
            }
            let said = [(10, 2), (12, 4), (16, 4)].map(|(at, bytes)| little_endian(end, at, bytes));
            let end_at = tail_at + at as u64;
            if let Some((end_at, said)) = self.end_64(end_at)? {
                return self.directory_before(end_at, said);
            }
            return self.directory_before(end_at, said);
        }
        Ok(None)
    }

    /// The place of the larger form of the directory's end, and what it says.
    fn end_64(&self, end_at: u64) -> io::Result<Option<(u64, [u64; 3])>> {
        let Some(locator_at) = end_at.checked_sub(LOCATOR_BYTES as u64) else { return Ok(None) };
        let locator = self.source.read(locator_at, LOCATOR_BYTES)?;
        if !locator.starts_with(END_64_LOCATOR) {
            return Ok(None);
        }
        // The second is where it is in an archive that something was put before.
        let places = [Some(little_endian(&locator, 8, 8)), locator_at.checked_sub(56)];
        for at in places.into_iter().flatten().filter(|at| *at < locator_at) {
            let end = self.source.read(at, END_64_BYTES)?;
            if end.starts_with(END_64) {
                let said = [(32, 8), (40, 8), (48, 8)];
                return Ok(Some((at, said.map(|(at, bytes)| little_endian(&end, at, bytes)))));
            }
        }
        Ok(None)
    }

    /// The directory that ends at a place, if there is one.
    fn directory_before(
        &self,
        end: u64,
        [entries, size, offset]: [u64; 3],
    ) -> io::Result<Option<Directory>> {
        let Some(start) = end.checked_sub(size) else { return Ok(None) };
        let places = [Some(start), Some(offset)];
        for start in places.into_iter().flatten().filter(|start| *start <= end) {
            let starts = self.source.read(start, LISTED.len())? == LISTED;
            let Some(before) =
                start.checked_sub(offset).filter(|_| starts || (entries == 0 && start == 0))
            else {
                continue;
            };
            let part = Part { source: self.source.clone(), at: start, end };
            let entries_of = BufReader::with_capacity(BLOCK, part);
            let directory = Directory { entries: entries_of, before, left: entries, behind: 0 };
            return Ok(Some(directory));
        }
        Ok(None)
    }

    fn next_listed(&mut self) -> io::Result<Option<Member>> {
        let Way::Listed(directory) = &mut self.way else { return Ok(None) };
        let listed = match directory.next_entry()? {
            Some(listed) => listed,
            None if directory.left == 0 => {
                self.way = Way::Done;
                return Ok(None);
            }
            None => {
                let behind = directory.behind;
                self.way = self.walk(behind, "zip archive with a broken directory");
                return Ok(None);
            }
        };
        let (header, offset) = listed;
        let at = directory.before.saturating_add(offset);
        let local = self.source.read(at, LOCAL_BYTES)?;
        let name = clean_name(&header.name);
        if !local.starts_with(LOCAL) || local.len() < LOCAL_BYTES {
            let error = broken("damaged: the archive has no header where its directory says");
            return Ok(Some(Member::File { name, content: Err(error.into()) }));
        }
        let start = at + LOCAL_BYTES as u64 + variable_bytes(&local, [26, 28]);
        let end = start.saturating_add(header.packed);
        directory.behind = directory.behind.max(end.min(self.length));
        self.packed = self.packed.saturating_add(header.packed);
        if self.packed > self.length {
            self.way = Way::Done;
            self.failure = Some("zip archive whose members overlap, given up".to_owned());
            return Ok(None);
        }
        Ok(self.member(&header, start, end))
    }

    /// The member whose header is at a place or, if there is none, behind it.
    fn next_walked(&mut self, at: u64) -> io::Result<Option<Member>> {
        let Some(at) = self.find(at, &[LOCAL])? else {
            self.way = Way::Done;
            return Ok(None);
        };
        let local = self.source.read(at, LOCAL_BYTES)?;
        let start = at + LOCAL_BYTES as u64 + variable_bytes(&local, [26, 28]);
        if local.len() < LOCAL_BYTES || start > self.length {
            self.way = Way::Walked(at + LOCAL.len() as u64);
            return Ok(None);
        }
        let variable = self.source.read(at + LOCAL_BYTES as u64, (start - at) as usize)?;
        let (name, extra) = variable.split_at(variable.len().min(length_at(&local, 26)));
        let extra = &extra[..extra.len().min(length_at(&local, 28))];
        let [size, packed] = sizes_64(extra, [22, 18].map(|at| little_endian(&local, at, 4)));
        let mut header = Header {
            name: name.to_vec(),
            flags: little_endian(&local, 6, 2),
            method: little_endian(&local, 8, 2),
            sum: Some(little_endian(&local, 14, 4) as u32),
            size: Some(size),
            packed,
            is_link: false,
        };
        let end = self.end_of(&mut header, start)?;
        self.way = Way::Walked(end);
        if header.method == 0 && header.size.is_none() {
            let content = Err(LogError::Unread("zip member without a size"));
            return Ok(Some(Member::File { name: clean_name(&header.name), content }));
        }
        Ok(self.member(&header, start, end))
    }

    /// Where a member ends of which only its own header is known: where that says, if something
    /// of an archive follows there, else before the next thing that does.
    fn end_of(&self, header: &mut Header, start: u64) -> io::Result<u64> {
        let end = start.saturating_add(header.packed);
        if header.flags & SIZES_BEHIND == 0 {
            let behind = self.source.read(end, LOCAL.len())?;
            if end == self.length || FOLLOWING.contains(&&*behind) {
                return Ok(end);
            }
        } else {
            (header.sum, header.size) = (None, None);
        }
        let Some(next) = self.find(start, &FOLLOWING)? else { return Ok(self.length) };
        if header.flags & SIZES_BEHIND != 0 {
            let descriptor = self.source.read(next, 8)?;
            if descriptor.starts_with(DESCRIPTOR) {
                header.sum = Some(little_endian(&descriptor, 4, 4) as u32);
            }
        }
        Ok(next)
    }

    /// The place of the first of some marks from a place on.
    fn find(&self, mut at: u64, marks: &[&[u8]]) -> io::Result<Option<u64>> {
        // Mostly the mark is right there; many short members must not read a block each.
        let mut length = LEAST_BLOCK;
        while at < self.length {
            let block = self.source.read(at, length)?;
            length = (length * 4).min(BLOCK);
            let is_mark =
                |place: &usize| marks.iter().any(|mark| block[*place..].starts_with(mark));
            if let Some(found) = memmem::find_iter(&block, b"PK").find(is_mark) {
                return Ok(Some(at + found as u64));
            }
            // A mark may go over the end of a block.
            at += block.len().saturating_sub(LOCAL.len() - 1).max(1) as u64;
        }
        Ok(None)
    }

    fn member(&self, header: &Header, start: u64, end: u64) -> Option<Member> {
        let name = clean_name(&header.name);
        if name.ends_with(['/', '\\']) {
            return None;
        }
        if header.is_link {
            return Some(Member::Skipped { name, reason: "link in an archive" });
        }
        let part = Part { source: self.source.clone(), at: start, end };
        Some(Member::File { name, content: unpacked(header, Box::new(part)) })
    }
}

/// What may follow a member.
const FOLLOWING: [&[u8]; 5] = [LOCAL, LISTED, DESCRIPTOR, END, END_64];

fn unpacked(header: &Header, packed: Bytes) -> Result<Bytes, LogError> {
    if header.flags & ENCRYPTED != 0 {
        return Err(LogError::Unread("encrypted zip member"));
    }
    let bytes = match header.method {
        0 => packed,
        8 => deflate(packed),
        20 | 93 => zstd(packed)?,
        method => {
            let known = UNREAD_METHODS.iter().find(|(of, _)| *of == method);
            let unknown = "zip member compressed in an unknown way";
            return Err(LogError::Unread(known.map_or(unknown, |(_, name)| name)));
        }
    };
    Ok(Checked::boxed(bytes, header.sum, header.size))
}

impl Directory {
    /// The next entry and the place of its member. `None` where there is no entry.
    fn next_entry(&mut self) -> io::Result<Option<(Header, u64)>> {
        let mut entry = [0; LISTED_BYTES];
        if !fill(&mut self.entries, &mut entry)? || !entry.starts_with(LISTED) {
            return Ok(None);
        }
        let mut name = vec![0; length_at(&entry, 28)];
        let mut extra = vec![0; length_at(&entry, 30)];
        let comment = little_endian(&entry, 32, 2);
        if !fill(&mut self.entries, &mut name)? || !fill(&mut self.entries, &mut extra)? {
            return Ok(None);
        }
        io::copy(&mut self.entries.by_ref().take(comment), &mut io::sink())?;
        let said = [24, 20, 42].map(|at| little_endian(&entry, at, 4));
        let [size, packed, offset] = sizes_64(&extra, said);
        // A count of 16 bits starts again from 0.
        self.left = self.left.saturating_sub(1);
        const UNIX: u64 = 3;
        let mode = little_endian(&entry, 40, 2);
        let header = Header {
            name,
            flags: little_endian(&entry, 8, 2),
            method: little_endian(&entry, 10, 2),
            sum: Some(little_endian(&entry, 16, 4) as u32),
            size: Some(size),
            packed,
            is_link: little_endian(&entry, 5, 1) == UNIX && mode & 0o170_000 == 0o120_000,
        };
        Ok(Some((header, offset)))
    }
}

/// Sizes and places, where they are too large for their own place out of the extra field.
fn sizes_64<const N: usize>(mut extra: &[u8], mut said: [u64; N]) -> [u64; N] {
    const SIZES_64: u64 = 1;
    while extra.len() >= 4 {
        let (of, length) = (little_endian(extra, 0, 2), length_at(extra, 2));
        let field = &extra[4..extra.len().min(4 + length)];
        if of == SIZES_64 {
            let mut large = field.chunks_exact(8);
            for own in said.iter_mut().filter(|own| **own == ELSEWHERE) {
                *own = large.next().map_or(*own, |bytes| little_endian(bytes, 0, 8));
            }
            break;
        }
        extra = &extra[extra.len().min(4 + length)..];
    }
    said
}

fn length_at(bytes: &[u8], at: usize) -> usize {
    little_endian(bytes, at, 2) as usize
}

fn variable_bytes(header: &[u8], lengths: [usize; 2]) -> u64 {
    lengths.iter().map(|at| little_endian(header, *at, 2)).sum()
}

/// Names are UTF-8 in whatever was made in this century, whether it says so or not.
fn clean_name(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// Fills a buffer; false at the end of what there is.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The archive's file, for several readers by turns.
#[derive(Clone)]
struct Source(Arc<Mutex<Box<dyn Seekable>>>);

impl Source {
    fn length(&self) -> io::Result<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).seek(SeekFrom::End(0))
    }

    /// The bytes at a place, fewer where the file ends.
    fn read(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let end = at.saturating_add(length as u64);
        let mut bytes = Vec::new();
        Part { source: self.clone(), at, end }.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A stretch of the archive's file.
struct Part {
    source: Source,
    at: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        // No file is so long, and no seek goes so far.
        if most == 0 || i64::try_from(self.at).is_err() {
            return Ok(0);
        }
        let mut file = self.source.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let read = file.read(&mut buffer[..most])?;
        self.at += read as u64;
        Ok(read)
    }
}
