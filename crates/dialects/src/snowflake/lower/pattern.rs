//! Patterns: those of `like`, and regular expressions.

use rulestone_ir::{Regex, Span, Test};
use rulestone_value::{Glob, Piece};

use super::Lowering;
use crate::regex::{Reading, translate};

/// The pieces of a pattern of `like`: `%` is any text, `_` one character. Nothing escapes them
/// unless a character is said to.
fn pieces(pattern: &str, escape: Option<char>) -> Glob {
    let mut chars = pattern.chars();
    let mut pieces = Vec::new();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            c if Some(c) == escape => Piece::Text(chars.next().unwrap_or(c).to_string()),
            '%' => Piece::Many,
            '_' => Piece::One,
            c => Piece::Text(c.to_string()),
        });
    }
    Glob::new(pieces)
}

/// A pattern of `like` as a test.
pub(super) fn like_test(pattern: &str, escape: Option<char>) -> Test {
    let glob = pieces(pattern, escape);
    match glob.pieces() {
        [] => Test::Equals(String::new()),
        [Piece::Many] => Test::Exists,
        [Piece::Text(text)] => Test::Equals(text.clone()),
        [Piece::Text(text), Piece::Many] => Test::StartsWith(text.clone()),
        [Piece::Many, Piece::Text(text)] => Test::EndsWith(text.clone()),
        [Piece::Many, Piece::Text(text), Piece::Many] => Test::Contains(text.clone()),
        _ => Test::Wildcard(glob),
    }
}

/// A pattern of `like` as a regular expression over the whole text.
pub(super) fn like_regex(pattern: &str, escape: Option<char>, ignore_case: bool) -> String {
    let mut out = String::from(if ignore_case { r"(?is)\A" } else { r"(?s)\A" });
    for piece in pieces(pattern, escape).pieces() {
        match piece {
            Piece::Text(text) => regex_syntax::escape_into(text, &mut out),
            Piece::One => out.push('.'),
            Piece::Many => out.push_str(".*"),
        }
    }
    out + r"\z"
}

/// How a regular expression is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::snowflake) struct Flags {
    pub(super) ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    /// Whether the first group is what is taken out.
    pub(in crate::snowflake) extract: bool,
}

/// Flags as their letters; the last one of two that contradict each other counts.
pub(in crate::snowflake) fn flags(letters: &str) -> Option<Flags> {
    let mut flags = Flags::default();
    for letter in letters.chars() {
        match letter {
            'c' => flags.ignore_case = false,
            'i' => flags.ignore_case = true,
            'm' => flags.multi_line = true,
            's' => flags.dot_all = true,
            'e' => flags.extract = true,
            _ => return None,
        }
    }
    Some(flags)
}

impl Flags {
    /// As the front of an expression.
    pub(in crate::snowflake) fn inline(self) -> String {
        let letters = [(self.ignore_case, 'i'), (self.multi_line, 'm'), (self.dot_all, 's')];
        let set: String =
            letters.iter().filter(|(set, _)| *set).map(|(_, letter)| *letter).collect();
        if set.is_empty() { set } else { format!("(?{set})") }
    }
}

impl Lowering<'_> {
    /// A regular expression as the engine reads it; what is wrong with it is said.
    pub(in crate::snowflake) fn regex(&mut self, pattern: &str, span: Span) -> Option<String> {
        self.check_regex(pattern, span);
        if ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|ahead| pattern.contains(ahead)) {
            let message = "Snowflake's regular expressions do not look ahead or behind";
            self.invalid("bad-regex", message, span);
            return None;
        }
        match translate(pattern, Reading::Posix) {
            Ok(translated) => Some(translated),
            Err(reason) => {
                let message = format!("the regular expression does not compile: {reason}");
                self.invalid("bad-regex", message, span);
                None
            }
        }
    }

    /// A regular expression that has to fit the whole text.
    pub(super) fn whole_regex(&mut self, pattern: &str, flags: Flags, span: Span) -> Option<Regex> {
        let pattern = anchored(&self.regex(pattern, span)?);
        let Flags { ignore_case, multi_line, dot_all, .. } = flags;
        Some(Regex { pattern, ignore_case, multi_line, dot_all })
    }

    /// Says what of a literal is probably not what was meant: `\\\b` is a backslash and a
    /// backspace, `\s` is the letter.
    fn check_regex(&mut self, pattern: &str, span: Span) {
        if pattern.contains("\\\u{8}") {
            self.control('b', span);
        }
        let raw = self.text.search.get(span.start..span.end).unwrap_or_default();
        if raw.starts_with('\'')
            && let Some(letter) = lost_class(raw)
        {
            let message = format!(
                "`\\{letter}` in a literal is the letter `{letter}`: the backslash is lost before it is read"
            );
            self.note("lost-backslash", message, span);
        }
    }

    /// The same for a pattern of `like`.
    pub(super) fn check_like(&mut self, pattern: &str, span: Span) {
        const CONTROLS: [(&str, char); 5] =
            [("\\\u{8}", 'b'), ("\\\n", 'n'), ("\\\r", 'r'), ("\\\t", 't'), ("\\\u{c}", 'f')];
        if let Some((_, letter)) = CONTROLS.iter().find(|(text, _)| pattern.contains(text)) {
            self.control(*letter, span);
        }
    }

    fn control(&mut self, letter: char, span: Span) {
        let what = match letter {
            'b' => "a backspace",
            'n' => "a line feed",
            'r' => "a carriage return",
            't' => "a tab",
            _ => "a form feed",
        };
        let message = format!("`\\\\\\{letter}` in a literal is a backslash and {what}");
        self.note("lost-backslash", message, span);
    }
}

/// An expression that has to fit the whole text.
pub(in crate::snowflake) fn anchored(pattern: &str) -> String {
    format!(r"\A(?:{pattern})\z")
}

/// A letter that means a class of characters behind one backslash, and behind none means itself.
fn lost_class(raw: &str) -> Option<char> {
    let mut chars = raw.chars().peekable();
    let mut behind_backslash = false;
    while let Some(c) = chars.next() {
        if c != '\\' {
            behind_backslash = false;
            continue;
        }
        let next = chars.next()?;
        match next {
            '\\' => behind_backslash = true,
            'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'B' if !behind_backslash => return Some(next),
            _ => behind_backslash = false,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_patterns() {
        let cases = [
            ("a", None, "equals a"),
            ("", None, "equals "),
            ("%", None, "exists "),
            ("%%", None, "exists "),
            ("a%", None, "starts_with a"),
            ("%a", None, "ends_with a"),
            ("%a%", None, "contains a"),
            ("%a_b%", None, "wildcard *a?b*"),
            (r"%a\_b%", Some('\\'), "contains a_b"),
            (r"a\_b", None, r"wildcard a\?b"),
            ("50!%", Some('!'), "equals 50%"),
        ];
        for (pattern, escape, expected) in cases {
            let test = like_test(pattern, escape);
            assert_eq!(format!("{} {}", test.name(), test.pattern()), expected, "{pattern}");
        }
    }

    #[test]
    fn backslashes_that_are_lost() {
        let cases = [
            (r"'.*\s+x'", Some('s')),
            (r"'.*\\s+x'", None),
            (r"'.*\\\s+x'", None),
            (r"'.*\\\\\d'", None),
            (r"'a\.b'", None),
        ];
        for (raw, expected) in cases {
            assert_eq!(lost_class(raw), expected, "{raw}");
        }
    }
}
