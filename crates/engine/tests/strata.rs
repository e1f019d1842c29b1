//! In which order rules run that read what others find.

use std::collections::BTreeMap;
use std::sync::Arc;

use rulestone_engine::Strata;
use rulestone_ir::{
    Attack, Case, Clock, Comparison, Correlate, Duration, Elements, Evaluate, Field, Formula,
    Input, Keys, Language, Measure, Meta, Origin, Predicate, Refire, Rule, Schema, Scope, Severity,
    Source, Span, Stage, StageKind, Test, Trigger, Vendor, When,
};

fn rule(id: &str, sources: Vec<Source>) -> Rule {
    Rule {
        meta: Meta { id: id.to_owned(), title: format!("Rule {id}"), ..Meta::default() },
        origin: Origin {
            vendor: Vendor::Sigma,
            language: Language::Sigma,
            path: "test".into(),
            span: Span::default(),
            tests: Vec::new(),
            drilldowns: Vec::new(),
            search: None,
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
        ("state is above events", vec![on_events("a"), refers("x", &["a"])], &[0, 1], &[false; 2]),
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
    let block = |filter| Rule {
        trigger: Trigger { building_block: true, ..Trigger::default() },
        ..on_alerts("w", filter)
    };
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
