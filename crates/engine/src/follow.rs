//! Logs that are still being written: what rules make of events as they arrive.
//!
//! Each log has a thread that waits for its records; everything else happens on the calling thread,
//! in the order of arrival. What comes out is what a scan of the same logs gives, where events
//! arrive in the order of their time; rows that come too late for any window are counted.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Cursor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use rulestone_events::{Event, Fragment, Log, LogError, Tail, Tally, Unit};

use crate::join::{Joined, Joiner};
use crate::live::{Clocks, Live, sort};
use crate::order::{Origin, Row};
use crate::panes::Panes;
use crate::run::{Made, Phase, Taker, UnitReader, ingest_settings, of_joined};
use crate::session::{found, note_times};
use crate::spool::Line;
use crate::stages::{Finding, Outcome};
use crate::{Found, Hit, LogFile, Session, UnitOutcome};

/// Whoever looks at what comes out.
pub trait Watcher<T> {
    /// Takes what a stretch of a log gave, or that a log ended.
    fn unit(&mut self, outcome: UnitOutcome<T>);
    /// Takes a finding; returns whether it counts for the rules that read it.
    fn found(&mut self, found: &Found<'_>) -> bool;
    /// Takes what rules over alerts gave: as [`Watcher::unit`], but no log was read.
    fn over_alerts(&mut self, made: Vec<T>);
    /// The alerts of a stratum since this was last asked, as a log of them.
    fn alerts(&mut self, stratum: usize) -> Vec<u8>;
}

/// What a log's thread has to say.
enum Message {
    Unit(usize, u64, Unit),
    End(usize, Result<(), LogError>),
}

/// Units that wait to be read before the threads of logs wait themselves.
const WAITING: usize = 8;

/// How long to wait for something to happen.
const PAUSE: Duration = Duration::from_millis(100);

/// Events kept for findings they may be evidence of.
const EVENTS: usize = 1 << 15;

impl Session<'_> {
    /// Follows logs until they end or `stop` is set; files end only then.
    ///
    /// # Errors
    ///
    /// None so far: what cannot be read is the end of that log.
    pub fn follow<T: Send>(
        &mut self,
        logs: &[LogFile],
        stop: &Arc<AtomicBool>,
        make: impl Fn(Hit<'_>) -> Made<T> + Sync,
        watcher: &mut dyn Watcher<T>,
    ) -> io::Result<()> {
        let first_log = self.logs.len() as u32;
        self.logs.extend_from_slice(logs);
        let checked = self.checked.clone();
        let phase =
            Phase { first_log, above: None, checked: &checked, any_checked: true, copy: None };
        let taker = Taker { plan: self.plan, make: &make, phase };
        let mut reader = UnitReader::new(taker, &self.settings);
        reader.rows.set_live();
        reader.piped.set_live();
        let joiner = Joiner::new(taker, &self.settings, &ingest_settings(&self.settings));
        let strata = self.plan.strata().count().max(1);
        let mut following = Following {
            session: self,
            logs,
            reader,
            joiner,
            live: (0..strata).map(|_| Live::default()).collect(),
            rows: (0..strata).map(|_| Vec::new()).collect(),
            lines: (0..strata).map(|_| BTreeMap::new()).collect(),
            line_bytes: 0,
            closed: i64::MIN,
            kept: Kept::default(),
            watcher,
        };
        following.run(stop);
        following.end();
        Ok(())
    }
}

/// Events that findings may need, the latest of them.
#[derive(Default)]
struct Kept {
    events: HashMap<Origin, (Arc<str>, Event)>,
    order: std::collections::VecDeque<Origin>,
}

impl Kept {
    fn add(&mut self, origin: Origin, log: Arc<str>, event: Event) {
        if self.events.insert(origin, (log, event)).is_none() {
            self.order.push_back(origin);
        }
        if self.order.len() > EVENTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.events.remove(&oldest);
        }
    }
}

struct Following<'f, 'p, T, M> {
    session: &'f mut Session<'p>,
    logs: &'f [LogFile],
    reader: UnitReader<'f, M>,
    joiner: Joiner<'f, M>,
    live: Vec<Live>,
    /// Rows for each stratum that its stages have not seen.
    rows: Vec<Vec<Row>>,
    /// Rows of pipelines for each stratum, by the time at which their pane is worked through.
    lines: Vec<BTreeMap<i64, Vec<Line>>>,
    /// Their bytes.
    line_bytes: usize,
    /// The time up to which panes were worked through.
    closed: i64,
    kept: Kept,
    watcher: &'f mut dyn Watcher<T>,
}

impl<T: Send, M: Fn(Hit<'_>) -> Made<T>> Following<'_, '_, T, M> {
    fn run(&mut self, stop: &Arc<AtomicBool>) {
        let (receiver, mut open) = watch_all(self.logs, stop);
        loop {
            match receiver.recv_timeout(PAUSE) {
                Ok(Message::Unit(log, number, unit)) => self.take(unit, (log, number)),
                Ok(Message::End(log, end)) => {
                    open[log] = false;
                    let (hits, tally) = (Vec::new(), Tally::default());
                    let members = Vec::new();
                    self.watcher.unit(UnitOutcome { log, hits, tally, members, end: Some(end) });
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // Nobody can end a wait for standard input.
            let files = self.logs.iter().zip(&open).any(|(log, open)| *open && log.path.is_some());
            if stop.load(Ordering::Relaxed) && !files {
                return;
            }
        }
    }

    fn take(&mut self, unit: Unit, place: (usize, u64)) {
        let (outcome, fragments) = self.reader.read(unit, place);
        note_times(&outcome.tally, &mut self.session.hosts, &mut self.session.latest);
        self.watcher.unit(outcome);
        self.join(fragments);
        self.collect();
        self.settle(false);
    }

    fn join(&mut self, fragments: Vec<Fragment>) {
        let early = self.joiner.add(fragments);
        let complete = self.joiner.complete();
        [early, complete].into_iter().flatten().for_each(|joined| self.joined(joined));
    }

    fn joined(&mut self, joined: Joined<T>) {
        self.watcher.unit(of_joined(joined, self.logs));
    }

    /// Takes the rows and events out of what read them.
    fn collect(&mut self) {
        for (rows, made) in [self.reader.rows.take(), self.joiner.rows().take()] {
            for (all, own) in self.rows.iter_mut().zip(rows) {
                all.extend(own);
            }
            made.into_iter().for_each(|(origin, log, event)| self.kept.add(origin, log, event));
        }
        for lines in [self.reader.piped.take_lines(), self.joiner.piped().take_lines()] {
            for (panes, own) in self.lines.iter_mut().zip(lines) {
                for line in own {
                    let rule = &self.session.plan.rules()[line.key.rule as usize];
                    let due = line.key.pane.saturating_add(rule.clock.offset().ticks());
                    if due <= self.closed {
                        self.session.counts.late += 1;
                    } else {
                        self.line_bytes += line.bytes();
                        panes.entry(due).or_default().push(line);
                    }
                }
            }
        }
    }

    /// Works the panes of a stratum through that time has closed; all of them at the end, and the
    /// first ones before their time where too much waits.
    fn close_panes(&mut self, stratum: usize, ending: bool) -> Vec<Finding> {
        let Session { plan, latest, settings, counts, refused, .. } = &mut *self.session;
        let now = if ending { i64::MAX } else { latest.unwrap_or(i64::MIN) };
        let mut panes = Panes::new(plan, settings.memory / 2, *latest);
        while let Some(first) = self.lines[stratum].first_entry() {
            let is_due = *first.key() <= now;
            if !is_due && self.line_bytes <= settings.memory / 4 {
                break;
            }
            let mut lines = first.remove();
            lines.sort_unstable();
            lines.iter().for_each(|line| panes.line(line));
            panes.close();
            self.line_bytes -= lines.iter().map(Line::bytes).sum::<usize>().min(self.line_bytes);
            if is_due {
                self.closed = self.closed.max(now.min(i64::MAX - 1));
            } else {
                counts.evicted += 1;
            }
        }
        counts.rows += panes.rows;
        refused.append(&mut panes.refused);
        panes.findings
    }

    /// Lets each stratum work on its rows, the lower ones first.
    fn settle(&mut self, ending: bool) {
        for stratum in 0..self.live.len() {
            let mut out = Outcome::default();
            let rows = std::mem::take(&mut self.rows[stratum]);
            let Session { plan, hosts, latest, counts, settings, .. } = &mut *self.session;
            counts.rows += rows.len() as u64;
            let clocks = Clocks { run: latest.unwrap_or(i64::MIN), hosts };
            // Half of the memory for the groups of all strata.
            let most = settings.memory / 2 / self.live.len();
            let live = &mut self.live[stratum];
            counts.evicted += live.add(plan, rows, &clocks, most, &mut out);
            if ending {
                live.end(&clocks, &mut out);
            }
            counts.undecided += out.undecided;
            counts.late += out.late;
            counts.cut += out.findings.iter().filter(|finding| finding.cut).count() as u64;
            out.findings.extend(self.close_panes(stratum, ending));
            sort(&mut out.findings);
            for finding in &out.findings {
                let found =
                    found(self.session.plan, self.session.views, finding, &self.kept.events);
                if self.watcher.found(&found) {
                    for row in self.session.rows_of(&found) {
                        let stratum = self.session.plan.strata().of[row.rule as usize];
                        self.rows[stratum].push(row);
                    }
                }
            }
            self.over_alerts(stratum);
        }
    }

    /// Lets rules of higher strata read the alerts of one.
    fn over_alerts(&mut self, stratum: usize) {
        let text = self.watcher.alerts(stratum);
        if text.is_empty() {
            return;
        }
        let Ok(mut log) = Log::from_reader(Cursor::new(text), "alerts".into()) else { return };
        self.reader.set_above(Some(stratum));
        // Behind all logs, one for each stratum.
        let place = self.logs.len() + stratum;
        while let Some(unit) = log.next_unit() {
            self.session.alert_units += 1;
            let (outcome, _) = self.reader.read(unit, (place, self.session.alert_units));
            self.watcher.over_alerts(outcome.hits);
        }
        self.reader.set_above(None);
        self.collect();
    }

    /// What waits for others is looked at by itself, and windows that are open are cut.
    fn end(&mut self) {
        if let Some(joined) = self.joiner.run_rest() {
            self.joined(joined);
        }
        self.collect();
        self.settle(true);
        let unkept = [self.reader.rows.unkept(), self.joiner.rows().unkept()];
        unkept.into_iter().for_each(|unkept| self.session.count(unkept));
    }
}

/// Starts a thread for each log. Returns what they say, and that all are open.
fn watch_all(logs: &[LogFile], stop: &Arc<AtomicBool>) -> (Receiver<Message>, Vec<bool>) {
    let (sender, receiver) = sync_channel(WAITING);
    for (at, log) in logs.iter().enumerate() {
        let (log, stop, sender) = (log.clone(), stop.clone(), sender.clone());
        // Not joined: one that waits for standard input may never end.
        std::thread::spawn(move || {
            let end = Watch { at, units: 0, stop, sender: &sender }.log(&log);
            let _ = sender.send(Message::End(at, end));
        });
    }
    (receiver, vec![true; logs.len()])
}

/// The thread of a log.
struct Watch<'a> {
    at: usize,
    units: u64,
    stop: Arc<AtomicBool>,
    sender: &'a SyncSender<Message>,
}

impl Watch<'_> {
    fn log(&mut self, file: &LogFile) -> Result<(), LogError> {
        let Some(path) = &file.path else {
            return self.units(Log::live(io::stdin(), file.name.clone())?);
        };
        loop {
            let tail = match Tail::open(path, self.stop.clone()) {
                Ok(tail) => tail,
                // While a file is being replaced there is none for a moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.units > 0 => {
                    if self.stop.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match Log::live(tail, file.name.clone()) {
                Ok(log) => self.units(log)?,
                // A log of a format that does not grow is read as it is.
                Err(_) => return self.units(Log::open(path, file.name.clone())?),
            }
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
    }

    fn units(&mut self, mut log: Log) -> Result<(), LogError> {
        while let Some(unit) = log.next_unit() {
            if self.sender.send(Message::Unit(self.at, self.units, unit)).is_err() {
                return Ok(());
            }
            self.units += 1;
        }
        let failed = log.failure().map(|failure| io::Error::other(failure.to_owned()));
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}
