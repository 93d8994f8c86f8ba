//! Security events that callers can cause: every one is counted, and some are written into the log.

use std::time::Duration;

use super::sparing::Sparing;
use crate::metrics;

/// Lines of one event and reason that are written at once; after them one in each [`PAUSE`].
const AT_ONCE: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// Which security events are written into the log. Whoever floods a service must not fill its disk.
#[derive(Debug)]
pub struct SecurityLog(Sparing<(&'static str, &'static str)>);

impl Default for SecurityLog {
    fn default() -> Self {
        Self(Sparing::new(AT_ONCE, PAUSE))
    }
}

impl SecurityLog {
    /// Counts an event, for a reason. Gives how many of its lines were left out when this one is to be written.
    pub fn saw(&self, event: &'static str, reason: &'static str) -> Option<u64> {
        metrics::security_event(event, reason);
        self.0.admits((event, reason))
    }
}
