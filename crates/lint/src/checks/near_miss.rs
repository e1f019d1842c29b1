//! Two filters that spell one word differently.
//!
//! No proof: the word may be somewhere else in the event. But who looks for `Get-NetTCPConnection`
//! in the event and for `Get-TCPConnection` in a field means one thing.

use rulestone_ir::{Diagnostic, Field, Formula, Predicate, Test};
use rulestone_value::fold;

use super::filters::Asked;
use super::{say, words};

/// Characters that a word has at least.
const SHORTEST: usize = 8;
/// Characters by which two spellings differ at most.
const FARTHEST: usize = 4;

/// Looks for alternatives of a search in the whole event whose word a later filter of a field has in
/// another spelling only.
pub(crate) fn check(asked: &Asked<'_>) -> Vec<Diagnostic> {
    let mut said = Vec::new();
    for (at, part) in asked.parts.iter().enumerate() {
        let mut tests = Vec::new();
        words::wanted(part, &mut tests);
        for own in tests.iter().filter(|own| is_whole_event(own)) {
            let wanted: Vec<String> =
                words::of_test(own).iter().map(|text| fold(text)).filter(|t| is_name(t)).collect();
            let [word] = &*wanted else { continue };
            let later = asked.parts.iter().skip(at + 1);
            said.extend(later.filter_map(|part| misspelt(own, word, part)));
        }
    }
    said
}

fn is_whole_event(predicate: &Predicate) -> bool {
    let event = match &predicate.field {
        Field::Named { name, .. } => &**name == "_raw",
        Field::Any => true,
    };
    event && matches!(predicate.test, Test::Term(..) | Test::Contains(_))
}

/// A name of several words in one: cmdlets, functions, programs.
fn is_name(text: &str) -> bool {
    let inner = text.trim_matches(|c: char| !c.is_alphanumeric());
    text.len() >= SHORTEST
        && inner.contains(['-', '_', '.'])
        && inner.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
        && !inner.chars().all(|c| c.is_ascii_digit() || "-_.".contains(c))
}

/// What is said where a later filter has the word nearly, and nowhere the word itself.
fn misspelt(own: &Predicate, word: &str, later: &Formula) -> Option<Diagnostic> {
    let mut tests = Vec::new();
    words::wanted(later, &mut tests);
    let texts: Vec<(String, &Predicate)> = tests
        .iter()
        .filter(|test| test.field != own.field && !matches!(test.test, Test::Exists))
        .flat_map(|test| words::of_test(test).into_iter().map(|text| (text, *test)))
        .collect();
    let is_it = |text: &str| text.contains(word) || is_name(text) && word.contains(text);
    if texts.iter().any(|(text, _)| is_it(&fold(text))) {
        return None;
    }
    let (near, test) = texts.iter().find_map(|(text, test)| {
        let mut names = text.split(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)));
        let near = names.find(|name| {
            let name = fold(name);
            is_name(&name) && (is_within(&name, word) || is_within(word, &name))
        })?;
        Some((near.to_owned(), test))
    })?;
    let message = format!(
        "`{}` wants `{}` and `{}` wants `{near}`: one of the spellings is wrong",
        own.field.name(),
        own.test.pattern(),
        test.field.name(),
    );
    let help = format!("the other spelling is {}", super::test(test));
    Some(say("near-miss", message, own.span).with_help(help))
}

/// Whether a word is a longer one with a few characters left out.
fn is_within(short: &str, long: &str) -> bool {
    let missing = long.chars().count().checked_sub(short.chars().count());
    let mut rest = long.chars();
    missing.is_some_and(|missing| (1..=FARTHEST).contains(&missing))
        && short.chars().all(|c| rest.any(|own| own == c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let cases = [
            ("get-tcpconnection", "get-nettcpconnection", true),
            ("get-nettcpconnection", "get-nettcpconnection", false),
            ("get-process", "get-nettcpconnection", false),
            ("invoke-webrequest", "invoke-restmethod", false),
        ];
        for (short, long, expected) in cases {
            assert_eq!(is_within(short, long), expected, "{short} {long}");
        }
    }
}
