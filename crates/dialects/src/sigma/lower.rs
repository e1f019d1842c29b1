//! From the AST to a formula.
//!
//! What the specification leaves open is decided here as pySigma does it, unless said otherwise:
//!
//! - A number in a rule is a number in the event, however it is spelt there: `16` is `0x10`. A
//!   boolean is its word, without case.
//! - `null` means that the field is not there, `''` that it is there and empty.
//! - `neq` is the opposite of the item without it, and so true when the field is missing.
//! - Keywords stand anywhere in any value of the event, unless a modifier says where.
//! - `re` finds its expression anywhere in the value. pySigma puts `.*` around an expression for
//!   `contains`, `startswith` and `endswith`, which says where it stands only for engines that
//!   match whole values; here these anchor the expression.
//! - Values that a modifier multiplies (`windash`, `base64offset`, `expand`) are alternatives, in
//!   a list with `all` too.
//! - `\%` is a percent sign in values with `expand`, as the specification says and pySigma does
//!   not.

use std::sync::Arc;

use rulestone_ir::{
    Case, Clock, Diagnostic, Elements, Field, Formula, Group, Level, Predicate, Schema, Span,
    Stage, Test,
};

use super::Naming;
use super::aggregation::Aggregation;
use super::apply::{Applied, Problem, Setting, apply_all};
use super::ast::{Body, Condition, Detection, Item, Quantifier, Value};
use super::modifiers::Modifier;
use crate::Environment;
use crate::suggest::nearest;

/// Ways to choose some of several search identifiers that are spelt out.
const MAX_CHOICES: usize = 256;

/// What a detection section means.
pub(crate) struct Lowered {
    /// The condition.
    pub(crate) filter: Formula,
    /// Where events are counted or ordered: how, and the filters of further sources.
    pub(crate) stage: Option<(Stage, Clock, Vec<Formula>)>,
}

/// Lowers a detection section.
pub(crate) fn lower(
    detection: &Detection<'_>,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> Lowered {
    let mut lowering =
        Lowering { naming: own_name, environment, diagnostics, searches: Vec::new() };
    for search in &detection.searches {
        let formula = lowering.body(&search.body);
        lowering.searches.push(Searched {
            name: search.name,
            span: search.span,
            group: Group { name: Arc::from(search.name), formula: Box::new(formula) },
            used: false,
        });
    }
    let conditions: Vec<Formula> =
        detection.conditions.iter().map(|condition| lowering.condition(condition)).collect();
    let stage = lowering.stage(detection);
    // A condition that could not be read may have meant them.
    if !lowering.diagnostics.iter().any(|diagnostic| diagnostic.level >= Level::Unsupported) {
        lowering.report_unused();
    }
    Lowered { filter: Formula::or(conditions), stage }
}

/// Lowers what may stand under a search identifier, whose fields are named in a way of their own.
pub(crate) fn lower_body(
    body: &Body<'_>,
    naming: Naming,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> Formula {
    Lowering { naming, environment, diagnostics, searches: Vec::new() }.body(body)
}

/// The names of Sigma rules are those of the taxonomy.
fn own_name(name: &str) -> Field {
    Field::Named { schema: Schema::Sigma, name: Arc::from(name) }
}

struct Lowering<'a, 't> {
    naming: Naming,
    environment: &'a Environment,
    diagnostics: &'a mut Vec<Diagnostic>,
    searches: Vec<Searched<'t>>,
}

/// A search identifier that is lowered.
struct Searched<'t> {
    name: &'t str,
    span: Span,
    group: Group,
    used: bool,
}

impl Lowering<'_, '_> {
    fn stage(&mut self, detection: &Detection<'_>) -> Option<(Stage, Clock, Vec<Formula>)> {
        let (aggregation, span) = detection.aggregation.as_ref()?;
        let timeframe = detection.timeframe.map(|(timeframe, _)| timeframe);
        let (stage, clock) = aggregation.stage(timeframe, *span);
        let others = match aggregation {
            Aggregation::Near(searches) => {
                searches.iter().map(|(name, _)| self.name(name, *span)).collect()
            }
            Aggregation::Measure { .. } => Vec::new(),
        };
        Some((stage, clock, others))
    }

    fn body(&mut self, body: &Body<'_>) -> Formula {
        match body {
            Body::All(items) => {
                Formula::and(items.iter().map(|i| self.item(i)).collect::<Vec<_>>())
            }
            Body::Any(parts) => Formula::or(parts.iter().map(|p| self.body(p)).collect::<Vec<_>>()),
        }
    }

    fn item(&mut self, item: &Item<'_>) -> Formula {
        let field = match item.field {
            Some(name) => (self.naming)(name),
            None => Field::Any,
        };
        let values: Vec<Formula> =
            item.values.iter().map(|value| self.value(&field, item, value)).collect();
        let all = item.modifiers.contains(&Modifier::All);
        let formula = if all { Formula::and(values) } else { Formula::or(values) };
        if item.modifiers.contains(&Modifier::Neq) { Formula::not(formula) } else { formula }
    }

    fn value(&mut self, field: &Field, item: &Item<'_>, value: &Value<'_>) -> Formula {
        let setting = Setting {
            keyword: *field == Field::Any,
            naming: self.naming,
            environment: self.environment,
        };
        match apply_all(&item.modifiers, value.scalar, &setting) {
            Ok(applied) => {
                let cased = item.modifiers.contains(&Modifier::Cased);
                formula(applied, field, cased, value.span)
            }
            Err(Problem { level, code, message, help }) => {
                let diagnostic = Diagnostic::new(level, code, message, value.span);
                self.diagnostics.push(diagnostic.with_help(help));
                Formula::FALSE
            }
        }
    }

    fn condition(&mut self, condition: &Condition) -> Formula {
        match condition {
            Condition::Or(parts) => {
                Formula::or(parts.iter().map(|part| self.condition(part)).collect::<Vec<_>>())
            }
            Condition::And(parts) => {
                Formula::and(parts.iter().map(|part| self.condition(part)).collect::<Vec<_>>())
            }
            Condition::Not(part) => Formula::not(self.condition(part)),
            Condition::Name { name, span } => self.name(name, *span),
            Condition::Of { quantifier, pattern, span } => self.of(*quantifier, pattern, *span),
            Condition::Missing => Formula::FALSE,
        }
    }

    fn name(&mut self, name: &str, span: Span) -> Formula {
        if let Some(at) = self.searches.iter().position(|search| search.name == name) {
            return self.search(at);
        }
        let help = match nearest(name, self.searches.iter().map(|search| search.name)) {
            Some(known) => format!("did you mean `{known}`?"),
            None => self.known(),
        };
        let message = format!("there is no search identifier `{name}`");
        self.invalid("unknown-identifier", span, message, help);
        Formula::FALSE
    }

    fn of(&mut self, quantifier: Quantifier, pattern: &str, span: Span) -> Formula {
        let matching: Vec<usize> =
            (0..self.searches.len()).filter(|at| fits(self.searches[*at].name, pattern)).collect();
        if matching.is_empty() {
            let message = format!("no search identifier fits `{pattern}`");
            let help = self.known();
            self.invalid("unmatched-pattern", span, message, help);
            return Formula::FALSE;
        }
        let parts: Vec<Formula> = matching.iter().map(|at| self.search(*at)).collect();
        match quantifier {
            Quantifier::All => Formula::and(parts),
            Quantifier::AtLeast(1) => Formula::or(parts),
            Quantifier::AtLeast(count) => self.some(count, &parts, span),
        }
    }

    /// At least `count` of `parts`, spelt out.
    fn some(&mut self, count: usize, parts: &[Formula], span: Span) -> Formula {
        if count > parts.len() {
            let message = format!("{count} of {} search identifiers never hold", parts.len());
            self.invalid("bad-quantifier", span, message, "lower the number");
            return Formula::FALSE;
        }
        let Some(choices) = choices(parts.len(), count, MAX_CHOICES) else {
            let message = format!("there are too many ways to choose {count} of {}", parts.len());
            let diagnostic =
                Diagnostic::new(Level::Unsupported, "too-many-variants", message, span);
            self.diagnostics.push(diagnostic.with_help("split the rule, or use 1 or all"));
            return Formula::FALSE;
        };
        let all_of = |choice: &Vec<usize>| Formula::and(choice.iter().map(|at| parts[*at].clone()));
        Formula::or(choices.iter().map(all_of))
    }

    fn search(&mut self, at: usize) -> Formula {
        self.searches[at].used = true;
        Formula::Group(self.searches[at].group.clone())
    }

    fn known(&self) -> String {
        let names: Vec<&str> = self.searches.iter().map(|search| search.name).collect();
        if names.is_empty() {
            return "the detection has no search identifiers".to_owned();
        }
        format!("the detection has {}", names.join(", "))
    }

    fn report_unused(&mut self) {
        for search in self.searches.iter().filter(|search| !search.used) {
            let message = format!("no condition uses `{}`", search.name);
            let note = Diagnostic::new(Level::Note, "unused-identifier", message, search.span);
            self.diagnostics.push(note);
        }
    }

    fn invalid(
        &mut self,
        code: &'static str,
        span: Span,
        message: String,
        help: impl Into<String>,
    ) {
        self.diagnostics.push(Diagnostic::new(Level::Invalid, code, message, span).with_help(help));
    }
}

/// The formula of one value after its modifiers.
fn formula(applied: Applied, field: &Field, cased: bool, span: Span) -> Formula {
    match applied {
        Applied::Test(test) => {
            let cased = cased || matches!(test, Test::Regex(_));
            Formula::Test(Predicate {
                field: field.clone(),
                elements: Elements::Any,
                test,
                case: if cased { Case::Sensitive } else { Case::Insensitive },
                span,
            })
        }
        Applied::Not(inner) => Formula::not(formula(*inner, field, cased, span)),
        Applied::OneOf(parts) => {
            Formula::or(parts.into_iter().map(|part| formula(part, field, cased, span)))
        }
    }
}

/// Whether a search identifier is meant by the pattern behind `of`. Names that start with `_` are
/// meant only by patterns that do so too.
fn fits(name: &str, pattern: &str) -> bool {
    if name.starts_with('_') && !pattern.starts_with('_') {
        return false;
    }
    if pattern.eq_ignore_ascii_case("them") {
        return true;
    }
    let Some((start, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return name.ends_with(part);
        }
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// All ways to choose `count` of the numbers below `total`; `None` when there are more than `max`.
fn choices(total: usize, count: usize, max: usize) -> Option<Vec<Vec<usize>>> {
    let mut complete = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(choice) = open.pop() {
        if choice.len() == count {
            complete.push(choice);
            if complete.len() > max {
                return None;
            }
            continue;
        }
        let next = choice.last().map_or(0, |last| last + 1);
        let left = count - choice.len();
        for at in (next..=total - left).rev() {
            let mut longer = choice.clone();
            longer.push(at);
            open.push(longer);
        }
    }
    Some(complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_identifiers() {
        let cases = [
            ("selection_img", "selection_*", true),
            ("selection", "selection_*", false),
            ("a_x_b_c", "a*b*c", true),
            ("a_x_b_d", "a*b*c", false),
            ("_hidden", "them", false),
            ("_hidden", "*", false),
            ("_hidden", "_h*", true),
            ("shown", "THEM", true),
            ("exact", "exact", true),
            ("exactly", "exact", false),
            ("aa", "a*a", true),
            ("a", "a*a", false),
        ];
        for (name, pattern, expected) in cases {
            assert_eq!(fits(name, pattern), expected, "{name} by {pattern}");
        }
    }

    #[test]
    fn choices_are_counted() {
        assert_eq!(choices(3, 2, 9), Some(vec![vec![0, 1], vec![0, 2], vec![1, 2]]));
        assert_eq!(choices(2, 2, 9), Some(vec![vec![0, 1]]));
        assert_eq!(choices(40, 20, 256), None);
    }
}
