//! Copies of orders: which is the newest, and what is counted beside them.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    events,
    rows::{decode, encode, word},
};
use crate::{
    domain::{Cause, NewEvent, Operation, OperationId, Order, OrderId, OrderStatus},
    faults,
    store::StoreError,
};

/// What became of a copy offered to [`keep`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is the newest now; the status is the one known before.
    SameStatus,
    /// It is the newest now, the status changed, and the event of that is written.
    StatusChanged,
    /// A newer one is kept already.
    Ignored,
}

/// Keeps `copy` unless a newer one is known, with the event of a changed status.
///
/// `operation` is the one behind the change, if there is one, and `cause` the request. The first copy of an order is no change.
pub(super) fn keep(
    connection: &Connection,
    copy: &Order,
    operation: Option<OperationId>,
    cause: &Cause,
) -> Result<Kept, StoreError> {
    let Some((known, as_of)) = known_status(connection, &copy.id)? else {
        insert(connection, copy)?;
        return Ok(Kept::SameStatus);
    };
    // Two reads of one millisecond have no order of their own: of them, an order only moves forward.
    let moves_forward = copy.status == known || known.may_become_by_notification(copy.status);
    let newer = copy.as_of.as_millis() > as_of || (copy.as_of.as_millis() == as_of && moves_forward);
    if !newer {
        return Ok(Kept::Ignored);
    }
    connection
        .prepare_cached(
            "UPDATE orders SET merchant_reference = ?2, status = ?3, is_final = ?4, as_of = ?5, last_copy = ?6, \
             erased_at = NULL WHERE id = ?1",
        )?
        .execute(params![
            copy.id.to_string(),
            copy.merchant_reference,
            copy.status.as_str(),
            copy.is_final,
            copy.as_of.as_millis(),
            encode(copy)?,
        ])?;
    if copy.status == known {
        return Ok(Kept::SameStatus);
    }
    events::append(connection, &NewEvent::status_changed(copy, known, operation, cause.clone()))?;
    Ok(Kept::StatusChanged)
}

fn known_status(connection: &Connection, id: &OrderId) -> Result<Option<(OrderStatus, i64)>, StoreError> {
    let found: Option<(String, i64)> = connection
        .prepare_cached("SELECT status, as_of FROM orders WHERE id = ?1")?
        .query_row([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found
        .map(|(status, as_of)| Ok((word("order status", &status, OrderStatus::from_word(&status))?, as_of)))
        .transpose()
}

fn insert(connection: &Connection, copy: &Order) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO orders (id, account, provider_reference, merchant_reference, status, is_final, \
             known_here, as_of, last_copy, change_count, last_sequence, first_seen_at, reads) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, FALSE, ?7, ?8, 0, 0, ?7, 0)",
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
        ])?;
    Ok(())
}

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

/// Marks an order as known here: it was made by an operation.
pub(super) fn mark_known(connection: &Connection, id: &OrderId) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE orders SET known_here = TRUE WHERE id = ?1")?
        .execute([id.to_string()])?;
    Ok(())
}

const HOLDER: &str = "SELECT id FROM orders WHERE account = ?1 AND merchant_reference = ?2 AND id <> ?3 \
    AND known_here = TRUE AND status IN \
    ('pending', 'processing', 'in_review', 'authorized', 'paid', 'partially_refunded') \
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
    let (part, more) = ("'unknown', ", "'unknown', 'refused', 'not_executed', ");
    let sql = if faults::planted("reference_not_kept_while_unknown") {
        faults::miswritten("reference_not_kept_while_unknown", HOLDER, part, "")
    } else {
        faults::miswritten("reference_kept_after_a_refusal", HOLDER, part, more)
    };
    let holder: Option<Option<String>> = connection
        .prepare_cached(&sql)?
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
