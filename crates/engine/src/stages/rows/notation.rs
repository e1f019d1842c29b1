//! Rows as tests write them.
//!
//! A line is a row, `-` one without columns. Columns are `name=value` with blanks between. A value
//! is a whole number, a number with a point, `@seconds` for a time, `[a,b]` for a list, text in
//! `'` or as it is; columns that are not written are null. Blanks in names are not written.

use std::sync::Arc;

use rulestone_ir::{
    Clock, Expr, Formula, Function, Input, Language, Meta, Origin, RowStage, Rule, Schema, Scope,
    Source, Span, Stage, StageKind, Trigger, Vendor,
};
use rulestone_value::{Time, Value};

use super::Tools;
use crate::pipeline::{Pipeline, PipelineSettings};
use crate::row::{Names, Proof, Seen, Tuple};

/// A row as names and values.
pub(crate) type Row = Vec<(String, Value)>;

/// Reads rows.
pub(crate) fn rows(text: &str) -> Vec<Row> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(row).collect()
}

fn row(line: &str) -> Row {
    if line == "-" {
        return Vec::new();
    }
    let mut columns = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=').expect("name=value");
        let mut quoted = false;
        let ends = |c: char| {
            quoted ^= c == '\'';
            c == ' ' && !quoted
        };
        let end = behind.find(ends).unwrap_or(behind.len());
        columns.push((name.to_owned(), value(&behind[..end])));
        rest = behind[end..].trim_start();
    }
    columns
}

fn value(text: &str) -> Value {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return Value::List(inner.split(',').map(value).collect());
    }
    if let Some(inner) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return Value::string(inner.replace("\\n", "\n"));
    }
    if let Some(seconds) = text.strip_prefix('@') {
        let seconds = seconds.parse().expect("seconds");
        return Value::Time(Time::from_fraction(seconds).expect("a time"));
    }
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(number), _) => Value::Integer(number),
        (_, Ok(number)) if text.contains('.') => Value::Float(number),
        _ => Value::string(text),
    }
}

/// Writes a value so that reading it gives the same.
fn write(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("bool:{value}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Time(time) => format!("@{}", time.seconds_text()),
        Value::List(values) => {
            format!("[{}]", values.iter().map(write).collect::<Vec<_>>().join(","))
        }
        Value::String(text) => {
            let plain = !text.is_empty()
                && !text.contains([' ', '\'', ',', '[', '\n', '@'])
                && self::value(text) == *value;
            if plain { text.clone() } else { format!("'{}'", text.replace('\n', "\\n")) }
        }
    }
}

/// Writes rows, each with its columns by name.
pub(crate) fn print(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let mut columns: Vec<String> = row
            .iter()
            .map(|(name, value)| format!("{}={}", name.replace(' ', ""), write(value)))
            .collect();
        columns.sort();
        if columns.is_empty() { "-\n".to_owned() } else { columns.join(" ") + "\n" }
    };
    rows.iter().map(line).collect()
}

/// A row in the columns of a run, resting on one event.
pub(crate) fn tuple(row: &Row, names: &mut Names, record: u64, source: u32) -> Tuple {
    let mut out = Tuple::default();
    let mut time = i64::MIN;
    for (name, value) in row {
        if let ("_time", Value::Time(own)) = (name.as_str(), value) {
            time = own.ticks();
        }
        out.set(names.slot(name), value.clone());
    }
    let origin = crate::order::Origin { log: 0, record, unit: 0, position: 0 };
    out.proof = Proof::of(Seen { time, origin, source });
    out
}

/// A row back as names and values.
pub(crate) fn named(tuple: &Tuple, names: &Names) -> Row {
    tuple.columns().map(|(slot, value)| (names.name(slot).to_string(), value.clone())).collect()
}

/// A rule of so many sources of events and these stages.
pub(crate) fn rule(sources: usize, stages: Vec<(RowStage, Vec<Input>)>) -> Arc<Rule> {
    let scope = Scope { schema: Schema::Raw, keys: Default::default() };
    let source = Source::Events { scope, filter: Formula::TRUE };
    let stage = |(kind, inputs)| Stage {
        kind: StageKind::Rows(kind),
        inputs,
        span: Span::default(),
        native_name: Arc::from("test"),
    };
    Arc::new(Rule {
        meta: Meta::default(),
        origin: Origin {
            vendor: Vendor::Query,
            language: Language::ALL[0],
            path: Arc::from("test"),
            span: Span::default(),
            tests: Vec::new(),
            drilldowns: Vec::new(),
            search: None,
        },
        sources: vec![source; sources],
        stages: stages.into_iter().map(stage).collect(),
        clock: Clock::Whole,
        trigger: Trigger::default(),
    })
}

/// Settings with room enough.
pub(crate) fn settings() -> PipelineSettings {
    PipelineSettings { memory: 64 << 20, tools: Tools::default() }
}

/// Runs a whole pipeline over the rows of its sources, the sources in the order it asks for.
pub(crate) fn run(rule: &Arc<Rule>, sources: &[&str]) -> String {
    let mut pipeline = Pipeline::whole(rule, &settings());
    pipeline.begin(Time::from_seconds(1_000));
    for source in crate::pipeline::order(rule) {
        for (at, row) in rows(sources[source]).iter().enumerate() {
            let row = tuple(row, pipeline.names_mut(), at as u64, source as u32);
            pipeline.push(source, row).expect("room");
        }
        pipeline.end_source(source).expect("room");
    }
    let result = pipeline.finish().expect("room");
    let named: Vec<Row> = result.iter().map(|row| named(row, pipeline.names())).collect();
    print(&named)
}

/// Holds what a stage makes of rows against what is expected.
#[track_caller]
pub(crate) fn check(stage: RowStage, input: &str, expected: &str) {
    let name = format!("{stage:?}");
    let rule = rule(1, vec![(stage, vec![Input::Source(0)])]);
    assert_eq!(run(&rule, &[input]), print(&rows(expected)), "{name}");
}

/// The same of a stage with two inputs.
#[track_caller]
pub(crate) fn check_two(stage: RowStage, first: &str, second: &str, expected: &str) {
    let name = format!("{stage:?}");
    let inputs = vec![Input::Source(0), Input::Source(1)];
    let rule = rule(2, vec![(stage, inputs)]);
    assert_eq!(run(&rule, &[first, second]), print(&rows(expected)), "{name}");
}

/// A column.
pub(crate) fn field(name: &str) -> Expr {
    Expr::Field(Arc::from(name))
}

/// A value.
pub(crate) fn literal(text: &str) -> Expr {
    Expr::Literal(value(text))
}

/// A function.
pub(crate) fn call(function: Function, arguments: Vec<Expr>) -> Expr {
    Expr::call(function, arguments, Span::default())
}

/// Whether a column equals a value.
pub(crate) fn equals(name: &str, text: &str) -> Formula {
    Formula::IsTrue(Box::new(call(Function::EqAny, vec![field(name), literal(text)])))
}

/// Names.
pub(crate) fn names(text: &str) -> Vec<Arc<str>> {
    text.split_whitespace().map(Arc::from).collect()
}
