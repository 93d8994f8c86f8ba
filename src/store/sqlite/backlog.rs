//! What is open, for metrics.

use std::{collections::BTreeMap, time::Duration};

use rusqlite::Connection;

use crate::{
    domain::Timestamp,
    store::{Backlog, StoreError},
};

/// Walks what is open, by the partial indexes that hold nothing else. The statuses are written as in the index.
pub(super) fn read(connection: &Connection, now: Timestamp) -> Result<Backlog, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT provider, status, created_at FROM operations INDEXED BY operations_open \
         WHERE status IN ('pending', 'sending', 'unknown', 'needs_review')",
    )?;
    let mut rows = statement.query([])?;
    let mut backlog = Backlog::default();
    let mut unknown = BTreeMap::<String, i64>::new();
    while let Some(row) = rows.next()? {
        match row.get_ref(1)?.as_str().unwrap_or_default() {
            "unknown" => {
                let count = unknown.entry(row.get(0)?).or_default();
                *count = count.saturating_add(1);
                let age = now.since(Timestamp::from_millis(row.get(2)?));
                backlog.unknown_oldest = backlog.unknown_oldest.max(age);
            }
            "needs_review" => backlog.needs_review = backlog.needs_review.saturating_add(1),
            _ => {}
        }
    }
    backlog.unknown = unknown.into_iter().collect();
    // Walks the partial index of what is accepted: its first row of a provider is the oldest.
    let mut statement = connection.prepare_cached(
        "SELECT provider, MIN(created_at) FROM operations WHERE status = 'accepted' GROUP BY provider",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let age = now.since(Timestamp::from_millis(row.get(1)?));
        backlog.accepted_oldest.push((row.get(0)?, age));
    }
    // What waits for an endpoint that is off waits for a person. Of each one that is on, the first of its index is the
    // oldest.
    let mut statement = connection.prepare_cached(
        "SELECT pending, (SELECT MIN(d.created_at) FROM webhook_deliveries d INDEXED BY webhook_deliveries_waiting \
         WHERE d.endpoint_id = webhook_endpoints.id AND d.status = 'pending') \
         FROM webhook_endpoints WHERE enabled = TRUE AND removed_at IS NULL AND pending > 0",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (pending, oldest): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
        backlog.outbox_pending = backlog.outbox_pending.saturating_add(pending);
        let age = oldest.map_or(Duration::ZERO, |at| now.since(Timestamp::from_millis(at)));
        backlog.outbox_oldest = backlog.outbox_oldest.max(age);
    }
    Ok(backlog)
}
