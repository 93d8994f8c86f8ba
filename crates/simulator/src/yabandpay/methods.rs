//! The one URL of the platform: who calls, which method, and the methods that only read.

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;

use super::merchant::MERCHANT;
use super::{BRAND, Book, YabandPay, codes, create, envelope, members, sign};
use crate::members::Members;
use crate::platform::{Call, Received, Refusal};

pub(super) const QUERY: &str = "v3.QueryOrder";
pub(super) const CANCEL: &str = "v3.CancelPayment";
pub(super) const CAPTURE: &str = "v3.Capture";
pub(super) const REFUND: &str = "v3.CreateRefund";
pub(super) const QUERY_REFUND: &str = "v3.QueryRefundOrder";

/// The methods that change something.
pub(super) const CHANGES: [&str; 14] = [
    "v3.CreatePayments",
    "v3.CreateWechatNativePay",
    "v3.CreatePaymentsWechatMiniPay",
    "v3.CreatePaymentsWechatAPPPay",
    "v3.CreatePaymentsWechatH5Pay",
    "v3.CreatePaymentsAlipayWeb",
    "v3.CreatePaymentsAlipayWap",
    "v3.CreatePaymentsAlipayAppPay",
    "v3.CreatePaymentsiDEALQRcode",
    create::CARDS,
    "v3.QRcodePayment",
    CANCEL,
    CAPTURE,
    REFUND,
];

/// All methods of this simulator.
pub(super) fn all() -> Vec<&'static str> {
    CHANGES.into_iter().chain([QUERY, QUERY_REFUND]).collect()
}

/// Top-level members of a request.
const ENVELOPE: [&str; 5] = ["user", "sign", "method", "time", "data"];

/// One authenticated call.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) book: &'a Book,
    pub(super) call: &'a Call,
    pub(super) now: Timestamp,
}

/// A text in the `data` of a call, or a number as its text.
pub(super) fn data_text(call: &Call, name: &str) -> Option<String> {
    let value = call.body.get("data")?.get(name)?;
    (value.is_string() || value.is_number()).then(|| sign::text(value))?
}

impl YabandPay {
    /// What a call names, for the log and the fault plan. A refund's query names the payment behind it.
    pub(super) fn read_call(&self, request: &Received) -> Call {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut call = Call {
            brand: BRAND.to_owned(),
            service: text("method").unwrap_or_default(),
            shop: text("user"),
            body,
            ..Call::default()
        };
        let behind = |id: &str| self.book(BRAND)?.orders().find_refund(id).map(|(order, _)| order.id.clone());
        call.order =
            data_text(&call, "trade_id").or_else(|| data_text(&call, "refund_id").and_then(|id| behind(&id)));
        call.reference = data_text(&call, "order_id");
        call
    }

    /// Answers a call.
    pub(super) fn run(&self, call: &Call) -> Response<Bytes> {
        let book = self.book(BRAND).ok_or_else(|| Refusal::new(codes::INCIDENT));
        match book.and_then(|book| self.dispatch(&Session { book, call, now: self.now() })) {
            Ok(data) => envelope::success(&call.service, &data),
            Err(refusal) => envelope::failure(&refusal),
        }
    }

    fn dispatch(&self, session: &Session<'_>) -> Result<Value, Refusal> {
        let body = session.call.body.as_object().ok_or_else(|| Refusal::new(codes::BAD_REQUEST))?;
        authenticate(body)?;
        let data = body.get("data").and_then(Value::as_object).ok_or_else(|| codes::parameter("data"))?;
        let texts = members::texts(data)?;
        let members = &members::reader(&texts);
        match session.call.service.as_str() {
            QUERY => query(session, members),
            CANCEL => self.cancel(session, members),
            CAPTURE => self.capture(session, members),
            REFUND => self.refund(session, members),
            QUERY_REFUND => self.query_refund(session, members),
            _ => self.create(session, members).unwrap_or_else(|| Err(Refusal::new(codes::UNKNOWN_METHOD))),
        }
    }
}

fn query(session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
    members::known(members, &[&["trade_id"]])?;
    let id = members::needed(members, "trade_id")?;
    let orders = session.book.orders();
    let order = orders.get(&id).ok_or_else(|| Refusal::new(codes::UNKNOWN_TRADE))?;
    Ok(json!({"transaction_info": order.transaction_info(session.now)}))
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
