//! Settles operations whose answer was lost, by reading the provider on a schedule (conventions, section 6).

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{sync::watch, time::Instant};

use super::{Orders, failure::change_problem, stopped};
use crate::{
    adapter::{Account, ErrorKind, Verdict},
    domain::{Intent, Operation, OperationStatus, Order, Timestamp},
    faults, metrics,
    problem::{Problem, ProblemCode},
    store::{Settled, Settlement, StoreError},
    trace::{self, About, Context, Key, Span, SpanKind},
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
    now.plus(faults::hurried(SCHEDULE.get(index).or(SCHEDULE.last()).copied().unwrap_or(GIVE_UP)))
}

/// The reads that the schedule has at most made of an operation of this age. Reads that a notification asked for come on
/// top of it, and must not put the next one off.
fn reads_by_age(age: Duration) -> u32 {
    let passed = SCHEDULE.iter().take_while(|pause| faults::hurried(**pause) <= age).count();
    u32::try_from(passed).unwrap_or(u32::MAX)
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
        let timeout = Duration::from_millis(self.provider_timeout_ms.load(Ordering::Relaxed));
        timeout.saturating_mul(2).max(faults::hurried(Duration::from_secs(60)))
    }

    /// One read for evidence of an operation that is `unknown` or `accepted`. False when the provider could not be
    /// read, or what it told could not be written.
    pub(super) async fn check(&self, operation: Operation) -> bool {
        let cause = operation.cause();
        let (context, mut span) = Context::of_later_work(&self.tracer, cause, "look for evidence");
        tell(&mut span, &operation);
        let told = context.about(About::operation(&operation)).run(self.check_in_context(operation)).await;
        span.end();
        told
    }

    async fn check_in_context(&self, operation: Operation) -> bool {
        let registry = self.registry();
        let Some(account) = registry.account(&operation.account) else {
            self.look_later(&operation, None).await;
            return false;
        };
        let asked_at = Timestamp::now();
        if faults::planted("recovery_resends") && operation.checks == 0 {
            let again = self.send(account, &operation, Instant::now() + READ_TIME).await;
            return self.commit(again).await.is_some();
        }
        let settlement = match self.evidence(account, &operation, Instant::now() + READ_TIME).await {
            Ok(Verdict::Done(order)) => {
                let mut done = settlement(&operation, OperationStatus::Succeeded, "read");
                done.order_after = order.map(|order| *order);
                done
            }
            Ok(Verdict::Refused(error)) => {
                let mut refused = settlement(&operation, OperationStatus::Refused, "read");
                refused.failure = Some(change_problem(&error).to_failure());
                refused
            }
            Ok(Verdict::Accepted(order)) if operation.status == OperationStatus::Unknown => {
                let mut accepted = settlement(&operation, OperationStatus::Accepted, "read");
                accepted.next_check_at = Some(next_check(0, asked_at));
                accepted.order_after = order.map(|order| *order);
                accepted
            }
            Ok(Verdict::NoTrace(order)) if self.absence_proves(account, &operation, asked_at) => {
                let mut absent = settlement(&operation, OperationStatus::NotExecuted, "read");
                absent.order_after = order.map(|order| *order);
                let problem = Problem::new(
                    ProblemCode::ProviderUnavailable,
                    "the answer was lost; the provider shows no trace of the change after the settling time",
                );
                absent.failure = Some(problem.to_failure());
                absent
            }
            Ok(Verdict::Accepted(order) | Verdict::Unclear(order) | Verdict::NoTrace(order)) => {
                self.look_later(&operation, order.map(|order| *order)).await;
                return true;
            }
            Err(error) => {
                if error.kind == ErrorKind::Misconfigured {
                    tracing::error!(operation_id = %operation.id, error = %error, "a lost answer cannot be settled");
                }
                self.look_later(&operation, None).await;
                return false;
            }
        };
        self.commit(settlement).await.is_some()
    }

    /// Whether finding nothing means that nothing happened: only where effects can be found, and only after the
    /// settling time. A page that nobody was shown counts as never made once it has expired.
    fn absence_proves(&self, account: &Account, operation: &Operation, asked_at: Timestamp) -> bool {
        if operation.status != OperationStatus::Unknown {
            return false;
        }
        if faults::planted("absence_proves_at_once") {
            return true;
        }
        let since = match &operation.intent {
            Intent::Create { .. } if !operation.repeat_harmless => return false,
            Intent::Create { planned } => planned.expires_at,
            Intent::Update { .. }
            | Intent::Cancel { .. }
            | Intent::Capture { .. }
            | Intent::Refund { .. } => {
                if !account.adapter.capabilities().operation(operation.kind).findable {
                    return false;
                }
                operation.created_at
            }
        };
        asked_at > since.plus(self.settling_time())
    }

    /// Plans the next read. An accepted operation has no time limit, nor has a creation that its own expiry will
    /// settle; for the rest a person must decide in the end.
    async fn look_later(&self, operation: &Operation, order: Option<Order>) {
        let now = Timestamp::now();
        let mut settlement = settlement(operation, operation.status, "read");
        settlement.checks = operation.checks.saturating_add(1);
        let age = now.since(operation.created_at);
        settlement.next_check_at = Some(next_check(settlement.checks.min(reads_by_age(age)), now));
        settlement.order_after = order;
        let gives_up = operation.status == OperationStatus::Unknown
            && !operation.repeat_harmless
            && now.since(operation.created_at) > GIVE_UP;
        if gives_up {
            settlement.status = OperationStatus::NeedsReview;
            settlement.next_check_at = None;
            tracing::error!(operation_id = %operation.id, alert = "needs_review", "no evidence in time: a person must decide");
        }
        self.keep(settlement).await;
    }

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
    async fn keep(&self, settlement: Settlement) -> Option<Settled> {
        let commit = trace::current().span(SpanKind::Internal, || "commit outcome".to_owned());
        let settled = self.write(settlement).await;
        commit.end();
        let settled = settled?;
        let (Settled::Done(operation) | Settled::NotAllowed(operation)) = &settled;
        if let Some(order) = &operation.order_id {
            self.reads.forget(order);
        }
        Some(settled)
    }

    /// What is already known is worth some attempts; if it cannot be written, the operation stays as it was and is
    /// recovered at the next start.
    async fn write(&self, settlement: Settlement) -> Option<Settled> {
        let mut pause = Duration::from_millis(50);
        for _ in 0..COMMIT_ATTEMPTS {
            match self.store.settle(settlement.clone()).await {
                Ok(settled) => return Some(settled),
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

/// Says which operation a span is about.
fn tell(span: &mut Span, operation: &Operation) {
    if span.is_recorded() {
        span.tell(Key::OperationId, operation.id.to_string());
        span.tell_some(Key::OrderId, operation.expected_order().map(|id| id.to_string()));
        span.tell(Key::Provider, operation.provider.as_str());
        span.tell(Key::RequestId, operation.request_id.as_str());
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
        releases_reference: false,
        reason: None,
        follow_at: None,
        settled_by: by.to_owned(),
        cause: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_on_top_of_the_schedule_do_not_put_the_next_one_off() {
        let pause = |checks: u32, age_seconds: u64| {
            let reads = checks.min(reads_by_age(Duration::from_secs(age_seconds)));
            next_check(reads, Timestamp::from_millis(0)).as_millis() / 1_000
        };
        // As planned: after 1 s, 6 s, 36 s ...
        assert_eq!([pause(0, 0), pause(1, 1), pause(2, 6), pause(3, 36)], [1, 5, 30, 120]);
        // Four notifications within five seconds.
        assert_eq!(pause(4, 5), 30);
        assert_eq!(pause(9, 1), 5);
        // An answer that was waited for at length: the first read still comes at once.
        assert_eq!(pause(0, 45), 1);
    }
}
