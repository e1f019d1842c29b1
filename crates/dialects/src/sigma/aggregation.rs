//! What stands behind the `|` of older conditions: counting and ordering events, the form that
//! correlations replaced. It runs as the correlation it means.
//!
//! ```text
//! aggregation = function "(" field? ")" ("by" field ("," field)*)? comparison number
//!             | "near" search ("and" "not"? search)*
//! ```

use std::sync::Arc;

use rulestone_ir::{
    Clock, Comparison, Correlate, Diagnostic, Duration, Input, Keys, Level, Measure, Refire, Seen,
    Span, Stage, StageKind, When,
};

use super::correlation::{evaluate, field};

/// An aggregation as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Aggregation {
    /// `count(field) by group > 5`
    Measure { measure: Measure, by: Vec<String>, comparison: Comparison, number: f64 },
    /// `near a and not b`: search identifiers, and whether each must be there.
    Near(Vec<(String, bool)>),
}

const COMPARISONS: [(&str, Comparison); 7] = [
    (">=", Comparison::GreaterOrEqual),
    ("<=", Comparison::LessOrEqual),
    ("!=", Comparison::NotEqual),
    ("==", Comparison::Equal),
    (">", Comparison::Greater),
    ("<", Comparison::Less),
    ("=", Comparison::Equal),
];

/// Reads what stands behind the `|`, at `span` of the file.
pub(crate) fn parse(text: &str, span: Span) -> Result<Aggregation, Diagnostic> {
    let wrong = |message: String| {
        let help = "write `count(field) by group > 5` or `near search`";
        Err(Diagnostic::new(Level::Invalid, "bad-aggregation", message, span).with_help(help))
    };
    let words = words(text);
    let mut words = words.iter().map(String::as_str).peekable();
    let function = words.next().unwrap_or_default().to_ascii_lowercase();
    if function == "near" {
        return match near(&words.collect::<Vec<_>>()) {
            Some(near) => Ok(Aggregation::Near(near)),
            None => wrong("`near` takes search identifiers joined by `and`".to_owned()),
        };
    }
    if words.next() != Some("(") {
        return wrong(format!("`{function}` is no aggregation"));
    }
    let inner: Vec<&str> = words.by_ref().take_while(|word| *word != ")").collect();
    let inner = inner.join(" ");
    let measured = || field(&inner);
    let measure = match (function.as_str(), inner.is_empty()) {
        ("count", true) => Measure::Count,
        ("count", false) => Measure::DistinctCount(vec![measured()]),
        ("sum", false) => Measure::Sum(measured()),
        ("avg", false) => Measure::Avg(measured()),
        ("min", false) => Measure::Min(measured()),
        ("max", false) => Measure::Max(measured()),
        ("sum" | "avg" | "min" | "max", true) => {
            return wrong(format!("`{function}` takes a field"));
        }
        _ => return wrong(format!("`{function}` is no aggregation")),
    };
    let mut by = Vec::new();
    if words.next_if(|word| word.eq_ignore_ascii_case("by")).is_some() {
        while let Some(word) = words.next_if(|word| !is_comparison(word)) {
            if word != "," {
                by.push(word.to_owned());
            }
        }
    }
    let comparison =
        words.next().and_then(|word| COMPARISONS.iter().find(|(sign, _)| *sign == word));
    let number = words.next().and_then(|word| word.parse::<f64>().ok());
    match (comparison, number.filter(|number| number.is_finite()), words.next()) {
        (Some((_, comparison)), Some(number), None) => {
            Ok(Aggregation::Measure { measure, by, comparison: *comparison, number })
        }
        (_, _, Some(more)) => wrong(format!("`{more}` cannot stand here")),
        _ => wrong("the aggregation is not compared with a number".to_owned()),
    }
}

fn is_comparison(word: &str) -> bool {
    COMPARISONS.iter().any(|(sign, _)| *sign == word)
}

/// Words and signs.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for c in text.chars() {
        let sign = matches!(c, '>' | '<' | '=' | '!');
        let after_sign = words.last().is_some_and(|word| word.starts_with(['>', '<', '=', '!']));
        match c {
            c if c.is_whitespace() => open = false,
            '(' | ')' | ',' => {
                words.push(c.to_string());
                open = false;
            }
            c if open && sign == after_sign => {
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
            c => {
                words.push(c.to_string());
                open = true;
            }
        }
    }
    words
}

fn near(words: &[&str]) -> Option<Vec<(String, bool)>> {
    let mut searches = Vec::new();
    for part in words.split(|word| word.eq_ignore_ascii_case("and")) {
        match part {
            [name] => searches.push(((*name).to_owned(), true)),
            [not, name] if not.eq_ignore_ascii_case("not") => {
                searches.push(((*name).to_owned(), false));
            }
            _ => return None,
        }
    }
    let plain = |(name, _): &(String, bool)| !name.contains(['(', ')', ',']);
    searches.iter().all(plain).then_some(searches)
}

impl Aggregation {
    /// The stage and the clock it means. A rule without a timeframe looks at all there is.
    pub(crate) fn stage(&self, timeframe: Option<Duration>, span: Span) -> (Stage, Clock) {
        let (by, measure, when, inputs, native_name) = match self {
            Aggregation::Measure { measure, by, comparison, number } => {
                let when = When::Measure(vec![(*comparison, *number)]);
                let fields = by.iter().map(|name| field(name)).collect();
                (fields, measure.clone(), when, 1, measure.name())
            }
            Aggregation::Near(searches) => {
                let seen = |(at, (_, there)): (usize, &(String, bool))| {
                    let seen = Seen::Input(at + 1);
                    if *there { seen } else { Seen::Not(Box::new(seen)) }
                };
                let others = searches.iter().enumerate().map(seen);
                let all = std::iter::once(Seen::Input(0)).chain(others).collect();
                let when = When::Seen(Seen::And(all));
                (Vec::new(), Measure::Inputs, when, searches.len() + 1, "near")
            }
        };
        let by = Keys { fields: by, ..Keys::default() };
        let evaluate = evaluate(&measure, &when);
        let correlate = Correlate { by, measure, when, evaluate, refire: Refire::AfterQuiet };
        let stage = Stage {
            kind: StageKind::Correlate(correlate),
            inputs: (0..inputs).map(Input::Source).collect(),
            span,
            native_name: Arc::from(native_name),
        };
        let span = timeframe.unwrap_or(Duration::FOREVER);
        (stage, Clock::Sliding { span })
    }
}

impl std::fmt::Display for Aggregation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Aggregation::Measure { measure, by, comparison, number } => {
                let fields: Vec<&str> = measure.fields().iter().map(|field| field.name()).collect();
                write!(f, "{}({})", measure.name(), fields.join(", "))?;
                if !by.is_empty() {
                    write!(f, " by {}", by.join(", "))?;
                }
                write!(f, " {} {number}", comparison.sign())
            }
            Aggregation::Near(searches) => {
                let text = |(name, there): &(String, bool)| {
                    format!("{}{name}", if *there { "" } else { "not " })
                };
                let texts: Vec<String> = searches.iter().map(text).collect();
                write!(f, "near {}", texts.join(" and "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregations() {
        let cases = [
            ("count() > 5", Some("count() > 5")),
            ("count(  )  by  Computer>=10", Some("count() by Computer >= 10")),
            (
                "count(User) by Computer, IpAddress > 3",
                Some("distinct_count(User) by Computer, IpAddress > 3"),
            ),
            ("COUNT(User) BY Computer == 3", Some("distinct_count(User) by Computer = 3")),
            ("sum(Bytes) by src.ip > 1.5", Some("sum(Bytes) by src.ip > 1.5")),
            ("min(Bytes) < 3", Some("min(Bytes) < 3")),
            ("near a and not b and c", Some("near a and not b and c")),
            ("near", None),
            ("near a or b", None),
            ("count() by Computer", None),
            ("count() > many", None),
            ("count() > 5 and more", None),
            ("sum() > 5", None),
            ("stdev(x) > 5", None),
            ("count", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let parsed = parse(text, Span::default()).ok().map(|parsed| parsed.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
    }
}
