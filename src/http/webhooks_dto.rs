//! Answers of `/webhook-endpoints`.

use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    outbox::Tested,
    store::outbox::{Attempt, Delivery, Endpoint},
};

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
pub(super) struct WebhookDeliveryDto {
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

impl WebhookDeliveryDto {
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
    pub(super) items: Vec<WebhookDeliveryDto>,
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
