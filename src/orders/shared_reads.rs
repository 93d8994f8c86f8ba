//! Equal reads at the same moment share one call to the provider.

use std::sync::Arc;

use futures_util::future::FutureExt;
use tokio::time::Instant;

use super::{
    core::Core,
    under_way::{Leaving, Read},
};
use crate::{
    adapter::{Account, ErrorKind, ProviderError},
    domain::{OrderId, Reading},
    trace,
};

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
