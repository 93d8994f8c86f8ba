//! One delivery over HTTP: no redirects, no proxy, only checked addresses, one limit of time up to the status line,
//! which decides. What the receiver answers is never shown to anybody.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, StatusCode, header};

use super::{
    addresses::{AddressRefused, AddressRules, CheckedResolver, Resolver},
    schedule::retry_after,
};
use crate::domain::Timestamp;

/// Most bytes of an answer that are read so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(15);

/// What came of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendResult {
    /// 2xx in time.
    Delivered,
    /// 410: the receiver wants nothing more, ever.
    Gone,
    /// 429, 502, 503 or 504: the receiver wants less.
    Slow,
    /// 3xx: nobody follows it.
    Redirect,
    /// Any other status.
    Refused,
    /// The address is not allowed.
    AddressRefused,
    /// No connection.
    NotConnected,
    /// No answer in time.
    TimedOut,
    /// The connection broke.
    Broken,
}

impl SendResult {
    /// The word used in JSON, logs and the store.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Gone => "gone",
            Self::Slow => "slow_down",
            Self::Redirect => "redirect",
            Self::Refused => "http_error",
            Self::AddressRefused => "address_refused",
            Self::NotConnected => "not_connected",
            Self::TimedOut => "timed_out",
            Self::Broken => "broken",
        }
    }
}

/// What came of one delivery, with what it took.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) result: SendResult,
    pub(super) http_status: Option<u16>,
    pub(super) retry_after: Option<Duration>,
    pub(super) duration_ms: i64,
}

/// The way out to receivers.
#[derive(Debug)]
pub(super) struct Sender {
    /// For https.
    encrypted: reqwest::Client,
    /// For http, to networks that are named only.
    plain: reqwest::Client,
    rules: Arc<AddressRules>,
    timeout: Duration,
}

impl Sender {
    /// A way out by these rules.
    ///
    /// # Errors
    /// The TLS roots of the system cannot be loaded.
    pub(super) fn new(
        rules: Arc<AddressRules>,
        resolver: &Arc<dyn Resolver>,
        timeout: Duration,
    ) -> Result<Self, String> {
        // Whoever comes first installs the provider; a second attempt fails harmlessly.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = |encrypted: bool| {
            let (rules, resolver) = (Arc::clone(&rules), Arc::clone(resolver));
            reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .http1_only()
                .https_only(encrypted)
                .dns_resolver(Arc::new(CheckedResolver { rules, resolver, encrypted }))
                .pool_idle_timeout(IDLE)
                .tcp_nodelay(true)
                .referer(false)
                .user_agent(concat!("guichet/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|error| format!("the HTTP client cannot be built: {error}"))
        };
        Ok(Self { encrypted: client(true)?, plain: client(false)?, rules, timeout })
    }

    /// The rules it goes by.
    pub(super) fn rules(&self) -> &AddressRules {
        &self.rules
    }

    /// Posts a body once. The status line of the answer decides.
    pub(super) async fn post(&self, url: &str, headers: HeaderMap, body: Bytes) -> Sent {
        let started = Instant::now();
        let (result, http_status, retry_after) = tokio::time::timeout(
            self.timeout,
            self.exchange(url, headers, body),
        )
        .await
        .unwrap_or((SendResult::TimedOut, None, None));
        let duration_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Sent { result, http_status, retry_after, duration_ms }
    }

    async fn exchange(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> (SendResult, Option<u16>, Option<Duration>) {
        let Ok(url) = self.rules.destination(url) else {
            return (SendResult::AddressRefused, None, None);
        };
        let client = if url.scheme() == "https" { &self.encrypted } else { &self.plain };
        let mut response = match client.post(url).headers(headers).body(body).send().await {
            Ok(response) => response,
            Err(error) => return (classify(&error), None, None),
        };
        let status = response.status();
        let patience = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let patience = patience.and_then(|text| retry_after(text, Timestamp::now()));
        // What has come of the body already is taken, so that the connection can be used again. The rest is not waited
        // for: a receiver that does not end its answer has taken the event all the same. Its connection is closed.
        let mut read = 0_usize;
        while let Some(Ok(Some(chunk))) = response.chunk().now_or_never() {
            read = read.saturating_add(chunk.len());
            if read > ANSWER_BYTES_MAX {
                break;
            }
        }
        (meaning(status), Some(status.as_u16()), patience)
    }
}

fn meaning(status: StatusCode) -> SendResult {
    match status.as_u16() {
        200..=299 => SendResult::Delivered,
        300..=399 => SendResult::Redirect,
        410 => SendResult::Gone,
        429 | 502 | 503 | 504 => SendResult::Slow,
        _ => SendResult::Refused,
    }
}

fn classify(error: &reqwest::Error) -> SendResult {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if inner.is::<AddressRefused>() {
            return SendResult::AddressRefused;
        }
        cause = inner.source();
    }
    if error.is_connect() {
        SendResult::NotConnected
    } else if error.is_timeout() {
        SendResult::TimedOut
    } else {
        SendResult::Broken
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::{config::Network, outbox::SystemResolver};

    fn sender(timeout: Duration) -> Sender {
        let rules = Arc::new(AddressRules::new(vec![Network::parse("127.0.0.1").unwrap()]));
        let resolver: Arc<dyn Resolver> = Arc::new(SystemResolver::default());
        Sender::new(rules, &resolver, timeout).unwrap()
    }

    /// A receiver that answers each request with these bytes and then neither says nor ends anything. Counts its
    /// connections.
    async fn receiver(answer: &'static str) -> (String, Arc<std::sync::atomic::AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let connections = Arc::<std::sync::atomic::AtomicUsize>::default();
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut request = vec![0; 4_096];
                    while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        (url, connections)
    }

    #[tokio::test]
    async fn the_status_line_decides_and_the_body_is_not_waited_for() {
        for (answer, result, status) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nstarted", SendResult::Delivered, 200),
            ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", SendResult::Delivered, 200),
            (
                "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                SendResult::Delivered,
                202,
            ),
            ("HTTP/1.1 299 Fine\r\n\r\nto the end of the connection", SendResult::Delivered, 299),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
                SendResult::Delivered,
                200,
            ),
            ("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 9\r\n\r\n", SendResult::Redirect, 302),
            ("HTTP/1.1 410 Gone\r\nContent-Length: 9\r\n\r\n", SendResult::Gone, 410),
            ("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\n", SendResult::Slow, 503),
            ("HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n", SendResult::Refused, 500),
        ] {
            let (url, _) = receiver(answer).await;
            let sent = sender(Duration::from_secs(3)).post(&url, HeaderMap::new(), Bytes::from("{}")).await;
            assert_eq!((sent.result, sent.http_status), (result, Some(status)), "{answer:?}");
            let patience = (status == 503).then_some(Duration::from_secs(7));
            assert_eq!(sent.retry_after, patience, "{answer:?}");
            assert!(sent.duration_ms < 2_500, "{answer:?} took {} ms", sent.duration_ms);
        }
    }

    #[tokio::test]
    async fn no_status_line_in_time_is_no_answer() {
        for answer in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Le"] {
            let (url, _) = receiver(answer).await;
            let sent =
                sender(Duration::from_millis(500)).post(&url, HeaderMap::new(), Bytes::from("{}")).await;
            assert_eq!((sent.result, sent.http_status), (SendResult::TimedOut, None), "{answer:?}");
        }
    }

    /// A connection whose answer was whole is used again; one whose answer was not is closed.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn only_whole_answers_keep_their_connection() {
        for (answer, kept) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", false),
        ] {
            let (url, connections) = receiver(answer).await;
            let sender = sender(Duration::from_secs(3));
            for _ in 0..5 {
                let sent = sender.post(&url, HeaderMap::new(), Bytes::from("{}")).await;
                assert_eq!(sent.result, SendResult::Delivered, "{answer:?}");
                // The connection goes back to the pool behind the answer.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let connections = connections.load(std::sync::atomic::Ordering::SeqCst);
            assert_eq!(connections, if kept { 1 } else { 5 }, "{answer:?}");
        }
    }
}
