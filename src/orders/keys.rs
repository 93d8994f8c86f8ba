//! What a used key, or whatever else keeps a change from being begun, means to its caller.

use super::{
    caller::Caller,
    request::{CallerKey, Changed},
};
use crate::{
    adapter::Violation,
    domain::{OperationId, OperationStatus, OrderId, Outcome},
    metrics,
    problem::{Problem, ProblemCode},
    store::{Begun, IdempotencyKey, KeyRecord},
};

/// The key as the store wants it.
pub(super) fn idempotency_key(caller: &Caller, key: Option<&CallerKey>) -> Option<IdempotencyKey> {
    key.map(|(key, fingerprint)| IdempotencyKey {
        client: caller.client.clone(),
        key: key.clone(),
        fingerprint: fingerprint.clone(),
    })
}

/// The answer to a change that the store did not let begin.
pub(super) fn not_begun(
    refusal: Begun,
    key: Option<&CallerKey>,
    order: Option<&OrderId>,
) -> Result<Changed, Problem> {
    let about = |problem: Problem| match order {
        Some(order) => problem.about(order),
        None => problem,
    };
    match refusal {
        Begun::KeyUsed(record) => {
            replay(&record, key).unwrap_or_else(|| Err(Problem::plain(ProblemCode::IdempotencyKeyInUse)))
        }
        Begun::KeySpent => Err(about(Problem::plain(ProblemCode::IdempotencyKeyExpired))),
        Begun::Blocked(other) => Err(about(Problem {
            operation_id: Some(other),
            ..Problem::plain(ProblemCode::OperationInProgress)
        })),
        Begun::ReferenceInUse(other) => Err(about(Problem {
            order_id: other.clone(),
            errors: vec![Violation {
                pointer: "/merchant_reference".to_owned(),
                code: "merchant_reference_in_use",
                detail: other.map_or_else(
                    || "an order that is being made has it".to_owned(),
                    |other| {
                        format!(
                            "the order {other} has it, which is paid or can still be paid; cancel it first"
                        )
                    },
                ),
            }],
            ..Problem::plain(ProblemCode::MerchantReferenceInUse)
        })),
        Begun::Started | Begun::Outdated | Begun::LimitExceeded(_) => {
            Err(about(Problem::plain(ProblemCode::OperationInProgress)))
        }
    }
}

/// What a used key means for a request with this fingerprint; `None` when it runs again.
pub(super) fn replay(record: &KeyRecord, key: Option<&CallerKey>) -> Option<Result<Changed, Problem>> {
    let operation = &record.operation;
    if key.map(|(_, fingerprint)| fingerprint) != Some(&record.fingerprint) {
        return Some(Err(Problem::plain(ProblemCode::IdempotencyKeyReused)));
    }
    match operation.status {
        OperationStatus::NotExecuted => None,
        OperationStatus::Pending | OperationStatus::Sending => Some(Err(Problem {
            operation_id: Some(operation.id),
            // Its own outcome is not known yet; this request did nothing.
            outcome: Some(Outcome::NotExecuted),
            ..Problem::plain(ProblemCode::IdempotencyKeyInUse)
        })),
        OperationStatus::Accepted
        | OperationStatus::Unknown
        | OperationStatus::NeedsReview
        | OperationStatus::Succeeded
        | OperationStatus::Refused => {
            metrics::idempotency_replay();
            Some(Ok(Changed { replayed: true, ..Changed::kept(operation.clone()) }))
        }
    }
}

pub(super) fn in_progress(id: &OrderId, operation: OperationId) -> Problem {
    Problem { operation_id: Some(operation), ..Problem::plain(ProblemCode::OperationInProgress) }.about(id)
}
