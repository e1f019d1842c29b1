//! A query as a tree. Places are bytes of the query's own text.

use rulestone_ir::{Comparison, Span};
use rulestone_value::Value;

/// A query: `with … select … order by … limit …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Queries with a name, in front of it.
    pub with: Vec<Named>,
    /// What it is made of.
    pub body: Body,
    /// By what its rows are in order.
    pub order: Vec<Order>,
    /// Rows it has at most.
    pub limit: Option<u64>,
    /// Where it stands.
    pub span: Span,
}

/// A query with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// What its columns are called, where that is said.
    pub columns: Vec<String>,
    /// The query.
    pub query: Query,
}

/// What a query is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// One `select`.
    Select(Box<Select>),
    /// A query in brackets.
    Query(Box<Query>),
    /// The rows of several, one after the other.
    Union {
        /// Whose.
        parts: Vec<Body>,
        /// Whether rows that are there already are left out.
        distinct: bool,
    },
    /// Rows that are written out; their columns are `column1`, `column2` …
    Values(Vec<Vec<Expr>>),
    /// Something that was refused.
    Nothing,
}

/// A `select`.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// Whether equal rows are one.
    pub distinct: bool,
    /// What comes out.
    pub items: Vec<Item>,
    /// What it reads; none for a row with nothing in it.
    pub from: Option<From>,
    /// Which rows.
    pub filter: Option<Expr>,
    /// What tells groups apart.
    pub group: Group,
    /// Which groups.
    pub having: Option<Expr>,
    /// Which rows, by what windows say.
    pub qualify: Option<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// What tells groups apart.
#[derive(Debug, Clone, PartialEq)]
pub enum Group {
    /// Nothing: no groups, or one of everything.
    None,
    /// These.
    By(Vec<Expr>),
    /// All that is selected and is no measure.
    All,
}

/// What comes out of a `select`.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// All columns, of one table or of all.
    All {
        /// Whose.
        of: Option<String>,
        /// Without these.
        without: Vec<String>,
        /// Some of them under other names.
        renamed: Vec<(String, String)>,
    },
    /// A value, under this name where one is given.
    Value(Expr, Option<String>),
}

/// What a `select` reads.
#[derive(Debug, Clone, PartialEq)]
pub struct From {
    /// The first.
    pub first: Table,
    /// What is joined to it.
    pub joins: Vec<Join>,
}

/// Something with rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What.
    pub kind: TableKind,
    /// The name that its columns go by.
    pub alias: Option<String>,
    /// What its columns are called, where that is said.
    pub columns: Vec<String>,
    /// Where it stands.
    pub span: Span,
}

/// Something with rows.
#[derive(Debug, Clone, PartialEq)]
pub enum TableKind {
    /// A table, by the last part of its name, and the whole of it.
    Name(String, String),
    /// A query.
    Query(Box<Query>),
    /// The elements of a list, for each row before it.
    Flatten {
        /// The list.
        of: Expr,
        /// Whether a row without elements stays.
        outer: bool,
    },
}

/// Something that is joined.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// What.
    pub table: Table,
    /// How.
    pub kind: JoinKind,
    /// Which rows fit.
    pub on: On,
}

/// How something is joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Pairs.
    Inner,
    /// Pairs, and what has no partner on the left.
    Left,
    /// Pairs, and what has no partner on the right.
    Right,
}

/// Which rows of a join fit.
#[derive(Debug, Clone, PartialEq)]
pub enum On {
    /// All.
    Anything,
    /// Those for which this is true.
    Holds(Expr),
    /// Those with equal columns of these names.
    Using(Vec<String>),
}

/// By what rows are in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// What.
    pub by: Expr,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A literal: null, true, a number, a text.
    Literal(Value),
    /// `$earliest$`: where the run begins to look.
    Earliest,
    /// `$latest$`: where it ends.
    Latest,
    /// A column.
    Column {
        /// Of which table, where that is said.
        table: Option<String>,
        /// Its name.
        name: String,
    },
    /// What is at a path in an object: `a:b.c[0]`.
    Path(Box<Expr>, Vec<Step>),
    /// All of them.
    And(Vec<Expr>),
    /// One of them.
    Or(Vec<Expr>),
    /// The opposite.
    Not(Box<Expr>),
    /// A comparison.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// Whether both are equal or both null.
    Same(Box<Expr>, Box<Expr>),
    /// `like` and `ilike`.
    Like(Box<Like>),
    /// Whether it is one of these.
    In(Box<Expr>, Vec<Expr>),
    /// Whether it is in the first column of a query.
    InQuery(Box<Expr>, Box<Query>),
    /// Whether a query has a row.
    Exists(Box<Query>),
    /// The value of a query's only row.
    Scalar(Box<Query>),
    /// Whether it is null.
    IsNull(Box<Expr>),
    /// Whether it is this truth value, and not null.
    Is(Box<Expr>, bool),
    /// `case`.
    Case(Box<Case>),
    /// A value as another type.
    Cast(Box<Expr>, Type),
    /// A length of time.
    Interval(Interval),
    /// A list.
    Array(Vec<Expr>),
    /// An object.
    Object(Vec<(String, Expr)>),
    /// The `*` of `count(*)`.
    Star,
    /// A call of a function.
    Call(Box<Call>),
    /// Something that was refused.
    Refused,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The member of this name.
    Key(String),
    /// The element at this place.
    Index(i64),
}

/// `like` and its kin.
#[derive(Debug, Clone, PartialEq)]
pub struct Like {
    /// What is looked at.
    pub of: Expr,
    /// The patterns.
    pub patterns: Vec<Expr>,
    /// Whether it has to fit all of them.
    pub all: bool,
    /// Whether case does not count.
    pub ignore_case: bool,
    /// What takes their meaning from `%` and `_`.
    pub escape: Option<char>,
}

/// A choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What is compared, where something is.
    pub of: Option<Expr>,
    /// Conditions and values.
    pub branches: Vec<(Expr, Expr)>,
    /// What else.
    pub otherwise: Option<Expr>,
}

/// What a value is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text.
    Text,
    /// A number with a fraction.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Bool,
    /// A point in time.
    Time,
    /// A day.
    Date,
    /// A list.
    Array,
    /// Whatever it is.
    Any,
}

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Seconds.
    pub seconds: f64,
    /// Months, which are of different lengths.
    pub months: i64,
}

/// A call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The function, in lower case; an operator by its sign.
    pub name: String,
    /// Where its name stands.
    pub at: Span,
    /// What it is given.
    pub arguments: Vec<Expr>,
    /// What it is given by name: `input => x`.
    pub named: Vec<(String, Expr)>,
    /// Whether equal values count once.
    pub distinct: bool,
    /// In which order a measure looks at rows.
    pub order: Vec<Order>,
    /// The rows that it looks at, where it is no measure of a group.
    pub over: Option<Over>,
}

/// The rows around a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Over {
    /// What tells groups apart.
    pub by: Vec<Expr>,
    /// By what they are in order.
    pub order: Vec<Order>,
    /// Which of them.
    pub frame: Frame,
}

/// Which rows around a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Frame {
    /// Nothing is said: all, or those up to the row where there is an order.
    Unsaid,
    /// All of the group.
    All,
    /// So many rows before it, all for `None`, and the row itself.
    Rows(Option<u64>),
    /// Those at most so many seconds before it, and the row itself.
    Seconds(f64),
}

impl Expr {
    /// An expression at a place.
    pub fn new(kind: ExprKind, span: Span) -> Expr {
        Expr { kind, span }
    }

    /// Calls `visit` with it and every expression in it, but those of queries inside of it.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        visit(self);
        match &self.kind {
            ExprKind::Literal(_)
            | ExprKind::Earliest
            | ExprKind::Latest
            | ExprKind::Column { .. }
            | ExprKind::Interval(_)
            | ExprKind::Exists(_)
            | ExprKind::Scalar(_)
            | ExprKind::Star
            | ExprKind::Refused => {}
            ExprKind::Path(of, _)
            | ExprKind::Not(of)
            | ExprKind::InQuery(of, _)
            | ExprKind::IsNull(of)
            | ExprKind::Is(of, _)
            | ExprKind::Cast(of, _) => of.walk(visit),
            ExprKind::And(parts) | ExprKind::Or(parts) | ExprKind::Array(parts) => {
                parts.iter().for_each(|part| part.walk(visit));
            }
            ExprKind::Compare(_, left, right) | ExprKind::Same(left, right) => {
                left.walk(visit);
                right.walk(visit);
            }
            ExprKind::Like(like) => {
                like.of.walk(visit);
                like.patterns.iter().for_each(|pattern| pattern.walk(visit));
            }
            ExprKind::In(of, list) => {
                of.walk(visit);
                list.iter().for_each(|part| part.walk(visit));
            }
            ExprKind::Case(case) => {
                case.of.iter().for_each(|of| of.walk(visit));
                for (condition, value) in &case.branches {
                    condition.walk(visit);
                    value.walk(visit);
                }
                case.otherwise.iter().for_each(|value| value.walk(visit));
            }
            ExprKind::Object(members) => members.iter().for_each(|(_, value)| value.walk(visit)),
            ExprKind::Call(call) => call.walk(visit),
        }
    }
}

impl Call {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        self.arguments.iter().for_each(|argument| argument.walk(visit));
        self.named.iter().for_each(|(_, argument)| argument.walk(visit));
        self.order.iter().for_each(|order| order.by.walk(visit));
        if let Some(over) = &self.over {
            over.by.iter().for_each(|by| by.walk(visit));
            over.order.iter().for_each(|order| order.by.walk(visit));
        }
    }
}
