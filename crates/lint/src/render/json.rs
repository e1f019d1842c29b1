//! JSON: one document, or a line for each remark.

use rulestone_rules::Ledger;
use serde_json::{Map, Value, json};

use super::each_placed;
use crate::{Ability, Report};

/// The whole report as one document.
pub fn json(ledger: &Ledger, report: &Report) -> Value {
    let mut document = summary(ledger, report);
    document["remarks"] = remarks(ledger, report).into();
    document
}

/// A line for each remark, and one with the counts at the end.
pub fn ndjson(ledger: &Ledger, report: &Report) -> Vec<Value> {
    let mut lines = remarks(ledger, report);
    lines.push(summary(ledger, report));
    lines
}

fn remarks(ledger: &Ledger, report: &Report) -> Vec<Value> {
    let mut out = Vec::with_capacity(report.remarks.len());
    each_placed(ledger, report, |remark, place, places| {
        let entry = &ledger.entries[remark.entry];
        let said = &remark.diagnostic;
        let mut line = json!({
            "kind": "lint",
            "code": said.code,
            "class": remark.class.as_str(),
            "level": remark.grade().as_str(),
            "message": said.message,
            "path": &*entry.origin.path,
            "line": place.start.0,
            "column": place.start.1,
            "end_line": place.end.0,
            "end_column": place.end.1,
            "rule": {
                "id": entry.meta.id,
                "title": entry.meta.title,
                "source": entry.origin.vendor.as_str(),
                "language": entry.origin.language.as_str(),
                "status": entry.status.as_str(),
                "can_fire": report.abilities.get(remark.entry).map(|ability| ability.as_str()),
            },
        });
        if let Some(help) = &said.help {
            line["help"] = json!(help);
        }
        if let Some(fix) = &said.fix {
            let edit = |(span, text): &(rulestone_ir::Span, String)| {
                let place = places.place(*span);
                json!({
                    "line": place.start.0, "column": place.start.1,
                    "end_line": place.end.0, "end_column": place.end.1,
                    "text": text,
                })
            };
            let edits: Vec<Value> = fix.edits.iter().map(edit).collect();
            line["fix"] = json!({"title": fix.title, "edits": edits});
        }
        out.push(line);
    });
    out
}

fn summary(ledger: &Ledger, report: &Report) -> Value {
    let mut codes = Map::new();
    let mut classes = Map::new();
    for ((class, code), number) in report.counts() {
        for (counts, name) in [(&mut codes, code), (&mut classes, class.as_str())] {
            let before = counts.get(name).and_then(Value::as_u64).unwrap_or(0);
            counts.insert(name.to_owned(), json!(before + number as u64));
        }
    }
    json!({
        "kind": "lint-summary",
        "rules": ledger.entries.len(),
        "files": ledger.files,
        "can_fire": report.able(Ability::Can),
        "never_fire": report.able(Ability::Never),
        "cannot_tell": report.able(Ability::CannotTell),
        "not_run": report.able(Ability::NotRun),
        "classes": classes,
        "codes": codes,
    })
}
