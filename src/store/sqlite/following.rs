//! Which orders are read because they are followed, and when.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    order_rows,
    rows::word,
    writer::Step::{self, Keep},
};
use crate::{
    domain::{
        AccountName, Order, OrderId, Timestamp, WaitsFor,
        following::{after_a_failure, next_read},
    },
    store::StoreError,
};

/// Ranks of orders in the queue of their account.
const PAYABLE: i64 = 0;
const OTHERS: i64 = 1;

/// Marks an order as known here: it was made by an operation, or a notification told of it. From then on it is followed.
pub(super) fn mark_known(connection: &Connection, id: &OrderId, now: Timestamp) -> Result<(), StoreError> {
    let marked = connection
        .prepare_cached("UPDATE orders SET known_here = TRUE WHERE id = ?1 AND known_here = FALSE")?
        .execute([id.to_string()])?;
    if marked == 1
        && let Some(copy) = order_rows::copy(connection, id)?
    {
        ensure(connection, &copy, now)?;
    }
    Ok(())
}

/// Notes that an order waits for something else from now on: its schedule begins anew.
pub(super) fn begin(connection: &Connection, copy: &Order, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE orders SET waits_for = ?2, waits_since = ?3, reads = 0, failed_reads = 0, next_read_at = NULL \
             WHERE id = ?1",
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
    is_read: bool,
) -> Result<Step<()>, StoreError> {
    let Some(copy) = order_rows::copy(connection, id)? else { return Ok(Keep(())) };
    let row = connection
        .prepare_cached(
            "UPDATE orders SET reads = reads + ?2, failed_reads = CASE WHEN ?2 = 1 THEN 0 ELSE failed_reads + 1 END \
             WHERE id = ?1 RETURNING waits_since, first_seen_at, reads, failed_reads",
        )?
        .query_row(params![id.to_string(), i64::from(is_read)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((since, first_seen_at, reads, failed)) = row else { return Ok(Keep(())) };
    let (since, known_since) = (Timestamp::from_millis(since), Timestamp::from_millis(first_seen_at));
    let next = if is_read {
        next_read(&copy, since, known_since, reads, now)
    } else {
        // What the order waits for is not known before it was read: a failure never ends the following.
        after_a_failure(&copy, since.max(known_since), failed, now)
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
    // One place is the others': very many payable orders must not put them off for ever.
    let mut others = due_of(connection, account, OTHERS, now, limit)?;
    let kept_free = u32::from(limit > 1 && !others.is_empty());
    let mut due = due_of(connection, account, PAYABLE, now, limit.saturating_sub(kept_free))?;
    due.append(&mut others);
    due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(due)
}

fn due_of(
    connection: &Connection,
    account: &AccountName,
    rank: i64,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<OrderId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM orders WHERE account = ?1 AND read_rank = ?2 AND next_read_at IS NOT NULL \
         AND next_read_at <= ?3 ORDER BY next_read_at, id LIMIT ?4",
    )?;
    let ids = statement
        .query_map(params![account.as_str(), rank, now.as_millis(), limit], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    ids.iter().map(|id| word("order id", id, id.parse().ok())).collect()
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
