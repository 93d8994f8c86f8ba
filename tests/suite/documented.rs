//! Every answer the tests see, against the OpenAPI document: its status, its problem code, its body. And every request that
//! was done: its query and its body.

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

/// Validators of JSON bodies that are sent, by operation and media type.
static BODIES: LazyLock<BTreeMap<(String, String), jsonschema::Validator>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    for operation in operations().map(|(_, _, operation)| operation) {
        let id = operation["operationId"].as_str().unwrap();
        for (media, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            all.insert((id.to_owned(), media.clone()), validator(&content["schema"]));
        }
    }
    all
});

/// The operation at this address, if the document describes it.
fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let method = method.as_str().to_lowercase();
    let fits = |template: &str| {
        template.split('/').count() == path.split('/').count()
            && template
                .split('/')
                .zip(path.split('/'))
                .all(|(a, b)| a == b || (a.starts_with('{') && !b.is_empty()))
    };
    operations().find(|(template, verb, _)| *verb == method && fits(template)).map(|(_, _, found)| found)
}

/// A request, as the tests send it.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub media: Option<&'a str>,
    pub body: Option<&'a str>,
}

/// Fails when the document does not promise this answer, or when the service took a request that the document does not
/// take. What it does not describe (pages, probes, addresses and methods that do not exist) is not looked at.
pub fn check(sent: Sent<'_>, reply: &Reply) {
    let (path, query) = sent.path.split_once('?').unwrap_or((sent.path, ""));
    let Some(operation) = operation(sent.method, path) else { return };
    check_answer(operation, reply);
    if (200..300).contains(&reply.status) {
        check_query(operation, query);
        check_body(operation, sent);
    }
}

/// Every parameter is one of the document's, with a value that it takes.
fn check_query(operation: &Value, query: &str) {
    let id = operation["operationId"].as_str().unwrap();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let known = operation["parameters"].as_array().into_iter().flatten();
        let mut known = known.filter(|parameter| parameter["in"] == "query" && parameter["name"] == *name);
        let schema = &known.next().unwrap_or_else(|| panic!("{id} does not document {name}"))["schema"];
        assert!(takes(schema, &value), "{id}: the document does not take {name}={value}");
    }
}

/// Whether a parameter may have this text.
pub fn takes(schema: &Value, text: &str) -> bool {
    let value = match schema["type"].as_str() {
        Some("string") => json!(text),
        _ => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    };
    jsonschema::validator_for(schema).unwrap().is_valid(&value)
}

/// The body is one that the document takes.
fn check_body(operation: &Value, sent: Sent<'_>) {
    let id = operation["operationId"].as_str().unwrap();
    let Some(body) = sent.body.filter(|body| !body.is_empty()) else {
        assert!(operation["requestBody"]["required"] != true, "{id} was done without a body");
        return;
    };
    if id == "receiveNotification" {
        // What platforms send is theirs; the document names the usual media types.
        return;
    }
    let media = sent.media.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_lowercase();
    let schema = BODIES
        .get(&(id.to_owned(), media.clone()))
        .unwrap_or_else(|| panic!("{id} does not document a body of {media}"));
    if media.ends_with("json") {
        let body: Value = serde_json::from_str(body).unwrap();
        let wrong: Vec<_> =
            schema.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{id} took what the document does not take: {wrong:?} in {body}");
    }
}

fn check_answer(operation: &Value, reply: &Reply) {
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
