//! The IR as text: what `rulestone debug ir` shows and the golden tests hold.

use std::fmt::Write;

use crate::{Case, Elements, Field, Formula, Predicate, Relation, Rule, Source, Test};

/// The whole rule, one line a part.
pub fn print_rule(rule: &Rule) -> String {
    let mut out = String::new();
    let meta = &rule.meta;
    let _ = writeln!(out, "rule {} {:?}", meta.id, meta.title);
    let _ = writeln!(out, "  severity {}", meta.severity.as_str());
    if !meta.attack.techniques.is_empty() || !meta.attack.tactics.is_empty() {
        let ids = meta.attack.techniques.iter().chain(&meta.attack.tactics);
        let _ = writeln!(out, "  attack {}", ids.cloned().collect::<Vec<_>>().join(" "));
    }
    for source in &rule.sources {
        match source {
            Source::Events { scope, filter } => {
                let _ = writeln!(out, "  events {scope}");
                print_into(filter, 4, &mut out);
            }
        }
    }
    out
}

/// A formula as an indented tree.
pub fn print_formula(formula: &Formula) -> String {
    let mut out = String::new();
    print_into(formula, 0, &mut out);
    out
}

fn print_into(formula: &Formula, indent: usize, out: &mut String) {
    let _ = write!(out, "{:indent$}", "");
    let children: &[Formula] = match formula {
        Formula::And(parts) => {
            out.push_str(if parts.is_empty() { "true\n" } else { "and\n" });
            parts
        }
        Formula::Or(parts) => {
            out.push_str(if parts.is_empty() { "false\n" } else { "or\n" });
            parts
        }
        Formula::Not(part) => {
            out.push_str("not\n");
            std::slice::from_ref(part)
        }
        Formula::Group(group) => {
            let _ = writeln!(out, "{}:", group.name);
            std::slice::from_ref(&group.formula)
        }
        Formula::Test(predicate) => {
            let _ = writeln!(out, "{}", print_predicate(predicate));
            &[]
        }
    };
    for child in children {
        print_into(child, indent + 2, out);
    }
}

/// One predicate on one line.
pub fn print_predicate(predicate: &Predicate) -> String {
    let mut out = String::new();
    match &predicate.field {
        Field::Named { name, .. } => out.push_str(name),
        Field::Any => out.push_str("any value"),
    }
    match predicate.elements {
        Elements::Any => {}
        Elements::All => out.push_str(" all"),
        Elements::Single => out.push_str(" single"),
    }
    out.push(' ');
    out.push_str(predicate.test.name());
    match &predicate.test {
        Test::Exists => {}
        Test::Number(..) | Test::TimePart(..) | Test::Cidr(_) => {
            let _ = write!(out, " {}", predicate.test.pattern());
        }
        Test::SameAs(field, relation) => {
            let word = match relation {
                Relation::Equals => "",
                Relation::StartsWith => "starts_with ",
                Relation::EndsWith => "ends_with ",
                Relation::Contains => "contains ",
            };
            let _ = write!(out, " {word}{}", field.name());
        }
        Test::Regex(regex) => {
            let flags = [(regex.ignore_case, 'i'), (regex.multi_line, 'm'), (regex.dot_all, 's')];
            let flags: String = flags.iter().filter(|(on, _)| *on).map(|(_, c)| *c).collect();
            let _ = write!(out, " /{}/{flags}", regex.pattern);
        }
        test => {
            let _ = write!(out, " {:?}", test.pattern());
        }
    }
    if predicate.case == Case::Sensitive && !matches!(predicate.test, Test::Regex(_)) {
        out.push_str(" cased");
    }
    out
}
