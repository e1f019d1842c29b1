//! Data models: fields that events of many kinds have in common, calculated from those of each kind.
//!
//! ```toml
//! model = "Endpoint"
//!
//! [[dataset]]
//! name = "Processes"
//! parent = "…"                      # it has what the parent has, of fewer events
//! tags = ["process", "report"]      # all of them; `a|b` is one of them
//! when = { action = ["failure"] }   # a field of the dataset is one of these
//! unless = { object = ["file"] }    # a field of the dataset is none of these
//! fields = ["process_id"]           # as the event has them
//! [dataset.calculated]
//! user = "filled(user, 'unknown')"  # of the event's fields
//! ```
//!
//! A dataset's events are those of the kinds whose field `tag` has its tags. What is not among its
//! fields reads null.

use std::collections::BTreeMap;
use std::sync::Arc;

use rulestone_value::{Value, fold};
use serde::Deserialize;

use super::expr::Tables;
use super::{Expr, Names, ScopeKind, Text, Views, ViewsError, functions};

/// Fields that every event of every dataset has.
const EVERYWHERE: &[&str] =
    &["_time", "_raw", "host", "source", "sourcetype", "index", "eventtype", "tag"];

/// Stands before the name of a field that is the event's, not the dataset's.
const OF_EVENT: &str = "event:";

/// A dataset of a data model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dataset {
    /// The model's name.
    pub model: Arc<str>,
    /// The dataset's name.
    pub name: Arc<str>,
    /// The dataset that this one is a part of.
    pub parent: Option<Arc<str>>,
    /// The tags its events have: of each entry one.
    pub tags: Vec<Vec<String>>,
    /// What its events have in some fields, and what they do not have there.
    pub when: Vec<Asked>,
    fields: BTreeMap<Arc<str>, DatasetField>,
    /// What `when` and `tags` ask, as fields that have to be true.
    asked: Names,
}

/// What a dataset asks of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The field.
    pub field: String,
    /// Its values.
    pub values: Vec<String>,
    /// Whether the field is one of them, or none.
    pub is: bool,
}

/// How a field of a dataset reads.
#[derive(Debug, Clone, PartialEq)]
pub enum DatasetField {
    /// As the event has it.
    AsIs,
    /// Calculated from the event's fields.
    Calculated(Expr),
}

/// A dataset, as tables write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    name: Arc<str>,
    parent: Option<Arc<str>>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    when: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    unless: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    fields: Vec<Arc<str>>,
    /// Fields that read `unknown` where an event has nothing.
    #[serde(default)]
    unknown: Vec<Arc<str>>,
    #[serde(default)]
    calculated: BTreeMap<Arc<str>, Text>,
}

impl Views {
    /// All datasets of all data models.
    pub fn datasets(&self) -> &[Arc<Dataset>] {
        &self.datasets
    }

    /// Whether there is such a data model, and such a dataset in it.
    pub fn has_dataset(&self, model: &str, dataset: Option<&str>) -> bool {
        let is = |own: &Arc<Dataset>| {
            *own.model == *model && dataset.is_none_or(|asked| *own.name == *asked)
        };
        self.datasets.iter().any(is)
    }

    pub(super) fn add_datasets(
        &mut self,
        path: &str,
        model: &Arc<str>,
        entries: Vec<Entry>,
        tables: &Tables,
    ) -> Result<(), ViewsError> {
        for entry in entries {
            let mut dataset = Dataset::default();
            if let Some(parent) = &entry.parent {
                let is = |own: &&Arc<Dataset>| own.model == *model && own.name == *parent;
                let found = self.datasets.iter().find(is);
                let found = found.ok_or_else(|| ViewsError::Reference {
                    path: path.to_owned(),
                    what: "dataset",
                    name: parent.to_string(),
                })?;
                dataset = (**found).clone();
            }
            dataset.model = model.clone();
            dataset.take(entry, tables).map_err(|(field, error)| ViewsError::Expr {
                path: path.to_owned(),
                field: field.to_string(),
                error,
            })?;
            self.datasets.push(Arc::new(dataset));
        }
        Ok(())
    }
}

impl Dataset {
    /// Its fields by name, those it has of its parent among them.
    pub fn fields(&self) -> impl Iterator<Item = (&Arc<str>, &DatasetField)> {
        self.fields.iter()
    }

    /// The field of this name.
    pub fn named(&self, name: &str) -> Option<&DatasetField> {
        self.fields.get(name)
    }

    /// Whether a scope of these words asks for it: by its name, or for all roots of its model.
    pub(super) fn is_asked(&self, model: &str, dataset: Option<&Arc<str>>) -> bool {
        *self.model == *model
            && dataset.map_or(self.parent.is_none(), |asked| *self.name == **asked)
    }

    /// Adds what the table says to what the parent has.
    fn take(&mut self, entry: Entry, tables: &Tables) -> Result<(), (Arc<str>, super::ExprError)> {
        let own_tags = entry.tags.iter().map(|tags| tags.split('|').map(str::to_owned).collect());
        self.tags.extend(own_tags);
        self.name = entry.name;
        self.parent = entry.parent;
        let asked = |is| move |(field, values): (String, Vec<String>)| Asked { field, values, is };
        self.when.extend(entry.when.into_iter().map(asked(true)));
        self.when.extend(entry.unless.into_iter().map(asked(false)));
        for name in entry.fields {
            self.fields.insert(name, DatasetField::AsIs);
        }
        for name in entry.unknown {
            let own = Expr::Raw(name.clone());
            let unknown = Expr::Constant(Value::string("unknown"));
            let expr = Expr::Call(&functions::FILLED, vec![own, unknown]);
            self.fields.insert(name, DatasetField::Calculated(expr));
        }
        for (name, text) in entry.calculated {
            let expr = text.parse(tables).map_err(|error| (name.clone(), error))?;
            self.fields.insert(name, DatasetField::Calculated(expr));
        }
        self.asked = self.questions();
        Ok(())
    }

    /// What is asked of its events as fields, each `true` or null.
    fn questions(&self) -> Names {
        let one_of = |field: &str, values: &[String]| {
            let yes = values.iter().map(|value| (fold(value), "true".to_owned()));
            Expr::Lookup {
                table: Arc::new(yes.collect()),
                argument: Box::new(Expr::Raw(field.into())),
                keeps: false,
            }
        };
        let tags = self.tags.iter().map(|tags| {
            let has = Expr::Call(&functions::HAS, vec![one_of("tag", tags)]);
            (format!("tag:{}", tags.join("|")), has)
        });
        let when = self.when.iter().map(|asked| {
            let function = if asked.is { &functions::HAS } else { &functions::LACKS };
            let test = Expr::Call(function, vec![one_of(&asked.field, &asked.values)]);
            (format!("{}:{}", if asked.is { "when" } else { "unless" }, asked.field), test)
        });
        tags.chain(when).collect()
    }

    /// How a field of the dataset reads in a kind of events; null for a field of another name.
    pub(super) fn field(&self, name: &str, kind: &ScopeKind) -> Expr {
        let of_event = |name: &str| kind.plain_field(name);
        if let Some(name) = name.strip_prefix(OF_EVENT) {
            return of_event(name);
        }
        if let Some(asked) = self.asked.get(name) {
            // Tags are the event's, what else is asked is of the dataset's own fields.
            return asked.with_inputs(&|input| match input {
                "tag" => of_event(input),
                _ => self.field(input, kind),
            });
        }
        match self.fields.get(name) {
            Some(DatasetField::AsIs) => of_event(name),
            Some(DatasetField::Calculated(expr)) => expr.with_inputs(&of_event),
            None if EVERYWHERE.contains(&name) => of_event(name),
            None => Expr::Constant(Value::Null),
        }
    }

    /// Of all kinds, those that may have events of the dataset, read as such.
    pub(super) fn kinds(self: &Arc<Self>, kinds: &[Arc<ScopeKind>]) -> Vec<Arc<ScopeKind>> {
        let mut derived = Vec::new();
        // Kinds of others, which the general entries behind them do not get.
        let mut others: Vec<Arc<ScopeKind>> = Vec::new();
        for kind in kinds {
            let mut own = (**kind).clone();
            own.dataset = Some(self.clone());
            if let Some(open) = self.open_questions(&own) {
                let of_event = |(name, values)| (format!("{OF_EVENT}{name}").into(), values);
                own.when = own.when.into_iter().map(of_event).collect();
                own.when.extend(open.into_iter().map(|name| (name, vec!["true".to_owned()])));
                own.except.extend(others.iter().filter(|other| other.may_meet(kind)).cloned());
                derived.push(Arc::new(own));
            } else if kind.when.is_empty() {
                others.push(kind.clone());
            }
        }
        derived
    }

    /// What has to be asked of each event of a kind; `None` if none of them is of the dataset.
    fn open_questions(&self, kind: &ScopeKind) -> Option<Vec<Arc<str>>> {
        let mut open = Vec::new();
        for name in self.asked.keys() {
            let expr = self.field(name, kind);
            if !expr.inputs().is_empty() {
                open.push(Arc::from(name.as_str()));
            } else if expr.value(&|_| Value::Null).is_null() {
                return None;
            }
        }
        Some(open)
    }
}
