//! Events that come in pieces: what rules see of them, whatever the order, the logs and the threads.

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rulestone_engine::{LogFile, Plan, ScanSettings, reference, scan};
use rulestone_events::{Settings, Tally, Views};
use rulestone_ir::{Formula, Rule, Test};
use serde_json::json;
use support::{named, rule, scope, test};

const PROVIDER: &str = "Microsoft-Windows-PowerShell";
const CHANNEL: &str = "Microsoft-Windows-PowerShell/Operational";

/// A piece of a script: its id, number and total, its text, and its record number, which also
/// sets its time.
#[derive(Clone, Copy)]
struct Piece(&'static str, u64, u64, &'static str, u64);

impl Piece {
    fn time(self) -> String {
        format!("2026-03-02T10:00:{:02}.0000000Z", self.4 % 60)
    }

    /// As the EVTX tools write it.
    fn evtx(self) -> String {
        let time = self.time();
        let Piece(id, number, total, text, record) = self;
        let record = json!({"Event": {
            "System": {
                "Provider": {"#attributes": {"Name": PROVIDER}},
                "EventID": 4104,
                "TimeCreated": {"#attributes": {"SystemTime": time}},
                "EventRecordID": record, "Channel": CHANNEL, "Computer": "WS-1.example"
            },
            "EventData": {
                "MessageNumber": number, "MessageTotal": total, "ScriptBlockText": text,
                "ScriptBlockId": id, "Path": ""
            }
        }});
        format!("{record}\n")
    }

    /// As a log shipper writes it, all values as text.
    fn nxlog(self) -> String {
        let time = self.time();
        let Piece(id, number, total, text, record) = self;
        let record = json!({
            "EventID": 4104, "Channel": CHANNEL, "SourceName": PROVIDER, "Hostname": "ws-1.EXAMPLE",
            "EventTime": time, "SourceModuleName": "eventlog", "RecordNumber": record,
            "MessageNumber": number.to_string(), "MessageTotal": total.to_string(),
            "ScriptBlockText": text, "ScriptBlockId": id.to_uppercase()
        });
        format!("{record}\n")
    }
}

fn contains(text: &str) -> Formula {
    test(named("ScriptBlockText"), Test::Contains(text.to_owned()))
}

/// Fires on a word that no single piece has, on one that several have, and on every piece.
fn rules() -> Vec<Arc<Rule>> {
    let on = |filter| rule(vec![(scope("product=windows category=ps_script"), filter)]);
    let exists = on(test(named("ScriptBlockText"), Test::Exists));
    vec![on(contains("Invoke-Mimikatz")), on(contains("common")), exists]
}

/// What a scan gave.
#[derive(Debug, PartialEq)]
struct Found {
    /// `RULE LOG RECORD TIME TEXT <- EVIDENCE`, with notes behind.
    hits: Vec<String>,
    events: u64,
    /// `REASON COUNT`
    skipped: Vec<String>,
}

fn scan_files(logs: &[PathBuf], jobs: usize, bound: usize) -> Found {
    let views = Views::built_in().expect("the tables built in");
    let plan = Plan::new(rules(), &views);
    let file = |path: &PathBuf| LogFile {
        name: path.file_name().expect("a name").to_string_lossy().into(),
        path: Some(path.clone()),
        lines: false,
    };
    let logs: Vec<LogFile> = logs.iter().map(file).collect();
    let ingest = Settings { fragment_bytes: bound, ..Settings::default() };
    let settings = ScanSettings { jobs, ingest, ..ScanSettings::default() };
    let make = |hit: rulestone_engine::Hit<'_>| {
        assert!(reference::fires(hit.rule, &views, hit.event), "the reference disagrees");
        let evidence: Vec<String> = hit
            .evidence
            .iter()
            .map(|(log, event)| {
                format!("{log}:{}", event.get("MessageNumber").text().unwrap_or_default())
            })
            .collect();
        let text = hit.event.get("ScriptBlockText").text().unwrap_or_default().into_owned();
        let time = hit.event.time.expect("a time").to_string();
        let second = &time[17..19];
        format!(
            "{} {} {} :{second} {text} <- {} {}",
            hit.rule_at,
            hit.log,
            hit.event.record,
            evidence.join(" "),
            hit.notes.join(" | "),
        )
        .trim_end()
        .to_owned()
    };
    let (mut hits, mut tally) = (Vec::new(), Tally::default());
    scan(&logs, &plan, &settings, &AtomicBool::new(false), make, |outcome| {
        hits.extend(outcome.hits);
        tally.add(outcome.tally);
    });
    let skipped = tally.skipped.iter().map(|(reason, what)| format!("{reason} {}", what.count));
    Found { hits, events: tally.events, skipped: skipped.collect() }
}

/// Scans logs with every number of threads and in both orders: what comes out is the same.
fn scan_logs(logs: &[(&str, String)]) -> Found {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |(name, text): &(&str, String)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("room for a log");
        path
    };
    let mut paths: Vec<PathBuf> = logs.iter().map(write).collect();
    let found = scan_files(&paths, 1, 256 << 20);
    for jobs in [2, 8] {
        assert_eq!(scan_files(&paths, jobs, 256 << 20), found, "{jobs} threads");
    }
    paths.reverse();
    assert_eq!(scan_files(&paths, 3, 256 << 20), found, "the logs in another order");
    found
}

const A: &str = "aaaaaaaa-0000-0000-0000-000000000001";
const B: &str = "bbbbbbbb-0000-0000-0000-000000000002";

/// A script in five pieces: a word goes over the border of the second and third.
const FIVE: [Piece; 5] = [
    Piece(A, 1, 5, "one common \"\\ ", 11),
    Piece(A, 2, 5, "two common Invoke-", 12),
    Piece(A, 3, 5, "Mimikatz ä\n", 13),
    Piece(A, 4, 5, "four common ", 14),
    Piece(A, 5, 5, "end", 15),
];

const JOINED: &str = "one common \"\\ two common Invoke-Mimikatz ä\nfour common end";

#[test]
fn pieces_in_any_order_are_one_event() {
    for order in [[0, 1, 2, 3, 4], [4, 2, 0, 3, 1], [4, 3, 2, 1, 0]] {
        let found = scan_logs(&[("log", order.map(|at| FIVE[at].evtx()).concat())]);
        let line = order.iter().position(|at| *at == 0).expect("the first piece") + 1;
        let evidence = "log:1 log:2 log:3 log:4 log:5";
        let hit = |rule| format!("{rule} log {line} :11 {JOINED} <- {evidence}");
        assert_eq!(found.hits, [hit(0), hit(1), hit(2)]);
        assert_eq!((found.events, found.skipped.len()), (5, 0), "every piece is counted");
    }
}

#[test]
fn pieces_may_be_in_several_logs_of_several_formats() {
    let own = |pieces: &[usize]| pieces.iter().map(|at| FIVE[*at].evtx()).collect::<String>();
    let shipped = |pieces: &[usize]| pieces.iter().map(|at| FIVE[*at].nxlog()).collect::<String>();
    let found = scan_logs(&[("a", own(&[4, 1])), ("b", shipped(&[2, 0, 3]))]);
    let hit = |rule| format!("{rule} b 2 :11 {JOINED} <- b:1 a:2 b:3 b:4 a:5");
    assert_eq!(found.hits, [hit(0), hit(1), hit(2)]);
}

#[test]
fn pieces_that_come_twice_are_used_once() {
    let all = FIVE.map(Piece::evtx).concat();
    let shipped = FIVE.map(Piece::nxlog).concat();
    let found = scan_logs(&[("a", all.clone()), ("b", all), ("c", shipped)]);
    let hit = |rule| format!("{rule} a 1 :11 {JOINED} <- a:1 a:2 a:3 a:4 a:5");
    assert_eq!(found.hits, [hit(0), hit(1), hit(2)]);
    assert_eq!((found.events, found.skipped.len()), (15, 0));
}

#[test]
fn where_one_is_missing_each_runs_by_itself_and_says_so() {
    let found = scan_logs(&[("log", [0, 2, 4].map(|at| FIVE[at].evtx()).concat())]);
    let note =
        |number| format!("fragment {number} of 5 of PowerShell script block {A}; 2, 4 missing");
    let expected = [
        format!("1 log 1 :11 one common \"\\  <-  {}", note(1)),
        format!("2 log 1 :11 one common \"\\  <-  {}", note(1)),
        format!("2 log 2 :13 Mimikatz ä\n <-  {}", note(3)),
        format!("2 log 3 :15 end <-  {}", note(5)),
    ];
    assert_eq!(found.hits, expected);
    assert_eq!(found.skipped, ["PowerShell script block with fragments missing 1"]);
}

#[test]
fn what_only_looks_like_a_piece_is_an_event_like_any_other() {
    let pieces = [
        Piece(A, 1, 1, "whole", 1),
        Piece("", 1, 2, "without an id", 2),
        Piece(B, 3, 2, "numbered past the end", 3),
        Piece(B, 0, 2, "numbered from nothing", 4),
    ];
    let found = scan_logs(&[("log", pieces.map(Piece::evtx).concat())]);
    let expected = pieces.map(|Piece(_, _, _, text, at)| format!("2 log {at} :0{at} {text} <-"));
    assert_eq!((found.hits, found.skipped.len()), (expected.to_vec(), 0));
}

#[test]
fn of_pieces_that_differ_the_first_is_used_and_the_others_run_by_themselves() {
    let pieces = [Piece(A, 1, 2, "x", 1), Piece(A, 2, 2, "y common", 2), Piece(A, 2, 2, "z", 3)];
    let found = scan_logs(&[("log", pieces.map(Piece::evtx).concat())]);
    let note = format!("fragment 2 of 2 of PowerShell script block {A}, of which there are others");
    assert_eq!(found.hits[0], "1 log 1 :01 xy common <- log:1 log:2");
    assert_eq!(found.hits[2], format!("2 log 3 :03 z <-  {note} that differ"));
    assert_eq!(found.hits.len(), 3);
    let reason = "PowerShell script block with fragments of one number that differ 1";
    assert_eq!(found.skipped, [reason]);
}

#[test]
fn the_memory_for_pieces_is_bounded() {
    // Complete scripts, of which every second one lacks its last piece.
    let pieces = |script: u64| {
        let id: &'static str = Box::leak(format!("script-{script}").into_boxed_str());
        let first = Piece(id, 1, 2, "one common", script * 2 + 1);
        let second = Piece(id, 2, 2, "two", script * 2 + 2);
        first.evtx() + &if script.is_multiple_of(2) { second.evtx() } else { String::new() }
    };
    let folder = tempfile::tempdir().expect("a folder");
    let paths: Vec<PathBuf> = (0..10)
        .map(|log| {
            let path = folder.path().join(log.to_string());
            let text: String = (log * 10..log * 10 + 10).map(pieces).collect();
            std::fs::write(&path, text).expect("room for a log");
            path
        })
        .collect();
    let found = scan_files(&paths, 1, 8_000);
    assert_eq!(scan_files(&paths, 4, 8_000), found);
    let joined = found.hits.iter().filter(|hit| hit.contains("one commontwo")).count();
    let alone = found.hits.iter().filter(|hit| hit.contains("one common <-")).count();
    // Two rules each.
    assert_eq!((joined, alone), (100, 100), "what is complete is put together, early or late");
    assert!(found.hits.iter().any(|hit| hit.contains("; 2 not waited for")), "{:?}", found.skipped);
    assert!(found.hits.iter().any(|hit| hit.contains("; 2 missing")));
    let unbounded = scan_files(&paths, 1, 256 << 20);
    assert_eq!(unbounded.skipped, ["PowerShell script block with fragments missing 50"]);
}
