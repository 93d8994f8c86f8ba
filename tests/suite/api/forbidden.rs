//! What the document forbids is refused, with the place where it stands: every member of every body and every query
//! parameter gets values that its schema does not take.

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::{
    documented::{DOCUMENT, operations, takes},
    rig::{Reply, Rig},
};

/// A schema, without the reference to it and without `null` beside it. Of several choices the first.
fn plain(schema: &Value) -> &Value {
    if let Some(pointer) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        return plain(DOCUMENT.pointer(pointer).unwrap());
    }
    let choices = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    choices.map_or(schema, |choices| plain(&choices[0]))
}

/// An object of a schema, with every member that can stand beside the others.
fn sample(schema: &Value) -> Value {
    let schema = plain(schema);
    if let Some(members) = schema["properties"].as_object() {
        let members = members.iter().filter(|(_, member)| member["type"] != "null");
        return members.map(|(name, member)| (name.clone(), sample(member))).collect::<Map<_, _>>().into();
    }
    let example = [&schema["example"], &schema["examples"][0], &schema["enum"][0]];
    let example = example.into_iter().find(|example| !example.is_null());
    example.cloned().unwrap_or_else(|| json!("a text"))
}

/// Values of every kind: what is right for one member is wrong for another.
fn values(schema: &Value) -> Vec<Value> {
    let schema = plain(schema);
    let long = schema["maxLength"].as_u64().map_or(30_000, |most| most + 1);
    let above = schema["maximum"].as_i64().map_or(i64::MAX, |most| most + 1);
    let mut all = vec![
        json!(null),
        json!(true),
        json!(above),
        json!(-1),
        json!(1.5),
        json!("a".repeat(long.try_into().unwrap())),
        json!([]),
        json!([7]),
        json!(vec!["order.paid"; 51]),
        json!({}),
        json!({"nobody_knows": 1}),
        (0..51).map(|number| (format!("a{number}"), json!("b"))).collect::<Map<_, _>>().into(),
        json!({"a": "b".repeat(256)}),
    ];
    let texts = [
        "",
        "x",
        "a\u{0}",
        "EUROS",
        "eur",
        "EN-gb",
        "Sys_Tem",
        "ftp://shop.example",
        "https://shop example/",
        "order",
        "evt_1",
        "soon",
        "2026-12-01",
        "2026-12-01T00:00:00",
        "2026-13-01T00:00:00Z",
    ];
    all.extend(texts.map(Value::from));
    all
}

/// A body with one thing that is wrong, and the place of it.
#[derive(Debug)]
struct Wrong {
    body: Value,
    pointer: String,
}

/// Every way in which a member of the object at this place may be wrong.
fn mutations(whole: &Value, pointer: &str, schema: &Value, found: &mut Vec<Wrong>) {
    let object = plain(schema);
    let Some(members) = object["properties"].as_object() else { return };
    let mut change = |name: &str, value: Option<Value>| {
        let mut body = whole.clone();
        let place = body.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => drop(place.insert(name.to_owned(), value)),
            None => drop(place.remove(name)),
        }
        found.push(Wrong { body, pointer: format!("{pointer}/{name}") });
    };
    change("nobody_knows", Some(json!("x")));
    for (name, member) in members {
        change(name, None);
        // What the options hold is their adapter's matter, which looks at more than the form.
        let values =
            values(member).into_iter().filter(|value| name != "provider_options" || !value.is_object());
        values.for_each(|value| change(name, Some(value)));
    }
    for (name, member) in members.iter().filter(|(name, _)| *name != "provider_options") {
        mutations(whole, &format!("{pointer}/{name}"), member, found);
    }
}

/// A schema of the document that also knows what a date is.
fn strict(schema: &Value) -> jsonschema::Validator {
    let root = json!({"allOf": [schema], "components": DOCUMENT["components"]});
    jsonschema::options().should_validate_formats(true).build(&root).unwrap()
}

/// An address with the document's own examples in it.
fn address(template: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let in_path = parameters.filter(|parameter| parameter["in"] == "path");
    in_path.fold(template.to_owned(), |address, parameter| {
        let name = format!("{{{}}}", parameter["name"].as_str().unwrap());
        address.replace(&name, parameter["example"].as_str().unwrap())
    })
}

fn pointers(reply: &Reply) -> Vec<&str> {
    let errors = reply.json["errors"].as_array().into_iter().flatten();
    errors.map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_body_that_the_document_forbids_is_refused_where_it_is_wrong() {
    let rig = Rig::new().await;
    // Whether an address may be called is looked at after the endpoint.
    let endpoint = rig.post("/webhook-endpoints", &[], Some(&json!({"url": "https://shop.example/"}))).await;
    let endpoint = endpoint.json["id"].as_str().unwrap().to_owned();
    let (mut sent, mut bodies, mut taken) = (0, 0, Vec::new());
    for (template, method, operation) in operations() {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if !schema.is_object() || operation["operationId"] == "receiveNotification" {
            continue;
        }
        bodies += 1;
        let validator = strict(schema);
        let method = method.to_uppercase().parse::<Method>().unwrap();
        let template = template.replace("/webhook-endpoints/{id}", &format!("/webhook-endpoints/{endpoint}"));
        let address = address(&template, operation);
        // Each choice is filled in by itself. Which one is meant is a matter of the whole body.
        let whole = DOCUMENT.pointer(&schema["$ref"].as_str().unwrap()[1..]).unwrap();
        let choices = whole["oneOf"].as_array();
        for schema in choices.map_or(vec![schema], |choices| choices.iter().collect()) {
            let right = sample(schema);
            assert!(validator.is_valid(&right), "{address}: {right}");
            let mut found = Vec::new();
            mutations(&right, "", schema, &mut found);
            for wrong in found.into_iter().filter(|wrong| !validator.is_valid(&wrong.body)) {
                let body = wrong.body.to_string();
                let reply =
                    rig.send(method.clone(), &address, &[("idempotency-key", "k")], Some(&body)).await;
                let inside = format!("{}/", wrong.pointer);
                let is_place = |at: &&str| {
                    *at == wrong.pointer || at.starts_with(&inside) || (choices.is_some() && at.is_empty())
                };
                let told = reply.status == 400 && reply.json["code"] == "validation_failed";
                if !told || !pointers(&reply).iter().any(is_place) {
                    taken
                        .push(format!("{address} {}: {:.200} gave {:.300}", wrong.pointer, body, reply.text));
                }
                sent += 1;
            }
        }
    }
    assert!(taken.is_empty(), "{taken:#?}");
    assert!(bodies == 10 && sent > 1_000, "{bodies} {sent}");
    assert_eq!(rig.changes_sent(), 0);
    rig.stop().await;
}

#[tokio::test]
async fn a_query_that_the_document_forbids_is_refused_where_it_is_wrong() {
    let rig = Rig::new().await;
    let long = "a".repeat(2_000);
    let values =
        ["", "x", "0", "-1", "1.5", "86401", "yes", "A", "a_b", "a_", "_b", "order", "order.*,", "9", &long];
    let mut sent = 0;
    for (template, _, operation) in operations().filter(|(_, method, _)| *method == "get") {
        let address = address(template, operation);
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
            let name = parameter["name"].as_str().unwrap();
            for value in values.iter().filter(|value| !takes(&parameter["schema"], value)) {
                let reply = rig.get(&format!("{address}?{name}={value}")).await;
                assert_eq!(reply.problem(), (400, "validation_failed"), "{address} {name}={value}");
                assert_eq!(pointers(&reply), [format!("/{name}")], "{address} {name}={value}");
                sent += 1;
            }
        }
    }
    assert!(sent > 100, "{sent}");
    rig.stop().await;
}
