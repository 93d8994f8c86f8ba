//! What a delivery says: `{type, timestamp, data}`, `data` being the event as the API shows it.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::domain::{Cause, Event, EventId, Timestamp};

/// The type of the message that only tests an endpoint.
const TEST_TYPE: &str = "webhook.test";

/// An event as the API shows it.
fn shown(event: &Event) -> Value {
    json!({
        "id": event.id.to_string(),
        "type": event.event.event_type.as_str(),
        "sequence": event.sequence,
        "order_id": event.event.order_id.as_ref().map(ToString::to_string),
        "operation_id": event.event.operation_id.map(|id| id.to_string()),
        "occurred_at": event.event.occurred_at.to_string(),
        "request_id": event.event.cause.request_id,
        "trace_id": event.event.cause.trace_id(),
        "data": event.event.data,
    })
}

/// The body of a delivery: the same bytes on every attempt.
pub(crate) fn body(event: &Event) -> Bytes {
    whole(event.event.event_type.as_str(), event.event.occurred_at, &shown(event))
}

/// The body of a test, which is about no order.
pub(super) fn test(id: EventId, at: Timestamp, cause: &Cause) -> Bytes {
    let data = json!({
        "id": id.to_string(), "type": TEST_TYPE, "sequence": 1, "order_id": null, "operation_id": null,
        "occurred_at": at.to_string(), "request_id": cause.request_id, "trace_id": cause.trace_id(), "data": {},
    });
    whole(TEST_TYPE, at, &data)
}

fn whole(event_type: &str, timestamp: Timestamp, data: &Value) -> Bytes {
    Bytes::from(json!({"type": event_type, "timestamp": timestamp.to_string(), "data": data}).to_string())
}
