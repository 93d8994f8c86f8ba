//! What happens around every request: its id, limits on headers, what the caller accepts, one log line.

use std::sync::Arc;

use axum::{
    RequestExt,
    extract::{MatchedPath, RawPathParams, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use uuid::Uuid;

use super::{
    Api, arrival, browser,
    error::{Failed, NOTHING_HERE, instead, outcome, render},
    host,
    logline::{self, CallerName, Subject, Unanswered},
    seats::{Kind, Seat},
};
use crate::{
    domain::AccountName,
    metrics::{self, Shed},
    problem::{Problem, ProblemCode},
    store::deadline,
    trace::{self, Context, Key, TRACEPARENT},
};

/// Most bytes of request headers and address.
const HEADER_BYTES_MAX: usize = 16 * 1024;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, taken from the API gateway or made here.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

pub(super) async fn around_every_request(
    State(api): State<Api>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = tokio::time::Instant::now();
    let _active = metrics::request_began();
    let request_id = request_id(request.headers());
    let caller = CallerName::default();
    request.extensions_mut().insert(RequestId(request_id.clone()));
    request.extensions_mut().insert(caller.clone());
    let method = request.method().clone();
    // The template, so that neither logs nor metrics hold ids where a route is meant.
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    let account = account_of(route, &mut request).await;
    let is_change = !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
    let headers = request.headers();
    let parent = trace::caller(headers);
    let (context, mut span) =
        Context::of_request(&api.tracer, &request_id, parent, headers, || format!("{method} {route}"));
    let traceparent = match parent {
        Some(_) => headers.get(TRACEPARENT).cloned(),
        None => HeaderValue::try_from(context.here().to_string()).ok(),
    };

    let seat = Kind::of(route).map(|kind| Seat::take(&api.seats, kind, account)).transpose();
    let refused = match &seat {
        Err(problem) => Some(problem.clone()),
        Ok(_) if api.is_refusing() => Some(Problem::plain(ProblemCode::Draining)),
        Ok(_) => refuse_early(&api, &request, &context),
    };
    if let Ok(Some(seat)) = &seat {
        request.extensions_mut().insert(Arc::clone(seat));
    }
    let mut waiting = Unanswered {
        lines: &api.lines,
        context: &context,
        method: &method,
        route,
        caller: &caller,
        began: started,
        is_answered: false,
    };
    let mut response = match refused {
        Some(problem) => {
            if problem.code == ProblemCode::Draining {
                metrics::shed(Shed::Draining);
                if let Ok(Some(seat)) = &seat {
                    seat.leave();
                }
                arrival::discard(request.into_body(), api.body_bytes).await;
            }
            Failed::from(problem).into_response()
        }
        None => {
            // Whatever the handler asks of the store ends in time.
            let in_time = deadline::within(started + api.request_timeout, next.run(request));
            context.clone().run(in_time).await
        }
    };
    waiting.is_answered = true;
    drop(waiting);
    let failed = response.extensions_mut().remove::<Failed>().or_else(|| instead(&response));
    if let Some(Failed(problem)) = failed {
        let allow = response.headers().get(header::ALLOW).cloned();
        response = render(&problem, &request_id, is_change, &api.prefix);
        response.extensions_mut().insert(Subject::problem(&problem, outcome(&problem, is_change)));
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, value);
    }
    if let Some(value) = traceparent {
        headers.insert(TRACEPARENT, value);
    }
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    if let Some(value) = location
        .filter(|path| path.starts_with('/'))
        .and_then(|path| HeaderValue::from_str(&format!("{}{path}", api.prefix)).ok())
    {
        headers.insert(header::LOCATION, value);
    }
    if api.is_draining() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let took = started.elapsed();
    metrics::request_served(&method, route, response.status().as_u16(), took);
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    context.enter(|| api.lines.write(&method, route, &response, &caller, duration_ms));
    if span.is_recorded() {
        span.tell(Key::RequestId, request_id);
        logline::tell(&mut span, &method, route, &response, &caller);
    }
    span.end();
    response
}

/// The account that the address of a request names, itself or by the id of an order.
async fn account_of(route: &str, request: &mut Request) -> Option<AccountName> {
    let name = match route {
        "/notifications/{account}" => "account",
        _ if route.starts_with("/orders/{id}") => "id",
        _ => return None,
    };
    let parameters = request.extract_parts::<RawPathParams>().await.ok()?;
    let (_, text) = parameters.iter().find(|(known, _)| *known == name)?;
    text.split('_').next()?.parse().ok()
}

/// The gateway's id when it is a plain word, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|text| {
            (1..=128).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        })
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Whether a path is UTF-8 when its escapes are read. What is no escape stands for itself, as the router has it.
fn is_text(path: &str) -> bool {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%');
        match escaped.and_then(|digits| hex::decode(digits).ok()) {
            Some(byte) => {
                bytes.extend(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    std::str::from_utf8(&bytes).is_ok()
}

fn refuse_early(api: &Api, request: &Request, context: &Context) -> Option<Problem> {
    let (headers, path) = (request.headers(), request.uri().path());
    let address = path.len().saturating_add(request.uri().query().map_or(0, str::len));
    let bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len())).sum();
    if bytes.saturating_add(address) > HEADER_BYTES_MAX {
        return Some(Problem::plain(ProblemCode::HeadersTooLarge));
    }
    let host = match host::named(request) {
        Ok(host) => host,
        Err(problem) => return Some(problem),
    };
    if api.identities().are_open() {
        let refuse = || browser::refuse(request, host.as_ref(), api.own.as_deref(), &api.security);
        let refused = context.clone().enter(refuse);
        if refused.is_some() {
            return refused;
        }
    }
    if !is_text(path) {
        return Some(Problem::new(ProblemCode::NotFound, NOTHING_HERE));
    }
    let may_stream = path == "/events";
    let is_page = ["/docs", "/problems/", "/pay/", "/return/", "/notifications/"]
        .iter()
        .any(|page| path.starts_with(page));
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    // Empty elements of a list count for nothing (RFC 9110, 5.6.1), and so does an empty list.
    let wanted: Vec<&str> =
        accepts.flat_map(|value| value.split(',')).map(str::trim).filter(|range| !range.is_empty()).collect();
    let json_is_fine = wanted.is_empty()
        || wanted.iter().any(|range| {
            let media = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            (may_stream && media == "text/event-stream")
                || matches!(
                    media.as_str(),
                    "*/*"
                        | "application/*"
                        | "application/json"
                        | "application/problem+json"
                        | "application/*+json"
                )
        });
    (!is_page && !json_is_fine).then(|| Problem::plain(ProblemCode::NotAcceptable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_text_or_it_is_not() {
        for path in ["/", "/orders/a_b", "/%C3%A9", "/%c3%A9", "/%zz", "/%", "/%F", "/%00", "/%25FF", "*", ""]
        {
            assert!(is_text(path), "{path}");
        }
        for path in ["/%FF", "/%C3", "/%C3/%A9", "/%E2%28%A1", "/%ED%A0%80", "/%zz%ff"] {
            assert!(!is_text(path), "{path}");
        }
    }
}
