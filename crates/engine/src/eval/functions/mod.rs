//! The functions of expressions, a file a family.
//!
//! A function sees values: nulls and lists are dealt with before, by the table of
//! [`rulestone_ir::Function`], but for those that say of themselves that they take them.

mod arithmetic;
mod compare;
pub(crate) mod json;
mod kinds;
mod list;
mod logic;
pub(crate) mod path;
mod printf;
pub(super) mod relative;
mod text;
pub(super) mod timeformat;
pub(crate) mod xml;

use std::borrow::Cow;

use rulestone_ir::Function;
use rulestone_value::Value;

use super::ready::Ready;
use super::{Context, Node, number};

/// What a function is given.
pub(super) type Arguments<'a> = [Cow<'a, Value>];

/// A function of values.
pub(super) type Plain = fn(&Arguments<'_>, &Ready) -> Value;

/// A function that evaluates its arguments itself.
pub(super) type Lazy = for<'c> fn(&'c [Node], &Context<'c>) -> Cow<'c, Value>;

/// How a function is run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Run {
    Plain(Plain),
    Lazy(Lazy),
}

fn text_at<'a>(arguments: &'a Arguments<'_>, at: usize) -> Option<Cow<'a, str>> {
    number::text(arguments.get(at)?)
}

fn float_at(arguments: &Arguments<'_>, at: usize) -> Option<f64> {
    number::float(arguments.get(at)?)
}

fn integer_at(arguments: &Arguments<'_>, at: usize) -> Option<i64> {
    number::integer(arguments.get(at)?)
}

/// The elements of all arguments.
fn element_values<'a>(arguments: &'a Arguments<'_>) -> impl Iterator<Item = &'a Value> {
    arguments.iter().flat_map(|argument| argument.elements())
}

macro_rules! table {
    (lazy { $($lazy:ident => $family:ident::$function:ident,)+ }
     plain { $($plain:ident => $of:ident::$runs:ident,)+ }) => {
        /// What runs a function.
        pub(super) fn run(function: Function) -> Run {
            match function {
                $(Function::$lazy => Run::Lazy($family::$function),)+
                $(Function::$plain => Run::Plain($of::$runs),)+
            }
        }
    };
}

table! {
    lazy {
        And3 => logic::and,
        Or3 => logic::or,
        Coalesce => logic::coalesce,
        Case => logic::case,
        Validate => logic::validate,
        ElementsWhere => list::elements_where,
        EachElement => list::each_element,
        Random => arithmetic::random,
        Now => relative::now,
    }
    plain {
        Not3 => logic::not,
        Xor3 => logic::xor,
        IsNull => logic::is_null,
        IsNotNull => logic::is_not_null,
        NullIf => logic::null_if,
        EqAny => compare::eq,
        NeAny => compare::ne,
        LtAny => compare::lt,
        LeAny => compare::le,
        GtAny => compare::gt,
        GeAny => compare::ge,
        InAny => compare::in_any,
        Add => arithmetic::add,
        Subtract => arithmetic::subtract,
        Multiply => arithmetic::multiply,
        Divide => arithmetic::divide,
        Remainder => arithmetic::remainder,
        Negate => arithmetic::negate,
        Abs => arithmetic::abs,
        Ceiling => arithmetic::ceiling,
        Floor => arithmetic::floor,
        Round => arithmetic::round,
        Exp => arithmetic::exp,
        Ln => arithmetic::ln,
        Log => arithmetic::log,
        Power => arithmetic::power,
        Sqrt => arithmetic::sqrt,
        Pi => arithmetic::pi,
        Least => arithmetic::least,
        Greatest => arithmetic::greatest,
        SumOf => arithmetic::sum_of,
        MeanOf => arithmetic::mean_of,
        Concat => text::concat,
        Length => text::length,
        Lower => text::lower,
        Upper => text::upper,
        Trim => text::trim,
        TrimLeft => text::trim_left,
        TrimRight => text::trim_right,
        Substring => text::substring,
        ReplaceRegex => text::replace_regex,
        ReplaceText => text::replace_text,
        Position => text::position,
        SplitPart => text::split_part,
        UrlDecode => text::url_decode,
        Printf => printf::printf,
        RegexFindAny => text::regex_find,
        LikeAny => text::like,
        CidrMatch => text::cidr_match,
        Entropy => text::entropy,
        Md5 => text::md5,
        Sha1 => text::sha1,
        Sha256 => text::sha256,
        Sha512 => text::sha512,
        ToText => kinds::to_text,
        ToNumber => arithmetic::to_number,
        IsBool => kinds::is_bool,
        IsInteger => kinds::is_integer,
        IsNumber => kinds::is_number,
        IsText => kinds::is_text,
        TypeName => kinds::type_name,
        MvCount => list::count,
        MvAppend => list::append,
        MvDedup => list::dedup,
        MvFind => list::find,
        MvIndex => list::index,
        MvJoin => list::join,
        MvRange => list::range,
        MvSort => list::sort,
        MvZip => list::zip,
        Split => list::split,
        MvMatches => list::matches,
        Commands => list::commands,
        FormatTime => timeformat::format_time,
        ParseTime => timeformat::parse_time,
        RelativeTime => relative::relative_time,
        DurationSeconds => kinds::duration_seconds,
        MemoryKilobytes => kinds::memory_kilobytes,
        WithoutUnit => kinds::without_unit,
        JsonPath => path::json_path,
        AnyPath => path::any_path,
        JsonKeys => json::keys,
        JsonValid => json::valid,
        JsonObject => json::object,
        JsonArray => json::array,
        JsonElements => json::elements,
        ElementsOf => json::elements_of,
        MvToJson => json::of_list,
        Base64Decode => text::base64_decode,
        BitAnd => arithmetic::bit_and,
        BitOr => arithmetic::bit_or,
        BitXor => arithmetic::bit_xor,
        BitNot => arithmetic::bit_not,
        BitShiftLeft => arithmetic::shift_left,
        BitShiftRight => arithmetic::shift_right,
        Sin => arithmetic::sin,
        Cos => arithmetic::cos,
        Tan => arithmetic::tan,
        Asin => arithmetic::asin,
        Acos => arithmetic::acos,
        Atan => arithmetic::atan,
        Atan2 => arithmetic::atan2,
    }
}
