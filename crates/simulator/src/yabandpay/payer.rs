//! What the payer does, from the page and from the control API, and what happens to a payment in the back office.

use serde_json::{Value, json};

use super::order::{AUTHORIZED, CANCELLED, DECLINED, EXPIRED, Order, PAID, VERIFY, is_open, new_number};
use super::record::{Entry, Move};
use super::refund::{REFUND_CANCEL, REFUND_ERROR, REFUND_FAILED, REFUNDED, Refund};
use super::{Right, YabandPay};
use crate::platform::{ControlError, PayerAction};

/// What the back office, or the night, does to a payment or a refund.
pub(super) const ACTIONS: [(&str, &str); 18] = [
    ("expire", "an open payment, or an authorisation, expires now"),
    ("verify", "the payer of an open payment has paid, and it is held for risk review"),
    ("release", "a payment under review is accepted"),
    ("refuse", "a payment under review is declined"),
    ("clear", "a paid payment is settled, after which it cannot be cancelled (-4112)"),
    ("approve_refund", "an open refund is approved and done; order is a trade_id or a refund_id"),
    ("reject_refund", "an open refund is rejected: refund cancel"),
    ("fail_refund", "an open refund fails and may be tried again: refund failed"),
    ("retry_refund", "a refund that failed is tried again and done: refunded"),
    ("error_refund", "a refund that is open, or failed, fails for good: refund error"),
    ("return_refund", "a refund that was done comes back: refund error"),
    ("cancel_unseen", "one paid payment is cancelled, which reads do not tell yet: cancelling answers -4116"),
    ("show_cancel", "one such payment: reads tell it now, and so does a notification"),
    ("refunds_need_approval", "the cashier's right (the default): an administrator approves each refund"),
    ("refunds_at_once", "the cashier's right: refunds are done at once"),
    ("refunds_disabled", "the cashier's right: refunds are refused"),
    ("notify_json", "notifications are JSON (the default)"),
    ("notify_form", "notifications have the older form, a form field resultData"),
];

impl YabandPay {
    /// Pays, declines or leaves. Returns the state of the payment after it.
    pub(super) fn pay(&self, id: &str, action: PayerAction) -> Result<String, ControlError> {
        let now = self.frame.clock.now();
        let mut book = self.book();
        let settings = book.settings;
        let order = book.orders.get_mut(id).ok_or_else(|| unknown(id))?;
        let state = order.state_at(now).to_owned();
        if action == PayerAction::Leave {
            return Ok(state);
        }
        if !is_open(&state) {
            return Err(ControlError::Invalid(format!("the payment is {state}, nobody can pay it")));
        }
        let (word, to) = match action {
            PayerAction::Pay => {
                order.paid = Some((now, new_number()));
                ("pay", accepted(order))
            }
            PayerAction::Decline | PayerAction::Leave => ("decline", DECLINED),
        };
        self.move_to(settings, order, Move { action: word, to, request: None, now });
        Ok(to.to_owned())
    }

    /// Does one of [`ACTIONS`], to one payment or to all that it fits.
    pub(super) fn back_office(&self, id: Option<&str>, action: &str) -> Result<Value, ControlError> {
        if let Some(id) = id
            && self.book().find(id).is_none()
        {
            return Err(unknown(id));
        }
        let changed = match action {
            "refunds_need_approval" => return Ok(self.set_right(Right::Approved)),
            "refunds_at_once" => return Ok(self.set_right(Right::Immediately)),
            "refunds_disabled" => return Ok(self.set_right(Right::Disabled)),
            "notify_json" | "notify_form" => {
                self.book().settings.form_notices = action == "notify_form";
                return Ok(json!({"notices": action}));
            }
            "expire" => {
                let fits = |state: &str| is_open(state) || state == AUTHORIZED;
                self.move_all(id, fits, "expire", |_| EXPIRED)
            }
            "verify" => self.move_all(id, is_open, "verify", |_| VERIFY),
            "release" => self.move_all(id, |state| state == VERIFY, "pay", accepted),
            "refuse" => self.move_all(id, |state| state == VERIFY, "decline", |_| DECLINED),
            "clear" => self.clear(id),
            "approve_refund" => self.move_refunds(id, Refund::is_open, "refund_approved", REFUNDED),
            "reject_refund" => self.move_refunds(id, Refund::is_open, "refund_rejected", REFUND_CANCEL),
            "fail_refund" => self.move_refunds(id, Refund::is_open, "refund_failed", REFUND_FAILED),
            "retry_refund" => self.move_refunds(id, Refund::may_be_tried_again, "refund_retried", REFUNDED),
            "error_refund" => {
                let fits = |refund: &Refund| refund.is_open() || refund.may_be_tried_again();
                self.move_refunds(id, fits, "refund_error", REFUND_ERROR)
            }
            "return_refund" => self.move_refunds(id, Refund::is_done, "refund_returned", REFUND_ERROR),
            "cancel_unseen" => self.cancel_unseen(id),
            "show_cancel" => self.show_cancel(id),
            _ => return Err(ControlError::NotFound(format!("action {action}"))),
        };
        match id {
            Some(id) if changed == 0 => Err(ControlError::Invalid(format!("{action} does not fit {id} now"))),
            _ => Ok(json!({"changed": changed})),
        }
    }

    fn set_right(&self, right: Right) -> Value {
        self.book().settings.right = right;
        json!({"refund_right": right.word()})
    }

    /// Moves the payment, or all, whose state fits; how many it moved.
    fn move_all(
        &self,
        id: Option<&str>,
        fits: impl Fn(&str) -> bool,
        action: &'static str,
        to: impl Fn(&Order) -> &'static str,
    ) -> usize {
        let now = self.frame.clock.now();
        let mut book = self.book();
        let settings = book.settings;
        let mut moved = 0_usize;
        for order in book.orders.values_mut() {
            if id.is_some_and(|id| id != order.id) || !fits(order.state_at(now)) {
                continue;
            }
            let to = to(order);
            if order.paid.is_none() && [VERIFY, PAID, AUTHORIZED].contains(&to) {
                order.paid = Some((now, new_number()));
            }
            self.move_to(settings, order, Move { action, to, request: None, now });
            moved = moved.saturating_add(1);
        }
        moved
    }

    /// Cancels a paid payment that reads go on to call paid. Without an identifier it fits none.
    fn cancel_unseen(&self, id: Option<&str>) -> usize {
        let now = self.frame.clock.now();
        let mut book = self.book();
        let order = id.and_then(|id| book.orders.get_mut(id));
        let Some(order) = order.filter(|order| order.state == PAID && order.refunds.is_empty()) else {
            return 0;
        };
        CANCELLED.clone_into(&mut order.state);
        order.shown = Some(PAID);
        let entry = Entry {
            action: "cancel",
            refund: None,
            amount_before: Some(order.left()),
            state_before: Some(PAID.to_owned()),
            state_after: CANCELLED.to_owned(),
            request: None,
        };
        self.enter(order, entry, now);
        1
    }

    /// Lets reads and a notification tell of it.
    fn show_cancel(&self, id: Option<&str>) -> usize {
        let now = self.frame.clock.now();
        let mut book = self.book();
        let settings = book.settings;
        let order = id.and_then(|id| book.orders.get_mut(id));
        let Some(order) = order.filter(|order| order.shown.is_some()) else { return 0 };
        order.shown = None;
        self.notify_payment(settings, order, order.notify_url.as_deref(), now);
        1
    }

    /// Settles paid payments. The state stays, so nothing is told to the merchant.
    fn clear(&self, id: Option<&str>) -> usize {
        let now = self.frame.clock.now();
        let mut cleared = 0_usize;
        for order in self.book().orders.values_mut() {
            if id.is_some_and(|id| id != order.id) || order.state != PAID || order.cleared {
                continue;
            }
            order.cleared = true;
            let entry = Entry {
                action: "clear",
                refund: None,
                amount_before: Some(order.left()),
                state_before: Some(PAID.to_owned()),
                state_after: PAID.to_owned(),
                request: None,
            };
            self.enter(order, entry, now);
            cleared = cleared.saturating_add(1);
        }
        cleared
    }
}

/// The state of a payment that was accepted.
fn accepted(order: &Order) -> &'static str {
    if order.authorizes { AUTHORIZED } else { PAID }
}

pub(super) fn unknown(id: &str) -> ControlError {
    ControlError::NotFound(format!("order {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yabandpay::BRAND;
    use crate::yabandpay::codes;
    use crate::yabandpay::methods::REFUND;
    use crate::yabandpay::rig::{Yaband, refund};

    fn told(state: &str) -> (String, String, String) {
        ("https://shop.example/refund".to_owned(), "refund".to_owned(), state.to_owned())
    }

    #[tokio::test]
    async fn a_refund_that_failed_can_be_done_after_all() {
        let rig = Yaband::new().await;
        let id = rig.paid().await;
        let act = |of: &str, action: &str| rig.0.control.act("yabandpay", BRAND, Some(of), action);
        let first = rig.refunded(&id, "5.00").await;
        assert!(act(&first, "retry_refund").is_err(), "it has not failed");
        act(&first, "fail_refund").unwrap();
        assert_eq!(rig.query_refund(&first).await["state"], "refund failed");
        assert_eq!(rig.notices().pop(), Some(told("refund failed")));
        act(&first, "retry_refund").unwrap();
        assert_eq!(rig.query_refund(&first).await["state"], "refunded");
        assert_eq!(rig.notices().pop(), Some(told("refunded")));
        let effect = rig.0.control.effects().pop().unwrap();
        assert_eq!((effect.action.as_str(), effect.amount), ("refund_retried", Some(500)));
        assert_eq!((effect.amount_before, effect.amount_after), (Some(1250), 750));
        assert_eq!(rig.refused(REFUND, &refund(&id, "7.51")).await, codes::ABOVE_PAID, "it counts again");
        // What was refunded meanwhile leaves no room: all refunds together are never above the payment.
        let second = rig.refunded(&id, "7.50").await;
        act(&second, "fail_refund").unwrap();
        let third = rig.refunded(&id, "7.50").await;
        assert!(act(&second, "retry_refund").is_err());
        act(&third, "error_refund").unwrap();
        act(&second, "retry_refund").unwrap();
        assert_eq!(rig.notices().pop(), Some(told("refunded")));
        assert!(act(&third, "retry_refund").is_err(), "failed for good");
        // A refund that was done can come back too, and is told.
        act(&first, "return_refund").unwrap();
        assert_eq!(
            (rig.notices().pop(), act(&first, "return_refund").is_err()),
            (Some(told("refund error")), true)
        );
        assert_eq!(rig.0.control.effects().pop().unwrap().amount_after, 500);
        let states = [rig.query_refund(&second).await, rig.query_refund(&third).await];
        assert_eq!(states.map(|one| one["state"].clone()), [json!("refunded"), json!("refund error")]);
    }

    #[tokio::test]
    async fn a_cancellation_can_be_known_before_reads_tell_it() {
        let rig = Yaband::new().await;
        let id = rig.paid().await;
        let act = |of: Option<&str>, action: &str| rig.0.control.act("yabandpay", BRAND, of, action);
        assert!(act(Some(&id), "show_cancel").is_err());
        act(Some(&id), "cancel_unseen").unwrap();
        assert_eq!(rig.cancel(&id).await["code"], codes::CANCELLED_BEFORE);
        assert_eq!(rig.state(&id).await, "paid");
        assert_eq!(rig.notices().len(), 1, "the payment's");
        let entries = [("create", "pending"), ("pay", "paid"), ("cancel", "cancelled")];
        assert_eq!(rig.entries(), entries.map(|(action, state)| (action.to_owned(), state.to_owned())));
        assert_eq!(rig.refused(REFUND, &refund(&id, "1.00")).await, codes::NOT_PAID);
        assert!(act(Some(&id), "cancel_unseen").is_err(), "once");
        act(Some(&id), "show_cancel").unwrap();
        assert_eq!(rig.state(&id).await, "cancelled");
        assert_eq!(rig.notices().pop().unwrap().2, "cancelled");
        assert_eq!(act(None, "cancel_unseen").unwrap(), json!({"changed": 0}), "it must name a payment");
    }
}
