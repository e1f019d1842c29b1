//! The fast path and the reference evaluator on public rules and logs, where they are at hand.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rulestone_dialects::{Environment, containers};
use rulestone_engine::reference::{self, Reference};
use rulestone_engine::{LogFile, Matcher, Plan, ScanSettings, scan};
use rulestone_events::{
    Fields, Fragments, Ingest, Interest, Kind, Log, Settings, Views, find_logs,
};
use rulestone_ir::Rule;

/// Lines taken of each archived log.
const LINES: usize = 700;

/// What the corpora held when this was written, and what must at least be compared.
const LEAST_RULES: usize = 2_900;
const LEAST_EVENTS: usize = 80_000;
const LEAST_HITS: usize = 2_850;

/// A rule's hit: the log's place, the number of the record, the rule's place.
type Found = (usize, u64, usize);

#[test]
fn the_matcher_agrees_with_the_reference_on_public_rules_and_logs() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    if !corpora.is_dir() {
        println!("skipped: ../shared/corpora is not there");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder for samples");
    let mut logs = evtx_files(&corpora.join("events/evtx"));
    logs.extend(evtx_files(&corpora.join("events/sigma-regression")));
    logs.extend(unpack_samples(&corpora.join("events/otrf"), folder.path()));

    let rules = read_rules(&corpora.join("rules/sigma"));
    let views = Views::built_in().expect("the tables built in");
    let plan = Plan::new(rules, &views);
    let started = Instant::now();
    let compared = compare_all(&logs, &plan, &views);
    println!(
        "{} rules, {} logs, {} events, {} hits compared in {:.0} s",
        plan.rules().len(),
        logs.len(),
        compared.events,
        compared.hits.len(),
        started.elapsed().as_secs_f64(),
    );
    assert!(compared.differences.is_empty(), "{}", compared.differences.join("\n"));
    assert!(plan.rules().len() >= LEAST_RULES);
    assert!(compared.events >= LEAST_EVENTS);
    assert!(compared.hits.len() >= LEAST_HITS);

    let alone = scan_all(&logs, &plan, &views, 1);
    assert_eq!(
        scan_all(&logs, &plan, &views, 4),
        alone,
        "the number of threads shows in the output"
    );
    assert!(!alone.of_pieces.is_empty(), "no script that was logged in pieces fires a rule");
    assert!(
        sorted(alone.hits) == compared.hits,
        "what a scan finds is not what the matcher finds batch by batch"
    );
}

fn evtx_files(folder: &Path) -> Vec<PathBuf> {
    let (files, errors) = find_logs(folder);
    assert!(errors.is_empty(), "{errors:?}");
    files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "evtx")).collect()
}

/// Writes the first lines of every JSON member of every archive to a file of its own.
fn unpack_samples(archives: &Path, to: &Path) -> Vec<PathBuf> {
    let (files, _) = find_logs(archives);
    let mut samples = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "zip")) {
        let mut archive = zip::ZipArchive::new(File::open(path).expect("an archive"))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for at in 0..archive.len() {
            let member = archive.by_index(at).expect("a member");
            if !member.name().is_ok_and(|name| name.ends_with(".json")) {
                continue;
            }
            let sample = to.join(format!("{:03}.json", samples.len()));
            let mut out = File::create(&sample).expect("a sample");
            for line in BufReader::new(member).split(b'\n').take(LINES) {
                let mut line = line.expect("a line");
                line.push(b'\n');
                out.write_all(&line).expect("room for a sample");
            }
            samples.push(sample);
        }
    }
    samples
}

/// Every rule that can be run, whatever its maturity.
fn read_rules(folder: &Path) -> Vec<Arc<Rule>> {
    let (files, problems) = rulestone_rules::find_rule_files(folder);
    assert!(problems.is_empty(), "{problems:?}");
    let environment = Environment::default();
    let of_file = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("a rule file");
        let readings = containers::read(&text, &path.to_string_lossy(), &environment);
        readings.into_iter().filter_map(|reading| reading.rule).map(Arc::new).collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
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

#[derive(Default)]
struct Compared {
    events: usize,
    hits: Vec<Found>,
    differences: Vec<String>,
}

fn compare_all(logs: &[PathBuf], plan: &Plan, views: &Views) -> Compared {
    let reference = Reference::new(plan.rules(), views);
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Compared::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // A scan looks at what came in pieces once all logs are read.
                let fragments = Fragments::Aside;
                let mut ingest = Ingest::new(Settings { fragments, ..Settings::default() });
                let mut matcher = Matcher::new(plan);
                let mut own = Compared::default();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = logs.get(at) else { break };
                    own.compare_log((at, path), plan, &reference, &mut ingest, &mut matcher);
                }
                let mut all = all.lock().expect("no thread panicked");
                all.events += own.events;
                all.hits.extend(own.hits);
                all.differences.extend(own.differences);
            });
        }
    });
    let mut all = all.into_inner().expect("no thread panicked");
    all.hits = sorted(all.hits);
    all.differences.sort();
    all
}

impl Compared {
    fn compare_log(
        &mut self,
        (at, path): (usize, &Path),
        plan: &Plan,
        reference: &Reference<'_>,
        ingest: &mut Ingest,
        matcher: &mut Matcher<'_>,
    ) {
        // Some fixtures are broken on purpose.
        let Ok(mut log) = Log::open(path, path.to_string_lossy().into()) else { return };
        while let Some(unit) = log.next_unit() {
            ingest.read(unit.into_records(), &EveryKind(plan), |batch| {
                let mut found = vec![Vec::new(); batch.rows.len()];
                matcher.run(batch, |row, program, rules| {
                    let rules = rules.iter().map(|at| program.rules()[*at as usize].rule);
                    found[row].extend(rules);
                });
                for (row, mut found) in batch.rows.iter().zip(found) {
                    found.sort_unstable();
                    found.dedup();
                    let event = batch.event(row);
                    let expected = reference.firing(&event);
                    if found != expected {
                        self.differ(path, plan, event.record, (&found, &expected));
                    }
                    self.events += 1;
                    self.hits.extend(found.into_iter().map(|rule| (at, event.record, rule)));
                }
            });
        }
    }

    fn differ(
        &mut self,
        path: &Path,
        plan: &Plan,
        record: u64,
        (found, expected): (&[usize], &[usize]),
    ) {
        if self.differences.len() < 20 {
            let titles = |rules: &[usize], others: &[usize]| {
                let own = rules.iter().filter(|rule| !others.contains(rule));
                own.map(|rule| plan.rules()[*rule].meta.title.clone()).collect::<Vec<_>>()
            };
            self.differences.push(format!(
                "{}, record {record}: the matcher alone finds {:?}, the reference alone {:?}",
                path.display(),
                titles(found, expected),
                titles(expected, found),
            ));
        }
    }
}

/// Everything a scan says, in the order in which it says it.
#[derive(Debug, PartialEq, Default)]
struct Scanned {
    hits: Vec<Found>,
    /// Of events that came in pieces, by the first of these.
    of_pieces: Vec<Found>,
    tallies: Vec<rulestone_events::Tally>,
    ends: Vec<(usize, Option<String>)>,
}

fn scan_all(logs: &[PathBuf], plan: &Plan, views: &Views, jobs: usize) -> Scanned {
    let file = |path: &PathBuf| LogFile {
        name: path.to_string_lossy().into(),
        path: Some(path.clone()),
        lines: false,
    };
    let logs: Vec<LogFile> = logs.iter().map(file).collect();
    let settings = ScanSettings { jobs, ..ScanSettings::default() };
    let mut scanned = Scanned::default();
    scan(
        &logs,
        plan,
        &settings,
        &AtomicBool::new(false),
        |hit| {
            let of_pieces = !hit.evidence.is_empty() || !hit.notes.is_empty();
            let agreed = !of_pieces || reference::fires(hit.rule, views, hit.event);
            assert!(agreed, "{}: the reference disagrees about a joined event", hit.log);
            (of_pieces, hit.event.record, hit.rule_at)
        },
        |outcome| {
            let log = outcome.log;
            for (of_pieces, record, rule) in outcome.hits {
                let hits = if of_pieces { &mut scanned.of_pieces } else { &mut scanned.hits };
                hits.push((log, record, rule));
            }
            scanned.tallies.push(outcome.tally);
            if let Some(end) = outcome.end {
                scanned.ends.push((log, end.err().map(|error| error.to_string())));
            }
        },
    );
    scanned
}

fn sorted(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_unstable();
    found
}
