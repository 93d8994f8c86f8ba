//! `/operations`: what became of changes, and the decision of a person where nothing else can tell.

use axum::{
    Json,
    extract::{Path, RawQuery, State},
    http::HeaderMap,
};
use serde_json::{Map, Value};

use super::{
    Api,
    arrival::Arriving,
    auth::Authenticated,
    body::{Members, read_object, text, word},
    cursor::{self, pairs, read_limit, unknown_parameter},
    dto::{OpenOperationDto, OperationDto, OperationListDto},
    error::Failed,
    openapi::SettleBody,
    orders::{JSON, wrong_sort},
};
use crate::{
    adapter::Violation,
    config::Scope,
    domain::OperationStatus,
    problem::{Problem, ProblemCode},
    store::{OperationFilter, Sort},
};

/// List operations.
///
/// All that were asked for here on accounts the client may use, in the order in which they were begun. Scope:
/// `orders:read`.
#[utoipa::path(
    get, path = "/operations", operation_id = "listOperations", tag = "operations",
    params(
        ("status" = Option<String>, Query, description = "Only operations of this status, such as `unknown` or `needs_review`"),
        ("account" = Option<String>, Query, description = "Only operations of this account", pattern = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$"),
        ("order_id" = Option<String>, Query, description = "Only operations of this order"),
        ("sort" = Option<String>, Query, description = "`created_at` for oldest first, `-created_at` for newest first; a cursor belongs to one of them",
            pattern = "^-?created_at$", example = "-created_at"),
        ("limit" = Option<u64>, Query, description = "Most items of one page; above 200 is cut to 200", minimum = 1),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "A page of operations", body = OperationListDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn list_operations(
    State(api): State<Api>,
    authenticated: Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<OperationListDto>, Failed> {
    let caller = authenticated.with(Scope::OrdersRead)?;
    let mut filter = OperationFilter::default();
    let mut errors = Vec::new();
    let (mut limit, mut cursor, mut sort) = (cursor::LIMIT, None, Sort::default());
    for (name, value) in pairs(query.as_deref()) {
        match name.as_str() {
            "status" => match OperationStatus::from_word(&value) {
                Some(status) => filter.statuses = vec![status],
                None => errors.push(Violation::invalid("/status", "a status of operations, such as unknown")),
            },
            "account" => match value.parse() {
                Ok(account) => filter.account = Some(account),
                Err(_) => errors.push(Violation::invalid("/account", "the name of an account")),
            },
            "order_id" => match value.parse() {
                Ok(order) => filter.order = Some(order),
                Err(_) => errors.push(Violation::invalid("/order_id", "the id of an order")),
            },
            "sort" => match Sort::from_word(&value) {
                Some(word) => sort = word,
                None => errors.push(wrong_sort()),
            },
            "limit" => match read_limit(&value) {
                Some(number) => limit = number,
                None => errors.push(Violation::invalid("/limit", "an integer, at least 1")),
            },
            "cursor" => cursor = Some(value),
            other => errors.push(unknown_parameter(other)),
        }
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors).into());
    }
    let scope = cursor::scope("operations", &caller, &format!("{filter:?} {sort:?}"));
    let after = cursor.map(|cursor| api.cursors.decode(&cursor, &scope)).transpose()?;
    let page = api.orders.reads.list_operations(&caller, filter, sort, after, limit).await?;
    let next_cursor = page.next.map(|place| api.cursors.encode(&place, &scope));
    let items = page.items.iter().map(|(_, operation)| OperationDto::new(operation)).collect();
    Ok(Json(OperationListDto { items, next_cursor }))
}

/// See what became of an operation.
///
/// An operation whose answer was lost is `unknown` until a read, a notification or a person settles it; it is never
/// sent again. Scope: `orders:read`.
#[utoipa::path(
    get, path = "/operations/{id}", operation_id = "readOperation", tag = "operations",
    params(("id" = String, Path, description = "Operation id", example = "op_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c")),
    responses((status = 200, description = "The operation as it is now", body = OperationDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn read_operation(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
) -> Result<Json<OperationDto>, Failed> {
    let caller = authenticated.with(Scope::OrdersRead)?;
    let id = id.parse().map_err(|_| Problem::plain(ProblemCode::NotFound))?;
    let operation = api.orders.reads.operation(&caller, id).await?;
    Ok(Json(OperationDto::new(&operation)))
}

/// Settle an operation that only a person can.
///
/// For `unknown` and `needs_review` operations, after looking at the provider's back office. Who decided, what and why
/// stays in the audit trail. Scope: `operations:settle`.
#[utoipa::path(
    post, path = "/operations/{id}/settle", operation_id = "settleOperation", tag = "operations",
    params(("id" = String, Path, description = "Operation id", example = "op_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c")),
    request_body(content = SettleBody, description = "The decision"),
    responses((status = 200, description = "The operation as it is now", body = OpenOperationDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn settle_operation(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Arriving,
) -> Result<Json<OpenOperationDto>, Failed> {
    let caller = authenticated.with(Scope::OperationsSettle)?;
    let id = id.parse().map_err(|_| Problem::plain(ProblemCode::NotFound))?;
    let body = read_object(&headers, body, api.body_bytes, JSON).await?;
    let (status, reason) = decision(&body)?;
    let operation = api.orders.reconciler.review(&caller, id, status, reason).await?;
    Ok(Json(OpenOperationDto { operation: OperationDto::new(&operation) }))
}

/// What a person decided, and why.
pub(super) fn decision(body: &Map<String, Value>) -> Result<(OperationStatus, String), Problem> {
    let mut errors = Vec::new();
    let mut members = Members::new(body, "");
    let decisions = word(&["succeeded", "refused", "not_executed"], |word| {
        OperationStatus::from_word(word).filter(|status| status.is_final())
    });
    let status = members.field("as", &mut errors, decisions);
    let reason = members.field("reason", &mut errors, text(1, 1000));
    for name in ["as", "reason"] {
        if body.get(name).is_none_or(Value::is_null) {
            errors.push(Violation::invalid(&format!("/{name}"), "is required"));
        }
    }
    members.end(&mut errors);
    match (status.value(), reason.value()) {
        (Some(status), Some(reason)) if errors.is_empty() => Ok((*status, reason.clone())),
        _ => Err(Problem::invalid(errors)),
    }
}
