//! The platform over real HTTP: what conformance doesn't ask of it.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::merchant::MERCHANT;
use super::methods::{CANCEL, CAPTURE, QUERY, QUERY_REFUND, REFUND};
use super::{BRAND, codes, sign};
use crate::PayerAction;
use crate::platform::merge;
use crate::rig::{Rig, read};

const UNKNOWN: &str = "11111111-2222-4333-8444-555555555555";
const PROVIDER: &str = "yabandpay";
const CREATE: &str = "v3.CreatePayments";
const CARDS: &str = "v3.CreateCardPayments";

/// A running simulator and a client that signs.
#[derive(Debug)]
struct Yaband(Rig);

/// The envelope of a request, signed with the right key.
fn signed(method: &str, data: &Value) -> Value {
    resigned(json!({"user": MERCHANT.user, "method": method, "time": 1_700_000_000, "data": data}))
}

/// The same envelope with the signature that belongs to it.
fn resigned(mut body: Value) -> Value {
    let fields = sign::of_request(body.as_object().unwrap()).unwrap();
    body["sign"] = json!(sign::sign(&fields, MERCHANT.secret_key));
    body
}

/// The `data` of a usual creation, with these changes; null takes a member away.
fn creation(changes: &Value) -> Value {
    let mut data = json!({
        "pay_method": "online", "sub_pay_method": "WeChat Pay", "order_id": "cart-1", "amount": "12.50",
        "currency": "EUR", "description": "Cart 1", "notify_url": "https://shop.example/notify?a=1&b=2",
        "redirect_url": "https://shop.example/back?o=1",
    });
    merge(&mut data, changes);
    data
}

/// The `data` of a usual card payment; `operation` 1 pays, 2 authorises.
fn card(operation: &str, request_id: &str) -> Value {
    creation(&json!({
        "sub_pay_method": "Cards HPP", "operation": operation, "3ds_initiate": "01", "timeout": "30",
        "request_id": request_id,
    }))
}

/// The `data` of a usual refund.
fn refund(id: &str, amount: &str) -> Value {
    json!({
        "trade_id": id, "refund_amount": amount, "refund_currency": "EUR", "refund_description": "back",
        "notify_url": "https://shop.example/refund",
    })
}

impl Yaband {
    async fn new() -> Self {
        Self(Rig::new().await)
    }

    fn url(&self, rest: &str) -> String {
        format!("{}/yabandpay/{BRAND}/{rest}", self.0.running.base_url())
    }

    async fn raw(&self, body: &Value) -> Value {
        read(self.0.client.post(self.url("Payments")).body(body.to_string())).await
    }

    async fn call(&self, method: &str, data: &Value) -> Value {
        self.raw(&signed(method, data)).await
    }

    /// The `data` of a call that must succeed.
    async fn done(&self, method: &str, data: &Value) -> Value {
        let envelope = self.call(method, data).await;
        assert_eq!((&envelope["status"], &envelope["code"]), (&json!(true), &json!("200")), "{envelope}");
        envelope["data"].clone()
    }

    /// The error code of a call that must be refused.
    async fn refused(&self, method: &str, data: &Value) -> String {
        let envelope = self.call(method, data).await;
        assert_eq!(envelope["status"], false, "{envelope}");
        envelope["code"].as_str().unwrap().to_owned()
    }

    /// A payment made by the usual creation with these changes.
    async fn create(&self, changes: &Value) -> String {
        self.done(CREATE, &creation(changes)).await["trade_id"].as_str().unwrap().to_owned()
    }

    async fn paid(&self) -> String {
        let id = self.create(&json!({})).await;
        self.payer(&id, PayerAction::Pay);
        id
    }

    fn payer(&self, id: &str, action: PayerAction) {
        self.0.control.payer(PROVIDER, BRAND, id, action).unwrap();
    }

    fn act(&self, order: Option<&str>, action: &str) -> Value {
        self.0.control.act(PROVIDER, BRAND, order, action).unwrap()
    }

    fn cannot(&self, order: &str, action: &str) {
        assert!(self.0.control.act(PROVIDER, BRAND, Some(order), action).is_err(), "{action}");
    }

    async fn state(&self, id: &str) -> String {
        let info = self.done(QUERY, &json!({"trade_id": id})).await["transaction_info"].clone();
        info["state"].as_str().unwrap().to_owned()
    }

    async fn cancel(&self, id: &str) -> Value {
        self.call(CANCEL, &json!({"trade_id": id})).await
    }

    async fn refunded(&self, id: &str, amount: &str) -> String {
        self.done(REFUND, &refund(id, amount)).await["refund_id"].as_str().unwrap().to_owned()
    }

    async fn refund_state(&self, id: &str) -> String {
        self.done(QUERY_REFUND, &json!({"refund_id": id})).await["state"].as_str().unwrap().to_owned()
    }

    /// Address, type and state of every notice. Each must have the right signature, and no empty member.
    fn notices(&self) -> Vec<(String, String, String)> {
        let short = |notice: &crate::SentNotice| {
            let body: Value = serde_json::from_str(&notice.body).unwrap();
            let data = body["data"].as_object().unwrap();
            assert!(data.values().all(|value| value != ""), "{body}");
            assert_eq!(body["sign"], sign::sign(&sign::of_notice(data), MERCHANT.secret_key));
            let text = |name: &str| data[name].as_str().unwrap().to_owned();
            (notice.url.clone(), text("type"), text("state"))
        };
        self.0.control.notices().iter().map(short).collect()
    }
}

#[tokio::test]
async fn the_envelope_is_checked_strictly() {
    let rig = Yaband::new().await;
    let right = signed(QUERY, &json!({"trade_id": UNKNOWN}));
    let with = |name: &str, value: Value| {
        let mut body = right.clone();
        body[name] = value;
        body
    };
    let upper = json!(right["sign"].as_str().unwrap().to_uppercase());
    for (body, code) in [
        (right.clone(), codes::UNKNOWN_TRADE),
        (json!([]), codes::BAD_REQUEST),
        (with("user", json!("16683")), codes::UNKNOWN_USER),
        (with("user", json!(16683)), codes::UNKNOWN_USER),
        (with("sign", upper), codes::BAD_SIGNATURE),
        (with("sign", Value::Null), codes::BAD_SIGNATURE),
        (with("data", json!({"trade_id": "other"})), codes::BAD_SIGNATURE),
        (resigned(with("time", json!("1700000000"))), codes::UNKNOWN_TRADE),
        (resigned(with("time", json!(1_700_000_000_000_i64))), codes::UNKNOWN_TRADE),
        (resigned(with("time", json!("now"))), codes::BAD_PARAMETER),
        (resigned(with("colour", json!("red"))), codes::BAD_PARAMETER),
        (resigned(with("method", json!("v3.PreauthDecrement"))), codes::UNKNOWN_METHOD),
        (with("data", json!({"trade_id": {"a": 1}})), codes::BAD_PARAMETER),
        (resigned(with("data", json!({"trade_id": UNKNOWN, "x": "1"}))), codes::BAD_PARAMETER),
        (resigned(with("data", json!({"trade_id": 7}))), codes::UNKNOWN_TRADE),
        (resigned(with("data", json!({"trade_id": true}))), codes::BAD_PARAMETER),
    ] {
        let envelope = rig.raw(&body).await;
        assert_eq!(envelope["code"], code, "{body}: {envelope}");
        assert_eq!((&envelope["status"], &envelope["data"]), (&json!(false), &json!([])));
        assert!(envelope.get("sign").is_none() && !envelope["message"].as_str().unwrap().is_empty());
    }
    // An empty value is signed as `demo=`; who drops it signs another string. A number is signed as its text.
    let mut dropped = signed(CREATE, &creation(&json!({})));
    dropped["data"]["demo"] = json!("");
    assert_eq!(rig.raw(&dropped).await["code"], codes::BAD_SIGNATURE);
    assert_eq!(rig.raw(&resigned(dropped)).await["status"], true);
    let numbers = signed(CREATE, &creation(&json!({"timeout": 0, "order_id": 4711, "amount": 12.5})));
    let texts = signed(CREATE, &creation(&json!({"timeout": "0", "order_id": "4711", "amount": "12.5"})));
    assert_eq!(numbers["sign"], texts["sign"]);
    assert_eq!(rig.raw(&numbers).await["data"]["amount"], "12.50");
}

#[tokio::test]
async fn creations_are_checked_strictly() {
    let rig = Yaband::new().await;
    for (changes, code) in [
        (json!({"order_id": null}), codes::BAD_PARAMETER),
        (json!({"description": ""}), codes::BAD_PARAMETER),
        (json!({"notify_url": "shop.example"}), codes::BAD_PARAMETER),
        (json!({"redirectUrl": "https://shop.example"}), codes::BAD_PARAMETER),
        (json!({"sub_pay_method": "wechat pay"}), codes::BAD_PARAMETER),
        (json!({"bic": false}), codes::BAD_PARAMETER),
        (json!({"amount": "12,50"}), codes::BAD_PARAMETER),
        (json!({"amount": "0.00"}), codes::BAD_PARAMETER),
        (json!({"amount": "0.09"}), codes::BELOW_MINIMUM),
        (json!({"amount": "0.99", "currency": "CNY"}), codes::BELOW_MINIMUM),
        (json!({"amount": "0.99", "sub_pay_method": "UnionPayWap"}), codes::BELOW_MINIMUM),
        (json!({"currency": "JPY"}), codes::BAD_CURRENCY),
        (json!({"currency": "CNY", "sub_pay_method": "iDEAL"}), codes::BAD_CURRENCY),
        (json!({"timeout": "1441"}), codes::BAD_PARAMETER),
        (json!({"timeout": "+5"}), codes::BAD_PARAMETER),
        (json!({"amount": "9900.01"}), codes::UNPUBLISHED),
    ] {
        assert_eq!(rig.refused(CREATE, &creation(&changes)).await, code, "{changes}");
    }
    let envelope = rig.call(CARDS, &card("1", "r1")).await;
    assert!(envelope["response_id"].is_string(), "{envelope}");
    assert_eq!(rig.refused(CARDS, &card("1", "r1")).await, codes::REPEATED_REQUEST);
    for changes in [
        json!({"operation": "3"}),
        json!({"3ds_initiate": "03"}),
        json!({"sca_exemption": "LowValue"}),
        json!({"timeout": null}),
        json!({"request_id": "a-b"}),
        json!({"cardinfo": "4111"}),
    ] {
        let mut data = card("1", "other");
        merge(&mut data, &changes);
        assert_eq!(rig.refused(CARDS, &data).await, codes::BAD_PARAMETER, "{changes}");
    }
    assert_eq!(rig.0.effects().len(), 1);
}

#[tokio::test]
async fn a_cancellation_is_answered_as_on_the_page_or_says_why_not() {
    let rig = Yaband::new().await;
    let id = rig.create(&json!({"amount": "0.10", "demo": "test"})).await;
    let mut envelope = rig.cancel(&id).await;
    envelope["data"]["createDate"] = json!("-");
    let expected = json!({
        "status": true, "code": "200",
        "data": {
            "type": "payment", "user": "016683", "amount": "0.10", "currency": "EUR", "settlement_amount": "0.10",
            "settlement_currency": "EUR", "exchange_rate": "1", "trade_id": id, "description": "Cart 1",
            "order_id": "cart-1", "createDate": "-", "demo": "test", "transaction_id": "", "state": "cancelled"
        },
        "message": ""
    });
    assert_eq!(envelope, expected);
    let [cleared, refunded, declined, expired, unseen] = [
        rig.paid().await,
        rig.paid().await,
        rig.create(&json!({})).await,
        rig.create(&json!({})).await,
        rig.paid().await,
    ];
    rig.act(Some(&cleared), "clear");
    rig.refunded(&refunded, "1.00").await;
    rig.act(Some(&refunded), "reject_refund");
    rig.payer(&declined, PayerAction::Decline);
    rig.act(Some(&expired), "expire");
    rig.act(Some(&unseen), "cancel_unseen");
    let old = json!({"status": "paid", "created_at": rig.0.control.now() - SignedDuration::from_hours(49)});
    let old = rig.0.control.add_order(PROVIDER, BRAND, &old).unwrap();
    for (id, code) in [
        (id.as_str(), codes::CANCELLED_BEFORE),
        (UNKNOWN, codes::UNKNOWN_TRADE),
        (&cleared, codes::CLEARED),
        (&refunded, codes::NOT_CANCELLABLE),
        (&declined, codes::NOT_CANCELLABLE),
        (&expired, codes::EXPIRED),
        (&unseen, codes::CANCELLED_BEFORE),
        (&old, codes::WINDOW_OVER),
    ] {
        assert_eq!(rig.cancel(id).await["code"], code);
    }
    assert_eq!(rig.state(&unseen).await, "paid", "reads do not know yet");
    rig.act(Some(&unseen), "show_cancel");
    assert_eq!(
        (rig.state(&unseen).await.as_str(), rig.notices().pop().unwrap().2.as_str()),
        ("cancelled", "cancelled")
    );
    rig.cannot(&unseen, "show_cancel");
    assert_eq!(rig.act(None, "cancel_unseen"), json!({"changed": 0}), "it must name a payment");
}

#[tokio::test]
async fn an_authorisation_is_captured_once_and_ends_by_the_clock() {
    let rig = Yaband::new().await;
    let authorised = async |request_id: &str| {
        let id = rig.done(CARDS, &card("2", request_id)).await["trade_id"].as_str().unwrap().to_owned();
        rig.payer(&id, PayerAction::Pay);
        id
    };
    let id = authorised("r1").await;
    let change = |amount: &str, request_id: &str| {
        json!({
            "trade_id": id, "amount": amount, "currency": "EUR", "description": "d",
            "notify_url": "https://shop.example/capture", "request_id": request_id,
        })
    };
    assert_eq!(rig.refused(REFUND, &refund(&id, "1.00")).await, codes::NOT_PAID);
    assert_eq!(rig.refused(CAPTURE, &change("12.51", "r2")).await, codes::ABOVE_AUTHORIZED);
    assert_eq!(rig.refused(CAPTURE, &change("1.00", "r1")).await, codes::REPEATED_REQUEST);
    let captured = rig.done(CAPTURE, &change("4.00", "r3")).await;
    assert_eq!([&captured["amount"], &captured["state"]], ["4.00", "paid"]);
    assert_eq!(rig.refused(CAPTURE, &change("1.00", "r4")).await, codes::NOT_AUTHORIZED);
    assert_eq!(rig.0.effects().pop(), Some(("capture".to_owned(), Some(1250), 400)));
    let told = |url: &str, state: &str| {
        (format!("https://shop.example/{url}"), "payment".to_owned(), state.to_owned())
    };
    assert_eq!(rig.notices(), [told("notify?a=1&b=2", "authorized"), told("capture", "paid")]);
    let id = authorised("r5").await;
    rig.0.control.advance(Duration::from_hours(30 * 24 + 1));
    assert_eq!(rig.state(&id).await, "expired");
}

#[tokio::test]
async fn refunds_take_every_way_and_never_go_above_the_payment() {
    let rig = Yaband::new().await;
    let id = rig.paid().await;
    for (before, action, state) in [
        (&[][..], "approve_refund", "refunded"),
        (&[], "reject_refund", "refund cancel"),
        (&[], "fail_refund", "refund failed"),
        (&[], "error_refund", "refund error"),
        (&["fail_refund"], "retry_refund", "refunded"),
        (&["fail_refund"], "error_refund", "refund error"),
        (&["approve_refund"], "return_refund", "refund error"),
    ] {
        let one = rig.refunded(&id, "1.00").await;
        for step in before {
            rig.act(Some(&one), step);
        }
        rig.act(Some(&one), action);
        assert_eq!(rig.refund_state(&one).await, state, "{action}");
        let told = ("https://shop.example/refund".to_owned(), "refund".to_owned(), state.to_owned());
        assert_eq!(rig.notices().pop(), Some(told));
        rig.cannot(&one, "reject_refund");
    }
    let failed = rig.refunded(&id, "10.50").await;
    rig.act(Some(&failed), "fail_refund");
    assert_eq!(rig.refused(REFUND, &refund(&id, "10.51")).await, codes::ABOVE_PAID);
    let other = rig.refunded(&id, "0.01").await;
    rig.cannot(&failed, "retry_refund");
    rig.act(Some(&other), "reject_refund");
    rig.act(Some(&failed), "retry_refund");
    assert_eq!(rig.0.effects().pop(), Some(("refund_retried".to_owned(), Some(1050), 0)));
    assert_eq!(rig.state(&id).await, "paid", "a refunded payment stays paid");
    let second = rig.paid().await;
    let old =
        json!({"status": "paid", "created_at": rig.0.control.now() - SignedDuration::from_hours(366 * 24)});
    let old = rig.0.control.add_order(PROVIDER, BRAND, &old).unwrap();
    assert_eq!(rig.refused(REFUND, &refund(&old, "1.00")).await, codes::NOT_REFUNDABLE);
    rig.act(None, "refunds_disabled");
    assert_eq!(rig.refused(REFUND, &refund(&second, "1.00")).await, codes::NO_REFUND_RIGHT);
    rig.act(None, "refunds_at_once");
    for _ in 0..29 {
        rig.refunded(&second, "0.01").await;
    }
    assert_eq!(rig.refused(REFUND, &refund(&second, "0.01")).await, codes::NOT_REFUNDABLE, "fewer than 30");
}

#[tokio::test]
async fn the_control_api_takes_refunds_like_payments() {
    let rig = Yaband::new().await;
    let control = &rig.0.control;
    let id = control.add_order(PROVIDER, BRAND, &json!({"id": UNKNOWN, "amount": 77})).unwrap();
    assert!(control.add_order(PROVIDER, BRAND, &json!({"id": UNKNOWN})).is_err());
    let patch = json!({"refund_amount": "0.50", "new": "x"});
    let refund_id = control.add_transaction(PROVIDER, BRAND, &id, &patch).unwrap();
    control.set_order_status(PROVIDER, BRAND, &refund_id, "refund error").unwrap();
    let refund = rig.done(QUERY_REFUND, &json!({"refund_id": refund_id})).await;
    assert_eq!([&refund["state"], &refund["new"], &refund["notify_url"]], ["refund error", "x", "null"]);
    assert_eq!(refund["refund_id"].as_str().unwrap().len(), 20, "a number stands for it");
    assert_eq!(control.order(PROVIDER, BRAND, &refund_id).unwrap(), refund);
    rig.act(None, "notify_form");
    let form = rig.create(&json!({"cancel_url": "https://shop.example/left"})).await;
    let click = async |action: &str| {
        let request = rig.0.client.post(rig.url(&format!("pay/{form}"))).body(format!("action={action}"));
        request.send().await.unwrap().headers()["location"].to_str().unwrap().to_owned()
    };
    assert_eq!(click("leave").await, "https://shop.example/left");
    assert_eq!(click("decline").await, "https://shop.example/back?o=1");
    let last = control.notices().pop().unwrap();
    let (name, value) = url::form_urlencoded::parse(last.body.as_bytes()).next().unwrap();
    let inner: Value = serde_json::from_str(&value).unwrap();
    assert_eq!((name.as_ref(), &inner["data"]["state"]), ("resultData", &json!("declined")));
    assert_eq!(rig.state(&form).await, "declined");
}
