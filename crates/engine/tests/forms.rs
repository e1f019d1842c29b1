//! The same events as EVTX and in what `evtx_dump` makes of it, JSON and XML: the same values and
//! the same hits, on public logs, where they are at hand.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use evtx::{EvtxParser, ParserSettings};
use rulestone_dialects::{Environment, containers};
use rulestone_engine::{Matcher, Plan};
use rulestone_events::{Event, Fields, Ingest, Interest, Kind, Log, Settings, Views, find_logs};
use rulestone_ir::Rule;

/// What the corpora held when this was written, and what must at least be compared.
const LEAST_EVENTS: usize = 33_000;
const LEAST_HITS: usize = 1_850;

struct Everything;

impl Interest for Everything {
    fn fields(&self, _: &Arc<Kind>) -> Fields {
        Fields::All
    }
}

/// What one form of a log gives: for each event its values as text, and the rules that fire.
#[derive(Default)]
struct Given {
    events: Vec<Event>,
    hits: Vec<(usize, String)>,
    skipped: Vec<String>,
}

#[test]
fn the_same_events_in_every_form_give_the_same() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    if !corpora.is_dir() {
        println!("skipped: ../shared/corpora is not there");
        return;
    }
    let mut logs = evtx_files(&corpora.join("events/evtx"));
    logs.extend(evtx_files(&corpora.join("events/sigma-regression")));
    let views = Views::built_in().expect("the tables built in");
    let plan = Plan::new(read_rules(&corpora.join("rules/sigma")), &views);
    let (next, all) = (AtomicUsize::new(0), Mutex::new((0, 0, Vec::new())));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(path) = logs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (events, hits, differences) = compare(path, &plan);
                    let mut all = all.lock().expect("no thread panicked");
                    all.0 += events;
                    all.1 += hits;
                    all.2.extend(differences);
                }
            });
        }
    });
    let (events, hits, mut differences) = all.into_inner().expect("no thread panicked");
    differences.sort();
    println!("{} logs, {events} events, {hits} hits compared in six forms", logs.len());
    let shown: Vec<&String> = differences.iter().take(40).collect();
    assert!(differences.is_empty(), "{} differences: {shown:#?}", differences.len());
    assert!(events >= LEAST_EVENTS);
    assert!(hits >= LEAST_HITS);
}

fn evtx_files(folder: &Path) -> Vec<PathBuf> {
    let (files, errors) = find_logs(folder);
    assert!(errors.is_empty(), "{errors:?}");
    files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "evtx")).collect()
}

fn read_rules(folder: &Path) -> Vec<Arc<Rule>> {
    let (files, problems) = rulestone_rules::find_rule_files(folder);
    assert!(problems.is_empty(), "{problems:?}");
    let environment = Environment::default();
    let of_file = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("a rule file");
        let readings = containers::read(&text, &path.to_string_lossy(), &environment);
        readings.into_iter().filter_map(|reading| reading.rule).map(Arc::new).collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
}

/// Events and hits of a log, and what differs between its forms.
fn compare(path: &Path, plan: &Plan) -> (usize, usize, Vec<String>) {
    let Some(forms) = forms(path) else { return (0, 0, Vec::new()) };
    let Ok(log) = Log::open(path, Arc::from("log")) else { return (0, 0, Vec::new()) };
    let own = read(log, plan);
    let mut differences = Vec::new();
    for (form, text) in forms {
        let log = Log::from_reader(Cursor::new(text.into_bytes()), Arc::from("log"));
        let given = match log {
            Ok(log) => read(log, plan),
            Err(error) if own.events.is_empty() => {
                assert!(!error.to_string().is_empty());
                continue;
            }
            Err(error) => {
                differences.push(format!("{}: {form}: {error}", path.display()));
                continue;
            }
        };
        let what = own.difference(&given);
        differences.extend(what.map(|what| format!("{}: {form}: {what}", path.display())));
    }
    (own.events.len(), own.hits.len(), differences)
}

/// A log rendered with the `evtx` crate, as its tool does by its options: those records of it that
/// can be in every form.
fn forms(path: &Path) -> Option<[(&'static str, String); 5]> {
    let open = |settings: ParserSettings| {
        let settings = settings.num_threads(1);
        EvtxParser::from_path(path).ok().map(|parser| parser.with_configuration(settings))
    };
    let json = |settings| {
        let mut parser = open(settings)?;
        let records = parser.records_json().filter_map(Result::ok).map(|r| r.data);
        Some(records.collect::<Vec<_>>())
    };
    let xml = |settings| {
        let mut parser = open(settings)?;
        let records = parser.records().filter_map(Result::ok).map(|r| r.data);
        Some(records.collect::<Vec<_>>())
    };
    let plain = || ParserSettings::new().indent(false);
    let indented = || ParserSettings::new().indent(true);
    Some([
        ("JSON lines", lines(&json(plain())?)),
        ("numbered JSON", numbered(&json(indented())?)),
        ("JSON with attributes apart", lines(&json(plain().separate_json_attributes(true))?)),
        ("XML lines", lines(&xml(plain())?)),
        ("numbered XML", numbered(&xml(indented())?)),
    ])
}

fn lines(records: &[String]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

fn numbered(records: &[String]) -> String {
    let number = |(at, r): (usize, &String)| format!("Record {}\n{r}\n", at + 1);
    records.iter().enumerate().map(number).collect()
}

fn read(mut log: Log, plan: &Plan) -> Given {
    let (mut ingest, mut matcher) = (Ingest::new(Settings::default()), Matcher::new(plan));
    let mut given = Given::default();
    while let Some(unit) = log.next_unit() {
        let mut events = Vec::new();
        let tally = ingest.read(unit.into_records(), &Everything, |batch| {
            let mut found = vec![Vec::new(); batch.rows.len()];
            matcher.run(batch, |row, program, rules| {
                let rules = rules.iter().map(|at| program.rules()[*at as usize].rule);
                found[row].extend(rules);
            });
            for (row, rules) in batch.rows.iter().zip(found) {
                events.push((row.position(), batch.event(row), rules));
            }
        });
        events.sort_by_key(|(position, ..)| *position);
        for (_, event, rules) in events {
            let identity = identity(&event);
            given.hits.extend(rules.into_iter().map(|rule| (rule, identity.clone())));
            given.events.push(event);
        }
        given.skipped.extend(tally.skipped.into_keys());
    }
    given.hits.sort();
    given
}

/// What makes an event the same event in every form.
fn identity(event: &Event) -> String {
    let record = event.get("EventRecordID").text().unwrap_or_default().into_owned();
    format!("{} {record} {:?} {:?}", event.kind.label(), event.time, event.host())
}

/// An event's values as text, by name. Characters that XML cannot have are `_` there.
fn values(event: &Event) -> BTreeMap<String, Vec<String>> {
    let clean = |text: &str| text.replace(|c: char| c < ' ' && !"\t\r\n".contains(c), "_");
    let clean = |text: &str| clean(text).replace(['\u{fffe}', '\u{ffff}', '\u{fffd}'], "_");
    let text = |value: &rulestone_value::Value| value.text().map(|text| clean(&text));
    event
        .fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_string(), value.elements().iter().filter_map(text).collect()))
        .collect()
}

impl Given {
    fn difference(&self, other: &Given) -> Option<String> {
        if self.events.len() != other.events.len() {
            let counts = (self.events.len(), other.events.len());
            return Some(format!("{counts:?} events; skipped {:?}", other.skipped));
        }
        for (one, two) in self.events.iter().zip(&other.events) {
            if identity(one) != identity(two) {
                return Some(format!("{} is {}", identity(one), identity(two)));
            }
            let (a, b) = (values(one), values(two));
            if a != b {
                let only = |a: &BTreeMap<_, _>, b: &BTreeMap<_, _>| {
                    let own = a.iter().filter(|(name, value)| b.get(*name) != Some(*value));
                    own.map(|own| format!("{own:?}")).collect::<Vec<String>>()
                };
                return Some(format!(
                    "{}: {:?} is {:?}",
                    identity(one),
                    only(&a, &b),
                    only(&b, &a)
                ));
            }
        }
        (self.hits != other.hits).then(|| {
            let own: Vec<_> = self.hits.iter().filter(|hit| !other.hits.contains(hit)).collect();
            let new: Vec<_> = other.hits.iter().filter(|hit| !self.hits.contains(hit)).collect();
            format!("hits {own:?} are {new:?}")
        })
    }
}
