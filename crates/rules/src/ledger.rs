//! The ledger: every rule that was found, and what became of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rulestone_dialects::containers::{self, Contents, Effect, Reading};
use rulestone_ir::{
    Diagnostic, Level, LineIndex, Meta, Origin, Rule, Source, Span, Status, Vendor,
};

use crate::{Environment, Selection, find_rule_files};

/// Everything that was found in the rule files.
#[derive(Debug, Default)]
pub struct Ledger {
    /// One entry for each rule, in the order of the files.
    pub entries: Vec<Entry>,
    /// Files and folders that could not be read.
    pub problems: Vec<FileProblem>,
    /// Files that were read.
    pub files: usize,
    /// Files that hold no rule of a language that is known.
    pub foreign: Vec<Arc<str>>,
    /// Files that rules lean on, or that explain them: macros, lookups, stories.
    pub companions: usize,
}

/// A file or folder that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// The file or folder.
    pub path: Arc<str>,
    /// What the system says.
    pub reason: String,
}

/// One rule that was found.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What its author says about it.
    pub meta: Meta,
    /// Where it came from.
    pub origin: Origin,
    /// How faithfully it runs.
    pub status: Status,
    /// What is to be said about it.
    pub diagnostics: Vec<Diagnostic>,
    /// The text of its file, kept where there is something to say about it.
    pub text: Option<Arc<str>>,
    /// The rule, if it is loaded, or why not.
    pub rule: Result<Arc<Rule>, Skip>,
    /// What it does to other rules.
    pub effect: Effect,
    /// The rule, where it runs and was not asked for: another may refer to it.
    pub(crate) aside: Option<Arc<Rule>>,
}

/// Why a rule is not loaded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    /// Its diagnostics say why.
    Status(Status),
    /// It was not asked for, for this reason.
    Selection(String),
    /// It is a filter, joined to so many rules.
    Filter(usize),
}

impl Ledger {
    /// The rules that are loaded, in the order of the files.
    pub fn loaded(&self) -> Vec<Arc<Rule>> {
        self.entries.iter().filter_map(|entry| entry.rule.as_ref().ok().cloned()).collect()
    }

    /// Adds to what is to be said about the rules that are loaded: `say` is asked for each, by its
    /// place among them. What it says is about the rule as a whole.
    pub fn remark(&mut self, say: impl Fn(usize) -> Option<Diagnostic>) {
        let loaded = self.entries.iter_mut().filter(|entry| entry.rule.is_ok());
        for (at, entry) in loaded.enumerate() {
            let Some(said) = say(at) else { continue };
            entry.diagnostics.push(Diagnostic { span: entry.origin.span, ..said });
            entry.status = Status::of(&entry.diagnostics);
        }
    }

    /// How many rules have this status.
    pub fn count(&self, status: Status) -> usize {
        self.entries.iter().filter(|entry| entry.status == status).count()
    }
}

impl Entry {
    /// The rule, if it runs, whether or not it is loaded.
    pub fn runnable(&self) -> Option<&Arc<Rule>> {
        self.rule.as_ref().ok().or(self.aside.as_ref())
    }

    /// Line and column of a diagnostic, from 1.
    pub fn position(&self, diagnostic: &Diagnostic) -> (usize, usize) {
        let text = self.text.as_deref().unwrap_or_default();
        LineIndex::new(text).position(text, diagnostic.span.start)
    }
}

/// Reads the rules at and below `places`.
pub fn load(
    places: &[PathBuf],
    environment: &Environment,
    selection: &Selection,
    jobs: usize,
) -> Ledger {
    let mut ledger = Ledger::default();
    let mut files = Vec::new();
    for place in places {
        let (found, problems) = find_rule_files(place);
        files.extend(found);
        ledger.problems.extend(
            problems.into_iter().map(|(path, reason)| FileProblem { path: name_of(&path), reason }),
        );
    }
    files.sort();
    files.dedup();
    ledger.files = files.len();
    for file in read_all(&files, places, environment, selection, jobs) {
        ledger.take(file);
    }
    ledger.mark_twins();
    ledger.link();
    ledger
}

/// Reads rules that are at hand as texts, each with the name of its file.
pub fn load_texts(
    texts: &[(&str, &str)],
    environment: &Environment,
    selection: &Selection,
) -> Ledger {
    let mut ledger = Ledger { files: texts.len(), ..Ledger::default() };
    for (name, text) in texts {
        ledger.take(read_text(
            (*name).into(),
            ((*text).to_owned(), None),
            environment,
            (selection, true),
        ));
    }
    ledger.link();
    ledger
}

enum File {
    Rules(Vec<Entry>),
    Companion,
    Foreign(Arc<str>),
    Problem(FileProblem),
}

/// Files by turns over threads; results in the order of the files. Some were named themselves.
fn read_all(
    files: &[PathBuf],
    named: &[PathBuf],
    environment: &Environment,
    selection: &Selection,
    jobs: usize,
) -> Vec<File> {
    let next = AtomicUsize::new(0);
    let mut all: Vec<(usize, File)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.clamp(1, files.len().max(1)))
            .map(|_| {
                scope.spawn(|| {
                    let mut own = Vec::new();
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(path) = files.get(at) else { return own };
                        let file = read_file(path, environment, selection, named.contains(path));
                        own.push((at, file));
                    }
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, file)| file).collect()
}

fn read_file(path: &Path, environment: &Environment, selection: &Selection, named: bool) -> File {
    let name = name_of(path);
    match std::fs::read(path) {
        Ok(bytes) => {
            // A byte that is not UTF-8 shows as U+FFFD: mostly in a name, and no reason to drop
            // a rule.
            let (text, lost) = match String::from_utf8(bytes) {
                Ok(text) => (text, None),
                Err(error) => {
                    let lost = error.utf8_error().valid_up_to();
                    (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some(lost))
                }
            };
            read_text(name, (text, lost), environment, (selection, named))
        }
        Err(error) => File::Problem(FileProblem { path: name, reason: error.to_string() }),
    }
}

/// Reads the text of a file, of which the first character that is no text any more is at `lost`.
fn read_text(
    name: Arc<str>,
    (text, lost): (String, Option<usize>),
    environment: &Environment,
    (selection, named): (&Selection, bool),
) -> File {
    match containers::recognise(&text, &name) {
        None => return File::Foreign(name),
        Some(Contents::Companion) => return File::Companion,
        Some(_) => {}
    }
    let mut readings = containers::read(&text, &name, environment);
    if let Some(at) = lost {
        let owns =
            |reading: &Reading| (reading.origin.span.start..reading.origin.span.end).contains(&at);
        let own = readings.iter().position(owns).unwrap_or(0);
        let message = "the file is not UTF-8 here: a character is lost";
        let span = Span::new(at..at + char::REPLACEMENT_CHARACTER.len_utf8());
        let said = Diagnostic::new(Level::Note, "not-utf8", message, span);
        let said = said.with_help("save the file as UTF-8");
        readings.get_mut(own).into_iter().for_each(|own| own.diagnostics.push(said.clone()));
    }
    // Of several rules in a file one that is said to be there twice has to be found.
    let all = selection.texts || readings.len() > 1;
    let kept = |r: &Reading| all || !r.diagnostics.is_empty() || may_be_remarked(r);
    let text: Option<Arc<str>> = readings.iter().any(kept).then(|| text.into());
    let entry = |reading: Reading| {
        let text = text.clone().filter(|_| kept(&reading));
        Entry::new(reading, text, selection, named)
    };
    File::Rules(readings.into_iter().map(entry).collect())
}

/// Whether there may be something to say of a rule once all rules are there: it refers to others, or
/// reads their alerts.
fn may_be_remarked(reading: &Reading) -> bool {
    let over_alerts = |source: &Source| matches!(source, Source::Alerts { .. });
    let sources = reading.rule.as_ref().map_or(&[][..], |rule| &rule.sources);
    reading.effect != Effect::None || sources.iter().any(over_alerts)
}

fn name_of(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}

impl Entry {
    fn new(reading: Reading, text: Option<Arc<str>>, selection: &Selection, named: bool) -> Entry {
        let Reading { meta, origin, rule, diagnostics, effect } = reading;
        let status = Status::of(&diagnostics);
        let runs = rule.filter(|_| status.runs()).map(Arc::new);
        let (rule, aside) = match (runs, selection.refuses(origin.vendor, &meta, named)) {
            (aside, Some(reason)) => (Err(Skip::Selection(reason)), aside),
            (Some(rule), None) => (Ok(rule), None),
            (None, None) => (Err(Skip::Status(status)), None),
        };
        Entry { meta, origin, status, diagnostics, text, rule, effect, aside }
    }
}

impl Ledger {
    fn take(&mut self, file: File) {
        match file {
            File::Rules(entries) => self.entries.extend(entries),
            File::Companion => self.companions += 1,
            File::Foreign(name) => self.foreign.push(name),
            File::Problem(problem) => self.problems.push(problem),
        }
    }

    /// Says of rules with one id that there are several: their alerts cannot be told apart by it.
    fn mark_twins(&mut self) {
        let mut first: std::collections::HashMap<String, Arc<str>> = Default::default();
        // Pages have no ids: theirs are made of what their chapters are called.
        let written = |entry: &&mut Entry| entry.origin.vendor != Vendor::Playbook;
        for entry in self.entries.iter_mut().filter(written) {
            let path = entry.origin.path.clone();
            match first.get(&entry.meta.id) {
                Some(other) if !entry.meta.id.is_empty() => {
                    let message = format!("the id {} also stands in {other}", entry.meta.id);
                    let level = Level::Note;
                    let twin = Diagnostic::new(level, "id-twice", message, entry.origin.span);
                    entry.diagnostics.push(twin);
                }
                _ => {
                    first.insert(entry.meta.id.clone(), path);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "title: One\nid: 11111111-1111-4111-8111-111111111111\nstatus: test\n\
                        logsource:\n  product: windows\n  category: process_creation\n\
                        detection:\n  a:\n    Image: x\n  condition: a\n";

    #[test]
    fn nothing_disappears() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.yml", RULE.as_bytes());
        write("b.yml", RULE.replace("condition: a", "condition: b").as_bytes());
        write("c.yml", b"just: yaml\n");
        write("d.txt", b"not looked at");
        write("e.yml", RULE.replace("status: test", "status: deprecated").as_bytes());
        let places = [folder.path().to_owned(), folder.path().join("missing")];
        let ledger = load(&places, &Environment::default(), &Selection::default(), 2);
        let statuses: Vec<_> = ledger.entries.iter().map(|entry| entry.status).collect();
        assert_eq!(statuses, [Status::Exact, Status::Invalid, Status::Exact]);
        assert_eq!(ledger.loaded().len(), 1);
        assert!(matches!(ledger.entries[2].rule, Err(Skip::Selection(_))));
        assert_eq!((ledger.foreign.len(), ledger.problems.len(), ledger.files), (1, 1, 4));
        assert!(ledger.entries[1].diagnostics.iter().any(|d| d.code == "id-twice"));
    }

    #[test]
    fn what_is_no_text_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let text = RULE.replace("Image: x", "Image: 'é'");
        let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
        std::fs::write(folder.path().join("a.yml"), latin).unwrap();
        let places = [folder.path().to_owned()];
        let ledger = load(&places, &Environment::default(), &Selection::default(), 1);
        let said: Vec<_> =
            ledger.entries[0].diagnostics.iter().map(|d| (d.code, d.span.start)).collect();
        assert_eq!(said, [("not-utf8", text.find('é').unwrap())]);
        assert!(ledger.entries[0].rule.is_ok());
    }
}
