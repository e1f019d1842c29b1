//! Any bytes as a log: nothing panics, and what is counted is what is handed over.

use std::io::Cursor;
use std::sync::Arc;

use rulestone_events::{Fields, Ingest, Interest, Kind, Log, Settings, Tally};

/// Any bytes as a log.
pub fn json_reader(bytes: &[u8]) {
    any_log(bytes);
}

/// Any bytes behind the start of an event, so that they are read as XML.
pub fn xml_reader(bytes: &[u8]) {
    any_log(bytes);
    any_log(&[b"<Event><System>", bytes].concat());
}

/// Any bytes as a text log, and behind what each of the text formats is told by.
pub fn text_reader(bytes: &[u8]) {
    const STARTS: [&[u8]; 5] = [
        b"",
        b"05/01/2024 10:00:00 AM\nLogName=Security\nEventCode=4688\nMessage=",
        b"type=EXECVE msg=audit(1714557600.123:45): ",
        b"<13>1 2024-05-01T10:00:00Z host app - - ",
        b"UtcTime,EventID,Channel,Image,CommandLine\n1,2,3,4,",
    ];
    STARTS.iter().for_each(|start| any_log(&[*start, bytes].concat()));
}

fn any_log(bytes: &[u8]) {
    let once = read(bytes, &mut Ingest::new(small()));
    // What is remembered makes the next log faster, never different.
    let mut ingest = Ingest::new(small());
    let first = read(bytes, &mut ingest);
    let second = read(bytes, &mut ingest);
    assert_eq!(once, first);
    assert_eq!(once, second);
}

/// So little room for distinct values that it is used up now and then.
fn small() -> Settings {
    Settings { dictionary_bytes: 1 << 10, ..Settings::default() }
}

struct Everything;

impl Interest for Everything {
    fn fields(&self, _: &Arc<Kind>) -> Fields {
        Fields::All
    }
}

/// Reads a log to its end, every value and every event of it.
pub(crate) fn read(bytes: &[u8], ingest: &mut Ingest) -> Option<Tally> {
    let mut log = Log::from_reader(Cursor::new(bytes.to_vec()), Arc::from("fuzz")).ok()?;
    let mut tally = Tally::default();
    let mut events = 0;
    while let Some(unit) = log.next_unit() {
        let records = unit.into_records();
        tally.add(ingest.read(records, &Everything, |batch| {
            events += batch.rows.len() as u64;
            for (at, row) in batch.rows.iter().enumerate() {
                let event = batch.event(row);
                assert_eq!(&event.kind, batch.kind);
                // What the kind says is read from the kind, whatever the record has.
                for column in batch.columns.iter().filter(|c| batch.kind.header(&c.name).is_none())
                {
                    let value = batch.dictionary(column).value(column.codes[at]);
                    assert_eq!(event.get(&column.name), &value, "{}", column.name);
                }
            }
        }));
    }
    assert_eq!(tally.events, events, "events were lost on the way");
    assert_eq!(tally.events, tally.kinds.values().map(|kind| kind.events).sum::<u64>());
    Some(tally)
}
