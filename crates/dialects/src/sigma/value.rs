//! Values: text with wildcards, its escapes and what it can be expanded to.

use rulestone_ir::Test;
use rulestone_value::Glob;

use super::encode::{DASHES, option_dashes};

/// Text with wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Text {
    pieces: Vec<Piece>,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// These characters.
    Plain(String),
    /// One character.
    One,
    /// Any characters.
    Many,
    /// What the environment says for this name.
    Placeholder(String),
}

impl Text {
    /// These characters as they stand.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Text { pieces: vec![Piece::Plain(text.into())] }
    }

    /// Reads wildcards and escapes as the specification's section *Escaping* has them: a backslash
    /// takes the meaning from a wildcard or a backslash behind it, and is itself before anything
    /// else. With `placeholders`, `%name%` is one and `\%` is a percent sign.
    pub(crate) fn parse(source: &str, placeholders: bool) -> Self {
        let special = |c| matches!(c, '\\' | '*' | '?') || (placeholders && c == '%');
        if !source.contains(special) {
            return Text::plain(source);
        }
        let mut text = Text::default();
        let mut plain = String::new();
        let mut rest = source.chars();
        while let Some(c) = rest.next() {
            let piece = match c {
                '\\' => {
                    let behind = rest.as_str().chars().next();
                    let escaped = behind
                        .filter(|c| matches!(c, '\\' | '*' | '?') || (placeholders && *c == '%'));
                    if escaped.is_some() {
                        rest.next();
                    }
                    plain.push(escaped.unwrap_or('\\'));
                    continue;
                }
                '*' => Piece::Many,
                '?' => Piece::One,
                '%' if placeholders => match placeholder(rest.as_str()) {
                    Some(name) => {
                        rest = rest.as_str()[name.len() + 1..].chars();
                        Piece::Placeholder(name.to_owned())
                    }
                    None => {
                        plain.push('%');
                        continue;
                    }
                },
                c => {
                    plain.push(c);
                    continue;
                }
            };
            text.push(Piece::Plain(std::mem::take(&mut plain)));
            text.push(piece);
        }
        text.push(Piece::Plain(plain));
        text
    }

    /// Adds a piece; neighbouring texts join.
    fn push(&mut self, piece: Piece) {
        match (self.pieces.last_mut(), piece) {
            (_, Piece::Plain(text)) if text.is_empty() => {}
            (Some(Piece::Plain(last)), Piece::Plain(text)) => last.push_str(&text),
            (_, piece) => self.pieces.push(piece),
        }
    }

    fn followed_by(&self, other: &Text) -> Text {
        let mut text = self.clone();
        other.pieces.iter().for_each(|piece| text.push(piece.clone()));
        text
    }

    /// The same with `*` before it, unless there is one.
    pub(crate) fn open_start(mut self) -> Self {
        if self.pieces.first() != Some(&Piece::Many) {
            self.pieces.insert(0, Piece::Many);
        }
        self
    }

    /// The same with `*` behind it, unless there is one.
    pub(crate) fn open_end(mut self) -> Self {
        if self.pieces.last() != Some(&Piece::Many) {
            self.pieces.push(Piece::Many);
        }
        self
    }

    /// The text, if there is neither wildcard nor placeholder in it.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Plain(text)] => Some(text),
            _ => None,
        }
    }

    /// Replaces every plain part.
    pub(crate) fn map_plain<E>(
        self,
        mut change: impl FnMut(String) -> Result<String, E>,
    ) -> Result<Text, E> {
        let mut text = Text::default();
        for piece in self.pieces {
            text.push(match piece {
                Piece::Plain(part) => Piece::Plain(change(part)?),
                other => other,
            });
        }
        Ok(text)
    }

    /// Every spelling with other dashes before its options; `None` past `limit` spellings.
    pub(crate) fn windash(self, limit: usize) -> Option<Vec<Text>> {
        let dashes: Vec<Text> = DASHES.iter().map(|dash| Text::plain(*dash)).collect();
        let mut slots = Vec::new();
        for piece in self.pieces {
            let Piece::Plain(part) = piece else {
                slots.push(vec![Text { pieces: vec![piece] }]);
                continue;
            };
            let mut from = 0;
            for (at, dash) in option_dashes(&part) {
                slots.push(vec![Text::plain(&part[from..at])]);
                slots.push(dashes.clone());
                from = at + dash.len_utf8();
            }
            slots.push(vec![Text::plain(&part[from..])]);
        }
        product(&slots, limit)
    }

    /// Every spelling with the values of its placeholders; the error is what `values` says of a
    /// placeholder without any, `None` comes of more than `limit` spellings.
    pub(crate) fn expand<E>(
        self,
        limit: usize,
        mut values: impl FnMut(&str) -> Result<Vec<Text>, E>,
    ) -> Result<Option<Vec<Text>>, E> {
        let slots: Result<Vec<_>, E> = self
            .pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Placeholder(name) => values(&name),
                piece => Ok(vec![Text { pieces: vec![piece] }]),
            })
            .collect();
        Ok(product(&slots?, limit))
    }

    /// The narrowest test that means the same.
    pub(crate) fn into_test(self) -> Test {
        use rulestone_value::Piece as G;
        let glob = Glob::new(self.pieces.into_iter().map(|piece| match piece {
            Piece::Plain(text) => G::Text(text),
            Piece::One => G::One,
            Piece::Many => G::Many,
            // Only `expand` makes placeholders, and it replaces them.
            Piece::Placeholder(name) => G::Text(format!("%{name}%")),
        }));
        match glob.pieces() {
            [] => Test::Equals(String::new()),
            [G::Many] => Test::Exists,
            [G::Text(text)] => Test::Equals(text.clone()),
            [G::Text(text), G::Many] => Test::StartsWith(text.clone()),
            [G::Many, G::Text(text)] => Test::EndsWith(text.clone()),
            [G::Many, G::Text(text), G::Many] => Test::Contains(text.clone()),
            _ => Test::Wildcard(glob),
        }
    }
}

/// Every text that takes one choice from each slot, in order; `None` past `limit` of them.
fn product(slots: &[Vec<Text>], limit: usize) -> Option<Vec<Text>> {
    let mut texts = vec![Text::default()];
    for choices in slots {
        if texts.len() * choices.len() > limit {
            return None;
        }
        texts = texts
            .iter()
            .flat_map(|start| choices.iter().map(move |choice| start.followed_by(choice)))
            .collect();
    }
    Some(texts)
}

/// The name at the start of `rest`, which stands behind a percent sign.
fn placeholder(rest: &str) -> Option<&str> {
    let (name, _) = rest.split_once('%')?;
    (!name.is_empty() && !name.contains(['\\', '*', '?'])).then_some(name)
}

/// The same for regular expressions: every pattern with the values of its placeholders.
pub(crate) fn expand_pattern<E>(
    pattern: &str,
    limit: usize,
    mut values: impl FnMut(&str) -> Result<Vec<String>, E>,
) -> Result<Option<Vec<String>>, E> {
    let mut variants = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, behind)) = rest.split_once('%') {
        let escaped = before.ends_with('\\');
        let name = placeholder(behind).filter(|_| !escaped);
        let (choices, next) = match name {
            Some(name) => (values(name)?, &behind[name.len() + 1..]),
            None => (vec!["%".to_owned()], behind),
        };
        if variants.len() * choices.len() > limit {
            return Ok(None);
        }
        variants = variants
            .iter()
            .flat_map(|variant| {
                choices.iter().map(move |choice| [variant, before, choice].concat())
            })
            .collect();
        rest = next;
    }
    variants.iter_mut().for_each(|variant| variant.push_str(rest));
    Ok(Some(variants))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_the_specification() {
        let cases = [
            (r"plain", "equals", "plain"),
            (r"a\b", "equals", r"a\b"),
            (r"a\\b", "equals", r"a\b"),
            (r"C:\*", "equals", "C:*"),
            (r"C:\\*", "starts_with", r"C:\"),
            (r"a\\\*", "equals", r"a\*"),
            (r"a\?", "equals", "a?"),
            (r"a\\?", "wildcard", r"a\?"),
            (r"a\\\", "equals", r"a\\"),
            (r"a\\\\", "equals", r"a\\"),
            (r"\", "equals", r"\"),
            (r"\%a%", "equals", r"\%a%"),
            ("", "equals", ""),
            ("*", "exists", ""),
            ("**", "exists", ""),
            ("*a", "ends_with", "a"),
            ("a*", "starts_with", "a"),
            ("*a*", "contains", "a"),
            ("a*b", "wildcard", "a*b"),
            ("?", "wildcard", "?"),
            ("*a*b**", "wildcard", "*a*b*"),
        ];
        for (source, name, pattern) in cases {
            let test = Text::parse(source, false).into_test();
            assert_eq!((test.name(), test.pattern().as_str()), (name, pattern), "{source}");
        }
    }

    #[test]
    fn placeholders_are_replaced_and_multiply() {
        let values = |name: &str| match name {
            "one" => Ok(vec![Text::parse("1*", false)]),
            "two" => Ok(vec![Text::plain("a"), Text::plain("b")]),
            name => Err(name.to_owned()),
        };
        let expand = |source: &str| {
            let texts = Text::parse(source, true).expand(10, values)?;
            let patterns = texts.unwrap_or_default().into_iter().map(|t| t.into_test().pattern());
            Ok::<_, String>(patterns.collect::<Vec<_>>().join(" "))
        };
        let cases = [
            ("x%one%y", Ok("x1*y")),
            ("%two%-%two%", Ok("a-a a-b b-a b-b")),
            ("100%", Ok("100%")),
            ("%%", Ok("%%")),
            (r"\%plain%one%", Ok("%plain1")),
            (r"C:\\%two%", Ok(r"C:\a C:\b")),
            ("%three%", Err("three")),
            ("%two%%two%%two%%two%", Ok("")),
        ];
        for (source, expected) in cases {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(expand(source), expected, "{source}");
        }
    }

    #[test]
    fn expressions_take_placeholders_as_they_are() {
        let values = |name: &str| match name {
            "who" => Ok(vec!["a.b".to_owned(), "c".to_owned()]),
            name => Err(name.to_owned()),
        };
        let expand = |pattern| expand_pattern(pattern, 10, values);
        assert_eq!(expand("^%who%$"), Ok(Some(vec!["^a.b$".into(), "^c$".into()])));
        assert_eq!(expand("5% x"), Ok(Some(vec!["5% x".into()])));
        assert_eq!(expand("%what%"), Err("what".into()));
    }

    #[test]
    fn every_dash_of_an_option_is_spelt_in_every_way() {
        let spell = |source: &str| {
            let texts = Text::parse(source, false).windash(625).unwrap_or_default();
            texts.into_iter().map(|text| text.into_test().pattern()).collect::<Vec<_>>()
        };
        assert_eq!(spell("* -f*"), [" -f", " /f", " \u{2013}f", " \u{2014}f", " \u{2015}f"]);
        assert_eq!(spell("a-b"), ["a-b"]);
        assert_eq!(spell("-a /b").len(), 25);
        assert_eq!(spell("-a -b -c -d").len(), 625);
        assert!(spell("-a -b -c -d -e").is_empty());
    }
}
