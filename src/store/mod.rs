//! Where intents, outcomes, idempotency keys, copies of orders and events are kept.
//!
//! Every method that changes something returns only after its effect is synced to disk: the next step of a
//! change (the call to the provider, the answer to the caller) may rely on it.

pub mod deadline;
mod inbox;
mod lists;
pub mod outbox;
pub mod retention;
pub mod sqlite;

use std::{fmt, time::Duration};

use async_trait::async_trait;
pub use inbox::{DueNotification, NewNotification, NotificationFacts};
pub use lists::{ListPage, OperationFilter, OrderFilter, Place, Sort};

use crate::domain::{
    AccountName, Cause, Event, Operation, OperationId, OperationStatus, Order, OrderId, OrderMemory, Reading,
    Timestamp, operation::Failure,
};

/// A caller's `Idempotency-Key` with what it was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The client; keys of different clients never meet.
    pub client: String,
    /// The key as the caller wrote it, without quotes.
    pub key: String,
    /// SHA-256 over method, route, path parameters and canonical body, in hexadecimal.
    pub fingerprint: String,
}

/// What is known of a key that was used before.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyRecord {
    /// The fingerprint of the request it was used with.
    pub fingerprint: String,
    /// The operation it started, as it is now.
    pub operation: Operation,
}

/// What must be known before a change of an order is begun, read in one go.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChangeView {
    /// The use of the caller's key so far.
    pub key: Option<KeyRecord>,
    /// Whether the key had an effect and is older than what is kept of keys.
    pub key_is_spent: bool,
    /// An operation of this order whose effect nobody knows yet.
    pub blocking: Option<OperationId>,
    /// How many operations were begun or settled on this order; given back to [`Store::begin`], which
    /// refuses when it has grown: what was read of the order in between may be out of date.
    pub change_count: i64,
}

/// An operation about to be begun.
#[derive(Debug, Clone)]
pub struct NewOperation {
    /// Its first state: `sending`, or `succeeded` with `already_done` when there is nothing to send.
    pub operation: Operation,
    /// The caller's key, if it gave one.
    pub key: Option<IdempotencyKey>,
    /// [`ChangeView::change_count`] as seen before the order was read.
    pub change_count: i64,
    /// The number under which `intent.before` was asked for; zero for a creation.
    pub asked: i64,
    /// Now, by the clock that schedules run on.
    pub now: Timestamp,
    /// The merchant reference the order is to get; refused when another open or paid order of this account
    /// known here has it.
    pub claims_reference: Option<String>,
    /// The most that all operations of this kind on this order may move together, in minor units; `None` for no
    /// limit. What is done, accepted, unknown or in review counts.
    pub limit: Option<i64>,
}

/// What became of an attempt to begin.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// Intent, key and audit row are on disk; the request may go out.
    Started,
    /// The key was used before. When its operation ended `not_executed` and the fingerprint is the same, the
    /// key is taken over by the new operation instead and this is not returned.
    KeyUsed(Box<KeyRecord>),
    /// The key had an effect and is older than what is kept of keys: it never runs again.
    KeySpent,
    /// Another operation of this order is under way, unknown or in review.
    Blocked(OperationId),
    /// The order was changed since it was read.
    Outdated,
    /// Another open or paid order of this account has this merchant reference; `None` for a creation whose order
    /// is not known.
    ReferenceInUse(Option<OrderId>),
    /// Together with what is done, accepted or unknown it would move more than the limit: this much is left.
    LimitExceeded(i64),
}

/// The end, or the next state, of an operation.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Which operation.
    pub id: OperationId,
    /// The status it gets.
    pub status: OperationStatus,
    /// Whether it had been done before.
    pub already_done: bool,
    /// Why not, when refused or not executed.
    pub failure: Option<Failure>,
    /// The order after it, when it was read or the answer told it.
    pub order_after: Option<Reading>,
    /// A number drawn when the settlement was made: what was asked for before it is older than the settlement.
    pub asked: i64,
    /// When that was, by the clock that schedules run on.
    pub now: Timestamp,
    /// The provider's own id of the operation, where it was told.
    pub provider_id: Option<String>,
    /// Whether the provider says that it had been done before and no read confirms it.
    pub claimed_done: bool,
    /// Set when the provider itself tells the end of this very operation. Then a final state that says otherwise is not
    /// left as it is: it becomes a contradiction, or what succeeded is marked as reversed.
    pub proof: Option<Proof>,
    /// When this was learned.
    pub at: Timestamp,
    /// Reads made so far to look for evidence.
    pub checks: u32,
    /// When to look again; `None` when nothing is to be looked for.
    pub next_check_at: Option<Timestamp>,
    /// Whether its merchant reference may be used again although its outcome is not known.
    pub releases_reference: bool,
    /// Why, when a person decided.
    pub reason: Option<String>,
    /// Who or what settled it, for the audit trail: `answer`, `read`, `recovery`, `deadline`, a client's name.
    pub settled_by: String,
    /// The request that settled it, when that is not the one that began it.
    pub cause: Option<Cause>,
}

/// Evidence that names the operation: a signed notification or an authoritative read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// `notification` or `read`.
    pub source: &'static str,
    /// The provider's own word.
    pub provider_status: Option<String>,
    /// The order it is about, where the operation itself does not know it.
    pub order: Option<OrderId>,
}

/// What became of a settlement.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// Written.
    Done(Box<Operation>),
    /// The operation's state does not allow this step any more; it stays as it is.
    NotAllowed(Box<Operation>),
}

/// What is open in the store, for metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Operations that are `unknown`, by provider.
    pub unknown: Vec<(String, i64)>,
    /// Age of the oldest of them; zero when there is none.
    pub unknown_oldest: Duration,
    /// Age of the oldest `accepted` operation, by provider.
    pub accepted_oldest: Vec<(String, Duration)>,
    /// Operations that a person must decide.
    pub needs_review: i64,
    /// Events that wait for their delivery to an endpoint that is on.
    pub outbox_pending: i64,
    /// Age of the oldest of them; zero when there is none.
    pub outbox_oldest: Duration,
}

/// What can go wrong with a store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached or cannot write now.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// Another process holds it.
    #[error("{0}")]
    Locked(String),
    /// What it holds cannot be read.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// No such operation.
    #[error("no such operation")]
    NotFound,
    /// It was not begun by the caller's deadline and never will be: nothing was done.
    #[error("the store did not come to it in time")]
    TooLate,
    /// It had begun by the caller's deadline: its effect may be on disk, or come to be.
    #[error("the store did not end it in time")]
    StillRunning,
}

/// Durable memory of one guichet (or, on a shared database, of several replicas).
///
/// A task with a [`deadline`] waits no longer than that for any method: `TooLate` when the work was not begun by then, which
/// then never happens, `StillRunning` when it was. Both are also the end of work whose caller goes away.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// What must be known before a change of `order` is begun. `key` is `(client, key)`.
    /// A creation has no order.
    async fn look(
        &self,
        order: Option<&OrderId>,
        key: Option<(&str, &str)>,
    ) -> Result<ChangeView, StoreError>;

    /// Commits key, intent, guard and audit row in one transaction, decided by unique indexes. Also keeps
    /// `intent.before` as the last known copy of the order and marks the order as known here. An operation
    /// begun as `succeeded` has done nothing and gets no event. Never `StillRunning`: an intent that is being
    /// written at the deadline is waited for, because the caller must know whether it is there.
    async fn begin(&self, new: NewOperation) -> Result<Begun, StoreError>;

    /// Commits the next state of an operation with its events and the copy of the order after it.
    ///
    /// Events, all in the same transaction and numbered without a gap per order: `order.created` when a creation
    /// succeeded; `operation.<status>` when the status changed; `refund.succeeded` or `refund.failed` at the end of a refund; `order.<status>` when the copy differs in status from the last known one; else
    /// `order.updated` when an update succeeded that was not already done. No change without its event.
    async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError>;

    /// Turns every operation that was `sending` when the process died into `unknown`, due for a check at
    /// once, and every `pending` one into `not_executed`. To be called once, before the first request is
    /// taken. Checks and notifications that are planned further ahead than any schedule plans, because the time of day was
    /// wrong, are due at once too. Returns the operations changed.
    async fn recover(&self, at: Timestamp) -> Result<Vec<Operation>, StoreError>;

    /// Operations whose next check is due, oldest first.
    async fn due_checks(&self, now: Timestamp, limit: u32) -> Result<Vec<Operation>, StoreError>;

    /// The operation with this id.
    async fn operation(&self, id: OperationId) -> Result<Option<Operation>, StoreError>;

    /// The creation whose payer's pages have this token.
    async fn operation_of_page(&self, token: &str) -> Result<Option<Operation>, StoreError>;

    /// Everything remembered of an order made, changed or notified here; nothing of any other.
    async fn memory(&self, id: &OrderId) -> Result<OrderMemory, StoreError>;

    /// The last known copy of an order.
    async fn order_copy(&self, id: &OrderId) -> Result<Option<Order>, StoreError>;

    /// Keeps copies of orders as read, and answers which of them must be read again because the order was changed since.
    ///
    /// A reading that was asked for before the one kept is ignored. A changed status, and a change of amounts of an order
    /// known here, write their event in the same transaction, with the request that made somebody read them; so does
    /// what the reading tells of operations.
    async fn save_copies(&self, readings: Vec<Reading>, cause: Cause) -> Result<Vec<OrderId>, StoreError>;

    /// How many changes of an order were begun or settled; zero for one that is not known here.
    async fn change_count(&self, id: &OrderId) -> Result<i64, StoreError>;

    /// How often this store was opened, this time included. Numbers that are to grow from one start to the next begin
    /// with it.
    fn run(&self) -> i64;

    /// Events of one order with a sequence above `after`, in sequence.
    async fn order_events(&self, id: &OrderId, after: i64, limit: u32) -> Result<Vec<Event>, StoreError>;

    /// What is open at this instant.
    async fn backlog(&self, now: Timestamp) -> Result<Backlog, StoreError>;

    /// Keeps a verified notification, due at once. Answers whether it is new. It is kept also when its caller stops
    /// waiting: a provider may not send it again.
    async fn keep_notification(&self, new: NewNotification) -> Result<bool, StoreError>;

    /// Notifications of an account that are to be applied, oldest first.
    async fn due_notifications(
        &self,
        account: &AccountName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueNotification>, StoreError>;

    /// Marks a notification as applied; with its order the event `notification.received` is written, and the order
    /// is known here from then on.
    async fn finish_notification(
        &self,
        id: &str,
        order: Option<OrderId>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Ties a waiting notification to its order, so that a read made to apply it knows what it said.
    async fn tie_notification(&self, id: &str, order: &OrderId) -> Result<(), StoreError>;

    /// Plans another attempt to apply a notification.
    async fn retry_notification(&self, id: &str, at: Timestamp) -> Result<(), StoreError>;

    /// Makes the checks of an order's open operations, and of this operation, due now.
    async fn hasten(
        &self,
        order: Option<&OrderId>,
        operation: Option<OperationId>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// The orders of an account known here that have this merchant reference.
    async fn orders_with_reference(
        &self,
        account: &AccountName,
        merchant_reference: &str,
    ) -> Result<Vec<OrderId>, StoreError>;

    /// Orders of an account that are to be read because they are followed: payable ones first, then by the time at which
    /// they are due.
    async fn due_reads(
        &self,
        account: &AccountName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreError>;

    /// Counts a read of an order that is followed and plans the next one: by its schedule, or less and less often where the
    /// order could not be read.
    async fn plan_read(&self, id: &OrderId, now: Timestamp, is_read: bool) -> Result<(), StoreError>;

    /// How long the read of an account's orders that is longest overdue has been due; zero when none is.
    async fn reads_overdue(&self, account: &AccountName, now: Timestamp) -> Result<Duration, StoreError>;

    /// Copies of orders known here after a place, in the order of when they were first heard of here. What is looked
    /// at is bounded: by `limit` for each account and status, and by a fixed number of orders that do not fit.
    async fn list_orders(
        &self,
        filter: OrderFilter,
        sort: Sort,
        after: Option<Place>,
        limit: u32,
    ) -> Result<ListPage<Order>, StoreError>;

    /// Operations after a place, in the order in which they were begun; bounded as [`Store::list_orders`].
    async fn list_operations(
        &self,
        filter: OperationFilter,
        sort: Sort,
        after: Option<Place>,
        limit: u32,
    ) -> Result<ListPage<Operation>, StoreError>;

    /// Proves that the store can write.
    async fn check_writable(&self) -> Result<(), StoreError>;

    /// The time by which erasure goes, moved on: by at most `passed`, and never beyond `now`. `now` is the time of day and
    /// `passed` what really passed since the last call; `None` at a start, when nobody knows.
    async fn erasure_clock(
        &self,
        now: Timestamp,
        passed: Option<Duration>,
    ) -> Result<retention::ErasureClock, StoreError>;

    /// One small step of erasing what is old: payer data of orders that are over and of their operations, raw
    /// notifications, keys, the log of deliveries. Nothing of an operation that is not final or of an order that is
    /// open is touched; amounts, statuses, events and the audit trail stay.
    async fn sweep(
        &self,
        limits: retention::Limits,
        from: retention::Sweep,
    ) -> Result<retention::Swept, StoreError>;

    /// Takes what was erased out of every file of the store. False when somebody reads an older state at this moment:
    /// to be tried again.
    async fn scrub(&self) -> Result<bool, StoreError>;

    /// Finishes what is queued and releases the lock.
    async fn close(&self);
}
