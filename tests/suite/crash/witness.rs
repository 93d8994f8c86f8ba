//! What the program asks the system for, in its order: the intent is synced before the change's first byte leaves.

use std::path::Path;

use super::{
    changes::CANCEL,
    process::{Home, start_provider},
};

/// Puts the witness between the program and the C library, cancels an order and returns what was seen of it. The
/// order's copy is in the store before, so that its sync is not taken for the intent's.
async fn observe() -> (String, u16) {
    let provider = start_provider().await;
    let order = CANCEL.new_order(&provider.control());
    let home = Home::new(&provider, &CANCEL);
    let (library, log) = (home.path().join("witness.so"), home.path().join("witness.log"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/crash/sync_witness.c");
    let compiled = tokio::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(compiled.await.expect("a C compiler `cc`").success());
    let environment = [("LD_PRELOAD", library.as_path()), ("SYNC_WITNESS_LOG", log.as_path())];
    let program = home.start_with("", &environment).await;
    home.settle_copy(&program, &CANCEL, &order).await;
    let before = std::fs::read_to_string(&log).unwrap().len();
    let response = program.change(&CANCEL, &order, "key").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    (std::fs::read_to_string(&log).unwrap().split_off(before), provider.local_addr().port())
}

/// Reads and changes have connections of their own, so the provider's second connection carries the change.
fn check(log: &str, port: u16) -> Result<(), String> {
    let sends = format!("send {port} ");
    let lines: Vec<&str> = log.lines().collect();
    let read = lines.iter().find(|line| line.starts_with(&sends)).ok_or("nothing was sent")?;
    let change = lines
        .iter()
        .position(|line| line.starts_with(&sends) && line != read)
        .ok_or("no change was sent after the read")?;
    let last_read = lines[..change].iter().rposition(|line| line == read).ok_or("no read")?;
    let between = &lines[last_read..change];
    let synced = between.iter().any(|line| line.starts_with("sync ") && line.contains("/guichet.db"));
    if synced { Ok(()) } else { Err(format!("no sync of the store between read and change: {lines:#?}")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_intent_is_on_disk_before_the_first_provider_byte() {
    let (log, port) = observe().await;
    check(&log, port).unwrap();
}
