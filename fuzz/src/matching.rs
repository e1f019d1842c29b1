//! Rules and events made of the fuzzer's bytes: the matcher and the reference evaluator agree.
//!
//! Texts come from a small alphabet, so that tests hold now and then.

use std::fmt::Write;
use std::io::Cursor;
use std::sync::{Arc, LazyLock};

use arbitrary::{Result, Unstructured};
use rulestone_engine::{Matcher, Plan, reference};
use rulestone_events::{Event, Fields, Ingest, Interest, Kind, Log, Settings, Views};
use rulestone_ir::{
    Case, Clock, Comparison, Elements, Field, Formula, Language, Meta, Origin, Predicate, Regex,
    Relation, Rule, Schema, Scope, Source, Span, Test, Trigger, Vendor, print_rule,
};
use rulestone_value::{Glob, Piece, TimePart};

static VIEWS: LazyLock<Views> = LazyLock::new(|| Views::built_in().expect("the tables built in"));

/// Rules and events made of `bytes`.
pub fn matcher_is_reference(bytes: &[u8]) {
    // Bytes that do not suffice give nothing to compare.
    let _ = compare(&mut Unstructured::new(bytes));
}

fn compare(bytes: &mut Unstructured<'_>) -> Result<()> {
    let rules = (0..bytes.int_in_range(1..=6)?).map(|_| rule(bytes)).collect::<Result<Vec<_>>>()?;
    let log = log(bytes)?;
    let plan = Plan::new(rules, &VIEWS);
    let settings = Settings { dictionary_bytes: 1 << 9, ..Settings::default() };
    let (mut ingest, mut matcher) = (Ingest::new(settings), Matcher::new(&plan));
    // Twice: the second time, what was remembered decides.
    for _ in 0..2 {
        let reader = Cursor::new(log.clone().into_bytes());
        let mut log = Log::from_reader(reader, Arc::from("fuzz")).expect("a log");
        while let Some(unit) = log.next_unit() {
            ingest.read(unit.into_records(), &EveryKind(&plan), |batch| {
                let mut found = vec![Vec::new(); batch.rows.len()];
                matcher.run(batch, |row, program, rules| {
                    let rules = rules.iter().map(|at| program.rules()[*at as usize].rule);
                    found[row].extend(rules);
                });
                for (row, mut found) in batch.rows.iter().zip(found) {
                    found.sort_unstable();
                    found.dedup();
                    check(&plan, &batch.event(row), &found);
                }
            });
        }
    }
    Ok(())
}

/// As the plan, but events that no rule looks at are handed over as well.
struct EveryKind<'p>(&'p Plan);

impl Interest for EveryKind<'_> {
    fn fields(&self, kind: &Arc<Kind>) -> Fields {
        match self.0.fields(kind) {
            Fields::None => Fields::Some(Vec::new()),
            fields => fields,
        }
    }
}

fn check(plan: &Plan, event: &Event, found: &[usize]) {
    for (at, rule) in plan.rules().iter().enumerate() {
        let fires = reference::fires(rule, &VIEWS, event);
        assert_eq!(found.contains(&at), fires, "{}\n{event:?}", print_rule(rule));
    }
}

// ---- Events -------------------------------------------------------------------------------------

/// Fields that events have. The last ones read through views, and by other names in rules.
const FIELDS: [&str; 8] = [
    "CommandLine",
    "Image",
    "User",
    "Message",
    "NewProcessName",
    "SubjectUserName",
    "SubjectDomainName",
    "Hashes",
];

/// Parts of values; together they make texts that rules look for, and nearly do.
const PARTS: [&str; 24] = [
    "a",
    "b",
    "A",
    "ab",
    "abc",
    "\\",
    "/",
    "*",
    "?",
    " ",
    "-",
    ".exe",
    "k",
    "\u{212a}",
    "ß",
    "İ",
    "é",
    "1",
    "0x10",
    "10.0.0.1",
    "::ffff:10.0.0.2",
    "2024-02-29T23:59:59Z",
    "\u{2}",
    "\u{3}",
];

fn text(bytes: &mut Unstructured<'_>) -> Result<String> {
    (0..bytes.int_in_range(0..=4)?).map(|_| bytes.choose(&PARTS).copied()).collect()
}

fn log(bytes: &mut Unstructured<'_>) -> Result<String> {
    let mut log = String::new();
    for _ in 0..bytes.int_in_range(1..=8)? {
        let (channel, id) = *bytes.choose(&[
            ("Microsoft-Windows-Sysmon/Operational", 1),
            ("Security", 4688),
            ("Security", 4624),
            ("", 0),
        ])?;
        let mut data = String::new();
        for _ in 0..bytes.int_in_range(0..=6)? {
            let comma = if data.is_empty() { "" } else { "," };
            let _ = write!(data, "{comma}\"{}\":{}", bytes.choose(&FIELDS)?, json_value(bytes)?);
        }
        let _ = match channel {
            "" => writeln!(log, "{{{data}}}"),
            _ => writeln!(
                log,
                "{{\"Event\":{{\"System\":{{\"EventID\":{id},\"Channel\":\"{channel}\"}},\
                 \"EventData\":{{{data}}}}}}}"
            ),
        };
    }
    Ok(log)
}

fn json_value(bytes: &mut Unstructured<'_>) -> Result<String> {
    Ok(match bytes.int_in_range(0..=7)? {
        0 => "null".to_owned(),
        1 => bytes.arbitrary::<bool>()?.to_string(),
        2 => bytes.int_in_range(-2..=20)?.to_string(),
        3 => format!("{}.5", bytes.int_in_range(-2..=20)?),
        4 => format!("[{},{}]", json_text(bytes)?, json_text(bytes)?),
        _ => json_text(bytes)?,
    })
}

/// A text in quotes; now and then a letter is written as an escape.
fn json_text(bytes: &mut Unstructured<'_>) -> Result<String> {
    let mut out = "\"".to_owned();
    for c in text(bytes)?.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' || (c.is_ascii_alphabetic() && bytes.ratio(1, 16)?) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Ok(out + "\"")
}

// ---- Rules --------------------------------------------------------------------------------------

/// Fields that rules read: the event's own, and names that views give.
const READ: [&str; 10] = [
    "CommandLine",
    "Image",
    "User",
    "Message",
    "EventID",
    "Channel",
    "md5",
    "ProcessId",
    "Provider_Name",
    "NoSuchField",
];

fn rule(bytes: &mut Unstructured<'_>) -> Result<Arc<Rule>> {
    let scopes: [&[(&str, &str)]; 5] = [
        &[("product", "windows"), ("category", "process_creation")],
        &[("product", "windows"), ("service", "security")],
        &[("product", "windows")],
        &[("category", "process_creation")],
        &[("product", "something")],
    ];
    let keys = bytes.choose(&scopes)?.iter().map(|(k, v)| (Arc::from(*k), Arc::from(*v)));
    let scope = Scope { schema: Schema::Sigma, keys: keys.collect() };
    let filter = formula(bytes, 4)?;
    let origin = Origin {
        vendor: Vendor::Sigma,
        language: Language::Sigma,
        path: Arc::from("fuzz"),
        span: Span::default(),
        tests: Vec::new(),
        drilldowns: Vec::new(),
        search: None,
    };
    let sources = vec![Source::Events { scope, filter }];
    Ok(Arc::new(Rule {
        meta: Meta::default(),
        origin,
        sources,
        stages: Vec::new(),
        clock: Clock::default(),
        trigger: Trigger::default(),
    }))
}

fn formula(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Formula> {
    let choice = if depth == 0 { 3 } else { bytes.int_in_range(0..=5)? };
    Ok(match choice {
        0 => Formula::And(formulas(bytes, depth - 1)?),
        1 => Formula::Or(formulas(bytes, depth - 1)?),
        2 => Formula::Not(Box::new(formula(bytes, depth - 1)?)),
        _ => Formula::Test(predicate(bytes)?),
    })
}

fn formulas(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Vec<Formula>> {
    (0..bytes.int_in_range(0..=3)?).map(|_| formula(bytes, depth)).collect()
}

fn predicate(bytes: &mut Unstructured<'_>) -> Result<Predicate> {
    let field = if bytes.ratio(1, 8)? { Field::Any } else { field(bytes)? };
    Ok(Predicate {
        field,
        elements: *bytes.choose(&[Elements::Any, Elements::All, Elements::Single])?,
        test: test(bytes)?,
        case: *bytes.choose(&[Case::Insensitive, Case::Sensitive])?,
        span: Span::default(),
    })
}

fn field(bytes: &mut Unstructured<'_>) -> Result<Field> {
    Ok(Field::Named { schema: Schema::Sigma, name: Arc::from(*bytes.choose(&READ)?) })
}

fn test(bytes: &mut Unstructured<'_>) -> Result<Test> {
    Ok(match bytes.int_in_range(0..=10)? {
        0 => Test::Exists,
        1 => Test::Equals(text(bytes)?),
        2 => Test::StartsWith(text(bytes)?),
        3 => Test::EndsWith(text(bytes)?),
        4 => Test::Contains(text(bytes)?),
        5 => Test::Wildcard(glob(bytes)?),
        6 => Test::Regex(regex(bytes)?),
        7 => {
            let nets = ["10.0.0.0/30", "10.0.0.1/32", "0.0.0.0/0", "::/0", "::ffff:0:0/96"];
            Test::Cidr(bytes.choose(&nets)?.parse().expect("a network"))
        }
        8 => Test::Number(comparison(bytes)?, f64::from(bytes.int_in_range(-2_i8..=20)?)),
        9 => {
            let part = *bytes.choose(&[TimePart::Minute, TimePart::Hour, TimePart::Day])?;
            Test::TimePart(part, comparison(bytes)?, f64::from(bytes.int_in_range(0_i8..=60)?))
        }
        _ => {
            let relations =
                [Relation::Equals, Relation::StartsWith, Relation::EndsWith, Relation::Contains];
            Test::SameAs(field(bytes)?, *bytes.choose(&relations)?)
        }
    })
}

fn comparison(bytes: &mut Unstructured<'_>) -> Result<Comparison> {
    bytes
        .choose(&[
            Comparison::Equal,
            Comparison::Less,
            Comparison::LessOrEqual,
            Comparison::Greater,
            Comparison::GreaterOrEqual,
        ])
        .copied()
}

fn glob(bytes: &mut Unstructured<'_>) -> Result<Glob> {
    let pieces = (0..bytes.int_in_range(0..=5)?).map(|_| {
        Ok(match bytes.int_in_range(0..=3)? {
            0 => Piece::One,
            1 => Piece::Many,
            _ => Piece::Text(text(bytes)?),
        })
    });
    Ok(Glob::new(pieces.collect::<Result<Vec<_>>>()?))
}

/// Expressions that stand behind texts, and some that do not.
fn regex(bytes: &mut Unstructured<'_>) -> Result<Regex> {
    const PIECES: [&str; 16] = [
        "abc",
        "a",
        "k",
        "ß",
        "é",
        "(abc|a\\.exe)",
        "(?:ab)+",
        "[ab]",
        "(?i:AB)",
        "c?",
        ".",
        "^",
        "$",
        "\\s*",
        "(?=a)",
        "\\b",
    ];
    let pieces = (0..bytes.int_in_range(0..=4)?).map(|_| bytes.choose(&PIECES).copied());
    Ok(Regex {
        pattern: pieces.collect::<Result<String>>()?,
        ignore_case: bytes.arbitrary()?,
        multi_line: bytes.arbitrary()?,
        dot_all: bytes.arbitrary()?,
    })
}
