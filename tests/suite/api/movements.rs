//! What cancel, capture and refund take as an amount.

use serde_json::json;

use crate::{
    documented::validator,
    rig::{Rig, new_order, path},
};

/// `null` where an amount belongs is most often a variable that was never set. Reading it as "all that is left" would
/// move everything.
#[tokio::test]
async fn an_amount_of_null_moves_nothing() {
    let rig = Rig::new().await;
    let order = rig.captured("cart-1").await;
    let sent = rig.changes_sent();
    for action in ["cancel", "capture", "refund"] {
        for body in [json!({"amount": null}), json!({"amount": {"value": null, "currency": "EUR"}})] {
            let headers = [("idempotency-key", action)];
            let reply = rig.post(&format!("/orders/systempay_{order}/{action}"), &headers, Some(&body)).await;
            assert_eq!(reply.problem(), (400, "validation_failed"), "{action} {body}");
            assert_eq!(reply.json["outcome"], "not_executed", "{action}");
            if body["amount"].is_null() {
                assert_eq!(reply.pointer(), Some("/amount"), "{action}");
                let detail = reply.json["errors"][0]["detail"].as_str().unwrap();
                assert!(detail.contains("leave it out"), "{action}: {detail}");
            } else {
                assert_eq!(reply.pointer(), Some("/amount/value"), "{action}");
            }
        }
    }
    assert_eq!(rig.changes_sent(), sent);
    // The key was not used up, and leaving the member out still means all that is left.
    let refunded = rig.act("refund", &order, Some("refund"), None).await;
    assert_eq!(
        (refunded.status, &refunded.json["amounts"]["refunded"]),
        (200, &json!(1_000)),
        "{refunded:?}"
    );
}

/// An amount that is written into the address is not read, and must not be taken for "all that is left".
#[tokio::test]
async fn an_amount_in_the_address_moves_nothing() {
    let rig = Rig::new().await;
    let order = rig.captured("cart-1").await;
    let sent = rig.changes_sent();
    for action in ["cancel", "capture", "refund"] {
        let place = format!("/orders/systempay_{order}/{action}?amount=100&currency=EUR");
        let reply = rig.post(&place, &[("idempotency-key", action)], None).await;
        assert_eq!(
            (reply.problem(), reply.pointer()),
            ((400, "validation_failed"), Some("/amount")),
            "{action}"
        );
    }
    let reply = rig.patch(&format!("{}?locale=fr-FR", path()), &[], &json!({"locale": "fr-FR"})).await;
    assert_eq!((reply.problem(), reply.pointer()), ((400, "validation_failed"), Some("/locale")));
    let body = new_order("cart-2").to_string();
    let headers = [("idempotency-key", "k")];
    let reply = rig.send(reqwest::Method::POST, "/orders?capture=manual", &headers, Some(&body)).await;
    assert_eq!((reply.problem(), reply.pointer()), ((400, "validation_failed"), Some("/capture")));
    assert_eq!(rig.changes_sent(), sent);
}

/// In a merge patch `null` means to clear. An amount cannot be cleared, and nothing is sent.
#[tokio::test]
async fn a_patch_of_null_clears_or_is_refused() {
    let rig = Rig::new().await;
    let reply = rig.patch(&path(), &[], &json!({"amount": null})).await;
    assert_eq!(reply.problem(), (422, "unsupported_by_provider"));
    assert_eq!(rig.changes_sent(), 0);
}

#[test]
fn the_document_says_the_same_of_null() {
    let part = validator(&json!({"$ref": "#/components/schemas/Part"}));
    assert!(part.is_valid(&json!({})));
    assert!(part.is_valid(&json!({"amount": {"value": 1, "currency": "EUR"}})));
    assert!(!part.is_valid(&json!({"amount": null})));
    let patch = validator(&json!({"$ref": "#/components/schemas/OrderPatch"}));
    assert!(patch.is_valid(&json!({"amount": null})));
}
