//! Random numbers from a seed, how much of the proof is to be run, and how far it has come.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// How often a long run says that it is alive.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// A small generator (SplitMix64): the same numbers for the same seed on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x5DEE_CE66_D1CE_4E5B)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Less than `end`; zero when `end` is.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next() % end }
    }

    pub fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(u64::try_from(end).unwrap())).unwrap()
    }

    /// `from` to `to`, both included.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.below(u64::try_from(to - from + 1).unwrap())).unwrap()
    }

    /// True this many times in a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.index(of.len())]
    }
}

/// A figure that `tests/prove.sh` sets for a longer run, else this one.
#[allow(clippy::disallowed_methods, reason = "a test's own figures, not the program's configuration")]
pub fn amount(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// Says now and then how far a long run has come; a short one says nothing.
pub struct Progress {
    what: &'static str,
    total: u64,
    started: Instant,
    /// What is done, and when that was told last.
    done: Mutex<(u64, Instant)>,
}

impl Progress {
    pub fn new(what: &'static str, total: u64) -> Self {
        let now = Instant::now();
        Self { what, total, started: now, done: Mutex::new((0, now)) }
    }

    pub fn add(&self, count: u64) {
        let mut done = self.done.lock().unwrap();
        done.0 += count;
        if done.1.elapsed() < TELL_EVERY {
            return;
        }
        done.1 = Instant::now();
        let passed = self.started.elapsed().as_secs();
        let left = passed * self.total.saturating_sub(done.0) / done.0.max(1);
        println!("  {} of {} {} in {passed} s, about {left} s to go", done.0, self.total, self.what);
    }
}
