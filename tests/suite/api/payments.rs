//! The life of a payment: paid, captured, canceled, refunded, in whole and in part.

use guichet_simulator::FaultKind;
use serde_json::{Value, json};

use crate::rig::{
    CANCEL, CANCEL_OR_REFUND, Reply, Rig, TRANSACTION_UPDATE, TRANSACTIONS, VALIDATE, amounts, new_order,
};

/// requested, authorized, captured, canceled, refunded, all told.
fn all(values: [i64; 5]) -> [Option<i64>; 5] {
    values.map(Some)
}

fn action<'a>(reply: &'a Reply, name: &str) -> &'a Value {
    let actions = reply.json["available_actions"].as_array().unwrap();
    actions.iter().find(|action| action["action"] == name).unwrap()
}

/// A change that was done: 200, this status and these amounts.
#[track_caller]
fn done(reply: &Reply, status: &str, values: [i64; 5]) {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json["operation"]["outcome"], "executed", "{reply:?}");
    seen(reply, status, values);
}

#[track_caller]
fn seen(reply: &Reply, status: &str, values: [i64; 5]) {
    assert_eq!((reply.status, &reply.json["status"]), (200, &json!(status)), "{reply:?}");
    assert_eq!(amounts(reply), all(values), "{}", reply.json["amounts"]);
}

/// 409 because of the state, for this reason, and nothing was done.
#[track_caller]
fn conflict(reply: &Reply, reason: &str) {
    assert_eq!(reply.problem(), (409, "order_state_conflict"), "{reply:?}");
    assert_eq!((&reply.json["reason"], &reply.json["outcome"]), (&json!(reason), &json!("not_executed")));
}

#[tokio::test]
async fn paid_remitted_refunded_in_parts() {
    let rig = Rig::new().await;
    let order = rig.made("cart-1", &json!({})).await;
    seen(&rig.read(&order).await, "pending", [1_000, 0, 0, 0, 0]);
    conflict(&rig.act("refund", &order, Some("early"), None).await, "not_paid");

    rig.pay(&order);
    let paid = rig.read(&order).await;
    seen(&paid, "paid", [1_000, 1_000, 0, 0, 0]);
    assert_eq!((&paid.json["final"], &paid.json["provider_status"]["code"]), (&json!(false), &json!("PAID")));
    assert_eq!(paid.json["provider_data"]["detailedStatus"], "AUTHORISED");
    assert_eq!(
        (action(&paid, "cancel"), action(&paid, "refund")),
        (
            &json!({"action": "cancel", "allowed": true, "partial": true, "max": 1_000}),
            &json!({"action": "refund", "allowed": false, "reason": "not_remitted"})
        )
    );
    // Not remitted yet: a refund would be a cancellation in disguise.
    conflict(&rig.act("refund", &order, Some("early"), None).await, "not_remitted");
    assert_eq!(rig.control.requests(CANCEL_OR_REFUND), 0);

    rig.remit(&order);
    let captured = rig.read(&order).await;
    seen(&captured, "paid", [1_000, 1_000, 1_000, 0, 0]);
    assert_eq!(
        action(&captured, "refund"),
        &json!({"action": "refund", "allowed": true, "partial": true, "max": 1_000})
    );
    conflict(&rig.act("cancel", &order, None, None).await, "already_captured");
    conflict(&rig.act("cancel", &order, Some("c"), Some(10)).await, "already_captured");

    let part = rig.act("refund", &order, Some("r1"), Some(300)).await;
    done(&part, "partially_refunded", [1_000, 1_000, 1_000, 0, 300]);
    let operation = &part.json["operation"];
    assert_eq!((&operation["type"], &operation["amount"]["value"]), (&json!("refund"), &json!(300)));
    let replay = rig.act("refund", &order, Some("r1"), Some(300)).await;
    assert_eq!((replay.status, replay.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(replay.text, part.text);
    let other = rig.act("refund", &order, Some("r1"), Some(301)).await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused"));
    seen(&rig.read(&order).await, "partially_refunded", [1_000, 1_000, 1_000, 0, 300]);

    let above = rig.act("refund", &order, Some("r2"), Some(701)).await;
    assert_eq!(above.problem(), (422, "amount_exceeds_remaining"));
    assert_eq!((above.pointer(), &above.json["outcome"]), (Some("/amount/value"), &json!("not_executed")));

    // The night remits the credit; that changes nothing here.
    rig.remit(&order);
    let rest = rig.act("refund", &order, Some("r2"), None).await;
    done(&rest, "refunded", [1_000, 1_000, 1_000, 0, 1_000]);
    // The bank may still reject what was given back.
    assert_eq!(
        (&rest.json["final"], &rest.json["operation"]["amount"]["value"]),
        (&json!(false), &json!(700))
    );
    for (key, cents) in [("r3", None), ("r4", Some(1))] {
        let late = rig.act("refund", &order, Some(key), cents).await;
        assert_eq!(late.problem(), (409, "already_refunded"));
        assert_eq!(late.json["outcome"], "not_executed");
    }
    seen(&rig.read(&order).await, "refunded", [1_000, 1_000, 1_000, 0, 1_000]);
    conflict(&rig.act("cancel", &order, None, None).await, "already_captured");

    let credits: Vec<_> = rig.effects("refund").into_iter().map(|effect| effect.amount).collect();
    assert_eq!((credits, rig.control.requests(CANCEL_OR_REFUND)), (vec![Some(300), Some(700)], 2));
    let bodies = rig.control.request_log();
    let mut refunds = bodies.iter().filter(|request| request.service == CANCEL_OR_REFUND);
    let sent = &refunds.next().unwrap().body;
    assert_eq!((&sent["amount"], &sent["currency"]), (&json!(300), &json!("EUR")));
    assert_eq!((&sent["resolutionMode"], &sent["comment"]), (&json!("REFUND_ONLY"), &operation["id"]));

    let events = rig.get(&format!("/orders/systempay_{order}/events")).await;
    let types: Vec<_> =
        events.json["items"].as_array().unwrap().iter().filter_map(|event| event["type"].as_str()).collect();
    for (wanted, times) in [
        ("order.created", 1),
        ("order.paid", 1),
        ("refund.succeeded", 2),
        ("order.partially_refunded", 1),
        ("order.refunded", 1),
        ("operation.succeeded", 3),
    ] {
        assert_eq!(types.iter().filter(|word| **word == wanted).count(), times, "{wanted}: {types:?}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn what_a_refund_must_name() {
    let rig = Rig::new().await;
    let order = rig.captured("cart-1").await;
    let place = format!("/orders/systempay_{order}/refund");
    let sent = rig.control.total_requests();
    assert_eq!(rig.act("refund", &order, None, None).await.problem(), (400, "idempotency_key_missing"));
    for (body, pointer) in [
        (json!({"amount": {"value": 0, "currency": "EUR"}}), "/amount/value"),
        (json!({"amount": {"value": "1", "currency": "EUR"}}), "/amount/value"),
        (json!({"amount": {"value": 1}}), "/amount/currency"),
        (json!({"amuont": {"value": 1, "currency": "EUR"}}), "/amuont"),
    ] {
        let reply = rig.post(&place, &[("idempotency-key", "k")], Some(&body)).await;
        assert_eq!((reply.problem(), reply.pointer()), ((400, "validation_failed"), Some(pointer)), "{body}");
    }
    assert_eq!(rig.control.total_requests(), sent, "nobody was asked");
    let dollars = json!({"amount": {"value": 1, "currency": "USD"}});
    let reply = rig.post(&place, &[("idempotency-key", "k")], Some(&dollars)).await;
    assert_eq!((reply.problem(), reply.pointer()), ((422, "currency_mismatch"), Some("/amount/currency")));
    assert_eq!(rig.control.requests(CANCEL_OR_REFUND), 0);
    // An amount equal to what is left is a full one, and the key is still good.
    done(
        &rig.act("refund", &order, Some("k"), Some(1_000)).await,
        "refunded",
        [1_000, 1_000, 1_000, 0, 1_000],
    );
}

#[tokio::test]
async fn if_match_guards_a_refund() {
    let rig = Rig::new().await;
    let order = rig.paid("cart-1").await;
    let paid = rig.read(&order).await;
    rig.remit(&order);
    let refund = async |tag: &str| {
        let headers = [("idempotency-key", "k"), ("if-match", tag)];
        rig.post(&format!("/orders/systempay_{order}/refund"), &headers, None).await
    };
    assert_eq!(refund(paid.header("etag").unwrap()).await.problem(), (412, "version_mismatch"));
    assert_eq!(rig.control.requests(CANCEL_OR_REFUND), 0);
    let now = rig.read(&order).await;
    done(&refund(now.header("etag").unwrap()).await, "refunded", [1_000, 1_000, 1_000, 0, 1_000]);
}

/// A second click with a new key must not pay twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refunds_at_the_same_time_never_exceed_the_payment() {
    let rig = Rig::new().await;
    for (round, (cents, most)) in [(None, 1), (Some(400), 2)].into_iter().enumerate() {
        let order = rig.captured(&format!("cart-{round}")).await;
        let keys: Vec<String> = (0..8).map(|n| format!("{round}-{n}")).collect();
        let calls = keys.iter().map(|key| rig.act("refund", &order, Some(key), cents));
        let replies = futures_util::future::join_all(calls).await;
        let done = replies.iter().filter(|reply| reply.status == 200).count();
        assert!((1..=most).contains(&done), "{done} of {most}");
        for reply in replies.iter().filter(|reply| reply.status != 200) {
            assert!(
                matches!(
                    reply.problem(),
                    (409, "operation_in_progress" | "already_refunded") | (422, "amount_exceeds_remaining")
                ),
                "{reply:?}"
            );
            assert_eq!(reply.json["outcome"], "not_executed");
        }
        let credits = rig.effects("refund").into_iter().filter(|effect| effect.order == order).count();
        assert_eq!(credits, done);
    }
}

#[tokio::test]
async fn a_paid_order_is_canceled_before_the_night() {
    let rig = Rig::new().await;
    let order = rig.paid("cart-1").await;
    let canceled = rig.act("cancel", &order, None, None).await;
    done(&canceled, "canceled", [1_000, 1_000, 0, 1_000, 0]);
    assert_eq!(canceled.json["final"], true);
    let effects = rig.effects("cancel");
    assert_eq!((effects.len(), effects[0].amount, effects[0].transaction.is_some()), (1, Some(1_000), true));
    let log = rig.control.request_log();
    let sent = &log.iter().find(|request| request.service == CANCEL_OR_REFUND).unwrap().body;
    assert_eq!(sent["resolutionMode"], "CANCELLATION_ONLY", "never a refund in disguise");

    let again = rig.act("cancel", &order, None, None).await;
    assert_eq!((again.status, &again.json["operation"]["outcome"]), (200, &json!("already_done")));
    conflict(&rig.act("refund", &order, Some("r"), None).await, "not_paid");
    assert_eq!((rig.control.requests(CANCEL_OR_REFUND), rig.control.requests(CANCEL)), (1, 0));
}

#[tokio::test]
async fn a_part_is_canceled_before_the_night() {
    let rig = Rig::new().await;
    let order = rig.paid("cart-1").await;
    assert_eq!(rig.act("cancel", &order, None, Some(300)).await.problem(), (400, "idempotency_key_missing"));
    let part = rig.act("cancel", &order, Some("c1"), Some(300)).await;
    // Captured becomes 700 at the remittance, not before.
    done(&part, "paid", [1_000, 1_000, 0, 300, 0]);
    assert_eq!(action(&part, "cancel")["max"], 700);
    let above = rig.act("cancel", &order, Some("c2"), Some(701)).await;
    assert_eq!(above.problem(), (422, "amount_exceeds_remaining"));
    done(&rig.act("cancel", &order, Some("c2"), Some(100)).await, "paid", [1_000, 1_000, 0, 400, 0]);
    rig.remit(&order);
    seen(&rig.read(&order).await, "paid", [1_000, 1_000, 600, 400, 0]);
    assert_eq!(
        rig.act("refund", &order, Some("r"), Some(601)).await.problem(),
        (422, "amount_exceeds_remaining")
    );
    done(
        &rig.act("refund", &order, Some("r"), Some(200)).await,
        "partially_refunded",
        [1_000, 1_000, 600, 400, 200],
    );
    done(&rig.act("refund", &order, Some("s"), None).await, "refunded", [1_000, 1_000, 600, 400, 600]);
    let updates: Vec<_> =
        rig.effects("update").into_iter().map(|effect| (effect.amount, effect.amount_after)).collect();
    assert_eq!(updates, [(Some(300), 700), (Some(100), 600)]);
    assert_eq!((rig.control.requests(TRANSACTION_UPDATE), rig.control.requests(CANCEL)), (2, 0));
    let moved: Vec<_> = rig.effects("refund").into_iter().map(|effect| effect.amount).collect();
    assert_eq!(moved, [Some(200), Some(400)]);

    // The rest after a part is a full cancel.
    let order = rig.paid("cart-2").await;
    assert_eq!(rig.act("cancel", &order, Some("d1"), Some(300)).await.status, 200);
    done(&rig.act("cancel", &order, None, None).await, "canceled", [1_000, 1_000, 0, 1_000, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cancels_at_the_same_time_release_once() {
    let rig = Rig::new().await;
    let order = rig.paid("cart-1").await;
    let replies = futures_util::future::join_all((0..8).map(|_| rig.act("cancel", &order, None, None))).await;
    for reply in &replies {
        if reply.status != 200 {
            assert_eq!(reply.problem(), (409, "operation_in_progress"));
        }
    }
    assert_eq!((rig.control.requests(CANCEL_OR_REFUND), rig.effects("cancel").len()), (1, 1));
}

#[tokio::test]
async fn a_manual_capture() {
    let rig = Rig::new().await;
    let order = rig.made("cart-1", &json!({"capture": "manual"})).await;
    let early = rig.act("capture", &order, None, None).await;
    assert_eq!(early.problem(), (409, "order_state_conflict"), "{early:?}");
    rig.pay(&order);
    let reserved = rig.read(&order).await;
    seen(&reserved, "authorized", [1_000, 1_000, 0, 0, 0]);
    assert_eq!(
        action(&reserved, "capture"),
        &json!({"action": "capture", "allowed": true, "partial": false, "max": 1_000})
    );
    conflict(&rig.act("refund", &order, Some("r"), None).await, "not_paid");
    assert_eq!(rig.act("capture", &order, None, Some(400)).await.problem(), (400, "idempotency_key_missing"));
    let part = rig.act("capture", &order, Some("p"), Some(400)).await;
    assert_eq!((part.problem(), part.pointer()), ((422, "unsupported_by_provider"), Some("/amount")));
    assert_eq!(rig.control.requests(VALIDATE), 0);

    let captured = rig.act("capture", &order, None, None).await;
    done(&captured, "paid", [1_000, 1_000, 0, 0, 0]);
    let operation = &captured.json["operation"];
    assert_eq!((&operation["type"], &operation["amount"]["value"]), (&json!("capture"), &json!(1_000)));
    conflict(&rig.act("capture", &order, None, None).await, "already_captured");
    rig.remit(&order);
    seen(&rig.read(&order).await, "paid", [1_000, 1_000, 1_000, 0, 0]);
    conflict(&rig.act("capture", &order, None, None).await, "already_captured");
    assert_eq!((rig.control.requests(VALIDATE), rig.effects("capture").len()), (1, 1));
    // The night takes it once, whatever the merchant says.
    done(&rig.act("refund", &order, Some("r"), None).await, "refunded", [1_000, 1_000, 1_000, 0, 1_000]);
}

#[tokio::test]
async fn what_is_only_reserved_can_be_released() {
    let rig = Rig::new().await;
    let whole = rig.made("cart-1", &json!({"capture": "manual"})).await;
    rig.pay(&whole);
    done(&rig.act("cancel", &whole, None, None).await, "canceled", [1_000, 1_000, 0, 1_000, 0]);
    assert_eq!(rig.act("capture", &whole, None, None).await.problem(), (409, "order_state_conflict"));

    let part = rig.made("cart-2", &json!({"capture": "manual"})).await;
    rig.pay(&part);
    done(&rig.act("cancel", &part, Some("c"), Some(400)).await, "authorized", [1_000, 1_000, 0, 400, 0]);
    let captured = rig.act("capture", &part, None, None).await;
    done(&captured, "paid", [1_000, 1_000, 0, 400, 0]);
    assert_eq!(captured.json["operation"]["amount"]["value"], 600);
    rig.remit(&part);
    seen(&rig.read(&part).await, "paid", [1_000, 1_000, 600, 400, 0]);
}

#[tokio::test]
async fn an_automatic_order_is_not_captured_by_hand() {
    let rig = Rig::new().await;
    let order = rig.made("cart-1", &json!({})).await;
    assert_eq!(rig.act("capture", &order, None, None).await.problem(), (409, "order_state_conflict"));
    rig.pay(&order);
    conflict(&rig.act("capture", &order, None, None).await, "already_captured");
    rig.remit(&order);
    conflict(&rig.act("capture", &order, None, None).await, "already_captured");
    assert_eq!(rig.control.requests(VALIDATE), 0);
}

#[tokio::test]
async fn what_the_platform_refuses_of_a_payment() {
    let rig = Rig::new().await;
    for (code, status, problem, outcome) in [
        ("PSP_104", 409, "already_refunded", "refused"),
        ("PSP_076", 409, "order_state_conflict", "refused"),
        ("PSP_083", 409, "order_state_conflict", "refused"),
        ("PSP_510", 422, "amount_exceeds_remaining", "refused"),
        ("PSP_511", 422, "amount_exceeds_remaining", "refused"),
        ("PSP_043", 422, "provider_refused", "refused"),
        ("ACQ_001", 402, "payment_declined", "refused"),
        ("INT_905", 503, "account_misconfigured", "not_executed"),
        ("PSP_106", 503, "provider_unavailable", "not_executed"),
    ] {
        let order = rig.captured(code).await;
        rig.refuse(CANCEL_OR_REFUND, code);
        let key = format!("refund-{code}");
        let reply = rig.act("refund", &order, Some(&key), Some(300)).await;
        assert_eq!(reply.problem(), (status, problem), "{code}: {reply:?}");
        assert_eq!(
            (&reply.json["outcome"], &reply.json["provider"]["code"]),
            (&json!(outcome), &json!(code))
        );
        // A definite no frees the order: the next refund is another one.
        let other = rig.act("refund", &order, Some(&format!("other-{code}")), Some(1_000)).await;
        assert_eq!((other.status, &other.json["status"]), (200, &json!("refunded")), "{code}: {other:?}");
        let events = rig.get(&format!("/orders/systempay_{order}/events")).await;
        let failed = events.json["items"].as_array().unwrap().iter().any(|e| e["type"] == "refund.failed");
        assert_eq!(failed, outcome == "refused", "{code}");
    }
}

/// Meanwhile in the back office: the provider's word is what counts, and then the order as it really is.
#[tokio::test]
async fn a_conflict_with_the_back_office() {
    let rig = Rig::new().await;
    let order = rig.paid("cart-1").await;
    let hold = rig.fault(CANCEL_OR_REFUND, FaultKind::Hold { when: guichet_simulator::Moment::Before });
    let (reply, ()) = tokio::join!(rig.act("cancel", &order, None, None), async {
        assert!(rig.control.held(hold).await);
        rig.control.act("lyra", "systempay", Some(&order), "back_office_cancel").unwrap();
        rig.control.release(hold);
    });
    assert_eq!(
        (reply.status, &reply.json["operation"]["outcome"]),
        (200, &json!("already_done")),
        "{reply:?}"
    );

    let order = rig.paid("cart-2").await;
    let hold = rig.fault(CANCEL_OR_REFUND, FaultKind::Hold { when: guichet_simulator::Moment::Before });
    let (reply, ()) = tokio::join!(rig.act("cancel", &order, None, None), async {
        assert!(rig.control.held(hold).await);
        rig.remit(&order);
        rig.control.release(hold);
    });
    assert_eq!(reply.problem(), (409, "order_state_conflict"), "{reply:?}");
    assert_eq!(
        (&reply.json["outcome"], &reply.json["provider"]["code"]),
        (&json!("refused"), &json!("PSP_075"))
    );

    let order = rig.captured("cart-3").await;
    rig.control.act("lyra", "systempay", Some(&order), "back_office_refund").unwrap();
    seen(&rig.read(&order).await, "refunded", [1_000, 1_000, 1_000, 0, 1_000]);
    assert_eq!(rig.act("refund", &order, Some("r"), None).await.problem(), (409, "already_refunded"));
    assert_eq!(rig.control.requests(CANCEL_OR_REFUND), 2);
}

/// One reference, two orders made outside, both paid: nobody can tell whose payment is whose.
#[tokio::test]
async fn payments_that_cannot_be_told_apart_are_not_moved() {
    let rig = Rig::new().await;
    for (draft, remit, status) in [
        (json!({"orderId": "twice-paid"}), false, "paid"),
        (json!({"orderId": "twice-captured"}), true, "paid"),
        (json!({"orderId": "twice-reserved", "manualValidation": true}), false, "authorized"),
    ] {
        let orders = [(); 2].map(|()| rig.control.add_order("lyra", "systempay", &draft).unwrap());
        rig.pay(&orders[0]);
        // As long as one is paid, its payment is the only one there is.
        assert_eq!(amounts(&rig.read(&orders[0]).await)[1], Some(10_000), "{draft}");
        rig.pay(&orders[1]);
        for order in &orders {
            if remit {
                rig.remit(order);
            }
        }
        let sent = rig.changes_sent();
        for order in &orders {
            let read = rig.read(order).await;
            assert_eq!((read.status, &read.json["status"]), (200, &json!(status)), "{draft}");
            assert_eq!(amounts(&read)[1..], [None; 4], "{draft}");
            for name in ["cancel", "capture", "refund"] {
                assert_eq!(action(&read, name)["reason"], "ambiguous_payments", "{draft}");
                for cents in [None, Some(100)] {
                    conflict(&rig.act(name, order, Some("k"), cents).await, "ambiguous_payments");
                }
            }
        }
        assert_eq!(rig.changes_sent(), sent, "{draft}: nothing that moves money was sent");
    }
}

/// No payment is found, or more than the platform lists: what the order says is told, and nothing is moved.
#[tokio::test]
async fn payments_that_cannot_be_found_are_not_moved() {
    let rig = Rig::new().await;
    for code in ["PSP_010", "PSP_015"] {
        let order = rig.captured(code).await;
        for (name, key) in [("cancel", None), ("capture", None), ("refund", Some(code))] {
            rig.refuse(TRANSACTIONS, code);
            conflict(&rig.act(name, &order, key, None).await, "ambiguous_payments");
        }
        rig.refuse(TRANSACTIONS, code);
        let read = rig.read(&order).await;
        assert_eq!((&read.json["status"], amounts(&read)[1]), (&json!("paid"), None), "{code}");
        done(&rig.act("refund", &order, Some(code), None).await, "refunded", [1_000, 1_000, 1_000, 0, 1_000]);
    }
    assert_eq!(rig.control.requests(CANCEL_OR_REFUND), 2);
}

#[tokio::test]
async fn what_is_over_is_not_canceled() {
    let rig = Rig::new().await;
    for (status, told, reason) in
        [("EXPIRED", "expired", "expired"), ("DREAMING", "unknown", "unknown_status")]
    {
        let order = rig.made(told, &json!({})).await;
        rig.control.set_order_status("lyra", "systempay", &order, status).unwrap();
        assert_eq!(rig.read(&order).await.json["status"], told);
        conflict(&rig.act("cancel", &order, None, None).await, reason);
    }
    let order = rig.paid("failed").await;
    rig.control.act("lyra", "systempay", Some(&order), "fail_capture").unwrap();
    assert_eq!(rig.read(&order).await.json["status"], "failed");
    conflict(&rig.act("cancel", &order, None, None).await, "not_possible_now");
    assert_eq!((rig.control.requests(CANCEL), rig.control.requests(CANCEL_OR_REFUND)), (0, 0));
}

/// The reference is that of an order made outside too: ours is known by its label.
#[tokio::test]
async fn the_payment_of_an_order_made_here_is_known_by_its_label() {
    let rig = Rig::new().await;
    let foreign =
        rig.control.add_order("lyra", "systempay", &json!({"orderId": "a", "amount": 1_000})).unwrap();
    let ours = rig.made("a", &json!({})).await;
    rig.pay(&foreign);
    rig.pay(&ours);
    seen(&rig.read(&ours).await, "paid", [1_000, 1_000, 0, 0, 0]);
    done(&rig.act("cancel", &ours, None, None).await, "canceled", [1_000, 1_000, 0, 1_000, 0]);
    let effects = rig.effects("cancel");
    assert_eq!((effects.len(), effects[0].order.as_str()), (1, ours.as_str()));
    assert_eq!(rig.control.order("lyra", "systempay", &foreign).unwrap()["paymentOrderStatus"], "PAID");
}

/// The second read fails: the read fails, and a change is not begun.
#[tokio::test]
async fn without_its_payments_a_paid_order_is_not_read() {
    let rig = Rig::new().await;
    let order = rig.paid("a").await;
    rig.control.add_fault(
        guichet_simulator::Fault::new("lyra", FaultKind::Garbage { effect: false })
            .on_service(TRANSACTIONS)
            .times(0),
    );
    assert_eq!(rig.read(&order).await.problem(), (502, "provider_bad_response"));
    for (name, key) in [("cancel", None), ("capture", None), ("refund", Some("k"))] {
        let reply = rig.act(name, &order, key, None).await;
        assert_eq!(reply.problem(), (503, "provider_unavailable"), "{name}");
        assert_eq!(reply.json["outcome"], "not_executed");
    }
    assert_eq!(rig.changes_sent(), 1, "the creation");
    assert_eq!(rig.create("z", &new_order("z")).await.status, 201);
}
