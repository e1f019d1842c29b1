//! Comparisons: numbers where both sides are, else text with case.

use std::cmp::Ordering;

use rulestone_value::Value;

use super::{Arguments, Ready};
use crate::eval::number::{compare, equal};

fn compared(arguments: &Arguments<'_>, holds: fn(Ordering) -> bool) -> Value {
    compare(&arguments[0], &arguments[1]).map_or(Value::Null, |order| Value::Bool(holds(order)))
}

pub(super) fn eq(arguments: &Arguments<'_>, _: &Ready) -> Value {
    compared(arguments, Ordering::is_eq)
}

pub(super) fn ne(arguments: &Arguments<'_>, _: &Ready) -> Value {
    compared(arguments, Ordering::is_ne)
}

pub(super) fn lt(arguments: &Arguments<'_>, _: &Ready) -> Value {
    compared(arguments, Ordering::is_lt)
}

pub(super) fn le(arguments: &Arguments<'_>, _: &Ready) -> Value {
    compared(arguments, Ordering::is_le)
}

pub(super) fn gt(arguments: &Arguments<'_>, _: &Ready) -> Value {
    compared(arguments, Ordering::is_gt)
}

pub(super) fn ge(arguments: &Arguments<'_>, _: &Ready) -> Value {
    compared(arguments, Ordering::is_ge)
}

/// Null for null; of lists one element is enough on both sides.
pub(super) fn in_any(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let Some((first, others)) = arguments.split_first() else { return Value::Null };
    if first.is_null() {
        return Value::Null;
    }
    let others = others.iter().flat_map(|other| other.elements());
    let found =
        others.into_iter().any(|other| first.elements().iter().any(|own| equal(own, other)));
    Value::Bool(found)
}
