//! Options of commands.

use std::sync::Arc;

use super::Lowering;
use crate::spl::ast::{Command, Name, Names, Setting, Spanned, Syntax};

/// The options of a command, and what it knows of them.
pub(super) struct Settings<'s>(&'s [Setting]);

impl<'s> Settings<'s> {
    /// The value of an option; the last one where there are several.
    pub(super) fn get(&self, name: &str) -> Option<&'s Name> {
        let own = self.0.iter().rev().find(|setting| setting.name.value.eq_ignore_ascii_case(name));
        own.map(|setting| &setting.value)
    }

    /// The value as text.
    pub(super) fn text(&self, name: &str) -> Option<&'s str> {
        self.get(name).map(|value| &*value.value)
    }

    /// Whether an option is switched on.
    pub(super) fn flag(&self, name: &str, otherwise: bool) -> bool {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            Some("t" | "true" | "1" | "yes" | "y") => true,
            Some("f" | "false" | "0" | "no" | "n") => false,
            _ => otherwise,
        }
    }

    /// The value as a number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.trim().parse().ok()
    }
}

impl Lowering<'_> {
    /// The options of a command. Those that are neither in `known` nor in `silent`, which do not
    /// change what comes out, are refused.
    pub(super) fn settings<'s>(
        &mut self,
        settings: &'s [Setting],
        known: &[&str],
        silent: &[&str],
        command: &Command,
    ) -> Settings<'s> {
        for setting in settings {
            let name = setting.name.value.to_ascii_lowercase();
            if !known.contains(&&*name) && !silent.contains(&&*name) {
                let message = format!("`{}` with `{name}=` is not run", command.name.value);
                self.unsupported("unsupported-option", message, setting.name.span);
            }
        }
        Settings(settings)
    }
}

/// The names and options of a command, in whichever form the parser left them.
pub(super) fn names(command: &Command) -> Option<Names> {
    let empty = Names {
        count: None,
        minus: false,
        names: Vec::new(),
        settings: Vec::new(),
        sort: Vec::new(),
    };
    match &command.syntax {
        Syntax::Names(names) => Some(names.clone()),
        Syntax::Generate { settings } => Some(Names { settings: settings.clone(), ..empty }),
        Syntax::Other { text } => Some(words(text, empty)),
        _ => None,
    }
}

/// Names and options out of plain text.
fn words(text: &Name, mut names: Names) -> Names {
    let span = text.span;
    let name = |value: &str| Spanned { value: Arc::from(value), span };
    let mut rest = text.value.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == ',' || first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, behind) = word(rest);
        rest = behind;
        match rest.strip_prefix('=') {
            Some(value) => {
                let (value, behind) = self::word(value.trim_start());
                rest = behind;
                let option = name(&word.to_ascii_lowercase());
                names.settings.push(Setting { name: option, value: name(&value) });
            }
            None if word == "-" && names.names.is_empty() => names.minus = true,
            None if word == "+" && names.names.is_empty() => {}
            None => names.names.push(name(&word)),
        }
    }
    names
}

/// A word or what stands in quotes at the start of a text, and what is behind it.
fn word(text: &str) -> (String, &str) {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            let end = inner.find(quote).unwrap_or(inner.len());
            let behind = inner.get(end + 1..).unwrap_or_default();
            return (inner[..end].to_owned(), behind);
        }
    }
    let end = text.find(|c: char| c == ',' || c == '=' || c.is_whitespace()).unwrap_or(text.len());
    // Something is taken in any case, or this would never end.
    let end = if end == 0 { text.chars().next().map_or(0, char::len_utf8) } else { end };
    (text[..end].to_owned(), &text[end..])
}
