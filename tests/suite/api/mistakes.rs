//! Mistakes that other drivers of this platform make.

use std::collections::BTreeMap;

use guichet_simulator::PayerAction;
use serde_json::{Value, json};

use crate::rig::{CANCEL_OR_REFUND, CREATE, Rig, UPDATE, amounts};

/// Francs of the Pacific have no cents: 10000 XPF are sent as 10000 and shown as 10000.
#[tokio::test]
async fn francs_are_not_divided() {
    let rig = Rig::new().await;
    let body = json!({
        "account": "epaync", "amount": {"value": 10_000, "currency": "XPF"}, "merchant_reference": "cart-1",
        "delivery": {"channel": "email", "recipient": "a@example.com"}
    });
    let made = rig.create("k", &body).await;
    assert_eq!(
        (made.status, &made.json["amount"]),
        (201, &json!({"value": 10_000, "currency": "XPF"})),
        "{made:?}"
    );
    let order = made.json["provider_reference"].as_str().unwrap();
    let place = format!("/orders/epaync_{order}");
    assert!(rig.control.mailbox()[0].text.contains("10000 XPF"), "{:?}", rig.control.mailbox());
    let amount = json!({"amount": {"value": 12_345, "currency": "XPF"}});
    let changed = rig.patch(&place, &[], &amount).await;
    assert_eq!((changed.status, &changed.json["amount"]), (200, &amount["amount"]), "{changed:?}");
    rig.control.payer("lyra", "epaync", order, PayerAction::Pay).unwrap();
    rig.control.act("lyra", "epaync", Some(order), "remit").unwrap();
    let part = json!({"amount": {"value": 45, "currency": "XPF"}});
    let refunded = rig.post(&format!("{place}/refund"), &[("idempotency-key", "r")], Some(&part)).await;
    assert_eq!(refunded.status, 200, "{refunded:?}");
    assert_eq!(amounts(&refunded), [12_345, 12_345, 12_345, 0, 45].map(Some));
    let sent: Vec<Value> = rig
        .control
        .request_log()
        .into_iter()
        .filter(|request| [CREATE, UPDATE, CANCEL_OR_REFUND].contains(&request.service.as_str()))
        .map(|request| request.body["amount"].clone())
        .collect();
    assert_eq!(sent, [json!(10_000), json!(12_345), json!(45)]);
    assert_eq!(rig.effects("refund")[0].amount, Some(45));
}

/// A refund that is answered 200 was made at the platform, each one and of its amount.
#[tokio::test]
async fn a_refund_reaches_the_platform() {
    let rig = Rig::new().await;
    let order = rig.captured("cart-1").await;
    for (key, cents) in [("a", 1), ("b", 499), ("c", 500)] {
        let reply = rig.act("refund", &order, Some(key), Some(cents)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let last = rig.effects("refund").pop().unwrap();
        assert_eq!(
            (last.amount, last.order.as_str(), last.request.is_some()),
            (Some(cents), order.as_str(), true)
        );
    }
    assert_eq!((rig.effects("refund").len(), rig.effects("cancel").len()), (3, 0));
}

/// A payment that only waits for the night is not given back, whatever else is said of it.
#[tokio::test]
async fn a_payment_not_remitted_is_never_refunded() {
    let rig = Rig::new().await;
    let order = rig.paid("cart-1").await;
    rig.control
        .patch_answer("lyra", "systempay", &order, &json!({"updateDate": "2026-11-23T00:00:00+00:00"}))
        .unwrap();
    for _ in 0..2 {
        let read = rig.read(&order).await;
        assert_eq!((&read.json["status"], amounts(&read)[4]), (&json!("paid"), Some(0)), "{read:?}");
    }
    assert_eq!(rig.act("cancel", &order, Some("c"), Some(999)).await.json["status"], "paid");
    let canceled = rig.act("cancel", &order, None, None).await;
    assert_eq!((&canceled.json["status"], amounts(&canceled)[4]), (&json!("canceled"), Some(0)));
}

/// Every `detailedStatus` of the transaction table, as the status of the order whose only payment it is.
#[tokio::test]
async fn every_detailed_status_has_its_meaning() {
    let rig = Rig::new().await;
    let wanted = BTreeMap::from([
        ("AUTHORISED", ("paid", [1_000, 0, 0, 0])),
        ("CAPTURED", ("paid", [1_000, 1_000, 0, 0])),
        ("AUTHORISED_TO_VALIDATE", ("authorized", [1_000, 0, 0, 0])),
        ("WAITING_AUTHORISATION", ("processing", [0, 0, 0, 0])),
        ("WAITING_AUTHORISATION_TO_VALIDATE", ("processing", [0, 0, 0, 0])),
        ("WAITING_FOR_PAYMENT", ("processing", [0, 0, 0, 0])),
        ("UNDER_VERIFICATION", ("processing", [0, 0, 0, 0])),
        ("INITIAL", ("processing", [0, 0, 0, 0])),
        ("SUSPENDED", ("processing", [1_000, 0, 0, 0])),
        ("CANCELLED", ("canceled", [1_000, 0, 1_000, 0])),
        ("EXPIRED", ("expired", [1_000, 0, 0, 0])),
        ("CAPTURE_FAILED", ("failed", [1_000, 0, 0, 0])),
        ("ERROR", ("failed", [0, 0, 0, 0])),
        ("REFUSED", ("declined", [0, 0, 0, 0])),
        ("ABANDONED", ("failed", [0, 0, 0, 0])),
        ("CAPTURE_PENDING", ("paid", [1_000, 0, 0, 0])),
        ("PENDING", ("processing", [0, 0, 0, 0])),
        // Anything else: nobody has decided what it means for an order.
        ("PARTIALLY_AUTHORISED", ("unknown", [1_000, 0, 0, 0])),
        ("ACCEPTED", ("unknown", [0, 0, 0, 0])),
        ("PRE_AUTHORISED", ("unknown", [0, 0, 0, 0])),
        ("REFUND_TO_RETRY", ("unknown", [0, 0, 0, 0])),
    ]);
    for (word, (status, told)) in wanted {
        let draft = json!({"orderId": word, "amount": 1_000, "status": "PAID"});
        let order = rig.control.add_order("lyra", "systempay", &draft).unwrap();
        rig.control.add_transaction("lyra", "systempay", &order, &json!({"detailedStatus": word})).unwrap();
        let read = rig.read(&order).await;
        assert_eq!((read.status, &read.json["status"]), (200, &json!(status)), "{word}: {read:?}");
        assert_eq!(read.json["provider_data"]["detailedStatus"], word);
        assert_eq!(amounts(&read)[1..], told.map(Some), "{word}");
        // What is offered works, what is not is refused with nothing sent.
        for action in ["capture", "refund", "cancel"] {
            let offered =
                read.json["available_actions"].as_array().unwrap().iter().find(|a| a["action"] == action);
            if offered.unwrap()["allowed"] == json!(true) {
                continue;
            }
            let sent = rig.changes_sent();
            let reply = rig.act(action, &order, Some(&format!("{word}-{action}")), None).await;
            if status == "canceled" && action == "cancel" {
                assert_eq!(reply.json["operation"]["outcome"], "already_done");
            } else {
                assert_eq!(reply.problem(), (409, "order_state_conflict"), "{word} {action}");
            }
            assert_eq!(rig.changes_sent(), sent, "{word} {action}");
        }
    }
    // A word of tomorrow, and one that means nothing here: nobody can tell what the order's money does.
    for (word, status) in [("DREAMING", "unknown"), ("NOT_CREATED", "unknown")] {
        let draft = json!({"orderId": word, "amount": 1_000, "status": "PAID"});
        let order = rig.control.add_order("lyra", "systempay", &draft).unwrap();
        rig.control.add_transaction("lyra", "systempay", &order, &json!({"detailedStatus": word})).unwrap();
        let read = rig.read(&order).await;
        assert_eq!((read.status, &read.json["status"]), (200, &json!(status)), "{word}: {read:?}");
        assert_eq!(amounts(&read)[1..], [None; 4], "{word}");
        assert_eq!(rig.act("cancel", &order, None, None).await.problem(), (409, "order_state_conflict"));
    }
}

/// What a payment that waits may be asked for really works.
#[tokio::test]
async fn a_waiting_payment_may_be_canceled_and_validated() {
    let rig = Rig::new().await;
    for (word, action, after) in [
        ("WAITING_AUTHORISATION", "cancel", "canceled"),
        ("WAITING_AUTHORISATION_TO_VALIDATE", "cancel", "canceled"),
        ("WAITING_AUTHORISATION_TO_VALIDATE", "capture", "processing"),
        ("AUTHORISED_TO_VALIDATE", "capture", "paid"),
    ] {
        let reference = format!("{word}-{action}");
        let draft = json!({"orderId": reference, "amount": 1_000, "status": "PAID"});
        let order = rig.control.add_order("lyra", "systempay", &draft).unwrap();
        rig.control.add_transaction("lyra", "systempay", &order, &json!({"detailedStatus": word})).unwrap();
        let reply = rig.act(action, &order, None, None).await;
        assert_eq!((reply.status, &reply.json["status"]), (200, &json!(after)), "{reference}: {reply:?}");
        assert_eq!(rig.effects(action).into_iter().filter(|effect| effect.order == order).count(), 1);
    }
}

/// A refused try before the payment that worked does not make it ambiguous, and a declined order may be paid.
#[tokio::test]
async fn refused_tries_do_not_count() {
    let rig = Rig::new().await;
    let order = rig.made("cart-1", &json!({})).await;
    rig.control.payer("lyra", "systempay", &order, PayerAction::Decline).unwrap();
    let declined = rig.read(&order).await;
    assert_eq!((&declined.json["status"], &declined.json["final"]), (&json!("declined"), &json!(false)));
    rig.pay(&order);
    let paid = rig.read(&order).await;
    assert_eq!((&paid.json["status"], amounts(&paid)), (&json!("paid"), [1_000, 1_000, 0, 0, 0].map(Some)));
    rig.remit(&order);
    assert_eq!(rig.act("refund", &order, Some("r"), None).await.json["status"], "refunded");
}
