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
    cursor,
    dto::{OpenOperationDto, OperationDto, OperationListDto},
    error::Failed,
    query,
    requests::{self, SETTLEMENT},
    table::given,
};
use crate::{
    config::Scope,
    domain::OperationStatus,
    problem::{Problem, ProblemCode},
    store::OperationFilter,
};

/// List operations.
///
/// All that were asked for here on accounts the client may use, in the order in which they were begun. Scope:
/// `orders:read`.
#[utoipa::path(
    get, path = "/operations", operation_id = "listOperations", tag = "operations",
    responses((status = 200, description = "A page of operations", body = OperationListDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn list_operations(
    State(api): State<Api>,
    authenticated: Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<OperationListDto>, Failed> {
    let caller = authenticated.with(Scope::OrdersRead)?;
    let query = query::LIST_OPERATIONS.read(query.as_deref())?;
    let sort = query.sort();
    let filter = OperationFilter {
        accounts: None,
        account: query.account(),
        statuses: query.parsed("status", OperationStatus::from_word).into_iter().collect(),
        order: query.parsed("order_id", |id| id.parse().ok()),
    };
    let names = ["status", "account", "order_id"].map(|name| (name, query.get(name)));
    let scope =
        cursor::scope("operations", &caller, &[&names[..], &[("sort", Some(sort.as_str()))]].concat());
    let after = query.get("cursor").map(|cursor| api.cursors.decode(cursor, &scope)).transpose()?;
    let page = api.orders.reads.list_operations(&caller, filter, sort, after, query.limit()).await?;
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
    let body = requests::SETTLE_OPERATION.receive(&headers, body, api.body_bytes).await?;
    let (status, reason) = decision(&body)?;
    let operation = api.orders.reconciler.review(&caller, id, status, reason).await?;
    Ok(Json(OpenOperationDto { operation: OperationDto::new(&operation) }))
}

/// What a person decided, and why.
pub(super) fn decision(body: &Map<String, Value>) -> Result<(OperationStatus, String), Problem> {
    let members = SETTLEMENT.read(body)?;
    match (given(members.parsed("as", OperationStatus::from_word)), given(members.text("reason"))) {
        (Some(status), Some(reason)) => Ok((status, reason)),
        // The table requires both.
        _ => Err(Problem::plain(ProblemCode::ValidationFailed)),
    }
}
