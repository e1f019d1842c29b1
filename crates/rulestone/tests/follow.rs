//! `scan --follow` as users meet it: alerts while logs grow, are cut back and replaced.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot set up what it needs has failed")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

const RULES: &str = "title: Failed Logon
name: failed
id: failed
logsource: {product: windows, service: security}
detection: {s: {EventID: 4625}, condition: s}
---
title: Guessing
id: guessing
correlation: {type: event_count, rules: [failed], group-by: [Computer], timespan: 10m, condition: {gte: 3}}
level: high
---
title: Log Cleared
id: cleared
logsource: {product: windows, service: security}
detection: {s: {EventID: 1102}, condition: s}
level: high
---
title: Trouble
id: trouble
logsource: {product: rulestone, service: alerts}
detection: {s: {rule.id: guessing}, condition: s}
level: critical
";

fn event(id: u32, minute: u32, host: &str) -> String {
    format!(
        "{{\"EventID\":{id},\"Channel\":\"Security\",\"SourceName\":\"x\",\
         \"@timestamp\":\"2026-03-02T10:{minute:02}:00Z\",\"Computer\":\"{host}\"}}\n"
    )
}

fn xml(id: u32, minute: u32, host: &str) -> String {
    format!(
        "<Event><System><Provider Name='x'/><EventID>{id}</EventID>\n\
         <TimeCreated SystemTime='2026-03-02T10:{minute:02}:00Z'/><Channel>Security</Channel>\
         <Computer>{host}</Computer></System></Event>\n"
    )
}

/// A scan that follows logs.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(folder: &Path, logs: &[&str]) -> Following {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rulestone"))
            .args(["scan", "--follow", "-q", "-r", "rules.yml"])
            .args(logs)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        Following { child, lines }
    }

    /// The next alert: its rule and the records it rests on. Machines may be slow; a minute is
    /// for ever.
    fn alert(&self) -> (String, Vec<u64>) {
        let line = self.lines.recv_timeout(Duration::from_secs(60)).expect("an alert comes");
        let alert: Value = serde_json::from_str(&line).unwrap();
        let records = alert["evidence"].as_array().unwrap().iter();
        let records = records.map(|e| e["record"].as_u64().unwrap()).collect();
        (alert["rule"]["id"].as_str().unwrap().to_owned(), records)
    }

    /// Ends it as a user does; nothing more may come.
    fn end(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(130));
        assert_eq!(self.lines.recv().ok(), None);
    }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yml"), RULES).unwrap();
    let log = folder.path().join("log.json");
    fs::write(&log, "").unwrap();
    (folder, log)
}

fn append(log: &Path, text: &str) {
    File::options().append(true).open(log).unwrap().write_all(text.as_bytes()).unwrap();
}

fn is(found: (String, Vec<u64>), rule: &str, records: &[u64]) {
    assert_eq!((found.0.as_str(), found.1.as_slice()), (rule, records));
}

#[test]
fn alerts_come_as_events_arrive() {
    let (folder, log) = place();
    append(&log, &event(4625, 0, "a"));
    let following = Following::start(folder.path(), &["log.json"]);
    append(&log, &event(1102, 1, "a"));
    is(following.alert(), "cleared", &[2]);
    append(&log, &event(4625, 2, "a"));
    let half = event(4625, 3, "a");
    append(&log, &half[..40]);
    std::thread::sleep(Duration::from_millis(300));
    append(&log, &half[40..]);
    is(following.alert(), "guessing", &[1, 3, 4]);
    is(following.alert(), "trouble", &[1]);
    following.end();
}

#[test]
fn logs_that_are_cut_back_or_replaced_are_followed_on() {
    let (folder, log) = place();
    append(&log, &event(4624, 0, "a").repeat(5));
    append(&log, &event(1102, 1, "a"));
    let following = Following::start(folder.path(), &["log.json"]);
    is(following.alert(), "cleared", &[6]);
    fs::write(&log, "").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    append(&log, &event(1102, 2, "a"));
    is(following.alert(), "cleared", &[1]);
    fs::rename(&log, folder.path().join("log.json.1")).unwrap();
    append(&folder.path().join("log.json.1"), &event(1102, 3, "a"));
    is(following.alert(), "cleared", &[2]);
    fs::write(&log, event(1102, 4, "a")).unwrap();
    is(following.alert(), "cleared", &[1]);
    following.end();
}

#[test]
fn xml_is_followed_and_other_formats_are_read_once() {
    let (folder, _) = place();
    let log = folder.path().join("log.xml");
    fs::write(&log, format!("<Events>\n{}", xml(4624, 0, "a"))).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(event(1102, 0, "z").as_bytes()).unwrap();
    fs::write(folder.path().join("old.json.gz"), packed.finish().unwrap()).unwrap();
    let following = Following::start(folder.path(), &["log.xml", "old.json.gz"]);
    is(following.alert(), "cleared", &[1]);
    let event = xml(1102, 1, "a");
    append(&log, &event[..event.len() - 12]);
    std::thread::sleep(Duration::from_millis(300));
    append(&log, &event[event.len() - 12..]);
    is(following.alert(), "cleared", &[4]);
    following.end();
}

#[test]
fn events_from_standard_input_are_evidence_too() {
    let (folder, _) = place();
    let mut scan = Command::new(env!("CARGO_BIN_EXE_rulestone"))
        .args(["scan", "-q", "-r", "rules.yml", "-"])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = scan.stdin.take().unwrap();
    input.write_all(event(4625, 1, "a").repeat(3).as_bytes()).unwrap();
    drop(input);
    let output = scan.wait_with_output().unwrap();
    let first = output.stdout.split(|b| *b == b'\n').next().unwrap();
    let alert: Value = serde_json::from_slice(first).unwrap();
    assert_eq!(alert["rule"]["id"], "guessing");
    assert_eq!(alert["evidence"].as_array().unwrap().len(), 3, "{alert}");
}

#[test]
fn standard_input_is_followed_to_its_end() {
    let (folder, _) = place();
    let mut following = Following::start(folder.path(), &["-"]);
    let mut input = following.child.stdin.take().unwrap();
    input.write_all(event(1102, 0, "a").as_bytes()).unwrap();
    is(following.alert(), "cleared", &[1]);
    input.write_all(event(4625, 1, "a").repeat(3).as_bytes()).unwrap();
    is(following.alert(), "guessing", &[2, 3, 4]);
    is(following.alert(), "trouble", &[1]);
    drop(input);
    assert_eq!(following.child.wait().unwrap().code(), Some(0));
}
