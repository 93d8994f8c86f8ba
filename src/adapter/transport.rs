//! The one way out to providers: deadlines, pools, size caps, redaction, and the rule that a change is sent once.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError, RwLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use rand::Rng;
use tokio::time::Instant;

use super::{
    error::{ErrorKind, ProviderError, Result},
    gate::BreakerState,
};
use crate::{
    domain::Timestamp,
    faults, metrics,
    trace::{self, Context, Key, Span, SpanKind},
};

/// The moment at which a call must have ended.
pub type Deadline = Instant;

/// Longest answer read from a provider, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How long an idle connection may be used for a change. Providers close idle connections after some
/// seconds; a change on one that is just being closed would be a false unknown.
const CHANGE_IDLE: Duration = Duration::from_secs(2);
/// How long an idle connection may be used for a read, which may be repeated.
const READ_IDLE: Duration = Duration::from_secs(30);
/// Most repetitions of one read.
const READ_RETRIES_MAX: u32 = 2;
/// Repetitions earned per read: at most one read in ten is a repetition.
const RETRY_TOKENS_PER_READ: u32 = 1;
/// Addresses kept in parsed form: an account calls few, and they hold no ids.
const ADDRESSES_MAX: usize = 64;
/// What one repetition costs in these tokens.
const RETRY_COST: u32 = 10;
/// Most tokens kept, so that a long quiet time does not allow a storm.
const RETRY_TOKENS_MAX: u32 = 100;

/// Whether a request changes anything at the provider.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// Changes nothing; ends at the deadline; may be repeated when the connection broke.
    Read(Deadline),
    /// May move money: sent once, listened for until the provider timeout.
    Change,
}

/// One request to a provider.
pub struct Exchange<'a> {
    /// The provider's name of the service, for logs.
    pub operation: &'static str,
    /// Where it goes. Never holds a credential.
    pub url: &'a str,
    /// Headers; credentials are marked sensitive.
    pub headers: HeaderMap,
    /// The exact bytes.
    pub body: Bytes,
    /// Read or change.
    pub purpose: Purpose,
}

/// Shows neither headers nor body: both may hold secrets or payer data.
impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("operation", &self.operation)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
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

/// What the calls made so far say about the link to a provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkHealth {
    /// When the provider last gave an HTTP answer.
    pub last_answer_at: Option<Timestamp>,
    /// When a call last failed without one.
    pub last_failure_at: Option<Timestamp>,
    /// Failures since the last answer.
    pub consecutive_failures: u32,
    /// The account's circuit breaker.
    pub breaker: BreakerState,
}

/// The way out of one account: its own connection pools, so that a slow provider does not slow the others.
pub struct Transport {
    provider: &'static str,
    reads: reqwest::Client,
    changes: reqwest::Client,
    provider_timeout: Duration,
    link: Mutex<LinkHealth>,
    retry_tokens: Mutex<u32>,
    addresses: RwLock<HashMap<String, reqwest::Url>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// What this thread is answered instead of calling anybody, the next one first.
#[cfg(feature = "faults")]
type Script = std::collections::VecDeque<Answer>;

#[cfg(feature = "faults")]
thread_local! {
    static SCRIPT: std::cell::RefCell<Option<Script>> = const { std::cell::RefCell::new(None) };
}

/// Gives this thread a provider that answers like this and then is unreachable; `None` takes it away.
#[cfg(feature = "faults")]
pub fn script(answers: Option<Vec<Answer>>) {
    SCRIPT.set(answers.map(Script::from));
}

impl Transport {
    /// A way out for one account.
    ///
    /// # Errors
    /// The TLS roots of the system cannot be loaded.
    pub fn new(
        provider: &'static str,
        connect_timeout: Duration,
        provider_timeout: Duration,
    ) -> std::result::Result<Self, String> {
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
        Ok(Self {
            provider,
            reads: client(READ_IDLE)?,
            changes: client(CHANGE_IDLE)?,
            provider_timeout,
            link: Mutex::default(),
            retry_tokens: Mutex::new(RETRY_TOKENS_MAX),
            addresses: RwLock::default(),
        })
    }

    /// What the calls made so far say about the link.
    pub fn link(&self) -> LinkHealth {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`ErrorKind::NotExecuted`] when no connection could be made. After that, for a change always
    /// [`ErrorKind::OutcomeUnknown`]; for a read [`ErrorKind::Timeout`] or [`ErrorKind::Protocol`].
    pub async fn send(&self, exchange: Exchange<'_>) -> Result<Answer> {
        #[cfg(feature = "faults")]
        if let Some(answer) = SCRIPT.with_borrow_mut(|script| Some(script.as_mut()?.pop_front())) {
            return answer
                .ok_or_else(|| self.error(&exchange, ErrorKind::NotExecuted, "the script has ended"));
        }
        let started = Instant::now();
        let result = match exchange.purpose {
            Purpose::Read(deadline) => self.read(&exchange, deadline).await,
            Purpose::Change => self.change(&exchange).await,
        };
        self.note(&exchange, started, &result);
        result
    }

    /// A change goes out once, whatever happens.
    async fn change(&self, exchange: &Exchange<'_>) -> Result<Answer> {
        faults::reached("before_send");
        let deadline = Instant::now() + self.provider_timeout;
        let outcome = self.once(&self.changes, exchange, deadline, 0).await;
        faults::reached("answer_received");
        outcome.map_err(|failure| match failure {
            CallFailure::NotConnected => {
                self.error(exchange, ErrorKind::NotExecuted, "no connection could be made")
            }
            CallFailure::TooLate => {
                self.error(exchange, ErrorKind::OutcomeUnknown, "no answer within the provider timeout")
            }
            CallFailure::Broken => self.error(
                exchange,
                ErrorKind::OutcomeUnknown,
                "the connection broke before the answer ended",
            ),
            CallFailure::TooLarge => {
                self.error(exchange, ErrorKind::OutcomeUnknown, "the answer was larger than 1 MiB")
            }
        })
    }

    /// A read may be repeated when the connection could not be made or broke, within deadline and budget.
    async fn read(&self, exchange: &Exchange<'_>, deadline: Deadline) -> Result<Answer> {
        self.earn_retry();
        let mut attempt = 0;
        loop {
            let failure = match self.once(&self.reads, exchange, deadline, attempt).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let pause = retry_pause(attempt);
            let in_time = Instant::now().checked_add(pause).is_some_and(|then| then < deadline);
            let repeatable = matches!(failure, CallFailure::NotConnected | CallFailure::Broken);
            if !(repeatable && attempt < READ_RETRIES_MAX && in_time && self.spend_retry()) {
                return Err(match failure {
                    CallFailure::NotConnected => {
                        self.error(exchange, ErrorKind::NotExecuted, "no connection could be made")
                    }
                    CallFailure::TooLate => self.error(exchange, ErrorKind::Timeout, "no answer in time"),
                    CallFailure::Broken => self.error(
                        exchange,
                        ErrorKind::Protocol,
                        "the connection broke before the answer ended",
                    ),
                    CallFailure::TooLarge => {
                        self.error(exchange, ErrorKind::Protocol, "the answer was larger than 1 MiB")
                    }
                });
            }
            tokio::time::sleep(pause).await;
            attempt = attempt.saturating_add(1);
        }
    }

    async fn once(
        &self,
        client: &reqwest::Client,
        exchange: &Exchange<'_>,
        deadline: Deadline,
        attempt: u32,
    ) -> std::result::Result<Answer, CallFailure> {
        let context = trace::current();
        let mut span = context.span(SpanKind::Client, || format!("{} {}", self.provider, exchange.operation));
        let call = async {
            let mut request = reqwest::Request::new(http::Method::POST, self.address(exchange.url)?);
            *request.headers_mut() = exchange.headers.clone();
            context.put(&span, request.headers_mut());
            *request.body_mut() = Some(exchange.body.clone().into());
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
        };
        let result = tokio::time::timeout_at(deadline, call).await.unwrap_or(Err(CallFailure::TooLate));
        if span.is_recorded() {
            self.tell(&mut span, &context, exchange, attempt, &result);
        }
        span.end();
        result
    }

    /// What a trace shows of one request.
    fn tell(
        &self,
        span: &mut Span,
        context: &Context,
        exchange: &Exchange<'_>,
        attempt: u32,
        result: &std::result::Result<Answer, CallFailure>,
    ) {
        span.tell(Key::Method, "POST");
        span.tell(Key::Provider, self.provider);
        span.tell(Key::ProviderOperation, exchange.operation);
        let url = self.address(exchange.url);
        span.tell_some(Key::ServerAddress, url.ok().as_ref().and_then(reqwest::Url::host_str));
        span.tell_some(Key::ResendCount, (attempt > 0).then_some(attempt));
        span.tell_some(Key::RequestId, context.cause().request_id.as_deref());
        let about = context.subject();
        span.tell_some(Key::OrderId, about.order_id.as_ref().map(ToString::to_string));
        span.tell_some(Key::OperationId, about.operation_id.map(|id| id.to_string()));
        match result {
            Ok(answer) => {
                span.tell(Key::Status, answer.status);
                span.fail(status_type(answer));
            }
            Err(failure) => span.fail(failure.as_str()),
        }
    }

    /// An address in parsed form. One that is none leads nowhere.
    fn address(&self, text: &str) -> std::result::Result<reqwest::Url, CallFailure> {
        if let Some(url) = self.addresses.read().unwrap_or_else(PoisonError::into_inner).get(text) {
            return Ok(url.clone());
        }
        let url = reqwest::Url::parse(text).map_err(|_| CallFailure::NotConnected)?;
        let mut addresses = self.addresses.write().unwrap_or_else(PoisonError::into_inner);
        if addresses.len() < ADDRESSES_MAX {
            addresses.insert(text.to_owned(), url.clone());
        }
        Ok(url)
    }

    fn error(&self, exchange: &Exchange<'_>, kind: ErrorKind, message: &str) -> ProviderError {
        ProviderError::new(self.provider, exchange.operation, kind, message)
    }

    fn note(&self, exchange: &Exchange<'_>, started: Instant, result: &Result<Answer>) {
        let error_type = result.as_ref().map_or_else(|error| error_type(error.kind), status_type);
        metrics::provider_called(self.provider, exchange.operation, error_type, started.elapsed());
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(answer) => {
                link.last_answer_at = Some(Timestamp::now());
                link.consecutive_failures = 0;
                tracing::debug!(
                    provider = self.provider,
                    operation = exchange.operation,
                    duration_ms,
                    http_status = answer.status,
                    "provider answered"
                );
            }
            Err(error) => {
                link.last_failure_at = Some(Timestamp::now());
                link.consecutive_failures = link.consecutive_failures.saturating_add(1);
                tracing::debug!(
                    provider = self.provider,
                    operation = exchange.operation,
                    duration_ms,
                    error = %error,
                    "provider did not answer"
                );
            }
        }
    }

    fn earn_retry(&self) {
        let mut tokens = self.retry_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = tokens.saturating_add(RETRY_TOKENS_PER_READ).min(RETRY_TOKENS_MAX);
    }

    fn spend_retry(&self) -> bool {
        let mut tokens = self.retry_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        match tokens.checked_sub(RETRY_COST) {
            Some(rest) => {
                *tokens = rest;
                true
            }
            None => false,
        }
    }
}

/// How a single attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallFailure {
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
    fn as_str(self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::TooLate => "timeout",
            Self::Broken => "connection_broken",
            Self::TooLarge => "answer_too_large",
        }
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

/// The word for a call without an answer.
fn error_type(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotExecuted => "not_connected",
        ErrorKind::Timeout => "timeout",
        ErrorKind::OutcomeUnknown => "outcome_unknown",
        ErrorKind::Protocol => "protocol",
        ErrorKind::Unsupported
        | ErrorKind::Incident
        | ErrorKind::Temporary
        | ErrorKind::Refused
        | ErrorKind::InvalidRequest
        | ErrorKind::StateConflict
        | ErrorKind::AlreadyDone
        | ErrorKind::AmountExceeded
        | ErrorKind::CurrencyNotSupported
        | ErrorKind::Declined
        | ErrorKind::NotFound
        | ErrorKind::ReferenceInUse
        | ErrorKind::AlreadyRefunded
        | ErrorKind::WindowClosed
        | ErrorKind::Busy
        | ErrorKind::Misconfigured => "other",
    }
}

/// The word for an answer: empty unless its HTTP status is an error.
fn status_type(answer: &Answer) -> &'static str {
    match answer.status {
        400..=499 => "http_4xx",
        500..=599 => "http_5xx",
        _ => "",
    }
}

async fn read_capped(mut response: reqwest::Response) -> std::result::Result<Bytes, CallFailure> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| CallFailure::Broken)? {
        if body.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
            return Err(CallFailure::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Full jitter between 100 ms and twice as much per attempt, at most 2 s.
fn retry_pause(attempt: u32) -> Duration {
    let ceiling_ms = 200_u64.saturating_mul(2_u64.saturating_pow(attempt)).min(2_000);
    Duration::from_millis(rand::rng().random_range(100..=ceiling_ms))
}
