//! The envelope of every answer.
//!
//! Source: Lyra REST API V4, samples of the provider pages `Charge/PaymentOrder/Get` and `/Update`. The supplied
//! samples have no `mode` and no `serverUrl`; newer releases add them, which `patch_answer` does not imitate.

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::codes;
use super::shops::DemoShop;
use crate::simulator::platform::{self, Refusal};

/// A date as the platform writes it: whole seconds, `+00:00`, never `Z`.
pub(super) fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// The answer of a service that did its work.
pub(super) fn success(service: &str, answer: &Value, shop: &DemoShop, now: Timestamp) -> Response<Bytes> {
    respond(service, "SUCCESS", answer, shop, now)
}

/// The answer of a service that refused. `shop_id` is null when the credentials are refused.
pub(super) fn error(
    service: &str,
    refusal: &Refusal,
    shop_id: Option<&str>,
    shop: &DemoShop,
    now: Timestamp,
) -> Response<Bytes> {
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
    respond(service, "ERROR", &answer, shop, now)
}

/// Errors are HTTP 200 too. Observed by third-party clients on the live test gateway.
fn respond(service: &str, status: &str, answer: &Value, shop: &DemoShop, now: Timestamp) -> Response<Bytes> {
    let envelope = json!({
        "webService": service,
        "version": "V4",
        "applicationVersion": "5.5.0",
        "status": status,
        "answer": answer,
        "ticket": null,
        "serverDate": date(now),
        "applicationProvider": shop.application_provider,
        "metadata": null,
        "_type": "V4/WebService/Response",
    });
    platform::json(StatusCode::OK, &envelope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::lyra::shops::demo_shop;

    #[test]
    fn dates_have_whole_seconds_and_a_numeric_offset() {
        let at: Timestamp = "2020-04-29T14:55:50.987+02:00".parse().unwrap();
        assert_eq!(date(at), "2020-04-29T12:55:50+00:00");
    }

    #[test]
    fn an_error_is_an_envelope_with_http_200() {
        let shop = demo_shop("epaync").unwrap();
        let refusal = Refusal::new("INT_905");
        let response = error("Charge/SDKTest", &refusal, None, &shop, Timestamp::UNIX_EPOCH);
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(
            body,
            json!({
                "webService": "Charge/SDKTest", "version": "V4", "applicationVersion": "5.5.0", "status": "ERROR",
                "answer": {
                    "errorCode": "INT_905", "errorMessage": "Invalid credentials", "detailedErrorCode": null,
                    "detailedErrorMessage": null, "ticket": "null", "shopId": null,
                    "_type": "V4/WebService/WebServiceError"
                },
                "ticket": null, "serverDate": "1970-01-01T00:00:00+00:00", "applicationProvider": "CSB",
                "metadata": null, "_type": "V4/WebService/Response"
            })
        );
    }
}
