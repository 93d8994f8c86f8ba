//! What can be done to a transaction, by a service or in the Back Office. Nothing here knows who asks: the rules are
//! the transaction's, the codes those of the services.
//!
//! Source: Lyra REST API V4, `Transaction/CancelOrRefund`, `/Cancel`, `/Refund`, `/Validate` and `/Update`; the codes
//! are described by third-party clients.

use jiff::Timestamp;

use super::order::Order;
use super::transaction::Transaction;
use crate::ledger::Effect;
use crate::platform::Refusal;

/// Captured, cannot be cancelled. `PSP_675` means the same; nothing says which service gives which.
const CAPTURED: &str = "PSP_075";
/// Not captured yet, cannot be refunded. `PSP_676` means the same.
const NOT_CAPTURED: &str = "PSP_076";
/// Cancelled already. `PSP_678` means the same.
const CANCELLED: &str = "PSP_105";
/// Unpaid, nothing to refund. `PSP_660` means the same.
const UNPAID: &str = "PSP_083";
/// Cannot be cancelled at all. `PSP_612` means the same.
const NOT_CANCELLABLE: &str = "PSP_102";
/// Not possible in the present state. `PSP_503` means the same.
const WRONG_STATE: &str = "PSP_011";
/// Refunded in full already.
const REFUNDED: &str = "PSP_104";
/// Above the payment, above what is left of it.
const ABOVE_PAYMENT: &str = "PSP_510";
const ABOVE_REST: &str = "PSP_511";
/// Another currency than the payment's. Inferred: the nearest code, no contract for this amount or currency.
const OTHER_CURRENCY: &str = "PSP_521";

/// A part of a transaction's amount that a request names.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) amount: i64,
    /// As sent; checked against the transaction's.
    pub(super) currency: String,
}

/// `resolutionMode` of `Transaction/CancelOrRefund`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolution {
    Auto,
    CancellationOnly,
    RefundOnly,
}

/// What `Transaction/Update` asks for; `None` stays.
#[derive(Debug, Clone)]
pub(super) struct CardUpdate {
    pub(super) part: Option<Part>,
    pub(super) due: Option<Timestamp>,
    pub(super) manual_validation: Option<bool>,
}

fn find<'a>(order: &'a mut Order, uuid: &str) -> Result<&'a mut Transaction, Refusal> {
    order.transactions.iter_mut().find(|one| one.uuid == uuid).ok_or_else(|| Refusal::new("PSP_010"))
}

fn is_cancellable(detailed: &str) -> bool {
    matches!(
        detailed,
        "AUTHORISED"
            | "AUTHORISED_TO_VALIDATE"
            | "WAITING_AUTHORISATION"
            | "WAITING_AUTHORISATION_TO_VALIDATE"
    )
}

fn same_currency(one: &Transaction, part: &Part) -> Result<(), Refusal> {
    if part.currency == one.currency { Ok(()) } else { Err(Refusal::new(OTHER_CURRENCY)) }
}

/// Changes the status; the amount stays.
fn turn(one: &mut Transaction, action: &str, status: &str) -> Effect {
    let status_before = std::mem::replace(&mut one.detailed_status, status.to_owned());
    Effect {
        action: action.to_owned(),
        transaction: Some(one.uuid.clone()),
        amount: Some(one.amount),
        amount_before: Some(one.amount),
        amount_after: one.amount,
        currency: one.currency.clone(),
        status_before: Some(status_before),
        status_after: one.detailed_status.clone(),
        ..Effect::default()
    }
}

/// `Transaction/CancelOrRefund`. An uncaptured transaction is cancelled in full, whatever the amount says.
pub(super) fn cancel_or_refund(
    order: &mut Order,
    uuid: &str,
    mode: Resolution,
    part: Option<&Part>,
    now: Timestamp,
) -> Result<Effect, Refusal> {
    let one = find(order, uuid)?;
    let status = one.detailed_status.clone();
    let code = match (status.as_str(), mode) {
        // Inferred: the order of these two, the published table has `PSP_083` for all that is unpaid.
        ("CANCELLED", Resolution::Auto | Resolution::CancellationOnly) => CANCELLED,
        _ if one.status() == "UNPAID" || one.status() == "ABANDONED" => UNPAID,
        ("CAPTURED", Resolution::CancellationOnly) => CAPTURED,
        ("CAPTURED", Resolution::Auto | Resolution::RefundOnly) => return refund(order, uuid, part, now),
        (waiting, Resolution::RefundOnly) if is_cancellable(waiting) => NOT_CAPTURED,
        (waiting, Resolution::Auto | Resolution::CancellationOnly) if is_cancellable(waiting) => {
            if let Some(part) = part {
                same_currency(one, part)?;
            }
            return cancel(order, uuid);
        }
        _ => WRONG_STATE,
    };
    Err(Refusal::new(code))
}

/// `Transaction/Cancel`. A credit that is not remitted yet can be cancelled too (inferred).
pub(super) fn cancel(order: &mut Order, uuid: &str) -> Result<Effect, Refusal> {
    let one = find(order, uuid)?;
    match one.detailed_status.as_str() {
        status if is_cancellable(status) => Ok(turn(one, "cancel", "CANCELLED")),
        "CAPTURED" => Err(Refusal::new(CAPTURED)),
        "CANCELLED" => Err(Refusal::new(CANCELLED)),
        _ => Err(Refusal::new(NOT_CANCELLABLE)),
    }
}

/// `Transaction/Refund`: a new credit, of all that is left when no amount is named (inferred).
pub(super) fn refund(
    order: &mut Order,
    uuid: &str,
    part: Option<&Part>,
    now: Timestamp,
) -> Result<Effect, Refusal> {
    let refunded = order.refunded(uuid);
    let one = find(order, uuid)?;
    match one.detailed_status.as_str() {
        "CAPTURED" if !one.is_credit() => {}
        status if is_cancellable(status) && !one.is_credit() => return Err(Refusal::new(NOT_CAPTURED)),
        _ if matches!(one.status(), "UNPAID" | "ABANDONED") => return Err(Refusal::new(UNPAID)),
        _ => return Err(Refusal::new(WRONG_STATE)),
    }
    let left = one.amount.saturating_sub(refunded);
    if left <= 0 {
        return Err(Refusal::new(REFUNDED));
    }
    if let Some(part) = part {
        same_currency(one, part)?;
    }
    let amount = part.map_or(left, |part| part.amount);
    if amount > one.amount {
        return Err(Refusal::new(ABOVE_PAYMENT));
    }
    if amount > left {
        return Err(Refusal::new(ABOVE_REST));
    }
    let payment = one.clone();
    let credit = payment.credit(order, amount, now);
    let effect = Effect {
        action: "refund".to_owned(),
        transaction: Some(credit.uuid.clone()),
        amount: Some(amount),
        amount_before: Some(payment.amount),
        amount_after: payment.amount,
        currency: payment.currency,
        status_before: Some(payment.detailed_status.clone()),
        status_after: payment.detailed_status,
        ..Effect::default()
    };
    order.transactions.push(credit);
    Ok(effect)
}

/// `Transaction/Validate`: the merchant lets a waiting payment go to the remittance.
pub(super) fn validate(order: &mut Order, uuid: &str) -> Result<Effect, Refusal> {
    let one = find(order, uuid)?;
    match one.detailed_status.as_str() {
        "AUTHORISED_TO_VALIDATE" => Ok(turn(one, "capture", "AUTHORISED")),
        "WAITING_AUTHORISATION_TO_VALIDATE" => Ok(turn(one, "capture", "WAITING_AUTHORISATION")),
        "CANCELLED" => Err(Refusal::new(CANCELLED)),
        _ => Err(Refusal::new(WRONG_STATE)),
    }
}

/// `Transaction/Update` of a payment that is not captured. Inferred: the code for an amount above the present one.
pub(super) fn update(order: &mut Order, uuid: &str, wanted: &CardUpdate) -> Result<Effect, Refusal> {
    let one = find(order, uuid)?;
    let present = one.detailed_status.clone();
    if present == "CANCELLED" {
        return Err(Refusal::new(CANCELLED));
    }
    if !is_cancellable(&present) || one.is_credit() {
        return Err(Refusal::new(WRONG_STATE));
    }
    let amount_before = one.amount;
    if let Some(part) = &wanted.part {
        same_currency(one, part)?;
        if part.amount > one.amount {
            return Err(Refusal::new(ABOVE_PAYMENT));
        }
        one.amount = part.amount;
    }
    if let Some(due) = wanted.due {
        one.due = due;
    }
    let status = match (wanted.manual_validation, present.as_str()) {
        (Some(true), "AUTHORISED") => "AUTHORISED_TO_VALIDATE",
        (Some(true), "WAITING_AUTHORISATION") => "WAITING_AUTHORISATION_TO_VALIDATE",
        (Some(false), "AUTHORISED_TO_VALIDATE") => "AUTHORISED",
        (Some(false), "WAITING_AUTHORISATION_TO_VALIDATE") => "WAITING_AUTHORISATION",
        (_, same) => same,
    };
    let effect = turn(one, "update", status);
    let lowered_by = amount_before.saturating_sub(one.amount);
    Ok(Effect { amount: Some(lowered_by), amount_before: Some(amount_before), ..effect })
}

/// The evening remittance takes what is authorised and due, payments and credits alike.
pub(super) fn remit(order: &mut Order, uuid: &str, now: Timestamp) -> Result<Effect, Refusal> {
    let one = find(order, uuid)?;
    if one.detailed_status != "AUTHORISED" || one.due > now {
        return Err(Refusal::new(WRONG_STATE));
    }
    one.captured = Some(now);
    Ok(turn(one, "remit", "CAPTURED"))
}

/// The acquirer refuses the remittance.
pub(super) fn fail_capture(order: &mut Order, uuid: &str) -> Result<Effect, Refusal> {
    let one = find(order, uuid)?;
    if one.detailed_status != "AUTHORISED" {
        return Err(Refusal::new(WRONG_STATE));
    }
    Ok(turn(one, "fail_capture", "CAPTURE_FAILED"))
}

/// Nobody validated it in time.
pub(super) fn expire(order: &mut Order, uuid: &str) -> Result<Effect, Refusal> {
    let one = find(order, uuid)?;
    match one.detailed_status.as_str() {
        "AUTHORISED_TO_VALIDATE" | "WAITING_AUTHORISATION_TO_VALIDATE" => Ok(turn(one, "expire", "EXPIRED")),
        _ => Err(Refusal::new(WRONG_STATE)),
    }
}

/// The bank takes a remitted payment back. Inferred: the word, whose meaning is "remittance failed".
pub(super) fn reject_capture(order: &mut Order, uuid: &str) -> Result<Effect, Refusal> {
    let one = find(order, uuid)?;
    if one.detailed_status != "CAPTURED" || one.is_credit() {
        return Err(Refusal::new(WRONG_STATE));
    }
    Ok(turn(one, "reject_capture", "CAPTURE_FAILED"))
}

/// The bank rejects a credit that the platform had taken, before or after its remittance. No page says which of the
/// words that mean "no money" it has then, so the action chooses.
pub(super) fn reject_credit(
    order: &mut Order,
    uuid: &str,
    action: &str,
    status: &str,
) -> Result<Effect, Refusal> {
    let one = find(order, uuid)?;
    if !one.is_credit() || !matches!(one.detailed_status.as_str(), "AUTHORISED" | "CAPTURED") {
        return Err(Refusal::new(WRONG_STATE));
    }
    Ok(turn(one, action, status))
}
