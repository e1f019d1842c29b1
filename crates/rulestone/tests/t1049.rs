//! The detections of ATT&CK T1049 that the project started from, as their vendor published them,
//! over real events and over events of our own: which event fires which.

#![expect(clippy::print_stderr, reason = "a test that was skipped says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The published detections, by the name of their file and what the table calls them.
const DETECTIONS: [(&str, &str); 5] = [
    ("network_connection_discovery_with_net", "net"),
    ("network_connection_discovery_with_netstat", "netstat"),
    ("network_connection_discovery_with_arp", "arp"),
    ("getnettcpconnection_with_powershell", "cmdlet"),
    ("getnettcpconnection_with_powershell_script_block", "script"),
];

fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let there = folder.join("corpora/rules/splunk-escu").is_dir();
    if !there {
        eprintln!("skipped: ../shared/corpora is not there");
    }
    there.then_some(folder)
}

/// For each event that something fires on, by log and record, what fires.
fn fired(shared: &Path, logs: &[PathBuf]) -> BTreeMap<(String, u64), BTreeSet<String>> {
    let folder = shared.join("corpora/rules/splunk-escu/detections/endpoint");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rulestone"));
    command.args(["scan", "-q", "--format", "ndjson"]);
    for (file, _) in DETECTIONS {
        command.arg("-r").arg(folder.join(file).with_extension("yml"));
    }
    let output = command.args(logs).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut fired: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
        let alert: serde_json::Value = serde_json::from_str(line).expect("an alert");
        let path = alert["rule"]["path"].as_str().expect("a path");
        let named = DETECTIONS.iter().find(|(file, _)| path.ends_with(&format!("/{file}.yml")));
        let (_, name) = named.expect("one of the detections");
        for evidence in alert["evidence"].as_array().expect("evidence") {
            let log = evidence["log"].as_str().expect("a log").to_owned();
            let place = (log, evidence["record"].as_u64().expect("a record"));
            fired.entry(place).or_default().insert((*name).to_owned());
        }
    }
    fired
}

/// The labelled events: which of them Splunk's two searches for `net` and `netstat` hit was worked
/// out by hand beside them.
#[test]
fn published_detections_on_labelled_events() {
    let Some(shared) = shared() else { return };
    let table =
        std::fs::read_to_string(shared.join("reference/t1049-events.csv")).expect("a table");
    let mut rows = table.lines().map(cells);
    let header = rows.next().expect("a header");
    let column = |name: &str| header.iter().position(|own| own == name).expect(name);
    let (file, record) = (column("file"), column("record_id"));
    let labels = [("net", column("splunk_net")), ("netstat", column("splunk_netstat"))];
    let events = shared.join("corpora/events");
    let mut expected: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    let mut logs = BTreeSet::new();
    for row in rows {
        let path = |name: &str| events.join(name).display().to_string();
        logs.insert(PathBuf::from(path(row[file].split('!').next().expect("a file"))));
        let place = (path(&row[file]), row[record].parse().expect("a number"));
        let hit = labels.iter().filter(|(_, at)| row[*at] == "1");
        let hit: BTreeSet<String> = hit.map(|(name, _)| (*name).to_owned()).collect();
        expected.insert(place, hit);
    }
    let fired = fired(&shared, &logs.into_iter().collect::<Vec<_>>());
    for ((log, record), expected) in &expected {
        let own = fired.iter().filter(|(at, _)| is_at(at, (log, *record)));
        let labelled: BTreeSet<String> = own
            .flat_map(|(_, names)| names.clone())
            .filter(|name| ["net", "netstat"].contains(&name.as_str()))
            .collect();
        assert_eq!(labelled, *expected, "{log} {record}");
    }
    let is_labelled =
        |at: &(String, u64)| expected.keys().any(|(log, record)| is_at(at, (log, *record)));
    let labels = |names: &BTreeSet<String>| names.contains("net") || names.contains("netstat");
    let others: Vec<_> =
        fired.iter().filter(|(at, names)| !is_labelled(at) && labels(names)).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// Whether an event is the one that the table means: where an archive has one log alone, the table
/// names the archive.
fn is_at((log, record): &(String, u64), (named, number): (&str, u64)) -> bool {
    let rest = log.strip_prefix(named);
    *record == number && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('!'))
}

/// The cells of a line of CSV; cells here have no line ends in them.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().expect("a cell").push(c),
        }
    }
    cells
}

/// Our own events: image, command line, and what fires.
const PROCESSES: [(&str, &str, &[&str]); 12] = [
    (r"C:\Windows\System32\NETSTAT.EXE", "netstat  -ano", &["netstat"]),
    (r"C:\Windows\System32\netstat.exe", "netstat.exe -a", &["netstat"]),
    // The pattern is `*-a*`, and here the letters stand the other way round.
    (r"C:\Windows\System32\netstat.exe", "netstat -na", &[]),
    (r"C:\Windows\System32\netstat.exe", "netstat", &[]),
    (r"C:\Windows\System32\net.exe", r"net use \\fs01\backup$", &["net"]),
    // `*use*` is in `user` as well.
    (r"C:\Windows\System32\net.exe", "net user /domain", &["net"]),
    (r"C:\Windows\System32\net.exe", "net view", &[]),
    (r"C:\Windows\System32\net1.exe", "net1 use", &["net"]),
    (r"C:\Windows\System32\ARP.EXE", "arp -a", &["arp"]),
    (r"C:\Windows\System32\arp.exe", "arp -d *", &[]),
    (
        r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
        "powershell -c Get-NetTCPConnection -State Listen",
        &["cmdlet"],
    ),
    (r"C:\Windows\System32\cmd.exe", "cmd /c echo Get-NetTcpConnection", &[]),
];

#[test]
fn published_detections_on_our_own_events() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("own.json");
    let mut lines = String::new();
    for (at, (image, command, _)) in PROCESSES.iter().enumerate() {
        let second = format!("2024-05-06T07:08:{at:02}.000Z");
        lines += &format!(
            "{}\n",
            serde_json::json!({
                "EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational",
                "SourceName": "Microsoft-Windows-Sysmon", "@timestamp": second,
                "Hostname": "ws07.corp.example", "UtcTime": "2024-05-06 07:08:00.000",
                "ProcessGuid": format!("{{1f2e3d4c-0000-6638-{at:04}-000000000400}}"),
                "ProcessId": 4000 + at, "Image": image, "CommandLine": command,
                "User": "CORP\\ann", "ParentImage": r"C:\Windows\explorer.exe",
                "ParentCommandLine": r"C:\Windows\explorer.exe", "ParentProcessId": 812,
                "OriginalFileName": image.rsplit('\\').next().unwrap_or_default(),
            })
        );
    }
    let scripts = [
        ("Get-NetTCPConnection | Where-Object State -eq Listen", true),
        ("Get-NetUDPEndpoint", false),
    ];
    for (at, (script, _)) in scripts.iter().enumerate() {
        lines += &format!(
            "{}\n",
            serde_json::json!({"Event": {
                "System": {
                    "Provider": {"#attributes": {"Name": "Microsoft-Windows-PowerShell"}},
                    "EventID": 4104, "Level": 5, "Task": 2, "Opcode": 15,
                    "TimeCreated": {
                        "#attributes": {"SystemTime": format!("2024-05-06T07:09:{at:02}.000Z")}
                    },
                    "EventRecordID": 70 + at,
                    "Channel": "Microsoft-Windows-PowerShell/Operational",
                    "Computer": "ws07.corp.example",
                    "Security": {"#attributes": {"UserID": "S-1-5-21-1-2-3-1104"}}
                },
                "EventData": {
                    "MessageNumber": 1, "MessageTotal": 1, "ScriptBlockText": script,
                    "ScriptBlockId": format!("8e0c0e52-6a0f-4f2f-9a5b-00000000000{at}"), "Path": ""
                }
            }})
        );
    }
    std::fs::write(&log, lines).expect("a log to write");
    let fired = fired(&shared, std::slice::from_ref(&log));
    let of = |record: usize| {
        let place = (log.display().to_string(), record as u64);
        fired.get(&place).cloned().unwrap_or_default().into_iter().collect::<Vec<_>>()
    };
    for (at, (_, command, expected)) in PROCESSES.iter().enumerate() {
        assert_eq!(of(at + 1), *expected, "{command}");
    }
    for (at, (script, fires)) in scripts.iter().enumerate() {
        let expected: &[&str] = if *fires { &["script"] } else { &[] };
        assert_eq!(of(PROCESSES.len() + at + 1), expected, "{script}");
    }
}
