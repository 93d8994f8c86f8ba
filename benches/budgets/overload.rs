//! More than there is room for, and a provider that is dead: what is refused is refused fast, and the others feel little.

use std::time::{Duration, Instant};

use crate::{
    connection::Connection,
    load::{self, quantile},
    parts::{Bench, no_error},
    process::free_address,
    report::{Table, median, progress},
};

/// Requests under way at once in one process.
const IN_FLIGHT_MAX: usize = 4_096;
/// How long all of this may take; guichet gives nobody up before (`request_timeout_ms`).
const PATIENCE: Duration = Duration::from_secs(50);
/// Requests that are refused.
const REFUSED: usize = 1_000;
/// An hour: nobody waits so long.
const NEVER_MS: u64 = 3_600_000;
/// Reads of the dead account that hang at once.
const HANGING: u64 = 512;

impl Bench<'_> {
    /// How long a refusal takes when all room is taken.
    pub async fn overload(&self, table: &mut Table) {
        guichet::open_files::raise();
        let provider_address = free_address();
        let _provider = self.provider(provider_address, NEVER_MS);
        let (guichet, _) = self.guichet_with("overload.db", provider_address, "");
        let read = self.read_of("bench");
        // Equal reads share one call of the provider.
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..IN_FLIGHT_MAX {
            let mut connection = Connection::open(guichet.address).await.expect("a connection");
            let request = read(1);
            // Who finds no room, because what is measured was there first, tries again.
            waiting.spawn(async move {
                while connection.exchange(&request).await == 503 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        }
        let mut connection = Connection::open(guichet.address).await.expect("a connection");
        let other = read(2);
        let mut micros = Vec::with_capacity(REFUSED);
        let end = Instant::now() + PATIENCE;
        while micros.len() < REFUSED {
            assert!(Instant::now() < end, "only {} were refused", micros.len());
            let begun = Instant::now();
            let status = tokio::time::timeout(Duration::from_secs(1), connection.exchange(&other)).await;
            match status {
                Ok(503) => micros.push(begun.elapsed().as_micros() as u64),
                // There was room. One of those that wait takes it before the next try.
                Ok(0) | Err(_) => {
                    connection = Connection::open(guichet.address).await.expect("a connection");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Ok(other) => panic!("{other}: {}", connection.last_answer()),
            }
        }
        micros.sort_unstable();
        table.judge(
            "503 `overloaded` beside 4,096 requests under way: p99",
            quantile(&micros, 990) as f64 / 1e3,
            50.0,
            "ms",
            format!(
                "p50 {:.2} ms; {REFUSED} refused one after the other; memory {:.0} MiB",
                quantile(&micros, 500) as f64 / 1e3,
                guichet.program.peak_kib() as f64 / 1024.0
            ),
        );
    }

    /// What reads of one account feel of another whose provider never answers.
    pub async fn isolation(&self, table: &mut Table) {
        let (provider_address, dead_address) = (free_address(), free_address());
        let _provider = self.provider(provider_address, 0);
        let _dead = self.provider(dead_address, NEVER_MS);
        let more = format!(
            "[accounts.dead]\nprovider = \"lyra\"\nbase_url = \"http://{dead_address}/api-payment/\"\n\
             shop_id = \"11111111\"\npassword = \"testpassword_of-no-shop-at-all\"\n"
        );
        let (guichet, _) = self.guichet_with("isolation.db", provider_address, &more);
        let time = Duration::from_secs(self.cli.seconds);
        let (mut alone, mut beside) = (vec![], vec![]);
        for round in 0..=self.cli.rounds {
            let mut tails = Vec::new();
            for is_beside in [false, true] {
                let mut hanging = tokio::task::JoinSet::new();
                if is_beside {
                    for number in 0..HANGING {
                        let mut connection = Connection::open(guichet.address).await.expect("a connection");
                        let request = self.read_of("dead")(number);
                        hanging.spawn(async move { connection.exchange(&request).await });
                    }
                }
                let seen =
                    load::open(guichet.address, 16, 300, time, (0, 1_000), self.read_of("bench")).await;
                no_error(&seen);
                tails.push(quantile(&seen.micros, 990) as f64 / 1e3);
            }
            progress(&format!(
                "isolation, round {round}: p99 alone {:.2} ms, beside {:.2} ms",
                tails[0], tails[1]
            ));
            if round > 0 {
                alone.push(tails[0]);
                beside.push(tails[1]);
            }
        }
        table.tell(
            "reads at 300/s beside 512 that hang at another account's dead provider: p99",
            format!("{:.2} ms", median(&mut beside)),
            format!("{:.2} ms without them; none failed", median(&mut alone)),
        );
    }
}
