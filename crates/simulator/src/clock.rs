//! The simulators' clock: the real one plus a shift that tests control, so that expiry needs no sleeping.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::tz::{TimeZone, offset};
use jiff::{SignedDuration, Timestamp, Zoned};

/// Real time plus a shift. Only the platforms' business time is shifted; ordered delays last their real length.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    shift_ms: AtomicI64,
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        let shift = SignedDuration::from_millis(self.shift_ms.load(Ordering::SeqCst));
        // A shift beyond what a timestamp can hold stays at the last one: "the far future" is what was meant.
        later(Timestamp::now(), shift)
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

/// A moment so much later, or the last one there is.
pub(crate) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// This many days later; the last date there is when that is too far.
pub(crate) fn days_after(at: Timestamp, days: i64) -> Timestamp {
    later(at, SignedDuration::from_hours(days.saturating_mul(24)))
}

/// The time of Paris and Amsterdam by the rule that holds since 1996, written out so that no time zone database is needed.
pub(crate) fn central_european(at: Timestamp) -> Zoned {
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3");
    at.to_zoned(zone.unwrap_or_else(|_| TimeZone::fixed(offset(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_out_of_range_stays_in_the_far_future() {
        let clock = Clock::default();
        clock.advance(Duration::MAX);
        assert_eq!((clock.now(), days_after(Timestamp::MAX, 1)), (Timestamp::MAX, Timestamp::MAX));
    }
}
