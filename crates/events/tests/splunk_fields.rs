//! The names that Splunk's add-ons read from their own example events, against those that the
//! tables read from the same events. Needs the shared corpora; without them it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use rulestone_events::{Event, Fields, Ingest, Log, ScopeKind, Settings, Views};
use rulestone_value::Value;

/// Beside the checkout.
const EXAMPLES: &str = "../../../shared/corpora/rules/splunk-escu/data_sources";

/// What the indexer or the search head makes of any event, whatever is in it: where it was stored,
/// how its lines look, when it was indexed. A `*` at the end stands for anything.
const ARTEFACTS: &[&str] = &[
    "_time",
    "date_hour",
    "date_mday",
    "date_minute",
    "date_month",
    "date_second",
    "date_wday",
    "date_year",
    "date_zone",
    "eventtype",
    "index",
    "linecount",
    "punct",
    "splunk_server",
    "splunk_server_group",
    "tag",
    "tag::action",
    "tag::app",
    "tag::eventtype",
    "timeendpos",
    "timestartpos",
    "unix_category",
    "unix_group",
    // What the add-on for CrowdStrike looks up in a list of hosts that it collects apart, and the
    // words of sets of bits.
    "aid_*",
    "host_res_aid",
    "resolve_dest",
    "event_ingest_time",
    "ProcessParameterFlags_meaning",
    "ProcessSxsFlags_meaning",
    "SignInfoFlags_meaning",
    "WindowFlags_meaning",
    "AuthenticationId_meaning",
];

fn is_artefact(name: &str) -> bool {
    ARTEFACTS.iter().any(|own| match own.strip_suffix('*') {
        Some(head) => name.starts_with(head),
        None => *own == name,
    })
}

/// Examples that are of another source than the file says.
const MISTAKEN: &[&str] = &["windows_active_directory_admon"];

/// Names of an XML event's header; its data may not be called so.
const HEADER: &[&str] = &[
    "ActivityID",
    "Channel",
    "Computer",
    "EventCode",
    "EventID",
    "EventRecordID",
    "EventSourceName",
    "Guid",
    "Keywords",
    "Level",
    "Name",
    "Opcode",
    "ProcessID",
    "Qualifiers",
    "RecordNumber",
    "SystemTime",
    "Task",
    "ThreadID",
    "UserID",
    "Version",
];

/// Some examples are cut where their text has its first line's end. Of an XML event that was, the
/// data that is gone is put back by the names that are listed: words without `_`, as Windows
/// calls data.
fn whole(example: &Example) -> String {
    let text = &example.text;
    if !text.starts_with("<Event") || text.contains("</Event>") {
        return text.clone();
    }
    let mut text = format!("{text}</Data>");
    for name in &example.names {
        let is_data = name.starts_with(|c: char| c.is_ascii_uppercase())
            && !name.contains(['_', ':'])
            && !HEADER.contains(&&**name)
            && !text.contains(&format!("'{name}'"));
        if is_data {
            write!(text, "<Data Name='{name}'>1</Data>").expect("text");
        }
    }
    text + "</EventData></Event>"
}

/// Whether nothing is left of an example but a date or a few words.
fn is_gone(text: &str) -> bool {
    text.len() < 40 && !text.contains(['=', '{'])
}

/// Names in a hundred that have to read.
const BAR: usize = 95;

/// An example: its file, the event's text, and the names that were read from it.
struct Example {
    file: String,
    text: String,
    names: Vec<String>,
}

/// The parts of a file that matter here. Its YAML is of one form: lists of plain words, and one
/// text in quotes over several lines.
fn example(path: &Path) -> Option<Example> {
    let yaml = std::fs::read_to_string(path).ok()?;
    let mut names = Vec::new();
    let mut lines = yaml.lines().skip_while(|line| *line != "fields:").skip(1);
    while let Some(name) = lines.next().and_then(|line| line.strip_prefix("- ")) {
        names.push(name.trim_matches(['\'', '"']).to_owned());
    }
    let (_, text) = yaml.split_once("\nexample_log: ")?;
    Some(Example {
        file: path.file_stem()?.to_string_lossy().into_owned(),
        text: scalar(text)?,
        names,
    })
}

/// A YAML scalar at the top level of a file.
fn scalar(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix('"') {
        return Some(double_quoted(rest));
    }
    if let Some(rest) = text.strip_prefix('\'') {
        return Some(single_quoted(rest));
    }
    if let Some((head, block)) =
        text.split_once('\n').filter(|(head, _)| head.starts_with(['|', '>']))
    {
        let lines = block.lines().take_while(|line| line.is_empty() || line.starts_with("  "));
        let separator = if head.starts_with('|') { "\n" } else { " " };
        return Some(lines.map(str::trim_start).collect::<Vec<_>>().join(separator));
    }
    let lines: Vec<&str> = text
        .lines()
        .enumerate()
        .take_while(|(at, line)| *at == 0 || line.is_empty() || line.starts_with(' '))
        .map(|(_, line)| line.trim())
        .collect();
    Some(lines.join(" "))
}

fn double_quoted(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some(x @ ('x' | 'u')) => {
                    let digits = if x == 'x' { 2 } else { 4 };
                    let hex: String = chars.by_ref().take(digits).collect();
                    let code = u32::from_str_radix(&hex, 16).ok();
                    out.extend(code.and_then(char::from_u32));
                }
                // A line that goes on: what the next one is set in by does not count.
                Some('\n') => while chars.next_if(|c| *c == ' ').is_some() {},
                Some(c) => out.push(c),
                None => {}
            },
            '\n' => fold_lines(&mut out, &mut chars),
            c => out.push(c),
        }
    }
    out
}

fn single_quoted(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' if chars.next_if_eq(&'\'').is_some() => out.push('\''),
            '\'' => break,
            '\n' => fold_lines(&mut out, &mut chars),
            c => out.push(c),
        }
    }
    out
}

/// A line's end is a space; with empty lines behind it, it is those.
fn fold_lines(out: &mut String, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while out.ends_with(' ') {
        out.pop();
    }
    let mut empty = 0;
    while let Some(c) = chars.next_if(|c| [' ', '\n'].contains(c)) {
        empty += usize::from(c == '\n');
    }
    out.push_str(&if empty == 0 { " ".to_owned() } else { "\n".repeat(empty) });
}

fn events(text: &str) -> Vec<Event> {
    let bytes = text.as_bytes().to_vec();
    let Ok(mut log) = Log::from_reader(Cursor::new(bytes), Arc::from("log")) else {
        return Vec::new();
    };
    let mut events = Vec::new();
    while let Some(unit) = log.next_unit() {
        Ingest::new(Settings::default()).read(unit.into_records(), &Fields::All, |batch| {
            events.extend(batch.rows.iter().map(|row| batch.event(row)));
        });
    }
    events
}

/// The first of the kinds that have what they ask of an event.
fn serving<'k>(kinds: &'k [Arc<ScopeKind>], event: &Event) -> Option<&'k Arc<ScopeKind>> {
    let holds = |kind: &ScopeKind| {
        kind.when.iter().all(|(field, texts)| {
            let value = read(kind, field, event);
            let is = |v: &Value| {
                v.text().is_some_and(|t| texts.iter().any(|o| o.eq_ignore_ascii_case(&t)))
            };
            value.elements().iter().any(is)
        })
    };
    ScopeKind::serving(kinds, &event.kind).find(|(_, kind)| holds(kind)).map(|(_, kind)| kind)
}

fn read(kind: &ScopeKind, field: &str, event: &Event) -> Value {
    kind.field(field).value(&|raw| event.value(raw))
}

/// Prints one line a source: names found of names listed, and those that are missing. All of them
/// with `SPLUNK_FIELDS=all`, those of some files with a part of their names.
#[test]
fn names_of_the_example_events() {
    let Ok(folder) = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLES)) else {
        println!("skipped: ../shared/corpora is not there");
        return;
    };
    let views = Views::built_in().expect("the tables built in");
    let kinds = views.scope("splunk", &BTreeMap::new());
    let mut paths: Vec<_> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let wanted = std::env::var("SPLUNK_FIELDS").unwrap_or_default();
    let (mut found, mut listed, mut out) = (0, 0, String::new());
    for example in paths.iter().filter_map(|path| example(path)) {
        if !(wanted.is_empty() || wanted == "all" || example.file.contains(&wanted)) {
            continue;
        }
        if is_gone(&example.text) || MISTAKEN.contains(&&*example.file) {
            writeln!(out, "{}: no example", example.file).expect("text");
            continue;
        }
        let names: BTreeSet<&str> = example.names.iter().map(String::as_str).collect();
        let names: Vec<&str> = names.into_iter().filter(|name| !is_artefact(name)).collect();
        let events = events(&whole(&example));
        let is_read = |name: &str| {
            events.iter().any(|event| {
                serving(&kinds, event).is_some_and(|kind| !read(kind, name, event).is_null())
            })
        };
        let missing: Vec<&str> = names.iter().copied().filter(|name| !is_read(name)).collect();
        found += names.len() - missing.len();
        listed += names.len();
        let (own, all) = (names.len() - missing.len(), names.len());
        let labels: BTreeSet<String> = events.iter().map(|e| e.kind.label()).collect();
        let labels = labels.into_iter().collect::<Vec<_>>().join(", ");
        writeln!(out, "{}: {own}/{all} [{labels}] {}", example.file, missing.join(" "))
            .expect("text");
    }
    println!("{out}{found} of {listed} names");
    assert!(!wanted.is_empty() || found * 100 >= listed * BAR, "{found} of {listed} names");
}
