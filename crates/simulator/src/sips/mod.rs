//! Worldline Sips 2.0, the JSON interfaces Office and Paypage, as Sherlock's and its other brands show them.
//!
//! Source: provider page `cashManagement/cancel` of Sherlock's, interface 2.55; for the rest the platform's public
//! documentation (Paypage JSON and POST guides, Office guide, data dictionary, releases 22.5 to 25.2), the SDKs that
//! Worldline publishes and third-party clients. Where these are silent, the comment at the place says "inferred".
//!
//! Paths: `/sips/<brand>/rs-services/v2/<service>`, the payer's page `/sips/<brand>/paypage`, and `/sips/<brand>/paymentInit`
//! for the payment requests of the POST channel. The shops and their
//! keys are in `shops.rs`, amounts that stand for faults in `magic.rs`, actions in `acts.rs`; all in `GET /_control`.
//!
//! What it does not imitate:
//!
//! - `duplicate`, `recycle`, `creditHolder`, `acceptChallenge`, `refuseChallenge` (actions of the control API here),
//!   `getFraudData`, `checkout/*`, wallets, tokens, fraud lists, the SOAP twin;
//! - cards, 3-D Secure, several tries on one page (75), payments that stay open (60, 62), instalments, currencies
//!   that a shop's contract leaves out, refunds above the amount, service providers between merchant and platform;
//! - hours: operations are possible during the remittance, and the remittance is an action of the control API;
//! - the end of a page by the clock alone: nobody can pay there any more, but result 97 comes with the action `expire`;
//! - interfaces that brought a member, where the provider page does not tell them; `paymentInit` has no check of them.

mod acts;
mod answer;
mod currency;
mod dates;
mod draft;
mod init;
mod magic;
mod members;
mod office;
mod page;
mod payer;
mod post;
mod record;
mod result;
#[cfg(test)]
mod rig;
mod seal;
mod services;
mod shops;
mod transaction;

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Method, Response};
use indexmap::IndexMap;
use serde_json::{Value, json};

use self::answer::Denial;
use self::members::Version;
use self::payer::Ending;
use self::shops::{BRANDS, DEMO_MERCHANT, SHOPS, shop};
use self::transaction::{PAGE_OPEN, Transaction};
use super::SandboxAccount;
use super::exchange::Frame;
use super::faults::FaultKind;
use super::platform::{Call, ControlError, PayerAction, Platform, Received, Refusal, Target, with_text_at};
use super::recent::lock;

/// The interface in which the control API shows an order: the one that the provider page recommends.
const SHOWN_INTERFACE: Version = Version::new(2, 55);

/// The simulated platform, with a book of transactions per brand.
#[derive(Debug)]
pub(crate) struct Sips {
    frame: Arc<Frame>,
    public_url: String,
    seed_samples: bool,
    books: Vec<Book>,
}

/// One brand and its transactions.
#[derive(Debug)]
struct Book {
    brand: &'static str,
    transactions: Mutex<Transactions>,
}

/// Transactions of all shops, oldest first.
#[derive(Debug, Default)]
struct Transactions {
    /// By merchant and identifier: an identifier belongs to one shop only.
    by_key: IndexMap<String, Transaction>,
    /// From `redirectionData` to the key above.
    by_page: IndexMap<String, String>,
    /// Whether later payments reach the database only when told to.
    slow_storage: bool,
    last_s10_id: u32,
}

fn key(merchant_id: &str, id: &str) -> String {
    format!("{merchant_id}/{id}")
}

impl Transactions {
    fn insert(&mut self, made: Transaction) {
        let key = key(&made.merchant_id, &made.id);
        self.by_page.insert(made.page.data.clone(), key.clone());
        self.by_key.insert(key, made);
    }

    fn get(&self, merchant_id: &str, id: &str) -> Option<&Transaction> {
        self.by_key.get(&key(merchant_id, id))
    }

    fn get_mut(&mut self, merchant_id: &str, id: &str) -> Option<&mut Transaction> {
        self.by_key.get_mut(&key(merchant_id, id))
    }

    /// The one that a control call names; the oldest where two shops use the same identifier.
    fn named_mut(&mut self, id: &str) -> Result<&mut Transaction, ControlError> {
        let found = self.by_key.values_mut().find(|made| made.id == id);
        found.ok_or_else(|| ControlError::NotFound(format!("order {id}")))
    }

    fn of_page_mut(&mut self, data: &str) -> Option<&mut Transaction> {
        self.by_key.get_mut(self.by_page.get(data)?)
    }

    /// A number that the platform gives itself.
    fn next_s10_id(&mut self) -> String {
        self.last_s10_id = self.last_s10_id.wrapping_add(1) % 1_000_000;
        self.last_s10_id.to_string()
    }
}

impl Book {
    fn transactions(&self) -> MutexGuard<'_, Transactions> {
        lock(&self.transactions)
    }
}

impl Sips {
    /// `public_url` has no slash at its end.
    pub(crate) fn new(frame: Arc<Frame>, public_url: &str, seed_samples: bool) -> Self {
        let books = BRANDS.map(|brand| Book { brand, transactions: Mutex::default() }).into();
        let sips = Self { frame, public_url: public_url.to_owned(), seed_samples, books };
        sips.reset();
        sips
    }

    fn book(&self, brand: &str) -> Option<&Book> {
        self.books.iter().find(|book| book.brand == brand)
    }

    fn known_book(&self, brand: &str) -> Result<&Book, ControlError> {
        self.book(brand).ok_or_else(|| ControlError::NotFound(format!("brand {brand}")))
    }

    /// `redirectionUrl`.
    fn page_url(&self, book: &Book) -> String {
        format!("{}/sips/{}/paypage", self.public_url, book.brand)
    }

    /// Lets the control API change an order.
    fn with_order<T>(
        &self,
        brand: &str,
        id: &str,
        change: impl FnOnce(&Book, &mut Transaction) -> T,
    ) -> Result<T, ControlError> {
        let book = self.known_book(brand)?;
        let mut transactions = book.transactions();
        Ok(change(book, transactions.named_mut(id)?))
    }

    /// What the control API shows: the answer of a read, and the way to the page while it is open.
    fn shown(&self, book: &Book, made: &Transaction) -> Value {
        let mut answer = made.answer(SHOWN_INTERFACE, self.frame.clock.now());
        if made.status == PAGE_OPEN {
            for (name, value) in [
                ("redirectionUrl", self.page_url(book)),
                ("redirectionData", made.page.data.clone()),
                ("redirectionVersion", answer::REDIRECTION_VERSION.to_owned()),
            ] {
                answer.insert(name.to_owned(), value.into());
            }
        }
        Value::Object(answer)
    }
}

impl Platform for Sips {
    fn name(&self) -> &'static str {
        "sips"
    }

    fn target(&self, request: &Received) -> Target {
        let mut parts = request.path.trim_start_matches('/').splitn(3, '/').skip(1);
        let (brand, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if self.book(brand).is_none() {
            return Target::Nothing;
        }
        if rest == "paypage" || rest == post::ADDRESS {
            return Target::Page;
        }
        // Every operation is a POST, reads included. A slash at the end is usual for `paymentInit`.
        match rest.strip_prefix("rs-services/v2/").map(|service| service.trim_end_matches('/')) {
            Some(service) if services::SERVICES.contains(&service) && request.method == Method::POST => {
                Target::Service(services::read_call(brand, service, &request.body))
            }
            _ => Target::Nothing,
        }
    }

    fn magic(&self, call: &Call) -> Option<FaultKind> {
        let present = || {
            let transactions = self.book(&call.brand)?.transactions();
            transactions.get(call.shop.as_ref()?, call.order.as_ref()?).map(|made| made.amount)
        };
        magic::fault(call, present)
    }

    fn serve(&self, call: &Call, request: &Received) -> Response<Bytes> {
        self.run(call, request)
    }

    fn refuse(&self, call: &Call, refusal: &Refusal) -> Response<Bytes> {
        let mut denial = Denial::ordered(refusal);
        if denial.code == "24"
            && let (Some(book), Some(shop), Some(order)) = (self.book(&call.brand), &call.shop, &call.order)
            && let Some(made) = book.transactions().get(shop, order)
        {
            denial = denial.state(made.state(self.frame.clock.now()));
        }
        let answer = denial.answer(&call.service, services::version(&call.body));
        answer::sealed(answer, services::signer(&call.body).as_ref())
    }

    fn incident(&self) -> Refusal {
        Refusal::new("99")
    }

    fn with_bad_signature(&self, answer: Response<Bytes>) -> Response<Bytes> {
        answer::with_seal(answer, |seal| Some(answer::wrong_seal(seal)))
    }

    fn without_signature(&self, answer: Response<Bytes>) -> Response<Bytes> {
        answer::with_seal(answer, |_| None)
    }

    fn with_payer_address(&self, call: &Call, answer: Response<Bytes>, address: &str) -> Response<Bytes> {
        let answer = with_text_at(answer, &["/redirectionUrl"], address);
        let Ok(Value::Object(mut members)) = serde_json::from_slice(answer.body()) else { return answer };
        members.remove("seal");
        answer::sealed(members, services::signer(&call.body).as_ref())
    }

    fn page(&self, request: &Received) -> Response<Bytes> {
        self.payment_page(request)
    }

    fn add_order(&self, brand: &str, draft: &Value) -> Result<String, ControlError> {
        draft::add(self, self.known_book(brand)?, draft)
    }

    fn set_status(&self, brand: &str, order: &str, status: &str) -> Result<(), ControlError> {
        self.with_order(brand, order, |_, made| {
            status.clone_into(&mut made.status);
            made.stored = status != PAGE_OPEN;
            if made.stored && made.response_code.is_empty() {
                "00".clone_into(&mut made.response_code);
            }
        })
    }

    fn patch_answer(&self, brand: &str, order: &str, patch: &Value) -> Result<(), ControlError> {
        let patch = Some(patch.clone()).filter(|patch| !patch.is_null());
        self.with_order(brand, order, |_, made| made.patch = patch)
    }

    fn add_transaction(&self, brand: &str, order: &str, _: &Value) -> Result<String, ControlError> {
        let refused = "an order of this platform is one transaction, there is no other to add";
        self.with_order(brand, order, |_, _| Err(ControlError::Invalid(refused.to_owned())))?
    }

    fn payer(&self, brand: &str, order: &str, action: PayerAction) -> Result<String, ControlError> {
        let book = self.known_book(brand)?;
        let ending = match action {
            PayerAction::Pay => Ending::Accepted,
            PayerAction::Decline => Ending::Refused,
            PayerAction::Leave => return self.with_order(brand, order, |_, made| made.status.clone()),
        };
        self.finish(book, order, ending).map(|made| made.status)
    }

    fn act(
        &self,
        brand: &str,
        order: Option<&str>,
        action: &str,
        amount: Option<i64>,
    ) -> Result<Value, ControlError> {
        self.do_action(self.known_book(brand)?, order, action, amount)
    }

    fn sandbox_accounts(&self, base: &str) -> Vec<SandboxAccount> {
        let secret = shop(DEMO_MERCHANT).and_then(|shop| shop.secret("1")).unwrap_or_default();
        vec![SandboxAccount {
            name: "sherlocks",
            provider: "sips",
            settings: vec![
                ("brand", "sherlocks".to_owned()),
                ("environment", "test".to_owned()),
                ("office_url", format!("{base}/sips/sherlocks")),
                ("paypage_url", format!("{base}/sips/sherlocks")),
                ("merchant_id", DEMO_MERCHANT.to_owned()),
                ("key_version", "1".to_owned()),
                ("secret_key", secret),
                ("seal_algorithm", "HMAC-SHA-256".to_owned()),
                ("reference_by", "merchant".to_owned()),
            ],
        }]
    }

    fn order(&self, brand: &str, order: &str) -> Result<Value, ControlError> {
        self.with_order(brand, order, |book, made| self.shown(book, made))
    }

    fn orders(&self, brand: &str) -> Result<Vec<Value>, ControlError> {
        let book = self.known_book(brand)?;
        let transactions = book.transactions();
        Ok(transactions.by_key.values().map(|made| self.shown(book, made)).collect())
    }

    fn help(&self) -> Value {
        let shops: Vec<_> = SHOPS
            .iter()
            .map(|shop| {
                json!({
                    "merchant_id": shop.merchant_id,
                    "secret_key_1": shop.secret("1"),
                    "secret_key_2": shop.secret("2"),
                    "named_by": shop.naming.word(),
                    "cancel_and_refund": shop.cash_options,
                })
            })
            .collect();
        let url = |brand: &str| format!("{}/sips/{brand}", self.public_url);
        let actions: Vec<_> = acts::ACTIONS
            .iter()
            .map(|(action, meaning)| json!({"action": action, "meaning": meaning}))
            .collect();
        json!({
            "note": "The keys are public and worth nothing. Every shop exists at every brand.",
            "brands": BRANDS.map(|brand| json!({"brand": brand, "office_url": url(brand), "paypage_url": url(brand)})),
            "shops": shops,
            "services": services::SERVICES,
            "actions": actions,
            "magic_amounts": magic::help(),
        })
    }

    fn reset(&self) {
        for book in &self.books {
            *book.transactions() = Transactions::default();
        }
        if self.seed_samples {
            draft::add_sample(self);
        }
    }
}
