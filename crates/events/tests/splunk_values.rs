//! What Splunk's names read from events of each source: `splunk/*.txt`, events made up for the
//! purpose, each with names and values written by hand.
//!
//! ```text
//! == what happens
//! the event, as a log has it
//! -- raw
//! name = value
//! -- Model.Dataset
//! name = one | another
//! gone =
//! -- not Model.Dataset
//! ```
//!
//! A value that is not there is null, and `|` stands between several. `$` before a name looks only
//! for a part of the value.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use rulestone_events::{Event, Fields, Ingest, Log, ScopeKind, Settings, Views};
use rulestone_value::Value;

fn event(text: &str) -> Event {
    let bytes = text.as_bytes().to_vec();
    let mut log = Log::from_reader(Cursor::new(bytes), Arc::from("log")).expect("a log");
    let mut events = Vec::new();
    while let Some(unit) = log.next_unit() {
        Ingest::new(Settings::default()).read(unit.into_records(), &Fields::All, |batch| {
            events.extend(batch.rows.iter().map(|row| batch.event(row)));
        });
    }
    assert_eq!(events.len(), 1, "{text}");
    events.pop().expect("one event")
}

fn read(kind: &ScopeKind, field: &str, event: &Event) -> Value {
    kind.field(field).value(&|raw| event.value(raw))
}

/// How the event reads in a scope, if it serves it.
fn served(views: &Views, scope: &str, event: &Event) -> Option<Arc<ScopeKind>> {
    let mut keys: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
    if let Some((model, dataset)) = scope.split_once('.') {
        assert!(views.has_dataset(model, Some(dataset)), "{scope}");
        keys.extend([("model".into(), model.into()), ("dataset".into(), dataset.into())]);
    }
    let kinds = views.scope("splunk", &keys);
    let holds = |kind: &ScopeKind| {
        kind.when.iter().all(|(field, texts)| {
            let value = read(kind, field, event);
            let is = |v: &Value| {
                v.text().is_some_and(|t| texts.iter().any(|o| o.eq_ignore_ascii_case(&t)))
            };
            value.elements().iter().any(is)
        })
    };
    ScopeKind::serving(&kinds, &event.kind)
        .find(|(_, kind)| holds(kind))
        .map(|(_, kind)| kind.clone())
}

fn text(value: &Value) -> String {
    let texts = value.elements().iter().map(|v| v.text().unwrap_or_default().into_owned());
    texts.collect::<Vec<_>>().join(" | ")
}

/// Checks one case and says how many values it names.
fn check(views: &Views, case: &str) -> usize {
    let (title, rest) = case.split_once('\n').expect("a case has lines");
    let mut parts = rest.split("\n-- ");
    let event = event(parts.next().expect("a case has an event"));
    let mut values = 0;
    for part in parts {
        let mut lines = part.lines();
        let scope = lines.next().expect("a part has a scope");
        if let Some(scope) = scope.strip_prefix("not ") {
            assert!(served(views, scope, &event).is_none(), "{title}: in {scope}");
            continue;
        }
        let kind = served(views, scope, &event);
        let kind = kind.unwrap_or_else(|| panic!("{title}: {scope} by {}", event.kind.label()));
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, expected) = line.split_once(" =").expect("name = value");
            let expected = expected.strip_prefix(' ').unwrap_or_default();
            let name = name.trim();
            match name.strip_prefix('$') {
                Some(name) => {
                    let found = text(&read(&kind, name, &event));
                    assert!(found.contains(expected), "{title}: {scope} {name}: {found}");
                }
                None => {
                    let found = text(&read(&kind, name, &event));
                    assert_eq!(found, expected, "{title}: {scope} {name}");
                }
            }
            values += 1;
        }
    }
    values
}

#[test]
fn values_by_splunks_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/splunk");
    let views = Views::built_in().expect("the tables built in");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("a file").path()).collect();
    paths.sort();
    let (mut cases, mut values) = (0, 0);
    for path in paths {
        let file = std::fs::read_to_string(&path).expect("a file of cases");
        for case in file.split("== ").skip(1) {
            values += check(&views, case);
            cases += 1;
        }
    }
    println!("{cases} events, {values} values");
}
