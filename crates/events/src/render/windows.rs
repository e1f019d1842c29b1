//! Windows events as XML.

use std::borrow::Cow;

use rulestone_value::{Time, Value};

use crate::{Event, Kind};

/// The namespace of Windows events.
const NAMESPACE: &str = "http://schemas.microsoft.com/win/2004/08/events/event";

/// Names of attributes and the fields that hold them.
type Attributes = &'static [(&'static str, &'static str)];

/// The header of a Windows event in its order: the element, the field that is its text, and the
/// fields that are its attributes.
const HEADER: &[(&str, &str, Attributes)] = &[
    (
        "Provider",
        "",
        &[
            ("Name", "Provider_Name"),
            ("Guid", "Provider_Guid"),
            ("EventSourceName", "Provider_EventSourceName"),
        ],
    ),
    ("EventID", "EventID", &[("Qualifiers", "EventID_Qualifiers")]),
    ("Version", "Version", &[]),
    ("Level", "Level", &[]),
    ("Task", "Task", &[]),
    ("Opcode", "Opcode", &[]),
    ("Keywords", "Keywords", &[]),
    ("TimeCreated", "", &[("SystemTime", SYSTEM_TIME)]),
    ("EventRecordID", "EventRecordID", &[]),
    (
        "Correlation",
        "",
        &[
            ("ActivityID", "Correlation_ActivityID"),
            ("RelatedActivityID", "Correlation_RelatedActivityID"),
        ],
    ),
    ("Execution", "", &[("ProcessID", "Execution_ProcessID"), ("ThreadID", "Execution_ThreadID")]),
    ("Channel", "Channel", &[]),
    ("Computer", "Computer", &[]),
    ("Security", "", &[("UserID", "Security_UserID")]),
];

/// The field that is written as the event's time.
pub(super) const SYSTEM_TIME: &str = "TimeCreated_SystemTime";

/// Elements that Windows writes whether or not they hold something.
const ALWAYS: &[&str] = &["Provider", "Correlation", "Security"];

/// What collectors put beside an event that is no part of it.
const BESIDE: &[&str] = &[
    "xmlns",
    "Message",
    "message",
    "tags",
    "type",
    "host",
    "index",
    "source",
    "sourcetype",
    "splunk_server",
    "_time",
    "TimeCreated",
    "EventReceivedTime",
    "SourceModuleName",
    "SourceModuleType",
    "SeverityValue",
    "Severity",
    "EventType",
    "EventTypeName",
    "RecordNumber",
    "Category",
];

/// Where the values of a field stand in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the header: the place among its fields, and whether as an attribute.
    Header { at: u8, is_attribute: bool },
    /// Among the data.
    Data,
    /// Nowhere: it is beside the event.
    Beside,
}

impl Place {
    /// Where the values of a field stand that events of a shape have.
    pub(crate) fn of(shape: &str, name: &str) -> Place {
        if let Some(at) = header_fields().position(|(field, _)| field == name) {
            let is_attribute =
                header_fields().nth(at).is_some_and(|(_, is_attribute)| is_attribute);
            return Place::Header { at: at as u8, is_attribute };
        }
        // The data of a log's own events may be called like anything, that of exporters has their
        // own names beside it.
        let is_own = shape.starts_with("evtx");
        let is_beside = !is_own && (BESIDE.contains(&name) || name.contains(['.', '@']));
        if name == "xmlns" || is_beside { Place::Beside } else { Place::Data }
    }
}

/// The fields of the header, and whether they are attributes.
pub(super) fn header_fields() -> impl Iterator<Item = (&'static str, bool)> {
    HEADER.iter().flat_map(|(_, text, attributes)| {
        let text = std::iter::once((*text, false)).filter(|(field, _)| !field.is_empty());
        text.chain(attributes.iter().map(|(_, field)| (*field, true)))
    })
}

/// What stands at a place of the header.
pub(super) enum Said {
    /// This text, as it stands in XML.
    Text(String),
    /// Something that is left open.
    Open,
}

/// Text in stretches, between which something is left open.
#[derive(Default)]
pub(super) struct Stretches {
    done: Vec<String>,
    last: String,
}

impl Stretches {
    fn say(&mut self, said: &Said) {
        match said {
            Said::Text(text) => self.last.push_str(text),
            Said::Open => self.done.push(std::mem::take(&mut self.last)),
        }
    }

    pub(super) fn into_texts(mut self) -> Vec<String> {
        self.done.push(self.last);
        self.done
    }
}

pub(super) fn xml(event: &Event) -> String {
    let mut out = before_data(|field| header_text(event, field).map(Said::Text)).last;
    for (name, value) in &event.fields {
        if Place::of(event.shape, name) == Place::Data && !is_nothing(name, value) {
            data(name, value, &mut out);
        }
    }
    out.push_str(AFTER_DATA);
    out
}

/// Whether a value is that of an element of the header that holds nothing: the element is a name of
/// its own then.
pub(super) fn is_nothing(name: &str, value: &Value) -> bool {
    value.is_null() && HEADER.iter().any(|(element, ..)| *element == name)
}

/// What stands behind the data.
pub(super) const AFTER_DATA: &str = "</EventData></Event>";

/// What stands before the data.
pub(super) fn before_data(said: impl Fn(&str) -> Option<Said>) -> Stretches {
    let mut out =
        Stretches { last: format!("<Event xmlns='{NAMESPACE}'><System>"), done: Vec::new() };
    for (element, field, attributes) in HEADER {
        let text = said(field);
        let attributes = attributes.iter().filter_map(|(name, field)| Some((name, said(field)?)));
        let attributes: Vec<_> = attributes.collect();
        if text.is_none() && attributes.is_empty() && !ALWAYS.contains(element) {
            continue;
        }
        out.last.extend(["<", element]);
        for (name, value) in attributes {
            out.last.extend([" ", name, "='"]);
            out.say(&value);
            out.last.push('\'');
        }
        match text {
            Some(text) => {
                out.last.push('>');
                out.say(&text);
                out.last.extend(["</", element, ">"]);
            }
            None => out.last.push_str("/>"),
        }
    }
    out.last.push_str("</System><EventData>");
    out
}

fn header_text(event: &Event, field: &str) -> Option<String> {
    let Place::Header { is_attribute, .. } = Place::of(event.shape, field) else { return None };
    if let Some(said) = of_kind(&event.kind, field, is_attribute) {
        return said;
    }
    match event.time.filter(|_| field == SYSTEM_TIME) {
        Some(time) => Some(time_text(time)),
        None => value_text(field, is_attribute, event.get(field)),
    }
}

/// What the kind itself says of a header field, if it does: a text, or that there is none.
pub(super) fn of_kind(kind: &Kind, field: &str, is_attribute: bool) -> Option<Option<String>> {
    Some(value_text(field, is_attribute, &kind.header(field)?))
}

/// The event's time as it stands in the header.
pub(super) fn time_text(time: Time) -> String {
    time.to_string()
}

/// A value of a header field as it stands in XML.
pub(super) fn value_text(field: &str, is_attribute: bool, value: &Value) -> Option<String> {
    let text = value.text()?;
    let text = match field {
        "Provider_Guid" | "Correlation_ActivityID" | "Correlation_RelatedActivityID" => {
            braced(&text)
        }
        _ => text,
    };
    let text = escaped(&text);
    Some(if is_attribute { text.replace('\'', "&apos;") } else { text.into_owned() })
}

/// Text as it stands in XML.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if memchr::memchr3(b'&', b'<', b'>', text.as_bytes()).is_none() {
        return text.into();
    }
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").into()
}

/// A GUID as Windows writes it.
fn braced(text: &str) -> Cow<'_, str> {
    let is_guid = text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    if is_guid { format!("{{{text}}}").into() } else { text.into() }
}

fn data(name: &str, value: &Value, out: &mut String) {
    let empty = [Value::Null];
    let elements = if value.is_null() { &empty } else { value.elements() };
    let (before, after) = around_data(name);
    for element in elements {
        out.push_str(&before);
        out.push_str(&data_text(element));
        out.push_str(after);
    }
}

/// An element of a list of data, or a single value, as it stands in XML.
pub(super) fn data_text(element: &Value) -> String {
    let text = element.text().unwrap_or_default();
    escaped(&braced(&text)).into_owned()
}

/// What stands around each value of a field of the data.
pub(super) fn around_data(name: &str) -> (Cow<'_, str>, &'static str) {
    match name {
        "Data" => ("<Data>".into(), "</Data>"),
        "Binary" => ("<Binary>".into(), "</Binary>"),
        _ => {
            let name = escaped(name).replace('\'', "&apos;");
            (format!("<Data Name='{name}'>").into(), "</Data>")
        }
    }
}
