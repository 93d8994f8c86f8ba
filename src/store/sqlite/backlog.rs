//! What is open, for metrics.

use rusqlite::Connection;

use crate::{
    domain::Timestamp,
    store::{Backlog, StoreError},
};

/// Reads only operations that are open: the list of statuses is written as in the partial index, which is then used.
pub(super) fn read(connection: &Connection, now: Timestamp) -> Result<Backlog, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT provider, status, COUNT(*), MIN(created_at) FROM operations \
         WHERE status IN ('pending', 'sending', 'unknown', 'needs_review') GROUP BY provider, status",
    )?;
    let mut rows = statement.query([])?;
    let mut backlog = Backlog::default();
    while let Some(row) = rows.next()? {
        let (provider, status, count): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        match status.as_str() {
            "unknown" => {
                backlog.unknown.push((provider, count));
                let age = now.since(Timestamp::from_millis(row.get(3)?));
                backlog.unknown_oldest = backlog.unknown_oldest.max(age);
            }
            "needs_review" => backlog.needs_review = backlog.needs_review.saturating_add(count),
            _ => {}
        }
    }
    Ok(backlog)
}
