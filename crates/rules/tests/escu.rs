//! The public detections with their macros and lookups, where they are at hand.

use std::path::Path;

use rulestone_ir::Vendor;
use rulestone_rules::{Environment, Places, Selection, Skip, load, read_companions};

#[test]
fn the_public_rule_set_is_loaded_whole() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let set = corpora.join("rules/splunk-escu");
    if !set.is_dir() {
        println!("skipped: ../shared/corpora is not there");
        return;
    }
    let mut environment = Environment::default();
    // A folder inside of the set is enough to find what stands beside it.
    let inside = [set.join("detections/endpoint")];
    let places = Places { rules: &inside, ..Places::default() };
    let problems = read_companions(&places, &mut environment);
    assert_eq!(problems, []);
    assert_eq!(environment.macros.len(), 189);
    let described = environment.tables.keys().filter(|name| !name.ends_with(".csv")).count();
    println!("{described} lookups with rows, {} without", environment.missing_tables.len());
    assert_eq!(described + environment.missing_tables.len(), 79);
    assert!(described >= 49, "{described}");

    let ledger = load(&[set], &environment, &Selection::default(), 2);
    assert_eq!((ledger.entries.len(), ledger.companions, ledger.foreign.len()), (1421, 734, 0));
    assert!(ledger.problems.is_empty(), "{:?}", ledger.problems);
    assert!(ledger.entries.iter().all(|entry| entry.origin.vendor == Vendor::SplunkEscu));
    let aside = |wanted: &str| {
        let skipped = ledger.entries.iter().filter_map(|entry| entry.rule.as_ref().err());
        skipped
            .filter(|skip| matches!(skip, Skip::Selection(reason) if reason.contains(wanted)))
            .count()
    };
    assert_eq!(aside("hunting"), 141);
    assert_eq!(aside("baseline"), 66);
    assert_eq!(aside("deprecated"), 72);
}
