//! The searches of a section: in blocks of code, or bare among words.

use super::blocks::{Block, Line, Stretch};
use super::page::{Fact, Section, Sort, fact};

/// A search of a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// Its text.
    pub(super) text: Stretch,
    /// What the page calls it: `Sysmon`; empty for nothing.
    pub(super) label: String,
    /// A remark behind an arrow, which is no part of it.
    pub(super) remark: Option<Stretch>,
    /// Whether it reads like a sentence.
    pub(super) is_prose: bool,
}

/// Languages of blocks that are searches; a block may name none.
const LANGUAGES: &[&str] = &["", "spl", "splunk", "spl2", "text", "txt", "search", "sql", "plain"];
/// Arrows, behind which a page says something about the search before it.
const ARROWS: &[&str] = &["->", "=>", "<-", "<=", "→", "←"];
/// The longest line that may be a label.
const LABEL: usize = 60;

/// The searches of a section.
pub(super) fn searches(section: &Section) -> Vec<Found> {
    let has_code = section.blocks.iter().any(|block| matches!(block, Block::Code(..)));
    // Where searches stand in blocks of code, a line that looks like none is none.
    let mut reader =
        Reader { lenient: section.sort == Sort::Filter && !has_code, ..Reader::default() };
    for block in &section.blocks {
        match block {
            Block::Heading(_, line) => reader.label = line.shown.clone(),
            Block::Code(language, code) if section.sort != Sort::Visibility => {
                let first = language.split([' ', ',', '{']).next().unwrap_or_default();
                if LANGUAGES.contains(&first.to_ascii_lowercase().as_str()) {
                    reader.code(code);
                }
            }
            Block::Text(lines) => reader.lines(lines),
            Block::Code(..) | Block::Table(_) => {}
        }
    }
    reader.found
}

#[derive(Default)]
struct Reader {
    /// Whether every line may be a search.
    lenient: bool,
    /// What the page says before the next search.
    label: String,
    found: Vec<Found>,
}

impl Reader {
    fn add(&mut self, text: Stretch, is_prose: bool) {
        let label = std::mem::take(&mut self.label);
        self.found.push(Found { text, label, remark: None, is_prose });
    }

    /// A block of code: one search, or several with empty lines between.
    fn code(&mut self, code: &Stretch) {
        let mut start = 0;
        for (at, _) in code.text.match_indices('\n') {
            let rest = code.text.get(at + 1..).unwrap_or_default();
            let next = rest.trim_start();
            let gap = rest.get(..rest.len() - next.len()).unwrap_or_default();
            let open = code.text.get(start..at).is_some_and(|own| !own.trim().is_empty());
            if open && gap.contains('\n') && begins_anew(next) {
                self.piece(code, start..at);
                start = at + 1;
            }
        }
        self.piece(code, start..code.text.len());
    }

    fn piece(&mut self, code: &Stretch, range: std::ops::Range<usize>) {
        let piece = code.slice(range).trimmed();
        if !piece.text.is_empty() {
            self.add(piece, false);
        }
    }

    /// Lines of a paragraph, each a search of its own unless it goes on with the one before.
    fn lines(&mut self, lines: &[Line]) {
        let mut open = false;
        for line in lines.iter().filter(|line| !line.source.text.is_empty()) {
            if let Some((Fact::Input, label)) = fact(&line.shown) {
                self.label = label.to_owned();
                open = false;
                continue;
            }
            let text = in_backticks(&line.source);
            if let Some(last) = self.found.last_mut().filter(|_| open)
                && goes_on(&last.text.text, &text.text)
            {
                last.text = std::mem::take(&mut last.text).with_line(&text);
                continue;
            }
            open = self.line(line, text);
        }
        let last = self.found.last_mut().filter(|_| open);
        if let Some(found) = last {
            let (text, remark) = without_remark(&found.text);
            found.remark = remark;
            found.text = text;
        }
    }

    /// A line that begins anew; whether it is a search.
    fn line(&mut self, line: &Line, text: Stretch) -> bool {
        if let Some(last) = self.found.last_mut() {
            let (text, remark) = without_remark(&last.text);
            if remark.is_some() {
                (last.text, last.remark) = (text, remark);
            }
        }
        if let Some((label, rest)) = labelled(&text) {
            self.label = label;
            self.add(rest, false);
            return true;
        }
        if looks_like_search(&text.text) {
            self.add(text, false);
            return true;
        }
        let short = line.shown.strip_suffix(':').filter(|own| own.len() <= LABEL);
        if let Some(label) = short {
            label.clone_into(&mut self.label);
        } else if self.lenient && names_something(&text.text) {
            self.add(text, true);
            return true;
        }
        false
    }
}

/// Whether a search begins here, though another stands before it in the same block.
fn begins_anew(text: &str) -> bool {
    const STARTS: &[&str] =
        &["index=", "source=", "sourcetype=", "eventtype=", "search ", "| tstats", "|tstats"];
    let start: String = text.chars().take(12).collect::<String>().to_ascii_lowercase();
    STARTS.iter().any(|own| start.starts_with(own))
}

/// Whether a line goes on with the search before it.
fn goes_on(before: &str, line: &str) -> bool {
    const JOINTS: &[&str] = &["AND", "OR", "NOT", "BY", "by"];
    let first = line.split_whitespace().next().unwrap_or_default();
    let last = before.split_whitespace().last().unwrap_or_default();
    let within = before.matches('(').count() > before.matches(')').count()
        || before.matches('"').count() % 2 == 1;
    within
        || line.starts_with(['|', ')'])
        || JOINTS.contains(&first)
        || JOINTS.contains(&last)
        || before.ends_with(['|', '(', ',', '='])
        || names_log_alone(before)
}

/// Whether a search says nothing but which log it is about.
fn names_log_alone(text: &str) -> bool {
    let mut words = text.split_whitespace().peekable();
    let names = |word: &str| {
        let lower = word.to_ascii_lowercase();
        ["index=", "source=", "sourcetype="].iter().any(|own| lower.starts_with(own))
    };
    words.peek().is_some() && words.all(names)
}

/// Whether a bare line is a search: one of its first words compares, or is a boolean, or a command
/// or a macro stands first. Words about searches may name one, but not so early.
fn looks_like_search(text: &str) -> bool {
    const EARLY: usize = 4;
    let macro_first = text.starts_with('`') && text.matches('`').count() >= 2;
    if text.starts_with('|') || macro_first {
        return true;
    }
    let compares = |word: &str| {
        let sign = word.find(['=', '<', '>']);
        let is_name = |name: &str| {
            let name = name.trim_start_matches(['(', '"', '\'']).trim_end_matches('!');
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.:{}-".contains(c))
        };
        sign.is_some_and(|at| is_name(&word[..at])) && !word.contains("://")
    };
    let words: Vec<&str> = text.split_whitespace().take(EARLY).collect();
    // A sign that stands alone belongs to the name before it.
    let alone = words.iter().skip(1).take(1).any(|word| matches!(*word, "=" | "!=" | "<" | ">"));
    alone || words.iter().any(|word| compares(word) || matches!(*word, "AND" | "OR" | "NOT"))
}

/// Whether words name something that can be looked for: a number, a file.
fn names_something(text: &str) -> bool {
    let words = text.split_whitespace().map(|word| word.trim_end_matches(['.', ',', ':', ';']));
    let mut words = words.filter(|word| !word.contains("://"));
    let is_number = |word: &str| word.len() > 2 && word.bytes().all(|b| b.is_ascii_digit());
    let is_file = |word: &str| {
        let end = word.rsplit_once('.').map_or("", |(_, end)| end);
        (2..=4).contains(&end.len()) && end.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    words.any(|word| is_number(word) || is_file(word))
}

/// A line's label and its search: `Sysmon: EventCode=1`.
fn labelled(line: &Stretch) -> Option<(String, Stretch)> {
    let (label, rest) = line.text.split_once(": ")?;
    let plain = label.chars().all(|c| c.is_alphanumeric() || " /&-".contains(c));
    let fits = plain && label.len() <= LABEL && looks_like_search(rest.trim_start());
    let at = line.text.len() - rest.len();
    fits.then(|| (label.trim().to_owned(), line.slice(at..line.text.len()).trimmed()))
}

/// A line that is all in backticks, without them: a search, unless it is the name of a macro.
fn in_backticks(line: &Stretch) -> Stretch {
    let marks = line.text.len() - line.text.trim_start_matches('`').len();
    let inner = line.text.get(marks..line.text.len().saturating_sub(marks)).unwrap_or_default();
    let is_code = marks > 0
        && line.text.ends_with(&"`".repeat(marks))
        && !inner.contains('`')
        && inner.contains([' ', '=']);
    if is_code { line.slice(marks..marks + inner.len()).trimmed() } else { line.clone() }
}

/// A search without the remark behind an arrow, and the remark.
fn without_remark(text: &Stretch) -> (Stretch, Option<Stretch>) {
    let mut at = 0;
    for word in text.text.split(' ') {
        let body = word.trim_start_matches(['-', '=']);
        let is_arrow = ARROWS
            .iter()
            .any(|arrow| word == *arrow || word.ends_with(arrow) && matches!(body, ">" | "" | "→"));
        if is_arrow && at > 0 && text.text[..at].matches('"').count().is_multiple_of(2) {
            let remark = text.slice(at..text.text.len()).trimmed();
            return (text.slice(0..at).trimmed(), Some(remark));
        }
        at += word.len() + 1;
    }
    (text.clone(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_look_like_searches() {
        let yes = [
            "EventCode=1 AND rundll32.exe",
            "(EventCode=1 OR x) AND y",
            "host=\"A\", EventCode=1, net.exe",
            "EventID 2101 host=A",
            "\"eventcode=4103\" host=A",
            "EventCode = 1",
            "| tstats count",
            "`sysmon` net.exe",
            "net.exe OR net1.exe",
        ];
        let no = [
            "Splunk searches will need to be refined for your environment.",
            "4646 file system or 4658 look for dumpcap.exe or tshark.exe",
            "Not feasible",
            "https://example.org/?a=b",
            "You may have to set the index, say index=main.",
        ];
        for text in yes {
            assert!(looks_like_search(text), "{text}");
        }
        for text in no {
            assert!(!looks_like_search(text), "{text}");
        }
    }

    #[test]
    fn remarks_stand_behind_arrows() {
        let stretch = |text: &str| {
            let blocks = super::super::blocks::blocks(text);
            let Some(Block::Text(lines)) = blocks.into_iter().next() else {
                return Stretch::default();
            };
            lines.into_iter().next().unwrap_or_default().source
        };
        let cases = [
            ("EventCode=1 AND *:a.exe    ---> ideally \":\" alone", "EventCode=1 AND *:a.exe"),
            ("a=1 => b", "a=1"),
            ("a=1 -> b", "a=1"),
            ("a=\"x -> y\"", "a=\"x -> y\""),
            ("a>1 b<=2 c=-1", "a>1 b<=2 c=-1"),
            ("net.exe -a --all", "net.exe -a --all"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_remark(&stretch(text)).0.text, expected, "{text}");
        }
    }
}
