//! Readers on logs that are broken, odd or hostile: what is good is read, what is not is counted,
//! and where a log is cut into units never shows.

use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::collection::vec;
use proptest::prelude::*;
use rulestone_events::{Event, Fields, Ingest, Interest, Kind, Log, LogError, Settings, Tally};

struct Everything;

impl Interest for Everything {
    fn fields(&self, _: &Arc<Kind>) -> Fields {
        Fields::All
    }
}

/// All that a log gives.
#[derive(Default)]
struct Given {
    events: Vec<Event>,
    tally: Tally,
    units: usize,
    failure: Option<String>,
}

impl Given {
    /// Numbers of the records, and what each has under `a`.
    fn values(&self) -> Vec<(u64, String)> {
        let value = |event: &Event| event.get("a").text().unwrap_or_default().into_owned();
        self.events.iter().map(|event| (event.record, value(event))).collect()
    }

    fn skipped(&self) -> u64 {
        self.tally.skipped.values().map(|skipped| skipped.count).sum()
    }
}

fn drain(mut log: Log) -> Given {
    let (mut ingest, mut given) = (Ingest::new(Settings::default()), Given::default());
    while let Some(unit) = log.next_unit() {
        given.units += 1;
        let mut events = Vec::new();
        let tally = ingest.read(unit.into_records(), &Everything, |batch| {
            events.extend(batch.rows.iter().map(|row| (row.position(), batch.event(row))));
        });
        events.sort_by_key(|(position, _)| *position);
        given.events.extend(events.into_iter().map(|(_, event)| event));
        given.tally.add(tally);
    }
    given.failure = log.failure().map(str::to_owned);
    given
}

fn open(bytes: &[u8]) -> Result<Log, LogError> {
    Log::from_reader(Cursor::new(bytes.to_vec()), Arc::from("log"))
}

fn read_in_stretches(bytes: &[u8], stretch: usize) -> Result<Given, LogError> {
    let mut log = open(bytes)?;
    log.set_stretch(stretch);
    Ok(drain(log))
}

fn read(bytes: &[u8]) -> Given {
    drain(open(bytes).expect("a log"))
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("room in memory");
    encoder.finish().expect("room in memory")
}

/// A record that nests lists and objects by turns.
fn nested(levels: usize) -> String {
    let opening: String = (0..levels).map(|at| ["[", "{\"n\":"][at % 2]).collect();
    let closing: String = (0..levels).rev().map(|at| ["]", "}"][at % 2]).collect();
    format!("{{\"a\":1,\"x\":{opening}0{closing}}}")
}

/// What a log is, its bytes, the records in it, and how much has to be skipped.
type Case = (&'static str, Vec<u8>, &'static [(u64, &'static str)], u64);

#[test]
fn good_records_are_read_whatever_stands_between_them() {
    let text = "{\"a\":1}\n{\"a\":\"é😀\"}\n";
    let deep = format!("{}\n{{\"a\":2}}\n", nested(200));
    let not_so_deep = format!("{}\n{{\"a\":2}}\n", nested(100));
    let cases: Vec<Case> = vec![
        ("lines", "{\"a\":1}\n{\"a\":2}\n".into(), &[(1, "1"), (2, "2")], 0),
        ("no line end at the end", "{\"a\":1}\n{\"a\":2}".into(), &[(1, "1"), (2, "2")], 0),
        ("CRLF and blank lines", "{\"a\":1}\r\n\r\n{\"a\":2}\r\n".into(), &[(1, "1"), (3, "2")], 0),
        ("a last line cut off", "{\"a\":1}\n{\"a\":".into(), &[(1, "1")], 1),
        ("a cut inside a string", "{\"a\":1}\n{\"a\":\"x".into(), &[(1, "1")], 1),
        ("a cut inside an escape", "{\"a\":1}\n{\"a\":\"\\".into(), &[(1, "1")], 1),
        ("a line of text", "{\"a\":1}\nhello\n{\"a\":2}\n".into(), &[(1, "1"), (3, "2")], 1),
        (
            "lines of text",
            "{\"a\":1}\nx\n\n},{\n y [\"{\n{\"a\":2}\n".into(),
            &[(1, "1"), (6, "2")],
            3,
        ),
        (
            "a bad word with objects inside",
            "{\"a\":[{\"a\":7},{\"a\":8}],\"b\":nul}\n{\"a\":2}\n".into(),
            &[(2, "2")],
            1,
        ),
        ("a missing comma", "{\"a\":1 \"b\":2}\n{\"a\":2}\n".into(), &[(2, "2")], 1),
        ("a line cut off in a string", "{\"a\":\"x\n{\"a\":2}\n".into(), &[(2, "2")], 1),
        (
            "a line cut off in a list",
            "{\"a\":[1,\n{\"a\":2}\n{\"a\":3}\n".into(),
            &[(2, "2"), (3, "3")],
            1,
        ),
        (
            "a line cut off at a key",
            "{\"a\":\n{\"a\":2}\n{\"a\":3}\n".into(),
            &[(2, "2"), (3, "3")],
            1,
        ),
        ("brackets that do not fit", "{\"a\":[1}\n{\"a\":2}\n".into(), &[(2, "2")], 1),
        (
            "an object that opens where none may",
            "{\"a\":1\n{\"a\":2}\n}\n{\"a\":3}\n".into(),
            &[(2, "2"), (4, "3")],
            2,
        ),
        (
            "a broken object with objects inside",
            "{\n  \"a\": [\n    {\n      \"c\": \"\n    },\n    {\n      \"c\": 1\n    }\n  ]\n}\n{\n  \"a\": 2\n}\n".into(),
            &[(11, "2")],
            1,
        ),
        (
            "a bad element with objects behind what is bad",
            "[{\"a\":x,\"b\":[{\"a\":8},{\"a\":9}]},{\"a\":2}]".into(),
            &[(2, "2")],
            1,
        ),
        ("too many brackets", "{\"a\":1}}\n{\"a\":2}\n".into(), &[(1, "1"), (2, "2")], 1),
        (
            "records on one line",
            "{\"a\":1} {\"a\":2}{\"a\":3}".into(),
            &[(1, "1"), (1, "2"), (1, "3")],
            0,
        ),
        ("a bad one among them", "{\"a\":1}{\"a\":x}{\"a\":3}\n".into(), &[(1, "1"), (1, "3")], 1),
        ("NUL bytes", b"{\"a\":1}\n\0\0\0\n{\"a\":2}\n\0\0".to_vec(), &[(1, "1"), (3, "2")], 2),
        (
            "bytes that are no UTF-8",
            b"{\"a\":\"\xff\"}\n\xff\n{\"a\":2}".to_vec(),
            &[(1, "\u{fffd}"), (3, "2")],
            1,
        ),
        ("a byte order mark", "\u{feff}{\"a\":1}\n{\"a\":2}\n".into(), &[(1, "1"), (2, "2")], 0),
        (
            "and one between files",
            "{\"a\":1}\n\u{feff}{\"a\":2}\n".into(),
            &[(1, "1"), (2, "2")],
            0,
        ),
        (
            "UTF-16LE",
            utf16(&format!("\u{feff}{text}"), u16::to_le_bytes),
            &[(1, "1"), (2, "é😀")],
            0,
        ),
        (
            "UTF-16BE",
            utf16(&format!("\u{feff}{text}"), u16::to_be_bytes),
            &[(1, "1"), (2, "é😀")],
            0,
        ),
        ("UTF-16LE without a mark", utf16(text, u16::to_le_bytes), &[(1, "1"), (2, "é😀")], 0),
        (
            "half a character at the end",
            utf16(text, u16::to_le_bytes)[..17].to_vec(),
            &[(1, "1")],
            0,
        ),
        ("a list on one line", "[{\"a\":1},{\"a\":2}]".into(), &[(1, "1"), (2, "2")], 0),
        (
            "a list",
            "[\n  {\n    \"a\": 1\n  },\n  {\n    \"a\": 2\n  }\n]\n".into(),
            &[(1, "1"), (2, "2")],
            0,
        ),
        ("a list that is not closed", "[{\"a\":1},{\"a\":2},".into(), &[(1, "1"), (2, "2")], 0),
        (
            "a bad element",
            "[{\"a\":1},{\"a\":[{\"a\":9},{\"a\":9}],\"b\":x},{\"a\":3}]".into(),
            &[(1, "1"), (3, "3")],
            1,
        ),
        (
            "elements that are no objects",
            "[{\"a\":1},null,\"},{\",5,{\"a\":5}]".into(),
            &[(1, "1"), (5, "5")],
            3,
        ),
        (
            "a bad element over several lines",
            "[\n  {\n    \"a\": x\n  },\n  {\n    \"a\": 2\n  }\n]\n".into(),
            &[(2, "2")],
            1,
        ),
        (
            "an element that is not closed",
            "[\n  {\n    \"a\": 1,\n    \"b\": {\n  },\n  {\n    \"a\": 2\n  }\n]\n".into(),
            &[(2, "2")],
            1,
        ),
        (
            "elements that touch",
            "[{\n\"a\": 1\n}, {\n\"a\": x\n}, {\n\"a\": 3\n}]".into(),
            &[(1, "1"), (3, "3")],
            1,
        ),
        (
            "objects over several lines",
            "{\n  \"a\": 1,\n  \"b\": [\n    {\n      \"c\": 1\n    }\n  ]\n}\n{\n  \"a\": 2\n}\n"
                .into(),
            &[(1, "1"), (9, "2")],
            0,
        ),
        (
            "without indentation",
            "{\n\"a\": 1,\n\"b\": [\n{\n\"c\": 1\n},\n{\n\"c\": 2\n}\n]\n}\n{\n\"a\": 2\n}\n"
                .into(),
            &[(1, "1"), (12, "2")],
            0,
        ),
        (
            "a bad one of them",
            "{\n  \"a\": x,\n  \"b\": {\n    \"c\": 1\n  }\n}\n{\n  \"a\": 2\n}\n".into(),
            &[(7, "2")],
            1,
        ),
        (
            "numbered records",
            "Record 1\n{\"a\":1}\nRecord 2\r\n{\n  \"a\": 2\n}\nRecord 3\n".into(),
            &[(2, "1"), (4, "2")],
            0,
        ),
        (
            "a bad one among numbered records",
            "Record 1\n{\"a\":1}\nRecord 2\n{\"a\":x}\nRecord 3\n{\"a\":3}\n".into(),
            &[(2, "1"), (6, "3")],
            1,
        ),
        (
            "lines that number no record",
            "{\"a\":1}\nRecord 2 is\nRecord x\n{\"a\":2}\nRecord 7".into(),
            &[(1, "1"), (4, "2")],
            3,
        ),
        ("lines with commas behind", "{\"a\":1},\n{\"a\":2},\n".into(), &[(1, "1"), (2, "2")], 0),
        ("a record too deep", deep.into(), &[(2, "2")], 1),
        ("a record that is deep enough", not_so_deep.into(), &[(1, "1"), (2, "2")], 0),
        (
            "much white space",
            format!("{}{{\"a\":1}}", " \n".repeat(2048)).into(),
            &[(2049, "1")],
            0,
        ),
        ("nothing", Vec::new(), &[], 0),
        ("white space", " \r\n\t ".into(), &[], 0),
        ("an empty list", "[]".into(), &[], 0),
        ("gzip", gzip(b"{\"a\":1}\n{\"a\":2}\n"), &[(1, "1"), (2, "2")], 0),
        (
            "gzip twice",
            [gzip(b"{\"a\":1}\n"), gzip(b"{\"a\":2}\n")].concat(),
            &[(1, "1"), (2, "2")],
            0,
        ),
        ("gzip of nothing", gzip(b""), &[], 0),
    ];
    for (what, bytes, expected, skipped) in cases {
        let expected: Vec<(u64, String)> =
            expected.iter().map(|(record, value)| (*record, (*value).to_owned())).collect();
        for stretch in [1, 3, 17, 64, 2 << 20] {
            let given = read_in_stretches(&bytes, stretch)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(given.values(), expected, "{what}, in stretches of {stretch}");
            let reasons = &given.tally.skipped;
            assert_eq!(given.skipped(), skipped, "{what}, in stretches of {stretch}: {reasons:?}");
            assert_eq!(given.failure, None, "{what}");
            assert_eq!(given.tally.events, expected.len() as u64, "{what}");
        }
    }
}

#[test]
fn what_is_no_log_is_said_to_be_none() {
    let cases: [&[u8]; 6] = [
        b"hello\nworld\n",
        b"\0\x01\x02",
        b"<html><body>Event</body></html>",
        b"5",
        b"\"text\"",
        b"ElfFile\0 and no more",
    ];
    for bytes in cases {
        assert!(open(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_value_of_ten_megabytes_is_one_value() {
    let huge = "x".repeat(10 << 20);
    let text = format!("{{\"a\":1}}\n{{\"a\":\"{huge}\"}}\n{{\"a\":3}}\n");
    let values = read(text.as_bytes()).values();
    assert_eq!(values.iter().map(|(_, value)| value.len()).collect::<Vec<_>>(), [1, 10 << 20, 1]);
}

/// The number of a record by its place.
type Number = fn(u64) -> u64;

#[test]
fn a_log_longer_than_its_units_is_cut_where_records_end() {
    const RECORDS: u64 = 60_000;
    let pad = "p".repeat(100);
    let record =
        |at: u64| format!("{{\"a\":{at},\"b\":[{{\"c\":\"}}\\n{{\"}}],\"pad\":\"{pad}\"}}");
    let pretty =
        |at: u64| format!("{{\n  \"a\": {at},\n  \"b\": {{\n    \"pad\": \"{pad}\"\n  }}\n}}");
    let join = |separator: &str, one: &dyn Fn(u64) -> String| {
        (1..=RECORDS).map(one).collect::<Vec<_>>().join(separator)
    };
    let cases: [(&str, String, Number); 6] = [
        ("lines", join("\n", &record), |at| at),
        ("one line", join("", &record), |_| 1),
        ("a list on one line", format!("[{}]", join(",", &record)), |at| at),
        ("a list", format!("[\n{}\n]", join(",\n", &pretty)), |at| at),
        ("objects over several lines", join("\n", &pretty), |at| 6 * (at - 1) + 1),
        ("a bad record by every good one", join("\n{\"a\":[x}\n", &record), |at| 2 * at - 1),
    ];
    for (what, text, number) in cases {
        let given = read(text.as_bytes());
        assert!(given.units > 3, "{what}: {} units", given.units);
        let expected = (1..=RECORDS).map(|at| (number(at), at.to_string()));
        assert!(given.values().into_iter().eq(expected), "{what}");
    }
}

#[test]
fn a_compressed_log_cut_off_gives_what_it_holds_and_says_so() {
    let text: String =
        (1..=50_000).map(|at| format!("{{\"a\":{at},\"b\":{}}}\n", at * 7)).collect();
    let packed = gzip(text.as_bytes());
    for length in
        [packed.len() - 1, packed.len() - 9, packed.len() / 2, packed.len() / 10, 1000, 100]
    {
        let given = read(&packed[..length]);
        let values = given.values();
        assert!(!values.is_empty(), "{length}");
        assert!(values.len() >= length / 32, "{length}: {}", values.len());
        let numbers = (1..).take(values.len()).map(|at: u64| (at, at.to_string()));
        assert!(values.into_iter().eq(numbers), "{length}");
        assert!(given.skipped() <= 1, "{length}");
        assert!(given.failure.is_some(), "{length}");
    }
    assert!(open(&packed[..5]).is_err());
}

/// A reader that fails after some bytes.
struct Breaks {
    bytes: Cursor<Vec<u8>>,
}

impl Read for Breaks {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self.bytes.read(out)? {
            0 => Err(std::io::Error::other("the disk is gone")),
            read => Ok(read),
        }
    }
}

#[test]
fn a_reader_that_fails_gives_what_it_gave_before() {
    for records in [1_u64, 10, 1000, 100_000] {
        let text: String =
            (1..=records).map(|at| format!("{{\"a\":{at},\"b\":\"some text\"}}\n")).collect();
        let reader = Breaks { bytes: Cursor::new(text.into_bytes()) };
        let given = drain(Log::from_reader(reader, Arc::from("log")).expect("a log"));
        assert_eq!(given.values().len() as u64, records);
        assert_eq!(given.failure.as_deref(), Some("the disk is gone"));
    }
}

/// A good line.
fn good_line() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "[ -~]{0,12}".prop_map(|text| format!("{text:?}").replace("\\'", "'")),
        any::<i32>().prop_map(|number| number.to_string()),
        Just("[1,{\"c\":\"},{\"},[]]".to_owned()),
        Just("{\"a\":{\"b\":{}}}".to_owned()),
        Just("\"\\\\\"".to_owned()),
    ];
    (any::<u32>(), value).prop_map(|(a, b)| format!("{{\"a\":{a},\"b\":{b}}}"))
}

/// A line that may be anything, and is often a part of something good.
fn garbage_line() -> impl Strategy<Value = Vec<u8>> {
    let part = (good_line(), any::<prop::sample::Index>(), any::<prop::sample::Index>());
    prop_oneof![
        part.prop_map(|(line, from, to)| {
            let (from, to) = (from.index(line.len()), to.index(line.len()));
            line.as_bytes()[from.min(to)..from.max(to)].to_vec()
        }),
        "[\\[\\]{}\",:\\\\a1 ]{0,12}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..20).prop_map(|mut bytes| {
            bytes.retain(|byte| *byte != b'\n');
            bytes
        }),
    ]
}

/// What makes a reader take some bytes for its own.
const HEADS: &[&[u8]] = &[
    b"",
    b"{\"",
    b"[{",
    b"{\"a\":1}\n",
    b"\xff\xfe{\0",
    b"\xfe\xff\0[",
    b"\x1f\x8b\x08\0",
    b"ElfFile\0",
];

/// `PROPTEST_CASES` may ask for more.
fn config() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    ProptestConfig { cases: config.cases.max(2000), ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_garbage_line_costs_no_good_line(
        lines in vec(good_line(), 2..8),
        at in 1_usize..8,
        garbage in garbage_line(),
        stretch in 1_usize..200,
    ) {
        let at = at.min(lines.len());
        let numbered = |given: &Given| given.events.iter().map(|event| {
            (event.record, event.get("a").clone())
        }).collect::<Vec<_>>();
        let clean = read(lines.join("\n").as_bytes());
        prop_assert_eq!(clean.events.len(), lines.len());
        let mut bytes = lines[..at].join("\n").into_bytes();
        bytes.push(b'\n');
        bytes.extend(&garbage);
        bytes.push(b'\n');
        bytes.extend(lines[at..].join("\n").bytes());
        let given = read_in_stretches(&bytes, stretch).expect("a log");
        let found = numbered(&given);
        for (record, value) in numbered(&clean) {
            let record = if record > at as u64 { record + 1 } else { record };
            prop_assert!(found.contains(&(record, value)), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn where_a_log_is_cut_does_not_show(
        parts in vec(prop_oneof![
            2 => good_line().prop_map(String::into_bytes),
            2 => garbage_line(),
            1 => Just(b",".to_vec()),
            1 => Just(b"\n".to_vec()),
            2 => Just(b",\n".to_vec()),
        ], 0..16),
        list in any::<bool>(),
        stretch in 1_usize..100,
    ) {
        let bytes = [if list { &b"[{\"a\":0},"[..] } else { b"{\"a\":0}\n" }, &parts.concat()].concat();
        let whole = read(&bytes);
        let cut = read_in_stretches(&bytes, stretch).expect("a log");
        prop_assert_eq!(&cut.events, &whole.events);
        prop_assert_eq!(cut.skipped(), whole.skipped());
        prop_assert_eq!(cut.tally.bytes, whole.tally.bytes);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        head in prop::sample::select(HEADS),
        bytes in vec(any::<u8>(), 0..400),
        stretch in 1_usize..100,
    ) {
        let _ = read_in_stretches(&[head, &bytes].concat(), stretch);
    }
}

/// Numbers that come out the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Windows logs to break, and how many copies: a long one, and one of a single chunk, all of which
/// is events.
fn windows_logs() -> Option<[(Vec<u8>, usize); 2]> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    if !corpora.is_dir() {
        return None;
    }
    let read = |name: &str| std::fs::read(corpora.join("events/evtx/parser-fixtures").join(name));
    let logs = [("sysmon.evtx", 200), ("new-user-security.evtx", 800)];
    Some(logs.map(|(name, copies)| (read(name).expect("a log"), copies)))
}

/// What a broken log gives, which takes no time worth speaking of.
fn read_in_time(bytes: &[u8]) -> Option<usize> {
    let started = Instant::now();
    let events = open(bytes).ok().map(|log| drain(log).events.len());
    assert!(started.elapsed() < LONGEST, "{:?}", started.elapsed());
    events
}

const LONGEST: Duration = Duration::from_secs(10);

/// Records whose slack may come to light when a chunk is broken.
const SLACK: usize = 50;

#[test]
fn a_windows_log_cut_off_gives_what_is_left() {
    let Some(logs) = windows_logs() else {
        println!("skipped: ../shared/corpora is not there");
        return;
    };
    for (bytes, copies) in logs {
        let whole = read(&bytes).events.len();
        assert!(whole > 0);
        let mut numbers = Numbers(1);
        let mut most = 0;
        for _ in 0..copies {
            let length = numbers.below(bytes.len());
            let events = read_in_time(&bytes[..length]).unwrap_or_default();
            assert!(events <= whole + SLACK, "{events} of {whole} events in {length} bytes");
            most = most.max(events);
        }
        assert!(most * 10 >= whole * 9, "{most} of {whole} in the longest");
        println!("{whole} events, at most {most} in a part");
    }
}

#[test]
fn a_windows_log_cut_inside_a_chunk_gives_the_records_before_the_cut_and_says_so() {
    let Some([(bytes, _), _]) = windows_logs() else {
        println!("skipped: ../shared/corpora is not there");
        return;
    };
    let one_chunk = 4096 + (64 << 10);
    let before = read(&bytes[..one_chunk]);
    let cut = read(&bytes[..one_chunk + (40 << 10)]);
    let next = read(&bytes[..one_chunk + (64 << 10)]);
    assert!(before.events.len() < cut.events.len() && cut.events.len() < next.events.len());
    let says = |given: &Given| given.tally.skipped.contains_key("EVTX file cut off inside a chunk");
    assert_eq!([says(&before), says(&cut), says(&next)], [false, true, false]);
}

#[test]
fn a_windows_log_with_flipped_bits_is_read_as_far_as_it_goes() {
    let Some(logs) = windows_logs() else {
        println!("skipped: ../shared/corpora is not there");
        return;
    };
    for (bytes, copies) in logs {
        let whole = read(&bytes).events.len();
        let mut numbers = Numbers(2);
        let (mut fewest, mut unreadable) = (whole, 0);
        for _ in 0..copies {
            let mut broken = bytes.clone();
            for _ in 0..=numbers.below(3) {
                let at = numbers.below(bytes.len());
                broken[at] ^= 1 << numbers.below(8);
            }
            match read_in_time(&broken) {
                Some(events) => {
                    assert!(events <= whole + SLACK, "{events} of {whole} events");
                    fewest = fewest.min(events);
                }
                None => unreadable += 1,
            }
        }
        println!(
            "{whole} events, at least {fewest} with flipped bits, {unreadable} could not be opened"
        );
        assert!(unreadable * 20 < copies, "{unreadable} of {copies} could not be opened");
    }
}
