//! `rulestone test`: the tests of rules, run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use rulestone_alerts::{Alert, Exceptions, Judged, Judging, Passed, QuietHits, run as run_strata};
use rulestone_engine::{LogFile, Plan, ScanSettings};
use rulestone_events::{LogError, Views};
use rulestone_ir::{Clock, Rule, Schema};
use rulestone_rules::{Entry, Expect, Ledger, Skip, TestCase, TestLog, TestProblem, find_tests};
use serde_json::json;

use crate::args::{RuleArgs, TestArgs};
use crate::outcome::{Ends, Outcome};
use crate::settings;
use crate::terminal::Talk;

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Passed,
    /// Not what was expected; why.
    Failed(String),
    /// A log or the rule itself is missing; which. Never a pass.
    NoData(String),
    /// Its author says that it can only be run by hand, and why.
    Manual(String),
}

struct TestResult {
    case: TestCase,
    verdict: Verdict,
    /// Where the rule fired, by log.
    fired: BTreeMap<String, Vec<u64>>,
    /// What the same log made other rules say, without being asked.
    count: u64,
}

/// Runs the tests.
pub(crate) fn run(args: &TestArgs, talk: &Talk) -> Result<Outcome> {
    let jobs = settings::jobs(None)?;
    let ledger = settings::load_rules(&rule_args(args), jobs, talk)?;
    let (mut cases, problems) = find_tests(&args.places, &ledger.entries, &args.data);
    let own = &args.rules.only;
    cases.retain(|case| own.is_empty() || own.iter().any(|id| id.eq_ignore_ascii_case(&case.rule)));
    for problem in &problems {
        talk.warn(&format!("{}: {}", problem.file.display(), problem.reason));
    }
    let views = settings::load_views(&args.rules)?;
    let bench = Bench::new(&args.rules, ledger, &views, &cases, jobs, talk)?;
    let results = bench.run_all(cases, jobs);
    write_results(args, &results, &problems)?;
    let count =
        |wanted: fn(&Verdict) -> bool| results.iter().filter(|r| wanted(&r.verdict)).count();
    let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let no_data = count(|verdict| matches!(verdict, Verdict::NoData(_)));
    let manual = count(|verdict| matches!(verdict, Verdict::Manual(_)));
    let passed = results.len() - failed - no_data - manual;
    let by_hand = if manual > 0 { format!(", {manual} by hand") } else { String::new() };
    talk.say(&format!(
        "{} tests: {passed} passed, {failed} failed, {no_data} without data{by_hand}",
        results.len()
    ));
    if results.is_empty() {
        return Err(Ends::usage(
            "no tests found: name rules that have some, test files, or --data",
        ));
    }
    Ok(if failed + no_data + problems.len() > 0 { Outcome::Findings } else { Outcome::Done })
}

/// Rules are looked for in -r and in the places named; files that are no rules are passed over.
fn rule_args(args: &TestArgs) -> RuleArgs {
    let own = &args.rules;
    RuleArgs {
        rules: own.rules.iter().chain(&args.places).cloned().collect(),
        // A test of a rule that is not loaded by default is a test all the same.
        only: Vec::new(),
        min_severity: None,
        hunting: true,
        ..own.clone()
    }
}

/// The rules that tests name, and what is needed to run them.
struct Bench<'v> {
    views: &'v Views,
    ledgers: Vec<(Option<PathBuf>, Ledger)>,
}

impl<'v> Bench<'v> {
    /// Loads also the rules that test files name.
    fn new(
        args: &RuleArgs,
        ledger: Ledger,
        views: &'v Views,
        cases: &[TestCase],
        jobs: usize,
        talk: &Talk,
    ) -> Result<Self> {
        let mut ledgers = vec![(None, ledger)];
        let folders: BTreeSet<&PathBuf> = cases.iter().filter_map(|c| c.rules.as_ref()).collect();
        for folder in folders {
            let named = RuleArgs {
                rules: vec![folder.clone()],
                only: Vec::new(),
                min_severity: None,
                hunting: true,
                ..args.clone()
            };
            ledgers.push((Some(folder.clone()), settings::load_rules(&named, jobs, talk)?));
        }
        Ok(Bench { views, ledgers })
    }

    fn find(&self, case: &TestCase) -> Option<&Entry> {
        let is_it = |entry: &&Entry| {
            entry.meta.id.eq_ignore_ascii_case(&case.rule)
                || entry.meta.title.eq_ignore_ascii_case(&case.rule)
        };
        let ledgers = self.ledgers.iter().filter(|(of, _)| *of == case.rules || of.is_none());
        let mut found = ledgers.rev().flat_map(|(_, ledger)| &ledger.entries).filter(is_it);
        found.next()
    }

    /// Tests by turns over threads; results in the order of the tests.
    fn run_all(&self, cases: Vec<TestCase>, jobs: usize) -> Vec<TestResult> {
        let next = std::sync::atomic::AtomicUsize::new(0);
        let mut results: Vec<(usize, TestResult)> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs.clamp(1, cases.len().max(1)))
                .map(|_| {
                    scope.spawn(|| {
                        let mut own = Vec::new();
                        loop {
                            let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            let Some(case) = cases.get(at) else { return own };
                            own.push((at, self.run(case)));
                        }
                    })
                })
                .collect();
            workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
        });
        results.sort_by_key(|(at, _)| *at);
        results.into_iter().map(|(_, result)| result).collect()
    }

    fn run(&self, case: &TestCase) -> TestResult {
        let ended = |verdict: Verdict| TestResult {
            case: case.clone(),
            verdict,
            fired: BTreeMap::new(),
            count: 0,
        };
        if let Some(reason) = &case.manual {
            return ended(Verdict::Manual(reason.clone()));
        }
        let no_data = |reason: String| ended(Verdict::NoData(reason));
        let rule = match self.find(case).map(|entry| (&entry.rule, entry)) {
            Some((Ok(rule), _)) => rule,
            Some((Err(skip), entry)) => return no_data(not_loaded(skip, entry)),
            None => return no_data(format!("no rule is {}", case.rule)),
        };
        if let Some(missing) = case.logs.iter().find_map(TestLog::missing) {
            return no_data(missing);
        }
        if case.logs.is_empty() {
            return no_data("the test names no logs".to_owned());
        }
        let (fired, problem) = self.fire(rule, case);
        let count = fired.values().map(|records| records.len() as u64).sum();
        let verdict = match problem {
            Some(problem) => Verdict::NoData(problem),
            None => judge(&case.expect, &fired, count),
        };
        TestResult { case: case.clone(), verdict, fired, count }
    }

    /// Where the rule fires, and what kept a log from being read.
    fn fire(
        &self,
        rule: &Arc<Rule>,
        case: &TestCase,
    ) -> (BTreeMap<String, Vec<u64>>, Option<String>) {
        let mut ledgers = self.ledgers.iter().map(|(_, ledger)| ledger);
        let has = |ledger: &&Ledger| {
            ledger.entries.iter().any(|e| e.rule.as_ref().is_ok_and(|own| Arc::ptr_eq(own, rule)))
        };
        let rules = ledgers.find(has).map(|ledger| ledger.with_referred(rule));
        let mut rules = rules.unwrap_or_default();
        if let (true, Some(own)) = (case.one_run, rules.first_mut()) {
            Arc::make_mut(own).clock = Clock::Whole;
        }
        // Logs of one origin run together; each origin has views of its own.
        let mut fired = BTreeMap::new();
        let mut problem = None;
        let origins: BTreeSet<&[(&str, String)]> = case.logs.iter().map(|log| &*log.said).collect();
        for said in origins {
            let logs: Vec<&TestLog> = case.logs.iter().filter(|log| *log.said == *said).collect();
            let said: Vec<(&str, &str)> =
                said.iter().map(|(name, text)| (*name, &**text)).collect();
            let views = self.views.with_constants(Schema::Splunk.as_str(), &said);
            let views = if said.is_empty() { self.views } else { &views };
            let found = fire(&rules, views, &logs, &mut fired);
            problem = problem.or(found);
        }
        (fired, problem)
    }
}

/// Runs rules on logs and adds where they fire; returns what kept a log from being read.
fn fire(
    rules: &[Arc<Rule>],
    views: &Views,
    logs: &[&TestLog],
    fired: &mut BTreeMap<String, Vec<u64>>,
) -> Option<String> {
    let plan = Plan::new(rules.to_vec(), views);
    let logs = logs.iter().flat_map(|log| {
        let (files, _) = rulestone_events::find_logs(&log.path);
        files.into_iter().map(|path| LogFile { lines: log.raw, ..settings::log_file(path) })
    });
    let logs: Vec<LogFile> = logs.collect();
    let mut problem = None;
    let stop = AtomicBool::new(false);
    let mut fire = |alert: &Alert| {
        // An alert on several events is where the last of them is.
        if let Some(last) = alert.evidence.last().filter(|_| !alert.building_block) {
            fired.entry(last.log.to_string()).or_default().push(last.event.record);
        }
    };
    let exceptions = Exceptions::default();
    let judging = Judging { views, exceptions: &exceptions, quiet: QuietHits::Counted };
    let mut fire = |judged: &Judged| {
        if let Judged::Alert(alert) = judged {
            fire(alert);
        }
    };
    let ran = run_strata(&plan, &judging, &ScanSettings::default(), &logs, &stop, |passed| {
        match passed {
            Passed::Later(judged) => fire(&judged),
            Passed::Refused(refused) => {
                problem.get_or_insert(format!("{}: {}", refused.code, refused.message));
            }
            Passed::Unit(outcome) => {
                outcome.hits.iter().for_each(&mut fire);
                for (name, end) in outcome.members {
                    // An archive may hold other things than logs beside them.
                    if let Err(error) = end
                        && !matches!(error, LogError::Unread(_))
                    {
                        problem.get_or_insert(format!("{name}: {error}"));
                    }
                }
                if let Some(Err(error)) = outcome.end {
                    problem.get_or_insert(format!("{}: {error}", logs[outcome.log].name));
                }
            }
        }
    });
    if let Err(error) = ran {
        problem.get_or_insert(error.to_string());
    }
    problem
}

fn not_loaded(skip: &Skip, entry: &Entry) -> String {
    match skip {
        Skip::Selection(reason) => format!("the rule is not loaded: {reason}"),
        Skip::Filter(_) => "it is a filter, and fires by itself never".to_owned(),
        Skip::Status(status) => {
            let first = entry.diagnostics.first().map(|d| d.message.as_str()).unwrap_or_default();
            format!("the rule is {}: {first}", status.as_str())
        }
    }
}

fn judge(expect: &Expect, fired: &BTreeMap<String, Vec<u64>>, count: u64) -> Verdict {
    match expect {
        Expect::Fires if count > 0 => Verdict::Passed,
        Expect::Fires => Verdict::Failed("did not fire".to_owned()),
        Expect::Silent if count == 0 => Verdict::Passed,
        Expect::Silent => Verdict::Failed(format!("fired {count} times, expected silence")),
        Expect::Count(wanted, _) if *wanted != count => {
            Verdict::Failed(format!("fired {count} times, expected {wanted}"))
        }
        Expect::Count(_, None) => Verdict::Passed,
        Expect::Count(_, Some(wanted)) => {
            let found: BTreeSet<u64> = fired.values().flatten().copied().collect();
            if found == *wanted {
                Verdict::Passed
            } else {
                Verdict::Failed(format!("fired at records {found:?}, expected {wanted:?}"))
            }
        }
    }
}

impl TestResult {
    fn word(&self) -> &'static str {
        match self.verdict {
            Verdict::Passed => "passed",
            Verdict::Failed(_) => "failed",
            Verdict::NoData(_) => "no data",
            Verdict::Manual(_) => "by hand",
        }
    }

    fn reason(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Passed => None,
            Verdict::Failed(reason) | Verdict::NoData(reason) | Verdict::Manual(reason) => {
                Some(reason)
            }
        }
    }
}

fn write_results(args: &TestArgs, results: &[TestResult], problems: &[TestProblem]) -> Result<()> {
    let text = match args.format.as_str() {
        "table" => table(results),
        "json" => json_text(results, problems),
        "junit" => junit(results),
        other => {
            return Err(Ends::usage(format!("no format is called {other:?}: table, json, junit")));
        }
    };
    let written = match &args.output {
        Some(path) => File::create(path).and_then(|mut file| file.write_all(text.as_bytes())),
        None => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        }
    };
    let target = args.output.as_ref().map_or("standard output".into(), |p| p.to_string_lossy());
    written.map_err(|error| Ends::output(&target, &error))
}

fn table(results: &[TestResult]) -> String {
    let mut out = String::new();
    for result in results {
        let alerts = result.count;
        out += &format!("{:<8} {alerts:>4} alerts  {}\n", result.word(), result.case.name);
        if let Some(reason) = result.reason() {
            out += &format!("         {reason} ({})\n", result.case.file.display());
        }
    }
    out
}

fn json_text(results: &[TestResult], problems: &[TestProblem]) -> String {
    let tests = results.iter().map(|result| {
        json!({
            "name": result.case.name,
            "rule": result.case.rule,
            "file": result.case.file.display().to_string(),
            "logs": result.case.logs.iter().map(|l| l.path.display().to_string()).collect::<Vec<_>>(),
            "result": result.word(),
            "reason": result.reason(),
            "alerts": result.count,
            "records": result.fired,
        })
    });
    let problems = problems.iter().map(
        |problem| json!({"file": problem.file.display().to_string(), "reason": problem.reason}),
    );
    let all = json!({
        "tests": tests.collect::<Vec<_>>(),
        "problems": problems.collect::<Vec<_>>(),
    });
    format!("{all:#}\n")
}

/// The form that build servers read. A test without data is an error, not a failure.
fn junit(results: &[TestResult]) -> String {
    let count = |word: &str| results.iter().filter(|result| result.word() == word).count();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"rulestone\" \
         tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n",
        results.len(),
        count("failed"),
        count("no data"),
        count("by hand")
    );
    for result in results {
        let name = escape(&result.case.name);
        let class = escape(&result.case.rule);
        out += &format!("<testcase name=\"{name}\" classname=\"{class}\"");
        match &result.verdict {
            Verdict::Passed => out += "/>\n",
            Verdict::Failed(reason) => {
                out += &format!("><failure message=\"{}\"/></testcase>\n", escape(reason));
            }
            Verdict::Manual(reason) => {
                out += &format!("><skipped message=\"{}\"/></testcase>\n", escape(reason));
            }
            Verdict::NoData(reason) => {
                out += &format!("><error message=\"{}\"/></testcase>\n", escape(reason));
            }
        }
    }
    out + "</testsuite>\n</testsuites>\n"
}

fn escape(text: &str) -> String {
    let allowed = |c: &char| *c == '\t' || *c == '\n' || *c >= ' ';
    text.chars().filter(allowed).fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
        out
    })
}
