//! A page as its chapters and sections.
//!
//! A page is about one technique, or about many, one after the other. What its parts are for is
//! told by the words in their headings, since pages use levels as they like.

use rulestone_ir::Span;

use super::blocks::{Block, Line, blocks};
use crate::containers::search::techniques;

/// What a page says about one technique.
#[derive(Debug, Default)]
pub(super) struct Chapter {
    /// Its title.
    pub(super) title: String,
    /// The techniques it is about, as they stand there.
    pub(super) techniques: Vec<String>,
    /// Its facts: `Permissions required: User`.
    pub(super) facts: Vec<(Fact, Vec<String>)>,
    /// Its parts; the first is what stands before any other.
    pub(super) sections: Vec<Section>,
}

/// A part of a chapter.
#[derive(Debug)]
pub(super) struct Section {
    /// What it is for.
    pub(super) sort: Sort,
    /// What stands in it.
    pub(super) blocks: Vec<Block>,
    /// Where its heading stands.
    pub(super) span: Span,
    /// Whether its heading says that its searches are Splunk's.
    pub(super) is_splunk: bool,
    level: u8,
}

/// What a section is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// What stands before any heading, and what describes the technique.
    Description,
    /// Searches, and nothing else.
    Filter,
    /// Searches, with words about them.
    Searches,
    /// What is to be seen of the technique: perhaps a search.
    Visibility,
    /// Commands to be suspicious of.
    Commands,
    /// Programs that are used.
    Executables,
    /// What to do about a finding.
    Reaction,
    /// Links.
    Resources,
    /// What is taken for granted.
    Assumptions,
    /// How to detect it, in words.
    Detection,
    /// Anything else.
    Other,
}

/// Words that headings begin a word with, and what their sections are for; the first that fits.
const SORTS: &[(Sort, &[&str])] = &[
    (Sort::Reaction, &["how to react", "how to respond", "response", "triage", "next steps"]),
    (Sort::Commands, &["suspicious command", "suspicious cmdlet", "suspicious process"]),
    (Sort::Executables, &["executables", "binaries", "programs used", "tools used"]),
    (Sort::Filter, &["filter", "correlation rule", "correlation search"]),
    (
        Sort::Searches,
        &["splunk", "spl", "searches", "search", "hunting quer", "hunt quer", "queries", "query"],
    ),
    (Sort::Visibility, &["visibility"]),
    (Sort::Assumptions, &["assumption"]),
    (Sort::Resources, &["resource", "reference", "links", "further reading"]),
    (Sort::Detection, &["detection"]),
    (Sort::Description, &["description", "overview", "summary"]),
];

/// Something that pages say in a line with a colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    /// The technique.
    Technique,
    /// Whose rights an attacker needs.
    Permissions,
    /// The tactic.
    Tactic,
    /// Where it works.
    Platform,
    /// What the next search reads.
    Input,
}

/// What facts are called.
const FACTS: &[(Fact, &[&str])] = &[
    (
        Fact::Technique,
        &[
            "mitre id",
            "miter id",
            "mitre att ck id",
            "att ck id",
            "technique id",
            "mitre technique",
        ],
    ),
    (Fact::Permissions, &["permissions required", "permission required", "permissions"]),
    (Fact::Tactic, &["tactic", "tactics"]),
    (Fact::Platform, &["platform", "platforms"]),
    (Fact::Input, &["input source", "data source", "log source", "input"]),
];

/// The fact that a line is, and its text.
pub(super) fn fact(line: &str) -> Option<(Fact, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = normal(name);
    let (fact, _) = FACTS.iter().find(|(_, names)| names.contains(&name.as_str()))?;
    Some((*fact, value.trim()))
}

/// The chapters of a page.
pub(super) fn chapters(page: &str) -> Vec<Chapter> {
    let mut chapters = vec![Chapter::new(String::new())];
    for block in blocks(page) {
        let Some(chapter) = chapters.last_mut() else { continue };
        match block {
            Block::Heading(level, line) => match chapter_title(level, &line.shown) {
                Some(title) => {
                    let mut next = Chapter::new(title);
                    next.techniques = techniques(&line.shown);
                    chapters.push(next);
                }
                None => chapter.heading(level, line),
            },
            block => chapter.add(block),
        }
    }
    for chapter in &mut chapters {
        chapter.settle();
    }
    chapters
}

/// The title of the chapter that a heading begins, if it does: it names a technique, or is the
/// page's own.
fn chapter_title(level: u8, text: &str) -> Option<String> {
    let names = !techniques(text).is_empty();
    let named = text.split_once(':').filter(|(lead, _)| normal(lead).starts_with("technique"));
    if !names && named.is_none() && (level != 1 || sort(text) != Sort::Other) {
        return None;
    }
    let title = named.map_or(text, |(_, title)| title);
    let end = title.find("(T").filter(|_| names).unwrap_or(title.len());
    let title = title[..end].trim().trim_end_matches(['-', ':', '–']).trim_end();
    let title = title.strip_suffix(".md").unwrap_or(title);
    Some(if title.is_empty() { text.trim() } else { title }.to_owned())
}

impl Chapter {
    fn new(title: String) -> Chapter {
        let mut chapter = Chapter { title, ..Chapter::default() };
        chapter.open("", 0, Span::default());
        chapter
    }

    fn open(&mut self, heading: &str, level: u8, span: Span) {
        let sort = if heading.is_empty() { Sort::Description } else { sort(heading) };
        let is_splunk = normal(heading).contains("splunk");
        self.sections.push(Section { sort, blocks: Vec::new(), span, is_splunk, level });
    }

    /// A heading within the chapter. One below searches that says nothing we know labels the next
    /// of them.
    fn heading(&mut self, level: u8, line: Line) {
        if let Some(section) = self.sections.last_mut()
            && sort(&line.shown) == Sort::Other
            && level > section.level
            && matches!(section.sort, Sort::Searches | Sort::Filter)
        {
            section.blocks.push(Block::Heading(level, line));
            return;
        }
        self.open(&line.shown, level, line.span);
    }

    fn add(&mut self, block: Block) {
        if let Block::Text(lines) = &block {
            for (fact, value) in lines.iter().filter_map(|line| fact(&line.shown)) {
                let values = value.split([',', ';']).map(|one| one.trim().to_owned());
                self.facts.push((fact, values.filter(|one| !one.is_empty()).collect()));
            }
        }
        if let Some(section) = self.sections.last_mut() {
            section.blocks.push(block);
        }
    }

    /// Finds out which techniques it is about, where its heading does not say: its facts, else
    /// its links.
    fn settle(&mut self) {
        if self.techniques.is_empty() {
            let named = self.fact(Fact::Technique);
            self.techniques = named.iter().flat_map(|text| techniques(text)).collect();
        }
        if self.techniques.is_empty() {
            let resources = self.sections.iter().filter(|own| own.sort == Sort::Resources);
            let mut found = Vec::new();
            for link in resources.flat_map(Section::links).filter(|l| l.contains("attack.mitre")) {
                found.extend(techniques(&link));
            }
            self.techniques = found;
        }
        let mut seen = Vec::new();
        self.techniques.retain(|id| !seen.contains(id) && (seen.push(id.clone()), true).1);
    }

    /// What it says of a fact.
    pub(super) fn fact(&self, wanted: Fact) -> Vec<String> {
        let own = self.facts.iter().filter(|(fact, _)| *fact == wanted);
        own.flat_map(|(_, values)| values.clone()).collect()
    }

    /// Its sections of a sort.
    pub(super) fn of(&self, sort: Sort) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(move |section| section.sort == sort)
    }

    /// The words of its sections of a sort, without facts: a paragraph a line.
    pub(super) fn words(&self, sort: Sort) -> String {
        let paragraphs = self.of(sort).flat_map(|section| &section.blocks).filter_map(words);
        paragraphs.collect::<Vec<_>>().join("\n")
    }
}

impl Section {
    /// Where its links lead to.
    pub(super) fn links(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut of = |line: &Line| {
            found.extend(line.links.iter().cloned());
            let bare = line.shown.split_whitespace().filter(|word| word.contains("://"));
            found.extend(bare.map(str::to_owned));
        };
        for block in &self.blocks {
            match block {
                Block::Text(lines) => lines.iter().for_each(&mut of),
                Block::Table(rows) => rows.iter().flatten().for_each(&mut of),
                Block::Heading(..) | Block::Code(..) => {}
            }
        }
        found
    }

    /// The lines of its text and of its blocks of code, one by one, without facts.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut found = Vec::new();
        for block in &self.blocks {
            match block {
                Block::Text(lines) => found.extend(lines.iter().map(|line| line.shown.clone())),
                Block::Code(_, code) => {
                    found.extend(code.text.lines().map(|line| line.trim().to_owned()));
                }
                Block::Heading(..) | Block::Table(_) => {}
            }
        }
        found.retain(|line| !line.is_empty() && fact(line).is_none());
        found
    }
}

/// The words of a paragraph, without facts.
fn words(block: &Block) -> Option<String> {
    let Block::Text(lines) = block else { return None };
    let shown = lines.iter().map(|line| line.shown.as_str());
    let kept = shown.filter(|line| !line.is_empty() && fact(line).is_none());
    let text = kept.collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

/// What a heading's section is for.
fn sort(heading: &str) -> Sort {
    let heading = format!(" {}", normal(heading));
    let fits = |word: &&str| heading.contains(&format!(" {word}"));
    let found = SORTS.iter().find(|(_, words)| words.iter().any(fits));
    found.map_or(Sort::Other, |(sort, _)| *sort)
}

/// Words without signs and case, a blank between them.
pub(super) fn normal(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_say_what_sections_are_for() {
        let cases = [
            ("Splunk Searches", Sort::Searches),
            ("Filter/ Correlation Rule", Sort::Filter),
            ("Suspicious Commands", Sort::Commands),
            ("Command and Control", Sort::Other),
            ("Research", Sort::Other),
            ("Executables Utilised", Sort::Executables),
            ("How to react", Sort::Reaction),
            ("Detection", Sort::Detection),
            ("Visibility ", Sort::Visibility),
            ("Lateral Movement", Sort::Other),
        ];
        for (heading, expected) in cases {
            assert_eq!(sort(heading), expected, "{heading}");
        }
    }

    #[test]
    fn chapters_have_titles_and_techniques() {
        let cases = [
            ("# Ports In Use\nMiter ID: T1049\n", "Ports In Use T1049"),
            ("Technique Description:\tPorts (T1049)\n-----\ntext", "Ports T1049"),
            ("# A.md\n## Resources\n[l](https://attack.mitre.org/techniques/T1033/)", "A T1033"),
            ("## T1059.001 - PowerShell\n", "T1059.001 - PowerShell T1059.001"),
            ("# Splunk Searches\n", ""),
            ("## One (T1001)\n### Filter\n## Two (T1002)\n", "One T1001|Two T1002"),
        ];
        for (page, expected) in cases {
            let found = chapters(page).into_iter().filter(|own| !own.title.is_empty());
            let found = found.map(|own| format!("{} {}", own.title, own.techniques.join(" ")));
            assert_eq!(found.collect::<Vec<_>>().join("|"), expected, "{page}");
        }
    }
}
