//! Markdown as blocks whose text knows where it stands in the page.
//!
//! Searches are taken as they are written, not as they are shown: `*use*` is a pattern here, though
//! a page shows it in italics.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use rulestone_ir::Span;

/// A block of a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    /// A heading.
    Heading(u8, Line),
    /// A paragraph, or what stands in an item of a list.
    Text(Vec<Line>),
    /// A fenced or indented block, with the language it says it is in.
    Code(String, Stretch),
    /// A table, its heading first.
    Table(Vec<Vec<Line>>),
}

/// A line of text, or a cell of a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Line {
    /// As it is written, without pictures.
    pub(super) source: Stretch,
    /// As it is shown.
    pub(super) shown: String,
    /// Where its links lead to.
    pub(super) links: Vec<String>,
    /// Whether there is a picture in it.
    pub(super) picture: bool,
    /// Where it stands, with its pictures.
    pub(super) span: Span,
}

/// Text out of a page, and where each part of it stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Stretch {
    /// The text.
    pub(super) text: String,
    /// Where parts begin: in the text, and in the page.
    parts: Vec<(usize, usize)>,
}

impl Stretch {
    /// Adds a part that stands at `at` in the page.
    fn push(&mut self, text: &str, at: usize) {
        if !text.is_empty() {
            self.parts.push((self.text.len(), at));
            self.text.push_str(text);
        }
    }

    /// Where a range of the text stands.
    pub(super) fn span(&self, range: Range<usize>) -> Span {
        let start = self.offset(range.start);
        let end = match range.end.checked_sub(1) {
            Some(last) if range.end > range.start => self.offset(last) + 1,
            _ => start,
        };
        Span::new(start..end.max(start))
    }

    /// Where a byte of the text stands.
    fn offset(&self, at: usize) -> usize {
        let part = self.parts.partition_point(|(own, _)| *own <= at).checked_sub(1);
        part.and_then(|part| self.parts.get(part)).map_or(0, |(own, page)| page + (at - own))
    }

    /// A part of it.
    pub(super) fn slice(&self, range: Range<usize>) -> Stretch {
        let mut out = Stretch::default();
        for (at, (start, page)) in self.parts.iter().enumerate() {
            let end = self.parts.get(at + 1).map_or(self.text.len(), |(next, _)| *next);
            let (from, to) = (range.start.max(*start), range.end.min(end));
            if from < to {
                out.push(self.text.get(from..to).unwrap_or_default(), page + (from - start));
            }
        }
        out
    }

    /// It without the blanks around it.
    pub(super) fn trimmed(&self) -> Stretch {
        let start = self.text.len() - self.text.trim_start().len();
        self.slice(start..start + self.text.trim().len())
    }

    /// Both, on two lines.
    pub(super) fn with_line(mut self, next: &Stretch) -> Stretch {
        let at = self.offset(self.text.len());
        self.push("\n", at);
        for (index, (start, page)) in next.parts.iter().enumerate() {
            let end = next.parts.get(index + 1).map_or(next.text.len(), |(next, _)| *next);
            self.push(next.text.get(*start..end).unwrap_or_default(), *page);
        }
        self
    }
}

/// The blocks of a page, in their order.
pub(super) fn blocks(page: &str) -> Vec<Block> {
    let mut reader = Reader { page, ..Reader::default() };
    for (event, range) in Parser::new_ext(page, Options::ENABLE_TABLES).into_offset_iter() {
        reader.take(event, range);
    }
    reader.flush();
    reader.blocks
}

#[derive(Default)]
struct Reader<'p> {
    page: &'p str,
    blocks: Vec<Block>,
    /// Lines of the block at hand.
    lines: Vec<Building>,
    /// How deep in pictures, whose text is not shown.
    pictures: usize,
    code: Option<(String, Stretch)>,
    table: Option<Vec<Vec<Line>>>,
}

/// A line that is being read.
#[derive(Default)]
struct Building {
    range: Option<Range<usize>>,
    shown: String,
    links: Vec<String>,
    pictures: Vec<Range<usize>>,
}

impl<'p> Reader<'p> {
    fn take(&mut self, event: Event<'p>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some((_, code)) => add_code(code, self.page, &text, range),
                None => self.inline(&text, range),
            },
            Event::Code(text) | Event::InlineHtml(text) => self.inline(&text, range),
            Event::SoftBreak | Event::HardBreak => {
                if let Some(own) = self.lines.last_mut().and_then(|line| line.range.as_mut()) {
                    own.end = own.end.min(range.start).max(own.start);
                }
                self.lines.push(Building::default());
            }
            Event::Rule => self.flush(),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'p>, range: Range<usize>) {
        match tag {
            Tag::Image { .. } => {
                self.cover(range.clone());
                self.line().pictures.push(range);
                self.pictures += 1;
            }
            Tag::Link { dest_url, .. } => {
                self.cover(range);
                let url = dest_url.into_string();
                self.line().links.push(url);
            }
            Tag::Emphasis | Tag::Strong => self.cover(range),
            Tag::CodeBlock(kind) => {
                self.flush();
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.into_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                self.code = Some((info, Stretch::default()));
            }
            Tag::Table(_) => {
                self.flush();
                self.table = Some(Vec::new());
            }
            Tag::TableHead | Tag::TableRow => {
                if let Some(rows) = &mut self.table {
                    rows.push(Vec::new());
                }
            }
            Tag::TableCell => self.lines.clear(),
            _ => self.flush(),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Image => self.pictures = self.pictures.saturating_sub(1),
            TagEnd::Heading(level) => {
                let lines = self.finish();
                self.heading(level, lines);
            }
            TagEnd::CodeBlock => {
                self.blocks.extend(self.code.take().map(|(info, code)| Block::Code(info, code)));
            }
            TagEnd::TableCell => {
                let cell = self.finish().into_iter().next().unwrap_or_default();
                if let Some(row) = self.table.as_mut().and_then(|rows| rows.last_mut()) {
                    row.push(cell);
                }
            }
            TagEnd::Table => self.blocks.extend(self.table.take().map(Block::Table)),
            TagEnd::TableHead | TagEnd::TableRow => {}
            TagEnd::Link | TagEnd::Emphasis | TagEnd::Strong => {}
            _ => self.flush(),
        }
    }

    /// A heading. One that is underlined is all of the lines above it to Markdown; to whoever
    /// wrote it, it is the last of them, and where that is a picture the line below is a rule.
    fn heading(&mut self, level: HeadingLevel, mut lines: Vec<Line>) {
        let last = lines.pop().filter(|line| !line.shown.is_empty() || !line.picture);
        if last.is_none() || !lines.is_empty() {
            let picture = Line { picture: true, ..Line::default() };
            lines.extend(last.is_none().then_some(picture));
            self.blocks.push(Block::Text(lines));
        }
        self.blocks.extend(last.map(|line| Block::Heading(level as u8, line)));
    }

    fn line(&mut self) -> &mut Building {
        if self.lines.is_empty() {
            self.lines.push(Building::default());
        }
        let last = self.lines.len() - 1;
        &mut self.lines[last]
    }

    /// Notes that the line reaches over `range`.
    fn cover(&mut self, range: Range<usize>) {
        let own = &mut self.line().range;
        *own = Some(match own.take() {
            Some(own) => own.start.min(range.start)..own.end.max(range.end),
            None => range,
        });
    }

    fn inline(&mut self, text: &str, range: Range<usize>) {
        if self.pictures == 0 {
            self.cover(range);
            self.line().shown.push_str(text);
        }
    }

    /// The lines of the block at hand.
    fn finish(&mut self) -> Vec<Line> {
        let page = self.page;
        let lines = std::mem::take(&mut self.lines).into_iter();
        let lines = lines.map(|line| line.finish(page));
        lines.filter(|line| line.picture || !line.shown.is_empty()).collect()
    }

    fn flush(&mut self) {
        let lines = self.finish();
        if !lines.is_empty() {
            self.blocks.push(Block::Text(lines));
        }
    }
}

impl Building {
    fn finish(self, page: &str) -> Line {
        let range = self.range.unwrap_or_default();
        let mut source = Stretch::default();
        let mut at = range.start;
        for picture in &self.pictures {
            add_source(&mut source, page, at..picture.start);
            at = at.max(picture.end);
        }
        add_source(&mut source, page, at..range.end);
        Line {
            source: source.trimmed(),
            shown: self.shown.trim().to_owned(),
            links: self.links,
            picture: !self.pictures.is_empty(),
            span: Span::new(range),
        }
    }
}

/// Adds text as it is written. Of what Markdown escapes, only `\_` never means a backslash.
fn add_source(out: &mut Stretch, page: &str, range: Range<usize>) {
    let Some(text) = page.get(range.clone()) else { return };
    let mut from = 0;
    for (at, _) in text.match_indices(r"\_") {
        out.push(&text[from..at], range.start + from);
        from = at + 1;
    }
    out.push(&text[from..], range.start + from);
}

/// Adds text of a block of code. It is what is written, but for the ends of lines of Windows and
/// tabs that are part of an indentation.
fn add_code(out: &mut Stretch, page: &str, text: &str, range: Range<usize>) {
    if page.get(range.clone()) == Some(text) {
        out.push(text, range.start);
        return;
    }
    let (mut at, end) = (range.start, range.end);
    let written = |at: usize| page.get(at..end).and_then(|rest| rest.chars().next());
    for (from, c) in text.char_indices() {
        while written(at) == Some('\r') && c != '\r' {
            at += 1;
        }
        out.push(&text[from..from + c.len_utf8()], at);
        if written(at) == Some(c) {
            at += c.len_utf8();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(block: &Block) -> String {
        let lines = |lines: &[Line]| {
            let line = |line: &Line| {
                format!("{}{}", line.source.text, if line.picture { " [picture]" } else { "" })
            };
            lines.iter().map(line).collect::<Vec<_>>().join(" / ")
        };
        match block {
            Block::Heading(level, line) => format!("h{level} {}", line.shown),
            Block::Text(own) => format!("text {}", lines(own)),
            Block::Code(info, code) => format!("code {info} {:?}", code.text),
            Block::Table(rows) => {
                let rows: Vec<_> = rows.iter().map(|row| lines(row)).collect();
                format!("table {}", rows.join(" // "))
            }
        }
    }

    #[test]
    fn pages_as_blocks() {
        let cases = [
            ("### Filter ###\na=1 AND *b*\n![x](y)\n", "h3 Filter|text a=1 AND *b* /  [picture]"),
            ("Title\n-----\ntext", "h2 Title|text text"),
            ("a=1\n![x](y)\n----\n", "text a=1 /  [picture]"),
            ("one.\nTitle\n----\n", "text one.|h2 Title"),
            ("```spl\na=1\n| stats count\n```\n", "code spl \"a=1\\n| stats count\\n\""),
            ("x\n\n    a=1\n    b=2\n", "text x|code  \"a=1\\nb=2\\n\""),
            ("- `net use`\n- b\n", "text `net use`|text b"),
            ("|A|B|\n|-|-|\n|x *y*| [l](u) |\n", "table A / B // x *y* / [l](u)"),
            ("a=1\\_b *c\nd* e\n", "text a=1_b *c / d* e"),
            ("", ""),
        ];
        for (page, expected) in cases {
            let found: Vec<_> = blocks(page).iter().map(print).collect();
            assert_eq!(found.join("|"), expected, "{page:?}");
        }
    }

    #[test]
    fn text_knows_where_it_stands() {
        let cases = [
            ("x\n\n> a=1\n> b=c\n", "b=c"),
            ("1. item\n\n   ```\n   a=1\n   b=c\n   ```\n", "b=c"),
            ("```\r\na=1\r\nb=c\r\n```\r\n", "b=c"),
            ("a\\_b=1 b=c", "b=c"),
        ];
        for (page, wanted) in cases {
            let found = blocks(page).into_iter().find_map(|block| {
                let stretches = match block {
                    Block::Text(lines) => lines.into_iter().map(|line| line.source).collect(),
                    Block::Code(_, code) => vec![code],
                    _ => Vec::new(),
                };
                stretches.into_iter().find_map(|own| {
                    let at = own.text.find(wanted)?;
                    Some(own.span(at..at + wanted.len()))
                })
            });
            let span = found.expect(page);
            assert_eq!(page.get(span.start..span.end), Some(wanted), "{page:?}");
        }
    }
}
