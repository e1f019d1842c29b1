//! How the command ends: the exit codes, a contract that only grows.

use std::io;
use std::process::ExitCode;

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0: done.
    Done,
    /// 1: findings, with `--fail-on`; or a rule's test failed.
    Findings,
    /// 2: a rule is invalid, with `--strict`.
    InvalidRule,
    /// 3: wrong usage or settings.
    Usage,
    /// 4: input could not be read.
    Input,
    /// 5: output could not be written.
    Output,
    /// 130: interrupted.
    Interrupted,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(match outcome {
            Outcome::Done => 0,
            Outcome::Findings => 1,
            Outcome::InvalidRule => 2,
            Outcome::Usage => 3,
            Outcome::Input => 4,
            Outcome::Output => 5,
            Outcome::Interrupted => 130,
        })
    }
}

/// An error that knows how the command ends with it.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) outcome: Outcome,
    message: String,
}

impl std::fmt::Display for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Ends {}

impl Ends {
    /// Wrong usage or settings.
    pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
        Ends { outcome: Outcome::Usage, message: message.into() }.into()
    }

    /// Input that cannot be read.
    pub(crate) fn input(message: impl Into<String>) -> anyhow::Error {
        Ends { outcome: Outcome::Input, message: message.into() }.into()
    }

    /// Output that cannot be written. A reader that has seen enough (`| head`) is no failure.
    pub(crate) fn output(target: &str, error: &io::Error) -> anyhow::Error {
        let outcome = match error.kind() {
            io::ErrorKind::BrokenPipe => Outcome::Done,
            _ => Outcome::Output,
        };
        Ends { outcome, message: format!("cannot write {target}: {error}") }.into()
    }
}

impl Outcome {
    /// How the command ends with an error.
    pub(crate) fn of(error: &anyhow::Error) -> Outcome {
        error.downcast_ref::<Ends>().map_or(Outcome::Usage, |ends| ends.outcome)
    }
}
