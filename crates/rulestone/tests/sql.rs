//! Queries in SQL over a few events, from text to rows: what comes out of the whole program.

use std::process::Command;

use serde_json::{Value, json};

fn time(at: i64) -> String {
    format!("2024-05-06T{:02}:{:02}:{:02}.500Z", 7 + at / 3600, at / 60 % 60, at % 60)
}

fn falcon(at: i64, platform: &str, line: &str) -> Value {
    json!({
        "event_simpleName": "ProcessRollup2", "name": "ProcessRollup2V1", "event_platform": platform,
        "aid": "a1", "cid": "c1", "timestamp": (1_714_978_800_000_i64 + at * 1000).to_string(),
        "CommandLine": line, "ComputerName": "pc1", "UserName": "ann",
        "ImageFileName": r"\Device\HarddiskVolume2\Windows\System32\net.exe",
        "ParentBaseFileName": "cmd.exe"
    })
}

fn windows(provider: &str, channel: &str, id: u32, at: i64, data: Value) -> Value {
    let system = json!({
        "Provider": {"#attributes": {"Name": provider}}, "EventID": id, "Channel": channel,
        "TimeCreated": {"#attributes": {"SystemTime": time(at)}}, "EventRecordID": at,
        "Computer": "dc1.corp.example"
    });
    json!({"Event": {"System": system, "EventData": data}})
}

fn okta(at: i64, who: &str, result: &str, address: Option<&str>) -> Value {
    json!({
        "eventType": "user.session.start", "published": time(at), "uuid": at.to_string(),
        "displayMessage": "User login to Okta", "outcome": {"result": result},
        "actor": {"id": who, "type": "User", "alternateId": who}, "client": {"ipAddress": address}
    })
}

/// Processes of three sensors, and what Okta says of three people.
fn events() -> String {
    let sysmon = json!({
        "CommandLine": "net.exe user eve", "Image": r"C:\Windows\System32\net.exe",
        "User": r"CORP\eve", "ParentImage": r"C:\Windows\System32\cmd.exe", "ProcessId": "7",
        "UtcTime": "2024-05-06 07:00:04.500"
    });
    let security = json!({
        "CommandLine": "net user", "NewProcessName": r"C:\Windows\System32\net.exe",
        "SubjectUserName": "eve", "NewProcessId": "0x7", "ProcessId": "0x6"
    });
    let events = [
        falcon(0, "Win", "net user /domain"),
        falcon(1, "Win", "net USER bob /add"),
        falcon(2, "Lin", "net user x"),
        falcon(3, "Win", "net user\nb"),
        windows("Microsoft-Windows-Sysmon", "Microsoft-Windows-Sysmon/Operational", 1, 4, sysmon),
        windows("Microsoft-Windows-Security-Auditing", "Security", 4688, 5, security),
        okta(10, "ann", "FAILURE", Some("10.0.0.1")),
        okta(20, "ann", "FAILURE", Some("10.0.0.2")),
        okta(30, "ann", "SUCCESS", Some("10.0.0.2")),
        okta(40, "bob", "FAILURE", None),
        okta(50, "eve", "SUCCESS", Some("10.0.0.9")),
    ];
    events.iter().map(|event| event.to_string() + "\n").collect()
}

/// The rows of a query over the events, each with how many events it rests on.
fn rows(query: &str) -> Vec<(Value, u64)> {
    let folder = tempfile::tempdir().expect("a folder");
    let (rule, log) = (folder.path().join("query.sql"), folder.path().join("log.json"));
    std::fs::write(&rule, query).expect("a query to write");
    std::fs::write(&log, events()).expect("a log to write");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rulestone"));
    command.args(["scan", "-q", "--format", "ndjson", "-r"]).arg(&rule).arg(&log);
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
    let alerts = String::from_utf8(output.stdout).expect("UTF-8");
    let row = |line: &str| {
        let alert: Value = serde_json::from_str(line).expect("an alert");
        let mut fields = alert["fields"].clone();
        // The time of the event is there whether or not it is selected.
        if let Some(fields) = fields.as_object_mut() {
            fields.remove("_time");
        }
        (fields, alert["evidence_total"].as_u64().unwrap_or(1))
    };
    alerts.lines().map(row).collect()
}

#[test]
fn queries_give_rows() {
    const WINDOW: &str = "event_time > dateadd(hour, -2, sysdate())";
    let process = |text: &str| (json!({"process": text}), 1);
    let cases = [
        // The whole text has to fit, and `.` is no line end.
        (
            r"select process from crowdstrikefdr_process where WINDOW and event_platform = 'Win'
              and regexp_like(process, '.*net(\\\.exe)?\\\s+user.*', 'i')",
            vec![
                process("net user /domain"),
                process("net USER bob /add"),
                process("net.exe user eve"),
                process("net user"),
            ],
        ),
        (
            "select process from crowdstrikefdr_process
             where event_platform = 'Lin' or process ilike '%user b_b%'",
            vec![process("net user x"), process("net USER bob /add")],
        ),
        (
            r"select process from crowdstrikefdr_process
              where parent_process_name ilike 'CMD.EXE' and not process ilike '%user%' or user = 'CORP\\eve'",
            vec![process("net.exe user eve")],
        ),
        // Nobody knows where bob came from: `not` leaves him out.
        (
            "select user as who from okta
             where not src_ip ilike '10.0.0.1' and WINDOW and event_time < $latest$",
            vec![
                (json!({"who": "ann"}), 1),
                (json!({"who": "ann"}), 1),
                (json!({"who": "eve"}), 1),
            ],
        ),
        (
            "select user, count(*) as n, count(distinct src_ip) as ips, count_if(action = 'FAILURE') as failed
             from okta where WINDOW group by user having failed > 0",
            vec![
                (json!({"user": "ann", "n": 3, "ips": 2, "failed": 2}), 3),
                (json!({"user": "bob", "n": 1, "ips": 0, "failed": 1}), 1),
            ],
        ),
        (
            "with failed as (select user, count(*) n from okta where action = 'FAILURE' group by user)
             select o.user, f.n from okta o join failed f on o.user = f.user where o.action = 'SUCCESS'",
            vec![(json!({"user": "ann", "n": 2}), 3)],
        ),
        (
            "select user, action, lag(action) over (partition by user order by event_time) as before
             from okta qualify before = 'FAILURE' and action = 'SUCCESS'",
            vec![(json!({"user": "ann", "action": "SUCCESS", "before": "FAILURE"}), 1)],
        ),
        (
            "select distinct user from okta
             where user not in (select user from okta where action = 'SUCCESS')",
            vec![(json!({"user": "bob"}), 1)],
        ),
        ("select * from octa where user = 'ann'", vec![]),
    ];
    for (query, expected) in cases {
        let query = query.replace("WINDOW", WINDOW);
        let (mut own, mut expected) = (rows(&query), expected);
        own.sort_by_key(|(row, _)| row.to_string());
        expected.sort_by_key(|(row, _)| row.to_string());
        assert_eq!(own, expected, "{query}");
    }
}
