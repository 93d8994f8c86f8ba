//! Answers: their seal, and what a refusal looks like.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use super::members::Version;
use super::seal::{Algorithm, sealed_text};
use super::services::{INIT, READ};
use crate::platform::{Refusal, html, json};

/// `redirectionVersion` of every answer, whatever was asked. Source: Worldline Java SDK, tests.
pub(super) const REDIRECTION_VERSION: &str = "IR_WS_2.0";

/// Interfaces that brought a member of the answers. Source: provider page `cashManagement/cancel`, changelog.
pub(super) const ACQUIRER_CODE_SINCE: Version = Version::new(2, 20);
const ERROR_FIELD_SINCE: Version = Version::new(2, 21);

/// From here on a read tells its own result in `getTransDataResponseCode`, and `responseCode` is that of the payment.
/// Inferred: clients of 2.3 look at the one, clients of 2.27 at the other; no page says which release changed it.
pub(super) const OWN_READ_CODE_SINCE: Version = Version::new(2, 27);

/// The answer of a refusal, whose detailed message is the name of a member, whose detailed code is the acquirer's; only
/// `paymentInit` has a text. Without a readable version all members are given.
pub(super) fn refused(refusal: &Refusal, service: &str, version: Option<Version>) -> Map<String, Value> {
    let knows = |since: Version| version.is_none_or(|version| version >= since);
    let mut answer = Map::new();
    let mut put = |name: &str, value: &str| answer.insert(name.to_owned(), value.into());
    if service == INIT {
        put("redirectionStatusCode", &refusal.code);
        put("redirectionVersion", REDIRECTION_VERSION);
        if let Some(message) = &refusal.message {
            put("redirectionStatusMessage", message);
        }
    } else {
        put("responseCode", &refusal.code);
        if service == READ && knows(OWN_READ_CODE_SINCE) {
            put("getTransDataResponseCode", &refusal.code);
        }
        if let Some(code) = refusal.detailed_code.as_ref().filter(|_| knows(ACQUIRER_CODE_SINCE)) {
            put("acquirerResponseCode", code);
        }
    }
    let field = refusal.detailed_message.as_ref();
    if let Some(field) = field.filter(|_| service == INIT || knows(ERROR_FIELD_SINCE)) {
        put("errorFieldName", field);
    }
    answer
}

/// What seals an answer: the algorithm of the request, and the key that it names.
#[derive(Debug, Clone)]
pub(super) struct Signer {
    pub(super) algorithm: Algorithm,
    pub(super) secret: String,
}

/// Every business answer is HTTP 200. Without a signer there is no seal: the platform cannot sign for a merchant or
/// with a key that it does not know.
///
/// Source: provider page `cashManagement/cancel`, `seal`; Office JSON guide, "unknown merchant or key".
pub(super) fn sealed(mut answer: Map<String, Value>, signer: Option<&Signer>) -> Response<Bytes> {
    if let Some(signer) = signer {
        let seal = signer.algorithm.seal(&sealed_text(&answer), &signer.secret);
        answer.insert("seal".to_owned(), seal.into());
    }
    json(StatusCode::OK, &Value::Object(answer))
}

/// An answer of the infrastructure, before any service has seen the request.
pub(super) fn infrastructure(status: StatusCode) -> Response<Bytes> {
    html(status, format!("<html><body><h1>HTTP Status {status}</h1></body></html>"))
}

/// The same answer with another seal; `None` from `change` leaves it out. Answers without a seal stay as they are.
pub(super) fn with_seal(
    answer: Response<Bytes>,
    change: impl FnOnce(&str) -> Option<String>,
) -> Response<Bytes> {
    answer.map(|body| {
        let Ok(Value::Object(mut members)) = serde_json::from_slice(&body) else { return body };
        let Some(seal) = members.remove("seal") else { return body };
        if let Some(changed) = change(seal.as_str().unwrap_or_default()) {
            members.insert("seal".to_owned(), changed.into());
        }
        Value::Object(members).to_string().into()
    })
}

/// A seal of the same length and alphabet that is certainly another one.
pub(super) fn wrong_seal(seal: &str) -> String {
    seal.chars().map(|digit| if digit == '0' { '1' } else { '0' }).collect()
}
