//! What rules lean on that stands beside them: macros and lookups of the rule sets named, and those
//! that the user names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rulestone_dialects::conf::{self, Stanza};
use rulestone_dialects::containers::yaml::{self, Kind, Node};
use rulestone_dialects::{Environment, Macro};

use crate::FileProblem;
use crate::lookups::{self, Definition};

/// Where companions are looked for.
#[derive(Debug, Clone, Default)]
pub struct Places<'a> {
    /// Rule files and folders: what stands in their rule sets.
    pub rules: &'a [PathBuf],
    /// Files of macros, YAML or `macros.conf`; they come after those of the rule sets.
    pub macros: &'a [PathBuf],
    /// Folders of CSV files; they come after those of the rule sets.
    pub lookups: &'a [PathBuf],
}

/// Folders above a rule that are asked whether they are its rule set.
const ABOVE: usize = 6;
/// Folders below a place that are asked whether they are rule sets, one inside the other.
const BELOW: usize = 3;
/// Bytes of one file of macros.
const MOST_BYTES: u64 = 16 << 20;

/// Adds the companions to what rules know of where they run; returns what could not be read. What
/// comes later wins.
pub fn read_companions(places: &Places<'_>, environment: &mut Environment) -> Vec<FileProblem> {
    let mut problems = Vec::new();
    let mut definitions = Vec::new();
    let mut tables = lookups::Tables::default();
    for set in rule_sets(places.rules) {
        read_set(&set, environment, &mut definitions, &mut tables, &mut problems);
    }
    for file in places.macros {
        read_macros(file, environment, &mut problems);
    }
    for folder in places.lookups {
        read_definitions(folder, &mut definitions, &mut problems);
        tables.add_folder(folder, lookups::Origin::User, &mut problems);
    }
    tables.finish(&definitions, environment, &mut problems);
    problems
}

/// The folders that hold macros or lookups beside the rules at `places`.
fn rule_sets(places: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    for place in places {
        let place = std::path::absolute(place).unwrap_or_else(|_| place.clone());
        let start = if place.is_dir() { place.as_path() } else { place.parent().unwrap_or(&place) };
        let above = start.ancestors().take(ABOVE).find(|folder| is_set(folder));
        if let Some(above) = above {
            found.insert(above.to_owned());
        } else if place.is_dir() {
            sets_below(&place, BELOW, &mut found);
        }
    }
    found.into_iter().collect()
}

/// Whether a folder is a rule set: a checkout of content, or an app.
fn is_set(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_dir();
    let content = has("detections") && (has("macros") || has("lookups"));
    content || CONF_FOLDERS.iter().any(|conf| is_app(&folder.join(conf)))
}

fn is_app(folder: &Path) -> bool {
    ["macros.conf", "transforms.conf"].iter().any(|name| folder.join(name).is_file())
}

/// Folders of an app that hold its configuration, those that win last.
const CONF_FOLDERS: [&str; 2] = ["default", "local"];

fn sets_below(folder: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let path = entry.path();
        if is_folder && is_set(&path) {
            found.insert(path);
        } else if is_folder && depth > 1 {
            sets_below(&path, depth - 1, found);
        }
    }
}

fn read_set(
    set: &Path,
    environment: &mut Environment,
    definitions: &mut Vec<Definition>,
    tables: &mut lookups::Tables,
    problems: &mut Vec<FileProblem>,
) {
    for file in files(&set.join("macros"), &["yml", "yaml"]) {
        read_macros(&file, environment, problems);
    }
    for folder in CONF_FOLDERS.map(|folder| set.join(folder)) {
        let macros = folder.join("macros.conf");
        if macros.is_file() {
            read_macros(&macros, environment, problems);
        }
        let transforms = folder.join("transforms.conf");
        if transforms.is_file()
            && let Some(text) = text_of(&transforms, problems)
        {
            definitions.extend(conf::parse(&text).iter().filter_map(Definition::of_stanza));
        }
    }
    let folder = set.join("lookups");
    read_definitions(&folder, definitions, problems);
    tables.add_folder(&folder, lookups::Origin::Set, problems);
}

/// The definitions of lookups in the YAML files of a folder.
fn read_definitions(
    folder: &Path,
    definitions: &mut Vec<Definition>,
    problems: &mut Vec<FileProblem>,
) {
    for file in files(folder, &["yml", "yaml"]) {
        let Some(text) = text_of(&file, problems) else { continue };
        let mended = yaml::mend(&text);
        for document in yaml::parse(mended.as_deref().unwrap_or(&text)) {
            let read = document.root.as_ref().and_then(|root| Definition::of_yaml(root, &file));
            definitions.extend(read);
        }
    }
}

/// Adds the macros of a file: a `macros.conf` by its ending, else YAML.
fn read_macros(file: &Path, environment: &mut Environment, problems: &mut Vec<FileProblem>) {
    let Some(text) = text_of(file, problems) else { return };
    let mut add = |(name, read): (String, Macro)| {
        environment.macros.insert(name, read);
    };
    if has_ending(file, &["conf"]) {
        return conf::parse(&text).iter().filter_map(macro_of_stanza).for_each(add);
    }
    let mended = yaml::mend(&text);
    let mut count = 0;
    for document in yaml::parse(mended.as_deref().unwrap_or(&text)) {
        let nodes = match document.root.as_ref().map(|root| &root.kind) {
            Some(Kind::Sequence(nodes)) => nodes.as_slice(),
            _ => document.root.as_slice(),
        };
        for read in nodes.iter().filter_map(macro_of_yaml) {
            count += 1;
            add(read);
        }
    }
    if count == 0 {
        let reason = "there is no macro in it: it has no `name` and `definition`".to_owned();
        problems.push(problem(file, reason));
    }
}

/// A macro and the name it goes by: with the number of its arguments, if it has some.
fn named(name: &str, read: Macro) -> (String, Macro) {
    let name = name.split('(').next().unwrap_or(name).trim();
    match read.arguments.len() {
        0 => (name.to_owned(), read),
        count => (format!("{name}({count})"), read),
    }
}

fn macro_of_yaml(node: &Node<'_>) -> Option<(String, Macro)> {
    let arguments = match node.get("arguments").map(|arguments| &arguments.kind) {
        Some(Kind::Sequence(items)) => {
            items.iter().filter_map(|item| Some(item.text()?.to_owned())).collect()
        }
        _ => Vec::new(),
    };
    let is_eval = node.get("iseval").and_then(Node::text).is_some_and(lookups::is_true);
    let definition = node.get("definition")?.text().unwrap_or_default().to_owned();
    Some(named(node.get("name")?.text()?, Macro { arguments, definition, is_eval }))
}

fn macro_of_stanza(stanza: &Stanza) -> Option<(String, Macro)> {
    let definition = stanza.get("definition")?.text.clone();
    let arguments = stanza.get("args").map(|args| args.text.clone()).unwrap_or_default();
    let arguments = arguments.split(',').map(|name| name.trim().to_owned());
    let arguments = arguments.filter(|name| !name.is_empty()).collect();
    let is_eval = stanza.get("iseval").is_some_and(|value| lookups::is_true(&value.text));
    Some(named(&stanza.name, Macro { arguments, definition, is_eval }))
}

/// The files of a folder with one of these endings, in the order of their names; none where there
/// is no such folder.
pub(crate) fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|path| has_ending(path, endings)).collect();
    files.sort();
    files
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    endings.iter().any(|known| known.eq_ignore_ascii_case(ending))
}

fn text_of(file: &Path, problems: &mut Vec<FileProblem>) -> Option<String> {
    let size = std::fs::metadata(file).map_or(0, |data| data.len());
    if size > MOST_BYTES {
        problems.push(problem(file, format!("it has more than {MOST_BYTES} bytes")));
        return None;
    }
    match std::fs::read(file) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => {
            problems.push(problem(file, error.to_string()));
            None
        }
    }
}

pub(crate) fn problem(file: &Path, reason: String) -> FileProblem {
    FileProblem { path: file.to_string_lossy().into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    fn read(rules: &[PathBuf], macros: &[PathBuf]) -> (Environment, Vec<FileProblem>) {
        let mut environment = Environment::default();
        let places = Places { rules, macros, lookups: &[] };
        let problems = read_companions(&places, &mut environment);
        (environment, problems)
    }

    const SET: &[(&str, &str)] = &[
        ("set/detections/endpoint/a.yml", "name: a\ntype: TTP\nsearch: x\n"),
        ("set/macros/logs.yml", "name: logs\ndefinition: index=a OR index=b\n"),
        (
            "set/macros/t.yml",
            "name: ctime\narguments: [field]\ndefinition: convert ctime($field$)\n",
        ),
        ("set/lookups/known.yml", "name: known\nfilename: known.csv\n"),
        ("set/lookups/known.csv", "name,ok\na,1\n"),
        ("set/other/notes.txt", "x"),
    ];

    #[test]
    fn companions_stand_beside_the_rules_wherever_the_user_points() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), SET);
        for place in ["set", "set/detections", "set/detections/endpoint/a.yml", "set/lookups", ""] {
            let (environment, problems) = read(&[folder.path().join(place)], &[]);
            assert_eq!(problems, [], "{place}");
            let names: Vec<_> = environment.macros.keys().map(String::as_str).collect();
            assert_eq!(names, ["ctime(1)", "logs"], "{place}");
            assert_eq!(environment.tables["known"].rows.len(), 1, "{place}");
        }
    }

    #[test]
    fn macros_of_an_app_and_of_the_user() {
        let folder = tempfile::tempdir().unwrap();
        let app = "[logs]\ndefinition = index=app\n[drop(1)]\nargs = name\ndefinition = rename \\\n\
                   \"$name$.*\" as *\n[when]\ndefinition = \"x\"\niseval = 1\n";
        write(folder.path(), SET);
        write(
            folder.path(),
            &[
                ("app/default/macros.conf", app),
                ("app/local/macros.conf", "[logs]\ndefinition = index=local\n"),
                ("app/default/savedsearches.conf", "[s]\nsearch = x\n"),
                (
                    "own.yml",
                    "- {name: logs, definition: index=own}\n- {name: more, definition: ''}\n",
                ),
                ("none.yml", "a: b\n"),
            ],
        );
        let place = folder.path().join("app/default/savedsearches.conf");
        let (environment, problems) = read(&[place], &[]);
        assert_eq!(problems, []);
        assert_eq!(environment.macros["logs"].definition, "index=local");
        assert_eq!(environment.macros["drop(1)"].arguments, ["name"]);
        assert_eq!(environment.macros["drop(1)"].definition, "rename  \n\"$name$.*\" as *");
        assert!(environment.macros["when"].is_eval);
        let own = ["own.yml", "none.yml", "missing.yml"].map(|name| folder.path().join(name));
        let (environment, problems) = read(&[folder.path().join("set")], &own);
        assert_eq!(environment.macros["logs"].definition, "index=own");
        assert_eq!(environment.macros["more"].definition, "");
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
