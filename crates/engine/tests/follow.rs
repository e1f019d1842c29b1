//! Following a log gives what scanning it gives: rules with state among them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use rulestone_engine::{
    Finding, Found, Hit, LogFile, Made, Plan, ScanSettings, Session, UnitOutcome, Watcher,
};
use rulestone_events::Views;
use rulestone_rules::{Environment, Selection, load_texts};

const RULES: &str = "
title: A
name: a
logsource: {product: windows, service: security}
detection: {s: {EventID: 1}, condition: s}
---
title: B
name: b
logsource: {product: windows, service: security}
detection: {s: {EventID: 2}, condition: s}
---
title: Many
name: many
correlation: {type: event_count, rules: [a], group-by: [Computer], timespan: 5s, condition: {gte: 3}}
---
title: Few
correlation: {type: event_count, rules: [b], group-by: [Computer], timespan: 5s, condition: {lt: 2}}
---
title: Values
correlation: {type: value_count, rules: [a, b], group-by: [Computer], timespan: 8s, condition: {field: User, gte: 3}}
---
title: Mean
correlation: {type: value_avg, rules: [a], timespan: 4s, condition: {field: Bytes, gte: 20}}
---
title: Order
correlation: {type: temporal_ordered, rules: [many, b], group-by: [Computer], timespan: 20s}
generate: true
";

/// Events in the order of time.
fn log() -> impl Strategy<Value = String> {
    let event = (0_u32..5, 1_u32..3, 0_u32..2, 0_u32..4, 0_u32..4);
    proptest::collection::vec(event, 0..60).prop_map(|events| {
        let (mut log, mut time) = (String::new(), 0);
        for (pause, id, host, user, bytes) in events {
            time += pause;
            let _ = writeln!(
                log,
                "{{\"EventID\":{id},\"Channel\":\"Security\",\"SourceName\":\"x\",\
                 \"@timestamp\":\"2024-01-01T00:{:02}:{:02}Z\",\"Computer\":\"h{host}\",\
                 \"User\":\"u{user}\",\"Bytes\":{}}}",
                time / 60,
                time % 60,
                bytes * 10
            );
        }
        log
    })
}

fn line(title: &str, finding: &Finding) -> String {
    let Finding { time, from, value, total, cut, evidence, .. } = finding;
    let records: Vec<u64> = evidence.iter().map(|mark| mark.origin.record).collect();
    format!("{title} {from}-{time} {value} of {total} {cut} {records:?}")
}

struct Lines(Vec<String>);

impl Watcher<String> for Lines {
    fn unit(&mut self, outcome: UnitOutcome<String>) {
        self.0.extend(outcome.hits);
    }

    fn found(&mut self, found: &Found<'_>) -> bool {
        assert!(!found.evidence.is_empty(), "the events are at hand");
        self.0.push(line(&found.rule.meta.title, found.finding));
        true
    }

    fn over_alerts(&mut self, made: Vec<String>) {
        self.0.extend(made);
    }

    fn alerts(&mut self, _: usize) -> Vec<u8> {
        Vec::new()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn following_is_scanning(log in log()) {
        let ledger =
            load_texts(&[("r.yml", RULES)], &Environment::default(), &Selection::default());
        let views = Views::built_in().unwrap();
        let plan = Plan::new(ledger.loaded(), &views);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.json");
        std::fs::write(&path, &log).unwrap();
        let files = [LogFile { name: "log.json".into(), path: Some(path), lines: false }];
        let make = |hit: Hit<'_>| Made::counting(format!("{} {}", hit.rule.meta.title, hit.event.record));

        let mut scanned = Vec::new();
        let mut session = Session::new(&plan, &views, ScanSettings::default(), Vec::new());
        let go_on = AtomicBool::new(false);
        session.read(&files, None, &go_on, make, |outcome| scanned.extend(outcome.hits)).unwrap();
        for stratum in 0..plan.strata().count() {
            session
                .settle(stratum, &go_on, |found| {
                    scanned.push(line(&found.rule.meta.title, found.finding));
                    true
                })
                .unwrap();
        }
        let counts = session.counts();

        // Told to stop at once: what is there is read to its end.
        let stop = Arc::new(AtomicBool::new(true));
        let mut followed = Lines(Vec::new());
        let mut session = Session::new(&plan, &views, ScanSettings::default(), Vec::new());
        session.follow(&files, &stop, make, &mut followed).unwrap();
        scanned.sort();
        followed.0.sort();
        prop_assert_eq!(scanned, followed.0, "{}", log);
        prop_assert_eq!(session.counts(), counts);
    }
}
