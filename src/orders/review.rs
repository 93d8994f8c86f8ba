//! A person decides what became of an operation that nothing else can settle.

use super::{
    caller::Caller,
    failure::{not_found, store_problem},
    reconciler::Reconciler,
};
use crate::{
    domain::{Cause, Operation, OperationId, OperationStatus, card},
    problem::{Problem, ProblemCode},
    store::Settled,
    trace,
};

impl Reconciler {
    /// Settles an `unknown`, `accepted` or `needs_review` operation as a person says. Who and why stays in the audit trail.
    ///
    /// # Errors
    /// No such operation, or one that is not waiting for a decision.
    pub async fn review(
        &self,
        caller: &Caller,
        id: OperationId,
        status: OperationStatus,
        mut reason: String,
    ) -> Result<Operation, Problem> {
        let operation = self.core.store.operation(id).await.map_err(store_problem)?;
        let operation = operation
            .filter(|operation| caller.accounts.contains(operation.account.as_str()))
            .ok_or_else(not_found)?;
        let waits = matches!(
            operation.status,
            OperationStatus::Unknown | OperationStatus::Accepted | OperationStatus::NeedsReview
        );
        if !waits || !operation.status.may_become(status) {
            return Err(not_waiting(&operation));
        }
        let mut decision = self.core.settlement(&operation, status, &caller.client);
        card::mask(&mut reason);
        decision.reason = Some(reason);
        decision.cause = Some(Cause { request_id: Some(caller.request_id.clone()), ..trace::cause() });
        if status != OperationStatus::Succeeded {
            let code = if status == OperationStatus::Refused {
                ProblemCode::ProviderRefused
            } else {
                ProblemCode::ProviderUnavailable
            };
            decision.failure = Some(Problem::new(code, "decided by a person").to_failure());
        }
        match self.core.store.settle(decision).await.map_err(store_problem)? {
            Settled::Done(operation) => {
                if let Some(order) = &operation.order_id {
                    self.core.reads.forget(order);
                }
                self.core.clock.forget(id);
                tracing::warn!(
                    operation_id = %id, client = caller.client, settled_as = status.as_str(), security = "review",
                    "an operation was settled by a person"
                );
                crate::metrics::operation(&operation);
                Ok(*operation)
            }
            Settled::NotAllowed(operation) => Err(not_waiting(&operation)),
        }
    }
}

fn not_waiting(operation: &Operation) -> Problem {
    Problem {
        operation_id: Some(operation.id),
        reason: Some(operation.status.as_str().to_owned()),
        ..Problem::new(
            ProblemCode::OrderStateConflict,
            format!(
                "the operation is {}; a person can settle unknown and needs_review ones, and accepted ones as succeeded \
                 or refused",
                operation.status.as_str()
            ),
        )
    }
}
