//! The seeds of the fuzz targets, through the checks of the fuzz targets: what a fuzzer would start
//! from is read and checked in every test run, without a fuzzer.

use std::path::Path;

#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets reach it")]
mod checks;

/// A check of whatever bytes.
type Check = fn(&[u8]);

/// The targets, as `fuzz/Cargo.toml` has them.
const TARGETS: [(&str, Check); 5] = [
    ("decode_json", checks::payload),
    ("decode_cbor", checks::payload),
    ("roundtrip", checks::same_in_json_and_cbor),
    ("timestamp", checks::timestamp),
    ("topic", checks::topic),
];

#[test]
fn every_seed_keeps_every_promise() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    let mut seeds = Vec::new();
    for (target, _) in TARGETS {
        assert!(manifest.contains(&format!("fuzz_targets/{target}.rs")));
        let folder = fuzz.join("corpus").join(target);
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let before = seeds.len();
        for entry in entries {
            seeds.push(std::fs::read(entry.unwrap().path()).unwrap());
        }
        assert!(seeds.len() > before, "{target} has seeds");
    }
    // A seed of one target is a stranger to the others, which must hold as well.
    for (target, check) in TARGETS {
        for seed in &seeds {
            println!("{target}: {}", seed.escape_ascii());
            check(seed);
        }
    }
}
