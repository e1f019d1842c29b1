//! Events as their own logs would have them: Windows events as XML as Splunk collects it, JSON as
//! it stands in the log, lines of text from what was kept of them.
//!
//! Of XML is lost: data that Windows puts under `UserData` is written under `EventData`, and what an
//! exporter left out of the header is not there. Of lines of syslog the spaces between the parts
//! are one each, of auditd's the quotes around values; lines of other formats read as JSON.

mod parts;
mod windows;

use std::borrow::Cow;
use std::fmt::Write as _;

use rulestone_value::Value;

use crate::Event;
pub use parts::{Frame, TextPart, TextParts};
pub(crate) use windows::{Place, escaped};

/// The name of the event as its log would have it.
pub const RAW: &str = "_raw";

impl Event {
    /// The event as its own log would have it: Windows events as XML, others as their text.
    pub fn raw(&self) -> String {
        if let Value::String(raw) = self.get(RAW) {
            return raw.clone();
        }
        if self.kind.has_windows_header() {
            return windows::xml(self);
        }
        match (self.shape, &self.text) {
            ("syslog", _) => syslog(self),
            ("auditd", _) => auditd(self),
            (_, Some(text)) => text.to_string(),
            _ => json(self),
        }
    }
}

// ---- Lines --------------------------------------------------------------------------------------

fn text_of<'e>(event: &'e Event, name: &str) -> Option<Cow<'e, str>> {
    event.get(name).text()
}

fn syslog(event: &Event) -> String {
    let mut out = String::new();
    let written = text_of(event, "written").map(Cow::into_owned);
    let time = written.or_else(|| event.time.map(|time| time.to_string()));
    let host = text_of(event, "Computer").or_else(|| text_of(event, "hostname"));
    for part in [time.map(Cow::Owned), host].into_iter().flatten() {
        out.push_str(&part);
        out.push(' ');
    }
    if let Some(program) = text_of(event, "program") {
        out.push_str(&program);
        if let Some(pid) = text_of(event, "pid") {
            // A String takes whatever is written.
            let _ = write!(out, "[{pid}]");
        }
        out.push_str(": ");
    }
    out.push_str(&text_of(event, "message").unwrap_or_default());
    out
}

fn auditd(event: &Event) -> String {
    let mut out = String::new();
    for name in ["node", "Computer", "hostname"] {
        if let Some(node) = text_of(event, name) {
            // A String takes whatever is written.
            let _ = write!(out, "node={node} ");
            break;
        }
    }
    let seconds = event.time.map_or(0.0, |time| time.ticks() as f64 / 1e7);
    let serial = text_of(event, "serial").unwrap_or_default();
    let kind = text_of(event, "type").unwrap_or_default();
    let _ = write!(out, "type={kind} msg=audit({seconds:.3}:{serial}):");
    const SAID: &[&str] = &["node", "Computer", "hostname", "serial", "type", "timestamp"];
    for (name, value) in &event.fields {
        if SAID.contains(&&**name) || &**name == "TimeCreated_SystemTime" {
            continue;
        }
        for element in value.elements() {
            let text = element.text().unwrap_or_default();
            let quote = if text.contains(' ') { "\"" } else { "" };
            let _ = write!(out, " {name}={quote}{text}{quote}");
        }
    }
    out
}

/// The values by their names, on one level.
fn json(event: &Event) -> String {
    let mut out = String::from("{");
    for (name, value) in &event.fields {
        let separator = if out.len() > 1 { "," } else { "" };
        // A String takes whatever is written.
        let _ = write!(out, "{separator}{}:", quoted(name));
        match value {
            Value::List(values) => {
                let values: Vec<String> = values.iter().map(json_value).collect();
                let _ = write!(out, "[{}]", values.join(","));
            }
            value => out.push_str(&json_value(value)),
        }
    }
    out.push('}');
    out
}

fn json_value(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) => {
            value.text().unwrap_or_default().into_owned()
        }
        value => quoted(&value.text().unwrap_or_default()),
    }
}

fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    crate::readers::write_string(&mut out, text.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use crate::{Fields, Ingest, Log, Settings};

    fn raw(text: &str) -> String {
        let bytes = text.as_bytes().to_vec();
        let mut log = Log::from_reader(Cursor::new(bytes), Arc::from("log")).unwrap();
        let mut events = Vec::new();
        while let Some(unit) = log.next_unit() {
            Ingest::new(Settings::default()).read(unit.into_records(), &Fields::All, |batch| {
                events.extend(batch.rows.iter().map(|row| batch.event(row)));
            });
        }
        events.iter().map(crate::Event::raw).collect::<Vec<_>>().join("\n")
    }

    const EVENT: &str = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>\
        <System><Provider Name='P' Guid='{00000000-1111-2222-3333-444444444444}'/>\
        <EventID Qualifiers='3'>9</EventID><Version>1</Version><Level>4</Level><Task>2</Task>\
        <Opcode>0</Opcode><Keywords>0x80</Keywords>\
        <TimeCreated SystemTime='2024-03-01T09:00:01.1234567Z'/><EventRecordID>5</EventRecordID>\
        <Correlation/><Execution ProcessID='1' ThreadID='2'/><Channel>C</Channel>\
        <Computer>h</Computer><Security UserID='S-1-5-18'/></System><EventData>\
        <Data Name='A'>x &lt;y&gt; &amp; \"z\" 'w'</Data><Data Name='B'></Data></EventData></Event>";

    #[test]
    fn windows_events_are_xml_as_collected() {
        assert_eq!(raw(EVENT), EVENT);
        let unnamed = EVENT.replace(" Name='A'", "").replace(" Name='B'", "");
        assert_eq!(raw(&unnamed), unnamed);
        let other = r#"{"winlog":{"event_id":4688,"channel":"Security","provider_name":"P","computer_name":"h","event_data":{"CommandLine":"a & b"}},"@timestamp":"2024-03-01T09:00:01Z","agent":{"name":"x"},"event":{"code":"4688"},"message":"m"}"#;
        assert_eq!(
            raw(other),
            "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
             <Provider Name='P'/><EventID>4688</EventID>\
             <TimeCreated SystemTime='2024-03-01T09:00:01.0000000Z'/><Correlation/>\
             <Channel>Security</Channel><Computer>h</Computer><Security/></System><EventData>\
             <Data Name='CommandLine'>a &amp; b</Data></EventData></Event>"
        );
    }

    #[test]
    fn other_events_are_as_their_logs_have_them() {
        let json = r#"{"b": [1, {"c": null}],  "a": "x\u0041"}"#;
        assert_eq!(raw(json), json);
        let lines = [
            "May  1 10:00:00 host1 sshd[42]: Failed password for x",
            "type=EXECVE msg=audit(1714557600.123:45): argc=3 a0=\"sh\" a1=\"-c\"",
        ];
        assert_eq!(raw(lines[0]), lines[0]);
        assert_eq!(raw(lines[1]), lines[1].replace('"', ""), "quotes are not kept");
    }
}
