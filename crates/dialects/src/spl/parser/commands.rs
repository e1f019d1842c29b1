//! The forms of commands, by name.

use std::ops::Range;
use std::sync::Arc;

use rulestone_ir::{Diagnostic, Level};

use super::{Parser, Read};
use crate::spl::ast::{Boundary, LookupOutput, Name, Search, Setting, SortKey, Spanned, Syntax};
use crate::spl::expand::Expanded;
use crate::spl::lexer::{Mode, Token, TokenKind, command_end, token, unescape};

/// How the arguments of a command are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Search,
    Where,
    Eval,
    Stats,
    Tstats,
    From,
    Datamodel,
    Rename,
    Names,
    Fields,
    Dedup,
    Rex,
    Regex,
    Bin,
    Convert,
    Lookup,
    InputLookup,
    Output,
    Sort,
    Limit,
    Top,
    Join,
    Append,
    Map,
    Makemv,
    Spath,
    Transaction,
    Foreach,
    Replace,
    Generate,
    Other,
}

/// Every command that is read in another way than as it stands, and those that may stand first in
/// a subsearch.
const COMMANDS: &[(Form, &[&str])] = &[
    (Form::Search, &["search"]),
    (Form::Where, &["where"]),
    (Form::Eval, &["eval", "fieldformat"]),
    (Form::Stats, &["stats", "eventstats", "streamstats", "sistats", "chart", "timechart"]),
    (Form::Stats, &["sichart", "sitimechart", "geostats", "mstats"]),
    (Form::Tstats, &["tstats"]),
    (Form::From, &["from"]),
    (Form::Datamodel, &["datamodel"]),
    (Form::Rename, &["rename"]),
    (Form::Names, &["table", "mvexpand", "xmlkv", "nomv", "reverse", "mvcombine", "fillnull"]),
    (Form::Names, &["filldown", "iplocation", "fromjson", "addtotals", "addcoltotals", "extract"]),
    (Form::Names, &["kv", "multikv", "outlier", "anomalydetection", "addinfo", "uniq", "format"]),
    (Form::Names, &["untable", "xyseries", "transpose", "typer", "tags", "expand", "flatten"]),
    (Form::Names, &["fieldsummary", "tojson", "xpath", "reltime"]),
    (Form::Fields, &["fields"]),
    (Form::Dedup, &["dedup", "return"]),
    (Form::Rex, &["rex"]),
    (Form::Regex, &["regex"]),
    (Form::Bin, &["bin", "bucket", "discretize", "makecontinuous"]),
    (Form::Convert, &["convert"]),
    (Form::Lookup, &["lookup"]),
    (Form::InputLookup, &["inputlookup"]),
    (
        Form::Output,
        &["outputlookup", "outputcsv", "outputtext", "collect", "mcollect", "tscollect"],
    ),
    (Form::Output, &["meventcollect", "sendalert", "sendemail", "summaryindex", "stash"]),
    (Form::Sort, &["sort"]),
    (Form::Limit, &["head", "tail"]),
    (Form::Top, &["top", "rare", "sitop", "sirare"]),
    (Form::Join, &["join"]),
    (Form::Append, &["append", "appendcols", "appendpipe", "union", "multisearch"]),
    (Form::Map, &["map"]),
    (Form::Makemv, &["makemv"]),
    (Form::Spath, &["spath"]),
    (Form::Transaction, &["transaction"]),
    (Form::Foreach, &["foreach"]),
    (Form::Replace, &["replace"]),
    (Form::Generate, &["makeresults", "metadata", "rest", "gentimes", "dbinspect", "eventcount"]),
    (Form::Generate, &["inputcsv", "loadjob", "savedsearch", "mcatalog", "history", "typelearner"]),
    (Form::Other, &["summary", "apply", "fit", "sample", "delta", "accum", "trendline", "predict"]),
    (Form::Other, &["strcat", "erex", "set", "cluster", "anomalies", "kmeans", "rangemap"]),
    (Form::Other, &["setfields", "selfjoin", "associate", "contingency", "autoregress", "script"]),
];

fn form(name: &str) -> Option<Form> {
    let found = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    COMMANDS.iter().find(|(_, names)| found(names)).map(|(form, _)| *form)
}

/// Whether there is a command of that name.
pub(super) fn is_known(name: &str) -> bool {
    form(name).is_some()
}

impl Parser<'_> {
    /// What follows the name of a command.
    pub(super) fn arguments_of(&mut self, name: &str) -> Read<Syntax> {
        match form(name).unwrap_or(Form::Other) {
            Form::Search => Ok(Syntax::Search(self.search_expression(&[]))),
            Form::Where => Ok(Syntax::Where(self.whole_eval())),
            Form::Eval => self.assignments(),
            Form::Stats => self.stats(),
            Form::Tstats => self.tstats(),
            Form::From => self.from(),
            Form::Datamodel => self.datamodel(),
            Form::Rename => self.rename(),
            Form::Names => Ok(Syntax::Names(self.names()?)),
            Form::Fields => self.fields(),
            Form::Dedup => self.dedup(),
            Form::Rex => self.rex(),
            Form::Regex => self.regex(),
            Form::Bin => self.bin(),
            Form::Convert => self.convert(),
            Form::Lookup => self.lookup(),
            Form::InputLookup => self.input_lookup(),
            Form::Output => Ok(self.output()),
            Form::Sort => self.sort(),
            Form::Limit => self.limit(),
            Form::Top => self.top(),
            Form::Join => self.join(),
            Form::Append => self.append(),
            Form::Map => self.map(),
            Form::Makemv => self.makemv(),
            Form::Spath => self.spath(),
            Form::Transaction => self.transaction(),
            Form::Foreach => self.foreach(),
            Form::Replace => self.replace(),
            Form::Generate => self.generate(),
            Form::Other => Ok(self.as_it_stands()),
        }
    }

    fn as_it_stands(&mut self) -> Syntax {
        let end = command_end(self.text, self.at, self.subsearches > 0);
        self.other(end)
    }

    fn output(&mut self) -> Syntax {
        match self.as_it_stands() {
            Syntax::Other { text } => Syntax::Output { text },
            syntax => syntax,
        }
    }

    /// `from datamodel:Model.Dataset`, with a `:`, a blank or `=` between.
    fn from(&mut self) -> Read<Syntax> {
        let next = self.peek(Mode::Arguments);
        let word = next.inner(self.text);
        let kind = word.split([':', '=']).next().unwrap_or(word);
        if !kind.eq_ignore_ascii_case("datamodel") {
            return Ok(self.as_it_stands());
        }
        let inline = word[kind.len()..].trim_start_matches(':');
        let dataset = if inline.is_empty() {
            self.take(next);
            self.eat(TokenKind::Operator, Mode::Arguments);
            self.name("the name of a data model")?
        } else {
            let name = self.spanned(&next, inline);
            self.take(next);
            name
        };
        Ok(Syntax::From { dataset, form: None, settings: self.settings()? })
    }

    /// `datamodel Model Dataset search`
    fn datamodel(&mut self) -> Read<Syntax> {
        let mut settings = self.settings()?;
        let mut dataset = self.name("the name of a data model")?;
        let mut form = None;
        if self.is_name() {
            let name = self.name("the name of a dataset")?;
            let value = Arc::from(format!("{}.{}", dataset.value, name.value));
            dataset = Spanned { value, span: dataset.span.to(name.span) };
        }
        settings.extend(self.settings()?);
        if self.is_name() {
            form = Some(self.name("`search` or `flat`")?);
        }
        settings.extend(self.settings()?);
        Ok(Syntax::From { dataset, form, settings })
    }

    fn rename(&mut self) -> Read<Syntax> {
        let mut pairs = Vec::new();
        loop {
            self.skip_macros();
            if self.eat(TokenKind::Comma, Mode::Arguments) {
                continue;
            }
            if !self.is_name() {
                return Ok(Syntax::Rename(pairs));
            }
            let from = self.name("the name of a field")?;
            match self.alias()? {
                Some(to) => pairs.push((from, to)),
                None => {
                    let next = self.peek(Mode::Arguments);
                    return Err(self.unexpected(&next, "`AS` and a new name are expected"));
                }
            }
        }
    }

    fn fields(&mut self) -> Read<Syntax> {
        let next = self.peek(Mode::Arguments);
        let glued = next.kind == TokenKind::Word
            && next.range.len() > 1
            && next.inner(self.text).starts_with(['-', '+']);
        if !glued {
            return Ok(Syntax::Names(self.names()?));
        }
        let start = next.range.start;
        let minus = next.inner(self.text).starts_with('-');
        self.take(Token { kind: TokenKind::Operator, range: start..start + 1 });
        let mut names = self.names()?;
        names.minus = minus;
        Ok(Syntax::Names(names))
    }

    /// `dedup 3 a b sortby -c`
    fn dedup(&mut self) -> Read<Syntax> {
        let mut settings = self.settings()?;
        let count = self.count();
        let mut names = Vec::new();
        let mut sort: Vec<SortKey> = Vec::new();
        loop {
            settings.extend(self.settings()?);
            names.extend(self.name_list(&["sortby"])?);
            if self.eat_word("sortby") {
                sort.extend(self.sort_keys()?);
                break;
            }
            if self.setting_follows() {
                continue;
            }
            break;
        }
        let names = crate::spl::ast::Names { count, minus: false, names, settings, sort };
        Ok(Syntax::Names(names))
    }

    fn setting_follows(&self) -> bool {
        let next = self.peek(Mode::Arguments);
        let behind = self.text.get(next.range.end..).unwrap_or_default().trim_start();
        next.kind == TokenKind::Word && behind.starts_with('=')
    }

    fn rex(&mut self) -> Read<Syntax> {
        let mut settings = self.settings()?;
        let pattern = self.pattern()?;
        settings.extend(self.settings()?);
        Ok(Syntax::Rex { settings, pattern })
    }

    fn regex(&mut self) -> Read<Syntax> {
        let next = self.peek(Mode::Arguments);
        let named = next.kind == TokenKind::Word || next.kind == TokenKind::Name;
        let mut ahead = None;
        if named {
            let sign = token(self.text, next.range.end, Mode::Arguments, self.subsearches > 0);
            ahead = (sign.kind == TokenKind::Operator).then_some(sign);
        }
        let Some(sign) = ahead else {
            let pattern = self.pattern()?;
            return Ok(Syntax::Regex { field: None, negated: false, pattern });
        };
        let field = self.name_of(&next);
        let negated = sign.inner(self.text) == "!=";
        self.take(next);
        self.take(sign);
        let pattern = self.pattern()?;
        Ok(Syntax::Regex { field: Some(field), negated, pattern })
    }

    /// A regular expression in quotes, or one word without. Quotes around a part of it are a
    /// mistake that is made often, and what is meant is certain.
    fn pattern(&mut self) -> Read<Name> {
        self.skip_macros();
        let first = self.peek(Mode::Setting);
        let (start, mut end) = (first.range.start, first.range.start);
        let (mut raw, mut value, mut parts, mut quoted) = (String::new(), String::new(), 0, 0);
        while let Some(part) = pattern_part(self.text, end, self.subsearches > 0) {
            if part.kind == TokenKind::Unclosed {
                return Err(self.unexpected(&part, "close it"));
            }
            raw.push_str(part.inner(self.text));
            value.push_str(&unescape(part.inner(self.text)));
            end = part.range.end;
            parts += 1;
            quoted += usize::from(part.kind == TokenKind::Text);
        }
        if parts == 0 {
            return Err(self.unexpected(&first, "a regular expression in quotes is expected"));
        }
        let token = Token { kind: TokenKind::Word, range: start..end };
        if let Some(at) = self.parenthesis_behind(start..end) {
            return Err(self.unbalanced(at, "this parenthesis closes nothing", "remove it"));
        }
        if quoted > 0 && parts > 1 {
            let message = "the quotes stand inside of the regular expression; it is read as if \
                they stood around it";
            let span = self.span(token.range.clone());
            let diagnostic = Diagnostic::new(Level::Approximate, "misplaced-quote", message, span)
                .with_help("put the quotes around the expression");
            let around = format!("\"{raw}\"");
            let diagnostic = self.with_edit(diagnostic, (token.range.clone(), &around));
            self.diagnostics.push(diagnostic);
        }
        self.take(token.clone());
        Ok(self.spanned(&token, &value))
    }

    /// The parenthesis right behind an expression in quotes, where those within are in pairs.
    fn parenthesis_behind(&self, range: Range<usize>) -> Option<Range<usize>> {
        let written = self.text.get(range.clone())?;
        let quoted = written.trim_end_matches(')');
        let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
        let at = range.start + quoted.len();
        (at < range.end && parentheses(inner) == 0).then_some(at..at + 1)
    }

    fn bin(&mut self) -> Read<Syntax> {
        let (mut settings, mut field, mut alias) = (Vec::new(), None, None);
        loop {
            settings.extend(self.settings()?);
            if let Some(name) = self.alias()? {
                alias = Some(name);
            } else if field.is_none() && self.is_name() {
                field = Some(self.name("the name of a field")?);
            } else {
                return Ok(Syntax::Bin { settings, field, alias });
            }
        }
    }

    /// `convert timeformat="…" ctime(x) AS y, …`
    fn convert(&mut self) -> Read<Syntax> {
        let (mut settings, mut conversions) = (Vec::new(), Vec::new());
        loop {
            settings.extend(self.settings()?);
            if self.eat(TokenKind::Comma, Mode::Arguments) {
                continue;
            }
            if !self.is_name() {
                return Ok(Syntax::Convert { settings, conversions });
            }
            let word = self.peek(Mode::Arguments);
            let function = self.lower(&word);
            self.take(word);
            self.expect(TokenKind::Open, Mode::Arguments, "`(`")?;
            let field = self.name("the name of a field")?;
            self.expect(TokenKind::Close, Mode::Arguments, "`)`")?;
            conversions.push((function, field, self.alias()?));
        }
    }

    fn lookup(&mut self) -> Read<Syntax> {
        let mut settings = self.settings()?;
        let table = self.name("the name of a lookup")?;
        settings.extend(self.settings()?);
        let on = self.columns(&["output", "outputnew"])?;
        let keeps = self.is_word(&self.peek(Mode::Arguments), "outputnew");
        let mut output = None;
        if self.eat_word("output") || self.eat_word("outputnew") {
            output = Some(LookupOutput { keeps, columns: self.columns(&[])? });
        }
        Ok(Syntax::Lookup { settings, table, on, output })
    }

    /// `a AS b, c …`
    fn columns(&mut self, stops: &[&str]) -> Read<Vec<(Name, Option<Name>)>> {
        let mut columns = Vec::new();
        loop {
            self.skip_macros();
            if self.eat(TokenKind::Comma, Mode::Arguments) {
                continue;
            }
            let next = self.peek(Mode::Arguments);
            if !self.is_name() || stops.iter().any(|stop| self.is_word(&next, stop)) {
                return Ok(columns);
            }
            let column = self.name("the name of a column")?;
            columns.push((column, self.alias()?));
        }
    }

    fn input_lookup(&mut self) -> Read<Syntax> {
        let mut settings = self.settings()?;
        let table = self.name("the name of a lookup")?;
        settings.extend(self.settings()?);
        let filter = self.eat_word("where").then(|| self.search_expression(&[]));
        Ok(Syntax::InputLookup { settings, table, filter })
    }

    /// `sort 0 - _time, +x, num(y) desc`
    fn sort(&mut self) -> Read<Syntax> {
        let mut limit = self.count();
        if let Some(setting) = self.setting()? {
            let number = setting.value.value.parse().ok();
            limit = number.map(|value| Spanned { value, span: setting.value.span });
        }
        let keys = self.sort_keys()?;
        let reversed = self.eat_word("d") || self.eat_word("desc");
        Ok(Syntax::Sort { limit, keys, reversed })
    }

    fn limit(&mut self) -> Read<Syntax> {
        let (mut rows, mut condition, mut settings) = (None, None, Vec::new());
        while !self.at_command_end() {
            if let Some(count) = self.count() {
                rows = Some(count);
                continue;
            }
            let known = ["limit", "null", "keeplast"];
            let next = self.peek(Mode::Arguments);
            let word = next.inner(self.text);
            if known.iter().any(|name| word.eq_ignore_ascii_case(name)) && self.setting_follows() {
                settings.extend(self.setting()?);
            } else if condition.is_none() {
                condition = Some(self.eval_expression()?);
            } else {
                break;
            }
        }
        if let Some(at) = settings.iter().position(|s: &Setting| &*s.name.value == "limit") {
            let limit = settings.remove(at);
            let number = limit.value.value.parse().ok();
            rows = number.map(|value| Spanned { value, span: limit.value.span });
        }
        Ok(Syntax::Limit { rows, condition, settings })
    }

    fn top(&mut self) -> Read<Syntax> {
        let mut settings = self.settings()?;
        if let Some(count) = self.count() {
            let value = Spanned { value: Arc::from(count.value.to_string()), span: count.span };
            settings.push(Self::setting_of("limit", value));
        }
        let (mut fields, mut by) = (Vec::new(), Vec::new());
        loop {
            settings.extend(self.settings()?);
            let more = self.name_list(&["by"])?;
            let some = !more.is_empty();
            fields.extend(more);
            if self.eat_word("by") {
                by = self.name_list(&[])?;
            } else if !some && !self.setting_follows() {
                return Ok(Syntax::Top { settings, fields, by });
            }
        }
    }

    fn join(&mut self) -> Read<Syntax> {
        let (mut settings, mut on) = (Vec::new(), Vec::new());
        loop {
            settings.extend(self.settings()?);
            if self.eat_word("where") {
                settings.push(self.join_condition());
            }
            let more = self.name_list(&["where"])?;
            if more.is_empty() && !self.setting_follows() {
                let subsearch = self.subsearch()?;
                return Ok(Syntax::Join { settings, on, subsearch });
            }
            on.extend(more);
        }
    }

    /// `where L.a=R.b` as an option.
    fn join_condition(&mut self) -> Setting {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = self.at + rest.find(['[', '|']).unwrap_or(rest.len());
        match self.other(end) {
            Syntax::Other { text } => Self::setting_of("where", text),
            _ => Self::setting_of(
                "where",
                Spanned { value: Arc::from(""), span: self.span(end..end) },
            ),
        }
    }

    fn append(&mut self) -> Read<Syntax> {
        let start = self.at;
        let mut settings = self.settings()?;
        let mut subsearches = Vec::new();
        loop {
            match self.peek(Mode::Arguments).kind {
                TokenKind::OpenBracket => subsearches.push(self.subsearch()?),
                TokenKind::Comma if !subsearches.is_empty() => {
                    self.eat(TokenKind::Comma, Mode::Arguments);
                }
                _ if self.setting_follows() => settings.extend(self.settings()?),
                // Datasets by name, which `union` knows.
                TokenKind::Word => {
                    self.at = start;
                    return Ok(self.as_it_stands());
                }
                _ if subsearches.is_empty() => {
                    subsearches.push(self.subsearch()?);
                }
                _ => return Ok(Syntax::Append { settings, subsearches }),
            }
        }
    }

    fn map(&mut self) -> Read<Syntax> {
        let mut settings = self.settings()?;
        if self.peek(Mode::Arguments).kind == TokenKind::OpenBracket {
            return self.map_brackets(settings);
        }
        let found = settings.iter().position(|setting| &*setting.name.value == "search");
        match found {
            Some(at) => {
                let search = settings.remove(at).value;
                Ok(Syntax::Map { settings, search })
            }
            // A saved search, of which nothing is known here.
            None if self.is_name() => Ok(self.as_it_stands()),
            None => {
                let next = self.peek(Mode::Arguments);
                Err(self.unexpected(&next, "`search=\"…\"` is expected"))
            }
        }
    }

    /// `map [search …]`: the search as it stands in the brackets.
    fn map_brackets(&mut self, mut settings: Vec<Setting>) -> Read<Syntax> {
        let open = self.expect(TokenKind::OpenBracket, Mode::Arguments, "`[`")?;
        let end = command_bracket(self.text, open.range.end);
        let Some(end) = end else {
            return Err(self.unbalanced(open.range, "this `[` is not closed", "close it with `]`"));
        };
        let search = match self.other(end) {
            Syntax::Other { text } => text,
            _ => Spanned { value: Arc::from(""), span: self.span(open.range) },
        };
        self.take(Token { kind: TokenKind::CloseBracket, range: end..end + 1 });
        settings.extend(self.settings()?);
        Ok(Syntax::Map { settings, search })
    }

    fn makemv(&mut self) -> Read<Syntax> {
        let mut settings = self.settings()?;
        let field = self.name("the name of a field")?;
        settings.extend(self.settings()?);
        Ok(Syntax::Makemv { settings, field })
    }

    fn spath(&mut self) -> Read<Syntax> {
        let mut settings = self.settings()?;
        while self.is_name() {
            let path = self.name("a path")?;
            settings.push(Self::setting_of("path", path));
            settings.extend(self.settings()?);
        }
        Ok(Syntax::Spath { settings })
    }

    fn transaction(&mut self) -> Read<Syntax> {
        let (mut fields, mut settings) = (Vec::new(), Vec::new());
        let (mut starts, mut ends) = (None, None);
        loop {
            fields.extend(self.name_list(&[])?);
            let next = self.peek(Mode::Arguments);
            if !self.setting_follows() {
                return Ok(Syntax::Transaction { fields, settings, starts, ends });
            }
            let name = next.inner(self.text).to_ascii_lowercase();
            match name.as_str() {
                "startswith" => starts = Some(self.boundary(next)?),
                "endswith" => ends = Some(self.boundary(next)?),
                _ => settings.extend(self.setting()?),
            }
        }
    }

    /// `startswith=` with a search, or `eval(…)`.
    fn boundary(&mut self, name: Token) -> Read<Boundary> {
        self.take(name);
        self.eat(TokenKind::Operator, Mode::Arguments);
        let next = self.peek(Mode::Setting);
        if self.is_word(&next, "eval") && self.text[next.range.end..].starts_with('(') {
            self.take(next);
            self.eat(TokenKind::Open, Mode::Eval);
            let eval = self.eval_expression()?;
            self.expect(TokenKind::Close, Mode::Eval, "an operator or `)`")?;
            return Ok(Boundary::Eval(eval));
        }
        match next.kind {
            TokenKind::Open => Ok(Boundary::Search(self.search_in_parentheses()?)),
            TokenKind::Text => {
                self.take(next.clone());
                let inner = next.value(self.text);
                let expanded = Expanded::of(inner, self.expanded.source(next.range));
                let mut parser = Parser::new(&expanded, (self.place, None), self.diagnostics);
                Ok(Boundary::Search(parser.search_expression(&[])))
            }
            TokenKind::Word => {
                self.take(next.clone());
                Ok(Boundary::Search(Search::Term(self.search_value(&next))))
            }
            _ => Err(self.unexpected(&next, "a search is expected")),
        }
    }

    fn foreach(&mut self) -> Read<Syntax> {
        let (mut fields, mut settings) = (Vec::new(), Vec::new());
        loop {
            settings.extend(self.settings()?);
            fields.extend(self.name_list(&[])?);
            if !self.setting_follows() {
                break;
            }
        }
        let body = self.subsearch()?;
        Ok(Syntax::Foreach { fields, settings, body })
    }

    /// `replace a WITH b, c WITH d IN x, y`
    fn replace(&mut self) -> Read<Syntax> {
        let mut pairs = Vec::new();
        loop {
            if self.eat(TokenKind::Comma, Mode::Arguments) {
                continue;
            }
            if self.at_command_end() || self.is_word(&self.peek(Mode::Arguments), "in") {
                break;
            }
            let from = self.name("a value")?;
            if !self.eat_word("with") {
                let next = self.peek(Mode::Arguments);
                return Err(self.unexpected(&next, "`WITH` and a value are expected"));
            }
            pairs.push((from, self.name("a value")?));
        }
        let fields = if self.eat_word("in") { self.name_list(&[])? } else { Vec::new() };
        Ok(Syntax::Replace { pairs, fields })
    }

    fn generate(&mut self) -> Read<Syntax> {
        let mut settings = Vec::new();
        loop {
            settings.extend(self.settings()?);
            if !self.is_name() {
                return Ok(Syntax::Generate { settings });
            }
            let argument = self.name("an argument")?;
            settings.push(Self::setting_of("argument", argument));
        }
    }
}

/// The part of a regular expression at `at`: one in quotes, or one up to the next quote. None where
/// a blank, `|` or the `]` of a subsearch ends it.
fn pattern_part(text: &str, at: usize, nested: bool) -> Option<Token> {
    let rest = text.get(at..).unwrap_or_default();
    let first = rest.chars().next()?;
    if first == '"' {
        return Some(token(text, at, Mode::Setting, false));
    }
    let (mut escaped, mut brackets) = (false, 0_usize);
    let ends = |c: char| match c {
        _ if escaped => {
            escaped = false;
            c.is_whitespace()
        }
        '\\' => {
            escaped = true;
            false
        }
        '[' => {
            brackets += 1;
            false
        }
        ']' if brackets == 0 => nested,
        ']' => {
            brackets -= 1;
            false
        }
        c => c.is_whitespace() || matches!(c, '|' | '"'),
    };
    let len = rest.find(ends).unwrap_or(rest.len());
    (len > 0).then(|| Token { kind: TokenKind::Word, range: at..at + len })
}

/// How many parentheses of a regular expression are open at its end.
fn parentheses(pattern: &str) -> i64 {
    let (mut open, mut class, mut escaped) = (0, false, false);
    for c in pattern.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '(' if !class => open += 1,
            ')' if !class => open -= 1,
            _ => {}
        }
    }
    open
}

/// Where the bracket closes that is open before `from`.
fn command_bracket(text: &str, from: usize) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate().skip(from) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' => depth += 1,
            b']' if depth == 0 => return Some(at),
            b']' => depth -= 1,
            _ => {}
        }
    }
    None
}
