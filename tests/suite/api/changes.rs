//! Changes: what they do, what is answered when answers are lost, and what is never done twice.

use std::time::Duration;

use guichet_simulator::{FaultKind, Moment};
use serde_json::{Value, json};

use crate::rig::{CANCEL, GET, OTHER, Rig, SAMPLE, UPDATE, amount_patch, cancel_path, path};

#[tokio::test]
async fn the_sample_update_and_cancel() {
    let rig = Rig::new().await;
    let changed = rig.update().await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.json["amount"], json!({"value": 20_000, "currency": "EUR"}));
    assert_eq!(changed.json["merchant_reference"], "myOrderId-999999");
    assert_eq!(changed.json["operation"]["outcome"], "executed");
    assert_eq!(rig.control.effects().len(), 1);
    for mail in rig.control.mailbox() {
        assert!(!mail.text.contains("100.00") && !mail.text.contains("100,00"), "an old amount: {mail:?}");
    }

    let canceled = rig.cancel().await;
    assert_eq!(canceled.status, 200, "{canceled:?}");
    assert_eq!(canceled.json["status"], "canceled");
    assert_eq!(canceled.json["operation"]["outcome"], "executed");
    assert_eq!(rig.control.effects().len(), 2);

    let again = rig.cancel().await;
    assert_eq!((again.status, again.json["operation"]["outcome"].as_str()), (200, Some("already_done")));
    assert_eq!((rig.control.requests(CANCEL), rig.control.effects().len()), (1, 2));

    let late = rig.update().await;
    assert_eq!(late.problem(), (409, "order_state_conflict"));
    assert_eq!(late.json["outcome"], "not_executed");
    assert_eq!((rig.control.requests(UPDATE), rig.control.effects().len()), (1, 2));
    rig.stop().await;
}

/// The effect took place and the answer does not say so: one read finds it.
#[tokio::test]
async fn a_lost_answer_is_settled_by_reading() {
    let html = FaultKind::HttpStatus {
        code: 500,
        body: "<html>sorry</html>".to_owned(),
        content_type: "text/html".to_owned(),
        effect: true,
    };
    for kind in [
        FaultKind::LoseAnswer,
        FaultKind::CutMidAnswer,
        FaultKind::Garbage { effect: true },
        html,
        FaultKind::Empty { effect: true },
        FaultKind::TooLarge { effect: true },
        FaultKind::WrongEnvelope { effect: true },
        FaultKind::ErrorAfterEffect { code: "PSP_999".to_owned() },
    ] {
        let name = format!("{kind:?}");
        // A fresh service for each: an order that was canceled once has a history.
        let rig = Rig::new().await;
        rig.fault(CANCEL, kind);
        let reply = rig.cancel().await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        assert_eq!(reply.json["operation"]["outcome"], "executed", "{name}");
        assert_eq!(reply.json["status"], "canceled", "{name}");
        assert_eq!((rig.control.requests(CANCEL), rig.control.effects().len()), (1, 1), "{name}");
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_told_and_blocks_the_order() {
    let rig = Rig::new().await;
    rig.fault(CANCEL, FaultKind::CutBefore);
    let key = [("idempotency-key", "first")];
    let first = rig.post(&cancel_path(), &key, None).await;
    assert_eq!(first.status, 202, "{first:?}");
    assert_eq!(first.json["operation"]["outcome"], "unknown");
    let location = first.header("location").unwrap().to_owned();
    assert_eq!(location, format!("/operations/{}", first.json["operation"]["id"].as_str().unwrap()));
    let operation = rig.get(&location).await;
    assert_eq!(
        (operation.status, operation.json["id"].as_str()),
        (200, first.json["operation"]["id"].as_str())
    );

    let other = rig.update().await;
    assert_eq!(other.problem(), (409, "operation_in_progress"));
    assert_eq!(other.json["operation_id"], first.json["operation"]["id"]);
    let again = rig.post(&cancel_path(), &key, None).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (202, Some("true")), "{again:?}");
    assert_eq!(again.json["operation"]["id"], first.json["operation"]["id"]);
    assert_eq!((rig.control.requests(CANCEL), rig.control.requests(UPDATE)), (1, 0));
    assert_eq!(rig.control.effects(), []);
}

#[tokio::test]
async fn an_unreachable_provider_changes_nothing() {
    let mut rig = Rig::new().await;
    rig.stop_simulators().await;
    for reply in [rig.cancel().await, rig.update().await] {
        assert_eq!(reply.problem(), (503, "provider_unavailable"));
        assert_eq!(
            (&reply.json["outcome"], &reply.json["retryable"]),
            (&json!("not_executed"), &json!(true))
        );
        assert!(reply.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn a_slow_provider_is_waited_for_without_the_caller() {
    let rig = Rig::with(|settings| settings.server.request_timeout = Duration::from_millis(2_000)).await;
    for moment in [Moment::Before, Moment::After] {
        let order = if moment == Moment::Before { SAMPLE } else { OTHER };
        let hold = rig.fault(CANCEL, FaultKind::Hold { when: moment });
        let reply = rig.post(&format!("/orders/systempay_{order}/cancel"), &[], None).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        assert!(rig.control.release(hold));
        let ended = rig.ended(reply.json["operation"]["id"].as_str().unwrap()).await;
        assert_eq!((&ended["status"], &ended["outcome"]), (&json!("succeeded"), &json!("executed")));
    }
    assert_eq!((rig.control.requests(CANCEL), rig.control.effects().len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_key_at_the_same_time_changes_once() {
    let rig = Rig::new().await;
    let body = amount_patch();
    let place = path();
    let calls = (0..32).map(|_| rig.patch(&place, &[("idempotency-key", "\"same\"")], &body));
    for reply in futures_util::future::join_all(calls).await {
        if reply.status != 200 {
            assert_eq!(reply.problem(), (409, "idempotency_key_in_use"));
            assert!(reply.header("retry-after").is_some());
        }
    }
    assert_eq!((rig.control.requests(UPDATE), rig.control.effects().len()), (1, 1));
    let first = rig.patch(&place, &[("idempotency-key", "same")], &body).await;
    let second = rig.patch(&place, &[("idempotency-key", "same")], &body).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(first.text, second.text);
    assert_eq!(rig.control.requests(UPDATE), 1);

    let other = rig.patch(&place, &[("idempotency-key", "same")], &json!({"locale": "fr-FR"})).await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused"));
    assert_eq!(rig.control.requests(UPDATE), 1);
}

#[tokio::test]
async fn what_cannot_be_canceled_is_refused_before_it_is_sent() {
    let rig = Rig::new().await;
    let cancel = async |value: i64, currency: &str, key: Option<&str>| {
        let headers: Vec<_> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        let body = json!({"amount": {"value": value, "currency": currency}});
        rig.post(&cancel_path(), &headers, Some(&body)).await
    };
    assert_eq!(cancel(5_000, "EUR", None).await.problem(), (400, "idempotency_key_missing"));
    for (value, currency, problem, pointer) in [
        (5_000, "EUR", "unsupported_by_provider", "/amount"),
        (10_001, "EUR", "amount_exceeds_remaining", "/amount/value"),
        (10_000, "USD", "currency_mismatch", "/amount/currency"),
    ] {
        let reply = cancel(value, currency, Some("k")).await;
        assert_eq!(reply.problem(), (422, problem));
        assert_eq!((reply.pointer(), &reply.json["outcome"]), (Some(pointer), &json!("not_executed")));
    }
    assert_eq!((rig.control.requests(CANCEL), rig.control.effects().len()), (0, 0));
    // What was refused before it began does not use up the key, and the whole amount is all that is left.
    let whole = cancel(10_000, "EUR", Some("k")).await;
    assert_eq!((whole.status, &whole.json["status"]), (200, &json!("canceled")), "{whole:?}");
}

#[tokio::test]
async fn if_match_guards_a_change() {
    let rig = Rig::new().await;
    let read = rig.get(&path()).await;
    let etag = read.header("etag").unwrap().to_owned();
    let wrong = rig.patch(&path(), &[("if-match", "\"no-such-tag\"")], &amount_patch()).await;
    assert_eq!(wrong.problem(), (412, "version_mismatch"));
    assert_eq!(rig.control.requests(UPDATE), 0);
    let right = rig.patch(&path(), &[("if-match", &etag)], &amount_patch()).await;
    assert_eq!(right.status, 200, "{right:?}");
    let outdated = rig.post(&cancel_path(), &[("if-match", &etag)], None).await;
    assert_eq!(outdated.problem(), (412, "version_mismatch"));
    let fresh = rig.post(&cancel_path(), &[("if-match", right.header("etag").unwrap())], None).await;
    assert_eq!(fresh.status, 200, "{fresh:?}");
}

#[tokio::test]
async fn a_merchant_reference_in_use_is_refused() {
    let rig = Rig::new().await;
    assert_eq!(rig.update().await.status, 200);
    let body = json!({"merchant_reference": "myOrderId-999999"});
    let reply = rig.patch(&format!("/orders/systempay_{OTHER}"), &[], &body).await;
    assert_eq!(reply.problem(), (409, "merchant_reference_in_use"));
    assert_eq!(reply.pointer(), Some("/merchant_reference"));
    assert_eq!(rig.control.requests(UPDATE), 1);
}

/// The timeline tells of the change and has no gap.
#[tokio::test]
async fn events_are_numbered_without_gaps() {
    let rig = Rig::new().await;
    assert_eq!(rig.update().await.status, 200);
    assert_eq!(rig.cancel().await.status, 200);
    let mut seen = Vec::new();
    let mut next = format!("{}/events?limit=1", path());
    loop {
        let page = rig.get(&next).await;
        assert_eq!(page.status, 200, "{page:?}");
        seen.extend(page.json["items"].as_array().unwrap().iter().cloned());
        let Some(cursor) = page.json["next_cursor"].as_str() else { break };
        next = format!("{}/events?limit=1&cursor={cursor}", path());
    }
    let numbers: Vec<_> = seen.iter().filter_map(|event| event["sequence"].as_u64()).collect();
    assert_eq!(numbers, (1..=u64::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
    let types: Vec<_> = seen.iter().filter_map(|event| event["type"].as_str()).collect();
    for wanted in ["order.updated", "order.canceled", "operation.succeeded"] {
        assert!(types.contains(&wanted), "{wanted} in {types:?}");
    }
    let whole = rig.get(&format!("{}/events", path())).await;
    assert_eq!(whole.json["items"], Value::Array(seen));
    let altered = rig.get(&format!("{}/events?cursor=1-0000000000000000", path())).await;
    assert_eq!(altered.problem(), (400, "invalid_cursor"));
    assert!(rig.control.requests(GET) >= 2);
}
