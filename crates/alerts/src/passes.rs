//! A scan through all strata: logs first, then what rules make of each other's findings and
//! alerts.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::atomic::AtomicBool;

use rulestone_engine::{Hit, LogFile, Plan, ScanSettings, Session, StateCounts, UnitOutcome};
use rulestone_events::Views;

use crate::Alert;

/// What comes out of a scan, in order.
pub enum Passed {
    /// A stretch of a log that was read.
    Unit(UnitOutcome<Alert>),
    /// An alert out of a later stratum.
    Alert(Box<Alert>),
}

/// Runs a plan over logs and hands over what comes out. Alerts of building blocks are among them.
///
/// # Errors
///
/// When there is no room on disk for what stages wait for, or a log cannot be read again.
pub fn run(
    plan: &Plan,
    views: &Views,
    settings: &ScanSettings,
    logs: &[LogFile],
    stop: &AtomicBool,
    mut each: impl FnMut(Passed),
) -> io::Result<StateCounts> {
    let mut session = Session::new(plan, views, settings.clone());
    let strata = plan.strata().count();
    let mut written = AlertLogs::new(plan, strata);
    let make = |hit: Hit<'_>| (hit.rule_at, Alert::from_hit(&hit, views));
    session.read(logs, None, stop, make, |outcome| {
        let UnitOutcome { log, hits, tally, end } = outcome;
        hits.iter().for_each(|(rule, alert)| written.add(*rule, alert));
        let hits = hits.into_iter().map(|(_, alert)| alert).collect();
        each(Passed::Unit(UnitOutcome { log, hits, tally, end }));
    })?;
    // What was read before an interruption is worked through all the same.
    let go_on = AtomicBool::new(false);
    for stratum in 0..strata {
        session.settle(stratum, &go_on, |found| {
            let alert = Alert::from_found(&found, views);
            written.add(found.rule_at, &alert);
            each(Passed::Alert(Box::new(alert)));
        })?;
        let Some(log) = written.finish(stratum)? else { continue };
        session.read(&[log], Some(stratum), &go_on, make, |outcome| {
            for (rule, alert) in outcome.hits {
                written.add(rule, &alert);
                each(Passed::Alert(Box::new(alert)));
            }
        })?;
    }
    written.failed.map_or(Ok(()), Err)?;
    Ok(session.counts())
}

/// The name of the log that alerts are read from.
const NAME: &str = "alerts";

/// Alerts written down for the rules that read them, by stratum.
struct AlertLogs<'p> {
    plan: &'p Plan,
    /// Where nobody reads alerts there are none.
    logs: Vec<(BufWriter<File>, tempfile::TempPath)>,
    failed: Option<io::Error>,
}

impl<'p> AlertLogs<'p> {
    fn new(plan: &'p Plan, strata: usize) -> Self {
        let mut logs = AlertLogs { plan, logs: Vec::new(), failed: None };
        for _ in 0..if plan.reads_alerts() { strata } else { 0 } {
            match tempfile::NamedTempFile::new() {
                Ok(file) => {
                    let (file, path) = file.into_parts();
                    logs.logs.push((BufWriter::new(file), path));
                }
                Err(error) => logs.failed = Some(error),
            }
        }
        logs
    }

    fn add(&mut self, rule: usize, alert: &Alert) {
        let Some((out, _)) = self.logs.get_mut(self.plan.strata().of[rule]) else { return };
        let line = serde_json::to_vec(alert).map_err(io::Error::from);
        let written =
            line.and_then(|line| out.write_all(&line).and_then(|()| out.write_all(b"\n")));
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }

    /// The alerts of a stratum as a log, once there will be no more.
    fn finish(&mut self, stratum: usize) -> io::Result<Option<LogFile>> {
        let Some((out, path)) = self.logs.get_mut(stratum) else { return Ok(None) };
        out.flush()?;
        let path = Some(path.to_path_buf());
        Ok(Some(LogFile { name: NAME.into(), path, lines: false }))
    }
}
