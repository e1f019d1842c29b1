//! The public Sigma rules, where they are at hand.

use std::collections::BTreeMap;
use std::path::Path;

use rulestone_dialects::Environment;
use rulestone_dialects::containers::read;
use rulestone_ir::Status;

const RULES: usize = 3002;

#[test]
fn public_rules_are_read_exactly() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    if !corpora.is_dir() {
        println!("skipped: ../shared/corpora is not there");
        return;
    }
    let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
    read_folder(&corpora.join("rules/sigma"), &mut counts);
    println!("{counts:?}");
    let count = |status| counts.get(&status).copied().unwrap_or(0);
    assert_eq!(counts.values().sum::<usize>(), RULES);
    assert_eq!(count(Status::Invalid), 0);
    assert!(count(Status::Exact) * 1000 >= RULES * 993, "{counts:?}");
}

fn read_folder(folder: &Path, counts: &mut BTreeMap<Status, usize>) {
    for entry in std::fs::read_dir(folder).expect("a folder of rules") {
        let path = entry.expect("a rule").path();
        if path.is_dir() {
            read_folder(&path, counts);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a text");
        for reading in read(&text, &path.to_string_lossy(), &Environment::default()) {
            let status = Status::of(&reading.diagnostics);
            *counts.entry(status).or_default() += 1;
            assert_eq!(reading.rule.is_some(), status.runs(), "{}", path.display());
            let reasons =
                reading.diagnostics.iter().filter(|d| !Status::of(&[(*d).clone()]).runs());
            for diagnostic in reasons {
                assert_eq!(diagnostic.code, "placeholder", "{}: {diagnostic:?}", path.display());
            }
        }
    }
}
