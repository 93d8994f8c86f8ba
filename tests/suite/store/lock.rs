//! One process per store: the lock is on the database file itself.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use guichet::{
    domain::OrderStatus,
    store::{StoreError, sqlite::SqliteStore},
};

use super::rig::{Kind, Sqlite, copy, keep, order_id};

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&format!("sqlite://{}", path.display()))
}

#[track_caller]
fn refused(path: &Path) {
    let Err(error) = open(path) else { panic!("{} was opened twice", path.display()) };
    assert!(matches!(&error, StoreError::Locked(text) if text.contains("store")), "{error}");
}

/// Locks of SQLite that the system knows of this process on this file.
fn locks_of_sqlite(path: &Path) -> usize {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{} ", fs::metadata(path).unwrap().ino());
    let process = format!(" {} ", std::process::id());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks
        .lines()
        .filter(|line| line.contains(" POSIX ") && line.contains(&inode) && line.contains(&process))
        .count()
}

/// Whatever name the file is called by, and whatever was deleted beside it.
#[tokio::test]
async fn a_second_service_finds_the_first_by_every_name() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    let path = kind.path();
    let folder = path.parent().unwrap();
    assert!(!path.with_extension("db.lock").exists(), "there is no lock file any more");
    assert_eq!(locks_of_sqlite(&path), 1, "SQLite holds its own");

    let (linked, hard) = (folder.join("linked.db"), folder.join("hard.db"));
    std::os::unix::fs::symlink(&path, &linked).unwrap();
    fs::hard_link(&path, &hard).unwrap();
    let around = folder.join("../data/store.db");
    for name in [&path, &linked, &hard, &around] {
        refused(name);
    }
    // Files that an administrator may take for leftovers.
    let _ = fs::remove_file(path.with_extension("db.lock"));
    refused(&path);
    // Looking did not take away what SQLite holds: another process that ends would delete the log under it.
    assert_eq!(locks_of_sqlite(&path), 1);
    keep(&*store, vec![copy("a", OrderStatus::Paid, 0)]).await;
    store.close().await;

    // A file of two names would have two logs: what is in one of them would be forgotten under the other.
    for name in [&path, &hard] {
        let error = open(name).unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("hard link")), "{error}");
    }
    fs::remove_file(&hard).unwrap();
    let store = open(&linked).unwrap();
    refused(&path);
    drop(store);
    drop(open(&path).unwrap());
}

/// Another process meets the lock as well, and one that only reads or writes rows meets none.
#[tokio::test]
async fn others_may_look_but_not_serve() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    keep(&*store, vec![copy("a", OrderStatus::Paid, 0)]).await;
    let path = kind.path();
    // As util-linux: a process of its own, with a handle of its own.
    let try_lock = || {
        let mut flock = std::process::Command::new("flock");
        flock.args(["--nonblock", path.to_str().unwrap(), "true"]).status().unwrap().success()
    };
    assert!(!try_lock());
    SqliteStore::request_erasure(&kind.url(), &order_id("a")).unwrap();
    let backup = kind.directory.path().join("backup.db");
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    drop(reader);
    assert!(matches!(SqliteStore::compact(&kind.url()), Err(StoreError::Locked(_))));
    assert!(!try_lock(), "none of them gave the lock away");
    assert_eq!(locks_of_sqlite(&path), 1);
    store.close().await;
    assert!(try_lock());
    SqliteStore::compact(&kind.url()).unwrap();
    drop(open(&backup).unwrap());
}

/// An older guichet locks a file beside the store. One that is left over does no harm; one that is held tells of a
/// service that runs.
#[tokio::test]
async fn a_lock_file_of_before() {
    let kind = Sqlite::new();
    kind.open().unwrap().close().await;
    let beside = kind.path().with_extension("db.lock");
    let old = fs::File::create(&beside).unwrap();
    drop(kind.open().unwrap());
    old.try_lock().unwrap();
    refused(&kind.path());
    drop(old);
    drop(kind.open().unwrap());
    fs::remove_file(&beside).unwrap();
    drop(kind.open().unwrap());
}

/// SQLite makes its files like the database file; those that are there are taken from others too, and so is the lock file
/// of before: who can read a file can lock it.
#[tokio::test]
async fn no_file_of_a_store_is_open_to_others() {
    let kind = Sqlite::new();
    let path = kind.path();
    let files = ["", "-wal", "-shm", ".lock"].map(|end| PathBuf::from(format!("{}{end}", path.display())));
    kind.open().unwrap().close().await;
    for file in &files {
        fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o664)).unwrap();
    }
    let store = kind.open().unwrap();
    keep(&*store, vec![copy("a", OrderStatus::Paid, 0)]).await;
    for file in &files {
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    SqliteStore::request_erasure(&kind.url(), &order_id("a")).unwrap();
    store.close().await;
}

/// Somebody who may write beside the store makes a pipe of this name: opening it would wait for ever.
#[test]
fn a_pipe_in_the_place_of_the_lock_file_of_before_holds_up_nothing() {
    let kind = Sqlite::new();
    let path = kind.path();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pipe = path.with_extension("db.lock");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (opened, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || opened.send(open(&path).map(drop)));
    let result = told.recv_timeout(std::time::Duration::from_secs(60));
    assert!(matches!(result, Ok(Ok(()))), "{result:?}");
}

/// What is written beside a running service goes by the one name of the file.
#[tokio::test]
async fn an_erasure_by_another_name_is_refused() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    let hard = kind.directory.path().join("hard.db");
    fs::hard_link(kind.path(), &hard).unwrap();
    let error =
        SqliteStore::request_erasure(&format!("sqlite://{}", hard.display()), &order_id("a")).unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("hard link")), "{error}");
    assert!(!hard.with_extension("db-wal").exists());
    store.close().await;
}
