//! Whether a text may be anywhere in an event, asked of the event's bytes before any value is
//! looked at.
//!
//! Rules that search the whole event would otherwise make every value of every field be kept.
//! The answer errs on one side only: `false` is certain.

use aho_corasick::AhoCorasick;
use aho_corasick::packed::Searcher;
use memchr::memmem;

use crate::tokens::string_end;

/// Looks for texts in the bytes of events.
pub struct TextFilter {
    search: Search,
    /// Whether one of the texts may be that of a number, which a log may write in many ways.
    numeric: bool,
    folded: Vec<u8>,
}

enum Search {
    /// Vectorised, for a few texts.
    Packed(Searcher),
    /// For many, or where the processor cannot do better.
    Automaton(AhoCorasick),
    /// Some text cannot be looked for: every event may have it.
    Always,
}

/// Escapes that may stand for a character of a text, since JSON may write any character as
/// `\u0041`: an event that has one may have any text.
const ESCAPES: &[&[u8]] = &[b"\\u00", b"\\u0130", b"\\u212a"];

/// The two characters whose lower case has an ASCII letter in it: KELVIN SIGN and LATIN CAPITAL
/// LETTER I WITH DOT ABOVE.
const ASCII_WHEN_FOLDED: &[&str] = &["\u{212a}", "\u{130}"];

/// Shorter texts are in nearly every event.
const SHORTEST: usize = 3;

impl TextFilter {
    /// A filter for texts, each one folded.
    pub fn new<'t>(texts: impl IntoIterator<Item = &'t str>) -> TextFilter {
        let texts: Vec<&str> = texts.into_iter().collect();
        let is_numeric =
            |text: &&str| text.bytes().all(|b| b.is_ascii_digit() || b"-.".contains(&b));
        let numeric = texts.iter().any(is_numeric);
        let atoms: Option<Vec<&[u8]>> = texts.into_iter().map(atom).collect();
        let search = match atoms {
            None => Search::Always,
            Some(mut atoms) => {
                atoms.extend(ESCAPES);
                atoms.sort();
                atoms.dedup();
                Search::new(&atoms)
            }
        };
        TextFilter { search, numeric, folded: Vec::new() }
    }

    /// Whether one of the texts may be in a record with these bytes.
    pub(crate) fn may_be_in(&mut self, record: &[u8]) -> bool {
        if let Search::Always = self.search {
            return true;
        }
        self.folded.clear();
        self.folded.extend_from_slice(record);
        self.folded.make_ascii_lowercase();
        if !self.folded.is_ascii()
            && ASCII_WHEN_FOLDED.iter().any(|c| memmem::find(&self.folded, c.as_bytes()).is_some())
        {
            return true;
        }
        if self.numeric && has_rewritten_number(record) {
            return true;
        }
        match &self.search {
            Search::Packed(searcher) => searcher.find(&self.folded).is_some(),
            Search::Automaton(automaton) => automaton.is_match(&self.folded),
            Search::Always => true,
        }
    }
}

impl Search {
    fn new(atoms: &[&[u8]]) -> Search {
        if let Some(searcher) = Searcher::new(atoms) {
            return Search::Packed(searcher);
        }
        AhoCorasick::new(atoms).map_or(Search::Always, Search::Automaton)
    }
}

/// Whether a number stands in a record whose text is not a part of how it is written: `1e3` reads
/// as 1000, and of many digits the last are rounded.
fn has_rewritten_number(record: &[u8]) -> bool {
    /// As many bytes hold no more digits than a 64-bit float keeps.
    const KEPT: usize = 15;
    let in_number = |b: &u8| b.is_ascii_digit() || b"+-.eE".contains(b);
    let mut at = 0;
    while let Some(byte) = record.get(at) {
        match byte {
            b'"' => at = string_end(record, at + 1).map_or(record.len(), |quote| quote + 1),
            b'-' | b'0'..=b'9' => {
                let rest = &record[at..];
                let token = &rest[..rest.iter().position(|b| !in_number(b)).unwrap_or(rest.len())];
                let has = |bytes: &[u8]| token.iter().any(|b| bytes.contains(b));
                if has(b"eE")
                    || (has(b".") && token.len() > KEPT)
                    || matches!(token, [b'-', b'0' | b'.', ..])
                {
                    return true;
                }
                at += token.len();
            }
            _ => at += 1,
        }
    }
    false
}

/// The longest part of a text that stands in JSON as it stands in the value, from its most
/// telling bytes on: the search looks at first bytes first.
fn atom(text: &str) -> Option<&[u8]> {
    const WINDOW: usize = 4;
    let as_it_is = |b: &u8| (b' '..=b'~').contains(b) && !b"\"\\/<>&'".contains(b);
    let runs = text.as_bytes().split(|b| !as_it_is(b));
    let run = runs.max_by_key(|run| run.len()).filter(|run| run.len() >= SHORTEST)?;
    let telling = |start: &usize| {
        let window = &run[*start..*start + WINDOW];
        (window.iter().map(|b| rarity(*b)).sum::<u32>(), std::cmp::Reverse(*start))
    };
    let start = (0..(run.len() + 1).saturating_sub(WINDOW)).max_by_key(telling).unwrap_or(0);
    Some(&run[start..])
}

/// How seldom a byte is in logs, roughly.
const fn rarity(byte: u8) -> u32 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b'c' | b'd' | b'l' | b' ' => 0,
        b'a'..=b'z' | b'0'..=b'9' | b'.' | b',' | b'-' | b'_' => 1,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_never_denied() {
        let cases = [
            ("kiwi", r#"{"a":"x KiWi"}"#, true),
            ("kiwi", r#"{"a":"x kiw"}"#, false),
            ("kiwi", "{\"a\":\"x \u{212a}iwi\"}", true),
            ("kiwi", r#"{"a":"x \u006biwi"}"#, true),
            (r"c:\temp\evil.exe", r#"{"a":"C:\\Temp\\Evil.exe"}"#, true),
            (r"c:\temp\evil.exe", r#"{"a":"C:\\Temp\\good.exe"}"#, false),
            ("ab", r#"{"a":"x"}"#, true),
            ("1000", r#"{"a":1e3}"#, true),
            ("1000", r#"{"a":999,"b":"1e3"}"#, false),
            ("-0.5", r#"{"a":-.5}"#, true),
            ("0.12345678901234568", r#"{"a":[0.12345678901234567890]}"#, true),
            ("été chaud", r#"{"a":"ÉTÉ CHAUD"}"#, true),
        ];
        for (text, record, expected) in cases {
            let mut filter = TextFilter::new([text]);
            assert_eq!(filter.may_be_in(record.as_bytes()), expected, "{text} in {record}");
        }
    }
}
