//! Repairs that are certain, applied to the files of rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use rulestone_dialects::containers::{self, Reading};
use rulestone_ir::{Fix, Span, Status};
use rulestone_rules::{Environment, Ledger};

use crate::Report;

/// A file with its repairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// The file, as the user named it.
    pub path: Arc<str>,
    /// Its text.
    pub before: Arc<str>,
    /// Its text with the repairs.
    pub after: String,
    /// Repairs that were made.
    pub applied: usize,
    /// Repairs that were not: they overlap others, or did not help.
    pub refused: usize,
}

impl Mended {
    /// The difference as `patch -p0` and `git apply -p0` take it, where the file is called `name`;
    /// empty where nothing was mended.
    pub fn diff(&self, name: &str) -> String {
        if self.after == *self.before {
            return String::new();
        }
        let diff = similar::TextDiff::from_lines(&*self.before, &self.after);
        // A name with blanks in it ends at a tab.
        let end = if name.contains(char::is_whitespace) { "\t" } else { "" };
        let name = format!("{name}{end}");
        diff.unified_diff().header(&name, &name).to_string()
    }
}

/// Applies the repairs of a report, one after the other. After each the file is read anew: a repair
/// whose remark is still there, or that makes a rule worse, is taken back.
pub fn mend(ledger: &Ledger, report: &Report, environment: &Environment) -> Vec<Mended> {
    let mut files: BTreeMap<&Arc<str>, Broken<'_>> = BTreeMap::new();
    for remark in &report.remarks {
        let entry = &ledger.entries[remark.entry];
        let (Some(fix), Some(text)) = (&remark.diagnostic.fix, &entry.text) else { continue };
        let file = files.entry(&entry.origin.path);
        let Broken { fixes, .. } = file.or_insert_with(|| Broken { text, fixes: Vec::new() });
        if !fixes.iter().any(|(other, _)| *other == &**fix) {
            fixes.push((&**fix, remark.diagnostic.code));
        }
    }
    let made = files.into_iter().map(|(path, Broken { text: before, fixes })| {
        let mut file = File::new(path, before, environment);
        let applied = fixes.iter().filter(|(fix, code)| file.apply(fix, code)).count();
        let refused = fixes.len() - applied;
        let after = file.text;
        Mended { path: path.clone(), before: before.clone(), after, applied, refused }
    });
    made.collect()
}

/// A file and its repairs, each with the code of its remark.
struct Broken<'r> {
    text: &'r Arc<str>,
    fixes: Vec<(&'r Fix, &'static str)>,
}

/// Stretches of a text, each with what comes in its place.
type Edits = Vec<(usize, usize, String)>;

/// Repairs that are made together, where one mistake hides the next.
const TOGETHER: usize = 8;

/// A file on its way.
struct File<'f> {
    path: &'f str,
    original: &'f str,
    environment: &'f Environment,
    edits: Edits,
    text: String,
    state: State,
}

/// What reading a file came to: the status of each rule, and how often each code stands in it.
#[derive(Debug, PartialEq)]
struct State {
    statuses: Vec<Status>,
    codes: BTreeMap<&'static str, usize>,
}

impl State {
    fn of(readings: &[Reading]) -> State {
        let mut codes = BTreeMap::new();
        for diagnostic in readings.iter().flat_map(|reading| &reading.diagnostics) {
            *codes.entry(diagnostic.code).or_default() += 1;
        }
        let statuses = readings.iter().map(|reading| Status::of(&reading.diagnostics)).collect();
        State { statuses, codes }
    }

    fn count(&self, code: &str) -> usize {
        self.codes.get(code).copied().unwrap_or(0)
    }

    /// Whether nothing is worse than before, and one remark of this code less is made.
    fn is_better(&self, before: &State, code: &str) -> bool {
        self.statuses.len() == before.statuses.len()
            && self.statuses.iter().zip(&before.statuses).all(|(now, then)| now <= then)
            && self.count(code) < before.count(code)
    }
}

impl<'f> File<'f> {
    fn new(path: &'f str, original: &'f str, environment: &'f Environment) -> Self {
        let state = State::of(&containers::read(original, path, environment));
        let text = original.to_owned();
        File { path, original, environment, edits: Vec::new(), text, state }
    }

    /// Makes a repair, with those of the same sort that it brings to light where it does not help
    /// alone.
    fn apply(&mut self, fix: &Fix, code: &str) -> bool {
        let mut edits = self.edits.clone();
        let mut more: Edits =
            fix.edits.iter().map(|(span, text)| (span.start, span.end, text.clone())).collect();
        for _ in 0..TOGETHER {
            edits.append(&mut more);
            edits.sort_unstable();
            let Some(text) = edited(self.original, &edits) else { return false };
            let readings = containers::read(&text, self.path, self.environment);
            let state = State::of(&readings);
            if state.is_better(&self.state, code) {
                (self.edits, self.text, self.state) = (edits, text, state);
                return true;
            }
            let mut said = readings.iter().flat_map(|reading| &reading.diagnostics);
            let same = said.find(|diagnostic| diagnostic.code == code && diagnostic.fix.is_some());
            let Some(Fix { edits: next, .. }) = same.and_then(|same| same.fix.as_deref()) else {
                return false;
            };
            let place = |(span, text): &(Span, String)| {
                let (start, end) = (before(span.start, &edits)?, before(span.end, &edits)?);
                Some((start, end, text.clone()))
            };
            let Some(next) = next.iter().map(place).collect() else { return false };
            more = next;
        }
        false
    }
}

/// Where a place of the edited text was before the edits; none inside of what they put in.
fn before(place: usize, edits: &Edits) -> Option<usize> {
    let (mut at, mut was) = (0, 0);
    for (start, end, new) in edits {
        let from = at + (start - was);
        if place < from {
            break;
        }
        (at, was) = (from + new.len(), *end);
        if place < at {
            return None;
        }
    }
    Some(was + (place - at))
}

/// A text with edits in order; none where they overlap or do not fit it.
fn edited(text: &str, edits: &Edits) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (place, (start, end, new)) in edits.iter().enumerate() {
        let twice = place > 0 && edits[place - 1].0 == *start && edits[place - 1].1 == *end;
        if *start < at || twice || end < start {
            return None;
        }
        out.push_str(text.get(at..*start)?);
        out.push_str(new);
        text.get(*start..*end)?;
        at = *end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_do_not_overlap() {
        type Own<'e> = &'e [(usize, usize, &'e str)];
        let cases: [(Own<'_>, Option<&str>); 6] = [
            (&[], Some("abcdé")),
            (&[(0, 1, "x"), (1, 2, "yy")], Some("xyycdé")),
            (&[(2, 2, "-")], Some("ab-cdé")),
            (&[(0, 2, "x"), (1, 3, "y")], None),
            (&[(5, 6, "x")], None),
            (&[(4, 99, "x")], None),
        ];
        for (edits, expected) in cases {
            let own = edits.iter().map(|(start, end, new)| (*start, *end, (*new).to_owned()));
            assert_eq!(edited("abcdé", &own.collect()).as_deref(), expected, "{edits:?}");
        }
    }

    #[test]
    fn places_before_edits() {
        // `abcdef` has become `aXYZdf`.
        let edits = vec![(1, 3, "XYZ".to_owned()), (4, 5, String::new())];
        let cases = [(0, Some(0)), (1, None), (3, None), (4, Some(3)), (5, Some(5)), (6, Some(6))];
        for (place, expected) in cases {
            assert_eq!(before(place, &edits), expected, "{place}");
        }
    }
}
