//! From hits to the rows that stateful stages read: the group's key and the measured value, each
//! as a hash or number, without decoding the event.

use std::collections::BTreeSet;

use rulestone_events::{Batch, Event, Expr, ScopeKind};
use rulestone_ir::{Field, Input, Keys, Lists, NullKey, Rule, Source, StageKind};
use rulestone_value::{Value, fold};

use crate::order::{Origin, Row};

/// A stage that wants the hits of a source.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    /// The rule with the stage, by its place in the plan.
    pub(crate) rule: usize,
    /// The stage's input.
    pub(crate) input: usize,
    keys: Vec<Expr>,
    null: NullKey,
    lists: Lists,
    measured: Vec<Expr>,
    reading: Reading,
}

/// How what is measured is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// As a number.
    Number,
    /// As values that are told apart.
    Values,
    /// The same, and a row without one counts.
    SomeValues,
}

/// What a stage wants of the rows of one of its inputs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    keys: Vec<Field>,
    null: NullKey,
    lists: Lists,
    measured: Vec<Field>,
    reading: Reading,
}

/// Groups that a row with lists in its key may be in.
const FAN_OUT: usize = 100;

/// Why a hit makes no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The event has no time.
    Time,
    /// It lacks a field of the group's key.
    Key,
    /// It lacks what is measured.
    Value,
    /// It is in more groups than are kept; it has rows in the first of them.
    Groups,
}

impl Wanted {
    /// What the stage of `rule` wants of its input at this place.
    pub(crate) fn new(rule: &Rule, input: usize) -> Option<Wanted> {
        let stage = rule.stateful()?;
        let (keys, measured, reading) = match &stage.kind {
            StageKind::Correlate(correlate) => {
                let measure = &correlate.measure;
                let numbers = measure.is_of_numbers();
                let reading = if numbers { Reading::Number } else { Reading::Values };
                (&correlate.by, measure.fields().to_vec(), reading)
            }
            StageKind::Threshold(threshold) => {
                let field = threshold.cardinality.as_ref().map(|(field, _)| field.clone());
                (&threshold.by, field.into_iter().collect(), Reading::SomeValues)
            }
            StageKind::Pattern(pattern) => {
                let sub = pattern.subs.iter().find(|sub| sub.inputs.contains(&input))?;
                (&sub.by, Vec::new(), Reading::Values)
            }
            StageKind::Rows(_) => return None,
        };
        let own = |field: &Field| match (field, stage.inputs.get(input)) {
            (Field::Named { name, .. }, Some(Input::Source(at))) => match &rule.sources[*at] {
                Source::RuleRef { columns, .. } => {
                    let renamed = columns.iter().find(|(alias, _)| alias == name);
                    renamed.map_or_else(|| field.clone(), |(_, field)| field.clone())
                }
                _ => field.clone(),
            },
            _ => field.clone(),
        };
        let Keys { fields, null, lists } = keys;
        Some(Wanted {
            keys: fields.iter().map(own).collect(),
            null: null.clone(),
            lists: *lists,
            measured: measured.iter().map(own).collect(),
            reading,
        })
    }

    /// The key of the group with this hash, among those that an event is in: `get` reads a field.
    pub(crate) fn key(&self, group: u128, get: impl Fn(&str) -> Value) -> Option<Vec<Value>> {
        let parts: Vec<Value> = self.keys.iter().map(|field| get(field.name())).collect();
        let groups = groups(parts, &self.null, self.lists).ok()?;
        groups.into_iter().find(|key| hash(key) == group)
    }

    /// How it reads from events of one kind, with what the kind settles put in.
    pub(crate) fn bind(
        &self,
        rule: usize,
        input: usize,
        scope_kind: &ScopeKind,
        settle: impl Fn(Expr) -> Expr,
    ) -> Feed {
        let read = |fields: &[Field]| {
            fields.iter().map(|field| settle(scope_kind.field(field.name()))).collect()
        };
        Feed {
            rule,
            input,
            keys: read(&self.keys),
            null: self.null.clone(),
            lists: self.lists,
            measured: read(&self.measured),
            reading: self.reading,
        }
    }
}

impl Feed {
    /// The event's own fields that it reads.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = std::sync::Arc<str>> {
        self.keys.iter().chain(&self.measured).flat_map(Expr::inputs)
    }

    /// The rows of a hit.
    pub(crate) fn rows(
        &self,
        batch: &Batch<'_>,
        row: usize,
        origin: Origin,
        out: &mut Vec<Row>,
    ) -> Result<(), Unfit> {
        let get = |name: &str| {
            let column = batch.columns.iter().find(|column| &*column.name == name);
            column.map_or(Value::Null, |column| batch.dictionary(column).value(column.codes[row]))
        };
        let host = batch.host(&batch.rows[row]);
        let host = host.text().map_or(0, |host| host_hash(&host));
        let time = batch.rows[row].time.ok_or(Unfit::Time)?.ticks();
        self.make(&get, Place { time, origin, host }, out)
    }

    /// The rows of a finding, by the values of its last event.
    pub(crate) fn rows_of_event(
        &self,
        event: &Event,
        time: i64,
        origin: Origin,
        out: &mut Vec<Row>,
    ) -> Result<(), Unfit> {
        let host = event.host().map_or(0, host_hash);
        self.make(&|name| event.value(name), Place { time, origin, host }, out)
    }

    fn make(
        &self,
        get: &dyn Fn(&str) -> Value,
        place: Place,
        out: &mut Vec<Row>,
    ) -> Result<(), Unfit> {
        let value = self.value(get)?;
        let parts = self.keys.iter().map(|expr| expr.value(get)).collect();
        let groups = groups(parts, &self.null, self.lists)?;
        for group in groups.iter().take(FAN_OUT) {
            let Place { time, origin, host } = place;
            let (rule, input) = (self.rule as u32, self.input as u32);
            out.push(Row { rule, key: hash(group), time, origin, input, value, host });
        }
        if groups.len() > FAN_OUT { Err(Unfit::Groups) } else { Ok(()) }
    }

    fn value(&self, get: &dyn Fn(&str) -> Value) -> Result<u128, Unfit> {
        let values: Vec<Value> = self.measured.iter().map(|expr| expr.value(get)).collect();
        let lacks = values.iter().any(Value::is_null);
        match (self.reading, values.as_slice()) {
            (_, []) => Ok(0),
            (Reading::Number, [value]) => {
                let number = value.number().filter(|number| number.is_finite());
                number.map(|number| u128::from(number.to_bits())).ok_or(Unfit::Value)
            }
            (Reading::SomeValues, _) if lacks => Ok(0),
            _ if lacks => Err(Unfit::Value),
            (_, values) => Ok(hash(values)),
        }
    }
}

/// The groups that a row with these key fields is in, each once; of too many one more than are
/// kept.
fn groups(parts: Vec<Value>, null: &NullKey, lists: Lists) -> Result<Vec<Vec<Value>>, Unfit> {
    let mut groups = vec![Vec::new()];
    for part in parts {
        let part = match (part, null) {
            (Value::Null, NullKey::Drop) => return Err(Unfit::Key),
            (Value::Null, NullKey::Fill(text)) => Value::string(text.as_str()),
            (part, _) => part,
        };
        let whole = lists == Lists::Whole || part.is_null();
        let elements = if whole { std::slice::from_ref(&part) } else { part.elements() };
        let different: Vec<&Value> = first_of_each(elements);
        let joined = |group: &Vec<Value>| -> Vec<Vec<Value>> {
            let with = |value: &&Value| [group.as_slice(), std::slice::from_ref(*value)].concat();
            different.iter().map(with).collect()
        };
        groups = groups.iter().flat_map(joined).take(FAN_OUT + 1).collect();
    }
    Ok(groups)
}

/// The elements without those that say the same as one before; of too many one more than are kept.
fn first_of_each(elements: &[Value]) -> Vec<&Value> {
    let mut met = BTreeSet::new();
    let new = |value: &&Value| met.insert(hash(std::slice::from_ref(*value)));
    elements.iter().filter(new).take(FAN_OUT + 1).collect()
}

#[derive(Clone, Copy)]
struct Place {
    time: i64,
    origin: Origin,
    host: u64,
}

/// A hash of values by what they say, long enough to stand for them. Case counts; a number is its
/// digits. 128 bits of BLAKE3: nobody finds two texts that meet.
pub(crate) fn hash(values: &[Value]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    values.iter().for_each(|value| add(value, &mut hasher));
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    u128::from_le_bytes(bytes)
}

fn add(value: &Value, hasher: &mut blake3::Hasher) {
    match value {
        Value::Null => hasher.update(&[0]),
        Value::List(values) => {
            hasher.update(&[1]).update(&(values.len() as u64).to_le_bytes());
            values.iter().for_each(|value| add(value, hasher));
            hasher
        }
        value => {
            let text = value.text().unwrap_or_default();
            let length = (text.len() as u64).to_le_bytes();
            hasher.update(&[2]).update(&length).update(text.as_bytes())
        }
    };
}

/// A host's name as timers know it: without case.
pub(crate) fn host_hash(name: &str) -> u64 {
    let hash = hash(&[Value::String(fold(name))]);
    // 0 stands for no host.
    (hash as u64).max(1)
}
