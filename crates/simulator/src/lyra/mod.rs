//! The Lyra platform, REST API V4, as the brands Systempay and EpayNC show it, and Mi Cuenta Web with the currencies of
//! Latin America.
//!
//! Source: provider pages `Charge/PaymentOrder/Get`, `/Update` and `/Cancel`; for the rest the platform's public
//! documentation and published client code. Where these are silent, the comment at the place says "inferred".
//!
//! Paths: `/lyra/<brand>/api-payment/V4/<Service>` and the payer's page `/lyra/<brand>/t/<8 characters>`. The shops
//! and their passwords are in [`DEMO_SHOPS`], amounts that stand for faults in `GET /_control`.
//!
//! What it does not imitate:
//!
//! - `Charge/CreatePayment`, `Transaction/Capture` (a batch, Brazil only), tokens and the JavaScript form;
//! - means of payment (every payment is one VISA card), 3-D Secure, instalments, registering a card (their members are unknown ones),
//!   a capture so late that it is authorised later (`WAITING_*` only come from the control API);
//! - the night: the remittance and the end of a validation period come when the control API says so;
//! - notifications about an abandoned payment, one address for each mode and each rule, retries at the quarter hours
//!   (they come within a minute);
//! - delivery: e-mails, SMS and WhatsApp messages only reach the mailbox of the control API;
//! - the channels INVOICE and IVR (`PSP_1016`), templates (one name exists, its text is the usual one), data
//!   collection forms, the language deduced from a phone number;
//! - the Back Office and its settings (`INT_942` a reference is required, `PSP_1008` an expiration date ...), except
//!   the address of notifications and the actions of `back_office.rs`;
//! - addresses of a browser return for each result, and its signed data: `successUrl`, `refusedUrl`, `cancelUrl`, `errorUrl`
//!   and `returnMode` are unknown members, and so is `description`;
//! - members of the newest releases that nobody has told (`patch_answer` can add members to an order), call limits,
//!   HTTP 401 for wrong credentials (it answers 200).

mod back_office;
mod change;
mod channel;
mod codes;
mod customer;
mod draft;
mod envelope;
mod ipn;
mod order;
mod page;
mod payer;
mod rules;
mod seeds;
mod services;
mod shops;
#[cfg(test)]
mod tests;
mod text;
mod transaction;
mod transaction_services;
mod wishes;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use self::order::Order;
use self::transaction::Transaction;
use super::SandboxAccount;
use super::faults::FaultKind;
use super::magic::{Magic, On};
use super::platform::{
    self, Act, Call, ControlError, PayerAction, Platform, Received, Refusal, Target, answer, with_text_at,
};
use super::site::{self, Kept, Site, Start};

pub use shops::{DEMO_SHOPS, DemoShop, demo_shop};

/// The simulated platform, with a shop and a book of payment orders per brand. The orders are those of both modes.
pub(crate) type Lyra = Site<Order>;
type Book = site::Book<Order>;
type Orders = site::Orders<Order>;

/// What the platform keeps of a brand besides its orders.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Whether answers name the mode that is not the call's.
    names_other_mode: bool,
}

impl Kept for Order {
    type Shop = DemoShop;
    type Rest = Rest;

    fn id(&self) -> &str {
        &self.id
    }

    fn page(&self) -> &str {
        &self.token
    }
}

/// The amounts that stand for faults: the amount of the request for a creation or a change of the payment order, the payment
/// order's present amount for everything else, whatever became of its transactions.
const MAGIC: Magic = Magic {
    ranges: &[
        (On::Changes, &[services::CREATE, services::UPDATE, services::CANCEL], "PSP_606"),
        (On::Reads, &[services::GET], ""),
        (On::Cancels, &[services::CANCEL], "PSP_1005"),
        (On::Transactions, &services::OF_TRANSACTIONS, "PSP_011"),
        (On::Notifications, &[super::delivery::NOTIFICATION], ""),
    ],
    incident: "PSP_999",
    is_signed: false,
};

impl Orders {
    /// The order that has this transaction; the newest orders are looked at first.
    fn with_transaction(&mut self, uuid: &str) -> Option<&mut Order> {
        let of = |order: &&Order| order.transaction(uuid).is_some();
        let id = self.all().rev().find(of).map(|order| order.id.clone())?;
        self.get_mut(&id)
    }

    /// A token that no other order of the brand has.
    fn new_token(&self) -> String {
        loop {
            let digit = || char::from_digit(rand::random_range(0..36), 36).unwrap_or('0');
            let token: String = std::iter::repeat_with(digit).take(8).collect();
            if !self.has_page(&token) {
                return token;
            }
        }
    }
}

impl Lyra {
    pub(crate) fn new(start: &Start) -> Self {
        Self::empty("lyra", DEMO_SHOPS.map(|shop| (shop.brand, shop)), start)
    }

    /// What a call names; for a transaction, the payment order that it belongs to.
    fn read_call(&self, brand: &str, service: &str, request: &Received) -> Call {
        let mut call = services::read_call(brand, service, request);
        if let Some(uuid) = call.body.get("uuid").and_then(Value::as_str)
            && let Some(book) = self.book(brand)
        {
            call.order = book.orders().with_transaction(uuid).map(|order| order.id.clone());
        }
        call
    }

    /// Address of the payment page.
    fn link(&self, book: &Book, order: &Order) -> String {
        self.url(book.brand, &format!("/t/{}", order.token))
    }

    /// The order as the services answer it.
    fn shown(&self, book: &Book, order: &Order) -> Value {
        order.answer(&self.link(book, order), self.now())
    }
}

impl Platform for Lyra {
    fn name(&self) -> &'static str {
        "lyra"
    }

    fn target(&self, request: &Received) -> Target {
        let mut parts = request.path.trim_start_matches('/').splitn(4, '/').skip(1);
        let brand = parts.next().unwrap_or_default();
        if self.book(brand).is_none() {
            return Target::Nothing;
        }
        match (parts.next(), parts.next()) {
            (Some("t"), Some(_)) => Target::Page,
            // Every operation is a POST, reads included.
            (Some("api-payment"), Some(rest)) if request.method == Method::POST => {
                match rest.strip_prefix("V4/") {
                    Some(service) => Target::Service(self.read_call(brand, service, request)),
                    None => Target::Nothing,
                }
            }
            _ => Target::Nothing,
        }
    }

    fn magic(&self, call: &Call) -> Option<FaultKind> {
        let present = || {
            let orders = self.book(&call.brand)?.orders();
            orders.get(call.order.as_ref()?).map(|order| order.amount)
        };
        let service = call.service.as_str();
        let names_amount = [services::CREATE, services::UPDATE].contains(&service);
        let asked = || call.body.get("amount").and_then(Value::as_i64);
        MAGIC.fault(service, if names_amount { asked() } else { present() })
    }

    fn serve(&self, call: &Call, request: &Received) -> Response<Bytes> {
        self.run(call, request)
    }

    fn refuse(&self, call: &Call, refusal: &Refusal) -> Response<Bytes> {
        let Some(book) = self.book(&call.brand) else {
            // Not reached: the paths of this platform name only brands it has.
            return answer(StatusCode::NOT_FOUND, "text/plain", "no such brand\n");
        };
        self.envelope(book, call).error(refusal, Some(book.shop.shop_id))
    }

    fn incident(&self) -> Refusal {
        Refusal::new("PSP_999")
    }

    fn with_payer_address(&self, _call: &Call, answer: Response<Bytes>, address: &str) -> Response<Bytes> {
        with_text_at(answer, &["/answer/paymentURL"], address)
    }

    fn page(&self, request: &Received) -> Response<Bytes> {
        self.payment_page(request)
    }

    fn add_order(&self, brand: &str, draft: &Value) -> Result<String, ControlError> {
        draft::add(self, self.known(brand)?, draft)
    }

    fn set_status(&self, brand: &str, order: &str, status: &str) -> Result<(), ControlError> {
        self.with_order(brand, order, |_, order| status.clone_into(&mut order.status))
    }

    fn patch_answer(&self, brand: &str, order: &str, patch: Option<Value>) -> Result<(), ControlError> {
        self.with_order(brand, order, |_, order| order.patch = patch)
    }

    fn add_transaction(&self, brand: &str, order: &str, patch: &Value) -> Result<String, ControlError> {
        let now = self.now();
        self.with_order(brand, order, |_, order| {
            let mut added = Transaction::debit(order, "AUTHORISED", now);
            added.bend(patch);
            let uuid = added.uuid.clone();
            order.transactions.push(added);
            uuid
        })
    }

    fn act(&self, brand: &str, act: &Act) -> Result<Value, ControlError> {
        self.back_office(brand, act)
    }

    fn sandbox_accounts(&self, base: &str) -> Vec<SandboxAccount> {
        DEMO_SHOPS
            .iter()
            .filter(|shop| shop.in_sandbox)
            .map(|shop| SandboxAccount {
                name: shop.brand,
                provider: "lyra",
                settings: vec![
                    ("brand", shop.brand.to_owned()),
                    ("base_url", format!("{base}/lyra/{}/api-payment/", shop.brand)),
                    ("shop_id", shop.shop_id.to_owned()),
                    ("password", shop.password.to_owned()),
                ],
            })
            .collect()
    }

    fn payer(&self, brand: &str, order: &str, action: PayerAction) -> Result<String, ControlError> {
        self.pay(self.known(brand)?, order, action)
    }

    fn order(&self, brand: &str, order: &str) -> Result<Value, ControlError> {
        self.with_order(brand, order, |book, order| self.shown(book, order))
    }

    fn orders(&self, brand: &str) -> Result<Vec<Value>, ControlError> {
        let book = self.known(brand)?;
        Ok(book.orders().all().map(|order| self.shown(book, order)).collect())
    }

    fn help(&self) -> Value {
        let shops = DEMO_SHOPS.map(|shop| {
            json!({
                "brand": shop.brand,
                "base_url": self.url(shop.brand, "/api-payment/"),
                "shop_id": shop.shop_id,
                "password": shop.password,
                "production_password": shop.production_password,
                "currencies": shop.currencies,
            })
        });
        json!({
            "note": "The credentials are public and worth nothing.",
            "shops": shops,
            "services": services::SERVICES,
            "actions": platform::actions(back_office::ACTIONS.iter().map(|(name, meaning, _)| (*name, *meaning))),
            "magic_amounts": MAGIC.help(),
        })
    }

    fn reset(&self) {
        self.clear();
        if self.seed_samples {
            seeds::add(self);
        }
    }
}
