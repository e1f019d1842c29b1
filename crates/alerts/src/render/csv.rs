//! CSV: one row an alert, flat, for spreadsheets.

use std::io::{self, Write};

use rulestone_value::Value;

use super::{Renderer, clean};
use crate::{Alert, QuietAlert, Report};

/// A column: its name, and how it reads from an alert.
type Column = (&'static str, fn(&Alert) -> String);

const COLUMNS: &[Column] = &[
    ("time", |alert| alert.time.map(|time| time.to_string()).unwrap_or_default()),
    ("severity", |alert| alert.severity.as_str().to_owned()),
    ("risk_score", |alert| alert.risk_score.to_string()),
    ("rule", |alert| alert.rule.meta.title.clone()),
    ("rule_id", |alert| alert.rule.meta.id.clone()),
    ("source", |alert| alert.rule.origin.vendor.as_str().to_owned()),
    ("language", |alert| alert.rule.origin.language.as_str().to_owned()),
    ("host", |alert| alert.host().unwrap_or_default().to_owned()),
    ("user", |alert| alert.user().unwrap_or_default().to_owned()),
    ("provider", |alert| kind_of(alert, |kind| &kind.provider)),
    ("channel", |alert| kind_of(alert, |kind| &kind.channel)),
    ("event_id", |alert| kind_of(alert, |kind| &kind.event_id)),
    ("log", |alert| alert.evidence.first().map(|e| e.log.to_string()).unwrap_or_default()),
    ("record", |alert| {
        alert.evidence.first().map(|e| e.event.record.to_string()).unwrap_or_default()
    }),
    ("evidence_total", |alert| alert.evidence_total.to_string()),
    ("attack", |alert| joined(alert.techniques.iter().map(|technique| technique.id.clone()))),
    ("tactics", |alert| joined(alert.tactics.iter().map(|tactic| tactic.name.to_owned()))),
    ("matched", |alert| joined(matched(alert))),
    ("fields", |alert| joined(alert.fields.iter().map(|(name, value)| pair(name, value)))),
    ("id", |alert| alert.id.to_string()),
];

/// The column that is empty for alerts, and says of what was kept quiet why.
const EXCEPTION: &str = "exception";

pub(super) struct Csv<'w> {
    out: csv::Writer<Box<dyn Write + 'w>>,
}

impl<'w> Csv<'w> {
    pub(super) fn new(out: Box<dyn Write + 'w>) -> Self {
        // The lines end as RFC 4180 has them.
        let terminator = csv::Terminator::CRLF;
        Csv { out: csv::WriterBuilder::new().terminator(terminator).from_writer(out) }
    }

    fn row(&mut self, alert: &Alert, exception: &str) -> io::Result<()> {
        let cells = COLUMNS.iter().map(|(_, read)| cell(&read(alert)));
        Ok(self.out.write_record(cells.chain([cell(exception)]))?)
    }
}

impl Renderer for Csv<'_> {
    fn begin(&mut self) -> io::Result<()> {
        let names = COLUMNS.iter().map(|(name, _)| *name);
        Ok(self.out.write_record(names.chain([EXCEPTION]))?)
    }

    fn alert(&mut self, alert: &Alert) -> io::Result<()> {
        self.row(alert, "")
    }

    fn quiet(&mut self, quiet: &QuietAlert<'_>) -> io::Result<()> {
        let QuietAlert { alert, exception } = quiet;
        self.row(alert, &format!("{} ({})", exception.reason, exception.place()))
    }

    fn end(&mut self, _: &Report) -> io::Result<()> {
        self.out.flush()
    }
}

/// A value as it may stand in a cell. A spreadsheet takes what starts with one of these signs for
/// a formula, and logs hold what attackers wrote; the apostrophe makes it text.
fn cell(text: &str) -> String {
    let text = clean(text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

fn kind_of(alert: &Alert, part: fn(&rulestone_events::Kind) -> &str) -> String {
    alert.evidence.first().map(|e| part(&e.event.kind).to_owned()).unwrap_or_default()
}

fn matched(alert: &Alert) -> impl Iterator<Item = String> {
    alert.matched.iter().map(|matched| {
        let pattern = &matched.pattern;
        let test = format!("{} {} {pattern}", matched.field, matched.test);
        format!("{} ({})", pair(&matched.field, &matched.value), test.trim_end())
    })
}

/// A field and its value, as people write it.
pub(super) fn pair(name: &str, value: &Value) -> String {
    let texts = value.elements().iter().filter_map(Value::text);
    format!("{name}={}", texts.collect::<Vec<_>>().join(" | "))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let cases = [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-enc AAAA", "'-enc AAAA"),
            ("+49", "'+49"),
            ("\t=1", " =1"),
            ("plain", "plain"),
        ];
        for (text, expected) in cases {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
