//! What the payer does, from the page and from the control API, and what happens to a payment in the back office.

use serde_json::{Value, json};

use super::notify::Settings;
use super::order::{AUTHORIZED, CANCELLED, DECLINED, EXPIRED, Order, PAID, VERIFY, is_open, new_number};
use super::refund::{REFUND_CANCEL, REFUND_ERROR, REFUND_FAILED, REFUNDED, Refund};
use super::{Book, Right, YabandPay};
use crate::platform::{self, ControlError, PayerAction};

/// What an action does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// Moves the payments whose state fits to another one; the word is that of the ledger.
    Move(fn(&str) -> bool, &'static str, fn(&Order) -> &'static str),
    /// Moves the refunds that fit.
    Refunds(fn(&Refund) -> bool, &'static str, &'static str),
    /// Does something to the payments that it fits, and says whether it did.
    Each(fn(&YabandPay, &Book, Settings, &mut Order) -> bool),
    /// The same to one payment, which must be named.
    One(fn(&YabandPay, &Book, Settings, &mut Order) -> bool),
    Right(Right),
    FormNotices(bool),
}

/// What the back office, or the night, does to a payment or a refund.
pub(super) const ACTIONS: [(&str, &str, Act); 18] = [
    (
        "expire",
        "an open payment, or an authorisation, expires now",
        Act::Move(|state| is_open(state) || state == AUTHORIZED, "expire", |_| EXPIRED),
    ),
    (
        "verify",
        "the payer of an open payment has paid, and it is held for risk review",
        Act::Move(is_open, "verify", |_| VERIFY),
    ),
    ("release", "a payment under review is accepted", Act::Move(|state| state == VERIFY, "pay", accepted)),
    (
        "refuse",
        "a payment under review is declined",
        Act::Move(|state| state == VERIFY, "decline", |_| DECLINED),
    ),
    ("clear", "a paid payment is settled, after which it cannot be cancelled (-4112)", Act::Each(clear)),
    (
        "approve_refund",
        "an open refund is approved and done; order is a trade_id or a refund_id",
        Act::Refunds(Refund::is_open, "refund_approved", REFUNDED),
    ),
    (
        "reject_refund",
        "an open refund is rejected: refund cancel",
        Act::Refunds(Refund::is_open, "refund_rejected", REFUND_CANCEL),
    ),
    (
        "fail_refund",
        "an open refund fails and may be tried again: refund failed",
        Act::Refunds(Refund::is_open, "refund_failed", REFUND_FAILED),
    ),
    (
        "retry_refund",
        "a refund that failed is tried again and done: refunded",
        Act::Refunds(Refund::may_be_tried_again, "refund_retried", REFUNDED),
    ),
    (
        "error_refund",
        "a refund that is open, or failed, fails for good: refund error",
        Act::Refunds(|one| one.is_open() || one.may_be_tried_again(), "refund_error", REFUND_ERROR),
    ),
    (
        "return_refund",
        "a refund that was done comes back: refund error",
        Act::Refunds(Refund::is_done, "refund_returned", REFUND_ERROR),
    ),
    (
        "cancel_unseen",
        "one paid payment is cancelled, which reads do not tell yet: cancelling answers -4116",
        Act::One(cancel_unseen),
    ),
    ("show_cancel", "one such payment: reads tell it now, and so does a notification", Act::One(show_cancel)),
    (
        "refunds_need_approval",
        "the cashier's right (the default): an administrator approves each refund",
        Act::Right(Right::Approved),
    ),
    ("refunds_at_once", "the cashier's right: refunds are done at once", Act::Right(Right::Immediately)),
    ("refunds_disabled", "the cashier's right: refunds are refused", Act::Right(Right::Disabled)),
    ("notify_json", "notifications are JSON (the default)", Act::FormNotices(false)),
    ("notify_form", "notifications have the older form, a form field resultData", Act::FormNotices(true)),
];

impl YabandPay {
    /// Pays, declines or leaves. Returns the state of the payment after it.
    pub(super) fn pay(&self, book: &Book, id: &str, action: PayerAction) -> Result<String, ControlError> {
        let mut orders = book.orders();
        let settings = orders.rest.settings;
        let order = orders.named(id)?;
        let state = order.state_at(self.now()).to_owned();
        let change = match action {
            PayerAction::Leave => return Ok(state),
            PayerAction::Pay => ("pay", accepted(order)),
            PayerAction::Decline => ("decline", DECLINED),
        };
        if !is_open(&state) {
            return Err(ControlError::Invalid(format!("the payment is {state}, nobody can pay it")));
        }
        self.moved(book, settings, order, change);
        Ok(order.state.clone())
    }

    /// Moves a payment without a request; one that is paid by it has the wallet's number from then on.
    fn moved(&self, book: &Book, settings: Settings, order: &mut Order, change: (&str, &str)) {
        if order.paid.is_none() && [VERIFY, PAID, AUTHORIZED].contains(&change.1) {
            order.paid = Some((self.now(), new_number()));
        }
        self.move_to(book, settings, order, change, None);
    }

    /// Does one of [`ACTIONS`], to one payment or to all that it fits.
    pub(super) fn back_office(&self, book: &Book, asked: &platform::Act) -> Result<Value, ControlError> {
        let (action, id) = (asked.action.as_str(), asked.order.as_deref());
        if asked.amount.is_some() {
            return Err(ControlError::Invalid(format!("{action} wants no amount")));
        }
        let act = ACTIONS.iter().find(|(name, ..)| *name == action).map(|(_, _, act)| *act);
        let act = act.ok_or_else(|| ControlError::NotFound(format!("action {action}")))?;
        if let Some(id) = id {
            book.orders().slots(id)?;
        }
        let changed = match act {
            Act::Right(right) => {
                book.orders().rest.settings.right = right;
                return Ok(json!({"refund_right": right.word()}));
            }
            Act::FormNotices(form) => {
                book.orders().rest.settings.form_notices = form;
                return Ok(json!({"notices": action}));
            }
            Act::Refunds(fits, word, state) => self.move_refunds(book, id, fits, (word, state)),
            Act::Move(fits, word, to) => self.each(book, id, |settings, order| {
                let is_moved = fits(order.state_at(self.now()));
                if is_moved {
                    let to = to(order);
                    self.moved(book, settings, order, (word, to));
                }
                is_moved
            }),
            Act::One(_) if id.is_none() => 0,
            Act::One(act) | Act::Each(act) => {
                self.each(book, id, |settings, order| act(self, book, settings, order))
            }
        };
        match id {
            Some(id) if changed == 0 => Err(ControlError::Invalid(format!("{action} does not fit {id} now"))),
            _ => Ok(json!({"changed": changed})),
        }
    }

    /// Tries something on one payment, or on all; how many it did something to.
    fn each(&self, book: &Book, id: Option<&str>, act: impl Fn(Settings, &mut Order) -> bool) -> usize {
        let mut orders = book.orders();
        let settings = orders.rest.settings;
        let chosen = orders.all_mut().filter(|order| id.is_none_or(|id| id == order.id));
        chosen.map(|order| usize::from(act(settings, order))).sum()
    }
}

/// The state of a payment that was accepted.
fn accepted(order: &Order) -> &'static str {
    if order.authorizes { AUTHORIZED } else { PAID }
}

/// Cancels a paid payment that reads go on to call paid.
fn cancel_unseen(platform: &YabandPay, book: &Book, _: Settings, order: &mut Order) -> bool {
    let fits = order.state == PAID && order.refunds.is_empty();
    if fits {
        CANCELLED.clone_into(&mut order.state);
        order.shown = Some(PAID);
        platform.enter(book, order.effect("cancel", Some((order.left(), PAID.to_owned()))));
    }
    fits
}

/// Lets reads and a notification tell of it.
fn show_cancel(platform: &YabandPay, book: &Book, settings: Settings, order: &mut Order) -> bool {
    let is_hidden = order.shown.take().is_some();
    if is_hidden {
        platform.notify_payment(book, settings, order, order.notify_url.as_deref());
    }
    is_hidden
}

/// Settles a paid payment. The state stays, so nothing is told to the merchant.
fn clear(platform: &YabandPay, book: &Book, _: Settings, order: &mut Order) -> bool {
    let fits = order.state == PAID && !order.cleared;
    if fits {
        order.cleared = true;
        platform.enter(book, order.effect("clear", Some((order.left(), PAID.to_owned()))));
    }
    fits
}
