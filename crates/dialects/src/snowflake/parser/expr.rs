//! Expressions.

use rulestone_ir::{Comparison, Span};
use rulestone_value::Value;
use sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, DataType, DateTimeField, DuplicateTreatment,
    Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Interval as SqlInterval, JsonPathElem, Spanned, Subscript, TrimWhereField,
    UnaryOperator, Value as SqlValue, ValueWithSpan, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowSpec, WindowType,
};

use super::Reader;
use super::query::{last_name, name};
use crate::snowflake::ast::{Call, Case, Expr, ExprKind, Frame, Interval, Like, Over, Step, Type};
use crate::snowflake::lexer::unescape;
use crate::snowflake::units;

/// The whole number that a literal is.
pub(super) fn whole(expr: &SqlExpr) -> Option<i64> {
    match expr {
        SqlExpr::Value(ValueWithSpan { value: SqlValue::Number(text, _), .. }) => text.parse().ok(),
        SqlExpr::UnaryOp { op: UnaryOperator::Minus, expr } => whole(expr)?.checked_neg(),
        SqlExpr::Nested(inner) => whole(inner),
        _ => None,
    }
}

/// What a function is given.
pub(super) fn arguments(function: &Function) -> &[FunctionArg] {
    match &function.args {
        FunctionArguments::List(list) => &list.args,
        FunctionArguments::None | FunctionArguments::Subquery(_) => &[],
    }
}

/// The chain of an operator that leans to the left, its parts from the first to the last.
fn chain<'e>(expr: &'e SqlExpr, operator: &BinaryOperator) -> Vec<&'e SqlExpr> {
    let mut parts = Vec::new();
    let mut rest = expr;
    while let SqlExpr::BinaryOp { left, op, right } = rest {
        if op != operator {
            break;
        }
        parts.push(&**right);
        rest = left;
    }
    parts.push(rest);
    parts.reverse();
    parts
}

const fn comparison(operator: &BinaryOperator) -> Option<Comparison> {
    Some(match operator {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

const fn sign(operator: &BinaryOperator) -> Option<&'static str> {
    Some(match operator {
        BinaryOperator::Plus => "+",
        BinaryOperator::Minus => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::Modulo => "%",
        BinaryOperator::StringConcat => "||",
        _ => return None,
    })
}

impl Reader<'_> {
    pub(super) fn expr(&mut self, expr: &SqlExpr) -> Expr {
        match expr {
            SqlExpr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                let parts = chain(expr, op).into_iter().map(|part| self.expr(part)).collect();
                let of = |parts| match op {
                    BinaryOperator::And => ExprKind::And(parts),
                    _ => ExprKind::Or(parts),
                };
                joined(parts, of)
            }
            SqlExpr::BinaryOp { left, op, right } => self.binary(expr, left, op, right),
            SqlExpr::UnaryOp { op, expr: of } => self.unary(op, of),
            SqlExpr::Nested(inner) => {
                let inner = self.expr(inner);
                let open = self.lexed.text[..inner.span.start].trim_end();
                let start = if open.ends_with('(') { open.len() - 1 } else { inner.span.start };
                let span = self.closed(Span::new(start..inner.span.end));
                Expr::new(inner.kind, span)
            }
            SqlExpr::Identifier(_) | SqlExpr::CompoundIdentifier(_) => self.column(expr),
            SqlExpr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            SqlExpr::JsonAccess { value, path } => self.json(value, &path.path),
            SqlExpr::Value(value) => self.value(value),
            SqlExpr::Function(function) => self.function(function),
            SqlExpr::Like { .. } | SqlExpr::ILike { .. } | SqlExpr::RLike { .. } => self.like(expr),
            SqlExpr::InList { .. } | SqlExpr::InSubquery { .. } | SqlExpr::Between { .. } => {
                self.member(expr)
            }
            SqlExpr::Case { .. } => self.case(expr),
            _ => self.other(expr),
        }
    }

    /// Where an expression begins. The whole of it is not asked for its place: it may lean too far.
    pub(super) fn near(&self, expr: &SqlExpr) -> Span {
        let mut rest = expr;
        loop {
            rest = match rest {
                SqlExpr::Identifier(ident) => return self.lexed.span(ident.span),
                SqlExpr::CompoundIdentifier(parts) => {
                    let spans = parts.iter().map(|part| self.lexed.span(part.span));
                    return spans.reduce(Span::to).unwrap_or_default();
                }
                SqlExpr::Value(value) => return self.lexed.span(value.span),
                SqlExpr::Function(function) => return self.lexed.span(function.name.span()),
                SqlExpr::Case { case_token, .. } => return self.lexed.span(case_token.0.span),
                SqlExpr::BinaryOp { left: inner, .. }
                | SqlExpr::Nested(inner)
                | SqlExpr::UnaryOp { expr: inner, .. }
                | SqlExpr::Cast { expr: inner, .. }
                | SqlExpr::JsonAccess { value: inner, .. }
                | SqlExpr::CompoundFieldAccess { root: inner, .. }
                | SqlExpr::Extract { expr: inner, .. }
                | SqlExpr::Substring { expr: inner, .. }
                | SqlExpr::Trim { expr: inner, .. }
                | SqlExpr::Position { expr: inner, .. }
                | SqlExpr::Ceil { expr: inner, .. }
                | SqlExpr::Floor { expr: inner, .. } => inner,
                _ => return Span::default(),
            };
        }
    }

    fn boxed(&mut self, expr: &SqlExpr) -> Box<Expr> {
        Box::new(self.expr(expr))
    }

    fn exprs(&mut self, exprs: &[SqlExpr]) -> Vec<Expr> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn refused(&mut self, what: &str, span: Span) -> Expr {
        self.refuse("unsupported-expression", what, span);
        Expr::new(ExprKind::Refused, span)
    }

    fn binary(
        &mut self,
        whole: &SqlExpr,
        left: &SqlExpr,
        op: &BinaryOperator,
        right: &SqlExpr,
    ) -> Expr {
        if let Some(comparison) = comparison(op) {
            let (left, right) = (self.boxed(left), self.boxed(right));
            let span = left.span.to(right.span);
            return Expr::new(ExprKind::Compare(comparison, left, right), span);
        }
        let Some(sign) = sign(op) else {
            let span = self.near(right);
            return self.refused(&format!("the operator `{op}` is not run"), span);
        };
        if sign == "||" {
            let parts = chain(whole, op).into_iter().map(|part| self.expr(part)).collect();
            return joined(parts, |parts| plain_call(sign, parts));
        }
        let parts = vec![self.expr(left), self.expr(right)];
        joined(parts, |parts| plain_call(sign, parts))
    }

    fn unary(&mut self, op: &UnaryOperator, of: &SqlExpr) -> Expr {
        let of = self.expr(of);
        let span = of.span;
        match op {
            UnaryOperator::Not | UnaryOperator::BangNot => inverse(of, true),
            UnaryOperator::Plus => of,
            UnaryOperator::Minus => match of.kind {
                ExprKind::Literal(Value::Integer(number)) => {
                    Expr::new(ExprKind::Literal(Value::Integer(-number)), span)
                }
                ExprKind::Literal(Value::Float(number)) => {
                    Expr::new(ExprKind::Literal(Value::Float(-number)), span)
                }
                _ => Expr::new(plain_call("negate", vec![of]), span),
            },
            _ => self.refused(&format!("the operator `{op}` is not run"), span),
        }
    }

    fn column(&mut self, expr: &SqlExpr) -> Expr {
        let span = self.near(expr);
        let parts: &[_] = match expr {
            SqlExpr::Identifier(ident) => std::slice::from_ref(ident),
            SqlExpr::CompoundIdentifier(parts) => parts,
            _ => &[],
        };
        let Some((last, before)) = parts.split_last() else {
            return Expr::new(ExprKind::Refused, span);
        };
        if before.is_empty() && self.lexed.is_placeholder(span.start) {
            let latest = last.value.eq_ignore_ascii_case("latest");
            return Expr::new(if latest { ExprKind::Latest } else { ExprKind::Earliest }, span);
        }
        if before.is_empty() && last.quote_style.is_none() {
            // Functions that may stand without brackets.
            let lower = last.value.to_ascii_lowercase();
            if matches!(&*lower, "current_timestamp" | "current_date" | "localtimestamp") {
                return Expr::new(plain_call(&lower, Vec::new()), span);
            }
        }
        let table = before.last().map(name);
        Expr::new(ExprKind::Column { table, name: name(last) }, span)
    }

    fn access(&mut self, root: &SqlExpr, chain: &[AccessExpr]) -> Expr {
        let root = self.expr(root);
        let mut span = root.span;
        let mut steps = Vec::new();
        let mut root = root;
        for access in chain {
            match access {
                AccessExpr::Dot(SqlExpr::Identifier(ident)) => {
                    span = span.to(self.lexed.span(ident.span));
                    // What stands in front of the first dot is a table, unless it is a path.
                    if let (ExprKind::Column { table: None, name: table }, true) =
                        (&root.kind, steps.is_empty())
                    {
                        let kind =
                            ExprKind::Column { table: Some(table.clone()), name: name(ident) };
                        root = Expr::new(kind, span);
                    } else {
                        steps.push(Step::Key(ident.value.clone()));
                    }
                }
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    span = self.closed(span.to(self.near(index)));
                    match self.step(index) {
                        Some(step) => steps.push(step),
                        None => return self.refused("a place that is computed is not run", span),
                    }
                }
                _ => return self.refused("this part of a value is not run", span),
            }
        }
        if steps.is_empty() { root } else { Expr::new(ExprKind::Path(Box::new(root), steps), span) }
    }

    /// A step that is written out.
    fn step(&self, index: &SqlExpr) -> Option<Step> {
        if let Some(index) = whole(index) {
            return Some(Step::Index(index));
        }
        match index {
            SqlExpr::Value(ValueWithSpan { value: SqlValue::SingleQuotedString(key), .. }) => {
                Some(Step::Key(unescape(key)))
            }
            _ => None,
        }
    }

    fn json(&mut self, value: &SqlExpr, path: &[JsonPathElem]) -> Expr {
        let of = self.expr(value);
        let span = of.span;
        let mut steps = Vec::new();
        for element in path {
            let step = match element {
                JsonPathElem::Dot { key, .. } => Some(Step::Key(key.clone())),
                JsonPathElem::Bracket { key } | JsonPathElem::ColonBracket { key } => {
                    self.step(key)
                }
            };
            match step {
                Some(step) => steps.push(step),
                None => return self.refused("a place that is computed is not run", span),
            }
        }
        let end = self.path_end(span.end, &steps);
        let span = Span::new(span.start..end);
        match of.kind {
            // One path behind another is one.
            ExprKind::Path(of, mut before) => {
                before.append(&mut steps);
                Expr::new(ExprKind::Path(of, before), span)
            }
            _ => Expr::new(ExprKind::Path(Box::new(of), steps), span),
        }
    }

    /// Where a path ends that starts at `from`: its parts have no places of their own.
    fn path_end(&self, from: usize, steps: &[Step]) -> usize {
        let mut end = from;
        for step in steps {
            let Step::Key(key) = step else { continue };
            let rest = self.lexed.text.get(end..).unwrap_or_default();
            let near = rest.get(..(key.len() + 8).min(rest.len())).unwrap_or(rest);
            if let Some(at) = near.find(&**key) {
                end += at + key.len();
            }
        }
        end
    }

    fn value(&mut self, value: &ValueWithSpan) -> Expr {
        let span = self.lexed.span(value.span);
        let literal = match &value.value {
            SqlValue::Number(text, _) => number(text),
            SqlValue::SingleQuotedString(raw) => Some(Value::String(unescape(raw))),
            SqlValue::DollarQuotedString(text) => Some(Value::String(text.value.clone())),
            SqlValue::Boolean(value) => Some(Value::Bool(*value)),
            SqlValue::Null => Some(Value::Null),
            _ => None,
        };
        match literal {
            Some(literal) => Expr::new(ExprKind::Literal(literal), span),
            None => {
                let message = "a variable, or a literal of this sort, has no value here";
                self.refuse("placeholder", message, span);
                Expr::new(ExprKind::Refused, span)
            }
        }
    }

    fn like(&mut self, expr: &SqlExpr) -> Expr {
        let (negates, any, of, pattern, escape, ignore_case) = match expr {
            SqlExpr::Like { negated, any, expr, pattern, escape_char } => {
                (*negated, *any, expr, pattern, escape_char, false)
            }
            SqlExpr::ILike { negated, any, expr, pattern, escape_char } => {
                (*negated, *any, expr, pattern, escape_char, true)
            }
            SqlExpr::RLike { negated, expr, pattern, .. } => {
                let parts = vec![self.expr(expr), self.expr(pattern)];
                return inverse(joined(parts, |parts| plain_call("rlike", parts)), *negated);
            }
            _ => return Expr::new(ExprKind::Refused, Span::default()),
        };
        let of = self.expr(of);
        let (patterns, all) = self.patterns(pattern, any);
        let mut span = patterns.iter().fold(of.span, |span, pattern| span.to(pattern.span));
        if any || all {
            span = self.closed(span);
        }
        let escape = match escape.as_deref().map(|escape| self.expr(escape)) {
            None => None,
            Some(Expr { kind: ExprKind::Literal(Value::String(text)), .. }) => text.chars().next(),
            Some(escape) => {
                return self.refused("an escape that is computed is not run", escape.span);
            }
        };
        let like = Like { of, patterns, all, ignore_case, escape };
        inverse(Expr::new(ExprKind::Like(Box::new(like)), span), negates)
    }

    /// The patterns behind `like`, and whether all of them have to fit: `all (…)` looks like a call.
    fn patterns(&mut self, pattern: &SqlExpr, any: bool) -> (Vec<Expr>, bool) {
        match pattern {
            SqlExpr::Tuple(parts) if any => (self.exprs(parts), false),
            SqlExpr::Nested(part) if any => (vec![self.expr(part)], false),
            SqlExpr::Function(call) if last_name(&call.name) == "all" => {
                let values = arguments(call).iter().filter_map(|argument| match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value),
                    _ => None,
                });
                (values.map(|value| self.expr(value)).collect(), true)
            }
            pattern => (vec![self.expr(pattern)], false),
        }
    }

    fn member(&mut self, expr: &SqlExpr) -> Expr {
        match expr {
            SqlExpr::InList { expr, list, negated } => {
                let of = self.boxed(expr);
                let list = self.exprs(list);
                let span = list.iter().fold(of.span, |span, part| span.to(part.span));
                let span = self.closed(span);
                inverse(Expr::new(ExprKind::In(of, list), span), *negated)
            }
            SqlExpr::InSubquery { expr, subquery, negated } => {
                let of = self.boxed(expr);
                let query = Box::new(self.query(subquery));
                let span = self.closed(of.span.to(query.span));
                inverse(Expr::new(ExprKind::InQuery(of, query), span), *negated)
            }
            SqlExpr::Between { expr, negated, low, high } => {
                let (of, low, high) = (self.boxed(expr), self.boxed(low), self.boxed(high));
                let span = of.span.to(high.span);
                let above = ExprKind::Compare(Comparison::GreaterOrEqual, of.clone(), low);
                let below = ExprKind::Compare(Comparison::LessOrEqual, of, high);
                let parts = vec![Expr::new(above, span), Expr::new(below, span)];
                inverse(Expr::new(ExprKind::And(parts), span), *negated)
            }
            _ => Expr::new(ExprKind::Refused, Span::default()),
        }
    }

    fn case(&mut self, expr: &SqlExpr) -> Expr {
        let SqlExpr::Case { case_token, end_token, operand, conditions, else_result } = expr else {
            return Expr::new(ExprKind::Refused, Span::default());
        };
        let span = self.lexed.span(case_token.0.span).to(self.lexed.span(end_token.0.span));
        let branch =
            |CaseWhen { condition, result }: &CaseWhen| (self.expr(condition), self.expr(result));
        let branches = conditions.iter().map(branch).collect();
        let of = operand.as_deref().map(|of| self.expr(of));
        let otherwise = else_result.as_deref().map(|value| self.expr(value));
        Expr::new(ExprKind::Case(Box::new(Case { of, branches, otherwise })), span)
    }

    fn other(&mut self, expr: &SqlExpr) -> Expr {
        let is = |of: Expr, value: bool| {
            let span = of.span;
            Expr::new(ExprKind::Is(Box::new(of), value), span)
        };
        match expr {
            SqlExpr::IsNull(of) | SqlExpr::IsUnknown(of) => is_null(self.expr(of)),
            SqlExpr::IsNotNull(of) | SqlExpr::IsNotUnknown(of) => {
                inverse(is_null(self.expr(of)), true)
            }
            SqlExpr::IsTrue(of) => is(self.expr(of), true),
            SqlExpr::IsFalse(of) => is(self.expr(of), false),
            SqlExpr::IsNotTrue(of) => inverse(is(self.expr(of), true), true),
            SqlExpr::IsNotFalse(of) => inverse(is(self.expr(of), false), true),
            SqlExpr::IsDistinctFrom(left, right) => inverse(self.same(left, right), true),
            SqlExpr::IsNotDistinctFrom(left, right) => self.same(left, right),
            SqlExpr::Exists { subquery, negated } => {
                let query = Box::new(self.query(subquery));
                let span = query.span;
                inverse(Expr::new(ExprKind::Exists(query), span), *negated)
            }
            SqlExpr::Subquery(query) => {
                let query = Box::new(self.query(query));
                let span = query.span;
                Expr::new(ExprKind::Scalar(query), span)
            }
            SqlExpr::Cast { expr, data_type, .. } => {
                let of = self.expr(expr);
                self.cast(of, data_type)
            }
            SqlExpr::TypedString(typed) => {
                let of = self.value(&typed.value);
                self.cast(of, &typed.data_type)
            }
            SqlExpr::Interval(interval) => self.interval(interval),
            SqlExpr::Array(array) => {
                let span = self.near(expr);
                let parts = self.exprs(&array.elem);
                let span = parts.iter().fold(span, |span, part| span.to(part.span));
                Expr::new(ExprKind::Array(parts), span)
            }
            SqlExpr::Dictionary(members) => {
                let span = self.near(expr);
                let member = |key: &str, value: Expr| (unescape(key.trim_matches('\'')), value);
                let read = members.iter().map(|m| member(&m.key.value, self.expr(&m.value)));
                Expr::new(ExprKind::Object(read.collect()), span)
            }
            _ => self.syntactic(expr),
        }
    }

    /// What has a syntax of its own and is a function.
    fn syntactic(&mut self, expr: &SqlExpr) -> Expr {
        let span = self.near(expr);
        let (function, parts): (&str, Vec<Expr>) = match expr {
            SqlExpr::Extract { field, expr, .. } => {
                let unit = self.unit(field, span);
                ("date_part", vec![unit, self.expr(expr)])
            }
            SqlExpr::Ceil { expr, .. } => ("ceil", vec![self.expr(expr)]),
            SqlExpr::Floor { expr, .. } => ("floor", vec![self.expr(expr)]),
            SqlExpr::Position { expr, r#in } => {
                ("position", vec![self.expr(expr), self.expr(r#in)])
            }
            SqlExpr::Substring { expr, substring_from, substring_for, .. } => {
                let rest = [substring_from, substring_for].into_iter().flatten();
                let rest: Vec<Expr> = rest.map(|part| self.expr(part)).collect();
                ("substr", std::iter::once(self.expr(expr)).chain(rest).collect())
            }
            SqlExpr::Trim { expr, trim_where, trim_what, trim_characters } => {
                let function = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    Some(TrimWhereField::Both) | None => "trim",
                };
                let set = trim_what.as_deref().or_else(|| trim_characters.as_ref()?.first());
                let set: Vec<Expr> = set.map(|set| self.expr(set)).into_iter().collect();
                (function, std::iter::once(self.expr(expr)).chain(set).collect())
            }
            _ => return self.refused("this sort of expression is not run", span),
        };
        let span = parts.iter().fold(span, |span, part| span.to(part.span));
        let span = self.closed(span);
        Expr::new(plain_call(function, parts), span)
    }

    fn unit(&mut self, field: &DateTimeField, span: Span) -> Expr {
        let unit = field.to_string().trim_matches('\'').to_ascii_lowercase();
        Expr::new(ExprKind::Literal(Value::String(unit)), span)
    }

    fn same(&mut self, left: &SqlExpr, right: &SqlExpr) -> Expr {
        let (left, right) = (self.boxed(left), self.boxed(right));
        let span = left.span.to(right.span);
        Expr::new(ExprKind::Same(left, right), span)
    }

    fn cast(&mut self, of: Expr, to: &DataType) -> Expr {
        let span = of.span;
        let text = to.to_string().to_ascii_lowercase();
        let word =
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
        let to = match word {
            "varchar" | "string" | "text" | "char" | "character" | "nvarchar" | "nchar" => {
                Type::Text
            }
            "number" | "decimal" | "numeric" if text.contains(',') => Type::Number,
            "int" | "integer" | "bigint" | "smallint" | "tinyint" | "byteint" | "number"
            | "decimal" | "numeric" => Type::Integer,
            "float" | "float4" | "float8" | "double" | "real" => Type::Number,
            "boolean" | "bool" => Type::Bool,
            "timestamp" | "timestamp_ntz" | "timestamp_ltz" | "timestamp_tz" | "datetime"
            | "timestampntz" | "timestampltz" | "timestamptz" => Type::Time,
            "date" => Type::Date,
            "array" => Type::Array,
            "variant" | "object" => Type::Any,
            _ => return self.refused(&format!("the type `{text}` is not run"), span),
        };
        Expr::new(ExprKind::Cast(Box::new(of), to), span)
    }

    fn interval(&mut self, interval: &SqlInterval) -> Expr {
        let value = self.expr(&interval.value);
        let span = value.span;
        let text = match &value.kind {
            ExprKind::Literal(Value::String(text)) => text.clone(),
            ExprKind::Literal(value) => value.text().unwrap_or_default().into_owned(),
            _ => String::new(),
        };
        let field = interval.leading_field.as_ref().map(|field| field.to_string());
        let whole = format!("{text} {}", field.unwrap_or_default());
        match units::interval(&whole) {
            Some((seconds, months)) => {
                Expr::new(ExprKind::Interval(Interval { seconds, months }), span)
            }
            None => {
                self.invalid("bad-span", format!("`{}` is no length of time", whole.trim()), span);
                Expr::new(ExprKind::Refused, span)
            }
        }
    }

    fn function(&mut self, function: &Function) -> Expr {
        let at = self.lexed.span(function.name.span());
        let mut call = Call {
            name: last_name(&function.name).to_ascii_lowercase(),
            at,
            arguments: Vec::new(),
            named: Vec::new(),
            distinct: false,
            order: self.orders(&function.within_group),
            over: None,
        };
        let mut span = at;
        for argument in arguments(function) {
            let value = match argument {
                FunctionArg::Unnamed(value) => self.argument(value, at),
                FunctionArg::Named { name: named, arg, .. } => {
                    let value = self.argument(arg, at);
                    span = span.to(value.span);
                    call.named.push((name(named), value));
                    continue;
                }
                FunctionArg::ExprNamed { arg, .. } => self.argument(arg, at),
            };
            span = span.to(value.span);
            call.arguments.push(value);
        }
        if let FunctionArguments::List(list) = &function.args {
            call.distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
            self.clauses(&list.clauses, &mut call, at);
        }
        if let FunctionArguments::Subquery(_) = &function.args {
            self.refuse("unsupported-expression", "a query as an argument is not run", at);
        }
        if function.filter.is_some() {
            self.refuse("unsupported-expression", "`filter (where …)` is not run", at);
        }
        let span = self.call_end(span, at);
        call.over = function.over.as_ref().map(|over| self.over(over, at));
        Expr::new(ExprKind::Call(Box::new(call)), span)
    }

    /// The place of a call with its brackets.
    fn call_end(&self, span: Span, name: Span) -> Span {
        if span != name {
            return self.closed(span);
        }
        let rest = self.lexed.text.get(name.end..).unwrap_or_default();
        let open = rest.trim_start().starts_with('(');
        match rest.find(')') {
            Some(end) if open => Span::new(name.start..name.end + end + 1),
            _ => name,
        }
    }

    fn argument(&mut self, argument: &FunctionArgExpr, at: Span) -> Expr {
        match argument {
            FunctionArgExpr::Expr(expr) => self.expr(expr),
            _ => Expr::new(ExprKind::Star, at),
        }
    }

    fn clauses(&mut self, clauses: &[FunctionArgumentClause], call: &mut Call, at: Span) {
        for clause in clauses {
            match clause {
                FunctionArgumentClause::OrderBy(orders) => call.order = self.orders(orders),
                FunctionArgumentClause::IgnoreOrRespectNulls(_) => {}
                _ => self.refuse("unsupported-option", "this part of a call is not run", at),
            }
        }
    }

    fn over(&mut self, over: &WindowType, at: Span) -> Over {
        match over {
            WindowType::WindowSpec(WindowSpec { partition_by, order_by, window_frame, .. }) => {
                Over {
                    by: self.exprs(partition_by),
                    order: self.orders(order_by),
                    frame: window_frame
                        .as_ref()
                        .map_or(Frame::Unsaid, |frame| self.frame(frame, at)),
                }
            }
            WindowType::NamedWindow(_) => {
                self.refuse("unsupported-query", "a window with a name is not run", at);
                Over { by: Vec::new(), order: Vec::new(), frame: Frame::Unsaid }
            }
        }
    }

    fn frame(&mut self, frame: &WindowFrame, at: Span) -> Frame {
        use WindowFrameBound::{CurrentRow, Following, Preceding};
        let ends = frame.end_bound.as_ref().unwrap_or(&CurrentRow);
        let found = match (&frame.start_bound, ends, frame.units) {
            (Preceding(None), Following(None), _) => Some(Frame::All),
            (Preceding(None), CurrentRow, WindowFrameUnits::Rows) => Some(Frame::Rows(None)),
            (Preceding(None), CurrentRow, WindowFrameUnits::Range) => Some(Frame::Unsaid),
            (Preceding(Some(rows)), CurrentRow, WindowFrameUnits::Rows) => whole(rows)
                .and_then(|rows| u64::try_from(rows).ok())
                .map(|rows| Frame::Rows(Some(rows))),
            (Preceding(Some(back)), CurrentRow, WindowFrameUnits::Range) => {
                match self.expr(back).kind {
                    ExprKind::Interval(Interval { seconds, months: 0 }) => {
                        Some(Frame::Seconds(seconds))
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        found.unwrap_or_else(|| {
            self.refuse("unsupported-window", "these rows around a row are not run", at);
            Frame::All
        })
    }
}

/// A call of a function that has a syntax of its own.
fn plain_call(function: &str, arguments: Vec<Expr>) -> ExprKind {
    let at = arguments.first().map_or(Span::default(), |first| first.span);
    ExprKind::Call(Box::new(Call {
        name: function.to_owned(),
        at,
        arguments,
        named: Vec::new(),
        distinct: false,
        order: Vec::new(),
        over: None,
    }))
}

/// What is made of parts, at the place from the first to the last.
fn joined(parts: Vec<Expr>, of: impl FnOnce(Vec<Expr>) -> ExprKind) -> Expr {
    let span = parts.iter().map(|part| part.span).reduce(Span::to).unwrap_or_default();
    Expr::new(of(parts), span)
}

fn inverse(of: Expr, negates: bool) -> Expr {
    if !negates {
        return of;
    }
    let span = of.span;
    Expr::new(ExprKind::Not(Box::new(of)), span)
}

fn is_null(of: Expr) -> Expr {
    let span = of.span;
    Expr::new(ExprKind::IsNull(Box::new(of)), span)
}

fn number(text: &str) -> Option<Value> {
    let whole = text.parse().ok().map(Value::Integer);
    whole.or_else(|| text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float))
}
