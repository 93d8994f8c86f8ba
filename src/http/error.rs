//! Problems as HTTP answers (RFC 9457). The middleware adds what only it knows: the request's id.

use std::any::Any;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::every_request::request_id;
use crate::{
    domain::Outcome,
    problem::{Problem, ProblemCode},
};

/// Seconds after which a retryable 503 or 409 may be tried again.
const RETRY_AFTER_SECONDS: u32 = 1;

/// A failed call, on its way out.
#[derive(Debug, Clone)]
pub(super) struct Failed(pub(super) Box<Problem>);

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

/// Leaves the problem in the extensions: [`render`] writes the body when the request's id is known.
impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut response = status(&self.0).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

pub(super) fn status(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What the answer says about the money: on every change, at least that nothing was done.
pub(super) fn outcome(problem: &Problem, is_change: bool) -> Option<Outcome> {
    problem.outcome.or(is_change.then_some(Outcome::NotExecuted))
}

/// The problem as an answer to this request. `prefix` is put before the paths it names.
pub(super) fn render(problem: &Problem, request_id: &str, is_change: bool, prefix: &str) -> Response {
    let body = members(problem, request_id, outcome(problem, is_change), prefix).to_string();
    let mut response = (status(problem), Body::from(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if problem.code == ProblemCode::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"guichet\""));
    }
    let waits =
        matches!(problem.code.status(), 429 | 503) || problem.code == ProblemCode::IdempotencyKeyInUse;
    if waits && problem.retryable {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    response
}

/// The members of the body.
pub(super) fn members(problem: &Problem, request_id: &str, outcome: Option<Outcome>, prefix: &str) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    put("type", format!("{prefix}/problems/{}", problem.code.as_str()).into());
    put("title", problem.code.title().into());
    put("status", problem.code.status().into());
    put("detail", problem.detail.clone().into());
    put(
        "instance",
        problem
            .operation_id
            .map_or_else(|| format!("urn:request:{request_id}"), |id| format!("{prefix}/operations/{id}"))
            .into(),
    );
    put("code", problem.code.as_str().into());
    put("retryable", problem.retryable.into());
    put("request_id", request_id.into());
    if let Some(outcome) = outcome {
        put("outcome", outcome.as_str().into());
    }
    if let Some(order) = &problem.order_id {
        put("order_id", order.to_string().into());
    }
    if let Some(operation) = problem.operation_id {
        put("operation_id", operation.to_string().into());
    }
    if let Some(reason) = &problem.reason {
        put("reason", reason.clone().into());
    }
    if let Some(word) = &problem.provider {
        put("provider", json!({"name": word.name, "code": word.code, "message": word.message}));
    }
    if !problem.errors.is_empty() {
        let errors = problem
            .errors
            .iter()
            .map(|error| json!({"pointer": error.pointer, "code": error.code, "detail": error.detail}));
        put("errors", Value::Array(errors.collect()));
    }
    Value::Object(body)
}

/// What is said of an address that does not exist. It is not repeated: a mistyped one may hold the token of a payer's
/// page.
pub(super) const NOTHING_HERE: &str = "there is nothing at this address";

pub(super) async fn no_such_address() -> Failed {
    Problem::new(ProblemCode::NotFound, NOTHING_HERE).into()
}

/// The problem to be told instead of an answer that the web framework made by itself, in its own words or without any.
/// `None` for every other answer: those that are no errors, and the pages.
pub(super) fn instead(response: &Response) -> Option<Failed> {
    let media = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_ours = media.is_some_and(|media| !media.starts_with("text/plain"));
    if is_ours || response.status().as_u16() < 400 {
        return None;
    }
    let code = match response.status().as_u16() {
        404 => ProblemCode::NotFound,
        405 => ProblemCode::MethodNotAllowed,
        406 => ProblemCode::NotAcceptable,
        413 => ProblemCode::BodyTooLarge,
        415 => ProblemCode::UnsupportedMediaType,
        414 | 431 => ProblemCode::HeadersTooLarge,
        400..=499 => ProblemCode::InvalidHeader,
        _ => ProblemCode::InternalError,
    };
    Some(Problem::plain(code).into())
}

/// For the ops listener, which knows nothing of requests.
pub(super) async fn no_such_probe(headers: HeaderMap) -> Response {
    let problem = Problem::new(ProblemCode::NotFound, NOTHING_HERE);
    render(&problem, &request_id(&headers), false, "")
}

/// For the ops listener.
pub(super) async fn no_such_method_of_probes(method: Method, headers: HeaderMap) -> Response {
    let problem = Problem::new(ProblemCode::MethodNotAllowed, format!("this address does not take {method}"));
    render(&problem, &request_id(&headers), false, "")
}

pub(super) async fn method_not_allowed(method: Method) -> Failed {
    Problem::new(ProblemCode::MethodNotAllowed, format!("this address does not take {method}")).into()
}

#[allow(clippy::needless_pass_by_value, reason = "the layer's signature")]
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!(alert = "panic", "a handler panicked");
    Failed::from(Problem::plain(ProblemCode::InternalError)).into_response()
}
