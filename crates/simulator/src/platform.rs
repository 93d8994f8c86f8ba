//! What the shared frame asks of each simulated platform. Neutral: nothing here knows a protocol.

use std::fmt;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SandboxAccount;
use super::faults::FaultKind;

/// A request as it came in, body included.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) method: Method,
    /// Path without the query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Number of the TCP connection.
    pub(crate) connection: u64,
}

impl Received {
    pub(crate) fn header(&self, name: &http::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What a service call names, read without any effect: for the log and for the fault plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    pub(crate) brand: String,
    pub(crate) service: String,
    pub(crate) shop: Option<String>,
    /// The provider's identifier of the order.
    pub(crate) order: Option<String>,
    /// The merchant's reference.
    pub(crate) reference: Option<String>,
    /// The body; `Null` when it is not JSON.
    pub(crate) body: Value,
    /// The mode that the credentials open, in the platform's word; `None` for wrong ones, or where there are no modes.
    pub(crate) mode: Option<&'static str>,
    /// Number in the request log, set once it is logged.
    pub(crate) sequence: Option<u64>,
}

/// What a request is addressed to.
#[derive(Debug)]
pub(crate) enum Target {
    /// A service for merchants: logged, subject to faults.
    Service(Call),
    /// The payer's page.
    Page,
    /// Nothing of this platform.
    Nothing,
}

/// An error answer of a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    /// The platform's usual text when `None`.
    pub(crate) message: Option<String>,
    pub(crate) detailed_code: Option<String>,
    pub(crate) detailed_message: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: impl Into<String>) -> Self {
        Self { code: code.into(), message: None, detailed_code: None, detailed_message: None }
    }

    pub(crate) fn detail(mut self, text: impl Into<String>) -> Self {
        self.detailed_message = Some(text.into());
        self
    }
}

/// What the payer does on the payment page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayerAction {
    /// The payment is accepted.
    Pay,
    /// The payment is tried and refused.
    Decline,
    /// The payer goes away, nothing changes.
    Leave,
}

/// What a person in the back office, the night or a bank does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Act {
    /// `remit` and the like.
    pub(crate) action: String,
    /// To one order, or to all of the brand when absent.
    #[serde(default)]
    pub(crate) order: Option<String>,
    /// Minor units, for the actions that want it; the others refuse it.
    #[serde(default)]
    pub(crate) amount: Option<i64>,
}

/// Why a control call was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// No such provider, brand, order or fault.
    #[error("not found: {0}")]
    NotFound(String),
    /// The call itself is wrong.
    #[error("{0}")]
    Invalid(String),
}

/// One simulated platform.
pub(crate) trait Platform: fmt::Debug + Send + Sync {
    /// Its name, which is also the first segment of its paths.
    fn name(&self) -> &'static str;

    /// Reads what the request is addressed to. No effect.
    fn target(&self, request: &Received) -> Target;

    /// The fault that an amount of the request or of its order stands for. Asked for the service `notification` too.
    fn magic(&self, call: &Call) -> Option<FaultKind>;

    /// Does what the request asks and answers. The only way to an effect through a service.
    fn serve(&self, call: &Call, request: &Received) -> Response<Bytes>;

    /// The platform's error answer, without effect.
    fn refuse(&self, call: &Call, refusal: &Refusal) -> Response<Bytes>;

    /// What the platform says when it has a technical incident.
    fn incident(&self) -> Refusal;

    /// The same answer with a signature that is wrong but well formed. Answers that nobody signs stay as they are.
    fn with_bad_signature(&self, answer: Response<Bytes>) -> Response<Bytes> {
        answer
    }

    /// The same answer without its signature. Answers that nobody signs stay as they are.
    fn without_signature(&self, answer: Response<Bytes>) -> Response<Bytes> {
        answer
    }

    /// The same answer, signed as ever, with another text where the payer's page is. Answers that name no page stay as
    /// they are.
    fn with_payer_address(&self, call: &Call, answer: Response<Bytes>, address: &str) -> Response<Bytes>;

    /// The payer's page, and what the payer does there.
    fn page(&self, request: &Received) -> Response<Bytes>;

    /// Adds an order as it stands, without an effect in the ledger. Returns its identifier.
    fn add_order(&self, brand: &str, draft: &Value) -> Result<String, ControlError>;

    /// Sets the status to any text, without an effect in the ledger.
    fn set_status(&self, brand: &str, order: &str, status: &str) -> Result<(), ControlError>;

    /// Merge patch (RFC 7396) over every later answer about this order; `None` takes the whole patch away.
    fn patch_answer(&self, brand: &str, order: &str, patch: Option<Value>) -> Result<(), ControlError>;

    /// Adds a payment transaction of the order's amount with this merge patch over it. Returns its identifier.
    fn add_transaction(&self, brand: &str, order: &str, patch: &Value) -> Result<String, ControlError>;

    /// What the payer does, as on the page. Returns the status of the order after it.
    fn payer(&self, brand: &str, order: &str, action: PayerAction) -> Result<String, ControlError>;

    /// Does what a person in the back office, the night or a bank does. Returns what is worth telling.
    fn act(&self, brand: &str, act: &Act) -> Result<Value, ControlError>;

    /// The accounts of a sandbox: one per simulated shop, with the settings an adapter needs to reach it.
    /// `base` is scheme, host and port of the simulators, without a slash at the end.
    fn sandbox_accounts(&self, base: &str) -> Vec<SandboxAccount>;

    /// The order as the platform would answer it.
    fn order(&self, brand: &str, order: &str) -> Result<Value, ControlError>;

    /// All orders of the brand.
    fn orders(&self, brand: &str) -> Result<Vec<Value>, ControlError>;

    /// What a person should know: brands, shops, magic amounts.
    fn help(&self) -> Value;

    /// Back to the state of the start.
    fn reset(&self);
}

/// Names and meanings of actions, for the help.
pub(crate) fn actions<'a>(actions: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let one = |(action, meaning)| serde_json::json!({"action": action, "meaning": meaning});
    actions.into_iter().map(one).collect()
}

/// An answer with a body of this media type, never cached.
pub(crate) fn answer(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    // A media type from a fault order may hold anything; an impossible one is left out, which is a fault too.
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    answer(status, "application/json; charset=utf-8", body.to_string())
}

/// An HTML page.
pub(crate) fn html(status: StatusCode, body: String) -> Response<Bytes> {
    answer(status, "text/html; charset=utf-8", body)
}

/// A redirection that turns a POST into a GET; without a usable address the answer is 500.
pub(crate) fn see_other(location: &str) -> Response<Bytes> {
    let Ok(location) = HeaderValue::from_str(location) else {
        return answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "the return address is not valid");
    };
    let mut response = answer(StatusCode::SEE_OTHER, "text/plain", "");
    response.headers_mut().insert(LOCATION, location);
    response
}

/// The same answer with another text at the first of these JSON pointers that leads to one.
pub(crate) fn with_text_at(answer: Response<Bytes>, pointers: &[&str], text: &str) -> Response<Bytes> {
    answer.map(|body| {
        let Ok(mut message) = serde_json::from_slice::<Value>(&body) else { return body };
        let place = pointers.iter().find(|pointer| message.pointer(pointer).is_some_and(Value::is_string));
        let Some(member) = place.and_then(|pointer| message.pointer_mut(pointer)) else { return body };
        *member = Value::from(text);
        message.to_string().into()
    })
}

/// Applies a JSON merge patch. Source: RFC 7396, section 2.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(members) = target {
        for (name, change) in changes {
            if change.is_null() {
                members.remove(name);
            } else {
                merge(members.entry(name.clone()).or_insert(Value::Null), change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merge_patches_as_the_rfc_says() {
        let mut target = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [1]});
        merge(&mut target, &json!({"a": null, "b": {"c": "x"}, "e": [2], "f": {"g": 1, "h": null}}));
        assert_eq!(target, json!({"b": {"c": "x", "d": 3}, "e": [2], "f": {"g": 1}}));
    }
}
