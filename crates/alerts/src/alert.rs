//! An alert: a finding with everything somebody needs to judge it.

use std::sync::Arc;

use rulestone_engine::reference::field_value;
use rulestone_engine::{Found, FoundEvent, Hit, Matched, explain};
use rulestone_events::{Event, Views};
use rulestone_ir::{Case, Field, Measure, Rule, Severity, Source, StageKind, Test, When};
use rulestone_value::{Time, Value, fold};

use crate::attack::{AlertTechnique, Tactic, tactics_of, techniques_of};
use crate::columns;
use crate::entity::{Entity, EntityType, EntityView, Role};
use crate::identity::{AlertId, Identity};

/// A finding with severity, risk, ATT&CK, entities and evidence. Serialised, it is one line of
/// the NDJSON contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// The same for the same finding, wherever its events are read.
    pub id: AlertId,
    /// When it happened, if the events say so.
    pub time: Option<Time>,
    /// The rule that fired.
    pub rule: Arc<Rule>,
    /// How bad it is.
    pub severity: Severity,
    /// How bad it is, 0 to 100.
    pub risk_score: u8,
    /// Whether the rule is meant for other rules to build on, not to be looked at by itself.
    pub building_block: bool,
    /// One line for whoever reads it.
    pub message: String,
    /// The techniques the rule names.
    pub techniques: Vec<AlertTechnique>,
    /// The tactics it serves: those it names, else those of its techniques.
    pub tactics: Vec<&'static Tactic>,
    /// Who and what it is about.
    pub entities: Vec<Entity>,
    /// The rule's own output row, in the names of its schema.
    pub fields: Vec<(Arc<str>, Value)>,
    /// The first events it rests on.
    pub evidence: Vec<Evidence>,
    /// How many events it rests on.
    pub evidence_total: u64,
    /// The predicates it rests on, with the values that passed them.
    pub matched: Vec<MatchedValue>,
    /// What is to be known before trusting it.
    pub notes: Vec<String>,
}

/// Events that an alert shows of those it rests on.
const EVIDENCE: usize = 10;

/// An event that an alert rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The log, as the user named it.
    pub log: Arc<str>,
    /// The event, with its number in the log and all its values.
    pub event: Event,
}

/// A predicate that an alert rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchedValue {
    /// The stage it stands in; the filter of a source is 1.
    pub stage: usize,
    /// The field in the rule's schema; `*` for every value.
    pub field: Arc<str>,
    /// The word for the test.
    pub test: &'static str,
    /// What the value was tested against.
    pub pattern: String,
    /// The value that passed, cut to a window on what passed where it is long.
    pub value: Value,
}

impl Alert {
    /// The alert of a rule that turns every hit into a finding.
    pub fn from_hit(hit: &Hit<'_>, views: &Views) -> Alert {
        let view = EntityView::new(hit.event, views);
        // An event may give a rule several rows.
        let part = hit.part.to_string();
        let key = if hit.part > 0 { &[part.as_str()][..] } else { &[] };
        let mut identity = Identity::new(&hit.rule.meta.id, key);
        if hit.evidence.is_empty() {
            identity.event(&view, hit.event);
        }
        for (_, event) in hit.evidence {
            identity.event(&EntityView::new(event, views), event);
        }
        let meta = &hit.rule.meta;
        let techniques = techniques_of(&meta.attack);
        let matched = explain(hit.filter(), hit.scope_kind, hit.event).matched;
        let fields = hit.row.map_or_else(|| output_row(hit, &matched), <[_]>::to_vec);
        let entities = columns::entities(hit.rule, &fields, view.entities());
        Alert {
            id: identity.finish(),
            time: hit.event.time,
            severity: meta.severity,
            risk_score: risk_score(hit.rule),
            building_block: hit.rule.trigger.building_block,
            message: message(hit.rule, &fields, &entities),
            tactics: tactics_of(&meta.attack, &techniques),
            techniques,
            entities,
            fields,
            evidence: evidence(hit),
            evidence_total: hit.evidence.len().max(1) as u64,
            notes: hit.notes.to_vec(),
            matched: matched.into_iter().map(MatchedValue::from).collect(),
            rule: hit.rule.clone(),
        }
    }

    /// The alert of a rule that looks at several events together. Its id is made of the rule, the
    /// group and the events it keeps as evidence, with the last.
    pub fn from_found(found: &Found<'_>, views: &Views) -> Alert {
        let meta = &found.rule.meta;
        let row = found.finding.row.as_deref();
        let key = row.unwrap_or(&found.key);
        let texts: Vec<String> = key.iter().map(|(_, value)| key_text(value)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut identity = Identity::new(&meta.id, &texts);
        let mut entities: Vec<Entity> = Vec::new();
        for FoundEvent { event, .. } in &found.evidence {
            let view = EntityView::new(event, views);
            identity.event(&view, event);
            for entity in view.entities() {
                let known = |own: &Entity| {
                    own.kind == entity.kind && own.value.eq_ignore_ascii_case(&entity.value)
                };
                if !entities.iter().any(known) {
                    entities.push(entity);
                }
            }
        }
        let techniques = techniques_of(&meta.attack);
        let (measured, fields) = match row {
            Some(row) => (matched_first(found), row.to_vec()),
            None => measured(found),
        };
        let entities = columns::entities(found.rule, &fields, entities);
        let evidence = found.evidence.iter().take(EVIDENCE);
        Alert {
            id: identity.finish(),
            time: Some(Time::from_ticks(found.finding.time)),
            severity: meta.severity,
            risk_score: risk_score(found.rule),
            building_block: found.rule.trigger.building_block,
            message: message(found.rule, &fields, &entities),
            tactics: tactics_of(&meta.attack, &techniques),
            techniques,
            entities,
            fields,
            evidence: evidence
                .map(|e| Evidence { log: e.log.clone(), event: e.event.clone() })
                .collect(),
            evidence_total: found.finding.total,
            matched: measured,
            notes: notes(found),
            rule: found.rule.clone(),
        }
    }

    /// The host it is about, if it is about one.
    pub fn host(&self) -> Option<&str> {
        self.entity(EntityType::Host, |_| true)
    }

    /// The user it is about, if it is about one: who did it before whom it was done to.
    pub fn user(&self) -> Option<&str> {
        let user = |wanted| self.entity(EntityType::User, move |role| role == wanted);
        user(Some(Role::Actor)).or_else(|| self.entity(EntityType::User, |_| true))
    }

    fn entity(&self, kind: EntityType, role: impl Fn(Option<Role>) -> bool) -> Option<&str> {
        let is_it = |entity: &&Entity| entity.kind == kind && role(entity.role);
        self.entities.iter().find(is_it).map(|entity| entity.value.as_str())
    }
}

/// A part of a group's key as text; lists by their elements.
fn key_text(value: &Value) -> String {
    let texts = value.elements().iter().filter_map(|v| v.text().map(|text| text.into_owned()));
    texts.collect::<Vec<_>>().join("\u{1f}")
}

fn notes(found: &Found<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if found.finding.cut {
        notes.push("the logs end before the window does".to_owned());
    }
    let shown = found.finding.evidence.len();
    if found.evidence.len() < shown {
        notes.push("some of the events could not be read again".to_owned());
    }
    notes
}

/// What a stage measured, as something that matched, and the row of a finding: the group's key,
/// what was measured, the times of the first and the last event.
/// What let the first event through that a result rests on.
fn matched_first(found: &Found<'_>) -> Vec<MatchedValue> {
    let first = found.evidence.iter().find_map(|own| Some((own, own.scope_kind.as_ref()?)));
    let Some((FoundEvent { event, input, .. }, kind)) = first else { return Vec::new() };
    let source = found.rule.sources.get(*input);
    let Some((_, filter)) = source.and_then(Source::filtered) else { return Vec::new() };
    explain(filter, kind, event).matched.into_iter().map(MatchedValue::from).collect()
}

fn measured(found: &Found<'_>) -> (Vec<MatchedValue>, Vec<(Arc<str>, Value)>) {
    let number = |value: f64| match value {
        value if value.fract() == 0.0 && value.abs() < 1e15 => Value::Integer(value as i64),
        value => Value::Float(value),
    };
    let value = number(found.finding.value);
    let mut row: Vec<(Arc<str>, Value)> =
        found.key.iter().filter(|(_, value)| !value.is_null()).cloned().collect();
    let (name, bounds): (Arc<str>, Vec<String>) =
        match found.rule.stateful().map(|stage| &stage.kind) {
            Some(StageKind::Correlate(correlate)) => {
                (measure_name(&correlate.measure), bounds_of(&correlate.when))
            }
            Some(StageKind::Threshold(threshold)) => {
                ("count".into(), vec![format!(">= {}", threshold.count)])
            }
            _ => ("events".into(), Vec::new()),
        };
    row.push((name.clone(), value.clone()));
    row.push(("first_time".into(), Value::Time(Time::from_ticks(found.finding.from))));
    row.push(("last_time".into(), Value::Time(Time::from_ticks(found.finding.last.time))));
    // The filter of a source is stage 1.
    let matched = bounds.into_iter().map(|pattern| MatchedValue {
        stage: 2,
        field: name.clone(),
        test: "number",
        pattern,
        value: value.clone(),
    });
    (matched.collect(), row)
}

fn measure_name(measure: &Measure) -> Arc<str> {
    let fields: Vec<&str> = measure.fields().iter().map(Field::name).collect();
    match fields.is_empty() {
        true => measure.name().into(),
        false => format!("{}({})", measure.name(), fields.join(", ")).into(),
    }
}

fn bounds_of(when: &When) -> Vec<String> {
    match when {
        When::Measure(bounds) => bounds
            .iter()
            .map(|(comparison, number)| format!("{} {number}", comparison.sign()))
            .collect(),
        When::Seen(_) => Vec::new(),
    }
}

/// The event, or the first of those that it was put together from.
fn evidence(hit: &Hit<'_>) -> Vec<Evidence> {
    if hit.evidence.is_empty() {
        return vec![Evidence { log: hit.log.clone(), event: hit.event.clone() }];
    }
    let parts = hit.evidence.iter().take(EVIDENCE);
    parts.map(|(log, event)| Evidence { log: log.clone(), event: event.clone() }).collect()
}

/// What the rule says it risks, else what its severity stands for.
fn risk_score(rule: &Rule) -> u8 {
    rule.trigger.risk_score.unwrap_or(rule.meta.severity.risk_score())
}

/// The rule's own message, else its title with whom it is about.
fn message(rule: &Rule, fields: &[(Arc<str>, Value)], entities: &[Entity]) -> String {
    if let Some(message) = columns::message(&rule.trigger, fields) {
        return message;
    }
    let title = &rule.meta.title;
    let of = |kind| entities.iter().find(|entity| entity.kind == kind).map(|e| e.value.as_str());
    match (of(EntityType::Host), of(EntityType::User)) {
        (Some(host), Some(user)) => format!("{title} on {host} by {user}"),
        (Some(host), None) => format!("{title} on {host}"),
        (None, Some(user)) => format!("{title} by {user}"),
        (None, None) => title.clone(),
    }
}

/// The fields the rule's author wants to see, then those that made it fire; null ones are left
/// out.
fn output_row(hit: &Hit<'_>, matched: &[Matched]) -> Vec<(Arc<str>, Value)> {
    let wanted = hit.rule.meta.fields.iter().map(|name| Arc::from(name.as_str()));
    let named = matched.iter().filter_map(|matched| match &matched.predicate.field {
        Field::Named { name, .. } => Some(name.clone()),
        Field::Any => None,
    });
    let mut row: Vec<(Arc<str>, Value)> = Vec::new();
    for name in wanted.chain(named) {
        if row.iter().any(|(own, _)| *own == name) {
            continue;
        }
        let value = field_value(&name, hit.scope_kind, hit.event);
        if !value.is_null() {
            row.push((name, value));
        }
    }
    row
}

impl From<Matched> for MatchedValue {
    fn from(matched: Matched) -> Self {
        let Matched { predicate, value } = matched;
        let value = match value {
            Value::String(text) => Value::String(window(text, &predicate.test, predicate.case)),
            value => value,
        };
        let field = match predicate.field {
            Field::Named { name, .. } => name,
            Field::Any => Arc::from("*"),
        };
        let (test, pattern) = (predicate.test.name(), predicate.test.pattern());
        MatchedValue { stage: 1, field, test, pattern, value }
    }
}

/// Bytes of a value that are shown as what passed a test. The evidence has the whole: a script of
/// 30 kB that twenty patterns are found in would otherwise stand twenty times in one alert.
const WINDOW: usize = 1024;

/// A long text cut to the stretch that passed a test, where that can be told, else to its start.
fn window(text: String, test: &Test, case: Case) -> String {
    const BEFORE: usize = WINDOW / 4;
    if text.len() <= WINDOW {
        return text;
    }
    let found = match (test, case) {
        (Test::Contains(wanted), Case::Sensitive) => text.find(wanted.as_str()),
        // Folding seldom changes a text's length; where it does the window is off by as much.
        (Test::Contains(wanted), Case::Insensitive) => fold(&text).find(&fold(wanted)),
        (Test::EndsWith(_), _) => Some(text.len()),
        _ => None,
    };
    let start = found.unwrap_or(0).saturating_sub(BEFORE).min(text.len() - WINDOW);
    let start = text.floor_char_boundary(start);
    let end = text.floor_char_boundary(start + WINDOW);
    let mark = |cut: bool| if cut { "…" } else { "" };
    format!("{}{}{}", mark(start > 0), &text[start..end], mark(end < text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{alert_of, alert_of_pieces, rule, sysmon, sysmon_record, whoami_rule};

    #[test]
    fn a_hit_becomes_an_alert() {
        let event = sysmon(
            1,
            &[
                ("Image", "C:\\Windows\\System32\\whoami.exe"),
                ("CommandLine", "whoami /all"),
                ("User", "CORP\\bob"),
            ],
        );
        let alert = alert_of(&whoami_rule(), &event);
        assert_eq!(alert.message, "Account Lookup With Whoami on ws01.corp.example by CORP\\bob");
        assert_eq!((alert.host(), alert.user()), (Some("ws01.corp.example"), Some("CORP\\bob")));
        let row: Vec<&str> = alert.fields.iter().map(|(name, _)| &**name).collect();
        assert_eq!(row, ["CommandLine", "Image"], "what the author wants, then what matched");
        let matched: Vec<_> =
            alert.matched.iter().map(|m| (&*m.field, m.test, m.pattern.as_str())).collect();
        assert_eq!(
            matched,
            [("Image", "ends_with", "\\whoami.exe"), ("CommandLine", "contains", "/all")]
        );
        assert_eq!((alert.severity, alert.risk_score), (Severity::High, 73));
        assert_eq!(alert.techniques[0].id, "T1033");
    }

    #[test]
    fn what_was_put_together_is_known_and_shown_by_its_pieces() {
        let values = [("Image", "C:\\whoami.exe"), ("CommandLine", "whoami /all")];
        let whole = sysmon(1, &values);
        let piece = |number| (Arc::from("a.evtx"), sysmon_record(1, number, &values));
        let pieces: Vec<(Arc<str>, Event)> = (101..113).map(piece).collect();
        let notes = ["said".to_owned()];
        let alert = alert_of_pieces(&whoami_rule(), &whole, &pieces, &notes);
        assert_eq!((alert.evidence.len(), alert.evidence_total), (10, 12));
        assert_eq!(alert.evidence[1].event.record, 102);
        assert_eq!(alert.notes, notes);
        let fewer = alert_of_pieces(&whoami_rule(), &whole, &pieces[..11], &notes);
        assert_ne!(alert.id, fewer.id, "all pieces have a part in the id, shown or not");
        assert_ne!(alert.id, alert_of(&whoami_rule(), &whole).id);
    }

    #[test]
    fn paths_are_no_part_of_the_id() {
        let event = sysmon(1, &[("Image", "C:\\whoami.exe"), ("CommandLine", "whoami /all")]);
        let first = alert_of(&whoami_rule(), &event);
        let mut moved = rule(include_str!("samples/whoami.yml"), "elsewhere/x.yml");
        Arc::make_mut(&mut moved).meta.title = "Another title".to_owned();
        let second = alert_of(&moved, &event);
        assert_ne!(first.rule.origin.path, second.rule.origin.path);
        assert_eq!(first.id, second.id);
    }

    #[test]
    fn long_values_are_cut_to_what_passed() {
        let long = format!("{}NEEDLE{}", "é".repeat(5000), "b".repeat(5000));
        let contains = Test::Contains("needle".to_owned());
        let cases = [
            (&contains, Case::Insensitive, true),
            (&contains, Case::Sensitive, false),
            (&Test::Exists, Case::Insensitive, false),
        ];
        for (test, case, shown) in cases {
            let cut = window(long.clone(), test, case);
            assert_eq!(cut.contains("NEEDLE"), shown, "{test:?} {case:?}");
            assert!(cut.len() <= WINDOW + 2 * "…".len() && cut.ends_with('…'), "{test:?}");
        }
        let end = window(long, &Test::EndsWith("b".to_owned()), Case::Insensitive);
        assert!(end.starts_with('…') && end.ends_with('b'));
        assert_eq!(window("short".to_owned(), &contains, Case::Sensitive), "short");
    }
}
