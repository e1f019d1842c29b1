//! Choices, numbers and types.

use rulestone_ir::{Expr, Function, Span};
use rulestone_value::Value;

use crate::snowflake::ast::Call;
use crate::snowflake::lower::expr::{case, many};
use crate::snowflake::lower::{Lowering, Rows};

/// The argument at a place; null where there is none.
pub(super) fn argument(lowering: &mut Lowering<'_>, call: &Call, at: usize, rows: &Rows) -> Expr {
    match call.arguments.get(at) {
        Some(argument) => lowering.expr(argument, rows),
        None => Expr::Literal(Value::Null),
    }
}

pub(super) fn one(function: Function, of: Expr, span: Span) -> Expr {
    Expr::call(function, vec![of], span)
}

pub(super) fn two(function: Function, left: Expr, right: Expr, span: Span) -> Expr {
    Expr::call(function, vec![left, right], span)
}

pub(super) fn integer(number: i64) -> Expr {
    Expr::Literal(Value::Integer(number))
}

/// What reads as true or false.
pub(in crate::snowflake) fn as_bool(of: Expr, span: Span) -> Expr {
    let text = one(Function::Lower, one(Function::ToText, of, span), span);
    let is = |words: [&str; 6]| {
        let words = words.map(Expr::text).to_vec();
        Expr::call(Function::InAny, std::iter::once(text.clone()).chain(words).collect(), span)
    };
    let (yes, no) = (["true", "t", "yes", "y", "on", "1"], ["false", "f", "no", "n", "off", "0"]);
    let value = |value| Expr::Literal(Value::Bool(value));
    Expr::call(Function::Case, vec![is(yes), value(true), is(no), value(false)], span)
}

pub(super) fn same(lowering: &mut Lowering<'_>, call: &Call, _: Span, rows: &Rows) -> Expr {
    argument(lowering, call, 0, rows)
}

pub(super) fn to_boolean(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    as_bool(argument(lowering, call, 0, rows), span)
}

pub(super) fn to_number(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    one(Function::ToNumber, argument(lowering, call, 0, rows), span)
}

pub(super) fn is_null_value(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    one(Function::IsNull, argument(lowering, call, 0, rows), span)
}

/// Null is equal to null here.
pub(super) fn equal_null(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    let sides = lowering.exprs(&call.arguments, rows);
    same_or_null(sides, span)
}

fn same_or_null(sides: Vec<Expr>, span: Span) -> Expr {
    let nulls: Vec<Expr> =
        sides.iter().map(|side| one(Function::IsNull, side.clone(), span)).collect();
    let any = many(Function::Or3, nulls.clone(), span);
    let both = many(Function::And3, nulls, span);
    Expr::call(Function::Case, vec![any, both, Expr::call(Function::EqAny, sides, span)], span)
}

/// A value and a result by turns, and perhaps one more for else; null is equal to null.
pub(super) fn decode(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let mut arguments = lowering.exprs(&call.arguments, rows).into_iter();
    let of = arguments.next().unwrap_or(Expr::Literal(Value::Null));
    let rest: Vec<Expr> = arguments.collect();
    let mut out = Vec::new();
    for pair in rest.chunks(2) {
        match pair {
            [value, result] => {
                let equal = match value {
                    Expr::Literal(Value::Null) => one(Function::IsNull, of.clone(), span),
                    Expr::Literal(_) => two(Function::EqAny, of.clone(), value.clone(), span),
                    value => same_or_null(vec![of.clone(), value.clone()], span),
                };
                out.extend([equal, result.clone()]);
            }
            rest => out.extend(rest.iter().cloned()),
        }
    }
    case(out, span)
}

pub(super) fn nvl2(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let mut arguments = lowering.exprs(&call.arguments, rows);
    arguments[0] = one(Function::IsNotNull, arguments[0].clone(), span);
    Expr::call(Function::Case, arguments, span)
}

/// Null where one of them is.
fn of_all(function: Function, arguments: Vec<Expr>, span: Span) -> Expr {
    let there: Vec<Expr> =
        arguments.iter().map(|own| one(Function::IsNotNull, own.clone(), span)).collect();
    let found = many(function, arguments, span);
    Expr::call(Function::Case, vec![many(Function::And3, there, span), found], span)
}

pub(super) fn greatest(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    of_all(Function::Greatest, lowering.exprs(&call.arguments, rows), span)
}

pub(super) fn least(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    of_all(Function::Least, lowering.exprs(&call.arguments, rows), span)
}

pub(super) fn null_if_zero(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    two(Function::NullIf, argument(lowering, call, 0, rows), integer(0), span)
}

pub(super) fn zero_if_null(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    two(Function::Coalesce, argument(lowering, call, 0, rows), integer(0), span)
}

/// Zero where the divisor is.
pub(super) fn div0(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let sides = lowering.exprs(&call.arguments, rows);
    let zero = two(Function::EqAny, sides[1].clone(), integer(0), span);
    let quotient = Expr::call(Function::Divide, sides, span);
    Expr::call(Function::Case, vec![zero, integer(0), quotient], span)
}

/// Zero where the divisor is, or null.
pub(super) fn div0null(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let mut sides = lowering.exprs(&call.arguments, rows);
    sides[1] = two(Function::Coalesce, sides[1].clone(), integer(0), span);
    let zero = two(Function::EqAny, sides[1].clone(), integer(0), span);
    let quotient = Expr::call(Function::Divide, sides, span);
    Expr::call(Function::Case, vec![zero, integer(0), quotient], span)
}

/// The base stands first.
pub(super) fn log(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let mut sides = lowering.exprs(&call.arguments, rows);
    sides.reverse();
    Expr::call(Function::Log, sides, span)
}

pub(super) fn sign(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let of = argument(lowering, call, 0, rows);
    let is = |function| two(function, of.clone(), integer(0), span);
    let arguments = vec![
        is(Function::GtAny),
        integer(1),
        is(Function::LtAny),
        integer(-1),
        is(Function::EqAny),
        integer(0),
    ];
    Expr::call(Function::Case, arguments, span)
}

pub(super) fn square(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    two(Function::Power, argument(lowering, call, 0, rows), integer(2), span)
}

/// Towards zero; of a time to a unit.
pub(super) fn truncate(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    if call.arguments.len() == 2 {
        let turned = vec![call.arguments[1].clone(), call.arguments[0].clone()];
        let call = Call { arguments: turned, ..call.clone() };
        return super::times::date_trunc(lowering, &call, span, rows);
    }
    let of = argument(lowering, call, 0, rows);
    let below = two(Function::LtAny, of.clone(), integer(0), span);
    let up = one(Function::Ceiling, of.clone(), span);
    Expr::call(Function::Case, vec![below, up, one(Function::Floor, of, span)], span)
}
