//! `stats` and its relatives, and `tstats`.

use std::sync::Arc;

use super::search::closing;
use super::{Parser, Read};
use crate::spl::ast::{Measure, MeasureOf, Name, Spanned, Stats, Syntax, Tstats};
use crate::spl::lexer::{Mode, Token, TokenKind, unescape};

/// The words that end the list of what is measured.
const CLAUSES: [&str; 6] = ["by", "groupby", "over", "where", "from", "into"];

impl Parser<'_> {
    /// `stats`, `eventstats`, `streamstats`, `chart`, `timechart`, `mstats` …
    pub(super) fn stats(&mut self) -> Read<Syntax> {
        let mut stats = Stats {
            settings: Vec::new(),
            measures: Vec::new(),
            over: None,
            by: Vec::new(),
            filter: None,
        };
        loop {
            self.skip_macros();
            if self.eat(TokenKind::Comma, Mode::Arguments) {
                continue;
            }
            if let Some(setting) = self.setting()? {
                stats.settings.push(setting);
            } else if self.eat_word("by") || self.eat_word("groupby") {
                stats.by.extend(self.by_list()?);
            } else if self.eat_word("over") {
                stats.over = Some(self.name("the name of a field")?);
            } else if self.eat_word("where") {
                stats.filter = Some(self.search_expression(&["by", "groupby"]));
            } else if self.is_name() {
                stats.measures.push(self.measure()?);
            } else {
                return Ok(Syntax::Stats(stats));
            }
        }
    }

    /// `tstats`: its parts may come in any order.
    pub(super) fn tstats(&mut self) -> Read<Syntax> {
        let mut tstats = Tstats {
            settings: Vec::new(),
            measures: Vec::new(),
            datamodel: None,
            filter: None,
            by: Vec::new(),
            span: None,
        };
        loop {
            self.skip_macros();
            if self.eat(TokenKind::Comma, Mode::Arguments) {
                continue;
            }
            if let Some(setting) = self.setting()? {
                match (&*setting.name.value, tstats.by.is_empty()) {
                    ("datamodel", _) => tstats.datamodel = Some(setting.value),
                    ("span", false) => tstats.span = Some(setting.value),
                    _ => tstats.settings.push(setting),
                }
            } else if self.eat_word("from") {
                tstats.datamodel = self.data_model()?.or(tstats.datamodel);
            } else if self.eat_word("where") {
                tstats.filter = Some(self.search_expression(&["by", "groupby"]));
            } else if self.eat_word("by") || self.eat_word("groupby") {
                tstats.by.extend(self.by_list()?);
            } else if self.is_name() && tstats.span.is_some() {
                // `by _time span=1h host`
                tstats.by.extend(self.by_list()?);
            } else if self.is_name() {
                tstats.measures.push(self.measure()?);
            } else {
                return Ok(Syntax::Tstats(tstats));
            }
        }
    }

    /// What follows `from`. `datamodel=X` is an option, and read as one.
    fn data_model(&mut self) -> Read<Option<Name>> {
        let next = self.peek(Mode::Arguments);
        if self.is_word(&next, "datamodel") {
            self.take(next);
            return self.name("the name of a data model").map(Some);
        }
        let text = next.inner(self.text);
        let is_option = self.text.get(next.range.end..).unwrap_or_default();
        if is_option.trim_start().starts_with('=') {
            return Ok(None);
        }
        let prefix = ["datamodel:", "datamodel::"].iter().rev().find(|p| text.starts_with(**p));
        let prefix = prefix.map_or(0, |prefix| prefix.len());
        let name = self.name("`datamodel=` and the name of a data model")?;
        let value = Arc::from(name.value.get(prefix..).unwrap_or_default());
        Ok(Some(Spanned { value, span: name.span }))
    }

    /// The fields behind `by`; options of the command may follow.
    fn by_list(&mut self) -> Read<Vec<Name>> {
        let names = self.name_list(&["where", "from", "over", "by"])?;
        if names.is_empty() && !self.follows_macro() {
            let next = self.peek(Mode::Arguments);
            return Err(self.unexpected(&next, "the name of a field is expected behind `by`"));
        }
        Ok(names)
    }

    /// Whether the last token was a macro that is not defined, which may stand for anything.
    fn follows_macro(&self) -> bool {
        self.taken.last().is_some_and(|token| token.kind == TokenKind::Macro)
    }

    /// `count`, `values(x) AS y`, `count(eval(…))`.
    fn measure(&mut self) -> Read<Measure> {
        let word = self.peek(Mode::Arguments);
        if word.kind == TokenKind::Word
            && CLAUSES.iter().any(|clause| word.inner(self.text).eq_ignore_ascii_case(clause))
        {
            return Err(self.unexpected(&word, "a function is expected"));
        }
        self.take(word.clone());
        let function = match word.kind {
            TokenKind::Word => self.lower(&word),
            _ => return Err(self.unexpected(&word, "a function is expected")),
        };
        let of = match self.peek(Mode::Arguments).kind {
            TokenKind::Open => self.measure_of()?,
            _ => MeasureOf::Rows,
        };
        let alias = self.alias()?;
        let span = self.span_from(word.range.start);
        Ok(Measure { function, of, alias, span })
    }

    /// What stands in the parentheses of a measure.
    fn measure_of(&mut self) -> Read<MeasureOf> {
        let open = self.expect(TokenKind::Open, Mode::Arguments, "`(`")?;
        let first = self.peek(Mode::Arguments);
        let behind = self.text.get(first.range.end..).unwrap_or_default().trim_start();
        if self.is_word(&first, "eval") && behind.starts_with('(') {
            self.take(first);
            self.eat(TokenKind::Open, Mode::Eval);
            let eval = self.eval_expression()?;
            self.expect(TokenKind::Close, Mode::Eval, "an operator or `)`")?;
            self.expect(TokenKind::Close, Mode::Arguments, "`)`")?;
            return Ok(MeasureOf::Eval(eval));
        }
        let rest = self.text.get(open.range.end..).unwrap_or_default();
        let Some(len) = closing(rest) else {
            let message = "this parenthesis is not closed";
            return Err(self.unbalanced(open.range, message, "close it with `)`"));
        };
        let written = &rest[..len];
        let start = open.range.end + written.len() - written.trim_start().len();
        let inner = written.trim();
        let close = open.range.end + len;
        let range = start..start + inner.len();
        if !inner.is_empty() {
            self.take(Token { kind: TokenKind::Word, range: range.clone() });
        }
        self.take(Token { kind: TokenKind::Close, range: close..close + 1 });
        if inner.is_empty() {
            return Ok(MeasureOf::Rows);
        }
        let value = Arc::from(unquoted(inner));
        Ok(MeasureOf::Field(Spanned { value, span: self.span(range) }))
    }
}

/// A name without its quotes.
fn unquoted(name: &str) -> String {
    let quotes = |quote: char| name.strip_prefix(quote).and_then(|name| name.strip_suffix(quote));
    match (quotes('"'), quotes('\'')) {
        (Some(name), _) => unescape(name),
        (None, Some(name)) => name.to_owned(),
        (None, None) => name.to_owned(),
    }
}
