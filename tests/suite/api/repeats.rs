//! What had been done before leaves nothing behind, however often it is asked for.

use guichet_simulator::FaultKind;
use serde_json::{Value, json};

use crate::rig::{CANCEL, Rig, UPDATE, path};

/// Rows of operations, events and the audit trail.
fn rows(rig: &Rig) -> [i64; 3] {
    let store = rusqlite::Connection::open(rig.store_path()).unwrap();
    store.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    ["operations", "events", "audit"]
        .map(|table| store.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap())
}

/// The operation of an answer: its id, its status and its outcome.
fn operation(answer: &Value) -> [&Value; 3] {
    ["id", "status", "outcome"].map(|member| &answer["operation"][member])
}

#[tokio::test]
async fn canceling_again_and_again_fills_no_store() {
    let rig = Rig::new().await;
    assert_eq!(rig.cancel().await.status, 200);
    let before = rows(&rig);
    for _ in 0..20 {
        let again = rig.cancel().await;
        assert_eq!(again.status, 200, "{again:?}");
        assert_eq!(operation(&again.json), [&json!(null), &json!("succeeded"), &json!("already_done")]);
        assert_eq!(again.json["status"], "canceled");
    }
    assert_eq!(rows(&rig), before);
    // A key has an operation to answer with, and no event.
    let cancel =
        async || rig.post(&format!("{}/cancel", path()), &[("idempotency-key", "again")], None).await;
    let (first, second) = (cancel().await, cancel().await);
    assert_eq!(operation(&first.json)[1..], [&json!("succeeded"), &json!("already_done")]);
    assert!(first.json["operation"]["id"].is_string(), "{first:?}");
    assert_eq!(second.json["operation"], first.json["operation"]);
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    let [operations, events, audit] = before;
    assert_eq!(rows(&rig), [operations + 1, events, audit + 1]);
    assert_eq!(rig.control.requests(CANCEL), 1);
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_not_sent_and_fills_no_store() {
    let rig = Rig::new().await;
    let order = rig.made("cart-1", &json!({})).await;
    let place = format!("/orders/systempay_{order}");
    let same = json!({"amount": {"value": 1_000, "currency": "EUR"}, "merchant_reference": "cart-1"});
    let before = rows(&rig);
    for _ in 0..5 {
        let reply = rig.patch(&place, &[], &same).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(operation(&reply.json), [&json!(null), &json!("succeeded"), &json!("already_done")]);
    }
    assert_eq!((rows(&rig), rig.control.requests(UPDATE)), (before, 0));
    // What no read tells counts as a change.
    let other = rig.patch(&place, &[], &json!({"amount": {"value": 1_100, "currency": "EUR"}})).await;
    assert_eq!((other.status, &other.json["operation"]["outcome"]), (200, &json!("executed")));
    assert_eq!(rig.control.requests(UPDATE), 1);
}

#[tokio::test]
async fn what_is_settled_is_settled_once() {
    let rig = Rig::new().await;
    rig.fault(CANCEL, FaultKind::LoseAnswer);
    let lost = rig.cancel().await;
    let Some(id) = lost.json["operation"]["id"].as_str() else { panic!("{lost:?}") };
    let settle = async || {
        let body = json!({"as": "succeeded", "reason": "seen in the back office"});
        rig.post(&format!("/operations/{id}/settle"), &[], Some(&body)).await
    };
    rig.ended(id).await;
    let before = rows(&rig);
    for _ in 0..5 {
        assert_eq!(settle().await.problem(), (409, "order_state_conflict"));
    }
    assert_eq!(rows(&rig), before);
}
