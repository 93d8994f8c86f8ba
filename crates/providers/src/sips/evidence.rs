//! Whether a fresh read shows the effect of an operation whose answer was lost, or that the platform does later.
//!
//! A cash operation has no key of its own, so its effect is recognized by the amount that is gone and by the
//! platform's last operation (Office JSON guide, "What to do without an answer"). What does not fit is neither
//! proof of the effect nor of its absence: then a person must tell.
//!
//! What happened before and after is told by the platform's clock against its own earlier word: the order as read
//! before. Ours may be hours ahead or behind.

use std::time::Duration;

use super::{amounts::current_amount, mapping::last_operation, status, wire};
use guichet_port::domain::{Order, OrderStatus, Part, Timestamp};

/// How far our clock may be ahead of the platform's. An operation that is older still than what was asked for was not
/// seen by the read before it: it proves nothing.
const CLOCKS_DIFFER: Duration = Duration::from_secs(24 * 3_600);

/// What a read shows of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Its effect.
    Done,
    /// The platform has it and does it later.
    Accepted,
    /// The bank refused it.
    Declined,
    /// The transaction is as it was.
    Untouched,
    /// Something else was done to it since.
    Unclear,
}

/// The order as read before, what was asked for and when, and the order as it is now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read<'a> {
    pub(super) before: &'a Order,
    pub(super) part: Part,
    pub(super) asked_at: Timestamp,
    pub(super) now: &'a Order,
}

impl Read<'_> {
    /// By how much the transaction is less than before.
    fn gone(&self) -> Option<i64> {
        current_amount(self.before)?.checked_sub(current_amount(self.now)?)
    }

    /// Whether the platform's last operation is of this name, where it tells one, and was made after the order was read
    /// before: by its own clock, whose seconds are whole.
    fn last_is(&self, prefixes: &[&str]) -> bool {
        let (name, at) = last_operation(self.now);
        let (_, before) = last_operation(self.before);
        let is_named = name.is_none_or(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
        let at = at.and_then(wire::instant);
        let is_later = at.is_some_and(|at| {
            at.plus(CLOCKS_DIFFER) >= self.asked_at
                && before.and_then(wire::instant).is_none_or(|before| at >= before)
        });
        is_named && is_later
    }

    /// A full cancel is proved by its target state; a part by the amount that is gone.
    pub(super) fn cancel(&self) -> Shown {
        let is_canceled = self.now.status == OrderStatus::Canceled;
        let is_ours = self.gone() == Some(self.part.amount.value()) && self.last_is(&["CANCEL"]);
        if (self.part.full && is_canceled) || is_ours {
            return Shown::Done;
        }
        // A remittance in the meantime changes the status and no amount.
        if !is_canceled && self.gone() == Some(0) { Shown::Untouched } else { Shown::Unclear }
    }

    /// Validated: on its way to the bank with the amount asked for.
    pub(super) fn capture(&self) -> Shown {
        let (was, is) = (&self.before.provider_status.code, &self.now.provider_status.code);
        if was == is && self.gone() == Some(0) {
            return Shown::Untouched;
        }
        let phase = status::read(is).phase;
        if self.now.status == OrderStatus::Paid {
            let is_amount = current_amount(self.now) == Some(self.part.amount.value());
            let is_ours = is_amount && self.last_is(&["VALIDATE", "CAPTURE", "DEBIT_CAPTURE"]);
            return if is_ours { Shown::Done } else { Shown::Unclear };
        }
        // The new authorization of a TO_REPLAY.
        let is_replayed = was == "TO_REPLAY";
        if is_replayed && phase == status::Phase::Awaiting {
            Shown::Accepted
        } else if is_replayed && phase == status::Phase::Unpaid {
            Shown::Declined
        } else {
            Shown::Unclear
        }
    }

    /// Given back: the amount is gone by a credit.
    pub(super) fn refund(&self) -> Shown {
        match self.gone() {
            Some(gone) if gone == self.part.amount.value() && self.last_is(&["CREDIT"]) => {
                let waits = self.now.provider_status.code == status::TO_CONFIRM_CREDIT;
                if waits { Shown::Accepted } else { Shown::Done }
            }
            Some(0) if self.has_no_new_credit() => Shown::Untouched,
            _ => Shown::Unclear,
        }
    }

    /// Whether the platform shows that nothing was given back since. That a refund lowers the amount at once is
    /// inferred, so neither a credit that is new by its name or time, nor a status that tells of one, may be there: a
    /// refund that is taken for absent would be paid twice. Clocks do not count here.
    fn has_no_new_credit(&self) -> bool {
        let (name, at) = last_operation(self.now);
        let is_credit = name.is_none_or(|name| name.starts_with("CREDIT"));
        let is_old = name.is_some() && at.is_some() && (name, at) == last_operation(self.before);
        let (was, is) = (&self.before.provider_status.code, &self.now.provider_status.code);
        let tells_credit = was != is && status::read(is).phase == status::Phase::Credited;
        (is_old || !is_credit) && !tells_credit
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::read_order, *};
    use guichet_port::domain::{Currency, Money, OperationKind};

    fn order(word: &str, current: i64, last: &str, at: &str) -> Order {
        read_order(&json!({
            "transactionStatus": word, "originAmount": 1000, "currentAmount": current, "currencyCode": "978",
            "lastOperationName": last, "lastOperationDateTime": at,
        }))
    }

    fn shown(before: &Order, amount: i64, full: bool, now: &Order, kind: OperationKind) -> Shown {
        shown_at("2026-01-14T10:00:00Z", before, amount, full, now, kind)
    }

    fn shown_at(
        asked_at: &str,
        before: &Order,
        amount: i64,
        full: bool,
        now: &Order,
        kind: OperationKind,
    ) -> Shown {
        let amount = Money::new(amount, Currency::new("EUR").unwrap()).unwrap();
        let asked_at = Timestamp::parse(asked_at).unwrap();
        let read = Read { before, part: Part { amount, full }, asked_at, now };
        match kind {
            OperationKind::Cancel => read.cancel(),
            OperationKind::Capture => read.capture(),
            OperationKind::Create | OperationKind::Update | OperationKind::Refund => read.refund(),
        }
    }

    const EARLIER: &str = "2026-01-13T10:00:00+01:00";
    const LATER: &str = "2026-01-14T11:00:00+01:00";

    #[test]
    fn only_what_can_be_ours_proves_a_cancel() {
        let before = order("TO_CAPTURE", 1000, "AUTHOR", EARLIER);
        for (amount, full, word, current, last, at, expected) in [
            (1000, true, "CANCELLED", 0, "CANCEL", LATER, Shown::Done),
            (1000, true, "CANCELLED", 0, "CANCEL", EARLIER, Shown::Done),
            (300, false, "TO_CAPTURE", 700, "CANCEL", LATER, Shown::Done),
            (300, false, "TO_CAPTURE", 700, "CANCEL", EARLIER, Shown::Unclear),
            (300, false, "TO_CAPTURE", 700, "CREDIT", LATER, Shown::Unclear),
            (300, false, "TO_CAPTURE", 800, "CANCEL", LATER, Shown::Unclear),
            (300, false, "CANCELLED", 0, "CANCEL", LATER, Shown::Unclear),
            (1000, true, "TO_CAPTURE", 700, "CANCEL", LATER, Shown::Unclear),
            (1000, true, "TO_CAPTURE", 1000, "AUTHOR", EARLIER, Shown::Untouched),
            (300, false, "CAPTURED", 1000, "DEBIT_CAPTURE", LATER, Shown::Untouched),
        ] {
            let now = order(word, current, last, at);
            let is = shown(&before, amount, full, &now, OperationKind::Cancel);
            assert_eq!(is, expected, "{amount} {word} {current} {last} {at}");
        }
        let mut silent = order("TO_CAPTURE", 700, "CANCEL", LATER);
        silent.provider_data.remove("lastOperationDateTime");
        assert_eq!(shown(&before, 300, false, &silent, OperationKind::Cancel), Shown::Unclear);
    }

    #[test]
    fn only_what_can_be_ours_proves_a_capture() {
        for (was, amount, word, current, last, expected) in [
            ("TO_VALIDATE", 1000, "TO_CAPTURE", 1000, "VALIDATE", Shown::Done),
            ("TO_VALIDATE", 700, "TO_CAPTURE", 700, "VALIDATE", Shown::Done),
            ("TO_VALIDATE", 700, "CAPTURED", 700, "DEBIT_CAPTURE", Shown::Done),
            ("TO_VALIDATE", 700, "TO_CAPTURE", 1000, "VALIDATE", Shown::Unclear),
            ("TO_VALIDATE", 700, "TO_VALIDATE", 700, "CANCEL", Shown::Unclear),
            ("TO_VALIDATE", 1000, "TO_VALIDATE", 1000, "AUTHOR", Shown::Untouched),
            ("TO_VALIDATE", 1000, "EXPIRED", 1000, "EXPIRED", Shown::Unclear),
            ("TO_REPLAY", 1000, "PENDING", 1000, "VALIDATE", Shown::Accepted),
            ("TO_REPLAY", 1000, "REFUSED", 1000, "AUTHOR", Shown::Declined),
            ("TO_REPLAY", 1000, "TO_CAPTURE", 1000, "VALIDATE", Shown::Done),
        ] {
            let before = order(was, 1000, "AUTHOR", EARLIER);
            let now = order(word, current, last, LATER);
            let is = shown(&before, amount, amount == 1000, &now, OperationKind::Capture);
            assert_eq!(is, expected, "{was} {amount} {word} {current} {last}");
        }
    }

    #[test]
    fn only_what_can_be_ours_proves_a_refund() {
        let before = order("CAPTURED", 1000, "DEBIT_CAPTURE", EARLIER);
        for (amount, word, current, last, at, expected) in [
            (300, "TO_CREDIT", 700, "CREDIT", LATER, Shown::Done),
            (300, "CAPTURED", 700, "CREDIT", LATER, Shown::Done),
            (300, "CAPTURED", 700, "CREDIT_CAPTURE", LATER, Shown::Done),
            (1000, "CREDITED", 0, "CREDIT", LATER, Shown::Done),
            (300, "TO_CONFIRM_CREDIT", 700, "CREDIT", LATER, Shown::Accepted),
            (300, "TO_CREDIT", 700, "CREDIT", EARLIER, Shown::Unclear),
            (300, "TO_CREDIT", 500, "CREDIT", LATER, Shown::Unclear),
            (300, "TO_CREDIT", 1000, "CREDIT", LATER, Shown::Unclear),
            (300, "CAPTURED", 1000, "DEBIT_CAPTURE", EARLIER, Shown::Untouched),
        ] {
            let now = order(word, current, last, at);
            let is = shown(&before, amount, amount == 1000, &now, OperationKind::Refund);
            assert_eq!(is, expected, "{amount} {word} {current} {last} {at}");
        }
    }

    /// What our clock says of the moment at which LATER was asked for: right, hours ahead and hours behind.
    const CLOCKS: [&str; 7] = [
        "2026-01-14T10:00:00Z",
        "2026-01-14T11:00:00Z",
        "2026-01-14T12:00:00Z",
        "2026-01-14T21:00:00Z",
        "2026-01-14T09:00:00Z",
        "2026-01-14T08:00:00Z",
        "2026-01-13T23:00:00Z",
    ];

    #[test]
    fn a_clock_of_ours_that_is_wrong_by_hours_proves_nothing_wrong() {
        use OperationKind::{Cancel, Capture, Refund};
        for asked_at in CLOCKS {
            for (kind, was, last_was, amount, word, current, last, at, expected) in [
                (Cancel, "TO_CAPTURE", "AUTHOR", 300, "TO_CAPTURE", 700, "CANCEL", LATER, Shown::Done),
                (
                    Cancel,
                    "TO_CAPTURE",
                    "AUTHOR",
                    300,
                    "TO_CAPTURE",
                    1000,
                    "AUTHOR",
                    EARLIER,
                    Shown::Untouched,
                ),
                (Capture, "TO_VALIDATE", "AUTHOR", 700, "TO_CAPTURE", 700, "VALIDATE", LATER, Shown::Done),
                (Refund, "CAPTURED", "DEBIT_CAPTURE", 300, "TO_CREDIT", 700, "CREDIT", LATER, Shown::Done),
                // A credit that does not lower the amount at once is there all the same.
                (
                    Refund,
                    "CAPTURED",
                    "DEBIT_CAPTURE",
                    300,
                    "TO_CREDIT",
                    1000,
                    "CREDIT",
                    LATER,
                    Shown::Unclear,
                ),
                (Refund, "CAPTURED", "DEBIT_CAPTURE", 300, "CAPTURED", 1000, "CREDIT", LATER, Shown::Unclear),
                (
                    Refund,
                    "CAPTURED",
                    "CREDIT_CAPTURE",
                    300,
                    "CAPTURED",
                    1000,
                    "CREDIT",
                    LATER,
                    Shown::Unclear,
                ),
                (Refund, "CAPTURED", "CREDIT", 300, "TO_CREDIT", 1000, "CREDIT", EARLIER, Shown::Unclear),
                // The credit of another refund, as it was before.
                (Refund, "CAPTURED", "CREDIT", 300, "CAPTURED", 1000, "CREDIT", EARLIER, Shown::Untouched),
                (Refund, "TO_CREDIT", "CREDIT", 300, "TO_CREDIT", 1000, "CREDIT", EARLIER, Shown::Untouched),
                (
                    Refund,
                    "CAPTURED",
                    "AUTHOR",
                    300,
                    "CAPTURED",
                    1000,
                    "DEBIT_CAPTURE",
                    LATER,
                    Shown::Untouched,
                ),
            ] {
                let before = order(was, 1000, last_was, EARLIER);
                let now = order(word, current, last, at);
                let is = shown_at(asked_at, &before, amount, false, &now, kind);
                assert_eq!(is, expected, "{asked_at} {kind:?} {was} {last_was} {word} {current} {last} {at}");
            }
        }
    }

    /// What the platform does not tell is no sign of absence.
    #[test]
    fn a_refund_is_not_absent_where_the_last_operation_is_not_told() {
        let before = order("CAPTURED", 1000, "DEBIT_CAPTURE", EARLIER);
        for member in ["lastOperationName", "lastOperationDateTime"] {
            let mut now = order("CAPTURED", 1000, "CREDIT", EARLIER);
            now.provider_data.remove(member);
            assert_eq!(shown(&before, 300, false, &now, OperationKind::Refund), Shown::Unclear, "{member}");
        }
    }
}
