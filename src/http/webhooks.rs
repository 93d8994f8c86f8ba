//! `/webhook-endpoints`: where the client's events are delivered, and what came of it.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use super::{
    Api,
    arrival::Arriving,
    auth::Authenticated,
    cursor,
    error::Failed,
    form::event_types,
    query,
    requests::{self, ENDPOINT_PATCH, NEW_ENDPOINT, REPLAY, ROTATION},
    table::given,
    webhooks_dto::{
        DeliveryListDto, EndpointDto, EndpointListDto, ReplayedDto, SecretEndpointDto, TestedDto,
        WebhookDeliveryDto,
    },
};
use crate::{
    config::Scope,
    domain::{EndpointId, EventFilter, Field},
    orders::Caller,
    outbox::{EndpointPatch, NewEndpoint},
    problem::{Problem, ProblemCode},
    store::outbox::{DeliveryStatus, ReplaySelection},
};

/// How long the secret before signs too, in seconds, when nobody says: a day.
const OVERLAP_DEFAULT: u64 = 86_400;

/// List the client's webhook endpoints.
///
/// Oldest first, all on one page; a client may have 20. Scope: `endpoints:admin`.
#[utoipa::path(
    get, path = "/webhook-endpoints", operation_id = "listWebhookEndpoints", tag = "events",
    responses((status = 200, description = "The endpoints", body = EndpointListDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn list_endpoints(
    State(api): State<Api>,
    authenticated: Authenticated,
) -> Result<Json<EndpointListDto>, Failed> {
    let caller = authenticated.with(Scope::EndpointsAdmin)?;
    let endpoints = api.outbox.endpoints(&caller).await?;
    Ok(Json(EndpointListDto { items: endpoints.iter().map(EndpointDto::new).collect(), next_cursor: None }))
}

/// Make a webhook endpoint.
///
/// It gets the events of every account the client may use, from now on, posted as `{type, timestamp, data}` and signed
/// by Standard Webhooks 1.0. The answer shows the secret, this once. Addresses must be https and public, unless their
/// network is named in `webhooks.allow_networks`. Scope: `endpoints:admin`.
#[utoipa::path(
    post, path = "/webhook-endpoints", operation_id = "createWebhookEndpoint", tag = "events",
    responses((status = 201, description = "The endpoint with its secret", body = SecretEndpointDto,
        headers(("Location" = String, description = "The endpoint")))),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn create_endpoint(
    State(api): State<Api>,
    authenticated: Authenticated,
    headers: HeaderMap,
    body: Arriving,
) -> Result<Response, Failed> {
    let caller = authenticated.with(Scope::EndpointsAdmin)?;
    let body = requests::CREATE_ENDPOINT.receive(&headers, body, api.body_bytes).await?;
    let endpoint = api.outbox.create(&caller, read_new(&body)?).await?;
    let mut response = (StatusCode::CREATED, Json(SecretEndpointDto::new(&endpoint))).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("/webhook-endpoints/{}", endpoint.id)) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    Ok(response)
}

/// See a webhook endpoint.
///
/// Without its secret. Scope: `endpoints:admin`.
#[utoipa::path(
    get, path = "/webhook-endpoints/{id}", operation_id = "readWebhookEndpoint", tag = "events",
    params(("id" = String, Path, description = "Endpoint id", example = "ep_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c")),
    responses((status = 200, description = "The endpoint", body = EndpointDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn read_endpoint(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
) -> Result<Json<EndpointDto>, Failed> {
    let caller = authenticated.with(Scope::EndpointsAdmin)?;
    let endpoint = api.outbox.endpoint(&caller, endpoint_id(&id)?).await?;
    Ok(Json(EndpointDto::new(&endpoint)))
}

/// Change a webhook endpoint.
///
/// A JSON merge patch: what is absent stays, `null` clears the description or the choice of types. While an endpoint is
/// not enabled its events wait; once it is enabled again, all of them are delivered. Scope: `endpoints:admin`.
#[utoipa::path(
    patch, path = "/webhook-endpoints/{id}", operation_id = "updateWebhookEndpoint", tag = "events",
    params(("id" = String, Path, description = "Endpoint id", example = "ep_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c")),
    responses((status = 200, description = "The endpoint after the change", body = EndpointDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn update_endpoint(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Arriving,
) -> Result<Json<EndpointDto>, Failed> {
    let caller = authenticated.with(Scope::EndpointsAdmin)?;
    let id = endpoint_id(&id)?;
    let body = requests::UPDATE_ENDPOINT.receive(&headers, body, api.body_bytes).await?;
    let endpoint = api.outbox.update(&caller, id, read_patch(&body)?).await?;
    Ok(Json(EndpointDto::new(&endpoint)))
}

/// Remove a webhook endpoint.
///
/// With its log and everything that waits for it, at once for everybody who looks; its rows are erased soon after. Scope: `endpoints:admin`.
#[utoipa::path(
    delete, path = "/webhook-endpoints/{id}", operation_id = "deleteWebhookEndpoint", tag = "events",
    params(("id" = String, Path, description = "Endpoint id", example = "ep_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c")),
    responses((status = 204, description = "It is gone")),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn delete_endpoint(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
) -> Result<StatusCode, Failed> {
    let caller = authenticated.with(Scope::EndpointsAdmin)?;
    api.outbox.delete(&caller, endpoint_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a webhook endpoint a new secret.
///
/// The answer shows it, this once. The secret before signs beside it for `overlap_seconds`, a day unless you say
/// otherwise; deliveries then have two signatures. Scope: `endpoints:admin`.
#[utoipa::path(
    post, path = "/webhook-endpoints/{id}/rotate-secret", operation_id = "rotateWebhookSecret", tag = "events",
    params(("id" = String, Path, description = "Endpoint id", example = "ep_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c")),
    responses((status = 200, description = "The endpoint with its new secret", body = SecretEndpointDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn rotate_secret(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Arriving,
) -> Result<Json<SecretEndpointDto>, Failed> {
    let caller = authenticated.with(Scope::EndpointsAdmin)?;
    let id = endpoint_id(&id)?;
    let body = requests::ROTATE_SECRET.receive(&headers, body, api.body_bytes).await?;
    let overlap = Duration::from_secs(read_overlap(&body)?);
    let endpoint = api.outbox.rotate(&caller, id, overlap).await?;
    Ok(Json(SecretEndpointDto::new(&endpoint)))
}

/// List what was delivered to a webhook endpoint, and what was not.
///
/// Newest event first, each with its attempts. `status=dead` lists what was given up. Scope: `endpoints:admin`.
#[utoipa::path(
    get, path = "/webhook-endpoints/{id}/deliveries", operation_id = "listWebhookDeliveries", tag = "events",
    params(
        ("id" = String, Path, description = "Endpoint id", example = "ep_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c"),
    ),
    responses((status = 200, description = "A page of deliveries", body = DeliveryListDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn list_deliveries(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<DeliveryListDto>, Failed> {
    let caller = authenticated.with(Scope::EndpointsAdmin)?;
    let id = endpoint_id(&id)?;
    let query = query::LIST_DELIVERIES.read(query.as_deref())?;
    let (limit, status) = (query.limit(), query.parsed("status", DeliveryStatus::from_word));
    let scope = cursor_scope(&caller, id, status);
    let before = match query.get("cursor") {
        Some(cursor) => api.cursors.decode(cursor, &scope)?.0,
        None => i64::MAX,
    };
    let found = api.outbox.deliveries(&caller, id, status, before, limit.saturating_add(1)).await?;
    let places = found.into_iter().map(|delivery| ((delivery.event.position, String::new()), delivery));
    let (deliveries, next_cursor) = api.cursors.page(places.collect(), limit, &scope);
    Ok(Json(DeliveryListDto { items: deliveries.iter().map(WebhookDeliveryDto::new).collect(), next_cursor }))
}

/// Deliver events again.
///
/// One event by `event_id`, or everything the endpoint gets that occurred in a time, with `"status": "dead"` only what
/// was given up. Each begins a new schedule and keeps its `webhook-id`. At most 10,000 at once, out of 100,000 events of that
/// time: more is 400, and nothing is done. Scope: `endpoints:admin`.
#[utoipa::path(
    post, path = "/webhook-endpoints/{id}/replay", operation_id = "replayWebhookDeliveries", tag = "events",
    params(("id" = String, Path, description = "Endpoint id", example = "ep_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c")),
    responses((status = 202, description = "They will be delivered", body = ReplayedDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn replay(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Arriving,
) -> Result<(StatusCode, Json<ReplayedDto>), Failed> {
    let caller = authenticated.with(Scope::EndpointsAdmin)?;
    let id = endpoint_id(&id)?;
    let body = requests::REPLAY_DELIVERIES.receive(&headers, body, api.body_bytes).await?;
    let queued = api.outbox.replay(&caller, id, read_selection(&body)?).await?;
    Ok((StatusCode::ACCEPTED, Json(ReplayedDto { queued })))
}

/// Send a test message to a webhook endpoint.
///
/// At once and once, enabled or not: an event of type `webhook.test`, signed like the others, which is kept nowhere.
/// What the receiver answered is not shown but for its status. A client has at most 2 tests under way (429 `rate_limited`),
/// all clients together 8 (503 `overloaded`). Scope: `endpoints:admin`.
#[utoipa::path(
    post, path = "/webhook-endpoints/{id}/test", operation_id = "testWebhookEndpoint", tag = "events",
    params(("id" = String, Path, description = "Endpoint id", example = "ep_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c")),
    responses((status = 200, description = "What came of it", body = TestedDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn test_endpoint(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
) -> Result<Json<TestedDto>, Failed> {
    let caller = authenticated.with(Scope::EndpointsAdmin)?;
    let tested = api.outbox.test(&caller, endpoint_id(&id)?).await?;
    Ok(Json(TestedDto::new(&tested)))
}

/// What is no id is as absent as an unknown endpoint.
fn endpoint_id(text: &str) -> Result<EndpointId, Problem> {
    text.parse().map_err(|_| Problem::plain(ProblemCode::NotFound))
}

/// The endpoint to be made.
pub(super) fn read_new(body: &Map<String, Value>) -> Result<NewEndpoint, Problem> {
    let members = NEW_ENDPOINT.read(body)?;
    Ok(NewEndpoint {
        // The table requires it.
        url: given(members.text("url")).ok_or_else(|| Problem::plain(ProblemCode::ValidationFailed))?,
        description: given(members.text("description")),
        event_types: given(members.field("event_types", |types| event_types(types).ok())).unwrap_or_default(),
        enabled: given(members.flag("enabled")).unwrap_or(true),
    })
}

/// What is to change of an endpoint.
pub(super) fn read_patch(body: &Map<String, Value>) -> Result<EndpointPatch, Problem> {
    let members = ENDPOINT_PATCH.read(body)?;
    let event_types = match members.field("event_types", |types| event_types(types).ok()) {
        Field::Keep => None,
        Field::Clear => Some(EventFilter::default()),
        Field::Set(types) => Some(types),
    };
    Ok(EndpointPatch {
        url: given(members.text("url")),
        description: members.text("description"),
        event_types,
        enabled: given(members.flag("enabled")),
    })
}

pub(super) fn read_overlap(body: &Map<String, Value>) -> Result<u64, Problem> {
    let overlap = given(ROTATION.read(body)?.integer("overlap_seconds"));
    Ok(overlap.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(OVERLAP_DEFAULT))
}

pub(super) fn read_selection(body: &Map<String, Value>) -> Result<ReplaySelection, Problem> {
    let members = REPLAY.read(body)?;
    if let Field::Set(event) = members.parsed("event_id", |id| id.parse().ok()) {
        return Ok(ReplaySelection::Event(event));
    }
    Ok(ReplaySelection::Range {
        // The table requires it where there is no event.
        from: given(members.instant("from")).ok_or_else(|| Problem::plain(ProblemCode::ValidationFailed))?,
        to: given(members.instant("to")),
        only_dead: members.text("status").value().is_some(),
    })
}

/// What a cursor of deliveries is bound to.
fn cursor_scope(caller: &Caller, id: EndpointId, status: Option<DeliveryStatus>) -> String {
    let status = status.map(DeliveryStatus::as_str);
    cursor::scope("deliveries", caller, &[("endpoint", Some(&id.to_string())), ("status", status)])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers<T>(read: Result<T, Problem>) -> Vec<String> {
        read.err()
            .map_or_else(Vec::new, |problem| problem.errors.into_iter().map(|error| error.pointer).collect())
    }

    #[test]
    fn endpoints_name_every_violation_at_once() {
        let check = |body: Value| pointers(read_patch(body.as_object().unwrap()));
        assert_eq!(
            check(json!({"url": "https://a.example", "event_types": ["order.*"], "enabled": false})),
            [""; 0]
        );
        assert_eq!(check(json!({"event_types": null, "description": null})), [""; 0]);
        assert_eq!(
            check(json!({"url": null, "enabled": "yes", "event_types": ["*"], "secret": "x"})),
            ["/event_types", "/enabled", "/secret", "/url"]
        );
        assert_eq!(check(json!({})), [""]);
        let create = |body: Value| pointers(read_new(body.as_object().unwrap()));
        assert_eq!(create(json!({"url": "https://a.example", "event_types": null})), [""; 0]);
        assert_eq!(create(json!({"enabled": null, "secret": "x"})), ["/url", "/secret", "/enabled"]);
    }

    #[test]
    fn a_replay_is_one_event_or_a_time() {
        let check = |body: Value| read_selection(body.as_object().unwrap()).is_ok();
        let event = "evt_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c";
        assert!(check(json!({"event_id": event})));
        assert!(check(
            json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "status": "dead"})
        ));
        for body in [
            json!({}),
            json!({"event_id": "evt_1"}),
            json!({"event_id": event, "from": "2026-01-01T00:00:00Z"}),
            json!({"event_id": event, "status": "dead"}),
            json!({"to": "2026-01-01T00:00:00Z"}),
            json!({"from": "yesterday"}),
            json!({"from": "2026-01-01T00:00:00Z", "status": "pending"}),
        ] {
            assert!(!check(body.clone()), "{body}");
        }
    }

    #[test]
    fn an_overlap_is_at_most_a_week() {
        let check = |body: Value| read_overlap(body.as_object().unwrap()).ok();
        assert_eq!(check(json!({})), Some(86_400));
        assert_eq!(check(json!({"overlap_seconds": 0})), Some(0));
        assert_eq!(check(json!({"overlap_seconds": 604_800.0})), Some(604_800));
        for wrong in [json!(-1), json!(604_801), json!("5"), json!(1.5)] {
            assert_eq!(check(json!({"overlap_seconds": wrong})), None);
        }
    }
}
