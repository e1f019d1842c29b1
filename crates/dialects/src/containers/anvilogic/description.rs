//! What the armory's descriptions say at their end, in words that vary: who does such things, with
//! which software, and which of the tests of Atomic Red Team do them.
//!
//! ```text
//! … -- Threat Actor Association: One/Other, Third (aka. A, B) - Software Association: Some
//! -- Atomics T1049 Test #1 Atomics T1049 Test #2 -- #Tag
//! ```

/// What a description says beside what the detection is for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    /// Groups, with their other names as written.
    pub(super) actors: Vec<String>,
    /// Malware and tools.
    pub(super) software: Vec<String>,
    /// Weaknesses.
    pub(super) vulnerabilities: Vec<String>,
    /// Tests, as `Invoke-AtomicTest` takes them: `T1049-1`.
    pub(super) tests: Vec<String>,
    /// Words behind `#`.
    pub(super) tags: Vec<String>,
}

type Label = (&'static str, fn(&mut Said) -> &mut Vec<String>);

/// What stands before `Association`, and whose names come behind.
const LABELS: [Label; 6] = [
    ("threat actor", |said| &mut said.actors),
    ("threatactor", |said| &mut said.actors),
    ("threat group", |said| &mut said.actors),
    ("software", |said| &mut said.software),
    ("malware", |said| &mut said.software),
    ("vulnerability", |said| &mut said.vulnerabilities),
];
const ASSOCIATION: &str = "association";

/// What ends a list of names.
const ENDS: [&str; 7] = [" -- ", " - ", " -", "--", " atomic", " #", " lolbas"];

/// Reads a description.
pub(super) fn read(description: &str) -> Said {
    let text = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let folded = text.to_ascii_lowercase();
    let mut said = Said::default();
    let mut at = 0;
    while let Some(found) = folded[at..].find(ASSOCIATION) {
        let start = at + found;
        at = start + ASSOCIATION.len();
        if let Some((_, list)) = label(&folded[..start]) {
            let names = names(&text[at..], &folded[at..]);
            let list = list(&mut said);
            names.into_iter().for_each(|name| once(list, name));
        }
    }
    let words: Vec<&str> = text.split(' ').collect();
    said.tests = tests(&words);
    for word in words {
        let tag = word.strip_prefix('#').unwrap_or_default().trim_end_matches(['.', ',', '-']);
        let is_test = tag.to_ascii_lowercase().starts_with("test");
        if tag.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_test {
            once(&mut said.tags, tag.to_owned());
        }
    }
    said
}

/// The label at the end of a text in lower case.
fn label(before: &str) -> Option<&'static Label> {
    let before = before.trim_end();
    LABELS.iter().find(|(words, _)| before.ends_with(words))
}

/// The names at the start of a text, and `folded`, which is the same in lower case.
fn names(text: &str, folded: &str) -> Vec<String> {
    let next = folded.find(ASSOCIATION).unwrap_or(folded.len());
    let next = label(&folded[..next])
        .map_or(folded.len(), |(words, _)| folded[..next].trim_end().len() - words.len());
    let ends = ENDS.iter().filter_map(|end| folded.find(end));
    let end = ends.fold(next, usize::min);
    let list = text[..end].strip_prefix('s').unwrap_or(&text[..end]);
    let list = list.trim_start_matches([':', ' ']);
    let mut names = Vec::new();
    let (mut depth, mut from) = (0_usize, 0);
    for (at, c) in list.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                names.push(&list[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    names.push(&list[from..]);
    let names = names.into_iter().map(|name| name.trim().trim_end_matches(['.', ';', '-']));
    names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The tests that words name: a technique and numbers, in either order, behind `Atomics`.
fn tests(words: &[&str]) -> Vec<String> {
    let is_start = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_lowercase();
        word == "atomic" || word == "atomics"
    };
    let mut found = Vec::new();
    for (at, _) in words.iter().enumerate().filter(|(_, word)| is_start(word)) {
        let mut technique: Option<String> = None;
        let mut numbers: Vec<String> = Vec::new();
        for word in words[at + 1..].iter().take_while(|word| !is_start(word)) {
            let bare = word.trim_matches([',', '.', ';', ')', '(', '-', '#', ':']);
            let number = bare.to_ascii_lowercase();
            let number = number.trim_start_matches("test").trim_start_matches(['s', '#']);
            if let Some(id) = technique_id(bare).filter(|_| technique.is_none()) {
                technique = Some(id);
            } else if !number.is_empty() && number.len() < 4 && number.bytes().all(is_digit) {
                numbers.push(number.to_owned());
            } else if !number.is_empty() {
                break;
            }
        }
        let Some(technique) = technique else { continue };
        numbers.iter().for_each(|number| once(&mut found, format!("{technique}-{number}")));
    }
    found
}

/// The id of a technique; some leave out its `T`.
fn technique_id(word: &str) -> Option<String> {
    let digits = word.strip_prefix(['T', 't']).unwrap_or(word);
    let (main, sub) = digits.split_once('.').unwrap_or((digits, "000"));
    let is_id = main.len() == 4 && sub.len() == 3 && main.bytes().chain(sub.bytes()).all(is_digit);
    is_id.then(|| format!("T{digits}"))
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn once(list: &mut Vec<String>, value: String) {
    if !list.contains(&value) {
        list.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_name_who_with_what_and_which_tests() {
        // Actors; software; tests; tags.
        let cases: [(&str, [&str; 4]); 10] = [
            ("It looks at an association of things.", ["", "", "", ""]),
            (
                "A. -- Threat Actor Association: One/Uno, Two-2 -- Atomics T1049 Test #1 \
                 Atomics T1049 Test #2",
                ["One/Uno|Two-2", "", "T1049-1|T1049-2", ""],
            ),
            (
                "A. - ThreatActor Association: One (aka. X, Y), Two Software Associations: S, T. \
                 - #Trend #North",
                ["One (aka. X, Y)|Two", "S|T", "", "Trend|North"],
            ),
            ("A. Threat Group association: One Atomic Test T1105 #3", ["One", "", "T1105-3", ""]),
            (
                "A.\n -- Malware Association: S\n -- Atomics 1003.002 Test#5",
                ["", "S", "T1003.002-5", ""],
            ),
            (
                "Atomics T1566.001 #Test1 Atomics T1049 - Tests #1, #2",
                ["", "", "T1566.001-1|T1049-1|T1049-2", ""],
            ),
            ("Threat Actor Association: One, One, ", ["One", "", "", ""]),
            ("Beyond the above atomics, T1059 is a technique.", ["", "", "", ""]),
            ("Threat Actor Association", ["", "", "", ""]),
            ("É Software Association: Ünlü -- LOLBAS Atomics", ["", "Ünlü", "", ""]),
        ];
        for (text, expected) in cases {
            let said = read(text);
            let found = [said.actors, said.software, said.tests, said.tags];
            assert_eq!(found.map(|list| list.join("|")), expected, "{text}");
        }
    }
}
