//! A scan through all strata: logs first, then what rules make of each other's findings and
//! alerts.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rulestone_engine::{
    Found, Hit, LogFile, Made, Plan, Refused, ScanSettings, Session, StateCounts, UnitOutcome,
    Watcher,
};
use rulestone_events::Views;
use rulestone_ir::Rule;

use crate::Alert;
use crate::suppress::{Exceptions, Judged, QuietHits};

/// What comes out of a scan, in order.
pub enum Passed {
    /// A stretch of a log that was read.
    Unit(UnitOutcome<Judged>),
    /// What came out of a later stratum.
    Later(Judged),
    /// Something that stages could not work through.
    Refused(Refused),
}

/// What hits are judged by.
#[derive(Clone, Copy)]
pub struct Judging<'a> {
    /// The tables that say who an event is about.
    pub views: &'a Views,
    /// What is kept quiet.
    pub exceptions: &'a Exceptions,
    /// Whether alerts are made of what is kept quiet.
    pub quiet: QuietHits,
}

impl Judging<'_> {
    /// An alert of a hit, or why there is none. What is kept quiet does not count.
    fn hit(&self, hit: &Hit<'_>) -> Made<(usize, Judged)> {
        let Judging { views, exceptions, quiet } = self;
        if !hit.raises {
            let kept = exceptions.quiet(hit, views);
            let judged = kept.map(|by| (hit.rule_at, Judged::Quiet { by, alert: None }));
            return Made { counts: judged.is_none(), item: judged };
        }
        let judged = exceptions.judge(hit, views, *quiet);
        let counts = matches!(judged, Judged::Alert(_));
        Made { item: Some((hit.rule_at, judged)), counts }
    }

    fn found(&self, found: &Found<'_>) -> Judged {
        let alert = Box::new(Alert::from_found(found, self.views));
        match self.exceptions.quiet_alert(&alert) {
            None => Judged::Alert(alert),
            Some(by) => {
                Judged::Quiet { by, alert: (self.quiet == QuietHits::Shown).then_some(alert) }
            }
        }
    }
}

/// Runs a plan over logs and hands over what comes out. Alerts of building blocks are among it.
///
/// # Errors
///
/// When there is no room on disk for what stages wait for, or a log cannot be read again.
pub fn run(
    plan: &Plan,
    judging: &Judging<'_>,
    settings: &ScanSettings,
    logs: &[LogFile],
    stop: &AtomicBool,
    mut each: impl FnMut(Passed),
) -> io::Result<StateCounts> {
    let excepted = |rule: &Arc<Rule>| judging.exceptions.about(rule).next().is_some();
    let checked = plan.rules().iter().map(excepted).collect();
    let mut session = Session::new(plan, judging.views, settings.clone(), checked);
    let strata = plan.strata().count();
    let mut written = AlertLogs::new(plan, strata);
    let make = |hit: Hit<'_>| judging.hit(&hit);
    session.read(logs, None, stop, make, |outcome| {
        let UnitOutcome { log, hits, tally, members, end } = outcome;
        hits.iter().for_each(|(rule, judged)| written.add(*rule, judged));
        let hits = hits.into_iter().map(|(_, judged)| judged).collect();
        each(Passed::Unit(UnitOutcome { log, hits, tally, members, end }));
    })?;
    // What was read before an interruption is worked through all the same.
    let go_on = AtomicBool::new(false);
    for stratum in 0..strata {
        session.settle(stratum, &go_on, |found| {
            let judged = judging.found(found);
            written.add(found.rule_at, &judged);
            let counts = matches!(judged, Judged::Alert(_));
            each(Passed::Later(judged));
            counts
        })?;
        let Some(log) = written.finish(stratum)? else { continue };
        session.read(&[log], Some(stratum), &go_on, make, |outcome| {
            for (rule, judged) in outcome.hits {
                written.add(rule, &judged);
                each(Passed::Later(judged));
            }
        })?;
    }
    written.failed.map_or(Ok(()), Err)?;
    session.refused().iter().for_each(|refused| each(Passed::Refused(refused.clone())));
    Ok(session.counts())
}

/// Follows logs that are still being written until they end or `stop` is set; what comes out is
/// handed over as it is found.
///
/// # Errors
///
/// As [`run`].
pub fn follow(
    plan: &Plan,
    judging: &Judging<'_>,
    settings: &ScanSettings,
    logs: &[LogFile],
    stop: &Arc<AtomicBool>,
    each: &mut dyn FnMut(Passed),
) -> io::Result<StateCounts> {
    let excepted = |rule: &Arc<Rule>| judging.exceptions.about(rule).next().is_some();
    let checked = plan.rules().iter().map(excepted).collect();
    let mut session = Session::new(plan, judging.views, settings.clone(), checked);
    let strata = if plan.reads_alerts() { plan.strata().count() } else { 0 };
    let raised = vec![Vec::new(); strata];
    let mut watching = Watching { plan, judging, raised, each };
    session.follow(logs, stop, |hit: Hit<'_>| judging.hit(&hit), &mut watching)?;
    session.refused().iter().for_each(|refused| each(Passed::Refused(refused.clone())));
    Ok(session.counts())
}

struct Watching<'a> {
    plan: &'a Plan,
    judging: &'a Judging<'a>,
    /// Alerts that rules over alerts have not seen, by stratum, as lines.
    raised: Vec<Vec<u8>>,
    each: &'a mut dyn FnMut(Passed),
}

impl Watching<'_> {
    fn raise(&mut self, rule: usize, judged: &Judged) {
        let Judged::Alert(alert) = judged else { return };
        let Some(lines) = self.raised.get_mut(self.plan.strata().of[rule]) else { return };
        // An alert has nothing in it that JSON has not.
        if let Ok(line) = serde_json::to_vec(alert) {
            lines.extend(line);
            lines.push(b'\n');
        }
    }
}

impl Watcher<(usize, Judged)> for Watching<'_> {
    fn unit(&mut self, outcome: UnitOutcome<(usize, Judged)>) {
        let UnitOutcome { log, hits, tally, members, end } = outcome;
        hits.iter().for_each(|(rule, judged)| self.raise(*rule, judged));
        let hits = hits.into_iter().map(|(_, judged)| judged).collect();
        let outcome = UnitOutcome { log, hits, tally, members, end };
        (self.each)(Passed::Unit(outcome));
    }

    fn found(&mut self, found: &Found<'_>) -> bool {
        let judged = self.judging.found(found);
        self.raise(found.rule_at, &judged);
        let counts = matches!(judged, Judged::Alert(_));
        (self.each)(Passed::Later(judged));
        counts
    }

    fn over_alerts(&mut self, made: Vec<(usize, Judged)>) {
        for (rule, judged) in made {
            self.raise(rule, &judged);
            (self.each)(Passed::Later(judged));
        }
    }

    fn alerts(&mut self, stratum: usize) -> Vec<u8> {
        self.raised.get_mut(stratum).map(std::mem::take).unwrap_or_default()
    }
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

    fn add(&mut self, rule: usize, judged: &Judged) {
        let Judged::Alert(alert) = judged else { return };
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
