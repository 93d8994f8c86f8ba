//! When a delivery is tried again.

use std::time::Duration;

use rand::Rng;

use crate::{domain::Timestamp, faults};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Pauses before each attempt: the first comes at once.
const PAUSES: [Duration; 10] = [
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_secs(5 * MINUTE),
    Duration::from_secs(30 * MINUTE),
    Duration::from_secs(2 * HOUR),
    Duration::from_secs(5 * HOUR),
    Duration::from_secs(10 * HOUR),
    Duration::from_secs(14 * HOUR),
    Duration::from_secs(20 * HOUR),
    Duration::from_secs(24 * HOUR),
];
/// How far a pause is spread to both sides, in percent: what failed together does not come back together.
const JITTER_PERCENT: u64 = 20;
/// An answer that asks for more patience than this gets this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(HOUR);
/// Pause of an endpoint after the first answer that asked for less; doubles with each in a row.
const SLOW_FIRST: Duration = Duration::from_secs(5);
const SLOW_MAX: Duration = Duration::from_secs(5 * MINUTE);

/// The pauses between attempts; shorter ones exist for tests.
#[derive(Debug, Clone)]
pub struct Schedule {
    pauses: Vec<Duration>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { pauses: PAUSES.to_vec() }
    }
}

impl Schedule {
    /// A schedule with these pauses; the first one belongs to the first attempt and is not waited for.
    pub fn new(pauses: Vec<Duration>) -> Self {
        Self { pauses }
    }

    /// The pause after `made` attempts, spread; `None` when that was the last.
    pub(super) fn pause(&self, made: u32) -> Option<Duration> {
        self.pauses
            .get(usize::try_from(made).unwrap_or(usize::MAX))
            .map(|pause| faults::hurried(spread(*pause)))
    }
}

/// What an endpoint gets that asked for less for the `count`th time in a row.
pub(super) fn slow_pause(count: u32, retry_after: Option<Duration>) -> Duration {
    let doubled = SLOW_FIRST.saturating_mul(2_u32.saturating_pow(count)).min(SLOW_MAX);
    faults::hurried(spread(doubled)).max(retry_after.unwrap_or_default())
}

fn spread(pause: Duration) -> Duration {
    let percent = rand::rng().random_range(100 - JITTER_PERCENT..=100 + JITTER_PERCENT);
    let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX).saturating_mul(percent) / 100;
    Duration::from_millis(millis)
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. At most an hour.
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let asked = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let instant = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Timestamp::from_millis(instant.as_millisecond()).since(now)
    };
    Some(asked.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_attempts_within_a_fifth_of_the_published_pauses() {
        let schedule = Schedule::default();
        for (made, seconds) in [(1, 5), (2, 300), (3, 1_800), (9, 86_400)] {
            let (mut least, mut most) = (Duration::MAX, Duration::ZERO);
            for _ in 0..500 {
                let pause = schedule.pause(made).unwrap();
                (least, most) = (least.min(pause), most.max(pause));
            }
            let whole = Duration::from_secs(seconds);
            assert!(least >= whole * 8 / 10 && least < whole * 85 / 100, "{made}: {least:?}");
            assert!(most <= whole * 12 / 10 && most > whole * 115 / 100, "{made}: {most:?}");
        }
        assert_eq!(schedule.pause(0), Some(Duration::ZERO));
        assert_eq!(schedule.pause(10), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse("1994-11-06T08:49:00Z").unwrap();
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(retry_after(text, now), expected.map(Duration::from_secs), "{text}");
        };
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(37));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        check("3600", Some(3_600));
        check("3601", Some(3_600));
        check("99999999999999999999", Some(3_600));
        check("Sun, 06 Nov 1994 09:49:00 GMT", Some(3_600));
        check("Sun, 06 Nov 1994 09:49:01 GMT", Some(3_600));
        check("Wed, 06 Nov 2999 08:49:37 GMT", Some(3_600));
        check("-5", None);
        check("soon", None);
        check("", None);
    }

    #[test]
    fn slowness_doubles_up_to_five_minutes_and_obeys_retry_after() {
        assert!(slow_pause(0, None) <= Duration::from_secs(6));
        assert!(slow_pause(40, None) <= Duration::from_secs(360));
        assert_eq!(slow_pause(0, Some(Duration::from_secs(600))), Duration::from_secs(600));
    }
}
