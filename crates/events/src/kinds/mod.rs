//! What an event is a record of.

mod fragments;
pub(crate) mod messages;
mod shapes;
mod titles;

use std::sync::Arc;

use rulestone_value::Value;
use serde::Deserialize;

pub(crate) use fragments::Pieces;
pub(crate) use shapes::{Condition, Marks, Role, SHAPES};
pub use titles::title;

/// What an event is a record of: for Windows (provider, channel, event id), elsewhere
/// (product, dataset, type).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// `windows`, `aws`; `json` for records nobody has a table for.
    pub product: Arc<str>,
    /// The part of the product: `cloudtrail`, `process`. Empty for Windows.
    pub dataset: Arc<str>,
    /// The Windows channel, as the first event spelt it.
    pub channel: Arc<str>,
    /// The Windows provider, as the first event spelt it.
    pub provider: Arc<str>,
    /// The Windows event id; elsewhere what the record itself calls its type, where records of
    /// one dataset have different fields by it: CrowdStrike's `ProcessRollup2`.
    pub event_id: Arc<str>,
}

impl Kind {
    /// Whether no table knows these records: they run on their own field names.
    pub fn is_unknown(&self) -> bool {
        &*self.product == "json"
    }

    /// What every event of this kind has in a field, where the kind says so: a Windows event has
    /// one event id, one channel and one provider, however its exporter writes them.
    pub fn header(&self, field: &str) -> Option<Value> {
        if !self.has_windows_header() {
            return None;
        }
        let text = match field {
            "EventID" => &self.event_id,
            "Channel" => &self.channel,
            "Provider_Name" => &self.provider,
            _ => return None,
        };
        Some(match text.parse::<i64>() {
            Ok(id) if field == "EventID" && *id.to_string() == **text => Value::Integer(id),
            _ if text.is_empty() => Value::Null,
            _ => Value::string(&**text),
        })
    }

    /// Whether its events stand in a log, as [`KindMatch::logs`] names them.
    pub fn is_of_log(&self, log: &str) -> bool {
        let is = |own: &str| !own.is_empty() && own.eq_ignore_ascii_case(log);
        let dataset = format!("{} {}", self.product, self.dataset);
        is(&self.channel) || is(&self.provider) || is(&self.product) || is(dataset.trim())
    }

    /// Whether its events have the header of Windows events, as Sysmon's on Linux have.
    pub(crate) fn has_windows_header(&self) -> bool {
        &*self.product == "windows" || !self.provider.is_empty()
    }

    /// Whether its events' own text is put together from their values, see [`crate::TextParts`].
    pub fn has_made_text(&self) -> bool {
        self.has_windows_header()
    }

    /// The kind in one line: `Security 4688`, `aws cloudtrail`, `crowdstrike fdr DnsRequest`.
    pub fn label(&self) -> String {
        if self.has_windows_header() {
            let channel = if self.channel.is_empty() { &self.provider } else { &self.channel };
            return format!("{channel} {}", self.event_id);
        }
        let words = [&self.product, &self.dataset, &self.event_id].map(|word| &**word);
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// Which kinds a table entry is about: every list that is not empty has to hold the kind's own
/// word, compared without case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KindMatch {
    /// Products.
    pub product: Vec<String>,
    /// Datasets.
    pub dataset: Vec<String>,
    /// Windows channels.
    pub channel: Vec<String>,
    /// Windows providers.
    pub provider: Vec<String>,
    /// Windows event ids, or the types that records give themselves.
    #[serde(alias = "type")]
    pub event_id: Vec<TypeWord>,
}

/// An event id or a type, as tables write it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum TypeWord {
    /// A Windows event id, or the number of a record type.
    Id(u32),
    /// A word.
    Word(String),
}

impl TypeWord {
    fn is(&self, own: &str) -> bool {
        match self {
            TypeWord::Id(id) => own.parse() == Ok(*id),
            TypeWord::Word(word) => word.eq_ignore_ascii_case(own),
        }
    }
}

impl std::fmt::Display for TypeWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TypeWord::Id(id) => id.fmt(f),
            TypeWord::Word(word) => f.write_str(word),
        }
    }
}

impl KindMatch {
    /// Whether `kind` is one of them.
    pub fn matches(&self, kind: &Kind) -> bool {
        let one_of = |words: &[String], own: &str| {
            words.is_empty() || words.iter().any(|word| word.eq_ignore_ascii_case(own))
        };
        one_of(&self.product, &kind.product)
            && one_of(&self.dataset, &kind.dataset)
            && one_of(&self.channel, &kind.channel)
            && one_of(&self.provider, &kind.provider)
            && (self.event_id.is_empty()
                || self.event_id.iter().any(|word| word.is(&kind.event_id)))
    }

    /// Whether a kind may be both one of them and one of the other's.
    pub(crate) fn may_meet(&self, other: &KindMatch) -> bool {
        let shared = |one: &[String], other: &[String]| {
            one.is_empty()
                || other.is_empty()
                || one.iter().any(|word| other.iter().any(|o| o.eq_ignore_ascii_case(word)))
        };
        shared(&self.product, &other.product)
            && shared(&self.dataset, &other.dataset)
            && shared(&self.channel, &other.channel)
            && shared(&self.provider, &other.provider)
            && (self.event_id.is_empty()
                || other.event_id.is_empty()
                || self.event_id.iter().any(|word| other.event_id.contains(word)))
    }

    /// The kinds in one line, for whoever has to switch them on.
    pub fn label(&self) -> String {
        let ids: Vec<String> = self.event_id.iter().map(TypeWord::to_string).collect();
        [self.product.join("/"), self.dataset.join("/"), self.provider_or_channel(), ids.join(", ")]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The logs the kinds stand in: channels, where there are none providers, elsewhere product and
    /// dataset.
    pub fn logs(&self) -> Vec<String> {
        if !self.channel.is_empty() || !self.provider.is_empty() {
            let logs = if self.channel.is_empty() { &self.provider } else { &self.channel };
            return logs.clone();
        }
        let words = [self.product.join("/"), self.dataset.join("/")];
        vec![words.join(" ").trim().to_owned()]
    }

    fn provider_or_channel(&self) -> String {
        if self.channel.is_empty() { self.provider.join("/") } else { self.channel.join("/") }
    }
}
