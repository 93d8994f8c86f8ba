//! The platform's words for the state of a payment and of a refund, and what they mean here.

use guichet_port::domain::OrderStatus;

/// One state of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentState {
    /// The word on the wire, in lower case.
    pub word: &'static str,
    /// What it means here.
    pub status: OrderStatus,
    /// Whether it cannot change any more.
    pub is_final: bool,
    /// The platform's meaning.
    pub meaning: &'static str,
}

const fn payment(
    word: &'static str,
    status: OrderStatus,
    is_final: bool,
    meaning: &'static str,
) -> PaymentState {
    PaymentState { word, status, is_final, meaning }
}

/// Every known state of a payment. Source: list of payment states of API v3 (codes 00 to 08); `canceled`,
/// `new`, `completed` and `refunded` from the shop plugins. Which states are final is inferred from their
/// meaning: a paid one may still be cancelled or refunded.
pub const PAYMENT_STATES: &[PaymentState] = &[
    payment("paid", OrderStatus::Paid, false, "00: paid"),
    payment("authorized", OrderStatus::Authorized, false, "01: authorised, not captured (30 days)"),
    payment("pending", OrderStatus::Pending, false, "02: created"),
    payment("processing", OrderStatus::Pending, false, "03: waiting for the payer"),
    payment("verify", OrderStatus::InReview, false, "04: the payer has paid, held for risk review"),
    payment("declined", OrderStatus::Declined, true, "05: refused"),
    payment("failed", OrderStatus::Failed, true, "06: failed"),
    payment("expired", OrderStatus::Expired, true, "07: not paid in time"),
    payment("cancelled", OrderStatus::Canceled, true, "08: cancelled"),
    payment("canceled", OrderStatus::Canceled, true, "08, as the shop plugins spell it"),
    payment("new", OrderStatus::Pending, false, "created (shop plugins)"),
    payment("completed", OrderStatus::Paid, false, "paid (shop plugins)"),
    payment("refunded", OrderStatus::Refunded, true, "all given back (shop plugins)"),
];

/// The state with this word in any case: older pages capitalise them. `None` for a word not known here, which
/// is never taken for success.
pub(super) fn payment_state(word: &str) -> Option<&'static PaymentState> {
    PAYMENT_STATES.iter().find(|state| state.word.eq_ignore_ascii_case(word.trim()))
}

/// How far a refund is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundProgress {
    /// The platform has it and may still do it: its end is not known.
    Accepted,
    /// The money has been given back.
    Done,
    /// It ended without giving money back.
    Refused,
}

/// One state of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundState {
    /// The word on the wire, in lower case, with blanks.
    pub word: &'static str,
    /// What it means here.
    pub progress: RefundProgress,
    /// The platform's meaning.
    pub meaning: &'static str,
}

const fn refund(word: &'static str, progress: RefundProgress, meaning: &'static str) -> RefundState {
    RefundState { word, progress, meaning }
}

/// Every known state of a refund. Source: list of refund states of API v3 (codes 20 to 25); 26 from the
/// manual of the merchant portal, where its spelling on the wire is inferred.
///
/// The last words are 23 and 26. 24 "may be tried again", and then the platform does it after all (real
/// clients, read 2026-12-01). Of 25 the list says that the platform's support is to be asked, not that the
/// refund is over: support may still have it paid, so a person settles it.
pub const REFUND_STATES: &[RefundState] = &[
    refund("to be approval", RefundProgress::Accepted, "20: waits for an administrator"),
    refund("refund pending", RefundProgress::Accepted, "21: balance too low; goes out by itself later"),
    refund("refund processing", RefundProgress::Accepted, "22: submitted"),
    refund("refunded", RefundProgress::Done, "23: done"),
    refund("refund failed", RefundProgress::Accepted, "24: failed, may be tried again"),
    refund("refund error", RefundProgress::Accepted, "25: failed, the platform's support can tell why"),
    refund("refund cancel", RefundProgress::Refused, "26: the refund was withdrawn"),
];

/// The state of a refund with this word, in any case. The list mixes hyphens and blanks (`to-be-approval`,
/// `refund pending`), so they count as the same, and so do the endings of 26, whose spelling is not certain.
pub(super) fn refund_state(word: &str) -> Option<&'static RefundState> {
    let plain = word.trim().to_ascii_lowercase().replace(['-', '_'], " ");
    let plain = match plain.as_str() {
        "refund canceled" | "refund cancelled" => "refund cancel",
        other => other,
    };
    REFUND_STATES.iter().find(|state| state.word == plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_in_any_case() {
        use OrderStatus::{
            Authorized, Canceled, Declined, Expired, Failed, InReview, Paid, Pending, Refunded,
        };
        let expected = [
            ("paid", Paid),
            ("authorized", Authorized),
            ("pending", Pending),
            ("processing", Pending),
            ("verify", InReview),
            ("declined", Declined),
            ("failed", Failed),
            ("expired", Expired),
            ("cancelled", Canceled),
            ("canceled", Canceled),
            ("new", Pending),
            ("completed", Paid),
            ("refunded", Refunded),
        ];
        assert_eq!(PAYMENT_STATES.len(), expected.len());
        for (word, status) in expected {
            let mut capital = word.to_owned();
            capital[..1].make_ascii_uppercase();
            for spelling in [word.to_owned(), word.to_ascii_uppercase(), capital] {
                assert_eq!(payment_state(&spelling).unwrap().status, status, "{spelling}");
            }
        }
    }

    #[test]
    fn unknown_words_are_not_guessed() {
        for word in ["", "pay", "paid!", "unpaid", "success", "refund pending", "00"] {
            assert_eq!(payment_state(word), None, "{word}");
        }
        for word in ["", "paid", "refund", "pending"] {
            assert_eq!(refund_state(word), None, "{word}");
        }
    }

    #[test]
    fn every_state_of_a_refund_is_read() {
        use RefundProgress::{Accepted, Done, Refused};
        for (word, progress) in [
            ("to-be-approval", Accepted),
            ("To-Be-Approval", Accepted),
            ("refund pending", Accepted),
            ("refund processing", Accepted),
            ("refund-processing", Accepted),
            ("refunded", Done),
            ("Refunded", Done),
            // 24: may be tried again; 25: the platform's support decides.
            ("refund failed", Accepted),
            ("refund error", Accepted),
            ("refund cancel", Refused),
            ("refund cancelled", Refused),
        ] {
            assert_eq!(refund_state(word).unwrap().progress, progress, "{word}");
        }
    }
}
