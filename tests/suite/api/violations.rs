//! Requests with more mistakes than anybody reads: the answer stays short, and costs little.

use serde_json::{Map, Value, json};

use crate::rig::{Reply, Rig};

/// So many members that nobody knows.
fn unknown(count: usize) -> Map<String, Value> {
    (0..count).map(|number| (format!("a{number}"), json!(1))).collect()
}

fn body(account: &str, more: Value) -> Value {
    let mut body =
        json!({"account": account, "amount": {"value": 100, "currency": "EUR"}, "merchant_reference": "a"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Fifty are named, and the answer is no longer than the request could be.
fn names_fifty(what: &str, seen: &Reply) {
    assert!(
        matches!(seen.problem(), (400, "validation_failed") | (422, "unsupported_by_provider")),
        "{what}"
    );
    assert_eq!(seen.json["errors"].as_array().unwrap().len(), 50, "{what}");
    assert!(
        seen.json["detail"].as_str().unwrap().contains("the first 50"),
        "{what}: {}",
        seen.json["detail"]
    );
    assert!(seen.text.len() < 48 * 1024, "{what}: {} bytes", seen.text.len());
}

#[tokio::test]
async fn an_answer_names_fifty_violations() {
    let rig = Rig::new().await;
    let key = "violations";
    names_fifty("members", &rig.create(key, &body("systempay", Value::Object(unknown(5_000)))).await);
    for account in ["systempay", "sherlocks", "yabandpay"] {
        let options = body(account, json!({"provider_options": unknown(4_000)}));
        names_fifty(account, &rig.create(key, &options).await);
    }
    names_fifty("labels", &rig.create(key, &body("systempay", json!({"metadata": unknown(4_000)}))).await);
    let query: Vec<String> = unknown(1_000).into_iter().map(|(name, _)| format!("{name}=1")).collect();
    for path in ["/orders", "/operations", "/events"] {
        names_fifty(path, &rig.get(&format!("{path}?{}", query.join("&"))).await);
    }
    let limits = vec!["limit=x"; 1_000].join("&");
    names_fifty("one parameter", &rig.get(&format!("/orders?{limits}")).await);
    rig.stop().await;
}

#[tokio::test]
async fn a_long_name_is_neither_repeated_nor_compared() {
    let rig = Rig::new().await;
    let typo = rig.create("typo", &body("systempay", json!({"descripton": "x"}))).await;
    assert_eq!(typo.pointer(), Some("/descripton"));
    assert!(typo.json["errors"][0]["detail"].as_str().unwrap().contains("`description`"), "{typo:?}");
    let long = "n".repeat(60_000);
    for (more, pointer) in [
        (json!({(long.clone()): 1}), ""),
        (json!({"metadata": {(long.clone()): 1}}), "/metadata"),
        (json!({"provider_options": {(long.clone()): 1}}), "/provider_options"),
    ] {
        let seen = rig.create("long", &body("systempay", more)).await;
        assert_eq!((seen.problem(), seen.pointer()), ((400, "validation_failed"), Some(pointer)));
        assert!(seen.text.len() < 2 * 1024, "{} bytes", seen.text.len());
        assert!(!seen.text.contains("nearest"), "{}", seen.text);
    }
    let seen = rig.get(&format!("/orders?{}=1", "n".repeat(10_000))).await;
    assert_eq!((seen.problem(), seen.pointer()), ((400, "validation_failed"), Some("")));
    assert!(seen.text.len() < 2 * 1024, "{} bytes", seen.text.len());
    rig.stop().await;
}

/// The address counts as headers do.
#[tokio::test]
async fn a_long_address_is_too_large() {
    let rig = Rig::new().await;
    let seen = rig.get(&format!("/orders?merchant_reference={}", "n".repeat(17 * 1024))).await;
    assert_eq!(seen.problem(), (431, "headers_too_large"));
    assert_eq!(rig.get(&format!("/orders?merchant_reference={}", "n".repeat(8 * 1024))).await.status, 200);
    rig.stop().await;
}
