//! A test with case behind one without: what the search finds in another spelling is dropped.

use rulestone_ir::{Diagnostic, Level, Span};

use super::Look;
use crate::spl::ast::{Binary, Command, Eval, Name, Operator, Pipeline, Search, Syntax};

/// Letters that a word needs to say something.
const LEAST: usize = 3;
/// Texts of a search, and words of an expression, that are compared at most.
const MOST: usize = 2_000;

/// A text that a search asks for without case.
struct Asked {
    /// Of which field, in lower case; of the whole event where none is named.
    field: Option<String>,
    /// The text in lower case.
    text: String,
}

/// Looks at a pipeline: its searches, and the filters behind them.
pub(super) fn look(look: &mut Look<'_>, pipeline: &Pipeline) {
    let mut texts = Vec::new();
    for command in &pipeline.commands {
        match &command.syntax {
            Syntax::Search(search) => asked(search, &mut texts),
            Syntax::Tstats(own) => own.filter.iter().for_each(|own| asked(own, &mut texts)),
            _ => Filters { look, asked: &texts }.of(command),
        }
    }
}

/// What a search asks for; what it excludes is not asked for.
fn asked(search: &Search, texts: &mut Vec<Asked>) {
    let mut add = |field: Option<&Name>, text: &str| {
        let field = field.map(|name| last_part(&name.value).to_lowercase());
        if texts.len() < MOST {
            texts.push(Asked { field, text: text.to_lowercase() });
        }
    };
    match search {
        Search::And(parts) | Search::Or(parts) => {
            parts.iter().for_each(|part| asked(part, texts));
        }
        Search::Term(value) => add(None, &value.text),
        Search::Token(name) => add(None, &name.value),
        Search::Compare { field, operator, value } if operator.value == Operator::Equal => {
            add(Some(field), &value.text);
        }
        Search::In { field, values } => {
            values.iter().for_each(|value| add(Some(field), &value.text));
        }
        _ => {}
    }
}

/// A name without the data set in front of it.
fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

struct Filters<'f, 'l> {
    look: &'f mut Look<'l>,
    asked: &'f [Asked],
}

impl Filters<'_, '_> {
    fn of(&mut self, command: &Command) {
        match &command.syntax {
            Syntax::Where(eval) => self.expression(eval),
            Syntax::Regex { field: Some(field), negated: false, pattern } => {
                self.regex(field, &pattern.value, pattern.span);
            }
            _ => {}
        }
    }

    /// Whatever stands behind a `NOT` is left out.
    fn expression(&mut self, eval: &Eval) {
        match eval {
            Eval::Call { name, arguments, .. } => match (&*name.value, arguments.as_slice()) {
                ("match", [Eval::Field(field), Eval::Text(text, span)]) => {
                    self.regex(field, text, *span);
                }
                ("like", [Eval::Field(field), Eval::Text(text, span)]) => {
                    self.plain(field, text.trim_matches('%'), *span);
                }
                _ => {}
            },
            Eval::Binary { operator, left, right } => match operator.value {
                Binary::And | Binary::Or => {
                    self.expression(left);
                    self.expression(right);
                }
                Binary::Compare(Operator::Equal) | Binary::Like => {
                    if let (Eval::Field(field), Eval::Text(text, span)) = (&**left, &**right) {
                        self.plain(field, text.trim_matches('%'), *span);
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// The texts that are asked for, where they may be of the field.
    fn texts(&self, field: &Name) -> impl Iterator<Item = &str> {
        let own = last_part(&field.value).to_lowercase();
        let of_field = move |asked: &&Asked| asked.field.as_ref().is_none_or(|name| *name == own);
        self.asked.iter().filter(of_field).map(|asked| asked.text.as_str())
    }

    fn plain(&mut self, field: &Name, text: &str, span: Span) {
        let lower = text.to_lowercase();
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        if letters >= LEAST && self.texts(field).any(|asked| asked.contains(&lower)) {
            let help = "compare `lower(…)` of the field with the text in lower case";
            self.say(text, span, help);
        }
    }

    fn regex(&mut self, field: &Name, pattern: &str, span: Span) {
        let ignores = ["(?i", "(?mi", "(?si", "(?xi"].iter().any(|flag| pattern.contains(flag));
        if ignores {
            return;
        }
        let runs = literals(pattern);
        let is_asked = |run: &&String| {
            let lower = run.to_lowercase();
            let mut words =
                self.texts(field).flat_map(|text| text.split(|c: char| !c.is_alphabetic()));
            words.any(|word| *word == *lower)
        };
        let Some(run) = runs.iter().find(is_asked) else { return };
        let help = match pattern.contains("(i?)") {
            true => "write `(?i)` in place of `(i?)`",
            false => "begin the expression with `(?i)`",
        };
        self.say(run, span, help);
    }

    fn say(&mut self, text: &str, span: Span, help: &str) {
        let message =
            format!("`{text}` has to be spelt so here, while the search finds it in any case");
        let diagnostic = Diagnostic::new(Level::Note, "case-after-caseless", message, span);
        self.look.say(diagnostic.with_help(help));
    }
}

/// The runs of letters that stand in an expression as they are: outside of classes, and not a part
/// of an escape, of a group's name, or of what is repeated.
fn literals(pattern: &str) -> Vec<String> {
    let mut runs = Vec::new();
    let mut run = String::new();
    let mut chars = pattern.chars().peekable();
    let mut class = false;
    while let Some(c) = chars.next() {
        if c.is_alphabetic() && !class {
            run.push(c);
            continue;
        }
        match c {
            '\\' => drop(chars.next()),
            '[' => class = true,
            ']' => class = false,
            // `(?<name>`, `(?:`
            '(' if !class && chars.next_if_eq(&'?').is_some() => {
                while chars.next_if(|c| !matches!(c, '>' | ':' | ')')).is_some() {}
            }
            '*' | '?' | '{' if !class => drop(run.pop()),
            _ => {}
        }
        runs.push(std::mem::take(&mut run));
    }
    runs.push(run);
    runs.retain(|run| run.len() >= LEAST);
    runs.truncate(MOST);
    runs
}
