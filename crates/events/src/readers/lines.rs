//! Plain text, on request only: every line is an event whose one value, `message`, is the line.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use super::records::{Layout, Records, spare_buffer};

/// Lines that make a unit.
const LINES: usize = 8192;

pub(crate) struct LinesLog {
    reader: BufReader<Box<dyn Read + Send>>,
    log: Arc<str>,
    next_line: u64,
}

impl LinesLog {
    pub(crate) fn new(reader: Box<dyn Read + Send>, log: Arc<str>) -> Self {
        LinesLog { reader: BufReader::new(reader), log, next_line: 1 }
    }

    pub(crate) fn next_unit(&mut self) -> io::Result<Option<Records>> {
        let (mut bytes, mut records, mut source_bytes) = (spare_buffer(), Vec::new(), 0);
        let mut line = Vec::new();
        for _ in 0..LINES {
            line.clear();
            let read = self.reader.read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            source_bytes += read as u64;
            let number = self.next_line;
            self.next_line += 1;
            let text = line.trim_ascii_end();
            if !text.is_empty() {
                let start = bytes.len();
                write_event(text, &mut bytes);
                records.push((number, start..bytes.len()));
            }
        }
        let layout = Layout::Cut(records);
        let (log, skipped) = (self.log.clone(), Default::default());
        let unit = Records { bytes, layout, source_bytes, skipped, log };
        Ok((source_bytes > 0).then_some(unit))
    }
}

/// The line as a JSON object; bytes that JSON has to escape are escaped.
fn write_event(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"message\":\"");
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.extend_from_slice(b"\"}");
}
