//! Anvilogic's armory: one YAML document a detection, its logic in SPL or in Snowflake's SQL.
//!
//! The armory says nothing of when its searches run. Its queries look at the last two hours, its
//! searches at whatever time they are run over, and their windows are of seconds and minutes: so
//! searches run every hour over the hour before, and queries over the two hours they ask for.

mod description;

use std::sync::Arc;

use rulestone_ir::{
    Attack, Clock, Diagnostic, Duration, Language, Level, Meta, Origin, Schema, Span, Trigger,
    Vendor,
};

use super::Reading;
use super::yaml::{self, Document, Kind, Node, Places, at_start, text_of, texts};
use crate::Environment;
use crate::text::{Lowered, Quoting, Text, Written};
use crate::{snowflake, spl};

/// The languages of the armory, by its words for them.
const LANGUAGES: [(&str, Language, Read); 2] =
    [("splunk", Language::Spl, spl::read), ("snowflake", Language::Snowflake, snowflake::read)];

type Read = fn(&Text<'_>, &Environment, &mut Vec<Diagnostic>) -> Option<Lowered>;

/// When searches run.
const CLOCK: Clock = every(3600);
/// When queries run.
const QUERY_CLOCK: Clock = every(7200);

const fn every(seconds: i64) -> Clock {
    Clock::Hop {
        lookback: Duration::from_seconds(seconds),
        interval: Duration::from_seconds(seconds),
        offset: Duration::from_seconds(0),
    }
}

/// The keys that make a file one of the armory.
const KEYS: [&str; 5] = ["id", "title", "logic_format", "logic", "techniques"];

/// Names of the armory's normalised data that read, in some events, what we say: no add-on and no
/// document says what they hold there. A test holds them against the tables of the views.
const OWN_FIELDS: &[&str] = &[
    "City",
    "Country",
    "Message",
    "Path",
    "Process_Command_Line",
    "Region",
    "access_key",
    "account",
    "acl_permission",
    "action",
    "activity",
    "bucket_name",
    "bytes_in",
    "bytes_out",
    "cloud_service",
    "command",
    "dest_host",
    "dest_ip",
    "event_category",
    "event_name",
    "event_type",
    "failure_reason",
    "file_name",
    "file_path",
    "hashes",
    "http_user_agent",
    "identity",
    "identity_type",
    "image",
    "instance_id",
    "login",
    "mfa_enabled",
    "msg",
    "object_id",
    "parameters",
    "parent_process",
    "parent_process_exec",
    "parent_process_name",
    "parent_process_path",
    "permissions",
    "process",
    "process_current_directory",
    "process_exec",
    "process_id",
    "process_name",
    "process_path",
    "query",
    "reason",
    "region",
    "registry_path",
    "registry_value_data",
    "registry_value_name",
    "requester_account",
    "resource_id",
    "response",
    "role",
    "service",
    "service_name",
    "service_path",
    "session_id",
    "shell",
    "site",
    "src_ip",
    "status",
    "uri",
    "uri_path",
    "uri_query",
    "user",
    "user_agent",
    "user_group",
    "user_id",
];

/// The names whose meaning is our own definition, for the page about them.
pub fn normalised_fields() -> &'static [&'static str] {
    OWN_FIELDS
}

/// How many of them a message names.
const NAMED: usize = 4;

/// Whether a text is a detection of the armory.
pub(super) fn recognise(text: &str) -> bool {
    let keys = yaml::top_keys(text);
    KEYS.iter().all(|key| keys.iter().any(|(own, _)| own == key))
}

/// Reads every detection of a file.
pub(super) fn read(text: &str, path: &str, environment: &Environment) -> Vec<Reading> {
    let path: Arc<str> = Arc::from(path);
    yaml::each_document(text, &mut |document| {
        let diagnostics = document.diagnostics.clone();
        Reader { file: text, path: &path, diagnostics }.read(document, environment)
    })
}

/// The searches and queries of a file, each with its language.
pub(super) fn searches(text: &str) -> Vec<(Language, String)> {
    let found = yaml::each_document(text, &mut |document| {
        let root = document.root.as_ref()?;
        let (_, language, _) = language(&text_of(root, &["logic_format"])?)?;
        Some((*language, text_of(root, &["logic"])?))
    });
    found.into_iter().flatten().collect()
}

struct Reader<'a> {
    file: &'a str,
    path: &'a Arc<str>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn read(mut self, document: &Document<'_>, environment: &Environment) -> Reading {
        let mut origin = self.origin(document.span);
        let Some(root) = &document.root else {
            let text = self.file.get(document.span.start..document.span.end).unwrap_or_default();
            let [id, title] = ["id", "title"].map(|key| yaml::salvage(text, key));
            return self.reading(Meta { id, title, ..Meta::default() }, origin, None);
        };
        if !matches!(root.kind, Kind::Mapping(_)) {
            let message = format!("a detection is a map, and this is {}", root.describe());
            self.say(Level::Invalid, "not-a-rule", root.span, message, "begin with `id: …`");
            return self.reading(Meta::default(), origin, None);
        }
        let lowered = self.logic(root, environment, &mut origin);
        let meta = meta(root);
        if meta.title.is_empty() {
            let message = "the detection has no title";
            let help = "say what it detects: `title: …`";
            self.say(Level::Note, "missing-title", at_start(root), message, help);
        }
        self.reading(meta, origin, lowered)
    }

    fn logic(
        &mut self,
        root: &Node<'_>,
        environment: &Environment,
        origin: &mut Origin,
    ) -> Option<Lowered> {
        let written = text_of(root, &["logic_format"]).unwrap_or_default();
        let Some((_, language, read)) = language(&written) else {
            let span = root.get("logic_format").map_or(at_start(root), |node| node.span);
            let message = format!("`{written}` is no language that is known");
            let help = "known are Splunk and snowflake";
            self.say(Level::Unsupported, "unknown-language", span, message, help);
            return None;
        };
        origin.language = *language;
        let node = root.get("logic").filter(|node| node.text().is_some_and(has_text));
        let Some((node, search)) = node.and_then(|node| Some((node, node.text()?))) else {
            let message = "the detection has no search";
            let help = "add the search under `logic:`";
            self.say(Level::Invalid, "missing-search", at_start(root), message, help);
            return None;
        };
        origin.search = Some(Arc::from(search));
        let places = Places::new(self.file, node.span, search);
        let place = |range| places.span(range);
        let clock = if *language == Language::Spl { CLOCK } else { QUERY_CLOCK };
        let quoting = Quoting::of_scalar(self.file, node.span);
        let written = Some(Written { file: self.file, quoting });
        let schema = Schema::Anvilogic;
        let text = Text { search, place: &place, clock, schema, written };
        let lowered = read(&text, environment, &mut self.diagnostics)?;
        if *language == Language::Spl {
            self.own_fields(search, &places, &lowered);
        }
        Some(lowered)
    }

    /// Says which of the names that a search reads are by our own definition, at the first of them.
    /// The columns of tables that queries read are what `snowflake` says they are.
    fn own_fields(&mut self, search: &str, places: &Places, lowered: &Lowered) {
        let own = lowered.reads.iter().filter(|name| OWN_FIELDS.contains(&name.as_str()));
        let own: Vec<&String> = own.collect();
        let mut names: Vec<String> =
            own.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
        if let Some(more) = own.len().checked_sub(NAMED).filter(|more| *more > 0) {
            names.push(format!("{more} more"));
        }
        let starts = own.iter().filter_map(|name| Some((search.find(name.as_str())?, name.len())));
        let (start, len) = starts.min().unwrap_or_default();
        if !names.is_empty() {
            let span = places.span(start..start + len);
            let message = format!("what {} hold is our definition", names.join(", "));
            let help = "see `docs/anvilogic.md`";
            self.say(Level::Approximate, "own-field", span, message, help);
        }
    }

    /// Puts the reading together. A detection without id goes by its title, one without title by
    /// its path.
    fn reading(self, mut meta: Meta, origin: Origin, lowered: Option<Lowered>) -> Reading {
        if meta.title.is_empty() {
            meta.title = if meta.id.is_empty() { self.path.to_string() } else { meta.id.clone() };
        }
        if meta.id.is_empty() {
            meta.id = meta.title.clone();
        }
        super::reading(meta, origin, Trigger::default(), lowered, self.diagnostics)
    }

    fn origin(&self, span: Span) -> Origin {
        Origin {
            vendor: Vendor::Anvilogic,
            language: Language::Spl,
            path: Arc::clone(self.path),
            span,
            tests: Vec::new(),
            drilldowns: Vec::new(),
            search: None,
        }
    }

    fn say(
        &mut self,
        level: Level,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let diagnostic = Diagnostic::new(level, code, message, span);
        self.diagnostics.push(diagnostic.with_help(help));
    }
}

/// The language of a detection.
fn language(written: &str) -> Option<&'static (&'static str, Language, Read)> {
    LANGUAGES.iter().find(|(word, _, _)| written.trim().eq_ignore_ascii_case(word))
}

fn has_text(text: &str) -> bool {
    !text.trim().is_empty()
}

fn meta(root: &Node<'_>) -> Meta {
    let text = |key: &str| text_of(root, &[key]).unwrap_or_default();
    let list = |key: &str| root.get(key).map(texts).unwrap_or_default();
    let description = text("description");
    let said = description::read(&description);
    let pairs = list("techniques");
    let mut attack = Attack::default();
    let mut names: Vec<String> = Vec::new();
    for pair in &pairs {
        let (tactic, name) = pair.split_once(':').unwrap_or((pair, ""));
        let tactic = tactic.trim().to_lowercase().replace([' ', '_'], "-");
        once(&mut attack.tactics, tactic);
        once(&mut names, name.split(':').map(str::trim).collect::<Vec<_>>().join(": "));
    }
    for id in list("technique_id") {
        once(&mut attack.techniques, id.trim().to_ascii_uppercase());
    }
    let more = [
        ("data_category", list("data_category")),
        ("technique_name", names),
        ("threat_actor", said.actors),
        ("software", said.software),
        ("vulnerability", said.vulnerabilities),
        ("atomic_test", said.tests),
    ];
    Meta {
        id: text("id"),
        title: text("title"),
        description,
        references: list("references"),
        attack,
        tags: said.tags,
        more: more.into_iter().filter(|(_, values)| !values.is_empty()).collect(),
        ..Meta::default()
    }
}

fn once(list: &mut Vec<String>, value: String) {
    if has_text(&value) && !list.contains(&value) {
        list.push(value);
    }
}
