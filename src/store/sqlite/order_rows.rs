//! The row of an order: its last copy, and the counts beside it.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::decode;
use crate::{
    domain::{Order, OrderId},
    store::StoreError,
};

/// The last known copy.
pub(super) fn copy(connection: &Connection, id: &OrderId) -> Result<Option<Order>, StoreError> {
    let text: Option<String> = connection
        .prepare_cached("SELECT last_copy FROM orders WHERE id = ?1")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    text.map(|text| decode("a copy of an order", &text)).transpose()
}

/// How many changes an order has seen; zero for one nobody knows.
pub(super) fn change_count(connection: &Connection, id: &OrderId) -> Result<i64, StoreError> {
    let count = connection
        .prepare_cached("SELECT change_count FROM orders WHERE id = ?1")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    Ok(count.unwrap_or(0))
}

/// Counts the begin of a change if nothing changed since the count was `seen`, and marks the order as
/// known here. Answers whether that was so.
pub(super) fn count_begin(connection: &Connection, id: &OrderId, seen: i64) -> Result<bool, StoreError> {
    let counted = connection
        .prepare_cached(
            "UPDATE orders SET change_count = change_count + 1, known_here = TRUE \
             WHERE id = ?1 AND change_count = ?2",
        )?
        .execute(params![id.to_string(), seen])?;
    Ok(counted == 1)
}

/// Counts a status change of an operation.
pub(super) fn count_change(connection: &Connection, id: &OrderId) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE orders SET change_count = change_count + 1 WHERE id = ?1")?
        .execute([id.to_string()])?;
    Ok(())
}

/// From now on what was asked for up to this number is older than the order's last change.
pub(super) fn asked_until(connection: &Connection, id: &OrderId, asked: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE orders SET asked_floor = ?2 WHERE id = ?1 AND asked_floor < ?2")?
        .execute(params![id.to_string(), asked])?;
    Ok(())
}
