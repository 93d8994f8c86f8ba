//! The real store, where the program may die before and after each step. A step is made in one go: the runtime's
//! clock must not run while the store's threads work.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use guichet::{
    domain::{
        AccountName, Cause, Event, Operation, OperationId, OperationStatus, Order, OrderId, OrderMemory,
        Reading, Timestamp,
    },
    store::{
        Backlog, Begun, ChangeView, DueNotification, ListPage, NewNotification, NewOperation,
        OperationFilter, OrderFilter, Place, Settled, Settlement, Sort, Store, StoreError,
        retention::{ErasureClock, Limits, Sweep, Swept},
    },
};

use super::world::World;

pub struct FrailStore {
    pub inner: Arc<dyn Store>,
    pub world: Arc<World>,
    /// Nothing is due before this, unless something is written: checks, notifications.
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    checks: Option<Timestamp>,
    /// Each account has notifications of its own.
    notices: BTreeMap<AccountName, Timestamp>,
}

impl fmt::Debug for FrailStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrailStore")
    }
}

/// Waits for the store's threads with everything else standing still.
pub fn at_once<F: Future>(step: F) -> F::Output {
    until_ready(tokio::task::unconstrained(step))
}

/// Polls until it is ready, parking this thread meanwhile.
fn until_ready<F: Future>(step: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::task::Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    let mut step = std::pin::pin!(step);
    loop {
        match step.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

impl FrailStore {
    pub fn new(inner: Arc<dyn Store>, world: Arc<World>) -> Self {
        Self { inner, world, idle: Mutex::default() }
    }

    async fn write<T>(
        &self,
        name: &str,
        step: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.world.boundary(name, 3).await;
        if self.world.state().has_no_room(name) {
            return Err(StoreError::Unavailable("there is no room".to_owned()));
        }
        let result = at_once(step);
        *self.idle.lock().unwrap() = Idle::default();
        self.world.boundary(name, 1).await;
        result
    }

    async fn read<T>(&self, name: &str, step: impl Future<Output = T>) -> T {
        self.world.boundary(name, 1).await;
        at_once(step)
    }
}

/// Far enough ahead to see everything that is planned.
fn one_day_after(now: Timestamp) -> Timestamp {
    now.plus(std::time::Duration::from_secs(86_400))
}

#[async_trait]
impl Store for FrailStore {
    async fn look(
        &self,
        order: Option<&OrderId>,
        key: Option<(&str, &str)>,
    ) -> Result<ChangeView, StoreError> {
        self.read("look", self.inner.look(order, key)).await
    }

    async fn begin(&self, new: NewOperation) -> Result<Begun, StoreError> {
        let id = new.operation.id.to_string();
        let operation = new.operation.clone();
        let step = async {
            let begun = self.inner.begin(new).await;
            if matches!(begun, Ok(Begun::Started)) {
                self.world.state().began(&operation);
            }
            begun
        };
        let begun = self.write("begin", step).await;
        let mut state = self.world.state();
        let name = state.name(&id);
        let word = match &begun {
            Ok(begun) => format!("{begun:?}").split(['(', ' ']).next().unwrap_or_default().to_owned(),
            Err(_) => "error".to_owned(),
        };
        state.say(&format!("begin {name}: {word}"));
        begun
    }

    async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        let line = format!("{} by {}", settlement.status.as_str(), settlement.settled_by);
        let (operation, status) = (settlement.id, settlement.status);
        let is_absent = status == OperationStatus::NotExecuted && settlement.settled_by == "read";
        let id = operation.to_string();
        let step = async {
            let settled = self.inner.settle(settlement).await;
            let mut state = self.world.state();
            if let Ok(Settled::Done(operation)) = &settled {
                state.mark(operation);
                if is_absent {
                    state.absent(operation.id);
                }
            }
            // What is on disk counts, also when the program dies before it hears of it.
            if status == OperationStatus::Unknown {
                state.unknown.insert(operation);
            }
            drop(state);
            settled
        };
        let settled = self.write("settle", step).await;
        let mut state = self.world.state();
        let name = state.name(&id);
        let word = if matches!(settled, Ok(Settled::Done(_))) { "settled" } else { "not settled" };
        state.say(&format!("{word} {name}: {line}"));
        settled
    }

    async fn recover(&self, at: Timestamp) -> Result<Vec<Operation>, StoreError> {
        let step = async {
            let recovered = self.inner.recover(at).await;
            for operation in recovered.iter().flatten() {
                self.world.state().unknown.insert(operation.id);
            }
            recovered
        };
        let recovered = self.write("recover", step).await?;
        let mut state = self.world.state();
        for operation in &recovered {
            let name = state.name(&operation.id.to_string());
            state.say(&format!("recovered {name}: {}", operation.status.as_str()));
        }
        Ok(recovered)
    }

    async fn due_checks(&self, now: Timestamp, limit: u32) -> Result<Vec<Operation>, StoreError> {
        if self.idle.lock().unwrap().checks.is_some_and(|until| now < until) {
            return Ok(Vec::new());
        }
        let due = at_once(self.inner.due_checks(now, limit))?;
        if due.is_empty() {
            let later = at_once(self.inner.due_checks(one_day_after(now), 1))?;
            let next = later.first().and_then(|operation| operation.next_check_at);
            self.idle.lock().unwrap().checks = Some(next.unwrap_or(one_day_after(now)));
        }
        Ok(due)
    }

    async fn operation(&self, id: OperationId) -> Result<Option<Operation>, StoreError> {
        self.read("operation", self.inner.operation(id)).await
    }

    async fn operation_of_page(&self, token: &str) -> Result<Option<Operation>, StoreError> {
        self.read("page", self.inner.operation_of_page(token)).await
    }

    async fn memory(&self, id: &OrderId) -> Result<OrderMemory, StoreError> {
        self.read("memory", self.inner.memory(id)).await
    }

    async fn order_copy(&self, id: &OrderId) -> Result<Option<Order>, StoreError> {
        self.read("copy", self.inner.order_copy(id)).await
    }

    async fn save_copies(&self, readings: Vec<Reading>, cause: Cause) -> Result<Vec<OrderId>, StoreError> {
        self.write("save_copies", self.inner.save_copies(readings, cause)).await
    }

    async fn change_count(&self, id: &OrderId) -> Result<i64, StoreError> {
        self.read("change_count", self.inner.change_count(id)).await
    }

    fn run(&self) -> i64 {
        self.inner.run()
    }

    async fn order_events(&self, id: &OrderId, after: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.read("events", self.inner.order_events(id, after, limit)).await
    }

    async fn keep_notification(&self, new: NewNotification) -> Result<bool, StoreError> {
        self.write("keep_notification", self.inner.keep_notification(new)).await
    }

    async fn due_notifications(
        &self,
        account: &AccountName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueNotification>, StoreError> {
        if self.idle.lock().unwrap().notices.get(account).is_some_and(|until| now < *until) {
            return Ok(Vec::new());
        }
        let due = at_once(self.inner.due_notifications(account, now, limit))?;
        let later = || at_once(self.inner.due_notifications(account, one_day_after(now), 1));
        if due.is_empty() && later()?.is_empty() {
            self.idle.lock().unwrap().notices.insert(account.clone(), one_day_after(now));
        }
        Ok(due)
    }

    async fn finish_notification(
        &self,
        id: &str,
        order: Option<OrderId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("finish_notification", self.inner.finish_notification(id, order, now)).await
    }

    async fn tie_notification(&self, id: &str, order: &OrderId) -> Result<(), StoreError> {
        self.write("tie_notification", self.inner.tie_notification(id, order)).await
    }

    async fn retry_notification(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        self.write("retry_notification", self.inner.retry_notification(id, at)).await
    }

    async fn hasten(
        &self,
        order: Option<&OrderId>,
        operation: Option<OperationId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("hasten", self.inner.hasten(order, operation, now)).await
    }

    async fn orders_with_reference(
        &self,
        account: &AccountName,
        merchant_reference: &str,
    ) -> Result<Vec<OrderId>, StoreError> {
        self.read("with_reference", self.inner.orders_with_reference(account, merchant_reference)).await
    }

    async fn due_reads(
        &self,
        account: &AccountName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreError> {
        at_once(self.inner.due_reads(account, now, limit))
    }

    async fn plan_read(&self, id: &OrderId, now: Timestamp, is_read: bool) -> Result<(), StoreError> {
        self.write("plan_read", self.inner.plan_read(id, now, is_read)).await
    }

    async fn reads_overdue(
        &self,
        account: &AccountName,
        now: Timestamp,
    ) -> Result<std::time::Duration, StoreError> {
        at_once(self.inner.reads_overdue(account, now))
    }

    async fn list_orders(
        &self,
        filter: OrderFilter,
        sort: Sort,
        after: Option<Place>,
        limit: u32,
    ) -> Result<ListPage<Order>, StoreError> {
        at_once(self.inner.list_orders(filter, sort, after, limit))
    }

    async fn list_operations(
        &self,
        filter: OperationFilter,
        sort: Sort,
        after: Option<Place>,
        limit: u32,
    ) -> Result<ListPage<Operation>, StoreError> {
        at_once(self.inner.list_operations(filter, sort, after, limit))
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog, StoreError> {
        at_once(self.inner.backlog(now))
    }

    async fn check_writable(&self) -> Result<(), StoreError> {
        at_once(self.inner.check_writable())
    }

    async fn erasure_clock(
        &self,
        now: Timestamp,
        passed: Option<std::time::Duration>,
    ) -> Result<ErasureClock, StoreError> {
        at_once(self.inner.erasure_clock(now, passed))
    }

    async fn sweep(&self, limits: Limits, from: Sweep) -> Result<Swept, StoreError> {
        self.write("sweep", self.inner.sweep(limits, from)).await
    }

    async fn scrub(&self) -> Result<bool, StoreError> {
        at_once(self.inner.scrub())
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
