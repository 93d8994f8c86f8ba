//! Which orders are read because they are followed, and when.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    orders,
    rows::word,
    writer::Step::{self, Keep},
};
use crate::{
    domain::{AccountName, Order, OrderId, Timestamp, WaitsFor, following::next_read},
    store::StoreError,
};

/// Ranks of orders in the queue of their account.
const PAYABLE: i64 = 0;
const OTHERS: i64 = 1;

/// Notes that an order waits for something else from now on: its schedule begins anew.
pub(super) fn begin(connection: &Connection, copy: &Order, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE orders SET waits_for = ?2, waits_since = ?3, reads = 0, next_read_at = NULL WHERE id = ?1",
        )?
        .execute(params![copy.id.to_string(), copy.waits_for.as_str(), now.as_millis()])?;
    Ok(())
}

/// Plans the next read of an order known here that has none planned, and takes the plan away where nothing is waited for.
pub(super) fn ensure(connection: &Connection, copy: &Order, now: Timestamp) -> Result<(), StoreError> {
    if copy.waits_for == WaitsFor::Nothing {
        connection
            .prepare_cached(
                "UPDATE orders SET next_read_at = NULL WHERE id = ?1 AND next_read_at IS NOT NULL",
            )?
            .execute([copy.id.to_string()])?;
        return Ok(());
    }
    let unplanned = connection
        .prepare_cached(
            "SELECT waits_since, first_seen_at, reads FROM orders \
             WHERE id = ?1 AND known_here = TRUE AND next_read_at IS NULL",
        )?
        .query_row([copy.id.to_string()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((since, first_seen_at, reads)) = unplanned else { return Ok(()) };
    let (since, known_since) = (Timestamp::from_millis(since), Timestamp::from_millis(first_seen_at));
    write(connection, copy, next_read(copy, since, known_since, reads, now))
}

/// See [`crate::store::Store::plan_read`].
pub(super) fn plan_read(
    connection: &Connection,
    id: &OrderId,
    now: Timestamp,
    instead: Option<Timestamp>,
) -> Result<Step<()>, StoreError> {
    let Some(copy) = orders::copy(connection, id)? else { return Ok(Keep(())) };
    let row = connection
        .prepare_cached(
            "UPDATE orders SET reads = reads + 1 WHERE id = ?1 RETURNING waits_since, first_seen_at, reads",
        )?
        .query_row([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((since, first_seen_at, reads)) = row else { return Ok(Keep(())) };
    let (since, known_since) = (Timestamp::from_millis(since), Timestamp::from_millis(first_seen_at));
    let by_schedule = next_read(&copy, since, known_since, reads, now);
    let next = match (instead, by_schedule) {
        (Some(instead), Some(_)) => Some(instead),
        (None, next) | (Some(_), next @ None) => next,
    };
    write(connection, &copy, next)?;
    Ok(Keep(()))
}

fn write(connection: &Connection, copy: &Order, next: Option<Timestamp>) -> Result<(), StoreError> {
    let rank = if copy.waits_for == WaitsFor::Payment { PAYABLE } else { OTHERS };
    connection
        .prepare_cached("UPDATE orders SET next_read_at = ?2, read_rank = ?3 WHERE id = ?1")?
        .execute(params![copy.id.to_string(), next.map(Timestamp::as_millis), rank])?;
    Ok(())
}

/// See [`crate::store::Store::due_reads`].
pub(super) fn due(
    connection: &Connection,
    account: &AccountName,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<OrderId>, StoreError> {
    let mut due = Vec::new();
    for rank in [PAYABLE, OTHERS] {
        let room = limit.saturating_sub(u32::try_from(due.len()).unwrap_or(u32::MAX));
        let mut statement = connection.prepare_cached(
            "SELECT id FROM orders WHERE account = ?1 AND read_rank = ?2 AND next_read_at IS NOT NULL \
             AND next_read_at <= ?3 ORDER BY next_read_at, id LIMIT ?4",
        )?;
        let ids = statement
            .query_map(params![account.as_str(), rank, now.as_millis(), room], |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        for id in ids {
            due.push(word("order id", &id, id.parse().ok())?);
        }
    }
    Ok(due)
}

/// See [`crate::store::Store::reads_overdue`].
pub(super) fn overdue(
    connection: &Connection,
    account: &AccountName,
    now: Timestamp,
) -> Result<Duration, StoreError> {
    let mut longest = Duration::ZERO;
    for rank in [PAYABLE, OTHERS] {
        let first: Option<i64> = connection
            .prepare_cached(
                "SELECT next_read_at FROM orders WHERE account = ?1 AND read_rank = ?2 \
                 AND next_read_at IS NOT NULL ORDER BY next_read_at LIMIT 1",
            )?
            .query_row(params![account.as_str(), rank], |row| row.get(0))
            .optional()?;
        longest = longest.max(first.map_or(Duration::ZERO, |at| now.since(Timestamp::from_millis(at))));
    }
    Ok(longest)
}
