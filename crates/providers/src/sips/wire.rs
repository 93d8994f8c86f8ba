//! The platform's JSON in its own spelling. No `Debug`: these hold payer data.
//!
//! Source: Office and Paypage JSON guides, release 25.2, and the cancel page of the Sherlock's reference, 2.55.
//! Members without a value are left out: a request is sealed over what is sent.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use guichet_port::domain::Timestamp;

/// The pair of version 1.0.
#[derive(Serialize, Clone)]
#[serde(rename_all = "camelCase")]
pub(super) struct S10Reference {
    pub(super) s10_transaction_id: String,
    pub(super) s10_transaction_id_date: String,
}

/// Which transaction is meant: one of the two, by the merchant's setting.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identification {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transaction_reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) s10_transaction_reference: Option<S10Reference>,
}

/// The request of `cashManagement/cancel`, `/validate` and `/refund`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CashRequest<'a> {
    pub(super) currency_code: &'static str,
    pub(super) interface_version: &'a str,
    pub(super) merchant_id: &'a str,
    /// What is to be taken off, validated or given back; as text, as in the guides.
    pub(super) operation_amount: String,
    #[serde(flatten)]
    pub(super) transaction: Identification,
}

/// The answer of these. Every member but the seal may be missing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CashAnswer {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) response_code: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) acquirer_response_code: Option<String>,
    pub(super) new_status: Option<String>,
    #[serde(default, deserialize_with = "maybe_whole")]
    pub(super) new_amount: Option<i64>,
    pub(super) error_field_name: Option<String>,
}

/// The request of `diagnostic/getTransactionData`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DiagnosticRequest<'a> {
    pub(super) interface_version: &'a str,
    pub(super) merchant_id: &'a str,
    #[serde(flatten)]
    pub(super) transaction: Identification,
}

/// Its answer, as far as it is used. Every member but the seal may be missing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionData {
    /// The result of the read, in newer releases.
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) get_trans_data_response_code: Option<String>,
    /// The result of the read in older releases, of the payment in newer ones.
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) response_code: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) acquirer_response_code: Option<String>,
    pub(super) error_field_name: Option<String>,
    pub(super) transaction_status: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) merchant_id: Option<String>,
    #[serde(default, deserialize_with = "maybe_filled")]
    pub(super) transaction_reference: Option<String>,
    #[serde(default, deserialize_with = "maybe_pair")]
    pub(super) s10_transaction_reference: Option<S10Reference>,
    /// The bank's number of the authorization; absent on a refusal.
    #[serde(default, deserialize_with = "maybe_filled")]
    pub(super) authorisation_id: Option<String>,
    #[serde(default, deserialize_with = "maybe_whole")]
    pub(super) origin_amount: Option<i64>,
    #[serde(default, deserialize_with = "maybe_whole")]
    pub(super) current_amount: Option<i64>,
    #[serde(default, deserialize_with = "maybe_whole")]
    pub(super) remaining_amount: Option<i64>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) currency_code: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) order_id: Option<String>,
    pub(super) transaction_date_time: Option<String>,
    pub(super) last_operation_name: Option<String>,
    pub(super) last_operation_date_time: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) capture_limit_date: Option<String>,
    pub(super) order_channel: Option<String>,
    pub(super) payment_mean_brand: Option<String>,
    pub(super) payment_mean_type: Option<String>,
    pub(super) payment_pattern: Option<String>,
    pub(super) holder_authent_status: Option<String>,
    pub(super) holder_authent_method: Option<String>,
    pub(super) automatic_response_status: Option<String>,
}

/// The request of `paymentInit`. What is `None` is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageRequest<'a> {
    pub(super) amount: String,
    pub(super) automatic_response_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capture_day: Option<String>,
    pub(super) capture_mode: &'static str,
    pub(super) currency_code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_contact: Option<CustomerContact<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fraud_data: Option<FraudData<'a>>,
    pub(super) interface_version: &'a str,
    pub(super) merchant_id: &'a str,
    pub(super) normal_return_url: String,
    pub(super) order_channel: &'static str,
    pub(super) order_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payment_mean_brand_list: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) paypage_data: Option<PaypageData>,
    pub(super) return_context: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) statement_reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) template_name: Option<&'a str>,
    pub(super) transaction_reference: &'a str,
}

/// `customerContact`.
#[derive(Serialize)]
pub(super) struct CustomerContact<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) firstname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lastname: Option<&'a str>,
}

/// `fraudData`.
#[derive(Serialize)]
pub(super) struct FraudData<'a> {
    #[serde(rename = "challengeMode3DS")]
    pub(super) challenge_mode_3ds: &'a str,
}

/// `paypageData`. Flags are sent as text, as the guides always do.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaypageData {
    pub(super) bypass_receipt_page: &'static str,
}

/// The answer of `paymentInit`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageAnswer {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) redirection_status_code: Option<String>,
    pub(super) redirection_url: Option<String>,
    pub(super) redirection_data: Option<String>,
    pub(super) redirection_version: Option<String>,
    pub(super) error_field_name: Option<String>,
}

/// A text, or a whole number that stands for one: the guides show both for the same fields.
fn of_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        Value::Number(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn maybe_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_null() {
        return Ok(None);
    }
    of_text(value).map(Some).ok_or_else(|| serde::de::Error::custom("not a text"))
}

/// A text that says something: an empty reference is an absent one (real clients, read 2026-12-01).
fn maybe_filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(maybe_text(deserializer)?.filter(|text| !text.is_empty()))
}

/// The pair of version 1.0, when both of its members say something.
fn maybe_pair<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<S10Reference>, D::Error> {
    let Value::Object(mut members) = Value::deserialize(deserializer)? else { return Ok(None) };
    let mut told = |name: &str| members.remove(name).and_then(of_text).filter(|text| !text.is_empty());
    let pair = told("s10TransactionId").zip(told("s10TransactionIdDate"));
    Ok(pair.map(|(s10_transaction_id, s10_transaction_id_date)| S10Reference {
        s10_transaction_id,
        s10_transaction_id_date,
    }))
}

/// An amount in minor units: a whole number that is not negative, or its digits as text.
pub(super) fn amount(value: &Value) -> Option<i64> {
    let amount = match value {
        Value::Number(number) => number.as_i64()?,
        Value::String(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok()?
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (0..=guichet_port::domain::money::MAX_MINOR).contains(&amount).then_some(amount)
}

fn maybe_whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_null() {
        return Ok(None);
    }
    amount(&value).map(Some).ok_or_else(|| serde::de::Error::custom("not an amount"))
}

/// An instant of the platform: ISO 8601 with an offset, or, in notifications of the JSON format,
/// `YYYY-MM-DD.hh:mm:ss` with an offset without a colon (Paypage JSON guide, "transactionDateTime").
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(instant) = Timestamp::parse(text) {
        return Some(instant);
    }
    let (day, rest) = text.split_once(['.', 'T'])?;
    let at = rest.len().checked_sub(4).filter(|at| rest.is_char_boundary(*at))?;
    let (clock, minutes) = rest.split_at(at);
    let at = clock.len().checked_sub(1).filter(|at| clock.is_char_boundary(*at))?;
    let (clock, sign) = clock.split_at(at);
    let (hours, minutes) = minutes.split_at_checked(2)?;
    Timestamp::parse(&format!("{day}T{clock}{sign}{hours}:{minutes}")).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_spellings_of_an_instant_are_read() {
        for (text, utc) in [
            ("2026-01-14T10:31:07+01:00", Some("2026-01-14T09:31:07.000Z")),
            ("2026-01-14T10:31:07.250+01:00", Some("2026-01-14T09:31:07.250Z")),
            ("2026-01-14.10:31:07+0100", Some("2026-01-14T09:31:07.000Z")),
            ("2023-03-15.00:39:04-0530", Some("2023-03-15T06:09:04.000Z")),
            ("2026-01-14T10:31:07+0100", Some("2026-01-14T09:31:07.000Z")),
            ("2026-01-14", None),
            ("2026-01-14T10:31:07", None),
            ("", None),
            ("é.é", None),
            (".1234", None),
            ("x.éééé", None),
        ] {
            assert_eq!(instant(text).map(|instant| instant.to_string()).as_deref(), utc, "{text}");
        }
    }

    #[test]
    fn amounts_are_numbers_or_digits_and_nothing_else() {
        for (value, expected) in [
            (json!(700), Some(700)),
            (json!("700"), Some(700)),
            (json!("000700"), Some(700)),
            (json!(0), Some(0)),
            (json!(999_999_999_999_i64), Some(999_999_999_999)),
            (json!(1_000_000_000_000_i64), None),
            (json!(-1), None),
            (json!(7.5), None),
            (json!(""), None),
            (json!(" 7"), None),
            (json!("+7"), None),
            (json!("99999999999999999999"), None),
            (json!(true), None),
        ] {
            assert_eq!(amount(&value), expected, "{value}");
        }
    }
}
