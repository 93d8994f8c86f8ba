//! `/operations`: what became of a change.

use axum::{
    Json,
    extract::{Path, State},
};

use super::{Api, auth::Authenticated, dto::OperationDto, error::Failed};
use crate::{
    config::Scope,
    problem::{Problem, ProblemCode},
};

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
    let operation = api.orders.operation(&caller, id).await?;
    Ok(Json(OperationDto::new(&operation)))
}
