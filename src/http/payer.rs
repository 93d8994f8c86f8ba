//! `/pay/{token}` and `/return/{token}`: the payer's browser on its way to the provider's page and back.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Extension, Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::{Api, arrival::Arriving, error::Failed, notifications, seats::Seat};
use crate::{
    domain::{
        Checkout, CheckoutMethod, Intent, Operation, PlannedOrder, Timestamp, web_address::web_address,
    },
    orders::Received,
    problem::{Problem, ProblemCode},
};

/// The page submits itself with this one line, which the policy names by its digest.
const SUBMIT: &str = "document.forms[0].submit()";
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:30em;margin:4em auto;padding:0 1em;\
                     text-align:center}button{font:inherit;padding:.6em 1.4em}";

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/pay/{token}", get(pay).post(pay))
        .route("/return/{token}", get(come_back).post(come_back))
}

/// What was planned by the creation behind a token, and how to send the payer on.
fn planned(operation: Operation) -> Result<(PlannedOrder, Option<Checkout>), Problem> {
    match operation.intent {
        Intent::Create { planned } => Ok((*planned, operation.order_after.and_then(|order| order.checkout))),
        Intent::Update { .. } | Intent::Cancel { .. } | Intent::Capture { .. } | Intent::Refund { .. } => {
            Err(Problem::plain(ProblemCode::NotFound))
        }
    }
}

/// Sends the payer to the provider's page, by a form that submits itself where the provider wants a POST.
async fn pay(State(api): State<Api>, Path(token): Path<String>) -> Result<Response, Failed> {
    let operation = api.orders.reads.page(&token).await?;
    let is_being_paid = api.orders.reads.is_being_paid(&operation).await?;
    let (planned, checkout) = planned(operation)?;
    if is_being_paid {
        // A payer who comes once more must not pay twice.
        return Ok(back_to_the_shop(planned.order.return_url));
    }
    if Timestamp::now() > planned.expires_at {
        let text = page("This payment page has expired", "<p>Go back to the shop to start again.</p>", "");
        return Ok((StatusCode::GONE, plain_policy(), Html(text)).into_response());
    }
    let Some(checkout) = checkout else { return Err(Problem::plain(ProblemCode::NotFound).into()) };
    if checkout.method == CheckoutMethod::Get {
        return Ok(see_other(&checkout.url));
    }
    let mut fields = String::new();
    for (name, value) in &checkout.fields {
        let _ = write!(fields, "<input type=hidden name=\"{}\" value=\"{}\">", escape(name), escape(value));
    }
    let form = format!(
        "<form method=post action=\"{}\">{fields}<noscript><p>Your browser does not go on by itself.</p>\
         </noscript><button>Continue to the payment page</button></form>",
        escape(&checkout.url)
    );
    let text = page("Payment", &form, &format!("<script>{SUBMIT}</script>"));
    let digest = STANDARD.encode(Sha256::digest(SUBMIT.as_bytes()));
    // No `form-action`: Chromium holds it against redirects too, and a platform may answer the form with one to another
    // host of its own. The page has one form, and its address is the platform's.
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; frame-ancestors 'none'"
    );
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], Html(text)).into_response())
}

/// Takes the provider's signed message that the browser carries, and sends the browser on to the caller's address.
async fn come_back(
    State(api): State<Api>,
    Path(token): Path<String>,
    headers: HeaderMap,
    Extension(seat): Extension<Arc<Seat>>,
    body: Arriving,
) -> Result<Response, Failed> {
    let operation = api.orders.reads.page(&token).await?;
    seat.is_about(&operation.account)?;
    let raw = notifications::read(&headers, body).await?;
    if !raw.body.is_empty() {
        // A forged one changes nothing, and the payer is sent on all the same.
        if let Some(account) = api.orders.inbox.account(&operation.account)
            && let Received::NotKept(error) = api.orders.inbox.receive(&account, raw).await
        {
            tracing::warn!(%error, "what a payer's browser brought back could not be kept");
        }
    }
    let (planned, _) = planned(operation)?;
    Ok(back_to_the_shop(planned.order.return_url))
}

/// Sends the payer to the caller's address, or says that all is done where there is none.
fn back_to_the_shop(address: Option<String>) -> Response {
    // Orders of before have addresses that were hardly checked. A payer who has paid is told so all the same.
    match address.filter(|address| web_address(address).is_ok()) {
        Some(address) => see_other(&address),
        None => {
            let text = page("Thank you", "<p>You can close this page now.</p>", "");
            (plain_policy(), Html(text)).into_response()
        }
    }
}

fn see_other(address: &str) -> Response {
    match HeaderValue::from_str(address) {
        Ok(address) => (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response(),
        Err(_) => Failed::from(Problem::plain(ProblemCode::NotFound)).into_response(),
    }
}

fn plain_policy() -> [(header::HeaderName, &'static str); 1] {
    [(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    )]
}

fn page(title: &str, body: &str, end: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title}</h1>{body}{end}</html>"
    )
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_attribute() {
        assert_eq!(escape("a\"><script>'&"), "a&quot;&gt;&lt;script&gt;&#39;&amp;");
    }
}
