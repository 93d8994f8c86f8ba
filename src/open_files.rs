//! How many files this process may have open: every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for anything guichet opens.
const WANTED: u64 = 65_536;
/// Below this, connections would be refused by the system before guichet can say why: as many callers as there may be,
/// nearly as many calls to providers, the store, webhooks.
const NEEDED: u64 = 10_240;

/// Raises the soft limit as far as the hard one allows, and says so when that is not enough.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    // No limit at all is written as none.
    let most = limit.maximum.unwrap_or(u64::MAX).min(WANTED);
    let now = limit.current.unwrap_or(u64::MAX);
    let raised = now >= most
        || setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum }).is_ok();
    let allowed = if raised { now.max(most) } else { now };
    if allowed < NEEDED {
        tracing::warn!(
            allowed,
            needed = NEEDED,
            "too few open files are allowed (ulimit -n): under load connections will not be accepted"
        );
    }
}
