//! `rulestone explain`: a rule in plain words, and what kept it from firing.

use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use rulestone_alerts::{Exceptions, Judged, Judging, Passed, QuietHits, Report, run as run_strata};
use rulestone_engine::{
    Explanation, Hit, Obstacle, Plan, ScanSettings, explain, put_together, reference, scan,
};
use rulestone_events::{
    Event, Fields, Fragment, Fragments, Ingest, Log, ScopeKind, Settings, Tally, Views,
};
use rulestone_ir::{
    Exception, Field, Formula, Predicate, Relation, Rule, Schema, Source, Test, print_stages,
    source_name,
};
use rulestone_rules::{Entry, Ledger};
use rulestone_value::Time;

use crate::args::{ExplainArgs, RuleArgs};
use crate::diagnose;
use crate::outcome::{Ends, Outcome};
use crate::settings;
use crate::terminal::Talk;

/// Explains rules.
pub(crate) fn run(args: &ExplainArgs, talk: &Talk) -> Result<Outcome> {
    let ledger = settings::load_rules(&rule_args(args), settings::jobs(None)?, talk)?;
    let asked = |entry: &&Entry| {
        std::path::Path::new(&args.rule).is_file()
            || args.rule.eq_ignore_ascii_case(&entry.meta.id)
            || args.rule.eq_ignore_ascii_case(&entry.meta.title)
    };
    let entries: Vec<&Entry> = ledger.entries.iter().filter(asked).collect();
    if entries.is_empty() {
        return Err(Ends::usage(format!(
            "no rule file, id or title is {:?} ({} rules were read)",
            args.rule,
            ledger.entries.len()
        )));
    }
    let rules = rule_args(args);
    let exceptions = settings::load_exceptions(&args.exceptions, &rules, &ledger, talk)?;
    let views = settings::load_views(&args.rules)?;
    let logs = settings::logs(&args.logs, talk)?;
    let mut out = String::new();
    for entry in entries {
        describe(entry, &ledger, talk, &mut out);
        if let Ok(rule) = &entry.rule {
            exceptions.about(rule).for_each(|exception| excepted(exception, &mut out));
        }
        if let (Ok(rule), false) = (&entry.rule, logs.is_empty()) {
            if rule.stateful().is_some() {
                with_state(&ledger.with_referred(rule), &views, &exceptions, &logs, &mut out)?;
                continue;
            }
            on_logs(rule, &views, &exceptions, &logs, args.most, &mut out);
        }
    }
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(out.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Ends::output("standard output", &error))?;
    Ok(Outcome::Done)
}

/// A rule that is named is looked at whatever its status, in its own file if it is one.
fn rule_args(args: &ExplainArgs) -> RuleArgs {
    let own = &args.rules;
    let file = PathBuf::from(&args.rule);
    let is_file = file.is_file();
    RuleArgs {
        rules: if is_file { vec![file] } else { own.rules.clone() },
        only: if is_file { Vec::new() } else { vec![args.rule.clone()] },
        min_severity: None,
        ..own.clone()
    }
}

fn describe(entry: &Entry, ledger: &Ledger, talk: &Talk, out: &mut String) {
    let meta = &entry.meta;
    let _ = writeln!(out, "{}", meta.title);
    let _ = writeln!(
        out,
        "  {} rule {}, severity {}, {}",
        entry.origin.vendor.as_str(),
        meta.id,
        meta.severity.as_str(),
        entry.status.as_str()
    );
    if !meta.description.is_empty() {
        let _ = writeln!(out, "  {}", meta.description.trim().replace('\n', "\n  "));
    }
    said(entry, out);
    for diagnostic in &entry.diagnostics {
        let _ = writeln!(out, "{}", diagnose::render(entry, diagnostic, talk.data_color));
    }
    let Ok(rule) = &entry.rule else { return };
    for (at, source) in rule.sources.iter().enumerate() {
        let verb = if rule.stages.is_empty() { "Fires on" } else { "Looks at" };
        match source {
            Source::Events { scope, filter } | Source::Alerts { scope, filter } => {
                let keys: Vec<String> =
                    scope.keys.iter().map(|(k, v)| format!("{k} {v}")).collect();
                let what = match source {
                    Source::Alerts { .. } => "an alert",
                    _ => "an event",
                };
                let of = if keys.is_empty() { "" } else { " of " };
                let _ = writeln!(out, "\n{verb} {what}{of}{} when", keys.join(", "));
                sentence(filter, true, 1, out);
            }
            Source::Table { table, .. } => {
                let _ = writeln!(out, "\nLooks at the table {}", table.name);
            }
            Source::Nothing { rows } => {
                let _ = writeln!(out, "\nStarts with {rows} empty rows");
            }
            Source::RuleRef { rule: read, columns, .. } => {
                let mut entries = ledger.entries.iter();
                let known = entries.find(|entry| *entry.meta.id == **read);
                let title = known.map_or(&**read, |entry| &entry.meta.title);
                let first = if at == 0 { "\nLooks at what these rules find\n" } else { "" };
                let _ = writeln!(out, "{first}  {}  {title}", source_name(at));
                for (alias, field) in columns {
                    let _ = writeln!(out, "       where {alias} is its {}", field.name());
                }
            }
        }
    }
    if !rule.stages.is_empty() {
        let _ = writeln!(out, "\nFires as");
        print_stages(rule).lines().for_each(|line| {
            let _ = writeln!(out, "{line}");
        });
    }
    let _ = writeln!(out);
}

/// What else the vendor says of the rule, and what he makes of its findings.
fn said(entry: &Entry, out: &mut String) {
    let meta = &entry.meta;
    if !meta.kind.is_empty() {
        let _ = writeln!(out, "  type: {}", meta.kind);
    }
    if !meta.maturity.is_empty() {
        let _ = writeln!(out, "  status: {}", meta.maturity);
    }
    for (name, values) in &meta.more {
        let text = values.join(", ").replace('\n', "\n    ");
        let _ = writeln!(out, "  {}: {text}", name.replace('_', " "));
    }
    let Ok(rule) = &entry.rule else { return };
    let trigger = &rule.trigger;
    if !meta.kind.is_empty() {
        let raises = trigger.raises.words();
        let raises =
            if raises.is_empty() { "nothing unless asked".into() } else { raises.join(", ") };
        let _ = writeln!(out, "  raises: {raises}");
    }
    if let Some(score) = trigger.risk_score {
        let _ = writeln!(out, "  risk score: {score}");
    }
    for entity in &trigger.entities {
        let role =
            if entity.role.is_empty() { String::new() } else { format!(" ({})", entity.role) };
        let _ = writeln!(out, "  {}: {}{role}", entity.kind, entity.field);
    }
    for drilldown in &entry.origin.drilldowns {
        let _ = writeln!(out, "  drilldown: {}", drilldown.name);
    }
}

/// An exception to the rule in plain words.
fn excepted(exception: &Exception, out: &mut String) {
    let bound = |word: &str, time: Option<Time>| {
        time.map(|time| format!(" {word} {time}")).unwrap_or_default()
    };
    let Exception { from, until, reason, .. } = exception;
    let bounds = bound("from", *from) + &bound("until before", *until);
    let when = exception.when.as_deref();
    let word = if when.is_some() { "when" } else { "whatever happens" };
    let place = exception.place();
    let _ = writeln!(out, "Kept quiet{bounds} because of {reason:?} ({place}), {word}");
    if let Some(when) = when {
        sentence(&Formula::or(when.iter().cloned()), true, 1, out);
    }
    let _ = writeln!(out);
}

/// A formula as an indented list of sentences; `wanted` turns under every `not`.
fn sentence(formula: &Formula, wanted: bool, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match formula {
        Formula::Not(part) => sentence(part, !wanted, depth, out),
        Formula::Test(predicate) => {
            let _ = writeln!(out, "{indent}{}", in_words(predicate, wanted));
        }
        Formula::IsTrue(expr) => {
            let lead = if wanted { "" } else { "not " };
            let _ = writeln!(out, "{indent}{lead}{}", rulestone_ir::print_expr(expr));
        }
        Formula::Group(group) => {
            let _ = writeln!(out, "{indent}[{}]", group.name);
            sentence(&group.formula, wanted, depth + 1, out);
        }
        Formula::And(parts) | Formula::Or(parts) => {
            // Under a `not`, "all of" becomes "not all of", which is what an author means.
            let all = matches!(formula, Formula::And(_));
            let lead = match (parts.len(), all, wanted) {
                (0, all, wanted) => {
                    if all == wanted {
                        "always"
                    } else {
                        "never"
                    }
                }
                (_, true, true) => "all of",
                (_, false, true) => "at least one of",
                (_, true, false) => "not all of",
                (_, false, false) => "none of",
            };
            let _ = writeln!(out, "{indent}{lead}");
            parts.iter().for_each(|part| sentence(part, true, depth + 1, out));
        }
    }
}

fn in_words(predicate: &Predicate, wanted: bool) -> String {
    let field = match &predicate.field {
        Field::Named { schema: Schema::Entity, name } => format!("the {name} of the event"),
        Field::Named { name, .. } => name.to_string(),
        Field::Any => "any value".to_owned(),
    };
    let pattern = predicate.test.pattern();
    let (yes, no) = match &predicate.test {
        Test::Exists => ("has a value", "has no value"),
        Test::Equals(_) => ("is", "is not"),
        Test::StartsWith(_) => ("starts with", "does not start with"),
        Test::EndsWith(_) => ("ends with", "does not end with"),
        Test::Contains(_) => ("contains", "does not contain"),
        Test::Wildcard(_) => ("fits the pattern", "does not fit the pattern"),
        Test::Term(..) => ("has the term", "does not have the term"),
        Test::Regex(_) => ("matches the expression", "does not match the expression"),
        Test::Cidr(_) => ("is an address in", "is no address in"),
        Test::Number(..) => ("is a number", "is not a number"),
        Test::TimePart(..) => ("has a time with", "has no time with"),
        Test::SameAs(_, relation) => match relation {
            Relation::Equals => ("is the same as", "is not the same as"),
            Relation::StartsWith => {
                ("starts with the value of", "does not start with the value of")
            }
            Relation::EndsWith => ("ends with the value of", "does not end with the value of"),
            Relation::Contains => ("contains the value of", "does not contain the value of"),
        },
    };
    let verb = if wanted { yes } else { no };
    match &predicate.test {
        Test::Exists => format!("{field} {verb}"),
        Test::Number(..) | Test::TimePart(..) | Test::Cidr(_) | Test::SameAs(..) => {
            format!("{field} {verb} {pattern}")
        }
        _ => format!("{field} {verb} {pattern:?}"),
    }
}

/// An event that nearly fires: the more of the rule holds, the earlier it is shown.
#[derive(PartialEq)]
struct NearMiss {
    holding: usize,
    of: usize,
    place: String,
    explanation: Explanation,
    event: Event,
}

impl Eq for NearMiss {}

impl Ord for NearMiss {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // The heap gives up its greatest first: the one that is furthest from firing.
        let key = |miss: &NearMiss| (std::cmp::Reverse(miss.holding), miss.place.clone());
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for NearMiss {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What a rule that looks at several events together finds, and what it is fed.
fn with_state(
    rules: &[Arc<Rule>],
    views: &Views,
    exceptions: &Exceptions,
    logs: &[rulestone_engine::LogFile],
    out: &mut String,
) -> Result<()> {
    // Every rule raises, so that all are counted.
    let raising = rules.iter().map(|rule| {
        let mut rule = (**rule).clone();
        rule.trigger.building_block = false;
        Arc::new(rule)
    });
    let rules: Vec<Arc<Rule>> = raising.collect();
    let plan = Plan::new(rules.clone(), views);
    let judging = Judging { views, exceptions, quiet: QuietHits::Counted };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut tally = Tally::default();
    let mut count = |judged: Judged| {
        if let Judged::Alert(alert) = judged {
            *counts.entry(alert.rule.meta.id.clone()).or_default() += 1;
        }
    };
    let (settings, stop) = (ScanSettings::default(), AtomicBool::new(false));
    let state = run_strata(&plan, &judging, &settings, logs, &stop, |passed| match passed {
        Passed::Later(judged) => count(judged),
        Passed::Refused(_) => {}
        Passed::Unit(outcome) => {
            tally.add(outcome.tally);
            outcome.hits.into_iter().for_each(&mut count);
        }
    });
    let state = state.map_err(|error| Ends::output("temporary files", &error))?;
    let of = |rule: &Rule| counts.get(&rule.meta.id).copied().unwrap_or(0);
    let mut rules = rules.iter();
    if let Some(rule) = rules.next() {
        let _ = writeln!(out, "On these logs it finds {}. What it is fed:", of(rule));
    }
    for rule in rules {
        let _ = writeln!(out, "  {:>8}  {}", of(rule), rule.meta.title);
    }
    let mut report = Report::default();
    report.set_state(state);
    let rows = state.rows;
    let _ = writeln!(out, "  {rows:>8}  rows that the stage read");
    for note in report.notes() {
        let _ = writeln!(out, "  {:>8}  {}", note.count, note.text);
    }
    if let Some(obstacle) = plan.summary(&tally).obstacles.into_iter().next().flatten() {
        let _ = writeln!(out, "It cannot fire: {}.", obstacle_text(obstacle));
    }
    let _ = writeln!(out);
    Ok(())
}

fn on_logs(
    rule: &Arc<Rule>,
    views: &Views,
    exceptions: &Exceptions,
    logs: &[rulestone_engine::LogFile],
    most: usize,
    out: &mut String,
) {
    let mut quiet: BTreeMap<usize, u64> = BTreeMap::new();
    let mut fired = 0_u64;
    let mut in_scope = 0_u64;
    let mut misses: BinaryHeap<NearMiss> = BinaryHeap::new();
    let each = |log: &Arc<str>, event: Event| {
        for (source_at, source) in rule.sources.iter().enumerate() {
            let Some((scope, filter)) = source.filtered() else { continue };
            let kinds = views.scope(scope.schema.as_str(), &scope.keys);
            for (_, kind) in ScopeKind::serving(&kinds, &event.kind) {
                in_scope += 1;
                if !reference::when_holds(kind, &event) {
                    continue;
                }
                let explanation = explain(filter, kind, &event);
                if explanation.holds {
                    fired += 1;
                    let (event, scope_kind) = (&event, &**kind);
                    let (rule_at, source, raises) = (0, source_at, true);
                    let (evidence, notes) = (&[], &[]);
                    let hit = Hit {
                        rule,
                        rule_at,
                        source,
                        log,
                        event,
                        scope_kind,
                        raises,
                        evidence,
                        notes,
                        row: None,
                        part: 0,
                    };
                    if let Some(by) = exceptions.quiet(&hit, views) {
                        *quiet.entry(by).or_default() += 1;
                    }
                    continue;
                }
                let (holding, of) = explanation.conjuncts;
                let place = format!("{log}, record {:>8}", event.record);
                misses.push(NearMiss { holding, of, place, explanation, event: event.clone() });
                if misses.len() > most {
                    misses.pop();
                }
            }
        }
    };
    read_all(logs, each);
    let _ = writeln!(out, "On these logs: {in_scope} events in its scope, {fired} fire it.");
    for (by, kept) in quiet {
        let exception = exceptions.get(by);
        let (reason, place) = exception.map(|e| (e.reason.clone(), e.place())).unwrap_or_default();
        let _ = writeln!(out, "Of these {kept} kept quiet, because of {reason:?} ({place}).");
    }
    if in_scope == 0 {
        obstacle(rule, views, logs, out);
    }
    let misses: Vec<NearMiss> =
        misses.into_sorted_vec().into_iter().filter(|miss| miss.holding > 0).collect();
    if !misses.is_empty() {
        let _ = writeln!(out, "Nearest misses, and the first thing that would have to differ:");
    }
    for miss in misses {
        near_miss(&miss, out);
    }
    let _ = writeln!(out);
}

fn near_miss(miss: &NearMiss, out: &mut String) {
    let time = miss.event.time.map(|time| time.to_string()).unwrap_or_default();
    let kind = miss.event.kind.label();
    let _ = writeln!(out, "  {} {time} {kind}: {} of {} hold", miss.place, miss.holding, miss.of);
    let Some(failed) = &miss.explanation.failed else { return };
    let group = failed.group.as_deref().map(|group| format!(" [{group}]")).unwrap_or_default();
    let words = in_words(&failed.predicate, !failed.excluded);
    let value = match failed.value.elements() {
        [] => "it has no value".to_owned(),
        values => {
            let texts: Vec<String> =
                values.iter().filter_map(|v| Some(format!("{:?}", v.text()?))).collect();
            format!("its value is {}", texts.join(", "))
        }
    };
    let _ = writeln!(out, "    {words}{group}: {value}");
}

fn obstacle(rule: &Arc<Rule>, views: &Views, logs: &[rulestone_engine::LogFile], out: &mut String) {
    let plan = Plan::new(vec![rule.clone()], views);
    let settings = ScanSettings::default();
    let mut tally = Tally::default();
    let stop = AtomicBool::new(false);
    scan(logs, &plan, &settings, &stop, |_| (), |outcome| tally.add(outcome.tally));
    let obstacles = plan.summary(&tally).obstacles;
    let Some(obstacle) = obstacles.into_iter().flatten().next() else { return };
    let text = obstacle_text(obstacle);
    let _ = writeln!(out, "It cannot fire: {text}.");
}

fn obstacle_text(obstacle: Obstacle) -> String {
    match obstacle {
        Obstacle::NoEvent(events) => {
            let labels: Vec<String> = events.into_iter().map(|absent| absent.label).collect();
            format!("none of its events is here: {}", labels.join(" or "))
        }
        Obstacle::NoField(fields) => format!("these fields are missing: {}", fields.join(", ")),
        Obstacle::NoTable(scope) => format!("no table says which events are {scope}"),
        Obstacle::Never => "no event of its scope can satisfy it".to_owned(),
    }
}

/// Every event of the logs, as rules see them: what came in pieces put together, at the end.
fn read_all(logs: &[rulestone_engine::LogFile], mut each: impl FnMut(&Arc<str>, Event)) {
    let settings = Settings { fragments: Fragments::Aside, ..Settings::default() };
    let (mut fragments, mut size) = (Vec::new(), 0);
    for log in logs {
        let opened = match &log.path {
            Some(path) => Log::open(path, log.name.clone()),
            None => Log::from_reader(io::stdin(), log.name.clone()),
        };
        let Ok(mut open) = opened else { continue };
        let mut ingest = Ingest::new(settings.clone());
        while let Some(unit) = open.next_unit() {
            let name = unit.place.log.clone();
            let _ = ingest.read(unit.into_records(), &Fields::All, |batch| {
                batch.rows.iter().for_each(|row| each(&name, batch.event(row)));
            });
            // What cannot be read is the scan's to say, and must not pile up here.
            drop(open.take_members());
            let found = ingest.take_fragments();
            size += found.iter().map(Fragment::size).sum::<usize>();
            fragments.extend(found);
            if size > settings.fragment_bytes {
                size = 0;
                put_together(std::mem::take(&mut fragments))
                    .into_iter()
                    .for_each(|(log, event)| each(&log, event));
            }
        }
    }
    put_together(fragments).into_iter().for_each(|(log, event)| each(&log, event));
}
