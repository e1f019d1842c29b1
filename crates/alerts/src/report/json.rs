//! The report as JSON: `summary` in `--format json`. Keys may be added, never changed.

use rulestone_events::title;
use rulestone_ir::{Severity, Status};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use crate::attack::technique;
use crate::counts::Counts;
use crate::report::Report;
use crate::suppress::Idle;

/// Names given of hosts and users each.
const TOP: usize = 100;

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("alerts", &self.alerts())?;
        map.serialize_entry("busiest_day", &busiest_day(self))?;
        map.serialize_entry("severities", &severities(self))?;
        map.serialize_entry("fired", &fired(self))?;
        map.serialize_entry("hosts", &names(self.hosts()))?;
        map.serialize_entry("users", &names(self.users()))?;
        map.serialize_entry("tactics", &tactics(self))?;
        map.serialize_entry("techniques", &techniques(self))?;
        map.serialize_entry("events", &events(self))?;
        map.serialize_entry("logs", &logs(self))?;
        map.serialize_entry("rules", &rules(self))?;
        map.serialize_entry("missing", &missing(self))?;
        map.serialize_entry("missing_logs", &missing_logs(self))?;
        map.serialize_entry("stand_ins", &stand_ins(self))?;
        map.serialize_entry("kept_quiet", &self.kept_quiet())?;
        map.serialize_entry("exceptions", &exceptions(self))?;
        map.serialize_entry("notes", &notes(self))?;
        map.serialize_entry("cost", &cost(self))?;
        map.serialize_entry("next", &next(self))?;
        map.end()
    }
}

fn busiest_day(report: &Report) -> Value {
    let day = report.busiest_day();
    day.map_or(Value::Null, |(day, alerts)| json!({"day": day, "alerts": alerts}))
}

fn severities(report: &Report) -> Value {
    let counts = Severity::ALL.into_iter().rev();
    counts
        .map(|own| (own.as_str().to_owned(), report.alerts_of(own).into()))
        .collect::<Map<_, _>>()
        .into()
}

fn fired(report: &Report) -> Value {
    let fired = report.fired_rules().into_iter().map(|fired| {
        let (meta, origin) = (&fired.rule.meta, &fired.rule.origin);
        json!({
            "id": meta.id,
            "title": meta.title,
            "source": origin.vendor.as_str(),
            "language": origin.language.as_str(),
            "path": &*origin.path,
            "severity": fired.severity.as_str(),
            "alerts": fired.count,
            "first": fired.span.map(|(first, _)| first.to_string()),
            "last": fired.span.map(|(_, last)| last.to_string()),
        })
    });
    fired.collect()
}

/// `distinct` stops at what is told apart; `others` counts what came behind it.
fn names(counts: &Counts) -> Value {
    let top = counts.top(TOP).into_iter();
    json!({
        "distinct": counts.len(),
        "others": counts.others(),
        "top": top.map(|seen| json!({"name": seen.name, "alerts": seen.count})).collect::<Value>(),
    })
}

fn tactics(report: &Report) -> Value {
    let tactics = report.tactics().iter();
    tactics.map(|(tactic, alerts)| json!({"tactic": tactic.name, "alerts": alerts})).collect()
}

fn techniques(report: &Report) -> Value {
    let named = report.techniques().iter().map(|(id, alerts)| {
        let name = technique(id).map(|technique| technique.name);
        json!({"technique": id, "name": name, "alerts": alerts})
    });
    named.collect()
}

fn events(report: &Report) -> Value {
    let tally = report.tally();
    let span = tally.span();
    let kinds = tally.kinds.iter().map(|(kind, counted)| {
        json!({"kind": kind.label(), "title": title(kind), "events": counted.events})
    });
    let skipped = tally.skipped.iter().map(|(reason, skipped)| {
        json!({
            "reason": reason,
            "count": skipped.count,
            "bytes": skipped.bytes,
            "places": skipped.places,
        })
    });
    json!({
        "read": tally.events,
        "outside_time": tally.outside_time,
        "bytes": tally.bytes,
        "first": span.map(|(first, _)| first.to_string()),
        "last": span.map(|(_, last)| last.to_string()),
        "kinds": kinds.collect::<Value>(),
        "skipped": skipped.collect::<Value>(),
    })
}

fn logs(report: &Report) -> Value {
    let logs = report.logs();
    let failures =
        logs.failures.iter().map(|(log, reason)| json!({"log": &**log, "reason": reason}));
    let reasons = logs.reasons.iter().map(
        |(reason, (count, first))| json!({"reason": reason, "logs": count, "first": &**first}),
    );
    json!({
        "read": logs.read,
        "failed": logs.failed,
        "failures": failures.collect::<Value>(),
        "reasons": reasons.collect::<Value>(),
    })
}

fn rules(report: &Report) -> Value {
    let rules = report.rules();
    let statuses = [Status::Exact, Status::Approximate, Status::Unsupported, Status::Invalid];
    let statuses = statuses.into_iter().map(|own| (own.as_str().to_owned(), rules.of(own).into()));
    let reasons = rules.reasons.iter().map(|((status, code), reason)| {
        json!({
            "status": status.as_str(),
            "code": code,
            "rules": reason.rules,
            "message": reason.message,
            "places": reason.places,
        })
    });
    json!({
        "listed": rules.listed,
        "loaded": rules.loaded,
        "able": report.binding().map(|binding| binding.able),
        "fired": report.fired_rules().len(),
        "statuses": statuses.collect::<Map<_, _>>(),
        "reasons": reasons.collect::<Value>(),
        "set_aside": rules.set_aside,
    })
}

fn missing(report: &Report) -> Value {
    let missing = report.binding().map(|binding| &binding.missing[..]).unwrap_or_default();
    let missing = missing.iter().map(|missing| {
        json!({
            "sort": missing.sort.as_str(),
            "name": missing.name,
            "title": missing.title,
            "rules": missing.rules,
        })
    });
    missing.collect()
}

fn missing_logs(report: &Report) -> Value {
    let Some(binding) = report.binding() else { return json!([]) };
    let logs = binding.missing_logs.iter().map(|log| {
        let events = log.events.iter().filter_map(|at| binding.missing.get(*at));
        let events = events
            .map(|event| json!({"name": event.name, "title": event.title, "rules": event.rules}));
        json!({
            "log": log.name,
            "other_events": log.here,
            "rules": log.rules,
            "events": events.collect::<Value>(),
        })
    });
    logs.collect()
}

fn stand_ins(report: &Report) -> Value {
    let all = report.binding().map(|binding| &binding.stand_ins[..]).unwrap_or_default();
    all.iter().map(|(reason, rules)| json!({"reason": reason, "rules": rules})).collect()
}

/// `idle` says why an exception kept nothing quiet.
fn exceptions(report: &Report) -> Value {
    let exceptions = report.exceptions().iter().map(|own| {
        json!({
            "reason": own.reason,
            "file": &*own.path,
            "line": own.line,
            "kept_quiet": own.kept,
            "idle": own.idle.map(Idle::as_str),
        })
    });
    exceptions.collect()
}

fn notes(report: &Report) -> Value {
    report.notes().iter().map(|note| json!({"note": note.text, "count": note.count})).collect()
}

fn next(report: &Report) -> Value {
    let hints = report.hints().iter();
    hints.map(|hint| json!({"command": hint.command, "purpose": hint.purpose})).collect()
}

fn cost(report: &Report) -> Value {
    report.cost().map_or(Value::Null, |cost| {
        json!({
            "seconds": cost.elapsed.as_secs_f64(),
            "events_per_second": report.events_per_second(),
            "peak_memory": cost.peak_memory,
        })
    })
}
