//! Detections of Splunk's security_content as users meet them: the rule set of `examples/splunk`
//! over the logs of the examples.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up what it needs has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const NETSTAT: &str = "Connections Listed With Netstat";
const LOG: &str = "logs/workstation-sysmon.json";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rulestone"));
    command.args(arguments).current_dir(examples()).stdin(Stdio::null()).output().unwrap()
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

/// How often each rule fires.
fn fired(alerts: &[Value]) -> Vec<(&str, usize)> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for alert in alerts {
        let title = alert["rule"]["title"].as_str().unwrap();
        match counts.iter_mut().find(|(own, _)| *own == title) {
            Some((_, count)) => *count += 1,
            None => counts.push((title, 1)),
        }
    }
    counts.sort_unstable();
    counts
}

#[test]
fn a_rule_set_runs_as_it_is() {
    let output = run(&["scan", "-r", "splunk", LOG]);
    assert_eq!(code(&output), 0, "{}", talk(&output));
    let alerts = lines(&output);
    let expected = [(NETSTAT, 6), ("Many Ways To Look Around", 1), ("One Host In Several Ways", 1)];
    assert_eq!(fired(&alerts), expected);
    let netstat = &alerts[0];
    assert_eq!(netstat["rule"]["source"], "splunk-escu");
    assert_eq!(netstat["rule"]["language"], "spl");
    assert_eq!(netstat["rule"]["type"], "TTP");
    assert_eq!(netstat["rule"]["analytic_story"], serde_json::json!(["Looking Around"]));
    assert_eq!(netstat["rule"]["security_domain"], "endpoint");
    assert_eq!(netstat["raises"], serde_json::json!(["notable", "risk"]));
    assert_eq!((&netstat["severity"], &netstat["risk_score"]), (&"low".into(), &24.into()));
    let message = netstat["message"].as_str().unwrap();
    assert!(message.starts_with("mira lists the connections of WKS-041.corp.example with"));
    let entity =
        serde_json::json!({"type": "user", "value": "mira", "role": "victim", "score": 24});
    assert_eq!(netstat["entities"][1], entity);
    let ways = alerts.iter().find(|alert| alert["raises"] == serde_json::json!(["risk"])).unwrap();
    assert_eq!(ways["risk_score"], 45, "the greatest of its objects");
    assert_eq!(ways["fields"]["tools"], 5, "as the lookup has them");
    let both = alerts.last().unwrap();
    assert_eq!(both["message"], "2 rules have put risk on WKS-041.corp.example");
    assert_eq!(both["fields"]["risk"], 174, "what each rule puts on the host");
}

#[test]
fn what_is_not_loaded_is_said() {
    let output = run(&["rules", "-r", "splunk", "--format", "ndjson"]);
    let rules = lines(&output);
    let reason = |title: &str| {
        let rule = rules.iter().find(|rule| rule["title"] == title).unwrap();
        rule["not_loaded"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(reason("Net Commands"), "a hunting search: --hunting runs it");
    assert_eq!(reason("Usual Tools"), "a baseline: it fills a lookup");
    assert_eq!(reason(NETSTAT), "");
    assert!(rules.iter().all(|rule| rule["status"] == "exact"), "{rules:?}");
    assert!(talk(&output).contains("0 files hold no rules"), "{}", talk(&output));
    let output = run(&["scan", "-r", "splunk", LOG]);
    assert!(talk(&output).contains("a hunting search: --hunting runs it"), "{}", talk(&output));
}

#[test]
fn hunting_searches_run_when_asked_for() {
    let file = "splunk/detections/endpoint/net_commands.yml";
    let asked: [&[&str]; 3] = [
        &["scan", "-r", "splunk", "--hunting", LOG],
        &["scan", "-r", "splunk", "--rule", "Net Commands", LOG],
        &["scan", "-r", file, LOG],
    ];
    for arguments in asked {
        let alerts = lines(&run(arguments));
        let hunted = fired(&alerts).into_iter().find(|(title, _)| *title == "Net Commands");
        assert_eq!(hunted, Some(("Net Commands", 9)), "{arguments:?}");
        let alert = alerts.iter().find(|alert| alert["rule"]["type"] == "Hunting").unwrap();
        assert_eq!(alert["raises"], serde_json::json!([]));
    }
}

#[test]
fn macros_and_lookups_of_the_user_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let text = "[connections_listed_with_netstat_filter]\ndefinition = search user!=jonas.hd\n";
    let macros = write("macros.conf", text);
    let alerts =
        lines(&run(&["scan", "-r", "splunk", "--rule", NETSTAT, "--macros", &macros, LOG]));
    assert_eq!(fired(&alerts), [(NETSTAT, 5)]);
    write("tools_to_look_around.csv", "process_name,about\nnetstat.exe,connections\n");
    let lookups = folder.path().to_str().unwrap();
    let alerts = lines(&run(&["scan", "-r", "splunk", "--lookups", lookups, LOG]));
    assert_eq!(fired(&alerts), [(NETSTAT, 6)]);
    let output = run(&["scan", "-r", "splunk", "--lookups", "not-there", LOG]);
    assert_eq!(code(&output), 4, "{}", talk(&output));
}

#[test]
fn a_search_in_a_file_of_its_own_runs() {
    let folder = tempfile::tempdir().unwrap();
    let search = "# Who starts what\nEventCode=1 process_name=whoami.exe | table _time, user";
    let file = folder.path().join("who.spl");
    std::fs::write(&file, search).unwrap();
    let alerts = lines(&run(&["scan", "-r", file.to_str().unwrap(), LOG]));
    assert_eq!(fired(&alerts), [("Who starts what", 1)]);
    assert_eq!(alerts[0]["rule"]["source"], "query");
    assert_eq!(alerts[0]["fields"]["user"], "mira");
}

#[test]
fn tests_of_detections_run_on_what_data_there_is() {
    let results = |data: &str| {
        let output = run(&["test", "splunk/detections", "--data", data, "--format", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let tests = report["tests"].as_array().unwrap().clone();
        let results: Vec<String> =
            tests.iter().map(|test| test["result"].as_str().unwrap().to_owned()).collect();
        (code(&output), results.join(", "))
    };
    assert_eq!(results("logs"), (0, "passed, by hand".to_owned()));
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(results(folder.path().to_str().unwrap()), (1, "no data, by hand".to_owned()));
    let logs = folder.path().join("examples/logs");
    std::fs::create_dir_all(&logs).unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
    std::fs::write(logs.join("workstation-sysmon.json"), pointer).unwrap();
    assert_eq!(results(folder.path().to_str().unwrap()), (1, "no data, by hand".to_owned()));
}

#[test]
fn drilldowns_of_an_alert_run() {
    let output = run(&["scan", "-r", "splunk", LOG]);
    let id = lines(&output)[0]["id"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let alerts = folder.path().join("alerts.ndjson");
    std::fs::write(&alerts, &output.stdout).unwrap();
    let alerts = alerts.to_str().unwrap();
    let ways: [&[&str]; 2] = [&["-r", "splunk", LOG], &["-r", "splunk", "--alerts", alerts, LOG]];
    for way in ways {
        let output = run(&[&["drilldown", &id[..12]], way].concat());
        assert_eq!(code(&output), 0, "{}", talk(&output));
        let found = lines(&output);
        let heads: Vec<&Value> = found.iter().filter(|line| line["kind"] == "drilldown").collect();
        assert_eq!(heads[0]["name"], "View what was found on WKS-041.corp.example");
        assert_eq!((&heads[0]["rows"], &heads[1]["rows"]), (&4.into(), &1.into()), "{found:?}");
        assert_eq!(heads[0]["from"], "2026-03-17T09:00:00.0000000Z");
        let risk = &found.last().unwrap()["fields"];
        assert_eq!(risk["count"], 7, "{risk}");
    }
    let shown = run(&["drilldown", &id, "-r", "splunk", "--alerts", alerts, "--format", "table"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("user = \"mira\""), "{shown}");
    assert_eq!(code(&run(&["drilldown", "0123456789", "-r", "splunk", LOG])), 3);
}
