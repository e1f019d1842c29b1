//! Correlation rules: from the `correlation` section to sources, a stage and a clock.
//!
//! What the specification leaves open is decided so:
//!
//! - Both ends of a window count: two events exactly a `timespan` apart are together.
//! - A row that lacks a field of `group-by` is in no group, and counted.
//! - A lower bound on a count or a sum is asked at each event. What can turn back (upper bounds,
//!   `eq`, means, percentiles, `not`) is asked when the window is over; such a window opens with a
//!   group's first event outside of one.
//! - A group that fired fires again once it has been quiet for the timespan.
//! - `temporal` and `temporal_ordered` without a condition want all of their rules. An event that
//!   two rules find is there for both, but does not follow itself.
//! - `value_percentile` with `percentile` is that percentile by nearest rank, as pySigma has it;
//!   without, the part of the events that share a value, in percent, as the example of the
//!   specification has it.

use std::sync::Arc;

use rulestone_ir::{
    Clock, Comparison, Correlate, Diagnostic, Duration, Evaluate, Field, Input, Keys, Level,
    Measure, Refire, Schema, Seen, Source, Span, Stage, StageKind, When,
};

use super::ast::Condition;
use super::parser::parse_tokens;
use super::tokens;
use crate::containers::yaml::{Entry, Kind, Node, place};
use crate::suggest::nearest;

/// A correlation, understood.
pub(crate) struct Correlation {
    pub(crate) sources: Vec<Source>,
    pub(crate) stage: Stage,
    pub(crate) clock: Clock,
}

/// The keys of the section.
const KEYS: [&str; 7] =
    ["type", "rules", "group-by", "timespan", "condition", "aliases", "generate"];

/// The types, and what makes each of them count.
const TYPES: [(&str, Type); 10] = [
    ("event_count", Type::EventCount),
    ("value_count", Type::ValueCount),
    ("value_sum", Type::Sum),
    ("value_avg", Type::Avg),
    ("value_min", Type::Min),
    ("value_max", Type::Max),
    ("value_median", Type::Median),
    ("value_percentile", Type::Percentile),
    ("temporal", Type::Temporal),
    ("temporal_ordered", Type::Ordered),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    EventCount,
    ValueCount,
    Sum,
    Avg,
    Min,
    Max,
    Median,
    Percentile,
    Temporal,
    Ordered,
}

/// The units of a timespan, in seconds. A month and a year are those of pySigma: a twelfth of a
/// mean year, and a mean year.
const UNITS: [(char, i64); 7] = [
    ('s', 1),
    ('m', 60),
    ('h', 3600),
    ('d', 86_400),
    ('w', 604_800),
    ('M', 2_629_746),
    ('y', 31_556_952),
];

const COMPARISONS: [(&str, Comparison); 6] = [
    ("gt", Comparison::Greater),
    ("gte", Comparison::GreaterOrEqual),
    ("lt", Comparison::Less),
    ("lte", Comparison::LessOrEqual),
    ("eq", Comparison::Equal),
    ("neq", Comparison::NotEqual),
];

/// Reads a `correlation` section; `file` is the text its spans lie in. `None` when it cannot be
/// run, and then a diagnostic says why.
pub(crate) fn parse(
    file: &str,
    entry: &Entry<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Correlation> {
    let mut reader = Reader { file, section: &entry.value, at: entry.key_span, diagnostics };
    reader.correlation(&entry.key)
}

/// A timespan: a number and a unit.
pub(crate) fn timespan(text: &str) -> Option<Duration> {
    let (digits, unit) = text.trim().split_at_checked(text.trim().len().checked_sub(1)?)?;
    let unit = unit.chars().next()?;
    let (_, seconds) = UNITS.iter().find(|(own, _)| *own == unit)?;
    let count: i64 = digits.parse().ok().filter(|count| *count > 0)?;
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| Duration::from_seconds(count.saturating_mul(*seconds)))
}

/// A field by its name in the taxonomy of Sigma.
pub(crate) fn field(name: &str) -> Field {
    Field::Named { schema: Schema::Sigma, name: Arc::from(name) }
}

/// When a measure is to be asked whether it satisfies its bounds.
pub(crate) fn evaluate(measure: &Measure, when: &When) -> Evaluate {
    let lower = |(comparison, _): &(Comparison, f64)| {
        matches!(comparison, Comparison::Greater | Comparison::GreaterOrEqual)
    };
    let at_once = match when {
        When::Measure(bounds) => measure.only_grows() && bounds.iter().all(lower),
        When::Seen(seen) => !seen.has_not(),
    };
    if at_once { Evaluate::OnEvent } else { Evaluate::AtClose }
}

struct Reader<'a, 'n> {
    file: &'a str,
    section: &'n Node<'n>,
    at: Span,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_, '_> {
    fn correlation(&mut self, key: &str) -> Option<Correlation> {
        if !matches!(self.section.kind, Kind::Mapping(_)) {
            let message = format!("`{key}` is {}, not a map", self.section.describe());
            self.invalid("bad-correlation", self.section.span, message, "give it a type and rules");
            return None;
        }
        self.unknown_keys();
        let kind = self.kind();
        let sources = self.sources();
        let span = self.timespan();
        let names = self.texts("group-by");
        let (kind, native_name) = kind?;
        let (measure, when) = self.measured(kind, &sources)?;
        if sources.is_empty() {
            return None;
        }
        let by = Keys { fields: names.iter().map(|name| field(name)).collect(), ..Keys::default() };
        let evaluate = evaluate(&measure, &when);
        let correlate = Correlate { by, measure, when, evaluate, refire: Refire::AfterQuiet };
        let stage = Stage {
            kind: StageKind::Correlate(correlate),
            inputs: (0..sources.len()).map(Input::Source).collect(),
            span: self.at,
            native_name,
        };
        Some(Correlation { sources, stage, clock: Clock::Sliding { span: span? } })
    }

    fn unknown_keys(&mut self) {
        for entry in self.section.entries().iter().filter(|e| !KEYS.contains(&&*e.key)) {
            let help = match nearest(&entry.key, KEYS) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known are {}", KEYS.join(", ")),
            };
            let message = format!("correlations have no `{}`", entry.key);
            self.invalid("unknown-key", entry.key_span, message, help);
        }
    }

    fn kind(&mut self) -> Option<(Type, Arc<str>)> {
        let known = || TYPES.map(|(name, _)| name);
        let help = format!("known are {}", known().join(", "));
        let Some(node) = self.section.get("type") else {
            self.invalid("bad-correlation", self.at, "the correlation has no type", help);
            return None;
        };
        let text = node.text().unwrap_or_default();
        if let Some((name, kind)) = TYPES.iter().find(|(name, _)| *name == text) {
            return Some((*kind, Arc::from(*name)));
        }
        let help = match nearest(text, known()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => help,
        };
        let message = format!("`{text}` is not a type of correlation");
        self.invalid("unknown-correlation-type", node.span, message, help);
        None
    }

    /// The rules it reads, each with the aliases that stand for its fields.
    fn sources(&mut self) -> Vec<Source> {
        let Some(node) = self.section.get("rules") else {
            let help = "name rules by their id or name: `rules: [one, two]`";
            self.invalid("bad-correlation", self.at, "the correlation reads no rules", help);
            return Vec::new();
        };
        let nodes = match &node.kind {
            Kind::Sequence(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut sources: Vec<Source> = Vec::new();
        for node in nodes {
            match node.text().map(str::trim).filter(|text| !text.is_empty()) {
                Some(text) => sources.push(Source::RuleRef {
                    rule: Arc::from(text),
                    columns: Vec::new(),
                    span: node.span,
                }),
                None => {
                    let message = format!("a rule cannot be {}", node.describe());
                    let help = "name it by its id or name";
                    self.invalid("bad-correlation", node.span, message, help);
                }
            }
        }
        if nodes.is_empty() {
            let help = "name rules by their id or name";
            self.invalid("bad-correlation", node.span, "the list of rules is empty", help);
        }
        self.aliases(&mut sources);
        sources
    }

    fn aliases(&mut self, sources: &mut [Source]) {
        let Some(node) = self.section.get("aliases") else { return };
        for alias in node.entries() {
            if !matches!(alias.value.kind, Kind::Mapping(_)) {
                let message = format!("an alias is a map, and this is {}", alias.value.describe());
                let help = "say for each rule which field it stands for: `rule: field`";
                self.invalid("bad-correlation", alias.value.span, message, help);
            }
            for entry in alias.value.entries() {
                self.alias(&alias.key, entry, sources);
            }
        }
    }

    fn alias(&mut self, alias: &str, entry: &Entry<'_>, sources: &mut [Source]) {
        let Some(name) = entry.value.text() else {
            let message = format!("a field cannot be {}", entry.value.describe());
            self.invalid("bad-correlation", entry.value.span, message, "name a field");
            return;
        };
        let mut found = false;
        for source in sources.iter_mut() {
            if let Source::RuleRef { rule, columns, .. } = source
                && **rule == *entry.key
            {
                columns.push((Arc::from(alias), field(name)));
                found = true;
            }
        }
        if !found {
            let known: Vec<&str> = sources.iter().filter_map(referred).collect();
            let help = match nearest(&entry.key, known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("the correlation reads {}", known.join(", ")),
            };
            let message = format!("`{}` is not one of the correlation's rules", entry.key);
            self.invalid("unknown-reference", entry.key_span, message, help);
        }
    }

    fn timespan(&mut self) -> Option<Duration> {
        let help = "write a number and a unit: `30s`, `5m`, `1h`, `7d`";
        let Some(node) = self.section.get("timespan") else {
            self.invalid("bad-timespan", self.at, "the correlation has no timespan", help);
            return None;
        };
        let span = node.text().and_then(timespan);
        if span.is_none() {
            let text = node.text().unwrap_or_default();
            self.invalid("bad-timespan", node.span, format!("`{text}` is no timespan"), help);
        }
        span
    }

    fn texts(&mut self, key: &str) -> Vec<String> {
        let Some(node) = self.section.get(key) else { return Vec::new() };
        match &node.kind {
            Kind::Sequence(nodes) => {
                nodes.iter().filter_map(Node::text).map(str::to_owned).collect()
            }
            _ => node.text().map(str::to_owned).into_iter().collect(),
        }
    }

    fn measured(&mut self, kind: Type, sources: &[Source]) -> Option<(Measure, When)> {
        let temporal = match kind {
            Type::Temporal => Some(Measure::Inputs),
            Type::Ordered => Some(Measure::InputsInOrder),
            _ => None,
        };
        let condition = self.section.get("condition");
        match (&temporal, condition) {
            (Some(measure), None) => {
                let measure = measure.clone();
                let all = sources.len() as f64;
                Some((measure, When::Measure(vec![(Comparison::GreaterOrEqual, all)])))
            }
            (Some(measure), Some(node)) if node.text().is_some() => {
                self.expression(measure.clone(), node, sources)
            }
            (_, Some(node)) if matches!(node.kind, Kind::Mapping(_)) => {
                let bounds = self.bounds(node);
                let measure = match temporal {
                    Some(measure) => measure,
                    None => self.measure(kind, node)?,
                };
                (!bounds.is_empty()).then_some((measure, When::Measure(bounds)))
            }
            (_, node) => {
                let span = node.map_or(self.at, |node| node.span);
                let help = "say what must hold: `condition: {gte: 10}`";
                self.invalid("missing-condition", span, "the correlation has no condition", help);
                None
            }
        }
    }

    fn bounds(&mut self, node: &Node<'_>) -> Vec<(Comparison, f64)> {
        let mut bounds = Vec::new();
        for entry in node.entries() {
            if matches!(&*entry.key, "field" | "percentile") {
                continue;
            }
            let known = COMPARISONS.iter().find(|(name, _)| *name == entry.key);
            let number = entry.value.text().and_then(|text| text.trim().parse::<f64>().ok());
            match (known, number.filter(|number| number.is_finite())) {
                (Some((_, comparison)), Some(number)) => bounds.push((*comparison, number)),
                (Some(_), None) => {
                    let message = format!("`{}` takes a number", entry.key);
                    self.invalid("bad-correlation", entry.value.span, message, "write a number");
                }
                (None, _) => {
                    let message = format!("a correlation's condition has no `{}`", entry.key);
                    let names = COMPARISONS.map(|(name, _)| name);
                    let help = format!("known are {}, field, percentile", names.join(", "));
                    self.invalid("unknown-key", entry.key_span, message, help);
                }
            }
        }
        if bounds.is_empty() {
            let help = "say what must hold: `gte: 10`";
            self.invalid("missing-condition", node.span, "the condition asks for nothing", help);
        }
        bounds
    }

    fn measure(&mut self, kind: Type, node: &Node<'_>) -> Option<Measure> {
        let fields: Vec<Field> = match node.get("field").map(|node| &node.kind) {
            Some(Kind::Sequence(nodes)) => nodes.iter().filter_map(Node::text).map(field).collect(),
            Some(_) => node.get("field").and_then(Node::text).map(field).into_iter().collect(),
            None => Vec::new(),
        };
        if kind == Type::EventCount {
            return self.event_count(node, &fields);
        }
        let percentile = self.percentile(node);
        let Some(first) = fields.first().cloned() else {
            let help = "name the field whose values are meant: `field: TargetUserName`";
            self.invalid("bad-correlation", node.span, "the condition names no field", help);
            return None;
        };
        if kind != Type::ValueCount && fields.len() > 1 {
            let help = "name one field";
            self.invalid("bad-correlation", node.span, "only values can be counted together", help);
            return None;
        }
        Some(match kind {
            Type::Sum => Measure::Sum(first),
            Type::Avg => Measure::Avg(first),
            Type::Min => Measure::Min(first),
            Type::Max => Measure::Max(first),
            Type::Median => Measure::Median(first),
            Type::Percentile => self.percentile_or_share(first, percentile?, node.span),
            _ => Measure::DistinctCount(fields),
        })
    }

    fn event_count(&mut self, node: &Node<'_>, fields: &[Field]) -> Option<Measure> {
        if fields.is_empty() {
            return Some(Measure::Count);
        }
        let help = "count values with `type: value_count`";
        self.invalid("bad-correlation", node.span, "events are counted without a field", help);
        None
    }

    /// The percentile, if there is one; `None` where what is there is none.
    fn percentile(&mut self, node: &Node<'_>) -> Option<Option<f64>> {
        let Some(node) = node.get("percentile") else { return Some(None) };
        let number = node.text().and_then(|text| text.trim().parse::<f64>().ok());
        let number = number.filter(|number| (0.0..=100.0).contains(number));
        if number.is_none() {
            let help = "write a number from 0 to 100";
            self.invalid("bad-correlation", node.span, "this is no percentile", help);
        }
        number.map(Some)
    }

    fn percentile_or_share(&mut self, field: Field, percentile: Option<f64>, at: Span) -> Measure {
        let (message, measure) = match percentile {
            Some(percent) => (
                "which percentile of a few values is meant is not specified: nearest rank is taken",
                Measure::Percentile(field, percent),
            ),
            None => (
                "without `percentile` the bound is taken for the part of the events that share a \
                 value, in percent",
                Measure::Share(field),
            ),
        };
        let code = "percentile-meaning";
        self.diagnostics.push(Diagnostic::new(Level::Approximate, code, message, at));
        measure
    }

    /// A condition in words: which of the rules must have been seen.
    fn expression(
        &mut self,
        measure: Measure,
        node: &Node<'_>,
        sources: &[Source],
    ) -> Option<(Measure, When)> {
        let text = node.text().unwrap_or_default();
        let mut tokens = tokens(text);
        for token in &mut tokens {
            token.span = place(self.file, node.span, text, token.span.start..token.span.end);
        }
        let (condition, diagnostics) = parse_tokens(&tokens, node.span);
        let wrong = !diagnostics.is_empty();
        self.diagnostics.extend(diagnostics);
        let seen = self.seen(&condition, sources)?;
        if wrong {
            return None;
        }
        if measure == Measure::InputsInOrder {
            let all = sources.len();
            if !wants_all(&seen, all) {
                let message = "an order of rules that need not all be there is not defined";
                let code = "correlation-condition";
                let diagnostic = Diagnostic::new(Level::Unsupported, code, message, node.span);
                self.diagnostics.push(diagnostic.with_help("join all of the rules with `and`"));
                return None;
            }
            let bound = (Comparison::GreaterOrEqual, all as f64);
            return Some((measure, When::Measure(vec![bound])));
        }
        Some((measure, When::Seen(seen)))
    }

    fn seen(&mut self, condition: &Condition, sources: &[Source]) -> Option<Seen> {
        let mut all = |parts: &[Condition]| -> Option<Vec<Seen>> {
            parts.iter().map(|part| self.seen(part, sources)).collect()
        };
        match condition {
            Condition::Or(parts) => Some(Seen::Or(all(parts)?)),
            Condition::And(parts) => Some(Seen::And(all(parts)?)),
            Condition::Not(part) => Some(Seen::Not(Box::new(self.seen(part, sources)?))),
            Condition::Name { name, span } => {
                let at = sources.iter().position(|source| referred(source) == Some(name));
                if at.is_none() {
                    let known: Vec<&str> = sources.iter().filter_map(referred).collect();
                    let message = format!("`{name}` is not one of the correlation's rules");
                    let help = format!("the correlation reads {}", known.join(", "));
                    self.invalid("unknown-reference", *span, message, help);
                }
                at.map(Seen::Input)
            }
            Condition::Of { span, .. } => {
                let help = "name the rules";
                self.invalid("bad-correlation", *span, "`of` cannot stand here", help);
                None
            }
            Condition::Missing => None,
        }
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

/// The rule a source refers to, as it is written.
fn referred(source: &Source) -> Option<&str> {
    match source {
        Source::RuleRef { rule, .. } => Some(rule),
        _ => None,
    }
}

/// Whether an expression asks for every input and nothing else.
fn wants_all(seen: &Seen, inputs: usize) -> bool {
    fn collect(seen: &Seen, into: &mut Vec<usize>) -> bool {
        match seen {
            Seen::Input(input) => {
                into.push(*input);
                true
            }
            Seen::And(parts) => parts.iter().all(|part| collect(part, into)),
            Seen::Or(_) | Seen::Not(_) => false,
        }
    }
    let mut wanted = Vec::new();
    let plain = collect(seen, &mut wanted);
    wanted.sort_unstable();
    wanted.dedup();
    plain && wanted.len() == inputs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timespans() {
        let cases = [
            ("15s", Some(15)),
            ("10m", Some(600)),
            ("1h", Some(3600)),
            ("7d", Some(604_800)),
            ("2w", Some(1_209_600)),
            ("1M", Some(2_629_746)),
            ("0m", None),
            ("m", None),
            ("10", None),
            ("-1m", None),
            ("+1m", None),
            ("1.5h", None),
            ("", None),
            ("5é", None),
        ];
        for (text, expected) in cases {
            assert_eq!(timespan(text), expected.map(Duration::from_seconds), "{text}");
        }
    }
}
