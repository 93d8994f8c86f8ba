//! Reads the orders that are followed, so that a missed notification is not the end. `domain::following` says when.
//!
//! Each account has a queue and a pace of its own: a dead platform delays nobody else's reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::time::MissedTickBehavior;

use super::core::{Core, stopped};
use crate::{
    domain::{AccountName, Cause, OrderId},
    trace::{About, Context},
};

/// How often due reads are looked for.
const TICK: Duration = Duration::from_secs(1);

/// Reads what is due until the service stops. An account whose reads take long has one batch under way, no more.
pub(super) async fn run(core: Arc<Core>) {
    let mut stopping = core.stopping();
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
                let registry = core.registry();
                for account in registry.accounts() {
                    if !busy.insert(account.name.clone()) {
                        continue;
                    }
                    batches.push(batch(&core, account.name.clone(), account.follow_reads_per_second));
                }
            }
            () = stopped(&mut stopping) => break,
        }
    }
}

/// Reads a second's worth of the orders of one account that are due, evenly spread over that second.
async fn batch(core: &Core, account: AccountName, per_second: u32) -> AccountName {
    match core.store.due_reads(&account, core.clock.now(), per_second).await {
        Ok(due) => {
            let pause = Duration::from_secs(1).checked_div(per_second.max(1)).unwrap_or(Duration::ZERO);
            join_all(due.into_iter().zip(0_u32..).map(|(order, place)| async move {
                tokio::time::sleep(pause.saturating_mul(place)).await;
                follow(core, order).await;
            }))
            .await;
        }
        Err(error) => tracing::warn!(%error, "orders to be read could not be listed"),
    }
    account
}

/// How long the read of a followed order that is longest overdue has been due, by provider.
pub(super) async fn overdue(core: &Core) -> Vec<(&'static str, Duration)> {
    let (registry, now) = (core.registry(), core.clock.now());
    let mut longest: BTreeMap<&'static str, Duration> = BTreeMap::new();
    for account in registry.accounts() {
        match core.store.reads_overdue(&account.name, now).await {
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
async fn follow(core: &Core, id: OrderId) {
    let (context, span) = Context::of_later_work(&core.tracer, Cause::default(), "follow order");
    context.about(About::order(&id)).run(follow_in_context(core, id)).await;
    span.end();
}

async fn follow_in_context(core: &Core, id: OrderId) {
    let registry = core.registry();
    let Some(account) = registry.account(&id.account) else { return };
    let is_read = match core.read_and_keep(account, &id, Cause::default()).await {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!(order_id = %id, %error, "an order that is followed cannot be read");
            false
        }
    };
    let now = core.clock.now();
    if let Err(error) = core.store.plan_read(&id, now, is_read).await {
        tracing::warn!(%error, "the next read of an order could not be planned");
    }
}
