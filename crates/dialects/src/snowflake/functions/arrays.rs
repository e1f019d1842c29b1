//! Lists and objects. A list is one of the row's, or JSON in text; [`Function::ElementsOf`] reads both.

use rulestone_ir::{Expr, Function, Span};
use rulestone_value::Value;

use super::values::{argument, integer, one, two};
use crate::snowflake::ast::{Call, ExprKind, Step};
use crate::snowflake::lower::expr::{many, written};
use crate::snowflake::lower::{Lowering, Rows};

fn list(lowering: &mut Lowering<'_>, call: &Call, at: usize, rows: &Rows, span: Span) -> Expr {
    one(Function::ElementsOf, argument(lowering, call, at, rows), span)
}

pub(super) fn elements(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    list(lowering, call, 0, rows, span)
}

pub(super) fn construct(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    match call.arguments.is_empty() {
        true => Expr::text("[]"),
        false => many(Function::MvAppend, lowering.exprs(&call.arguments, rows), span),
    }
}

pub(super) fn append(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let own = list(lowering, call, 0, rows, span);
    two(Function::MvAppend, own, argument(lowering, call, 1, rows), span)
}

pub(super) fn prepend(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let own = list(lowering, call, 0, rows, span);
    two(Function::MvAppend, argument(lowering, call, 1, rows), own, span)
}

pub(super) fn cat(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let (left, right) = (list(lowering, call, 0, rows, span), list(lowering, call, 1, rows, span));
    two(Function::MvAppend, left, right, span)
}

/// The value stands first. An empty list has nothing in it, no list is null.
pub(super) fn contains(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let value = argument(lowering, call, 0, rows);
    let of = argument(lowering, call, 1, rows);
    let found = two(Function::InAny, value, one(Function::ElementsOf, of.clone(), span), span);
    Expr::call(Function::Case, vec![one(Function::IsNotNull, of, span), found], span)
}

pub(super) fn overlap(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let (left, right) = (list(lowering, call, 0, rows, span), list(lowering, call, 1, rows, span));
    let found = two(Function::InAny, left, right, span);
    two(Function::Coalesce, found, Expr::Literal(Value::Bool(false)), span)
}

pub(super) fn distinct(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let own = list(lowering, call, 0, rows, span);
    one(Function::MvDedup, own, span)
}

pub(super) fn sort(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let own = list(lowering, call, 0, rows, span);
    one(Function::MvSort, own, span)
}

/// Of an empty list none: there a list is not told from nothing, but its text is.
pub(super) fn size(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let of = argument(lowering, call, 0, rows);
    let count = one(Function::MvCount, one(Function::ElementsOf, of.clone(), span), span);
    let text = Expr::text(r"\A\s*\[\s*\]\s*\z");
    let empty = two(Function::RegexFindAny, of, text, span);
    Expr::call(Function::Case, vec![empty, integer(0), count], span)
}

/// From a place up to but not the other, both from 0.
pub(super) fn slice(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let own = list(lowering, call, 0, rows, span);
    let (from, to) = (argument(lowering, call, 1, rows), argument(lowering, call, 2, rows));
    let last = two(Function::Subtract, to, integer(1), span);
    Expr::call(Function::MvIndex, vec![own, from, last], span)
}

pub(super) fn to_string(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let own = list(lowering, call, 0, rows, span);
    two(Function::MvJoin, own, argument(lowering, call, 1, rows), span)
}

pub(super) fn keys(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let keys = one(Function::JsonKeys, argument(lowering, call, 0, rows), span);
    one(Function::ElementsOf, keys, span)
}

/// An element of a list, or a member of an object.
pub(super) fn get(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let of = argument(lowering, call, 0, rows);
    match &call.arguments[1].kind {
        ExprKind::Literal(Value::Integer(at)) => {
            two(Function::MvIndex, one(Function::ElementsOf, of, span), integer(*at), span)
        }
        ExprKind::Literal(Value::String(key)) => {
            let path = written(&[Step::Key(key.clone())]);
            two(Function::JsonPath, of, Expr::text(path), span)
        }
        _ => lowering.refused(
            "unsupported-function",
            "`get` takes a place that is written out",
            call.at,
        ),
    }
}

/// `a.b[0]`, or `a['b']`.
pub(super) fn get_path(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let of = argument(lowering, call, 0, rows);
    let ExprKind::Literal(Value::String(path)) = &call.arguments[1].kind else {
        let message = "`get_path` takes a path that is written out";
        return lowering.refused("unsupported-function", message, call.at);
    };
    let mut steps = Vec::new();
    for part in path.split(['.', ':', '[', ']', '"', '\'']).filter(|part| !part.is_empty()) {
        steps.push(match part.parse() {
            Ok(at) => Step::Index(at),
            Err(_) => Step::Key(part.to_owned()),
        });
    }
    two(Function::JsonPath, of, Expr::text(written(&steps)), span)
}
