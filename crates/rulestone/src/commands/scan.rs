//! `rulestone scan`: the main job.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, LineWriter, Write};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use rulestone_alerts::render::screen;
use rulestone_alerts::{
    Alert, Binding, Cost, Exceptions, Format, Judged, Judging, ListedRule, Passed, QuietAlert,
    QuietHits, Renderer, Report, Style, follow, run as run_strata,
};
use rulestone_engine::{LogFile, Plan, Refused, ScanSettings, StateCounts, UnitOutcome};
use rulestone_events::{LogError, Settings, Tally};
use rulestone_ir::{Severity, Status};
use rulestone_rules::{Ledger, Skip};
use serde_json::json;

use crate::args::ScanArgs;
use crate::outcome::{Ends, Outcome};
use crate::progress::Progress;
use crate::settings;
use crate::terminal::Talk;

/// What was typed, understood.
struct Wanted {
    scan: ScanSettings,
    format: Format,
    quiet: QuietHits,
    fail_on: Option<Severity>,
}

/// Runs rules over logs.
pub(crate) fn run(args: &ScanArgs, talk: &Talk) -> Result<Outcome> {
    let wanted = understand(args)?;
    let logs = settings::logs(&args.logs, talk)?;
    let started = Instant::now();
    let ledger = match args.no_rules {
        true => Ledger::default(),
        false => settings::load_rules(&args.rules, wanted.scan.jobs, talk)?,
    };
    let exceptions = settings::load_exceptions(&args.exceptions, &args.rules, &ledger, talk)?;
    let views = settings::load_views(&args.rules)?;
    let plan = Plan::with_locate(ledger.loaded(), &views, settings::places(&args.rules)?);
    if size_of(&logs) >= LARGE {
        plan.prepare(wanted.scan.jobs);
    }
    let loading = started.elapsed();
    let stop = interruptible();

    let started = Instant::now();
    let (out, target) = output(args)?;
    let style = Style { color: talk.data_color && args.output.is_none(), ..plain_style(talk) };
    // A log that grows has no end to be near to.
    let bar_talk = Talk { quiet: talk.quiet || args.follow, ..*talk };
    let mut pass = Pass::new(wanted.format.renderer(style, out), &logs, &bar_talk);
    let judging = Judging { views: &views, exceptions: &exceptions, quiet: wanted.quiet };
    let counts = match args.follow {
        true => pass.follow(&plan, &judging, &wanted.scan, &stop),
        false => pass.run(&plan, &judging, &wanted.scan, &stop),
    };
    let scanning = started.elapsed();

    let Pass { mut renderer, mut report, tally, progress, silent, refused, failure, .. } = pass;
    let counts = counts.map_err(|error| Ends::output("temporary files", &error));
    if let Ok(counts) = &counts {
        report.set_state(*counts);
    }
    progress.finish();
    refused.iter().for_each(|refused| talk.warn(refused));
    report.add_note(REFUSED, refused.len() as u64);
    report.set_exceptions(exceptions.usage(tally.span()));
    let able = finish_report(&mut report, &ledger, &plan, &tally, loading + scanning);
    add_hints(&mut report, args, &ledger, talk);
    let written = match failure {
        Some(error) => Err(error),
        None => renderer.end(&report),
    };
    // The screen that went to standard output is not said again.
    let written_already = wanted.format == Format::Summary && args.output.is_none();
    if !talk.quiet && !written_already {
        let screen_style = Style { color: talk.color, ..plain_style(talk) };
        // Nobody listens to a standard error that is closed.
        let _ = screen::write(&report, screen_style, &mut io::stderr().lock());
    }
    if args.stats {
        let cost = (loading, scanning);
        talk.error_line(&stats(&report, &plan, able, cost, wanted.scan.jobs).to_string());
    }
    written.map_err(|error| Ends::output(&target, &error))?;
    counts?;
    // A folder may hold anything; a file that was named has to be a log, or to hold one.
    let named = |name: &str| args.logs.iter().any(|path| path.to_string_lossy() == name);
    let unread = report.logs().failures.iter().any(|(name, _)| named(name))
        || silent.iter().any(|name| named(name));
    let nothing = logs.is_empty() || report.logs().read == 0 && report.logs().failed > 0;
    let stopped = stop.load(Ordering::Relaxed);
    Ok(end(args, &wanted, &report, &ledger, (unread || nothing, stopped)))
}

/// Bytes of logs from which on it pays to make everything ready first.
const LARGE: u64 = 128 << 20;

fn size_of(logs: &[LogFile]) -> u64 {
    let size = |path: &std::path::PathBuf| std::fs::metadata(path).map_or(0, |data| data.len());
    logs.iter().filter_map(|log| log.path.as_ref()).map(size).sum()
}

fn understand(args: &ScanArgs) -> Result<Wanted> {
    let format = match &args.format {
        Some(name) => Format::from_str(name).map_err(|error| Ends::usage(error.to_string()))?,
        None if args.output.is_none() && io::stdout().is_terminal() => Format::Table,
        None => args.output.as_deref().and_then(format_of).unwrap_or(Format::Ndjson),
    };
    if args.show_quiet && !format.shows_quiet() {
        let with: Vec<&str> =
            Format::ALL.into_iter().filter(|f| f.shows_quiet()).map(Format::as_str).collect();
        return Err(Ends::usage(format!(
            "--format {} has no place for what was kept quiet; --show-quiet goes with {}",
            format.as_str(),
            with.join(", ")
        )));
    }
    let ingest = Settings {
        from: args.from.as_deref().map(settings::time).transpose()?,
        to: args.to.as_deref().map(settings::time).transpose()?,
        ..Settings::default()
    };
    let jobs = settings::jobs(args.jobs)?;
    Ok(Wanted {
        scan: ScanSettings {
            jobs,
            ingest,
            read_everything: args.no_rules,
            memory: settings::memory(&args.memory)?,
        },
        format,
        quiet: if args.show_quiet { QuietHits::Shown } else { QuietHits::Counted },
        fail_on: args.fail_on.as_deref().map(settings::severity).transpose()?,
    })
}

/// The format that a file's ending names.
fn format_of(path: &Path) -> Option<Format> {
    Format::from_str(path.extension()?.to_str()?).ok()
}

fn plain_style(talk: &Talk) -> Style {
    Style { color: false, width: talk.width(), unicode: talk.unicode() }
}

type Out = Box<dyn Write>;

fn output(args: &ScanArgs) -> Result<(Out, String)> {
    let Some(path) = &args.output else {
        return Ok((buffered(io::stdout(), args.follow), "standard output".to_owned()));
    };
    let target = path.display().to_string();
    let file = File::create(path).map_err(|error| Ends::output(&target, &error))?;
    Ok((buffered(file, args.follow), target))
}

/// Whoever follows logs wants every line at once.
fn buffered(out: impl Write + 'static, lines: bool) -> Out {
    if lines { Box::new(LineWriter::new(out)) } else { Box::new(BufWriter::new(out)) }
}

/// Ctrl-C ends the scan with what was found so far; a second one ends it at once.
fn interruptible() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    // Where no handler can be set, Ctrl-C ends the program as it does by default.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            #[expect(clippy::exit, reason = "the user has asked twice")]
            std::process::exit(130);
        }
    });
    stop
}

/// One pass over the logs.
struct Pass<'l> {
    renderer: Box<dyn Renderer>,
    report: Report,
    tally: Tally,
    progress: Progress,
    logs: &'l [LogFile],
    /// Of the archive being read, if it is one: whether a member was read to its end.
    in_archive: Option<bool>,
    /// Archives of which no member was.
    silent: Vec<Arc<str>>,
    /// Panes that were not worked through, a line each.
    refused: Vec<String>,
    /// The first thing that went wrong while writing.
    failure: Option<io::Error>,
}

impl<'l> Pass<'l> {
    fn new(renderer: Box<dyn Renderer>, logs: &'l [LogFile], talk: &Talk) -> Self {
        Pass {
            renderer,
            report: Report::default(),
            tally: Tally::default(),
            progress: Progress::new(logs, talk),
            logs,
            in_archive: None,
            silent: Vec::new(),
            refused: Vec::new(),
            failure: None,
        }
    }

    fn run(
        &mut self,
        plan: &Plan,
        judging: &Judging<'_>,
        settings: &ScanSettings,
        stop: &AtomicBool,
    ) -> io::Result<StateCounts> {
        self.failure = self.renderer.begin().err();
        let (logs, exceptions) = (self.logs, judging.exceptions);
        run_strata(plan, judging, settings, logs, stop, |passed| {
            match passed {
                Passed::Unit(outcome) => self.take(outcome, exceptions),
                Passed::Later(judged) => self.take_judged(judged, exceptions),
                Passed::Refused(refused) => self.refused.push(said(&refused, plan)),
            }
            if self.failure.is_some() {
                stop.store(true, Ordering::Relaxed);
            }
        })
    }

    fn follow(
        &mut self,
        plan: &Plan,
        judging: &Judging<'_>,
        settings: &ScanSettings,
        stop: &Arc<AtomicBool>,
    ) -> io::Result<StateCounts> {
        self.failure = self.renderer.begin().err();
        let (logs, exceptions) = (self.logs, judging.exceptions);
        follow(plan, judging, settings, logs, stop, &mut |passed| {
            match passed {
                Passed::Unit(outcome) => self.take(outcome, exceptions),
                Passed::Later(judged) => self.take_judged(judged, exceptions),
                Passed::Refused(refused) => self.refused.push(said(&refused, plan)),
            }
            if self.failure.is_some() {
                stop.store(true, Ordering::Relaxed);
            }
        })
    }

    /// An alert of a building block is there for other rules alone.
    fn take_alert(&mut self, alert: &Alert) {
        if alert.building_block {
            return;
        }
        if self.failure.is_none() {
            self.failure = self.renderer.alert(alert).err();
        }
        self.report.add_alert(alert);
    }

    fn take_judged(&mut self, judged: Judged, exceptions: &Exceptions) {
        match judged {
            Judged::Alert(alert) => self.take_alert(&alert),
            Judged::Quiet { by, alert } => {
                if let (Some(alert), Some(exception)) = (alert, exceptions.get(by)) {
                    let quiet = QuietAlert { alert: &alert, exception };
                    self.write(|renderer| renderer.quiet(&quiet));
                }
            }
        }
    }

    fn take(&mut self, outcome: UnitOutcome<Judged>, exceptions: &Exceptions) {
        for judged in outcome.hits {
            self.take_judged(judged, exceptions);
        }
        self.progress.advance(&outcome.tally, self.report.alerts());
        for (name, end) in &outcome.members {
            let before = self.in_archive == Some(true);
            self.in_archive = Some(before || end.is_ok());
            self.add_log(name, end);
            self.progress.member_done();
        }
        if let Some(end) = &outcome.end {
            // Of an archive only what is wrong with it is said: its members are the logs.
            let name = &self.logs[outcome.log].name;
            if end.is_err() || self.in_archive.is_none() {
                self.add_log(name, end);
            }
            if self.in_archive.take() == Some(false) {
                self.silent.push(name.clone());
            }
            self.progress.log_done();
        }
        self.tally.add(outcome.tally);
    }

    fn add_log(&mut self, name: &Arc<str>, end: &Result<(), LogError>) {
        let failure = end.as_ref().err().map(|error| error as &dyn std::fmt::Display);
        self.report.add_log(name, failure);
    }
}

impl Pass<'_> {
    /// Writes, unless that failed before.
    fn write(&mut self, write: impl FnOnce(&mut dyn Renderer) -> io::Result<()>) {
        if self.failure.is_none() {
            self.failure = write(&mut *self.renderer).err();
        }
    }
}

/// Puts the rules and what the pass took into the report; returns the rules that could run.
fn finish_report(
    report: &mut Report,
    ledger: &Ledger,
    plan: &Plan,
    tally: &Tally,
    elapsed: Duration,
) -> u64 {
    for entry in &ledger.entries {
        report.add_rule(&ListedRule {
            path: &entry.origin.path,
            status: entry.status,
            diagnostics: &entry.diagnostics,
            set_aside: match &entry.rule {
                Err(Skip::Selection(reason)) => Some(reason),
                Err(Skip::Filter(_)) => Some("it is a filter, joined to other rules"),
                _ => None,
            },
        });
    }
    let binding = Binding::new(&plan.summary(tally), tally);
    let able = binding.able;
    let given_up = plan.expressions_given_up();
    if given_up > 0 {
        let mut skipped = Tally::default();
        let values = format!("{given_up} values");
        skipped.skip("look-around expression given up after a million steps", values, 0);
        report.add_tally(&skipped);
    }
    report.add_tally(tally);
    report.set_binding(binding);
    report.set_cost(Cost { elapsed, peak_memory: peak_memory() });
    able
}

/// What is worth doing next, from what came out.
fn add_hints(report: &mut Report, args: &ScanArgs, ledger: &Ledger, talk: &Talk) {
    if talk.quiet {
        return;
    }
    let rules: Vec<String> =
        args.rules.rules.iter().map(|path| format!(" -r {}", quoted(path))).collect();
    let exceptions = args.exceptions.exceptions.iter();
    let exceptions: Vec<String> =
        exceptions.map(|path| format!(" --exceptions {}", quoted(path))).collect();
    let rules = rules.concat() + &exceptions.concat();
    let logs: Vec<String> = args.logs.iter().map(|path| quoted(path)).collect();
    let logs = logs.join(" ");
    if let Some(worst) = report.fired_rules().first().map(|fired| fired.rule.meta.id.clone()) {
        let worst = quoted(Path::new(&worst));
        report.add_hint(format!("rulestone scan{rules} --rule {worst} {logs}"), "the worst alone");
    } else if report.rules().loaded > 0 && report.tally().events > 0 {
        report.add_hint(format!("rulestone explain RULE{rules} {logs}"), "what kept a rule silent");
    }
    if report.kept_quiet() > 0 && !args.show_quiet {
        report.add_hint(
            format!("rulestone scan{rules} --show-quiet {logs}"),
            "what was kept quiet as well",
        );
    }
    if report.rules().of(Status::Unsupported) + report.rules().of(Status::Invalid) > 0 {
        report.add_hint(
            format!("rulestone rules{rules} --status unsupported"),
            "what is not run, and why",
        );
    }
    if let Some(purpose) = super::check::purpose(ledger) {
        report.add_hint(format!("rulestone check{rules}"), purpose);
    }
}

fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text.chars().all(|c| c.is_alphanumeric() || "-_./:".contains(c));
    if plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn stats(
    report: &Report,
    plan: &Plan,
    able: u64,
    (loading, scanning): (Duration, Duration),
    jobs: usize,
) -> serde_json::Value {
    json!({
        "kind": "stats",
        "events": report.tally().events,
        "bytes": report.tally().bytes,
        "load_seconds": loading.as_secs_f64(),
        "scan_seconds": scanning.as_secs_f64(),
        "rules_loaded": plan.rules().len(),
        "rules_able": able,
        "alerts": report.alerts(),
        "exceptions": report.exceptions().len(),
        "kept_quiet": report.kept_quiet(),
        "jobs": jobs,
        "peak_rss_bytes": peak_memory(),
        "state": state_json(report.state()),
    })
}

const REFUSED: &str = "panes of rules were not worked through: see the warnings above";

/// A pane that was not worked through, in one line.
fn said(refused: &Refused, plan: &Plan) -> String {
    let rule = &plan.rules()[refused.rule].meta;
    let pane = refused.pane.map(|end| format!(" of the pane that ends at {end}"));
    let pane = pane.unwrap_or_default();
    format!("{}{pane} was not worked through: {}: {}", rule.title, refused.code, refused.message)
}

fn state_json(state: StateCounts) -> serde_json::Value {
    let StateCounts {
        rows,
        spilled,
        untimed,
        keyless,
        valueless,
        crowded,
        undecided,
        cut,
        late,
        evicted,
    } = state;
    json!({
        "rows": rows,
        "rows_on_disk": spilled,
        "without_time": untimed,
        "without_key": keyless,
        "without_value": valueless,
        "in_too_many_groups": crowded,
        "undecided": undecided,
        "cut": cut,
        "late": late,
        "evicted_groups": evicted,
    })
}

/// The most memory this process had in use, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn end(
    args: &ScanArgs,
    wanted: &Wanted,
    report: &Report,
    ledger: &Ledger,
    (unread, stopped): (bool, bool),
) -> Outcome {
    let found = wanted.fail_on.is_some_and(|least| report.worst().is_some_and(|w| w >= least));
    if stopped {
        Outcome::Interrupted
    } else if args.rules.strict && ledger.count(Status::Invalid) > 0 {
        Outcome::InvalidRule
    } else if unread || !ledger.problems.is_empty() {
        Outcome::Input
    } else if found {
        Outcome::Findings
    } else {
        Outcome::Done
    }
}
