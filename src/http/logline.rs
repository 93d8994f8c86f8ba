//! What is told of a request when it was answered, in its log line and in its span: which fields, and how they get there.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{http::Method, response::Response};
use tokio::time::Instant;

use crate::{
    domain::{Operation, Order, Outcome},
    metrics,
    problem::{Problem, ProblemCode},
    telemetry::Sparing,
    trace::{Context, Key, Span},
};

/// Who called, as soon as that is known. In the extensions of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct CallerName(Arc<OnceLock<String>>);

impl CallerName {
    pub(super) fn set(&self, name: &str) {
        let _ = self.0.set(name.to_owned());
    }

    pub(super) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// What an answer is about. In the extensions of a response.
#[derive(Debug, Clone, Default)]
pub(super) struct Subject {
    order_id: Option<String>,
    operation_id: Option<String>,
    provider: Option<String>,
    outcome: Option<&'static str>,
    /// It was too much, and refused before anything was done.
    is_too_much: bool,
}

impl Subject {
    /// An answer to a change.
    pub(super) fn operation(operation: &Operation) -> Self {
        let order = operation.order_id.as_ref().or(operation.order_after.as_ref().map(|order| &order.id));
        Self {
            order_id: order.map(ToString::to_string),
            operation_id: Some(operation.id.to_string()),
            provider: Some(operation.provider.clone()),
            outcome: Some(operation.outcome().as_str()),
            is_too_much: false,
        }
    }

    /// An answer to a change with nothing to do, of which nothing is kept.
    pub(super) fn not_kept(operation: &Operation) -> Self {
        Self { operation_id: None, ..Self::operation(operation) }
    }

    /// An order as shown.
    pub(super) fn order(order: &Order) -> Self {
        Self {
            order_id: Some(order.id.to_string()),
            provider: Some(order.provider.clone()),
            ..Self::default()
        }
    }

    /// A failed call. `outcome` is what the answer says about the money.
    pub(super) fn problem(problem: &Problem, outcome: Option<Outcome>) -> Self {
        Self {
            order_id: problem.order_id.as_ref().map(ToString::to_string),
            operation_id: problem.operation_id.map(|id| id.to_string()),
            provider: problem.provider.as_ref().map(|word| word.name.clone()),
            outcome: outcome.map(Outcome::as_str),
            is_too_much: matches!(problem.code, ProblemCode::RateLimited | ProblemCode::Overloaded),
        }
    }
}

/// Puts what an answer is about beside it.
pub(super) fn about(mut response: Response, about: Subject) -> Response {
    response.extensions_mut().insert(about);
    response
}

/// Lines of each status, of requests that no client stands behind, that are written at once; then one in each [`PAUSE`].
const AT_ONCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);
/// Stands for a status where there was no answer.
const NO_ANSWER: u16 = 0;

/// Which requests have a line. Those of a client do, whose rate is bounded, and notifications that were kept. Of the
/// others, which anybody can send without end, some have one; the metrics count all of them.
#[derive(Debug)]
pub(super) struct Lines(Sparing<u16>);

impl Default for Lines {
    fn default() -> Self {
        Self(Sparing::new(AT_ONCE, PAUSE))
    }
}

impl Lines {
    /// Writes the line of a request. Must run in the context of the request, which has its ids.
    pub(super) fn write(
        &self,
        method: &Method,
        route: &str,
        response: &Response,
        caller: &CallerName,
        duration_ms: u64,
    ) {
        let nothing = Subject::default();
        let about = response.extensions().get::<Subject>().unwrap_or(&nothing);
        let status = response.status().as_u16();
        let is_kept_notification = route == "/notifications/{account}" && status == 200;
        let is_proven = caller.get().is_some() || is_kept_notification;
        let mut left_out = None;
        if about.is_too_much || !is_proven {
            let Some(count) = self.0.admits(status) else { return };
            left_out = Some(count).filter(|count| *count > 0);
        }
        tracing::info!(
            method = %method,
            route,
            status,
            duration_ms,
            client = caller.get(),
            order_id = about.order_id.as_deref(),
            operation_id = about.operation_id.as_deref(),
            provider = about.provider.as_deref(),
            outcome = about.outcome,
            left_out,
            "request answered"
        );
    }
}

/// A request that is being worked on. When its caller goes away first it is dropped half way, and this says so.
pub(super) struct Unanswered<'a> {
    pub(super) lines: &'a Lines,
    pub(super) context: &'a Context,
    pub(super) method: &'a Method,
    pub(super) route: &'a str,
    pub(super) caller: &'a CallerName,
    pub(super) began: Instant,
    pub(super) is_answered: bool,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let mut left_out = None;
        if self.caller.get().is_none() {
            let Some(count) = self.lines.0.admits(NO_ANSWER) else { return };
            left_out = Some(count).filter(|count| *count > 0);
        }
        let duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.context.clone().enter(|| {
            tracing::info!(
                method = %self.method,
                route = self.route,
                duration_ms,
                client = self.caller.get(),
                left_out,
                "the caller went away before the answer"
            );
        });
    }
}

/// Tells the span the same.
pub(super) fn tell(span: &mut Span, method: &Method, route: &str, response: &Response, caller: &CallerName) {
    span.tell(Key::Method, metrics::method_label(method));
    span.tell(Key::Route, route);
    span.tell(Key::Status, response.status().as_u16());
    span.tell_some(Key::Client, caller.get());
    if let Some(about) = response.extensions().get::<Subject>() {
        span.tell_some(Key::OrderId, about.order_id.as_deref());
        span.tell_some(Key::OperationId, about.operation_id.as_deref());
        span.tell_some(Key::Provider, about.provider.as_deref());
        span.tell_some(Key::Outcome, about.outcome);
    }
    if response.status().is_server_error() {
        span.fail(response.status().as_str());
    }
}
