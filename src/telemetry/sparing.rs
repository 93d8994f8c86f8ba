//! Lines that anybody can cause, as often as they like: the first ones of each kind are written, then a few a second.

use std::{collections::HashMap, hash::Hash, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Says which lines are written. `K`: the kinds that are told apart; they must be few.
#[derive(Debug)]
pub struct Sparing<K> {
    /// Time that one line costs its kind.
    cost: Duration,
    /// How far a kind may be ahead.
    ahead: Duration,
    kinds: Mutex<HashMap<K, Kind>>,
}

#[derive(Debug)]
struct Kind {
    /// When it has paid for its lines (generic cell rate algorithm).
    paid_until: Instant,
    /// Lines left out since the last one that was written.
    left_out: u64,
}

impl<K: Eq + Hash> Sparing<K> {
    /// `at_once` lines of each kind, then one in each `pause`.
    pub fn new(at_once: u32, pause: Duration) -> Self {
        Self { cost: pause, ahead: pause.saturating_mul(at_once.saturating_sub(1)), kinds: Mutex::default() }
    }

    /// Whether a line of this kind is written now, and how many were left out before it.
    pub fn admits(&self, kind: K) -> Option<u64> {
        let now = Instant::now();
        let mut kinds = self.kinds.lock();
        let kind = kinds.entry(kind).or_insert(Kind { paid_until: now, left_out: 0 });
        let paid_until = kind.paid_until.max(now);
        if paid_until.duration_since(now) > self.ahead {
            kind.left_out = kind.left_out.saturating_add(1);
            return None;
        }
        kind.paid_until = paid_until.checked_add(self.cost).unwrap_or(paid_until);
        Some(std::mem::take(&mut kind.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_ten_of_a_kind_are_written_and_then_one_a_second() {
        let lines = Sparing::new(10, Duration::from_secs(1));
        let written = |kind: &'static str| (0..1_000).filter_map(|_| lines.admits(kind)).collect::<Vec<_>>();
        assert_eq!(written("a"), [0; 10]);
        assert_eq!(written("b"), [0; 10], "another kind has its own");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(written("a"), [990]);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(written("a"), [999, 0, 0]);
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(written("a").len(), 10, "a quiet time saves no more than ten");
    }
}
