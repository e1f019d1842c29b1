//! Search expressions: to formulas of tests.
//!
//! A value is compared as text and without case, the index's way: `5` finds `5`, not `5.0`. `<` and
//! its like compare numbers, and with a value that is none the texts. `*` is a wildcard wherever
//! it stands and nothing escapes it; a value that is a network finds the addresses in it too.

use rulestone_ir::{
    Breakers, Case, Comparison, Expr, Field, Formula, Function, JoinKind, Level, RowStage, Schema,
    Source, Span, Test,
};
use rulestone_value::{Glob, Piece};

use super::time::{Edge, edge};
use super::{Lowering, PENDING, Rows, all, any, bare, is_true, not, test};
use crate::spl::ast::{Command, Name, Operator, Pipeline, Search, SearchValue};
use crate::spl::lint::Finding;

/// Which of Splunk's stores an event is in: no property of logs.
const STORES: [&str; 6] = [
    "index",
    "splunk_server",
    "splunk_server_group",
    "_index_earliest",
    "_index_latest",
    "search_group",
];
/// The stores of what rules raise.
const ALERT_STORES: [&str; 2] = ["risk", "notable"];
/// How sources of Windows logs begin that are kept as text; before those kept as XML stands `Xml`.
const CLASSIC: &str = "WinEventLog";

impl Lowering<'_> {
    /// Keeps the rows for which a search expression holds.
    pub(super) fn search(&mut self, mut rows: Rows, search: &Search, command: &Command) -> Rows {
        let mut parts = Vec::new();
        flatten(search, &mut parts);
        let mut formulas = Vec::new();
        let mut subsearches = Vec::new();
        for part in parts {
            match part {
                Search::Subsearch(pipeline) => subsearches.push((JoinKind::Semi, pipeline)),
                Search::Not(inner, _) if matches!(&**inner, Search::Subsearch(_)) => {
                    if let Search::Subsearch(pipeline) = &**inner {
                        subsearches.push((JoinKind::Anti, pipeline));
                    }
                }
                part if self.moves_window(&rows, part) => {}
                part if self.reads_alerts(&rows, part) => {}
                part => {
                    let found = self.findings.len();
                    let formula = self.formula(part, &rows, false);
                    if formula == Formula::FALSE {
                        let new = self.findings.iter_mut().skip(found);
                        new.for_each(|finding| finding.ends = Some(PENDING));
                    }
                    formulas.push(formula);
                }
            }
        }
        rows = self.filter(rows, all(formulas), command);
        for (kind, pipeline) in subsearches {
            rows = self.semi_join(rows, kind, pipeline, command);
        }
        rows
    }

    /// What a search expression says of a row.
    pub(super) fn formula(&mut self, search: &Search, rows: &Rows, negated: bool) -> Formula {
        match search {
            Search::And(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| self.formula(p, rows, negated)).collect();
                all(parts)
            }
            Search::Or(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| self.formula(p, rows, negated)).collect();
                any(parts)
            }
            Search::Not(part, _) => not(self.formula(part, rows, !negated)),
            Search::Compare { field, operator, value } => {
                self.compare(field, operator.value, value, rows, negated)
            }
            Search::In { field, values } => {
                if self.is_store(field, rows) {
                    return truth(!negated);
                }
                any(values.iter().map(|value| self.equals(field, value, rows)))
            }
            Search::Term(value) => self.term(value),
            Search::Token(text) => self.token(text),
            Search::Case(Some(field), value) => {
                let own = self.field(&field.value);
                equals(&own, &unquoted(value), Case::Sensitive)
            }
            Search::Case(None, value) => {
                let raw = self.field("_raw");
                let term = Test::Term(Glob::stars(&value.value), Breakers::Major);
                test(raw, term, Case::Sensitive, value.span)
            }
            Search::Subsearch(pipeline) => {
                let message = "a search within an `OR` is not run";
                self.unsupported("subsearch-in-or", message, pipeline.span);
                Formula::TRUE
            }
            Search::Broken(_) => Formula::TRUE,
        }
    }

    fn compare(
        &mut self,
        name: &Name,
        operator: Operator,
        value: &SearchValue,
        rows: &Rows,
        negated: bool,
    ) -> Formula {
        if self.is_store(name, rows) {
            return truth(!negated);
        }
        if let Some(formula) = self.time_test(name, value) {
            return formula;
        }
        let field = self.field(&name.value);
        let span = name.span.to(value.span);
        let comparison = match operator {
            Operator::Equal => return self.equals(name, value, rows),
            Operator::NotEqual => {
                let exists = test(field, Test::Exists, Case::Insensitive, span);
                return all([exists, not(self.equals(name, value, rows))]);
            }
            Operator::Less => (Comparison::Less, Function::LtAny),
            Operator::LessOrEqual => (Comparison::LessOrEqual, Function::LeAny),
            Operator::Greater => (Comparison::Greater, Function::GtAny),
            Operator::GreaterOrEqual => (Comparison::GreaterOrEqual, Function::GeAny),
        };
        match value.text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() && field.name() != "_time" => {
                test(field, Test::Number(comparison.0, number), Case::Insensitive, span)
            }
            _ => {
                let sides = vec![Expr::Field(field.name().into()), Expr::text(&*value.text)];
                is_true(Expr::call(comparison.1, sides, span))
            }
        }
    }

    /// `field=value`. What names a Windows log as text means it as XML too.
    fn equals(&mut self, name: &Name, value: &SearchValue, rows: &Rows) -> Formula {
        let own = self.field(&name.value);
        let as_written = equals(&own, value, Case::Insensitive);
        let names_log = matches!(&*name.value, "source" | "sourcetype");
        if !names_log || !rows.columns.is_of_event(&name.value) {
            return as_written;
        }
        let Some(rest) = classic_rest(&value.text) else { return as_written };
        let message = format!("`{}` also finds the events that are kept as XML", value.text);
        self.note_once("classic-source", message, value.span);
        let text = format!("Xml{}", value.text).into();
        let xml = SearchValue { text, quoted: value.quoted, span: value.span };
        let mut either = vec![as_written, equals(&own, &xml, Case::Insensitive)];
        // What were types of sources came to be names of sources.
        if &*name.value == "sourcetype" && !rest.is_empty() {
            let source = self.field("source");
            either.push(equals(&source, &xml, Case::Insensitive));
        }
        any(either)
    }

    /// A word or phrase: it stands in the text of the event between breakers.
    fn term(&mut self, value: &SearchValue) -> Formula {
        let glob = Glob::stars(&value.text);
        if glob.pieces().iter().all(|piece| *piece == Piece::Many) {
            return Formula::TRUE;
        }
        let raw = self.raw();
        test(raw, Test::Term(glob, Breakers::All), Case::Insensitive, value.span)
    }

    /// `TERM()`: one token between major breakers, which it cannot have in itself.
    fn token(&mut self, text: &Name) -> Formula {
        if let Some(breaker) = major(&text.value) {
            let shown = if breaker.trim().is_empty() { "a blank" } else { &format!("`{breaker}`") };
            let message = format!("`TERM()` with {shown}, which ends a term, finds nothing");
            let help = match breaker {
                "(" => "close it with `)` before the next term",
                _ => "write the text in quotes alone",
            };
            self.findings.push(Finding {
                code: "term-with-breaker",
                level: Level::Note,
                message,
                span: text.span,
                help: Some(help.to_owned()),
                ends: None,
            });
            return Formula::FALSE;
        }
        let term = Test::Term(Glob::stars(&text.value), Breakers::Major);
        let term = test(self.raw(), term, Case::Insensitive, text.span);
        let Some(id) = classic_id(&text.value) else { return term };
        let message = format!("`TERM({})` also finds the events that are kept as XML", text.value);
        if !self.diagnostics.iter().any(|said| said.code == "classic-term") {
            self.approximate("classic-term", message, text.span);
        }
        let id = SearchValue { text: id.into(), quoted: false, span: text.span };
        any([term, equals(&self.field("EventCode"), &id, Case::Insensitive)])
    }

    fn raw(&mut self) -> Field {
        self.field("_raw")
    }

    /// Whether a name is that of a store, and no column; said once.
    fn is_store(&mut self, name: &Name, rows: &Rows) -> bool {
        let is = STORES.contains(&&*name.value) && rows.columns.is_of_event(&name.value);
        if is {
            let message =
                format!("`{}` is no property of logs: all of them are searched", name.value);
            self.note_once("index-ignored", message, name.span);
        }
        is
    }

    /// Whether a part says that the search is one of the store of alerts, which it then reads.
    fn reads_alerts(&mut self, rows: &Rows, part: &Search) -> bool {
        let Search::Compare { field, operator, value } = part else { return false };
        let store = ALERT_STORES.iter().any(|store| value.text.eq_ignore_ascii_case(store));
        if &*field.value != "index" || operator.value != Operator::Equal || !store {
            return false;
        }
        let source = rows.source.and_then(|at| self.sources.get_mut(at));
        if let Some(source @ Source::Events { .. }) = source
            && let Some((scope, filter)) = source.filtered()
        {
            let store = value.text.to_lowercase();
            let filter = all([filter.clone(), raising(self.schema, &store, field.span)]);
            *source = Source::Alerts { scope: scope.clone(), filter };
            return true;
        }
        false
    }

    /// Whether a part says when the search looks, which is then noted.
    fn moves_window(&mut self, rows: &Rows, part: &Search) -> bool {
        let Search::Compare { field, operator: _, value } = part else { return false };
        let Some((end, text)) = modifier(&field.value, &value.text) else { return false };
        let Some(source) = rows.source else { return false };
        let Some(edge) = edge(&text, value.span) else {
            self.bad_time(&text, value.span);
            return true;
        };
        if let Some(window) = self.windows.get_mut(source) {
            match end {
                End::From => window.from = edge,
                End::To => window.to = edge,
            }
        }
        true
    }

    /// `earliest=` and its like within an `OR`: tests of `_time`.
    fn time_test(&mut self, name: &Name, value: &SearchValue) -> Option<Formula> {
        let (end, text) = modifier(&name.value, &value.text)?;
        let function = match end {
            End::From => Function::GeAny,
            End::To => Function::LtAny,
        };
        match edge(&text, value.span) {
            Some(Edge::At { moment, .. }) => {
                let sides = vec![Expr::Field("_time".into()), moment];
                Some(is_true(Expr::call(function, sides, value.span)))
            }
            Some(_) => Some(Formula::TRUE),
            None => {
                self.bad_time(&text, value.span);
                Some(Formula::TRUE)
            }
        }
    }

    fn bad_time(&mut self, text: &str, span: Span) {
        let message = format!("`{text}` is no time that is known");
        self.unsupported("bad-time", message, span);
    }

    /// Rows that are, or are not, like one of those of a search within the search.
    fn semi_join(
        &mut self,
        rows: Rows,
        kind: JoinKind,
        pipeline: &Pipeline,
        command: &Command,
    ) -> Rows {
        let inner = self.subsearch(pipeline);
        let Some(names) = inner.columns.known().map(<[_]>::to_vec) else {
            let message = "which fields the search within the search asks for is not known";
            self.unsupported("open-subsearch", message, pipeline.span);
            return rows;
        };
        if names.iter().any(|name| matches!(&**name, "search" | "query")) {
            let message = "a search whose rows are searches is not run";
            self.unsupported("search-from-rows", message, pipeline.span);
            return rows;
        }
        let (inner, on) = self.asked(inner, &names, command);
        for name in &on {
            if rows.columns.is_of_event(name) {
                self.read(name);
            }
        }
        let join = rulestone_ir::Join { kind, on, most: None, overwrite: false, ignore_case: true };
        let columns = rows.columns.clone();
        self.push_two((rows, inner), RowStage::Join(join), columns, command)
    }

    /// The fields that the rows of a search within the search ask for: of a data model by their
    /// bare names.
    fn asked(
        &mut self,
        inner: Rows,
        names: &[std::sync::Arc<str>],
        command: &Command,
    ) -> (Rows, Vec<std::sync::Arc<str>>) {
        let on: Vec<_> = names.iter().filter(|name| !name.starts_with('_')).cloned().collect();
        if !self.model || !on.iter().any(|name| bare(name) != &**name) {
            return (inner, on);
        }
        let pattern = |name: &str| rulestone_ir::NamePattern::new(name);
        on.iter().for_each(|name| self.record(name));
        let changed = on.iter().filter(|name| bare(name) != &***name);
        let pairs = changed.map(|name| (pattern(name), pattern(bare(name)))).collect();
        let absent = rulestone_ir::AbsentSource::Nothing;
        let inner = self.push(inner, RowStage::Rename { pairs, absent }, command);
        (inner, on.iter().map(|name| bare(name).into()).collect())
    }
}

/// The parts of an expression that have to hold together.
fn flatten<'s>(search: &'s Search, parts: &mut Vec<&'s Search>) {
    match search {
        Search::And(inner) => inner.iter().for_each(|part| flatten(part, parts)),
        part => parts.push(part),
    }
}

fn truth(holds: bool) -> Formula {
    if holds { Formula::TRUE } else { Formula::FALSE }
}

/// `field=value`.
fn equals(field: &Field, value: &SearchValue, case: Case) -> Formula {
    let one = |own| test(field.clone(), own, case, value.span);
    let glob = Glob::stars(&value.text);
    match glob.pieces() {
        [Piece::Many] => return one(Test::Exists),
        [] | [Piece::Text(_)] => {}
        _ => return one(Test::Wildcard(glob)),
    }
    let equal = one(Test::Equals(value.text.to_string()));
    match value.text.parse::<ipnet::IpNet>() {
        Ok(net) => any([equal, one(Test::Cidr(net))]),
        Err(_) => equal,
    }
}

/// What stands behind the name of Windows logs kept as text, where a value begins with it: nothing,
/// or a channel after `:`, or a wildcard.
fn classic_rest(value: &str) -> Option<&str> {
    let (start, rest) = value.split_at_checked(CLASSIC.len())?;
    let is = start.eq_ignore_ascii_case(CLASSIC);
    (is && (rest.is_empty() || rest.starts_with([':', '*']))).then_some(rest)
}

/// The id in `EventCode=4688`, as a line of a Windows event kept as text has it.
fn classic_id(term: &str) -> Option<&str> {
    let (name, id) = term.split_once('=')?;
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    (is_id && name.eq_ignore_ascii_case("EventCode")).then_some(id)
}

fn unquoted(name: &Name) -> SearchValue {
    SearchValue { text: name.value.clone(), quoted: false, span: name.span }
}

/// What ends terms wherever it stands, and is longer than a character.
const LONG_BREAKERS: [&str; 17] = [
    "--", "%21", "%26", "%2526", "%3B", "%7C", "%20", "%2B", "%3D", "%2520", "%5D", "%5B", "%3A",
    "%0A", "%2C", "%28", "%29",
];

/// The first thing in a text that ends terms wherever it stands. A star is a wildcard.
fn major(text: &str) -> Option<&str> {
    let sign = text.find(|c| "[]<>(){}|!;,'\"\n\r \t&?+".contains(c));
    if let Some(at) = sign {
        return text.get(at..at + 1);
    }
    let upper = text.to_ascii_uppercase();
    let found = LONG_BREAKERS.iter().find_map(|long| Some((upper.find(long)?, long.len())));
    found.and_then(|(at, len)| text.get(at..at + len))
}

/// An end of the time that is looked at.
enum End {
    From,
    To,
}

/// What a name and a value say about the time that is looked at, as a modifier.
fn modifier(name: &str, value: &str) -> Option<(End, String)> {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "earliest" | "starttime" | "starttimeu" => return Some((End::From, value.to_owned())),
        "latest" | "endtime" | "endtimeu" => return Some((End::To, value.to_owned())),
        _ => {}
    }
    let (end, unit) = match (name.strip_prefix("start"), name.strip_prefix("end")) {
        (Some(unit), _) => (End::From, unit),
        (_, Some(unit)) => (End::To, unit),
        _ => return None,
    };
    let unit = match unit {
        "daysago" => "d",
        "hoursago" => "h",
        "minutesago" => "m",
        "monthsago" => "mon",
        _ => return None,
    };
    value.parse::<u32>().ok().map(|number| (end, format!("-{number}{unit}")))
}

/// The alerts that a store holds: not every rule adds to every one, and a rule that does not say
/// adds to all.
pub(super) fn raising(schema: Schema, store: &str, span: Span) -> Formula {
    let raises = || Field::Named { schema, name: "raises".into() };
    let says = test(raises(), Test::Exists, Case::Sensitive, span);
    let has = test(raises(), Test::Equals(store.to_owned()), Case::Sensitive, span);
    any([not(says), has])
}
