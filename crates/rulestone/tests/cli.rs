//! The command as users meet it: what comes out, where, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up what it needs has failed")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const RULE: &str = r#"title: Netstat In Use
id: 7d0b7a4e-6a0e-4c3d-9a54-0a1f3f0a6c11
status: test
description: Lists connections.
logsource:
    category: process_creation
    product: windows
detection:
    selection:
        Image|endswith: '\netstat.exe'
    filter:
        User: 'CORP\monitor'
    condition: selection and not filter
level: high
tags:
    - attack.discovery
    - attack.t1049
"#;

fn event(record: u64, image: &str, user: &str, time: &str) -> String {
    let text = serde_json::json!({"Event": {
        "System": {
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon"}},
            "EventID": 1,
            "TimeCreated": {"#attributes": {"SystemTime": time}},
            "EventRecordID": record,
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "Computer": "WKS-7.corp.example"
        },
        "EventData": {"Image": image, "User": user, "CommandLine": format!("{image} -ano")}
    }});
    format!("{text}\n")
}

/// A folder with a rule and a log in which it fires on lines 1 and 3.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        place.write("rules/netstat.yml", RULE.as_bytes());
        place.write("logs/sysmon.json", Place::log().as_bytes());
        place
    }

    fn log() -> String {
        let netstat = "C:\\Windows\\System32\\NETSTAT.EXE";
        event(11, netstat, "CORP\\mira", "2026-03-02T10:00:00.0000001Z")
            + &event(12, netstat, "CORP\\monitor", "2026-03-02T10:05:00.0000000Z")
            + &event(13, netstat, "CORP\\mira", "2026-03-02T10:10:00.0000000Z")
            + &event(14, "C:\\Windows\\System32\\cmd.exe", "CORP\\mira", "2026-03-02T10:11:00Z")
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        command().args(arguments).current_dir(self.folder.path()).output().unwrap()
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rulestone"));
    command.stdin(Stdio::null());
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn talk(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_scan_in_a_pipe_writes_alerts_as_the_contract_says() {
    let place = Place::new();
    let output = place.run(&["scan", "-r", "rules", "logs"]);
    assert_eq!(code(&output), 0, "{}", talk(&output));
    let alerts = lines(&output);
    let records: Vec<_> = alerts.iter().map(|a| &a["evidence"][0]["record"]).collect();
    assert_eq!(records, [1, 3]);
    let alert = &alerts[0];
    assert_eq!(alert["kind"], "alert");
    assert_eq!(alert["time"], "2026-03-02T10:00:00.0000001Z");
    assert_eq!(alert["rule"]["id"], "7d0b7a4e-6a0e-4c3d-9a54-0a1f3f0a6c11");
    assert_eq!(alert["rule"]["source"], "sigma");
    assert_eq!(alert["rule"]["language"], "sigma");
    assert_eq!(alert["severity"], "high");
    assert_eq!(alert["attack"][0]["technique"], "T1049");
    assert_eq!(alert["attack"][0]["name"], "System Network Connections Discovery");
    assert_eq!(alert["evidence"][0]["log"], "logs/sysmon.json");
    assert_eq!(alert["evidence_total"], 1);
    assert_eq!(alert["matched"][0]["field"], "Image");
    assert_eq!(alert["matched"][0]["test"], "ends_with");
    assert_eq!(alert["matched"][0]["pattern"], "\\netstat.exe");
    assert!(!talk(&output).contains('\u{1b}'), "no colours in a pipe");
}

#[test]
fn ways_to_end() {
    let place = Place::new();
    place.write("broken/bad.yml", RULE.replace("selection and", "selektion and").as_bytes());
    place.write("none/readme.txt", b"nothing here");
    place.write("empty/.keep", b"");
    let cases: &[(&[&str], i32)] = &[
        (&["scan", "-r", "rules", "logs"], 0),
        (&["scan", "-r", "rules", "logs", "--fail-on", "high"], 1),
        (&["scan", "-r", "rules", "logs", "--fail-on", "critical"], 0),
        (&["scan", "-r", "broken", "logs"], 0),
        (&["scan", "-r", "broken", "logs", "--strict"], 2),
        (&["rules", "-r", "broken", "--strict"], 2),
        (&["scan", "-r", "rules"], 3),
        (&["scan", "--nonsense"], 3),
        (&["scan", "-r", "rules", "logs", "--min-severity", "terrible"], 3),
        (&["scan", "-r", "rules", "logs", "--from", "yesterday"], 3),
        (&["scan", "-r", "rules", "logs", "--format", "smoke"], 3),
        (&["scan", "-r", "rules", "logs", "--rule", "nobody"], 3),
        (&["scan", "-r", "rules", "logs", "--jobs", "0"], 3),
        (&["scan", "-r", "missing", "logs"], 4),
        (&["scan", "-r", "rules", "missing"], 4),
        (&["scan", "-r", "rules", "none/readme.txt"], 4),
        (&["scan", "--no-rules", "logs"], 0),
        (&["--help"], 0),
        (&["--version"], 0),
    ];
    for (arguments, expected) in cases {
        let output = place.run(arguments);
        assert_eq!(code(&output), *expected, "{arguments:?}: {}", talk(&output));
        assert!(code(&output) < 3 || !talk(&output).is_empty(), "{arguments:?} says why");
    }
}

#[test]
fn a_full_disk_is_said_and_a_closed_pipe_is_not() {
    let place = Place::new();
    let full = Path::new("/dev/full");
    if full.exists() {
        let output = place.run(&["scan", "-r", "rules", "logs", "-o", "/dev/full"]);
        assert_eq!(code(&output), 5, "{}", talk(&output));
        assert!(talk(&output).contains("cannot write /dev/full"), "{}", talk(&output));
    }
    let many = Place::log().repeat(2000);
    place.write("many/log.json", many.as_bytes());
    let mut child = command()
        .args(["scan", "-q", "-r", "rules", "many"])
        .current_dir(place.folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), talk(&output).as_str()), (0, ""));
}

#[test]
fn standard_input_and_gzip_are_logs_like_any_other() {
    let place = Place::new();
    let mut child = command()
        .args(["scan", "-r", "rules", "-"])
        .current_dir(place.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(Place::log().as_bytes()).unwrap();
    let piped = child.wait_with_output().unwrap();
    let ids = |output: &Output| lines(output).iter().map(|a| a["id"].clone()).collect::<Vec<_>>();
    let from_file = place.run(&["scan", "-r", "rules", "logs"]);
    assert_eq!(ids(&piped), ids(&from_file), "an alert's id is no matter of where it was read");
    assert_eq!(lines(&piped)[0]["evidence"][0]["log"], "-");
}

#[test]
fn output_is_the_same_for_any_number_of_threads_and_order_of_logs() {
    let place = Place::new();
    for at in 0..20 {
        place.write(&format!("logs/{at:02}/log.json"), Place::log().repeat(at + 1).as_bytes());
    }
    let first = place.run(&["scan", "-q", "-r", "rules", "--jobs", "1", "logs"]);
    assert_eq!(lines(&first).len(), 2 + (1..=20).sum::<usize>() * 2);
    let others: &[&[&str]] = &[
        &["scan", "-q", "-r", "rules", "--jobs", "8", "logs"],
        &["scan", "-q", "-r", "rules", "--jobs", "3", "logs/19", "logs", "logs/03"],
    ];
    for arguments in others {
        let other = place.run(arguments);
        assert!(first.stdout == other.stdout, "{arguments:?}");
    }
}

/// Rules over several events of the logs of the examples.
const CORRELATIONS: &str = r#"title: Windows Process
id: 3c1d2f6a-6a4e-4c0b-9a5e-0a1f3f0a6c21
name: process
logsource: { product: windows, category: process_creation }
detection: { selection: { Image|contains: '\' }, condition: selection }
level: low
---
title: Many Processes
id: 3c1d2f6a-6a4e-4c0b-9a5e-0a1f3f0a6c22
name: many
correlation:
    type: event_count
    rules: [process]
    group-by: [Computer]
    timespan: 1h
    condition: { gte: 2 }
level: medium
---
title: Many Programs
id: 3c1d2f6a-6a4e-4c0b-9a5e-0a1f3f0a6c23
correlation:
    type: value_count
    rules: [process]
    group-by: [User]
    timespan: 1d
    condition: { gte: 2, field: Image }
level: medium
---
title: Processes In Order
id: 3c1d2f6a-6a4e-4c0b-9a5e-0a1f3f0a6c24
correlation:
    type: temporal_ordered
    rules: [process, many]
    timespan: 1d
    generate: true
level: high
"#;

#[test]
fn the_examples_give_the_same_bytes_for_any_number_of_threads_and_order_of_logs() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let place = Place::new();
    let correlations = place.write("correlations.yml", CORRELATIONS.as_bytes());
    let rules = ["scan", "-q", "-r", "rules", "-r", correlations.to_str().unwrap()];
    let mut logs: Vec<String> = ["logs", "forms"]
        .map(|name| examples.join(name))
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| {
            entry.unwrap().path().strip_prefix(&examples).unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    logs.sort();
    assert!(logs.len() > 4, "{logs:?}");
    for format in ["ndjson", "csv"] {
        let scan = |jobs: &str, logs: &[String]| {
            let mut command = command();
            command.args(rules).args(["--format", format, "--jobs", jobs]).args(logs);
            let output = command.current_dir(&examples).output().unwrap();
            assert_eq!(code(&output), 0, "{}", talk(&output));
            output.stdout
        };
        let first = scan("1", &logs);
        let text = String::from_utf8_lossy(&first);
        for title in ["Many Processes", "Many Programs", "Processes In Order"] {
            assert!(text.contains(title), "{title} did not fire");
        }
        for jobs in ["1", "2", "3", "8"] {
            assert!(scan(jobs, &logs) == first, "{format}, {jobs} jobs");
            let mut other = logs.clone();
            other.reverse();
            for _ in 0..other.len() {
                other.rotate_left(1);
                assert!(scan(jobs, &other) == first, "{format}, {jobs} jobs, {other:?}");
            }
        }
    }
}

#[test]
fn times_bound_what_is_looked_at() {
    let place = Place::new();
    let cases: &[(&[&str], usize)] = &[
        (&["--from", "2026-03-02T10:01:00Z"], 1),
        (&["--to", "2026-03-02T10:01:00Z"], 1),
        (&["--from", "2026-03-03"], 0),
        (&["--from", "2026-03-02", "--to", "2026-03-03"], 2),
    ];
    for (arguments, expected) in cases {
        let all = [&["scan", "-r", "rules", "logs"], *arguments].concat();
        assert_eq!(lines(&place.run(&all)).len(), *expected, "{arguments:?}");
    }
}

#[test]
fn formats_and_files() {
    let place = Place::new();
    let csv = place.run(&["scan", "-q", "-r", "rules", "logs", "--format", "csv"]);
    assert_eq!(String::from_utf8_lossy(&csv.stdout).lines().count(), 3);
    let json = place.run(&["scan", "-q", "-r", "rules", "logs", "--format", "json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["alerts"].as_array().unwrap().len(), 2);
    assert_eq!(code(&place.run(&["scan", "-q", "-r", "rules", "logs", "-o", "out.csv"])), 0);
    assert_eq!(fs::read(place.path("out.csv")).unwrap(), csv.stdout);
    let table = command()
        .args(["scan", "-r", "rules", "logs", "--format", "table", "--color", "always"])
        .current_dir(place.folder.path())
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&table.stdout).contains("Netstat In Use"));
    assert!(table.stdout.contains(&0x1b), "--color always wins over NO_COLOR");
    let plain = place.run(&["scan", "-r", "rules", "logs", "--format", "table"]);
    assert!(!plain.stdout.contains(&0x1b));
}

#[test]
fn rules_are_listed_with_what_is_wrong_with_them() {
    let place = Place::new();
    place.write("rules/modifier.yml", RULE.replace("|endswith", "|endwith").as_bytes());
    place.write("rules/regex.yml", RULE.replace("|endswith: '\\net", "|re: '(net").as_bytes());
    place.write("rules/yaml.yml", RULE.replace("    selection:", "  - selection:").as_bytes());
    place.write("rules/later.yml", RULE.replace("status: test", "status: deprecated").as_bytes());
    let listed = lines(&place.run(&["rules", "-q", "-r", "rules"]));
    let of = |file: &str| {
        let is_it = |rule: &&Value| rule["path"].as_str().unwrap().ends_with(file);
        listed.iter().find(is_it).unwrap()
    };
    assert_eq!(listed.len(), 5);
    assert_eq!(of("netstat.yml")["status"], "exact");
    for (file, line) in [("modifier.yml", 10), ("regex.yml", 10), ("yaml.yml", 9)] {
        let rule = of(file);
        assert_eq!(rule["status"], "invalid", "{rule}");
        assert_eq!(rule["diagnostics"][0]["line"], line, "{rule}");
        assert_eq!(rule["loaded"], false);
    }
    assert!(of("later.yml")["not_loaded"].as_str().unwrap().contains("deprecated"));
    let shown = place.run(&["rules", "-r", "rules", "--format", "table", "--status", "invalid"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("Image|endwith") && shown.contains('^'), "{shown}");
}

#[test]
fn explain_says_what_kept_a_rule_silent() {
    let place = Place::new();
    let output = place.run(&["explain", "rules/netstat.yml", "logs"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(code(&output), 0, "{}", talk(&output));
    for part in ["Image ends with", "4 events in its scope, 2 fire it", "CORP\\\\monitor"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let other = place.write("other/log.json", b"{\"Channel\":\"System\",\"EventID\":7045}\n");
    let output = place.run(&["explain", "rules/netstat.yml", other.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("none of its events is here"), "{text}");
}

#[test]
fn tests_of_rules() {
    let place = Place::new();
    let cases = "rules: rules\ncases:\n\
        - {name: where, rule: Netstat In Use, logs: logs/sysmon.json, records: [1, 3]}\n\
        - {name: too many, rule: Netstat In Use, logs: logs/sysmon.json, fires: 3}\n\
        - {name: no log, rule: Netstat In Use, logs: logs/missing.json, silent: true}\n";
    place.write("tests.yml", cases.as_bytes());
    let output = place.run(&["test", "tests.yml", "--format", "json"]);
    assert_eq!(code(&output), 1, "{}", talk(&output));
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    let results: Vec<_> =
        results["tests"].as_array().unwrap().iter().map(|t| &t["result"]).collect();
    assert_eq!(results, ["passed", "failed", "no data"]);
    let junit = place.run(&["test", "tests.yml", "--format", "junit"]);
    let junit = String::from_utf8_lossy(&junit.stdout).into_owned();
    assert!(junit.contains("tests=\"3\" failures=\"1\" errors=\"1\""), "{junit}");
}

#[test]
fn debug_prints_every_box() {
    let place = Place::new();
    let cases: &[(&[&str], &str)] = &[
        (&["debug", "tokens", "rules/netstat.yml"], "selection"),
        (&["debug", "ast", "rules/netstat.yml"], "selection"),
        (&["debug", "ir", "rules/netstat.yml"], "Image ends_with \"\\\\netstat.exe\""),
        (&["debug", "plan", "-r", "rules", "logs"], "rules bound 1"),
        (&["debug", "events", "logs", "--record", "2"], "\"record\":2"),
        (&["debug", "view", "-r", "rules", "logs"], "\"User\":\"CORP\\\\mira\""),
    ];
    for (arguments, expected) in cases {
        let output = place.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(expected), "{arguments:?}: {text} {}", talk(&output));
    }
}

#[test]
fn a_log_in_another_form_gives_the_same_alerts() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let ids = |log: &str| {
        let scan = ["scan", "-r", "rules", log];
        let output = command().args(scan).current_dir(&examples).output().unwrap();
        let ids = lines(&output).iter().map(|alert| alert["id"].to_string()).collect::<Vec<_>>();
        assert!(!ids.is_empty(), "{}", talk(&output));
        ids
    };
    assert_eq!(ids("logs/workstation-sysmon.json"), ids("forms/workstation-sysmon.xml"));
}

#[test]
fn the_bundled_examples_pass_their_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = command().args(["test", "examples/tests"]).current_dir(&root).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(code(&output), 0, "{text}{}", talk(&output));
}

const EXCEPTIONS: &str = r#"exceptions:
  - rule: netstat in use
    when:
      - User|endswith: '\mira'
        entity.host|startswith: WKS-7
    until: 2026-03-02T10:05:00Z
    reason: inventory, ticket 7
  - rule: "*"
    until: 2025-12-31
    reason: last year's test
"#;

#[test]
fn exceptions_keep_hits_quiet_and_are_counted() {
    let place = Place::new();
    place.write("quiet.yml", EXCEPTIONS.as_bytes());
    let scan = ["scan", "-r", "rules", "logs", "--exceptions", "quiet.yml"];
    let run = |more: &[&str]| place.run(&[&scan[..], more].concat());

    let output = run(&["--stats"]);
    assert_eq!(code(&output), 0, "{}", talk(&output));
    let records: Vec<_> =
        lines(&output).iter().map(|a| a["evidence"][0]["record"].clone()).collect();
    assert_eq!(records, [3], "the first hit is kept quiet");
    let said = talk(&output);
    assert!(said.contains("1 by 1 of 2 exceptions"), "{said}");
    assert!(
        said.contains("quiet.yml:8") && said.contains("expired before the first event"),
        "{said}"
    );
    assert!(said.contains("\"kept_quiet\":1"), "{said}");

    let shown = lines(&run(&["--show-quiet"]));
    let kinds: Vec<_> = shown.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["quiet", "alert"]);
    let expected =
        serde_json::json!({"reason": "inventory, ticket 7", "file": "quiet.yml", "line": 2});
    assert_eq!(shown[0]["exception"], expected);
    assert_eq!(shown[0]["evidence"][0]["record"], 1);

    let table = String::from_utf8(run(&["--show-quiet", "-f", "table"]).stdout).unwrap();
    let quiet: Vec<_> = table.lines().filter(|line| line.contains("quiet ")).collect();
    assert!(quiet.len() == 1 && quiet[0].contains("kept quiet: inventory"), "{table}");

    let summary: Value = serde_json::from_slice(&run(&["--format", "json"]).stdout).unwrap();
    assert_eq!(summary["summary"]["kept_quiet"], 1);
    assert_eq!(summary["summary"]["exceptions"][1]["idle"], "expired before the first event");
    assert_eq!(code(&run(&["--format", "json", "--show-quiet"])), 3);
    for command in ["test", "debug"] {
        assert_eq!(code(&place.run(&[command, "rules", "--exceptions", "quiet.yml"])), 3);
    }
}

#[test]
fn the_exceptions_of_the_examples_are_of_use() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let arguments = "scan -r rules logs --exceptions exceptions.yml --stats";
    let output = command().args(arguments.split(' ')).current_dir(examples).output().unwrap();
    let said = talk(&output);
    assert_eq!(lines(&output).len(), 41, "{said}");
    assert!(said.contains("\"kept_quiet\":5") && said.contains("5 by 2 of 3 exceptions"), "{said}");
    assert!(!said.contains("names no loaded rule"), "{said}");
}

#[test]
fn what_is_kept_quiet_fails_no_build() {
    let place = Place::new();
    place.write("quiet.yml", b"exceptions:\n- rule: '*'\n  reason: lab\n");
    let fail = ["scan", "-r", "rules", "logs", "--fail-on", "high"];
    assert_eq!(code(&place.run(&fail)), 1);
    for more in [&["--exceptions", "quiet.yml"][..], &["--exceptions", "quiet.yml", "--show-quiet"]]
    {
        assert_eq!(code(&place.run(&[&fail[..], more].concat())), 0);
    }
}

#[test]
fn what_is_wrong_with_exceptions_is_shown_in_their_text() {
    let place = Place::new();
    let wrong = "exceptions:\n- rule: no such rule\n  whem: {}\n  reason: x\n";
    place.write("quiet.yml", wrong.as_bytes());
    let output = place.run(&["scan", "-r", "rules", "logs", "--exceptions", "quiet.yml"]);
    assert_eq!((code(&output), output.stdout.len()), (3, 0), "nothing is scanned");
    let said = talk(&output);
    for part in ["quiet.yml:3:3", "whem: {}", "^^^^", "did you mean `when`?"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    place.write("quiet.yml", wrong.replace("  whem: {}\n", "").as_bytes());
    let output = place.run(&["scan", "-r", "rules", "logs", "--exceptions", "quiet.yml"]);
    assert_eq!(code(&output), 0);
    let said = talk(&output);
    assert!(said.contains("this exception names no loaded rule: `no such rule`"), "{said}");
    assert_eq!(code(&place.run(&["scan", "-r", "rules", "logs", "--exceptions", "none.yml"])), 4);
}

#[test]
fn other_commands_know_exceptions() {
    let place = Place::new();
    place.write("quiet.yml", EXCEPTIONS.as_bytes());
    let rules = place.run(&["rules", "-r", "rules", "--exceptions", "quiet.yml"]);
    let exceptions = &lines(&rules)[0]["exceptions"];
    assert_eq!(exceptions[0]["reason"], "inventory, ticket 7");
    assert_eq!(exceptions.as_array().unwrap().len(), 2);
    assert!(lines(&place.run(&["rules", "-r", "rules"]))[0].get("exceptions").is_none());
    let explain = ["explain", "netstat in use", "-r", "rules", "logs", "--exceptions", "quiet.yml"];
    let text = String::from_utf8(place.run(&explain).stdout).unwrap();
    for part in [
        "Kept quiet until before 2026-03-02T10:05:00.0000000Z because of \"inventory, ticket 7\" \
         (quiet.yml:2), when",
        "the host of the event starts with \"WKS-7\"",
        "2 fire it",
        "Of these 1 kept quiet, because of \"inventory, ticket 7\" (quiet.yml:2).",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn the_summary_is_written_once() {
    let place = Place::new();
    let output = place.run(&["scan", "-r", "rules", "logs", "--format", "summary"]);
    let data = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(data.contains("Netstat In Use"), "{data}");
    assert!(!talk(&output).contains("Netstat In Use"), "{}", talk(&output));
    let filed = place.run(&["scan", "-r", "rules", "logs", "--format", "summary", "-o", "s.txt"]);
    assert!(talk(&filed).contains("Netstat In Use"), "whoever waits sees it too");
}

/// A zip archive with these members.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn members_of_archives_are_logs_that_are_read_or_said_not_to_be() {
    let place = Place::new();
    fs::remove_dir_all(place.path("logs")).unwrap();
    let picture: &[u8] = b"\x89PNG\r\n\x1a\n";
    let archive = zip(&[("p.png", picture), ("day/one.json", Place::log().as_bytes())]);
    place.write("logs/all.zip", &archive);
    for jobs in ["1", "3"] {
        let scan = ["scan", "-r", "rules", "logs", "--format", "json", "--jobs", jobs];
        let output = place.run(&scan);
        assert_eq!(code(&output), 0, "{}", talk(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let evidence = &report["alerts"][0]["evidence"][0];
        assert_eq!(evidence["log"], "logs/all.zip!day/one.json");
        let logs = &report["summary"]["logs"];
        assert_eq!((&logs["read"], &logs["failed"]), (&1.into(), &1.into()), "{report:#}");
        assert_eq!(logs["failures"][0]["log"], "logs/all.zip!p.png");
        assert_eq!(logs["failures"][0]["reason"], "not read: PNG image");
    }
    let output = place.run(&["debug", "events", "logs/all.zip"]);
    assert_eq!(lines(&output)[3]["log"], "logs/all.zip!day/one.json");
    assert!(talk(&output).contains("logs/all.zip!p.png: not read: PNG image"));
    let output = place.run(&["explain", "Netstat In Use", "-r", "rules", "logs/all.zip"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("all.zip!day/one.json, record"), "{said}");

    place.write("logs/all.zip", &zip(&[("p.png", picture)]));
    let output = place.run(&["scan", "-r", "rules", "logs/all.zip"]);
    assert_eq!(code(&output), 4, "a log that was named gave nothing: {}", talk(&output));
}

const SCRIPT_RULE: &str = r#"title: A Word Over Two Records
id: 7d0b7a4e-6a0e-4c3d-9a54-0a1f3f0a6c12
status: test
logsource:
    category: ps_script
    product: windows
detection:
    selection:
        ScriptBlockText|contains: 'Invoke-Something'
    condition: selection
level: high
"#;

/// A piece of a script of two.
fn piece(number: u64, text: &str) -> String {
    let text = serde_json::json!({"Event": {
        "System": {
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-PowerShell"}},
            "EventID": 4104,
            "TimeCreated": {"#attributes": {"SystemTime": format!("2026-03-02T10:00:0{number}Z")}},
            "EventRecordID": 70 + number,
            "Channel": "Microsoft-Windows-PowerShell/Operational",
            "Computer": "WKS-7.corp.example"
        },
        "EventData": {
            "MessageNumber": number, "MessageTotal": 2, "ScriptBlockText": text,
            "ScriptBlockId": "3c1f-77"
        }
    }});
    format!("{text}\n")
}

#[test]
fn a_script_in_two_records_is_one_event_for_rules() {
    let place = Place::new();
    place.write("rules/script.yml", SCRIPT_RULE.as_bytes());
    place.write("scripts/a.json", piece(2, "Something").as_bytes());
    let second = place.write("scripts/b.json", piece(1, "Invoke-").as_bytes());
    let alerts = lines(&place.run(&["scan", "-r", "rules", "scripts"]));
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["fields"]["ScriptBlockText"], "Invoke-Something");
    assert_eq!(alerts[0]["evidence_total"], 2);
    let logs: Vec<_> =
        alerts[0]["evidence"].as_array().unwrap().iter().map(|e| &e["log"]).collect();
    assert_eq!(logs, ["scripts/b.json", "scripts/a.json"]);
    assert_eq!(alerts[0].get("notes"), None);
    let explain = ["explain", "A Word Over Two Records", "-r", "rules", "scripts"];
    let said = String::from_utf8(place.run(&explain).stdout).unwrap();
    assert!(said.contains("1 events in its scope, 1 fire it"), "{said}");

    fs::remove_file(second).unwrap();
    let output = place.run(&["scan", "-r", "rules", "scripts"]);
    assert_eq!(lines(&output).len(), 0);
    assert!(talk(&output).contains("fragments missing"), "{}", talk(&output));
}

/// A rule over alerts whose filter has these lines.
fn over_alerts(title: &str, lines: &str) -> String {
    format!(
        "title: {title}\nid: {title}\nname: {title}\nlogsource: {{product: rulestone, service: alerts}}\n\
         detection:\n    s:\n{lines}    condition: s\nlevel: critical\n"
    )
}

/// The titles of the alerts of a scan, each as often as it fired.
fn titles(output: &Output) -> Vec<String> {
    let title = |alert: &Value| alert["rule"]["title"].as_str().unwrap().to_owned();
    let mut titles: Vec<String> = lines(output).iter().map(title).collect();
    titles.sort();
    titles
}

/// Over two alerts of the rule `Netstat In Use`.
#[test]
fn rules_read_alerts() {
    const NETSTAT: &str = "Netstat In Use";
    let own = "        rule.title: Netstat In Use\n";
    let all = "        rule.title: Netstat In Use\n        severity: high\n        \
               rule.id: 7d0b7a4e-6a0e-4c3d-9a54-0a1f3f0a6c11\n        attack.technique: T1049\n        \
               tactics: Discovery\n        host|startswith: wks-7\n        user: CORP\\mira\n        \
               entities.value|contains: mira\n        evidence.event.Image|endswith: netstat.exe\n";
    let correlation = "---\ntitle: Often\nid: often\ncorrelation: {type: event_count, rules: [Each], \
                       group-by: [host], timespan: 1h, condition: {gte: 2}}\n";
    let count = over_alerts("Count", own)
        .replace("condition: s", "timeframe: 1h\n    condition: s | count() by host > 1");
    let of_netstat = "title: Often\nid: often\ncorrelation: {type: event_count, rules: \
                      [7d0b7a4e-6a0e-4c3d-9a54-0a1f3f0a6c11], timespan: 1h, condition: {gte: 2}}\n---\n";
    let cases = [
        ("each of them", over_alerts("Each", own), &["Each", "Each", NETSTAT, NETSTAT][..]),
        ("by everything they say", over_alerts("Each", all), &["Each", "Each", NETSTAT, NETSTAT]),
        (
            "and not by what they do not",
            over_alerts("Each", &all.replace("severity: high", "severity: low")),
            &[NETSTAT, NETSTAT],
        ),
        ("several together", count, &["Count", NETSTAT, NETSTAT]),
        (
            "several together, by a correlation",
            over_alerts("Each", own) + correlation,
            &[NETSTAT, NETSTAT, "Often"],
        ),
        (
            "of a correlation",
            of_netstat.to_owned() + &over_alerts("Above", "        rule.id: often\n"),
            &["Above", "Often"],
        ),
        (
            "of building blocks",
            of_netstat.to_owned() + &over_alerts("Below", "        building_block: true\n"),
            &["Below", "Below", "Often"],
        ),
    ];
    for (name, rules, expected) in cases {
        let place = Place::new();
        place.write("rules/over.yml", rules.as_bytes());
        let output = place.run(&["scan", "-r", "rules", "logs"]);
        assert_eq!(titles(&output), expected, "{name}: {}", talk(&output));
        let jobs = place.run(&["scan", "-r", "rules", "logs", "--jobs", "1", "--memory", "16M"]);
        assert_eq!(titles(&jobs), expected, "{name}: on one thread, with little memory");
    }
}

#[test]
fn what_is_kept_quiet_feeds_nothing() {
    let place = Place::new();
    let own = "        rule.title: Netstat In Use\n";
    let correlation = "---\ntitle: Often\nid: often\ncorrelation: {type: event_count, generate: true, \
                       rules: [7d0b7a4e-6a0e-4c3d-9a54-0a1f3f0a6c11], timespan: 1h, condition: {gte: 2}}\n";
    place.write("rules/over.yml", (over_alerts("Each", own) + correlation).as_bytes());
    let all = titles(&place.run(&["scan", "-r", "rules", "logs"]));
    assert_eq!(all, ["Each", "Each", "Netstat In Use", "Netstat In Use", "Often"]);
    place.write("quiet.yml", EXCEPTIONS.as_bytes());
    let quiet = place.run(&["scan", "-r", "rules", "logs", "--exceptions", "quiet.yml"]);
    assert_eq!(titles(&quiet), ["Each", "Netstat In Use"], "one hit is left: {}", talk(&quiet));
}

#[test]
fn rules_in_a_circle_over_alerts_are_said_to_be() {
    let place = Place::new();
    place.write("rules/over.yml", over_alerts("Mine", "        host: '*'\n").as_bytes());
    place.write("rules/not.yml", over_alerts("Others", "        severity: high\n").as_bytes());
    let listed = lines(&place.run(&["rules", "-r", "rules", "--format", "ndjson"]));
    let said = |title: &str| {
        let rule = listed.iter().find(|rule| rule["title"] == title).unwrap();
        let codes = rule["diagnostics"].as_array().unwrap().iter().map(|said| &said["code"]);
        (rule["status"].as_str().unwrap(), codes.cloned().collect::<Vec<Value>>())
    };
    assert_eq!(said("Mine"), ("approximate", vec!["alert-cycle".into()]));
    assert_eq!(said("Others"), ("exact", Vec::new()));
    let shown =
        place.run(&["rules", "-r", "rules", "--format", "table", "--status", "approximate"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("rules/over.yml:1") && shown.contains("title: Mine"), "{shown}");
    let explained = place.run(&["explain", "Mine", "-r", "rules"]);
    let explained = String::from_utf8(explained.stdout).unwrap();
    assert!(explained.contains("alert-cycle"), "{explained}");
    let scan = place.run(&["scan", "-r", "rules", "logs"]);
    assert_eq!(
        titles(&scan),
        ["Mine", "Mine", "Netstat In Use", "Netstat In Use", "Others", "Others"].map(str::to_owned)
    );
    assert!(talk(&scan).contains("2 exact  1 approximate"), "{}", talk(&scan));
}

#[test]
fn a_script_in_pieces_is_one_row_for_a_correlation() {
    let place = Place::new();
    let correlation = "---\ntitle: Scripts\nid: scripts\ncorrelation: {type: event_count, rules: \
                       [A Word Over Two Records], group-by: [Computer], timespan: 1h, condition: {gte: 1}}\n";
    let named = SCRIPT_RULE.replacen("title:", "name: A Word Over Two Records\ntitle:", 1);
    place.write("rules/script.yml", (named + correlation).as_bytes());
    place.write("scripts/a.json", piece(2, "Something").as_bytes());
    place.write("scripts/b.json", piece(1, "Invoke-").as_bytes());
    for jobs in ["1", "4"] {
        let output = place.run(&["scan", "-r", "rules", "scripts", "--jobs", jobs, "--stats"]);
        let alerts = lines(&output);
        assert_eq!(titles(&output), ["Scripts"], "{}", talk(&output));
        assert_eq!(alerts[0]["evidence_total"], 1);
        let event = &alerts[0]["evidence"][0]["event"];
        assert_eq!(event["ScriptBlockText"], "Invoke-Something", "put together");
        assert!(talk(&output).contains("\"rows\":1"), "{}", talk(&output));
    }
}
