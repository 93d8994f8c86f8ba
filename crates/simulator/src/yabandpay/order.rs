//! A payment as the platform keeps it, and what answers tell of it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::amount;
use super::create::LONGEST_TIMEOUT;
use super::merchant::MERCHANT;
use super::refund::Refund;
use crate::clock::{days_after, later};
use crate::platform::merge;

// The states, in the spelling of today's official list; older pages write them with a capital letter.

/// Paid. A refunded payment keeps this state: the official list has no other for it (inferred).
pub(super) const PAID: &str = "paid";
/// Authorised, not captured.
pub(super) const AUTHORIZED: &str = "authorized";
/// Created.
pub(super) const PENDING: &str = "pending";
/// Waiting for the payer. Only the control API sets it here.
pub(super) const PROCESSING: &str = "processing";
/// The payer has paid, held for risk review.
pub(super) const VERIFY: &str = "verify";
/// Refused; final (inferred), so nobody can try again.
pub(super) const DECLINED: &str = "declined";
/// Not paid in time, or authorised and not captured in time.
pub(super) const EXPIRED: &str = "expired";
/// Cancelled by the merchant. Two L: page `v3.CancelPayment`.
pub(super) const CANCELLED: &str = "cancelled";

/// How long an authorisation can be captured. Source: YabandPay v3 API, `v3.Capture`. That it is `expired` afterwards
/// is inferred.
const CAPTURE_DAYS: i64 = 30;

/// A payment.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// `trade_id`: a UUID, also the last segment of the payment page's path.
    pub(super) id: String,
    /// As stored; ask `state_at` for the one that counts.
    pub(super) state: String,
    pub(super) pay_method: String,
    pub(super) sub_pay_method: String,
    /// The merchant's number; several payments may share one.
    pub(super) order_id: String,
    pub(super) description: String,
    /// Minor units; what is captured once it is.
    pub(super) amount: i64,
    /// Tip contained in the amount, minor units.
    pub(super) tip_amount: Option<i64>,
    pub(super) currency: String,
    pub(super) notify_url: Option<String>,
    pub(super) redirect_url: Option<String>,
    /// Where the payer goes who leaves; the shop plugins send it.
    pub(super) cancel_url: Option<String>,
    pub(super) demo: Option<String>,
    pub(super) timeout_minutes: i64,
    /// Whether paying only authorises.
    pub(super) authorizes: bool,
    /// Whether 3-D Secure takes place.
    pub(super) three_ds: bool,
    pub(super) created: Timestamp,
    /// What reads say instead of the state: the platform has cancelled it, and they do not know yet.
    pub(super) shown: Option<&'static str>,
    /// When the payer paid, and the wallet's or acquirer's identifier of it.
    pub(super) paid: Option<(Timestamp, String)>,
    /// Whether it has been settled, after which it cannot be cancelled.
    pub(super) cleared: bool,
    /// All refunds, oldest first, those that failed included.
    pub(super) refunds: Vec<Refund>,
    /// Merge patch of the control API over the answers.
    pub(super) patch: Option<Value>,
}

/// A new `trade_id` or `refund_id`.
pub(super) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// An identifier of 20 digits, as wallets and the platform's inner numbers have them.
pub(super) fn new_number() -> String {
    format!("42{:018}", rand::random_range(0..1_000_000_000_000_000_000_u64))
}

/// A time as the platform writes it: Unix seconds in a string.
pub(super) fn seconds(at: Timestamp) -> String {
    at.as_second().to_string()
}

/// Whether a payer can pay now.
pub(super) fn is_open(state: &str) -> bool {
    state == PENDING || state == PROCESSING
}

impl Order {
    /// An open payment that has nothing but usual values.
    pub(super) fn usual(now: Timestamp) -> Self {
        Self {
            id: new_id(),
            state: PENDING.to_owned(),
            pay_method: "online".to_owned(),
            sub_pay_method: "WeChat Pay".to_owned(),
            order_id: "ORDER-1".to_owned(),
            description: "An order of the control API".to_owned(),
            amount: 10_000,
            tip_amount: None,
            currency: "EUR".to_owned(),
            notify_url: None,
            redirect_url: None,
            cancel_url: None,
            demo: None,
            timeout_minutes: LONGEST_TIMEOUT,
            authorizes: false,
            three_ds: false,
            created: now,
            shown: None,
            paid: None,
            cleared: false,
            refunds: Vec::new(),
            patch: None,
        }
    }

    /// The state at this time: an open payment and an authorisation expire by the clock.
    pub(super) fn state_at(&self, now: Timestamp) -> &str {
        let end = if is_open(&self.state) {
            Some(self.expires())
        } else if self.state == AUTHORIZED {
            let authorized = self.paid.as_ref().map_or(self.created, |(at, _)| *at);
            Some(days_after(authorized, CAPTURE_DAYS))
        } else {
            None
        };
        if end.is_some_and(|end| end <= now) { EXPIRED } else { &self.state }
    }

    /// When an open payment expires.
    pub(super) fn expires(&self) -> Timestamp {
        later(self.created, SignedDuration::from_mins(self.timeout_minutes))
    }

    /// The amount less the refunds that took or may still take money, minor units.
    pub(super) fn left(&self) -> i64 {
        let refunded = self.refunds.iter().filter(|refund| refund.counts());
        refunded.fold(self.amount, |left, refund| left.saturating_sub(refund.amount))
    }

    /// `transaction_info` of `v3.QueryOrder`, with the control API's patch over it.
    pub(super) fn transaction_info(&self, now: Timestamp) -> Value {
        let mut info = self.settlement();
        let members = json!({
            "trade_id": self.id,
            "order_id": self.order_id,
            "pay_method": self.pay_method,
            "sub_pay_method": self.sub_pay_method,
            "description": self.description,
            "redirect_url": self.redirect_url.as_deref().unwrap_or_default(),
            "notify_url": self.notify_url.as_deref().unwrap_or_default(),
            "state": self.shown.unwrap_or_else(|| self.state_at(now)),
            "amount": amount::text(self.amount),
            "currency": self.currency,
            "tip_amount": self.tip_amount.map(amount::text).unwrap_or_default(),
            "amount_cny": "",
            "merchant_cost": "",
            "time_out": self.timeout_minutes.to_string(),
            "created_at": seconds(self.created),
            "transaction_id": self.transaction_id(),
            "acquirer_id": self.transaction_id(),
            "yb_transaction_id": self.inner_id(),
            "merchant_name": MERCHANT.merchant_name,
            "store_name": MERCHANT.store_name,
            "cashier_name": MERCHANT.cashier_name,
            "user": MERCHANT.user,
        });
        extend(&mut info, members);
        self.patched(Value::Object(info))
    }

    /// `data` of `v3.CancelPayment`, with the control API's patch over it. Source: sample of that page.
    pub(super) fn cancellation(&self, now: Timestamp) -> Value {
        let mut data = self.settlement();
        let members = json!({
            "type": "payment",
            "user": MERCHANT.user,
            "amount": amount::text(self.amount),
            "currency": self.currency,
            "trade_id": self.id,
            "description": self.description,
            "order_id": self.order_id,
            "createDate": seconds(self.created),
            "demo": self.demo.as_deref().unwrap_or_default(),
            "transaction_id": self.transaction_id(),
            "state": self.state_at(now),
        });
        extend(&mut data, members);
        self.patched(Value::Object(data))
    }

    /// `data` of `v3.Capture`, with the patch over it. Inferred: the answer is not documented.
    pub(super) fn change(&self, now: Timestamp) -> Value {
        self.patched(json!({
            "order_id": self.order_id,
            "trade_id": self.id,
            "amount": amount::text(self.amount),
            "currency": self.currency,
            "state": self.state_at(now),
        }))
    }

    /// The settlement fields. They are optional, and there are no rates here: only a payment in euros has them.
    pub(super) fn settlement(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        if self.currency == "EUR" {
            let members = json!({
                "settlement_amount": amount::text(self.amount),
                "settlement_currency": "EUR",
                "exchange_rate": "1",
            });
            extend(&mut fields, members);
        }
        fields
    }

    /// The wallet's or acquirer's identifier, empty until paid.
    pub(super) fn transaction_id(&self) -> &str {
        self.paid.as_ref().map_or("", |(_, id)| id)
    }

    /// `yb_transaction_id`, another inner identifier: here the `trade_id` without its hyphens.
    pub(super) fn inner_id(&self) -> String {
        self.id.replace('-', "")
    }

    pub(super) fn patched(&self, mut answer: Value) -> Value {
        if let Some(patch) = &self.patch {
            merge(&mut answer, patch);
        }
        answer
    }
}

/// Adds the members of an object.
pub(super) fn extend(target: &mut Map<String, Value>, members: Value) {
    if let Value::Object(members) = members {
        target.extend(members);
    }
}
