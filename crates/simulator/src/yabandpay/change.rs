//! The methods that change a payment: cancellation, capture and reduction of an authorisation.

use serde_json::Value;

use super::members::Members;
use super::methods::Session;
use super::order::{AUTHORIZED, CANCELLED, EXPIRED, Order, PAID, PENDING, PROCESSING, VERIFY};
use super::record::{Entry, Move};
use super::{YabandPay, codes, window};
use crate::platform::Refusal;

/// Parameters of `v3.Capture` and `v3.PreauthDecrement`; all are required.
const CHANGE: [&str; 6] = ["trade_id", "amount", "currency", "description", "notify_url", "request_id"];

impl YabandPay {
    /// Cancels the whole payment. Source: page `v3.CancelPayment`.
    pub(super) fn cancel(&self, session: &Session<'_>, members: Members<'_>) -> Result<Value, Refusal> {
        members.only(&[&["trade_id"]])?;
        let id = members.needed("trade_id")?;
        let mut book = self.book();
        let settings = book.settings;
        let order = book.orders.get_mut(id).ok_or_else(|| Refusal::new(codes::UNKNOWN_TRADE))?;
        if let Some(code) = why_not_cancelled(order, session) {
            return Err(Refusal::new(code));
        }
        let change =
            Move { action: "cancel", to: CANCELLED, request: session.call.sequence, now: session.now };
        self.move_to(settings, order, change);
        Ok(order.cancellation(session.now))
    }

    /// Takes all or part of an authorisation, once. What is not taken is released (inferred).
    pub(super) fn capture(&self, session: &Session<'_>, members: Members<'_>) -> Result<Value, Refusal> {
        self.change(session, members, |order, wanted| {
            order.amount = wanted;
            PAID.clone_into(&mut order.state);
            "capture"
        })
    }

    /// Reduces an authorisation. Uncertain: whether `amount` is what goes or what stays. Chosen: what goes.
    pub(super) fn decrement(&self, session: &Session<'_>, members: Members<'_>) -> Result<Value, Refusal> {
        self.change(session, members, |order, wanted| {
            order.amount = order.amount.saturating_sub(wanted);
            "decrement"
        })
    }

    /// Checks what both changes of an authorisation want, does one, and tells it to the address in the request.
    fn change(
        &self,
        session: &Session<'_>,
        members: Members<'_>,
        apply: impl FnOnce(&mut Order, i64) -> &'static str,
    ) -> Result<Value, Refusal> {
        members.only(&[&CHANGE])?;
        for name in CHANGE {
            members.needed(name)?;
        }
        let wanted = members.amount("amount")?;
        let currency = members.currency("currency")?;
        let notify_url = members.url("notify_url")?;
        let mut book = self.book();
        let settings = book.settings;
        let id = members.needed("trade_id")?;
        let order = book.orders.get(id).ok_or_else(|| Refusal::new(codes::UNKNOWN_TRADE))?;
        let state_before = order.state_at(session.now).to_owned();
        if state_before != AUTHORIZED {
            return Err(Refusal::new(codes::NOT_AUTHORIZED));
        }
        if order.currency != currency {
            return Err(Refusal::new(codes::BAD_CURRENCY));
        }
        // An authorisation that is reduced to nothing is a cancellation, which has its own method.
        let reduces = session.call.service == super::methods::DECREMENT;
        if wanted > order.amount || (reduces && wanted == order.amount) {
            return Err(Refusal::new(codes::ABOVE_AUTHORIZED));
        }
        book.take_request_id(members)?;
        let order = book.orders.get_mut(id).ok_or_else(|| Refusal::new(codes::UNKNOWN_TRADE))?;
        let amount_before = Some(order.left());
        let action = apply(order, wanted);
        let entry = Entry {
            action,
            refund: None,
            amount_before,
            state_before: Some(state_before),
            state_after: order.state.clone(),
            request: session.call.sequence,
        };
        self.enter(order, entry, session.now);
        self.notify_payment(settings, order, notify_url, session.now);
        Ok(order.change(session.now))
    }
}

/// The code that refuses a cancellation, if any. The order of the checks is inferred.
fn why_not_cancelled(order: &Order, session: &Session<'_>) -> Option<&'static str> {
    match order.state_at(session.now) {
        CANCELLED => Some(codes::CANCELLED_BEFORE),
        EXPIRED => Some(codes::EXPIRED),
        PENDING | PROCESSING | VERIFY | AUTHORIZED | PAID => {
            // "Any refund operation": a rejected one counts too (inferred).
            if !order.refunds.is_empty() {
                Some(codes::NOT_CANCELLABLE)
            } else if order.cleared {
                Some(codes::CLEARED)
            } else if session.now >= window::end(order.created) {
                Some(codes::WINDOW_OVER)
            } else {
                None
            }
        }
        _ => Some(codes::NOT_CANCELLABLE),
    }
}
