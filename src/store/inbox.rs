//! What the store keeps of notifications.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{
    AccountName, Cause, Money, OperationId, OperationStatus, OrderStatus, ProviderReference, Timestamp,
};

/// What was read from a verified notification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotificationFacts {
    /// The order, where the message names it.
    pub reference: Option<ProviderReference>,
    /// The merchant's reference, where the message names it.
    pub merchant_reference: Option<String>,
    /// The operation of ours that the message carries.
    pub operation: Option<OperationId>,
    /// What the message says of the order.
    pub status: Option<OrderStatus>,
    /// The provider's own word for it.
    pub provider_status: Option<String>,
    /// The amount it is about, in minor units, with its currency.
    #[serde(default)]
    pub amount: Option<Money>,
    /// How an accepted operation of ours ended, where the message tells.
    pub settles: Option<(OperationId, OperationStatus)>,
    /// Whether the message says that the payer cannot try again.
    #[serde(default)]
    pub closes: bool,
}

/// A verified notification about to be kept.
#[derive(Clone, PartialEq)]
pub struct NewNotification {
    /// The account it came for.
    pub account: AccountName,
    /// The same for every delivery of the same news.
    pub dedup_key: String,
    /// When it came.
    pub received_at: Timestamp,
    /// When it is to be applied, by the clock that schedules run on.
    pub due_at: Timestamp,
    /// Its media type.
    pub content_type: Option<String>,
    /// Its exact bytes.
    pub raw_body: Vec<u8>,
    /// What was read from it.
    pub facts: NotificationFacts,
    /// The request that brought it.
    pub cause: Cause,
}

impl fmt::Debug for NewNotification {
    /// Never the body: it names the payer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewNotification")
            .field("account", &self.account)
            .field("received_at", &self.received_at)
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// A kept notification that is still to be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct DueNotification {
    /// Its id.
    pub id: String,
    /// The account it came for.
    pub account: AccountName,
    /// When it came.
    pub received_at: Timestamp,
    /// What was read from it.
    pub facts: NotificationFacts,
    /// How often it was tried.
    pub tries: u32,
    /// The request that brought it.
    pub cause: Cause,
}
