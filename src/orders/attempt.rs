//! One attempt at a change: the intent to disk, the one call, the outcome to disk.

use tokio::time::Instant;

use super::{
    agreement::{Agreement, too_late},
    caller::Caller,
    core::Core,
    failure::store_problem,
    sending::{send, with_the_order_after},
};
use crate::{
    adapter::Account,
    domain::{DeliveryChannel, Intent, Operation, OperationId, OperationStatus, Timestamp},
    faults, metrics,
    problem::Problem,
    store::{Begun, NewOperation, deadline},
    trace::{self, About, SpanKind},
};

/// What became of an attempt to write an intent and send it.
pub(super) enum Attempt {
    /// The operation as it is now.
    Ended(Box<Operation>),
    /// The store has an answer of its own.
    NotBegun(Begun),
}

/// An operation in its first state.
pub(super) fn new_operation(
    account: &Account,
    caller: &Caller,
    id: OperationId,
    intent: Intent,
    status: OperationStatus,
    now: Timestamp,
) -> Operation {
    let done = status == OperationStatus::Succeeded;
    let before = intent.before();
    let repeat_harmless = match &intent {
        Intent::Create { planned } => {
            // Nobody can pay what nobody was shown; a message of the provider shows it.
            account.adapter.capabilities().create.repeat_harmless
                && planned.order.delivery.channel == DeliveryChannel::Link
        }
        Intent::Update { .. } | Intent::Cancel { .. } | Intent::Capture { .. } | Intent::Refund { .. } => {
            false
        }
    };
    Operation {
        id,
        kind: intent.kind(),
        account: account.name.clone(),
        order_id: before.map(|order| order.id.clone()),
        provider: account.adapter.provider().to_owned(),
        client: caller.client.clone(),
        request_id: caller.request_id.clone(),
        traceparent: trace::cause().traceparent,
        amount: intent.amount(),
        status,
        already_done: done,
        order_after: before.filter(|_| done).cloned(),
        repeat_harmless,
        intent,
        failure: None,
        created_at: now,
        updated_at: now,
        checks: 0,
        next_check_at: None,
        provider_id: None,
        claimed_done: false,
        contradiction: None,
        reversed: None,
    }
}

/// Writes the intent down, sends it once and writes down what came of it.
pub(super) async fn attempt(
    core: &Core,
    account: &Account,
    new: NewOperation,
    agreement: &Agreement,
    deadline: Instant,
) -> Result<Attempt, Problem> {
    let context = trace::current().about(About::operation(&new.operation));
    context.run(attempt_in_context(core, account, new, agreement, deadline)).await
}

async fn attempt_in_context(
    core: &Core,
    account: &Account,
    mut new: NewOperation,
    agreement: &Agreement,
    deadline: Instant,
) -> Result<Attempt, Problem> {
    // What is sent is what the caller wrote; what is kept has no card numbers in its texts.
    let operation = new.operation.clone();
    new.operation.mask_card_numbers();
    faults::reached("before_intent");
    let commit = trace::current().span(SpanKind::Internal, || "commit intent".to_owned());
    let result = deadline::within(deadline, core.store.begin(new)).await;
    commit.end();
    match result.map_err(store_problem)? {
        Begun::Started => {}
        refusal @ (Begun::KeyUsed(_)
        | Begun::KeySpent
        | Begun::Blocked(_)
        | Begun::Outdated
        | Begun::ReferenceInUse(_)
        | Begun::LimitExceeded(_)) => return Ok(Attempt::NotBegun(refusal)),
    }
    faults::reached("intent_committed");
    if operation.status == OperationStatus::Succeeded {
        metrics::operation(&operation);
        return Ok(Attempt::Ended(Box::new(operation)));
    }
    if !agreement.begin(&operation) {
        return Ok(Attempt::Ended(Box::new(not_sent(core, operation).await)));
    }
    core.clock.begun(operation.id);
    let settlement = send(core, account, &operation, deadline).await;
    faults::reached("before_outcome");
    let (status, at) = (settlement.status, settlement.at);
    let ended = core.commit(settlement).await;
    faults::reached("outcome_committed");
    let ended = match ended {
        // A notification told its end while the answer was under way.
        Some(ended) if (ended.status, ended.updated_at) != (status, at) => {
            with_the_order_after(core, account, ended, deadline).await
        }
        Some(ended) => ended,
        None => operation,
    };
    Ok(Attempt::Ended(Box::new(ended)))
}

/// Ends an operation whose intent came to disk after its caller was told that nothing was done.
async fn not_sent(core: &Core, operation: Operation) -> Operation {
    let mut late = core.settlement(&operation, OperationStatus::NotExecuted, "deadline");
    late.failure = Some(too_late().to_failure());
    core.commit(late).await.unwrap_or(operation)
}
