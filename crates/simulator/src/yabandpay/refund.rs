//! Refunds: taking one, and telling how it stands.
//!
//! Source: YabandPay v3 API, `v3.CreateRefund` and `v3.QueryRefundOrder`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::methods::Session;
use super::order::{Order, PAID, extend, new_id, new_number, seconds};
use super::{Book, Right, YabandPay, amount, codes, members};
use crate::clock::days_after;
use crate::ledger::Effect;
use crate::members::Members;
use crate::platform::{Refusal, merge};

const PARAMETERS: [&str; 6] =
    ["trade_id", "refund_amount", "refund_currency", "refund_description", "m_refund_id", "notify_url"];

// The states, in the spelling of the official list.

/// Waits for an administrator.
pub(super) const TO_BE_APPROVAL: &str = "to-be-approval";
/// The balance is too low; goes out by itself later. Only the control API sets it here.
const REFUND_PENDING: &str = "refund pending";
/// Submitted. Only the control API sets it here.
const REFUND_PROCESSING: &str = "refund processing";
/// Done.
pub(super) const REFUNDED: &str = "refunded";
/// Failed, and may be tried again.
pub(super) const REFUND_FAILED: &str = "refund failed";
/// Withdrawn. The word is inferred from the portal's manual; that a rejected refund has it is inferred too.
pub(super) const REFUND_CANCEL: &str = "refund cancel";
/// Failed for good.
pub(super) const REFUND_ERROR: &str = "refund error";

/// A payment can be refunded for a year.
const REFUND_DAYS: i64 = 365;
/// "Fewer than 30" refunds of a payment.
const MOST_REFUNDS: usize = 29;

/// A refund of part or all of a payment.
#[derive(Debug, Clone)]
pub(super) struct Refund {
    /// `refund_id`: a UUID.
    pub(super) id: String,
    /// The 20 digits that `v3.QueryRefundOrder` shows in its place, as the official example does.
    number: String,
    pub(super) state: String,
    /// Minor units of the payment's currency.
    pub(super) amount: i64,
    description: String,
    /// The merchant's number.
    pub(super) m_refund_id: Option<String>,
    pub(super) notify_url: Option<String>,
    created: Timestamp,
    /// Merge patch of the control API over the answers.
    pub(super) patch: Option<Value>,
}

impl Refund {
    /// A refund made in the portal.
    pub(super) fn of_portal(amount: i64, now: Timestamp) -> Self {
        Self {
            id: new_id(),
            number: new_number(),
            state: REFUNDED.to_owned(),
            amount,
            description: "Refund in the portal".to_owned(),
            m_refund_id: None,
            notify_url: None,
            created: now,
            patch: None,
        }
    }

    /// Whether it took money, or still may.
    pub(super) fn counts(&self) -> bool {
        ![REFUND_CANCEL, REFUND_FAILED, REFUND_ERROR].contains(&self.state.as_str())
    }

    /// Whether it failed and may be tried again. Source: YabandPay v3 API, state 24.
    pub(super) fn may_be_tried_again(&self) -> bool {
        self.state == REFUND_FAILED
    }

    /// Whether the payer has the money.
    pub(super) fn is_done(&self) -> bool {
        self.state == REFUNDED
    }

    /// Whether its end is still to come.
    pub(super) fn is_open(&self) -> bool {
        [TO_BE_APPROVAL, REFUND_PENDING, REFUND_PROCESSING].contains(&self.state.as_str())
    }

    /// `data` of `v3.QueryRefundOrder`, with the control API's patch over it.
    pub(super) fn answer(&self, order: &Order) -> Value {
        let mut answer = json!({
            "refund_id": self.number,
            "m_refund_id": self.m_refund_id,
            "transaction_id": order.transaction_id(),
            "yb_transaction_id": order.inner_id(),
            "state": self.state,
            "refund_amount": amount::text(self.amount),
            "refund_currency": order.currency,
            "refund_description": self.description,
            "merchant_cost": "",
            "refund_time": seconds(self.created),
            // Observed in the official example: the four letters, not a JSON null.
            "notify_url": self.notify_url.as_deref().unwrap_or("null"),
            "demo": order.demo.as_deref().unwrap_or_default(),
        });
        if order.currency == "EUR"
            && let Value::Object(members) = &mut answer
        {
            let settled = json!({
                "settlement_refund_amount": amount::text(self.amount),
                "settlement_refund_currency": "EUR",
            });
            extend(members, settled);
        }
        if let Some(patch) = &self.patch {
            merge(&mut answer, patch);
        }
        answer
    }

    /// `data` of `v3.CreateRefund`: only `refund_id` is certain; the request's values and the state are inferred.
    fn taken(&self, order: &Order) -> Value {
        let mut data = json!({
            "refund_id": self.id,
            "trade_id": order.id,
            "refund_amount": amount::text(self.amount),
            "refund_currency": order.currency,
            "refund_description": self.description,
            "state": self.state,
        });
        if let (Value::Object(members), Some(number)) = (&mut data, &self.m_refund_id) {
            members.insert("m_refund_id".to_owned(), json!(number));
        }
        data
    }
}

impl YabandPay {
    /// Takes a refund. A repeated `m_refund_id` makes a second refund: nothing says that it is refused.
    pub(super) fn refund(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        members::known(members, &[&PARAMETERS])?;
        let trade_id = members::needed(members, "trade_id")?;
        let wanted = members::amount(members, "refund_amount")?;
        let currency = members::currency(members, "refund_currency")?;
        let description = members::needed(members, "refund_description")?;
        let m_refund_id = members::text(members, "m_refund_id")?;
        let notify_url = members::url(members, "notify_url")?;
        let mut orders = session.book.orders();
        let settings = orders.rest.settings;
        let order = orders.get_mut(&trade_id).ok_or_else(|| Refusal::new(codes::UNKNOWN_TRADE))?;
        let state = match settings.right {
            Right::Disabled => return Err(Refusal::new(codes::NO_REFUND_RIGHT)),
            Right::Approved => TO_BE_APPROVAL,
            Right::Immediately => REFUNDED,
        };
        // Inferred: only a paid payment can be refunded.
        if order.state_at(session.now) != PAID {
            return Err(Refusal::new(codes::NOT_PAID));
        }
        if order.currency != currency {
            return Err(Refusal::new(codes::BAD_CURRENCY));
        }
        if days_after(order.created, REFUND_DAYS) < session.now || order.refunds.len() >= MOST_REFUNDS {
            return Err(Refusal::new(codes::NOT_REFUNDABLE));
        }
        let left = order.left();
        if wanted > left {
            return Err(Refusal::new(codes::ABOVE_PAID));
        }
        let refund = Refund {
            state: state.to_owned(),
            description,
            m_refund_id,
            notify_url,
            ..Refund::of_portal(wanted, session.now)
        };
        order.refunds.push(refund.clone());
        let effect = order.refund_effect(&refund, "refund", left, None);
        self.enter(session.book, Effect { request: session.call.sequence, ..effect });
        if !refund.is_open() {
            self.notify_refund(session.book, settings, order, &refund);
        }
        Ok(refund.taken(order))
    }

    pub(super) fn query_refund(
        &self,
        session: &Session<'_>,
        members: &Members<'_>,
    ) -> Result<Value, Refusal> {
        members::known(members, &[&["refund_id"]])?;
        let id = members::needed(members, "refund_id")?;
        let orders = session.book.orders();
        let found = orders.find_refund(&id).map(|(order, refund)| refund.answer(order));
        found.ok_or_else(|| Refusal::new(codes::UNKNOWN_REFUND))
    }

    /// Moves the refunds that fit, of these payments or the one of this identifier; the number of those it moved.
    pub(super) fn move_refunds(
        &self,
        book: &Book,
        of: Option<&str>,
        fits: impl Fn(&Refund) -> bool,
        (action, state): (&str, &str),
    ) -> usize {
        let mut orders = book.orders();
        let settings = orders.rest.settings;
        let mut moved = 0_usize;
        for order in orders.all_mut() {
            let whole = of.is_none_or(|id| id == order.id);
            for place in 0..order.refunds.len() {
                let left = order.left();
                let Some(refund) = order.refunds.get_mut(place) else { continue };
                // All refunds together are never above the payment, one that is tried again included.
                let is_covered = refund.counts() || refund.amount <= left;
                if !fits(refund) || !is_covered || !(whole || of == Some(refund.id.as_str())) {
                    continue;
                }
                let before = std::mem::replace(&mut refund.state, state.to_owned());
                let refund = refund.clone();
                self.enter(book, order.refund_effect(&refund, action, left, Some(before)));
                self.notify_refund(book, settings, order, &refund);
                moved = moved.saturating_add(1);
            }
        }
        moved
    }
}
