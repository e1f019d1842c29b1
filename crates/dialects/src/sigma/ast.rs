//! The detection section of a rule as it was written.

use std::fmt::{self, Display, Write};

use rulestone_ir::{Duration, Span};

use super::aggregation::Aggregation;
use super::modifiers::Modifier;
use crate::containers::yaml::Scalar;

/// A detection section.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detection<'t> {
    /// The search identifiers, in the order of the file.
    pub(crate) searches: Vec<Search<'t>>,
    /// The conditions; the rule fires when one of them holds.
    pub(crate) conditions: Vec<Condition>,
    /// What is made of the events for which the condition holds, in older rules.
    pub(crate) aggregation: Option<(Aggregation, Span)>,
    /// How far apart such events may be.
    pub(crate) timeframe: Option<(Duration, Span)>,
}

/// A search identifier and what it stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Search<'t> {
    /// Its name.
    pub(crate) name: &'t str,
    /// The name's place in the file.
    pub(crate) span: Span,
    /// What it stands for.
    pub(crate) body: Body<'t>,
}

/// What a search identifier stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body<'t> {
    /// All of these.
    All(Vec<Item<'t>>),
    /// One of these.
    Any(Vec<Body<'t>>),
}

/// A field, what is done to the values, and the values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item<'t> {
    /// The field; none for keywords.
    pub(crate) field: Option<&'t str>,
    /// The modifiers, in the order they are applied.
    pub(crate) modifiers: Vec<Modifier>,
    /// The values.
    pub(crate) values: Vec<Value<'t>>,
}

/// A value of an item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Value<'t> {
    /// Its place in the file.
    pub(crate) span: Span,
    /// As it was written.
    pub(crate) scalar: &'t Scalar<'t>,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// One of them.
    Or(Vec<Condition>),
    /// All of them.
    And(Vec<Condition>),
    /// The opposite.
    Not(Box<Condition>),
    /// A search identifier.
    Name {
        /// Its name.
        name: String,
        /// Where it is referred to.
        span: Span,
    },
    /// So many of the search identifiers that fit a pattern.
    Of {
        /// How many.
        quantifier: Quantifier,
        /// A name with `*` for any characters, or `them`.
        pattern: String,
        /// Where it says so.
        span: Span,
    },
    /// What could not be read; a diagnostic says why.
    Missing,
}

/// How many search identifiers must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// Every one.
    All,
    /// At least so many; `any` is 1.
    AtLeast(usize),
}

impl Display for Quantifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quantifier::All => f.write_str("all"),
            Quantifier::AtLeast(count) => count.fmt(f),
        }
    }
}

/// A condition in Sigma again, with no more parentheses than it needs.
impl Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            Condition::Or(parts) => (parts, " or "),
            Condition::And(parts) => (parts, " and "),
            Condition::Not(part) => {
                f.write_str("not ")?;
                return part.fmt_inside(self, f);
            }
            Condition::Name { name, .. } => return f.write_str(name),
            Condition::Of { quantifier, pattern, .. } => {
                return write!(f, "{quantifier} of {pattern}");
            }
            Condition::Missing => return f.write_str("?"),
        };
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                f.write_str(word)?;
            }
            part.fmt_inside(self, f)?;
        }
        Ok(())
    }
}

impl Condition {
    fn fmt_inside(&self, outer: &Condition, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parentheses = match self {
            Condition::Or(_) => true,
            Condition::And(_) => !matches!(outer, Condition::Or(_)),
            _ => false,
        };
        if parentheses { write!(f, "({self})") } else { self.fmt(f) }
    }
}

/// The AST as text, one part a line.
pub(crate) fn print(detection: &Detection<'_>) -> String {
    let mut out = String::new();
    for search in &detection.searches {
        let _ = writeln!(out, "search {}", search.name);
        print_body(&search.body, 2, &mut out);
    }
    for condition in &detection.conditions {
        out.push_str("condition\n");
        print_condition(condition, 2, &mut out);
    }
    if let Some((aggregation, _)) = &detection.aggregation {
        let _ = writeln!(out, "aggregation\n  {aggregation}");
    }
    if let Some((timeframe, _)) = &detection.timeframe {
        let _ = writeln!(out, "timeframe\n  {timeframe}");
    }
    out
}

fn print_body(body: &Body<'_>, indent: usize, out: &mut String) {
    let word = if matches!(body, Body::All(_)) { "all" } else { "any" };
    let _ = writeln!(out, "{:indent$}{word}", "");
    match body {
        Body::Any(parts) => parts.iter().for_each(|part| print_body(part, indent + 2, out)),
        Body::All(items) => items.iter().for_each(|item| print_item(item, indent + 2, out)),
    }
}

fn print_item(item: &Item<'_>, indent: usize, out: &mut String) {
    let _ = write!(out, "{:indent$}{}", "", item.field.unwrap_or("(keyword)"));
    for modifier in &item.modifiers {
        let _ = write!(out, "|{}", modifier.name());
    }
    out.push('\n');
    for value in &item.values {
        let Scalar { text, .. } = value.scalar;
        let _ = writeln!(out, "{:1$}{2} {text:?}", "", indent + 2, value.scalar.describe());
    }
}

fn print_condition(condition: &Condition, indent: usize, out: &mut String) {
    let _ = write!(out, "{:indent$}", "");
    let parts: &[Condition] = match condition {
        Condition::Or(parts) => {
            out.push_str("or\n");
            parts
        }
        Condition::And(parts) => {
            out.push_str("and\n");
            parts
        }
        Condition::Not(part) => {
            out.push_str("not\n");
            std::slice::from_ref(part)
        }
        leaf => {
            let _ = writeln!(out, "{leaf}");
            &[]
        }
    };
    parts.iter().for_each(|part| print_condition(part, indent + 2, out));
}
