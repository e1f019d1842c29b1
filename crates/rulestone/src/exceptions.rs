//! From `--exceptions` to what the libraries take.

use anyhow::Result;
use rulestone_alerts::Exceptions;
use rulestone_ir::{Diagnostic, Exception, Level};
use rulestone_rules::{Environment, Ledger, Selection, read_exceptions, unmatched_exceptions};

use crate::args::ExceptionArgs;
use crate::diagnose::{self, Tone};
use crate::outcome::Ends;
use crate::terminal::Talk;

/// Reads the files that the arguments name, and says of every exception that names no loaded rule
/// that it does.
///
/// # Errors
///
/// When a file cannot be read, or anything in one is wrong: a scan with half of its exceptions
/// would show what somebody wanted quiet.
pub(crate) fn load(
    args: &ExceptionArgs,
    environment: &Environment,
    ledger: &Ledger,
    selection: &Selection,
    talk: &Talk,
) -> Result<Exceptions> {
    let mut all: Vec<Exception> = Vec::new();
    let mut wrong = 0;
    for path in &args.exceptions {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Ends::input(format!("cannot read {}: {error}", path.display())))?;
        let name = path.display().to_string();
        let (exceptions, diagnostics) = read_exceptions(&text, &name, environment);
        for diagnostic in &diagnostics {
            wrong += usize::from(diagnostic.level >= Level::Unsupported);
            say(&text, &name, diagnostic, talk);
        }
        for (_, diagnostic) in unmatched_exceptions(&exceptions, ledger, selection) {
            say(&text, &name, &diagnostic, talk);
        }
        all.extend(exceptions);
    }
    match wrong {
        0 => Ok(Exceptions::new(all)),
        1 => Err(Ends::usage("an exception is wrong, see above")),
        wrong => Err(Ends::usage(format!("{wrong} things are wrong in the exceptions, see above"))),
    }
}

fn say(text: &str, path: &str, diagnostic: &Diagnostic, talk: &Talk) {
    let (tone, wrong) = match diagnostic.level {
        Level::Note | Level::Approximate => (Tone::Warning, false),
        Level::Unsupported | Level::Invalid => (Tone::Error, true),
    };
    if wrong || !talk.quiet {
        talk.error_line(&diagnose::at(text, path, diagnostic, tone, talk.color));
    }
}
