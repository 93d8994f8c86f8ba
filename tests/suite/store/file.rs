//! What the SQLite file promises beyond the trait.

use std::task::{Context, Waker};

use guichet::{
    domain::{OperationStatus, OrderStatus},
    store::{Begun, StoreError, sqlite::SqliteStore},
};

use super::rig::{Kind, Sqlite, cancel, cancel_in, copy, start};

#[tokio::test]
async fn closing_finishes_what_is_queued_and_leaves_one_file() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    let mut begins = Vec::new();
    for n in 0..100 {
        let new = cancel(copy(&format!("o{n}"), OrderStatus::Pending, 0));
        let id = new.operation.id;
        let mut begin = store.begin(new);
        // The first poll queues it.
        let _ = begin.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        begins.push((id, begin));
    }
    store.close().await;
    let mut started = Vec::new();
    for (id, begin) in begins {
        assert_eq!(begin.await.unwrap(), Begun::Started);
        started.push(id);
    }
    assert!(!kind.path().with_extension("db-wal").exists());
    let store = kind.open().unwrap();
    for id in started {
        assert!(store.operation(id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let broken = |bytes: Vec<u8>| {
        let kind = Sqlite::new();
        std::fs::create_dir_all(kind.path().parent().unwrap()).unwrap();
        std::fs::write(kind.path(), bytes).unwrap();
        kind.open().unwrap_err()
    };
    for error in
        [broken(b"not a database, but long enough to have a header ".repeat(50)), broken(vec![0; 8_192])]
    {
        assert!(matches!(&error, StoreError::Corrupt(text) if text.contains("store.db")), "{error}");
    }
    for url in ["", "guichet.db", "sqlite://", "sqlite:///proc/nowhere/x.db"] {
        assert!(matches!(SqliteStore::open(url), Err(StoreError::Unavailable(_))), "{url}");
    }
}

#[tokio::test]
async fn damage_is_an_error_and_not_a_panic() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    let id = cancel_in(&*store, "a", OperationStatus::Sending).await;
    store.close().await;
    // All tables and indexes but the first page, which says where they are.
    let mut bytes = std::fs::read(kind.path()).unwrap();
    bytes[4_096..].fill(0xAA);
    std::fs::write(kind.path(), bytes).unwrap();
    match kind.open() {
        Err(error) => assert!(matches!(error, StoreError::Corrupt(_)), "{error}"),
        Ok(store) => {
            let error = store.operation(id).await.unwrap_err();
            assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
        }
    }
}

/// Changes the file as another program would.
fn tamper(kind: &Sqlite, sql: &str) {
    let connection = rusqlite::Connection::open(kind.path()).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_newer_store_is_refused() {
    let kind = Sqlite::new();
    kind.open().unwrap().close().await;
    tamper(&kind, "INSERT INTO schema_migrations VALUES ('9999_from_the_future', 'x', 0)");
    let error = kind.open().unwrap_err().to_string();
    assert!(error.contains("newer guichet") && error.contains("9999_from_the_future"), "{error}");
}

#[tokio::test]
async fn unreadable_rows_harm_only_who_reads_them() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    let id = cancel_in(&*store, "a", OperationStatus::Sending).await;
    store.close().await;
    tamper(&kind, "UPDATE operations SET body = '{\"recipient\": \"claire@example.com\"}'");
    let store = kind.open().unwrap();
    let error = store.operation(id).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
    assert!(!error.to_string().contains("claire"), "{error}");
    let error = store.recover(super::rig::at(9)).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error}");

    // Together with one that fails, others are written.
    let settlement = super::rig::settlement(id, OperationStatus::Unknown, 1);
    let other = cancel(copy("b", OrderStatus::Pending, 0));
    let (failed, begun) = tokio::join!(store.settle(settlement), store.begin(other));
    assert!(matches!(failed, Err(StoreError::Corrupt(_))), "{failed:?}");
    assert_eq!(begun.unwrap(), Begun::Started);
}

#[tokio::test]
async fn every_change_is_in_the_audit_trail() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    let id = cancel_in(&*store, "a", OperationStatus::NeedsReview).await;
    start(&*store, cancel(copy("b", OrderStatus::Pending, 0))).await;
    store.recover(super::rig::at(7)).await.unwrap();
    store.close().await;
    let connection = rusqlite::Connection::open(kind.path()).unwrap();
    let mut statement = connection
        .prepare("SELECT actor || ' ' || action FROM audit WHERE position > 0 ORDER BY position")
        .unwrap();
    let rows: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(
        rows,
        [
            "till operation.begun",
            "answer operation.settled",
            "answer operation.settled",
            "till operation.begun",
            "recovery operation.settled",
        ]
    );
    let of_one: i64 = connection
        .query_row("SELECT COUNT(*) FROM audit WHERE operation_id = ?1", [id.to_string()], |row| row.get(0))
        .unwrap();
    assert_eq!(of_one, 3);
}
