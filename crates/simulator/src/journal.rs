//! The log of requests that reached a platform, with counters and a way to wait for the next one.
//!
//! Only service calls are logged: the payment page is the payer's browser, not the client under test.

use indexmap::IndexMap;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;

use super::records::Records;

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
    pub(crate) requests: Records<LoggedRequest>,
    counts: Mutex<IndexMap<String, u64>>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { requests: Records::new(KEPT), counts: Mutex::default() }
    }
}

impl Journal {
    /// Logs the request and returns its number.
    pub(crate) fn record(&self, request: LoggedRequest) -> u64 {
        let mut counts = self.counts.lock();
        let count = counts.entry(request.service.clone()).or_default();
        *count = count.saturating_add(1);
        let body = redacted(request.body);
        self.requests.push(|sequence| LoggedRequest { sequence, body, ..request })
    }

    pub(crate) fn counts(&self) -> IndexMap<String, u64> {
        self.counts.lock().clone()
    }

    pub(crate) fn reset(&self) {
        let mut counts = self.counts.lock();
        counts.clear();
        self.requests.reset();
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

    #[test]
    fn secrets_never_enter_the_log() {
        let body =
            redacted(json!({"card": {"pan": "4970100000000055", "x": [{"Password": "p"}]}, "seal": "s"}));
        assert_eq!(body, json!({"card": {"pan": "***", "x": [{"Password": "***"}]}, "seal": "***"}));
    }
}
