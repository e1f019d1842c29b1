//! The files rules come in.

mod anvilogic;
mod escu;
mod playbook;
mod schedule;
mod search;
mod sigma;
pub mod yaml;

use rulestone_ir::{
    Clock, Diagnostic, Language, Meta, Origin, Rule, Schema, Span, Status, Trigger,
};

pub use crate::Environment;
pub use crate::sigma::Filter;
use crate::{Lowered, Text, snowflake, spl};
pub use anvilogic::normalised_fields;
pub use playbook::loose_fields;
pub use schedule::relative;

/// What there is to say about one rule of a file. A rule that cannot be run is here all the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What its author says about it, as far as it could be read.
    pub meta: Meta,
    /// Where it came from.
    pub origin: Origin,
    /// The rule, when it can be run.
    pub rule: Option<Rule>,
    /// What is to be said about it, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// What it does to other rules.
    pub effect: Effect,
}

/// What a document does to other rules.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Effect {
    /// Nothing.
    #[default]
    None,
    /// The rules it reads are building blocks for it, and raise no alerts of their own.
    Absorbs,
    /// It is no rule, but joined to others.
    Filters(Filter),
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Sigma rules.
    Sigma,
    /// A detection of Splunk's security content.
    Escu,
    /// A detection of Anvilogic's armory.
    Anvilogic,
    /// What rules need or what explains them, but no rule: a macro, a lookup, a story.
    Companion,
    /// One search and nothing else.
    Search,
    /// A list of saved searches.
    SavedSearches,
    /// A page of Markdown that says what to hunt for.
    Playbook,
}

/// Puts a reading together: the rule runs where nothing said so far keeps it from that.
fn reading(
    meta: Meta,
    origin: Origin,
    trigger: Trigger,
    lowered: Option<Lowered>,
    mut diagnostics: Vec<Diagnostic>,
) -> Reading {
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    diagnostics.dedup();
    let runs = Status::of(&diagnostics).runs();
    let rule = lowered.filter(|_| runs).map(|Lowered { sources, stages, clock, .. }| Rule {
        meta: meta.clone(),
        origin: origin.clone(),
        sources,
        stages,
        clock,
        trigger,
    });
    Reading { meta, origin, rule, diagnostics, effect: Effect::None }
}

/// What a file holds, by a look at its text, and for searches without a container at its name.
/// Files of other kinds are none of ours.
pub fn recognise(text: &str, path: &str) -> Option<Contents> {
    if search::is_search(path) {
        return Some(Contents::Search);
    }
    if search::is_saved_searches(text, path) {
        return Some(Contents::SavedSearches);
    }
    if anvilogic::recognise(text) {
        return Some(Contents::Anvilogic);
    }
    if playbook::recognise(text, path) {
        return Some(Contents::Playbook);
    }
    if sigma::recognise(text) {
        return Some(Contents::Sigma);
    }
    Some(match escu::recognise(text)? {
        escu::Sort::Search => Contents::Escu,
        escu::Sort::Companion => Contents::Companion,
    })
}

/// Reads every rule of a file; none when [`recognise`] does not know it. `path` is the file as the
/// user named it; it tells searches without a container, and else only goes into what is returned.
pub fn read(text: &str, path: &str, environment: &Environment) -> Vec<Reading> {
    match recognise(text, path) {
        Some(Contents::Sigma) => sigma::read(text, path, environment),
        Some(Contents::Escu) => escu::read(text, path, environment),
        Some(Contents::Anvilogic) => anvilogic::read(text, path, environment),
        Some(Contents::Search) => search::read_search(text, path, environment),
        Some(Contents::SavedSearches) => search::read_saved(text, path, environment),
        Some(Contents::Playbook) => playbook::read(text, path, environment),
        Some(Contents::Companion) | None => Vec::new(),
    }
}

/// The tokens of the conditions and searches of a file, one a line.
pub fn print_tokens(text: &str, path: &str, environment: &Environment) -> String {
    match recognise(text, path) {
        Some(Contents::Sigma) | None => sigma::print_tokens(text),
        Some(contents) => each_search(contents, text, path, &|language, search| match language {
            Language::Snowflake => snowflake::print_tokens(search),
            _ => spl::print_tokens(search, environment, &mut Vec::new()),
        }),
    }
}

/// The AST of every rule of a file.
pub fn print_ast(text: &str, path: &str, environment: &Environment) -> String {
    let print = |language, search: &Text<'_>| match language {
        Language::Snowflake => snowflake::print_ast(search, &mut Vec::new()),
        _ => spl::print_ast(search, environment, &mut Vec::new()),
    };
    match recognise(text, path) {
        Some(Contents::Sigma) | None => sigma::print_ast(text),
        Some(contents) => {
            let mut all = each_search(contents, text, path, &print);
            if contents == Contents::Playbook {
                all.extend(playbook::print_commands(text).iter().map(|own| format!("\n{own}")));
            }
            all
        }
    }
}

/// Prints the searches of a file, each by itself: its places are those in its own text.
fn each_search(
    contents: Contents,
    text: &str,
    path: &str,
    print: &dyn Fn(Language, &Text<'_>) -> String,
) -> String {
    let all = |language, searches: Vec<String>| -> Vec<(Language, String)> {
        searches.into_iter().map(|search| (language, search)).collect()
    };
    let (searches, schema) = match contents {
        Contents::Escu => (all(Language::Spl, escu::searches(text)), Schema::Splunk),
        Contents::Anvilogic => (anvilogic::searches(text), Schema::Anvilogic),
        Contents::Playbook => (all(Language::Spl, playbook::searches_of(text)), Schema::Playbook),
        Contents::Search if search::is_sql(path) => {
            (all(Language::Snowflake, search::searches(text, path)), Schema::Anvilogic)
        }
        Contents::Search | Contents::SavedSearches => {
            (all(Language::Spl, search::searches(text, path)), Schema::Splunk)
        }
        Contents::Sigma | Contents::Companion => (Vec::new(), Schema::Splunk),
    };
    let print = |(language, search): &(Language, String)| {
        let clock = Clock::Whole;
        print(*language, &Text { search, place: &Span::new, clock, schema, written: None })
    };
    searches.iter().map(print).collect::<Vec<_>>().join("\n")
}
