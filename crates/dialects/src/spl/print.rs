//! Tokens and trees as text, for `debug` and for tests.

use std::fmt::Write;

use rulestone_ir::Diagnostic;

use super::Text;
use super::ast::{
    Binary, Boundary, Command, Eval, LookupOutput, Measure, MeasureOf, Name, Names, Operator,
    Pipeline, Search, SearchValue, Setting, SortKey, Spanned, Stats, Syntax, Tstats,
};
use super::parser::parse_recorded;
use crate::environment::Environment;

/// The tokens of a search behind its macros, one a line.
pub fn print_tokens(
    text: &Text<'_>,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> String {
    let (_, tokens) = parse_recorded(text, environment, diagnostics);
    tokens.iter().map(|(kind, text)| format!("{} {text}\n", kind.as_str())).collect()
}

/// The AST of a search: a line for each command, with its parts below.
pub fn print_ast(
    text: &Text<'_>,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> String {
    let (pipeline, _) = parse_recorded(text, environment, diagnostics);
    let mut out = String::new();
    print_pipeline(&pipeline, 0, &mut out);
    out
}

fn print_pipeline(pipeline: &Pipeline, indent: usize, out: &mut String) {
    for command in &pipeline.commands {
        let mut printer = Printer { indent, out };
        printer.line(&command.name.value);
        printer.indent += 2;
        printer.syntax(command);
    }
}

struct Printer<'o> {
    indent: usize,
    out: &'o mut String,
}

impl Printer<'_> {
    fn line(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.out, "{:indent$}{}", "", text.as_ref(), indent = self.indent);
    }

    /// A line that says what its text is, when there is one.
    fn part(&mut self, what: &str, text: impl AsRef<str>) {
        if !text.as_ref().is_empty() {
            self.line(format!("{what} {}", text.as_ref()));
        }
    }

    fn syntax(&mut self, command: &Command) {
        match &command.syntax {
            Syntax::Search(search) => self.search(search),
            Syntax::Where(eval) => self.line(eval_text(eval)),
            Syntax::Eval(list) => {
                for (name, value) in list {
                    self.line(format!("{} = {}", quoted(name), eval_text(value)));
                }
            }
            Syntax::Stats(stats) => self.stats(stats),
            Syntax::Tstats(tstats) => self.tstats(tstats),
            Syntax::Rename(pairs) => {
                for (from, to) in pairs {
                    self.line(format!("{} AS {}", quoted(from), quoted(to)));
                }
            }
            Syntax::Names(names) => self.names(names),
            Syntax::Output { text } | Syntax::Other { text } => self.part("text", &*text.value),
            Syntax::Replace { pairs, fields } => {
                for (from, to) in pairs {
                    self.line(format!("{} WITH {}", quoted(from), quoted(to)));
                }
                self.part("in", names_text(fields));
            }
            Syntax::Append { settings, subsearches } => {
                self.settings(settings);
                for subsearch in subsearches {
                    self.subsearch(subsearch);
                }
            }
            Syntax::Generate { settings } | Syntax::Spath { settings } => self.settings(settings),
            other => self.fields_and_settings(other),
        }
    }

    /// The commands about fields and tables.
    fn fields_and_settings(&mut self, syntax: &Syntax) {
        match syntax {
            Syntax::From { dataset, form, settings } => {
                self.settings(settings);
                self.part("dataset", quoted(dataset));
                self.part("form", form.as_ref().map(quoted).unwrap_or_default());
            }
            Syntax::Rex { settings, pattern } => {
                self.settings(settings);
                self.part("pattern", &*pattern.value);
            }
            Syntax::Regex { field, negated, pattern } => {
                let field = field.as_ref().map_or_else(|| "_raw".to_owned(), quoted);
                let sign = if *negated { "!=" } else { "=" };
                self.line(format!("{field} {sign} {}", pattern.value));
            }
            Syntax::Bin { settings, field, alias } => {
                self.settings(settings);
                self.part("field", column(field.as_ref(), alias.as_ref()));
            }
            Syntax::Convert { settings, conversions } => {
                self.settings(settings);
                for (function, field, alias) in conversions {
                    let of = format!("{}({})", function.value, field.value);
                    self.line(named(of, alias.as_ref()));
                }
            }
            Syntax::Sort { limit, keys, reversed } => {
                self.number("limit", limit.as_ref());
                keys.iter().for_each(|key| self.line(sort_text(key)));
                self.part("reversed", if *reversed { "yes" } else { "" });
            }
            Syntax::Limit { rows, condition, settings } => {
                self.settings(settings);
                self.number("rows", rows.as_ref());
                self.part("while", condition.as_ref().map(eval_text).unwrap_or_default());
            }
            Syntax::Top { settings, fields, by } => {
                self.settings(settings);
                self.part("fields", names_text(fields));
                self.part("by", names_text(by));
            }
            Syntax::Makemv { settings, field } => {
                self.settings(settings);
                self.part("field", quoted(field));
            }
            other => self.tables(other),
        }
    }

    /// The commands with a table or another search.
    fn tables(&mut self, syntax: &Syntax) {
        match syntax {
            Syntax::Lookup { settings, table, on, output } => {
                self.settings(settings);
                self.part("table", quoted(table));
                self.part("on", columns_text(on));
                if let Some(LookupOutput { keeps, columns }) = output {
                    let what = if *keeps { "outputnew" } else { "output" };
                    self.part(what, columns_text(columns));
                }
            }
            Syntax::InputLookup { settings, table, filter } => {
                self.settings(settings);
                self.part("table", quoted(table));
                self.part("where", filter.as_ref().map(search_text).unwrap_or_default());
            }
            Syntax::Join { settings, on, subsearch } => {
                self.settings(settings);
                self.part("on", names_text(on));
                self.subsearch(subsearch);
            }
            Syntax::Map { settings, search } => {
                self.settings(settings);
                self.part("search", &*search.value);
            }
            Syntax::Transaction { fields, settings, starts, ends } => {
                self.settings(settings);
                self.part("fields", names_text(fields));
                self.part("starts", starts.as_ref().map(boundary_text).unwrap_or_default());
                self.part("ends", ends.as_ref().map(boundary_text).unwrap_or_default());
            }
            Syntax::Foreach { fields, settings, body } => {
                self.settings(settings);
                self.part("fields", names_text(fields));
                self.subsearch(body);
            }
            _ => {}
        }
    }

    /// Terms of an expression, one a line where there are several.
    fn search(&mut self, search: &Search) {
        match search {
            Search::And(parts) if parts.len() > 1 => {
                parts.iter().for_each(|part| self.line(search_text(part)));
            }
            _ => self.line(search_text(search)),
        }
    }

    fn subsearch(&mut self, pipeline: &Pipeline) {
        self.line("[");
        print_pipeline(pipeline, self.indent + 2, self.out);
        self.line("]");
    }

    fn settings(&mut self, settings: &[Setting]) {
        for Setting { name, value } in settings {
            self.line(format!("{}={:?}", name.value, value.value));
        }
    }

    fn number(&mut self, what: &str, number: Option<&Spanned<u64>>) {
        self.part(what, number.map(|number| number.value.to_string()).unwrap_or_default());
    }

    fn measures(&mut self, measures: &[Measure]) {
        for Measure { function, of, alias, .. } in measures {
            let of = match of {
                MeasureOf::Rows => function.value.to_string(),
                MeasureOf::Field(field) => format!("{}({})", function.value, field.value),
                MeasureOf::Eval(eval) => format!("{}(eval({}))", function.value, eval_text(eval)),
            };
            self.line(named(of, alias.as_ref()));
        }
    }

    fn stats(&mut self, stats: &Stats) {
        self.settings(&stats.settings);
        self.measures(&stats.measures);
        self.part("where", stats.filter.as_ref().map(search_text).unwrap_or_default());
        self.part("over", stats.over.as_ref().map(quoted).unwrap_or_default());
        self.part("by", names_text(&stats.by));
    }

    fn tstats(&mut self, tstats: &Tstats) {
        self.settings(&tstats.settings);
        self.measures(&tstats.measures);
        self.part("from", tstats.datamodel.as_ref().map(quoted).unwrap_or_default());
        self.part("where", tstats.filter.as_ref().map(search_text).unwrap_or_default());
        self.part("by", names_text(&tstats.by));
        self.part("span", tstats.span.as_ref().map(quoted).unwrap_or_default());
    }

    fn names(&mut self, names: &Names) {
        self.settings(&names.settings);
        self.number("count", names.count.as_ref());
        self.part(if names.minus { "without" } else { "names" }, names_text(&names.names));
        for key in &names.sort {
            self.part("sortby", sort_text(key));
        }
    }
}

/// A name as it is, in quotes where it would not read as one word.
fn quoted(name: &Name) -> String {
    let text = &*name.value;
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\",()[]|=".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("{text:?}") }
}

fn names_text(names: &[Name]) -> String {
    names.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

fn columns_text(columns: &[(Name, Option<Name>)]) -> String {
    let texts = columns.iter().map(|(name, alias)| column(Some(name), alias.as_ref()));
    texts.collect::<Vec<_>>().join(", ")
}

fn column(name: Option<&Name>, alias: Option<&Name>) -> String {
    named(name.map(quoted).unwrap_or_default(), alias)
}

fn named(text: String, alias: Option<&Name>) -> String {
    match alias {
        Some(alias) => format!("{text} AS {}", quoted(alias)),
        None => text,
    }
}

fn sort_text(key: &SortKey) -> String {
    let sign = if key.descending { "-" } else { "+" };
    match &key.collation {
        Some(collation) => format!("{sign} {}({})", collation.value, key.field.value),
        None => format!("{sign} {}", quoted(&key.field)),
    }
}

fn boundary_text(boundary: &Boundary) -> String {
    match boundary {
        Boundary::Eval(eval) => format!("eval({})", eval_text(eval)),
        Boundary::Search(search) => search_text(search),
    }
}

/// A search expression on one line, with all of its parentheses.
fn search_text(search: &Search) -> String {
    let joined = |parts: &[Search], word: &str| match parts {
        [] => "()".to_owned(),
        parts => {
            let parts: Vec<_> = parts.iter().map(search_text).collect();
            format!("({})", parts.join(word))
        }
    };
    match search {
        Search::And(parts) => joined(parts, " AND "),
        Search::Or(parts) => joined(parts, " OR "),
        Search::Not(inner, _) => format!("NOT {}", search_text(inner)),
        Search::Compare { field, operator, value } => {
            format!("{}{}{}", quoted(field), sign(operator.value), value_text(value))
        }
        Search::In { field, values } => {
            let values: Vec<_> = values.iter().map(value_text).collect();
            format!("{} IN ({})", quoted(field), values.join(", "))
        }
        Search::Term(value) => value_text(value),
        Search::Token(token) => format!("TERM({})", token.value),
        Search::Case(None, value) => format!("CASE({})", value.value),
        Search::Case(Some(field), value) => format!("{}=CASE({})", quoted(field), value.value),
        Search::Subsearch(pipeline) => inline(pipeline),
        Search::Broken(_) => "?".to_owned(),
    }
}

/// A subsearch on one line.
fn inline(pipeline: &Pipeline) -> String {
    let mut out = String::new();
    print_pipeline(pipeline, 0, &mut out);
    let commands = out.lines().fold(String::new(), |mut all, line| {
        let space = match (all.is_empty(), line.starts_with(' ')) {
            (true, _) => "",
            (false, true) => " ",
            (false, false) => " | ",
        };
        all.push_str(space);
        all.push_str(line.trim_start());
        all
    });
    format!("[{commands}]")
}

fn value_text(value: &SearchValue) -> String {
    if value.quoted { format!("{:?}", value.text) } else { value.text.to_string() }
}

fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
    }
}

/// An eval expression on one line, with all of its parentheses.
fn eval_text(eval: &Eval) -> String {
    let list = |values: &[Eval]| values.iter().map(eval_text).collect::<Vec<_>>().join(", ");
    match eval {
        Eval::Number(number, _) => number.to_string(),
        Eval::Text(text, _) => format!("{text:?}"),
        Eval::Field(name) => format!("'{}'", name.value),
        Eval::Indirect(name) => format!("{{{}}}", name.value),
        Eval::Call { name, arguments, .. } => format!("{}({})", name.value, list(arguments)),
        Eval::Not(inner, _) => format!("(NOT {})", eval_text(inner)),
        Eval::Negate(inner, _) => format!("(- {})", eval_text(inner)),
        Eval::Binary { operator, left, right } => {
            let (left, right) = (eval_text(left), eval_text(right));
            format!("({left} {} {right})", binary(operator.value))
        }
        Eval::In { value, values, .. } => format!("({} IN ({}))", eval_text(value), list(values)),
        Eval::Broken(_) => "?".to_owned(),
    }
}

fn binary(operator: Binary) -> &'static str {
    match operator {
        Binary::And => "AND",
        Binary::Or => "OR",
        Binary::Xor => "XOR",
        Binary::Compare(operator) => sign(operator),
        Binary::Like => "LIKE",
        Binary::Add => "+",
        Binary::Subtract => "-",
        Binary::Multiply => "*",
        Binary::Divide => "/",
        Binary::Remainder => "%",
        Binary::Concat => ".",
    }
}
