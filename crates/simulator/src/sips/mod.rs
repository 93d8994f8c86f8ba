//! Worldline Sips 2.0, the JSON interfaces Office and Paypage, as Sherlock's and its other brands show them.
//!
//! Source: provider page `cashManagement/cancel` of Sherlock's, interface 2.55; for the rest the platform's public
//! documentation (Paypage JSON and POST guides, Office guide, data dictionary, releases 22.5 to 25.2), the SDKs that
//! Worldline publishes and third-party clients. Where these are silent, the comment at the place says "inferred".
//!
//! Paths: `/sips/<brand>/rs-services/v2/<service>`, the payer's page `/sips/<brand>/paypage`, and `/sips/<brand>/paymentInit`
//! for the payment requests of the POST channel. The shops and their keys are in `shops.rs`, actions in `acts.rs`; both and
//! the amounts that stand for faults are in `GET /_control`.
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
mod members;
mod office;
mod page;
mod payer;
mod post;
mod result;
#[cfg(test)]
mod rig;
mod seal;
mod services;
mod shops;
#[cfg(test)]
mod tests;
mod transaction;

use bytes::Bytes;
use http::{Method, Response};
use serde_json::{Value, json};

use self::members::Version;
use self::payer::Ending;
use self::shops::{BRANDS, DEMO_MERCHANT, SHOPS, shop};
use self::transaction::{PAGE_OPEN, Transaction, key};
use super::SandboxAccount;
use super::faults::FaultKind;
use super::ledger::Effect;
use super::magic::{Magic, On};
use super::platform::{
    self, Act, Call, ControlError, PayerAction, Platform, Received, Refusal, Target, with_text_at,
};
use super::site::{self, Kept, Site, Start};

/// The interface in which the control API shows an order: the one that the provider page recommends.
const SHOWN_INTERFACE: Version = Version::new(2, 55);

/// The simulated platform, with a book of the transactions of all shops per brand.
pub(crate) type Sips = Site<Transaction>;
type Book = site::Book<Transaction>;

/// What the platform keeps of a brand besides its transactions.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Whether later payments reach the database only when told to.
    slow_storage: bool,
    last_s10_id: u32,
}

impl Rest {
    /// A number that the platform gives itself.
    fn next_s10_id(&mut self) -> String {
        self.last_s10_id = self.last_s10_id.wrapping_add(1) % 1_000_000;
        self.last_s10_id.to_string()
    }
}

impl Kept for Transaction {
    type Shop = ();
    type Rest = Rest;

    fn id(&self) -> &str {
        &self.id
    }

    /// An identifier belongs to one shop only.
    fn key(&self) -> String {
        key(&self.merchant_id, &self.id)
    }

    fn page(&self) -> &str {
        &self.page.data
    }
}

/// The amounts that stand for faults: the amount of the request for a creation, else the order's present amount.
const MAGIC: Magic = Magic {
    ranges: &[
        (On::Changes, &[services::INIT, services::CANCEL, services::VALIDATE, services::REFUND], "12"),
        (On::Reads, &[services::READ], ""),
        (On::Cancels, &[services::CANCEL, services::VALIDATE, services::REFUND], "24"),
    ],
    incident: "99",
    is_signed: true,
};

impl Sips {
    pub(crate) fn new(start: &Start) -> Self {
        Self::empty("sips", BRANDS.map(|brand| (brand, ())), start)
    }

    /// `redirectionUrl`.
    fn page_url(&self, book: &Book) -> String {
        self.url(book.brand, "/paypage")
    }

    /// What the control API shows: the answer of a read, and the way to the page while it is open.
    fn shown(&self, book: &Book, made: &Transaction) -> Value {
        let mut answer = made.answer(SHOWN_INTERFACE, self.now());
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

    /// Enters what was done to a transaction, which had this amount and status before. Currencies are in letters in the
    /// ledger, whatever the platform.
    fn changed(
        &self,
        book: &Book,
        action: &str,
        before: Option<(i64, String)>,
        made: &Transaction,
        request: Option<u64>,
    ) {
        let (amount_before, status_before) = before.unzip();
        // A validation takes the amount it names and lets the rest go; the others move what is gone.
        let moved = match action {
            "capture" => Some(made.amount),
            _ => amount_before.map(|before| before.saturating_sub(made.amount).saturating_abs()),
        };
        let letters = currency::currency(&made.currency).map(|currency| currency.letters.to_owned());
        let effect = Effect {
            action: action.to_owned(),
            order: made.id.clone(),
            amount: moved.filter(|part| *part > 0),
            amount_before,
            amount_after: made.amount,
            currency: letters.unwrap_or_else(|| made.currency.clone()),
            status_before,
            status_after: made.status_at(self.now()).to_owned(),
            request,
            ..Effect::default()
        };
        self.enter(book, effect);
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
            let orders = self.book(&call.brand)?.orders();
            orders.get(&key(call.shop.as_ref()?, call.order.as_ref()?)).map(|made| made.amount)
        };
        let asked = || members::digits(call.body.get("amount")?)?.parse().ok();
        MAGIC.fault(&call.service, if call.service == services::INIT { asked() } else { present() })
    }

    fn serve(&self, call: &Call, request: &Received) -> Response<Bytes> {
        self.run(call, request)
    }

    /// Its detailed code is the acquirer's, its detailed message the name of a member. A 24 tells the present state.
    fn refuse(&self, call: &Call, refusal: &Refusal) -> Response<Bytes> {
        let mut answer = answer::refused(refusal, &call.service, services::version(&call.body));
        if refusal.code == "24"
            && let (Some(book), Some(shop), Some(order)) = (self.book(&call.brand), &call.shop, &call.order)
            && let Some(made) = book.orders().get(&key(shop, order))
        {
            made.write_state(&mut answer, self.now());
        }
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
        draft::add(self, self.known(brand)?, draft)
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

    fn patch_answer(&self, brand: &str, order: &str, patch: Option<Value>) -> Result<(), ControlError> {
        self.with_order(brand, order, |_, made| made.patch = patch)
    }

    fn add_transaction(&self, brand: &str, order: &str, _: &Value) -> Result<String, ControlError> {
        let refused = "an order of this platform is one transaction, there is no other to add";
        self.with_order(brand, order, |_, _| Err(ControlError::Invalid(refused.to_owned())))?
    }

    fn payer(&self, brand: &str, order: &str, action: PayerAction) -> Result<String, ControlError> {
        let book = self.known(brand)?;
        let ending = match action {
            PayerAction::Pay => Ending::Accepted,
            PayerAction::Decline => Ending::Refused,
            PayerAction::Leave => return self.with_order(brand, order, |_, made| made.status.clone()),
        };
        self.finish(book, order, ending).map(|made| made.status)
    }

    fn act(&self, brand: &str, act: &Act) -> Result<Value, ControlError> {
        self.do_action(self.known(brand)?, act)
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
        let book = self.known(brand)?;
        Ok(book.orders().all().map(|made| self.shown(book, made)).collect())
    }

    fn help(&self) -> Value {
        let shops = SHOPS.map(|shop| {
            json!({
                "merchant_id": shop.merchant_id,
                "secret_key_1": shop.secret("1"),
                "secret_key_2": shop.secret("2"),
                "named_by": shop.naming.word(),
                "cancel_and_refund": shop.cash_options,
            })
        });
        let brands = BRANDS.map(|brand| {
            let url = self.url(brand, "");
            json!({"brand": brand, "office_url": url, "paypage_url": url})
        });
        json!({
            "note": "The keys are public and worth nothing. Every shop exists at every brand.",
            "brands": brands,
            "shops": shops,
            "services": services::SERVICES,
            "actions": platform::actions(acts::ACTIONS),
            "magic_amounts": MAGIC.help(),
        })
    }

    fn reset(&self) {
        self.clear();
        if self.seed_samples {
            draft::add_sample(self);
        }
    }
}
