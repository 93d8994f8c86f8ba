//! The OpenAPI document: committed as it is served, complete, and with examples that are true.

use guichet::http::document;
use serde_json::{Value, json};

use crate::documented::{DOCUMENT, operations, validator};

#[test]
fn the_committed_document_is_the_one_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(committed == document(), "openapi/openapi.json is not what guichet serves: run `make openapi`");
}

#[test]
fn every_operation_is_described() {
    let mut ids: Vec<_> = operations().map(|(_, _, operation)| operation["operationId"].as_str()).collect();
    assert!(ids.len() >= 20, "{ids:?}");
    let tags: Vec<_> = DOCUMENT["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for (path, method, operation) in operations() {
        let name = format!("{method} {path}");
        for member in ["operationId", "summary", "description"] {
            assert!(operation[member].as_str().is_some_and(|text| !text.is_empty()), "{name}: {member}");
        }
        assert!(operation["tags"].as_array().unwrap().iter().all(|tag| tags.contains(&tag)), "{name}: tags");
        assert!(operation["security"].is_array(), "{name}: security");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name}: no success");
        for (status, response) in responses {
            let described = response["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(described, "{name}: {status} has no description");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{name}: {parameter}");
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an operationId is used twice");
}

/// What a reference to a component means; anything else is itself.
fn resolved(value: &'static Value) -> &'static Value {
    let target = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    target.map_or(value, |pointer| DOCUMENT.pointer(pointer).unwrap())
}

/// Every body of an operation: where it is, and what the document says of it.
fn bodies(operation: &'static Value) -> Vec<(String, &'static Value)> {
    let mut all = Vec::new();
    let mut add = |place: &str, content: &'static Value| {
        for (media, described) in content.as_object().into_iter().flatten() {
            all.push((format!("{place} {media}"), described));
        }
    };
    add("request", &operation["requestBody"]["content"]);
    for (status, response) in operation["responses"].as_object().unwrap() {
        add(status, &response["content"]);
    }
    all
}

/// The members of an object, those of its parts included.
fn members(schema: &'static Value) -> Vec<&'static str> {
    let schema = resolved(schema);
    let own = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let parts = schema["allOf"].as_array().into_iter().flatten().flat_map(members);
    own.chain(parts).collect()
}

#[test]
fn every_body_has_examples_and_each_is_what_its_schema_says() {
    let mut checked = 0;
    for (path, method, operation) in operations() {
        for (place, described) in bodies(operation) {
            let name = format!("{method} {path}: {place}");
            let examples =
                described["examples"].as_object().unwrap_or_else(|| panic!("{name} has no example"));
            let schema = validator(&described["schema"]);
            for (key, example) in examples {
                let example = resolved(example);
                let value = &example["value"];
                assert!(example["summary"].is_string(), "{name} {key}");
                let wrong: Vec<_> = schema.iter_errors(value).map(|error| error.to_string()).collect();
                assert!(wrong.is_empty(), "{name} {key}: {wrong:?}");
                if place.contains("problem+json") {
                    assert_eq!(value["code"], key.as_str(), "{name}");
                    assert!(place.starts_with(&value["status"].to_string()), "{name} {key}");
                    assert_eq!(value["outcome"].is_string(), method != "get", "{name} {key}");
                } else if place.starts_with('2') {
                    for member in members(&described["schema"]) {
                        assert!(value.get(member).is_some(), "{name} {key} does not show {member}");
                    }
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 300, "{checked}");
}

#[test]
fn no_example_is_left_over() {
    let text = document();
    for name in DOCUMENT["components"]["examples"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("#/components/examples/{name}\"")), "nothing shows {name}");
    }
}

/// A schema of the document, by its name.
fn schema(name: &str) -> jsonschema::Validator {
    validator(&json!({"$ref": format!("#/components/schemas/{name}")}))
}

/// What the running service answers is what the document promises.
#[tokio::test]
async fn answers_are_as_documented() {
    let rig = crate::rig::Rig::new().await;
    let check = |name: &str, reply: &crate::rig::Reply| {
        let errors: Vec<_> = schema(name).iter_errors(&reply.json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?} in {}", reply.text);
    };
    check("Order", &rig.get(&crate::rig::path()).await);
    check("ChangedOrder", &rig.update().await);
    check("EventList", &rig.get(&format!("{}/events", crate::rig::path())).await);
    check("AccountList", &rig.get("/accounts").await);
    check("Problem", &rig.get("/orders/x").await);
    // Once more: nothing to do, nothing kept.
    check("ChangedOrder", &rig.update().await);
    let change =
        async || rig.patch(&crate::rig::path(), &[], &json!({"description": "Something else"})).await;
    rig.refuse(crate::rig::UPDATE, "PSP_1007");
    let refused = change().await;
    check("Problem", &refused);
    check("Operation", &rig.get(refused.json["instance"].as_str().unwrap()).await);
    rig.refuse(crate::rig::UPDATE, "PSP_1001");
    check("OpenOperation", &change().await);

    check("ChangedOrder", &rig.create("a", &crate::rig::new_order("a")).await);
    check("Problem", &rig.create("b", &crate::rig::new_order("a")).await);
    rig.fault(crate::rig::CREATE, guichet_simulator::FaultKind::LoseAnswer);
    let lost = rig.create("c", &crate::rig::new_order("c")).await;
    check("OpenOperation", &lost);
    check("Operation", &rig.get(lost.header("location").unwrap()).await);
    let order = rig.captured("d").await;
    check("Problem", &rig.act("capture", &order, None, None).await);
    check("ChangedOrder", &rig.act("refund", &order, Some("d"), Some(1)).await);
    check("Order", &rig.read(&order).await);
    check("EventList", &rig.get(&format!("/orders/systempay_{order}/events")).await);
}
