//! Expressions and formulas over rows: made ready once, evaluated row by row.
//!
//! ```text
//! Expr ──new──► Compiled ──value(row)──► Value
//! Formula ──new──► CompiledFormula ──holds(row)──► bool
//! ```
//!
//! Names become slots, constants are folded, and patterns that do not depend on the row are
//! compiled here. What every function makes of nulls and lists is the table of
//! [`rulestone_ir::Function`]; it is applied here, so that the functions see plain values.
//!
//! * Text that is a number counts as one where numbers are asked for.
//! * A point in time is the number of its seconds since the epoch, with their fraction, and as
//!   text that number.
//! * A whole number is an integer, however it was computed.
//! * A truth value as text is `True` or `False` in [`rulestone_ir::Function::ToText`], as people
//!   write it, else `true` or `false`, as logs have it.
//! * A regular expression of a rule is in the syntax of [`rulestone_ir::Regex`]; one that a row has
//!   is read as if it were, since nobody has seen it before. One that takes too many steps makes
//!   null.
//! * A text or list that would grow past a bound is null.

mod formula;
pub(crate) mod functions;
pub(crate) mod number;
mod ready;

use std::borrow::Cow;

use rulestone_ir::{Expr, Function, ListRule, Nulls};
use rulestone_value::{Time, Value};

pub(crate) use self::formula::CompiledFormula;
use self::functions::{Arguments, Run};
use self::ready::Ready;
use crate::row::{Names, Slot};

/// A row, and what else an expression may ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// What the columns are called.
    pub(crate) names: &'a Names,
    /// The row's columns by slot; those behind the end are null.
    pub(crate) values: &'a [Value],
    /// The time of the run; none where nothing runs at a time.
    pub(crate) now: Option<Time>,
    /// The row's ordinal.
    pub(crate) place: u64,
    /// The column that a step for several columns is at.
    pub(crate) at: Option<ColumnAtHand<'a>>,
}

/// A column that a step for several columns is at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColumnAtHand<'a> {
    /// Its value, or the element of a list that a function is at.
    pub(crate) value: &'a Value,
    /// Its name.
    pub(crate) name: &'a str,
    /// What the star of its pattern stands for.
    pub(crate) star: &'a str,
}

impl<'a> Context<'a> {
    /// Of a row, without a run.
    pub(crate) fn of(names: &'a Names, values: &'a [Value]) -> Self {
        Context { names, values, now: None, place: 0, at: None }
    }

    fn slot(&self, slot: Slot) -> &'a Value {
        const NULL: &Value = &Value::Null;
        self.values.get(slot).unwrap_or(NULL)
    }

    fn named(&self, name: &str) -> &'a Value {
        const NULL: &Value = &Value::Null;
        self.names.find(name).map_or(NULL, |slot| self.slot(slot))
    }

    /// The same with an element of a list at hand.
    fn with_element<'b>(&self, value: &'b Value) -> Context<'b>
    where
        'a: 'b,
    {
        let (name, star) = self.at.map_or(("", ""), |at| (at.name, at.star));
        Context { at: Some(ColumnAtHand { value, name, star }), ..*self }
    }
}

/// An expression, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Compiled(Node);

impl Compiled {
    /// Makes an expression ready; its columns get slots.
    pub(crate) fn new(expr: &Expr, names: &mut Names) -> Compiled {
        Compiled(Node::new(expr, names))
    }

    /// What it makes of a row.
    pub(crate) fn value(&self, context: &Context<'_>) -> Value {
        self.0.value(context).into_owned()
    }

    /// Whether it is true of a row: false and null are not.
    pub(crate) fn is_true(&self, context: &Context<'_>) -> bool {
        self.0.is_true(context)
    }
}

/// A part of a compiled expression.
#[derive(Debug)]
enum Node {
    Literal(Value),
    Slot(Slot),
    Indirect(Slot),
    Call(Box<Call>),
    Holds(CompiledFormula),
    This,
    ThisName,
    ThisMatch,
    Sibling(String),
}

/// A function with what it is given.
#[derive(Debug)]
struct Call {
    function: Function,
    run: Run,
    arguments: Vec<Node>,
    ready: Ready,
}

impl Node {
    fn new(expr: &Expr, names: &mut Names) -> Node {
        match expr {
            Expr::Literal(value) => Node::Literal(value.clone()),
            Expr::Field(name) => Node::Slot(names.slot(name)),
            Expr::Indirect(name) => Node::Indirect(names.slot(name)),
            Expr::Holds(formula) => Node::Holds(CompiledFormula::new(formula, names)),
            Expr::This => Node::This,
            Expr::ThisName => Node::ThisName,
            Expr::ThisMatch => Node::ThisMatch,
            Expr::Sibling(pattern) => Node::Sibling(pattern.to_string()),
            Expr::Call { function, arguments, .. } => {
                let arguments = arguments.iter().map(|argument| Node::new(argument, names));
                Node::call(*function, arguments.collect())
            }
        }
    }

    fn call(function: Function, arguments: Vec<Node>) -> Node {
        let ready = Ready::new(function, &arguments);
        let call = Call { function, run: functions::run(function), arguments, ready };
        let of_the_run = matches!(function, Function::Now | Function::Random);
        let constant = call.arguments.iter().all(|node| matches!(node, Node::Literal(_)));
        if constant && !of_the_run {
            let names = Names::default();
            return Node::Literal(call.value(&Context::of(&names, &[])).into_owned());
        }
        Node::Call(Box::new(call))
    }

    fn value<'c>(&'c self, context: &Context<'c>) -> Cow<'c, Value> {
        match self {
            Node::Literal(value) => Cow::Borrowed(value),
            Node::Slot(slot) => Cow::Borrowed(context.slot(*slot)),
            Node::Indirect(slot) => {
                let name = number::text(context.slot(*slot));
                Cow::Borrowed(name.map_or(&Value::Null, |name| context.named(&name)))
            }
            Node::Call(call) => call.value(context),
            Node::Holds(formula) => Cow::Owned(Value::Bool(formula.holds(context))),
            Node::This => Cow::Borrowed(context.at.map_or(&Value::Null, |at| at.value)),
            Node::ThisName => at_hand(context, |at| at.name),
            Node::ThisMatch => at_hand(context, |at| at.star),
            Node::Sibling(pattern) => Cow::Borrowed(
                context.at.map_or(&Value::Null, |at| context.named(&pattern.replace('*', at.star))),
            ),
        }
    }

    fn is_true(&self, context: &Context<'_>) -> bool {
        match self {
            Node::Holds(formula) => formula.holds(context),
            node => *node.value(context) == Value::Bool(true),
        }
    }
}

fn at_hand<'c>(context: &Context<'c>, text: fn(&ColumnAtHand<'c>) -> &'c str) -> Cow<'c, Value> {
    Cow::Owned(context.at.as_ref().map_or(Value::Null, |at| Value::string(text(at))))
}

impl Call {
    fn value<'c>(&'c self, context: &Context<'c>) -> Cow<'c, Value> {
        let plain = match self.run {
            Run::Lazy(run) => return run(&self.arguments, context),
            Run::Plain(run) => run,
        };
        let arguments: Vec<Cow<'c, Value>> =
            self.arguments.iter().map(|argument| argument.value(context)).collect();
        let strict = self.function.nulls() == Nulls::Strict;
        if strict && arguments.iter().any(|argument| argument.is_null()) {
            return Cow::Owned(Value::Null);
        }
        let is_list = |argument: &Cow<'_, Value>| matches!(**argument, Value::List(_));
        if !arguments.iter().any(is_list) {
            return Cow::Owned(plain(&arguments, &self.ready));
        }
        Cow::Owned(match self.function.lists() {
            ListRule::Whole => plain(&arguments, &self.ready),
            ListRule::Null => Value::Null,
            // It says itself what it makes of nulls among many, so of lists too.
            ListRule::AnyElement if !strict => plain(&arguments, &self.ready),
            ListRule::AnyElement => self.any_element(plain, &arguments),
            ListRule::EachElement => self.each_element(plain, &arguments),
        })
    }

    /// True when it is true of one element, null when it is null of one, else false.
    fn any_element(&self, plain: functions::Plain, arguments: &Arguments<'_>) -> Value {
        let [left, right] = arguments else { return Value::Null };
        let mut result = Value::Bool(false);
        for left in left.elements() {
            for right in right.elements() {
                match plain(&[Cow::Borrowed(left), Cow::Borrowed(right)], &self.ready) {
                    Value::Bool(true) => return Value::Bool(true),
                    Value::Null => result = Value::Null,
                    _ => {}
                }
            }
        }
        result
    }

    fn each_element(&self, plain: functions::Plain, arguments: &Arguments<'_>) -> Value {
        let Some((first, rest)) = arguments.split_first() else { return Value::Null };
        if rest.iter().any(|argument| matches!(**argument, Value::List(_))) {
            return Value::Null;
        }
        let mut arguments: Vec<Cow<'_, Value>> = vec![Cow::Owned(Value::Null)];
        arguments.extend(rest.iter().map(|argument| Cow::Borrowed(&**argument)));
        let results = first.elements().iter().map(|element| {
            let mut arguments = arguments.clone();
            arguments[0] = Cow::Borrowed(element);
            plain(&arguments, &self.ready)
        });
        Value::list(results)
    }
}

#[cfg(test)]
mod tests;
