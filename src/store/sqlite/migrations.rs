//! Brings the tables of a store up to this version of guichet.

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use crate::{domain::Timestamp, store::StoreError};

/// Every schema change in its order; one that was released is never edited.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_initial", include_str!("../../../migrations/0001_initial.sql")),
    ("0002_webhooks", include_str!("../../../migrations/0002_webhooks.sql")),
    ("0003_retention", include_str!("../../../migrations/0003_retention.sql")),
    ("0004_causes", include_str!("../../../migrations/0004_causes.sql")),
    ("0005_inbox", include_str!("../../../migrations/0005_inbox.sql")),
    ("0006_following", include_str!("../../../migrations/0006_following.sql")),
    ("0007_store_keys", include_str!("../../../migrations/0007_store_keys.sql")),
    ("0008_lists", include_str!("../../../migrations/0008_lists.sql")),
    ("0009_spent_keys", include_str!("../../../migrations/0009_spent_keys.sql")),
    ("0010_outgoing", include_str!("../../../migrations/0010_outgoing.sql")),
    ("0011_webhook_owners", include_str!("../../../migrations/0011_webhook_owners.sql")),
];

/// Applies what is missing, each change in its own transaction.
///
/// # Errors
/// `Corrupt` when the file belongs to something else or to a newer guichet.
pub(super) fn apply(connection: &Connection) -> Result<(), StoreError> {
    up_to(connection, MIGRATIONS.len())
}

/// Applies what is missing of the first `count` changes.
fn up_to(connection: &Connection, count: usize) -> Result<(), StoreError> {
    let applied = applied(connection)?;
    for (index, (name, checksum)) in applied.iter().enumerate() {
        let Some((known, sql)) = MIGRATIONS.get(index).filter(|(known, _)| known == name) else {
            return Err(StoreError::Corrupt(format!(
                "it was written by a newer guichet (it has the schema change `{name}`); use that version or a newer one"
            )));
        };
        if *checksum != digest(sql) {
            return Err(StoreError::Corrupt(format!(
                "the schema change `{known}` differs from the one applied"
            )));
        }
    }
    for (name, sql) in MIGRATIONS.iter().take(count).skip(applied.len()) {
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(sql)?;
        transaction.execute(
            "INSERT INTO schema_migrations (name, checksum, applied_at) VALUES (?1, ?2, ?3)",
            params![name, digest(sql), Timestamp::now().as_millis()],
        )?;
        transaction.commit()?;
    }
    Ok(())
}

/// Refuses a store whose tables are not those of this version.
///
/// # Errors
/// `Corrupt` when they are older or newer, or of another program.
pub(super) fn expect_current(connection: &Connection) -> Result<(), StoreError> {
    let applied = applied(connection)?;
    let is_current = applied.len() == MIGRATIONS.len()
        && applied.iter().zip(MIGRATIONS).all(|((name, _), (known, _))| name == known);
    if is_current {
        return Ok(());
    }
    Err(StoreError::Corrupt(
        "its tables are not those of this version of guichet; start this one first".to_owned(),
    ))
}

fn applied(connection: &Connection) -> Result<Vec<(String, String)>, StoreError> {
    let (tables, ours): (i64, i64) = connection.query_row(
        "SELECT COUNT(*), COUNT(CASE WHEN name = 'schema_migrations' THEN 1 END) FROM sqlite_master",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if tables > 0 && ours == 0 {
        return Err(StoreError::Corrupt("it is a database of another program".to_owned()));
    }
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations \
         (name TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)",
    )?;
    let mut statement = connection.prepare("SELECT name, checksum FROM schema_migrations ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn digest(sql: &str) -> String {
    hex::encode(Sha256::digest(sql.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrated() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        apply(&connection).unwrap();
        connection
    }

    #[test]
    fn names_are_in_order_and_a_second_run_changes_nothing() {
        assert!(MIGRATIONS.is_sorted());
        let connection = migrated();
        apply(&connection).unwrap();
        assert_eq!(applied(&connection).unwrap().len(), MIGRATIONS.len());
    }

    #[test]
    fn a_store_of_before_the_causes_is_read_as_having_none() {
        let connection = Connection::open_in_memory().unwrap();
        up_to(&connection, 2).unwrap();
        connection
            .execute_batch(
                "INSERT INTO events VALUES ('evt_019386a2-6f5b-7c31-9a53-2f6f1f7a1b2c', 1, 'shop_1', NULL, 'shop', 1, \
                 'order.paid', NULL, 5, '{}')",
            )
            .unwrap();
        apply(&connection).unwrap();
        let order = "shop_1".parse().unwrap();
        let events = super::super::events::of_order(&connection, &order, 0, 10).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].event.cause, crate::domain::Cause::default());
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (sql, text) in [
            ("INSERT INTO schema_migrations VALUES ('9999_later', 'x', 0)", "newer guichet"),
            ("UPDATE schema_migrations SET checksum = 'x'", "differs"),
            ("DROP TABLE schema_migrations", "another program"),
        ] {
            let connection = migrated();
            connection.execute_batch(sql).unwrap();
            let error = apply(&connection).unwrap_err();
            assert!(matches!(&error, StoreError::Corrupt(why) if why.contains(text)), "{error}");
        }
    }
}
