//! Every code of the lint, as one table.
//!
//! A diagnostic that a language makes while it reads a rule is a remark of the lint where its code
//! stands here. `docs/lint.md` has the same codes; a test compares them.

/// What a remark means for whoever relies on the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The rule, or the part of it at that place, can never fire.
    NeverFires,
    /// The rule cannot be read as its language wants it.
    Broken,
    /// The rule does something else than it seems to.
    Suspicious,
    /// The rule works where it was written, and not elsewhere.
    Portability,
    /// Nothing comes of it; it is untidy.
    Harmless,
}

/// How loud a remark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// To be read some time.
    Note,
    /// To be looked at.
    Warning,
    /// The rule does not do its work.
    Error,
}

impl Class {
    /// All of them, the worst first.
    pub const ALL: [Class; 5] =
        [Class::NeverFires, Class::Broken, Class::Suspicious, Class::Portability, Class::Harmless];

    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::NeverFires => "never-fires",
            Class::Broken => "broken",
            Class::Suspicious => "suspicious",
            Class::Portability => "portability",
            Class::Harmless => "harmless",
        }
    }

    /// How loud remarks of the class are.
    pub const fn grade(self) -> Grade {
        match self {
            Class::NeverFires | Class::Broken => Grade::Error,
            Class::Suspicious => Grade::Warning,
            Class::Portability | Class::Harmless => Grade::Note,
        }
    }
}

impl Grade {
    /// All of them, the loudest first.
    pub const ALL: [Grade; 3] = [Grade::Error, Grade::Warning, Grade::Note];

    /// The word in output; SARIF has the same.
    pub const fn as_str(self) -> &'static str {
        match self {
            Grade::Note => "note",
            Grade::Warning => "warning",
            Grade::Error => "error",
        }
    }
}

/// One thing that the lint looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lint {
    /// Stable name: `term-with-breaker`.
    pub code: &'static str,
    /// What it means for the rule.
    pub class: Class,
    /// What it is, in a few words.
    pub title: &'static str,
    /// Why it matters and what to do, in plain words.
    pub explanation: &'static str,
}

/// What the lint says about a code.
pub fn lint(code: &str) -> Option<&'static Lint> {
    LINTS.iter().find(|lint| lint.code == code)
}

macro_rules! lints {
    ($($code:literal $class:ident $title:literal $explanation:literal;)+) => {
        /// Everything that the lint looks for.
        pub const LINTS: &[Lint] = &[$(Lint {
            code: $code,
            class: Class::$class,
            title: $title,
            explanation: $explanation,
        },)+];
    };
}

lints! {
    // What keeps a rule silent.
    "never-fires" NeverFires
        "No event can satisfy the rule"
        "The filters of the rule were looked at in every way they can be satisfied, and there is none. \
         The proof goes over the whole formula and tries no examples; where it would take too long, nothing is said.";
    "contradiction" NeverFires
        "Filters contradict each other"
        "Two parts of the rule ask one field for values that exclude each other, so that whatever needs both \
         finds nothing: the whole rule, or the alternative that the remark points at. Often one of the two is a \
         spelling mistake, or stands behind a filter that was written for another log. Where the field may have \
         several values at once, the message says so: then the rule needs an event with both of them.";
    "swallowed-selection" NeverFires
        "An exclusion takes away all that is selected"
        "Everything that the rule selects is also excluded, so nothing is left. Make the exclusion narrower, \
         for instance by a second field that only the wanted exception has.";
    "dropped-field" NeverFires
        "A field is used after it was dropped"
        "Commands such as stats, table and fields keep only what they name. A later filter on another field \
         compares with nothing, and is false for every row. Keep the field, for instance with `BY`, `values()` or \
         in the table, or filter before.";
    "dropped-group-field" NeverFires
        "Rows are grouped by a field that was dropped"
        "A row without a field of `BY` is in no group: stats leaves it out. When an earlier command dropped the \
         field from every row, nothing comes out at all. Keep the field, or group by another one.";
    "term-with-breaker" NeverFires
        "TERM() with a major breaker in it"
        "TERM() looks up one token of the index, and tokens end at major breakers such as blanks, quotes, brackets, \
         commas and `<`. A token that has one in it was never written into the index, so nothing is found. Use a \
         phrase in quotes, or a TERM() for each part.";
    "literal-wildcard" Suspicious
        "A wildcard stands where it is a character like others"
        "In `where` and `eval` a `*` behind `=` is a star, in `like()` the wildcards are `%` and `_`, and in a regular \
         expression `*` repeats what stands before it. The comparison wants the star itself in the value. Use \
         `like()`, `match()`, or `search`.";
    // What cannot be read as it is meant.
    "malformed-literal" Broken
        "A literal of markup that no event has"
        "A search for a piece of XML is misspelt, such as `Event>ID>3<` in the place of `<EventID>3<`. No event has \
         this text, so the alternative finds nothing.";
    "lost-backslash" Broken
        "A backslash in a literal of SQL is lost, or makes another character"
        "In a literal `\\s` is the letter `s`, and `\\\\\\r` a backslash and a carriage return: the literal is read before the \
         pattern in it. Write `\\\\` for a backslash, or put the pattern between `$$`.";
    "glued-operator" Broken
        "An operator or a comma is missing or glued to its neighbour"
        "What reads like an operator has become part of a word (`ANDmatch(…)`), or two arguments have become \
         one because a comma is missing. The search cannot be read, or means something else.";
    "unbalanced-quotes" Broken
        "Quotes do not pair up"
        "A quote is opened and not closed, or the other way round. Everything behind it is read as text, or not \
         at all.";
    "unbalanced-parentheses" Broken
        "Parentheses do not pair up"
        "A parenthesis is opened and not closed, or the other way round. The search cannot be run.";
    "misplaced-quote" Broken
        "A quote stands inside of a group of a regular expression"
        "`rex (?<name>\"pattern\")` has its quotes inside of the group. They belong around the whole expression: \
         `rex \"(?<name>pattern)\"`.";
    "function-in-search" Broken
        "A function is called in a search expression"
        "`search` and the first part of a search compare fields with values and know no functions: `like(x, y)` is \
         read as terms there. Use `| where`.";
    "unknown-model-field" Broken
        "The data model has no such field"
        "The search names a field that the data set of the data model does not define. It is empty in every \
         row, and a filter on it finds nothing. Check the spelling against the data model's documentation.";
    // What does something else than it seems to.
    "lower-case-boolean" Suspicious
        "`and`, `or` or `not` in lower case in a search expression"
        "Boolean operators of `search` must be capitalised. In lower case they are words that an event must have \
         in its text, beside all the others. Write them in capitals. In `where` and `eval` lower case works.";
    "mixed-boolean" Suspicious
        "AND and OR at one level without parentheses"
        "In a search expression OR binds tighter than AND, in `where` and `eval` it is the other way round. \
         Parentheses say which is meant, to the reader as well.";
    "comma-in-search" Suspicious
        "A comma between search terms"
        "Outside of `IN (…)` a comma between terms is a separator like a blank: all the terms must be in the event. \
         Write OR where one of them is enough.";
    "phrase-for-comparison" Suspicious
        "A comparison is written as words"
        "`\"eventcode=4103\"` in quotes looks for this text, and `EventID 2101` for two words. Neither compares the \
         field. Write `EventCode=4103`.";
    "value-outside-type" Suspicious
        "The field never has a value of this type"
        "The value that the rule compares with is none that the field can have: a word for a number, text for an \
         address, a port past 65535, a path without its drive. The comparison is never true.";
    "value-outside-vocabulary" Suspicious
        "The field never has this value"
        "The field has one of a few values that are documented, and the one that the rule asks for is not among \
         them. The comparison is never true.";
    "case-after-caseless" Suspicious
        "A match with case behind one without"
        "One filter takes a word in any case, and a later one wants exactly one spelling of it. What the first lets \
         through in another spelling the second takes away, which is seldom meant: attackers choose the case. Use \
         `(?i)` in the expression, or lower() on both sides.";
    "near-miss" Suspicious
        "Two filters spell one word differently"
        "One filter wants a word, and a later one on another field wants a word that is nearly the same. Each alone \
         finds something; both together hardly ever do. Correct the one that is misspelt.";
    "absent-field" Suspicious
        "A field is used that no earlier command makes"
        "The command names a field that is not among the rows' fields at this place. The column stays empty.";
    "bare-bin" Suspicious
        "bin without a field"
        "`bin span=1s` does not say what to put into bins. The documentation asks for a field, and a search without one \
         may be refused; `_time` is what is meant and what is taken here.";
    "duplicate-rule" Suspicious
        "Another rule has the same logic"
        "Two rules look at the same events and ask the same of them, though their ids differ. Both fire at once, and \
         risk is counted twice. Keep one of them.";
    // What works where it was written.
    "hard-coded-host" Portability
        "The name of one host stands in the search"
        "The search names a host of the place where it was written. Elsewhere it finds nothing. Take it out, or \
         make a macro of it.";
    // What is untidy.
    "absent-ctime" Harmless
        "ctime() of a field that is not there"
        "A time is formatted that no earlier command makes, often `firstTime` or `lastTime` behind a search without \
         `min(_time)` and `max(_time)`. The column stays empty, and nothing else happens.";
    "unused-identifier" Suspicious
        "No condition uses a search identifier"
        "A part of the detection is defined and never asked for. Either the condition forgets it, or it is left over.";
    "id-twice" Suspicious
        "Two rules have one id"
        "Alerts, exceptions and tests name rules by their ids. Two rules with one id cannot be told apart.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_told_apart_and_explained() {
        let codes: BTreeSet<_> = LINTS.iter().map(|lint| lint.code).collect();
        assert_eq!(codes.len(), LINTS.len());
        for lint in LINTS {
            let kebab = lint.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            assert!(kebab, "{}", lint.code);
            assert!(lint.explanation.ends_with('.') && !lint.title.ends_with('.'), "{}", lint.code);
        }
    }

    /// The page has a line for each code with its class, and no other codes.
    #[test]
    fn the_page_has_every_code() {
        let page = include_str!("../../../docs/lint.md");
        let listed: BTreeSet<(String, String)> = page
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
                let code = cells.next()?.trim_end_matches('`').to_owned();
                Some((code, cells.next()?.to_owned()))
            })
            .collect();
        let pair = |lint: &Lint| (lint.code.to_owned(), lint.class.as_str().to_owned());
        assert_eq!(listed, LINTS.iter().map(pair).collect());
    }
}
