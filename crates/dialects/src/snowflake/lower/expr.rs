//! Expressions of three values.

use rulestone_ir::{Comparison, Expr, Function, Span};
use rulestone_value::Value;

use super::{Lowering, Rows, pattern, time};
use crate::snowflake::ast::{self, Call, Case, ExprKind, Like, Step, Type};
use crate::snowflake::functions::{self, Build};
use crate::snowflake::print;

/// Columns that hold the event as it came: a path into one is the event's own field.
const RAW: [&str; 5] = ["raw", "_raw", "raw_event", "raw_data", "raw_log"];
/// How deep aliases may stand for aliases.
const MAX_ALIASES: usize = 16;

pub(super) const fn comparison(comparison: Comparison) -> Function {
    match comparison {
        Comparison::Equal => Function::EqAny,
        Comparison::NotEqual => Function::NeAny,
        Comparison::Less => Function::LtAny,
        Comparison::LessOrEqual => Function::LeAny,
        Comparison::Greater => Function::GtAny,
        Comparison::GreaterOrEqual => Function::GeAny,
    }
}

/// A call of a function that takes its arguments a few at a time, of as many as there are.
pub(in crate::snowflake) fn many(function: Function, mut arguments: Vec<Expr>, span: Span) -> Expr {
    let most = *function.arguments().end();
    while arguments.len() > most {
        let rest = arguments.split_off(most - 1);
        let rest = many(function, rest, span);
        arguments.push(rest);
    }
    match arguments.len() {
        1 => arguments.remove(0),
        _ => Expr::call(function, arguments, span),
    }
}

/// Conditions and values by turns, as many as there are.
pub(in crate::snowflake) fn case(mut arguments: Vec<Expr>, span: Span) -> Expr {
    const MOST: usize = 60;
    if arguments.len() > MOST {
        let rest = arguments.split_off(MOST);
        arguments.push(case(rest, span));
    }
    match arguments.len() {
        0 => Expr::Literal(Value::Null),
        1 => arguments.remove(0),
        _ => Expr::call(Function::Case, arguments, span),
    }
}

impl Lowering<'_> {
    /// An expression over rows.
    pub(in crate::snowflake) fn expr(&mut self, of: &ast::Expr, rows: &Rows) -> Expr {
        if !rows.known.is_empty() {
            let text = print::expr(of);
            if let Some((_, known)) = rows.known.iter().find(|(own, _)| *own == text) {
                return known.clone();
            }
        }
        if let Some(simple) = self.simple(of, rows) {
            return simple;
        }
        let span = self.place(of.span);
        match &of.kind {
            ExprKind::Literal(value) => Expr::Literal(value.clone()),
            ExprKind::Earliest | ExprKind::Latest => Expr::call(Function::Now, vec![], span),
            ExprKind::Column { .. } => Expr::Literal(Value::Null),
            ExprKind::Path(inner, steps) => self.path(inner, steps, span, rows),
            ExprKind::And(parts) => many(Function::And3, self.exprs(parts, rows), span),
            ExprKind::Or(parts) => many(Function::Or3, self.exprs(parts, rows), span),
            ExprKind::Not(inner) => Expr::call(Function::Not3, vec![self.expr(inner, rows)], span),
            ExprKind::Compare(how, left, right) => {
                let sides = vec![self.side(left, right, rows), self.side(right, left, rows)];
                Expr::call(comparison(*how), sides, span)
            }
            ExprKind::Same(left, right) => self.same(left, right, span, rows),
            ExprKind::Like(like) => self.like_expr(like, span, rows),
            ExprKind::In(inner, list) => {
                let equal = |part: &ast::Expr| {
                    let sides = vec![self.side(inner, part, rows), self.side(part, inner, rows)];
                    Expr::call(Function::EqAny, sides, span)
                };
                let parts = list.iter().map(equal).collect();
                many(Function::Or3, parts, span)
            }
            ExprKind::IsNull(inner) => {
                Expr::call(Function::IsNull, vec![self.expr(inner, rows)], span)
            }
            ExprKind::Is(inner, value) => {
                let holds = self.truth(inner, *value, rows);
                Expr::Holds(Box::new(holds))
            }
            ExprKind::Case(own) => self.case(own, span, rows),
            ExprKind::Cast(inner, to) => self.cast(inner, *to, span, rows),
            ExprKind::Call(call) => self.call(call, of.span, rows),
            _ => self.other(of, span, rows),
        }
    }

    /// What is made of parts, and what is no value.
    fn other(&mut self, of: &ast::Expr, span: Span, rows: &Rows) -> Expr {
        match &of.kind {
            ExprKind::Interval(interval) => Expr::Literal(number(interval.seconds)),
            ExprKind::Array(parts) => {
                let parts = self.exprs(parts, rows);
                if parts.is_empty() {
                    return Expr::text("[]");
                }
                many(Function::MvAppend, parts, span)
            }
            ExprKind::Object(members) => {
                let of = |(key, value): &(String, ast::Expr)| {
                    [Expr::text(key.clone()), self.expr(value, rows)]
                };
                let arguments: Vec<Expr> = members.iter().flat_map(of).collect();
                if arguments.len() > *Function::JsonObject.arguments().end() {
                    return self.refused(
                        "search-limit",
                        "the object is too long",
                        of_span(members),
                    );
                }
                Expr::call(Function::JsonObject, arguments, span)
            }
            ExprKind::InQuery(..) | ExprKind::Exists(_) => {
                let message =
                    "a query within a condition is run only where all of `where` has to hold";
                self.refused("unsupported-subquery", message, of.span)
            }
            ExprKind::Scalar(_) => {
                self.refused("unsupported-subquery", "a query as a value is not run", of.span)
            }
            ExprKind::Star => self.refused("unsupported-expression", "`*` is no value", of.span),
            _ => Expr::Literal(Value::Null),
        }
    }

    pub(in crate::snowflake) fn exprs(&mut self, parts: &[ast::Expr], rows: &Rows) -> Vec<Expr> {
        parts.iter().map(|part| self.expr(part, rows)).collect()
    }

    /// What is a column, under whatever name, or a path that is one.
    pub(super) fn simple(&mut self, of: &ast::Expr, rows: &Rows) -> Option<Expr> {
        if !rows.known.is_empty() {
            let text = print::expr(of);
            if let Some((_, known)) = rows.known.iter().find(|(own, _)| *own == text) {
                return Some(known.clone());
            }
        }
        match &of.kind {
            ExprKind::Column { table, name } => {
                if let Some(alias) = self.alias(table.as_deref(), name, rows) {
                    return Some(alias);
                }
                Some(Expr::Field(self.column(table.as_deref(), name, rows, of.span)))
            }
            ExprKind::Path(inner, steps) => {
                let ExprKind::Column { name, .. } = &inner.kind else { return None };
                if !RAW.contains(&&**name) || !self.is_of_events(inner, rows) {
                    return None;
                }
                let keys: Option<Vec<&str>> = steps.iter().map(key).collect();
                let field = keys?.join(".");
                self.read(&field);
                Some(Expr::Field(field.into()))
            }
            _ => None,
        }
    }

    /// Whether a column is one of the events that are read.
    fn is_of_events(&self, of: &ast::Expr, rows: &Rows) -> bool {
        let ExprKind::Column { table, .. } = &of.kind else { return false };
        rows.tables.first().is_some_and(|own| {
            own.names.is_none()
                && table.as_ref().is_none_or(|table| own.alias.as_ref() == Some(table))
        })
    }

    /// What an alias stands for, where its own expression does not name it and nothing else has it.
    fn alias(&mut self, table: Option<&str>, name: &str, rows: &Rows) -> Option<Expr> {
        if table.is_some() || rows.tables.iter().any(|own| own.names.is_some() && own.has(name)) {
            return None;
        }
        let (_, stands_for) = rows.aliases.iter().find(|(own, _)| own == name)?;
        let mut names_itself = false;
        stands_for.walk(&mut |part| {
            names_itself |= matches!(&part.kind, ExprKind::Column { name: own, .. } if own == name);
        });
        if names_itself || self.depth > MAX_ALIASES * 2 {
            return None;
        }
        let aliases = std::sync::Arc::clone(&rows.aliases);
        let (_, stands_for) = aliases.iter().find(|(own, _)| own == name)?;
        self.depth += 2;
        let found = self.expr(stands_for, rows);
        self.depth -= 2;
        Some(found)
    }

    /// A side of a comparison: a text that is compared with a time is one.
    fn side(&mut self, of: &ast::Expr, other: &ast::Expr, rows: &Rows) -> Expr {
        match &of.kind {
            ExprKind::Literal(Value::String(text)) if time::is_time(other) => {
                self.time_literal(text, of.span)
            }
            _ => self.expr(of, rows),
        }
    }

    fn same(&mut self, left: &ast::Expr, right: &ast::Expr, span: Span, rows: &Rows) -> Expr {
        let sides = [self.expr(left, rows), self.expr(right, rows)];
        let nulls = sides.clone().map(|side| Expr::call(Function::IsNull, vec![side], span));
        let any_null = many(Function::Or3, nulls.to_vec(), span);
        let both_null = many(Function::And3, nulls.to_vec(), span);
        let equal = Expr::call(Function::EqAny, sides.to_vec(), span);
        Expr::call(Function::Case, vec![any_null, both_null, equal], span)
    }

    fn like_expr(&mut self, like: &Like, span: Span, rows: &Rows) -> Expr {
        let of = self.expr(&like.of, rows);
        let mut tests = Vec::new();
        for part in &like.patterns {
            let test = match &part.kind {
                ExprKind::Literal(Value::String(text)) => {
                    self.check_like(text, part.span);
                    let regex = pattern::like_regex(text, like.escape, like.ignore_case);
                    Expr::call(Function::RegexFindAny, vec![of.clone(), Expr::text(regex)], span)
                }
                _ if like.escape.is_some() => {
                    let message = "a pattern that is computed is not run with `escape`";
                    return self.refused("unsupported-expression", message, part.span);
                }
                _ => {
                    let folded = |side: Expr| match like.ignore_case {
                        true => Expr::call(Function::Lower, vec![side], span),
                        false => side,
                    };
                    let sides = vec![folded(of.clone()), folded(self.expr(part, rows))];
                    Expr::call(Function::LikeAny, sides, span)
                }
            };
            tests.push(test);
        }
        many(if like.all { Function::And3 } else { Function::Or3 }, tests, span)
    }

    fn case(&mut self, own: &Case, span: Span, rows: &Rows) -> Expr {
        let mut arguments = Vec::new();
        for (condition, value) in &own.branches {
            let condition = match &own.of {
                None => self.expr(condition, rows),
                Some(of) => {
                    let sides =
                        vec![self.side(of, condition, rows), self.side(condition, of, rows)];
                    Expr::call(Function::EqAny, sides, span)
                }
            };
            arguments.extend([condition, self.expr(value, rows)]);
        }
        arguments.extend(own.otherwise.as_ref().map(|value| self.expr(value, rows)));
        case(arguments, span)
    }

    fn cast(&mut self, inner: &ast::Expr, to: Type, span: Span, rows: &Rows) -> Expr {
        let literal = match (&inner.kind, to) {
            (ExprKind::Literal(Value::String(text)), Type::Time | Type::Date) => Some(text),
            _ => None,
        };
        if let Some(text) = literal {
            return self.time_literal(text, inner.span);
        }
        let of = self.expr(inner, rows);
        let call = |function, of: Expr| Expr::call(function, vec![of], span);
        match to {
            Type::Text if time::is_time(inner) => time::as_text(of, span),
            Type::Text => call(Function::ToText, of),
            Type::Number => call(Function::ToNumber, of),
            Type::Integer => Expr::call(
                Function::Round,
                vec![call(Function::ToNumber, of), Expr::Literal(Value::Integer(0))],
                span,
            ),
            Type::Bool => functions::as_bool(of, span),
            Type::Time => time::as_time(of, time::is_time(inner), span),
            Type::Date => {
                let at = time::as_time(of, time::is_time(inner), span);
                Expr::call(Function::RelativeTime, vec![at, Expr::text("@d")], span)
            }
            Type::Array => call(Function::ElementsOf, of),
            Type::Any => of,
        }
    }

    /// What is at a path: of the event's own fields where the column is one of them, else in the
    /// column's JSON.
    fn path(&mut self, inner: &ast::Expr, steps: &[Step], span: Span, rows: &Rows) -> Expr {
        if let ExprKind::Call(call) = &inner.kind
            && let (Some(part), [Step::Key(key)]) = (functions::part_of(call), steps)
        {
            return part(self, call, key, span, rows);
        }
        let (mut of, mut rest) = (self.expr(inner, rows), steps);
        if let Some((Step::Index(at), behind)) = steps.split_first() {
            let list = Expr::call(Function::ElementsOf, vec![of], span);
            of =
                Expr::call(Function::MvIndex, vec![list, Expr::Literal(Value::Integer(*at))], span);
            rest = behind;
        }
        if rest.is_empty() {
            return of;
        }
        let own = match &of {
            Expr::Field(column) if self.is_of_events(inner, rows) => {
                let keys: Option<Vec<&str>> = rest.iter().map(key).collect();
                keys.map(|keys| format!("{column}.{}", keys.join(".")))
            }
            _ => None,
        };
        let within = Expr::call(Function::JsonPath, vec![of, Expr::text(written(rest))], span);
        match own {
            Some(field) => {
                self.read(&field);
                Expr::call(Function::Coalesce, vec![Expr::Field(field.into()), within], span)
            }
            None => within,
        }
    }

    fn call(&mut self, call: &Call, span: Span, rows: &Rows) -> Expr {
        let Some(function) = functions::find(&call.name) else {
            let names = functions::functions().iter().map(|function| function.name);
            let near = crate::suggest::nearest(&call.name, names);
            let message = format!("there is no function `{}` that is known", call.name);
            let at = self.place(call.at);
            let mut said = rulestone_ir::Diagnostic::new(
                rulestone_ir::Level::Unsupported,
                "unknown-function",
                message,
                at,
            );
            said.help = near.map(|near| format!("perhaps `{near}`"));
            self.diagnostics.push(said);
            return Expr::Literal(Value::Null);
        };
        if !function.arguments.contains(&call.arguments.len()) {
            let message =
                format!("`{}` does not take {} arguments", call.name, call.arguments.len());
            self.invalid("bad-arguments", message, call.at);
            return Expr::Literal(Value::Null);
        }
        match function.build {
            Build::Plain(own) => {
                let arguments = self.exprs(&call.arguments, rows);
                match arguments.len() > *own.arguments().end() {
                    true => many(own, arguments, self.place(span)),
                    false => Expr::call(own, arguments, self.place(span)),
                }
            }
            Build::Own(build) => build(self, call, self.place(span), rows),
            Build::Measure(_) | Build::Window => {
                let message =
                    format!("`{}` measures rows, and stands where none are measured", call.name);
                self.invalid("misplaced-measure", message, call.at);
                Expr::Literal(Value::Null)
            }
            Build::Refused(why) => {
                self.refused("unsupported-function", format!("`{}` {why}", call.name), call.at)
            }
        }
    }
}

/// A number as a value: whole ones as integers.
pub(in crate::snowflake) fn number(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.fract() == 0.0 && number.abs() < EXACT {
        true => Value::Integer(number as i64),
        false => Value::Float(number),
    }
}

fn of_span(members: &[(String, ast::Expr)]) -> Span {
    members.iter().map(|(_, value)| value.span).reduce(Span::to).unwrap_or_default()
}

fn key(step: &Step) -> Option<&str> {
    match step {
        Step::Key(key) => Some(key),
        Step::Index(_) => None,
    }
}

/// A path as [`Function::JsonPath`] reads it.
pub(in crate::snowflake) fn written(steps: &[Step]) -> String {
    let mut out = String::new();
    for step in steps {
        match step {
            Step::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                match key.contains(['.', '{', '\'']) {
                    true => out.extend(["'", &key.replace('\'', ""), "'"]),
                    false => out.push_str(key),
                }
            }
            Step::Index(at) => out.push_str(&format!("{{{at}}}")),
        }
    }
    out
}
