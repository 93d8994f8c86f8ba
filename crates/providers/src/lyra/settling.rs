//! What may still become of an order by itself: of its money, and of a refusal.

use std::time::Duration;

use super::{
    payment::Payment,
    status::{CreditState, DetailedStatus},
    wire::Transaction,
};
use guichet_port::domain::{Action, AvailableAction, Notified, Order, OrderStatus, Timestamp, WaitsFor};

/// How long after a remittance a bank's rejection of it is waited for. The platform tells rejections
/// (`CAPTURE_FAILED`) but names no time; this is the longest that an order is followed for one.
const SETTLING: Duration = Duration::from_secs(15 * 24 * 3_600);

/// What the payment's order waits for, and whether its status cannot change any more. `server_date` is the platform's
/// clock: its own dates are compared with nothing else.
pub(super) fn of(payment: &Payment<'_>, server_date: Option<Timestamp>) -> (WaitsFor, bool) {
    let any = |holds: &dyn Fn(&Transaction) -> bool| payment.credits.iter().any(|credit| holds(credit));
    match payment.status {
        DetailedStatus::Cancelled | DetailedStatus::Expired => (WaitsFor::Nothing, true),
        DetailedStatus::Captured if any(&|credit| credit.credit_state() == CreditState::Waits) => {
            (WaitsFor::Decision, false)
        }
        DetailedStatus::Captured if any(&is_promised) => (WaitsFor::Remittance, false),
        DetailedStatus::Captured if is_settled(payment, server_date) => {
            (WaitsFor::Nothing, payment.canonical() == OrderStatus::Refunded)
        }
        DetailedStatus::CaptureFailed if is_settled(payment, server_date) => (WaitsFor::Nothing, false),
        DetailedStatus::Captured | DetailedStatus::CaptureFailed => (WaitsFor::Settlement, false),
        DetailedStatus::Authorised | DetailedStatus::CapturePending => (WaitsFor::Remittance, false),
        DetailedStatus::PartiallyAuthorised
        | DetailedStatus::Accepted
        | DetailedStatus::PreAuthorised
        | DetailedStatus::AuthorisedToValidate
        | DetailedStatus::WaitingAuthorisation
        | DetailedStatus::WaitingAuthorisationToValidate
        | DetailedStatus::WaitingForPayment
        | DetailedStatus::Pending
        | DetailedStatus::UnderVerification
        | DetailedStatus::Initial
        | DetailedStatus::Suspended
        | DetailedStatus::RefundToRetry
        | DetailedStatus::Refused
        | DetailedStatus::Error
        | DetailedStatus::Abandoned
        | DetailedStatus::NotCreated
        | DetailedStatus::Unknown => (WaitsFor::Decision, false),
    }
}

/// A credit that is given back at a remittance to come.
fn is_promised(credit: &Transaction) -> bool {
    credit.credit_state() == CreditState::GivesBack && credit.state() != DetailedStatus::Captured
}

/// Whether the last movement is so long ago that no bank rejects it any more. A payment was taken before anything of it
/// was given back; one whose remittance has no date may be taken a year after it was made.
fn is_settled(payment: &Payment<'_>, server_date: Option<Timestamp>) -> bool {
    let given = payment.credits.iter().filter(|credit| credit.credit_state() == CreditState::GivesBack);
    let mut dates: Vec<Option<Timestamp>> =
        given.map(|credit| credit.captured().max(credit.created())).collect();
    if dates.is_empty() {
        dates.push(payment.debit.captured());
    }
    server_date.is_some_and(|now| dates.iter().all(|date| date.is_some_and(|date| now > date.plus(SETTLING))))
}

/// Makes the refusal of an order final where the payer cannot try again: the platform said so in its newest
/// notification (`orderCycle` `CLOSED`, or `kr-src` `MERCH_BO`), or the page has ended. `now` is the platform's clock,
/// which dates the end of the page too.
pub(super) fn close(order: &mut Order, notified: Option<&Notified>, now: Timestamp) {
    let is_closed = notified.is_some_and(|notified| notified.closes);
    let has_ended = order.expires_at.is_some_and(|end| end < now);
    if order.status != OrderStatus::Declined || !(is_closed || has_ended) {
        return;
    }
    order.is_final = true;
    order.waits_for = WaitsFor::Nothing;
    order.checkout = None;
    order.available_actions = vec![
        AvailableAction::denied(Action::Update, "declined"),
        AvailableAction::denied(Action::Cancel, "declined"),
        AvailableAction::denied(Action::Capture, "unsupported"),
        AvailableAction::denied(Action::Refund, "not_paid"),
    ];
}
