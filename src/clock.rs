//! The time of day, and the clock that schedules run on.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::Timestamp;

/// Tells the time of day. A test that simulates time gives its own to what it starts.
#[derive(Debug, Clone, Copy)]
pub struct TimeOfDay(fn() -> Timestamp);

impl TimeOfDay {
    /// The system's.
    pub const SYSTEM: Self = Self(Timestamp::now);

    /// The one that this function tells.
    pub fn told_by(tell: fn() -> Timestamp) -> Self {
        Self(tell)
    }

    /// Now.
    pub fn now(self) -> Timestamp {
        (self.0)()
    }
}

/// A clock that starts with the time of day and then runs by the monotonic clock. A time of day that jumps makes nothing
/// due, puts nothing off and proves nothing. What people and other systems are shown has the time of day.
#[derive(Debug)]
pub struct SteadyClock {
    begun_at: Timestamp,
    begun: Instant,
}

impl SteadyClock {
    /// A clock that shows the time of day now.
    pub fn start(time_of_day: TimeOfDay) -> Self {
        Self { begun_at: time_of_day.now(), begun: Instant::now() }
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
