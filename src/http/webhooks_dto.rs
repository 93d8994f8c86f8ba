//! Bodies of `/webhook-endpoints`, and the parts of their schemas that utoipa cannot say.

use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::openapi::{put, say_what_texts_may_hold};
use crate::{
    outbox::Tested,
    store::outbox::{Attempt, Delivery, Endpoint},
};

/// A webhook endpoint to be made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewWebhookEndpoint,
    example = json!({"url": "https://shop.example/hooks/payments", "description": "The shop", "event_types": ["order.*", "refund.*"]}))]
pub(super) struct NewEndpointBody {
    /// Where events are posted: https and public, unless its network is named in the configuration.
    #[schema(
        pattern = "^[Hh][Tt][Tt][Pp][Ss]?://[!-\"$-.0->A-\\[\\]-~]+([/?][!-\"$-\\[\\]-~]*)?$",
        max_length = 2048,
        example = "https://shop.example/hooks/payments"
    )]
    url: String,
    /// For people.
    #[schema(min_length = 1, max_length = 255, example = "The shop")]
    description: Option<String>,
    /// The types it gets, `order.*` for a group; without it everything.
    #[schema(value_type = Option<Vec<String>>, example = json!(["order.*", "refund.*"]))]
    event_types: Option<Vec<String>>,
    /// Whether events are sent; `true` unless you say otherwise. While it is `false` they wait.
    #[schema(example = true)]
    enabled: bool,
}

/// A merge patch of a webhook endpoint: what is absent stays.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpointPatch, example = json!({"enabled": true, "event_types": null}))]
pub(super) struct EndpointPatchBody {
    /// New destination.
    #[schema(
        pattern = "^[Hh][Tt][Tt][Pp][Ss]?://[!-\"$-.0->A-\\[\\]-~]+([/?][!-\"$-\\[\\]-~]*)?$",
        max_length = 2048,
        example = "https://shop.example/hooks/payments"
    )]
    url: String,
    /// New description; `null`: none.
    #[schema(min_length = 1, max_length = 255, example = "The shop")]
    description: Option<String>,
    /// New choice of types; `null`: everything.
    #[schema(value_type = Option<Vec<String>>, example = json!(["order.*"]))]
    event_types: Option<Vec<String>>,
    /// On or off. Events of the time it was off are delivered when it is on again.
    #[schema(example = true)]
    enabled: bool,
}

/// How a secret is replaced.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RotateWebhookSecret, example = json!({"overlap_seconds": 3600}))]
pub(super) struct RotateBody {
    /// Seconds for which the secret before signs too; a day unless you say otherwise.
    #[schema(minimum = 0, maximum = 604800, example = 3600)]
    overlap_seconds: Option<u64>,
}

/// Which events are to be delivered again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReplayWebhooks)]
pub(super) struct ReplayBody {}

/// A webhook endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
pub(super) struct EndpointDto {
    /// Its id.
    #[schema(example = "ep_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c")]
    id: String,
    /// Where events are posted.
    #[schema(example = "https://shop.example/hooks/payments")]
    url: String,
    /// For people.
    description: Option<String>,
    /// The types it gets; `null`: everything.
    event_types: Option<Vec<String>>,
    /// Whether events are sent.
    #[schema(example = true)]
    enabled: bool,
    /// Why guichet or an operator disabled it: `gone` after the receiver answered 410, `lapsed` after no valid
    /// credential of the client was seen for `webhooks.lapse_days`, `operator` by an operator.
    disabled_reason: Option<String>,
    /// Nothing is sent before, because the receiver asked for less.
    slow_until: Option<String>,
    /// Until when the secret before the present one signs too.
    previous_secret_until: Option<String>,
    /// When it was made.
    #[schema(example = "2026-11-22T10:00:00.000Z")]
    created_at: String,
    /// When it was changed last.
    #[schema(example = "2026-11-22T10:00:00.000Z")]
    updated_at: String,
}

impl EndpointDto {
    pub(super) fn new(endpoint: &Endpoint) -> Self {
        let types = &endpoint.event_types;
        Self {
            id: endpoint.id.to_string(),
            url: endpoint.url.clone(),
            description: endpoint.description.clone(),
            event_types: (!types.wants_all()).then(|| types.entries().map(str::to_owned).collect()),
            enabled: endpoint.enabled,
            disabled_reason: endpoint.disabled_reason.clone(),
            slow_until: endpoint.slow_until.map(|instant| instant.to_string()),
            previous_secret_until: endpoint.previous_secret.as_ref().map(|(_, until)| until.to_string()),
            created_at: endpoint.created_at.to_string(),
            updated_at: endpoint.updated_at.to_string(),
        }
    }
}

/// A webhook endpoint with its secret, shown once. It has no `Debug`: it must not be logged.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookEndpointWithSecret)]
pub(super) struct SecretEndpointDto {
    /// The endpoint.
    #[serde(flatten)]
    endpoint: EndpointDto,
    /// Verify deliveries with it; keep it, it is not shown again.
    #[schema(example = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")]
    secret: String,
}

impl std::fmt::Debug for SecretEndpointDto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretEndpointDto").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl SecretEndpointDto {
    pub(super) fn new(endpoint: &Endpoint) -> Self {
        Self { endpoint: EndpointDto::new(endpoint), secret: endpoint.secret.expose_secret().to_owned() }
    }
}

/// The client's webhook endpoints.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpointList)]
pub(super) struct EndpointListDto {
    /// Oldest first.
    pub(super) items: Vec<EndpointDto>,
    /// Always `null`: there is one page.
    pub(super) next_cursor: Option<String>,
}

/// One event at one webhook endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(super) struct DeliveryDto {
    /// The event, which is also the `webhook-id`.
    #[schema(example = "evt_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c")]
    event_id: String,
    /// What happened.
    #[schema(example = "order.paid")]
    event_type: String,
    /// `pending`, `delivered`, or `dead`: given up, and may be replayed.
    #[schema(example = "delivered")]
    status: &'static str,
    /// When it is tried next, while pending.
    next_attempt_at: Option<String>,
    /// The last attempts, 50 at most, oldest first.
    attempts: Vec<AttemptDto>,
    /// When it was planned, or replayed after it had ended.
    created_at: String,
    /// When it changed last.
    updated_at: String,
}

/// One attempt to deliver.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
struct AttemptDto {
    /// When it began.
    attempted_at: String,
    /// `delivered`, `http_error`, `slow_down`, `gone`, `redirect`, `timed_out`, `not_connected`, `broken`,
    /// `address_refused` or `account_not_allowed`; readers must tolerate new values.
    #[schema(example = "delivered")]
    result: String,
    /// The status of the answer, if there was one.
    #[schema(example = 200)]
    http_status: Option<u16>,
    /// How long it took.
    #[schema(example = 12)]
    duration_ms: i64,
}

impl AttemptDto {
    fn new(attempt: &Attempt) -> Self {
        Self {
            attempted_at: attempt.at.to_string(),
            result: attempt.result.clone(),
            http_status: attempt.http_status,
            duration_ms: attempt.duration_ms,
        }
    }
}

impl DeliveryDto {
    pub(super) fn new(delivery: &Delivery) -> Self {
        let event = &delivery.event.event;
        Self {
            event_id: event.id.to_string(),
            event_type: event.event.event_type.as_str().to_owned(),
            status: delivery.status.as_str(),
            next_attempt_at: delivery.next_attempt_at.map(|instant| instant.to_string()),
            attempts: delivery.attempts.iter().map(AttemptDto::new).collect(),
            created_at: delivery.created_at.to_string(),
            updated_at: delivery.updated_at.to_string(),
        }
    }
}

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDeliveryList)]
pub(super) struct DeliveryListDto {
    /// Newest event first.
    pub(super) items: Vec<DeliveryDto>,
    /// Give it as `cursor` for the next page; `null` at the end.
    pub(super) next_cursor: Option<String>,
}

/// What a replay does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhooksReplayed)]
pub(super) struct ReplayedDto {
    /// Deliveries that are pending again.
    #[schema(example = 12)]
    pub(super) queued: u64,
}

/// What came of a test.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookTested)]
pub(super) struct TestedDto {
    /// Whether the receiver took it.
    #[schema(example = true)]
    delivered: bool,
    /// As in the log of deliveries.
    #[schema(example = "delivered")]
    result: &'static str,
    /// The status of the answer, if there was one.
    #[schema(example = 200)]
    http_status: Option<u16>,
    /// How long it took.
    #[schema(example = 12)]
    duration_ms: i64,
}

impl TestedDto {
    pub(super) fn new(tested: &Tested) -> Self {
        Self {
            delivered: tested.delivered,
            result: tested.result,
            http_status: tested.http_status,
            duration_ms: tested.duration_ms,
        }
    }
}

/// Completes the schemas of the requests.
pub(super) fn complete(document: &mut Value) {
    for request in ["NewWebhookEndpoint", "WebhookEndpointPatch"] {
        let types = json!({
            "type": ["array", "null"], "minItems": 1, "maxItems": 50,
            "items": {"type": "string", "pattern": "^[a-z_]{1,20}[.]([a-z_]{1,40}|[*])$"},
            "examples": [["order.*", "refund.*"]],
            "description": "The types it gets, `order.*` for a group; `null` for everything.",
        });
        put(document, &["components", "schemas", request, "properties", "event_types"], types);
        put(document, &["components", "schemas", request, "additionalProperties"], json!(false));
        say_what_texts_may_hold(document, request);
    }
    put(document, &["components", "schemas", "NewWebhookEndpoint", "required"], json!(["url"]));
    let patch = document.pointer_mut("/components/schemas/WebhookEndpointPatch");
    if let Some(patch) = patch.and_then(Value::as_object_mut) {
        patch.remove("required");
        patch.insert("minProperties".to_owned(), json!(1));
    }
    let rotation = "/paths/~1webhook-endpoints~1{id}~1rotate-secret/post/requestBody";
    if let Some(rotation) = document.pointer_mut(rotation).and_then(Value::as_object_mut) {
        rotation.insert("required".to_owned(), json!(false));
    }
    put(document, &["components", "schemas", "RotateWebhookSecret", "additionalProperties"], json!(false));
    let replay = json!({
        "description": "Either one event, or what occurred in a time.",
        "oneOf": [
            {"type": "object", "title": "One event", "required": ["event_id"], "additionalProperties": false, "properties": {
                "event_id": {"type": "string", "description": "The event.",
                    "pattern": "^evt_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
                    "examples": ["evt_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c"]}}},
            {"type": "object", "title": "A time", "required": ["from"], "additionalProperties": false, "properties": {
                "from": {"type": "string", "format": "date-time", "description": "Not before.", "examples": ["2026-11-22T10:00:00Z"]},
                "to": {"type": ["string", "null"], "format": "date-time", "description": "Before this; without it, up to now.",
                    "examples": ["2026-11-22T12:00:00Z"]},
                "status": {"type": ["string", "null"], "enum": ["dead", null], "description": "`dead`: only what was given up."}}},
        ],
        "examples": [{"from": "2026-11-22T10:00:00Z", "to": "2026-11-22T12:00:00Z", "status": "dead"}],
    });
    put(document, &["components", "schemas", "ReplayWebhooks"], replay);
}
