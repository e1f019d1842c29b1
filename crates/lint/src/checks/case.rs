//! A match in which case counts, behind one of the same word in which it does not.

use rulestone_ir::{Diagnostic, Field, Predicate, Test};
use rulestone_value::fold;

use super::filters::Asked;
use super::{say, test, words};

/// Letters that a word has at least: shorter ones are in too much by accident.
const SHORTEST: usize = 4;

/// Looks for tests with case of words that an earlier test takes in any case.
pub(crate) fn check(asked: &Asked<'_>) -> Vec<Diagnostic> {
    let mut said = Vec::new();
    let mut before: Vec<(&Predicate, Vec<String>)> = Vec::new();
    for part in &asked.parts {
        let mut tests = Vec::new();
        words::wanted(part, &mut tests);
        for later in tests.iter().filter(|own| is_pattern(own) && words::is_cased(own)) {
            let texts = words::of_test(later);
            let found = before.iter().filter(|(own, _)| is_about(own, later)).find_map(
                |(earlier, wanted)| {
                    let word = wanted
                        .iter()
                        .find(|word| texts.iter().any(|text| fold(text).contains(*word)))?;
                    Some((earlier, word))
                },
            );
            if let Some((earlier, word)) = found {
                said.push(remark(later, earlier, word));
            }
        }
        // Tests of one part are alternatives of each other, or beside each other.
        before.extend(tests.into_iter().filter(|own| !words::is_cased(own)).map(|own| {
            let mut texts: Vec<String> =
                words::of_test(own).iter().map(|text| fold(text)).collect();
            texts.retain(|text| text.chars().filter(|c| c.is_alphabetic()).count() >= SHORTEST);
            (own, texts)
        }));
    }
    said
}

/// Whether it looks for a word within a longer text: a whole value has its own spelling.
fn is_pattern(predicate: &Predicate) -> bool {
    !matches!(predicate.test, Test::Equals(_) | Test::Exists)
}

/// Whether an earlier test is of the same text: of the field, or of the event that has it.
fn is_about(earlier: &Predicate, later: &Predicate) -> bool {
    let whole = match &earlier.field {
        Field::Named { name, .. } => &**name == "_raw",
        Field::Any => true,
    };
    whole || earlier.field == later.field
}

fn remark(later: &Predicate, earlier: &Predicate, word: &str) -> Diagnostic {
    let message = format!(
        "{} tells upper from lower case, {} does not: `{}` passes the second alone",
        test(later),
        test(earlier),
        other_case(word, &words::of_test(later)),
    );
    let help = "use `(?i)`, or lower() on both sides, unless the spelling is what is looked for";
    say("case-after-caseless", message, later.span).with_help(help)
}

/// The word in a case that the texts do not have.
fn other_case(word: &str, texts: &[String]) -> String {
    let upper = word.to_uppercase();
    if texts.iter().any(|text| text.contains(&upper)) { word.to_owned() } else { upper }
}
