//! The envelope of every answer.
//!
//! Source: Lyra REST API V4, samples of the provider pages `Charge/PaymentOrder/Get` and `/Update`; facts of 1 December
//! 2026 for the release 7.2.2, which has `mode` and `serverUrl` beside the members of the samples (observed live).

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::codes;
use super::shops::Mode;
use crate::platform::{self, Refusal};

/// A date as the platform writes it: whole seconds, `+00:00`, never `Z`.
pub(super) fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// What surrounds every answer.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) service: &'a str,
    pub(super) application_provider: &'static str,
    /// `None` when the credentials are refused: nobody knows the mode then (inferred).
    pub(super) mode: Option<Mode>,
    /// Inferred: the base of the REST address, without `api-payment`.
    pub(super) server_url: String,
    pub(super) now: Timestamp,
}

impl Envelope<'_> {
    /// The answer of a service that did its work.
    pub(super) fn success(&self, answer: &Value) -> Response<Bytes> {
        self.around("SUCCESS", answer)
    }

    /// The answer of a service that refused. `shop_id` is null when the credentials are refused.
    pub(super) fn error(&self, refusal: &Refusal, shop_id: Option<&str>) -> Response<Bytes> {
        let message = refusal.message.as_deref().unwrap_or_else(|| codes::text(&refusal.code));
        let answer = json!({
            "errorCode": refusal.code,
            "errorMessage": message,
            "detailedErrorCode": refusal.detailed_code,
            "detailedErrorMessage": refusal.detailed_message,
            // Observed by third-party clients: the four letters, not a JSON null.
            "ticket": "null",
            "shopId": shop_id,
            "_type": "V4/WebService/WebServiceError",
        });
        self.around("ERROR", &answer)
    }

    /// Errors are HTTP 200 too. Observed by third-party clients on the live test gateway.
    fn around(&self, status: &str, answer: &Value) -> Response<Bytes> {
        let envelope = json!({
            "webService": self.service,
            "version": "V4",
            "applicationVersion": "7.2.2",
            "status": status,
            "answer": answer,
            "ticket": null,
            "serverDate": date(self.now),
            "applicationProvider": self.application_provider,
            "metadata": null,
            "mode": self.mode.map(Mode::word),
            "serverUrl": self.server_url,
            "_type": "V4/WebService/Response",
        });
        platform::json(StatusCode::OK, &envelope)
    }
}
