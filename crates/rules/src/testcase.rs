//! Tests of rules: our own, for any language, and the vendors'.
//!
//! Our own are YAML files:
//!
//! ```yaml
//! rules: ../rules          # a file or folder, from this file on; may be left out
//! cases:
//!   - name: netstat with flags
//!     rule: 1c67a717-32ba-409b-a45d-0fb704a73a81    # id or title
//!     logs: ../logs/workstation.json                # or a list
//!     fires: 2             # so many alerts, or `true` for one or more
//!     records: [14, 17]    # may be left out: where
//!   - rule: 1c67a717-32ba-409b-a45d-0fb704a73a81
//!     logs: ../logs/quiet.json
//!     silent: true
//! ```
//!
//! SigmaHQ's are `info.yml` files beside the logs, which rules name by `regression_tests_path`.
//! Detections of `security_content` name the logs themselves, by an address on the web: they are
//! looked for below the folders of data, by as much of their path as there is.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use rulestone_ir::{RuleTest, TestData, Vendor};

use saphyr::Yaml;

use crate::ledger::Entry;
use crate::{find_rule_files, yaml};

/// A test of one rule on some logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    /// What it is called.
    pub name: String,
    /// The file that says so.
    pub file: PathBuf,
    /// The id or title of the rule.
    pub rule: String,
    /// Where the file says its rules are.
    pub rules: Option<PathBuf>,
    /// The logs; one that is not there fails the test as 'no data'.
    pub logs: Vec<TestLog>,
    /// What has to come out.
    pub expect: Expect,
    /// Why its author says that it can only be run by hand.
    pub manual: Option<String>,
    /// Whether all logs are one run of the rule, whatever its schedule says.
    pub one_run: bool,
}

/// A log of a test.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestLog {
    /// The file.
    pub path: PathBuf,
    /// Whether it is plain text, of which every line is an event.
    pub raw: bool,
    /// What the test says of where its events come from, whatever they look like: `source`,
    /// `sourcetype`, `host`.
    pub said: Vec<(&'static str, String)>,
}

impl TestLog {
    /// A log of which nothing is said.
    fn plain(path: PathBuf) -> Self {
        TestLog { path, ..TestLog::default() }
    }

    /// What keeps it from being read, if anything does: it is not there, or stands for a file that
    /// was not fetched.
    pub fn missing(&self) -> Option<String> {
        const POINTER: &[u8] = b"version https://git-lfs";
        let path = self.path.display();
        if !self.path.exists() {
            return Some(format!("no such log: {path}"));
        }
        let mut head = [0; POINTER.len()];
        let read = std::fs::File::open(&self.path).and_then(|mut file| file.read_exact(&mut head));
        (read.is_ok() && head == POINTER)
            .then(|| format!("{path} is a pointer of Git LFS: fetch it with `git lfs pull`"))
    }
}

/// What has to come out of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// At least one alert.
    Fires,
    /// So many alerts, at these records if they are given.
    Count(u64, Option<BTreeSet<u64>>),
    /// Nothing.
    Silent,
}

/// A file of tests that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestProblem {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// The folder that the paths of SigmaHQ's tests start with.
const REGRESSION_DATA: &str = "regression_data";

/// Finds tests: those that `entries` name, and those in files at and below `places`. `data` are
/// folders in which logs are looked for.
pub fn find_tests(
    places: &[PathBuf],
    entries: &[Entry],
    data: &[PathBuf],
) -> (Vec<TestCase>, Vec<TestProblem>) {
    let (mut cases, mut problems) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    let folders: Vec<PathBuf> = data.iter().chain(places).cloned().collect();
    let below = Below::new(data);
    for entry in entries {
        if entry.origin.vendor != Vendor::Sigma {
            cases.extend(entry.origin.tests.iter().map(|test| case_of(entry, test, &below)));
            continue;
        }
        for test in entry.origin.tests.iter().flat_map(|test| &test.data) {
            let file = locate(&test.path, Path::new(&*entry.origin.path), &folders);
            match file {
                Some(file) if seen.insert(file.clone()) => {
                    read_file(&file, Some(&entry.meta.id), &folders, &mut cases, &mut problems);
                }
                Some(_) => {}
                None => cases.push(no_data(entry, &test.path)),
            }
        }
    }
    for place in places.iter().chain(data) {
        for file in find_rule_files(place).0 {
            if seen.insert(file.clone()) {
                read_file(&file, None, &folders, &mut cases, &mut problems);
            }
        }
    }
    (cases, problems)
}

/// A test whose description cannot be found: it fails, and says so.
fn no_data(entry: &Entry, path: &str) -> TestCase {
    TestCase {
        name: format!("{} ({path})", entry.meta.title),
        file: PathBuf::from(&*entry.origin.path),
        rule: entry.meta.id.clone(),
        rules: None,
        logs: vec![TestLog::plain(path.into())],
        expect: Expect::Fires,
        manual: None,
        one_run: false,
    }
}

/// A test that names its logs itself: the rule has to find something in them, in one run over all.
fn case_of(entry: &Entry, test: &RuleTest, below: &Below) -> TestCase {
    let log = |data: &TestData| {
        let said =
            [("source", &data.source), ("sourcetype", &data.sourcetype), ("host", &data.host)];
        let said = said.into_iter().filter_map(|(name, text)| Some((name, text.clone()?)));
        let path = below.find(&data.path).unwrap_or_else(|| data.path.clone().into());
        TestLog { path, raw: false, said: said.collect() }
    };
    let name = if test.name.is_empty() { "test" } else { &test.name };
    TestCase {
        name: format!("{}: {name}", entry.meta.title),
        file: PathBuf::from(&*entry.origin.path),
        rule: entry.meta.id.clone(),
        rules: None,
        logs: test.data.iter().map(log).collect(),
        expect: Expect::Fires,
        manual: test.manual.clone(),
        one_run: true,
    }
}

/// The files below the folders of data, by their names without what they are packed as.
struct Below {
    files: HashMap<String, Vec<PathBuf>>,
}

/// What packed files end in.
const PACKED: [&str; 3] = [".gz", ".zip", ".zst"];

fn unpacked(name: &str) -> &str {
    PACKED.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

impl Below {
    fn new(folders: &[PathBuf]) -> Self {
        let mut files: HashMap<String, Vec<PathBuf>> = HashMap::new();
        for folder in folders {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            for entry in ignore::WalkBuilder::new(folder).standard_filters(false).build().flatten()
            {
                if entry.file_type().is_some_and(|kind| kind.is_dir()) {
                    continue;
                }
                let name = entry.file_name().to_string_lossy();
                files.entry(unpacked(&name).to_owned()).or_default().push(entry.into_path());
            }
        }
        files.values_mut().for_each(|paths| paths.sort());
        Below { files }
    }

    /// The file whose path ends like an address, the more of it the better. Its name alone will
    /// do where only one file is called so.
    fn find(&self, address: &str) -> Option<PathBuf> {
        let address = address.split(['?', '#']).next().unwrap_or_default().replace("%20", " ");
        let wanted: Vec<&str> = address.split('/').rev().collect();
        let candidates = self.files.get(unpacked(wanted.first()?))?;
        let same = |path: &PathBuf| {
            let own = path.iter().rev().map(|part| part.to_string_lossy());
            own.zip(&wanted).take_while(|(own, wanted)| unpacked(own) == unpacked(wanted)).count()
        };
        let best = candidates.iter().map(same).max()?;
        let found = candidates.iter().find(|path| same(path) == best);
        found.filter(|_| best > 1 || candidates.len() == 1).cloned()
    }
}

/// Finds a path that a rule or test names: from the file itself or a folder above it, or in one
/// of the folders, with or without the name of SigmaHQ's own folder of tests.
fn locate(path: &str, from: &Path, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = Path::new(path);
    let inner = path.strip_prefix(REGRESSION_DATA).unwrap_or(path);
    let above = from.ancestors().skip(1).map(|folder| folder.join(path));
    let given = folders.iter().flat_map(|folder| {
        folder.ancestors().take(2).flat_map(|f| [f.join(path), f.join(inner)]).collect::<Vec<_>>()
    });
    above.chain(given).find(|candidate| candidate.is_file())
}

fn read_file(
    file: &Path,
    rule: Option<&str>,
    folders: &[PathBuf],
    cases: &mut Vec<TestCase>,
    problems: &mut Vec<TestProblem>,
) {
    let mut fail = |reason: String| problems.push(TestProblem { file: file.to_owned(), reason });
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return fail(error.to_string()),
    };
    let is_ours = text.lines().any(|line| line.starts_with("cases:"));
    let is_sigmas = text.contains("rule_metadata:") || text.contains("regression_tests_info:");
    if !is_ours && !is_sigmas {
        return;
    }
    let read = yaml::document(&text).and_then(|document| match is_ours {
        true => own_cases(&document, file),
        false => sigma_cases(&document, file, rule, folders),
    });
    match read {
        Ok(read) => cases.extend(read),
        Err(reason) => fail(reason),
    }
}

fn own_cases(document: &Yaml<'_>, file: &Path) -> Result<Vec<TestCase>, String> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let rules = yaml::get(document, "rules").and_then(yaml::text).map(|path| folder.join(path));
    let cases = yaml::get(document, "cases").and_then(|cases| cases.as_sequence());
    let cases = cases.ok_or("`cases` is a list")?;
    cases.iter().map(|case| own_case(case, file, folder, rules.clone())).collect()
}

fn own_case(
    case: &Yaml<'_>,
    file: &Path,
    folder: &Path,
    rules: Option<PathBuf>,
) -> Result<TestCase, String> {
    const KEYS: &[&str] = &["name", "rule", "logs", "fires", "records", "silent"];
    let map = case.as_mapping().ok_or("a case is a map")?;
    for key in map.iter().filter_map(|(key, _)| yaml::text(key)) {
        if !KEYS.contains(&key.as_str()) {
            return Err(format!("a case has no `{key}`; it has {}", KEYS.join(", ")));
        }
    }
    let rule = yaml::get(case, "rule").and_then(yaml::text).ok_or("a case names its `rule`")?;
    let name = yaml::get(case, "name").and_then(yaml::text).unwrap_or_else(|| rule.clone());
    let logs = yaml::get(case, "logs").map(yaml::texts).unwrap_or_default();
    if logs.is_empty() {
        return Err(format!("the case {name:?} names no `logs`"));
    }
    let records = yaml::get(case, "records").map(|records| {
        yaml::texts(records).iter().filter_map(|record| record.parse().ok()).collect()
    });
    let records: Option<BTreeSet<u64>> = records;
    let silent = yaml::get(case, "silent").and_then(|silent| silent.as_bool()).unwrap_or(false);
    let fires = yaml::get(case, "fires");
    let count = fires.and_then(|fires| fires.as_integer()).and_then(|n| u64::try_from(n).ok());
    let expect = match (silent, fires.and_then(|fires| fires.as_bool()), count, records) {
        (true, None, None, None) => Expect::Silent,
        (false, None, Some(0), None) => Expect::Silent,
        (false, None, Some(count), records) => Expect::Count(count, records),
        (false, _, None, Some(records)) => Expect::Count(records.len() as u64, Some(records)),
        (false, Some(true), None, None) => Expect::Fires,
        _ => {
            return Err(format!(
                "the case {name:?} says one of `fires: true`, `fires: NUMBER`, `records: […]` and \
                 `silent: true`"
            ));
        }
    };
    let logs = logs.iter().map(|log| TestLog::plain(folder.join(log))).collect();
    Ok(TestCase {
        name,
        file: file.to_owned(),
        rule,
        rules,
        logs,
        expect,
        manual: None,
        one_run: false,
    })
}

fn sigma_cases(
    document: &Yaml<'_>,
    file: &Path,
    rule: Option<&str>,
    folders: &[PathBuf],
) -> Result<Vec<TestCase>, String> {
    let metadata = yaml::get(document, "rule_metadata").and_then(|rules| rules.as_sequence());
    let first = metadata.and_then(|rules| rules.first());
    let field = |key| first.and_then(|rule| yaml::get(rule, key)).and_then(yaml::text);
    let id = field("id").or_else(|| rule.map(str::to_owned)).ok_or("no id in `rule_metadata`")?;
    let title = field("title").unwrap_or_else(|| id.clone());
    let case = |name: String, logs, expect| TestCase {
        name,
        file: file.to_owned(),
        rule: id.clone(),
        rules: None,
        logs,
        expect,
        manual: None,
        one_run: false,
    };
    let tests = yaml::get(document, "regression_tests_info").and_then(|tests| tests.as_sequence());
    let Some(tests) = tests else {
        // Nothing is listed: the files beside it that are called after the rule are its tests.
        let logs = files_of(&id, file);
        return Ok(logs
            .into_iter()
            .map(|log| case(title.clone(), vec![log], Expect::Fires))
            .collect());
    };
    let read = |test: &Yaml<'_>| {
        let path = yaml::get(test, "path").and_then(yaml::text)?;
        let raw = yaml::get(test, "type").and_then(yaml::text).as_deref() == Some("raw");
        let count = yaml::get(test, "match_count").and_then(|count| count.as_integer());
        let expect = match count.and_then(|count| u64::try_from(count).ok()) {
            Some(count) => Expect::Count(count, None),
            None => Expect::Fires,
        };
        let found = locate(&path, file, folders).unwrap_or_else(|| path.into());
        Some(case(title.clone(), vec![TestLog { raw, ..TestLog::plain(found) }], expect))
    };
    Ok(tests.iter().filter_map(read).collect())
}

fn files_of(id: &str, file: &Path) -> Vec<TestLog> {
    let endings = [("evtx", false), ("raw", true), ("json", false)];
    let beside = |ending: &str| file.with_file_name(format!("{id}.{ending}"));
    let logs =
        endings.iter().map(|(ending, raw)| TestLog { raw: *raw, ..TestLog::plain(beside(ending)) });
    logs.filter(|log| log.path.is_file()).take(1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Result<Vec<TestCase>, String> {
        own_cases(&yaml::document(text).unwrap(), Path::new("t/tests.yml"))
    }

    #[test]
    fn expectations() {
        let cases = [
            ("fires: true", Some(Expect::Fires)),
            ("fires: 2", Some(Expect::Count(2, None))),
            ("fires: 0", Some(Expect::Silent)),
            ("silent: true", Some(Expect::Silent)),
            ("records: [3, 4]", Some(Expect::Count(2, Some([3, 4].into())))),
            ("fires: true, silent: true", None),
            ("silent: true, records: [1]", None),
            ("fires: maybe", None),
            ("fire: 2", None),
        ];
        for (text, expected) in cases {
            let read = own(&format!("cases:\n  - {{rule: r, logs: a.json, {text}}}\n"));
            assert_eq!(read.ok().map(|cases| cases[0].expect.clone()), expected, "{text}");
        }
    }

    #[test]
    fn paths_are_seen_from_the_file() {
        let read = own("rules: ../rules\ncases:\n- {rule: r, logs: [a.json, b.json], fires: 1}\n");
        let case = &read.unwrap()[0];
        assert_eq!(case.rules.as_deref(), Some(Path::new("t/../rules")));
        assert_eq!(case.logs[1].path, Path::new("t/b.json"));
    }

    #[test]
    fn logs_are_found_by_as_much_of_their_path_as_there_is() {
        const ADDRESS: &str = "https://media.example/attack_data/master/datasets/T1049/ad/win.log";
        let cases: [(&[&str], &str, Option<&str>); 9] = [
            (&["datasets/T1049/ad/win.log"], ADDRESS, Some("datasets/T1049/ad/win.log")),
            (&["T1049/ad/win.log", "T1018/ad/win.log"], ADDRESS, Some("T1049/ad/win.log")),
            (&["x/ad/win.log.gz", "y/b/win.log"], ADDRESS, Some("x/ad/win.log.gz")),
            (&["ad/win.log.zip"], ADDRESS, Some("ad/win.log.zip")),
            (&["win.log"], ADDRESS, Some("win.log")),
            (&["b/win.log", "c/win.log"], ADDRESS, None),
            (&["ad/win.json"], ADDRESS, None),
            (&["a b/c.log"], "https://h/a%20b/c.log?raw=true", Some("a b/c.log")),
            (&[], "", None),
        ];
        for (files, address, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            for file in files {
                let path = folder.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "x").unwrap();
            }
            let found = Below::new(&[folder.path().to_owned()]).find(address);
            let expected = expected.map(|file| folder.path().join(file));
            assert_eq!(found, expected, "{files:?}");
        }
    }

    #[test]
    fn a_pointer_is_no_log() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            TestLog::plain(path).missing()
        };
        assert_eq!(check("a", "<Event/>"), None);
        assert_eq!(check("b", ""), None);
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
        assert!(check("c", pointer).is_some_and(|reason| reason.contains("Git LFS")));
        let missing = TestLog::plain(folder.path().join("d")).missing();
        assert!(missing.is_some_and(|reason| reason.contains("no such log")));
    }
}
