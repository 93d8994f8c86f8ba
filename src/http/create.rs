//! `POST /orders`.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue},
    response::Response,
};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Api,
    arrival::Arriving,
    auth::Authenticated,
    body::fingerprint,
    dto::{ChangedOrderDto, OpenOperationDto},
    error::Failed,
    orders::{REPLAYED, answer, idempotency_key},
    query,
    requests::{self, CUSTOMER, DELIVERY, NEW_ORDER},
    seats::Seat,
    table::{Members, given},
};
use crate::{
    config::Scope,
    domain::{AccountName, CaptureMode, Customer, DeliveryChannel, NewDelivery, NewOrder},
    orders::NewCreation,
    problem::{Problem, ProblemCode},
};

/// Make an order: a payment link or page.
///
/// `checkout` in the answer is how to send the payer; `checkout.link` is one URL for every provider. It is `null` when the
/// provider told no address that a payer may be sent to; the order exists all the same. Without `account` the first route
/// of the configuration that fits picks it. The `Idempotency-Key` is required. Scope: `orders:create`.
#[utoipa::path(
    post, path = "/orders", operation_id = "createOrder", tag = "orders",
    params(
        ("Idempotency-Key" = String, Header, description = "New for every order you want; the same key and body give the same answer again. 1 to 255 visible ASCII characters", pattern = "^[!-~]{1,255}$"),
    ),
    responses(
        (status = 201, description = "The order", body = ChangedOrderDto,
            headers(("Location" = String, description = "The order"), ("ETag" = String, description = "Digest of the order as shown, for `If-Match`"))),
        (status = 200, description = "The same key again: the answer was lost, and the order was found to be made", body = OpenOperationDto,
            headers(("Location" = String, description = "The operation"))),
        (status = 202, description = "Sent, the result is not known yet: look at the operation, do not repeat unless it says `\"repeat\": \"harmless\"`", body = OpenOperationDto,
            headers(("Location" = String, description = "The operation"))),
    ),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn create_order(
    State(api): State<Api>,
    authenticated: Authenticated,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    Extension(seat): Extension<Arc<Seat>>,
    body: Arriving,
) -> Result<Response, Failed> {
    let deadline = Instant::now() + api.request_timeout;
    let caller = authenticated.with(Scope::OrdersCreate)?;
    query::NONE.read(query.as_deref())?;
    let body = requests::CREATE_ORDER.receive(&headers, body, api.body_bytes).await?;
    let (account, order) = read(&body)?;
    let account = api.orders.changes.route(&caller, account.as_ref(), &order);
    if let Ok(account) = &account {
        seat.is_about(&account.name)?;
    }
    let key =
        idempotency_key(&headers, true)?.ok_or_else(|| Problem::plain(ProblemCode::IdempotencyKeyMissing))?;
    let print = fingerprint("POST", "/orders", "", &body, false);
    let new = NewCreation { account, order, key: (key, print), deadline };
    let changed = api.orders.changes.create(&caller, new).await?;
    let mut response = answer(&changed)?;
    if changed.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The order to be made, and the account that is named for it.
pub(super) fn read(body: &Map<String, Value>) -> Result<(Option<AccountName>, NewOrder), Problem> {
    let members = NEW_ORDER.read(body)?;
    let (Some(amount), Some(merchant_reference)) =
        (given(members.money("amount")), given(members.text("merchant_reference")))
    else {
        // The table requires both.
        return Err(Problem::plain(ProblemCode::ValidationFailed));
    };
    let labels = given(members.labels("metadata")).unwrap_or_default();
    let order = NewOrder {
        amount,
        merchant_reference,
        description: given(members.text("description")),
        capture: given(members.parsed("capture", capture_mode)).unwrap_or_default(),
        payment_method: given(members.text("payment_method")),
        expires_at: given(members.instant("expires_at")),
        locale: given(members.text("locale")),
        delivery: given(members.object("delivery", &DELIVERY)).map(new_delivery).unwrap_or_default(),
        customer: given(members.object("customer", &CUSTOMER)).map(new_customer).unwrap_or_default(),
        return_url: given(members.text("return_url")),
        metadata: labels.into_iter().filter_map(|(name, label)| Some((name, label?))).collect(),
        provider_options: given(members.map("provider_options")).unwrap_or_default(),
    };
    Ok((given(members.parsed("account", |name| name.parse().ok())), order))
}

fn capture_mode(word: &str) -> Option<CaptureMode> {
    match word {
        "automatic" => Some(CaptureMode::Automatic),
        "manual" => Some(CaptureMode::Manual),
        _ => None,
    }
}

fn new_delivery(read: Members<'_>) -> NewDelivery {
    NewDelivery {
        channel: given(read.parsed("channel", DeliveryChannel::from_word)).unwrap_or(DeliveryChannel::Link),
        recipient: given(read.text("recipient")),
        subject: given(read.text("subject")),
        message: given(read.text("message")),
        template: given(read.text("template")),
    }
}

fn new_customer(read: Members<'_>) -> Customer {
    Customer {
        email: given(read.text("email")),
        first_name: given(read.text("first_name")),
        last_name: given(read.text("last_name")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(body: &Value) -> Vec<String> {
        match read(body.as_object().unwrap()) {
            Ok(_) => Vec::new(),
            Err(problem) => problem.errors.into_iter().map(|error| error.pointer).collect(),
        }
    }

    #[test]
    fn a_creation_names_every_violation_at_once() {
        let amount = json!({"value": 1990, "currency": "EUR"});
        assert_eq!(pointers(&json!({"amount": amount, "merchant_reference": "cart-42"})), [""; 0]);
        assert_eq!(pointers(&json!({})), ["/amount", "/merchant_reference"]);
        assert_eq!(
            pointers(
                &json!({"amount": amount, "merchant_reference": "x", "capture": "later", "acount": "a"})
            ),
            ["/capture", "/acount"]
        );
        for channel in ["email", "sms", "whatsapp"] {
            let body = json!({"amount": amount, "merchant_reference": "x", "delivery": {"channel": channel}});
            assert_eq!(pointers(&body), ["/delivery/recipient"], "{channel}");
        }
    }
}
