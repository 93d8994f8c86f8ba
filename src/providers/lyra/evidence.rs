//! Whether a fresh read shows the effect of an update whose answer was lost.

use serde_json::Value;

use super::{options, payments::UUID, status::DetailedStatus, wire::Transaction};
use crate::domain::{Action, Field, Intent, Order, OrderPatch, OrderStatus, Part, Timestamp, card};

/// Whether `after` is what the update was to make of `before`, and the update is what made it so.
///
/// Every named member that a read tells must be as wanted. That proves the update only when one of them was
/// different before, or the platform says the order was changed since; or when nothing else was named, so that
/// nothing is left to be done.
pub(super) fn shows_update(before: &Order, patch: &OrderPatch, after: &Order) -> bool {
    let wanted_in = |order: &Order| visible_members(patch, order);
    let all_there = wanted_in(after).iter().all(|is_there| *is_there);
    let was_different = wanted_in(before).iter().any(|is_there| !*is_there);
    let was_changed = after.updated_at.is_some() && after.updated_at != before.updated_at;
    all_there && (was_different || was_changed || !names_invisible(patch))
}

/// Whether `now` is what the cancel was to make of `before`: canceled, or less by exactly the part. A part is taken
/// off by naming what remains, so that state is its proof.
pub(super) fn shows_cancel(before: &Order, part: Part, now: &Order) -> bool {
    if part.full {
        return now.status == OrderStatus::Canceled;
    }
    let wanted = before.amounts.canceled.map(|canceled| canceled.saturating_add(part.amount.value()));
    wanted.is_some() && now.amounts.canceled == wanted
}

/// Whether a payment that waited for its validation waits no more and was not released.
pub(super) fn shows_capture(before: &Order, now: &Order) -> bool {
    let waits = |order: &Order| order.action(Action::Capture).is_some_and(|action| action.allowed);
    waits(before) && !waits(now) && matches!(now.status, OrderStatus::Paid | OrderStatus::Processing)
}

/// Whether exactly this refund came on top of what had been given back: a credit of its amount, made since the
/// intent, that explains the difference. Nothing else runs on the order meanwhile but what its back office does.
pub(super) fn shows_refund(
    before: &Order,
    part: Part,
    now: &Order,
    transactions: &[Transaction],
    since: Timestamp,
) -> bool {
    let amount = part.amount.value();
    let (Some(was), Some(is)) = (before.amounts.refunded, now.amounts.refunded) else { return false };
    let payment = before.provider_data.get(UUID).and_then(Value::as_str);
    let made_since = |transaction: &Transaction| {
        let date = transaction.creation_date.as_deref().and_then(|date| Timestamp::parse(date).ok());
        date.is_some_and(|date| date >= since)
    };
    let mut credits = transactions.iter();
    let is_there = credits.any(|transaction| {
        transaction.operation_type.as_deref() == Some("CREDIT")
            && transaction.amount == amount
            && transaction.currency == part.amount.currency().code()
            && transaction.parent().is_none_or(|parent| Some(parent) == payment)
            && DetailedStatus::read(&transaction.detailed_status).gives_back()
            && made_since(transaction)
    });
    is.saturating_sub(was) == amount && is_there
}

/// Whether the order shows a change that is not the wanted one, so that its absence proves nothing.
pub(super) fn changed_otherwise(intent: &Intent, now: &Order) -> bool {
    match intent {
        Intent::Create { .. } => false,
        Intent::Update { before, .. } => before.updated_at != now.updated_at || before.amount != now.amount,
        Intent::Cancel { before, part } => !part.full && before.amounts != now.amounts,
        Intent::Capture { .. } => false,
        Intent::Refund { before, .. } => before.amounts.refunded != now.amounts.refunded,
    }
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
    use crate::domain::request::DeliveryPatch;

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
