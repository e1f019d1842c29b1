//! Expressions: three-valued, over the columns of one row.

use std::sync::Arc;

use rulestone_value::Value;

use crate::{Field, Formula, Function, Predicate, Span};

/// What an expression makes of a row: a value, or null.
///
/// [`Formula::IsTrue`] leads from here to filters, [`Expr::Holds`] from filters to here; there is
/// no other way across.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// Always this.
    Literal(Value),
    /// The column of this name; null where the row has none.
    Field(Arc<str>),
    /// The column whose name is in this column of the row.
    Indirect(Arc<str>),
    /// A function of others.
    Call {
        /// Which one.
        function: Function,
        /// What it is given, in its order.
        arguments: Vec<Expr>,
        /// Where the rule says so.
        span: Span,
    },
    /// Whether a filter holds: true or false, never null.
    Holds(Box<Formula>),
    /// The element at hand within [`Function::EachElement`] and [`Function::ElementsWhere`], the
    /// column at hand within a step for several columns.
    This,
    /// The name of the column at hand, as text.
    ThisName,
    /// The column named by a pattern in which `*` stands for the part of the name at hand that
    /// the star of its pattern stands for.
    Sibling(Arc<str>),
    /// That part of the name at hand, as text.
    ThisMatch,
}

impl Expr {
    /// A call of a function.
    pub fn call(function: Function, arguments: Vec<Expr>, span: Span) -> Expr {
        Expr::Call { function, arguments, span }
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Expr {
        Expr::Literal(Value::String(text.into()))
    }

    /// Calls `found` with the name of every column it names. [`Expr::reads_unnamed`] says whether
    /// it reads others too.
    pub fn fields(&self, found: &mut dyn FnMut(&Arc<str>)) {
        match self {
            Expr::Field(name) | Expr::Indirect(name) => found(name),
            Expr::Call { arguments, .. } => arguments.iter().for_each(|a| a.fields(found)),
            Expr::Holds(formula) => formula.fields(&mut |field| {
                if let Field::Named { name, .. } = field {
                    found(name);
                }
            }),
            Expr::Literal(_) | Expr::This | Expr::ThisName | Expr::ThisMatch | Expr::Sibling(_) => {
            }
        }
    }

    /// Calls `visit` with every predicate in it.
    pub fn for_each_predicate<'a>(&'a self, visit: &mut impl FnMut(&'a Predicate)) {
        match self {
            Expr::Call { arguments, .. } => {
                arguments.iter().for_each(|argument| argument.for_each_predicate(visit));
            }
            Expr::Holds(formula) => formula.for_each_predicate(visit),
            _ => {}
        }
    }

    /// Whether it may read columns that it does not name.
    pub fn reads_unnamed(&self) -> bool {
        match self {
            Expr::Indirect(_) | Expr::Sibling(_) => true,
            Expr::Call { arguments, .. } => arguments.iter().any(Expr::reads_unnamed),
            Expr::Holds(formula) => formula.reads_unnamed(),
            _ => false,
        }
    }
}
