//! Searches without a vendor's container: a text file that holds one, in SPL or SQL, and `savedsearches.conf`.

use std::ops::Range;
use std::sync::Arc;

use rulestone_ir::{
    Attack, Clock, Diagnostic, Language, Level, Meta, Origin, Raises, Schema, Severity, Span,
    Trigger, Vendor,
};

use super::{Reading, schedule};
use crate::Environment;
use crate::conf::{self, Stanza};
use crate::text::{Quoting, Written};
use crate::{Text, snowflake, spl};

/// Whether a file of this name holds one search and nothing else.
pub(super) fn is_search(path: &str) -> bool {
    ending(path).eq_ignore_ascii_case("spl") || is_sql(path)
}

/// Whether it is a query in SQL.
pub(super) fn is_sql(path: &str) -> bool {
    ending(path).eq_ignore_ascii_case("sql")
}

/// Whether a text is a list of saved searches: a stanza that has one.
pub(super) fn is_saved_searches(text: &str, path: &str) -> bool {
    ending(path).eq_ignore_ascii_case("conf")
        && conf::parse(text).iter().any(|stanza| stanza.get("search").is_some())
}

/// The language of a file that holds one search, or several.
fn language(path: &str) -> Language {
    if is_sql(path) { Language::Snowflake } else { Language::Spl }
}

/// The part of a file's name behind the last dot.
fn ending(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().and_then(|name| Some(name.rsplit_once('.')?.1)).unwrap_or("")
}

/// Reads a file that holds one search. Comments before it say what it is for: the first line is
/// its title.
pub(super) fn read_search(text: &str, path: &str, environment: &Environment) -> Vec<Reading> {
    let language = language(path);
    let (comments, start) = comments(text, language);
    let stem = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    let title = comments.first().cloned().unwrap_or_else(|| stem.to_owned());
    let meta = Meta {
        id: stem.to_owned(),
        title,
        description: comments.get(1..).unwrap_or_default().join("\n"),
        ..Meta::default()
    };
    let search = text.get(start..).unwrap_or_default();
    let parts = Parts { meta, clock: Clock::Whole, trigger: Trigger::default() };
    let span = Span::new(0..text.len());
    let place = (text, start, span);
    vec![reading(parts, search.trim_end(), place, path, environment)]
}

/// The comments at the start of a text, a line each, and where they end: lines behind `#` or `//`,
/// and what stands between three backticks; in SQL lines behind `--` or `//`, and what stands
/// between `/*` and `*/`.
fn comments(text: &str, language: Language) -> (Vec<String>, usize) {
    let (block, line) = match language {
        Language::Snowflake => (("/*", "*/"), "--"),
        _ => (("```", "```"), "#"),
    };
    let mut comments = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    loop {
        rest = rest.trim_start();
        let (comment, behind) = if let Some(open) = rest.strip_prefix(block.0) {
            let Some(found) = open.split_once(block.1) else { break };
            found
        } else if let Some(line) = rest.strip_prefix(line).or_else(|| rest.strip_prefix("//")) {
            line.split_once('\n').unwrap_or((line, ""))
        } else {
            break;
        };
        let lines = comment.lines().map(|line| line.trim().to_owned());
        comments.extend(lines.filter(|line| !line.is_empty()));
        rest = behind;
    }
    (comments, text.len() - rest.len())
}

/// Reads the searches of a `savedsearches.conf`. What its stanza `default` says holds for all.
pub(super) fn read_saved(text: &str, path: &str, environment: &Environment) -> Vec<Reading> {
    let stanzas = conf::parse(text);
    let default = stanzas.iter().find(|stanza| stanza.name == "default");
    let own = stanzas.iter().filter(|stanza| stanza.name != "default");
    let read = |stanza: &Stanza| {
        let search = stanza.get("search")?;
        let parts = saved(stanza, default);
        let place = (text, search.span.start, stanza.span);
        Some(reading(parts, &search.text, place, path, environment))
    };
    own.filter_map(read).collect()
}

/// The searches of a file, for printing what each step makes of them.
pub(super) fn searches(text: &str, path: &str) -> Vec<String> {
    if is_search(path) {
        return vec![text[comments(text, language(path)).1..].to_owned()];
    }
    let stanzas = conf::parse(text);
    stanzas.iter().filter_map(|stanza| Some(stanza.get("search")?.text.clone())).collect()
}

/// What is said about a search, before it is read.
struct Parts {
    meta: Meta,
    clock: Clock,
    trigger: Trigger,
}

fn saved(stanza: &Stanza, default: Option<&Stanza>) -> Parts {
    let text = |key: &str| {
        let found = stanza.get(key).or_else(|| default?.get(key));
        found.map(|value| value.text.trim().to_owned()).unwrap_or_default()
    };
    let is_set = |key: &str| matches!(&*text(key).to_ascii_lowercase(), "1" | "true" | "t" | "yes");
    let label = text("action.correlationsearch.label");
    let severity: Option<Severity> = text("action.notable.param.severity").parse().ok();
    let meta = Meta {
        id: stanza.name.clone(),
        title: if label.is_empty() { stanza.name.clone() } else { label },
        description: text("description"),
        // Said as the vendor says it, so that it can be asked for.
        maturity: if is_set("disabled") { "disabled".to_owned() } else { String::new() },
        severity: severity.unwrap_or_default(),
        attack: Attack {
            techniques: techniques(&text("action.correlationsearch.annotations")),
            ..Attack::default()
        },
        ..Meta::default()
    };
    let message = text("action.risk.param._risk_message");
    let raises = match (is_set("action.notable"), is_set("action.risk")) {
        (true, true) => Raises::AlertAndRisk,
        (false, true) => Raises::Risk,
        _ => Raises::Alert,
    };
    let (earliest, latest) = (text("dispatch.earliest_time"), text("dispatch.latest_time"));
    let clock = schedule::clock(&text("cron_schedule"), &earliest, &latest);
    let message = (!message.is_empty()).then(|| Arc::from(message));
    let trigger = Trigger { raises, message, ..Trigger::default() };
    Parts { meta, clock: clock.unwrap_or_default(), trigger }
}

/// The techniques of ATT&CK that a text names.
pub(super) fn techniques(text: &str) -> Vec<String> {
    let is_id = |word: &&str| {
        let digits = word.strip_prefix('T').unwrap_or_default();
        let mut parts = digits.split('.');
        let numbers = |part: Option<&str>, length| {
            part.is_some_and(|part| {
                part.len() == length && part.bytes().all(|b| b.is_ascii_digit())
            })
        };
        numbers(parts.next(), 4)
            && (digits.len() == 4 || numbers(parts.next(), 3) && digits.len() == 8)
    };
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    words.filter(is_id).map(str::to_owned).collect()
}

/// Reads a search; it stands in `file` from `start` on, byte for byte.
fn reading(
    parts: Parts,
    search: &str,
    (file, start, span): (&str, usize, Span),
    path: &str,
    environment: &Environment,
) -> Reading {
    let Parts { meta, clock, trigger } = parts;
    let language = language(path);
    let mut diagnostics = Vec::new();
    let place = |range: Range<usize>| Span::new(start + range.start..start + range.end);
    let lowered = match search.trim().is_empty() {
        true => {
            let message = "there is no search";
            let missing = Diagnostic::new(Level::Invalid, "missing-search", message, span);
            diagnostics.push(missing.with_help("write one"));
            None
        }
        false => {
            let written = Some(Written { file, quoting: Quoting::Verbatim });
            let text = |schema| Text { search, place: &place, clock, schema, written };
            match language {
                Language::Snowflake => {
                    snowflake::read(&text(Schema::Anvilogic), environment, &mut diagnostics)
                }
                _ => spl::read(&text(Schema::Splunk), environment, &mut diagnostics),
            }
        }
    };
    let origin = Origin {
        vendor: Vendor::Query,
        language,
        path: Arc::from(path),
        span,
        tests: Vec::new(),
        drilldowns: Vec::new(),
        search: Some(Arc::from(search)),
    };
    super::reading(meta, origin, trigger, lowered, diagnostics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_before_a_search() {
        let cases: [(&str, &[&str], &str); 7] = [
            ("index=a", &[], "index=a"),
            ("# Title\nindex=a", &["Title"], "index=a"),
            (
                "\u{feff}// Title\r\n# more\r\n\r\n| tstats count",
                &["Title", "more"],
                "| tstats count",
            ),
            ("```Title\nmore```\nindex=a ```x```", &["Title", "more"], "index=a ```x```"),
            ("```open", &[], "```open"),
            ("# Title", &["Title"], ""),
            ("", &[], ""),
        ];
        for (text, expected, search) in cases {
            let (found, start) = comments(text, Language::Spl);
            assert_eq!(found, expected, "{text:?}");
            assert_eq!(&text[start..], search, "{text:?}");
        }
    }

    #[test]
    fn comments_before_a_query() {
        let cases: [(&str, &[&str], &str); 4] = [
            ("select 1", &[], "select 1"),
            ("-- Title\n// more\nselect 1 -- x", &["Title", "more"], "select 1 -- x"),
            ("/* Title\n   more */ select 1", &["Title", "more"], "select 1"),
            ("/* open", &[], "/* open"),
        ];
        for (text, expected, query) in cases {
            let (found, start) = comments(text, Language::Snowflake);
            assert_eq!(found, expected, "{text:?}");
            assert_eq!(&text[start..], query, "{text:?}");
        }
    }

    #[test]
    fn techniques_in_annotations() {
        let text =
            r#"{"mitre_attack": ["T1059.001", "T1049", "TA0002", "T99", "T1059.1", "XT1049"]}"#;
        assert_eq!(techniques(text), ["T1059.001", "T1049"]);
    }
}
