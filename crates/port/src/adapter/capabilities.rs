//! What an account can do, as plain data: served at `GET /accounts`, checked once before an adapter is called.

use serde::Serialize;

use crate::domain::{DeliveryChannel, OperationKind, OrderStatus};

/// What one kind of operation can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OperationCapability {
    /// Whether it exists at all.
    pub supported: bool,
    /// Whether a part of the amount may be named.
    pub partial: bool,
    /// The statuses from which it may be tried.
    pub from: &'static [OrderStatus],
    /// Whether a read can find its effect again after the answer was lost. Where not, only a notification or
    /// a person settles it.
    pub findable: bool,
    /// Whether doing it twice changes nothing more than doing it once.
    pub repeat_harmless: bool,
}

impl OperationCapability {
    /// The provider, or this version of its adapter, has no such operation.
    pub const UNSUPPORTED: Self =
        Self { supported: false, partial: false, from: &[], findable: false, repeat_harmless: false };
}

/// Everything an account can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// Make an order.
    pub create: OperationCapability,
    /// Change what the payer is asked for.
    pub update: OperationCapability,
    /// Release before the money moves.
    pub cancel: OperationCapability,
    /// Take what was reserved.
    pub capture: OperationCapability,
    /// Give back what was taken.
    pub refund: OperationCapability,
    /// Payment methods that `payment_method` may name when an order is made.
    pub payment_methods: &'static [&'static str],
    /// How the payer can be told by the provider.
    pub delivery_channels: &'static [DeliveryChannel],
    /// Currencies the platform knows; the merchant's contract may allow fewer.
    pub currencies: &'static [&'static str],
}

impl Capabilities {
    /// What this kind of operation can do.
    pub fn operation(&self, kind: OperationKind) -> OperationCapability {
        match kind {
            OperationKind::Create => self.create,
            OperationKind::Update => self.update,
            OperationKind::Cancel => self.cancel,
            OperationKind::Capture => self.capture,
            OperationKind::Refund => self.refund,
        }
    }
}
