//! Every answer the tests see, against the OpenAPI document: its status, its problem code, its body.

use std::{collections::BTreeMap, sync::LazyLock};

use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::Reply;

/// The document, as it is served.
pub static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(guichet::http::document()).unwrap());

/// Validators of JSON answers, by operation and status.
static SCHEMAS: LazyLock<BTreeMap<(String, String), jsonschema::Validator>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    for operation in operations().map(|(_, _, operation)| operation) {
        let id = operation["operationId"].as_str().unwrap();
        for (status, response) in operation["responses"].as_object().unwrap() {
            for media in ["application/json", "application/problem+json"] {
                let schema = &response["content"][media]["schema"];
                if schema.is_object() {
                    all.insert((id.to_owned(), status.clone()), validator(schema));
                }
            }
        }
    }
    all
});

/// A part of the document as a schema that can be used by itself.
pub fn validator(schema: &Value) -> jsonschema::Validator {
    let root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [schema],
        "components": DOCUMENT["components"],
    });
    jsonschema::validator_for(&root).unwrap()
}

/// Path, method and what is said of it, for each operation.
pub fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    DOCUMENT["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// Fails when the document does not promise this answer. What it does not describe (pages, probes, addresses and
/// methods that do not exist) is not looked at.
pub fn check(method: &Method, path: &str, reply: &Reply) {
    let path = path.split('?').next().unwrap_or_default();
    let method = method.as_str().to_lowercase();
    let fits = |template: &str| {
        template.split('/').count() == path.split('/').count()
            && template
                .split('/')
                .zip(path.split('/'))
                .all(|(a, b)| a == b || (a.starts_with('{') && !b.is_empty()))
    };
    let Some((_, _, operation)) = operations().find(|(template, verb, _)| *verb == method && fits(template))
    else {
        return;
    };
    let (id, status) = (operation["operationId"].as_str().unwrap(), reply.status.to_string());
    let response = &operation["responses"][&status];
    assert!(response.is_object(), "{id} does not document {status}: {reply:?}");
    let media = reply.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    if reply.text.is_empty() && media.is_empty() {
        return;
    }
    let content = &response["content"][media];
    assert!(content.is_object(), "{id} does not document {media} for {status}: {reply:?}");
    if media == "application/problem+json" {
        let code = reply.json["code"].as_str().unwrap();
        assert!(content["examples"][code].is_object(), "{id} does not document {status} {code}: {reply:?}");
    }
    if media.ends_with("json") {
        let wrong: Vec<_> = SCHEMAS[&(id.to_owned(), status.clone())]
            .iter_errors(&reply.json)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{id} {status}: {wrong:?} in {}", reply.text);
    }
}
