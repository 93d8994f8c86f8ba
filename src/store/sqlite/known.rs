//! Which orders anything is remembered of, in memory: a read of any other order need not ask the file.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{PoisonError, RwLock},
};

use rusqlite::Connection;

use crate::{domain::OrderId, store::StoreError};

/// Digests of the ids of orders made, changed or notified here. It may name too many, never too few: a digest goes in
/// before the commit that makes it true. Eight bytes an order.
#[derive(Debug, Default)]
pub(super) struct Known {
    digests: RwLock<HashSet<u64>>,
}

fn digest(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

impl Known {
    /// What the file holds.
    pub(super) fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut statement = connection.prepare("SELECT id FROM orders WHERE known_here = TRUE")?;
        let mut rows = statement.query([])?;
        let mut digests = HashSet::new();
        while let Some(row) = rows.next()? {
            digests.insert(digest(row.get_ref(0)?.as_str().unwrap_or_default()));
        }
        Ok(Self { digests: RwLock::new(digests) })
    }

    pub(super) fn add(&self, id: &OrderId) {
        self.digests.write().unwrap_or_else(PoisonError::into_inner).insert(digest(&id.to_string()));
    }

    pub(super) fn may_hold(&self, id: &OrderId) -> bool {
        self.digests.read().unwrap_or_else(PoisonError::into_inner).contains(&digest(&id.to_string()))
    }
}
