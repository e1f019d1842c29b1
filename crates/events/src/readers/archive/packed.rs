//! Compressed bytes, unpacked as they are read.

use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Crc;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use tempfile::SpooledTempFile;

use super::Bytes;

/// Bytes unpacked before their ratio is looked at, and how many one packed byte may give.
const UNSUSPECTED: u64 = 1 << 30;
const LARGEST_RATIO: u64 = 1000;

/// Bytes that are read at a time.
const BLOCK: usize = 64 << 10;

/// The window of a zstd stream is kept in memory; this is the largest its own tool takes unasked.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Bytes of a spooled file that are kept in memory; more go to the disk.
const IN_MEMORY: usize = 64 << 20;

/// Unpacks gzip, all members of it.
pub(crate) fn gzip(packed: Bytes) -> Bytes {
    let (input, count) = Counted::new(packed);
    Bounded::boxed(MultiGzDecoder::new(input), count)
}

/// Unpacks zstd, all frames of it.
pub(crate) fn zstd(packed: Bytes) -> io::Result<Bytes> {
    let (input, count) = Counted::new(packed);
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(Bounded::boxed(decoder, count))
}

/// Unpacks deflate without any header.
pub(super) fn deflate(packed: Bytes) -> Bytes {
    let (input, count) = Counted::new(packed);
    Bounded::boxed(DeflateDecoder::new(input), count)
}

/// All bytes, so that they can be read at any place, and what kept more from being there.
pub(crate) fn spool(head: Vec<u8>, rest: Bytes) -> io::Result<(SpooledTempFile, Option<String>)> {
    let mut file = SpooledTempFile::new(IN_MEMORY);
    let copied = io::copy(&mut Cursor::new(head).chain(rest), &mut file);
    file.seek(SeekFrom::Start(0))?;
    Ok((file, copied.err().map(|error| error.to_string())))
}

/// Counts what is read through it.
struct Counted {
    inner: Bytes,
    count: Arc<AtomicU64>,
}

impl Counted {
    fn new(inner: Bytes) -> (BufReader<Self>, Arc<AtomicU64>) {
        let count = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner, count: count.clone() };
        (BufReader::with_capacity(BLOCK, counted), count)
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Ends what unpacks to far more than anybody has packed.
struct Bounded<R> {
    inner: R,
    packed: Arc<AtomicU64>,
    unpacked: u64,
    unsuspected: u64,
}

impl<R: Read + Send + 'static> Bounded<R> {
    fn boxed(inner: R, packed: Arc<AtomicU64>) -> Bytes {
        Box::new(Bounded { inner, packed, unpacked: 0, unsuspected: UNSUSPECTED })
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let packed = self.packed.load(Ordering::Relaxed);
        if self.unpacked > self.unsuspected && self.unpacked / LARGEST_RATIO > packed {
            return Err(broken("unpacks to more than 1,000 times its size, given up"));
        }
        let read = self.inner.read(buffer)?;
        self.unpacked += read as u64;
        Ok(read)
    }
}

/// Compares what was read with the size and checksum that were promised.
pub(super) struct Checked {
    inner: Bytes,
    sum: Crc,
    expected: Option<u32>,
    size: Option<u64>,
    read: u64,
    done: bool,
}

impl Checked {
    pub(super) fn boxed(inner: Bytes, expected: Option<u32>, size: Option<u64>) -> Bytes {
        Box::new(Checked { inner, sum: Crc::new(), expected, size, read: 0, done: false })
    }

    fn verdict(&self) -> io::Result<usize> {
        if self.size.is_some_and(|size| size != self.read) {
            return Err(broken(&format!(
                "damaged: {} bytes where the archive says {}",
                self.read,
                self.size.unwrap_or_default()
            )));
        }
        if self.expected.is_some_and(|expected| expected != self.sum.sum()) {
            return Err(broken("damaged: its checksum (CRC) is another than the archive says"));
        }
        Ok(0)
    }
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.done || buffer.is_empty() {
            return Ok(0);
        }
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        self.sum.update(&buffer[..read]);
        if read > 0 {
            return Ok(read);
        }
        self.done = true;
        self.verdict()
    }
}

pub(super) fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_unpacks_to_far_too_much_is_given_up() {
        let cases = [(1_000, 4_000_000, false), (5_000, 4_000_000, true), (1, 900_000, true)];
        for (packed, unpacked, whole) in cases {
            let packed = Arc::new(AtomicU64::new(packed));
            let inner = io::repeat(b' ').take(unpacked);
            let mut bounded = Bounded { inner, packed, unpacked: 0, unsuspected: 1_000_000 };
            let result = io::copy(&mut bounded, &mut io::sink());
            assert_eq!(result.is_ok(), whole, "{unpacked} bytes");
            assert!(bounded.unpacked <= unpacked);
        }
    }

    #[test]
    fn size_and_checksum_are_compared() {
        let mut sum = Crc::new();
        sum.update(b"text");
        let cases = [
            (Some(sum.sum()), Some(4), None),
            (None, None, None),
            (Some(1), Some(4), Some("CRC")),
            (Some(sum.sum()), Some(5), Some("4 bytes where the archive says 5")),
        ];
        for (expected, size, reason) in cases {
            let mut checked = Checked::boxed(Box::new(&b"text"[..]), expected, size);
            let mut text = String::new();
            let result = checked.read_to_string(&mut text).map_err(|error| error.to_string());
            assert_eq!(result.is_ok(), reason.is_none(), "{result:?}");
            assert!(reason.is_none_or(|reason| result.is_err_and(|said| said.contains(reason))));
        }
    }
}
