//! Changes at YabandPay whose answer is lost: never sent again, and settled by what each of them can be settled by.

use guichet_simulator::{FaultKind, Moment};
use reqwest::Method;
use serde_json::{Value, json};

use super::yabandpay::{CANCEL, CAPTURE, CREATE, QUERY, QUERY_REFUND, REFUND, Shop, body, count, operation};
use crate::rig::amounts;

/// Everything after which nobody knows whether it was done, and whether it was.
fn losses() -> Vec<(FaultKind, bool)> {
    let html = |effect| FaultKind::HttpStatus {
        code: 500,
        body: "<html>sorry</html>".to_owned(),
        content_type: "text/html".to_owned(),
        effect,
    };
    vec![
        (FaultKind::LoseAnswer, true),
        (FaultKind::CutBefore, false),
        (FaultKind::CutMidAnswer, true),
        (FaultKind::Garbage { effect: true }, true),
        (FaultKind::Empty { effect: true }, true),
        (FaultKind::WrongEnvelope { effect: true }, true),
        (html(true), true),
        (html(false), false),
    ]
}

#[tokio::test]
async fn a_cancel_or_a_capture_that_was_done_is_found_at_once() {
    let shop = Shop::new().await;
    for (number, (kind, is_done)) in losses().into_iter().enumerate() {
        for (row, action, cents, service, status) in [
            ("cancel", "cancel", None, CANCEL, "canceled"),
            ("whole", "capture", None, CAPTURE, "paid"),
            ("part", "capture", Some(400), CAPTURE, "paid"),
        ] {
            let name = format!("{row} {kind:?}");
            let reference = format!("{row}-{number}");
            let order = match action {
                "cancel" => shop.paid(&reference).await,
                _ => shop.authorized(&reference).await,
            };
            let before = shop.0.control.requests(service);
            shop.fault(service, kind.clone());
            let key = Some(reference.as_str());
            let reply = shop.ask(action, &order, key, cents).await;
            assert_eq!(shop.moved(action, &order).len(), usize::from(is_done), "{name}");
            if is_done {
                assert_eq!((reply.status, &reply.json["status"]), (200, &json!(status)), "{name}: {reply:?}");
                assert_eq!(reply.json["operation"]["outcome"], "executed", "{name}");
                let again = shop.ask(action, &order, key, cents).await;
                assert_eq!(
                    (again.status, again.header("idempotent-replayed")),
                    (200, Some("true")),
                    "{name}"
                );
                let read = shop.read(&order).await;
                assert_eq!(read.json["amounts"], reply.json["amounts"], "{name}");
                if action == "capture" {
                    let taken = cents.unwrap_or(1_000);
                    assert_eq!(amounts(&read), [1_000, 1_000, taken, 0, 0].map(Some), "{name}");
                }
            } else {
                assert_eq!(
                    (reply.status, &reply.json["operation"]["outcome"]),
                    (202, &json!("unknown")),
                    "{name}"
                );
                let other = shop.ask("cancel", &order, None, None).await;
                assert_eq!(other.problem(), (409, "operation_in_progress"), "{name}");
                let again = shop.ask(action, &order, key, cents).await;
                assert_eq!((again.status, operation(&again)), (202, operation(&reply)), "{name}");
                // A late request could still arrive until the settling time is over.
                let young = shop.0.aged(&operation(&reply), 10).await;
                assert_eq!(young["status"], "unknown", "{name}: {young}");
                let old = shop.0.aged(&operation(&reply), 600).await;
                assert_eq!(
                    (&old["status"], &old["outcome"]),
                    (&json!("not_executed"), &json!("not_executed")),
                    "{name}"
                );
            }
            assert_eq!(shop.0.control.requests(service) - before, 1, "{name}: sent once");
        }
    }
}

/// There is no query by our own number, so reading proves nothing; the notification carries it.
#[tokio::test]
async fn a_refund_stays_unknown_until_its_notification() {
    for (reference, end, status, refunded) in
        [("a", "approve_refund", "succeeded", 300), ("b", "reject_refund", "refused", 0)]
    {
        let shop = Shop::notified().await;
        let order = shop.paid(reference).await;
        shop.until(&order, "notification.received", 1).await;
        shop.fault(REFUND, FaultKind::LoseAnswer);
        let lost = shop.ask("refund", &order, Some(reference), Some(300)).await;
        assert_eq!((lost.status, &lost.json["operation"]["outcome"]), (202, &json!("unknown")), "{lost:?}");
        let id = operation(&lost);
        for (action, key) in [("refund", Some("other")), ("cancel", None), ("capture", None)] {
            let reply = shop.ask(action, &order, key, None).await;
            assert_eq!(reply.problem(), (409, "operation_in_progress"), "{action}");
            assert_eq!(reply.json["outcome"], "not_executed");
        }
        let replay = shop.ask("refund", &order, Some(reference), Some(300)).await;
        assert_eq!((replay.status, operation(&replay)), (202, id.clone()), "{replay:?}");
        let old = shop.0.aged(&id, 3_600).await;
        assert_eq!((&old["status"], &old["outcome"]), (&json!("unknown"), &json!("unknown")), "{old}");
        assert_eq!(shop.read(&order).await.json["status"], "paid", "nobody knows of a refund");

        shop.office(Some(&order), end);
        let ended = shop.0.ended(&id).await;
        assert_eq!(ended["status"], status, "{ended}");
        shop.until(&order, "notification.received", 2).await;
        let read = shop.read(&order).await;
        assert_eq!(read.json["amounts"]["refunded"], refunded, "{read:?}");
        assert_eq!(shop.moved("refund", &order).len(), 1, "made once");
        assert_eq!(
            shop.0.control.requests(QUERY_REFUND),
            0,
            "nobody knows the platform's number of a lost one"
        );
        let next = shop.ask("refund", &order, Some(&format!("{reference}-2")), None).await;
        assert_eq!(next.json["operation"]["amount"]["value"], 1_000 - refunded, "{next:?}");
    }
}

#[tokio::test]
async fn a_refund_that_nothing_tells_of_is_decided_by_a_person() {
    let shop = Shop::new().await;
    for (reference, kind, decision, refunded) in [
        ("a", FaultKind::LoseAnswer, "succeeded", 300),
        ("b", FaultKind::CutBefore, "not_executed", 0),
        ("c", FaultKind::CutMidAnswer, "refused", 0),
    ] {
        let order = shop.paid(reference).await;
        shop.fault(REFUND, kind);
        let lost = shop.ask("refund", &order, Some(reference), Some(300)).await;
        let id = operation(&lost);
        let review = shop.0.aged(&id, 25 * 3_600).await;
        assert_eq!(review["status"], "needs_review", "{review}");
        let blocked = shop.ask("refund", &order, Some("other"), None).await;
        assert_eq!(blocked.problem(), (409, "operation_in_progress"));
        let settle = format!("/operations/{id}/settle");
        let decided =
            shop.0.post(&settle, &[], Some(&json!({"as": decision, "reason": "seen in the portal"}))).await;
        assert_eq!(
            (decided.status, &decided.json["operation"]["status"]),
            (200, &json!(decision)),
            "{decided:?}"
        );
        let read = shop.read(&order).await;
        assert_eq!(read.json["amounts"]["refunded"], refunded, "{decision}");
        let types = shop.events(&order).await;
        let told = (count(&types, "refund.succeeded"), count(&types, "refund.failed"));
        let wanted = match decision {
            "succeeded" => (1, 0),
            "refused" => (0, 1),
            _ => (0, 0),
        };
        assert_eq!(told, wanted, "{decision}: {types:?}");
        let sent = shop.sent(REFUND).iter().filter(|data| data["trade_id"] == order.as_str()).count();
        assert_eq!(sent, 1, "{decision}");
    }
}

/// A payment that nobody was shown does no harm: a new key may make another at once.
#[tokio::test]
async fn a_creation_may_be_made_again_and_ends_by_its_own_expiry() {
    let shop = Shop::new().await;
    let mut made = 0;
    for (number, (kind, is_done)) in losses().into_iter().enumerate() {
        let reference = format!("cart-{number}");
        let before = shop.0.control.requests(CREATE);
        shop.fault(CREATE, kind.clone());
        let lost = shop.create(&reference, &json!({})).await;
        assert_eq!(lost.status, 202, "{kind:?}: {lost:?}");
        let seen = &lost.json["operation"];
        assert_eq!((&seen["outcome"], &seen["repeat"]), (&json!("unknown"), &json!("harmless")), "{kind:?}");
        assert_eq!(seen["order_id"], Value::Null);
        let again = shop.create(&reference, &json!({})).await;
        assert_eq!((again.status, operation(&again)), (202, operation(&lost)), "{kind:?}: the same key");
        assert_eq!(shop.0.control.requests(CREATE) - before, 1, "{kind:?}: sent once");

        let key = format!("second-{number}");
        let second = shop.0.create(&key, &body(&reference, &json!({}))).await;
        assert_eq!(second.status, 201, "{kind:?}: {second:?}");
        assert_eq!(shop.0.control.requests(CREATE) - before, 2, "{kind:?}");
        made += 1 + usize::from(is_done);
        assert_eq!(shop.0.effects("create").len(), made, "{kind:?}");
        let ended = shop.0.aged(&operation(&lost), 2 * 86_400).await;
        assert_eq!(
            (&ended["status"], &ended["outcome"]),
            (&json!("not_executed"), &json!("not_executed")),
            "{kind:?}"
        );
    }
}

/// The one free field of a payment carries our operation, so a payment that somebody pays all the same is known.
#[tokio::test]
async fn a_lost_creation_is_found_by_its_notification() {
    let shop = Shop::notified().await;
    shop.fault(CREATE, FaultKind::LoseAnswer);
    let changes = json!({"metadata": {"cart": "42"}});
    let lost = shop.create("cart-1", &changes).await;
    assert_eq!(lost.status, 202, "{lost:?}");
    let order = shop.0.effects("create")[0].order.clone();
    shop.pay(&order);
    let ended = shop.0.ended(&operation(&lost)).await;
    assert_eq!((&ended["status"], &ended["outcome"]), (&json!("succeeded"), &json!("executed")), "{ended}");
    assert_eq!(ended["order_id"], format!("yabandpay_{order}"));
    let types = shop.until(&order, "notification.received", 1).await;
    assert_eq!((count(&types, "order.created"), count(&types, "operation.succeeded")), (1, 1), "{types:?}");
    let read = shop.read(&order).await;
    assert_eq!(
        (&read.json["status"], &read.json["metadata"]),
        (&json!("paid"), &json!({"cart": "42"})),
        "{read:?}"
    );
    let replay = shop.create("cart-1", &changes).await;
    assert_eq!((replay.status, &replay.json["id"]), (201, &read.json["id"]), "{replay:?}");
    assert_eq!(shop.0.control.requests(CREATE), 1);
}

/// The notification is quicker than the answer, which then never comes. What it said is not forgotten meanwhile.
#[tokio::test]
async fn a_notification_that_comes_before_the_answer_is_lost_finds_the_creation() {
    let shop = Shop::notified_within(1_000).await;
    let hold = shop.fault(CREATE, FaultKind::Hold { when: Moment::After });
    let nothing_else = json!({});
    let (lost, order) = tokio::join!(shop.create("cart-1", &nothing_else), async {
        assert!(shop.0.control.held(hold).await);
        let order = shop.0.effects("create")[0].order.clone();
        shop.pay(&order);
        shop.0.control.wait_for_notices(1).await;
        order
    });
    assert_eq!(lost.status, 202, "{lost:?}");
    assert!(shop.0.control.notices()[0].attempts[0].delivered);
    let ended = shop.0.ended(&operation(&lost)).await;
    assert_eq!((&ended["status"], &ended["outcome"]), (&json!("succeeded"), &json!("executed")), "{ended}");
    assert_eq!(ended["order_id"], format!("yabandpay_{order}"));
    let types = shop.until(&order, "notification.received", 1).await;
    assert_eq!((count(&types, "order.created"), count(&types, "operation.succeeded")), (1, 1), "{types:?}");
}

/// The read that a notification asks for fails once: it is made again.
#[tokio::test]
async fn a_failed_read_does_not_lose_what_a_notification_said() {
    let shop = Shop::notified().await;
    shop.fault(CREATE, FaultKind::LoseAnswer);
    let lost = shop.create("cart-1", &json!({})).await;
    assert_eq!(lost.status, 202, "{lost:?}");
    let order = shop.0.effects("create")[0].order.clone();
    shop.fault(QUERY, FaultKind::Garbage { effect: false });
    shop.pay(&order);
    let ended = shop.0.ended(&operation(&lost)).await;
    assert_eq!((&ended["status"], &ended["outcome"]), (&json!("succeeded"), &json!("executed")), "{ended}");
    assert_eq!(ended["order_id"], format!("yabandpay_{order}"));
}

#[tokio::test]
async fn a_dead_platform_executes_nothing() {
    let mut shop = Shop::new().await;
    let order = shop.paid("cart-1").await;
    shop.0.stop_simulators().await;
    for action in ["cancel", "refund"] {
        let reply = shop.ask(action, &order, Some(action), None).await;
        assert_eq!(reply.problem(), (503, "provider_unavailable"), "{action}");
        assert_eq!(
            (&reply.json["outcome"], &reply.json["retryable"]),
            (&json!("not_executed"), &json!(true))
        );
    }
    let create = shop.create("cart-2", &json!({})).await;
    assert_eq!(
        (create.problem(), &create.json["outcome"]),
        ((503, "provider_unavailable"), &json!("not_executed"))
    );
    let absent = shop.0.send(Method::GET, "/operations?status=unknown", &[], None).await;
    assert_eq!(absent.json["items"], json!([]));
}
