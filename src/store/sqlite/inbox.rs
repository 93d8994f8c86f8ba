//! Notifications, and orders that are followed.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{
    events, following,
    rows::{decode, encode, word},
    writer::Step::{self, Keep},
};
use crate::{
    domain::{AccountName, NewEvent, Notified, OperationId, OrderId, Timestamp},
    store::{DueNotification, NewNotification, NotificationFacts, StoreError},
};

/// See [`crate::store::Store::keep_notification`].
pub(super) fn keep(connection: &Connection, new: &NewNotification) -> Result<Step<bool>, StoreError> {
    let written = connection
        .prepare_cached(
            "INSERT INTO notifications (id, account, dedup_key, received_at, content_type, raw_body, facts, \
             next_try_at, tries, request_id, traceparent, position) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?10, 0, ?8, ?9, ?11) \
             ON CONFLICT (account, dedup_key) DO NOTHING",
        )?
        .execute(params![
            Uuid::now_v7().to_string(),
            new.account.as_str(),
            new.dedup_key,
            new.received_at.as_millis(),
            new.content_type,
            new.raw_body,
            encode(&new.facts)?,
            new.cause.request_id,
            new.cause.traceparent.map(|place| place.to_string()),
            new.due_at.as_millis(),
            events::next(connection, "notifications")?,
        ])?;
    Ok(Keep(written == 1))
}

/// See [`crate::store::Store::due_notifications`].
pub(super) fn due(
    connection: &Connection,
    account: &AccountName,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<DueNotification>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, received_at, facts, tries, request_id, traceparent FROM notifications \
         WHERE account = ?1 AND next_try_at IS NOT NULL AND next_try_at <= ?2 ORDER BY next_try_at, id LIMIT ?3",
    )?;
    let mut rows = statement.query(params![account.as_str(), now.as_millis(), limit])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let facts: String = row.get(2)?;
        due.push(DueNotification {
            id: row.get(0)?,
            account: account.clone(),
            received_at: Timestamp::from_millis(row.get(1)?),
            facts: decode("a notification", &facts)?,
            tries: row.get(3)?,
            cause: events::cause(row, 4)?,
        });
    }
    Ok(due)
}

/// See [`crate::store::Store::finish_notification`].
pub(super) fn finish(
    connection: &Connection,
    id: &str,
    order: Option<&OrderId>,
    now: Timestamp,
) -> Result<Step<()>, StoreError> {
    let found = connection
        .prepare_cached(
            "UPDATE notifications SET next_try_at = NULL, tries = tries + 1, order_id = coalesce(?2, order_id) \
             WHERE id = ?1 AND next_try_at IS NOT NULL RETURNING facts, received_at, request_id, traceparent",
        )?
        .query_row(params![id, order.map(ToString::to_string)], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, events::cause(row, 2)))
        })
        .optional()?;
    if let (Some((facts, received_at, cause)), Some(order)) = (found, order) {
        let facts: NotificationFacts = decode("a notification", &facts)?;
        let at = Timestamp::from_millis(received_at);
        following::mark_known(connection, order, now)?;
        let status = facts.provider_status.as_deref();
        let event = NewEvent::notified(order.clone(), facts.status, status, at, cause?);
        events::append(connection, &event)?;
    }
    Ok(Keep(()))
}

/// See [`crate::store::Store::retry_notification`].
pub(super) fn retry(connection: &Connection, id: &str, at: Timestamp) -> Result<Step<()>, StoreError> {
    connection
        .prepare_cached(
            "UPDATE notifications SET next_try_at = ?2, tries = tries + 1 \
             WHERE id = ?1 AND next_try_at IS NOT NULL",
        )?
        .execute(params![id, at.as_millis()])?;
    Ok(Keep(()))
}

/// Makes due at `at` what is planned for later than `latest`.
pub(super) fn bring_forward(
    connection: &Connection,
    latest: Timestamp,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut account = String::new();
    // Account by account, as the index of what waits is ordered.
    while let Some(next) = connection
        .prepare_cached(
            "SELECT account FROM notifications WHERE next_try_at IS NOT NULL AND account > ?1 \
             ORDER BY account LIMIT 1",
        )?
        .query_row([&account], |row| row.get(0))
        .optional()?
    {
        account = next;
        connection
            .prepare_cached(
                "UPDATE notifications SET next_try_at = ?3 \
                 WHERE account = ?1 AND next_try_at IS NOT NULL AND next_try_at > ?2",
            )?
            .execute(params![account, latest.as_millis(), at.as_millis()])?;
    }
    Ok(())
}

/// What the newest notification about an order, applied or still waiting, said of its status.
pub(super) fn notified(connection: &Connection, order: &OrderId) -> Result<Option<Notified>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT facts, received_at FROM notifications WHERE order_id = ?1 ORDER BY position DESC, received_at DESC",
    )?;
    let mut rows = statement.query(params![order.to_string()])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        let facts: NotificationFacts = decode("a notification", &text)?;
        if let Some(status) = facts.status {
            let at = Timestamp::from_millis(row.get(1)?);
            return Ok(Some(Notified {
                status,
                provider_status: facts.provider_status,
                closes: facts.closes,
                at,
            }));
        }
    }
    Ok(None)
}

/// Ties a waiting notification to its order, so that a read made to apply it knows of it.
pub(super) fn tie(connection: &Connection, id: &str, order: &OrderId) -> Result<Step<()>, StoreError> {
    connection
        .prepare_cached("UPDATE notifications SET order_id = ?2 WHERE id = ?1")?
        .execute(params![id, order.to_string()])?;
    Ok(Keep(()))
}

/// See [`crate::store::Store::hasten`].
pub(super) fn hasten(
    connection: &Connection,
    order: Option<&OrderId>,
    operation: Option<OperationId>,
    now: Timestamp,
) -> Result<Step<()>, StoreError> {
    // Two statements: for `OR` the planner may choose to walk all that is to be checked.
    for (sql, id) in [
        (
            "UPDATE operations SET next_check_at = ?2 WHERE order_id = ?1 \
             AND status IN ('unknown', 'accepted') AND next_check_at > ?2",
            order.map(ToString::to_string),
        ),
        (
            "UPDATE operations SET next_check_at = ?2 WHERE id = ?1 \
             AND status IN ('unknown', 'accepted') AND next_check_at > ?2",
            operation.map(|id| id.to_string()),
        ),
    ] {
        if let Some(id) = id {
            connection.prepare_cached(sql)?.execute(params![id, now.as_millis()])?;
        }
    }
    Ok(Keep(()))
}

/// See [`crate::store::Store::orders_with_reference`].
pub(super) fn with_reference(
    connection: &Connection,
    account: &AccountName,
    merchant_reference: &str,
) -> Result<Vec<OrderId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM orders WHERE account = ?1 AND merchant_reference = ?2 ORDER BY first_seen_at, id",
    )?;
    let ids = statement
        .query_map(params![account.as_str(), merchant_reference], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    ids.iter().map(|id| word("order id", id, id.parse().ok())).collect()
}
