//! `rex`, `spath`, `xmlkv`, `extract`, `fromjson`: columns out of a text.

use std::sync::Arc;

use rulestone_ir::{Extract, Extractor, RowStage, Span};

use super::super::settings::{Settings, names};
use super::super::{Lowering, Rows};
use crate::regex::group_names;
use crate::spl::ast::{Command, Name, Syntax};

/// The text of the whole event.
const RAW: &str = "_raw";

/// `rex`
pub(in crate::spl) fn rex(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Rex { settings, pattern } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let known = ["field", "mode", "max_match", "offset_field"];
    let settings = lowering.settings(settings, &known, &[], command);
    let from: Arc<str> = settings.text("field").unwrap_or(RAW).into();
    if settings.text("mode").is_some_and(|mode| mode.eq_ignore_ascii_case("sed")) {
        return sed(lowering, rows, command, (from, pattern));
    }
    let Some(regex) = lowering.regex(&pattern.value, pattern.span) else { return rows };
    if group_names(&regex.pattern).is_empty() {
        let message = "the expression has no group with a name, and takes nothing out";
        lowering.invalid("rex-without-names", message, pattern.span);
        return rows;
    }
    let by = Extractor::Captures {
        regex,
        most: settings.number("max_match").unwrap_or(1),
        offsets: settings.text("offset_field").map(Arc::from),
    };
    lowering.push(rows, RowStage::Extract(Extract { from, by }), command)
}

/// `rex mode=sed`: `s/…/…/g` and `y/…/…/`, several behind each other.
fn sed(
    lowering: &mut Lowering<'_>,
    mut rows: Rows,
    command: &Command,
    (from, script): (Arc<str>, &Name),
) -> Rows {
    let mut rest = script.value.trim();
    while !rest.is_empty() {
        let Some((by, behind)) = sed_step(lowering, rest, script.span) else {
            let message = format!("`{rest}` is neither `s/…/…/` nor `y/…/…/`");
            lowering.invalid("bad-sed", message, script.span);
            return rows;
        };
        let Some(by) = by else { return rows };
        let stage = RowStage::Extract(Extract { from: from.clone(), by });
        rows = lowering.push(rows, stage, command);
        rest = behind.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
    }
    rows
}

/// One step, and what stands behind it. Nothing for an expression that was said to be bad.
fn sed_step<'t>(
    lowering: &mut Lowering<'_>,
    text: &'t str,
    span: Span,
) -> Option<(Option<Extractor>, &'t str)> {
    let mut chars = text.chars();
    let (verb, sign) = (chars.next()?, chars.next()?);
    let (first, rest) = up_to(chars.as_str(), sign)?;
    let (second, rest) = up_to(rest, sign)?;
    if verb == 'y' {
        return Some((Some(Extractor::Translate(first, second)), rest));
    }
    let flags = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let (flags, rest) = rest.split_at(flags);
    if verb != 's' || !flags.chars().all(|c| c == 'g' || c == 'i' || c == '1') {
        return None;
    }
    let regex = lowering.regex(&first, span).map(|mut regex| {
        regex.ignore_case = flags.contains('i');
        regex
    });
    let most = if flags.contains('g') { None } else { Some(1) };
    Some((regex.map(|regex| Extractor::Replace { regex, with: second, most }), rest))
}

/// The text up to a sign that is not escaped, and what is behind the sign.
fn up_to(text: &str, sign: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            if c != sign {
                out.push('\\');
            }
            out.push(c);
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == sign {
            return Some((out, &text[at + c.len_utf8()..]));
        } else {
            out.push(c);
        }
    }
    None
}

/// `spath`: one path of JSON or XML, or every one.
pub(in crate::spl) fn spath(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Spath { settings } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let settings = lowering.settings(settings, &["input", "output", "path"], &[], command);
    let from = settings.text("input").unwrap_or(RAW).into();
    let path = settings.text("path").map(|path| {
        let into = settings.text("output").unwrap_or(path);
        (path.to_owned(), Arc::from(into))
    });
    lowering.push(rows, RowStage::Extract(Extract { from, by: Extractor::Paths { path } }), command)
}

/// `xmlkv`: every element by its name.
pub(in crate::spl) fn xml(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    lowering.settings(&own.settings, &[], &["maxinputs"], command);
    let from = own.names.first().map_or(RAW, |name| &name.value).into();
    lowering.push(rows, RowStage::Extract(Extract { from, by: Extractor::XmlValues }), command)
}

/// `extract`, `kv`: pairs of names and values.
pub(in crate::spl) fn pairs(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    let silent = ["reload", "limit", "maxchars", "mv_add", "clean_keys", "segment"];
    let settings = lowering.settings(&own.settings, &["pairdelim", "kvdelim"], &silent, command);
    if let Some(name) = own.names.first() {
        let message = "how fields are taken out by name is in Splunk's settings, not in the search";
        lowering.unsupported("needs-transforms", message, name.span);
        return rows;
    }
    let text = |settings: &Settings<'_>, name| settings.text(name).map(str::to_owned);
    let by = Extractor::Pairs {
        between: text(&settings, "pairdelim"),
        equals: text(&settings, "kvdelim"),
    };
    lowering.push(rows, RowStage::Extract(Extract { from: RAW.into(), by }), command)
}

/// `fromjson`: every member of an object.
pub(in crate::spl) fn json(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    let settings = lowering.settings(&own.settings, &["prefix"], &[], command);
    let prefix = settings.text("prefix").unwrap_or_default().into();
    let [field] = own.names.as_slice() else { return lowering.misread(rows, command) };
    let stage = Extract { from: field.value.clone(), by: Extractor::JsonMembers(prefix) };
    lowering.push(rows, RowStage::Extract(stage), command)
}
