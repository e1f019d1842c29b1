//! Filters: two-valued formulas over predicates.

use std::sync::Arc;

use ipnet::IpNet;
use rulestone_value::{Glob, TimePart};

use crate::{Expr, Schema, Span};

/// A two-valued condition on one event: every formula is true or false, for a missing field too.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    /// All of them; true when there are none.
    And(Vec<Formula>),
    /// At least one of them; false when there are none.
    Or(Vec<Formula>),
    /// The opposite.
    Not(Box<Formula>),
    /// One predicate.
    Test(Predicate),
    /// A part that the rule's author named.
    Group(Group),
    /// Whether an expression is true; false and null are not. Only formulas over rows have it:
    /// the filter of a source has tests alone.
    IsTrue(Box<Expr>),
}

/// A named part of a formula: a Sigma search identifier. Means what its formula means.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The author's name for it.
    pub name: Arc<str>,
    /// What it stands for.
    pub formula: Box<Formula>,
}

/// A test of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    /// What is tested.
    pub field: Field,
    /// How the elements of a multi-valued field count.
    pub elements: Elements,
    /// The test of one element.
    pub test: Test,
    /// Whether text tests tell upper from lower case.
    pub case: Case,
    /// Where the rule says so.
    pub span: Span,
}

/// What a predicate looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// A field by its name in a schema.
    Named {
        /// Whose name it is.
        schema: Schema,
        /// The name.
        name: Arc<str>,
    },
    /// Every value of the event, whatever it is called.
    Any,
}

impl Field {
    /// The name in output; `*` for every value.
    pub fn name(&self) -> &str {
        match self {
            Field::Named { name, .. } => name,
            Field::Any => "*",
        }
    }
}

/// How the elements of a multi-valued field count. A null field has no element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Elements {
    /// One element is enough.
    Any,
    /// Every element, and there must be one.
    All,
    /// There must be exactly one, and it must pass.
    Single,
}

/// Whether a text test tells upper from lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Case {
    /// `A` is `a`, by [`rulestone_value::fold()`].
    Insensitive,
    /// `A` is not `a`.
    Sensitive,
}

/// A test of one element.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// There is a value.
    Exists,
    /// The text is this.
    Equals(String),
    /// The text starts with this.
    StartsWith(String),
    /// The text ends with this.
    EndsWith(String),
    /// The text has this in it.
    Contains(String),
    /// The whole text fits the pattern.
    Wildcard(Glob),
    /// The pattern stands somewhere in the text, between breakers or the text's ends.
    Term(Glob, Breakers),
    /// The expression is found in the text.
    Regex(Regex),
    /// The text is an address in this network.
    Cidr(IpNet),
    /// The value is a number that compares so.
    Number(Comparison, f64),
    /// The value is a point in time whose part compares so.
    TimePart(TimePart, Comparison, f64),
    /// The text relates so to an element of another field of the same event.
    SameAs(Field, Relation),
}

/// Which characters end a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Breakers {
    /// The major ones: blanks, brackets, quotes, `,;&?+` and the like.
    Major,
    /// The minor ones too: `/:=@.-$#%\_`.
    All,
}

/// A regular expression as the rule has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Regex {
    /// The expression, in the syntax of the `regex` crate with look-around and back-references.
    pub pattern: String,
    /// Letters match without case.
    pub ignore_case: bool,
    /// `^` and `$` also match at line ends.
    pub multi_line: bool,
    /// `.` also matches a line end.
    pub dot_all: bool,
}

/// A comparison of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// Whether `left` compares so to `right`.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
        }
    }

    /// The sign.
    pub const fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }
}

/// How one text relates to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// It is the other.
    Equals,
    /// It starts with the other.
    StartsWith,
    /// It ends with the other.
    EndsWith,
    /// It has the other in it.
    Contains,
}

impl Relation {
    /// Whether `left` relates so to `right`.
    pub fn holds(self, left: &str, right: &str) -> bool {
        match self {
            Relation::Equals => left == right,
            Relation::StartsWith => left.starts_with(right),
            Relation::EndsWith => left.ends_with(right),
            Relation::Contains => left.contains(right),
        }
    }
}

impl Formula {
    /// The formula that is always true.
    pub const TRUE: Formula = Formula::And(Vec::new());
    /// The formula that is always false.
    pub const FALSE: Formula = Formula::Or(Vec::new());

    /// The opposite of `formula`.
    #[expect(clippy::should_implement_trait, reason = "a constructor, like `and` and `or`")]
    pub fn not(formula: Formula) -> Formula {
        Formula::Not(Box::new(formula))
    }

    /// All of `parts`; one part stands alone.
    pub fn and(parts: impl IntoIterator<Item = Formula>) -> Formula {
        let mut parts: Vec<Formula> = parts.into_iter().collect();
        if parts.len() == 1 { parts.swap_remove(0) } else { Formula::And(parts) }
    }

    /// One of `parts`; one part stands alone.
    pub fn or(parts: impl IntoIterator<Item = Formula>) -> Formula {
        let mut parts: Vec<Formula> = parts.into_iter().collect();
        if parts.len() == 1 { parts.swap_remove(0) } else { Formula::Or(parts) }
    }

    /// Calls `visit` with every predicate, in the order of the rule's text.
    pub fn for_each_predicate<'a>(&'a self, visit: &mut impl FnMut(&'a Predicate)) {
        match self {
            Formula::And(parts) | Formula::Or(parts) => {
                parts.iter().for_each(|part| part.for_each_predicate(visit));
            }
            Formula::Not(part) => part.for_each_predicate(visit),
            Formula::Group(group) => group.formula.for_each_predicate(visit),
            Formula::Test(predicate) => visit(predicate),
            Formula::IsTrue(expr) => expr.for_each_predicate(visit),
        }
    }

    /// Calls `found` with every field it names.
    pub fn fields(&self, found: &mut dyn FnMut(&Field)) {
        match self {
            Formula::And(parts) | Formula::Or(parts) => {
                parts.iter().for_each(|part| part.fields(found));
            }
            Formula::Not(part) => part.fields(found),
            Formula::Group(group) => group.formula.fields(found),
            Formula::Test(predicate) => {
                found(&predicate.field);
                if let Test::SameAs(other, _) = &predicate.test {
                    found(other);
                }
            }
            Formula::IsTrue(expr) => expr.fields(&mut |name| {
                found(&Field::Named { schema: Schema::Raw, name: name.clone() });
            }),
        }
    }

    /// Whether it may read columns that it does not name.
    pub fn reads_unnamed(&self) -> bool {
        match self {
            Formula::And(parts) | Formula::Or(parts) => parts.iter().any(Formula::reads_unnamed),
            Formula::Not(part) => part.reads_unnamed(),
            Formula::Group(group) => group.formula.reads_unnamed(),
            Formula::Test(predicate) => predicate.field == Field::Any,
            Formula::IsTrue(expr) => expr.reads_unnamed(),
        }
    }

    /// Whether it has tests alone, as the filter of a source.
    pub fn is_of_tests(&self) -> bool {
        match self {
            Formula::And(parts) | Formula::Or(parts) => parts.iter().all(Formula::is_of_tests),
            Formula::Not(part) => part.is_of_tests(),
            Formula::Group(group) => group.formula.is_of_tests(),
            Formula::Test(_) => true,
            Formula::IsTrue(_) => false,
        }
    }
}

impl Test {
    /// The word for the test in output.
    pub const fn name(&self) -> &'static str {
        match self {
            Test::Exists => "exists",
            Test::Equals(_) => "equals",
            Test::StartsWith(_) => "starts_with",
            Test::EndsWith(_) => "ends_with",
            Test::Contains(_) => "contains",
            Test::Wildcard(_) => "wildcard",
            Test::Term(..) => "term",
            Test::Regex(_) => "regex",
            Test::Cidr(_) => "cidr",
            Test::Number(..) => "number",
            Test::TimePart(..) => "time_part",
            Test::SameAs(..) => "same_as",
        }
    }

    /// What the value is tested against, as one text; empty for [`Test::Exists`].
    pub fn pattern(&self) -> String {
        match self {
            Test::Exists => String::new(),
            Test::Equals(text)
            | Test::StartsWith(text)
            | Test::EndsWith(text)
            | Test::Contains(text) => text.clone(),
            Test::Wildcard(glob) | Test::Term(glob, _) => glob.to_string(),
            Test::Regex(regex) => regex.pattern.clone(),
            Test::Cidr(net) => net.to_string(),
            Test::Number(comparison, number) => format!("{} {number}", comparison.sign()),
            Test::TimePart(part, comparison, number) => {
                format!("{} {} {number}", time_part_name(*part), comparison.sign())
            }
            Test::SameAs(field, _) => field.name().to_owned(),
        }
    }
}

pub(crate) const fn time_part_name(part: TimePart) -> &'static str {
    match part {
        TimePart::Minute => "minute",
        TimePart::Hour => "hour",
        TimePart::Day => "day",
        TimePart::Week => "week",
        TimePart::Month => "month",
        TimePart::Year => "year",
    }
}
