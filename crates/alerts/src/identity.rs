//! What makes an alert the same alert, wherever and in whatever format its events are read.

use std::fmt;

use blake3::Hasher;
use rulestone_events::Event;
use rulestone_value::Value;

use crate::entity::EntityView;

/// The identity of an alert: the first 128 bits of the BLAKE3 of its rule's id, its group key and
/// the identities of its events. Neither paths nor the format of a log have a part in it.
///
/// An event out of a Windows log is known by its computer, channel, provider, event id, record id
/// and time to the second: exporters cut the fraction at different places, and record ids keep
/// the events of a second apart. Any other event is known by its values. 128 bits are enough for
/// no two of any number of alerts anyone can store to meet by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId([u8; 16]);

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Collects what an alert's identity is made of, in this order: rule, group key, events.
pub(crate) struct Identity(Hasher);

impl Identity {
    /// Of an alert of a rule. A rule that does not group has no group key.
    pub(crate) fn new(rule_id: &str, group: &[&str]) -> Self {
        let mut identity = Identity(Hasher::new());
        identity.part(rule_id.as_bytes());
        identity.count(group.len());
        group.iter().for_each(|part| identity.part(part.as_bytes()));
        identity
    }

    /// Adds an event that the alert rests on.
    pub(crate) fn event(&mut self, view: &EntityView<'_>, event: &Event) {
        match view.text("record_id") {
            Some(record) => self.record(view, event, &record),
            None => self.values(event),
        }
    }

    pub(crate) fn finish(self) -> AlertId {
        let mut id = [0; 16];
        self.0.finalize_xof().fill(&mut id);
        AlertId(id)
    }

    fn record(&mut self, view: &EntityView<'_>, event: &Event, record: &str) {
        const TICKS_PER_SECOND: i64 = 10_000_000;
        let kind = &event.kind;
        let computer = view.text("computer").unwrap_or_default();
        self.part(b"record");
        // Exporters differ in the case of names, and one may write another's upper case.
        for name in [&computer, &*kind.channel, &kind.provider] {
            self.part(name.to_lowercase().as_bytes());
        }
        self.part(kind.event_id.as_bytes());
        self.part(record.as_bytes());
        let second = event.time.map(|time| time.ticks().div_euclid(TICKS_PER_SECOND).to_le_bytes());
        self.part(second.as_ref().map_or(&[], |second| second));
    }

    fn values(&mut self, event: &Event) {
        // A null is an absence, and the order of an object's names means nothing.
        let mut fields: Vec<_> = event.fields.iter().filter(|(_, v)| !v.is_null()).collect();
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.part(b"values");
        self.count(fields.len());
        for (name, value) in fields {
            self.part(name.as_bytes());
            self.value(value);
        }
    }

    fn value(&mut self, value: &Value) {
        let tag: &[u8] = match value {
            Value::Null => b"n",
            Value::Bool(_) => b"b",
            Value::Integer(_) => b"i",
            Value::Float(_) => b"f",
            Value::String(_) => b"s",
            Value::Time(_) => b"t",
            Value::List(_) => b"l",
        };
        self.0.update(tag);
        match value {
            Value::List(values) => {
                self.count(values.len());
                values.iter().for_each(|value| self.value(value));
            }
            value => self.part(value.text().unwrap_or_default().as_bytes()),
        }
    }

    /// One part, told from the next by its length.
    fn part(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn count(&mut self, count: usize) {
        self.0.update(&(count as u64).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_events::{Fields, Ingest, Interest, Kind, Log, Settings, Views};

    use super::*;
    use crate::samples::{json_event, sysmon, sysmon_record};

    fn id_of(rule: &str, event: &Event) -> String {
        let views = Views::built_in().unwrap();
        let mut identity = Identity::new(rule, &[]);
        identity.event(&EntityView::new(event, &views), event);
        identity.finish().to_string()
    }

    #[test]
    fn the_form_of_a_windows_event_makes_no_difference() {
        let evtx = sysmon(1, &[("Image", "C:\\a.exe")]);
        let mut flat = sysmon(1, &[("Image", "C:\\A.EXE"), ("Hostname", "WS01")]);
        flat.shape = "flat";
        flat.record = 3;
        flat.fields.reverse();
        assert_eq!(id_of("r", &evtx), id_of("r", &flat));
        assert_eq!(id_of("r", &evtx).len(), 32);
    }

    /// Two exporters' forms of one event: the tree of the EVTX file, and Get-WinEvent's objects,
    /// which name, order and cut values differently.
    #[test]
    fn exporters_agree() {
        let evtx = r##"{"Event":{"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}},
            "EventID":1,"TimeCreated":{"#attributes":{"SystemTime":"2024-05-14T08:30:05.123456Z"}},
            "EventRecordID":101,"Channel":"Microsoft-Windows-Sysmon/Operational",
            "Computer":"WS01.corp.example"},"EventData":{"Image":"C:\\a.exe"}}}"##;
        let flat = r#"{"Image":"C:\\a.exe","RecordNumber":"101","Hostname":"ws01.corp.example",
            "Channel":"Microsoft-Windows-Sysmon/Operational","EventID":1,"Message":"Process Create",
            "SourceName":"Microsoft-Windows-Sysmon","@timestamp":"2024-05-14T08:30:05.123Z"}"#;
        let (evtx, flat) = (read(evtx), read(flat));
        assert_eq!((evtx.shape, flat.shape), ("evtx", "flat"));
        assert_eq!(id_of("r", &evtx), id_of("r", &flat));
    }

    struct Everything;

    impl Interest for Everything {
        fn fields(&self, _: &Arc<Kind>) -> Fields {
            Fields::All
        }
    }

    /// The event of a log of one record.
    fn read(text: &'static str) -> Event {
        let mut log = Log::from_reader(text.as_bytes(), "log".into()).unwrap();
        let records = log.next_unit().unwrap().into_records();
        let mut event = None;
        Ingest::new(Settings::default()).read(records, &Everything, |batch| {
            event = batch.rows.first().map(|row| batch.event(row));
        });
        event.unwrap()
    }

    #[test]
    fn other_rules_and_events_have_other_ids() {
        let event = sysmon(1, &[("Image", "C:\\a.exe")]);
        assert_ne!(id_of("r", &event), id_of("s", &event));
        assert_ne!(id_of("r", &event), id_of("r", &sysmon_record(1, 102, &[])));
        assert_ne!(id_of("r", &event), id_of("r", &sysmon(3, &[])));
        let mut later = event.clone();
        later.time = rulestone_value::Time::parse("2031-01-01T00:00:00Z");
        assert_ne!(id_of("r", &event), id_of("r", &later));
    }

    #[test]
    fn events_without_a_record_id_are_known_by_their_values() {
        let event = json_event(&[("a", "1"), ("b", "2")]);
        let turned = json_event(&[("b", "2"), ("a", "1")]);
        let split = json_event(&[("a", "1b"), ("", "2")]);
        assert_eq!(id_of("r", &event), id_of("r", &turned));
        assert_ne!(id_of("r", &event), id_of("r", &split));
        let mut number = event.clone();
        number.fields[0].1 = Value::Integer(1);
        assert_ne!(id_of("r", &event), id_of("r", &number));
    }
}
