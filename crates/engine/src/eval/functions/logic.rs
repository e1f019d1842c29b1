//! Three-valued logic, nulls and choices.

use std::borrow::Cow;

use rulestone_value::Value;

use super::{Arguments, Context, Node, Ready};
use crate::eval::number::equal;

/// Null as what a lazy function gives.
const NULL: Cow<'static, Value> = Cow::Owned(Value::Null);

/// True, false, or neither: null, and what is no truth value.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        _ => None,
    }
}

/// All of the arguments as one, which is `deciding` when one of them is.
fn decided<'c>(nodes: &'c [Node], context: &Context<'c>, deciding: bool) -> Cow<'c, Value> {
    let mut unknown = false;
    for node in nodes {
        match truth(&node.value(context)) {
            Some(value) if value == deciding => return Cow::Owned(Value::Bool(deciding)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Cow::Owned(if unknown { Value::Null } else { Value::Bool(!deciding) })
}

pub(super) fn and<'c>(nodes: &'c [Node], context: &Context<'c>) -> Cow<'c, Value> {
    decided(nodes, context, false)
}

pub(super) fn or<'c>(nodes: &'c [Node], context: &Context<'c>) -> Cow<'c, Value> {
    decided(nodes, context, true)
}

pub(super) fn not(arguments: &Arguments<'_>, _: &Ready) -> Value {
    truth(&arguments[0]).map_or(Value::Null, |value| Value::Bool(!value))
}

pub(super) fn xor(arguments: &Arguments<'_>, _: &Ready) -> Value {
    match (truth(&arguments[0]), truth(&arguments[1])) {
        (Some(left), Some(right)) => Value::Bool(left != right),
        _ => Value::Null,
    }
}

pub(super) fn is_null(arguments: &Arguments<'_>, _: &Ready) -> Value {
    Value::Bool(arguments[0].is_null())
}

pub(super) fn is_not_null(arguments: &Arguments<'_>, _: &Ready) -> Value {
    Value::Bool(!arguments[0].is_null())
}

pub(super) fn coalesce<'c>(nodes: &'c [Node], context: &Context<'c>) -> Cow<'c, Value> {
    nodes.iter().map(|node| node.value(context)).find(|value| !value.is_null()).unwrap_or(NULL)
}

/// Equal as one value: lists element by element.
pub(super) fn null_if(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let (left, right) = (arguments[0].elements(), arguments[1].elements());
    let same = !left.is_empty()
        && left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| equal(left, right));
    if same { Value::Null } else { arguments[0].clone().into_owned() }
}

/// A null condition is not false.
pub(super) fn validate<'c>(nodes: &'c [Node], context: &Context<'c>) -> Cow<'c, Value> {
    for pair in nodes.chunks(2) {
        if let [condition, value] = pair
            && *condition.value(context) == Value::Bool(false)
        {
            return value.value(context);
        }
    }
    NULL
}

pub(super) fn case<'c>(nodes: &'c [Node], context: &Context<'c>) -> Cow<'c, Value> {
    for pair in nodes.chunks(2) {
        match pair {
            [condition, value] if condition.is_true(context) => return value.value(context),
            [otherwise] => return otherwise.value(context),
            _ => {}
        }
    }
    NULL
}
