//! Writing down what became of an operation.

use std::time::Duration;

use super::{
    asking::Evidence,
    core::{Core, stopped},
    ruling::{Ruling, rule},
    schedule::next_check,
};
use crate::{
    domain::{Operation, OperationStatus},
    metrics,
    store::{Settled, Settlement, StoreError},
    trace::{self, SpanKind},
};

/// Longest pause between attempts to write an outcome that is already known.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Core {
    /// Writes how an operation ended, or what it is now, and counts it.
    pub(super) async fn commit(&self, settlement: Settlement) -> Option<Operation> {
        match self.keep(settlement).await? {
            Settled::Done(operation) => {
                metrics::operation(&operation);
                Some(*operation)
            }
            Settled::NotAllowed(operation) => Some(*operation),
        }
    }

    /// Writes the next state of an operation. Reads begun before it are shared no more.
    pub(super) async fn keep(&self, settlement: Settlement) -> Option<Settled> {
        let commit = trace::current().span(SpanKind::Internal, || "commit outcome".to_owned());
        let settled = self.write(settlement).await;
        commit.end();
        let settled = settled?;
        let (Settled::Done(operation) | Settled::NotAllowed(operation)) = &settled;
        if let Some(order) = &operation.order_id {
            self.reads.forget(order);
        }
        if operation.status.is_final() {
            self.clock.forget(operation.id);
        }
        Some(settled)
    }

    /// Writes what is already known, however long the store cannot take it: an outcome that is not written locks its order.
    /// It is counted meanwhile. Where the service stops first, the operation is recovered at the next start.
    async fn write(&self, settlement: Settlement) -> Option<Settled> {
        let mut stopping = self.stopping();
        let mut pause = Duration::from_millis(50);
        let mut stuck = None;
        loop {
            match self.store.settle(settlement.clone()).await {
                Ok(settled) => return Some(settled),
                Err(StoreError::Unavailable(error)) => {
                    tracing::error!(operation_id = %settlement.id, %error, "an outcome could not be written, trying again");
                    stuck.get_or_insert_with(|| self.stuck.one_more());
                }
                Err(error) => {
                    tracing::error!(operation_id = %settlement.id, %error, "an outcome cannot be written");
                    return None;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stopped(&mut stopping) => return self.store.settle(settlement).await.ok(),
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// A settlement without anything special.
    pub(super) fn settlement(&self, operation: &Operation, status: OperationStatus, by: &str) -> Settlement {
        Settlement {
            id: operation.id,
            status,
            already_done: false,
            failure: None,
            order_after: None,
            asked: self.numbers.next(),
            now: self.clock.now(),
            provider_id: None,
            claimed_done: false,
            proof: None,
            at: self.clock.time_of_day(),
            checks: operation.checks,
            next_check_at: None,
            releases_reference: false,
            reason: None,
            settled_by: by.to_owned(),
            cause: None,
        }
    }

    /// What evidence makes of an operation; nothing where it proves nothing. The order it was read with goes along.
    pub(super) fn ruled(
        &self,
        operation: &Operation,
        evidence: &mut Evidence,
        absence_proves: bool,
    ) -> Option<Settlement> {
        let Ruling { status, already_done, failure } = rule(operation, &evidence.verdict, absence_proves)?;
        let mut settlement = self.settlement(operation, status, "read");
        settlement.already_done = already_done;
        settlement.failure = failure;
        settlement.order_after = evidence.reading.take();
        settlement.next_check_at =
            (status == OperationStatus::Accepted).then(|| next_check(0, self.clock.now()));
        Some(settlement)
    }
}
