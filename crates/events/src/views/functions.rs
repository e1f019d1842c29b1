//! The functions of the tables' expressions, one entry each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::rc::Rc;

use regex::Regex;
use rulestone_value::{Value, fold};

use super::log_functions;

/// A function of the tables.
#[derive(Debug)]
pub struct Function {
    pub(crate) name: &'static str,
    pub(crate) arguments: RangeInclusive<usize>,
    /// How many arguments, in words.
    pub(crate) usage: &'static str,
    pub(crate) call: fn(&[Value]) -> Value,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

const FUNCTIONS: &[Function] = &[
    Function { name: "basename", arguments: 1..=1, usage: "one", call: basename },
    Function { name: "concat", arguments: 1..=24, usage: "one or more", call: concat },
    Function { name: "coalesce", arguments: 1..=24, usage: "one or more", call: coalesce },
    Function { name: "account", arguments: 2..=2, usage: "two", call: account },
    Function { name: "hex_to_decimal", arguments: 1..=1, usage: "one", call: hex_to_decimal },
    Function { name: "list", arguments: 1..=24, usage: "one or more", call: list },
    Function { name: "line_value", arguments: 2..=2, usage: "two", call: line_value },
    Function { name: "hash_part", arguments: 2..=2, usage: "two", call: hash_part },
    Function { name: "registry_path", arguments: 1..=1, usage: "one", call: registry_path },
    Function { name: "sysmon_key", arguments: 1..=1, usage: "one", call: sysmon_key },
    Function { name: "registry_details", arguments: 2..=2, usage: "two", call: registry_details },
    Function { name: "device_path", arguments: 1..=1, usage: "one", call: device_path },
    Function { name: "defender_paths", arguments: 1..=1, usage: "one", call: defender_paths },
    Function { name: "item", arguments: 2..=2, usage: "two", call: item },
    FILLED,
    HAS,
    LACKS,
    Function { name: "if_is", arguments: 3..=4, usage: "three or four", call: if_is },
    IF_HAS,
    Function { name: "lower", arguments: 1..=1, usage: "one", call: lower },
    Function { name: "capture", arguments: 2..=2, usage: "two", call: capture },
    Function { name: "without", arguments: 2..=2, usage: "two", call: without },
    Function { name: "split", arguments: 2..=2, usage: "two", call: split },
    Function { name: "count", arguments: 1..=1, usage: "one", call: count },
    Function { name: "command_with_path", arguments: 2..=2, usage: "two", call: command_with_path },
    Function { name: "number", arguments: 1..=1, usage: "one", call: number },
    Function { name: "add", arguments: 2..=2, usage: "two", call: add },
    Function { name: "subtract", arguments: 2..=2, usage: "two", call: subtract },
    Function { name: "length", arguments: 1..=1, usage: "one", call: length },
    Function { name: "xml_escaped", arguments: 1..=1, usage: "one", call: xml_escaped },
];

/// All parts joined; null if one is.
pub(crate) const CONCAT: Function =
    Function { name: "concat", arguments: 1..=9, usage: "one or more", call: concat };

/// The second if there is a first; else the third.
pub(crate) const IF_HAS: Function =
    Function { name: "if_has", arguments: 2..=3, usage: "two or three", call: if_has };

/// The first that is neither null nor empty.
pub(crate) const FILLED: Function =
    Function { name: "filled", arguments: 1..=24, usage: "one or more", call: filled };

/// `true` if there is something, else null.
pub(crate) const HAS: Function =
    Function { name: "has", arguments: 1..=1, usage: "one", call: has };

/// `true` if there is nothing, else null.
pub(crate) const LACKS: Function =
    Function { name: "lacks", arguments: 1..=1, usage: "one", call: lacks };

pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().chain(log_functions::FUNCTIONS).find(|function| function.name == name)
}

/// Applies `f` to the text of every element.
pub(super) fn each(value: &Value, f: impl Fn(&str) -> Option<Value>) -> Value {
    Value::list(value.elements().iter().filter_map(|element| f(&element.text()?)))
}

/// Whether Windows wrote nothing in its own way.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || text == "-",
        _ => false,
    }
}

/// What stands behind the last `\` or `/`.
fn basename(values: &[Value]) -> Value {
    each(&values[0], |text| text.rsplit(['\\', '/']).next().map(Value::string))
}

/// All parts joined; null if one is.
fn concat(values: &[Value]) -> Value {
    let texts: Option<Vec<_>> = values.iter().map(Value::text).collect();
    texts.map_or(Value::Null, |texts| Value::String(texts.concat()))
}

/// The first that is not null, empty or `-`.
fn coalesce(values: &[Value]) -> Value {
    values.iter().find(|value| !is_blank(value)).cloned().unwrap_or_default()
}

/// `DOMAIN\user`; the user alone without a domain; null without a user.
fn account(values: &[Value]) -> Value {
    match values {
        [_, user] if is_blank(user) => Value::Null,
        [domain, user] if is_blank(domain) => user.clone(),
        [domain, user] => concat(&[domain.clone(), Value::string("\\"), user.clone()]),
        _ => Value::Null,
    }
}

/// `0x1f4` as 500, in text, as Sysmon writes process ids.
fn hex_to_decimal(values: &[Value]) -> Value {
    each(&values[0], |text| {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        Some(Value::string(number.map_or_else(|| text.to_owned(), |number| number.to_string())))
    })
}

/// All arguments as elements of one value.
fn list(values: &[Value]) -> Value {
    Value::list(values.iter().cloned())
}

/// What stands behind `Key=`, `Key =` or `Key:` on a line of its own in a text.
fn line_value(values: &[Value]) -> Value {
    let Some(key) = values[1].text() else { return Value::Null };
    let of_line = |line: &str| {
        let rest = line.trim_start().strip_prefix(&*key)?.trim_start();
        Some(rest.strip_prefix(['=', ':'])?.trim().to_owned())
    };
    each(&values[0], |text| text.lines().find_map(of_line).map(Value::String))
}

/// The value of one algorithm out of `MD5=…,SHA256=…,IMPHASH=…`.
fn hash_part(values: &[Value]) -> Value {
    let Some(wanted) = values[1].text() else { return Value::Null };
    each(&values[0], |text| {
        let mut parts = text.split(',').filter_map(|part| part.trim().split_once('='));
        parts
            .find(|(name, _)| name.eq_ignore_ascii_case(&wanted))
            .map(|(_, hash)| Value::string(hash))
    })
}

/// A path of the kernel's registry name space, or one with its hive's long name, as users write it.
fn registry_path(values: &[Value]) -> Value {
    const HIVES: [(&str, &str); 6] = [
        ("\\REGISTRY\\MACHINE", "HKLM"),
        ("\\REGISTRY\\USER", "HKU"),
        ("HKEY_LOCAL_MACHINE", "HKLM"),
        ("HKEY_USERS", "HKU"),
        ("HKEY_CURRENT_USER", "HKCU"),
        ("HKEY_CLASSES_ROOT", "HKCR"),
    ];
    each(&values[0], |text| {
        let short = HIVES.iter().find_map(|(long, short)| {
            let head = text.get(..long.len())?;
            head.eq_ignore_ascii_case(long).then(|| format!("{short}{}", &text[long.len()..]))
        });
        Some(Value::String(short.unwrap_or_else(|| text.to_owned())))
    })
}

/// A path of the kernel's registry name space as Sysmon writes it.
fn sysmon_key(values: &[Value]) -> Value {
    each(&registry_path(values), |path| Some(Value::String(current_control_set(path))))
}

/// `HKLM\SYSTEM\ControlSet001` is what the running system calls the current one, and what stands
/// under `HKLM\SOFTWARE\Classes` is also `HKCR`.
fn current_control_set(path: &str) -> String {
    const CONTROL_SET: &str = "HKLM\\SYSTEM\\ControlSet";
    const CLASSES: &str = "HKLM\\SOFTWARE\\Classes";
    let behind = |head: &str| {
        let own = path.get(..head.len())?;
        own.eq_ignore_ascii_case(head).then(|| &path[head.len()..])
    };
    if let Some(rest) = behind(CONTROL_SET) {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        return format!("HKLM\\System\\CurrentControlSet{rest}");
    }
    match behind(CLASSES) {
        Some(rest) if rest.is_empty() || rest.starts_with('\\') => format!("HKCR{rest}"),
        _ => path.to_owned(),
    }
}

/// A registry value of Security 4657 as Sysmon 13 writes it, by the code of its type.
fn registry_details(values: &[Value]) -> Value {
    let [kind, value] = values else { return Value::Null };
    // What no type is known of cannot be written as Sysmon would.
    if is_blank(kind) {
        return Value::Null;
    }
    let text = value.text().unwrap_or_default();
    let number = || value.number().filter(|number| *number >= 0.0).map(|number| number as u64);
    let details = match kind.text().as_deref() {
        Some("%%1876" | "%%1877") => number().map(|n| format!("DWORD (0x{n:08x})")),
        Some("%%1883") => {
            number().map(|n| format!("QWORD (0x{:08x}-0x{:08x})", n >> 32, n & 0xffff_ffff))
        }
        Some("%%1873" | "%%1874" | "%%1879") if text.is_empty() => Some("(Empty)".to_owned()),
        Some("%%1873" | "%%1874" | "%%1879") => Some(text.clone().into_owned()),
        _ => Some("Binary Data".to_owned()),
    };
    Value::String(details.unwrap_or_else(|| text.into_owned()))
}

/// A path of the kernel's device name space as users write it; the letter of the volume is not
/// recorded, and is taken for the system's.
fn device_path(values: &[Value]) -> Value {
    const DEVICE: &str = "\\device\\harddiskvolume";
    each(&values[0], |text| {
        let behind = text.get(..DEVICE.len()).filter(|head| head.eq_ignore_ascii_case(DEVICE));
        let rest =
            behind.map(|_| text[DEVICE.len()..].trim_start_matches(|c: char| c.is_ascii_digit()));
        Some(Value::String(match rest {
            Some(rest) => format!("C:{rest}"),
            None => text.to_owned(),
        }))
    })
}

/// The files in Defender's list of findings: `file:_C:\a.exe; containerfile:_C:\b.zip->a.exe`; of
/// one inside an archive also the archive.
fn defender_paths(values: &[Value]) -> Value {
    each(&values[0], |text| {
        let entries = text.split(';').map(str::trim).filter(|entry| !entry.is_empty());
        let paths = entries.flat_map(|entry| {
            let path = entry.split_once(":_").map_or(entry, |(_, path)| path);
            let archive = path.split_once("->").map(|(archive, _)| archive);
            [Some(path), archive].into_iter().flatten().map(Value::string)
        });
        Some(Value::list(paths))
    })
}

/// One element by its place, from 0.
fn item(values: &[Value]) -> Value {
    let place = values[1].number().map(|number| number as usize);
    place.and_then(|place| values[0].elements().get(place)).cloned().unwrap_or_default()
}

fn filled(values: &[Value]) -> Value {
    let is_filled = |value: &&Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        _ => true,
    };
    values.iter().find(is_filled).cloned().unwrap_or_default()
}

fn has(values: &[Value]) -> Value {
    if values[0].is_null() { Value::Null } else { Value::string("true") }
}

fn lacks(values: &[Value]) -> Value {
    if values[0].is_null() { Value::string("true") } else { Value::Null }
}

/// The third if one element of the first is the second, without case; else the fourth.
fn if_is(values: &[Value]) -> Value {
    let wanted = values[1].text().map(|text| fold(&text));
    let is = |element: &Value| element.text().map(|text| fold(&text)) == wanted;
    let holds = wanted.is_some() && values[0].elements().iter().any(is);
    values.get(if holds { 2 } else { 3 }).cloned().unwrap_or_default()
}

/// The second if there is a first; else the third.
fn if_has(values: &[Value]) -> Value {
    let at = if filled(&values[..1]).is_null() { 2 } else { 1 };
    values.get(at).cloned().unwrap_or_default()
}

/// Text in lower case.
fn lower(values: &[Value]) -> Value {
    each(&values[0], |text| Some(Value::String(text.to_lowercase())))
}

thread_local! {
    /// The tables have a few dozens of expressions.
    static EXPRESSIONS: RefCell<HashMap<String, Option<Rc<Regex>>>> = RefCell::default();
}

fn regex(value: &Value) -> Option<Rc<Regex>> {
    let text = value.text()?;
    EXPRESSIONS.with_borrow_mut(|known| {
        if let Some(regex) = known.get(&*text) {
            return regex.clone();
        }
        let regex = Regex::new(&text).ok().map(Rc::new);
        known.entry(text.into_owned()).or_insert(regex).clone()
    })
}

/// What the first group of an expression that is found takes, of all places where it is; without
/// a group, what is found.
fn capture(values: &[Value]) -> Value {
    let Some(regex) = regex(&values[1]) else { return Value::Null };
    each(&values[0], |text| {
        let found = regex.captures_iter(text).filter_map(|found| {
            let group = found.iter().skip(1).flatten().next().or_else(|| found.get(0))?;
            Some(Value::string(group.as_str()))
        });
        Some(Value::list(found))
    })
}

/// The text without whatever an expression finds.
fn without(values: &[Value]) -> Value {
    let Some(regex) = regex(&values[1]) else { return values[0].clone() };
    each(&values[0], |text| Some(Value::string(regex.replace_all(text, ""))))
}

/// The parts of a text between separators.
fn split(values: &[Value]) -> Value {
    let Some(separator) = values[1].text().filter(|text| !text.is_empty()) else {
        return values[0].clone();
    };
    each(&values[0], |text| Some(Value::list(text.split(&*separator).map(Value::string))))
}

/// How many elements there are.
fn count(values: &[Value]) -> Value {
    Value::Integer(values[0].elements().len() as i64)
}

/// Text as it stands in XML: `&`, `<` and `>` written as entities.
fn xml_escaped(values: &[Value]) -> Value {
    let is_plain = |value: &Value| match value {
        Value::String(text) => memchr::memchr3(b'&', b'<', b'>', text.as_bytes()).is_none(),
        _ => true,
    };
    if values[0].elements().iter().all(is_plain) {
        return values[0].clone();
    }
    let escaped = |value: &Value| match value {
        Value::String(text) => Value::String(crate::render::escaped(text).into_owned()),
        value => value.clone(),
    };
    Value::list(values[0].elements().iter().map(escaped))
}

/// A command line, where its program is given without a folder with the program's path in its
/// place; the path alone where there is no command line.
fn command_with_path(values: &[Value]) -> Value {
    let [command, path] = values else { return Value::Null };
    let (Some(command), Some(image)) = (command.text(), path.text()) else {
        return filled(values);
    };
    let (program, arguments) = match command.strip_prefix('"').and_then(|rest| rest.split_once('"'))
    {
        Some((program, arguments)) => (program, arguments),
        None => command.split_once(char::is_whitespace).unwrap_or((&*command, "")),
    };
    if program.contains('\\') {
        return values[0].clone();
    }
    let quote = if image.contains(char::is_whitespace) { "\"" } else { "" };
    Value::String(format!("{quote}{image}{quote} {}", arguments.trim_start()))
}

/// The value if it is a number, also one in text.
fn number(values: &[Value]) -> Value {
    if values[0].number().is_some() { values[0].clone() } else { Value::Null }
}

/// A number without a fraction where it has none.
pub(super) fn whole_or_float(number: f64) -> Value {
    /// Above this a float does not hold every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        Value::Integer(number as i64)
    } else {
        Value::Float(number)
    }
}

/// The sum; null if one is no number.
fn add(values: &[Value]) -> Value {
    let [Some(a), Some(b)] = [values[0].number(), values[1].number()] else { return Value::Null };
    whole_or_float(a + b)
}

/// The difference; null if one is no number.
fn subtract(values: &[Value]) -> Value {
    let [Some(a), Some(b)] = [values[0].number(), values[1].number()] else { return Value::Null };
    whole_or_float(a - b)
}

/// How many characters a text has.
fn length(values: &[Value]) -> Value {
    each(&values[0], |text| Some(Value::Integer(text.chars().count() as i64)))
}
