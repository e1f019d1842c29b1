//! One event, decoded whole: for evidence, explanations and the reference evaluator.

use std::borrow::Cow;
use std::sync::Arc;

use rulestone_value::{Time, Value};

use crate::Kind;
use crate::render::RAW;

/// One record with all its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What it is a record of.
    pub kind: Arc<Kind>,
    /// How its exporter wrote it: `evtx`, `nxlog`; a name out of the table of shapes.
    pub shape: &'static str,
    /// When it happened, if it says so.
    pub time: Option<Time>,
    /// Its number in the log: the record id in EVTX, the line in JSON lines, else its ordinal
    /// from 1.
    pub record: u64,
    /// Its values by name, in the order of the record. A name stands once.
    pub fields: Vec<(Arc<str>, Value)>,
    /// The record as it stands in the log, of those whose own form is JSON.
    pub text: Option<Arc<str>>,
}

impl Event {
    /// The value called `name`, where spaces in the event's own names do not count.
    pub fn get(&self, name: &str) -> &Value {
        const NULL: &Value = &Value::Null;
        let is_it = |(own, _): &&(Arc<str>, Value)| **own == *name;
        let by_another_spelling = || self.fields.iter().find(|(own, _)| is_same_name(own, name));
        let found = self.fields.iter().find(is_it).or_else(by_another_spelling);
        found.map_or(NULL, |(_, value)| value)
    }

    /// The value called `name`, or the event as its log would have it, which is called `_raw`.
    pub fn value(&self, name: &str) -> Value {
        if name == RAW { Value::String(self.raw()) } else { self.get(name).clone() }
    }

    /// The host it happened on, if it says so.
    pub fn host(&self) -> Option<&str> {
        match self.get("Computer") {
            Value::String(host) => Some(host),
            _ => None,
        }
    }
}

/// Whether two names are the same once their spaces are stripped.
pub(crate) fn is_same_name(one: &str, other: &str) -> bool {
    // Nearly all names are of another length and have no spaces.
    let have_spaces = || [one, other].iter().any(|name| name.as_bytes().contains(&b' '));
    one == other || (have_spaces() && without_spaces(one) == without_spaces(other))
}

/// A field's name as rules and tables call it.
pub(crate) fn without_spaces(name: &str) -> Cow<'_, str> {
    if memchr::memchr(b' ', name.as_bytes()).is_some() {
        name.replace(' ', "").into()
    } else {
        name.into()
    }
}
