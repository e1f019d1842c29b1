//! From the text of a query to its tree: `sqlparser` reads it, and what of its tree is ours is
//! taken over here.

mod expr;
mod query;

use rulestone_ir::{Diagnostic, Level, Span};
use sqlparser::ast::Statement;
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::ast::Query;
use super::lexer::{Broken, Lexed, lex, said};
use crate::Text;

/// Reads a query. What cannot be read is said.
pub(super) fn parse(text: &Text<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Query> {
    let lexed = match lex(text.search) {
        Ok(lexed) => lexed,
        Err(broken) => {
            diagnostics.push(diagnostic(text, broken));
            return None;
        }
    };
    let mut tree = match statement(&lexed) {
        Ok(tree) => tree,
        Err(broken) => {
            diagnostics.push(with_comma(text, &lexed, diagnostic(text, broken)));
            return None;
        }
    };
    let statement = tree.pop()?;
    let mut reader = Reader { text, lexed: &lexed, diagnostics };
    match (statement, tree.is_empty()) {
        (Statement::Query(query), true) => Some(reader.query(&query)),
        (_, single) => {
            let message = match single {
                true => "only a `select` is run",
                false => "there is more than one statement",
            };
            reader.refuse("unsupported-statement", message, Span::new(0..text.search.len()));
            None
        }
    }
}

fn diagnostic(text: &Text<'_>, broken: Broken) -> Diagnostic {
    let Broken { code, message, span, is_limit } = broken;
    let level = if is_limit { Level::Unsupported } else { Level::Invalid };
    Diagnostic::new(level, code, message, (text.place)(span.start..span.end))
}

/// The statements of a text.
fn statement(lexed: &Lexed<'_>) -> Result<Vec<Statement>, Broken> {
    let parser = Parser::new(&SnowflakeDialect);
    let mut parser = parser.with_tokens_with_locations(lexed.tokens.clone());
    let broken = match parser.parse_statements() {
        Ok(statements) if statements.is_empty() => Broken {
            code: "missing-search",
            message: "there is no query".to_owned(),
            span: Span::new(0..lexed.text.len()),
            is_limit: false,
        },
        Ok(statements) => return Ok(statements),
        Err(ParserError::RecursionLimitExceeded) => Broken {
            code: "search-limit",
            message: "the query is nested too deep".to_owned(),
            span: Span::new(0..lexed.text.len()),
            is_limit: true,
        },
        Err(ParserError::TokenizerError(message) | ParserError::ParserError(message)) => {
            syntax(lexed, &message)
        }
    };
    Err(broken)
}

/// What is wrong, out of what the parser says: `Expected: ), found: x at Line: 1, Column: 7`.
fn syntax(lexed: &Lexed<'_>, message: &str) -> Broken {
    let (message, place) = message.rsplit_once(" at Line: ").unwrap_or((message, ""));
    let place = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Location::new(line.trim().parse().ok()?, column.trim().parse().ok()?))
    });
    let at = place.map_or(lexed.text.len(), |place| lexed.offset(place));
    let token = lexed.tokens.iter().position(|token| lexed.span(token.span).start >= at);
    let span =
        token.map_or(Span::new(at..lexed.text.len()), |token| lexed.span(lexed.tokens[token].span));
    let code = match token {
        Some(token) if is_glued(&lexed.tokens, token) => "glued-operator",
        _ if balance(&lexed.tokens) != 0 => "unbalanced-parentheses",
        _ => "query-syntax",
    };
    Broken { code, message: said(message), span, is_limit: false }
}

/// How many brackets are open at the end; below zero if more are closed than opened.
fn balance(tokens: &[TokenWithSpan]) -> i64 {
    tokens.iter().fold(0, |open, token| match token.token {
        Token::LParen => open + 1,
        Token::RParen => open - 1,
        _ => open,
    })
}

/// Whether a literal stands directly behind another.
fn is_glued(tokens: &[TokenWithSpan], at: usize) -> bool {
    let is_text = |token: &Token| matches!(token, Token::SingleQuotedString(_));
    let before = tokens[..at].iter().rev().map(|token| &token.token);
    let before = before.into_iter().find(|token| !matches!(token, Token::Whitespace(_)));
    is_text(&tokens[at].token) && before.is_some_and(is_text)
}

/// With the repair of two literals without a comma between: nothing else may stand there.
fn with_comma(text: &Text<'_>, lexed: &Lexed<'_>, said: Diagnostic) -> Diagnostic {
    if said.code != "glued-operator" {
        return said;
    }
    let tokens = lexed.tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
    let places = tokens.map(|token| lexed.span(token.span));
    let places: Vec<Span> = places.map(|span| (text.place)(span.start..span.end)).collect();
    let at = places.iter().position(|place| *place == said.span);
    match at.and_then(|at| places.get(at.checked_sub(1)?)) {
        Some(before) => {
            let edits = vec![(Span::new(before.end..before.end), ",".to_owned())];
            said.with_help("write a comma between the two").with_fix("write a comma", edits)
        }
        None => said,
    }
}

/// Takes a tree over.
struct Reader<'a> {
    text: &'a Text<'a>,
    lexed: &'a Lexed<'a>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn place(&self, span: Span) -> Span {
        (self.text.place)(span.start..span.end)
    }

    /// Says that something is not run.
    fn refuse(&mut self, code: &'static str, message: impl Into<String>, span: Span) {
        let span = self.place(span);
        self.diagnostics.push(Diagnostic::new(Level::Unsupported, code, message, span));
    }

    fn invalid(&mut self, code: &'static str, message: impl Into<String>, span: Span) {
        let span = self.place(span);
        self.diagnostics.push(Diagnostic::new(Level::Invalid, code, message, span));
    }

    /// A place with the bracket that closes behind it.
    fn closed(&self, span: Span) -> Span {
        let rest = self.lexed.text.get(span.end..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start().len();
        let closes = rest[blanks..].starts_with([')', ']']);
        if closes { Span::new(span.start..span.end + blanks + 1) } else { span }
    }
}
