//! The services: who asks, with which key and interface, and what a call names.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::answer::{Signer, infrastructure, sealed};
use super::members::{self, Version, digits, malformed, missing, unfit};
use super::seal::{Algorithm, sealed_text};
use super::shops::{Shop, shop};
use super::transaction::{key, s10_name};
use super::{Book, Sips};
use crate::platform::{Call, Platform, Received, Refusal};

/// Names of the services: the part of their paths behind `rs-services/v2/`.
pub(super) const CANCEL: &str = "cashManagement/cancel";
pub(super) const VALIDATE: &str = "cashManagement/validate";
pub(super) const REFUND: &str = "cashManagement/refund";
pub(super) const READ: &str = "diagnostic/getTransactionData";
pub(super) const INIT: &str = "paymentInit";

/// All services of this simulator.
pub(super) const SERVICES: [&str; 5] = [CANCEL, VALIDATE, REFUND, READ, INIT];

/// Interfaces known here, the newest of each kind. Source: Office and Paypage guides, release 25.2.
pub(super) const NEWEST_TWO: Version = Version::new(2, 58);
pub(super) const NEWEST_PAGE: Version = Version::new(3, 4);

/// What a call names, for the log and the fault plan.
pub(super) fn read_call(brand: &str, service: &str, body: &[u8]) -> Call {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let order = body.as_object().and_then(members::reference).or_else(|| {
        let pair = body.get("s10TransactionReference")?;
        let date = pair.get("s10TransactionIdDate")?.as_str()?;
        Some(s10_name(&digits(pair.get("s10TransactionId")?)?, date))
    });
    Call {
        brand: brand.to_owned(),
        service: service.to_owned(),
        shop: text("merchantId"),
        order,
        reference: text("orderId"),
        body,
        mode: None,
        sequence: None,
    }
}

/// What seals the answer to this request, if the merchant and the key are known. An algorithm that does not exist
/// counts as none.
pub(super) fn signer(body: &Value) -> Option<Signer> {
    // The key would be that of the service provider in between, and there is none here.
    if body.get("intermediateServiceProviderId").is_some_and(|value| !value.is_null()) {
        return None;
    }
    let shop = shop(body.get("merchantId")?.as_str()?)?;
    let secret = shop.secret(&digits(body.get("keyVersion")?)?)?;
    let named = body.get("sealAlgorithm").and_then(Value::as_str).and_then(Algorithm::named);
    Some(Signer { algorithm: named.unwrap_or(Algorithm::JSON_DEFAULT), secret })
}

/// Number of the interface that the request asks for, where it can be read.
pub(super) fn version(body: &Value) -> Option<Version> {
    Version::split(body.get("interfaceVersion")?.as_str()?).map(|(_, version)| version)
}

/// One call whose seal is right.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) book: &'a Book,
    pub(super) shop: Shop,
    pub(super) call: &'a Call,
    pub(super) members: &'a Map<String, Value>,
    pub(super) version: Version,
    pub(super) key_version: String,
    pub(super) now: Timestamp,
}

impl Sips {
    /// Answers a service call.
    pub(super) fn run(&self, call: &Call, request: &Received) -> Response<Bytes> {
        let Some(book) = self.book(&call.brand) else {
            // Not reached: the paths of this platform name only brands it has.
            return infrastructure(StatusCode::NOT_FOUND);
        };
        let is_json = request.header(&CONTENT_TYPE).is_some_and(|kind| {
            kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        });
        if !is_json {
            return infrastructure(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let Some(members) = call.body.as_object() else {
            // Inferred: what a body that is not a JSON object gets.
            return infrastructure(StatusCode::BAD_REQUEST);
        };
        match open(book, call, members, self.now()).and_then(|session| self.dispatch(&session)) {
            Ok(answer) => sealed(answer, signer(&call.body).as_ref()),
            Err(refusal) => self.refuse(call, &refusal),
        }
    }

    fn dispatch(&self, session: &Session<'_>) -> Result<Map<String, Value>, Refusal> {
        match session.call.service.as_str() {
            INIT => self.open_page(session),
            READ => read(session),
            _ => self.cash(session),
        }
    }
}

/// Who asks, in this order: merchant, key, algorithm, seal, interface. The order is inferred, but for the first two,
/// without which no answer can be signed.
fn open<'a>(
    book: &'a Book,
    call: &'a Call,
    members: &'a Map<String, Value>,
    now: Timestamp,
) -> Result<Session<'a>, Refusal> {
    let present = |name: &str| members.get(name).filter(|value| !value.is_null());
    let needed = |name: &str| present(name).ok_or_else(|| missing(name));
    let text = |name: &str| needed(name)?.as_str().ok_or_else(|| malformed(name));

    let merchant_id = text("merchantId")?;
    if merchant_id.len() != 15 || digits(&merchant_id.into()).is_none() {
        return Err(malformed("merchantId"));
    }
    let shop = shop(merchant_id).ok_or_else(|| Refusal::new("03"))?;
    if present("intermediateServiceProviderId").is_some() {
        // No service provider has a contract here.
        return Err(Refusal::new("03"));
    }
    let key_version = digits(needed("keyVersion")?).ok_or_else(|| malformed("keyVersion"))?;
    let secret = shop.secret(&key_version).ok_or_else(|| Refusal::new("34"))?;
    let algorithm = match present("sealAlgorithm") {
        None => Algorithm::JSON_DEFAULT,
        Some(word) => word.as_str().and_then(Algorithm::named).ok_or_else(|| unfit("sealAlgorithm"))?,
    };
    if algorithm.seal(&sealed_text(members), &secret) != text("seal")? {
        return Err(Refusal::new("34"));
    }
    let interface = text("interfaceVersion")?;
    let (prefix, version) = Version::split(interface).ok_or_else(|| malformed("interfaceVersion"))?;
    let right = match call.service.as_str() {
        INIT if version.major == 3 => prefix == "IR_WS" && version <= NEWEST_PAGE,
        INIT => prefix == "IR_WS" && is_known_two(version),
        READ => prefix == "DR_WS" && is_known_two(version),
        _ => prefix == "CR_WS" && is_known_two(version),
    };
    if !right {
        return Err(unfit("interfaceVersion"));
    }
    Ok(Session { book, shop, call, members, version, key_version, now })
}

fn is_known_two(version: Version) -> bool {
    version.major == 2 && version <= NEWEST_TWO
}

/// The transaction that the request names, by the way that the shop's setting wants.
pub(super) fn named_transaction(session: &Session<'_>) -> Result<String, Refusal> {
    let reference = members::reference(session.members);
    let pair = session.members.get("s10TransactionReference").and_then(Value::as_object);
    let (right, wrong) = if session.shop.naming.is_s10() {
        let name = pair.and_then(|pair| {
            let number = pair.get("s10TransactionId").and_then(digits)?;
            Some(s10_name(&number, &members::text(pair, "s10TransactionIdDate")?))
        });
        (name.ok_or("s10TransactionReference"), reference.map(|_| "transactionReference"))
    } else {
        (reference.ok_or("transactionReference"), pair.map(|_| "s10TransactionReference"))
    };
    match (right, wrong) {
        (_, Some(wrong)) => Err(unfit(wrong)),
        (Err(absent), None) => Err(missing(absent)),
        (Ok(name), None) => Ok(name),
    }
}

/// Members: third-party clients of `getTransactionData`.
fn read(session: &Session<'_>) -> Result<Map<String, Value>, Refusal> {
    members::check(session.members, &[members::ENVELOPE, members::ABOUT], session.version)?;
    let name = named_transaction(session)?;
    let orders = session.book.orders();
    let found = orders.get(&key(session.shop.merchant_id, &name)).filter(|made| made.is_visible());
    found.map(|made| made.answer(session.version, session.now)).ok_or_else(|| Refusal::new("25"))
}
