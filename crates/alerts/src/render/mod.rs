//! The formats that alerts and the report are written in, one file each.
//!
//! Formats for people (table, summary) never let a log write to the terminal: see [`clean`].
//! Formats for programs (ndjson, json) keep values as they are.

mod csv;
mod json;
mod ndjson;
pub mod screen;
mod style;
mod table;

use std::io::{self, Write};
use std::str::FromStr;

use crate::{Alert, QuietAlert, Report};

pub use style::{Style, clean};

/// Writes alerts as they come, and what is to be said at the end.
pub trait Renderer {
    /// Writes what comes before the alerts.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    fn begin(&mut self) -> io::Result<()>;

    /// Writes an alert.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    fn alert(&mut self, alert: &Alert) -> io::Result<()>;

    /// Writes what an exception kept quiet, told apart from alerts.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or the format has no place for it: see [`Format::shows_quiet`].
    fn quiet(&mut self, quiet: &QuietAlert<'_>) -> io::Result<()>;

    /// Writes what comes behind the alerts, and flushes.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    fn end(&mut self, report: &Report) -> io::Result<()>;
}

/// A format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// One screen about all alerts together; no single alert.
    Summary,
    /// A line an alert, for a terminal.
    Table,
    /// The contract: a JSON object an alert, one a line.
    Ndjson,
    /// One JSON document with the alerts and the summary.
    Json,
    /// For spreadsheets.
    Csv,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 5] =
        [Format::Summary, Format::Table, Format::Ndjson, Format::Json, Format::Csv];

    /// The word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::Summary => "summary",
            Format::Table => "table",
            Format::Ndjson => "ndjson",
            Format::Json => "json",
            Format::Csv => "csv",
        }
    }

    /// Whether there is a place for what was kept quiet. A document of alerts has none: whoever
    /// counts what is in it counts alerts.
    pub const fn shows_quiet(self) -> bool {
        matches!(self, Format::Table | Format::Ndjson | Format::Csv)
    }

    /// A renderer of this format. Only those for people look at the style.
    pub fn renderer<'w>(self, style: Style, out: Box<dyn Write + 'w>) -> Box<dyn Renderer + 'w> {
        match self {
            Format::Summary => Box::new(screen::Summary::new(style, out)),
            Format::Table => Box::new(table::Table::new(style, out)),
            Format::Ndjson => Box::new(ndjson::Ndjson::new(out)),
            Format::Json => Box::new(json::Json::new(out)),
            Format::Csv => Box::new(csv::Csv::new(out)),
        }
    }
}

/// What a format says that has no place for what was kept quiet.
fn no_place() -> io::Error {
    let message = "this format has no place for what was kept quiet";
    io::Error::new(io::ErrorKind::Unsupported, message)
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Format::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(|| {
            let known = Format::ALL.map(Format::as_str).join(", ");
            format!("no format {text:?}; there are {known}")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rulestone_events::{Kind, KindTally, Tally};
    use rulestone_ir::{Diagnostic, Level, Span, Status};
    use rulestone_rules::{Environment, read_exceptions};
    use rulestone_value::Time;

    use super::*;
    use crate::samples::alerts;
    use crate::{Binding, Cost, ExceptionUse, Idle, ListedRule, Missing, MissingLog, MissingSort};

    /// A report with something to say on every line.
    pub(super) fn report() -> Report {
        let mut report = Report::default();
        alerts().iter().for_each(|alert| report.add_alert(alert));
        report.add_tally(&tally());
        report.add_log(&"logs/ws01.evtx".into(), None);
        report.add_log(&"logs/old.zip".into(), Some(&"not read: zip archive"));
        add_rules(&mut report);
        report.set_binding(Binding {
            able: 1412,
            missing: vec![
                missing(MissingSort::Event, "Microsoft-Windows-Sysmon/Operational 7", 88),
                missing(MissingSort::Field, "ParentCommandLine", 41),
                missing(MissingSort::Table, "sigma(category=webserver)", 9),
            ],
            missing_logs: vec![MissingLog {
                name: "Microsoft-Windows-Sysmon/Operational".to_owned(),
                here: false,
                rules: 88,
                events: vec![0],
            }],
            never: 2,
            stand_ins: vec![("Security 4688 has no hashes".to_owned(), 730)],
        });
        report.set_exceptions(vec![
            exception(2, "nightly backup", 12, None),
            exception(9, "lab\u{1b}[31m", 0, Some(Idle::Expired)),
        ]);
        report.add_note("state of groups was given up", 3);
        let elapsed = Duration::from_millis(2500);
        report.set_cost(Cost { elapsed, peak_memory: Some(412 << 20) });
        report.add_hint("rulestone scan --format table logs", "see every alert");
        report
    }

    fn tally() -> Tally {
        let mut tally = Tally { events: 1_234_567, bytes: 812 << 20, ..Tally::default() };
        let kind = |channel: &str, id: &str| Kind {
            product: "windows".into(),
            dataset: "".into(),
            channel: channel.into(),
            provider: "".into(),
            event_id: id.into(),
        };
        let span = |from, to| Some((Time::parse(from).unwrap(), Time::parse(to).unwrap()));
        let counted = |events, span| KindTally { events, span, ..KindTally::default() };
        let days = span("2024-05-14T08:00:00Z", "2024-05-15T23:59:00Z");
        tally.kinds.insert(kind("Security", "4624").into(), counted(1_200_000, days));
        tally.kinds.insert(kind("Security", "1102").into(), counted(34_567, None));
        tally.outside_time = 12;
        tally.skip("broken record", "logs/ws01.evtx, chunk 3", 120);
        tally
    }

    fn add_rules(report: &mut Report) {
        let unsupported =
            [Diagnostic::new(Level::Unsupported, "lookaround", "cannot be run", Span::default())];
        let rule = |status, diagnostics, set_aside| ListedRule {
            path: "rules/a.yml",
            status,
            diagnostics,
            set_aside,
        };
        for _ in 0..3000 {
            report.add_rule(&rule(Status::Exact, &[], None));
        }
        report.add_rule(&rule(Status::Unsupported, &unsupported, None));
        report.add_rule(&rule(Status::Exact, &[], Some("its status is \"deprecated\"")));
    }

    fn exception(line: usize, reason: &str, kept: u64, idle: Option<Idle>) -> ExceptionUse {
        let (path, place) = ("quiet.yml".into(), format!("quiet.yml:{line}"));
        ExceptionUse { place, path, line, reason: reason.to_owned(), kept, idle }
    }

    fn missing(sort: MissingSort, name: &str, rules: u64) -> Missing {
        let title = (sort == MissingSort::Event).then_some("Image Loaded");
        Missing { sort, name: name.to_owned(), title, rules }
    }

    const PLAIN: Style = Style { color: false, width: 100, unicode: true };

    fn rendered(format: Format, style: Style) -> String {
        let mut out = Vec::new();
        let mut renderer = format.renderer(style, Box::new(&mut out));
        renderer.begin().unwrap();
        alerts().iter().for_each(|alert| renderer.alert(alert).unwrap());
        renderer.end(&report()).unwrap();
        drop(renderer);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn golden_files() {
        for format in Format::ALL {
            insta::assert_snapshot!(format.as_str(), rendered(format, PLAIN));
        }
        let colored = Style { color: true, ..PLAIN };
        let narrow = Style { width: 60, unicode: false, ..PLAIN };
        for format in [Format::Summary, Format::Table] {
            let escaped = rendered(format, colored).replace('\u{1b}', "<ESC>");
            insta::assert_snapshot!(format!("{}-color", format.as_str()), escaped);
            insta::assert_snapshot!(
                format!("{}-narrow", format.as_str()),
                rendered(format, narrow)
            );
        }
    }

    #[test]
    fn without_color_nothing_is_escaped_and_lines_fit() {
        for format in [Format::Summary, Format::Table, Format::Csv] {
            for width in [20, 41, 60, 79, 80, 120, 200] {
                let style = Style { width, ..PLAIN };
                let text = rendered(format, style);
                assert!(!text.contains('\u{1b}'), "{}", format.as_str());
                let longest = text.lines().map(style::width).max().unwrap_or(0);
                let fits = format == Format::Csv || longest <= width.max(Style::LEAST_WIDTH);
                assert!(fits, "{} at {width}: {longest}", format.as_str());
            }
        }
    }

    #[test]
    fn what_comes_from_logs_cannot_write_to_the_terminal() {
        let colored = Style { color: true, ..PLAIN };
        for format in [Format::Summary, Format::Table, Format::Csv] {
            let text = rendered(format, colored);
            assert!(!text.contains("\u{1b}[31mexe") && !text.contains('\u{202e}'));
        }
    }

    #[test]
    fn nothing_at_all_is_rendered_too() {
        for format in Format::ALL {
            let mut out = Vec::new();
            let mut renderer = format.renderer(PLAIN, Box::new(&mut out));
            renderer.begin().unwrap();
            renderer.end(&Report::default()).unwrap();
            drop(renderer);
            insta::assert_snapshot!(
                format!("{}-empty", format.as_str()),
                String::from_utf8(out).unwrap()
            );
        }
    }

    #[test]
    fn what_is_kept_quiet_is_told_apart_or_refused() {
        let (exceptions, _) = read_exceptions(
            "exceptions:\n- {rule: '*', reason: \"lab, ticket 7\\e[31m\"}\n",
            "quiet.yml",
            &Environment::default(),
        );
        let alert = &alerts()[0];
        let quiet = QuietAlert { alert, exception: &exceptions[0] };
        for format in Format::ALL {
            let mut out = Vec::new();
            let mut renderer = format.renderer(PLAIN, Box::new(&mut out));
            renderer.begin().unwrap();
            assert_eq!(renderer.quiet(&quiet).is_ok(), format.shows_quiet(), "{}", format.as_str());
            drop(renderer);
            if format.shows_quiet() {
                let text = String::from_utf8(out).unwrap();
                insta::assert_snapshot!(format!("{}-quiet", format.as_str()), text);
            }
        }
    }

    #[test]
    fn formats_have_names() {
        for format in Format::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
        }
        let error = "html".parse::<Format>().unwrap_err();
        assert_eq!(error, "no format \"html\"; there are summary, table, ndjson, json, csv");
    }

    #[test]
    fn the_document_is_json() {
        let text = rendered(Format::Json, PLAIN);
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["alerts"].as_array().unwrap().len(), 4);
        assert_eq!(document["summary"]["alerts"], 4);
        for line in rendered(Format::Ndjson, PLAIN).lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
}
