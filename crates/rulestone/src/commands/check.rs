//! `rulestone check`: what is wrong in rules.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::Result;
use rulestone_ir::Status;
use rulestone_lint::{Ability, Class, Grade, LINTS, Report, check, class_of, lint, mend, render};
use rulestone_rules::{Environment, Ledger};

use crate::args::CheckArgs;
use crate::diagnose;
use crate::outcome::{Ends, Outcome};
use crate::settings;
use crate::terminal::Talk;

/// How remarks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Table,
    Json,
    Ndjson,
    Sarif,
}

/// Looks at the rules.
pub(crate) fn run(args: &CheckArgs, talk: &Talk) -> Result<Outcome> {
    if let Some(code) = &args.explain {
        return explain(code);
    }
    let format = format(args)?;
    let least = args.fail_on.as_deref().map(grade).transpose()?;
    if let Some(code) = args.code.iter().find(|code| lint(code).is_none()) {
        let known: Vec<&str> = LINTS.iter().map(|lint| lint.code).collect();
        return Err(Ends::usage(format!("no code is called {code:?}: {}", known.join(", "))));
    }
    let jobs = settings::jobs(args.jobs)?;
    let environment = settings::environment(&args.rules, talk)?;
    let ledger = settings::load_rules_in(&environment, &args.rules, true, jobs, talk)?;
    let report = check(&ledger, jobs).only(&args.code);
    let patch_alone = args.fix.as_deref() == Some(Path::new("-"));
    if let Some(place) = &args.fix {
        let patch = patch(&ledger, &report, &environment, talk);
        write(Some(place), &|out| out.write_all(patch.as_bytes()))?;
    }
    if !patch_alone {
        write(args.output.as_deref(), &|out| remarks(format, &ledger, &report, talk, out))?;
    }
    talk.say(&summary(&ledger, &report));
    Ok(end(args, &ledger, &report, least))
}

fn format(args: &CheckArgs) -> Result<Format> {
    let terminal = args.output.is_none() && io::stdout().is_terminal();
    match args.format.as_deref() {
        Some("table") => Ok(Format::Table),
        Some("json") => Ok(Format::Json),
        Some("ndjson") => Ok(Format::Ndjson),
        Some("sarif") => Ok(Format::Sarif),
        Some(other) => {
            Err(Ends::usage(format!("no format is called {other:?}: table, json, ndjson, sarif")))
        }
        None if terminal => Ok(Format::Table),
        None => Ok(Format::Ndjson),
    }
}

fn grade(name: &str) -> Result<Grade> {
    let known = Grade::ALL.map(Grade::as_str).join(", ");
    let found = Grade::ALL.into_iter().find(|grade| grade.as_str() == name);
    found.ok_or_else(|| Ends::usage(format!("no level is called {name:?}: {known}")))
}

fn end(args: &CheckArgs, ledger: &Ledger, report: &Report, least: Option<Grade>) -> Outcome {
    if args.rules.strict && ledger.count(Status::Invalid) > 0 {
        Outcome::InvalidRule
    } else if !ledger.problems.is_empty() {
        Outcome::Input
    } else if least.is_some_and(|least| report.grade().is_some_and(|grade| grade >= least)) {
        Outcome::Findings
    } else {
        Outcome::Done
    }
}

/// Writes to a file, or to standard output.
fn write(place: Option<&Path>, content: &dyn Fn(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let file = place.filter(|place| *place != Path::new("-"));
    let written = match file {
        Some(path) => File::create(path).and_then(|file| {
            let mut out = io::BufWriter::new(file);
            content(&mut out).and_then(|()| out.flush())
        }),
        None => {
            let mut out = io::BufWriter::new(io::stdout().lock());
            content(&mut out).and_then(|()| out.flush())
        }
    };
    let name = file.map_or("standard output".to_owned(), |path| path.display().to_string());
    written.map_err(|error| Ends::output(&name, &error))
}

fn remarks(
    format: Format,
    ledger: &Ledger,
    report: &Report,
    talk: &Talk,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Json => writeln!(out, "{:#}", render::json(ledger, report)),
        Format::Sarif => {
            let version = env!("CARGO_PKG_VERSION");
            writeln!(out, "{:#}", render::sarif(ledger, report, version))
        }
        Format::Ndjson => {
            render::ndjson(ledger, report).iter().try_for_each(|line| writeln!(out, "{line}"))
        }
        Format::Table => report.remarks.iter().try_for_each(|remark| {
            let entry = &ledger.entries[remark.entry];
            writeln!(out, "{}\n", diagnose::remark(entry, remark, talk.data_color))
        }),
    }
}

/// The repairs that are certain, as one patch.
fn patch(ledger: &Ledger, report: &Report, environment: &Environment, talk: &Talk) -> String {
    let mended = mend(ledger, report, environment);
    let applied: usize = mended.iter().map(|file| file.applied).sum();
    let refused: usize = mended.iter().map(|file| file.refused).sum();
    let files = mended.iter().filter(|file| file.applied > 0).count();
    talk.say(&format!(
        "{applied} repairs in {files} files; {refused} were left out: they did not help"
    ));
    // A patch that names files from the root is refused.
    let here = std::env::current_dir().unwrap_or_default();
    let name = |path: &str| {
        let name = Path::new(path).strip_prefix(&here).unwrap_or(Path::new(path));
        name.to_string_lossy().into_owned()
    };
    if mended.iter().any(|file| file.applied > 0 && Path::new(&name(&file.path)).is_absolute()) {
        talk.say("the rules are not below this folder: apply the patch with `patch -d / -p1`");
    }
    mended.iter().map(|file| file.diff(&name(&file.path))).collect()
}

/// The counts, as lines.
pub(crate) fn summary(ledger: &Ledger, report: &Report) -> String {
    let mut lines = Vec::new();
    let counts = report.counts();
    let width = counts.keys().map(|(_, code)| code.len()).max().unwrap_or(0);
    for ((class, code), number) in &counts {
        lines.push(format!("{number:>7}  {code:<width$}  {}", class.as_str()));
    }
    lines.push(format!(
        "{} rules in {} files: {} remarks; {} rules can fire, {} never can, of {} it cannot be told, {} are not run (`rules` says why)",
        ledger.entries.len(),
        ledger.files,
        report.remarks.len(),
        report.able(Ability::Can),
        report.able(Ability::Never),
        report.able(Ability::CannotTell),
        report.able(Ability::NotRun),
    ));
    lines.join("\n")
}

/// What a look at the rules would be for, going by what was said while they were read: nothing is
/// proved here.
pub(crate) fn purpose(ledger: &Ledger) -> Option<String> {
    let (mut never, mut wrong) = (0_usize, 0_usize);
    for entry in ledger.entries.iter().filter(|entry| entry.rule.is_ok()) {
        let worst = entry.diagnostics.iter().filter_map(class_of).min();
        never += usize::from(worst == Some(Class::NeverFires));
        wrong += usize::from(worst.is_some_and(|class| class <= Class::Suspicious));
    }
    match (never, wrong) {
        (0, 0) => None,
        (0, wrong) => Some(format!("what is wrong in {wrong} of the rules that are loaded")),
        (never, wrong) => Some(format!(
            "what is wrong in {wrong} of the rules that are loaded; {never} have parts that never fire"
        )),
    }
}

/// What a code means.
fn explain(code: &str) -> Result<Outcome> {
    let mut text = String::new();
    if code == "all" {
        for lint in LINTS {
            text.push_str(&format!(
                "{:<26} {:<12} {}\n",
                lint.code,
                lint.class.as_str(),
                lint.title
            ));
        }
    } else {
        let known: Vec<&str> = LINTS.iter().map(|lint| lint.code).collect();
        let lint = lint(code).ok_or_else(|| {
            Ends::usage(format!("no code is called {code:?}: {}", known.join(", ")))
        })?;
        let class = lint.class;
        text = format!(
            "{}: {}\n{}, {}\n\n{}\n",
            lint.code,
            lint.title,
            class.as_str(),
            class.grade().as_str(),
            lint.explanation
        );
    }
    write(None, &|out| out.write_all(text.as_bytes()))?;
    Ok(Outcome::Done)
}
