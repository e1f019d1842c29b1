//! Diagnostics as a terminal shows them: the rule's own line, and a caret under what is meant.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use rulestone_ir::{Diagnostic, Level as Grade};
use rulestone_lint::Remark;
use rulestone_rules::Entry;
use serde_json::{Value, json};

/// One diagnostic with its place in the rule.
pub(crate) fn render(entry: &Entry, diagnostic: &Diagnostic, color: bool) -> String {
    let text = entry.text.as_deref().unwrap_or_default();
    let tone = match diagnostic.level {
        Grade::Note => Tone::Note,
        level => Tone::Status(level),
    };
    at(text, &entry.origin.path, diagnostic, tone, color)
}

/// A remark of the lint with its place in the rule.
pub(crate) fn remark(entry: &Entry, remark: &Remark, color: bool) -> String {
    let tone = match remark.grade() {
        rulestone_lint::Grade::Error => Tone::Error,
        rulestone_lint::Grade::Warning => Tone::Warning,
        rulestone_lint::Grade::Note => Tone::Note,
    };
    let text = entry.text.as_deref().unwrap_or_default();
    at(text, &entry.origin.path, &remark.diagnostic, tone, color)
}

/// How something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Worth knowing.
    Note,
    /// By what it takes from a rule.
    Status(Grade),
    /// To be known before the result is trusted.
    Warning,
    /// Nothing goes on with it.
    Error,
}

/// One diagnostic with its place in a text.
pub(crate) fn at(
    text: &str,
    path: &str,
    diagnostic: &Diagnostic,
    tone: Tone,
    color: bool,
) -> String {
    let level = match tone {
        Tone::Note => Level::NOTE,
        Tone::Status(Grade::Invalid) => Level::ERROR.with_name("invalid"),
        Tone::Status(grade) => Level::WARNING.with_name(grade.as_str()),
        Tone::Warning => Level::WARNING,
        Tone::Error => Level::ERROR,
    };
    let (start, end) = place(text, diagnostic);
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let snippet =
        Snippet::source(text).path(path).annotation(AnnotationKind::Primary.span(start..end));
    let mut group = title.element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    if let Some(fix) = &diagnostic.fix {
        group = group.element(Level::HELP.message(format!("repair: {}", fix.title)));
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// The diagnostic's span, made to fit the text whatever it says.
fn place(text: &str, diagnostic: &Diagnostic) -> (usize, usize) {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    let start = floor(diagnostic.span.start).unwrap_or(0);
    // A span over many lines shows its first.
    let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    let end = floor(diagnostic.span.end.min(line_end)).unwrap_or(start).max(start);
    (start, end)
}

/// The diagnostics of a rule as the NDJSON contract has them.
pub(crate) fn to_json(entry: &Entry) -> Value {
    let one = |diagnostic: &Diagnostic| {
        let (line, column) = entry.position(diagnostic);
        let mut object = json!({
            "code": diagnostic.code,
            "level": diagnostic.level.as_str(),
            "message": diagnostic.message,
            "line": line,
            "column": column,
        });
        if let Some(help) = &diagnostic.help {
            object["help"] = json!(help);
        }
        if let Some(fix) = &diagnostic.fix {
            object["fix"] = json!(fix.title);
        }
        object
    };
    entry.diagnostics.iter().map(one).collect()
}
