//! A command that a page names, as something to look for: a program, and the words it is called
//! with.
//!
//! What it means is decided here, since no language does:
//!
//! - The program is the one that runs, by the name of its file; `.exe` may be left out. Several may
//!   be named: `net.exe, net1.exe`.
//! - The words stand in the command line in their order, one behind the other; any blanks may be
//!   between them. A word is whole: `use` is not found in `user`. `*` stands for anything within a
//!   word, and by itself, at the end, for whatever follows.
//! - Where the first word is the program, the command line begins with it: its path may stand before
//!   it, `.exe` and a quote behind it. Other words stand anywhere.
//! - Where the words are nothing but the name of the program, the program is enough.
//! - What PowerShell runs is also looked for in its scripts and in the commands it logs.

use std::collections::BTreeMap;
use std::sync::Arc;

use rulestone_ir::{
    Case, Clock, Elements, Field, Formula, Predicate, Regex, Schema, Scope, Source, Span, Test,
};
use rulestone_value::{Glob, fold};

pub use crate::text::Lowered;

/// A program and its words, as a page has them.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// The program, or several; empty where only the words are named.
    pub process: (&'a str, Span),
    /// The words; empty where only the program is named.
    pub words: (&'a str, Span),
}

/// Programs that run scripts of PowerShell.
const POWERSHELLS: &[&str] = &["powershell", "pwsh", "powershell_ise"];
/// What may stand before the program: its path.
const PATH: &str = r#"^\s*"?(?:[^"]*[\\/])?"#;
/// What may stand before any other first word: the start, a blank, a quote, a path, another command.
const BEFORE: &str = r#"(?:^|[\s"'`\\/(){};&|=,])"#;
/// What may stand behind the last word.
const BEHIND: &str = r#"(?:$|[\s"'`(){};&|,>])"#;
/// The longest words that are looked for.
const LONGEST: usize = 1_000;

/// What a command means. `None` where it names nothing.
pub fn read(command: &Command<'_>) -> Option<Lowered> {
    let (process, words) = (command.process.0.trim(), command.words.0.trim());
    let words = if words.len() > LONGEST { "" } else { words };
    let mut programs = programs(process);
    let mut line: Vec<&str> = words.split_whitespace().collect();
    while line.last() == Some(&"*") {
        line.pop();
    }
    if programs.is_empty() {
        // A cmdlet alone is PowerShell's; of anything else the first word is the program.
        let first = line.first()?;
        programs = match is_cmdlet(first) {
            true => POWERSHELLS.iter().map(|name| (*name).to_owned()).collect(),
            false => vec![stem(first).to_owned()],
        };
    }
    let own = |word: &str| {
        let glob = Glob::stars(&fold(stem(word)));
        programs.iter().any(|name| glob.matches(&fold(name)))
    };
    let enough = match line.as_slice() {
        [] => true,
        [only] => own(only),
        _ => false,
    };
    let runs = of_programs(&programs, command.process.1);
    let pattern = pattern(&line, line.first().is_some_and(|word| own(word)));
    let found = |field: &str| regex(field, &pattern, command.words.1);
    let filter = if enough { runs } else { Formula::and([runs, found("CommandLine")]) };
    let mut sources = vec![source("process_creation", filter)];
    let powershell = programs.iter().any(|name| is_powershell(name));
    if powershell && !enough {
        sources.push(source("ps_script", found("ScriptBlockText")));
        let module = Formula::or([found("Payload"), found("ContextInfo")]);
        sources.push(source("ps_module", module));
    }
    let reads = vec!["Image".to_owned(), "CommandLine".to_owned()];
    Some(Lowered { sources, stages: Vec::new(), clock: Clock::Whole, reads })
}

/// A command in one line, for looking at it.
pub fn print_ast(command: &Command<'_>) -> String {
    let line: Vec<&str> = command.words.0.split_whitespace().collect();
    format!("indicator\n  programs {:?}\n  words {line:?}\n", programs(command.process.0))
}

/// The programs that a text names, without `.exe`.
fn programs(text: &str) -> Vec<String> {
    let parts = text.split([',', ';', '/']).flat_map(|part| part.split(" or "));
    let names = parts.map(|part| part.rsplit('\\').next().unwrap_or(part));
    let names = names.map(|part| stem(part.trim()).to_owned());
    names.filter(|name| !name.is_empty() && name != "*" && name.len() <= LONGEST).collect()
}

/// The name of a program without `.exe` and quotes.
fn stem(word: &str) -> &str {
    let word = word.trim_matches(['"', '\'', '`']);
    let at = word.len().saturating_sub(4);
    match word.get(at..) {
        Some(end) if end.eq_ignore_ascii_case(".exe") => &word[..at],
        _ => word,
    }
}

fn is_powershell(name: &str) -> bool {
    POWERSHELLS.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Whether a word has the form of a cmdlet: `Get-NetTCPConnection`.
fn is_cmdlet(word: &str) -> bool {
    let plain = |part: &str| part.len() > 1 && part.bytes().all(|b| b.is_ascii_alphanumeric());
    word.split_once('-').is_some_and(|(verb, noun)| {
        verb.bytes().all(|b| b.is_ascii_alphabetic()) && plain(verb) && plain(noun)
    })
}

/// The program that runs is one of these.
fn of_programs(programs: &[String], span: Span) -> Formula {
    let test = |test: Test| named("Image", test, span);
    let of = |name: &String| {
        if name.contains('*') {
            let either = [format!("*\\{name}"), format!("*\\{name}.exe"), format!("*/{name}")];
            return either.map(|text| test(Test::Wildcard(Glob::stars(&text)))).to_vec();
        }
        let exe = format!("{name}.exe");
        let mut either = vec![
            test(Test::EndsWith(format!("\\{exe}"))),
            test(Test::EndsWith(format!("/{name}"))),
        ];
        either.extend([exe, name.clone()].map(|text| test(Test::Equals(text))));
        either
    };
    Formula::or(programs.iter().flat_map(of))
}

/// The expression that finds words in a command line, whether or not they begin with the program.
fn pattern(words: &[&str], program: bool) -> String {
    let word = |(at, word): (usize, &&str)| match at {
        // The program: by its path or not, with `.exe` or not, in quotes or not.
        0 if !is_cmdlet(word) => format!(r#"{}(?:\.exe)?["']?"#, literal(stem(word))),
        _ => literal(word),
    };
    let words: Vec<String> = words.iter().enumerate().map(word).collect();
    let before = if program { PATH } else { BEFORE };
    format!("{before}{}{BEHIND}", words.join(r"\s+"))
}

/// A word as an expression: `*` is anything but blanks, every other sign is itself.
fn literal(word: &str) -> String {
    let parts: Vec<String> = word.split('*').map(escaped).collect();
    parts.join(r"\S*")
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if !c.is_alphanumeric() && c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn regex(field: &str, pattern: &str, span: Span) -> Formula {
    let regex =
        Regex { pattern: pattern.to_owned(), ignore_case: true, multi_line: false, dot_all: false };
    named(field, Test::Regex(regex), span)
}

fn named(field: &str, test: Test, span: Span) -> Formula {
    let field = Field::Named { schema: Schema::Sigma, name: field.into() };
    Formula::Test(Predicate { field, elements: Elements::Any, test, case: Case::Insensitive, span })
}

/// Events of a category: what that is on each log, and what its fields are, Sigma's tables know.
fn source(category: &str, filter: Formula) -> Source {
    let keys: BTreeMap<Arc<str>, Arc<str>> = match category {
        "process_creation" => BTreeMap::from([("category".into(), category.into())]),
        _ => BTreeMap::from([
            ("category".into(), category.into()),
            ("product".into(), "windows".into()),
        ]),
    };
    Source::Events { scope: Scope { schema: Schema::Sigma, keys }, filter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_command_lines() {
        let cases = [
            ("net use", "net use", true),
            ("net use", r#""C:\Windows\System32\net.exe"   USE \\fs01\x"#, true),
            ("net use", "net user", false),
            ("net use", r"C:\Program Files\x\net.exe use", true),
            ("net use", "net user x /comment:\"net use\"", false),
            ("net use", "cmd /c net use", false),
            ("use", "cmd /c net use", true),
            ("net use", "dotnet use", false),
            ("net view /domain", "net view /domain:corp", false),
            ("net view /domain", "net.exe view /domain", true),
            ("reg query *", r"reg query HKLM\Software", true),
            ("reg query HK*", r"reg query HKLM\Software /s", true),
            ("reg query HK*", r"reg query \\fs01\HKLM", false),
            ("Get-NetTCPConnection", "x; Get-NetTCPConnection -State Listen", true),
            ("Get-NetTCPConnection", "Get-NetTCPConnections", false),
            ("arp -a", "arp -a", true),
            ("arp -a", "arp -all", false),
        ];
        for (words, line, expected) in cases {
            let mut words: Vec<&str> = words.split_whitespace().collect();
            words.retain(|word| *word != "*");
            let program = words[0] != "use" && !is_cmdlet(words[0]);
            let pattern = format!("(?i){}", pattern(&words, program));
            let found = fancy_regex::Regex::new(&pattern).unwrap().is_match(line).unwrap();
            assert_eq!(found, expected, "{words:?} {line}");
        }
    }

    #[test]
    fn programs_and_sources() {
        let cases = [
            ("net.exe", "net use", "net", 1),
            ("net.exe, net1.exe", "use", "net net1", 1),
            ("net.exe or net1", "use", "net net1", 1),
            ("Powershell.exe", "Get-NetTCPConnection", "Powershell", 3),
            ("", "Get-NetTCPConnection", "", 3),
            ("", "quser /server:x", "", 1),
            ("whoami.exe", "", "whoami", 1),
            (r"C:\Windows\System32\arp.exe", "arp -a", "arp", 1),
            ("", "", "", 0),
            ("", "*", "", 0),
        ];
        for (process, words, expected, sources) in cases {
            let span = Span::default();
            let command = Command { process: (process, span), words: (words, span) };
            assert_eq!(programs(process).join(" "), expected, "{process}");
            let found = read(&command).map_or(0, |lowered| lowered.sources.len());
            assert_eq!(found, sources, "{process} {words}");
        }
    }
}
