//! `rulestone drilldown`: the searches that a rule's author offers for looking further into an
//! alert, filled with its values and run over the logs.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use rulestone_alerts::render::clean;
use rulestone_alerts::{Exceptions, Judged, Judging, Passed, QuietHits, run as run_strata};
use rulestone_dialects::containers::relative;
use rulestone_dialects::spl::{Filled, fill};
use rulestone_engine::{LogFile, Plan, ScanSettings};
use rulestone_events::{Settings, Views};
use rulestone_ir::{Clock, Drilldown, Raises, Rule, Source};
use rulestone_rules::{Entry, Ledger, Selection};
use rulestone_value::Time;
use serde_json::{Map, Value as Json, json};

use crate::args::{DrilldownArgs, RuleArgs};
use crate::diagnose;
use crate::outcome::{Ends, Outcome};
use crate::settings;
use crate::terminal::Talk;

/// Looks further into an alert.
pub(crate) fn run(args: &DrilldownArgs, talk: &Talk) -> Result<Outcome> {
    let table = match args.format.as_deref() {
        None => io::stdout().is_terminal(),
        Some("table") => true,
        Some("ndjson") => false,
        Some(other) => {
            return Err(Ends::usage(format!("no format is called {other:?}: table, ndjson")));
        }
    };
    let jobs = settings::jobs(args.jobs)?;
    // The alert may be a hunter's.
    let rules = RuleArgs { hunting: true, ..args.rules.clone() };
    let ledger = settings::load_rules(&rules, jobs, talk)?;
    let place = Place {
        views: settings::load_views(&args.rules)?,
        logs: settings::logs(&args.logs, talk)?,
        alerts: args.alerts.clone().map(settings::log_file),
        rules: ledger.loaded(),
        jobs,
    };
    let alert = place.find(&args.alert, args.alerts.as_deref())?;
    let entry = rule_of(&alert, &ledger)?;
    let environment = settings::environment(&rules, talk)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (at, drilldown) in entry.origin.drilldowns.iter().enumerate() {
        if !args.number.is_empty() && !args.number.contains(&(at + 1)) {
            continue;
        }
        let filled = Question::new(drilldown, &alert, entry);
        let answer = place.ask(&filled, &environment, talk.data_color)?;
        let written = match table {
            true => write_table(at + 1, &filled, &answer, &mut out),
            false => write_lines(at + 1, &filled, &answer, &mut out),
        };
        written.map_err(|error| Ends::output("standard output", &error))?;
    }
    out.flush().map_err(|error| Ends::output("standard output", &error))?;
    if entry.origin.drilldowns.is_empty() {
        talk.say(&format!("{} offers no drilldown", entry.meta.title));
    }
    Ok(Outcome::Done)
}

/// The rule that raised an alert.
fn rule_of<'l>(alert: &Json, ledger: &'l Ledger) -> Result<&'l Entry> {
    let id = alert["rule"]["id"].as_str().unwrap_or_default();
    let found = ledger.entries.iter().find(|entry| entry.meta.id == id);
    found.ok_or_else(|| Ends::usage(format!("the alert is of the rule {id}, which is not there")))
}

/// A drilldown filled with the values of an alert.
struct Question {
    name: String,
    search: String,
    missing: Vec<String>,
    from: Option<Time>,
    to: Option<Time>,
}

impl Question {
    fn new(drilldown: &Drilldown, alert: &Json, entry: &Entry) -> Self {
        let span = span_of(alert, entry);
        let values = |name: &str| match (name, span) {
            ("info_min_time", Some((from, _))) => vec![seconds(from)],
            ("info_max_time", Some((_, to))) => vec![seconds(to)],
            _ => texts(&alert["fields"][name]),
        };
        let original = entry.origin.search.as_deref().unwrap_or_default();
        let Filled { search, missing } = fill(&drilldown.search, original, &values);
        let name = rulestone_alerts::fill_template(&drilldown.name, |name| {
            Some(values(name).join(", ")).filter(|text| !text.is_empty())
        });
        // A search that says which time it is about is not held to the alert's.
        let says = ["starthoursago", "startdaysago", "earliest="];
        let own = says.iter().any(|word| drilldown.search.contains(word));
        let bound = |text: &str| match own {
            true => None,
            false => moment(text, span, alert),
        };
        let (from, to) = (bound(&drilldown.earliest), bound(&drilldown.latest));
        Question { name, search, missing, from, to }
    }
}

/// The texts of a value of the alert's row.
fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::Null => Vec::new(),
        Json::Array(values) => values.iter().flat_map(texts).collect(),
        Json::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// A time as a search writes it.
fn seconds(time: Time) -> String {
    let micros = time.ticks().div_euclid(10);
    format!("{}.{:06}", micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000))
}

/// The time that the run which raised an alert looked at: the panes of its events, or from the
/// first of them to the last.
fn span_of(alert: &Json, entry: &Entry) -> Option<(Time, Time)> {
    const SECOND: i64 = 10_000_000;
    let of = |value: &Json| value.as_str().and_then(Time::parse);
    let events = alert["evidence"].as_array().into_iter().flatten();
    let times: Vec<Time> = events.filter_map(|event| of(&event["time"])).collect();
    let own = of(&alert["time"]);
    let first = times.iter().min().copied().or(own)?;
    let last = times.iter().max().copied().or(own)?;
    let clock = entry.rule.as_ref().map(|rule| rule.clock);
    let (from, to) = match clock {
        Ok(Clock::Hop { lookback, interval, .. }) if interval.ticks() > 0 => {
            let interval = interval.ticks();
            let end = last.ticks().div_euclid(interval).checked_add(1)?.checked_mul(interval)?;
            (end.checked_sub(lookback.ticks())?.min(first.ticks()), end)
        }
        // The bound is behind the last event.
        _ => (first.ticks(), last.ticks().div_euclid(SECOND).checked_add(1)?.checked_mul(SECOND)?),
    };
    Some((Time::from_ticks(from), Time::from_ticks(to)))
}

/// A bound of a drilldown as a time; `None` for no bound.
fn moment(text: &str, span: Option<(Time, Time)>, alert: &Json) -> Option<Time> {
    let (from, to) = span?;
    match text.trim() {
        "$info_min_time$" => Some(from),
        "$info_max_time$" => Some(to),
        text => {
            let at = alert["time"].as_str().and_then(Time::parse).unwrap_or(to);
            let ticks = relative(text)?.checked_mul(10_000_000)?.checked_add(at.ticks())?;
            Some(Time::from_ticks(ticks))
        }
    }
}

/// What came of a drilldown.
enum Answer {
    /// Its rows.
    Rows(Vec<Map<String, Json>>),
    /// It was not run, for this reason.
    NotRun(String),
}

/// What searches run over.
struct Place {
    views: Views,
    logs: Vec<LogFile>,
    alerts: Option<LogFile>,
    rules: Vec<Arc<Rule>>,
    jobs: usize,
}

impl Place {
    /// The alert of an id: out of the file of alerts, else by a scan.
    fn find(&self, id: &str, alerts: Option<&Path>) -> Result<Json> {
        const LEAST: usize = 8;
        let id = id.to_ascii_lowercase();
        let is_it = |own: &str| own == id || id.len() >= LEAST && own.starts_with(&id);
        let found = match alerts {
            Some(file) => find_in(file, &is_it)?,
            None => {
                let mut found = None;
                self.run(self.rules.clone(), Settings::default(), |alert| {
                    if found.is_none() && is_it(&alert.id.to_string()) {
                        found = serde_json::to_value(alert).ok();
                    }
                })?;
                found
            }
        };
        found.ok_or_else(|| Ends::usage(format!("no alert has the id {id}")))
    }

    /// Runs a drilldown as a search of its own.
    fn ask(
        &self,
        question: &Question,
        environment: &rulestone_rules::Environment,
        color: bool,
    ) -> Result<Answer> {
        const NAME: &str = "drilldown.spl";
        if !question.missing.is_empty() {
            let missing = question.missing.join(", ");
            return Ok(Answer::NotRun(format!("the alert has no value for {missing}")));
        }
        let texts = [(NAME, question.search.as_str())];
        let ledger = rulestone_rules::load_texts(&texts, environment, &Selection::default());
        let Some(entry) = ledger.entries.first() else {
            return Ok(Answer::NotRun("there is no search".to_owned()));
        };
        let Ok(rule) = &entry.rule else {
            let all = entry.diagnostics.iter();
            let all = all.map(|diagnostic| diagnose::render(entry, diagnostic, color));
            return Ok(Answer::NotRun(all.collect::<Vec<_>>().join("\n")));
        };
        if self.logs.is_empty() && self.alerts.is_none() {
            return Ok(Answer::NotRun("no logs are named".to_owned()));
        }
        let over_alerts =
            |rule: &Rule| rule.sources.iter().any(|s| matches!(s, Source::Alerts { .. }));
        let mut rules = vec![rule.clone()];
        if over_alerts(rule) && self.alerts.is_none() {
            // What the alerts are made of; those of rules over alerts would go in a circle, and
            // hunters' raise none.
            let raises = |rule: &Rule| rule.trigger.raises != Raises::OnRequest;
            let read = |rule: &&Arc<Rule>| !over_alerts(rule) && raises(rule);
            rules.extend(self.rules.iter().filter(read).cloned());
        }
        let limits = Settings { from: question.from, to: question.to, ..Settings::default() };
        let mut rows = Vec::new();
        self.run(rules, limits, |alert| {
            if Arc::ptr_eq(&alert.rule, rule) {
                let alert = serde_json::to_value(alert).unwrap_or_default();
                rows.extend(alert["fields"].as_object().cloned());
            }
        })?;
        Ok(Answer::Rows(rows))
    }

    /// Runs rules over the logs and the alerts at hand.
    fn run(
        &self,
        rules: Vec<Arc<Rule>>,
        ingest: Settings,
        mut each: impl FnMut(&rulestone_alerts::Alert),
    ) -> Result<()> {
        let plan = Plan::new(rules, &self.views);
        let exceptions = Exceptions::default();
        let judging =
            Judging { views: &self.views, exceptions: &exceptions, quiet: QuietHits::Counted };
        let wanted = ScanSettings { jobs: self.jobs, ingest, ..ScanSettings::default() };
        let logs: Vec<LogFile> = self.logs.iter().chain(&self.alerts).cloned().collect();
        let stop = AtomicBool::new(false);
        let mut take = |judged: &Judged| {
            if let Judged::Alert(alert) = judged {
                each(alert);
            }
        };
        let mut refused = None;
        let ran = run_strata(&plan, &judging, &wanted, &logs, &stop, |passed| match passed {
            Passed::Later(judged) => take(&judged),
            Passed::Refused(own) => refused = Some(format!("{}: {}", own.code, own.message)),
            Passed::Unit(outcome) => outcome.hits.iter().for_each(&mut take),
            // What could not be worked through gave no rows.
        });
        ran.map_err(|error| Ends::output("temporary files", &error))?;
        refused.map_or(Ok(()), |refused| Err(Ends::input(refused)))
    }
}

/// The alert of an id in a file of NDJSON.
fn find_in(file: &Path, is_it: &dyn Fn(&str) -> bool) -> Result<Option<Json>> {
    let fail = |error: io::Error| Ends::input(format!("cannot read {}: {error}", file.display()));
    let reader = io::BufReader::new(std::fs::File::open(file).map_err(fail)?);
    for line in reader.lines() {
        let line = line.map_err(fail)?;
        let Ok(alert) = serde_json::from_str::<Json>(&line) else { continue };
        if alert["id"].as_str().is_some_and(is_it) && alert["rule"].is_object() {
            return Ok(Some(alert));
        }
    }
    Ok(None)
}

/// A line about the drilldown, then one for each row.
fn write_lines(
    number: usize,
    question: &Question,
    answer: &Answer,
    out: &mut impl Write,
) -> io::Result<()> {
    let (rows, reason) = match answer {
        Answer::Rows(rows) => (rows.as_slice(), None),
        Answer::NotRun(reason) => (&[][..], Some(reason)),
    };
    let line = json!({
        "kind": "drilldown",
        "number": number,
        "name": question.name,
        "search": question.search,
        "from": question.from.map(|time| time.to_string()),
        "to": question.to.map(|time| time.to_string()),
        "rows": reason.is_none().then_some(rows.len()),
        "not_run": reason,
    });
    writeln!(out, "{line}")?;
    for row in rows {
        writeln!(out, "{}", json!({"kind": "row", "drilldown": number, "fields": row}))?;
    }
    Ok(())
}

fn write_table(
    number: usize,
    question: &Question,
    answer: &Answer,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{number}. {}", clean(&question.name))?;
    for line in question.search.lines() {
        writeln!(out, "     {}", clean(line))?;
    }
    let bound = |word: &str, time: Option<Time>| {
        time.map(|time| format!("   {word} {time}")).unwrap_or_default()
    };
    let bounds = bound("from", question.from) + &bound("to", question.to);
    if !bounds.is_empty() {
        writeln!(out, "{bounds}")?;
    }
    match answer {
        Answer::NotRun(reason) => writeln!(out, "   not run: {reason}")?,
        Answer::Rows(rows) if rows.is_empty() => writeln!(out, "   no rows")?,
        Answer::Rows(rows) => write_rows(rows, out)?,
    }
    writeln!(out)
}

/// Rows below each other, a column for each name in the order they come up.
fn write_rows(rows: &[Map<String, Json>], out: &mut impl Write) -> io::Result<()> {
    const WIDEST: usize = 60;
    let mut names: Vec<&str> = Vec::new();
    for name in rows.iter().flat_map(Map::keys) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let cell = |row: &Map<String, Json>, name: &str| {
        let text = row.get(name).map(texts).unwrap_or_default().join(", ");
        let text = clean(&text).to_string();
        match text.chars().count() > WIDEST {
            true => text.chars().take(WIDEST - 1).chain(['…']).collect(),
            false => text,
        }
    };
    let mut lines = vec![names.iter().map(|name| clean(name).to_string()).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| names.iter().map(|name| cell(row, name)).collect()));
    let length = |line: &Vec<String>, at: usize| line[at].chars().count();
    let widths: Vec<usize> = (0..names.len())
        .map(|at| lines.iter().map(|line| length(line, at)).max().unwrap_or(0))
        .collect();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(text, width)| format!("{text:width$}"));
        writeln!(out, "   {}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
