//! What a record of each shape is read as: `kinds/samples.ndjson`, one made-up record a line, and
//! beside it what comes of each. `UPDATE_GOLDEN=1` writes the golden file anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use rulestone_events::{Event, Fields, Ingest, Log, ScopeKind, Settings, Tally, Views};
use rulestone_value::Value;

fn read(bytes: &[u8]) -> (Vec<Event>, Tally) {
    let mut log = Log::from_reader(Cursor::new(bytes.to_vec()), Arc::from("log")).expect("a log");
    let (mut ingest, mut tally) = (Ingest::new(Settings::default()), Tally::default());
    let mut events = Vec::new();
    while let Some(unit) = log.next_unit() {
        tally.add(ingest.read(unit.into_records(), &Fields::All, |batch| {
            // What is in the columns is what the event has.
            for (at, row) in batch.rows.iter().enumerate() {
                let event = batch.event(row);
                for column in batch.columns {
                    let value = batch.dictionary(column).value(column.codes[at]);
                    let own = event.get(&column.name);
                    let said = event.kind.header(&column.name);
                    assert!(said.is_some() || *own == value, "{}: {own:?} {value:?}", column.name);
                }
                events.push((row.position(), event));
            }
        }));
    }
    events.sort_by_key(|(position, _)| *position);
    (events.into_iter().map(|(_, event)| event).collect(), tally)
}

fn text(value: &Value) -> String {
    let elements = value.elements().iter().map(|e| e.text().unwrap_or_default().into_owned());
    elements.collect::<Vec<_>>().join(" | ")
}

/// What the event is about, by the tables of entities.
fn entities(views: &Views, event: &Event) -> String {
    let keys = BTreeMap::from([("product".into(), event.kind.product.clone())]);
    let kinds = views.scope("entity", &keys);
    let Some((_, kind)) = ScopeKind::serving(&kinds, &event.kind).next() else {
        return "none".to_owned();
    };
    let names =
        ["host", "user", "target_user", "source_ip", "destination_ip", "process", "account"];
    let said = names.iter().filter_map(|name| {
        let value = kind.own_field(name)?.value(&|raw| event.get(raw).clone());
        (!value.is_null()).then(|| format!("{name}={}", text(&value)))
    });
    said.collect::<Vec<_>>().join(" ")
}

fn print(views: &Views, event: &Event, out: &mut String) {
    let time = event.time.map_or_else(|| "no time".to_owned(), |time| time.to_string());
    let kind = &event.kind;
    writeln!(out, "{}: {} [{}]", event.shape, kind.label(), kind.product).expect("text");
    writeln!(out, "  {time}  {}", entities(views, event)).expect("text");
    for (name, value) in &event.fields {
        writeln!(out, "    {name} = {}", text(value)).expect("text");
    }
}

#[test]
fn records_of_every_shape() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kinds");
    let views = Views::built_in().unwrap();
    let (events, tally) = read(&std::fs::read(folder.join("samples.ndjson")).unwrap());
    let mut out = String::new();
    events.iter().for_each(|event| print(&views, event, &mut out));
    for (reason, skipped) in &tally.skipped {
        writeln!(out, "skipped: {reason}: {}", skipped.count).unwrap();
    }
    let golden = folder.join("samples.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &out).unwrap();
    }
    let expected = std::fs::read_to_string(golden).unwrap_or_default();
    assert!(out == expected, "UPDATE_GOLDEN=1 writes what comes now; read the difference");

    let table: toml::Table = toml::from_str(include_str!("../src/kinds/shapes.toml")).unwrap();
    let names = table["shape"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap());
    let seen: BTreeSet<&str> = events.iter().map(|event| event.shape).collect();
    let unseen: Vec<&str> = names.filter(|name| !seen.contains(name)).collect();
    assert!(unseen.is_empty(), "shapes without a sample: {unseen:?}");
}
