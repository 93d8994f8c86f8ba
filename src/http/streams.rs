//! The event streams that are open: how many, for whom, and what ends them.
//!
//! A stream ends when its time is over, when its credential is withdrawn or expires, and when the service stops. A peer that
//! reads sees it end in order. The connection of one that does not read is cut a moment later.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{hangup::Hangup, proof::Proof};
use crate::{
    domain::Timestamp,
    metrics::{self, Shed},
    orders::Caller,
    places::{Place, Places},
    problem::{Problem, ProblemCode},
};

/// Most streams in all. Each holds a connection and at most a batch of events.
const STREAMS_MAX: usize = 256;
/// Most streams of one client.
const STREAMS_OF_CLIENT: usize = 16;
/// A stream ends after this long at the latest. The client connects again.
const STREAM_MAX: Duration = Duration::from_secs(3_600);
/// Time for the end of a stream to reach a peer that reads.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The open streams.
#[derive(Debug)]
pub(super) struct Streams {
    places: Arc<Places>,
    next: AtomicU64,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    is_stopping: bool,
    streams: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    caller: Caller,
    proof: Proof,
    end: CancellationToken,
}

/// One open stream. Dropping it gives its place back and, once it has begun, ends its connection.
#[derive(Debug)]
pub(super) struct Stream {
    streams: Arc<Streams>,
    number: u64,
    end: CancellationToken,
    until: Instant,
    _place: Place,
}

impl Streams {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            places: Places::new(STREAMS_MAX, STREAMS_OF_CLIENT),
            next: AtomicU64::new(0),
            open: Mutex::default(),
        })
    }

    /// Opens a stream for a caller, which lasts no longer than what proves who it is.
    ///
    /// # Errors
    /// `RateLimited` when the client has its share, `Overloaded` when all streams are taken, `Draining` during a stop.
    pub(super) fn open(self: &Arc<Self>, caller: &Caller, proof: Proof) -> Result<Stream, Problem> {
        let place = self.places.take(&caller.client).map_err(|full| {
            metrics::shed(Shed::Streams);
            tracing::warn!(security = "rate_limit", client = %caller.client, "a client opens too many event streams");
            self.places.refused(full, "event streams")
        })?;
        let lasts = proof.expires_at().map_or(STREAM_MAX, |at| at.since(Timestamp::now())).min(STREAM_MAX);
        let end = CancellationToken::new();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let entry = Entry { caller: caller.clone(), proof, end: end.clone() };
        let mut open = self.open.lock();
        if open.is_stopping {
            return Err(Problem::plain(ProblemCode::Draining));
        }
        open.streams.insert(number, entry);
        drop(open);
        metrics::stream_opened();
        let until = Instant::now() + lasts;
        Ok(Stream { streams: Arc::clone(self), number, end, until, _place: place })
    }

    /// Ends the streams of callers for whom `is_allowed` says no.
    pub(super) fn end_unless(&self, is_allowed: impl Fn(&Proof, &Caller) -> bool) {
        let open = self.open.lock();
        for entry in open.streams.values().filter(|entry| !is_allowed(&entry.proof, &entry.caller)) {
            tracing::warn!(security = "stream_ended", client = %entry.caller.client, "an event stream was ended, because its credential was withdrawn");
            entry.end.cancel();
        }
    }

    /// Ends all streams and opens no more.
    pub(super) fn stop(&self) {
        let mut open = self.open.lock();
        open.is_stopping = true;
        for entry in open.streams.values() {
            entry.end.cancel();
        }
    }
}

/// Ends a stream when its time is over. Soon after its end, whatever the reason, its connection ends too: a peer that does not
/// read would never let it end in order.
async fn watch(end: CancellationToken, until: Instant, hangup: Option<Hangup>) {
    tokio::select! {
        () = end.cancelled() => {}
        () = sleep_until(until) => end.cancel(),
    }
    if let Some(hangup) = hangup {
        sleep(LAST_WORDS).await;
        hangup.cut();
    }
}

impl Stream {
    /// Begins the stream on its connection, which must carry nothing after it: it is cut when the stream has ended.
    pub(super) fn begin(&self, hangup: Option<Hangup>) {
        tokio::spawn(watch(self.end.clone(), self.until, hangup));
    }

    /// Resolves when the stream has to end; to be awaited beside what borrows it.
    pub(super) fn ended(&self) -> impl Future<Output = ()> + use<> {
        self.end.clone().cancelled_owned()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.streams.open.lock().streams.remove(&self.number);
        self.end.cancel();
        metrics::stream_closed();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::AllowedAccounts;

    fn caller(client: &str) -> Caller {
        Caller {
            client: client.to_owned(),
            accounts: AllowedAccounts::All,
            scopes: BTreeSet::new(),
            request_id: String::new(),
        }
    }

    fn open(streams: &Arc<Streams>, client: &str) -> Result<Stream, ProblemCode> {
        streams.open(&caller(client), Proof::NotNeeded).map_err(|problem| problem.code)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_sixteen_and_there_are_256() {
        let streams = Streams::new();
        let mut held = Vec::new();
        for client in 0..16 {
            for _ in 0..STREAMS_OF_CLIENT {
                held.push(open(&streams, &format!("c{client}")).unwrap());
            }
            assert_eq!(open(&streams, &format!("c{client}")).err(), Some(ProblemCode::RateLimited));
        }
        assert_eq!(held.len(), STREAMS_MAX);
        assert_eq!(open(&streams, "other").err(), Some(ProblemCode::Overloaded));
        held.pop();
        let other = open(&streams, "other").unwrap();
        streams.stop();
        other.ended().await;
        drop(held);
        assert_eq!(open(&streams, "other").err(), Some(ProblemCode::Draining));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_after_its_hour_or_with_its_token_and_its_connection_soon_after() {
        let streams = Streams::new();
        let token = |seconds| Proof::Token {
            expires_at: Timestamp::now().plus(Duration::from_secs(seconds)),
            issuer: Arc::new(crate::config::sandbox_defaults().auth.jwt),
        };
        for (proof, seconds) in [(Proof::NotNeeded, 3_600), (token(300), 300), (token(9_000), 3_600)] {
            let (hangup, began) = (Hangup::default(), Instant::now());
            let stream = streams.open(&caller("shop"), proof).unwrap();
            stream.begin(Some(hangup.clone()));
            stream.ended().await;
            // The token's end is a time of day, and the paused clock stands still meanwhile.
            assert!(began.elapsed().as_secs().abs_diff(seconds) <= 2, "{:?}", began.elapsed());
            hangup.asked().await;
            assert!(began.elapsed().as_secs().abs_diff(seconds) <= 3);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_who_is_not_allowed_any_more_is_ended() {
        let streams = Streams::new();
        let (stays, goes) = (open(&streams, "stays").unwrap(), open(&streams, "goes").unwrap());
        streams.end_unless(|_, caller| caller.client != "goes");
        goes.ended().await;
        assert!(!stays.end.is_cancelled());
    }
}
