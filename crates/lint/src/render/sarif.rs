//! SARIF 2.1.0: what code hosts and editors show beside the text.

use std::collections::BTreeMap;

use rulestone_ir::{Fix, Span};
use rulestone_rules::Ledger;
use serde_json::{Value, json};

use super::each_placed;
use crate::report::Places;
use crate::{Class, Place, Report, lint};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The report as one run. `version` is that of the program.
pub fn sarif(ledger: &Ledger, report: &Report, version: &str) -> Value {
    let codes = codes(report);
    let mut results = Vec::with_capacity(report.remarks.len());
    each_placed(ledger, report, |remark, place, places| {
        let entry = &ledger.entries[remark.entry];
        let uri = uri(&entry.origin.path);
        let said = &remark.diagnostic;
        let text = match &said.help {
            Some(help) => format!("{}. {help}.", said.message),
            None => format!("{}.", said.message),
        };
        let mut result = json!({
            "ruleId": said.code,
            "ruleIndex": codes.keys().position(|code| *code == said.code),
            "level": remark.grade().as_str(),
            "message": {"text": text},
            "locations": [{
                "physicalLocation": {"artifactLocation": {"uri": &uri}, "region": region(place)},
                "logicalLocations": [{"name": entry.meta.title, "fullyQualifiedName": entry.meta.id}],
            }],
            "properties": {"class": remark.class.as_str()},
        });
        if let Some(fix) = &said.fix {
            result["fixes"] = json!([fixed(fix, &uri, places)]);
        }
        results.push(result);
    });
    let rules: Vec<Value> = codes.iter().map(|(code, class)| rule(code, *class)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "rulestone",
                "version": version,
                "informationUri": "https://github.com/rulestone/rulestone",
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// The codes of the report, in the order of their names, with the class of the first remark of each.
fn codes(report: &Report) -> BTreeMap<&'static str, Class> {
    let mut codes = BTreeMap::new();
    for remark in &report.remarks {
        codes.entry(remark.diagnostic.code).or_insert(remark.class);
    }
    codes
}

fn rule(code: &str, class: Class) -> Value {
    let mut rule = json!({
        "id": code,
        "defaultConfiguration": {"level": class.grade().as_str()},
        "properties": {"tags": [class.as_str()]},
    });
    match lint(code) {
        Some(lint) => {
            rule["shortDescription"] = json!({"text": lint.title});
            rule["fullDescription"] = json!({"text": lint.explanation});
            rule["help"] = json!({"text": lint.explanation});
            rule["defaultConfiguration"]["level"] = json!(lint.class.grade().as_str());
        }
        None => {
            rule["shortDescription"] = json!({"text": "The rule is broken by its own language"});
        }
    }
    rule
}

fn region(place: Place) -> Value {
    json!({
        "startLine": place.start.0,
        "startColumn": place.start.1,
        "endLine": place.end.0,
        "endColumn": place.end.1,
        "charOffset": place.offset,
        "charLength": place.length,
    })
}

fn fixed(fix: &Fix, uri: &str, places: &Places<'_>) -> Value {
    let replacement = |(span, text): &(Span, String)| {
        json!({
            "deletedRegion": region(places.place(*span)),
            "insertedContent": {"text": text},
        })
    };
    let replacements: Vec<Value> = fix.edits.iter().map(replacement).collect();
    json!({
        "description": {"text": fix.title},
        "artifactChanges": [
            {"artifactLocation": {"uri": uri}, "replacements": replacements},
        ],
    })
}

/// A path as a URI reference: relative where the path is. What URIs do not take is escaped.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path).replace('\\', "/");
    let mut out = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_uris() {
        let cases = [
            ("rules/a.yml", "rules/a.yml"),
            ("./rules/a b.yml", "rules/a%20b.yml"),
            ("/rules/ä.yml", "file:///rules/%C3%A4.yml"),
            ("a:b#c%.yml", "a%3Ab%23c%25.yml"),
        ];
        for (path, expected) in cases {
            assert_eq!(uri(path), expected);
        }
    }
}
