//! Whether a fresh read shows the effect of a change whose answer was lost.
//!
//! Nothing here compares our clock with the platform's: what is new is what the read before the change did not show.

use serde_json::Value;

use super::{
    options,
    payments::{CREDITS, DETAILED_STATUS, UUID},
    status::{CreditState, DetailedStatus},
    wire::Transaction,
};
use guichet_port::domain::{
    Action, Field, Operation, OperationStatus, Order, OrderMemory, OrderPatch, OrderStatus, Part, Timestamp,
    card,
};

/// What a read shows of a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Its effect, and the number that the platform gave it, where it has one.
    Done(Option<String>),
    /// It is there and waits.
    Accepted,
    /// The platform says that it came to nothing; its word for that.
    Refused(String),
    /// Something else, or not enough.
    Unclear,
    /// Nothing of it.
    NoTrace,
}

/// What the read shows of an update.
pub(super) fn of_update(before: &Order, patch: &OrderPatch, now: &Order) -> Found {
    if shows_update(before, patch, now) {
        Found::Done(None)
    } else if before.updated_at != now.updated_at || before.amount != now.amount {
        Found::Unclear
    } else {
        Found::NoTrace
    }
}

/// Whether `after` is what the update was to make of `before`, and the update is what made it so.
///
/// Every named member that a read tells must be as wanted. That proves the update only when one of them was
/// different before, or the platform says the order was changed since; or when nothing else was named, so that
/// nothing is left to be done.
fn shows_update(before: &Order, patch: &OrderPatch, after: &Order) -> bool {
    let wanted_in = |order: &Order| visible_members(patch, order);
    let all_there = wanted_in(after).iter().all(|is_there| *is_there);
    let was_different = wanted_in(before).iter().any(|is_there| !*is_there);
    let was_changed = after.updated_at.is_some() && after.updated_at != before.updated_at;
    all_there && (was_different || was_changed || !names_invisible(patch))
}

/// What the read shows of a cancel: of a payment that it is cancelled, or less by exactly the part. A part is taken off
/// by naming what remains, so that state is its proof.
pub(super) fn of_cancel(before: &Order, part: Part, now: &Order, transactions: &[Transaction]) -> Found {
    if before.provider_data.get(UUID).is_none() {
        // Nobody had paid: the order itself was to be cancelled.
        let is_done = part.full && now.status == OrderStatus::Canceled;
        return if is_done { Found::Done(None) } else { Found::NoTrace };
    }
    let Some(payment) = payment_of(before, transactions) else { return Found::Unclear };
    let present = before.action(Action::Cancel).and_then(|action| action.max).unwrap_or(before.amount);
    let is_as_before = payment.amount == present && is_in_the_state_of(before, payment);
    let is_done = if part.full {
        payment.state() == DetailedStatus::Cancelled
    } else {
        payment.amount == present.saturating_sub(part.amount.value())
    };
    match (is_done, part.full) {
        (true, _) => Found::Done(None),
        // A payment in any other known state was not cancelled.
        (false, true) if payment.state() != DetailedStatus::Unknown => Found::NoTrace,
        (false, false) if is_as_before => Found::NoTrace,
        (false, _) => Found::Unclear,
    }
}

/// What the read shows of a capture: whether the payment waits no more and was not released.
pub(super) fn of_capture(before: &Order, transactions: &[Transaction]) -> Found {
    let waited = before.action(Action::Capture).is_some_and(|action| action.allowed);
    let Some(payment) = payment_of(before, transactions).filter(|_| waited) else { return Found::Unclear };
    match payment.state() {
        DetailedStatus::Authorised
        | DetailedStatus::Captured
        | DetailedStatus::CapturePending
        | DetailedStatus::WaitingAuthorisation
        | DetailedStatus::Suspended => Found::Done(Some(payment.uuid.clone())),
        DetailedStatus::CaptureFailed | DetailedStatus::Refused | DetailedStatus::Error => {
            Found::Refused(payment.detailed_status.clone())
        }
        DetailedStatus::AuthorisedToValidate
        | DetailedStatus::WaitingAuthorisationToValidate
        | DetailedStatus::Cancelled
        | DetailedStatus::Expired
        | DetailedStatus::Abandoned => Found::NoTrace,
        DetailedStatus::PartiallyAuthorised
        | DetailedStatus::Accepted
        | DetailedStatus::PreAuthorised
        | DetailedStatus::WaitingForPayment
        | DetailedStatus::Pending
        | DetailedStatus::UnderVerification
        | DetailedStatus::Initial
        | DetailedStatus::RefundToRetry
        | DetailedStatus::NotCreated
        | DetailedStatus::Unknown => Found::Unclear,
    }
}

/// What the read shows of a refund. Its credit is known by its number; where the answer that told it was lost, it is the
/// one credit that the read before the refund did not show, when its amount is ours and no other refund made it.
pub(super) fn of_refund(
    operation: &Operation,
    before: &Order,
    part: Part,
    now: &Order,
    transactions: &[Transaction],
    memory: &OrderMemory,
) -> Found {
    let Some(payment) = payment_of(before, transactions) else { return Found::Unclear };
    let credits = transactions.iter().filter(|transaction| transaction.is_credit());
    if let Some(number) = &operation.provider_id {
        return credits.into_iter().find(|credit| credit.uuid == *number).map_or(Found::Unclear, of_credit);
    }
    let of_others: Vec<&str> = memory
        .movements
        .iter()
        .filter(|movement| movement.operation != operation.id)
        .filter_map(|movement| movement.provider_id.as_deref())
        .collect();
    let known = before.provider_data.get(CREDITS).and_then(Value::as_array);
    let was_known = |credit: &Transaction| {
        known.is_some_and(|known| known.iter().any(|uuid| uuid.as_str() == Some(credit.uuid.as_str())))
    };
    let is_accepted = operation.status == OperationStatus::Accepted;
    let new: Vec<&Transaction> = credits
        .filter(|credit| credit.parent().is_none_or(|parent| parent == payment.uuid))
        // One that came to nothing is no trace of ours, unless ours was seen to wait before.
        .filter(|credit| is_accepted || credit.credit_state() != CreditState::Undone)
        .filter(|credit| !was_known(credit) && !of_others.contains(&credit.uuid.as_str()))
        .collect();
    // Whose a credit is cannot be told, or something was given back that the list does not show.
    if now.amounts.refunded.is_none() || gives_back_more_than_listed(payment, transactions) {
        return Found::Unclear;
    }
    match new.as_slice() {
        [] => Found::NoTrace,
        // An intent of an earlier version did not keep what the read before it showed.
        [credit]
            if known.is_some()
                && credit.amount == part.amount.value()
                && credit.currency == part.amount.currency().code() =>
        {
            of_credit(credit)
        }
        _ => Found::Unclear,
    }
}

fn of_credit(credit: &Transaction) -> Found {
    match credit.credit_state() {
        CreditState::GivesBack => Found::Done(Some(credit.uuid.clone())),
        CreditState::Waits => Found::Accepted,
        CreditState::Undone => Found::Refused(credit.detailed_status.clone()),
    }
}

/// The payment behind the order as it was before the change. A list without it proves nothing.
fn payment_of<'a>(before: &Order, transactions: &'a [Transaction]) -> Option<&'a Transaction> {
    let uuid = before.provider_data.get(UUID)?.as_str()?;
    transactions.iter().find(|transaction| transaction.uuid == uuid)
}

fn is_in_the_state_of(before: &Order, payment: &Transaction) -> bool {
    let was = before.provider_data.get(DETAILED_STATUS).and_then(Value::as_str);
    was == Some(payment.detailed_status.as_str())
}

fn gives_back_more_than_listed(payment: &Transaction, transactions: &[Transaction]) -> bool {
    let listed = transactions
        .iter()
        .filter(|transaction| transaction.is_credit())
        .filter(|credit| credit.parent().is_none_or(|parent| parent == payment.uuid))
        .fold(0_i64, |sum, credit| sum.saturating_add(credit.amount));
    payment.refund_amount() > listed
}

/// For each named member that a read tells: whether the order has it as wanted.
fn visible_members(patch: &OrderPatch, order: &Order) -> Vec<bool> {
    let mut members = Vec::new();
    if let Some(money) = patch.amount.value() {
        members.push(money.value() == order.amount && money.currency() == order.currency);
    }
    if let Some(expires_at) = patch.expires_at.value() {
        members.push(order.expires_at.map(seconds) == Some(seconds(*expires_at)));
    }
    let delivery = patch.delivery.value();
    let recipient = order.delivery.as_ref().and_then(|delivery| delivery.recipient.as_ref());
    let template = order.provider_data.get("template").and_then(Value::as_str);
    for (wanted, is) in [
        (patch.merchant_reference.value(), order.merchant_reference.as_deref()),
        (patch.locale.value(), order.locale.as_deref()),
        (patch.description.value(), order.description.as_deref()),
        (delivery.and_then(|delivery| delivery.recipient.value()), recipient.map(String::as_str)),
        (delivery.and_then(|delivery| delivery.template.value()), template),
    ] {
        if let Some(wanted) = wanted {
            members.push(is.is_some_and(|is| same_text(wanted, is)));
        }
    }
    for (name, wanted) in options::named(&patch.provider_options) {
        members.push(order.provider_data.get(&name).is_some_and(|is| same(&wanted, is)));
    }
    members
}

/// The platform keeps whole seconds.
fn seconds(instant: Timestamp) -> i64 {
    instant.as_millis().div_euclid(1000)
}

/// What is kept of the change has card numbers masked, what the platform tells may not.
fn same_text(wanted: &str, is: &str) -> bool {
    wanted == is || card::masked(is).as_deref() == Some(wanted)
}

/// `20` and `20.0` are the same rate.
fn same(wanted: &Value, is: &Value) -> bool {
    wanted == is || (wanted.is_number() && wanted.as_f64() == is.as_f64())
}

/// Whether something was named that no read tells.
fn names_invisible(patch: &OrderPatch) -> bool {
    let texts = patch.delivery.value().is_some_and(|delivery| {
        [&delivery.subject, &delivery.message].into_iter().any(|text| matches!(text, Field::Set(_)))
    });
    texts || patch.customer.is_named() || patch.metadata.is_named() || patch.return_url.is_named()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::tests::{UPDATED, money, options_of, order, set, with},
        *,
    };
    use guichet_port::domain::request::DeliveryPatch;

    #[test]
    fn only_a_visible_effect_proves_an_update() {
        let before = order(UPDATED);
        let later = |order: &Order| Order { updated_at: Some(Timestamp::now()), ..order.clone() };
        let raised = Order { amount: 30_000, ..before.clone() };
        let amount = OrderPatch { amount: Field::Set(money(30_000, "EUR")), ..OrderPatch::default() };
        let same_amount = OrderPatch { amount: Field::Set(money(20_000, "EUR")), ..OrderPatch::default() };
        let subject = OrderPatch {
            delivery: Field::Set(DeliveryPatch { subject: set("x"), ..DeliveryPatch::default() }),
            ..OrderPatch::default()
        };
        let tax =
            OrderPatch { provider_options: options_of(json!({"tax_rate": 20})), ..OrderPatch::default() };
        let expiry = OrderPatch {
            expires_at: Field::Set(Timestamp::parse("2020-05-20T18:13:26.900Z").unwrap()),
            ..OrderPatch::default()
        };
        for (case, patch, after, shown) in [
            ("effect there", &amount, raised.clone(), true),
            ("no effect", &amount, before.clone(), false),
            ("another change", &amount, later(&before), false),
            ("nothing to do", &same_amount, before.clone(), true),
            ("only what no read tells", &subject, before.clone(), false),
            ("the same, but changed since", &subject, later(&before), true),
            ("an option, written otherwise", &tax, with("taxRate", json!(20.0)), true),
            ("another option", &tax, with("taxRate", json!(19.0)), false),
            ("whole seconds", &expiry, before.clone(), true),
        ] {
            assert_eq!(shows_update(&before, patch, &after), shown, "{case}");
        }
    }
}
