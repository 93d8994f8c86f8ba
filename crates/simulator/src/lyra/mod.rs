//! The Lyra platform, REST API V4, as the brands Systempay and EpayNC show it, and Mi Cuenta Web with the currencies of
//! Latin America.
//!
//! Source: provider pages `Charge/PaymentOrder/Get`, `/Update` and `/Cancel`; for the rest the platform's public
//! documentation and published client code. Where these are silent, the comment at the place says "inferred".
//!
//! Paths: `/lyra/<brand>/api-payment/V4/<Service>` and the payer's page `/lyra/<brand>/t/<8 characters>`. The shops
//! and their passwords are in [`DEMO_SHOPS`], amounts that stand for faults in `magic.rs` and `GET /_control`.
//!
//! What it does not imitate:
//!
//! - `Charge/CreatePayment`, `Transaction/Capture` (a batch, Brazil only), tokens and the JavaScript form;
//! - means of payment (every payment is one VISA card), 3-D Secure, instalments, registering a card (`REGISTER*` is accepted and
//!   has no effect), a capture so late that it is authorised later (`WAITING_*` only come from the control API);
//! - the night: the remittance and the end of a validation period come when the control API says so;
//! - notifications about an abandoned payment, one address for each mode and each rule, retries at the quarter hours
//!   (they come within a minute);
//! - delivery: e-mails, SMS and WhatsApp messages only reach the mailbox of the control API;
//! - the channels INVOICE and IVR (`PSP_1016`), templates (one name exists, its text is the usual one), data
//!   collection forms, the language deduced from a phone number;
//! - the Back Office and its settings (`INT_942` a reference is required, `PSP_1008` an expiration date ...), except
//!   the address of notifications and the actions of `back_office.rs`;
//! - `errorUrl`: it is checked, and no technical failure sends a payer there;
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
mod magic;
mod members;
mod order;
mod page;
mod payer;
mod record;
mod rules;
mod seeds;
mod services;
mod shops;
mod text;
mod transaction;
mod transaction_services;
mod wishes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use indexmap::IndexMap;
use serde_json::{Value, json};

use self::order::Order;
use self::transaction::Transaction;
use super::SandboxAccount;
use super::exchange::Frame;
use super::faults::FaultKind;
use super::platform::{
    Call, ControlError, PayerAction, Platform, Received, Refusal, Target, answer, with_text_at,
};
use super::recent::lock;

pub use shops::{DEMO_SHOPS, DemoShop, demo_shop};

/// The simulated platform, with a book of orders per brand.
#[derive(Debug)]
pub(crate) struct Lyra {
    frame: Arc<Frame>,
    public_url: String,
    seed_samples: bool,
    books: Vec<Book>,
}

/// One brand: its shop and its orders.
#[derive(Debug)]
struct Book {
    shop: DemoShop,
    /// Whether answers name the mode that is not the call's.
    names_other_mode: AtomicBool,
    orders: Mutex<Orders>,
}

/// Orders of both modes by identifier, oldest first, and the way from a payment page's token to them.
#[derive(Debug, Default)]
struct Orders {
    by_id: IndexMap<String, Order>,
    by_token: IndexMap<String, String>,
}

impl Orders {
    fn insert(&mut self, order: Order) {
        self.by_token.insert(order.token.clone(), order.id.clone());
        self.by_id.insert(order.id.clone(), order);
    }

    /// The order that has this transaction; the newest orders are looked at first.
    fn with_transaction(&self, uuid: &str) -> Option<&Order> {
        self.by_id.values().rev().find(|order| order.transactions.iter().any(|one| one.uuid == uuid))
    }

    /// A token that no other order of the brand has.
    fn new_token(&self) -> String {
        loop {
            let digit = || char::from_digit(rand::random_range(0..36), 36).unwrap_or('0');
            let token: String = std::iter::repeat_with(digit).take(8).collect();
            if !self.by_token.contains_key(&token) {
                return token;
            }
        }
    }
}

impl Book {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        lock(&self.orders)
    }
}

impl Lyra {
    /// `public_url` has no slash at its end.
    pub(crate) fn new(frame: Arc<Frame>, public_url: &str, seed_samples: bool) -> Self {
        let books = DEMO_SHOPS
            .map(|shop| Book { shop, names_other_mode: AtomicBool::new(false), orders: Mutex::default() })
            .into();
        let lyra = Self { frame, public_url: public_url.to_owned(), seed_samples, books };
        lyra.reset();
        lyra
    }

    fn book(&self, brand: &str) -> Option<&Book> {
        self.books.iter().find(|book| book.shop.brand == brand)
    }

    fn known_book(&self, brand: &str) -> Result<&Book, ControlError> {
        self.book(brand).ok_or_else(|| ControlError::NotFound(format!("brand {brand}")))
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
    fn link(&self, book: &Book, token: &str) -> String {
        format!("{}/lyra/{}/t/{token}", self.public_url, book.shop.brand)
    }

    /// Lets the control API change an order.
    fn with_order<T>(
        &self,
        brand: &str,
        id: &str,
        change: impl FnOnce(&Book, &mut Order) -> T,
    ) -> Result<T, ControlError> {
        let book = self.known_book(brand)?;
        let mut orders = book.orders();
        let order = orders.by_id.get_mut(id).ok_or_else(|| ControlError::NotFound(format!("order {id}")))?;
        Ok(change(book, order))
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
            orders.by_id.get(call.order.as_ref()?).map(|order| order.amount)
        };
        magic::fault(call, present)
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
        draft::add(self, self.known_book(brand)?, draft)
    }

    fn set_status(&self, brand: &str, order: &str, status: &str) -> Result<(), ControlError> {
        self.with_order(brand, order, |_, order| status.clone_into(&mut order.status))
    }

    fn patch_answer(&self, brand: &str, order: &str, patch: &Value) -> Result<(), ControlError> {
        let patch = Some(patch.clone()).filter(|patch| !patch.is_null());
        self.with_order(brand, order, |_, order| order.patch = patch)
    }

    fn add_transaction(&self, brand: &str, order: &str, patch: &Value) -> Result<String, ControlError> {
        let now = self.frame.clock.now();
        self.with_order(brand, order, |_, order| {
            let mut added = Transaction::debit(order, "AUTHORISED", now);
            added.bend(patch);
            let uuid = added.uuid.clone();
            order.transactions.push(added);
            uuid
        })
    }

    fn act(
        &self,
        brand: &str,
        order: Option<&str>,
        action: &str,
        amount: Option<i64>,
    ) -> Result<Value, ControlError> {
        self.back_office(brand, order, action, amount)
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
        let attempt = self.pay(self.known_book(brand)?, order, action)?;
        Ok(attempt.status)
    }

    fn order(&self, brand: &str, order: &str) -> Result<Value, ControlError> {
        let now = self.frame.clock.now();
        self.with_order(brand, order, |book, order| order.answer(&self.link(book, &order.token), now))
    }

    fn orders(&self, brand: &str) -> Result<Vec<Value>, ControlError> {
        let now = self.frame.clock.now();
        let book = self.known_book(brand)?;
        let answers = book
            .orders()
            .by_id
            .values()
            .map(|order| order.answer(&self.link(book, &order.token), now))
            .collect();
        Ok(answers)
    }

    fn help(&self) -> Value {
        let shops: Vec<_> = DEMO_SHOPS
            .iter()
            .map(|shop| {
                json!({
                    "brand": shop.brand,
                    "base_url": format!("{}/lyra/{}/api-payment/", self.public_url, shop.brand),
                    "shop_id": shop.shop_id,
                    "password": shop.password,
                    "production_password": shop.production_password,
                    "hmac_key": shop.hmac_key,
                    "production_hmac_key": shop.production_hmac_key,
                    "currencies": shop.currencies,
                })
            })
            .collect();
        json!({
            "note": "The credentials are public and worth nothing.",
            "shops": shops,
            "services": services::SERVICES,
            "actions": back_office::help(),
            "magic_amounts": magic::help(),
        })
    }

    fn reset(&self) {
        for book in &self.books {
            *book.orders() = Orders::default();
            book.names_other_mode.store(false, Ordering::SeqCst);
        }
        if self.seed_samples {
            seeds::add(self);
        }
    }
}
