//! From the text of a search to its tree.
//!
//! ```text
//! pipeline = [search] ("|" command)*
//! command  = name arguments
//! ```
//!
//! Nothing is refused here as a whole: what cannot be read is said, and reading goes on at the next
//! `|`. Each form of arguments has its function in a file of `parser/`.

mod arguments;
mod commands;
mod eval;
mod measures;
mod search;

use std::ops::Range;
use std::sync::Arc;

use rulestone_ir::{Clock, Diagnostic, Level, Schema, Span};

use super::Text;
use super::ast::{Command, Name, Pipeline, Search, Spanned, Syntax};
use super::expand::{Expanded, expand};
use super::lexer::{Mode, Token, TokenKind, command_end, token};
use crate::environment::Environment;
use crate::text::Written;

/// Expressions nested deeper than this are refused; the parser recurses.
const MAX_DEPTH: usize = 128;
/// Searches inside of searches, at most.
const MAX_SUBSEARCHES: usize = 12;
/// Mistakes that are said of one search, at most.
const MAX_MISTAKES: usize = 100;

/// Reads a search. What cannot be read is `Broken` or `Other`, with a diagnostic.
pub(super) fn parse(
    text: &Text<'_>,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> Pipeline {
    parse_recorded(text, environment, diagnostics).0
}

/// Reads a search that stands in a value at `span`: that of `map`, with `$field$` in place.
pub(super) fn parse_at(
    search: &str,
    span: Span,
    (schema, environment): (Schema, &Environment),
    diagnostics: &mut Vec<Diagnostic>,
) -> Pipeline {
    let place = |_: Range<usize>| span;
    parse(
        &Text { search, place: &place, clock: Clock::Whole, schema, written: None },
        environment,
        diagnostics,
    )
}

/// Reads a search expression that stands in a value at `span`.
pub(super) fn parse_search_at(
    search: &str,
    span: Span,
    macros: (Schema, &Environment),
    diagnostics: &mut Vec<Diagnostic>,
) -> Search {
    let place = |_: Range<usize>| span;
    let expanded = expand(search, &place, macros, diagnostics);
    let mut parser = Parser::new(&expanded, (&place, None), diagnostics);
    parser.search_expression(&[])
}

/// Reads a search, and hands out its tokens as the parser took them.
pub(super) fn parse_recorded(
    text: &Text<'_>,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Pipeline, Vec<(TokenKind, String)>) {
    let expanded = expand(text.search, text.place, (text.schema, environment), diagnostics);
    let mut parser = Parser::new(&expanded, (text.place, text.written), diagnostics);
    let pipeline = parser.pipeline();
    let tokens = std::mem::take(&mut parser.taken);
    let text =
        |token: &Token| expanded.text.get(token.range.clone()).unwrap_or_default().to_owned();
    (pipeline, tokens.iter().map(|token| (token.kind, text(token))).collect())
}

/// Something could not be read, which has been said.
struct Failed;

type Read<T> = Result<T, Failed>;

struct Parser<'a> {
    text: &'a str,
    expanded: &'a Expanded,
    place: &'a dyn Fn(Range<usize>) -> Span,
    written: Option<Written<'a>>,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// Where the next token is looked for.
    at: usize,
    /// Where the token before ended.
    last_end: usize,
    /// Levels of recursion.
    depth: usize,
    /// Subsearches that wait for their `]`.
    subsearches: usize,
    /// How many mistakes have been said.
    mistakes: usize,
    /// The tokens so far.
    taken: Vec<Token>,
    /// Where the parentheses open of functions that are called where none are known.
    calls: Vec<usize>,
    /// Where the parenthesis opens of a `TERM(` with an operator in it.
    wide_term: Option<Range<usize>>,
}

impl<'a> Parser<'a> {
    fn new(
        expanded: &'a Expanded,
        (place, written): (&'a dyn Fn(Range<usize>) -> Span, Option<Written<'a>>),
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Parser {
            text: &expanded.text,
            expanded,
            place,
            written,
            diagnostics,
            at: 0,
            last_end: 0,
            depth: 0,
            subsearches: 0,
            mistakes: 0,
            taken: Vec::new(),
            calls: Vec::new(),
            wide_term: None,
        }
    }

    /// Commands up to the end, or to the `]` of a subsearch, which stays.
    fn pipeline(&mut self) -> Pipeline {
        let start = self.peek(Mode::Arguments).range.start;
        let mut commands = Vec::new();
        if self.peek(Mode::Search).kind != TokenKind::Pipe && !self.ends() {
            commands.push(self.first_command());
        }
        while !self.ends() {
            let pipe = self.peek(Mode::Arguments);
            if pipe.kind != TokenKind::Pipe {
                self.rest_is_unexpected();
                continue;
            }
            self.take(pipe);
            let next = self.peek(Mode::Arguments);
            if matches!(next.kind, TokenKind::Pipe | TokenKind::End | TokenKind::CloseBracket) {
                self.mistake(next.range, "a command is missing here", "remove the `|`");
                continue;
            }
            commands.push(self.command());
        }
        Pipeline { commands, span: self.span_from(start) }
    }

    /// The command before the first `|`: a search, unless it says otherwise.
    fn first_command(&mut self) -> Command {
        let next = self.peek(Mode::Arguments);
        let word = next.inner(self.text);
        let behind = self.text.get(next.range.end..).unwrap_or_default();
        let is_command = next.kind == TokenKind::Word
            && !is_comparison(behind)
            && (word == "search"
                || (self.subsearches > 0 && commands::is_known(word) && !behind.is_empty()));
        if is_command {
            return self.command();
        }
        let start = next.range.start;
        let name = Spanned { value: Arc::from("search"), span: self.span(start..start) };
        let syntax = Syntax::Search(self.search_expression(&[]));
        Command { name, syntax, span: self.span_from(start) }
    }

    fn command(&mut self) -> Command {
        let next = self.peek(Mode::Arguments);
        let start = next.range.start;
        let name = self.spanned(&next, next.inner(self.text));
        let end = command_end(self.text, next.range.end, self.subsearches > 0);
        let syntax = match next.kind {
            TokenKind::Word => {
                self.take(next);
                let behind = (self.at, self.taken.len());
                let read = self.arguments_of(&name.value).and_then(|syntax| self.at_end(syntax));
                match read {
                    Ok(syntax) => syntax,
                    Err(Failed) => {
                        self.taken.truncate(behind.1);
                        self.at = behind.0;
                        self.other(end)
                    }
                }
            }
            TokenKind::Macro => {
                self.take(next);
                self.other(end)
            }
            _ => {
                self.unexpected(&next, "the name of a command is expected");
                self.other(end)
            }
        };
        Command { name, syntax, span: self.span_from(start) }
    }

    /// What a command is given, when that has been read to its end.
    fn at_end(&mut self, syntax: Syntax) -> Read<Syntax> {
        self.skip_macros();
        let next = self.peek(Mode::Arguments);
        match next.kind {
            TokenKind::Pipe | TokenKind::End | TokenKind::CloseBracket => Ok(syntax),
            _ => Err(self.unexpected(&next, "the command ends before it, or a `|` is missing")),
        }
    }

    /// Everything up to `end` as it stands.
    fn other(&mut self, end: usize) -> Syntax {
        let range = self.at.min(end)..end;
        let rest = self.text.get(range.clone()).unwrap_or_default();
        let start = range.start + rest.len() - rest.trim_start().len();
        let text = rest.trim();
        let range = start.min(end)..(start + text.len()).min(end);
        let name = Spanned { value: Arc::from(text), span: self.span(range.clone()) };
        if !text.is_empty() {
            self.taken.push(Token { kind: TokenKind::Word, range: range.clone() });
        }
        self.at = end;
        self.last_end = range.end.max(self.last_end);
        Syntax::Other { text: name }
    }

    /// `[…]`.
    fn subsearch(&mut self) -> Read<Pipeline> {
        let open = self.expect(TokenKind::OpenBracket, Mode::Arguments, "a subsearch in `[…]`")?;
        if self.subsearches == MAX_SUBSEARCHES {
            return Err(self.too_deep(open.range));
        }
        self.subsearches += 1;
        let pipeline = self.pipeline();
        self.subsearches -= 1;
        let close = token(self.text, self.at, Mode::Arguments, true);
        if close.kind != TokenKind::CloseBracket {
            return Err(self.unbalanced(open.range, "this `[` is not closed", "close it with `]`"));
        }
        self.take(close);
        Ok(pipeline)
    }

    /// A subsearch in place of a value, which its first column would be.
    fn value_subsearch(&mut self, open: Token) -> Read<Span> {
        let start = open.range.start;
        self.nested(Self::subsearch)?;
        let span = self.span_from(start);
        let message = "a subsearch stands in place of a value";
        let diagnostic = Diagnostic::new(Level::Unsupported, "subsearch-value", message, span);
        self.diagnostics.push(diagnostic.with_help("let the subsearch name the field itself"));
        Ok(span)
    }

    /// Goes one level down.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth == MAX_DEPTH {
            let at = self.at;
            return Err(self.too_deep(at..at));
        }
        self.depth += 1;
        let read = inner(self);
        self.depth -= 1;
        read
    }

    fn too_deep(&mut self, range: Range<usize>) -> Failed {
        self.mistakes += 1;
        let message = "the search is nested too deep, or an expression is too long";
        let span = self.span(range);
        let diagnostic = Diagnostic::new(Level::Unsupported, "search-limit", message, span);
        self.diagnostics.push(diagnostic.with_help("simplify it"));
        Failed
    }

    /// What stands between two commands and belongs to neither.
    fn rest_is_unexpected(&mut self) {
        let next = self.peek(Mode::Arguments);
        self.unexpected(&next, "a `|` and a command are expected");
        let end = command_end(self.text, next.range.end.max(self.at + 1), self.subsearches > 0);
        self.at = end;
    }

    fn ends(&self) -> bool {
        matches!(self.peek(Mode::Arguments).kind, TokenKind::End | TokenKind::CloseBracket)
    }

    fn peek(&self, mode: Mode) -> Token {
        token(self.text, self.at, mode, self.subsearches > 0)
    }

    /// The token behind another one.
    fn behind(&self, before: &Token, mode: Mode) -> Token {
        token(self.text, before.range.end, mode, self.subsearches > 0)
    }

    fn take(&mut self, token: Token) {
        self.at = token.range.end;
        self.last_end = token.range.end;
        if token.kind != TokenKind::End {
            self.taken.push(token);
        }
    }

    /// Takes the next token if it is of `kind`.
    fn eat(&mut self, kind: TokenKind, mode: Mode) -> bool {
        let next = self.peek(mode);
        let found = next.kind == kind;
        if found {
            self.take(next);
        }
        found
    }

    fn expect(&mut self, kind: TokenKind, mode: Mode, what: &str) -> Read<Token> {
        let next = self.peek(mode);
        if next.kind != kind {
            return Err(self.unexpected(&next, &format!("{what} is expected")));
        }
        self.take(next.clone());
        Ok(next)
    }

    /// Passes over macros that are not defined, which has been said.
    fn skip_macros(&mut self) {
        while self.eat(TokenKind::Macro, Mode::Arguments) {}
    }

    fn unexpected(&mut self, token: &Token, help: &str) -> Failed {
        let text = self.text.get(token.range.clone()).unwrap_or_default();
        let message = match token.kind {
            TokenKind::End => "the search ends here".to_owned(),
            TokenKind::Unclosed => "this quote is not closed".to_owned(),
            TokenKind::Pipe => "the command ends here".to_owned(),
            _ => format!("`{text}` cannot stand here"),
        };
        if token.kind == TokenKind::Unclosed {
            return self.unclosed(token.range.start);
        }
        self.mistake(token.range.clone(), message, help)
    }

    /// Nothing closes the quote at `start`. Where a phrase before it ends right before a word, the
    /// quote that is missing or too much is that phrase's: from there on inside is outside.
    fn unclosed(&mut self, start: usize) -> Failed {
        let code = "unbalanced-quotes";
        let rest = self.text.get(start..).unwrap_or_default();
        if rest.starts_with('`') {
            return self.wrong(code, start..start + 1, "this backtick is not closed", "close it");
        }
        let text = self.text;
        let runs_into = |token: &&Token| {
            let next = text.get(token.range.end..).and_then(|rest| rest.chars().next());
            token.kind == TokenKind::Text && next.is_some_and(char::is_alphanumeric)
        };
        match self.taken.iter().find(runs_into).map(|token| token.range.start) {
            Some(at) => {
                let message = "what starts here ends at the quote that should start a later text";
                let help = "remove this quote, or close it before";
                self.wrong(code, at..at + 1, message, help)
            }
            None => self.wrong(code, start..start + 1, "this quote is not closed", "close it"),
        }
    }

    /// A parenthesis or bracket without its other half.
    fn unbalanced(&mut self, at: Range<usize>, message: &str, help: &str) -> Failed {
        self.wrong("unbalanced-parentheses", at, message, help)
    }

    fn mistake(&mut self, at: Range<usize>, message: impl Into<String>, help: &str) -> Failed {
        self.wrong("search-syntax", at, message, help)
    }

    fn wrong(
        &mut self,
        code: &'static str,
        at: Range<usize>,
        message: impl Into<String>,
        help: &str,
    ) -> Failed {
        let span = self.span(at);
        self.refuse(Diagnostic::new(Level::Invalid, code, message, span).with_help(help))
    }

    fn refuse(&mut self, diagnostic: Diagnostic) -> Failed {
        self.mistakes += 1;
        if self.mistakes <= MAX_MISTAKES {
            self.diagnostics.push(diagnostic);
        }
        Failed
    }

    /// Says something that takes nothing from the rule.
    fn note(&mut self, code: &'static str, at: Range<usize>, message: String, help: &str) {
        let diagnostic = Diagnostic::new(Level::Note, code, message, self.span(at));
        self.diagnostics.push(diagnostic.with_help(help));
    }

    /// The edit of the file that puts `new` in place of a range of the text.
    fn edit(&self, at: Range<usize>, new: &str) -> Option<(Span, String)> {
        let old = self.text.get(at.clone())?;
        self.written?.edit(self.span(at), old, new)
    }

    /// A diagnostic with the repair that puts `new` in place of a range of the text, where that
    /// stands in the file as it is.
    fn with_edit(&self, diagnostic: Diagnostic, (at, new): (Range<usize>, &str)) -> Diagnostic {
        match self.edit(at, new) {
            Some(edit) => diagnostic.with_fix(format!("write `{new}`"), vec![edit]),
            None => diagnostic,
        }
    }

    /// Where a range of the text stands in the rule's file.
    fn span(&self, range: Range<usize>) -> Span {
        (self.place)(self.expanded.source(range))
    }

    /// From `start` to behind the last token.
    fn span_from(&self, start: usize) -> Span {
        self.span(start..self.last_end.max(start))
    }

    fn spanned(&self, token: &Token, value: &str) -> Name {
        Spanned { value: Arc::from(value), span: self.span(token.range.clone()) }
    }

    /// A name or value, without quotes and with its escapes resolved.
    fn name_of(&self, token: &Token) -> Name {
        self.spanned(token, &token.value(self.text))
    }
}

/// Whether a comparison follows, so that the word before is a field.
fn is_comparison(behind: &str) -> bool {
    let behind = behind.trim_start();
    let is_template = behind.starts_with("<<");
    !is_template && (behind.starts_with(['=', '<', '>']) || behind.starts_with("!="))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every place in a tree, as its debug text says it.
    fn spans(pipeline: &Pipeline) -> Vec<Range<usize>> {
        let text = format!("{pipeline:?}");
        let number = |text: &str| {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            text[..digits].parse::<usize>().unwrap()
        };
        let parts = text
            .split("Span { start: ")
            .skip(1)
            .filter_map(|part| Some(number(part)..number(part.split_once(", end: ")?.1)));
        parts.collect()
    }

    proptest! {
        #[test]
        fn places_lie_in_the_search(parts in prop::collection::vec(prop::sample::select(vec![
            "a", "é", " ", "| ", "eval ", "stats ", "x=", "(", ")", "\"", "'", "`m`", "`", "```",
            "count(", " by ", "[", "]", " OR ", "NOT ", "search ", "| rex ", "| lookup ", ",", "1",
            "| where ", "| join ", "| tstats ", " as ", "+", ".", "| sort ", "-", " IN (", "TERM(",
        ]), 0..40)) {
            let search = parts.concat();
            let definition = "b OR \"c".to_owned();
            let found = crate::Macro { definition, ..crate::Macro::default() };
            let environment = Environment {
                macros: std::collections::BTreeMap::from([("m".to_owned(), found)]),
                ..Environment::default()
            };
            let text = Text {
                search: &search,
                place: &Span::new,
                clock: Clock::Whole,
                schema: Schema::Splunk,
                written: None,
            };
            let pipeline = parse(&text, &environment, &mut Vec::new());
            for span in spans(&pipeline) {
                prop_assert!(search.get(span.clone()).is_some(), "{:?} in {:?}", span, search);
            }
        }
    }

    #[test]
    fn a_search_in_a_value_is_read_where_it_stands() {
        let environment = Environment::default();
        let span = Span::new(7..20);
        let mut said = Vec::new();
        let pipeline =
            parse_at("search a=$b$ | table c", span, (Schema::Splunk, &environment), &mut said);
        assert_eq!(pipeline.commands.len(), 2);
        assert!(spans(&pipeline).iter().all(|found| *found == (7..20)));
        assert!(said.is_empty());
    }
}
