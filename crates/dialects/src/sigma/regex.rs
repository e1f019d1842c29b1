//! Regular expressions: from the PCRE that rules are written in to the syntax of the IR.
//!
//! The two agree on nearly everything. What reads differently is rewritten:
//!
//! | PCRE | here | why |
//! |---|---|---|
//! | `\<`, `\>` | `<`, `>` | here they are the borders of a word |
//! | `\h`, `\Z` | `[ \t]`, `(?:\n?\z)` | unknown here, or a hexadecimal digit |
//! | `[[]`, `[a&&b]` | `[\[]`, `[a&\&b]` | here classes nest and have set operations |
//! | `{` that counts nothing | `\{` | an error here |
//! | `a++`, `a*+`, `a?+` | `(?>a+)`, … | here they repeat a repetition |
//!
//! What is left as it is: `\d`, `\w` and `\s` know all of Unicode, and `$` without the flag `m` is
//! the very end of the value, a line end there included.

use std::iter::Peekable;
use std::str::CharIndices;

/// Rewrites an expression, and says what is wrong with one that does not compile.
pub(crate) fn translate(pattern: &str) -> Result<String, String> {
    let translated = Translator::new(pattern).run();
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

struct Translator<'p> {
    pattern: &'p str,
    chars: Peekable<CharIndices<'p>>,
    out: String,
    /// Where the groups that are open start in `out`.
    groups: Vec<usize>,
    /// Where the latest atom starts in `out`, which a possessive quantifier wraps.
    atom: usize,
}

impl<'p> Translator<'p> {
    fn new(pattern: &'p str) -> Self {
        let out = String::with_capacity(pattern.len());
        Translator {
            pattern,
            chars: pattern.char_indices().peekable(),
            out,
            groups: vec![],
            atom: 0,
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
                '(' => {
                    self.groups.push(self.out.len());
                    self.out.push('(');
                    // The question mark of `(?:` is no quantifier.
                    if self.chars.next_if(|(_, c)| *c == '?').is_some() {
                        self.out.push('?');
                    }
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
        match self.chars.next().map(|(_, c)| c) {
            Some(c @ ('<' | '>')) => self.out.push(c),
            Some('h') if in_class => self.out.push_str(r" \t"),
            Some('h') => self.out.push_str(r"[ \t]"),
            Some('Z') if !in_class => self.out.push_str(r"(?:\n?\z)"),
            Some(c) => self.out.extend(['\\', c]),
            None => self.out.push('\\'),
        }
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
        ];
        for (pattern, expected) in cases {
            assert_eq!(translate(pattern).as_deref(), Ok(expected), "{pattern}");
        }
    }

    #[test]
    fn broken_expressions_say_why() {
        for pattern in ["(", "a)", "[a", "*a", r"a\", "(?<=a", "a{3,2}"] {
            assert!(translate(pattern).is_err(), "{pattern}");
        }
    }
}
