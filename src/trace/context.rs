//! The context of the work that runs now.

use std::{future::Future, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::futures::TaskLocalFuture;

use super::{
    Tracer,
    span::{Span, SpanKind},
};
use crate::domain::{Cause, Operation, OperationId, OrderId, TraceParent};

tokio::task_local! {
    static CURRENT: Context;
}

/// The header of a place in a trace.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header of what other systems say of a trace; passed on as it came.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Longest `tracestate` that is passed on, in bytes: what the specification wants passed on at least.
const STATE_BYTES_MAX: usize = 512;

/// What a piece of work is about, for its log lines and spans.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The order.
    pub order_id: Option<OrderId>,
    /// The operation.
    pub operation_id: Option<OperationId>,
    /// The provider.
    pub provider: Option<String>,
}

impl About {
    /// Work on an operation.
    pub fn operation(operation: &Operation) -> Self {
        Self {
            order_id: operation.expected_order(),
            operation_id: Some(operation.id),
            provider: Some(operation.provider.clone()),
        }
    }

    /// Work on an order.
    pub fn order(id: &OrderId) -> Self {
        Self { order_id: Some(id.clone()), ..Self::default() }
    }
}

/// Where work belongs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    tracer: Tracer,
    /// The request that began it.
    cause: Cause,
    /// The span around it, or what it would be.
    here: TraceParent,
    has_span: bool,
    /// `tracestate` as it came.
    state: Option<HeaderValue>,
    about: About,
}

impl Context {
    /// Of a request that came in with these headers: in the trace of its `caller`, see [`caller`], or in a new one. With
    /// the span of it.
    pub fn of_request(
        tracer: &Tracer,
        request_id: &str,
        caller: Option<TraceParent>,
        headers: &HeaderMap,
        name: impl FnOnce() -> String,
    ) -> (Self, Span) {
        let here = caller.map_or_else(|| tracer.root(), TraceParent::child);
        let parent = caller.map(|caller| caller.span_id());
        let state = caller.and_then(|_| headers.get(TRACESTATE)).filter(|value| is_state(value)).cloned();
        let cause = Cause { request_id: Some(request_id.to_owned()), traceparent: Some(here) };
        let context = Self::new(tracer.clone(), cause, here, state);
        let span = Span::start(tracer, here, parent, SpanKind::Server, name);
        (context, span)
    }

    /// Of work that a request began and that is done later, by the clock: in a trace of its own that names the
    /// request's. With the span of it.
    pub fn of_later_work(tracer: &Tracer, cause: Cause, name: &'static str) -> (Self, Span) {
        let here = tracer.root();
        let mut span = Span::start(tracer, here, None, SpanKind::Internal, || name.to_owned());
        if let Some(began) = cause.traceparent {
            span.link(began);
        }
        (Self::new(tracer.clone(), cause, here, None), span)
    }

    /// Of work that goes on in the trace of the request that began it; in a new one where no request did.
    pub fn of_cause(tracer: &Tracer, cause: Cause) -> Self {
        let here = cause.traceparent.unwrap_or_else(|| tracer.root());
        let has_span = cause.traceparent.is_some();
        let (tracer, about) = (tracer.clone(), About::default());
        Self(Arc::new(Inner { tracer, cause, here, has_span, state: None, about }))
    }

    fn new(tracer: Tracer, cause: Cause, here: TraceParent, state: Option<HeaderValue>) -> Self {
        Self(Arc::new(Inner { tracer, cause, here, has_span: true, state, about: About::default() }))
    }

    /// The same, about something.
    #[must_use]
    pub fn about(&self, about: About) -> Self {
        Self(Arc::new(Inner { about, ..Inner::clone(&self.0) }))
    }

    /// What the work is about.
    pub fn subject(&self) -> &About {
        &self.0.about
    }

    /// The request that began it.
    pub fn cause(&self) -> &Cause {
        &self.0.cause
    }

    /// The trace of the request that began it, or its own where no request did.
    pub fn trace_id(&self) -> [u8; 16] {
        self.0.cause.traceparent.unwrap_or(self.0.here).trace_id()
    }

    /// The span around the work.
    pub fn here(&self) -> TraceParent {
        self.0.here
    }

    /// A span within the one around the work.
    pub fn span(&self, kind: SpanKind, name: impl FnOnce() -> String) -> Span {
        let here = self.0.here;
        let parent = self.0.has_span.then(|| here.span_id());
        Span::start(&self.0.tracer, here.child(), parent, kind, name)
    }

    /// Says in a request to somebody else that it is made within `span`.
    pub fn put(&self, span: &Span, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(span.here().to_string()) {
            headers.insert(TRACEPARENT, value);
        }
        if let Some(state) = &self.0.state {
            headers.insert(TRACESTATE, state.clone());
        }
    }

    /// Does work in this context.
    pub fn run<F: Future>(self, work: F) -> TaskLocalFuture<Self, F> {
        CURRENT.scope(self, work)
    }

    /// Does work in this context, at once.
    pub fn enter<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }
}

/// The caller's place in a trace, when it says one. Said twice it says nothing.
pub fn caller(headers: &HeaderMap) -> Option<TraceParent> {
    let mut said = headers.get_all(TRACEPARENT).iter();
    let (only, None) = (said.next()?, said.next()) else { return None };
    only.to_str().ok()?.parse().ok()
}

/// Visible characters and blanks; what is longer or stranger is not passed on.
fn is_state(value: &HeaderValue) -> bool {
    value.len() <= STATE_BYTES_MAX && value.as_bytes().iter().all(|byte| (0x20..=0x7e).contains(byte))
}

/// The context of the work that runs now; a new one where there is none.
pub fn current() -> Context {
    let known = CURRENT.try_with(Context::clone);
    known.unwrap_or_else(|_| Context::of_cause(&Tracer::default(), Cause::default()))
}

/// Looks at the context of the work that runs now, if it has one.
pub fn with_current(look: impl FnOnce(&Context)) {
    let _ = CURRENT.try_with(look);
}

/// The request behind the work that runs now.
pub fn cause() -> Cause {
    CURRENT.try_with(|context| context.cause().clone()).unwrap_or_default()
}

/// Keeps the context of now for work that another task will do.
pub fn carry<F: Future>(work: F) -> TaskLocalFuture<Context, F> {
    current().run(work)
}
