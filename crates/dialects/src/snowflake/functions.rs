//! The functions of Snowflake SQL, as a table.

mod arrays;
mod texts;
mod times;
mod values;

use std::ops::RangeInclusive;

use rulestone_ir::{Aggregator, Expr, Function, Span};

use super::ast::Call;
use super::lower::{Lowering, Rows};

pub(super) use values::as_bool;

/// A function of SQL.
pub struct SqlFunction {
    /// Its name, in lower case.
    pub name: &'static str,
    /// How many arguments it takes.
    pub arguments: RangeInclusive<usize>,
    /// What it does otherwise than Snowflake's, or why it is refused; empty for nothing.
    pub limits: &'static str,
    pub(super) build: Build,
}

impl SqlFunction {
    /// Whether it runs at all.
    pub fn runs(&self) -> bool {
        !matches!(self.build, Build::Refused(_))
    }

    /// Whether it measures rows, of a group or a window.
    pub fn measures(&self) -> bool {
        matches!(self.build, Build::Measure(_) | Build::Window)
    }
}

/// What makes an expression of a call.
pub(super) type Own = fn(&mut Lowering<'_>, &Call, Span, &Rows) -> Expr;

/// What makes an expression of a part of what a call gives.
pub(super) type Part = fn(&mut Lowering<'_>, &Call, &str, Span, &Rows) -> Expr;

/// What becomes of a call.
#[derive(Clone, Copy)]
pub(super) enum Build {
    /// A function with the same arguments.
    Plain(Function),
    /// More than that.
    Own(Own),
    /// A measure of the rows of a group, or of a window.
    Measure(Measure),
    /// A function of windows alone.
    Window,
    /// Nothing, for this reason.
    Refused(&'static str),
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Measure {
    /// So.
    Plain(Aggregator),
    /// How many: rows for `*`, different values where `distinct` is said.
    Count,
    /// How many different values.
    CountDistinct,
    /// For how many rows a condition is true.
    CountIf,
    /// Whether a condition is true of one row.
    AnyTrue,
    /// Of all.
    AllTrue,
    /// All values as one text.
    ListAgg,
    /// All values as a list.
    ArrayAgg,
    /// The value that a part of the values does not exceed.
    Percentile,
}

use Build::{Measure as Measures, Own as Builds, Plain, Refused, Window};

const MANY: usize = 10_000;

const fn function(
    name: &'static str,
    arguments: RangeInclusive<usize>,
    build: Build,
    limits: &'static str,
) -> SqlFunction {
    let limits = match build {
        Refused(why) => why,
        _ => limits,
    };
    SqlFunction { name, arguments, limits, build }
}

/// All functions.
pub fn functions() -> &'static [SqlFunction] {
    FUNCTIONS
}

/// The function of a name in lower case.
pub(super) fn find(name: &str) -> Option<&'static SqlFunction> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// What reads a part of what a call gives, where the whole of it is not made: `parse_url(x):host`.
pub(super) fn part_of(call: &Call) -> Option<Part> {
    (call.name == "parse_url").then_some(texts::part_of_url as Part)
}

const NOT_RUN: &str = "is not run";
const LAMBDA: &str = "takes a function, which is not run";
const CHANGES: &str = "changes an object, which is not run";
const DISTANCE: &str = "measures how alike texts are, which is not run";
const OUTSIDE: &str = "asks about the session or the account, which logs do not hold";
const PLACES: &str = "computes with places on the earth, which is not run";

static FUNCTIONS: &[SqlFunction] = &[
    // Operators
    function("+", 2..=2, Builds(times::add), "of a time and a number: days"),
    function("-", 2..=2, Builds(times::subtract), "of a time and a number: days"),
    function("*", 2..=2, Plain(Function::Multiply), ""),
    function("/", 2..=2, Plain(Function::Divide), "null where the divisor is zero"),
    function("%", 2..=2, Plain(Function::Remainder), "null where the divisor is zero"),
    function("negate", 1..=1, Plain(Function::Negate), ""),
    function("||", 2..=MANY, Plain(Function::Concat), ""),
    // Conditions
    function("booland", 2..=2, Plain(Function::And3), ""),
    function("boolnot", 1..=1, Plain(Function::Not3), ""),
    function("boolor", 2..=2, Plain(Function::Or3), ""),
    function("boolxor", 2..=2, Plain(Function::Xor3), ""),
    function("coalesce", 1..=MANY, Plain(Function::Coalesce), ""),
    function("decode", 3..=MANY, Builds(values::decode), ""),
    function("equal_null", 2..=2, Builds(values::equal_null), ""),
    function("greatest", 1..=MANY, Builds(values::greatest), ""),
    function("greatest_ignore_nulls", 1..=64, Plain(Function::Greatest), ""),
    function("iff", 3..=3, Plain(Function::Case), ""),
    function("ifnull", 2..=2, Plain(Function::Coalesce), ""),
    function("least", 1..=MANY, Builds(values::least), ""),
    function("least_ignore_nulls", 1..=64, Plain(Function::Least), ""),
    function("nullif", 2..=2, Plain(Function::NullIf), ""),
    function("nullifzero", 1..=1, Builds(values::null_if_zero), ""),
    function("nvl", 2..=2, Plain(Function::Coalesce), ""),
    function("nvl2", 3..=3, Builds(values::nvl2), ""),
    function("zeroifnull", 1..=1, Builds(values::zero_if_null), ""),
    // Text
    function("ascii", 1..=1, Refused(NOT_RUN), ""),
    function("base64_decode_binary", 1..=2, Refused(NOT_RUN), ""),
    function("base64_decode_string", 1..=2, Builds(texts::base64), "of both alphabets"),
    function("base64_encode", 1..=3, Refused(NOT_RUN), ""),
    function("char", 1..=1, Refused(NOT_RUN), ""),
    function("charindex", 2..=3, Plain(Function::Position), ""),
    function("chr", 1..=1, Refused(NOT_RUN), ""),
    function("concat", 1..=MANY, Builds(texts::concat), ""),
    function("concat_ws", 2..=MANY, Builds(texts::concat_ws), ""),
    function("contains", 2..=2, Builds(texts::contains), ""),
    function("editdistance", 2..=3, Refused(DISTANCE), ""),
    function("endswith", 2..=2, Builds(texts::ends_with), ""),
    function("hex_decode_string", 1..=1, Refused(NOT_RUN), ""),
    function("hex_encode", 1..=2, Refused(NOT_RUN), ""),
    function("ilike", 2..=3, Builds(texts::ilike), ""),
    function("initcap", 1..=2, Refused(NOT_RUN), ""),
    function("insert", 4..=4, Refused(NOT_RUN), ""),
    function("jarowinkler_similarity", 2..=2, Refused(DISTANCE), ""),
    function("left", 2..=2, Builds(texts::left), ""),
    function("len", 1..=1, Plain(Function::Length), ""),
    function("length", 1..=1, Plain(Function::Length), ""),
    function("like", 2..=3, Builds(texts::like), ""),
    function("lower", 1..=1, Plain(Function::Lower), ""),
    function("lpad", 2..=3, Refused(NOT_RUN), ""),
    function("ltrim", 1..=2, Builds(texts::trim_left), ""),
    function("md5", 1..=1, Plain(Function::Md5), ""),
    function("md5_hex", 1..=1, Plain(Function::Md5), ""),
    function("parse_url", 1..=2, Refused("runs with a path behind it: `parse_url(x):host`"), ""),
    function("position", 2..=3, Plain(Function::Position), ""),
    function("regexp", 2..=3, Builds(texts::regexp_like), ""),
    function("regexp_count", 2..=4, Builds(texts::regexp_count), ""),
    function("regexp_extract_all", 2..=6, Builds(texts::regexp_substr_all), ""),
    function(
        "regexp_instr",
        2..=7,
        Builds(texts::regexp_instr),
        "tells whether there is a match, 0 or 1: compare with 0 alone",
    ),
    function("regexp_like", 2..=3, Builds(texts::regexp_like), ""),
    function(
        "regexp_replace",
        2..=6,
        Builds(texts::regexp_replace),
        "every match from the start on",
    ),
    function(
        "regexp_substr",
        2..=6,
        Builds(texts::regexp_substr),
        "from the start on, the whole match or its first group",
    ),
    function(
        "regexp_substr_all",
        2..=6,
        Builds(texts::regexp_substr_all),
        "from the start on, the whole match or its first group",
    ),
    function("repeat", 2..=2, Refused(NOT_RUN), ""),
    function("replace", 2..=3, Builds(texts::replace), ""),
    function("reverse", 1..=1, Refused(NOT_RUN), ""),
    function("right", 2..=2, Builds(texts::right), ""),
    function("rlike", 2..=3, Builds(texts::regexp_like), ""),
    function("rpad", 2..=3, Refused(NOT_RUN), ""),
    function("rtrim", 1..=2, Builds(texts::trim_right), ""),
    function("sha1", 1..=1, Plain(Function::Sha1), ""),
    function("sha1_hex", 1..=1, Plain(Function::Sha1), ""),
    function("sha2", 1..=2, Builds(texts::sha2), "of 256 and 512 bits"),
    function("sha2_hex", 1..=2, Builds(texts::sha2), "of 256 and 512 bits"),
    function("soundex", 1..=1, Refused(DISTANCE), ""),
    function("split", 2..=2, Plain(Function::Split), ""),
    function("split_part", 3..=3, Plain(Function::SplitPart), ""),
    function("startswith", 2..=2, Builds(texts::starts_with), ""),
    function("strtok", 1..=3, Refused(NOT_RUN), ""),
    function("strtok_to_array", 1..=2, Refused(NOT_RUN), ""),
    function("substr", 2..=3, Builds(texts::substring), ""),
    function("substring", 2..=3, Builds(texts::substring), ""),
    function("translate", 3..=3, Refused(NOT_RUN), ""),
    function("trim", 1..=2, Builds(texts::trim), ""),
    function("try_base64_decode_string", 1..=2, Builds(texts::base64), "of both alphabets"),
    function("try_hex_decode_string", 1..=1, Refused(NOT_RUN), ""),
    function("upper", 1..=1, Plain(Function::Upper), ""),
    // Numbers
    function("abs", 1..=1, Plain(Function::Abs), ""),
    function("acos", 1..=1, Plain(Function::Acos), ""),
    function("asin", 1..=1, Plain(Function::Asin), ""),
    function("atan", 1..=1, Plain(Function::Atan), ""),
    function("atan2", 2..=2, Plain(Function::Atan2), ""),
    function("bitand", 2..=2, Plain(Function::BitAnd), ""),
    function("bitor", 2..=2, Plain(Function::BitOr), ""),
    function("bitshiftleft", 2..=2, Plain(Function::BitShiftLeft), ""),
    function("bitshiftright", 2..=2, Plain(Function::BitShiftRight), ""),
    function("bitxor", 2..=2, Plain(Function::BitXor), ""),
    function("ceil", 1..=1, Plain(Function::Ceiling), ""),
    function("cos", 1..=1, Plain(Function::Cos), ""),
    function("div0", 2..=2, Builds(values::div0), ""),
    function("div0null", 2..=2, Builds(values::div0null), ""),
    function("exp", 1..=1, Plain(Function::Exp), ""),
    function("floor", 1..=1, Plain(Function::Floor), ""),
    function("haversine", 4..=4, Refused(PLACES), ""),
    function("ln", 1..=1, Plain(Function::Ln), ""),
    function("log", 2..=2, Builds(values::log), ""),
    function("mod", 2..=2, Plain(Function::Remainder), "null where the divisor is zero"),
    function("pi", 0..=0, Plain(Function::Pi), ""),
    function("pow", 2..=2, Plain(Function::Power), ""),
    function("power", 2..=2, Plain(Function::Power), ""),
    function("random", 0..=1, Refused("is a matter of chance, which is not run"), ""),
    function("round", 1..=2, Plain(Function::Round), ""),
    function("sign", 1..=1, Builds(values::sign), ""),
    function("sin", 1..=1, Plain(Function::Sin), ""),
    function("sqrt", 1..=1, Plain(Function::Sqrt), ""),
    function("square", 1..=1, Builds(values::square), ""),
    function("st_distance", 2..=2, Refused(PLACES), ""),
    function("st_makepoint", 2..=2, Refused(PLACES), ""),
    function("tan", 1..=1, Plain(Function::Tan), ""),
    function(
        "trunc",
        1..=2,
        Builds(values::truncate),
        "of a number: to a whole one; of a time: `date_trunc`",
    ),
    // Types
    function("as_char", 1..=1, Plain(Function::ToText), ""),
    function("as_integer", 1..=1, Plain(Function::ToNumber), ""),
    function("as_varchar", 1..=1, Plain(Function::ToText), ""),
    function("is_array", 1..=1, Refused(NOT_RUN), ""),
    function("is_null_value", 1..=1, Builds(values::is_null_value), "JSON's null is null here"),
    function("is_object", 1..=1, Refused(NOT_RUN), ""),
    function("to_boolean", 1..=1, Builds(values::to_boolean), ""),
    function(
        "to_char",
        1..=2,
        Builds(times::to_text),
        "of a time the parts YYYY, MM, DD, HH24, MI, SS, FF3 of a format",
    ),
    function("to_decimal", 1..=4, Builds(values::to_number), "keeps the fraction"),
    function("to_double", 1..=2, Builds(values::to_number), ""),
    function("to_number", 1..=4, Builds(values::to_number), "keeps the fraction"),
    function("to_numeric", 1..=4, Builds(values::to_number), "keeps the fraction"),
    function(
        "to_varchar",
        1..=2,
        Builds(times::to_text),
        "of a time the parts YYYY, MM, DD, HH24, MI, SS, FF3 of a format",
    ),
    function("to_variant", 1..=1, Builds(values::same), ""),
    function("try_to_boolean", 1..=1, Builds(values::to_boolean), ""),
    function("try_to_decimal", 1..=4, Builds(values::to_number), "keeps the fraction"),
    function("try_to_double", 1..=2, Builds(values::to_number), ""),
    function("try_to_number", 1..=4, Builds(values::to_number), "keeps the fraction"),
    function("try_to_numeric", 1..=4, Builds(values::to_number), "keeps the fraction"),
    function("typeof", 1..=1, Refused(NOT_RUN), ""),
    // Lists and objects
    function("array_agg", 1..=1, Measures(Measure::ArrayAgg), "in the order of rows"),
    function("array_append", 2..=2, Builds(arrays::append), ""),
    function("array_cat", 2..=2, Builds(arrays::cat), ""),
    function("array_compact", 1..=1, Builds(arrays::elements), ""),
    function("array_construct", 0..=MANY, Builds(arrays::construct), "without nulls"),
    function("array_construct_compact", 0..=MANY, Builds(arrays::construct), ""),
    function("array_contains", 2..=2, Builds(arrays::contains), ""),
    function("array_distinct", 1..=1, Builds(arrays::distinct), ""),
    function("array_except", 2..=2, Refused(NOT_RUN), ""),
    function(
        "array_intersection",
        2..=2,
        Refused("is not run; `arrays_overlap` tells whether it is empty"),
        "",
    ),
    function("array_position", 2..=2, Refused(NOT_RUN), ""),
    function("array_prepend", 2..=2, Builds(arrays::prepend), ""),
    function("array_remove", 2..=2, Refused(NOT_RUN), ""),
    function("array_size", 1..=1, Builds(arrays::size), ""),
    function("array_slice", 3..=3, Builds(arrays::slice), ""),
    function("array_sort", 1..=3, Builds(arrays::sort), "as text"),
    function("array_to_string", 2..=2, Builds(arrays::to_string), ""),
    function(
        "array_unique_agg",
        1..=1,
        Measures(Measure::Plain(Aggregator::Values(0))),
        "in the order of text",
    ),
    function("arrays_overlap", 2..=2, Builds(arrays::overlap), ""),
    function("check_json", 1..=1, Refused(NOT_RUN), ""),
    function("filter", 2..=2, Refused(LAMBDA), ""),
    function("get", 2..=2, Builds(arrays::get), "with a place that is written out"),
    function("get_ignore_case", 2..=2, Refused(NOT_RUN), ""),
    function("get_path", 2..=2, Builds(arrays::get_path), "with a path that is written out"),
    function("object_agg", 2..=2, Refused(NOT_RUN), ""),
    function("object_construct", 0..=64, Plain(Function::JsonObject), ""),
    function("object_construct_keep_null", 0..=64, Plain(Function::JsonObject), ""),
    function("object_delete", 2..=MANY, Refused(CHANGES), ""),
    function("object_insert", 3..=4, Refused(CHANGES), ""),
    function("object_keys", 1..=1, Builds(arrays::keys), ""),
    function("object_pick", 2..=MANY, Refused(CHANGES), ""),
    function("parse_json", 1..=2, Builds(values::same), "JSON is kept as text"),
    function("parse_xml", 1..=2, Refused(NOT_RUN), ""),
    function("reduce", 3..=3, Refused(LAMBDA), ""),
    function("strip_null_value", 1..=1, Builds(values::same), ""),
    function("to_array", 1..=1, Builds(arrays::elements), ""),
    function("to_json", 1..=1, Builds(values::same), "JSON is kept as text"),
    function("to_object", 1..=1, Builds(values::same), "JSON is kept as text"),
    function("transform", 2..=2, Refused(LAMBDA), ""),
    function("try_parse_json", 1..=2, Builds(values::same), "JSON is kept as text"),
    // Time
    function("add_months", 2..=2, Builds(times::add_months), ""),
    function("convert_timezone", 2..=3, Builds(times::convert_timezone), "to and from UTC alone"),
    function("current_date", 0..=0, Builds(times::current_date), "in UTC"),
    function("current_timestamp", 0..=1, Builds(times::now), ""),
    function("date", 1..=2, Builds(times::to_date), ""),
    function("date_part", 2..=2, Builds(times::date_part), "in UTC"),
    function("date_trunc", 2..=2, Builds(times::date_trunc), "in UTC"),
    function("dateadd", 3..=3, Builds(times::date_add), "of months a number that is written out"),
    function("datediff", 3..=3, Builds(times::date_diff), ""),
    function("day", 1..=1, Builds(times::part_by_name), ""),
    function("dayname", 1..=1, Builds(times::day_name), ""),
    function("dayofmonth", 1..=1, Builds(times::part_by_name), ""),
    function("dayofweek", 1..=1, Builds(times::part_by_name), ""),
    function("dayofweekiso", 1..=1, Builds(times::part_by_name), ""),
    function("dayofyear", 1..=1, Builds(times::part_by_name), ""),
    function("getdate", 0..=0, Builds(times::now), ""),
    function("hour", 1..=1, Builds(times::part_by_name), ""),
    function("last_day", 1..=2, Refused(NOT_RUN), ""),
    function("localtimestamp", 0..=1, Builds(times::now), ""),
    function("minute", 1..=1, Builds(times::part_by_name), ""),
    function("month", 1..=1, Builds(times::part_by_name), ""),
    function("monthname", 1..=1, Builds(times::month_name), ""),
    function("months_between", 2..=2, Refused(NOT_RUN), ""),
    function("next_day", 2..=2, Refused(NOT_RUN), ""),
    function("now", 0..=0, Builds(times::now), ""),
    function("quarter", 1..=1, Builds(times::part_by_name), ""),
    function("second", 1..=1, Builds(times::part_by_name), ""),
    function("sysdate", 0..=0, Builds(times::now), ""),
    function("systimestamp", 0..=0, Builds(times::now), ""),
    function(
        "time_slice",
        3..=4,
        Builds(times::time_slice),
        "of units with a fixed length, their start",
    ),
    function("timeadd", 3..=3, Builds(times::date_add), "of months a number that is written out"),
    function("timediff", 3..=3, Builds(times::date_diff), ""),
    function(
        "timestampadd",
        3..=3,
        Builds(times::date_add),
        "of months a number that is written out",
    ),
    function("timestampdiff", 3..=3, Builds(times::date_diff), ""),
    function("to_date", 1..=2, Builds(times::to_date), "without a format"),
    function("to_time", 1..=2, Refused(NOT_RUN), ""),
    function(
        "to_timestamp",
        1..=2,
        Builds(times::to_time),
        "without a format; numbers are seconds",
    ),
    function(
        "to_timestamp_ltz",
        1..=2,
        Builds(times::to_time),
        "without a format; numbers are seconds",
    ),
    function(
        "to_timestamp_ntz",
        1..=2,
        Builds(times::to_time),
        "without a format; numbers are seconds",
    ),
    function(
        "to_timestamp_tz",
        1..=2,
        Builds(times::to_time),
        "without a format; numbers are seconds",
    ),
    function("try_to_date", 1..=2, Builds(times::to_date), "without a format"),
    function(
        "try_to_timestamp",
        1..=2,
        Builds(times::to_time),
        "without a format; numbers are seconds",
    ),
    function(
        "try_to_timestamp_ltz",
        1..=2,
        Builds(times::to_time),
        "without a format; numbers are seconds",
    ),
    function(
        "try_to_timestamp_ntz",
        1..=2,
        Builds(times::to_time),
        "without a format; numbers are seconds",
    ),
    function(
        "try_to_timestamp_tz",
        1..=2,
        Builds(times::to_time),
        "without a format; numbers are seconds",
    ),
    function("week", 1..=1, Builds(times::part_by_name), ""),
    function("weekiso", 1..=1, Builds(times::part_by_name), ""),
    function("weekofyear", 1..=1, Builds(times::part_by_name), ""),
    function("year", 1..=1, Builds(times::part_by_name), ""),
    // Addresses
    function("parse_ip", 2..=3, Refused("is not run: compare addresses as text"), ""),
    // The session
    function("current_account", 0..=0, Refused(OUTSIDE), ""),
    function("current_ip_address", 0..=0, Refused(OUTSIDE), ""),
    function("current_role", 0..=0, Refused(OUTSIDE), ""),
    function("current_user", 0..=0, Refused(OUTSIDE), ""),
    function("hash", 1..=MANY, Refused("is not documented, and not run"), ""),
    function("seq4", 0..=1, Refused(NOT_RUN), ""),
    function("uuid_string", 0..=2, Refused(NOT_RUN), ""),
    // Measures
    function("any_value", 1..=1, Measures(Measure::Plain(Aggregator::First)), ""),
    function("approx_count_distinct", 1..=1, Measures(Measure::CountDistinct), "exact"),
    function(
        "approx_percentile",
        2..=2,
        Measures(Measure::Percentile),
        "nearest rank: `percentile-meaning`",
    ),
    function("avg", 1..=1, Measures(Measure::Plain(Aggregator::Mean)), ""),
    function("booland_agg", 1..=1, Measures(Measure::AllTrue), ""),
    function("boolor_agg", 1..=1, Measures(Measure::AnyTrue), ""),
    function("corr", 2..=2, Refused(NOT_RUN), ""),
    function("count", 1..=16, Measures(Measure::Count), ""),
    function("count_if", 1..=1, Measures(Measure::CountIf), ""),
    function("hll", 1..=1, Measures(Measure::CountDistinct), "exact"),
    function("listagg", 1..=2, Measures(Measure::ListAgg), "in the order of rows, or of text"),
    function("max", 1..=1, Measures(Measure::Plain(Aggregator::Max)), ""),
    function("max_by", 2..=3, Refused(NOT_RUN), ""),
    function(
        "median",
        1..=1,
        Measures(Measure::Plain(Aggregator::Median)),
        "of an even number the higher of the two: `percentile-meaning`",
    ),
    function("min", 1..=1, Measures(Measure::Plain(Aggregator::Min)), ""),
    function("min_by", 2..=3, Refused(NOT_RUN), ""),
    function("mode", 1..=1, Measures(Measure::Plain(Aggregator::Mode)), ""),
    function("percentile_cont", 1..=1, Refused(NOT_RUN), ""),
    function("percentile_disc", 1..=1, Refused(NOT_RUN), ""),
    function("stddev", 1..=1, Measures(Measure::Plain(Aggregator::StdevSample)), "0 of one value"),
    function("stddev_pop", 1..=1, Measures(Measure::Plain(Aggregator::StdevPopulation)), ""),
    function(
        "stddev_samp",
        1..=1,
        Measures(Measure::Plain(Aggregator::StdevSample)),
        "0 of one value",
    ),
    function("sum", 1..=1, Measures(Measure::Plain(Aggregator::Sum)), ""),
    function("var_pop", 1..=1, Measures(Measure::Plain(Aggregator::VariancePopulation)), ""),
    function(
        "var_samp",
        1..=1,
        Measures(Measure::Plain(Aggregator::VarianceSample)),
        "0 of one value",
    ),
    function(
        "variance",
        1..=1,
        Measures(Measure::Plain(Aggregator::VarianceSample)),
        "0 of one value",
    ),
    function("variance_pop", 1..=1, Measures(Measure::Plain(Aggregator::VariancePopulation)), ""),
    // Windows
    function("conditional_change_event", 1..=1, Refused(NOT_RUN), ""),
    function("conditional_true_event", 1..=1, Refused(NOT_RUN), ""),
    function("cume_dist", 0..=0, Refused(NOT_RUN), ""),
    function("dense_rank", 0..=0, Window, "by one expression"),
    function("first_value", 1..=1, Window, "of the whole group"),
    function("lag", 1..=3, Window, "of the row before"),
    function("last_value", 1..=1, Window, "of the whole group"),
    function("lead", 1..=3, Window, "of the row behind"),
    function("nth_value", 2..=2, Refused(NOT_RUN), ""),
    function("ntile", 1..=1, Refused(NOT_RUN), ""),
    function("percent_rank", 0..=0, Refused(NOT_RUN), ""),
    function("rank", 0..=0, Refused("is not run; `dense_rank` and `row_number` are"), ""),
    function("ratio_to_report", 1..=1, Refused(NOT_RUN), ""),
    function("row_number", 0..=0, Window, ""),
];
