//! The result of a payment, as it is posted to the merchant twice: by the platform itself and by the payer's browser.
//!
//! Source: Paypage JSON guide and Paypage POST guide, "automatic response" and "manual response".

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::dates::{date_time, dotted_date_time};
use super::init::{new_redirection_data, page_end};
use super::members::Version;
use super::seal::Algorithm;
use super::transaction::{Transaction, without_nulls};
use crate::platform::merge;

/// Where a result goes, and how it is written: decided by the request that opened the page.
#[derive(Debug, Clone)]
pub(super) struct Page {
    /// `redirectionData`, which names the page.
    pub(super) data: String,
    /// End of the page unless something happens on it.
    pub(super) until: Timestamp,
    pub(super) normal_url: Option<String>,
    pub(super) automatic_url: Option<String>,
    /// Version of the key that seals the result.
    pub(super) key_version: String,
    /// `None` where the request named none.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) encoding: Encoding,
    pub(super) normal_format: Format,
    pub(super) automatic_format: Format,
}

impl Page {
    /// A page that has just been opened, without addresses.
    pub(super) fn usual(format: Format, now: Timestamp) -> Self {
        Self {
            data: new_redirection_data(),
            until: page_end(now),
            normal_url: None,
            automatic_url: None,
            key_version: "1".to_owned(),
            algorithm: None,
            encoding: Encoding::Plain,
            normal_format: format,
            automatic_format: format,
        }
    }
}

/// `responseEncoding`, the field `Encode` of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Base64,
    Base64Url,
}

impl Encoding {
    /// The values that a request may name.
    pub(super) const WORDS: [&str; 2] = ["base64", "base64url"];

    pub(super) fn named(word: Option<&str>) -> Self {
        match word {
            Some("base64") => Self::Base64,
            Some("base64url") => Self::Base64Url,
            _ => Self::Plain,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
        }
    }

    fn write(self, text: String) -> String {
        match self {
            Self::Plain => text,
            Self::Base64 => STANDARD.encode(text),
            // Inferred: without `=` at the end.
            Self::Base64Url => URL_SAFE_NO_PAD.encode(text),
        }
    }
}

/// `InterfaceVersion` of the result: `HP_x.y` is the POST format, `JS_x.y` the JSON format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    is_json: bool,
    version: Version,
}

impl Format {
    /// What a page request of this interface gets. Source: Paypage JSON guide: JSON from 3.0 on.
    pub(super) fn usual(version: Version) -> Self {
        Self { is_json: version.major >= 3, version }
    }

    /// `interfaceVersionAutomaticResponse` and `interfaceVersionNormalResponse`.
    pub(super) fn named(text: &str) -> Option<Self> {
        match Version::split(text)? {
            ("HP", version) => Some(Self { is_json: false, version }),
            ("JS", version) => Some(Self { is_json: true, version }),
            _ => None,
        }
    }

    fn word(self) -> String {
        let prefix = if self.is_json { "JS" } else { "HP" };
        format!("{prefix}_{}.{}", self.version.major, self.version.minor)
    }
}

/// The four fields of the form. The seal covers `Data` as it is sent.
pub(super) fn fields(made: &Transaction, format: Format, secret: &str) -> [(&'static str, String); 4] {
    let text = if format.is_json { json_data(made).to_string() } else { post_data(made) };
    let data = made.page.encoding.write(text);
    let seal = made.page.algorithm.unwrap_or(Algorithm::FORM_DEFAULT).seal(&data, secret);
    [
        ("Data", data),
        ("Encode", made.page.encoding.word().to_owned()),
        ("Seal", seal),
        ("InterfaceVersion", format.word()),
    ]
}

/// What both formats tell, absent values as null.
fn members(made: &Transaction) -> Value {
    json!({
        "acquirerResponseCode": made.acquirer_code,
        "amount": made.amount,
        "authorisationId": made.authorisation_id,
        "captureDay": made.capture_day,
        "captureMode": made.capture_mode,
        "currencyCode": made.currency,
        "customerId": made.customer_id,
        "guaranteeIndicator": made.authorisation_id.as_ref().map(|_| "Y"),
        "keyVersion": made.page.key_version,
        "maskedPan": "4100##########00",
        "merchantId": made.merchant_id,
        "orderChannel": made.order_channel,
        "orderId": made.order_id,
        "panExpiryDate": "203012",
        "paymentMeanBrand": "VISA",
        "paymentMeanType": "CARD",
        "paymentPattern": "ONE_SHOT",
        "responseCode": made.response_code,
        "returnContext": made.return_context,
        "s10TransactionId": made.s10_id,
        "s10TransactionIdDate": made.s10_date,
        "transactionOrigin": made.transaction_origin,
        "transactionReference": made.reference,
    })
}

/// The POST format: `name=value|...`. A value that contains `|` breaks it, there too.
fn post_data(made: &Transaction) -> String {
    let mut answer = members(made);
    let more = json!({
        "holderAuthentStatus": "3D_SUCCESS",
        "transactionDateTime": date_time(made.made),
        // Empty values come as this word. Source: Worldline SDK, tests.
        "walletType": "null",
    });
    merge(&mut answer, &more);
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs = without_nulls(answer).into_iter().map(|(name, value)| format!("{name}={}", text(value)));
    pairs.collect::<Vec<_>>().join("|")
}

/// The JSON format: some members are numbers there, and some have names of their own.
fn json_data(made: &Transaction) -> Value {
    let mut answer = members(made);
    let more = json!({
        "keyVersion": made.page.key_version.parse::<i64>().ok(),
        "orderAmount": made.amount,
        "paymentAttemptNumber": 1,
        "responseDescription": description(&made.response_code),
        "transactionDateTime": dotted_date_time(made.made),
    });
    merge(&mut answer, &more);
    Value::Object(without_nulls(answer))
}

/// `responseDescription`. Only the text of 97 is published, the others are own words.
fn description(code: &str) -> &'static str {
    match code {
        "00" => "Transaction accepted",
        "05" => "Authorisation refused",
        "17" => "Cancelled by the buyer",
        "97" => "Request time-out; transaction refused",
        _ => "Transaction refused",
    }
}
