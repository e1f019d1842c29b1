//! What the arguments of commands are made of: names, options and lists of both.

use std::sync::Arc;

use super::{Parser, Read};
use crate::spl::ast::{Name, Names, Setting, SortKey, Spanned};
use crate::spl::lexer::{Mode, Token, TokenKind, token};

impl Parser<'_> {
    /// Whether the arguments are at their end.
    pub(super) fn at_command_end(&self) -> bool {
        use TokenKind::{CloseBracket, End, Pipe};
        matches!(self.peek(Mode::Arguments).kind, Pipe | End | CloseBracket)
    }

    /// Takes the word `keyword`, in any case.
    pub(super) fn eat_word(&mut self, keyword: &str) -> bool {
        let next = self.peek(Mode::Arguments);
        let found = self.is_word(&next, keyword);
        if found {
            self.take(next);
        }
        found
    }

    /// Whether `token` is the word `keyword` and no name of an option.
    pub(super) fn is_word(&self, token: &Token, keyword: &str) -> bool {
        token.kind == TokenKind::Word
            && token.inner(self.text).eq_ignore_ascii_case(keyword)
            && !self.is_option(token)
    }

    /// Whether `=` follows.
    fn is_option(&self, token: &Token) -> bool {
        let behind = self.text.get(token.range.end..).unwrap_or_default().trim_start();
        behind.starts_with('=')
    }

    /// `name=value`, if that is what comes.
    pub(super) fn setting(&mut self) -> Read<Option<Setting>> {
        self.skip_macros();
        let next = self.peek(Mode::Arguments);
        let named = matches!(next.kind, TokenKind::Word) && self.is_option(&next);
        if !named {
            return Ok(None);
        }
        self.take(next.clone());
        self.eat(TokenKind::Operator, Mode::Arguments);
        let name = self.lower(&next);
        let value = self.setting_value()?;
        Ok(Some(Setting { name, value }))
    }

    fn setting_value(&mut self) -> Read<Name> {
        let next = self.peek(Mode::Setting);
        match next.kind {
            TokenKind::Word | TokenKind::Text => {
                self.take(next.clone());
                Ok(self.dotted(&next))
            }
            // `delim=,`
            TokenKind::Comma => {
                self.take(next.clone());
                Ok(self.spanned(&next, ","))
            }
            TokenKind::Macro => {
                self.take(next.clone());
                Ok(self.spanned(&next, ""))
            }
            TokenKind::OpenBracket => {
                let span = self.value_subsearch(next)?;
                Ok(Spanned { value: Arc::from(""), span })
            }
            _ => Err(self.unexpected(&next, "a value is expected")),
        }
    }

    /// A value of several parts, each in quotes: `"Model"."Dataset"`.
    fn dotted(&mut self, first: &Token) -> Name {
        let mut name = self.name_of(first);
        if first.kind != TokenKind::Text {
            return name;
        }
        while self.text.get(self.at..).is_some_and(|rest| rest.starts_with(".\"")) {
            let part = token(self.text, self.at + 1, Mode::Setting, false);
            if part.kind != TokenKind::Text {
                break;
            }
            let value = Arc::from(format!("{}.{}", name.value, part.value(self.text)));
            self.take(part.clone());
            name = Spanned { value, span: name.span.to(self.span(part.range)) };
        }
        name
    }

    /// Options, as many as there are.
    pub(super) fn settings(&mut self) -> Read<Vec<Setting>> {
        let mut settings = Vec::new();
        loop {
            while !settings.is_empty() && self.eat(TokenKind::Comma, Mode::Arguments) {}
            match self.setting()? {
                Some(setting) => settings.push(setting),
                None => return Ok(settings),
            }
        }
    }

    /// A name of a field or of something else.
    pub(super) fn name(&mut self, what: &str) -> Read<Name> {
        self.skip_macros();
        let next = self.peek(Mode::Arguments);
        if !matches!(next.kind, TokenKind::Word | TokenKind::Text | TokenKind::Name) {
            return Err(self.unexpected(&next, &format!("{what} is expected")));
        }
        let whole = self.with_parentheses(next);
        self.take(whole.clone());
        Ok(self.dotted(&whole))
    }

    /// A column that `stats` named: `count(x)` is one name where names are expected.
    fn with_parentheses(&self, word: Token) -> Token {
        let rest = self.text.get(word.range.end..).unwrap_or_default();
        if word.kind != TokenKind::Word || !rest.starts_with('(') {
            return word;
        }
        let inner = &rest[1..];
        let stop = inner.find(|c: char| c.is_whitespace() || "()|\"".contains(c));
        match stop.filter(|stop| inner[*stop..].starts_with(')')) {
            Some(len) => {
                Token { kind: word.kind, range: word.range.start..word.range.end + len + 2 }
            }
            None => word,
        }
    }

    /// Whether a name comes.
    pub(super) fn is_name(&self) -> bool {
        let next = self.peek(Mode::Arguments);
        matches!(next.kind, TokenKind::Word | TokenKind::Text | TokenKind::Name)
    }

    /// Names with commas or blanks between, up to one of the words `stops`.
    pub(super) fn name_list(&mut self, stops: &[&str]) -> Read<Vec<Name>> {
        let mut names = Vec::new();
        loop {
            self.skip_macros();
            if self.eat(TokenKind::Comma, Mode::Arguments) {
                continue;
            }
            let next = self.peek(Mode::Arguments);
            let stop = stops.iter().any(|stop| self.is_word(&next, stop));
            if stop || !self.is_name() || self.is_option(&next) {
                return Ok(names);
            }
            names.push(self.name("the name of a field")?);
        }
    }

    /// `AS name`, if that comes.
    pub(super) fn alias(&mut self) -> Read<Option<Name>> {
        if !self.eat_word("as") {
            return Ok(None);
        }
        self.name("a name behind `AS`").map(Some)
    }

    /// A whole number, if that comes.
    pub(super) fn count(&mut self) -> Option<Spanned<u64>> {
        let next = self.peek(Mode::Arguments);
        let number = next.inner(self.text).parse().ok();
        let value = number.filter(|_| next.kind == TokenKind::Word && !self.is_option(&next))?;
        self.take(next.clone());
        Some(Spanned { value, span: self.span(next.range) })
    }

    /// Names and options in any order, as most commands take them.
    pub(super) fn names(&mut self) -> Read<Names> {
        let mut all = Names {
            count: None,
            minus: false,
            names: Vec::new(),
            settings: Vec::new(),
            sort: Vec::new(),
        };
        let next = self.peek(Mode::Arguments);
        if next.kind == TokenKind::Word && matches!(next.inner(self.text), "-" | "+") {
            all.minus = next.inner(self.text) == "-";
            self.take(next);
        }
        loop {
            self.skip_macros();
            if self.eat(TokenKind::Comma, Mode::Arguments) {
                continue;
            }
            if let Some(setting) = self.setting()? {
                all.settings.push(setting);
                continue;
            }
            if !self.is_name() {
                return Ok(all);
            }
            all.names.push(self.name("the name of a field")?);
        }
    }

    /// Keys of a sort: `-a, +b, num(c)`. A sign with a blank behind it is for all keys that follow
    /// without one.
    pub(super) fn sort_keys(&mut self) -> Read<Vec<SortKey>> {
        let mut keys = Vec::new();
        let (mut all_descending, mut comma) = (false, false);
        loop {
            self.skip_macros();
            if self.eat(TokenKind::Comma, Mode::Arguments) {
                comma = true;
                continue;
            }
            let next = self.peek(Mode::Arguments);
            if !self.is_name() {
                return Ok(keys);
            }
            let word = next.inner(self.text);
            let turns = self.is_word(&next, "d") || self.is_word(&next, "desc");
            if turns && !keys.is_empty() && !std::mem::take(&mut comma) {
                return Ok(keys);
            }
            let signed = next.kind == TokenKind::Word && word.starts_with(['-', '+']);
            let descending = if signed { word.starts_with('-') } else { all_descending };
            if signed && word.len() == 1 {
                all_descending = descending;
            }
            if signed {
                let start = next.range.start;
                self.take(Token { kind: TokenKind::Operator, range: start..start + 1 });
            }
            let (collation, field) = self.sort_field()?;
            keys.push(SortKey { descending, collation, field });
        }
    }

    fn sort_field(&mut self) -> Read<(Option<Name>, Name)> {
        const COLLATIONS: [&str; 4] = ["auto", "num", "str", "ip"];
        let next = self.peek(Mode::Arguments);
        let rest = self.text.get(next.range.end..).unwrap_or_default();
        let word = next.inner(self.text);
        let collated = next.kind == TokenKind::Word
            && rest.starts_with('(')
            && COLLATIONS.iter().any(|name| word.eq_ignore_ascii_case(name));
        if !collated {
            return Ok((None, self.name("the name of a field")?));
        }
        let collation = self.lower(&next);
        self.take(next);
        self.expect(TokenKind::Open, Mode::Arguments, "`(`")?;
        let field = self.name("the name of a field")?;
        self.expect(TokenKind::Close, Mode::Arguments, "`)`")?;
        Ok((Some(collation), field))
    }

    /// An option that was written as a value alone.
    pub(super) fn setting_of(name: &str, value: Name) -> Setting {
        Setting { name: Spanned { value: Arc::from(name), span: value.span }, value }
    }
}
