//! From hits to the rows that stateful stages read: the group's key and the measured value, each
//! as a hash or number, without decoding the event.

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
    /// Whether a number is measured; else which values there are.
    number: bool,
}

/// What a stage wants of the rows of one of its inputs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    keys: Vec<Field>,
    null: NullKey,
    lists: Lists,
    measured: Vec<Field>,
    number: bool,
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
}

impl Wanted {
    /// What the stage of `rule` wants of its input at this place.
    pub(crate) fn new(rule: &Rule, input: usize) -> Option<Wanted> {
        let stage = rule.stateful()?;
        let (keys, measured, number) = match &stage.kind {
            StageKind::Correlate(correlate) => {
                let measure = &correlate.measure;
                (&correlate.by, measure.fields().to_vec(), measure.is_of_numbers())
            }
            StageKind::Threshold(threshold) => {
                let field = threshold.cardinality.as_ref().map(|(field, _)| field.clone());
                (&threshold.by, field.into_iter().collect(), false)
            }
            StageKind::Pattern(pattern) => {
                let sub = pattern.subs.iter().find(|sub| sub.inputs.contains(&input))?;
                (&sub.by, Vec::new(), false)
            }
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
            number,
        })
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
            number: self.number,
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
        self.make(&|name| event.get(name).clone(), Place { time, origin, host }, out)
    }

    fn make(
        &self,
        get: &dyn Fn(&str) -> Value,
        place: Place,
        out: &mut Vec<Row>,
    ) -> Result<(), Unfit> {
        let value = self.value(get)?;
        for key in self.keys(get)? {
            let Place { time, origin, host } = place;
            let (rule, input) = (self.rule as u32, self.input as u32);
            out.push(Row { rule, key, time, origin, input, value, host });
        }
        Ok(())
    }

    fn value(&self, get: &dyn Fn(&str) -> Value) -> Result<u128, Unfit> {
        let values: Vec<Value> = self.measured.iter().map(|expr| expr.value(get)).collect();
        match values.as_slice() {
            [] => Ok(0),
            [value] if self.number => {
                let number = value.number().filter(|number| number.is_finite());
                number.map(|number| u128::from(number.to_bits())).ok_or(Unfit::Value)
            }
            values if values.iter().any(Value::is_null) => Err(Unfit::Value),
            values => Ok(hash(values)),
        }
    }

    fn keys(&self, get: &dyn Fn(&str) -> Value) -> Result<Vec<u128>, Unfit> {
        let mut parts = Vec::with_capacity(self.keys.len());
        for expr in &self.keys {
            parts.push(match (expr.value(get), &self.null) {
                (Value::Null, NullKey::Drop) => return Err(Unfit::Key),
                (Value::Null, NullKey::Fill(text)) => Value::string(text.as_str()),
                (value, _) => value,
            });
        }
        if self.lists == Lists::Whole {
            return Ok(vec![hash(&parts)]);
        }
        let mut groups = vec![Vec::new()];
        for part in &parts {
            let elements =
                if part.is_null() { std::slice::from_ref(part) } else { part.elements() };
            let joined = |group: &Vec<Value>| -> Vec<Vec<Value>> {
                elements
                    .iter()
                    .map(|e| [group.as_slice(), std::slice::from_ref(e)].concat())
                    .collect()
            };
            groups = groups.iter().flat_map(joined).take(FAN_OUT).collect();
        }
        let mut keys: Vec<u128> = groups.iter().map(|group| hash(group)).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }
}

#[derive(Clone, Copy)]
struct Place {
    time: i64,
    origin: Origin,
    host: u64,
}

/// A hash of values by what they say, long enough to stand for them. Case counts; a number is its
/// digits. 128 bits of BLAKE3: nobody finds two texts that meet.
fn hash(values: &[Value]) -> u128 {
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
