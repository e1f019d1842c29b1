//! What rules read of one event: decoded, written out and computed once for all of them.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rulestone_events::{Event, Expr, RAW, ScopeKind};
use rulestone_value::Value;

/// An expression that columns read, by its number among all of a program: equal ones are one.
#[derive(Debug, Clone)]
pub(crate) struct Numbered {
    pub(crate) number: u32,
    pub(crate) expr: Expr,
}

/// An event that several rules look at.
pub(crate) struct Decoded<'a> {
    decode: &'a dyn Fn() -> Event,
    event: OnceCell<Event>,
    raw: OnceCell<Value>,
    values: RefCell<HashMap<u32, Value, RandomState>>,
    /// By the entry that says how fields read: all of them.
    columns: RefCell<HashMap<usize, Columns, RandomState>>,
}

/// Columns by name.
type Columns = Rc<Vec<(Arc<str>, Value)>>;

impl<'a> Decoded<'a> {
    /// The event that is decoded so, when it is asked for.
    pub(crate) fn new(decode: &'a dyn Fn() -> Event) -> Decoded<'a> {
        let (event, raw) = (OnceCell::new(), OnceCell::new());
        Decoded { decode, event, raw, values: RefCell::default(), columns: RefCell::default() }
    }

    /// The event.
    pub(crate) fn event(&self) -> &Event {
        self.event.get_or_init(self.decode)
    }

    /// See [`Event::value`].
    pub(crate) fn value(&self, name: &str) -> Value {
        match name {
            RAW => self.raw.get_or_init(|| self.event().value(RAW)).clone(),
            name => self.event().value(name),
        }
    }

    /// The value of an expression, where `get` gives the event's own.
    pub(crate) fn read(&self, read: &Numbered, get: &dyn Fn(&str) -> Value) -> Value {
        if let Some(value) = self.values.borrow().get(&read.number) {
            return value.clone();
        }
        let value = read.expr.value(get);
        self.values.borrow_mut().insert(read.number, value.clone());
        value
    }

    /// Every column that the view has for the event, and every value of the event that it has no
    /// other name for, which come last.
    pub(crate) fn columns(&self, kind: &ScopeKind) -> Columns {
        // Entries live as long as the plan, so their addresses tell them apart.
        let key = std::ptr::from_ref(kind) as usize;
        if let Some(columns) = self.columns.borrow().get(&key) {
            return columns.clone();
        }
        let column = |name: Arc<str>| {
            let value = kind.field(&name).value(&|name| self.value(name));
            (name, value)
        };
        let mut columns: Vec<(Arc<str>, Value)> = kind.names().into_iter().map(column).collect();
        if kind.dataset().is_none() {
            let fields = self.event().fields.iter();
            columns.extend(fields.filter(|(name, _)| kind.own_field(name).is_none()).cloned());
        }
        let columns = Rc::new(columns);
        self.columns.borrow_mut().insert(key, columns.clone());
        columns
    }
}
