//! The feed of all events, in the order of their commits.

use rusqlite::{Connection, OptionalExtension, Row, params_from_iter, types::Value};

use super::{
    events::cause,
    rows::{decode, word},
};
use crate::{
    config::AllowedAccounts,
    domain::{Event, EventFilter, EventId, EventType, NewEvent, Timestamp},
    store::{
        StoreError,
        outbox::{EventAt, EventPage, PlacedEvent},
    },
};

/// The columns that [`placed`] reads, of a table called `e`.
pub(super) const COLUMNS: &str = "e.id, e.position, e.account, e.order_id, e.sequence, e.event_type, \
                                  e.operation_id, e.occurred_at, e.data, e.request_id, e.traceparent";

/// How many events one page, or one step of a replay, looks at.
pub(super) const LOOKED_AT: i64 = 2_000;

/// See [`crate::store::outbox::OutboxStore::events_after`].
pub(super) fn after(
    connection: &Connection,
    after: i64,
    accounts: &AllowedAccounts,
    types: &EventFilter,
    limit: u32,
) -> Result<EventPage, StoreError> {
    let newest: i64 = connection
        .prepare_cached("SELECT value FROM counters WHERE name = 'events'")?
        .query_row([], |row| row.get(0))?;
    let began = event_at(connection, after, newest)?;
    if newest <= after {
        return Ok(EventPage { items: Vec::new(), position: after, event: began.id(), began });
    }
    let end = newest.min(after.saturating_add(LOOKED_AT));
    let mut values = vec![Value::from(after), Value::from(end)];
    let conditions = conditions(accounts, types, &mut values);
    values.push(Value::from(i64::from(limit)));
    let sql = format!(
        "SELECT {COLUMNS} FROM events e WHERE e.position > ? AND e.position <= ?{conditions} \
         ORDER BY e.position LIMIT ?"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(placed(row)?);
    }
    let is_full = items.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let last = items.last().filter(|_| is_full);
    let (position, event) = match last {
        Some(last) => (last.position, Some(last.event.id)),
        None => (end, event_at(connection, end, newest)?.id()),
    };
    Ok(EventPage { items, position, event, began })
}

/// What is at a position, where `newest` is the last one there is. Positions have no gaps: an event that is missing below
/// it was there once.
fn event_at(connection: &Connection, position: i64, newest: i64) -> Result<EventAt, StoreError> {
    if position <= 0 {
        return Ok(EventAt::Beginning);
    }
    if position > newest {
        return Ok(EventAt::Beyond);
    }
    let id: Option<String> = connection
        .prepare_cached("SELECT id FROM events WHERE position = ?1")?
        .query_row([position], |row| row.get(0))
        .optional()?;
    let id: Option<EventId> = id.map(|id| word("event id", &id, id.parse().ok())).transpose()?;
    Ok(id.map_or(EventAt::Dropped, EventAt::Event))
}

/// ` AND ...` for events `e` of these accounts and types, with plain `?` for the values added.
fn conditions(accounts: &AllowedAccounts, types: &EventFilter, values: &mut Vec<Value>) -> String {
    let mut sql = String::new();
    if let AllowedAccounts::Named(names) = accounts {
        sql.push_str(" AND e.account IN (");
        sql.push_str(&vec!["?"; names.len()].join(", "));
        sql.push(')');
        values.extend(names.iter().map(|name| Value::from(name.clone())));
    }
    if !types.wants_all() {
        let mut either = Vec::new();
        for entry in types.entries() {
            // A group is everything up to the dot, which `_` in LIKE would not keep apart.
            match entry.strip_suffix('*') {
                Some(group) => {
                    either.push("substr(e.event_type, 1, length(?)) = ?");
                    values.extend([Value::from(group.to_owned()), Value::from(group.to_owned())]);
                }
                None => {
                    either.push("e.event_type = ?");
                    values.push(Value::from(entry.to_owned()));
                }
            }
        }
        sql.push_str(" AND (");
        sql.push_str(&either.join(" OR "));
        sql.push(')');
    }
    sql
}

/// An event from the first columns of a row, which are [`COLUMNS`].
pub(super) fn placed(row: &Row<'_>) -> Result<PlacedEvent, StoreError> {
    let id: String = row.get(0)?;
    let account: String = row.get(2)?;
    let order_id: Option<String> = row.get(3)?;
    let operation_id: Option<String> = row.get(6)?;
    let data: String = row.get(8)?;
    Ok(PlacedEvent {
        position: row.get(1)?,
        account: word("account", &account, account.parse().ok())?,
        event: Event {
            id: word("event id", &id, id.parse().ok())?,
            sequence: row.get(4)?,
            event: NewEvent {
                event_type: EventType::from_stored(row.get(5)?),
                order_id: order_id.map(|id| word("order id", &id, id.parse().ok())).transpose()?,
                operation_id: operation_id
                    .map(|id| word("operation id", &id, id.parse().ok()))
                    .transpose()?,
                occurred_at: Timestamp::from_millis(row.get(7)?),
                data: decode("the data of an event", &data)?,
                cause: cause(row, 9)?,
            },
        },
    })
}

/// The number of columns in [`COLUMNS`].
pub(super) const COLUMN_COUNT: usize = 11;

/// A column after those of the event.
pub(super) fn beside<T: rusqlite::types::FromSql>(row: &Row<'_>, number: usize) -> Result<T, StoreError> {
    Ok(row.get(COLUMN_COUNT.saturating_add(number))?)
}
