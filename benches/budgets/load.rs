//! Load: as fast as the connections allow, or at a fixed rate.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::connection::Connection;

/// Writes the request for the n-th order.
pub type Write = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// What a load saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Answers with the expected status.
    pub done: u64,
    /// All others by status; 0 is a broken connection.
    pub errors: BTreeMap<u16, u64>,
    /// One of the answers that was not expected.
    pub example: Option<String>,
    /// How long each took from the sending of it, in microseconds, sorted.
    pub micros: Vec<u64>,
    /// How much later than planned each was sent, in microseconds, sorted.
    pub late_micros: Vec<u64>,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.done += other.done;
        for (status, count) in other.errors {
            *self.errors.entry(status).or_default() += count;
        }
        self.example = self.example.take().or(other.example);
        self.micros.extend(other.micros);
        self.late_micros.extend(other.late_micros);
    }

    fn note(&mut self, connection: &Connection, status: u16, wanted: u16) {
        if status == wanted {
            self.done += 1;
        } else {
            *self.errors.entry(status).or_default() += 1;
            self.example.get_or_insert_with(|| connection.last_answer());
        }
    }

    fn sorted(mut self) -> Self {
        self.micros.sort_unstable();
        self.late_micros.sort_unstable();
        self
    }
}

/// A value that `per_mille` of the sorted values do not exceed.
pub fn quantile(sorted: &[u64], per_mille: usize) -> u64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * per_mille / 1000).copied().unwrap_or(0)
}

/// `connections` that each send the next request when the last is answered, until `time` is over or `most` are done.
/// Order numbers go from `first` on, and begin again after `orders` of them.
pub async fn closed(
    address: SocketAddr,
    connections: u64,
    time: Duration,
    most: u64,
    (first, orders): (u64, u64),
    write: Write,
) -> Seen {
    let end = Instant::now() + time;
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (write, next) = (Arc::clone(&write), Arc::clone(&next));
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await.expect("a connection");
            let mut seen = Seen::default();
            while Instant::now() < end {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= most {
                    break;
                }
                let begun = Instant::now();
                let status = connection.exchange(&write(first + number % orders)).await;
                seen.micros.push(begun.elapsed().as_micros() as u64);
                seen.note(&connection, status, 200);
            }
            seen
        });
    }
    gather(tasks).await
}

/// `rate` requests a second for `time`, whatever the answers do, over `connections` that take turns. Order numbers go
/// from `first` on, and begin again after `orders` of them.
pub async fn open(
    address: SocketAddr,
    connections: u64,
    rate: u64,
    time: Duration,
    (first, orders): (u64, u64),
    write: Write,
) -> Seen {
    let mut tasks = tokio::task::JoinSet::new();
    let mut ready = Vec::new();
    for _ in 0..connections {
        ready.push(Connection::open(address).await.expect("a connection"));
    }
    let begin = Instant::now() + Duration::from_millis(100);
    let total = rate * time.as_secs();
    for (turn, mut connection) in (0..connections).zip(ready) {
        let write = Arc::clone(&write);
        tasks.spawn(async move {
            let mut seen = Seen::default();
            let mut number = turn;
            while number < total {
                let planned = begin + Duration::from_nanos(number * 1_000_000_000 / rate);
                sleep_until(planned).await;
                let request = write(first + number % orders);
                let sent = Instant::now();
                let status = connection.exchange(&request).await;
                seen.micros.push(sent.elapsed().as_micros() as u64);
                seen.late_micros.push(sent.duration_since(planned).as_micros() as u64);
                seen.note(&connection, status, 200);
                number += connections;
            }
            seen
        });
    }
    gather(tasks).await
}

async fn gather(mut tasks: tokio::task::JoinSet<Seen>) -> Seen {
    let mut all = Seen::default();
    while let Some(seen) = tasks.join_next().await {
        all.add(seen.expect("a connection's task"));
    }
    all.sorted()
}
