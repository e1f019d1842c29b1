//! Writing records as JSON text.

/// Writes `text` as a JSON string. Bytes that are no UTF-8 stay; whoever decodes replaces them.
pub(crate) fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// Writes what stands between the quotes of a JSON string.
pub(crate) fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut from = 0;
    for (at, byte) in text.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&text[from..]);
}

/// An object being written: knows where commas go.
pub(crate) struct Object<'a> {
    pub(crate) out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Object { out, first: true }
    }

    /// The key of a member whose value the caller writes to `out`.
    pub(crate) fn key(&mut self, key: &[u8]) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        string(self.out, key);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn text(&mut self, key: &str, value: &[u8]) {
        string(self.key(key.as_bytes()), value);
    }

    /// As [`Object::text`], if there is something.
    pub(crate) fn text_if_any(&mut self, key: &str, value: &[u8]) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    pub(crate) fn close(self) {
        self.out.push(b'}');
    }
}

/// Whether the text is what a whole number is written as, so that it may stand without quotes.
pub(crate) fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    (1..=18).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && (digits[0] != b'0' || text == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        let cases: [(&[u8], &[u8]); 4] = [
            (b"plain", b"\"plain\""),
            (b"a\"b\\c", b"\"a\\\"b\\\\c\""),
            (b"\r\n\t\x01\x1f", b"\"\\r\\n\\t\\u0001\\u001f\""),
            ("é\u{7f}".as_bytes(), "\"é\u{7f}\"".as_bytes()),
        ];
        for (text, expected) in cases {
            let mut out = Vec::new();
            string(&mut out, text);
            assert_eq!(out, expected, "{text:?}");
        }
    }

    #[test]
    fn whole_numbers() {
        let cases = [("0", true), ("-5", true), ("4688", true), ("04", false), ("-0", false)];
        for (text, expected) in
            cases.into_iter().chain([("", false), ("0x1", false), ("1234567890123456789", false)])
        {
            assert_eq!(is_integer(text.as_bytes()), expected, "{text}");
        }
    }
}
