//! Sending a change once, and what its answer proves.

use tokio::time::Instant;

use super::{
    Orders, StoreMemory,
    failure::change_problem,
    follow::next_read,
    reconcile::{next_check, settlement},
};
use crate::{
    adapter::{Account, ErrorKind, Performed, ProviderError, Verdict},
    domain::{Intent, Operation, OperationStatus, Order, OrderStatus},
    faults,
    store::Settlement,
};

/// Longest time for the one read that may settle a lost answer at once, when the caller has already gone.
const READ_FOR_EVIDENCE: std::time::Duration = std::time::Duration::from_secs(10);

impl Orders {
    /// Calls the provider once and says what the answer proves.
    pub(super) async fn send(
        &self,
        account: &Account,
        operation: &Operation,
        deadline: Instant,
    ) -> Settlement {
        let mut answer = self.call(account, operation).await;
        if faults::planted("retry_on_timeout")
            && answer.as_ref().is_err_and(|e| e.kind.money_may_have_moved())
        {
            answer = self.call(account, operation).await;
        }
        let error = match answer {
            Ok(performed) => return self.done(account, operation, performed, deadline).await,
            Err(error) => error,
        };
        let mut settlement = match error.kind {
            ErrorKind::OutcomeUnknown | ErrorKind::Incident | ErrorKind::Timeout | ErrorKind::Protocol => {
                return self.settle_at_once(account, operation, &error, deadline).await;
            }
            ErrorKind::StateConflict | ErrorKind::AlreadyDone => {
                return self.resolve_conflict(account, operation, &error, deadline).await;
            }
            ErrorKind::NotExecuted
            | ErrorKind::Temporary
            | ErrorKind::Misconfigured
            | ErrorKind::NotFound
            | ErrorKind::Busy
            | ErrorKind::Unsupported => settlement(operation, OperationStatus::NotExecuted, "answer"),
            ErrorKind::Refused
            | ErrorKind::InvalidRequest
            | ErrorKind::AmountExceeded
            | ErrorKind::CurrencyNotSupported
            | ErrorKind::ReferenceInUse
            | ErrorKind::AlreadyRefunded
            | ErrorKind::WindowClosed
            | ErrorKind::Declined => settlement(operation, OperationStatus::Refused, "answer"),
        };
        settlement.failure = Some(change_problem(&error).to_failure());
        settlement
    }

    /// The provider did it, or took it: the order after it is read where the answer does not tell it.
    async fn done(
        &self,
        account: &Account,
        operation: &Operation,
        performed: Performed,
        deadline: Instant,
    ) -> Settlement {
        let status = if performed.accepted { OperationStatus::Accepted } else { OperationStatus::Succeeded };
        let mut settlement = settlement(operation, status, "answer");
        if performed.accepted {
            settlement.next_check_at = Some(next_check(0, settlement.at));
        }
        if matches!(operation.intent, Intent::Create { .. }) {
            settlement.follow_at = Some(next_read(0, settlement.at));
        }
        settlement.order_after = match performed.order {
            Some(order) => Some(order),
            None => self.order_now(account, operation, deadline).await,
        };
        settlement
    }

    /// The order of an operation as it is now, when it can be read.
    async fn order_now(&self, account: &Account, operation: &Operation, deadline: Instant) -> Option<Order> {
        let id = operation.expected_order()?;
        let read_until = deadline.max(Instant::now() + READ_FOR_EVIDENCE);
        let memory = StoreMemory { store: &self.store, id: &id };
        account.adapter.fetch(&id.reference, &memory, read_until).await.ok()
    }

    /// The answer was lost: one read may find the effect at once, otherwise it stays unknown.
    async fn settle_at_once(
        &self,
        account: &Account,
        operation: &Operation,
        error: &ProviderError,
        deadline: Instant,
    ) -> Settlement {
        tracing::warn!(operation_id = %operation.id, error = %error, "the outcome of a change is unknown");
        if faults::planted("outcome_before_evidence") {
            return settlement(operation, OperationStatus::NotExecuted, "guess");
        }
        let read_until = deadline.max(Instant::now() + READ_FOR_EVIDENCE);
        match self.evidence(account, operation, read_until).await {
            Ok(Verdict::Done(order)) => {
                let mut done = settlement(operation, OperationStatus::Succeeded, "read");
                done.order_after = order.map(|order| *order);
                done
            }
            Ok(Verdict::Accepted(order)) => {
                let mut accepted = settlement(operation, OperationStatus::Accepted, "read");
                accepted.next_check_at = Some(next_check(0, accepted.at));
                accepted.order_after = order.map(|order| *order);
                accepted
            }
            Ok(Verdict::Refused(error)) => {
                let mut refused = settlement(operation, OperationStatus::Refused, "read");
                refused.failure = Some(change_problem(&error).to_failure());
                refused
            }
            Ok(Verdict::NoTrace(_) | Verdict::Unclear(_)) | Err(_) => {
                if faults::planted("unknown_is_not_executed") {
                    return settlement(operation, OperationStatus::NotExecuted, "guess");
                }
                let mut unknown = settlement(operation, OperationStatus::Unknown, "answer");
                unknown.next_check_at = Some(next_check(0, unknown.at));
                unknown.releases_reference = operation.repeat_harmless;
                unknown
            }
        }
    }

    /// What a fresh read proves about an operation.
    pub(super) async fn evidence(
        &self,
        account: &Account,
        operation: &Operation,
        deadline: Instant,
    ) -> Result<Verdict, ProviderError> {
        match operation.expected_order() {
            Some(id) => {
                let memory = StoreMemory { store: &self.store, id: &id };
                account.adapter.settle(operation, &memory, deadline).await
            }
            None => account.adapter.settle(operation, &super::NoMemory, deadline).await,
        }
    }

    /// The provider says that the state does not allow it: the order as it is now tells whether it had been
    /// done before.
    async fn resolve_conflict(
        &self,
        account: &Account,
        operation: &Operation,
        error: &ProviderError,
        deadline: Instant,
    ) -> Settlement {
        let order = self.order_now(account, operation, deadline).await;
        let was_done = match &operation.intent {
            Intent::Cancel { part, .. } => {
                // The order tells. Where it cannot be read, the provider's word that it was done before counts.
                part.full
                    && order.as_ref().map_or(error.kind == ErrorKind::AlreadyDone, |order| {
                        order.status == OrderStatus::Canceled
                    })
            }
            Intent::Create { .. }
            | Intent::Update { .. }
            | Intent::Capture { .. }
            | Intent::Refund { .. } => false,
        };
        let status = if was_done { OperationStatus::Succeeded } else { OperationStatus::Refused };
        let mut settlement = settlement(operation, status, "answer");
        settlement.already_done = was_done;
        if !was_done {
            let mut problem = change_problem(error);
            // What the provider's own code says is nearer than the status.
            problem.reason =
                problem.reason.or_else(|| order.as_ref().map(|order| order.status.as_str().to_owned()));
            settlement.failure = Some(problem.to_failure());
        }
        settlement.order_after = order;
        settlement
    }

    /// A planted mistake: calls the provider for an operation that was never written down.
    pub(super) async fn send_unwritten(&self, account: &Account, operation: &Operation) -> Option<Operation> {
        let order = self.call(account, operation).await.ok()?.order;
        Some(Operation { status: OperationStatus::Succeeded, order_after: order, ..operation.clone() })
    }

    /// The one call that changes something.
    async fn call(&self, account: &Account, operation: &Operation) -> Result<Performed, ProviderError> {
        let adapter = &account.adapter;
        let told = |order| Performed { order: Some(order), accepted: false, provider_id: None };
        match &operation.intent {
            Intent::Create { planned } => adapter.create(operation.id, planned).await.map(told),
            Intent::Update { before, patch } => {
                let memory = StoreMemory { store: &self.store, id: &before.id };
                adapter.update(operation.id, before, patch, &memory).await.map(told)
            }
            Intent::Cancel { before, part } => adapter.cancel(operation.id, before, *part).await,
            Intent::Capture { before, part } => adapter.capture(operation.id, before, *part).await,
            Intent::Refund { before, part } => adapter.refund(operation.id, before, *part).await,
        }
    }
}
