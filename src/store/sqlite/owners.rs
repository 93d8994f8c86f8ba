//! Clients that have webhook endpoints: when each was seen last, and the end of endpoints whose client comes no more.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;

use super::{
    events,
    rows::{encode, word},
    writer::Step::{self, Keep, Undo},
};
use crate::{
    domain::{EndpointId, Timestamp},
    store::{
        StoreError,
        outbox::{Disabling, Owners},
    },
};

/// See [`crate::store::outbox::OutboxStore::owners`].
pub(super) fn read(connection: &Connection) -> Result<Owners, StoreError> {
    let clock: i64 = connection
        .prepare_cached("SELECT value FROM counters WHERE name = 'erasure_clock'")?
        .query_row([], |row| row.get(0))?;
    let mut statement = connection.prepare_cached("SELECT client, seen_at FROM webhook_owners")?;
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, Timestamp::from_millis(row.get::<_, i64>(1)?))))?;
    Ok(Owners { clock: Timestamp::from_millis(clock), seen: rows.collect::<Result<_, _>>()? })
}

/// Writes down that these clients were seen now.
pub(super) fn saw(connection: &Connection, clients: &[String]) -> Result<Step<()>, StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO webhook_owners (client, seen_at) SELECT ?1, value FROM counters WHERE name = 'erasure_clock' \
         ON CONFLICT (client) DO UPDATE SET seen_at = excluded.seen_at",
    )?;
    for client in clients {
        statement.execute([client])?;
    }
    Ok(Keep(()))
}

/// Forgets a client that has no endpoint left.
pub(super) fn forget(connection: &Connection, client: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM webhook_owners WHERE client = ?1 \
             AND NOT EXISTS (SELECT 1 FROM webhook_endpoints WHERE client = ?1 AND removed_at IS NULL)",
        )?
        .execute([client])?;
    Ok(())
}

/// Disables the endpoints of a client that was not seen since `seen_at`; answers which.
pub(super) fn lapse(
    connection: &Connection,
    client: &str,
    seen_at: Timestamp,
    at: Timestamp,
) -> Result<Step<Vec<EndpointId>>, StoreError> {
    let now: Option<i64> = connection
        .prepare_cached("SELECT seen_at FROM webhook_owners WHERE client = ?1")?
        .query_row([client], |row| row.get(0))
        .optional()?;
    if now != Some(seen_at.as_millis()) {
        return Ok(Undo(Vec::new()));
    }
    let mut statement = connection.prepare_cached(
        "SELECT id FROM webhook_endpoints WHERE client = ?1 AND enabled = TRUE ORDER BY created_at, id",
    )?;
    let ids = statement.query_map([client], |row| row.get::<_, String>(0))?;
    let mut lapsed = Vec::new();
    for id in ids.collect::<Result<Vec<_>, _>>()? {
        let id = word("endpoint id", &id, id.parse().ok())?;
        disable(connection, id, Disabling::Lapsed, at)?;
        lapsed.push(id);
    }
    Ok(Keep(lapsed))
}

/// Disables an endpoint and writes that into the audit trail; `None` when there is no such endpoint, false when it was off
/// already.
pub(super) fn disable(
    connection: &Connection,
    id: EndpointId,
    why: Disabling,
    at: Timestamp,
) -> Result<Option<bool>, StoreError> {
    let found: Option<(String, bool)> = connection
        .prepare_cached("SELECT client, enabled FROM webhook_endpoints WHERE id = ?1 AND removed_at IS NULL")?
        .query_row([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((client, is_enabled)) = found else { return Ok(None) };
    if !is_enabled {
        return Ok(Some(false));
    }
    connection
        .prepare_cached(
            "UPDATE webhook_endpoints SET enabled = FALSE, disabled_reason = ?2, updated_at = ?3 \
             WHERE id = ?1 AND enabled = TRUE",
        )?
        .execute(params![id.to_string(), why.as_str(), at.as_millis()])?;
    let detail = json!({"endpoint_id": id.to_string(), "client": client, "reason": why.as_str()});
    // Of no operation and no request.
    connection
        .prepare_cached(
            "INSERT INTO audit (position, recorded_at, actor, action, operation_id, request_id, detail) \
             VALUES (?1, ?2, ?3, 'webhook.disabled', '', '', ?4)",
        )?
        .execute(params![
            events::next(connection, "audit")?,
            at.as_millis(),
            why.actor(),
            encode(&detail)?
        ])?;
    Ok(Some(true))
}
