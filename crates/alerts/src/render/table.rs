//! Table: a line an alert, for a terminal, as the alerts come.
//!
//! Columns have widths of their own, decided by the terminal's alone: a table that fits its columns
//! to their contents has to hold all of them first.

use std::io::{self, Write};
use std::net::IpAddr;

use rulestone_value::Value;

use super::style::{Line, Paint, Style, clean, short_severity, short_time, width};
use super::{Renderer, csv};
use crate::{Alert, MatchedValue, QuietAlert, Report};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Time,
    Severity,
    Rule,
    Host,
    User,
    Matched,
}

/// The columns for terminals of at least a width. Each takes so many columns of the terminal in any
/// case, and so many hundredths of what is left.
type Layout = (usize, &'static [(Column, usize, usize)]);

/// The widest first.
const LAYOUTS: &[Layout] = &[
    (
        120,
        &[
            (Column::Time, 19, 0),
            (Column::Severity, 8, 0),
            (Column::Rule, 20, 30),
            (Column::Host, 10, 10),
            (Column::User, 10, 10),
            (Column::Matched, 16, 50),
        ],
    ),
    (
        90,
        &[
            (Column::Time, 19, 0),
            (Column::Severity, 8, 0),
            (Column::Rule, 18, 30),
            (Column::Host, 8, 10),
            (Column::Matched, 14, 60),
        ],
    ),
    (
        60,
        &[
            (Column::Time, 19, 0),
            (Column::Severity, 8, 0),
            (Column::Rule, 16, 70),
            (Column::Host, 10, 30),
        ],
    ),
    (0, &[(Column::Time, 19, 0), (Column::Severity, 8, 0), (Column::Rule, 8, 100)]),
];

/// Blanks between columns.
const GAP: usize = 2;

pub(super) struct Table<'w> {
    style: Style,
    columns: Vec<(Column, usize)>,
    out: Box<dyn Write + 'w>,
}

impl<'w> Table<'w> {
    pub(super) fn new(style: Style, out: Box<dyn Write + 'w>) -> Self {
        Table { style, columns: columns(style.columns()), out }
    }

    fn line(&mut self, cell: impl Fn(Column, usize) -> (Paint, String)) -> io::Result<()> {
        let mut line = Line::new(self.style);
        for (at, (column, width)) in self.columns.iter().enumerate() {
            let (paint, text) = cell(*column, *width);
            if at > 0 {
                line.push(Paint::Plain, "  ");
            }
            line.cell(paint, &text, *width);
        }
        writeln!(self.out, "{}", line.finish())
    }
}

/// The columns for a width, each with its own.
fn columns(width: usize) -> Vec<(Column, usize)> {
    let layout = LAYOUTS.iter().find(|(least, _)| width >= *least);
    let layout = layout.map_or(&[][..], |(_, columns)| columns);
    let taken: usize = layout.iter().map(|(_, own, _)| own + GAP).sum::<usize>() - GAP;
    let left = width.saturating_sub(taken);
    layout.iter().map(|(column, own, parts)| (*column, own + left * parts / 100)).collect()
}

impl Renderer for Table<'_> {
    fn begin(&mut self) -> io::Result<()> {
        self.line(|column, _| (Paint::Bold, column.title().to_owned()))
    }

    fn alert(&mut self, alert: &Alert) -> io::Result<()> {
        self.line(|column, width| column.cell(alert, width))
    }

    /// The same columns, dim, with the reason where else stands what matched.
    fn quiet(&mut self, quiet: &QuietAlert<'_>) -> io::Result<()> {
        self.line(|column, width| {
            let text = match column {
                Column::Severity => "quiet".to_owned(),
                Column::Matched => clean(&format!("kept quiet: {}", quiet.exception.reason)),
                column => column.cell(quiet.alert, width).1,
            };
            (Paint::Dim, text)
        })
    }

    fn end(&mut self, _: &Report) -> io::Result<()> {
        self.out.flush()
    }
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Column::Time => "TIME (UTC)",
            Column::Severity => "SEVERITY",
            Column::Rule => "RULE",
            Column::Host => "HOST",
            Column::User => "USER",
            Column::Matched => "MATCHED",
        }
    }

    fn cell(self, alert: &Alert, columns: usize) -> (Paint, String) {
        let severity = Paint::Severity(alert.severity);
        match self {
            Column::Time => (Paint::Dim, alert.time.map(short_time).unwrap_or_default()),
            Column::Severity => (severity, short_severity(alert.severity).to_owned()),
            Column::Rule => (severity, clean(&alert.rule.meta.title)),
            Column::Host => (Paint::Plain, clean(host(alert.host().unwrap_or_default(), columns))),
            Column::User => (Paint::Plain, clean(alert.user().unwrap_or_default())),
            Column::Matched => (Paint::Plain, clean(&matched(alert))),
        }
    }
}

/// A host by its full name where there is room, else without its domain.
fn host(name: &str, columns: usize) -> &str {
    if width(name) <= columns || name.parse::<IpAddr>().is_ok() {
        return name;
    }
    name.split('.').next().unwrap_or(name)
}

/// The values that made the rule fire; the kind of event where there are none but its own id.
fn matched(alert: &Alert) -> String {
    let kind = alert.evidence.first().map(|evidence| &evidence.event.kind);
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for matched in &alert.matched {
        let text = matched.value.text();
        if kind.is_some_and(|kind| text.as_deref() == Some(&*kind.event_id)) {
            continue;
        }
        let pair = csv::pair(&matched.field, &short(matched));
        match pairs.iter_mut().find(|(field, _)| *field == &*matched.field) {
            // Of two stretches of one value the longer says more.
            Some((_, own)) if own.len() >= pair.len() => {}
            Some((_, own)) => *own = pair,
            None => pairs.push((&matched.field, pair)),
        }
    }
    if pairs.is_empty() {
        return kind.map(|kind| kind.label()).unwrap_or_default();
    }
    pairs.into_iter().map(|(_, pair)| pair).collect::<Vec<_>>().join(" ")
}

/// The stretch of a value that says most: of a path that was known by its end, the end.
fn short(matched: &MatchedValue) -> Value {
    let Value::String(text) = &matched.value else { return matched.value.clone() };
    let tail = (matched.test == "ends_with").then(|| text.len().checked_sub(matched.pattern.len()));
    let tail = tail.flatten().and_then(|start| text.get(start..));
    Value::string(tail.unwrap_or(text).trim_start_matches('\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_their_domain_before_they_are_cut() {
        let cases = [
            ("ws01.corp.example", 20, "ws01.corp.example"),
            ("ws01.corp.example", 10, "ws01"),
            ("192.168.100.101", 10, "192.168.100.101"),
            ("", 10, ""),
        ];
        for (name, columns, expected) in cases {
            assert_eq!(host(name, columns), expected);
        }
    }

    #[test]
    fn columns_fit_every_width() {
        for width in Style::LEAST_WIDTH..300 {
            let columns = columns(width);
            let taken: usize = columns.iter().map(|(_, own)| own + GAP).sum::<usize>() - GAP;
            assert!(taken <= width, "{width}: {columns:?}");
        }
    }
}
