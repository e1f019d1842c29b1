//! Sigma files: YAML documents, each of them a rule or an instruction about the others.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use rulestone_ir::{
    Attack, Clock, Diagnostic, Formula, Language, Level, Meta, Origin, Rule, RuleTest, Schema,
    Scope, Severity, Source, Span, Stage, Status, TestData, Trigger, Vendor,
};

use super::yaml::{self, Document, Entry, Kind, Node};
use super::{Effect, Reading};
use crate::Environment;
use crate::sigma::correlation::{self, Correlation};
use crate::sigma::{ast, detection, filter, lower, tokens};
use crate::suggest::nearest;

/// Keys that stand at the top of Sigma documents, and of no other YAML we meet.
const MARKS: [&str; 3] = ["detection", "logsource", "correlation"];

/// Keys of a log source that say which events are meant; `definition` is for people.
const SCOPE_KEYS: [&str; 3] = ["category", "product", "service"];

/// The product whose logs are our own alerts: rules over alerts.
const ALERTS: &str = "rulestone";

/// Whether a text has a key of a Sigma rule at the start of a line, with a map under it: prose
/// that begins a line with "detection:" goes on behind the colon.
pub(super) fn recognise(text: &str) -> bool {
    let opens_map =
        |value: &str| matches!(value.trim_start().bytes().next(), None | Some(b'#' | b'{' | b'&'));
    text.lines().any(|line| MARKS.iter().any(|mark| value_of(line, mark).is_some_and(opens_map)))
}

/// The value on a line that starts with `key:`; the key may be in quotes.
fn value_of<'t>(line: &'t str, key: &str) -> Option<&'t str> {
    let line = line.trim_start_matches('\u{feff}');
    let bare = line.trim_start_matches(['"', '\'']);
    let rest = bare.strip_prefix(key)?;
    let rest = if bare.len() < line.len() { rest.strip_prefix(['"', '\''])? } else { rest };
    rest.trim_start().strip_prefix(':')
}

/// Reads every rule of a Sigma file.
pub(super) fn read(text: &str, path: &str, environment: &Environment) -> Vec<Reading> {
    let path: Arc<str> = Arc::from(path);
    let documents = yaml::parse(text);
    rules(&documents)
        .into_iter()
        .map(|found| Reader::new(text, &path, &found).read(&found, environment))
        .collect()
}

/// The tokens of every condition in a Sigma file, one a line.
pub(super) fn print_tokens(text: &str) -> String {
    let documents = yaml::parse(text);
    let found = rules(&documents);
    let conditions = found.iter().filter_map(|found| {
        found.node.as_ref()?.get("detection")?.get("condition").map(|condition| {
            let nodes = match &condition.kind {
                Kind::Sequence(nodes) => nodes.as_slice(),
                _ => std::slice::from_ref(condition),
            };
            let texts = nodes.iter().filter_map(Node::text);
            let lines = texts.flat_map(tokens);
            lines.map(|t| format!("{} {}\n", t.kind.as_str(), t.text)).collect::<String>()
        })
    });
    conditions.collect::<Vec<_>>().join("\n")
}

/// The AST of every rule in a Sigma file.
pub(super) fn print_ast(text: &str) -> String {
    let documents = yaml::parse(text);
    let found = rules(&documents);
    let asts = found.iter().filter_map(|found| {
        let section = found.node.as_ref()?.get("detection")?;
        Some(ast::print(&detection::parse(text, section, &mut Vec::new())))
    });
    asts.collect::<Vec<_>>().join("\n")
}

/// A rule in a file, before it is read.
struct Found<'d> {
    /// The document it stands in.
    document: &'d Document<'d>,
    /// Its content with that of global documents; none when the document could not be read.
    node: Option<Cow<'d, Node<'d>>>,
    /// What is wrong with the instructions about it.
    diagnostics: Vec<Diagnostic>,
}

/// Finds the rules among the documents by the older specification's `action`:
///
/// - `global`: goes into every rule behind, over what the rule itself says; several add up
/// - `reset`: forgets what global documents said
/// - `repeat`: the rule before once more, with what this document says over it
fn rules<'d>(documents: &'d [Document<'d>]) -> Vec<Found<'d>> {
    let mut found = Vec::new();
    let mut global: Option<Cow<'d, Node<'d>>> = None;
    let mut previous: Option<Cow<'d, Node<'d>>> = None;
    for document in documents {
        let mut rule = Found { document, node: None, diagnostics: Vec::new() };
        let Some(root) = &document.root else {
            found.push(rule);
            continue;
        };
        let action = root.get("action");
        let merged = match action.map(|action| action.text().unwrap_or_default()) {
            Some("global") => {
                let merged = merge(global.take(), root);
                previous = Some(merged.clone());
                global = Some(merged);
                continue;
            }
            Some("reset") => {
                global = None;
                continue;
            }
            Some("repeat") => merge(previous.take(), root),
            unknown => {
                if let Some(action) = action.filter(|_| unknown.is_some()) {
                    let diagnostic = Diagnostic::new(
                        Level::Invalid,
                        "unknown-action",
                        "this action is not known",
                        action.span,
                    );
                    rule.diagnostics
                        .push(diagnostic.with_help("known are `global`, `repeat` and `reset`"));
                }
                match &global {
                    Some(global) => Cow::Owned(merged_nodes(root, global)),
                    None => Cow::Borrowed(root),
                }
            }
        };
        previous = Some(merged.clone());
        rule.node = Some(merged);
        found.push(rule);
    }
    found
}

fn merge<'d>(below: Option<Cow<'d, Node<'d>>>, above: &'d Node<'d>) -> Cow<'d, Node<'d>> {
    match below {
        Some(below) => Cow::Owned(merged_nodes(&below, above)),
        None => Cow::Borrowed(above),
    }
}

/// `below` with `above` over it: maps are merged, anything else is replaced.
fn merged_nodes<'d>(below: &Node<'d>, above: &Node<'d>) -> Node<'d> {
    let (Kind::Mapping(entries), Kind::Mapping(over)) = (&below.kind, &above.kind) else {
        return above.clone();
    };
    let mut entries = entries.clone();
    for entry in over.iter().filter(|entry| entry.key != "action") {
        match entries.iter_mut().find(|below| below.key == entry.key) {
            Some(below) => {
                let value = merged_nodes(&below.value, &entry.value);
                *below = Entry { value, ..entry.clone() };
            }
            None => entries.push(entry.clone()),
        }
    }
    Node { span: below.span, kind: Kind::Mapping(entries) }
}

/// What a rule is made of, before its name is put on it.
#[derive(Default)]
struct Body {
    sources: Vec<Source>,
    stages: Vec<Stage>,
    clock: Clock,
    effect: Effect,
}

/// Reads one rule.
struct Reader<'a> {
    file: &'a str,
    path: &'a Arc<str>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, path: &'a Arc<str>, found: &Found<'_>) -> Self {
        let diagnostics =
            found.document.diagnostics.iter().chain(&found.diagnostics).cloned().collect();
        Reader { file, path, diagnostics }
    }

    fn read(mut self, found: &Found<'_>, environment: &Environment) -> Reading {
        let span = found.document.span;
        let Some(root) = found.node.as_deref() else {
            let meta = salvage(self.file.get(span.start..span.end).unwrap_or_default());
            return self.reading(meta, span, Vec::new(), Body::default());
        };
        if !matches!(root.kind, Kind::Mapping(_)) {
            let message = format!("a rule is a map, and this is {}", root.describe());
            self.invalid("not-a-rule", root.span, message, "begin with `title: …`");
            return self.reading(Meta::default(), span, Vec::new(), Body::default());
        }
        let meta = self.meta(root);
        let tests = rule_tests(root);
        self.taxonomy(root);
        let entry = |key: &str| root.entries().iter().find(|entry| entry.key == key);
        let body = match (entry("correlation"), entry("filter")) {
            (Some(correlation), _) => self.correlation(root, correlation),
            (None, Some(filter)) => self.filter(root, filter, environment),
            (None, None) => self.detection(root, environment),
        };
        self.reading(meta, span, tests, body)
    }

    fn correlation(&mut self, root: &Node<'_>, entry: &Entry<'_>) -> Body {
        let read = correlation::parse(self.file, entry, &mut self.diagnostics);
        // The specification has the key beside the section, pySigma in it.
        let generate = [root.get("generate"), entry.value.get("generate")];
        let generates = generate.into_iter().flatten().any(|node| node.text() == Some("true"));
        let effect = if generates { Effect::None } else { Effect::Absorbs };
        match read {
            Some(Correlation { sources, stage, clock }) => {
                Body { sources, stages: vec![stage], clock, effect }
            }
            None => Body::default(),
        }
    }

    fn filter(&mut self, root: &Node<'_>, entry: &Entry<'_>, environment: &Environment) -> Body {
        let Some(scope) = self.scope(root) else { return Body::default() };
        let read = filter::parse(self.file, entry, scope, environment, &mut self.diagnostics);
        Body { effect: read.map_or(Effect::None, Effect::Filters), ..Body::default() }
    }

    /// Puts the reading together. A rule without id goes by its title, one without title by its
    /// path.
    fn reading(mut self, mut meta: Meta, span: Span, tests: Vec<RuleTest>, body: Body) -> Reading {
        if meta.title.is_empty() {
            meta.title = if meta.id.is_empty() { self.path.to_string() } else { meta.id.clone() };
        }
        if meta.id.is_empty() {
            meta.id = meta.title.clone();
        }
        let origin = Origin {
            vendor: Vendor::Sigma,
            language: Language::Sigma,
            path: Arc::clone(self.path),
            span,
            tests,
            drilldowns: Vec::new(),
            search: None,
        };
        self.diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
        self.diagnostics.dedup();
        let runs = Status::of(&self.diagnostics).runs();
        let Body { sources, stages, clock, effect } = body;
        let rule = (runs && !sources.is_empty()).then(|| Rule {
            meta: meta.clone(),
            origin: origin.clone(),
            sources,
            stages,
            clock,
            trigger: Trigger::default(),
        });
        Reading { meta, origin, rule, diagnostics: self.diagnostics, effect }
    }

    fn detection(&mut self, root: &Node<'_>, environment: &Environment) -> Body {
        let scope = self.scope(root);
        let Some(section) = root.get("detection") else {
            let help = "add search identifiers and a condition under `detection:`";
            self.invalid("missing-detection", at_start(root), "the rule has no detection", help);
            return Body::default();
        };
        let detection = detection::parse(self.file, section, &mut self.diagnostics);
        let lowered = lower::lower(&detection, environment, &mut self.diagnostics);
        let Some(scope) = scope else { return Body::default() };
        let source = |filter: Formula| {
            let scope = scope.clone();
            match scope.keys.get("product").is_some_and(|product| **product == *ALERTS) {
                true => Source::Alerts { scope, filter },
                false => Source::Events { scope, filter },
            }
        };
        match lowered.stage {
            None => Body { sources: vec![source(lowered.filter)], ..Body::default() },
            Some((stage, clock, others)) => {
                let all = std::iter::once(lowered.filter).chain(others);
                let sources = all.map(source).collect();
                Body { sources, stages: vec![stage], clock, effect: Effect::None }
            }
        }
    }

    /// Rules in field names of their own must be translated first, says the specification.
    fn taxonomy(&mut self, root: &Node<'_>) {
        let Some(node) = root.get("taxonomy") else { return };
        if node.text().is_some_and(|name| name != "sigma") {
            let message = "only the taxonomy `sigma` is known";
            let diagnostic = Diagnostic::new(Level::Unsupported, "taxonomy", message, node.span);
            self.diagnostics.push(diagnostic.with_help("translate the rule's field names"));
        }
    }

    fn scope(&mut self, root: &Node<'_>) -> Option<Scope> {
        let help = "say which events it reads: `category`, `product` or `service`";
        let Some(section) = root.get("logsource") else {
            self.invalid("missing-logsource", at_start(root), "the rule has no logsource", help);
            return None;
        };
        let keys: BTreeMap<Arc<str>, Arc<str>> = SCOPE_KEYS
            .iter()
            .filter_map(|key| {
                let value = section.get(key)?.text()?.trim().to_lowercase();
                Some((Arc::from(*key), Arc::from(value)))
            })
            .collect();
        if keys.is_empty() {
            self.invalid("missing-logsource", section.span, "the logsource is empty", help);
            return None;
        }
        Some(Scope { schema: Schema::Sigma, keys })
    }

    fn meta(&mut self, root: &Node<'_>) -> Meta {
        let text = |key: &str| root.get(key).and_then(Node::text).unwrap_or_default().to_owned();
        let texts = |key: &str| root.get(key).map(texts).unwrap_or_default();
        let mut meta = Meta {
            id: text("id"),
            title: text("title"),
            name: text("name"),
            description: text("description"),
            author: texts("author").join(", "),
            maturity: text("status"),
            severity: self.severity(root),
            dates: [texts("date"), texts("modified")].concat(),
            references: texts("references"),
            false_positives: texts("falsepositives"),
            fields: texts("fields"),
            ..Meta::default()
        };
        for tag in texts("tags") {
            if !add_attack(&tag, &mut meta.attack) {
                meta.tags.push(tag);
            }
        }
        if meta.title.is_empty() {
            let message = "the rule has no title";
            let note = Diagnostic::new(Level::Note, "missing-title", message, at_start(root));
            self.diagnostics.push(note.with_help("say what it detects: `title: …`"));
        }
        meta
    }

    fn severity(&mut self, root: &Node<'_>) -> Severity {
        let Some(level) = root.get("level") else { return Severity::default() };
        let text = level.text().unwrap_or_default();
        text.parse().unwrap_or_else(|()| {
            let message = format!("`{text}` is not a level, and `medium` is taken");
            let known = Severity::ALL.map(Severity::as_str);
            let help = match nearest(text, known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            let note = Diagnostic::new(Level::Note, "unknown-level", message, level.span);
            self.diagnostics.push(note.with_help(help));
            Severity::default()
        })
    }

    fn invalid(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: &'static str,
    ) {
        let diagnostic = Diagnostic::new(Level::Invalid, code, message, span);
        self.diagnostics.push(diagnostic.with_help(help));
    }
}

/// Where to point when something is missing from a rule.
fn at_start(root: &Node<'_>) -> Span {
    root.entries().first().map_or(root.span, |entry| entry.key_span)
}

/// The texts of a list, or the one text.
fn texts(node: &Node<'_>) -> Vec<String> {
    match &node.kind {
        Kind::Sequence(items) => items.iter().filter_map(Node::text).map(str::to_owned).collect(),
        _ => node.text().map(str::to_owned).into_iter().collect(),
    }
}

fn rule_tests(root: &Node<'_>) -> Vec<RuleTest> {
    let Some(node) = root.get("regression_tests_path") else { return Vec::new() };
    node.text()
        .map(|path| RuleTest {
            name: String::new(),
            data: vec![TestData { path: path.to_owned(), ..TestData::default() }],
            manual: None,
            span: node.span,
        })
        .into_iter()
        .collect()
}

/// Adds a tag to what the rule says of ATT&CK, if it is of that name space.
fn add_attack(tag: &str, attack: &mut Attack) -> bool {
    let tag = tag.to_ascii_lowercase();
    let Some(name) = tag.strip_prefix("attack.") else { return false };
    let letters = name.bytes().take_while(u8::is_ascii_lowercase).count();
    let (kind, number) = name.split_at(letters);
    let numbered = number.starts_with(|c: char| c.is_ascii_digit())
        && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let list = match kind {
        "t" if numbered => &mut attack.techniques,
        // Groups, software, data sources, mitigations, assets, and tactics by number.
        "g" | "s" | "ds" | "m" | "a" | "ta" if numbered => &mut attack.others,
        _ => {
            attack.tactics.push(name.replace('_', "-"));
            return true;
        }
    };
    list.push(name.to_ascii_uppercase());
    true
}

/// What a text that is no YAML says of its title and id.
fn salvage(text: &str) -> Meta {
    let find = |key: &str| {
        let value = text.lines().find_map(|line| value_of(line, key)).unwrap_or_default();
        value.trim().trim_matches(['"', '\'']).to_owned()
    };
    Meta { id: find("id"), title: find("title"), ..Meta::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigma_is_told_from_other_yaml() {
        let cases = [
            ("title: x\ndetection:\n  a: b\n", true),
            ("\u{feff}logsource:\r\n  product: windows\r\n", true),
            ("title: [broken\n'detection' :\n", true),
            ("correlation:\n  type: event_count\n", true),
            ("site_name: docs\nnav:\n  - detection: x.md\n", false),
            ("id: 1\nrule_metadata:\n  - id: x\n", false),
            ("detections:\n", false),
            ("detection: is hard, they say\n", false),
            ("", false),
        ];
        for (text, expected) in cases {
            assert_eq!(recognise(text), expected, "{text}");
        }
    }

    #[test]
    fn tags_of_attack() {
        let mut attack = Attack::default();
        for tag in ["attack.t1059.001", "attack.Lateral_Movement", "attack.s0039", "attack.g0007"] {
            assert!(add_attack(tag, &mut attack), "{tag}");
        }
        assert!(!add_attack("cve.2021-44228", &mut attack));
        assert_eq!(attack.techniques, ["T1059.001"]);
        assert_eq!(attack.tactics, ["lateral-movement"]);
        assert_eq!(attack.others, ["S0039", "G0007"]);
    }
}
