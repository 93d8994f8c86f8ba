//! The REST services: credentials, dispatch, and those that only read. What changes an order is in `change.rs`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::members::Members;
use super::order::Order;
use super::shops::Mode;
use super::transaction::order_transactions;
use super::{Book, Lyra, envelope};
use crate::simulator::platform::{Call, Received, Refusal};

/// Names of the services, in the platform's spelling.
pub(super) const CREATE: &str = "Charge/CreatePaymentOrder";
pub(super) const GET: &str = "Charge/PaymentOrder/Get";
pub(super) const UPDATE: &str = "Charge/PaymentOrder/Update";
pub(super) const CANCEL: &str = "Charge/PaymentOrder/Cancel";
const SDK_TEST: &str = "Charge/SDKTest";
const ORDER_GET: &str = "Order/Get";

/// All services of this simulator.
pub(super) const SERVICES: [&str; 6] = [CREATE, GET, UPDATE, CANCEL, SDK_TEST, ORDER_GET];

/// Most transactions that `Order/Get` lists. Source: Lyra REST API V4, `Order/Get`, `PSP_015`.
const LISTED_TRANSACTIONS: usize = 30;

/// What a call names, for the log and the fault plan.
pub(super) fn read_call(brand: &str, service: &str, request: &Received) -> Call {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    Call {
        brand: brand.to_owned(),
        service: service.to_owned(),
        shop: credentials(request).map(|(shop_id, _)| shop_id),
        order: text("paymentOrderId"),
        reference: text("orderId"),
        body,
        sequence: None,
    }
}

/// User name and password of the Basic authentication.
fn credentials(request: &Received) -> Option<(String, String)> {
    let (scheme, encoded) = request.header(&AUTHORIZATION)?.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok())??;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// One authenticated call.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) book: &'a Book,
    pub(super) mode: Mode,
    pub(super) call: &'a Call,
    pub(super) now: Timestamp,
}

impl Lyra {
    /// Answers a service call.
    pub(super) fn run(&self, call: &Call, request: &Received) -> Response<Bytes> {
        let now = self.frame.clock.now();
        let Some(book) = self.book(&call.brand) else {
            return self_missing();
        };
        let opened = credentials(request).and_then(|(shop, password)| book.shop.mode(&shop, &password));
        let Some(mode) = opened else {
            return envelope::error(&call.service, &Refusal::new("INT_905"), None, &book.shop, now);
        };
        let session = Session { book, mode, call, now };
        match self.dispatch(&session, request) {
            Ok(answer) => envelope::success(&call.service, &answer, &book.shop, now),
            Err(refusal) => {
                envelope::error(&call.service, &refusal, Some(book.shop.shop_id), &book.shop, now)
            }
        }
    }

    fn dispatch(&self, session: &Session<'_>, request: &Received) -> Result<Value, Refusal> {
        let service = session.call.service.as_str();
        if !SERVICES.contains(&service) {
            return Err(Refusal::new("INT_901"));
        }
        // Inferred: the documentation asks for the header and gives no code for its absence.
        let is_json = request.header(&CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
        if !is_json {
            return Err(Refusal::new("INT_902").detail("Content-Type must be application/json"));
        }
        let members = Members::of_body(&session.call.body)?;
        match service {
            CREATE => self.create(session, &members),
            GET => self.get(session, &members),
            UPDATE => self.update(session, &members),
            CANCEL => self.cancel(session, &members),
            SDK_TEST => sdk_test(&members),
            _ => order_get(session, &members),
        }
    }

    fn get(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        members.only(&["paymentOrderId"])?;
        let id = order_id(members)?;
        let orders = session.book.orders();
        let order = orders.by_id.get(id).filter(|order| order.mode == session.mode);
        let order = order.ok_or_else(|| Refusal::new("PSP_1000"))?;
        Ok(order.answer(&self.link(session.book, &order.token), session.now))
    }
}

/// The identifier of a payment order: 32 lower-case hexadecimal digits.
pub(super) fn order_id<'a>(members: &Members<'a>) -> Result<&'a str, Refusal> {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let id = members.read("paymentOrderId", "INT_902", |value| {
        value.as_str().filter(|text| text.len() == 32 && text.bytes().all(is_hex))
    })?;
    id.ok_or_else(|| members.missing("paymentOrderId", "INT_902"))
}

/// Only reached when a platform is asked about a brand it does not have, which its own paths prevent.
fn self_missing() -> Response<Bytes> {
    crate::simulator::platform::answer(http::StatusCode::NOT_FOUND, "text/plain", "no such brand\n")
}

/// The connection and credential test: the same value back.
fn sdk_test(members: &Members<'_>) -> Result<Value, Refusal> {
    members.only(&["value"])?;
    let value = members.text("value", "INT_902")?.ok_or_else(|| members.missing("value", "INT_902"))?;
    Ok(json!({"value": value, "_type": "V4/Type/String"}))
}

/// The transactions of all payment orders that share this merchant reference, in this mode.
fn order_get(session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
    members.only(&["orderId", "operationType"])?;
    let reference = members.needed_text("orderId", "INT_013")?;
    let wanted = members.word("operationType", "INT_902", &["DEBIT", "CREDIT", "VERIFICATION"])?;
    let orders = session.book.orders();
    let same = |order: &&Order| order.mode == session.mode && order.order_id.as_ref() == Some(&reference);
    let paid: Vec<&Order> =
        orders.by_id.values().filter(same).filter(|order| !order.transactions.is_empty()).collect();
    let listed: Vec<Value> = paid
        .iter()
        .flat_map(|order| &order.transactions)
        .map(|transaction| transaction.answer(&session.book.shop))
        .filter(|answer| {
            wanted
                .as_ref()
                .is_none_or(|wanted| answer.get("operationType").is_some_and(|word| word == wanted))
        })
        .collect();
    if listed.is_empty() {
        return Err(Refusal::new("PSP_010"));
    }
    if listed.len() > LISTED_TRANSACTIONS {
        return Err(Refusal::new("PSP_015"));
    }
    Ok(order_transactions(&paid, listed, &session.book.shop, session.now))
}
