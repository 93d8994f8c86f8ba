//! Changing an order: write before you call, never guess, never resend.

use std::sync::Arc;

use tokio::{sync::oneshot, time::Instant};

use super::{
    Caller, Orders,
    failure::{change_problem, first_read_problem, store_problem},
    not_found,
    reconcile::{next_check, settlement},
};
use crate::{
    adapter::{Account, ErrorKind, ProviderError, Verdict, Violation},
    domain::{
        Action, Intent, Money, Operation, OperationId, OperationKind, OperationStatus, Order, OrderId,
        OrderPatch, OrderStatus, Outcome, Timestamp,
    },
    faults,
    problem::{Problem, ProblemCode},
    store::{Begun, IdempotencyKey, KeyRecord, NewOperation, Settlement},
};

/// How often a change is decided anew because the order was changed by someone else while it was being read.
const DECISIONS_MAX: usize = 3;
/// Longest time for the one read that may settle a lost answer at once, when the caller has already gone.
const READ_FOR_EVIDENCE: std::time::Duration = std::time::Duration::from_secs(10);

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
}

impl ChangeRequest {
    fn kind(&self) -> OperationKind {
        match self {
            Self::Update(_) => OperationKind::Update,
            Self::Cancel { .. } => OperationKind::Cancel,
        }
    }
}

/// Checks the order as it is now against the caller's `If-Match`.
pub type Precondition = Box<dyn Fn(&Order) -> bool + Send + Sync>;

/// A change as it comes from a caller.
pub struct NewChange {
    /// Which order.
    pub id: OrderId,
    /// What to do with it.
    pub request: ChangeRequest,
    /// The caller's key and the fingerprint of its request.
    pub key: Option<(String, String)>,
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
}

/// What is to be done after the order was read.
enum Decision {
    /// Send this to the provider.
    Send(Intent),
    /// Nothing is left to do.
    AlreadyDone(Intent),
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
        let (begun, mut has_begun) = oneshot::channel();
        let (orders, caller) = (Arc::clone(self), caller.clone());
        let span = tracing::Span::current();
        let work = tracing::Instrument::instrument(
            async move { orders.carry_out(&account, &caller, change, begun).await },
            span,
        );
        let mut task = self.tasks.spawn(work);
        let broken = |error: tokio::task::JoinError| {
            tracing::error!(%error, "a change ended abnormally");
            Problem::plain(ProblemCode::InternalError)
        };
        // Before the intent is committed every step ends by itself: the read at the deadline, the store at once.
        let operation = tokio::select! {
            ended = &mut task => return ended.map_err(broken)?,
            operation = &mut has_begun => operation,
        };
        match (operation, tokio::time::timeout_at(deadline, &mut task).await) {
            (_, Ok(Ok(ended))) => ended,
            (Ok(operation), Ok(Err(error))) => {
                // Something may have been sent: say what is known, not 500.
                let _ = broken(error);
                Ok(Changed { operation, replayed: false })
            }
            (Ok(operation), Err(_)) => Ok(Changed { operation, replayed: false }),
            (Err(_), Ok(Err(error))) => Err(broken(error)),
            (Err(_), Err(_)) => Err(Problem::plain(ProblemCode::InternalError)),
        }
    }

    async fn carry_out(
        &self,
        account: &Account,
        caller: &Caller,
        change: NewChange,
        begun: oneshot::Sender<Operation>,
    ) -> Result<Changed, Problem> {
        let kind = change.request.kind();
        for _ in 0..DECISIONS_MAX {
            let key = change.key.as_ref().map(|(key, _)| (caller.client.as_str(), key.as_str()));
            let view = self.store.look(&change.id, key).await.map_err(store_problem)?;
            if let Some(record) = &view.key
                && let Some(answer) = replay(record, change.key.as_ref().map(|(_, print)| print.as_str()))
            {
                return answer;
            }
            if !account.adapter.capabilities().operation(kind).supported {
                return Err(unsupported(kind, &change.id));
            }
            if let Some(other) = view.blocking {
                return Err(in_progress(&change.id, other));
            }
            let before = account
                .adapter
                .fetch(&change.id.reference, change.deadline)
                .await
                .map_err(|error| first_read_problem(&error).about(&change.id))?;
            self.copies.keep(&before);
            if change.precondition.as_ref().is_some_and(|holds| !holds(&before)) {
                return Err(Problem::plain(ProblemCode::VersionMismatch).about(&change.id));
            }
            let decision = decide(account, before, &change.request)?;
            if Instant::now() >= change.deadline {
                return Err(Problem::new(
                    ProblemCode::ProviderUnavailable,
                    "the order was read too late to change it in time; nothing was sent",
                )
                .about(&change.id));
            }
            let (intent, status) = match decision {
                Decision::Send(intent) => (intent, OperationStatus::Sending),
                Decision::AlreadyDone(intent) => (intent, OperationStatus::Succeeded),
            };
            let operation = new_operation(account, caller, kind, intent, status);
            let claims_reference = match &operation.intent {
                Intent::Update { patch, .. } => patch.merchant_reference.value().cloned(),
                Intent::Cancel { .. } => None,
            };
            let new = NewOperation {
                operation: operation.clone(),
                key: change.key.as_ref().map(|(key, fingerprint)| IdempotencyKey {
                    client: caller.client.clone(),
                    key: key.clone(),
                    fingerprint: fingerprint.clone(),
                }),
                change_count: view.change_count,
                claims_reference,
            };
            faults::reached("before_intent");
            if faults::planted("intent_after_the_call") {
                let _ = begun.send(operation.clone());
                let ended = self.send_unwritten(account, &operation).await;
                let _ = self.store.begin(new).await;
                return Ok(Changed { operation: ended.unwrap_or(operation), replayed: false });
            }
            match self.store.begin(new).await.map_err(store_problem)? {
                Begun::Started => {}
                Begun::Outdated => continue,
                Begun::Blocked(other) => return Err(in_progress(&change.id, other)),
                Begun::ReferenceInUse(other) => {
                    return Err(Problem {
                        errors: vec![Violation {
                            pointer: "/merchant_reference".to_owned(),
                            code: "merchant_reference_in_use",
                            detail: format!("the order {other} has it"),
                        }],
                        ..Problem::plain(ProblemCode::MerchantReferenceInUse).about(&change.id)
                    });
                }
                Begun::KeyUsed(record) => {
                    let print = change.key.as_ref().map(|(_, print)| print.as_str());
                    return replay(&record, print)
                        .unwrap_or_else(|| Err(Problem::plain(ProblemCode::IdempotencyKeyInUse)));
                }
            }
            faults::reached("intent_committed");
            if status == OperationStatus::Succeeded {
                return Ok(Changed { operation, replayed: false });
            }
            let _ = begun.send(operation.clone());
            let settlement = self.send(account, &operation, change.deadline).await;
            faults::reached("before_outcome");
            let ended = self.commit(settlement).await;
            faults::reached("outcome_committed");
            return Ok(Changed { operation: ended.unwrap_or(operation), replayed: false });
        }
        Err(Problem::plain(ProblemCode::OperationInProgress).about(&change.id))
    }

    /// Calls the provider once and says what the answer proves.
    async fn send(&self, account: &Account, operation: &Operation, deadline: Instant) -> Settlement {
        let error = match call(account, operation).await {
            Ok(order) => {
                return settlement(operation, OperationStatus::Succeeded, "answer").with_order(order);
            }
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
            | ErrorKind::Unsupported => settlement(operation, OperationStatus::NotExecuted, "answer"),
            ErrorKind::Refused
            | ErrorKind::InvalidRequest
            | ErrorKind::AmountExceeded
            | ErrorKind::CurrencyNotSupported
            | ErrorKind::Declined => settlement(operation, OperationStatus::Refused, "answer"),
        };
        settlement.failure = Some(change_problem(&error).to_failure());
        settlement
    }

    /// The answer was lost: one read may find the effect at once, otherwise it stays unknown.
    async fn settle_at_once(
        &self,
        account: &Account,
        operation: &Operation,
        error: &ProviderError,
        deadline: Instant,
    ) -> Settlement {
        tracing::warn!(operation_id = %operation.id, order_id = %operation.order_id, error = %error, "the outcome of a change is unknown");
        if faults::planted("outcome_before_evidence") {
            return settlement(operation, OperationStatus::NotExecuted, "guess");
        }
        let read_until = deadline.max(Instant::now() + READ_FOR_EVIDENCE);
        if let Ok(Verdict::Done(order)) = account.adapter.settle(operation, read_until).await {
            return settlement(operation, OperationStatus::Succeeded, "read").with_order(*order);
        }
        let mut unknown = settlement(operation, OperationStatus::Unknown, "answer");
        unknown.next_check_at = Some(next_check(0, unknown.at));
        unknown
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
        let read_until = deadline.max(Instant::now() + READ_FOR_EVIDENCE);
        let order = account.adapter.fetch(&operation.order_id.reference, read_until).await.ok();
        let was_done = match &operation.intent {
            Intent::Cancel { full, .. } => {
                *full && order.as_ref().is_some_and(|order| order.status == OrderStatus::Canceled)
            }
            Intent::Update { .. } => false,
        };
        let status = if was_done { OperationStatus::Succeeded } else { OperationStatus::Refused };
        let mut settlement = settlement(operation, status, "answer");
        settlement.already_done = was_done;
        if !was_done {
            let mut problem = change_problem(error);
            problem.reason = order.as_ref().map(|order| order.status.as_str().to_owned());
            settlement.failure = Some(problem.to_failure());
        }
        settlement.order_after = order;
        settlement
    }

    /// A planted mistake: calls the provider for an operation that was never written down.
    async fn send_unwritten(&self, account: &Account, operation: &Operation) -> Option<Operation> {
        let order = call(account, operation).await.ok()?;
        Some(Operation { status: OperationStatus::Succeeded, order_after: Some(order), ..operation.clone() })
    }
}

async fn call(account: &Account, operation: &Operation) -> Result<Order, ProviderError> {
    match &operation.intent {
        Intent::Update { before, patch } => account.adapter.update(operation.id, before, patch).await,
        Intent::Cancel { before, amount, full } => {
            account.adapter.cancel(operation.id, before, *amount, *full).await
        }
    }
}

/// What a used key means for a request with this fingerprint; `None` when it runs again.
fn replay(record: &KeyRecord, fingerprint: Option<&str>) -> Option<Result<Changed, Problem>> {
    let operation = &record.operation;
    if fingerprint != Some(record.fingerprint.as_str()) {
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
        | OperationStatus::Refused => Some(Ok(Changed { operation: operation.clone(), replayed: true })),
    }
}

/// What the order as read allows.
fn decide(account: &Account, before: Order, request: &ChangeRequest) -> Result<Decision, Problem> {
    let id = before.id.clone();
    let capability = account.adapter.capabilities().operation(request.kind());
    match request {
        ChangeRequest::Update(patch) => {
            if !capability.from.contains(&before.status) {
                return Err(state_conflict(&before, Action::Update));
            }
            account.adapter.check_update(&before, patch).map_err(|violations| {
                let unsupported = violations.iter().any(|v| v.code == "unsupported_by_provider");
                let code = if unsupported {
                    ProblemCode::UnsupportedByProvider
                } else {
                    ProblemCode::ValidationFailed
                };
                Problem { code, retryable: false, ..Problem::invalid(violations) }.about(&id)
            })?;
            Ok(Decision::Send(Intent::Update { before: Box::new(before), patch: patch.clone() }))
        }
        ChangeRequest::Cancel { amount } => {
            let action = before.action(Action::Cancel);
            let left = action.and_then(|action| action.max).unwrap_or(before.amount);
            let left = Money::balance(left, before.currency)
                .map_err(|_| Problem::plain(ProblemCode::InternalError))?;
            let wanted = amount.unwrap_or(left);
            let exceeds = wanted.exceeds(left).map_err(|_| {
                let problem = Problem::invalid(vec![Violation {
                    pointer: "/amount/currency".to_owned(),
                    code: "currency_mismatch",
                    detail: format!("the order is in {}", before.currency),
                }]);
                Problem { code: ProblemCode::CurrencyMismatch, ..problem }.about(&id)
            })?;
            let full = wanted == left;
            if full && before.status == OrderStatus::Canceled {
                return Ok(Decision::AlreadyDone(Intent::Cancel {
                    before: Box::new(before),
                    amount: wanted,
                    full,
                }));
            }
            if !capability.from.contains(&before.status) {
                return Err(state_conflict(&before, Action::Cancel));
            }
            if exceeds {
                let problem = Problem::invalid(vec![Violation {
                    pointer: "/amount/value".to_owned(),
                    code: "amount_exceeds_remaining",
                    detail: format!("{left} is left"),
                }]);
                return Err(Problem { code: ProblemCode::AmountExceedsRemaining, ..problem }.about(&id));
            }
            if !full && !action.and_then(|action| action.partial).unwrap_or(capability.partial) {
                let problem = Problem::invalid(vec![Violation::unsupported(
                    "/amount",
                    &format!("only the whole amount can be canceled: {left}"),
                )]);
                return Err(Problem { code: ProblemCode::UnsupportedByProvider, ..problem }.about(&id));
            }
            Ok(Decision::Send(Intent::Cancel { before: Box::new(before), amount: wanted, full }))
        }
    }
}

fn new_operation(
    account: &Account,
    caller: &Caller,
    kind: OperationKind,
    intent: Intent,
    status: OperationStatus,
) -> Operation {
    let now = Timestamp::now();
    let done = status == OperationStatus::Succeeded;
    Operation {
        id: OperationId::generate(),
        kind,
        order_id: intent.before().id.clone(),
        provider: account.adapter.provider().to_owned(),
        client: caller.client.clone(),
        request_id: caller.request_id.clone(),
        amount: intent.amount(),
        status,
        already_done: done,
        order_after: done.then(|| intent.before().clone()),
        intent,
        failure: None,
        created_at: now,
        updated_at: now,
        checks: 0,
        next_check_at: None,
    }
}

fn state_conflict(order: &Order, action: Action) -> Problem {
    let reason = order.action(action).and_then(|action| action.reason.clone());
    Problem {
        reason: reason.or_else(|| Some(order.status.as_str().to_owned())),
        ..Problem::new(
            ProblemCode::OrderStateConflict,
            format!("the order is {}; `available_actions` lists what may be done now", order.status),
        )
    }
    .about(&order.id)
}

fn unsupported(kind: OperationKind, id: &OrderId) -> Problem {
    Problem::new(
        ProblemCode::UnsupportedByProvider,
        format!("this account's provider has no {}; nothing was sent", kind.as_str()),
    )
    .about(id)
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
