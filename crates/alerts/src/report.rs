//! What a scan did, counted: for the closing screen and for `--format json`.

mod json;
mod rules;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rulestone_engine::StateCounts;
use rulestone_events::{KindTally, Tally};
use rulestone_ir::{Rule, Severity};
use rulestone_value::Time;

use crate::alert::Alert;
use crate::attack::Tactic;
use crate::counts::Counts;
use crate::entity::EntityType;
use crate::suppress::ExceptionUse;

pub use rules::{Binding, ListedRule, Missing, MissingLog, MissingSort, Reason, RuleCounts};

/// Accumulates what a scan did. Its memory grows with the rules, the kinds of events and the days
/// with alerts, and is bounded for whatever else logs may hold any number of.
#[derive(Debug, Clone, Default)]
pub struct Report {
    alerts: u64,
    by_severity: [u64; Severity::ALL.len()],
    fired: Vec<FiredRule>,
    fired_at: HashMap<usize, usize>,
    hosts: Counts,
    users: Counts,
    tactics: BTreeMap<&'static Tactic, u64>,
    techniques: BTreeMap<String, u64>,
    days: BTreeMap<i64, u64>,
    tally: Tally,
    logs: LogCounts,
    rules: RuleCounts,
    binding: Option<Binding>,
    cost: Option<Cost>,
    exceptions: Vec<ExceptionUse>,
    notes: Vec<Note>,
    hints: Vec<Hint>,
    state: StateCounts,
}

/// Something to know before the result is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is.
    pub text: String,
    /// How often.
    pub count: u64,
}

/// A rule that fired.
#[derive(Debug, Clone)]
pub struct FiredRule {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Its alerts.
    pub count: u64,
    /// The worst severity among them.
    pub severity: Severity,
    /// The earliest and the latest time among them.
    pub span: Option<(Time, Time)>,
}

/// Logs that were read and that were not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// Read to their end.
    pub read: u64,
    /// Not opened, or not read to their end.
    pub failed: u64,
    /// The first of those that failed, with the reason.
    pub failures: Vec<(Arc<str>, String)>,
    /// Those that failed by the reason, with the first of each.
    pub reasons: BTreeMap<String, (u64, Arc<str>)>,
}

/// What a scan took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Time on the clock.
    pub elapsed: Duration,
    /// The most memory in use, in bytes, where the system tells.
    pub peak_memory: Option<u64>,
}

/// A command that is worth running next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The command, ready to be copied.
    pub command: String,
    /// What it is for, in a few words.
    pub purpose: String,
}

/// Failures that are remembered with their log and reason.
const FAILURES: usize = 100;

impl Report {
    /// Counts an alert.
    pub fn add_alert(&mut self, alert: &Alert) {
        self.alerts += 1;
        self.by_severity[alert.severity as usize] += 1;
        self.fired(alert);
        for entity in &alert.entities {
            match entity.kind {
                EntityType::Host => self.hosts.add(&entity.value),
                EntityType::User => self.users.add(&entity.value),
                _ => {}
            }
        }
        for tactic in &alert.tactics {
            *self.tactics.entry(tactic).or_default() += 1;
        }
        for technique in &alert.techniques {
            let id = technique.technique.map_or(technique.id.as_str(), |technique| technique.id);
            match self.techniques.get_mut(id) {
                Some(count) => *count += 1,
                None => {
                    self.techniques.insert(id.to_owned(), 1);
                }
            }
        }
        if let Some(time) = alert.time {
            *self.days.entry(day_of(time)).or_default() += 1;
        }
    }

    fn fired(&mut self, alert: &Alert) {
        // Rules are told apart by where they are, not by their ids: vendors repeat those. The
        // report keeps the rule, so that its place is not given to another.
        let at = *self.fired_at.entry(Arc::as_ptr(&alert.rule) as usize).or_insert_with(|| {
            let rule = alert.rule.clone();
            self.fired.push(FiredRule { rule, count: 0, severity: alert.severity, span: None });
            self.fired.len() - 1
        });
        let fired = &mut self.fired[at];
        fired.count += 1;
        fired.severity = fired.severity.max(alert.severity);
        if let Some(time) = alert.time {
            let (first, last) = fired.span.unwrap_or((time, time));
            fired.span = Some((first.min(time), last.max(time)));
        }
    }

    /// Adds what was counted while reading. Field names are not kept.
    pub fn add_tally(&mut self, tally: &Tally) {
        let kinds = tally.kinds.iter().map(|(kind, counted)| {
            let KindTally { events, span, .. } = counted;
            (kind.clone(), KindTally { events: *events, span: *span, ..KindTally::default() })
        });
        self.tally.add(Tally {
            events: tally.events,
            outside_time: tally.outside_time,
            bytes: tally.bytes,
            kinds: kinds.collect(),
            skipped: tally.skipped.clone(),
            ..Tally::default()
        });
    }

    /// Counts a log at its end: why it could not be read, if so.
    pub fn add_log(&mut self, log: &Arc<str>, failure: Option<&dyn std::fmt::Display>) {
        let Some(failure) = failure else {
            self.logs.read += 1;
            return;
        };
        self.logs.failed += 1;
        let reason = failure.to_string();
        let reasons = &mut self.logs.reasons;
        if reasons.len() < FAILURES || reasons.contains_key(&reason) {
            reasons.entry(reason.clone()).or_insert_with(|| (0, log.clone())).0 += 1;
        }
        if self.logs.failures.len() < FAILURES {
            self.logs.failures.push((log.clone(), reason));
        }
    }

    /// Counts a rule that was found, whatever became of it.
    pub fn add_rule(&mut self, rule: &ListedRule<'_>) {
        self.rules.add(rule);
    }

    /// Says which rules could have fired on the logs.
    pub fn set_binding(&mut self, binding: Binding) {
        self.binding = Some(binding);
    }

    /// Says what the scan took.
    pub fn set_cost(&mut self, cost: Cost) {
        self.cost = Some(cost);
    }

    /// Says what rules that look at several events together did not look at.
    pub fn set_state(&mut self, state: StateCounts) {
        self.state = state;
        let notes = [
            (state.untimed, "hits have no time, so rules over several events do not see them"),
            (state.keyless, "hits lack a field that a rule groups by"),
            (state.valueless, "hits lack the field that a rule counts or sums"),
            (
                state.crowded,
                "hits have lists that put them in more than 100 groups: the first count",
            ),
            (state.undecided, "windows or absences were undecided when the logs ended"),
            (state.cut, "alerts are of windows that the end of the logs cut"),
            (state.late, "hits came too late for any window"),
            (state.evicted, "groups were forgotten for lack of memory: give more with --memory"),
        ];
        notes.into_iter().for_each(|(count, text)| self.add_note(text, count));
    }

    /// What rules that look at several events together did not look at.
    pub fn state(&self) -> StateCounts {
        self.state
    }

    /// Says what each exception did.
    pub fn set_exceptions(&mut self, exceptions: Vec<ExceptionUse>) {
        self.exceptions = exceptions;
    }

    /// Adds something to know before the result is trusted, and how often it was so. Equal texts
    /// add up; nothing is no news.
    pub fn add_note(&mut self, text: impl Into<String>, count: u64) {
        let text = text.into();
        match self.notes.iter_mut().find(|note| note.text == text) {
            _ if count == 0 => {}
            Some(note) => note.count += count,
            None => self.notes.push(Note { text, count }),
        }
    }

    /// Adds a command that is worth running next; the first added is the first shown.
    pub fn add_hint(&mut self, command: impl Into<String>, purpose: impl Into<String>) {
        self.hints.push(Hint { command: command.into(), purpose: purpose.into() });
    }

    /// Alerts.
    pub fn alerts(&self) -> u64 {
        self.alerts
    }

    /// Alerts of one severity.
    pub fn alerts_of(&self, severity: Severity) -> u64 {
        self.by_severity[severity as usize]
    }

    /// The worst severity among the alerts.
    pub fn worst(&self) -> Option<Severity> {
        Severity::ALL.into_iter().rev().find(|severity| self.alerts_of(*severity) > 0)
    }

    /// The rules that fired: the worst first, then those that fired most, then by title.
    pub fn fired_rules(&self) -> Vec<&FiredRule> {
        use std::cmp::Reverse;
        let mut fired: Vec<&FiredRule> = self.fired.iter().collect();
        fired.sort_by_key(|fired| {
            let (meta, origin) = (&fired.rule.meta, &fired.rule.origin);
            (Reverse(fired.severity), Reverse(fired.count), &meta.title, &meta.id, &origin.path)
        });
        fired
    }

    /// The hosts that alerts are about.
    pub fn hosts(&self) -> &Counts {
        &self.hosts
    }

    /// The users that alerts are about.
    pub fn users(&self) -> &Counts {
        &self.users
    }

    /// Alerts by tactic, in the order of the kill chain.
    pub fn tactics(&self) -> &BTreeMap<&'static Tactic, u64> {
        &self.tactics
    }

    /// Alerts by the current id of a technique.
    pub fn techniques(&self) -> &BTreeMap<String, u64> {
        &self.techniques
    }

    /// The day with most alerts, as `2024-05-14`, and how many.
    pub fn busiest_day(&self) -> Option<(String, u64)> {
        let most = self.days.iter().max_by_key(|(day, count)| (**count, std::cmp::Reverse(**day)));
        most.and_then(|(day, count)| Some((date_of(*day)?, *count)))
    }

    /// What was counted while reading.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Logs that were read and that were not.
    pub fn logs(&self) -> &LogCounts {
        &self.logs
    }

    /// The rules that were found.
    pub fn rules(&self) -> &RuleCounts {
        &self.rules
    }

    /// Which rules could have fired on the logs, once that is known.
    pub fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// What the scan took, once that is known.
    pub fn cost(&self) -> Option<Cost> {
        self.cost
    }

    /// What each exception did, in the order in which they are asked.
    pub fn exceptions(&self) -> &[ExceptionUse] {
        &self.exceptions
    }

    /// Hits that exceptions kept quiet: no alerts.
    pub fn kept_quiet(&self) -> u64 {
        self.exceptions.iter().map(|exception| exception.kept).sum()
    }

    /// What to know before the result is trusted.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Commands that are worth running next.
    pub fn hints(&self) -> &[Hint] {
        &self.hints
    }

    /// Events read for each second on the clock.
    pub fn events_per_second(&self) -> Option<f64> {
        let seconds = self.cost?.elapsed.as_secs_f64();
        (seconds > 0.0).then(|| self.tally.events as f64 / seconds)
    }
}

const TICKS_PER_DAY: i64 = 86_400 * 10_000_000;

fn day_of(time: Time) -> i64 {
    time.ticks().div_euclid(TICKS_PER_DAY)
}

fn date_of(day: i64) -> Option<String> {
    let text = Time::from_ticks(day.checked_mul(TICKS_PER_DAY)?).to_string();
    text.split_once('T').map(|(date, _)| date.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::alerts;

    #[test]
    fn alerts_are_counted() {
        let mut report = Report::default();
        alerts().iter().for_each(|alert| report.add_alert(alert));
        assert_eq!(report.alerts(), 4);
        assert_eq!(report.worst(), Some(Severity::Critical));
        assert_eq!(report.alerts_of(Severity::High), 2);
        let fired: Vec<_> =
            report.fired_rules().iter().map(|f| (f.rule.meta.title.as_str(), f.count)).collect();
        assert_eq!(
            fired,
            [
                ("Event Log Cleared", 1),
                ("Account Lookup With Whoami", 2),
                ("Upload By A Script, With \"Quotes\", Commas", 1)
            ]
        );
        let tactics: Vec<_> = report.tactics().iter().map(|(t, n)| (t.name, *n)).collect();
        assert_eq!(tactics, [("Defense Impairment", 1), ("Discovery", 2), ("Exfiltration", 1)]);
        assert_eq!(report.techniques()["T1685.005"], 1, "counted under the current id");
        assert_eq!(report.busiest_day(), Some(("2024-05-14".to_owned(), 2)));
        assert_eq!(report.hosts().top(1)[0].count, 3);
    }

    #[test]
    fn notes_add_up() {
        let mut report = Report::default();
        for (text, count) in
            [("late events", 2), ("nothing", 0), ("undecided", 1), ("late events", 3)]
        {
            report.add_note(text, count);
        }
        let notes: Vec<_> = report.notes().iter().map(|n| (n.text.as_str(), n.count)).collect();
        assert_eq!(notes, [("late events", 5), ("undecided", 1)]);
    }

    #[test]
    fn failures_are_remembered_up_to_a_bound() {
        let mut report = Report::default();
        report.add_log(&"good.evtx".into(), None);
        for at in 0..FAILURES + 5 {
            report.add_log(&format!("{at}.evtx").into(), Some(&"not read: zip archive"));
        }
        let logs = report.logs();
        assert_eq!((logs.read, logs.failed), (1, FAILURES as u64 + 5));
        assert_eq!(logs.failures.len(), FAILURES);
    }
}
