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

/// The POST format: `name=value|...`, in the order of the samples. A value that contains `|` breaks it, there too.
fn post_data(made: &Transaction) -> String {
    let mut pairs: Vec<(&str, String)> = vec![
        ("captureDay", made.capture_day.to_string()),
        ("captureMode", made.capture_mode.clone()),
        ("currencyCode", made.currency.clone()),
        ("merchantId", made.merchant_id.clone()),
        ("orderChannel", made.order_channel.clone()),
        ("responseCode", made.response_code.clone()),
        ("transactionDateTime", date_time(made.made)),
        ("transactionReference", made.reference.clone()),
        ("keyVersion", made.page.key_version.clone()),
    ];
    let optional = [
        ("acquirerResponseCode", made.acquirer_code.clone()),
        ("amount", Some(made.amount.to_string())),
        ("authorisationId", made.authorisation_id.clone()),
        ("guaranteeIndicator", made.authorisation_id.as_ref().map(|_| "Y".to_owned())),
        ("panExpiryDate", Some("203012".to_owned())),
        ("paymentMeanBrand", Some("VISA".to_owned())),
        ("paymentMeanType", Some("CARD".to_owned())),
        ("maskedPan", Some("4100##########00".to_owned())),
        ("holderAuthentStatus", Some("3D_SUCCESS".to_owned())),
        ("orderId", made.order_id.clone()),
        ("customerId", made.customer_id.clone()),
        ("returnContext", made.return_context.clone()),
        ("s10TransactionId", Some(made.s10_id.clone())),
        ("s10TransactionIdDate", Some(made.s10_date.clone())),
        ("transactionOrigin", made.transaction_origin.clone()),
        ("paymentPattern", Some("ONE_SHOT".to_owned())),
        // Empty values come as this word. Source: Worldline SDK, tests.
        ("walletType", Some("null".to_owned())),
    ];
    pairs.extend(optional.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))));
    let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("|")
}

/// The JSON format: some members are numbers there, and some have names of their own.
fn json_data(made: &Transaction) -> Value {
    let key_version: Option<i64> = made.page.key_version.parse().ok();
    let members = json!({
        "keyVersion": key_version,
        "amount": made.amount,
        "captureDay": made.capture_day,
        "captureMode": made.capture_mode,
        "currencyCode": made.currency,
        "customerId": made.customer_id,
        "merchantId": made.merchant_id,
        "orderAmount": made.amount,
        "orderChannel": made.order_channel,
        "orderId": made.order_id,
        "responseCode": made.response_code,
        "responseDescription": description(&made.response_code),
        "transactionDateTime": dotted_date_time(made.made),
        "transactionReference": made.reference,
        "acquirerResponseCode": made.acquirer_code,
        "authorisationId": made.authorisation_id,
        "guaranteeIndicator": made.authorisation_id.as_ref().map(|_| "Y"),
        "returnContext": made.return_context,
        "s10TransactionId": made.s10_id,
        "s10TransactionIdDate": made.s10_date,
        "transactionOrigin": made.transaction_origin,
        "maskedPan": "4100##########00",
        "panExpiryDate": "203012",
        "paymentMeanBrand": "VISA",
        "paymentMeanType": "CARD",
        "paymentPattern": "ONE_SHOT",
        "paymentAttemptNumber": 1,
    });
    Value::Object(without_nulls(members))
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
