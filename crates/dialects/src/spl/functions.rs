//! The functions of eval expressions, as a table.

use std::ops::RangeInclusive;

use rulestone_ir::{Expr, Formula, Function, Span};
use rulestone_value::Value;

use super::ast::Eval;
use super::lower::eval::{Scope, number_value};
use super::lower::{Lowering, Rows};

/// A function of eval expressions.
pub struct EvalFunction {
    /// Its name, in lower case.
    pub name: &'static str,
    /// How many arguments it takes.
    pub arguments: RangeInclusive<usize>,
    /// What it does otherwise than Splunk's, or why it is refused; empty for nothing.
    pub limits: &'static str,
    pub(super) build: Build,
}

impl EvalFunction {
    /// Whether it runs at all.
    pub fn runs(&self) -> bool {
        !matches!(self.build, Build::Refused(_))
    }
}

/// What makes an expression of a call.
#[derive(Clone, Copy)]
pub(super) enum Build {
    /// A function with the same arguments.
    Plain(Function),
    /// More than that.
    Own(fn(&mut Lowering<'_>, &[Eval], Span, &Rows) -> Expr),
    /// Nothing, for this reason.
    Refused(&'static str),
}

use Build::{Own, Plain, Refused};

const MANY: usize = 10_000;

const fn function(
    name: &'static str,
    arguments: RangeInclusive<usize>,
    build: Build,
    limits: &'static str,
) -> EvalFunction {
    let limits = match build {
        Refused(why) => why,
        _ => limits,
    };
    EvalFunction { name, arguments, limits, build }
}

/// All functions.
pub fn functions() -> &'static [EvalFunction] {
    FUNCTIONS
}

/// The function of a name in lower case.
pub(super) fn find(name: &str) -> Option<&'static EvalFunction> {
    FUNCTIONS.iter().find(|function| function.name.eq_ignore_ascii_case(name))
}

const CANNOT_SEARCH: &str = "takes the name of a table, which is not run";
const NOT_JSON: &str = "changes JSON, which is not run";
const BAD_ROWS: &str = "depends on other rows, which is not run";

static FUNCTIONS: &[EvalFunction] = &[
    // Conditions
    function("case", 2..=MANY, Plain(Function::Case), ""),
    function("cidrmatch", 2..=2, Plain(Function::CidrMatch), ""),
    function("coalesce", 1..=MANY, Plain(Function::Coalesce), ""),
    function("false", 0..=0, Own(|_, _, _, _| Expr::Literal(Value::Bool(false))), ""),
    function("if", 2..=3, Own(choice), ""),
    function("in", 2..=MANY, Plain(Function::InAny), ""),
    function("like", 2..=2, Plain(Function::LikeAny), ""),
    function("lookup", 2..=MANY, Refused(CANNOT_SEARCH), ""),
    function("match", 2..=2, Own(matches), ""),
    function("null", 0..=0, Own(|_, _, _, _| Expr::Literal(Value::Null)), ""),
    function("nullif", 2..=2, Plain(Function::NullIf), ""),
    function("searchmatch", 1..=1, Own(search_match), "the search is a text, not a field"),
    function("true", 0..=0, Own(|_, _, _, _| Expr::Literal(Value::Bool(true))), ""),
    function("validate", 2..=MANY, Plain(Function::Validate), ""),
    // Conversion
    function("ipmask", 2..=2, Refused("masks addresses, which is not run"), ""),
    function("printf", 1..=MANY, Plain(Function::Printf), ""),
    function("tobool", 1..=1, Own(to_bool), ""),
    function("toint", 1..=1, Own(to_int), ""),
    function("tonumber", 1..=2, Plain(Function::ToNumber), ""),
    function("tostring", 1..=2, Plain(Function::ToText), ""),
    // Cryptography
    function("ut_shannon", 1..=1, Plain(Function::Entropy), "the lookup of the app URL Toolbox"),
    function("md5", 1..=1, Plain(Function::Md5), ""),
    function("sha1", 1..=1, Plain(Function::Sha1), ""),
    function("sha256", 1..=1, Plain(Function::Sha256), ""),
    function("sha512", 1..=1, Plain(Function::Sha512), ""),
    // Time
    function(
        "now",
        0..=0,
        Plain(Function::Now),
        "the end of the pane the run looks at, or of all logs",
    ),
    function("relative_time", 2..=2, Plain(Function::RelativeTime), ""),
    function("strftime", 2..=2, Plain(Function::FormatTime), "in UTC"),
    function("strptime", 2..=2, Plain(Function::ParseTime), "UTC where the text names no zone"),
    function("time", 0..=0, Plain(Function::Now), "as `now()`, without a fraction"),
    // Kinds of values
    function("isbool", 1..=1, Plain(Function::IsBool), ""),
    function("isint", 1..=1, Plain(Function::IsInteger), ""),
    function("isnotnull", 1..=1, Plain(Function::IsNotNull), ""),
    function("isnull", 1..=1, Plain(Function::IsNull), ""),
    function("isnum", 1..=1, Plain(Function::IsNumber), ""),
    function("isstr", 1..=1, Plain(Function::IsText), ""),
    function("typeof", 1..=1, Plain(Function::TypeName), ""),
    // Numbers
    function("abs", 1..=1, Plain(Function::Abs), ""),
    function("ceil", 1..=1, Plain(Function::Ceiling), ""),
    function("ceiling", 1..=1, Plain(Function::Ceiling), ""),
    function("exact", 1..=1, Own(same), "numbers are 64 bits wide"),
    function("exp", 1..=1, Plain(Function::Exp), ""),
    function("floor", 1..=1, Plain(Function::Floor), ""),
    function("ln", 1..=1, Plain(Function::Ln), ""),
    function("log", 1..=2, Plain(Function::Log), ""),
    function("pi", 0..=0, Plain(Function::Pi), ""),
    function("pow", 2..=2, Plain(Function::Power), ""),
    function("random", 0..=0, Plain(Function::Random), "depends on the row's place alone"),
    function("round", 1..=2, Plain(Function::Round), ""),
    function("sigfig", 1..=1, Own(same), "numbers are 64 bits wide"),
    function("sqrt", 1..=1, Plain(Function::Sqrt), ""),
    function("acos", 1..=1, Plain(Function::Acos), ""),
    function("acosh", 1..=1, Own(acosh), ""),
    function("asin", 1..=1, Plain(Function::Asin), ""),
    function("asinh", 1..=1, Own(asinh), ""),
    function("atan", 1..=1, Plain(Function::Atan), ""),
    function("atan2", 2..=2, Plain(Function::Atan2), ""),
    function("atanh", 1..=1, Own(atanh), ""),
    function("cos", 1..=1, Plain(Function::Cos), ""),
    function("cosh", 1..=1, Own(cosh), ""),
    function("hypot", 2..=2, Own(hypot), ""),
    function("sin", 1..=1, Plain(Function::Sin), ""),
    function("sinh", 1..=1, Own(sinh), ""),
    function("tan", 1..=1, Plain(Function::Tan), ""),
    function("tanh", 1..=1, Own(tanh), ""),
    function("bit_and", 2..=64, Plain(Function::BitAnd), ""),
    function("bit_not", 1..=1, Plain(Function::BitNot), "of 53 bits, without a mask"),
    function("bit_or", 2..=64, Plain(Function::BitOr), ""),
    function("bit_shift_left", 2..=2, Plain(Function::BitShiftLeft), ""),
    function("bit_shift_right", 2..=2, Plain(Function::BitShiftRight), ""),
    function("bit_xor", 2..=64, Plain(Function::BitXor), ""),
    // Of several values
    function("avg", 1..=64, Plain(Function::MeanOf), ""),
    function("max", 1..=64, Plain(Function::Greatest), ""),
    function("min", 1..=64, Plain(Function::Least), ""),
    function("sum", 1..=64, Plain(Function::SumOf), ""),
    // Text
    function("len", 1..=1, Plain(Function::Length), ""),
    function("lower", 1..=1, Plain(Function::Lower), ""),
    function("ltrim", 1..=2, Plain(Function::TrimLeft), ""),
    function("replace", 3..=3, Own(replace), ""),
    function("rtrim", 1..=2, Plain(Function::TrimRight), ""),
    function("spath", 2..=2, Plain(Function::AnyPath), ""),
    function("substr", 2..=3, Plain(Function::Substring), ""),
    function("trim", 1..=2, Plain(Function::Trim), ""),
    function("upper", 1..=1, Plain(Function::Upper), ""),
    function("urldecode", 1..=1, Plain(Function::UrlDecode), ""),
    // Lists
    function("commands", 1..=1, Plain(Function::Commands), ""),
    function("mv_to_json_array", 1..=2, Own(mv_to_json), "types are not inferred"),
    function("mvappend", 1..=MANY, Plain(Function::MvAppend), ""),
    function("mvcount", 1..=1, Plain(Function::MvCount), ""),
    function("mvdedup", 1..=1, Plain(Function::MvDedup), ""),
    function("mvfilter", 1..=1, Own(mv_filter), "of one field"),
    function("mvfind", 2..=2, Own(mv_find), ""),
    function("mvindex", 2..=3, Plain(Function::MvIndex), ""),
    function("mvjoin", 2..=2, Plain(Function::MvJoin), ""),
    function("mvmap", 2..=3, Own(mv_map), "of a field"),
    function("mvrange", 2..=3, Plain(Function::MvRange), "steps are numbers"),
    function("mvsort", 1..=1, Plain(Function::MvSort), ""),
    function("mvzip", 2..=3, Plain(Function::MvZip), ""),
    function("split", 2..=2, Plain(Function::Split), ""),
    // JSON
    function("json", 1..=1, Own(same), ""),
    function("json_append", 3..=MANY, Refused(NOT_JSON), ""),
    function("json_array", 0..=64, Plain(Function::JsonArray), ""),
    function("json_array_to_mv", 1..=2, Own(json_elements), "elements are without quotes"),
    function("json_delete", 2..=MANY, Refused(NOT_JSON), ""),
    function("json_extend", 3..=MANY, Refused(NOT_JSON), ""),
    function("json_extract", 1..=64, Own(json_extract), ""),
    function("json_extract_exact", 1..=64, Own(json_extract), "keys with dots are read as paths"),
    function("json_keys", 1..=2, Plain(Function::JsonKeys), ""),
    function("json_object", 0..=64, Plain(Function::JsonObject), ""),
    function("json_set", 3..=MANY, Refused(NOT_JSON), ""),
    function("json_set_exact", 3..=MANY, Refused(NOT_JSON), ""),
    function("json_valid", 1..=1, Plain(Function::JsonValid), ""),
    function("tojson", 0..=1, Refused(NOT_JSON), ""),
    function("getfields", 0..=1, Refused(BAD_ROWS), ""),
];

fn all(lowering: &mut Lowering<'_>, arguments: &[Eval], rows: &Rows) -> Vec<Expr> {
    arguments.iter().map(|own| lowering.expr(own, rows)).collect()
}

/// The first argument.
fn first(lowering: &mut Lowering<'_>, arguments: &[Eval], rows: &Rows) -> Expr {
    arguments.first().map_or(Expr::Literal(Value::Null), |own| lowering.expr(own, rows))
}

/// `if(condition, then, else)`; without the last it is null.
fn choice(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    Expr::call(Function::Case, all(lowering, arguments, rows), span)
}

fn same(lowering: &mut Lowering<'_>, arguments: &[Eval], _: Span, rows: &Rows) -> Expr {
    first(lowering, arguments, rows)
}

fn matches(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    with_regex(Function::RegexFindAny, lowering, arguments, span, rows)
}

fn mv_find(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    with_regex(Function::MvFind, lowering, arguments, span, rows)
}

fn replace(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    with_regex(Function::ReplaceRegex, lowering, arguments, span, rows)
}

/// A call whose second argument is a regular expression.
fn with_regex(
    function: Function,
    lowering: &mut Lowering<'_>,
    arguments: &[Eval],
    span: Span,
    rows: &Rows,
) -> Expr {
    let arguments = arguments.iter().enumerate().map(|(at, own)| {
        if at == 1 { lowering.regex_argument(own, rows) } else { lowering.expr(own, rows) }
    });
    Expr::call(function, arguments.collect(), span)
}

fn search_match(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let formula = match arguments {
        [Eval::Text(text, at)] => lowering.search_match(text, *at, rows),
        _ => {
            lowering.refuse_function("`searchmatch` of a field is not run", span);
            Formula::FALSE
        }
    };
    Expr::Holds(Box::new(formula))
}

/// The elements for which a condition on the field is true.
fn mv_filter(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let mut names = Vec::new();
    arguments.iter().for_each(|own| field_names(own, &mut names));
    let [name] = names.as_slice() else {
        lowering.refuse_function("`mvfilter` of several fields is not run", span);
        return Expr::Literal(Value::Null);
    };
    lowering.over_elements(Function::ElementsWhere, name, arguments.first(), span, rows)
}

/// What an expression makes of each element.
fn mv_map(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    match arguments {
        [Eval::Field(name), each] | [Eval::Field(_), each, Eval::Field(name)] => {
            lowering.over_elements(Function::EachElement, &name.value, Some(each), span, rows)
        }
        _ => {
            lowering.refuse_function("`mvmap` of an expression is not run", span);
            Expr::Literal(Value::Null)
        }
    }
}

impl Lowering<'_> {
    fn refuse_function(&mut self, message: &str, span: Span) {
        self.unsupported("unsupported-function", message, span);
    }

    fn over_elements(
        &mut self,
        function: Function,
        name: &std::sync::Arc<str>,
        each: Option<&Eval>,
        span: Span,
        rows: &Rows,
    ) -> Expr {
        let Some(each) = each else { return Expr::Literal(Value::Null) };
        // Elements of elements have no name to tell them apart.
        if self.scopes.iter().any(|scope| matches!(scope, Scope::Elements(_))) {
            self.refuse_function("one function of elements within another is not run", span);
            return Expr::Literal(Value::Null);
        }
        let list = Eval::Field(super::ast::Spanned { value: name.clone(), span });
        let list = self.expr(&list, rows);
        self.scopes.push(Scope::Elements(name.clone()));
        let each = self.expr(each, rows);
        self.scopes.pop();
        Expr::call(function, vec![list, each], span)
    }
}

/// The names of fields in an expression, each once.
fn field_names(eval: &Eval, names: &mut Vec<std::sync::Arc<str>>) {
    match eval {
        Eval::Field(name) => {
            let word = ["true", "false", "null"].contains(&&*name.value);
            if !word && !names.contains(&name.value) {
                names.push(name.value.clone());
            }
        }
        Eval::Call { arguments, .. } => arguments.iter().for_each(|own| field_names(own, names)),
        Eval::Not(inner, _) | Eval::Negate(inner, _) => field_names(inner, names),
        Eval::Binary { left, right, .. } => {
            field_names(left, names);
            field_names(right, names);
        }
        Eval::In { value, values, .. } => {
            field_names(value, names);
            values.iter().for_each(|own| field_names(own, names));
        }
        Eval::Number(..) | Eval::Text(..) | Eval::Indirect(_) | Eval::Broken(_) => {}
    }
}

fn to_bool(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let value = first(lowering, arguments, rows);
    let text = Expr::call(Function::ToText, vec![value], span);
    let text = Expr::call(Function::Lower, vec![text], span);
    let words = ["true", "t", "1", "yes"].map(Expr::text);
    let arguments = std::iter::once(text).chain(words).collect();
    Expr::call(Function::InAny, arguments, span)
}

fn to_int(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let value = first(lowering, arguments, rows);
    let number = Expr::call(Function::ToNumber, vec![value], span);
    Expr::call(Function::Floor, vec![number], span)
}

fn mv_to_json(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let value = first(lowering, arguments, rows);
    Expr::call(Function::MvToJson, vec![value], span)
}

fn json_elements(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let value = first(lowering, arguments, rows);
    Expr::call(Function::JsonElements, vec![value], span)
}

/// The value at a path; of several paths a list of JSON.
fn json_extract(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let value = first(lowering, arguments, rows);
    let paths = arguments.get(1..).unwrap_or_default();
    let mut found = Vec::new();
    for path in paths {
        let path = lowering.expr(path, rows);
        found.push(Expr::call(Function::JsonPath, vec![value.clone(), path], span));
    }
    match found.len() {
        0 => value,
        1 => found.swap_remove(0),
        _ => Expr::call(Function::JsonArray, found, span),
    }
}

/// A small formula over what is there.
struct Arithmetic(Span);

impl Arithmetic {
    fn number(&self, number: f64) -> Expr {
        Expr::Literal(number_value(number))
    }

    fn of(&self, function: Function, arguments: impl IntoIterator<Item = Expr>) -> Expr {
        Expr::call(function, arguments.into_iter().collect(), self.0)
    }

    /// Half of what two exponentials are together or apart.
    fn half(&self, function: Function, of: Expr) -> Expr {
        let other = self.of(Function::Exp, [self.of(Function::Negate, [of.clone()])]);
        let both = self.of(function, [self.of(Function::Exp, [of]), other]);
        self.of(Function::Divide, [both, self.number(2.0)])
    }

    /// The logarithm of `x + sqrt(x² ± 1)`.
    fn area(&self, function: Function, of: Expr) -> Expr {
        let square = self.of(Function::Multiply, [of.clone(), of.clone()]);
        let root = self.of(Function::Sqrt, [self.of(function, [square, self.number(1.0)])]);
        self.of(Function::Ln, [self.of(Function::Add, [of, root])])
    }
}

fn sinh(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let of = first(lowering, arguments, rows);
    Arithmetic(span).half(Function::Subtract, of)
}

fn cosh(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let of = first(lowering, arguments, rows);
    Arithmetic(span).half(Function::Add, of)
}

fn tanh(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let of = first(lowering, arguments, rows);
    let own = Arithmetic(span);
    let sides = [own.half(Function::Subtract, of.clone()), own.half(Function::Add, of)];
    own.of(Function::Divide, sides)
}

fn asinh(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let of = first(lowering, arguments, rows);
    Arithmetic(span).area(Function::Add, of)
}

fn acosh(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let of = first(lowering, arguments, rows);
    Arithmetic(span).area(Function::Subtract, of)
}

fn atanh(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let of = first(lowering, arguments, rows);
    let own = Arithmetic(span);
    let above = own.of(Function::Add, [own.number(1.0), of.clone()]);
    let below = own.of(Function::Subtract, [own.number(1.0), of]);
    let logarithm = own.of(Function::Ln, [own.of(Function::Divide, [above, below])]);
    own.of(Function::Divide, [logarithm, own.number(2.0)])
}

fn hypot(lowering: &mut Lowering<'_>, arguments: &[Eval], span: Span, rows: &Rows) -> Expr {
    let own = Arithmetic(span);
    let squares = all(lowering, arguments, rows)
        .into_iter()
        .map(|side| own.of(Function::Multiply, [side.clone(), side]));
    let squares: Vec<_> = squares.collect();
    own.of(Function::Sqrt, [own.of(Function::Add, squares)])
}

/// Whether an expression is a condition: true or false, and nothing else.
pub(super) fn is_condition(eval: &Eval) -> bool {
    const CONDITIONS: [&str; 13] = [
        "match",
        "like",
        "in",
        "isnull",
        "isnotnull",
        "isnum",
        "isstr",
        "isint",
        "isbool",
        "cidrmatch",
        "searchmatch",
        "true",
        "false",
    ];
    use super::ast::Binary;
    match eval {
        Eval::Not(..) | Eval::In { .. } => true,
        Eval::Binary { operator, .. } => matches!(
            operator.value,
            Binary::And | Binary::Or | Binary::Xor | Binary::Compare(_) | Binary::Like
        ),
        Eval::Call { name, .. } => CONDITIONS.contains(&&*name.value),
        _ => false,
    }
}

/// An expression as text, as near to what was written as its tree tells.
pub(super) fn print(eval: &Eval) -> String {
    use super::ast::{Binary, Operator};
    let list = |values: &[Eval]| values.iter().map(print).collect::<Vec<_>>().join(",");
    match eval {
        Eval::Number(number, _) => number.to_string(),
        Eval::Text(text, _) => format!("{text:?}"),
        Eval::Field(name) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.value.chars().all(plain) {
                name.value.to_string()
            } else {
                format!("'{}'", name.value)
            }
        }
        Eval::Indirect(name) => format!("{{{}}}", name.value),
        Eval::Call { name, arguments, .. } => format!("{}({})", name.value, list(arguments)),
        Eval::Not(inner, _) => format!("NOT {}", print(inner)),
        Eval::Negate(inner, _) => format!("-{}", print(inner)),
        Eval::Binary { operator, left, right } => {
            let sign = match operator.value {
                Binary::And => " AND ",
                Binary::Or => " OR ",
                Binary::Xor => " XOR ",
                Binary::Compare(Operator::Equal) => "=",
                Binary::Compare(Operator::NotEqual) => "!=",
                Binary::Compare(Operator::Less) => "<",
                Binary::Compare(Operator::LessOrEqual) => "<=",
                Binary::Compare(Operator::Greater) => ">",
                Binary::Compare(Operator::GreaterOrEqual) => ">=",
                Binary::Like => " LIKE ",
                Binary::Add => "+",
                Binary::Subtract => "-",
                Binary::Multiply => "*",
                Binary::Divide => "/",
                Binary::Remainder => "%",
                Binary::Concat => ".",
            };
            format!("{}{sign}{}", print(left), print(right))
        }
        Eval::In { value, values, .. } => format!("{} IN ({})", print(value), list(values)),
        Eval::Broken(_) => String::new(),
    }
}
