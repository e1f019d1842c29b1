//! The words of a condition.

use rulestone_ir::Span;

/// A word or sign of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'t> {
    /// What it is.
    pub kind: TokenKind,
    /// As it was written.
    pub text: &'t str,
    /// Its place, in the condition or in the file.
    pub span: Span,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// `and`
    And,
    /// `or`
    Or,
    /// `not`
    Not,
    /// `of`
    Of,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `|`, which starts the aggregations of older rules.
    Pipe,
    /// A search identifier, a pattern of them, a quantifier or `them`: the parser knows which.
    Word,
    /// Characters that no condition has.
    Unknown,
}

impl TokenKind {
    /// The name in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            TokenKind::And => "and",
            TokenKind::Or => "or",
            TokenKind::Not => "not",
            TokenKind::Of => "of",
            TokenKind::Open => "open",
            TokenKind::Close => "close",
            TokenKind::Pipe => "pipe",
            TokenKind::Word => "word",
            TokenKind::Unknown => "unknown",
        }
    }
}

/// Operators, written in any case.
const KEYWORDS: [(&str, TokenKind); 4] = [
    ("and", TokenKind::And),
    ("or", TokenKind::Or),
    ("not", TokenKind::Not),
    ("of", TokenKind::Of),
];

/// Splits a condition into its tokens. Every character but white space is part of one.
pub fn tokens(condition: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut chars = condition.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let mut end = start + c.len_utf8();
        let kind = match c {
            c if c.is_whitespace() => continue,
            '(' => TokenKind::Open,
            ')' => TokenKind::Close,
            '|' => TokenKind::Pipe,
            c if is_word(c) => {
                while let Some((at, c)) = chars.next_if(|(_, c)| is_word(*c)) {
                    end = at + c.len_utf8();
                }
                word_kind(&condition[start..end])
            }
            _ => {
                while let Some((at, c)) = chars.next_if(|(_, c)| is_unknown(*c)) {
                    end = at + c.len_utf8();
                }
                TokenKind::Unknown
            }
        };
        tokens.push(Token { kind, text: &condition[start..end], span: Span::new(start..end) });
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '*' | '?')
}

fn is_unknown(c: char) -> bool {
    !(is_word(c) || c.is_whitespace() || matches!(c, '(' | ')' | '|'))
}

fn word_kind(word: &str) -> TokenKind {
    KEYWORDS
        .iter()
        .find(|(keyword, _)| keyword.eq_ignore_ascii_case(word))
        .map_or(TokenKind::Word, |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole() {
        let cases = [
            ("a and not b", "word and not word"),
            ("notepad or ORDER", "word or word"),
            ("1 OF sel-* AND(x)", "word of word and open word close"),
            ("a | count() > 5", "word pipe word open close unknown word"),
            ("a == b", "word unknown word"),
            ("", ""),
        ];
        for (text, expected) in cases {
            let kinds: Vec<_> = tokens(text).iter().map(|t| t.kind.as_str()).collect();
            assert_eq!(kinds.join(" "), expected, "{text}");
        }
    }
}
