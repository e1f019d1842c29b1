//! Functions of text.

use std::borrow::Cow;

use fancy_regex::Regex;
use rulestone_value::Value;

use super::{Arguments, Ready, integer_at, text_at};
use crate::eval::number::text;
use crate::eval::ready::like as like_glob;
use crate::reference;

/// Bytes that a text made here has at most: a rule that doubles a text forty times makes null.
pub(super) const LONGEST: usize = 16 << 20;

/// A text of so many bytes, null if that is too many.
pub(super) fn bounded(length: usize, text: impl FnOnce() -> String) -> Value {
    if length > LONGEST { Value::Null } else { Value::String(text()) }
}

/// A function of one text.
fn of_text(arguments: &Arguments<'_>, function: impl FnOnce(&str) -> String) -> Value {
    text_at(arguments, 0).map_or(Value::Null, |text| Value::String(function(&text)))
}

pub(super) fn concat(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let texts: Option<Vec<Cow<'_, str>>> =
        (0..arguments.len()).map(|at| text_at(arguments, at)).collect();
    let Some(texts) = texts else { return Value::Null };
    bounded(texts.iter().map(|text| text.len()).sum(), || texts.concat())
}

pub(super) fn length(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let count = text_at(arguments, 0).map(|text| text.chars().count() as i64);
    count.map_or(Value::Null, Value::Integer)
}

pub(super) fn lower(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_text(arguments, str::to_lowercase)
}

pub(super) fn upper(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_text(arguments, str::to_uppercase)
}

fn trimmed(arguments: &Arguments<'_>, trim: fn(&str, &dyn Fn(char) -> bool) -> String) -> Value {
    let set = match arguments.get(1) {
        None => Cow::Borrowed(" \t"),
        Some(set) => match text(set) {
            Some(set) => set,
            None => return Value::Null,
        },
    };
    of_text(arguments, |text| trim(text, &|c| set.contains(c)))
}

pub(super) fn trim(arguments: &Arguments<'_>, _: &Ready) -> Value {
    trimmed(arguments, |text, set| text.trim_matches(set).to_owned())
}

pub(super) fn trim_left(arguments: &Arguments<'_>, _: &Ready) -> Value {
    trimmed(arguments, |text, set| text.trim_start_matches(set).to_owned())
}

pub(super) fn trim_right(arguments: &Arguments<'_>, _: &Ready) -> Value {
    trimmed(arguments, |text, set| text.trim_end_matches(set).to_owned())
}

/// Places count characters. Out-of-range places are as in SQLite: place 0 stands before the first
/// character, a place before the start shortens the piece, and a length below zero takes what
/// stands before the place.
pub(super) fn substring(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let (Some(text), Some(from)) = (text_at(arguments, 0), integer_at(arguments, 1)) else {
        return Value::Null;
    };
    let count = text.chars().count() as i128;
    let wanted = match arguments.get(2) {
        None => i128::from(i64::MAX),
        Some(_) => match integer_at(arguments, 2) {
            Some(wanted) => i128::from(wanted),
            None => return Value::Null,
        },
    };
    let start = match i128::from(from) {
        from @ ..0 => count + from,
        // Without a length, from before the first character is from the first.
        0 if arguments.len() == 2 => 0,
        from => from - 1,
    };
    let (start, end) = if wanted < 0 { (start + wanted, start) } else { (start, start + wanted) };
    let (start, end) = (start.clamp(0, count), end.clamp(0, count));
    let taken = text.chars().skip(start as usize).take((end - start).max(0) as usize);
    Value::String(taken.collect())
}

pub(super) fn replace_regex(arguments: &Arguments<'_>, ready: &Ready) -> Value {
    let (Some(text), Some(with)) = (text_at(arguments, 0), text_at(arguments, 2)) else {
        return Value::Null;
    };
    let result = ready.with_regex(&arguments[1], |regex| replaced(regex, &text, &with));
    result.map_or(Value::Null, Value::String)
}

/// A text with matches of an expression replaced; in what replaces them `\1` stands for a group.
/// None where the expression takes too long or the text becomes too long.
fn replaced(regex: &Regex, text: &str, with: &str) -> Option<String> {
    let mut out = String::new();
    let mut end = 0;
    for captures in regex.captures_iter(text) {
        let captures = captures.ok()?;
        let whole = captures.get(0)?;
        out.push_str(&text[end..whole.start()]);
        expand(with, |group| captures.get(group).map_or("", |group| group.as_str()), &mut out);
        end = whole.end();
        if out.len() > LONGEST {
            return None;
        }
    }
    out.push_str(&text[end..]);
    Some(out)
}

/// Appends a replacement to `out`, its groups filled in.
fn expand<'t>(with: &str, group: impl Fn(usize) -> &'t str, out: &mut String) {
    let mut rest = with;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.chars().next() {
            Some(digit @ '0'..='9') => {
                out.push_str(group(digit as usize - '0' as usize));
                rest = &rest[1..];
            }
            Some('\\') => {
                out.push('\\');
                rest = &rest[1..];
            }
            _ => out.push('\\'),
        }
    }
    out.push_str(rest);
}

/// An empty text is nowhere.
pub(super) fn replace_text(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let [text, part, with] = [0, 1, 2].map(|at| text_at(arguments, at));
    let (Some(text), Some(part), Some(with)) = (text, part, with) else { return Value::Null };
    if part.is_empty() {
        return Value::String(text.into_owned());
    }
    let grown = with.len().saturating_sub(part.len());
    let length = text.len() + grown.saturating_mul(text.matches(&*part).count());
    bounded(length, || text.replace(&*part, &with))
}

/// Places count characters. An empty text is where one begins to look.
pub(super) fn position(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let (Some(part), Some(text)) = (text_at(arguments, 0), text_at(arguments, 1)) else {
        return Value::Null;
    };
    let from = match arguments.get(2) {
        None => 1,
        Some(_) => integer_at(arguments, 2).unwrap_or(1).max(1),
    };
    let skipped = usize::try_from(from - 1).unwrap_or(usize::MAX);
    let Some(start) = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(skipped) else {
        return Value::Integer(0);
    };
    let found = text[start..].find(&*part);
    let place = found.map_or(0, |at| from + text[start..start + at].chars().count() as i64);
    Value::Integer(place)
}

/// Place 0 is the first part, as 1 is.
pub(super) fn split_part(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let (Some(text), Some(between)) = (text_at(arguments, 0), text_at(arguments, 1)) else {
        return Value::Null;
    };
    let Some(place) = integer_at(arguments, 2) else { return Value::Null };
    let from_end = place < 0;
    let at = usize::try_from(place.unsigned_abs().max(1) - 1).unwrap_or(usize::MAX);
    let part = match (between.is_empty(), from_end) {
        (true, _) => (at == 0).then_some(&*text),
        (false, false) => text.split(&*between).nth(at),
        (false, true) => text.rsplit(&*between).nth(at),
    };
    Value::string(part.unwrap_or_default())
}

/// Bytes that are no UTF-8 become the replacement character.
pub(super) fn url_decode(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_text(arguments, |text| {
        let bytes = text.as_bytes();
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            let escaped = (bytes[at] == b'%')
                .then(|| text.get(at + 1..at + 3).filter(|hex| !hex.starts_with('+')))
                .flatten()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok());
            out.push(escaped.unwrap_or(bytes[at]));
            at += if escaped.is_some() { 3 } else { 1 };
        }
        String::from_utf8_lossy(&out).into_owned()
    })
}

pub(super) fn regex_find(arguments: &Arguments<'_>, ready: &Ready) -> Value {
    let Some(text) = text_at(arguments, 0) else { return Value::Null };
    let found = ready.with_regex(&arguments[1], |regex| regex.is_match(&*text).ok());
    found.map_or(Value::Null, Value::Bool)
}

pub(super) fn like(arguments: &Arguments<'_>, ready: &Ready) -> Value {
    let Some(text) = text_at(arguments, 0) else { return Value::Null };
    match (ready, text_at(arguments, 1)) {
        (Ready::Like(glob), _) => Value::Bool(glob.matches(&text)),
        (_, Some(pattern)) => Value::Bool(like_glob(&pattern).matches(&text)),
        (_, None) => Value::Null,
    }
}

/// Null where the network is none; false where the address is none.
pub(super) fn cidr_match(arguments: &Arguments<'_>, ready: &Ready) -> Value {
    let network = match (ready, text_at(arguments, 0)) {
        (Ready::Network(network), _) => *network,
        (_, Some(text)) => text.trim().parse().ok(),
        (_, None) => None,
    };
    let Some(network): Option<ipnet::IpNet> = network else { return Value::Null };
    let inside = reference::address(&arguments[1]).is_some_and(|ip| network.contains(&ip));
    Value::Bool(inside)
}

/// `-Σ p·log₂ p` over the characters of a text; 0 for none.
pub(super) fn entropy(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let Some(text) = text_at(arguments, 0) else { return Value::Null };
    let mut characters: Vec<char> = text.chars().collect();
    characters.sort_unstable();
    let count = characters.len() as f64;
    let shares = characters.chunk_by(|a, b| a == b).map(|same| same.len() as f64 / count);
    Value::Float(shares.map(|share| share * -share.log2()).sum::<f64>().max(0.0))
}

/// As hexadecimal text.
fn digest<D: sha2::Digest>(arguments: &Arguments<'_>) -> Value {
    of_text(arguments, |text| {
        D::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    })
}

pub(super) fn md5(arguments: &Arguments<'_>, _: &Ready) -> Value {
    digest::<md5::Md5>(arguments)
}

pub(super) fn sha1(arguments: &Arguments<'_>, _: &Ready) -> Value {
    digest::<sha1::Sha1>(arguments)
}

pub(super) fn sha256(arguments: &Arguments<'_>, _: &Ready) -> Value {
    digest::<sha2::Sha256>(arguments)
}

pub(super) fn sha512(arguments: &Arguments<'_>, _: &Ready) -> Value {
    digest::<sha2::Sha512>(arguments)
}

/// Both alphabets, with or without padding and line ends; null for anything else. What is no
/// UTF-8 becomes the replacement character.
pub(super) fn base64_decode(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let decoded = text_at(arguments, 0).and_then(|text| base64(&text));
    decoded.map_or(Value::Null, |bytes| Value::String(String::from_utf8_lossy(&bytes).into_owned()))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_ascii().trim_end_matches('=');
    let (mut out, mut bits, mut held) = (Vec::with_capacity(text.len() * 3 / 4), 0_u32, 0_u32);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    // Six bits alone are no byte.
    (held < 6).then_some(out)
}
