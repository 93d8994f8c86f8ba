//! The clock that schedules run on.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::Timestamp;

/// A clock that starts with the time of day and then runs by the monotonic clock. A time of day that jumps makes nothing
/// due, puts nothing off and proves nothing. What people and other systems are shown has the time of day.
#[derive(Debug)]
pub struct SteadyClock {
    begun_at: Timestamp,
    begun: Instant,
}

impl SteadyClock {
    /// A clock that shows the time of day now.
    pub fn start() -> Self {
        Self { begun_at: Timestamp::now(), begun: Instant::now() }
    }

    /// Now, for what is due and how old something is.
    pub fn now(&self) -> Timestamp {
        self.begun_at.plus(self.begun.elapsed())
    }

    /// How long it is until an instant of this clock; zero when it has passed.
    pub fn until(&self, at: Timestamp) -> Duration {
        at.since(self.now())
    }
}
