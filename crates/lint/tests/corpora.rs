//! The public rules, where they are at hand: what is said about them, counted.

use std::path::Path;

use rulestone_lint::{Ability, Class, Report, check};
use rulestone_rules::{Environment, Places, Selection, load, read_companions};

#[expect(clippy::print_stdout, reason = "figures, for whoever runs the tests by hand")]
fn look(set: &str) -> Option<Report> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let places = [corpora.join("rules").join(set)];
    if !places[0].is_dir() {
        println!("skipped: ../shared/corpora/rules/{set} is not there");
        return None;
    }
    let mut environment = Environment { locates: true, ..Environment::default() };
    read_companions(&Places { rules: &places, ..Places::default() }, &mut environment);
    let selection = Selection { texts: true, ..Selection::default() };
    let ledger = load(&places, &environment, &selection, 2);
    let report = check(&ledger, 2);
    println!("{set}: {:?}", report.counts());
    Some(report)
}

fn count(report: &Report, code: &str) -> usize {
    report.remarks.iter().filter(|remark| remark.diagnostic.code == code).count()
}

/// Sigma's public rules are tested before they are published: next to nothing is wrong in them.
#[test]
fn sigma() {
    let Some(report) = look("sigma") else { return };
    assert_eq!(report.able(Ability::Never), 0);
    assert!(report.able(Ability::Can) >= 2_970, "{}", report.able(Ability::Can));
    // Paths without a drive, or with a blank before it.
    assert_eq!(count(&report, "value-outside-type"), 11);
    assert!(report.remarks.len() <= 16, "{:?}", report.remarks);
}

#[test]
fn splunk() {
    let Some(report) = look("splunk-escu") else { return };
    assert_eq!(report.able(Ability::Never), 1);
    assert_eq!(report.able(Ability::NotRun), 88);
    assert!(report.able(Ability::CannotTell) <= 60, "{}", report.able(Ability::CannotTell));
}

#[test]
fn armory() {
    let Some(report) = look("anvilogic") else { return };
    assert!(report.able(Ability::Never) >= 36, "{}", report.able(Ability::Never));
    assert!(report.able(Ability::CannotTell) <= 30, "{}", report.able(Ability::CannotTell));
    // The two spellings of a cmdlet, in each of the three searches that have them.
    assert_eq!(count(&report, "near-miss"), 3);
    let never = report.remarks.iter().filter(|remark| remark.class == Class::NeverFires);
    assert!(never.count() >= 36);
}
