//! From the text of a query to tokens: what stands between quotes, placeholders, and places.

use rulestone_ir::Span;
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// Tokens of a query.
const MAX_TOKENS: usize = 200_000;
/// Tokens of one condition that may each make the tree one level deeper: words with a meaning, and
/// operators.
const MAX_STEPS: usize = 400;
/// Conditions of one query, which each make it one level deeper.
const MAX_CONDITIONS: usize = 3_000;

/// A text cut into tokens.
pub(super) struct Lexed<'t> {
    /// The query.
    pub(super) text: &'t str,
    /// Its tokens, blanks and comments among them.
    pub(super) tokens: Vec<TokenWithSpan>,
    /// Where placeholders start.
    pub(super) placeholders: Vec<usize>,
    /// Where lines start, in characters.
    lines: Vec<usize>,
    /// Where characters start; empty where each is a byte.
    chars: Vec<usize>,
}

/// Why a text cannot be read, and where.
pub(super) struct Broken {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) span: Span,
    /// Whether the text is right all the same.
    pub(super) is_limit: bool,
}

/// Cuts a query into tokens.
pub(super) fn lex(text: &str) -> Result<Lexed<'_>, Broken> {
    let (masked, placeholders) = mask(text);
    let ends = text.chars().enumerate().filter(|(_, c)| *c == '\n');
    let lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
    let chars =
        if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).collect() };
    let mut lexed = Lexed { text, tokens: Vec::new(), placeholders, lines, chars };
    let mut tokenizer = Tokenizer::new(&SnowflakeDialect, &masked).with_unescape(false);
    lexed.tokens = tokenizer.tokenize_with_location().map_err(|error| {
        let start = lexed.offset(error.location);
        let quotes = error.message.contains("Unterminated");
        let code = if quotes { "unbalanced-quotes" } else { "query-syntax" };
        let rest = text[start..].lines().next().unwrap_or_default();
        let span = Span::new(start..start + rest.len());
        Broken { code, message: said(&error.message), span, is_limit: false }
    })?;
    if lexed.tokens.len() > MAX_TOKENS || is_too_deep(&lexed.tokens) {
        let message = "the query is too long".to_owned();
        let span = Span::new(0..text.len());
        return Err(Broken { code: "search-limit", message, span, is_limit: true });
    }
    Ok(lexed)
}

/// What the parser says, in the way of our own messages.
pub(super) fn said(message: &str) -> String {
    let mut chars = message.trim_end_matches('.').chars();
    let first = chars.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
    first + chars.as_str()
}

/// Whether the tree may be deeper than the stack: brackets are counted by the parser, chains of
/// operators are not.
fn is_too_deep(tokens: &[TokenWithSpan]) -> bool {
    let mut open = vec![0_usize];
    let mut conditions = 0;
    for token in tokens {
        match &token.token {
            Token::LParen => open.push(0),
            Token::RParen if open.len() > 1 => {
                open.pop();
            }
            token => {
                let Some(steps) = open.last_mut() else { continue };
                match token {
                    Token::Comma => *steps = 0,
                    Token::Word(word) if matches!(word.keyword, Keyword::AND | Keyword::OR) => {
                        *steps = 0;
                        conditions += 1;
                    }
                    token => *steps += usize::from(is_step(token)),
                }
                if *steps > MAX_STEPS {
                    return true;
                }
            }
        }
    }
    conditions > MAX_CONDITIONS
}

/// Whether a token may make the tree deeper.
fn is_step(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword,
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::Whitespace(_)
        | Token::Comma
        | Token::Period
        | Token::LParen
        | Token::RParen => false,
        _ => true,
    }
}

/// A text of the same length with the placeholders `$earliest$` and `$latest$` as names in quotes,
/// and where they start. What stands in a literal or a comment stays.
fn mask(text: &str) -> (String, Vec<usize>) {
    let mut masked = text.to_owned();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        at += match skipped(rest) {
            Some(length) => length,
            None => match ["$earliest$", "$latest$"].iter().find(|name| starts(rest, name)) {
                Some(name) => {
                    let inner = &rest[1..name.len() - 1];
                    masked.replace_range(at..at + name.len(), &format!("\"{inner}\""));
                    found.push(at);
                    name.len()
                }
                None => rest.chars().next().map_or(1, char::len_utf8),
            },
        };
    }
    (masked, found)
}

fn starts(rest: &str, name: &str) -> bool {
    rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// The length of the literal or comment that a text starts with.
fn skipped(rest: &str) -> Option<usize> {
    let until = |open: usize, end: &str| {
        rest[open..].find(end).map_or(rest.len(), |at| open + at + end.len())
    };
    match rest.as_bytes() {
        [b'\'', ..] => {
            let mut escaped = false;
            let end = rest.bytes().enumerate().skip(1).find(|(_, b)| {
                let ends = *b == b'\'' && !escaped;
                escaped = *b == b'\\' && !escaped;
                ends
            });
            Some(end.map_or(rest.len(), |(at, _)| at + 1))
        }
        [b'"', ..] => Some(until(1, "\"")),
        [b'$', b'$', ..] => Some(until(2, "$$")),
        [b'-', b'-', ..] | [b'/', b'/', ..] => Some(until(2, "\n")),
        [b'/', b'*', ..] => Some(until(2, "*/")),
        _ => None,
    }
}

impl Lexed<'_> {
    /// The byte at a place in lines and columns.
    pub(super) fn offset(&self, location: Location) -> usize {
        let (line, column) = (location.line as usize, location.column as usize);
        let start = line.checked_sub(1).map_or(Some(0), |line| self.lines.get(line).copied());
        let Some(start) = start else { return self.text.len() };
        let character = start + column.saturating_sub(1);
        match self.chars.is_empty() {
            true => character.min(self.text.len()),
            false => self.chars.get(character).copied().unwrap_or(self.text.len()),
        }
    }

    /// The bytes of a place.
    pub(super) fn span(&self, span: sqlparser::tokenizer::Span) -> Span {
        let (start, end) = (self.offset(span.start), self.offset(span.end));
        Span::new(start..end.max(start))
    }

    /// Whether a placeholder starts here.
    pub(super) fn is_placeholder(&self, at: usize) -> bool {
        self.placeholders.contains(&at)
    }
}

/// What a text between `'` stands for. A backslash that escapes nothing is left out.
pub(super) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(['\\', '\'']) {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let Some(next) = behind.chars().next() else {
            out.push_str(&rest[at..]);
            return out;
        };
        if rest.as_bytes()[at] == b'\'' {
            // Two of them are one.
            out.push('\'');
            rest = behind.strip_prefix('\'').unwrap_or(behind);
            continue;
        }
        let (character, length) = numbered(behind).unwrap_or_else(|| {
            let known = ESCAPES.iter().find(|(letter, _)| *letter == next);
            (known.map_or(next, |(_, character)| *character), next.len_utf8())
        });
        out.push(character);
        rest = &behind[length..];
    }
    out.push_str(rest);
    out
}

/// Letters behind a backslash that stand for something else.
const ESCAPES: &[(char, char)] =
    &[('b', '\u{8}'), ('f', '\u{c}'), ('n', '\n'), ('r', '\r'), ('t', '\t'), ('0', '\0')];

/// A character by its number, behind a backslash: `x5c`, `u26c4`, `134`; and how long that is.
fn numbered(behind: &str) -> Option<(char, usize)> {
    let digits = |from: usize, count: usize, radix: u32| {
        let digits = behind.get(from..from + count)?;
        let all = digits.chars().all(|c| c.is_digit(radix));
        let code = all.then(|| u32::from_str_radix(digits, radix).ok())??;
        Some((char::from_u32(code)?, from + count))
    };
    match behind.as_bytes().first()? {
        b'x' => digits(1, 2, 16),
        b'u' => digits(1, 4, 16),
        b'0'..=b'7' => digits(0, 3, 8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let cases = [
            (r"a", "a"),
            (r"it''s", "it's"),
            (r"it\'s \0", "it's \0"),
            (r"\\", r"\"),
            (r"\.", "."),
            (r"\\\.exe\\\s+", r"\.exe\s+"),
            (r"\\.exe", r"\.exe"),
            (r"C:\\\x5cTemp\x5C", r"C:\\Temp\"),
            (r"\134\u26c4\z\%", "\\\u{26c4}z%"),
            (r"\\\bash", "\\\u{8}ash"),
            (r"\n\r\t\f\b", "\n\r\t\u{c}\u{8}"),
            (r"\x5 \u12 \18", "x5 u12 18"),
            (r"end\", r"end\"),
        ];
        for (raw, expected) in cases {
            assert_eq!(unescape(raw), expected, "{raw}");
        }
    }

    #[test]
    fn placeholders_outside_of_literals() {
        let (masked, found) = mask("a < $latest$and b = '$latest$' -- $latest$\nand $EARLIEST$");
        assert_eq!(masked, "a < \"latest\"and b = '$latest$' -- $latest$\nand \"EARLIEST\"");
        assert_eq!(found, [4, 47]);
    }
}
