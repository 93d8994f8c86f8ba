//! Outcomes that are known, and that the store could not take yet.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many outcomes are known that the store could not take yet.
#[derive(Debug, Default)]
pub(super) struct Stuck(Arc<AtomicU64>);

/// One outcome that waits for the store; counted until it is dropped.
pub(super) struct OneStuck(Arc<AtomicU64>);

impl Stuck {
    pub(super) fn one_more(&self) -> OneStuck {
        self.0.fetch_add(1, Ordering::Relaxed);
        OneStuck(Arc::clone(&self.0))
    }

    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for OneStuck {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
