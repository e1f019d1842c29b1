//! Rules of one logic under several ids.

use std::collections::HashMap;

use rulestone_ir::{Diagnostic, Field, Formula, Predicate, Rule, Source, StageKind, Vendor};
use rulestone_rules::Ledger;

use super::say;

/// Looks for rules that ask the same as one before: by their places in the ledger.
pub(crate) fn check(ledger: &Ledger) -> Vec<(usize, Diagnostic)> {
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut said = Vec::new();
    for (at, entry) in ledger.entries.iter().enumerate() {
        let Some(logic) = entry.runnable().and_then(|rule| logic(rule)) else { continue };
        let other = *first.entry(logic).or_insert(at);
        let earlier = &ledger.entries[other];
        let is_page = entry.origin.vendor == Vendor::Playbook;
        if other == at || (earlier.meta.id == entry.meta.id && !is_page) {
            continue;
        }
        let message = format!(
            "the same logic as `{}` ({}) in {}",
            earlier.meta.title, earlier.meta.id, earlier.origin.path
        );
        said.push((at, say("duplicate-rule", message, entry.origin.span)));
    }
    said
}

/// What a rule does, as a text that does not depend on the order in which it is said; none for
/// rules that ask for nothing.
fn logic(rule: &Rule) -> Option<String> {
    let mut out = String::new();
    let mut tests = 0;
    for source in &rule.sources {
        match source {
            Source::Events { scope, filter } | Source::Alerts { scope, filter } => {
                filter.for_each_predicate(&mut |_| tests += 1);
                let sort = matches!(source, Source::Events { .. });
                out.push_str(&format!("{sort} {scope} {}\n", formula(filter)));
            }
            other => out.push_str(&format!("{}\n", plain(&format!("{other:?}")))),
        }
    }
    for stage in &rule.stages {
        let kind = match &stage.kind {
            StageKind::Rows(rulestone_ir::RowStage::Filter { condition }) => formula(condition),
            other => plain(&format!("{other:?}")),
        };
        out.push_str(&format!("{:?} {kind}\n", stage.inputs));
    }
    out.push_str(&format!("{:?}", rule.clock));
    (tests > 0).then_some(out)
}

fn formula(of: &Formula) -> String {
    let join = |parts: &[Formula], word: &str, inner: fn(&Formula) -> Option<&[Formula]>| {
        let mut all = Vec::new();
        flatten(parts, inner, &mut all);
        all.sort();
        all.dedup();
        if all.len() == 1 { all.swap_remove(0) } else { format!("{word}({})", all.join(" ")) }
    };
    match of {
        Formula::And(parts) => join(parts, "and", |f| match f {
            Formula::And(parts) => Some(parts),
            _ => None,
        }),
        Formula::Or(parts) => join(parts, "or", |f| match f {
            Formula::Or(parts) => Some(parts),
            _ => None,
        }),
        Formula::Not(part) => format!("not({})", formula(part)),
        Formula::Group(group) => formula(&group.formula),
        Formula::Test(predicate) => of_test(predicate),
        Formula::IsTrue(expr) => plain(&format!("{expr:?}")),
    }
}

fn flatten(parts: &[Formula], inner: fn(&Formula) -> Option<&[Formula]>, out: &mut Vec<String>) {
    for part in parts {
        let part = match part {
            Formula::Group(group) => &group.formula,
            other => other,
        };
        match inner(part) {
            Some(parts) => flatten(parts, inner, out),
            None => out.push(formula(part)),
        }
    }
}

fn of_test(predicate: &Predicate) -> String {
    let Predicate { field, elements, test, case, .. } = predicate;
    let name = match field {
        Field::Named { name, .. } => name,
        Field::Any => "*",
    };
    format!("[{name} {elements:?} {test:?} {case:?}]")
}

/// A printed tree without its places.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("Span {") {
        out.push_str(&rest[..at]);
        rest = rest[at..].find('}').map_or("", |end| &rest[at + end + 1..]);
    }
    out.push_str(rest);
    out
}
