//! What a scan hands over, and in which order, whatever the number of threads.

mod support;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rulestone_engine::{LogFile, Plan, ScanSettings, scan};
use rulestone_events::Views;
use rulestone_ir::Test;
use support::{equals, named, rule, scope, test};

/// Hits as (log, record, rule), and the logs that came to their end, with why before their time.
type Scanned = (Vec<(usize, u64, usize)>, Vec<(usize, Option<String>)>);

/// Two rules on records of unknown kind: one fires where `a` is, one where it is `x`.
fn scan_with(logs: &[PathBuf], jobs: usize) -> Scanned {
    let on = |filter| (scope("product=linux"), filter);
    let exists = || on(test(named("a"), Test::Exists));
    let rules = vec![rule(vec![exists(), exists()]), rule(vec![on(equals("a", "x"))])];
    let plan = Plan::new(rules, &Views::default());
    let file = |path: &PathBuf| LogFile {
        name: path.to_string_lossy().into(),
        path: Some(path.clone()),
        lines: false,
    };
    let logs: Vec<LogFile> = logs.iter().map(file).collect();
    let settings = ScanSettings { jobs, ..ScanSettings::default() };
    let (mut hits, mut ends) = Scanned::default();
    let make = |hit: rulestone_engine::Hit<'_>| (hit.event.record, hit.rule_at);
    scan(&logs, &plan, &settings, &AtomicBool::new(false), make, |outcome| {
        hits.extend(outcome.hits.into_iter().map(|(record, rule)| (outcome.log, record, rule)));
        ends.extend(outcome.end.map(|end| (outcome.log, end.err().map(|e| e.to_string()))));
    });
    (hits, ends)
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("room for a log");
    path
}

#[test]
fn hits_come_by_log_then_record_then_rule_each_rule_once_an_event() {
    let folder = tempfile::tempdir().expect("a folder for logs");
    let logs = [
        write(folder.path(), "lines", "{\"a\":\"y\"}\n{\"b\":1}\n{\"a\":\"x\"}\n"),
        write(folder.path(), "text", "no log at all"),
        write(folder.path(), "one-line", "{\"a\":\"x\"}{\"a\":\"x\"}{\"a\":\"y\"}"),
        folder.path().join("missing"),
        write(folder.path(), "list", "[{\"a\":1},{\"a\":\"x\"}]"),
    ];
    for jobs in [1, 2, 7] {
        let (hits, ends) = scan_with(&logs, jobs);
        let first = [(0, 1, 0), (0, 3, 0), (0, 3, 1)];
        let one_line = [(2, 1, 0), (2, 1, 1), (2, 1, 0), (2, 1, 1), (2, 1, 0)];
        let list = [(4, 1, 0), (4, 2, 0), (4, 2, 1)];
        assert_eq!(hits, [&first[..], &one_line, &list].concat(), "{jobs} threads");
        let failed: Vec<(usize, bool)> = ends.iter().map(|(log, e)| (*log, e.is_some())).collect();
        let expected = [(0, false), (1, true), (2, false), (3, true), (4, false)];
        assert_eq!(failed, expected, "{jobs} threads");
    }
}

#[test]
fn any_number_of_logs_may_fail_to_open() {
    let folder = tempfile::tempdir().expect("a folder for logs");
    let mut logs: Vec<PathBuf> = (0..50_000).map(|at| folder.path().join(at.to_string())).collect();
    logs.push(write(folder.path(), "last", "{\"a\":1}"));
    for jobs in [1, 3] {
        let (hits, ends) = scan_with(&logs, jobs);
        assert_eq!(hits, [(50_000, 1, 0)]);
        assert!(ends.iter().map(|(log, _)| *log).eq(0..=50_000), "{jobs} threads");
    }
}
