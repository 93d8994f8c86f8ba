//! How many files this process may have open: every connection is one.

use std::fs::File;

use parking_lot::{Mutex, MutexGuard};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for anything guichet opens.
const WANTED: u64 = 65_536;
/// Files that are not for callers and calls to providers: the ops listener with all its connections (64), its spare ones
/// (16), the store (about 20), and what the runtime has open.
const RESERVE: u64 = 160;
/// Below this, callers have fewer than all their connections ([`for_callers`]).
const NEEDED: u64 = 10_400;

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
            "too few open files are allowed (ulimit -n): callers may have fewer connections, the others are 503"
        );
    }
}

/// How many connections callers may have, `most` at most, so that files are left for everything else.
pub fn for_callers(most: usize) -> usize {
    share(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), most)
}

/// Half of what is left above the reserve: a caller's request may need a connection to a provider.
fn share(allowed: u64, most: usize) -> usize {
    let reserve = RESERVE.min(allowed.div_euclid(2));
    let half = allowed.saturating_sub(reserve).div_euclid(2);
    usize::try_from(half).unwrap_or(usize::MAX).clamp(1, most)
}

/// Files that are open for no use, so that a listener can accept when everything else has taken the rest: it closes one
/// just before it accepts.
#[derive(Debug)]
pub struct SpareFiles {
    held: Mutex<Vec<File>>,
    wanted: usize,
}

impl SpareFiles {
    /// As many as this, or as many as there are.
    pub fn new(wanted: usize) -> Self {
        let spare = Self { held: Mutex::default(), wanted };
        spare.refill();
        spare
    }

    fn held(&self) -> MutexGuard<'_, Vec<File>> {
        self.held.lock()
    }

    /// Closes one. Whether there was one.
    pub fn give(&self) -> bool {
        self.held().pop().is_some()
    }

    /// Opens what was given away again, as far as the system has files.
    pub fn refill(&self) {
        let mut held = self.held();
        while held.len() < self.wanted
            && let Ok(file) = File::open("/dev/null")
        {
            held.push(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_have_half_of_what_is_left() {
        for (allowed, callers) in [
            (u64::MAX, 5_120),
            (65_536, 5_120),
            (NEEDED, 5_120),
            (NEEDED - 2, 5_119),
            (1_024, 432),
            (100, 25),
            (2, 1),
            (0, 1),
        ] {
            assert_eq!(share(allowed, 5_120), callers, "{allowed}");
        }
    }

    #[test]
    fn spare_files_are_given_and_come_back() {
        let spare = SpareFiles::new(2);
        assert!(spare.give() && spare.give() && !spare.give());
        spare.refill();
        assert!(spare.give());
    }
}
