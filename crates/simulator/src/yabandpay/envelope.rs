//! The envelope of every answer. It carries no signature.
//!
//! Source: YabandPay v3 API, sample of `v3.CancelPayment`. Uncertain, and chosen here: failures come with HTTP 200, their
//! code is a string, their `data` is the empty array that PHP makes of an empty list.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::codes;
use crate::platform::{self, Refusal};

/// Methods whose answers have the extra member `response_id`. Source: pages of the card pre-authorisation methods.
const WITH_RESPONSE_ID: [&str; 3] = ["v3.CreateCardPayments", "v3.Capture", "v3.PreauthDecrement"];

/// The answer of a method that did its work.
pub(super) fn success(method: &str, data: &Value) -> Response<Bytes> {
    let mut envelope = json!({"status": true, "code": "200", "data": data, "message": ""});
    if WITH_RESPONSE_ID.contains(&method)
        && let Value::Object(members) = &mut envelope
    {
        members.insert("response_id".to_owned(), json!(uuid::Uuid::new_v4().simple().to_string()));
    }
    platform::json(StatusCode::OK, &envelope)
}

/// The answer of a method that refused. A detail has no place in this envelope and is left out.
pub(super) fn failure(refusal: &Refusal) -> Response<Bytes> {
    let message = refusal.message.as_deref().unwrap_or_else(|| codes::text(&refusal.code));
    let envelope = json!({"status": false, "code": refusal.code, "data": [], "message": message});
    platform::json(StatusCode::OK, &envelope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(response: &Response<Bytes>) -> Value {
        serde_json::from_slice(response.body()).unwrap()
    }

    #[test]
    fn answers_have_no_signature() {
        let plain = body(&success("v3.QueryOrder", &json!({"a": "b"})));
        assert_eq!(plain, json!({"status": true, "code": "200", "data": {"a": "b"}, "message": ""}));
        assert!(body(&success("v3.Capture", &json!({"a": "b"})))["response_id"].is_string());
        let refused = failure(&Refusal::new("-4116"));
        assert_eq!(refused.status(), StatusCode::OK);
        let text = "The transaction has been cancelled";
        assert_eq!(body(&refused), json!({"status": false, "code": "-4116", "data": [], "message": text}));
    }
}
