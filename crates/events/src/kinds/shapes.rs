//! Shapes: how exporters write an event, from `shapes.toml`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use crate::event::without_spaces;

/// What a value of the header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Provider,
    Channel,
    EventId,
    /// The time, and how far down the list of names that may hold it.
    Time(u8),
    /// The host, likewise.
    Host(u8),
}

/// One way of writing events.
pub(crate) struct Shape {
    pub(crate) name: String,
    needs: Vec<Vec<String>>,
    strip: Vec<String>,
    header: Vec<String>,
    /// Exporter's name → header name, with the place in the list of alternatives.
    rename: BTreeMap<String, (Arc<str>, u8)>,
    constants: BTreeMap<String, Arc<str>>,
    pub(crate) product: Arc<str>,
    pub(crate) dataset: Arc<str>,
}

/// All shapes, in the order in which they are tried.
pub(crate) struct Shapes(Vec<Shape>);

/// At most this many lists in `needs`.
const NEEDS: usize = 4;

/// The shapes built in.
pub(crate) static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    // The table is part of the program; a test reads it, so a mistake never reaches a user.
    Shapes::parse(include_str!("shapes.toml")).unwrap_or_else(|_| Shapes(Vec::new()))
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    shape: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    needs: Vec<Vec<String>>,
    #[serde(default)]
    strip: Vec<String>,
    #[serde(default)]
    header: Vec<String>,
    #[serde(default)]
    rename: BTreeMap<String, OneOrMore>,
    #[serde(default)]
    constants: BTreeMap<String, Arc<str>>,
    #[serde(default = "windows")]
    product: Arc<str>,
    #[serde(default = "nothing")]
    dataset: Arc<str>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

fn windows() -> Arc<str> {
    Arc::from("windows")
}

fn nothing() -> Arc<str> {
    Arc::from("")
}

impl Shapes {
    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let file: File = toml::from_str(text)?;
        Ok(Shapes(file.shape.into_iter().map(Shape::from).collect()))
    }

    pub(crate) fn get(&self, shape: usize) -> &Shape {
        &self.0[shape]
    }

    /// What having the path `name` says: a bit for each list of each shape that it satisfies.
    pub(crate) fn marks(&self, name: &str) -> u64 {
        let mut marks = 0;
        for (at, shape) in self.0.iter().enumerate() {
            for (list, names) in shape.needs.iter().enumerate() {
                if names.iter().any(|own| own == name) {
                    marks |= 1 << (at * NEEDS + list);
                }
            }
        }
        marks
    }

    /// The shape of a record whose paths have these marks together.
    pub(crate) fn of_marks(&self, marks: u64) -> usize {
        let fits = |(at, shape): (usize, &Shape)| {
            let all = (1_u64 << shape.needs.len()) - 1;
            (marks >> (at * NEEDS)) & all == all
        };
        self.0.iter().enumerate().position(fits).unwrap_or(0)
    }
}

impl From<Entry> for Shape {
    fn from(entry: Entry) -> Self {
        let mut rename = BTreeMap::new();
        for (header, names) in entry.rename {
            let header: Arc<str> = header.into();
            let names = match names {
                OneOrMore::One(name) => vec![name],
                OneOrMore::More(names) => names,
            };
            for (at, name) in names.into_iter().enumerate() {
                rename.insert(name, (header.clone(), at as u8));
            }
        }
        Shape {
            name: entry.name,
            needs: entry.needs,
            strip: entry.strip,
            header: entry.header,
            rename,
            constants: entry.constants,
            product: entry.product,
            dataset: entry.dataset,
        }
    }
}

impl Shape {
    /// A header value that records of this shape leave out.
    pub(crate) fn constant(&self, header: &str) -> Option<&Arc<str>> {
        self.constants.get(header)
    }

    /// All header values that records of this shape leave out.
    pub(crate) fn constants(&self) -> impl Iterator<Item = (&String, &Arc<str>)> {
        self.constants.iter()
    }

    /// Whether records are Windows events, with a header that names their kind.
    pub(crate) fn is_windows(&self) -> bool {
        &*self.product == "windows"
    }

    /// The field's own name for the path `name`, and what it is in the header.
    ///
    /// Of several names for one header value the first in the table keeps it; the others stay
    /// fields of their own, as does a name that is taken from a record that is not Windows'.
    pub(crate) fn field(&self, name: &str) -> (Arc<str>, Option<Role>) {
        let (is_data, inner) = self.inner(name);
        let own = own_name(inner);
        if is_data {
            // A value that has the name of a header value is not the header's.
            let taken = HEADER.contains(&&*without_spaces(&own));
            return (if taken { format!("EventData_{own}").into() } else { own.into() }, None);
        }
        let (header, at) = match self.rename.get(own.as_str()) {
            Some((header, at)) => (header.clone(), *at),
            None => (Arc::from(own.as_str()), 0),
        };
        let role = match &*header {
            "Provider_Name" => Some(Role::Provider),
            "Channel" => Some(Role::Channel),
            "EventID" => Some(Role::EventId),
            "TimeCreated_SystemTime" => Some(Role::Time(at)),
            "Computer" => Some(Role::Host(at)),
            _ => None,
        };
        let keeps_own_name = !self.is_windows() || (at > 0 && role == Some(Role::Time(at)));
        (if keeps_own_name { own.into() } else { header }, role)
    }

    /// The path without the prefix that its shape puts before it, and whether that says that it
    /// is one of the event's data.
    fn inner<'a>(&self, name: &'a str) -> (bool, &'a str) {
        let behind = |prefixes: &[String]| prefixes.iter().find_map(|prefix| strip(name, prefix));
        match behind(&self.strip) {
            Some(inner) => (true, inner),
            None => (false, behind(&self.header).unwrap_or(name)),
        }
    }
}

/// Names that belong to the header of a Windows event.
const HEADER: &[&str] = &[
    "Provider_Name",
    "Channel",
    "EventID",
    "Computer",
    "EventRecordID",
    "TimeCreated_SystemTime",
    "Version",
];

/// A path of an XML tree as one name: `A.#attributes.B` is `A_B`, `A.#text` is `A`.
fn own_name(inner: &str) -> String {
    let inner = inner.strip_suffix(".#text").unwrap_or(inner);
    match inner.split_once("#attributes.") {
        Some(("", attribute)) => attribute.to_owned(),
        Some((element, attribute)) => format!("{}_{attribute}", element.trim_end_matches('.')),
        None => inner.to_owned(),
    }
}

/// `name` without `prefix`, in which `*` stands for one key.
fn strip<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let Some((head, tail)) = prefix.split_once('*') else { return name.strip_prefix(prefix) };
    let rest = name.strip_prefix(head)?;
    rest[rest.find('.')?..].strip_prefix(tail).filter(|inner| !inner.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fits_its_marks() {
        let shapes = Shapes::parse(include_str!("shapes.toml")).unwrap();
        assert!(shapes.0.len() * NEEDS <= 64);
        assert!(shapes.0.iter().all(|shape| shape.needs.len() <= NEEDS));
        assert!(shapes.0.last().unwrap().needs.is_empty(), "the last shape takes everything");
    }

    fn shape_of(names: &[&str]) -> &'static Shape {
        let marks = names.iter().fold(0, |marks, name| marks | SHAPES.marks(name));
        SHAPES.get(SHAPES.of_marks(marks))
    }

    #[test]
    fn shapes_are_told_by_their_paths() {
        let cases: [(&[&str], &str); 7] = [
            (&["Event.System.EventID", "Event.System.Channel"], "evtx"),
            (&["Event.System.EventID.#text"], "evtx"),
            (&["event_id", "log_name", "event_data.Image"], "winlogbeat-6"),
            (&["EventID", "Channel", "EventReceivedTime"], "nxlog"),
            (&["EventID", "SourceName"], "flat"),
            (&["EventId", "UtcTime", "Image"], "sysmon-properties"),
            (&["EventID", "foo"], "json"),
        ];
        for (names, expected) in cases {
            assert_eq!(shape_of(names).name, expected, "{names:?}");
        }
    }

    #[test]
    fn names_lose_what_the_exporter_added() {
        let evtx = shape_of(&["Event.System.EventID"]);
        let cases = [
            ("Event.System.Provider.#attributes.Name", "Provider_Name"),
            ("Event.System.EventID.#text", "EventID"),
            ("Event.System.EventID.#attributes.Qualifiers", "EventID_Qualifiers"),
            ("Event.System.TimeCreated.#attributes.SystemTime", "TimeCreated_SystemTime"),
            ("Event.EventData.Image", "Image"),
            ("Event.EventData.Data.#text", "Data"),
            ("Event.UserData.RuleAndFileData.PolicyName", "PolicyName"),
            ("Event.UserData.Text", "Text"),
            ("Event.EventData.#attributes.Name", "Name"),
            ("Event.System.Channel", "Channel"),
            ("Event.UserData.LogFileCleared.Channel", "EventData_Channel"),
        ];
        for (path, expected) in cases {
            assert_eq!(&*evtx.field(path).0, expected, "{path}");
        }
    }
}
