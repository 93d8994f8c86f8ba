//! What all use cases share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::{
    caller::Caller, failure::not_found, numbers::Numbers, request::Located, stuck::Stuck,
    under_way::UnderWay, watched::Clock,
};
use crate::{
    adapter::Registry, clock::TimeOfDay, config::RouteRule, domain::OrderId, problem::Problem, store::Store,
    trace::Tracer,
};

/// The accounts and routes in force, the store, and what this process knows of operations.
#[derive(Debug)]
pub(super) struct Core {
    registry: ArcSwap<Registry>,
    routes: ArcSwap<Vec<RouteRule>>,
    pub(super) store: Arc<dyn Store>,
    /// Longest time, in milliseconds, that a call of this process may have been listened for.
    provider_timeout_ms: AtomicU64,
    pub(super) reads: UnderWay,
    pub(super) numbers: Numbers,
    pub(super) clock: Clock,
    pub(super) stuck: Stuck,
    pub(super) tracer: Tracer,
    pub(super) tasks: TaskTracker,
    stopping: watch::Sender<bool>,
}

impl Core {
    pub(super) fn new(
        registry: Registry,
        routes: Vec<RouteRule>,
        store: Arc<dyn Store>,
        provider_timeout: Duration,
        tracer: Tracer,
        time_of_day: TimeOfDay,
    ) -> Self {
        Self {
            registry: ArcSwap::from_pointee(registry),
            routes: ArcSwap::from_pointee(routes),
            provider_timeout_ms: AtomicU64::new(whole_ms(provider_timeout)),
            reads: UnderWay::default(),
            numbers: Numbers::of_run(store.run()),
            clock: Clock::start(time_of_day),
            stuck: Stuck::default(),
            store,
            tracer,
            tasks: TaskTracker::new(),
            stopping: watch::channel(false).0,
        }
    }

    /// The accounts in force.
    pub(super) fn registry(&self) -> Arc<Registry> {
        self.registry.load_full()
    }

    pub(super) fn replace_registry(&self, registry: Registry) {
        self.registry.store(Arc::new(registry));
    }

    /// The routes in force.
    pub(super) fn routes(&self) -> Arc<Vec<RouteRule>> {
        self.routes.load_full()
    }

    pub(super) fn replace_routes(&self, routes: Vec<RouteRule>) {
        self.routes.store(Arc::new(routes));
    }

    /// Longest time that a call of this process may have been listened for.
    pub(super) fn provider_timeout(&self) -> Duration {
        Duration::from_millis(self.provider_timeout_ms.load(Ordering::Relaxed))
    }

    pub(super) fn allow_provider_timeout(&self, timeout: Duration) {
        self.provider_timeout_ms.fetch_max(whole_ms(timeout), Ordering::Relaxed);
    }

    pub(super) fn stop(&self) {
        let _ = self.stopping.send(true);
        self.tasks.close();
    }

    /// Tells when the service is to stop.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// The account of an order, if this caller may use it. Nothing is sent for a reference that is not in its provider's
    /// one spelling.
    pub(super) fn locate(&self, caller: &Caller, id: OrderId) -> Result<Located, Problem> {
        let registry = self.registry.load();
        let account = registry
            .account(&id.account)
            .filter(|account| caller.accounts.contains(account.name.as_str()))
            .filter(|account| account.adapter.accepts_reference(&id.reference))
            .cloned();
        account.map(|account| Located { account, id }).ok_or_else(not_found)
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Waits until the service is to stop.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the service is gone already.
    let _ = stopping.wait_for(|stop| *stop).await;
}
