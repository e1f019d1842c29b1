//! Splunk's configuration files: stanzas of settings. Read here for searches, and by whoever reads
//! the macros and lookups of an app.

use rulestone_ir::Span;

/// A stanza: `[name]` and the settings below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza {
    /// Its name; `default` for what stands before the first.
    pub name: String,
    /// Its place in the file.
    pub span: Span,
    /// Its settings, in the order of the file.
    pub settings: Vec<Setting>,
}

/// A setting of a stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What is set.
    pub key: String,
    /// To what.
    pub value: Value,
}

/// The value of a setting. A backslash at the end of a line, which says that the next one belongs
/// to it, is a blank, so that the text stands in the file byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its text.
    pub text: String,
    /// Its place in the file.
    pub span: Span,
}

impl Stanza {
    /// The value of a setting. The last one counts.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.settings.iter().rev().find(|setting| setting.key == key).map(|setting| &setting.value)
    }
}

/// The stanzas of a file. Lines that are none of what there may be are passed over.
pub fn parse(text: &str) -> Vec<Stanza> {
    let mut stanzas: Vec<Stanza> = Vec::new();
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    while at < text.len() {
        let end = logical_end(text, at);
        let line = &text[at..end];
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            stanzas.push(stanza(name, Span::new(at..end)));
        } else if !trimmed.starts_with('#')
            && let Some((key, value)) = line.split_once('=')
        {
            if stanzas.is_empty() {
                stanzas.push(stanza("default", Span::new(at..end)));
            }
            let start = at + key.len() + 1 + (value.len() - value.trim_start().len());
            let value = Value {
                text: joined(value.trim()),
                span: Span::new(start..start + value.trim().len()),
            };
            if let Some(stanza) = stanzas.last_mut() {
                stanza.span.end = value.span.end;
                stanza.settings.push(Setting { key: key.trim().to_owned(), value });
            }
        }
        at = end + 1;
    }
    stanzas
}

fn stanza(name: &str, span: Span) -> Stanza {
    Stanza { name: name.to_owned(), span, settings: Vec::new() }
}

/// Where a line ends that may go on behind a backslash; a comment does not.
fn logical_end(text: &str, at: usize) -> usize {
    let mut from = at;
    loop {
        let Some(length) = text[from..].find('\n') else { return text.len() };
        let end = from + length;
        let line = text[from..end].trim_end_matches('\r');
        let comment = text[at..end].trim_start().starts_with('#');
        if comment || !line.ends_with('\\') {
            return end;
        }
        from = end + 1;
    }
}

/// A value with its continuation marks as blanks.
fn joined(value: &str) -> String {
    value.replace("\\\r\n", " \r\n").replace("\\\n", " \n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_and_settings() {
        let text = "\u{feff}early = 1\n# [no]\n[One two]\r\nsearch = a=\"b\" \\\r\n  | c \\\n d\nx=\n\n\
                    [three]\n junk\nx = 1\nx = 2\n# c \\\n[four]";
        let found = parse(text);
        let names: Vec<_> = found.iter().map(|stanza| stanza.name.as_str()).collect();
        assert_eq!(names, ["default", "One two", "three", "four"]);
        let search = found[1].get("search").unwrap();
        assert_eq!(search.text, "a=\"b\"  \r\n  | c  \n d");
        let source = &text[search.span.start..search.span.end];
        assert_eq!(source.replace('\\', " "), search.text);
        assert_eq!(found[1].get("x").unwrap().text, "");
        assert_eq!(found[2].get("x").unwrap().text, "2");
        assert_eq!(parse("a \\"), []);
    }
}
