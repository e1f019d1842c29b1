//! Paths into JSON and XML: `a.b`, `a{}.b`, `a{0}`, `a{@attribute}`.

use rulestone_value::Value;

use super::json::{self, Json};
use super::{Arguments, Ready, text_at, xml};

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The member, or the elements, of this name.
    Name(String),
    /// All elements of a list.
    Each,
    /// One of them: from 0 in JSON and from the end below zero, from 1 in XML.
    Index(i64),
    /// An attribute.
    Attribute(String),
}

/// Takes a path apart. A name in `'` may have dots in it.
pub(crate) fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.trim_ascii();
    loop {
        if let Some(quoted) = rest.strip_prefix('\'') {
            let (name, after) = quoted.split_once('\'')?;
            steps.push(Step::Name(name.to_owned()));
            rest = after;
        } else {
            let (name, after) = rest.split_at(rest.find(['.', '{']).unwrap_or(rest.len()));
            if !name.is_empty() {
                steps.push(Step::Name(name.to_owned()));
            }
            rest = after;
        }
        while let Some(index) = rest.strip_prefix('{') {
            let (index, after) = index.split_once('}')?;
            steps.push(match index.strip_prefix('@') {
                Some(attribute) => Step::Attribute(attribute.to_owned()),
                None if index.is_empty() || index == "*" => Step::Each,
                None => Step::Index(index.parse().ok()?),
            });
            rest = after;
        }
        if rest.is_empty() {
            return (!steps.is_empty()).then_some(steps);
        }
        rest = rest.strip_prefix('.')?;
    }
}

/// What a function makes of the steps of its second argument.
fn with_steps(
    arguments: &Arguments<'_>,
    ready: &Ready,
    found: impl FnOnce(&str, &[Step]) -> Value,
) -> Value {
    let Some(text) = text_at(arguments, 0) else { return Value::Null };
    match (ready, text_at(arguments, 1)) {
        (Ready::Path(steps), _) => steps.as_ref().map_or(Value::Null, |steps| found(&text, steps)),
        (_, Some(path)) => steps(&path).map_or(Value::Null, |steps| found(&text, &steps)),
        _ => Value::Null,
    }
}

/// A path to one place gives its value; one to many gives a JSON list of what is there.
pub(super) fn json_path(arguments: &Arguments<'_>, ready: &Ready) -> Value {
    with_steps(arguments, ready, |text, steps| {
        let Some(json) = json::parse(text) else { return Value::Null };
        let found = json.at(steps);
        match steps.contains(&Step::Each) {
            false => found.first().map_or(Value::Null, |json| json.value()),
            true if found.is_empty() => Value::Null,
            true => {
                let raw: Vec<&str> = found.iter().map(|json| json.raw).collect();
                Value::String(format!("[{}]", raw.join(",")))
            }
        }
    })
}

/// What starts with `<` is XML. Many values make a list.
pub(super) fn any_path(arguments: &Arguments<'_>, ready: &Ready) -> Value {
    with_steps(arguments, ready, at_path)
}

/// The values at a path of a text that is JSON or XML; truth values are text, as logs have them.
pub(crate) fn at_path(text: &str, steps: &[Step]) -> Value {
    if text.trim_start().starts_with('<') {
        let found = xml::parse(text).map(|document| document.at(steps)).unwrap_or_default();
        return Value::list(found.into_iter().map(Value::String));
    }
    let Some(json) = json::parse(text) else { return Value::Null };
    Value::list(json.at(steps).into_iter().map(Json::as_column))
}
