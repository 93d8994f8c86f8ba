//! What real reports showed: orders that are followed to their end, operations whose end the provider takes back, a store
//! that is full for a while. One of each platform where it can happen.

use std::time::Duration;

use guichet_simulator::{Fault, FaultKind, Moment, PayerAction};
use serde_json::{Value, json};

use super::{
    sips_rig::Sips,
    yabandpay::{REFUND, Shop, count},
};
use crate::rig::{CANCEL_OR_REFUND, Reply, Rig, amounts, new_order};

/// The types of an order's events once one of this type is there so often.
async fn until(rig: &Rig, order: &str, kind: &str, times: usize) -> Vec<String> {
    let path = format!("/orders/{order}/events");
    let mut seen = Vec::new();
    let look = async {
        loop {
            let events = rig.get(&path).await;
            let items = events.json["items"].as_array().unwrap().clone();
            seen = items.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
            if count(&seen, kind) >= times {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(20), look).await.is_err() {
        panic!("no {times} times {kind}: {seen:?}");
    }
    seen
}

fn store(rig: &Rig) -> rusqlite::Connection {
    let store = rusqlite::Connection::open(rig.store_path()).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    store
}

/// Makes the next read of a followed order due: its hours and days cannot be waited for.
fn read_now(rig: &Rig, order: &str) {
    let planned = store(rig)
        .execute("UPDATE orders SET next_read_at = 0 WHERE id = ?1 AND next_read_at IS NOT NULL", [order])
        .unwrap();
    assert_eq!(planned, 1, "{order} is not followed");
}

/// The account `systempay`, whose notifications find the service.
async fn notified() -> Rig {
    let rig = Rig::with(|settings| settings.server.public_url = "http://127.0.0.1:8080".to_owned()).await;
    rig.control
        .set_notification_url("lyra", "systempay", &format!("{}/notifications/systempay", rig.url))
        .unwrap();
    rig
}

/// An authorization ends at the platform hours after its page: it is seen, told, and its reference is free again.
#[tokio::test]
async fn an_authorization_that_expires_is_told() {
    let rig = Sips::reachable().await;
    let reference = rig.made("cart-1", &json!({"capture": "manual"})).await;
    let order = format!("sherlocks_{reference}");
    rig.pay(&reference);
    until(&rig, &order, "order.authorized", 1).await;
    let again = async |key: &str| {
        let mut body = new_order("cart-1");
        body["account"] = json!("sherlocks");
        rig.create(key, &body).await
    };
    let taken = again("second").await;
    assert_eq!(taken.problem(), (409, "merchant_reference_in_use"), "{taken:?}");
    assert_eq!(taken.json["order_id"], json!(order), "it names the order");
    rig.night(&reference, "expire");
    read_now(&rig, &order);
    let types = until(&rig, &order, "order.expired", 1).await;
    assert_eq!(count(&types, "order.expired"), 1);
    let made = again("third").await;
    assert_eq!(made.status, 201, "{made:?}");
}

/// "Failed, may be tried again": the refund stays accepted and reserved, and ends when the platform has done it.
#[tokio::test]
async fn a_refund_that_failed_and_may_be_tried_again_is_no_end() {
    let shop = Shop::notified().await;
    let order = shop.made("cart-1", &json!({})).await;
    let id = format!("yabandpay_{order}");
    shop.pay(&order);
    until(&shop.0, &id, "order.paid", 1).await;
    let asked = shop.ask("refund", &order, Some("r1"), Some(600)).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let operation = asked.json["operation"]["id"].as_str().unwrap().to_owned();
    shop.office(Some(&order), "fail_refund");
    until(&shop.0, &id, "notification.received", 2).await;
    let seen = shop.0.get(&format!("/operations/{operation}")).await;
    assert_eq!(seen.json["status"], "accepted", "{seen:?}");
    let read = shop.read(&order).await;
    assert_eq!(read.json["amounts"]["refund_pending"], 600, "{read:?}");
    assert_eq!(read.json["amounts"]["refunded"], 0, "{read:?}");
    let second = shop.ask("refund", &order, Some("r2"), Some(600)).await;
    assert_eq!(second.problem(), (422, "amount_exceeds_remaining"), "a second one would pay twice");
    shop.office(Some(&order), "retry_refund");
    let ended = shop.0.ended(&operation).await;
    assert_eq!((&ended["status"], &ended["outcome"]), (&json!("succeeded"), &json!("executed")));
    until(&shop.0, &id, "order.partially_refunded", 1).await;
    let read = shop.read(&order).await;
    assert_eq!(
        (&read.json["amounts"]["refund_pending"], &read.json["amounts"]["refunded"]),
        (&json!(0), &json!(600)),
        "{read:?}"
    );
}

/// A refusal that the platform takes back is recorded, blocks the order, and waits for a person.
#[tokio::test]
async fn a_refusal_that_the_platform_contradicts_waits_for_a_person() {
    let shop = Shop::notified().await;
    let order = shop.made("cart-1", &json!({})).await;
    let id = format!("yabandpay_{order}");
    shop.pay(&order);
    until(&shop.0, &id, "order.paid", 1).await;
    let asked = shop.ask("refund", &order, Some("r1"), Some(600)).await;
    let operation = asked.json["operation"]["id"].as_str().unwrap().to_owned();
    // A person believes that it came to nothing.
    let settled = settle(&shop.0, &operation, "refused").await;
    assert_eq!(
        (settled.status, &settled.json["operation"]["status"]),
        (200, &json!("refused")),
        "{settled:?}"
    );
    shop.office(Some(&order), "approve_refund");
    until(&shop.0, &id, "operation.needs_review", 1).await;
    let seen = shop.0.get(&format!("/operations/{operation}")).await;
    assert_eq!(seen.json["status"], "needs_review", "{seen:?}");
    assert_eq!(seen.json["contradiction"]["source"], "notification", "{seen:?}");
    let second = shop.ask("refund", &order, Some("r2"), Some(100)).await;
    assert_eq!(second.problem(), (409, "operation_in_progress"), "{second:?}");
    assert_eq!(second.json["operation_id"], json!(operation));
    let replay = shop.ask("refund", &order, Some("r1"), Some(600)).await;
    assert_eq!(replay.status, 202, "{replay:?}");
    let settled = settle(&shop.0, &operation, "succeeded").await;
    assert_eq!(settled.json["operation"]["status"], "succeeded", "{settled:?}");
    assert!(settled.json["operation"]["contradiction"].is_object(), "it stays on record");
    let second = shop.ask("refund", &order, Some("r3"), Some(500)).await;
    assert_eq!(second.problem(), (422, "amount_exceeds_remaining"), "its amount counts: {second:?}");
}

async fn settle(rig: &Rig, operation: &str, status: &str) -> Reply {
    let body = json!({"as": status, "reason": "seen in the back office"});
    rig.post(&format!("/operations/{operation}/settle"), &[], Some(&body)).await
}

/// The bank rejects a refund after it succeeded: the operation stays and is marked, and its amount counts no more.
#[tokio::test]
async fn a_refund_that_the_bank_rejects_is_reversed() {
    let rig = Rig::new().await;
    let reference = rig.captured("cart-1").await;
    let order = format!("systempay_{reference}");
    let refunded = rig.act("refund", &reference, Some("r1"), Some(400)).await;
    assert_eq!(refunded.status, 200, "{refunded:?}");
    assert_eq!(refunded.json["status"], "partially_refunded");
    assert_eq!(refunded.json["final"], false, "the bank may still reject it");
    let operation = refunded.json["operation"]["id"].as_str().unwrap().to_owned();
    rig.remit(&reference);
    rig.control.act("lyra", "systempay", Some(&reference), "fail_refund").unwrap();
    read_now(&rig, &order);
    let types = until(&rig, &order, "refund.failed", 1).await;
    assert_eq!(count(&types, "operation.reversed"), 1, "{types:?}");
    assert!(count(&types, "order.paid") <= 1, "not told a second time: {types:?}");
    assert_eq!(types.last().map(String::as_str), Some("refund.failed"), "{types:?}");
    let seen = rig.get(&format!("/operations/{operation}")).await;
    assert_eq!((&seen.json["status"], &seen.json["outcome"]), (&json!("succeeded"), &json!("executed")));
    assert!(seen.json["reversed"]["at"].is_string(), "{seen:?}");
    let replay = rig.act("refund", &reference, Some("r1"), Some(400)).await;
    assert_eq!(
        (replay.status, &replay.json["operation"]["outcome"]),
        (200, &json!("executed")),
        "a replayed key keeps its status code: {replay:?}"
    );
    let all = rig.act("refund", &reference, Some("r2"), None).await;
    assert_eq!((all.status, &all.json["operation"]["amount"]["value"]), (200, &json!(1_000)), "{all:?}");
}

/// A capture that the bank rejects is told without anybody asking.
#[tokio::test]
async fn a_capture_that_fails_later_is_told() {
    let rig = Rig::new().await;
    let reference = rig.made("cart-1", &json!({"capture": "manual"})).await;
    let order = format!("systempay_{reference}");
    rig.pay(&reference);
    let captured = rig.act("capture", &reference, Some("c1"), None).await;
    assert_eq!(captured.status, 200, "{captured:?}");
    let operation = captured.json["operation"]["id"].as_str().unwrap().to_owned();
    rig.remit(&reference);
    rig.control.act("lyra", "systempay", Some(&reference), "reject_capture").unwrap();
    read_now(&rig, &order);
    until(&rig, &order, "order.failed", 1).await;
    until(&rig, &order, "operation.reversed", 1).await;
    let seen = rig.get(&format!("/operations/{operation}")).await;
    assert!(seen.json["reversed"].is_object(), "{seen:?}");
    assert_eq!(rig.read(&reference).await.json["amounts"]["captured"], 0);
}

/// The store takes nothing between the sending of a change and its outcome: the outcome is kept, counted, and written when
/// there is room, and the order is free again without a restart.
#[tokio::test]
async fn an_outcome_waits_for_a_store_that_is_full() {
    let rig = Rig::with(|settings| settings.server.request_timeout = Duration::from_secs(3)).await;
    let reference = rig.captured("cart-1").await;
    let hold = rig
        .control
        .add_fault(Fault::new("lyra", FaultKind::Hold { when: Moment::After }).on_service(CANCEL_OR_REFUND));
    let full = "CREATE TRIGGER full_1 BEFORE UPDATE ON operations BEGIN SELECT RAISE(ABORT, 'the disk is full'); END; \
                CREATE TRIGGER full_2 BEFORE UPDATE ON counters BEGIN SELECT RAISE(ABORT, 'the disk is full'); END;";
    let meanwhile = async {
        assert!(rig.control.held(hold).await);
        store(&rig).execute_batch(full).unwrap();
        rig.control.release(hold);
    };
    let (asked, ()) = tokio::join!(rig.act("refund", &reference, Some("r1"), Some(400)), meanwhile);
    assert_eq!(asked.status, 202, "{asked:?}");
    let operation = asked.json["operation"]["id"].as_str().unwrap().to_owned();
    let metrics = metrics(&rig).await;
    assert!(metrics.contains("gateway_operations_stuck 1"), "{metrics}");
    let ready = reqwest::get(format!("{}/readyz", rig.ops_url)).await.unwrap();
    assert_eq!(ready.status(), 503, "it cannot write");
    store(&rig).execute_batch("DROP TRIGGER full_1; DROP TRIGGER full_2").unwrap();
    let ended = rig.ended(&operation).await;
    assert_eq!((&ended["status"], &ended["outcome"]), (&json!("succeeded"), &json!("executed")));
    let again = rig.act("refund", &reference, Some("r2"), Some(100)).await;
    assert_eq!(again.status, 200, "the order is free: {again:?}");
    assert!(self::metrics(&rig).await.contains("gateway_operations_stuck 0"));
    assert_eq!(rig.effects("refund").len(), 2, "nothing was sent twice");
}

async fn metrics(rig: &Rig) -> String {
    reqwest::get(format!("{}/metrics", rig.ops_url)).await.unwrap().text().await.unwrap()
}

/// A refund whose end is notified before its answer comes: the answer shows the order after it.
#[tokio::test]
async fn the_answer_shows_the_order_after_an_end_that_was_notified_first() {
    let shop = Shop::notified().await;
    shop.office(None, "refunds_at_once");
    let order = shop.made("cart-1", &json!({})).await;
    let id = format!("yabandpay_{order}");
    shop.pay(&order);
    until(&shop.0, &id, "order.paid", 1).await;
    let hold = shop.fault(REFUND, FaultKind::Hold { when: Moment::After });
    let meanwhile = async {
        assert!(shop.0.control.held(hold).await);
        until(&shop.0, &id, "refund.succeeded", 1).await;
        shop.0.control.release(hold);
    };
    let (reply, ()) = tokio::join!(shop.ask("refund", &order, Some("r1"), Some(600)), meanwhile);
    assert_eq!((reply.status, &reply.json["status"]), (200, &json!("partially_refunded")), "{reply:?}");
    assert_eq!(amounts(&reply)[4], Some(600), "{reply:?}");
}

/// A declined order that can still be paid keeps its reference: two pages of one cart must not both be payable.
#[tokio::test]
async fn a_declined_order_that_can_be_paid_keeps_its_reference() {
    let rig = notified().await;
    let reference = rig.made("cart-1", &json!({})).await;
    rig.control.payer("lyra", "systempay", &reference, PayerAction::Decline).unwrap();
    assert_eq!(rig.read(&reference).await.json["status"], "declined");
    until(&rig, &format!("systempay_{reference}"), "notification.received", 1).await;
    let second = rig.create("another", &new_order("cart-1")).await;
    assert_eq!(second.problem(), (409, "merchant_reference_in_use"), "{second:?}");
    assert_eq!(second.json["order_id"], json!(format!("systempay_{reference}")));
    let detail = second.json["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.contains(&reference) && detail.contains("cancel it first"), "{detail}");
    // The platform says that the payer cannot try again: the reference is free.
    rig.control.act("lyra", "systempay", Some(&reference), "close_cycle").unwrap();
    let order = format!("systempay_{reference}");
    let is_final = async {
        while rig.get(&format!("/orders/{order}")).await.json["final"] != true {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), is_final).await.unwrap();
    until(&rig, &order, "notification.received", 2).await;
    assert_eq!(rig.create("third", &new_order("cart-1")).await.status, 201);
}

/// A payer who opens the page of a paid order once more goes back to the shop and cannot pay twice.
#[tokio::test]
async fn the_page_of_a_paid_order_leads_back_to_the_shop() {
    let rig = Sips::reachable().await;
    let made = rig.ask("cart-1", &json!({})).await;
    let reference = made.json["provider_reference"].as_str().unwrap();
    let link = made.json["checkout"]["link"].as_str().unwrap();
    let page = format!("{}{}", rig.url, &link[link.find("/pay/").unwrap()..]);
    let browser =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    assert_eq!(browser.get(&page).send().await.unwrap().status(), 200);
    rig.pay(reference);
    until(&rig, &format!("sherlocks_{reference}"), "order.paid", 1).await;
    let back = browser.get(&page).send().await.unwrap();
    assert_eq!(back.status(), 303);
    assert_eq!(back.headers()["location"], "https://shop.example/back?cart=42");
}

/// `declined` once more, then a payment: an earlier try without money spoils nothing.
#[tokio::test]
async fn an_earlier_try_spoils_nothing() {
    let rig = Rig::new().await;
    for action in ["attempt_error", "attempt_abandoned"] {
        let reference = rig.made(&format!("cart-{action}"), &json!({})).await;
        rig.control.act("lyra", "systempay", Some(&reference), action).unwrap();
        rig.pay(&reference);
        let paid = rig.read(&reference).await;
        assert_eq!((&paid.json["status"], amounts(&paid)[1]), (&json!("paid"), Some(1_000)), "{paid:?}");
        let canceled = rig.act("cancel", &reference, None, None).await;
        assert_eq!(canceled.status, 200, "{action}: {canceled:?}");
    }
}

/// The payer pays on a page opened before the order was raised: what was authorized is what was authorized.
#[tokio::test]
async fn authorized_is_what_the_provider_authorized() {
    let rig = Rig::new().await;
    let reference = rig.made("cart-1", &json!({"amount": {"value": 5_000, "currency": "EUR"}})).await;
    rig.control.act_amount("lyra", "systempay", &reference, "pay_amount", 3_000).unwrap();
    let paid = rig.read(&reference).await;
    let expected = [Some(5_000), Some(3_000), Some(0), Some(0), Some(0)];
    assert_eq!(amounts(&paid), expected, "{paid:?}");
}

/// The back office lowers an amount: the same transaction in the same state, and it is news.
#[tokio::test]
async fn a_lowered_amount_is_news() {
    let rig = notified().await;
    let reference = rig.paid("cart-1").await;
    let order = format!("systempay_{reference}");
    until(&rig, &order, "order.paid", 1).await;
    rig.control.act_amount("lyra", "systempay", &reference, "back_office_lower", 700).unwrap();
    let types = until(&rig, &order, "notification.received", 2).await;
    assert_eq!(count(&types, "order.updated"), 1, "{types:?}");
    let events = rig.get(&format!("/orders/{order}/events")).await;
    let updated =
        events.json["items"].as_array().unwrap().iter().find(|e| e["type"] == "order.updated").unwrap();
    assert_eq!(updated["data"]["previous_status"], "paid", "{updated}");
    assert_eq!(updated["data"]["amounts"]["canceled"], json!(300), "{updated}");
    let value: Value = rig.read(&reference).await.json;
    assert_eq!(value["amounts"]["canceled"], 300, "{value}");
}

/// A platform that takes every read and answers none delays nobody else's reads.
#[tokio::test]
async fn a_dead_account_delays_nobody_elses_reads() {
    let shop = Shop::new().await;
    let rig = &shop.0;
    for number in 0..20 {
        shop.made(&format!("dead-{number}"), &json!({})).await;
    }
    let mut orders = Vec::new();
    for number in 0..5 {
        orders.push(rig.paid(&format!("alive-{number}")).await);
    }
    let dead = rig.control.add_fault(
        Fault::new("yabandpay", FaultKind::Hold { when: Moment::Before })
            .on_service(super::yabandpay::QUERY)
            .times(0),
    );
    let due =
        store(rig).execute("UPDATE orders SET next_read_at = 0 WHERE next_read_at IS NOT NULL", []).unwrap();
    assert_eq!(due, 25, "all are followed");
    let begun = std::time::Instant::now();
    for order in &orders {
        until(rig, &format!("systempay_{order}"), "order.paid", 1).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(rig.control.held(dead).await, "the dead one was asked");
    let metrics = metrics(rig).await;
    assert!(metrics.contains("gateway_follow_overdue_seconds{provider=\"yabandpay\"}"), "{metrics}");
    rig.control.release(dead);
}
