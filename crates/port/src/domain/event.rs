//! What happened to an order, in the order it happened.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Cause, EventId, Operation, OperationId, OperationStatus, Order, OrderId, OrderStatus, Timestamp,
};

/// The kind of an event, for example `order.paid` or `operation.unknown`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventType(String);

impl EventType {
    /// `order.<status>`: an order was seen in a new status.
    pub fn order_status(status: OrderStatus) -> Self {
        Self(format!("order.{status}"))
    }

    /// `order.created`: an order was made here.
    pub fn order_created() -> Self {
        Self("order.created".to_owned())
    }

    /// `notification.received`: the provider told something about an order.
    pub fn notification_received() -> Self {
        Self("notification.received".to_owned())
    }

    /// `refund.succeeded` or `refund.failed`.
    pub fn refund(succeeded: bool) -> Self {
        Self(if succeeded { "refund.succeeded" } else { "refund.failed" }.to_owned())
    }

    /// `order.updated`: an order was changed without changing its status.
    pub fn order_updated() -> Self {
        Self("order.updated".to_owned())
    }

    /// `operation.<status>`: an operation came to an end or got stuck.
    pub fn operation(status: OperationStatus) -> Self {
        Self(format!("operation.{}", status.as_str()))
    }

    /// `operation.reversed`: the provider undid an operation that had succeeded.
    pub fn operation_reversed() -> Self {
        Self("operation.reversed".to_owned())
    }

    /// The word used in JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An event type read back from the store.
    pub fn from_stored(word: String) -> Self {
        Self(word)
    }
}

/// An event that is about to be written; the store gives it its id and its place in the order's sequence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewEvent {
    /// What happened.
    pub event_type: EventType,
    /// The order it happened to; `None` for a creation whose order is not known.
    pub order_id: Option<OrderId>,
    /// The operation behind it, if there was one.
    pub operation_id: Option<OperationId>,
    /// When it was learned.
    pub occurred_at: Timestamp,
    /// Ids and state, below 20 kB.
    pub data: Map<String, Value>,
    /// The request behind it; empty for what was only seen by reading.
    #[serde(default)]
    pub cause: Cause,
}

/// An event as written: each order's events are numbered 1, 2, 3 ... without a gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Its place in the order's sequence, from 1.
    pub sequence: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: NewEvent,
}

impl NewEvent {
    /// What its numbers count: the order, or the operation while no order is known.
    pub fn stream(&self) -> String {
        match (&self.order_id, &self.operation_id) {
            (Some(order), _) => order.to_string(),
            (None, Some(operation)) => operation.to_string(),
            (None, None) => String::new(),
        }
    }

    /// `order.<status>`: a copy of `order` was seen in another status than the copy before it.
    pub fn status_changed(
        order: &Order,
        previous: OrderStatus,
        operation_id: Option<OperationId>,
        cause: Cause,
    ) -> Self {
        Self {
            event_type: EventType::order_status(order.status),
            order_id: Some(order.id.clone()),
            operation_id,
            occurred_at: order.as_of,
            data: order_facts(order, Some(previous)),
            cause,
        }
    }

    /// `order.updated`: a copy of `order` has other amounts than the copy before it, or a status it had been in before.
    pub fn changed(
        order: &Order,
        previous: OrderStatus,
        operation_id: Option<OperationId>,
        cause: Cause,
    ) -> Self {
        Self {
            event_type: EventType::order_updated(),
            ..Self::status_changed(order, previous, operation_id, cause)
        }
    }

    /// `operation.reversed`: the provider undid an operation that had succeeded.
    pub fn reversed(operation: &Operation, at: Timestamp, cause: Cause) -> Self {
        let told = Self::operation(operation);
        Self { event_type: EventType::operation_reversed(), occurred_at: at, cause, ..told }
    }

    /// `refund.failed` of a refund that had succeeded: the bank rejected it later.
    pub fn refund_reversed(operation: &Operation, at: Timestamp, cause: Cause) -> Self {
        Self { event_type: EventType::refund(false), ..Self::reversed(operation, at, cause) }
    }

    /// `order.updated`: `order` was changed by an operation without changing its status.
    pub fn updated(order: &Order, operation_id: OperationId, cause: Cause) -> Self {
        Self {
            event_type: EventType::order_updated(),
            order_id: Some(order.id.clone()),
            operation_id: Some(operation_id),
            occurred_at: order.as_of,
            data: order_facts(order, None),
            cause,
        }
    }

    /// `order.created`: `order` was made by an operation.
    pub fn created(order: &Order, operation_id: OperationId, cause: Cause) -> Self {
        Self { event_type: EventType::order_created(), ..Self::updated(order, operation_id, cause) }
    }

    /// `notification.received`: a verified notification about an order was applied.
    pub fn notified(
        order_id: OrderId,
        status: Option<OrderStatus>,
        provider_status: Option<&str>,
        at: Timestamp,
        cause: Cause,
    ) -> Self {
        let mut data = Map::new();
        data.insert("status".to_owned(), status.map(OrderStatus::as_str).into());
        data.insert("provider_status".to_owned(), provider_status.into());
        Self {
            event_type: EventType::notification_received(),
            order_id: Some(order_id),
            operation_id: None,
            occurred_at: at,
            data,
            cause,
        }
    }

    /// `refund.succeeded` or `refund.failed`: a refund came to its end.
    pub fn refund(operation: &Operation) -> Self {
        let succeeded = operation.status == OperationStatus::Succeeded;
        Self { event_type: EventType::refund(succeeded), ..Self::operation(operation) }
    }

    /// `operation.<status>`: an operation came to an end or got stuck.
    pub fn operation(operation: &Operation) -> Self {
        let mut data = Map::new();
        data.insert("type".to_owned(), operation.kind.as_str().into());
        data.insert("status".to_owned(), operation.status.as_str().into());
        data.insert("outcome".to_owned(), operation.outcome().as_str().into());
        data.insert("amount".to_owned(), serde_json::to_value(operation.amount).unwrap_or_default());
        if let Some(reversed) = &operation.reversed {
            data.insert("reversed".to_owned(), serde_json::to_value(reversed).unwrap_or_default());
        }
        if let Some(told) = &operation.contradiction {
            data.insert("contradiction".to_owned(), serde_json::to_value(told).unwrap_or_default());
        }
        Self {
            event_type: EventType::operation(operation.status),
            order_id: operation.order_id.clone(),
            operation_id: Some(operation.id),
            occurred_at: operation.updated_at,
            data,
            cause: operation.cause(),
        }
    }
}

/// The state of an order as events tell it.
fn order_facts(order: &Order, previous: Option<OrderStatus>) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("status".to_owned(), order.status.as_str().into());
    if let Some(previous) = previous {
        data.insert("previous_status".to_owned(), previous.as_str().into());
    }
    data.insert("amount".to_owned(), serde_json::json!({"value": order.amount, "currency": order.currency}));
    data.insert("amounts".to_owned(), serde_json::to_value(order.amounts).unwrap_or_default());
    data
}
