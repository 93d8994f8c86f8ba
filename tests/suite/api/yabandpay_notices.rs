//! Notifications of YabandPay: both forms, and everything that is not one. And captures by hand.

use guichet_simulator::FaultKind;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::yabandpay::{CAPTURE, QUERY, QUERY_REFUND, SAMPLE, Shop, action, count, operation};
use crate::rig::amounts;

const SECRET: &str = "SIMULATORYABANDPAY00000000000000";
const NOTICE: &str = "notification";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A message as the platform signs it, written a third time.
fn signed(data: &Value, secret: &str) -> String {
    let mut pairs: Vec<_> = data.as_object().unwrap().iter().collect();
    pairs.sort_by_key(|(name, _)| name.as_str());
    let text: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.join("&").as_bytes());
    json!({"sign": hex::encode(mac.finalize().into_bytes()), "data": data}).to_string()
}

fn as_form(message: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair("resultData", message).finish()
}

fn refund_news(order: &str, id: &str, changes: &Value) -> Value {
    let mut data = json!({
        "type": "refund", "user": "016683", "trade_id": order, "m_refund_id": id, "refund_amount": "3.00",
        "refund_currency": "EUR", "state": "refunded"
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            data.as_object_mut().unwrap().remove(name);
        } else {
            data[name] = value.clone();
        }
    }
    data
}

#[tokio::test]
async fn a_payment_is_known_without_a_read_in_both_forms() {
    let shop = Shop::notified().await;
    for form in ["notify_json", "notify_form"] {
        shop.office(None, form);
        let order = shop.made(form, &json!({"description": "Café + 50% – 订单"})).await;
        shop.pay(&order);
        let types = shop.until(&order, "notification.received", 1).await;
        assert_eq!(
            types,
            ["order.created", "operation.succeeded", "order.paid", "notification.received"],
            "{form}"
        );
        let notice = shop.0.control.notices().pop().unwrap();
        shop.0.control.wait_for_notices(notice.sequence).await;
        let listed = shop.0.get(&format!("/orders?status=paid&merchant_reference={form}")).await;
        assert_eq!(listed.json["items"][0]["provider_reference"], order.as_str());
    }
    for notice in shop.0.control.notices() {
        assert!(notice.attempts.iter().all(|attempt| attempt.delivered), "{notice:?}");
        assert_eq!(notice.attempts.len(), 1, "it heard what it wants to hear");
    }
    // A card's message has an object in it.
    let order = shop.authorized("card").await;
    shop.until(&order, "order.authorized", 1).await;
}

#[tokio::test]
async fn the_answer_is_ok_and_nothing_else() {
    let shop = Shop::notified().await;
    let data = json!({"type": "payment", "user": "016683", "trade_id": SAMPLE, "state": "paid", "demo": ""});
    let message = signed(&data, SECRET);
    for (content_type, body) in [(JSON, message.clone()), (FORM, as_form(&message)), ("text/plain", message)]
    {
        let reply = shop.notify(content_type, &body).await;
        assert_eq!((reply.status, reply.text.as_str()), (200, "ok"), "{content_type}: {reply:?}");
        assert!(reply.header("content-type").unwrap().starts_with("text/plain"), "{reply:?}");
    }
}

#[tokio::test]
async fn the_same_news_twice_and_once_more_is_applied_once() {
    let shop = Shop::notified().await;
    let order = shop.made("cart-1", &json!({})).await;
    shop.fault(NOTICE, FaultKind::NotifyTwice);
    shop.pay(&order);
    shop.until(&order, "notification.received", 1).await;
    shop.0.control.wait_for_notices(2).await;
    shop.0.control.resend_notice(shop.0.control.notices()[0].sequence).unwrap();
    shop.0.control.wait_for_notices(3).await;
    let statuses: Vec<_> = shop.0.control.notices()[0].attempts.iter().map(|one| one.status).collect();
    assert_eq!(statuses, [Some(200); 3], "all are acknowledged");
    let types = shop.events(&order).await;
    assert_eq!((count(&types, "notification.received"), count(&types, "order.paid")), (1, 1), "{types:?}");
    assert_eq!(shop.0.control.requests(QUERY), 1, "the others ask nobody");
}

/// The news of the payment comes after its refund was approved: it changes nothing.
#[tokio::test]
async fn late_and_out_of_order() {
    let shop = Shop::notified().await;
    let order = shop.made("cart-1", &json!({})).await;
    shop.fault(NOTICE, FaultKind::NotifyOutOfOrder);
    shop.pay(&order);
    let taken = shop.ask("refund", &order, Some("r"), None).await;
    assert_eq!(taken.status, 202, "{taken:?}");
    shop.office(Some(&order), "approve_refund");
    assert_eq!(shop.0.ended(&operation(&taken)).await["status"], "succeeded");
    let types = shop.until(&order, "notification.received", 2).await;
    assert_eq!((count(&types, "order.refunded"), count(&types, "refund.succeeded")), (1, 1), "{types:?}");
    let read = shop.read(&order).await;
    assert_eq!((&read.json["status"], &read.json["final"]), (&json!("refunded"), &json!(true)));

    let late = shop.made("cart-2", &json!({})).await;
    shop.fault(NOTICE, FaultKind::NotifyLate { ms: 300 });
    shop.pay(&late);
    assert_eq!(shop.ask("cancel", &late, None, None).await.json["status"], "canceled");
    let types = shop.until(&late, "notification.received", 2).await;
    assert_eq!(
        (count(&types, "order.canceled"), types.last().unwrap().as_str()),
        (1, "notification.received")
    );
    assert_eq!(shop.read(&late).await.json["status"], "canceled");
}

#[tokio::test]
async fn forged_and_altered_ones_are_refused_and_change_nothing() {
    for (form, kind) in [
        ("notify_json", FaultKind::NotifyForged),
        ("notify_json", FaultKind::NotifyAltered),
        ("notify_form", FaultKind::NotifyForged),
        ("notify_form", FaultKind::NotifyAltered),
    ] {
        let shop = Shop::notified().await;
        shop.office(None, form);
        let order = shop.made("cart-1", &json!({})).await;
        shop.fault(NOTICE, kind.clone());
        shop.pay(&order);
        shop.0.control.wait_for_notices(1).await;
        let attempt = &shop.0.control.notices()[0].attempts[0];
        assert!(matches!(attempt.status, Some(400 | 401)), "{form} {kind:?}: {attempt:?}");
        assert_eq!(shop.events(&order).await, ["order.created", "operation.succeeded"], "{form} {kind:?}");
        assert_eq!(shop.0.control.requests(QUERY), 0, "nobody is asked because of such");
    }
}

#[tokio::test]
async fn what_is_no_notification_is_refused_shortly() {
    let shop = Shop::notified().await;
    let data = json!({"type": "payment", "trade_id": SAMPLE, "state": "paid", "description": "a & b"});
    let good = signed(&data, SECRET);
    let altered = good.replace("a & b", "a & c");
    let nested = good.replace("\"a & b\"", "[\"a & b\"]");
    let upper = json!({"sign": "AB", "data": data}).to_string();
    for (content_type, body, status) in [
        (JSON, "", 400),
        (JSON, "{", 400),
        (JSON, "[]", 400),
        (JSON, "{\"sign\":\"00\"}", 400),
        (FORM, "hello=world", 400),
        (FORM, "resultData=nothing", 400),
        (JSON, "{\"data\":{}}", 401),
        (JSON, signed(&data, "somebody-else").as_str(), 401),
        (JSON, altered.as_str(), 401),
        (JSON, nested.as_str(), 401),
        (JSON, upper.as_str(), 401),
    ] {
        let reply = shop.notify(content_type, body).await;
        let code = if status == 400 { "validation_failed" } else { "unauthenticated" };
        assert_eq!(reply.problem(), (status, code), "{body}: {reply:?}");
    }
    assert_eq!(shop.notify(JSON, &"x".repeat(300 * 1024)).await.problem(), (413, "body_too_large"));
    assert_eq!(shop.0.control.total_requests(), 0);
    // A genuine one about a payment that nobody knows is kept and acknowledged.
    let other =
        json!({"type": "payment", "trade_id": "00000000-0000-4000-8000-000000000001", "state": "paid"});
    assert_eq!(shop.notify(JSON, &signed(&other, SECRET)).await.text, "ok");
}

/// Only what fits the operation in every part ends it.
#[tokio::test]
async fn news_of_another_refund_settles_nothing() {
    let shop = Shop::notified().await;
    shop.always(QUERY_REFUND, FaultKind::Garbage { effect: false });
    let order = shop.paid("cart-1").await;
    let other = shop.paid("cart-2").await;
    for order in [&order, &other] {
        shop.until(order, "notification.received", 1).await;
    }
    let taken = shop.ask("refund", &order, Some("r"), Some(300)).await;
    let id = operation(&taken);
    let place = format!("/operations/{id}");
    let mut seen = [1, 1];
    for (about, changes) in [
        (&order, json!({"refund_amount": "3.01"})),
        (&order, json!({"refund_amount": "0.03"})),
        (&order, json!({"refund_amount": "three"})),
        (&order, json!({"refund_amount": "300"})),
        (&order, json!({"refund_currency": "USD"})),
        (&order, json!({"state": "refund processing"})),
        (&order, json!({"state": "refund refunded"})),
        (&order, json!({"state": "paid"})),
        (&order, json!({"m_refund_id": "op_01909090-0000-7000-8000-000000000000"})),
        (&order, json!({"m_refund_id": "RF-1", "refund_id": id})),
        (&other, json!({})),
    ] {
        let reply = shop.notify(JSON, &signed(&refund_news(about, &id, &changes), SECRET)).await;
        assert_eq!((reply.status, reply.text.as_str()), (200, "ok"), "{changes}");
        let index = usize::from(about == &other);
        seen[index] += 1;
        shop.until(about, "notification.received", seen[index]).await;
        let operation = shop.0.get(&place).await;
        assert_eq!(operation.json["status"], "accepted", "{changes}: {operation:?}");
    }
    assert_eq!(shop.read(&other).await.json["status"], "paid");
    // The amount as a decimal, the words in any case.
    let right = json!({"refund_amount": "3.0", "refund_currency": "EUR", "state": "Refunded"});
    shop.notify(JSON, &signed(&refund_news(&order, &id, &right), SECRET)).await;
    assert_eq!(shop.0.ended(&id).await["status"], "succeeded");
    // Nothing turns it back.
    let back = json!({"state": "refund failed"});
    shop.notify(JSON, &signed(&refund_news(&order, &id, &back), SECRET)).await;
    shop.until(&order, "notification.received", seen[0] + 2).await;
    assert_eq!(shop.0.get(&place).await.json["status"], "succeeded");
    let types = shop.events(&order).await;
    assert_eq!((count(&types, "refund.succeeded"), count(&types, "refund.failed")), (1, 0), "{types:?}");
}

/// What a message leaves out is no contradiction.
#[tokio::test]
async fn news_of_a_refund_may_be_short() {
    let shop = Shop::notified().await;
    shop.always(QUERY_REFUND, FaultKind::Garbage { effect: false });
    for (reference, changes) in [
        ("a", json!({"refund_amount": null, "refund_currency": null})),
        ("b", json!({"refund_currency": null, "currency": "EUR"})),
        ("c", json!({"type": null, "user": null})),
    ] {
        let order = shop.paid(reference).await;
        let taken = shop.ask("refund", &order, Some(reference), Some(300)).await;
        let id = operation(&taken);
        shop.notify(JSON, &signed(&refund_news(&order, &id, &changes), SECRET)).await;
        assert_eq!(shop.0.ended(&id).await["status"], "succeeded", "{changes}");
    }
}

#[tokio::test]
async fn a_capture_by_hand() {
    let shop = Shop::notified().await;
    for (reference, cents, taken) in [("whole", None, 1_000), ("part", Some(400), 400)] {
        let order = shop.made(reference, &super::yabandpay::manual()).await;
        let early = shop.ask("capture", &order, None, None).await;
        assert_eq!(early.problem(), (409, "order_state_conflict"), "{early:?}");
        shop.pay(&order);
        shop.until(&order, "notification.received", 1).await;
        let reserved = shop.read(&order).await;
        assert_eq!(reserved.json["status"], "authorized", "{reserved:?}");
        assert_eq!(amounts(&reserved), [1_000, 1_000, 0, 0, 0].map(Some));
        assert_eq!(
            action(&reserved, "capture"),
            &json!({"action": "capture", "allowed": true, "partial": true, "max": 1_000})
        );
        assert_eq!(
            shop.ask("refund", &order, Some("early"), None).await.problem(),
            (409, "order_state_conflict")
        );
        let above = shop.ask("capture", &order, Some("above"), Some(1_001)).await;
        assert_eq!(above.problem(), (422, "amount_exceeds_remaining"));
        assert_eq!(
            shop.ask("capture", &order, None, Some(1)).await.problem(),
            (400, "idempotency_key_missing")
        );

        let captured = shop.ask("capture", &order, Some(reference), cents).await;
        assert_eq!((captured.status, &captured.json["status"]), (200, &json!("paid")), "{captured:?}");
        assert_eq!(captured.json["operation"]["amount"]["value"], taken);
        assert_eq!(amounts(&captured), [1_000, 1_000, taken, 0, 0].map(Some), "{captured:?}");
        let sent = shop.sent(CAPTURE).pop().unwrap();
        assert_eq!(sent["amount"], format!("{}.00", taken / 100));
        shop.until(&order, "notification.received", 2).await;
        let read = shop.read(&order).await;
        assert_eq!(amounts(&read), amounts(&captured), "{read:?}");
        assert_eq!(read.json["amount"], json!({"value": 1_000, "currency": "EUR"}));
        assert_eq!(action(&read, "refund")["max"], taken);
        let again = shop.ask("capture", &order, Some("again"), None).await;
        assert_eq!(
            (again.problem(), &again.json["reason"]),
            ((409, "order_state_conflict"), &json!("already_captured"))
        );
        let above = shop.ask("refund", &order, Some(&format!("{reference}-above")), Some(taken + 1)).await;
        assert_eq!(above.problem(), (422, "amount_exceeds_remaining"));
        let refund = shop.ask("refund", &order, Some(&format!("{reference}-r")), None).await;
        assert_eq!(
            (refund.status, &refund.json["operation"]["amount"]["value"]),
            (202, &json!(taken)),
            "{refund:?}"
        );
        shop.office(Some(&order), "approve_refund");
        shop.0.ended(&operation(&refund)).await;
        let done = shop.read(&order).await;
        assert_eq!(amounts(&done), [1_000, 1_000, taken, 0, taken].map(Some));
        assert_eq!((&done.json["status"], &done.json["final"]), (&json!("refunded"), &json!(true)));
        assert_eq!(shop.moved("capture", &order).len(), 1);
    }
    assert_eq!(shop.0.control.requests(CAPTURE), 2);

    // After a part was captured, that part is the whole that can be canceled.
    let order = shop.authorized("released").await;
    assert_eq!(shop.ask("capture", &order, Some("released"), Some(400)).await.status, 200);
    assert_eq!(action(&shop.read(&order).await, "cancel")["max"], 400);
    let canceled = shop.ask("cancel", &order, None, None).await;
    assert_eq!((canceled.status, &canceled.json["status"]), (200, &json!("canceled")), "{canceled:?}");
    assert_eq!(canceled.json["operation"]["amount"]["value"], 400);
    let read = shop.read(&order).await;
    for member in ["amount", "amounts", "status"] {
        assert_eq!(read.json[member], canceled.json[member], "{member}");
    }
}
