//! What the platform and guichet's memory tell of the money of a transaction.

use super::{
    status::{self, Phase, StatusRow},
    wire,
};
use guichet_port::domain::{Amounts, OperationKind, OperationStatus, Order, OrderMemory};

/// What is left of the amount, as an order tells it that was read before.
pub(super) fn current_amount(order: &Order) -> Option<i64> {
    wire::amount(order.provider_data.get("currentAmount")?)
}

/// Cumulative amounts, and whether money was given back.
///
/// The platform tells two: what the transaction was made of and what it is now. Before the remittance the difference
/// was released. After it, it may have been released before, given back, or both: `lastOperationName` and guichet's
/// own operations and copies tell; where they do not, nobody does.
pub(super) fn of(
    row: StatusRow,
    wire: &wire::TransactionData,
    origin: i64,
    left: Option<i64>,
    memory: &OrderMemory,
) -> (Amounts, bool) {
    let off = left.map(|left| origin.saturating_sub(left).max(0));
    let unpaid = Amounts::unpaid(origin);
    let reserved = Amounts { authorized: authorized(row, wire), canceled: off, ..unpaid };
    match row.phase {
        Phase::Awaiting => (Amounts { canceled: off, ..unpaid }, false),
        Phase::Reserved | Phase::Lapsed => (reserved, false),
        Phase::Canceled => (Amounts { canceled: Some(origin), ..reserved }, false),
        Phase::Unpaid => (unpaid, false),
        Phase::Untold => (Amounts::untold(origin), false),
        Phase::Captured | Phase::Credited => {
            let known = Amounts { authorized: authorized(row, wire), ..Amounts::untold(origin) };
            let Some(off) = off else {
                return (known, row.phase == Phase::Credited && row.word != status::TO_CONFIRM_CREDIT);
            };
            let last_was_credit =
                wire.last_operation_name.as_deref().is_some_and(|name| name.starts_with("CREDIT"));
            let (canceled, given, gives_back) = split(row, origin, off, last_was_credit, memory);
            let (refunded, refund_pending) = if row.word == status::TO_CONFIRM_CREDIT {
                confirmed(off, left, given, memory)
            } else {
                (given, waiting(given, memory))
            };
            // What is not told was given back all the same, but for one that waits.
            let gives_back = match refunded {
                Some(refunded) => refunded > 0,
                None => gives_back && row.word != status::TO_CONFIRM_CREDIT,
            };
            let captured = canceled.map(|canceled| origin.saturating_sub(canceled));
            (Amounts { captured, canceled, refunded, refund_pending, ..known }, gives_back)
        }
    }
}

/// What was authorized, where the platform tells: what the transaction was made of, once it is past its authorization.
///
/// A `TO_REPLAY` is authorized anew when it is validated. One that was canceled or has expired may never have been
/// authorized; the bank's number of the authorization tells (data dictionary, `authorisationId`, release 25.2).
fn authorized(row: StatusRow, wire: &wire::TransactionData) -> Option<i64> {
    match row.phase {
        Phase::Awaiting | Phase::Unpaid => Some(0),
        Phase::Reserved if row.word == "TO_REPLAY" => None,
        Phase::Reserved | Phase::Captured | Phase::Credited => wire.origin_amount,
        Phase::Lapsed | Phase::Canceled => {
            let went_to_the_bank = row.word == "CAPTURE_REFUSED";
            wire.origin_amount.filter(|_| went_to_the_bank || wire.authorisation_id.is_some())
        }
        Phase::Untold => None,
    }
}

/// The sum of our refunds of this status that were not undone.
fn refunds(memory: &OrderMemory, wanted: OperationStatus) -> i64 {
    let refunds = memory.movements.iter().filter(|movement| {
        movement.kind == OperationKind::Refund && movement.status == wanted && !movement.is_reversed
    });
    refunds.fold(0, |sum: i64, movement| sum.saturating_add(movement.amount.value()))
}

/// What the platform took of us and does not show among what was given back: answered with 60 or 62.
fn waiting(given: Option<i64>, memory: &OrderMemory) -> Option<i64> {
    let accepted = refunds(memory, OperationStatus::Accepted);
    let Some(given) = given else { return Some(0).filter(|_| accepted == 0) };
    let done = refunds(memory, OperationStatus::Succeeded);
    Some(done.saturating_add(accepted).saturating_sub(given).clamp(0, accepted))
}

/// What was given back, and what still waits for its confirmation, of a transaction that waits for one. That the
/// amount is lowered before the confirmation is inferred, so both are taken.
fn confirmed(
    off: i64,
    left: Option<i64>,
    given: Option<i64>,
    memory: &OrderMemory,
) -> (Option<i64>, Option<i64>) {
    let accepted = refunds(memory, OperationStatus::Accepted);
    let done = refunds(memory, OperationStatus::Succeeded);
    if accepted > 0 {
        let refunded = match given {
            _ if off == 0 => Some(done),
            Some(given) if given == done => Some(done),
            given => given.map(|given| given.saturating_sub(accepted).max(0)),
        };
        return (refunded, Some(accepted));
    }
    // Somebody else's, or one that was answered as done: a copy of the time before tells by how much it grew.
    let Some((copy, left)) = memory.copy.as_ref().zip(left) else { return (None, None) };
    let was = status::read(&copy.provider_status.code);
    match current_amount(copy).map(|before| before.saturating_sub(left)) {
        Some(0) if was.word == status::TO_CONFIRM_CREDIT => {
            (copy.amounts.refunded, copy.amounts.refund_pending)
        }
        Some(gone @ 1..)
            if matches!(was.phase, Phase::Captured | Phase::Credited)
                && was.word != status::TO_CONFIRM_CREDIT =>
        {
            (copy.amounts.refunded, Some(gone))
        }
        _ => (None, None),
    }
}

/// What was released and what was given back of `off`, the part of a captured transaction that is gone.
fn split(
    row: StatusRow,
    origin: i64,
    off: i64,
    last_was_credit: bool,
    memory: &OrderMemory,
) -> (Option<i64>, Option<i64>, bool) {
    let is_credited = row.phase == Phase::Credited;
    let refunded_here = memory.moved(OperationKind::Refund);
    if off == 0 {
        // A refund whose amount the platform does not count before its remittance.
        let refunded = if is_credited { Some(refunded_here).filter(|sum| *sum > 0) } else { Some(0) };
        return (Some(0), refunded, is_credited);
    }
    let released_here = released_here(origin, memory).min(off);
    let by_us = refunded_here > 0 && released_here < off;
    if !(is_credited || last_was_credit || by_us) {
        return (Some(off), Some(0), false);
    }
    // Nothing is released any more once the money was taken: what a copy of that time says stays true.
    let of_copy = memory.copy.as_ref().filter(|copy| copy.amounts.captured.is_some_and(|sum| sum > 0));
    let of_copy = of_copy.and_then(|copy| copy.amounts.canceled).filter(|canceled| *canceled <= off);
    // What is only accepted may not be counted by the platform yet.
    let done_here = refunds(memory, OperationStatus::Succeeded);
    let by_our_own =
        [refunded_here, done_here].map(|given| released_here.checked_add(given)).contains(&Some(off));
    let canceled = of_copy.or(by_our_own.then_some(released_here));
    (canceled, canceled.map(|canceled| off.saturating_sub(canceled)), true)
}

/// What our own cancels and captures released: a capture of a part releases the rest.
fn released_here(origin: i64, memory: &OrderMemory) -> i64 {
    let done = memory.movements.iter().filter(|movement| {
        matches!(movement.status, OperationStatus::Succeeded | OperationStatus::Accepted)
            && !movement.is_reversed
    });
    let left = done.fold(origin, |left, movement| match movement.kind {
        OperationKind::Cancel => left.saturating_sub(movement.amount.value()),
        OperationKind::Capture => left.min(movement.amount.value()),
        OperationKind::Create | OperationKind::Update | OperationKind::Refund => left,
    });
    origin.saturating_sub(left).max(0)
}
