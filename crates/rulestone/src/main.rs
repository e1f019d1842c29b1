//! The `rulestone` command.
//!
//! Arguments become settings, settings become calls of the libraries. This is the only crate that
//! prints and the only place that ends the process: data goes to standard output, talk to
//! standard error.

mod args;
mod commands;
mod diagnose;
mod exceptions;
mod outcome;
mod progress;
mod settings;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use outcome::Outcome;

/// Scanning is mostly short-lived allocations on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are asked for; everything else is wrong usage.
            let wanted = !error.use_stderr();
            let _ = error.print();
            return if wanted { Outcome::Done.into() } else { Outcome::Usage.into() };
        }
    };
    let talk = terminal::Talk::new(args.color, args.quiet);
    let outcome = match &args.command {
        Command::Scan(own) => commands::scan::run(own, &talk),
        Command::Rules(own) => commands::rules::run(own, &talk),
        Command::Check(own) => commands::check::run(own, &talk),
        Command::Explain(own) => commands::explain::run(own, &talk),
        Command::Test(own) => commands::test::run(own, &talk),
        Command::Drilldown(own) => commands::drilldown::run(own, &talk),
        Command::Debug(own) => commands::debug::run(own, &talk),
    };
    match outcome {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            let outcome = Outcome::of(&error);
            if outcome != Outcome::Done {
                talk.error(&format!("{error:#}"));
            }
            outcome.into()
        }
    }
}
