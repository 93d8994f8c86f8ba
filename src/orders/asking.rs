//! Asking a provider for an order, with what orders the answer among others.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{core::Core, failure::MEMORY};
use crate::{
    adapter::{Account, ErrorKind, ProviderError, Recall, Verdict},
    domain::{Cause, Operation, Order, OrderId, OrderMemory, Reading},
    store::{Store, StoreError, deadline},
};

/// Longest time that an adapter waits for what is remembered of an order.
const RECALL_TIME: Duration = Duration::from_secs(10);
/// Longest time for the change count of an order that has been read already. Without it the reading is shown and not kept.
const COUNT_TIME: Duration = Duration::from_secs(1);
/// Longest time that the read of an order that is to be kept may take.
const READ_TIME: Duration = Duration::from_secs(10);
/// An order that was changed while it was read is read again, so often at once.
const TRIES: u32 = 3;

/// The memory of one order, read when an adapter asks for it, and the change count it was read under.
pub(super) struct StoreMemory<'a> {
    store: &'a Arc<dyn Store>,
    /// `None` for a creation whose order is not known yet: nothing is remembered of it.
    id: Option<&'a OrderId>,
    /// The count of the first time it was asked for.
    change_count: Mutex<Option<i64>>,
}

impl<'a> StoreMemory<'a> {
    fn new(store: &'a Arc<dyn Store>, id: Option<&'a OrderId>) -> Self {
        Self { store, id, change_count: Mutex::default() }
    }

    /// The change count under which the adapter saw the order; read now where it did not ask for the memory.
    async fn change_count(&self, id: &OrderId) -> Option<i64> {
        let seen = *self.change_count.lock();
        match seen {
            Some(count) => Some(count),
            // Where the store is away the reading is shown and not kept.
            None => deadline::at_most(COUNT_TIME, self.store.change_count(id)).await.ok(),
        }
    }
}

#[async_trait]
impl Recall for StoreMemory<'_> {
    async fn recall(&self) -> Result<OrderMemory, ProviderError> {
        let Some(id) = self.id else { return Ok(OrderMemory::default()) };
        let memory = deadline::at_most(RECALL_TIME, self.store.memory(id)).await.map_err(|error| {
            tracing::error!(%error, "the store failed");
            ProviderError::new(MEMORY, "recall", ErrorKind::NotExecuted, "the store could not be read")
        })?;
        self.change_count.lock().get_or_insert(memory.change_count);
        Ok(memory)
    }
}

/// What a fresh read proves about an operation, with the order as it was read.
pub(super) struct Evidence {
    pub(super) verdict: Verdict,
    pub(super) reading: Option<Reading>,
}

impl Core {
    /// What is remembered of an order, for an adapter that asks.
    pub(super) fn memory_of<'a>(&'a self, id: &'a OrderId) -> StoreMemory<'a> {
        StoreMemory::new(&self.store, Some(id))
    }

    /// Reads an order at its provider.
    pub(super) async fn ask(
        &self,
        account: &Account,
        id: &OrderId,
        deadline: Instant,
    ) -> Result<Reading, ProviderError> {
        let asked = self.numbers.next();
        let memory = StoreMemory::new(&self.store, Some(id));
        let order =
            deadline::within(deadline, account.adapter.fetch(&id.reference, &memory, deadline)).await?;
        let change_count = memory.change_count(id).await;
        Ok(Reading { order, asked, change_count, at: self.clock.now() })
    }

    /// What a fresh read proves about an operation.
    pub(super) async fn evidence(
        &self,
        account: &Account,
        operation: &Operation,
        deadline: Instant,
    ) -> Result<Evidence, ProviderError> {
        let asked = self.numbers.next();
        let id = operation.expected_order();
        let memory = StoreMemory::new(&self.store, id.as_ref());
        let shows = account.adapter.shows(operation, &memory, deadline);
        let mut verdict = deadline::within(deadline, shows).await?;
        let reading = match order_of(&mut verdict) {
            Some(order) => {
                let change_count = memory.change_count(&order.id).await;
                Some(Reading { order, asked, change_count, at: self.clock.now() })
            }
            None => None,
        };
        Ok(Evidence { verdict, reading })
    }

    /// An order that the answer to a change told, which was sent under the number `asked`.
    pub(super) async fn reading_of(&self, order: Order, asked: i64) -> Reading {
        let change_count = deadline::at_most(COUNT_TIME, self.store.change_count(&order.id)).await.ok();
        Reading { order, asked, change_count, at: self.clock.now() }
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

/// Takes the order out of a verdict.
fn order_of(verdict: &mut Verdict) -> Option<Order> {
    match verdict {
        Verdict::Done(order)
        | Verdict::Accepted(order)
        | Verdict::Unclear(order)
        | Verdict::NoTrace(order) => order.take().map(|order| *order),
        Verdict::Refused(_) => None,
    }
}
