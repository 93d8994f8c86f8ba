//! `/orders`: read, change, cancel, timeline.

use std::time::Duration;

use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Api,
    arrival::Arriving,
    auth::Authenticated,
    body::fingerprint,
    cursor,
    dto::{ChangedOrderDto, EventDto, EventListDto, OpenOperationDto, OperationDto, OrderDto, OrderListDto},
    error::Failed,
    logline::{Subject, about},
    query,
    requests::{self, CUSTOMER, DELIVERY, ORDER_PATCH},
    table::Members,
};
use crate::{
    config::Scope,
    domain::{
        DeliveryChannel, Field, Operation, OperationKind, OperationStatus, OrderPatch, OrderStatus,
        request::{CustomerPatch, DeliveryPatch},
    },
    orders::{Caller, ChangeRequest, Changed, Located, NewChange, Precondition, ReadOptions},
    problem::{Problem, ProblemCode},
    store::OrderFilter,
};

pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Read an order as its provider sees it now.
///
/// Any order that exists at the account's provider can be read, whoever made it. With `max_age_seconds` a copy
/// that was read so recently is enough; with `allow_stale=true` an old copy (`"stale": true`) is better than 503
/// when the provider cannot be asked. Scope: `orders:read`.
#[utoipa::path(
    get, path = "/orders/{id}", operation_id = "readOrder", tag = "orders",
    params(
        ("id" = String, Path, description = "Order id: `<account>_<provider reference>`",
            example = "systempay_d63e7f507a6f4dfa86cb40a833ecfd85"),
    ),
    responses((status = 200, description = "The order", body = OrderDto,
        headers(("ETag" = String, description = "Digest of the order as shown, for `If-Match`")))),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn read_order(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failed> {
    let deadline = Instant::now() + api.request_timeout;
    let caller = authenticated.with(Scope::OrdersRead)?;
    let order = located(&api, &caller, &id)?;
    let options = read_options(query.as_deref())?;
    let shown = api.orders.reads.read(&order, options, deadline).await?;
    let order = OrderDto::new(&shown.order, shown.stale);
    let (json, etag) = (order.to_json(), order.etag());
    let content_type = HeaderValue::from_static("application/json");
    let mut response = ([(header::CONTENT_TYPE, content_type)], json).into_response();
    if let Ok(value) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(about(response, Subject::order(&shown.order)))
}

/// Change what the payer is asked for.
///
/// A JSON merge patch (RFC 7396): what is absent stays, `null` clears or is 422 where the provider cannot clear.
/// The order is read first, and its provider's rules are checked before anything is sent. What the order shows already is
/// `already_done`. Scope: `orders:update`.
#[utoipa::path(
    patch, path = "/orders/{id}", operation_id = "updateOrder", tag = "orders",
    params(
        ("id" = String, Path, description = "Order id: `<account>_<provider reference>`",
            example = "systempay_d63e7f507a6f4dfa86cb40a833ecfd85"),
        ("Idempotency-Key" = Option<String>, Header, description = "New for every thing you want done; the same key and body give the same answer again. 1 to 255 visible ASCII characters", pattern = "^[!-~]{1,255}$"),
        ("If-Match" = Option<String>, Header, description = "`ETag` of the order as you saw it; 412 when it has changed since"),
    ),
    responses(
        (status = 200, description = "The order after the change", body = ChangedOrderDto),
        (status = 202, description = "Sent, the result is not known yet: look at the operation, do not repeat", body = OpenOperationDto,
            headers(("Location" = String, description = "The operation"))),
    ),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn update_order(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Arriving,
) -> Result<Response, Failed> {
    let deadline = Instant::now() + api.request_timeout;
    let caller = authenticated.with(Scope::OrdersUpdate)?;
    let order = located(&api, &caller, &id)?;
    query::NONE.read(query.as_deref())?;
    let body = requests::UPDATE_ORDER.receive(&headers, body, api.body_bytes).await?;
    let patch = patch(&body)?;
    let key = idempotency_key(&headers, false)?;
    let print = fingerprint("PATCH", "/orders/{id}", &order.id.to_string(), &body, true);
    change(&api, &caller, &headers, order, ChangeRequest::Update(Box::new(patch)), key, print, deadline).await
}

/// List what happened to an order.
///
/// Operations, notifications and status changes known here, oldest first. Scope: `orders:read`.
#[utoipa::path(
    get, path = "/orders/{id}/events", operation_id = "listOrderEvents", tag = "orders",
    params(
        ("id" = String, Path, description = "Order id: `<account>_<provider reference>`",
            example = "systempay_d63e7f507a6f4dfa86cb40a833ecfd85"),
    ),
    responses((status = 200, description = "A page of events", body = EventListDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn list_order_events(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failed> {
    let caller = authenticated.with(Scope::OrdersRead)?;
    let order = located(&api, &caller, &id)?;
    let query = query::LIST_ORDER_EVENTS.read(query.as_deref())?;
    let limit = query.limit();
    let scope = cursor::scope("order events", &caller, &[("order", Some(&order.id.to_string()))]);
    let after = query.get("cursor").map(|cursor| api.cursors.decode(cursor, &scope)).transpose()?;
    let after = after.map_or(0, |(sequence, _)| sequence);
    let events = api.orders.reads.events(&order, after, limit.saturating_add(1)).await?;
    let places = events.into_iter().map(|event| ((event.sequence, String::new()), event)).collect();
    let (events, next_cursor) = api.cursors.page(places, limit, &scope);
    Ok(axum::Json(EventListDto { items: events.iter().map(EventDto::new).collect(), next_cursor })
        .into_response())
}

/// List the orders known here.
///
/// Orders made, changed or notified here, as they were read last (`as_of`), in the order in which guichet first heard of
/// them. Scope: `orders:read`.
#[utoipa::path(
    get, path = "/orders", operation_id = "listOrders", tag = "orders",
    responses((status = 200, description = "A page of orders", body = OrderListDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn list_orders(
    State(api): State<Api>,
    authenticated: Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Response, Failed> {
    let caller = authenticated.with(Scope::OrdersRead)?;
    let query = query::LIST_ORDERS.read(query.as_deref())?;
    let sort = query.sort();
    let filter = OrderFilter {
        accounts: None,
        account: query.account(),
        statuses: query.parsed("status", OrderStatus::from_word).into_iter().collect(),
        merchant_reference: query.get("merchant_reference").map(str::to_owned),
    };
    let names = ["account", "status", "merchant_reference"].map(|name| (name, query.get(name)));
    let scope = cursor::scope("orders", &caller, &[&names[..], &[("sort", Some(sort.as_str()))]].concat());
    let after = query.get("cursor").map(|cursor| api.cursors.decode(cursor, &scope)).transpose()?;
    let page = api.orders.reads.list_orders(&caller, filter, sort, after, query.limit()).await?;
    let next_cursor = page.next.map(|place| api.cursors.encode(&place, &scope));
    let items = page.items.iter().map(|(_, order)| OrderDto::new(order, false)).collect();
    Ok(axum::Json(OrderListDto { items, next_cursor }).into_response())
}

/// The id in the path; what is no id is as absent as an unknown order.
pub(super) fn located(api: &Api, caller: &Caller, text: &str) -> Result<Located, Problem> {
    let id = text.parse().map_err(|_| Problem::plain(ProblemCode::NotFound))?;
    api.orders.locate(caller, id)
}

#[allow(clippy::too_many_arguments, reason = "one call of all handlers of changes")]
pub(super) async fn change(
    api: &Api,
    caller: &Caller,
    headers: &HeaderMap,
    order: Located,
    request: ChangeRequest,
    key: Option<String>,
    print: String,
    deadline: Instant,
) -> Result<Response, Failed> {
    let change = NewChange {
        order,
        request,
        key: key.map(|key| (key, print)),
        precondition: precondition(headers)?,
        deadline,
    };
    let changed = api.orders.changes.change(caller, change).await?;
    let mut response = answer(&changed)?;
    if changed.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// What became of an operation, as an answer to the request that asked for it.
pub(super) fn answer(changed: &Changed) -> Result<Response, Failed> {
    let operation = &changed.operation;
    match operation.status {
        OperationStatus::Succeeded => {
            let told = operation.order_after.as_ref().or_else(|| operation.intent.before());
            let Some(order) = told else { return Ok(open(StatusCode::OK, operation)) };
            let dto = OrderDto::new(order, operation.order_after.is_none());
            let etag = dto.etag();
            let shown =
                if changed.kept { OperationDto::new(operation) } else { OperationDto::not_kept(operation) };
            let body = ChangedOrderDto { order: dto, operation: shown };
            let is_new = operation.kind == OperationKind::Create;
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            let mut response = (status, axum::Json(body)).into_response();
            if let Ok(value) = HeaderValue::from_str(&etag) {
                response.headers_mut().insert(header::ETAG, value);
            }
            if is_new && let Ok(value) = HeaderValue::from_str(&format!("/orders/{}", order.id)) {
                response.headers_mut().insert(header::LOCATION, value);
            }
            let subject =
                if changed.kept { Subject::operation(operation) } else { Subject::not_kept(operation) };
            Ok(about(response, subject))
        }
        OperationStatus::Refused | OperationStatus::NotExecuted => {
            let mut problem = operation.failure.as_ref().map_or_else(
                || Problem::plain(ProblemCode::ProviderRefused),
                |failure| Problem::from_failure(failure, &operation.provider),
            );
            problem.outcome = Some(operation.outcome());
            problem.order_id.clone_from(&operation.order_id);
            problem.operation_id = Some(operation.id);
            Err(problem.into())
        }
        OperationStatus::Pending
        | OperationStatus::Sending
        | OperationStatus::Accepted
        | OperationStatus::Unknown
        | OperationStatus::NeedsReview => Ok(open(StatusCode::ACCEPTED, operation)),
    }
}

/// The operation alone, where to look at it.
fn open(status: StatusCode, operation: &Operation) -> Response {
    let body = OpenOperationDto { operation: OperationDto::new(operation) };
    let mut response = (status, axum::Json(body)).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("/operations/{}", operation.id)) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    about(response, Subject::operation(operation))
}

/// The caller's key: an RFC 8941 string in quotes, or bare.
pub(super) fn idempotency_key(headers: &HeaderMap, required: bool) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return if required { Err(Problem::plain(ProblemCode::IdempotencyKeyMissing)) } else { Ok(None) };
    };
    let invalid = || Problem::plain(ProblemCode::IdempotencyKeyInvalid);
    if values.next().is_some() {
        return Err(invalid());
    }
    let text = value.to_str().map_err(|_| invalid())?.trim();
    let bare = match text.strip_prefix('"') {
        Some(rest) => unquoted(rest).ok_or_else(invalid)?,
        None => text.to_owned(),
    };
    let fits = (1..=255).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(Some(bare)) } else { Err(invalid()) }
}

/// What an RFC 8941 string means, of which `rest` is all after the first quote: it has one way to write each key.
fn unquoted(rest: &str) -> Option<String> {
    let (mut chars, mut key) = (rest.chars(), String::new());
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(key),
            '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => key.push(c),
        }
    }
}

/// `If-Match`: one or more entity tags, or `*`. A weak tag never matches (RFC 9110, 13.1.1).
pub(super) fn precondition(headers: &HeaderMap) -> Result<Option<Precondition>, Problem> {
    let mut wanted = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let text = value
            .to_str()
            .map_err(|_| Problem::new(ProblemCode::InvalidHeader, "If-Match is not readable"))?;
        wanted.extend(text.split(',').map(|tag| tag.trim().to_owned()));
    }
    if wanted.is_empty() || wanted.iter().any(|tag| tag == "*") {
        return Ok(None);
    }
    Ok(Some(Box::new(move |order| wanted.contains(&OrderDto::new(order, false).etag()))))
}

pub(super) fn read_options(query: Option<&str>) -> Result<ReadOptions, Problem> {
    let query = query::READ_ORDER.read(query)?;
    Ok(ReadOptions {
        max_age: query.seconds("max_age_seconds").map(Duration::from_secs),
        allow_stale: query.is_true("allow_stale"),
    })
}

/// The merge patch.
pub(super) fn patch(body: &Map<String, Value>) -> Result<OrderPatch, Problem> {
    let members = ORDER_PATCH.read(body)?;
    Ok(OrderPatch {
        amount: members.money("amount"),
        merchant_reference: members.text("merchant_reference"),
        description: members.text("description"),
        payment_method: members.text("payment_method"),
        expires_at: members.instant("expires_at"),
        locale: members.text("locale"),
        delivery: each(members.object("delivery", &DELIVERY), delivery_patch),
        customer: each(members.object("customer", &CUSTOMER), customer_patch),
        return_url: members.text("return_url"),
        metadata: members.labels("metadata"),
        provider_options: members.map("provider_options"),
    })
}

fn each<T>(members: Field<Members<'_>>, read: fn(Members<'_>) -> T) -> Field<T> {
    match members {
        Field::Keep => Field::Keep,
        Field::Clear => Field::Clear,
        Field::Set(members) => Field::Set(read(members)),
    }
}

fn delivery_patch(read: Members<'_>) -> DeliveryPatch {
    DeliveryPatch {
        channel: read.parsed("channel", DeliveryChannel::from_word),
        recipient: read.text("recipient"),
        subject: read.text("subject"),
        message: read.text("message"),
        template: read.text("template"),
    }
}

fn customer_patch(read: Members<'_>) -> CustomerPatch {
    CustomerPatch {
        email: read.text("email"),
        first_name: read.text("first_name"),
        last_name: read.text("last_name"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(body: &Value) -> Vec<String> {
        match patch(body.as_object().unwrap()) {
            Ok(_) => Vec::new(),
            Err(problem) => problem.errors.into_iter().map(|error| error.pointer).collect(),
        }
    }

    #[test]
    fn a_patch_names_every_violation_at_once() {
        assert_eq!(pointers(&json!({"amount": {"value": 1, "currency": "EUR"}, "locale": "fr-FR"})), [""; 0]);
        assert_eq!(pointers(&json!({})), [""]);
        assert_eq!(
            pointers(
                &json!({"amout": 5, "locale": 7, "delivery": {"channel": "pigeon"}, "return_url": "nowhere"})
            ),
            ["/locale", "/delivery/channel", "/return_url", "/amout"]
        );
        assert_eq!(pointers(&json!({"account": "systempay", "capture": "manual"})), ["/account", "/capture"]);
        assert_eq!(pointers(&json!({"metadata": {"a/b": 5}})), ["/metadata/a~1b"]);
    }

    #[test]
    fn null_clears_and_absence_keeps() {
        let read = patch(json!({"locale": null}).as_object().unwrap()).unwrap();
        assert!(read.locale.is_cleared() && !read.amount.is_named());
    }

    #[test]
    fn keys_are_bare_or_quoted() {
        let read = |text: &str, required| {
            let mut headers = HeaderMap::new();
            headers.insert("idempotency-key", HeaderValue::from_str(text).unwrap());
            idempotency_key(&headers, required).map_err(|problem| problem.code)
        };
        assert_eq!(read("abc-1", true), Ok(Some("abc-1".to_owned())));
        assert_eq!(read("\"abc-1\"", true), Ok(Some("abc-1".to_owned())));
        assert_eq!(read(r#""a\"b\\c""#, true), Ok(Some(r#"a"b\c"#.to_owned())));
        // Not strings of RFC 8941: a quote inside, an escape of nothing, an end that is escaped.
        for text in [r#""a"b""#, r#""\x""#, r#""a\""#, r#"""""#, "\""] {
            assert_eq!(read(text, false), Err(ProblemCode::IdempotencyKeyInvalid), "{text}");
        }
        for text in ["", "\"\"", "\"abc", "a b", "é"] {
            assert_eq!(read(text, false), Err(ProblemCode::IdempotencyKeyInvalid), "{text}");
        }
        assert_eq!(
            idempotency_key(&HeaderMap::new(), true).map_err(|problem| problem.code),
            Err(ProblemCode::IdempotencyKeyMissing)
        );
    }
}
