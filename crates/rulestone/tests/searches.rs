//! Searches over a few events, from text to rows: what comes out of the whole program.

use std::process::Command;

use serde_json::{Value, json};

/// Logons of three users; the first user's are alike in all but their time.
fn events() -> String {
    let rows = [
        (0, "ann", "3", "10.0.0.1"),
        (10, "bob", "10", "10.0.0.2"),
        (20, "ann", "3", "10.0.0.1"),
        (3599, "ann", "3", "10.0.0.1"),
        (3600, "ann", "3", "10.0.0.1"),
        (3601, "eve", "2", "::1"),
        (3602, "bob", "2", "10.0.0.2"),
    ];
    let line = |(at, user, kind, address): &(i64, &str, &str, &str)| {
        let time =
            format!("2024-05-06T{:02}:{:02}:{:02}.500Z", 7 + at / 3600, at / 60 % 60, at % 60);
        let system = json!({
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-Security-Auditing"}},
            "EventID": 4624, "TimeCreated": {"#attributes": {"SystemTime": time}},
            "EventRecordID": at, "Channel": "Security", "Computer": "dc1.corp.example"
        });
        let data = json!({"TargetUserName": user, "LogonType": kind, "IpAddress": address});
        json!({"Event": {"System": system, "EventData": data}}).to_string() + "\n"
    };
    rows.iter().map(line).collect()
}

/// The rows of a search over the events, each with how many events it rests on.
fn rows(search: &str) -> Vec<(Value, u64)> {
    let folder = tempfile::tempdir().expect("a folder");
    let (rule, log) = (folder.path().join("search.spl"), folder.path().join("log.json"));
    std::fs::write(&rule, search).expect("a search to write");
    std::fs::write(&log, events()).expect("a log to write");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rulestone"));
    command.args(["scan", "-q", "--format", "ndjson", "-r"]).arg(&rule).arg(&log);
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let alerts = String::from_utf8(output.stdout).expect("UTF-8");
    let row = |line: &str| {
        let alert: Value = serde_json::from_str(line).expect("an alert");
        (alert["fields"].clone(), alert["evidence_total"].as_u64().expect("a number"))
    };
    alerts.lines().map(row).collect()
}

#[test]
fn searches_give_rows() {
    let cases = [
        (
            "EventCode=4624 TargetUserName=ann | stats count, min(_time) as first, max(_time) as last, \
             values(LogonType) as types, latest(src_ip) as src by TargetUserName \
             | convert timeformat=\"%H:%M:%S\" ctime(first) ctime(last)",
            vec![(
                json!({"TargetUserName": "ann", "count": 4, "first": "07:00:00", "last": "08:00:00",
                "types": "3", "src": "10.0.0.1"}),
                4,
            )],
        ),
        (
            "EventCode=4624 | stats count by LogonType | where count > 1 | sort - count",
            vec![
                (json!({"LogonType": "2", "count": 2}), 2),
                (json!({"LogonType": "3", "count": 4}), 4),
            ],
        ),
        (
            "EventCode=4624 | bin _time span=1h | stats dc(TargetUserName) as users by _time \
             | where users > 2",
            vec![(json!({"_time": "2024-05-06T08:00:00.0000000Z", "users": 3}), 3)],
        ),
        (
            "EventCode=4624 LogonType=10 | eval who=upper(TargetUserName).\"@\".host | table who",
            vec![(json!({"who": "BOB@dc1.corp.example"}), 1)],
        ),
        (
            "EventCode=4624 | stats count by TargetUserName \
             | join TargetUserName [search EventCode=4624 LogonType=10 | table TargetUserName IpAddress]",
            vec![(json!({"TargetUserName": "bob", "count": 2, "IpAddress": "10.0.0.2"}), 3)],
        ),
        ("EventCode=4624 LogonType=99 | stats count by host", vec![]),
    ];
    for (search, expected) in cases {
        let mut own = rows(search);
        let mut expected = expected;
        own.sort_by_key(|(row, _)| row.to_string());
        expected.sort_by_key(|(row, _)| row.to_string());
        assert_eq!(own, expected, "{search}");
    }
}
