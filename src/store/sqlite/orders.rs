//! Copies of orders: which is the newest, and what is counted beside them.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    events, following, news,
    rows::{decode, encode, word},
};
use crate::{
    domain::{
        Cause, EventType, NewEvent, Operation, OperationId, Order, OrderId, OrderStatus, Reading, Timestamp,
    },
    store::StoreError,
};

/// What became of a reading offered to [`keep`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is the newest copy now, and says nothing that callers are told of.
    Same,
    /// It is the newest copy now; the status or the amounts changed, and the event of that is written.
    Told,
    /// One that was asked for later is kept already.
    Ignored,
    /// The order was changed since what is remembered of it was read: it must be read again.
    Outdated,
}

/// The row of an order as far as a new reading is compared with it.
struct Row {
    copy: Order,
    asked: i64,
    asked_floor: i64,
    change_count: i64,
    is_known_here: bool,
    statuses_seen: String,
}

/// Keeps a reading as the newest copy unless it is outdated, with the event of what changed and what it tells of
/// operations, and plans when the order is read next.
///
/// `operation` is the one behind the change, if there is one, and `cause` the request. The first copy of an order is no
/// change.
pub(super) fn keep(
    connection: &Connection,
    reading: &Reading,
    operation: Option<OperationId>,
    cause: &Cause,
) -> Result<Kept, StoreError> {
    let copy = &reading.order;
    let Some(row) = row(connection, &copy.id)? else {
        if reading.change_count != Some(0) {
            return Ok(Kept::Outdated);
        }
        insert(connection, reading)?;
        return Ok(Kept::Same);
    };
    if reading.change_count != Some(row.change_count) || reading.asked <= row.asked_floor {
        due_now(connection, &copy.id, reading.at)?;
        return Ok(Kept::Outdated);
    }
    if reading.asked <= row.asked {
        return Ok(Kept::Ignored);
    }
    let is_new_status = copy.status != row.copy.status;
    let statuses_seen =
        if row.statuses_seen.is_empty() { seen_before(connection, &row.copy)? } else { row.statuses_seen };
    let was_seen = statuses_seen.contains(&seen_mark(copy.status));
    let has_other_amounts = copy.amounts != row.copy.amounts || copy.amount != row.copy.amount;
    let statuses_seen = match (is_new_status, was_seen) {
        (true, false) => format!("{statuses_seen}{},", copy.status),
        (true, true) | (false, _) => statuses_seen,
    };
    connection
        .prepare_cached(
            "UPDATE orders SET merchant_reference = ?2, status = ?3, is_final = ?4, as_of = ?5, last_copy = ?6, \
             asked = ?7, statuses_seen = ?8, erased_at = NULL WHERE id = ?1",
        )?
        .execute(params![
            copy.id.to_string(),
            copy.merchant_reference,
            copy.status.as_str(),
            copy.is_final,
            copy.as_of.as_millis(),
            encode(copy)?,
            reading.asked,
            statuses_seen,
        ])?;
    let waits_anew = has_other_amounts || copy.waits_for != row.copy.waits_for;
    if waits_anew || is_new_status {
        following::begin(connection, copy, reading.at)?;
    }
    following::ensure(connection, copy, reading.at)?;
    let tells_amounts = row.is_known_here && has_other_amounts;
    let event = if is_new_status && !was_seen {
        Some(NewEvent::status_changed(copy, row.copy.status, operation, cause.clone()))
    } else if is_new_status || tells_amounts {
        Some(NewEvent::changed(copy, row.copy.status, operation, cause.clone()))
    } else {
        None
    };
    if let Some(event) = &event {
        events::append(connection, event)?;
    }
    for news in &copy.news {
        news::hear(connection, &copy.id, news, "read", reading.at, cause)?;
    }
    Ok(if event.is_some() { Kept::Told } else { Kept::Same })
}

/// How a status stands in the list of those an order was seen in.
fn seen_mark(status: OrderStatus) -> String {
    format!(",{status},")
}

fn row(connection: &Connection, id: &OrderId) -> Result<Option<Row>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT last_copy, asked, change_count, known_here, statuses_seen, asked_floor FROM orders WHERE id = ?1",
        )?
        .query_row([id.to_string()], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })
        .optional()?;
    found
        .map(|(copy, asked, change_count, is_known_here, statuses_seen, asked_floor)| {
            let copy = decode("a copy of an order", &copy)?;
            Ok(Row { copy, asked, asked_floor, change_count, is_known_here, statuses_seen })
        })
        .transpose()
}

/// The statuses that an order kept by an earlier version was seen in, as far as it was told of them.
fn seen_before(connection: &Connection, copy: &Order) -> Result<String, StoreError> {
    let mut seen = seen_mark(copy.status);
    for status in [OrderStatus::Authorized, OrderStatus::Paid] {
        if status != copy.status && events::was_told(connection, &copy.id, &EventType::order_status(status))?
        {
            seen = format!("{seen}{status},");
        }
    }
    Ok(seen)
}

/// Makes the next read of an order known here due, whether or not it is followed: what is kept of it may be old.
pub(super) fn due_now(connection: &Connection, id: &OrderId, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE orders SET next_read_at = ?2 WHERE id = ?1 AND known_here = TRUE \
             AND (next_read_at IS NULL OR next_read_at > ?2)",
        )?
        .execute(params![id.to_string(), now.as_millis()])?;
    Ok(())
}

fn insert(connection: &Connection, reading: &Reading) -> Result<(), StoreError> {
    let copy = &reading.order;
    connection
        .prepare_cached(
            "INSERT INTO orders (id, account, provider_reference, merchant_reference, status, is_final, \
             known_here, as_of, last_copy, change_count, last_sequence, first_seen_at, reads, asked, statuses_seen, \
             waits_for, waits_since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, FALSE, ?7, ?8, 0, 0, ?7, 0, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            copy.id.to_string(),
            copy.account().as_str(),
            copy.reference().as_str(),
            copy.merchant_reference,
            copy.status.as_str(),
            copy.is_final,
            copy.as_of.as_millis(),
            encode(copy)?,
            reading.asked,
            seen_mark(copy.status),
            copy.waits_for.as_str(),
            reading.at.as_millis(),
        ])?;
    Ok(())
}

/// Writes the merchant reference an update gave to an order, whether or not the order was read again.
pub(super) fn set_reference(
    connection: &Connection,
    id: &OrderId,
    reference: Option<&str>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE orders SET merchant_reference = ?2 WHERE id = ?1")?
        .execute(params![id.to_string(), reference])?;
    Ok(())
}

/// Paid or not final: one that was declined and can still be paid counts.
const HOLDER: &str = "SELECT id FROM orders WHERE account = ?1 AND merchant_reference = ?2 AND id <> ?3 \
    AND known_here = TRUE AND (is_final = FALSE OR status IN ('paid', 'partially_refunded')) \
    UNION ALL \
    SELECT order_id FROM operations WHERE account = ?1 AND claims_reference = ?2 AND id <> ?4 \
    AND (order_id IS NULL OR order_id <> ?3) \
    AND (status IN ('pending', 'sending', 'accepted', 'unknown', 'needs_review') \
    OR (status = 'succeeded' AND order_id IS NULL)) \
    LIMIT 1";

/// Whether another order of the same account has this merchant reference, or may be getting it right now: `Some`
/// with that order, as far as it is known. An order that was proved by its payment has no number here, and is paid.
pub(super) fn holder_of_reference(
    connection: &Connection,
    operation: &Operation,
    reference: &str,
) -> Result<Option<Option<OrderId>>, StoreError> {
    let holder: Option<Option<String>> = connection
        .prepare_cached(HOLDER)?
        .query_row(
            params![
                operation.account.as_str(),
                reference,
                operation.order_id.as_ref().map(ToString::to_string).unwrap_or_default(),
                operation.id.to_string()
            ],
            |row| row.get(0),
        )
        .optional()?;
    holder
        .map(|order| order.map(|order| word("order id", &order, order.parse().ok())).transpose())
        .transpose()
}
