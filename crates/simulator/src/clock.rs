//! The simulators' clock: the real one plus a shift that tests control, so that expiry needs no sleeping.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Real time plus a shift. Only the platforms' business time is shifted; ordered delays last their real length.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    shift_ms: AtomicI64,
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        let shift = SignedDuration::from_millis(self.shift_ms.load(Ordering::SeqCst));
        // A shift beyond what a timestamp can hold stays at the last one: "the far future" is what was meant.
        Timestamp::now().checked_add(shift).unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let shifted = self.shift_ms.load(Ordering::SeqCst).saturating_add(by_ms);
        self.shift_ms.store(shifted, Ordering::SeqCst);
    }

    pub(crate) fn reset(&self) {
        self.shift_ms.store(0, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advancing_moves_the_time_and_reset_brings_it_back() {
        let clock = Clock::default();
        let before = clock.now();
        clock.advance(Duration::from_secs(3600));
        assert!(clock.now().duration_since(before) >= SignedDuration::from_secs(3600));
        clock.reset();
        assert!(clock.now().duration_since(before) < SignedDuration::from_secs(3600));
    }

    #[test]
    fn a_shift_out_of_range_stays_in_the_far_future() {
        let clock = Clock::default();
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }
}
