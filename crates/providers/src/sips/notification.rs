//! What the platform posts when a payment is over, and what the payer's browser posts on its way back: the same
//! content, twice.
//!
//! Source: Paypage POST and JSON guides, "Responses", release 25.2. A form of four fields: `Data`, `Encode`, `Seal` and
//! `InterfaceVersion`. The seal is over the text of `Data` exactly as received, before `Encode` is undone. It is made
//! with the algorithm that the payment request named, else with SHA-256. `Data` is `name=value` joined by `|`, or, from
//! interface 3.x on, one JSON object. There is no status in it, and nobody waits for an answer.

use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    config::{Key, ReferenceBy, Settings},
    currency, error, reference,
    signature::SealAlgorithm,
    wire,
};
use guichet_port::{
    adapter::{Acknowledgement, Notification, NotificationError, RawNotification},
    domain::{Money, OrderStatus, ProviderReference},
};

/// Padding is accepted and not demanded.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// How `Data` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    Base64,
    Base64Url,
}

/// The form as it came in. Holds payer data: no `Debug`.
struct Envelope<'a> {
    data: Cow<'a, str>,
    encode: Cow<'a, str>,
    seal: Cow<'a, str>,
}

impl<'a> Envelope<'a> {
    fn read(body: &'a [u8]) -> Result<Self, NotificationError> {
        let (mut data, mut encode, mut seal) = (None, Cow::Borrowed(""), Cow::Borrowed(""));
        for (name, value) in url::form_urlencoded::parse(body) {
            match name.as_ref() {
                "Data" if data.is_none() => data = Some(value),
                "Encode" => encode = value,
                "Seal" => seal = value,
                _ => {}
            }
        }
        let data =
            data.filter(|data| !data.is_empty()).ok_or_else(|| unreadable("the form has no `Data`"))?;
        Ok(Self { data, encode, seal })
    }

    fn encoding(&self) -> Option<Encoding> {
        match self.encode.as_ref() {
            "" => Some(Encoding::Plain),
            word if word.eq_ignore_ascii_case("base64") => Some(Encoding::Base64),
            word if word.eq_ignore_ascii_case("base64url") => Some(Encoding::Base64Url),
            _ => None,
        }
    }

    fn decoded(&self) -> Result<Cow<'_, str>, NotificationError> {
        let bytes = match self.encoding() {
            None => return Err(unreadable("`Encode` is neither base64 nor base64url")),
            Some(Encoding::Plain) => return Ok(Cow::Borrowed(&self.data)),
            Some(Encoding::Base64) => BASE64.decode(self.data.as_bytes()),
            Some(Encoding::Base64Url) => BASE64URL.decode(self.data.as_bytes()),
        };
        let bytes = bytes.map_err(|_| unreadable("`Data` is not in the encoding that `Encode` names"))?;
        String::from_utf8(bytes).map(Cow::Owned).map_err(|_| unreadable("`Data` is not UTF-8"))
    }
}

fn unreadable(problem: &str) -> NotificationError {
    NotificationError::Unreadable(problem.to_owned())
}

/// The keys a notification may be sealed with: the present one and the one before.
fn keys(settings: &Settings) -> impl Iterator<Item = &Key> {
    std::iter::once(&settings.key).chain(&settings.previous_key)
}

/// What these keys are called, in their order.
const KEY_NAMES: [&str; 2] = ["the account's key", "the account's previous key"];

/// The algorithms it may be sealed with: the one our own requests name, and the one that is used for requests of
/// others on this shop, which named none.
fn accepted(settings: &Settings) -> [SealAlgorithm; 2] {
    [settings.algorithm, SealAlgorithm::Sha256]
}

/// Verifies a notification and reads it.
///
/// # Errors
/// It is not the platform's form, or not sealed with a key of this shop.
pub(super) fn verify(settings: &Settings, raw: &RawNotification) -> Result<Notification, NotificationError> {
    let envelope = Envelope::read(&raw.body)?;
    let data = envelope.data.as_bytes();
    let fitting = keys(settings).zip(KEY_NAMES).find_map(|(key, name)| {
        let fits = |algorithm: &SealAlgorithm| algorithm.matches(data, &key.secret, &envelope.seal);
        Some((accepted(settings).into_iter().find(fits)?, name))
    });
    let Some((algorithm, name)) = fitting else {
        return Err(NotificationError::BadSignature(explain(settings, &envelope)));
    };
    let read = notification(settings, &members(&envelope.decoded()?)?)?;
    Ok(Notification { signed_with: format!("{} and {name}", algorithm.as_str()), ..read })
}

/// What a refused notification was really sealed with, in words, as far as that can be told: for operators who look
/// for a wrong setting. Nothing of the message or of a key is repeated.
fn explain(settings: &Settings, envelope: &Envelope<'_>) -> String {
    let seal = envelope.seal.trim();
    if seal.is_empty() {
        return "it has no seal: the platform could not sign, because merchant or key are unknown to it"
            .to_owned();
    }
    let decoded = envelope.decoded().ok();
    let is_encoded = envelope.encoding() != Some(Encoding::Plain);
    // Mistakes that are met in practice, each with how the text would have to be changed for its seal to be right.
    let texts = [
        (Cow::Borrowed(envelope.data.as_ref()), "the text as received"),
        (
            decoded.clone().filter(|_| is_encoded).unwrap_or_default(),
            "the decoded text instead of the text as received",
        ),
        (Cow::Owned(envelope.data.replace(' ', "+")), "a text whose `+` were lost on the way, as spaces"),
        (Cow::Owned(envelope.data.trim().to_owned()), "the text without the blanks around it"),
    ];
    for (text, how) in &texts {
        for (key, which) in keys(settings).zip(KEY_NAMES) {
            let found = SealAlgorithm::ALL
                .into_iter()
                .find(|algorithm| !text.is_empty() && algorithm.matches(text.as_bytes(), &key.secret, seal));
            if let Some(algorithm) = found {
                let asked = settings.algorithm.as_str();
                return format!(
                    "sealed with {} and {which} over {how}; taken is {asked} or SHA-256 over the text as received",
                    algorithm.as_str()
                );
            }
        }
    }
    let form = match (seal.len(), seal.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        (64, true) => "it has the form of HMAC-SHA-256 or SHA-256",
        (128, true) => "it has the form of HMAC-SHA-512",
        _ => "it has not the form of a seal",
    };
    let members = decoded.and_then(|data| members(&data).ok()).unwrap_or_default();
    let told =
        |name: &str| text(&members, name).filter(|value| value.len() <= 15 && value.parse::<u64>().is_ok());
    let mut words = format!("sealed with none of the account's keys, or changed on the way; {form}");
    if told("merchantId").is_some_and(|merchant| merchant != settings.merchant_id) {
        words.push_str("; it names another merchant than the account");
    }
    if let Some(version) = told("keyVersion")
        && keys(settings).all(|key| key.version != version)
    {
        let known: Vec<_> = keys(settings).map(|key| key.version.as_str()).collect();
        words.push_str(&format!("; it names key version {version}, the account has {}", known.join(" and ")));
    }
    words
}

/// The members of `Data`, in either format. A value `null` of the POST format means none.
fn members(data: &str) -> Result<Map<String, Value>, NotificationError> {
    if data.trim_start().starts_with('{') {
        return serde_json::from_str(data).map_err(|_| unreadable("`Data` is not one JSON object"));
    }
    let pairs = data.split('|').filter(|pair| !pair.is_empty()).map(|pair| {
        // Values may contain `=`.
        let (name, value) =
            pair.split_once('=').ok_or_else(|| unreadable("`Data` has a member without `=`"))?;
        Ok((name.to_owned(), if value == "null" { Value::Null } else { Value::from(value) }))
    });
    pairs.collect()
}

/// A member as text, whether it came as text or as a number; empty is absent.
fn text(members: &Map<String, Value>, name: &str) -> Option<String> {
    match members.get(name)? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn notification(
    settings: &Settings,
    members: &Map<String, Value>,
) -> Result<Notification, NotificationError> {
    let told = |name: &str| text(members, name);
    if told("merchantId").is_some_and(|merchant| merchant != settings.merchant_id) {
        return Err(unreadable("it is about another merchant"));
    }
    let transaction = told("transactionReference");
    let (number, day) = (told("s10TransactionId"), told("s10TransactionIdDate"));
    let reference = reference::from_wire(
        settings.reference_by,
        transaction.as_deref(),
        number.as_deref().zip(day.as_deref()),
    );
    if reference.is_none() {
        let wanted = match settings.reference_by {
            ReferenceBy::Merchant | ReferenceBy::Platform => "transactionReference",
            ReferenceBy::S10 => "s10TransactionId and s10TransactionIdDate",
        };
        return Err(unreadable(&format!("it names no {wanted} in the accepted form")));
    }
    let code = told("responseCode").map(|code| error::clean(&code));
    let at = told("transactionDateTime");
    let amount = match members.get("amount") {
        None | Some(Value::Null) => None,
        Some(value) => Some(wire::amount(value).ok_or_else(|| unreadable("its amount is none"))?),
    };
    let amount = amount.zip(told("currencyCode").as_deref().and_then(currency::by_number));
    Ok(Notification {
        dedup_key: dedup_key(reference.as_ref(), members),
        reference,
        merchant_reference: told("orderId"),
        operation: told("returnContext").and_then(|context| context.parse().ok()),
        status: code.as_deref().and_then(|code| status(code, told("captureMode").as_deref())),
        provider_status: code,
        amount: amount.and_then(|(value, currency)| Money::balance(value, currency).ok()),
        occurred_at: at.as_deref().and_then(wire::instant),
        settles: None,
        signed_with: String::new(),
        closes: false,
        acknowledgement: Acknowledgement::EMPTY,
    })
}

/// Members that matter besides the transaction, its time and its amount: the browser's post and the platform's own are
/// the same news, whatever else stands in one of them.
const MATTERING: [&str; 11] = [
    "responseCode",
    "acquirerResponseCode",
    "complementaryCode",
    "currencyCode",
    "captureMode",
    "captureDay",
    "authorisationId",
    "guaranteeIndicator",
    "paymentAttemptNumber",
    "orderId",
    "returnContext",
];

/// The same for everything that says the same in every member that matters, in either format; other news for a change of
/// an amount alone.
fn dedup_key(reference: Option<&ProviderReference>, members: &Map<String, Value>) -> String {
    let at = text(members, "transactionDateTime");
    let at = at.map(|at| wire::instant(&at).map_or(at, |instant| instant.to_string()));
    let amount = members.get("amount").and_then(wire::amount).map(|amount| amount.to_string());
    let mut parts = vec![reference.map(|reference| reference.to_string()), at, amount];
    parts.extend(MATTERING.iter().map(|name| text(members, name)));
    // As JSON, so that no two lists of parts are one text.
    hex::encode(Sha256::digest(Value::from(parts).to_string().as_bytes()))
}

/// What a payment's result means. The message has no status of its own ("Analysing the response"): accepted with the
/// fraud rules' doubt looks like accepted, which the read that follows will tell. Codes of a platform that had no
/// answer in time (90, 99) and those not known here say nothing.
fn status(code: &str, capture_mode: Option<&str>) -> Option<OrderStatus> {
    match code {
        "00" if capture_mode == Some("VALIDATION") => Some(OrderStatus::Authorized),
        "00" => Some(OrderStatus::Paid),
        "60" | "62" => Some(OrderStatus::Processing),
        "02" | "05" | "11" | "14" | "34" | "51" | "54" | "55" | "57" | "63" | "75" => {
            Some(OrderStatus::Declined)
        }
        "03" | "12" | "17" | "24" | "30" | "40" | "94" => Some(OrderStatus::Failed),
        // The page was left for 15 minutes.
        "97" => Some(OrderStatus::Expired),
        _ => None,
    }
}

#[cfg(test)]
#[path = "notification_tests.rs"]
mod tests;
