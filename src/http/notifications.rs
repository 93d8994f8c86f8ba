//! `/notifications/{account}`: where providers call. Authenticated by their signature, not by a key.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    Api,
    arrival::{Arriving, NotWhole},
    body::refuse_compressed,
    error::Failed,
};
use crate::{
    adapter::{NotificationError, RawNotification},
    orders::{Received, store_answer},
    problem::{Problem, ProblemCode},
};

/// Most bytes of a notification, far above what any provider sends.
const BYTES_MAX: usize = 256 * 1024;

/// Take a provider's notification.
///
/// Public: the provider's signature over the exact bytes is the credential. It is acknowledged as the provider expects,
/// after it was written down; what it says of money is then confirmed by reading the provider.
#[utoipa::path(
    post, path = "/notifications/{account}", operation_id = "receiveNotification", tag = "notifications",
    params(("account" = String, Path, description = "The configured account", example = "systempay")),
    request_body(content((String = "application/x-www-form-urlencoded"), (Object = "application/json")), description = "What the provider sends"),
    responses((status = 200, description = "Kept; the body is what the provider expects to hear", body = String, content_type = "text/plain")),
    security(())
)]
pub(super) async fn receive_notification(
    State(api): State<Api>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Arriving,
) -> Result<Response, Failed> {
    let name = account.parse().map_err(|_| Problem::plain(ProblemCode::NotFound))?;
    // Before the body: nobody waits for what no account will take.
    let account = api.orders.inbox.account(&name).ok_or_else(|| Problem::plain(ProblemCode::NotFound))?;
    let raw = read(&headers, body).await?;
    match api.orders.inbox.receive(&account, raw).await {
        Received::Kept(acknowledgement) => {
            Ok((StatusCode::OK, [(header::CONTENT_TYPE, acknowledgement.content_type)], acknowledgement.body)
                .into_response())
        }
        Received::Refused(NotificationError::BadSignature(_)) => {
            Err(Problem::new(ProblemCode::Unauthenticated, "the signature is not this account's").into())
        }
        Received::Refused(NotificationError::Unreadable(_)) => {
            Err(Problem::new(ProblemCode::ValidationFailed, "not a notification of this account's provider")
                .into())
        }
        Received::NotKept(error) => Err(store_answer(&error).into()),
    }
}

/// The exact bytes of a small body.
pub(super) async fn read(headers: &HeaderMap, body: Arriving) -> Result<RawNotification, Problem> {
    refuse_compressed(headers)?;
    let body = body.whole(BYTES_MAX).await.map_err(|not_whole| match not_whole {
        NotWhole::TooLarge => Problem::new(ProblemCode::BodyTooLarge, "a notification may have 256 KiB"),
        NotWhole::Broken | NotWhole::Late => {
            Problem::new(ProblemCode::ValidationFailed, "the body did not arrive in time")
        }
        NotWhole::Refused(problem) => *problem,
    })?;
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(RawNotification { content_type, body: body.into() })
}
