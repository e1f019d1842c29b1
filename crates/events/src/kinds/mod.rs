//! What an event is a record of.

mod fragments;
mod shapes;
mod titles;

use std::sync::Arc;

use rulestone_value::Value;
use serde::Deserialize;

pub(crate) use fragments::Pieces;
pub(crate) use shapes::{Role, SHAPES};
pub use titles::title;

/// What an event is a record of: for Windows (provider, channel, event id), elsewhere
/// (product, dataset).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// `windows`, `aws`; `json` for records nobody has a table for.
    pub product: Arc<str>,
    /// The part of the product: `cloudtrail`. Empty for Windows.
    pub dataset: Arc<str>,
    /// The Windows channel, as the first event spelt it.
    pub channel: Arc<str>,
    /// The Windows provider, as the first event spelt it.
    pub provider: Arc<str>,
    /// The Windows event id.
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
        if &*self.product != "windows" {
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

    /// The kind in one line: `Security 4688`, `aws cloudtrail`.
    pub fn label(&self) -> String {
        if &*self.product == "windows" {
            let channel = if self.channel.is_empty() { &self.provider } else { &self.channel };
            return format!("{channel} {}", self.event_id);
        }
        format!("{} {}", self.product, self.dataset).trim_end().to_owned()
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
    /// Windows event ids.
    pub event_id: Vec<u32>,
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
                || kind.event_id.parse().is_ok_and(|id| self.event_id.contains(&id)))
    }

    /// The kinds in one line, for whoever has to switch them on.
    pub fn label(&self) -> String {
        let ids: Vec<String> = self.event_id.iter().map(u32::to_string).collect();
        [self.product.join("/"), self.dataset.join("/"), self.provider_or_channel(), ids.join(", ")]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn provider_or_channel(&self) -> String {
        if self.channel.is_empty() { self.provider.join("/") } else { self.channel.join("/") }
    }
}
