//! The YabandPay platform, v3 API.
//!
//! Source: page `v3.CancelPayment`; for the rest the other official pages as far as they are public, the official PHP
//! library and plugins, and third-party integrations. Where these are silent, the comment at the place says
//! "inferred", "uncertain" or "chosen".
//!
//! Paths: `/yabandpay/yabandpay/Payments`, the one URL of all methods, and the payer's page
//! `/yabandpay/yabandpay/pay/<trade_id>`. The merchant and the key are in `merchant.rs`, amounts that stand for faults
//! in `magic.rs`, both also in `GET /_control`.
//!
//! What it does not imitate:
//!
//! - the methods in a store (`v3.BarcodePayment`, `v3.POS` ...), batch queries, rates, finance, and cards without the
//!   hosted page: `cardinfo`, tokens, Apple Pay. They are unknown methods or parameters;
//! - a notification when a payment expires by the clock: only the action `expire` sends one;
//! - the signed data of a browser return: the browser is only sent on;
//! - the real error codes of anything but a cancellation: nobody publishes them, see `codes.rs`;
//! - the state `processing`, a low balance (`refund pending`) and a refund under way (`refund processing`), unless the
//!   control API sets them; settlement in the night (the action `clear` does it);
//! - the cashier's e-mail address as `user`, other users and other modes.

mod amount;
mod change;
mod codes;
mod create;
mod draft;
mod envelope;
mod magic;
mod members;
mod merchant;
mod methods;
mod notify;
mod order;
mod page;
mod payer;
mod record;
mod refund;
#[cfg(test)]
mod rig;
mod sign;
#[cfg(test)]
mod tests;
mod window;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Method, Response};
use indexmap::IndexMap;
use serde_json::{Value, json};

use self::members::Members;
use self::merchant::MERCHANT;
use self::notify::Settings;
use self::order::Order;
use self::refund::Refund;
use super::SandboxAccount;
use super::exchange::Frame;
use super::faults::FaultKind;
use super::platform::{Call, ControlError, PayerAction, Platform, Received, Refusal, Target, with_text_at};
use super::recent::lock;

/// The one brand.
const BRAND: &str = "yabandpay";

/// What a cashier may do with refunds. Source: YabandPay v3 API, `v3.CreateRefund`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Right {
    /// An administrator approves each refund.
    #[default]
    Approved,
    Immediately,
    Disabled,
}

impl Right {
    fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Immediately => "immediately",
            Self::Disabled => "disabled",
        }
    }
}

/// The simulated platform.
#[derive(Debug)]
pub(crate) struct YabandPay {
    frame: Arc<Frame>,
    public_url: String,
    seed_samples: bool,
    book: Mutex<Book>,
}

/// The payments of the merchant, by `trade_id`, oldest first, and its settings.
#[derive(Debug, Default)]
struct Book {
    orders: IndexMap<String, Order>,
    /// Every `request_id` of card payments; it must be unique.
    request_ids: HashSet<String>,
    settings: Settings,
}

impl Book {
    /// A payment, by its own identifier or that of one of its refunds.
    fn find(&self, id: &str) -> Option<&Order> {
        self.orders.get(id).or_else(|| self.find_refund(id).map(|(order, _)| order))
    }

    fn find_refund(&self, id: &str) -> Option<(&Order, &Refund)> {
        let refunds =
            self.orders.values().flat_map(|order| order.refunds.iter().map(move |one| (order, one)));
        refunds.into_iter().find(|(_, refund)| refund.id == id)
    }

    fn find_refund_mut(&mut self, id: &str) -> Option<&mut Refund> {
        self.orders.values_mut().flat_map(|order| &mut order.refunds).find(|refund| refund.id == id)
    }

    /// Takes the `request_id` of a request that has one.
    fn take_request_id(&mut self, members: Members<'_>) -> Result<(), Refusal> {
        let Some(id) = members.text("request_id")? else { return Ok(()) };
        if !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(codes::parameter("request_id"));
        }
        if self.request_ids.insert(id.to_owned()) {
            Ok(())
        } else {
            Err(Refusal::new(codes::REPEATED_REQUEST))
        }
    }
}

impl YabandPay {
    /// `public_url` has no slash at its end.
    pub(crate) fn new(frame: Arc<Frame>, public_url: &str, seed_samples: bool) -> Self {
        let platform =
            Self { frame, public_url: public_url.to_owned(), seed_samples, book: Mutex::default() };
        platform.reset();
        platform
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// Address of the payment page.
    fn link(&self, id: &str) -> String {
        format!("{}/yabandpay/{BRAND}/pay/{id}", self.public_url)
    }
}

fn known(brand: &str) -> Result<(), ControlError> {
    if brand == BRAND { Ok(()) } else { Err(ControlError::NotFound(format!("brand {brand}"))) }
}

impl Platform for YabandPay {
    fn name(&self) -> &'static str {
        "yabandpay"
    }

    fn target(&self, request: &Received) -> Target {
        let parts: Vec<_> = request.path.trim_start_matches('/').split('/').skip(1).collect();
        match parts.as_slice() {
            [BRAND, "Payments"] if request.method == Method::POST => Target::Service(self.read_call(request)),
            [BRAND, "pay", _] => Target::Page,
            _ => Target::Nothing,
        }
    }

    fn magic(&self, call: &Call) -> Option<FaultKind> {
        let present = || {
            let book = self.book();
            if let Some(id) = methods::data_text(call, "refund_id") {
                return book.find_refund(&id).map(|(_, refund)| refund.amount);
            }
            book.orders.get(call.order.as_ref()?).map(|order| order.amount)
        };
        magic::fault(call, present)
    }

    fn serve(&self, call: &Call, _: &Received) -> Response<Bytes> {
        self.run(call)
    }

    fn refuse(&self, _: &Call, refusal: &Refusal) -> Response<Bytes> {
        envelope::failure(refusal)
    }

    /// Uncertain: no code of an incident is known.
    fn incident(&self) -> Refusal {
        Refusal::new(codes::INCIDENT)
    }

    fn with_payer_address(&self, _call: &Call, answer: Response<Bytes>, address: &str) -> Response<Bytes> {
        with_text_at(answer, &["/data/url", "/data/parameters/pay_url"], address)
    }

    fn page(&self, request: &Received) -> Response<Bytes> {
        self.payment_page(request)
    }

    fn add_order(&self, brand: &str, draft: &Value) -> Result<String, ControlError> {
        known(brand)?;
        draft::add(self, draft)
    }

    /// `order` may also be a `refund_id`.
    fn set_status(&self, brand: &str, order: &str, status: &str) -> Result<(), ControlError> {
        known(brand)?;
        let mut book = self.book();
        let slot = if let Some(found) = book.orders.get_mut(order) {
            &mut found.state
        } else {
            &mut book.find_refund_mut(order).ok_or_else(|| payer::unknown(order))?.state
        };
        status.clone_into(slot);
        Ok(())
    }

    /// `order` may also be a `refund_id`.
    fn patch_answer(&self, brand: &str, order: &str, patch: &Value) -> Result<(), ControlError> {
        known(brand)?;
        let mut book = self.book();
        let slot = if let Some(found) = book.orders.get_mut(order) {
            &mut found.patch
        } else {
            &mut book.find_refund_mut(order).ok_or_else(|| payer::unknown(order))?.patch
        };
        *slot = Some(patch.clone()).filter(|patch| !patch.is_null());
        Ok(())
    }

    /// The platform's transactions beside the payment are its refunds: adds one made in the portal, done, of the whole
    /// amount unless the patch names another `refund_amount`.
    fn add_transaction(&self, brand: &str, order: &str, patch: &Value) -> Result<String, ControlError> {
        known(brand)?;
        let now = self.frame.clock.now();
        let mut book = self.book();
        let order = book.orders.get_mut(order).ok_or_else(|| payer::unknown(order))?;
        // The patch may change what the platform computes from: amount and state.
        let text = |name: &str| patch.get(name).and_then(Value::as_str);
        let minor = text("refund_amount").and_then(amount::parse).unwrap_or(order.amount);
        let mut refund = Refund::of_portal(minor, now);
        if let Some(state) = text("state") {
            state.clone_into(&mut refund.state);
        }
        refund.patch = Some(patch.clone());
        let id = refund.id.clone();
        order.refunds.push(refund);
        Ok(id)
    }

    fn payer(&self, brand: &str, order: &str, action: PayerAction) -> Result<String, ControlError> {
        known(brand)?;
        self.pay(order, action)
    }

    fn act(
        &self,
        brand: &str,
        order: Option<&str>,
        action: &str,
        amount: Option<i64>,
    ) -> Result<Value, ControlError> {
        known(brand)?;
        if amount.is_some() {
            return Err(ControlError::Invalid(format!("{action} wants no amount")));
        }
        self.back_office(order, action)
    }

    fn sandbox_accounts(&self, base: &str) -> Vec<SandboxAccount> {
        vec![SandboxAccount {
            name: "yabandpay",
            provider: "yabandpay",
            settings: vec![
                ("user", MERCHANT.user.to_owned()),
                ("secret_key", MERCHANT.secret_key.to_owned()),
                ("base_url", format!("{base}/yabandpay/{BRAND}/Payments")),
                ("mode", "test".to_owned()),
            ],
        }]
    }

    /// `order` may also be a `refund_id`.
    fn order(&self, brand: &str, order: &str) -> Result<Value, ControlError> {
        known(brand)?;
        let book = self.book();
        let payment = || book.orders.get(order).map(|found| found.transaction_info(self.frame.clock.now()));
        let refund = || book.find_refund(order).map(|(payment, refund)| refund.answer(payment));
        payment().or_else(refund).ok_or_else(|| payer::unknown(order))
    }

    fn orders(&self, brand: &str) -> Result<Vec<Value>, ControlError> {
        known(brand)?;
        let now = self.frame.clock.now();
        Ok(self.book().orders.values().map(|order| order.transaction_info(now)).collect())
    }

    fn help(&self) -> Value {
        let actions: Vec<_> = payer::ACTIONS
            .iter()
            .map(|(action, meaning)| json!({"action": action, "meaning": meaning}))
            .collect();
        json!({
            "note": "The credentials are public and worth nothing.",
            "shops": [{
                "brand": BRAND,
                "base_url": format!("{}/yabandpay/{BRAND}/Payments", self.public_url),
                "user": MERCHANT.user,
                "secret_key": MERCHANT.secret_key,
                "currencies": merchant::CURRENCIES,
            }],
            "services": methods::all(),
            "magic_amounts": magic::help(),
            "actions": actions,
        })
    }

    fn reset(&self) {
        *self.book() = Book::default();
        if self.seed_samples {
            draft::add_sample(self);
        }
    }
}
