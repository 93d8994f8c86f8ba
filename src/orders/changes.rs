//! Changing an order: write before you call, never guess, never resend.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    agreement::{Agreement, detached},
    attempt::{Attempt, attempt, new_operation},
    caller::Caller,
    copies::WriteBehind,
    core::Core,
    decide::{Decision, decide, exceeds_remaining, unsupported},
    failure::{first_read_problem, store_problem},
    keys::{idempotency_key, in_progress, not_begun, replay},
    request::{Changed, Located, NewChange},
};
use crate::{
    domain::{Intent, Money, OperationId, OperationStatus, OrderId},
    problem::{Problem, ProblemCode},
    store::{Begun, ChangeView, NewOperation, deadline},
};

/// How often a change is decided anew because the order was changed by someone else while it was being read.
const DECISIONS_MAX: usize = 3;

/// Changes of orders that callers want.
#[derive(Debug)]
pub struct Changes {
    pub(super) core: Arc<Core>,
    copies: Arc<WriteBehind>,
}

impl Changes {
    pub(super) fn new(core: Arc<Core>, copies: Arc<WriteBehind>) -> Self {
        Self { core, copies }
    }

    /// Changes an order. The work is detached from the caller: it goes on when the caller hangs up, and at the
    /// caller's deadline the operation is given as it is then.
    ///
    /// # Errors
    /// Everything that keeps the change from being begun; what the provider refused is in the operation.
    pub async fn change(self: &Arc<Self>, caller: &Caller, change: NewChange) -> Result<Changed, Problem> {
        let deadline = change.deadline;
        let (changes, caller, id) = (Arc::clone(self), caller.clone(), change.order.id.clone());
        detached(&self.core, deadline, Some(&id), |agreement| async move {
            changes.carry_out(&caller, change, &agreement).await
        })
        .await
    }

    /// What must be known before a change is begun, read before the caller's deadline.
    pub(super) async fn look_in_time(
        &self,
        until: Instant,
        order: Option<&OrderId>,
        key: Option<(&str, &str)>,
    ) -> Result<ChangeView, Problem> {
        deadline::within(until, self.core.store.look(order, key)).await.map_err(store_problem)
    }

    async fn carry_out(
        &self,
        caller: &Caller,
        mut change: NewChange,
        agreement: &Agreement,
    ) -> Result<Changed, Problem> {
        let Located { account, id } = change.order.clone();
        let kind = change.request.kind();
        for _ in 0..DECISIONS_MAX {
            let key = change.key.as_ref().map(|(key, _)| (caller.client.as_str(), key.as_str()));
            let view = self.look_in_time(change.deadline, Some(&id), key).await?;
            if let Some(record) = &view.key
                && let Some(answer) = replay(record, change.key.as_ref())
            {
                return answer;
            }
            if view.key_is_spent {
                return Err(Problem::plain(ProblemCode::IdempotencyKeyExpired).about(&id));
            }
            if !account.adapter.capabilities().operation(kind).supported {
                return Err(unsupported(kind).about(&id));
            }
            if let Some(other) = view.blocking {
                return Err(in_progress(&id, other));
            }
            agreement.reads();
            let reading = self
                .core
                .ask(&account, &id, change.deadline)
                .await
                .map_err(|error| first_read_problem(&error).about(&id))?;
            agreement.stores();
            self.copies.keep(&reading);
            let (before, asked) = (reading.order, reading.asked);
            let decision = if change.precondition.as_ref().is_some_and(|holds| !holds(&before)) {
                Err(Problem::plain(ProblemCode::VersionMismatch).about(&id))
            } else {
                decide(&account, before, &change.request)
            };
            let decision = match decision {
                Ok(decision) => decision,
                Err(refusal) => return self.unless_used(caller, &change, refusal).await,
            };
            if Instant::now() >= change.deadline {
                return Err(Problem::new(
                    ProblemCode::ProviderUnavailable,
                    "the order was read too late to change it in time; nothing was sent",
                )
                .about(&id));
            }
            let (intent, limit, status) = match decision {
                Decision::Send { intent, limit } => (intent, limit, OperationStatus::Sending),
                Decision::AlreadyDone(intent) => (intent, None, OperationStatus::Succeeded),
            };
            let now = self.core.clock.time_of_day();
            let operation = new_operation(&account, caller, OperationId::generate(), intent, status, now);
            if status == OperationStatus::Succeeded && change.key.is_none() {
                return Ok(Changed { kept: false, ..Changed::kept(operation) });
            }
            let claims_reference = match &operation.intent {
                Intent::Update { patch, .. } => patch.merchant_reference.value().cloned(),
                Intent::Create { .. }
                | Intent::Cancel { .. }
                | Intent::Capture { .. }
                | Intent::Refund { .. } => None,
            };
            let new = NewOperation {
                key: idempotency_key(caller, change.key.as_ref()),
                change_count: view.change_count,
                asked,
                now: self.core.clock.now(),
                claims_reference,
                limit,
                operation,
            };
            let currency = new.operation.amount.map(Money::currency);
            match attempt(&self.core, &account, new, agreement, change.deadline).await? {
                Attempt::Ended(operation) => return Ok(Changed::kept(*operation)),
                Attempt::NotBegun(Begun::Outdated | Begun::Started) => {}
                Attempt::NotBegun(Begun::LimitExceeded(left)) => {
                    let left = currency.and_then(|currency| Money::balance(left, currency).ok());
                    let rest = left.filter(|left| left.value() > 0);
                    if let Some(request) = rest.and_then(|rest| change.request.of_the_rest(rest)) {
                        change.request = request;
                        continue;
                    }
                    return Err(left.map_or_else(
                        || Problem::plain(ProblemCode::AmountExceedsRemaining),
                        |left| exceeds_remaining(&id, left),
                    ));
                }
                Attempt::NotBegun(refusal) => {
                    return not_begun(refusal, change.key.as_ref(), Some(&id));
                }
            }
        }
        Err(Problem::plain(ProblemCode::OperationInProgress).about(&id))
    }

    /// The refusal of a request, unless an equal one with its key was begun since the key was looked up: then the state
    /// that is the reason may be that one's work, and its answer is the answer.
    async fn unless_used(
        &self,
        caller: &Caller,
        change: &NewChange,
        refusal: Problem,
    ) -> Result<Changed, Problem> {
        let Some((key, _)) = &change.key else { return Err(refusal) };
        let view = self.look_in_time(change.deadline, None, Some((&caller.client, key))).await?;
        let answer = view.key.and_then(|record| replay(&record, change.key.as_ref()));
        answer.unwrap_or(Err(refusal))
    }
}
