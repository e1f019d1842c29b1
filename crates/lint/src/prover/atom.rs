//! Tests of one text: what each lets through, exactly and as an automaton.
//!
//! The elements of a field are taken for their texts: a number is what its text reads as. Where a
//! test cannot be said by an automaton there are two, one that lets through more and one that lets
//! through less, so that whatever is proved with them holds.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::OnceLock;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{
    Class, ClassUnicode, ClassUnicodeRange, Dot, Hir, HirKind, Look, Repetition,
};
use rulestone_ir::{Case, Comparison, Regex, Test};
use rulestone_value::{Glob, Piece, Value, fold};

/// A test of one text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Atom {
    /// A test as filters have it, of no other field and no time.
    Test(Test, Case),
    /// A comparison as expressions have it: of numbers where both sides are, else of texts.
    Compare(Comparison, Value),
}

/// Which side an automaton may err on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// It lets through all that the test does, and perhaps more.
    Over,
    /// It lets through nothing that the test does not, and perhaps less.
    Under,
}

/// Expressions that were made ready.
#[derive(Debug, Default)]
pub(crate) struct Compiled(HashMap<Regex, Option<fancy_regex::Regex>>);

/// What an expression may cost: it is run on short texts alone.
const REGEX_BYTES: usize = 4 << 20;
const BACKTRACKS: usize = 100_000;

impl Compiled {
    fn found(&mut self, regex: &Regex, text: &str) -> Option<bool> {
        let compiled = self.0.entry(regex.clone()).or_insert_with(|| {
            fancy_regex::RegexBuilder::new(&regex.pattern)
                .case_insensitive(regex.ignore_case)
                .multi_line(regex.multi_line)
                .dot_matches_new_line(regex.dot_all)
                .backtrack_limit(BACKTRACKS)
                .delegate_size_limit(REGEX_BYTES)
                .build()
                .ok()
        });
        compiled.as_ref()?.is_match(text).ok()
    }
}

impl Atom {
    /// Whether a text passes; `None` where that is not known.
    pub(crate) fn passes(&self, text: &str, compiled: &mut Compiled) -> Option<bool> {
        let (test, case) = match self {
            Atom::Test(test, case) => (test, *case),
            Atom::Compare(comparison, value) => return Some(compares(text, *comparison, value)),
        };
        let plain = |text: &str| match case {
            Case::Insensitive => fold(text),
            Case::Sensitive => text.to_owned(),
        };
        let own = plain(text);
        Some(match test {
            Test::Exists => true,
            Test::Equals(wanted) => own == plain(wanted),
            Test::StartsWith(wanted) => own.starts_with(&plain(wanted)),
            Test::EndsWith(wanted) => own.ends_with(&plain(wanted)),
            Test::Contains(wanted) => own.contains(&plain(wanted)),
            Test::Wildcard(glob) => plain_glob(glob, case).matches(&own),
            Test::Term(glob, _) => return stands(&plain_glob(glob, case), &own),
            Test::Regex(regex) => return compiled.found(regex, text),
            Test::Cidr(net) => address(text).is_some_and(|ip| net.contains(&ip)),
            Test::Number(comparison, wanted) => {
                number(text).is_some_and(|number| comparison.holds(number, *wanted))
            }
            Test::TimePart(..) | Test::SameAs(..) => return None,
        })
    }

    /// Whether spellings of one text pass alike, as long as they differ in case alone.
    pub(crate) fn is_caseless(&self) -> bool {
        match self {
            Atom::Test(Test::Exists | Test::Cidr(_) | Test::Number(..), _) => true,
            Atom::Test(
                Test::Equals(_)
                | Test::StartsWith(_)
                | Test::EndsWith(_)
                | Test::Contains(_)
                | Test::Wildcard(_),
                case,
            ) => *case == Case::Insensitive,
            _ => false,
        }
    }

    /// A text that may pass: tried first, since most tests are easily satisfied.
    pub(crate) fn sample(&self) -> Option<String> {
        Some(match self {
            Atom::Compare(Comparison::Equal, value) => value.text()?.into_owned(),
            Atom::Compare(..) => return None,
            Atom::Test(test, _) => match test {
                Test::Exists => "a".to_owned(),
                Test::Equals(text)
                | Test::StartsWith(text)
                | Test::EndsWith(text)
                | Test::Contains(text) => text.clone(),
                Test::Wildcard(glob) | Test::Term(glob, _) => filled(glob),
                Test::Regex(regex) => {
                    let mut out = String::new();
                    shortest(&parse(regex)?, &mut out)?;
                    out
                }
                Test::Cidr(net) => net.addr().to_string(),
                Test::Number(comparison, number) => match comparison {
                    Comparison::Less | Comparison::NotEqual => format!("{}", number.floor() - 1.0),
                    Comparison::Greater => format!("{}", number.ceil() + 1.0),
                    _ => number.to_string(),
                },
                Test::TimePart(..) | Test::SameAs(..) => return None,
            },
        })
    }

    /// An automaton over whole texts, as an expression; `None` where it would have to let through
    /// everything, or nothing on the other side. The flag says whether it is exact.
    pub(crate) fn language(&self, side: Side) -> Option<(Hir, bool)> {
        let exact = |hir| Some((hir, true));
        let (test, case) = match self {
            Atom::Test(test, case) => (test, *case),
            Atom::Compare(comparison, value) => {
                return comparison_language(*comparison, value, side);
            }
        };
        match test {
            Test::Exists => exact(anything()),
            Test::Equals(text) => exact(literal(text, case)),
            Test::StartsWith(text) => exact(Hir::concat(vec![literal(text, case), anything()])),
            Test::EndsWith(text) => exact(Hir::concat(vec![anything(), literal(text, case)])),
            Test::Contains(text) => {
                exact(Hir::concat(vec![anything(), literal(text, case), anything()]))
            }
            Test::Wildcard(glob) => exact(of_glob(glob, case)),
            Test::Term(glob, _) => Some((of_term(glob, case, side)?, false)),
            Test::Regex(regex) => of_regex(regex, side),
            Test::Number(..) | Test::Cidr(_) => of_values(test, side).map(|hir| (hir, false)),
            Test::TimePart(..) | Test::SameAs(..) => None,
        }
    }
}

fn plain_glob(glob: &Glob, case: Case) -> Cow<'_, Glob> {
    match case {
        Case::Insensitive => Cow::Owned(glob.folded()),
        Case::Sensitive => Cow::Borrowed(glob),
    }
}

/// A pattern with nothing for its stars.
fn filled(glob: &Glob) -> String {
    glob.pieces()
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::One => "a",
            Piece::Many => "",
        })
        .collect()
}

/// Whether a term stands in a text, as far as that can be said without knowing all breakers: not
/// where the pattern is not there at all, surely where blanks or the ends are around it.
fn stands(glob: &Glob, text: &str) -> Option<bool> {
    let around = [Piece::Many].into_iter().chain(glob.pieces().to_vec()).chain([Piece::Many]);
    if !Glob::new(around).matches(text) {
        return Some(false);
    }
    let plain = glob.pieces().iter().all(|piece| matches!(piece, Piece::Text(_)));
    let wanted = filled(glob);
    let bounded = plain
        && text.match_indices(&wanted).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + wanted.len()..]);
            (before.is_empty() || before.ends_with(' '))
                && (after.is_empty() || after.starts_with(' '))
        });
    bounded.then_some(true)
}

/// The number of a text, as filters read it.
fn number(text: &str) -> Option<f64> {
    Value::String(text.to_owned()).number()
}

/// The address in a text, as filters read it.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = text.split_once('%').map_or(text, |(address, _zone)| address);
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// How a text compares with a value in expressions.
fn compares(text: &str, comparison: Comparison, value: &Value) -> bool {
    use std::cmp::Ordering;
    let other = value.text().unwrap_or_default();
    let whole = |text: &str| text.trim_ascii().parse::<i128>().ok();
    let ordering = match (whole(text), whole(&other)) {
        _ if text == other => Some(Ordering::Equal),
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => match (decimal(text), decimal(&other)) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => Some(text.cmp(&other)),
        },
    };
    let Some(ordering) = ordering else { return false };
    match comparison {
        Comparison::Equal => ordering.is_eq(),
        Comparison::NotEqual => ordering.is_ne(),
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
    }
}

/// The number of a text, as expressions read it: without hexadecimal ones.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let number: f64 = if numeric { text.parse().ok()? } else { return None };
    number.is_finite().then_some(number)
}

/// Any text.
pub(crate) fn anything() -> Hir {
    many(Hir::dot(Dot::AnyChar))
}

fn many(sub: Hir) -> Hir {
    Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub: Box::new(sub) })
}

/// A text, in every spelling where its case does not count.
fn literal(text: &str, case: Case) -> Hir {
    match case {
        Case::Sensitive => Hir::literal(text.as_bytes()),
        Case::Insensitive => Hir::concat(fold(text).chars().map(spellings).collect()),
    }
}

/// The characters that fold to one. Left out is `İ`, the one character that folds to two.
fn spellings(folded: char) -> Hir {
    static UNFOLDED: OnceLock<HashMap<char, Vec<char>>> = OnceLock::new();
    let unfolded = UNFOLDED.get_or_init(|| {
        let mut unfolded: HashMap<char, Vec<char>> = HashMap::new();
        for c in char::MIN..=char::MAX {
            let mut lower = c.to_lowercase();
            if let (Some(one), None) = (lower.next(), lower.next())
                && one != c
            {
                unfolded.entry(one).or_default().push(c);
            }
        }
        unfolded
    });
    let others = unfolded.get(&folded).map_or(&[][..], Vec::as_slice);
    let all = std::iter::once(&folded).chain(others);
    Hir::class(Class::Unicode(ClassUnicode::new(all.map(|c| ClassUnicodeRange::new(*c, *c)))))
}

fn of_glob(glob: &Glob, case: Case) -> Hir {
    let glob = plain_glob(glob, case);
    let pieces = glob.pieces().iter().map(|piece| match piece {
        Piece::Text(text) => literal(text, case),
        // Where case does not count, a character of the folded text is one of the text.
        Piece::One => Hir::dot(Dot::AnyChar),
        Piece::Many => anything(),
    });
    Hir::concat(pieces.collect())
}

/// A term is at least in the text; surely there where it is all of it.
fn of_term(glob: &Glob, case: Case, side: Side) -> Option<Hir> {
    match side {
        Side::Over => Some(Hir::concat(vec![anything(), of_glob(glob, case), anything()])),
        Side::Under => {
            let plain = glob.pieces().iter().all(|piece| matches!(piece, Piece::Text(_)));
            let blank = || Hir::literal(*b" ");
            let text = literal(&filled(glob), case);
            let before =
                Hir::alternation(vec![Hir::empty(), Hir::concat(vec![anything(), blank()])]);
            let after =
                Hir::alternation(vec![Hir::empty(), Hir::concat(vec![blank(), anything()])]);
            plain.then(|| Hir::concat(vec![before, text, after]))
        }
    }
}

fn parse(regex: &Regex) -> Option<Hir> {
    ParserBuilder::new()
        .case_insensitive(regex.ignore_case)
        .multi_line(regex.multi_line)
        .dot_matches_new_line(regex.dot_all)
        .nest_limit(100)
        .build()
        .parse(&regex.pattern)
        .ok()
}

/// Expressions with look-around are beyond automata. Borders of words are left out, which lets
/// through more.
fn of_regex(regex: &Regex, side: Side) -> Option<(Hir, bool)> {
    let hir = parse(regex)?;
    let looks = hir.properties().look_set();
    let words = looks.iter().any(|look| !is_anchor(look));
    if words && side == Side::Under {
        return None;
    }
    let inner = if words { without_words(&hir) } else { hir };
    Some((Hir::concat(vec![anything(), inner, anything()]), !words))
}

fn is_anchor(look: Look) -> bool {
    matches!(look, Look::Start | Look::End | Look::StartLF | Look::EndLF)
}

fn without_words(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(look) if !is_anchor(*look) => Hir::empty(),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(without_words).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(without_words).collect()),
        HirKind::Repetition(own) => {
            Hir::repetition(Repetition { sub: Box::new(without_words(&own.sub)), ..own.clone() })
        }
        HirKind::Capture(own) => without_words(&own.sub),
        _ => hir.clone(),
    }
}

/// What numbers and addresses are written with.
fn of_values(test: &Test, side: Side) -> Option<Hir> {
    match (test, side) {
        (Test::Number(Comparison::Equal, n), Side::Under) => {
            Some(Hir::literal(n.to_string().as_bytes()))
        }
        (Test::Number(Comparison::Equal, n), Side::Over) => numerals(*n, true),
        (Test::Number(..), Side::Over) => of_pattern(r"\s*(?:0[xX])?[0-9a-fA-F+\-.]+\s*"),
        (Test::Cidr(_), Side::Over) => of_pattern(r"\s*[0-9a-fA-F.:]+(?:%(?s:.)*|\s*)"),
        _ => None,
    }
}

/// Every way a number may be written, and some that are none.
fn numerals(number: f64, hexadecimal: bool) -> Option<Hir> {
    let others = if hexadecimal { r"|0[xX][0-9a-fA-F]+" } else { "" };
    let sign = if number < 0.0 { "-" } else { r"[+\-]?" };
    if number.fract() != 0.0 || number.abs() > 1e15 {
        return of_pattern(&format!(r"\s*(?:[0-9eE+\-.]+{others})\s*"));
    }
    let digits = number.abs().to_string();
    of_pattern(&format!(r"\s*(?:{sign}0*{digits}(?:\.0*)?|[0-9+\-.]*[eE][0-9+\-]+{others})\s*"))
}

fn of_pattern(pattern: &str) -> Option<Hir> {
    regex_syntax::parse(pattern).ok()
}

/// Equality is that of numbers or of texts; the order of texts is beyond automata here.
fn comparison_language(comparison: Comparison, value: &Value, side: Side) -> Option<(Hir, bool)> {
    let text = value.text()?;
    let same = || Hir::literal(text.as_bytes());
    match (comparison, side, decimal(&text)) {
        (Comparison::Equal, _, None) => Some((same(), true)),
        (Comparison::Equal, Side::Under, Some(_)) => Some((same(), false)),
        (Comparison::Equal, Side::Over, Some(number)) => {
            Some((Hir::alternation(vec![numerals(number, false)?, same()]), false))
        }
        _ => None,
    }
}

/// Writes the shortest text that an expression may match, more or less.
fn shortest(hir: &Hir, out: &mut String) -> Option<()> {
    const LONGEST: usize = 4096;
    if out.len() > LONGEST {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(text) => out.push_str(std::str::from_utf8(&text.0).ok()?),
        HirKind::Class(Class::Unicode(class)) => {
            let ranges = class.ranges();
            let plain = |range: &&ClassUnicodeRange| range.start() <= 'z' && range.end() >= 'a';
            let range = ranges.iter().find(plain);
            out.push(match range {
                Some(range) => range.start().max('a'),
                None => ranges.first()?.start(),
            });
        }
        HirKind::Class(Class::Bytes(class)) => {
            out.push(char::from(class.ranges().first()?.start()));
        }
        HirKind::Repetition(own) => {
            (0..own.min.min(1000)).try_for_each(|_| shortest(&own.sub, out))?;
        }
        HirKind::Capture(own) => shortest(&own.sub, out)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| shortest(part, out))?,
        HirKind::Alternation(parts) => shortest(parts.first()?, out)?,
    }
    Some(())
}
