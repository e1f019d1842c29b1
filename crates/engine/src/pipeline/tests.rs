use std::sync::Arc;

use proptest::prelude::*;
use rulestone_ir::{
    AbsentSource, Aggregate, Aggregator, BinBy, Collation, Dedup, Duration, End, Expr, FillFields,
    Formula, Frame, Function, Input, Join, JoinKind, Keep, Measured, NamePattern, NullKey, Project,
    RowMeasure, RowStage, Rule, SortKey, Source, Span, Table, Target, Window,
};
use rulestone_value::{Time, Value};

use super::*;
use crate::stages::rows::notation::{
    Row, call, equals, field, literal, named, names, print, rows, rule, run, settings, tuple,
};

const FIRST: Input = Input::Source(0);

fn filter(name: &str, text: &str) -> RowStage {
    RowStage::Filter { condition: equals(name, text) }
}

fn compute(name: &str, expr: Expr) -> RowStage {
    RowStage::Compute { steps: vec![(Target::Name(Arc::from(name)), expr)] }
}

fn measure(function: Aggregator, of: &str, into: &str) -> RowMeasure {
    let of = Measured::Columns(NamePattern::new(of));
    RowMeasure { function, of, into: NamePattern::new(into) }
}

fn count() -> RowMeasure {
    RowMeasure { function: Aggregator::Count, of: Measured::Rows, into: NamePattern::new("n") }
}

fn aggregate(by: &str, measures: Vec<RowMeasure>) -> RowStage {
    let by = names(by).into_iter().map(|name| (name.clone(), name)).collect();
    RowStage::Aggregate(Aggregate { by, null: NullKey::Drop, measures, empty_row: false })
}

fn project(patterns: &str, mode: Keep, internal: Keep) -> RowStage {
    let names = names(patterns).into_iter().map(NamePattern::new).collect();
    RowStage::Project(Project { names, mode, internal, ordered: true })
}

fn rename(old: &str, new: &str) -> RowStage {
    let pairs = vec![(NamePattern::new(old), NamePattern::new(new))];
    RowStage::Rename { pairs, absent: AbsentSource::Clears }
}

fn join(kind: JoinKind, on: &str) -> RowStage {
    let (on, most) = (names(on), Some(1));
    RowStage::Join(Join { kind, on, most, overwrite: true, ignore_case: true })
}

/// Stages one behind the other.
fn chain(stages: Vec<RowStage>) -> Arc<Rule> {
    let input = |at: usize| if at == 0 { FIRST } else { Input::Stage(at - 1) };
    rule(1, stages.into_iter().enumerate().map(|(at, stage)| (stage, vec![input(at)])).collect())
}

#[test]
fn a_stage_may_feed_several() {
    // appendpipe: the rows, then what a pipeline behind them makes of them.
    let stages = vec![
        (filter("k", "x"), vec![FIRST]),
        (aggregate("", vec![count()]), vec![Input::Stage(0)]),
        (RowStage::Append, vec![Input::Stage(0), Input::Stage(1)]),
    ];
    assert_eq!(run(&rule(1, stages), &["k=x a=1\nk=y\nk=x a=2"]), "a=1 k=x\na=2 k=x\nn=2\n");
    // A diamond: both ways meet again.
    let stages = vec![
        (filter("k", "x"), vec![FIRST]),
        (compute("side", literal("left")), vec![Input::Stage(0)]),
        (compute("side", literal("right")), vec![Input::Stage(0)]),
        (RowStage::Append, vec![Input::Stage(1), Input::Stage(2)]),
        (aggregate("side", vec![count()]), vec![Input::Stage(3)]),
    ];
    assert_eq!(run(&rule(1, stages), &["k=x\nk=y\nk=x"]), "n=2 side=left\nn=2 side=right\n");
    // The same rows twice into one stage.
    let twice = vec![(RowStage::Append, vec![FIRST, FIRST])];
    assert_eq!(run(&rule(1, twice), &["a=1\na=2"]), "a=1\na=2\na=1\na=2\n");
}

#[test]
fn what_is_looked_for_is_fed_first() {
    let stages = vec![
        (join(JoinKind::Semi, "k"), vec![FIRST, Input::Source(1)]),
        (join(JoinKind::Left, "k"), vec![Input::Stage(0), Input::Source(2)]),
        (RowStage::Append, vec![Input::Stage(1), Input::Source(3)]),
    ];
    let rule = rule(4, stages);
    let mut pipeline = Pipeline::new(&rule, &settings());
    assert_eq!(order(&rule), [2, 1, 0, 3]);
    let sources = ["k=1 a=p\nk=2 a=q", "k=1\nk=3", "k=1 b=r", "c=s"];
    let expected = "a=p b=r k=1\nc=s\n";
    assert_eq!(run(&rule, &sources), expected);
    // Any other order gives the same.
    for other in [[0, 1, 2, 3], [3, 0, 2, 1]] {
        pipeline.begin(None);
        for source in other {
            for (at, row) in rows(sources[source]).iter().enumerate() {
                let row = tuple(row, pipeline.names_mut(), at as u64, source as u32);
                pipeline.push(source, row).expect("room");
            }
            pipeline.end_source(source).expect("room");
        }
        let result = pipeline.finish().expect("room");
        let result: Vec<Row> = result.iter().map(|row| named(row, pipeline.names())).collect();
        assert_eq!(print(&result), expected, "{other:?}");
    }
}

#[test]
fn tables_and_nothing_feed_themselves() {
    let table = Table {
        name: Arc::from("t"),
        columns: names("k v"),
        rows: vec![vec![Arc::from("a"), Arc::from("1")], vec![Arc::from("b"), Arc::from("")]],
        ..Table::default()
    };
    let mut rule = Arc::unwrap_or_clone(rule(
        3,
        vec![
            (join(JoinKind::Left, "k"), vec![FIRST, Input::Source(1)]),
            (RowStage::Append, vec![Input::Stage(0), Input::Source(2)]),
        ],
    ));
    rule.sources[1] = Source::Table { table: Arc::new(table), span: Span::default() };
    rule.sources[2] = Source::Nothing { rows: 2 };
    let rule = Arc::new(rule);
    assert_eq!(order(&rule), [0]);
    let expected = "k=a v='1'\nk=c\n_time=@1000\n_time=@1000\n";
    assert_eq!(run(&rule, &["k=a\nk=c", "", ""]), expected);
    let mut pipeline = Pipeline::new(&rule, &settings());
    pipeline.begin(None);
    let result = pipeline.finish().expect("room");
    assert!(result.iter().all(|row| row.proof.total == 0));
}

#[test]
fn too_much_state_is_refused() {
    let few = PipelineSettings { memory: 20_000, ..settings() };
    for stage in [
        RowStage::Reverse,
        RowStage::Sort { keys: Vec::new(), limit: None },
        aggregate("a", vec![count()]),
        aggregate("", vec![measure(Aggregator::Values(0), "*", "*")]),
        RowStage::Fill { fields: FillFields::All, value: Value::Integer(0) },
        RowStage::Window(Window { by: names("a"), measures: vec![count()], frame: Frame::Whole }),
    ] {
        let name = format!("{stage:?}");
        let rule = chain(vec![stage, filter("a", "nothing")]);
        let mut pipeline = Pipeline::whole(&rule, &few);
        for _ in 0..2 {
            pipeline.begin(None);
            let mut outcome = Ok(());
            for at in 0..1000 {
                let row = rows(&format!("a={at}")).remove(0);
                let row = tuple(&row, pipeline.names_mut(), at, 0);
                outcome = outcome.and_then(|()| pipeline.push(0, row));
            }
            assert_eq!(outcome.map_err(|refusal| refusal.code), Err("state-too-large"), "{name}");
            assert_eq!(pipeline.finish().map_err(|refusal| refusal.code), Err("state-too-large"));
        }
        // The next pane may fit.
        pipeline.begin(None);
        assert_eq!(pipeline.finish(), Ok(Vec::new()), "{name}");
    }
}

#[test]
fn names_out_of_data_are_bounded() {
    let extract = rulestone_ir::Extract {
        from: Arc::from("t"),
        by: rulestone_ir::Extractor::Pairs { between: None, equals: None },
    };
    // Rows that are kept would be too large before.
    let rule = chain(vec![RowStage::Extract(extract), filter("a", "nothing")]);
    let mut pipeline = Pipeline::whole(&rule, &settings());
    pipeline.begin(None);
    let mut outcome = Ok(());
    for at in 0..10_000 {
        let row = rows(&format!("t='name{at}=1'")).remove(0);
        let row = tuple(&row, pipeline.names_mut(), at, 0);
        outcome = outcome.and_then(|()| pipeline.push(0, row));
    }
    assert_eq!(outcome.map_err(|refusal| refusal.code), Err("too-many-columns"));
}

#[test]
fn columns_that_are_read() {
    let all_values = || measure(Aggregator::Values(0), "*", "*");
    for (stages, expected) in [
        (vec![], None),
        (vec![filter("a", "1")], None),
        (vec![filter("a", "1"), project("b", Keep::Keep, Keep::Drop)], Some("a b")),
        (vec![project("b", Keep::Keep, Keep::Keep)], Some("_raw _time b")),
        (vec![project("b*", Keep::Keep, Keep::Drop)], None),
        (vec![project("b", Keep::Drop, Keep::Keep)], None),
        (vec![aggregate("a b", vec![count()])], Some("a b")),
        (vec![aggregate("a", vec![all_values()])], None),
        (
            vec![aggregate("a", vec![all_values()]), project("a b", Keep::Keep, Keep::Drop)],
            Some("a b"),
        ),
        (vec![aggregate("a", vec![measure(Aggregator::Latest, "b", "b")])], Some("_time a b")),
        (vec![rename("x", "y"), aggregate("y", vec![])], Some("x y")),
        (vec![rename("P.*", "*"), aggregate("y", vec![])], Some("P.y y")),
        (vec![compute("y", field("x")), aggregate("y", vec![])], Some("x")),
        (vec![compute("y", literal("1")), aggregate("y", vec![])], Some("")),
        (vec![compute("z", Expr::Indirect(Arc::from("x"))), aggregate("z", vec![])], None),
        (vec![RowStage::Reverse, aggregate("a", vec![])], Some("a")),
        (
            vec![RowStage::Combine { field: Arc::from("a"), joined: None }, aggregate("a", vec![])],
            None,
        ),
    ] {
        let rule = chain(stages);
        let expected = expected.map_or(Columns::All, |text| Columns::Named(names(text)));
        assert_eq!(wanted(&rule, 0), expected, "{:?}", rule.stages);
    }
    let rule = rule(
        2,
        vec![
            (project("a k", Keep::Keep, Keep::Drop), vec![FIRST]),
            (project("b k", Keep::Keep, Keep::Drop), vec![Input::Source(1)]),
            (join(JoinKind::Semi, ""), vec![Input::Stage(0), Input::Stage(1)]),
            (aggregate("a", vec![count()]), vec![Input::Stage(2)]),
        ],
    );
    assert_eq!(wanted(&rule, 0), Columns::Named(names("a k")));
    assert_eq!(wanted(&rule, 1), Columns::Named(names("b k")));
}

#[test]
fn row_wise_rules_need_no_pane() {
    let now = call(Function::Now, Vec::new());
    for (stages, expected) in [
        (vec![], true),
        (vec![filter("a", "1"), rename("a", "b")], true),
        (vec![compute("b", field("a"))], true),
        (vec![filter("a", "1"), compute("b", now.clone())], false),
        (vec![RowStage::Filter { condition: Formula::IsTrue(Box::new(now)) }], false),
        (vec![filter("a", "1"), RowStage::Reverse], false),
        (vec![RowStage::Fill { fields: FillFields::All, value: Value::Null }], false),
    ] {
        let rule = chain(stages);
        assert_eq!(is_row_wise(&rule), expected, "{:?}", rule.stages);
    }
}

#[test]
fn the_order_of_the_result() {
    let rule = chain(vec![aggregate("z a", vec![count()]), compute("b", literal("1"))]);
    let mut pipeline = Pipeline::whole(&rule, &settings());
    pipeline.begin(None);
    let row = tuple(&rows("z=1 a=2")[0], pipeline.names_mut(), 0, 0);
    pipeline.push(0, row).expect("room");
    let result = pipeline.finish().expect("room");
    let columns = pipeline.columns(&result);
    let columns: Vec<&str> = columns.iter().map(|slot| &**pipeline.names().name(*slot)).collect();
    assert_eq!(columns, ["z", "a", "n", "b"]);
}

#[test]
fn a_long_pipeline_needs_no_deep_stack() {
    let rule = chain((0..3000).map(|_| filter("a", "1")).collect());
    assert_eq!(run(&rule, &["a=1\na=2"]), "a=1\n");
    assert_eq!(wanted(&rule, 0), Columns::All);
}

/// A row of a head in the columns of the pipeline.
fn carried(from: &Names, to: &mut Names, row: Tuple) -> Tuple {
    let mut out = Tuple { values: Vec::new(), proof: row.proof.clone() };
    for (slot, value) in row.columns() {
        out.set(to.slot(from.name(slot)), value.clone());
    }
    out
}

/// Runs a rule as a scan does: columns that are wanted, heads, panes.
fn run_with_heads(rule: &Arc<Rule>, sources: &[Vec<Row>]) -> Vec<Row> {
    let mut pipeline = Pipeline::new(rule, &settings());
    pipeline.begin(Time::from_seconds(1_000));
    for source in order(rule) {
        let head = Head::new(rule, source, &settings());
        let mut state = head.run_state();
        let wanted = wanted(rule, source);
        for (at, row) in sources[source].iter().enumerate() {
            let is_wanted = |name: &str| match &wanted {
                Columns::All => true,
                Columns::Named(names) => names.iter().any(|own| **own == *name),
            };
            let row: Row = row.iter().filter(|(name, _)| is_wanted(name)).cloned().collect();
            let row = tuple(&row, &mut state.names, at as u64, source as u32);
            let mut out = Vec::new();
            head.run(&mut state, row, &mut out).expect("room");
            for row in out {
                let row = carried(&state.names, pipeline.names_mut(), row);
                pipeline.push(source, row).expect("room");
            }
        }
        pipeline.end_source(source).expect("room");
    }
    let result = pipeline.finish().expect("room");
    result.iter().map(|row| named(row, pipeline.names())).collect()
}

/// The same from the sources on, with all columns.
fn run_whole(rule: &Arc<Rule>, sources: &[Vec<Row>]) -> Vec<Row> {
    let mut pipeline = Pipeline::whole(rule, &settings());
    pipeline.begin(Time::from_seconds(1_000));
    for source in order(rule) {
        for (at, row) in sources[source].iter().enumerate() {
            let row = tuple(row, pipeline.names_mut(), at as u64, source as u32);
            pipeline.push(source, row).expect("room");
        }
        pipeline.end_source(source).expect("room");
    }
    let result = pipeline.finish().expect("room");
    result.iter().map(|row| named(row, pipeline.names())).collect()
}

fn any_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "ab", "c", "_time"])
}

fn any_value() -> impl Strategy<Value = Value> {
    let single = prop_oneof![
        (0..4_i64).prop_map(Value::Integer),
        prop::sample::select(vec!["x", "1", "1.5", "y x"]).prop_map(Value::string),
    ];
    prop_oneof![
        3 => single.clone(),
        1 => prop::collection::vec(single, 2..4).prop_map(Value::List),
    ]
}

fn any_row() -> impl Strategy<Value = Row> {
    let columns = prop::collection::btree_map(
        prop::sample::select(vec!["a", "b", "ab", "c", "d", "_raw"]),
        any_value(),
        0..5,
    );
    (columns, 0..50_i64).prop_map(|(columns, seconds)| {
        let time = Value::Time(Time::from_ticks(seconds * 10_000_000));
        let columns = columns.into_iter().map(|(name, value)| (name.to_owned(), value));
        columns.chain([("_time".to_owned(), time)]).collect()
    })
}

fn any_stage() -> impl Strategy<Value = RowStage> {
    let name = || any_name().prop_map(Arc::<str>::from);
    prop_oneof![
        (any_name(), prop::sample::select(vec!["1", "x"])).prop_map(|(n, v)| filter(n, v)),
        (any_name(), any_name()).prop_map(|(to, from)| compute(to, field(from))),
        (prop::sample::select(vec!["a b", "a* _time", "c", "*"]), any::<bool>(), any::<bool>())
            .prop_map(|(patterns, mode, internal)| {
                let keep = |keep| if keep { Keep::Keep } else { Keep::Drop };
                project(patterns, keep(mode), keep(internal))
            }),
        prop::sample::select(vec![
            ("a", "b"),
            ("a*", "p*"),
            ("p*", "a*"),
            ("*", "q_*"),
            ("q_*", "*")
        ])
        .prop_map(|(old, new)| rename(old, new)),
        name().prop_map(|field| RowStage::Expand { field, limit: None }),
        (name(), name()).prop_map(|(field, into)| {
            let by = BinBy::Span(Duration::from_seconds(10));
            RowStage::Bin { field, by, into }
        }),
        any::<bool>().prop_map(|all| {
            let fields = if all { FillFields::All } else { FillFields::Names(names("a c")) };
            RowStage::Fill { fields, value: Value::Integer(0) }
        }),
        (any_name(), any_name()).prop_map(|(by, of)| {
            let measures = vec![measure(Aggregator::Values(0), of, of), count()];
            aggregate(by, measures)
        }),
        any_name().prop_map(|by| { aggregate(by, vec![measure(Aggregator::List(0), "*", "*")]) }),
        (any_name(), any_name()).prop_map(|(by, of)| {
            let measures = vec![measure(Aggregator::First, of, "f"), count()];
            RowStage::Window(Window { by: names(by), measures, frame: Frame::Whole })
        }),
        (any_name(), any::<bool>()).prop_map(|(by, keeps)| {
            RowStage::Dedup(Dedup {
                by: names(by),
                keep: 1,
                consecutive: false,
                null: if keeps { Keep::Keep } else { Keep::Drop },
                keep_rows: false,
            })
        }),
        (name(), any::<bool>()).prop_map(|(field, descending)| {
            let keys = vec![SortKey { field, descending, collation: Collation::Auto }];
            RowStage::Sort { keys, limit: None }
        }),
        (1..4_u64).prop_map(|rows| RowStage::Limit { rows, from: End::Head }),
        Just(RowStage::Reverse),
        Just(RowStage::Combine { field: Arc::from("a"), joined: None }),
    ]
}

/// A pipeline whose last stages may join or append a second one.
fn any_rule() -> impl Strategy<Value = Arc<Rule>> {
    let stages = || prop::collection::vec(any_stage(), 0..5);
    let meet = prop::option::of(prop_oneof![
        Just(RowStage::Append),
        Just(join(JoinKind::Inner, "a")),
        Just(join(JoinKind::Left, "")),
        Just(join(JoinKind::Semi, "")),
        Just(join(JoinKind::Anti, "a b")),
    ]);
    (stages(), stages(), meet, stages()).prop_map(|(first, second, meet, behind)| {
        let mut all: Vec<(RowStage, Vec<Input>)> = Vec::new();
        let mut add = |stages: Vec<RowStage>, mut input: Input| {
            for stage in stages {
                all.push((stage, vec![input]));
                input = Input::Stage(all.len() - 1);
            }
            (input, all.len())
        };
        let (left, _) = add(first, FIRST);
        let Some(meet) = meet else { return rule(1, all) };
        let (right, at) = add(second, Input::Source(1));
        all.push((meet, vec![left, right]));
        let mut input = Input::Stage(at);
        for stage in behind {
            all.push((stage, vec![input]));
            input = Input::Stage(all.len() - 1);
        }
        rule(2, all)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Heads and columns that are left out change nothing.
    #[test]
    fn heads_and_columns_change_nothing(
        rule in any_rule(),
        first in prop::collection::vec(any_row(), 0..12),
        second in prop::collection::vec(any_row(), 0..6),
    ) {
        let sources = [first, second];
        let whole = run_whole(&rule, &sources);
        let heads = run_with_heads(&rule, &sources);
        prop_assert_eq!(print(&heads), print(&whole));
    }
}

/// Rows that have some of the columns which a source's pipeline names, in many combinations.
fn rows_for(rule: &Rule, source: usize) -> Vec<Row> {
    let mut columns = vec![Arc::from("_raw"), Arc::from("dest"), Arc::from("Processes.dest")];
    if let Columns::Named(wanted) = wanted(rule, source) {
        columns.extend(wanted);
    }
    let texts = ["x", "C:\\Windows\\cmd.exe", "4720", "1.5", "10.0.0.1", "{\"a\":[1,2]}"];
    let mut number = 7_u64;
    let mut next = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (number >> 33) as usize
    };
    (0..8)
        .map(|at| {
            let mut row: Row = Vec::new();
            for name in columns.iter().filter(|name| &***name != TIME) {
                let text = |at: usize| Value::string(texts[at % texts.len()]);
                row.push((
                    name.to_string(),
                    match next() % 6 {
                        0 => Value::Null,
                        1 => Value::Integer(next() as i64 % 3),
                        2 => Value::list([text(next()), text(next())]),
                        _ => text(next()),
                    },
                ));
            }
            let time = Time::from_ticks((100 - at) * 600_000_000);
            row.push((TIME.to_owned(), Value::Time(time)));
            row
        })
        .collect()
}

#[test]
fn published_searches() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    if !folder.is_dir() {
        println!("skipped: ../shared/corpora is not there");
        return;
    }
    let rules = [folder.join("rules")];
    let mut environment = rulestone_rules::Environment::default();
    let places = rulestone_rules::Places { rules: &rules, macros: &[], lookups: &[] };
    rulestone_rules::read_companions(&places, &mut environment);
    let selection = rulestone_rules::Selection::default();
    let ledger = rulestone_rules::load(&rules, &environment, &selection, 2);
    let (mut pipelines, mut results) = (0, 0);
    for rule in ledger.loaded().iter().filter(|rule| rule.is_pipeline()) {
        let sources: Vec<Vec<Row>> =
            (0..rule.sources.len()).map(|source| rows_for(rule, source)).collect();
        let whole = run_whole(rule, &sources);
        let heads = run_with_heads(rule, &sources);
        assert_eq!(print(&heads), print(&whole), "{}", rule.meta.title);
        pipelines += 1;
        results += usize::from(!whole.is_empty());
    }
    println!("{pipelines} pipelines, {results} with results");
}
