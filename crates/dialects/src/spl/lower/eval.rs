//! Eval expressions: to expressions, and conditions to formulas as far as that says the same.
//!
//! A test reaches the matcher, an expression does not; so a condition becomes a formula of tests
//! wherever both agree for every value, for null and for lists too. Numbers stay expressions:
//! what compares with a number and is none compares as text.

use std::sync::Arc;

use rulestone_ir::{
    Case, Diagnostic, Elements, Expr, Field, Formula, Function, Level, Predicate, Regex, Span, Test,
};
use rulestone_value::{Glob, Piece, Value};

use super::{Lowering, Rows, all, any, is_true, not, test};
use crate::regex::{Reading, translate};
use crate::spl::ast::{Binary, Eval, Name, Operator, Syntax};
use crate::spl::functions::{self, Build};
use crate::spl::parser;
use crate::suggest::nearest;

/// What stands for the value at hand in an expression.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// The elements of this field: of `mvmap` and `mvfilter`.
    Elements(Arc<str>),
    /// The columns of this pattern: of `foreach`.
    Columns(Arc<str>),
}

impl Lowering<'_> {
    /// What an expression makes of a row.
    pub(crate) fn expr(&mut self, eval: &Eval, rows: &Rows) -> Expr {
        match eval {
            Eval::Number(number, _) => Expr::Literal(number_value(*number)),
            Eval::Text(text, span) => self.text(text, *span),
            Eval::Field(name) => self.named(name, rows),
            Eval::Indirect(name) => Expr::Indirect(name.value.clone()),
            Eval::Call { name, arguments, span } => self.call(name, arguments, *span, rows),
            Eval::Not(inner, span) => {
                let inner = self.expr(inner, rows);
                Expr::call(Function::Not3, vec![inner], *span)
            }
            Eval::Negate(inner, span) => match &**inner {
                Eval::Number(number, _) => Expr::Literal(number_value(-number)),
                inner => {
                    let inner = self.expr(inner, rows);
                    Expr::call(Function::Negate, vec![inner], *span)
                }
            },
            Eval::Binary { operator, left, right } => {
                let function = match operator.value {
                    Binary::And => Function::And3,
                    Binary::Or => Function::Or3,
                    Binary::Xor => Function::Xor3,
                    Binary::Compare(operator) => comparison(operator),
                    Binary::Like => Function::LikeAny,
                    Binary::Add => Function::Add,
                    Binary::Subtract => Function::Subtract,
                    Binary::Multiply => Function::Multiply,
                    Binary::Divide => Function::Divide,
                    Binary::Remainder => Function::Remainder,
                    Binary::Concat => Function::Concat,
                };
                let sides = [self.expr(left, rows), self.expr(right, rows)];
                joined(function, sides, operator.span)
            }
            Eval::In { value, values, span } => {
                let mut arguments = vec![self.expr(value, rows)];
                arguments.extend(values.iter().map(|value| self.expr(value, rows)));
                self.checked(Function::InAny, arguments, *span)
            }
            Eval::Broken(_) => Expr::Literal(Value::Null),
        }
    }

    /// A condition: the rows for which an expression is true.
    pub(crate) fn condition(&mut self, eval: &Eval, rows: &Rows) -> Formula {
        match eval {
            Eval::Binary { operator, left, right } => match operator.value {
                Binary::And => all([self.condition(left, rows), self.condition(right, rows)]),
                Binary::Or => any([self.condition(left, rows), self.condition(right, rows)]),
                _ => self.tested(eval, rows, true),
            },
            Eval::Not(inner, _) => self.opposite(inner, rows),
            eval => self.tested(eval, rows, true),
        }
    }

    /// The rows for which an expression is false: for others than true ones it may be null.
    fn opposite(&mut self, eval: &Eval, rows: &Rows) -> Formula {
        match eval {
            Eval::Binary { operator, left, right } => match operator.value {
                Binary::And => any([self.opposite(left, rows), self.opposite(right, rows)]),
                Binary::Or => all([self.opposite(left, rows), self.opposite(right, rows)]),
                _ => self.tested(eval, rows, false),
            },
            Eval::Not(inner, _) => self.condition(inner, rows),
            eval => self.tested(eval, rows, false),
        }
    }

    /// One condition, as a test where that says the same.
    fn tested(&mut self, eval: &Eval, rows: &Rows, positive: bool) -> Formula {
        let formula = if self.scopes.is_empty() { self.as_test(eval, rows) } else { None };
        match formula {
            Some(Known::Always(formula)) if positive => formula,
            Some(Known::Always(formula)) => not(formula),
            Some(Known::Strict { formula, .. }) if positive => formula,
            // What is null for a missing field is not true of one when it is turned round.
            Some(Known::Strict { field, formula, span }) => {
                all([test(field, Test::Exists, Case::Sensitive, span), not(formula)])
            }
            None => {
                let expr = self.expr(eval, rows);
                let span = eval_span(eval);
                is_true(if positive { expr } else { Expr::call(Function::Not3, vec![expr], span) })
            }
        }
    }

    fn as_test(&mut self, eval: &Eval, rows: &Rows) -> Option<Known> {
        match eval {
            Eval::Binary { operator, left, right } => {
                let (name, text, span) = match (&**left, &**right) {
                    (Eval::Field(name), Eval::Text(text, span)) => (name, text, *span),
                    (Eval::Text(text, span), Eval::Field(name))
                        if operator.value != Binary::Like =>
                    {
                        (name, text, *span)
                    }
                    _ => return None,
                };
                let own = match operator.value {
                    Binary::Compare(Operator::Equal) => Test::Equals(text.to_string()),
                    Binary::Like => Test::Wildcard(like(text)),
                    Binary::Compare(Operator::NotEqual) => {
                        return self.differs(name, text, span, rows);
                    }
                    _ => return None,
                };
                self.strict(name, own, span, rows)
            }
            Eval::Call { name, arguments, span } => self.call_as_test(name, arguments, *span, rows),
            Eval::In { value, values, span } => {
                let Eval::Field(name) = &**value else { return None };
                let texts: Option<Vec<_>> = values
                    .iter()
                    .map(|value| match value {
                        Eval::Text(text, span) => Some((text, *span)),
                        _ => None,
                    })
                    .collect();
                let field = self.tested_field(name, rows)?;
                let tests = texts?.into_iter().map(|(text, span)| {
                    test(field.clone(), Test::Equals(text.to_string()), Case::Sensitive, span)
                });
                let formula = any(tests);
                Some(Known::Strict { field, formula, span: *span })
            }
            _ => None,
        }
    }

    fn call_as_test(
        &mut self,
        name: &Name,
        arguments: &[Eval],
        span: Span,
        rows: &Rows,
    ) -> Option<Known> {
        match (&*name.value, arguments) {
            ("true", []) => Some(Known::Always(Formula::TRUE)),
            ("false", []) => Some(Known::Always(Formula::FALSE)),
            ("isnotnull", [Eval::Field(name)]) => self.exists(name, span, rows),
            ("isnull", [Eval::Field(name)]) => match self.exists(name, span, rows)? {
                Known::Always(formula) => Some(Known::Always(not(formula))),
                other => Some(other),
            },
            ("match", [Eval::Field(name), Eval::Text(text, at)]) => match self.regex(text, *at) {
                Some(regex) => self.strict(name, Test::Regex(regex), span, rows),
                None => Some(Known::Always(Formula::TRUE)),
            },
            ("like", [Eval::Field(name), Eval::Text(text, _)]) => {
                self.strict(name, Test::Wildcard(like(text)), span, rows)
            }
            ("cidrmatch", [Eval::Text(text, _), Eval::Field(name)]) => {
                let net = text.trim().parse().ok()?;
                self.strict(name, Test::Cidr(net), span, rows)
            }
            ("in", [field @ Eval::Field(_), values @ ..]) => {
                let value = Box::new(field.clone());
                self.as_test(&Eval::In { value, values: values.to_vec(), span }, rows)
            }
            ("searchmatch", [Eval::Text(text, at)]) => {
                Some(Known::Always(self.search_match(text, *at, rows)))
            }
            _ => None,
        }
    }

    fn exists(&mut self, name: &Name, span: Span, rows: &Rows) -> Option<Known> {
        let field = self.tested_field(name, rows)?;
        Some(Known::Always(test(field, Test::Exists, Case::Sensitive, span)))
    }

    fn strict(&mut self, name: &Name, own: Test, span: Span, rows: &Rows) -> Option<Known> {
        let field = self.tested_field(name, rows)?;
        let formula = test(field.clone(), own, Case::Sensitive, span);
        Some(Known::Strict { field, formula, span })
    }

    /// `field != "text"`: one of its elements is another. The opposite is that all are it.
    fn differs(&mut self, name: &Name, text: &str, span: Span, rows: &Rows) -> Option<Known> {
        let field = self.tested_field(name, rows)?;
        let equal = Formula::Test(Predicate {
            field: field.clone(),
            elements: Elements::All,
            test: Test::Equals(text.to_owned()),
            case: Case::Sensitive,
            span,
        });
        let exists = test(field.clone(), Test::Exists, Case::Sensitive, span);
        Some(Known::Strict { field, formula: all([exists, not(equal)]), span })
    }

    /// A field that a test can be of: none that stands for something else.
    fn tested_field(&mut self, name: &Name, rows: &Rows) -> Option<Field> {
        let plain = !is_word(name, rows) && !name.value.contains("<<");
        plain.then(|| self.field(&name.value))
    }

    /// A call of a function, by the table.
    fn call(&mut self, name: &Name, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
        let null = Expr::Literal(Value::Null);
        let Some(entry) = functions::find(&name.value) else {
            let near = nearest(&name.value, functions::functions().iter().map(|own| own.name));
            let message = format!("there is no function `{}` that is known", name.value);
            let mut diagnostic = rulestone_ir::Diagnostic::new(
                rulestone_ir::Level::Unsupported,
                "unknown-function",
                message,
                name.span,
            );
            diagnostic.help = near.map(|near| format!("perhaps `{near}`"));
            self.diagnostics.push(diagnostic);
            return null;
        };
        if let [Eval::Binary { operator, left, .. }] = arguments
            && operator.value == Binary::Compare(Operator::Equal)
            && matches!(**left, Eval::Field(_))
            && *entry.arguments.start() == 2
        {
            self.comma_for_equal(name, operator.span, span);
            return null;
        }
        if !entry.arguments.contains(&arguments.len()) {
            let message = format!("`{}` does not take {} arguments", name.value, arguments.len());
            self.invalid("bad-arguments", message, span);
            return null;
        }
        match entry.build {
            Build::Plain(function) => {
                let arguments = arguments.iter().map(|own| self.expr(own, rows)).collect();
                self.checked(function, arguments, span)
            }
            Build::Own(build) => build(self, arguments, span, rows),
            Build::Refused(why) => {
                self.unsupported("unsupported-function", format!("`{}` {why}", name.value), span);
                null
            }
        }
    }

    /// `match(field = "expression")`.
    fn comma_for_equal(&mut self, name: &Name, sign: Span, span: Span) {
        let message = format!("`{}` takes two arguments, and there is an `=` between", name.value);
        let mut diagnostic = Diagnostic::new(Level::Invalid, "glued-operator", message, span)
            .with_help("put a comma in its place");
        if let Some(edit) = self.written.and_then(|written| written.edit(sign, "=", ",")) {
            diagnostic = diagnostic.with_fix("write `,`", vec![edit]);
        }
        self.diagnostics.push(diagnostic);
    }

    /// A call with as many arguments as the function can take.
    pub(crate) fn checked(&mut self, function: Function, arguments: Vec<Expr>, span: Span) -> Expr {
        let most = *function.arguments().end();
        if arguments.len() <= most {
            return Expr::call(function, arguments, span);
        }
        // Of these a call of calls is the same.
        let nests = matches!(
            function,
            Function::InAny
                | Function::Case
                | Function::Coalesce
                | Function::Concat
                | Function::MvAppend
                | Function::And3
                | Function::Or3
        );
        if nests {
            return split(function, arguments, most, span);
        }
        self.unsupported("search-limit", "it has too many arguments", span);
        Expr::Literal(Value::Null)
    }

    /// A regular expression in text, as the IR has it.
    pub(crate) fn regex(&mut self, text: &str, span: Span) -> Option<Regex> {
        match translate(text, Reading::Pcre) {
            Ok(pattern) => {
                Some(Regex { pattern, ignore_case: false, multi_line: false, dot_all: false })
            }
            Err(error) => {
                self.invalid("bad-regex", format!("`{text}` does not compile: {error}"), span);
                None
            }
        }
    }

    /// An argument that is a regular expression: rewritten where it is a text.
    pub(crate) fn regex_argument(&mut self, eval: &Eval, rows: &Rows) -> Expr {
        match eval {
            Eval::Text(text, span) => match self.regex(text, *span) {
                Some(regex) => Expr::text(regex.pattern),
                None => Expr::Literal(Value::Null),
            },
            eval => self.expr(eval, rows),
        }
    }

    /// What `searchmatch` and the ends of a transaction say in the language of searches.
    pub(crate) fn search_match(&mut self, text: &str, span: Span, rows: &Rows) -> Formula {
        let search =
            parser::parse_search_at(text, span, (self.schema, self.environment), self.diagnostics);
        self.formula(&search, rows, false)
    }

    /// A condition that stands in the value of an option.
    pub(super) fn condition_in_text(
        &mut self,
        text: &str,
        span: Span,
        rows: &Rows,
    ) -> Option<Formula> {
        let text = format!("| where {text}");
        let pipeline =
            parser::parse_at(&text, span, (self.schema, self.environment), self.diagnostics);
        match pipeline.commands.first().map(|command| &command.syntax) {
            Some(Syntax::Where(eval)) => Some(self.condition(eval, rows)),
            _ => None,
        }
    }

    /// A name in an expression: a field, one of the three words, or the value at hand.
    fn named(&mut self, name: &Name, rows: &Rows) -> Expr {
        let element =
            matches!(self.scopes.last(), Some(Scope::Elements(own)) if *own == name.value);
        if element {
            return Expr::This;
        }
        if name.value.contains("<<") {
            return self.template(&name.value, name.span);
        }
        if is_word(name, rows) {
            return Expr::Literal(match name.value.to_ascii_lowercase().as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => Value::Null,
            });
        }
        let model = self.model.then(|| self.field(&name.value));
        Expr::Field(model.map_or_else(|| name.value.clone(), |field| field.name().into()))
    }

    /// A name with `<<FIELD>>` or `<<MATCHSTR>>` in it.
    fn template(&mut self, name: &str, span: Span) -> Expr {
        let columns = self.scopes.iter().rev().find_map(|scope| match scope {
            Scope::Columns(pattern) => Some(pattern.clone()),
            Scope::Elements(_) => None,
        });
        let Some(pattern) = columns else {
            self.invalid("bad-template", format!("`{name}` stands outside of `foreach`"), span);
            return Expr::Literal(Value::Null);
        };
        let filled = fill_template(name, &pattern);
        let inner = matches!(self.scopes.last(), Some(Scope::Elements(_)));
        if filled == *pattern && !inner { Expr::This } else { Expr::Sibling(filled.into()) }
    }

    /// A text, in which the name at hand may stand.
    fn text(&mut self, text: &str, span: Span) -> Expr {
        let foreach = self.scopes.iter().any(|scope| matches!(scope, Scope::Columns(_)));
        if !foreach || !text.contains("<<") {
            return Expr::text(text);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((at, word, expr)) = next_template(rest) {
            if at > 0 {
                parts.push(Expr::text(&rest[..at]));
            }
            parts.push(expr);
            rest = &rest[at + word.len()..];
        }
        if !rest.is_empty() {
            parts.push(Expr::text(rest));
        }
        if parts.len() == 1 {
            return parts.swap_remove(0);
        }
        self.checked(Function::Concat, parts, span)
    }
}

/// A condition as a formula.
enum Known {
    /// It is true or false for every row.
    Always(Formula),
    /// It is null where this field is.
    Strict { field: Field, formula: Formula, span: Span },
}

const TEMPLATES: [(&str, Expr); 3] = [
    ("<<FIELD>>", Expr::ThisName),
    ("<<MATCHSTR>>", Expr::ThisMatch),
    ("<<MATCHSEG1>>", Expr::ThisMatch),
];

/// The first template in a text: where it is, what it is and what it stands for.
fn next_template(text: &str) -> Option<(usize, &'static str, Expr)> {
    let found = TEMPLATES.iter().filter_map(|(word, expr)| Some((text.find(word)?, *word, expr)));
    found.min_by_key(|(at, _, _)| *at).map(|(at, word, expr)| (at, word, expr.clone()))
}

/// A name in which the column of a pattern stands, as a pattern.
pub(super) fn fill_template(name: &str, pattern: &str) -> String {
    let name = name.replace("<<FIELD>>", pattern);
    name.replace("<<MATCHSTR>>", "*").replace("<<MATCHSEG1>>", "*")
}

/// Whether a bare name is `true`, `false` or `null`, and no column.
fn is_word(name: &Name, rows: &Rows) -> bool {
    let word = ["true", "false", "null"].iter().any(|word| name.value.eq_ignore_ascii_case(word));
    word && !rows.columns.has(&name.value)
}

pub(crate) fn number_value(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        Value::Integer(number as i64)
    } else {
        Value::Float(number)
    }
}

const fn comparison(operator: Operator) -> Function {
    match operator {
        Operator::Equal => Function::EqAny,
        Operator::NotEqual => Function::NeAny,
        Operator::Less => Function::LtAny,
        Operator::LessOrEqual => Function::LeAny,
        Operator::Greater => Function::GtAny,
        Operator::GreaterOrEqual => Function::GeAny,
    }
}

/// A call of two sides; a chain of one operator is one call where the function takes many.
fn joined(function: Function, sides: [Expr; 2], span: Span) -> Expr {
    let chains = matches!(function, Function::And3 | Function::Or3 | Function::Concat);
    let most = *function.arguments().end();
    let mut arguments = Vec::new();
    for side in sides {
        match side {
            Expr::Call { function: own, arguments: inner, .. }
                if chains && own == function && arguments.len() + inner.len() < most =>
            {
                arguments.extend(inner);
            }
            side => arguments.push(side),
        }
    }
    Expr::call(function, arguments, span)
}

/// A call with more arguments than one may have, as calls of calls.
fn split(function: Function, mut arguments: Vec<Expr>, most: usize, span: Span) -> Expr {
    match function {
        // The value that is asked stands in front of each part.
        Function::InAny => {
            let values = arguments.split_off(1);
            let asked = arguments.swap_remove(0);
            let parts = values.chunks(most - 1).map(|part| {
                let arguments = std::iter::once(asked.clone()).chain(part.iter().cloned());
                Expr::call(function, arguments.collect(), span)
            });
            let parts: Vec<_> = parts.collect();
            if parts.len() > most {
                split(Function::Or3, parts, most, span)
            } else {
                Expr::call(Function::Or3, parts, span)
            }
        }
        // What does not fit is the value for else.
        Function::Case => {
            let rest = arguments.split_off(most - 2);
            let rest = if rest.len() > most {
                split(function, rest, most, span)
            } else {
                Expr::call(function, rest, span)
            };
            arguments.push(rest);
            Expr::call(function, arguments, span)
        }
        _ => {
            let rest = arguments.split_off(most - 1);
            let rest = if rest.len() > most {
                split(function, rest, most, span)
            } else {
                Expr::call(function, rest, span)
            };
            arguments.push(rest);
            Expr::call(function, arguments, span)
        }
    }
}

/// A pattern of `like`: `%` for any text, `_` for one character.
fn like(text: &str) -> Glob {
    Glob::new(text.chars().map(|c| match c {
        '%' => Piece::Many,
        '_' => Piece::One,
        c => Piece::Text(c.to_string()),
    }))
}

/// Where an expression stands.
pub(crate) fn eval_span(eval: &Eval) -> Span {
    match eval {
        Eval::Number(_, span)
        | Eval::Text(_, span)
        | Eval::Call { span, .. }
        | Eval::Not(_, span)
        | Eval::Negate(_, span)
        | Eval::In { span, .. }
        | Eval::Broken(span) => *span,
        Eval::Field(name) | Eval::Indirect(name) => name.span,
        Eval::Binary { left, right, .. } => eval_span(left).to(eval_span(right)),
    }
}
