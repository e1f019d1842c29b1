//! Values put into a format.

use rulestone_value::Value;

use super::kinds::grouped;
use super::{Arguments, Ready, text_at};
use crate::eval::number::{float, integer, text};

/// The widest field and the most digits: more would be somebody's mistake.
const WIDEST: usize = 1000;

/// A conversion of a format.
#[derive(Debug, Default)]
struct Conversion {
    left: bool,
    plus: bool,
    blank: bool,
    zeros: bool,
    prefix: bool,
    commas: bool,
    width: usize,
    precision: Option<usize>,
    letter: char,
}

/// Null where the format is null or has more conversions than there are values.
pub(super) fn printf(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let Some(format) = text_at(arguments, 0) else { return Value::Null };
    let mut values = arguments[1..].iter().map(|value| &**value);
    let mut rest = format.chars().peekable();
    let mut out = String::new();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if rest.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let converted = conversion(&mut rest, &mut values)
            .and_then(|conversion| Some(conversion.of(values.next()?)));
        match converted {
            Some(converted) => out.push_str(&converted),
            None => return Value::Null,
        }
        if out.len() > super::text::LONGEST {
            return Value::Null;
        }
    }
    Value::String(out)
}

type Chars<'f> = std::iter::Peekable<std::str::Chars<'f>>;

/// Reads a conversion; a width that is `*` is the next value.
fn conversion<'v>(
    rest: &mut Chars<'_>,
    values: &mut impl Iterator<Item = &'v Value>,
) -> Option<Conversion> {
    let mut conversion = Conversion::default();
    while let Some(flag) = rest.next_if(|c| "-+ 0#'".contains(*c)) {
        match flag {
            '-' => conversion.left = true,
            '+' => conversion.plus = true,
            ' ' => conversion.blank = true,
            '0' => conversion.zeros = true,
            '#' => conversion.prefix = true,
            _ => conversion.commas = true,
        }
    }
    if let Some(width) = number(rest, values)? {
        conversion.left |= width < 0;
        conversion.width = (width.unsigned_abs() as usize).min(WIDEST);
    }
    if rest.next_if_eq(&'.').is_some() {
        let precision = number(rest, values)?.unwrap_or(0);
        conversion.precision = usize::try_from(precision).ok().map(|most| most.min(WIDEST));
    }
    while rest.next_if(|c| "hlLqjzt".contains(*c)).is_some() {}
    conversion.letter = rest.next()?;
    Some(conversion)
}

/// A number of the format, or the next value for `*`.
fn number<'v>(
    rest: &mut Chars<'_>,
    values: &mut impl Iterator<Item = &'v Value>,
) -> Option<Option<i64>> {
    if rest.next_if_eq(&'*').is_some() {
        return Some(Some(integer(values.next()?)?));
    }
    let mut digits = String::new();
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    // More digits than a number has are as wide as it gets.
    Some((!digits.is_empty()).then(|| digits.parse().unwrap_or(WIDEST as i64)))
}

impl Conversion {
    /// A value in this form. What is no number counts as 0 where one is asked for, null as empty
    /// text.
    fn of(&self, value: &Value) -> String {
        let whole = integer(value).unwrap_or(0);
        let number = float(value).unwrap_or(0.0);
        let (sign, body) = match self.letter {
            's' => {
                let text = text(value).unwrap_or_default();
                return self.padded(
                    String::new(),
                    text.chars().take(self.precision.unwrap_or(usize::MAX)).collect(),
                    ' ',
                );
            }
            'c' => {
                let c = text(value).and_then(|text| text.chars().next());
                return self.padded(String::new(), c.map(String::from).unwrap_or_default(), ' ');
            }
            'd' | 'i' => (self.sign(whole < 0), self.digits(whole.unsigned_abs().to_string())),
            'u' => (String::new(), self.digits((whole as u64).to_string())),
            'x' => (self.marked("0x", whole), self.digits(format!("{whole:x}"))),
            'X' => (self.marked("0X", whole), self.digits(format!("{whole:X}"))),
            'p' => ("0x".to_owned(), format!("{whole:x}")),
            'o' => (self.marked("0", whole), self.digits(format!("{whole:o}"))),
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' | 'a' | 'A' => {
                (self.sign(number < 0.0), self.fraction(number.abs()))
            }
            // No conversion: as it stands there.
            letter => (String::new(), format!("%{letter}")),
        };
        let whole_with_precision = self.precision.is_some() && "diuxXo".contains(self.letter);
        let fill = if self.zeros && !whole_with_precision { '0' } else { ' ' };
        self.padded(sign, body, fill)
    }

    fn sign(&self, negative: bool) -> String {
        match (negative, self.plus, self.blank) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        }
        .to_owned()
    }

    fn marked(&self, prefix: &str, whole: i64) -> String {
        if self.prefix && whole != 0 { prefix.to_owned() } else { String::new() }
    }

    fn digits(&self, digits: String) -> String {
        let digits = format!("{digits:0>width$}", width = self.precision.unwrap_or(1));
        if self.commas { grouped(&digits) } else { digits }
    }

    fn fraction(&self, number: f64) -> String {
        let precision = self.precision.unwrap_or(6);
        let text = match self.letter.to_ascii_lowercase() {
            'f' => format!("{number:.precision$}"),
            'e' => exponent(&format!("{number:.precision$e}")),
            'a' => format!("{number}"),
            _ => general(number, precision.max(1), self.prefix),
        };
        let text = if self.letter.is_ascii_uppercase() { text.to_uppercase() } else { text };
        match self.commas {
            false => text,
            true => {
                let (whole, rest) = text.split_at(text.find(['.', 'e', 'E']).unwrap_or(text.len()));
                format!("{}{rest}", grouped(whole))
            }
        }
    }

    fn padded(&self, sign: String, body: String, fill: char) -> String {
        let missing = self.width.saturating_sub(sign.chars().count() + body.chars().count());
        let filling: String = std::iter::repeat_n(fill, missing).collect();
        match (self.left, fill) {
            (true, _) => format!("{sign}{body}{}", " ".repeat(missing)),
            (false, '0') => format!("{sign}{filling}{body}"),
            (false, _) => format!("{filling}{sign}{body}"),
        }
    }
}

/// An exponent with its sign and two digits.
fn exponent(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else { return text.to_owned() };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// The shorter of both forms, so many digits in all.
fn general(number: f64, digits: usize, keep_zeros: bool) -> String {
    let scientific = format!("{number:.places$e}", places = digits - 1);
    let power: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let short = |text: &str| match keep_zeros || !text.contains('.') {
        true => text.to_owned(),
        false => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
    };
    if power < -4 || power >= digits as i32 {
        let (mantissa, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        return exponent(&format!("{}e{power}", short(mantissa)));
    }
    let places = (digits as i32 - 1 - power).max(0) as usize;
    short(&format!("{number:.places$}"))
}
