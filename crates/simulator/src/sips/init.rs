//! `paymentInit`: opens a payment page.
//!
//! Source: Paypage JSON guide, "payment request"; Worldline PHP and Java SDKs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::answer::REDIRECTION_VERSION;
use super::dates::day;
use super::members::{self, CONTACT, Fields, Kind, digits, malformed, missing, number, text, unfit, unknown};
use super::result::{Encoding, Format, Page};
use super::seal::Algorithm;
use super::services::Session;
use super::shops::Naming;
use super::transaction::{CAPTURE_MODES, Transaction, key, s10_name, without_nulls};
use super::{Rest, Sips};
use crate::clock::later;
use crate::platform::Refusal;

/// How long a page waits for the payer to do something. Source: provider page `cashManagement/cancel`, code 97.
const PAGE_MINUTES: i64 = 15;

/// Random bytes of `redirectionData`: with them it has the 2 to 3 kB of the real one.
const REDIRECTION_BYTES: usize = 1536;

/// `s10TransactionReference` of a creation: the platform sets the date itself.
const S10_ID: &[Fields] = &[Fields::needed(Kind::Number(6), &["s10TransactionId"])];

/// Members of a page request: those that the guides' samples have. The platform knows many more. Lengths are those of
/// the data dictionary for `orderId`, `customerId`, `returnContext` and the addresses; the other lengths of text are
/// guesses.
const FIELDS: &[Fields] = &[
    Fields::needed(Kind::Number(12), &["amount"]),
    Fields::needed(Kind::Currency, &["currencyCode"]),
    Fields::needed(Kind::Url, &["normalReturnUrl"]),
    Fields::optional(Kind::Url, &["automaticResponseUrl"]),
    Fields::optional(Kind::Container(S10_ID), &["s10TransactionReference"]),
    Fields::optional(Kind::Container(CONTACT), &["customerContact", "billingContact", "deliveryContact"]),
    Fields::optional(Kind::Container(CONTACT), &["holderContact"]),
    Fields::optional(
        Kind::Object,
        &["customerAddress", "billingAddress", "deliveryAddress", "holderAddress"],
    ),
    Fields::optional(Kind::Object, &["instalmentData", "paypageData", "shoppingCartDetail", "fraudData"]),
    Fields::optional(Kind::Texts, &["paymentMeanBrandList"]),
    Fields::optional(Kind::Word(&CAPTURE_MODES), &["captureMode"]),
    Fields::optional(Kind::Word(&Encoding::WORDS), &["responseEncoding"]),
    Fields::optional(Kind::Number(2), &["captureDay"]),
    Fields::optional(Kind::Number(10), &["responseKeyVersion"]),
    Fields::optional(Kind::Alphanumeric(2), &["customerLanguage"]),
    Fields::optional(Kind::Text(19), &["customerId"]),
    Fields::optional(
        Kind::Text(20),
        &["sealAlgorithm", "orderChannel", "paymentPattern", "transactionOrigin"],
    ),
    Fields::optional(Kind::Text(20), &["intermediateServiceProviderId"]),
    Fields::optional(
        Kind::Text(20),
        &["interfaceVersionAutomaticResponse", "interfaceVersionNormalResponse"],
    ),
    Fields::optional(Kind::Text(21), &["merchantWalletId"]),
    Fields::optional(Kind::Text(32), &["orderId", "templateName"]),
    Fields::optional(Kind::Text(39), &["customerIpAddress"]),
    Fields::optional(Kind::Text(50), &["statementReference"]),
    Fields::optional(Kind::Text(128), &["customerEmail", "merchantSessionId"]),
    Fields::optional(Kind::Text(255), &["returnContext"]),
];

/// The names of a new transaction.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) id: String,
    pub(super) reference: String,
    pub(super) s10_id: String,
    pub(super) s10_date: String,
}

/// Names for a transaction of this shop; what is not given is made here. One that is in use already stays so.
pub(super) fn names(
    rest: &mut Rest,
    naming: Naming,
    reference: Option<String>,
    s10: Option<(String, String)>,
    now: Timestamp,
) -> Names {
    let reference = reference.unwrap_or_else(new_reference);
    let (s10_id, s10_date) = s10.unwrap_or_else(|| (rest.next_s10_id(), day(now)));
    let s10_id = format!("{s10_id:0>6}");
    let id = if naming.is_s10() { s10_name(&s10_id, &s10_date) } else { reference.clone() };
    Names { id, reference, s10_id, s10_date }
}

/// A reference as the platform makes one: letters and digits.
fn new_reference() -> String {
    let mut bytes = [0_u8; 10];
    rand::fill(&mut bytes);
    hex::encode(bytes)
}

/// The opaque name of a page.
pub(super) fn new_redirection_data() -> String {
    let mut bytes = vec![0_u8; REDIRECTION_BYTES];
    rand::fill(bytes.as_mut_slice());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The end of a page that has just been opened or used.
pub(super) fn page_end(now: Timestamp) -> Timestamp {
    later(now, SignedDuration::from_mins(PAGE_MINUTES))
}

impl Sips {
    pub(super) fn open_page(&self, session: &Session<'_>) -> Result<Map<String, Value>, Refusal> {
        let sent = session.members;
        members::check(sent, &[members::ENVELOPE, FIELDS], session.version)?;
        let amount = number(sent, "amount").filter(|amount| *amount > 0).ok_or_else(|| unfit("amount"))?;
        let page = page(session)?;
        let (reference, s10_id) = wanted_names(session)?;
        let mut orders = session.book.orders();
        let shop = session.shop;
        let s10 = s10_id.map(|id| (id, day(session.now)));
        let names = names(&mut orders.rest, shop.naming, reference, s10, session.now);
        if orders.get(&key(shop.merchant_id, &names.id)).is_some() {
            return Err(Refusal::new("94"));
        }
        let usual = Transaction::open(shop.merchant_id, names, amount, page, session.now);
        let made = Transaction {
            currency: text(sent, "currencyCode").unwrap_or_default(),
            capture_mode: text(sent, "captureMode").unwrap_or(usual.capture_mode),
            capture_day: number(sent, "captureDay").unwrap_or(0),
            order_id: text(sent, "orderId"),
            order_channel: text(sent, "orderChannel").unwrap_or(usual.order_channel),
            customer_id: text(sent, "customerId"),
            return_context: text(sent, "returnContext"),
            transaction_origin: text(sent, "transactionOrigin"),
            ..usual
        };
        let answer = json!({
            "redirectionStatusCode": "00",
            "redirectionStatusMessage": "INITIALISATION REQUEST ACCEPTED",
            "redirectionUrl": self.page_url(session.book),
            "redirectionData": made.page.data,
            "redirectionVersion": REDIRECTION_VERSION,
        });
        self.changed(session.book, "create", None, &made, session.call.sequence);
        orders.insert(made);
        Ok(without_nulls(answer))
    }
}

/// The reference and the number that the request names, as the shop's setting wants. A shop whose references the platform
/// makes takes a given one (facts of 1 December 2026, published code of the simulation shop 002001000000002; inferred for
/// the other shop of that kind). Inferred: that a name of the other kind, or a number that the platform makes, is refused
/// as an unknown member.
fn wanted_names(session: &Session<'_>) -> Result<(Option<String>, Option<String>), Refusal> {
    let reference = members::reference(session.members);
    let pair = session.members.get("s10TransactionReference").and_then(Value::as_object);
    let s10_id = pair.and_then(|pair| pair.get("s10TransactionId")).and_then(digits);
    let naming = session.shop.naming;
    if reference.is_some() && naming.is_s10() {
        return Err(unknown("transactionReference"));
    }
    if pair.is_some() && naming != Naming::S10 {
        return Err(unknown("s10TransactionReference"));
    }
    match naming {
        Naming::Reference if reference.is_none() => Err(missing("transactionReference")),
        Naming::S10 if s10_id.is_none() => Err(missing("s10TransactionReference")),
        Naming::Reference | Naming::PlatformReference | Naming::S10 | Naming::PlatformS10 => {
            Ok((reference, s10_id))
        }
    }
}

fn page(session: &Session<'_>) -> Result<Page, Refusal> {
    let sent = session.members;
    let (automatic, normal) = ("interfaceVersionAutomaticResponse", "interfaceVersionNormalResponse");
    let (automatic_format, normal_format) = match (text(sent, automatic), text(sent, normal)) {
        (None, None) => (Format::usual(session.version), Format::usual(session.version)),
        (Some(_), None) => return Err(missing(normal)),
        (None, Some(_)) => return Err(missing(automatic)),
        (Some(one), Some(other)) => (
            Format::named(&one).ok_or_else(|| malformed(automatic))?,
            Format::named(&other).ok_or_else(|| malformed(normal))?,
        ),
    };
    let response_key = sent.get("responseKeyVersion").and_then(digits);
    if response_key.as_ref().is_some_and(|version| session.shop.secret(version).is_none()) {
        return Err(unfit("responseKeyVersion"));
    }
    Ok(Page {
        normal_url: text(sent, "normalReturnUrl"),
        automatic_url: text(sent, "automaticResponseUrl"),
        key_version: response_key.unwrap_or_else(|| session.key_version.clone()),
        algorithm: text(sent, "sealAlgorithm").and_then(|word| Algorithm::named(&word)),
        encoding: Encoding::named(text(sent, "responseEncoding").as_deref()),
        automatic_format,
        ..Page::usual(normal_format, session.now)
    })
}
