//! Colours, widths and texts for a terminal.

use std::fmt::Write as _;

use rulestone_ir::Severity;
use rulestone_value::Time;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What the place of output can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether it understands colours. Without, no escape sequence is ever written.
    pub color: bool,
    /// Its width in columns; less than [`Style::LEAST_WIDTH`] counts as that.
    pub width: usize,
    /// Whether it shows characters beyond ASCII. Names out of rules and logs are shown as they are.
    pub unicode: bool,
}

impl Style {
    /// The least width that is laid out for.
    pub const LEAST_WIDTH: usize = 40;

    pub(crate) fn columns(self) -> usize {
        self.width.max(Style::LEAST_WIDTH)
    }

    /// What stands for text that was cut off.
    fn ellipsis(self) -> &'static str {
        if self.unicode { "…" } else { ".." }
    }
}

/// How a piece of text looks: the sixteen colours that every terminal has and its theme decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Bold,
    Dim,
    Severity(Severity),
    Green,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Paint::Plain => "",
            Paint::Bold => "1",
            Paint::Dim | Paint::Severity(Severity::Informational) => "2",
            Paint::Green | Paint::Severity(Severity::Low) => "32",
            Paint::Severity(Severity::Medium) => "33",
            Paint::Severity(Severity::High) => "35",
            Paint::Severity(Severity::Critical) => "1;31",
        }
    }
}

/// Text out of a log or a rule as it may stand in one line of a terminal: white space becomes
/// blanks, and what would move the cursor, change colours or turn the direction of the text
/// becomes U+FFFD.
pub fn clean(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        c if c.is_control() || is_invisible(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Characters that show as nothing and change how others show.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// A line made of pieces, which counts its columns and cuts what does not fit.
pub(crate) struct Line {
    style: Style,
    text: String,
    used: usize,
}

impl Line {
    pub(crate) fn new(style: Style) -> Self {
        Line { style, text: String::new(), used: 0 }
    }

    /// Columns left.
    pub(crate) fn room(&self) -> usize {
        self.style.columns() - self.used
    }

    /// Adds text of the program's own or already [`clean`], cut at the end of the line.
    pub(crate) fn push(&mut self, paint: Paint, text: &str) -> &mut Self {
        let cut = fit(text, self.room(), self.style);
        self.used += width(&cut);
        let code = paint.code();
        // A string never fails to be written to.
        let _ = match self.style.color && !code.is_empty() && !cut.is_empty() {
            true => write!(self.text, "\u{1b}[{code}m{cut}\u{1b}[0m"),
            false => write!(self.text, "{cut}"),
        };
        self
    }

    /// Adds text in exactly `columns`, cut or filled with blanks behind it.
    pub(crate) fn cell(&mut self, paint: Paint, text: &str, columns: usize) -> &mut Self {
        let cut = fit(text, columns, self.style);
        let blanks = " ".repeat(columns - width(&cut));
        self.push(paint, &cut).push(Paint::Plain, &blanks)
    }

    /// Adds text in at least `columns`, with blanks before it.
    pub(crate) fn right(&mut self, paint: Paint, text: &str, columns: usize) -> &mut Self {
        let blanks = " ".repeat(columns.saturating_sub(width(text)));
        self.push(Paint::Plain, &blanks).push(paint, text)
    }

    /// The line, without blanks at its end.
    pub(crate) fn finish(self) -> String {
        self.text.trim_end_matches(' ').to_owned()
    }
}

/// The text cut to a number of columns.
fn fit(text: &str, columns: usize, style: Style) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let ellipsis = style.ellipsis();
    let Some(room) = columns.checked_sub(width(ellipsis)) else {
        return String::new();
    };
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let more = UnicodeWidthChar::width(c).unwrap_or(0);
        if used + more > room {
            break;
        }
        used += more;
        cut.push(c);
    }
    // Some sequences of characters are wider together than one by one.
    while width(&cut) > room {
        cut.pop();
    }
    cut + ellipsis
}

/// A point in time to the second: `2024-05-14 08:30:05`.
pub(crate) fn short_time(time: Time) -> String {
    let text = time.to_string();
    text.split('.').next().unwrap_or_default().replace('T', " ")
}

/// The word for a severity in a narrow column.
pub(crate) fn short_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "info",
        severity => severity.as_str(),
    }
}

/// A number with its thousands apart: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in a unit that keeps the number short: `812.0 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} {}", UNITS[0]) } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { color: false, width: 40, unicode: true };

    #[test]
    fn text_is_made_harmless() {
        let cases = [
            ("plain text", "plain text"),
            ("a\tb\r\nc", "a b  c"),
            ("\u{1b}[2Jx", "\u{fffd}[2Jx"),
            ("gnp\u{202e}exe", "gnp\u{fffd}exe"),
            ("\u{9b}31m", "\u{fffd}31m"),
            ("日本", "日本"),
        ];
        for (text, expected) in cases {
            assert_eq!(clean(text), expected, "{text:?}");
        }
    }

    #[test]
    fn text_is_cut_by_columns() {
        let ascii = Style { unicode: false, ..PLAIN };
        let cases = [
            ("abcdef", 6, PLAIN, "abcdef"),
            ("abcdef", 5, PLAIN, "abcd…"),
            ("abcdef", 5, ascii, "abc.."),
            ("日本語", 5, PLAIN, "日本…"),
            ("日本語", 4, PLAIN, "日…"),
            ("abcdef", 1, ascii, ""),
        ];
        for (text, columns, style, expected) in cases {
            assert_eq!(fit(text, columns, style), expected, "{text} {columns}");
        }
    }

    #[test]
    fn lines_are_painted_and_end_in_time() {
        let mut line = Line::new(Style { color: true, ..PLAIN });
        line.cell(Paint::Bold, "ab", 4).right(Paint::Plain, "7", 3).push(Paint::Dim, "");
        assert_eq!(line.finish(), "\u{1b}[1mab\u{1b}[0m    7");
        let mut line = Line::new(PLAIN);
        line.push(Paint::Bold, &"x".repeat(50));
        assert_eq!((line.room(), line.finish().chars().count()), (0, 40));
    }

    #[test]
    fn numbers_are_readable() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, expected) in cases {
            assert_eq!(grouped(number), expected);
        }
        let cases = [(12, "12 bytes"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")];
        for (number, expected) in cases {
            assert_eq!(bytes(number), expected);
        }
    }
}
