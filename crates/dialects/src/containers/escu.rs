//! Splunk's `security_content`: one YAML document a detection, and beside the detections what they
//! need (macros, lookups) and what explains them (stories, data sources).

use std::sync::Arc;

use rulestone_ir::{
    Attack, Clock, Diagnostic, Drilldown, Duration, EntityField, Language, Level, Meta, Origin,
    Raises, RuleTest, Schema, Severity, Span, TestData, Trigger, Vendor,
};

use super::yaml::{self, Document, Kind, Node, Places, at_start, find, items, text_of, texts};
use super::{Reading, schedule};
use crate::Environment;
use crate::spl::{self, Lowered};
use crate::suggest::{is_slip, nearest};
use crate::text::{Quoting, Written};

/// What each type of search turns its rows into.
const TYPES: &[(&str, Raises)] = &[
    ("TTP", Raises::AlertAndRisk),
    ("Anomaly", Raises::Risk),
    ("Hunting", Raises::OnRequest),
    ("Correlation", Raises::Alert),
    ("Baseline", Raises::OnRequest),
    ("Investigation", Raises::OnRequest),
];

/// What else is said of a detection: its name in output, and where it stands.
const MORE: &[(&str, &[&str])] = &[
    ("version", &["version"]),
    ("analytic_story", &["tags", "analytic_story"]),
    ("asset_type", &["tags", "asset_type"]),
    ("security_domain", &["tags", "security_domain"]),
    ("cve", &["tags", "cve"]),
    ("product", &["tags", "product"]),
    ("data_source", &["data_source"]),
    ("confidence", &["tags", "confidence"]),
    ("impact", &["tags", "impact"]),
    ("atomic_guid", &["tags", "atomic_guid"]),
    ("required_fields", &["tags", "required_fields"]),
    ("how_to_implement", &["how_to_implement"]),
];

/// What the vendor's words for observables, risk objects and threat objects are in output.
const ENTITY_KINDS: &[(&str, &[&str])] = &[
    ("host", &["hostname", "endpoint", "system"]),
    ("user", &["user", "user name"]),
    ("ip", &["ip address"]),
    ("process", &["process", "process name", "parent process", "parent process name"]),
    ("file", &["file", "file name", "file path"]),
    ("hash", &["file hash", "process hash", "tls hash"]),
    ("url", &["url", "url string", "uniform resource locator"]),
    ("domain", &["domain"]),
    ("email", &["email", "email address"]),
    ("registry", &["registry key", "registry value", "registry path", "registry value name"]),
    ("service", &["service"]),
    ("command", &["command"]),
    ("location", &["geo location"]),
    ("container", &["container"]),
];

/// The severity of a risk score: the steps that contentctl takes, each with the highest score.
const SEVERITIES: [(u8, Severity); 5] = [
    (20, Severity::Informational),
    (40, Severity::Low),
    (60, Severity::Medium),
    (80, Severity::High),
    (100, Severity::Critical),
];

/// When the content runs where a file does not say: hourly, over `-70m@m` to `-10m@m`.
const CLOCK: Clock = Clock::Hop {
    lookback: Duration::from_seconds(3600),
    interval: Duration::from_seconds(3600),
    offset: Duration::from_seconds(600),
};

/// What a file of this vendor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// A search with what its author says about it.
    Search,
    /// Something that searches need, or that explains them: no rule.
    Companion,
}

/// Keys at the top of files that are no searches, each set enough to tell.
const COMPANIONS: &[&[&str]] = &[
    &["name", "definition"],
    &["name", "filename"],
    &["name", "collection"],
    &["name", "lookup_type"],
    &["name", "external_type"],
    &["name", "fields_list"],
    &["name", "source", "sourcetype"],
    &["name", "narrative"],
    &["name", "playbook"],
    &["name", "scheduling"],
];

/// What a text is, by the keys that stand at its line starts.
pub(super) fn recognise(text: &str) -> Option<Sort> {
    let keys = yaml::top_keys(text);
    let has = |key: &str| keys.iter().any(|(own, _)| *own == key);
    let kind = keys.iter().find(|(key, _)| *key == "type").map_or("", |(_, kind)| kind);
    let kind = kind.trim().trim_matches(['"', '\'']);
    let known = TYPES.iter().any(|(name, _)| name.eq_ignore_ascii_case(kind));
    if has("search") && (known || has("how_to_implement") || has("known_false_positives")) {
        return Some(Sort::Search);
    }
    if COMPANIONS.iter().any(|keys| keys.iter().all(|key| has(key))) {
        return Some(Sort::Companion);
    }
    (known && has("name") && has("tags")).then_some(Sort::Search)
}

/// Reads every search of a file.
pub(super) fn read(text: &str, path: &str, environment: &Environment) -> Vec<Reading> {
    let path: Arc<str> = Arc::from(path);
    yaml::each_document(text, &mut |document| {
        let diagnostics = document.diagnostics.clone();
        Reader { file: text, path: &path, diagnostics }.read(document, environment)
    })
}

/// The search of each document.
pub(super) fn searches(text: &str) -> Vec<String> {
    let found = yaml::each_document(text, &mut |document| {
        document.root.as_ref().and_then(|root| text_of(root, &["search"]))
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
        let span = document.span;
        let mut origin = self.origin(span);
        let Some(root) = &document.root else {
            let meta = salvage(self.file.get(span.start..span.end).unwrap_or_default());
            return self.reading(meta, origin, None, Trigger::default());
        };
        if !matches!(root.kind, Kind::Mapping(_)) {
            let message = format!("a detection is a map, and this is {}", root.describe());
            self.say(Level::Invalid, "not-a-rule", root.span, message, "begin with `name: …`");
            return self.reading(Meta::default(), origin, None, Trigger::default());
        }
        let mut meta = meta(root);
        let trigger = self.trigger(root, &meta);
        meta.severity = trigger.risk_score.map(severity).unwrap_or_default();
        meta.fields = trigger.entities.iter().map(|entity| entity.field.to_string()).collect();
        origin.tests = tests(root);
        origin.drilldowns = drilldowns(root);
        let search = root.get("search").filter(|node| node.text().is_some_and(has_text));
        let lowered = match search {
            Some(node) => self.search(root, node, environment, &mut origin),
            None => {
                let message = "the detection has no search";
                let help = "add the search under `search:`";
                self.say(Level::Invalid, "missing-search", at_start(root), message, help);
                None
            }
        };
        if let Some(lowered) = &lowered {
            self.required_fields(root, &lowered.reads, &mut meta);
        }
        if meta.title.is_empty() {
            let message = "the detection has no name";
            let help = "say what it detects: `name: …`";
            self.say(Level::Note, "missing-title", at_start(root), message, help);
        }
        self.reading(meta, origin, lowered, trigger)
    }

    fn search(
        &mut self,
        root: &Node<'_>,
        node: &Node<'_>,
        environment: &Environment,
        origin: &mut Origin,
    ) -> Option<Lowered> {
        let search = node.text()?;
        origin.search = Some(Arc::from(search));
        let places = Places::new(self.file, node.span, search);
        let quoting = Quoting::of_scalar(self.file, node.span);
        let text = spl::Text {
            search,
            place: &|range| places.span(range),
            clock: clock(root),
            schema: Schema::Splunk,
            written: Some(Written { file: self.file, quoting }),
        };
        spl::read(&text, environment, &mut self.diagnostics)
    }

    /// Puts the reading together. A detection without id goes by its name, one without name by its
    /// path.
    fn reading(
        self,
        mut meta: Meta,
        origin: Origin,
        lowered: Option<Lowered>,
        trigger: Trigger,
    ) -> Reading {
        if meta.title.is_empty() {
            meta.title = if meta.id.is_empty() { self.path.to_string() } else { meta.id.clone() };
        }
        if meta.id.is_empty() {
            meta.id = meta.title.clone();
        }
        super::reading(meta, origin, trigger, lowered, self.diagnostics)
    }

    fn origin(&self, span: Span) -> Origin {
        Origin {
            vendor: Vendor::SplunkEscu,
            language: Language::Spl,
            path: Arc::clone(self.path),
            span,
            tests: Vec::new(),
            drilldowns: Vec::new(),
            search: None,
        }
    }

    /// What a finding turns into: both forms of what the vendor says about risk.
    fn trigger(&mut self, root: &Node<'_>, meta: &Meta) -> Trigger {
        let rba = root.get("rba");
        let (risk_score, entities) = match rba {
            Some(rba) => of_rba(rba),
            None => {
                let score = self.score(root);
                (score, observables(root, score))
            }
        };
        let message = rba.and_then(|rba| text_of(rba, &["message"]));
        Trigger {
            building_block: false,
            raises: self.raises(root, &meta.kind),
            message: message.or_else(|| text_of(root, &["tags", "message"])).map(Arc::from),
            risk_score,
            entities,
        }
    }

    fn raises(&mut self, root: &Node<'_>, kind: &str) -> Raises {
        let known = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind));
        if let Some((_, raises)) = known {
            return *raises;
        }
        let names = TYPES.iter().map(|(name, _)| *name);
        let help = match nearest(kind, names.clone()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("known are {}", names.collect::<Vec<_>>().join(", ")),
        };
        let span = root.get("type").map_or(at_start(root), |node| node.span);
        let message = format!("`{kind}` is no type of search, and its rows raise alerts");
        self.say(Level::Note, "unknown-type", span, message, help);
        Raises::Alert
    }

    /// The score of a detection in the older form: confidence times impact. A `risk_score` beside
    /// them is a copy, which is at times not kept up.
    fn score(&mut self, root: &Node<'_>) -> Option<u8> {
        let tags = root.get("tags")?;
        let number = |key| text_of(tags, &[key])?.parse::<f64>().ok();
        let written = number("risk_score");
        let product = number("confidence").zip(number("impact")).map(|(c, i)| c * i / 100.0);
        let score = product.or(written)?;
        if let (Some(written), Some(product), Some(node)) =
            (written, product, tags.get("risk_score"))
            && (written - product).abs() >= 1.0
        {
            let message = format!("confidence times impact is {product}, and {product} is taken");
            let help = "write the product, or leave the score out";
            self.say(Level::Note, "risk-score", node.span, message, help);
        }
        Some(score.round_ties_even().clamp(0.0, 100.0) as u8)
    }

    /// What the author lists as required is compared with what the search reads. Lists are longer
    /// or shorter than that as often as not, so only what looks like a slip of the pen is said:
    /// a search with one stays silent on data that looks right.
    fn required_fields(&mut self, root: &Node<'_>, reads: &[String], meta: &mut Meta) {
        let Some(node) = find(root, &["tags", "required_fields"]) else { return };
        let listed = texts(node);
        let unread = without(&listed, reads);
        let unlisted = without(reads, &listed);
        for name in &unread {
            let mut bares = unlisted.iter().map(|other| bare(other));
            let Some(meant) = bares.find(|other| is_slip(bare(name), other)) else { continue };
            let message = format!("`{name}` is required, but the search reads `{meant}`");
            let help = "correct the spelling of one of them";
            self.say(Level::Note, "required-field", node.span, message, help);
        }
        let both = [("required_not_read", unread), ("read_not_required", unlisted)];
        meta.more.extend(both.into_iter().filter(|(_, names)| !names.is_empty()));
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

/// The names that are not among `others`, each once; a dataset's name before a field's and case
/// make no difference.
fn without(names: &[String], others: &[String]) -> Vec<String> {
    let among = |name: &str, names: &[String]| {
        names.iter().any(|other| bare(other).eq_ignore_ascii_case(bare(name)))
    };
    let mut found: Vec<String> = Vec::new();
    for name in names.iter().filter(|name| !is_general(name) && !among(name, others)) {
        if !among(name, &found) {
            found.push(name.clone());
        }
    }
    found
}

/// The name of a field without the dataset's before it.
fn bare(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Fields that any event has, and names that stand for several.
fn is_general(name: &str) -> bool {
    const GENERAL: &[&str] = &[
        "_time",
        "_raw",
        "index",
        "source",
        "sourcetype",
        "host",
        "eventtype",
        "tag",
        "linecount",
    ];
    name.contains('*') || GENERAL.contains(&bare(name))
}

fn has_text(text: &str) -> bool {
    !text.trim().is_empty()
}

fn meta(root: &Node<'_>) -> Meta {
    let text = |key: &str| text_of(root, &[key]).unwrap_or_default();
    let list = |path: &[&str]| find(root, path).map(texts).unwrap_or_default();
    let mut attack = Attack::default();
    for id in list(&["tags", "mitre_attack_id"]) {
        let id = id.trim().to_ascii_uppercase();
        let numbered = id.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        match id.starts_with('T') && numbered {
            true => attack.techniques.push(id),
            false => attack.others.push(id),
        }
    }
    let more = MORE.iter().map(|(name, path)| (*name, list(path)));
    Meta {
        id: text("id"),
        title: text("name"),
        description: text("description"),
        author: text("author"),
        maturity: text("status"),
        dates: list(&["date"]),
        references: list(&["references"]),
        false_positives: list(&["known_false_positives"]),
        attack,
        kind: text("type"),
        more: more.filter(|(_, values)| values.iter().any(|value| has_text(value))).collect(),
        ..Meta::default()
    }
}

/// The severity of a risk score.
fn severity(score: u8) -> Severity {
    let step = SEVERITIES.iter().find(|(highest, _)| score <= *highest);
    step.map_or(Severity::Critical, |(_, severity)| *severity)
}

/// Score and entities in the newer form, in which each object has a score of its own.
fn of_rba(rba: &Node<'_>) -> (Option<u8>, Vec<EntityField>) {
    let read = |key: &str, role: &str| {
        let read = |node: &Node<'_>| {
            let score = text_of(node, &["score"]).and_then(|score| score.parse().ok());
            let score = score.map(|score: u8| score.min(100));
            entity(node, "field", role).map(|entity| EntityField { score, ..entity })
        };
        items(rba, &[key]).iter().filter_map(read).collect::<Vec<_>>()
    };
    let entities = [read("risk_objects", "victim"), read("threat_objects", "attacker")].concat();
    (entities.iter().filter_map(|entity| entity.score).max(), entities)
}

/// Entities in the older form: the risk is that of the victims.
fn observables(root: &Node<'_>, score: Option<u8>) -> Vec<EntityField> {
    let read = |node: &Node<'_>| {
        let roles = node.get("role").map(texts).unwrap_or_default();
        let role = roles.first().map(|role| role.to_lowercase()).unwrap_or_default();
        let score = score.filter(|_| role == "victim");
        entity(node, "name", &role).map(|entity| EntityField { score, ..entity })
    };
    items(root, &["tags", "observable"]).iter().filter_map(read).collect()
}

fn entity(node: &Node<'_>, key: &str, role: &str) -> Option<EntityField> {
    let field = text_of(node, &[key]).filter(|field| has_text(field))?;
    let word = text_of(node, &["type"]).unwrap_or_default().to_lowercase().replace('_', " ");
    let kind = ENTITY_KINDS.iter().find(|(_, words)| words.contains(&word.trim()));
    Some(EntityField {
        field: Arc::from(field.trim()),
        kind: Arc::from(kind.map_or("other", |(kind, _)| kind)),
        role: Arc::from(role),
        score: None,
    })
}

/// The file's own schedule, else the content's.
fn clock(root: &Node<'_>) -> Clock {
    let Some(scheduling) = find(root, &["deployment", "scheduling"]) else { return CLOCK };
    let text = |key| text_of(scheduling, &[key]).unwrap_or_default();
    let times = (text("earliest_time"), text("latest_time"));
    schedule::clock(&text("cron_schedule"), &times.0, &times.1).unwrap_or(CLOCK)
}

fn tests(root: &Node<'_>) -> Vec<RuleTest> {
    let manual = text_of(root, &["tags", "manual_test"]);
    let read = |node: &Node<'_>| RuleTest {
        name: text_of(node, &["name"]).unwrap_or_default(),
        data: items(node, &["attack_data"]).iter().filter_map(test_data).collect(),
        manual: manual.clone(),
        span: node.span,
    };
    let mut tests: Vec<RuleTest> = items(root, &["tests"]).iter().map(read).collect();
    if let (true, Some(node)) = (tests.is_empty(), find(root, &["tags", "manual_test"])) {
        let (name, data) = (String::new(), Vec::new());
        tests.push(RuleTest { name, data, manual, span: node.span });
    }
    tests
}

fn test_data(node: &Node<'_>) -> Option<TestData> {
    Some(TestData {
        path: text_of(node, &["data"])?.trim().to_owned(),
        source: text_of(node, &["source"]),
        sourcetype: text_of(node, &["sourcetype"]),
        host: text_of(node, &["host"]),
    })
}

fn drilldowns(root: &Node<'_>) -> Vec<Drilldown> {
    let read = |node: &Node<'_>| {
        let text = |key| text_of(node, &[key]).unwrap_or_default();
        Drilldown {
            name: text("name"),
            search: text("search"),
            earliest: text("earliest_offset"),
            latest: text("latest_offset"),
        }
    };
    let all = items(root, &["drilldown_searches"]).iter().map(read);
    all.filter(|drilldown| has_text(&drilldown.search)).collect()
}

/// What a text that is no YAML says of its name, id, type and status.
fn salvage(text: &str) -> Meta {
    let [id, title, kind, maturity] =
        ["id", "name", "type", "status"].map(|key| yaml::salvage(text, key));
    Meta { id, title, kind, maturity, ..Meta::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_told_from_what_stands_beside_them() {
        let cases = [
            ("name: x\ntype: TTP\nsearch: '| tstats count'\n", Some(Sort::Search)),
            ("\u{feff}search: a\r\ntype: 'Hunting'\r\n", Some(Sort::Search)),
            ("name: x\ntype: Baseline\nsearch: a\n", Some(Sort::Search)),
            ("name: x\ntype: Ttp2\nsearch: a\nhow_to_implement: b\n", Some(Sort::Search)),
            ("name: x\ntype: TTP\ntags:\n  message: no search\n", Some(Sort::Search)),
            ("name: x\ndefinition: search *\n", Some(Sort::Companion)),
            ("name: x\nfilename: x.csv\n", Some(Sort::Companion)),
            ("name: x\nsource: a\nsourcetype: b\nfields: []\n", Some(Sort::Companion)),
            ("name: x\ntype: Investigation\nplaybook: p\n", Some(Sort::Companion)),
            ("name: x\nnarrative: once\ntags: {}\n", Some(Sort::Companion)),
            ("name: x\nsearch: a\n", None),
            ("title: x\ndetection:\n  a: b\n", None),
            ("definition: of done\n", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(recognise(text), expected, "{text}");
        }
    }

    #[test]
    fn severities_are_those_of_the_scores() {
        let cases = [
            (0, Severity::Informational),
            (20, Severity::Informational),
            (21, Severity::Low),
            (60, Severity::Medium),
            (80, Severity::High),
            (81, Severity::Critical),
            (255, Severity::Critical),
        ];
        for (score, expected) in cases {
            assert_eq!(severity(score), expected, "{score}");
        }
    }
}
