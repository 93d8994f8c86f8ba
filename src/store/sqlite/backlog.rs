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
    // Walks the partial index of what is accepted: its first row of a provider is the oldest.
    let mut statement = connection.prepare_cached(
        "SELECT provider, MIN(created_at) FROM operations WHERE status = 'accepted' GROUP BY provider",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let age = now.since(Timestamp::from_millis(row.get(1)?));
        backlog.accepted_oldest.push((row.get(0)?, age));
    }
    let (pending, oldest): (i64, Option<i64>) = connection
        .prepare_cached("SELECT COUNT(*), MIN(created_at) FROM webhook_deliveries WHERE status = 'pending'")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    backlog.outbox_pending = pending;
    backlog.outbox_oldest =
        oldest.map_or(std::time::Duration::ZERO, |at| now.since(Timestamp::from_millis(at)));
    Ok(backlog)
}
