//! Any text as a rule file: nothing panics, every diagnostic has its place in the text, and a rule
//! that runs can be printed.

use std::collections::BTreeMap;

use rulestone_dialects::{Environment, containers};
use rulestone_ir::{LineIndex, Status, print_rule};

/// Any text as a Sigma file.
pub fn sigma_rule(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let placeholders = BTreeMap::from([("name".to_owned(), vec!["a*".to_owned()])]);
    let environment = Environment { placeholders, ..Environment::default() };
    let readings = containers::read(&text, "fuzz.yml", &environment);
    let lines = LineIndex::new(&text);
    for reading in &readings {
        for diagnostic in &reading.diagnostics {
            let span = diagnostic.span;
            assert!(span.start <= span.end && span.end <= text.len(), "{diagnostic:?}");
            assert!(text.is_char_boundary(span.start), "{diagnostic:?}");
            assert!(text.is_char_boundary(span.end), "{diagnostic:?}");
            lines.position(&text, span.start);
        }
        let runs = Status::of(&reading.diagnostics).runs();
        assert!(reading.rule.is_some() || !runs, "a rule is gone without a reason");
        if let Some(rule) = &reading.rule {
            print_rule(rule);
        }
    }
    assert_eq!(readings, containers::read(&text, "fuzz.yml", &environment));
    containers::print_ast(&text, "fuzz.yml", &environment);
    containers::print_tokens(&text, "fuzz.yml", &environment);
}
