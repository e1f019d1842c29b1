//! Comments and macros: from the text of a rule to the text that is parsed.
//!
//! Both stand outside of quotes only. A macro that is not defined stays as it is written, in
//! backticks, so that the parser can pass over it.

use std::ops::Range;

use rulestone_ir::{Diagnostic, Level, Schema, Span};

use super::macros::find;
use crate::environment::{Environment, Macro};

/// Macros inside of macros, at most.
const MAX_DEPTH: usize = 32;
/// Macros of one search, at most.
const MAX_CALLS: usize = 10_000;
/// The text they make, at most.
const MAX_TEXT: usize = 1 << 20;

/// The longest call of a macro.
const LONGEST_CALL: usize = 4096;

/// A text without comments and macros, with where its pieces came from.
pub(super) struct Expanded {
    /// The text.
    pub(super) text: String,
    pieces: Vec<Piece>,
}

/// A piece of the text, up to the next one.
struct Piece {
    at: usize,
    /// What it came from, in the search as written.
    from: Range<usize>,
    /// Whether it is that, or what a macro there stands for.
    verbatim: bool,
}

impl Expanded {
    /// A text that stands for what is written at `from`.
    pub(super) fn of(text: String, from: Range<usize>) -> Expanded {
        Expanded { text, pieces: vec![Piece { at: 0, from, verbatim: false }] }
    }

    /// Where a range of the text stands in the search as written.
    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        let start = self.piece(range.start).map_or(0, |piece| match piece.verbatim {
            true => (piece.from.start + range.start - piece.at).min(piece.from.end),
            false => piece.from.start,
        });
        if range.end <= range.start {
            return start..start;
        }
        let end = self.piece(range.end - 1).map_or(start, |piece| match piece.verbatim {
            true => (piece.from.start + range.end - piece.at).min(piece.from.end),
            false => piece.from.end,
        });
        start..end.max(start)
    }

    /// Whether a range of the text is written so in the search, and is not what a macro stands for.
    pub(super) fn is_written(&self, range: Range<usize>) -> bool {
        let last = range.end.max(range.start + 1) - 1;
        let written = |at| self.piece(at).is_some_and(|piece| piece.verbatim);
        written(range.start) && written(last)
    }

    fn piece(&self, at: usize) -> Option<&Piece> {
        let behind = self.pieces.partition_point(|piece| piece.at <= at);
        self.pieces.get(behind.saturating_sub(1))
    }
}

/// Strips comments and puts in macros. `place` says where a range of the search stands in the file,
/// `schema` which of the macros that are built in there are.
pub(super) fn expand(
    search: &str,
    place: &dyn Fn(Range<usize>) -> Span,
    (schema, environment): (Schema, &Environment),
    diagnostics: &mut Vec<Diagnostic>,
) -> Expanded {
    let mut expander = Expander {
        environment,
        schema,
        place,
        diagnostics,
        stack: Vec::new(),
        calls: 0,
        full: false,
        out: Expanded { text: String::with_capacity(search.len()), pieces: Vec::new() },
    };
    expander.text(search, None);
    expander.out
}

struct Expander<'a> {
    environment: &'a Environment,
    schema: Schema,
    place: &'a dyn Fn(Range<usize>) -> Span,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// The macros that are being put in.
    stack: Vec<String>,
    calls: usize,
    /// Whether the text got too long, which is said once.
    full: bool,
    out: Expanded,
}

impl Expander<'_> {
    /// Expands `text`: the search itself, or what the macro called at `call` stands for.
    fn text(&mut self, text: &str, call: Option<&Range<usize>>) {
        let mut kept = 0;
        let mut at = 0;
        while let Some(stop) = next_backtick(text, at) {
            self.keep(text, kept..stop, call);
            let rest = &text[stop..];
            let origin = |len: usize| call.cloned().unwrap_or(stop..stop + len);
            let len = if let Some(comment) = rest.strip_prefix("```") {
                let len = comment.find("```").map_or(rest.len(), |end| end + 6);
                self.put(" ", &origin(len));
                len
            } else if let Some(len) = call_length(rest) {
                let written = &rest[1..len - 1];
                if !self.call(written, &origin(len)) {
                    self.keep(text, stop..stop + len, call);
                }
                len
            } else {
                self.keep(text, stop..stop + 1, call);
                1
            };
            at = stop + len;
            kept = at;
        }
        self.keep(text, kept..text.len(), call);
    }

    /// Adds a part of `text` as it stands.
    fn keep(&mut self, text: &str, part: Range<usize>, call: Option<&Range<usize>>) {
        match call {
            Some(call) => self.put(&text[part], call),
            None if part.is_empty() => {}
            None => {
                let at = self.out.text.len();
                self.out.pieces.push(Piece { at, from: part.clone(), verbatim: true });
                self.out.text.push_str(&text[part]);
            }
        }
    }

    /// Adds text that stands for what is written at `from`.
    fn put(&mut self, text: &str, from: &Range<usize>) {
        if text.is_empty() || self.full {
            return;
        }
        if self.out.text.len() + text.len() > MAX_TEXT {
            self.full = true;
            let message = "the macros of this search make too long a text of it";
            self.say(Level::Unsupported, "macro-recursion", message, from, "simplify them");
            return;
        }
        let at = self.out.text.len();
        self.out.pieces.push(Piece { at, from: from.clone(), verbatim: false });
        self.out.text.push_str(text);
    }

    /// Puts in a macro. False where it stays as written.
    fn call(&mut self, written: &str, from: &Range<usize>) -> bool {
        let (name, arguments) = parse_call(written);
        self.calls += 1;
        if self.stack.len() >= MAX_DEPTH || self.calls > MAX_CALLS || self.stack.contains(&name) {
            let message = format!("the macro `{name}` stands inside of itself, or too deep");
            let help = "write out what it stands for";
            self.say(Level::Unsupported, "macro-recursion", message, from, help);
            return false;
        }
        if let Some((code, message, help)) = unbalanced(written) {
            self.say(Level::Invalid, code, message, from, help);
            return false;
        }
        let Some(found) = find(self.environment, self.schema, &name, arguments.len()) else {
            let (message, help) = self.undefined(&name, arguments.len());
            self.say(Level::Unsupported, "macro-undefined", message, from, help);
            return false;
        };
        if found.is_eval {
            let message = format!("the macro `{name}` is an expression that makes the text");
            let help = "write out what it stands for, or define it anew with `--macros FILE`";
            self.say(Level::Unsupported, "macro-eval", message, from, help);
            return false;
        }
        let text = substitute(&found, &arguments);
        // What begins with a command may stand behind a `|` of its own.
        let piped = self.out.text.trim_end().ends_with('|');
        let text = text.strip_prefix('|').filter(|_| piped).unwrap_or(&text);
        self.stack.push(name);
        self.text(text, Some(from));
        self.stack.pop();
        true
    }

    fn undefined(&self, name: &str, arguments: usize) -> (String, String) {
        let help = "define it with `--macros FILE`".to_owned();
        let key =
            |count: usize| if count == 0 { name.to_owned() } else { format!("{name}({count})") };
        let other =
            (0..10).find(|count| find(self.environment, self.schema, name, *count).is_some());
        match other {
            Some(count) => {
                let message =
                    format!("the macro `{name}` takes {count} arguments, not {arguments}");
                (message, help)
            }
            None => (format!("the macro `{}` is not defined", key(arguments)), help),
        }
    }

    fn say(
        &mut self,
        level: Level,
        code: &'static str,
        message: impl Into<String>,
        from: &Range<usize>,
        help: impl Into<String>,
    ) {
        let span = (self.place)(from.clone());
        self.diagnostics.push(Diagnostic::new(level, code, message, span).with_help(help));
    }
}

/// The next backtick outside of quotes from `from` on, which is outside of quotes.
fn next_backtick(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut quoted) = (from, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => quoted = !quoted,
            b'`' if !quoted => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// How long the call of a macro at the start of `text` is, both backticks counted.
fn call_length(text: &str) -> Option<usize> {
    let text = &text[..text.floor_char_boundary(LONGEST_CALL)];
    let end = next_backtick(text, 1).or_else(|| text[1..].find('`').map(|end| end + 1))?;
    (end > 1).then_some(end + 1)
}

/// What is wrong with the quotes and parentheses of a call: code, message and help.
fn unbalanced(written: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let (mut quoted, mut escaped) = (false, false);
    for c in written.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
    }
    if quoted {
        let message = "a quote in the arguments of the macro is not closed";
        return Some(("unbalanced-quotes", message, "close it before the `,` or `)`"));
    }
    let open = written.contains('(') && !written.trim_end().ends_with(')');
    let message = "the parenthesis of the macro is not closed";
    open.then_some(("unbalanced-parentheses", message, "close it with `)`"))
}

/// The name of a call and its arguments, without the quotes that hold commas.
fn parse_call(written: &str) -> (String, Vec<String>) {
    let written = written.trim();
    let Some((name, rest)) = written.split_once('(') else {
        return (written.to_owned(), Vec::new());
    };
    let inner = rest.strip_suffix(')').unwrap_or(rest);
    let mut arguments = Vec::new();
    let (mut start, mut depth, mut quoted, mut escaped) = (0, 0_usize, false, false);
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                arguments.push(unquote(&inner[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    if !(arguments.is_empty() && inner.trim().is_empty()) {
        arguments.push(unquote(&inner[start..]));
    }
    (name.trim().to_owned(), arguments)
}

fn unquote(argument: &str) -> String {
    let argument = argument.trim();
    let inner = argument.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
    inner.map_or_else(|| argument.to_owned(), |inner| inner.replace("\\\"", "\""))
}

/// The text of a macro with its arguments in place.
fn substitute(found: &Macro, arguments: &[String]) -> String {
    let mut out = String::with_capacity(found.definition.len());
    let mut rest = found.definition.as_str();
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest[1..].find('$').map(|end| end + 2);
        let name = end.map(|end| &rest[1..end - 1]);
        let value = name.and_then(|name| found.arguments.iter().position(|own| own == name));
        match (value.and_then(|at| arguments.get(at)), end) {
            (Some(value), Some(end)) => {
                out.push_str(value);
                rest = &rest[end..];
            }
            _ => {
                out.push('$');
                rest = &rest[1..];
            }
        }
        if out.len() > MAX_TEXT {
            break;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        let definitions: [(&str, &[&str], &str); 6] = [
            ("a", &[], "x=1 OR y=2"),
            ("b(1)", &["f"], "by($f$, $g$, $f)"),
            ("c(2)", &["f", "g"], "[$g$ `b($f$)`]"),
            ("again", &[], "1 `again`"),
            ("wide", &[], "`wider``wider``wider``wider``wider``wider``wider``wider`"),
            ("wider", &[], "`widest``widest``widest``widest``widest``widest`"),
        ];
        let macros = definitions.map(|(key, arguments, definition)| {
            let arguments = arguments.iter().map(|name| (*name).to_owned()).collect();
            let definition = definition.to_owned();
            (key.to_owned(), Macro { arguments, definition, is_eval: false })
        });
        let mut macros = std::collections::BTreeMap::from(macros);
        let definition = "`a`".repeat(400);
        macros.insert("widest".into(), Macro { definition, ..Macro::default() });
        Environment { macros, ..Environment::default() }
    }

    fn expanded(search: &str) -> (Expanded, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let found = expand(search, &Span::new, (Schema::Splunk, &environment()), &mut diagnostics);
        (found, diagnostics)
    }

    #[test]
    fn macros_are_put_in_and_comments_left_out() {
        let cases = [
            ("`a` z", "x=1 OR y=2 z", ""),
            ("`b(p)`|`b( \"q, r\" )`", "by(p, $g$, $f)|by(q, r, $g$, $f)", ""),
            ("`c(p, \"say \\\"x\\\"\")`", "[say \"x\" by(p, $g$, $f)]", ""),
            ("`c(f(1, 2), g)`", "[g by(f(1, 2), $g$, $f)]", ""),
            ("\"`a` \\\" ```\" `a`", "\"`a` \\\" ```\" x=1 OR y=2", ""),
            ("p```q \" `a` | ```r", "p r", ""),
            ("p ```q", "p  ", ""),
            ("`rule_filter` `cim_Web_indexes`", "search * ()", ""),
            ("`d`", "`d`", "macro-undefined"),
            ("`b`", "`b`", "macro-undefined"),
            ("`again`", "1 `again`", "macro-recursion"),
            ("p ` q", "p ` q", ""),
            ("``", "``", ""),
        ];
        for (search, expected, code) in cases {
            let (found, diagnostics) = expanded(search);
            assert_eq!(found.text, expected, "{search}");
            let codes: Vec<_> = diagnostics.iter().map(|found| found.code).collect();
            assert_eq!(codes.join(" "), code, "{search}");
        }
    }

    #[test]
    fn places_go_back_to_the_search() {
        let search = "é `a` ```c``` z `b(p)`";
        let (found, _) = expanded(search);
        let cases = [
            ("é", "é"),
            ("y=2", "`a`"),
            ("x=1 OR y=2", "`a`"),
            ("z", "z"),
            ("by(p", "`b(p)`"),
            ("é x", "é `a`"),
            ("2   z", "`a` ```c``` z"),
            ("z by", "z `b(p)`"),
        ];
        for (part, expected) in cases {
            let start = found.text.find(part).expect(part);
            let source = found.source(start..start + part.len());
            assert_eq!(&search[source], expected, "{part}");
        }
    }

    #[test]
    fn what_macros_make_is_limited() {
        for search in ["`wide`".repeat(10), "`again` ".repeat(5_000)] {
            let (found, diagnostics) = expanded(&search);
            assert!(found.text.len() <= MAX_TEXT);
            assert!(!diagnostics.is_empty() && diagnostics.len() <= 20_000);
        }
    }
}
