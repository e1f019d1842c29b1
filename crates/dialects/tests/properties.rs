//! Properties that hold for any text.

use proptest::prelude::*;
use rulestone_dialects::Environment;
use rulestone_dialects::containers::{print_ast, print_tokens, read};
use rulestone_dialects::sigma::{Condition, Quantifier, parse_condition};
use rulestone_ir::Span;

fn condition() -> impl Strategy<Value = Condition> {
    let span = Span::default();
    let name = "[a-z_]{1,3}[0-9]{1,2}";
    let leaf = prop_oneof![
        name.prop_map(move |name| Condition::Name { name, span }),
        ("[a-z]{1,3}_\\*|them", 0_usize..4).prop_map(move |(pattern, count)| {
            let quantifier = if count == 0 { Quantifier::All } else { Quantifier::AtLeast(count) };
            Condition::Of { quantifier, pattern, span }
        }),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let parts = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            parts.clone().prop_map(Condition::And),
            parts.prop_map(Condition::Or),
            inner.prop_map(|part| Condition::Not(Box::new(part))),
        ]
    })
}

/// The same without places.
fn bare(condition: Condition) -> Condition {
    let span = Span::default();
    match condition {
        Condition::And(parts) => Condition::And(parts.into_iter().map(bare).collect()),
        Condition::Or(parts) => Condition::Or(parts.into_iter().map(bare).collect()),
        Condition::Not(part) => Condition::Not(Box::new(bare(*part))),
        Condition::Name { name, .. } => Condition::Name { name, span },
        Condition::Of { quantifier, pattern, .. } => Condition::Of { quantifier, pattern, span },
        Condition::Missing => Condition::Missing,
    }
}

/// Text made of what YAML and Sigma have a meaning for, so that more than the first line is read.
fn rule_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[a-z]{1,5}",
        2 => prop::sample::select(vec![
            "detection:\n", "condition: ", "logsource:\n", "  ", "    ", "\n", "\r\n", "- ", ": ",
            "|re: ", "|windash", "|contains|all:\n", "'", "\"", "\\", "*", "%a%", "[", "]", "{",
            "}", "&a ", "*a", "---\n", "...\n", "!!str ", "|\n", ">-\n", "\t", "#", "\u{feff}",
            "é", "𝄞", "~", "0x1", "1 of ", " and ", "(", ")", "<<: ", "? ", "action: global\n",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

/// Pages made of what Markdown and playbooks have a meaning for.
fn page_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => "[a-z]{1,5}",
        4 => prop::sample::select(vec![
            "# Title\n", "Technique Description: X (T1049)\n----\n", "### Filter ###\n",
            "## Splunk Searches\n", "## Suspicious Commands\n", "\n", "\r\n", "    ", "\t", "```\n",
            "```spl\n", "~~~\n", "----\n", "====\n", "> ", "- ", "1. ", "|A|B|\n|-|-|\n", "|",
            "| net.exe | net use * | x |\n", "![x](y)", "[l](http://a)", "*", "**", "_", "\\_",
            "\\", "`", "EventCode=1 AND ", "OR ", "(", ")", "\"", " --> ", "Input Source: Sysmon\n",
            "Miter ID: T1049\n", "cmdline=*a*", "<b>", "<!--", "&amp;", "\u{feff}", "é", "𝄞", ": ",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

fn read_everything(text: &str) -> Result<(), TestCaseError> {
    read_as(text, "x.yml")
}

fn read_as(text: &str, path: &str) -> Result<(), TestCaseError> {
    print_tokens(text, path, &Environment::default());
    print_ast(text, path, &Environment::default());
    for reading in read(text, path, &Environment::default()) {
        for diagnostic in &reading.diagnostics {
            let span = diagnostic.span;
            prop_assert!(text.get(span.start..span.end).is_some(), "{diagnostic:?}");
        }
        let span = reading.origin.span;
        prop_assert!(text.get(span.start..span.end).is_some(), "{span:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn printed_conditions_read_as_they_were(condition in condition()) {
        let text = condition.to_string();
        let (read, diagnostics) = parse_condition(&text);
        prop_assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
        prop_assert_eq!(bare(read), condition);
    }

    #[test]
    fn any_condition_is_read(text in ".{0,80}") {
        parse_condition(&text);
    }

    #[test]
    fn any_text_is_read(text in "\\PC{0,200}") {
        read_everything(&text)?;
        read_everything(&format!("detection:\n{text}"))?;
    }

    #[test]
    fn any_rule_is_read(text in rule_text()) {
        read_everything(&format!("logsource:\n  product: x\ndetection:\n  a: b\n{text}"))?;
        read_everything(&text)?;
    }

    #[test]
    fn any_detection_and_saved_search_is_read(text in rule_text(), quoted in "\\PC{0,60}") {
        read_everything(&format!("name: x\ntype: TTP\nsearch: {text}"))?;
        read_everything(&format!("type: TTP\nsearch: 'a=1  b\n  {}'\n{text}", quoted.replace('\'', "''")))?;
        read_everything(&format!("type: TTP\nsearch: \"a | \\\n  {quoted}\"\nrba:\n  {text}"))?;
        read_everything(&format!("type: TTP\nsearch: >-\n  a\n\n  {quoted}\ntags:\n  {text}"))?;
        read_as(&text, "x.spl")?;
        read_as(&format!("# {quoted}\n{text}"), "x.spl")?;
        read_as(&format!("[{quoted}]\nsearch = {quoted} \\\n{text}\n"), "savedsearches.conf")?;
    }

    #[test]
    fn any_page_is_read(text in page_text(), quoted in "\\PC{0,60}") {
        read_as(&text, "x.md")?;
        read_as(&format!("# X\nMitre ID: T1049\n## Splunk Searches\n```\n{quoted}\n```\n{text}"), "x.md")?;
        read_as(&format!("# X (T1049)\n### Filter\n{text}\n{quoted}"), "x.md")?;
    }

    #[test]
    fn any_value_is_lowered(modifiers in "(\\|(contains|re|windash|base64offset|wide|cidr|expand|i|gt)){0,3}", value in "\\PC{0,40}") {
        let value = value.replace('\'', "''");
        let text = format!(
            "logsource:\n  product: x\ndetection:\n  a:\n    F{modifiers}: '{value}'\n  condition: a\n"
        );
        read_everything(&text)?;
    }
}
