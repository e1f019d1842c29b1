//! What matching costs, without what reading costs: rules and events are made up here.
//!
//! * `distinct`: no command line stands twice, and nothing is remembered at the start.
//! * `repeated`: a few hundred combinations of values, all of them seen before.
//! * `literals`: one new value against one, ten and thirty thousand texts on its field.

use std::fmt::Write;
use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use rulestone_dialects::{Environment, containers};
use rulestone_engine::{Matcher, Plan};
use rulestone_events::{Ingest, Log, Settings, Views};
use rulestone_ir::Rule;

fn main() {
    // Cargo says `--bench`; without it (`cargo test --benches`) everything runs once, and small.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let scale = if measured { 1 } else { 100 };
    let mut criterion = Criterion::default()
        .sample_size(10)
        .measurement_time(Duration::from_secs(5))
        .configure_from_args();
    distinct(&mut criterion, scale);
    repeated(&mut criterion, scale);
    literals(&mut criterion, scale);
    criterion.final_summary();
}

fn distinct(criterion: &mut Criterion, scale: usize) {
    let events = 20_000 / scale;
    let log = log(events, events);
    let mut group = criterion.benchmark_group("distinct");
    group.throughput(Throughput::Elements(events as u64));
    for rules in [1_000, 3_000, 9_000] {
        let plan = plan(&mixed_rules(rules / scale));
        Run::new(&plan).read(&log);
        group.bench_function(BenchmarkId::from_parameter(rules), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| Run::new(&plan).read(&log)).sum());
        });
    }
}

fn repeated(criterion: &mut Criterion, scale: usize) {
    let events = 20_000 / scale;
    let log = log(events, 300);
    let mut group = criterion.benchmark_group("repeated");
    group.throughput(Throughput::Elements(events as u64));
    for rules in [1_000, 3_000, 9_000] {
        let plan = plan(&mixed_rules(rules / scale));
        let mut run = Run::new(&plan);
        run.read(&log);
        group.bench_function(BenchmarkId::from_parameter(rules), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| run.read(&log)).sum());
        });
    }
}

fn literals(criterion: &mut Criterion, scale: usize) {
    let events = 20_000 / scale;
    let log = log(events, events);
    let mut group = criterion.benchmark_group("literals");
    group.throughput(Throughput::Elements(events as u64));
    for literals in [1_000, 10_000, 30_000] {
        let plan = plan(&literal_rules(literals / scale));
        Run::new(&plan).read(&log);
        group.bench_function(BenchmarkId::from_parameter(literals), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| Run::new(&plan).read(&log)).sum());
        });
    }
}

/// What one thread has, with the time its matcher takes.
struct Run<'p> {
    plan: &'p Plan,
    ingest: Ingest,
    matcher: Matcher<'p>,
}

impl<'p> Run<'p> {
    fn new(plan: &'p Plan) -> Self {
        let ingest = Ingest::new(Settings::default());
        Run { plan, ingest, matcher: Matcher::new(plan) }
    }

    /// Reads a log; returns how long matching took.
    fn read(&mut self, log: &[u8]) -> Duration {
        let reader = Cursor::new(log.to_vec());
        let mut log = Log::from_reader(reader, "bench".into()).expect("a log");
        let (mut took, mut hits) = (Duration::ZERO, 0);
        while let Some(unit) = log.next_unit() {
            self.ingest.read(unit.into_records(), self.plan, |batch| {
                let started = Instant::now();
                self.matcher.run(batch, |_, _, rules| hits += rules.len());
                took += started.elapsed();
            });
        }
        std::hint::black_box(hits);
        took
    }
}

/// Rules in the proportions that public ones have: mostly parts of command lines and ends of
/// images, an exclusion in every fourth, an expression in every sixteenth.
fn mixed_rules(count: usize) -> String {
    let mut random = Random(1);
    let mut text = String::new();
    for number in 0..count {
        let (image, parent) = (random.word(), random.word());
        let mut detection = format!(
            "  image:\n    - Image|endswith: '\\{image}.exe'\n    - OriginalFileName: '{image}.exe'\n"
        );
        let _ = writeln!(detection, "  line:\n    CommandLine|contains:");
        for _ in 0..4 {
            let _ = writeln!(detection, "      - ' -{} {}'", random.word(), random.word());
        }
        let mut condition = "image and line".to_owned();
        if number % 4 == 0 {
            let _ = writeln!(detection, "  parent:\n    ParentImage|endswith: '\\{parent}.exe'");
            condition.push_str(" and not parent");
        }
        if number % 16 == 0 {
            let _ = writeln!(detection, "  form:\n    CommandLine|re: '{parent}[0-9]{{4}}\\.tmp'");
            condition = format!("({condition}) or form");
        }
        add_rule(&mut text, number, &detection, &condition);
    }
    text
}

/// Rules with a hundred texts each on the command line.
fn literal_rules(literals: usize) -> String {
    let mut random = Random(2);
    let mut text = String::new();
    for number in 0..literals.div_ceil(100) {
        let mut detection = "  line:\n    CommandLine|contains:\n".to_owned();
        for _ in 0..100.min(literals) {
            let _ = writeln!(detection, "      - '{} -{}'", random.word(), random.word());
        }
        add_rule(&mut text, number, &detection, "line");
    }
    text
}

fn add_rule(text: &mut String, number: usize, detection: &str, condition: &str) {
    let _ = write!(
        text,
        "title: Rule {number}\nid: 00000000-0000-4000-8000-{number:012}\nstatus: test\n\
         logsource:\n  product: windows\n  category: process_creation\n\
         detection:\n{detection}  condition: {condition}\n---\n",
    );
}

fn plan(rules: &str) -> Plan {
    let readings = containers::read(rules, "bench", &Environment::default());
    let rules: Vec<Arc<Rule>> =
        readings.into_iter().filter_map(|reading| reading.rule.map(Arc::new)).collect();
    assert!(!rules.is_empty());
    Plan::new(rules, &Views::built_in().expect("the tables built in"))
}

/// Processes being created, as Sysmon writes them; `combinations` of them differ.
fn log(events: usize, combinations: usize) -> Vec<u8> {
    let mut lines = String::new();
    for event in 0..events {
        let mut random = Random(1_000 + (event % combinations) as u64);
        let (image, parent) = (random.word(), random.word());
        let mut line = format!("C:\\\\Program Files\\\\{image}\\\\{image}.exe");
        for _ in 0..4 {
            let _ = write!(line, " -{} {}{}", random.word(), random.word(), random.below(10_000));
        }
        let _ = writeln!(
            lines,
            "{{\"Event\":{{\"System\":{{\"Provider\":{{\"#attributes\":{{\"Name\":\
             \"Microsoft-Windows-Sysmon\"}}}},\"EventID\":1,\"TimeCreated\":{{\"#attributes\":\
             {{\"SystemTime\":\"2024-05-01T12:00:00.{event:06}Z\"}}}},\
             \"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\"Computer\":\"ws-01\"}},\
             \"EventData\":{{\"ProcessId\":{event},\"Image\":\"C:\\\\Windows\\\\{image}.exe\",\
             \"OriginalFileName\":\"{image}.exe\",\"CommandLine\":\"{line}\",\
             \"ParentImage\":\"C:\\\\Windows\\\\{parent}.exe\",\"User\":\"CORP\\\\alice\"}}}}}}",
        );
    }
    lines.into_bytes()
}

/// A small generator (xorshift), so that every run measures the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// One of some 4,000 words of two or three syllables.
    fn word(&mut self) -> String {
        const SYLLABLES: [&str; 16] = [
            "net", "ser", "con", "ex", "pol", "ra", "min", "tor", "cmd", "all", "pro", "sys",
            "log", "ab", "use", "dir",
        ];
        let parts = 2 + self.below(2);
        (0..parts).map(|_| SYLLABLES[self.below(16) as usize]).collect()
    }
}
