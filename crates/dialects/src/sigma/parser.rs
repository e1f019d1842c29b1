//! Conditions: from tokens to a tree.
//!
//! ```text
//! or      = and ("or" and)*
//! and     = not ("and" not)*
//! not     = "not" not | primary
//! primary = "(" or ")" | quantifier "of" pattern | identifier
//! ```
//!
//! The parser says what is wrong and goes on, so that one reading finds every mistake.

use rulestone_ir::{Diagnostic, Level, Span};

use super::ast::{Condition, Quantifier};
use super::lexer::{Token, TokenKind, tokens};

/// Conditions nested deeper than this are refused; the parser recurses.
const MAX_DEPTH: usize = 100;

/// Reads a condition, up to the `|` behind which older rules count events. The spans of what comes
/// back are offsets into `condition`.
pub fn parse_condition(condition: &str) -> (Condition, Vec<Diagnostic>) {
    let all = Span::new(0..condition.len());
    let tokens = tokens(condition);
    let end = tokens.iter().position(|token| token.kind == TokenKind::Pipe);
    parse_tokens(&tokens[..end.unwrap_or(tokens.len())], all)
}

/// Reads the tokens of a condition that stands at `span`.
pub(crate) fn parse_tokens(tokens: &[Token<'_>], span: Span) -> (Condition, Vec<Diagnostic>) {
    let mut parser = Parser { tokens, span, depth: 0, open: 0, diagnostics: Vec::new() };
    let condition = parser.whole();
    (condition, parser.diagnostics)
}

struct Parser<'a, 't> {
    tokens: &'a [Token<'t>],
    span: Span,
    /// Levels of recursion.
    depth: usize,
    /// Parentheses that wait to be closed.
    open: usize,
    diagnostics: Vec<Diagnostic>,
}

impl<'t> Parser<'_, 't> {
    fn whole(&mut self) -> Condition {
        if self.tokens.is_empty() {
            self.error(self.span, "the condition is empty", "name a search identifier");
            return Condition::Missing;
        }
        let mut parts = vec![self.or()];
        while let Some(token) = self.peek() {
            if token.kind == TokenKind::Unknown {
                self.next();
                self.unexpected(token);
                continue;
            }
            let message = format!("`{}` is not joined to what stands before it", token.text);
            self.error(token.span, message, "write `and` or `or` between them");
            parts.push(self.or());
        }
        joined(parts, Condition::And)
    }

    fn or(&mut self) -> Condition {
        let mut parts = vec![self.and()];
        while self.eat(TokenKind::Or) {
            parts.push(self.and());
        }
        joined(parts, Condition::Or)
    }

    fn and(&mut self) -> Condition {
        let mut parts = vec![self.not()];
        while self.eat(TokenKind::And) {
            parts.push(self.not());
        }
        joined(parts, Condition::And)
    }

    fn not(&mut self) -> Condition {
        if !self.eat(TokenKind::Not) {
            let operand = self.primary();
            self.stray_parentheses();
            return operand;
        }
        self.nested(|parser| Condition::Not(Box::new(parser.not())))
    }

    fn primary(&mut self) -> Condition {
        let Some(token) = self.peek() else {
            let end = self.tokens.last().map_or(self.span, |token| token.span);
            self.error(end, "the condition ends here", "a search identifier must follow");
            return Condition::Missing;
        };
        match token.kind {
            TokenKind::Open => {
                self.next();
                self.parenthesis(token.span)
            }
            TokenKind::Word => {
                self.next();
                if self.eat(TokenKind::Of) { self.of(token) } else { self.name(token) }
            }
            TokenKind::And | TokenKind::Or | TokenKind::Close => {
                self.unexpected(token);
                Condition::Missing
            }
            _ => {
                self.next();
                self.unexpected(token);
                // After a stray character the operand may still come.
                let operand =
                    self.peek().filter(|t| matches!(t.kind, TokenKind::Word | TokenKind::Open));
                operand.map_or(Condition::Missing, |_| self.nested(Parser::primary))
            }
        }
    }

    fn parenthesis(&mut self, open: Span) -> Condition {
        self.open += 1;
        let inner = self.nested(Parser::or);
        self.open -= 1;
        if !self.eat(TokenKind::Close) {
            self.error(open, "this parenthesis is not closed", "close it with `)`");
        }
        inner
    }

    /// Passes over parentheses that close nothing.
    fn stray_parentheses(&mut self) {
        while let Some(token) = self.peek().filter(|t| t.kind == TokenKind::Close && self.open == 0)
        {
            self.next();
            self.error(token.span, "this parenthesis closes nothing", "remove it");
        }
    }

    fn of(&mut self, quantifier: Token<'t>) -> Condition {
        let Some(pattern) = self.peek().filter(|token| token.kind == TokenKind::Word) else {
            let help = "write `them` or a pattern like `selection_*` behind `of`";
            self.error(quantifier.span, "what this counts is missing", help);
            return Condition::Missing;
        };
        self.next();
        let span = quantifier.span.to(pattern.span);
        let pattern = pattern.text.to_owned();
        let count = match quantifier.text.to_ascii_lowercase().as_str() {
            "all" => return Condition::Of { quantifier: Quantifier::All, pattern, span },
            "any" => Some(1),
            number => number.parse().ok().filter(|count| *count > 0),
        };
        let Some(count) = count else {
            let message = format!("`{}` is not a quantifier", quantifier.text);
            self.error(quantifier.span, message, "write `all`, `any` or a number from 1 on");
            return Condition::Missing;
        };
        Condition::Of { quantifier: Quantifier::AtLeast(count), pattern, span }
    }

    fn name(&mut self, token: Token<'t>) -> Condition {
        if token.text.contains(['*', '?']) {
            let message = format!("the pattern `{}` has no quantifier", token.text);
            let help = format!("write `1 of {0}` or `all of {0}`", token.text);
            self.error(token.span, message, help);
            return Condition::Missing;
        }
        Condition::Name { name: token.text.to_owned(), span: token.span }
    }

    /// Goes one level down, or passes over the rest when that is too deep.
    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Condition) -> Condition {
        if self.depth == MAX_DEPTH {
            self.error(self.span, "the condition is nested too deep", "simplify it");
            self.tokens = &[];
            return Condition::Missing;
        }
        self.depth += 1;
        let condition = inner(self);
        self.depth -= 1;
        condition
    }

    fn unexpected(&mut self, token: Token<'t>) {
        let message = format!("`{}` cannot stand here", token.text);
        self.error(token.span, message, "a search identifier is expected");
    }

    fn error(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        let diagnostic = Diagnostic::new(Level::Invalid, "condition-syntax", message, span);
        self.diagnostics.push(diagnostic.with_help(help));
    }

    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.first().copied()
    }

    fn next(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }

    fn eat(&mut self, kind: TokenKind) -> bool {
        let found = self.peek().is_some_and(|token| token.kind == kind);
        if found {
            self.next();
        }
        found
    }
}

fn joined(mut parts: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    if parts.len() == 1 { parts.swap_remove(0) } else { join(parts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_print_with_their_structure() {
        let cases = [
            ("a OR b and not c", "a or b and not c", 0),
            ("(a or b) and c", "(a or b) and c", 0),
            ("(a and b) and c", "(a and b) and c", 0),
            ("not (a or b)", "not (a or b)", 0),
            ("not not a", "not not a", 0),
            ("1 of sel_* and all of them", "1 of sel_* and all of them", 0),
            ("ANY of them", "1 of them", 0),
            ("2 of sel*", "2 of sel*", 0),
            ("1selection", "1selection", 0),
            ("a b", "a and b", 1),
            ("a and", "a and ?", 1),
            ("a) or b)", "a or b", 2),
            (") a", "? and a", 3),
            ("(a or b", "a or b", 1),
            ("0 of x", "?", 1),
            ("sel*", "?", 1),
            ("a | count() by b > 3", "a", 0),
            ("a == b", "a and b", 2),
            ("= a", "a", 1),
            ("", "?", 1),
        ];
        for (text, expected, wrong) in cases {
            let (condition, diagnostics) = parse_condition(text);
            assert_eq!(condition.to_string(), expected, "{text}");
            assert_eq!(diagnostics.len(), wrong, "{text}: {diagnostics:?}");
        }
    }

    #[test]
    fn depth_is_limited() {
        for text in ["(".repeat(100_000), "not ".repeat(100_000), "!".repeat(100_000)] {
            let (_, diagnostics) = parse_condition(&text);
            assert!(!diagnostics.is_empty());
        }
    }
}
