//! The OpenAPI document: committed as it is served, complete, and with examples that are true.

use guichet::http::document;
use serde_json::{Value, json};

fn parsed() -> Value {
    serde_json::from_str(document()).unwrap()
}

/// Every operation with its method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &'static str)| format!("{item} {path}");
    let mut all = Vec::new();
    for (path, item) in paths {
        for method in ["get", "put", "post", "patch", "delete"] {
            if let Some(operation) = item.get(method) {
                all.push((of_path((path, method)), operation));
            }
        }
    }
    all
}

#[test]
fn the_committed_document_is_the_one_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(committed == document(), "openapi/openapi.json is not what guichet serves: run `make openapi`");
}

#[test]
fn every_operation_is_described() {
    let document = parsed();
    let operations = operations(&document);
    let mut ids: Vec<_> = operations.iter().map(|(_, operation)| operation["operationId"].as_str()).collect();
    assert!(ids.len() >= 7, "{ids:?}");
    for (name, operation) in &operations {
        for member in ["operationId", "summary", "description"] {
            assert!(operation[member].as_str().is_some_and(|text| !text.is_empty()), "{name}: {member}");
        }
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

/// A schema of the document, usable by itself.
fn schema(document: &Value, name: &str) -> jsonschema::Validator {
    let root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": format!("#/components/schemas/{name}"),
        "components": document["components"],
    });
    jsonschema::validator_for(&root).unwrap()
}

#[test]
fn every_problem_example_is_a_problem() {
    let document = parsed();
    let problem = schema(&document, "Problem");
    let mut checked = 0;
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let examples = response.pointer("/content/application~1problem+json/examples");
            for (code, example) in examples.and_then(Value::as_object).into_iter().flatten() {
                let value = &example["value"];
                assert!(problem.is_valid(value), "{name} {status} {code}: {value}");
                assert_eq!(value["code"], code.as_str(), "{name}");
                assert_eq!(value["status"].to_string(), *status, "{name} {code}");
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "{checked}");
}

/// What the running service answers is what the document promises.
#[tokio::test]
async fn answers_are_as_documented() {
    let document = parsed();
    let rig = crate::rig::Rig::new().await;
    let check = |name: &str, reply: &crate::rig::Reply| {
        let errors: Vec<_> =
            schema(&document, name).iter_errors(&reply.json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?} in {}", reply.text);
    };
    check("Order", &rig.get(&crate::rig::path()).await);
    check("ChangedOrder", &rig.update().await);
    check("EventList", &rig.get(&format!("{}/events", crate::rig::path())).await);
    check("AccountList", &rig.get("/accounts").await);
    check("Problem", &rig.get("/orders/x").await);
    rig.refuse(crate::rig::UPDATE, "PSP_1007");
    let refused = rig.update().await;
    check("Problem", &refused);
    check("Operation", &rig.get(refused.json["instance"].as_str().unwrap()).await);
    rig.refuse(crate::rig::UPDATE, "PSP_1001");
    check("OpenOperation", &rig.update().await);

    check("ChangedOrder", &rig.create("a", &crate::rig::new_order("a")).await);
    check("Problem", &rig.create("b", &crate::rig::new_order("a")).await);
    rig.fault(crate::rig::CREATE, guichet::simulator::FaultKind::LoseAnswer);
    let lost = rig.create("c", &crate::rig::new_order("c")).await;
    check("OpenOperation", &lost);
    check("Operation", &rig.get(lost.header("location").unwrap()).await);
    let order = rig.captured("d").await;
    check("Problem", &rig.act("capture", &order, None, None).await);
    check("ChangedOrder", &rig.act("refund", &order, Some("d"), Some(1)).await);
    check("Order", &rig.read(&order).await);
    check("EventList", &rig.get(&format!("/orders/systempay_{order}/events")).await);
}
