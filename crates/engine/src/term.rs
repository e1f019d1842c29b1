//! Terms: texts that stand between breakers.
//!
//! An index of words knows a text by what stands between its breakers: major ones end a word, minor
//! ones parts of it. A term is found where a whole word, or a run of them, fits it: `cmd` is not in
//! `cmdline`, but in `cmd.exe`, unless the minor breakers do not count.
//!
//! * A star is any run of characters without a major breaker: words are looked up one by one. At an
//!   end of the pattern it lets the term start, or end, inside of a word.
//! * A breaker that the pattern itself starts or ends with is the border of its word.
//! * Whether a breaker of several characters, such as `%20`, starts with the end of another one is
//!   not looked at: each counts wherever it stands.

use memchr::memmem;
use rulestone_ir::{Breakers, Case};
use rulestone_value::{Glob, Piece, fold};

/// Characters that end a term wherever they stand.
const MAJOR: &[u8] = b"[]<>(){}|!;,'\"*\n\r\t\x0b\x0c &?+";
/// Characters that end a term inside of others.
const MINOR: &[u8] = b"/:=@.-$#%\\_";
/// Major ones of several characters, in lower case: escapes in addresses, some of them twice.
const LONG: [&[u8]; 17] = [
    b"--", b"%21", b"%26", b"%2526", b"%3b", b"%7c", b"%20", b"%2b", b"%3d", b"%2520", b"%5d",
    b"%5b", b"%3a", b"%0a", b"%2c", b"%28", b"%29",
];

const KIND_MAJOR: u8 = 1;
const KIND_MINOR: u8 = 2;

/// What each byte is.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut at = 0;
    while at < MAJOR.len() {
        kinds[MAJOR[at] as usize] = KIND_MAJOR;
        at += 1;
    }
    at = 0;
    while at < MINOR.len() {
        kinds[MINOR[at] as usize] = KIND_MINOR;
        at += 1;
    }
    kinds
};

fn breaks(breakers: Breakers, byte: u8) -> bool {
    match breakers {
        Breakers::Major => KINDS[byte as usize] == KIND_MAJOR,
        Breakers::All => KINDS[byte as usize] != 0,
    }
}

/// Where a breaker of several characters that ends `text` starts.
fn long_end(text: &[u8]) -> Option<usize> {
    // Nearly nothing ends like one.
    if !matches!(text, [.., b'-', b'-'] | [.., b'%', _, _] | [.., b'%', _, _, _, _]) {
        return None;
    }
    let ends = |long: &&[u8]| {
        let from = text.len().checked_sub(long.len());
        from.is_some_and(|from| text[from..].eq_ignore_ascii_case(long))
    };
    // The shortest, which starts last.
    let lengths = LONG.iter().copied().filter(ends).map(<[u8]>::len);
    lengths.min().map(|length| text.len() - length)
}

/// Whether a breaker ends there.
fn ends_breaker(text: &[u8], breakers: Breakers) -> bool {
    text.last().is_some_and(|last| breaks(breakers, *last)) || long_end(text).is_some()
}

/// Whether a breaker starts there.
fn starts_breaker(text: &[u8], breakers: Breakers) -> bool {
    let starts =
        |long: &&[u8]| text.get(..long.len()).is_some_and(|start| start.eq_ignore_ascii_case(long));
    let Some(first) = text.first() else { return false };
    breaks(breakers, *first) || (matches!(first, b'-' | b'%') && LONG.iter().any(starts))
}

/// Whether a pattern stands somewhere in a text with a breaker or the text's end on both sides. A
/// pattern that starts or ends with `*`, or with a breaker, needs none there.
pub(crate) fn stands(glob: &Glob, breakers: Breakers, case: Case, text: &str) -> bool {
    match case {
        Case::Insensitive => stands_in(&glob.folded(), breakers, &fold(text)),
        Case::Sensitive => stands_in(glob, breakers, text),
    }
}

/// The same where pattern and text have one case.
pub(crate) fn stands_in(glob: &Glob, breakers: Breakers, text: &str) -> bool {
    let (pieces, borders) = Borders::of(glob, breakers);
    if pieces.is_empty() {
        return true;
    }
    let bytes = text.as_bytes();
    let starts = |at: usize| borders.may_start(bytes, at);
    let ends = |at: usize| borders.may_end(bytes, at);
    match pieces {
        [Piece::Text(wanted)] => {
            let mut found = occurrences(bytes, wanted.as_bytes());
            found.any(|at| starts(at) && ends(at + wanted.len()))
        }
        pieces => {
            let has = |piece: &Piece| match piece {
                Piece::Text(wanted) => memmem::find(bytes, wanted.as_bytes()).is_some(),
                Piece::One | Piece::Many => true,
            };
            pieces.iter().all(has) && run(pieces, text, &starts, &ends)
        }
    }
}

/// What has to stand on both sides of a pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Borders {
    open_left: bool,
    open_right: bool,
    breakers: Breakers,
}

impl Borders {
    /// Those of a pattern, and its pieces without stars at the ends.
    pub(crate) fn of(glob: &Glob, breakers: Breakers) -> (&[Piece], Borders) {
        let mut pieces = glob.pieces();
        let mut borders = Borders { open_left: false, open_right: false, breakers };
        if let [Piece::Many, rest @ ..] = pieces {
            (pieces, borders.open_left) = (rest, true);
        }
        if let [rest @ .., Piece::Many] = pieces {
            (pieces, borders.open_right) = (rest, true);
        }
        if let Some(Piece::Text(first)) = pieces.first() {
            borders.open_left |= starts_breaker(first.as_bytes(), breakers);
        }
        if let Some(Piece::Text(last)) = pieces.last() {
            borders.open_right |= ends_breaker(last.as_bytes(), breakers);
        }
        (pieces, borders)
    }

    /// Whether the pattern may start at a place of a text.
    pub(crate) fn may_start(&self, text: &[u8], at: usize) -> bool {
        self.open_left || at == 0 || ends_breaker(&text[..at], self.breakers)
    }

    /// Whether it may end there.
    pub(crate) fn may_end(&self, text: &[u8], at: usize) -> bool {
        self.open_right || at == text.len() || starts_breaker(&text[at..], self.breakers)
    }
}

/// Where a text stands in another; occurrences may overlap.
fn occurrences<'t>(text: &'t [u8], wanted: &'t [u8]) -> impl Iterator<Item = usize> + 't {
    let finder = memmem::Finder::new(wanted);
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + finder.find(text.get(from..)?)?;
        from = at + 1;
        Some(at)
    })
}

/// Whether the pieces stand one after the other from a start to an end: for each piece the places
/// where it may be done, all at once.
fn run(
    pieces: &[Piece],
    text: &str,
    starts: &dyn Fn(usize) -> bool,
    ends: &dyn Fn(usize) -> bool,
) -> bool {
    let bytes = text.as_bytes();
    let place = |at: usize| text.is_char_boundary(at);
    let mut done: Vec<bool> = (0..=bytes.len()).map(|at| place(at) && starts(at)).collect();
    for piece in pieces {
        let mut next = vec![false; bytes.len() + 1];
        match piece {
            Piece::Text(wanted) => {
                let found = occurrences(bytes, wanted.as_bytes()).filter(|at| done[*at]);
                found.for_each(|at| next[at + wanted.len()] = true);
            }
            Piece::One => {
                let from = text.char_indices().filter(|(at, _)| done[*at]);
                from.for_each(|(at, c)| next[at + c.len_utf8()] = true);
            }
            Piece::Many => {
                // The latest start, and where the latest breaker before here starts: a run may
                // have no whole one in it.
                let (mut start, mut breaker) = (None, None);
                for at in (0..=bytes.len()).filter(|at| place(*at)) {
                    if done[at] {
                        start = Some(at);
                    }
                    breaker = breaker.max(major_end(&bytes[..at]));
                    next[at] = start.is_some() && start > breaker;
                }
            }
        }
        done = next;
    }
    done.iter().enumerate().any(|(at, done)| *done && ends(at))
}

/// Where the latest major breaker that ends `text` starts.
fn major_end(text: &[u8]) -> Option<usize> {
    let last = text.last()?;
    match breaks(Breakers::Major, *last) {
        true => Some(text.len() - 1),
        false => long_end(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terms_in_texts() {
        use Breakers::{All, Major};
        let cases = [
            ("cmd", All, "run cmd now", true),
            ("cmd", All, "cmdline", false),
            ("cmd", All, "xcmd", false),
            ("cmd", All, "cmd", true),
            ("CMD", All, r"C:\Windows\cmd.exe", true),
            ("net", All, "net.exe", true),
            ("net", Major, "net.exe", false),
            ("net", All, "internet net2", false),
            ("net.exe", All, r"\net.exe ", true),
            ("net.exe", All, "xnet.exe", false),
            ("10.0.0.1", All, "ip=10.0.0.1,", true),
            ("10.0.0.1", All, "10.0.0.11", false),
            ("10.0.0.1", All, "110.0.0.1", false),
            ("EventCode=1", Major, "EventCode=1 ", true),
            ("EventCode=1", Major, "EventCode=10", false),
            ("EventCode=1", Major, "x-EventCode=1 ", false),
            ("EventCode=1", Major, "a EventCode=1\nb", true),
            ("EventCode=1", Major, "EventCode=1.5", false),
            ("<EventID>4104<", All, "<System><EventID>4104</EventID>", true),
            ("<EventID>4104<", All, "<EventID>41045</EventID>", false),
            ("-enc", All, "powershell -enc abc", true),
            ("-enc", All, "powershell -encoded abc", false),
            ("-enc", Major, "powershell -enc abc", true),
            ("-enc", Major, "powershell x-enc abc", false),
            ("net user", All, "run net user bob", true),
            ("net user", All, "run net users", false),
            // Stars.
            ("*cmd*", All, "xcmdx", true),
            ("cmd*", All, "cmdline", true),
            ("cmd*", All, "xcmdline", false),
            ("*cmd", All, "xcmd y", true),
            ("*cmd", All, "xcmdy", false),
            ("in*voke", All, "in-x.voke", true),
            ("in*voke", All, "in voke", false),
            ("in*voke", All, "in<voke", false),
            ("in*voke", All, "in%20voke", false),
            ("a b*c d", All, "a b.c d", true),
            ("a b*c d", All, "a b x c d", false),
            ("x*a b*y", All, "xa b a by", false),
            ("x*a b*y", All, "xqa b.by", true),
            ("*", All, "", true),
            ("", All, "a", true),
            // Breakers of several characters.
            ("foo", Major, "a%20foo%3Bb", true),
            ("foo", Major, "a%20foo%3b", true),
            ("foo", Major, "a%22foo", false),
            ("foo", All, "a%22foo", false),
            ("foo", All, "a%20foo", true),
            ("foo", Major, "a--foo--b", true),
            ("foo", Major, "a-foo", false),
            ("foo", Major, "%2526foo", true),
            // Other scripts are letters.
            ("ä", All, "xä", false),
            ("ä", All, "Ä", true),
            ("é", All, "caf é", true),
        ];
        for (pattern, breakers, text, expected) in cases {
            let found = stands(&Glob::stars(pattern), breakers, Case::Insensitive, text);
            assert_eq!(found, expected, "{pattern} {breakers:?} in {text}");
        }
        assert!(!stands(&Glob::stars("CMD"), Breakers::All, Case::Sensitive, "cmd"));
        assert!(stands(&Glob::stars("CMD"), Breakers::All, Case::Sensitive, "a CMD"));
    }

    /// Whether a piece of text has a whole major breaker in it.
    fn has_major(text: &str) -> bool {
        let all = (0..text.len()).any(|at| breaks(Breakers::Major, text.as_bytes()[at]));
        all || LONG.iter().any(|long| {
            text.to_ascii_lowercase().contains(std::str::from_utf8(long).unwrap_or("--"))
        })
    }

    /// Whether the pieces fit the whole of a text, tried in every way.
    fn fits(pieces: &[Piece], text: &str) -> bool {
        let Some((piece, rest)) = pieces.split_first() else { return text.is_empty() };
        match piece {
            Piece::Text(wanted) => {
                text.strip_prefix(wanted.as_str()).is_some_and(|after| fits(rest, after))
            }
            Piece::One => {
                let mut chars = text.chars();
                chars.next().is_some() && fits(rest, chars.as_str())
            }
            Piece::Many => (0..=text.len())
                .filter(|at| text.is_char_boundary(*at))
                .any(|at| !has_major(&text[..at]) && fits(rest, &text[at..])),
        }
    }

    /// Every part of the text, in the most obvious way. Parts that a star of the pattern's ends
    /// stands for are tried like others.
    fn obvious(glob: &Glob, breakers: Breakers, text: &str) -> bool {
        let pieces = glob.pieces();
        let edge = |piece: Option<&Piece>, breaker: fn(&[u8], Breakers) -> bool| match piece {
            None | Some(Piece::Many) => true,
            Some(Piece::One) => false,
            Some(Piece::Text(text)) => breaker(text.as_bytes(), breakers),
        };
        let left = edge(pieces.first(), starts_breaker);
        let right = edge(pieces.last(), ends_breaker);
        let places: Vec<usize> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
        places.iter().any(|from| {
            let before = &text.as_bytes()[..*from];
            let starts = left || before.is_empty() || ends_breaker(before, breakers);
            starts
                && places.iter().filter(|to| *to >= from).any(|to| {
                    let after = &text.as_bytes()[*to..];
                    let ends = right || after.is_empty() || starts_breaker(after, breakers);
                    ends && fits(pieces, &text[*from..*to])
                })
        })
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(
            pattern in "(a|b|\\*|-| |%|20|%20|é|\\.){0,6}",
            text in "(a|b|-| |%|20|%20|é|\\.|ab){0,10}",
            all in any::<bool>(),
        ) {
            let breakers = if all { Breakers::All } else { Breakers::Major };
            let glob = Glob::stars(&pattern);
            let expected = obvious(&glob, breakers, &text);
            prop_assert_eq!(stands_in(&glob, breakers, &text), expected);
        }
    }
}
