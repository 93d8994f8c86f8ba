//! The store with a mistake in it: what begins, ends and recovers operations may do it wrongly, the rest is passed on.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use guichet::{
    domain::{
        AccountName, Cause, Event, Operation, OperationId, Order, OrderId, OrderMemory, Reading, Timestamp,
    },
    store::{
        Backlog, Begun, ChangeView, DueNotification, ListPage, NewNotification, NewOperation,
        OperationFilter, OrderFilter, Place, Settled, Settlement, Sort, Store, StoreError,
        retention::{ErasureClock, Limits, Sweep, Swept},
    },
};
use rusqlite::Connection;

use super::{Mistake, Notes};

pub(super) struct MistakenStore {
    pub(super) mistake: Mistake,
    /// The store as the program uses it: at each step of it the program may die.
    pub(super) inner: Arc<dyn Store>,
    /// The same store, to look at.
    pub(super) plain: Arc<dyn Store>,
    /// Its file.
    pub(super) file: Mutex<Connection>,
    pub(super) notes: Arc<Notes>,
}

impl fmt::Debug for MistakenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MistakenStore")
    }
}

#[async_trait]
impl Store for MistakenStore {
    async fn look(
        &self,
        order: Option<&OrderId>,
        key: Option<(&str, &str)>,
    ) -> Result<ChangeView, StoreError> {
        self.look_wrongly(order, key).await
    }

    async fn begin(&self, new: NewOperation) -> Result<Begun, StoreError> {
        self.begin_wrongly(new).await
    }

    async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        self.settle_wrongly(settlement).await
    }

    async fn recover(&self, at: Timestamp) -> Result<Vec<Operation>, StoreError> {
        self.recover_wrongly(at).await
    }

    async fn due_checks(&self, now: Timestamp, limit: u32) -> Result<Vec<Operation>, StoreError> {
        self.inner.due_checks(now, limit).await
    }

    async fn operation(&self, id: OperationId) -> Result<Option<Operation>, StoreError> {
        self.inner.operation(id).await
    }

    async fn operation_of_page(&self, token: &str) -> Result<Option<Operation>, StoreError> {
        self.inner.operation_of_page(token).await
    }

    async fn memory(&self, id: &OrderId) -> Result<OrderMemory, StoreError> {
        self.inner.memory(id).await
    }

    async fn order_copy(&self, id: &OrderId) -> Result<Option<Order>, StoreError> {
        self.inner.order_copy(id).await
    }

    async fn save_copies(&self, readings: Vec<Reading>, cause: Cause) -> Result<Vec<OrderId>, StoreError> {
        self.inner.save_copies(readings, cause).await
    }

    async fn change_count(&self, id: &OrderId) -> Result<i64, StoreError> {
        self.inner.change_count(id).await
    }

    fn run(&self) -> i64 {
        self.inner.run()
    }

    async fn order_events(&self, id: &OrderId, after: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.inner.order_events(id, after, limit).await
    }

    async fn keep_notification(&self, new: NewNotification) -> Result<bool, StoreError> {
        self.inner.keep_notification(new).await
    }

    async fn due_notifications(
        &self,
        account: &AccountName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueNotification>, StoreError> {
        self.inner.due_notifications(account, now, limit).await
    }

    async fn finish_notification(
        &self,
        id: &str,
        order: Option<OrderId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.inner.finish_notification(id, order, now).await
    }

    async fn tie_notification(&self, id: &str, order: &OrderId) -> Result<(), StoreError> {
        self.inner.tie_notification(id, order).await
    }

    async fn retry_notification(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        self.inner.retry_notification(id, at).await
    }

    async fn hasten(
        &self,
        order: Option<&OrderId>,
        operation: Option<OperationId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.inner.hasten(order, operation, now).await
    }

    async fn orders_with_reference(
        &self,
        account: &AccountName,
        merchant_reference: &str,
    ) -> Result<Vec<OrderId>, StoreError> {
        self.inner.orders_with_reference(account, merchant_reference).await
    }

    async fn due_reads(
        &self,
        account: &AccountName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreError> {
        self.inner.due_reads(account, now, limit).await
    }

    async fn plan_read(&self, id: &OrderId, now: Timestamp, is_read: bool) -> Result<(), StoreError> {
        self.inner.plan_read(id, now, is_read).await
    }

    async fn reads_overdue(
        &self,
        account: &AccountName,
        now: Timestamp,
    ) -> Result<std::time::Duration, StoreError> {
        self.inner.reads_overdue(account, now).await
    }

    async fn list_orders(
        &self,
        filter: OrderFilter,
        sort: Sort,
        after: Option<Place>,
        limit: u32,
    ) -> Result<ListPage<Order>, StoreError> {
        self.inner.list_orders(filter, sort, after, limit).await
    }

    async fn list_operations(
        &self,
        filter: OperationFilter,
        sort: Sort,
        after: Option<Place>,
        limit: u32,
    ) -> Result<ListPage<Operation>, StoreError> {
        self.inner.list_operations(filter, sort, after, limit).await
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog, StoreError> {
        self.inner.backlog(now).await
    }

    async fn check_writable(&self) -> Result<(), StoreError> {
        self.inner.check_writable().await
    }

    async fn erasure_clock(
        &self,
        now: Timestamp,
        passed: Option<std::time::Duration>,
    ) -> Result<ErasureClock, StoreError> {
        self.inner.erasure_clock(now, passed).await
    }

    async fn sweep(&self, limits: Limits, from: Sweep) -> Result<Swept, StoreError> {
        self.inner.sweep(limits, from).await
    }

    async fn scrub(&self) -> Result<bool, StoreError> {
        self.inner.scrub().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
