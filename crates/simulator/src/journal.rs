//! The log of requests that reached a platform, with counters and a way to wait for the next one.
//!
//! Only service calls are logged: the payment page is the payer's browser, not the client under test.

use std::sync::Mutex;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

use super::recent::{Recent, lock};

/// Requests kept in the log; counters go on counting.
const KEPT: usize = 10_000;

/// Members whose value never enters the log, whatever their depth. Lower case, compared as a part of the name.
const SECRET_PARTS: [&str; 6] = ["password", "secret", "token", "securitycode", "cvv", "seal"];

/// One service call as it was received, before any effect. Of its headers only the trace is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoggedRequest {
    /// Number of the request, from 1.
    pub sequence: u64,
    /// Time of the simulators' clock.
    pub at: Timestamp,
    /// Number of the TCP connection, from 1: equal numbers mean a reused connection.
    pub connection: u64,
    /// Provider platform, `lyra`.
    pub provider: String,
    /// Brand of the platform.
    pub brand: String,
    /// Service called, in the provider's spelling.
    pub service: String,
    /// Shop that the credentials name, right or wrong.
    pub shop: Option<String>,
    /// The provider's identifier of the order, when the request names one.
    pub order: Option<String>,
    /// The merchant's reference, when the request names one.
    pub reference: Option<String>,
    /// The header `traceparent`.
    pub traceparent: Option<String>,
    /// The header `tracestate`.
    pub tracestate: Option<String>,
    /// The body with secrets left out; `null` when it was not JSON.
    pub body: Value,
}

/// Requests received since the start or the last reset.
#[derive(Debug)]
pub(crate) struct Journal {
    log: Mutex<(Recent<LoggedRequest>, IndexMap<String, u64>)>,
    received: watch::Sender<u64>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { log: Mutex::new((Recent::new(KEPT), IndexMap::new())), received: watch::Sender::new(0) }
    }
}

impl Journal {
    /// Logs the request and returns its number.
    pub(crate) fn record(&self, request: LoggedRequest) -> u64 {
        let mut log = lock(&self.log);
        let count = log.1.entry(request.service.clone()).or_default();
        *count = count.saturating_add(1);
        let body = redacted(request.body);
        let sequence = log.0.push(|sequence| LoggedRequest { sequence, body, ..request });
        // Announced under the lock, so that a waiter sees the entry it waited for and numbers never go back.
        self.received.send_replace(sequence);
        sequence
    }

    pub(crate) fn list(&self) -> Vec<LoggedRequest> {
        lock(&self.log).0.list()
    }

    pub(crate) fn count(&self, service: &str) -> u64 {
        lock(&self.log).1.get(service).copied().unwrap_or(0)
    }

    pub(crate) fn counts(&self) -> IndexMap<String, u64> {
        lock(&self.log).1.clone()
    }

    pub(crate) fn total(&self) -> u64 {
        *self.received.borrow()
    }

    pub(crate) async fn wait_for(&self, total: u64) {
        // An error would mean that the sender is gone, and `self` holds it.
        let _ = self.received.subscribe().wait_for(|received| *received >= total).await;
    }

    pub(crate) fn reset(&self) {
        let mut log = lock(&self.log);
        log.0.clear();
        log.1.clear();
        self.received.send_replace(0);
    }
}

/// The same JSON with the values of secret members replaced.
fn redacted(value: Value) -> Value {
    if let Value::Object(members) = value {
        let clean = members.into_iter().map(|(name, inner)| {
            let lower = name.to_lowercase();
            let secret = lower == "pan" || SECRET_PARTS.iter().any(|part| lower.contains(part));
            (name, if secret { Value::from("***") } else { redacted(inner) })
        });
        return Value::Object(clean.collect());
    }
    if let Value::Array(items) = value {
        return Value::Array(items.into_iter().map(redacted).collect());
    }
    value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(service: &str, body: Value) -> LoggedRequest {
        LoggedRequest {
            sequence: 0,
            at: Timestamp::UNIX_EPOCH,
            connection: 1,
            provider: "lyra".into(),
            brand: "systempay".into(),
            service: service.into(),
            shop: None,
            order: None,
            reference: None,
            traceparent: None,
            tracestate: None,
            body,
        }
    }

    #[test]
    fn secrets_never_enter_the_log() {
        let journal = Journal::default();
        journal.record(request("A", json!({"card": {"pan": "4970100000000055", "x": [{"Password": "p"}]}})));
        let body = &journal.list()[0].body;
        assert_eq!(*body, json!({"card": {"pan": "***", "x": [{"Password": "***"}]}}));
    }

    #[tokio::test]
    async fn counters_are_per_service_and_waiting_ends_at_the_total() {
        let journal = Journal::default();
        for service in ["A", "B", "A"] {
            journal.record(request(service, Value::Null));
        }
        assert_eq!((journal.count("A"), journal.count("B"), journal.count("C")), (2, 1, 0));
        journal.wait_for(3).await;
        assert_eq!(journal.total(), 3);
        journal.reset();
        assert_eq!((journal.total(), journal.count("A")), (0, 0));
    }
}
