//! The reads under way, by order.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::{BoxFuture, Shared};
use parking_lot::Mutex;

use crate::{
    adapter::ProviderError,
    domain::{OrderId, Reading},
};

/// A read that several may wait for.
pub(super) type Read = Shared<BoxFuture<'static, Result<Arc<Reading>, ProviderError>>>;

/// The reads under way, by order.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    under_way: Mutex<HashMap<OrderId, (u64, Read)>>,
    pub(super) started: std::sync::atomic::AtomicU64,
}

impl UnderWay {
    pub(super) fn map(&self) -> parking_lot::MutexGuard<'_, HashMap<OrderId, (u64, Read)>> {
        self.under_way.lock()
    }

    /// What was asked before a change ended must not answer whoever asks after it.
    pub(super) fn forget(&self, id: &OrderId) {
        self.map().remove(id);
    }
}

/// Takes a read off the list when one of its readers goes, with the answer or because its caller hung up: a read that
/// nobody drives any more must not be joined.
pub(super) struct Leaving<'a> {
    pub(super) reads: &'a UnderWay,
    pub(super) id: &'a OrderId,
    pub(super) number: u64,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut map = self.reads.map();
        if map.get(self.id).is_some_and(|(current, _)| *current == self.number) {
            map.remove(self.id);
        }
    }
}
