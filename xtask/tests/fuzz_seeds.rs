//! The seeds of the fuzz targets run as plain tests, and so do some bytes nobody chose.

use std::path::{Path, PathBuf};

/// The bodies of the targets, which the crate in `fuzz/` puts libFuzzer around.
#[path = "../../fuzz/src/lib.rs"]
pub mod targets;

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let entries = std::fs::read_dir(&folder).expect("a folder of seeds");
    let mut seeds: Vec<_> = entries
        .map(|entry| entry.expect("a seed").path())
        .map(|path| (path.clone(), std::fs::read(&path).expect("a seed")))
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    seeds
}

/// Runs a target on its seeds, on each of them cut short, and with one byte changed.
#[expect(clippy::print_stdout, reason = "shown when a seed fails: its name")]
fn run(target: &str, body: fn(&[u8])) {
    for (path, seed) in seeds(target) {
        println!("{}", path.display());
        body(&seed);
        for cut in (0..seed.len()).step_by(seed.len() / 8 + 1) {
            body(&seed[..cut]);
            let mut changed = seed.clone();
            changed[cut] ^= 0x21;
            body(&changed);
        }
    }
}

#[test]
fn json_reader() {
    run("json_reader", targets::json_reader);
}

#[test]
fn evtx_reader() {
    run("evtx_reader", targets::evtx_reader);
}

#[test]
fn xml_reader() {
    run("xml_reader", targets::xml_reader);
}

#[test]
fn text_reader() {
    run("text_reader", targets::text_reader);
}

#[test]
fn sigma_rule() {
    run("sigma_rule", targets::sigma_rule);
}

#[test]
fn matcher_is_reference() {
    run("matcher_is_reference", targets::matcher_is_reference);
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..64).flat_map(|_| next()).collect();
        targets::matcher_is_reference(&bytes);
    }
}
