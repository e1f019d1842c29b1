//! The functions of expressions, a file a family.

mod logic;

use std::borrow::Cow;

use rulestone_ir::Function;
use rulestone_value::Value;

use super::ready::Ready;
use super::{Context, Node};

/// What a function is given.
pub(super) type Arguments<'a> = [Cow<'a, Value>];

/// A function of values.
pub(super) type Plain = fn(&Arguments<'_>, &Ready) -> Value;

/// A function that evaluates its arguments itself.
pub(super) type Lazy = for<'c> fn(&'c [Node], &Context<'c>) -> Cow<'c, Value>;

/// How a function is run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Run {
    Plain(Plain),
    Lazy(Lazy),
}

/// What runs a function.
pub(super) fn run(function: Function) -> Run {
    use Run::{Lazy, Plain};
    match function {
        Function::And3 => Lazy(logic::and),
        Function::Or3 => Lazy(logic::or),
        Function::Not3 => Plain(logic::not),
        Function::IsNull => Plain(logic::is_null),
        Function::IsNotNull => Plain(logic::is_not_null),
        Function::Coalesce => Lazy(logic::coalesce),
        Function::Case => Lazy(logic::case),
        _ => Plain(|_, _| Value::Null),
    }
}
