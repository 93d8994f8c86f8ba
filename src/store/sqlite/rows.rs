//! Operations and idempotency keys as rows.

use rusqlite::{Connection, OptionalExtension, Params, params};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    domain::{Intent, Operation, OperationId, OperationStatus, OrderId, Timestamp},
    store::{IdempotencyKey, KeyRecord, StoreError},
};

/// A document as kept.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(format!("cannot be written: {error}")))
}

/// A document read back. The text itself stays out of the error: it may name a payer.
pub(super) fn decode<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("{what}: {error}")))
}

/// A word of ours read back: an id or a status.
pub(super) fn word<T>(what: &str, text: &str, parsed: Option<T>) -> Result<T, StoreError> {
    parsed.ok_or_else(|| StoreError::Corrupt(format!("{what} `{text}`")))
}

/// The operations a query answers; its only column is `body`.
pub(super) fn operations(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<Vec<Operation>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let bodies = statement.query_map(parameters, |row| row.get::<_, String>(0))?;
    bodies.map(|body| decode("an operation", &body?)).collect()
}

/// The operation with this id.
pub(super) fn operation(connection: &Connection, id: OperationId) -> Result<Option<Operation>, StoreError> {
    let found = operations(connection, "SELECT body FROM operations WHERE id = ?1", params![id.to_string()])?;
    Ok(found.into_iter().next())
}

/// Operations whose next check is due, oldest first.
pub(super) fn due_checks(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Operation>, StoreError> {
    operations(
        connection,
        "SELECT body FROM operations WHERE next_check_at IS NOT NULL AND next_check_at <= ?1 \
         ORDER BY next_check_at, id LIMIT ?2",
        params![now.as_millis(), limit],
    )
}

/// The operation of this order whose effect nobody knows yet.
pub(super) fn blocking(connection: &Connection, order: &OrderId) -> Result<Option<OperationId>, StoreError> {
    let id: Option<String> = connection
        .prepare_cached(
            "SELECT id FROM operations WHERE order_id = ?1 \
             AND status IN ('pending', 'sending', 'unknown', 'needs_review') LIMIT 1",
        )?
        .query_row([order.to_string()], |row| row.get(0))
        .optional()?;
    id.map(|id| word("operation id", &id, id.parse().ok())).transpose()
}

/// The operation of this order that waits for a person and stands outside the unique index, because it may have come to
/// wait while another one was under way: one that the provider contradicted, or one that had been accepted.
pub(super) fn standing_beside(
    connection: &Connection,
    order: &OrderId,
) -> Result<Option<OperationId>, StoreError> {
    let id: Option<String> = connection
        .prepare_cached(
            "SELECT id FROM operations WHERE order_id = ?1 AND stands_beside = TRUE \
             AND status IN ('pending', 'sending', 'unknown', 'needs_review') LIMIT 1",
        )?
        .query_row([order.to_string()], |row| row.get(0))
        .optional()?;
    id.map(|id| word("operation id", &id, id.parse().ok())).transpose()
}

/// Takes an operation out of the unique index, because another one may be under way on its order.
pub(super) fn stand_beside(connection: &Connection, id: OperationId) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE operations SET stands_beside = TRUE WHERE id = ?1")?
        .execute([id.to_string()])?;
    Ok(())
}

/// Operations that were under way when the process died, oldest first. The list of statuses is written as in the partial
/// index, which is then used: what is open is looked at, and nothing else.
pub(super) fn left_under_way(connection: &Connection) -> Result<Vec<Operation>, StoreError> {
    let mut open = operations(
        connection,
        "SELECT body FROM operations INDEXED BY operations_open \
         WHERE status IN ('pending', 'sending', 'unknown', 'needs_review')",
        [],
    )?;
    open.retain(|operation| match operation.status {
        OperationStatus::Pending | OperationStatus::Sending => true,
        OperationStatus::Unknown
        | OperationStatus::NeedsReview
        | OperationStatus::Accepted
        | OperationStatus::Succeeded
        | OperationStatus::Refused
        | OperationStatus::NotExecuted => false,
    });
    open.sort_unstable_by_key(|operation| operation.id.to_string());
    Ok(open)
}

/// The guard of an order is part of it: the unique index of what is open.
const INSERT_OPERATION: &str = "INSERT INTO operations (id, order_id, account, provider, client, kind, status, \
    claims_reference, created_at, updated_at, next_check_at, page_token, body) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
    ON CONFLICT (order_id) WHERE status IN ('pending', 'sending', 'unknown', 'needs_review') \
    AND stands_beside = FALSE DO NOTHING";

/// Writes a new operation, unless the order's unique index says that another one is open.
pub(super) fn insert_operation(
    connection: &Connection,
    operation: &Operation,
    claims_reference: Option<&str>,
) -> Result<bool, StoreError> {
    let inserted = connection.prepare_cached(INSERT_OPERATION)?.execute(params![
        operation.id.to_string(),
        operation.order_id.as_ref().map(ToString::to_string),
        operation.account.as_str(),
        operation.provider,
        operation.client,
        operation.kind.as_str(),
        operation.status.as_str(),
        claims_reference,
        operation.created_at.as_millis(),
        operation.updated_at.as_millis(),
        operation.next_check_at.map(Timestamp::as_millis),
        match &operation.intent {
            Intent::Create { planned } => planned.page_token.as_deref(),
            Intent::Update { .. }
            | Intent::Cancel { .. }
            | Intent::Capture { .. }
            | Intent::Refund { .. } => None,
        },
        encode(operation)?,
    ])?;
    Ok(inserted == 1)
}

/// What all operations of this kind on this order move together, in minor units: what is done, accepted, unknown or
/// in review.
pub(super) fn moved(connection: &Connection, like: &Operation) -> Result<i64, StoreError> {
    let Some(order) = &like.order_id else { return Ok(0) };
    let others = operations(
        connection,
        "SELECT body FROM operations WHERE order_id = ?1 AND kind = ?2 AND id <> ?3 \
         AND status NOT IN ('refused', 'not_executed')",
        params![order.to_string(), like.kind.as_str(), like.id.to_string()],
    )?;
    // What the provider undid moves nothing.
    let counted = others.iter().filter(|other| other.reversed.is_none() && !other.already_done);
    let amounts = counted.filter_map(|other| other.amount);
    Ok(amounts.fold(0_i64, |sum, amount| sum.saturating_add(amount.value())))
}

/// The creation whose payer's pages have this token.
pub(super) fn of_page(connection: &Connection, token: &str) -> Result<Option<Operation>, StoreError> {
    let found = operations(connection, "SELECT body FROM operations WHERE page_token = ?1", params![token])?;
    Ok(found.into_iter().next())
}

/// Every operation of an order that was sent or may have been, oldest first.
pub(super) fn of_order(connection: &Connection, order: &OrderId) -> Result<Vec<Operation>, StoreError> {
    operations(
        connection,
        "SELECT body FROM operations WHERE order_id = ?1 \
         AND status <> 'pending' ORDER BY created_at, id",
        params![order.to_string()],
    )
}

/// Writes the next state of an operation that was `from`.
pub(super) fn update_operation(
    connection: &Connection,
    operation: &Operation,
    from: OperationStatus,
    releases_reference: bool,
) -> Result<(), StoreError> {
    let updated = connection
        .prepare_cached(
            "UPDATE operations SET status = ?3, updated_at = ?4, next_check_at = ?5, body = ?6, order_id = ?7, \
             claims_reference = CASE WHEN ?8 THEN NULL ELSE claims_reference END \
             WHERE id = ?1 AND status = ?2",
        )?
        .execute(params![
            operation.id.to_string(),
            from.as_str(),
            operation.status.as_str(),
            operation.updated_at.as_millis(),
            operation.next_check_at.map(Timestamp::as_millis),
            encode(operation)?,
            operation.order_id.as_ref().map(ToString::to_string),
            releases_reference,
        ])?;
    if updated == 1 {
        Ok(())
    } else {
        Err(StoreError::Corrupt(format!("the status of {} beside its body", operation.id)))
    }
}

/// What is known of a client's key.
pub(super) fn key(connection: &Connection, client: &str, key: &str) -> Result<Option<KeyRecord>, StoreError> {
    let found: Option<(String, String)> = connection
        .prepare_cached(
            "SELECT k.fingerprint, o.body FROM idempotency_keys k JOIN operations o ON o.id = k.operation_id \
             WHERE k.client = ?1 AND k.idempotency_key = ?2",
        )?
        .query_row([client, key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found
        .map(|(fingerprint, body)| {
            decode("an operation", &body).map(|operation| KeyRecord { fingerprint, operation })
        })
        .transpose()
}

/// Whether a key had an effect and is older than what is kept of keys.
pub(super) fn is_spent(connection: &Connection, client: &str, key: &str) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM spent_keys WHERE digest = ?1)")?
        .query_row([digest(client, key)], |row| row.get(0))?)
}

/// Keeps of a key that goes that it had an effect.
pub(super) fn spend(connection: &Connection, client: &str, key: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO spent_keys (digest) VALUES (?1) ON CONFLICT (digest) DO NOTHING")?
        .execute([digest(client, key)])?;
    Ok(())
}

/// No client's name and no key has a zero byte.
fn digest(client: &str, key: &str) -> String {
    hex::encode(Sha256::new().chain_update(client).chain_update([0]).chain_update(key).finalize())
}

/// Ties a key to an operation: a new key, or one whose operation `instead_of` never happened. Answers
/// false when the unique index says that somebody else was first.
pub(super) fn tie_key(
    connection: &Connection,
    key: &IdempotencyKey,
    operation: &Operation,
    instead_of: Option<OperationId>,
) -> Result<bool, StoreError> {
    let written = match instead_of {
        Some(earlier) => connection
            .prepare_cached(
                "UPDATE idempotency_keys SET operation_id = ?3, created_at = ?4 \
                 WHERE client = ?1 AND idempotency_key = ?2 AND operation_id = ?5",
            )?
            .execute(params![
                key.client,
                key.key,
                operation.id.to_string(),
                operation.created_at.as_millis(),
                earlier.to_string(),
            ])?,
        None => connection
            .prepare_cached(
                "INSERT INTO idempotency_keys (client, idempotency_key, fingerprint, operation_id, created_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (client, idempotency_key) DO NOTHING",
            )?
            .execute(params![
                key.client,
                key.key,
                key.fingerprint,
                operation.id.to_string(),
                operation.created_at.as_millis(),
            ])?,
    };
    Ok(written == 1)
}
