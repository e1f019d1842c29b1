//! Stages that are put together by hand: `Threshold` in the panes of a schedule, `Pattern` with its
//! arrangements and timers, and the keys that tell the groups of any stage apart. Every case runs
//! through the whole of the engine, see `support/state.rs`.

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use rulestone_engine::StateCounts;
use rulestone_ir::{
    Arrangement, Clock, Comparison, Correlate, Duration, Evaluate, Input, Keys, Lists, Measure,
    NullKey, Pattern, Refire, Rule, Span, Stage, StageKind, Sub, Test, Threshold, Timer, When,
};
use support::state::{check_rules, files, logs, reference, run, settings, sorted, with_state};
use support::{named, rule, scope, test};

/// A rule that gives a stage the events 1, 2 and 3 of one channel, an input each.
fn with_stage(kind: StageKind, clock: Clock) -> Arc<Rule> {
    let event = |id: u32| {
        let filter = test(named("EventID"), Test::Equals(id.to_string()));
        (scope("product=windows service=security"), filter)
    };
    let mut rule = rule([1, 2, 3].map(event).to_vec());
    let own = Arc::make_mut(&mut rule);
    own.meta.id = "x".to_owned();
    own.meta.title = "X".to_owned();
    own.clock = clock;
    own.stages = vec![Stage {
        kind,
        inputs: [0, 1, 2].map(Input::Source).to_vec(),
        span: Span::default(),
        native_name: Arc::from("stage"),
    }];
    rule
}

/// Groups by fields, of which rows that lack one are left out.
fn by(fields: &[&str]) -> Keys {
    Keys { fields: fields.iter().map(|name| named(name)).collect(), ..Keys::default() }
}

fn check(name: &str, rule: &Arc<Rule>, events: &str, expected: &str) -> StateCounts {
    check_rules(name, std::slice::from_ref(rule), events, expected, |line| line.contains(" of "))
}

/// Rows for a host each, a time and an event id a word: `0/1 5/2`.
fn on(host: &str, events: &str) -> String {
    let line = |event: &str| {
        let (time, id) = event.split_once('/').expect("time/id");
        format!("{time} {id} Computer={host}\n")
    };
    events.split_whitespace().map(line).collect()
}

fn at_least(count: u64) -> Threshold {
    Threshold { by: by(&["Computer"]), count, cardinality: None, counted_once: false }
}

fn hop((lookback, interval): (i64, i64)) -> Clock {
    let [lookback, interval] = [lookback, interval].map(Duration::from_seconds);
    Clock::Hop { lookback, interval, offset: Duration::default() }
}

fn scheduled(threshold: Threshold, clock: (i64, i64)) -> Arc<Rule> {
    with_stage(StageKind::Threshold(threshold), hop(clock))
}

/// Cases of a count of two on one host: name, lookback and interval, events, what is found.
type Panes<'a> = &'a [(&'a str, (i64, i64), &'a str, &'a str)];

fn check_panes(threshold: &Threshold, cases: Panes<'_>) {
    for (name, clock, events, expected) in cases {
        check(name, &scheduled(threshold.clone(), *clock), &on("h", events), expected);
    }
}

#[test]
fn panes() {
    check_panes(
        &at_least(2),
        &[
            ("enough in a pane", (10, 10), "0/1 9/1", "9 X h 2 of 2"),
            ("too few", (10, 10), "0/1 11/1", ""),
            ("a pane's end is not in it", (10, 10), "0/1 10/1", ""),
            ("its beginning is", (10, 10), "10/1 19.9999999/1", "19.9999999 X h 2 of 2"),
            ("rows on both sides of an end do not meet", (10, 10), "9/1 11/1", ""),
            ("each pane by itself", (10, 10), "0/1 1/1 10/1 11/1", "1 X h 2 of 2\n11 X h 2 of 2"),
            (
                "one row after a long time",
                (10, 10),
                "0/1 1/1 9000/1 9009/1 9010/1",
                "1 X h 2 of 2\n9009 X h 2 of 2",
            ),
            ("inputs count together", (10, 10), "0/1 1/2 2/3", "2 X h 3 of 3"),
            ("at one time", (10, 10), "5/1 5/1", "5 X h 2 of 2"),
            ("out of order in the log", (10, 10), "9/1 0/1", "9 X h 2 of 2"),
            ("the lookback's first moment is in it", (15, 10), "5/1 19/1", "19 X h 2 of 2"),
            ("what is before it is not", (15, 10), "4.9999999/1 19/1", ""),
            ("nobody looks between panes", (5, 10), "3/1 4.9999999/1", ""),
            ("panes with time between them", (5, 10), "5/1 9/1", "9 X h 2 of 2"),
            ("the pane that is open when the log ends", (3600, 3600), "0/1 1/1", "1 X h 2 of 2"),
        ],
    );
}

#[test]
fn panes_end_at_multiples_of_the_interval_since_the_epoch() {
    // The first second of the events is three past a multiple of seven.
    check_panes(
        &at_least(2),
        &[
            ("an end between", (7, 7), "3/1 4/1", ""),
            ("no end between", (7, 7), "4/1 10.9999999/1", "10.9999999 X h 2 of 2"),
            ("the epoch is an end", (10, 10), "-1704067202/1 -1704067200/1", ""),
            (
                "and before it others are",
                (10, 10),
                "-1704067210/1 -1704067202/1",
                "-1704067202 X h 2 of 2",
            ),
        ],
    );
}

#[test]
fn panes_that_overlap() {
    let each: Panes<'_> = &[
        ("rows meet in the second", (20, 10), "9/1 11/1", "11 X h 2 of 2"),
        ("the same rows twice are one finding", (20, 10), "11/1 12/1", "12 X h 2 of 2"),
        ("also of many panes", (600, 1), "0/1 500/1", "500 X h 2 of 2"),
        ("other rows are another", (20, 10), "5/1 11/1 12/1", "12 X h 3 of 3\n12 X h 2 of 2"),
        (
            "a row that comes into a pane that was passed over",
            (100, 10),
            "0/1 25/1 26/1",
            "26 X h 3 of 3\n26 X h 2 of 2",
        ),
    ];
    check_panes(&at_least(2), each);
    let once: Panes<'_> = &[
        ("rows up to a finding do not count again", (20, 10), "5/1 11/1 12/1", "12 X h 3 of 3"),
        ("those behind it do", (20, 10), "5/1 11/1 25/1 26/1", "11 X h 2 of 2\n26 X h 2 of 2"),
        ("but one alone is too few", (20, 10), "5/1 11/1 25/1", "11 X h 2 of 2"),
        ("what was too few still counts", (20, 10), "11/1 25/1", "25 X h 2 of 2"),
    ];
    check_panes(&Threshold { counted_once: true, ..at_least(2) }, once);
}

#[test]
fn cardinality() {
    let threshold = Threshold { cardinality: Some((named("User"), 2)), ..at_least(3) };
    let cases = [
        ("different values", (10, 10), "0 a\n1 a\n2 b", "2 X h 3 of 3"),
        ("the same again is no other", (10, 10), "0 a\n1 a\n2 a", ""),
        ("case tells values apart", (10, 10), "0 a\n1 a\n2 A", "2 X h 3 of 3"),
        ("values enough, rows too few", (10, 10), "0 a\n1 b", ""),
        ("a row without a value is a row", (10, 10), "0 a\n1 -\n2 b", "2 X h 3 of 3"),
        ("but no value", (10, 10), "0 a\n1 -\n2 -", ""),
        ("a value leaves with its last row", (20, 10), "5 a\n12 b\n13 b\n14 b", "14 X h 4 of 4"),
        (
            "and stays while it has one",
            (20, 10),
            "5 a\n12 b\n13 b\n14 a",
            "14 X h 4 of 4\n14 X h 3 of 3",
        ),
    ];
    for (name, clock, events, expected) in cases {
        let line = |line: &str| match line.split_once(' ') {
            Some((time, "-")) => format!("{time} 1 Computer=h\n"),
            Some((time, user)) => format!("{time} 1 Computer=h User={user}\n"),
            None => String::new(),
        };
        let events: String = events.lines().map(line).collect();
        let counts = check(name, &scheduled(threshold.clone(), clock), &events, expected);
        assert_eq!(counts.valueless, 0, "{name}: no row is lost");
    }
}

/// Stages that ask for two rows of a group within ten seconds, and find the same in the cases
/// about keys.
fn of_two(by: &Keys) -> [Arc<Rule>; 3] {
    let sliding = Clock::Sliding { span: Duration::from_seconds(10) };
    let correlate = Correlate {
        by: by.clone(),
        measure: Measure::Count,
        when: When::Measure(vec![(Comparison::GreaterOrEqual, 2.0)]),
        evaluate: Evaluate::OnEvent,
        refire: Refire::Each,
    };
    let sub = Sub { name: "s".into(), inputs: vec![0, 1, 2], by: by.clone(), count: 2 };
    let pattern = Pattern {
        subs: vec![sub],
        arrangement: Arrangement::Sub(0),
        timer: Timer::Run,
        refire: Refire::Each,
    };
    [
        with_stage(StageKind::Correlate(correlate), sliding),
        scheduled(Threshold { by: by.clone(), ..at_least(2) }, (10, 10)),
        with_stage(StageKind::Pattern(pattern), sliding),
    ]
}

#[test]
fn keys_of_all_stages() {
    let site = || by(&["Site"]);
    let group = || Keys { null: NullKey::Group, ..site() };
    let fill = || Keys { null: NullKey::Fill("none".to_owned()), ..site() };
    let fan_out = || Keys { lists: Lists::FanOut, ..site() };
    let both = || by(&["Site", "Team"]);
    let cases: &[(&str, Keys, &str, &str, u64)] = &[
        ("no key is one group", by(&[]), "0 1\n1 1 Site=s", "1 X 2 of 2", 0),
        ("case tells groups apart", site(), "0 1 Site=s\n1 1 Site=S", "", 0),
        ("rows without a field are left out", site(), "0 1\n1 1\n2 1 Site=s", "", 2),
        ("or are a group", group(), "0 1\n1 1\n2 1 Site=s", "1 X \0 2 of 2", 0),
        ("or have a value", fill(), "0 1\n1 1\n2 1 Site=s", "1 X none 2 of 2", 0),
        ("as if they said so", fill(), "0 1\n1 1 Site=none", "1 X none 2 of 2", 0),
        ("several fields", both(), "0 1 Site=s Team=t\n1 1 Site=s Team=t", "1 X s t 2 of 2", 0),
        ("not the other way round", both(), "0 1 Site=s Team=t\n1 1 Site=t Team=s", "", 0),
        ("nor run together", both(), "0 1 Site=st Team=u\n1 1 Site=s Team=tu", "", 0),
        ("one of several is missing", both(), "0 1 Site=s\n1 1 Site=s", "", 2),
        (
            "a group of what is missing",
            Keys { null: NullKey::Group, ..both() },
            "0 1 Site=s\n1 1 Site=s\n2 1 Team=s",
            "1 X s \0 2 of 2",
            0,
        ),
        (
            "a list is one value",
            site(),
            "0 1 Site=[s,t]\n1 1 Site=[s,t]\n2 1 Site=[t,s]\n3 1 Site=s",
            "1 X [\"s\", \"t\"] 2 of 2",
            0,
        ),
        (
            "or one group for each element",
            fan_out(),
            "0 1 Site=[s,t]\n1 1 Site=[t,u]\n2 1 Site=u",
            "1 X t 2 of 2\n2 X u 2 of 2",
            0,
        ),
        ("an element twice is once", fan_out(), "0 1 Site=[s,s]", "", 0),
        ("a row without an element", fan_out(), "0 1\n1 1", "", 2),
        (
            "a row without an element as a group",
            Keys { lists: Lists::FanOut, ..group() },
            "0 1\n1 1",
            "1 X \0 2 of 2",
            0,
        ),
        (
            "elements of several fields",
            Keys { lists: Lists::FanOut, ..both() },
            "0 1 Site=[s,t] Team=[a,b]\n1 1 Site=t Team=[b,c]",
            "1 X t b 2 of 2",
            0,
        ),
    ];
    for (name, keys, events, expected, keyless) in cases {
        for rule in of_two(keys) {
            let counts = check(name, &rule, events, expected);
            assert_eq!(counts.keyless, *keyless, "{name}: {:?}", rule.stages[0].kind);
        }
    }
}

#[test]
fn a_row_is_in_so_many_groups_and_what_is_left_out_is_counted() {
    let all: Vec<String> = (0..150).map(|number| format!("v{number}")).collect();
    let line = |time: u32| format!("{time} 1 Site=[{}]\n", all.join(","));
    let keys = Keys { lists: Lists::FanOut, ..by(&["Site"]) };
    for rule in of_two(&keys) {
        let (_folder, files) = files(&logs(&(line(0) + &line(1))));
        let (found, counts) = run(&[rule], &files, settings(2, 0));
        assert_eq!((found.lines().count(), counts.crowded), (100, 2));
    }
}

#[test]
fn rows_on_disk_are_rows() {
    // More rows than a sorter holds at the least.
    let events: String = (0..3000).map(|at| format!("{at} 1 Site=s{}\n", at % 7)).collect();
    for rule in of_two(&by(&["Site"])) {
        let (_folder, files) = files(&logs(&events));
        let rules = [rule];
        let (found, counts) = run(&rules, &files, settings(1, 0));
        assert_eq!((counts.rows, counts.spilled > 1000), (3000, true));
        let (again, counts) = run(&rules, &files, settings(1, 1 << 30));
        assert_eq!((found, counts.spilled), (again, 0));
    }
}

/// Parts of an arrangement in words: `a -> b`, `a -x b`, `and`, `or`, from left to right.
fn arranged(text: &str) -> Arrangement {
    let mut words = text.split_whitespace();
    let sub = |word: Option<&str>| {
        let letter = word.and_then(|word| word.bytes().next()).expect("a letter");
        Box::new(Arrangement::Sub(usize::from(letter - b'a')))
    };
    let mut all = sub(words.next());
    while let Some(word) = words.next() {
        let second = sub(words.next());
        all = Box::new(match word {
            "->" => Arrangement::Followed(all, second),
            "-x" => Arrangement::NotFollowed(all, second),
            "and" => Arrangement::And(all, second),
            "or" => Arrangement::Or(all, second),
            other => unreachable!("{other}"),
        });
    }
    *all
}

/// Sub-patterns a, b and c of the events 1, 2 and 3, so many of each, within ten seconds.
fn pattern(text: &str, counts: [u64; 3], (timer, refire): (Timer, Refire)) -> Pattern {
    let sub = |at: usize| Sub {
        name: ["a", "b", "c"][at].into(),
        inputs: vec![at],
        by: by(&["Computer"]),
        count: counts[at],
    };
    let subs = [0, 1, 2].map(sub).to_vec();
    Pattern { subs, arrangement: arranged(text), timer, refire }
}

fn sliding(pattern: Pattern, seconds: i64) -> Arc<Rule> {
    let span = Duration::from_seconds(seconds);
    with_stage(StageKind::Pattern(pattern), Clock::Sliding { span })
}

const EACH: (Timer, Refire) = (Timer::Run, Refire::Each);
const QUIET: (Timer, Refire) = (Timer::Run, Refire::AfterQuiet);

/// Cases on one host: name, arrangement, how many of each sub-pattern, events, what is found.
type Arrangements<'a> = &'a [(&'a str, &'a str, [u64; 3], &'a str, &'a str)];

fn check_patterns(how: (Timer, Refire), cases: Arrangements<'_>) {
    for (name, text, counts, events, expected) in cases {
        let rule = sliding(pattern(text, *counts, how), 10);
        check(&format!("{text}: {name}"), &rule, &on("h", events), expected);
    }
}

const ONE: [u64; 3] = [1, 1, 1];

#[test]
fn sub_patterns_that_follow_each_other() {
    check_patterns(
        EACH,
        &[
            ("in order", "a -> b", ONE, "0/1 10/2", "10 X h 2 of 2"),
            ("past the edge", "a -> b", ONE, "0/1 10.0000001/2", ""),
            ("the other way round", "a -> b", ONE, "0/2 1/1", ""),
            ("at one time by the record", "a -> b", ONE, "3/1 3/2", "3 X h 2 of 2"),
            ("at one time, the other way round", "a -> b", ONE, "3/2 3/1", ""),
            ("out of order in the log", "a -> b", ONE, "10/2 0/1", "10 X h 2 of 2"),
            ("the latest first", "a -> b", ONE, "0/1 5/1 12/2", "12 X h 2 of 2"),
            ("each second", "a -> b", ONE, "0/1 1/2 2/2", "1 X h 2 of 2\n2 X h 2 of 2"),
            ("others between", "a -> b", ONE, "0/1 1/3 2/2", "2 X h 2 of 2"),
            ("three", "a -> b -> c", ONE, "0/1 5/2 10/3", "10 X h 3 of 3"),
            ("three, the whole too long", "a -> b -> c", ONE, "0/1 5/2 10.5/3", ""),
            ("three, a later first", "a -> b -> c", ONE, "0/1 1/1 5/2 11/3", "11 X h 3 of 3"),
            ("several", "a -> b", [3, 1, 1], "0/1 1/1 2/1 3/2", "3 X h 4 of 4"),
            ("several, one too few", "a -> b", [3, 1, 1], "0/1 1/1 3/2", ""),
            ("several too far apart", "a -> b", [2, 1, 1], "0/1 11/1 12/2", ""),
            ("several of the second", "a -> b", [1, 2, 1], "0/1 1/2 2/2", "2 X h 3 of 3"),
            (
                "several of the second, one of them before the first",
                "a -> b",
                [1, 2, 1],
                "0/2 1/1 2/2",
                "",
            ),
            (
                "many: the first ten and the last are shown",
                "a -> b",
                [12, 1, 1],
                "0/1 0/1 0/1 0/1 0/1 0/1 0/1 0/1 0/1 0/1 0/1 0/1 1/2",
                "1 X h 13 of 13",
            ),
        ],
    );
}

#[test]
fn both_or_either() {
    check_patterns(
        EACH,
        &[
            ("in order", "a and b", ONE, "0/1 10/2", "10 X h 2 of 2"),
            ("in the other", "a and b", ONE, "0/2 10/1", "10 X h 2 of 2"),
            ("past the edge", "a and b", ONE, "0/2 10.0000001/1", ""),
            ("one alone", "a and b", ONE, "0/1 1/1", ""),
            (
                "each time with the latest of the other",
                "a and b",
                ONE,
                "0/1 1/2 2/1",
                "1 X h 2 of 2\n2 X h 2 of 2",
            ),
            ("the first", "a or b", ONE, "0/1", "0 X h 1 of 1"),
            ("the second", "a or b", ONE, "0/2", "0 X h 1 of 1"),
            ("neither", "a or b", ONE, "0/3", ""),
            ("two of one or one of the other", "a or b", [2, 1, 1], "0/1 1/2", "1 X h 1 of 1"),
            ("either, then the third", "a or b -> c", ONE, "0/2 1/3", "1 X h 2 of 2"),
            ("both, then the third", "a and b -> c", ONE, "0/2 1/1 2/3", "2 X h 3 of 3"),
            ("both, then the third too early", "a and b -> c", ONE, "0/2 1/3 2/1", ""),
        ],
    );
    let mut same = pattern("a or b", ONE, EACH);
    same.subs[1].inputs = vec![0, 1];
    check("what is both is one", &sliding(same.clone(), 10), &on("h", "0/1"), "0 X h 1 of 1");
    same.arrangement = arranged("a -> b");
    let rule = sliding(same, 10);
    check("an event does not follow itself", &rule, &on("h", "0/1"), "");
    check("but another like it does", &rule, &on("h", "0/1 1/1"), "1 X h 2 of 2");
}

#[test]
fn what_does_not_follow() {
    check_patterns(
        EACH,
        &[
            ("found at its deadline", "a -x b", ONE, "0/1 11/3", "10 X h 1 of 1"),
            ("it follows", "a -x b", ONE, "0/1 5/2 11/3", ""),
            ("it follows at the deadline", "a -x b", ONE, "0/1 10/2 50/3", ""),
            ("it follows past it", "a -x b", ONE, "0/1 10.0000001/2", "10 X h 1 of 1"),
            ("it came before", "a -x b", ONE, "0/2 1/1 50/3", "11 X h 1 of 1"),
            ("at one time, before", "a -x b", ONE, "0/2 0/1 50/3", "10 X h 1 of 1"),
            ("at one time, behind", "a -x b", ONE, "0/1 0/2 50/3", ""),
            ("too few follow", "a -x b", [1, 2, 1], "0/1 5/2 50/3", "10 X h 1 of 1"),
            ("enough follow", "a -x b", [1, 2, 1], "0/1 5/2 6/2 50/3", ""),
            (
                "enough follow, but the first of them before it",
                "a -x b",
                [1, 2, 1],
                "0/2 1/1 5/2 50/3",
                "11 X h 1 of 1",
            ),
            (
                "each is waited for by itself",
                "a -x b",
                ONE,
                "0/1 4/1 7/2 20/1 31/3",
                "30 X h 1 of 1",
            ),
            (
                "the span begins with the first event",
                "a -x b",
                [2, 1, 1],
                "0/1 5/1 11/2",
                "10 X h 2 of 2",
            ),
            ("behind two in order", "a -> c -x b", ONE, "0/1 3/3 50/3", "10 X h 2 of 2"),
        ],
    );
}

/// What is undecided when the logs end, beside what is found.
#[test]
fn timers() {
    let user = |timer| {
        let mut pattern = pattern("a -x b", ONE, (timer, Refire::Each));
        pattern.subs.iter_mut().for_each(|sub| sub.by = by(&["User"]));
        pattern
    };
    let cases = [
        ("at the deadline nobody knows", Timer::Run, "0 1 User=u\n10 9", "", 1),
        ("a moment later it is known", Timer::Run, "0 1 User=u\n10.0000001 9", "10 X u 1 of 1", 0),
        (
            "anybody's event tells the time",
            Timer::Run,
            "0 1 User=u Computer=h\n11 9 Computer=i",
            "10 X u 1 of 1",
            0,
        ),
        ("in any log", Timer::Run, "11 9\n--\n0 1 User=u", "10 X u 1 of 1", 0),
        ("also to hosts without a name", Timer::Run, "0 1 User=u\n11 2 User=v", "10 X u 1 of 1", 0),
        ("another host's does not", Timer::Host, "0 1 User=u Computer=h\n99 9 Computer=i", "", 1),
        (
            "the host's own does",
            Timer::Host,
            "0 1 User=u Computer=h\n11 9 Computer=H",
            "10 X u 1 of 1",
            0,
        ),
        (
            "by the later of two spellings",
            Timer::Host,
            "11 9 Computer=H\n0 1 User=u Computer=h",
            "10 X u 1 of 1",
            0,
        ),
        (
            "at the host's deadline",
            Timer::Host,
            "0 1 User=u Computer=h\n10 9 Computer=h\n99 9 Computer=i",
            "",
            1,
        ),
        (
            "the host's own in any log",
            Timer::Host,
            "99 9 Computer=h\n--\n0 1 User=u Computer=h",
            "10 X u 1 of 1",
            0,
        ),
        ("a host without a name has no time", Timer::Host, "0 1 User=u\n99 1 User=u\n999 9", "", 2),
        (
            "of the same group, from another host",
            Timer::Host,
            "0 1 User=u Computer=h\n50 3 User=u Computer=i",
            "",
            1,
        ),
        (
            "what follows on another host, in time",
            Timer::Host,
            "0 1 User=u Computer=h\n10 2 User=u Computer=i\n99 9 Computer=h",
            "",
            0,
        ),
        (
            "what follows on another host, too late",
            Timer::Host,
            "0 1 User=u Computer=h\n50 2 User=u Computer=i\n99 9 Computer=h",
            "10 X u 1 of 1",
            0,
        ),
        (
            "one that is found, one that is followed, one that nobody knows of",
            Timer::Run,
            "0 1 User=u\n20 1 User=u\n25 2 User=u\n40 1 User=u",
            "10 X u 1 of 1",
            1,
        ),
    ];
    for (name, timer, events, expected, undecided) in cases {
        let counts = check(name, &sliding(user(timer), 10), events, expected);
        assert_eq!(counts.undecided, undecided, "{name}");
    }
    let mut late = user(Timer::Host);
    late.refire = Refire::AfterQuiet;
    let events = "0 1 User=u Computer=h\n50 1 User=u Computer=i\n99 9 Computer=h";
    let expected = "10 X u 1 of 1\n60 X u 1 of 1";
    check("quiet in between, though both are known late", &sliding(late, 10), events, expected);
}

#[test]
fn firing_again() {
    let twice = "1 X h 2 of 2\n3 X h 2 of 2";
    check_patterns(EACH, &[("each time", "a -> b", ONE, "0/1 1/2 2/1 3/2", twice)]);
    check_patterns(
        QUIET,
        &[
            ("once while it goes on", "a -> b", ONE, "0/1 1/2 2/1 3/2", "1 X h 2 of 2"),
            ("quiet for the span is not quiet", "a -> b", ONE, "0/1 1/2 11/1 12/2", "1 X h 2 of 2"),
            (
                "quiet for longer",
                "a -> b",
                ONE,
                "0/1 1/2 11.0000001/1 12/2",
                "1 X h 2 of 2\n12 X h 2 of 2",
            ),
            ("other inputs are not quiet", "a -> b", ONE, "0/1 1/2 10/3 19/1 20/2", "1 X h 2 of 2"),
            ("absences", "a -x b", ONE, "0/1 1/1 50/1 70/3", "10 X h 1 of 1\n60 X h 1 of 1"),
        ],
    );
}

#[test]
fn groups_of_sub_patterns_are_joined_field_by_field() {
    let mut joined = pattern("a and b", ONE, EACH);
    joined.subs[0].by = by(&["SourceIp"]);
    joined.subs[1].by = by(&["DestinationIp"]);
    let rule = sliding(joined, 10);
    let events = "0 1 SourceIp=1.1.1.1 DestinationIp=2.2.2.2\n1 2 DestinationIp=1.1.1.1";
    check("one name each", &rule, events, "1 X 1.1.1.1 2 of 2");
    let events = "0 2 DestinationIp=1.1.1.1\n1 1 SourceIp=1.1.1.1 DestinationIp=2.2.2.2";
    check("in the other order", &rule, events, "1 X 1.1.1.1 2 of 2");
    let events = "0 1 SourceIp=1.1.1.1\n1 2 SourceIp=1.1.1.1";
    check("the first's name says nothing of the second", &rule, events, "");
}

/// Random events of few kinds, hosts, users and times, so that everything meets.
fn events() -> impl Strategy<Value = String> {
    let names = |all: &[&'static str]| proptest::sample::select(all.to_vec());
    let hosts = names(&["", " Computer=h", " Computer=H", " Computer=i"]);
    let users = names(&["", " User=u", " User=v", " User=[u,v]", " User=[v,w,v]"]);
    let logs = proptest::sample::select(vec!["\n", "\n", "\n", "\n", "\n--\n"]);
    let event =
        (0_u32..80, 1_u32..5, hosts, users, logs).prop_map(|(time, id, host, user, end)| {
            format!("{} {id}{host}{user}{end}", f64::from(time) / 2.0)
        });
    proptest::collection::vec(event, 0..40).prop_map(|lines| lines.concat())
}

fn any_keys() -> impl Strategy<Value = Keys> {
    let fields = vec![by(&[]), by(&["Computer"]), by(&["User"]), by(&["Computer", "User"])];
    let nulls = vec![NullKey::Drop, NullKey::Group, NullKey::Fill("u".to_owned())];
    let lists = vec![Lists::Whole, Lists::FanOut];
    let all = (
        proptest::sample::select(fields),
        proptest::sample::select(nulls),
        proptest::sample::select(lists),
    );
    all.prop_map(|(keys, null, lists)| Keys { null, lists, ..keys })
}

fn any_threshold() -> impl Strategy<Value = Arc<Rule>> {
    let cardinality = proptest::option::of(1_u64..4);
    let all = (any_keys(), 1_u64..5, cardinality, any::<bool>(), 1_i64..25, 1_i64..12);
    all.prop_map(|(by, count, least, counted_once, lookback, interval)| {
        let cardinality = least.map(|least| (named("User"), least));
        scheduled(Threshold { by, count, cardinality, counted_once }, (lookback, interval))
    })
}

/// What joins two parts of an arrangement.
type Joining = fn(Box<Arrangement>, Box<Arrangement>) -> Arrangement;

/// Arrangements without an absence but at the root.
fn any_arrangement() -> impl Strategy<Value = Arrangement> {
    let leaf = (0_usize..3).prop_map(Arrangement::Sub);
    let positive = leaf.prop_recursive(2, 6, 2, |part| {
        let of: [Joining; 3] = [Arrangement::Followed, Arrangement::And, Arrangement::Or];
        (part.clone(), part, proptest::sample::select(of.to_vec()))
            .prop_map(|(left, right, of)| of(Box::new(left), Box::new(right)))
    });
    (positive.clone(), positive, any::<bool>()).prop_map(|(left, right, absent)| match absent {
        true => Arrangement::NotFollowed(Box::new(left), Box::new(right)),
        false => left,
    })
}

fn any_pattern() -> impl Strategy<Value = Arc<Rule>> {
    let counts = proptest::array::uniform3(1_u64..4);
    let inputs = proptest::sample::select(vec![[0, 1, 2], [0, 0, 1], [2, 1, 1]]);
    let timers = proptest::sample::select(vec![Timer::Host, Timer::Run]);
    let refires = proptest::sample::select(vec![Refire::Each, Refire::AfterQuiet]);
    let how = (any_arrangement(), timers, refires, 1_i64..20);
    (any_keys(), counts, inputs, how).prop_map(|(by, counts, inputs, how)| {
        let (arrangement, timer, refire, span) = how;
        let sub = |at: usize| Sub {
            name: ["a", "b", "c"][at].into(),
            inputs: vec![inputs[at]],
            by: by.clone(),
            count: counts[at],
        };
        let subs = [0, 1, 2].map(sub).to_vec();
        sliding(Pattern { subs, arrangement, timer, refire }, span)
    })
}

/// Whether both evaluators find the same.
fn agrees(rule: Arc<Rule>, events: &str) -> Result<(), TestCaseError> {
    let rules = [rule];
    let (_folder, files) = files(&logs(events));
    let (found, _) = run(&rules, &files, settings(2, 0));
    let (own, expected) = (with_state(&found), reference(&rules, &files));
    prop_assert_eq!(sorted(&own), sorted(&expected), "{:?}\n{}", rules[0].stages[0], events);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn thresholds_are_the_reference(rule in any_threshold(), events in events()) {
        agrees(rule, &events)?;
    }

    #[test]
    fn patterns_are_the_reference(rule in any_pattern(), events in events()) {
        agrees(rule, &events)?;
    }
}
