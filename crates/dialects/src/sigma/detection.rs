//! The detection section: from YAML to the AST.

use rulestone_ir::{Diagnostic, Duration, Level, Span};

use super::aggregation::{self, Aggregation};
use super::ast::{Body, Condition, Detection, Item, Search, Value};
use super::correlation::timespan;
use super::lexer::{TokenKind, tokens};
use super::modifiers::{Modifier, Stage};
use super::parser::parse_tokens;
use crate::containers::yaml::{Entry, Kind, Node, place};
use crate::suggest::nearest;

/// Reads a detection section; `file` is the text its spans lie in.
pub(crate) fn parse<'t>(
    file: &str,
    section: &'t Node<'t>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Detection<'t> {
    let mut reader = Reader { file, diagnostics, aggregation: None };
    reader.section(section)
}

/// Reads what may stand under a search identifier: a map or a list of maps.
pub(crate) fn parse_body<'t>(
    file: &str,
    node: &'t Node<'t>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Body<'t> {
    Reader { file, diagnostics, aggregation: None }.body(node)
}

struct Reader<'a> {
    file: &'a str,
    diagnostics: &'a mut Vec<Diagnostic>,
    aggregation: Option<(Aggregation, Span)>,
}

impl Reader<'_> {
    fn section<'t>(&mut self, section: &'t Node<'t>) -> Detection<'t> {
        let mut detection = Detection {
            searches: Vec::new(),
            conditions: Vec::new(),
            aggregation: None,
            timeframe: None,
        };
        if !matches!(section.kind, Kind::Mapping(_)) {
            let message = format!("the detection is {}, not a map", section.describe());
            self.invalid("bad-detection", section.span, message, "name search identifiers in it");
            return detection;
        }
        for entry in section.entries() {
            match &*entry.key {
                "condition" if entry.value.is_null() => {
                    let help = "say which search identifiers must hold";
                    let message = "the condition is empty";
                    self.invalid("missing-condition", entry.key_span, message, help);
                }
                "condition" => detection.conditions = self.conditions(&entry.value),
                "timeframe" => detection.timeframe = self.timeframe(&entry.value),
                name => {
                    let body = self.body(&entry.value);
                    detection.searches.push(Search { name, span: entry.key_span, body });
                }
            }
        }
        detection.aggregation = self.aggregation.take();
        self.check_timeframe(&detection);
        if section.get("condition").is_none() {
            let help = "say which search identifiers must hold: `condition: selection`";
            self.invalid("missing-condition", section.span, "there is no condition", help);
        }
        detection
    }

    fn timeframe(&mut self, node: &Node<'_>) -> Option<(Duration, Span)> {
        let span = node.text().and_then(timespan);
        if span.is_none() {
            let text = node.text().unwrap_or_default();
            let help = "write a number and a unit: `30s`, `5m`, `1h`, `7d`";
            self.invalid("bad-timespan", node.span, format!("`{text}` is no timeframe"), help);
        }
        Some((span?, node.span))
    }

    fn check_timeframe(&mut self, detection: &Detection<'_>) {
        let (code, span, message) = match (&detection.aggregation, &detection.timeframe) {
            (None, Some((_, span))) => {
                ("unused-timeframe", *span, "nothing is counted, so the timeframe means nothing")
            }
            (Some((_, span)), None) => {
                ("no-timeframe", *span, "without a timeframe all events there are count together")
            }
            _ => return,
        };
        self.diagnostics.push(Diagnostic::new(Level::Note, code, message, span));
    }

    fn conditions(&mut self, node: &Node<'_>) -> Vec<Condition> {
        match &node.kind {
            Kind::Scalar(scalar) if !scalar.is_null() => {
                vec![self.condition(node.span, &scalar.text)]
            }
            Kind::Sequence(items) if !items.is_empty() => {
                let conditions = items.iter().flat_map(|item| self.conditions(item)).collect();
                if let (Some((_, span)), true) = (&self.aggregation, items.len() > 1) {
                    let message = "a condition that counts events cannot be one of several";
                    let code = "sigma-aggregation";
                    let diagnostic = Diagnostic::new(Level::Unsupported, code, message, *span);
                    self.diagnostics.push(diagnostic.with_help("make two rules of it"));
                }
                conditions
            }
            _ => {
                let message = format!("the condition is {}, not a text", node.describe());
                let help = "say which search identifiers must hold";
                self.invalid("missing-condition", node.span, message, help);
                Vec::new()
            }
        }
    }

    fn condition(&mut self, span: Span, text: &str) -> Condition {
        let mut tokens = tokens(text);
        for token in &mut tokens {
            token.span = place(self.file, span, text, token.span.start..token.span.end);
        }
        if let Some(at) = tokens.iter().position(|token| token.kind == TokenKind::Pipe) {
            let behind = &text[text.find('|').map_or(text.len(), |at| at + 1)..];
            let end = tokens.last().map_or(span, |token| token.span);
            let place = tokens[at].span.to(end);
            match aggregation::parse(behind, place) {
                Ok(aggregation) => self.aggregation = Some((aggregation, place)),
                Err(diagnostic) => self.diagnostics.push(diagnostic),
            }
            tokens.truncate(at);
        }
        let (condition, diagnostics) = parse_tokens(&tokens, span);
        self.diagnostics.extend(diagnostics);
        condition
    }

    /// What stands under a search identifier: a map, a list of anything, or one keyword.
    fn body<'t>(&mut self, node: &'t Node<'t>) -> Body<'t> {
        match &node.kind {
            Kind::Mapping(entries) if entries.is_empty() => self.empty(node),
            Kind::Mapping(entries) => {
                Body::All(entries.iter().map(|entry| self.item(entry)).collect())
            }
            Kind::Sequence(items) if items.is_empty() => self.empty(node),
            Kind::Sequence(items) if items.iter().all(|i| matches!(i.kind, Kind::Scalar(_))) => {
                self.keywords(items)
            }
            Kind::Sequence(items) => Body::Any(items.iter().map(|item| self.body(item)).collect()),
            Kind::Scalar(_) => self.keywords(std::slice::from_ref(node)),
        }
    }

    fn empty<'t>(&mut self, node: &Node<'_>) -> Body<'t> {
        let message = "this search identifier is empty";
        self.invalid("empty-search", node.span, message, "give it fields or keywords");
        Body::Any(Vec::new())
    }

    fn keywords<'t>(&mut self, nodes: &'t [Node<'t>]) -> Body<'t> {
        let values = nodes.iter().filter_map(|node| self.value(node, true)).collect();
        Body::All(vec![Item { field: None, modifiers: Vec::new(), values }])
    }

    fn item<'t>(&mut self, entry: &'t Entry<'t>) -> Item<'t> {
        let mut names = entry.key.split('|');
        let field = names.next().filter(|field| !field.is_empty());
        let modifiers = self.modifiers(entry, field.is_some());
        let nodes = match &entry.value.kind {
            Kind::Sequence(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(&entry.value),
        };
        if nodes.is_empty() {
            let help = "give it values, or write `null` for a field that is not there";
            self.invalid("empty-list", entry.key_span, "this list has no values", help);
        }
        if modifiers.contains(&Modifier::All) && nodes.len() == 1 {
            let message = "`all` joins several values, and there is one";
            let note = Diagnostic::new(Level::Note, "single-all", message, entry.key_span);
            self.diagnostics.push(note.with_help("remove the modifier"));
        }
        let keyword = field.is_none();
        let values = nodes.iter().filter_map(|node| self.value(node, keyword)).collect();
        Item { field, modifiers, values }
    }

    fn value<'t>(&mut self, node: &'t Node<'t>, keyword: bool) -> Option<Value<'t>> {
        let Kind::Scalar(scalar) = &node.kind else {
            let message = format!("a value cannot be {}", node.describe());
            let help = "give texts, numbers, booleans or null";
            self.invalid("bad-value", node.span, message, help);
            return None;
        };
        if keyword && scalar.is_null() {
            let help = "null is the value of a field that is not there: name the field";
            self.invalid("bad-value", node.span, "a keyword cannot be null", help);
            return None;
        }
        Some(Value { span: node.span, scalar })
    }

    /// The modifiers of a key that can be applied in a row; the others are reported.
    fn modifiers(&mut self, entry: &Entry<'_>, has_field: bool) -> Vec<Modifier> {
        let mut modifiers = Vec::new();
        let mut stage = Stage::Raw;
        let mut start = entry.key.find('|').map_or(entry.key.len(), |at| at + 1);
        for name in entry.key.split('|').skip(1) {
            let span = place(self.file, entry.key_span, &entry.key, start..start + name.len());
            start += name.len() + 1;
            let Some(modifier) = Modifier::named(name) else {
                self.unknown_modifier(name, span);
                continue;
            };
            if modifier.needs_field() && !has_field {
                let message = format!("`{name}` needs a field");
                self.invalid("contradictory-modifiers", span, message, "name it before the `|`");
                continue;
            }
            match modifier.step(stage) {
                Some(next) => {
                    stage = next;
                    modifiers.push(modifier);
                }
                None => self.contradiction(modifier, stage, span),
            }
        }
        modifiers
    }

    fn unknown_modifier(&mut self, name: &str, span: Span) {
        let help = match nearest(name, Modifier::names()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("known are {}", Modifier::names().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("`{name}` is not a modifier");
        self.invalid("unknown-modifier", span, message, help);
    }

    fn contradiction(&mut self, modifier: Modifier, stage: Stage, span: Span) {
        let message = format!("`{}` cannot be applied to {}", modifier.name(), stage.describe());
        let help = format!("it takes {}", modifier.takes());
        self.invalid("contradictory-modifiers", span, message, help);
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
