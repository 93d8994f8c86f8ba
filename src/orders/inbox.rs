//! Notifications: verify, keep, acknowledge; then apply by reading the provider.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::MissedTickBehavior};

use super::{
    asking::NotKept,
    core::{Core, stopped},
    reconciler::Reconciler,
};
use crate::{
    adapter::{Account, Acknowledgement, ErrorKind, Notification, NotificationError, RawNotification},
    domain::{AccountName, Operation, OperationKind, OperationStatus, OrderId, OrderStatus},
    metrics,
    problem::{Problem, ProblemCode, ProviderWord},
    store::{DueNotification, NewNotification, NotificationFacts, Proof, StoreError},
    telemetry::SecurityLog,
    trace::{self, Context, Key},
};

/// Notifications applied at once, for each account.
const AT_ONCE: u32 = 32;
/// How often leftovers are looked for when nobody says that there are any.
const TICK: Duration = Duration::from_secs(2);
/// Pauses between attempts to read an order; the last one repeats.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(3_600),
];

/// What became of a notification that came in.
#[derive(Debug)]
pub enum Received {
    /// It is kept (or was before): this is what the provider expects to hear.
    Kept(Acknowledgement),
    /// It is not what the provider would send, or not signed with the account's secret.
    Refused(NotificationError),
    /// It could not be kept; the provider should try again.
    NotKept(StoreError),
}

/// Why a notification was refused, as a metric counts it.
fn refusal(error: &NotificationError) -> &'static str {
    match error {
        NotificationError::BadSignature(_) => "bad_signature",
        NotificationError::Unreadable(_) => "unreadable",
    }
}

/// Takes in and applies what providers tell by themselves.
#[derive(Debug)]
pub struct Inbox {
    core: Arc<Core>,
    reconciler: Arc<Reconciler>,
    /// Where notifications were kept.
    filled: Filled,
    security: SecurityLog,
}

impl Inbox {
    pub(super) fn new(core: Arc<Core>, reconciler: Arc<Reconciler>) -> Self {
        Self { core, reconciler, filled: Filled::default(), security: SecurityLog::default() }
    }

    /// The account with this name, for whoever brings news of it.
    pub fn account(&self, name: &AccountName) -> Option<Account> {
        self.core.registry().account(name).cloned()
    }

    /// Takes a notification in. It is acknowledged only after it is on disk, and applied after that.
    pub async fn receive(&self, account: &Account, raw: RawNotification) -> Received {
        let name = &account.name;
        let provider = account.adapter.provider();
        let read = match account.adapter.verify_notification(&raw) {
            Ok(read) => read,
            Err(error) => {
                metrics::notification(provider, refusal(&error));
                if let Some(left_out) = self.security.saw("notification_refused", refusal(&error)) {
                    tracing::warn!(
                        provider, account = %name, error = %error, security = "notification_refused", left_out,
                        "a notification was refused"
                    );
                }
                return Received::Refused(error);
            }
        };
        let acknowledgement = read.acknowledgement;
        let new = NewNotification {
            account: name.clone(),
            dedup_key: read.dedup_key.clone(),
            received_at: self.core.clock.time_of_day(),
            due_at: self.core.clock.now(),
            content_type: raw.content_type,
            raw_body: raw.body.to_vec(),
            facts: facts(&read),
            cause: trace::cause(),
        };
        match self.core.store.keep_notification(new).await {
            Ok(is_new) => {
                metrics::notification(provider, if is_new { "accepted" } else { "duplicate" });
                if is_new {
                    self.filled.add(name);
                }
                Received::Kept(acknowledgement)
            }
            Err(error) => {
                metrics::notification(provider, "not_kept");
                tracing::error!(%error, "a notification could not be kept");
                Received::NotKept(error)
            }
        }
    }

    /// Applies one notification: what it says is confirmed by reading the provider.
    async fn apply(&self, due: DueNotification) {
        let (context, mut span) =
            Context::of_later_work(&self.core.tracer, due.cause.clone(), "apply notification");
        span.tell_some(Key::RequestId, due.cause.request_id.clone());
        context.run(self.apply_in_context(due)).await;
        span.end();
    }

    async fn apply_in_context(&self, due: DueNotification) {
        let registry = self.core.registry();
        let Some(account) = registry.account(&due.account) else {
            return self.try_later(&due).await;
        };
        let orders = match self.orders_of(&due).await {
            Ok(orders) => orders,
            Err(_) => return self.try_later(&due).await,
        };
        if !self.settle_by(&due).await.unwrap_or(false) {
            return self.try_later(&due).await;
        }
        let mut applied = None;
        for id in orders {
            match self.read_again(account, &due, &id).await {
                Ok(true) => applied = applied.or(Some(id)),
                Ok(false) => {}
                Err(()) => return self.try_later(&due).await,
            }
        }
        if !self.contradict_creation(&due, applied.as_ref()).await.unwrap_or(false) {
            return self.try_later(&due).await;
        }
        let now = self.core.clock.now();
        let hastened = self.core.store.hasten(applied.as_ref(), due.facts.operation, now).await;
        if applied.is_none() {
            metrics::notification(account.adapter.provider(), "unknown_order");
            tracing::info!(account = %due.account, "a notification is about an order not known here");
        }
        let finished = self.core.store.finish_notification(&due.id, applied, now).await;
        if let Err(error) = hastened.and(finished) {
            tracing::warn!(%error, "a notification was applied, but not marked as such");
        }
    }

    /// Settles the operation that a notification tells the end of, or the creation that it names the order of. False when
    /// that must be tried again: nothing else may ever tell it.
    async fn settle_by(&self, due: &DueNotification) -> Result<bool, StoreError> {
        let facts = &due.facts;
        let Some(id) = facts.settles.map(|(id, _)| id).or(facts.operation) else { return Ok(true) };
        let Some(operation) = self.core.store.operation(id).await? else { return Ok(true) };
        if operation.account != due.account {
            return Ok(true);
        }
        if let Some((_, status)) = facts.settles {
            // News of another order or of another amount are not this operation's.
            let order = operation.order_id.as_ref().map(|order| &order.reference);
            let is_about_it = facts.reference.is_none() || facts.reference.as_ref() == order;
            if is_about_it && (facts.amount.is_none() || facts.amount == operation.amount) {
                let mut settlement = self.core.settlement(&operation, status, "notification");
                settlement.proof = Some(proof(facts, None));
                settlement.cause = Some(due.cause.clone());
                if status == OperationStatus::Refused {
                    settlement.failure = Some(undone(&operation, facts).to_failure());
                }
                return Ok(self.core.commit(settlement).await.is_some());
            }
            tracing::warn!(operation_id = %id, "a notification tells another order or amount than its operation");
        } else if operation.expected_order().is_none()
            && let Some(reference) = &facts.reference
        {
            // A creation: where its answer was lost, the adapter looks at the order that carries it.
            let order = OrderId { account: due.account.clone(), reference: reference.clone() };
            return Ok(match operation.status {
                // Its answer may still be lost.
                OperationStatus::Pending | OperationStatus::Sending => false,
                OperationStatus::Unknown => {
                    self.reconciler.check(Operation { order_id: Some(order), ..operation }).await
                }
                OperationStatus::Accepted
                | OperationStatus::NeedsReview
                | OperationStatus::Succeeded
                | OperationStatus::Refused
                | OperationStatus::NotExecuted => true,
            });
        }
        Ok(true)
    }

    /// A creation that had ended here without an order, and whose order a notification names as paid or being paid: what
    /// stands is contradicted. False when that must be tried again.
    async fn contradict_creation(
        &self,
        due: &DueNotification,
        order: Option<&OrderId>,
    ) -> Result<bool, StoreError> {
        let (Some(id), Some(order)) = (due.facts.operation, order) else { return Ok(true) };
        if !due.facts.status.is_some_and(OrderStatus::moves_money) {
            return Ok(true);
        }
        let Some(operation) = self.core.store.operation(id).await? else { return Ok(true) };
        let ended_without =
            matches!(operation.status, OperationStatus::Refused | OperationStatus::NotExecuted);
        if operation.kind != OperationKind::Create || operation.account != due.account || !ended_without {
            return Ok(true);
        }
        let mut settlement = self.core.settlement(&operation, OperationStatus::Succeeded, "notification");
        // An order found by the merchant's reference alone may be another one than this creation made.
        let named = due.facts.reference.is_some().then(|| order.clone());
        settlement.proof = Some(proof(&due.facts, named));
        settlement.cause = Some(due.cause.clone());
        Ok(self.core.commit(settlement).await.is_some())
    }

    /// The orders a notification may be about.
    async fn orders_of(&self, due: &DueNotification) -> Result<Vec<OrderId>, StoreError> {
        if let Some(reference) = &due.facts.reference {
            return Ok(vec![OrderId { account: due.account.clone(), reference: reference.clone() }]);
        }
        if let Some(operation) = due.facts.operation
            && let Some(operation) = self.core.store.operation(operation).await?
            && operation.account == due.account
            && let Some(order) = operation.order_id
        {
            return Ok(vec![order]);
        }
        match &due.facts.merchant_reference {
            Some(reference) => self.core.store.orders_with_reference(&due.account, reference).await,
            None => Ok(Vec::new()),
        }
    }

    /// Reads an order and keeps its copy with the events of what changed. False when the provider does not know it.
    async fn read_again(&self, account: &Account, due: &DueNotification, id: &OrderId) -> Result<bool, ()> {
        self.core.store.tie_notification(&due.id, id).await.map_err(|_| ())?;
        match self.core.read_and_keep(account, id, due.cause.clone()).await {
            Ok(()) => Ok(true),
            Err(NotKept::Read(error)) if error.kind == ErrorKind::NotFound => Ok(false),
            Err(error) => {
                tracing::warn!(order_id = %id, %error, "an order that a notification is about cannot be read");
                Err(())
            }
        }
    }

    async fn due(&self, account: &AccountName) -> Vec<DueNotification> {
        match self.core.store.due_notifications(account, self.core.clock.now(), AT_ONCE).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "due notifications could not be listed");
                Vec::new()
            }
        }
    }

    async fn try_later(&self, due: &DueNotification) {
        let index = usize::try_from(due.tries).unwrap_or(usize::MAX);
        let pause = PAUSES.get(index).or(PAUSES.last()).copied().unwrap_or(TICK);
        if let Err(error) =
            self.core.store.retry_notification(&due.id, self.core.clock.now().plus(pause)).await
        {
            tracing::warn!(%error, "another attempt to apply a notification could not be planned");
        }
    }
}

/// The provider took it, and did not do it in the end.
fn undone(operation: &Operation, facts: &NotificationFacts) -> Problem {
    let detail = "the provider had accepted it, and told later that it came to nothing";
    Problem {
        provider: facts.provider_status.clone().map(|code| ProviderWord {
            name: operation.provider.clone(),
            code: Some(code),
            message: None,
        }),
        ..Problem::new(ProblemCode::ProviderRefused, detail)
    }
}

/// The evidence of a signed notification.
fn proof(facts: &NotificationFacts, order: Option<OrderId>) -> Proof {
    Proof { source: "notification", provider_status: facts.provider_status.clone(), order }
}

fn facts(read: &Notification) -> NotificationFacts {
    NotificationFacts {
        reference: read.reference.clone(),
        merchant_reference: read.merchant_reference.clone(),
        operation: read.operation,
        status: read.status,
        provider_status: read.provider_status.clone(),
        amount: read.amount,
        settles: read.settles,
        closes: read.closes,
    }
}

/// The accounts for which something was kept that nobody has looked at yet.
#[derive(Debug, Default)]
pub(super) struct Filled {
    accounts: Mutex<BTreeSet<AccountName>>,
    wake: Notify,
}

impl Filled {
    fn add(&self, account: &AccountName) {
        self.accounts.lock().insert(account.clone());
        self.wake.notify_one();
    }

    fn take(&self) -> BTreeSet<AccountName> {
        std::mem::take(&mut *self.accounts.lock())
    }
}

/// Applies what is kept, as soon as it is kept and after a restart. Each account has a batch of its own under way, so that
/// a slow provider holds up nobody else's news.
pub(super) async fn run(inbox: Arc<Inbox>) {
    let mut stopping = inbox.core.stopping();
    let everybody = || inbox.core.registry().accounts().map(|account| account.name.clone()).collect();
    // Not a pause that begins anew with all that comes: what is tried again must not wait for a quiet moment.
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batches = FuturesUnordered::new();
    let mut busy: BTreeSet<AccountName> = BTreeSet::new();
    // Those that may have something due.
    let mut filled: BTreeSet<AccountName> = everybody();
    while !*stopping.borrow() {
        filled.append(&mut inbox.filled.take());
        for account in filled.difference(&busy).cloned().collect::<Vec<_>>() {
            filled.remove(&account);
            let due = inbox.due(&account).await;
            if !due.is_empty() {
                busy.insert(account.clone());
                let inbox = &inbox;
                batches.push(async move {
                    join_all(due.into_iter().map(|due| inbox.apply(due))).await;
                    account
                });
            }
        }
        tokio::select! {
            Some(account) = batches.next() => {
                busy.remove(&account);
                filled.insert(account);
            }
            () = inbox.filled.wake.notified() => {}
            _ = tick.tick() => filled.append(&mut everybody()),
            () = stopped(&mut stopping) => {}
        }
    }
    while batches.next().await.is_some() {}
}
