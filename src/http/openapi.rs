//! The OpenAPI document: routes bring their own part; what is the same for all of them is added here.

mod examples;
mod problems;

use std::sync::LazyLock;

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{
    OpenApi, ToSchema,
    openapi::{OpenApi as Document, ServerBuilder},
};

use super::{form::schema_of_options, query, requests};
use crate::problem::ProblemCode;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Guichet",
        description = "One counter for all payment platforms: make, read, change, cancel, capture and refund payment orders of any configured \
                       account in one vocabulary.\n\nAuthorize with an API key. Every answer to a change says what \
                       happened to the money (`outcome`); `unknown` means: do not repeat, look at the operation.",
        contact(name = "Guichet developers", url = "https://guichet.invalid/"),
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "orders", description = "Payment orders, wherever they live"),
        (name = "events", description = "Everything that happened, and where it is delivered"),
        (name = "operations", description = "What became of changes"),
        (name = "notifications", description = "What providers tell"),
        (name = "accounts", description = "Merchant contracts and what they can do"),
        (name = "problems", description = "What the problem codes mean")
    )
)]
struct Base;

/// The part of the document that belongs to no route.
pub(super) fn base() -> Document {
    let mut document = Base::openapi();
    document.servers =
        Some(vec![ServerBuilder::new().url(".").description(Some("where this document is")).build()]);
    document
}

/// What a problem code means.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProblemCode)]
pub(super) struct ProblemCodeBody {
    /// The code.
    #[schema(example = "order_state_conflict")]
    code: &'static str,
    /// The HTTP status it is answered with.
    #[schema(example = 409)]
    status: u16,
    /// A few words.
    title: &'static str,
    /// What it means and what to do.
    meaning: &'static str,
    /// Whether the same request with the same key may be sent again.
    retryable: bool,
}

impl ProblemCodeBody {
    pub(super) fn new(code: ProblemCode) -> Self {
        Self {
            code: code.as_str(),
            status: code.status(),
            title: code.title(),
            meaning: code.meaning(),
            retryable: code.retryable(),
        }
    }
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let (_, document) = super::routes().split_for_parts();
    let mut value = serde_json::to_value(&document).unwrap_or_default();
    complete(&mut value);
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
});

/// The whole document as JSON text, the same on every build of this version.
pub fn document() -> &'static str {
    &DOCUMENT
}

/// Adds security schemes, the problem schema, the problems of every operation, examples, and the options of every
/// provider.
fn complete(document: &mut Value) {
    put(
        document,
        &["components", "securitySchemes"],
        json!({
            "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key: `gk_` and 43 characters"},
            "bearer": {"type": "http", "scheme": "bearer", "description": "The same API key as a bearer token, or a token (JWT) of the configured issuer"},
        }),
    );
    put(document, &["components", "schemas", "Problem"], problem_schema());
    for provider in guichet_providers::all() {
        let name = schema_of_options(provider.id);
        put(document, &["components", "schemas", &name], (provider.options_schema)());
    }
    requests::add_schemas(document);
    super::dto::complete(document);
    for operation in operations(document) {
        requests::describe(operation);
        query::describe(operation);
    }
    examples::add(document);
    let mut components = document.get_mut("components").map(Value::take).unwrap_or_default();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (_, item) in paths.into_iter().flatten() {
        let Some(methods) = item.as_object_mut() else { continue };
        for (method, operation) in methods.iter_mut() {
            let is_change = !matches!(method.as_str(), "get" | "head");
            say_that_it_is_a_replay(operation);
            problems::describe(operation, is_change, &mut components);
        }
    }
    put(document, &["components"], components);
}

/// Every operation.
fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flatten().filter_map(|(_, item)| item.as_object_mut());
    items.flatten().map(|(_, operation)| operation)
}

/// Answers to a key that was used before say so.
fn say_that_it_is_a_replay(operation: &mut Value) {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let mut names = parameters.into_iter().flatten().filter_map(|parameter| parameter.get("name"));
    if !names.any(|name| name == "Idempotency-Key") {
        return;
    }
    for status in ["200", "201", "202"] {
        if operation.pointer(&format!("/responses/{status}")).is_some() {
            let header = json!({"description": "`true`: the answer to an earlier request with this key",
                "schema": {"type": "string"}});
            put(operation, &["responses", status, "headers", "Idempotent-Replayed"], header);
        }
    }
}

fn problem_schema() -> Value {
    let codes: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        "description": "Why a call did not do what was asked (RFC 9457).",
        "required": ["type", "title", "status", "detail", "instance", "code", "retryable", "request_id"],
        "properties": {
            "type": {"type": "string", "description": "Address of the page of this code."},
            "title": {"type": "string", "description": "A few words, the same every time."},
            "status": {"type": "integer", "description": "The HTTP status."},
            "detail": {"type": "string", "description": "For people; safe to show to staff."},
            "instance": {"type": "string", "description": "The operation, or the request as a URN."},
            "code": {"type": "string", "examples": codes, "description": "Stable; readers must tolerate new ones."},
            "outcome": {"type": "string", "description": "What happened to the money; on every change."},
            "retryable": {"type": "boolean", "description": "Whether the same request with the same key may be sent again."},
            "request_id": {"type": "string", "description": "To find it in the logs."},
            "order_id": {"type": "string", "description": "The order it is about."},
            "operation_id": {"type": "string", "description": "The operation it is about."},
            "reason": {"type": "string", "description": "Why the state does not allow it, as a stable word."},
            "provider": {"type": "object", "description": "What the provider said.", "properties": {
                "name": {"type": "string", "description": "The platform."},
                "code": {"type": ["string", "null"], "description": "Its own code."},
                "message": {"type": ["string", "null"], "description": "What that code means."}}},
            "errors": {"type": "array", "description": "Every member that is wrong, at most 50; never its value.", "items": {
                "type": "object", "required": ["pointer", "code", "detail"], "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901 pointer into the body, or a parameter's name."},
                    "code": {"type": "string", "description": "Why."},
                    "detail": {"type": "string", "description": "What would be right."}}}}
        }
    })
}

/// Puts a value at a path of members, making objects on the way.
pub(super) fn put(root: &mut Value, path: &[&str], value: Value) {
    let Some((last, way)) = path.split_last() else { return };
    let mut place = root;
    for name in way {
        if !place.is_object() {
            return;
        }
        let Some(members) = place.as_object_mut() else { return };
        place = members.entry((*name).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    }
    if let Some(members) = place.as_object_mut() {
        members.insert((*last).to_owned(), value);
    }
}
