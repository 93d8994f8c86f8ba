//! Notifications: what is told to the merchant's server when a state changes.
//!
//! Source: YabandPay v3 API, notifications. The merchant's answer must be exactly the body `ok` with HTTP 200; anything
//! else, `bad` included, counts as a failure and is sent again on an undocumented schedule. The frame delivers and
//! compares.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::merchant::MERCHANT;
use super::order::{Order, extend, seconds};
use super::refund::Refund;
use super::sign;
use super::{Book, Right, YabandPay, amount};
use crate::notices::Notice;

/// The key of somebody who does not have the merchant's.
const FORGERS_KEY: &str = "not-the-key-of-the-merchant";

/// What the merchant has set at the platform.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) right: Right,
    /// Whether notifications have the older form, a form field `resultData`.
    pub(super) form_notices: bool,
}

impl YabandPay {
    /// Tells the state of a payment. Source of the fields: YabandPay v3 API, notifications; any may be missing.
    pub(super) fn notify_payment(&self, book: &Book, settings: Settings, order: &Order, url: Option<&str>) {
        let Some(url) = url else { return };
        let mut data = order.settlement();
        let members = json!({
            "type": "payment",
            "user": MERCHANT.user,
            "trade_id": order.id,
            "order_id": order.order_id,
            "amount": amount::text(order.amount),
            "tip_amount": order.tip_amount.map(amount::text).unwrap_or_default(),
            "currency": order.currency,
            "amount_cny": "",
            "transaction_id": order.transaction_id(),
            "acquirer_id": order.transaction_id(),
            "yb_transaction_id": order.inner_id(),
            "description": order.description,
            "createDate": seconds(order.created),
            "paid_time": order.paid.as_ref().map(|(at, _)| seconds(*at)).unwrap_or_default(),
            "state": order.state_at(self.now()),
            "demo": order.demo.as_deref().unwrap_or_default(),
            "pay_method": order.pay_method,
            "sub_pay_method": order.sub_pay_method,
        });
        extend(&mut data, members);
        if order.three_ds && order.paid.is_some() {
            // The official list has the fields flat; third parties receive them in an object. Chosen: the object.
            let three_ds = json!({"3ds_status": "Y", "3ds_trxid": order.inner_id(), "3ds_version": "2.2.0"});
            data.insert("3ds".to_owned(), three_ds);
        }
        self.send(book, order, notice(settings, url, data));
    }

    /// Tells the state of a refund, to the refund's own address only. `type`, `state` and the two identifiers come
    /// from third-party integrations, the rest is inferred.
    pub(super) fn notify_refund(&self, book: &Book, settings: Settings, order: &Order, refund: &Refund) {
        let Some(url) = &refund.notify_url else { return };
        let mut data = Map::new();
        let members = json!({
            "type": "refund",
            "user": MERCHANT.user,
            "trade_id": order.id,
            "order_id": order.order_id,
            "refund_id": refund.id,
            "refund_amount": amount::text(refund.amount),
            "refund_currency": order.currency,
            "state": refund.state,
        });
        extend(&mut data, members);
        if let Some(number) = &refund.m_refund_id {
            data.insert("m_refund_id".to_owned(), json!(number));
        }
        self.send(book, order, notice(settings, url, data));
    }
}

/// The same members without the empty ones, in objects too.
fn without_empty(data: Map<String, Value>) -> Map<String, Value> {
    let kept = data.into_iter().filter(|(_, value)| value.as_str() != Some(""));
    kept.map(|(name, value)| match value {
        Value::Object(inner) => (name, Value::Object(without_empty(inner))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => (name, value),
    })
    .collect()
}

/// The message, with the right signature and with a wrong one. Empty members are left out: one shipping client drops them
/// before it checks, the official library keeps them, and both work (facts of 1 December 2026, a strong inference).
fn notice(settings: Settings, url: &str, data: Map<String, Value>) -> Notice {
    let data = without_empty(data);
    let fields = sign::of_notice(&data);
    let data = Value::Object(data);
    let body = |key: &str| {
        let message = json!({"sign": sign::sign(&fields, key), "data": data}).to_string();
        if settings.form_notices { form(&message) } else { message.into() }
    };
    Notice {
        url: url.to_owned(),
        content_type: if settings.form_notices {
            "application/x-www-form-urlencoded"
        } else {
            "application/json"
        },
        body: body(MERCHANT.secret_key),
        forged: body(FORGERS_KEY),
        statuses: &[200],
        expected: Some("ok"),
        ..Notice::default()
    }
}

/// The older form. Source: official PHP library.
fn form(message: &str) -> Bytes {
    url::form_urlencoded::Serializer::new(String::new()).append_pair("resultData", message).finish().into()
}
