//! Texts that whatever a regular expression matches must have in it.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};
use rulestone_ir::Regex;
use rulestone_value::fold;

/// What must be in the folded text of a value for an expression to match it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Atoms {
    /// At least one of these.
    OneOf(Vec<String>),
    /// Nothing is known.
    Unknown,
}

/// Shorter texts are found everywhere and more of them cost more than they save.
const SHORTEST: usize = 3;
const MOST: usize = 64;

/// The atoms of an expression. One that only the look-around engine can read has none.
pub(crate) fn regex_atoms(regex: &Regex) -> Atoms {
    let parsed = ParserBuilder::new()
        .case_insensitive(regex.ignore_case)
        .multi_line(regex.multi_line)
        .dot_matches_new_line(regex.dot_all)
        .build()
        .parse(&regex.pattern);
    match parsed.ok().and_then(|hir| of_hir(&hir)) {
        Some(atoms) if atoms.iter().all(|a| a.len() >= SHORTEST) && atoms.len() <= MOST => {
            Atoms::OneOf(atoms)
        }
        _ => Atoms::Unknown,
    }
}

fn of_hir(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Literal(_) | HirKind::Class(_) => fixed_text(hir).map(|text| vec![text]),
        HirKind::Capture(capture) => of_hir(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => of_hir(&repetition.sub),
        HirKind::Repetition(_) | HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Concat(parts) => of_concat(parts),
        HirKind::Alternation(parts) => {
            let parts: Option<Vec<Vec<String>>> = parts.iter().map(of_hir).collect();
            let mut atoms = parts?.concat();
            atoms.sort();
            atoms.dedup();
            Some(atoms)
        }
    }
}

/// The best of what the parts say: neighbouring fixed texts count as one.
fn of_concat(parts: &[Hir]) -> Option<Vec<String>> {
    let mut candidates = Vec::new();
    let mut run = String::new();
    for part in parts {
        match fixed_text(part) {
            Some(text) => run.push_str(&text),
            None => {
                candidates.push(vec![std::mem::take(&mut run)]);
                candidates.extend(of_hir(part));
            }
        }
    }
    candidates.push(vec![run]);
    let worth = |atoms: &Vec<String>| {
        let shortest = atoms.iter().map(String::len).min().unwrap_or(0);
        (shortest.min(8), std::cmp::Reverse(atoms.len()), shortest)
    };
    candidates.into_iter().filter(|atoms| atoms.iter().all(|a| !a.is_empty())).max_by_key(worth)
}

/// The folded text that the part always matches, where it is one.
fn fixed_text(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok().map(fold),
        // A letter without case is the class of its cases.
        HirKind::Class(Class::Unicode(class)) => {
            let mut chars = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            let first = fold(chars.next()?.encode_utf8(&mut [0; 4]));
            let same = chars.take(4).all(|c| fold(c.encode_utf8(&mut [0; 4])) == first);
            let few = class.ranges().iter().map(|range| range.len()).sum::<usize>() <= 4;
            (same && few).then_some(first)
        }
        HirKind::Capture(capture) => fixed_text(&capture.sub),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atoms_of_expressions() {
        let cases: [(&str, bool, &[&str]); 10] = [
            ("Invoke-Thing", false, &["invoke-thing"]),
            (r"net(\.exe)?\s+(use|sessions)", false, &["net"]),
            (r"(foo|barbaz)\d", false, &["barbaz", "foo"]),
            (r"(?:foo)+bar", false, &["bar"]),
            (r"colou?r", false, &["colo"]),
            (r"[a-z]+", false, &[]),
            (r"(foo)?", false, &[]),
            (r"a|b", false, &[]),
            ("win\\.ini", true, &["win.ini"]),
            (r"(?=x)", false, &[]),
        ];
        for (pattern, ignore_case, expected) in cases {
            let regex = Regex {
                pattern: pattern.to_owned(),
                ignore_case,
                multi_line: false,
                dot_all: false,
            };
            let atoms = match regex_atoms(&regex) {
                Atoms::OneOf(atoms) => atoms,
                Atoms::Unknown => Vec::new(),
            };
            assert_eq!(atoms, expected, "{pattern}");
        }
    }
}
