//! Pages of hunting as users meet them: the page of `examples/playbooks` over the logs of the
//! examples, and the published page about ATT&CK T1049 over real and over our own events.

#![expect(clippy::print_stderr, reason = "a test that was skipped says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rulestone_dialects::containers::loose_fields;
use serde_json::{Value, json};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let there = folder.join("corpora/rules/playbooks").is_dir();
    if !there {
        eprintln!("skipped: ../shared/corpora is not there");
    }
    there.then_some(folder)
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rulestone"));
    command.args(arguments).current_dir(examples()).output().expect("the program runs")
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

const PAGE: &str = "playbooks/listing-connections.md";
/// How all ids of the page begin.
const ID: &str = "t1049-listing-connections-";
const LOGS: [&str; 4] = [
    "logs/workstation-sysmon.json",
    "logs/dc-security.json",
    "logs/forwarded-winlogbeat.json",
    "logs/powershell.jsonl",
];

/// How often each rule of the page fires, by what its id has of its own.
fn fired(rules: &[&str]) -> BTreeMap<String, usize> {
    let arguments = [&["scan", "-q", "--format", "ndjson"], rules, &LOGS].concat();
    let mut counts = BTreeMap::new();
    for alert in lines(&run(&arguments)) {
        let id = alert["rule"]["id"].as_str().expect("an id");
        *counts.entry(id.strip_prefix(ID).expect(id).to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn searches_and_commands_of_a_page_are_rules() {
    let searches = [("powershell", 8), ("sysmon", 13)];
    let commands = [
        ("command-get-nettcpconnection", 12),
        ("command-net-session", 3),
        ("command-net-use", 8),
        ("command-netstat", 13),
    ];
    let counts = |all: &[(&str, usize)]| -> BTreeMap<String, usize> {
        all.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    let both = [&commands[..], &searches[..]].concat();
    // Of a folder, hunts run when they are asked for; of a page that is named, they all do.
    assert_eq!(fired(&["-r", "playbooks"]), counts(&searches));
    assert_eq!(fired(&["-r", "playbooks", "--hunting"]), counts(&both));
    assert_eq!(fired(&["-r", PAGE]), counts(&both));
}

#[test]
fn the_guidance_travels_with_alerts() {
    let alerts = lines(&run(&["scan", "-q", "--format", "ndjson", "-r", PAGE, LOGS[0]]));
    let of = |id: &str| {
        let id = format!("{ID}{id}");
        alerts.iter().find(|alert| alert["rule"]["id"] == *id).expect("an alert").clone()
    };
    let rule = &of("sysmon")["rule"];
    assert_eq!(rule["source"], "playbook");
    assert_eq!(rule["input_source"], "Sysmon");
    assert_eq!(rule["permissions_required"], json!(["User", "Administrator"]));
    assert_eq!(rule["executables"], json!(["netstat.exe", "net.exe", "net1.exe"]));
    assert!(rule["guidance"].as_str().expect("text").starts_with("Ask whose account it is."));
    assert!(rule["description"].as_str().expect("text").starts_with("Whoever has just got"));
    let hunt = of("command-netstat");
    assert_eq!(
        (&hunt["rule"]["language"], &hunt["rule"]["type"]),
        (&"indicator".into(), &"Hunting".into())
    );
    assert_eq!((&hunt["raises"], &hunt["severity"]), (&json!([]), &"low".into()));
    let description = hunt["rule"]["description"].as_str().expect("text");
    assert!(description.starts_with("Lists connections and listening ports.\nWhoever"));
    assert_eq!(hunt["attack"][0]["technique"], "T1049");
    assert_eq!(hunt["tactics"], json!(["Discovery"]));
}

#[test]
fn explain_shows_what_the_page_says() {
    let output = run(&["explain", &format!("{ID}sysmon"), "-r", PAGE]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for expected in [
        "permissions required: User, Administrator",
        "guidance: Ask whose account it is.",
        "\n    If several of these",
        "Looks at an event when",
        "listing-connections.md:24:61",
        "`cmdline` is read as the command line",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

/// What is loose in the view is said to be, and what is said to be loose is in the view.
#[test]
fn loose_fields_are_those_of_the_view() {
    let table = include_str!("../../events/src/views/playbook/windows.toml");
    let mut section = "";
    let mut named = BTreeSet::new();
    for line in table.lines() {
        if line.starts_with('[') {
            section = line;
        } else if let (Some((name, _)), false) =
            (line.split_once(" = "), section.starts_with("[tables"))
        {
            named.insert(name);
        }
    }
    for other in [
        "base",
        "match",
        "source",
        "sourcetype",
        "provider",
        "channel",
        "event_id",
        "like",
        "product",
    ] {
        // `channel` is a field as well.
        named.remove(other);
    }
    let mut loose: BTreeSet<&str> = loose_fields().collect();
    loose.remove("channel");
    assert_eq!(named, loose);
}

/// Every search of the pages we have runs, or is reported with what is wrong in it.
#[test]
fn published_pages_run() {
    let Some(shared) = shared() else { return };
    let folder = shared.join("corpora/rules/playbooks");
    let folder = folder.to_str().expect("a path");
    let rules = lines(&run(&["rules", "-q", "--hunting", "-f", "ndjson", "-r", folder]));
    let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
    for rule in &rules {
        let status = rule["status"].as_str().expect("a status");
        *statuses.entry(status).or_default() += 1;
        let codes = rule["diagnostics"].as_array().expect("diagnostics");
        let picture = codes.iter().any(|one| one["code"] == "picture-search");
        assert_eq!(status == "invalid", picture, "{rule}");
        assert!(rule["loaded"] == true || picture, "{rule}");
        assert!(codes.iter().all(|one| one["line"].as_u64() > Some(0)), "{rule}");
    }
    eprintln!("{statuses:?}");
    assert!(rules.len() >= 45, "{}", rules.len());
}

const T1049: &str = "corpora/rules/playbooks/commands/System Network Connections Discovery.md";

/// What fires of the published page on each event, by log and record; names as in the tables here.
fn fired_by_event(shared: &Path, logs: &[PathBuf]) -> BTreeMap<(String, u64), BTreeSet<String>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rulestone"));
    command.args(["scan", "-q", "--format", "ndjson", "-r"]).arg(shared.join(T1049)).args(logs);
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut fired: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    for alert in lines(&output) {
        let id = alert["rule"]["id"].as_str().expect("an id");
        let name = id.strip_prefix("t1049-system-network-connections-discovery-").expect(id);
        let name = name.strip_prefix("command-").unwrap_or(name).to_owned();
        for evidence in alert["evidence"].as_array().expect("evidence") {
            let log = evidence["log"].as_str().expect("a log").to_owned();
            let place = (log, evidence["record"].as_u64().expect("a record"));
            fired.entry(place).or_default().insert(name.clone());
        }
    }
    fired
}

/// What the page's words mean for an event, worked out from what the table says of it.
fn expected(row: &BTreeMap<&str, String>) -> BTreeSet<String> {
    let is = |name: &str, value: &str| row[name].eq_ignore_ascii_case(value);
    let line = row["command_line_or_snippet"].to_lowercase();
    let image = row["image"].to_lowercase();
    let program = image.rsplit('\\').next().unwrap_or_default();
    let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
    let asks = has(&["use", "sessions", "file"]);
    let sysmon = is("channel", "Microsoft-Windows-Sysmon/Operational");
    let netstat = program == "netstat.exe";
    let names = [
        ("sysmon", sysmon && (netstat || ["net.exe", "net1.exe"].contains(&program) && asks)),
        // Of Sysmon's log, as it says, though its label says PowerShell.
        ("powershell", sysmon && (netstat || has(&["net"]) && asks)),
        ("netstat", netstat),
        ("net-use", program == "net.exe" && is("match", "net_use")),
        (
            "get-nettcpconnection",
            is("kind", "ps_scriptblock") && has(&["function get-nettcpconnection "]),
        ),
        ("get-nettcpconnection", is("kind", "ps_module") && has(&["\"get-nettcpconnection\""])),
    ];
    names.iter().filter(|(_, fires)| *fires).map(|(name, _)| (*name).to_owned()).collect()
}

#[test]
fn the_published_page_on_labelled_events() {
    let Some(shared) = shared() else { return };
    let table =
        std::fs::read_to_string(shared.join("reference/t1049-events.csv")).expect("a table");
    let mut rows = table.lines().map(cells);
    let header = rows.next().expect("a header");
    let events = shared.join("corpora/events");
    let path = |name: &str| events.join(name).display().to_string();
    let rows: Vec<BTreeMap<&str, String>> =
        rows.map(|row| header.iter().map(String::as_str).zip(row).collect()).collect();
    let logs: BTreeSet<PathBuf> = rows
        .iter()
        .map(|row| path(row["file"].split('!').next().expect("a file")).into())
        .collect();
    let fired = fired_by_event(&shared, &logs.into_iter().collect::<Vec<_>>());
    let mut some = BTreeSet::new();
    for row in &rows {
        let log = path(&row["file"]);
        let record: u64 = row["record_id"].parse().expect("a number");
        // Where an archive has one log alone, the table names the archive; others by their end.
        let own = fired.iter().filter(|((own, number), _)| {
            let archive = log.split('!').next().expect("a path");
            let rest = own.strip_prefix(archive);
            let member = log.split_once('!').map_or("", |(_, member)| member).replace('/', "\\");
            *number == record
                && rest.is_some_and(|rest| {
                    (rest.is_empty() || rest.starts_with('!'))
                        && rest.replace('/', "\\").ends_with(&member)
                })
        });
        let found: BTreeSet<String> = own.flat_map(|(_, names)| names.clone()).collect();
        assert_eq!(found, expected(row), "{row:?}");
        some.extend(found);
    }
    assert_eq!(some.len(), 5, "{some:?}");
}

/// The cells of a line of CSV; cells here have no line ends in them.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted, mut chars) = (vec![String::new()], false, line.chars().peekable());
    while let Some(c) = chars.next() {
        let cell = cells.last_mut().expect("a cell");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                cell.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cell.push(c),
        }
    }
    cells
}

/// Our own events of Sysmon and of the Security log alike: image, command line, what fires of
/// either, and what fires of Sysmon's alone.
const PROCESSES: [(&str, &str, &[&str], &[&str]); 13] = [
    (r"C:\Windows\System32\NETSTAT.EXE", "netstat  -ano", &["netstat"], &["powershell", "sysmon"]),
    (r"D:\tools\netstat.exe", "", &["netstat"], &["powershell", "sysmon"]),
    (
        r"C:\Windows\System32\net.exe",
        r"net use \\fs01\backup$",
        &["net-use"],
        &["powershell", "sysmon"],
    ),
    (
        r"C:\Windows\System32\net.exe",
        r#""C:\Windows\system32\net.exe"   USE"#,
        &["net-use"],
        &["powershell", "sysmon"],
    ),
    // `*use*` is in `user` as well, and the command is not.
    (r"C:\Windows\System32\net.exe", "net user /domain", &[], &["powershell", "sysmon"]),
    (r"C:\Windows\System32\net.exe", "net sessions", &["net-sessions"], &["powershell", "sysmon"]),
    (r"C:\Windows\System32\net.exe", "net session", &[], &[]),
    (r"C:\Windows\System32\net.exe", "net file", &["net-file"], &["powershell", "sysmon"]),
    (r"C:\Windows\System32\net.exe", "net view", &[], &[]),
    // The table names net.exe alone.
    (r"C:\Windows\System32\net1.exe", "net1 use", &[], &["powershell", "sysmon"]),
    (r"C:\Windows\System32\cmd.exe", "cmd /c net use", &[], &["powershell"]),
    (
        r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
        "powershell -c Get-NetTCPConnection -State Listen",
        &["get-nettcpconnection"],
        &[],
    ),
    (r"C:\Windows\System32\cmd.exe", "cmd /c echo Get-NetTCPConnection", &[], &[]),
];

/// Scripts, whether logged whole or as the command that was called, and whether the hunt fires.
const SCRIPTS: [(u32, &str, bool); 5] = [
    (4104, "Get-NetTCPConnection | Where-Object State -eq Listen", true),
    (4104, "$c = (get-nettcpconnection)", true),
    (4104, "Get-NetTCPConnections; Get-NetUDPEndpoint", false),
    (4103, "CommandInvocation(Get-NetTCPConnection): \"Get-NetTCPConnection\"", true),
    (4103, "CommandInvocation(Get-NetRoute): \"Get-NetRoute\"", false),
];

#[test]
fn the_published_page_on_our_own_events() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("own.json");
    let (mut lines, mut wanted) = (String::new(), Vec::new());
    let mut add = |line: Value, names: Vec<&str>, what: String| {
        lines += &format!("{line}\n");
        wanted.push((names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), what));
    };
    for (at, (image, command, both, sysmon)) in PROCESSES.iter().enumerate() {
        let time = format!("2024-05-06T07:08:{at:02}.000Z");
        let event = json!({
            "EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational",
            "SourceName": "Microsoft-Windows-Sysmon", "@timestamp": time,
            "Hostname": "ws07.corp.example", "UtcTime": "2024-05-06 07:08:00.000",
            "ProcessGuid": format!("{{1f2e3d4c-0000-6638-{at:04}-000000000400}}"),
            "ProcessId": 4000 + at, "Image": image, "CommandLine": command,
            "User": "CORP\\ann", "ParentImage": r"C:\Windows\explorer.exe",
            "ParentCommandLine": r"C:\Windows\explorer.exe", "ParentProcessId": 812,
            "OriginalFileName": image.rsplit('\\').next().unwrap_or_default(),
        });
        add(event, [*both, *sysmon].concat(), format!("Sysmon {command}"));
        let event = json!({
            "EventID": 4688, "Channel": "Security",
            "SourceName": "Microsoft-Windows-Security-Auditing", "@timestamp": time,
            "Hostname": "ws07.corp.example", "NewProcessName": image, "CommandLine": command,
            "NewProcessId": format!("0x{at:x}"), "SubjectUserName": "ann",
            "ParentProcessName": r"C:\Windows\explorer.exe",
        });
        add(event, both.to_vec(), format!("4688 {command}"));
    }
    for (at, (id, text, fires)) in SCRIPTS.iter().enumerate() {
        let data = match id {
            4104 => json!({
                "MessageNumber": 1, "MessageTotal": 1, "ScriptBlockText": text, "Path": "",
                "ScriptBlockId": format!("8e0c0e52-6a0f-4f2f-9a5b-00000000000{at}")
            }),
            _ => {
                json!({"ContextInfo": "  Severity = Informational\n", "UserData": "", "Payload": text})
            }
        };
        let event = json!({"Event": {
            "System": {
                "Provider": {"#attributes": {"Name": "Microsoft-Windows-PowerShell"}},
                "EventID": id, "Level": 5, "Task": 2, "Opcode": 15,
                "TimeCreated": {
                    "#attributes": {"SystemTime": format!("2024-05-06T07:09:{at:02}.000Z")}
                },
                "EventRecordID": 70 + at,
                "Channel": "Microsoft-Windows-PowerShell/Operational",
                "Computer": "ws07.corp.example",
                "Security": {"#attributes": {"UserID": "S-1-5-21-1-2-3-1104"}}
            },
            "EventData": data
        }});
        let names = if *fires { vec!["get-nettcpconnection"] } else { Vec::new() };
        add(event, names, format!("{id} {text}"));
    }
    std::fs::write(&log, lines).expect("a log to write");
    let fired = fired_by_event(&shared, std::slice::from_ref(&log));
    for (at, (wanted, what)) in wanted.iter().enumerate() {
        let place = (log.display().to_string(), at as u64 + 1);
        assert_eq!(fired.get(&place).cloned().unwrap_or_default(), *wanted, "{what}");
    }
}
