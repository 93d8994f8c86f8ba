//! The YabandPay platform, v3 API.
//!
//! Source: page `v3.CancelPayment`; for the rest the other official pages as far as they are public, the official PHP
//! library and plugins, and third-party integrations. Where these are silent, the comment at the place says
//! "inferred", "uncertain" or "chosen".
//!
//! Paths: `/yabandpay/yabandpay/Payments`, the one URL of all methods, and the payer's page
//! `/yabandpay/yabandpay/pay/<trade_id>`. The merchant and the key are in `merchant.rs`, and amounts that stand for
//! faults also in `GET /_control`.
//!
//! What it does not imitate:
//!
//! - the methods in a store (`v3.BarcodePayment`, `v3.POS` ...), batch queries, rates, finance, and cards without the
//!   hosted page: `cardinfo`, tokens, Apple Pay, and the reduction of an authorisation. They are unknown methods or parameters;
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
mod members;
mod merchant;
mod methods;
mod notify;
mod order;
mod page;
mod payer;
mod record;
mod refund;
mod sign;
#[cfg(test)]
mod tests;
mod window;

use std::collections::HashSet;

use bytes::Bytes;
use http::{Method, Response};
use serde_json::{Value, json};

use self::merchant::MERCHANT;
use self::notify::Settings;
use self::order::Order;
use self::refund::Refund;
use super::SandboxAccount;
use super::delivery::NOTIFICATION;
use super::faults::FaultKind;
use super::magic::{Magic, On};
use super::members::Members;
use super::platform::{
    self, Act, Call, ControlError, PayerAction, Platform, Received, Refusal, Target, with_text_at,
};
use super::site::{self, Kept, Site, Start, unknown};

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
pub(crate) type YabandPay = Site<Order>;
type Book = site::Book<Order>;
type Orders = site::Orders<Order>;

/// What the platform keeps besides the payments.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Every `request_id` of card payments; it must be unique.
    request_ids: HashSet<String>,
    settings: Settings,
}

impl Kept for Order {
    type Shop = ();
    type Rest = Rest;

    fn id(&self) -> &str {
        &self.id
    }

    fn page(&self) -> &str {
        &self.id
    }
}

/// The amounts that stand for faults, 990001 written 9900.01: the amount of the request for creations, captures and refunds,
/// that of the payment for cancellations, and that of the payment or the refund for queries.
const MAGIC: Magic = Magic {
    ranges: &[
        (On::Changes, &methods::CHANGES, codes::UNPUBLISHED),
        (On::Reads, &[methods::QUERY, methods::QUERY_REFUND], ""),
        (On::Cancels, &[methods::CANCEL], codes::NOT_CANCELLABLE),
        (On::Notifications, &[NOTIFICATION], ""),
    ],
    incident: codes::INCIDENT,
    is_signed: false,
};

impl Orders {
    fn find_refund(&self, id: &str) -> Option<(&Order, &Refund)> {
        let refunds = self.all().flat_map(|order| order.refunds.iter().map(move |one| (order, one)));
        refunds.into_iter().find(|(_, refund)| refund.id == id)
    }

    /// State and patch of a payment or of a refund.
    fn slots(&mut self, id: &str) -> Result<(&mut String, &mut Option<Value>), ControlError> {
        let slots = self.all_mut().find_map(|order| {
            if order.id == id {
                return Some((&mut order.state, &mut order.patch));
            }
            let refund = order.refunds.iter_mut().find(|refund| refund.id == id)?;
            Some((&mut refund.state, &mut refund.patch))
        });
        slots.ok_or_else(|| unknown(id))
    }
}

/// Takes the `request_id` of a request that has one.
fn take_request_id(rest: &mut Rest, members: &Members<'_>) -> Result<(), Refusal> {
    let Some(id) = members::text(members, "request_id")? else { return Ok(()) };
    if !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(codes::parameter("request_id"));
    }
    if rest.request_ids.insert(id) { Ok(()) } else { Err(Refusal::new(codes::REPEATED_REQUEST)) }
}

impl YabandPay {
    pub(crate) fn new(start: &Start) -> Self {
        Self::empty("yabandpay", [(BRAND, ())], start)
    }

    /// Address of the payment page.
    fn link(&self, id: &str) -> String {
        self.url(BRAND, &format!("/pay/{id}"))
    }
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
            let orders = self.book(&call.brand)?.orders();
            if let Some(id) = methods::data_text(call, "refund_id") {
                return orders.find_refund(&id).map(|(_, refund)| refund.amount);
            }
            orders.get(call.order.as_ref()?).map(|order| order.amount)
        };
        let asked = |name| amount::parse(&methods::data_text(call, name)?);
        let amount = match call.service.as_str() {
            methods::CANCEL | methods::QUERY | methods::QUERY_REFUND | NOTIFICATION => present(),
            methods::REFUND => asked("refund_amount"),
            _ => asked("amount"),
        };
        MAGIC.fault(&call.service, amount)
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
        draft::add(self, self.known(brand)?, draft)
    }

    /// `order` may also be a `refund_id`.
    fn set_status(&self, brand: &str, order: &str, status: &str) -> Result<(), ControlError> {
        status.clone_into(self.known(brand)?.orders().slots(order)?.0);
        Ok(())
    }

    /// `order` may also be a `refund_id`.
    fn patch_answer(&self, brand: &str, order: &str, patch: Option<Value>) -> Result<(), ControlError> {
        *self.known(brand)?.orders().slots(order)?.1 = patch;
        Ok(())
    }

    /// The platform's transactions beside the payment are its refunds: adds one made in the portal, done, of the whole
    /// amount unless the patch names another `refund_amount`.
    fn add_transaction(&self, brand: &str, order: &str, patch: &Value) -> Result<String, ControlError> {
        let now = self.now();
        self.with_order(brand, order, |_, order| {
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
            id
        })
    }

    fn payer(&self, brand: &str, order: &str, action: PayerAction) -> Result<String, ControlError> {
        self.pay(self.known(brand)?, order, action)
    }

    fn act(&self, brand: &str, act: &Act) -> Result<Value, ControlError> {
        self.back_office(self.known(brand)?, act)
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
        let orders = self.known(brand)?.orders();
        let payment = || orders.get(order).map(|found| found.transaction_info(self.now()));
        let refund = || orders.find_refund(order).map(|(payment, refund)| refund.answer(payment));
        payment().or_else(refund).ok_or_else(|| unknown(order))
    }

    fn orders(&self, brand: &str) -> Result<Vec<Value>, ControlError> {
        let book = self.known(brand)?;
        Ok(book.orders().all().map(|order| order.transaction_info(self.now())).collect())
    }

    fn help(&self) -> Value {
        json!({
            "note": "The credentials are public and worth nothing.",
            "shops": [{
                "brand": BRAND,
                "base_url": self.url(BRAND, "/Payments"),
                "user": MERCHANT.user,
                "secret_key": MERCHANT.secret_key,
                "currencies": merchant::CURRENCIES,
            }],
            "services": methods::all(),
            "magic_amounts": MAGIC.help(),
            "actions": platform::actions(payer::ACTIONS.iter().map(|(name, meaning, _)| (*name, *meaning))),
        })
    }

    fn reset(&self) {
        self.clear();
        if self.seed_samples {
            draft::add_sample(self);
        }
    }
}
