//! Notifications: what verifies, what is read of it, and what a refusal says.

use std::sync::LazyLock;

use super::{super::signature, *};
use guichet_port::{
    adapter::{Notification, NotificationError, RawNotification},
    domain::OrderStatus,
};

const PAID: &str = include_str!("../fixtures/notification_paid.json");
const CARD: &str = include_str!("../fixtures/notification_card.json");

/// Made once: its transport loads the roots of the system.
static ADAPTER: LazyLock<Arc<dyn ProviderAdapter>> = LazyLock::new(|| adapter("http://127.0.0.1:9/Payments"));

fn verify(content_type: &str, body: &str) -> Result<Notification, NotificationError> {
    let raw = RawNotification {
        content_type: Some(content_type.to_owned()),
        body: body.as_bytes().to_vec().into(),
    };
    ADAPTER.verify_notification(&raw)
}

/// A message signed with this secret.
fn signed(secret: &str, data: &Value) -> String {
    let mut members = signature::signed_members(data.as_object().unwrap()).unwrap();
    members.sort();
    let message = signature::joined(members.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    json!({"sign": signature::sign(&secret.into(), &message).unwrap(), "data": data}).to_string()
}

fn form(json: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair("resultData", json).finish()
}

#[test]
fn a_payment_is_read_in_both_forms() {
    let expected = verify("application/json", PAID).unwrap();
    assert_eq!(expected.reference.as_ref().unwrap().as_str(), TRADE);
    assert_eq!(expected.merchant_reference.as_deref(), Some("ORD-0001"));
    assert_eq!(expected.status, Some(OrderStatus::Paid));
    assert_eq!(expected.provider_status.as_deref(), Some("paid"));
    assert_eq!(expected.amount, Some(money(1_250, "EUR")));
    assert_eq!(expected.occurred_at, Some(at("2023-11-14T22:14:02Z")));
    assert_eq!((expected.operation, expected.settles), (None, None));
    assert_eq!(
        (expected.acknowledgement.body, expected.acknowledgement.content_type),
        ("ok", "text/plain; charset=utf-8")
    );
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", form(PAID)),
        ("application/x-www-form-urlencoded", format!("x=1&{}&y=2", form(PAID))),
        // The official library reads the body whatever the header says.
        ("application/x-www-form-urlencoded", PAID.to_owned()),
        ("text/plain", format!("\r\n{PAID}")),
    ] {
        assert_eq!(verify(content_type, &body).as_ref(), Ok(&expected), "{body}");
    }
    let card = verify("application/json", CARD).unwrap();
    assert_eq!(card.status, Some(OrderStatus::Authorized));
    assert_eq!(card.merchant_reference.as_deref(), Some("ORD-0004"));
}

/// `+` and `%` of a JSON body are what they are.
#[test]
fn a_json_body_is_never_decoded() {
    let data = json!({"type": "payment", "trade_id": TRADE, "order_id": "100%25+1", "state": "pending"});
    for body in [signed(SECRET, &data), form(&signed(SECRET, &data))] {
        assert_eq!(verify("", &body).unwrap().merchant_reference.as_deref(), Some("100%25+1"));
    }
}

#[test]
fn our_operation_comes_back() {
    let id = OperationId::generate();
    let data = json!({"type": "payment", "trade_id": TRADE, "state": "Processing", "demo": id.to_string()});
    let told = verify("", &signed(SECRET, &data)).unwrap();
    assert_eq!((told.operation, told.status), (Some(id), Some(OrderStatus::Pending)));
    let strange =
        json!({"type": "payment", "trade_id": TRADE, "state": "odd", "demo": "test", "amount": "1.234"});
    let told = verify("", &signed(SECRET, &strange)).unwrap();
    assert_eq!((told.operation, told.status, told.amount), (None, None, None));
    assert_eq!(told.provider_status.as_deref(), Some("odd"));
}

#[test]
fn a_refund_settles_its_operation_and_says_nothing_of_the_order() {
    let id = OperationId::generate();
    let base = json!({"type": "refund", "trade_id": TRADE, "order_id": "ORD-0001", "m_refund_id": id.to_string(),
        "refund_id": "r", "refund_amount": "2.50", "refund_currency": "EUR"});
    for (state, settles) in [
        ("refunded", Some(OperationStatus::Succeeded)),
        ("Refunded", Some(OperationStatus::Succeeded)),
        // Failed, and may be tried again; or the platform's support has to look at it: no last word.
        ("refund failed", None),
        ("Refund-Failed", None),
        ("refund error", None),
        ("refund cancel", Some(OperationStatus::Refused)),
        ("to-be-approval", None),
        ("refund pending", None),
        ("refund processing", None),
        ("odd", None),
    ] {
        let mut data = base.clone();
        data["state"] = json!(state);
        for kind in ["refund", "Refund", ""] {
            if kind.is_empty() {
                data.as_object_mut().unwrap().remove("type");
            } else {
                data["type"] = json!(kind);
            }
            let told = verify("", &signed(SECRET, &data)).unwrap();
            assert_eq!(told.settles, settles.map(|status| (id, status)), "{state} {kind}");
            assert_eq!((told.status, told.operation), (None, Some(id)), "{state} {kind}");
            assert_eq!(told.amount, Some(money(250, "EUR")));
            assert_eq!(told.provider_status.as_deref(), Some(state));
        }
    }
    let elsewhere = json!({"type": "refund", "trade_id": TRADE, "state": "refunded", "m_refund_id": "RF-1"});
    assert_eq!(verify("", &signed(SECRET, &elsewhere)).unwrap().settles, None);
}

#[test]
fn the_same_news_has_the_same_key() {
    let key = |body: &str| verify("", body).unwrap().dedup_key;
    let data: Value = serde_json::from_str::<Value>(PAID).unwrap()["data"].clone();
    let first = key(PAID);
    assert_eq!(first, key(&form(PAID)));
    assert_eq!(first, key(&signed(PREVIOUS, &data)));
    let mut other = data;
    // Empty members say nothing.
    other["acquirer_id"] = json!("");
    assert_eq!(first, key(&signed(SECRET, &other)));
    for (member, value) in [
        ("state", json!("cancelled")),
        ("amount", json!("12.00")),
        ("currency", json!("CNY")),
        ("settlement_amount", json!("12.00")),
        ("paid_time", json!("1700000043")),
        ("transaction_id", json!("42")),
        ("demo", json!("x")),
    ] {
        let mut changed = other.clone();
        changed[member] = value;
        assert_ne!(first, key(&signed(SECRET, &changed)), "{member}");
    }
}

/// One shipping product drops empty members before it signs, the official library keeps them.
#[test]
fn a_signature_over_filled_members_only_is_taken_and_the_rule_is_named() {
    let id = OperationId::generate();
    let data = json!({"trade_id": TRADE, "type": "payment", "state": "paid", "demo": id.to_string(), "amount": "1.00",
        "currency": "EUR", "acquirer_id": "", "transaction_id": null});
    let all = format!(
        "acquirer_id=&amount=1.00&currency=EUR&demo={id}&state=paid&trade_id={TRADE}&transaction_id=&type=payment"
    );
    let filled = format!("amount=1.00&currency=EUR&demo={id}&state=paid&trade_id={TRADE}&type=payment");
    let with = |secret: &str, message: &str, data: &Value| {
        let sign = signature::sign(&secret.into(), message).unwrap();
        json!({"sign": sign, "data": data}).to_string()
    };
    let mut read = Vec::new();
    for (secret, message, words) in [
        (SECRET, &all, "the secret_key over all members"),
        (SECRET, &filled, "the secret_key over its filled members only"),
        (PREVIOUS, &all, "the previous_secret_key over all members"),
        (PREVIOUS, &filled, "the previous_secret_key over its filled members only"),
    ] {
        let told = verify("", &with(secret, message, &data)).unwrap();
        assert_eq!(told.signed_with, words);
        assert_eq!((told.status, told.operation), (Some(OrderStatus::Paid), Some(id)), "{words}");
        read.push(Notification { signed_with: String::new(), ..told });
    }
    assert!(read.windows(2).all(|pair| pair[0] == pair[1]), "the same news, whatever the rule");
    // Without empty members both rules are one.
    let bare = json!({"trade_id": TRADE, "type": "payment", "state": "paid"});
    assert_eq!(verify("", &signed(SECRET, &bare)).unwrap().signed_with, "the secret_key over all members");
    // What is empty was not signed then, so it says nothing: no other order, and no kind.
    let hidden = json!({"trade_id": TRADE, "state": "refunded", "m_refund_id": id.to_string(), "type": ""});
    let message = format!("m_refund_id={id}&state=refunded&trade_id={TRADE}");
    let told = verify("", &with(SECRET, &message, &hidden)).unwrap();
    assert_eq!(told.settles, Some((id, OperationStatus::Succeeded)));
}

/// Numbers are signed as their text, as PHP writes them.
#[test]
fn numbers_are_taken_and_mean_their_text() {
    let data = json!({"type": "payment", "trade_id": TRADE, "order_id": 42, "state": "paid", "amount": 12.50,
        "currency": "EUR", "tip_amount": 0, "timeout": 0, "paid_time": 1_700_000_042});
    let message = format!(
        "amount=12.5&currency=EUR&order_id=42&paid_time=1700000042&state=paid&timeout=0&tip_amount=0&trade_id={TRADE}&type=payment"
    );
    let sign = signature::sign(&SECRET.into(), &message).unwrap();
    let told = verify("", &json!({"sign": sign, "data": data}).to_string()).unwrap();
    assert_eq!((told.amount, told.merchant_reference.as_deref()), (Some(money(1_250, "EUR")), Some("42")));
    assert_eq!(told.occurred_at, Some(at("2023-11-14T22:14:02Z")));
    let text = data.as_object().unwrap().iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), json!(text))
    });
    let text = verify("", &signed(SECRET, &Value::Object(text.collect()))).unwrap();
    assert_eq!(text.dedup_key, told.dedup_key, "a number is the news that its text is");
}

#[test]
fn a_refusal_says_what_it_was_signed_with() {
    let data = json!({"trade_id": TRADE, "type": "payment", "state": "paid", "demo": "", "amount": "1.00"});
    assert!(verify("", &signed(SECRET, &data)).is_ok());
    assert!(verify("", &signed(PREVIOUS, &data)).is_ok());
    let with = |secret: &str, message: &str| {
        let sign = signature::sign(&secret.into(), message).unwrap();
        json!({"sign": sign, "data": data}).to_string()
    };
    let trade = format!("trade_id={TRADE}");
    let tampered = signed(SECRET, &data).replace("1.00", "2.00");
    for (body, words) in [
        (
            with("someone else's", &format!("amount=1.00&state=paid&{trade}&type=payment")),
            "another secret, or the message was altered",
        ),
        (
            with(SECRET, "state=paid&amount=1.00")
                .replace(&data.to_string(), r#"{"state":"paid","amount":"1.00"}"#),
            "its members in the order of the message",
        ),
        (tampered, "another secret, or the message was altered"),
        (signed("someone else's", &data), "another secret, or the message was altered"),
        (json!({"sign": "00", "data": data}).to_string(), "not 64 hexadecimal digits"),
        (json!({"sign": "z".repeat(64), "data": data}).to_string(), "not 64 hexadecimal digits"),
        (json!({"data": data}).to_string(), "no `sign`"),
        (json!({"sign": null, "data": data}).to_string(), "no `sign`"),
        (
            json!({"sign": "0".repeat(64), "data": {"payment_token_object": {}}}).to_string(),
            "no signing rule",
        ),
        (
            json!({"sign": "0".repeat(64), "data": {"state": "pending", "3ds": {"state": "paid"}}})
                .to_string(),
            "has the name of another one",
        ),
        (
            json!({"sign": "0".repeat(64), "data": {"a=1&state": "paid"}}).to_string(),
            "could hide another one",
        ),
    ] {
        match verify("", &body) {
            Err(NotificationError::BadSignature(why)) => {
                assert!(why.contains(words), "{why}: {body}");
                assert!(!why.contains("made-up"), "{why}");
            }
            other => panic!("{other:?}: {body}"),
        }
    }
    for body in
        ["", "[]", "{}", "hello", "resultData=", "resultData=%7B", r#"{"sign":"x","data":[]}"#, "{\"sign\""]
    {
        assert!(matches!(verify("", body), Err(NotificationError::Unreadable(_))), "{body}");
    }
}

/// Nothing is escaped in the signed string, so a payer's text could be cut into members that were never sent.
/// Such a message tells nothing but which order to read.
#[test]
fn a_message_that_could_be_another_one_tells_nothing() {
    let genuine = json!({"amount": "12.50", "currency": "EUR", "description": "x&state=paid&sub=", "order_id": "ORD-0001",
        "state": "pending", "trade_id": TRADE, "type": "payment"});
    let body = signed(SECRET, &genuine);
    let forged = json!({"amount": "12.50", "currency": "EUR", "description": "x", "state": "paid",
        "sub": "&order_id=ORD-0001&state=pending", "trade_id": TRADE, "type": "payment"});
    let sign = serde_json::from_str::<Value>(&body).unwrap()["sign"].clone();
    for message in [body, json!({"sign": sign, "data": forged}).to_string()] {
        let told = verify("", &message).unwrap();
        assert_eq!((told.status, told.amount, told.settles, told.operation), (None, None, None, None));
        assert_eq!(told.reference.unwrap().as_str(), TRADE);
    }
    let harmless = json!({"description": "salt & pepper = x&y=z", "state": "paid", "trade_id": TRADE, "type": "payment"});
    assert_eq!(verify("", &signed(SECRET, &harmless)).unwrap().status, Some(OrderStatus::Paid));
}

mod arbitrary {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn foreign_bytes_never_verify(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let raw = RawNotification { content_type: None, body: bytes.into() };
            prop_assert!(ADAPTER.verify_notification(&raw).is_err());
        }
    }
}
