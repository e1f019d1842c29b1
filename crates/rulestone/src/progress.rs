//! The progress bar of a scan, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};
use rulestone_engine::LogFile;
use rulestone_events::Tally;

use crate::terminal::Talk;

/// How far a scan is.
pub(crate) struct Progress {
    bar: ProgressBar,
    events: u64,
    logs_done: u64,
    logs: u64,
}

impl Progress {
    /// A bar over the bytes of the logs; none where standard error is no terminal.
    pub(crate) fn new(logs: &[LogFile], talk: &Talk) -> Self {
        let size = |log: &LogFile| {
            log.path.as_deref().and_then(|path| std::fs::metadata(path).ok()).map_or(0, |m| m.len())
        };
        let bar = match talk.terminal && !talk.quiet {
            true => ProgressBar::new(logs.iter().map(size).sum()),
            false => ProgressBar::hidden(),
        };
        let template = "{bar:30} {percent:>3}%  {msg}  {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress { bar, events: 0, logs_done: 0, logs: logs.len() as u64 }
    }

    /// Counts what a unit held.
    pub(crate) fn advance(&mut self, tally: &Tally, alerts: u64) {
        self.events += tally.events;
        if self.bar.is_hidden() {
            return;
        }
        // Compressed logs hold more bytes than their files.
        let done = self.bar.position() + tally.bytes;
        if done > self.bar.length().unwrap_or(0) {
            self.bar.set_length(done);
        }
        self.bar.set_position(done);
        let Progress { events, logs_done, logs, .. } = self;
        self.bar.set_message(format!("{logs_done}/{logs} logs  {events} events  {alerts} alerts"));
    }

    /// Counts a log that is at its end.
    pub(crate) fn log_done(&mut self) {
        self.logs_done += 1;
    }

    /// Counts a log inside of an archive that is at its end.
    pub(crate) fn member_done(&mut self) {
        self.logs += 1;
        self.logs_done += 1;
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
