//! Files that others than guichet's user can read: secrets, and the store.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rustix::process::Signal;

use super::program::Home;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// One warning for each file, which names it and says nothing of what is in it; the service runs all the same.
#[tokio::test]
async fn secrets_that_others_can_read_are_warned_of() {
    const WARNED: &str = "can be read by its group or by others";
    let home = Home::new("", "[accounts.more]\nprovider = \"lyra\"\nbrand = \"systempay\"\nshop_id = \"12345678\"\npassword_file = \"more\"\n").await;
    let (config, secret) = (home.config(), home.path().join("more"));
    fs::write(&secret, "testpassword_canary").unwrap();
    // As container platforms mount secrets.
    set_mode(&secret, 0o444);
    set_mode(&config, 0o640);
    let mut program = home.start(None).await;
    assert_eq!(program.has_said(WARNED), 2);
    for (file, lines) in [(&secret, 1), (&config, 1)] {
        assert_eq!(program.has_said(&format!("\"file\":\"{}\"", file.display())), lines);
    }
    assert_eq!(program.has_said("canary"), 0);
    // Only this user, and a reload warns of nothing any more.
    set_mode(&secret, 0o400);
    set_mode(&config, 0o600);
    program.signal(Signal::HUP);
    program.says("the configuration was reloaded", 1).await;
    assert_eq!(program.has_said(WARNED), 2);
    program.signal(Signal::TERM);
    assert!(program.ended().await.success());
    let (_, said) = home.run("check").await;
    assert!(!said.contains(WARNED), "{said}");
    set_mode(&config, 0o644);
    let (_, said) = home.run("check").await;
    assert_eq!(said.matches(WARNED).count(), 1, "{said}");
    assert!(said.contains(&format!("warning: {}: ", config.display())), "{said}");
}

/// A file of the store that others can read is one that they can lock: then guichet could not start.
#[tokio::test]
async fn the_store_is_taken_from_others() {
    let home = Home::new("", "").await;
    set_mode(&home.config(), 0o600);
    let mut program = home.start(None).await;
    let names = ["guichet.db", "guichet.db-wal", "guichet.db-shm"].map(|name| home.path().join(name));
    for name in &names {
        assert_eq!(mode(name), 0o600, "{}", name.display());
    }
    assert_eq!(program.has_said("open to its group"), 0);
    program.signal(Signal::KILL);
    program.ended().await;
    for name in &names {
        // A power cut leaves them, and a restore may have given them to everybody.
        set_mode(name, 0o666);
    }
    let mut program = home.start(None).await;
    for name in &names {
        assert_eq!(mode(name), 0o600, "{}", name.display());
    }
    assert_eq!(program.has_said("was open to its group or to others"), 3);
    program.signal(Signal::TERM);
    assert!(program.ended().await.success());
}
