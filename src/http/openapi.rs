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

use super::dto::MoneyDto;
use crate::{
    domain::{Currency, web_address},
    problem::ProblemCode,
};

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

/// What a cancel, a capture or a refund may name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Part)]
pub(super) struct PartBody {
    /// The part. Leave it out to ask for all that is left; `null` is 400.
    #[schema(value_type = MoneyDto, required = false)]
    amount: Option<MoneyDto>,
}

/// A person's decision about an operation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Settlement, example = json!({"as": "not_executed", "reason": "the provider's support sees no such refund"}))]
pub(super) struct SettleBody {
    /// `succeeded`, `refused` or `not_executed`.
    #[serde(rename = "as")]
    #[schema(pattern = "^(succeeded|refused|not_executed)$", example = "not_executed")]
    as_status: String,
    /// Why; stays in the audit trail.
    #[schema(min_length = 1, max_length = 1000, example = "the provider's support sees no such refund")]
    reason: String,
}

/// An order to be made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewOrder,
    example = json!({"account": "systempay", "amount": {"value": 1990, "currency": "EUR"}, "merchant_reference": "cart-42",
        "description": "Cart 42", "return_url": "https://shop.example/back", "metadata": {"cart": "42"}}))]
pub(super) struct CreateBody {
    /// The configured account; without it the first route that fits picks one.
    #[schema(pattern = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length = 32, example = "systempay")]
    account: Option<String>,
    /// What the payer is asked for.
    amount: MoneyDto,
    /// Your own reference; reaches the provider unchanged.
    #[schema(min_length = 1, max_length = 64, example = "cart-42")]
    merchant_reference: String,
    /// What it is for.
    #[schema(min_length = 1, max_length = 255, example = "Cart 42")]
    description: Option<String>,
    /// `automatic` (default), or `manual`: the money is only reserved until you capture.
    #[schema(pattern = "^(automatic|manual)$", example = "automatic")]
    capture: Option<String>,
    /// Payment method to restrict the page to, where the account takes it: `card`, `wechat_pay`, `alipay`, ...
    #[schema(min_length = 1, max_length = 64, example = "card")]
    payment_method: Option<String>,
    /// When it can no longer be paid, where the provider lets you choose; default 7 days or the provider's own.
    #[schema(format = DateTime, example = "2026-12-01T00:00:00Z")]
    expires_at: Option<String>,
    /// BCP 47 language tag.
    #[schema(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", example = "fr-FR")]
    locale: Option<String>,
    /// How the payer is told.
    delivery: Option<DeliveryPatchBody>,
    /// Who pays.
    customer: Option<CustomerPatchBody>,
    /// Where the payer's browser comes back to.
    #[schema(max_length = 1024, example = "https://shop.example/back")]
    return_url: Option<String>,
    /// Your own labels.
    #[schema(value_type = Option<Object>, example = json!({"cart": "42"}))]
    metadata: Option<Value>,
    /// Members of the provider's own, by its schema below.
    #[schema(value_type = Option<Object>)]
    provider_options: Option<Value>,
}

/// Changes to how the payer is told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryPatch)]
pub(super) struct DeliveryPatchBody {
    /// `link`, `email`, `sms` or `whatsapp`, where the provider can change it.
    #[schema(pattern = "^(link|email|sms|whatsapp)$", example = "email")]
    channel: Option<String>,
    /// E-mail address or phone number.
    #[schema(min_length = 1, max_length = 254, example = "customer@example.com")]
    recipient: Option<String>,
    /// Subject of the e-mail; `null`: the provider's own.
    #[schema(min_length = 1, max_length = 255)]
    subject: Option<String>,
    /// Text of the message; `null`: the provider's own.
    #[schema(min_length = 1, max_length = 20000)]
    message: Option<String>,
    /// Name of a template kept at the provider; `null`: none.
    #[schema(min_length = 1, max_length = 127)]
    template: Option<String>,
}

/// Changes to what is known of the payer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CustomerPatch)]
pub(super) struct CustomerPatchBody {
    /// E-mail address.
    #[schema(min_length = 3, max_length = 150, example = "zoe@example.com")]
    email: Option<String>,
    /// First name.
    #[schema(min_length = 1, max_length = 63, example = "Zoë")]
    first_name: Option<String>,
    /// Last name.
    #[schema(min_length = 1, max_length = 63, example = "Lévêque")]
    last_name: Option<String>,
}

/// A merge patch of an order: what is absent stays, `null` clears or is 422 where the provider cannot clear.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderPatch,
    example = json!({"amount": {"value": 20000, "currency": "EUR"}, "merchant_reference": "myOrderId-999999",
        "delivery": {"channel": "email", "recipient": "customer@example.com"}}))]
pub(super) struct PatchBody {
    /// New amount.
    amount: Option<MoneyDto>,
    /// New merchant reference.
    #[schema(min_length = 1, max_length = 64, example = "myOrderId-999999")]
    merchant_reference: Option<String>,
    /// New description.
    #[schema(min_length = 1, max_length = 255)]
    description: Option<String>,
    /// Payment method to restrict the page to.
    #[schema(min_length = 1, max_length = 64, example = "card")]
    payment_method: Option<String>,
    /// When it can no longer be paid.
    #[schema(format = DateTime, example = "2026-12-01T00:00:00Z")]
    expires_at: Option<String>,
    /// BCP 47 language tag.
    #[schema(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", example = "fr-FR")]
    locale: Option<String>,
    /// How the payer is told.
    delivery: Option<DeliveryPatchBody>,
    /// Who pays.
    customer: Option<CustomerPatchBody>,
    /// Where the payer's browser comes back to.
    #[schema(max_length = 1024, example = "https://shop.example/back")]
    return_url: Option<String>,
    /// Your own labels, merged one by one; `null` removes one.
    #[schema(value_type = Option<Object>, example = json!({"cart": "42"}))]
    metadata: Option<Value>,
    /// Members of the provider's own, by its schema below.
    #[schema(value_type = Option<Object>)]
    provider_options: Option<Value>,
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
    let mut options = Vec::new();
    for provider in guichet_providers::all() {
        let mut name = provider.id.to_owned();
        if let Some(first) = name.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        name.push_str("Options");
        options.push(json!({"$ref": format!("#/components/schemas/{name}")}));
        put(document, &["components", "schemas", &name], (provider.options_schema)());
    }
    options.push(json!({"type": "null"}));
    for request in ["OrderPatch", "NewOrder"] {
        put(
            document,
            &["components", "schemas", request, "properties", "provider_options"],
            json!({"anyOf": options, "description": "Members of the provider's own."}),
        );
    }
    for request in ["OrderPatch", "NewOrder"] {
        let pattern = json!(web_address::PATTERN);
        put(document, &["components", "schemas", request, "properties", "return_url", "pattern"], pattern);
    }
    put(document, &["components", "schemas", "OrderPatch", "minProperties"], json!(1));
    for request in ["Money", "Part", "Settlement", "DeliveryPatch", "CustomerPatch", "OrderPatch", "NewOrder"]
    {
        put(document, &["components", "schemas", request, "additionalProperties"], json!(false));
    }
    for (request, meaning) in [
        ("OrderPatch", "Your own labels, merged one by one; `null` removes one."),
        ("NewOrder", "Your own labels."),
    ] {
        put(
            document,
            &["components", "schemas", request, "properties", "metadata"],
            json!({"type": ["object", "null"], "maxProperties": 50, "example": {"cart": "42"},
                "additionalProperties": {"type": ["string", "null"], "maxLength": 255},
                "description": meaning}),
        );
    }
    super::webhooks_dto::complete(document);
    super::dto::complete(document);
    let currencies: Vec<&str> = Currency::all().map(Currency::code).collect();
    put(document, &["components", "schemas", "Money", "properties", "currency", "enum"], json!(currencies));
    for request in ["DeliveryPatch", "CustomerPatch", "OrderPatch", "NewOrder", "Settlement"] {
        say_what_texts_may_hold(document, request);
    }
    examples::add(document);
    let mut components = document.get_mut("components").map(Value::take).unwrap_or_default();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (_, item) in paths.into_iter().flatten() {
        let Some(methods) = item.as_object_mut() else { continue };
        for (method, operation) in methods.iter_mut() {
            let is_change = !matches!(method.as_str(), "get" | "head");
            any_size_of_limit(operation);
            no_null_as_body(operation);
            say_that_it_is_a_replay(operation);
            problems::describe(operation, is_change, &mut components);
        }
    }
    put(document, &["components"], components);
}

/// Texts may hold line breaks but no other control characters.
pub(super) fn say_what_texts_may_hold(document: &mut Value, schema: &str) {
    let members = document.pointer_mut(&format!("/components/schemas/{schema}/properties"));
    for (_, member) in members.and_then(Value::as_object_mut).into_iter().flatten() {
        let Some(member) = member.as_object_mut() else { continue };
        if member.contains_key("minLength") && !member.contains_key("pattern") {
            member.insert(
                "pattern".to_owned(),
                json!(r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"),
            );
        }
    }
}

/// A body that may be left out is still an object when it is there.
fn no_null_as_body(operation: &mut Value) {
    let media = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut);
    for (_, content) in media.into_iter().flatten() {
        let Some(schema) = content.get_mut("schema") else { continue };
        let choices = schema.get("oneOf").and_then(Value::as_array);
        let object = choices.and_then(|all| all.iter().find(|one| one.get("$ref").is_some())).cloned();
        if let Some(object) = object {
            *schema = object;
        }
    }
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

/// `limit` has no upper bound: what is too large is cut.
fn any_size_of_limit(operation: &mut Value) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        if parameter.get("name").and_then(Value::as_str) == Some("limit")
            && let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut)
        {
            schema.remove("format");
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
