//! Exceptions: what to keep quiet, where, until when and why, in one format for the rules of all
//! vendors.
//!
//! ```yaml
//! exceptions:
//!   - rule: 3d7679bd-0c00-440c-97b0-3f204273e6c7   # id or title, a list of them, or "*" for all
//!     source: sigma               # only rules of this vendor
//!     when:                       # one of these maps has to hold; left out: always
//!       - Image|endswith: '\backup.exe'
//!         entity.host: ws01
//!     from: 2026-01-01            # times of events
//!     until: 2026-12-31           # with the whole of that day
//!     reason: nightly backup
//! ```
//!
//! Items have Sigma's syntax, with all modifiers. A name is the event's own, or has the name of a
//! schema in front: `entity.host`, `sigma.Image`. `raw.` says that it is the event's own in any
//! case.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rulestone_dialects::containers::yaml::{self, Kind, Node};
use rulestone_dialects::{nearest, sigma};
use rulestone_ir::{
    Diagnostic, Exception, Field, Formula, Level, LineIndex, RuleNames, Schema, Span, Test, Vendor,
};
use rulestone_value::{Time, fold};

use crate::{Environment, Ledger, Selection, Skip};

/// The keys of an exception.
const KEYS: [&str; 6] = ["rule", "source", "when", "from", "until", "reason"];

/// Reads a file of exceptions. `path` is the file as the user named it. An exception about which an
/// `invalid` diagnostic is returned is not among those returned, or means something else than what
/// was meant.
pub fn read_exceptions(
    text: &str,
    path: &str,
    environment: &Environment,
) -> (Vec<Exception>, Vec<Diagnostic>) {
    let mut reader = Reader {
        text,
        path: Arc::from(path),
        lines: LineIndex::new(text),
        environment,
        diagnostics: Vec::new(),
    };
    let mut exceptions = Vec::new();
    let documents = yaml::parse(text);
    for document in &documents {
        reader.diagnostics.extend(document.diagnostics.iter().cloned());
        if let Some(root) = &document.root {
            exceptions.extend(reader.document(root));
        }
    }
    if documents.is_empty() {
        reader.invalid("exception-file", Span::default(), "the file is empty", FORM);
    }
    let mut diagnostics = reader.diagnostics;
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    diagnostics.dedup();
    (exceptions, diagnostics)
}

const FORM: &str = "begin with `exceptions:` and a list of maps below it";

struct Reader<'a> {
    text: &'a str,
    path: Arc<str>,
    lines: LineIndex,
    environment: &'a Environment,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn document(&mut self, root: &Node<'_>) -> Vec<Exception> {
        if !matches!(root.kind, Kind::Mapping(_)) {
            let message = format!("exceptions stand in a map, and this is {}", root.describe());
            self.invalid("exception-file", root.span, message, FORM);
            return Vec::new();
        }
        self.unknown_keys(root, &["exceptions"]);
        let Some(list) = root.get("exceptions") else {
            self.invalid("exception-file", start_of(root), "there are no exceptions", FORM);
            return Vec::new();
        };
        match &list.kind {
            Kind::Sequence(nodes) => nodes.iter().filter_map(|node| self.exception(node)).collect(),
            _ => {
                let message = format!("exceptions are a list, and this is {}", list.describe());
                self.invalid("exception-file", list.span, message, FORM);
                Vec::new()
            }
        }
    }

    fn exception(&mut self, node: &Node<'_>) -> Option<Exception> {
        if !matches!(node.kind, Kind::Mapping(_)) {
            let message = format!("an exception is a map, and this is {}", node.describe());
            self.invalid("exception-file", node.span, message, "begin with `rule: …`");
            return None;
        }
        self.unknown_keys(node, &KEYS);
        let rules = self.rules(node);
        let vendor = node.get("source").map(|source| self.vendor(source));
        let when = node.get("when").map(|when| self.when(when));
        let (from, until) = self.bounds(node);
        let reason = self.reason(node);
        Some(Exception {
            path: self.path.clone(),
            line: self.lines.position(self.text, start_of(node).start).0,
            span: start_of(node),
            rules: rules?,
            vendor: match vendor {
                Some(vendor) => Some(vendor?),
                None => None,
            },
            when,
            from,
            until,
            reason: reason?,
        })
    }

    fn unknown_keys(&mut self, node: &Node<'_>, known: &[&'static str]) {
        for entry in node.entries().iter().filter(|entry| !known.contains(&&*entry.key)) {
            let help = match nearest(&entry.key, known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            let message = format!("`{}` is not a key of an exception", entry.key);
            self.invalid("exception-key", entry.key_span, message, help);
        }
    }

    fn rules(&mut self, node: &Node<'_>) -> Option<RuleNames> {
        const HELP: &str = "name its rule by id or title, several in a list, or all with \"*\"";
        let Some(rule) = node.get("rule") else {
            let message = "the exception does not say which rule it is about";
            self.invalid("exception-rule", start_of(node), message, HELP);
            return None;
        };
        let nodes = match &rule.kind {
            Kind::Sequence(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(rule),
        };
        let mut names = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node.text().map(str::trim).filter(|text| !text.is_empty()) {
                Some(name) => names.push((name.to_owned(), node.span)),
                None => {
                    let message = format!("the name of a rule cannot be {}", node.describe());
                    self.invalid("exception-rule", node.span, message, HELP);
                    return None;
                }
            }
        }
        if names.is_empty() {
            self.invalid("exception-rule", rule.span, "this list names no rule", HELP);
            return None;
        }
        let all = names.iter().any(|(name, _)| name == "*");
        Some(if all { RuleNames::All } else { RuleNames::Some(names) })
    }

    fn vendor(&mut self, node: &Node<'_>) -> Option<Vendor> {
        let text = node.text().unwrap_or_default();
        let found = Vendor::ALL.into_iter().find(|vendor| vendor.as_str() == text);
        if found.is_none() {
            let known = Vendor::ALL.map(Vendor::as_str);
            let help = match nearest(text, known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            let message = format!("`{text}` is not a source of rules");
            self.invalid("exception-source", node.span, message, help);
        }
        found
    }

    /// The conditions, one formula a map.
    fn when(&mut self, node: &Node<'_>) -> Vec<Formula> {
        const HELP: &str = "give maps of fields, or leave `when` out to except every event";
        let nodes = match &node.kind {
            Kind::Sequence(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if nodes.is_empty() {
            self.invalid("exception-when", node.span, "there is no condition here", HELP);
        }
        let mut formulas = Vec::with_capacity(nodes.len());
        for node in nodes {
            match &node.kind {
                Kind::Mapping(entries) if !entries.is_empty() => {
                    entries.iter().for_each(|entry| self.name(&entry.key, entry.key_span));
                    formulas.push(self.items(node));
                }
                Kind::Mapping(_) => {
                    self.invalid("exception-when", node.span, "this map has no fields", HELP);
                }
                _ => {
                    let message = format!("a condition is a map, and this is {}", node.describe());
                    self.invalid("exception-when", node.span, message, HELP);
                }
            }
        }
        formulas
    }

    fn items(&mut self, node: &Node<'_>) -> Formula {
        let formula =
            sigma::read_items(self.text, node, field, self.environment, &mut self.diagnostics);
        // Names of fields stand in values too.
        formula.for_each_predicate(&mut |predicate| {
            if let Test::SameAs(Field::Named { schema, name }, _) = &predicate.test {
                self.known(*schema, name, predicate.span);
            }
        });
        formula
    }

    /// Checks the name in front of an item's modifiers.
    fn name(&mut self, key: &str, span: Span) {
        let name = key.split('|').next().unwrap_or_default();
        if let Field::Named { schema, name } = field(name) {
            self.known(schema, &name, span);
        }
    }

    fn known(&mut self, schema: Schema, name: &str, span: Span) {
        let Some(known) = schema.fields().filter(|known| !known.contains(&name)) else { return };
        let schema = schema.as_str();
        let help = match nearest(name, known.iter().copied()) {
            Some(known) => format!("did you mean `{schema}.{known}`?"),
            None => {
                format!(
                    "known are {}; the event's own field is `raw.{schema}.{name}`",
                    known.join(", ")
                )
            }
        };
        let message = format!("`{schema}` has no field `{name}`");
        self.invalid("exception-field", span, message, help);
    }

    fn bounds(&mut self, node: &Node<'_>) -> (Option<Time>, Option<Time>) {
        let from = node.get("from").and_then(|node| self.time(node)).map(|(time, _)| time);
        let until = node.get("until").and_then(|node| self.time(node));
        let until = until.map(|(time, grain)| match grain {
            Grain::Day => Time::from_ticks(time.ticks().saturating_add(TICKS_PER_DAY)),
            Grain::Moment => time,
        });
        if let (Some(first), Some(end), Some(place)) = (from, until, node.get("until"))
            && first >= end
        {
            let message = "the exception ends before it begins";
            self.invalid("exception-time", place.span, message, "let `from` be before `until`");
        }
        (from, until)
    }

    fn time(&mut self, node: &Node<'_>) -> Option<(Time, Grain)> {
        let text = node.text().unwrap_or_default().trim();
        let moment = Time::parse(text).map(|time| (time, Grain::Moment));
        let day = || Time::parse(&format!("{text}T00:00:00Z")).map(|time| (time, Grain::Day));
        let time = moment.or_else(day);
        if time.is_none() {
            let message = format!("`{text}` is not a time");
            let help = "write 2026-12-31 or 2026-12-31T12:00:00Z";
            self.invalid("exception-time", node.span, message, help);
        }
        time
    }

    fn reason(&mut self, node: &Node<'_>) -> Option<String> {
        const HELP: &str = "say why: `reason: nightly backup, ticket 4711`";
        let reason = node.get("reason");
        let text = reason.and_then(Node::text).map(str::trim).filter(|text| !text.is_empty());
        if text.is_none() {
            let span = reason.map_or(start_of(node), |reason| reason.span);
            self.invalid("exception-reason", span, "the exception gives no reason", HELP);
        }
        text.map(str::to_owned)
    }

    fn invalid(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let diagnostic = Diagnostic::new(Level::Invalid, code, message, span);
        self.diagnostics.push(diagnostic.with_help(help));
    }
}

const TICKS_PER_DAY: i64 = 86_400 * 10_000_000;

/// What a time stands for.
#[derive(Clone, Copy)]
enum Grain {
    Day,
    Moment,
}

/// What a name in an exception means.
fn field(name: &str) -> Field {
    let prefixed = name.split_once('.').and_then(|(prefix, rest)| {
        let schema = Schema::ALL.into_iter().find(|schema| schema.as_str() == prefix)?;
        (!rest.is_empty()).then_some((schema, rest))
    });
    let (schema, name) = prefixed.unwrap_or((Schema::Raw, name));
    Field::Named { schema, name: Arc::from(name) }
}

/// Where to point for a whole map: its first key.
fn start_of(node: &Node<'_>) -> Span {
    node.entries().first().map_or(node.span, |entry| entry.key_span)
}

/// Names that are compared with those of rules for a suggestion: comparing takes its time.
const SUGGESTIONS: usize = 20;

/// What exceptions name that is not loaded, each with the exception's place in the list. A rule
/// that is there and that the user left out with the selection is no news.
pub fn unmatched_exceptions(
    exceptions: &[Exception],
    ledger: &Ledger,
    selection: &Selection,
) -> Vec<(usize, Diagnostic)> {
    let known = Known::new(ledger);
    let narrowed = !selection.only.is_empty() || selection.least.is_some();
    let mut found = Vec::new();
    for (at, exception) in exceptions.iter().enumerate() {
        let RuleNames::Some(names) = &exception.rules else {
            if let Some(vendor) = exception.vendor.filter(|vendor| !known.vendors.contains(vendor))
            {
                let message = format!(
                    "this exception is about all {} rules, and none is loaded",
                    vendor.as_str()
                );
                found.push((at, note(message, exception.span)));
            }
            continue;
        };
        for (name, span) in names {
            let suggest = found.len() < SUGGESTIONS;
            match known.missing(name, exception.vendor, suggest) {
                Some(Missing::LeftOut(_)) if narrowed => {}
                Some(missing) => found.push((at, missing.diagnostic(name, *span))),
                None => {}
            }
        }
    }
    found
}

/// The names of the rules that were found.
struct Known<'l> {
    /// By id and title, folded: whether one of them is loaded, and why not otherwise.
    names: HashMap<String, Vec<(Vendor, Option<&'l Skip>)>>,
    titles: Vec<&'l str>,
    vendors: HashSet<Vendor>,
}

/// Why an exception names no loaded rule.
enum Missing<'l> {
    /// There is none of that name; perhaps one of a similar name.
    Unknown(Option<&'l str>),
    /// It is there and not loaded.
    LeftOut(&'l Skip),
    /// It is of another vendor.
    OtherVendor(Vendor),
}

impl<'l> Known<'l> {
    fn new(ledger: &'l Ledger) -> Self {
        let mut known =
            Known { names: HashMap::new(), titles: Vec::new(), vendors: HashSet::new() };
        for entry in &ledger.entries {
            let (vendor, skip) = (entry.origin.vendor, entry.rule.as_ref().err());
            for name in [&entry.meta.id, &entry.meta.title] {
                known.names.entry(fold(name)).or_default().push((vendor, skip));
            }
            if skip.is_none() {
                known.titles.push(&entry.meta.title);
                known.vendors.insert(vendor);
            }
        }
        known
    }

    fn missing(&self, name: &str, vendor: Option<Vendor>, suggest: bool) -> Option<Missing<'l>> {
        let Some(rules) = self.names.get(&fold(name)) else {
            let near = suggest.then(|| nearest(name, self.titles.iter().copied()));
            return Some(Missing::Unknown(near.flatten()));
        };
        let own = || rules.iter().filter(|(own, _)| vendor.is_none_or(|vendor| vendor == *own));
        if own().any(|(_, skip)| skip.is_none()) {
            return None;
        }
        let left_out = own().find_map(|(_, skip)| *skip).map(Missing::LeftOut);
        left_out.or_else(|| rules.first().map(|(other, _)| Missing::OtherVendor(*other)))
    }
}

impl Missing<'_> {
    fn diagnostic(&self, name: &str, span: Span) -> Diagnostic {
        let found = note(format!("this exception names no loaded rule: `{name}`"), span);
        match self {
            Missing::Unknown(Some(title)) => found.with_help(format!("did you mean `{title}`?")),
            Missing::Unknown(None) => found.with_help("`rulestone rules` lists ids and titles"),
            Missing::LeftOut(Skip::Selection(reason)) => {
                found.with_help(format!("the rule is there and left aside: {reason}"))
            }
            Missing::LeftOut(Skip::Status(status)) => found
                .with_help(format!("the rule is there and cannot run: it is {}", status.as_str())),
            Missing::LeftOut(Skip::Filter(_)) => {
                found.with_help("it is a filter, which finds nothing by itself")
            }
            Missing::OtherVendor(vendor) => {
                found.with_help(format!("the rule of that name is a {} rule", vendor.as_str()))
            }
        }
    }
}

fn note(message: String, span: Span) -> Diagnostic {
    Diagnostic::new(Level::Note, "exception-idle", message, span)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use rulestone_ir::print_formula;

    use super::*;
    use crate::load_texts;

    fn read(text: &str) -> (Vec<Exception>, Vec<Diagnostic>) {
        read_exceptions(text, "quiet.yml", &Environment::default())
    }

    /// Diagnostics as `LINE:COLUMN code: message (help)`.
    fn said(text: &str, diagnostics: &[Diagnostic]) -> Vec<String> {
        let lines = LineIndex::new(text);
        let one = |diagnostic: &Diagnostic| {
            let (line, column) = lines.position(text, diagnostic.span.start);
            let Diagnostic { code, message, help, .. } = diagnostic;
            let help = help.as_deref().unwrap_or("nothing");
            format!("{line}:{column} {code}: {message} ({help})")
        };
        diagnostics.iter().map(one).collect()
    }

    /// The schemas of the fields, in order.
    fn schemas(formula: &Formula) -> String {
        let mut out = String::new();
        formula.for_each_predicate(&mut |predicate| {
            let fields = match &predicate.test {
                Test::SameAs(other, _) => vec![&predicate.field, other],
                _ => vec![&predicate.field],
            };
            for field in fields {
                let _ = match field {
                    Field::Named { schema, name } => write!(out, "{}:{name} ", schema.as_str()),
                    Field::Any => write!(out, "any "),
                };
            }
        });
        out.trim_end().to_owned()
    }

    #[test]
    fn a_whole_exception_is_read() {
        let text = "# ours\nexceptions:\n  - rule: [One, 1f3a]\n    source: sigma\n    when:\n\
                    \x20     - Image|endswith: '\\a.exe'\n        entity.host: ws01\n\
                    \x20     - sigma.User|contains|all: [x, y]\n    from: 2026-01-01\n\
                    \x20   until: 2026-12-31\n    reason: nightly backup\n\
                    \x20 - {rule: '*', reason: lab, until: '2026-01-01T12:00:00+02:00'}\n";
        let (exceptions, diagnostics) = read(text);
        assert_eq!(said(text, &diagnostics), [""; 0]);
        let first = &exceptions[0];
        let RuleNames::Some(names) = &first.rules else { panic!("{:?}", first.rules) };
        let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["One", "1f3a"]);
        assert_eq!((first.line, first.place().as_str()), (3, "quiet.yml:3"));
        assert_eq!(first.vendor, Some(Vendor::Sigma));
        let when = first.when.as_deref().unwrap();
        assert_eq!(
            when.iter().map(schemas).collect::<Vec<_>>(),
            ["raw:Image entity:host", "sigma:User sigma:User"]
        );
        assert!(print_formula(&when[0]).contains("ends_with"), "{}", print_formula(&when[0]));
        let time = |time: Option<Time>| time.unwrap().to_string();
        assert_eq!(time(first.from), "2026-01-01T00:00:00.0000000Z");
        assert_eq!(time(first.until), "2027-01-01T00:00:00.0000000Z", "with the whole last day");
        assert_eq!(first.reason, "nightly backup");
        let second = &exceptions[1];
        assert_eq!((&second.rules, &second.when), (&RuleNames::All, &None));
        assert_eq!(time(second.until), "2026-01-01T10:00:00.0000000Z", "at that moment");
    }

    #[test]
    fn names_say_whose_they_are() {
        let cases = [
            ("Image: x", "raw:Image"),
            ("host.name: x", "raw:host.name"),
            ("entity.host: x", "entity:host"),
            ("raw.entity.host: x", "raw:entity.host"),
            ("sigma.Image|re: x", "sigma:Image"),
            ("Entity.host: x", "raw:Entity.host"),
            ("entity.: x", "raw:entity."),
            ("'|contains': x", "any"),
            ("User|fieldref: entity.user", "raw:User entity:user"),
        ];
        for (item, expected) in cases {
            let text = format!("exceptions:\n- rule: x\n  reason: y\n  when:\n    {item}\n");
            let (exceptions, diagnostics) = read(&text);
            assert_eq!(said(&text, &diagnostics), [""; 0], "{item}");
            let when = exceptions[0].when.as_deref().unwrap();
            assert_eq!(schemas(&when[0]), expected, "{item}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        const OK: &str = "exceptions:\n- rule: x\n  reason: y\n";
        let cases = [
            ("", "1:1 exception-file: the file is empty"),
            ("- a\n", "1:1 exception-file: exceptions stand in a map, and this is a list"),
            ("rules: []\n", "1:1 exception-key: `rules` is not a key of an exception"),
            ("exceptions: x\n", "1:13 exception-file: exceptions are a list, and this is a text"),
            ("exceptions:\n- x\n", "2:3 exception-file: an exception is a map, and this is a text"),
            ("exceptions:\n- reason: x\n", "2:3 exception-rule: the exception does not say which"),
            ("exceptions:\n- rule: []\n  reason: x\n", "2:9 exception-rule: this list names no"),
            ("exceptions:\n- rule: x\n", "2:3 exception-reason: the exception gives no reason"),
            ("exceptions:\n- rule: x\n  reason: ''\n", "3:11 exception-reason: the exception"),
            (
                "exceptions:\n- rule: x\n  reson: y\n  reason: z\n",
                "3:3 exception-key: `reson` is not a key of an exception (did you mean `reason`?)",
            ),
            (
                &format!("{OK}  source: sigam\n"),
                "4:11 exception-source: `sigam` is not a source of \
              rules (did you mean `sigma`?)",
            ),
            (&format!("{OK}  from: yesterday\n"), "4:9 exception-time: `yesterday` is not a time"),
            (
                &format!("{OK}  from: 2026-02-02\n  until: 2026-02-01\n"),
                "5:10 exception-time: the exception ends before it begins",
            ),
            (&format!("{OK}  when: []\n"), "4:9 exception-when: there is no condition here"),
            (
                &format!("{OK}  when:\n"),
                "4:7 exception-when: a condition is a map, and this is null",
            ),
            (
                &format!("{OK}  when: [x]\n"),
                "4:10 exception-when: a condition is a map, and this is",
            ),
            (&format!("{OK}  when: [{{}}]\n"), "4:10 exception-when: this map has no fields"),
            (
                &format!("{OK}  when:\n    Image|endwith: x\n"),
                "5:11 unknown-modifier: `endwith` is not a modifier (did you mean `endswith`?)",
            ),
            (
                &format!("{OK}  when:\n    entity.hots: x\n"),
                "5:5 exception-field: `entity` has no field `hots` (did you mean `entity.host`?)",
            ),
            (
                &format!("{OK}  when:\n    User|fieldref: entity.id\n"),
                "5:20 exception-field: `entity` has no field `id`",
            ),
            (&format!("{OK}  when:\n    Image|re: '['\n"), "5:15 bad-regex: "),
            (&format!("{OK}  when:\n    Image: [a\n"), "6:1 yaml-syntax: "),
            (&format!("{OK}  reason: z\n"), "4:3 yaml-duplicate-key: "),
            (&format!("{OK}  when:\n    Image|expand: '%x%'\n"), "5:19 placeholder: "),
        ];
        let mut codes = std::collections::BTreeSet::from(["exception-idle"]);
        for (text, expected) in cases {
            let (_, diagnostics) = read(text);
            codes.extend(diagnostics.iter().map(|diagnostic| diagnostic.code));
            let said = said(text, &diagnostics);
            let found = said.iter().any(|line| line.starts_with(expected));
            assert!(found, "{text}\n{said:?}\n{expected}");
            assert!(diagnostics.iter().any(|d| d.level >= Level::Unsupported), "{text}");
        }
        let documented = include_str!("../../../docs/diagnostics.md").lines();
        for line in documented.filter(|line| line.starts_with("| `exception-")) {
            let code = line.split('`').nth(1).unwrap();
            assert!(codes.remove(code), "{code} is documented and said nowhere");
        }
        codes.retain(|code| code.starts_with("exception-"));
        assert!(codes.is_empty(), "not documented: {codes:?}");
    }

    #[test]
    fn any_text_is_read() {
        let whole = include_str!("../../../examples/exceptions.yml");
        assert_eq!(read(whole).1, []);
        for (at, _) in whole.char_indices() {
            read(&whole[..at]);
            let cut = format!("{}{}", &whole[..at], whole.get(at + 7..).unwrap_or_default());
            read(&cut);
        }
    }

    #[test]
    fn exceptions_that_name_no_loaded_rule_are_said() {
        const RULE: &str = "title: Net In Use\nid: 11111111-1111-4111-8111-111111111111\n\
                            logsource: {product: windows}\ndetection: {a: {b: c}, condition: a}\n";
        let old =
            RULE.replace("Net In Use", "Old").replace("1111-4", "2222-4") + "status: deprecated\n";
        let rules = [("a.yml", RULE), ("b.yml", &old)];
        let ledger = load_texts(&rules, &Environment::default(), &Selection::default());
        let only = Selection { only: vec!["net in use".to_owned()], ..Selection::default() };
        let narrowed = load_texts(&rules, &Environment::default(), &only);
        let text = "exceptions:\n- rule: NET IN USE\n  reason: x\n\
                    - rule: [11111111-1111-4111-8111-111111111111, Net Is Use]\n  reason: x\n\
                    - rule: old\n  reason: x\n- rule: '*'\n  reason: x\n";
        let (exceptions, _) = read(text);
        let unmatched = |ledger: &Ledger, selection: &Selection| {
            let found = unmatched_exceptions(&exceptions, ledger, selection);
            let diagnostics: Vec<Diagnostic> = found.into_iter().map(|(_, said)| said).collect();
            said(text, &diagnostics)
        };
        let unknown = "4:48 exception-idle: this exception names no loaded rule: `Net Is Use` \
                       (did you mean `Net In Use`?)";
        assert_eq!(
            unmatched(&ledger, &Selection::default()),
            [
                unknown,
                "6:9 exception-idle: this exception names no loaded rule: `old` (the rule is there and left \
             aside: its status is \"deprecated\")",
            ]
        );
        assert_eq!(unmatched(&narrowed, &only), [unknown], "what the user left out is no news");
    }
}
