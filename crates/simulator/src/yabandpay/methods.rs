//! The one URL of the platform: who calls, which method, and the methods that only read.

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;

use super::members::Members;
use super::merchant::MERCHANT;
use super::{YabandPay, codes, create, envelope, sign};
use crate::platform::{Call, Received, Refusal};

pub(super) const QUERY: &str = "v3.QueryOrder";
pub(super) const CANCEL: &str = "v3.CancelPayment";
pub(super) const CAPTURE: &str = "v3.Capture";
pub(super) const DECREMENT: &str = "v3.PreauthDecrement";
pub(super) const REFUND: &str = "v3.CreateRefund";
pub(super) const QUERY_REFUND: &str = "v3.QueryRefundOrder";

/// All methods of this simulator.
pub(super) fn all() -> Vec<&'static str> {
    create::methods().chain([QUERY, CANCEL, CAPTURE, DECREMENT, REFUND, QUERY_REFUND]).collect()
}

/// Top-level members of a request.
const ENVELOPE: [&str; 5] = ["user", "sign", "method", "time", "data"];

/// One authenticated call.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) call: &'a Call,
    pub(super) now: Timestamp,
}

/// A text in the `data` of a call, or a number as its text.
pub(super) fn data_text(call: &Call, name: &str) -> Option<String> {
    let value = call.body.get("data")?.get(name)?;
    (value.is_string() || value.is_number()).then(|| sign::text(value))?
}

/// The same members with numbers as their text, which is what the signature covers. Source: YabandPay v3 API, facts of
/// 1 December 2026: the official plug-in sends numbers.
fn with_texts(data: &Map<String, Value>) -> Map<String, Value> {
    let texts = data.iter().map(|(name, value)| {
        let text = if value.is_number() { sign::text(value) } else { None };
        (name.clone(), text.map_or_else(|| value.clone(), Value::String))
    });
    texts.collect()
}

impl YabandPay {
    /// What a call names, for the log and the fault plan. A refund's query names the payment behind it.
    pub(super) fn read_call(&self, request: &Received) -> Call {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut call = Call {
            brand: super::BRAND.to_owned(),
            service: text("method").unwrap_or_default(),
            shop: text("user"),
            body,
            ..Call::default()
        };
        let behind = |id: &str| self.book().find_refund(id).map(|(order, _)| order.id.clone());
        call.order =
            data_text(&call, "trade_id").or_else(|| data_text(&call, "refund_id").and_then(|id| behind(&id)));
        call.reference = data_text(&call, "order_id");
        call
    }

    /// Answers a call.
    pub(super) fn run(&self, call: &Call) -> Response<Bytes> {
        let session = Session { call, now: self.frame.clock.now() };
        match self.dispatch(&session) {
            Ok(data) => envelope::success(&call.service, &data),
            Err(refusal) => envelope::failure(&refusal),
        }
    }

    fn dispatch(&self, session: &Session<'_>) -> Result<Value, Refusal> {
        let body = session.call.body.as_object().ok_or_else(|| Refusal::new(codes::BAD_REQUEST))?;
        authenticate(body)?;
        let data = body.get("data").and_then(Value::as_object).map(with_texts);
        let data = data.ok_or_else(|| codes::parameter("data"))?;
        let members = Members(&data);
        match session.call.service.as_str() {
            QUERY => self.query(session, members),
            CANCEL => self.cancel(session, members),
            CAPTURE => self.capture(session, members),
            DECREMENT => self.decrement(session, members),
            REFUND => self.refund(session, members),
            QUERY_REFUND => self.query_refund(members),
            _ => self.create(session, members).unwrap_or_else(|| Err(Refusal::new(codes::UNKNOWN_METHOD))),
        }
    }

    fn query(&self, session: &Session<'_>, members: Members<'_>) -> Result<Value, Refusal> {
        members.only(&[&["trade_id"]])?;
        let id = members.needed("trade_id")?;
        let book = self.book();
        let order = book.orders.get(id).ok_or_else(|| Refusal::new(codes::UNKNOWN_TRADE))?;
        Ok(json!({"transaction_info": order.transaction_info(session.now)}))
    }
}

/// Checks the envelope: known user, right signature, a time. Strict where the documentation is silent: a member that
/// it does not name is refused.
fn authenticate(body: &Map<String, Value>) -> Result<(), Refusal> {
    // A number would have lost the leading zero. The e-mail address of the cashier, an older form, is not known here.
    if body.get("user").and_then(Value::as_str) != Some(MERCHANT.user) {
        return Err(Refusal::new(codes::UNKNOWN_USER));
    }
    let sent = body.get("sign").and_then(Value::as_str).unwrap_or_default();
    let fields = sign::of_request(body).ok_or_else(|| codes::parameter("data"))?;
    let expected = sign::sign(&fields, MERCHANT.secret_key);
    if !bool::from(sent.as_bytes().ct_eq(expected.as_bytes())) {
        return Err(Refusal::new(codes::BAD_SIGNATURE));
    }
    if let Some(name) = body.keys().find(|name| !ENVELOPE.contains(&name.as_str())) {
        return Err(codes::parameter(name));
    }
    if body.get("time").is_some_and(is_time) { Ok(()) } else { Err(codes::parameter("time")) }
}

/// Unix time: seconds, or milliseconds as third parties send them; a string of digits as in one official example.
/// No freshness window is documented.
fn is_time(value: &Value) -> bool {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return false,
    };
    matches!(text.len(), 10 | 13) && text.bytes().all(|b| b.is_ascii_digit())
}
