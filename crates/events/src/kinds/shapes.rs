//! Shapes: how exporters write an event, from `shapes.toml`.

use std::collections::{BTreeMap, HashMap};
use std::ops::BitOrAssign;
use std::sync::{Arc, LazyLock};

use rulestone_value::fold;
use serde::Deserialize;

use crate::event::without_spaces;
use crate::tokens::decode;

/// What a value of the header is. The number says how far down the list of names that may hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Provider,
    Channel,
    EventId,
    Time(u8),
    /// The host, likewise.
    Host(u8),
    /// What the dataset is read from.
    Dataset(u8),
    /// What the record's own type is read from.
    Type(u8),
    /// Both of them.
    DatasetAndType(u8, u8),
}

/// One way of writing events.
pub(crate) struct Shape {
    pub(crate) name: String,
    /// The lists of `needs` and the paths of `where`, as bits.
    bits: Marks,
    /// The values that it asks for.
    values: Vec<Condition>,
    strip: Vec<String>,
    header: Vec<String>,
    /// The end of keys that hold the attributes of the element beside them, with its dot.
    attributes: Option<String>,
    /// Exporter's name → header name, with the place in the list of alternatives.
    rename: BTreeMap<String, (Arc<str>, u8)>,
    /// Path → the name it is read by as well, where the record has nothing of that name.
    copies: BTreeMap<String, Arc<str>>,
    constants: BTreeMap<String, Arc<str>>,
    pub(crate) product: Arc<str>,
    dataset: Word,
    r#type: Word,
}

/// What a record must have: at one of the paths one of the values, without case; a `*` at the end
/// of a value stands for anything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Condition {
    of: Vec<String>,
    is: Vec<String>,
}

impl Condition {
    /// Whether the value of a token at `path` is one of them.
    pub(crate) fn holds(&self, path: &str, token: &[u8]) -> bool {
        if !self.of.iter().any(|own| own == path) {
            return false;
        }
        let Some(text) = decode(token).text().map(|text| fold(&text)) else { return false };
        self.is.iter().any(|value| match value.strip_suffix('*') {
            Some(start) => text.starts_with(start),
            None => text == *value,
        })
    }
}

/// A word of a kind.
struct Word {
    /// The paths it is read from, the first that a record has.
    from: Vec<String>,
    /// What values are called, folded.
    values: BTreeMap<String, Arc<str>>,
    /// The word where there is no value, or none of `values`.
    otherwise: Option<Arc<str>>,
}

/// All shapes, in the order in which they are tried.
pub(crate) struct Shapes {
    shapes: Vec<Shape>,
    /// What having a path says.
    marks: HashMap<String, Marks>,
    /// Products and datasets of Windows-shaped events, by provider, folded.
    providers: BTreeMap<String, (Arc<str>, Arc<str>)>,
}

/// Which lists of which shapes the paths of a record satisfy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Marks([u64; MARK_WORDS]);

const MARK_WORDS: usize = 5;

impl Marks {
    fn one(bit: usize) -> Marks {
        let mut marks = Marks::default();
        // A table with too many lists is found by a test.
        if let Some(word) = marks.0.get_mut(bit / 64) {
            *word = 1 << (bit % 64);
        }
        marks
    }

    fn holds(&self, others: &Marks) -> bool {
        self.0.iter().zip(&others.0).all(|(own, other)| own & other == *other)
    }
}

impl BitOrAssign for Marks {
    fn bitor_assign(&mut self, other: Marks) {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own |= other);
    }
}

/// The shapes built in.
pub(crate) static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    // The table is part of the program; a test reads it, so a mistake never reaches a user.
    Shapes::parse(include_str!("shapes.toml")).unwrap_or_else(|_| Shapes::new(File::default()))
});

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    provider: Vec<ProviderEntry>,
    shape: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderEntry {
    name: String,
    product: Arc<str>,
    dataset: Arc<str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    needs: Vec<Vec<String>>,
    #[serde(default, rename = "where")]
    values: Vec<Condition>,
    like: Option<String>,
    #[serde(default)]
    strip: Vec<String>,
    #[serde(default)]
    header: Vec<String>,
    attributes: Option<String>,
    #[serde(default)]
    rename: BTreeMap<String, OneOrMore>,
    #[serde(default)]
    copies: BTreeMap<String, OneOrMore>,
    #[serde(default)]
    constants: BTreeMap<String, Arc<str>>,
    #[serde(default = "windows")]
    product: Arc<str>,
    #[serde(default)]
    dataset: WordEntry,
    #[serde(default)]
    r#type: WordEntry,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            OneOrMore::One(name) => vec![name],
            OneOrMore::More(names) => names,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WordEntry {
    Is(Arc<str>),
    Read(WordRead),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WordRead {
    from: OneOrMore,
    #[serde(default)]
    values: BTreeMap<String, Arc<str>>,
    otherwise: Option<Arc<str>>,
}

impl Default for WordEntry {
    fn default() -> Self {
        WordEntry::Is(Arc::from(""))
    }
}

fn windows() -> Arc<str> {
    Arc::from("windows")
}

/// A longer value is no word of a kind: kinds are kept to the end.
const LONGEST_WORD: usize = 64;

impl From<WordEntry> for Word {
    fn from(entry: WordEntry) -> Self {
        match entry {
            WordEntry::Is(word) => {
                Word { from: Vec::new(), values: BTreeMap::new(), otherwise: Some(word) }
            }
            WordEntry::Read(WordRead { from, values, otherwise }) => Word {
                from: from.into_vec(),
                values: values.into_iter().map(|(value, word)| (fold(&value), word)).collect(),
                otherwise,
            },
        }
    }
}

impl Word {
    /// The word for the value of a token, which is empty where a record has none.
    fn of(&self, token: &[u8]) -> Arc<str> {
        let text = decode(token).text().map(|text| text.trim().to_owned());
        let known = text.as_ref().and_then(|text| self.values.get(&fold(text)));
        if let Some(word) = known.or(self.otherwise.as_ref()) {
            return word.clone();
        }
        let is_word =
            |text: &String| text.len() <= LONGEST_WORD && !text.contains(char::is_control);
        text.filter(is_word).unwrap_or_default().into()
    }

    fn place(&self, path: &str) -> Option<u8> {
        self.from.iter().position(|from| from == path).map(|at| at as u8)
    }
}

impl Shapes {
    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text).map(Shapes::new)
    }

    fn new(mut file: File) -> Self {
        resolve_likes(&mut file.shape);
        let mut marks: HashMap<String, Marks> = HashMap::new();
        let mut bit = 0;
        let mut shapes = Vec::new();
        for mut entry in file.shape {
            let mut bits = Marks::default();
            let of_values: Vec<_> = entry.values.iter().map(|own| own.of.clone()).collect();
            for list in std::mem::take(&mut entry.needs).into_iter().chain(of_values) {
                let own = Marks::one(bit);
                bits |= own;
                bit += 1;
                list.into_iter().for_each(|path| *marks.entry(path).or_default() |= own);
            }
            shapes.push(Shape::new(entry, bits));
        }
        let providers = file.provider.into_iter();
        let providers = providers.map(|own| (fold(&own.name), (own.product, own.dataset)));
        Shapes { shapes, marks, providers: providers.collect() }
    }

    pub(crate) fn get(&self, shape: usize) -> &Shape {
        &self.shapes[shape]
    }

    /// What having the path `name` says, if it says anything.
    pub(crate) fn marks(&self, name: &str) -> Option<Marks> {
        self.marks.get(name).copied()
    }

    /// The shapes that a record whose paths have these marks together may have, to the first that
    /// asks for no values.
    pub(crate) fn of_marks(&self, marks: &Marks) -> Vec<usize> {
        let mut found = Vec::new();
        for (at, shape) in self.shapes.iter().enumerate().filter(|(_, s)| marks.holds(&s.bits)) {
            found.push(at);
            if shape.values.is_empty() {
                break;
            }
        }
        found
    }

    /// The product and dataset of an event with a Windows header.
    pub(crate) fn of_provider(&self, provider: &str) -> (Arc<str>, Arc<str>) {
        let found = self.providers.get(&fold(provider)).cloned();
        found.unwrap_or_else(|| (windows(), Arc::from("")))
    }
}

/// Gives shapes what they have from others.
fn resolve_likes(shapes: &mut [Entry]) {
    for at in 0..shapes.len() {
        let Some(like) = shapes[at].like.take() else { continue };
        let Some(other) = shapes.iter().position(|own| own.name == like) else { continue };
        let (strip, header) = (shapes[other].strip.clone(), shapes[other].header.clone());
        let (rename, copies) = (shapes[other].rename.clone(), shapes[other].copies.clone());
        let own = &mut shapes[at];
        own.strip.extend(strip);
        own.header.extend(header);
        rename.into_iter().for_each(|(name, from)| {
            own.rename.entry(name).or_insert(from);
        });
        copies.into_iter().for_each(|(name, from)| {
            own.copies.entry(name).or_insert(from);
        });
    }
}

impl Shape {
    fn new(entry: Entry, bits: Marks) -> Self {
        let mut rename = BTreeMap::new();
        for (header, names) in entry.rename {
            let header: Arc<str> = header.into();
            for (at, name) in names.into_vec().into_iter().enumerate() {
                rename.insert(name, (header.clone(), at as u8));
            }
        }
        let mut copies = BTreeMap::new();
        for (name, paths) in entry.copies {
            let name: Arc<str> = name.into();
            copies.extend(paths.into_vec().into_iter().map(|path| (path, name.clone())));
        }
        let folded = |own: Condition| Condition {
            is: own.is.iter().map(|text| fold(text)).collect(),
            ..own
        };
        Shape {
            name: entry.name,
            bits,
            values: entry.values.into_iter().map(folded).collect(),
            strip: entry.strip,
            header: entry.header,
            attributes: entry.attributes.map(|end| format!("{end}.")),
            rename,
            copies,
            constants: entry.constants,
            product: entry.product,
            dataset: entry.dataset.into(),
            r#type: entry.r#type.into(),
        }
    }

    /// Whether a record has the values that the shape asks for.
    pub(crate) fn fits(&self, has: impl Fn(&Condition) -> bool) -> bool {
        self.values.iter().all(has)
    }

    /// The kind's dataset by the value it is read from.
    pub(crate) fn dataset(&self, token: &[u8]) -> Arc<str> {
        self.dataset.of(token)
    }

    /// The record's own type by the value it is read from.
    pub(crate) fn record_type(&self, token: &[u8]) -> Arc<str> {
        self.r#type.of(token)
    }

    /// A header value that records of this shape leave out.
    pub(crate) fn constant(&self, header: &str) -> Option<&Arc<str>> {
        self.constants.get(header)
    }

    /// All header values that records of this shape leave out.
    pub(crate) fn constants(&self) -> impl Iterator<Item = (&String, &Arc<str>)> {
        self.constants.iter()
    }

    /// The name that the path `name` is read by as well where the record has nothing so called.
    pub(crate) fn copy(&self, name: &str) -> Option<&Arc<str>> {
        self.copies.get(name)
    }

    /// Whether some paths are read by two names.
    pub(crate) fn has_copies(&self) -> bool {
        !self.copies.is_empty()
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
        let beside = self.attributes.as_deref().filter(|end| name.contains(end));
        let inside = beside.map(|end| name.replacen(end, ".#attributes.", 1));
        let (is_data, inner) = self.inner(inside.as_deref().unwrap_or(name));
        let own = own_name(inner);
        if is_data && self.is_windows() {
            // A value that has the name of a header value is not the header's.
            let taken = HEADER.contains(&&*without_spaces(&own));
            return (if taken { format!("EventData_{own}").into() } else { own.into() }, None);
        }
        let (header, at) = match self.rename.get(own.as_str()) {
            Some((header, at)) => (header.clone(), *at),
            None => (Arc::from(own.as_str()), 0),
        };
        if !self.is_windows() {
            return (own.into(), self.role(name, &header, at));
        }
        let role = match &*header {
            "Provider_Name" => Some(Role::Provider),
            "Channel" => Some(Role::Channel),
            "EventID" => Some(Role::EventId),
            "TimeCreated_SystemTime" => Some(Role::Time(at)),
            "Computer" => Some(Role::Host(at)),
            _ => None,
        };
        let keeps_own_name = at > 0 && role == Some(Role::Time(at));
        (if keeps_own_name { own.into() } else { header }, role)
    }

    /// What the path `name` is for a record without a Windows header.
    fn role(&self, name: &str, header: &str, at: u8) -> Option<Role> {
        match header {
            "TimeCreated_SystemTime" => return Some(Role::Time(at)),
            "Computer" => return Some(Role::Host(at)),
            _ => {}
        }
        match (self.dataset.place(name), self.r#type.place(name)) {
            (Some(dataset), Some(record_type)) => Some(Role::DatasetAndType(dataset, record_type)),
            (Some(dataset), None) => Some(Role::Dataset(dataset)),
            (None, record_type) => record_type.map(Role::Type),
        }
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
        let file: File = toml::from_str(include_str!("shapes.toml")).unwrap();
        let bits: usize = file.shape.iter().map(|own| own.needs.len() + own.values.len()).sum();
        assert!(bits <= 64 * MARK_WORDS, "{bits} lists are too many");
        let last = file.shape.last().unwrap();
        assert!(last.needs.is_empty() && last.values.is_empty(), "the last takes everything");
        let names: std::collections::BTreeSet<_> = file.shape.iter().map(|own| &own.name).collect();
        assert_eq!(names.len(), file.shape.len(), "a name stands once");
        for shape in &file.shape {
            let like = shape.like.as_ref();
            assert!(like.is_none_or(|like| names.contains(like)), "{}: like what?", shape.name);
            let words =
                [&shape.dataset, &shape.r#type].iter().any(|w| matches!(w, WordEntry::Read(_)));
            assert!(!(words && &*shape.product == "windows"), "{}: the header says it", shape.name);
        }
    }

    fn shape_of(names: &[&str]) -> &'static Shape {
        let mut marks = Marks::default();
        names.iter().filter_map(|name| SHAPES.marks(name)).for_each(|own| marks |= own);
        let shapes = SHAPES.of_marks(&marks);
        SHAPES.get(*shapes.last().unwrap())
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
            ("Event.System.Provider_attributes.Name", "Provider_Name"),
            ("Event_attributes.xmlns", "xmlns"),
            ("Event.UserData.LogFileCleared_attributes.xmlns", "xmlns"),
            ("Event.UserData.X.Service_attributes.name", "Service_name"),
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
