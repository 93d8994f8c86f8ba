//! Equal reads at the same moment share one call to the provider.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::{BoxFuture, FutureExt, Shared};
use tokio::time::Instant;

use super::core::Core;
use crate::{
    adapter::{Account, ErrorKind, ProviderError},
    domain::{OrderId, Reading},
    trace,
};

type Read = Shared<BoxFuture<'static, Result<Arc<Reading>, ProviderError>>>;

/// The reads under way, by order.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    under_way: Mutex<HashMap<OrderId, (u64, Read)>>,
    started: std::sync::atomic::AtomicU64,
}

impl UnderWay {
    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<OrderId, (u64, Read)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was asked before a change ended must not answer whoever asks after it.
    pub(super) fn forget(&self, id: &OrderId) {
        self.map().remove(id);
    }
}

/// Takes a read off the list when one of its readers goes, with the answer or because its caller hung up: a read that
/// nobody drives any more must not be joined.
struct Leaving<'a> {
    reads: &'a UnderWay,
    id: &'a OrderId,
    number: u64,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut map = self.reads.map();
        if map.get(self.id).is_some_and(|(current, _)| *current == self.number) {
            map.remove(self.id);
        }
    }
}

impl Core {
    /// Reads an order at its provider, together with whoever reads it at this moment. Ends at the deadline of the
    /// caller, whatever the shared call does: whoever has more time than the first of the readers asks again when that one's
    /// is over.
    pub(super) async fn read_shared(
        self: &Arc<Self>,
        account: &Account,
        id: &OrderId,
        deadline: Instant,
    ) -> Result<Arc<Reading>, ProviderError> {
        loop {
            let (number, read, is_joined) = self.join_read(account, id, deadline);
            let _leaving = Leaving { reads: &self.reads, id, number };
            let ended = tokio::time::timeout_at(deadline, read).await.unwrap_or_else(|_| {
                Err(ProviderError::new(
                    account.adapter.provider(),
                    "read",
                    ErrorKind::Timeout,
                    "no answer within the caller's deadline",
                ))
            });
            let is_late = ended.as_ref().is_err_and(|error| error.kind == ErrorKind::Timeout);
            if !(is_late && is_joined && Instant::now() < deadline) {
                return ended;
            }
        }
    }

    /// The read of this order that is under way, else a new one that lasts until `deadline`; with its number, and whether
    /// somebody else began it.
    fn join_read(self: &Arc<Self>, account: &Account, id: &OrderId, deadline: Instant) -> (u64, Read, bool) {
        let mut map = self.reads.map();
        if let Some((number, read)) = map.get(id) {
            return (*number, read.clone(), true);
        }
        let number = self.reads.started.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (core, account, order) = (Arc::clone(self), account.clone(), id.clone());
        // In the trace of whoever asked first, whoever drives it.
        let read = trace::carry(async move { core.ask(&account, &order, deadline).await.map(Arc::new) })
            .boxed()
            .shared();
        map.insert(id.clone(), (number, read.clone()));
        (number, read, false)
    }
}
