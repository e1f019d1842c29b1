//! The functions of expressions, as one table.
//!
//! What a language calls a function says nothing about nulls and lists; these names do, and where
//! one name means two things in two languages there are two functions.

use std::ops::RangeInclusive;

/// What a function makes of null arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// Null in, null out.
    Strict,
    /// As the function says.
    Own,
}

/// What a function makes of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListRule {
    /// True when it is true of one element.
    AnyElement,
    /// Applied to each element of the first argument.
    EachElement,
    /// Null.
    Null,
    /// The list is one argument.
    Whole,
}

/// As many arguments as one likes.
const MANY: usize = 64;

macro_rules! functions {
    ($($(#[$doc:meta])+ $variant:ident $name:literal $arguments:expr, $nulls:ident $lists:ident;)+) => {
        /// A function of expressions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Function {
            $($(#[$doc])+ $variant,)+
        }

        impl Function {
            /// All of them.
            pub const ALL: &[Function] = &[$(Function::$variant,)+];

            /// The name in output.
            pub const fn name(self) -> &'static str {
                match self { $(Function::$variant => $name,)+ }
            }

            /// How many arguments it takes.
            pub const fn arguments(self) -> RangeInclusive<usize> {
                match self { $(Function::$variant => $arguments,)+ }
            }

            /// What it makes of null arguments.
            pub const fn nulls(self) -> Nulls {
                match self { $(Function::$variant => Nulls::$nulls,)+ }
            }

            /// What it makes of lists.
            pub const fn lists(self) -> ListRule {
                match self { $(Function::$variant => ListRule::$lists,)+ }
            }
        }
    };
}

functions! {
    // Logic
    /// Kleene's and.
    And3 "and3" 1..=MANY, Own Null;
    /// Kleene's or.
    Or3 "or3" 1..=MANY, Own Null;
    /// Kleene's not.
    Not3 "not3" 1..=1, Strict Null;
    /// Either, not both.
    Xor3 "xor3" 2..=2, Strict Null;

    // Comparison: numbers where both sides are, else text with case
    /// Equal.
    EqAny "eq_any" 2..=2, Strict AnyElement;
    /// Not equal.
    NeAny "ne_any" 2..=2, Strict AnyElement;
    /// Less.
    LtAny "lt_any" 2..=2, Strict AnyElement;
    /// Less or equal.
    LeAny "le_any" 2..=2, Strict AnyElement;
    /// Greater.
    GtAny "gt_any" 2..=2, Strict AnyElement;
    /// Greater or equal.
    GeAny "ge_any" 2..=2, Strict AnyElement;
    /// Whether the first equals one of the others; others that are null do not count.
    InAny "in_any" 2..=MANY, Own AnyElement;

    // Nulls and choices
    /// Whether it is null.
    IsNull "is_null" 1..=1, Own Whole;
    /// Whether it is not.
    IsNotNull "is_not_null" 1..=1, Own Whole;
    /// The first that is not null, whole.
    Coalesce "coalesce" 1..=MANY, Own Whole;
    /// Null when both are equal, else the first.
    NullIf "null_if" 2..=2, Own Whole;
    /// Condition and value by turns, and perhaps one more value for else: the value behind the
    /// first condition that is true; a null condition is not.
    Case "case" 2..=MANY, Own Whole;
    /// Condition and value by turns: the value behind the first condition that is false; null
    /// when all are true.
    Validate "validate" 2..=MANY, Own Whole;

    // Arithmetic: text that is a number counts as one; what is none makes null
    /// Sum; of two texts that are no numbers, both joined.
    Add "add" 2..=2, Strict Null;
    /// Difference.
    Subtract "subtract" 2..=2, Strict Null;
    /// Product.
    Multiply "multiply" 2..=2, Strict Null;
    /// Quotient; null when the divisor is zero.
    Divide "divide" 2..=2, Strict Null;
    /// Remainder; null when the divisor is zero.
    Remainder "remainder" 2..=2, Strict Null;
    /// The other sign.
    Negate "negate" 1..=1, Strict Null;
    /// Distance from zero.
    Abs "abs" 1..=1, Strict Null;
    /// The next whole number above.
    Ceiling "ceiling" 1..=1, Strict Null;
    /// The next whole number below.
    Floor "floor" 1..=1, Strict Null;
    /// Rounded to so many decimals, away from zero at the half; to a whole number without.
    Round "round" 1..=2, Strict Null;
    /// e to the power.
    Exp "exp" 1..=1, Strict Null;
    /// Natural logarithm; null for what is not above zero.
    Ln "ln" 1..=1, Strict Null;
    /// Logarithm to a base, 10 without.
    Log "log" 1..=2, Strict Null;
    /// The first to the power of the second.
    Power "power" 2..=2, Strict Null;
    /// Square root; null below zero.
    Sqrt "sqrt" 1..=1, Strict Null;
    /// The circle's number.
    Pi "pi" 0..=0, Own Whole;
    /// The least of all, text above numbers.
    Least "least" 1..=MANY, Own Whole;
    /// The greatest of all, text above numbers.
    Greatest "greatest" 1..=MANY, Own Whole;
    /// The sum of those that are numbers.
    SumOf "sum_of" 1..=MANY, Own Whole;
    /// The mean of those that are numbers.
    MeanOf "mean_of" 1..=MANY, Own Whole;
    /// A number from 0 to 2^31 - 1 that depends on the row's place alone.
    Random "random" 0..=0, Own Whole;

    // Text
    /// All joined as text; null if one is null or a list.
    Concat "concat" 1..=MANY, Strict Null;
    /// Number of characters.
    Length "length" 1..=1, Strict EachElement;
    /// In lower case.
    Lower "lower" 1..=1, Strict EachElement;
    /// In upper case.
    Upper "upper" 1..=1, Strict EachElement;
    /// Without these characters (blanks and tabs if none are given) at both ends.
    Trim "trim" 1..=2, Strict EachElement;
    /// The same at the left.
    TrimLeft "trim_left" 1..=2, Strict EachElement;
    /// The same at the right.
    TrimRight "trim_right" 1..=2, Strict EachElement;
    /// From a place, counted from 1 or from the end below zero, so many characters.
    Substring "substring" 2..=3, Strict EachElement;
    /// Every match of a regular expression replaced; `\1` stands for a group.
    ReplaceRegex "replace_regex" 3..=3, Strict EachElement;
    /// Every occurrence of a text replaced by another.
    ReplaceText "replace_text" 3..=3, Strict EachElement;
    /// The place of a text (first) in another (second), from 1 and from a place on; 0 if it is not
    /// there.
    Position "position" 2..=3, Strict Null;
    /// The part of a text between separators at a place from 1, from the end below zero; an empty
    /// text where there is none.
    SplitPart "split_part" 3..=3, Strict EachElement;
    /// Percent escapes resolved.
    UrlDecode "url_decode" 1..=1, Strict EachElement;
    /// printf: a format and what goes into it.
    Printf "printf" 1..=MANY, Own Null;
    /// Whether a regular expression is found in the text.
    RegexFindAny "regex_find_any" 2..=2, Strict AnyElement;
    /// Whether the whole text is like a pattern of `%` and `_`, with case.
    LikeAny "like_any" 2..=2, Strict AnyElement;
    /// Whether an address (second) is in a network (first).
    CidrMatch "cidr_match" 2..=2, Strict AnyElement;
    /// Shannon's entropy of the characters of a text, in bits.
    Entropy "entropy" 1..=1, Strict EachElement;
    /// MD5 as hexadecimal text.
    Md5 "md5" 1..=1, Strict EachElement;
    /// SHA-1 as hexadecimal text.
    Sha1 "sha1" 1..=1, Strict EachElement;
    /// SHA-256 as hexadecimal text.
    Sha256 "sha256" 1..=1, Strict EachElement;
    /// SHA-512 as hexadecimal text.
    Sha512 "sha512" 1..=1, Strict EachElement;

    // Kinds of values
    /// As text; with "hex", "binary", "commas" or "duration" a number in that form.
    ToText "to_text" 1..=2, Strict EachElement;
    /// As a number, read to a base; null for what is none.
    ToNumber "to_number" 1..=2, Strict EachElement;
    /// Whether it is true or false.
    IsBool "is_bool" 1..=1, Own Whole;
    /// Whether it is a whole number.
    IsInteger "is_integer" 1..=1, Own Whole;
    /// Whether it is a number or text that is one.
    IsNumber "is_number" 1..=1, Own Whole;
    /// Whether it is text that is no number.
    IsText "is_text" 1..=1, Own Whole;
    /// Number, String, Boolean, Multivalue or Invalid.
    TypeName "type_name" 1..=1, Own Whole;

    // Lists
    /// How many elements; null for none.
    MvCount "mv_count" 1..=1, Strict Whole;
    /// All elements of all in one list.
    MvAppend "mv_append" 1..=MANY, Own Whole;
    /// Each different element once, in the order of their first places.
    MvDedup "mv_dedup" 1..=1, Strict Whole;
    /// The elements for which a condition on [`crate::Expr::This`] is true.
    ElementsWhere "elements_where" 2..=2, Own Whole;
    /// What an expression of [`crate::Expr::This`] makes of each element.
    EachElement "each_element" 2..=2, Own Whole;
    /// The place of the first element in which a regular expression is found, from 0; null if none.
    MvFind "mv_find" 2..=2, Strict Whole;
    /// The element at a place from 0, from the end below zero; or those from one to another.
    MvIndex "mv_index" 2..=3, Strict Whole;
    /// All elements as one text with a separator between.
    MvJoin "mv_join" 2..=2, Strict Whole;
    /// Numbers from, up to but not, in steps of.
    MvRange "mv_range" 2..=3, Strict Whole;
    /// Sorted as text.
    MvSort "mv_sort" 1..=1, Strict Whole;
    /// Elements of two lists in pairs, joined with a separator, a comma if none is given.
    MvZip "mv_zip" 2..=3, Strict Whole;
    /// The parts of a text between separators; every character for an empty separator.
    Split "split" 2..=2, Strict EachElement;
    /// The matches of a regular expression's first group, or of all of it, as elements.
    MvMatches "mv_matches" 2..=2, Strict EachElement;
    /// The commands of a pipeline: the first word of each part between `|`.
    Commands "commands" 1..=1, Strict Whole;

    // Time: seconds since the epoch
    /// The time of the run: the pane's end plus its offset.
    Now "now" 0..=0, Own Whole;
    /// A time as text, by strftime's conversions.
    FormatTime "format_time" 2..=2, Strict EachElement;
    /// A text as a time, by strptime's conversions; null for what cannot be read.
    ParseTime "parse_time" 2..=2, Strict EachElement;
    /// A time moved by a modifier such as `-1d@d`.
    RelativeTime "relative_time" 2..=2, Strict EachElement;
    /// A duration `D+HH:MM:SS` or `MM:SS` as seconds.
    DurationSeconds "duration_seconds" 1..=1, Strict EachElement;
    /// Text that starts with a number and has a size's unit behind it, as kilobytes.
    MemoryKilobytes "memory_kilobytes" 1..=1, Strict EachElement;
    /// Text without its commas and units, as a number.
    WithoutUnit "without_unit" 1..=1, Strict EachElement;

    // JSON and XML in text
    /// The value at a path: `a.b`, `a{0}`; a JSON list of those at a path with `{}`: `a{}.b`.
    JsonPath "json_path" 2..=2, Strict Whole;
    /// The values at a path as a list, of what may be JSON or XML: `a{}.b`, `a{@attribute}`.
    AnyPath "any_path" 2..=2, Strict Whole;
    /// The keys of an object as a JSON list.
    JsonKeys "json_keys" 1..=2, Strict Whole;
    /// Whether it is JSON.
    JsonValid "json_valid" 1..=1, Own Whole;
    /// Keys and values by turns as an object.
    JsonObject "json_object" 0..=MANY, Own Whole;
    /// All as a JSON list.
    JsonArray "json_array" 0..=MANY, Own Whole;
    /// The elements of a JSON list as a list.
    JsonElements "json_elements" 1..=1, Strict Whole;
    /// The elements of a list, or of the JSON list that a text is; what is neither is one element.
    ElementsOf "elements_of" 1..=1, Strict Whole;
    /// A list as a JSON list.
    MvToJson "mv_to_json" 1..=1, Own Whole;
    /// What base64 stands for, as text.
    Base64Decode "base64_decode" 1..=1, Strict EachElement;

    // Bits
    /// And of bits.
    BitAnd "bit_and" 2..=MANY, Strict Null;
    /// Or of bits.
    BitOr "bit_or" 2..=MANY, Strict Null;
    /// Exclusive or of bits.
    BitXor "bit_xor" 2..=MANY, Strict Null;
    /// The number with all of its 53 bits turned.
    BitNot "bit_not" 1..=1, Strict Null;
    /// Bits moved to the left.
    BitShiftLeft "bit_shift_left" 2..=2, Strict Null;
    /// Bits moved to the right.
    BitShiftRight "bit_shift_right" 2..=2, Strict Null;

    // Angles, in radians
    /// Sine.
    Sin "sin" 1..=1, Strict Null;
    /// Cosine.
    Cos "cos" 1..=1, Strict Null;
    /// Tangent.
    Tan "tan" 1..=1, Strict Null;
    /// Inverse sine.
    Asin "asin" 1..=1, Strict Null;
    /// Inverse cosine.
    Acos "acos" 1..=1, Strict Null;
    /// Inverse tangent.
    Atan "atan" 1..=1, Strict Null;
    /// Angle of a point, y before x.
    Atan2 "atan2" 2..=2, Strict Null;
}

impl std::fmt::Display for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
