//! Rust source as far as the checks look at it: without comments, as words, as paths.

use std::io;
use std::path::{Path, PathBuf};

/// The Rust files below a folder, in the order of their paths.
///
/// # Errors
///
/// When a folder cannot be listed.
pub fn rust_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The source without its comments.
pub fn without_comments(source: &str) -> String {
    strip(source, true)
}

/// The source without its comments and without what stands between quotes.
pub fn without_texts(source: &str) -> String {
    strip(source, false)
}

fn strip(source: &str, keep_texts: bool) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let (length, what) = piece(rest, first);
        match what {
            Piece::Code => out.push_str(&rest[..length]),
            Piece::Text if keep_texts => out.push_str(&rest[..length]),
            Piece::Text => out.push_str("\"\""),
            Piece::Comment => out.push(' '),
        }
        rest = &rest[length..];
    }
    out
}

enum Piece {
    Code,
    Text,
    Comment,
}

/// The length of what stands at the start of `rest`, and what it is.
fn piece(rest: &str, first: char) -> (usize, Piece) {
    let to = |end: Option<usize>| end.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return (to(rest.find('\n')), Piece::Comment);
    }
    if rest.starts_with("/*") {
        return (to(block_comment(rest)), Piece::Comment);
    }
    if let Some(length) = raw_text(rest) {
        return (length, Piece::Text);
    }
    match first {
        '"' => (to(quoted(rest, '"')), Piece::Text),
        '\'' if is_character(rest) => (to(quoted(rest, '\'')), Piece::Text),
        // A name or number is taken whole, so that the `r` of `for"` opens no raw text.
        c if is_name(c) => (to(rest.find(|c| !is_name(c))), Piece::Code),
        c => (c.len_utf8(), Piece::Code),
    }
}

/// The length of a block comment; they nest.
fn block_comment(rest: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        let behind = &rest.as_bytes()[at..];
        if behind.is_empty() {
            return None;
        } else if behind.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if behind.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
}

/// The length of `r#"…"#` and `br#"…"#`.
fn raw_text(rest: &str) -> Option<usize> {
    let hashes = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let inner = hashes.trim_start_matches('#');
    let count = hashes.len() - inner.len();
    let inner = inner.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(count));
    let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some(rest.len() - inner.len() + length)
}

/// The length of a text between quotes, escapes looked at.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Whether a quote opens a character and not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    matches!((chars.next(), chars.next()), (Some('\\'), _) | (_, Some('\'')))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words of a text in lower case: `from_sigma`, `FromSigma` and "sigma rules" all have
/// `sigma`.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for c in text.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// The paths in a source without comments and texts, groups written out: `use a::{b, c::d}` is
/// `a::b` and `a::c::d`. A name alone is a path of one.
pub fn paths(code: &str) -> Vec<String> {
    let tokens = tokens(code);
    let mut reader = Reader { tokens: &tokens, at: 0, paths: Vec::new() };
    while reader.at < tokens.len() {
        if !reader.path("") {
            reader.at += 1;
        }
    }
    reader.paths
}

/// Names, `::`, and single characters.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            c if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            _ if rest.starts_with("::") => 2,
            c => c.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

struct Reader<'t> {
    tokens: &'t [&'t str],
    at: usize,
    paths: Vec<String>,
}

impl Reader<'_> {
    fn next_is(&self, wanted: &str) -> bool {
        self.tokens.get(self.at) == Some(&wanted)
    }

    /// Reads a path behind `prefix`; returns whether there was one.
    fn path(&mut self, prefix: &str) -> bool {
        let Some(name) = self.tokens.get(self.at).filter(|token| token.starts_with(is_name)) else {
            return false;
        };
        let path = if prefix.is_empty() { (*name).to_owned() } else { format!("{prefix}::{name}") };
        self.at += 1;
        if !self.next_is("::") {
            self.paths.push(path);
            return true;
        }
        self.at += 1;
        if self.next_is("{") {
            self.group(&path);
        } else if !self.path(&path) {
            // `a::*`, `a::<T>`
            self.at += usize::from(self.next_is("*"));
            self.paths.push(path);
        }
        true
    }

    /// Reads `{a, b::c}` behind `prefix`.
    fn group(&mut self, prefix: &str) {
        self.at += 1;
        while self.at < self.tokens.len() && !self.next_is("}") {
            if self.next_is("as") {
                self.at += 2;
            } else if !self.path(prefix) {
                if self.next_is("*") {
                    self.paths.push(prefix.to_owned());
                }
                self.at += 1;
            }
        }
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_go() {
        let source = "let a = \"// no\\\" comment\"; // one\n/* two /* three */ */ b('\"', 'x', '\\''); \
                      fn f<'a>(x: &'a str) {} r#\"raw \" // \"# c";
        let kept = without_comments(source);
        assert!(kept.contains("// no") && kept.contains("raw \" //") && kept.ends_with('c'));
        assert!(!kept.contains("one") && !kept.contains("two") && !kept.contains("three"));
        let code = without_texts(source);
        assert!(!code.contains("no") && !code.contains("raw") && code.contains("&'a str"));
    }

    #[test]
    fn words_are_told_apart() {
        let found = words("Schema::FromSigma, from_eql split(explain) HTTPServer");
        assert_eq!(
            found,
            ["schema", "from", "sigma", "from", "eql", "split", "explain", "httpserver"]
        );
    }

    #[test]
    fn groups_are_written_out() {
        let cases = [
            ("use a::{b, c::{d, e as f}, g::*};", "use a::b a::c::d a::c::e a::g"),
            ("std::fs::read(x)", "std::fs::read x"),
            ("Vec::<u8>::new()", "Vec u8 new"),
            ("use super::*;", "use super"),
        ];
        for (code, expected) in cases {
            assert_eq!(paths(code).join(" "), expected, "{code}");
        }
    }
}
