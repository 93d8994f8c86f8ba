//! What guichet itself knows of an order, for what its provider does not tell.

use super::{
    Money, OperationId, OperationKind, OperationStatus, Order, OrderStatus, PlannedOrder, Timestamp,
};

/// Everything remembered of one order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OrderMemory {
    /// How it was made, when it was made here.
    pub creation: Option<Creation>,
    /// Cancels, captures and refunds asked for here that took effect or may have, oldest first.
    pub movements: Vec<Movement>,
    /// Those that ended as refused or not executed and that the provider has an id of: it may do them all the same.
    pub ended: Vec<Movement>,
    /// The last known copy.
    pub copy: Option<Order>,
    /// What the newest verified notification said, for providers whose reads lag behind.
    pub notified: Option<Notified>,
    /// How many changes of the order had been begun or settled when this was read.
    pub change_count: i64,
}

/// What a verified notification said of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Notified {
    /// The status.
    pub status: OrderStatus,
    /// The provider's own word for it.
    pub provider_status: Option<String>,
    /// Whether it said that the payer cannot try again.
    pub closes: bool,
    /// When it was received.
    pub at: Timestamp,
}

/// How an order was made here.
#[derive(Debug, Clone, PartialEq)]
pub struct Creation {
    /// The operation that made it.
    pub operation: OperationId,
    /// When it was asked for.
    pub at: Timestamp,
    /// What was asked for, with every update that succeeded since.
    pub planned: PlannedOrder,
}

/// An operation that moved an amount, or may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Movement {
    /// Its id.
    pub operation: OperationId,
    /// `cancel`, `capture` or `refund`.
    pub kind: OperationKind,
    /// How much.
    pub amount: Money,
    /// How it ended, or where it is.
    pub status: OperationStatus,
    /// When it was asked for.
    pub at: Timestamp,
    /// The provider's own id of it, where it told one.
    pub provider_id: Option<String>,
    /// Whether the provider undid it later: its amount counts no more.
    pub is_reversed: bool,
}

impl OrderMemory {
    /// The sum of the movements of this kind that are done or accepted and were not undone, in minor units.
    pub fn moved(&self, kind: OperationKind) -> i64 {
        self.movements
            .iter()
            .filter(|movement| movement.kind == kind && !movement.is_reversed)
            .filter(|movement| {
                matches!(movement.status, OperationStatus::Succeeded | OperationStatus::Accepted)
            })
            .fold(0, |sum: i64, movement| sum.saturating_add(movement.amount.value()))
    }
}
