//! The port: what guichet asks of a provider platform, in canonical terms, and what all adapters share.

pub mod capabilities;
pub mod error;
mod gate;
mod guarded;
pub mod notification;
pub mod observer;
pub mod outbound;
mod payer_address;
pub mod registry;
pub mod tables;
pub mod transport;

use std::fmt;

use async_trait::async_trait;

pub use capabilities::{Capabilities, OperationCapability};
pub use error::{ErrorKind, ProviderError, Result};
pub use gate::{BreakerState, GateSettings};
pub use notification::{Acknowledgement, Notification, NotificationError, RawNotification};
pub use observer::{Observer, Unobserved};
pub use outbound::{Answer, Outbound};
pub use payer_address::PayerAddresses;
pub use registry::{Account, AdapterContext, ProviderDescription, Registry};
pub use tables::{ErrorRow, StatusRow, Tables};
pub use transport::{Deadline, Exchange, Purpose, Transport};

use crate::domain::{
    Mode, NewOrder, Operation, OperationId, OperationKind, Order, OrderMemory, OrderPatch, Part,
    PlannedOrder, ProviderReference, Timestamp,
};
pub use crate::settings::{AccountSettings, KeyError, check_provider_url};

/// One merchant contract at one provider platform, spoken to in canonical terms.
///
/// An operation does what its name says or answers [`ErrorKind::Unsupported`] with nothing sent: a refund
/// that quietly voids is worse than none. Optional operations have a default body that refuses.
#[async_trait]
pub trait ProviderAdapter: fmt::Debug + Send + Sync {
    /// The platform's id, for example `lyra`.
    fn provider(&self) -> &'static str;

    /// The white-label, when the account names one.
    fn brand(&self) -> Option<&str>;

    /// Whether real money moves.
    fn mode(&self) -> Mode;

    /// Shop and mode at the provider. Two accounts with the same identity would give one order two ids.
    fn identity(&self) -> String;

    /// What this account can do.
    fn capabilities(&self) -> &'static Capabilities;

    /// Whether this is the one accepted spelling of a reference of this provider. Nothing is sent for others.
    fn accepts_reference(&self, reference: &ProviderReference) -> bool;

    /// The state of the link to the provider, as seen by the calls made so far.
    fn link(&self) -> transport::LinkHealth;

    /// A harmless call that proves address and credentials, as far as the provider lets it.
    ///
    /// # Errors
    /// Every kind a read can have.
    async fn test_connection(&self, deadline: Deadline) -> Result<()>;

    /// The order as the provider sees it now. `memory` is asked only for what the provider does not tell.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Misconfigured`], [`ErrorKind::Temporary`],
    /// [`ErrorKind::NotExecuted`] (unreachable), [`ErrorKind::Timeout`], [`ErrorKind::Protocol`],
    /// [`ErrorKind::Incident`] or [`ErrorKind::Refused`].
    async fn fetch(
        &self,
        reference: &ProviderReference,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Order>;

    /// Checks a new order against the provider's rules and decides what must be known before the call. Nothing is
    /// sent.
    ///
    /// # Errors
    /// All violations at once, each with the member that is the reason.
    fn plan_create(
        &self,
        order: NewOrder,
        operation: OperationId,
        now: Timestamp,
    ) -> std::result::Result<PlannedOrder, Vec<Violation>> {
        let _ = (order, operation, now);
        Err(vec![Violation::unsupported("/account", "its provider cannot make orders")])
    }

    /// Makes an order. Where the provider takes them it gets the operation's id and the address of our
    /// notifications.
    ///
    /// # Errors
    /// As [`ProviderAdapter::update`].
    async fn create(&self, operation: OperationId, planned: &PlannedOrder) -> Result<Order> {
        let _ = (operation, planned);
        Err(ProviderError::unsupported(self.provider(), OperationKind::Create))
    }

    /// Checks what the caller wants changed against the provider's rules, before anything is sent.
    ///
    /// # Errors
    /// All violations at once, each with the member that is the reason.
    fn check_update(&self, before: &Order, patch: &OrderPatch) -> std::result::Result<(), Vec<Violation>> {
        let _ = (before, patch);
        Ok(())
    }

    /// Changes what the payer is asked for. `before` is the order as just read.
    ///
    /// # Errors
    /// A definite no, [`ErrorKind::NotExecuted`], or [`ErrorKind::OutcomeUnknown`] when it may have happened.
    async fn update(
        &self,
        operation: OperationId,
        before: &Order,
        patch: &OrderPatch,
        memory: &dyn Recall,
    ) -> Result<Order> {
        let _ = (operation, before, patch, memory);
        Err(ProviderError::unsupported(self.provider(), OperationKind::Update))
    }

    /// Releases all or part of an order whose money has not moved. `before` is the order as just read.
    ///
    /// # Errors
    /// As [`ProviderAdapter::update`]; [`ErrorKind::StateConflict`] asks the house to read the order again
    /// and to decide on its status.
    async fn cancel(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        let _ = (operation, before, part);
        Err(ProviderError::unsupported(self.provider(), OperationKind::Cancel))
    }

    /// Takes all or part of what is reserved. `before` is the order as just read.
    ///
    /// # Errors
    /// As [`ProviderAdapter::cancel`].
    async fn capture(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        let _ = (operation, before, part);
        Err(ProviderError::unsupported(self.provider(), OperationKind::Capture))
    }

    /// Gives back all or part of what was taken. `before` is the order as just read.
    ///
    /// # Errors
    /// As [`ProviderAdapter::cancel`].
    async fn refund(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        let _ = (operation, before, part);
        Err(ProviderError::unsupported(self.provider(), OperationKind::Refund))
    }

    /// What a fresh read proves about an operation whose answer was lost, or that the provider does later.
    ///
    /// # Errors
    /// As [`ProviderAdapter::fetch`]: then nothing was learned.
    async fn shows(&self, operation: &Operation, memory: &dyn Recall, deadline: Deadline) -> Result<Verdict>;

    /// Verifies the signature of what a provider, or a payer's browser on its way back, sent to us, over exactly
    /// these bytes and in constant time, and reads it. There is no default: an adapter without it does not compile.
    ///
    /// # Errors
    /// [`NotificationError`] says why it is refused; nothing of it is used then.
    fn verify_notification(
        &self,
        raw: &RawNotification,
    ) -> std::result::Result<Notification, NotificationError>;
}

/// What guichet remembers of one order, asked for only when it is needed.
#[async_trait]
pub trait Recall: Send + Sync {
    /// Reads the memory.
    ///
    /// # Errors
    /// [`ErrorKind::NotExecuted`] when the store is away.
    async fn recall(&self) -> Result<OrderMemory>;
}

/// A change that the provider carried out or took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Performed {
    /// The order after it, when the answer tells it; else it is read.
    pub order: Option<Order>,
    /// Whether the provider only took it and does it later.
    pub accepted: bool,
    /// The provider's own id of the operation, where its answer tells one: what later news of it is recognised by.
    pub provider_id: Option<String>,
}

/// What a fresh, authoritative read says about an operation whose answer was lost, or that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Its effect is there: positive evidence that can be attributed to it. The order, where the read tells it.
    Done(Option<Box<Order>>),
    /// The provider has it and does it later.
    Accepted(Option<Box<Order>>),
    /// The provider explicitly says that it refused it, with its reason.
    Refused(Box<ProviderError>),
    /// The order was changed, but not evidently by this operation: neither done nor absent can be said.
    Unclear(Option<Box<Order>>),
    /// No trace of it in this read. It proves that nothing happened only after the settling time, because a
    /// late request may still arrive; and only where the adapter declares effects of this kind findable.
    NoTrace(Option<Box<Order>>),
}

/// A member of a request that the provider cannot take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer (RFC 6901) into the request body.
    pub pointer: String,
    /// `unsupported_by_provider`, or `validation_failed` when a value is wrong whatever the provider.
    pub code: &'static str,
    /// What would be right; never the value.
    pub detail: String,
}

/// Most violations that one answer names. Where a caller decides how many there are, one more
/// is enough to say so.
pub const VIOLATIONS_MAX: usize = 50;
/// Longest name of a member that a pointer repeats, in bytes; ours are far shorter.
const NAME_MAX: usize = 128;

/// JSON pointer (RFC 6901) to a member of the object at `parent`; to the object itself when the name is longer than any
/// that could be meant.
pub fn member_pointer(parent: &str, name: &str) -> String {
    if name.len() > NAME_MAX {
        return parent.to_owned();
    }
    format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl Violation {
    /// The provider has no such thing.
    pub fn unsupported(pointer: &str, detail: &str) -> Self {
        Self { pointer: pointer.to_owned(), code: "unsupported_by_provider", detail: detail.to_owned() }
    }

    /// The value cannot be right.
    pub fn invalid(pointer: &str, detail: &str) -> Self {
        Self { pointer: pointer.to_owned(), code: "validation_failed", detail: detail.to_owned() }
    }
}
