//! What the payer does, from the page and from the control API, and what happens to a payment in the back office.

use serde_json::{Value, json};

use super::order::{AUTHORIZED, DECLINED, EXPIRED, Order, PAID, VERIFY, is_open, new_number};
use super::record::{Entry, Move};
use super::refund::{REFUND_CANCEL, REFUND_FAILED, REFUNDED};
use super::{Right, YabandPay};
use crate::simulator::platform::{ControlError, PayerAction};

/// What the back office, or the night, does to a payment or a refund.
pub(super) const ACTIONS: [(&str, &str); 13] = [
    ("expire", "an open payment, or an authorisation, expires now"),
    ("verify", "the payer of an open payment has paid, and it is held for risk review"),
    ("release", "a payment under review is accepted"),
    ("refuse", "a payment under review is declined"),
    ("clear", "a paid payment is settled, after which it cannot be cancelled (-4112)"),
    ("approve_refund", "an open refund is approved and done; order is a trade_id or a refund_id"),
    ("reject_refund", "an open refund is rejected: refund cancel"),
    ("fail_refund", "an open refund fails: refund failed"),
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
            "approve_refund" => self.end_refunds(id, "refund_approved", REFUNDED),
            "reject_refund" => self.end_refunds(id, "refund_rejected", REFUND_CANCEL),
            "fail_refund" => self.end_refunds(id, "refund_failed", REFUND_FAILED),
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
