//! Settles operations whose answer was lost, by reading the provider on a schedule (conventions, section 6).

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{sync::watch, time::Instant};

use super::{Orders, stopped};
use crate::{
    adapter::{ErrorKind, Verdict},
    domain::{Operation, OperationStatus, Timestamp},
    problem::{Problem, ProblemCode},
    store::{Settled, Settlement, StoreError},
};

/// Pauses between reads; the last one repeats until [`GIVE_UP`].
const SCHEDULE: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(3_600),
];
/// No evidence for so long: a person must decide.
const GIVE_UP: Duration = Duration::from_secs(24 * 3_600);
/// How often due checks are looked for.
const TICK: Duration = Duration::from_millis(500);
/// Checks made at once.
const AT_ONCE: u32 = 32;
/// Longest time one read for evidence may take.
const READ_TIME: Duration = Duration::from_secs(10);
/// Attempts to write an outcome that is already known.
const COMMIT_ATTEMPTS: u32 = 6;

/// When to look next after `checks` reads.
pub(super) fn next_check(checks: u32, now: Timestamp) -> Timestamp {
    let index = usize::try_from(checks).unwrap_or(usize::MAX);
    now.plus(SCHEDULE.get(index).or(SCHEDULE.last()).copied().unwrap_or(GIVE_UP))
}

pub(super) async fn run(orders: Arc<Orders>, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = stopped(&mut stopping) => return,
        }
        match orders.store.due_checks(Timestamp::now(), AT_ONCE).await {
            Ok(due) => {
                join_all(due.into_iter().map(|operation| orders.check(operation))).await;
            }
            Err(error) => tracing::warn!(%error, "due checks could not be listed"),
        }
    }
}

impl Orders {
    /// Absence of an effect proves something only after this long: a late request may still arrive.
    fn settling_time(&self) -> Duration {
        self.provider_timeout.saturating_mul(2).max(Duration::from_secs(60))
    }

    /// One read for evidence of an operation that is `unknown`.
    async fn check(&self, operation: Operation) {
        let now = Timestamp::now();
        let registry = self.registry();
        let Some(account) = registry.account(&operation.order_id.account) else {
            self.look_later(&operation, now).await;
            return;
        };
        let asked_at = Timestamp::now();
        match account.adapter.settle(&operation, Instant::now() + READ_TIME).await {
            Ok(Verdict::Done(order)) => {
                self.commit(settlement(&operation, OperationStatus::Succeeded, "read").with_order(*order))
                    .await;
            }
            Ok(Verdict::NoTrace(order)) if asked_at.since(operation.created_at) > self.settling_time() => {
                let mut settlement =
                    settlement(&operation, OperationStatus::NotExecuted, "read").with_order(*order);
                let problem = Problem::new(
                    ProblemCode::ProviderUnavailable,
                    "the answer was lost; the provider shows no trace of the change after the settling time",
                );
                settlement.failure = Some(problem.to_failure());
                self.commit(settlement).await;
            }
            Ok(Verdict::NoTrace(order)) => {
                self.copies.keep(&order);
                self.look_later(&operation, now).await;
            }
            Err(error) => {
                if error.kind == ErrorKind::Misconfigured {
                    tracing::error!(operation_id = %operation.id, error = %error, "a lost answer cannot be settled");
                }
                self.look_later(&operation, now).await;
            }
        }
    }

    async fn look_later(&self, operation: &Operation, now: Timestamp) {
        let give_up = now.since(operation.created_at) > GIVE_UP;
        let status = if give_up { OperationStatus::NeedsReview } else { OperationStatus::Unknown };
        let mut settlement = settlement(operation, status, "read");
        settlement.checks = operation.checks.saturating_add(1);
        settlement.next_check_at = (!give_up).then(|| next_check(settlement.checks, now));
        if give_up {
            tracing::error!(operation_id = %operation.id, alert = "needs_review", "no evidence in time: a person must decide");
        }
        self.commit(settlement).await;
    }

    /// Writes the next state of an operation. What is already known is worth some attempts; if it cannot be
    /// written, the operation stays as it was and is recovered at the next start.
    pub(super) async fn commit(&self, settlement: Settlement) -> Option<Operation> {
        let mut pause = Duration::from_millis(50);
        for _ in 0..COMMIT_ATTEMPTS {
            match self.store.settle(settlement.clone()).await {
                Ok(Settled::Done(operation) | Settled::NotAllowed(operation)) => return Some(*operation),
                Err(StoreError::Unavailable(error)) => {
                    tracing::error!(operation_id = %settlement.id, %error, "an outcome could not be written, trying again");
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2);
                }
                Err(error) => {
                    tracing::error!(operation_id = %settlement.id, %error, "an outcome cannot be written");
                    return None;
                }
            }
        }
        None
    }
}

/// A settlement without anything special.
pub(super) fn settlement(operation: &Operation, status: OperationStatus, by: &str) -> Settlement {
    Settlement {
        id: operation.id,
        status,
        already_done: false,
        failure: None,
        order_after: None,
        at: Timestamp::now(),
        checks: operation.checks,
        next_check_at: None,
        settled_by: by.to_owned(),
    }
}

impl Settlement {
    /// The same, with the order as read after it.
    #[must_use]
    pub fn with_order(mut self, order: crate::domain::Order) -> Self {
        self.order_after = Some(order);
        self
    }
}
