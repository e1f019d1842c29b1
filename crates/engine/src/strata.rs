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
    let may_read = move |read: &Rule| filters.iter().any(|f| truth(f, read) != Some(false));
    rules.iter().enumerate().filter(move |(_, read)| may_read(read)).map(|(at, _)| at)
}

/// What a filter over alerts is for the alerts of a rule, as far as the rule alone settles it.
fn truth(formula: &Formula, rule: &Rule) -> Option<bool> {
    match formula {
        Formula::And(parts) => all(parts.iter().map(|part| truth(part, rule))),
        Formula::Or(parts) => {
            all(parts.iter().map(|part| truth(part, rule).map(|t| !t))).map(|t| !t)
        }
        Formula::Not(part) => truth(part, rule).map(|truth| !truth),
        Formula::Group(group) => truth(&group.formula, rule),
        Formula::Test(predicate) => constant(predicate, rule),
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
        usize::from(alerts || rule.stateful().is_some())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rulestone_ir::{
        Attack, Case, Clock, Comparison, Correlate, Duration, Elements, Evaluate, Input, Keys,
        Language, Measure, Meta, Origin, Refire, Schema, Scope, Severity, Stage, StageKind,
        Trigger, Vendor, When,
    };

    use super::*;

    fn rule(id: &str, sources: Vec<Source>) -> Rule {
        Rule {
            meta: Meta { id: id.to_owned(), title: format!("Rule {id}"), ..Meta::default() },
            origin: Origin {
                vendor: Vendor::Sigma,
                language: Language::Sigma,
                path: "test".into(),
                span: Span::default(),
                tests: Vec::new(),
            },
            sources,
            stages: Vec::new(),
            clock: Clock::Whole,
            trigger: Trigger::default(),
        }
    }

    fn scope() -> Scope {
        Scope { schema: Schema::Sigma, keys: BTreeMap::new() }
    }

    fn on_events(id: &str) -> Rule {
        rule(id, vec![Source::Events { scope: scope(), filter: Formula::TRUE }])
    }

    fn on_alerts(id: &str, filter: Formula) -> Rule {
        rule(id, vec![Source::Alerts { scope: scope(), filter }])
    }

    /// A rule with state over what other rules find.
    fn refers(id: &str, to: &[&str]) -> Rule {
        let refer = |to: &&str| Source::RuleRef {
            rule: (*to).into(),
            columns: Vec::new(),
            span: Span::default(),
        };
        let correlate = Correlate {
            by: Keys::default(),
            measure: Measure::Count,
            when: When::Measure(vec![(Comparison::GreaterOrEqual, 2.0)]),
            evaluate: Evaluate::OnEvent,
            refire: Refire::Each,
        };
        Rule {
            stages: vec![Stage {
                kind: StageKind::Correlate(correlate),
                inputs: (0..to.len()).map(Input::Source).collect(),
                span: Span::default(),
                native_name: "stage".into(),
            }],
            clock: Clock::Sliding { span: Duration::from_seconds(60) },
            ..rule(id, to.iter().map(refer).collect())
        }
    }

    fn is(name: &str, text: &str) -> Formula {
        Formula::Test(Predicate {
            field: Field::Named { schema: Schema::Sigma, name: name.into() },
            elements: Elements::Any,
            test: Test::Equals(text.to_owned()),
            case: Case::Insensitive,
            span: Span::default(),
        })
    }

    fn not(formula: Formula) -> Formula {
        Formula::Not(Box::new(formula))
    }

    /// Cases: name, rules, their strata, which of them are in a circle.
    type Cases<'a> = Vec<(&'a str, Vec<Rule>, &'a [usize], &'a [bool])>;

    fn check(cases: Cases<'_>) {
        for (name, rules, levels, circular) in cases {
            let rules: Vec<Arc<Rule>> = rules.into_iter().map(Arc::new).collect();
            let strata = Strata::new(&rules);
            assert_eq!(strata.of, levels, "{name}: strata");
            assert_eq!(strata.circular, circular, "{name}: circles");
            assert_eq!(strata.count(), levels.iter().max().map_or(0, |most| most + 1), "{name}");
            for (at, circular) in circular.iter().enumerate() {
                let code = strata.diagnostic(at).map(|diagnostic| diagnostic.code);
                assert_eq!(code, circular.then_some("alert-cycle"), "{name}: rule {at}");
            }
        }
    }

    #[test]
    fn levels_of_chains() {
        check(vec![
            ("nothing", vec![], &[], &[]),
            ("events alone", vec![on_events("a"), on_events("b")], &[0, 0], &[false; 2]),
            (
                "state is above events",
                vec![on_events("a"), refers("x", &["a"])],
                &[0, 1],
                &[false; 2],
            ),
            (
                "a chain",
                vec![on_events("a"), refers("x", &["a"]), refers("y", &["x"]), refers("z", &["y"])],
                &[0, 1, 2, 3],
                &[false; 4],
            ),
            (
                "in any order",
                vec![
                    refers("z", &["y", "a"]),
                    refers("y", &["x"]),
                    refers("x", &["a"]),
                    on_events("a"),
                ],
                &[3, 2, 1, 0],
                &[false; 4],
            ),
            ("what is not there", vec![refers("x", &["gone"])], &[1], &[false]),
            (
                "alerts of a chain",
                vec![
                    on_events("a"),
                    refers("x", &["a"]),
                    on_alerts("w", is("rule.id", "x")),
                    refers("v", &["w"]),
                ],
                &[0, 1, 2, 3],
                &[false; 4],
            ),
        ]);
        let rules = [on_events("a"), refers("x", &["gone", "a"])].map(Arc::new);
        assert_eq!(Strata::new(&rules).references, [vec![], vec![None, Some(0)]]);
    }

    #[test]
    fn rules_over_alerts_that_read_their_own() {
        let severe = Rule {
            meta: Meta { severity: Severity::High, ..on_alerts("w", Formula::TRUE).meta },
            ..on_alerts("w", is("severity", "high"))
        };
        let block =
            |filter| Rule { trigger: Trigger { building_block: true }, ..on_alerts("w", filter) };
        let technique = |filter| {
            let attack = Attack { techniques: vec!["T1059".to_owned()], ..Attack::default() };
            let w = on_alerts("w", filter);
            Rule { meta: Meta { attack, ..w.meta.clone() }, ..w }
        };
        let both = |a, b| Formula::And(vec![a, b]);
        let either = |a, b| Formula::Or(vec![a, b]);
        let whose = || is("entities.value", "x");
        let cases: [(&str, Rule, bool); 19] = [
            ("everything", on_alerts("w", Formula::TRUE), true),
            ("nothing", on_alerts("w", not(Formula::TRUE)), false),
            ("another id", on_alerts("w", is("rule.id", "a")), false),
            ("its own id", on_alerts("w", is("rule.id", "W")), true),
            ("not its id", on_alerts("w", not(is("rule.id", "w"))), false),
            ("not its title", on_alerts("w", not(is("rule.title", "Rule w"))), false),
            ("not its title, by its other name", on_alerts("w", not(is("title", "Rule w"))), false),
            ("another severity", on_alerts("w", is("severity", "high")), false),
            ("another severity, by its other name", on_alerts("w", is("level", "high")), false),
            ("its own severity", severe, true),
            ("no building block", on_alerts("w", is("building_block", "true")), false),
            ("building blocks", block(is("building_block", "true")), true),
            ("another technique", on_alerts("w", is("attack.technique", "T1059")), false),
            ("its technique", technique(is("attack.technique", "T1059")), true),
            ("another language", on_alerts("w", not(is("rule.language", "sigma"))), false),
            ("what the rule does not settle", on_alerts("w", whose()), true),
            ("nor the opposite of it", on_alerts("w", not(whose())), true),
            ("one of two settles it", on_alerts("w", both(whose(), is("rule.id", "a"))), false),
            ("one of two does not", on_alerts("w", either(whose(), is("rule.id", "a"))), true),
        ];
        for (name, w, circular) in cases {
            check(vec![(name, vec![w], &[1], &[circular])]);
        }
    }

    #[test]
    fn rules_over_alerts_that_read_each_other() {
        let v = || on_alerts("v", not(is("rule.id", "v")));
        let w = || on_alerts("w", not(is("rule.id", "w")));
        let above = || {
            let ids = Formula::Or(vec![is("rule.id", "v"), is("rule.id", "w")]);
            on_alerts("w", not(ids))
        };
        check(vec![
            ("both", vec![on_events("a"), v(), w()], &[0, 1, 1], &[false, true, true]),
            ("one is kept from it", vec![above(), v()], &[1, 2], &[false; 2]),
            (
                "through what refers to one",
                vec![on_alerts("v", is("rule.id", "x")), refers("x", &["v"])],
                &[1, 1],
                &[true, true],
            ),
            (
                "who reads a circle is above it",
                vec![v(), w(), refers("x", &["w"]), on_alerts("u", is("rule.id", "x"))],
                // The last may be read by the first two, which read whatever is not their own.
                &[1, 1, 1, 1],
                &[true; 4],
            ),
        ]);
    }
}
