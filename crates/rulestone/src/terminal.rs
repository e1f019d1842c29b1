//! Talk: everything that is not data, on standard error.

use std::io::{IsTerminal, Write};

use crate::args::When;

/// Standard error, and whether it is a terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Talk {
    /// Whether standard error is a terminal.
    pub(crate) terminal: bool,
    /// Whether standard error takes colours.
    pub(crate) color: bool,
    /// Whether standard output takes colours.
    pub(crate) data_color: bool,
    /// Whether only errors are said.
    pub(crate) quiet: bool,
}

/// Columns of an output that is no terminal.
const WIDTH: usize = 120;

impl Talk {
    pub(crate) fn new(when: When, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = |terminal: bool| match when {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && !no_color,
        };
        Talk {
            terminal,
            color: color(terminal),
            data_color: color(std::io::stdout().is_terminal()),
            quiet,
        }
    }

    /// Columns to write in.
    pub(crate) fn width(self) -> usize {
        terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0).max(40))
    }

    /// Whether characters beyond ASCII show: unless the locale names another encoding.
    pub(crate) fn unicode(self) -> bool {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        locale.is_none_or(|locale| names_utf8(&locale))
    }

    /// Says something of no consequence.
    pub(crate) fn say(self, text: &str) {
        if !self.quiet {
            self.write(text);
        }
    }

    /// Says something that the user should know before trusting the result.
    pub(crate) fn warn(self, text: &str) {
        if !self.quiet {
            self.write(&format!("{} {text}", self.paint("33", "warning:")));
        }
    }

    /// Says what went wrong.
    pub(crate) fn error(self, text: &str) {
        self.write(&format!("{} {text}", self.paint("31", "error:")));
    }

    /// Writes a line for programs, whatever is said otherwise.
    pub(crate) fn error_line(self, text: &str) {
        self.write(text);
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[1;{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn write(self, text: &str) {
        // Nobody listens to a standard error that is closed.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

/// Whether a locale is one of UTF-8: `de_DE.UTF-8`, `C.utf8`.
fn names_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales() {
        let cases = [
            ("de_DE.UTF-8", true),
            ("C.utf8", true),
            ("C", false),
            ("POSIX", false),
            ("en_US.ISO-8859-1", false),
        ];
        for (locale, expected) in cases {
            assert_eq!(names_utf8(locale), expected, "{locale}");
        }
    }
}
