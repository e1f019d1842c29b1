//! Search expressions.
//!
//! ```text
//! and     = or (["AND"] or)*
//! or      = not ("OR" not)*
//! not     = "NOT" not | primary
//! primary = "(" and ")" | "[" pipeline "]" | field operator value | field "IN" "(" value* ")"
//!         | "TERM(" token ")" | "CASE(" term ")" | value
//! ```

use std::ops::Range;
use std::sync::Arc;

use rulestone_ir::{Diagnostic, Level};

use super::{Failed, Parser, Read};
use crate::spl::ast::{Name, Operator, Search, SearchValue, Spanned};
use crate::spl::functions;
use crate::spl::lexer::{Mode, Token, TokenKind, skip_space, unescape};

/// How comparisons are written.
pub(super) const OPERATORS: [(&str, Operator); 8] = [
    ("=", Operator::Equal),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<>", Operator::NotEqual),
    ("<", Operator::Less),
    ("<=", Operator::LessOrEqual),
    (">", Operator::Greater),
    (">=", Operator::GreaterOrEqual),
];

/// The comparison that is written so.
pub(super) fn operator(text: &str) -> Option<Operator> {
    OPERATORS.iter().find(|(written, _)| *written == text).map(|(_, operator)| *operator)
}

impl Parser<'_> {
    /// A search expression up to the end of its command, or to one of the words `stops` outside of
    /// parentheses. What cannot be read is [`Search::Broken`], up to the end of the command.
    pub(super) fn search_expression(&mut self, stops: &[&str]) -> Search {
        let start = skip_space(self.text, self.at);
        let read = self.search_and(stops).and_then(|search| {
            let next = self.peek(Mode::Search);
            match next.kind {
                TokenKind::Pipe | TokenKind::End | TokenKind::CloseBracket => Ok(search),
                TokenKind::Close => {
                    Err(self.unbalanced(next.range, "this parenthesis closes nothing", "remove it"))
                }
                _ if self.stops(&next, stops) => Ok(search),
                _ => Err(self.unexpected(&next, "a search expression is expected")),
            }
        });
        read.unwrap_or_else(|Failed| {
            let end = crate::spl::lexer::command_end(self.text, start, self.subsearches > 0);
            self.at = end;
            let written = self.text.get(start..end).unwrap_or_default().trim_end().len();
            self.last_end = start + written;
            Search::Broken(self.span_from(start))
        })
    }

    /// Terms with `AND`, or nothing, between. None at all is an expression too.
    fn search_and(&mut self, stops: &[&str]) -> Read<Search> {
        let mut parts = Vec::new();
        let (mut and, mut or) = (None, None);
        loop {
            let next = self.peek(Mode::Search);
            match next.kind {
                TokenKind::Pipe | TokenKind::End | TokenKind::CloseBracket | TokenKind::Close => {
                    break;
                }
                TokenKind::Comma => self.comma(next),
                _ if self.stops(&next, stops) => break,
                _ if self.is_keyword(&next, "AND") => {
                    self.take(next.clone());
                    and = and.or(self.written_once(&next));
                    let behind = self.peek(Mode::Search);
                    let ends = self.ends_expression(&behind) || self.stops(&behind, stops);
                    if parts.is_empty() || ends {
                        let help = "a term is expected on both sides of `AND`";
                        return Err(self.unexpected(&next, help));
                    }
                }
                _ => parts.push(self.search_or(stops, &mut or)?),
            }
        }
        if let (Some(and), Some(or)) = (and, or) {
            let message = "`AND` and `OR` stand at one level: here `OR` binds first, and `where` \
                would have it the other way round";
            let help = "put in parentheses what belongs together";
            let at = and.start.min(or.start)..and.end.max(or.end);
            self.note("mixed-boolean", at, message.to_owned(), help);
        }
        Ok(joined(parts, Search::And))
    }

    /// Where a token stands, unless a macro has brought it.
    fn written_once(&self, token: &Token) -> Option<Range<usize>> {
        self.expanded.is_written(token.range.clone()).then(|| token.range.clone())
    }

    /// `or` becomes the place of the first `OR`.
    fn search_or(&mut self, stops: &[&str], or: &mut Option<Range<usize>>) -> Read<Search> {
        let mut parts = vec![self.search_not(stops)?];
        loop {
            let mut next = self.peek(Mode::Search);
            if next.kind == TokenKind::Comma {
                let behind = self.behind(&next, Mode::Search);
                if self.is_keyword(&behind, "OR") {
                    self.needless_comma(next, "remove it: `OR` follows");
                    next = behind;
                }
            }
            if !self.is_keyword(&next, "OR") {
                return Ok(joined(parts, Search::Or));
            }
            *or = or.take().or(self.written_once(&next));
            self.take(next);
            parts.push(self.search_not(stops)?);
        }
    }

    fn search_not(&mut self, stops: &[&str]) -> Read<Search> {
        let next = self.peek(Mode::Search);
        if !self.is_keyword(&next, "NOT") {
            return self.search_primary(stops);
        }
        self.take(next.clone());
        let inner = self.nested(|parser| parser.search_not(stops))?;
        Ok(Search::Not(Box::new(inner), self.span_from(next.range.start)))
    }

    fn search_primary(&mut self, stops: &[&str]) -> Read<Search> {
        let next = self.peek(Mode::Search);
        match next.kind {
            TokenKind::Open => self.search_in_parentheses(),
            TokenKind::OpenBracket => Ok(Search::Subsearch(self.nested(Self::subsearch)?)),
            TokenKind::Macro => {
                self.take(next.clone());
                Ok(Search::Broken(self.span(next.range)))
            }
            TokenKind::Word | TokenKind::Text if !self.stops(&next, stops) => {
                let is_operator =
                    ["AND", "OR"].iter().any(|keyword| self.is_keyword(&next, keyword));
                if is_operator {
                    return Err(self.unexpected(&next, "a search term is expected"));
                }
                self.take(next.clone());
                self.term(next)
            }
            _ => Err(self.unexpected(&next, "a search term is expected")),
        }
    }

    /// `(…)`.
    pub(super) fn search_in_parentheses(&mut self) -> Read<Search> {
        let open = self.expect(TokenKind::Open, Mode::Search, "`(`")?;
        let inner = self.nested(|parser| parser.search_and(&[]))?;
        if !self.eat(TokenKind::Close, Mode::Search) {
            if let Some(term) = self.wide_term.take_if(|term| term.start > open.range.start) {
                let message = "this parenthesis is not closed before the next operator";
                return Err(self.unbalanced(term, message, "close it with `)`"));
            }
            let message = "this parenthesis is not closed";
            return Err(self.unbalanced(open.range, message, "close it with `)`"));
        }
        Ok(inner)
    }

    /// What starts with a word or a phrase.
    fn term(&mut self, first: Token) -> Read<Search> {
        let next = self.peek(Mode::Search);
        let text = first.inner(self.text);
        let plain = first.kind == TokenKind::Word;
        if next.kind == TokenKind::Operator {
            return self.comparison(&first, next);
        }
        if self.opens_values(&next) {
            self.take(next);
            return self.values_in(&first);
        }
        // `field NOT IN (…)`
        if self.is_keyword_of(&next, "NOT") && self.opens_values(&self.behind(&next, Mode::Search))
        {
            let start = first.range.start;
            self.take(next);
            let operator = self.peek(Mode::Search);
            self.take(operator);
            let inner = self.values_in(&first)?;
            return Ok(Search::Not(Box::new(inner), self.span_from(start)));
        }
        if plain && next.kind == TokenKind::Open && next.range.start == first.range.end {
            match text {
                "TERM" => return Ok(Search::Token(self.token_in_parentheses()?)),
                "CASE" => return Ok(Search::Case(None, self.token_in_parentheses()?)),
                _ => {}
            }
        }
        if plain {
            self.look_at_word(&first, &next);
        }
        Ok(Search::Term(self.search_value(&first)))
    }

    /// What a word that stands by itself was perhaps meant to be.
    fn look_at_word(&mut self, word: &Token, next: &Token) {
        let text = word.inner(self.text);
        let adjacent = next.range.start == word.range.end;
        if ["and", "or", "not"].iter().any(|own| text.eq_ignore_ascii_case(own)) {
            self.lower_case(word);
        } else if next.kind == TokenKind::Open && adjacent && is_function(text) {
            let message = format!("`{text}` is a word that events must have, and not called");
            self.note("function-in-search", word.range.clone(), message, "use `where`");
            self.calls.push(next.range.start);
        } else if next.kind == TokenKind::Open && adjacent && glued(text).is_some() {
            let message = format!("`{text}` is one word, which events must have");
            let help = "put a blank behind the operator";
            self.note("glued-operator", word.range.clone(), message, help);
        } else if next.kind == TokenKind::Text && adjacent && self.is_name_with_sign(word) {
            let message = format!("`{text}` is a word that events must have, and no comparison");
            let name = text.trim_end_matches(|c: char| !c.is_alphanumeric());
            let help = format!("write `{name}=` before the value");
            self.note("glued-operator", word.range.clone(), message, &help);
        }
    }

    /// Whether a word is the name of a field and perhaps a sign that is no comparison: `uri_path-`.
    /// Behind a quote it is inside of what should be a phrase.
    fn is_name_with_sign(&self, word: &Token) -> bool {
        let text = word.inner(self.text);
        let name = text.trim_end_matches(['-', '~', '+']);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let before = self.text.get(..word.range.start).unwrap_or_default();
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(plain)
            && text.len() <= name.len() + 1
            && !before.ends_with('"')
    }

    fn lower_case(&mut self, word: &Token) {
        let text = word.inner(self.text);
        let message = format!("`{text}` is a word that events must have, and no operator");
        let (span, new) = (self.span(word.range.clone()), text.to_ascii_uppercase());
        let diagnostic = Diagnostic::new(Level::Note, "lower-case-boolean", message, span);
        // Of a sentence nobody knows which search was meant.
        let diagnostic = match self.is_prose(word.range.start) {
            true => diagnostic.with_help("this reads like a sentence: compare fields with values"),
            false => {
                let diagnostic = diagnostic.with_help(format!("write `{new}`"));
                self.with_edit(diagnostic, (word.range.clone(), &new))
            }
        };
        self.diagnostics.push(diagnostic);
    }

    /// Whether the command at a place reads like a sentence: words that only people say, and no
    /// comparison.
    fn is_prose(&self, at: usize) -> bool {
        const SAID: [&str; 8] = ["for", "the", "look", "is", "are", "with", "when", "from"];
        let (before, behind) = self.text.split_at_checked(at).unwrap_or((self.text, ""));
        let start = before.rfind('|').map_or(0, |pipe| pipe + 1);
        let end = behind.find('|').map_or(self.text.len(), |pipe| at + pipe);
        let command = self.text.get(start..end).unwrap_or_default();
        !command.contains(['=', '"', '(']) && command.split_whitespace().any(|w| SAID.contains(&w))
    }

    fn comparison(&mut self, field: &Token, sign: Token) -> Read<Search> {
        let written = sign.inner(self.text).to_owned();
        let operator = operator(&written).unwrap_or(Operator::Equal);
        let operator = Spanned { value: operator, span: self.span(sign.range.clone()) };
        self.take(sign);
        let field = self.name_of(field);
        let next = self.peek(Mode::Value);
        match next.kind {
            TokenKind::Text => {}
            TokenKind::Word => {
                let adjacent = next.range.start == self.last_end;
                if !adjacent && ["OR", "AND", "NOT"].contains(&next.inner(self.text)) {
                    return Err(self.unexpected(&next, "a value is expected"));
                }
                let rest = self.text.get(next.range.end..).unwrap_or_default();
                if next.inner(self.text) == "CASE" && rest.starts_with('(') {
                    self.take(next);
                    return Ok(Search::Case(Some(field), self.token_in_parentheses()?));
                }
                if next.inner(self.text) == "TERM" && rest.starts_with('(') {
                    self.take(next.clone());
                    let value = self.listed_value(&next)?;
                    return Ok(Search::Compare { field, operator, value });
                }
            }
            TokenKind::Open if operator.value == Operator::Equal => return self.spread(&field),
            TokenKind::OpenBracket => return Ok(Search::Broken(self.value_subsearch(next)?)),
            TokenKind::Macro => {
                self.take(next.clone());
                return Ok(Search::Broken(self.span(next.range)));
            }
            _ => return Err(self.unexpected(&next, "a value is expected")),
        }
        self.take(next.clone());
        let value = self.search_value(&next);
        let called = self.text.get(next.range.end..).unwrap_or_default().starts_with('(');
        if called && is_function(&value.text) && next.kind == TokenKind::Word {
            let message = format!("`{}` is taken for a value, and not called", value.text);
            self.calls.push(next.range.end);
            self.note("function-in-search", next.range, message, "use `where`");
        }
        Ok(Search::Compare { field, operator, value })
    }

    /// `field=(a OR b)`: each of the values by itself.
    fn spread(&mut self, field: &Name) -> Read<Search> {
        let open = self.expect(TokenKind::Open, Mode::List, "`(`")?;
        let mut parts = Vec::new();
        loop {
            let next = self.peek(Mode::List);
            match next.kind {
                TokenKind::Close => {
                    self.take(next);
                    break;
                }
                TokenKind::Word if next.inner(self.text) == "OR" && !parts.is_empty() => {
                    self.take(next);
                }
                TokenKind::Word | TokenKind::Text => {
                    self.take(next.clone());
                    let value = self.search_value(&next);
                    parts.push(value);
                }
                TokenKind::Comma => self.take(next),
                TokenKind::End | TokenKind::Pipe => {
                    let message = "this parenthesis is not closed";
                    return Err(self.unbalanced(open.range, message, "close it with `)`"));
                }
                _ => return Err(self.unexpected(&next, "a value is expected")),
            }
        }
        Ok(Search::In { field: field.clone(), values: parts })
    }

    /// Whether `token` is `IN` with values behind it.
    fn opens_values(&self, token: &Token) -> bool {
        let opens = |kind| matches!(kind, TokenKind::Open | TokenKind::OpenBracket);
        self.is_keyword_of(token, "IN") && opens(self.behind(token, Mode::Search).kind)
    }

    /// The values behind `field IN`.
    fn values_in(&mut self, field: &Token) -> Read<Search> {
        let open = self.peek(Mode::Arguments);
        if open.kind == TokenKind::OpenBracket {
            return Ok(Search::Broken(self.value_subsearch(open)?));
        }
        self.take(open.clone());
        let field = self.name_of(field);
        let mut values = Vec::new();
        loop {
            let next = self.peek(Mode::List);
            match next.kind {
                TokenKind::Close => {
                    self.take(next);
                    return Ok(Search::In { field, values });
                }
                TokenKind::Comma | TokenKind::Macro => self.take(next),
                TokenKind::Word | TokenKind::Text => {
                    self.take(next.clone());
                    values.push(self.listed_value(&next)?);
                }
                TokenKind::End | TokenKind::Pipe => {
                    let message = "this parenthesis is not closed";
                    return Err(self.unbalanced(open.range, message, "close it with `)`"));
                }
                _ => return Err(self.unexpected(&next, "a value is expected")),
            }
        }
    }

    /// A value of a list; some write `TERM(…)` there.
    fn listed_value(&mut self, token: &Token) -> Read<SearchValue> {
        let rest = self.text.get(token.range.end..).unwrap_or_default();
        if token.inner(self.text) != "TERM" || !rest.starts_with('(') {
            return Ok(self.search_value(token));
        }
        let value = self.token_in_parentheses()?;
        Ok(SearchValue { text: value.value, quoted: true, span: value.span })
    }

    /// What stands in the parentheses of `TERM` and `CASE`: everything up to the `)`.
    fn token_in_parentheses(&mut self) -> Read<Name> {
        let open = self.expect(TokenKind::Open, Mode::Search, "`(`")?;
        let rest = self.text.get(open.range.end..).unwrap_or_default();
        let Some(len) = closing(rest) else {
            let message = "this parenthesis is not closed";
            return Err(self.unbalanced(open.range, message, "close it with `)`"));
        };
        let written = &rest[..len];
        if [" OR ", " AND "].iter().any(|operator| written.contains(operator)) {
            self.wide_term.get_or_insert(open.range.clone());
        }
        if written.contains("TERM(") {
            let message = "this parenthesis is not closed before the next `TERM(`";
            return Err(self.unbalanced(open.range, message, "close it with `)`"));
        }
        let inner = written.trim();
        let start = open.range.end + written.len() - written.trim_start().len();
        let inner = inner.strip_prefix('"').and_then(|i| i.strip_suffix('"')).unwrap_or(inner);
        let range = start..(start + written.trim().len());
        let value = Arc::from(unescape(inner));
        self.take(Token { kind: TokenKind::Word, range: range.clone() });
        let close = open.range.end + len;
        self.take(Token { kind: TokenKind::Close, range: close..close + 1 });
        Ok(Spanned { value, span: self.span(range) })
    }

    fn comma(&mut self, comma: Token) {
        if self.is_in_call(comma.range.start) {
            // The function has been said already.
            return self.take(comma);
        }
        let mut behind = self.text.get(comma.range.end..).unwrap_or_default().trim_start().chars();
        if matches!(behind.next(), None | Some('|' | ')' | ']')) {
            return self.needless_comma(comma, "remove it: no term follows");
        }
        let message = "a comma between search terms is taken for a blank".to_owned();
        self.note("comma-in-search", comma.range.clone(), message, "write `AND` or `OR`");
        self.take(comma);
    }

    /// Whether a place is between the parentheses of a function that was said to be none here.
    fn is_in_call(&self, at: usize) -> bool {
        let is_open = |from: &usize| {
            let between = self.text.get(*from..at).unwrap_or_default();
            between.matches('(').count() > between.matches(')').count()
        };
        self.calls.iter().any(is_open)
    }

    /// A comma that can go: that of `(".exe", OR ".dll")`.
    fn needless_comma(&mut self, comma: Token, help: &str) {
        let message = "a comma between search terms is taken for a blank";
        let span = self.span(comma.range.clone());
        let mut diagnostic =
            Diagnostic::new(Level::Note, "comma-in-search", message, span).with_help(help);
        if let Some(edit) = self.edit(comma.range.clone(), "") {
            diagnostic = diagnostic.with_fix("remove the comma", vec![edit]);
        }
        self.diagnostics.push(diagnostic);
        self.take(comma);
    }

    pub(super) fn search_value(&self, token: &Token) -> SearchValue {
        SearchValue {
            text: Arc::from(token.value(self.text)),
            quoted: token.kind == TokenKind::Text,
            span: self.span(token.range.clone()),
        }
    }

    fn is_keyword(&self, token: &Token, keyword: &str) -> bool {
        self.is_keyword_of(token, keyword) && !self.is_field(token)
    }

    fn is_keyword_of(&self, token: &Token, keyword: &str) -> bool {
        token.kind == TokenKind::Word && token.inner(self.text) == keyword
    }

    /// Whether a comparison follows the word.
    fn is_field(&self, token: &Token) -> bool {
        super::is_comparison(self.text.get(token.range.end..).unwrap_or_default())
    }

    fn stops(&self, token: &Token, stops: &[&str]) -> bool {
        token.kind == TokenKind::Word
            && stops.iter().any(|stop| token.inner(self.text).eq_ignore_ascii_case(stop))
            && !self.is_field(token)
    }

    fn ends_expression(&self, token: &Token) -> bool {
        use TokenKind::{Close, CloseBracket, End, Pipe};
        matches!(token.kind, Close | CloseBracket | End | Pipe)
    }
}

/// Where the parenthesis closes that is open before `rest`; quotes and inner ones are passed over.
pub(super) fn closing(rest: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' => depth += 1,
            b')' if depth == 0 => return Some(at),
            b')' => depth -= 1,
            b'|' => return None,
            _ => {}
        }
    }
    None
}

/// Whether there is a function of that name that a condition could be.
fn is_function(word: &str) -> bool {
    functions::find(&word.to_ascii_lowercase()).is_some()
}

/// An operator and the word that is glued to it: `ANDmatch`, `ORTERM`.
pub(super) fn glued(word: &str) -> Option<(&str, &str)> {
    let operators = ["AND", "OR", "NOT", "and", "or", "not"];
    let apart = |operator: &&str| word.split_at_checked(operator.len());
    let parts = operators.iter().filter(|own| word.starts_with(**own)).filter_map(apart);
    let mut parts = parts.filter(|(_, rest)| ["TERM", "CASE"].contains(rest) || is_function(rest));
    parts.next()
}

fn joined(mut parts: Vec<Search>, join: fn(Vec<Search>) -> Search) -> Search {
    if parts.len() == 1 { parts.swap_remove(0) } else { join(parts) }
}
