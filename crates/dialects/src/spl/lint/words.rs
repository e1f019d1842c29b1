//! Terms that were meant to be comparisons, and comparisons that hold on one host alone.

use rulestone_ir::{Diagnostic, Level, Span};

use super::{Look, walk};
use crate::spl::ast::{Command, Name, Operator, Search, SearchValue};

/// Names of the number of an event, in lower case.
const NUMBERS: [&str; 4] = ["eventcode", "eventid", "event_id", "signature_id"];
/// Names of the host of an event, in lower case.
const HOSTS: [&str; 8] =
    ["host", "hostname", "host_name", "computername", "computer_name", "computer", "dest", "dvc"];
/// Values of these that name no host.
const NO_HOST: [&str; 8] = ["localhost", "unknown", "null", "none", "n/a", "na", "true", "false"];

/// Looks at the terms of a command.
pub(super) fn look(look: &mut Look<'_>, command: &Command) {
    for search in walk::searches(command) {
        let mut asks_number = false;
        walk::each_search(search, &mut |part| asks_number |= is_number_test(part));
        Terms { look, asks_number }.parts(search, false, false);
    }
}

/// Whether a part asks for the number of an event, in whichever way.
fn is_number_test(search: &Search) -> bool {
    match search {
        Search::Compare { field, .. } | Search::In { field, .. } => is_number(&field.value),
        Search::Token(name) => name.value.split_once('=').is_some_and(|(name, _)| is_number(name)),
        Search::Term(value) => value.text.contains("EventID>"),
        _ => false,
    }
}

struct Terms<'t, 'l> {
    look: &'t mut Look<'l>,
    /// Whether the number of the event is asked for somewhere: then a phrase with such a name may
    /// be of a command line.
    asks_number: bool,
}

impl Terms<'_, '_> {
    /// `denied` is whether the part stands behind a `NOT`, `beside` whether another way to ask for
    /// the number of an event is an alternative to it.
    fn parts(&mut self, search: &Search, denied: bool, beside: bool) {
        match search {
            Search::And(own) => {
                for pair in own.windows(2) {
                    number_behind(self.look, &pair[0], &pair[1]);
                }
                own.iter().for_each(|part| self.parts(part, denied, false));
            }
            Search::Or(own) => {
                let compares = |part: &Search| matches!(part, Search::Compare { field, .. } if is_number(&field.value));
                let beside = own.iter().any(compares);
                // Who asks for the text of events also asks for that of older ones.
                let asks_text = own.iter().any(|part| is_number_test(part) && !compares(part));
                for part in own {
                    if !(asks_text && matches!(part, Search::Term(_))) {
                        self.parts(part, denied, beside);
                    }
                }
            }
            Search::Not(part, _) => self.parts(part, true, beside),
            Search::Term(value) if beside || !self.asks_number => phrase(self.look, value),
            Search::Compare { field, operator, value }
                if operator.value == Operator::Equal && !denied =>
            {
                host(self.look, field, value, field.span.to(value.span));
            }
            Search::In { field, values } if !denied => {
                values.iter().for_each(|value| host(self.look, field, value, value.span));
            }
            _ => {}
        }
    }
}

/// `"eventcode=4103"`: a phrase that looks like a comparison of a field that no event's text has.
fn phrase(look: &mut Look<'_>, value: &SearchValue) {
    let Some((name, number)) = value.text.split_once('=') else { return };
    let (name, number) = (name.trim(), number.trim());
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if !value.quoted || !digits || !is_number(name) {
        return;
    }
    let message = format!("`{}` is a phrase that the text of events must have", value.text);
    let right = format!("{name}={number}");
    let diagnostic = Diagnostic::new(Level::Note, "phrase-for-comparison", message, value.span)
        .with_help(format!("write `{right}`, without the quotes around it"));
    look.say_with_edit(diagnostic, &format!("\"{}\"", value.text), &right);
}

/// `EventID 2101`: two words, where a comparison was meant.
fn number_behind(look: &mut Look<'_>, first: &Search, second: &Search) {
    let (Search::Term(name), Search::Term(number)) = (first, second) else { return };
    let digits = number.text.bytes().all(|byte| byte.is_ascii_digit());
    if name.quoted || number.quoted || !is_number(&name.text) || !digits || number.text.is_empty() {
        return;
    }
    let message = format!("`{}` and `{}` are two words, and no comparison", name.text, number.text);
    let right = format!("{}={}", name.text, number.text);
    let span = name.span.to(number.span);
    let diagnostic = Diagnostic::new(Level::Note, "phrase-for-comparison", message, span)
        .with_help(format!("write `{right}`"));
    look.say_with_edit(diagnostic, &format!("{} {}", name.text, number.text), &right);
}

fn is_number(name: &str) -> bool {
    NUMBERS.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// `host=SRV01`: the rule is about one host of whoever wrote it.
fn host(look: &mut Look<'_>, field: &Name, value: &SearchValue, span: Span) {
    let name = field.value.rsplit('.').next().unwrap_or_default();
    let is_host = HOSTS.iter().any(|own| name.eq_ignore_ascii_case(own));
    let text = &*value.text;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_name = text.contains(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    let none = NO_HOST.iter().any(|own| text.eq_ignore_ascii_case(own));
    if !is_host || !is_name || none {
        return;
    }
    let message = format!("`{}` is the name of one host: elsewhere it is another", value.text);
    let diagnostic = Diagnostic::new(Level::Note, "hard-coded-host", message, span)
        .with_help("remove it, or let it be a macro that each user defines");
    look.say(diagnostic);
}
