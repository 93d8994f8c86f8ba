//! The use cases: read an order, change it, take news of it in, look at what became of a change.
//!
//! A change goes: look at key and guard, read the order, decide, commit the intent, call the provider, commit
//! the outcome. From the first step on it runs detached from the caller, who may hang up.
//!
//! Four types do the work, over one core that nobody else sees: [`Reads`], [`Changes`], [`Inbox`] and [`Reconciler`].

mod agreement;
mod asking;
mod attempt;
mod caller;
mod changes;
mod copies;
mod core;
mod creation;
mod decide;
mod failure;
mod follow;
mod inbox;
mod keys;
mod numbers;
mod outcomes;
mod probe;
mod reads;
mod reconciler;
mod request;
mod review;
mod ruling;
mod schedule;
mod sending;
mod shared_reads;
mod stuck;
mod under_way;
mod watched;

use std::{sync::Arc, time::Duration};

pub use caller::Caller;
pub use changes::Changes;
pub use failure::documented_code;
pub(crate) use failure::{store_answer, store_problem};
pub use inbox::{Inbox, Received};
pub use reads::{ReadOptions, Reads, Shown};
pub use reconciler::Reconciler;
pub use request::{CallerKey, ChangeRequest, Changed, Located, NewChange, NewCreation, Precondition};

use crate::{
    adapter::Registry, clock::TimeOfDay, config::RouteRule, domain::OrderId, problem::Problem, store::Store,
    trace::Tracer,
};

/// The use cases over one store and the configured accounts.
#[derive(Debug)]
pub struct Orders {
    /// What changes nothing.
    pub reads: Reads,
    /// What callers have done at providers.
    pub changes: Arc<Changes>,
    /// What providers tell by themselves.
    pub inbox: Arc<Inbox>,
    /// What became of lost answers.
    pub reconciler: Arc<Reconciler>,
    core: Arc<core::Core>,
}

impl Orders {
    /// The use cases. Starts the background work: writing copies, following orders, applying notifications and settling
    /// lost answers.
    pub fn start(
        registry: Registry,
        routes: Vec<RouteRule>,
        store: Arc<dyn Store>,
        provider_timeout: Duration,
        tracer: Tracer,
        time_of_day: TimeOfDay,
    ) -> Arc<Self> {
        let core = Arc::new(core::Core::new(registry, routes, store, provider_timeout, tracer, time_of_day));
        let copies = copies::WriteBehind::start(Arc::clone(&core.store), &core.tasks, core.stopping());
        let copies = Arc::new(copies);
        let reconciler = Arc::new(Reconciler::new(Arc::clone(&core)));
        let inbox = Arc::new(Inbox::new(Arc::clone(&core), Arc::clone(&reconciler)));
        core.tasks.spawn(reconciler::run(Arc::clone(&reconciler)));
        core.tasks.spawn(probe::run(Arc::clone(&core)));
        core.tasks.spawn(follow::run(Arc::clone(&core)));
        core.tasks.spawn(inbox::run(Arc::clone(&inbox)));
        Arc::new(Self {
            reads: Reads::new(Arc::clone(&core), Arc::clone(&copies)),
            changes: Arc::new(Changes::new(Arc::clone(&core), copies)),
            inbox,
            reconciler,
            core,
        })
    }

    /// The accounts in force.
    pub fn registry(&self) -> Arc<Registry> {
        self.core.registry()
    }

    /// The order with this id, if the caller may use its account.
    ///
    /// # Errors
    /// The same 404 for an unknown account, one the caller may not use, and a reference in no accepted spelling.
    pub fn locate(&self, caller: &Caller, id: OrderId) -> Result<Located, Problem> {
        self.core.locate(caller, id)
    }

    /// Puts other accounts in force; calls under way keep theirs.
    pub fn replace_registry(&self, registry: Registry) {
        self.core.replace_registry(registry);
    }

    /// Puts other routes in force.
    pub fn replace_routes(&self, routes: Vec<RouteRule>) {
        self.core.replace_routes(routes);
    }

    /// Calls may be listened for this long from now on. It only grows while the process runs: calls that were begun under
    /// a longer time may still be under way, and absence of their effect proves nothing before that.
    pub fn allow_provider_timeout(&self, timeout: Duration) {
        self.core.allow_provider_timeout(timeout);
    }

    /// The store, for health checks.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.core.store
    }

    /// How many outcomes are known that the store could not take yet.
    pub fn stuck_outcomes(&self) -> u64 {
        self.core.stuck.count()
    }

    /// Makes an operation known for so long already, for tests that cannot wait for the settling time.
    #[cfg(feature = "faults")]
    pub fn pretend_known_for(&self, id: crate::domain::OperationId, time: Duration) {
        self.core.clock.add_to_watched(id, time);
    }

    /// Waits at most `grace` for what runs, stops the background work and closes the store. What did not
    /// end is recovered at the next start.
    pub async fn stop(&self, grace: Duration) {
        self.core.stop();
        let _ = tokio::time::timeout(grace, self.core.tasks.wait()).await;
        self.core.store.close().await;
    }
}
