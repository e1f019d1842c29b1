//! The NDJSON contract: how an alert is written as JSON. Keys may be added, never changed.

use std::fmt::Display;

use rulestone_events::Event;
use rulestone_ir::{Exception, Meta, Vendor};
use rulestone_value::Value;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;

use crate::alert::{Alert, Evidence, MatchedValue};
use crate::attack::{AlertTechnique, Tactic};
use crate::entity::Entity;
use crate::suppress::QuietAlert;

impl Serialize for Alert {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", "alert")?;
        self.entries(&mut map)?;
        map.end()
    }
}

/// An alert's keys, with those of the exception behind them. It is no alert, and its kind says so.
impl Serialize for QuietAlert<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Exception { reason, path, line, .. } = self.exception;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", "quiet")?;
        self.alert.entries(&mut map)?;
        let exception = json!({"reason": reason, "file": &**path, "line": line});
        map.serialize_entry("exception", &exception)?;
        map.end()
    }
}

impl Alert {
    /// Everything but the kind.
    fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("id", &Text(&self.id))?;
        map.serialize_entry("time", &self.time.as_ref().map(Text))?;
        map.serialize_entry("rule", &RuleName(self))?;
        map.serialize_entry("severity", self.severity.as_str())?;
        map.serialize_entry("risk_score", &self.risk_score)?;
        map.serialize_entry("building_block", &self.building_block)?;
        if !self.rule.meta.kind.is_empty() {
            map.serialize_entry("raises", self.rule.trigger.raises.words())?;
        }
        map.serialize_entry("message", &self.message)?;
        map.serialize_entry("attack", &self.techniques)?;
        map.serialize_entry("tactics", &Tactics(&self.tactics))?;
        map.serialize_entry("entities", &self.entities)?;
        map.serialize_entry("fields", &Values(&self.fields))?;
        map.serialize_entry("evidence", &self.evidence)?;
        map.serialize_entry("evidence_total", &self.evidence_total)?;
        map.serialize_entry("matched", &self.matched)?;
        if !self.notes.is_empty() {
            map.serialize_entry("notes", &self.notes)?;
        }
        Ok(())
    }
}

/// Anything by the text it is displayed as.
pub(crate) struct Text<'a, T>(pub(crate) &'a T);

impl<T: Display> Serialize for Text<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

struct RuleName<'a>(&'a Alert);

impl Serialize for RuleName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (meta, origin) = (&self.0.rule.meta, &self.0.rule.origin);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &meta.id)?;
        map.serialize_entry("title", &meta.title)?;
        map.serialize_entry("source", origin.vendor.as_str())?;
        map.serialize_entry("language", origin.language.as_str())?;
        map.serialize_entry("path", &*origin.path)?;
        if !meta.kind.is_empty() {
            map.serialize_entry("type", &meta.kind)?;
        }
        if DESCRIBED.contains(&origin.vendor) && !meta.description.is_empty() {
            map.serialize_entry("description", &meta.description)?;
        }
        for (name, value) in metadata(meta).filter(|(name, _)| OF_ALERTS.contains(name)) {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

/// What else a vendor says of a rule that goes with each of its alerts.
const OF_ALERTS: &[&str] = &[
    "version",
    "analytic_story",
    "asset_type",
    "security_domain",
    "cve",
    "input_source",
    "permissions_required",
    "executables",
    "guidance",
];

/// Vendors whose descriptions are there to be read with an alert: pages for hunters.
const DESCRIBED: &[Vendor] = &[Vendor::Playbook];

/// What there may be several of, so that it is a list even of one.
const LISTS: &[&str] = &[
    "analytic_story",
    "cve",
    "product",
    "data_source",
    "atomic_guid",
    "required_fields",
    "required_not_read",
    "read_not_required",
    "permissions_required",
    "platform",
    "executables",
    "commands",
];

/// What else a vendor says of a rule, by the names it has in output.
pub fn metadata(meta: &Meta) -> impl Iterator<Item = (&'static str, serde_json::Value)> {
    meta.more.iter().map(|(name, values)| match values.as_slice() {
        [one] if !LISTS.contains(name) => (*name, json!(one)),
        values => (*name, json!(values)),
    })
}

impl Serialize for AlertTechnique {
    /// `technique` is the rule's own id; `current` is there where that was revoked; `name` is null
    /// for an id that no table has.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("technique", &self.id)?;
        map.serialize_entry("name", &self.technique.map(|technique| technique.name))?;
        map.serialize_entry("tactics", &Tactics(&self.tactics))?;
        if let Some(current) = self.technique.filter(|technique| technique.id != self.id) {
            map.serialize_entry("current", current.id)?;
        }
        map.end()
    }
}

struct Tactics<'a>(&'a [&'static Tactic]);

impl Serialize for Tactics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|tactic| tactic.name))
    }
}

impl Serialize for Entity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", self.kind.as_str())?;
        map.serialize_entry("value", &self.value)?;
        if let Some(role) = self.role {
            map.serialize_entry("role", role.as_str())?;
        }
        if let Some(score) = self.score {
            map.serialize_entry("score", &score)?;
        }
        map.end()
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("log", &*self.log)?;
        map.serialize_entry("record", &self.event.record)?;
        map.serialize_entry("time", &self.event.time.as_ref().map(Text))?;
        map.serialize_entry("event", &EventValues(&self.event))?;
        map.end()
    }
}

/// What an event is a record of, then all its values by their own names.
struct EventValues<'a>(&'a Event);

impl Serialize for EventValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = &self.0.kind;
        let mut map = serializer.serialize_map(None)?;
        let header = [("provider", &kind.provider), ("channel", &kind.channel)];
        for (name, word) in header.into_iter().filter(|(_, word)| !word.is_empty()) {
            map.serialize_entry(name, &**word)?;
        }
        match kind.event_id.parse::<u64>() {
            Ok(number) => map.serialize_entry("event_id", &number)?,
            Err(_) if kind.event_id.is_empty() => {}
            Err(_) => map.serialize_entry("event_id", &*kind.event_id)?,
        }
        for (name, value) in &self.0.fields {
            // An object with one name twice reads differently everywhere.
            let taken = !kind.event_id.is_empty() && HEADER.contains(&&**name);
            if taken {
                map.serialize_entry(&format!("event.{name}"), &Json(value))?;
            } else {
                map.serialize_entry(&**name, &Json(value))?;
            }
        }
        map.end()
    }
}

/// What an event's own values called so are written as `event.NAME` for.
const HEADER: [&str; 3] = ["provider", "channel", "event_id"];

struct Values<'a, N>(&'a [(N, Value)]);

impl<N: AsRef<str>> Serialize for Values<'_, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name.as_ref(), Json(value))))
    }
}

impl Serialize for MatchedValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("stage", &self.stage)?;
        map.serialize_entry("field", &*self.field)?;
        map.serialize_entry("test", self.test)?;
        map.serialize_entry("pattern", &self.pattern)?;
        map.serialize_entry("value", &Json(&self.value))?;
        map.end()
    }
}

/// A value as the JSON value it is.
struct Json<'a>(&'a Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => serializer.serialize_i64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::String(text) => serializer.serialize_str(text),
            Value::Time(time) => serializer.collect_str(time),
            Value::List(values) => serializer.collect_seq(values.iter().map(Json)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_ir::Vendor;
    use serde_json::{Value as Parsed, json};

    use crate::samples::{alerts, upload_alert};

    fn keys(value: &Parsed) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_keys_and_their_order() {
        for alert in alerts() {
            let parsed: Parsed =
                serde_json::from_str(&serde_json::to_string(&alert).unwrap()).unwrap();
            let top = "kind id time rule severity risk_score building_block message attack tactics \
                       entities fields evidence evidence_total matched";
            assert_eq!(keys(&parsed).join(" "), top);
            assert_eq!(keys(&parsed["rule"]).join(" "), "id title source language path");
            assert_eq!(keys(&parsed["evidence"][0]).join(" "), "log record time event");
            for technique in parsed["attack"].as_array().unwrap() {
                assert!(keys(technique).join(" ").starts_with("technique name tactics"));
            }
            for entity in parsed["entities"].as_array().unwrap() {
                assert!(keys(entity).join(" ").starts_with("type value"));
            }
            for matched in parsed["matched"].as_array().unwrap() {
                assert_eq!(keys(matched).join(" "), "stage field test pattern value");
            }
        }
    }

    #[test]
    fn notes_are_there_where_there_is_something_to_say() {
        let mut alert = upload_alert();
        assert_eq!(serde_json::to_value(&alert).unwrap().get("notes"), None);
        alert.notes = vec!["fragment 1 of 2; 2 missing".to_owned()];
        let parsed = serde_json::to_value(&alert).unwrap();
        assert_eq!(parsed["notes"], json!(["fragment 1 of 2; 2 missing"]));
        assert!(keys(&parsed).join(" ").ends_with("evidence_total matched notes"));
    }

    #[test]
    fn what_pages_say_goes_with_their_alerts() {
        let mut alert = upload_alert();
        let rule = Arc::make_mut(&mut alert.rule);
        rule.origin.vendor = Vendor::Playbook;
        rule.meta.description = "What it is.".to_owned();
        let one = |text: &str| vec![text.to_owned()];
        rule.meta.more = vec![
            ("input_source", one("Sysmon")),
            ("permissions_required", one("User")),
            ("executables", one("curl.exe")),
            ("commands", one("curl -T")),
            ("guidance", one("Ask whose it is.")),
        ];
        let parsed = serde_json::to_value(&alert).unwrap();
        assert_eq!(
            keys(&parsed["rule"]).join(" "),
            "id title source language path description input_source permissions_required \
             executables guidance"
        );
        assert_eq!(parsed["rule"]["permissions_required"], json!(["User"]));
        assert_eq!(parsed["rule"]["guidance"], json!("Ask whose it is."));
    }

    #[test]
    fn the_types() {
        let parsed = serde_json::to_value(&alerts()[0]).unwrap();
        let types = [
            ("/id", "string"),
            ("/time", "string"),
            ("/risk_score", "number"),
            ("/building_block", "bool"),
            ("/attack", "array"),
            ("/attack/0/tactics/0", "string"),
            ("/entities", "array"),
            ("/fields", "object"),
            ("/evidence/0/record", "number"),
            ("/evidence/0/event/event_id", "number"),
            ("/evidence/0/event/EventRecordID", "number"),
            ("/evidence/0/event/Image", "string"),
            ("/evidence_total", "number"),
            ("/matched/0/stage", "number"),
        ];
        for (place, expected) in types {
            let found = match parsed.pointer(place) {
                Some(Parsed::String(_)) => "string",
                Some(Parsed::Number(_)) => "number",
                Some(Parsed::Bool(_)) => "bool",
                Some(Parsed::Array(_)) => "array",
                Some(Parsed::Object(_)) => "object",
                Some(Parsed::Null) | None => "nothing",
            };
            assert_eq!(found, expected, "{place}");
        }
        assert_eq!(parsed["time"], "2024-05-14T08:30:05.1234567Z");
    }

    #[test]
    fn what_is_unknown_is_null() {
        let parsed = serde_json::to_value(upload_alert()).unwrap();
        assert_eq!(parsed["time"], Parsed::Null);
        assert_eq!(parsed["attack"], json!([]));
        assert_eq!(parsed["tactics"], json!(["Exfiltration"]));
        assert_eq!(parsed["evidence"][0]["event"]["bytes"], json!(4096));
        assert_eq!(parsed["evidence"][0]["event"]["tags"], json!(["a", 1]));
    }
}
