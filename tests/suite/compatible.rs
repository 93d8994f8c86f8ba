//! The API only grows: what callers of the last released document rely on still holds. `openapi/released.json` is that
//! document; `make openapi-released` replaces it, which is a decision and belongs into the changelog.
//!
//! What callers send may not become less: a path, a parameter, a member, a value they may use. What they get may not
//! become less either: a status, a header, a member, and nothing that was always there may be absent. New words in
//! answers and new problems are no difference: readers tolerate them.

mod schema;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::documented::DOCUMENT;
use schema::Side;

/// Two documents, and the differences that would hurt a caller of the first.
struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    found: Vec<String>,
}

fn differences(old: &Value, new: &Value) -> Vec<String> {
    let mut comparison = Comparison { old, new, found: Vec::new() };
    for (path, item) in members(&old["paths"]) {
        for (method, operation) in members(item) {
            let name = format!("{method} {path}");
            let now = &new["paths"][path][method];
            if now.is_object() {
                comparison.operation(&name, operation, now);
            } else {
                comparison.found.push(format!("{name} is gone"));
            }
        }
    }
    let codes = |document: &Value| {
        strings(&document["components"]["schemas"]["Problem"]["properties"]["code"]["examples"])
    };
    for code in codes(old).difference(&codes(new)) {
        comparison.found.push(format!("the problem {code} is gone"));
    }
    comparison.found
}

impl Comparison<'_> {
    fn say(&mut self, place: &str, what: &str) {
        self.found.push(format!("{place}: {what}"));
    }

    fn operation(&mut self, name: &str, old: &Value, new: &Value) {
        if old["operationId"] != new["operationId"] {
            self.say(name, "generated clients know it by another operationId");
        }
        let open =
            |operation: &Value| operation["security"].as_array().is_some_and(|all| all.contains(&json!({})));
        if open(old) && !open(new) {
            self.say(name, "asks for credentials now");
        }
        self.parameters(name, old, new);
        self.request(name, &old["requestBody"], &new["requestBody"]);
        for (status, before) in members(&old["responses"]).filter(|(status, _)| status.starts_with('2')) {
            let now = &new["responses"][status];
            let place = format!("{name} {status}");
            if !now.is_object() {
                self.say(&place, "is gone");
                continue;
            }
            for (header, _) in members(&before["headers"]) {
                if now["headers"][header].is_null() {
                    self.say(&place, &format!("the header {header} is gone"));
                }
            }
            for (media, content) in members(&before["content"]) {
                self.content(&format!("{place} {media}"), Side::Answer, content, &now["content"][media]);
            }
        }
    }

    fn parameters(&mut self, name: &str, old: &Value, new: &Value) {
        let all = |operation: &Value| operation["parameters"].as_array().cloned().unwrap_or_default();
        let same = |a: &Value, b: &Value| a["name"] == b["name"] && a["in"] == b["in"];
        for parameter in all(old) {
            let place = format!("{name} {}", parameter["name"]);
            match all(new).iter().find(|now| same(now, &parameter)) {
                None => self.say(&place, "is gone"),
                Some(now) => {
                    if now["required"] == true && parameter["required"] != true {
                        self.say(&place, "is required now");
                    }
                    self.content(&place, Side::Request, &parameter, now);
                }
            }
        }
        for now in all(new).iter().filter(|now| now["required"] == true) {
            if !all(old).iter().any(|before| same(before, now)) {
                self.say(&format!("{name} {}", now["name"]), "is new and required");
            }
        }
    }

    fn request(&mut self, name: &str, old: &Value, new: &Value) {
        if new["required"] == true && old["required"] != true {
            self.say(name, "needs a body now");
        }
        for (media, content) in members(&old["content"]) {
            self.content(&format!("{name} {media}"), Side::Request, content, &new["content"][media]);
        }
    }

    fn content(&mut self, place: &str, side: Side, old: &Value, new: &Value) {
        if new.is_object() {
            let found = schema::compare(side, place, (self.old, &old["schema"]), (self.new, &new["schema"]));
            self.found.extend(found);
        } else {
            self.say(place, "is gone");
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn strings(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn released() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/released.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn callers_of_the_released_document_are_not_hurt() {
    let found = differences(&released(), &DOCUMENT);
    assert!(found.is_empty(), "{found:#?}");
}

/// Changes one place of the document, which has to be there.
fn changed(pointer: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut document = DOCUMENT.clone();
    change(document.pointer_mut(pointer).unwrap_or_else(|| panic!("there is no {pointer}")));
    document
}

fn without(pointer: &str, member: &str) -> Value {
    changed(pointer, |place| {
        assert!(place.as_object_mut().unwrap().remove(member).is_some(), "{pointer} has no {member}");
    })
}

fn with(pointer: &str, member: &str, value: Value) -> Value {
    changed(pointer, |place| place[member] = value)
}

#[test]
fn what_would_hurt_a_caller_is_found() {
    let cancel = "/paths/~1orders~1{id}~1cancel/post";
    let order = "/components/schemas/NewOrder";
    let shown = "/components/schemas/Operation";
    let push =
        |pointer: &str, value: Value| changed(pointer, |list| list.as_array_mut().unwrap().push(value));
    for (what, new) in [
        ("a path is gone", without("/paths", "/orders/{id}/cancel")),
        ("a method is gone", without("/paths/~1orders~1{id}", "patch")),
        ("another operationId", with(cancel, "operationId", json!("voidOrder"))),
        (
            "a new required parameter",
            push(&format!("{cancel}/parameters"), json!({"name": "why", "in": "query", "required": true})),
        ),
        (
            "a parameter is gone",
            changed(&format!("{cancel}/parameters"), |list| drop(list.as_array_mut().unwrap().pop())),
        ),
        ("a parameter became required", with(&format!("{cancel}/parameters/1"), "required", json!(true))),
        ("a body became required", with(&format!("{cancel}/requestBody"), "required", json!(true))),
        (
            "a media type is gone",
            without("/paths/~1orders~1{id}/patch/requestBody/content", "application/merge-patch+json"),
        ),
        ("a success is gone", without(&format!("{cancel}/responses"), "202")),
        ("a header is gone", without("/paths/~1orders/post/responses/201/headers", "ETag")),
        (
            "a path asks for credentials",
            with("/paths/~1problems~1{code}/get", "security", json!([{"apiKey": []}])),
        ),
        ("a member may not be sent any more", without(&format!("{order}/properties"), "locale")),
        ("a member must be sent now", push(&format!("{order}/required"), json!("locale"))),
        (
            "a value may not be sent any more",
            changed("/components/schemas/Money/properties/currency/enum", |list| {
                drop(list.as_array_mut().unwrap().pop())
            }),
        ),
        ("a shorter text", with(&format!("{order}/properties/merchant_reference"), "maxLength", json!(32))),
        (
            "a longer text at least",
            with(&format!("{order}/properties/merchant_reference"), "minLength", json!(2)),
        ),
        ("another pattern", with(&format!("{order}/properties/locale"), "pattern", json!("^fr$"))),
        (
            "null may not be sent any more",
            with(&format!("{order}/properties/locale"), "type", json!("string")),
        ),
        (
            "an alternative may not be sent any more",
            changed(&format!("{order}/properties/provider_options/anyOf"), |list| {
                drop(list.as_array_mut().unwrap().remove(0))
            }),
        ),
        ("a member is not answered any more", without(&format!("{shown}/properties"), "repeat")),
        (
            "a member may be absent now",
            changed(&format!("{shown}/required"), |list| drop(list.as_array_mut().unwrap().remove(0))),
        ),
        (
            "a member may be null now",
            with(&format!("{shown}/properties/status"), "type", json!(["string", "null"])),
        ),
        (
            "a member has another type",
            with("/components/schemas/Event/properties/sequence", "type", json!("string")),
        ),
        (
            "a problem is gone",
            changed("/components/schemas/Problem/properties/code/examples", |list| {
                drop(list.as_array_mut().unwrap().pop())
            }),
        ),
    ] {
        assert!(!differences(&DOCUMENT, &new).is_empty(), "not found: {what}");
    }
}

#[test]
fn growing_hurts_nobody() {
    let order = "/components/schemas/NewOrder/properties";
    for (what, new) in [
        ("the same", DOCUMENT.clone()),
        ("a new path", with("/paths", "/refunds", json!({"get": {"operationId": "listRefunds"}}))),
        ("a new member to send", with(order, "colour", json!({"type": ["string", "null"]}))),
        ("a longer text", with(&format!("{order}/merchant_reference"), "maxLength", json!(128))),
        (
            "a new member in answers",
            with("/components/schemas/Order/properties", "colour", json!({"type": "string"})),
        ),
        ("a new problem", with("/paths/~1accounts/get/responses", "418", json!({"description": "a teapot"}))),
        ("other words", with("/paths/~1accounts/get", "description", json!("Read them."))),
    ] {
        assert_eq!(differences(&DOCUMENT, &new), Vec::<String>::new(), "{what}");
    }
}
