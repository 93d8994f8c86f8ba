//! What the tests of this platform share: a running simulator and a client that signs.

use serde_json::{Value, json};

use super::BRAND;
use super::merchant::MERCHANT;
use super::methods::{CANCEL, QUERY, QUERY_REFUND, REFUND};
use super::sign;
use crate::SentNotice;
use crate::rig::{Rig, read};

pub(super) const CREATE: &str = "v3.CreatePayments";
pub(super) const CARDS: &str = "v3.CreateCardPayments";
const PROVIDER: &str = "yabandpay";

#[derive(Debug)]
pub(super) struct Yaband(pub(super) Rig);

/// The envelope of a request, signed with the right key.
pub(super) fn signed(method: &str, data: &Value) -> Value {
    resigned(json!({"user": MERCHANT.user, "method": method, "time": 1_700_000_000, "data": data}))
}

/// The same envelope with the signature that belongs to it.
pub(super) fn resigned(mut body: Value) -> Value {
    let fields = sign::of_request(body.as_object().unwrap()).unwrap();
    body["sign"] = json!(sign::sign(&fields, MERCHANT.secret_key));
    body
}

/// The `data` of a usual creation, with these changes; null takes a member away.
pub(super) fn creation(changes: &Value) -> Value {
    let mut data = json!({
        "pay_method": "online", "sub_pay_method": "WeChat Pay", "order_id": "cart-1", "amount": "12.50",
        "currency": "EUR", "description": "Cart 1", "notify_url": "https://shop.example/notify?a=1&b=2",
        "redirect_url": "https://shop.example/back?o=1",
    });
    crate::platform::merge(&mut data, changes);
    data
}

/// The `data` of a usual card payment; `operation` 1 pays, 2 authorises.
pub(super) fn card(operation: &str, request_id: &str) -> Value {
    creation(&json!({
        "sub_pay_method": "Cards HPP", "operation": operation, "3ds_initiate": "01", "timeout": "30",
        "request_id": request_id,
    }))
}

impl Yaband {
    pub(super) async fn new() -> Self {
        Self(Rig::new().await)
    }

    pub(super) fn url(&self) -> String {
        format!("{}/yabandpay/{BRAND}/Payments", self.0.running.base_url())
    }

    /// Sends this body as it is.
    pub(super) fn request(&self, body: impl Into<String>) -> reqwest::RequestBuilder {
        self.0.client.post(self.url()).header("content-type", "application/json").body(body.into())
    }

    pub(super) async fn raw(&self, body: &Value) -> Value {
        read(self.request(body.to_string())).await
    }

    pub(super) async fn call(&self, method: &str, data: &Value) -> Value {
        self.raw(&signed(method, data)).await
    }

    /// The `data` of a call that must succeed.
    pub(super) async fn done(&self, method: &str, data: &Value) -> Value {
        let envelope = self.call(method, data).await;
        assert_eq!((&envelope["status"], &envelope["code"]), (&json!(true), &json!("200")), "{envelope}");
        assert!(envelope.get("sign").is_none());
        envelope["data"].clone()
    }

    /// The error code of a call that must be refused.
    pub(super) async fn refused(&self, method: &str, data: &Value) -> String {
        let envelope = self.call(method, data).await;
        assert_eq!(envelope["status"], false, "{envelope}");
        envelope["code"].as_str().unwrap().to_owned()
    }

    /// A payment made by the usual creation with these changes.
    pub(super) async fn create(&self, changes: &Value) -> String {
        let data = self.done(CREATE, &creation(changes)).await;
        data["trade_id"].as_str().unwrap().to_owned()
    }

    /// A paid one.
    pub(super) async fn paid(&self) -> String {
        let id = self.create(&json!({})).await;
        self.payer(&id, crate::PayerAction::Pay);
        id
    }

    pub(super) fn payer(&self, id: &str, action: crate::PayerAction) {
        self.0.control.payer(PROVIDER, BRAND, id, action).unwrap();
    }

    pub(super) async fn query(&self, id: &str) -> Value {
        self.done(QUERY, &json!({"trade_id": id})).await["transaction_info"].clone()
    }

    pub(super) async fn state(&self, id: &str) -> String {
        self.query(id).await["state"].as_str().unwrap().to_owned()
    }

    pub(super) async fn cancel(&self, id: &str) -> Value {
        self.call(CANCEL, &json!({"trade_id": id})).await
    }

    pub(super) async fn refund(&self, id: &str, amount: &str) -> Value {
        self.call(REFUND, &refund(id, amount)).await
    }

    /// A refund that must be taken; its identifier.
    pub(super) async fn refunded(&self, id: &str, amount: &str) -> String {
        let envelope = self.refund(id, amount).await;
        envelope["data"]["refund_id"].as_str().unwrap_or_else(|| panic!("{envelope}")).to_owned()
    }

    pub(super) async fn query_refund(&self, id: &str) -> Value {
        self.done(QUERY_REFUND, &json!({"refund_id": id})).await
    }

    pub(super) fn act(&self, order: Option<&str>, action: &str) -> Value {
        self.0.control.act(PROVIDER, BRAND, order, action).unwrap()
    }

    /// The notices, in short: address, type and state. Each must have the right signature.
    pub(super) fn notices(&self) -> Vec<(String, String, String)> {
        self.0.control.notices().iter().map(short).collect()
    }

    /// Actions and states after, of the ledger.
    pub(super) fn entries(&self) -> Vec<(String, String)> {
        let effects = self.0.control.effects().into_iter();
        effects.map(|effect| (effect.action, effect.status_after)).collect()
    }
}

/// The `data` of a usual refund.
pub(super) fn refund(id: &str, amount: &str) -> Value {
    json!({
        "trade_id": id, "refund_amount": amount, "refund_currency": "EUR", "refund_description": "back",
        "m_refund_id": "RF-1", "notify_url": "https://shop.example/refund",
    })
}

fn short(notice: &SentNotice) -> (String, String, String) {
    let body: Value = serde_json::from_str(&notice.body).unwrap();
    let data = body["data"].as_object().unwrap();
    let right = sign::sign(&sign::of_notice(data), MERCHANT.secret_key);
    assert_eq!(body["sign"], right, "{body}");
    let text = |name: &str| data[name].as_str().unwrap().to_owned();
    (notice.url.clone(), text("type"), text("state"))
}
