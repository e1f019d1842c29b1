//! Checks of what rules mean, one file each: they are the same for every language.

pub(crate) mod case;
pub(crate) mod duplicates;
pub(crate) mod filters;
pub(crate) mod near_miss;
pub(crate) mod never;
pub(crate) mod values;
mod words;

use rulestone_ir::{Diagnostic, Formula, Level, Predicate, Span};

/// A remark that a check makes. Its place stands in the table of codes, its level is a note's: what
/// the lint says takes nothing from how faithfully a rule runs.
pub(crate) fn say(code: &'static str, message: impl Into<String>, span: Span) -> Diagnostic {
    Diagnostic::new(Level::Note, code, message, span)
}

/// Where a formula stands: from its first test to its last.
pub(crate) fn span_of(formula: &Formula) -> Option<Span> {
    let mut span: Option<Span> = None;
    formula.for_each_predicate(&mut |predicate| {
        span = Some(span.map_or(predicate.span, |span| span.to(predicate.span)));
    });
    span.or_else(|| match formula {
        Formula::Not(part) => span_of(part),
        Formula::And(parts) | Formula::Or(parts) => parts.iter().find_map(span_of),
        Formula::Group(group) => span_of(&group.formula),
        Formula::IsTrue(expr) => expr_span(expr),
        Formula::Test(_) => None,
    })
}

fn expr_span(expr: &rulestone_ir::Expr) -> Option<Span> {
    match expr {
        rulestone_ir::Expr::Call { span, .. } => Some(*span),
        _ => None,
    }
}

/// A formula in words, as far as a line has room for it.
pub(crate) fn words(formula: &Formula) -> String {
    const SHOWN: usize = 3;
    let mut tests: Vec<String> = Vec::new();
    formula.for_each_predicate(&mut |predicate| tests.push(test(predicate)));
    let between = match formula {
        Formula::Or(_) => " or ",
        Formula::Group(group) if matches!(*group.formula, Formula::Or(_)) => " or ",
        _ => " and ",
    };
    let more = tests.len().saturating_sub(SHOWN);
    tests.truncate(SHOWN);
    let mut out = tests.join(between);
    if more > 0 {
        out.push_str(&format!("{between}{more} more"));
    }
    if out.is_empty() {
        out.push_str("an expression");
    }
    match formula {
        Formula::Not(_) => format!("not ({out})"),
        _ => out,
    }
}

/// A test in words.
pub(crate) fn test(predicate: &Predicate) -> String {
    const LONGEST: usize = 60;
    let verb = match predicate.test.name() {
        "equals" => "is",
        "starts_with" => "starts with",
        "ends_with" => "ends with",
        "contains" => "contains",
        "wildcard" => "fits",
        "term" => "has the term",
        "regex" => "matches",
        "cidr" => "is in",
        "exists" => "exists",
        "same_as" => "is like",
        _ => "is a number",
    };
    let field = predicate.field.name();
    let mut pattern = predicate.test.pattern();
    if let Some((cut, _)) = pattern.char_indices().nth(LONGEST) {
        pattern.truncate(cut);
        pattern.push('…');
    }
    if pattern.is_empty() {
        format!("`{field}` {verb}")
    } else {
        format!("`{field}` {verb} `{pattern}`")
    }
}
