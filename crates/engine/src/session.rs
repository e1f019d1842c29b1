//! A scan with state: what logs give first, then stratum by stratum what rules make of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rulestone_events::{Event, Fields, Ingest, ScopeKind, Settings, Tally, Views};
use rulestone_ir::{Input, Rule, Source};
use rulestone_value::{Time, Value};

use crate::coded::Waiting;
use crate::demand::Demand;
use crate::feed::{Wanted, host_hash};
use crate::live::sort;
use crate::order::{Merge, Origin, Row, Sorter};
use crate::panes::{Panes, Refused};
use crate::piped::Piped;
use crate::reference::{field_value, lets_through};
use crate::run::{Collected, Made, Phase, Unkept, open};
use crate::spool::{Lines, Spool};
use crate::stages::{Finding, Machine, Mark, Outcome};
use crate::{Hit, LogFile, Plan, ScanSettings, UnitOutcome, scan_phase};

/// A plan at work: rows of hits wait here for the strata that read them.
pub struct Session<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) views: &'p Views,
    pub(crate) settings: ScanSettings,
    /// For each rule, whether its hits may not count.
    pub(crate) checked: Vec<bool>,
    /// Every log read so far, alerts among them.
    pub(crate) logs: Vec<LogFile>,
    /// Rows for each stratum.
    waiting: Vec<Vec<Sorter>>,
    /// Rows of pipelines for each stratum.
    spooled: Vec<Vec<Spool>>,
    /// Events that wait as codes for pipelines of any stratum.
    coded: Waiting,
    /// Panes that could not be worked through.
    pub(crate) refused: Vec<Refused>,
    /// Events that no log has as they are: they cannot be read again.
    made: HashMap<Origin, (Arc<str>, Event)>,
    pub(crate) hosts: HashMap<u64, i64>,
    pub(crate) latest: Option<i64>,
    pub(crate) counts: StateCounts,
    /// What came from standard input, where it may have to be read again.
    copy: Option<tempfile::TempPath>,
    /// Stretches of alerts read while logs are followed.
    pub(crate) alert_units: u64,
}

/// What stages did not look at, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateCounts {
    /// Rows that stages read.
    pub rows: u64,
    /// Of them, those that were on disk in between.
    pub spilled: u64,
    /// Hits of events without a time.
    pub untimed: u64,
    /// Hits that lack a field of the group's key.
    pub keyless: u64,
    /// Hits that lack what is measured.
    pub valueless: u64,
    /// Hits that lists in their key put in more groups than are kept.
    pub crowded: u64,
    /// Windows and absences that the end of the logs left undecided.
    pub undecided: u64,
    /// Findings of windows that the end of the logs cut.
    pub cut: u64,
    /// Rows that came later than any window they could be in.
    pub late: u64,
    /// Groups that were forgotten for lack of memory.
    pub evicted: u64,
}

/// A finding with what an alert needs.
pub struct Found<'a> {
    /// The rule.
    pub rule: &'a Arc<Rule>,
    /// Its place in the plan.
    pub rule_at: usize,
    /// What was found.
    pub finding: &'a Finding,
    /// The group's key, by the names the rule has for it.
    pub key: Vec<(Arc<str>, Value)>,
    /// The first events it rests on, and the last where it is not among them.
    pub evidence: Vec<FoundEvent>,
}

/// An event that a finding rests on, read again.
#[derive(Clone)]
pub struct FoundEvent {
    /// The log as the user named it.
    pub log: Arc<str>,
    /// The event.
    pub event: Event,
    /// Which of the stage's inputs it came through.
    pub input: usize,
    /// How fields read in it; `None` where no source lets it through any more.
    pub scope_kind: Option<Arc<ScopeKind>>,
}

/// Events read again at a time.
const AT_A_TIME: usize = 20_000;

impl<'p> Session<'p> {
    /// A session in which nothing was read. Hits of rules that `checked` names, by place, are
    /// handed over even if nobody looks at them, because they may not count.
    pub fn new(
        plan: &'p Plan,
        views: &'p Views,
        settings: ScanSettings,
        checked: Vec<bool>,
    ) -> Self {
        let ingest = Settings { hosts: plan.needs_hosts(), ..settings.ingest.clone() };
        let strata = plan.strata().count().max(1);
        Session {
            plan,
            views,
            settings: ScanSettings { ingest, ..settings },
            checked,
            logs: Vec::new(),
            waiting: (0..strata).map(|_| Vec::new()).collect(),
            spooled: (0..strata).map(|_| Vec::new()).collect(),
            coded: Waiting::default(),
            refused: Vec::new(),
            made: HashMap::new(),
            hosts: HashMap::new(),
            latest: None,
            counts: StateCounts::default(),
            copy: None,
            alert_units: 0,
        }
    }

    /// Reads logs, as [`crate::scan`] does. `above` is the stratum whose alerts the logs are:
    /// rules up to it do not see them; `None` for logs of events.
    ///
    /// # Errors
    ///
    /// When there is no room on disk for the rows that stages wait for.
    pub fn read<T: Send>(
        &mut self,
        logs: &[LogFile],
        above: Option<usize>,
        stop: &AtomicBool,
        make: impl Fn(Hit<'_>) -> Made<T> + Sync,
        mut each: impl FnMut(UnitOutcome<T>),
    ) -> io::Result<()> {
        let first_log = self.logs.len() as u32;
        self.logs.extend_from_slice(logs);
        let (hosts, latest) = (&mut self.hosts, &mut self.latest);
        if self.copy.is_none() && self.plan.has_state() && logs.iter().any(|l| l.path.is_none()) {
            self.copy = Some(tempfile::NamedTempFile::new()?.into_temp_path());
        }
        let copy = self.copy.as_deref();
        let any_checked = self.checked.contains(&true);
        let phase = Phase { first_log, above, checked: &self.checked, any_checked, copy };
        let collected =
            scan_phase(logs, self.plan, &self.settings, stop, phase, make, |outcome| {
                note_times(&outcome.tally, hosts, latest);
                each(outcome);
            })?;
        let Collected { sorters, spools, coded, refused, unkept, made } = collected;
        self.coded.add(coded);
        let refused = refused.into_iter().map(|(rule, refusal)| Refused::new(rule, None, refusal));
        self.refused.extend(refused);
        self.made.extend(made.into_iter().map(|(origin, log, event)| (origin, (log, event))));
        for (waiting, sorters) in self.waiting.iter_mut().zip(sorters) {
            waiting.extend(sorters);
        }
        for (waiting, spools) in self.spooled.iter_mut().zip(spools) {
            waiting.extend(spools.into_iter().filter(|spool| !spool.is_empty()));
        }
        self.count(unkept);
        Ok(())
    }

    pub(crate) fn count(&mut self, unkept: Unkept) {
        self.counts.untimed += unkept.untimed;
        self.counts.keyless += unkept.keyless;
        self.counts.valueless += unkept.valueless;
        self.counts.crowded += unkept.crowded;
    }

    /// What stages did not look at.
    pub fn counts(&self) -> StateCounts {
        self.counts
    }

    /// Panes that stages could not work through.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Runs the stages of a stratum over what waits for it. Findings come in the order of time;
    /// `each` says whether one counts for the rules that read it.
    ///
    /// # Errors
    ///
    /// When rows on disk cannot be read back or logs not be read again.
    pub fn settle(
        &mut self,
        stratum: usize,
        stop: &AtomicBool,
        mut each: impl FnMut(&Found<'_>) -> bool,
    ) -> io::Result<()> {
        let waiting = self.waiting.get_mut(stratum).map(std::mem::take).unwrap_or_default();
        let mut findings = self.findings(waiting)?;
        let spooled = self.spooled.get_mut(stratum).map(std::mem::take).unwrap_or_default();
        findings.extend(self.of_panes(stratum, spooled)?);
        sort(&mut findings);
        for some in stretches(&findings) {
            if stop.load(std::sync::atomic::Ordering::Relaxed) {
                break;
            }
            let events = self.read_again(some)?;
            for finding in some {
                let found = found(self.plan, self.views, finding, &events);
                if each(&found) {
                    self.pass_on(&found)?;
                }
            }
        }
        Ok(())
    }

    fn findings(&mut self, waiting: Vec<Sorter>) -> io::Result<Vec<Finding>> {
        let mut merge = Merge::new(waiting)?;
        let mut group: Option<((u32, u128), Machine)> = None;
        let mut out = Outcome::default();
        while let Some(row) = merge.next()? {
            self.counts.rows += 1;
            let own = (row.rule, row.key);
            if group.as_ref().is_none_or(|(group, _)| *group != own) {
                if let Some((_, machine)) = group.take() {
                    self.finish(machine, &mut out);
                }
                let rule = &self.plan.rules()[row.rule as usize];
                group = Machine::new(rule).map(|machine| (own, machine));
            }
            if let Some((_, machine)) = &mut group {
                machine.add(&row, &mut out);
            }
        }
        if let Some((_, machine)) = group {
            self.finish(machine, &mut out);
        }
        self.counts.spilled += merge.spilled;
        self.counts.undecided += out.undecided;
        self.counts.late += out.late;
        self.counts.cut += out.findings.iter().filter(|finding| finding.cut).count() as u64;
        Ok(out.findings)
    }

    /// What pipelines make of the rows that wait for them.
    fn of_panes(&mut self, stratum: usize, spooled: Vec<Spool>) -> io::Result<Vec<Finding>> {
        let lines = Lines::new(spooled)?;
        // What is sorted in memory takes a quarter.
        let panes = Panes::new(self.plan, self.settings.memory / 2, self.latest);
        let alone = ScanSettings { jobs: 1, ..self.settings.clone() };
        let piped = Piped::new(self.plan, &alone);
        let (plan, waiting) = (self.plan, &self.coded);
        let mut demand = Demand { plan, waiting, lines, panes, piped, spilled: 0 };
        demand.work(stratum)?;
        let Demand { lines, panes, piped, spilled, .. } = demand;
        self.counts.rows += panes.rows;
        self.counts.spilled += lines.spilled + spilled;
        self.refused.extend(panes.refused);
        let refused = piped.into_refused().into_iter();
        self.refused.extend(refused.map(|(rule, refusal)| Refused::new(rule, None, refusal)));
        Ok(panes.findings)
    }

    /// Lets time pass to where the group's timer is when the logs end.
    fn finish(&self, mut machine: Machine, out: &mut Outcome) {
        let now = match &machine {
            Machine::Pattern(pattern) => match pattern.host() {
                Some(host) => self.hosts.get(&host).copied(),
                None => self.latest,
            },
            _ => self.latest,
        };
        if let Some(now) = now {
            machine.advance(now, out);
        }
        machine.end(out);
    }

    /// The rows of a finding, for the stages that read the rule.
    pub(crate) fn rows_of(&mut self, found: &Found<'_>) -> Vec<Row> {
        let last = found.evidence.iter().rev().find(|event| event.scope_kind.is_some());
        let Some(FoundEvent { event, scope_kind: Some(scope_kind), .. }) = last else {
            return Vec::new();
        };
        let mut rows: Vec<Row> = Vec::new();
        for feed in self.plan.feeds(found.rule_at, None, &event.kind, scope_kind) {
            let Finding { time, last, .. } = found.finding;
            if let Err(unfit) = feed.rows_of_event(event, *time, last.origin, &mut rows) {
                self.count(Unkept::of(unfit));
            }
        }
        rows
    }

    /// Gives a finding to the stages that read the rule.
    fn pass_on(&mut self, found: &Found<'_>) -> io::Result<()> {
        for row in self.rows_of(found) {
            let stratum = self.plan.strata().of[row.rule as usize];
            if self.waiting[stratum].is_empty() {
                self.waiting[stratum].push(Sorter::new(self.settings.memory / 8));
            }
            if let Some(sorter) = self.waiting[stratum].last_mut() {
                sorter.push(row)?;
            }
        }
        Ok(())
    }

    /// Reads the events that findings rest on once more.
    fn read_again(&self, findings: &[Finding]) -> io::Result<HashMap<Origin, (Arc<str>, Event)>> {
        let mut wanted: BTreeMap<u32, BTreeMap<u32, BTreeSet<u32>>> = BTreeMap::new();
        let mut events = HashMap::new();
        for mark in findings.iter().flat_map(marks) {
            if let Some(made) = self.made.get(&mark.origin) {
                events.insert(mark.origin, made.clone());
                continue;
            }
            let Origin { log, unit, position, .. } = mark.origin;
            wanted.entry(log).or_default().entry(unit).or_default().insert(position);
        }
        for (log, units) in wanted {
            let Some(file) = self.logs.get(log as usize) else { continue };
            let copy = self.copy.as_deref().map(Path::to_path_buf);
            let file = LogFile { path: file.path.clone().or(copy), ..file.clone() };
            read_units(&file, log, &units, &mut events)?;
        }
        Ok(events)
    }
}

/// Stretches of findings that rest on no more events than are read again at a time.
fn stretches(findings: &[Finding]) -> Vec<&[Finding]> {
    let (mut stretches, mut from) = (Vec::new(), 0);
    let mut events = BTreeSet::new();
    for (at, finding) in findings.iter().enumerate() {
        events.extend(marks(finding).map(|mark| mark.origin));
        if events.len() > AT_A_TIME && at > from {
            stretches.push(&findings[from..at]);
            events = marks(finding).map(|mark| mark.origin).collect();
            from = at;
        }
    }
    if from < findings.len() {
        stretches.push(&findings[from..]);
    }
    stretches
}

pub(crate) fn note_times(tally: &Tally, hosts: &mut HashMap<u64, i64>, latest: &mut Option<i64>) {
    *latest = (*latest).max(tally.span().map(|(_, last)| last.ticks()));
    for (host, time) in &tally.hosts {
        let last = hosts.entry(host_hash(host)).or_insert(i64::MIN);
        *last = (*last).max(Time::ticks(*time));
    }
}

/// The events of a finding, each once.
fn marks(finding: &Finding) -> impl Iterator<Item = &Mark> {
    let last = (!finding.evidence.contains(&finding.last)).then_some(&finding.last);
    finding.evidence.iter().chain(last)
}

/// Decodes the events at some places of a log.
fn read_units(
    file: &LogFile,
    log: u32,
    units: &BTreeMap<u32, BTreeSet<u32>>,
    events: &mut HashMap<Origin, (Arc<str>, Event)>,
) -> io::Result<()> {
    let mut open = open(file, None).map_err(|error| io::Error::other(error.to_string()))?;
    let mut ingest = Ingest::new(Settings::default());
    let last = units.keys().next_back().copied().unwrap_or(0);
    for at in 0..=last {
        let Some(unit) = open.next_unit() else { break };
        let Some(positions) = units.get(&at) else { continue };
        let name = unit.place.log.clone();
        // No column is wanted, only the places of the rows.
        let wanted = |position: usize| positions.contains(&(position as u32));
        ingest.read_where(unit.into_records(), &Fields::Some(Vec::new()), wanted, |batch| {
            for row in batch.rows {
                let position = row.position() as u32;
                let origin = Origin { log, record: row.record, unit: at, position };
                events.insert(origin, (name.clone(), batch.event(row)));
            }
        });
    }
    Ok(())
}

pub(crate) fn found<'p>(
    plan: &'p Plan,
    views: &Views,
    finding: &'p Finding,
    events: &HashMap<Origin, (Arc<str>, Event)>,
) -> Found<'p> {
    let rule_at = finding.rule as usize;
    let rule = &plan.rules()[rule_at];
    let evidence: Vec<FoundEvent> = marks(finding)
        .filter_map(|mark| {
            let (log, event) = events.get(&mark.origin)?.clone();
            let input = mark.input as usize;
            let scope_kind = reading(plan, views, rule_at, input, &event);
            Some(FoundEvent { log, event, input, scope_kind })
        })
        .collect();
    Found { rule, rule_at, finding, key: key(rule, finding.key, &evidence), evidence }
}

/// How fields read in an event that came through an input of a rule's stage.
fn reading(
    plan: &Plan,
    views: &Views,
    rule_at: usize,
    input: usize,
    event: &Event,
) -> Option<Arc<ScopeKind>> {
    let rule = &plan.rules()[rule_at];
    let source = match rule.stateful() {
        Some(stage) => match *stage.inputs.get(input)? {
            Input::Source(source) => source,
            Input::Stage(_) => return None,
        },
        None if rule.is_pipeline() => input,
        None => return None,
    };
    let read = |source: &Source| lets_through(source, views, event);
    let Source::RuleRef { .. } = &rule.sources[source] else {
        return read(&rule.sources[source]);
    };
    let before = rule.sources[..source].iter();
    let place = before.filter(|source| matches!(source, Source::RuleRef { .. })).count();
    let referred = (*plan.strata().references[rule_at].get(place)?)?;
    let rule = &plan.rules()[referred];
    match rule.stateful() {
        None => rule.sources.iter().find_map(read),
        Some(stage) => {
            (0..stage.inputs.len()).find_map(|input| reading(plan, views, referred, input, event))
        }
    }
}

/// The key of a finding's group, read from the first of its events that can be read.
fn key(rule: &Rule, group: u128, evidence: &[FoundEvent]) -> Vec<(Arc<str>, Value)> {
    let read = |event: &FoundEvent| {
        let kind = event.scope_kind.as_ref()?;
        let wanted = Wanted::new(rule, event.input)?;
        wanted.key(group, |name| field_value(name, kind, &event.event))
    };
    let values = evidence.iter().find_map(read).unwrap_or_default();
    group_fields(rule).into_iter().zip(values).collect()
}

/// The names of the fields that tell a rule's groups apart.
fn group_fields(rule: &Rule) -> Vec<Arc<str>> {
    use rulestone_ir::StageKind;
    let fields = match rule.stateful().map(|stage| &stage.kind) {
        Some(StageKind::Correlate(correlate)) => &correlate.by.fields,
        Some(StageKind::Threshold(threshold)) => &threshold.by.fields,
        Some(StageKind::Pattern(pattern)) => match pattern.subs.first() {
            Some(sub) => &sub.by.fields,
            None => return Vec::new(),
        },
        Some(StageKind::Rows(_)) | None => return Vec::new(),
    };
    fields.iter().map(|field| Arc::from(field.name())).collect()
}
