//! The files rules come in.

mod escu;
mod schedule;
mod search;
mod sigma;
pub mod yaml;

use rulestone_ir::{Clock, Diagnostic, Meta, Origin, Rule, Schema, Span};

pub use crate::Environment;
pub use crate::sigma::Filter;
use crate::{snowflake, spl};
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
    /// What rules need or what explains them, but no rule: a macro, a lookup, a story.
    Companion,
    /// One search and nothing else.
    Search,
    /// A list of saved searches.
    SavedSearches,
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
        Some(Contents::Search) => search::read_search(text, path, environment),
        Some(Contents::SavedSearches) => search::read_saved(text, path, environment),
        Some(Contents::Companion) | None => Vec::new(),
    }
}

/// The tokens of the conditions and searches of a file, one a line.
pub fn print_tokens(text: &str, path: &str, environment: &Environment) -> String {
    match recognise(text, path) {
        Some(Contents::Sigma) | None => sigma::print_tokens(text),
        Some(Contents::Search) if search::is_sql(path) => {
            each_search(Contents::Search, text, path, &|query| {
                snowflake::print_tokens(&whole(query))
            })
        }
        Some(contents) => each_search(contents, text, path, &|search| {
            spl::print_tokens(&whole(search), environment, &mut Vec::new())
        }),
    }
}

/// The AST of every rule of a file.
pub fn print_ast(text: &str, path: &str, environment: &Environment) -> String {
    match recognise(text, path) {
        Some(Contents::Sigma) | None => sigma::print_ast(text),
        Some(Contents::Search) if search::is_sql(path) => {
            each_search(Contents::Search, text, path, &|query| {
                snowflake::print_ast(&whole(query), &mut Vec::new())
            })
        }
        Some(contents) => each_search(contents, text, path, &|search| {
            spl::print_ast(&whole(search), environment, &mut Vec::new())
        }),
    }
}

fn each_search(
    contents: Contents,
    text: &str,
    path: &str,
    print: &dyn Fn(&str) -> String,
) -> String {
    let searches = match contents {
        Contents::Escu => escu::searches(text),
        Contents::Search | Contents::SavedSearches => search::searches(text, path),
        Contents::Sigma | Contents::Companion => Vec::new(),
    };
    searches.iter().map(|search| print(search)).collect::<Vec<_>>().join("\n")
}

/// A search by itself, its places those in its own text.
fn whole(search: &str) -> spl::Text<'_> {
    spl::Text { search, place: &Span::new, clock: Clock::Whole, schema: Schema::Splunk }
}
