//! Which work belongs to what: the request that began it, the span around it, and where finished spans go.
//!
//! A [`Context`] goes with the work: through the tasks of the runtime, over the store to work that is done later. Log
//! lines take their ids from it, requests to providers and webhooks their `traceparent`. That is so whether or not
//! spans are exported; while they are not, none is built.

mod context;
mod export;
mod otlp;
mod span;

pub use context::{About, Context, TRACEPARENT, caller, carry, cause, current, with_current};
pub use export::Tracer;
pub use span::{Key, Span, SpanKind, Value};
