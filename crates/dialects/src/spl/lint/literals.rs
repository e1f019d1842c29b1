//! Values that mean something else than they look like: markup that no event has, wildcards where
//! they are characters.

use rulestone_ir::{Diagnostic, Level, Span};

use super::{Look, walk};
use crate::spl::ast::{Binary, Command, Eval, Operator, Search, SearchValue};

/// Looks at the values of a command.
pub(super) fn look(look: &mut Look<'_>, command: &Command) {
    for search in walk::searches(command) {
        walk::each_search(search, &mut |part| match part {
            Search::Term(value) => markup(look, value),
            Search::Compare { value, .. } => percent(look, value),
            Search::In { values, .. } => values.iter().for_each(|value| percent(look, value)),
            _ => {}
        });
    }
    for eval in walk::evals(command) {
        walk::each_eval(eval, &mut |part| wildcards(look, part));
    }
}

/// The number of an event as the XML of Windows events has it, and everything that is near it.
const NUMBER_TAGS: [&str; 2] = ["eventid", "eventcode"];

/// A phrase that wants to be `<EventID>3<` and is not.
fn markup(look: &mut Look<'_>, value: &SearchValue) {
    let text = &*value.text;
    if !value.quoted || !text.contains(['<', '>']) {
        return;
    }
    let Some(number) = meant_number(text) else { return };
    if is_markup(text) {
        return;
    }
    let right = format!("<EventID>{number}<");
    let message = format!("`{text}` stands in no event: the XML of an event has `{right}`");
    let diagnostic = Diagnostic::new(Level::Note, "malformed-literal", message, value.span)
        .with_help(format!("write `\"{right}\"`"));
    look.say_with_edit(diagnostic, &format!("\"{text}\""), &format!("\"{right}\""));
}

/// The number in a text that is nothing but the name of the number, signs and the number.
fn meant_number(text: &str) -> Option<&str> {
    let letters: String = text.chars().filter(char::is_ascii_alphabetic).collect();
    let letters = letters.to_ascii_lowercase();
    let is_name = NUMBER_TAGS
        .iter()
        .any(|tag| letters.strip_prefix(tag).is_some_and(|rest| rest.is_empty() || rest == *tag));
    let digits = |c: char| c.is_ascii_digit();
    let start = text.find(digits)?;
    let rest = &text[start..];
    let end = rest.find(|c| !digits(c)).unwrap_or(rest.len());
    let others = text.chars().all(|c| c.is_ascii_alphanumeric() || "<>/".contains(c));
    (is_name && others && !rest[end..].contains(digits)).then(|| &rest[..end])
}

/// Whether a text is a part of `<EventID>3</EventID>`.
fn is_markup(text: &str) -> bool {
    let number: String = text.chars().filter(char::is_ascii_digit).collect();
    let whole = format!("<EventID>{number}</EventID>").to_ascii_lowercase();
    whole.contains(&text.to_ascii_lowercase())
}

/// `%` at the ends of a value of `search`, which knows `*` alone.
fn percent(look: &mut Look<'_>, value: &SearchValue) {
    let text = &*value.text;
    let inner = text.trim_matches('%');
    // `%%1936` is a message of Windows, `%APPDATA%` a variable.
    let is_message = text.starts_with("%%");
    let is_variable = text.len() > 2
        && inner.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && text.matches('%').count() == 2;
    let ends = (text.starts_with('%'), text.ends_with('%'));
    let wanted = match ends {
        (true, true) => !is_variable || inner.chars().any(|c| c.is_ascii_lowercase()),
        (true, false) | (false, true) => text.matches('%').count() == 1,
        (false, false) => false,
    };
    // So the log of Windows writes the names of objects.
    let is_object = text.starts_with("%{");
    if !wanted || is_message || is_object || inner.is_empty() || text.contains('*') {
        return;
    }
    let message = format!("`%` in `{text}` is a character: the wildcard of `search` is `*`");
    let right = format!("{}{inner}{}", star(ends.0), star(ends.1));
    let diagnostic = Diagnostic::new(Level::Note, "literal-wildcard", message, value.span)
        .with_help(format!("write `{right}`"));
    look.say(diagnostic);
}

fn star(there: bool) -> &'static str {
    if there { "*" } else { "" }
}

/// `*` in eval expressions, where it is a character, or repeats what stands before it.
fn wildcards(look: &mut Look<'_>, eval: &Eval) {
    match eval {
        Eval::Binary { operator, left, right } => {
            let sides = [&**left, &**right];
            let Some((text, span)) = sides.into_iter().find_map(text_of) else { return };
            match operator.value {
                Binary::Compare(Operator::Equal | Operator::NotEqual) => equal(look, text, span),
                Binary::Like => like(look, text, span),
                _ => {}
            }
        }
        Eval::In { values, .. } => {
            let texts = values.iter().filter_map(text_of);
            texts.for_each(|(text, span)| equal(look, text, span));
        }
        Eval::Call { name, arguments, .. } => {
            let Some((text, span)) = arguments.get(1).and_then(text_of) else { return };
            match &*name.value {
                "like" => like(look, text, span),
                "match" => glob(look, text, span),
                _ => {}
            }
        }
        _ => {}
    }
}

fn text_of(eval: &Eval) -> Option<(&str, Span)> {
    match eval {
        Eval::Text(text, span) => Some((text, *span)),
        _ => None,
    }
}

/// A star at an end of a text that is compared.
fn equal(look: &mut Look<'_>, text: &str, span: Span) {
    let inner = text.trim_matches('*');
    let is_wild = text.starts_with('*') || text.ends_with('*');
    if !is_wild || !inner.contains(char::is_alphanumeric) {
        return;
    }
    let message = format!("`*` in `{text}` is a character: `=` of an expression knows no wildcard");
    let right = text.replace('*', "%");
    let help = format!("write `like(field, \"{right}\")`");
    look.say(Diagnostic::new(Level::Note, "literal-wildcard", message, span).with_help(help));
}

/// A star in `like()`, which knows `%` and `_`.
fn like(look: &mut Look<'_>, text: &str, span: Span) {
    let is_wild = text.starts_with('*') || text.ends_with('*');
    if !is_wild || text.contains('%') {
        return;
    }
    let message = format!("`*` in `{text}` is a character: the wildcard of `like` is `%`");
    let right = text.replace('*', "%");
    let diagnostic = Diagnostic::new(Level::Note, "literal-wildcard", message, span)
        .with_help(format!("write `\"{right}\"`"));
    look.say_with_edit(diagnostic, &format!("\"{text}\""), &format!("\"{right}\""));
}

/// A glob in place of a regular expression: `power*` also matches `powe`.
fn glob(look: &mut Look<'_>, text: &str, span: Span) {
    let Some(inner) = text.strip_suffix('*') else { return };
    let plain = inner.chars().all(|c| c.is_ascii_alphanumeric() || " _-.".contains(c));
    let letter = inner.ends_with(|c: char| c.is_ascii_alphanumeric());
    if !plain || !letter || inner.len() < 2 {
        return;
    }
    let message =
        format!("`*` in `{text}` repeats the character before it: it stands for no other text");
    let help = format!("write `\"{inner}\"`, which is found anywhere");
    look.say(Diagnostic::new(Level::Note, "literal-wildcard", message, span).with_help(help));
}
