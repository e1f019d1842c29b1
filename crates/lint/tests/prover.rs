//! The prover against the reference evaluator: what never holds holds for no row, and what can hold
//! holds for the row that it names.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;
use rulestone_engine::reference::{Row, row_holds};
use rulestone_ir::{
    Breakers, Case, Comparison, Elements, Expr, Field, Formula, Function, Predicate, Regex, Schema,
    Span, Test,
};
use rulestone_lint::{Lists, Prover, Verdict, Witness};
use rulestone_value::{Glob, Piece, Value};

struct Columns(BTreeMap<Arc<str>, Value>);

impl Row for Columns {
    fn value(&self, _: Schema, name: &Arc<str>) -> Rc<Value> {
        Rc::new(self.0.get(name).cloned().unwrap_or_default())
    }

    fn any(&self, passes: &mut dyn FnMut(&Value) -> bool) -> bool {
        self.0.values().flat_map(Value::elements).any(passes)
    }
}

fn row(witness: &Witness) -> Columns {
    let list = |texts: &Vec<String>| match texts.as_slice() {
        [one] => Value::string(one),
        texts => match texts.is_empty() {
            true => Value::Null,
            false => Value::List(texts.iter().map(Value::string).collect()),
        },
    };
    Columns(witness.iter().map(|(name, texts)| (name.clone(), list(texts))).collect())
}

fn regex(pattern: &str, ignore_case: bool) -> Test {
    let pattern = pattern.to_owned();
    Test::Regex(Regex { pattern, ignore_case, multi_line: false, dot_all: false })
}

fn glob(text: &str) -> Glob {
    Glob::new(text.chars().map(|c| match c {
        '*' => Piece::Many,
        '?' => Piece::One,
        c => Piece::Text(c.to_string()),
    }))
}

fn predicate(field: &str, elements: Elements, test: Test, case: Case) -> Formula {
    let field = Field::Named { schema: Schema::Sigma, name: field.into() };
    Formula::Test(Predicate { field, elements, test, case, span: Span::default() })
}

fn is(field: &str, test: Test) -> Formula {
    predicate(field, Elements::Any, test, Case::Insensitive)
}

fn eval(function: Function, field: &str, value: Value) -> Formula {
    let arguments = vec![Expr::Field(field.into()), Expr::Literal(value)];
    Formula::IsTrue(Box::new(Expr::call(function, arguments, Span::default())))
}

/// `b` has one value at most.
fn decide(formula: &Formula) -> Verdict {
    let single = |field: &str| field == "b";
    Prover::default().decide(&[formula], Lists::Known(&single))
}

/// What a case is about, its formula, and the verdict.
type Decided = (&'static str, Formula, &'static str);

fn equals(text: &str) -> Test {
    Test::Equals(text.to_owned())
}

fn contains(text: &str) -> Test {
    Test::Contains(text.to_owned())
}

fn ends(text: &str) -> Test {
    Test::EndsWith(text.to_owned())
}

fn starts(text: &str) -> Test {
    Test::StartsWith(text.to_owned())
}

fn cidr(text: &str) -> Test {
    Test::Cidr(text.parse().expect("a network"))
}

fn term(text: &str) -> Test {
    Test::Term(Glob::stars(text), Breakers::All)
}

fn and(left: Formula, right: Formula) -> Formula {
    Formula::and([left, right])
}

fn not(part: Formula) -> Formula {
    Formula::not(part)
}

/// Tests of texts.
fn of_texts() -> Vec<Decided> {
    vec![
        ("two values of one", and(is("b", equals("x")), is("b", equals("y"))), "never"),
        ("two values of a list", and(is("a", equals("x")), is("a", equals("y"))), "can"),
        ("one but for case", and(is("b", equals("x")), is("b", equals("X"))), "can"),
        ("excluded", and(is("a", equals("x")), not(is("a", contains("x")))), "never"),
        ("excluded in part", and(is("a", contains("x")), not(is("a", equals("x")))), "can"),
        ("ends", and(is("b", ends("\\cmd.exe")), is("b", ends("\\net.exe"))), "never"),
        ("ends and has", and(is("b", ends("\\cmd.exe")), is("b", contains("windows"))), "can"),
        ("starts beyond", and(is("b", starts("ab")), is("b", regex("^[b-z]", false))), "never"),
        ("caseless starts", and(is("b", starts("ab")), is("b", regex("^A", false))), "can"),
        (
            "expressions",
            and(is("b", regex("^[a-f]+$", false)), is("b", regex("[0-9]", false))),
            "never",
        ),
        (
            "long expressions",
            and(is("b", regex("get-net", true)), not(is("b", contains("NET")))),
            "never",
        ),
        ("look-around", and(is("b", regex("(?=x)y", false)), is("b", equals("1"))), "never"),
        ("look-around alone", and(is("b", regex("(?<=x)y", false)), is("b", starts("z"))), "tell"),
        ("words", and(is("b", regex(r"\bnet\b", false)), not(is("b", contains("net")))), "never"),
        ("words apart", and(is("b", regex(r"\bnet\b", false)), is("b", contains("ternet"))), "can"),
    ]
}

/// Numbers, addresses and expressions.
fn of_numbers() -> Vec<Decided> {
    let number = Test::Number;
    vec![
        (
            "numbers",
            and(is("b", number(Comparison::Greater, 5.0)), is("b", number(Comparison::Less, 3.0))),
            "never",
        ),
        (
            "a number and a text",
            and(is("b", number(Comparison::Greater, 5.0)), is("b", equals("abc"))),
            "never",
        ),
        (
            "a number and its text",
            and(is("b", number(Comparison::Greater, 5.0)), is("b", equals("7"))),
            "can",
        ),
        (
            "a search and a where",
            and(is("b", equals("4104")), eval(Function::EqAny, "b", Value::Integer(4688))),
            "never",
        ),
        (
            "a where and a where",
            and(
                eval(Function::EqAny, "b", Value::Integer(1)),
                eval(Function::EqAny, "b", Value::string("x")),
            ),
            "never",
        ),
        ("networks", and(is("b", cidr("10.0.0.0/8")), is("b", equals("192.168.0.1"))), "never"),
        ("addresses", and(is("b", cidr("10.0.0.0/8")), is("b", starts("10.1."))), "tell"),
    ]
}

/// Absence, lists, cases, and formulas without a test.
fn of_formulas() -> Vec<Decided> {
    vec![
        ("absent", and(is("a", Test::Exists), not(is("a", Test::Exists))), "never"),
        ("terms", and(is("b", term("net")), not(is("b", contains("net")))), "never"),
        ("terms apart", and(is("b", term("net")), not(is("b", contains("netstat")))), "can"),
        (
            "all",
            and(is("a", equals("x")), predicate("a", Elements::All, equals("y"), Case::Sensitive)),
            "never",
        ),
        (
            "cases",
            Formula::and([
                Formula::or([is("b", equals("x")), is("a", equals("y"))]),
                not(is("b", contains("x"))),
                not(is("a", starts("y"))),
            ]),
            "never",
        ),
        ("nothing", Formula::FALSE, "never"),
        ("everything", Formula::TRUE, "can"),
        (
            "globs",
            and(is("b", Test::Wildcard(glob("a*c"))), is("b", Test::Wildcard(glob("??")))),
            "can",
        ),
        (
            "narrow globs",
            and(is("b", Test::Wildcard(glob("a*cd"))), is("b", Test::Wildcard(glob("??")))),
            "never",
        ),
    ]
}

#[test]
fn verdicts() {
    let cases = [of_texts(), of_numbers(), of_formulas()].concat();
    for (name, formula, expected) in cases {
        let verdict = decide(&formula);
        let word = match &verdict {
            Verdict::Can(_) => "can",
            Verdict::Never => "never",
            Verdict::CannotTell(_) => "tell",
        };
        assert_eq!(word, expected, "{name}: {verdict:?}");
    }
}

fn text() -> impl Strategy<Value = String> {
    "[aB1]{0,2}"
}

fn test() -> impl Strategy<Value = Test> {
    let patterns = ["^a", "b$", "[^a]", "a|1$", "^(a|b)?$", "1+", "^..$", r"\bb", "(?i)A"];
    let signs =
        [Comparison::Equal, Comparison::NotEqual, Comparison::Less, Comparison::GreaterOrEqual];
    prop_oneof![
        Just(Test::Exists),
        text().prop_map(Test::Equals),
        text().prop_map(Test::Contains),
        text().prop_map(Test::StartsWith),
        text().prop_map(Test::EndsWith),
        "[aB*?]{0,3}".prop_map(|text| Test::Wildcard(glob(&text))),
        "[aB]{1,2}".prop_map(|text| Test::Term(Glob::stars(&text), Breakers::All)),
        (prop::sample::select(patterns.to_vec()), any::<bool>()).prop_map(|(p, i)| regex(p, i)),
        (prop::sample::select(signs.to_vec()), 0..12_i32)
            .prop_map(|(sign, number)| Test::Number(sign, f64::from(number))),
    ]
}

fn formula() -> impl Strategy<Value = Formula> {
    let fields = prop::sample::select(vec!["a", "b"]);
    let elements = prop::sample::select(vec![Elements::Any, Elements::All, Elements::Single]);
    let case = prop::sample::select(vec![Case::Insensitive, Case::Sensitive]);
    let functions = prop::sample::select(vec![
        Function::EqAny,
        Function::NeAny,
        Function::LtAny,
        Function::GeAny,
    ]);
    let tests = (fields.clone(), elements, test(), case)
        .prop_map(|(field, elements, test, case)| predicate(field, elements, test, case));
    let values = prop_oneof![text().prop_map(Value::string), (0..12_i64).prop_map(Value::Integer)];
    let evals = (functions, fields, values).prop_map(|(f, field, value)| eval(f, field, value));
    let leaf = prop_oneof![4 => tests, 1 => evals];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Formula::And),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Formula::Or),
            inner.prop_map(Formula::not),
        ]
    })
}

/// Every value of up to two characters, and lists of two of the shorter ones.
fn values(lists: bool) -> Vec<Vec<String>> {
    let mut texts = vec![String::new()];
    for first in ["a", "A", "b", "B", "1"] {
        texts.push(first.to_owned());
        texts.extend(["a", "b", "B", "1"].map(|second| format!("{first}{second}")));
    }
    let mut all = vec![Vec::new()];
    all.extend(texts.iter().map(|text| vec![text.clone()]));
    if lists {
        let short: Vec<&String> = texts.iter().filter(|text| text.len() < 2).collect();
        for left in &short {
            all.extend(short.iter().map(|right| vec![(*left).clone(), (*right).clone()]));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn agrees_with_the_reference(formula in formula()) {
        match decide(&formula) {
            Verdict::Can(witness) => {
                prop_assert!(row_holds(&formula, &row(&witness)), "{witness:?}");
            }
            Verdict::Never => {
                for a in values(true) {
                    for b in values(false) {
                        let own = Witness::from([("a".into(), a.clone()), ("b".into(), b)]);
                        prop_assert!(!row_holds(&formula, &row(&own)), "{own:?}");
                    }
                }
            }
            Verdict::CannotTell(_) => {}
        }
    }
}
