//! The platform over real HTTP: what it accepts, what it refuses, and what it leaves behind.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::methods::{CANCEL, CAPTURE, DECREMENT, QUERY, QUERY_REFUND, REFUND};
use super::rig::{CARDS, CREATE, Yaband, card, creation, refund, resigned, signed};
use super::{BRAND, codes, window};
use crate::rig::read;
use crate::{Fault, FaultKind, PayerAction};

const UNKNOWN: &str = "11111111-2222-4333-8444-555555555555";
const PROVIDER: &str = "yabandpay";

fn pair(a: &str, b: &str) -> (String, String) {
    (a.to_owned(), b.to_owned())
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
    let mut unsigned = right.clone();
    unsigned.as_object_mut().unwrap().remove("sign");
    let mut timeless = right.clone();
    timeless.as_object_mut().unwrap().remove("time");
    for (body, code) in [
        (right.clone(), codes::UNKNOWN_TRADE),
        (json!([]), codes::BAD_REQUEST),
        (json!(null), codes::BAD_REQUEST),
        (with("user", json!("16683")), codes::UNKNOWN_USER),
        (with("user", json!(16683)), codes::UNKNOWN_USER),
        (with("sign", json!("0".repeat(64))), codes::BAD_SIGNATURE),
        (with("sign", upper), codes::BAD_SIGNATURE),
        (with("time", json!(1_700_000_001)), codes::BAD_SIGNATURE),
        (with("data", json!({"trade_id": "other"})), codes::BAD_SIGNATURE),
        (unsigned, codes::BAD_SIGNATURE),
        (resigned(timeless), codes::BAD_PARAMETER),
        (resigned(with("time", json!("1700000000"))), codes::UNKNOWN_TRADE),
        (resigned(with("time", json!(1_700_000_000_000_i64))), codes::UNKNOWN_TRADE),
        (resigned(with("time", json!("now"))), codes::BAD_PARAMETER),
        (resigned(with("time", json!(17))), codes::BAD_PARAMETER),
        (resigned(with("colour", json!("red"))), codes::BAD_PARAMETER),
        (resigned(with("method", json!("v3.QueryPayment"))), codes::UNKNOWN_METHOD),
        (resigned(with("data", json!({}))), codes::BAD_PARAMETER),
        (with("data", json!([])), codes::BAD_PARAMETER),
        (with("data", json!({"trade_id": {"a": 1}})), codes::BAD_PARAMETER),
        (resigned(with("data", json!({"trade_id": UNKNOWN, "x": "1"}))), codes::BAD_PARAMETER),
        (resigned(with("data", json!({"trade_id": 7}))), codes::UNKNOWN_TRADE),
        (resigned(with("data", json!({"trade_id": true}))), codes::BAD_PARAMETER),
    ] {
        let envelope = rig.raw(&body).await;
        assert_eq!(envelope["code"], code, "{body}: {envelope}");
        assert_eq!((&envelope["status"], envelope.get("sign")), (&json!(false), None));
        assert!(!envelope["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(rig.0.client.get(rig.url()).send().await.unwrap().status(), 404, "every call is a POST");
    // An empty value is signed as `demo=`; who drops it signs another string.
    let mut dropped = signed(CREATE, &creation(&json!({})));
    dropped["data"]["demo"] = json!("");
    assert_eq!(rig.raw(&dropped).await["code"], codes::BAD_SIGNATURE);
    assert_eq!(rig.raw(&resigned(dropped)).await["status"], true);
    // The header does not matter, and escaped characters are signed as what they stand for.
    let escaped = signed(CREATE, &creation(&json!({"description": "é"}))).to_string().replace('é', "\\u00e9");
    let answer = read(rig.0.client.post(rig.url()).body(escaped)).await;
    assert_eq!(answer["status"], true, "{answer}");
}

#[tokio::test]
async fn a_creation_is_answered_with_the_page() {
    let rig = Yaband::new().await;
    let data = rig.done(CREATE, &creation(&json!({"amount": "1", "demo": "", "timeout": "0"}))).await;
    let id = data["trade_id"].as_str().unwrap();
    assert_eq!((&data["amount"], &data["order_id"]), (&json!("1.00"), &json!("cart-1")));
    assert!(data["url"].as_str().unwrap().ends_with(&format!("/yabandpay/yabandpay/pay/{id}")));
    let info = rig.query(id).await;
    for (name, expected) in [
        ("trade_id", id),
        ("state", "pending"),
        ("amount", "1.00"),
        ("settlement_amount", "1.00"),
        ("time_out", "1440"),
        ("transaction_id", ""),
        ("user", "016683"),
        ("sub_pay_method", "WeChat Pay"),
        ("notify_url", "https://shop.example/notify?a=1&b=2"),
    ] {
        assert_eq!(info[name], expected, "{name}");
    }
    assert_ne!(rig.create(&json!({})).await, id, "the same order number makes another payment");
    assert_eq!(rig.0.effects(), [("create".into(), None, 100), ("create".into(), None, 1250)]);
    let log = rig.0.control.request_log();
    assert_eq!((log[0].service.as_str(), log[0].reference.as_deref()), (CREATE, Some("cart-1")));
    assert_eq!((log[1].order.as_deref(), log[1].shop.as_deref()), (Some(id), Some("016683")));
}

/// As today's official plug-in sends them.
#[tokio::test]
async fn numbers_are_taken_and_signed_as_their_text() {
    let rig = Yaband::new().await;
    let numbers = creation(&json!({"timeout": 0, "order_id": 4711, "amount": 12.5}));
    let body = signed(CREATE, &numbers);
    let texts = creation(&json!({"timeout": "0", "order_id": "4711", "amount": "12.5"}));
    assert_eq!(body["sign"], signed(CREATE, &texts)["sign"]);
    let envelope = rig.raw(&body).await;
    assert_eq!(envelope["status"], true, "{envelope}");
    let id = envelope["data"]["trade_id"].as_str().unwrap();
    let info = rig.query(id).await;
    for (name, expected) in [("order_id", "4711"), ("amount", "12.50"), ("time_out", "1440")] {
        assert_eq!(info[name], expected, "{name}");
    }
    let log = rig.0.control.request_log();
    assert_eq!(log[0].reference.as_deref(), Some("4711"));
    rig.payer(id, PayerAction::Pay);
    let mut back = refund(id, "2.50");
    back["refund_amount"] = json!(2);
    assert_eq!(rig.done(REFUND, &back).await["refund_amount"], "2.00");
    let lost = signed(CREATE, &creation(&json!({"amount": 9900.03})));
    assert!(rig.request(lost.to_string()).send().await.is_err(), "a magic amount");
}

#[tokio::test]
async fn creations_are_checked_strictly() {
    let rig = Yaband::new().await;
    for (changes, code) in [
        (json!({"order_id": null}), codes::BAD_PARAMETER),
        (json!({"description": ""}), codes::BAD_PARAMETER),
        (json!({"notify_url": null}), codes::BAD_PARAMETER),
        (json!({"notify_url": "shop.example"}), codes::BAD_PARAMETER),
        (json!({"redirect_url": "ftp://shop.example"}), codes::BAD_PARAMETER),
        (json!({"redirectUrl": "https://shop.example"}), codes::BAD_PARAMETER),
        (json!({"pay_method": "offline"}), codes::BAD_PARAMETER),
        (json!({"sub_pay_method": "wechat pay"}), codes::BAD_PARAMETER),
        (json!({"sub_pay_method": "Cards HPP"}), codes::BAD_PARAMETER),
        (json!({"amount": 12.505}), codes::BAD_PARAMETER),
        (json!({"description": true}), codes::BAD_PARAMETER),
        (json!({"bic": false}), codes::BAD_PARAMETER),
        (json!({"timeout": 1441}), codes::BAD_PARAMETER),
        (json!({"timeout": -1}), codes::BAD_PARAMETER),
        (json!({"amount": "12,50"}), codes::BAD_PARAMETER),
        (json!({"amount": "0.00"}), codes::BAD_PARAMETER),
        (json!({"amount": "0.09"}), codes::BELOW_MINIMUM),
        (json!({"amount": "0.99", "currency": "CNY"}), codes::BELOW_MINIMUM),
        (json!({"amount": "0.99", "sub_pay_method": "UnionPayWap"}), codes::BELOW_MINIMUM),
        (json!({"currency": "JPY"}), codes::BAD_CURRENCY),
        (json!({"currency": "CNY", "sub_pay_method": "iDEAL"}), codes::BAD_CURRENCY),
        (json!({"timeout": "1441"}), codes::BAD_PARAMETER),
        (json!({"timeout": "+5"}), codes::BAD_PARAMETER),
    ] {
        assert_eq!(rig.refused(CREATE, &creation(&changes)).await, code, "{changes}");
    }
    assert!(rig.0.effects().is_empty());
}

#[tokio::test]
async fn each_method_leads_the_payer_its_own_way() {
    let rig = Yaband::new().await;
    let none = json!({"pay_method": null, "sub_pay_method": null});
    let wechat = |more: Value| {
        let mut data = creation(&json!({}));
        crate::platform::merge(&mut data, &more);
        data
    };
    for (method, data, pointer, start) in [
        ("v3.CreateWechatNativePay", creation(&none), "/url", "http://"),
        (
            "v3.CreateWechatNativePay",
            creation(&json!({"pay_method": null, "sub_pay_method": null, "url_type": "02"})),
            "/url",
            "weixin://",
        ),
        (
            "v3.CreatePaymentsWechatMiniPay",
            wechat(json!({"sub_app_id": "wx1", "sub_open_id": "o1", "redirect_url": null})),
            "/parameters/prepayid",
            "wx",
        ),
        ("v3.CreatePaymentsWechatAPPPay", wechat(json!({"sub_app_id": "wx1"})), "/parameters/appid", "wx1"),
        (
            "v3.CreatePaymentsWechatH5Pay",
            wechat(json!({"ip_address": "192.0.2.1"})),
            "/parameters/pay_url",
            "http://",
        ),
        ("v3.CreatePaymentsAlipayWeb", creation(&json!({"sub_pay_method": "Alipay"})), "/url", "http://"),
        (
            "v3.CreatePaymentsAlipayWap",
            creation(&json!({"sub_pay_method": "Alipay"})),
            "/parameters/pay_url",
            "http://",
        ),
        (
            "v3.CreatePaymentsAlipayAppPay",
            creation(&json!({"sub_pay_method": "Alipay", "os_type": "ios"})),
            "/parameters/pay_url",
            "http://",
        ),
        ("v3.CreatePaymentsiDEALQRcode", creation(&json!({"sub_pay_method": "iDEAL"})), "/url", "http://"),
        (
            "v3.QRcodePayment",
            creation(&json!({
                "pay_method": "offline", "sub_pay_method": "QRcode", "notify_url": null, "tip_amount": "1.00"
            })),
            "/url",
            "http://",
        ),
        (CARDS, card("1", "r1"), "/url", "http://"),
    ] {
        let answer = rig.done(method, &data).await;
        let way = answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        assert!(way.starts_with(start), "{method}: {answer}");
    }
    for (method, data) in [
        ("v3.CreateWechatNativePay", creation(&json!({}))),
        ("v3.CreatePaymentsWechatMiniPay", wechat(json!({"sub_app_id": "w", "sub_open_id": "o"}))),
        ("v3.CreatePaymentsWechatH5Pay", creation(&json!({}))),
        (
            "v3.CreatePaymentsAlipayAppPay",
            creation(&json!({"sub_pay_method": "Alipay", "os_type": "symbian"})),
        ),
        ("v3.QRcodePayment", creation(&json!({}))),
    ] {
        assert_eq!(rig.refused(method, &data).await, codes::BAD_PARAMETER, "{method}");
    }
}

#[tokio::test]
async fn card_payments_want_their_options_and_a_fresh_request_id() {
    let rig = Yaband::new().await;
    let envelope = rig.call(CARDS, &card("1", "abcdefghijklmnopqrstuvwx")).await;
    assert!(envelope["response_id"].is_string(), "{envelope}");
    assert_eq!(rig.refused(CARDS, &card("1", "abcdefghijklmnopqrstuvwx")).await, codes::REPEATED_REQUEST);
    for changes in [
        json!({"operation": "3"}),
        json!({"3ds_initiate": null}),
        json!({"3ds_initiate": "03"}),
        json!({"sca_exemption": "LowValue"}),
        json!({"redirect_url": null}),
        json!({"timeout": null}),
        json!({"request_id": "a-b"}),
        json!({"cardinfo": "4111"}),
    ] {
        let mut data = card("1", "other");
        crate::platform::merge(&mut data, &changes);
        assert_eq!(rig.refused(CARDS, &data).await, codes::BAD_PARAMETER, "{changes}");
    }
    let mut exempt = card("2", "other");
    crate::platform::merge(&mut exempt, &json!({"3ds_initiate": "03", "sca_exemption": "LowValue"}));
    rig.done(CARDS, &exempt).await;
}

#[tokio::test]
async fn the_payer_pays_declines_or_leaves() {
    let rig = Yaband::new().await;
    let click = |id: String, action: &'static str| {
        let url = format!("{}/yabandpay/yabandpay/pay/{id}", rig.0.running.base_url());
        rig.0.client.post(url).body(format!("action={action}")).send()
    };
    for (action, state, notices) in [("pay", "paid", 1), ("decline", "declined", 1), ("leave", "pending", 0)]
    {
        let id = rig.create(&json!({"description": "<b>cart</b>"})).await;
        let page = format!("{}/yabandpay/yabandpay/pay/{id}", rig.0.running.base_url());
        let shown = rig.0.client.get(&page).send().await.unwrap().text().await.unwrap();
        for text in ["simulator", "EUR 12.50", "&lt;b&gt;cart", "Pay</button>", "Decline", "Leave"] {
            assert!(shown.contains(text), "{text}");
        }
        let before = rig.notices().len();
        let answer = click(id.clone(), action).await.unwrap();
        assert_eq!(answer.status(), 303);
        assert_eq!(answer.headers()["location"], "https://shop.example/back?o=1");
        assert_eq!(rig.state(&id).await, state);
        assert_eq!(rig.notices().len() - before, notices, "{action}");
        if action != "leave" {
            let again = click(id.clone(), "pay").await.unwrap();
            assert_eq!(again.status(), 200, "closed: no second payment");
            assert!(rig.0.control.payer(PROVIDER, BRAND, &id, PayerAction::Pay).is_err());
        }
        assert_eq!(click(id, "steal").await.unwrap().status(), 400);
    }
    assert_eq!(click(UNKNOWN.to_owned(), "pay").await.unwrap().status(), 404);
    let gone = format!("{}/yabandpay/yabandpay/pay/{UNKNOWN}", rig.0.running.base_url());
    assert_eq!(rig.0.client.get(gone).send().await.unwrap().status(), 404);
    let plain = rig.create(&json!({"redirect_url": "", "cancel_url": "https://shop.example/left"})).await;
    assert_eq!(
        click(plain.clone(), "leave").await.unwrap().headers()["location"],
        "https://shop.example/left"
    );
    let said = click(plain, "pay").await.unwrap().text().await.unwrap();
    assert!(said.contains("The payment was accepted."));
}

#[tokio::test]
async fn notifications_are_signed_over_their_data() {
    let rig = Yaband::new().await;
    let id = rig.create(&json!({"demo": "d 1"})).await;
    rig.payer(&id, PayerAction::Pay);
    let data = rig.done(CARDS, &card("2", "r1")).await;
    rig.payer(data["trade_id"].as_str().unwrap(), PayerAction::Pay);
    let url = "https://shop.example/notify?a=1&b=2".to_owned();
    let expected = [
        (url.clone(), "payment".to_owned(), "paid".to_owned()),
        (url, "payment".to_owned(), "authorized".to_owned()),
    ];
    assert_eq!(rig.notices(), expected);
    let notices = rig.0.control.notices();
    assert_eq!((notices[0].content_type.as_str(), &notices[0].order), ("application/json", &id));
    let body: Value = serde_json::from_str(&notices[0].body).unwrap();
    assert_eq!((&body["data"]["demo"], &body["data"]["user"]), (&json!("d 1"), &json!("016683")));
    assert_ne!(body["data"]["paid_time"], "");
    let body: Value = serde_json::from_str(&notices[1].body).unwrap();
    assert_eq!(body["data"]["3ds"]["3ds_status"], "Y");
    let form = rig.create(&json!({})).await;
    assert_eq!(rig.act(None, "notify_form"), json!({"notices": "notify_form"}));
    rig.payer(&form, PayerAction::Decline);
    let last = rig.0.control.notices().pop().unwrap();
    assert_eq!(last.content_type, "application/x-www-form-urlencoded");
    let (name, value) = url::form_urlencoded::parse(last.body.as_bytes()).next().unwrap();
    let inner: Value = serde_json::from_str(&value).unwrap();
    assert_eq!((name.as_ref(), &inner["data"]["state"]), ("resultData", &json!("declined")));
}

#[tokio::test]
async fn payments_expire_by_the_clock_and_by_order() {
    let rig = Yaband::new().await;
    let soon = rig.create(&json!({"timeout": "30"})).await;
    let late = rig.create(&json!({"timeout": "0"})).await;
    rig.0.control.advance(Duration::from_mins(31));
    assert_eq!((rig.state(&soon).await.as_str(), rig.state(&late).await.as_str()), ("expired", "pending"));
    assert!(rig.0.control.payer(PROVIDER, BRAND, &soon, PayerAction::Pay).is_err());
    assert_eq!(rig.cancel(&soon).await["code"], codes::EXPIRED);
    assert_eq!(rig.act(None, "expire"), json!({"changed": 1}));
    assert_eq!(rig.state(&late).await, "expired");
    assert!(rig.0.control.act(PROVIDER, BRAND, Some(&late), "expire").is_err(), "only once");
    assert_eq!(rig.entries()[2], pair("expire", "expired"));
    assert_eq!(rig.notices().len(), 1);
}

#[tokio::test]
async fn a_review_ends_well_or_badly() {
    let rig = Yaband::new().await;
    for (end, state, action) in [("release", "paid", "pay"), ("refuse", "declined", "decline")] {
        let id = rig.create(&json!({})).await;
        assert_eq!(rig.act(Some(&id), "verify"), json!({"changed": 1}));
        assert_eq!(rig.state(&id).await, "verify");
        assert!(rig.0.control.payer(PROVIDER, BRAND, &id, PayerAction::Pay).is_err());
        rig.act(Some(&id), end);
        assert_eq!(rig.state(&id).await, state);
        assert_eq!(rig.entries().pop(), Some(pair(action, state)));
    }
    assert_eq!(rig.notices().len(), 4);
}

#[tokio::test]
async fn a_cancellation_is_answered_as_on_the_page() {
    let rig = Yaband::new().await;
    let id = rig.create(&json!({"amount": "0.10", "demo": "test"})).await;
    let mut envelope = rig.cancel(&id).await;
    assert!(envelope["data"]["createDate"].as_str().unwrap().parse::<i64>().is_ok());
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
    assert_eq!(rig.state(&id).await, "cancelled");
    assert_eq!(rig.cancel(&id).await["code"], codes::CANCELLED_BEFORE);
    assert_eq!(rig.cancel(UNKNOWN).await["code"], codes::UNKNOWN_TRADE);
    assert_eq!(rig.entries(), [pair("create", "pending"), pair("cancel", "cancelled")]);
    assert_eq!(rig.0.control.effects()[1].request, Some(2));
}

#[tokio::test]
async fn what_cannot_be_cancelled_says_why() {
    let rig = Yaband::new().await;
    let paid = rig.paid().await;
    assert_eq!(rig.cancel(&paid).await["status"], true, "paid ones can");
    let cleared = rig.paid().await;
    rig.act(Some(&cleared), "clear");
    assert_eq!(rig.cancel(&cleared).await["code"], codes::CLEARED);
    let refunded = rig.paid().await;
    rig.refunded(&refunded, "1.00").await;
    rig.act(Some(&refunded), "reject_refund");
    assert_eq!(rig.cancel(&refunded).await["code"], codes::NOT_CANCELLABLE);
    let declined = rig.create(&json!({})).await;
    rig.payer(&declined, PayerAction::Decline);
    assert_eq!(rig.cancel(&declined).await["code"], codes::NOT_CANCELLABLE);
}

#[tokio::test]
async fn the_window_ends_by_the_clock() {
    let rig = Yaband::new().await;
    let now = rig.0.control.now();
    let add = |created: Timestamp| {
        let draft = json!({"status": "paid", "created_at": created});
        rig.0.control.add_order(PROVIDER, BRAND, &draft).unwrap()
    };
    let (today, before) = (add(now), add(now - SignedDuration::from_hours(49)));
    assert_eq!(rig.cancel(&before).await["code"], codes::WINDOW_OVER);
    // The last second of the window, and then the first one after it.
    let left = window::end(now).duration_since(rig.0.control.now());
    let almost = left - SignedDuration::from_secs(60);
    if almost.is_positive() {
        rig.0.control.advance(almost.unsigned_abs());
    }
    let second = add(now);
    assert_eq!(rig.cancel(&second).await["status"], true);
    rig.0.control.advance(Duration::from_secs(61));
    assert_eq!(rig.cancel(&today).await["code"], codes::WINDOW_OVER);
}

#[tokio::test]
async fn an_authorisation_is_reduced_and_captured_once() {
    let rig = Yaband::new().await;
    let data = rig.done(CARDS, &card("2", "r1")).await;
    let id = data["trade_id"].as_str().unwrap();
    let change = |amount: &str, request_id: &str| {
        json!({
            "trade_id": id, "amount": amount, "currency": "EUR", "description": "d",
            "notify_url": "https://shop.example/capture", "request_id": request_id,
        })
    };
    assert_eq!(rig.refused(CAPTURE, &change("1.00", "r2")).await, codes::NOT_AUTHORIZED);
    rig.payer(id, PayerAction::Pay);
    assert_eq!(rig.state(id).await, "authorized");
    assert_eq!(rig.refused(REFUND, &refund(id, "1.00")).await, codes::NOT_PAID);
    assert_eq!(rig.refused(CAPTURE, &change("12.51", "r2")).await, codes::ABOVE_AUTHORIZED);
    assert_eq!(rig.refused(DECREMENT, &change("12.50", "r2")).await, codes::ABOVE_AUTHORIZED);
    assert_eq!(rig.refused(CAPTURE, &change("1.00", "r1")).await, codes::REPEATED_REQUEST);
    let mut foreign = change("1.00", "r2");
    foreign["currency"] = json!("CNY");
    assert_eq!(rig.refused(CAPTURE, &foreign).await, codes::BAD_CURRENCY);
    let reduced = rig.done(DECREMENT, &change("2.50", "r2")).await;
    assert_eq!((&reduced["amount"], &reduced["state"]), (&json!("10.00"), &json!("authorized")));
    let captured = rig.done(CAPTURE, &change("4.00", "r3")).await;
    assert_eq!((&captured["amount"], &captured["state"]), (&json!("4.00"), &json!("paid")));
    assert_eq!(rig.refused(CAPTURE, &change("1.00", "r4")).await, codes::NOT_AUTHORIZED);
    let effects = [
        ("create".to_owned(), None, 1250),
        ("pay".to_owned(), Some(1250), 1250),
        ("decrement".to_owned(), Some(1250), 1000),
        ("capture".to_owned(), Some(1000), 400),
    ];
    assert_eq!(rig.0.effects(), effects);
    assert_eq!(rig.notices()[2].0, "https://shop.example/capture");
    let data = rig.done(CARDS, &card("2", "r5")).await;
    let id = data["trade_id"].as_str().unwrap();
    rig.payer(id, PayerAction::Pay);
    rig.0.control.advance(Duration::from_hours(30 * 24 + 1));
    assert_eq!(rig.state(id).await, "expired");
}

#[tokio::test]
async fn refunds_wait_for_approval() {
    let rig = Yaband::new().await;
    let id = rig.paid().await;
    let taken = rig.done(REFUND, &refund(&id, "2.50")).await;
    assert_eq!((&taken["state"], &taken["m_refund_id"]), (&json!("to-be-approval"), &json!("RF-1")));
    let first = taken["refund_id"].as_str().unwrap().to_owned();
    let answer = rig.query_refund(&first).await;
    let number = answer["refund_id"].as_str().unwrap();
    assert!(number.len() == 20 && number != first, "a number stands for the refund_id");
    assert_eq!((&answer["refund_amount"], &answer["state"]), (&json!("2.50"), &json!("to-be-approval")));
    let mut bare = refund(&id, "10.00");
    bare.as_object_mut().unwrap().retain(|name, _| name != "m_refund_id" && name != "notify_url");
    let second = rig.done(REFUND, &bare).await["refund_id"].as_str().unwrap().to_owned();
    let answer = rig.query_refund(&second).await;
    assert_eq!((&answer["m_refund_id"], &answer["notify_url"]), (&Value::Null, &json!("null")));
    assert_eq!(rig.refused(REFUND, &refund(&id, "0.01")).await, codes::ABOVE_PAID);
    assert_eq!(rig.notices().len(), 1, "only the payment's");
    assert_eq!(rig.act(Some(&first), "approve_refund"), json!({"changed": 1}));
    assert_eq!(rig.query_refund(&first).await["state"], "refunded");
    assert_eq!(rig.act(None, "reject_refund"), json!({"changed": 1}));
    assert_eq!(rig.query_refund(&second).await["state"], "refund cancel");
    assert!(rig.0.control.act(PROVIDER, BRAND, Some(&id), "approve_refund").is_err());
    let third = rig.refunded(&id, "10.00").await;
    rig.act(Some(&id), "fail_refund");
    assert_eq!(rig.query_refund(&third).await["state"], "refund failed");
    assert_eq!(rig.state(&id).await, "paid", "a refunded payment stays paid");
    let effects = [
        ("refund".to_owned(), Some(1250), 1000),
        ("refund".to_owned(), Some(1000), 0),
        ("refund_approved".to_owned(), Some(0), 0),
        ("refund_rejected".to_owned(), Some(0), 1000),
        ("refund".to_owned(), Some(1000), 0),
        ("refund_failed".to_owned(), Some(0), 1000),
    ];
    assert_eq!(rig.0.effects()[2..], effects);
    let told =
        |state: &str| ("https://shop.example/refund".to_owned(), "refund".to_owned(), state.to_owned());
    assert_eq!(rig.notices()[1..], [told("refunded"), told("refund failed")]);
}

#[tokio::test]
async fn the_cashiers_right_decides_about_refunds() {
    let rig = Yaband::new().await;
    let id = rig.paid().await;
    assert_eq!(rig.act(None, "refunds_disabled"), json!({"refund_right": "disabled"}));
    assert_eq!(rig.refused(REFUND, &refund(&id, "1.00")).await, codes::NO_REFUND_RIGHT);
    rig.act(None, "refunds_at_once");
    let refund_id = rig.refunded(&id, "1.00").await;
    assert_eq!(rig.query_refund(&refund_id).await["state"], "refunded");
    assert_eq!(rig.entries().pop(), Some(pair("refund", "refunded")));
    assert_eq!(rig.notices().len(), 2);
    rig.act(None, "refunds_need_approval");
    let waiting = rig.refunded(&id, "1.00").await;
    assert_eq!(rig.query_refund(&waiting).await["state"], "to-be-approval");
}

#[tokio::test]
async fn refunds_have_limits() {
    let rig = Yaband::new().await;
    let open = rig.create(&json!({})).await;
    let paid = rig.paid().await;
    let old = Timestamp::now() - SignedDuration::from_hours(366 * 24);
    let draft = json!({"status": "paid", "created_at": old});
    let old = rig.0.control.add_order(PROVIDER, BRAND, &draft).unwrap();
    let mut foreign = refund(&paid, "1.00");
    foreign["refund_currency"] = json!("CNY");
    let mut silent = refund(&paid, "1.00");
    silent["refund_description"] = json!("");
    for (data, code) in [
        (refund(UNKNOWN, "1.00"), codes::UNKNOWN_TRADE),
        (refund(&open, "1.00"), codes::NOT_PAID),
        (refund(&paid, "12.51"), codes::ABOVE_PAID),
        (refund(&paid, "0"), codes::BAD_PARAMETER),
        (refund(&old, "1.00"), codes::NOT_REFUNDABLE),
        (foreign, codes::BAD_CURRENCY),
        (silent, codes::BAD_PARAMETER),
    ] {
        assert_eq!(rig.refused(REFUND, &data).await, code, "{data}");
    }
    for _ in 0..29 {
        rig.refunded(&paid, "0.01").await;
    }
    assert_eq!(rig.refused(REFUND, &refund(&paid, "0.01")).await, codes::NOT_REFUNDABLE, "fewer than 30");
    let unknown = json!({"refund_id": UNKNOWN});
    assert_eq!(rig.refused(QUERY_REFUND, &unknown).await, codes::UNKNOWN_REFUND);
}

#[tokio::test]
async fn magic_amounts_and_ordered_codes_go_wrong_as_told() {
    let rig = Yaband::new().await;
    let magic = |amount: &str| creation(&json!({"amount": amount}));
    assert_eq!(rig.refused(CREATE, &magic("9900.01")).await, codes::UNPUBLISHED);
    assert!(rig.request(signed(CREATE, &magic("9900.03")).to_string()).send().await.is_err());
    assert_eq!(rig.0.effects(), [("create".into(), None, 990_003)]);
    let lost = rig.0.control.effects()[0].order.clone();
    assert_eq!(rig.state(&lost).await, "pending", "a lost creation can be read");
    assert_eq!(rig.refused(CREATE, &magic("9900.08")).await, codes::INCIDENT);
    assert_eq!(rig.0.effects().len(), 2, "it took effect");
    let id = rig.create(&json!({"amount": "9900.21"})).await;
    assert_eq!(rig.cancel(&id).await["code"], codes::NOT_CANCELLABLE);
    let id = rig.create(&json!({"amount": "9900.23"})).await;
    let cancel = signed(CANCEL, &json!({"trade_id": id})).to_string();
    assert!(rig.request(cancel).send().await.is_err());
    assert_eq!(rig.state(&id).await, "cancelled");
    let big = json!({"status": "paid", "amount": 5_000_000});
    let big = rig.0.control.add_order(PROVIDER, BRAND, &big).unwrap();
    let refund_id = rig.refunded(&big, "9900.13").await;
    let query = signed(QUERY_REFUND, &json!({"refund_id": refund_id})).to_string();
    assert!(rig.request(query.clone()).send().await.is_err(), "the refund's amount counts");
    let refuse = FaultKind::Refuse {
        code: "-4112".into(),
        message: Some("odd".into()),
        detailed_code: None,
        detailed_message: None,
    };
    rig.0.control.add_fault(Fault::new(PROVIDER, refuse).at("016683").on_order(&big));
    let envelope = read(rig.request(query)).await;
    assert_eq!((&envelope["code"], &envelope["message"]), (&json!("-4112"), &json!("odd")));
}

#[tokio::test]
async fn the_control_api_prepares_payments_and_refunds() {
    let rig = Yaband::new().await;
    let control = &rig.0.control;
    let id = control.add_order(PROVIDER, BRAND, &json!({"id": UNKNOWN, "amount": 77})).unwrap();
    assert!(control.add_order(PROVIDER, BRAND, &json!({"id": UNKNOWN})).is_err());
    assert!(control.add_order(PROVIDER, BRAND, &json!({"colour": "red"})).is_err());
    assert!(control.add_order(PROVIDER, "other", &json!({})).is_err());
    control.set_order_status(PROVIDER, BRAND, &id, "Paid").unwrap();
    control.patch_answer(PROVIDER, BRAND, &id, &json!({"amount": 7, "brandNew": {"x": "1"}})).unwrap();
    let info = rig.query(&id).await;
    assert_eq!(
        (&info["state"], &info["amount"], &info["brandNew"]["x"]),
        (&json!("Paid"), &json!(7), &json!("1"))
    );
    control.patch_answer(PROVIDER, BRAND, &id, &Value::Null).unwrap();
    assert_eq!(rig.query(&id).await["amount"], "0.77");
    let patch = json!({"refund_amount": "0.50", "new": "x"});
    let refund_id = control.add_transaction(PROVIDER, BRAND, &id, &patch).unwrap();
    control.set_order_status(PROVIDER, BRAND, &refund_id, "refund error").unwrap();
    let refund = rig.query_refund(&refund_id).await;
    assert_eq!((&refund["state"], &refund["new"]), (&json!("refund error"), &json!("x")));
    assert_eq!(control.order(PROVIDER, BRAND, &refund_id).unwrap(), refund);
    assert!(control.act(PROVIDER, BRAND, None, "dance").is_err());
    assert!(control.act(PROVIDER, BRAND, Some("nobody"), "expire").is_err());
    assert!(rig.0.effects().is_empty(), "preparing has no effect");
    control.reset();
    assert!(control.orders(PROVIDER, BRAND).unwrap().is_empty());
}

#[tokio::test]
async fn the_sample_is_paid_today_and_can_be_cancelled() {
    let rig = Yaband(crate::rig::Rig::seeded().await);
    let id = "4a49ffb3-a30f-ba92-9422-1969afb6f121";
    let info = rig.query(id).await;
    assert_eq!(
        (&info["state"], &info["amount"], &info["currency"]),
        (&json!("paid"), &json!("0.10"), &json!("EUR"))
    );
    assert_eq!(info["order_id"], "280244567856723026");
    assert_eq!(rig.done(CANCEL, &json!({"trade_id": id})).await["demo"], "test");
}

#[tokio::test]
async fn the_sandbox_has_one_account() {
    let rig = Yaband::new().await;
    let accounts = rig.0.running.sandbox_accounts();
    let account = accounts.iter().find(|account| account.provider == PROVIDER).unwrap();
    assert_eq!(account.name, "yabandpay");
    let names: Vec<_> = account.settings.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["user", "secret_key", "base_url", "mode"]);
    assert!(account.settings.contains(&("base_url", rig.url())));
    let (_, help) = rig.0.order_control(http::Method::GET, "", &Value::Null).await;
    let help = &help["providers"]["yabandpay"];
    assert_eq!(
        (&help["shops"][0]["user"], &help["magic_amounts"][2]["amount"]),
        (&json!("016683"), &json!(990_003))
    );
    assert_eq!(help["services"].as_array().unwrap().len(), 17);
}
