//! Settles operations whose answer was lost, by reading the provider on a schedule: after 1 s, 5 s, 30 s, 2 min, 10 min, 1 h,
//! then hourly to 24 h; then a person decides.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{sync::watch, time::Instant};

use super::{Orders, asking::Evidence, failure::change_problem, stopped};
use crate::{
    adapter::{Account, ErrorKind, Verdict},
    domain::{Intent, Operation, OperationStatus, Reading, Timestamp},
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
/// Longest pause between attempts to write an outcome that is already known.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

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
        match orders.store.due_checks(orders.clock.now(), AT_ONCE).await {
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
        let absence_proves = self.absence_proves(account, &operation);
        let Evidence { verdict, reading } = match self
            .evidence(account, &operation, Instant::now() + READ_TIME)
            .await
        {
            Ok(evidence) => evidence,
            Err(error) => {
                if error.kind == ErrorKind::Misconfigured {
                    tracing::error!(operation_id = %operation.id, error = %error, "a lost answer cannot be settled");
                }
                self.look_later(&operation, None).await;
                return false;
            }
        };
        let settlement = match verdict {
            Verdict::Done(_) => {
                let mut done = self.settlement(&operation, OperationStatus::Succeeded, "read");
                done.already_done = operation.claimed_done;
                done.order_after = reading;
                done
            }
            Verdict::Refused(error) => {
                let mut refused = self.settlement(&operation, OperationStatus::Refused, "read");
                refused.failure = Some(change_problem(&error).to_failure());
                refused
            }
            Verdict::Accepted(_) if operation.status == OperationStatus::Unknown => {
                let mut accepted = self.settlement(&operation, OperationStatus::Accepted, "read");
                accepted.next_check_at = Some(next_check(0, self.clock.now()));
                accepted.order_after = reading;
                accepted
            }
            Verdict::NoTrace(_) if absence_proves => {
                let mut absent = self.settlement(&operation, OperationStatus::NotExecuted, "read");
                absent.order_after = reading;
                let problem = Problem::new(
                    ProblemCode::ProviderUnavailable,
                    "the answer was lost; the provider shows no trace of the change after the settling time",
                );
                absent.failure = Some(problem.to_failure());
                absent
            }
            Verdict::Accepted(_) | Verdict::Unclear(_) | Verdict::NoTrace(_) => {
                self.look_later(&operation, reading).await;
                return true;
            }
        };
        self.commit(settlement).await.is_some()
    }

    /// Whether finding nothing from now on means that nothing happened: only where effects can be found, and only after the
    /// settling time. That is counted from when this process first knew of the operation, by the time that really passed:
    /// a clock that leaps must not end what may still arrive. A page that nobody was shown counts as never made once it
    /// has expired.
    fn absence_proves(&self, account: &Account, operation: &Operation) -> bool {
        let watched = self.clock.watched(operation.id);
        if operation.status != OperationStatus::Unknown || operation.claimed_done {
            return false;
        }
        let is_over = match &operation.intent {
            Intent::Create { .. } if !operation.repeat_harmless => false,
            Intent::Create { planned } => self.clock.now() > planned.expires_at.plus(self.settling_time()),
            Intent::Update { .. }
            | Intent::Cancel { .. }
            | Intent::Capture { .. }
            | Intent::Refund { .. } => account.adapter.capabilities().operation(operation.kind).findable,
        };
        is_over && watched > self.settling_time()
    }

    /// Plans the next read. An accepted operation has no time limit, nor has a creation that its own expiry will
    /// settle; for the rest a person must decide in the end.
    async fn look_later(&self, operation: &Operation, order: Option<Reading>) {
        let now = self.clock.now();
        let mut settlement = self.settlement(operation, operation.status, "read");
        settlement.checks = operation.checks.saturating_add(1);
        let age = self.clock.age(operation.id, operation.created_at);
        settlement.next_check_at = Some(next_check(settlement.checks.min(reads_by_age(age)), now));
        settlement.order_after = order;
        let gives_up =
            operation.status == OperationStatus::Unknown && !operation.repeat_harmless && age > GIVE_UP;
        if gives_up {
            settlement.status = OperationStatus::NeedsReview;
            settlement.next_check_at = None;
            tracing::error!(operation_id = %operation.id, alert = "needs_review", "no evidence in time: a person must decide");
        }
        self.keep(settlement).await;
    }

    /// How many outcomes are known that the store could not take yet.
    pub fn stuck_outcomes(&self) -> u64 {
        self.stuck.count()
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
        if operation.status.is_final() {
            self.clock.forget(operation.id);
        }
        Some(settled)
    }

    /// Writes what is already known, however long the store cannot take it: an outcome that is not written locks its order.
    /// It is counted meanwhile. Where the service stops first, the operation is recovered at the next start.
    async fn write(&self, settlement: Settlement) -> Option<Settled> {
        let mut stopping = self.stopping.subscribe();
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
}

/// How many outcomes are known that the store could not take yet.
#[derive(Debug, Default)]
pub(super) struct Stuck(Arc<AtomicU64>);

/// One outcome that waits for the store; counted until it is dropped.
struct OneStuck(Arc<AtomicU64>);

impl Stuck {
    fn one_more(&self) -> OneStuck {
        self.0.fetch_add(1, Ordering::Relaxed);
        OneStuck(Arc::clone(&self.0))
    }

    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for OneStuck {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
