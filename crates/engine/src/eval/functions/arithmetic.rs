//! Arithmetic, angles and bits.

use rulestone_value::Value;

use super::{Arguments, Context, Node, Ready, element_values, float_at, integer_at, text_at};
use crate::eval::number::{compare, float, of_float, text};

/// A function of one number.
fn of_one(arguments: &Arguments<'_>, function: impl FnOnce(f64) -> f64) -> Value {
    float_at(arguments, 0).map_or(Value::Null, |number| of_float(function(number)))
}

/// A function of two, exact where both are whole and the result fits.
fn of_two(
    arguments: &Arguments<'_>,
    whole: fn(i64, i64) -> Option<i64>,
    function: fn(f64, f64) -> f64,
) -> Value {
    if let (Value::Integer(left), Value::Integer(right)) = (&*arguments[0], &*arguments[1])
        && let Some(result) = whole(*left, *right)
    {
        return Value::Integer(result);
    }
    match (float_at(arguments, 0), float_at(arguments, 1)) {
        (Some(left), Some(right)) => of_float(function(left, right)),
        _ => Value::Null,
    }
}

pub(super) fn add(arguments: &Arguments<'_>, ready: &Ready) -> Value {
    if let (Value::String(left), Value::String(right)) = (&*arguments[0], &*arguments[1])
        && (float(&arguments[0]).is_none() && float(&arguments[1]).is_none())
    {
        return super::text::bounded(left.len() + right.len(), || format!("{left}{right}"));
    }
    let _ = ready;
    of_two(arguments, i64::checked_add, |left, right| left + right)
}

pub(super) fn subtract(arguments: &Arguments<'_>, _: &Ready) -> Value {
    if let (Value::Time(left), Value::Time(right)) = (&*arguments[0], &*arguments[1])
        && let Some(ticks) = left.ticks().checked_sub(right.ticks())
    {
        return of_float(ticks as f64 / 1e7);
    }
    of_two(arguments, i64::checked_sub, |left, right| left - right)
}

pub(super) fn multiply(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_two(arguments, i64::checked_mul, |left, right| left * right)
}

pub(super) fn divide(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_two(arguments, |_, _| None, |left, right| left / right)
}

pub(super) fn remainder(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_two(arguments, i64::checked_rem, |left, right| left % right)
}

pub(super) fn negate(arguments: &Arguments<'_>, _: &Ready) -> Value {
    match &*arguments[0] {
        Value::Integer(value) if *value != i64::MIN => Value::Integer(-value),
        _ => of_one(arguments, |number| -number),
    }
}

pub(super) fn abs(arguments: &Arguments<'_>, _: &Ready) -> Value {
    match &*arguments[0] {
        Value::Integer(value) if *value != i64::MIN => Value::Integer(value.abs()),
        _ => of_one(arguments, f64::abs),
    }
}

pub(super) fn ceiling(arguments: &Arguments<'_>, _: &Ready) -> Value {
    rounded(arguments, f64::ceil)
}

pub(super) fn floor(arguments: &Arguments<'_>, _: &Ready) -> Value {
    rounded(arguments, f64::floor)
}

fn rounded(arguments: &Arguments<'_>, function: fn(f64) -> f64) -> Value {
    match &*arguments[0] {
        Value::Integer(value) => Value::Integer(*value),
        _ => of_one(arguments, function),
    }
}

/// Digits that a number has; rounding to more changes nothing.
const DIGITS: i64 = 15;

pub(super) fn round(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let places = match arguments.get(1) {
        None => 0,
        Some(_) => match integer_at(arguments, 1) {
            Some(places) => places,
            None => return Value::Null,
        },
    };
    if matches!(&*arguments[0], Value::Integer(_)) && places >= 0 {
        return arguments[0].clone().into_owned();
    }
    of_one(arguments, |number| {
        if places > DIGITS {
            return number;
        }
        let scale = 10_f64.powi(places.max(-400).unsigned_abs() as i32);
        let result = match places {
            0.. => (number * scale).round() / scale,
            _ => (number / scale).round() * scale,
        };
        // The scale of what is very large or has very many places is infinite.
        if result.is_finite() {
            result
        } else if places > 0 {
            number
        } else {
            0.0
        }
    })
}

pub(super) fn exp(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_one(arguments, f64::exp)
}

pub(super) fn ln(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_one(arguments, f64::ln)
}

pub(super) fn log(arguments: &Arguments<'_>, _: &Ready) -> Value {
    match arguments.get(1).map(|_| float_at(arguments, 1)) {
        None => of_one(arguments, f64::log10),
        Some(Some(10.0)) => of_one(arguments, f64::log10),
        Some(Some(2.0)) => of_one(arguments, f64::log2),
        Some(Some(base)) if base > 0.0 && base != 1.0 => {
            of_one(arguments, |number| number.ln() / base.ln())
        }
        _ => Value::Null,
    }
}

pub(super) fn power(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let whole = |base: i64, exponent: i64| base.checked_pow(u32::try_from(exponent).ok()?);
    of_two(arguments, whole, f64::powf)
}

pub(super) fn sqrt(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_one(arguments, f64::sqrt)
}

pub(super) fn pi(_: &Arguments<'_>, _: &Ready) -> Value {
    Value::Float(std::f64::consts::PI)
}

/// The least or greatest; numbers are below text, nulls do not count.
fn outermost(arguments: &Arguments<'_>, greatest: bool) -> Value {
    let key = |value: &Value| (float(value).is_none(), value.clone());
    let mut best: Option<(bool, Value)> = None;
    for value in element_values(arguments) {
        let found = key(value);
        let better = best.as_ref().is_none_or(|(is_text, best)| {
            let order = is_text
                .cmp(&found.0)
                .then_with(|| compare(best, value).unwrap_or(std::cmp::Ordering::Equal));
            if greatest { order.is_lt() } else { order.is_gt() }
        });
        if better {
            best = Some(found);
        }
    }
    best.map_or(Value::Null, |(_, value)| value)
}

pub(super) fn least(arguments: &Arguments<'_>, _: &Ready) -> Value {
    outermost(arguments, false)
}

pub(super) fn greatest(arguments: &Arguments<'_>, _: &Ready) -> Value {
    outermost(arguments, true)
}

pub(super) fn sum_of(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let numbers: Vec<f64> = element_values(arguments).filter_map(float).collect();
    if numbers.is_empty() { Value::Null } else { of_float(numbers.iter().sum()) }
}

pub(super) fn mean_of(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let numbers: Vec<f64> = element_values(arguments).filter_map(float).collect();
    of_float(numbers.iter().sum::<f64>() / numbers.len() as f64)
}

/// The same for the same row in every run: a hash of its place (SplitMix64).
pub(super) fn random<'c>(_: &'c [Node], context: &Context<'c>) -> std::borrow::Cow<'c, Value> {
    let mut hash = context.place.wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    std::borrow::Cow::Owned(Value::Integer(((hash ^ (hash >> 31)) >> 33) as i64))
}

/// Bits that numbers have: those that a fraction holds exactly.
const BITS: u32 = 53;
const MASK: i64 = (1 << BITS) - 1;

/// A number as bits; null for fractions and what is below zero.
fn bits_at(arguments: &Arguments<'_>, at: usize) -> Option<i64> {
    let bits = integer_at(arguments, at)?;
    let exact = float_at(arguments, at)? == bits as f64;
    (exact && (0..=MASK).contains(&bits)).then_some(bits)
}

fn of_bits(arguments: &Arguments<'_>, function: fn(i64, i64) -> i64) -> Value {
    let all = (0..arguments.len()).map(|at| bits_at(arguments, at));
    let all: Option<Vec<i64>> = all.collect();
    all.and_then(|all| all.into_iter().reduce(function)).map_or(Value::Null, Value::Integer)
}

pub(super) fn bit_and(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_bits(arguments, |left, right| left & right)
}

pub(super) fn bit_or(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_bits(arguments, |left, right| left | right)
}

pub(super) fn bit_xor(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_bits(arguments, |left, right| left ^ right)
}

pub(super) fn bit_not(arguments: &Arguments<'_>, _: &Ready) -> Value {
    bits_at(arguments, 0).map_or(Value::Null, |bits| Value::Integer(!bits & MASK))
}

fn shifted(arguments: &Arguments<'_>, function: fn(i64, u32) -> i64) -> Value {
    match (bits_at(arguments, 0), bits_at(arguments, 1)) {
        (Some(bits), Some(by)) if by >= i64::from(BITS) => Value::Integer(bits & !MASK),
        (Some(bits), Some(by)) => Value::Integer(function(bits, by as u32) & MASK),
        _ => Value::Null,
    }
}

pub(super) fn shift_left(arguments: &Arguments<'_>, _: &Ready) -> Value {
    shifted(arguments, |bits, by| bits << by)
}

pub(super) fn shift_right(arguments: &Arguments<'_>, _: &Ready) -> Value {
    shifted(arguments, |bits, by| bits >> by)
}

pub(super) fn sin(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_one(arguments, f64::sin)
}

pub(super) fn cos(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_one(arguments, f64::cos)
}

pub(super) fn tan(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_one(arguments, f64::tan)
}

pub(super) fn asin(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_one(arguments, f64::asin)
}

pub(super) fn acos(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_one(arguments, f64::acos)
}

pub(super) fn atan(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_one(arguments, f64::atan)
}

pub(super) fn atan2(arguments: &Arguments<'_>, _: &Ready) -> Value {
    of_two(arguments, |_, _| None, f64::atan2)
}

/// Text read as a number to a base from 2 to 36.
pub(super) fn to_number(arguments: &Arguments<'_>, _: &Ready) -> Value {
    let base = match arguments.get(1) {
        None => 10,
        Some(_) => match integer_at(arguments, 1) {
            Some(base @ 2..=36) => base as u32,
            _ => return Value::Null,
        },
    };
    if base == 10 {
        return match &*arguments[0] {
            Value::Integer(value) => Value::Integer(*value),
            value => float(value).map_or(Value::Null, |_| exact(value)),
        };
    }
    let Some(text) = text_at(arguments, 0) else { return Value::Null };
    let text = text.trim_ascii();
    let digits = match base {
        16 => text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text),
        _ => text,
    };
    match i64::from_str_radix(digits, base) {
        Ok(number) => Value::Integer(number),
        Err(_) => u64::from_str_radix(digits, base).map_or(Value::Null, |n| of_float(n as f64)),
    }
}

/// Text that is a number, as that number.
fn exact(value: &Value) -> Value {
    let whole = text(value).and_then(|text| text.trim_ascii().parse().ok());
    match (whole, float(value)) {
        (Some(whole), _) => Value::Integer(whole),
        (None, Some(number)) => of_float(number),
        (None, None) => Value::Null,
    }
}
