//! Windows events in lines of text: a header of names and values, and the message that Windows
//! shows to people. What the labels of a message are called in the event itself is a table,
//! `kinds/messages.toml`; the record becomes the tree that the same event has as XML.

use std::borrow::Cow;

use rulestone_value::Time;

use super::date::{self, Zone};
use super::textlog::Conversion;
use super::write::{Object, is_integer, string};
use crate::Tally;
use crate::kinds::messages;

/// Who wrote the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Splunk: `LogName=Security`, behind a line with the time.
    Splunk,
    /// Event Viewer: `Log Name:      Security`.
    Viewer,
}

/// The form whose first named line this is.
pub(crate) fn starts(line: &[u8]) -> Option<Form> {
    if line.starts_with(b"LogName=") {
        return Some(Form::Splunk);
    }
    line.starts_with(b"Log Name:").then_some(Form::Viewer)
}

/// Whether the line is a date and nothing else, as Splunk puts it before an event.
pub(crate) fn is_date(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    (10..=40).contains(&line.len())
        && line[0].is_ascii_digit()
        && std::str::from_utf8(line).is_ok_and(|line| date::read(line).is_some())
}

/// A Windows event as its text tells it.
#[derive(Default)]
pub(crate) struct WindowsEvent<'a> {
    pub(crate) channel: &'a str,
    pub(crate) provider: &'a str,
    pub(crate) event_id: &'a str,
    pub(crate) computer: &'a str,
    pub(crate) record: &'a str,
    pub(crate) time: Option<Time>,
    pub(crate) level: &'a str,
    pub(crate) keywords: &'a str,
    pub(crate) user_id: &'a str,
    /// What else the header says, under its own names.
    pub(crate) more: Vec<(Cow<'a, str>, &'a str)>,
    pub(crate) message: Cow<'a, str>,
    /// Values of the event itself, where they are known without the message.
    pub(crate) data: Vec<(String, String)>,
}

/// Writes the event in `text`.
pub(crate) fn convert(form: Form, text: &[u8], to: Conversion<'_>, out: &mut Vec<u8>) {
    let whole = String::from_utf8_lossy(text);
    let (separator, message) = match form {
        Form::Splunk => ('=', "Message"),
        Form::Viewer => (':', "Description"),
    };
    let (mut event, mut zone, mut at) = (WindowsEvent::default(), None, 0);
    while at < whole.len() {
        let end = whole[at..].find('\n').map_or(whole.len(), |length| at + length);
        let line = &whole[at..end];
        match line.split_once(separator) {
            Some((name, _)) if name.trim() == message => {
                event.message = whole[at + name.len() + 1..].trim().into();
                break;
            }
            _ if at == 0 && form == Form::Splunk && is_date(line.as_bytes()) => {
                zone = event.set("Date", line.trim());
            }
            Some((name, value)) => zone = event.set(name.trim(), value.trim()).or(zone),
            None if line.trim().is_empty() => {}
            None => {
                let reason = "line of a Windows event without a name";
                to.tally.skip(reason, (to.place)(), line.len() as u64);
            }
        }
        at = end + 1;
    }
    if zone == Some(Zone::Assumed) {
        local_time(to.tally, (to.place)());
    }
    event.write(out);
}

/// Says once for each unit that times do not say where they were measured.
pub(crate) fn local_time(tally: &mut Tally, place: String) {
    const REASON: &str = "local time read as UTC";
    if !tally.skipped.contains_key(REASON) {
        tally.skip(REASON, place, 0);
    }
}

/// What an event's header calls a value, in whatever form.
const NAMES: &[(&str, &[&str])] = &[
    ("channel", &["LogName", "Log Name", "Channel"]),
    ("provider", &["SourceName", "Source", "ProviderName", "Provider"]),
    ("id", &["EventCode", "Event ID", "EventId", "EventID", "Id"]),
    ("computer", &["ComputerName", "Computer", "MachineName"]),
    ("record", &["RecordNumber", "RecordId", "EventRecordID", "EventRecordId"]),
    ("time", &["Date", "Date and Time", "TimeCreated", "TimeGenerated"]),
    ("level", &["Level", "Type", "LevelDisplayName"]),
    ("keywords", &["Keywords", "KeywordsDisplayNames"]),
    ("user", &["Sid", "UserId"]),
    ("message", &["Message", "Description"]),
];

/// Words for levels and keywords, and their numbers.
const NUMBERS: &[(&str, &str)] = &[
    ("Critical", "1"),
    ("Error", "2"),
    ("Warning", "3"),
    ("Information", "4"),
    ("Verbose", "5"),
    ("Audit Success", "0x8020000000000000"),
    ("Audit Failure", "0x8010000000000000"),
    ("Classic", "0x80000000000000"),
];

fn number(word: &str) -> &str {
    NUMBERS.iter().find(|(own, _)| *own == word).map_or(word, |(_, number)| number)
}

impl<'a> WindowsEvent<'a> {
    /// Takes a value of the header. A time says where it was measured.
    pub(crate) fn set(&mut self, name: &'a str, value: &'a str) -> Option<Zone> {
        let own = NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(own, _)| *own);
        let place = match own {
            Some("channel") => &mut self.channel,
            Some("provider") => &mut self.provider,
            Some("id") => &mut self.event_id,
            Some("computer") => &mut self.computer,
            Some("record") => &mut self.record,
            Some("level") => &mut self.level,
            Some("keywords") => &mut self.keywords,
            Some("user") => &mut self.user_id,
            Some("message") => {
                self.message = value.into();
                return None;
            }
            Some("time") => {
                let (time, zone) = date::read(value)?;
                self.time = Some(time);
                return Some(zone);
            }
            _ => {
                if !value.is_empty() {
                    self.more.push((name.into(), value));
                }
                return None;
            }
        };
        if place.is_empty() {
            *place = value;
        }
        None
    }

    /// Writes the tree that the same event has as XML.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut root = Object::open(out);
        let mut event = Object::open(root.key(b"Event"));
        self.write_system(event.key(b"System"));
        let mut values = messages::values(self.channel(), self.event_id, &self.message);
        values.extend_from_slice(&self.data);
        if !values.is_empty() {
            let mut data = Object::open(event.key(b"EventData"));
            for (name, value) in &values {
                data.text(name, value.as_bytes());
            }
            data.close();
        }
        event.text_if_any("Message", self.message.as_bytes());
        for (name, value) in &self.more {
            event.text(name, value.as_bytes());
        }
        event.close();
        root.close();
    }

    /// The channel, by the provider where the export leaves it out.
    fn channel(&self) -> &str {
        match self.channel {
            "" => messages::channel(messages::provider(self.provider)),
            channel => channel,
        }
    }

    fn write_system(&self, out: &mut Vec<u8>) {
        let mut system = Object::open(out);
        let provider = messages::provider(self.provider);
        if !provider.is_empty() {
            attribute(system.key(b"Provider"), "Name", provider);
        }
        number_or_text(system.key(b"EventID"), self.event_id);
        if !self.level.is_empty() {
            // An audited event has the level of one that always is logged.
            let audited = self.keywords.starts_with("Audit ");
            number_or_text(system.key(b"Level"), if audited { "0" } else { number(self.level) });
        }
        system.text_if_any("Keywords", number(self.keywords).as_bytes());
        if let Some(time) = self.time {
            attribute(system.key(b"TimeCreated"), "SystemTime", &time.to_string());
        }
        if !self.record.is_empty() {
            number_or_text(system.key(b"EventRecordID"), self.record);
        }
        system.text_if_any("Channel", self.channel().as_bytes());
        system.text_if_any("Computer", self.computer.as_bytes());
        if !self.user_id.is_empty() {
            attribute(system.key(b"Security"), "UserID", self.user_id);
        }
        system.close();
    }
}

fn attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    let mut outer = Object::open(out);
    let mut inner = Object::open(outer.key(b"#attributes"));
    inner.text(name, value.as_bytes());
    inner.close();
    outer.close();
}

fn number_or_text(out: &mut Vec<u8>, text: &str) {
    if is_integer(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        string(out, text.as_bytes());
    }
}

/// Where the tab-separated part of a line of Snare's starts.
pub(crate) fn snare_start(line: &[u8]) -> Option<usize> {
    let head = &line[..line.len().min(256)];
    let at = memchr::memmem::find(head, b"MSWinEventLog\t")?;
    (at == 0 || matches!(line[at - 1], b' ' | b'\t')).then_some(at)
}

/// Writes the event of a line that is Snare's alone, with or without a host before it.
pub(crate) fn convert_snare(line: &[u8], mut to: Conversion<'_>, out: &mut Vec<u8>) {
    let at = snare_start(line).unwrap_or_default();
    let host = String::from_utf8_lossy(line[..at].trim_ascii());
    if !snare(&line[at..], &host, &mut to, out) {
        to.tally.skip("line of Snare's with fields missing", (to.place)(), line.len() as u64);
    }
}

/// Writes the event of a line of Snare's. `false` if it is none.
pub(crate) fn snare(
    message: &[u8],
    host: &str,
    to: &mut Conversion<'_>,
    out: &mut Vec<u8>,
) -> bool {
    let text = String::from_utf8_lossy(message);
    let fields: Vec<&str> = text.splitn(15, '\t').map(str::trim).collect();
    let [_, _, channel, _, time, id, provider, user, _, kind, computer, category, rest @ ..] =
        fields.as_slice()
    else {
        return false;
    };
    let mut event = WindowsEvent {
        channel,
        provider,
        event_id: id,
        computer: if computer.is_empty() { host } else { computer },
        keywords: match *kind {
            "Success Audit" => "Audit Success",
            "Failure Audit" => "Audit Failure",
            _ => "",
        },
        level: kind,
        ..WindowsEvent::default()
    };
    if event.set("Date", time) == Some(Zone::Assumed) {
        local_time(to.tally, (to.place)());
    }
    event.message = rest.get(1).copied().unwrap_or_default().into();
    event.more.push(("User".into(), user));
    event.more.push(("TaskCategory".into(), category));
    event.write(out);
    true
}
