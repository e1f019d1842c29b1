//! Rules and what is said about them.

use std::collections::BTreeSet;

use rulestone_ir::{Diagnostic, Level, Span};
use rulestone_lint::{Ability, Class, Mended, Remark, Report, check, mend, render};
use rulestone_rules::{Environment, Ledger, Selection, load_texts};

fn read(texts: &[(&str, &str)]) -> Ledger {
    let selection = Selection { texts: true, ..Selection::default() };
    load_texts(texts, &Environment::default(), &selection)
}

/// A rule about processes of Windows.
fn process(id: u32, detection: &str) -> String {
    let lines: Vec<String> = detection.lines().map(|line| format!("  {line}")).collect();
    format!(
        "title: Rule {id}\nid: 00000000-0000-4000-8000-{id:012}\nstatus: test\nlogsource:\n  \
         product: windows\n  category: process_creation\ndetection:\n{}\n",
        lines.join("\n")
    )
}

fn codes(report: &Report) -> Vec<String> {
    let code = |remark: &Remark| format!("{} {}", remark.diagnostic.code, remark.class.as_str());
    report.remarks.iter().map(code).collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn rules_and_their_remarks() {
    let cases: &[(&str, &str, Ability, &[&str])] = &[
        (
            "a selection that is excluded",
            "selection:\n  Image|endswith: '\\whoami.exe'\nfilter:\n  Image|contains: 'WHOAMI'\n\
             condition: selection and not filter",
            Ability::Never,
            &["swallowed-selection never-fires"],
        ),
        (
            "an exclusion that leaves something",
            "selection:\n  Image|endswith: '\\whoami.exe'\nfilter:\n  Image: 'C:\\whoami.exe'\n\
             condition: selection and not filter",
            Ability::Can,
            &[],
        ),
        (
            "two ends of one path",
            "a:\n  Image|endswith: '\\sc.exe'\nb:\n  Image|endswith: '\\net.exe'\ncondition: a and b",
            Ability::Never,
            &["contradiction never-fires"],
        ),
        (
            "one alternative against the rest",
            "a:\n  Image|endswith:\n  - '\\sc.exe'\n  - '\\net.exe'\nb:\n  Image|endswith: '\\net.exe'\n\
             condition: a and b",
            Ability::Can,
            &["contradiction suspicious"],
        ),
        (
            "an alternative against itself",
            "a:\n  Image|endswith: '\\sc.exe'\nb:\n  Image|endswith: '\\net.exe'\n\
             c:\n  CommandLine|contains: x\ncondition: c or (a and b)",
            Ability::Can,
            &["contradiction suspicious"],
        ),
        (
            "an expression that fits nothing",
            "a:\n  CommandLine|re: 'x$y'\ncondition: a",
            Ability::Never,
            &["never-fires never-fires"],
        ),
        (
            "a word of no vocabulary",
            "a:\n  IntegrityLevel: 'Administrator'\ncondition: a",
            Ability::Can,
            &["value-outside-vocabulary suspicious"],
        ),
        (
            "letters for a number",
            "a:\n  EventID: 'process'\ncondition: a",
            Ability::Can,
            &["value-outside-type suspicious"],
        ),
        (
            "case behind no case",
            "a:\n  CommandLine|contains: 'download'\nb:\n  CommandLine|re: 'Download(File|String)'\n\
             condition: a and b",
            Ability::Can,
            &["case-after-caseless suspicious"],
        ),
        (
            "case said to be of no account",
            "a:\n  CommandLine|contains: 'download'\nb:\n  CommandLine|re|i: 'Download(File|String)'\n\
             condition: a and b",
            Ability::Can,
            &[],
        ),
        (
            "a condition that does not fit",
            "a:\n  Image: x\ncondition: b",
            Ability::NotRun,
            &["unknown-identifier broken"],
        ),
    ];
    for (name, detection, ability, expected) in cases {
        let ledger = read(&[("rule.yml", &process(1, detection))]);
        let report = check(&ledger, 1);
        assert_eq!(codes(&report), *expected, "{name}: {:?}", report.remarks);
        assert_eq!(report.abilities, [*ability], "{name}");
    }
}

#[test]
fn searches_and_their_remarks() {
    let cases: &[(&str, Ability, &[&str])] = &[
        ("EventCode=4688 | where EventCode=4104", Ability::Never, &["contradiction never-fires"]),
        (
            "EventCode=4688 | where EventCode=4104 | stats count",
            Ability::CannotTell,
            &["contradiction suspicious"],
        ),
        ("x=1 | stats count by y | where z=1", Ability::Never, &["dropped-field never-fires"]),
        ("x=1 | table y | stats count by z", Ability::Never, &["dropped-group-field never-fires"]),
        ("x=1 | stats count by y | where count>5", Ability::Can, &[]),
        (
            "x=1 | stats count by y | where count>5 | search count<3 count=4",
            Ability::Never,
            &["contradiction never-fires"],
        ),
        ("x=1 | stats values(*) as * by y | where z=1", Ability::Can, &[]),
        (
            "x=1 | table y q | stats values(*) as * by y | where z=1",
            Ability::Never,
            &["dropped-field never-fires"],
        ),
        ("x=1 | stats values(z) as z by y | search z=*a z=*b", Ability::Can, &[]),
        ("x=1 | rename y as z | where z=1", Ability::Can, &[]),
        ("x=1 TERM(a b)", Ability::Never, &["term-with-breaker never-fires"]),
        ("x=1 OR TERM(a b)", Ability::Can, &["term-with-breaker suspicious"]),
        ("EventCode=1 action=a action=b", Ability::Can, &[]),
        ("x=* x!=*", Ability::Never, &["swallowed-selection never-fires"]),
        ("EventCode=1 | eval EventCode=2 | where EventCode=2", Ability::Can, &[]),
        (
            "EventCode=1 | table _time | where EventCode=2",
            Ability::Never,
            &["dropped-field never-fires"],
        ),
        (
            "EventCode=4688 (\"netstat\" OR \"Get-NetTCPConnection\") \
             | regex process=\"(?i)netstat|Get-TCPConnection\"",
            Ability::Can,
            &["near-miss suspicious"],
        ),
        ("dest_port=70000", Ability::Can, &["value-outside-type suspicious"]),
        ("netstat | regex process=\"Netstat\"", Ability::Can, &["case-after-caseless suspicious"]),
    ];
    for (search, ability, expected) in cases {
        let ledger = read(&[("search.spl", search)]);
        let report = check(&ledger, 1);
        assert_eq!(codes(&report), *expected, "{search}: {:?}", report.remarks);
        assert_eq!(report.abilities, [*ability], "{search}");
    }
}

#[test]
fn one_logic_under_two_ids() {
    let detection = |order: [&str; 2]| {
        format!("a:\n  Image|endswith:\n  - '\\{}'\n  - '\\{}'\ncondition: a", order[0], order[1])
    };
    let one = process(1, &detection(["sc.exe", "net.exe"]));
    let two = process(2, &detection(["net.exe", "sc.exe"]));
    let other = process(3, &detection(["net.exe", "at.exe"]));
    let report = check(&read(&[("1.yml", &one), ("2.yml", &two), ("3.yml", &other)]), 2);
    let found: Vec<_> = report.remarks.iter().map(|r| (r.entry, r.diagnostic.code)).collect();
    assert_eq!(found, [(1, "duplicate-rule")]);
    assert!(report.remarks[0].diagnostic.message.contains("1.yml"));
}

/// A report that would take a part out of the first rule, once as it should be and once beside it.
fn repairs(text: &str, parts: &[&str]) -> (Ledger, Report) {
    let ledger = read(&[("rules/one.yml", text)]);
    let remark = |part: &&str| {
        let start = text.find(part).expect("the part");
        let span = Span::new(start..start + part.len());
        let said = Diagnostic::new(Level::Note, "unused-identifier", "not used", span);
        let diagnostic = said.with_fix("remove it", vec![(span, String::new())]);
        Remark { entry: 0, class: Class::Suspicious, diagnostic }
    };
    let remarks = parts.iter().map(remark).collect();
    (ledger, Report { remarks, abilities: vec![Ability::Can] })
}

#[test]
fn repairs_that_do_not_help_are_left_out() {
    let text = process(1, "a:\n  Image: x\nb:\n  Image: y\ncondition: a");
    let unused = "  b:\n    Image: y\n";
    let cases: &[(&[&str], (usize, usize), &str)] = &[
        (&[unused], (1, 0), "-  b:\n-    Image: y\n"),
        (&["  a:\n    Image: x\n"], (0, 1), ""),
        (&["status: test\n"], (0, 1), ""),
        (&["status: test\n", unused, unused], (1, 1), "-  b:\n-    Image: y\n"),
        (&[unused, "y\n  condition"], (1, 1), "-  b:\n-    Image: y\n"),
    ];
    for (parts, counts, removed) in cases {
        let (ledger, report) = repairs(&text, parts);
        let mended = mend(&ledger, &report, &Environment::default());
        let [file]: &[Mended] = &mended else { panic!("one file") };
        assert_eq!((file.applied, file.refused), *counts, "{parts:?}");
        let diff = file.diff("rules/one.yml");
        assert_eq!(diff.is_empty(), removed.is_empty(), "{parts:?}");
        assert!(diff.contains(removed), "{diff}");
        assert!(diff.is_empty() || diff.starts_with("--- rules/one.yml\n+++ rules/one.yml\n@@ "));
    }
}

#[test]
fn repairs_that_help_together_are_made_together() {
    let ledger = read(&[("a.spl", "x=1 | where y=1 ANDmatch(z,\"a\") ORmatch(z,\"b\")\n")]);
    let report = check(&ledger, 1);
    let mended = mend(&ledger, &report, &Environment::default());
    let [file]: &[Mended] = &mended else { panic!("one file") };
    assert_eq!((file.applied, file.refused), (1, 0));
    assert_eq!(file.after, "x=1 | where y=1 AND match(z,\"a\") OR match(z,\"b\")\n");
}

#[test]
fn formats() {
    let text = process(1, "a:\n  Image: ä\nb:\n  Image: y\ncondition: a");
    let (ledger, report) = repairs(&text, &["  b:\n    Image: y\n"]);
    let sarif = render::sarif(&ledger, &report, "1.2.3");
    let run = &sarif["runs"][0];
    assert_eq!(
        (&sarif["version"], &run["tool"]["driver"]["name"]),
        (&"2.1.0".into(), &"rulestone".into())
    );
    let result = &run["results"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    assert_eq!(
        rules[result["ruleIndex"].as_u64().expect("an index") as usize]["id"],
        result["ruleId"]
    );
    assert_eq!(result["level"], "warning");
    let region = &result["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], &region["startColumn"]), (&10.into(), &1.into()));
    assert_eq!(region["charLength"], 18);
    let offset = text[..text.find("  b:").expect("b")].chars().count();
    assert_eq!(region["charOffset"], offset);
    let change = &result["fixes"][0]["artifactChanges"][0];
    assert_eq!(change["artifactLocation"]["uri"], "rules/one.yml");
    assert_eq!(change["replacements"][0]["insertedContent"]["text"], "");

    let lines = render::ndjson(&ledger, &report);
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["kind"], &lines[0]["line"]), (&"lint".into(), &10.into()));
    assert_eq!(
        (&lines[1]["kind"], &lines[1]["codes"]["unused-identifier"]),
        (&"lint-summary".into(), &1.into())
    );
    assert_eq!(render::json(&ledger, &report)["remarks"][0], lines[0]);
}
