//! `rulestone debug`: every box of the pipeline, printed.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use rulestone_dialects::containers;
use rulestone_engine::{Plan, ScanSettings, reference, scan};
use rulestone_events::{Event, Fields, Ingest, Log, Members, ScopeKind, Settings, Tally, title};
use rulestone_ir::{Field, print_rule};
use rulestone_value::Value;
use serde_json::{Map, json};

use crate::args::{DebugArgs, What};
use crate::diagnose;
use crate::outcome::{Ends, Outcome};
use crate::settings;
use crate::terminal::Talk;

/// Prints what a step makes.
pub(crate) fn run(args: &DebugArgs, talk: &Talk) -> Result<Outcome> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.what {
        What::Tokens | What::Ast => texts(args, talk, &mut out)?,
        What::Ir => ir(args, talk, &mut out)?,
        What::Plan => plan(args, talk, &mut out)?,
        What::Events => events(args, talk, &mut out)?,
        What::View => view(args, talk, &mut out)?,
    }
    out.flush().map_err(|error| Ends::output("standard output", &error))?;
    Ok(Outcome::Done)
}

fn write(out: &mut impl Write, text: &str) -> Result<()> {
    writeln!(out, "{text}").map_err(|error| Ends::output("standard output", &error))
}

fn texts(args: &DebugArgs, talk: &Talk, out: &mut impl Write) -> Result<()> {
    let rules = crate::args::RuleArgs { rules: args.files.clone(), ..args.rules.clone() };
    let environment = settings::environment(&rules, talk)?;
    for path in &args.files {
        let text = fs::read_to_string(path)
            .map_err(|error| Ends::input(format!("cannot read {}: {error}", path.display())))?;
        let name = path.to_string_lossy();
        let printed = match args.what {
            What::Tokens => containers::print_tokens(&text, &name, &environment),
            _ => containers::print_ast(&text, &name, &environment),
        };
        write(out, printed.trim_end())?;
    }
    Ok(())
}

fn ir(args: &DebugArgs, talk: &Talk, out: &mut impl Write) -> Result<()> {
    let own = args.rules.clone();
    // What is asked for by its file is shown whatever sort it is.
    let rules = crate::args::RuleArgs { rules: args.files.clone(), hunting: true, ..own };
    let ledger = settings::load_rules(&rules, 1, talk)?;
    for entry in &ledger.entries {
        for diagnostic in &entry.diagnostics {
            write(out, &diagnose::render(entry, diagnostic, talk.data_color))?;
        }
        if let Ok(rule) = &entry.rule {
            write(out, &print_rule(rule))?;
        }
    }
    Ok(())
}

fn plan(args: &DebugArgs, talk: &Talk, out: &mut impl Write) -> Result<()> {
    let ledger = settings::load_rules(&args.rules, 1, talk)?;
    let views = settings::load_views(&args.rules)?;
    let plan = Plan::new(ledger.loaded(), &views);
    let scan_settings = ScanSettings::default();
    let mut tally = Tally::default();
    let logs = settings::logs(&args.files, talk)?;
    let stop = AtomicBool::new(false);
    scan(&logs, &plan, &scan_settings, &stop, |_| (), |outcome| tally.add(outcome.tally));
    for (kind, counted) in &tally.kinds {
        let program = plan.program(kind);
        let fields = match program.fields() {
            Fields::None => "none".to_owned(),
            Fields::All => "all".to_owned(),
            Fields::Some(fields) => fields.join(" "),
            Fields::Text(fields) => format!("{} and the text", fields.join(" ")),
        };
        let name = title(kind).map(|title| format!(" ({title})")).unwrap_or_default();
        write(out, &format!("{}{name}: {} events", kind.label(), counted.events))?;
        write(out, &format!("  rules bound {}, fields {fields}", program.rules().len()))?;
    }
    Ok(())
}

/// Calls `each` with every event of the logs.
fn for_each_event(
    args: &DebugArgs,
    talk: &Talk,
    mut each: impl FnMut(&str, Event) -> Result<()>,
) -> Result<()> {
    for log in settings::logs(&args.files, talk)? {
        let path = log.path.as_deref().unwrap_or(Path::new("/dev/stdin"));
        let mut open = match Log::open(path, log.name.clone()) {
            Ok(open) => open,
            Err(error) => {
                talk.warn(&format!("{}: {error}", log.name));
                continue;
            }
        };
        let mut ingest = Ingest::new(Settings::default());
        while let Some(unit) = open.next_unit() {
            let name = unit.place.log.clone();
            let mut events = Vec::new();
            let tally = ingest.read(unit.into_records(), &Fields::All, |batch| {
                events.extend(batch.rows.iter().map(|row| batch.event(row)));
            });
            warn_of_skipped(&tally, talk);
            events.retain(|event| args.record.is_none_or(|record| event.record == record));
            events.sort_by_key(|event| event.record);
            for event in events {
                each(&name, event)?;
            }
            warn_of_members(&open.take_members(), talk);
        }
        warn_of_members(&open.take_members(), talk);
        if let Some(failure) = open.failure() {
            talk.warn(&format!("{}: {failure}", log.name));
        }
    }
    Ok(())
}

fn warn_of_skipped(tally: &Tally, talk: &Talk) {
    for (reason, skipped) in &tally.skipped {
        talk.warn(&format!("{reason}: {} ({})", skipped.count, skipped.places.join("; ")));
    }
}

/// Says what could not be read of an archive.
fn warn_of_members(members: &Members, talk: &Talk) {
    warn_of_skipped(&members.tally, talk);
    for (name, end) in &members.ended {
        if let Err(error) = end {
            talk.warn(&format!("{name}: {error}"));
        }
    }
}

fn events(args: &DebugArgs, talk: &Talk, out: &mut impl Write) -> Result<()> {
    for_each_event(args, talk, |log, event| {
        let fields: Map<String, serde_json::Value> =
            event.fields.iter().map(|(name, value)| (name.to_string(), to_json(value))).collect();
        let line = json!({
            "log": log,
            "record": event.record,
            "time": event.time.map(|time| time.to_string()),
            "kind": event.kind.label(),
            "shape": event.shape,
            "fields": fields,
        });
        write(out, &line.to_string())
    })
}

/// What the fields that rules ask for read in each event, by scope.
fn view(args: &DebugArgs, talk: &Talk, out: &mut impl Write) -> Result<()> {
    let ledger = settings::load_rules(&args.rules, 1, talk)?;
    let views = settings::load_views(&args.rules)?;
    for_each_event(args, talk, |log, event| {
        for rule in ledger.loaded() {
            for source in &rule.sources {
                let Some((scope, filter)) = source.filtered() else { continue };
                let kinds = views.scope(scope.schema.as_str(), &scope.keys);
                let Some((_, kind)) = ScopeKind::serving(&kinds, &event.kind).next() else {
                    continue;
                };
                let mut fields = Map::new();
                filter.for_each_predicate(&mut |predicate| {
                    if let Field::Named { name, .. } = &predicate.field {
                        let value = reference::field_value(name, kind, &event);
                        fields.insert(name.to_string(), to_json(&value));
                    }
                });
                let line = json!({
                    "log": log,
                    "record": event.record,
                    "rule": rule.meta.title,
                    "scope": scope.to_string(),
                    "stand_in": kind.stand_in,
                    "fields": fields,
                });
                write(out, &line.to_string())?;
            }
        }
        Ok(())
    })
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::String(value) => json!(value),
        Value::Time(time) => json!(time.to_string()),
        Value::List(values) => values.iter().map(to_json).collect(),
    }
}
