//! What a change leaves behind: an entry in the ledger, and a notification to the merchant.
//!
//! Amounts of the ledger are the payment's amount less its refunds, except those that failed or were rejected. The
//! statuses of entries about a refund are those of the refund.

use super::notify::Settings;
use super::order::Order;
use super::refund::Refund;
use super::{Book, YabandPay};
use crate::ledger::Effect;

impl Order {
    /// What was done to the payment, which had this amount and state before. A capture and a cancellation move all of it.
    pub(super) fn effect(&self, action: &str, before: Option<(i64, String)>) -> Effect {
        let (amount_before, status_before) = before.unzip();
        Effect {
            action: action.to_owned(),
            order: self.id.clone(),
            amount: ["capture", "cancel"].contains(&action).then(|| self.left()),
            amount_before,
            amount_after: self.left(),
            currency: self.currency.clone(),
            status_before,
            status_after: self.state.clone(),
            ..Effect::default()
        }
    }

    /// What was done to a refund, when so much of the payment was left.
    pub(super) fn refund_effect(
        &self,
        refund: &Refund,
        action: &str,
        left: i64,
        state_before: Option<String>,
    ) -> Effect {
        Effect {
            transaction: Some(refund.id.clone()),
            amount: Some(refund.amount),
            amount_before: Some(left),
            status_before: state_before,
            status_after: refund.state.clone(),
            ..self.effect(action, None)
        }
    }
}

impl YabandPay {
    /// Moves a payment to another state, enters it and tells the merchant. `request` is the number of the request that did it.
    pub(super) fn move_to(
        &self,
        book: &Book,
        settings: Settings,
        order: &mut Order,
        (action, to): (&str, &str),
        request: Option<u64>,
    ) {
        let before = (order.left(), order.state_at(self.now()).to_owned());
        to.clone_into(&mut order.state);
        self.enter(book, Effect { request, ..order.effect(action, Some(before)) });
        self.notify_payment(book, settings, order, order.notify_url.as_deref());
    }
}
