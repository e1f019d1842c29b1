//! What reading costs: bytes of made-up logs a second, up to dictionary-encoded batches.
//!
//! `all` keeps every value, `some` the five that a rule about processes reads, `none` counts.

use std::fmt::Write;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use rulestone_events::{Fields, Ingest, Interest, Kind, Log, Settings};

fn main() {
    // Cargo says `--bench`; without it (`cargo test --benches`) everything runs once, and small.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let events = if measured { 40_000 } else { 400 };
    let mut criterion = Criterion::default()
        .sample_size(10)
        .measurement_time(Duration::from_secs(5))
        .configure_from_args();
    for (name, log) in [
        ("lines", lines(events, flat)),
        ("evtx-shaped", lines(events, tree)),
        ("list", list(events)),
        ("pretty", pretty(events)),
        ("long-text", lines(events / 4, long_text)),
        ("xml", lines(events, xml)),
        ("windows-text", lines(events, windows_text)),
        ("auditd", lines(events * 4, auditd)),
        ("syslog", lines(events * 4, syslog)),
        ("csv", table(events * 2)),
    ] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(log.len() as u64));
        for (fields, interest) in INTERESTS {
            group.bench_function(BenchmarkId::from_parameter(fields), |bencher| {
                let mut ingest = Ingest::new(Settings::default());
                bencher.iter(|| read(&log, &mut ingest, &interest));
            });
        }
    }
    criterion.final_summary();
}

#[derive(Clone, Copy)]
enum Wanted {
    All,
    Some,
    None,
}

const INTERESTS: [(&str, Wanted); 3] =
    [("all", Wanted::All), ("some", Wanted::Some), ("none", Wanted::None)];

impl Interest for Wanted {
    fn fields(&self, _: &Arc<Kind>) -> Fields {
        const NAMES: [&str; 5] = ["Image", "CommandLine", "ParentImage", "User", "Hashes"];
        match self {
            Wanted::All => Fields::All,
            Wanted::Some => Fields::Some(NAMES.map(Arc::from).to_vec()),
            Wanted::None => Fields::None,
        }
    }
}

fn read(log: &[u8], ingest: &mut Ingest, interest: &Wanted) -> u64 {
    let reader = Cursor::new(log.to_vec());
    let mut log = Log::from_reader(reader, "bench".into()).expect("a log");
    let mut events = 0;
    while let Some(unit) = log.next_unit() {
        let tally = ingest.read(unit.into_records(), interest, |batch| {
            std::hint::black_box(batch.columns.len());
        });
        // A text that does not say its zone is said to.
        assert!(tally.skipped.values().all(|skipped| skipped.bytes == 0), "{:?}", tally.skipped);
        events += tally.events;
    }
    events
}

/// Objects one a line.
fn lines(events: usize, object: fn(usize) -> String) -> Vec<u8> {
    (0..events).map(|event| object(event) + "\n").collect::<String>().into_bytes()
}

/// Objects in a list.
fn list(events: usize) -> Vec<u8> {
    let objects: Vec<String> = (0..events).map(flat).collect();
    format!("[{}]", objects.join(",")).into_bytes()
}

/// Objects over several lines each.
fn pretty(events: usize) -> Vec<u8> {
    let spread = |event| flat(event).replace(",\"", ",\n  \"").replace("{\"", "{\n  \"") + "\n";
    (0..events).map(spread).collect::<String>().into_bytes()
}

/// The values of an event; most stand again and again, one in three command lines does not.
fn values(event: usize) -> [(&'static str, String); 8] {
    let program = ["svchost", "chrome", "backup", "update", "cmd"][event % 5];
    let argument = if event.is_multiple_of(3) { event } else { event % 50 };
    let image = format!("C:\\\\Windows\\\\System32\\\\{program}.exe");
    [
        ("CommandLine", format!("\\\"{image}\\\" -k group{} -p {argument}", event % 7)),
        ("Image", image),
        ("ParentImage", "C:\\\\Windows\\\\System32\\\\services.exe".to_owned()),
        ("User", format!("CORP\\\\user{}", event % 40)),
        ("Hashes", format!("MD5={:032x},IMPHASH={:032x}", event % 60, event % 11)),
        ("CurrentDirectory", "C:\\\\Windows\\\\system32\\\\".to_owned()),
        ("IntegrityLevel", "System".to_owned()),
        ("ProcessGuid", format!("{{00000000-0000-0000-0000-{event:012}}}")),
    ]
}

/// The way NXLog writes an event.
fn flat(event: usize) -> String {
    let mut text = format!(
        "{{\"EventID\":1,\"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\
         \"SourceName\":\"Microsoft-Windows-Sysmon\",\"Hostname\":\"ws-{}\",\
         \"EventReceivedTime\":\"2024-05-01 12:00:01\",\"EventTime\":\"2024-05-01 12:00:00\",\
         \"RecordNumber\":{event}",
        event % 20,
    );
    for (name, value) in values(event) {
        let _ = write!(text, ",\"{name}\":\"{value}\"");
    }
    text + "}"
}

/// The way the evtx tools write an event.
fn tree(event: usize) -> String {
    let mut text = format!(
        "{{\"Event\":{{\"#attributes\":{{\"xmlns\":\"http://schemas.microsoft.com/win/2004/08/events\
         /event\"}},\"System\":{{\"Provider\":{{\"#attributes\":{{\"Name\":\
         \"Microsoft-Windows-Sysmon\"}}}},\"EventID\":1,\"Version\":5,\"TimeCreated\":\
         {{\"#attributes\":{{\"SystemTime\":\"2024-05-01T12:00:00.{event:07}Z\"}}}},\
         \"EventRecordID\":{event},\"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\
         \"Computer\":\"ws-{}\"}},\"EventData\":{{",
        event % 20,
    );
    for (at, (name, value)) in values(event).into_iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\"{name}\":\"{value}\"");
    }
    text + "}}}"
}

/// An event with two kilobytes of text that hardly ever stands twice.
fn long_text(event: usize) -> String {
    let line = format!("$x{event} = Get-Item -Path 'C:\\\\Temp\\\\{event}'\\r\\n");
    let text = line.repeat(2_000 / line.len());
    flat(event).replacen('{', &format!("{{\"ScriptBlockText\":\"{text}\","), 1)
}

/// A Windows event as XML.
fn xml(event: usize) -> String {
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider \
         Name='Microsoft-Windows-Sysmon' Guid='{{5770385F-C22A-43E0-BF4C-06F5698FFBD9}}'/>\
         <EventID>1</EventID><Version>5</Version><Level>4</Level><Task>1</Task><Opcode>0</Opcode>\
         <Keywords>0x8000000000000000</Keywords><TimeCreated SystemTime='2024-05-01T10:00:00.{:07}Z'/>\
         <EventRecordID>{event}</EventRecordID><Correlation/><Execution ProcessID='12' ThreadID='34'/>\
         <Channel>Microsoft-Windows-Sysmon/Operational</Channel><Computer>ws{}.example.org</Computer>\
         <Security UserID='S-1-5-18'/></System><EventData><Data Name='RuleName'>-</Data>\
         <Data Name='UtcTime'>2024-05-01 10:00:00.000</Data><Data Name='ProcessId'>{}</Data>\
         <Data Name='Image'>C:\\Program Files\\Tool {}\\tool.exe</Data>\
         <Data Name='CommandLine'>&quot;C:\\Program Files\\tool.exe&quot; --run {} --quiet</Data>\
         <Data Name='CurrentDirectory'>C:\\Users\\user{}\\</Data><Data Name='User'>EXAMPLE\\user{}</Data>\
         <Data Name='Hashes'>SHA256={:064x},IMPHASH={:032x}</Data>\
         <Data Name='ParentImage'>C:\\Windows\\explorer.exe</Data>\
         <Data Name='ParentCommandLine'>C:\\Windows\\explorer.exe</Data></EventData></Event>",
        event % 10_000_000,
        event % 50,
        event % 9000,
        event % 40,
        event % 700,
        event % 30,
        event % 30,
        event % 400,
        event % 400,
    )
}

/// A Windows event as Splunk writes it in text.
fn windows_text(event: usize) -> String {
    format!(
        "05/01/2024 10:{:02}:00 AM\nLogName=Security\nEventCode=4688\nEventType=0\n\
         ComputerName=ws{}.example.org\nSourceName=Microsoft Windows security auditing.\n\
         Type=Information\nRecordNumber={event}\nKeywords=Audit Success\n\
         TaskCategory=Process Creation\nOpCode=Info\nMessage=A new process has been created.\n\n\
         Creator Subject:\n\tSecurity ID:\t\tNT AUTHORITY\\SYSTEM\n\tAccount Name:\t\tWS1$\n\
         \tAccount Domain:\t\tEXAMPLE\n\tLogon ID:\t\t0x3E7\n\nProcess Information:\n\
         \tNew Process ID:\t\t0x{:x}\n\tNew Process Name:\tC:\\Tools\\{}.exe\n\
         \tToken Elevation Type:\tTokenElevationTypeDefault (1)\n\tCreator Process ID:\t0x10\n\
         \tProcess Command Line:\ttool.exe --run {}\n",
        event % 60,
        event % 50,
        event % 9000,
        event % 40,
        event % 700,
    )
}

fn auditd(event: usize) -> String {
    format!(
        "type=SYSCALL msg=audit({}.123:{event}): arch=c000003e syscall=59 success=yes exit=0 \
         a0=55d0c8f0 a1=55d0c8f8 a2=55d0c900 a3=0 items=2 ppid={} pid={} auid=1000 uid=0 gid=0 \
         euid=0 tty=pts0 ses=3 comm=\"tool{}\" exe=\"/usr/bin/tool\" key=\"exec\"",
        1_714_557_600 + event / 10,
        event % 900,
        event % 9000,
        event % 40,
    )
}

fn syslog(event: usize) -> String {
    format!(
        "<86>2024-05-01T10:{:02}:{:02}.123456+02:00 host{} sshd[{}]: Accepted publickey for user{} \
         from 10.0.0.{} port {} ssh2: ED25519",
        event / 60 % 60,
        event % 60,
        event % 9,
        event % 9000,
        event % 30,
        event % 250,
        event % 60_000,
    )
}

/// Rows behind a header.
fn table(events: usize) -> Vec<u8> {
    let mut log = "UtcTime,EventID,Channel,Computer,Image,CommandLine,User\n".to_owned();
    for event in 0..events {
        let _ = writeln!(
            log,
            "2024-05-01 10:00:00.{:03},1,Microsoft-Windows-Sysmon/Operational,ws{},\
             \"C:\\Program Files\\Tool {}\\tool.exe\",\"\"\"tool.exe\"\" --run, {}\",EXAMPLE\\user{}",
            event % 1000,
            event % 50,
            event % 40,
            event % 700,
            event % 30,
        );
    }
    log.into_bytes()
}
