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

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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
}

/// A log of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestLog {
    /// The file.
    pub path: PathBuf,
    /// Whether it is plain text, of which every line is an event.
    pub raw: bool,
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
    for entry in entries {
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
        logs: vec![TestLog { path: path.into(), raw: false }],
        expect: Expect::Fires,
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
    let logs = logs.iter().map(|log| TestLog { path: folder.join(log), raw: false }).collect();
    Ok(TestCase { name, file: file.to_owned(), rule, rules, logs, expect })
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
        Some(case(title.clone(), vec![TestLog { path: found, raw }], expect))
    };
    Ok(tests.iter().filter_map(read).collect())
}

fn files_of(id: &str, file: &Path) -> Vec<TestLog> {
    let endings = [("evtx", false), ("raw", true), ("json", false)];
    let beside = |ending: &str| file.with_file_name(format!("{id}.{ending}"));
    let logs = endings.iter().map(|(ending, raw)| TestLog { path: beside(ending), raw: *raw });
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
}
