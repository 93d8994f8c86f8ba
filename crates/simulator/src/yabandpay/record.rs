//! What a change leaves behind: an entry in the ledger, and a notification to the merchant.
//!
//! Amounts of the ledger are the payment's amount less its refunds, except those that failed or were rejected. The
//! statuses of entries about a refund are those of the refund.

use jiff::Timestamp;

use super::notify::Settings;
use super::order::Order;
use super::{BRAND, YabandPay};
use crate::ledger::Effect;

/// What the ledger is told of a change, beside what the order says after it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) action: &'static str,
    /// The refund that it is about, and how much it is.
    pub(super) refund: Option<(String, i64)>,
    pub(super) amount_before: Option<i64>,
    pub(super) state_before: Option<String>,
    pub(super) state_after: String,
    pub(super) request: Option<u64>,
}

/// A change of a payment's state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move<'a> {
    pub(super) action: &'static str,
    pub(super) to: &'a str,
    /// Number of the request, if one did it.
    pub(super) request: Option<u64>,
    pub(super) now: Timestamp,
}

impl YabandPay {
    /// Enters an effect in the ledger.
    pub(super) fn enter(&self, order: &Order, entry: Entry, now: Timestamp) {
        let (transaction, refunded) = entry.refund.unzip();
        self.frame.ledger.effect(Effect {
            sequence: 0,
            at: now,
            provider: "yabandpay".to_owned(),
            brand: BRAND.to_owned(),
            action: entry.action.to_owned(),
            order: order.id.clone(),
            transaction,
            amount: refunded.or_else(|| part(entry.action, order, entry.amount_before)),
            amount_before: entry.amount_before,
            amount_after: order.left(),
            currency: order.currency.clone(),
            status_before: entry.state_before,
            status_after: entry.state_after,
            request: entry.request,
        });
    }

    /// Moves a payment to another state, enters it and tells the merchant. Called under the lock of the book, so that
    /// ledger and notices have the true order.
    pub(super) fn move_to(&self, settings: Settings, order: &mut Order, change: Move<'_>) {
        let state_before = Some(order.state_at(change.now).to_owned());
        change.to.clone_into(&mut order.state);
        let entry = Entry {
            action: change.action,
            refund: None,
            amount_before: Some(order.left()),
            state_before,
            state_after: change.to.to_owned(),
            request: change.request,
        };
        self.enter(order, entry, change.now);
        self.notify_payment(settings, order, order.notify_url.as_deref(), change.now);
    }
}

/// What a change of the payment itself moved: all that is captured or cancelled, or the reduction.
fn part(action: &str, order: &Order, before: Option<i64>) -> Option<i64> {
    match action {
        "capture" | "cancel" => Some(order.left()),
        "decrement" => before.map(|before| before.saturating_sub(order.left())),
        _ => None,
    }
}
