//! How connections are set up, and what SQLite's errors mean to callers.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::store::StoreError;

/// Nobody else writes, so waiting this long happens only while another tool holds the file.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENTS_KEPT: usize = 64;

/// Opens the one writing connection.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(StoreError::Unavailable(format!(
            "{} cannot have a write-ahead log here (journal mode `{mode}`)",
            path.display()
        )));
    }
    // FULL: the log is synced at every commit; without it a commit survives a crash of the process, but
    // not one of the machine.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    secure_delete(&connection)?;
    // In pages of 4 KiB: the log is copied back every 4 MiB and cut to 16 MiB after a long read let it grow.
    connection.pragma_update(None, "wal_autocheckpoint", 1_000)?;
    connection.pragma_update(None, "journal_size_limit", 16_777_216)?;
    Ok(connection)
}

/// Opens a connection to write a row beside the writer of another process.
pub(super) fn open_beside(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    secure_delete(&connection)?;
    Ok(connection)
}

/// What is deleted is overwritten with zeros: it may name a payer.
fn secure_delete(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))?)
}

/// Opens a connection that cannot write.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn open(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    // Without SQLITE_OPEN_URI: a file name is a file name.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    watched(&connection);
    Ok(connection)
}

/// Tells a test that watches this store that this thread uses the connection.
pub(super) fn watched(connection: &Connection) {
    #[cfg(feature = "faults")]
    super::watch::here(connection);
    #[cfg(not(feature = "faults"))]
    let _ = connection;
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let damaged = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch)
        );
        let unexpected = matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..)
                | rusqlite::Error::QueryReturnedNoRows
        );
        if damaged || unexpected {
            Self::Corrupt(error.to_string())
        } else {
            Self::Unavailable(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_synced_and_readers_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        std::fs::write(&path, "").unwrap();
        let writer = open_writer(&path).unwrap();
        let setting =
            |name: &str| -> i64 { writer.pragma_query_value(None, name, |row| row.get(0)).unwrap() };
        // 2 is FULL.
        assert_eq!((setting("synchronous"), setting("foreign_keys"), setting("secure_delete")), (2, 1, 1));
        let table = "CREATE TABLE t (id BIGINT PRIMARY KEY)";
        assert!(open_reader(&path).unwrap().execute_batch(table).is_err());
        writer.execute_batch(table).unwrap();
    }
}
