//! Follows the open orders made here by reading them now and then, so that a missed notification is not the end.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{sync::watch, time::Instant};

use super::{Orders, StoreMemory, stopped};
use crate::{
    domain::{Cause, Order, OrderId, OrderStatus, Timestamp},
    faults,
    trace::{About, Context},
};

/// Pauses between reads; the last one repeats until the order is over.
const SCHEDULE: [Duration; 7] = [
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(600),
    Duration::from_secs(1_800),
    Duration::from_secs(3_600),
];
/// How long after its expiry an order is still read: the provider may be slow to say so.
const AFTER_EXPIRY: Duration = Duration::from_secs(3_600);
/// How often due reads are looked for.
const TICK: Duration = Duration::from_secs(1);
/// Orders read at once: a courtesy to the providers, not a limit of ours.
const AT_ONCE: u32 = 8;
/// Longest time one read may take.
const READ_TIME: Duration = Duration::from_secs(10);

/// When to read next after `reads` reads.
pub(super) fn next_read(reads: u32, now: Timestamp) -> Timestamp {
    let index = usize::try_from(reads).unwrap_or(usize::MAX);
    now.plus(faults::hurried(SCHEDULE.get(index).or(SCHEDULE.last()).copied().unwrap_or(AFTER_EXPIRY)))
}

/// Whether nothing more is to be expected of the payer.
fn is_over(order: &Order, now: Timestamp) -> bool {
    let waits = match order.status {
        OrderStatus::Pending
        | OrderStatus::Processing
        | OrderStatus::InReview
        | OrderStatus::Authorized
        | OrderStatus::Declined
        | OrderStatus::Unknown => true,
        OrderStatus::Paid
        | OrderStatus::PartiallyRefunded
        | OrderStatus::Refunded
        | OrderStatus::Canceled
        | OrderStatus::Expired
        | OrderStatus::Failed => false,
    };
    let has_expired = order.expires_at.is_some_and(|expires_at| now > expires_at.plus(AFTER_EXPIRY));
    order.is_final || !waits || has_expired
}

/// Reads what is due until the service stops.
pub(super) async fn run(orders: Arc<Orders>, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = stopped(&mut stopping) => return,
        }
        match orders.store.due_reads(Timestamp::now(), AT_ONCE).await {
            Ok(due) => {
                join_all(due.into_iter().map(|(order, reads)| orders.follow(order, reads))).await;
            }
            Err(error) => tracing::warn!(%error, "orders to be read could not be listed"),
        }
    }
}

impl Orders {
    /// Reads one order that is followed and plans the next read.
    async fn follow(&self, id: OrderId, reads: u32) {
        let (context, span) = Context::of_later_work(&self.tracer, Cause::default(), "follow order");
        context.about(About::order(&id)).run(self.follow_in_context(id, reads)).await;
        span.end();
    }

    async fn follow_in_context(&self, id: OrderId, reads: u32) {
        let registry = self.registry();
        let mut next = Some(next_read(reads.saturating_add(1), Timestamp::now()));
        if let Some(account) = registry.account(&id.account) {
            let memory = StoreMemory { store: &self.store, id: &id };
            match account.adapter.fetch(&id.reference, &memory, Instant::now() + READ_TIME).await {
                Ok(order) => {
                    if is_over(&order, Timestamp::now()) {
                        next = None;
                    }
                    if let Err(error) = self.store.save_copies(vec![order], Cause::default()).await {
                        tracing::warn!(%error, "a copy of an order was not kept");
                        next = Some(next_read(0, Timestamp::now()));
                    }
                }
                Err(error) => tracing::debug!(order_id = %id, error = %error, "an open order cannot be read"),
            }
        }
        if let Err(error) = self.store.plan_read(&id, next).await {
            tracing::warn!(%error, "the next read of an order could not be planned");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        let now = Timestamp::from_millis(0);
        let pauses: Vec<i64> = (0..9).map(|reads| next_read(reads, now).as_millis() / 1000).collect();
        assert_eq!(pauses, [30, 60, 120, 300, 600, 1_800, 3_600, 3_600, 3_600]);
    }
}
