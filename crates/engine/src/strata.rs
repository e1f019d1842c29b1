//! In which order rules run that read what other rules find.
//!
//! A rule that reads events alone and has no state is in stratum 0. State, another rule's
//! findings and alerts put a rule above all it may read. Rules over alerts that may read each
//! other, or themselves, are in a circle: they share a stratum and do not read each other's
//! alerts.

use std::collections::HashMap;
use std::sync::Arc;

use rulestone_ir::{Diagnostic, Field, Formula, Level, Predicate, Rule, Source, Span, Test};
use rulestone_value::Value;

use crate::matcher::over_elements;
use crate::reference::element_passes;

/// The strata of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strata {
    /// The stratum of each rule.
    pub of: Vec<usize>,
    /// For each rule that reads another's findings, that rule; by place, in the order of its
    /// sources. `None` where there is no such rule.
    pub references: Vec<Vec<Option<usize>>>,
    /// Whether a rule is in a circle of rules over alerts.
    pub circular: Vec<bool>,
}

impl Strata {
    /// Puts rules in order.
    pub fn new(rules: &[Arc<Rule>]) -> Strata {
        let mut by_id: HashMap<&str, usize> = HashMap::new();
        for (at, rule) in rules.iter().enumerate() {
            by_id.entry(&rule.meta.id).or_insert(at);
        }
        let references: Vec<Vec<Option<usize>>> = rules
            .iter()
            .map(|rule| {
                let referred = rule.sources.iter().filter_map(|source| match source {
                    Source::RuleRef { rule, .. } => Some(by_id.get(&**rule).copied()),
                    _ => None,
                });
                referred.collect()
            })
            .collect();
        let reads: Vec<Vec<usize>> = (0..rules.len())
            .map(|at| {
                let mut reads: Vec<usize> = references[at].iter().flatten().copied().collect();
                reads.extend(readable(&rules[at], rules));
                reads
            })
            .collect();
        let circles = circles(&reads);
        let circular = (0..rules.len())
            .map(|at| circles.size[circles.of[at]] > 1 || reads[at].contains(&at))
            .collect();
        Strata { of: levels(rules, &reads, &circles), references, circular }
    }

    /// The number of strata.
    pub fn count(&self) -> usize {
        self.of.iter().max().map_or(0, |highest| highest + 1)
    }

    /// What is to be said about a rule.
    pub fn diagnostic(&self, rule: usize) -> Option<Diagnostic> {
        let message = "it may read its own alerts, or those of a rule that may read its own: rules \
                       in a circle do not see each other's alerts";
        let circular = self.circular.get(rule).copied().unwrap_or_default();
        circular.then(|| {
            Diagnostic::new(Level::Approximate, "alert-cycle", message, Span::default())
                .with_help("exclude the other rule's id, title or severity in the filter")
        })
    }
}

/// The rules whose alerts a rule may read.
fn readable<'r>(rule: &'r Rule, rules: &'r [Arc<Rule>]) -> impl Iterator<Item = usize> + 'r {
    let filters: Vec<&Formula> = rule
        .sources
        .iter()
        .filter_map(|source| match source {
            Source::Alerts { filter, .. } => Some(filter),
            _ => None,
        })
        .collect();
    let may_read = move |read: &Rule| {
        filters.iter().any(|f| truth(f, &|predicate| constant(predicate, read)) != Some(false))
    };
    rules.iter().enumerate().filter(move |(_, read)| may_read(read)).map(|(at, _)| at)
}

/// What a formula is, as far as it follows from the predicates of which `known` says what they are.
pub(crate) fn truth(formula: &Formula, known: &dyn Fn(&Predicate) -> Option<bool>) -> Option<bool> {
    match formula {
        Formula::And(parts) => all(parts.iter().map(|part| truth(part, known))),
        Formula::Or(parts) => {
            all(parts.iter().map(|part| truth(part, known).map(|t| !t))).map(|t| !t)
        }
        Formula::Not(part) => truth(part, known).map(|truth| !truth),
        Formula::Group(group) => truth(&group.formula, known),
        Formula::Test(predicate) => known(predicate),
        Formula::IsTrue(_) => None,
    }
}

/// Kleene's and.
fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut unknown = false;
    for part in parts {
        match part {
            Some(false) => return Some(false),
            Some(true) => {}
            None => unknown = true,
        }
    }
    (!unknown).then_some(true)
}

/// What a predicate is for the alerts of a rule, if the rule alone settles it.
fn constant(predicate: &Predicate, rule: &Rule) -> Option<bool> {
    let Field::Named { name, .. } = &predicate.field else { return None };
    if matches!(predicate.test, Test::SameAs(..)) {
        return None;
    }
    let meta = &rule.meta;
    let value = match &**name {
        "rule.id" => Value::string(&*meta.id),
        // As the view of alerts has them, too.
        "rule.title" | "title" => Value::string(&*meta.title),
        "rule.source" => Value::string(rule.origin.vendor.as_str()),
        "rule.language" => Value::string(rule.origin.language.as_str()),
        "severity" | "level" => Value::string(meta.severity.as_str()),
        "building_block" => Value::Bool(rule.trigger.building_block),
        // Only rules of a vendor with sorts of rules say it; one that raises nothing says its sort.
        "raises" if meta.kind.is_empty() => Value::Null,
        "raises" => match rule.trigger.raises.words() {
            [] => Value::string(&*meta.kind),
            words => Value::list(words.iter().map(|word| Value::string(*word))),
        },
        "attack.technique" => Value::list(meta.attack.techniques.iter().map(Value::string)),
        _ => return None,
    };
    let passes = |element: &Value| element_passes(&predicate.test, predicate.case, element);
    Some(over_elements(predicate.elements, value.elements(), passes))
}

/// Rules that reach each other.
struct Circles {
    /// The circle of each rule; most are alone in theirs.
    of: Vec<usize>,
    size: Vec<usize>,
}

/// Kosaraju's algorithm, without recursion: chains of rules may be long.
fn circles(reads: &[Vec<usize>]) -> Circles {
    let mut read_by = vec![Vec::new(); reads.len()];
    for (at, own) in reads.iter().enumerate() {
        own.iter().for_each(|read| read_by[*read].push(at));
    }
    let mut seen = vec![false; reads.len()];
    let mut finished = Vec::with_capacity(reads.len());
    for start in 0..reads.len() {
        let mut path = vec![(start, 0)];
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        while let Some((at, next)) = path.pop() {
            match reads[at].get(next) {
                None => finished.push(at),
                Some(read) => {
                    path.push((at, next + 1));
                    if !std::mem::replace(&mut seen[*read], true) {
                        path.push((*read, 0));
                    }
                }
            }
        }
    }
    let mut circles = Circles { of: vec![usize::MAX; reads.len()], size: Vec::new() };
    for start in finished.into_iter().rev() {
        if circles.of[start] != usize::MAX {
            continue;
        }
        let own = circles.size.len();
        circles.size.push(0);
        circles.of[start] = own;
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            circles.size[own] += 1;
            for reader in &read_by[at] {
                if circles.of[*reader] == usize::MAX {
                    circles.of[*reader] = own;
                    open.push(*reader);
                }
            }
        }
    }
    circles
}

/// One above the highest that is read, over circles; what has state is above the events.
fn levels(rules: &[Arc<Rule>], reads: &[Vec<usize>], circles: &Circles) -> Vec<usize> {
    let least = |rule: &Rule| {
        let alerts = rule.sources.iter().any(|source| matches!(source, Source::Alerts { .. }));
        usize::from(alerts || rule.stateful().is_some() || rule.is_pipeline())
    };
    let mut level = vec![0; circles.size.len()];
    for (at, rule) in rules.iter().enumerate() {
        level[circles.of[at]] = level[circles.of[at]].max(least(rule));
    }
    let mut members = vec![Vec::new(); circles.size.len()];
    (0..rules.len()).for_each(|at| members[circles.of[at]].push(at));
    // Kosaraju's second pass meets readers before what they read; so, from the last circle on,
    // what is read comes before who reads it.
    for circle in (0..members.len()).rev() {
        let read = members[circle].iter().flat_map(|at| &reads[*at]);
        let below = read.filter(|read| circles.of[**read] != circle);
        let above = below.map(|read| level[circles.of[*read]] + 1).max().unwrap_or(0);
        level[circle] = level[circle].max(above);
    }
    circles.of.iter().map(|circle| level[*circle]).collect()
}
