//! Settles operations whose answer was lost, by reading the provider on a schedule.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    core::{Core, stopped},
    schedule::{GIVE_UP, next_check, reads_by_age},
};
use crate::{
    adapter::{Account, ErrorKind},
    domain::{Intent, Operation, OperationStatus, Reading},
    faults,
    trace::{About, Context, Key, Span},
};

/// How often due checks are looked for.
const TICK: Duration = Duration::from_millis(500);
/// Checks made at once.
const AT_ONCE: u32 = 32;
/// Longest time one read for evidence may take.
const READ_TIME: Duration = Duration::from_secs(10);
pub(super) async fn run(reconciler: Arc<Reconciler>) {
    let core = &reconciler.core;
    let mut stopping = core.stopping();
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = stopped(&mut stopping) => return,
        }
        match core.store.due_checks(core.clock.now(), AT_ONCE).await {
            Ok(due) => {
                join_all(due.into_iter().map(|operation| reconciler.check(operation))).await;
            }
            Err(error) => tracing::warn!(%error, "due checks could not be listed"),
        }
    }
}

/// Settles lost answers by reading, and by what people decide.
#[derive(Debug)]
pub struct Reconciler {
    pub(super) core: Arc<Core>,
}

impl Reconciler {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Absence of an effect proves something only after this long: a late request may still arrive.
    fn settling_time(&self) -> Duration {
        self.core.provider_timeout().saturating_mul(2).max(faults::hurried(Duration::from_secs(60)))
    }

    /// One read for evidence of an operation that is `unknown` or `accepted`. False when the provider could not be
    /// read, or what it told could not be written.
    pub(super) async fn check(&self, operation: Operation) -> bool {
        let cause = operation.cause();
        let (context, mut span) = Context::of_later_work(&self.core.tracer, cause, "look for evidence");
        tell(&mut span, &operation);
        let told = context.about(About::operation(&operation)).run(self.check_in_context(operation)).await;
        span.end();
        told
    }

    async fn check_in_context(&self, operation: Operation) -> bool {
        let registry = self.core.registry();
        let Some(account) = registry.account(&operation.account) else {
            self.look_later(&operation, None).await;
            return false;
        };
        let absence_proves = self.absence_proves(account, &operation);
        let mut evidence = match self.core.evidence(account, &operation, Instant::now() + READ_TIME).await {
            Ok(evidence) => evidence,
            Err(error) => {
                if error.kind == ErrorKind::Misconfigured {
                    tracing::error!(operation_id = %operation.id, error = %error, "a lost answer cannot be settled");
                }
                self.look_later(&operation, None).await;
                return false;
            }
        };
        match self.core.ruled(&operation, &mut evidence, absence_proves) {
            Some(settlement) => self.core.commit(settlement).await.is_some(),
            None => {
                self.look_later(&operation, evidence.reading).await;
                true
            }
        }
    }

    /// Whether finding nothing from now on means that nothing happened: only where effects can be found, and only after the
    /// settling time. That is counted from when this process first knew of the operation, by the time that really passed:
    /// a clock that leaps must not end what may still arrive. A page that nobody was shown counts as never made once it
    /// has expired.
    fn absence_proves(&self, account: &Account, operation: &Operation) -> bool {
        let watched = self.core.clock.watched(operation.id);
        if operation.status != OperationStatus::Unknown || operation.claimed_done {
            return false;
        }
        let is_over = match &operation.intent {
            Intent::Create { .. } if !operation.repeat_harmless => false,
            Intent::Create { planned } => {
                self.core.clock.now() > planned.expires_at.plus(self.settling_time())
            }
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
        let now = self.core.clock.now();
        let mut settlement = self.core.settlement(operation, operation.status, "read");
        settlement.checks = operation.checks.saturating_add(1);
        let age = self.core.clock.age(operation.id, operation.created_at);
        settlement.next_check_at = Some(next_check(settlement.checks.min(reads_by_age(age)), now));
        settlement.order_after = order;
        let gives_up =
            operation.status == OperationStatus::Unknown && !operation.repeat_harmless && age > GIVE_UP;
        if gives_up {
            settlement.status = OperationStatus::NeedsReview;
            settlement.next_check_at = None;
            tracing::error!(operation_id = %operation.id, alert = "needs_review", "no evidence in time: a person must decide");
        }
        self.core.keep(settlement).await;
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
