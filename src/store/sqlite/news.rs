//! What a provider tells of an operation that has ended here: a contradiction, or that it was undone.

use rusqlite::Connection;
use serde_json::json;

use super::{events, inbox, order_rows, rows};
use crate::{
    domain::{
        Cause, Contradiction, Fate, NewEvent, Operation, OperationKind, OperationNews, OperationStatus,
        OrderId, Reversal, Timestamp,
    },
    store::StoreError,
};

/// Applies what a read of `order` tells of one of its operations.
pub(super) fn hear(
    connection: &Connection,
    order: &OrderId,
    news: &OperationNews,
    source: &'static str,
    at: Timestamp,
    cause: &Cause,
) -> Result<(), StoreError> {
    let Some(mut operation) = rows::operation(connection, news.operation)? else { return Ok(()) };
    if operation.order_id.as_ref().is_some_and(|own| own != order) || operation.account != order.account {
        return Ok(());
    }
    if operation.provider_id.is_none() && news.provider_id.is_some() {
        operation.provider_id.clone_from(&news.provider_id);
        rows::update_operation(connection, &operation, operation.status, false)?;
    }
    let word = news.provider_status.clone();
    match news.fate {
        Fate::Done if may_be_contradicted(&operation) => {
            let told = Contradiction { at, source: source.to_owned(), provider_status: word };
            contradict(connection, operation, Some(order), told, cause)?;
        }
        Fate::Undone if may_be_reversed(&operation) => {
            let reason = word.unwrap_or_else(|| source.to_owned());
            reverse(connection, operation, Reversal { at, reason }, cause)?;
        }
        // One that is still open is settled by its own check, which is due now.
        Fate::Done | Fate::Undone => {
            inbox::hasten(connection, None, Some(news.operation), at)?;
        }
    }
    Ok(())
}

/// Whether the operation ended here without an effect, and nothing has said otherwise yet.
pub(super) fn may_be_contradicted(operation: &Operation) -> bool {
    let ended_without = matches!(operation.status, OperationStatus::Refused | OperationStatus::NotExecuted);
    ended_without && operation.contradiction.is_none()
}

/// Whether the operation moved something here that has not been undone yet.
pub(super) fn may_be_reversed(operation: &Operation) -> bool {
    let did_something = operation.status == OperationStatus::Succeeded && !operation.already_done;
    let is_movement = matches!(operation.kind, OperationKind::Capture | OperationKind::Refund);
    did_something && is_movement && operation.reversed.is_none()
}

/// Records that the provider did an operation that had ended here as refused or not executed. A person decides; until
/// then its amount is reserved and its order blocked.
pub(super) fn contradict(
    connection: &Connection,
    operation: Operation,
    order: Option<&OrderId>,
    told: Contradiction,
    cause: &Cause,
) -> Result<Operation, StoreError> {
    let from = operation.status;
    let told_of = match order {
        Some(order) => order_rows::copy(connection, order)?.map(|copy| copy.id),
        None => None,
    };
    let order_id = operation.order_id.clone().or(told_of);
    let next = Operation {
        status: OperationStatus::NeedsReview,
        order_id,
        updated_at: told.at,
        next_check_at: None,
        contradiction: Some(told),
        ..operation
    };
    rows::stand_beside(connection, next.id)?;
    rows::update_operation(connection, &next, from, false)?;
    if let Some(order) = &next.order_id {
        order_rows::count_change(connection, order)?;
    }
    events::append(connection, &NewEvent { cause: cause.clone(), ..NewEvent::operation(&next) })?;
    record(connection, &next, "operation.contradicted", cause, &json!({ "from": from.as_str() }))?;
    tracing::error!(
        operation_id = %next.id, alert = "contradiction",
        "the provider did an operation that had ended without effect: a person must decide"
    );
    Ok(next)
}

/// Records that the provider undid an operation that had succeeded. It stays succeeded, and its amount counts no more.
pub(super) fn reverse(
    connection: &Connection,
    operation: Operation,
    reversal: Reversal,
    cause: &Cause,
) -> Result<Operation, StoreError> {
    let at = reversal.at;
    let next = Operation { reversed: Some(reversal), ..operation };
    rows::update_operation(connection, &next, next.status, false)?;
    if let Some(order) = &next.order_id {
        order_rows::count_change(connection, order)?;
    }
    events::append(connection, &NewEvent::reversed(&next, at, cause.clone()))?;
    if next.kind == OperationKind::Refund {
        events::append(connection, &NewEvent::refund_reversed(&next, at, cause.clone()))?;
    }
    record(connection, &next, "operation.reversed", cause, &json!({}))?;
    tracing::warn!(operation_id = %next.id, "the provider undid an operation that had succeeded");
    Ok(next)
}

fn record(
    connection: &Connection,
    operation: &Operation,
    action: &str,
    cause: &Cause,
    more: &serde_json::Value,
) -> Result<(), StoreError> {
    let told = operation.contradiction.as_ref();
    let detail = json!({
        "contradiction": told,
        "reversed": operation.reversed,
        "more": more,
    });
    let at = told
        .map(|told| told.at)
        .or_else(|| operation.reversed.as_ref().map(|reversed| reversed.at))
        .unwrap_or(operation.updated_at);
    events::audit(connection, at, "provider", action, operation, cause, &detail)
}
