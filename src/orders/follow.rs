//! Reads the orders that are followed, so that a missed notification is not the end. `domain::following` says when.
//!
//! Each account has a queue and a pace of its own: a dead platform delays nobody else's reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior},
};

use super::{Orders, stopped};
use crate::{
    adapter::{Account, ProviderError},
    domain::{AccountName, Cause, OrderId},
    store::StoreError,
    trace::{About, Context},
};

/// How often due reads are looked for.
const TICK: Duration = Duration::from_secs(1);
/// Longest time one read may take.
const READ_TIME: Duration = Duration::from_secs(10);
/// An order that was changed while it was read is read again, so often at once.
const TRIES: u32 = 3;

/// Reads what is due until the service stops. An account whose reads take long has one batch under way, no more.
pub(super) async fn run(orders: Arc<Orders>, mut stopping: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batches = FuturesUnordered::new();
    let mut busy: BTreeSet<AccountName> = BTreeSet::new();
    loop {
        tokio::select! {
            Some(account) = batches.next() => {
                busy.remove(&account);
            }
            _ = tick.tick() => {
                let registry = orders.registry();
                for account in registry.accounts() {
                    if !busy.insert(account.name.clone()) {
                        continue;
                    }
                    batches.push(batch(&orders, account.name.clone(), account.follow_reads_per_second));
                }
            }
            () = stopped(&mut stopping) => break,
        }
    }
}

/// Reads a second's worth of the orders of one account that are due, evenly spread over that second.
async fn batch(orders: &Orders, account: AccountName, per_second: u32) -> AccountName {
    match orders.store.due_reads(&account, orders.clock.now(), per_second).await {
        Ok(due) => {
            let pause = Duration::from_secs(1).checked_div(per_second.max(1)).unwrap_or(Duration::ZERO);
            join_all(due.into_iter().zip(0_u32..).map(|(order, place)| async move {
                tokio::time::sleep(pause.saturating_mul(place)).await;
                orders.follow(order).await;
            }))
            .await;
        }
        Err(error) => tracing::warn!(%error, "orders to be read could not be listed"),
    }
    account
}

impl Orders {
    /// How long the read of a followed order that is longest overdue has been due, by provider.
    pub async fn reads_overdue(&self) -> Vec<(&'static str, Duration)> {
        let (registry, now) = (self.registry(), self.clock.now());
        let mut longest: BTreeMap<&'static str, Duration> = BTreeMap::new();
        for account in registry.accounts() {
            match self.store.reads_overdue(&account.name, now).await {
                Ok(overdue) => {
                    let one = longest.entry(account.adapter.provider()).or_default();
                    *one = overdue.max(*one);
                }
                Err(error) => tracing::warn!(%error, "reads that are overdue could not be counted"),
            }
        }
        longest.into_iter().collect()
    }

    /// Reads one order that is followed and plans the next read.
    async fn follow(&self, id: OrderId) {
        let (context, span) = Context::of_later_work(&self.tracer, Cause::default(), "follow order");
        context.about(About::order(&id)).run(self.follow_in_context(id)).await;
        span.end();
    }

    async fn follow_in_context(&self, id: OrderId) {
        let registry = self.registry();
        let Some(account) = registry.account(&id.account) else { return };
        let is_read = match self.read_and_keep(account, &id, Cause::default()).await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(order_id = %id, %error, "an order that is followed cannot be read");
                false
            }
        };
        let now = self.clock.now();
        if let Err(error) = self.store.plan_read(&id, now, is_read).await {
            tracing::warn!(%error, "the next read of an order could not be planned");
        }
    }

    /// Reads an order and keeps it; reads it again when it was changed meanwhile.
    pub(super) async fn read_and_keep(
        &self,
        account: &Account,
        id: &OrderId,
        cause: Cause,
    ) -> Result<(), NotKept> {
        for _ in 0..TRIES {
            let reading = self.ask(account, id, Instant::now() + READ_TIME).await.map_err(NotKept::Read)?;
            let outdated =
                self.store.save_copies(vec![reading], cause.clone()).await.map_err(NotKept::Store)?;
            if outdated.is_empty() {
                return Ok(());
            }
        }
        Err(NotKept::Outdated)
    }
}

/// Why an order that was to be read and kept was not.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKept {
    /// The provider could not be read.
    #[error("{0}")]
    Read(ProviderError),
    /// The store failed.
    #[error("{0}")]
    Store(StoreError),
    /// It was changed again and again while it was being read.
    #[error("it was changed while it was read")]
    Outdated,
}
