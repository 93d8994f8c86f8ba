//! Webhook endpoints and what became of each delivery, as rows.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use secrecy::ExposeSecret;
use tokio::sync::watch;

use super::{
    SqliteStore, endpoint_rows, feed, owners,
    replay::{self, Positioned},
    rows::encode,
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
            REPLAY_MAX, ReplaySelection, Replayed,
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
        self.inner.readers.run(move |connection| endpoint_rows::one(connection, id)).await
    }

    async fn endpoints(&self, client: Option<&str>) -> Result<Vec<Endpoint>, StoreError> {
        let client = client.map(str::to_owned);
        self.inner.readers.list(move |connection| endpoint_rows::all(connection, client.as_deref())).await
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
        self.inner.writer.run(move |connection| remove(connection, id, Timestamp::now())).await
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
        at: Timestamp,
    ) -> Result<Replayed, StoreError> {
        let range = selection.clone();
        let is_too_much = move |connection: &Connection| replay::is_too_much(connection, id, &range);
        if self.inner.readers.list(is_too_much).await? {
            return Ok(Replayed::TooMany);
        }
        let (mut found, mut after) = (Vec::<Positioned>::new(), None);
        loop {
            let (selection, accounts) = (selection.clone(), accounts.clone());
            let find =
                move |connection: &Connection| replay::find(connection, id, &selection, &accounts, after);
            let part = self.inner.readers.list(find).await?;
            found.extend(part.found);
            if found.len() > REPLAY_MAX {
                return Ok(Replayed::TooMany);
            }
            match part.next {
                Some(place) => after = Some(place),
                None => break,
            }
        }
        let mut queued = 0_u64;
        for part in found.chunks(replay::WRITES) {
            let part = part.to_vec();
            let write = move |connection: &Connection| replay::write(connection, id, &part, at);
            queued = match self.inner.writer.run(write).await {
                Ok(count) => queued.saturating_add(count),
                // Some of it is done.
                Err(StoreError::TooLate) if queued > 0 => return Err(StoreError::StillRunning),
                Err(error) => return Err(error),
            };
        }
        Ok(Replayed::Queued(queued))
    }
}

fn create(connection: &Connection, new: &Endpoint, limit: u32) -> Result<Step<bool>, StoreError> {
    let there: u32 = connection
        .prepare_cached("SELECT COUNT(*) FROM webhook_endpoints WHERE client = ?1 AND removed_at IS NULL")?
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
    let Some(mut next) = endpoint_rows::one(connection, id)? else { return Ok(Undo(None)) };
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

/// Marks an endpoint as removed and forgets its secrets and its address. Its deliveries are erased in steps, and with the
/// last of them its row; without any it goes now, so that making and removing endpoints fills no table.
fn remove(connection: &Connection, id: EndpointId, at: Timestamp) -> Result<Step<bool>, StoreError> {
    let has_deliveries: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM webhook_deliveries WHERE endpoint_id = ?1)")?
        .query_row([id.to_string()], |row| row.get(0))?;
    let client: Option<String> = if has_deliveries {
        connection
            .prepare_cached(
                "UPDATE webhook_endpoints SET removed_at = ?2, updated_at = ?2, enabled = FALSE, url = '', \
                 description = NULL, secret = '', previous_secret = NULL, previous_secret_until = NULL \
                 WHERE id = ?1 AND removed_at IS NULL RETURNING client",
            )?
            .query_row(params![id.to_string(), at.as_millis()], |row| row.get(0))
            .optional()?
    } else {
        connection
            .prepare_cached("DELETE FROM webhook_endpoints WHERE id = ?1 RETURNING client")?
            .query_row([id.to_string()], |row| row.get(0))
            .optional()?
    };
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
        .prepare_cached("UPDATE webhook_endpoints SET position = ?3 WHERE id = ?1 AND position = ?2 AND removed_at IS NULL")?
        .execute(params![id.to_string(), from, page.position])?;
    if moved == 0 {
        return Ok(Undo(()));
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO webhook_deliveries (endpoint_id, event_id, position, status, attempts, next_attempt_at, \
         created_at, updated_at) VALUES (?1, ?2, ?3, 'pending', 0, ?4, ?4, ?4) \
         ON CONFLICT (endpoint_id, event_id) DO NOTHING",
    )?;
    let (id, mut planned) = (id.to_string(), 0_usize);
    for placed in &page.items {
        let event = placed.event.id.to_string();
        planned =
            planned.saturating_add(insert.execute(params![id, event, placed.position, at.as_millis()])?);
    }
    endpoint_rows::count_pending(connection, &id, i64::try_from(planned).unwrap_or(i64::MAX))?;
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
            "SELECT MIN(next_attempt_at) FROM webhook_deliveries INDEXED BY webhook_deliveries_pending \
             WHERE endpoint_id = ?1 AND status = 'pending' AND next_attempt_at > ?2",
        )?
        .query_row(params![id.to_string(), now.as_millis()], |row| row.get(0))?;
    Ok(DueDeliveries { items, next_at: next_at.map(Timestamp::from_millis) })
}

/// Attempts kept of one delivery: a replay adds to them, again and again.
const ATTEMPTS_KEPT: i64 = 50;

fn record_attempt(connection: &Connection, record: &AttemptRecord) -> Result<Step<()>, StoreError> {
    let (endpoint, event) = (record.endpoint.to_string(), record.event.to_string());
    let ended_at = record.attempt.at.as_millis().saturating_add(record.attempt.duration_ms);
    let (status, next_attempt_at) = match record.after {
        AfterAttempt::Delivered => (DeliveryStatus::Delivered, None),
        AfterAttempt::Retry(at) => (DeliveryStatus::Pending, Some(at.as_millis())),
        AfterAttempt::Dead => (DeliveryStatus::Dead, None),
    };
    let Some(was_pending) = endpoint_rows::is_pending(connection, &endpoint, &event)? else {
        return Ok(Undo(()));
    };
    connection
        .prepare_cached(
            "UPDATE webhook_deliveries SET status = ?3, attempts = attempts + 1, next_attempt_at = ?4, \
             updated_at = ?5 WHERE endpoint_id = ?1 AND event_id = ?2",
        )?
        .execute(params![endpoint, event, status.as_str(), next_attempt_at, ended_at])?;
    let is_pending = status == DeliveryStatus::Pending;
    endpoint_rows::count_pending(
        connection,
        &endpoint,
        i64::from(is_pending).saturating_sub(i64::from(was_pending)),
    )?;
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
    connection
        .prepare_cached(
            "DELETE FROM webhook_attempts WHERE endpoint_id = ?1 AND event_id = ?2 AND attempted_at <= \
             (SELECT attempted_at FROM webhook_attempts WHERE endpoint_id = ?1 AND event_id = ?2 \
              ORDER BY attempted_at DESC LIMIT 1 OFFSET ?3)",
        )?
        .execute(params![endpoint, event, ATTEMPTS_KEPT])?;
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
