//! Spans: what is told of a piece of work when it has ended.

use std::time::SystemTime;

use super::Tracer;
use crate::domain::TraceParent;

/// What a span may tell. Everything else stays here: no bodies, no addresses with ids or tokens, nothing of payers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The method of a request.
    Method,
    /// The template of its path.
    Route,
    /// The status of its answer.
    Status,
    /// Why it failed, as a stable word.
    ErrorType,
    /// How often the same read was sent before.
    ResendCount,
    /// The host that was called.
    ServerAddress,
    /// The id of the request behind the work.
    RequestId,
    /// The client that called.
    Client,
    /// The order.
    OrderId,
    /// The operation.
    OperationId,
    /// The provider.
    Provider,
    /// The provider's own name of the service that was called.
    ProviderOperation,
    /// What became of a change.
    Outcome,
    /// The event that is delivered.
    EventId,
    /// Its type.
    EventType,
    /// The webhook endpoint it goes to.
    EndpointId,
}

impl Key {
    /// The name of the attribute: those of the semantic conventions of OpenTelemetry for HTTP, and ours.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Method => "http.request.method",
            Self::Route => "http.route",
            Self::Status => "http.response.status_code",
            Self::ErrorType => "error.type",
            Self::ResendCount => "http.request.resend_count",
            Self::ServerAddress => "server.address",
            Self::RequestId => "guichet.request_id",
            Self::Client => "guichet.client",
            Self::OrderId => "guichet.order_id",
            Self::OperationId => "guichet.operation_id",
            Self::Provider => "guichet.provider",
            Self::ProviderOperation => "guichet.provider_operation",
            Self::Outcome => "guichet.outcome",
            Self::EventId => "guichet.event_id",
            Self::EventType => "guichet.event_type",
            Self::EndpointId => "guichet.endpoint_id",
        }
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A word.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

/// What a span is to its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// A request that came in.
    Server,
    /// A request that went out.
    Client,
    /// Work in between.
    Internal,
}

/// A span that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) here: TraceParent,
    pub(super) parent: Option<[u8; 8]>,
    pub(super) link: Option<TraceParent>,
    pub(super) kind: SpanKind,
    pub(super) name: String,
    pub(super) began: SystemTime,
    pub(super) ended: SystemTime,
    pub(super) attributes: Vec<(Key, Value)>,
    pub(super) failed: bool,
}

/// A piece of work under way. It has a place in the trace always, and is recorded only when somebody wants it.
#[derive(Debug)]
pub struct Span {
    here: TraceParent,
    record: Option<Box<(Tracer, Ended)>>,
}

impl Span {
    pub(super) fn start(
        tracer: &Tracer,
        here: TraceParent,
        parent: Option<[u8; 8]>,
        kind: SpanKind,
        name: impl FnOnce() -> String,
    ) -> Self {
        let wanted = here.is_sampled() && tracer.is_on();
        let record = wanted.then(|| {
            let now = SystemTime::now();
            let ended = Ended {
                here,
                parent,
                link: None,
                kind,
                name: name(),
                began: now,
                ended: now,
                attributes: Vec::new(),
                failed: false,
            };
            Box::new((tracer.clone(), ended))
        });
        Self { here, record }
    }

    /// Its place in the trace.
    pub fn here(&self) -> TraceParent {
        self.here
    }

    /// Whether anybody will see what is told of it. To ask before making something only for it.
    pub fn is_recorded(&self) -> bool {
        self.record.is_some()
    }

    /// Tells something of it.
    pub fn tell(&mut self, key: Key, value: impl Into<Value>) {
        if let Some(record) = &mut self.record {
            record.1.attributes.push((key, value.into()));
        }
    }

    /// Tells something of it, if there is something to tell.
    pub fn tell_some(&mut self, key: Key, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.tell(key, value);
        }
    }

    /// Names another trace that it has to do with.
    pub(super) fn link(&mut self, other: TraceParent) {
        if let Some(record) = &mut self.record {
            record.1.link = Some(other);
        }
    }

    /// It failed, for a reason that is a stable word; an empty one means that it did not.
    pub fn fail(&mut self, error_type: &str) {
        if !error_type.is_empty()
            && let Some(record) = &mut self.record
        {
            record.1.failed = true;
            record.1.attributes.push((Key::ErrorType, error_type.into()));
        }
    }

    /// It has ended.
    pub fn end(mut self) {
        self.hand_over();
    }

    fn hand_over(&mut self) {
        if let Some(record) = self.record.take() {
            let (tracer, ended) = *record;
            tracer.submit(Ended { ended: SystemTime::now(), ..ended });
        }
    }
}

/// Whoever waited for it went away: the work was dropped half way.
impl Drop for Span {
    fn drop(&mut self) {
        self.fail("dropped");
        self.hand_over();
    }
}
