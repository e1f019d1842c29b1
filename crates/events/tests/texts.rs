//! Logs that are text, form by form: what each record becomes, what is skipped, and that damage
//! costs no more than what it hits.

use std::fmt::Write;
use std::io::Cursor;
use std::sync::Arc;

use rulestone_events::{
    Event, Fields, Format, Ingest, Interest, Kind, Log, LogError, Settings, Tally,
};

struct Everything;

impl Interest for Everything {
    fn fields(&self, _: &Arc<Kind>) -> Fields {
        Fields::All
    }
}

#[derive(Default)]
struct Given {
    events: Vec<Event>,
    tally: Tally,
}

fn read_in_stretches(bytes: &[u8], stretch: usize) -> Result<Given, LogError> {
    let mut log = Log::from_reader(Cursor::new(bytes.to_vec()), Arc::from("log"))?;
    log.set_stretch(stretch);
    let (mut ingest, mut given) = (Ingest::new(Settings::default()), Given::default());
    while let Some(unit) = log.next_unit() {
        let mut events = Vec::new();
        let tally = ingest.read(unit.into_records(), &Everything, |batch| {
            events.extend(batch.rows.iter().map(|row| (row.position(), batch.event(row))));
        });
        events.sort_by_key(|(position, _)| *position);
        given.events.extend(events.into_iter().map(|(_, event)| event));
        given.tally.add(tally);
    }
    Ok(given)
}

fn read(bytes: &[u8]) -> Given {
    read_in_stretches(bytes, 2 << 20).expect("a log")
}

/// What was read, one line a value, and what was skipped.
fn print(given: &Given) -> String {
    let mut out = String::new();
    for event in &given.events {
        let time = event.time.map(|time| time.to_string()).unwrap_or_default();
        let _ = writeln!(out, "{} [{}] {time}", event.record, event.kind.label());
        for (name, value) in &event.fields {
            if !matches!(&**name, "EventID" | "Channel" | "TimeCreated_SystemTime" | "timestamp") {
                let _ = writeln!(out, "  {name} = {value:?}");
            }
        }
    }
    for (reason, skipped) in &given.tally.skipped {
        let _ = writeln!(out, "skipped {} ({} bytes): {reason}", skipped.count, skipped.bytes);
    }
    out
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

/// An event as XML on one line.
fn xml(number: u64) -> String {
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-Sysmon' Guid='{{5770385F-C22A-43E0-BF4C-06F5698FFBD9}}'/><EventID>1</EventID><Version>5</Version><Level>4</Level><TimeCreated SystemTime='2024-05-01T10:00:00.{number:07}Z'/><EventRecordID>{number}</EventRecordID><Correlation/><Execution ProcessID='12' ThreadID='34'/><Channel>Microsoft-Windows-Sysmon/Operational</Channel><Computer>ws1.example.org</Computer><Security UserID='S-1-5-18'/></System><EventData><Data Name='RuleName'></Data><Data Name='Image'>C:\\Tools\\a&amp;b.exe</Data><Data Name='CommandLine'>\"a\" -x {number} &lt;y&gt;</Data></EventData></Event>"
    )
}

/// An event as Splunk writes it.
fn splunk(number: u64) -> String {
    format!(
        "05/01/2024 10:{:02}:00 AM\nLogName=Security\nEventCode=4688\nEventType=0\nComputerName=ws1.example.org\nSourceName=Microsoft Windows security auditing.\nType=Information\nRecordNumber={number}\nKeywords=Audit Success\nTaskCategory=Process Creation\nOpCode=Info\nMessage=A new process has been created.\n\nCreator Subject:\n\tSecurity ID:\t\tNT AUTHORITY\\SYSTEM\n\tAccount Name:\t\tWS1$\n\nProcess Information:\n\tNew Process ID:\t\t0x{number:x}\n\tNew Process Name:\tC:\\Tools\\a.exe\n\tProcess Command Line:\ta.exe -x {number}\n",
        number % 60
    )
}

fn auditd(number: u64) -> String {
    format!(
        "type=EXECVE msg=audit(1714557600.{number:03}:{number}): argc=3 a0=\"sh\" a1=\"-c\" a2=6563686F20{:02X}{:02X}",
        b'a' + (number % 20) as u8,
        b'b' + (number % 20) as u8,
    )
}

fn syslog(number: u64) -> String {
    format!(
        "<86>2024-05-01T10:00:{:02}.5+02:00 host1 sshd[{number}]: Failed password for root from 10.0.0.{} port 22 ssh2",
        number % 60,
        number % 250
    )
}

fn csv(number: u64) -> String {
    format!(
        "2024-05-01T10:00:00Z,1,Microsoft-Windows-Sysmon/Operational,ws1,\"a, \"\"b\"\"\nc {number}\",C:\\a.exe"
    )
}

/// An event as JSON on one line.
fn json(number: u64) -> String {
    format!(
        "{{\"a\":{number},\"b\":{{\"c\":[\"x\",\"y, }}{{\"],\"d\":\"C:\\\\Tools\\\\a.exe \\\"-x\\\"\"}},\"e\":\"é {number}\"}}"
    )
}

/// The same over several lines.
fn indented_json(number: u64) -> String {
    format!(
        "{{\n  \"a\": {number},\n  \"b\": {{\n    \"c\": [\n      {{\n        \"d\": \"x\"\n      }}\n    ]\n  }},\n  \"e\": \"é {number}\"\n}}"
    )
}

const CSV_HEADER: &str = "UtcTime,EventID,Channel,Computer,CommandLine,Image\n";

#[test]
fn formats_are_told_by_content() {
    let event = xml(1);
    let pretty = format!("\u{feff}<?xml version=\"1.0\"?>\n<!-- c -->\n<Events>{event}</Events>");
    let behind_syslog = format!("May  1 10:00:00 host1 sysmon[5]: {event}");
    let unknown = Format::Unread("text of no known log format");
    let no_windows = Format::Unread("XML without Windows events");
    let cases: Vec<(&str, Format)> = vec![
        (&event, Format::Xml),
        (&pretty, Format::Xml),
        ("Record 1\n<?xml version=\"1.0\"?>\n<Event><System/></Event>", Format::Xml),
        ("<e:Event xmlns:e='u'><e:System/></e:Event>", Format::Xml),
        ("<Root><Event><System/></Event></Root>", Format::Xml),
        ("<!DOCTYPE html><html><body>Event</body></html>", no_windows),
        ("<html>&lt;Event>&lt;System></html>", no_windows),
        ("<Events2/>", no_windows),
        ("05/01/2024 10:00:00 AM\nLogName=Security\nEventCode=1\n", Format::WindowsText),
        ("LogName=Security\nEventCode=1\n", Format::WindowsText),
        ("Log Name:      Security\nSource:        x\n", Format::WindowsText),
        ("ws1\tMSWinEventLog\t1\tSecurity\t5\t", Format::WindowsText),
        ("type=SYSCALL msg=audit(1714557600.123:5): arch=c000003e", Format::Auditd),
        ("node=h1 type=CWD msg=audit(1714557600.123:5): cwd=\"/\"", Format::Auditd),
        ("May  1 10:00:00 host1 sshd[5]: hello", Format::Syslog),
        ("<13>May  1 10:00:00 host1 app: hello", Format::Syslog),
        ("<34>1 2024-05-01T10:00:00Z host1 app - - - hello", Format::Syslog),
        ("2024-05-01T10:00:00.5+02:00 host1 kernel: hello", Format::Syslog),
        (&behind_syslog, Format::Syslog),
        ("a,b,c\n1,2,3\n", Format::Csv),
        ("a;b;c\r\n\"1\";2;3\r\n", Format::Csv),
        ("#TYPE Selected\n\"Id\",\"LogName\",\"ProviderName\"\n\"1\",\"x\",\"y\"\n", Format::Csv),
        ("Dear all, as said, it is late, and\nso on.\n", unknown),
        ("One, two, three.\nFour, five, six.\n", unknown),
        ("2024-05-01 10:00:00 INFO it works: yes", unknown),
        ("2024-05-01T10:00:00Z INFO it works", unknown),
        ("type=a msg=b", unknown),
        ("# a heading\n\n- one, two, three\n", unknown),
        ("fn main() { a(1, 2, 3); }\n", unknown),
    ];
    for (head, expected) in cases {
        assert_eq!(Format::recognise(head.as_bytes()), expected, "{head}");
        for unit in [u16::to_le_bytes, u16::to_be_bytes] {
            let head = utf16(&format!("\u{feff}{}", head.trim_start_matches('\u{feff}')), unit);
            assert_eq!(Format::recognise(&head), expected, "{head:?}");
        }
    }
    assert_eq!(Format::recognise(&utf16(&event, u16::to_le_bytes)), Format::Xml);
    assert_eq!(Format::recognise(&utf16(&event, u16::to_be_bytes)), Format::Xml);
}

/// A sample: its name, a log, and what is read from it.
fn golden(name: &str, log: &str) {
    let given = read(log.as_bytes());
    let printed = print(&given);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/texts")
        .join(format!("{name}.out"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &printed).expect("a golden file can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(printed, expected, "{name}");
    let source: usize = log.len();
    assert_eq!(given.tally.bytes, source as u64, "{name}: every byte is accounted for");
    for stretch in [1, 7, 100, 1000] {
        let cut = read_in_stretches(log.as_bytes(), stretch).expect("a log");
        assert_eq!(cut.events, given.events, "{name}, in stretches of {stretch}");
        let counts = |given: &Given| {
            let real = given.tally.skipped.iter().filter(|(reason, _)| !is_once_a_unit(reason));
            real.map(|(reason, skipped)| (reason.clone(), skipped.count, skipped.bytes))
                .collect::<Vec<_>>()
        };
        assert_eq!(counts(&cut), counts(&given), "{name}, in stretches of {stretch}");
    }
    for unit in [u16::to_le_bytes, u16::to_be_bytes] {
        let bytes = utf16(&format!("\u{feff}{log}"), unit);
        for stretch in [64, 2 << 20] {
            let other = read_in_stretches(&bytes, stretch).expect("a log");
            assert_eq!(other.events, given.events, "{name} in UTF-16");
        }
    }
}

/// Said once for each unit, however many records it is true of.
fn is_once_a_unit(reason: &str) -> bool {
    reason.starts_with("local time") || reason.starts_with("syslog ")
}

#[test]
fn golden_files() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/texts");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .expect("golden files")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".in").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        let log = std::fs::read_to_string(folder.join(format!("{name}.in"))).expect("a log");
        golden(&name, &log);
    }
}

// ---- Damage -------------------------------------------------------------------------------------

/// Records of a form, and what stands before them, between them and behind them.
struct Sample {
    name: &'static str,
    before: &'static str,
    record: fn(u64) -> String,
    between: &'static str,
    after: &'static str,
    /// How many records next to the one that is hit may suffer with it.
    near: usize,
}

const SAMPLES: [Sample; 9] = [
    Sample { name: "JSON", before: "", record: json, between: "\n", after: "\n", near: 0 },
    Sample { name: "list", before: "[\n", record: json, between: ",\n", after: "\n]\n", near: 0 },
    Sample {
        name: "numbered JSON",
        before: "Record 1\n",
        record: indented_json,
        between: "\nRecord 2\n",
        after: "\n",
        near: 1,
    },
    Sample { name: "XML", before: "", record: xml, between: "\n", after: "\n", near: 1 },
    Sample {
        name: "XML on one line",
        before: "<?xml version='1.0'?><Events>",
        record: xml,
        between: "",
        after: "</Events>",
        near: 1,
    },
    Sample { name: "Splunk", before: "", record: splunk, between: "", after: "", near: 1 },
    Sample { name: "auditd", before: "", record: auditd, between: "\n", after: "\n", near: 1 },
    Sample { name: "syslog", before: "", record: syslog, between: "\n", after: "\n", near: 1 },
    Sample { name: "CSV", before: CSV_HEADER, record: csv, between: "\n", after: "\n", near: 2 },
];

const RECORDS: u64 = 12;

impl Sample {
    /// The log, and where each record is in it.
    fn log(&self) -> (Vec<u8>, Vec<std::ops::Range<usize>>) {
        let (mut log, mut places) = (self.before.as_bytes().to_vec(), Vec::new());
        for number in 1..=RECORDS {
            let start = log.len();
            log.extend_from_slice((self.record)(number).as_bytes());
            places.push(start..log.len());
            if number < RECORDS {
                log.extend_from_slice(self.between.as_bytes());
            }
        }
        log.extend_from_slice(self.after.as_bytes());
        (log, places)
    }
}

/// Numbers that come out the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// The values of an event, without its place in the log.
fn values(event: &Event) -> String {
    format!("{:?} {:?}", event.kind, event.fields)
}

#[test]
fn damage_costs_no_more_than_what_it_hits() {
    for sample in SAMPLES {
        let (log, places) = sample.log();
        let whole = read(&log);
        assert_eq!(whole.events.len() as u64, RECORDS, "{}", sample.name);
        let good: Vec<String> = whole.events.iter().map(values).collect();
        let mut numbers = Numbers(3);
        for _ in 0..1000 {
            // The first record tells the format.
            let hit = 1 + numbers.below(places.len() - 1);
            // Something of it stays.
            let at = places[hit].start + 1 + numbers.below(places[hit].len() - 1);
            let mut broken = log.clone();
            match numbers.below(4) {
                0 => broken[at] ^= 1 << numbers.below(8),
                1 => drop(broken.drain(at..places[hit].end)),
                2 => drop(broken.splice(at..at, (0..40).map(|n| [0, 0xff, b'<', b'"'][n % 4]))),
                _ => drop(broken.splice(at..at, std::iter::repeat_n(b'x', 5000))),
            }
            for stretch in [100, 2 << 20] {
                let given = read_in_stretches(&broken, stretch).expect("a log");
                let found: Vec<String> = given.events.iter().map(values).collect();
                for (nth, event) in good.iter().enumerate() {
                    let near = nth.abs_diff(hit) <= sample.near;
                    assert!(
                        near || found.contains(event),
                        "{}: record {nth} is gone, hit was {hit}, stretch {stretch}:\n{}",
                        sample.name,
                        String::from_utf8_lossy(&broken[places[hit].start..])
                    );
                }
                assert_eq!(given.tally.bytes, broken.len() as u64, "{}", sample.name);
                // What is lost is counted, but for rows and blocks that damage joins into one.
                let joins = matches!(sample.name, "Splunk" | "CSV");
                let skipped: u64 = given.tally.skipped.values().map(|skipped| skipped.count).sum();
                assert!(
                    joins || found.len() as u64 + skipped >= RECORDS,
                    "{}: {} events, {:?}",
                    sample.name,
                    found.len(),
                    given.tally.skipped
                );
            }
        }
    }
}

#[test]
fn damage_in_utf16_costs_no_more_than_what_it_hits() {
    for sample in SAMPLES {
        let (log, places) = sample.log();
        let text = String::from_utf8(log).expect("a sample");
        let good: Vec<String> = read(text.as_bytes()).events.iter().map(values).collect();
        let mut numbers = Numbers(4);
        for round in 0..1000 {
            let unit = [u16::to_le_bytes, u16::to_be_bytes][round % 2];
            let whole = utf16(&format!("\u{feff}{text}"), unit);
            // Behind the mark and the first record, which tell the format.
            let first = 2 + 2 * text[..places[0].end].encode_utf16().count();
            let at = first + 2 + numbers.below(whole.len() - first - 2);
            let mut broken = whole.clone();
            let hit = match numbers.below(4) {
                0 => {
                    broken[at] ^= 1 << numbers.below(8);
                    true
                }
                // Half a surrogate pair.
                1 => {
                    broken[at & !1..][..2].copy_from_slice(&unit(0xd83d));
                    true
                }
                2 => {
                    broken.truncate(at);
                    false
                }
                // Half a character is gone: nothing behind it can be read.
                _ => {
                    broken.remove(at);
                    false
                }
            };
            for stretch in [100, 2 << 20] {
                let given = read_in_stretches(&broken, stretch).expect("a log");
                let found: Vec<String> = given.events.iter().map(values).collect();
                let lost = good.iter().filter(|event| !found.contains(event)).count();
                // What is hit may be two records, where it is what stands between them.
                let most = if hit { 2 + 2 * sample.near } else { good.len() };
                assert!(lost <= most, "{}: {lost} lost, {round}, {:?}", sample.name, given.tally);
                let before = text.encode_utf16().take((at - 2) / 2).collect::<Vec<u16>>();
                let before = String::from_utf16_lossy(&before).len();
                let sure = places.iter().filter(|place| place.end < before).count();
                let sure = sure.saturating_sub(2 * sample.near);
                assert_eq!(found.get(..sure), Some(&good[..sure]), "{}, {round}", sample.name);
            }
        }
    }
}

#[test]
fn a_log_cut_off_gives_the_records_before_the_cut() {
    for sample in SAMPLES {
        let (log, places) = sample.log();
        let good: Vec<String> = read(&log).events.iter().map(values).collect();
        for length in places[0].end..log.len() {
            let given = read(&log[..length]);
            let whole = places.iter().filter(|place| place.end < length).count();
            let found: Vec<String> = given.events.iter().map(values).collect();
            // The last whole record of a form without an end goes on with what follows.
            let sure = whole.saturating_sub(usize::from(sample.near > 0));
            assert_eq!(found.get(..sure), Some(&good[..sure]), "{}, {length} bytes", sample.name);
            assert_eq!(given.tally.bytes, length as u64, "{}", sample.name);
        }
    }
}

#[test]
fn hostile_text_is_read_in_time() {
    let many = |text: &str| text.repeat((4 << 20) / text.len());
    let event = xml(1);
    let cases = [
        ("events that do not end", format!("{event}{}", many("<Event>"))),
        ("headers that do not end", format!("{event}{}", many("<Event><System>"))),
        ("CDATA that does not end", format!("{event}{}", many("<Event><System><![CDATA["))),
        ("comments that do not end", format!("{event}{}", many("<!--"))),
        ("comments in events", format!("{event}{}", many("<Event><System><!--"))),
        ("tags", format!("{event}{}", many("<"))),
        ("elements", format!("{event}<Event><System/>{}", many("<a>"))),
        (
            "values of one name",
            format!(
                "<Event><System/><EventData>{}</EventData></Event>",
                many("<Data Name='a'>1</Data><Data Name='b'>1</Data>")
            ),
        ),
        ("attributes", format!("<Event><System {}/></Event>", many("a='1' "))),
        ("quotes", format!("{CSV_HEADER}{}", many("\"\n"))),
        ("quotes that do not end", format!("{CSV_HEADER}{}", many("\"x\n"))),
        ("audit fields", format!("{}{}", auditd(1), many(" a='b"))),
        ("audit equals", format!("{}{}", auditd(1), many("="))),
        ("syslog data", format!("<1>1 - - - - - {}", many("[a "))),
        ("dates", many("05/01/2024 10:00:00 AM\n") + "LogName=x\n"),
        ("blocks", many("LogName=x\n")),
        ("message labels", format!("LogName=Security\nEventCode=4688\nMessage={}", many("a:\n"))),
        ("message headings", format!("LogName=Security\nMessage={}", many("Subject:\n"))),
        ("long values", format!("LogName=Security\nMessage={}", many("Task Content:\n"))),
    ];
    for (what, text) in cases {
        let started = std::time::Instant::now();
        if let Ok(given) = read_in_stretches(text.as_bytes(), 2 << 20) {
            assert_eq!(given.tally.bytes, text.len() as u64, "{what}");
        }
        let seconds = started.elapsed().as_secs_f64();
        println!("{what}: {seconds:.2} s");
        assert!(seconds < 20.0, "{what}: {seconds} s");
    }
}
