//! Refunds at YabandPay: taken at once, approved days later, or not at all.

use std::time::Duration;

use guichet_simulator::FaultKind;
use serde_json::json;

use super::yabandpay::{CANCEL, QUERY_REFUND, REFUND, Shop, action, count, operation};
use crate::rig::{Reply, amounts};

/// requested, authorized, captured, canceled, refunded, all told.
fn all(values: [i64; 5]) -> [Option<i64>; 5] {
    values.map(Some)
}

#[track_caller]
fn accepted(reply: &Reply, cents: i64) -> String {
    assert_eq!(reply.status, 202, "{reply:?}");
    let operation = &reply.json["operation"];
    assert_eq!(
        (&operation["status"], &operation["outcome"]),
        (&json!("accepted"), &json!("accepted")),
        "{reply:?}"
    );
    assert_eq!(operation["amount"], json!({"value": cents, "currency": "EUR"}));
    assert_eq!(
        reply.header("location").unwrap(),
        format!("/operations/{}", operation["id"].as_str().unwrap())
    );
    operation["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn seen(reply: &Reply, status: &str, refunded: i64) {
    assert_eq!((reply.status, &reply.json["status"]), (200, &json!(status)), "{reply:?}");
    assert_eq!(amounts(reply), all([1_000, 1_000, 1_000, 0, refunded]), "{reply:?}");
}

#[tokio::test]
async fn paid_then_refunded_in_parts_that_a_person_approves() {
    let shop = Shop::notified().await;
    let order = shop.made("cart-1", &json!({})).await;
    let early = shop.ask("refund", &order, Some("early"), None).await;
    assert_eq!((early.problem(), &early.json["reason"]), ((409, "order_state_conflict"), &json!("not_paid")));
    shop.pay(&order);
    shop.until(&order, "notification.received", 1).await;
    seen(&shop.read(&order).await, "paid", 0);
    assert_eq!(shop.ask("refund", &order, None, None).await.problem(), (400, "idempotency_key_missing"));

    // Its notification alone settles it: reads of refunds tell nothing.
    shop.always(QUERY_REFUND, FaultKind::Garbage { effect: false });
    let part = shop.ask("refund", &order, Some("r1"), Some(300)).await;
    let id = accepted(&part, 300);
    let sent = &shop.sent(REFUND)[0];
    assert_eq!((&sent["refund_amount"], &sent["refund_currency"]), (&json!("3.00"), &json!("EUR")));
    assert_eq!((&sent["trade_id"], &sent["m_refund_id"]), (&json!(order), &json!(id)));
    assert_eq!(sent["notify_url"], format!("{}/notifications/yabandpay", shop.0.url));
    // It waits for a person: nothing is given back yet, and its amount is reserved.
    let taken = shop.read(&order).await;
    seen(&taken, "paid", 0);
    let cancel = action(&taken, "cancel");
    assert_eq!((&cancel["allowed"], &cancel["reason"]), (&json!(false), &json!("refund_pending")));
    assert_eq!((&taken.json["final"], &action(&taken, "refund")["max"]), (&json!(false), &json!(700)));
    let replay = shop.ask("refund", &order, Some("r1"), Some(300)).await;
    assert_eq!((replay.status, operation(&replay)), (202, id.clone()), "{replay:?}");

    // What waits for approval counts.
    let above = shop.ask("refund", &order, Some("r2"), Some(701)).await;
    assert_eq!(
        (above.problem(), above.pointer()),
        ((422, "amount_exceeds_remaining"), Some("/amount/value"))
    );
    assert_eq!(shop.0.control.requests(REFUND), 1);

    // Three days later.
    shop.0.control.advance(Duration::from_secs(3 * 86_400));
    shop.office(Some(&order), "approve_refund");
    let ended = shop.0.ended(&id).await;
    assert_eq!((&ended["status"], &ended["outcome"]), (&json!("succeeded"), &json!("executed")));
    let types = shop.until(&order, "notification.received", 2).await;
    assert_eq!(
        (count(&types, "refund.succeeded"), count(&types, "order.partially_refunded")),
        (1, 1),
        "{types:?}"
    );
    seen(&shop.read(&order).await, "partially_refunded", 300);
    let replay = shop.ask("refund", &order, Some("r1"), Some(300)).await;
    assert_eq!((replay.status, replay.header("idempotent-replayed")), (200, Some("true")), "{replay:?}");

    // One that is rejected gives its amount back.
    let rejected = accepted(&shop.ask("refund", &order, Some("r3"), Some(500)).await, 500);
    assert_eq!(
        shop.ask("refund", &order, Some("r4"), Some(201)).await.problem(),
        (422, "amount_exceeds_remaining")
    );
    shop.office(Some(&order), "reject_refund");
    let ended = shop.0.ended(&rejected).await;
    assert_eq!((&ended["status"], &ended["outcome"]), (&json!("refused"), &json!("refused")));
    let types = shop.until(&order, "refund.failed", 1).await;
    assert_eq!((count(&types, "refund.failed"), count(&types, "operation.refused")), (1, 1), "{types:?}");
    shop.until(&order, "notification.received", 3).await;
    seen(&shop.read(&order).await, "partially_refunded", 300);
    let told = shop.ask("refund", &order, Some("r3"), Some(500)).await;
    assert_eq!(
        (told.problem(), &told.json["outcome"]),
        ((422, "provider_refused"), &json!("refused")),
        "{told:?}"
    );
    assert_eq!(told.json["provider"]["code"], "refund cancel", "{told:?}");

    // The rest.
    let rest = accepted(&shop.ask("refund", &order, Some("r4"), None).await, 700);
    let all_taken = shop.read(&order).await;
    seen(&all_taken, "partially_refunded", 300);
    assert_eq!(all_taken.json["final"], false, "it may still be rejected");
    let more = shop.ask("refund", &order, Some("r5"), Some(1)).await;
    assert_eq!(
        (more.problem(), &more.json["reason"]),
        ((409, "order_state_conflict"), &json!("refund_pending"))
    );
    shop.office(Some(&order), "approve_refund");
    shop.0.ended(&rest).await;
    let types = shop.until(&order, "notification.received", 4).await;
    assert_eq!((count(&types, "refund.succeeded"), count(&types, "order.refunded")), (2, 1), "{types:?}");
    let done = shop.read(&order).await;
    seen(&done, "refunded", 1_000);
    assert_eq!(done.json["final"], true);
    assert_eq!(shop.ask("cancel", &order, None, None).await.problem(), (409, "order_state_conflict"));
    assert_eq!(shop.moved("refund_approved", &order), [Some(300), Some(700)]);
    assert_eq!((shop.0.control.requests(REFUND), shop.0.control.requests(CANCEL)), (3, 0));
    shop.0.stop().await;
}

/// Nobody receives notifications here: the refund is asked for, and then the order is as it was.
#[tokio::test]
async fn a_rejected_or_failed_refund_is_read() {
    let shop = Shop::new().await;
    for (reference, end, word) in [("a", "reject_refund", "refund cancel"), ("c", "approve_refund", "")] {
        let order = shop.paid(reference).await;
        let id = accepted(&shop.ask("refund", &order, Some(reference), None).await, 1_000);
        seen(&shop.read(&order).await, "paid", 0);
        shop.office(Some(&order), end);
        let ended = shop.0.ended(&id).await;
        if word.is_empty() {
            assert_eq!(ended["status"], "succeeded");
            let done = shop.read(&order).await;
            seen(&done, "refunded", 1_000);
            assert_eq!(done.json["final"], true);
            continue;
        }
        assert_eq!((&ended["status"], &ended["outcome"]), (&json!("refused"), &json!("refused")), "{ended}");
        seen(&shop.read(&order).await, "paid", 0);
        let types = shop.events(&order).await;
        assert_eq!(count(&types, "refund.failed"), 1, "{types:?}");
        let told = shop.ask("refund", &order, Some(reference), None).await;
        assert_eq!(
            (told.problem(), &told.json["provider"]["code"]),
            ((422, "provider_refused"), &json!(word))
        );
        // A new one is a new one.
        accepted(&shop.ask("refund", &order, Some(&format!("{reference}-again")), None).await, 1_000);
    }
}

/// State 24: "failed, may be tried again" is no end. Neither its notification nor a read of it says one.
#[tokio::test]
async fn a_failed_refund_may_still_be_done() {
    let shop = Shop::notified().await;
    let order = shop.paid("cart-1").await;
    shop.until(&order, "notification.received", 1).await;
    let id = accepted(&shop.ask("refund", &order, Some("r1"), Some(600)).await, 600);
    shop.office(Some(&order), "fail_refund");
    let types = shop.until(&order, "notification.received", 2).await;
    assert_eq!((count(&types, "refund.failed"), count(&types, "operation.refused")), (0, 0), "{types:?}");
    let read = shop.read(&order).await;
    seen(&read, "paid", 0);
    assert_eq!(action(&read, "refund")["max"], 400);
    assert_eq!(shop.0.get(&format!("/operations/{id}")).await.json["status"], "accepted");
    // What it may still give back is not given back a second time.
    let again = shop.ask("refund", &order, Some("r2"), Some(600)).await;
    assert_eq!(again.problem(), (422, "amount_exceeds_remaining"), "{again:?}");
    assert_eq!(shop.0.control.requests(REFUND), 1);
}

#[tokio::test]
async fn refunds_that_are_done_at_once() {
    let shop = Shop::new().await;
    shop.office(None, "refunds_at_once");
    let order = shop.paid("cart-1").await;
    let part = shop.ask("refund", &order, Some("r1"), Some(300)).await;
    seen(&part, "partially_refunded", 300);
    assert_eq!(part.json["operation"]["outcome"], "executed");
    let rest = shop.ask("refund", &order, Some("r2"), Some(700)).await;
    seen(&rest, "refunded", 1_000);
    let whole = shop.paid("cart-2").await;
    let all = shop.ask("refund", &whole, Some("r3"), None).await;
    seen(&all, "refunded", 1_000);
    for order in [&order, &whole] {
        let read = shop.read(order).await;
        assert_eq!((&read.json["status"], &read.json["final"]), (&json!("refunded"), &json!(true)));
        let types = shop.events(order).await;
        assert_eq!(count(&types, "order.refunded"), 1, "{types:?}");
    }
    assert_eq!(all.json["final"], true, "what was answered is what is read");
}

#[tokio::test]
async fn what_the_platform_refuses_of_refunds() {
    let shop = Shop::new().await;
    let order = shop.paid("cart-1").await;
    shop.office(None, "refunds_disabled");
    let refused = shop.ask("refund", &order, Some("r1"), None).await;
    assert_eq!(
        (refused.problem(), &refused.json["outcome"]),
        ((422, "provider_refused"), &json!("refused")),
        "{refused:?}"
    );
    seen(&shop.read(&order).await, "paid", 0);
    let types = shop.events(&order).await;
    assert_eq!(count(&types, "refund.failed"), 1, "{types:?}");
    shop.office(None, "refunds_need_approval");
    let dollars = json!({"amount": {"value": 1, "currency": "USD"}});
    let place = format!("/orders/yabandpay_{order}/refund");
    let reply = shop.0.post(&place, &[("idempotency-key", "r2")], Some(&dollars)).await;
    assert_eq!((reply.problem(), reply.pointer()), ((422, "currency_mismatch"), Some("/amount/currency")));
    // Somebody refunded more in the portal than guichet can know.
    let patch = json!({"refund_amount": "9.00"});
    shop.0.control.add_transaction("yabandpay", "yabandpay", &order, &patch).unwrap();
    let above = shop.ask("refund", &order, Some("r3"), Some(200)).await;
    assert_eq!(above.problem(), (422, "provider_refused"), "{above:?}");
    assert_eq!(above.json["outcome"], "refused");
    accepted(&shop.ask("refund", &order, Some("r4"), Some(100)).await, 100);
}

/// A second click with a new key must not pay twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refunds_at_the_same_time_never_exceed_the_payment() {
    let shop = Shop::new().await;
    for (round, (cents, most)) in [(None, 1), (Some(600), 1), (Some(400), 2)].into_iter().enumerate() {
        let order = shop.paid(&format!("cart-{round}")).await;
        let keys: Vec<String> = (0..8).map(|n| format!("{round}-{n}")).collect();
        let calls = keys.iter().map(|key| shop.ask("refund", &order, Some(key), cents));
        let replies = futures_util::future::join_all(calls).await;
        let taken = replies.iter().filter(|reply| reply.status == 202).count();
        assert!((1..=most).contains(&taken), "{taken} of {most}");
        for reply in replies.iter().filter(|reply| reply.status != 202) {
            assert!(
                matches!(
                    reply.problem(),
                    (409, "operation_in_progress" | "order_state_conflict")
                        | (422, "amount_exceeds_remaining")
                ),
                "{reply:?}"
            );
            assert_eq!(reply.json["outcome"], "not_executed");
        }
        assert_eq!(shop.moved("refund", &order).len(), taken);
        let sent = shop.sent(REFUND).iter().filter(|data| data["trade_id"] == order.as_str()).count();
        assert_eq!(sent, taken, "nothing was left to the platform's own limit");
    }
}
