//! The IR as text: what `rulestone debug ir` shows and the golden tests hold.

mod rows;

use std::fmt::Write;

pub use rows::print_expr;

use crate::{
    Arrangement, Breakers, Case, Clock, Comparison, Correlate, Elements, Evaluate, Field, Formula,
    Input, Keys, Lists, Measure, NullKey, Pattern, Predicate, Refire, Relation, Rule, Seen, Source,
    Stage, StageKind, Test, Threshold, Timer, When,
};

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
    print_clock(rule, &mut out);
    let letters = !rule.stages.is_empty();
    for (at, source) in rule.sources.iter().enumerate() {
        out.push_str("  ");
        if letters {
            let _ = write!(out, "{}: ", source_name(at));
        }
        print_source(source, &mut out);
    }
    for (at, stage) in rule.stages.iter().enumerate() {
        print_stage(at, stage, &mut out);
    }
    out
}

/// The clock and the stages of a rule.
pub fn print_stages(rule: &Rule) -> String {
    let mut out = String::new();
    print_clock(rule, &mut out);
    for (at, stage) in rule.stages.iter().enumerate() {
        print_stage(at, stage, &mut out);
    }
    out
}

fn print_clock(rule: &Rule, out: &mut String) {
    if rule.trigger.building_block {
        out.push_str("  building block\n");
    }
    let _ = match &rule.clock {
        Clock::Whole => Ok(()),
        Clock::Sliding { span } => writeln!(out, "  clock sliding {span}"),
        Clock::Hop { lookback, interval, offset } => {
            writeln!(out, "  clock hop {lookback} every {interval} offset {offset}")
        }
    };
}

fn print_source(source: &Source, out: &mut String) {
    match source {
        Source::Events { scope, filter } => {
            let _ = writeln!(out, "events {scope}");
            print_into(filter, 4, out);
        }
        Source::Alerts { scope, filter } => {
            let _ = writeln!(out, "alerts {scope}");
            print_into(filter, 4, out);
        }
        Source::RuleRef { rule, columns, .. } => {
            let _ = write!(out, "rule_ref {rule}");
            for (name, field) in columns {
                let _ = write!(out, " {name}={}", field.name());
            }
            out.push('\n');
        }
        Source::Table { table, .. } => {
            let _ = writeln!(out, "table {}", table.name);
        }
        Source::Nothing { rows } => {
            let _ = writeln!(out, "nothing rows {rows}");
        }
    }
}

/// The name of a source by its place: a, b, … z, a1, b1 …
pub fn source_name(at: usize) -> String {
    let letter = char::from(b'a' + (at % 26) as u8);
    if at < 26 { letter.to_string() } else { format!("{letter}{}", at / 26) }
}

fn print_stage(at: usize, stage: &Stage, out: &mut String) {
    let inputs: Vec<String> = stage
        .inputs
        .iter()
        .map(|input| match input {
            Input::Source(at) => source_name(*at),
            Input::Stage(at) => (at + 1).to_string(),
        })
        .collect();
    let word = match &stage.kind {
        StageKind::Correlate(_) => "correlate",
        StageKind::Threshold(_) => "threshold",
        StageKind::Pattern(_) => "pattern",
        StageKind::Rows(stage) => rows::word(stage),
    };
    let _ = write!(out, "  {}: {word} <- {}", at + 1, inputs.join(", "));
    match &stage.kind {
        StageKind::Correlate(correlate) => print_correlate(correlate, stage, out),
        StageKind::Threshold(threshold) => print_threshold(threshold, stage, out),
        StageKind::Pattern(pattern) => print_pattern(pattern, stage, out),
        StageKind::Rows(own) => rows::print(own, &stage.native_name, out),
    }
}

fn print_keys(keys: &Keys, out: &mut String) {
    let names: Vec<&str> = keys.fields.iter().map(Field::name).collect();
    if !names.is_empty() {
        let _ = write!(out, "  by {}", names.join(", "));
        print_null(&keys.null, out);
        if keys.lists == Lists::FanOut {
            out.push_str("  lists fan_out");
        }
    }
}

fn print_null(null: &NullKey, out: &mut String) {
    let _ = match null {
        NullKey::Drop => write!(out, "  null drop"),
        NullKey::Group => write!(out, "  null group"),
        NullKey::Fill(text) => write!(out, "  null fill {text:?}"),
    };
}

fn print_refire(refire: Refire, stage: &Stage, out: &mut String) {
    let refire = match refire {
        Refire::Each => "each",
        Refire::AfterQuiet => "after_quiet",
    };
    let _ = writeln!(out, "  refire {refire}  # {}", stage.native_name);
}

fn print_correlate(correlate: &Correlate, stage: &Stage, out: &mut String) {
    print_keys(&correlate.by, out);
    out.push_str(match correlate.evaluate {
        Evaluate::OnEvent => "  evaluate on_event",
        Evaluate::AtClose => "  evaluate at_close",
    });
    print_refire(correlate.refire, stage, out);
    let mut arguments: Vec<String> =
        correlate.measure.fields().iter().map(|field| field.name().to_owned()).collect();
    if let Measure::Percentile(_, percent) = &correlate.measure {
        arguments.push(percent.to_string());
        arguments.push("nearest_rank".to_owned());
    }
    let measure = format!("{}({})", correlate.measure.name(), arguments.join(", "));
    match &correlate.when {
        When::Measure(bounds) => bounds.iter().for_each(|(comparison, number)| {
            print_bound(&measure, *comparison, *number, out);
        }),
        When::Seen(seen) => {
            let _ = writeln!(out, "    when {}", seen_text(seen));
        }
    }
}

fn print_bound(measure: &str, comparison: Comparison, number: f64, out: &mut String) {
    let _ = writeln!(out, "    when {measure} {} {number}", comparison.sign());
}

fn seen_text(seen: &Seen) -> String {
    let joined = |parts: &[Seen], word: &str| {
        let texts: Vec<String> = parts.iter().map(seen_text).collect();
        format!("({})", texts.join(word))
    };
    match seen {
        Seen::Input(at) => format!("seen {}", source_name(*at)),
        Seen::And(parts) => joined(parts, " and "),
        Seen::Or(parts) => joined(parts, " or "),
        Seen::Not(part) => format!("not {}", seen_text(part)),
    }
}

fn print_threshold(threshold: &Threshold, stage: &Stage, out: &mut String) {
    print_keys(&threshold.by, out);
    if threshold.counted_once {
        out.push_str("  counted_once");
    }
    let _ = writeln!(out, "  # {}", stage.native_name);
    print_bound("count()", Comparison::GreaterOrEqual, threshold.count as f64, out);
    if let Some((field, number)) = &threshold.cardinality {
        let measure = format!("distinct_count({})", field.name());
        print_bound(&measure, Comparison::GreaterOrEqual, *number as f64, out);
    }
}

fn print_pattern(pattern: &Pattern, stage: &Stage, out: &mut String) {
    out.push_str(match pattern.timer {
        Timer::Host => "  timer host",
        Timer::Run => "  timer run",
    });
    print_refire(pattern.refire, stage, out);
    for sub in &pattern.subs {
        let inputs: Vec<String> = sub.inputs.iter().map(|at| source_name(*at)).collect();
        let _ = write!(out, "    sub {} <- {}", sub.name, inputs.join(", "));
        print_keys(&sub.by, out);
        let _ = writeln!(out, "  count >= {}", sub.count);
    }
    let _ = writeln!(out, "    {}", arrangement_text(&pattern.arrangement, pattern));
}

fn arrangement_text(arrangement: &Arrangement, pattern: &Pattern) -> String {
    let (left, word, right) = match arrangement {
        Arrangement::Sub(at) => {
            return pattern.subs.get(*at).map(|sub| sub.name.to_string()).unwrap_or_default();
        }
        Arrangement::Followed(left, right) => (left, "followed_by", right),
        Arrangement::NotFollowed(left, right) => (left, "not_followed_by", right),
        Arrangement::And(left, right) => (left, "and", right),
        Arrangement::Or(left, right) => (left, "or", right),
    };
    format!("({} {word} {})", arrangement_text(left, pattern), arrangement_text(right, pattern))
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
        Formula::IsTrue(expr) => {
            let _ = writeln!(out, "is_true {}", print_expr(expr));
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
        Test::Term(glob, breakers) => {
            let breakers = if *breakers == Breakers::Major { "major" } else { "all" };
            let _ = write!(out, " {:?} breakers {breakers}", glob.to_string());
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
