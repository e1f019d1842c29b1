//! Records in JSON text: where one ends, and where to go on behind what is none.

use memchr::{memchr, memchr2, memmem, memrchr};

use super::records::Numbering;
use crate::tokens::{MAX_DEPTH, skip_space, string_end};

/// Text with records in it.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) numbering: Numbering,
    /// How far the line is indented that the text starts in the middle of.
    pub(crate) inside: Option<usize>,
}

/// How far an object reaches by its brackets alone.
enum Reach {
    /// To here.
    Ends(usize),
    /// Its brackets do not fit.
    Broken,
    /// Past the end of the text.
    Open,
}

/// Where to go on behind something that is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resume {
    pub(crate) at: usize,
    /// Whether more text behind this one could change that.
    pub(crate) certain: bool,
}

/// Behind white space, the punctuation between the elements of a list, and lines that number the
/// records.
pub(crate) fn between(bytes: &[u8], mut at: usize) -> usize {
    loop {
        at = skip_space(bytes, at);
        match bytes.get(at) {
            Some(b',' | b'[' | b']') => at += 1,
            Some(0xef) if bytes[at..].starts_with(b"\xef\xbb\xbf") => at += 3,
            Some(b'R') => match number_line(&bytes[at..]) {
                Some(length) => at += length,
                None => return at,
            },
            _ => return at,
        }
    }
}

/// What `evtx_dump` puts on a line before each record, whose number follows.
const NUMBER_LINE: &[u8] = b"Record ";

/// The length of the line that says which record follows, if `text` starts with one.
pub(crate) fn number_line(text: &[u8]) -> Option<usize> {
    let number = text.strip_prefix(NUMBER_LINE)?;
    let digits = number.iter().take(20).take_while(|b| b.is_ascii_digit()).count();
    let ends = matches!(number.get(digits), Some(b'\r' | b'\n'));
    (digits > 0 && ends).then_some(NUMBER_LINE.len() + digits)
}

/// `text` without the line at its end that says which record follows, if there is one.
pub(crate) fn before_number_line(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_end();
    let digits = text.iter().rev().take(20).take_while(|b| b.is_ascii_digit()).count();
    match text[..text.len() - digits].strip_suffix(NUMBER_LINE) {
        Some(rest) if digits > 0 && rest.ends_with(b"\n") => rest.trim_ascii_end(),
        _ => text,
    }
}

impl Text<'_> {
    /// Where to go on after what starts at `start` and is no record: behind it, if its brackets
    /// say where it ends; else at the next line that opens an object no deeper than it. In a list,
    /// elements on the same line are looked for first.
    pub(crate) fn resume(&self, start: usize) -> Resume {
        let settled = |at| Resume { at, certain: true };
        let is_object = self.bytes.get(start) == Some(&b'{');
        let mut certain = true;
        if is_object {
            match self.reach(start) {
                Reach::Ends(end) => return settled(end),
                Reach::Broken => {}
                Reach::Open => certain = false,
            }
        }
        let line_end = self.line_end(start);
        if self.numbering == Numbering::Ordinals {
            let line = &self.bytes[start..line_end];
            let inner =
                if is_object { memmem::find(line, b"},{").map(|n| n + 2) } else { element(line) };
            if let Some(inner) = inner {
                return Resume { at: start + inner, certain };
            }
        }
        match self.next_line(start, line_end) {
            Some(at) => Resume { at, certain },
            None => Resume { at: self.bytes.len(), certain: false },
        }
    }

    /// The next line that opens an object no deeper than what starts at `start`.
    fn next_line(&self, start: usize, line_end: usize) -> Option<usize> {
        let indent = self.indent(start);
        let mut at = line_end;
        while at < self.bytes.len() {
            let text = skip_space_on_line(self.bytes, at + 1);
            if self.bytes.get(text) == Some(&b'{') && text - (at + 1) <= indent {
                return Some(at + 1);
            }
            at = self.line_end(at + 1);
        }
        None
    }

    /// How far the line is indented that `at` is on.
    pub(crate) fn indent(&self, at: usize) -> usize {
        let newline = memrchr(b'\n', &self.bytes[..at]);
        let start = match (newline, self.inside) {
            (Some(newline), _) => newline + 1,
            (None, Some(indent)) => return indent,
            (None, None) => 0,
        };
        skip_space_on_line(&self.bytes[..at], start) - start
    }

    fn line_end(&self, from: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        memchr(b'\n', rest).map_or(self.bytes.len(), |length| from + length)
    }

    /// Follows the brackets of the object at `start`. Where an object opens that no list or key
    /// stands before, or a string has a line end in it, something is missing.
    fn reach(&self, start: usize) -> Reach {
        let mut open: Vec<u8> = Vec::new();
        let (mut at, mut before) = (start, b':');
        loop {
            at = skip_space(self.bytes, at);
            let Some(byte) = self.bytes.get(at) else { return Reach::Open };
            let list = open.last() == Some(&b']');
            match byte {
                b'{' if before == b':' || before == b'[' || (before == b',' && list) => {
                    open.push(b'}');
                }
                b'{' => return Reach::Broken,
                b'[' => open.push(b']'),
                b'}' | b']' => {
                    if open.pop() != Some(*byte) {
                        return Reach::Broken;
                    }
                    if open.is_empty() {
                        return Reach::Ends(at + 1);
                    }
                }
                b'"' => {
                    let Some(end) = string_end(self.bytes, at + 1) else {
                        let rest = &self.bytes[at..];
                        return if memchr(b'\n', rest).is_some() {
                            Reach::Broken
                        } else {
                            Reach::Open
                        };
                    };
                    if memchr(b'\n', &self.bytes[at..end]).is_some() {
                        return Reach::Broken;
                    }
                    at = end;
                }
                _ => {}
            }
            if open.len() > MAX_DEPTH as usize {
                return Reach::Broken;
            }
            before = *byte;
            at += 1;
        }
    }
}

/// Behind the first element of a list's line that is no object, if something follows on the line.
fn element(line: &[u8]) -> Option<usize> {
    let from = match line {
        [b'"', ..] => string_end(line, 1)?,
        _ => 0,
    };
    memchr2(b',', b']', &line[from..]).map(|length| from + length)
}

fn skip_space_on_line(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}
