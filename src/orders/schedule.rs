//! When a read may find out what became of a lost answer: after 1 s, 5 s, 30 s, 2 min, 10 min, 1 h, then hourly to 24 h; then
//! a person decides.

use std::time::Duration;

use crate::{domain::Timestamp, faults};

/// Pauses between reads; the last one repeats until [`GIVE_UP`].
const SCHEDULE: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(3_600),
];
/// No evidence for so long: a person must decide.
pub(super) const GIVE_UP: Duration = Duration::from_secs(24 * 3_600);
/// When to look next after `checks` reads.
pub(super) fn next_check(checks: u32, now: Timestamp) -> Timestamp {
    let index = usize::try_from(checks).unwrap_or(usize::MAX);
    now.plus(faults::hurried(SCHEDULE.get(index).or(SCHEDULE.last()).copied().unwrap_or(GIVE_UP)))
}

/// The reads that the schedule has at most made of an operation of this age. Reads that a notification asked for come on
/// top of it, and must not put the next one off.
pub(super) fn reads_by_age(age: Duration) -> u32 {
    let passed = SCHEDULE.iter().take_while(|pause| faults::hurried(**pause) <= age).count();
    u32::try_from(passed).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_on_top_of_the_schedule_do_not_put_the_next_one_off() {
        let pause = |checks: u32, age_seconds: u64| {
            let reads = checks.min(reads_by_age(Duration::from_secs(age_seconds)));
            next_check(reads, Timestamp::from_millis(0)).as_millis() / 1_000
        };
        // As planned: after 1 s, 6 s, 36 s ...
        assert_eq!([pause(0, 0), pause(1, 1), pause(2, 6), pause(3, 36)], [1, 5, 30, 120]);
        // Four notifications within five seconds.
        assert_eq!(pause(4, 5), 30);
        assert_eq!(pause(9, 1), 5);
        // An answer that was waited for at length: the first read still comes at once.
        assert_eq!(pause(0, 45), 1);
    }
}
