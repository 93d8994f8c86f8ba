//! A canary in every member that may name a payer: none is printed, none is left after erasure.

use serde_json::{Value, json};

use super::*;

const CARD: &str = "4111 1111 1111 1111";

/// An operation of each kind, with a text in every place that takes one.
fn operations(text: &str) -> Vec<Operation> {
    let page = format!("https://pay.example/{}", text.replace(' ', "+"));
    let order = json!({
        "id": "shop_1", "provider": "p", "mode": "test", "merchant_reference": "cart-42", "status": "paid",
        "is_final": true, "provider_status": {"code": "PAID", "message": text}, "amount": 1_250, "currency": "EUR",
        "amounts": {"requested": 1_250, "authorized": 1_250, "captured": 1_250, "canceled": 0, "refunded": 0},
        "checkout": {"method": "POST", "url": page, "fields": {"a": text}, "link": page},
        "delivery": {"channel": "email", "recipient": text}, "description": text, "locale": "fr-FR",
        "metadata": {"cart": text}, "created_at": null, "updated_at": null, "expires_at": null,
        "as_of": "2026-11-23T10:00:00.000Z", "available_actions": [], "provider_data": {"bcc": text},
    });
    let planned = json!({
        "order": {
            "amount": {"value": 1_250, "currency": "EUR"}, "merchant_reference": "cart-42", "description": text,
            "capture": "automatic", "payment_method": null, "expires_at": null, "locale": "fr-FR",
            "delivery": {"channel": "email", "recipient": text, "subject": text, "message": text, "template": "t"},
            "customer": {"email": text, "first_name": text, "last_name": text}, "return_url": text,
            "metadata": {"cart": text}, "provider_options": {"deep": {"list": [text]}},
        },
        "expires_at": "2026-11-30T10:00:00.000Z", "reference": null, "page_token": text,
    });
    let patch = json!({
        "description": {"set": text}, "return_url": {"set": text}, "metadata": {"set": {"cart": text, "x": null}},
        "delivery": {"set": {"recipient": {"set": text}, "subject": {"set": text}, "message": {"set": text}}},
        "customer": {"set": {"email": {"set": text}, "first_name": {"set": text}, "last_name": {"set": text}}},
        "provider_options": {"set": {"bcc": text}},
    });
    let part = json!({"amount": {"value": 1_250, "currency": "EUR"}, "full": true});
    let intents = [
        json!({"type": "create", "planned": planned}),
        json!({"type": "update", "before": order, "patch": patch}),
        json!({"type": "cancel", "before": order, "part": part}),
        json!({"type": "capture", "before": order, "part": part}),
        json!({"type": "refund", "before": order, "part": part}),
    ];
    let operation = |intent: &Value| {
        serde_json::from_value(json!({
            "id": "op_01997b2c-0000-7000-8000-000000000001", "kind": intent["type"], "account": "shop",
            "order_id": "shop_1", "provider": "p", "client": "till", "request_id": "req-1",
            "amount": {"value": 1_250, "currency": "EUR"}, "status": "refused", "already_done": false,
            "intent": intent,
            "failure": {"code": "provider_refused", "detail": text, "provider_code": "INT_1",
                        "provider_message": text, "pointer": null, "reason": null},
            "order_after": order, "created_at": "2026-11-23T10:00:00.000Z",
            "updated_at": "2026-11-23T10:00:00.000Z", "checks": 0, "next_check_at": null,
        }))
        .unwrap()
    };
    intents.iter().map(operation).collect()
}

/// How often a text is in what would be stored.
fn count(operation: &Operation, text: &str) -> usize {
    serde_json::to_string(operation).unwrap().matches(text).count()
}

#[test]
fn nothing_of_the_payer_is_printed() {
    for operation in operations("canary@example.com") {
        assert!(count(&operation, "canary") >= 8, "the canaries are in place");
        let printed = format!("{operation:?} {operation:#?}");
        assert!(!printed.contains("canary"), "{printed}");
        assert!(printed.contains("[hidden]") && printed.contains("shop_1"), "{printed}");
    }
}

#[test]
fn erasure_leaves_the_record_and_nobody_in_it() {
    for mut operation in operations("canary@example.com") {
        let before = serde_json::to_value(&operation).unwrap();
        operation.erase_payer_data();
        assert_eq!(count(&operation, "canary"), 0, "{}", serde_json::to_string(&operation).unwrap());
        let after = serde_json::to_value(&operation).unwrap();
        for member in
            ["id", "kind", "account", "order_id", "client", "request_id", "amount", "status", "created_at"]
        {
            assert_eq!(after[member], before[member], "{member}");
        }
        for at in [
            "/order_after/amounts",
            "/order_after/status",
            "/order_after/merchant_reference",
            "/failure/code",
        ] {
            assert_eq!(after.pointer(at), before.pointer(at), "{at}");
        }
        assert_eq!(serde_json::from_value::<Operation>(after).unwrap(), operation, "it can be read back");
        let once = operation.clone();
        operation.erase_payer_data();
        assert_eq!(operation, once);
    }
}

#[test]
fn free_texts_are_masked_and_references_are_not() {
    for mut operation in operations(CARD) {
        operation.request_id = "4111111111111111".to_owned();
        operation.mask_card_numbers();
        let text = serde_json::to_value(&operation).unwrap();
        assert_eq!(text["request_id"], "4111111111111111");
        // Addresses are no free text: a masked one would reach nobody.
        let addresses =
            ["recipient", "email", "url", "link", "fields", "return_url", "page_token", "provider_data"];
        let mut left = Vec::new();
        find(&text, CARD, &mut Vec::new(), &mut left);
        for path in left {
            assert!(path.iter().any(|name| addresses.contains(&name.as_str())), "{path:?}");
        }
    }
}

/// The paths to every text that holds `wanted`.
fn find(value: &Value, wanted: &str, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    match value {
        Value::String(text) if text.contains(wanted) => found.push(path.clone()),
        Value::Array(items) => items.iter().for_each(|item| find(item, wanted, path, found)),
        Value::Object(members) => {
            for (name, member) in members {
                path.push(name.clone());
                find(member, wanted, path, found);
                path.pop();
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
