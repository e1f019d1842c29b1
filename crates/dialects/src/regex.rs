//! Regular expressions: from the PCRE that rules are written in to the syntax of the IR.
//!
//! The two agree on nearly everything. What reads differently is rewritten:
//!
//! | PCRE | here | why |
//! |---|---|---|
//! | `\<`, `\>` | `<`, `>` | here they are the borders of a word |
//! | `\h`, `\Z` | `[ \t]`, `(?:\n?\z)` | unknown here, or a hexadecimal digit |
//! | `\Q…\E`, `\R`, `\N`, `\C`, `\e` | what they stand for | unknown here |
//! | `\"`, `\y` | `"`, `y` | here only what has a meaning may be escaped |
//! | `(?'n'…)`, `(?#…)` | `(?<n>…)`, nothing | unknown here |
//! | `[[]`, `[a&&b]` | `[\[]`, `[a&\&b]` | here classes nest and have set operations |
//! | `{` that counts nothing | `\{` | an error here |
//! | `a++`, `a*+`, `a?+` | `(?>a+)`, … | here they repeat a repetition |
//!
//! Two readings differ in what follows. With [`Reading::Unicode`] `\d`, `\w` and `\s` know all of
//! Unicode and `$` without the flag `m` is the very end of the value, a line end there included.
//! With [`Reading::Pcre`] they are ASCII, `$` also stands before a last line end, and `\v` is any
//! vertical space. [`Reading::Posix`] has such classes too, and `$` is the very end.

use std::iter::Peekable;
use std::str::CharIndices;

/// How much of PCRE is kept to the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Classes of characters know all of Unicode, `$` is the very end.
    Unicode,
    /// As PCRE without its flag for Unicode classes.
    Pcre,
    /// Classes of characters are ASCII, `$` is the very end.
    Posix,
}

/// Rewrites an expression, and says what is wrong with one that does not compile.
pub(crate) fn translate(pattern: &str, reading: Reading) -> Result<String, String> {
    let translated = Translator::new(pattern, reading).run();
    check(&translated).map(|()| translated)
}

fn check(pattern: &str) -> Result<(), String> {
    use regex_syntax::ast::ErrorKind::{ClassRangeInvalid, RepetitionCountInvalid};
    // Parsing alone is much cheaper than compiling, and only look-around and its like need the
    // other engine.
    let mut parser = regex_syntax::ParserBuilder::new().nest_limit(100).build();
    let Err(error) = parser.parse(pattern) else { return check_size(pattern) };
    let (reason, broken) = match error {
        regex_syntax::Error::Parse(error) => {
            let broken = matches!(error.kind(), ClassRangeInvalid | RepetitionCountInvalid);
            (error.kind().to_string(), broken)
        }
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), true),
        error => (error.to_string(), true),
    };
    // The other engine reads what is broken as plain text.
    if !broken && fancy_regex::Regex::new(pattern).is_ok() { Ok(()) } else { Err(reason) }
}

/// Bytes that the compiled form of an expression may take; the engine compiles with the same.
const SIZE_LIMIT: usize = 64 << 20;

/// Whether an expression that parses is small enough. Only counted repetitions multiply its size,
/// so only those are worth compiling here.
fn check_size(pattern: &str) -> Result<(), String> {
    if !pattern.contains('{') {
        return Ok(());
    }
    let built = fancy_regex::RegexBuilder::new(pattern).delegate_size_limit(SIZE_LIMIT).build();
    built.map(|_| ()).map_err(|error| error.to_string())
}

/// The end of a text, or before a line end there.
const END_OF_LINE: &str = r"(?:\n?\z)";

/// Escapes outside of a class and, where they differ, inside of one.
const ESCAPES: &[(char, &str, &str)] = &[
    ('<', "<", ""),
    ('>', ">", ""),
    ('h', r"[ \t]", r" \t"),
    ('H', r"[^ \t]", r"[^ \t]"),
    ('Z', END_OF_LINE, "Z"),
    ('R', r"(?:\r\n|[\n\x0B\x0C\r])", r"\n\x0B\x0C\r"),
    ('N', r"[^\n]", r"[^\n]"),
    ('C', r"(?s:.)", r"\s\S"),
    ('e', r"\x1B", ""),
];

/// The same where classes of characters are ASCII.
const PCRE_ESCAPES: &[(char, &str, &str)] = &[
    ('d', "[0-9]", "0-9"),
    ('D', "[^0-9]", "[^0-9]"),
    ('w', "[0-9A-Za-z_]", "0-9A-Za-z_"),
    ('W', "[^0-9A-Za-z_]", "[^0-9A-Za-z_]"),
    ('s', r"[\t\n\x0B\x0C\r ]", r"\t\n\x0B\x0C\r "),
    ('S', r"[^\t\n\x0B\x0C\r ]", r"[^\t\n\x0B\x0C\r ]"),
    ('v', r"[\n\x0B\x0C\r]", r"\n\x0B\x0C\r"),
    ('V', r"[^\n\x0B\x0C\r]", r"[^\n\x0B\x0C\r]"),
];

/// Whether a flag `m` may be set somewhere in an expression.
fn has_multi_line(pattern: &str) -> bool {
    pattern.match_indices("(?").any(|(at, _)| {
        let flags = pattern[at + 2..].split([')', ':']).next().unwrap_or_default();
        flags.contains('m') && flags.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
    })
}

/// The names of an expression's groups, in their order.
pub(crate) fn group_names(pattern: &str) -> Vec<String> {
    let Ok(regex) = fancy_regex::Regex::new(pattern) else { return Vec::new() };
    let mut names: Vec<String> = Vec::new();
    for name in regex.capture_names().flatten() {
        if !names.iter().any(|own| own == name) {
            names.push(name.to_owned());
        }
    }
    names
}

struct Translator<'p> {
    pattern: &'p str,
    chars: Peekable<CharIndices<'p>>,
    out: String,
    /// Where the groups that are open start in `out`.
    groups: Vec<usize>,
    /// Where the latest atom starts in `out`, which a possessive quantifier wraps.
    atom: usize,
    /// Whether classes of characters are ASCII, and `\v` is any vertical space.
    ascii: bool,
    /// Whether `$` may stand before a last line end.
    end_of_line: bool,
}

impl<'p> Translator<'p> {
    fn new(pattern: &'p str, reading: Reading) -> Self {
        let out = String::with_capacity(pattern.len());
        let ascii = reading != Reading::Unicode;
        Translator {
            pattern,
            chars: pattern.char_indices().peekable(),
            out,
            groups: vec![],
            atom: 0,
            ascii,
            end_of_line: reading == Reading::Pcre && !has_multi_line(pattern),
        }
    }

    fn run(mut self) -> String {
        while let Some((at, c)) = self.chars.next() {
            match c {
                '\\' => {
                    self.atom = self.out.len();
                    self.escape(false);
                }
                '[' => {
                    self.atom = self.out.len();
                    self.class();
                }
                '(' => self.group(at),
                '$' if self.end_of_line => {
                    self.atom = self.out.len();
                    self.out.push_str(END_OF_LINE);
                }
                ')' => {
                    self.atom = self.groups.pop().unwrap_or(self.out.len());
                    self.out.push(')');
                }
                '*' | '+' | '?' => self.quantified(1, at),
                '{' => match count(&self.pattern[at..]) {
                    Some(length) => self.quantified(length, at),
                    None => {
                        self.atom = self.out.len();
                        self.out.push_str(r"\{");
                    }
                },
                c => {
                    self.atom = self.out.len();
                    self.out.push(c);
                }
            }
        }
        self.out
    }

    /// A group, whose `(` at `at` is taken.
    fn group(&mut self, at: usize) {
        let rest = &self.pattern[at..];
        if rest.starts_with("(?#") {
            let length = rest.find(')').unwrap_or(rest.len() - 1);
            self.skip(length);
            return;
        }
        self.groups.push(self.out.len());
        self.out.push('(');
        if let Some((name, _)) = rest.strip_prefix("(?'").and_then(|name| name.split_once('\'')) {
            self.out.extend(["?<", name, ">"]);
            self.skip(3 + name.chars().count());
        } else if self.chars.next_if(|(_, c)| *c == '?').is_some() {
            // The question mark of `(?:` is no quantifier.
            self.out.push('?');
        }
    }

    /// Takes so many characters that were dealt with.
    fn skip(&mut self, characters: usize) {
        for _ in 0..characters {
            self.chars.next();
        }
    }

    /// A quantifier of `length` bytes at `at`, whose first character is taken.
    fn quantified(&mut self, length: usize, at: usize) {
        self.out.push_str(&self.pattern[at..at + length]);
        for _ in 1..length {
            self.chars.next();
        }
        if self.chars.next_if(|(_, c)| *c == '+').is_some() {
            self.out.insert_str(self.atom, "(?>");
            self.out.push(')');
        } else if self.chars.next_if(|(_, c)| *c == '?').is_some() {
            self.out.push('?');
        }
    }

    fn escape(&mut self, in_class: bool) {
        let Some((at, c)) = self.chars.next() else {
            self.out.push('\\');
            return;
        };
        let table: &[(char, &str, &str)] = if self.ascii { PCRE_ESCAPES } else { &[] };
        let known = table.iter().chain(ESCAPES).find(|(letter, _, _)| *letter == c);
        match known {
            Some((_, outside, "")) if in_class => self.out.push_str(outside),
            Some((_, _, inside)) if in_class => self.class_part(inside),
            Some((_, outside, _)) => self.out.push_str(outside),
            None if c == 'Q' => self.quoted(at),
            None if c.is_ascii_alphabetic() && self.pattern[at + 1..].starts_with('{') => {
                self.braced(at);
            }
            // The end of a quotation that did not begin means nothing.
            None if c == 'E' => {}
            None if c.is_ascii_alphanumeric() || regex_syntax::is_meta_character(c) => {
                self.out.extend(['\\', c]);
            }
            None => self.out.push(c),
        }
    }

    /// `\x{2A}`, `\p{Greek}`: the letter at `at` and what stands in braces behind it.
    fn braced(&mut self, at: usize) {
        let rest = &self.pattern[at..];
        let taken = rest.find('}').map_or(rest.len(), |end| end + 1);
        self.out.push('\\');
        self.out.push_str(&rest[..taken]);
        self.skip(rest[..taken].chars().count() - 1);
    }

    /// Several characters in a class. A dash behind them is itself, not a range.
    fn class_part(&mut self, characters: &str) {
        self.out.push_str(characters);
        if self.chars.next_if(|(_, c)| *c == '-').is_some() {
            self.out.push_str(r"\-");
        }
    }

    /// What stands between `\Q`, whose `Q` is at `at`, and `\E`.
    fn quoted(&mut self, at: usize) {
        let rest = &self.pattern[at + 1..];
        let (text, taken) = match rest.split_once(r"\E") {
            Some((text, _)) => (text, text.chars().count() + 2),
            None => (rest, rest.chars().count()),
        };
        for c in text.chars() {
            self.atom = self.out.len();
            regex_syntax::escape_into(c.encode_utf8(&mut [0; 4]), &mut self.out);
        }
        self.skip(taken);
    }

    /// A class in brackets, whose `[` is taken.
    fn class(&mut self) {
        self.out.push('[');
        if self.chars.next_if(|(_, c)| *c == '^').is_some() {
            self.out.push('^');
        }
        if self.chars.next_if(|(_, c)| *c == ']').is_some() {
            self.out.push_str(r"\]");
        }
        // A dash in front is itself, and may start a range.
        if self.chars.next_if(|(_, c)| *c == '-').is_some() {
            let range = self.chars.peek().is_some_and(|(_, c)| *c == '-');
            self.out.push_str(if range { r"\-" } else { "-" });
        }
        let mut before = ' ';
        while let Some((at, c)) = self.chars.next() {
            match c {
                ']' => {
                    self.out.push(']');
                    return;
                }
                '\\' => self.escape(true),
                '[' => match posix_class(&self.pattern[at..]) {
                    Some(class) => {
                        self.out.push_str(class);
                        for _ in 1..class.len() {
                            self.chars.next();
                        }
                    }
                    None => self.out.push_str(r"\["),
                },
                '&' | '-' | '~' if c == before => self.out.extend(['\\', c]),
                c => self.out.push(c),
            }
            before = c;
        }
    }
}

/// The length of `{n}`, `{n,}` or `{n,m}` at the start of `rest`.
fn count(rest: &str) -> Option<usize> {
    let (inner, _) = rest.strip_prefix('{')?.split_once('}')?;
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (!least.is_empty() && digits(least) && digits(most)).then_some(inner.len() + 2)
}

/// `[:alpha:]` and its like at the start of `rest`.
fn posix_class(rest: &str) -> Option<&str> {
    let (name, _) = rest.strip_prefix("[:")?.split_once(":]")?;
    let named = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'^');
    named.then(|| &rest[..name.len() + 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_differently_is_rewritten() {
        let cases = [
            (r"a\.exe$", r"a\.exe$"),
            (r"\<b\>", "<b>"),
            (r"a\h+\Z", r"a[ \t]+(?:\n?\z)"),
            (r"[\h]", r"[ \t]"),
            (r"[[]x[^]a]", r"[\[]x[^\]a]"),
            (r"[a&&b~~c]", r"[a&\&b~\~c]"),
            (r"[-a][^-b]", r"[-a][^-b]"),
            (r"[--/]x[+--]", r"[\--/]x[+-\-]"),
            (r"[[:alpha:]_]", r"[[:alpha:]_]"),
            (r"{x}a{2,3}b{,4}", r"\{x}a{2,3}b\{,4}"),
            (r"ab++c", r"a(?>b+)c"),
            (r"(?:ab)*+c", r"(?>(?:ab)*)c"),
            (r"[a-z]{2}+", r"(?>[a-z]{2})"),
            (r"a+?b", r"a+?b"),
            (r"(?i)x(?=y)(?<!z)", r"(?i)x(?=y)(?<!z)"),
            (r"\x{202E}\p{Greek}[\x{41}]", r"\x{202E}\p{Greek}[\x{41}]"),
        ];
        for (pattern, expected) in cases {
            let found = translate(pattern, Reading::Unicode);
            assert_eq!(found.as_deref(), Ok(expected), "{pattern}");
        }
    }

    #[test]
    fn pcre_is_ascii_and_ends_before_a_line_end() {
        let cases = [
            (r"\d+", "[0-9]+"),
            (r"[\w-\.]", r"[0-9A-Za-z_\-\.]"),
            (r"[^\s\W]", r"[^\t\n\x0B\x0C\r [^0-9A-Za-z_]]"),
            (r"a$", r"a(?:\n?\z)"),
            (r"(?im)a$", r"(?im)a$"),
            (r"\Qa.b\E+", r"a\.b+"),
            (r"\/\%\ ", "/% "),
            (r"(?'n'a)(?#b)c", "(?<n>a)c"),
            (r"a\Rb", r"a(?:\r\n|[\n\x0B\x0C\r])b"),
            (r#"\"x\<y"#, r#""x<y"#),
        ];
        for (pattern, expected) in cases {
            assert_eq!(translate(pattern, Reading::Pcre).as_deref(), Ok(expected), "{pattern}");
        }
    }

    #[test]
    fn groups_are_named_in_order() {
        assert_eq!(group_names("(?<b>x)|(y)(?P<a>z)"), ["b", "a"]);
    }

    #[test]
    fn broken_expressions_say_why() {
        for pattern in ["(", "a)", "[a", "*a", r"a\", "(?<=a", "a{3,2}"] {
            assert!(translate(pattern, Reading::Unicode).is_err(), "{pattern}");
        }
    }
}
