//! Conditions: when they are true, and when they are false, as two-valued formulas.
//!
//! Null is neither. So `not` asks for when its condition is false, which for a test of a column
//! means that there is a value and the test fails.

use rulestone_ir::{
    Case, Comparison, Elements, Expr, Field, Formula, Function, Predicate, Span, Test,
};
use rulestone_value::Value;

use super::pattern::{self, Flags};
use super::{Lowering, Rows, time};
use crate::snowflake::ast::{self, ExprKind, Like};

/// The parts of a formula that have to hold together.
pub(super) fn conjuncts(formula: Formula) -> Vec<Formula> {
    match formula {
        Formula::And(parts) => parts.into_iter().flat_map(conjuncts).collect(),
        formula => vec![formula],
    }
}

/// All of `parts`, without those that always hold.
pub(super) fn all(parts: impl IntoIterator<Item = Formula>) -> Formula {
    let parts: Vec<Formula> = parts.into_iter().flat_map(conjuncts).collect();
    if parts.contains(&Formula::FALSE) { Formula::FALSE } else { Formula::and(parts) }
}

/// One of `parts`, without those that never hold.
pub(super) fn any(parts: impl IntoIterator<Item = Formula>) -> Formula {
    let mut out: Vec<Formula> = Vec::new();
    for part in parts {
        match part {
            Formula::Or(inner) => out.extend(inner),
            part if part == Formula::TRUE => return Formula::TRUE,
            part => out.push(part),
        }
    }
    Formula::or(out)
}

fn constant(holds: bool) -> Formula {
    if holds { Formula::TRUE } else { Formula::FALSE }
}

/// A column, and what is known of its text.
struct Tested {
    field: Field,
    /// Whether it is looked at in lower, or in upper case.
    folded: Option<bool>,
}

impl Lowering<'_> {
    /// When a condition is true, or when it is false.
    pub(super) fn truth(&mut self, of: &ast::Expr, wanted: bool, rows: &Rows) -> Formula {
        match &of.kind {
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                let together = matches!(of.kind, ExprKind::And(_)) == wanted;
                let parts: Vec<Formula> =
                    parts.iter().map(|part| self.truth(part, wanted, rows)).collect();
                if together { all(parts) } else { any(parts) }
            }
            ExprKind::Not(inner) => self.truth(inner, !wanted, rows),
            ExprKind::Literal(Value::Bool(value)) => constant(*value == wanted),
            ExprKind::Literal(Value::Null) => Formula::FALSE,
            ExprKind::IsNull(inner) => match self.tested(inner, rows) {
                Some(tested) => {
                    let exists =
                        test(tested.field, Test::Exists, Case::Sensitive, self.place(of.span));
                    if wanted { Formula::not(exists) } else { exists }
                }
                None => self.is_true(of, wanted, rows),
            },
            ExprKind::Is(inner, value) => {
                let holds = self.truth(inner, *value, rows);
                if wanted { holds } else { Formula::not(holds) }
            }
            ExprKind::Compare(comparison, left, right) => {
                if self.alone && time::is_window(left, right) {
                    // The schedule's own business: every event is looked at once.
                    return constant(wanted);
                }
                let test = self.comparison(*comparison, left, right, of.span, rows);
                test.map_or_else(|| self.is_true(of, wanted, rows), |test| asked(test, wanted))
            }
            ExprKind::Like(like) => self.like(of, like, wanted, rows),
            ExprKind::In(inner, list) => self.in_list(of, inner, list, wanted, rows),
            ExprKind::Call(_) => match self.call_test(of, rows) {
                Some(test) => asked(test, wanted),
                None => self.is_true(of, wanted, rows),
            },
            _ => self.is_true(of, wanted, rows),
        }
    }

    /// Whatever is no test is an expression of three values.
    fn is_true(&mut self, of: &ast::Expr, wanted: bool, rows: &Rows) -> Formula {
        let expr = self.expr(of, rows);
        let span = self.place(of.span);
        let expr = if wanted { expr } else { Expr::call(Function::Not3, vec![expr], span) };
        match expr {
            Expr::Holds(formula) => *formula,
            expr => Formula::IsTrue(Box::new(expr)),
        }
    }

    /// The column that an expression is, as far as a test can look at it.
    fn tested(&mut self, of: &ast::Expr, rows: &Rows) -> Option<Tested> {
        match &of.kind {
            ExprKind::Call(call) if call.arguments.len() == 1 && call.over.is_none() => {
                let folded = match &*call.name {
                    "lower" => false,
                    "upper" => true,
                    _ => return self.plain(of, rows),
                };
                let inner = self.tested(&call.arguments[0], rows)?;
                Some(Tested { folded: inner.folded.or(Some(folded)), ..inner })
            }
            ExprKind::Cast(inner, ast::Type::Text | ast::Type::Any) if !time::is_time(inner) => {
                self.tested(inner, rows)
            }
            _ => self.plain(of, rows),
        }
    }

    fn plain(&mut self, of: &ast::Expr, rows: &Rows) -> Option<Tested> {
        if time::is_time(of) {
            return None;
        }
        match self.simple(of, rows)? {
            Expr::Field(name) => Some(Tested { field: self.field(name), folded: None }),
            _ => None,
        }
    }

    /// A test of the text of a column; none where another way has to be taken.
    fn text_test(
        &self,
        tested: Tested,
        pattern: Test,
        ignore_case: bool,
        span: Span,
    ) -> Option<Formula> {
        let span = self.place(span);
        let Some(upper) = tested.folded.filter(|_| !ignore_case) else {
            let case = if ignore_case { Case::Insensitive } else { Case::Sensitive };
            return Some(test(tested.field, pattern, case, span));
        };
        // What is in lower case is only ever equal to what is.
        let text = pattern.pattern();
        let same = if upper { text.to_uppercase() == text } else { text.to_lowercase() == text };
        let plain = !matches!(pattern, Test::Regex(_)) && text.is_ascii();
        (same && plain).then(|| test(tested.field, pattern, Case::Insensitive, span))
    }

    fn comparison(
        &mut self,
        comparison: Comparison,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
        rows: &Rows,
    ) -> Option<Formula> {
        let (of, literal, comparison) = match (&left.kind, &right.kind) {
            (_, ExprKind::Literal(literal)) => (left, literal, comparison),
            (ExprKind::Literal(literal), _) => (right, literal, turned(comparison)),
            _ => return None,
        };
        match literal {
            Value::Null => return Some(Formula::FALSE),
            Value::String(text) => {
                let equals = match comparison {
                    Comparison::Equal => true,
                    Comparison::NotEqual => false,
                    _ => return None,
                };
                let tested = self.tested(of, rows)?;
                let found = self.text_test(tested, Test::Equals(text.clone()), false, span)?;
                return Some(asked(found, equals));
            }
            _ => {}
        }
        let tested = self.tested(of, rows).filter(|tested| tested.folded.is_none())?;
        let place = self.place(span);
        if let Value::Bool(value) = literal {
            let equals = Test::Equals(value.to_string());
            let found = test(tested.field, equals, Case::Insensitive, place);
            return match comparison {
                Comparison::Equal => Some(found),
                Comparison::NotEqual => Some(asked(found, false)),
                _ => None,
            };
        }
        let number = Test::Number(comparison, literal.number()?);
        Some(test(tested.field, number, Case::Sensitive, place))
    }

    fn like(&mut self, of: &ast::Expr, like: &Like, wanted: bool, rows: &Rows) -> Formula {
        let mut tests = Vec::new();
        for pattern in &like.patterns {
            let ExprKind::Literal(Value::String(text)) = &pattern.kind else {
                return self.is_true(of, wanted, rows);
            };
            self.check_like(text, pattern.span);
            let span = if like.patterns.len() > 1 { pattern.span } else { of.span };
            let found = self.tested(&like.of, rows).and_then(|tested| {
                let pattern = pattern::like_test(text, like.escape);
                self.text_test(tested, pattern, like.ignore_case, span)
            });
            match found {
                Some(test) => tests.push(asked(test, wanted)),
                None => return self.is_true(of, wanted, rows),
            }
        }
        if like.all == wanted { all(tests) } else { any(tests) }
    }

    fn in_list(
        &mut self,
        of: &ast::Expr,
        inner: &ast::Expr,
        list: &[ast::Expr],
        wanted: bool,
        rows: &Rows,
    ) -> Formula {
        let mut tests = Vec::new();
        for part in list {
            if part.kind == ExprKind::Literal(Value::Null) {
                // Nothing is known not to be among values one of which is not known.
                match wanted {
                    true => continue,
                    false => return Formula::FALSE,
                }
            }
            match self.comparison(Comparison::Equal, inner, part, part.span, rows) {
                Some(test) => tests.push(asked(test, wanted)),
                None => return self.is_true(of, wanted, rows),
            }
        }
        if wanted { any(tests) } else { all(tests) }
    }

    /// Calls that are tests of a column with a literal.
    fn call_test(&mut self, of: &ast::Expr, rows: &Rows) -> Option<Formula> {
        let ExprKind::Call(call) = &of.kind else { return None };
        let text = |at: usize| match call.arguments.get(at).map(|argument| &argument.kind) {
            Some(ExprKind::Literal(Value::String(text))) => Some(text.clone()),
            _ => None,
        };
        let (subject, second) = (call.arguments.first()?, text(1)?);
        match &*call.name {
            "regexp_like" | "rlike" | "regexp" => {
                let flags = match call.arguments.len() {
                    2 => Flags::default(),
                    3 => pattern::flags(&text(2)?)?,
                    _ => return None,
                };
                let tested = self.tested(subject, rows)?;
                let regex = self.whole_regex(&second, flags, call.arguments[1].span)?;
                self.text_test(tested, Test::Regex(regex), false, of.span)
            }
            name @ ("contains" | "startswith" | "endswith") if call.arguments.len() == 2 => {
                let pattern = match name {
                    "contains" => Test::Contains(second),
                    "startswith" => Test::StartsWith(second),
                    _ => Test::EndsWith(second),
                };
                let tested = self.tested(subject, rows)?;
                self.text_test(tested, pattern, false, of.span)
            }
            _ => None,
        }
    }
}

/// A test as it is, or when it is false: there is a value then, and it fails.
fn asked(test: Formula, wanted: bool) -> Formula {
    if wanted {
        return test;
    }
    match test {
        Formula::Test(predicate) => {
            let exists = Predicate { test: Test::Exists, ..predicate.clone() };
            all([Formula::Test(exists), Formula::not(Formula::Test(predicate))])
        }
        // When the opposite of a test is asked for, a value is there: what is left is the test.
        Formula::And(parts) => match <[Formula; 2]>::try_from(parts) {
            Ok([_, Formula::Not(inner)]) => *inner,
            _ => Formula::FALSE,
        },
        // Of nothing nothing is known.
        _ => Formula::FALSE,
    }
}

/// A formula of one test.
fn test(field: Field, test: Test, case: Case, span: Span) -> Formula {
    Formula::Test(Predicate { field, elements: Elements::Any, test, case, span })
}

/// The comparison with its sides changed.
const fn turned(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        other => other,
    }
}
