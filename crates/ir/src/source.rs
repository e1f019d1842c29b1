//! What a rule reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Field, Formula, Span, Table};

/// Whose field names a rule uses; the views hold what they mean on each kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Schema {
    /// The Sigma taxonomy.
    Sigma,
    /// The event's own names, whatever it is a record of.
    Raw,
    /// Whom and what an event is about: hosts, users and others.
    Entity,
    /// The names that Splunk and its add-ons give, and those of its common information model.
    Splunk,
    /// The names of Anvilogic's normalised data, and those of Splunk beneath.
    Anvilogic,
    /// The loose names that pages of hunting use, and those of Splunk beneath.
    Playbook,
}

impl Schema {
    /// All of them.
    pub const ALL: [Schema; 6] = [
        Schema::Sigma,
        Schema::Raw,
        Schema::Entity,
        Schema::Splunk,
        Schema::Anvilogic,
        Schema::Playbook,
    ];

    /// The name of the schema, and of its folder of tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Schema::Sigma => "sigma",
            Schema::Raw => "raw",
            Schema::Entity => "entity",
            Schema::Splunk => "splunk",
            Schema::Anvilogic => "anvilogic",
            Schema::Playbook => "playbook",
        }
    }

    /// All names of the schema, where there are only so many.
    pub const fn fields(self) -> Option<&'static [&'static str]> {
        match self {
            Schema::Sigma | Schema::Raw | Schema::Splunk | Schema::Anvilogic | Schema::Playbook => {
                None
            }
            Schema::Entity => Some(&[
                "host",
                "user",
                "target_user",
                "source_ip",
                "destination_ip",
                "process",
                "account",
            ]),
        }
    }
}

/// What one source of a rule reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Events of a scope that pass a filter.
    Events {
        /// Which events are looked at.
        scope: Scope,
        /// Which of them are let through.
        filter: Formula,
    },
    /// Alerts that pass a filter, of rules of earlier strata.
    Alerts {
        /// Which words the filter's fields are in.
        scope: Scope,
        /// Which of them are let through.
        filter: Formula,
    },
    /// What another rule finds, whether or not it raises alerts.
    RuleRef {
        /// The rule's id, or its name or id as it is written until references are resolved.
        rule: Arc<str>,
        /// Names that stand for fields of that rule's events: alias and field.
        columns: Vec<(Arc<str>, Field)>,
        /// Where the rule says so.
        span: Span,
    },
    /// The rows of a table, for stages over rows. What rests on them alone is no finding.
    Table {
        /// The table.
        table: Arc<Table>,
        /// Where the rule says so.
        span: Span,
    },
    /// So many rows with nothing but the time of the run.
    Nothing {
        /// How many.
        rows: u64,
    },
}

impl Source {
    /// The scope and the filter of a source that reads events or alerts.
    pub fn filtered(&self) -> Option<(&Scope, &Formula)> {
        match self {
            Source::Events { scope, filter } | Source::Alerts { scope, filter } => {
                Some((scope, filter))
            }
            Source::RuleRef { .. } | Source::Table { .. } | Source::Nothing { .. } => None,
        }
    }
}

/// The events a source looks at, in the words of a schema: a Sigma logsource is
/// `{product: windows, category: process_creation}`. A schema's views say which kinds these are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// Whose words these are.
    pub schema: Schema,
    /// The words, by key.
    pub keys: BTreeMap<Arc<str>, Arc<str>>,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
        write!(f, "{}({})", self.schema.as_str(), keys.join(", "))
    }
}
