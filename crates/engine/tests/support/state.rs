//! Rules with state at work: events from a line each, through the whole of the engine on one thread
//! and on several, with little memory and with much, and through the reference evaluator.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rulestone_engine::reference::stages::{self, Placed};
use rulestone_engine::{LogFile, Made, Origin, Plan, ScanSettings, Session, StateCounts};
use rulestone_events::{Fields, Ingest, Log, Settings, Views};
use rulestone_ir::Rule;

pub(crate) const START: i64 = 1_704_067_200;

/// Events a line each: seconds, event id, then `Field=value` or `Field=[value,value]`; a line `--`
/// begins another log.
pub(crate) fn logs(text: &str) -> Vec<String> {
    let mut logs = vec![String::new()];
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line == "--" {
            logs.push(String::new());
            continue;
        }
        let mut words = line.split_whitespace();
        let time: f64 = words.next().unwrap().parse().unwrap();
        let time = rulestone_value::Time::from_ticks(START * 10_000_000 + (time * 1e7) as i64);
        let id = words.next().unwrap();
        let mut fields = String::new();
        for word in words {
            let (name, value) = word.split_once('=').unwrap();
            let list = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
            let value = match list {
                Some(list) => format!("[\"{}\"]", list.replace(',', "\",\"")),
                None => format!("\"{value}\""),
            };
            let _ = write!(fields, ",\"{name}\":{value}");
        }
        let log = logs.last_mut().unwrap();
        let _ = writeln!(
            log,
            "{{\"EventID\":{id},\"Channel\":\"Security\",\"SourceName\":\"x\",\
             \"@timestamp\":\"{time}\"{fields}}}"
        );
    }
    logs
}

/// What came out, in words: `time title key… value total`; hits of rules that raise alerts first.
pub(crate) fn run(
    rules: &[Arc<Rule>],
    logs: &[LogFile],
    settings: ScanSettings,
) -> (String, StateCounts) {
    let views = Views::built_in().unwrap();
    let plan = Plan::new(rules.to_vec(), &views);
    let mut session = Session::new(&plan, &views, settings, Vec::new());
    let stop = AtomicBool::new(false);
    let mut out = String::new();
    let make = |hit: rulestone_engine::Hit<'_>| {
        Made::counting((hit.event.time.map(|time| time.ticks()), hit.rule.meta.title.clone()))
    };
    session
        .read(logs, None, &stop, make, |outcome| {
            for (time, title) in outcome.hits {
                let time = time.map(seconds).unwrap_or_default();
                let _ = writeln!(out, "{time} {title}");
            }
        })
        .unwrap();
    for stratum in 0..plan.strata().count() {
        session
            .settle(stratum, &stop, |found| {
                if found.rule.trigger.building_block {
                    return true;
                }
                let finding = found.finding;
                let _ = write!(out, "{} {}", seconds(finding.time), found.rule.meta.title);
                found.key.iter().for_each(|(_, value)| {
                    let _ = write!(out, " {}", stages::text_of(value));
                });
                let cut = if finding.cut { " cut" } else { "" };
                let _ = writeln!(out, " {} of {}{cut}", finding.value, finding.total);
                assert_eq!(found.evidence.len(), evidence_of(finding), "read again");
                true
            })
            .unwrap();
    }
    (out, session.counts())
}

/// The events of a finding that can be shown.
pub(crate) fn evidence_of(finding: &rulestone_engine::Finding) -> usize {
    finding.evidence.len() + usize::from(!finding.evidence.contains(&finding.last))
}

pub(crate) fn seconds(ticks: i64) -> String {
    ((ticks - START * 10_000_000) as f64 / 1e7).to_string()
}

pub(crate) fn files(logs: &[String]) -> (tempfile::TempDir, Vec<LogFile>) {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (at, text) in logs.iter().enumerate() {
        let path = folder.path().join(format!("{at}.json"));
        std::fs::write(&path, text).unwrap();
        let name: Arc<str> = format!("{at}.json").into();
        files.push(LogFile { name, path: Some(path), lines: false });
    }
    (folder, files)
}

pub(crate) fn placed(files: &[LogFile]) -> Vec<Placed> {
    let mut events = Vec::new();
    for (log, file) in files.iter().enumerate() {
        let path: &PathBuf = file.path.as_ref().unwrap();
        let Ok(mut open) = Log::open(path, file.name.clone()) else { continue };
        let mut ingest = Ingest::new(Settings::default());
        let mut unit_at = 0;
        while let Some(unit) = open.next_unit() {
            ingest.read(unit.into_records(), &Fields::All, |batch| {
                for row in batch.rows {
                    let (log, position) = (log as u32, row.position() as u32);
                    let origin = Origin { log, record: row.record, unit: unit_at, position };
                    events.push((origin, batch.event(row)));
                }
            });
            unit_at += 1;
        }
    }
    events
}

/// What the reference finds, as [`run`] has it.
pub(crate) fn reference(rules: &[Arc<Rule>], files: &[LogFile]) -> String {
    let views = Views::built_in().unwrap();
    let events = placed(files);
    let mut all: Vec<(i64, Origin, usize, String)> = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        if rule.trigger.building_block {
            continue;
        }
        for finding in stages::findings(rules, at, &views, &events) {
            let mut line = format!("{} {}", seconds(finding.time), rule.meta.title);
            finding.key.iter().for_each(|part| {
                let _ = write!(line, " {part}");
            });
            let cut = if finding.cut { " cut" } else { "" };
            let _ = write!(line, " {} of {}{cut}", finding.value, finding.total);
            all.push((finding.time, finding.last, at, line));
        }
    }
    all.sort();
    all.into_iter().map(|(.., line)| line + "\n").collect()
}

pub(crate) fn settings(jobs: usize, memory: usize) -> ScanSettings {
    ScanSettings { jobs, memory, ..ScanSettings::default() }
}

/// Lines of a finding are sorted: findings of one time and place have no order of their own.
pub(crate) fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    lines.sort_unstable();
    lines
}

/// The findings of rules with state alone.
pub(crate) fn with_state(found: &str) -> String {
    found.lines().filter(|l| l.contains(" of ")).map(|l| format!("{l}\n")).collect()
}

/// Checks what comes out of rules, as far as it is `wanted`.
pub(crate) fn check_rules(
    name: &str,
    rules: &[Arc<Rule>],
    events: &str,
    expected: &str,
    wanted: fn(&&str) -> bool,
) -> StateCounts {
    let (_folder, files) = files(&logs(events));
    let (found, counts) = run(rules, &files, settings(1, 1 << 30));
    let own: Vec<&str> = sorted(&found).into_iter().filter(wanted).collect();
    assert_eq!(own, sorted(expected), "{name}");
    for (jobs, memory) in [(1, 0), (3, 1 << 30), (8, 0)] {
        let (again, _) = run(rules, &files, settings(jobs, memory));
        assert_eq!(again, found, "{name}: {jobs} threads, {memory} bytes");
    }
    let own = with_state(&found);
    assert_eq!(sorted(&reference(rules, &files)), sorted(&own), "{name}: the reference");
    counts
}
