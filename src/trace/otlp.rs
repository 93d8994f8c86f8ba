//! Spans in the words of OTLP (opentelemetry-proto 1).

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span, status},
};
use prost::Message;

use super::span::{Ended, SpanKind, Value};

/// The lowest of a span's flags: its trace is recorded.
const SAMPLED: u32 = 1;

/// The request that exports these spans of this service.
pub(super) fn request(service: &str, spans: Vec<Ended>) -> Vec<u8> {
    let resource = Resource {
        attributes: vec![
            attribute("service.name", text(service)),
            attribute("service.version", text(env!("CARGO_PKG_VERSION"))),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "guichet".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let spans = spans.into_iter().map(told).collect();
    let of_scope = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
    let all =
        ResourceSpans { resource: Some(resource), scope_spans: vec![of_scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![all] }.encode_to_vec()
}

/// How many spans the collector says it did not take.
pub(super) fn rejected(answer: &[u8]) -> u64 {
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    let partial = answer.partial_success.unwrap_or_default();
    u64::try_from(partial.rejected_spans).unwrap_or_default()
}

fn told(ended: Ended) -> Span {
    let links = ended.link.into_iter().map(|link| span::Link {
        trace_id: link.trace_id().to_vec(),
        span_id: link.span_id().to_vec(),
        flags: if link.is_sampled() { SAMPLED } else { 0 },
        ..span::Link::default()
    });
    let kind = match ended.kind {
        SpanKind::Server => span::SpanKind::Server,
        SpanKind::Client => span::SpanKind::Client,
        SpanKind::Internal => span::SpanKind::Internal,
    };
    let code = if ended.failed { status::StatusCode::Error } else { status::StatusCode::Unset };
    let attributes = ended.attributes.into_iter().map(|(key, value)| {
        let value = match value {
            Value::Text(text) => any_value::Value::StringValue(text),
            Value::Number(number) => any_value::Value::IntValue(number),
        };
        attribute(key.as_str(), value)
    });
    Span {
        trace_id: ended.here.trace_id().to_vec(),
        span_id: ended.here.span_id().to_vec(),
        parent_span_id: ended.parent.map(|id| id.to_vec()).unwrap_or_default(),
        flags: SAMPLED,
        name: ended.name,
        kind: kind.into(),
        start_time_unix_nano: nanoseconds(ended.began),
        // The clock may have been set back meanwhile.
        end_time_unix_nano: nanoseconds(ended.ended.max(ended.began)),
        attributes: attributes.collect(),
        links: links.collect(),
        status: Some(Status { code: code.into(), message: String::new() }),
        ..Span::default()
    }
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(text: &str) -> any_value::Value {
    any_value::Value::StringValue(text.to_owned())
}

fn nanoseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
