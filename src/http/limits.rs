//! How often each client may call. What is too often is refused at once and never queued.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::metrics::{self, Shed};

/// Clients remembered before those that have been quiet are forgotten. Configured clients are few; tokens may name more.
const CLIENTS_MAX: usize = 10_000;

/// The limits in force.
#[derive(Debug)]
pub(super) struct Limits {
    /// Time one request costs a client.
    cost: Duration,
    /// How far a client may be ahead of its rate.
    ahead: Duration,
    /// When each client has paid for what it sent (generic cell rate algorithm).
    paid_until: Mutex<HashMap<String, Instant>>,
}

impl Limits {
    /// `burst` requests at once on top of `rate_per_second`.
    pub(super) fn new(rate_per_second: u64, burst: u64) -> Self {
        let per_second = u32::try_from(rate_per_second).unwrap_or(u32::MAX).max(1);
        let cost = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        let ahead = cost.saturating_mul(u32::try_from(burst).unwrap_or(u32::MAX));
        Self { cost, ahead, paid_until: Mutex::default() }
    }

    /// Whether this client may send one more request now.
    pub(super) fn allows(&self, client: &str) -> bool {
        let now = Instant::now();
        let mut clients = self.paid_until.lock();
        if clients.len() >= CLIENTS_MAX {
            clients.retain(|_, paid_until| *paid_until > now);
        }
        let paid_until = clients.get(client).copied().unwrap_or(now).max(now);
        if paid_until.duration_since(now) > self.ahead {
            drop(clients);
            metrics::shed(Shed::RateLimit);
            return false;
        }
        let next = paid_until.checked_add(self.cost).unwrap_or(paid_until);
        match clients.get_mut(client) {
            Some(known) => *known = next,
            None => {
                clients.insert(client.to_owned(), next);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(limits: &Limits, client: &str, tries: usize) -> usize {
        (0..tries).filter(|_| limits.allows(client)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_its_burst_and_then_its_rate() {
        let limits = Limits::new(10, 5);
        assert_eq!(sent(&limits, "shop", 100), 6, "five on top of the one that is due");
        assert_eq!(sent(&limits, "back-office", 100), 6, "another client has its own");
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!(sent(&limits, "shop", 100), 3);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(sent(&limits, "shop", 100), 6, "a quiet time saves no more than the burst");
    }
}
