//! The one log line of a request: which fields it has, and how they get there.

use std::sync::{Arc, OnceLock};

use axum::{http::Method, response::Response};

use crate::{
    domain::{Operation, Order, Outcome},
    problem::Problem,
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
pub(super) struct About {
    order_id: Option<String>,
    operation_id: Option<String>,
    provider: Option<String>,
    outcome: Option<&'static str>,
}

impl About {
    /// An answer to a change.
    pub(super) fn operation(operation: &Operation) -> Self {
        let order = operation.order_id.as_ref().or(operation.order_after.as_ref().map(|order| &order.id));
        Self {
            order_id: order.map(ToString::to_string),
            operation_id: Some(operation.id.to_string()),
            provider: Some(operation.provider.clone()),
            outcome: Some(operation.outcome().as_str()),
        }
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
        }
    }
}

/// Puts what an answer is about beside it.
pub(super) fn about(mut response: Response, about: About) -> Response {
    response.extensions_mut().insert(about);
    response
}

/// Writes the line. Must run in the span of the request, which has its id.
pub(super) fn write(
    method: &Method,
    route: &str,
    response: &Response,
    caller: &CallerName,
    duration_ms: u64,
) {
    let nothing = About::default();
    let about = response.extensions().get::<About>().unwrap_or(&nothing);
    tracing::info!(
        method = %method,
        route,
        status = response.status().as_u16(),
        duration_ms,
        client = caller.get(),
        order_id = about.order_id.as_deref(),
        operation_id = about.operation_id.as_deref(),
        provider = about.provider.as_deref(),
        outcome = about.outcome,
        "request answered"
    );
}
