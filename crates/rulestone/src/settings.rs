//! From what was typed to what the libraries take.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Result;
use rulestone_alerts::Exceptions;
use rulestone_engine::{Locate, LogFile, Strata};
use rulestone_events::{Dataset, Views, find_logs};
use rulestone_ir::{Severity, Status};
use rulestone_rules::{Environment, Ledger, Places, Selection, read_companions};
use rulestone_value::Time;

use crate::args::{ExceptionArgs, RuleArgs};
use crate::exceptions;
use crate::outcome::Ends;
use crate::terminal::Talk;

/// The rules that come with the program: those of `examples/rules`.
const OWN_RULES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/own_rules.rs"));

/// Loads what the arguments name.
///
/// # Errors
///
/// When the arguments are wrong, or nothing of what they name can be read.
pub(crate) fn load_rules(args: &RuleArgs, jobs: usize, talk: &Talk) -> Result<Ledger> {
    let environment = environment(args, talk)?;
    load_rules_in(&environment, args, false, jobs, talk)
}

/// The same in an environment that is at hand, with the texts of all files if they are wanted.
///
/// # Errors
///
/// As [`load_rules`].
pub(crate) fn load_rules_in(
    environment: &Environment,
    args: &RuleArgs,
    texts: bool,
    jobs: usize,
    talk: &Talk,
) -> Result<Ledger> {
    let selection = Selection { texts, ..selection(args)? };
    let mut ledger = read_rules(args, environment, &selection, jobs, talk)?;
    let strata = Strata::new(&ledger.loaded());
    ledger.remark(|rule| strata.diagnostic(rule));
    Ok(ledger)
}

fn read_rules(
    args: &RuleArgs,
    environment: &Environment,
    selection: &Selection,
    jobs: usize,
    talk: &Talk,
) -> Result<Ledger> {
    if args.rules.is_empty() {
        talk.say("no rules named with -r: using the rules that come with the program");
        return Ok(rulestone_rules::load_texts(OWN_RULES, environment, selection));
    }
    for place in &args.rules {
        if !place.exists() {
            return Err(Ends::input(format!("no such rules: {}", place.display())));
        }
    }
    let ledger = rulestone_rules::load(&args.rules, environment, selection, jobs);
    for problem in &ledger.problems {
        talk.warn(&format!("cannot read rules {}: {}", problem.path, problem.reason));
    }
    if ledger.entries.is_empty() && ledger.problems.is_empty() {
        let places: Vec<_> = args.rules.iter().map(|p| p.display().to_string()).collect();
        talk.warn(&format!("no rules in {} ({} files)", places.join(", "), ledger.files));
    }
    if !args.only.is_empty() && ledger.loaded().is_empty() {
        unknown_rule(args, &ledger)?;
    }
    Ok(ledger)
}

/// A rule that was asked for is not there, or cannot run: said at once, not by silence.
fn unknown_rule(args: &RuleArgs, ledger: &Ledger) -> Result<()> {
    let named = |wanted: &&String| {
        let same = |text: &str| wanted.eq_ignore_ascii_case(text);
        !ledger.entries.iter().any(|entry| same(&entry.meta.id) || same(&entry.meta.title))
    };
    match args.only.iter().find(named) {
        Some(missing) => Err(Ends::usage(format!(
            "no rule has the id or title {missing:?} ({} rules were read)",
            ledger.entries.len()
        ))),
        None => Ok(()),
    }
}

fn selection(args: &RuleArgs) -> Result<Selection> {
    let least = args.min_severity.as_deref().map(severity).transpose()?;
    Ok(Selection { only: args.only.clone(), least, hunting: args.hunting, texts: false })
}

/// Loads the exceptions to rules that are loaded.
///
/// # Errors
///
/// When a file cannot be read, or something in it is wrong.
pub(crate) fn load_exceptions(
    files: &ExceptionArgs,
    rules: &RuleArgs,
    ledger: &Ledger,
    talk: &Talk,
) -> Result<Exceptions> {
    if files.exceptions.is_empty() {
        return Ok(Exceptions::default());
    }
    let placeholders = placeholders(rules)?;
    let environment = Environment { placeholders, ..Environment::default() };
    exceptions::load(files, &environment, ledger, &selection(rules)?, talk)
}

/// What rules need to know about where they run.
///
/// # Errors
///
/// When a file that was named cannot be read.
pub(crate) fn environment(args: &RuleArgs, talk: &Talk) -> Result<Environment> {
    for named in args.macros.iter().chain(&args.lookups).chain(&args.geoip) {
        if !named.exists() {
            return Err(Ends::input(format!("no such file or folder: {}", named.display())));
        }
    }
    let placeholders = placeholders(args)?;
    let locates = args.geoip.is_some();
    let models = models()?;
    let mut environment = Environment { placeholders, models, locates, ..Environment::default() };
    let places = Places { rules: &args.rules, macros: &args.macros, lookups: &args.lookups };
    for problem in read_companions(&places, &mut environment) {
        talk.warn(&format!("{}: {}", problem.path, problem.reason));
    }
    Ok(environment)
}

/// The fields of all data sets, by `Model.Dataset`.
fn models() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let views = Views::built_in().map_err(|error| Ends::usage(error.to_string()))?;
    let names = |set: &Dataset| set.names().into_iter().map(str::to_owned).collect();
    let sets = views.datasets().iter();
    Ok(sets.map(|set| (format!("{}.{}", set.model, set.name), names(set))).collect())
}

/// Where addresses are, of the database that was named.
///
/// # Errors
///
/// When it cannot be read or is none.
pub(crate) fn places(args: &RuleArgs) -> Result<Option<Arc<dyn Locate>>> {
    let Some(path) = &args.geoip else { return Ok(None) };
    let bytes = std::fs::read(path)
        .map_err(|error| Ends::input(format!("cannot read {}: {error}", path.display())))?;
    let database = rulestone_engine::Places::new(bytes)
        .map_err(|error| Ends::input(format!("{}: {error}", path.display())))?;
    Ok(Some(Arc::new(database)))
}

fn placeholders(args: &RuleArgs) -> Result<BTreeMap<String, Vec<String>>> {
    let Some(path) = &args.placeholders else { return Ok(BTreeMap::new()) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Ends::input(format!("cannot read {}: {error}", path.display())))?;
    rulestone_rules::read_placeholders(&text)
        .map_err(|error| Ends::usage(format!("{}: {error}", path.display())))
}

/// The views built in, and those of `--views`.
///
/// # Errors
///
/// When a table cannot be read.
pub(crate) fn load_views(args: &RuleArgs) -> Result<Views> {
    let mut views = Views::built_in().map_err(|error| Ends::usage(error.to_string()))?;
    if let Some(folder) = &args.views {
        views.add_folder(folder).map_err(|error| Ends::usage(error.to_string()))?;
    }
    Ok(views)
}

/// The logs at and below the places named, in the order of their paths, each once.
///
/// # Errors
///
/// When a place does not exist.
pub(crate) fn logs(places: &[PathBuf], talk: &Talk) -> Result<Vec<LogFile>> {
    let mut files = Vec::new();
    for place in places {
        if place == Path::new("-") {
            files.push(LogFile { name: "-".into(), path: None, lines: false });
            continue;
        }
        if !place.exists() {
            return Err(Ends::input(format!("no such log: {}", place.display())));
        }
        let (found, errors) = find_logs(place);
        for (path, error) in errors {
            talk.warn(&format!("cannot list {}: {error}", path.display()));
        }
        if found.is_empty() {
            talk.warn(&format!("no files in {}", place.display()));
        }
        files.extend(found.into_iter().map(log_file));
    }
    // The order in which logs are named has no part in what comes out.
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

/// A log by its path.
pub(crate) fn log_file(path: PathBuf) -> LogFile {
    LogFile { name: path.to_string_lossy().into(), path: Some(path), lines: false }
}

/// A severity by its name.
///
/// # Errors
///
/// When there is none of that name.
pub(crate) fn severity(name: &str) -> Result<Severity> {
    Severity::from_str(name).map_err(|()| {
        let known: Vec<&str> = Severity::ALL.iter().map(|severity| severity.as_str()).collect();
        Ends::usage(format!("no severity is called {name:?}: {}", known.join(", ")))
    })
}

/// A status by its name.
///
/// # Errors
///
/// When there is none of that name.
pub(crate) fn status(name: &str) -> Result<Status> {
    const ALL: [Status; 4] =
        [Status::Exact, Status::Approximate, Status::Unsupported, Status::Invalid];
    let found = ALL.into_iter().find(|status| status.as_str() == name);
    found.ok_or_else(|| {
        let known = ALL.map(Status::as_str).join(", ");
        Ends::usage(format!("no status is called {name:?}: {known}"))
    })
}

/// A time as users type it: a date alone is its first moment.
///
/// # Errors
///
/// When it is neither.
pub(crate) fn time(text: &str) -> Result<Time> {
    Time::parse(text).or_else(|| Time::parse(&format!("{text}T00:00:00Z"))).ok_or_else(|| {
        Ends::usage(format!("not a time: {text:?}; write 2024-05-01 or 2024-05-01T12:00:00Z"))
    })
}

/// A size of memory: a number with `K`, `M` or `G`, or bytes.
///
/// # Errors
///
/// When it is none, or less than 16 MiB.
pub(crate) fn memory(text: &str) -> Result<usize> {
    const LEAST: usize = 16 << 20;
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim().to_ascii_uppercase().as_str() {
        "" | "B" => Some(0),
        "K" | "KB" | "KIB" => Some(10),
        "M" | "MB" | "MIB" => Some(20),
        "G" | "GB" | "GIB" => Some(30),
        _ => None,
    };
    let bytes = unit.and_then(|shift| digits.parse::<usize>().ok()?.checked_mul(1 << shift));
    bytes.filter(|bytes| *bytes >= LEAST).ok_or_else(|| {
        Ends::usage(format!("not a size of memory: {text:?}; write 512M or 2G, at least 16M"))
    })
}

/// Threads to use.
///
/// # Errors
///
/// When none are wanted.
pub(crate) fn jobs(wanted: Option<usize>) -> Result<usize> {
    match wanted {
        Some(0) => Err(Ends::usage("--jobs takes at least 1")),
        Some(jobs) => Ok(jobs),
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
    }
}
