//! Searches in the form of Anvilogic's armory over events, and the page about what its macros and
//! names mean, which is generated from the tables: `UPDATE_GOLDEN=1 cargo test` writes it anew.

#![expect(clippy::print_stderr, reason = "a test that was skipped says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rulestone_dialects::containers::normalised_fields;
use rulestone_dialects::spl::macros;
use rulestone_ir::Schema;
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

// ---- Searches over events ---------------------------------------------------------------------

/// An event, and which of the searches fire: `s` over Sysmon, `w` over Windows events, `p` over
/// PowerShell's; behind a blank `c`, the published query over processes.
type Row = (&'static str, &'static str, &'static str);

/// What each event is (its log and its command or script), and what fires of our own searches and
/// of the published ones that they are like. `"net" ("use" or "sessions")` demands both words and
/// the word `or`, and the cmdlet is spelt in two ways, so that neither ever fires by itself.
const EVENTS: [Row; 17] = [
    ("sysmon", "netstat -ano", "s c"),
    ("sysmon", r"C:\Windows\System32\NETSTAT.EXE -b", "s c"),
    // The index has no word `netstat` in it, whatever the regular expression says; SQL has none.
    ("sysmon", "mynetstat2 -ano", " c"),
    // The lower-case `or` is a word that the event does not have; in SQL it is an operator.
    ("sysmon", r"net use \\fs01\backup$", " c"),
    ("sysmon", "net session", ""),
    ("sysmon", "net use /comment:use-or-sessions or session", "s c"),
    ("sysmon", "powershell -c Get-NetTCPConnection", ""),
    ("sysmon", "ipconfig /all", ""),
    ("security", "netstat -ano", "w c"),
    ("security", r"net use \\fs01\backup$", " c"),
    ("security", "powershell -c Get-NetTCPConnection", ""),
    ("security", "ipconfig /all", ""),
    ("script", "netstat -ano | Select-String 443", "p"),
    ("script", "Get-NetTCPConnection -State Listen", ""),
    // Both spellings in one script satisfy both.
    ("script", "Get-NetTCPConnection # not Get-TCPConnection", "p"),
    ("script", "Get-Process", ""),
    ("pipeline", "CommandInvocation(netstat.exe): \"netstat.exe\"", "p"),
];

/// The event as a line of JSON.
fn line(at: usize, (log, text, _): &Row) -> String {
    let second = format!("2024-05-06T07:08:{at:02}.000Z");
    let header = |provider: &str, channel: &str, id: u32| {
        json!({
            "Provider": {"#attributes": {"Name": provider}}, "EventID": id, "Level": 4,
            "TimeCreated": {"#attributes": {"SystemTime": second}}, "EventRecordID": 70 + at,
            "Channel": channel, "Computer": "ws07.corp.example",
            "Execution": {"#attributes": {"ProcessID": 812, "ThreadID": 4}},
        })
    };
    let powershell = "Microsoft-Windows-PowerShell";
    let operational = "Microsoft-Windows-PowerShell/Operational";
    let (system, data) = match *log {
        "sysmon" => (
            header("Microsoft-Windows-Sysmon", "Microsoft-Windows-Sysmon/Operational", 1),
            json!({
                "UtcTime": "2024-05-06 07:08:00.000", "ProcessId": 4000 + at,
                "Image": r"C:\Windows\System32\tool.exe", "CommandLine": text,
                "User": r"CORP\ann", "ParentImage": r"C:\Windows\explorer.exe",
                "ParentCommandLine": "explorer.exe",
            }),
        ),
        "security" => (
            header("Microsoft-Windows-Security-Auditing", "Security", 4688),
            json!({
                "SubjectUserName": "ann", "SubjectDomainName": "CORP", "TargetUserName": "-",
                "NewProcessName": r"C:\Windows\System32\tool.exe", "CommandLine": text,
                "ParentProcessName": r"C:\Windows\explorer.exe", "NewProcessId": "0x1f4",
            }),
        ),
        "script" => (
            header(powershell, operational, 4104),
            json!({
                "MessageNumber": 1, "MessageTotal": 1, "ScriptBlockText": text, "Path": "",
                "ScriptBlockId": format!("8e0c0e52-6a0f-4f2f-9a5b-0000000000{at:02}"),
            }),
        ),
        _ => (
            header(powershell, operational, 4103),
            json!({
                "ContextInfo": "  Host Application = powershell.exe\n  User = CORP\\ann\n",
                "UserData": "", "Payload": text,
            }),
        ),
    };
    json!({"Event": {"System": system, "EventData": data}}).to_string()
}

/// For each record of a log what fires on it, by the last part of the rule's file.
fn fired(rules: &Path, logs: &[PathBuf]) -> BTreeMap<(String, u64), BTreeSet<String>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rulestone"));
    command.args(["scan", "-q", "--format", "ndjson", "-r"]).arg(rules);
    let output = command.args(logs).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut fired: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
        let alert: Value = serde_json::from_str(line).expect("an alert");
        let path = alert["rule"]["path"].as_str().expect("a path");
        let name = path.rsplit('-').next().expect("a name").chars().next().expect("a letter");
        for evidence in alert["evidence"].as_array().expect("evidence") {
            let log = evidence["log"].as_str().expect("a log").to_owned();
            let place = (log, evidence["record"].as_u64().expect("a record"));
            fired.entry(place).or_default().insert(name.to_string());
        }
    }
    fired
}

fn fire_as_expected(rules: &Path, has_query: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("own.json");
    let lines: Vec<String> = EVENTS.iter().enumerate().map(|(at, row)| line(at, row)).collect();
    std::fs::write(&log, lines.join("\n")).expect("a log to write");
    let fired = fired(rules, std::slice::from_ref(&log));
    let mut wrong = String::new();
    for (at, (kind, text, expected)) in EVENTS.iter().enumerate() {
        let place = (log.display().to_string(), at as u64 + 1);
        let found = fired.get(&place).map(|names| names.iter().cloned().collect::<String>());
        let found = found.unwrap_or_default();
        let (searches, query) = expected.split_once(' ').unwrap_or((expected, ""));
        let expected = if has_query { format!("{query}{searches}") } else { searches.to_owned() };
        if found != expected {
            let _ = writeln!(wrong, "{kind} {text:?}: {found:?}, not {expected:?}");
        }
    }
    assert!(wrong.is_empty(), "{}:\n{wrong}", rules.display());
}

#[test]
fn our_own_searches_on_our_own_events() {
    fire_as_expected(&root().join("examples/anvilogic"), false);
}

const PUBLISHED: &str = "corpora/rules/anvilogic/detections/endpoint/\
                         system_network_connections_discovery-windows";

fn shared() -> Option<PathBuf> {
    let shared = root().join("../shared");
    if !shared.join(PUBLISHED).is_dir() {
        eprintln!("skipped: ../shared/corpora is not there");
        return None;
    }
    Some(shared)
}

#[test]
fn published_searches_on_our_own_events() {
    let Some(shared) = shared() else { return };
    fire_as_expected(&shared.join(PUBLISHED), true);
}

/// Whether the first of the values that are left in a line has `net use` in it.
fn has_net_use(rest: &str) -> bool {
    let value = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split("\",").next(),
        None => rest.split(',').next(),
    };
    let words: Vec<&str> = value.unwrap_or_default().split_whitespace().collect();
    let text = words.join(" ").to_ascii_lowercase().replace("net.exe", "net");
    text.contains("net use")
}

/// Of the labelled events those in which `netstat` is a word of the command or script: everything
/// else needs the word `or`, or both spellings of the cmdlet. The query over processes, whose `or`
/// is an operator, has `net use` too, and `net user`, which begins with it.
#[test]
fn published_searches_on_labelled_events() {
    let Some(shared) = shared() else { return };
    let table = std::fs::read_to_string(shared.join("reference/t1049-events.csv"));
    let table = table.expect("a table");
    let mut rows = table.lines().map(|line| line.splitn(14, ',').collect::<Vec<_>>()).skip(1);
    let mut expected: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    let mut logs = BTreeSet::new();
    for row in &mut rows {
        let [file, record, channel, _, _, _, _, kind, _, _, _, _, _, rest] = row[..] else {
            panic!("{row:?}")
        };
        let path = |name: &str| shared.join("corpora/events").join(name).display().to_string();
        logs.insert(PathBuf::from(path(file.split('!').next().expect("a file"))));
        let log = match channel.to_ascii_lowercase().as_str() {
            "security" => "w",
            "microsoft-windows-sysmon/operational" => "s",
            _ => "p",
        };
        let query = log != "p" && (kind == "netstat" || has_net_use(rest));
        let fires = [(kind == "netstat").then_some(log), query.then_some("c")];
        let place = (path(file), record.parse().expect("a number"));
        expected.insert(place, fires.into_iter().flatten().map(str::to_owned).collect());
    }
    let fired = fired(&shared.join(PUBLISHED), &logs.into_iter().collect::<Vec<_>>());
    for ((log, record), expected) in &expected {
        // The table shortens the names of members: their last part tells.
        let (archive, member) = log.split_once('!').unwrap_or((log, ""));
        let member = member.rsplit('/').next().unwrap_or_default();
        let is = |(at, number): &(String, u64)| {
            number == record && at.starts_with(archive) && at.ends_with(member)
        };
        let found = fired.iter().filter(|(at, _)| is(at)).flat_map(|(_, names)| names.clone());
        assert_eq!(found.collect::<BTreeSet<_>>(), *expected, "{log} {record}");
    }
}

// ---- The page ----------------------------------------------------------------------------------

/// The tables of the view, without those of SQL.
fn tables() -> Vec<(String, String)> {
    let folder = root().join("crates/events/src/views/anvilogic");
    let files =
        std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    let mut files: Vec<PathBuf> = files.filter(|path| !path.ends_with("tables.toml")).collect();
    files.sort();
    let read = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).expect("a table"))
    };
    files.iter().map(read).collect()
}

/// Every name of the tables, with the files that have it.
fn names() -> BTreeMap<String, BTreeSet<String>> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in tables() {
        let mut fields = false;
        for line in text.lines() {
            if line.starts_with('[') {
                fields = line.ends_with("fields]") || line.starts_with("[sets.");
            } else if let Some((name, _)) = line.split_once(" = ").filter(|_| fields) {
                names.entry(name.trim_matches('"').to_owned()).or_default().insert(file.clone());
            }
        }
    }
    names
}

#[test]
fn rules_say_which_names_are_by_our_definition() {
    let own: Vec<String> = names().into_keys().collect();
    assert_eq!(normalised_fields(), own, "OWN_FIELDS in containers/anvilogic.rs");
}

#[test]
fn the_page_says_what_the_tables_have() {
    let path = root().join("docs/anvilogic.md");
    let page = page();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &page).expect("the page to write");
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(recorded == page, "docs/anvilogic.md is not what the tables say: UPDATE_GOLDEN=1");
}

fn page() -> String {
    let mut out = INTRODUCTION.to_owned();
    for own in macros().filter(|own| own.schema == Some(Schema::Anvilogic)) {
        let arguments = match own.arguments {
            [] => String::new(),
            names => format!("({})", names.join(", ")),
        };
        let definition = own.definition.split_whitespace().collect::<Vec<_>>().join(" ");
        let definition = definition.replace('|', "\\|");
        let definition = match definition.as_str() {
            "" => String::new(),
            text if text.contains('`') => format!("`` {text} ``"),
            text => format!("`{text}`"),
        };
        let _ = writeln!(out, "| `{}{arguments}` | {} | {definition} |", own.name, own.means);
    }
    out.push_str(FIELDS);
    for (name, files) in names() {
        let files: Vec<String> = files.into_iter().collect();
        let _ = writeln!(out, "| `{name}` | {} |", files.join(", "));
    }
    out
}

const INTRODUCTION: &str = "\
# Anvilogic's armory: what its macros and names mean

This page is generated from the tables in the code. The armory publishes searches, and neither the macros they begin with
nor what its normalised names hold. Both are defined here by what they name. A macro of your own (`--macros FILE`) or of the
rule set takes the place of the one here.

* A search runs every hour over the hour before, a query in SQL over the two hours it asks for: the armory names no schedule.
* A search that reads a name of the table below is `approximate`, with the code `own-field`. Other names read as Splunk's
  add-ons give them (`rulestone debug view` shows how).
* `TERM(EventCode=1)` also finds events kept as XML (note `classic-term`); `dnslookup` finds nothing offline (`needs-dns`).
* Threat actors, software, weaknesses and the tests of Atomic Red Team that descriptions name are in the alerts, as
  `threat_actor`, `software`, `vulnerability` and `atomic_test` (`T1049-1`, as `Invoke-AtomicTest` takes it).

## Macros

| Macro | Names | Stands for |
|---|---|---|
";

const FIELDS: &str = "
## Names by our definition

`process` is the command line of a new process, the script of PowerShell, the command of auditd; of events about something
else the program. The tables of `crates/events/src/views/anvilogic` say it for each kind.

| Name | For events of |
|---|---|
";
