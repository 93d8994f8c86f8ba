//! The numbers under which orders are asked for: what orders the answers.

use std::sync::atomic::{AtomicI64, Ordering};

/// Numbers of one start; the next start begins above them.
const NUMBERS_OF_A_RUN: i64 = 1 << 40;

/// The numbers under which orders are asked for.
#[derive(Debug)]
pub(super) struct Numbers(AtomicI64);

impl Numbers {
    /// Above all numbers of earlier starts.
    pub(super) fn of_run(run: i64) -> Self {
        Self(AtomicI64::new(run.saturating_mul(NUMBERS_OF_A_RUN)))
    }

    pub(super) fn next(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}
