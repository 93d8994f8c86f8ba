//! Notifications of simulated platforms, end to end: a payment is known without anybody reading the order.

use std::time::Duration;

use guichet::config::Settings;
use guichet_simulator::{Fault, FaultKind, Moment, PayerAction};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{GET, Rig, SAMPLE, new_order};

/// Notifications come to where the service is bound.
async fn rig() -> Rig {
    Rig::with(|settings: &mut Settings| settings.server.public_url = "http://127.0.0.1:8080".to_owned()).await
}

/// Waits until the timeline of an order has an event of this type, and gives the types so far.
async fn until(rig: &Rig, order: &str, event_type: &str) -> Vec<String> {
    let path = format!("/orders/systempay_{order}/events");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let events = rig.get(&path).await;
        let types: Vec<String> = events.json["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect();
        if types.iter().any(|found| found == event_type) {
            return types;
        }
        assert!(tokio::time::Instant::now() < deadline, "no {event_type} among {types:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_payment_is_known_without_a_read() {
    let rig = rig().await;
    let order = rig.made("cart-1", &json!({})).await;
    rig.pay(&order);
    let types = until(&rig, &order, "notification.received").await;
    assert_eq!(
        types,
        ["order.created", "operation.succeeded", "order.paid", "notification.received"],
        "the platform was read, the payment kept, then the notification was done with"
    );
    let timeline = rig.get(&format!("/orders/systempay_{order}/events")).await;
    let events = timeline.json["items"].as_array().unwrap();
    let behind = |event: &Value| (event["request_id"].clone(), event["trace_id"].clone());
    assert!(behind(&events[3]).0.is_string() && behind(&events[3]).1.is_string(), "{events:?}");
    assert_eq!(behind(&events[2]), behind(&events[3]), "both came of the platform's request");
    assert_ne!(behind(&events[3]), behind(&events[0]), "which is not that of the caller");
    let listed = rig.get("/orders?status=paid").await;
    assert_eq!(listed.json["items"][0]["provider_reference"], order.as_str());
}

#[tokio::test]
async fn the_same_news_twice_is_applied_once() {
    let rig = rig().await;
    let order = rig.made("cart-1", &json!({})).await;
    let twice = Fault::new("lyra", FaultKind::NotifyTwice).on_service("notification");
    rig.control.add_fault(twice);
    rig.pay(&order);
    until(&rig, &order, "notification.received").await;
    rig.control.wait_for_notices(2).await;
    let reads = rig.control.requests(GET);
    for attempt in rig.control.notices()[0].attempts.iter() {
        assert_eq!(attempt.status, Some(200), "both are acknowledged");
    }
    let types = until(&rig, &order, "notification.received").await;
    assert_eq!(types.iter().filter(|found| *found == "notification.received").count(), 1);
    assert_eq!(rig.control.requests(GET), reads, "the second one asks nobody");
}

/// While one provider does not answer, the news of the others are applied, however many there are.
#[tokio::test]
async fn a_slow_provider_holds_up_nobody_elses_news() {
    let rig = rig().await;
    let slow = rig.made("cart-1", &json!({})).await;
    let mut body = new_order("cart-2");
    body["account"] = json!("yabandpay");
    let made = rig.create("other", &body).await;
    let other = made.json["provider_reference"].as_str().unwrap().to_owned();
    let hold = rig.fault(GET, FaultKind::Hold { when: Moment::Before });
    rig.pay(&slow);
    assert!(rig.control.held(hold).await, "the news of the slow one are being applied");
    rig.control.payer("yabandpay", "yabandpay", &other, PayerAction::Pay).unwrap();
    let path = format!("/orders/yabandpay_{other}/events");
    // Less than the slow read may take.
    let known = tokio::time::timeout(Duration::from_secs(5), async {
        while !rig.get(&path).await.text.contains("notification.received") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(known.await.is_ok(), "the other one waits for it");
    rig.control.release(hold);
    until(&rig, &slow, "notification.received").await;
}

#[tokio::test]
async fn forged_and_altered_ones_are_refused_and_change_nothing() {
    for kind in [FaultKind::NotifyForged, FaultKind::NotifyAltered] {
        let rig = rig().await;
        let order = rig.made("cart-1", &json!({})).await;
        rig.control.add_fault(Fault::new("lyra", kind.clone()).on_service("notification"));
        rig.pay(&order);
        rig.control.wait_for_notices(1).await;
        let attempt = &rig.control.notices()[0].attempts[0];
        assert!(matches!(attempt.status, Some(400 | 401)), "{kind:?}: {attempt:?}");
        let types = until(&rig, &order, "operation.succeeded").await;
        assert_eq!(types, ["order.created", "operation.succeeded"], "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_no_notification_is_refused_shortly() {
    let rig = rig().await;
    let post = async |account: &str, body: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        rig.send(Method::POST, &format!("/notifications/{account}"), &headers, Some(body)).await
    };
    assert_eq!(post("systempay", "hello=world").await.problem(), (400, "validation_failed"));
    let unsigned = "kr-hash=00&kr-hash-algorithm=sha256_hmac&kr-hash-key=password&kr-answer=%7B%7D";
    assert_eq!(post("systempay", unsigned).await.problem(), (401, "unauthenticated"));
    assert_eq!(post("nobody", unsigned).await.problem(), (404, "not_found"));
    assert_eq!(post("systempay", &"x".repeat(300 * 1024)).await.problem(), (413, "body_too_large"));
    assert_eq!(rig.get("/notifications/systempay").await.problem(), (405, "method_not_allowed"));
    assert_eq!(rig.control.total_requests(), 0, "nobody is asked because of such");
}

/// An order made elsewhere is found by the merchant's reference once it was read here.
#[tokio::test]
async fn orders_made_elsewhere_are_found_by_their_reference() {
    let rig = rig().await;
    let path = format!("/orders/systempay_{SAMPLE}");
    assert_eq!(rig.get(&path).await.status, 200);
    let url = format!("{}/notifications/systempay", rig.url);
    rig.control.set_notification_url("lyra", "systempay", &url).unwrap();
    rig.pay(SAMPLE);
    let types = until(&rig, SAMPLE, "notification.received").await;
    assert!(types.contains(&"order.paid".to_owned()), "{types:?}");
}

/// A dead platform does not lose a notification: it is applied when the platform answers again.
#[tokio::test]
async fn a_notification_waits_until_the_platform_can_be_read() {
    let rig = rig().await;
    let order = rig.made("cart-1", &json!({})).await;
    let dead = FaultKind::HttpStatus {
        code: 503,
        body: "away".to_owned(),
        content_type: "text/plain".to_owned(),
        effect: false,
    };
    rig.control.add_fault(Fault::new("lyra", dead).on_service(GET).times(1));
    rig.pay(&order);
    let types = until(&rig, &order, "order.paid").await;
    assert!(types.contains(&"order.paid".to_owned()));
}

#[tokio::test]
async fn lists_have_pages_and_cursors_of_their_own() {
    let rig = Rig::new().await;
    for number in 0..5 {
        rig.made(&format!("cart-{number}"), &json!({})).await;
    }
    for list in ["/orders", "/operations"] {
        let first = rig.get(&format!("{list}?limit=2")).await;
        let ids = |reply: &Value| -> Vec<String> {
            let items = reply["items"].as_array().unwrap();
            items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
        };
        let mut seen = ids(&first.json);
        let mut cursor = first.json["next_cursor"].as_str().map(str::to_owned);
        while let Some(next) = cursor {
            let page = rig.get(&format!("{list}?limit=2&cursor={next}")).await;
            assert_eq!(page.status, 200, "{page:?}");
            seen.extend(ids(&page.json));
            cursor = page.json["next_cursor"].as_str().map(str::to_owned);
        }
        assert_eq!(seen.len(), 5, "{list}");
        assert_eq!(seen.iter().collect::<std::collections::BTreeSet<_>>().len(), 5, "{list}");
        let newest = rig.get(&format!("{list}?sort=-created_at&limit=3")).await;
        let mut backwards = ids(&newest.json);
        let cursor = newest.json["next_cursor"].as_str().unwrap();
        let rest = rig.get(&format!("{list}?sort=-created_at&limit=3&cursor={cursor}")).await;
        assert_eq!(rest.json["next_cursor"], Value::Null);
        backwards.extend(ids(&rest.json));
        assert!(backwards.iter().eq(seen.iter().rev()), "{list}: {backwards:?} {seen:?}");
        for other in ["", "sort=created_at&"] {
            let refused = rig.get(&format!("{list}?{other}cursor={cursor}")).await;
            assert_eq!(refused.problem(), (400, "invalid_cursor"), "of the other order");
        }
        let same = rig.get(&format!("{list}?sort=created_at")).await;
        assert_eq!(ids(&same.json), seen);
        for wrong in ["updated_at", "", "+created_at", "--created_at", "-CREATED_AT"] {
            let refused = rig.get(&format!("{list}?sort={wrong}")).await;
            assert_eq!(refused.problem(), (400, "validation_failed"), "{wrong}");
            assert_eq!(refused.pointer(), Some("/sort"), "{wrong}");
        }
        let foreign = first.json["next_cursor"].as_str().unwrap();
        let other = rig.get(&format!("{list}?account=systempay&cursor={foreign}")).await;
        assert_eq!(other.problem(), (400, "invalid_cursor"), "of another filter");
        assert_eq!(rig.get(&format!("{list}?limit=0")).await.problem(), (400, "validation_failed"));
        assert_eq!(rig.get(&format!("{list}?nothing=1")).await.problem(), (400, "validation_failed"));
        assert_eq!(rig.get(&format!("{list}?status=nonsense")).await.problem(), (400, "validation_failed"));
    }
    assert_eq!(rig.get("/orders?merchant_reference=cart-3").await.json["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_person_settles_what_nothing_else_can() {
    let rig = Rig::new().await;
    let order = rig.made("cart-1", &json!({})).await;
    let lost = Fault::new("lyra", FaultKind::CutBefore).on_service("Charge/PaymentOrder/Cancel");
    rig.control.add_fault(lost);
    let open = rig.post(&format!("/orders/systempay_{order}/cancel"), &[], None).await;
    assert_eq!((open.status, &open.json["operation"]["outcome"]), (202, &json!("unknown")));
    let id = open.json["operation"]["id"].as_str().unwrap();
    let settle = format!("/operations/{id}/settle");
    let wrong = rig.post(&settle, &[], Some(&json!({"as": "unknown"}))).await;
    assert_eq!(wrong.problem(), (400, "validation_failed"));
    let decision = json!({"as": "not_executed", "reason": "the back office shows it open"});
    let settled = rig.post(&settle, &[], Some(&decision)).await;
    assert_eq!((settled.status, &settled.json["operation"]["status"]), (200, &json!("not_executed")));
    let again = rig.post(&settle, &[], Some(&decision)).await;
    assert_eq!(again.problem(), (409, "order_state_conflict"));
    assert_eq!(
        rig.post(&format!("/orders/systempay_{order}/cancel"), &[], None).await.status,
        200,
        "free again"
    );
}
