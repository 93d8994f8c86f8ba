//! `/orders/{id}/cancel`, `/capture` and `/refund`: what moves the money, or keeps it from moving.

use axum::{
    extract::{Path, RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Api,
    arrival::Arriving,
    auth::Authenticated,
    body::fingerprint,
    dto::{ChangedOrderDto, OpenOperationDto},
    error::Failed,
    orders::{change, idempotency_key, located},
    query,
    requests::{self, PART, Request},
    table::given,
};
use crate::{config::Scope, domain::Money, orders::ChangeRequest, problem::Problem};

/// Cancel an order before the money moves.
///
/// Without a body, or without `amount`, all that is left is canceled; an amount equal to what is left is the same, `null`
/// is no amount: 400. Canceling an order that is already canceled is 200 with the outcome `already_done`; without a
/// key nothing is kept of it, and its operation has no id. An `Idempotency-Key` is required when an amount is named. Scope: `orders:cancel`.
#[utoipa::path(
    post, path = "/orders/{id}/cancel", operation_id = "cancelOrder", tag = "orders",
    params(
        ("id" = String, Path, description = "Order id: `<account>_<provider reference>`",
            example = "systempay_d63e7f507a6f4dfa86cb40a833ecfd85"),
        ("Idempotency-Key" = Option<String>, Header, description = "Required when an amount is named. 1 to 255 visible ASCII characters, new for every thing you want done", pattern = "^[!-~]{1,255}$"),
        ("If-Match" = Option<String>, Header, description = "`ETag` of the order as you saw it; 412 when it has changed since"),
    ),
    responses(
        (status = 200, description = "The order after the change", body = ChangedOrderDto),
        (status = 202, description = "Sent, the result is not known yet, or the provider does it later: look at the operation, do not repeat", body = OpenOperationDto,
            headers(("Location" = String, description = "The operation"))),
    ),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn cancel_order(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Arriving,
) -> Result<Response, Failed> {
    let movement = Movement {
        scope: Scope::OrdersCancel,
        route: "/orders/{id}/cancel",
        body: &requests::CANCEL_ORDER,
        key: KeyIs::RequiredWithAmount,
        request: |amount| ChangeRequest::Cancel { amount },
    };
    movement.handle(&api, authenticated, &id, query.as_deref(), &headers, body).await
}

/// Capture what is reserved.
///
/// For orders made with `"capture": "manual"`. Without a body, or without `amount`, all that is left is taken;
/// `null` is no amount: 400. An `Idempotency-Key` is required when an amount is named. Scope: `orders:capture`.
#[utoipa::path(
    post, path = "/orders/{id}/capture", operation_id = "captureOrder", tag = "orders",
    params(
        ("id" = String, Path, description = "Order id: `<account>_<provider reference>`",
            example = "systempay_d63e7f507a6f4dfa86cb40a833ecfd85"),
        ("Idempotency-Key" = Option<String>, Header, description = "Required when an amount is named. 1 to 255 visible ASCII characters, new for every thing you want done", pattern = "^[!-~]{1,255}$"),
        ("If-Match" = Option<String>, Header, description = "`ETag` of the order as you saw it; 412 when it has changed since"),
    ),
    responses(
        (status = 200, description = "The order after the change", body = ChangedOrderDto),
        (status = 202, description = "Sent, the result is not known yet, or the provider does it later: look at the operation, do not repeat", body = OpenOperationDto,
            headers(("Location" = String, description = "The operation"))),
    ),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn capture_order(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Arriving,
) -> Result<Response, Failed> {
    let movement = Movement {
        scope: Scope::OrdersCapture,
        route: "/orders/{id}/capture",
        body: &requests::CAPTURE_ORDER,
        key: KeyIs::RequiredWithAmount,
        request: |amount| ChangeRequest::Capture { amount },
    };
    movement.handle(&api, authenticated, &id, query.as_deref(), &headers, body).await
}

/// Refund what was paid.
///
/// Without a body, or without `amount`, all that is left is given back; `null` is no amount: 400. The `Idempotency-Key`
/// is required: a second click with the same key must not pay twice. Scope: `orders:refund`.
#[utoipa::path(
    post, path = "/orders/{id}/refund", operation_id = "refundOrder", tag = "orders",
    params(
        ("id" = String, Path, description = "Order id: `<account>_<provider reference>`",
            example = "systempay_d63e7f507a6f4dfa86cb40a833ecfd85"),
        ("Idempotency-Key" = String, Header, description = "New for every refund you want; the same key and body give the same answer again. 1 to 255 visible ASCII characters", pattern = "^[!-~]{1,255}$"),
        ("If-Match" = Option<String>, Header, description = "`ETag` of the order as you saw it; 412 when it has changed since"),
    ),
    responses(
        (status = 200, description = "The order after the change", body = ChangedOrderDto),
        (status = 202, description = "Sent, the result is not known yet, or the provider does it later: look at the operation, do not repeat", body = OpenOperationDto,
            headers(("Location" = String, description = "The operation"))),
    ),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn refund_order(
    State(api): State<Api>,
    authenticated: Authenticated,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Arriving,
) -> Result<Response, Failed> {
    let movement = Movement {
        scope: Scope::OrdersRefund,
        route: "/orders/{id}/refund",
        body: &requests::REFUND_ORDER,
        key: KeyIs::Required,
        request: |amount| ChangeRequest::Refund { amount },
    };
    movement.handle(&api, authenticated, &id, query.as_deref(), &headers, body).await
}

/// When the caller must send an `Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyIs {
    Required,
    RequiredWithAmount,
}

/// What the three calls differ in.
struct Movement {
    scope: Scope,
    route: &'static str,
    body: &'static Request,
    key: KeyIs,
    request: fn(Option<Money>) -> ChangeRequest,
}

impl Movement {
    async fn handle(
        &self,
        api: &Api,
        authenticated: Authenticated,
        id: &str,
        query: Option<&str>,
        headers: &HeaderMap,
        body: Arriving,
    ) -> Result<Response, Failed> {
        let deadline = Instant::now() + api.request_timeout;
        let caller = authenticated.with(self.scope)?;
        let order = located(api, &caller, id)?;
        query::NONE.read(query)?;
        let body = self.body.receive(headers, body, api.body_bytes).await?;
        let amount = part(&body)?;
        let key = idempotency_key(headers, self.key == KeyIs::Required || amount.is_some())?;
        let print = fingerprint("POST", self.route, &order.id.to_string(), &body, false);
        change(api, &caller, headers, order, (self.request)(amount), key, print, deadline).await
    }
}

/// The part that is to be moved; `None`: all that is left.
pub(super) fn part(body: &Map<String, Value>) -> Result<Option<Money>, Problem> {
    Ok(given(PART.read(body)?.money("amount")))
}
