//! What the tests of this folder share: tables, rules and logs made on the spot.

#![allow(dead_code, reason = "every test uses its own part")]

pub(crate) mod state;

use std::collections::BTreeMap;
use std::sync::Arc;

use rulestone_engine::Plan;
use rulestone_events::{Event, Fields, Ingest, Interest, Kind, Log, Settings, Tally, Views};
use rulestone_ir::{
    Case, Clock, Elements, Field, Formula, Language, Meta, Origin, Predicate, Rule, Schema, Scope,
    Source, Span, Test, Trigger, Vendor,
};

/// Views made of one table.
pub(crate) fn views(table: &str) -> Views {
    let folder = tempfile::tempdir().expect("a folder for tables");
    let schema = folder.path().join("sigma");
    std::fs::create_dir(&schema).expect("a folder for a schema");
    std::fs::write(schema.join("table.toml"), table).expect("room for a table");
    let mut views = Views::default();
    views.add_folder(folder.path()).expect("a table without mistakes");
    views
}

/// The scope `key=value key=value`.
pub(crate) fn scope(words: &str) -> Scope {
    let pair = |word: &str| {
        let (key, value) = word.split_once('=').expect("key=value");
        (Arc::from(key), Arc::from(value))
    };
    Scope { schema: Schema::Sigma, keys: words.split_whitespace().map(pair).collect() }
}

/// A rule with these sources.
pub(crate) fn rule(sources: Vec<(Scope, Formula)>) -> Arc<Rule> {
    let source = |(scope, filter)| Source::Events { scope, filter };
    Arc::new(Rule {
        meta: Meta::default(),
        origin: Origin {
            vendor: Vendor::Sigma,
            language: Language::Sigma,
            path: Arc::from("test"),
            span: Span::default(),
            tests: Vec::new(),
            drilldowns: Vec::new(),
            search: None,
        },
        sources: sources.into_iter().map(source).collect(),
        stages: Vec::new(),
        clock: Clock::Whole,
        trigger: Trigger::default(),
    })
}

pub(crate) fn named(name: &str) -> Field {
    Field::Named { schema: Schema::Sigma, name: Arc::from(name) }
}

pub(crate) fn test(field: Field, test: Test) -> Formula {
    Formula::Test(Predicate {
        field,
        elements: Elements::Any,
        test,
        case: Case::Insensitive,
        span: Span::default(),
    })
}

pub(crate) fn equals(name: &str, text: &str) -> Formula {
    test(named(name), Test::Equals(text.to_owned()))
}

/// As the plan, but events that no rule looks at are handed over as well.
pub(crate) struct EveryKind<'p>(pub(crate) &'p Plan);

impl Interest for EveryKind<'_> {
    fn fields(&self, kind: &Arc<Kind>) -> Fields {
        match self.0.fields(kind) {
            Fields::None => Fields::Some(Vec::new()),
            fields => fields,
        }
    }
}

/// Keeps every value of every event.
pub(crate) struct Everything;

impl Interest for Everything {
    fn fields(&self, _: &Arc<Kind>) -> Fields {
        Fields::All
    }
}

/// A log with this text.
pub(crate) fn log(text: impl Into<Vec<u8>>) -> Log {
    Log::from_reader(std::io::Cursor::new(text.into()), Arc::from("test")).expect("a log")
}

/// What a log holds, counted and decoded, in the order of the kinds.
pub(crate) fn read(text: &str) -> (Tally, Vec<Event>) {
    let (mut log, mut ingest) = (log(text), Ingest::new(Settings::default()));
    let (mut tally, mut events) = (Tally::default(), Vec::new());
    while let Some(unit) = log.next_unit() {
        tally.add(ingest.read(unit.into_records(), &Everything, |batch| {
            events.extend(batch.rows.iter().map(|row| batch.event(row)));
        }));
    }
    (tally, events)
}

/// For each record, by number, what the matcher finds and the event itself.
pub(crate) type Decided = BTreeMap<u64, (Vec<usize>, Event)>;
