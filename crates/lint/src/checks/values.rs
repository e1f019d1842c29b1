//! Values that a field never has, going by `facts.toml`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rulestone_ir::{Comparison, Diagnostic, Span, Test};

use super::filters::Asked;
use super::say;
use crate::facts::{self, Fact, Sort};
use crate::prover::{Atom, Claim, Compiled, Says};

/// Looks at every value that the filters of a source compare with.
pub(crate) fn check(asked: &Asked<'_>) -> Vec<Diagnostic> {
    let mut said = Vec::new();
    let mut seen: BTreeSet<(usize, String)> = BTreeSet::new();
    for part in &asked.parts {
        Claim::of(part).literals(&mut |literal| {
            let (Says::Some(set) | Says::Every(set)) = &literal.says else { return };
            for (at, atom) in set.atoms.iter().enumerate() {
                let span = literal.spans.get(at).or(literal.spans.first());
                let span = span.copied().unwrap_or_default();
                for fact in facts::about(&literal.field, asked.scope) {
                    let Some(own) = outside(&literal.field, atom, fact, span) else { continue };
                    if seen.insert((span.start, own.message.clone())) {
                        said.push(own);
                    }
                }
            }
        });
    }
    said
}

fn outside(field: &str, atom: &Atom, fact: &Fact, span: Span) -> Option<Diagnostic> {
    let text = compared(atom)?;
    if is_placeholder(&text) {
        return None;
    }
    if let Some(sort) = fact.sort {
        let wrong = match sort {
            Sort::Integer => not_a_number(atom, &text, fact),
            Sort::Address => not_an_address(atom, &text),
            Sort::Path => not_a_path(atom, &text),
        }?;
        let message = format!("`{field}` never has a value like `{text}`: {wrong}");
        return Some(say("value-outside-type", message, span));
    }
    let mut compiled = Compiled::default();
    let may = |value: &String| atom.passes(value, &mut compiled) != Some(false);
    if fact.values.is_empty() || fact.values.iter().any(may) {
        return None;
    }
    let message = format!("`{field}` never has the value `{text}`");
    let known = fact.values.join(", ");
    Some(say("value-outside-vocabulary", message, span).with_help(format!("it is one of {known}")))
}

/// The text that a test compares with, of tests that ask for a value.
fn compared(atom: &Atom) -> Option<String> {
    match atom {
        Atom::Compare(Comparison::Equal, value) => value.text().map(|text| text.into_owned()),
        Atom::Test(Test::Number(Comparison::Equal, number), _) => Some(number.to_string()),
        Atom::Test(
            Test::Equals(_)
            | Test::StartsWith(_)
            | Test::EndsWith(_)
            | Test::Contains(_)
            | Test::Wildcard(_),
            _,
        ) => match atom {
            Atom::Test(test, _) => Some(test.pattern()),
            Atom::Compare(..) => None,
        },
        _ => None,
    }
}

/// What stands for nothing, or for values that are filled in elsewhere.
fn is_placeholder(text: &str) -> bool {
    text.trim().is_empty() || text == "-" || text.contains(['%', '$', '{', '/'])
}

fn is_whole(atom: &Atom) -> bool {
    matches!(atom, Atom::Compare(..) | Atom::Test(Test::Equals(_) | Test::Number(..), _))
}

fn not_a_number(atom: &Atom, text: &str, fact: &Fact) -> Option<String> {
    if is_whole(atom) {
        let Some(number) = text.trim().parse::<f64>().ok().filter(|number| number.fract() == 0.0)
        else {
            return Some("it is a whole number".to_owned());
        };
        let (least, most) = (fact.least?, fact.most?);
        return (number < least || number > most)
            .then(|| format!("it is a number from {least} to {most}"));
    }
    let digits = |c: char| c.is_ascii_digit() || "*? ".contains(c);
    (!text.chars().all(digits)).then(|| "it is a whole number".to_owned())
}

fn not_an_address(atom: &Atom, text: &str) -> Option<String> {
    let wrong = if is_whole(atom) {
        text.trim().parse::<IpAddr>().is_err()
    } else {
        !text.chars().all(|c| c.is_ascii_hexdigit() || ".:*? ".contains(c))
    };
    wrong.then(|| "it is an address".to_owned())
}

/// What a path cannot begin with.
fn not_a_path(atom: &Atom, text: &str) -> Option<String> {
    let is_start = match atom {
        Atom::Compare(..) | Atom::Test(Test::Equals(_) | Test::StartsWith(_), _) => true,
        Atom::Test(Test::Wildcard(_), _) => !text.starts_with(['*', '?']),
        Atom::Test(..) => false,
    };
    let mut chars = text.chars();
    let has_drive = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.next().is_none_or(|c| ":*?".contains(c));
    let from_root = [r"\\", r"\device", r"\systemroot", r"\??"];
    let has_root = from_root
        .iter()
        .any(|root| text.get(..root.len()).is_some_and(|start| start.eq_ignore_ascii_case(root)));
    // `System`, `<unknown process>`.
    let is_name = !text.contains(['\\', '.', ':']);
    (is_start && !has_drive && !has_root && !is_name)
        .then(|| "it is a whole path, from the drive on".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_ir::{Case, Schema, Scope};
    use rulestone_value::Glob;

    use super::*;

    #[test]
    fn values_of_fields() {
        let equals = |text: &str| Atom::Test(Test::Equals(text.to_owned()), Case::Insensitive);
        let starts = |text: &str| Atom::Test(Test::StartsWith(text.to_owned()), Case::Insensitive);
        let wildcard =
            |text: &str| Atom::Test(Test::Wildcard(Glob::stars(text)), Case::Insensitive);
        let cases = [
            ("EventID", equals("4688"), ""),
            ("EventID", equals("abc"), "value-outside-type"),
            ("EventID", equals("70000"), "value-outside-type"),
            ("EventID", equals("%ids%"), ""),
            ("EventID", wildcard("46*"), ""),
            ("EventID", wildcard("x*"), "value-outside-type"),
            ("DestinationPort", equals("99999"), "value-outside-type"),
            (
                "DestinationPort",
                Atom::Test(Test::Number(Comparison::Greater, 1e6), Case::Sensitive),
                "",
            ),
            ("LogonType", equals("3"), ""),
            ("LogonType", equals("99"), "value-outside-vocabulary"),
            ("LogonType", wildcard("1*"), ""),
            ("Image", equals("abc"), ""),
            ("Image", equals("System"), ""),
            ("Image", equals(r"C:\Windows\a.exe"), ""),
            ("Image", equals(r"\Device\HarddiskVolume2\a.exe"), ""),
            ("Image", wildcard(r"*\a.exe"), ""),
            ("Image", equals("a.exe"), "value-outside-type"),
            ("Image", equals(r"\a.exe"), "value-outside-type"),
            ("Image", wildcard(r":\a\*.exe"), "value-outside-type"),
            ("TargetFilename", starts(r"\Logging\"), "value-outside-type"),
            ("TargetFilename", starts(r"c"), ""),
        ];
        let keys = [(Arc::from("product"), Arc::from("windows"))];
        let scope = Scope { schema: Schema::Sigma, keys: keys.into() };
        for (field, atom, expected) in cases {
            let mut found = facts::about(field, &scope)
                .filter_map(|fact| outside(field, &atom, fact, Span::default()));
            let code = found.next().map_or("", |said| said.code);
            assert_eq!(code, expected, "{field} {atom:?}");
        }
    }
}
