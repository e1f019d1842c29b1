//! Lookups: the tables that rules look values up in, from CSV files and what is said about how they
//! match.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rulestone_dialects::Environment;
use rulestone_dialects::conf::Stanza;
use rulestone_dialects::containers::yaml::{Kind, Node};
use rulestone_ir::{MatchType, Matching, Table};

use crate::FileProblem;
use crate::companions::{files, problem};

/// Bytes of one table, unpacked.
const MOST_BYTES: u64 = 256 << 20;
/// Bytes of all tables together.
const MOST_BYTES_OF_ALL: u64 = 1 << 30;
/// Rows that count for one value where a definition says nothing: the default of the vendor.
const MOST_MATCHES: u64 = 100;

/// What is said about a lookup, apart from its rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Definition {
    name: String,
    /// The file of its rows, by name alone.
    file: Option<String>,
    /// The key-value collection of its rows.
    collection: Option<String>,
    /// What answers in its place: a script, a model.
    outside: Option<&'static str>,
    matching: Matching,
}

/// Whether a setting says yes.
pub(crate) fn is_true(text: &str) -> bool {
    matches!(&*text.trim().to_ascii_lowercase(), "1" | "t" | "true" | "y" | "yes")
}

impl Definition {
    /// From a YAML file of `security_content`, in its older or newer form.
    pub(crate) fn of_yaml(root: &Node<'_>, file: &Path) -> Option<Definition> {
        let text = |key: &str| match root.get(key).map(|node| &node.kind) {
            Some(Kind::Sequence(items)) => {
                Some(items.iter().filter_map(Node::text).collect::<Vec<_>>().join(","))
            }
            _ => root.get(key)?.text().map(str::to_owned),
        };
        let name = text("name")?;
        let mut definition = Definition::of(&name, &text);
        // The newer form says what it is, and a CSV file is called like its description.
        match text("lookup_type").as_deref() {
            Some("mlmodel") => definition.outside = Some(MODEL),
            Some("csv") if definition.file.is_none() => {
                definition.file = Some(file.file_stem()?.to_string_lossy().into_owned() + ".csv");
            }
            Some("kvstore") if definition.collection.is_none() => {
                definition.collection = Some(name);
            }
            _ => {}
        }
        Some(definition)
    }

    /// From a stanza of a `transforms.conf`; most stanzas there are no lookups.
    pub(crate) fn of_stanza(stanza: &Stanza) -> Option<Definition> {
        let text = |key: &str| stanza.get(key).map(|value| value.text.clone());
        let keys = ["filename", "collection", "external_cmd", "external_type"];
        let is_lookup = keys.iter().any(|key| stanza.get(key).is_some());
        is_lookup.then(|| Definition::of(&stanza.name, &text))
    }

    fn of(name: &str, text: &dyn Fn(&str) -> Option<String>) -> Definition {
        let number = |key: &str| text(key).and_then(|number| number.trim().parse().ok());
        let outside = match () {
            () if name.starts_with("__mlspl_") => Some(MODEL),
            () if text("external_cmd").is_some() => {
                Some("a script outside of the rule set answers it")
            }
            () if text("external_type").as_deref() == Some("geo") => {
                Some("it is a lookup of shapes on a map")
            }
            () => None,
        };
        let sensitive = text("case_sensitive_match").is_none_or(|text| is_true(&text));
        Definition {
            name: name.to_owned(),
            file: text("filename"),
            collection: text("collection"),
            outside,
            matching: Matching {
                columns: text("match_type").map(|text| match_types(&text)).unwrap_or_default(),
                ignore_case: !sensitive,
                min: number("min_matches").unwrap_or(0),
                max: Some(number("max_matches").unwrap_or(MOST_MATCHES).max(1)),
                default: text("default_match"),
            },
        }
    }

    /// Why there are no rows.
    fn missing(&self) -> String {
        if let Some(outside) = self.outside {
            return outside.to_owned();
        }
        match (&self.collection, &self.file) {
            (Some(collection), _) => format!(
                "the rows of the key-value collection {collection} are not part of the rule set"
            ),
            (None, Some(file)) => format!("its file {file} is not part of the rule set"),
            (None, None) => "its rows are not part of the rule set".to_owned(),
        }
    }
}

const MODEL: &str = "it is a model of the machine learning toolkit";

/// `WILDCARD(a), CIDR(b)`: columns that do not match by equality.
fn match_types(text: &str) -> Vec<(Arc<str>, MatchType)> {
    let mut found = Vec::new();
    for part in text.split(')') {
        let Some((kind, columns)) = part.split_once('(') else { continue };
        let kind = match kind.trim_matches([',', ' ']).to_ascii_uppercase().as_str() {
            "WILDCARD" => MatchType::Wildcard,
            "CIDR" => MatchType::Cidr,
            _ => continue,
        };
        let columns = columns.split(',').map(str::trim).filter(|column| !column.is_empty());
        found.extend(columns.map(|column| (Arc::from(column), kind)));
    }
    found
}

/// Who a file of rows comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The rule set.
    Set,
    /// The user: it stands in for a lookup or collection of its name too.
    User,
}

/// The files of rows, by name.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    files: BTreeMap<String, (PathBuf, Origin)>,
}

/// The rows of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rows {
    columns: Vec<Arc<str>>,
    rows: Vec<Vec<Arc<str>>>,
}

impl Tables {
    /// Adds the files of a folder; one called the same replaces those before it.
    pub(crate) fn add_folder(
        &mut self,
        folder: &Path,
        origin: Origin,
        problems: &mut Vec<FileProblem>,
    ) {
        if origin == Origin::User && !folder.is_dir() {
            problems.push(problem(folder, "there is no such folder".to_owned()));
        }
        for file in files(folder, &["csv", "gz"]) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = name.strip_suffix(".gz").unwrap_or(&name);
            if name.ends_with(".csv") {
                self.files.insert(name.to_owned(), (file, origin));
            }
        }
    }

    /// Reads the files and gives every lookup its rows. A file is also a lookup by its own name.
    pub(crate) fn finish(
        self,
        definitions: &[Definition],
        environment: &mut Environment,
        problems: &mut Vec<FileProblem>,
    ) {
        let mut read: BTreeMap<&str, Rows> = BTreeMap::new();
        let mut budget = MOST_BYTES_OF_ALL;
        for (name, (path, _)) in &self.files {
            match read_rows(path, &mut budget, problems) {
                Ok(rows) => {
                    read.insert(name, rows);
                }
                Err(reason) => {
                    environment.missing_tables.insert(name.clone(), reason.clone());
                    problems.push(problem(path, reason));
                }
            }
        }
        let defined = |name: &str| definitions.iter().any(|own| own.name == name);
        for (file, (_, origin)) in &self.files {
            let Some(rows) = read.get(file.as_str()) else { continue };
            let stem = file.strip_suffix(".csv").unwrap_or(file);
            let matching = Matching { max: Some(MOST_MATCHES), ..Matching::default() };
            // What the user gives is known by its bare name as well, defined or not.
            let bare = (*origin == Origin::User && !defined(stem)).then_some(stem);
            for name in std::iter::once(file.as_str()).chain(bare) {
                add(environment, name, rows, matching.clone());
            }
        }
        for definition in definitions {
            match self.file_of(definition).and_then(|file| read.get(file)) {
                Some(rows) => {
                    add(environment, &definition.name, rows, definition.matching.clone());
                }
                None => {
                    environment.tables.remove(&definition.name);
                    environment
                        .missing_tables
                        .insert(definition.name.clone(), definition.missing());
                }
            }
        }
    }

    /// The file of a lookup's rows: one that the user called like it or its collection before that
    /// of its own.
    fn file_of(&self, definition: &Definition) -> Option<&str> {
        let users = [Some(&definition.name), definition.collection.as_ref()];
        let users = users.into_iter().flatten().map(|name| format!("{name}.csv"));
        let given = users.filter_map(|name| self.files.get_key_value(name.as_str()));
        let mut given = given.filter(|(_, (_, origin))| *origin == Origin::User);
        let own = definition.file.as_deref();
        let own = own.map(|file| file.strip_suffix(".gz").unwrap_or(file));
        let found = given.next().map(|(name, _)| name);
        found.or_else(|| Some(self.files.get_key_value(own?)?.0)).map(String::as_str)
    }
}

fn add(environment: &mut Environment, name: &str, rows: &Rows, matching: Matching) {
    let Rows { columns, rows } = rows.clone();
    let table = Table { name: Arc::from(name), columns, rows, matching };
    environment.missing_tables.remove(name);
    environment.tables.insert(name.to_owned(), Arc::new(table));
}

/// Reads a file of rows. What can be read of a damaged one is there, and it is said.
fn read_rows(
    path: &Path,
    budget: &mut u64,
    problems: &mut Vec<FileProblem>,
) -> Result<Rows, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let packed = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
    let reader: Box<dyn Read> = match packed {
        true => Box::new(flate2::read::MultiGzDecoder::new(file)),
        false => Box::new(file),
    };
    let most = MOST_BYTES.min(*budget);
    let mut bytes = Vec::new();
    reader.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most {
        return Err(format!("its rows take more than {} MiB", most >> 20));
    }
    *budget -= bytes.len() as u64;
    let text = String::from_utf8_lossy(&bytes);
    let (rows, ragged) = rows_of(&text);
    if rows.columns.is_empty() {
        return Err("it has no header".to_owned());
    }
    if ragged > 0 {
        let reason = format!("{ragged} rows have more values than there are columns, and are cut");
        problems.push(problem(path, reason));
    }
    Ok(rows)
}

/// The rows of a CSV text: each has a value for every column, and how many had too many.
fn rows_of(text: &str) -> (Rows, usize) {
    let mut records = Records { rest: text.trim_start_matches('\u{feff}') };
    let Some(header) = records.next() else { return (Rows::default(), 0) };
    let columns: Vec<Arc<str>> = header.iter().map(|name| Arc::from(name.trim())).collect();
    let mut rows: Vec<Vec<Arc<str>>> = Vec::new();
    let (mut ragged, empty) = (0, Arc::<str>::from(""));
    for record in records {
        ragged += usize::from(record.len() > columns.len());
        let before = rows.last();
        let value = |at: usize| match record.get(at).map(String::as_str) {
            None | Some("") => empty.clone(),
            // A column often says the same thing over and over.
            Some(text) => match before.map(|row: &Vec<Arc<str>>| &row[at]) {
                Some(same) if **same == *text => same.clone(),
                _ => Arc::from(text),
            },
        };
        rows.push((0..columns.len()).map(value).collect());
    }
    (Rows { columns, rows }, ragged)
}

/// The records of a CSV text. Blanks before a value are no part of it, unless it is in quotes; a
/// quote that is never closed ends with the text.
struct Records<'t> {
    rest: &'t str,
}

impl Iterator for Records<'_> {
    type Item = Vec<String>;

    fn next(&mut self) -> Option<Vec<String>> {
        // Empty lines are no records.
        self.rest = self.rest.trim_start_matches(['\r', '\n']);
        if self.rest.is_empty() {
            return None;
        }
        let mut record = Vec::new();
        loop {
            record.push(self.value());
            match self.rest.as_bytes().first() {
                Some(b',') => self.rest = &self.rest[1..],
                _ => return Some(record),
            }
        }
    }
}

impl Records<'_> {
    /// The next value, up to the comma or line end behind it.
    fn value(&mut self) -> String {
        let text = self.rest.trim_start_matches([' ', '\t']);
        let Some(mut quoted) = text.strip_prefix('"') else {
            let end = text.find([',', '\r', '\n']).unwrap_or(text.len());
            self.rest = &text[end..];
            return text[..end].to_owned();
        };
        let mut value = String::new();
        loop {
            let Some(end) = quoted.find('"') else {
                value.push_str(quoted);
                self.rest = "";
                return value;
            };
            value.push_str(&quoted[..end]);
            quoted = &quoted[end + 1..];
            let Some(behind) = quoted.strip_prefix('"') else { break };
            value.push('"');
            quoted = behind;
        }
        // What stands between a closing quote and the comma belongs to the value.
        let end = quoted.find([',', '\r', '\n']).unwrap_or(quoted.len());
        value.push_str(quoted[..end].trim_end());
        self.rest = &quoted[end..];
        value
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::{Places, read_companions};

    #[test]
    fn csv_as_people_write_it() {
        type Rows<'t> = &'t [&'t [&'t str]];
        let cases: [(&str, &[&str], Rows<'_>, usize); 9] = [
            ("a,b\n1,2\n", &["a", "b"], &[&["1", "2"]], 0),
            ("\u{feff}a, b\r\n1, two words \r\n", &["a", "b"], &[&["1", "two words "]], 0),
            ("a,b\n\"x, \"\"y\"\"\n2\",\" z\"\n", &["a", "b"], &[&["x, \"y\"\n2", " z"]], 0),
            ("a,b\n1\n\n1,2,3\n", &["a", "b"], &[&["1", ""], &["1", "2"]], 1),
            ("a,b\n,\n", &["a", "b"], &[&["", ""]], 0),
            ("a\n\"open, 1\n2", &["a"], &[&["open, 1\n2"]], 0),
            ("a,b\n\"x\"y ,1", &["a", "b"], &[&["xy", "1"]], 0),
            ("a", &["a"], &[], 0),
            ("", &[], &[], 0),
        ];
        for (text, columns, expected, ragged) in cases {
            let (rows, found) = rows_of(text);
            let texts = |row: &[Arc<str>]| row.iter().map(|t| t.to_string()).collect::<Vec<_>>();
            assert_eq!(texts(&rows.columns), columns, "{text:?}");
            let all: Vec<_> = rows.rows.iter().map(|row| texts(row)).collect();
            assert_eq!(all, expected, "{text:?}");
            assert_eq!(found, ragged, "{text:?}");
        }
    }

    #[test]
    fn columns_that_match_otherwise() {
        let cases = [
            ("WILDCARD(a)", "a:Wildcard"),
            ("WILDCARD(a),CIDR(b)", "a:Wildcard b:Cidr"),
            ("wildcard(a, b) , CIDR( c )", "a:Wildcard b:Wildcard c:Cidr"),
            ("EXACT(a), WILDCARD(b", "b:Wildcard"),
            ("", ""),
        ];
        for (text, expected) in cases {
            let found = match_types(text);
            let found = found.iter().map(|(column, kind)| format!("{column}:{kind:?}"));
            assert_eq!(found.collect::<Vec<_>>().join(" "), expected, "{text}");
        }
    }

    /// What a lookup is after all files of a rule set and of the user have been read.
    fn outcome(set: &[(&str, &str)], own: &[(&str, &str)], name: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let write = |part: &str, files: &[(&str, &str)]| {
            let folder = folder.path().join(part);
            std::fs::create_dir_all(&folder).unwrap();
            for (name, text) in files {
                std::fs::write(folder.join(name), text).unwrap();
            }
            folder
        };
        let rules = [write("set/detections", &[])];
        write("set/lookups", set);
        let lookups = [write("own", own)];
        let mut environment = Environment::default();
        let places = Places { rules: &rules, macros: &[], lookups: &lookups };
        let problems = read_companions(&places, &mut environment);
        let mut said = match environment.tables.get(name) {
            Some(table) => {
                let Matching { columns, ignore_case, min, max, default } = &table.matching;
                let first = table.rows.first().map(|row| row.join(",")).unwrap_or_default();
                format!(
                    "{first} {columns:?} {ignore_case} {min}..{} {default:?}",
                    max.map_or(String::new(), |max| max.to_string())
                )
            }
            None => environment.missing_tables.get(name).cloned().unwrap_or_default(),
        };
        problems.iter().for_each(|problem| said += &format!("; {}", problem.reason));
        said
    }

    const YAML: &str = "name: known\nfilename: known2024.csv\ndefault_match: 'no'\nmin_matches: 1\n\
                        max_matches: 3\ncase_sensitive_match: 'false'\nmatch_type: WILDCARD(a)\n";

    #[test]
    fn lookups_of_a_rule_set_and_of_the_user() {
        let csv = ("known2024.csv", "a,b\n1,2\n");
        let store = ("c.yml", "name: seen\ncollection: seen_rows\nfields_list: _key, a\n");
        let matching = "[(\"a\", Wildcard)] true 1..3 Some(\"no\")";
        let plain = "[] false 0..100 None";
        let own_seen = [("seen_rows.csv", "a\n7\n")];
        type Files<'a> = &'a [(&'a str, &'a str)];
        let cases: [(Files<'_>, Files<'_>, &str, String); 12] = [
            (&[("k.yml", YAML), csv], &[], "known", format!("1,2 {matching}")),
            (&[("k.yml", YAML), csv], &[], "known2024.csv", format!("1,2 {plain}")),
            (
                &[("k.yml", YAML)],
                &[],
                "known",
                "its file known2024.csv is not part of the rule set".into(),
            ),
            (&[("k.yml", YAML), csv], &[("known.csv", "a\n9\n")], "known", format!("9 {matching}")),
            (
                &[("k.yml", YAML), csv],
                &[("known2024.csv", "a\n8\n")],
                "known",
                format!("8 {matching}"),
            ),
            (
                &[store],
                &[],
                "seen",
                "the rows of the key-value collection seen_rows are not part of the rule set"
                    .into(),
            ),
            (&[store], &own_seen, "seen", format!("7 {plain}")),
            (&[], &own_seen, "seen_rows", format!("7 {plain}")),
            (
                &[("m.yml", "name: __mlspl_x\nfilename: x.mlmodel\n")],
                &[],
                "__mlspl_x",
                MODEL.into(),
            ),
            (
                &[
                    ("n.yml", "name: n\nlookup_type: csv\nmatch_type: [CIDR(a)]\n"),
                    ("n.csv", "a\n10.0.0.0/8\n"),
                ],
                &[],
                "n",
                "10.0.0.0/8 [(\"a\", Cidr)] false 0..100 None".into(),
            ),
            (
                &[("known2024.csv", "")],
                &[],
                "known2024.csv",
                "it has no header; it has no header".into(),
            ),
            (
                &[("r.csv", "a\n1,2\n")],
                &[],
                "r.csv",
                format!("1 {plain}; 1 rows have more values than there are columns, and are cut"),
            ),
        ];
        for (set, own, name, expected) in cases {
            assert_eq!(outcome(set, own, name), expected, "{set:?} {own:?} {name}");
        }
    }

    #[test]
    fn packed_rows_are_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(folder.path().join("a.csv.gz")).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        packed.write_all(b"a,b\n1,2\n").unwrap();
        packed.finish().unwrap();
        std::fs::write(folder.path().join("b.csv.gz"), b"\x1f\x8b broken").unwrap();
        let mut environment = Environment::default();
        let lookups = [folder.path().to_owned()];
        let places = Places { rules: &[], macros: &[], lookups: &lookups };
        let problems = read_companions(&places, &mut environment);
        assert_eq!(environment.tables["a"].columns.len(), 2);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(environment.missing_tables.contains_key("b.csv"));
    }
}
