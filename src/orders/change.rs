//! Changing an order: write before you call, never guess, never resend.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    Caller, Orders,
    decide::{Decision, decide, exceeds_remaining, unsupported},
    detached::{Agreement, too_late},
    failure::{first_read_problem, store_problem},
    not_found,
};
use crate::{
    adapter::{Account, Violation},
    domain::{
        Intent, Money, Operation, OperationId, OperationKind, OperationStatus, Order, OrderId, OrderPatch,
        Outcome, Timestamp,
    },
    faults, metrics,
    problem::{Problem, ProblemCode},
    store::{Begun, ChangeView, IdempotencyKey, KeyRecord, NewOperation, deadline},
    trace::{self, About, SpanKind},
};

/// How often a change is decided anew because the order was changed by someone else while it was being read.
const DECISIONS_MAX: usize = 3;

/// What is asked for.
#[derive(Debug, Clone)]
pub enum ChangeRequest {
    /// Change what the payer is asked for.
    Update(Box<OrderPatch>),
    /// Release all that is left, or a part.
    Cancel {
        /// The part; `None` means all that is left.
        amount: Option<Money>,
    },
    /// Take all that is reserved, or a part.
    Capture {
        /// The part; `None` means all that is left.
        amount: Option<Money>,
    },
    /// Give back all that is left, or a part.
    Refund {
        /// The part; `None` means all that is left.
        amount: Option<Money>,
    },
}

impl ChangeRequest {
    fn kind(&self) -> OperationKind {
        match self {
            Self::Update(_) => OperationKind::Update,
            Self::Cancel { .. } => OperationKind::Cancel,
            Self::Capture { .. } => OperationKind::Capture,
            Self::Refund { .. } => OperationKind::Refund,
        }
    }

    /// The same for what is left beside operations the provider does not show yet, when all that is left was asked
    /// for. `None` when a part was named: it stays as the caller named it.
    fn of_the_rest(&self, left: Money) -> Option<Self> {
        let amount = Some(left);
        match self {
            Self::Cancel { amount: None } => Some(Self::Cancel { amount }),
            Self::Capture { amount: None } => Some(Self::Capture { amount }),
            Self::Refund { amount: None } => Some(Self::Refund { amount }),
            Self::Update(_) | Self::Cancel { .. } | Self::Capture { .. } | Self::Refund { .. } => None,
        }
    }
}

/// Checks the order as it is now against the caller's `If-Match`.
pub type Precondition = Box<dyn Fn(&Order) -> bool + Send + Sync>;

/// A caller's `Idempotency-Key` with the fingerprint of its request.
pub type CallerKey = (String, String);

/// A change as it comes from a caller.
pub struct NewChange {
    /// Which order.
    pub id: OrderId,
    /// What to do with it.
    pub request: ChangeRequest,
    /// The caller's key.
    pub key: Option<CallerKey>,
    /// The caller's `If-Match`.
    pub precondition: Option<Precondition>,
    /// When the caller gets its answer at the latest.
    pub deadline: Instant,
}

impl std::fmt::Debug for NewChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewChange")
            .field("id", &self.id)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

/// What became of a change: its operation as far as it is known when the caller is answered.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The operation.
    pub operation: Operation,
    /// Whether an earlier request with the same key did it.
    pub replayed: bool,
    /// Whether the store has the operation. One with nothing to do and without a key is not kept: asked for again and
    /// again it would fill the store.
    pub kept: bool,
}

impl Changed {
    /// An operation that is in the store.
    pub(super) fn kept(operation: Operation) -> Self {
        Self { operation, replayed: false, kept: true }
    }
}

/// What became of an attempt to write an intent and send it.
pub(super) enum Attempt {
    /// The operation as it is now.
    Ended(Box<Operation>),
    /// The store has an answer of its own.
    NotBegun(Begun),
}

impl Orders {
    /// Changes an order. The work is detached from the caller: it goes on when the caller hangs up, and at the
    /// caller's deadline the operation is given as it is then.
    ///
    /// # Errors
    /// Everything that keeps the change from being begun; what the provider refused is in the operation.
    pub async fn change(self: &Arc<Self>, caller: &Caller, change: NewChange) -> Result<Changed, Problem> {
        let account = self.account(caller, &change.id)?;
        let deadline = change.deadline;
        let (orders, caller, id) = (Arc::clone(self), caller.clone(), change.id.clone());
        self.detached(deadline, Some(&id), |agreement| async move {
            orders.carry_out(&account, &caller, change, &agreement).await
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
        deadline::within(until, self.store.look(order, key)).await.map_err(store_problem)
    }

    async fn carry_out(
        &self,
        account: &Account,
        caller: &Caller,
        mut change: NewChange,
        agreement: &Agreement,
    ) -> Result<Changed, Problem> {
        let kind = change.request.kind();
        for _ in 0..DECISIONS_MAX {
            let key = change.key.as_ref().map(|(key, _)| (caller.client.as_str(), key.as_str()));
            let view = self.look_in_time(change.deadline, Some(&change.id), key).await?;
            if let Some(record) = &view.key
                && let Some(answer) = replay(record, change.key.as_ref())
            {
                return answer;
            }
            if view.key_is_spent {
                return Err(Problem::plain(ProblemCode::IdempotencyKeyExpired).about(&change.id));
            }
            if !account.adapter.capabilities().operation(kind).supported {
                return Err(unsupported(kind).about(&change.id));
            }
            if let Some(other) = view.blocking {
                return Err(in_progress(&change.id, other));
            }
            agreement.reads();
            let reading = self
                .ask(account, &change.id, change.deadline)
                .await
                .map_err(|error| first_read_problem(&error).about(&change.id))?;
            agreement.stores();
            self.copies.keep(&reading);
            let (before, asked) = (reading.order, reading.asked);
            let decision = if change.precondition.as_ref().is_some_and(|holds| !holds(&before)) {
                Err(Problem::plain(ProblemCode::VersionMismatch).about(&change.id))
            } else {
                decide(account, before, &change.request)
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
                .about(&change.id));
            }
            let (intent, limit, status) = match decision {
                Decision::Send { intent, limit } => (intent, limit, OperationStatus::Sending),
                Decision::AlreadyDone(intent) => (intent, None, OperationStatus::Succeeded),
            };
            let now = self.clock.time_of_day();
            let operation = new_operation(account, caller, OperationId::generate(), intent, status, now);
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
                now: self.clock.now(),
                claims_reference,
                limit,
                operation,
            };
            let currency = new.operation.amount.map(Money::currency);
            match self.attempt(account, new, agreement, change.deadline).await? {
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
                        |left| exceeds_remaining(&change.id, left),
                    ));
                }
                Attempt::NotBegun(refusal) => {
                    return not_begun(refusal, change.key.as_ref(), Some(&change.id));
                }
            }
        }
        Err(Problem::plain(ProblemCode::OperationInProgress).about(&change.id))
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

    /// Writes the intent down, sends it once and writes down what came of it.
    pub(super) async fn attempt(
        &self,
        account: &Account,
        new: NewOperation,
        agreement: &Agreement,
        deadline: Instant,
    ) -> Result<Attempt, Problem> {
        let context = trace::current().about(About::operation(&new.operation));
        context.run(self.attempt_in_context(account, new, agreement, deadline)).await
    }

    async fn attempt_in_context(
        &self,
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
        let result = deadline::within(deadline, self.store.begin(new)).await;
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
            return Ok(Attempt::Ended(Box::new(self.not_sent(operation).await)));
        }
        self.clock.begun(operation.id);
        let settlement = self.send(account, &operation, deadline).await;
        faults::reached("before_outcome");
        let (status, at) = (settlement.status, settlement.at);
        let ended = self.commit(settlement).await;
        faults::reached("outcome_committed");
        let ended = match ended {
            // A notification told its end while the answer was under way.
            Some(ended) if (ended.status, ended.updated_at) != (status, at) => {
                self.with_the_order_after(account, ended, deadline).await
            }
            Some(ended) => ended,
            None => operation,
        };
        Ok(Attempt::Ended(Box::new(ended)))
    }

    /// Ends an operation whose intent came to disk after its caller was told that nothing was done.
    async fn not_sent(&self, operation: Operation) -> Operation {
        let mut late = self.settlement(&operation, OperationStatus::NotExecuted, "deadline");
        late.failure = Some(too_late().to_failure());
        self.commit(late).await.unwrap_or(operation)
    }
}

/// The key as the store wants it.
pub(super) fn idempotency_key(caller: &Caller, key: Option<&CallerKey>) -> Option<IdempotencyKey> {
    key.map(|(key, fingerprint)| IdempotencyKey {
        client: caller.client.clone(),
        key: key.clone(),
        fingerprint: fingerprint.clone(),
    })
}

/// The answer to a change that the store did not let begin.
pub(super) fn not_begun(
    refusal: Begun,
    key: Option<&CallerKey>,
    order: Option<&OrderId>,
) -> Result<Changed, Problem> {
    let about = |problem: Problem| match order {
        Some(order) => problem.about(order),
        None => problem,
    };
    match refusal {
        Begun::KeyUsed(record) => {
            replay(&record, key).unwrap_or_else(|| Err(Problem::plain(ProblemCode::IdempotencyKeyInUse)))
        }
        Begun::KeySpent => Err(about(Problem::plain(ProblemCode::IdempotencyKeyExpired))),
        Begun::Blocked(other) => Err(about(Problem {
            operation_id: Some(other),
            ..Problem::plain(ProblemCode::OperationInProgress)
        })),
        Begun::ReferenceInUse(other) => Err(about(Problem {
            order_id: other.clone(),
            errors: vec![Violation {
                pointer: "/merchant_reference".to_owned(),
                code: "merchant_reference_in_use",
                detail: other.map_or_else(
                    || "an order that is being made has it".to_owned(),
                    |other| {
                        format!(
                            "the order {other} has it, which is paid or can still be paid; cancel it first"
                        )
                    },
                ),
            }],
            ..Problem::plain(ProblemCode::MerchantReferenceInUse)
        })),
        Begun::Started | Begun::Outdated | Begun::LimitExceeded(_) => {
            Err(about(Problem::plain(ProblemCode::OperationInProgress)))
        }
    }
}

/// What a used key means for a request with this fingerprint; `None` when it runs again.
pub(super) fn replay(record: &KeyRecord, key: Option<&CallerKey>) -> Option<Result<Changed, Problem>> {
    let operation = &record.operation;
    if key.map(|(_, fingerprint)| fingerprint) != Some(&record.fingerprint) {
        return Some(Err(Problem::plain(ProblemCode::IdempotencyKeyReused)));
    }
    match operation.status {
        OperationStatus::NotExecuted => None,
        OperationStatus::Pending | OperationStatus::Sending => Some(Err(Problem {
            operation_id: Some(operation.id),
            // Its own outcome is not known yet; this request did nothing.
            outcome: Some(Outcome::NotExecuted),
            ..Problem::plain(ProblemCode::IdempotencyKeyInUse)
        })),
        OperationStatus::Accepted
        | OperationStatus::Unknown
        | OperationStatus::NeedsReview
        | OperationStatus::Succeeded
        | OperationStatus::Refused => {
            metrics::idempotency_replay();
            Some(Ok(Changed { replayed: true, ..Changed::kept(operation.clone()) }))
        }
    }
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
                && planned.order.delivery.channel == crate::domain::DeliveryChannel::Link
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

fn in_progress(id: &OrderId, operation: OperationId) -> Problem {
    Problem { operation_id: Some(operation), ..Problem::plain(ProblemCode::OperationInProgress) }.about(id)
}

impl Orders {
    /// Whether an order of this id could exist for this caller at all, before anything is read.
    ///
    /// # Errors
    /// The same 404 for an unknown account, one the caller may not use, and a reference in no accepted spelling.
    pub fn check_route(&self, caller: &Caller, id: &OrderId) -> Result<(), Problem> {
        self.account(caller, id).map(|_| ()).map_err(|_| not_found())
    }
}
