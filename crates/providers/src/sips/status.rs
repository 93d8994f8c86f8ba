//! The platform's words for the state of a transaction, and what they mean here.

use std::time::Duration;

use guichet_port::domain::{OrderStatus, WaitsFor};

/// How far the money of a transaction is: what its amounts mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is reserved yet.
    Awaiting,
    /// Reserved, not yet sent to the bank.
    Reserved,
    /// Sent to the bank to debit the payer.
    Captured,
    /// All or part is on its way back, or back.
    Credited,
    /// All of it was released.
    Canceled,
    /// Reserved once, and lapsed or refused by the bank before it was taken.
    Lapsed,
    /// Refused or given up: no money.
    Unpaid,
    /// Nobody tells.
    Untold,
}

/// What one word of `newStatus` or `transactionStatus` means, and what the platform then allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRow {
    /// The platform's word.
    pub word: &'static str,
    /// What it means here. For [`Phase::Credited`] while something is left; `refunded` when nothing is.
    pub status: OrderStatus,
    /// What its amounts mean.
    pub phase: Phase,
    /// Whether it cannot change any more.
    pub is_final: bool,
    /// Whether all or part may be canceled.
    pub cancel: bool,
    /// Whether it may be validated (captured).
    pub capture: bool,
    /// Whether it may be refunded, while something is left.
    pub refund: bool,
    /// Its meaning in words.
    pub meaning: &'static str,
}

const fn row(word: &'static str, status: OrderStatus, phase: Phase, meaning: &'static str) -> StatusRow {
    let is_final = false;
    StatusRow { word, status, phase, is_final, cancel: false, capture: false, refund: false, meaning }
}

const fn over(row: StatusRow) -> StatusRow {
    StatusRow { is_final: true, ..row }
}

const fn cancels(row: StatusRow) -> StatusRow {
    StatusRow { cancel: true, ..row }
}

const fn captures(row: StatusRow) -> StatusRow {
    StatusRow { capture: true, ..row }
}

const fn refunds(row: StatusRow) -> StatusRow {
    StatusRow { refund: true, ..row }
}

/// A refund that is not done before it is confirmed.
pub(super) const TO_CONFIRM_CREDIT: &str = "TO_CONFIRM_CREDIT";
/// All is given back. The platform's table calls it final; the bank may still reject the credit, which shows as an
/// amount that is back, so here it is final only some days later (see [`SETTLED_AFTER`]).
pub(super) const CREDITED: &str = "CREDITED";
/// How long a bank may take to reject what was sent to it: as long as it is looked at for that (design, "Following").
pub(super) const SETTLED_AFTER: Duration = Duration::from_secs(15 * 24 * 3_600);

/// Every status of the platform.
///
/// Sources: the words are those of `newStatus` on the cancel page of the Sherlock's reference, interface 2.55; what
/// each allows is from the feature pages "Cancel", "Refund" and "Validate" of the documentation, release 25.2, and,
/// where these are silent (the three that wait for an answer, and `TO_CONFIRM_*`), the safe answer, no. The refund
/// page says "`TO_CAPTURE` or `TO_CREDIT`" where it evidently means `CAPTURED`: it speaks of remitted transactions,
/// and a refund before the remittance is answered with 24. `recycle` may revive a canceled or expired transaction;
/// guichet does not offer it, so they are final.
pub const STATUSES: [StatusRow; 21] = [
    cancels(row("TO_AUTHORIZE", OrderStatus::Processing, Phase::Awaiting, "to be authorized later")),
    row("WAITING_AUTHOR", OrderStatus::Processing, Phase::Awaiting, "picked up for its authorization"),
    row(
        "TO_CONFIRM_AUTHOR",
        OrderStatus::Processing,
        Phase::Awaiting,
        "the authorization is to be confirmed",
    ),
    row("PENDING", OrderStatus::Processing, Phase::Awaiting, "the answer to the authorization is awaited"),
    cancels(row(
        "TO_CHALLENGE",
        OrderStatus::InReview,
        Phase::Reserved,
        "accepted, under suspicion of fraud",
    )),
    cancels(captures(row(
        "TO_VALIDATE",
        OrderStatus::Authorized,
        Phase::Reserved,
        "waits for the merchant's validation",
    ))),
    captures(row(
        "TO_REPLAY",
        OrderStatus::Authorized,
        Phase::Reserved,
        "waits for a validation that asks for a new authorization",
    )),
    cancels(row("TO_CAPTURE", OrderStatus::Paid, Phase::Reserved, "goes to the bank at the next remittance")),
    row("TO_CONFIRM_CAPTURE", OrderStatus::Paid, Phase::Reserved, "the remittance is to be confirmed"),
    refunds(row("CAPTURED", OrderStatus::Paid, Phase::Captured, "sent to the bank")),
    over(row("CAPTURE_REFUSED", OrderStatus::Failed, Phase::Lapsed, "the remittance was refused")),
    refunds(row(
        "TO_CREDIT",
        OrderStatus::PartiallyRefunded,
        Phase::Credited,
        "a refund goes to the bank at the next remittance",
    )),
    // Nothing is given back before it is confirmed: what was refunded before decides.
    row(TO_CONFIRM_CREDIT, OrderStatus::Paid, Phase::Credited, "a refund waits for a confirmation"),
    row(CREDITED, OrderStatus::PartiallyRefunded, Phase::Credited, "refunded"),
    over(row("CANCELLED", OrderStatus::Canceled, Phase::Canceled, "canceled in full")),
    over(row("EXPIRED", OrderStatus::Expired, Phase::Lapsed, "its time is over")),
    over(row("REFUSED", OrderStatus::Declined, Phase::Unpaid, "refused")),
    over(row("ABORTED", OrderStatus::Failed, Phase::Unpaid, "given up")),
    over(row("ENDED", OrderStatus::Unknown, Phase::Untold, "over, nobody tells how")),
    over(row("PREPROD", OrderStatus::Unknown, Phase::Untold, "of a shop in pre-production, never remitted")),
    row("UNDEFINED", OrderStatus::Unknown, Phase::Untold, "not defined"),
];

/// A word this version does not know: never final, allows nothing.
const UNLISTED: StatusRow = row("", OrderStatus::Unknown, Phase::Untold, "a status not known here");

/// What a word means.
pub(super) fn read(word: &str) -> StatusRow {
    STATUSES.into_iter().find(|row| row.word == word).unwrap_or(UNLISTED)
}

impl StatusRow {
    /// What it means when this much is left of the amount. A credit that nobody gives an amount for is a part of it,
    /// except where the word itself says that all is refunded.
    pub(super) fn canonical(&self, left: Option<i64>) -> OrderStatus {
        let nothing_left = left.map_or(self.word == CREDITED, |left| left == 0);
        let gives_back = self.phase == Phase::Credited && self.word != TO_CONFIRM_CREDIT;
        if gives_back && nothing_left { OrderStatus::Refunded } else { self.status }
    }

    /// What a transaction of this status waits for, while it is not final.
    pub(super) fn waits_for(&self) -> WaitsFor {
        match self.phase {
            Phase::Awaiting | Phase::Untold => WaitsFor::Decision,
            Phase::Reserved if self.status == OrderStatus::Paid => WaitsFor::Remittance,
            Phase::Reserved => WaitsFor::Decision,
            Phase::Captured => WaitsFor::Settlement,
            Phase::Credited => match self.word {
                TO_CONFIRM_CREDIT => WaitsFor::Decision,
                CREDITED => WaitsFor::Settlement,
                _ => WaitsFor::Remittance,
            },
            Phase::Canceled | Phase::Lapsed | Phase::Unpaid => WaitsFor::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_its_meaning() {
        use OrderStatus::{
            Authorized, Canceled, Declined, Expired, Failed, InReview, Paid, PartiallyRefunded, Processing,
            Refunded, Unknown,
        };
        for (word, left, status, is_final, cancel, capture, refund) in [
            ("TO_AUTHORIZE", 1, Processing, false, true, false, false),
            ("WAITING_AUTHOR", 1, Processing, false, false, false, false),
            ("TO_CONFIRM_AUTHOR", 1, Processing, false, false, false, false),
            ("PENDING", 1, Processing, false, false, false, false),
            ("TO_CHALLENGE", 1, InReview, false, true, false, false),
            ("TO_VALIDATE", 1, Authorized, false, true, true, false),
            ("TO_REPLAY", 1, Authorized, false, false, true, false),
            ("TO_CAPTURE", 1, Paid, false, true, false, false),
            ("TO_CONFIRM_CAPTURE", 1, Paid, false, false, false, false),
            ("CAPTURED", 1, Paid, false, false, false, true),
            ("CAPTURE_REFUSED", 1, Failed, true, false, false, false),
            ("TO_CREDIT", 1, PartiallyRefunded, false, false, false, true),
            ("TO_CREDIT", 0, Refunded, false, false, false, true),
            ("TO_CONFIRM_CREDIT", 1, Paid, false, false, false, false),
            ("TO_CONFIRM_CREDIT", 0, Paid, false, false, false, false),
            ("CREDITED", 1, PartiallyRefunded, false, false, false, false),
            ("CREDITED", 0, Refunded, false, false, false, false),
            ("CANCELLED", 0, Canceled, true, false, false, false),
            ("EXPIRED", 1, Expired, true, false, false, false),
            ("REFUSED", 1, Declined, true, false, false, false),
            ("ABORTED", 1, Failed, true, false, false, false),
            ("ENDED", 1, Unknown, true, false, false, false),
            ("PREPROD", 1, Unknown, true, false, false, false),
            ("UNDEFINED", 1, Unknown, false, false, false, false),
            ("TO_DREAM", 1, Unknown, false, false, false, false),
            ("captured", 1, Unknown, false, false, false, false),
            ("", 1, Unknown, false, false, false, false),
        ] {
            let row = read(word);
            assert_eq!((row.canonical(Some(left)), row.is_final), (status, is_final), "{word}");
            assert_eq!((row.cancel, row.capture, row.refund), (cancel, capture, refund), "{word}");
        }
        assert_eq!(read("CREDITED").canonical(None), Refunded);
        assert_eq!(read("TO_CREDIT").canonical(None), PartiallyRefunded);
        for row in STATUSES {
            let twins = STATUSES.iter().filter(|other| other.word == row.word).count();
            assert!(twins == 1 && !row.meaning.is_empty(), "{}", row.word);
            assert!(!(row.is_final && (row.cancel || row.capture || row.refund)), "{}", row.word);
        }
    }
}
