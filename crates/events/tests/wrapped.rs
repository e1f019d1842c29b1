//! Records inside other JSON and events inside values: what comes out, where it is numbered, and what
//! happens to all of it when the log is damaged.

use std::io::Cursor;
use std::sync::Arc;

use rulestone_events::{Event, Fields, Ingest, Log, Settings, Tally};

/// What a log gives when its units are about as long.
fn read(bytes: &[u8], stretch: usize) -> Option<(Vec<Event>, Tally)> {
    let mut log = Log::from_reader(Cursor::new(bytes.to_vec()), Arc::from("log")).ok()?;
    log.set_stretch(stretch);
    let (mut ingest, mut tally) = (Ingest::new(Settings::default()), Tally::default());
    let mut events = Vec::new();
    while let Some(unit) = log.next_unit() {
        let mut own = Vec::new();
        tally.add(ingest.read(unit.into_records(), &Fields::All, |batch| {
            own.extend(batch.rows.iter().map(|row| (row.position(), batch.event(row))));
        }));
        own.sort_by_key(|(position, _)| *position);
        events.extend(own.into_iter().map(|(_, event)| event));
    }
    Some((events, tally))
}

/// Numbers of the records and what each has under `a`.
fn values(events: &[Event]) -> Vec<(u64, String)> {
    let value = |event: &Event| event.get("a").text().unwrap_or_default().into_owned();
    events.iter().map(|event| (event.record, value(event))).collect()
}

#[test]
fn records_are_found_and_numbered() {
    let cases: [(&str, &[(u64, &str)]); 9] = [
        // In lists they are counted, over all wrappers of a log.
        ("{\"Records\":[{\"a\":\"x\"},{\"a\":\"y\"}]}", &[(1, "x"), (2, "y")]),
        (
            "{\"records\":[{\"a\":\"x\"}]}\n{\"records\":[{\"a\":\"y\"},{\"a\":\"z\"}]}\n",
            &[(1, "x"), (2, "y"), (3, "z")],
        ),
        (
            "{\"took\":1,\"hits\":{\"total\":2,\"hits\":[{\"_id\":\"1\",\"_source\":{\"a\":\"x\"}},\n{\"_id\":\"2\",\"_source\":{\"a\":\"y\"}}]}}",
            &[(1, "x"), (2, "y")],
        ),
        // On lines of their own they have the line's number.
        (
            "{\"_index\":\"i\",\"_source\":{\"a\":\"x\"}}\n\n{\"_index\":\"i\",\"_source\":{\"a\":\"y\"}}\n",
            &[(1, "x"), (3, "y")],
        ),
        (
            "{\"preview\":false,\"result\":{\"a\":\"x\"}}\r\n{\"preview\":false,\"lastrow\":true,\"result\":{\"a\":\"y\"}}",
            &[(1, "x"), (2, "y")],
        ),
        (
            "{\n \"value\": [\n  {\n   \"a\": \"x\"\n  },\n  {\"a\":\"y\"}\n ]\n}\n",
            &[(1, "x"), (2, "y")],
        ),
        // An event that has a list of that name is one event.
        ("{\"a\":\"x\",\"events\":[1,2]}", &[(1, "x")]),
        ("{\"a\":\"x\",\"Records\":[{\"a\":\"y\"}]}", &[(1, "x")]),
        ("{\"Records\":[]}", &[]),
    ];
    for (text, expected) in cases {
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, stretch) in [(text.as_bytes(), 1 << 20), (text.as_bytes(), 7), (&utf16, 11)] {
            let (events, tally) = read(bytes, stretch).expect("a log");
            let joined = |event: &Event| {
                let all =
                    event.get("a").elements().iter().filter_map(|e| Some(e.text()?.into_owned()));
                (event.record, all.collect::<Vec<_>>().join(" | "))
            };
            let found: Vec<_> = events.iter().map(joined).collect();
            let expected: Vec<_> = expected.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
            assert_eq!(found, expected, "{text} in stretches of {stretch}");
            assert!(tally.skipped.is_empty(), "{text}: {:?}", tally.skipped);
            if bytes == text.as_bytes() {
                assert_eq!(tally.bytes, bytes.len() as u64, "{text} in stretches of {stretch}");
            }
        }
    }
}

#[test]
fn what_is_no_record_is_counted() {
    let cases = [
        ("{\"Records\":[{\"a\":\"x\"},7,{\"a\":\"y\"}]}", 2, "element that is not a JSON object"),
        ("{\"Records\":[{\"a\":\"x\"},{\"a\":\"y", 1, "JSON record cut off before its end"),
        (
            "{\"Records\":[{\"a\":\"x\"}],\"next",
            1,
            "JSON around the records cut off before its end",
        ),
        ("{\"Records\":[{\"a\":\"x\"},{\"a\" 5},{\"a\":\"y\"}]}", 2, "not a JSON object"),
    ];
    for (text, count, reason) in cases {
        let (events, tally) = read(text.as_bytes(), 1 << 20).expect("a log");
        assert_eq!(events.len(), count, "{text}");
        assert_eq!(tally.skipped.keys().collect::<Vec<_>>(), [reason], "{text}");
    }
}

/// A long log is not held: its units are about as long as they should be.
#[test]
fn a_wrapped_log_is_read_in_stretches() {
    let record = |n: usize| format!("{{\"a\":\"{n}\",\"b\":[1,{{\"c\":\"]}}\"}}]}}");
    let records: Vec<String> = (1..=5000).map(record).collect();
    let text = format!("{{\"Records\":[{}]}}", records.join(","));
    let mut log =
        Log::from_reader(Cursor::new(text.into_bytes()), Arc::from("log")).expect("a log");
    log.set_stretch(4096);
    let (mut units, mut events) = (0, 0);
    while let Some(unit) = log.next_unit() {
        let records = unit.into_records();
        assert!(records.source_bytes() < 200_000, "{}", records.source_bytes());
        events += Ingest::new(Settings::default()).read(records, &Fields::All, |_| ()).events;
        units += 1;
    }
    assert_eq!(events, 5000);
    assert!(units > 10, "{units}");
}

// ---- Damage ------------------------------------------------------------------------------------

const SYSMON: &str = "<Event xmlns='w'><System><Provider Name='Microsoft-Windows-Sysmon'/><EventID>1</EventID>\
    <Channel>Microsoft-Windows-Sysmon/Operational</Channel></System><EventData><Data Name='Image'>C:\\\\x.exe</Data>\
    <Data Name='CommandLine'>x &amp; y</Data></EventData></Event>";

/// Logs of every sort of wrapper and payload, some events each.
fn seeds() -> Vec<Vec<u8>> {
    let raw = format!("{{\"a\":\"x\",\"_raw\":\"{SYSMON}\"}}");
    let data = "{\"a\":\"x\",\"EventID\":1,\"Type\":\"Event\",\"TimeGenerated\":\"2024-01-02T03:04:05Z\",\
        \"EventData\":\"<EventData><Data Name=\\\"Image\\\">C:\\\\x</Data></EventData>\",\"ParameterXml\":\"<Param>1</Param>\"}";
    let audit = "{\"a\":\"x\",\"AuditData\":\"{\\\"Workload\\\":\\\"X\\\",\\\"Operation\\\":\\\"y\\\"}\",\"properties\":\"[{\\\"b\\\":1}]\"}";
    let mut seeds = Vec::new();
    for record in [raw.as_str(), data, audit] {
        let line = |wrapped: String| format!("{wrapped}\n").repeat(6).into_bytes();
        seeds.push(line(record.to_owned()));
        seeds.push(line(format!("{{\"_index\":\"i\",\"_source\":{record}}}")));
        seeds.push(line(format!("{{\"preview\":false,\"result\":{record}}}")));
        seeds.push(format!("{{\"Records\":[{}]}}", [record; 6].join(",\n")).into_bytes());
        seeds.push(line(format!("{{\"records\":[{record},{record}]}}")));
        let hit = format!("{{\"_id\":\"1\",\"_source\":{record}}}");
        let hits = [hit.as_str(); 6].join(",");
        seeds.push(format!("{{\"took\":1,\"hits\":{{\"hits\":[{hits}]}}}}").into_bytes());
    }
    seeds
}

/// The next of a row of numbers that is the same every time.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

fn damaged(seed: &[u8], state: &mut u64) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let at = next(state) % bytes.len();
    match next(state) % 7 {
        0 => bytes[at] ^= 1 << (next(state) % 8),
        1 => bytes.truncate(at),
        2 => drop(bytes.drain(at..(at + next(state) % 40).min(seed.len()))),
        3 => drop(bytes.splice(at..at, "{\"a\":[".repeat(next(state) % 400).into_bytes())),
        4 => drop(
            bytes.splice(at..at, vec![b"\"\\\n<&}]\xff\0"[next(state) % 9]; next(state) % 3000]),
        ),
        5 => drop(bytes.splice(at..at, "<a>".repeat(next(state) % 3000).into_bytes())),
        _ => bytes = bytes.iter().flat_map(|b| u16::from(*b).to_le_bytes()).skip(at % 2).collect(),
    }
    bytes
}

/// How many values events have.
fn amount(events: &[Event]) -> usize {
    events.iter().flat_map(|event| &event.fields).map(|(_, value)| value.elements().len()).sum()
}

#[test]
fn damage_neither_stops_nor_hides_anything() {
    let (seeds, mut state) = (seeds(), 7);
    let mut read_logs = 0;
    for round in 0..1500 {
        let seed = &seeds[round % seeds.len()];
        let bytes = damaged(seed, &mut state);
        let Some((events, tally)) = read(&bytes, 1 << 20) else { continue };
        read_logs += 1;
        let what = String::from_utf8_lossy(&bytes);
        // Where the units are cut does not show.
        let (in_pieces, pieces) = read(&bytes, 64).expect("a log");
        assert_eq!(values(&in_pieces), values(&events), "{what}");
        assert_eq!(pieces.events, tally.events, "{what}");
        // Nothing is gone without being counted: a record that is no longer recognised for what it
        // is still has its values.
        let whole = amount(&read(seed, 1 << 20).expect("a log").0);
        let counted: u64 = tally.skipped.values().map(|skipped| skipped.count).sum();
        let is_there = 2 * amount(&events) >= whole;
        assert!(is_there || counted > 0 || bytes.len() < seed.len(), "{what}: {tally:?}");
    }
    assert!(read_logs > 1000, "{read_logs}");
}

#[test]
fn a_broken_record_costs_itself_alone() {
    let good = "{\"_index\":\"i\",\"_source\":{\"a\":\"x\"}}";
    let cases = [
        "{\"_index\":\"i\",\"_source\":{\"a\":\"x}}",
        "{\"_index\" \"i\"}",
        "{\"_index\":\"",
        "}}",
        "{",
        "\"",
        "{\"a\":",
    ];
    for bad in cases {
        let text = format!("{good}\n{good}\n{bad}\n{good}\n{good}\n");
        let (events, tally) = read(text.as_bytes(), 1 << 20).expect("a log");
        let good = values(&events).into_iter().filter(|(_, value)| value == "x").count();
        assert_eq!(good, 4, "{bad}: {:?}", values(&events));
        assert!(!tally.skipped.is_empty(), "{bad}");
    }
}
