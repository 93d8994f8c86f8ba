//! `POST /orders`.

use std::{collections::BTreeMap, sync::Arc};

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
    body::{Members, fingerprint, instant, money, object, read_object, text, word},
    cursor::no_query,
    dto::{ChangedOrderDto, OpenOperationDto},
    error::Failed,
    forms::{customer, delivery, locale, metadata, return_url},
    openapi::CreateBody,
    orders::{JSON, REPLAYED, answer, idempotency_key},
    seats::Seat,
};
use crate::{
    adapter::Violation,
    config::Scope,
    domain::{
        AccountName, CaptureMode, Customer, DeliveryChannel, NewDelivery, NewOrder,
        request::{CustomerPatch, DeliveryPatch},
    },
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
    request_body(content = CreateBody, description = "What the payer is asked for"),
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
    no_query(query.as_deref())?;
    let body = read_object(&headers, body, api.body_bytes, JSON).await?;
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

/// The order to be made, with every violation of its form.
pub(super) fn read(body: &Map<String, Value>) -> Result<(Option<AccountName>, NewOrder), Problem> {
    let mut errors = Vec::new();
    let e = &mut errors;
    let mut members = Members::new(body, "");
    let account = members.field("account", e, |value, pointer, errors| {
        let name = value.as_str().and_then(|text| text.parse::<AccountName>().ok());
        if name.is_none() {
            errors.push(Violation::invalid(pointer, "the name of an account of the configuration"));
        }
        name
    });
    let amount = members.field("amount", e, money);
    let merchant_reference = members.field("merchant_reference", e, text(1, 64));
    let description = members.field("description", e, text(1, 255));
    let capture = members.field("capture", e, word(&["automatic", "manual"], capture_mode));
    let payment_method = members.field("payment_method", e, text(1, 64));
    let expires_at = members.field("expires_at", e, instant);
    let locale = members.field("locale", e, locale);
    let delivery = members.field("delivery", e, delivery);
    let customer = members.field("customer", e, customer);
    let return_url = members.field("return_url", e, return_url);
    let metadata = members.field("metadata", e, metadata);
    let provider_options = members
        .field("provider_options", e, |value, pointer, errors| object(value, pointer, errors).cloned());
    for name in ["amount", "merchant_reference"] {
        if body.get(name).is_none_or(Value::is_null) {
            e.push(Violation::invalid(&format!("/{name}"), "is required"));
        }
    }
    members.end(&mut errors);
    let (Some(amount), Some(merchant_reference)) =
        (amount.value().copied(), merchant_reference.value().cloned())
    else {
        return Err(Problem::invalid(errors));
    };
    let delivery = new_delivery(delivery.value().cloned().unwrap_or_default(), &mut errors);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let labels: BTreeMap<String, String> = metadata
        .value()
        .cloned()
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, label)| Some((name, label?)))
        .collect();
    let order = NewOrder {
        amount,
        merchant_reference,
        description: description.value().cloned(),
        capture: capture.value().copied().unwrap_or_default(),
        payment_method: payment_method.value().cloned(),
        expires_at: expires_at.value().copied(),
        locale: locale.value().cloned(),
        delivery,
        customer: new_customer(&customer.value().cloned().unwrap_or_default()),
        return_url: return_url.value().cloned(),
        metadata: labels,
        provider_options: provider_options.value().cloned().unwrap_or_default(),
    };
    Ok((account.value().cloned(), order))
}

fn capture_mode(word: &str) -> Option<CaptureMode> {
    match word {
        "automatic" => Some(CaptureMode::Automatic),
        "manual" => Some(CaptureMode::Manual),
        _ => None,
    }
}

/// How the payer is told; whoever is told by the provider must be named.
fn new_delivery(read: DeliveryPatch, errors: &mut Vec<Violation>) -> NewDelivery {
    let channel = read.channel.value().copied().unwrap_or(DeliveryChannel::Link);
    let recipient = read.recipient.value().cloned();
    if channel != DeliveryChannel::Link && recipient.is_none() {
        errors.push(Violation::invalid("/delivery/recipient", "is required for this channel"));
    }
    if channel == DeliveryChannel::Link && recipient.is_some() {
        errors.push(Violation::invalid(
            "/delivery/recipient",
            "is for the channels email, sms and whatsapp: nobody is told of a link",
        ));
    }
    NewDelivery {
        channel,
        recipient,
        subject: read.subject.value().cloned(),
        message: read.message.value().cloned(),
        template: read.template.value().cloned(),
    }
}

fn new_customer(read: &CustomerPatch) -> Customer {
    Customer {
        email: read.email.value().cloned(),
        first_name: read.first_name.value().cloned(),
        last_name: read.last_name.value().cloned(),
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
