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
const WITH_RESPONSE_ID: [&str; 2] = ["v3.CreateCardPayments", "v3.Capture"];

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

/// The answer of a method that refused. The text names the parameter that is wrong; any other detail is left out.
pub(super) fn failure(refusal: &Refusal) -> Response<Bytes> {
    let text = refusal.message.as_deref().unwrap_or_else(|| codes::text(&refusal.code));
    let message = match &refusal.detailed_message {
        Some(name) if refusal.code == codes::BAD_PARAMETER => format!("{text}: {name}"),
        _ => text.to_owned(),
    };
    let envelope = json!({"status": false, "code": refusal.code, "data": [], "message": message});
    platform::json(StatusCode::OK, &envelope)
}
