//! Patterns with `*` and `?`, the wildcards nearly every rule language has.

/// A part of a [`Glob`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Piece {
    /// These characters, as they stand.
    Text(String),
    /// Exactly one character (`?`).
    One,
    /// Any number of characters, none included (`*`).
    Many,
}

/// A wildcard pattern that must match a whole value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Glob {
    pieces: Vec<Piece>,
}

impl Glob {
    /// Puts pieces together; neighbouring texts join and repeated `*` become one.
    pub fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut glob = Glob::default();
        for piece in pieces {
            glob.push(piece);
        }
        glob
    }

    fn push(&mut self, piece: Piece) {
        match (self.pieces.last_mut(), piece) {
            (Some(Piece::Text(last)), Piece::Text(text)) => last.push_str(&text),
            (Some(Piece::Many), Piece::Many) => {}
            (_, Piece::Text(text)) if text.is_empty() => {}
            (_, piece) => self.pieces.push(piece),
        }
    }

    /// A pattern in which `*` alone is a wildcard, and nothing escapes it.
    pub fn stars(text: &str) -> Self {
        let mut glob = Glob::default();
        for (at, part) in text.split('*').enumerate() {
            if at > 0 {
                glob.push(Piece::Many);
            }
            glob.push(Piece::Text(part.to_owned()));
        }
        glob
    }

    /// The pieces, from left to right.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The same pattern over folded text, see [`crate::fold()`].
    pub fn folded(&self) -> Glob {
        Glob::new(self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => Piece::Text(crate::fold(text)),
            other => other.clone(),
        }))
    }

    /// Whether the whole of `value` fits. Case counts; linear in the value for each `*`.
    pub fn matches(&self, value: &str) -> bool {
        let pieces = &self.pieces;
        let (mut piece, mut rest) = (0, value);
        // Where to go on when the pieces after the latest `*` do not fit: one character later.
        let mut retry: Option<(usize, &str)> = None;
        loop {
            let fits = match pieces.get(piece) {
                None => rest.is_empty(),
                Some(Piece::Many) => {
                    piece += 1;
                    if piece == pieces.len() {
                        return true;
                    }
                    retry = Some((piece, rest));
                    continue;
                }
                Some(Piece::One) => step(&mut rest).is_some(),
                Some(Piece::Text(text)) => match rest.strip_prefix(text.as_str()) {
                    Some(after) => {
                        rest = after;
                        true
                    }
                    None => false,
                },
            };
            if fits {
                if piece == pieces.len() {
                    return true;
                }
                piece += 1;
                continue;
            }
            let Some((at, from)) = &mut retry else { return false };
            if step(from).is_none() {
                return false;
            }
            // A text after `*` can only start where it occurs next.
            if let Some(Piece::Text(text)) = pieces.get(*at) {
                match from.find(text.as_str()) {
                    Some(next) => *from = &from[next..],
                    None => return false,
                }
            }
            (piece, rest) = (*at, *from);
        }
    }
}

fn step(rest: &mut &str) -> Option<char> {
    let mut chars = rest.chars();
    let c = chars.next()?;
    *rest = chars.as_str();
    Some(c)
}

impl std::fmt::Display for Glob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::One => f.write_str("?")?,
                Piece::Many => f.write_str("*")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Glob {
        Glob::new(text.chars().map(|c| match c {
            '*' => Piece::Many,
            '?' => Piece::One,
            c => Piece::Text(c.to_string()),
        }))
    }

    #[test]
    fn patterns_fit_whole_values() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("*c", "abcd", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcd", false),
            ("?", "é", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("*?c", "c", false),
            ("*?c", "bc", true),
            ("*aab", "aaaab", true),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
            ("a**b", "ab", true),
            ("*a?b*", "xxaxxacb", true),
            ("??*", "a", false),
        ];
        for (pattern, value, expected) in cases {
            assert_eq!(glob(pattern).matches(value), expected, "{pattern} on {value}");
        }
    }
}
