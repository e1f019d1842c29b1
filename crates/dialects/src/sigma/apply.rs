//! What a chain of modifiers makes of one value.

use std::net::IpAddr;

use ipnet::IpNet;
use rulestone_ir::{Comparison, Level, Regex, Relation, Test};
use rulestone_value::TimePart;

use super::Naming;
use super::encode::{base64, base64_offsets, utf16};
use super::modifiers::{Anchor, Flag, Modifier, Utf16, range_of};
use super::value::{Text, expand_pattern};
use crate::Environment;
use crate::containers::yaml::{Resolved, Scalar};
use crate::regex::{Reading, translate};

/// Spellings that `windash` may make of one value: four dashes.
const MAX_DASHES: usize = 5 * 5 * 5 * 5;
/// Spellings that `expand` may make of one value.
const MAX_EXPANDED: usize = 10_000;
/// Whole numbers above this are not exact as [`f64`].
const MAX_EXACT: i64 = 1 << f64::MANTISSA_DIGITS;

/// What a value tests.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Applied {
    /// This.
    Test(Test),
    /// The opposite.
    Not(Box<Applied>),
    /// One of these.
    OneOf(Vec<Applied>),
}

/// Why a value does not take its modifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) level: Level,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: String,
}

type Outcome<T> = Result<T, Problem>;

fn invalid<T>(
    code: &'static str,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Outcome<T> {
    Err(Problem { level: Level::Invalid, code, message: message.into(), help: help.into() })
}

fn unsupported<T>(
    code: &'static str,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Outcome<T> {
    Err(Problem { level: Level::Unsupported, code, message: message.into(), help: help.into() })
}

/// A value between two modifiers; see [`super::modifiers::Stage`].
enum Value<'t> {
    Raw(&'t Scalar<'t>),
    Text(Text),
    Bytes(Vec<u8>),
    Regex(Regex),
    Cidr(IpNet),
    Number(Comparison, f64),
    Part(TimePart, Comparison, f64),
    Field(String, Relation),
    Exists(bool),
    OneOf(Vec<Value<'t>>),
}

/// What a value is read with, besides its modifiers.
pub(crate) struct Setting<'a> {
    /// Whether it is a keyword: a value without a field.
    pub(crate) keyword: bool,
    /// What the name of another field means.
    pub(crate) naming: Naming,
    /// The values of placeholders.
    pub(crate) environment: &'a Environment,
}

/// Applies a chain that [`Modifier::step`] allows.
pub(crate) fn apply_all(
    modifiers: &[Modifier],
    scalar: &Scalar<'_>,
    setting: &Setting<'_>,
) -> Outcome<Applied> {
    let context = Context {
        placeholders: modifiers.contains(&Modifier::Expand),
        // A keyword stands anywhere, unless it is said where.
        anywhere: setting.keyword && !modifiers.iter().any(|m| matches!(m, Modifier::Anchor(_))),
        setting,
    };
    let value = modifiers
        .iter()
        .try_fold(Value::Raw(scalar), |value, modifier| context.apply(*modifier, value))?;
    context.finish(value)
}

struct Context<'a> {
    placeholders: bool,
    anywhere: bool,
    setting: &'a Setting<'a>,
}

impl Context<'_> {
    fn apply<'t>(&self, modifier: Modifier, value: Value<'t>) -> Outcome<Value<'t>> {
        if let Value::OneOf(values) = value {
            let values: Outcome<Vec<_>> =
                values.into_iter().map(|value| self.apply(modifier, value)).collect();
            return Ok(Value::OneOf(values?));
        }
        match modifier {
            // These are about the item and not about its values.
            Modifier::All | Modifier::Neq | Modifier::Cased => Ok(value),
            Modifier::Anchor(anchor) => self.anchor(anchor, value),
            Modifier::Regex => regex(value),
            Modifier::Flag(flag) => Ok(flagged(flag, value)),
            Modifier::Exists => exists(&value),
            Modifier::Cidr => cidr(&value),
            Modifier::Base64 => Ok(Value::Text(Text::plain(base64(&self.bytes(value, "base64")?)))),
            Modifier::Base64Offset => {
                let parts = base64_offsets(&self.bytes(value, "base64offset")?);
                Ok(Value::OneOf(parts.map(|part| Value::Text(Text::plain(part))).into()))
            }
            Modifier::Utf16(flavour) => self.widen(value, flavour),
            Modifier::Windash => self.windash(value),
            Modifier::Expand => self.expand(value),
            Modifier::FieldRef => self.field(value),
            Modifier::Compare(comparison) => compared(comparison, value),
            Modifier::Part(part) => {
                Ok(Value::Part(part, Comparison::Equal, number(&value, modifier)?))
            }
        }
    }

    fn anchor<'t>(&self, anchor: Anchor, value: Value<'t>) -> Outcome<Value<'t>> {
        Ok(match value {
            Value::Regex(regex) => Value::Regex(anchored(anchor, regex)),
            Value::Field(name, relation) => Value::Field(name, related(anchor, relation)),
            value => {
                let text = self.text(value)?;
                Value::Text(match anchor {
                    Anchor::Anywhere => text.open_start().open_end(),
                    Anchor::Start => text.open_end(),
                    Anchor::End => text.open_start(),
                })
            }
        })
    }

    /// The value as text with wildcards. Numbers and booleans are their own spelling.
    fn text(&self, value: Value<'_>) -> Outcome<Text> {
        match value {
            Value::Text(text) => Ok(text),
            Value::Raw(scalar) if scalar.is_null() => {
                let help = "null stands alone: the field is not there";
                invalid("bad-value", "null cannot be modified as a text", help)
            }
            Value::Raw(scalar) => Ok(Text::parse(&scalar.text, self.placeholders)),
            Value::Bytes(bytes) => readable(bytes).map(Text::plain),
            _ => invalid("bad-value", "this is not a text", "give a text"),
        }
    }

    /// The value as bytes to encode.
    fn bytes(&self, value: Value<'_>, modifier: &str) -> Outcome<Vec<u8>> {
        if let Value::Bytes(bytes) = value {
            return Ok(bytes);
        }
        match self.text(value)?.literal() {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => {
                let message = format!("`{modifier}` cannot encode wildcards");
                invalid("bad-value", message, "escape them as `\\*` and `\\?`")
            }
        }
    }

    fn widen<'t>(&self, value: Value<'t>, flavour: Utf16) -> Outcome<Value<'t>> {
        let text = self.text(value)?;
        match text.literal() {
            Some(literal) => Ok(Value::Bytes(utf16(literal, flavour))),
            None => text.map_plain(|part| readable(utf16(&part, flavour))).map(Value::Text),
        }
    }

    fn windash<'t>(&self, value: Value<'t>) -> Outcome<Value<'t>> {
        match self.text(value)?.windash(MAX_DASHES) {
            Some(texts) => Ok(Value::OneOf(texts.into_iter().map(Value::Text).collect())),
            None => {
                let message = "`windash` makes too many spellings of this value";
                unsupported("too-many-variants", message, "split it: one value for each option")
            }
        }
    }

    fn expand<'t>(&self, value: Value<'t>) -> Outcome<Value<'t>> {
        let expanded: Option<Vec<Value<'t>>> = if let Value::Regex(regex) = value {
            let values = |name: &str| self.placeholder(name).map(<[String]>::to_vec);
            let patterns = expand_pattern(&regex.pattern, MAX_EXPANDED, values)?;
            let regex = |pattern| Value::Regex(Regex { pattern, ..regex.clone() });
            patterns.map(|patterns| patterns.into_iter().map(regex).collect())
        } else {
            let texts = self.text(value)?.expand(MAX_EXPANDED, |name| {
                let values = self.placeholder(name)?;
                Ok(values.iter().map(|value| Text::parse(value, false)).collect())
            })?;
            texts.map(|texts| texts.into_iter().map(Value::Text).collect())
        };
        match expanded {
            Some(values) => Ok(Value::OneOf(values)),
            None => {
                let message = "the placeholders make too many spellings of this value";
                unsupported("too-many-variants", message, "split it, or shorten their lists")
            }
        }
    }

    fn placeholder(&self, name: &str) -> Outcome<&[String]> {
        match self.setting.environment.placeholders.get(name) {
            Some(values) => Ok(values),
            None => {
                let message = format!("the placeholder `%{name}%` has no values");
                unsupported("placeholder", message, "give them with `--placeholders FILE`")
            }
        }
    }

    fn field<'t>(&self, value: Value<'t>) -> Outcome<Value<'t>> {
        match self.text(value)?.literal() {
            Some(name) if !name.is_empty() => Ok(Value::Field(name.to_owned(), Relation::Equals)),
            _ => invalid("bad-value", "this does not name a field", "write it without wildcards"),
        }
    }

    /// What the value tests in the end.
    fn finish(&self, value: Value<'_>) -> Outcome<Applied> {
        let test = match value {
            Value::Raw(scalar) => match scalar.resolve() {
                Resolved::Null => return Ok(Applied::Not(Box::new(Applied::Test(Test::Exists)))),
                Resolved::Integer(number) if !self.anywhere && number.abs() <= MAX_EXACT => {
                    Test::Number(Comparison::Equal, number as f64)
                }
                Resolved::Float(number) if !self.anywhere => {
                    Test::Number(Comparison::Equal, number)
                }
                Resolved::Text => self.placed(Text::parse(&scalar.text, self.placeholders)),
                _ => self.placed(Text::plain(scalar.text.as_ref())),
            },
            Value::Text(text) => self.placed(text),
            Value::Bytes(bytes) => self.placed(Text::plain(readable(bytes)?)),
            Value::Regex(regex) => Test::Regex(checked(regex)?),
            Value::Cidr(network) => Test::Cidr(network),
            Value::Number(comparison, number) => Test::Number(comparison, number),
            Value::Part(part, comparison, number) => in_range(part, comparison, number)?,
            Value::Field(name, relation) => Test::SameAs((self.setting.naming)(&name), relation),
            Value::Exists(true) => Test::Exists,
            Value::Exists(false) => {
                return Ok(Applied::Not(Box::new(Applied::Test(Test::Exists))));
            }
            Value::OneOf(values) => {
                let parts: Outcome<Vec<_>> =
                    values.into_iter().map(|value| self.finish(value)).collect();
                return Ok(Applied::OneOf(parts?));
            }
        };
        Ok(Applied::Test(test))
    }

    fn placed(&self, text: Text) -> Test {
        let text = if self.anywhere { text.open_start().open_end() } else { text };
        text.into_test()
    }
}

fn regex<'t>(value: Value<'t>) -> Outcome<Value<'t>> {
    match value {
        Value::Raw(scalar) if !scalar.is_null() => Ok(Value::Regex(Regex {
            pattern: scalar.text.clone().into_owned(),
            ignore_case: false,
            multi_line: false,
            dot_all: false,
        })),
        _ => invalid("bad-value", "null is not a regular expression", "give a text"),
    }
}

/// The expression in the syntax of the IR.
fn checked(regex: Regex) -> Outcome<Regex> {
    match translate(&regex.pattern, Reading::Unicode) {
        Ok(pattern) => Ok(Regex { pattern, ..regex }),
        Err(reason) => {
            let message = format!("this is not a regular expression: {reason}");
            invalid(
                "bad-regex",
                message,
                "it is read as PCRE; in single quotes a backslash stands for itself",
            )
        }
    }
}

fn flagged(flag: Flag, value: Value<'_>) -> Value<'_> {
    let Value::Regex(mut regex) = value else { return value };
    match flag {
        Flag::IgnoreCase => regex.ignore_case = true,
        Flag::MultiLine => regex.multi_line = true,
        Flag::DotAll => regex.dot_all = true,
    }
    Value::Regex(regex)
}

fn anchored(anchor: Anchor, regex: Regex) -> Regex {
    let pattern = match anchor {
        Anchor::Anywhere => return regex,
        Anchor::Start => format!(r"\A(?:{})", regex.pattern),
        Anchor::End => format!(r"(?:{})\z", regex.pattern),
    };
    Regex { pattern, ..regex }
}

fn related(anchor: Anchor, relation: Relation) -> Relation {
    match (anchor, relation) {
        (Anchor::Start, Relation::Equals | Relation::StartsWith) => Relation::StartsWith,
        (Anchor::End, Relation::Equals | Relation::EndsWith) => Relation::EndsWith,
        _ => Relation::Contains,
    }
}

fn exists<'t>(value: &Value<'_>) -> Outcome<Value<'t>> {
    match value {
        Value::Raw(scalar) => match scalar.resolve() {
            Resolved::Bool(exists) => Ok(Value::Exists(exists)),
            _ => {
                let message =
                    format!("`exists` needs a boolean, and this is {}", scalar.describe());
                invalid("bad-value", message, "write `true` or `false`, without quotes")
            }
        },
        _ => invalid("bad-value", "`exists` needs a boolean", "write `true` or `false`"),
    }
}

fn cidr<'t>(value: &Value<'_>) -> Outcome<Value<'t>> {
    let text = match value {
        Value::Raw(scalar) => &*scalar.text,
        _ => "",
    };
    let network: Option<IpNet> =
        text.parse().ok().or_else(|| text.parse::<IpAddr>().map(IpNet::from).ok());
    match network {
        Some(network) if network.trunc() == network => Ok(Value::Cidr(network)),
        Some(network) => {
            let message = format!("`{text}` is an address in a network, not a network");
            invalid("bad-cidr", message, format!("did you mean `{}`?", network.trunc()))
        }
        None => {
            let message = format!("`{text}` is not a network");
            invalid("bad-cidr", message, "write it like `10.0.0.0/8` or `fe80::/10`")
        }
    }
}

fn number(value: &Value<'_>, modifier: Modifier) -> Outcome<f64> {
    let name = modifier.name();
    let Value::Raw(scalar) = value else {
        return invalid("bad-value", format!("`{name}` needs a number"), "give a number");
    };
    match scalar.resolve() {
        Resolved::Integer(number) => Ok(number as f64),
        Resolved::Float(number) => Ok(number),
        _ => {
            let message = format!("`{name}` needs a number, and this is {}", scalar.describe());
            invalid("bad-value", message, "write a number, without quotes")
        }
    }
}

fn compared<'t>(comparison: Comparison, value: Value<'t>) -> Outcome<Value<'t>> {
    match value {
        Value::Part(part, _, number) => Ok(Value::Part(part, comparison, number)),
        value => Ok(Value::Number(comparison, number(&value, Modifier::Compare(comparison))?)),
    }
}

fn in_range(part: TimePart, comparison: Comparison, number: f64) -> Outcome<Test> {
    let (least, most) = range_of(part);
    if comparison == Comparison::Equal && !(least..=most).contains(&number) {
        let message = "no date has this number";
        return invalid("bad-value", message, format!("it is between {least} and {most}"));
    }
    Ok(Test::TimePart(part, comparison, number))
}

/// Encoded bytes as text, for they are compared to text.
fn readable(bytes: Vec<u8>) -> Outcome<String> {
    String::from_utf8(bytes).or_else(|_| {
        let message = "these bytes are no text, and the values of events are";
        unsupported("encoded-text", message, "encode them: add `base64` or `base64offset`")
    })
}
