//! Three-valued logic, nulls and choices.

use std::borrow::Cow;

use rulestone_value::Value;

use super::{Arguments, Context, Node, Ready};

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

pub(super) fn is_null(arguments: &Arguments<'_>, _: &Ready) -> Value {
    Value::Bool(arguments[0].is_null())
}

pub(super) fn is_not_null(arguments: &Arguments<'_>, _: &Ready) -> Value {
    Value::Bool(!arguments[0].is_null())
}

pub(super) fn coalesce<'c>(nodes: &'c [Node], context: &Context<'c>) -> Cow<'c, Value> {
    nodes.iter().map(|node| node.value(context)).find(|value| !value.is_null()).unwrap_or(NULL)
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
