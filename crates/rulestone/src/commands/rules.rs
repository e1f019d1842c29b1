//! `rulestone rules`: every rule that was found, and what became of it.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use rulestone_alerts::render::clean;
use rulestone_alerts::{Exceptions, metadata};
use rulestone_ir::{Exception, Status};
use rulestone_lint::Report;
use rulestone_rules::{Entry, Ledger, Skip};
use serde_json::json;

use crate::args::RulesArgs;
use crate::diagnose;
use crate::outcome::{Ends, Outcome};
use crate::settings;
use crate::terminal::Talk;

/// Lists the rules.
pub(crate) fn run(args: &RulesArgs, talk: &Talk) -> Result<Outcome> {
    let jobs = settings::jobs(None)?;
    let environment = settings::environment(&args.rules, talk)?;
    let mut ledger = settings::load_rules_in(&environment, &args.rules, args.check, jobs, talk)?;
    let report = args.check.then(|| rulestone_lint::check(&ledger, jobs));
    if let Some(report) = &report {
        add_remarks(&mut ledger, report);
    }
    let exceptions = settings::load_exceptions(&args.exceptions, &args.rules, &ledger, talk)?;
    let wanted = args.status.as_deref().map(settings::status).transpose()?;
    let entries = ledger.entries.iter().filter(|entry| wanted.is_none_or(|s| entry.status == s));
    let terminal = io::stdout().is_terminal();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = match args.format.as_deref() {
        Some("ndjson") => ndjson(entries, &exceptions, &mut out),
        None if !terminal => ndjson(entries, &exceptions, &mut out),
        Some("table") | None => table(entries, &exceptions, talk, &mut out),
        Some(other) => {
            return Err(Ends::usage(format!("no format is called {other:?}: table, ndjson")));
        }
    };
    written.and_then(|()| out.flush()).map_err(|error| Ends::output("standard output", &error))?;
    talk.say(&summary(&ledger));
    match (&report, super::check::purpose(&ledger)) {
        (Some(report), _) => talk.say(&super::check::summary(&ledger, report)),
        (None, Some(purpose)) => talk.say(&format!("rulestone check says {purpose}")),
        (None, None) => {}
    }
    Ok(end(&ledger, args.rules.strict))
}

/// Puts remarks of the lint beside what was said while the rules were read.
fn add_remarks(ledger: &mut Ledger, report: &Report) {
    for remark in &report.remarks {
        let diagnostics = &mut ledger.entries[remark.entry].diagnostics;
        if !diagnostics.contains(&remark.diagnostic) {
            diagnostics.push(remark.diagnostic.clone());
        }
    }
}

/// How a command ends as far as its rules go.
pub(crate) fn end(ledger: &Ledger, strict: bool) -> Outcome {
    if strict && ledger.count(Status::Invalid) > 0 {
        Outcome::InvalidRule
    } else if !ledger.problems.is_empty() {
        Outcome::Input
    } else {
        Outcome::Done
    }
}

/// All statuses in one line.
pub(crate) fn summary(ledger: &Ledger) -> String {
    let count = |status| ledger.count(status);
    format!(
        "{} rules in {} files: {} exact, {} approximate, {} unsupported, {} invalid; {} loaded; \
         {}{} files hold no rules{}",
        ledger.entries.len(),
        ledger.files,
        count(Status::Exact),
        count(Status::Approximate),
        count(Status::Unsupported),
        count(Status::Invalid),
        ledger.loaded().len(),
        match ledger.companions {
            0 => String::new(),
            n => format!("{n} files are macros, lookups and the like; "),
        },
        ledger.foreign.len(),
        match ledger.problems.len() {
            0 => String::new(),
            n => format!("; {n} could not be read"),
        },
    )
}

/// Why a rule is not loaded, where that is not its status.
fn skip_reason(entry: &Entry) -> Option<&str> {
    match &entry.rule {
        Err(Skip::Selection(reason)) => Some(reason),
        _ => None,
    }
}

/// The exceptions about a rule that is loaded, in order.
fn excepted<'x>(entry: &Entry, exceptions: &'x Exceptions) -> Vec<&'x Exception> {
    entry.rule.as_ref().map_or(Vec::new(), |rule| exceptions.about(rule).collect())
}

/// Whether nothing of a rule is ever heard.
fn mute(exception: &Exception) -> bool {
    exception.when.is_none() && exception.from.is_none() && exception.until.is_none()
}

fn ndjson<'e>(
    entries: impl Iterator<Item = &'e Entry>,
    exceptions: &Exceptions,
    out: &mut impl Write,
) -> io::Result<()> {
    for entry in entries {
        let mut line = json!({
            "kind": "rule",
            "path": &*entry.origin.path,
            "id": entry.meta.id,
            "title": entry.meta.title,
            "source": entry.origin.vendor.as_str(),
            "language": entry.origin.language.as_str(),
            "status": entry.status.as_str(),
            "diagnostics": diagnose::to_json(entry),
            "severity": entry.meta.severity.as_str(),
            "loaded": entry.rule.is_ok(),
            "not_loaded": skip_reason(entry),
        });
        let said = [("maturity", &entry.meta.maturity), ("type", &entry.meta.kind)];
        for (name, word) in said.into_iter().filter(|(_, word)| !word.is_empty()) {
            line[name] = json!(word);
        }
        for (name, value) in metadata(&entry.meta) {
            line[name] = value;
        }
        // Only where there may be some: without the argument nothing is said about them.
        if !exceptions.is_empty() {
            let own = excepted(entry, exceptions).into_iter().map(|exception| {
                let Exception { reason, path, line, .. } = exception;
                json!({"reason": reason, "file": &**path, "line": line, "always": mute(exception)})
            });
            line["exceptions"] = own.collect();
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Rules with something to say about them in full, the others a line each.
fn table<'e>(
    entries: impl Iterator<Item = &'e Entry>,
    exceptions: &Exceptions,
    talk: &Talk,
    out: &mut impl Write,
) -> io::Result<()> {
    for entry in entries {
        let status = entry.status.as_str();
        let severity = entry.meta.severity.as_str();
        let kind = entry.meta.kind.as_str();
        let kind = if kind.is_empty() { String::new() } else { format!("  ({kind})") };
        let (id, title) = (&entry.meta.id, &entry.meta.title);
        writeln!(out, "{status:<11} {severity:<13} {id}  {title}{kind}")?;
        if let Some(reason) = skip_reason(entry) {
            writeln!(out, "            not loaded: {reason}")?;
        }
        for exception in excepted(entry, exceptions) {
            let word = if mute(exception) { "kept quiet" } else { "has an exception" };
            let (reason, place) = (clean(&exception.reason), exception.place());
            writeln!(out, "            {word}: {reason} ({place})")?;
        }
        for diagnostic in &entry.diagnostics {
            writeln!(out, "{}\n", diagnose::render(entry, diagnostic, talk.data_color))?;
        }
    }
    Ok(())
}
