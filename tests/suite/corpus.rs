//! What the fuzzers know: every file of `fuzz/corpus` through the function it belongs to, as it is and altered a little.
//! `make fuzz` looks for more.

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use super::fuzz::{Check, TARGETS};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::rig::crypto;

/// Alterations of each file.
const ALTERATIONS: usize = 20;
/// Largest corpus that is kept, in bytes.
const BYTES_MAX: u64 = 300 * 1024;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn files(target: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder().join("corpus").join(target))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
}

/// Some bytes flipped, lost, doubled, overwritten or taken from elsewhere in the file.
fn altered(data: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut data = data.to_vec();
    for _ in 0..random.random_range(1..4) {
        if data.is_empty() {
            data.push(random.random());
        }
        let at = random.random_range(0..data.len());
        match random.random_range(0..5) {
            0 => data[at] ^= 1 << random.random_range(0..8),
            1 => drop(data.remove(at)),
            2 => data.insert(at, data[at]),
            3 => data[at] = *b"0129-+.\"\\{}[]:,=&| \0".get(random.random_range(0..20)).unwrap(),
            _ => {
                let end = random.random_range(at..data.len()) + 1;
                let piece = data[at..end].to_vec();
                let to = random.random_range(0..data.len());
                data.splice(to..to, piece);
            }
        }
    }
    data
}

fn holds(check: Check, data: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| check(data))).is_ok()
}

#[test]
fn every_target_has_a_program_and_a_corpus_and_no_other_has() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len());
    assert_eq!(names(&folder().join("corpus")), targets);
    assert_eq!(names(&folder().join("fuzz_targets")), targets);
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for name in &targets {
        let program = fs::read_to_string(folder().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("guichet_fuzz::run(\"{name}\", data)")), "{name}: {program}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        assert!(!files(name).is_empty(), "{name} has no corpus");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), targets.len());
    let files = targets.iter().flat_map(|name| files(name));
    let bytes: u64 = files.map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(bytes <= BYTES_MAX, "the corpus has {bytes} bytes");
}

#[test]
fn the_corpus_holds() {
    crypto();
    let mut broken = Vec::new();
    for (name, check) in TARGETS {
        for file in files(name) {
            let data = fs::read(&file).unwrap();
            let mut random = StdRng::seed_from_u64(20_261_123);
            let altered = (0..ALTERATIONS).map(|_| altered(&data, &mut random));
            let all: Vec<Vec<u8>> = std::iter::once(data.clone()).chain(altered).collect();
            let found = all.iter().find(|data| !holds(*check, data));
            broken
                .extend(found.map(|data| format!("{}: {:?}", file.display(), String::from_utf8_lossy(data))));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
