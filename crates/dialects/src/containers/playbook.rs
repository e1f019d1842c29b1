//! Pages of Markdown that say what to hunt for: what a technique is, searches for it, commands to
//! be suspicious of, and how to react.
//!
//! Each search is a rule, and each command. What the page says around them goes with every one of
//! them: whoever gets an alert wants to read how to react.

mod blocks;
mod fields;
mod page;
mod searches;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use rulestone_ir::{
    Attack, Clock, Diagnostic, Language, Level, Meta, Origin, Raises, Rule, Schema, Severity, Span,
    Status, Trigger, Vendor,
};

pub use self::fields::loose_fields;

use self::blocks::{Block, Line};
use self::page::{Chapter, Fact, Section, Sort, normal};
use self::searches::{Found, searches};
use super::{Effect, Reading};
use crate::Environment;
use crate::indicator::{self, Command};
use crate::spl::{self, Lowered};
use crate::text::{Quoting, Written};

/// The longest page that is read.
const LONGEST: usize = 4 << 20;
/// The longest part of an id that is made of a label or a command.
const SLUG: usize = 60;

/// Whether a text is a page with something to hunt for.
pub(super) fn recognise(text: &str, path: &str) -> bool {
    let ending = path.rsplit(['/', '\\']).next().and_then(|name| Some(name.rsplit_once('.')?.1));
    let markdown = ending
        .is_some_and(|own| ["md", "markdown"].iter().any(|known| known.eq_ignore_ascii_case(own)));
    markdown && text.len() <= LONGEST && chapters(text).any(|(_, hunts)| !hunts.is_empty())
}

/// Reads every search and every command of a page.
pub(super) fn read(text: &str, path: &str, environment: &Environment) -> Vec<Reading> {
    let path: Arc<str> = Arc::from(path);
    let mut ids = BTreeSet::new();
    let mut readings = Vec::new();
    for (chapter, hunts) in chapters(text) {
        let about = About::of(text, &chapter, &hunts, &path);
        let labels = hunts.iter().map(Hunt::label).collect::<Vec<_>>();
        for (hunt, label) in hunts.iter().zip(&labels) {
            let twins = labels.iter().filter(|other| *other == label).count();
            let id = about.id(hunt, label, twins > 1, &mut ids);
            let mut reading = about.reading(hunt, id, label, environment);
            reading.origin.span = within(text, reading.origin.span);
            for diagnostic in &mut reading.diagnostics {
                diagnostic.span = within(text, diagnostic.span);
            }
            readings.push(reading);
        }
    }
    readings
}

/// The searches of a page, for printing what each step makes of them.
pub(super) fn searches_of(text: &str) -> Vec<String> {
    let hunts = chapters(text).flat_map(|(_, hunts)| hunts);
    let search = |hunt| match hunt {
        Hunt::Search(found) => Some(found.text.text),
        _ => None,
    };
    hunts.filter_map(search).collect()
}

/// The commands of a page, for printing how they are taken.
pub(super) fn print_commands(text: &str) -> Vec<String> {
    let hunts = chapters(text).flat_map(|(_, hunts)| hunts);
    let print = |hunt| match hunt {
        Hunt::Command(row) => Some(indicator::print_ast(&row.command())),
        _ => None,
    };
    hunts.filter_map(print).collect()
}

/// Something to hunt for.
enum Hunt {
    /// A search.
    Search(Found),
    /// A search that is there as a picture alone.
    Picture(Span),
    /// A command to be suspicious of.
    Command(Row),
}

/// A row of a table of commands, or a program that is used.
struct Row {
    process: Line,
    words: Line,
    description: String,
    span: Span,
}

impl Row {
    fn command(&self) -> Command<'_> {
        Command {
            process: (&self.process.shown, self.process.span),
            words: (&self.words.shown, self.words.span),
        }
    }

    /// The command as one would say it.
    fn label(&self) -> String {
        match self.words.shown.as_str() {
            "" => self.process.shown.clone(),
            words => words.trim_end_matches(['*', ' ']).to_owned(),
        }
    }
}

impl Hunt {
    /// What the page calls it.
    fn label(&self) -> String {
        match self {
            Hunt::Search(found) => found.label.clone(),
            Hunt::Picture(_) => String::new(),
            Hunt::Command(row) => row.label(),
        }
    }
}

/// The chapters of a page with what there is to hunt for. A section of searches is known by its
/// heading in a chapter that names its technique; elsewhere headings have to be plainer.
fn chapters(text: &str) -> impl Iterator<Item = (Chapter, Vec<Hunt>)> {
    let mut chapters = page::chapters(text);
    // Facts and a description may stand before the first heading; a page's own title above
    // its chapters may not.
    chapters.retain(|chapter| chapter.sections.len() > 1 || !chapter.techniques.is_empty());
    chapters.into_iter().map(|chapter| {
        let hunts = hunts(&chapter);
        (chapter, hunts)
    })
}

fn hunts(chapter: &Chapter) -> Vec<Hunt> {
    let plain = |section: &&Section| {
        let named = !chapter.techniques.is_empty();
        match section.sort {
            Sort::Filter | Sort::Commands => true,
            Sort::Searches => named || section.is_splunk,
            Sort::Visibility => named,
            _ => false,
        }
    };
    let sections: Vec<&Section> = chapter.sections.iter().filter(plain).collect();
    let mut hunts: Vec<Hunt> =
        sections.iter().flat_map(|own| searches(own)).map(Hunt::Search).collect();
    if hunts.is_empty() {
        hunts.extend(sections.iter().filter_map(|own| picture(own)).map(Hunt::Picture));
    }
    let mut rows: Vec<Row> = sections.iter().flat_map(|own| commands(own)).collect();
    if rows.is_empty() && !chapter.techniques.is_empty() {
        rows.extend(chapter.of(Sort::Executables).flat_map(executables));
    }
    hunts.extend(rows.into_iter().map(Hunt::Command));
    hunts
}

/// Where a search stands as a picture: below the heading of searches.
fn picture(section: &Section) -> Option<Span> {
    let has = section.blocks.iter().any(|block| match block {
        Block::Text(lines) => lines.iter().any(|line| line.picture),
        _ => false,
    });
    let searches = matches!(section.sort, Sort::Filter | Sort::Searches);
    (has && searches).then_some(section.span)
}

/// The rows of the tables of commands.
fn commands(section: &Section) -> Vec<Row> {
    let tables = section.blocks.iter().filter_map(|block| match block {
        Block::Table(rows) => rows.split_first(),
        _ => None,
    });
    let mut found = Vec::new();
    for (head, rows) in tables {
        let names: Vec<String> = head.iter().map(|cell| normal(&cell.shown)).collect();
        let column = |words: &[&str]| {
            names.iter().position(|name| words.iter().any(|word| name.contains(word)))
        };
        let process = column(&["process", "executable", "program", "binary", "image"]);
        let words = column(&["command", "cmd", "argument", "usage"]);
        let (process, words) = match (process, words) {
            (None, None) if section.sort == Sort::Commands => (Some(0), Some(1)),
            (None, None) => continue,
            (process, words) => (process, words.filter(|at| Some(*at) != process)),
        };
        // What describes a command goes by many names; it is what else there is.
        let known = column(&["description", "purpose", "detail", "note", "meaning"]);
        let other = (0..head.len()).find(|at| ![process, words].contains(&Some(*at)));
        let description = known.or(other);
        let cell = |row: &[Line], at: Option<usize>| {
            at.and_then(|at| row.get(at)).cloned().unwrap_or_default()
        };
        for row in rows {
            let (process, words) = (cell(row, process), cell(row, words));
            let both = [process.span, words.span].into_iter().filter(|span| span.end > 0);
            let Some(span) = both.reduce(Span::to) else { continue };
            let description = cell(row, description).shown;
            found.push(Row { process, words, description, span });
        }
    }
    found
}

/// The programs that are used, each a hunt where no command says more.
fn executables(section: &Section) -> Vec<Row> {
    let lines = section.blocks.iter().filter_map(|block| match block {
        Block::Text(lines) => Some(lines),
        _ => None,
    });
    let program = |line: &&Line| !line.shown.is_empty() && !line.shown.contains(' ');
    let row = |line: &Line| Row {
        process: line.clone(),
        words: Line::default(),
        description: String::new(),
        span: line.span,
    };
    lines.flatten().filter(program).map(row).collect()
}

/// What a chapter says about all of its hunts.
struct About<'a> {
    file: &'a str,
    title: String,
    techniques: Vec<String>,
    tactics: Vec<String>,
    description: String,
    references: Vec<String>,
    more: Vec<(&'static str, Vec<String>)>,
    path: Arc<str>,
}

impl<'a> About<'a> {
    fn of(file: &'a str, chapter: &Chapter, hunts: &[Hunt], path: &Arc<str>) -> About<'a> {
        let lines = |sort: Sort| chapter.of(sort).flat_map(Section::lines).collect::<Vec<_>>();
        let words = |sort: Sort| {
            let words = chapter.words(sort);
            if words.is_empty() { Vec::new() } else { vec![words] }
        };
        let commands = hunts.iter().filter_map(|hunt| match hunt {
            Hunt::Command(row) => Some(row.label()),
            _ => None,
        });
        let more = [
            ("permissions_required", chapter.fact(Fact::Permissions)),
            ("platform", chapter.fact(Fact::Platform)),
            ("executables", lines(Sort::Executables)),
            ("commands", commands.collect()),
            ("assumptions", words(Sort::Assumptions)),
            ("detection", words(Sort::Detection)),
            ("guidance", words(Sort::Reaction)),
        ];
        let stem = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
        let title = if chapter.title.is_empty() { stem } else { &chapter.title };
        let tactics = chapter.fact(Fact::Tactic).into_iter();
        About {
            file,
            title: title.to_owned(),
            techniques: chapter.techniques.clone(),
            tactics: tactics.map(|tactic| normal(&tactic).replace(' ', "-")).collect(),
            description: chapter.words(Sort::Description),
            references: chapter.of(Sort::Resources).flat_map(Section::links).collect(),
            more: more.into_iter().filter(|(_, values)| !values.is_empty()).collect(),
            path: path.clone(),
        }
    }

    /// An id that says where the hunt stands: technique, title, label, and a number where that is
    /// not enough.
    fn id(&self, hunt: &Hunt, label: &str, twin: bool, ids: &mut BTreeSet<String>) -> String {
        let title = slug(&self.title);
        let technique = self.techniques.first().map(|id| slug(id));
        let technique = technique.filter(|id| !title.starts_with(id.as_str()));
        let command = matches!(hunt, Hunt::Command(_)).then(|| "command".to_owned());
        let label = Some(slug(label)).filter(|label| !label.is_empty());
        let parts = [technique, Some(title), command, label].into_iter().flatten();
        let base = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
        let numbered = (1..).map(|number| format!("{base}-{number}"));
        let plain = (!twin).then(|| base.clone());
        let id = plain.into_iter().chain(numbered).find(|id| !ids.contains(id));
        let id = id.unwrap_or(base);
        ids.insert(id.clone());
        id
    }

    fn reading(&self, hunt: &Hunt, id: String, label: &str, environment: &Environment) -> Reading {
        let mut meta = Meta {
            id,
            title: self.title.clone(),
            description: self.description.clone(),
            references: self.references.clone(),
            attack: Attack {
                techniques: self.techniques.clone(),
                tactics: self.tactics.clone(),
                others: Vec::new(),
            },
            more: self.more.clone(),
            ..Meta::default()
        };
        match hunt {
            Hunt::Search(found) => {
                if !label.is_empty() {
                    meta.title = format!("{} ({label})", self.title);
                    meta.more.insert(0, ("input_source", vec![label.to_owned()]));
                }
                self.search(found, meta, environment)
            }
            Hunt::Picture(span) => {
                let message = "the search is a picture, which cannot be read";
                let found = Diagnostic::new(Level::Invalid, "picture-search", message, *span);
                let found = found.with_help("write the search as text below the heading");
                self.finish(meta, self.origin(Language::Spl, *span, None), None, vec![found])
            }
            Hunt::Command(row) => {
                meta.title = format!("{}: {label}", self.title);
                if !row.description.is_empty() {
                    meta.description = format!("{}\n{}", row.description, meta.description);
                    meta.description.truncate(meta.description.trim_end().len());
                }
                meta.kind = "Hunting".to_owned();
                // Anybody may run such a command for good reasons.
                meta.severity = Severity::Low;
                self.indicator(row, meta)
            }
        }
    }

    fn search(&self, found: &Found, meta: Meta, environment: &Environment) -> Reading {
        let mut diagnostics = remarks(found);
        let search = &found.text.text;
        let place = |range: Range<usize>| found.text.span(range);
        // Pages say nothing of when to run: a search is run over all there is.
        let (clock, schema) = (Clock::Whole, Schema::Playbook);
        let written = Some(Written { file: self.file, quoting: Quoting::Verbatim });
        let text = spl::Text { search, place: &place, clock, schema, written };
        let lowered = spl::read(&text, environment, &mut diagnostics);
        if let Some(lowered) = &lowered {
            fields::own_fields(found, &lowered.reads, &mut diagnostics);
        }
        let origin = self.origin(Language::Spl, found.text.span(0..search.len()), Some(search));
        self.finish(meta, origin, lowered, diagnostics)
    }

    fn indicator(&self, row: &Row, meta: Meta) -> Reading {
        let lowered = indicator::read(&row.command());
        let mut diagnostics = Vec::new();
        if lowered.is_none() {
            let message = "the row names neither a program nor a command";
            let found = Diagnostic::new(Level::Invalid, "empty-command", message, row.span);
            diagnostics.push(found.with_help("name the program, the command, or both"));
        }
        let text = format!("{}: {}", row.process.shown, row.words.shown);
        let origin = self.origin(Language::Indicator, row.span, Some(&text));
        self.finish(meta, origin, lowered, diagnostics)
    }

    fn origin(&self, language: Language, span: Span, search: Option<&str>) -> Origin {
        Origin {
            vendor: Vendor::Playbook,
            language,
            path: self.path.clone(),
            span,
            tests: Vec::new(),
            drilldowns: Vec::new(),
            search: search.map(Arc::from),
        }
    }

    fn finish(
        &self,
        meta: Meta,
        origin: Origin,
        lowered: Option<Lowered>,
        mut diagnostics: Vec<Diagnostic>,
    ) -> Reading {
        diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
        diagnostics.dedup();
        let raises = match origin.language {
            Language::Indicator => Raises::OnRequest,
            _ => Raises::Alert,
        };
        let runs = Status::of(&diagnostics).runs();
        let rule = lowered.filter(|_| runs).map(|Lowered { sources, stages, clock, .. }| Rule {
            meta: meta.clone(),
            origin: origin.clone(),
            sources,
            stages,
            clock,
            trigger: Trigger { raises, ..Trigger::default() },
        });
        Reading { meta, origin, rule, diagnostics, effect: Effect::None }
    }
}

/// What there is to say of a search before it is read.
fn remarks(found: &Found) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut note = |code, message: String, span, help: &str| {
        diagnostics.push(Diagnostic::new(Level::Note, code, message, span).with_help(help));
    };
    let whole = found.text.span(0..found.text.text.len());
    if let Some(remark) = &found.remark {
        let message = "what stands behind the arrow is taken for a remark".to_owned();
        let span = remark.span(0..remark.text.len());
        note("search-remark", message, span, "write it on a line of its own, as words");
    }
    if found.is_prose {
        let message =
            "this reads like a sentence: as a search it wants each of its words".to_owned();
        note("prose-search", message, whole, "write a search: `EventCode=1 AND net.exe`");
    }
    if let Some((label, log)) = fields::other_input(found) {
        let message = format!("the page says that it reads {label}, and it asks for {log}");
        note("input-source", message, whole, "correct the label, or what the search asks for");
    }
    diagnostics
}

/// A place that does not cut a character: what Markdown makes of a sign may be longer or shorter
/// than the sign.
fn within(text: &str, span: Span) -> Span {
    let start = text.floor_char_boundary(span.start);
    Span::new(start..text.ceil_char_boundary(span.end).max(start))
}

/// Words as a part of an id: `System Owner/User` is `system-owner-user`.
fn slug(text: &str) -> String {
    let mut slug = normal(text).replace(' ', "-");
    let end = slug.floor_char_boundary(SLUG);
    slug.truncate(end);
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}
