//! Tar archives, read front to back: old, POSIX (ustar, pax) and GNU.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::packed::broken;
use super::{Bytes, Member};
use crate::readers::LogError;

const BLOCK: usize = 512;

/// Bytes of a name or of other extensions that are looked at.
const LONGEST_EXTENSION: u64 = 64 << 10;

pub(crate) struct TarMembers {
    stream: Arc<Mutex<Stream>>,
    /// Whether the zeros at the end of an archive were seen: what follows need not be one.
    closed: bool,
    done: bool,
    failure: Option<String>,
}

/// The archive, as far as it was read.
struct Stream {
    bytes: Bytes,
    /// Bytes of the member that are still to come, and of the rest of its last block.
    left: u64,
    padding: u64,
}

/// A member's bytes, for whoever reads them.
struct Content(Arc<Mutex<Stream>>);

/// What headers before a member's own say about it.
#[derive(Default)]
struct Extensions {
    name: Option<String>,
    size: Option<u64>,
    sparse: bool,
}

/// Whether a block is the header of a member: its checksum fits.
pub(crate) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK) else { return false };
    let sum = |as_number: fn(u8) -> i64| {
        let byte = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { b' ' } else { *byte };
        block.iter().enumerate().map(|entry| as_number(byte(entry))).sum::<i64>()
    };
    // Some old programs summed signed bytes.
    let sums = [sum(i64::from), sum(|byte| i64::from(byte.cast_signed()))];
    let said = octal(&block[148..156]).and_then(|said| i64::try_from(said).ok());
    said.is_some_and(|said| sums.contains(&said))
}

impl TarMembers {
    pub(crate) fn new(bytes: Bytes) -> Self {
        let stream = Stream { bytes, left: 0, padding: 0 };
        TarMembers {
            stream: Arc::new(Mutex::new(stream)),
            closed: false,
            done: false,
            failure: None,
        }
    }

    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(crate) fn next(&mut self) -> Option<Member> {
        let mut extensions = Extensions::default();
        while !self.done {
            let header = match self.next_header() {
                Ok(Some(header)) => header,
                Ok(None) => return None,
                Err(error) => {
                    self.done = true;
                    self.failure = Some(format!("tar archive: {error}"));
                    return None;
                }
            };
            let size = extensions.size.take().or(size_of(&header)).unwrap_or(0);
            let mut stream = lock(&self.stream);
            stream.start(size);
            match header[156] {
                b'L' => extensions.name = Some(text(&stream.extension())),
                b'x' => extensions.take_in(&stream.extension()),
                b'g' | b'K' => {}
                kind => {
                    drop(stream);
                    if let Some(member) = self.member(kind, &header, &mut extensions) {
                        return Some(member);
                    }
                    extensions = Extensions::default();
                }
            }
        }
        None
    }

    /// What a header stands for; `None` for a folder.
    fn member(&self, kind: u8, header: &[u8], extensions: &mut Extensions) -> Option<Member> {
        let name = extensions.name.take().unwrap_or_else(|| name_of(header));
        if kind == b'5' || name.ends_with('/') {
            return None;
        }
        let content: Result<Bytes, LogError> = match kind {
            b'1' | b'2' => return Some(Member::Skipped { name, reason: "link in an archive" }),
            b'3' | b'4' | b'6' => {
                return Some(Member::Skipped { name, reason: "device in an archive" });
            }
            b'S' => Err(LogError::Unread("sparse tar member")),
            _ if extensions.sparse => Err(LogError::Unread("sparse tar member")),
            _ => Ok(Box::new(Content(self.stream.clone()))),
        };
        Some(Member::File { name, content })
    }

    /// The next block that is a header, behind the rest of the member before.
    fn next_header(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let stream = self.stream.clone();
        let mut stream = lock(&stream);
        stream.pass()?;
        loop {
            let Some(block) = stream.block()? else {
                self.done = true;
                return Ok(None);
            };
            if is_header(&block) {
                self.closed = false;
                return Ok(Some(block));
            }
            if block.iter().all(|byte| *byte == 0) {
                self.closed = true;
            } else if !self.closed && self.failure.is_none() {
                let said = "damaged tar archive: members behind a broken header were looked for";
                self.failure = Some(said.to_owned());
            }
        }
    }
}

impl Stream {
    fn start(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    /// Passes over what nobody has read of a member.
    fn pass(&mut self) -> io::Result<()> {
        let whole = self.left;
        let passed = io::copy(&mut self.bytes.by_ref().take(whole), &mut io::sink())?;
        self.left = 0;
        if passed < whole {
            self.padding = 0;
            return Err(broken("cut off inside a member"));
        }
        let padding = std::mem::take(&mut self.padding);
        // Nothing is missing where only the padding is.
        io::copy(&mut self.bytes.by_ref().take(padding), &mut io::sink())?;
        Ok(())
    }

    fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let mut block = Vec::with_capacity(BLOCK);
        self.bytes.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        match <[u8; BLOCK]>::try_from(block) {
            Ok(block) => Ok(Some(block)),
            Err(part) if part.iter().all(|byte| *byte == 0) => Ok(None),
            Err(_) => Err(broken("cut off inside a header")),
        }
    }

    /// The bytes of a header that goes on in a member of its own, up to a bound.
    fn extension(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let wanted = self.left.min(LONGEST_EXTENSION);
        // An error comes again when the rest is passed over.
        let _ = self.bytes.by_ref().take(wanted).read_to_end(&mut bytes);
        self.left -= bytes.len() as u64;
        bytes
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut stream = lock(&self.0);
        let most = usize::try_from(stream.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = stream.bytes.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(broken("the tar archive is cut off inside this member"));
        }
        stream.left -= read as u64;
        Ok(read)
    }
}

impl Extensions {
    /// Takes in pax records: `LENGTH KEY=VALUE\n`, the length being that of the whole record.
    fn take_in(&mut self, mut records: &[u8]) {
        while let Some(space) = records.iter().position(|byte| *byte == b' ') {
            let length = std::str::from_utf8(&records[..space]).ok().and_then(|n| n.parse().ok());
            let Some(length) = length.filter(|n| (space + 1..=records.len()).contains(n)) else {
                return;
            };
            let record = &records[space + 1..length];
            records = &records[length..];
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let Some(equals) = record.iter().position(|byte| *byte == b'=') else { continue };
            let value = &record[equals + 1..];
            match &record[..equals] {
                b"path" => self.name = Some(text(value)),
                b"size" => self.size = text(value).parse().ok(),
                key => self.sparse |= key.starts_with(b"GNU.sparse"),
            }
        }
    }
}

fn lock(stream: &Mutex<Stream>) -> MutexGuard<'_, Stream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Text up to the first NUL.
fn text(bytes: &[u8]) -> String {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn name_of(header: &[u8]) -> String {
    let name = text(&header[..100]);
    // GNU's own headers have other things where POSIX has the start of a long name.
    match text(&header[345..500]) {
        prefix if header[257..263] == *b"ustar\0" && !prefix.is_empty() => {
            format!("{prefix}/{name}")
        }
        _ => name,
    }
}

/// The size in octal digits, or in binary where it needs more of them.
fn size_of(header: &[u8]) -> Option<u64> {
    match &header[124..136] {
        [0x80, digits @ ..] => {
            let (high, low) = digits.split_at(digits.len() - 8);
            let low = low.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            high.iter().all(|byte| *byte == 0).then_some(low)
        }
        digits => octal(digits),
    }
}

fn octal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    u64::from_str_radix(text.trim_matches([' ', '\0']), 8).ok()
}
