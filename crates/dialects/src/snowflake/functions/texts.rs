//! Text.

use rulestone_ir::{Expr, Function, Span};
use rulestone_value::Value;

use super::values::{argument, integer, one, two};
use crate::snowflake::ast::{self, Call, ExprKind, Like};
use crate::snowflake::lower::expr::many;
use crate::snowflake::lower::pattern::{self, Flags};
use crate::snowflake::lower::{Lowering, Rows};

pub(super) fn concat(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    many(Function::Concat, lowering.exprs(&call.arguments, rows), span)
}

/// The separator stands first.
pub(super) fn concat_ws(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let mut parts = lowering.exprs(&call.arguments, rows).into_iter();
    let between = parts.next().unwrap_or(Expr::Literal(Value::Null));
    let mut out = Vec::new();
    for part in parts {
        if !out.is_empty() {
            out.push(between.clone());
        }
        out.push(part);
    }
    many(Function::Concat, out, span)
}

/// The place of the second in the first, from 1; 0 where it is not there.
fn place(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let (of, part) = (argument(lowering, call, 0, rows), argument(lowering, call, 1, rows));
    two(Function::Position, part, of, span)
}

pub(super) fn contains(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    two(Function::GtAny, place(lowering, call, span, rows), integer(0), span)
}

pub(super) fn starts_with(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    two(Function::EqAny, place(lowering, call, span, rows), integer(1), span)
}

pub(super) fn ends_with(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let (of, part) = (argument(lowering, call, 0, rows), argument(lowering, call, 1, rows));
    let length = one(Function::Length, part.clone(), span);
    let from = two(
        Function::Subtract,
        two(Function::Add, one(Function::Length, of.clone(), span), integer(1), span),
        length.clone(),
        span,
    );
    // A part that is longer than the text is no end of it.
    let shorter = two(Function::GtAny, from.clone(), integer(0), span);
    let end = Expr::call(Function::Substring, vec![of, from, length], span);
    // As texts: `07` is no end of `7`.
    let marked = |side: Expr| two(Function::Concat, Expr::text("="), side, span);
    let equal = two(Function::EqAny, marked(end), marked(part), span);
    two(Function::And3, shorter, equal, span)
}

pub(super) fn left(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let (of, count) = (argument(lowering, call, 0, rows), argument(lowering, call, 1, rows));
    Expr::call(Function::Substring, vec![of, integer(1), count], span)
}

/// So many characters at the end, all where there are fewer.
pub(super) fn right(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let (of, count) = (argument(lowering, call, 0, rows), argument(lowering, call, 1, rows));
    let length = one(Function::Length, of.clone(), span);
    let from = two(Function::Subtract, two(Function::Add, length, integer(1), span), count, span);
    let from = two(Function::Greatest, from, integer(1), span);
    two(Function::Substring, of, from, span)
}

/// Place 0 is the first character, as 1 is.
pub(super) fn substring(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let mut arguments = lowering.exprs(&call.arguments, rows);
    arguments[1] = match &arguments[1] {
        Expr::Literal(Value::Integer(0)) => integer(1),
        Expr::Literal(_) => arguments[1].clone(),
        from => {
            let zero = two(Function::EqAny, from.clone(), integer(0), span);
            Expr::call(Function::Case, vec![zero, integer(1), from.clone()], span)
        }
    };
    Expr::call(Function::Substring, arguments, span)
}

/// Blanks alone, where nothing else is said.
fn trimmed(
    function: Function,
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    let mut arguments = lowering.exprs(&call.arguments, rows);
    if arguments.len() == 1 {
        arguments.push(Expr::text(" "));
    }
    Expr::call(function, arguments, span)
}

pub(super) fn trim(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    trimmed(Function::Trim, lowering, call, span, rows)
}

pub(super) fn trim_left(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    trimmed(Function::TrimLeft, lowering, call, span, rows)
}

pub(super) fn trim_right(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    trimmed(Function::TrimRight, lowering, call, span, rows)
}

/// Without the third argument it is taken out.
pub(super) fn replace(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let mut arguments = lowering.exprs(&call.arguments, rows);
    if arguments.len() == 2 {
        arguments.push(Expr::text(""));
    }
    Expr::call(Function::ReplaceText, arguments, span)
}

pub(super) fn base64(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    one(Function::Base64Decode, argument(lowering, call, 0, rows), span)
}

pub(super) fn sha2(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Expr {
    let bits = call.arguments.get(1).map(|bits| bits.kind.clone());
    let function = match bits {
        None | Some(ExprKind::Literal(Value::Integer(0 | 256))) => Function::Sha256,
        Some(ExprKind::Literal(Value::Integer(512))) => Function::Sha512,
        Some(_) => {
            let message = "`sha2` is run with 256 or 512 bits";
            return lowering.refused("unsupported-function", message, call.at);
        }
    };
    one(function, argument(lowering, call, 0, rows), span)
}

fn as_like(lowering: &mut Lowering<'_>, call: &Call, ignore_case: bool, rows: &Rows) -> Expr {
    let escape = match call.arguments.get(2).map(|escape| &escape.kind) {
        Some(ExprKind::Literal(Value::String(text))) => text.chars().next(),
        _ => None,
    };
    let (of, pattern) = (call.arguments[0].clone(), call.arguments[1].clone());
    let span = of.span.to(pattern.span);
    let like = Like { of, patterns: vec![pattern], all: false, ignore_case, escape };
    lowering.expr(&ast::Expr::new(ExprKind::Like(Box::new(like)), span), rows)
}

pub(super) fn like(lowering: &mut Lowering<'_>, call: &Call, _: Span, rows: &Rows) -> Expr {
    as_like(lowering, call, false, rows)
}

pub(super) fn ilike(lowering: &mut Lowering<'_>, call: &Call, _: Span, rows: &Rows) -> Expr {
    as_like(lowering, call, true, rows)
}

/// The pattern of a call, with its flags in front; said where it cannot be used.
fn regex(
    lowering: &mut Lowering<'_>,
    call: &Call,
    flags_at: usize,
    make: &dyn Fn(String, Flags) -> String,
    rows: &Rows,
) -> Option<Expr> {
    let flags = match call.arguments.get(flags_at).map(|flags| &flags.kind) {
        None => Some(Flags::default()),
        Some(ExprKind::Literal(Value::String(letters))) => pattern::flags(letters),
        Some(_) => None,
    };
    let Some(flags) = flags else {
        let message = "the letters of a regular expression are some of `c`, `i`, `m`, `s` and `e`";
        lowering.unsupported("unsupported-option", message, call.arguments[flags_at].span);
        return None;
    };
    let ExprKind::Literal(Value::String(text)) = &call.arguments[1].kind else {
        // One that is computed is read as it is.
        let of = lowering.expr(&call.arguments[1], rows);
        let whole = make("\u{0}".to_owned(), flags);
        let (front, back) = whole.split_once('\u{0}')?;
        let parts = vec![Expr::text(flags.inline() + front), of, Expr::text(back)];
        return Some(Expr::call(Function::Concat, parts, lowering.place(call.at)));
    };
    let translated = lowering.regex(text, call.arguments[1].span)?;
    Some(Expr::text(flags.inline() + &make(translated, flags)))
}

const NULL: Expr = Expr::Literal(Value::Null);

/// The whole text has to fit.
pub(super) fn regexp_like(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    let make = |pattern: String, _| pattern::anchored(&pattern);
    let Some(regex) = regex(lowering, call, 2, &make, rows) else { return NULL };
    two(Function::RegexFindAny, argument(lowering, call, 0, rows), regex, span)
}

/// Refuses a number at a place that is not the one it is without.
fn only(lowering: &mut Lowering<'_>, call: &Call, at: usize, number: i64, what: &str) {
    let Some(argument) = call.arguments.get(at) else { return };
    if argument.kind != ExprKind::Literal(Value::Integer(number)) {
        let message = format!("`{}` is run with {what} {number} alone", call.name);
        lowering.unsupported("unsupported-option", message, argument.span);
    }
}

pub(super) fn regexp_count(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    only(lowering, call, 2, 1, "the place");
    let make = |pattern: String, _| format!("({pattern})");
    let Some(regex) = regex(lowering, call, 3, &make, rows) else { return NULL };
    let of = argument(lowering, call, 0, rows);
    let found = two(Function::MvMatches, of.clone(), regex, span);
    let count = one(Function::MvCount, found, span);
    let count = two(Function::Coalesce, count, integer(0), span);
    Expr::call(Function::Case, vec![one(Function::IsNotNull, of, span), count], span)
}

pub(super) fn regexp_instr(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    only(lowering, call, 2, 1, "the place");
    only(lowering, call, 3, 1, "the occurrence");
    let make = |pattern: String, _| pattern;
    let Some(regex) = regex(lowering, call, 5, &make, rows) else { return NULL };
    let found = two(Function::RegexFindAny, argument(lowering, call, 0, rows), regex, span);
    let not = one(Function::Not3, found.clone(), span);
    lowering.approximate(
        "regexp-place",
        "whether there is a match is told, not where: 1 stands for any place",
        call.at,
    );
    Expr::call(Function::Case, vec![found, integer(1), not, integer(0)], span)
}

/// All matches: whole, or of the first group where the flags or a number say so.
fn matches(lowering: &mut Lowering<'_>, call: &Call, span: Span, rows: &Rows) -> Option<Expr> {
    only(lowering, call, 2, 1, "the place");
    let group = call.arguments.get(5).map(|group| group.kind.clone());
    let group = match group {
        None => None,
        Some(ExprKind::Literal(Value::Integer(group @ (0 | 1)))) => Some(group),
        Some(_) => {
            let message = format!("`{}` is run with the first group alone", call.name);
            lowering.unsupported("unsupported-option", message, call.at);
            None
        }
    };
    let make = |pattern: String, flags: Flags| match group.unwrap_or(i64::from(flags.extract)) {
        0 => format!("({pattern})"),
        _ => pattern,
    };
    let regex = regex(lowering, call, 4, &make, rows)?;
    Some(two(Function::MvMatches, argument(lowering, call, 0, rows), regex, span))
}

pub(super) fn regexp_substr_all(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    only(lowering, call, 3, 1, "the occurrence");
    matches(lowering, call, span, rows).unwrap_or(NULL)
}

pub(super) fn regexp_substr(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    let which = match call.arguments.get(3) {
        None => integer(0),
        Some(which) => two(Function::Subtract, lowering.expr(which, rows), integer(1), span),
    };
    match matches(lowering, call, span, rows) {
        Some(found) => two(Function::MvIndex, found, which, span),
        None => NULL,
    }
}

pub(super) fn regexp_replace(
    lowering: &mut Lowering<'_>,
    call: &Call,
    span: Span,
    rows: &Rows,
) -> Expr {
    only(lowering, call, 3, 1, "the place");
    only(lowering, call, 4, 0, "the occurrence");
    let make = |pattern: String, _| pattern;
    let Some(regex) = regex(lowering, call, 5, &make, rows) else { return NULL };
    let with = match call.arguments.get(2) {
        Some(with) => lowering.expr(with, rows),
        None => Expr::text(""),
    };
    let of = argument(lowering, call, 0, rows);
    Expr::call(Function::ReplaceRegex, vec![of, regex, with], span)
}

/// Parts of an address of the web.
const URL_PARTS: [(&str, &str); 6] = [
    ("scheme", r"\A([A-Za-z][A-Za-z0-9+.\-]*):"),
    ("host", r"\A[A-Za-z][A-Za-z0-9+.\-]*://(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)"),
    ("port", r"\A[A-Za-z][A-Za-z0-9+.\-]*://(?:[^/?#@]*@)?(?:\[[^\]]*\]|[^/?#:]*):([0-9]+)"),
    ("path", r"\A[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*/([^?#]+)"),
    ("query", r"\A[^?#]*\?([^#]*)"),
    ("fragment", r"\A[^#]*#(.*)\z"),
];

pub(in crate::snowflake) fn part_of_url(
    lowering: &mut Lowering<'_>,
    call: &Call,
    key: &str,
    span: Span,
    rows: &Rows,
) -> Expr {
    let Some((_, regex)) = URL_PARTS.iter().find(|(part, _)| *part == key) else {
        let message = format!("the part `{key}` of `parse_url` is not run");
        return lowering.refused("unsupported-function", message, call.at);
    };
    let of = argument(lowering, call, 0, rows);
    let found = two(Function::MvMatches, of, Expr::text(*regex), span);
    two(Function::MvIndex, found, integer(0), span)
}
