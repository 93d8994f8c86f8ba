//! One request over the wire, once. The rules of what may be sent again are those of the transport.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;

/// Longest answer read from a provider, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How long an idle connection may be used for a change. Providers close idle connections after some
/// seconds; a change on one that is just being closed would be a false unknown.
const CHANGE_IDLE: Duration = Duration::from_secs(2);
/// How long an idle connection may be used for a read, which may be repeated.
const READ_IDLE: Duration = Duration::from_secs(30);

/// A request as it goes over the wire.
pub struct Outgoing {
    /// Where it goes.
    pub url: reqwest::Url,
    /// Its headers.
    pub headers: HeaderMap,
    /// The exact bytes.
    pub body: Bytes,
    /// Whether it may change something at the provider.
    pub is_change: bool,
}

/// Shows neither headers nor body: both may hold secrets or payer data.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("is_change", &self.is_change).finish_non_exhaustive()
    }
}

/// What came back, whatever its HTTP status.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The media type without parameters, in lower case.
    pub content_type: Option<String>,
    /// The exact bytes.
    pub body: Bytes,
}

/// Shows no body: it may hold payer data.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("bytes", &self.body.len())
            .finish()
    }
}

/// How a single attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFailure {
    /// Resolving, connecting or TLS failed: no byte of the request left.
    NotConnected,
    /// The deadline passed. It may have arrived.
    TooLate,
    /// The connection broke. It may have arrived.
    Broken,
    /// The answer did not fit. It did arrive.
    TooLarge,
}

impl CallFailure {
    /// A stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::TooLate => "timeout",
            Self::Broken => "connection_broken",
            Self::TooLarge => "answer_too_large",
        }
    }
}

/// Sends a request once.
#[async_trait]
pub trait Outbound: fmt::Debug + Send + Sync {
    /// The whole answer.
    ///
    /// # Errors
    /// [`CallFailure::NotConnected`] only where no byte of the request can have left.
    async fn exchange(&self, outgoing: Outgoing) -> Result<Answer, CallFailure>;
}

/// The network, with connection pools of one account: one for reads, one for changes.
#[derive(Debug)]
pub struct Network {
    reads: reqwest::Client,
    changes: reqwest::Client,
}

impl Network {
    /// Two pools that have no connection yet.
    ///
    /// # Errors
    /// The TLS roots of the system cannot be loaded.
    pub fn new(connect_timeout: Duration) -> Result<Self, String> {
        // Whoever comes first installs the provider; a second attempt fails harmlessly.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = |idle: Duration| {
            reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .http1_only()
                .connect_timeout(connect_timeout)
                .pool_idle_timeout(idle)
                .tcp_nodelay(true)
                .referer(false)
                .user_agent(concat!("guichet/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|error| format!("the HTTP client cannot be built: {error}"))
        };
        Ok(Self { reads: client(READ_IDLE)?, changes: client(CHANGE_IDLE)? })
    }
}

#[async_trait]
impl Outbound for Network {
    async fn exchange(&self, outgoing: Outgoing) -> Result<Answer, CallFailure> {
        let client = if outgoing.is_change { &self.changes } else { &self.reads };
        let mut request = reqwest::Request::new(http::Method::POST, outgoing.url);
        *request.headers_mut() = outgoing.headers;
        *request.body_mut() = Some(outgoing.body.into());
        let response = client.execute(request).await.map_err(|error| classify(&error))?;
        let status = response.status().as_u16();
        let content_type = response
            .headers()
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(|value| value.trim().to_ascii_lowercase());
        let body = read_capped(response).await?;
        Ok(Answer { status, content_type, body })
    }
}

/// Only a failure of the connector proves that nothing was sent; everything else may have arrived.
fn classify(error: &reqwest::Error) -> CallFailure {
    if error.is_connect() {
        CallFailure::NotConnected
    } else if error.is_timeout() {
        CallFailure::TooLate
    } else {
        CallFailure::Broken
    }
}

async fn read_capped(mut response: reqwest::Response) -> Result<Bytes, CallFailure> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| CallFailure::Broken)? {
        if body.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
            return Err(CallFailure::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
