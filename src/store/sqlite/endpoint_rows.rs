//! The rows of webhook endpoints, and how many of their deliveries are pending.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, params};
use secrecy::SecretString;

use super::rows::{decode, word};
use crate::{
    config::AllowedAccounts,
    domain::{EndpointId, Timestamp},
    store::{StoreError, outbox::Endpoint},
};

const ENDPOINT: &str = "SELECT id, client, accounts, url, description, event_types, enabled, disabled_reason, \
                        secret, previous_secret, previous_secret_until, position, slow_until, slow_count, \
                        created_at, updated_at FROM webhook_endpoints";

fn endpoint(row: &Row<'_>) -> Result<Endpoint, StoreError> {
    let id: String = row.get(0)?;
    let accounts: String = row.get(2)?;
    let accounts: Option<BTreeSet<String>> = decode("the accounts of an endpoint", &accounts)?;
    let event_types: String = row.get(5)?;
    let previous: Option<String> = row.get(9)?;
    let until: Option<i64> = row.get(10)?;
    let slow_until: Option<i64> = row.get(12)?;
    Ok(Endpoint {
        id: word("endpoint id", &id, id.parse().ok())?,
        client: row.get(1)?,
        accounts: accounts.map_or(AllowedAccounts::All, AllowedAccounts::Named),
        url: row.get(3)?,
        description: row.get(4)?,
        event_types: decode("the event types of an endpoint", &event_types)?,
        enabled: row.get(6)?,
        disabled_reason: row.get(7)?,
        secret: SecretString::from(row.get::<_, String>(8)?),
        previous_secret: previous
            .zip(until)
            .map(|(secret, until)| (SecretString::from(secret), Timestamp::from_millis(until))),
        position: row.get(11)?,
        slow_until: slow_until.map(Timestamp::from_millis),
        slow_count: row.get(13)?,
        created_at: Timestamp::from_millis(row.get(14)?),
        updated_at: Timestamp::from_millis(row.get(15)?),
    })
}

fn endpoints(
    connection: &Connection,
    tail: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Endpoint>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{ENDPOINT} {tail}"))?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(endpoint(row)?);
    }
    Ok(found)
}

/// The endpoint with this id, unless it was removed.
pub(super) fn one(connection: &Connection, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
    Ok(endpoints(connection, "WHERE id = ?1 AND removed_at IS NULL", params![id.to_string()])?
        .into_iter()
        .next())
}

pub(super) fn all(connection: &Connection, client: Option<&str>) -> Result<Vec<Endpoint>, StoreError> {
    match client {
        Some(client) => endpoints(
            connection,
            "WHERE client = ?1 AND removed_at IS NULL ORDER BY created_at, id",
            params![client],
        ),
        None => {
            let mut all =
                endpoints(connection, "WHERE removed_at IS NULL ORDER BY client, created_at, id", [])?;
            all.sort_by_key(|endpoint| (endpoint.created_at, endpoint.id.to_string()));
            Ok(all)
        }
    }
}

/// Adds to the number of pending deliveries of an endpoint.
pub(super) fn count_pending(connection: &Connection, id: &str, change: i64) -> Result<(), StoreError> {
    if change != 0 {
        connection
            .prepare_cached("UPDATE webhook_endpoints SET pending = pending + ?2 WHERE id = ?1")?
            .execute(params![id, change])?;
    }
    Ok(())
}

/// Whether a delivery is pending; `None` when there is none of this event.
pub(super) fn is_pending(connection: &Connection, id: &str, event: &str) -> Result<Option<bool>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT status = 'pending' FROM webhook_deliveries WHERE endpoint_id = ?1 AND event_id = ?2",
        )?
        .query_row([id, event], |row| row.get(0))
        .optional()?)
}
