//! Expressions as `name(arguments)`, with functions by their name in output; values as `null`,
//! `true`, `1`, `"text"`, `@seconds` for a time, `[a, b]` for a list; `$name` for a column, `this`
//! for the element at hand.

use std::iter::Peekable;
use std::str::Chars;

use proptest::prelude::*;
use rulestone_ir::{
    Breakers, Case, Comparison, Elements, Field, Formula, Predicate, Regex, Relation, Schema, Span,
    Test,
};
use rulestone_value::{Glob, TimePart};

use super::*;

mod structured;
mod tables;

fn read(text: &str) -> Expr {
    let mut chars = text.chars().peekable();
    let expr = expr(&mut chars);
    assert_eq!(chars.next(), None, "in {text}");
    expr
}

fn expr(chars: &mut Peekable<Chars<'_>>) -> Expr {
    match *chars.peek().expect("an expression") {
        '"' | '@' | '[' | '-' | '0'..='9' => Expr::Literal(value(chars)),
        '$' => {
            chars.next();
            Expr::Field(word(chars).into())
        }
        _ => match word(chars).as_str() {
            "null" => Expr::Literal(Value::Null),
            "true" => Expr::Literal(Value::Bool(true)),
            "false" => Expr::Literal(Value::Bool(false)),
            "this" => Expr::This,
            name => {
                let function = Function::ALL.iter().find(|function| function.name() == name);
                let function = *function.unwrap_or_else(|| panic!("no function {name}"));
                let arguments = listed(chars, ('(', ')'), expr);
                assert!(function.arguments().contains(&arguments.len()), "{name}");
                Expr::call(function, arguments, Span::default())
            }
        },
    }
}

fn listed<T>(
    chars: &mut Peekable<Chars<'_>>,
    (open, close): (char, char),
    one: fn(&mut Peekable<Chars<'_>>) -> T,
) -> Vec<T> {
    assert_eq!(chars.next(), Some(open));
    let mut all = Vec::new();
    while chars.next_if_eq(&close).is_none() {
        all.push(one(chars));
        while chars.next_if(|c| *c == ',' || *c == ' ').is_some() {}
    }
    all
}

fn word(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::new();
    while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || "_.-".contains(*c)) {
        word.push(c);
    }
    word
}

fn value(chars: &mut Peekable<Chars<'_>>) -> Value {
    match *chars.peek().expect("a value") {
        '"' => {
            chars.next();
            let mut text = String::new();
            loop {
                match chars.next().expect("the end of a text") {
                    '"' => return Value::String(text),
                    // Only what Rust's own escapes would make hard to read.
                    '`' => text.push('"'),
                    c => text.push(c),
                }
            }
        }
        '@' => {
            chars.next();
            let ticks = (word(chars).parse::<f64>().unwrap() * 1e7).round() as i64;
            Value::Time(Time::from_ticks(ticks))
        }
        '[' => Value::list(listed(chars, ('[', ']'), value)),
        _ => {
            let word = word(chars);
            match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                number => match number.parse() {
                    Ok(number) => Value::Integer(number),
                    Err(_) => Value::Float(number.parse().unwrap()),
                },
            }
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => format!("\"{}\"", text.replace('"', "`")),
        Value::Time(time) => format!("@{}", time.seconds_text()),
        Value::List(elements) => {
            format!("[{}]", elements.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        value => value.text().unwrap_or_default().into_owned(),
    }
}

/// The same with a column for every literal, so that nothing is folded.
fn unfolded(expr: &Expr, names: &mut Names, values: &mut Vec<Value>) -> Expr {
    match expr {
        Expr::Literal(value) => {
            let name: std::sync::Arc<str> = format!("literal {}", values.len()).into();
            assert_eq!(names.slot(&name), values.len());
            values.push(value.clone());
            Expr::Field(name)
        }
        Expr::Call { function, arguments, span } => {
            let arguments = arguments.iter().map(|argument| unfolded(argument, names, values));
            Expr::call(*function, arguments.collect(), *span)
        }
        expr => expr.clone(),
    }
}

/// What an expression makes of no row, as literals and as columns.
fn evaluated(expr: &Expr) -> (Value, Value) {
    let mut names = Names::default();
    let folded = Compiled::new(expr, &mut names).value(&Context::of(&names, &[]));
    let (mut names, mut values) = (Names::default(), Vec::new());
    let expr = unfolded(expr, &mut names, &mut values);
    let compiled = Compiled::new(&expr, &mut names);
    (folded, compiled.value(&Context::of(&names, &values)))
}

/// Rows of an expression and what it makes.
fn check(rows: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (text, expected) in rows {
        let (folded, read) = evaluated(&read(text));
        for (how, value) in [("folded", folded), ("of columns", read)] {
            if shown(&value) != *expected {
                wrong.push(format!("{text} is {}, not {expected} ({how})", shown(&value)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn columns() {
    let mut names = Names::default();
    for name in ["a", "b", "fields.user", "which", "x_count", "t"] {
        names.slot(name);
    }
    let values = [
        Value::Integer(1),
        Value::Null,
        Value::string("bob"),
        Value::string("fields.user"),
        Value::Integer(7),
        Value::Time(Time::from_ticks(15_000_000)),
    ];
    let own = Value::string("v");
    let at = ColumnAtHand { value: &own, name: "x_bytes", star: "x" };
    let now = Time::from_ticks(99_999_999);
    let star = |pattern: &str| Expr::Sibling(pattern.into());
    let cases = [
        (Expr::Field("a".into()), "1"),
        (Expr::Field("b".into()), "null"),
        (Expr::Field("nowhere".into()), "null"),
        (Expr::Indirect("which".into()), "\"bob\""),
        (Expr::Indirect("a".into()), "null"),
        (Expr::Indirect("b".into()), "null"),
        (Expr::This, "\"v\""),
        (Expr::ThisName, "\"x_bytes\""),
        (Expr::ThisMatch, "\"x\""),
        (star("*_count"), "7"),
        (star("*_none"), "null"),
        (read("add($a, $t)"), "2.5"),
        (read("concat($t, $which)"), "\"1.5fields.user\""),
        (read("now()"), "9"),
        (read("is_null($nowhere)"), "true"),
        (read("each_element([1, 2], add(this, $a))"), "[2, 3]"),
        (read("mv_count(this)"), "1"),
    ];
    for (expr, expected) in cases {
        let compiled = Compiled::new(&expr, &mut names);
        let context =
            Context { now: Some(now), place: 0, at: Some(at), ..Context::of(&names, &values) };
        assert_eq!(shown(&compiled.value(&context)), expected, "{expr:?}");
        // Elements of lists leave the column at hand where it is.
        assert_eq!(shown(&compiled.value(&context)), expected, "{expr:?}");
    }
    let compiled = Compiled::new(&Expr::Field("late".into()), &mut names);
    assert_eq!(compiled.value(&Context::of(&names, &values)), Value::Null);
    assert_eq!(
        Compiled::new(&read("now()"), &mut names).value(&Context::of(&names, &[])),
        Value::Null,
    );
    assert_eq!(
        Compiled::new(&Expr::This, &mut names).value(&Context::of(&names, &[])),
        Value::Null
    );
}

#[test]
fn random_depends_on_the_place_alone() {
    let mut names = Names::default();
    let random = Compiled::new(&read("random()"), &mut names);
    let at = |place| random.value(&Context { place, ..Context::of(&names, &[]) });
    let numbers: Vec<Value> = (0..100).map(at).collect();
    assert_eq!(numbers, (0..100).map(at).collect::<Vec<_>>());
    assert_ne!(numbers[0], numbers[1]);
    for number in numbers {
        assert!(matches!(number, Value::Integer(0..=0x7fff_ffff)), "{number:?}");
    }
}

fn predicate(name: &str, test: Test, case: Case) -> Predicate {
    let field = match name {
        "*" => Field::Any,
        name => Field::Named { schema: Schema::Raw, name: name.into() },
    };
    Predicate { field, elements: Elements::Any, test, case, span: Span::default() }
}

fn tests() -> Vec<Test> {
    let regex = |pattern: &str| Regex {
        pattern: pattern.to_owned(),
        ignore_case: false,
        multi_line: false,
        dot_all: false,
    };
    vec![
        Test::Exists,
        Test::Equals("Ab".to_owned()),
        Test::StartsWith("a".to_owned()),
        Test::EndsWith("B".to_owned()),
        Test::Contains("a b".to_owned()),
        Test::Wildcard(Glob::stars("a*B")),
        Test::Term(Glob::stars("a"), Breakers::All),
        Test::Regex(regex("^a.$")),
        Test::Regex(regex("(")),
        Test::Cidr("10.0.0.0/8".parse().unwrap()),
        Test::Number(Comparison::GreaterOrEqual, 5.0),
    ]
}

fn row(values: &[(&str, Value)]) -> (Names, Vec<Value>) {
    let mut names = Names::default();
    for (name, _) in values {
        names.slot(name);
    }
    (names, values.iter().map(|(_, value)| value.clone()).collect())
}

#[test]
fn predicates_agree_with_the_reference() {
    let texts = ["Ab", "ab", "a b", "x a b", "10.1.2.3", "7", "4.9", "", "B", "aXb"];
    let mut values: Vec<Value> = texts.map(Value::string).to_vec();
    values.extend([Value::Null, Value::Integer(5), Value::Float(4.5), Value::Bool(true)]);
    values.push(Value::list(texts.map(Value::string)));
    for value in values {
        let (mut names, values) = row(&[("f", value.clone())]);
        for test in tests() {
            for case in [Case::Sensitive, Case::Insensitive] {
                let mut predicate = predicate("f", test.clone(), case);
                for elements in [Elements::Any, Elements::All, Elements::Single] {
                    predicate.elements = elements;
                    let expected = over_elements(&predicate, &value);
                    let formula = Formula::Test(predicate.clone());
                    let formula = CompiledFormula::new(&formula, &mut names);
                    let holds = formula.holds(&Context::of(&names, &values));
                    assert_eq!(holds, expected, "{predicate:?} on {value:?}");
                }
            }
        }
    }
}

fn over_elements(predicate: &Predicate, value: &Value) -> bool {
    crate::matcher::over_elements(predicate.elements, value.elements(), |element| {
        crate::reference::element_passes(&predicate.test, predicate.case, element)
    })
}

#[test]
fn formulas_over_rows() {
    let (mut names, values) = row(&[
        ("a", Value::string("cmd.exe")),
        ("b", Value::string("CMD")),
        ("n", Value::Null),
        ("t", Value::Time(Time::parse("2024-03-05T10:20:30.5Z").unwrap())),
        ("mv", Value::list([Value::string("x"), Value::string("y")])),
    ]);
    let test = |name: &str, test: Test| Formula::Test(predicate(name, test, Case::Insensitive));
    let field = |name: &str| Field::Named { schema: Schema::Raw, name: name.into() };
    let is_true = |text: &str| Formula::IsTrue(Box::new(read(text)));
    let cases = [
        (Formula::TRUE, true),
        (Formula::FALSE, false),
        (test("*", Test::Equals("Y".to_owned())), true),
        (test("*", Test::Equals("z".to_owned())), false),
        (test("n", Test::Exists), false),
        (Formula::not(test("n", Test::Equals(String::new()))), true),
        (test("a", Test::SameAs(field("b"), Relation::StartsWith)), true),
        (test("a", Test::SameAs(field("b"), Relation::Equals)), false),
        (test("a", Test::SameAs(field("n"), Relation::StartsWith)), false),
        // A time is its seconds, but where a part of the date is asked for.
        (test("t", Test::Number(Comparison::Greater, 1_709_634_030.0)), true),
        (test("t", Test::Equals("1709634030.5".to_owned())), true),
        (test("t", Test::Contains("2024".to_owned())), false),
        (test("t", Test::TimePart(TimePart::Hour, Comparison::Equal, 10.0)), true),
        (test("t", Test::SameAs(field("t"), Relation::Equals)), true),
        // Null and false are not true.
        (is_true("eq_any($a, \"cmd.exe\")"), true),
        (is_true("eq_any($a, \"CMD.EXE\")"), false),
        (is_true("eq_any($n, 1)"), false),
        (Formula::not(is_true("eq_any($n, 1)")), true),
        (is_true("not3(eq_any($n, 1))"), false),
        (is_true("1"), false),
        (is_true("\"true\""), false),
        (Formula::and([is_true("eq_any($mv, \"x\")"), is_true("eq_any($mv, \"y\")")]), true),
        (Formula::or([is_true("null"), test("mv", Test::Equals("X".to_owned()))]), true),
    ];
    for (formula, expected) in cases {
        let compiled = CompiledFormula::new(&formula, &mut names);
        assert_eq!(compiled.holds(&Context::of(&names, &values)), expected, "{formula:?}");
    }
}

#[test]
fn filters_within_expressions() {
    let (mut names, values) = row(&[("a", Value::string("CMD")), ("n", Value::Null)]);
    let holds = |name: &str| {
        let test = Test::Equals("cmd".to_owned());
        Expr::Holds(Box::new(Formula::Test(predicate(name, test, Case::Insensitive))))
    };
    let chosen = |condition: Expr| {
        let texts = [Expr::text("yes"), Expr::text("no")];
        let [yes, no] = texts;
        Expr::call(Function::Case, vec![condition, yes, no], Span::default())
    };
    for (expr, expected) in [
        (holds("a"), "true"),
        (holds("n"), "false"),
        (chosen(holds("a")), "\"yes\""),
        (chosen(holds("n")), "\"no\""),
    ] {
        let compiled = Compiled::new(&expr, &mut names);
        assert_eq!(shown(&compiled.value(&Context::of(&names, &values))), expected, "{expr:?}");
    }
}

/// A row that gives values by name.
struct Named(Vec<(&'static str, Value)>);

impl crate::reference::Row for Named {
    fn value(&self, _: Schema, name: &std::sync::Arc<str>) -> std::rc::Rc<Value> {
        let value = self.0.iter().find(|(own, _)| **own == **name);
        std::rc::Rc::new(value.map(|(_, value)| value.clone()).unwrap_or_default())
    }

    fn any(&self, passes: &mut dyn FnMut(&Value) -> bool) -> bool {
        self.0.iter().any(|(_, value)| passes(value))
    }
}

#[test]
fn the_reference_asks_expressions_too() {
    let columns = vec![("a", Value::Integer(7)), ("n", Value::Null), ("which", Value::string("a"))];
    let (mut names, values) = row(&columns);
    let row = Named(columns);
    let holds = Formula::Test(predicate("a", Test::Equals("7".to_owned()), Case::Sensitive));
    let indirect = vec![Expr::Indirect("which".into()), Expr::Literal(Value::Integer(7))];
    let cases = [
        (read("gt_any($a, 5)"), true),
        (read("gt_any($a, 9)"), false),
        (read("eq_any($n, 1)"), false),
        (read("is_null($n)"), true),
        (read("is_not_null(elements_where($a, eq_any(this, 7)))"), true),
        (Expr::call(Function::EqAny, indirect, Span::default()), true),
        (Expr::Holds(Box::new(holds)), true),
        (Expr::Sibling("*".into()), false),
    ];
    for (expr, expected) in cases {
        let formula = Formula::IsTrue(Box::new(expr));
        assert_eq!(crate::reference::row_holds(&formula, &row), expected, "{formula:?}");
        let compiled = CompiledFormula::new(&formula, &mut names);
        assert_eq!(compiled.holds(&Context::of(&names, &values)), expected, "{formula:?}");
    }
}

/// Values that go wrong somewhere.
fn odd_value() -> impl Strategy<Value = Value> {
    let texts = [
        "",
        " ",
        "0",
        "-0",
        "1e400",
        "1e308",
        "-1",
        "9223372036854775808",
        "nan",
        "é\u{301}ß\u{0}",
        "\u{202e}\u{10ffff}",
        "(",
        "(?<a>x",
        "(?=(a+)+)b",
        "%",
        "%%",
        "%5",
        "%Q",
        "%3N %:::z %999999999d",
        "@",
        "-1mon@q+99999999999999999d",
        "@w9",
        "a{",
        "a{0}.b{}",
        "{}",
        "{-1}",
        "a{@x}",
        "'",
        "{\"a\":[1,{\"b\":null}]}",
        "[[[[",
        "<a><b x='1'/></a>",
        "<a>&x;&#0;</a>",
        "\\1\\9\\",
        "%*d%-0+#'9.9f",
        "10.0.0.0/8",
        "::ffff:10.0.0.1",
        "aGk=",
        "1+02:03:04",
        "12MB",
        "hex",
        "commas",
        "duration",
        "2024-02-30 25:61:61",
        "%Y-%m-%d %H:%M:%S.%6N%z",
        "İ",
        "|a|\"b|c",
    ];
    let numbers = [
        f64::NAN,
        f64::INFINITY,
        f64::MIN,
        f64::MAX,
        f64::MIN_POSITIVE,
        -0.0,
        0.5,
        -2.5,
        1e15,
        9.1e18,
    ];
    let whole = [i64::MIN, i64::MAX, -1, 0, 1, 2, 36, 53, 64, 1000, 1 << 53];
    let one = prop_oneof![
        proptest::sample::select(texts.to_vec()).prop_map(Value::string),
        proptest::sample::select(numbers.to_vec()).prop_map(Value::Float),
        proptest::sample::select(whole.to_vec()).prop_map(Value::Integer),
        proptest::sample::select(whole.to_vec())
            .prop_map(|ticks| Value::Time(Time::from_ticks(ticks))),
        any::<bool>().prop_map(Value::Bool),
        any::<String>().prop_map(Value::String),
        Just(Value::Null),
    ];
    prop_oneof![
        4 => one.clone(),
        1 => proptest::collection::vec(one, 0..4).prop_map(Value::list),
    ]
}

proptest! {
    #[test]
    fn nothing_panics(
        function in proptest::sample::select(Function::ALL.to_vec()),
        values in proptest::collection::vec(odd_value(), 5),
    ) {
        let (least, most) = function.arguments().into_inner();
        for count in least..=most.min(5) {
            let arguments = values[..count].iter().map(|value| Expr::Literal(value.clone()));
            let expr = Expr::call(function, arguments.collect(), Span::default());
            let (folded, read) = evaluated(&expr);
            prop_assert_eq!(shown(&folded), shown(&read));
        }
    }
}

#[test]
fn what_is_deep_or_long_is_bounded() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let xml = format!("{}1{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let call = |function, arguments: Vec<Value>| {
        let arguments = arguments.into_iter().map(Expr::Literal).collect();
        evaluated(&Expr::call(function, arguments, Span::default())).1
    };
    let text = |text: &str| Value::string(text);
    let long = "x".repeat(9 << 20);
    let cases = [
        (Function::JsonValid, vec![text(&deep)], Value::Bool(false)),
        (Function::AnyPath, vec![text(&deep), text("{}")], Value::Null),
        (Function::AnyPath, vec![text(&xml), text("a.a")], Value::Null),
        (Function::Concat, vec![text(&long), text(&long)], Value::Null),
        (Function::Add, vec![text(&long), text(&long)], Value::Null),
        (Function::MvRange, vec![Value::Integer(0), Value::Float(1e300)], Value::Null),
        (Function::RegexFindAny, vec![text("a"), text(&"(?:a{500}){500}".repeat(40))], Value::Null),
    ];
    for (function, arguments, expected) in cases {
        assert_eq!(call(function, arguments), expected, "{function}");
    }
}
