//! The value modifiers, as one table.
//!
//! Modifiers are applied from left to right, and each one takes what the one before it left:
//! `re` wants the value as the rule has it, `i` wants a regular expression. [`Stage`] names what a
//! value can be between two modifiers, and the table says which stages a modifier turns into
//! which. A chain without a way through the table is contradictory.

use rulestone_ir::Comparison;
use rulestone_value::TimePart;

use Stage::{Bytes, Cidr, Exists, Field, Number, Part, Raw, Regex, Text};

/// Something done to the values of an item, or to how they are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Modifier {
    /// All values, not one of them.
    All,
    /// None of the values.
    Neq,
    /// Where in the field the value stands.
    Anchor(Anchor),
    /// Upper and lower case differ.
    Cased,
    /// The value is a regular expression.
    Regex,
    /// A flag of a regular expression.
    Flag(Flag),
    /// Whether the field is there.
    Exists,
    /// The value is a network.
    Cidr,
    /// As Base64.
    Base64,
    /// As Base64 wherever in the encoded text it may stand.
    Base64Offset,
    /// As UTF-16.
    Utf16(Utf16),
    /// With every dash that may start an option on Windows.
    Windash,
    /// With the environment's values for placeholders.
    Expand,
    /// The value names another field.
    FieldRef,
    /// The field compares so to the value.
    Compare(Comparison),
    /// A part of the field's date is the value.
    Part(TimePart),
}

/// Where in the field a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// At the start.
    Start,
    /// At the end.
    End,
    /// Anywhere.
    Anywhere,
}

/// A flag of a regular expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    /// Letters match without case.
    IgnoreCase,
    /// `^` and `$` match at line ends.
    MultiLine,
    /// `.` matches a line end.
    DotAll,
}

/// A flavour of UTF-16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Utf16 {
    /// The low byte first.
    LittleEndian,
    /// The high byte first.
    BigEndian,
    /// The low byte first, behind a byte order mark.
    WithMark,
}

/// What a value is between two modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// As the rule has it.
    Raw,
    /// Text with wildcards.
    Text,
    /// Encoded text.
    Bytes,
    /// A regular expression.
    Regex,
    /// A network.
    Cidr,
    /// A comparison with a number.
    Number,
    /// A comparison with a part of a date.
    Part,
    /// A field.
    Field,
    /// Whether there is a value.
    Exists,
}

impl Stage {
    const ALL: [Stage; 9] = [Raw, Text, Bytes, Regex, Cidr, Number, Part, Field, Exists];

    /// What it is, in a message.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Raw => "a plain value",
            Text => "a text",
            Bytes => "an encoded text",
            Regex => "a regular expression",
            Cidr => "a network",
            Number => "a comparison",
            Part => "a part of a date",
            Field => "a field",
            Exists => "a test of existence",
        }
    }
}

/// A row of the table.
struct Row {
    name: &'static str,
    modifier: Modifier,
    /// From what it makes what; empty when it leaves any value as it is.
    steps: &'static [(Stage, Stage)],
}

const fn row(name: &'static str, modifier: Modifier, steps: &'static [(Stage, Stage)]) -> Row {
    Row { name, modifier, steps }
}

const ANY: &[(Stage, Stage)] = &[];
const ANCHORED: &[(Stage, Stage)] =
    &[(Raw, Text), (Text, Text), (Bytes, Text), (Regex, Regex), (Field, Field)];
const ENCODED: &[(Stage, Stage)] = &[(Raw, Text), (Text, Text), (Bytes, Text)];
const WIDENED: &[(Stage, Stage)] = &[(Raw, Bytes), (Text, Bytes)];
const COMPARED: &[(Stage, Stage)] = &[(Raw, Number), (Part, Part)];
const FLAGGED: &[(Stage, Stage)] = &[(Regex, Regex)];
const DATED: &[(Stage, Stage)] = &[(Raw, Part)];

/// Every modifier of the specification 2.1, and pySigma's long names for the flags. The first name
/// of a modifier is the one it is printed with.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    row("contains",     Modifier::Anchor(Anchor::Anywhere),      ANCHORED),
    row("startswith",   Modifier::Anchor(Anchor::Start),         ANCHORED),
    row("endswith",     Modifier::Anchor(Anchor::End),           ANCHORED),
    row("all",          Modifier::All,                           ANY),
    row("neq",          Modifier::Neq,                           ANY),
    row("re",           Modifier::Regex,                         &[(Raw, Regex)]),
    row("i",            Modifier::Flag(Flag::IgnoreCase),        FLAGGED),
    row("ignorecase",   Modifier::Flag(Flag::IgnoreCase),        FLAGGED),
    row("m",            Modifier::Flag(Flag::MultiLine),         FLAGGED),
    row("multiline",    Modifier::Flag(Flag::MultiLine),         FLAGGED),
    row("s",            Modifier::Flag(Flag::DotAll),            FLAGGED),
    row("dotall",       Modifier::Flag(Flag::DotAll),            FLAGGED),
    row("cased",        Modifier::Cased,                         &[(Raw, Text), (Text, Text), (Bytes, Bytes), (Field, Field)]),
    row("exists",       Modifier::Exists,                        &[(Raw, Exists)]),
    row("cidr",         Modifier::Cidr,                          &[(Raw, Cidr)]),
    row("base64",       Modifier::Base64,                        ENCODED),
    row("base64offset", Modifier::Base64Offset,                  ENCODED),
    row("wide",         Modifier::Utf16(Utf16::LittleEndian),    WIDENED),
    row("utf16le",      Modifier::Utf16(Utf16::LittleEndian),    WIDENED),
    row("utf16be",      Modifier::Utf16(Utf16::BigEndian),       WIDENED),
    row("utf16",        Modifier::Utf16(Utf16::WithMark),        WIDENED),
    row("windash",      Modifier::Windash,                       &[(Raw, Text), (Text, Text)]),
    row("expand",       Modifier::Expand,                        &[(Raw, Text), (Text, Text), (Regex, Regex)]),
    row("fieldref",     Modifier::FieldRef,                      &[(Raw, Field)]),
    row("gt",           Modifier::Compare(Comparison::Greater),        COMPARED),
    row("gte",          Modifier::Compare(Comparison::GreaterOrEqual), COMPARED),
    row("lt",           Modifier::Compare(Comparison::Less),           COMPARED),
    row("lte",          Modifier::Compare(Comparison::LessOrEqual),    COMPARED),
    row("minute",       Modifier::Part(TimePart::Minute),        DATED),
    row("hour",         Modifier::Part(TimePart::Hour),          DATED),
    row("day",          Modifier::Part(TimePart::Day),           DATED),
    row("week",         Modifier::Part(TimePart::Week),          DATED),
    row("month",        Modifier::Part(TimePart::Month),         DATED),
    row("year",         Modifier::Part(TimePart::Year),          DATED),
];

impl Modifier {
    /// The modifier of a name.
    pub(crate) fn named(name: &str) -> Option<Modifier> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.modifier)
    }

    /// The names of all modifiers.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|row| row.name)
    }

    /// Its name; the first one where it has two.
    pub(crate) fn name(self) -> &'static str {
        self.row().map_or("", |row| row.name)
    }

    /// What it makes of a value at `stage`; `None` when it cannot be applied there.
    pub(crate) fn step(self, stage: Stage) -> Option<Stage> {
        let steps = self.row().map_or(ANY, |row| row.steps);
        if steps.is_empty() {
            return Some(stage);
        }
        steps.iter().find(|(from, _)| *from == stage).map(|(_, to)| *to)
    }

    /// What it can be applied to, in a message.
    pub(crate) fn takes(self) -> String {
        let stages = Stage::ALL.into_iter().filter(|stage| self.step(*stage).is_some());
        let names: Vec<_> = stages.map(Stage::describe).collect();
        match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }

    /// Whether it means nothing without a field.
    pub(crate) const fn needs_field(self) -> bool {
        matches!(
            self,
            Modifier::Exists | Modifier::FieldRef | Modifier::Compare(_) | Modifier::Part(_)
        )
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.modifier == self)
    }
}

/// The smallest and largest value a part of a date can have, as the specification counts them;
/// ISO 8601 has a week 53.
pub(crate) const fn range_of(part: TimePart) -> (f64, f64) {
    match part {
        TimePart::Minute => (0.0, 59.0),
        TimePart::Hour => (0.0, 23.0),
        TimePart::Day => (1.0, 31.0),
        TimePart::Week => (1.0, 53.0),
        TimePart::Month => (1.0, 12.0),
        TimePart::Year => (0.0, 9999.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(names: &str) -> Option<Stage> {
        names.split('|').try_fold(Raw, |stage, name| Modifier::named(name)?.step(stage))
    }

    #[test]
    fn chains_go_through_the_table_or_contradict() {
        let cases = [
            ("contains|all|windash", Some(Text)),
            ("wide|base64offset|contains", Some(Text)),
            ("re|i|m|s", Some(Regex)),
            ("hour|gte", Some(Part)),
            ("neq|fieldref|endswith", Some(Field)),
            ("exists|neq", Some(Exists)),
            ("contains|re", None),
            ("re|cased", None),
            ("i", None),
            ("gte|hour", None),
            ("cidr|contains", None),
            ("endswith|fieldref", None),
        ];
        for (names, expected) in cases {
            assert_eq!(chain(names), expected, "{names}");
        }
    }
}
