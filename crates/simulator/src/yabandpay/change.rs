//! The methods that change a payment: cancellation and capture.

use serde_json::Value;

use super::members::{amount, currency, known, needed, url};
use super::methods::Session;
use super::order::{AUTHORIZED, CANCELLED, EXPIRED, Order, PAID, PENDING, PROCESSING, VERIFY};
use super::{YabandPay, codes, take_request_id, window};
use crate::ledger::Effect;
use crate::members::Members;
use crate::platform::Refusal;

/// Parameters of `v3.Capture`; all are required.
const CAPTURE: [&str; 6] = ["trade_id", "amount", "currency", "description", "notify_url", "request_id"];

impl YabandPay {
    /// Cancels the whole payment. Source: page `v3.CancelPayment`.
    pub(super) fn cancel(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        known(members, &[&["trade_id"]])?;
        let id = needed(members, "trade_id")?;
        let mut orders = session.book.orders();
        let settings = orders.rest.settings;
        let order = orders.get_mut(&id).ok_or_else(|| Refusal::new(codes::UNKNOWN_TRADE))?;
        if let Some(code) = why_not_cancelled(order, session) {
            return Err(Refusal::new(code));
        }
        self.move_to(session.book, settings, order, ("cancel", CANCELLED), session.call.sequence);
        Ok(order.cancellation(session.now))
    }

    /// Takes all or part of an authorisation, once, and tells it to the address in the request. What is not taken is released
    /// (inferred).
    pub(super) fn capture(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        known(members, &[&CAPTURE])?;
        for name in CAPTURE {
            needed(members, name)?;
        }
        let id = needed(members, "trade_id")?;
        let wanted = amount(members, "amount")?;
        let currency = currency(members, "currency")?;
        let notify_url = url(members, "notify_url")?;
        let mut orders = session.book.orders();
        let settings = orders.rest.settings;
        let order = orders.get(&id).ok_or_else(|| Refusal::new(codes::UNKNOWN_TRADE))?;
        let before = (order.left(), order.state_at(session.now).to_owned());
        if before.1 != AUTHORIZED {
            return Err(Refusal::new(codes::NOT_AUTHORIZED));
        }
        if order.currency != currency {
            return Err(Refusal::new(codes::BAD_CURRENCY));
        }
        if wanted > order.amount {
            return Err(Refusal::new(codes::ABOVE_AUTHORIZED));
        }
        take_request_id(&mut orders.rest, members)?;
        let order = orders.get_mut(&id).ok_or_else(|| Refusal::new(codes::UNKNOWN_TRADE))?;
        order.amount = wanted;
        PAID.clone_into(&mut order.state);
        let effect = order.effect("capture", Some(before));
        self.enter(session.book, Effect { request: session.call.sequence, ..effect });
        self.notify_payment(session.book, settings, order, notify_url.as_deref());
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
