//! The canonical order status and the guard that keeps late news from moving an order backwards.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an order's status means, the same for every provider (design, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Open, nobody has paid yet.
    Pending,
    /// A payment is under way, its result is not known yet.
    Processing,
    /// The payer has paid, held for a fraud decision taken in the provider's back office.
    InReview,
    /// Money is reserved, the merchant must still capture.
    Authorized,
    /// Accepted; captured, or will be captured with nothing left to do.
    Paid,
    /// Part of what was paid has been given back, or that refund is accepted.
    PartiallyRefunded,
    /// All of it.
    Refunded,
    /// Released before the money moved.
    Canceled,
    /// Not paid or not captured in time.
    Expired,
    /// The last attempt was refused by issuer, acquirer or rules; some providers let the payer try again.
    Declined,
    /// Over without money, for a technical reason or because the payer left.
    Failed,
    /// The provider said something guichet does not know; its own word is in `provider_status`.
    Unknown,
}

impl OrderStatus {
    /// Whether money was given, is reserved or is about to be: nobody should be asked to pay once more.
    pub fn moves_money(self) -> bool {
        match self {
            Self::Processing
            | Self::InReview
            | Self::Authorized
            | Self::Paid
            | Self::PartiallyRefunded
            | Self::Refunded => true,
            Self::Pending
            | Self::Canceled
            | Self::Expired
            | Self::Declined
            | Self::Failed
            | Self::Unknown => false,
        }
    }

    /// Every status, in the order of the design's table.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Processing,
        Self::InReview,
        Self::Authorized,
        Self::Paid,
        Self::PartiallyRefunded,
        Self::Refunded,
        Self::Canceled,
        Self::Expired,
        Self::Declined,
        Self::Failed,
        Self::Unknown,
    ];

    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::InReview => "in_review",
            Self::Authorized => "authorized",
            Self::Paid => "paid",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Declined => "declined",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// One line of meaning for people; shown in the documentation.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Pending => "open, nobody has paid yet",
            Self::Processing => "a payment is under way, its result is not known yet",
            Self::InReview => {
                "the payer has paid, held for a fraud decision (taken in the provider's back office)"
            }
            Self::Authorized => "money is reserved, the merchant must still capture",
            Self::Paid => "accepted; captured, or will be captured with nothing left to do",
            Self::PartiallyRefunded => {
                "part of what was paid has been given back (or that refund is accepted)"
            }
            Self::Refunded => "all of it has been given back",
            Self::Canceled => "released before the money moved",
            Self::Expired => "not paid or not captured in time",
            Self::Declined => {
                "the last attempt was refused by issuer, acquirer or rules; some providers let the payer try again"
            }
            Self::Failed => "over without money, for a technical reason or because the payer left",
            Self::Unknown => {
                "the provider said something guichet does not know; its own word is in `provider_status`"
            }
        }
    }

    /// The status with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// How far along its life an order of this status is. News may only move an order to the same or a
    /// later stage: nobody un-pays an order by a late message.
    fn stage(self) -> u8 {
        match self {
            Self::Unknown | Self::Pending => 0,
            Self::Processing | Self::Declined => 1,
            Self::InReview => 2,
            Self::Authorized => 3,
            Self::Paid | Self::Canceled | Self::Expired | Self::Failed => 4,
            Self::PartiallyRefunded => 5,
            Self::Refunded => 6,
        }
    }

    /// Whether a *notification* saying `next` may be applied to an order now seen as `self`.
    /// Notifications may be late, repeated or out of order, so they only move an order forward;
    /// a fresh authoritative read always wins and does not ask.
    pub fn may_become_by_notification(self, next: Self) -> bool {
        if next == Self::Unknown || next == self {
            return false;
        }
        match (self, next) {
            // The end states of one stage exclude each other, except that an order given up by one message
            // (not paid in time, payer left) may turn out paid: the money is the stronger fact.
            (Self::Expired | Self::Failed, Self::Paid | Self::Authorized) => true,
            (Self::Paid, Self::Canceled) => true,
            (Self::Canceled | Self::Expired | Self::Failed, _) => false,
            (Self::Paid, Self::Expired | Self::Failed) => false,
            _ => next.stage() >= self.stage(),
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_agree_with_json() {
        for status in OrderStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(OrderStatus::from_word(status.as_str()), Some(status));
        }
        assert_eq!(OrderStatus::from_word("cancelled"), None);
    }

    #[test]
    fn notifications_move_forward_only() {
        use OrderStatus::{
            Authorized, Canceled, Declined, Expired, Paid, PartiallyRefunded, Pending, Refunded,
        };
        for (from, to, allowed) in [
            (Pending, Paid, true),
            (Pending, Authorized, true),
            (Authorized, Paid, true),
            (Declined, Paid, true),
            (Paid, PartiallyRefunded, true),
            (PartiallyRefunded, Refunded, true),
            (Paid, Canceled, true),
            (Expired, Paid, true),
            (Paid, Pending, false),
            (Paid, Authorized, false),
            (Refunded, Paid, false),
            (Refunded, PartiallyRefunded, false),
            (Canceled, Paid, false),
            (Canceled, Pending, false),
            (Paid, Expired, false),
            (Paid, Declined, false),
        ] {
            assert_eq!(from.may_become_by_notification(to), allowed, "{from} -> {to}");
        }
    }

    proptest! {
        /// Whatever messages arrive and in whatever order, money given back stays given back.
        #[test]
        fn a_refund_is_never_undone(indices in proptest::collection::vec(0usize..12, 0..20)) {
            let mut now = OrderStatus::Refunded;
            for index in indices {
                let next = OrderStatus::ALL[index];
                if now.may_become_by_notification(next) { now = next; }
            }
            prop_assert_eq!(now, OrderStatus::Refunded);
        }
    }
}
