//! The clock of schedules, and how long this process has watched an operation.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::domain::{OperationId, Timestamp};

/// A clock that starts with the time of day and then runs by the monotonic clock. A time of day that jumps makes nothing
/// due and proves nothing.
#[derive(Debug)]
pub(super) struct Clock {
    begun_at: Timestamp,
    begun: Instant,
    /// When each operation that has no end yet was first seen by this process, and what a test adds to that.
    watched: Mutex<HashMap<OperationId, (Instant, Duration)>>,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { begun_at: Timestamp::now(), begun: Instant::now(), watched: Mutex::default() }
    }

    /// Now, for what is due and how old something is.
    pub(super) fn now(&self) -> Timestamp {
        self.begun_at.plus(self.begun.elapsed())
    }

    /// How long this process has known of an operation: never more than what really passed since it was begun.
    pub(super) fn watched(&self, id: OperationId) -> Duration {
        let (since, more) = *self.watched_map().entry(id).or_insert_with(|| (Instant::now(), Duration::ZERO));
        since.elapsed().saturating_add(more)
    }

    /// Forgets an operation that has ended.
    pub(super) fn forget(&self, id: OperationId) {
        self.watched_map().remove(&id);
    }

    /// Makes an operation known for longer, for tests that cannot wait.
    #[cfg(feature = "faults")]
    pub(super) fn add_to_watched(&self, id: OperationId, more: Duration) {
        self.watched_map().insert(id, (Instant::now(), more));
    }

    fn watched_map(&self) -> std::sync::MutexGuard<'_, HashMap<OperationId, (Instant, Duration)>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_runs_by_the_time_that_really_passes() {
        let clock = Clock::start();
        let (before, operation) = (clock.now(), OperationId::generate());
        assert_eq!(clock.watched(operation), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().since(before), Duration::from_secs(90));
        assert_eq!(clock.watched(operation), Duration::from_secs(90));
        clock.forget(operation);
        assert_eq!(clock.watched(operation), Duration::ZERO, "it is watched anew");
    }
}
