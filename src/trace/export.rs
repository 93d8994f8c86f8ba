//! Where finished spans go: to a collector, by OTLP over HTTP in protobuf. A queue that never makes anybody wait, one
//! task that sends, and what cannot be sent is counted and forgotten.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderValue, header};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use super::{otlp, span::Ended};
use crate::{
    config::TracingSettings,
    domain::TraceParent,
    metrics::{self, SpanLoss},
};

/// Spans that wait at most; with what each may tell, about 2 MiB.
const QUEUE: usize = 2_048;
/// Spans in one request.
const BATCH: usize = 512;
/// How long the first span of a request waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// Longest time one request to the collector may take.
const SEND_TIME: Duration = Duration::from_secs(5);
/// Longest time connecting to it may take.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How long what waits may take to be sent when the service stops.
const STOP_MAX: Duration = Duration::from_secs(5);
/// Bytes of the collector's answer that are read.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Of a thousand: all.
const ALL_PER_MILLE: u64 = 1_000;

/// Takes finished spans. Off by default; then nothing is built, and no task runs.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Arc<Exporter>>);

struct Exporter {
    queue: mpsc::Sender<Ended>,
    sample_per_mille: u64,
    stopping: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("sample_per_mille", &self.sample_per_mille).finish_non_exhaustive()
    }
}

impl Tracer {
    /// Starts to export where a collector is configured. Must be called in the runtime.
    ///
    /// # Errors
    /// The TLS roots of the system cannot be loaded.
    pub fn start(settings: &TracingSettings) -> Result<Self, String> {
        let Some(endpoint) = &settings.otlp_endpoint else { return Ok(Self(None)) };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .connect_timeout(CONNECT_TIME)
            .timeout(SEND_TIME)
            .user_agent(concat!("guichet/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("the HTTP client cannot be built: {error}"))?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (stopping, stopped) = watch::channel(false);
        let collector = Collector {
            client,
            url: format!("{endpoint}/v1/traces"),
            service: settings.service_name.clone(),
            is_away: false,
        };
        let task = tokio::spawn(run(collector, waiting, stopped));
        Ok(Self(Some(Arc::new(Exporter {
            queue,
            sample_per_mille: settings.sample_per_mille,
            stopping,
            task: Mutex::new(Some(task)),
        }))))
    }

    /// Whether spans go anywhere.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The first place of a new trace, which is recorded or not.
    pub(super) fn root(&self) -> TraceParent {
        let root = TraceParent::root(false);
        root.with_sampled(self.0.as_ref().is_some_and(|exporter| samples(root, exporter.sample_per_mille)))
    }

    /// Takes a finished span, or counts it when there is no room. Never waits.
    pub(super) fn submit(&self, span: Ended) {
        if let Some(exporter) = &self.0
            && exporter.queue.try_send(span).is_err()
        {
            metrics::spans_lost(SpanLoss::QueueFull, 1);
        }
    }

    /// Sends what waits, within `grace` and a few seconds; the rest is lost.
    pub async fn stop(&self, grace: Duration) {
        let Some(exporter) = &self.0 else { return };
        let _ = exporter.stopping.send(true);
        let task = exporter.task.lock().take();
        if let Some(mut task) = task
            && tokio::time::timeout(grace.min(STOP_MAX), &mut task).await.is_err()
        {
            task.abort();
            tracing::warn!("some spans were not exported before the service stopped");
        }
    }
}

/// Decided by the trace's own random bits, so that every part of a system decides alike.
fn samples(place: TraceParent, per_mille: u64) -> bool {
    let [.., a, b, c, d, e, f, g] = place.trace_id();
    u64::from_be_bytes([0, a, b, c, d, e, f, g]) % ALL_PER_MILLE < per_mille
}

struct Collector {
    client: reqwest::Client,
    url: String,
    service: String,
    /// Said once, and once when it is over.
    is_away: bool,
}

async fn run(
    mut collector: Collector,
    mut waiting: mpsc::Receiver<Ended>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            count = waiting.recv_many(&mut batch, BATCH) => if count == 0 { return },
            _ = stopped.wait_for(|stop| *stop) => break,
        }
        let until = Instant::now() + LINGER;
        while let Some(room) = BATCH.checked_sub(batch.len()).filter(|room| *room > 0) {
            tokio::select! {
                count = waiting.recv_many(&mut batch, room) => if count == 0 { break },
                () = tokio::time::sleep_until(until) => break,
                _ = stopped.wait_for(|stop| *stop) => break,
            }
        }
        collector.send(batch).await;
    }
    loop {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Ok(span) = waiting.try_recv()
        {
            batch.push(span);
        }
        if batch.is_empty() {
            return;
        }
        collector.send(batch).await;
    }
}

impl Collector {
    /// Sends spans once: a trace is not worth a second attempt that keeps others waiting.
    async fn send(&mut self, batch: Vec<Ended>) {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let body = otlp::request(&self.service, batch);
        match self.post(body).await {
            Ok(rejected) => {
                if self.is_away {
                    tracing::info!("the trace collector takes spans again");
                }
                self.is_away = false;
                metrics::spans_lost(SpanLoss::Rejected, rejected.min(count));
            }
            Err(reason) => {
                if !self.is_away {
                    tracing::warn!(
                        reason,
                        "the trace collector does not take spans; they are counted and dropped"
                    );
                }
                self.is_away = true;
                metrics::spans_lost(SpanLoss::NotDelivered, count);
            }
        }
    }

    async fn post(&self, body: Vec<u8>) -> Result<u64, String> {
        let request = self
            .client
            .post(&self.url)
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))
            .body(body);
        let mut response = request.send().await.map_err(|error| failure(&error).to_owned())?;
        if !response.status().is_success() {
            return Err(format!("http status {}", response.status().as_u16()));
        }
        let mut answer = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            if answer.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
                break;
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(otlp::rejected(&answer))
    }
}

fn failure(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "not connected"
    } else {
        "the connection broke"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Context;

    #[test]
    fn a_share_of_the_traces_is_sampled() {
        let of = |per_mille| (0..20_000).filter(|_| samples(TraceParent::root(false), per_mille)).count();
        assert_eq!((of(0), of(1_000)), (0, 20_000));
        let some = of(250);
        assert!((4_000..6_000).contains(&some), "{some}");
    }

    #[test]
    fn without_a_collector_nothing_is_built() {
        let tracer = Tracer::default();
        assert!(!tracer.root().is_sampled());
        let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok();
        let headers = http::HeaderMap::new();
        let (context, span) =
            Context::of_request(&tracer, "r", caller, &headers, || panic!("nobody asked for a name"));
        assert!(!span.is_recorded());
        // What the caller decided is passed on all the same.
        assert!(context.here().is_sampled());
    }
}
