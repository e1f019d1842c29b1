//! The rules of a scan: what was found, what was loaded, what could have fired.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rulestone_engine::{Absent, BindSummary, Obstacle};
use rulestone_events::{Kind, Tally, title};
use rulestone_ir::{Diagnostic, Status};

/// A rule that was found.
#[derive(Debug, Clone, Copy)]
pub struct ListedRule<'a> {
    /// Its file, as the user named it.
    pub path: &'a str,
    /// How faithfully it runs.
    pub status: Status,
    /// What is to be said about it.
    pub diagnostics: &'a [Diagnostic],
    /// Why it was left aside although its language runs, if it was: `its status is "deprecated"`.
    pub set_aside: Option<&'a str>,
}

/// The rules that were found, by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleCounts {
    /// All of them.
    pub listed: u64,
    /// Those that were run.
    pub loaded: u64,
    /// Those of each status, left aside or not.
    pub statuses: BTreeMap<Status, u64>,
    /// What takes from rules how faithfully they run, by status and code of the diagnostic.
    pub reasons: BTreeMap<(Status, &'static str), Reason>,
    /// Rules that were left aside, by the reason.
    pub set_aside: BTreeMap<String, u64>,
}

/// One reason for a status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reason {
    /// The rules it holds for.
    pub rules: u64,
    /// What is said about the first of them.
    pub message: String,
    /// The first few of them, by their files.
    pub places: Vec<String>,
}

/// Which rules could have fired on the logs at hand, and what the others lack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binding {
    /// Rules that could have fired.
    pub able: u64,
    /// What is missing, with the rules each would let run: the most first.
    pub missing: Vec<Missing>,
    /// The same events by the logs they stand in: the log that lets most rules run first.
    pub missing_logs: Vec<MissingLog>,
    /// Rules that ask for what the events they look at never hold.
    pub never: u64,
    /// Why some kinds of events only stand in for what rules mean, with the rules that run on
    /// such kinds alone: the most first.
    pub stand_ins: Vec<(String, u64)>,
}

/// Something that is not in the logs and that rules wait for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// What it is.
    pub sort: MissingSort,
    /// Its name: a kind of events, fields that are needed together, the scope of a rule.
    pub name: String,
    /// What the kind of events is called, where it is one that the tables know.
    pub title: Option<&'static str>,
    /// The rules that would run if it were there. A rule that several kinds would serve counts
    /// for each of them.
    pub rules: u64,
}

/// A log with events that rules wait for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingLog {
    /// Its name: a Windows channel or provider, elsewhere product and dataset.
    pub name: String,
    /// Whether there were other events of it.
    pub here: bool,
    /// The rules that would run if it had all of these events. A rule that several logs would serve
    /// counts for each of them.
    pub rules: u64,
    /// The events, the most wanted first: places in [`Binding::missing`].
    pub events: Vec<usize>,
}

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MissingSort {
    /// A kind of events that was not in the logs.
    Event,
    /// Fields that the events at hand do not have.
    Field,
    /// A table that says which events serve a scope.
    Table,
}

impl MissingSort {
    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            MissingSort::Event => "event",
            MissingSort::Field => "field",
            MissingSort::Table => "table",
        }
    }
}

/// Places remembered for each reason.
const PLACES: usize = 3;

impl RuleCounts {
    pub(crate) fn add(&mut self, rule: &ListedRule<'_>) {
        self.listed += 1;
        *self.statuses.entry(rule.status).or_default() += 1;
        match rule.set_aside {
            Some(reason) => *self.set_aside.entry(reason.to_owned()).or_default() += 1,
            None if rule.status.runs() => self.loaded += 1,
            None => {}
        }
        self.add_reasons(rule);
    }

    /// A code that stands several times in one rule is one reason.
    fn add_reasons(&mut self, rule: &ListedRule<'_>) {
        let mut codes = Vec::new();
        for diagnostic in rule.diagnostics {
            let status = Status::of(std::slice::from_ref(diagnostic));
            if status != rule.status || status == Status::Exact || codes.contains(&diagnostic.code)
            {
                continue;
            }
            codes.push(diagnostic.code);
            let reason = self.reasons.entry((status, diagnostic.code)).or_default();
            reason.rules += 1;
            if reason.rules == 1 {
                reason.message = diagnostic.message.clone();
            }
            if reason.places.len() < PLACES {
                reason.places.push(rule.path.to_owned());
            }
        }
    }

    /// Rules of one status.
    pub fn of(&self, status: Status) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }
}

impl Binding {
    /// From what binding the rules to the events that were counted said.
    pub fn new(summary: &BindSummary, tally: &Tally) -> Self {
        let mut binding = Binding::default();
        let mut missing: BTreeMap<(MissingSort, String), u64> = BTreeMap::new();
        let mut wait = |sort, name| *missing.entry((sort, name)).or_default() += 1;
        for obstacle in &summary.obstacles {
            match obstacle {
                None => binding.able += 1,
                Some(Obstacle::Never) => binding.never += 1,
                Some(Obstacle::NoEvent(kinds)) => {
                    kinds.iter().for_each(|kind| wait(MissingSort::Event, kind.label.clone()));
                }
                Some(Obstacle::NoField(fields)) => wait(MissingSort::Field, joined(fields)),
                Some(Obstacle::NoTable(scope)) => wait(MissingSort::Table, scope.clone()),
            }
        }
        let titles = titles(summary);
        let missing = missing.into_iter().map(|((sort, name), rules)| {
            let is_event = sort == MissingSort::Event;
            let title = titles.get(name.as_str()).copied().flatten().filter(|_| is_event);
            Missing { sort, name, title, rules }
        });
        binding.missing = missing.collect();
        // Stable: equals stay in the order of their names.
        binding.missing.sort_by_key(|missing| std::cmp::Reverse(missing.rules));
        binding.missing_logs = missing_logs(summary, tally, &binding.missing);
        let mut stand_ins: BTreeMap<&String, u64> = BTreeMap::new();
        summary
            .stand_ins
            .iter()
            .flatten()
            .for_each(|text| *stand_ins.entry(text).or_default() += 1);
        binding.stand_ins = stand_ins.into_iter().map(|(text, n)| (text.clone(), n)).collect();
        binding.stand_ins.sort_by_key(|(_, rules)| std::cmp::Reverse(*rules));
        binding
    }
}

/// The events that are missing, by their logs.
fn missing_logs(summary: &BindSummary, tally: &Tally, missing: &[Missing]) -> Vec<MissingLog> {
    let mut logs: BTreeMap<&str, (u64, BTreeSet<&str>)> = BTreeMap::new();
    for obstacle in summary.obstacles.iter().flatten() {
        let Obstacle::NoEvent(kinds) = obstacle else { continue };
        let mut own: BTreeSet<&str> = BTreeSet::new();
        for kind in kinds {
            for log in &kind.logs {
                logs.entry(log).or_default().1.insert(&kind.label);
                own.insert(log);
            }
        }
        // A rule that waits for several events of a log waits for the log once.
        for log in own {
            logs.entry(log).or_default().0 += 1;
        }
    }
    let is_event = |missing: &Missing| missing.sort == MissingSort::Event;
    let made = logs.into_iter().map(|(name, (rules, labels))| MissingLog {
        name: name.to_owned(),
        here: tally.kinds.keys().any(|kind| kind.is_of_log(name)),
        rules,
        events: (0..missing.len())
            .filter(|at| is_event(&missing[*at]) && labels.contains(missing[*at].name.as_str()))
            .collect(),
    });
    let mut made: Vec<MissingLog> = made.collect();
    made.sort_by_key(|log| std::cmp::Reverse(log.rules));
    made
}

/// Fields that a rule needs together.
fn joined(fields: &[Arc<str>]) -> String {
    fields.iter().map(|field| &**field).collect::<Vec<_>>().join(" + ")
}

/// What the events that are missing are called, by their labels.
fn titles(summary: &BindSummary) -> BTreeMap<&str, Option<&'static str>> {
    let absent = summary.obstacles.iter().flatten().filter_map(|obstacle| match obstacle {
        Obstacle::NoEvent(absent) => Some(absent),
        _ => None,
    });
    let mut titles = BTreeMap::new();
    for absent in absent.flatten() {
        titles.entry(&*absent.label).or_insert_with(|| title_of(absent));
    }
    titles
}

/// What events with one id are called in the first of their logs that has a title for it.
fn title_of(absent: &Absent) -> Option<&'static str> {
    let (_, event_id) = absent.label.rsplit_once(' ')?;
    absent.logs.iter().find_map(|log| title_in(log, event_id))
}

fn title_in(log: &str, event_id: &str) -> Option<&'static str> {
    title(&Kind {
        product: "windows".into(),
        dataset: "".into(),
        channel: log.into(),
        provider: log.into(),
        event_id: event_id.into(),
    })
}

#[cfg(test)]
mod tests {
    use rulestone_ir::{Level, Span};

    use super::*;

    #[test]
    fn rules_are_counted_by_what_became_of_them() {
        let said =
            |level, code| Diagnostic::new(level, code, format!("{code} said"), Span::default());
        let unsupported = [
            said(Level::Unsupported, "no-lookup"),
            said(Level::Unsupported, "no-lookup"),
            said(Level::Note, "a-note"),
        ];
        let rule = |status, diagnostics, set_aside| ListedRule {
            path: "r.yml",
            status,
            diagnostics,
            set_aside,
        };
        let mut counts = RuleCounts::default();
        counts.add(&rule(Status::Exact, &[], None));
        counts.add(&rule(Status::Exact, &[], Some("its status is \"deprecated\"")));
        counts.add(&rule(Status::Unsupported, &unsupported, None));
        assert_eq!((counts.listed, counts.loaded, counts.of(Status::Exact)), (3, 1, 2));
        assert_eq!(counts.of(Status::Invalid), 0);
        let reasons: Vec<_> = counts.reasons.iter().map(|(key, r)| (*key, r.rules)).collect();
        assert_eq!(reasons, [((Status::Unsupported, "no-lookup"), 1)]);
        assert_eq!(counts.set_aside.len(), 1);
    }

    #[test]
    fn what_most_rules_wait_for_comes_first() {
        let absent =
            |log: &str, id| Absent { label: format!("{log} {id}"), logs: vec![log.to_owned()] };
        let sysmon = absent("Microsoft-Windows-Sysmon/Operational", 1);
        let security = absent("Security", 4688);
        let summary = BindSummary {
            obstacles: vec![
                None,
                Some(Obstacle::Never),
                Some(Obstacle::NoField(vec!["A".into(), "B".into()])),
                Some(Obstacle::NoEvent(vec![sysmon.clone(), security.clone()])),
                Some(Obstacle::NoEvent(vec![sysmon.clone(), absent(&sysmon.logs[0], 11)])),
                Some(Obstacle::NoTable("sigma(product=x)".to_owned())),
            ],
            stand_ins: vec![["stands in".to_owned()].into()],
        };
        let mut tally = Tally::default();
        let logon = Kind {
            product: "windows".into(),
            dataset: "".into(),
            channel: "security".into(),
            provider: "".into(),
            event_id: "4624".into(),
        };
        tally.kinds.insert(logon.into(), Default::default());
        let binding = Binding::new(&summary, &tally);
        assert_eq!((binding.able, binding.never), (1, 1));
        let missing: Vec<_> =
            binding.missing.iter().map(|m| (m.sort.as_str(), m.name.as_str(), m.rules)).collect();
        assert_eq!(
            missing,
            [
                ("event", "Microsoft-Windows-Sysmon/Operational 1", 2),
                ("event", "Microsoft-Windows-Sysmon/Operational 11", 1),
                ("event", "Security 4688", 1),
                ("field", "A + B", 1),
                ("table", "sigma(product=x)", 1),
            ]
        );
        assert!(binding.missing[0].title.is_some());
        let logs: Vec<_> = binding
            .missing_logs
            .iter()
            .map(|log| (log.name.as_str(), log.here, log.rules, log.events.clone()))
            .collect();
        assert_eq!(
            logs,
            [
                ("Microsoft-Windows-Sysmon/Operational", false, 2, vec![0, 1]),
                ("Security", true, 1, vec![2]),
            ]
        );
        assert_eq!(binding.stand_ins, [("stands in".to_owned(), 1)]);
    }
}
