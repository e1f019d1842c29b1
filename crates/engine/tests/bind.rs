//! What binding decides from the kind alone, and what it says of rules that cannot run.

mod support;

use std::sync::Arc;

use rulestone_engine::reference::fires;
use rulestone_engine::{Absent, BindSummary, Matcher, Obstacle, Plan};
use rulestone_events::{Fields, Ingest, Kind, Settings, Views};
use rulestone_ir::{Comparison, Elements, Field, Formula, Regex, Relation, Rule, Test};
use rulestone_value::TimePart;
use support::{EveryKind, equals, log, named, read, rule, scope, test, views};

const TABLE: &str = r#"
[[scope]]
match = { product = "windows" }
[[scope.kind]]
product = ["windows"]

[[scope]]
match = { product = "windows", category = "start" }
[[scope.kind]]
channel = ["Sysmon"]
event_id = [1]
[scope.kind.fields]
Fixed = "'abc'"
Where = "coalesce(EventData_Channel, Channel)"
Code = "concat(EventID, '/', 'x')"
Word = "lookup(words, EventID)"
[[scope.kind]]
channel = ["Security"]
event_id = [4688]
stand_in = "it has no hashes"
fields = { Image = "NewProcessName" }

[[scope]]
match = { product = "windows", category = "asking" }
[[scope.kind]]
channel = ["Security"]
event_id = [5]
when = { Sort = ["File", "Key"], Mode = ["rw"] }
fields = { Name = "'asked for'", Mode = "coalesce(Access, Mode)" }
[[scope.kind]]
channel = ["Security"]
event_id = [5, 6]
fields = { Name = "'the rest'" }
[[scope.kind]]
channel = ["Security"]
fields = { Name = "'never for 5 and 6'" }

[tables.words]
"1" = "one"
"#;

fn tables() -> Views {
    views(TABLE)
}

fn kind(channel: &str, event_id: &str) -> Arc<Kind> {
    Arc::new(Kind {
        product: Arc::from("windows"),
        dataset: Arc::from(""),
        channel: Arc::from(channel),
        provider: Arc::from(""),
        event_id: Arc::from(event_id),
    })
}

fn number(field: &str, comparison: Comparison, than: f64) -> Formula {
    test(named(field), Test::Number(comparison, than))
}

fn same(left: &str, right: &str) -> Formula {
    test(named(left), Test::SameAs(named(right), Relation::Equals))
}

fn exists(field: &str) -> Formula {
    test(named(field), Test::Exists)
}

/// A filter, a kind, and the fields that are left to be read; `None` when it cannot hold.
type Case = (Formula, (&'static str, &'static str), Option<&'static [&'static str]>);

#[test]
fn what_the_kind_says_is_decided_at_binding() {
    const NEVER: Option<&[&str]> = None;
    const ALWAYS: Option<&[&str]> = Some(&[]);
    let cases: Vec<Case> = vec![
        (Formula::TRUE, ("Sysmon", "1"), ALWAYS),
        (Formula::FALSE, ("Sysmon", "1"), NEVER),
        (equals("EventID", "1"), ("Sysmon", "1"), ALWAYS),
        (equals("EventID", "2"), ("Sysmon", "1"), NEVER),
        (Formula::not(equals("EventID", "2")), ("Sysmon", "1"), ALWAYS),
        (Formula::not(equals("EventID", "1")), ("Sysmon", "1"), NEVER),
        (number("EventID", Comparison::Less, 2.0), ("Sysmon", "1"), ALWAYS),
        (number("EventID", Comparison::Greater, 1.0), ("Sysmon", "1"), NEVER),
        (equals("Channel", "sysmon"), ("Sysmon", "1"), ALWAYS),
        (exists("Provider_Name"), ("Sysmon", "1"), NEVER),
        (Formula::not(exists("Provider_Name")), ("Sysmon", "1"), ALWAYS),
        (equals("Fixed", "ABC"), ("Sysmon", "1"), ALWAYS),
        (equals("Fixed", "abcd"), ("Sysmon", "1"), NEVER),
        (equals("Code", "1/x"), ("Sysmon", "1"), ALWAYS),
        (equals("Word", "one"), ("Sysmon", "1"), ALWAYS),
        (equals("Word", "1"), ("Sysmon", "1"), NEVER),
        (same("Fixed", "Fixed"), ("Sysmon", "1"), ALWAYS),
        (same("Fixed", "EventID"), ("Sysmon", "1"), NEVER),
        (same("Fixed", "Image"), ("Sysmon", "1"), Some(&["Image"])),
        (equals("Where", "Sysmon"), ("Sysmon", "1"), Some(&["EventData_Channel"])),
        (equals("Image", "x"), ("Sysmon", "1"), Some(&["Image"])),
        (equals("Image", "x"), ("Security", "4688"), Some(&["NewProcessName"])),
        (equals("Image", "x"), ("Sysmon", "2"), NEVER),
        (
            Formula::and([equals("EventID", "1"), equals("Image", "x")]),
            ("Sysmon", "1"),
            Some(&["Image"]),
        ),
        (Formula::and([equals("EventID", "2"), equals("Image", "x")]), ("Sysmon", "1"), NEVER),
        (
            Formula::or([equals("EventID", "2"), equals("Image", "x")]),
            ("Sysmon", "1"),
            Some(&["Image"]),
        ),
        (
            Formula::or([exists("Provider_Name"), Formula::not(equals("Fixed", "abc"))]),
            ("Sysmon", "1"),
            NEVER,
        ),
    ];
    for (filter, (channel, event_id), expected) in cases {
        let what = format!("{filter:?} on {channel} {event_id}");
        let start = scope("product=windows category=start");
        let plan = Plan::new(vec![rule(vec![(start, filter)])], &tables());
        let program = plan.program(&kind(channel, event_id));
        assert_eq!(program.rules().len(), usize::from(expected.is_some()), "{what}");
        let fields = match expected {
            None => Fields::None,
            Some(fields) => Fields::Some(fields.iter().map(|f| Arc::from(*f)).collect()),
        };
        assert_eq!(*program.fields(), fields, "{what}");
    }
}

/// The rules that fire on the one record of a log, by the matcher and by the reference.
fn firing(rules: &[Arc<Rule>], record: &str) -> Vec<usize> {
    let views = tables();
    let plan = Plan::new(rules.to_vec(), &views);
    let (mut ingest, mut matcher) = (Ingest::new(Settings::default()), Matcher::new(&plan));
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    let unit = log(record).next_unit().expect("a unit");
    ingest.read(unit.into_records(), &EveryKind(&plan), |batch| {
        matcher.run(batch, |_, program, rules| {
            found.extend(rules.iter().map(|at| program.rules()[*at as usize].rule));
        });
        let event = batch.event(&batch.rows[0]);
        expected.extend((0..rules.len()).filter(|at| fires(&rules[*at], &views, &event)));
    });
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, expected, "{record}");
    found
}

#[test]
fn an_entry_serves_the_events_it_asks_for_and_the_first_that_asks_for_nothing_ends_the_list() {
    let names = ["asked for", "the rest", "never for 5 and 6"];
    let asking =
        |name| rule(vec![(scope("product=windows category=asking"), equals("Name", name))]);
    let rules = names.map(asking);
    // An event that is asked for is also one of the rest: a rule may hold by either entry.
    let cases: [(&str, &[usize]); 10] = [
        (r#"{"EventID":5,"Channel":"Security","Sort":"File","Mode":"rw"}"#, &[0, 1]),
        (r#"{"EventID":5,"Channel":"Security","Sort":"KEY","Mode":"RW"}"#, &[0, 1]),
        (r#"{"EventID":5,"Channel":"Security","Sort":["x","key"],"Mode":"rw"}"#, &[0, 1]),
        (r#"{"EventID":5,"Channel":"Security","Sort":"Key","Access":"rw","Mode":"r"}"#, &[0, 1]),
        (r#"{"EventID":5,"Channel":"Security","Sort":"Key","Mode":"r"}"#, &[1]),
        (r#"{"EventID":5,"Channel":"Security","Sort":"Key"}"#, &[1]),
        (r#"{"EventID":5,"Channel":"Security","Mode":"rw"}"#, &[1]),
        (r#"{"EventID":6,"Channel":"Security","Sort":"Key","Mode":"rw"}"#, &[1]),
        (r#"{"EventID":7,"Channel":"Security"}"#, &[2]),
        (r#"{"EventID":5,"Channel":"System","Sort":"Key","Mode":"rw"}"#, &[]),
    ];
    for (record, expected) in cases {
        assert_eq!(firing(&rules, record), expected, "{record}");
    }
}

#[test]
fn an_event_has_one_event_id_one_channel_and_one_provider() {
    let on = |filter| rule(vec![(scope("product=windows"), filter)]);
    let rules = [
        on(equals("EventID", "1")),
        on(equals("EventID", "2")),
        on(equals("Channel", "Security")),
        on(exists("Provider_Name")),
        on(test(Field::Any, Test::Equals("2".to_owned()))),
    ];
    let cases: [(&str, &[usize]); 7] = [
        (r#"{"EventID":1,"Channel":"Security"}"#, &[0, 2]),
        (r#"{"EventID":" 1 ","Channel":" Security\n"}"#, &[0, 2]),
        (r#"{"EventID":[1,2],"Channel":"Security"}"#, &[1, 2, 4]),
        (r#"{"EventID":[2,null],"Channel":"Security"}"#, &[1, 2, 4]),
        (r#"{"EventID":2,"Channel":"System","Channel":"Security"}"#, &[1, 2, 4]),
        (r#"{"EventID":1,"Channel":"Security","SourceName":""}"#, &[0, 2]),
        (r#"{"EventID":1,"Channel":"Security","SourceName":"S"}"#, &[0, 2, 3]),
    ];
    for (record, expected) in cases {
        assert_eq!(firing(&rules, record), expected, "{record}");
    }
}

#[test]
fn where_the_two_may_differ_they_agree() {
    let single = |field, test| {
        let Formula::Test(mut predicate) = support::test(field, test) else { unreachable!() };
        predicate.elements = Elements::Single;
        Formula::Test(predicate)
    };
    let any = |text: &str| test(Field::Any, Test::Contains(text.to_owned()));
    // What fires: the rule for records of unknown kind, the one for Windows.
    let sun =
        Regex { pattern: "sun".to_owned(), ignore_case: true, multi_line: false, dot_all: false };
    let cases: [(&str, Formula, &str, &[usize]); 7] = [
        (
            "an s without case is also a long s",
            test(named("a"), Test::Regex(sun)),
            r#"{"a":"ſUN"}"#,
            &[0],
        ),
        (
            "several values are not a single one",
            single(named("a"), Test::Exists),
            r#"{"a":[1,2]}"#,
            &[],
        ),
        ("a name with spaces", equals("ab", "2"), r#"{"a b":1,"ab":2}"#, &[0]),
        ("the text of a number is not its token", any("1000"), r#"{"a":1e3}"#, &[0]),
        (
            "a number of many digits is rounded",
            any("0.12345678901234568"),
            r#"{"a":0.12345678901234567890}"#,
            &[0],
        ),
        (
            "a shape adds a channel",
            any("sysmon"),
            r#"{"EventId":1,"UtcTime":"2021-01-03 23:59:01"}"#,
            &[1],
        ),
        (
            "an event id is a number and no text",
            test(named("EventID"), Test::TimePart(TimePart::Year, Comparison::Equal, 1970.0)),
            r#"{"EventID":"1","Channel":"Security"}"#,
            &[1],
        ),
    ];
    for (what, filter, record, expected) in cases {
        let on = |words| rule(vec![(scope(words), filter.clone())]);
        assert_eq!(
            firing(&["product=linux", "product=windows"].map(on), record),
            expected,
            "{what}"
        );
    }
}

#[test]
fn what_is_remembered_does_not_outlive_the_codes_it_is_about() {
    let on = |filter| rule(vec![(scope("product=linux"), filter)]);
    let same = |left, right| test(named(left), Test::SameAs(named(right), Relation::Equals));
    let plan = Plan::new(vec![on(equals("a", "x")), on(same("a", "b"))], &Views::default());
    let (mut ingest, mut matcher) = (Ingest::new(Settings::default()), Matcher::new(&plan));
    let mut firing = |text: &str| {
        let (mut log, mut found) = (log(text), Vec::new());
        while let Some(unit) = log.next_unit() {
            ingest.read(unit.into_records(), &plan, |batch| {
                matcher.run(batch, |row, program, rules| {
                    let rules = rules.iter().map(|at| program.rules()[*at as usize].rule);
                    found.extend(rules.map(|rule| (batch.rows[row].record, rule)));
                });
            });
        }
        found
    };
    assert_eq!(firing(r#"{"a":"x","b":"x"}"#), [(1, 0), (1, 1)]);
    // More distinct names than are remembered: the ingest starts anew.
    let names: Vec<String> = (0..70_000).map(|at| format!("\"n{at}\":0")).collect();
    assert_eq!(firing(&format!("{{{}}}", names.join(","))), []);
    assert_eq!(firing(r#"{"a":"y","b":"z"}"#), []);
    assert_eq!(firing(r#"{"a":"z","b":"z"}"#), [(1, 1)]);
}

const NO_EVENT: &str = r#"{"a":1}"#;
const SYSMON: &str = r#"{"EventID":1,"Channel":"Sysmon","Image":"x"}"#;
const SYSMON_OTHER: &str = r#"{"EventID":3,"Channel":"Sysmon","Image":"x"}"#;
const SECURITY: &str = r#"{"EventID":4688,"Channel":"Security","NewProcessName":"x"}"#;
const SECURITY_OTHER: &str = r#"{"EventID":4624,"Channel":"Security"}"#;

fn summary(scope_words: &str, filter: Formula, records: &[&str]) -> BindSummary {
    let plan = Plan::new(vec![rule(vec![(scope(scope_words), filter)])], &tables());
    plan.summary(&read(&records.join("\n")).0)
}

#[test]
fn what_keeps_a_rule_from_firing_is_said() {
    let no_event = |labels: &[&str]| {
        // The tables of these tests have one log a label: its first word.
        let absent = labels.iter().map(|label| Absent {
            label: (*label).to_owned(),
            logs: label.split(' ').take(1).map(str::to_owned).collect(),
        });
        Some(Obstacle::NoEvent(absent.collect()))
    };
    let no_field = |names: &[&str]| {
        Some(Obstacle::NoField(names.iter().map(|name| Arc::from(*name)).collect()))
    };
    let no_table = |scope: &str| Some(Obstacle::NoTable(scope.to_owned()));
    let start = "product=windows category=start";
    let windows = "product=windows";
    let x = || equals("Image", "x");
    let cases: Vec<(&str, Formula, &[&str], Option<Obstacle>)> = vec![
        (start, x(), &[SYSMON], None),
        (start, x(), &[SECURITY], None),
        (start, x(), &[SYSMON_OTHER], no_event(&["Sysmon 1"])),
        (start, x(), &[], no_event(&["Sysmon 1"])),
        (start, equals("Hashes", "x"), &[SYSMON], no_field(&["Hashes"])),
        (start, Formula::and([x(), exists("Hashes")]), &[SYSMON], no_field(&["Hashes"])),
        (start, Formula::or([x(), exists("Hashes")]), &[SYSMON], None),
        (start, Formula::and([x(), Formula::not(exists("Hashes"))]), &[SYSMON], None),
        (start, equals("Where", "Sysmon"), &[SYSMON], no_field(&["Where"])),
        (start, test(Field::Any, Test::Contains("never".to_owned())), &[SYSMON], None),
        (start, equals("Fixed", "other"), &[SYSMON], Some(Obstacle::Never)),
        (start, equals("EventID", "9"), &[SYSMON], Some(Obstacle::Never)),
        (windows, equals("EventID", "4624"), &[SECURITY, SECURITY_OTHER], None),
        (windows, equals("EventID", "4624"), &[SECURITY], no_event(&["windows 4624"])),
        (
            windows,
            Formula::or([equals("EventID", "4624"), equals("EventID", "4625")]),
            &[SECURITY],
            no_event(&["windows 4624", "windows 4625"]),
        ),
        ("product=linux", x(), &[SYSMON], no_table("sigma(product=linux)")),
        ("product=linux", x(), &[NO_EVENT], no_field(&["Image"])),
        ("product=linux", exists("a"), &[NO_EVENT], None),
        ("product=linux", Formula::FALSE, &[NO_EVENT], Some(Obstacle::Never)),
    ];
    for (scope, filter, records, expected) in cases {
        let what = format!("{scope}: {filter:?} on {records:?}");
        assert_eq!(summary(scope, filter, records).obstacles, [expected], "{what}");
    }
}

#[test]
fn a_rule_that_runs_through_stand_ins_alone_says_which() {
    let start = "product=windows category=start";
    let cases: [(&[&str], &[&str]); 4] = [
        (&[SYSMON], &[]),
        (&[SECURITY], &["it has no hashes"]),
        (&[SYSMON, SECURITY], &[]),
        (&[SECURITY_OTHER], &[]),
    ];
    for (records, expected) in cases {
        let stand_ins = summary(start, equals("Image", "x"), records).stand_ins;
        assert_eq!(stand_ins.len(), 1);
        assert!(stand_ins[0].iter().eq(expected), "{records:?}: {stand_ins:?}");
    }
}
