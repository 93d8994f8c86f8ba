//! The one way out to providers: deadlines, pools, size caps, redaction, and the rule that a change is sent once.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::{Mutex, RwLock};
use rand::Rng;
use tokio::time::Instant;

use super::{
    AdapterContext, PayerAddresses,
    error::{ErrorKind, ProviderError, Result},
    gate::BreakerState,
    observer::{EndedCall, Leaving, Observer},
    outbound::{Answer, CallFailure, Network, Outbound, Outgoing},
};
use crate::domain::Timestamp;

/// The moment at which a call must have ended.
pub type Deadline = Instant;

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
    outbound: Arc<dyn Outbound>,
    observer: Arc<dyn Observer>,
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

impl Transport {
    /// A way out for one account.
    ///
    /// # Errors
    /// The TLS roots of the system cannot be loaded.
    pub fn new(provider: &'static str, context: &AdapterContext) -> std::result::Result<Self, String> {
        let outbound: Arc<dyn Outbound> = match &context.outbound {
            Some(given) => Arc::clone(given),
            None => Arc::new(Network::new(context.connect_timeout)?),
        };
        Ok(Self {
            provider,
            outbound,
            observer: Arc::clone(&context.observer),
            provider_timeout: context.provider_timeout,
            link: Mutex::default(),
            retry_tokens: Mutex::new(RETRY_TOKENS_MAX),
            addresses: RwLock::default(),
        })
    }

    /// The check of the addresses that the provider, which is spoken to at `provider_url`, gives for payers.
    pub fn payer_addresses(&self, provider_url: &str) -> PayerAddresses<'_> {
        PayerAddresses::new(self.provider, provider_url, &*self.observer)
    }

    /// What the calls made so far say about the link.
    pub fn link(&self) -> LinkHealth {
        *self.link.lock()
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`ErrorKind::NotExecuted`] when no connection could be made. After that, for a change always
    /// [`ErrorKind::OutcomeUnknown`]; for a read [`ErrorKind::Timeout`] or [`ErrorKind::Protocol`].
    pub async fn send(&self, exchange: Exchange<'_>) -> Result<Answer> {
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
        self.observer.change_leaves();
        let deadline = Instant::now() + self.provider_timeout;
        let outcome = self.once(exchange, deadline, 0).await;
        self.observer.change_returned();
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
            let failure = match self.once(exchange, deadline, attempt).await {
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
        exchange: &Exchange<'_>,
        deadline: Deadline,
        attempt: u32,
    ) -> std::result::Result<Answer, CallFailure> {
        let url = self.address(exchange.url)?;
        let mut headers = exchange.headers.clone();
        let leaving =
            Leaving { provider: self.provider, operation: exchange.operation, host: url.host_str(), attempt };
        let on_the_way = self.observer.request_leaves(&leaving, &mut headers);
        let is_change = matches!(exchange.purpose, Purpose::Change);
        let outgoing = Outgoing { url, headers, body: exchange.body.clone(), is_change };
        let call = self.outbound.exchange(outgoing);
        let result = tokio::time::timeout_at(deadline, call).await.unwrap_or(Err(CallFailure::TooLate));
        on_the_way.arrived(match &result {
            Ok(answer) => Ok(answer.status),
            Err(failure) => Err(failure.as_str()),
        });
        result
    }

    /// An address in parsed form. One that is none leads nowhere.
    fn address(&self, text: &str) -> std::result::Result<reqwest::Url, CallFailure> {
        if let Some(url) = self.addresses.read().get(text) {
            return Ok(url.clone());
        }
        let url = reqwest::Url::parse(text).map_err(|_| CallFailure::NotConnected)?;
        let mut addresses = self.addresses.write();
        if addresses.len() < ADDRESSES_MAX {
            addresses.insert(text.to_owned(), url.clone());
        }
        Ok(url)
    }

    fn error(&self, exchange: &Exchange<'_>, kind: ErrorKind, message: &str) -> ProviderError {
        ProviderError::new(self.provider, exchange.operation, kind, message)
    }

    fn note(&self, exchange: &Exchange<'_>, started: Instant, result: &Result<Answer>) {
        self.observer.call_ended(&EndedCall {
            provider: self.provider,
            operation: exchange.operation,
            took: started.elapsed(),
            result: result.as_ref().map(|answer| answer.status),
            error_type: result.as_ref().map_or_else(|error| error_type(error.kind), status_type),
        });
        let mut link = self.link.lock();
        match result {
            Ok(_) => {
                link.last_answer_at = Some(Timestamp::now());
                link.consecutive_failures = 0;
            }
            Err(_) => {
                link.last_failure_at = Some(Timestamp::now());
                link.consecutive_failures = link.consecutive_failures.saturating_add(1);
            }
        }
    }

    fn earn_retry(&self) {
        let mut tokens = self.retry_tokens.lock();
        *tokens = tokens.saturating_add(RETRY_TOKENS_PER_READ).min(RETRY_TOKENS_MAX);
    }

    fn spend_retry(&self) -> bool {
        let mut tokens = self.retry_tokens.lock();
        match tokens.checked_sub(RETRY_COST) {
            Some(rest) => {
                *tokens = rest;
                true
            }
            None => false,
        }
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

/// Full jitter between 100 ms and twice as much per attempt, at most 2 s.
fn retry_pause(attempt: u32) -> Duration {
    let ceiling_ms = 200_u64.saturating_mul(2_u64.saturating_pow(attempt)).min(2_000);
    Duration::from_millis(rand::rng().random_range(100..=ceiling_ms))
}
