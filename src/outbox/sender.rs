//! One delivery over HTTP: no redirects, no proxy, only checked addresses, one limit of time for all of it. What the
//! receiver answers is never shown to anybody.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use super::{
    guard::{AddressRefused, AddressRules, Guarded, Resolver},
    schedule::retry_after,
};
use crate::domain::Timestamp;

/// Bytes of an answer that are read so that its connection can be used again.
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
                .dns_resolver(Arc::new(Guarded { rules, resolver, encrypted }))
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

    /// Posts a body once.
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
        let mut read = 0_usize;
        while let Ok(Some(chunk)) = response.chunk().await {
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
