//! Eval expressions: `eval`, `where`, and `eval(…)` inside of others.
//!
//! Operators, the one that binds loosest first: `XOR`, `OR`, `AND`, `NOT`, comparisons with `LIKE`
//! and `IN`, `.`, `+ -`, `* / %`, and the sign. They may be written in any case.

use std::sync::Arc;

use rulestone_ir::{Diagnostic, Level};

use super::search::{glued, operator};
use super::{Failed, Parser, Read};
use crate::spl::ast::{Binary, Eval, Name, Spanned, Syntax};
use crate::spl::lexer::{Mode, Token, TokenKind, command_end, skip_space};

/// How an operator binds: the higher, the tighter.
const OPERATORS: [(&str, u8, Binary); 11] = [
    ("XOR", 1, Binary::Xor),
    ("OR", 2, Binary::Or),
    ("AND", 3, Binary::And),
    ("LIKE", 5, Binary::Like),
    (".", 6, Binary::Concat),
    ("+", 7, Binary::Add),
    ("-", 7, Binary::Subtract),
    ("*", 8, Binary::Multiply),
    ("/", 8, Binary::Divide),
    ("%", 8, Binary::Remainder),
    ("IN", COMPARISON, Binary::Like),
];
/// Operators of other languages, and what says the same.
const FOREIGN: [(&str, &str); 7] = [
    ("contains", "like(field, \"%text%\")"),
    ("startswith", "like(field, \"text%\")"),
    ("endswith", "like(field, \"%text\")"),
    ("matches", "match(field, \"expression\")"),
    ("regex", "match(field, \"expression\")"),
    ("rlike", "match(field, \"expression\")"),
    ("is", "isnull(field)"),
];
/// `NOT` reaches over comparisons and stops at `AND`.
const NOT: u8 = 4;
const COMPARISON: u8 = 5;
const SIGN: u8 = 9;
/// Operands that stand behind each other without parentheses, where their order matters.
const MAX_CHAIN: usize = 200;
/// Chains longer than this become balanced trees where their order does not matter.
const LONG_CHAIN: usize = 16;

impl Parser<'_> {
    /// An expression up to the end of its command. What cannot be read is [`Eval::Broken`].
    pub(super) fn whole_eval(&mut self) -> Eval {
        let start = skip_space(self.text, self.at);
        let read = self.eval_expression().and_then(|eval| {
            self.skip_macros();
            let next = self.peek(Mode::Eval);
            match next.kind {
                TokenKind::Pipe | TokenKind::End | TokenKind::CloseBracket => Ok(eval),
                TokenKind::Close => {
                    Err(self.unbalanced(next.range, "this parenthesis closes nothing", "remove it"))
                }
                _ => Err(self.no_operator(&next, "an operator is expected")),
            }
        });
        read.unwrap_or_else(|Failed| self.broken_eval(start))
    }

    fn broken_eval(&mut self, start: usize) -> Eval {
        self.at = command_end(self.text, start, self.subsearches > 0);
        let written = self.text.get(start..self.at).unwrap_or_default().trim_end().len();
        self.last_end = start + written;
        Eval::Broken(self.span_from(start))
    }

    /// `name=expression, …` of `eval`.
    pub(super) fn assignments(&mut self) -> Read<Syntax> {
        let mut list = Vec::new();
        loop {
            self.skip_macros();
            let next = self.peek(Mode::Arguments);
            match next.kind {
                TokenKind::Comma => {
                    self.take(next);
                    continue;
                }
                TokenKind::Pipe | TokenKind::End | TokenKind::CloseBracket => break,
                TokenKind::Word | TokenKind::Text | TokenKind::Name => self.take(next.clone()),
                _ => return Err(self.unexpected(&next, "the name of a field is expected")),
            }
            let name = self.name_of(&next);
            let sign = self.expect(TokenKind::Operator, Mode::Arguments, "`=`")?;
            if sign.inner(self.text) != "=" {
                return Err(self.unexpected(&sign, "`=` is expected"));
            }
            let start = skip_space(self.text, self.at);
            let read = self.eval_expression().and_then(|value| self.assignment_ends(value));
            let value = read.unwrap_or_else(|Failed| self.broken_eval(start));
            list.push((name, value));
        }
        if list.is_empty() {
            let next = self.peek(Mode::Arguments);
            return Err(self.unexpected(&next, "`field = expression` is expected"));
        }
        Ok(Syntax::Eval(list))
    }

    fn assignment_ends(&mut self, value: Eval) -> Read<Eval> {
        self.skip_macros();
        let next = self.peek(Mode::Eval);
        match next.kind {
            TokenKind::Comma | TokenKind::Pipe | TokenKind::End | TokenKind::CloseBracket => {
                Ok(value)
            }
            TokenKind::Close => {
                Err(self.unbalanced(next.range, "this parenthesis closes nothing", "remove it"))
            }
            TokenKind::Word if self.names_field(&next) => Err(self.no_comma(&next)),
            _ => Err(self.no_operator(&next, "an operator, a comma or a `|` is expected")),
        }
    }

    /// An expression, up to what cannot continue it.
    pub(super) fn eval_expression(&mut self) -> Read<Eval> {
        self.nested(|parser| parser.binary(0))
    }

    /// Operands with operators between that bind at least as tight as `least`.
    fn binary(&mut self, least: u8) -> Read<Eval> {
        let start = skip_space(self.text, self.at);
        let mut left = self.operand()?;
        let mut chain = 0;
        loop {
            let mut next = self.peek_infix();
            let negation = self.negated(&next);
            if let Some(behind) = &negation {
                next = behind.clone();
            }
            let Some((strength, operator)) = self.infix(&next) else { return Ok(left) };
            if strength < least {
                return Ok(left);
            }
            chain += 1;
            if chain > MAX_CHAIN {
                return Err(self.too_deep(next.range));
            }
            let sign = Spanned { value: operator, span: self.span(next.range.clone()) };
            let is_in = next.inner(self.text).eq_ignore_ascii_case("in");
            self.take(next);
            left = if is_in {
                self.eval_in(left, start)?
            } else if matches!(operator, Binary::And | Binary::Or | Binary::Xor | Binary::Concat) {
                self.chain(left, sign, strength)?
            } else {
                let right = self.nested(|parser| parser.binary(strength + 1))?;
                Eval::Binary { operator: sign, left: Box::new(left), right: Box::new(right) }
            };
            if negation.is_some() {
                left = Eval::Not(Box::new(left), self.span_from(start));
            }
        }
    }

    /// The operands of one operator whose grouping does not matter.
    fn chain(&mut self, first: Eval, sign: Spanned<Binary>, strength: u8) -> Read<Eval> {
        let mut operands = vec![first];
        let mut signs = vec![sign];
        loop {
            operands.push(self.nested(|parser| parser.binary(strength + 1))?);
            let next = self.peek_infix();
            if self.infix(&next) != Some((strength, signs[0].value)) {
                break;
            }
            signs.push(Spanned { value: signs[0].value, span: self.span(next.range.clone()) });
            self.take(next);
        }
        Ok(grouped(operands, &signs))
    }

    /// The `IN` or `LIKE` of `x NOT IN (…)`, when `token` is that `NOT`.
    fn negated(&self, token: &Token) -> Option<Token> {
        if !self.is_word(token, "not") {
            return None;
        }
        let behind = self.behind(token, Mode::Eval);
        let negates = self.is_word(&behind, "in") || self.is_word(&behind, "like");
        negates.then_some(behind)
    }

    /// The token behind an operand, where `.5` is no number.
    fn peek_infix(&self) -> Token {
        let next = self.peek(Mode::Eval);
        if next.kind == TokenKind::Number && next.inner(self.text).starts_with('.') {
            let start = next.range.start;
            return Token { kind: TokenKind::Operator, range: start..start + 1 };
        }
        next
    }

    /// The operator that `token` is between two operands.
    fn infix(&self, token: &Token) -> Option<(u8, Binary)> {
        if !matches!(token.kind, TokenKind::Operator | TokenKind::Word) {
            return None;
        }
        let text = token.inner(self.text);
        if let Some(operator) = operator(text) {
            return Some((COMPARISON, Binary::Compare(operator)));
        }
        let found = OPERATORS.iter().find(|(name, _, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, strength, operator)| (*strength, *operator))
    }

    fn eval_in(&mut self, value: Eval, start: usize) -> Read<Eval> {
        let open = self.expect(TokenKind::Open, Mode::Eval, "`(` and a list of values")?;
        let values = self.list(&open)?;
        Ok(Eval::In { value: Box::new(value), values, span: self.span_from(start) })
    }

    /// Expressions with commas between, up to the `)` of the `open` parenthesis.
    fn list(&mut self, open: &Token) -> Read<Vec<Eval>> {
        let mut values = Vec::new();
        if self.eat(TokenKind::Close, Mode::Eval) {
            return Ok(values);
        }
        loop {
            values.push(self.eval_expression()?);
            let next = self.peek(Mode::Eval);
            match next.kind {
                TokenKind::Comma => self.take(next),
                TokenKind::Close => {
                    self.take(next);
                    return Ok(values);
                }
                TokenKind::End | TokenKind::Pipe => {
                    let message = "this parenthesis is not closed";
                    return Err(self.unbalanced(open.range.clone(), message, "close it with `)`"));
                }
                TokenKind::Word if glued(next.inner(self.text)).is_some() => {
                    return Err(self.no_operator(&next, ""));
                }
                TokenKind::Word | TokenKind::Text | TokenKind::Name | TokenKind::Number => {
                    return Err(self.no_comma(&next));
                }
                _ => return Err(self.unexpected(&next, "`,` or `)` is expected")),
            }
        }
    }

    /// Whether a word is the name that a further assignment sets.
    fn names_field(&self, word: &Token) -> bool {
        let behind = self.text.get(word.range.end..).unwrap_or_default().trim_start();
        behind.starts_with('=') && !behind.starts_with("==")
    }

    /// A value stands right behind another one, where a comma belongs between.
    fn no_comma(&mut self, token: &Token) -> Failed {
        let text = self.text.get(token.range.clone()).unwrap_or_default();
        let message = format!("a comma is missing before `{text}`");
        let span = self.span(token.range.clone());
        let diagnostic = Diagnostic::new(Level::Invalid, "glued-operator", message, span)
            .with_help("put a comma between the two");
        let diagnostic = self.with_edit(diagnostic, (token.range.clone(), &format!(", {text}")));
        self.refuse(diagnostic)
    }

    /// Something stands where an operator is expected: one that is glued to what follows, a word
    /// that is none here, or anything else.
    fn no_operator(&mut self, token: &Token, help: &str) -> Failed {
        let text = token.inner(self.text);
        if token.kind == TokenKind::Word
            && let Some((operator, rest)) = glued(text)
        {
            let message = format!("`{operator}` and `{rest}` are glued together");
            let span = self.span(token.range.clone());
            let diagnostic = Diagnostic::new(Level::Invalid, "glued-operator", message, span)
                .with_help("put a blank between the two");
            let new = format!("{operator} {rest}");
            let diagnostic = self.with_edit(diagnostic, (token.range.clone(), &new));
            return self.refuse(diagnostic);
        }
        let foreign = FOREIGN.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
        match foreign.filter(|_| token.kind == TokenKind::Word) {
            Some((word, instead)) => {
                let message = format!("`{word}` is no operator of SPL");
                let help = format!("write `{instead}`");
                self.wrong("glued-operator", token.range.clone(), message, &help)
            }
            None => self.unexpected(token, help),
        }
    }

    fn operand(&mut self) -> Read<Eval> {
        let next = self.peek(Mode::Eval);
        let start = next.range.start;
        match next.kind {
            TokenKind::Open => {
                self.take(next.clone());
                let inner = self.eval_expression()?;
                let close = self.peek(Mode::Eval);
                if close.kind == TokenKind::Close {
                    self.take(close);
                    return Ok(inner);
                }
                if matches!(close.kind, TokenKind::End | TokenKind::Pipe) {
                    let message = "this parenthesis is not closed";
                    return Err(self.unbalanced(next.range, message, "close it with `)`"));
                }
                Err(self.no_operator(&close, "an operator or `)` is expected"))
            }
            TokenKind::Operator => self.sign(next),
            TokenKind::Number => {
                self.take(next.clone());
                let number = next.inner(self.text).parse().unwrap_or(f64::NAN);
                Ok(Eval::Number(number, self.span(next.range)))
            }
            TokenKind::Text => {
                self.take(next.clone());
                let text = Arc::from(next.value(self.text));
                Ok(Eval::Text(text, self.span(next.range)))
            }
            TokenKind::Name => {
                self.take(next.clone());
                Ok(Eval::Field(self.name_of(&next)))
            }
            TokenKind::Macro => {
                self.take(next.clone());
                Ok(Eval::Broken(self.span(next.range)))
            }
            TokenKind::Word => self.word(next, start),
            TokenKind::OpenBracket => Ok(Eval::Broken(self.value_subsearch(next)?)),
            _ => Err(self.unexpected(&next, "a value is expected")),
        }
    }

    /// `!`, `-` and `+` before an operand.
    fn sign(&mut self, sign: Token) -> Read<Eval> {
        let start = sign.range.start;
        match sign.inner(self.text) {
            "!" => {
                self.take(sign);
                let inner = self.nested(|parser| parser.binary(NOT))?;
                Ok(Eval::Not(Box::new(inner), self.span_from(start)))
            }
            "-" => {
                self.take(sign);
                let inner = self.nested(|parser| parser.binary(SIGN))?;
                Ok(Eval::Negate(Box::new(inner), self.span_from(start)))
            }
            "+" => {
                self.take(sign);
                self.nested(|parser| parser.binary(SIGN))
            }
            _ => Err(self.unexpected(&sign, "a value is expected")),
        }
    }

    /// A field, a function, or `NOT`.
    fn word(&mut self, word: Token, start: usize) -> Read<Eval> {
        let text = word.inner(self.text);
        if text.eq_ignore_ascii_case("not") {
            self.take(word);
            let inner = self.nested(|parser| parser.binary(NOT))?;
            return Ok(Eval::Not(Box::new(inner), self.span_from(start)));
        }
        if let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            let name = self.spanned(&word, inner);
            self.take(word);
            return Ok(Eval::Indirect(name));
        }
        if !text
            .starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '<' | '@' | '#'))
        {
            return Err(self.unexpected(&word, "a value is expected"));
        }
        self.take(word.clone());
        if self.peek(Mode::Eval).kind == TokenKind::Open {
            return self.function(&word);
        }
        if ["and", "or", "xor"].iter().any(|keyword| text.eq_ignore_ascii_case(keyword)) {
            return Err(self.unexpected(&word, "a value is expected"));
        }
        Ok(Eval::Field(self.name_of(&word)))
    }

    fn function(&mut self, word: &Token) -> Read<Eval> {
        let name = self.lower(word);
        let open = self.expect(TokenKind::Open, Mode::Eval, "`(`")?;
        let arguments = self.list(&open)?;
        Ok(Eval::Call { name, arguments, span: self.span_from(word.range.start) })
    }

    /// A name in lower case.
    pub(super) fn lower(&self, word: &Token) -> Name {
        self.spanned(word, &word.inner(self.text).to_ascii_lowercase())
    }
}

/// Operands joined from the left; a long chain as a tree that is as flat as can be, because those
/// who walk over it recurse.
fn grouped(mut operands: Vec<Eval>, signs: &[Spanned<Binary>]) -> Eval {
    let join = |operator: Spanned<Binary>, left: Eval, right: Eval| Eval::Binary {
        operator,
        left: Box::new(left),
        right: Box::new(right),
    };
    if operands.len() > LONG_CHAIN {
        let middle = operands.len() / 2;
        let right = operands.split_off(middle);
        let left = grouped(operands, &signs[..middle - 1]);
        return join(signs[middle - 1].clone(), left, grouped(right, &signs[middle..]));
    }
    let mut operands = operands.into_iter();
    let first = operands.next().unwrap_or(Eval::Broken(rulestone_ir::Span::default()));
    operands.zip(signs).fold(first, |left, (right, sign)| join(sign.clone(), left, right))
}
