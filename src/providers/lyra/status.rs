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
    /// The platform's words.
    pub(super) const WORDS: [&'static str; 5] = ["RUNNING", "PAID", "REFUSED", "EXPIRED", "CANCELED"];

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

    /// Whether the payer may still pay.
    pub(super) fn is_payable(self) -> bool {
        match self {
            Self::Running | Self::Refused | Self::Unknown => true,
            Self::Paid | Self::Expired | Self::Canceled => false,
        }
    }

    /// Whether it cannot change any more, as far as the order tells. A paid one may still be refunded.
    pub(super) fn is_final(self) -> bool {
        match self {
            Self::Expired | Self::Canceled => true,
            Self::Running | Self::Paid | Self::Refused | Self::Unknown => false,
        }
    }
}

/// `detailedStatus` of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetailedStatus {
    /// Accepted, captured automatically at the evening's remittance.
    Authorised,
    /// Remitted to the bank.
    Captured,
    /// Part of the amount was accepted.
    PartiallyAuthorised,
    /// A card verification succeeded; no payment.
    Accepted,
    /// A pre-authorisation, never remitted.
    PreAuthorised,
    /// Accepted, waits for the merchant's validation.
    AuthorisedToValidate,
    /// The capture is too far ahead; the authorisation is asked for later.
    WaitingAuthorisation,
    /// Both of the above.
    WaitingAuthorisationToValidate,
    /// The payer has something to do elsewhere.
    WaitingForPayment,
    /// The acquirer checks.
    UnderVerification,
    /// No answer of the acquirer yet.
    Initial,
    /// The capture is held by the acquirer.
    Suspended,
    /// A refund that is to be tried again.
    RefundToRetry,
    /// Refused.
    Refused,
    /// Cancelled by the merchant.
    Cancelled,
    /// Not validated in time.
    Expired,
    /// The remittance failed.
    CaptureFailed,
    /// Technical failure.
    Error,
    /// The payer left.
    Abandoned,
    /// A word this version does not know.
    Unknown,
}

impl DetailedStatus {
    /// Every known status with the platform's word and what it means for the order of a payment.
    /// Source: Lyra REST API V4, transaction statuses.
    pub const TABLE: [(Self, &'static str, OrderStatus); 19] = [
        (Self::Authorised, "AUTHORISED", OrderStatus::Paid),
        (Self::Captured, "CAPTURED", OrderStatus::Paid),
        // Only a part was accepted: neither paid nor unpaid, and nobody has decided which.
        (Self::PartiallyAuthorised, "PARTIALLY_AUTHORISED", OrderStatus::Unknown),
        // No payment: it never stands behind a paid order.
        (Self::Accepted, "ACCEPTED", OrderStatus::Unknown),
        (Self::PreAuthorised, "PRE_AUTHORISED", OrderStatus::Unknown),
        (Self::AuthorisedToValidate, "AUTHORISED_TO_VALIDATE", OrderStatus::Authorized),
        (Self::WaitingAuthorisation, "WAITING_AUTHORISATION", OrderStatus::Processing),
        (Self::WaitingAuthorisationToValidate, "WAITING_AUTHORISATION_TO_VALIDATE", OrderStatus::Processing),
        (Self::WaitingForPayment, "WAITING_FOR_PAYMENT", OrderStatus::Processing),
        (Self::UnderVerification, "UNDER_VERIFICATION", OrderStatus::Processing),
        (Self::Initial, "INITIAL", OrderStatus::Processing),
        (Self::Suspended, "SUSPENDED", OrderStatus::Processing),
        (Self::RefundToRetry, "REFUND_TO_RETRY", OrderStatus::Unknown),
        (Self::Refused, "REFUSED", OrderStatus::Declined),
        (Self::Cancelled, "CANCELLED", OrderStatus::Canceled),
        (Self::Expired, "EXPIRED", OrderStatus::Expired),
        (Self::CaptureFailed, "CAPTURE_FAILED", OrderStatus::Failed),
        (Self::Error, "ERROR", OrderStatus::Failed),
        (Self::Abandoned, "ABANDONED", OrderStatus::Failed),
    ];

    /// Reads the platform's word.
    pub(super) fn read(word: &str) -> Self {
        Self::TABLE.iter().find(|(_, known, _)| *known == word).map_or(Self::Unknown, |(status, ..)| *status)
    }

    /// What it means for the order whose payment it is.
    pub(super) fn canonical(self) -> OrderStatus {
        Self::TABLE
            .iter()
            .find(|(status, ..)| *status == self)
            .map_or(OrderStatus::Unknown, |(_, _, canonical)| *canonical)
    }

    /// Whether a credit of this status gives money back or will.
    pub(super) fn gives_back(self) -> bool {
        match self {
            Self::Refused
            | Self::Cancelled
            | Self::Expired
            | Self::CaptureFailed
            | Self::Error
            | Self::Abandoned => false,
            Self::Authorised
            | Self::Captured
            | Self::PartiallyAuthorised
            | Self::Accepted
            | Self::PreAuthorised
            | Self::AuthorisedToValidate
            | Self::WaitingAuthorisation
            | Self::WaitingAuthorisationToValidate
            | Self::WaitingForPayment
            | Self::UnderVerification
            | Self::Initial
            | Self::Suspended
            | Self::RefundToRetry
            | Self::Unknown => true,
        }
    }
}
