//! What providers tell us unasked. A notification is a trigger: what money depends on is read at the provider.

use std::fmt;

use bytes::Bytes;

use crate::domain::{Money, OperationId, OperationStatus, OrderStatus, ProviderReference, Timestamp};

/// A call of a provider, or of a payer's browser on its way back, as it came in.
#[derive(Clone, PartialEq, Eq)]
pub struct RawNotification {
    /// `Content-Type`, when there was one.
    pub content_type: Option<String>,
    /// The exact bytes of the body.
    pub body: Bytes,
}

impl fmt::Debug for RawNotification {
    /// Never the body: it names the payer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawNotification")
            .field("content_type", &self.content_type)
            .field("bytes", &self.body.len())
            .finish()
    }
}

/// A verified notification.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// The same for every delivery of the same news: an id of the provider's, or what the news consists of.
    pub dedup_key: String,
    /// The order, where the message names it.
    pub reference: Option<ProviderReference>,
    /// The merchant's reference, where the message names it.
    pub merchant_reference: Option<String>,
    /// The operation of ours that the message carries, such as the creation's.
    pub operation: Option<OperationId>,
    /// What the message says of the order.
    pub status: Option<OrderStatus>,
    /// The provider's own word for it.
    pub provider_status: Option<String>,
    /// The amount it is about.
    pub amount: Option<Money>,
    /// When it happened at the provider.
    pub occurred_at: Option<Timestamp>,
    /// How an accepted operation of ours ended (`succeeded` or `refused`), where the message tells.
    pub settles: Option<(OperationId, OperationStatus)>,
    /// What it was signed with, in words for operators: which secret, and the rule where a provider has several.
    pub signed_with: String,
    /// Whether the message says that the payer cannot try again, whatever became of the last try.
    pub closes: bool,
    /// What the provider expects to hear.
    pub acknowledgement: Acknowledgement,
}

/// The answer to a notification that is stored, with status 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Its media type.
    pub content_type: &'static str,
    /// Its exact body.
    pub body: &'static str,
}

impl Acknowledgement {
    /// An empty text.
    pub const EMPTY: Self = Self { content_type: "text/plain; charset=utf-8", body: "" };
}

/// Why a notification is refused. The texts are for operators: no secrets, no payer data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    /// Not the provider's form: answered with 400.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// Not signed with this account's secret: answered with 401. Says what it was signed with, as far as that can
    /// be told.
    #[error("bad signature: {0}")]
    BadSignature(String),
}
