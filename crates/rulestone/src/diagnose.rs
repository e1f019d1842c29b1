//! Diagnostics as a terminal shows them: the rule's own line, and a caret under what is meant.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use rulestone_ir::{Diagnostic, Level as Grade};
use rulestone_rules::Entry;
use serde_json::{Value, json};

/// One diagnostic with its place in the rule.
pub(crate) fn render(entry: &Entry, diagnostic: &Diagnostic, color: bool) -> String {
    let text = entry.text.as_deref().unwrap_or_default();
    let level = match diagnostic.level {
        Grade::Note => Level::NOTE,
        Grade::Approximate => Level::WARNING.with_name("approximate"),
        Grade::Unsupported => Level::WARNING.with_name("unsupported"),
        Grade::Invalid => Level::ERROR.with_name("invalid"),
    };
    let (start, end) = place(text, diagnostic);
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let snippet = Snippet::source(text)
        .path(&*entry.origin.path)
        .annotation(AnnotationKind::Primary.span(start..end));
    let mut group = title.element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
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
        object
    };
    entry.diagnostics.iter().map(one).collect()
}
