//! Events and the audit trail: rows that are added and never changed.

use rusqlite::{Connection, Row, params};
use serde_json::Value;

use super::rows::{decode, encode, word};
use crate::{
    domain::{Cause, Event, EventId, EventType, NewEvent, Operation, OrderId, Timestamp},
    store::StoreError,
};

/// Writes an event with the next numbers of its stream and of all events. Its order must be known, if it has one.
pub(super) fn append(connection: &Connection, event: &NewEvent) -> Result<(), StoreError> {
    let stream = event.stream();
    let sequence: i64 = if event.order_id.is_some() {
        connection
            .prepare_cached(
                "UPDATE orders SET last_sequence = last_sequence + 1 WHERE id = ?1 RETURNING last_sequence",
            )?
            .query_row([&stream], |row| row.get(0))?
    } else {
        connection
            .prepare_cached("SELECT COALESCE(MAX(sequence), 0) + 1 FROM events WHERE stream = ?1")?
            .query_row([&stream], |row| row.get(0))?
    };
    connection
        .prepare_cached(
            "INSERT INTO events (id, position, stream, order_id, account, sequence, event_type, operation_id, occurred_at, \
             data, request_id, traceparent) \
             VALUES (?1, ?2, ?3, ?4, COALESCE(?10, (SELECT account FROM operations WHERE id = ?7)), ?5, ?6, ?7, ?8, ?9, \
             ?11, ?12)",
        )?
        .execute(params![
            EventId::generate().to_string(),
            next(connection, "events")?,
            stream,
            event.order_id.as_ref().map(ToString::to_string),
            sequence,
            event.event_type.as_str(),
            event.operation_id.map(|id| id.to_string()),
            event.occurred_at.as_millis(),
            encode(&event.data)?,
            event.order_id.as_ref().map(|order| order.account.as_str()),
            event.cause.request_id,
            event.cause.traceparent.map(|place| place.to_string()),
        ])?;
    Ok(())
}

/// Whether an event of this type stands in the timeline of an order already.
pub(super) fn was_told(
    connection: &Connection,
    order: &OrderId,
    event_type: &EventType,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM events WHERE stream = ?1 AND event_type = ?2)")?
        .query_row(params![order.to_string(), event_type.as_str()], |row| row.get(0))?)
}

/// The next number of a counter.
pub(super) fn next(connection: &Connection, counter: &str) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("UPDATE counters SET value = value + 1 WHERE name = ?1 RETURNING value")?
        .query_row([counter], |row| row.get(0))?)
}

/// Events of one order with a sequence above `after`, in sequence.
pub(super) fn of_order(
    connection: &Connection,
    order: &OrderId,
    after: i64,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, sequence, event_type, operation_id, occurred_at, data, request_id, traceparent FROM events \
         WHERE stream = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3",
    )?;
    let mut rows = statement.query(params![order.to_string(), after, limit])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let operation_id: Option<String> = row.get(3)?;
        let data: String = row.get(5)?;
        events.push(Event {
            id: word("event id", &id, id.parse().ok())?,
            sequence: row.get(1)?,
            event: NewEvent {
                event_type: EventType::from_stored(row.get(2)?),
                order_id: Some(order.clone()),
                operation_id: operation_id
                    .map(|id| word("operation id", &id, id.parse().ok()))
                    .transpose()?,
                occurred_at: Timestamp::from_millis(row.get(4)?),
                data: decode("the data of an event", &data)?,
                cause: cause(row, 6)?,
            },
        });
    }
    Ok(events)
}

/// The request behind a row: its id and its place in a trace, in two columns from `first` on.
pub(super) fn cause(row: &Row<'_>, first: usize) -> Result<Cause, StoreError> {
    let traceparent: Option<String> = row.get(first.saturating_add(1))?;
    let traceparent = traceparent.map(|text| word("traceparent", &text, text.parse().ok())).transpose()?;
    Ok(Cause { request_id: row.get(first)?, traceparent })
}

/// Writes who did what to an operation, and in which request.
pub(super) fn audit(
    connection: &Connection,
    at: Timestamp,
    actor: &str,
    action: &str,
    operation: &Operation,
    cause: &Cause,
    detail: &Value,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO audit (position, recorded_at, actor, action, operation_id, order_id, request_id, detail, \
             traceparent) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            next(connection, "audit")?,
            at.as_millis(),
            actor,
            action,
            operation.id.to_string(),
            operation.order_id.as_ref().map(ToString::to_string),
            cause.request_id.as_deref().unwrap_or_default(),
            encode(detail)?,
            cause.traceparent.map(|place| place.to_string()),
        ])?;
    Ok(())
}
