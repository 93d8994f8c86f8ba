//! Power cuts: what was written and not synced when the power goes is lost, kept or torn at 512 bytes.
//!
//! A process of its own works on a store, with a library between it and the system that writes a journal of all
//! writes and syncs. The journal is cut at a random place, the files are built as the disk might then hold them, and
//! the store is opened: everything that was acknowledged before the cut must be there.

mod disk;
mod work;

use std::{path::Path, process::Command};

use guichet::store::{Store, sqlite::SqliteStore};

use self::{disk::Journal, work::Acknowledged};
use crate::{
    numbers::{Progress, Random, amount},
    sim::scratch,
};

/// Cuts of each journal.
const PER_JOURNAL: u64 = 20;

/// Works on a store with this seed and gives the journal of it.
fn journal(seed: u64, folder: &Path) -> Journal {
    let library = folder.join("journal.so");
    if !library.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/proof/power/journal.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]);
        assert!(compiler.args(["-ldl", "-lpthread"]).status().expect("a C compiler `cc`").success());
    }
    let place = folder.join(format!("store-{seed}"));
    std::fs::create_dir(&place).unwrap();
    let log = folder.join(format!("journal-{seed}"));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "power::work::works_on_a_store", "--ignored", "--nocapture"])
        .env("GUICHET_PROOF_WORK", &place)
        .env("GUICHET_PROOF_SEED", seed.to_string())
        .env("LD_PRELOAD", &library)
        .env("POWER_PREFIX", &place)
        .env("POWER_LOG", &log)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let journal = Journal::read(&log);
    // It is in memory now, and a long run makes many.
    std::fs::remove_file(log).unwrap();
    std::fs::remove_dir_all(place).unwrap();
    journal
}

/// Cuts the power at a random place and says what is wrong with what is left.
async fn cut(journal: &Journal, random: &mut Random, folder: &Path) -> Result<usize, String> {
    let place = random.index(journal.len() + 1);
    let acknowledged = Acknowledged::read(&journal.acknowledged(place));
    let store = folder.join("cut");
    let _ = std::fs::remove_dir_all(&store);
    std::fs::create_dir(&store).unwrap();
    journal.write_disk(place, random, &store);
    let path = store.join("store.db");
    if !path.exists() {
        return if acknowledged.is_empty() { Ok(0) } else { Err("lost: there is no file".to_owned()) };
    }
    let opened = SqliteStore::open(&format!("sqlite://{}", path.display()));
    let opened = opened.map_err(|error| format!("lost: the store does not open: {error}"))?;
    let wrong = acknowledged.check(&opened).await;
    opened.close().await;
    drop(opened);
    wrong.map(|()| acknowledged.len()).map_err(|why| format!("cut at {place} of {}: {why}", journal.len()))
}

/// How many cuts were made and how much of what was acknowledged they left. `spoil` may make a mistake in each journal.
async fn cuts(
    first: u64,
    count: u64,
    per_journal: u64,
    spoil: impl Fn(&mut Journal),
) -> Result<(u64, usize), String> {
    let folder = scratch();
    let (mut done, mut acknowledged) = (0, 0);
    let progress = Progress::new("power cuts", count);
    for seed in first.. {
        let mut journal = journal(seed, folder.path());
        spoil(&mut journal);
        let mut random = Random::new(seed);
        for _ in 0..per_journal {
            if done == count {
                return Ok((done, acknowledged));
            }
            acknowledged += cut(&journal, &mut random, folder.path())
                .await
                .map_err(|why| format!("seed {seed}: {why}"))?;
            done += 1;
            progress.add(1);
        }
    }
    Ok((done, acknowledged))
}

#[tokio::test]
async fn power_cuts_lose_nothing_that_was_acknowledged() {
    let count = amount("GUICHET_PROOF_CUTS", 60);
    let first = amount("GUICHET_PROOF_FIRST_SEED", 1);
    let started = std::time::Instant::now();
    let (done, acknowledged) = cuts(first, count, PER_JOURNAL, |_| {}).await.unwrap_or_else(|why| {
        let again = "cargo test --features faults --test proof power_cuts_lose_nothing -- --nocapture";
        panic!("{why}\nagain: GUICHET_PROOF_CUTS={PER_JOURNAL} GUICHET_PROOF_FIRST_SEED=<its seed> {again}")
    });
    println!(
        "{done} power cuts from seed {first} in {:?}, {acknowledged} acknowledgements held",
        started.elapsed()
    );
    assert!(acknowledged > usize::try_from(count).unwrap(), "too little was acknowledged before the cuts");
}

#[tokio::test]
async fn a_store_that_does_not_sync_loses_what_it_acknowledged() {
    let why = cuts(1, 40, PER_JOURNAL, Journal::forget_syncs).await.unwrap_err();
    println!("without syncs: {why}");
    assert!(why.contains("lost"), "{why}");
}
