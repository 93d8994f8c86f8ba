//! Answers: their seal, and what a refusal looks like.

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::dates::date_time;
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

/// A transaction after an operation, or as it stands where the operation is impossible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) status: String,
    pub(super) amount: i64,
    pub(super) at: Timestamp,
}

impl State {
    pub(super) fn write(&self, answer: &mut Map<String, Value>) {
        answer.insert("newStatus".to_owned(), self.status.clone().into());
        answer.insert("newAmount".to_owned(), self.amount.into());
        answer.insert("operationDateTime".to_owned(), date_time(self.at).into());
    }
}

/// Why the platform does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) code: String,
    /// `errorFieldName`.
    pub(super) field: Option<String>,
    /// `redirectionStatusMessage`; the other services have no text.
    message: Option<String>,
    acquirer_code: Option<String>,
    state: Option<State>,
}

impl Denial {
    pub(super) fn new(code: impl Into<String>) -> Self {
        Self { code: code.into(), field: None, message: None, acquirer_code: None, state: None }
    }

    pub(super) fn field(self, name: impl Into<String>) -> Self {
        Self { field: Some(name.into()), ..self }
    }

    pub(super) fn state(self, state: State) -> Self {
        Self { state: Some(state), ..self }
    }

    /// A refusal that was ordered: its detailed code is the acquirer's, its detailed message the name of a member.
    pub(super) fn ordered(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code.clone(),
            field: refusal.detailed_message.clone(),
            message: refusal.message.clone(),
            acquirer_code: refusal.detailed_code.clone(),
            state: None,
        }
    }

    /// The members of the answer. Without a readable version all of them are given.
    pub(super) fn answer(&self, service: &str, version: Option<Version>) -> Map<String, Value> {
        let knows = |since: Version| version.is_none_or(|version| version >= since);
        let mut answer = Map::new();
        let mut put = |name: &str, value: &str| answer.insert(name.to_owned(), value.into());
        if service == INIT {
            put("redirectionStatusCode", &self.code);
            put("redirectionVersion", REDIRECTION_VERSION);
            if let Some(message) = &self.message {
                put("redirectionStatusMessage", message);
            }
        } else {
            put("responseCode", &self.code);
            if service == READ && knows(OWN_READ_CODE_SINCE) {
                put("getTransDataResponseCode", &self.code);
            }
            if let Some(code) = self.acquirer_code.as_ref().filter(|_| knows(ACQUIRER_CODE_SINCE)) {
                put("acquirerResponseCode", code);
            }
        }
        if let Some(field) = self.field.as_ref().filter(|_| service == INIT || knows(ERROR_FIELD_SINCE)) {
            put("errorFieldName", field);
        }
        if let Some(state) = &self.state {
            state.write(&mut answer);
        }
        answer
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn old_interfaces_get_no_newer_members() {
        let denial =
            Denial { acquirer_code: Some("05".into()), ..Denial::new("30").field("operationAmount") };
        for (service, version, members) in [
            (
                "x",
                None,
                json!({"responseCode": "30", "acquirerResponseCode": "05", "errorFieldName": "operationAmount"}),
            ),
            ("x", Some((2, 20)), json!({"responseCode": "30", "acquirerResponseCode": "05"})),
            ("x", Some((2, 19)), json!({"responseCode": "30"})),
            (
                READ,
                Some((2, 26)),
                json!({"responseCode": "30", "acquirerResponseCode": "05", "errorFieldName": "operationAmount"}),
            ),
            (
                INIT,
                Some((2, 0)),
                json!({"redirectionStatusCode": "30", "redirectionVersion": "IR_WS_2.0", "errorFieldName": "operationAmount"}),
            ),
        ] {
            let version = version.map(|(major, minor)| Version::new(major, minor));
            assert_eq!(Value::Object(denial.answer(service, version)), members, "{service} {version:?}");
        }
        let read = Denial::new("25").answer(READ, Some(Version::new(2, 27)));
        assert_eq!(Value::Object(read), json!({"responseCode": "25", "getTransDataResponseCode": "25"}));
    }

    #[test]
    fn seals_are_spoiled_and_removed() {
        let body = || json(StatusCode::OK, &json!({"a": 1, "seal": "0ab"}));
        let read = |answer: Response<Bytes>| serde_json::from_slice::<Value>(answer.body()).unwrap();
        assert_eq!(read(with_seal(body(), |seal| Some(wrong_seal(seal)))), json!({"a": 1, "seal": "100"}));
        assert_eq!(read(with_seal(body(), |_| None)), json!({"a": 1}));
        let page = with_seal(infrastructure(StatusCode::BAD_REQUEST), |_| None);
        assert!(page.body().starts_with(b"<html>"));
    }
}
