//! Correlations: a table for each type, with window edges, equal times, firing again, aliases,
//! `generate`, missing group fields. Every case runs through the whole of the engine, see
//! `support/state.rs`.

mod support;

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use rulestone_engine::StateCounts;
use rulestone_ir::Rule;
use rulestone_rules::{Environment, Selection, load_texts};
use support::state::{check_rules, files, logs, reference, run, settings, sorted, with_state};

/// Rules about events 1, 2 and 3 of one channel.
const BASE: &str = "
title: A
name: a
id: rule-a
logsource: {product: windows, service: security}
detection: {s: {EventID: 1}, condition: s}
---
title: B
name: b
id: rule-b
logsource: {product: windows, service: security}
detection: {s: {EventID: 2}, condition: s}
---
title: C
name: c
id: rule-c
logsource: {product: windows, service: security}
detection: {s: {EventID: [3, 2]}, condition: s}
---
";

fn rules(text: &str) -> Vec<Arc<Rule>> {
    let ledger = load_texts(
        &[("base.yml", BASE), ("case.yml", text)],
        &Environment::default(),
        &Selection::default(),
    );
    for entry in &ledger.entries {
        assert!(entry.rule.is_ok(), "{}: {:?}", entry.meta.title, entry.diagnostics);
    }
    ledger.loaded()
}

/// Checks what correlations find.
fn check(name: &str, correlation: &str, events: &str, expected: &str) -> StateCounts {
    check_rules(name, &rules(correlation), events, expected, |line| line.contains(" of "))
}

/// Checks what comes out, the alerts of single events among it.
fn check_everything(name: &str, correlation: &str, events: &str, expected: &str) {
    check_rules(name, &rules(correlation), events, expected, |_| true);
}

fn correlation(body: &str) -> String {
    format!("title: X\nid: x\ncorrelation: {{{body}}}\n")
}

/// Cases: name, the correlation's keys, events, what is found.
type Cases<'a> = &'a [(&'a str, &'a str, &'a str, &'a str)];

fn check_all(cases: Cases<'_>) {
    for (name, body, events, expected) in cases {
        check(name, &correlation(body), events, expected);
    }
}

#[test]
fn event_count() {
    const THREE: &str = "type: event_count, rules: [a], group-by: [Computer], timespan: 10s, \
                         condition: {gte: 3}";
    check_all(&[
        ("at the edge", THREE, "0 1 Computer=h\n5 1 Computer=h\n10 1 Computer=h", "10 X h 3 of 3"),
        ("past the edge", THREE, "0 1 Computer=h\n5 1 Computer=h\n10.0000001 1 Computer=h", ""),
        (
            "a tick inside",
            THREE,
            "0.0000001 1 Computer=h\n5 1 Computer=h\n10.0000001 1 Computer=h",
            "10.0000001 X h 3 of 3",
        ),
        ("equal times", THREE, "0 1 Computer=h\n0 1 Computer=h\n0 1 Computer=h", "0 X h 3 of 3"),
        (
            "groups apart",
            THREE,
            "0 1 Computer=h\n1 1 Computer=i\n2 1 Computer=h\n3 1 Computer=i\n4 1 Computer=h",
            "4 X h 3 of 3",
        ),
        ("other events do not count", THREE, "0 1 Computer=h\n1 2 Computer=h\n2 1 Computer=h", ""),
        (
            "out of order in the log",
            THREE,
            "10 1 Computer=h\n0 1 Computer=h\n5 1 Computer=h",
            "10 X h 3 of 3",
        ),
        (
            "over two logs",
            THREE,
            "0 1 Computer=h\n10 1 Computer=h\n--\n5 1 Computer=h",
            "10 X h 3 of 3",
        ),
        (
            "fires once while it goes on",
            THREE,
            "0 1 Computer=h\n1 1 Computer=h\n2 1 Computer=h\n3 1 Computer=h\n12 1 Computer=h\n20 1 Computer=h\n29 1 Computer=h\n30 1 Computer=h",
            "2 X h 3 of 3",
        ),
        (
            "quiet for exactly the timespan is not quiet",
            THREE,
            "0 1 Computer=h\n1 1 Computer=h\n2 1 Computer=h\n12 1 Computer=h\n13 1 Computer=h\n14 1 Computer=h",
            "2 X h 3 of 3",
        ),
        (
            "again after quiet",
            THREE,
            "0 1 Computer=h\n1 1 Computer=h\n2 1 Computer=h\n13 1 Computer=h\n14 1 Computer=h\n15 1 Computer=h",
            "2 X h 3 of 3\n15 X h 3 of 3",
        ),
        (
            "greater than",
            "type: event_count, rules: [a], timespan: 10s, condition: {gt: 1}",
            "0 1\n1 1",
            "1 X 2 of 2",
        ),
        (
            "several rules count together, an event once for each",
            "type: event_count, rules: [b, c], timespan: 10s, condition: {gte: 3}",
            "0 2\n1 3",
            "1 X 3 of 3",
        ),
        (
            "fewer, once the window is over",
            "type: event_count, rules: [a], group-by: [Computer], timespan: 10s, condition: {lt: 3}",
            "0 1 Computer=h\n10 1 Computer=h\n11 1 Computer=h\n12 1 Computer=h\n21 1 Computer=h\n60 2 Computer=h",
            "10 X h 2 of 2",
        ),
        (
            "exactly",
            "type: event_count, rules: [a], timespan: 10s, condition: {eq: 2}",
            "0 1\n1 1\n50 1\n51 1\n52 1\n100 1\n101 1\n200 2",
            "1 X 2 of 2\n101 X 2 of 2",
        ),
        (
            "a range",
            "type: event_count, rules: [a], timespan: 10s, condition: {gte: 2, lte: 3}",
            "0 1\n1 1\n2 1\n50 1\n100 1\n101 1\n102 1\n103 1\n200 2",
            "2 X 3 of 3",
        ),
        (
            "the end of the log leaves an upper bound undecided",
            "type: event_count, rules: [a], timespan: 10s, condition: {lt: 3}",
            "0 1\n10 2",
            "",
        ),
        (
            "no bound is met by nothing",
            "type: event_count, rules: [a], timespan: 10s, condition: {gte: 0}",
            "0 2",
            "",
        ),
    ]);
}

#[test]
fn missing_group_fields() {
    let body = "type: event_count, rules: [a], group-by: [Computer, User], timespan: 10s, condition: {gte: 2}";
    let counts = check(
        "missing",
        &correlation(body),
        "0 1 Computer=h User=u\n1 1 Computer=h\n2 1 User=u\n3 1\n4 1 Computer=h User=u",
        "4 X h u 2 of 2",
    );
    assert_eq!((counts.rows, counts.keyless), (2, 3), "rows without a key are counted");
    let untimed = correlation("type: event_count, rules: [a], timespan: 10s, condition: {gte: 1}");
    let rules = rules(&untimed);
    let text = "{\"EventID\":1,\"Channel\":\"Security\",\"SourceName\":\"x\"}\n".to_owned();
    let (_folder, files) = files(&[text]);
    let (found, counts) = run(&rules, &files, settings(1, 1 << 30));
    assert_eq!((found.as_str(), counts.untimed), ("", 1), "an event without a time is counted");
}

#[test]
fn value_count() {
    const TWO: &str = "type: value_count, rules: [a], group-by: [Computer], timespan: 10s, \
                       condition: {field: User, gte: 3}";
    check_all(&[
        (
            "different values",
            TWO,
            "0 1 Computer=h User=a\n5 1 Computer=h User=b\n10 1 Computer=h User=c",
            "10 X h 3 of 3",
        ),
        (
            "past the edge",
            TWO,
            "0 1 Computer=h User=a\n5 1 Computer=h User=b\n11 1 Computer=h User=c",
            "",
        ),
        (
            "the same again is no other",
            TWO,
            "0 1 Computer=h User=a\n1 1 Computer=h User=b\n2 1 Computer=h User=a",
            "",
        ),
        (
            "a value counts by its latest event",
            TWO,
            "0 1 Computer=h User=a\n5 1 Computer=h User=b\n9 1 Computer=h User=a\n15 1 Computer=h User=c",
            "15 X h 3 of 3",
        ),
        (
            "case tells values apart",
            TWO,
            "0 1 Computer=h User=a\n1 1 Computer=h User=A\n2 1 Computer=h User=b",
            "2 X h 3 of 3",
        ),
        (
            "no value does not count",
            TWO,
            "0 1 Computer=h User=a\n1 1 Computer=h\n2 1 Computer=h User=b",
            "",
        ),
        (
            "two fields together",
            "type: value_count, rules: [a], timespan: 10s, condition: {field: [User, Ip], gte: 3}",
            "0 1 User=a Ip=1\n1 1 User=a Ip=2\n2 1 User=b Ip=1",
            "2 X 3 of 3",
        ),
        (
            "few values, once the window is over",
            "type: value_count, rules: [a], timespan: 10s, condition: {field: User, lte: 1}",
            "0 1 User=a\n9 1 User=a\n20 1 User=b\n21 1 User=c\n99 2",
            "9 X 1 of 1",
        ),
        (
            "again after quiet",
            TWO,
            "0 1 Computer=h User=a\n1 1 Computer=h User=b\n2 1 Computer=h User=c\n3 1 Computer=h User=d\n20 1 Computer=h User=a\n21 1 Computer=h User=b\n22 1 Computer=h User=c",
            "2 X h 3 of 3\n22 X h 3 of 3",
        ),
    ]);
}

#[test]
fn temporal() {
    const BOTH: &str = "type: temporal, rules: [a, b], group-by: [Computer], timespan: 10s";
    check_all(&[
        ("in order", BOTH, "0 1 Computer=h\n10 2 Computer=h", "10 X h 2 of 2"),
        ("in any order", BOTH, "0 2 Computer=h\n10 1 Computer=h", "10 X h 2 of 2"),
        ("past the edge", BOTH, "0 1 Computer=h\n11 2 Computer=h", ""),
        ("at one time", BOTH, "3 1 Computer=h\n3 2 Computer=h", "3 X h 2 of 2"),
        ("on two hosts", BOTH, "0 1 Computer=h\n1 2 Computer=i", ""),
        (
            "the latest counts",
            BOTH,
            "0 1 Computer=h\n9 1 Computer=h\n15 2 Computer=h",
            "15 X h 2 of 2",
        ),
        ("one twice is not both", BOTH, "0 1 Computer=h\n1 1 Computer=h", ""),
        (
            "one event for two rules",
            "type: temporal, rules: [b, c], timespan: 10s",
            "0 2",
            "0 X 2 of 2",
        ),
        (
            "two of three",
            "type: temporal, rules: [a, b, c], timespan: 10s, condition: {gte: 2}",
            "0 1\n1 3",
            "1 X 2 of 2",
        ),
        (
            "in words",
            "type: temporal, rules: [a, b, c], timespan: 10s, condition: a and (b or c)",
            "0 1\n1 3",
            "1 X 2 of 2",
        ),
        (
            "without the other, once the window is over",
            "type: temporal, rules: [a, b], group-by: [Computer], timespan: 10s, condition: a and not b",
            "0 1 Computer=h\n5 2 Computer=h\n0 1 Computer=i\n30 3 Computer=x",
            "0 X i 1 of 1",
        ),
        (
            "again after quiet",
            BOTH,
            "0 1 Computer=h\n1 2 Computer=h\n2 1 Computer=h\n20 1 Computer=h\n21 2 Computer=h",
            "1 X h 2 of 2\n21 X h 2 of 2",
        ),
    ]);
}

#[test]
fn temporal_ordered() {
    const ORDER: &str =
        "type: temporal_ordered, rules: [a, b], group-by: [Computer], timespan: 10s";
    const THREE: &str = "type: temporal_ordered, rules: [a, b, c], timespan: 10s";
    check_all(&[
        ("in order", ORDER, "0 1 Computer=h\n10 2 Computer=h", "10 X h 2 of 2"),
        ("out of order", ORDER, "0 2 Computer=h\n10 1 Computer=h", ""),
        ("past the edge", ORDER, "0 1 Computer=h\n10.5 2 Computer=h", ""),
        ("equal times go by the record", ORDER, "3 1 Computer=h\n3 2 Computer=h", "3 X h 2 of 2"),
        ("equal times, the other way round", ORDER, "3 2 Computer=h\n3 1 Computer=h", ""),
        (
            "the later beginning counts",
            ORDER,
            "0 1 Computer=h\n8 1 Computer=h\n15 2 Computer=h",
            "15 X h 2 of 2",
        ),
        ("three with others between", THREE, "0 1\n1 1\n2 2\n3 1\n4 3", "4 X 3 of 3"),
        (
            "an event does not follow itself",
            "type: temporal_ordered, rules: [b, c], timespan: 10s",
            "0 2",
            "",
        ),
        (
            "but another like it does",
            "type: temporal_ordered, rules: [b, c], timespan: 10s",
            "0 2\n1 2",
            "1 X 2 of 2",
        ),
        (
            "two of three in order",
            "type: temporal_ordered, rules: [a, b, c], timespan: 10s, condition: {gte: 2}",
            "0 1\n1 3",
            "1 X 2 of 2",
        ),
        (
            "all in words",
            "type: temporal_ordered, rules: [a, b], timespan: 10s, condition: a and b",
            "0 1\n1 2",
            "1 X 2 of 2",
        ),
    ]);
}

#[test]
fn numbers() {
    check_all(&[
        (
            "sum at the edge",
            "type: value_sum, rules: [a], group-by: [Computer], timespan: 10s, condition: {field: Bytes, gte: 100}",
            "0 1 Computer=h Bytes=60\n10 1 Computer=h Bytes=40",
            "10 X h 100 of 2",
        ),
        (
            "sum past the edge",
            "type: value_sum, rules: [a], group-by: [Computer], timespan: 10s, condition: {field: Bytes, gte: 100}",
            "0 1 Computer=h Bytes=60\n11 1 Computer=h Bytes=40\n21 1 Computer=h Bytes=50.5\n22 1 Computer=h Bytes=49.5",
            "22 X h 100 of 2",
        ),
        (
            "what is no number does not count",
            "type: value_sum, rules: [a], timespan: 10s, condition: {field: Bytes, gt: 5}",
            "0 1 Bytes=many\n1 1\n2 1 Bytes=0x6",
            "2 X 6 of 1",
        ),
        (
            "mean, once the window is over",
            "type: value_avg, rules: [a], timespan: 10s, condition: {field: Bytes, gte: 50}",
            "0 1 Bytes=100\n1 1 Bytes=1\n2 1 Bytes=49\n20 1 Bytes=10\n21 1 Bytes=20\n99 2",
            "2 X 50 of 3",
        ),
        (
            "a lower bound at the log's end holds, and the finding says that it was cut",
            "type: value_avg, rules: [a], timespan: 10s, condition: {field: Bytes, gte: 50}",
            "0 1 Bytes=100\n10 2",
            "0 X 100 of 1 cut",
        ),
        (
            "percentile by nearest rank",
            "type: value_percentile, rules: [a], timespan: 10s, condition: {field: Bytes, percentile: 75, gte: 30}",
            "0 1 Bytes=10\n1 1 Bytes=20\n2 1 Bytes=30\n3 1 Bytes=40\n99 2",
            "3 X 30 of 4",
        ),
        (
            "rarer than",
            "type: value_percentile, rules: [a], timespan: 10s, condition: {field: User, lte: 25}",
            "0 1 User=x\n1 1 User=y\n2 1 User=x\n3 1 User=x\n99 2",
            "1 X 25 of 1",
        ),
        (
            "median of an even number",
            "type: value_median, rules: [a], timespan: 10s, condition: {field: Bytes, eq: 15}",
            "0 1 Bytes=20\n1 1 Bytes=10\n99 2",
            "1 X 15 of 2",
        ),
        (
            "least and greatest",
            "type: value_max, rules: [a], timespan: 10s, condition: {field: Bytes, lt: 15}",
            "0 1 Bytes=14\n1 1 Bytes=-3\n20 1 Bytes=15\n99 2",
            "1 X 14 of 2",
        ),
    ]);
}

#[test]
fn aliases() {
    let text = "
title: X
id: x
correlation:
  type: temporal
  rules: [a, b]
  group-by: [ip]
  timespan: 10s
  aliases:
    ip: {a: SourceIp, b: DestinationIp}
";
    let events =
        "0 1 SourceIp=1.1.1.1 DestinationIp=2.2.2.2\n5 2 SourceIp=9.9.9.9 DestinationIp=1.1.1.1";
    check("the same address in other fields", text, events, "5 X 1.1.1.1 2 of 2");
    let crossed = "0 1 SourceIp=1.1.1.1\n5 2 SourceIp=1.1.1.1";
    check("the same field is not meant", text, crossed, "");
    let half = text.replace("a: SourceIp, b: DestinationIp", "a: SourceIp");
    check(
        "a rule without the alias has the field",
        &half,
        "0 1 SourceIp=q\n5 2 ip=q",
        "5 X q 2 of 2",
    );
}

#[test]
fn generate_and_references() {
    let events = "0 1 Computer=h\n1 1 Computer=h";
    let body = "type: event_count, rules: [RULE], group-by: [Computer], timespan: 10s, condition: {gte: 2}";
    let by_name = correlation(&body.replace("RULE", "a"));
    check_everything("by name, the rule itself is silent", &by_name, events, "1 X h 2 of 2");
    let by_id = correlation(&body.replace("RULE", "RULE-A"));
    check_everything("by id", &by_id, events, "1 X h 2 of 2");
    let generates = correlation(&format!("{}, generate: true", body.replace("RULE", "a")));
    check_everything("generate", &generates, events, "0 A\n1 A\n1 X h 2 of 2");
    let beside = format!("{by_name}generate: true\n");
    check_everything("generate beside the section", &beside, events, "0 A\n1 A\n1 X h 2 of 2");
    let both = format!(
        "{by_name}---\ntitle: Y\nid: y\ncorrelation: {{{}, generate: true}}\n",
        body.replace("RULE", "a")
    );
    check_everything(
        "one that wants it is enough",
        &both,
        events,
        "0 A\n1 A\n1 X h 2 of 2\n1 Y h 2 of 2",
    );
    let unrelated = "0 2 Computer=h";
    check_everything("rules nobody refers to fire by themselves", &by_name, unrelated, "0 B\n0 C");
}

#[test]
fn correlations_of_correlations() {
    let text = "
title: Many
name: many
id: many
correlation: {type: event_count, rules: [a], group-by: [Computer], timespan: 10s, condition: {gte: 2}}
---
title: Then
id: then
correlation: {type: temporal_ordered, rules: [many, b], group-by: [User], timespan: 60s}
";
    let events = "0 1 Computer=h User=u\n1 1 Computer=h User=v\n30 2 Computer=i User=v";
    check("by the last event of the finding", text, events, "30 Then v 2 of 2");
    let early = "0 1 Computer=h User=v\n30 2 Computer=i User=v\n31 1 Computer=h User=v\n32 1 Computer=h User=v";
    check("a finding is where it became true", text, early, "");
    let wide = text.replace("60s", "29s");
    check("the window of the second", &wide, events, "30 Then v 2 of 2");
    check("and its edge", &text.replace("60s", "28s"), events, "");
}

#[test]
fn older_aggregations() {
    let rule = |condition: &str, timeframe: &str| {
        format!(
            "title: X\nid: x\nlogsource: {{product: windows, service: security}}\ndetection:\n  \
             s: {{EventID: 11}}\n  t: {{EventID: 12}}\n  u: {{EventID: 13}}\n{timeframe}  condition: {condition}\n"
        )
    };
    let ten = "  timeframe: 10s\n";
    let cases = [
        (
            "events",
            "s | count() by Computer > 1",
            ten,
            "0 11 Computer=h\n10 11 Computer=h",
            "10 X h 2 of 2",
        ),
        (
            "values",
            "s | count(User) by Computer >= 2",
            ten,
            "0 11 Computer=h User=a\n1 11 Computer=h User=a\n2 11 Computer=h User=b",
            "2 X h 2 of 2",
        ),
        ("without a timeframe", "s | count() > 1", "", "0 11\n999999 11", "999999 X 2 of 2"),
        ("sum", "s | sum(Bytes) > 5", ten, "0 11 Bytes=3\n1 11 Bytes=3", "1 X 6 of 2"),
        ("near", "s | near t", ten, "0 12\n10 11", "10 X 2 of 2"),
        ("near too far", "s | near t", ten, "0 12\n11 11", ""),
        (
            "near and not",
            "s | near t and not u",
            ten,
            "0 12\n1 11\n2 13\n50 12\n51 11\n99 14",
            "51 X 2 of 2",
        ),
    ];
    for (name, condition, timeframe, events, expected) in cases {
        check(name, &rule(condition, timeframe), events, expected);
    }
}

/// Random events of few kinds, hosts and times, so that everything meets.
fn events() -> impl Strategy<Value = String> {
    let event = (0_u32..60, 1_u32..4, 0_u32..3, 0_u32..4, 0_u32..5, 0_u32..12).prop_map(
        |(time, id, host, user, bytes, odd)| {
            let mut line = format!("{} {id} Bytes={}", f64::from(time) / 2.0, bytes * 10);
            if host < 2 {
                let _ = write!(line, " Computer=h{host}");
            }
            if user < 3 {
                let _ = write!(line, " User=u{user}");
            }
            if odd == 0 { format!("{line}\n--\n") } else { line + "\n" }
        },
    );
    proptest::collection::vec(event, 0..40).prop_map(|lines| lines.concat())
}

fn any_correlation() -> impl Strategy<Value = String> {
    let bounds = "{BOUNDS}";
    let kinds = [
        format!("type: event_count, rules: [a], condition: {bounds}"),
        format!("type: event_count, rules: [a, b, c], condition: {bounds}"),
        format!("type: value_count, rules: [b, c], condition: {{field: User, {bounds}}}"),
        format!("type: value_sum, rules: [a, c], condition: {{field: Bytes, {bounds}}}"),
        format!("type: value_avg, rules: [a], condition: {{field: Bytes, {bounds}}}"),
        format!("type: value_median, rules: [a], condition: {{field: Bytes, {bounds}}}"),
        format!(
            "type: value_percentile, rules: [a], condition: {{field: Bytes, percentile: 90, {bounds}}}"
        ),
        format!("type: value_percentile, rules: [a, b], condition: {{field: User, {bounds}}}"),
        "type: temporal, rules: [a, b, c]".to_owned(),
        "type: temporal, rules: [a, b, c], condition: a and not (b or c)".to_owned(),
        format!("type: temporal, rules: [a, b, c], condition: {bounds}"),
        "type: temporal_ordered, rules: [b, c, a]".to_owned(),
        format!("type: temporal_ordered, rules: [a, b, c], condition: {bounds}"),
    ];
    let all = ["gte: 2", "gt: 3", "lt: 3", "gte: 2, lte: 4", "eq: 2", "gte: 20", "lte: 40"];
    let groups = ["", ", group-by: [Computer]", ", group-by: [Computer, User]"];
    let spans = ["1s", "3s", "10s", "1m"];
    (
        proptest::sample::select(kinds.to_vec()),
        proptest::sample::select(all.to_vec()),
        proptest::sample::select(groups.to_vec()),
        proptest::sample::select(spans.to_vec()),
    )
        .prop_map(move |(kind, own, group, span)| {
            let kind = match kind.contains("condition: {BOUNDS}") {
                true => kind.replace(bounds, &format!("{{{own}}}")),
                false => kind.replace(bounds, own),
            };
            correlation(&format!("{kind}{group}, timespan: {span}"))
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_machines_are_the_reference(text in any_correlation(), events in events()) {
        let rules = rules(&text);
        let (_folder, files) = files(&logs(&events));
        let (found, _) = run(&rules, &files, settings(2, 0));
        let own = with_state(&found);
        let expected = reference(&rules, &files);
        prop_assert_eq!(sorted(&own), sorted(&expected), "{}\n{}", text, events);
    }
}
