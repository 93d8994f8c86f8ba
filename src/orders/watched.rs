//! The time of day and the clock of schedules, with how long this process has watched an operation.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    clock::{SteadyClock, TimeOfDay},
    domain::{OperationId, Timestamp},
};

/// A steady clock beside the time of day, which knows since when each open operation has been watched.
#[derive(Debug)]
pub(super) struct Clock {
    time_of_day: TimeOfDay,
    steady: SteadyClock,
    watched: Mutex<HashMap<OperationId, Watched>>,
}

/// What this process has seen of an operation that has no end yet.
#[derive(Debug, Clone, Copy)]
struct Watched {
    since: Instant,
    /// Whether it was begun by this process: then its age is known without the time of day.
    from_the_begin: bool,
    /// What a test adds.
    more: Duration,
}

impl Watched {
    fn elapsed(self) -> Duration {
        self.since.elapsed().saturating_add(self.more)
    }
}

impl Clock {
    pub(super) fn start(time_of_day: TimeOfDay) -> Self {
        Self { time_of_day, steady: SteadyClock::start(time_of_day), watched: Mutex::default() }
    }

    /// Now, for what people and other systems are shown.
    pub(super) fn time_of_day(&self) -> Timestamp {
        self.time_of_day.now()
    }

    /// Now, for what is due and how old something is.
    pub(super) fn now(&self) -> Timestamp {
        self.steady.now()
    }

    /// Notes that this process begins an operation.
    pub(super) fn begun(&self, id: OperationId) {
        let now = Watched { since: Instant::now(), from_the_begin: true, more: Duration::ZERO };
        self.watched_map().insert(id, now);
    }

    /// How long this process has known of an operation: never more than what really passed since it was begun.
    pub(super) fn watched(&self, id: OperationId) -> Duration {
        self.entry(id).elapsed()
    }

    /// How old an operation is: what really passed where this process began it, else by the time of day then and now, but
    /// no less than what this process has seen.
    pub(super) fn age(&self, id: OperationId, created_at: Timestamp) -> Duration {
        let watched = self.entry(id);
        if watched.from_the_begin && watched.more.is_zero() {
            return watched.elapsed();
        }
        self.now().since(created_at).max(watched.elapsed())
    }

    fn entry(&self, id: OperationId) -> Watched {
        let first_seen = || Watched { since: Instant::now(), from_the_begin: false, more: Duration::ZERO };
        *self.watched_map().entry(id).or_insert_with(first_seen)
    }

    /// Forgets an operation that has ended.
    pub(super) fn forget(&self, id: OperationId) {
        self.watched_map().remove(&id);
    }

    /// Makes an operation known for longer, for tests that cannot wait.
    #[cfg(feature = "faults")]
    pub(super) fn add_to_watched(&self, id: OperationId, more: Duration) {
        let known = Watched { since: Instant::now(), from_the_begin: false, more };
        self.watched_map().insert(id, known);
    }

    fn watched_map(&self) -> parking_lot::MutexGuard<'_, HashMap<OperationId, Watched>> {
        self.watched.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_runs_by_the_time_that_really_passes() {
        let clock = Clock::start(TimeOfDay::SYSTEM);
        let (before, operation) = (clock.now(), OperationId::generate());
        assert_eq!(clock.watched(operation), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().since(before), Duration::from_secs(90));
        assert_eq!(clock.watched(operation), Duration::from_secs(90));
        clock.forget(operation);
        assert_eq!(clock.watched(operation), Duration::ZERO, "it is watched anew");
    }
}
