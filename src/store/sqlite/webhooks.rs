//! Webhook endpoints and what became of each delivery, as rows.

use std::collections::BTreeSet;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use super::{
    SqliteStore, feed, owners,
    rows::{decode, encode, word},
    writer::Step::{self, Keep, Undo},
};
use crate::{
    config::AllowedAccounts,
    domain::{EndpointId, EventFilter, Field, Timestamp},
    store::{
        StoreError,
        outbox::{
            AfterAttempt, Attempt, AttemptRecord, CursorKey, Delivery, DeliveryStatus, DueDeliveries,
            DueDelivery, Endpoint, EndpointChange, EndpointEffect, EventPage, OutboxStore, Owners,
            ReplaySelection, Replayed,
        },
    },
};

#[async_trait]
impl OutboxStore for SqliteStore {
    async fn events_after(
        &self,
        after: i64,
        accounts: &AllowedAccounts,
        types: &EventFilter,
        limit: u32,
    ) -> Result<EventPage, StoreError> {
        let (accounts, types) = (accounts.clone(), types.clone());
        let read = move |connection: &Connection| feed::after(connection, after, &accounts, &types, limit);
        self.inner.readers.list(read).await
    }

    fn cursor_key(&self) -> CursorKey {
        self.inner.cursor_key.clone()
    }

    fn watch_events(&self) -> watch::Receiver<i64> {
        self.inner.writer.events()
    }

    async fn create_endpoint(&self, endpoint: Endpoint, limit: u32) -> Result<bool, StoreError> {
        self.inner.writer.run(move |connection| create(connection, &endpoint, limit)).await
    }

    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        self.inner.readers.run(move |connection| one(connection, id)).await
    }

    async fn endpoints(&self, client: Option<&str>) -> Result<Vec<Endpoint>, StoreError> {
        let client = client.map(str::to_owned);
        self.inner.readers.list(move |connection| all(connection, client.as_deref())).await
    }

    async fn change_endpoint(
        &self,
        id: EndpointId,
        change: EndpointChange,
    ) -> Result<Option<Endpoint>, StoreError> {
        self.inner.writer.run(move |connection| update(connection, id, change)).await
    }

    async fn owners(&self) -> Result<Owners, StoreError> {
        self.inner.readers.list(owners::read).await
    }

    async fn saw_owners(&self, clients: Vec<String>) -> Result<(), StoreError> {
        self.inner.writer.run(move |connection| owners::saw(connection, &clients)).await
    }

    async fn lapse(
        &self,
        client: &str,
        seen_at: Timestamp,
        at: Timestamp,
    ) -> Result<Vec<EndpointId>, StoreError> {
        let client = client.to_owned();
        self.inner.writer.run(move |connection| owners::lapse(connection, &client, seen_at, at)).await
    }

    async fn delete_endpoint(&self, id: EndpointId) -> Result<bool, StoreError> {
        // The log of what has ended goes first, in parts: changes must not wait for all of it.
        while self.inner.writer.run(move |connection| delete_ended(connection, id)).await? {}
        self.inner.writer.run(move |connection| delete(connection, id)).await
    }

    async fn plan(
        &self,
        id: EndpointId,
        from: i64,
        page: &EventPage,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let page = page.clone();
        self.inner.writer.run(move |connection| plan(connection, id, from, &page, at)).await
    }

    async fn due_deliveries(
        &self,
        id: EndpointId,
        now: Timestamp,
        limit: u32,
    ) -> Result<DueDeliveries, StoreError> {
        self.inner.readers.run(move |connection| due(connection, id, now, limit)).await
    }

    async fn record_attempt(&self, record: AttemptRecord) -> Result<(), StoreError> {
        self.inner.writer.run(move |connection| record_attempt(connection, &record)).await
    }

    async fn deliveries(
        &self,
        id: EndpointId,
        status: Option<DeliveryStatus>,
        before: i64,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.inner.readers.list(move |connection| deliveries(connection, id, status, before, limit)).await
    }

    async fn replay(
        &self,
        id: EndpointId,
        selection: &ReplaySelection,
        accounts: &AllowedAccounts,
        after: i64,
        limit: u32,
        at: Timestamp,
    ) -> Result<Replayed, StoreError> {
        let (selection, accounts) = (selection.clone(), accounts.clone());
        let find =
            move |connection: &Connection| to_replay(connection, id, &selection, &accounts, after, limit);
        let (found, next) = self.inner.readers.list(find).await?;
        if found.is_empty() {
            return Ok(Replayed { queued: 0, next });
        }
        let write = move |connection: &Connection| replay(connection, id, &found, next, at);
        self.inner.writer.run(write).await
    }
}

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

fn one(connection: &Connection, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
    Ok(endpoints(connection, "WHERE id = ?1", params![id.to_string()])?.into_iter().next())
}

pub(super) fn all(connection: &Connection, client: Option<&str>) -> Result<Vec<Endpoint>, StoreError> {
    match client {
        Some(client) => endpoints(connection, "WHERE client = ?1 ORDER BY created_at, id", params![client]),
        None => {
            let mut all = endpoints(connection, "ORDER BY client, created_at, id", [])?;
            all.sort_by_key(|endpoint| (endpoint.created_at, endpoint.id.to_string()));
            Ok(all)
        }
    }
}

fn create(connection: &Connection, new: &Endpoint, limit: u32) -> Result<Step<bool>, StoreError> {
    let there: u32 = connection
        .prepare_cached("SELECT COUNT(*) FROM webhook_endpoints WHERE client = ?1")?
        .query_row([&new.client], |row| row.get(0))?;
    if there >= limit {
        return Ok(Undo(false));
    }
    connection
        .prepare_cached(
            "INSERT INTO webhook_endpoints (id, client, accounts, url, description, event_types, enabled, \
             secret, position, slow_count, created_at, updated_at) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, value, 0, ?9, ?9 FROM counters WHERE name = 'events'",
        )?
        .execute(params![
            new.id.to_string(),
            new.client,
            encode_accounts(&new.accounts)?,
            new.url,
            new.description,
            encode(&new.event_types)?,
            new.enabled,
            new.secret.expose_secret(),
            new.created_at.as_millis(),
        ])?;
    owners::saw(connection, std::slice::from_ref(&new.client))?;
    Ok(Keep(true))
}

fn encode_accounts(accounts: &AllowedAccounts) -> Result<String, StoreError> {
    match accounts {
        AllowedAccounts::All => encode(&None::<()>),
        AllowedAccounts::Named(names) => encode(names),
    }
}

fn update(
    connection: &Connection,
    id: EndpointId,
    change: EndpointChange,
) -> Result<Step<Option<Endpoint>>, StoreError> {
    let Some(mut next) = one(connection, id)? else { return Ok(Undo(None)) };
    if let Some(url) = change.url {
        next.url = url;
    }
    match change.description {
        Field::Keep => {}
        Field::Clear => next.description = None,
        Field::Set(description) => next.description = Some(description),
    }
    if let Some(event_types) = change.event_types {
        next.event_types = event_types;
    }
    if let Some(enabled) = change.enabled {
        next.enabled = enabled;
        next.disabled_reason = None;
        next.slow_until = None;
        next.slow_count = 0;
    }
    if let Some((secret, until)) = change.secret {
        let before = std::mem::replace(&mut next.secret, secret);
        next.previous_secret = Some((before, until));
    }
    if next.previous_secret.as_ref().is_some_and(|(_, until)| *until <= change.at) {
        next.previous_secret = None;
    }
    next.accounts = change.accounts;
    next.updated_at = change.at;
    let previous = next.previous_secret.as_ref();
    connection
        .prepare_cached(
            "UPDATE webhook_endpoints SET accounts = ?2, url = ?3, description = ?4, event_types = ?5, \
             enabled = ?6, disabled_reason = ?7, secret = ?8, previous_secret = ?9, \
             previous_secret_until = ?10, slow_until = ?11, slow_count = ?12, updated_at = ?13 WHERE id = ?1",
        )?
        .execute(params![
            id.to_string(),
            encode_accounts(&next.accounts)?,
            next.url,
            next.description,
            encode(&next.event_types)?,
            next.enabled,
            next.disabled_reason,
            next.secret.expose_secret(),
            previous.map(|(secret, _)| secret.expose_secret()),
            previous.map(|(_, until)| until.as_millis()),
            next.slow_until.map(Timestamp::as_millis),
            next.slow_count,
            next.updated_at.as_millis(),
        ])?;
    Ok(Keep(Some(next)))
}

/// Deliveries that are deleted in one step.
const DELETES: usize = 500;

/// Deletes some deliveries that ended, with their attempts. Answers whether there are more.
fn delete_ended(connection: &Connection, id: EndpointId) -> Result<Step<bool>, StoreError> {
    let id = id.to_string();
    let mut statement = connection.prepare_cached(
        "SELECT event_id FROM webhook_deliveries INDEXED BY webhook_deliveries_by_status \
         WHERE endpoint_id = ?1 AND status IN ('delivered', 'dead') LIMIT ?2",
    )?;
    let limit = i64::try_from(DELETES).unwrap_or(i64::MAX);
    let events = statement.query_map(params![id, limit], |row| row.get::<_, String>(0))?;
    let events = events.collect::<Result<Vec<_>, _>>()?;
    for event in &events {
        for sql in [
            "DELETE FROM webhook_attempts WHERE endpoint_id = ?1 AND event_id = ?2",
            "DELETE FROM webhook_deliveries WHERE endpoint_id = ?1 AND event_id = ?2",
        ] {
            connection.prepare_cached(sql)?.execute([&id, event])?;
        }
    }
    Ok(Keep(events.len() >= DELETES))
}

fn delete(connection: &Connection, id: EndpointId) -> Result<Step<bool>, StoreError> {
    let id = id.to_string();
    connection.prepare_cached("DELETE FROM webhook_attempts WHERE endpoint_id = ?1")?.execute([&id])?;
    connection.prepare_cached("DELETE FROM webhook_deliveries WHERE endpoint_id = ?1")?.execute([&id])?;
    let client: Option<String> = connection
        .prepare_cached("DELETE FROM webhook_endpoints WHERE id = ?1 RETURNING client")?
        .query_row([&id], |row| row.get(0))
        .optional()?;
    if let Some(client) = &client {
        owners::forget(connection, client)?;
    }
    Ok(Keep(client.is_some()))
}

fn plan(
    connection: &Connection,
    id: EndpointId,
    from: i64,
    page: &EventPage,
    at: Timestamp,
) -> Result<Step<()>, StoreError> {
    let moved = connection
        .prepare_cached("UPDATE webhook_endpoints SET position = ?3 WHERE id = ?1 AND position = ?2")?
        .execute(params![id.to_string(), from, page.position])?;
    if moved == 0 {
        return Ok(Undo(()));
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO webhook_deliveries (endpoint_id, event_id, position, status, attempts, next_attempt_at, \
         created_at, updated_at) VALUES (?1, ?2, ?3, 'pending', 0, ?4, ?4, ?4) \
         ON CONFLICT (endpoint_id, event_id) DO NOTHING",
    )?;
    for placed in &page.items {
        insert.execute(params![
            id.to_string(),
            placed.event.id.to_string(),
            placed.position,
            at.as_millis()
        ])?;
    }
    Ok(Keep(()))
}

fn due(
    connection: &Connection,
    id: EndpointId,
    now: Timestamp,
    limit: u32,
) -> Result<DueDeliveries, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {}, d.attempts FROM webhook_deliveries d INDEXED BY webhook_deliveries_pending \
         CROSS JOIN events e \
         WHERE e.id = d.event_id AND d.endpoint_id = ?1 AND d.status = 'pending' AND d.next_attempt_at <= ?2 \
         ORDER BY d.next_attempt_at, d.position LIMIT ?3",
        feed::COLUMNS
    ))?;
    let mut rows = statement.query(params![id.to_string(), now.as_millis(), limit])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(DueDelivery { event: feed::placed(row)?, attempts: feed::beside(row, 0)? });
    }
    let next_at: Option<i64> = connection
        .prepare_cached(
            "SELECT MIN(next_attempt_at) FROM webhook_deliveries \
             WHERE endpoint_id = ?1 AND status = 'pending' AND next_attempt_at > ?2",
        )?
        .query_row(params![id.to_string(), now.as_millis()], |row| row.get(0))?;
    Ok(DueDeliveries { items, next_at: next_at.map(Timestamp::from_millis) })
}

fn record_attempt(connection: &Connection, record: &AttemptRecord) -> Result<Step<()>, StoreError> {
    let (endpoint, event) = (record.endpoint.to_string(), record.event.to_string());
    let ended_at = record.attempt.at.as_millis().saturating_add(record.attempt.duration_ms);
    let (status, next_attempt_at) = match record.after {
        AfterAttempt::Delivered => (DeliveryStatus::Delivered, None),
        AfterAttempt::Retry(at) => (DeliveryStatus::Pending, Some(at.as_millis())),
        AfterAttempt::Dead => (DeliveryStatus::Dead, None),
    };
    let updated = connection
        .prepare_cached(
            "UPDATE webhook_deliveries SET status = ?3, attempts = attempts + 1, next_attempt_at = ?4, \
             updated_at = ?5 WHERE endpoint_id = ?1 AND event_id = ?2",
        )?
        .execute(params![endpoint, event, status.as_str(), next_attempt_at, ended_at])?;
    if updated == 0 {
        return Ok(Undo(()));
    }
    connection
        .prepare_cached(
            "INSERT INTO webhook_attempts (endpoint_id, event_id, attempted_at, result, http_status, duration_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            endpoint,
            event,
            record.attempt.at.as_millis(),
            record.attempt.result,
            record.attempt.http_status,
            record.attempt.duration_ms,
        ])?;
    match record.effect {
        EndpointEffect::Unchanged => 0,
        EndpointEffect::Works => connection
            .prepare_cached(
                "UPDATE webhook_endpoints SET slow_until = NULL, slow_count = 0 \
                 WHERE id = ?1 AND slow_count > 0",
            )?
            .execute([&endpoint])?,
        EndpointEffect::SlowUntil(until) => connection
            .prepare_cached(
                "UPDATE webhook_endpoints SET slow_until = ?2, slow_count = slow_count + 1 WHERE id = ?1",
            )?
            .execute(params![endpoint, until.as_millis()])?,
        EndpointEffect::Disabled(reason) => connection
            .prepare_cached(
                "UPDATE webhook_endpoints SET enabled = FALSE, disabled_reason = ?2, updated_at = ?3 \
                 WHERE id = ?1 AND enabled = TRUE",
            )?
            .execute(params![endpoint, reason, ended_at])?,
    };
    Ok(Keep(()))
}

/// A delivery without its event: position, event, status, and when it is tried next, was planned and changed.
type Planned = (i64, String, DeliveryStatus, (Option<i64>, i64, i64));

/// The newest of each wanted status, merged: one walk of the index for each.
fn deliveries(
    connection: &Connection,
    id: EndpointId,
    status: Option<DeliveryStatus>,
    before: i64,
    limit: u32,
) -> Result<Vec<Delivery>, StoreError> {
    let wanted = status.map_or_else(|| DeliveryStatus::ALL.to_vec(), |status| vec![status]);
    let mut rows = Vec::<Planned>::new();
    for status in wanted {
        let mut statement = connection.prepare_cached(
            "SELECT position, event_id, next_attempt_at, created_at, updated_at \
             FROM webhook_deliveries INDEXED BY webhook_deliveries_by_status \
             WHERE endpoint_id = ?1 AND status = ?2 AND position < ?3 ORDER BY position DESC LIMIT ?4",
        )?;
        let found = statement.query_map(params![id.to_string(), status.as_str(), before, limit], |row| {
            Ok((row.get(0)?, row.get(1)?, status, (row.get(2)?, row.get(3)?, row.get(4)?)))
        })?;
        rows.extend(found.collect::<Result<Vec<_>, _>>()?);
    }
    rows.sort_by_key(|(position, ..)| std::cmp::Reverse(*position));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let by_id = format!("SELECT {} FROM events e WHERE e.id = ?1", feed::COLUMNS);
    let delivery = |(_, event, status, (next_attempt_at, created_at, updated_at)): Planned| {
        let attempts = attempts(connection, id, &event)?;
        let mut statement = connection.prepare_cached(&by_id)?;
        let mut rows = statement.query([&event])?;
        let row = rows.next()?.ok_or_else(|| StoreError::Corrupt(format!("the event {event}")))?;
        Ok(Delivery {
            event: feed::placed(row)?,
            status,
            next_attempt_at: next_attempt_at.map(Timestamp::from_millis),
            attempts,
            created_at: Timestamp::from_millis(created_at),
            updated_at: Timestamp::from_millis(updated_at),
        })
    };
    rows.into_iter().map(delivery).collect()
}

fn attempts(connection: &Connection, id: EndpointId, event: &str) -> Result<Vec<Attempt>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT attempted_at, result, http_status, duration_ms FROM webhook_attempts \
         WHERE endpoint_id = ?1 AND event_id = ?2 ORDER BY attempted_at",
    )?;
    let mut rows = statement.query(params![id.to_string(), event])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Attempt {
            at: Timestamp::from_millis(row.get(0)?),
            result: row.get(1)?,
            http_status: row.get(2)?,
            duration_ms: row.get(3)?,
        });
    }
    Ok(found)
}

/// An event with its position.
type Positioned = (String, i64);

/// The next events to be sent again, and where to go on. Looks at a bounded number of events, or of deliveries.
fn to_replay(
    connection: &Connection,
    id: EndpointId,
    selection: &ReplaySelection,
    accounts: &AllowedAccounts,
    after: i64,
    limit: u32,
) -> Result<(Vec<Positioned>, Option<i64>), StoreError> {
    let Some(endpoint) = one(connection, id)? else { return Ok((Vec::new(), None)) };
    let (from, to, only_dead) = match selection {
        ReplaySelection::Event(event) => {
            let mut values = vec![Value::from(event.to_string())];
            let conditions = feed::conditions(accounts, &EventFilter::default(), &mut values);
            let sql = format!("SELECT e.id, e.position FROM events e WHERE e.id = ?{conditions}");
            return Ok((positioned(connection, &sql, values)?, None));
        }
        ReplaySelection::Range { from, to, only_dead } => (from, to, *only_dead),
    };
    let end = if only_dead {
        nth_dead(connection, id, after)?.unwrap_or(endpoint.position)
    } else {
        after.saturating_add(feed::LOOKED_AT)
    };
    let end = end.min(endpoint.position);
    let mut values = Vec::new();
    let walk = if only_dead {
        values.push(Value::from(id.to_string()));
        "SELECT e.id, e.position FROM webhook_deliveries d INDEXED BY webhook_deliveries_by_status \
         CROSS JOIN events e WHERE d.endpoint_id = ? AND d.status = 'dead' AND d.position > ? AND d.position <= ? \
         AND e.id = d.event_id AND e.occurred_at >= ? AND e.occurred_at < ?"
    } else {
        "SELECT e.id, e.position FROM events e WHERE e.position > ? AND e.position <= ? \
         AND e.occurred_at >= ? AND e.occurred_at < ?"
    };
    let to = to.map_or(i64::MAX, Timestamp::as_millis);
    values.extend([after, end, from.as_millis(), to].map(Value::from));
    let conditions = feed::conditions(accounts, &endpoint.event_types, &mut values);
    values.push(Value::from(i64::from(limit)));
    let order = if only_dead { "d.position" } else { "e.position" };
    let found = positioned(connection, &format!("{walk}{conditions} ORDER BY {order} LIMIT ?"), values)?;
    let is_full = found.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = match found.last() {
        Some((_, position)) if is_full => Some(*position),
        Some(_) | None => (end < endpoint.position).then_some(end),
    };
    Ok((found, next))
}

/// The position up to which a step looks at dead deliveries; `None` when there are few.
fn nth_dead(connection: &Connection, id: EndpointId, after: i64) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT position FROM webhook_deliveries INDEXED BY webhook_deliveries_by_status \
             WHERE endpoint_id = ?1 AND status = 'dead' AND position > ?2 ORDER BY position LIMIT 1 OFFSET ?3",
        )?
        .query_row(params![id.to_string(), after, feed::LOOKED_AT], |row| row.get(0))
        .optional()?)
}

fn positioned(connection: &Connection, sql: &str, values: Vec<Value>) -> Result<Vec<Positioned>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Makes the deliveries of these events pending again.
fn replay(
    connection: &Connection,
    id: EndpointId,
    found: &[Positioned],
    next: Option<i64>,
    at: Timestamp,
) -> Result<Step<Replayed>, StoreError> {
    if one(connection, id)?.is_none() {
        return Ok(Undo(Replayed { queued: 0, next: None }));
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO webhook_deliveries (endpoint_id, event_id, position, status, attempts, next_attempt_at, \
         created_at, updated_at) VALUES (?1, ?2, ?3, 'pending', 0, ?4, ?4, ?4) \
         ON CONFLICT (endpoint_id, event_id) DO UPDATE SET status = 'pending', attempts = 0, \
         next_attempt_at = excluded.next_attempt_at, updated_at = excluded.updated_at",
    )?;
    for (event, position) in found {
        insert.execute(params![id.to_string(), event, position, at.as_millis()])?;
    }
    Ok(Keep(Replayed { queued: u32::try_from(found.len()).unwrap_or(u32::MAX), next }))
}
