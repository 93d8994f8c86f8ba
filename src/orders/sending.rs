//! Sending a change once, and what its answer proves.

use tokio::time::Instant;

use super::{core::Core, failure::change_problem, schedule::next_check};
use crate::{
    adapter::{Account, ErrorKind, Performed, ProviderError},
    domain::{Intent, Operation, OperationStatus, OrderStatus, Reading},
    store::Settlement,
};

/// Longest time for the one read that may settle a lost answer at once, when the caller has already gone.
const READ_FOR_EVIDENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Calls the provider once and says what the answer proves.
pub(super) async fn send(
    core: &Core,
    account: &Account,
    operation: &Operation,
    deadline: Instant,
) -> Settlement {
    let asked = core.numbers.next();
    let error = match call(core, account, operation).await {
        Ok(performed) => return done(core, account, operation, performed, asked, deadline).await,
        Err(error) => error,
    };
    let mut settlement = match error.kind {
        ErrorKind::OutcomeUnknown | ErrorKind::Incident | ErrorKind::Timeout | ErrorKind::Protocol => {
            return settle_at_once(core, account, operation, &error, deadline).await;
        }
        ErrorKind::StateConflict | ErrorKind::AlreadyDone => {
            return resolve_conflict(core, account, operation, &error, deadline).await;
        }
        ErrorKind::NotExecuted
        | ErrorKind::Temporary
        | ErrorKind::Misconfigured
        | ErrorKind::NotFound
        | ErrorKind::Busy
        | ErrorKind::Unsupported => core.settlement(operation, OperationStatus::NotExecuted, "answer"),
        ErrorKind::Refused
        | ErrorKind::InvalidRequest
        | ErrorKind::AmountExceeded
        | ErrorKind::CurrencyNotSupported
        | ErrorKind::ReferenceInUse
        | ErrorKind::AlreadyRefunded
        | ErrorKind::WindowClosed
        | ErrorKind::Declined => core.settlement(operation, OperationStatus::Refused, "answer"),
    };
    settlement.failure = Some(change_problem(&error).to_failure());
    settlement
}

/// The provider did it, or took it: the order after it is read where the answer does not tell it.
async fn done(
    core: &Core,
    account: &Account,
    operation: &Operation,
    performed: Performed,
    asked: i64,
    deadline: Instant,
) -> Settlement {
    let status = if performed.accepted { OperationStatus::Accepted } else { OperationStatus::Succeeded };
    let order_after = match performed.order {
        Some(order) => Some(core.reading_of(order, asked).await),
        None => order_now(core, account, operation, deadline).await,
    };
    let mut settlement = core.settlement(operation, status, "answer");
    settlement.order_after = order_after;
    settlement.provider_id = performed.provider_id;
    if performed.accepted {
        settlement.next_check_at = Some(next_check(0, core.clock.now()));
    }
    settlement
}

/// The order of an operation as it is now, when it can be read.
async fn order_now(
    core: &Core,
    account: &Account,
    operation: &Operation,
    deadline: Instant,
) -> Option<Reading> {
    let id = operation.expected_order()?;
    let read_until = deadline.max(Instant::now() + READ_FOR_EVIDENCE);
    core.ask(account, &id, read_until).await.ok()
}

/// An operation that a notification ended while its answer was under way, with the order after it: callers must not
/// be shown the one before.
pub(super) async fn with_the_order_after(
    core: &Core,
    account: &Account,
    operation: Operation,
    deadline: Instant,
) -> Operation {
    let is_done = matches!(operation.status, OperationStatus::Succeeded | OperationStatus::Accepted);
    if !is_done || operation.order_after.is_some() || operation.expected_order().is_none() {
        return operation;
    }
    let Some(reading) = order_now(core, account, &operation, deadline).await else { return operation };
    let order_after = Some(reading.order.clone());
    let mut settlement = core.settlement(&operation, operation.status, "read");
    settlement.next_check_at = operation.next_check_at;
    settlement.order_after = Some(reading);
    let kept = core.commit(settlement).await;
    Operation { order_after, ..kept.unwrap_or(operation) }
}

/// The answer was lost: one read may find the effect at once, otherwise it stays unknown.
async fn settle_at_once(
    core: &Core,
    account: &Account,
    operation: &Operation,
    error: &ProviderError,
    deadline: Instant,
) -> Settlement {
    tracing::warn!(operation_id = %operation.id, error = %error, "the outcome of a change is unknown");
    let read_until = deadline.max(Instant::now() + READ_FOR_EVIDENCE);
    let evidence = core.evidence(account, operation, read_until).await;
    // Absence proves nothing yet: a late request may still arrive.
    let ruled = evidence.ok().and_then(|mut evidence| core.ruled(operation, &mut evidence, false));
    ruled.unwrap_or_else(|| unknown(core, operation))
}

/// Nothing is known yet: evidence is looked for.
fn unknown(core: &Core, operation: &Operation) -> Settlement {
    let mut unknown = core.settlement(operation, OperationStatus::Unknown, "answer");
    unknown.next_check_at = Some(next_check(0, core.clock.now()));
    unknown.releases_reference = operation.repeat_harmless;
    unknown
}

/// The provider says that the state does not allow it, or that it had been done before: the order as it is now tells
/// whether it had.
async fn resolve_conflict(
    core: &Core,
    account: &Account,
    operation: &Operation,
    error: &ProviderError,
    deadline: Instant,
) -> Settlement {
    let reading = order_now(core, account, operation, deadline).await;
    let status = reading.as_ref().map(|reading| reading.order.status);
    let is_full_cancel = matches!(&operation.intent, Intent::Cancel { part, .. } if part.full);
    if is_full_cancel && status == Some(OrderStatus::Canceled) {
        let mut done = core.settlement(operation, OperationStatus::Succeeded, "answer");
        done.already_done = true;
        done.order_after = reading;
        return done;
    }
    if is_full_cancel && error.kind == ErrorKind::AlreadyDone {
        // The provider's word against its own read: only the target state, a notification or a person settles it.
        tracing::warn!(operation_id = %operation.id, error = %error, "done before, says the provider, and no read shows it");
        let mut unknown = unknown(core, operation);
        unknown.claimed_done = true;
        unknown.order_after = reading;
        return unknown;
    }
    let mut refused = core.settlement(operation, OperationStatus::Refused, "answer");
    let mut problem = change_problem(error);
    // What the provider's own code says is nearer than the status.
    problem.reason = problem.reason.or_else(|| status.map(|status| status.as_str().to_owned()));
    refused.failure = Some(problem.to_failure());
    refused.order_after = reading;
    refused
}

/// The one call that changes something.
async fn call(core: &Core, account: &Account, operation: &Operation) -> Result<Performed, ProviderError> {
    let adapter = &account.adapter;
    let told = |order| Performed { order: Some(order), ..Performed::default() };
    match &operation.intent {
        Intent::Create { planned } => adapter.create(operation.id, planned).await.map(told),
        Intent::Update { before, patch } => {
            let memory = core.memory_of(&before.id);
            adapter.update(operation.id, before, patch, &memory).await.map(told)
        }
        Intent::Cancel { before, part } => adapter.cancel(operation.id, before, *part).await,
        Intent::Capture { before, part } => adapter.capture(operation.id, before, *part).await,
        Intent::Refund { before, part } => adapter.refund(operation.id, before, *part).await,
    }
}
