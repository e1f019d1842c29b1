//! Words that filters ask for.

use regex_syntax::hir::{Class, Hir, HirKind};
use rulestone_ir::{Case, Formula, Predicate, Regex, Test};

/// The texts that a test asks for in some spelling.
pub(super) fn of_test(predicate: &Predicate) -> Vec<String> {
    match &predicate.test {
        Test::Equals(text)
        | Test::StartsWith(text)
        | Test::EndsWith(text)
        | Test::Contains(text) => vec![text.clone()],
        Test::Wildcard(glob) | Test::Term(glob, _) => {
            glob.to_string().split(['*', '?']).map(str::to_owned).collect()
        }
        Test::Regex(regex) => of_regex(regex),
        _ => Vec::new(),
    }
}

/// The literal texts of an expression, where letters count in one case alone or in both.
pub(super) fn of_regex(regex: &Regex) -> Vec<String> {
    let mut parser = regex_syntax::ParserBuilder::new();
    let parsed = parser.nest_limit(100).build().parse(&regex.pattern);
    let Ok(hir) = parsed else { return Vec::new() };
    let mut texts = vec![String::new()];
    collect(&hir, &mut texts);
    texts.retain(|text| !text.is_empty());
    texts
}

/// Goes on with the last text; whatever is no single character starts a new one.
fn collect(hir: &Hir, texts: &mut Vec<String>) {
    match hir.kind() {
        HirKind::Literal(text) => push(texts, &String::from_utf8_lossy(&text.0)),
        HirKind::Class(Class::Unicode(class)) => match letter(class) {
            Some(c) => push(texts, &c.to_string()),
            None => texts.push(String::new()),
        },
        HirKind::Capture(own) => {
            texts.push(String::new());
            collect(&own.sub, texts);
            texts.push(String::new());
        }
        HirKind::Concat(parts) => parts.iter().for_each(|part| collect(part, texts)),
        HirKind::Alternation(parts) => {
            let before = texts.last().cloned().unwrap_or_default();
            for part in parts {
                texts.push(before.clone());
                collect(part, texts);
            }
            texts.push(String::new());
        }
        HirKind::Repetition(own) => {
            texts.push(String::new());
            collect(&own.sub, texts);
            texts.push(String::new());
        }
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Class(_) => texts.push(String::new()),
    }
}

fn push(texts: &mut Vec<String>, text: &str) {
    match texts.last_mut() {
        Some(last) => last.push_str(text),
        None => texts.push(text.to_owned()),
    }
}

/// The letter of a class that has both its cases: `[aA]`, and `[kKK]`.
fn letter(class: &regex_syntax::hir::ClassUnicode) -> Option<char> {
    let mut letters = class.ranges().iter().flat_map(|range| range.start()..=range.end());
    let first = letters.by_ref().take(4).map(|c| c.to_lowercase().next());
    let mut folded: Vec<Option<char>> = first.collect();
    let is_short = letters.next().is_none();
    // The long s is a spelling of s.
    folded.retain(|c| *c != Some('ſ'));
    folded.dedup();
    match &*folded {
        [Some(c)] if is_short => Some(*c),
        _ => None,
    }
}

/// Whether the letters of an expression count.
pub(super) fn is_cased(predicate: &Predicate) -> bool {
    match &predicate.test {
        Test::Regex(regex) => !regex.ignore_case && !regex.pattern.contains("(?i"),
        _ => predicate.case == Case::Sensitive,
    }
}

/// The tests of a formula that want something to be there, alternatives too.
pub(super) fn wanted<'f>(formula: &'f Formula, out: &mut Vec<&'f Predicate>) {
    match formula {
        Formula::And(parts) | Formula::Or(parts) => {
            parts.iter().for_each(|part| wanted(part, out));
        }
        Formula::Group(group) => wanted(&group.formula, out),
        Formula::Test(predicate) => out.push(predicate),
        Formula::Not(_) | Formula::IsTrue(_) => {}
    }
}
