//! How a schema's field names read from each kind of event: data tables, see `views/<schema>/`.
//!
//! A table has scopes. A scope says, in the words of its schema, what a rule may ask for (a Sigma
//! logsource), and lists the kinds of events that serve it, each with the fields that are called
//! something else there:
//!
//! ```toml
//! [[scope]]
//! match = { product = "windows", category = "process_creation" }
//! [[scope.kind]]
//! channel = ["Security"]
//! event_id = [4688]
//! stand_in = "why these only stand in for what the scope means"
//! when = { SomeField = ["value"] }
//! [scope.kind.fields]
//! Image = "NewProcessName"
//! ProcessId = "hex_to_decimal(NewProcessId)"
//! ```
//!
//! A field without an entry is the event's own field of that name. A table `[defaults]` has
//! entries for all kinds of its file, and `[sets.NAME]` for those that say `like = ["NAME"]`, in
//! this file and in those read after it. A list in place of an expression is a constant.
//!
//! A schema may stand on another: `base = "splunk"` in one of its files. Its kinds then have what
//! the base says of the same events beneath their own fields, and events that it says nothing of
//! read as those of the base. Whoever asks for no scope in particular gets the base's kinds.
//!
//! A scope without keys lists its kinds for whoever asks for no scope in particular; a kind that
//! names nothing to be known by is every event that no kind before it is. Scopes may also be
//! datasets of data models, see [`Dataset`].

mod datasets;
mod expr;
mod functions;
mod log_functions;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rulestone_value::Value;
use serde::Deserialize;
use thiserror::Error;

pub use datasets::{Dataset, DatasetField};
pub use expr::{Expr, ExprError};

use crate::kinds::{Kind, KindMatch, TypeWord};
use expr::Tables;

/// The tables of all schemas.
#[derive(Debug, Clone, Default)]
pub struct Views {
    scopes: Vec<Scope>,
    /// Fields that kinds share, by schema and name.
    sets: HashMap<(String, String), Arc<Names>>,
    datasets: Vec<Arc<Dataset>>,
    /// Which schema stands on which.
    bases: HashMap<String, String>,
    /// What serves scopes that are put together out of others: made when it is first asked for.
    derived: Arc<Mutex<Derived>>,
}

/// What serves each scope, by its schema and keys.
type Derived = HashMap<(String, Keys), Vec<Arc<ScopeKind>>>;

/// What a scope is asked for by.
type Keys = BTreeMap<Arc<str>, Arc<str>>;

/// How fields read, by their names.
type Names = BTreeMap<String, Expr>;

/// What is wrong with a table.
#[derive(Debug, Error)]
pub enum ViewsError {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// It is not a table of this form.
    #[error("{path}: {error}")]
    Toml {
        /// The file.
        path: String,
        /// Where and what.
        error: Box<toml::de::Error>,
    },
    /// One of its expressions is wrong.
    #[error("{path}: field {field}: {error}")]
    Expr {
        /// The file.
        path: String,
        /// The field.
        field: String,
        /// What is wrong.
        error: ExprError,
    },
    /// It refers to something that no table has.
    #[error("{path}: there is no {what} called {name:?}")]
    Reference {
        /// The file.
        path: String,
        /// A set of fields, a dataset.
        what: &'static str,
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Clone)]
struct Scope {
    schema: String,
    keys: BTreeMap<String, String>,
    kinds: Vec<Arc<ScopeKind>>,
}

/// A kind of events that serves a scope, and how its fields read there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScopeKind {
    /// Which kinds: all of these matches have to fit.
    pub kinds: Vec<KindMatch>,
    /// Fields of the schema that must have one of these values, without case.
    pub when: BTreeMap<Arc<str>, Vec<String>>,
    /// Why these events only stand in for what the scope means, where they do.
    pub stand_in: Option<String>,
    /// Whether this is the answer for records that no table knows, read by their own names.
    pub raw: bool,
    /// Where fields are looked up, in this order.
    layers: Vec<Arc<Names>>,
    /// The dataset whose fields are read here; the layers are what it is made of.
    dataset: Option<Arc<Dataset>>,
    /// Kinds that are another's, though the matches fit.
    except: Vec<Arc<ScopeKind>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    scope: Vec<ScopeEntry>,
    /// The schema that this one stands on.
    base: Option<String>,
    /// Fields of every kind in the file that does not say otherwise.
    #[serde(default)]
    defaults: BTreeMap<String, Text>,
    /// Fields of the kinds that say that they are like this.
    #[serde(default)]
    sets: BTreeMap<String, BTreeMap<String, Text>>,
    /// The data model of the datasets.
    model: Option<Arc<str>>,
    #[serde(default)]
    dataset: Vec<datasets::Entry>,
    #[serde(default)]
    tables: Tables,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeEntry {
    r#match: BTreeMap<String, String>,
    kind: Vec<KindEntry>,
}

#[derive(Deserialize)]
struct KindEntry {
    #[serde(flatten)]
    rest: KindFields,
    #[serde(default)]
    product: Vec<String>,
    #[serde(default)]
    dataset: Vec<String>,
    #[serde(default)]
    channel: Vec<String>,
    #[serde(default)]
    provider: Vec<String>,
    #[serde(default, alias = "type")]
    event_id: Vec<TypeWord>,
}

#[derive(Deserialize)]
struct KindFields {
    #[serde(default)]
    when: BTreeMap<Arc<str>, Vec<String>>,
    stand_in: Option<String>,
    /// Sets of fields that it has as well, its own before them.
    #[serde(default)]
    like: Vec<String>,
    #[serde(default)]
    fields: BTreeMap<String, Text>,
}

/// How a field reads, as tables write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    /// An expression.
    Expr(String),
    /// Always these.
    Constants(Vec<String>),
}

impl Text {
    fn parse(&self, tables: &Tables) -> Result<Expr, ExprError> {
        match self {
            Text::Expr(text) => Expr::parse(text, tables),
            Text::Constants(texts) => {
                Ok(Expr::Constant(Value::list(texts.iter().map(|text| Value::string(&**text)))))
            }
        }
    }
}

/// The tables built in: schema, file, text.
const BUILT_IN: &[(&str, &str, &str)] = &[
    ("entity", "windows.toml", include_str!("entity/windows.toml")),
    ("entity", "endpoint.toml", include_str!("entity/endpoint.toml")),
    ("entity", "cloud.toml", include_str!("entity/cloud.toml")),
    ("entity", "network.toml", include_str!("entity/network.toml")),
    ("entity", "unknown.toml", include_str!("entity/unknown.toml")),
    ("sigma", "alerts.toml", include_str!("sigma/alerts.toml")),
    ("sigma", "windows_categories.toml", include_str!("sigma/windows_categories.toml")),
    ("sigma", "windows_services.toml", include_str!("sigma/windows_services.toml")),
    ("sigma", "elastic.toml", include_str!("sigma/elastic.toml")),
    ("sigma", "crowdstrike.toml", include_str!("sigma/crowdstrike.toml")),
    ("sigma", "defender.toml", include_str!("sigma/defender.toml")),
    ("sigma", "antivirus.toml", include_str!("sigma/antivirus.toml")),
    ("sigma", "linux.toml", include_str!("sigma/linux.toml")),
    ("sigma", "linux_services.toml", include_str!("sigma/linux_services.toml")),
    ("sigma", "cloud.toml", include_str!("sigma/cloud.toml")),
    ("sigma", "network.toml", include_str!("sigma/network.toml")),
    // Sets of fields first, and the particular before the general.
    ("splunk", "headers.toml", include_str!("splunk/headers.toml")),
    ("splunk", "sysmon.toml", include_str!("splunk/sysmon.toml")),
    ("splunk", "security.toml", include_str!("splunk/security.toml")),
    ("splunk", "windows.toml", include_str!("splunk/windows.toml")),
    ("splunk", "crowdstrike.toml", include_str!("splunk/crowdstrike.toml")),
    ("splunk", "aws.toml", include_str!("splunk/aws.toml")),
    ("splunk", "azure.toml", include_str!("splunk/azure.toml")),
    ("splunk", "office.toml", include_str!("splunk/office.toml")),
    ("splunk", "google.toml", include_str!("splunk/google.toml")),
    ("splunk", "identity.toml", include_str!("splunk/identity.toml")),
    ("splunk", "code.toml", include_str!("splunk/code.toml")),
    ("splunk", "kubernetes.toml", include_str!("splunk/kubernetes.toml")),
    ("splunk", "linux.toml", include_str!("splunk/linux.toml")),
    ("splunk", "network.toml", include_str!("splunk/network.toml")),
    ("splunk", "web.toml", include_str!("splunk/web.toml")),
    ("splunk", "appliances.toml", include_str!("splunk/appliances.toml")),
    ("splunk", "endpoint.toml", include_str!("splunk/endpoint.toml")),
    ("splunk", "alerts.toml", include_str!("splunk/alerts.toml")),
    ("splunk", "other.toml", include_str!("splunk/other.toml")),
    ("anvilogic", "windows.toml", include_str!("anvilogic/windows.toml")),
    ("anvilogic", "sensors.toml", include_str!("anvilogic/sensors.toml")),
    ("anvilogic", "linux.toml", include_str!("anvilogic/linux.toml")),
    ("anvilogic", "cloud.toml", include_str!("anvilogic/cloud.toml")),
    ("anvilogic", "web.toml", include_str!("anvilogic/web.toml")),
    ("playbook", "windows.toml", include_str!("playbook/windows.toml")),
    ("cim", "access.toml", include_str!("cim/access.toml")),
    ("cim", "alerts.toml", include_str!("cim/alerts.toml")),
    ("cim", "authentication.toml", include_str!("cim/authentication.toml")),
    ("cim", "certificates.toml", include_str!("cim/certificates.toml")),
    ("cim", "change.toml", include_str!("cim/change.toml")),
    ("cim", "change_analysis.toml", include_str!("cim/change_analysis.toml")),
    ("cim", "email.toml", include_str!("cim/email.toml")),
    ("cim", "endpoint.toml", include_str!("cim/endpoint.toml")),
    ("cim", "identity.toml", include_str!("cim/identity.toml")),
    ("cim", "intrusion.toml", include_str!("cim/intrusion.toml")),
    ("cim", "loss.toml", include_str!("cim/loss.toml")),
    ("cim", "malware.toml", include_str!("cim/malware.toml")),
    ("cim", "network.toml", include_str!("cim/network.toml")),
    ("cim", "resolution.toml", include_str!("cim/resolution.toml")),
    ("cim", "risk.toml", include_str!("cim/risk.toml")),
    ("cim", "sessions.toml", include_str!("cim/sessions.toml")),
    ("cim", "signatures.toml", include_str!("cim/signatures.toml")),
    ("cim", "ueba.toml", include_str!("cim/ueba.toml")),
    ("cim", "updates.toml", include_str!("cim/updates.toml")),
    ("cim", "vulnerabilities.toml", include_str!("cim/vulnerabilities.toml")),
    ("cim", "web.toml", include_str!("cim/web.toml")),
    ("anvilogic", "tables.toml", include_str!("anvilogic/tables.toml")),
];

impl Views {
    /// The tables built in.
    ///
    /// # Errors
    ///
    /// Never in a release: a test reads all tables.
    pub fn built_in() -> Result<Views, ViewsError> {
        let mut views = Views::default();
        for (schema, path, text) in BUILT_IN {
            views.add(schema, path, text)?;
        }
        Ok(views)
    }

    /// Adds the tables of a folder, `DIR/<schema>/*.toml`. They come before those already there.
    ///
    /// # Errors
    ///
    /// The first file that cannot be read or is not a table.
    pub fn add_folder(&mut self, folder: &Path) -> Result<(), ViewsError> {
        let fail = |path: &Path, error| ViewsError::Io { path: path.display().to_string(), error };
        let mut own = Views::default();
        let (files, errors) = crate::find_logs(folder);
        if let Some((path, error)) = errors.into_iter().next() {
            return Err(fail(&path, error));
        }
        for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "toml")) {
            let text = std::fs::read_to_string(path).map_err(|error| fail(path, error))?;
            let schema = path.parent().and_then(Path::file_name).unwrap_or_default();
            own.add(&schema.to_string_lossy(), &path.display().to_string(), &text)?;
        }
        own.scopes.append(&mut self.scopes);
        own.datasets.append(&mut self.datasets);
        let mut bases = std::mem::take(&mut self.bases);
        bases.extend(std::mem::take(&mut own.bases));
        *self = Views { sets: std::mem::take(&mut self.sets), bases, ..own };
        Ok(())
    }

    fn add(&mut self, schema: &str, path: &str, text: &str) -> Result<(), ViewsError> {
        let file: File = toml::from_str(text)
            .map_err(|error| ViewsError::Toml { path: path.to_owned(), error: Box::new(error) })?;
        let parse = |fields: &BTreeMap<String, Text>| {
            let parsed = fields.iter().map(|(name, text)| match text.parse(&file.tables) {
                Ok(expr) => Ok((name.clone(), expr)),
                Err(error) => {
                    Err(ViewsError::Expr { path: path.to_owned(), field: name.clone(), error })
                }
            });
            Ok(Arc::new(parsed.collect::<Result<Names, _>>()?))
        };
        for (name, fields) in &file.sets {
            self.sets.insert((schema.to_owned(), name.clone()), parse(fields)?);
        }
        let defaults = parse(&file.defaults)?;
        if let Some(base) = file.base {
            self.bases.insert(schema.to_owned(), base);
        }
        for entry in file.scope {
            let mut kinds = Vec::with_capacity(entry.kind.len());
            for kind in entry.kind {
                let mut layers = vec![parse(&kind.rest.fields)?];
                for name in &kind.rest.like {
                    let set = self.sets.get(&(schema.to_owned(), name.clone())).cloned();
                    layers.push(set.ok_or_else(|| ViewsError::Reference {
                        path: path.to_owned(),
                        what: "set of fields",
                        name: name.clone(),
                    })?);
                }
                layers.push(defaults.clone());
                layers.retain(|layer| !layer.is_empty());
                kinds.push(Arc::new(kind.into_scope_kind(layers)));
            }
            self.scopes.push(Scope { schema: schema.to_owned(), keys: entry.r#match, kinds });
        }
        if let Some(model) = file.model {
            self.add_datasets(path, &model, file.dataset, &file.tables)?;
        }
        Ok(())
    }

    /// The same tables, where some fields of a schema are the same in every event: for logs whose
    /// source somebody names.
    #[must_use]
    pub fn with_constants(&self, schema: &str, constants: &[(&str, &str)]) -> Views {
        let constant = |(name, text): &(&str, &str)| {
            ((*name).to_owned(), Expr::Constant(Value::string(*text)))
        };
        let layer: Arc<Names> = Arc::new(constants.iter().map(constant).collect());
        let mut views = Views { derived: Arc::default(), ..self.clone() };
        for scope in views.scopes.iter_mut().filter(|scope| scope.schema == schema) {
            for kind in &mut scope.kinds {
                Arc::make_mut(kind).layers.insert(0, layer.clone());
            }
        }
        views
    }

    /// The kinds that serve a scope given by its keys, the scope's own kinds first.
    ///
    /// The tables whose keys are all among those asked for answer together, the most particular
    /// of them; when there is none, those that are more particular than what was asked for.
    /// What is not about Windows also runs on records no table knows, by their own names: then
    /// the last entry is `raw`.
    /// Of a schema with a scope without keys, the keys `model` and `dataset` ask for a dataset.
    pub fn scope(&self, schema: &str, keys: &Keys) -> Vec<Arc<ScopeKind>> {
        let is_dataset = keys.contains_key("model");
        match self.bases.get(schema) {
            Some(base) if is_dataset => self.scope(base, keys),
            Some(base) => self.derived(schema, keys, || {
                let general = self.scope(base, &Keys::new());
                let rest = if keys.is_empty() { general.as_slice() } else { &[] };
                let own = self.plain_scope(schema, keys);
                over(&own, &general).into_iter().chain(but(rest, &own)).collect()
            }),
            None if is_dataset && self.is_open(schema) => self.derived(schema, keys, || {
                let kinds = self.scope(schema, &Keys::new());
                let (model, dataset) = (&keys["model"], keys.get("dataset"));
                let asked = self.datasets.iter().filter(|own| own.is_asked(model, dataset));
                asked.flat_map(|own| own.kinds(&kinds)).collect()
            }),
            None => self.plain_scope(schema, keys),
        }
    }

    /// What serves a scope by the tables of its schema alone.
    fn plain_scope(&self, schema: &str, keys: &Keys) -> Vec<Arc<ScopeKind>> {
        let of_schema = || self.scopes.iter().filter(|scope| scope.schema == schema);
        let asked = |(key, value): (&String, &String)| {
            keys.get(key.as_str()).is_some_and(|asked| **asked == **value)
        };
        let covering: Vec<&Scope> =
            of_schema().filter(|scope| scope.keys.iter().all(asked)).collect();
        let narrower = |scope: &&Scope| {
            keys.iter()
                .all(|(key, value)| scope.keys.get(&**key).is_some_and(|own| **own == **value))
        };
        let covered = keys.keys().all(|key| covering.iter().any(|s| s.keys.contains_key(&**key)));
        let mut kinds = if covered && !keys.is_empty() {
            meet(&most_particular(&covering))
        } else {
            of_schema().filter(narrower).flat_map(|scope| scope.kinds.clone()).collect()
        };
        if keys.get("product").is_none_or(|product| **product != *"windows")
            && !self.is_open(schema)
        {
            kinds.push(Arc::new(ScopeKind::raw()));
        }
        kinds
    }

    /// Whether a schema has a scope without keys, of its own or of the schema it stands on.
    fn is_open(&self, schema: &str) -> bool {
        self.bases.contains_key(schema)
            || self.scopes.iter().any(|scope| scope.schema == schema && scope.keys.is_empty())
    }

    /// What serves a scope that is made when it is first asked for.
    fn derived(
        &self,
        schema: &str,
        keys: &Keys,
        make: impl FnOnce() -> Vec<Arc<ScopeKind>>,
    ) -> Vec<Arc<ScopeKind>> {
        let lock = || self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (schema.to_owned(), keys.clone());
        if let Some(kinds) = lock().get(&key) {
            return kinds.clone();
        }
        let kinds = make();
        lock().insert(key, kinds.clone());
        kinds
    }
}

/// Kinds with what the kinds of a base say of the same events beneath. What asks for values of
/// fields asks for them in the base's words.
fn over(own: &[Arc<ScopeKind>], base: &[Arc<ScopeKind>]) -> Vec<Arc<ScopeKind>> {
    let both = |at: usize, below: &Arc<ScopeKind>| {
        let kind = &own[at];
        let mut both = ScopeKind::clone(below);
        both.kinds.extend(kind.kinds.iter().filter(|m| **m != KindMatch::default()).cloned());
        both.raw = kind.raw && below.raw;
        both.layers.splice(0..0, kind.layers.iter().cloned());
        both.when.extend(kind.when.iter().map(|(name, values)| (name.clone(), values.clone())));
        both.stand_in = kind.stand_in.clone().or(both.stand_in);
        both.except.extend(own[..at].iter().filter(|kind| kind.when.is_empty()).cloned());
        Arc::new(both)
    };
    let meets = |at: usize, below: &&Arc<ScopeKind>| below.may_meet(&own[at]);
    (0..own.len())
        .flat_map(|at| base.iter().filter(move |b| meets(at, b)).map(move |b| both(at, b)))
        .collect()
}

/// Kinds without the events that others have.
fn but(kinds: &[Arc<ScopeKind>], others: &[Arc<ScopeKind>]) -> Vec<Arc<ScopeKind>> {
    let others: Vec<_> = others.iter().filter(|kind| kind.when.is_empty()).cloned().collect();
    let without = |kind: &Arc<ScopeKind>| {
        let mut kind = ScopeKind::clone(kind);
        let met: Vec<_> = others.iter().filter(|other| kind.may_meet(other)).cloned().collect();
        kind.except.extend(met);
        Arc::new(kind)
    };
    kinds.iter().map(without).collect()
}

/// Scopes of which none asks for less than another.
fn most_particular<'a>(scopes: &[&'a Scope]) -> Vec<&'a Scope> {
    let is_part_of = |a: &Scope, b: &Scope| {
        a.keys.len() < b.keys.len() && a.keys.keys().all(|key| b.keys.contains_key(key))
    };
    scopes.iter().filter(|a| !scopes.iter().any(|b| is_part_of(a, b))).copied().collect()
}

/// The kinds that serve all of the scopes: those of scopes with the same keys together, of scopes
/// with different keys (a category and a service) only where both fit.
fn meet(scopes: &[&Scope]) -> Vec<Arc<ScopeKind>> {
    let Some(first) = scopes.first() else { return Vec::new() };
    let (same, others): (Vec<&Scope>, Vec<&Scope>) =
        scopes.iter().partition(|scope| scope.keys.keys().eq(first.keys.keys()));
    let own: Vec<Arc<ScopeKind>> = same.iter().flat_map(|scope| scope.kinds.clone()).collect();
    if others.is_empty() {
        return own;
    }
    let theirs = meet(&others);
    let both = |a: &Arc<ScopeKind>, b: &Arc<ScopeKind>| {
        let mut both = (**a).clone();
        both.kinds.extend(b.kinds.iter().cloned());
        both.layers.splice(0..0, b.layers.iter().cloned());
        Arc::new(both)
    };
    own.iter().flat_map(|a| theirs.iter().map(move |b| both(a, b))).collect()
}

impl ScopeKind {
    fn raw() -> Self {
        ScopeKind { raw: true, ..ScopeKind::default() }
    }

    /// Whether events of `kind` serve the scope.
    pub fn matches(&self, kind: &Kind) -> bool {
        if self.raw && self.kinds.is_empty() {
            return kind.is_unknown();
        }
        self.kinds.iter().all(|m| m.matches(kind)) && !self.except.iter().any(|e| e.matches(kind))
    }

    /// Whether there may be kinds that both match.
    fn may_meet(&self, other: &ScopeKind) -> bool {
        self.kinds.iter().all(|own| other.kinds.iter().all(|their| own.may_meet(their)))
    }

    /// Which of a scope's entries give an event of `kind` its names: all that fit up to the first
    /// that asks for nothing more, so that a table can put the particular before the general.
    pub fn serving<'k>(
        kinds: &'k [Arc<ScopeKind>],
        kind: &Kind,
    ) -> impl Iterator<Item = (usize, &'k Arc<ScopeKind>)> {
        let mut settled = false;
        kinds.iter().enumerate().filter(move |(_, own)| {
            let serves = !settled && own.matches(kind);
            settled |= serves && own.when.is_empty();
            serves
        })
    }

    /// How a field of the schema reads, if the table says so.
    pub fn own_field(&self, name: &str) -> Option<&Expr> {
        self.layers.iter().find_map(|layer| layer.get(name))
    }

    /// How a field of the schema reads.
    pub fn field(&self, name: &str) -> Expr {
        let key = own_name(name);
        match &self.dataset {
            Some(dataset) => dataset.field(&key, self),
            None => self.plain_field(&key),
        }
    }

    /// Every name that the tables have for the kinds, each once and in order. Of a dataset these
    /// are all names there are; else an event's own names read as well.
    pub fn names(&self) -> Vec<Arc<str>> {
        match &self.dataset {
            Some(dataset) => dataset.fields().map(|(name, _)| name.clone()).collect(),
            None => {
                let names = self.layers.iter().flat_map(|layer| layer.keys());
                let names: BTreeSet<&String> = names.collect();
                names.into_iter().map(|name| name.as_str().into()).collect()
            }
        }
    }

    /// How a field reads that is not one of a dataset.
    fn plain_field(&self, key: &str) -> Expr {
        self.own_field(key).cloned().unwrap_or_else(|| Expr::Raw(key.into()))
    }

    /// The dataset whose fields are read here.
    pub fn dataset(&self) -> Option<&Arc<Dataset>> {
        self.dataset.as_ref()
    }

    /// The logs the kinds stand in: those of the match that is most particular about it.
    pub fn logs(&self) -> Vec<String> {
        let of_channel = self.kinds.iter().find(|kind| !kind.channel.is_empty());
        let of_provider = || self.kinds.iter().find(|kind| !kind.provider.is_empty());
        let named = of_channel.or_else(of_provider).or(self.kinds.first());
        named.map(KindMatch::logs).unwrap_or_default()
    }

    /// Whether its matches let an event with this id be one of its kinds.
    pub fn allows_event_id(&self, id: u32) -> bool {
        self.kinds
            .iter()
            .all(|kind| kind.event_id.is_empty() || kind.event_id.contains(&TypeWord::Id(id)))
    }

    /// The kinds in one line, for whoever has to switch them on.
    pub fn label(&self) -> String {
        self.kinds.iter().map(KindMatch::label).collect::<Vec<_>>().join(" and ")
    }
}

impl KindEntry {
    fn into_scope_kind(self, layers: Vec<Arc<Names>>) -> ScopeKind {
        let KindEntry { rest, product, dataset, channel, provider, event_id } = self;
        let own = KindMatch { product, dataset, channel, provider, event_id };
        ScopeKind {
            raw: own == KindMatch::default(),
            kinds: vec![own],
            when: rest.when,
            stand_in: rest.stand_in,
            layers,
            dataset: None,
            except: Vec::new(),
        }
    }
}

/// A field's name as the tables have it: without spaces, and without the `{}` that some tools
/// write behind the name of a list.
fn own_name(name: &str) -> Cow<'_, str> {
    if name.contains(' ') || name.contains("{}") {
        name.replace(' ', "").replace("{}", "").into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> BTreeMap<Arc<str>, Arc<str>> {
        let pair = |word: &str| {
            let (key, value) = word.split_once('=').unwrap();
            (Arc::from(key), Arc::from(value))
        };
        text.split_whitespace().map(pair).collect()
    }

    #[test]
    fn the_tables_can_be_read() {
        Views::built_in().unwrap();
    }

    #[test]
    fn scopes_find_their_kinds() {
        let mut views = Views::default();
        let table = r#"
            [[scope]]
            match = { product = "windows" }
            [[scope.kind]]
            product = ["windows"]
            [[scope]]
            match = { product = "windows", category = "process_creation" }
            [[scope.kind]]
            channel = ["Sysmon"]
            event_id = [1]
            [[scope.kind]]
            channel = ["Security"]
            event_id = [4688]
            fields = { Image = "NewProcessName" }
            [[scope]]
            match = { product = "windows", service = "security" }
            [[scope.kind]]
            channel = ["Security"]
        "#;
        views.add("sigma", "test", table).unwrap();
        let cases = [
            ("product=windows", "windows"),
            ("product=windows category=process_creation", "Sysmon 1|Security 4688"),
            ("product=windows service=security", "Security"),
            (
                "product=windows category=process_creation service=security",
                "Sysmon 1 and Security|Security 4688 and Security",
            ),
            ("category=process_creation", "Sysmon 1|Security 4688|"),
            ("product=windows service=unknown", ""),
            ("product=linux category=process_creation", ""),
            ("category=webserver", ""),
        ];
        for (asked, expected) in cases {
            let kinds = views.scope("sigma", &keys(asked));
            let labels: Vec<String> = kinds.iter().map(|kind| kind.label()).collect();
            assert_eq!(labels.join("|"), expected, "{asked}");
        }
        let both = views
            .scope("sigma", &keys("product=windows category=process_creation service=security"));
        let logs: Vec<_> = both.iter().map(|kind| kind.logs().join("|")).collect();
        assert_eq!(logs, ["Sysmon", "Security"], "of the match that is most particular");
        assert!(both[1].allows_event_id(4688) && !both[1].allows_event_id(1));
        let raw = views.scope("sigma", &keys("category=webserver"));
        assert!(raw.last().unwrap().raw);
        let creation = &views.scope("sigma", &keys("product=windows category=process_creation"))[1];
        assert_eq!(creation.field("Image"), Expr::Raw("NewProcessName".into()));
        assert_eq!(creation.field("Command Line"), Expr::Raw("CommandLine".into()));
    }

    #[test]
    fn a_schema_stands_on_another() {
        let mut views = Views::default();
        let base = r#"
            [[scope]]
            match = {}
            [[scope.kind]]
            channel = ["Sysmon"]
            fields = { user = "User", program = "Image" }
            [[scope.kind]]
            fields = { user = "who" }
        "#;
        let own = r#"
            base = "base"
            [[scope]]
            match = {}
            [[scope.kind]]
            channel = ["Sysmon"]
            event_id = [1]
            fields = { program = "CommandLine" }
            [[scope]]
            match = { table = "processes" }
            [[scope.kind]]
            channel = ["Sysmon"]
            event_id = [1]
            fields = { line = "CommandLine" }
        "#;
        views.add("base", "base.toml", base).unwrap();
        views.add("own", "own.toml", own).unwrap();
        let kind = |channel: &str, id: u32| Kind {
            product: "windows".into(),
            dataset: "".into(),
            provider: "".into(),
            channel: channel.into(),
            event_id: id.to_string().into(),
        };
        let read = |asked: &str, kind: &Kind| {
            let kinds = views.scope("own", &keys(asked));
            let fields = ScopeKind::serving(&kinds, kind).map(|(_, serving)| {
                let fields = ["user", "program", "line"].map(|name| match serving.field(name) {
                    Expr::Raw(raw) => raw.to_string(),
                    other => format!("{other:?}"),
                });
                fields.join(" ")
            });
            fields.collect::<Vec<_>>().join("|")
        };
        let cases = [
            ("", kind("Sysmon", 1), "User CommandLine line"),
            ("", kind("Sysmon", 3), "User Image line"),
            ("", kind("Other", 3), "who program line"),
            ("table=processes", kind("Sysmon", 1), "User Image CommandLine"),
            ("table=processes", kind("Sysmon", 3), ""),
        ];
        for (asked, kind, expected) in cases {
            assert_eq!(read(asked, &kind), expected, "{asked} {kind:?}");
        }
    }
}
