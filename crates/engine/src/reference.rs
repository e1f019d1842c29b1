//! The reference evaluator: every rule on every event, in the most obvious way.
//!
//! Slow on purpose. It says what the IR means; the matcher has to agree with it.

pub mod stages;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex};

use rulestone_events::{Event, ScopeKind, Views};
use rulestone_ir::{
    Case, Expr, Field, Formula, Predicate, Regex, Rule, Schema, Scope, Source, Test,
};
use rulestone_value::{Value, fold};

use crate::eval::{Compiled, Context};
use crate::matcher::{over_elements, same_as};
use crate::row::Names;

/// Whether one of the rule's sources lets the event through.
pub fn fires(rule: &Rule, views: &Views, event: &Event) -> bool {
    rule.sources.iter().any(|source| lets_through(source, views, event).is_some())
}

/// How the fields of a source read in an event, if the source lets it through.
pub fn lets_through(source: &Source, views: &Views, event: &Event) -> Option<Arc<ScopeKind>> {
    let (scope, filter) = source.filtered()?;
    let kinds = views.scope(scope.schema.as_str(), &scope.keys);
    let holds = |kind: &ScopeKind| {
        let values = Values::new(kind, event);
        values.when_holds() && row_holds(filter, &values)
    };
    let mut serving = ScopeKind::serving(&kinds, &event.kind);
    serving.find(|(_, kind)| holds(kind)).map(|(_, kind)| kind.clone())
}

/// Rules with the kinds that serve them looked up once, for whoever has many events.
pub struct Reference<'r> {
    scopes: Vec<Served<'r>>,
}

/// A scope, and the filters of the sources that look at it, each with its rule's place.
struct Served<'r> {
    kinds: Vec<Arc<ScopeKind>>,
    filters: Vec<(usize, &'r Formula)>,
}

impl<'r> Reference<'r> {
    /// Looks up what serves the rules.
    pub fn new(rules: &'r [Arc<Rule>], views: &Views) -> Self {
        let mut scope_of: HashMap<&Scope, usize> = HashMap::new();
        let mut scopes: Vec<Served<'r>> = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            for source in &rule.sources {
                let Some((scope, filter)) = source.filtered() else { continue };
                let scope = *scope_of.entry(scope).or_insert_with(|| {
                    let kinds = views.scope(scope.schema.as_str(), &scope.keys);
                    scopes.push(Served { kinds, filters: Vec::new() });
                    scopes.len() - 1
                });
                scopes[scope].filters.push((at, filter));
            }
        }
        Reference { scopes }
    }

    /// The places of the rules of which [`fires`] is true, in order.
    pub fn firing(&self, event: &Event) -> Vec<usize> {
        let mut firing = Vec::new();
        for scope in &self.scopes {
            for (_, kind) in ScopeKind::serving(&scope.kinds, &event.kind) {
                let values = Values::new(kind, event);
                if values.when_holds() {
                    let holds = |(_, filter): &&(usize, &Formula)| row_holds(filter, &values);
                    firing.extend(scope.filters.iter().filter(holds).map(|(rule, _)| *rule));
                }
            }
        }
        firing.sort_unstable();
        firing.dedup();
        firing
    }
}

/// Whether an event has what an entry of a scope asks of those it serves.
pub fn when_holds(kind: &ScopeKind, event: &Event) -> bool {
    Values::new(kind, event).when_holds()
}

/// Whether a formula holds for an event read as one of a scope's kinds.
pub fn formula_holds(formula: &Formula, kind: &ScopeKind, event: &Event) -> bool {
    row_holds(formula, &Values::new(kind, event))
}

/// Whether a predicate holds for an event read as one of a scope's kinds.
pub fn predicate_holds(predicate: &Predicate, kind: &ScopeKind, event: &Event) -> bool {
    predicate_of_row_holds(predicate, &Values::new(kind, event))
}

/// What a formula is asked of.
pub trait Row {
    /// What a field of a schema reads.
    fn value(&self, schema: Schema, name: &Arc<str>) -> Rc<Value>;

    /// Whether one of all values passes, whatever they are called.
    fn any(&self, passes: &mut dyn FnMut(&Value) -> bool) -> bool;
}

/// Whether a formula holds for a row; its fields may be of several schemas.
pub fn row_holds(formula: &Formula, row: &impl Row) -> bool {
    match formula {
        Formula::And(parts) => parts.iter().all(|part| row_holds(part, row)),
        Formula::Or(parts) => parts.iter().any(|part| row_holds(part, row)),
        Formula::Not(part) => !row_holds(part, row),
        Formula::Group(group) => row_holds(&group.formula, row),
        Formula::Test(predicate) => predicate_of_row_holds(predicate, row),
        Formula::IsTrue(expr) => {
            let settled = Compiled::new(&settle(expr, row), &mut Names::default());
            settled.is_true(&Context::of(&Names::default(), &[]))
        }
    }
}

/// An expression whose columns are what a row has, in the place of their names.
fn settle(expr: &Expr, row: &impl Row) -> Expr {
    let read = |name: &Arc<str>| (*row.value(Schema::Raw, name)).clone();
    match expr {
        Expr::Field(name) => Expr::Literal(read(name)),
        Expr::Indirect(name) => {
            let name = crate::eval::number::text(&read(name)).map(|name| name.as_ref().into());
            Expr::Literal(name.map_or(Value::Null, |name: Arc<str>| read(&name)))
        }
        Expr::Holds(formula) => Expr::Literal(Value::Bool(row_holds(formula, row))),
        Expr::Call { function, arguments, span } => {
            let arguments = arguments.iter().map(|argument| settle(argument, row)).collect();
            Expr::call(*function, arguments, *span)
        }
        // There is no column at hand in a filter; elements of lists are.
        Expr::Literal(_) | Expr::This | Expr::ThisName | Expr::Sibling(_) | Expr::ThisMatch => {
            expr.clone()
        }
    }
}

fn predicate_of_row_holds(predicate: &Predicate, row: &impl Row) -> bool {
    match &predicate.field {
        Field::Any => row.any(&mut |value| value_passes(predicate, value)),
        Field::Named { schema, name } => {
            let value = row.value(*schema, name);
            if let Test::SameAs(Field::Named { schema, name }, _) = &predicate.test {
                return same_as(predicate, &value, &row.value(*schema, name));
            }
            value_passes(predicate, &value)
        }
    }
}

/// What a field of the schema reads in an event.
pub fn field_value(name: &str, kind: &ScopeKind, event: &Event) -> Value {
    kind.field(name).value(&|raw| event.value(raw))
}

/// An event read as one of a scope's kinds. What a field reads is looked up once.
struct Values<'e> {
    kind: &'e ScopeKind,
    event: &'e Event,
    read: RefCell<HashMap<Arc<str>, Rc<Value>>>,
}

impl<'e> Values<'e> {
    fn new(kind: &'e ScopeKind, event: &'e Event) -> Self {
        Values { kind, event, read: RefCell::default() }
    }

    fn value(&self, name: &Arc<str>) -> Rc<Value> {
        if let Some(value) = self.read.borrow().get(name) {
            return value.clone();
        }
        let value = Rc::new(field_value(name, self.kind, self.event));
        self.read.borrow_mut().insert(name.clone(), value.clone());
        value
    }

    /// Whether the event has what the entry asks of those it serves.
    fn when_holds(&self) -> bool {
        self.kind.when.iter().all(|(field, values)| {
            let is_one = |element: &Value| {
                let text = element.text().map(|text| fold(&text));
                values.iter().any(|value| text.as_deref() == Some(&*fold(value)))
            };
            self.value(field).elements().iter().any(is_one)
        })
    }
}

/// A rule's filter has fields of one schema, and the kind says how they read.
impl Row for Values<'_> {
    fn value(&self, _: Schema, name: &Arc<str>) -> Rc<Value> {
        self.value(name)
    }

    fn any(&self, passes: &mut dyn FnMut(&Value) -> bool) -> bool {
        self.event.fields.iter().any(|(_, value)| passes(value))
    }
}

fn value_passes(predicate: &Predicate, value: &Value) -> bool {
    over_elements(predicate.elements, value.elements(), |element| {
        element_passes(&predicate.test, predicate.case, element)
    })
}

/// Whether one element passes a test. A test against another field never does: it takes two.
pub(crate) fn element_passes(test: &Test, case: Case, value: &Value) -> bool {
    let Some(text) = value.text() else { return false };
    let plain = |text: &str| match case {
        Case::Insensitive => fold(text),
        Case::Sensitive => text.to_owned(),
    };
    match test {
        Test::Exists => true,
        Test::Equals(wanted) => plain(&text) == plain(wanted),
        Test::StartsWith(wanted) => plain(&text).starts_with(&plain(wanted)),
        Test::EndsWith(wanted) => plain(&text).ends_with(&plain(wanted)),
        Test::Contains(wanted) => plain(&text).contains(&plain(wanted)),
        Test::Wildcard(glob) => match case {
            Case::Insensitive => glob.folded().matches(&fold(&text)),
            Case::Sensitive => glob.matches(&text),
        },
        Test::Term(glob, breakers) => crate::term::stands(glob, *breakers, case, &text),
        Test::Regex(regex) => regex_found(regex, &text),
        Test::Cidr(net) => address(value).is_some_and(|ip| net.contains(&ip)),
        Test::Number(comparison, wanted) => {
            value.number().is_some_and(|number| comparison.holds(number, *wanted))
        }
        Test::TimePart(part, comparison, wanted) => {
            value.time().is_some_and(|time| comparison.holds(time.part(*part) as f64, *wanted))
        }
        Test::SameAs(..) => false,
    }
}

/// The address in a text, an IPv4 address written as IPv6 as the IPv4 address it is.
pub(crate) fn address(value: &Value) -> Option<IpAddr> {
    let text = value.text()?;
    let text = text.trim();
    let text = text.split_once('%').map_or(text, |(address, _zone)| address);
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

type Expression = Arc<Option<fancy_regex::Regex>>;

/// Expressions compiled so far. They come from rules, so there are only so many.
static COMPILED: LazyLock<Mutex<HashMap<Regex, Expression>>> = LazyLock::new(Mutex::default);

/// Steps a look-around expression may take on one value before it counts as not found.
const BACKTRACK_LIMIT: usize = 1_000_000;

fn regex_found(regex: &Regex, text: &str) -> bool {
    let compiled = {
        let mut all = COMPILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match all.get(regex) {
            Some(compiled) => compiled.clone(),
            None => {
                let compiled = Arc::new(compile(regex));
                all.insert(regex.clone(), compiled.clone());
                compiled
            }
        }
    };
    compiled.as_ref().as_ref().is_some_and(|compiled| compiled.is_match(text).unwrap_or(false))
}

/// Makes an expression ready; `None` for one that is too large.
pub(crate) fn compile(regex: &Regex) -> Option<fancy_regex::Regex> {
    compile_within(regex, 64 << 20)
}

/// The same for one of so many bytes at most.
pub(crate) fn compile_within(regex: &Regex, most: usize) -> Option<fancy_regex::Regex> {
    fancy_regex::RegexBuilder::new(&regex.pattern)
        .case_insensitive(regex.ignore_case)
        .multi_line(regex.multi_line)
        .dot_matches_new_line(regex.dot_all)
        .backtrack_limit(BACKTRACK_LIMIT)
        .delegate_size_limit(most)
        .build()
        .ok()
}
