//! The fast path is the reference evaluator, whatever the rules and the events.
//!
//! Rules and events are made of few names and few values, so that they meet. Events go through
//! the whole of the reading: written as JSON lines the way several exporters do, cut into units,
//! hashed into dictionaries, decided by combination.

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rulestone_engine::reference::{Reference, fires};
use rulestone_engine::{LogFile, Matcher, Plan, ScanSettings, scan};
use rulestone_events::{Event, Ingest, Interest, Settings, Views};
use rulestone_ir::{
    Breakers, Case, Comparison, Elements, Field, Formula, Group, Predicate, Regex, Relation, Rule,
    Scope, Span, Test, print_rule,
};
use rulestone_value::{Glob, Piece, TimePart};
use support::{Decided, EveryKind, Everything, log, named, rule, scope, views};

/// Scopes with all that a table can say: a kind with names of its own, one that asks for more,
/// one behind it that asks for nothing, a stand-in, and one for all of Windows.
const TABLE: &str = r#"
[[scope]]
match = { product = "windows", category = "mapped" }
[[scope.kind]]
channel = ["Security"]
event_id = [1]
when = { Image = ["kiwi.exe", "ΟΔΟΣ"], Level = ["High"] }
fields = { CommandLine = "Image", Base = "'particular'" }
[[scope.kind]]
channel = ["Security"]
event_id = [1, 2]
[scope.kind.fields]
Base = "basename(Image)"
Both = "list(Image, CommandLine)"
First = "coalesce(EventData_Channel, Channel)"
Fixed = "'C:\\Fixed'"
Level = "lookup(levels, User)"
Joined = "concat(EventID, '-', User)"
Pid = "hex_to_decimal(ProcessId)"
[[scope.kind]]
channel = ["Sysmon", "Microsoft-Windows-Sysmon/Operational"]
stand_in = "it only stands in"
fields = { Image = "coalesce(Exe, Image)", EventID = "'7'" }

[[scope]]
match = { product = "windows" }
[[scope.kind]]
product = ["windows"]

[tables.levels]
"a" = "High"
"ß" = "Low"
"#;

static VIEWS: LazyLock<Views> = LazyLock::new(|| views(TABLE));

const SCOPES: &[&str] =
    &["product=windows category=mapped", "product=windows", "category=mapped", "product=linux"];

const NAMES: &[&str] = &[
    "Image",
    "CommandLine",
    "Command Line",
    "User",
    "ProcessId",
    "Exe",
    "UtcTime",
    "Nested.Inner",
    "EventID",
    "Channel",
    "Provider_Name",
    "EventData_Channel",
    "Ключ",
    "Data",
    "Binary",
    "Message",
    "Execution",
    "EventID_Qualifiers",
    "Execution_ProcessID",
    "Execution_ThreadID",
    "Computer",
];

const VIEW_NAMES: &[&str] =
    &["Base", "Both", "First", "Fixed", "Level", "Joined", "Pid", "Missing"];

/// Texts that meet each other, and the places where folding, escaping and sentinels can go wrong.
const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "-",
    "kiwi.exe",
    "KIWI.EXE",
    "\u{212a}iwi.exe",
    "İSTANBUL",
    "i\u{307}stanbul",
    "istanbul",
    "ß",
    "ẞ",
    "STRASSE",
    "straße",
    "ΟΔΟΣ",
    "οδος",
    "οδοσ",
    "ſun",
    "sun",
    "\u{2}",
    "\u{3}",
    "\u{2}abc",
    "abc\u{3}",
    "\u{2}abc\u{3}",
    "abc",
    "\0",
    "C:\\Windows\\kiwi.exe",
    "c:\\windows\\",
    "/usr/bin/sh",
    "x,y\",",
    "<a href=\"x\">&'",
    "one\ntwo",
    "ONE\r\nTWO\t",
    "10.1.2.3",
    " 10.1.2.4 ",
    "::ffff:10.1.2.3",
    "fe80::1%eth0",
    "0x2A",
    "42",
    " 42 ",
    "1000",
    "4688",
    "true",
    "null",
    "1e3",
    "2021-01-03T23:59:01Z",
    "2021-01-03 23:59:01.5",
    "[\"a\",1]",
    "Security",
    "security",
    "High",
    "sysmon",
    "😀",
    "\u{fffd}",
];

/// What the own text of an event has around its values, and parts of that.
const MARKUP: &[&str] = &[
    "<",
    ">",
    "'",
    ">>",
    "<>",
    "><",
    "'>",
    "/>",
    "=",
    " ",
    "event",
    "<eventid>1",
    "EventID>1",
    "EventID>",
    "EventID'",
    "</EventID><",
    "1</EventID>",
    "<EventID>1<",
    "<EventID>2</EventID>",
    "Qualifiers='",
    "<Channel>Security</Channel>",
    "channel>s",
    "channel>security</channel><",
    "<Computer>",
    "Execution ProcessID",
    "Execution ThreadID='",
    "' ThreadID",
    "<Execution/>",
    "Data",
    "<Data>",
    "<Data/>",
    "<Data Name='",
    "Data Name='User'>",
    "Name='Image'>kiwi.exe<",
    "'User'></Data>",
    "</Data></EventData>",
    "<Binary>",
    "&amp;",
    "&lt;a",
    "Own",
    "Image",
    "CommandLine",
    "User",
    "ProcessId",
    "Exe",
    "Computer",
];

/// Numbers and words as a log may write them.
const TOKENS: &[&str] = &[
    "0",
    "-0",
    "1",
    "2",
    "42",
    "-7",
    "1000",
    "1e3",
    "1E+3",
    "1.50",
    "0.1",
    "1000.0",
    "4688",
    "00042",
    "18446744073709551615",
    "123456789012345678901234.5",
    "0.12345678901234567890",
    "1e999",
    "1563548921",
    "1563548921051",
    "1563548921.25",
    "true",
    "false",
    "null",
];

const PATTERNS: &[&str] = &[
    "kiwi",
    "k.wi\\.exe$",
    "^kiwi",
    "(foo|iwi)\\.exe",
    "sun",
    "stra(ß|ss)e",
    "οδο[σς]",
    "[a-c]+",
    "^$",
    "a|b",
    "\\\\windows\\\\",
    "(?i)ISTAN",
    "one.two",
    "^two",
    "1000",
    "(?<!C:\\\\)kiwi",
    "kiwi(?=\\.exe)",
    "(?=abc)abc\\x03",
    "(.)\\1",
    "i\u{307}?stanbul",
];

const NETWORKS: &[&str] = &["10.0.0.0/8", "10.1.2.3/32", "fe80::/10", "::/0"];

const NUMBERS: &[f64] = &[0.0, 1.0, 7.0, 42.0, 23.0, 59.0, 2021.0, 1000.0, 4688.0, -7.0, 0.1];

/// The words that the rules and the events of one run are made of. The fewer there are, the more
/// often the two meet.
#[derive(Debug, Clone)]
struct World {
    names: Vec<&'static str>,
    texts: Vec<&'static str>,
}

fn world() -> impl Strategy<Value = World> {
    let names = prop_oneof![
        3 => subsequence(NAMES, 1..4),
        1 => Just(NAMES.to_vec()),
    ];
    let texts = prop_oneof![
        3 => subsequence(TEXTS, 2..6),
        1 => Just(TEXTS.to_vec()),
    ];
    (names, texts).prop_map(|(names, texts)| World { names, texts })
}

fn text(world: &World) -> impl Strategy<Value = String> + use<> {
    let texts = world.texts.clone();
    prop_oneof![
        5 => select(texts.clone()).prop_map(str::to_owned),
        1 => vec(select(texts), 2..3).prop_map(|parts| parts.concat()),
    ]
}

fn field(world: &World) -> impl Strategy<Value = Field> + use<> {
    prop_oneof![
        8 => select(world.names.clone()).prop_map(named),
        4 => select(VIEW_NAMES).prop_map(named),
        3 => Just(Field::Any),
    ]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    select(vec![
        Comparison::Equal,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ])
}

fn glob(world: &World) -> impl Strategy<Value = Glob> + use<> {
    let piece = prop_oneof![
        2 => text(world).prop_map(Piece::Text),
        1 => Just(Piece::One),
        2 => Just(Piece::Many),
    ];
    vec(piece, 0..5).prop_map(Glob::new)
}

/// Text of an event's own, which has markup in it.
fn markup(world: &World) -> impl Strategy<Value = String> + use<> {
    let texts = world.texts.clone();
    prop_oneof![
        4 => select(MARKUP).prop_map(str::to_owned),
        2 => select(texts.clone()).prop_map(str::to_owned),
        2 => (select(MARKUP), select(texts.clone())).prop_map(|(a, b)| format!("{a}{b}")),
        1 => (select(texts), select(MARKUP)).prop_map(|(a, b)| format!("{a}{b}")),
        1 => (select(MARKUP), select(MARKUP)).prop_map(|(a, b)| format!("{a}{b}")),
    ]
}

/// A test of the event's own text.
fn test_of_text(world: &World) -> impl Strategy<Value = Formula> + use<> {
    let piece = prop_oneof![
        4 => markup(world).prop_map(Piece::Text),
        1 => Just(Piece::One),
        2 => Just(Piece::Many),
    ];
    let breakers = select(vec![Breakers::All, Breakers::Major]);
    let test = prop_oneof![
        2 => markup(world).prop_map(Test::Contains),
        4 => (markup(world), breakers.clone())
            .prop_map(|(text, breakers)| Test::Term(Glob::stars(&text), breakers)),
        2 => (vec(piece.clone(), 1..4), breakers)
            .prop_map(|(pieces, breakers)| Test::Term(Glob::new(pieces), breakers)),
        2 => vec(piece, 1..4).prop_map(|pieces| Test::Wildcard(Glob::new(pieces))),
        1 => regex().prop_map(Test::Regex),
        1 => one_test(world),
    ];
    let case = select(vec![Case::Insensitive, Case::Insensitive, Case::Sensitive]);
    (test, case).prop_map(|(test, case)| {
        Formula::Test(Predicate {
            field: named("_raw"),
            elements: Elements::Any,
            test,
            case,
            span: Span::default(),
        })
    })
}

fn regex() -> impl Strategy<Value = Regex> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (select(PATTERNS), flags).prop_map(|(pattern, (ignore_case, multi_line, dot_all))| Regex {
        pattern: pattern.to_owned(),
        ignore_case,
        multi_line,
        dot_all,
    })
}

fn one_test(world: &World) -> impl Strategy<Value = Test> + use<> {
    let relations =
        vec![Relation::Equals, Relation::StartsWith, Relation::EndsWith, Relation::Contains];
    let parts = vec![
        TimePart::Minute,
        TimePart::Hour,
        TimePart::Day,
        TimePart::Week,
        TimePart::Month,
        TimePart::Year,
    ];
    prop_oneof![
        1 => Just(Test::Exists),
        4 => text(world).prop_map(Test::Equals),
        2 => text(world).prop_map(Test::StartsWith),
        2 => text(world).prop_map(Test::EndsWith),
        3 => text(world).prop_map(Test::Contains),
        3 => glob(world).prop_map(Test::Wildcard),
        2 => (glob(world), any::<bool>()).prop_map(|(glob, all)| {
            Test::Term(glob, if all { Breakers::All } else { Breakers::Major })
        }),
        3 => regex().prop_map(Test::Regex),
        1 => select(NETWORKS).prop_map(|net| Test::Cidr(net.parse().expect("a network"))),
        2 => (comparison(), select(NUMBERS)).prop_map(|(c, n)| Test::Number(c, n)),
        1 => (select(parts), comparison(), select(NUMBERS))
            .prop_map(|(part, c, n)| Test::TimePart(part, c, n)),
        2 => (field(world), select(relations)).prop_map(|(field, r)| Test::SameAs(field, r)),
    ]
}

fn predicate(world: &World) -> impl Strategy<Value = Formula> + use<> {
    let elements = vec![Elements::Any, Elements::Any, Elements::All, Elements::Single];
    let case = vec![Case::Insensitive, Case::Insensitive, Case::Sensitive];
    (field(world), select(elements), one_test(world), select(case)).prop_map(
        |(field, elements, test, case)| {
            Formula::Test(Predicate { field, elements, test, case, span: Span::default() })
        },
    )
}

fn formula(world: &World) -> impl Strategy<Value = Formula> + use<> {
    let leaf = prop_oneof![3 => predicate(world), 1 => test_of_text(world)];
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Formula::And),
            vec(inner.clone(), 0..4).prop_map(Formula::Or),
            inner.clone().prop_map(Formula::not),
            inner.prop_map(|formula| Formula::Group(Group {
                name: Arc::from("selection"),
                formula: Box::new(formula),
            })),
        ]
    })
}

/// Rules that are shown as the IR is.
#[derive(Clone)]
struct Rules(Vec<Arc<Rule>>);

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|rule| f.write_str(&print_rule(rule)))
    }
}

fn rules(world: &World) -> impl Strategy<Value = Rules> + use<> {
    let source = (select(SCOPES).prop_map(scope), formula(world));
    let rules = vec(vec(source, 1..3), 1..8);
    // Rules that differ in nothing but case or elements: their predicates must not be taken for one.
    let twins = (any::<prop::sample::Index>(), any::<bool>());
    (rules, vec(twins, 0..4), any::<bool>()).prop_map(|(mut rules, twins, many)| {
        for (at, other_case) in twins {
            let sources = at.get(&rules).iter();
            let twin =
                |(scope, filter): &(Scope, Formula)| (scope.clone(), vary(filter, other_case));
            let twin = sources.map(twin).collect();
            rules.push(twin);
        }
        if many {
            rules.push(vec![(scope("product=windows"), many_terms())]);
        }
        Rules(rules.into_iter().map(rule).collect())
    })
}

/// So many tests of the event's own text that it is worth while to ask it in parts.
fn many_terms() -> Formula {
    let term = |at: usize| {
        let term = Test::Term(Glob::stars(&format!("none{at}")), Breakers::All);
        support::test(named("_raw"), term)
    };
    Formula::Or((0..40).map(term).collect())
}

/// The same formula with another case, or other elements, in every predicate.
fn vary(formula: &Formula, other_case: bool) -> Formula {
    let all = |parts: &[Formula]| parts.iter().map(|part| vary(part, other_case)).collect();
    match formula {
        Formula::And(parts) => Formula::And(all(parts)),
        Formula::Or(parts) => Formula::Or(all(parts)),
        Formula::Not(part) => Formula::not(vary(part, other_case)),
        Formula::Group(group) => vary(&group.formula, other_case),
        Formula::IsTrue(_) => formula.clone(),
        Formula::Test(predicate) => {
            let mut predicate = predicate.clone();
            match (other_case, predicate.case, predicate.elements) {
                (true, Case::Sensitive, _) => predicate.case = Case::Insensitive,
                (true, Case::Insensitive, _) => predicate.case = Case::Sensitive,
                (false, _, Elements::Any) => predicate.elements = Elements::All,
                (false, _, Elements::All) => predicate.elements = Elements::Single,
                (false, _, Elements::Single) => predicate.elements = Elements::Any,
            }
            Formula::Test(predicate)
        }
    }
}

/// A JSON text, written out.
type Json = String;

/// A string as JSON: escapes where there must be some, or wherever there may be.
fn json_string(text: &str, style: u8) -> Json {
    let mut out = String::from("\"");
    for c in text.chars() {
        match (c, style) {
            ('"' | '\\', 0 | 1) => out.extend(['\\', c]),
            ('/', 1) => out.push_str("\\/"),
            ('\n', 0 | 1) => out.push_str("\\n"),
            ('\t', 1) => out.push_str("\\t"),
            (c, 0 | 1) if c >= ' ' => out.push(c),
            (c, 2) if c.is_alphabetic() && c.is_lowercase() => out.push(c),
            (c, style) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&match style {
                        3 => format!("\\u{unit:04X}"),
                        _ => format!("\\u{unit:04x}"),
                    });
                }
            }
        }
    }
    out.push('"');
    out
}

fn style() -> impl Strategy<Value = u8> {
    prop_oneof![6 => Just(0_u8), 1 => Just(1), 1 => Just(2), 1 => Just(3)]
}

fn json_value(world: &World) -> impl Strategy<Value = Json> + use<> {
    let name = json_name(world);
    let scalar = prop_oneof![
        4 => (text(world), style()).prop_map(|(text, style)| json_string(&text, style)),
        2 => select(TOKENS).prop_map(str::to_owned),
    ];
    scalar.prop_recursive(2, 6, 3, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(", "))),
            vec((name.clone(), inner), 0..3).prop_map(|members| json_object(&members)),
        ]
    })
}

fn json_name(world: &World) -> impl Strategy<Value = Json> + Clone + use<> {
    let names =
        prop_oneof![6 => select(world.names.clone()), 1 => Just("Inner"), 1 => Just("Nested")];
    let style = prop_oneof![12 => Just(0_u8), 1 => Just(3)];
    (names, style).prop_map(|(name, style)| json_string(name, style))
}

fn json_object(members: &[(Json, Json)]) -> Json {
    let members = members.iter().map(|(name, value)| format!("{name}: {value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// Members in front of which a shape puts its header.
fn members(world: &World) -> impl Strategy<Value = Vec<(Json, Json)>> + use<> {
    vec((json_name(world), json_value(world)), 0..6)
}

/// One record, as one of several exporters writes it.
fn record(world: &World) -> impl Strategy<Value = Json> + use<> {
    let channels =
        ["Security", "security", " Security ", "Sysmon", "Other", ""].map(|c| json_string(c, 0));
    let channel = prop_oneof![5 => select(channels.to_vec()), 1 => json_value(world)];
    let ids = ["1", "\"1\"", "2", "3", "\" 2 \"", "[1, 2]", "null"].map(str::to_owned);
    let id = prop_oneof![5 => select(ids.to_vec()), 1 => json_value(world)];
    let header = (id, channel).boxed();
    prop_oneof![
        3 => (header.clone(), members(world)).prop_map(|((id, channel), data)| format!(
            "{{\"Event\":{{\"System\":{{\"Provider\":{{\"#attributes\":{{\"Name\":\"Own\"}}}},\
             \"EventID\":{id},\"Channel\":{channel}}},\"EventData\":{}}}}}",
            json_object(&data)
        )),
        2 => (header, members(world)).prop_map(|((id, channel), mut data)| {
            let at = data.len() / 2;
            data.insert(at, ("\"EventID\"".to_owned(), id));
            data.insert(0, ("\"Channel\"".to_owned(), channel));
            data.push(("\"SourceName\"".to_owned(), "\"Own\"".to_owned()));
            json_object(&data)
        }),
        1 => members(world).prop_map(|mut data| {
            data.push(("\"EventId\"".to_owned(), "1".to_owned()));
            data.push(("\"UtcTime\"".to_owned(), "\"2021-01-03 23:59:01.5\"".to_owned()));
            json_object(&data)
        }),
        3 => members(world).prop_map(|data| json_object(&data)),
    ]
}

/// Events that come again, in another order: what is remembered has to serve them as well.
fn records(world: &World) -> impl Strategy<Value = Vec<Json>> + use<> {
    let distinct = vec(record(world), 1..12);
    (distinct, vec(any::<prop::sample::Index>(), 0..12)).prop_map(|(mut records, again)| {
        let more: Vec<Json> = again.iter().map(|at| at.get(&records).clone()).collect();
        records.extend(more);
        records
    })
}

/// Reads every part as a log of its own, with one ingest and one matcher for all of them.
fn decide(parts: &[String], plan: &Plan, interest: &dyn Interest, bytes: usize) -> Vec<Decided> {
    let settings = Settings { dictionary_bytes: bytes, ..Settings::default() };
    let (mut ingest, mut matcher) = (Ingest::new(settings), Matcher::new(plan));
    let mut read_one = |part: &String| {
        let mut decided = Decided::new();
        let mut log = log(part.as_str());
        while let Some(unit) = log.next_unit() {
            ingest.read(unit.into_records(), interest, |batch| {
                for row in batch.rows {
                    decided.insert(row.record, (Vec::new(), batch.event(row)));
                }
                matcher.run(batch, |row, program, rules| {
                    let rules = rules.iter().map(|at| program.rules()[*at as usize].rule);
                    if let Some((found, _)) = decided.get_mut(&batch.rows[row].record) {
                        found.extend(rules);
                        found.sort_unstable();
                        found.dedup();
                    }
                });
            });
        }
        decided
    };
    parts.iter().map(&mut read_one).collect()
}

fn all_that_fire(plan: &Plan, views: &Views, event: &Event) -> Vec<usize> {
    let rules = plan.rules().iter().enumerate();
    rules.filter(|(_, rule)| fires(rule, views, event)).map(|(at, _)| at).collect()
}

fn hits_of_a_scan(parts: &[String], plan: &Plan, jobs: usize) -> Vec<(usize, u64, usize)> {
    let folder = tempfile::tempdir().expect("a folder for logs");
    let logs = parts.iter().enumerate().map(|(at, part)| {
        let path = folder.path().join(at.to_string());
        std::fs::write(&path, part).expect("room for a log");
        LogFile { name: path.to_string_lossy().into(), path: Some(path), lines: false }
    });
    let logs: Vec<LogFile> = logs.collect();
    let settings = ScanSettings { jobs, ..ScanSettings::default() };
    let mut hits = Vec::new();
    let make = |hit: rulestone_engine::Hit<'_>| (hit.event.record, hit.rule_at);
    scan(&logs, plan, &settings, &AtomicBool::new(false), make, |outcome| {
        hits.extend(outcome.hits.into_iter().map(|(record, rule)| (outcome.log, record, rule)));
    });
    hits
}

fn agree(rules: Vec<Arc<Rule>>, records: &[Json], parts: usize) -> Result<(), TestCaseError> {
    let views = &*VIEWS;
    let plan = Plan::new(rules, views);
    let lines = |part: &[Json]| part.iter().map(|record| format!("{record}\n")).collect();
    let parts: Vec<String> = records.chunks(records.len().div_ceil(parts)).map(lines).collect();
    let reference = Reference::new(plan.rules(), views);

    let mut expected = Vec::new();
    for (interest, bytes) in [
        (&EveryKind(&plan) as &dyn Interest, 24 << 20),
        (&EveryKind(&plan), 0),
        (&EveryKind(&plan), 300),
        (&Everything, 300),
    ] {
        let decided = decide(&parts, &plan, interest, bytes);
        prop_assert_eq!(decided.iter().map(BTreeMap::len).sum::<usize>(), records.len());
        expected.clear();
        for (log, decided) in decided.iter().enumerate() {
            for (record, (found, event)) in decided {
                let firing = all_that_fire(&plan, views, event);
                prop_assert_eq!(found, &firing, "{} bytes, {:?}", bytes, event);
                prop_assert_eq!(reference.firing(event), found.as_slice());
                expected.extend(firing.into_iter().map(|rule| (log, *record, rule)));
            }
        }
    }
    for jobs in [1, 3] {
        prop_assert_eq!(hits_of_a_scan(&parts, &plan, jobs), expected.clone());
    }
    Ok(())
}

/// `PROPTEST_CASES` may ask for more.
fn config() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    ProptestConfig { cases: config.cases.max(1000), ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_matcher_finds_what_the_reference_finds(
        (rules, records) in world().prop_flat_map(|world| (rules(&world), records(&world))),
        parts in 1_usize..4,
    ) {
        agree(rules.0, &records, parts)?;
    }
}
