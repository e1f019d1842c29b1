//! Rules, events and alerts made by hand, for the tests of this crate.

use std::sync::Arc;

use rulestone_dialects::{Environment, containers};
use rulestone_engine::Hit;
use rulestone_events::{Event, Kind, ScopeKind, Views};
use rulestone_ir::Rule;
use rulestone_value::{Time, Value};

use crate::Alert;

const SYSMON: &str = "Microsoft-Windows-Sysmon/Operational";

/// A rule from its text.
pub(crate) fn rule(text: &str, path: &str) -> Arc<Rule> {
    let mut readings = containers::read(text, path, &Environment::default());
    Arc::new(readings.remove(0).rule.expect("a rule of the tests runs"))
}

pub(crate) fn whoami_rule() -> Arc<Rule> {
    rule(include_str!("samples/whoami.yml"), "rules/whoami.yml")
}

/// A Windows event with values of text, on `ws01`, record 101.
pub(crate) fn event(channel: &str, id: u32, values: &[(&str, &str)]) -> Event {
    record(channel, id, 101, values)
}

/// A Sysmon event, record 101.
pub(crate) fn sysmon(id: u32, values: &[(&str, &str)]) -> Event {
    record(SYSMON, id, 101, values)
}

/// A Sysmon event with its record id.
pub(crate) fn sysmon_record(id: u32, number: i64, values: &[(&str, &str)]) -> Event {
    record(SYSMON, id, number, values)
}

fn record(channel: &str, id: u32, number: i64, values: &[(&str, &str)]) -> Event {
    let provider = match channel {
        SYSMON => "Microsoft-Windows-Sysmon",
        "Security" => "Microsoft-Windows-Security-Auditing",
        _ => "Service Control Manager",
    };
    let mut fields: Vec<(Arc<str>, Value)> = vec![
        ("Provider_Name".into(), Value::string(provider)),
        ("EventID".into(), Value::Integer(id.into())),
        ("Channel".into(), Value::string(channel)),
        ("Computer".into(), Value::string("ws01.corp.example")),
        ("EventRecordID".into(), Value::Integer(number)),
    ];
    fields.extend(values.iter().map(|(name, text)| ((*name).into(), Value::string(*text))));
    Event {
        kind: Arc::new(Kind {
            product: "windows".into(),
            dataset: "".into(),
            channel: channel.into(),
            provider: provider.into(),
            event_id: id.to_string().into(),
        }),
        shape: "evtx",
        time: Time::parse("2024-05-14T08:30:05.1234567Z"),
        record: number as u64,
        fields,
        text: None,
    }
}

/// A record of unknown kind, without a time.
pub(crate) fn json_event(values: &[(&str, &str)]) -> Event {
    Event {
        kind: Arc::new(Kind {
            product: "json".into(),
            dataset: "".into(),
            channel: "".into(),
            provider: "".into(),
            event_id: "".into(),
        }),
        shape: "json",
        time: None,
        record: 1,
        fields: values.iter().map(|(name, v)| ((*name).into(), Value::string(*v))).collect(),
        text: None,
    }
}

/// The alert of a rule on an event that its first source lets through.
pub(crate) fn alert_of(rule: &Arc<Rule>, event: &Event) -> Alert {
    alert_of_pieces(rule, event, &[], &[])
}

/// The same, of an event that was put together from others.
pub(crate) fn alert_of_pieces(
    rule: &Arc<Rule>,
    event: &Event,
    evidence: &[(Arc<str>, Event)],
    notes: &[String],
) -> Alert {
    let views = Views::built_in().expect("the tables can be read");
    let (scope, _) = rule.sources[0].filtered().expect("the rule reads events");
    let kinds = views.scope(scope.schema.as_str(), &scope.keys);
    let serving = ScopeKind::serving(&kinds, &event.kind).next();
    let scope_kind = &**serving.expect("the rule looks at the event").1;
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
        evidence,
        notes,
    };
    Alert::from_hit(&hit, &views)
}

pub(crate) fn upload_alert() -> Alert {
    let mut event = json_event(&[
        ("method", "POST"),
        ("agent", "curl/8.0 \u{1b}[31m\u{202e}exe.png"),
        ("user", "=cmd|' /C calc'!A0"),
    ]);
    event.fields.push(("bytes".into(), Value::Integer(4096)));
    event.fields.push(("ratio".into(), Value::Float(0.5)));
    let tags = Value::List(vec![Value::string("a"), Value::Integer(1)]);
    event.fields.push(("tags".into(), tags));
    alert_of(&rule(include_str!("samples/upload.yml"), "rules/upload.yml"), &event)
}

/// Four alerts of three rules on three kinds of events.
pub(crate) fn alerts() -> Vec<Alert> {
    let whoami = whoami_rule();
    let values = |command| {
        [
            ("Image", "C:\\Windows\\System32\\whoami.exe"),
            ("CommandLine", command),
            ("User", "CORP\\bob"),
        ]
    };
    let mut late = sysmon_record(1, 102, &values("whoami\t/ALL\r\n/fo csv"));
    late.time = Time::parse("2024-05-15T23:10:00Z");
    let cleared =
        event("Security", 1102, &[("SubjectUserName", "amy"), ("SubjectDomainName", "-")]);
    let cleared_rule = rule(include_str!("samples/log_cleared.yml"), "rules/log_cleared.yml");
    vec![
        alert_of(&whoami, &sysmon(1, &values("whoami /all"))),
        alert_of(&whoami, &late),
        alert_of(&cleared_rule, &cleared),
        upload_alert(),
    ]
}
