//! Encodings and spellings that modifiers give a value.

use super::modifiers::Utf16;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The characters that Windows programs take for the start of an option.
pub(crate) const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

/// Bytes as Base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_usize, |sum, b| (sum << 8) | usize::from(*b));
        let group = group << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let c = ALPHABET[(group >> (18 - 6 * digit)) & 63];
            out.push(if digit <= chunk.len() { char::from(c) } else { '=' });
        }
    }
    out
}

/// The parts that Base64 of any text with `bytes` in it must have: one for each place in a group
/// of three that the bytes can start at. Digits that depend on neighbouring bytes are left out.
pub(crate) fn base64_offsets(bytes: &[u8]) -> [String; 3] {
    /// Digits at the start that hold bits of bytes before, by the number of these.
    const BEFORE: [usize; 3] = [0, 2, 3];
    /// Digits at the end, padding included, that hold bits of bytes behind, by the bytes that
    /// the last group has.
    const BEHIND: [usize; 3] = [0, 3, 2];
    [0, 1, 2].map(|shift| {
        let mut shifted = vec![b' '; shift];
        shifted.extend_from_slice(bytes);
        let encoded = base64(&shifted);
        let end = encoded.len() - BEHIND[shifted.len() % 3].min(encoded.len());
        encoded.get(BEFORE[shift]..end).unwrap_or_default().to_owned()
    })
}

/// Text as UTF-16.
pub(crate) fn utf16(text: &str, flavour: Utf16) -> Vec<u8> {
    let mark = matches!(flavour, Utf16::WithMark).then_some(0xFEFF);
    let units = mark.into_iter().chain(text.encode_utf16());
    let bytes = |unit: u16| match flavour {
        Utf16::BigEndian => unit.to_be_bytes(),
        Utf16::LittleEndian | Utf16::WithMark => unit.to_le_bytes(),
    };
    units.flat_map(bytes).collect()
}

/// The dashes in `text` that start an option, with their offsets: before a word and not behind
/// one.
pub(crate) fn option_dashes(text: &str) -> Vec<(usize, char)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut before = None;
    let mut dashes = Vec::new();
    for (at, c) in text.char_indices() {
        let mut behind = text[at + c.len_utf8()..].chars();
        if DASHES.contains(&c) && !before.is_some_and(is_word) && behind.next().is_some_and(is_word)
        {
            dashes.push((at, c));
        }
        before = Some(c);
    }
    dashes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_padding() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (text, expected) in cases {
            assert_eq!(base64(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn offsets_are_found_wherever_the_text_stands() {
        assert_eq!(base64_offsets(b"foobar"), ["Zm9vYmFy", "Zvb2Jhc", "mb29iYX"]);
        assert_eq!(base64_offsets(b"/bin/bash"), ["L2Jpbi9iYXNo", "9iaW4vYmFza", "vYmluL2Jhc2"]);
        for text in ["IEX", "http://", "a longer text with (signs)", "ab"] {
            let parts = base64_offsets(text.as_bytes());
            for before in 0..7 {
                for behind in 0..4 {
                    let whole = format!("{}{text}{}", "#".repeat(before), "~".repeat(behind));
                    let encoded = base64(whole.as_bytes());
                    assert!(encoded.contains(&parts[before % 3]), "{text} in {whole}");
                }
            }
        }
    }

    #[test]
    fn utf16_flavours() {
        assert_eq!(utf16("cm", Utf16::LittleEndian), b"c\0m\0");
        assert_eq!(utf16("cm", Utf16::BigEndian), b"\0c\0m");
        assert_eq!(utf16("c", Utf16::WithMark), b"\xFF\xFEc\0");
    }

    #[test]
    fn dashes_of_options() {
        let cases: [(&str, &[usize]); 7] = [
            (" -f", &[1]),
            ("/f -g", &[0, 3]),
            ("-param-name", &[0]),
            ("a -", &[]),
            ("\u{2013}x", &[0]),
            ("http://x", &[6]),
            ("--x", &[1]),
        ];
        for (text, expected) in cases {
            let found: Vec<usize> = option_dashes(text).into_iter().map(|(at, _)| at).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
