//! Random keys that live in the store: each is made once, at the first start that needs it.

use rand::{TryRngCore, rngs::OsRng};
use rusqlite::{Connection, params};
use secrecy::zeroize::Zeroizing;

use crate::store::{StoreError, outbox::CursorKey};

/// The name of the key of cursors.
const CURSORS: &str = "cursors";

/// The key of cursors, made where it is missing.
///
/// # Errors
/// The system has no random numbers, the store cannot be written, or its key is no key.
pub(super) fn cursors(connection: &Connection) -> Result<CursorKey, StoreError> {
    let mut made = Zeroizing::new([0_u8; CursorKey::BYTES]);
    OsRng
        .try_fill_bytes(made.as_mut_slice())
        .map_err(|error| StoreError::Unavailable(format!("no random numbers: {error}")))?;
    connection.execute(
        "INSERT INTO store_keys (name, secret) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
        params![CURSORS, made.as_slice()],
    )?;
    let kept: Vec<u8> =
        connection.query_row("SELECT secret FROM store_keys WHERE name = ?1", [CURSORS], |row| row.get(0))?;
    CursorKey::new(kept)
        .ok_or_else(|| StoreError::Corrupt("the key of cursors has another length".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once() {
        let made = || {
            let connection = Connection::open_in_memory().unwrap();
            super::super::migrations::apply(&connection).unwrap();
            cursors(&connection).unwrap();
            connection
        };
        let kept = |connection: &Connection| -> Vec<u8> {
            connection.query_row("SELECT secret FROM store_keys", [], |row| row.get(0)).unwrap()
        };
        let (one, other) = (made(), made());
        let key = kept(&one);
        assert_eq!(key.len(), 32);
        let again = cursors(&one).unwrap();
        assert_eq!((kept(&one), again.expose()), (key.clone(), key.as_slice()));
        assert_ne!(kept(&other), key);
        assert_eq!(format!("{again:?}"), "CursorKey(..)");
        one.execute("UPDATE store_keys SET secret = x'00'", []).unwrap();
        assert!(matches!(cursors(&one), Err(StoreError::Corrupt(_))));
    }
}
