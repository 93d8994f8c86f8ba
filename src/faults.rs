//! Crash points for the fault tests.
//!
//! Without the cargo feature `faults` every function here is empty and the compiler removes it; a released
//! binary never has it. With the feature, `GUICHET_FAULTS` (read once) holds a comma-separated list:
//! `kill@<point>` kills the process with SIGKILL when it first reaches that point, `kill@<point>#3` on the
//! third time. `hurry:<n>` divides the pauses between reads for evidence, the shortest settling time, and the pauses
//! between attempts to deliver a webhook, so that a test need not wait for minutes. `slow@<point>:<ms>` makes the thread
//! sleep each time it reaches that point, as a slow disk would.

use std::time::Duration;

/// Says that execution reached a boundary between intent, send, answer and outcome.
pub fn reached(point: &'static str) {
    #[cfg(feature = "faults")]
    active::reached(point);
    #[cfg(not(feature = "faults"))]
    let _ = point;
}

/// A pause of a schedule: as it is, or a fraction of it in a test that is in a hurry.
pub fn hurried(pause: Duration) -> Duration {
    #[cfg(feature = "faults")]
    return active::hurried(pause);
    #[cfg(not(feature = "faults"))]
    pause
}

#[cfg(feature = "faults")]
mod active {
    use std::{collections::HashMap, sync::LazyLock, time::Duration};

    use parking_lot::Mutex;

    struct Plan {
        /// Visits left before the kill, by point.
        kills: Mutex<HashMap<String, u32>>,
        slow: HashMap<String, Duration>,
        hurry: u32,
    }

    static PLAN: LazyLock<Plan> = LazyLock::new(|| {
        #[allow(clippy::disallowed_methods, reason = "not configuration: exists in test builds only")]
        let text = std::env::var("GUICHET_FAULTS").unwrap_or_default();
        let (mut kills, mut slow) = (HashMap::new(), HashMap::new());
        let mut hurry = 1;
        for item in text.split(',') {
            if let Some(point) = item.strip_prefix("kill@") {
                let (point, visit) = point.split_once('#').unwrap_or((point, "1"));
                kills.insert(point.to_owned(), visit.parse().unwrap_or(1));
            } else if let Some((point, ms)) = item.strip_prefix("slow@").and_then(|slow| slow.split_once(':'))
            {
                slow.insert(point.to_owned(), Duration::from_millis(ms.parse().unwrap_or_default()));
            } else if let Some(factor) = item.strip_prefix("hurry:") {
                hurry = factor.parse().unwrap_or(1).max(1);
            }
        }
        Plan { kills: Mutex::new(kills), slow, hurry }
    });

    pub(super) fn reached(point: &str) {
        if let Some(time) = PLAN.slow.get(point) {
            std::thread::sleep(*time);
        }
        let mut kills = PLAN.kills.lock();
        if let Some(visits) = kills.get_mut(point) {
            *visits = visits.saturating_sub(1);
            if *visits == 0 {
                let _ =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            }
        }
    }

    pub(super) fn hurried(pause: Duration) -> Duration {
        pause.checked_div(PLAN.hurry).unwrap_or(pause)
    }
}
