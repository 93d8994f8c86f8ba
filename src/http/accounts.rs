//! `/accounts`: what is configured and what it can do.

use axum::{
    Json,
    extract::{Path, State},
};

use super::{
    Api,
    auth::Authenticated,
    dto::{AccountDto, AccountListDto},
    error::Failed,
};
use crate::{
    config::Scope,
    domain::AccountName,
    problem::{Problem, ProblemCode},
};

/// List the accounts the client may use.
///
/// With their capabilities and the health of the link to the provider. Scope: `orders:read`.
#[utoipa::path(
    get, path = "/accounts", operation_id = "listAccounts", tag = "accounts",
    responses((status = 200, description = "The accounts", body = AccountListDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn list_accounts(
    State(api): State<Api>,
    authenticated: Authenticated,
) -> Result<Json<AccountListDto>, Failed> {
    let caller = authenticated.with(Scope::OrdersRead)?;
    let registry = api.orders.registry();
    let accounts = registry.accounts().filter(|account| caller.accounts.contains(account.name.as_str()));
    Ok(Json(AccountListDto { items: accounts.map(AccountDto::new).collect(), next_cursor: None }))
}

/// See one account.
///
/// With its capabilities and the health of the link to the provider. Scope: `orders:read`.
#[utoipa::path(
    get, path = "/accounts/{name}", operation_id = "readAccount", tag = "accounts",
    params(("name" = String, Path, description = "Account name", example = "systempay")),
    responses((status = 200, description = "The account", body = AccountDto)),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn read_account(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(name): Path<String>,
) -> Result<Json<AccountDto>, Failed> {
    let caller = authenticated.with(Scope::OrdersRead)?;
    let registry = api.orders.registry();
    let account = name
        .parse::<AccountName>()
        .ok()
        .and_then(|name| registry.account(&name))
        .filter(|account| caller.accounts.contains(account.name.as_str()))
        .ok_or_else(|| Problem::plain(ProblemCode::NotFound))?;
    Ok(Json(AccountDto::new(account)))
}
