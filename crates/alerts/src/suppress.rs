//! What is kept quiet: exceptions, asked about hits before they become alerts.
//!
//! A scan without exceptions pays nothing for them, one with exceptions pays for hits alone: rules
//! are looked up by name, and conditions are asked only about hits of rules that an exception is
//! about.

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rulestone_engine::Hit;
use rulestone_engine::reference::{Row, field_value, row_holds};
use rulestone_events::Views;
use rulestone_ir::{Exception, Formula, Rule, RuleNames, Schema, Source};
use rulestone_value::{Time, Value, fold};

use crate::alert::Alert;
use crate::entity::{EntityView, part_of};

/// All exceptions of a scan, and how often each was of use.
#[derive(Debug, Default)]
pub struct Exceptions {
    list: Vec<Counted>,
    /// Places in the list by the folded id or title of a rule.
    named: HashMap<String, Vec<usize>>,
    /// Places of those that are about all rules.
    all: Vec<usize>,
}

/// An exception and what came to it. Several threads ask, so the counts are atomic; sums do not
/// depend on their order.
#[derive(Debug)]
struct Counted {
    exception: Exception,
    /// Hits of its rules.
    asked: AtomicU64,
    /// Those of them outside of its time.
    outside: AtomicU64,
    /// Those of them that it kept quiet.
    kept: AtomicU64,
}

/// What becomes of a hit.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged {
    /// It is an alert.
    Alert(Box<Alert>),
    /// It is kept quiet.
    Quiet {
        /// The exception's place in the list.
        by: usize,
        /// The alert it would have been, where somebody wants to see it.
        alert: Option<Box<Alert>>,
    },
}

/// Whether alerts are made of what is kept quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuietHits {
    /// They are counted and no more.
    Counted,
    /// They are made, to be shown.
    Shown,
}

/// An alert that was kept quiet, with the exception that did it.
#[derive(Debug, Clone, Copy)]
pub struct QuietAlert<'a> {
    /// The alert it would have been.
    pub alert: &'a Alert,
    /// What keeps it quiet.
    pub exception: &'a Exception,
}

/// What an exception did in a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionUse {
    /// Where it stands: `exceptions.yml:12`.
    pub place: String,
    /// Its file, as the user named it.
    pub path: Arc<str>,
    /// Its line.
    pub line: usize,
    /// Why it is there.
    pub reason: String,
    /// What it kept quiet.
    pub kept: u64,
    /// Why it kept nothing quiet, if so.
    pub idle: Option<Idle>,
}

/// Why an exception kept nothing quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Idle {
    /// It ends before the first event.
    Expired,
    /// It begins behind the last event.
    NotYet,
    /// No hit of its rules came to it.
    NoHit,
    /// All hits that came to it were outside of its time.
    OutsideTime,
    /// Its conditions held for none of the hits that came to it.
    NoMatch,
}

impl Idle {
    /// The words in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Idle::Expired => "expired before the first event",
            Idle::NotYet => "begins behind the last event",
            Idle::NoHit => "no hit of its rules came to it",
            Idle::OutsideTime => "all hits were outside of its time",
            Idle::NoMatch => "its conditions held for no hit",
        }
    }
}

impl Exceptions {
    /// Exceptions in the order in which they are asked: the first that holds keeps a hit quiet.
    pub fn new(exceptions: Vec<Exception>) -> Self {
        let mut made = Exceptions::default();
        for exception in exceptions {
            let at = made.list.len();
            match &exception.rules {
                RuleNames::All => made.all.push(at),
                RuleNames::Some(names) => {
                    for (name, _) in names {
                        let places = made.named.entry(fold(name)).or_default();
                        if places.last() != Some(&at) {
                            places.push(at);
                        }
                    }
                }
            }
            made.list.push(Counted {
                exception,
                asked: AtomicU64::new(0),
                outside: AtomicU64::new(0),
                kept: AtomicU64::new(0),
            });
        }
        made
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// An exception by its place in the list.
    pub fn get(&self, at: usize) -> Option<&Exception> {
        self.list.get(at).map(|counted| &counted.exception)
    }

    /// The exceptions that are about a rule, in order.
    pub fn about(&self, rule: &Rule) -> impl Iterator<Item = &Exception> {
        self.places(rule).into_iter().map(|at| &self.list[at].exception)
    }

    /// The place of the exception that keeps a hit quiet. Each call counts as a hit.
    pub fn quiet(&self, hit: &Hit<'_>, views: &Views) -> Option<usize> {
        if self.is_empty() {
            return None;
        }
        let row = HitRow { hit, views, entities: OnceCell::new(), unread: Cell::new(false) };
        self.first(hit.rule, hit.event.time, |when| row.holds(when))
    }

    /// The place of the exception that keeps an alert quiet, for alerts that were made of several
    /// events: its conditions are asked about the alert's own row and its entities. Each call
    /// counts as a hit.
    pub fn quiet_alert(&self, alert: &Alert) -> Option<usize> {
        if self.is_empty() {
            return None;
        }
        let row = AlertRow { alert, unread: Cell::new(false) };
        self.first(&alert.rule, alert.time, |when| row.holds(when))
    }

    /// Makes an alert of a hit that no exception keeps quiet.
    pub fn judge(&self, hit: &Hit<'_>, views: &Views, quiet: QuietHits) -> Judged {
        let alert = || Box::new(Alert::from_hit(hit, views));
        match self.quiet(hit, views) {
            None => Judged::Alert(alert()),
            Some(by) => {
                let alert = (quiet == QuietHits::Shown).then(alert);
                Judged::Quiet { by, alert }
            }
        }
    }

    /// What each exception did, given the times of the first and the last event.
    pub fn usage(&self, logs: Option<(Time, Time)>) -> Vec<ExceptionUse> {
        self.list.iter().map(|counted| counted.usage(logs)).collect()
    }

    fn places(&self, rule: &Rule) -> Vec<usize> {
        let mut places = self.all.clone();
        if !self.named.is_empty() {
            for name in [&rule.meta.id, &rule.meta.title] {
                places.extend(self.named.get(&fold(name)).into_iter().flatten());
            }
            places.sort_unstable();
            places.dedup();
        }
        let of_vendor = |exception: &Exception| {
            exception.vendor.is_none_or(|vendor| vendor == rule.origin.vendor)
        };
        places.retain(|at| of_vendor(&self.list[*at].exception));
        places
    }

    fn first(
        &self,
        rule: &Rule,
        time: Option<Time>,
        holds: impl Fn(&Formula) -> bool,
    ) -> Option<usize> {
        self.places(rule).into_iter().find(|at| self.list[*at].keeps_quiet(time, &holds))
    }
}

impl Counted {
    fn keeps_quiet(&self, time: Option<Time>, holds: impl Fn(&Formula) -> bool) -> bool {
        let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        count(&self.asked);
        if !self.exception.applies_at(time) {
            count(&self.outside);
            return false;
        }
        let kept = self.exception.when.as_ref().is_none_or(|when| when.iter().any(holds));
        if kept {
            count(&self.kept);
        }
        kept
    }

    fn usage(&self, logs: Option<(Time, Time)>) -> ExceptionUse {
        let Exception { path, line, reason, .. } = &self.exception;
        ExceptionUse {
            place: self.exception.place(),
            path: path.clone(),
            line: *line,
            reason: reason.clone(),
            kept: self.kept.load(Ordering::Relaxed),
            idle: self.idle(logs),
        }
    }

    fn idle(&self, logs: Option<(Time, Time)>) -> Option<Idle> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Exception { from, until, .. } = &self.exception;
        let (asked, outside) = (load(&self.asked), load(&self.outside));
        Some(match logs {
            _ if load(&self.kept) > 0 => return None,
            Some((first, _)) if until.is_some_and(|until| until <= first) => Idle::Expired,
            Some((_, last)) if from.is_some_and(|from| last < from) => Idle::NotYet,
            _ if asked == 0 => Idle::NoHit,
            _ if asked == outside => Idle::OutsideTime,
            _ => Idle::NoMatch,
        })
    }
}

/// A hit as conditions see it.
struct HitRow<'a> {
    hit: &'a Hit<'a>,
    views: &'a Views,
    entities: OnceCell<EntityView<'a>>,
    /// Whether something was asked for that the hit has no reading of.
    unread: Cell<bool>,
}

impl HitRow<'_> {
    /// Whether a condition holds, and rests on nothing that cannot be read here: of a rule in other
    /// names `sigma.Image` is not null but nothing that could be known.
    fn holds(&self, when: &Formula) -> bool {
        self.unread.set(false);
        row_holds(when, self) && !self.unread.get()
    }
}

impl Row for HitRow<'_> {
    fn value(&self, schema: Schema, name: &Arc<str>) -> Rc<Value> {
        let Hit { event, scope_kind, .. } = self.hit;
        let source = self.hit.rule.sources[self.hit.source].filtered();
        let own_schema = source.map(|(scope, _)| scope.schema);
        Rc::new(match schema {
            Schema::Raw => event.value(name),
            Schema::Entity => {
                let view = self.entities.get_or_init(|| EntityView::new(event, self.views));
                view.text(name).map_or(Value::Null, Value::String)
            }
            own if Some(own) == own_schema => field_value(name, scope_kind, event),
            _ => {
                self.unread.set(true);
                Value::Null
            }
        })
    }

    fn any(&self, passes: &mut dyn FnMut(&Value) -> bool) -> bool {
        self.hit.event.fields.iter().any(|(_, value)| passes(value))
    }
}

/// An alert as conditions see it.
struct AlertRow<'a> {
    alert: &'a Alert,
    /// Whether something was asked for that the alert has no reading of.
    unread: Cell<bool>,
}

impl AlertRow<'_> {
    fn holds(&self, when: &Formula) -> bool {
        self.unread.set(false);
        row_holds(when, self) && !self.unread.get()
    }

    fn entities(&self, name: &str) -> Value {
        let Some((kind, role)) = part_of(name) else {
            self.unread.set(true);
            return Value::Null;
        };
        let own = self.alert.entities.iter().filter(|own| own.kind == kind && own.role == role);
        let mut values: Vec<Value> = own.map(|own| Value::string(own.value.as_str())).collect();
        match values.len() {
            0 => Value::Null,
            1 => values.swap_remove(0),
            _ => Value::List(values),
        }
    }
}

impl Row for AlertRow<'_> {
    fn value(&self, schema: Schema, name: &Arc<str>) -> Rc<Value> {
        // A rule that reads others has the names of its own row, whatever they are called in.
        let of_rule = |rule: &Rule| {
            let own = rule.sources.first().and_then(Source::filtered);
            own.is_none_or(|(scope, _)| scope.schema == schema)
        };
        Rc::new(match schema {
            Schema::Entity => self.entities(name),
            schema if schema == Schema::Raw || of_rule(&self.alert.rule) => {
                let own = self.alert.fields.iter().find(|(own, _)| own == name);
                own.map_or(Value::Null, |(_, value)| value.clone())
            }
            _ => {
                self.unread.set(true);
                Value::Null
            }
        })
    }

    fn any(&self, passes: &mut dyn FnMut(&Value) -> bool) -> bool {
        self.alert.fields.iter().any(|(_, value)| passes(value))
    }
}

#[cfg(test)]
mod tests {
    use rulestone_events::{Event, ScopeKind};
    use rulestone_rules::{Environment, read_exceptions};

    use super::*;
    use crate::samples::{alert_of, rule, sysmon, whoami_rule};

    fn exceptions(text: &str) -> Exceptions {
        let (read, diagnostics) = read_exceptions(text, "quiet.yml", &Environment::default());
        assert!(diagnostics.is_empty(), "{text}\n{diagnostics:?}");
        Exceptions::new(read)
    }

    fn whoami() -> Event {
        sysmon(
            1,
            &[
                ("Image", "C:\\Windows\\System32\\whoami.exe"),
                ("CommandLine", "whoami /all"),
                ("User", "CORP\\bob"),
            ],
        )
    }

    /// Asks about the hit of a rule on an event of Sysmon.
    fn quiet(exceptions: &Exceptions, rule: &Arc<Rule>, event: &Event) -> Option<usize> {
        let views = Views::built_in().unwrap();
        let keys = std::collections::BTreeMap::from([
            ("product".into(), "windows".into()),
            ("category".into(), "process_creation".into()),
        ]);
        let kinds = views.scope("sigma", &keys);
        let scope_kind = &**ScopeKind::serving(&kinds, &event.kind).next().unwrap().1;
        let log = Arc::from("logs/ws01.evtx");
        let hit = Hit {
            row: None,
            part: 0,
            rule,
            rule_at: 0,
            source: 0,
            log: &log,
            event,
            scope_kind,
            raises: true,
            evidence: &[],
            notes: &[],
        };
        exceptions.quiet(&hit, &views)
    }

    #[test]
    fn conditions() {
        let cases = [
            ("", true),
            ("when: {Image|endswith: '\\WHOAMI.exe'}", true),
            ("when: {Image|endswith|cased: '\\WHOAMI.exe'}", false),
            ("when: {Image: '*\\whoami.exe', User: 'CORP\\bob'}", true),
            ("when: {Image: '*\\whoami.exe', User: 'CORP\\amy'}", false),
            ("when: [{User: 'CORP\\amy'}, {User: 'CORP\\bob'}]", true),
            ("when: {User|re: '^CORP.b'}", true),
            ("when: {User|neq: 'CORP\\bob'}", false),
            ("when: {Missing: null}", true),
            ("when: {Missing|exists: true}", false),
            ("when: {'|contains': '/ALL'}", true),
            ("when: {'|contains': 'nowhere'}", false),
            ("when: {EventID: 1, Computer: 'ws01.*'}", true),
            ("when: {entity.host|startswith: WS01., entity.user: 'corp\\bob'}", true),
            ("when: {entity.user: amy}", false),
            ("when: {entity.source_ip: null}", true),
            ("when: {User|fieldref: entity.user}", true),
            ("when: {sigma.Image|endswith: '\\whoami.exe'}", true),
            ("when: {sigma.Image|endswith: '\\net.exe'}", false),
            ("source: sigma", true),
            ("from: 2024-05-14", true),
            ("from: 2024-05-15", false),
            ("until: 2024-05-14", true),
            ("until: 2024-05-13", false),
            ("until: 2024-05-14T08:30:05Z", false),
            ("until: 2024-05-14T08:30:06Z", true),
        ];
        for (keys, expected) in cases {
            for name in ["'*'", "account lookup with WHOAMI"] {
                let exceptions =
                    exceptions(&format!("exceptions:\n- rule: {name}\n  reason: x\n  {keys}\n"));
                let found = quiet(&exceptions, &whoami_rule(), &whoami());
                assert_eq!(found.is_some(), expected, "{name} {keys}");
            }
        }
    }

    #[test]
    fn only_its_rules_are_kept_quiet() {
        let id = whoami_rule().meta.id.to_uppercase();
        let cases = [(id.as_str(), true), ("Event Log Cleared", false), ("[a, '*']", true)];
        for (name, expected) in cases {
            let exceptions = exceptions(&format!("exceptions:\n- rule: {name}\n  reason: x\n"));
            let found = quiet(&exceptions, &whoami_rule(), &whoami());
            assert_eq!(found.is_some(), expected, "{name}");
        }
    }

    #[test]
    fn what_has_no_time_is_in_no_bounds() {
        let mut event = whoami();
        event.time = None;
        let bounded = exceptions("exceptions:\n- {rule: '*', reason: x, from: 2024-01-01}\n");
        assert_eq!(quiet(&bounded, &whoami_rule(), &event), None);
        let always = exceptions("exceptions:\n- {rule: '*', reason: x}\n");
        assert_eq!(quiet(&always, &whoami_rule(), &event), Some(0));
    }

    /// A rule in other names has no reading in these: not even one that is null.
    #[test]
    fn a_reading_that_the_rule_has_not_keeps_nothing_quiet() {
        let mut other = whoami_rule();
        let Source::Events { scope, .. } = &mut Arc::make_mut(&mut other).sources[0] else {
            panic!("the rule reads events");
        };
        scope.schema = Schema::Raw;
        for when in ["sigma.Image: null", "sigma.Image|neq: x", "sigma.Image|exists: false"] {
            let text = format!("exceptions:\n- rule: '*'\n  reason: x\n  when: {{{when}}}\n");
            let exceptions = exceptions(&text);
            assert_eq!(quiet(&exceptions, &other, &whoami()), None, "{when}");
        }
    }

    #[test]
    fn alerts_are_asked_about_their_rows_and_entities() {
        let alert = alert_of(&whoami_rule(), &whoami());
        let cases = [
            ("Image|endswith: '\\whoami.exe'", true),
            ("sigma.Image|endswith: '\\whoami.exe'", true),
            ("entity.host|startswith: ws01", true),
            ("entity.user: 'CORP\\bob'", true),
            ("entity.target_user: null", true),
            ("entity.host: other", false),
            ("NotInTheRow: x", false),
            ("'|contains': '/all'", true),
        ];
        for (when, expected) in cases {
            let text = format!("exceptions:\n- rule: '*'\n  reason: x\n  when: {{{when}}}\n");
            assert_eq!(exceptions(&text).quiet_alert(&alert).is_some(), expected, "{when}");
        }
    }

    #[test]
    fn the_first_that_holds_counts_and_idle_ones_say_why() {
        let exceptions = exceptions(
            "exceptions:\n\
             - {rule: '*', reason: not met, when: {User: nobody}}\n\
             - {rule: '*', reason: old, until: 2023-12-31}\n\
             - {rule: '*', reason: future, from: 2025-01-01}\n\
             - {rule: '*', reason: other day, from: 2024-05-15}\n\
             - {rule: '*', reason: works}\n\
             - {rule: '*', reason: behind it}\n\
             - {rule: another, reason: not fired}\n",
        );
        for _ in 0..2 {
            assert_eq!(quiet(&exceptions, &whoami_rule(), &whoami()), Some(4));
        }
        let cleared = rule(include_str!("samples/log_cleared.yml"), "rules/log_cleared.yml");
        assert_eq!(exceptions.about(&cleared).count(), 6);
        let time = |text| Time::parse(text).unwrap();
        let logs = (time("2024-05-14T00:00:00Z"), time("2024-05-16T00:00:00Z"));
        let usage: Vec<_> = exceptions
            .usage(Some(logs))
            .into_iter()
            .map(|own| (own.reason, own.kept, own.idle))
            .collect();
        let expected = [
            ("not met", 0, Some(Idle::NoMatch)),
            ("old", 0, Some(Idle::Expired)),
            ("future", 0, Some(Idle::NotYet)),
            ("other day", 0, Some(Idle::OutsideTime)),
            ("works", 2, None),
            ("behind it", 0, Some(Idle::NoHit)),
            ("not fired", 0, Some(Idle::NoHit)),
        ];
        assert_eq!(usage, expected.map(|(reason, kept, idle)| (reason.to_owned(), kept, idle)));
    }
}
