//! What a provider tells of one operation of ours, recognised by our own reference for it or by the provider's id.

use serde::{Deserialize, Serialize};

use super::{OperationId, Timestamp};

/// What became of an operation at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is done there, or will be with nothing left to do.
    Done,
    /// It was done, or on its way, and came to nothing: the bank rejected it.
    Undone,
}

/// What a read, or a verified notification, tells of one operation of ours.
///
/// Only where the provider names the operation: by our reference for it, or by the provider's own id of it. What merely
/// fits by its amount is no news of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationNews {
    /// The operation.
    pub operation: OperationId,
    /// What became of it.
    pub fate: Fate,
    /// The provider's own id of it, where it has one. It is kept with the operation.
    pub provider_id: Option<String>,
    /// The provider's own word for its state.
    pub provider_status: Option<String>,
}

/// An operation that had ended as refused or not executed, and that the provider did all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction {
    /// When it was learned.
    pub at: Timestamp,
    /// What told it: `notification` or `read`.
    pub source: String,
    /// The provider's own word.
    pub provider_status: Option<String>,
}

/// An operation that had succeeded, and that the provider undid later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reversal {
    /// When it was learned.
    pub at: Timestamp,
    /// The provider's own word for why, or what told it.
    pub reason: String,
}
