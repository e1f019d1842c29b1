//! The words of a search, without comments and macros.
//!
//! Where a word ends depends on what is read: `a-b` is one word to `search` and two with a minus
//! between to `eval`. So the parser says which [`Mode`] it reads in, one token after the other.

use std::ops::Range;

/// What is read, which says where words end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A search expression.
    Search,
    /// The value behind a comparison of a search expression.
    Value,
    /// The values in parentheses behind `IN`.
    List,
    /// An eval expression.
    Eval,
    /// Names and options of a command.
    Arguments,
    /// The value of an option.
    Setting,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A word.
    Word,
    /// Text in double quotes.
    Text,
    /// A name in single quotes.
    Name,
    /// A number of an eval expression.
    Number,
    /// `=`, `!=`, `+` and others.
    Operator,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `[`
    OpenBracket,
    /// `]`
    CloseBracket,
    /// `,`
    Comma,
    /// `|`
    Pipe,
    /// A macro that is not defined.
    Macro,
    /// A quote that is not closed.
    Unclosed,
    /// The end of the text.
    End,
}

impl TokenKind {
    /// The name in output.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            TokenKind::Word => "word",
            TokenKind::Text => "text",
            TokenKind::Name => "name",
            TokenKind::Number => "number",
            TokenKind::Operator => "operator",
            TokenKind::Open => "open",
            TokenKind::Close => "close",
            TokenKind::OpenBracket => "open-bracket",
            TokenKind::CloseBracket => "close-bracket",
            TokenKind::Comma => "comma",
            TokenKind::Pipe => "pipe",
            TokenKind::Macro => "macro",
            TokenKind::Unclosed => "unclosed",
            TokenKind::End => "end",
        }
    }
}

/// A word or sign of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: TokenKind,
    /// Where in the text, with its quotes.
    pub(super) range: Range<usize>,
}

impl Token {
    /// The text it is, without its quotes, escapes as they stand.
    pub(super) fn inner<'t>(&self, text: &'t str) -> &'t str {
        let range = match self.kind {
            TokenKind::Text | TokenKind::Name => self.range.start + 1..self.range.end - 1,
            _ => self.range.clone(),
        };
        text.get(range).unwrap_or_default()
    }

    /// The value it stands for.
    pub(super) fn value(&self, text: &str) -> String {
        match self.kind {
            TokenKind::Text | TokenKind::Word => unescape(self.inner(text)),
            _ => self.inner(text).to_owned(),
        }
    }
}

/// Resolves escapes: `\\` is a backslash and `\"` a quote; any other backslash stands for itself.
pub(super) fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next_if(|c| matches!(c, '\\' | '"')) } else { None };
        out.push(escaped.unwrap_or(c));
    }
    out
}

/// The token at `at` or behind the white space there. `nested` says whether `]` ends a subsearch.
pub(super) fn token(text: &str, at: usize, mode: Mode, nested: bool) -> Token {
    let start = skip_space(text, at);
    let rest = text.get(start..).unwrap_or_default();
    let Some(first) = rest.chars().next() else {
        return Token { kind: TokenKind::End, range: text.len()..text.len() };
    };
    let (kind, len) = match first {
        '"' => quoted(rest),
        '|' => (TokenKind::Pipe, 1),
        '(' => (TokenKind::Open, 1),
        ')' => (TokenKind::Close, 1),
        '[' if mode != Mode::List => (TokenKind::OpenBracket, 1),
        ']' if nested => (TokenKind::CloseBracket, 1),
        ',' => (TokenKind::Comma, 1),
        '`' => backticks(rest),
        _ => match mode {
            Mode::Eval => eval(rest, first),
            Mode::Arguments => single_quoted(rest).unwrap_or_else(|| plain(rest, mode, nested)),
            _ => plain(rest, mode, nested),
        },
    };
    Token { kind, range: start..start + len }
}

/// Where the white space at `at` ends.
pub(super) fn skip_space(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.len() - rest.trim_start().len()
}

/// Where the command at `at` ends: at the next `|`, or the `]` of its subsearch.
pub(super) fn command_end(text: &str, at: usize, nested: bool) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut quoted, mut depth) = (at.min(bytes.len()), false, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'|' if depth == 0 => return at,
            b'[' => depth += 1,
            b']' if depth == 0 && nested => return at,
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn quoted(rest: &str) -> (TokenKind, usize) {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return (TokenKind::Text, at + 1),
            _ => {}
        }
    }
    (TokenKind::Unclosed, rest.len())
}

/// A name in single quotes; a quote that is not closed before the next command is a character.
fn single_quoted(rest: &str) -> Option<(TokenKind, usize)> {
    let inner = rest.strip_prefix('\'')?;
    let end = inner.find(['\'', '|', '\n']).filter(|end| inner[*end..].starts_with('\''))?;
    (end > 0).then_some((TokenKind::Name, end + 2))
}

fn backticks(rest: &str) -> (TokenKind, usize) {
    match rest[1..].find('`') {
        Some(end) => (TokenKind::Macro, end + 2),
        None => (TokenKind::Unclosed, 1),
    }
}

/// Signs and words outside of eval expressions.
fn plain(rest: &str, mode: Mode, nested: bool) -> (TokenKind, usize) {
    if matches!(mode, Mode::Search | Mode::Arguments) {
        let operators: &[&str] = match mode {
            Mode::Search => &["==", "!=", "<=", ">=", "=", "<", ">"],
            _ => &["!=", "="],
        };
        if let Some(operator) = operators.iter().find(|operator| rest.starts_with(**operator)) {
            return (TokenKind::Operator, operator.len());
        }
    }
    (TokenKind::Word, word(rest, mode, nested).max(first_len(rest)))
}

fn first_len(rest: &str) -> usize {
    rest.chars().next().map_or(0, char::len_utf8)
}

/// How long the word at the start of `rest` is.
fn word(rest: &str, mode: Mode, nested: bool) -> usize {
    let bytes = rest.as_bytes();
    let escapes = matches!(mode, Mode::Search | Mode::Value | Mode::List);
    let (mut at, mut brackets) = (0, 0_usize);
    while let Some(c) = rest[at..].chars().next() {
        let next = bytes.get(at + 1);
        match c {
            '\\' if escapes && next.is_some_and(|next| matches!(next, b'"' | b'\\')) => at += 1,
            // A call without arguments, as code has them, is a part of the word.
            '(' if at > 0 && next == Some(&b')') && mode != Mode::Arguments => at += 1,
            '|' | '(' | ')' | '"' | '`' => break,
            ',' if mode != Mode::Value && mode != Mode::Search => break,
            ',' if ends_behind(&rest[at + 1..]) => break,
            '=' if matches!(mode, Mode::Search | Mode::Arguments) => break,
            '<' | '>' if mode == Mode::Search => break,
            '!' if next == Some(&b'=') && matches!(mode, Mode::Search | Mode::Arguments) => break,
            // A subsearch starts a word, or stands right behind an operator.
            '[' if mode == Mode::Arguments || is_operator(&rest[..at]) => break,
            '[' if mode == Mode::Setting && rest[at + 1..].starts_with("search ") => break,
            '[' if rest[at + 1..].trim_start_matches(' ').starts_with('|') => break,
            '[' => brackets += 1,
            ']' if brackets == 0 && nested => break,
            ']' => brackets = brackets.saturating_sub(1),
            c if c.is_whitespace() => break,
            _ => {}
        }
        at += rest[at..].chars().next().map_or(1, char::len_utf8);
    }
    at
}

/// Whether nothing more of a word follows.
fn ends_behind(rest: &str) -> bool {
    rest.chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, '|' | ')' | '"'))
}

fn is_operator(word: &str) -> bool {
    matches!(word, "NOT" | "AND" | "OR" | "IN")
}

/// Tokens of eval expressions.
fn eval(rest: &str, first: char) -> (TokenKind, usize) {
    const OPERATORS: [&str; 15] =
        ["==", "!=", "<>", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "!", "."];
    if first == '\'' {
        return match rest[1..].find('\'') {
            Some(end) => (TokenKind::Name, end + 2),
            None => (TokenKind::Unclosed, 1),
        };
    }
    let digits = number(rest);
    let name = eval_name(rest);
    if digits > 0 && digits >= name {
        return (TokenKind::Number, digits);
    }
    if name > 0 {
        return (TokenKind::Word, name);
    }
    let operator = OPERATORS.iter().find(|operator| rest.starts_with(**operator));
    operator.map_or((TokenKind::Word, first.len_utf8()), |operator| {
        (TokenKind::Operator, operator.len())
    })
}

/// How long the number at the start is; its sign is an operator.
fn number(rest: &str) -> usize {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(rest);
    let mut len = whole;
    if rest[len..].starts_with('.') {
        let part = digits(&rest[len + 1..]);
        if part > 0 {
            len += 1 + part;
        }
    }
    if len > 0 && rest[len..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[len + 1..].starts_with(['+', '-']));
        let exponent = digits(&rest[len + 1 + sign..]);
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    len
}

/// How long the name at the start is: letters, digits and what names of JSON and of templates have.
fn eval_name(rest: &str) -> usize {
    let mut at = 0;
    loop {
        let tail = &rest[at..];
        let template = tail.strip_prefix("<<").and_then(|inner| {
            let len = inner.bytes().take_while(u8::is_ascii_alphanumeric).count();
            (len > 0 && inner[len..].starts_with(">>")).then_some(len + 4)
        });
        if let Some(len) = template {
            at += len;
        } else if tail.starts_with("{}") && at > 0 {
            at += 2;
        } else {
            match tail.chars().next() {
                Some(c) if c.is_alphanumeric() || matches!(c, '_' | '$' | '@' | '#' | ':') => {
                    at += c.len_utf8();
                }
                Some('{') if at == 0 => return indirect(tail),
                _ => return at,
            }
        }
    }
}

/// How long `{name}` at the start is.
fn indirect(tail: &str) -> usize {
    const LONGEST: usize = 256;
    let end = tail.bytes().take(LONGEST).position(|b| b == b'}' || b.is_ascii_whitespace());
    end.filter(|end| *end > 1 && tail[*end..].starts_with('}')).map_or(0, |end| end + 1)
}
