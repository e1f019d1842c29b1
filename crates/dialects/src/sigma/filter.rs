//! Filters: documents that change other rules.
//!
//! A filter's condition is joined to that of each rule it names with `and`, where the rule's log
//! source has all that the filter's has, as pySigma does it.

use std::sync::Arc;

use rulestone_ir::{Diagnostic, Formula, Level, Scope, Span};

use super::ast::Condition;
use super::{detection, lower};
use crate::Environment;
use crate::containers::yaml::{Entry, Kind, Node};

/// A filter, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// The rules it is about, by id or name, each with its place; all of its log source where
    /// there are none.
    pub rules: Vec<(Arc<str>, Span)>,
    /// The log source that a rule must have.
    pub scope: Scope,
    /// What is joined to their conditions.
    pub formula: Formula,
}

/// Reads a `filter` section.
pub(crate) fn parse(
    file: &str,
    entry: &Entry<'_>,
    scope: Scope,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Filter> {
    let section = &entry.value;
    let invalid = |message: String, span: Span, help: &str| {
        Diagnostic::new(Level::Invalid, "bad-filter", message, span).with_help(help)
    };
    let Kind::Mapping(entries) = &section.kind else {
        let message = format!("`filter` is {}, not a map", section.describe());
        diagnostics.push(invalid(message, section.span, "give it rules and a condition"));
        return None;
    };
    let (named, searches): (Vec<_>, Vec<_>) =
        entries.iter().cloned().partition(|entry| entry.key == "rules");
    let rules = match named.first().map(|entry| &entry.value) {
        Some(node) => rules(node),
        None => {
            let help = "name rules by their id or name, or write `rules: any`";
            diagnostics.push(invalid("the filter names no rules".into(), entry.key_span, help));
            return None;
        }
    };
    let section = Node { span: section.span, kind: Kind::Mapping(searches) };
    let detection = detection::parse(file, &section, diagnostics);
    if let Some((_, span)) = &detection.aggregation {
        let message = "a filter cannot count events".to_owned();
        diagnostics.push(invalid(message, *span, "write a correlation"));
    }
    let keeps = |condition: &Condition| !matches!(condition, Condition::Not(_));
    if detection.conditions.iter().all(keeps) {
        let message = "the rules fire only on what this filter selects";
        let note = Diagnostic::new(Level::Note, "filter-keeps", message, entry.key_span);
        diagnostics.push(note.with_help("to keep quiet what it selects, write `not selection`"));
    }
    let formula = lower::lower(&detection, environment, diagnostics).filter;
    Some(Filter { rules, scope, formula })
}

fn rules(node: &Node<'_>) -> Vec<(Arc<str>, Span)> {
    let nodes = match &node.kind {
        Kind::Sequence(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let texts = nodes.iter().filter_map(|node| Some((Arc::from(node.text()?.trim()), node.span)));
    let all = |(name, _): &(Arc<str>, Span)| name.eq_ignore_ascii_case("any");
    let rules: Vec<_> = texts.collect();
    if rules.iter().any(all) { Vec::new() } else { rules }
}
