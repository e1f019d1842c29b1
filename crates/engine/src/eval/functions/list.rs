//! Functions of lists.

use std::borrow::Cow;
use std::collections::HashSet;

use rulestone_value::Value;

use super::{Arguments, Context, Node, Ready, element_values, integer_at, relative, text_at};
use crate::eval::functions::text::bounded;
use crate::eval::number::{float, of_float, text};

/// Elements that a list made here has at most; null for more.
const MOST: usize = 1_000_000;

/// Texts as a list.
pub(super) fn of_texts(texts: impl IntoIterator<Item = String>) -> Value {
    Value::list(texts.into_iter().map(Value::String))
}

pub(super) fn count(arguments: &Arguments<'_>, _: &Ready) -> Value {
    match arguments[0].elements().len() {
        0 => Value::Null,
        count => Value::Integer(count as i64),
    }
}

pub(super) fn append(arguments: &Arguments<'_>, _: &Ready) -> Value {
    if element_values(arguments).count() > MOST {
        return Value::Null;
    }
    Value::list(element_values(arguments).cloned())
}

pub(super) fn dedup(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let mut seen = HashSet::new();
    let first = |value: &&Value| text(value).is_none_or(|text| seen.insert(text.into_owned()));
    Value::list(arguments[0].elements().iter().filter(first).cloned())
}

pub(super) fn elements_where<'c>(nodes: &'c [Node], context: &Context<'c>) -> Cow<'c, Value> {
    let [list, condition] = nodes else { return Cow::Owned(Value::Null) };
    let list = list.value(context);
    let holds = |element: &&Value| condition.is_true(&context.with_element(element));
    Cow::Owned(Value::list(list.elements().iter().filter(holds).cloned()))
}

pub(super) fn each_element<'c>(nodes: &'c [Node], context: &Context<'c>) -> Cow<'c, Value> {
    let [list, expr] = nodes else { return Cow::Owned(Value::Null) };
    let list = list.value(context);
    let results = list
        .elements()
        .iter()
        .map(|element| expr.value(&context.with_element(element)).into_owned());
    Cow::Owned(Value::list(results))
}

pub(super) fn find(arguments: &Arguments<'_>, ready: &Ready) -> Value {
    let place = ready.with_regex(&arguments[1], |regex| {
        arguments[0].elements().iter().position(|element| {
            text(element).is_some_and(|text| regex.is_match(&*text).unwrap_or(false))
        })
    });
    place.map_or(Value::Null, |place| Value::Integer(place as i64))
}

/// One place out of range makes null; of a range of places those count that there are.
pub(super) fn index(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let elements = arguments[0].elements();
    let count = elements.len() as i64;
    let place = |at: usize| {
        let place = integer_at(arguments, at)?;
        Some(if place < 0 { place.saturating_add(count) } else { place })
    };
    let Some(from) = place(1) else { return Value::Null };
    if arguments.len() == 2 {
        let element = usize::try_from(from).ok().and_then(|from| elements.get(from));
        return element.cloned().unwrap_or_default();
    }
    let Some(to) = place(2) else { return Value::Null };
    let (from, to) = (from.clamp(0, count), to.clamp(-1, count - 1));
    if from > to {
        return Value::Null;
    }
    Value::list(elements[from as usize..=to as usize].iter().cloned())
}

pub(super) fn join(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let Some(between) = text_at(arguments, 1) else { return Value::Null };
    let texts: Vec<Cow<'_, str>> = arguments[0].elements().iter().filter_map(text).collect();
    let length = texts.iter().map(|text| text.len() + between.len()).sum();
    bounded(length, || texts.join(&*between))
}

/// The step is a number, or a length of time such as `1d`.
pub(super) fn range(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let number = |at: usize| arguments.get(at).and_then(|value| float(value));
    let (Some(from), Some(to)) = (number(0), number(1)) else { return Value::Null };
    let step = match arguments.get(2) {
        None => Some(1.0),
        Some(step) => float(step).or_else(|| relative::seconds(&text(step)?)),
    };
    let Some(step) = step.filter(|step| *step != 0.0) else { return Value::Null };
    let count = ((to - from) / step).ceil();
    if count > MOST as f64 {
        return Value::Null;
    }
    let count = count.max(0.0) as usize;
    Value::list((0..count).map(|at| of_float(from + at as f64 * step)))
}

pub(super) fn sort(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let mut elements = arguments[0].elements().to_vec();
    elements.sort_by(|left, right| text(left).cmp(&text(right)));
    Value::list(elements)
}

pub(super) fn zip(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let between = match arguments.get(2) {
        None => Cow::Borrowed(","),
        Some(between) => match text(between) {
            Some(between) => between,
            None => return Value::Null,
        },
    };
    let pairs = arguments[0].elements().iter().zip(arguments[1].elements());
    of_texts(
        pairs.filter_map(|(left, right)| Some(format!("{}{between}{}", text(left)?, text(right)?))),
    )
}

pub(super) fn split(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let (Some(text), Some(between)) = (text_at(arguments, 0), text_at(arguments, 1)) else {
        return Value::Null;
    };
    match between.is_empty() {
        true => of_texts(text.chars().take(MOST).map(String::from)),
        false => of_texts(text.split(&*between).map(str::to_owned)),
    }
}

pub(super) fn matches(arguments: &Arguments<'_>, ready: &Ready) -> Value {
    let Some(text) = text_at(arguments, 0) else { return Value::Null };
    let found = ready.with_regex(&arguments[1], |regex| {
        let group = usize::from(regex.captures_len() > 1);
        let texts = regex.captures_iter(&*text).map_while(Result::ok);
        let texts = texts.filter_map(|found| Some(found.get(group)?.as_str().to_owned()));
        Some(of_texts(texts.take(MOST)))
    });
    found.unwrap_or_default()
}

/// The first word of each part between `|`, those within quotes aside.
pub(super) fn commands(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let Some(text) = text_at(arguments, 0) else { return Value::Null };
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            '|' if !quoted => {
                parts.push(String::new());
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let word = |part: &String| part.split_whitespace().next().map(str::to_owned);
    of_texts(parts.iter().filter_map(word))
}
