//! What is kept quiet: an exception to rules, whatever language they were written in.

use std::sync::Arc;

use rulestone_value::{Time, fold};

use crate::{Formula, Rule, Span, Vendor};

/// Events that do not count for some rules, because somebody knows what they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Exception {
    /// The file it stands in, as the user named it.
    pub path: Arc<str>,
    /// The line it begins on, from 1.
    pub line: usize,
    /// Its place in the file.
    pub span: Span,
    /// The rules it is about.
    pub rules: RuleNames,
    /// Only rules of this vendor.
    pub vendor: Option<Vendor>,
    /// One of these has to hold; none for an exception without conditions. Fields may be of several
    /// schemas.
    pub when: Option<Vec<Formula>>,
    /// Only events at or after this time.
    pub from: Option<Time>,
    /// Only events before this time.
    pub until: Option<Time>,
    /// Why.
    pub reason: String,
}

/// Which rules an exception is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleNames {
    /// All of them.
    All,
    /// Those with one of these ids or titles, without case, each with its place in the file.
    Some(Vec<(String, Span)>),
}

impl Exception {
    /// Whether it is about a rule.
    pub fn is_about(&self, rule: &Rule) -> bool {
        let named = |(name, _): &(String, Span)| {
            let name = fold(name);
            name == fold(&rule.meta.id) || name == fold(&rule.meta.title)
        };
        self.vendor.is_none_or(|vendor| vendor == rule.origin.vendor)
            && match &self.rules {
                RuleNames::All => true,
                RuleNames::Some(names) => names.iter().any(named),
            }
    }

    /// Whether a time lies within its bounds. What has no time lies in no bounds, and in those of
    /// an exception without any.
    pub fn applies_at(&self, time: Option<Time>) -> bool {
        match time {
            Some(time) => {
                self.from.is_none_or(|from| from <= time)
                    && self.until.is_none_or(|until| time < until)
            }
            None => self.from.is_none() && self.until.is_none(),
        }
    }

    /// Where it stands: `exceptions.yml:12`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.path, self.line)
    }
}
