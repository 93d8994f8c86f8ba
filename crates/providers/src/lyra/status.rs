//! The platform's word for the state of a payment order, and what it means here.

use guichet_port::domain::OrderStatus;

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
    /// On its way to the bank.
    CapturePending,
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
    /// Not decided yet.
    Pending,
    /// The acquirer checks, or a refund is being checked.
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
    /// No transaction came of it.
    NotCreated,
    /// A word this version does not know.
    Unknown,
}

impl DetailedStatus {
    /// Every known status with the platform's word and what it means for the order of a payment.
    /// Source: Lyra REST API V4, transaction statuses. `PENDING`, `NOT_CREATED` (old) and `CAPTURE_PENDING` (2026) are in
    /// the platform's own published code only, read 2026-12-01.
    pub const TABLE: [(Self, &'static str, OrderStatus); 22] = [
        (Self::Authorised, "AUTHORISED", OrderStatus::Paid),
        (Self::Captured, "CAPTURED", OrderStatus::Paid),
        (Self::CapturePending, "CAPTURE_PENDING", OrderStatus::Paid),
        // Only a part was accepted: neither paid nor unpaid, and nobody has decided which.
        (Self::PartiallyAuthorised, "PARTIALLY_AUTHORISED", OrderStatus::Unknown),
        // No payment: it never stands behind a paid order.
        (Self::Accepted, "ACCEPTED", OrderStatus::Unknown),
        (Self::PreAuthorised, "PRE_AUTHORISED", OrderStatus::Unknown),
        (Self::AuthorisedToValidate, "AUTHORISED_TO_VALIDATE", OrderStatus::Authorized),
        (Self::WaitingAuthorisation, "WAITING_AUTHORISATION", OrderStatus::Processing),
        (Self::WaitingAuthorisationToValidate, "WAITING_AUTHORISATION_TO_VALIDATE", OrderStatus::Processing),
        (Self::WaitingForPayment, "WAITING_FOR_PAYMENT", OrderStatus::Processing),
        (Self::Pending, "PENDING", OrderStatus::Processing),
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
        (Self::NotCreated, "NOT_CREATED", OrderStatus::Unknown),
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

    /// Whether a payment of this status is over and brought no money.
    pub(super) fn is_over(self) -> bool {
        match self {
            Self::Refused
            | Self::Abandoned
            | Self::Error
            | Self::Expired
            | Self::Cancelled
            | Self::CaptureFailed => true,
            Self::Authorised
            | Self::Captured
            | Self::CapturePending
            | Self::PartiallyAuthorised
            | Self::Accepted
            | Self::PreAuthorised
            | Self::AuthorisedToValidate
            | Self::WaitingAuthorisation
            | Self::WaitingAuthorisationToValidate
            | Self::WaitingForPayment
            | Self::Pending
            | Self::UnderVerification
            | Self::Initial
            | Self::Suspended
            | Self::RefundToRetry
            | Self::NotCreated
            | Self::Unknown => false,
        }
    }

    /// What a credit of this status does. `REFUND_TO_RETRY` may still be done, so it is no end.
    pub(super) fn of_a_credit(self) -> CreditState {
        match self {
            Self::Authorised | Self::Captured | Self::CapturePending => CreditState::GivesBack,
            Self::Refused
            | Self::Cancelled
            | Self::Expired
            | Self::CaptureFailed
            | Self::Error
            | Self::Abandoned => CreditState::Undone,
            Self::PartiallyAuthorised
            | Self::Accepted
            | Self::PreAuthorised
            | Self::AuthorisedToValidate
            | Self::WaitingAuthorisation
            | Self::WaitingAuthorisationToValidate
            | Self::WaitingForPayment
            | Self::Pending
            | Self::UnderVerification
            | Self::Initial
            | Self::Suspended
            | Self::RefundToRetry
            | Self::NotCreated
            | Self::Unknown => CreditState::Waits,
        }
    }
}

/// What a credit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CreditState {
    /// It gives money back, or will with nothing left to do.
    GivesBack,
    /// It waits for a check, a person or another try: it may give money back or not.
    Waits,
    /// It came to nothing.
    Undone,
}
