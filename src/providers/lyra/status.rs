//! The platform's word for the state of a payment order, and what it means here.

use crate::domain::OrderStatus;

/// `paymentOrderStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PaymentOrderStatus {
    /// Open.
    Running,
    /// Paid; transactions exist.
    Paid,
    /// An attempt was refused; the payer may try again.
    Refused,
    /// The expiration date has passed.
    Expired,
    /// Cancelled by the merchant.
    Canceled,
    /// A word this version does not know.
    Unknown,
}

impl PaymentOrderStatus {
    /// Reads the platform's word. It writes `CANCELED`; `CANCELLED` is seen in clients.
    pub(super) fn read(word: &str) -> Self {
        match word {
            "RUNNING" => Self::Running,
            "PAID" => Self::Paid,
            "REFUSED" => Self::Refused,
            "EXPIRED" => Self::Expired,
            "CANCELED" | "CANCELLED" => Self::Canceled,
            _ => Self::Unknown,
        }
    }

    /// What it means. `to_validate`: the merchant captures by hand, so paid is only reserved.
    pub(super) fn canonical(self, to_validate: bool) -> OrderStatus {
        match self {
            Self::Running => OrderStatus::Pending,
            Self::Paid if to_validate => OrderStatus::Authorized,
            Self::Paid => OrderStatus::Paid,
            Self::Refused => OrderStatus::Declined,
            Self::Expired => OrderStatus::Expired,
            Self::Canceled => OrderStatus::Canceled,
            Self::Unknown => OrderStatus::Unknown,
        }
    }

    /// Whether it cannot change any more. A paid one may still be refunded, which its transactions tell: they
    /// are read in a later stage.
    pub(super) fn is_final(self) -> bool {
        match self {
            Self::Expired | Self::Canceled => true,
            Self::Running | Self::Paid | Self::Refused | Self::Unknown => false,
        }
    }
}
