//! The use cases: read an order, change it, look at what became of a change.
//!
//! A change goes: look at key and guard, read the order, decide, commit the intent, call the provider, commit
//! the outcome. From the first step on it runs detached from the caller, who may hang up.

mod asking;
mod change;
mod clock;
mod copies;
mod create;
mod decide;
mod detached;
mod failure;
mod follow;
mod inbox;
mod probe;
mod reads;
mod reconcile;
mod send;
mod settle;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use tokio_util::task::TaskTracker;

pub use change::{CallerKey, ChangeRequest, Changed, NewChange, Precondition};
pub use create::NewCreation;
pub use failure::documented_code;
use failure::read_problem;
pub(crate) use failure::{store_answer, store_problem};
pub use inbox::Received;

use crate::{
    adapter::{Account, ErrorKind, Registry},
    clock::TimeOfDay,
    config::{AllowedAccounts, RouteRule},
    domain::{Event, Operation, OperationId, Order, OrderId, Timestamp},
    problem::{Problem, ProblemCode},
    store::{ListPage, OperationFilter, OrderFilter, Place, Sort, Store},
    telemetry::SecurityLog,
    trace::Tracer,
};

/// Who calls: a client with its scopes and the accounts it may use.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The client's name.
    pub client: String,
    /// The accounts it may use.
    pub accounts: AllowedAccounts,
    /// What it may do.
    pub scopes: BTreeSet<crate::config::Scope>,
    /// The request, for the audit trail.
    pub request_id: String,
}

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadOptions {
    /// Accept a copy that was read at most this long ago.
    pub max_age: Option<Duration>,
    /// Accept an old copy when the provider cannot be asked.
    pub allow_stale: bool,
}

/// An order as shown, and whether it is an old copy because the provider could not be asked.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The order.
    pub order: Order,
    /// Whether it is an old copy.
    pub stale: bool,
}

/// The use cases over one store and the configured accounts.
#[derive(Debug)]
pub struct Orders {
    registry: RwLock<Arc<Registry>>,
    routes: RwLock<Arc<Vec<RouteRule>>>,
    store: Arc<dyn Store>,
    /// Longest time, in milliseconds, that a call of this process may have been listened for.
    provider_timeout_ms: AtomicU64,
    copies: copies::WriteBehind,
    reads: reads::Reads,
    numbers: asking::Numbers,
    clock: clock::Clock,
    stuck: reconcile::Stuck,
    tracer: Tracer,
    tasks: TaskTracker,
    stopping: watch::Sender<bool>,
    /// Where notifications were kept.
    inbox: inbox::Filled,
    security: SecurityLog,
}

impl Orders {
    /// The use cases. Starts the background work: writing copies and settling lost answers.
    pub fn start(
        registry: Registry,
        routes: Vec<RouteRule>,
        store: Arc<dyn Store>,
        provider_timeout: Duration,
        tracer: Tracer,
        time_of_day: TimeOfDay,
    ) -> Arc<Self> {
        let (stopping, _) = watch::channel(false);
        let tasks = TaskTracker::new();
        let orders = Arc::new(Self {
            registry: RwLock::new(Arc::new(registry)),
            routes: RwLock::new(Arc::new(routes)),
            copies: copies::WriteBehind::start(Arc::clone(&store), &tasks, stopping.subscribe()),
            numbers: asking::Numbers::of_run(store.run()),
            clock: clock::Clock::start(time_of_day),
            stuck: reconcile::Stuck::default(),
            store,
            reads: reads::Reads::default(),
            provider_timeout_ms: AtomicU64::new(whole_ms(provider_timeout)),
            tracer,
            tasks,
            stopping,
            inbox: inbox::Filled::default(),
            security: SecurityLog::default(),
        });
        orders.tasks.spawn(reconcile::run(Arc::clone(&orders), orders.stopping.subscribe()));
        orders.tasks.spawn(probe::run(Arc::clone(&orders), orders.stopping.subscribe()));
        orders.tasks.spawn(follow::run(Arc::clone(&orders), orders.stopping.subscribe()));
        orders.tasks.spawn(inbox::run(Arc::clone(&orders), orders.stopping.subscribe()));
        orders
    }

    /// The accounts in force.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Puts other accounts in force; calls under way keep theirs.
    pub fn replace_registry(&self, registry: Registry) {
        *self.registry.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(registry);
    }

    /// Calls may be listened for this long from now on. It only grows while the process runs: calls that were begun under
    /// a longer time may still be under way, and absence of their effect proves nothing before that.
    pub fn allow_provider_timeout(&self, timeout: Duration) {
        self.provider_timeout_ms.fetch_max(whole_ms(timeout), Ordering::Relaxed);
    }

    /// The routes in force.
    fn routes(&self) -> Arc<Vec<RouteRule>> {
        Arc::clone(&self.routes.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Puts other routes in force.
    pub fn replace_routes(&self, routes: Vec<RouteRule>) {
        *self.routes.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(routes);
    }

    /// The store, for health checks.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Makes an operation known for so long already, for tests that cannot wait for the settling time.
    #[cfg(feature = "faults")]
    pub fn pretend_known_for(&self, id: OperationId, time: Duration) {
        self.clock.add_to_watched(id, time);
    }

    /// Waits at most `grace` for what runs, stops the background work and closes the store. What did not
    /// end is recovered at the next start.
    pub async fn stop(&self, grace: Duration) {
        let _ = self.stopping.send(true);
        self.tasks.close();
        let _ = tokio::time::timeout(grace, self.tasks.wait()).await;
        self.store.close().await;
    }

    /// The account of an order, if this caller may use it. Nothing is sent for a reference that is not in
    /// its provider's one spelling.
    fn account(&self, caller: &Caller, id: &OrderId) -> Result<Account, Problem> {
        let registry = self.registry();
        registry
            .account(&id.account)
            .filter(|account| caller.accounts.contains(account.name.as_str()))
            .filter(|account| account.adapter.accepts_reference(&id.reference))
            .cloned()
            .ok_or_else(not_found)
    }

    /// The order as the provider sees it now.
    ///
    /// # Errors
    /// Unknown order, or the provider cannot be asked.
    pub async fn read(
        self: &Arc<Self>,
        caller: &Caller,
        id: &OrderId,
        options: ReadOptions,
        deadline: Instant,
    ) -> Result<Shown, Problem> {
        let account = self.account(caller, id)?;
        if let Some(max_age) = options.max_age
            && let Some(order) = self.store.order_copy(id).await.map_err(store_problem)?
            && is_fresh(&order, max_age, self.clock.time_of_day())
        {
            return Ok(Shown { order, stale: false });
        }
        match self.read_shared(&account, id, deadline).await {
            Ok(reading) => {
                self.copies.keep(&reading);
                Ok(Shown { order: Arc::unwrap_or_clone(reading).order, stale: false })
            }
            Err(error) => {
                let away = matches!(
                    error.kind,
                    ErrorKind::NotExecuted
                        | ErrorKind::Timeout
                        | ErrorKind::Protocol
                        | ErrorKind::Incident
                        | ErrorKind::Temporary
                );
                if away
                    && options.allow_stale
                    && let Some(order) = self.store.order_copy(id).await.map_err(store_problem)?
                {
                    return Ok(Shown { order, stale: true });
                }
                Err(read_problem(&error).about(id))
            }
        }
    }

    /// What became of an operation.
    ///
    /// # Errors
    /// No such operation, or none this caller may see.
    pub async fn operation(&self, caller: &Caller, id: OperationId) -> Result<Operation, Problem> {
        let operation = self.store.operation(id).await.map_err(store_problem)?;
        operation
            .filter(|operation| caller.accounts.contains(operation.account.as_str()))
            .ok_or_else(not_found)
    }

    /// A page of the orders known here.
    ///
    /// # Errors
    /// The store is away.
    pub async fn list_orders(
        &self,
        caller: &Caller,
        filter: OrderFilter,
        sort: Sort,
        after: Option<Place>,
        limit: u32,
    ) -> Result<ListPage<Order>, Problem> {
        let filter = OrderFilter { accounts: caller.accounts.names(), ..filter };
        self.store.list_orders(filter, sort, after, limit).await.map_err(store_problem)
    }

    /// A page of the operations.
    ///
    /// # Errors
    /// The store is away.
    pub async fn list_operations(
        &self,
        caller: &Caller,
        filter: OperationFilter,
        sort: Sort,
        after: Option<Place>,
        limit: u32,
    ) -> Result<ListPage<Operation>, Problem> {
        let filter = OperationFilter { accounts: caller.accounts.names(), ..filter };
        self.store.list_operations(filter, sort, after, limit).await.map_err(store_problem)
    }

    /// The creation behind a payer's page.
    ///
    /// # Errors
    /// No such page.
    pub async fn page(&self, token: &str) -> Result<Operation, Problem> {
        self.store.operation_of_page(token).await.map_err(store_problem)?.ok_or_else(not_found)
    }

    /// Whether the order that a page was made for is paid or being paid, by its newest copy.
    ///
    /// # Errors
    /// The store is away.
    pub async fn is_being_paid(&self, creation: &Operation) -> Result<bool, Problem> {
        let Some(order) = &creation.order_id else { return Ok(false) };
        let copy = self.store.order_copy(order).await.map_err(store_problem)?;
        Ok(copy.is_some_and(|copy| copy.status.moves_money()))
    }

    /// The timeline of an order, from the event after number `after`.
    ///
    /// # Errors
    /// An order of an account this caller may not use.
    pub async fn events(
        &self,
        caller: &Caller,
        id: &OrderId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Event>, Problem> {
        self.account(caller, id)?;
        self.store.order_events(id, after, limit).await.map_err(store_problem)
    }
}

/// Whether a copy was read at most `max_age` ago. One from the future was read while the clock was wrong.
fn is_fresh(copy: &Order, max_age: Duration, now: Timestamp) -> bool {
    copy.as_of <= now && now.since(copy.as_of) <= max_age
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The same answer whether a thing is absent or of an account the client may not use.
fn not_found() -> Problem {
    Problem::plain(ProblemCode::NotFound)
}

/// Waits until the service is to stop.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the service is gone already.
    let _ = stopping.wait_for(|stop| *stop).await;
}
