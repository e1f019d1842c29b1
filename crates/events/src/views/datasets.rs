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
//! unknown = ["dest"]                # likewise, `unknown` where there is nothing
//! assets = ["dest"]                 # `dest_category` and others like it
//! [dataset.calculated]
//! user = "filled(user, 'unknown')"  # of the event's fields
//! ```
//!
//! A dataset's events are those of the kinds whose field `tag` has its tags. What is not among its
//! fields reads null.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rulestone_value::{Value, fold};
use serde::Deserialize;

use super::expr::Tables;
use super::{Expr, Names, ScopeKind, Text, Views, ViewsError, functions};
use crate::kinds::TypeWord;

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
    /// Its parts, whose fields are read from its own events as well, where they are of the part.
    parts: Vec<Arc<Dataset>>,
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
    /// Ends of connections and people, for each of which there are the fields that Enterprise
    /// Security looks up in lists of assets: null here, where there are none.
    #[serde(default)]
    assets: Vec<String>,
}

/// The ends of the names of what is looked up for an asset.
const OF_ASSETS: &[&str] = &["bunit", "category", "priority"];

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
                dataset = Dataset { parts: Vec::new(), ..(**found).clone() };
            }
            dataset.model = model.clone();
            dataset.take(entry, tables).map_err(|(field, error)| ViewsError::Expr {
                path: path.to_owned(),
                field: field.to_string(),
                error,
            })?;
            self.datasets.push(Arc::new(dataset));
        }
        self.give_parts(model);
        Ok(())
    }

    /// Tells each dataset of a model its parts. A part stands behind its whole, so that from the
    /// last on each has its own already.
    fn give_parts(&mut self, model: &Arc<str>) {
        for at in (0..self.datasets.len()).rev() {
            let part = self.datasets[at].clone();
            let is_whole = |own: &&mut Arc<Dataset>| {
                own.model == *model
                    && part.model == *model
                    && Some(&own.name) == part.parent.as_ref()
            };
            if let Some(whole) = self.datasets.iter_mut().find(is_whole) {
                Arc::make_mut(whole).parts.push(part);
            }
        }
    }
}

impl Dataset {
    /// Its fields by name, those it has of its parent among them.
    pub fn fields(&self) -> impl Iterator<Item = (&Arc<str>, &DatasetField)> {
        self.fields.iter()
    }

    /// The names of all fields that it or one of its parts has.
    pub fn names(&self) -> BTreeSet<&str> {
        let own = self.fields.keys().map(|name| &**name).chain(EVERYWHERE.iter().copied());
        own.chain(self.parts.iter().flat_map(|part| part.names())).collect()
    }

    /// Whether it or one of its parts has a field of this name.
    pub fn has_field(&self, name: &str) -> bool {
        self.fields.contains_key(name)
            || EVERYWHERE.contains(&name)
            || self.parts.iter().any(|part| part.has_field(name))
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
        let of_asset = |asset: &String| {
            OF_ASSETS.iter().map(|end| format!("{asset}_{end}").into()).collect::<Vec<_>>()
        };
        for name in entry.assets.iter().flat_map(of_asset).chain(entry.fields) {
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
            None => match self.parts.iter().find(|part| part.has_field(name)) {
                Some(part) => self.field_of_part(part, name, kind),
                None => Expr::Constant(Value::Null),
            },
        }
    }

    /// How a field of a part reads: null in events that are not of the part.
    fn field_of_part(&self, part: &Dataset, name: &str, kind: &ScopeKind) -> Expr {
        let field = part.field(name, kind);
        let further = part.asked.keys().filter(|asked| !self.asked.contains_key(*asked));
        let asked: Vec<Expr> = further.map(|asked| part.field(asked, kind)).collect();
        if asked.is_empty() {
            return field;
        }
        let is_part = Expr::Call(&functions::CONCAT, asked);
        Expr::Call(&functions::IF_HAS, vec![is_part, field])
            .with_inputs(&|input| Expr::Raw(input.into()))
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
            match answer(&self.field(name, kind), kind) {
                Some(true) => {}
                Some(false) => return None,
                None => open.push(Arc::from(name.as_str())),
            }
        }
        Some(open)
    }
}

/// The answer to a question that all events of a kind have in common, where they have one: tables
/// by event id are asked for each of the kind's.
fn answer(question: &Expr, kind: &ScopeKind) -> Option<bool> {
    let inputs = question.inputs();
    if inputs.is_empty() {
        return Some(!question.value(&|_| Value::Null).is_null());
    }
    let ids: Vec<Value> = kind.kinds.iter().flat_map(|own| &own.event_id).map(word).collect();
    if ids.is_empty() || inputs.iter().any(|input| **input != *"EventID") {
        return None;
    }
    let of = |id: &Value| !question.value(&|_| id.clone()).is_null();
    let first = of(&ids[0]);
    ids.iter().all(|id| of(id) == first).then_some(first)
}

fn word(id: &TypeWord) -> Value {
    Value::String(id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = r#"
        [sets.all]
        source = "concat('log:', Channel)"
        [tables.tags]
        1 = "start run"
        2 = "stop"
        [[scope]]
        match = {}
        [[scope.kind]]
        channel = ["A"]
        event_id = [1]
        like = ["all"]
        fields = { tag = "split(find(tags, EventID), ' ')", user = "Who", "a.b" = ["x", "y"] }
        [[scope.kind]]
        channel = ["A"]
        event_id = [2, 3]
        fields = { tag = "split(find(tags, EventID), ' ')" }
        [[scope.kind]]
        channel = ["A"]
        fields = { tag = ["start", "run"], user = "Other" }
        [[scope.kind]]
        channel = ["B"]
        when = { Sort = ["s"] }
        fields = { tag = "Own", Sort = "kind" }
        [[scope.kind]]
        fields = { tag = "null" }
    "#;

    const MODEL: &str = r#"
        model = "M"
        [[dataset]]
        name = "Runs"
        tags = ["start", "run|walk"]
        fields = ["id"]
        assets = ["dest"]
        unknown = ["user"]
        [dataset.calculated]
        level = "lower(level)"
        [[dataset]]
        name = "Loud"
        parent = "Runs"
        when = { level = ["loud"] }
        unless = { user = ["unknown", "root"] }
        fields = ["volume"]
    "#;

    fn views() -> Views {
        let mut views = Views::default();
        views.add("splunk", "raw", RAW).unwrap();
        views.add("cim", "model", MODEL).unwrap();
        views
    }

    fn scope(views: &Views, dataset: Option<&str>) -> Vec<Arc<ScopeKind>> {
        let mut keys = BTreeMap::from([("model".into(), "M".into())]);
        keys.extend(dataset.map(|name| ("dataset".into(), name.into())));
        views.scope("splunk", &keys)
    }

    fn text(kind: &ScopeKind, field: &str, event: &[(&str, &str)]) -> String {
        let get = |name: &str| {
            let found = event.iter().find(|(own, _)| *own == name);
            found.map_or(Value::Null, |(_, value)| Value::string(*value))
        };
        let value = kind.field(field).value(&get);
        let texts = value.elements().iter().map(|e| e.text().unwrap_or_default().into_owned());
        texts.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn everything_serves_a_scope_without_keys() {
        let views = views();
        let kinds = views.scope("splunk", &BTreeMap::new());
        assert_eq!(kinds.len(), 5);
        assert!(kinds[4].raw, "what no table names is read by its own names");
        assert_eq!(text(&kinds[0], "source", &[("Channel", "A")]), "log:A");
        assert_eq!(text(&kinds[0], "a{}.b{}", &[]), "x|y");
        assert_eq!(text(&kinds[0], "Other Name", &[("OtherName", "1")]), "1");
    }

    #[test]
    fn datasets_are_made_of_what_has_their_tags() {
        let views = views();
        let runs = scope(&views, Some("Runs"));
        let labels: Vec<String> = runs.iter().map(|kind| kind.label()).collect();
        assert_eq!(labels, ["A 1", "A", "B"], "by id where all events of a kind agree");
        assert!(runs[0].when.is_empty() && runs[1].when.is_empty());
        let kind = |id: &str| crate::Kind {
            product: "windows".into(),
            dataset: "".into(),
            channel: "A".into(),
            provider: "".into(),
            event_id: id.into(),
        };
        assert!(runs[1].matches(&kind("7")), "the general entry is of the dataset");
        assert!(!runs[1].matches(&kind("2")), "but not for the events of a particular one");
        let asked: Vec<&str> = runs[2].when.keys().map(|name| &**name).collect();
        assert_eq!(asked, ["event:Sort", "tag:run|walk", "tag:start"]);
        assert_eq!(text(&runs[2], "event:Sort", &[("kind", "s")]), "s");
        assert_eq!(text(&runs[2], "tag:run|walk", &[("Own", "WALK")]), "true");
        assert_eq!(scope(&views, None).len(), 3, "the roots of a model");
        assert!(scope(&views, Some("Gone")).is_empty());
    }

    #[test]
    fn fields_of_a_dataset() {
        let views = views();
        let runs = scope(&views, Some("Runs"));
        let event = [("Who", "ann"), ("id", "7"), ("level", "LOUD"), ("more", "x"), ("host", "h")];
        let cases = [("user", "ann"), ("id", "7"), ("level", "loud"), ("more", ""), ("host", "h")];
        for (field, expected) in cases {
            assert_eq!(text(&runs[0], field, &event), expected, "{field}");
        }
        assert_eq!(text(&runs[0], "user", &[]), "unknown");
        // Of a part only where the event is of the part.
        let loud = [("volume", "9"), ("level", "LOUD"), ("Who", "ann")];
        assert_eq!(text(&runs[0], "volume", &loud), "9");
        assert_eq!(text(&runs[0], "volume", &[("volume", "9"), ("level", "low")]), "");
        assert_eq!(text(&runs[1], "user", &[("Other", "bob")]), "bob");
        let loud = scope(&views, Some("Loud"));
        assert_eq!(text(&loud[0], "when:level", &event), "true");
        assert_eq!(text(&loud[0], "unless:user", &event), "true");
        assert_eq!(text(&loud[0], "unless:user", &[("Who", "ROOT")]), "");
        let fields: Vec<&str> =
            loud[0].dataset().unwrap().fields().map(|(name, _)| &**name).collect();
        let all = ["dest_bunit", "dest_category", "dest_priority", "id", "level", "user", "volume"];
        assert_eq!(fields, all, "those of the parent as well");
    }

    #[test]
    fn a_log_may_be_called_something_else() {
        let views = views().with_constants("splunk", &[("source", "mine"), ("host", "h9")]);
        let kinds = views.scope("splunk", &BTreeMap::new());
        assert_eq!(text(&kinds[0], "source", &[("Channel", "A")]), "mine");
        assert_eq!(text(&kinds[4], "host", &[("host", "other")]), "h9");
        assert_eq!(text(&scope(&views, Some("Runs"))[0], "source", &[]), "mine");
    }

    #[test]
    fn models_are_listed() {
        let views = views();
        assert!(views.has_dataset("M", None) && views.has_dataset("M", Some("Loud")));
        assert!(!views.has_dataset("m", None) && !views.has_dataset("M", Some("Quiet")));
        assert!(views.datasets()[0].has_field("user") && !views.datasets()[0].has_field("tone"));
        let parents = views.datasets().iter().map(|d| d.parent.as_deref()).collect::<Vec<_>>();
        assert_eq!(parents, [None, Some("Runs")]);
    }
}
