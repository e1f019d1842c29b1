//! A file that is still being written, read as it grows.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long to wait before looking for more.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads a file and waits at its end for more.
///
/// It is at its end when it is told to stop, and when the file was cut back or another stands in
/// its place: then whoever reads opens it anew. What was written between two looks at a file that
/// was cut back and is longer again by then cannot be told from more of the old.
pub struct Tail {
    file: File,
    path: PathBuf,
    read: u64,
    stop: Arc<AtomicBool>,
}

impl Tail {
    /// Opens a file; reading ends when `stop` is set.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn open(path: &Path, stop: Arc<AtomicBool>) -> io::Result<Tail> {
        Ok(Tail { file: File::open(path)?, path: path.to_owned(), read: 0, stop })
    }

    /// Whether the file is not the one that was opened any more, or was cut back.
    fn is_over(&self) -> bool {
        // While a file is being replaced there is none for a moment.
        let Ok(now) = std::fs::metadata(&self.path) else { return false };
        let same = self.file.metadata().is_ok_and(|own| is_same(&own, &now));
        !same || now.len() < self.read
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}

impl Read for Tail {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            // Asked before reading, so that what was written until then is read to its end.
            let over = self.is_over() || self.stop.load(Ordering::Relaxed);
            let read = self.file.read(into)?;
            self.read += read as u64;
            if read > 0 || over || into.is_empty() {
                return Ok(read);
            }
            std::thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_read_as_it_grows_and_ends_when_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "one\n").unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let mut tail = Tail::open(&path, stop.clone()).unwrap();
        let mut text = [0; 16];
        assert_eq!(tail.read(&mut text).unwrap(), 4);
        let writer = {
            let path = path.clone();
            std::thread::spawn(move || {
                std::thread::sleep(2 * PAUSE);
                let mut file = File::options().append(true).open(&path).unwrap();
                file.write_all(b"two\n").unwrap();
                std::thread::sleep(2 * PAUSE);
                std::fs::rename(&path, path.with_extension("1")).unwrap();
                file.write_all(b"last\n").unwrap();
                std::fs::write(&path, "new\n").unwrap();
            })
        };
        let mut all = Vec::new();
        tail.read_to_end(&mut all).unwrap();
        writer.join().unwrap();
        assert_eq!(all, b"two\nlast\n", "what went into the old file is read to its end");
        let mut tail = Tail::open(&path, stop.clone()).unwrap();
        assert_eq!(tail.read(&mut text).unwrap(), 4);
        std::fs::write(&path, "x").unwrap();
        assert_eq!(tail.read(&mut text).unwrap(), 0, "cut back");
        stop.store(true, Ordering::Relaxed);
        let mut tail = Tail::open(&path, stop).unwrap();
        let mut all = Vec::new();
        tail.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"x", "what is there is read, then it ends");
    }
}
